//! Which arguments say which resource is meant, and where each of them comes from.

use serde_json::{Value, json};

use super::{
    answer::access,
    arguments::{Argument, Purpose, least, same},
    offer::Offer,
    words::{bare, split},
};

/// What separates the parts of an id that has several.
pub const JOINT: char = '|';

/// Last words of arguments that hold what a server calls a thing by.
const IDS: [&str; 15] =
    ["id", "ids", "uuid", "uid", "arn", "url", "uri", "identifier", "guid", "key", "handle", "ref", "number", "slug", "selector"];

/// A part of an id.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Part {
    /// The resource's name.
    Name,
    /// A property that it is known by.
    Property(String),
    /// What the server calls it; the argument of the tool that wants it.
    Made(String),
}

/// Where an argument comes from.
#[derive(Debug, Clone, PartialEq)]
pub enum Source {
    /// A part of the identity.
    Part(Part),
    /// Always the same.
    Constant(Value),
}

/// What is known of a resource when a tool is to be called.
pub struct Known<'a> {
    /// The type's noun.
    pub noun: &'a [String],
    /// The argument of create that is the name.
    pub name: Option<&'a str>,
    /// The properties.
    pub properties: &'a [Argument],
}

/// The arguments of an offer that must be given, and where each comes from.
pub struct Keys {
    /// Each argument and its source.
    pub sources: Vec<(Argument, Source)>,
    /// The argument that holds a list of such things, if the tool takes several at once.
    pub batch: Option<String>,
    /// Arguments whose value was guessed.
    pub guessed: Vec<String>,
}

impl Keys {
    /// The parts of an identity that the tool wants.
    pub fn parts(&self) -> Vec<Part> {
        let mut all: Vec<Part> = Vec::new();
        for (_, source) in &self.sources {
            if let Source::Part(part) = source
                && !all.contains(part)
            {
                all.push(part.clone());
            }
        }
        all
    }
}

impl Known<'_> {
    /// What must be given to an offer; `Err` names the argument that nothing is known about.
    pub fn keys(&self, offer: &Offer) -> Result<Keys, String> {
        let taken = offer.of_one();
        let mut keys = Keys { sources: Vec::new(), batch: taken.batch, guessed: Vec::new() };
        for argument in taken.of {
            match argument.purpose() {
                Purpose::Confirm => keys.sources.push((argument, Source::Constant(json!(true)))),
                _ if !argument.required => {}
                Purpose::DryRun => keys.sources.push((argument, Source::Constant(json!(false)))),
                Purpose::Context => {
                    keys.guessed.push(argument.name.clone());
                    let least = least(&argument.schema);
                    keys.sources.push((argument, Source::Constant(least)));
                }
                _ if offer.carries(&argument.name).is_some() => {
                    let part = offer.carries(&argument.name).cloned().unwrap_or(Part::Name);
                    keys.sources.push((argument, Source::Part(part)));
                }
                Purpose::Data | Purpose::Paging => {
                    let (source, guessed) = self.source(&argument).ok_or_else(|| argument.name.clone())?;
                    if guessed {
                        keys.guessed.push(argument.name.clone());
                    }
                    keys.sources.push((argument, source));
                }
            }
        }
        Ok(keys)
    }

    /// Where one argument comes from, if it says which one is meant.
    pub fn source_of(&self, argument: &Argument) -> Option<Source> {
        self.source(argument).map(|(s, _)| s).filter(|s| matches!(s, Source::Part(_)))
    }

    /// Where one argument comes from, and whether that is a guess.
    fn source(&self, argument: &Argument) -> Option<(Source, bool)> {
        let part = |p: Part| Some((Source::Part(p), false));
        let name = argument.name.as_str();
        if argument.is_scalar() || argument.is_text_list() || argument.schema["type"].is_null() {
            if self.name.is_some_and(|n| n == name || bare(n) == bare(name)) {
                return part(Part::Name);
            }
            if let Some(p) = self.properties.iter().find(|p| p.required && (p.name == name || bare(&p.name) == bare(name))) {
                return part(Part::Property(p.name.clone()));
            }
            if self.name.is_some_and(|n| same(n, name, self.noun)) {
                return part(Part::Name);
            }
            if let Some(p) = self.properties.iter().find(|p| p.required && same(&p.name, name, self.noun)) {
                return part(Part::Property(p.name.clone()));
            }
            let words = split(name);
            if words.last().is_some_and(|w| IDS.contains(&w.as_str())) {
                return part(Part::Made(name.to_owned()));
            }
            // `haproxy_backend_health(backend)`: the thing itself.
            if self.noun.last().is_some_and(|n| words.last() == Some(n)) {
                return Some((Source::Part(if self.name.is_some() { Part::Name } else { Part::Made(name.to_owned()) }), true));
            }
        }
        constant(argument).map(|v| (Source::Constant(v), true))
    }
}

/// Whether a value means nothing but itself in a binding: a server's own words must not become an expression there.
pub fn means_itself(value: &Value) -> bool {
    match value {
        Value::String(text) => !text.contains("{{") && !text.contains("{%"),
        Value::Array(items) => items.iter().all(means_itself),
        Value::Object(map) => map.iter().all(|(k, v)| !k.starts_with('$') && means_itself(v)),
        _ => true,
    }
}

/// A value that an argument may well take: the first that its schema or its description names.
fn constant(argument: &Argument) -> Option<Value> {
    let schema = &argument.schema;
    let first = schema["enum"].as_array().and_then(|e| e.first()).cloned();
    let said = || {
        let words = schema["description"].as_str()?;
        let quoted = regex::Regex::new(r"['`\x22]([A-Za-z][A-Za-z0-9_-]{1,30})['`\x22]").ok()?.captures(words)?;
        (schema["type"] == "string").then(|| json!(&quoted[1]))
    };
    first.or_else(|| Some(schema["default"].clone()).filter(|d| !d.is_null())).or_else(said).filter(means_itself)
}

/// One part of the id, as an expression over `id` (and `name`).
pub fn of_id(parts: &[Part], part: &Part) -> String {
    match (parts, part) {
        ([Part::Name], Part::Name) => "id or name".to_owned(),
        (_, Part::Name) => "name".to_owned(),
        ([_], _) => "id".to_owned(),
        _ => {
            let at = parts.iter().position(|p| p == part).unwrap_or(0);
            format!("(id | split('{JOINT}'))[{at}]")
        }
    }
}

/// The id, out of what each part is.
pub fn joined(parts: &[Part], each: &dyn Fn(&Part) -> String) -> String {
    let one = |p: &Part| format!("{{{{ {} }}}}", each(p));
    parts.iter().map(one).collect::<Vec<_>>().join(&JOINT.to_string())
}

/// The members under which an answer may hold what an argument wants.
pub fn made_names(argument: &str, noun: &[String]) -> Vec<String> {
    let mut all = vec![argument.to_owned()];
    let words = split(argument);
    if let Some(last) = words.last() {
        let mut camel = words[0].clone();
        for word in &words[1..] {
            let mut letters = word.chars();
            camel.extend(letters.next().map(|c| c.to_ascii_uppercase()));
            camel.push_str(letters.as_str());
        }
        all.extend([camel, words.join("_"), last.clone()]);
        if last != "id" {
            all.push("id".to_owned());
        }
    }
    all.push(format!("{}_id", noun.join("_")));
    all.dedup();
    all
}

/// `{{ properties.x }}`, as text.
pub fn property(name: &str) -> String {
    format!("{{{{ {} }}}}", access("properties", name))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_of_several_parts_come_apart_again() {
        let parts = [Part::Property("repo".into()), Part::Name, Part::Made("uuid".into())];
        assert_eq!(of_id(&parts, &parts[2]), "(id | split('|'))[2]");
        assert_eq!(of_id(&parts, &parts[1]), "name");
        assert_eq!(of_id(&parts[2..], &parts[2]), "id");
        assert_eq!(of_id(&[Part::Name], &Part::Name), "id or name");
        let id = joined(&parts, &|p| match p {
            Part::Name => "name".into(),
            Part::Property(p) => access("properties", p),
            Part::Made(m) => access("result", m),
        });
        assert_eq!(id, "{{ properties.repo }}|{{ name }}|{{ result.uuid }}");
    }

    #[test]
    fn names_of_every_script_are_taken_apart() {
        assert!(made_names("projekt_über_id", &["größe".to_owned()]).contains(&"projektüberId".to_owned()));
    }

    #[test]
    fn a_value_that_would_be_an_expression_is_none() {
        let argument = |schema: Value| Argument { name: "mode".into(), schema, required: true };
        for hostile in [json!("{{ range(9) }}"), json!({"$yaml": 1}), json!([{"a": "{% if x %}"}])] {
            assert_eq!(constant(&argument(json!({"enum": [hostile]}))), None);
            assert_eq!(constant(&argument(json!({"default": hostile}))), None);
        }
        assert_eq!(constant(&argument(json!({"enum": ["a"]}))), Some(json!("a")));
    }

    #[test]
    fn what_a_description_quotes_may_be_given() {
        let argument = Argument {
            name: "branch_type".into(),
            schema: json!({"type": "string", "description": "Whether to list local branches ('local'), or all ('all')."}),
            required: true,
        };
        assert_eq!(constant(&argument), Some(json!("local")));
    }
}
