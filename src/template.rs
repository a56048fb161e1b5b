//! A template: a concrete list of resources, as a pattern generates it or a user writes it in a file.
//!
//! `parse` reads YAML and JSON with source spans, `link` says what its references point at, and `check` finds what is wrong with one
//! against the servers' types. Each reports all problems at once, and none of them touches a server.

use indexmap::IndexMap;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::{
    diagnostic::{Diagnostic, Severity, Source},
    domain::{Address, DeploymentName, PropertyPath, Resource},
};

pub mod check;

pub mod file;

pub mod link;

pub mod parse;

mod node;

mod reader;

mod schema;

mod variables;

pub use check::{Found, KnownAddresses, check};
pub use file::read_file;
pub use link::{Declared, Match, Use, dependencies, graph, undeclared, uses};
pub use parse::{Reading, parse, read};

/// What we want: the desired picture of one deployment.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Template {
    /// The deployment.
    pub name: DeploymentName,
    /// Values of `${name}`, with what `--var` set already in place.
    #[serde(default)]
    pub variables: IndexMap<String, Value>,
    /// The resources, in the order in which they were written.
    pub resources: Vec<Resource>,
    /// Named values to show at the end; strings may hold references.
    #[serde(default)]
    pub outputs: IndexMap<String, Value>,
    /// Where it was written, for diagnostics. Not part of what is wanted.
    #[serde(skip)]
    pub origin: Origin,
}

/// Where the pieces of a template stand in the file that they came from.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Origin {
    /// The file as the person named it; empty if there is none.
    pub file: String,
    /// Its text.
    pub text: std::sync::Arc<str>,
    /// The place of a resource (empty path: its name) or of a piece of it (the path begins with `server`, `type`, `properties`,
    /// `depends_on`, `lifecycle` or `wait`).
    pub spans: IndexMap<(Address, PropertyPath), Span>,
    /// The place of a piece that belongs to no resource; the path begins with `name`, `variables` or `outputs`.
    pub outside: IndexMap<PropertyPath, Span>,
}

/// A stretch of a file, in bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Span {
    /// First byte.
    pub offset: usize,
    /// How many bytes.
    pub len: usize,
}

impl Origin {
    /// The span of a piece of a resource, or of the nearest thing around it that has one.
    pub fn span(&self, address: &Address, path: &PropertyPath) -> Option<Span> {
        // The key is made once and shortened, since a template of many resources asks often.
        let mut key = (address.clone(), path.clone());
        loop {
            if let Some(span) = self.spans.get(&key) {
                return Some(*span);
            }
            key.1.0.pop()?;
        }
    }

    /// The place of a piece of a resource, or of the nearest thing around it that has a place.
    pub fn source(&self, address: &Address, path: &PropertyPath, label: &str) -> Option<Source> {
        self.span(address, path).map(|span| self.locate(span, label))
    }

    /// The place of a piece outside the resources, or of the nearest thing around it that has a place.
    pub fn source_outside(&self, path: &PropertyPath, label: &str) -> Option<Source> {
        let mut path = path.clone();
        loop {
            if let Some(span) = self.outside.get(&path) {
                return Some(self.locate(*span, label));
            }
            path.0.pop()?;
        }
    }

    /// The place of a span.
    pub fn locate(&self, span: Span, label: &str) -> Source {
        locate(&self.file, &self.text, span, label)
    }

    /// The key that stands before a value, if it is written there.
    pub(crate) fn key_before(&self, value: Span, key: &str) -> Option<Span> {
        let before = self.text.get(..value.offset)?;
        let offset = before.rfind(key)?;
        let between = before[offset + key.len()..].trim_start_matches(['"', '\'']).trim_start().strip_prefix(':')?;
        between.chars().all(char::is_whitespace).then_some(Span { offset, len: key.len() })
    }

    /// The reference to `address` inside a value, or the whole value.
    pub(crate) fn reference_in(&self, value: Span, address: &str) -> Span {
        let narrow = || {
            let text = self.text.get(value.offset..value.offset + value.len)?;
            let found = text.find(address)?;
            let start = text[..found].rfind("${")?;
            let end = found + text[found..].find('}')? + 1;
            Some(Span { offset: value.offset + start, len: end - start })
        };
        narrow().unwrap_or(value)
    }
}

/// Makes a place of a span: its width is counted in characters and ends with its line.
pub(crate) fn locate(file: &str, text: &str, span: Span, label: &str) -> Source {
    let start = text.floor_char_boundary(span.offset.min(text.len()));
    let end = text.floor_char_boundary(span.offset.saturating_add(span.len).min(text.len())).max(start);
    // The YAML reader counts the space before some scalars as theirs.
    let start = end - text[start..end].trim_start().len();
    let width = text[start..end].lines().next().map_or(1, |l| l.trim_end().chars().count());
    let mut source = Source::locate(file, text, start, width, label);
    if source.text.len() > LONGEST_LINE {
        source.text = String::new();
    }
    source
}

/// The longest line that is kept with a problem, in bytes. A whole template can stand on one line, and every problem would hold it.
const LONGEST_LINE: usize = 64 * 1024;

/// The most problems of one file that are reported at once.
pub(crate) const MAX_PROBLEMS: usize = 100;

/// Puts problems in the order of the file, keeps the first of a long list, and says how many more there are.
pub(crate) fn bounded(mut problems: Vec<Diagnostic>) -> Vec<Diagnostic> {
    problems.sort_by_key(|p| p.source.as_ref().map_or((usize::MAX, 0), |s| (s.line, s.column)));
    let more = problems.split_off(problems.len().min(MAX_PROBLEMS));
    if !more.is_empty() {
        // Among what is cut off there may be the only errors.
        let worst = more.iter().map(|p| p.severity).max().unwrap_or(Severity::Error);
        let detail = format!("{} more problems of this template are not shown.", more.len());
        let rest = match worst {
            Severity::Error => Diagnostic::error("template::more-problems", "There are more problems").state("Nothing was planned."),
            Severity::Warning => Diagnostic::warning("template::more-problems", "There are more problems"),
        };
        problems.push(rest.detail(detail));
    }
    problems
}
