//! JSON Schema as patterns use it: checking a value and saying in plain words what is wrong with it.

use jsonschema::{Draft, ValidationError, Validator, error::ValidationErrorKind};
use serde_json::{Map, Value};

use super::yaml::{Kind, Node};

/// Keys of a parameter that are ours and not JSON Schema's.
pub const OWN_KEYS: [&str; 8] = ["ask", "words", "holds", "required", "secret", "generate", "default", "because"];

/// Keywords of JSON Schema that parameters may use, besides `x-…`.
pub const KEYWORDS: [&str; 28] = [
    "type",
    "enum",
    "const",
    "format",
    "pattern",
    "minLength",
    "maxLength",
    "minimum",
    "maximum",
    "exclusiveMinimum",
    "exclusiveMaximum",
    "multipleOf",
    "items",
    "prefixItems",
    "minItems",
    "maxItems",
    "uniqueItems",
    "contains",
    "properties",
    "additionalProperties",
    "propertyNames",
    "minProperties",
    "maxProperties",
    "anyOf",
    "oneOf",
    "allOf",
    "not",
    "description",
];

/// The schema of a parameter, without our own keys.
pub fn of(node: &Node) -> Value {
    let mut schema = Map::new();
    for entry in node.entries() {
        // `required: true` is ours; `required: [a, b]` is JSON Schema's.
        let own = OWN_KEYS.contains(&entry.key.as_str()) && !(entry.key == "required" && matches!(entry.value.kind, Kind::List(_)));
        if own {
            continue;
        }
        let value = match (entry.key.as_str(), &entry.value.kind) {
            ("properties", Kind::Map(members)) => Value::Object(members.iter().map(|m| (m.key.clone(), of(&m.value))).collect()),
            _ => entry.value.to_json(),
        };
        schema.insert(entry.key.clone(), value);
    }
    Value::Object(schema)
}

/// Compiles a schema. Remote references cannot be followed: the library is built without any resolver.
pub fn compile(schema: &Value) -> Result<Validator, String> {
    jsonschema::options()
        .with_draft(Draft::Draft202012)
        .should_validate_formats(true)
        .build(&open(schema))
        .map_err(|e| bounded(&e.to_string()))
}

/// With `x-open: true`, an enumeration lists what is known and does not close the list; other values must still be plain words.
fn open(schema: &Value) -> Value {
    let Some(map) = schema.as_object() else { return schema.clone() };
    let is_open = map.get("x-open").and_then(Value::as_bool).unwrap_or(false);
    let mut out: Map<String, Value> = Map::new();
    for (key, value) in map {
        match key.as_str() {
            "enum" if is_open => {
                out.insert("pattern".into(), "^[a-z0-9][a-z0-9.+#_-]{0,62}$".into());
            }
            "items" => {
                out.insert(key.clone(), open(value));
            }
            "properties" => {
                let members = value.as_object().into_iter().flatten().map(|(k, v)| (k.clone(), open(v))).collect();
                out.insert(key.clone(), Value::Object(members));
            }
            _ => {
                out.insert(key.clone(), value.clone());
            }
        }
    }
    Value::Object(out)
}

/// What is wrong with a value: where in it (JSON pointer) and what it must be ("must be …").
pub fn problems(validator: &Validator, value: &Value) -> Vec<(String, String)> {
    validator.iter_errors(value).map(|e| (e.instance_path().to_string(), say(&e))).collect()
}

/// What an error asks for, without repeating the value.
fn say(error: &ValidationError<'_>) -> String {
    let list = |options: &Value| {
        let all: Vec<String> = options.as_array().into_iter().flatten().map(plain).collect();
        match all.len() {
            0..=12 => all.join(", "),
            n => format!("{}, … ({} more)", all[..12].join(", "), n - 12),
        }
    };
    match error.kind() {
        ValidationErrorKind::Enum { options } => format!("must be one of {}", list(options)),
        ValidationErrorKind::Minimum { limit } => format!("must be at least {limit}"),
        ValidationErrorKind::Maximum { limit } => format!("must be at most {limit}"),
        ValidationErrorKind::MinLength { limit } => format!("must have at least {limit} characters"),
        ValidationErrorKind::MaxLength { limit } => format!("must have at most {limit} characters"),
        ValidationErrorKind::MinItems { limit } => format!("must have at least {limit} elements"),
        ValidationErrorKind::MaxItems { limit } => format!("must have at most {limit} elements"),
        ValidationErrorKind::UniqueItems => "must not have the same element twice".into(),
        ValidationErrorKind::Format { format } if format == "hostname" => "must be a domain name such as shop.example.org".into(),
        ValidationErrorKind::Format { format } => format!("must be a valid {format}"),
        ValidationErrorKind::Pattern { pattern } => format!("must match {pattern}"),
        ValidationErrorKind::Required { property } => format!("needs {}", plain(property)),
        ValidationErrorKind::AdditionalProperties { unexpected } => format!("must not have {}", unexpected.join(", ")),
        ValidationErrorKind::Type { kind } => {
            let text = format!("{kind:?}");
            let words: Vec<String> = ["Array", "Boolean", "Integer", "Null", "Number", "Object", "String"]
                .iter()
                .filter(|t| text.contains(*t))
                .map(|t| type_word(&t.to_lowercase()).to_owned())
                .collect();
            format!("must be {}", words.join(" or "))
        }
        ValidationErrorKind::AnyOf { context } | ValidationErrorKind::OneOfNotValid { context } => {
            let mut ways: Vec<String> = context.iter().filter_map(|errors| errors.first().map(say)).collect();
            ways.dedup();
            ways.join(", or ")
        }
        _ => bounded(&error.masked().to_string()),
    }
}

/// The word for a JSON type.
pub fn type_word(kind: &str) -> &str {
    match kind {
        "array" => "a list",
        "boolean" => "true or false",
        "integer" => "a whole number",
        "null" => "nothing",
        "number" => "a number",
        "object" => "a map",
        _ => "a text",
    }
}

/// A value as people write it: text without quotes.
pub fn plain(value: &Value) -> String {
    match value {
        Value::String(text) => super::reader::printable(text),
        other => bounded(&other.to_string()),
    }
}

fn bounded(text: &str) -> String {
    text.chars().filter(|c| !c.is_control()).take(200).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn first(schema: Value, value: Value) -> Option<String> {
        problems(&compile(&schema).unwrap(), &value).into_iter().next().map(|p| p.1)
    }

    #[test]
    fn says_what_a_value_must_be() {
        assert_eq!(first(json!({"type": "integer", "minimum": 1}), json!(0)).unwrap(), "must be at least 1");
        assert_eq!(first(json!({"type": "integer"}), json!("x")).unwrap(), "must be a whole number");
        assert_eq!(first(json!({"enum": ["a", "b"]}), json!("c")).unwrap(), "must be one of a, b");
        assert_eq!(
            first(json!({"anyOf": [{"type": "integer"}, {"type": "array"}]}), json!("x")).unwrap(),
            "must be a whole number, or must be a list"
        );
        assert!(first(json!({"type": "string", "format": "hostname"}), json!("a b")).unwrap().contains("domain name"));
    }

    #[test]
    fn an_open_enumeration_takes_other_plain_words_only() {
        let schema = json!({"type": "string", "x-open": true, "enum": ["a"]});
        assert_eq!(first(schema.clone(), json!("zig")), None);
        assert!(first(schema, json!("${secret:x}")).is_some());
    }
}
