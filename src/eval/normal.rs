//! Values in one spelling, so that `postgres` is `postgresql` and two weeks are fourteen days.
//!
//! A port of the reference scorer's normalisers. Its quirks are kept on purpose: both must give the same figures.

use std::sync::LazyLock;

use indexmap::IndexMap;
use regex::Regex;
use serde_json::{Map, Value};

/// Other names of parameters.
const ALIASES: &[(&str, &str)] = &[
    ("count", "instances"),
    ("desired", "instances"),
    ("desiredInstances", "instances"),
    ("name", "appName"),
    ("db_replicas", "dbReplicas"),
    ("db", "database"),
    ("processor", "paymentProcessor"),
    ("toRevision", "revision"),
    ("source", "sourceRegion"),
    ("target_region", "targetRegion"),
];

/// Other names of values.
const SYNONYMS: &[(&str, &str)] = &[
    ("postgres", "postgresql"),
    ("pg", "postgresql"),
    ("pgsql", "postgresql"),
    ("mongo", "mongodb"),
    ("maria", "mariadb"),
    ("golang", "go"),
    ("nodejs", "node"),
    ("node.js", "node"),
    ("next.js", "nextjs"),
    ("ruby-on-rails", "rails"),
    ("springboot", "spring-boot"),
    ("nightly", "daily"),
    ("every-night", "daily"),
    ("every-day", "daily"),
    ("every-hour", "hourly"),
    ("every-week", "weekly"),
    ("no", "none"),
    ("null", "none"),
    ("disabled", "none"),
];

/// A normalised value.
#[derive(Debug, Clone)]
pub enum Normal {
    /// On or off; equal to 1 and 0, as in the reference.
    Bool(bool),
    /// A number.
    Number(f64),
    /// A word.
    Text(String),
    /// A set.
    List(Vec<String>),
}

impl PartialEq for Normal {
    fn eq(&self, other: &Self) -> bool {
        let number = |n: &Self| match n {
            Self::Bool(b) => Some(f64::from(u8::from(*b))),
            Self::Number(n) => Some(*n),
            _ => None,
        };
        match (self, other) {
            (Self::Text(a), Self::Text(b)) => a == b,
            (Self::List(a), Self::List(b)) => a == b,
            _ => number(self).is_some() && number(self) == number(other),
        }
    }
}

impl std::fmt::Display for Normal {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Bool(true) => f.write_str("True"),
            Self::Bool(false) => f.write_str("False"),
            Self::Number(n) => write!(f, "{n}"),
            Self::Text(text) => f.write_str(text),
            Self::List(all) => write!(f, "({})", all.join(", ")),
        }
    }
}

fn regex(rule: &str) -> Option<Regex> {
    Regex::new(rule).ok()
}

/// The parameter's name in the reference's spelling.
pub fn alias(name: &str) -> &str {
    ALIASES.iter().find(|(other, _)| *other == name).map_or(name, |(_, name)| name)
}

/// A word in lower case, without quotes, scheme and trailing slash, with dashes for spaces, by its usual name.
pub fn slug(text: &str) -> String {
    static GAPS: LazyLock<Option<Regex>> = LazyLock::new(|| regex(r"[\s_/]+"));
    let text = text.trim().to_lowercase();
    let text = text.trim_matches(['"', '\'', '`']);
    let text = text.strip_prefix("https://").or_else(|| text.strip_prefix("http://")).unwrap_or(text);
    let text = text.trim_end_matches(['/', '.']);
    let text = GAPS.as_ref().map_or_else(|| text.to_owned(), |gaps| gaps.replace_all(text, "-").into_owned());
    SYNONYMS.iter().find(|(other, _)| *other == text).map_or(text, |(_, name)| (*name).to_owned())
}

/// A span of time in days.
pub fn days(text: &str) -> Option<i64> {
    static SPAN: LazyLock<Option<Regex>> =
        LazyLock::new(|| regex(r"^p?(\d+)\s*-?\s*(d|day|days|w|week|weeks|m|mo|month|months|y|year|years)$"));
    let text = text.trim().to_lowercase();
    let found = SPAN.as_ref()?.captures(&text)?;
    let each = match found[2].as_bytes()[0] {
        b'd' => 1,
        b'w' => 7,
        b'm' => 30,
        _ => 365,
    };
    found[1].parse::<i64>().ok()?.checked_mul(each)
}

/// A value as text, in the reference's language.
fn text_of(value: &Value) -> String {
    match value {
        Value::String(text) => text.clone(),
        Value::Bool(true) => "True".to_owned(),
        Value::Bool(false) => "False".to_owned(),
        Value::Null => "None".to_owned(),
        other => other.to_string(),
    }
}

/// Normalises a value under its dotted name.
pub fn normal(name: &str, value: &Value) -> Normal {
    static VERSION: LazyLock<Option<Regex>> = LazyLock::new(|| regex(r"^(v|mysql|postgres(ql)?|mariadb)[ -]?"));
    let leaf = name.rsplit('.').next().unwrap_or(name);
    let text = |text: String| Normal::Text(text);
    match value {
        Value::Array(items) => {
            let mut all: Vec<String> = items.iter().map(|item| normal(name, naming(item)).to_string()).collect();
            all.sort();
            Normal::List(all)
        }
        Value::Null => text("none".to_owned()),
        Value::Bool(false) if matches!(leaf, "cache" | "database") => text("none".to_owned()),
        Value::Bool(b) => Normal::Bool(*b),
        other if matches!(leaf, "version" | "revision") => {
            let spelt = text_of(other).trim().to_lowercase();
            text(VERSION.as_ref().map_or_else(|| spelt.clone(), |v| v.replace(&spelt, "").into_owned()))
        }
        other if leaf == "retention" => {
            let spelt = text_of(other);
            days(&spelt).map_or_else(|| text(slug(&spelt)), |d| Normal::Number(d as f64))
        }
        Value::Number(n) => Normal::Number(n.as_f64().unwrap_or_default()),
        other => {
            let spelt = text_of(other).trim().to_owned();
            let lower = spelt.to_lowercase();
            if matches!(leaf, "encryption" | "monitoring" | "dnsUpdate" | "enabled")
                && matches!(lower.as_str(), "true" | "false" | "yes" | "no" | "on" | "off")
            {
                return Normal::Bool(matches!(lower.as_str(), "true" | "yes" | "on"));
            }
            let digits = !spelt.is_empty() && spelt.chars().all(|c| c.is_ascii_digit() || c == ',');
            match spelt.replace(',', "").parse::<f64>() {
                Ok(n) if digits => Normal::Number(n),
                _ => text(slug(&spelt)),
            }
        }
    }
}

/// `{engine: x}` in a list reads as `x`.
fn naming(item: &Value) -> &Value {
    static NULL: Value = Value::Null;
    match item {
        Value::Object(fields) => ["engine", "name", "type"].iter().filter_map(|k| fields.get(*k)).find(|v| truthy(v)).unwrap_or(&NULL),
        other => other,
    }
}

/// Whether the reference's language would take a value for true.
pub fn truthy(value: &Value) -> bool {
    match value {
        Value::Null => false,
        Value::Bool(b) => *b,
        Value::Number(n) => n.as_f64() != Some(0.0),
        Value::String(text) => !text.is_empty(),
        Value::Array(all) => !all.is_empty(),
        Value::Object(all) => !all.is_empty(),
    }
}

/// Parameters flattened to dotted names (`backup.schedule`) and normalised.
pub fn flat(params: &Map<String, Value>) -> IndexMap<String, Normal> {
    let mut out = IndexMap::new();
    flatten(params, "", &mut out);
    // A schedule or a retention implies that it is on.
    if out.keys().any(|k| k.starts_with("backup.")) {
        out.entry("backup.enabled".to_owned()).or_insert(Normal::Bool(true));
    }
    out
}

fn flatten(params: &Map<String, Value>, prefix: &str, out: &mut IndexMap<String, Normal>) {
    for (name, value) in params {
        let name = alias(name);
        match value {
            Value::Object(inner) => flatten(inner, &format!("{prefix}{name}."), out),
            Value::Bool(_) | Value::String(_) if name == "backup" => {
                out.insert(format!("{prefix}backup.enabled"), normal("enabled", value));
            }
            other => {
                let name = format!("{prefix}{name}");
                let value = normal(&name, other);
                out.insert(name, value);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn t(text: &str) -> Normal {
        Normal::Text(text.to_owned())
    }

    #[test]
    fn values_have_one_spelling() {
        for (name, value, want) in [
            ("engine", json!(" Postgres "), t("postgresql")),
            ("domain", json!("https://Shop.Example.org/"), t("shop.example.org")),
            ("appName", json!("Night Shop_2"), t("night-shop-2")),
            ("retention", json!("2 weeks"), Normal::Number(14.0)),
            ("backup.retention", json!("1y"), Normal::Number(365.0)),
            ("retention", json!("p30d"), Normal::Number(30.0)),
            ("retention", json!(30), t("30")),
            ("version", json!("PostgreSQL 16"), t("16")),
            ("version", json!("v8.4"), t("8.4")),
            ("revision", json!(31), t("31")),
            ("devices", json!("1,250"), Normal::Number(1250.0)),
            ("devices", json!(3.0), Normal::Number(3.0)),
            ("cache", json!(false), t("none")),
            ("cache", json!(null), t("none")),
            ("cache", json!("no"), t("none")),
            ("encryption", json!("yes"), Normal::Bool(true)),
            ("encryption", json!(true), Normal::Number(1.0)),
            ("databases", json!([{"engine": "redis"}, "pg"]), Normal::List(vec!["postgresql".to_owned(), "redis".to_owned()])),
            ("sites", json!([2, "B"]), Normal::List(vec!["2".to_owned(), "b".to_owned()])),
        ] {
            assert_eq!(normal(name, &value), want, "{name} {value}");
        }
        assert_ne!(t("1"), Normal::Number(1.0));
    }

    #[test]
    fn nested_parameters_are_flattened() {
        let flat = flat(json!({"db": "pg", "backup": {"schedule": "nightly"}, "count": 3}).as_object().unwrap());
        let want = [
            ("database", t("postgresql")),
            ("backup.schedule", t("daily")),
            ("instances", Normal::Number(3.0)),
            ("backup.enabled", Normal::Bool(true)),
        ];
        assert_eq!(flat.into_iter().collect::<Vec<_>>(), want.map(|(k, v)| (k.to_owned(), v)));
        let off = super::flat(json!({"backup": false}).as_object().unwrap());
        assert_eq!(off["backup.enabled"], Normal::Bool(false));
    }
}
