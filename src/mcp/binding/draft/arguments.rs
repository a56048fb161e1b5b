//! The arguments of a tool, out of its input schema: references resolved, "or null" taken away, bounded.

use serde_json::{Map, Value, json};

use super::words::{bare, singular, split};
use crate::{domain::text::clean_line, mcp::tools::Tool};

/// How deep schemas are followed; what lies deeper may be anything.
const MAX_DEPTH: usize = 5;

/// The longest description that is taken over, in characters.
const MAX_WORDS: usize = 160;

/// One argument.
#[derive(Debug, Clone, PartialEq)]
pub struct Argument {
    /// Its name.
    pub name: String,
    /// Its schema, made simple.
    pub schema: Value,
    /// The tool refuses a call without it.
    pub required: bool,
}

/// How each resource stands in the arguments of a tool.
#[derive(Debug, Clone, PartialEq)]
pub struct Arguments {
    /// The arguments that describe one resource.
    pub of: Vec<Argument>,
    /// The argument that holds a list of such resources, if the tool takes several at once.
    pub batch: Option<String>,
}

/// What an argument is for, as its name and schema tell.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Purpose {
    /// It describes the resource, or says which one is meant.
    Data,
    /// A yes that the tool wants before it acts.
    Confirm,
    /// It must not be set: then nothing would happen.
    DryRun,
    /// Which part of a long list is wanted, or in which form.
    Paging,
    /// Something that the server's own framework lets through.
    Context,
}

impl Argument {
    /// What it is for.
    pub fn purpose(&self) -> Purpose {
        let (name, kind) = (bare(&self.name), self.schema["type"].as_str());
        let is = |all: &[&str]| all.contains(&name.as_str());
        match kind {
            Some("boolean") if is(&["confirmed", "confirm", "yes", "iamsure", "autoapprove"]) => Purpose::Confirm,
            Some("boolean") if is(&["dryrun", "noop", "preview", "simulate"]) => Purpose::DryRun,
            Some("object") | None if is(&["ctx", "context"]) => Purpose::Context,
            _ if is(&["limit", "offset", "page", "pagesize", "maxresults", "maxitems", "nexttoken", "cursor", "token", "maxcount"])
                && kind != Some("object")
                && !self.required =>
            {
                Purpose::Paging
            }
            _ => Purpose::Data,
        }
    }

    /// Whether the argument is a list of texts.
    pub fn is_text_list(&self) -> bool {
        self.schema["type"] == "array" && self.schema["items"]["type"] == "string"
    }

    /// Whether one text or number can stand for it.
    pub fn is_scalar(&self) -> bool {
        matches!(self.schema["type"].as_str(), Some("string" | "integer" | "number"))
    }
}

/// Whether two names mean the same for a resource called `noun`: `user_name` and `name`, `TopicArn` and `topic_arn`, `names` and `name`.
pub fn same(a: &str, b: &str, noun: &[String]) -> bool {
    let forms = |name: &str| {
        let mut words = split(name);
        if let Some(last) = words.last_mut() {
            *last = singular(last);
        }
        let last_noun = noun.last().map_or("", String::as_str);
        let whole = words.concat();
        let without = match words.split_first() {
            Some((first, rest)) if !rest.is_empty() && (first == last_noun || *first == noun.concat()) => rest.concat(),
            _ => match noun.len() > 1 && words.starts_with(noun) && words.len() > noun.len() {
                true => words[noun.len()..].concat(),
                false => whole.clone(),
            },
        };
        (whole, without)
    };
    let ((a, a_rest), (b, b_rest)) = (forms(a), forms(b));
    a == b || a_rest == b || a == b_rest || a_rest == b_rest
}

/// The arguments of a tool; `constants` are set already.
pub fn arguments(tool: &Tool, constants: &[(String, Value)]) -> Vec<Argument> {
    let schema = tool.input_schema();
    members(schema, schema, 0).into_iter().filter(|a| !constants.iter().any(|(n, _)| *n == a.name)).collect()
}

/// The arguments that describe one resource: those of the elements, if all that the tool needs is a list of resources.
pub fn of_one(tool: &Tool, constants: &[(String, Value)]) -> Arguments {
    let all = arguments(tool, constants);
    let required: Vec<&Argument> = all.iter().filter(|a| a.required).collect();
    if let [only] = required.as_slice()
        && only.schema["type"] == "array"
        && only.schema["items"]["properties"].is_object()
    {
        return Arguments { of: members(&only.schema["items"], &only.schema["items"], 1), batch: Some(only.name.clone()) };
    }
    Arguments { of: all, batch: None }
}

/// The members of an object schema.
pub fn members(schema: &Value, root: &Value, depth: usize) -> Vec<Argument> {
    let required: Vec<&str> = schema["required"].as_array().into_iter().flatten().filter_map(Value::as_str).collect();
    let Some(properties) = schema["properties"].as_object() else { return Vec::new() };
    let one = |(name, inner): (&String, &Value)| Argument {
        name: name.clone(),
        schema: simple(inner, root, depth),
        required: required.contains(&name.as_str()),
    };
    properties.iter().map(one).collect()
}

/// A schema without references, alternatives to null and words that mean nothing to us.
pub fn simple(schema: &Value, root: &Value, depth: usize) -> Value {
    if depth > MAX_DEPTH {
        return json!({});
    }
    if let Some(target) = schema["$ref"].as_str().and_then(|r| r.strip_prefix('#')).and_then(|r| root.pointer(r)) {
        return simple(target, root, depth + 1);
    }
    for key in ["anyOf", "oneOf", "allOf"] {
        let Some(all) = schema[key].as_array() else { continue };
        let real: Vec<&Value> = all.iter().filter(|s| s["type"] != "null").collect();
        let mut chosen = match real.as_slice() {
            [one] => simple(one, root, depth + 1),
            // A text or a number alike: the text can hold both.
            several if several.iter().all(|s| s["type"].is_string()) => {
                let mut kinds: Vec<Value> = several.iter().map(|s| s["type"].clone()).collect();
                kinds.dedup();
                json!({ "type": kinds })
            }
            _ => json!({}),
        };
        carry(schema, &mut chosen, &["description", "default"]);
        return chosen;
    }
    let mut made = json!({});
    match &schema["type"] {
        Value::Array(kinds) => {
            let mut real: Vec<Value> = kinds.iter().filter(|k| *k != "null").cloned().collect();
            made["type"] = if real.len() == 1 { real.remove(0) } else { Value::Array(real) };
        }
        Value::String(kind) => made["type"] = Value::String(kind.clone()),
        _ => {}
    }
    const KEPT: [&str; 13] = [
        "description",
        "enum",
        "const",
        "default",
        "examples",
        "format",
        "pattern",
        "minimum",
        "maximum",
        "minLength",
        "maxLength",
        "minItems",
        "maxItems",
    ];
    carry(schema, &mut made, &KEPT);
    if schema["items"].is_object() {
        made["items"] = simple(&schema["items"], root, depth + 1);
    }
    let inner = members(schema, root, depth + 1);
    if !inner.is_empty() {
        made["properties"] = Value::Object(inner.iter().map(|a| (a.name.clone(), a.schema.clone())).collect::<Map<_, _>>());
        let required: Vec<&str> = inner.iter().filter(|a| a.required).map(|a| a.name.as_str()).collect();
        if !required.is_empty() {
            made["required"] = json!(required);
        }
    }
    match &schema["additionalProperties"] {
        Value::Bool(open) if made["type"] == "object" => made["additionalProperties"] = Value::Bool(*open),
        inner @ Value::Object(_) => made["additionalProperties"] = simple(inner, root, depth + 1),
        _ => {}
    }
    made
}

/// The least that a schema takes: for arguments that mean nothing to us and must be given.
pub fn least(schema: &Value) -> Value {
    match schema["type"].as_str() {
        Some("array") => json!([]),
        Some("string") => json!(""),
        Some("integer" | "number") => json!(0),
        Some("boolean") => json!(false),
        _ => {
            let required = schema["required"].as_array().into_iter().flatten().filter_map(Value::as_str);
            Value::Object(required.map(|r| (r.to_owned(), least(&schema["properties"][r]))).collect())
        }
    }
}

/// Takes members over. Descriptions are the server's words: one line, bounded, without hidden characters.
fn carry(from: &Value, to: &mut Value, keys: &[&str]) {
    for key in keys {
        match &from[*key] {
            Value::Null => {}
            Value::String(words) if *key == "description" => {
                let line = clean_line(&words.split_whitespace().collect::<Vec<_>>().join(" "), MAX_WORDS);
                if !line.is_empty() {
                    to[*key] = Value::String(line);
                }
            }
            // A pattern that our engine cannot compile would make the whole schema unusable.
            Value::String(pattern) if *key == "pattern" && regex::Regex::new(pattern).is_err() => {}
            value => to[*key] = value.clone(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_of_one_thing_are_the_same() {
        let noun = |n: &str| n.split('_').map(str::to_owned).collect::<Vec<_>>();
        for (a, b, n) in [
            ("name", "user_name", "user"),
            ("names", "name", "entity"),
            ("entityNames", "name", "entity"),
            ("TopicArn", "topic_arn", "topic"),
            ("Attributes", "attributes", "queue"),
            ("security_group_id", "id", "security_group"),
            ("group_id", "id", "security_group"),
        ] {
            assert!(same(a, b, &noun(n)), "{a} {b} {n}");
        }
        for (a, b, n) in [("user_name", "group_name", "group"), ("arn", "name", "topic"), ("policy_name", "name", "user")] {
            assert!(!same(a, b, &noun(n)), "{a} {b} {n}");
        }
    }

    #[test]
    fn references_and_nulls_are_taken_out() {
        let root = json!({
            "$defs": {"Port": {"type": "integer", "minimum": 1}},
            "properties": {
                "port": {"anyOf": [{"$ref": "#/$defs/Port"}, {"type": "null"}], "default": null, "description": " a\n port\u{202e} "},
                "loop": {"$ref": "#/properties/loop"},
                "kind": {"type": ["string", "null"], "enum": ["a"], "title": "Kind"},
            }
        });
        let all = members(&root, &root, 0);
        let port = all.iter().find(|a| a.name == "port").unwrap();
        assert_eq!((port.schema["type"].as_str(), port.schema["minimum"].as_i64()), (Some("integer"), Some(1)));
        assert!(!port.schema["description"].as_str().unwrap().contains('\u{202e}') && port.schema.get("default").is_none());
        assert_eq!(all.iter().find(|a| a.name == "loop").unwrap().schema, json!({}));
        assert_eq!(all.iter().find(|a| a.name == "kind").unwrap().schema, json!({"type": "string", "enum": ["a"]}));
    }
}
