//! From what a server answered to a value: each step takes what the one before gave.
//!
//! Servers answer with structured content, JSON in a text, JSON within JSON, YAML, Python, tables, prose; a binding says which.

use serde_json::{Map, Value};

use super::{
    expression::word,
    literal::{python, table},
};
use crate::{domain::text::clean_line, mcp::reply::Reply, template::Span};

/// One step, and where it stands.
#[derive(Debug, Clone)]
pub struct Step {
    /// What it does.
    pub kind: StepKind,
    /// Where it stands.
    pub span: Span,
}

/// What a step does.
#[derive(Debug, Clone)]
pub enum StepKind {
    /// Structured content, else JSON in the text.
    Json,
    /// Structured content, and nothing else.
    Structured,
    /// The text as it is.
    Text,
    /// The text blocks, each as JSON or else as text.
    Blocks,
    /// YAML in the text.
    Yaml,
    /// The `repr` of a Python value in the text.
    Python,
    /// A table with headings in the text.
    Table,
    /// The lines of the text.
    Lines,
    /// Named groups of a pattern in the text.
    Regex(regex::Regex),
    /// Named groups of every place where a pattern fits.
    RegexAll(regex::Regex),
    /// The text behind the first place where a pattern fits; as it is if the pattern does not fit.
    After(regex::Regex),
    /// A member: names and numbers, separated by dots.
    Path(String),
    /// A member that holds JSON as a text.
    Nested(String),
    /// Every element of a list, each by these steps; one that cannot be read so is nothing.
    Each(Vec<Step>),
    /// The first of these that works.
    First(Vec<Vec<Step>>),
}

/// The words of [`StepKind`] that stand alone in a file.
pub(super) const WORDS: [&str; 8] = ["json", "structured", "text", "blocks", "yaml", "python", "table", "lines"];

/// Why a result cannot be read, and at which step.
#[derive(Debug, Clone, PartialEq)]
pub struct Undecoded {
    /// The step.
    pub span: Span,
    /// What is wrong.
    pub reason: String,
}

/// Reads a reply. No step at all is `json`, or else the text.
pub fn decode(reply: &Reply, steps: &[Step]) -> Result<Value, Undecoded> {
    if steps.is_empty() {
        return Ok(reply.json().unwrap_or_else(|| Value::String(reply.text.clone())));
    }
    all(reply, None, steps)
}

fn apply(reply: &Reply, value: Option<&Value>, step: &Step) -> Result<Value, Undecoded> {
    let fail = |reason: String| Undecoded { span: step.span, reason };
    let text = || match value {
        None => Ok(reply.text.as_str()),
        Some(Value::String(text)) => Ok(text.as_str()),
        Some(other) => Err(fail(format!("a text is needed, and this is {}", word(other)))),
    };
    Ok(match &step.kind {
        StepKind::Json => match value {
            None => reply.json().ok_or_else(|| fail(format!("it holds no JSON, but `{}`", clean_line(&reply.text, 120))))?,
            Some(_) => from_json(text()?).map_err(fail)?,
        },
        StepKind::Structured => reply.structured.clone().ok_or_else(|| fail("it has no structured content".to_owned()))?,
        StepKind::Text => Value::String(text()?.to_owned()),
        StepKind::Blocks => {
            Value::Array(reply.blocks.iter().map(|b| serde_json::from_str(b).unwrap_or_else(|_| Value::String(b.clone()))).collect())
        }
        StepKind::Yaml => yaml(text()?).map_err(fail)?,
        StepKind::Python => python(text()?).map_err(fail)?,
        StepKind::Table => Value::Array(table(text()?)),
        StepKind::Lines => Value::Array(text()?.lines().map(|l| Value::String(l.to_owned())).collect()),
        StepKind::Regex(regex) => {
            let text = text()?;
            let found = regex.captures(text).map(|found| groups(regex, &found));
            found.ok_or_else(|| fail(format!("`{}` is not in `{}`", regex.as_str(), clean_line(text, 120))))?
        }
        StepKind::RegexAll(regex) => Value::Array(regex.captures_iter(text()?).map(|found| groups(regex, &found)).collect()),
        StepKind::After(regex) => {
            let text = text()?;
            Value::String(regex.find(text).map_or(text, |m| &text[m.end()..]).to_owned())
        }
        StepKind::Path(path) => {
            let whole = value.cloned().or_else(|| reply.json()).ok_or_else(|| fail("it holds no JSON".to_owned()))?;
            member(&whole, path).ok_or_else(|| fail(format!("there is no `{path}` in {}", shape(&whole))))?.clone()
        }
        StepKind::Nested(path) => {
            let whole = value.cloned().or_else(|| reply.json()).ok_or_else(|| fail("it holds no JSON".to_owned()))?;
            let inner = member(&whole, path).ok_or_else(|| fail(format!("there is no `{path}` in {}", shape(&whole))))?;
            let text = inner.as_str().ok_or_else(|| fail(format!("`{path}` is {}, and not a text", word(inner))))?;
            from_json(text).map_err(fail)?
        }
        StepKind::Each(steps) => {
            let whole = value.cloned().or_else(|| reply.json()).ok_or_else(|| fail("it holds no JSON".to_owned()))?;
            let Value::Array(items) = whole else { return Err(fail(format!("a list is needed, and this is {}", word(&whole)))) };
            Value::Array(items.into_iter().map(|item| all(reply, Some(item), steps).unwrap_or(Value::Null)).collect())
        }
        StepKind::First(ways) => {
            let mut last = fail("there is no way to read it".to_owned());
            for way in ways {
                match all(reply, value.cloned(), way) {
                    Ok(found) => return Ok(found),
                    Err(e) => last = e,
                }
            }
            return Err(last);
        }
    })
}

fn all(reply: &Reply, mut value: Option<Value>, steps: &[Step]) -> Result<Value, Undecoded> {
    for step in steps {
        value = Some(apply(reply, value.as_ref(), step)?);
    }
    Ok(value.unwrap_or(Value::Null))
}

fn from_json(text: &str) -> Result<Value, String> {
    serde_json::from_str(text.trim()).map_err(|e| format!("it is not JSON ({})", clean_line(&e.to_string(), 120)))
}

fn yaml(text: &str) -> Result<Value, String> {
    let options = serde_saphyr::options! {
        with_snippet: false,
        budget: serde_saphyr::budget! { max_depth: 64, max_nodes: 200_000, max_documents: 1 },
    };
    serde_saphyr::from_str_with_options(text, options).map_err(|e| format!("it is not YAML ({})", clean_line(&e.to_string(), 160)))
}

fn groups(regex: &regex::Regex, found: &regex::Captures<'_>) -> Value {
    let named = regex.capture_names().flatten();
    Value::Object(named.filter_map(|n| Some((n.to_owned(), Value::String(found.name(n)?.as_str().to_owned())))).collect::<Map<_, _>>())
}

fn member<'v>(value: &'v Value, path: &str) -> Option<&'v Value> {
    path.split('.').filter(|s| !s.is_empty()).try_fold(value, |at, step| match at {
        Value::Object(map) => map.get(step),
        Value::Array(items) => items.get(step.parse::<usize>().ok()?),
        _ => None,
    })
}

/// What a value looks like, without what is in it.
fn shape(value: &Value) -> String {
    match value {
        Value::Object(map) => {
            let names: Vec<String> = map.keys().take(12).map(|k| format!("`{}`", clean_line(k, 40))).collect();
            format!("a map with {}", if names.is_empty() { "nothing in it".to_owned() } else { names.join(", ") })
        }
        other => word(other).to_owned(),
    }
}
