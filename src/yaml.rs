//! YAML as a tree in which every node knows where it stands.
//!
//! Pattern files are checked as a whole, and every problem is shown at its place; so the file is read into a tree first and given
//! meaning by `parse`. Bounded in size, depth and aliases, because anyone may drop a file into a folder.

use std::fmt;

use serde::de::{Deserialize, Deserializer, MapAccess, SeqAccess, Visitor};
use serde_json::Value;
use serde_saphyr::Spanned;

use crate::{
    diagnostic::{Diagnostic, Source},
    template::Span,
};

/// The largest pattern file that is read, in bytes.
pub const MAX_FILE: usize = 1 << 20;

/// A node and its place.
#[derive(Debug, Clone, PartialEq)]
pub struct Node {
    /// What it is.
    pub kind: Kind,
    /// Where it stands.
    pub span: Span,
}

/// What a node is.
#[derive(Debug, Clone, PartialEq)]
pub enum Kind {
    /// Null, a boolean or a number.
    Plain(Value),
    /// A text; it may be a template.
    Text(String),
    /// A list.
    List(Vec<Node>),
    /// A map, in the order in which it was written.
    Map(Vec<Entry>),
}

/// A member of a map.
#[derive(Debug, Clone, PartialEq)]
pub struct Entry {
    /// The key.
    pub key: String,
    /// Where the key stands.
    pub key_span: Span,
    /// The value.
    pub value: Node,
}

impl Node {
    /// A member of a map.
    pub fn get(&self, key: &str) -> Option<&Node> {
        self.entries().iter().find(|e| e.key == key).map(|e| &e.value)
    }

    /// The members of a map; none for anything else.
    pub fn entries(&self) -> &[Entry] {
        match &self.kind {
            Kind::Map(entries) => entries,
            _ => &[],
        }
    }

    /// The elements of a list; none for anything else.
    pub fn items(&self) -> &[Node] {
        match &self.kind {
            Kind::List(items) => items,
            _ => &[],
        }
    }

    /// The text of a scalar that is one.
    pub fn text(&self) -> Option<&str> {
        match &self.kind {
            Kind::Text(text) => Some(text),
            _ => None,
        }
    }

    /// The node as JSON, exactly as written.
    pub fn to_json(&self) -> Value {
        match &self.kind {
            Kind::Plain(value) => value.clone(),
            Kind::Text(text) => Value::String(text.clone()),
            Kind::List(items) => Value::Array(items.iter().map(Node::to_json).collect()),
            Kind::Map(entries) => Value::Object(entries.iter().map(|e| (e.key.clone(), e.value.to_json())).collect()),
        }
    }

    /// Calls `visit` with this node and everything inside it.
    pub fn walk<'n>(&'n self, visit: &mut dyn FnMut(&'n Node)) {
        visit(self);
        self.items().iter().for_each(|n| n.walk(visit));
        self.entries().iter().for_each(|e| e.value.walk(visit));
    }

    /// The word for its kind in messages.
    pub fn kind_word(&self) -> &'static str {
        match &self.kind {
            Kind::Plain(Value::Null) => "nothing",
            Kind::Plain(Value::Bool(_)) => "a boolean",
            Kind::Plain(_) => "a number",
            Kind::Text(_) => "a text",
            Kind::List(_) => "a list",
            Kind::Map(_) => "a map",
        }
    }
}

/// Reads a file into a tree.
pub fn parse(file: &str, text: &str) -> Result<Node, Box<Diagnostic>> {
    let fail = |detail: String, source: Option<Source>| {
        let problem = Diagnostic::error("pattern::syntax", "The file is not YAML");
        let problem = if source.is_some() { problem.source(source) } else { problem.fact("file", file) };
        Box::new(problem.detail(detail).state("The pattern is not used."))
    };
    if text.len() > MAX_FILE {
        return Err(fail(format!("`{file}` has {} bytes; a pattern file may have {MAX_FILE}.", text.len()), None));
    }
    let options = serde_saphyr::options! {
        strict_booleans: true,
        with_snippet: false,
        budget: serde_saphyr::budget! { max_depth: 48, max_nodes: 100_000, max_documents: 1 },
    };
    let spanned: Spanned<Raw> = serde_saphyr::from_str_with_options(text, options).map_err(|e| {
        let at = e.location().and_then(|l| l.span().byte_offset());
        let source = at.map(|at| Source::locate(file, text, at as usize, 1, "here"));
        let message = e.without_snippet().to_string();
        let error = fail(format!("{}.", first_line(&message)), source);
        // `a: {{ b }}` without quotes is a map in a map to YAML; the person meant an expression.
        let line = error.source.as_ref().map(|s| s.text.clone()).unwrap_or_default();
        match line.contains("{{") {
            true => Box::new(error.hint("An expression stands in quotes: `key: \"{{ expression }}\"`.")),
            false => error,
        }
    })?;
    Ok(place(spanned, text))
}

fn first_line(message: &str) -> String {
    message.lines().next().unwrap_or_default().trim_end_matches('.').chars().filter(|c| !c.is_control()).take(300).collect()
}

/// A tree as the YAML library gives it, before places are turned into bytes of the file.
enum Raw {
    Plain(Value),
    Text(String),
    List(Vec<Spanned<Raw>>),
    Map(Vec<(Spanned<String>, Spanned<Raw>)>),
}

fn place(raw: Spanned<Raw>, text: &str) -> Node {
    let span = span(&raw.referenced, text);
    let kind = match raw.value {
        Raw::Plain(value) => Kind::Plain(value),
        Raw::Text(value) => Kind::Text(value),
        Raw::List(items) => Kind::List(items.into_iter().map(|n| place(n, text)).collect()),
        Raw::Map(entries) => Kind::Map(
            entries
                .into_iter()
                .map(|(key, value)| Entry { key_span: self::span(&key.referenced, text), key: key.value, value: place(value, text) })
                .collect(),
        ),
    };
    Node { kind, span }
}

fn span(location: &serde_saphyr::Location, text: &str) -> Span {
    let offset = location.span().byte_offset().map_or(0, |o| o as usize).min(text.len());
    // A block or a flow collection is underlined on its first line only.
    let line_end = text[floor(text, offset)..].find('\n').map_or(text.len(), |n| offset + n);
    let len = location.span().byte_len().map_or(1, |l| l as usize).min(line_end.saturating_sub(offset)).max(1);
    Span { offset, len }
}

fn floor(text: &str, mut offset: usize) -> usize {
    while !text.is_char_boundary(offset) {
        offset -= 1;
    }
    offset
}

impl<'de> Deserialize<'de> for Raw {
    fn deserialize<D: Deserializer<'de>>(d: D) -> Result<Self, D::Error> {
        struct RawVisitor;
        impl<'de> Visitor<'de> for RawVisitor {
            type Value = Raw;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("YAML")
            }
            fn visit_bool<E>(self, v: bool) -> Result<Raw, E> {
                Ok(Raw::Plain(Value::Bool(v)))
            }
            fn visit_i64<E>(self, v: i64) -> Result<Raw, E> {
                Ok(Raw::Plain(v.into()))
            }
            fn visit_u64<E>(self, v: u64) -> Result<Raw, E> {
                Ok(Raw::Plain(v.into()))
            }
            fn visit_f64<E>(self, v: f64) -> Result<Raw, E> {
                Ok(Raw::Plain(serde_json::Number::from_f64(v).map_or(Value::Null, Value::Number)))
            }
            fn visit_str<E>(self, v: &str) -> Result<Raw, E> {
                Ok(Raw::Text(v.to_owned()))
            }
            fn visit_string<E>(self, v: String) -> Result<Raw, E> {
                Ok(Raw::Text(v))
            }
            fn visit_unit<E>(self) -> Result<Raw, E> {
                Ok(Raw::Plain(Value::Null))
            }
            fn visit_none<E>(self) -> Result<Raw, E> {
                Ok(Raw::Plain(Value::Null))
            }
            fn visit_some<D: Deserializer<'de>>(self, d: D) -> Result<Raw, D::Error> {
                Raw::deserialize(d)
            }
            fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Raw, A::Error> {
                let mut items = Vec::new();
                while let Some(item) = seq.next_element()? {
                    items.push(item);
                }
                Ok(Raw::List(items))
            }
            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Raw, A::Error> {
                let mut entries = Vec::new();
                while let Some(key) = map.next_key::<Spanned<String>>()? {
                    entries.push((key, map.next_value()?));
                }
                Ok(Raw::Map(entries))
            }
        }
        d.deserialize_any(RawVisitor)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_node_knows_its_place() {
        let text = "a: 1\nb:\n  - x: 'hé'\n    y: {z: true}\n";
        let node = parse("f.yaml", text).unwrap();
        let item = &node.get("b").unwrap().items()[0];
        let at = |n: &Node| &text[n.span.offset..n.span.offset + n.span.len];
        assert_eq!(at(item.get("x").unwrap()), "'hé'");
        assert_eq!(at(item.get("y").unwrap().get("z").unwrap()), "true");
        let key = &item.entries()[1];
        assert_eq!(&text[key.key_span.offset..key.key_span.offset + key.key_span.len], "y");
        assert_eq!(node.to_json(), serde_json::json!({"a": 1, "b": [{"x": "hé", "y": {"z": true}}]}));
    }

    #[test]
    fn what_is_not_yaml_is_a_diagnostic() {
        for text in ["a: [", "a: 1\na: 2\n", "a: 'x", "a: {{ b }}\n", "x: &a [*a, *a]\n"] {
            assert_eq!(parse("f.yaml", text).unwrap_err().code, "pattern::syntax", "{text}");
        }
        assert!(parse("f.yaml", "a: {{ b }}\n").unwrap_err().hints[0].text.contains("in quotes"));
        let deep = "[".repeat(10_000);
        assert!(parse("f.yaml", &deep).is_err());
        assert!(parse("f.yaml", &" ".repeat(MAX_FILE + 1)).is_err());
    }
}
