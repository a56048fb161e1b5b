//! The small questions that `parse` asks of the tree, each with its own diagnostic: is this a map, a text, a name; are its keys known.
//!
//! A question that is answered with a problem gives `None`, and the reading goes on.

use std::str::FromStr;

use serde_json::Value;

use super::{
    MAX_PROBLEMS, Span, locate,
    node::{Key, Node, Tree},
    variables::{Trouble, Variables},
};
use crate::{
    diagnostic::Diagnostic,
    domain::{
        NameError, PropertyPath,
        name::nearest,
        reference::{self, Reference},
    },
};

/// Reads one file and collects what is wrong with it.
pub(super) struct Reader<'t> {
    /// The file as the person named it.
    pub file: &'t str,
    /// Its text.
    pub text: &'t str,
    /// What is wrong so far.
    pub problems: Vec<Diagnostic>,
    /// The variables that are known so far.
    pub variables: Variables,
    /// The names of all variables of the file, for suggestions.
    pub declared: Vec<String>,
}

impl Reader<'_> {
    /// Collects a problem and says where it is.
    pub fn report(&mut self, span: Span, label: &str, diagnostic: Diagnostic) {
        // Finding the line takes a walk over the file, so it is done only for what will be shown.
        let source = (self.problems.len() < MAX_PROBLEMS).then(|| locate(self.file, self.text, span, label));
        self.problems.push(diagnostic.source(source).state("Nothing was planned."));
    }

    /// The entries of a map.
    pub fn map<'n>(&mut self, node: &'n Node, what: &str) -> Option<&'n [(Key, Node)]> {
        match &node.tree {
            Tree::Map(entries) => Some(entries),
            _ => self.wrong(node, what, "a map of names and values"),
        }
    }

    /// The items of a list.
    pub fn list<'n>(&mut self, node: &'n Node, what: &str) -> Option<&'n [Node]> {
        match &node.tree {
            Tree::List(items) => Some(items),
            _ => self.wrong(node, what, "a list"),
        }
    }

    /// A yes or no.
    pub fn flag(&mut self, node: &Node, what: &str) -> Option<bool> {
        let value = self.scalar(node)?;
        value.as_bool().or_else(|| self.wrong(node, what, "`true` or `false`"))
    }

    /// A text without references, its variables in place.
    pub fn text(&mut self, node: &Node, what: &str) -> Option<String> {
        let Tree::Text(written) = &node.tree else {
            if matches!(node.tree, Tree::Number(_) | Tree::Bool(_)) {
                let diagnostic = Diagnostic::error("template::wrong-type", "A value has the wrong type")
                    .detail(format!("{what} must be a text, and this is {}.", node.kind()))
                    .hint("Put it in quotes.");
                self.report(node.span, "a text is wanted", diagnostic);
                return None;
            }
            return self.wrong(node, what, "a text");
        };
        match self.fill(written, node.span)? {
            Value::String(filled) if filled.contains("${") => {
                let diagnostic = Diagnostic::error("template::misplaced-reference", "A reference stands where none can")
                    .detail(format!("{what} must be known before anything is planned. It may hold variables, but no other reference."));
                self.report(node.span, "a reference", diagnostic);
                None
            }
            Value::String(filled) => Some(filled),
            Value::Number(n) => Some(n.to_string()),
            _ => self.wrong(node, what, "a text"),
        }
    }

    /// A checked name of some kind.
    pub fn name<T: FromStr<Err = NameError>>(&mut self, node: &Node, what: &str) -> Option<T> {
        let text = self.text(node, what)?;
        text.parse().map_err(|e: NameError| self.bad_name(node.span, &e)).ok()
    }

    /// Reports a text that is not a name.
    pub fn bad_name(&mut self, span: Span, error: &NameError) {
        let diagnostic = Diagnostic::error("template::bad-name", "A name is not valid").detail(format!("{error}."));
        self.report(span, error.reason, diagnostic);
    }

    /// Finds the known keys of a map, in the order of `known`, and reports those that are not known or stand twice.
    pub fn fields<'n, const N: usize>(&mut self, entries: &'n [(Key, Node)], what: &str, known: [&str; N]) -> [Option<&'n Node>; N] {
        let mut found: [Option<(&Key, &Node)>; N] = [None; N];
        for (key, node) in entries {
            match known.iter().position(|k| *k == key.text) {
                Some(n) => match found[n] {
                    Some((first, _)) => self.twice(key, first),
                    None => found[n] = Some((key, node)),
                },
                None => {
                    let diagnostic = Diagnostic::error("template::unknown-key", "Unknown key").detail(format!(
                        "{what} has the key `{}`. It takes {}.",
                        short(&key.text),
                        listed(&known)
                    ));
                    let diagnostic = match nearest(&key.text, known) {
                        Some(near) => diagnostic.hint(format!("Did you mean `{near}`?")),
                        None if known.contains(&"properties") => diagnostic.hint("What the server sets goes under `properties`."),
                        None => diagnostic,
                    };
                    self.report(key.span, "no such key", diagnostic);
                }
            }
        }
        found.map(|f| f.map(|(_, node)| node))
    }

    /// Reports a key that stands twice.
    fn twice(&mut self, key: &Key, first: &Key) {
        let line = self.text[..first.span.offset.min(self.text.len())].matches('\n').count() + 1;
        let diagnostic = Diagnostic::error("template::duplicate-key", "A key stands twice")
            .detail(format!("`{}` is set here and on line {line}. Which of the two is meant cannot be told.", short(&key.text)));
        self.report(key.span, "again", diagnostic);
    }

    /// Reports that a key is missing.
    pub fn missing(&mut self, node: &Node, what: &str, key: &str) {
        let span = Span { offset: node.span.offset, len: node.span.len.min(1) };
        let diagnostic = Diagnostic::error("template::missing-key", "A key is missing").detail(format!("{what} has no `{key}`."));
        self.report(span, &format!("no `{key}`"), diagnostic);
    }

    /// Reports that a resource has no server; a type as addresses are written has it in front.
    pub fn missing_server(&mut self, node: &Node, kind: Option<&Node>) {
        let Some((server, rest)) = kind.and_then(|k| match &k.tree {
            Tree::Text(text) => text.split_once(':'),
            _ => None,
        }) else {
            return self.missing(node, "The resource", "server");
        };
        let span = Span { offset: node.span.offset, len: node.span.len.min(1) };
        let diagnostic = Diagnostic::error("template::missing-key", "A key is missing")
            .detail("The resource has no `server`.")
            .hint(format!("If the server is `{0}`, write `server: {0}` and `type: {1}`.", short(server), short(rest)));
        self.report(span, "no `server`", diagnostic);
    }

    /// Reports a value of the wrong type.
    pub fn wrong<T>(&mut self, node: &Node, what: &str, wanted: &str) -> Option<T> {
        let diagnostic = Diagnostic::error("template::wrong-type", "A value has the wrong type")
            .detail(format!("{what} must be {wanted}, and this is {}.", node.kind()));
        self.report(node.span, &format!("{wanted} is wanted"), diagnostic);
        None
    }

    /// The value of a scalar, its variables in place.
    fn scalar(&mut self, node: &Node) -> Option<Value> {
        match &node.tree {
            Tree::Text(text) => self.fill(text, node.span),
            _ => Some(super::node::plain(node)),
        }
    }

    /// The value of a node, its variables in place. `place` is told where every piece of it stands.
    pub fn value(&mut self, node: &Node, path: &PropertyPath, place: &mut dyn FnMut(&PropertyPath, Span)) -> Option<Value> {
        place(path, node.span);
        match &node.tree {
            Tree::List(items) => {
                let mut whole = Some(Vec::with_capacity(items.len()));
                for (n, item) in items.iter().enumerate() {
                    match (self.value(item, &path.item(n), place), &mut whole) {
                        (Some(value), Some(items)) => items.push(value),
                        _ => whole = None,
                    }
                }
                whole.map(Value::Array)
            }
            Tree::Map(entries) => {
                let mut whole = Some(serde_json::Map::new());
                let mut seen: std::collections::HashMap<&str, &Key> = std::collections::HashMap::new();
                for (key, item) in entries {
                    if let Some(first) = seen.insert(&key.text, key) {
                        self.twice(key, first);
                        whole = None;
                        continue;
                    }
                    match (self.value(item, &path.child(&key.text), place), &mut whole) {
                        (Some(value), Some(map)) => drop(map.insert(key.text.clone(), value)),
                        _ => whole = None,
                    }
                }
                whole.map(Value::Object)
            }
            _ => self.scalar(node),
        }
    }

    /// Puts the variables of a text in place.
    pub fn fill(&mut self, text: &str, span: Span) -> Option<Value> {
        match self.variables.fill(text) {
            Ok(value) => Some(value),
            Err(troubles) => {
                for trouble in troubles {
                    self.trouble(&trouble, Some(span));
                }
                None
            }
        }
    }

    /// Reports what is wrong with a text that holds references.
    pub fn trouble(&mut self, trouble: &Trouble, span: Option<Span>) {
        let (piece, label, diagnostic) = match trouble {
            Trouble::Unreadable { piece, reason } => (
                piece.clone(),
                "not a reference",
                Diagnostic::error("template::bad-reference", "A reference cannot be read")
                    .detail(format!("{}.", capital(reason)))
                    .hint("A reference is `${server:type:name.output}`, `${variable}` or `${secret:NAME}`."),
            ),
            Trouble::Undefined(name) => {
                let diagnostic = Diagnostic::error("template::undefined-variable", "A variable has no value")
                    .detail(format!("The template uses `${{{name}}}`, and nothing sets `{name}`."));
                let known = self.variables.names().chain(self.declared.iter().map(String::as_str));
                let diagnostic = match nearest(name, known) {
                    Some(same) if same == name => {
                        diagnostic.hint(format!("`{same}` is set further down. A variable may use only those that stand before it."))
                    }
                    Some(near) => diagnostic.hint(format!("Did you mean `{near}`?")),
                    None => diagnostic,
                };
                let diagnostic = diagnostic.hint(format!("Set it under `variables:`, or with `--var {name}=VALUE`."));
                (format!("${{{name}}}"), "no such variable", diagnostic)
            }
            Trouble::Joined => (
                String::new(),
                "here",
                Diagnostic::error("template::bad-reference", "A reference cannot be read")
                    .detail("With its variables in place, this text would hold a reference that nobody wrote."),
            ),
            Trouble::TooMuch => (
                String::new(),
                "the limit is reached here",
                Diagnostic::error("template::limit", "The template breaks a limit")
                    .detail("The variables of this template make it larger than a template may be."),
            ),
        };
        match span {
            Some(span) => {
                let written = self.text.get(span.offset..span.offset + span.len).unwrap_or_default();
                let found = if piece.is_empty() { None } else { written.find(&piece) };
                let span = found.map_or(span, |at| Span { offset: span.offset + at, len: piece.len() });
                self.report(span, label, diagnostic);
            }
            None => self.problems.push(diagnostic.state("Nothing was planned.")),
        }
    }

    /// Whether a variable's value refers to anything but secrets, and to what.
    pub fn forbidden(value: &Value) -> Option<Reference> {
        reference::references(value).into_iter().map(|(_, r)| r).find(|r| !matches!(r, Reference::Secret(_)))
    }
}

/// The first letter made large.
fn capital(text: &str) -> String {
    let mut letters = text.chars();
    letters.next().map_or_else(String::new, |first| first.to_uppercase().chain(letters).collect())
}

/// At most 60 characters of a text.
pub(super) fn short(text: &str) -> String {
    if text.chars().count() <= 60 { text.to_owned() } else { text.chars().take(59).chain(['…']).collect() }
}

/// `a`, `b` and `c`.
pub(super) fn listed(words: &[&str]) -> String {
    match words {
        [] => "none".into(),
        [one] => format!("`{one}`"),
        [first @ .., last] => format!("{} and `{last}`", first.iter().map(|w| format!("`{w}`")).collect::<Vec<_>>().join(", ")),
    }
}
