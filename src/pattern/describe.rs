//! A pattern as `swell patterns list` and `swell patterns show` present it. Data only; faces render it.

use serde::Serialize;
use serde_json::Value;

use super::{Generate, Parameter, Pattern, Requirement, schema, yaml::Kind};

/// A pattern, described.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Description {
    /// Its name.
    pub name: String,
    /// Its version.
    pub version: u64,
    /// One line.
    pub title: String,
    /// What it makes and why in this way.
    pub description: String,
    /// Whether it is a runbook.
    pub runbook: bool,
    /// What it needs.
    pub requires: Vec<Requirement>,
    /// What "scale to N" sets.
    pub scale: Vec<String>,
    /// Its parameters.
    pub parameters: Vec<ParameterDescription>,
    /// Names of its outputs.
    pub outputs: Vec<String>,
    /// The types of resources that it may make, without repetition.
    pub types: Vec<String>,
    /// A few example requests.
    pub examples: Vec<String>,
    /// The file.
    pub file: String,
}

/// A parameter, described.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct ParameterDescription {
    /// Its name (`backup.schedule`).
    pub name: String,
    /// What it takes, in words: `a whole number, 1 to 100`.
    pub takes: String,
    /// Values to choose from.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub choices: Vec<String>,
    /// Must be said.
    pub required: bool,
    /// Kept as a secret.
    pub secret: bool,
    /// Made by Swell when nobody says it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub generate: Option<Generate>,
    /// The default as written; an expression when it is derived.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub default: Option<Value>,
    /// Whether the default is computed from other parameters.
    pub derived: bool,
    /// Why that default.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub because: String,
    /// The question that is asked for it.
    pub ask: String,
}

/// Describes a pattern.
pub fn describe(pattern: &Pattern) -> Description {
    let mut types: Vec<String> = pattern.resources.iter().map(|r| format!("{}:{}", r.server, r.kind)).collect();
    types.sort();
    types.dedup();
    Description {
        name: pattern.name.to_string(),
        version: pattern.version,
        title: pattern.title.clone(),
        description: pattern.description.clone(),
        runbook: pattern.runbook,
        requires: pattern.requires.clone(),
        scale: pattern.scale.clone(),
        parameters: pattern.leaves().into_iter().map(parameter).collect(),
        outputs: pattern.outputs.iter().map(|o| o.name.clone()).collect(),
        types,
        examples: pattern.examples.iter().take(3).cloned().collect(),
        file: pattern.file.name.clone(),
    }
}

fn parameter(p: &Parameter) -> ParameterDescription {
    let mut derived = false;
    if let Some(node) = &p.default {
        node.walk(&mut |n| derived |= matches!(&n.kind, Kind::Text(t) if t.contains("{{")));
    }
    ParameterDescription {
        name: p.name.clone(),
        takes: takes(&p.schema),
        choices: p.choices(),
        required: p.required,
        secret: p.secret,
        generate: p.generate,
        default: p.default.as_ref().map(super::yaml::Node::to_json),
        derived,
        because: p.because.clone(),
        ask: p.ask.clone(),
    }
}

/// What a schema takes, in words.
fn takes(schema: &Value) -> String {
    let kinds = |s: &Value| s.get("type").and_then(Value::as_str).map(|t| schema::type_word(t).to_owned());
    let mut text = match (schema.get("anyOf").and_then(Value::as_array), kinds(schema)) {
        (Some(ways), _) => ways.iter().filter_map(kinds).collect::<Vec<_>>().join(" or "),
        (None, Some(kind)) => kind,
        (None, None) => "anything".into(),
    };
    if schema.get("format").and_then(Value::as_str) == Some("hostname") {
        text = "a domain name".into();
    }
    match (schema.get("minimum"), schema.get("maximum")) {
        (Some(least), Some(most)) => text.push_str(&format!(", {least} to {most}")),
        (Some(least), None) => text.push_str(&format!(", at least {least}")),
        (None, Some(most)) => text.push_str(&format!(", at most {most}")),
        (None, None) => {}
    }
    text
}
