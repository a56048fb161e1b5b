//! Values that a person gave on a command line or in a file.

use std::path::Path;

use indexmap::IndexMap;
use serde_json::Value;

use crate::{
    diagnostic::{Diagnostic, Failure, usage},
    intent::{Provenance, Said},
};

/// Parses `key=value` pairs; a value that is JSON is taken as such, anything else as text.
pub fn pairs(all: &[String]) -> Result<IndexMap<String, Value>, Failure> {
    all.iter()
        .map(|pair| {
            let (key, value) =
                pair.split_once('=').ok_or_else(|| usage(&format!("`{}` is not `key=value`", crate::domain::text::clean(pair, 60))))?;
            Ok((key.trim().to_owned(), typed_value(value)))
        })
        .collect()
}

/// A value as typed: JSON where it is (numbers, true, lists), text otherwise.
pub fn typed_value(text: &str) -> Value {
    match serde_json::from_str::<Value>(text.trim()) {
        // A number such as 10.10 must stay as it was typed when it is a version; the pattern's schema says what it wants.
        Ok(Value::Number(n)) if n.to_string() != text.trim() => Value::String(text.to_owned()),
        Ok(v) => v,
        Err(_) => Value::String(text.to_owned()),
    }
}

/// What the pattern makes of given parameters, marked as given on the command line.
pub fn given(values: IndexMap<String, Value>) -> IndexMap<String, Said> {
    values.into_iter().map(|(k, value)| (k, Said { value, provenance: Provenance::Given })).collect()
}

/// Parameters from a file: one object, YAML or JSON.
pub fn parameters_file(path: &Path) -> Result<IndexMap<String, Value>, Failure> {
    let text = crate::template::file::read_file(path)?;
    let shown = path.display().to_string();
    let node = crate::yaml::parse(&shown, &text).map_err(|d| Failure::from(*d))?;
    match node.to_json() {
        Value::Object(map) => Ok(map.into_iter().collect()),
        _ => Err(usage(&format!("`{shown}` does not hold parameters (`name: value` lines)"))),
    }
}

/// Reads a file of evals or results, which may be large.
pub fn read_large(path: &Path) -> Result<String, Failure> {
    std::fs::read_to_string(path).map_err(|e| {
        Failure::from(
            Diagnostic::error("file::read", "A file cannot be read")
                .fact("file", path.display().to_string())
                .detail(format!("{e}."))
                .state("Nothing was changed."),
        )
    })
}
