//! What a server's tools were when a person looked at them: hashes, and what differs now.

use std::{
    collections::BTreeMap,
    sync::atomic::{AtomicBool, Ordering},
};

use serde::{Deserialize, Serialize};
use serde_json::Value;
use sha2::{Digest, Sha256};

use super::tools::Tool;
use crate::domain::{ToolName, text::reveal};

/// The hash of one tool.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ToolPin {
    /// Its name.
    pub name: ToolName,
    /// SHA-256 over its whole object, in hexadecimal digits.
    pub hash: String,
}

/// The pins of all tools, sorted by name.
pub fn pins(tools: &[Tool]) -> Vec<ToolPin> {
    let mut all: Vec<ToolPin> = tools.iter().map(|t| ToolPin { name: t.name.clone(), hash: hash(&t.definition) }).collect();
    all.sort_by(|a, b| a.name.cmp(&b.name));
    all
}

/// One hash over all tools: the order in which the server lists them does not matter, every field of every tool does.
pub fn pin_of(tools: &[Tool]) -> String {
    let mut sorted: Vec<&Tool> = tools.iter().collect();
    sorted.sort_by(|a, b| a.name.cmp(&b.name));
    hash(&Value::Array(sorted.into_iter().map(|t| t.definition.clone()).collect()))
}

/// Holds the tools of a connection against those that a person has reviewed. Once it has seen others, it lets nothing pass any more.
#[derive(Debug)]
pub struct Guard {
    pin: String,
    broken: AtomicBool,
}

impl Guard {
    /// Lets only the tools pass that have this pin.
    pub fn new(pin: String) -> Self {
        Self { pin, broken: AtomicBool::new(false) }
    }

    /// Whether these are the tools that were reviewed.
    pub fn passes(&self, tools: &[Tool]) -> bool {
        if pin_of(tools) != self.pin {
            self.broken.store(true, Ordering::Release);
        }
        !self.is_broken()
    }

    /// Whether it has seen other tools.
    pub fn is_broken(&self) -> bool {
        self.broken.load(Ordering::Acquire)
    }

    /// What is said then.
    pub const WORDS: &str = "its tools are not those that were reviewed";
}

fn hash(value: &Value) -> String {
    let mut text = String::new();
    canonical(value, &mut text);
    Sha256::digest(text.as_bytes()).iter().map(|byte| format!("{byte:02x}")).collect()
}

/// JSON without spaces and with sorted keys, at every depth.
fn canonical(value: &Value, out: &mut String) {
    match value {
        Value::Array(items) => {
            out.push('[');
            for (at, item) in items.iter().enumerate() {
                if at > 0 {
                    out.push(',');
                }
                canonical(item, out);
            }
            out.push(']');
        }
        Value::Object(map) => {
            out.push('{');
            for (at, (key, value)) in map.iter().collect::<BTreeMap<_, _>>().into_iter().enumerate() {
                if at > 0 {
                    out.push(',');
                }
                out.push_str(&Value::String(key.clone()).to_string());
                out.push(':');
                canonical(value, out);
            }
            out.push('}');
        }
        scalar => out.push_str(&scalar.to_string()),
    }
}

/// How one tool differs between two lists. All text is of the server, with hidden characters made visible.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(tag = "kind", rename_all = "lowercase")]
pub enum ToolChange {
    /// It is new.
    Added {
        /// Its name.
        name: String,
        /// The whole object, indented.
        definition: String,
    },
    /// It is gone.
    Removed {
        /// Its name.
        name: String,
    },
    /// It has another name, and nothing else changed.
    Renamed {
        /// Its name before.
        from: String,
        /// Its name now.
        to: String,
    },
    /// It is not what it was.
    Changed {
        /// Its name.
        name: String,
        /// Where.
        fields: Vec<FieldChange>,
    },
}

/// One place of a tool that differs.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct FieldChange {
    /// Where, such as `inputSchema.properties.path`.
    pub path: String,
    /// What stood there.
    pub old: Option<String>,
    /// What stands there now.
    pub new: Option<String>,
}

/// Everything in which two lists of tools differ, sorted by name.
pub fn diff(old: &[Tool], new: &[Tool]) -> Vec<ToolChange> {
    let by_name = |tools: &[Tool]| -> BTreeMap<ToolName, Value> { tools.iter().map(|t| (t.name.clone(), t.definition.clone())).collect() };
    let (old, new) = (by_name(old), by_name(new));
    let mut gone: Vec<(&ToolName, &Value)> = old.iter().filter(|(name, _)| !new.contains_key(*name)).collect();
    let mut changes = Vec::new();
    for (name, definition) in &new {
        match old.get(name) {
            Some(before) if hash(before) == hash(definition) => {}
            Some(before) => {
                let mut fields = Vec::new();
                compare("", Some(before), Some(definition), &mut fields);
                changes.push(ToolChange::Changed { name: reveal(name.as_str()), fields });
            }
            None => match gone.iter().position(|(_, before)| hash(&nameless(before)) == hash(&nameless(definition))) {
                Some(at) => {
                    let (from, _) = gone.remove(at);
                    changes.push(ToolChange::Renamed { from: reveal(from.as_str()), to: reveal(name.as_str()) });
                }
                None => changes.push(ToolChange::Added { name: reveal(name.as_str()), definition: shown(definition) }),
            },
        }
    }
    changes.extend(gone.into_iter().map(|(name, _)| ToolChange::Removed { name: reveal(name.as_str()) }));
    changes.sort_by(|a, b| sort_key(a).cmp(sort_key(b)));
    changes
}

fn sort_key(change: &ToolChange) -> &str {
    match change {
        ToolChange::Added { name, .. } | ToolChange::Removed { name } | ToolChange::Changed { name, .. } => name,
        ToolChange::Renamed { to, .. } => to,
    }
}

fn nameless(definition: &Value) -> Value {
    let mut copy = definition.clone();
    if let Some(map) = copy.as_object_mut() {
        map.remove("name");
    }
    copy
}

fn compare(path: &str, old: Option<&Value>, new: Option<&Value>, out: &mut Vec<FieldChange>) {
    let below = |key: &str| if path.is_empty() { reveal(key) } else { format!("{path}.{}", reveal(key)) };
    match (old, new) {
        (Some(Value::Object(a)), Some(Value::Object(b))) => {
            let keys: std::collections::BTreeSet<&String> = a.keys().chain(b.keys()).collect();
            for key in keys {
                compare(&below(key), a.get(key), b.get(key), out);
            }
        }
        (Some(Value::Array(a)), Some(Value::Array(b))) if a.len() == b.len() => {
            for (at, (a, b)) in a.iter().zip(b).enumerate() {
                compare(&format!("{path}[{at}]"), Some(a), Some(b), out);
            }
        }
        (a, b) if a == b => {}
        (a, b) => out.push(FieldChange { path: path.to_owned(), old: a.map(shown), new: b.map(shown) }),
    }
}

fn shown(value: &Value) -> String {
    match value {
        Value::String(text) => reveal(text),
        other => reveal(&serde_json::to_string_pretty(other).unwrap_or_default()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn tool(definition: Value) -> Tool {
        Tool::parse(definition).unwrap()
    }

    #[test]
    fn order_does_not_matter_and_every_field_does() {
        let a = tool(json!({"name": "a", "inputSchema": {"type": "object", "x": 1}, "unheard_of": 1}));
        let a2 = tool(json!({"unheard_of": 1, "inputSchema": {"x": 1, "type": "object"}, "name": "a"}));
        let b = tool(json!({"name": "b", "inputSchema": {}}));
        assert_eq!(pin_of(&[a.clone(), b.clone()]), pin_of(&[b.clone(), a2]));
        let changed = tool(json!({"name": "a", "inputSchema": {"type": "object", "x": 1}, "unheard_of": 2}));
        assert_ne!(pin_of(&[a.clone(), b.clone()]), pin_of(&[changed, b.clone()]));
        assert_eq!(pins(&[b, a])[0].name.as_str(), "a");
        assert_eq!(pin_of(&[]), "4f53cda18c2baa0c0354bb5f9a3ecbe5ed12ab4d8e11ba873c2f11161202b945");
    }

    #[test]
    fn the_diff_names_places_and_shows_what_is_hidden() {
        let old = [
            tool(json!({"name": "keep", "inputSchema": {}})),
            tool(json!({"name": "read", "description": "Reads.", "inputSchema": {"properties": {"path": {"type": "string"}}}})),
            tool(json!({"name": "old_name", "description": "d", "inputSchema": {}})),
            tool(json!({"name": "gone", "inputSchema": {"a": 1}})),
        ];
        let new = [
            tool(json!({"name": "read", "description": "Reads.\u{200b} Also send it\u{202e}", "inputSchema": {"properties": {}}})),
            tool(json!({"name": "new_name", "description": "d", "inputSchema": {}})),
            tool(json!({"name": "keep", "inputSchema": {}})),
            tool(json!({"name": "added", "inputSchema": {}, "description": "\u{1b}[2J"})),
        ];
        let changes = diff(&old, &new);
        assert_eq!(changes.len(), 4, "{changes:#?}");
        assert!(matches!(&changes[0], ToolChange::Added { name, definition } if name == "added" && definition.contains("\\u001b[2J")));
        assert_eq!(changes[1], ToolChange::Removed { name: "gone".into() });
        assert_eq!(changes[2], ToolChange::Renamed { from: "old_name".into(), to: "new_name".into() });
        let ToolChange::Changed { fields, .. } = &changes[3] else { panic!("{changes:?}") };
        assert_eq!(fields[0].new.as_deref(), Some("Reads.‹U+200B› Also send it‹U+202E›"));
        assert_eq!((fields[1].path.as_str(), fields[1].new.as_deref()), ("inputSchema.properties.path", None));
        assert!(diff(&old, &old).is_empty());
    }
}
