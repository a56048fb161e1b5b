//! `${name}`: the variables of a template, put in place while it is read.
//!
//! Everything here works on text as it is written in the file: `$${` stays `$${` until the references are resolved for good, so nothing
//! is unescaped twice.

use std::collections::BTreeSet;

use indexmap::IndexMap;
use serde_json::Value;

use crate::domain::reference::{self, Reference, Segment};

/// The most bytes that variables may add to a template.
const MAX_ADDED: usize = 8 * 1024 * 1024;

/// The variables that are known so far.
#[derive(Debug, Default)]
pub(super) struct Variables {
    /// What each stands for, as written.
    values: IndexMap<String, Value>,
    /// Those that were asked for, known or not.
    used: BTreeSet<String>,
    /// How many bytes they have added.
    added: usize,
}

/// What is wrong with a text that holds references.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Trouble {
    /// A `${…}` cannot be read.
    Unreadable {
        /// The piece that is wrong.
        piece: String,
        /// Why.
        reason: String,
    },
    /// No such variable.
    Undefined(String),
    /// The pieces would make a reference that nobody wrote.
    Joined,
    /// The variables add too much.
    TooMuch,
}

impl Variables {
    /// Sets one.
    pub fn set(&mut self, name: &str, value: Value) {
        self.values.insert(name.to_owned(), value);
    }

    /// Whether it is set.
    pub fn contains(&self, name: &str) -> bool {
        self.values.contains_key(name)
    }

    /// The names that are set.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.values.keys().map(String::as_str)
    }

    /// The names that were asked for.
    pub fn used(&self) -> &BTreeSet<String> {
        &self.used
    }

    /// All of them.
    pub fn into_values(self) -> IndexMap<String, Value> {
        self.values
    }

    /// Puts the variables of a text in place. A text that is one variable becomes the variable's value, whatever its type.
    pub fn fill(&mut self, text: &str) -> Result<Value, Vec<Trouble>> {
        if !text.contains("${") {
            return Ok(Value::String(text.to_owned()));
        }
        let segments = reference::parse(text).map_err(|e| {
            let piece = text.get(e.at..e.at + e.len).unwrap_or(text).to_owned();
            vec![Trouble::Unreadable { piece, reason: e.reason }]
        })?;
        let mut asked: Vec<&str> = segments.iter().filter_map(variable).collect();
        if asked.is_empty() {
            return Ok(Value::String(text.to_owned()));
        }
        self.used.extend(asked.iter().map(|name| (*name).to_owned()));
        asked.retain(|name| !self.values.contains_key(*name));
        if !asked.is_empty() {
            asked.dedup();
            return Err(asked.into_iter().map(|name| Trouble::Undefined(name.to_owned())).collect());
        }
        let mut whole = String::new();
        let mut wanted: Vec<Segment> = Vec::new();
        for segment in &segments {
            let piece = match segment {
                Segment::Literal(literal) => reference::escape(literal),
                Segment::Reference(Reference::Variable(name)) => match &self.values[name] {
                    value if segments.len() == 1 => {
                        self.added += weight(value);
                        if self.added > MAX_ADDED {
                            return Err(vec![Trouble::TooMuch]);
                        }
                        return Ok(value.clone());
                    }
                    Value::String(text) => text.clone(),
                    other => other.to_string(),
                },
                Segment::Reference(other) => other.to_string(),
            };
            self.added += piece.len();
            if self.added > MAX_ADDED {
                return Err(vec![Trouble::TooMuch]);
            }
            wanted.extend(reference::parse(&piece).unwrap_or_default());
            whole.push_str(&piece);
        }
        // `$` from one piece and `{x}` from the next must not become a reference.
        if reference::parse(&whole).ok().map(merged) != Some(merged(wanted)) {
            return Err(vec![Trouble::Joined]);
        }
        Ok(Value::String(whole))
    }
}

fn variable(segment: &Segment) -> Option<&str> {
    match segment {
        Segment::Reference(Reference::Variable(name)) => Some(name),
        _ => None,
    }
}

/// Literals that touch are one literal.
fn merged(segments: Vec<Segment>) -> Vec<Segment> {
    let mut out: Vec<Segment> = Vec::new();
    for segment in segments {
        match (out.last_mut(), segment) {
            (Some(Segment::Literal(before)), Segment::Literal(text)) => before.push_str(&text),
            (_, Segment::Literal(text)) if text.is_empty() => {}
            (_, other) => out.push(other),
        }
    }
    out
}

/// Roughly how many bytes a value takes.
fn weight(value: &Value) -> usize {
    match value {
        Value::String(text) => text.len() + 8,
        Value::Array(items) => items.iter().map(weight).sum::<usize>() + 8,
        Value::Object(map) => map.iter().map(|(k, v)| k.len() + weight(v) + 8).sum::<usize>() + 8,
        _ => 8,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn fill(values: Value, text: &str) -> Result<Value, Vec<Trouble>> {
        let mut variables = Variables::default();
        values.as_object().unwrap().iter().for_each(|(k, v)| variables.set(k, v.clone()));
        variables.fill(text)
    }

    #[test]
    fn a_whole_variable_keeps_its_type_and_a_part_becomes_text() {
        assert_eq!(fill(json!({"n": 3}), "${n}"), Ok(json!(3)));
        assert_eq!(fill(json!({"l": [1, "a"]}), "${l}"), Ok(json!([1, "a"])));
        assert_eq!(fill(json!({"n": 3, "v": "x"}), "a-${n}${v}"), Ok(json!("a-3x")));
    }

    #[test]
    fn what_is_escaped_stays_escaped() {
        assert_eq!(fill(json!({"v": "1"}), "$${a} ${v} $5 ${docker:network:n}"), Ok(json!("$${a} 1 $5 ${docker:network:n.id}")));
        assert_eq!(fill(json!({"v": "$${a}"}), "x${v}"), Ok(json!("x$${a}")));
        assert_eq!(fill(json!({}), "$${a}"), Ok(json!("$${a}")));
    }

    #[test]
    fn pieces_do_not_join_into_a_reference() {
        assert_eq!(fill(json!({"d": "$"}), "${d}{secret:x}"), Err(vec![Trouble::Joined]));
        assert_eq!(fill(json!({"d": "$"}), "${d}${docker:network:n}"), Err(vec![Trouble::Joined]));
    }

    #[test]
    fn every_missing_one_is_named() {
        assert_eq!(fill(json!({"b": 1}), "${a} ${b} ${c}"), Err(vec![Trouble::Undefined("a".into()), Trouble::Undefined("c".into())]));
    }

    #[test]
    fn a_variable_cannot_fill_the_memory() {
        let mut variables = Variables::default();
        variables.set("big", json!("x".repeat(1_000_000)));
        let ended = (0..100).map(|_| variables.fill("${big}")).find(Result::is_err);
        assert_eq!(ended, Some(Err(vec![Trouble::TooMuch])));
    }
}
