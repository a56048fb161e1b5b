//! Reads typed fields out of a tree and collects every problem with its place, so that a file is reported as a whole.

use crate::{diagnostic::Diagnostic, domain::name::nearest, template::Span};

use super::{
    PatternFile,
    yaml::{Entry, Kind, Node},
};

/// Collects what is wrong with a file while it is read.
pub struct Reader<'a> {
    /// The file.
    pub file: &'a PatternFile,
    /// What is wrong so far.
    pub problems: Vec<Diagnostic>,
}

impl<'a> Reader<'a> {
    /// Starts reading.
    pub fn new(file: &'a PatternFile) -> Self {
        Self { file, problems: Vec::new() }
    }

    /// Notes an error at a place.
    pub fn error(&mut self, code: &'static str, summary: &'static str, span: Span, label: &str, detail: impl Into<String>) {
        let source = self.file.source(span, label);
        self.problems.push(Diagnostic::error(code, summary).source(source).detail(detail).state("The pattern is not used."));
    }

    /// Notes a warning at a place.
    pub fn warning(&mut self, code: &'static str, summary: &'static str, span: Span, label: &str, detail: impl Into<String>) {
        let source = self.file.source(span, label);
        self.problems.push(Diagnostic::warning(code, summary).source(source).detail(detail));
    }

    /// Adds a hint to the last problem.
    pub fn hint(&mut self, text: impl Into<String>) {
        if let Some(last) = self.problems.pop() {
            self.problems.push(last.hint(text));
        }
    }

    /// The members of a map, with every unknown key noted. `what` completes "… is not a key of".
    pub fn map<'n>(&mut self, node: &'n Node, what: &str, known: &[&str]) -> &'n [Entry] {
        let entries = self.any_map(node, what);
        for entry in entries.iter().filter(|e| !known.contains(&e.key.as_str())) {
            self.unknown_key(entry, what, known.iter().copied());
        }
        entries
    }

    /// The members of a map whose keys are free.
    pub fn any_map<'n>(&mut self, node: &'n Node, what: &str) -> &'n [Entry] {
        match &node.kind {
            Kind::Map(entries) => entries,
            _ => {
                self.shape(node, &format!("{what} must be a map"));
                &[]
            }
        }
    }

    /// Notes a key that means nothing.
    pub fn unknown_key<'k>(&mut self, entry: &Entry, what: &str, known: impl IntoIterator<Item = &'k str>) {
        let key = printable(&entry.key);
        self.error("pattern::unknown-key", "Unknown key", entry.key_span, "means nothing here", format!("`{key}` is not a key of {what}."));
        if let Some(near) = nearest(&entry.key, known) {
            self.hint(format!("Did you mean `{near}`?"));
        }
    }

    /// Notes a node of the wrong kind.
    pub fn shape(&mut self, node: &Node, must: &str) {
        let label = format!("this is {}", node.kind_word());
        self.error("pattern::shape", "The pattern has the wrong shape", node.span, &label, format!("{}.", upper(must)));
    }

    /// The elements of a list.
    pub fn list<'n>(&mut self, node: &'n Node, what: &str) -> &'n [Node] {
        match &node.kind {
            Kind::List(items) => items,
            _ => {
                self.shape(node, &format!("{what} must be a list"));
                &[]
            }
        }
    }

    /// A text.
    pub fn text(&mut self, node: &Node, what: &str) -> Option<String> {
        let text = node.text().map(str::to_owned);
        if text.is_none() {
            self.shape(node, &format!("{what} must be a text"));
        }
        text
    }

    /// A list of texts. A number or boolean in it stands for its text, as `words: [3d, 404]` means it.
    pub fn texts(&mut self, node: &Node, what: &str) -> Vec<String> {
        let mut out = Vec::new();
        for item in self.list(node, what) {
            match &item.kind {
                Kind::Text(text) => out.push(text.clone()),
                Kind::Plain(value) if !value.is_null() => out.push(value.to_string()),
                _ => self.shape(item, &format!("{what} must hold texts")),
            }
        }
        out
    }

    /// A boolean; false when it is not one.
    pub fn boolean(&mut self, node: &Node, what: &str) -> bool {
        match &node.kind {
            Kind::Plain(serde_json::Value::Bool(b)) => *b,
            _ => {
                self.shape(node, &format!("{what} must be true or false"));
                false
            }
        }
    }

    /// A whole number that is not negative.
    pub fn count(&mut self, node: &Node, what: &str) -> Option<u64> {
        let count = match &node.kind {
            Kind::Plain(value) => value.as_u64(),
            _ => None,
        };
        if count.is_none() {
            self.shape(node, &format!("{what} must be a whole number"));
        }
        count
    }

    /// A name of some kind.
    pub fn name<T: std::str::FromStr<Err = crate::domain::NameError>>(&mut self, node: &Node, what: &str) -> Option<T> {
        let text = self.text(node, what)?;
        match text.parse() {
            Ok(name) => Some(name),
            Err(error) => {
                self.error("pattern::name", "A name is not allowed", node.span, "this name", format!("{}.", upper(&error.to_string())));
                None
            }
        }
    }
}

/// The first letter made large.
pub fn upper(text: &str) -> String {
    let mut chars = text.chars();
    chars.next().map(|c| c.to_uppercase().chain(chars).collect()).unwrap_or_default()
}

/// A text from a file, bounded and without control characters.
pub fn printable(text: &str) -> String {
    text.chars().take(60).map(|c| if c.is_control() { '\u{FFFD}' } else { c }).collect()
}
