//! A template: a concrete list of resources, as a pattern generates it or a user writes it in a file.
//!
//! `template/parse` reads YAML and JSON with source spans; `template/check` finds what is wrong with one against the servers' types.

use indexmap::IndexMap;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::domain::{Address, DeploymentName, PropertyPath, Resource};

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
    /// Byte offset and width of a resource (empty path) or of one of its properties (path begins with `properties`, `depends_on`, …).
    pub spans: IndexMap<(Address, PropertyPath), Span>,
}

/// A stretch of a file, in bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Span {
    /// First byte.
    pub offset: usize,
    /// How many bytes.
    pub len: usize,
}

impl Origin {
    /// The place of a property of a resource, or of the nearest thing around it that has a place.
    pub fn source(&self, address: &Address, path: &PropertyPath, label: &str) -> Option<crate::diagnostic::Source> {
        let mut path = path.clone();
        loop {
            if let Some(span) = self.spans.get(&(address.clone(), path.clone())) {
                return Some(crate::diagnostic::Source::locate(&self.file, &self.text, span.offset, span.len, label));
            }
            path.0.pop()?;
        }
    }
}
