//! Brings a value that someone said into the one form in which the pattern's schema knows it.
//!
//! Synonyms, units, and the forms that a command line or a model may choose. Nothing is guessed: what has no certain meaning is left
//! as it is, and the schema refuses it.

use serde_json::{Map, Value};

use super::{Parameter, filters};
use crate::intent::Holds;

/// The value in the pattern's own form.
pub fn normalise(parameter: &Parameter, value: &Value) -> Value {
    if !parameter.members.is_empty() {
        return object(parameter, value);
    }
    match parameter.holds {
        Holds::Domain => value.as_str().map_or_else(|| value.clone(), |t| Value::String(domain(t))),
        Holds::Retention => retention(value),
        Holds::Schedule => value.as_str().map_or_else(|| value.clone(), |t| Value::String(schedule(t))),
        _ => by_schema(&parameter.schema, value),
    }
}

/// `backup: no`, `backup: daily` and `backup: {schedule: daily}` are all ways to say an object that can be switched.
fn object(parameter: &Parameter, value: &Value) -> Value {
    let member = |name: &str| parameter.members.iter().find(|m| m.member_name() == name);
    let mut out = match value {
        Value::Object(map) => map.clone(),
        Value::Bool(_) if member("enabled").is_some() => Map::from_iter([("enabled".to_owned(), value.clone())]),
        Value::String(text) if member("enabled").is_some() && switch(text).is_some() => {
            Map::from_iter([("enabled".to_owned(), value.clone())])
        }
        Value::String(text) if member("schedule").is_some() && filters::cron(&schedule(text)).is_some() => {
            Map::from_iter([("schedule".to_owned(), value.clone())])
        }
        other => return other.clone(),
    };
    for (key, value) in out.iter_mut() {
        if let Some(member) = member(key) {
            *value = normalise(member, value);
        }
    }
    Value::Object(out)
}

fn by_schema(schema: &Value, value: &Value) -> Value {
    let kind = schema.get("type").and_then(Value::as_str).unwrap_or_default();
    match (kind, value) {
        ("array", Value::Array(items)) => {
            let inner = schema.get("items").unwrap_or(&Value::Null);
            Value::Array(items.iter().map(|v| by_schema(inner, element(v))).collect())
        }
        ("array", Value::String(text)) => {
            let inner = schema.get("items").unwrap_or(&Value::Null);
            let parts = text.split(',').map(str::trim).filter(|p| !p.is_empty());
            Value::Array(parts.map(|p| by_schema(inner, &Value::String(p.to_owned()))).collect())
        }
        ("integer", Value::String(text)) => {
            let digits: String = text.trim().chars().filter(|c| !matches!(c, ',' | '_' | '\'')).collect();
            digits.parse::<i64>().map_or_else(|_| value.clone(), Value::from)
        }
        ("integer", Value::Number(n)) => match n.as_f64() {
            Some(f) if f.fract() == 0.0 && f.abs() < 9e15 => Value::from(f as i64),
            _ => value.clone(),
        },
        ("number", Value::String(text)) => {
            text.trim().parse::<f64>().ok().and_then(serde_json::Number::from_f64).map_or_else(|| value.clone(), Value::Number)
        }
        ("boolean", Value::String(text)) => switch(text).map_or_else(|| value.clone(), Value::Bool),
        // `version: 16` and `version: 10.11` are texts to people and numbers to YAML.
        ("string", Value::Number(n)) => Value::String(n.to_string()),
        // `cache: no` is how people say `cache: none`.
        ("string", Value::Bool(false) | Value::Null) if lists(schema, "none") => Value::String("none".into()),
        ("string", Value::String(text)) if lists(schema, "none") && switch(text) == Some(false) => Value::String("none".into()),
        ("string", Value::String(text)) => Value::String(synonym(schema, text)),
        ("", Value::String(text)) => any_of(schema, text).unwrap_or_else(|| value.clone()),
        _ => value.clone(),
    }
}

/// Where a schema offers several types, a text that is a number or a list in one of them becomes that.
fn any_of(schema: &Value, text: &str) -> Option<Value> {
    let ways = schema.get("anyOf")?.as_array()?;
    let has = |kind: &str| ways.iter().any(|w| w.get("type").and_then(Value::as_str) == Some(kind));
    if has("integer")
        && let Ok(n) = text.trim().parse::<i64>()
    {
        return Some(n.into());
    }
    let parts: Vec<Value> = text.split(',').map(str::trim).filter(|p| !p.is_empty()).map(|p| Value::String(p.to_owned())).collect();
    (has("array") && !has("string")).then_some(Value::Array(parts))
}

/// `{engine: mysql}` in a list of engines is `mysql`.
fn element(value: &Value) -> &Value {
    match value {
        Value::Object(map) if map.len() == 1 => map.get("engine").or_else(|| map.get("name")).unwrap_or(value),
        other => other,
    }
}

fn lists(schema: &Value, word: &str) -> bool {
    schema.get("enum").and_then(Value::as_array).is_some_and(|e| e.iter().any(|v| v == word))
}

/// The member of an enumeration that a word stands for.
fn synonym(schema: &Value, text: &str) -> String {
    let Some(known) = schema.get("enum").and_then(Value::as_array) else { return text.to_owned() };
    let word = text.trim().to_lowercase();
    if known.iter().any(|k| k == word.as_str()) {
        return word;
    }
    let synonyms = schema.get("x-synonyms").and_then(Value::as_object);
    let same = |other: &Value| other.as_str().is_some_and(|o| o.to_lowercase() == word);
    let found = synonyms.into_iter().flatten().find(|(_, all)| all.as_array().is_some_and(|a| a.iter().any(same)));
    match found {
        Some((member, _)) => member.clone(),
        None if schema.get("x-open").and_then(Value::as_bool).unwrap_or(false) => word,
        None => text.to_owned(),
    }
}

fn switch(text: &str) -> Option<bool> {
    match text.trim().to_lowercase().as_str() {
        "true" | "yes" | "on" | "y" | "1" | "enabled" => Some(true),
        "false" | "no" | "off" | "n" | "0" | "none" | "disabled" => Some(false),
        _ => None,
    }
}

/// A domain without scheme, path and final dot, in lower case.
fn domain(text: &str) -> String {
    let text = text.trim().to_lowercase();
    let text = text.strip_prefix("https://").or_else(|| text.strip_prefix("http://")).unwrap_or(&text);
    text.split('/').next().unwrap_or_default().trim_end_matches('.').to_owned()
}

fn schedule(text: &str) -> String {
    let text = text.trim();
    match text.to_lowercase().as_str() {
        "hourly" | "every hour" | "@hourly" => "hourly".into(),
        "daily" | "nightly" | "every day" | "every night" | "@daily" => "daily".into(),
        "weekly" | "every week" | "@weekly" => "weekly".into(),
        "monthly" | "every month" | "@monthly" => "monthly".into(),
        _ => text.split_whitespace().collect::<Vec<_>>().join(" "),
    }
}

fn retention(value: &Value) -> Value {
    let text = match value {
        Value::Number(n) => n.to_string(),
        Value::String(text) => text.clone(),
        other => return other.clone(),
    };
    filters::days(&text).map_or_else(|| value.clone(), |d| Value::String(format!("{d}d")))
}
