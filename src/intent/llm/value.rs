//! A value as the model wrote it, turned into one that fits the parameter's schema, or a reason why it does not.

use serde_json::{Value, json};

use crate::{
    domain::DeploymentName,
    intent::{CatalogParameter, Holds},
    llm::shown,
};

/// Fits a value to a parameter. The reason is for the model, and says what would be right.
pub(super) fn fit(value: &Value, parameter: &CatalogParameter) -> Result<Value, String> {
    let schema = assertable(&parameter.schema);
    let mut last = String::new();
    for candidate in candidates(value, parameter) {
        match holds(&candidate, parameter).and_then(|()| jsonschema::validate(&schema, &candidate).map_err(|e| shown(&e.to_string(), 160)))
        {
            Ok(()) => return Ok(candidate),
            Err(why) => last = why,
        }
    }
    Err(format!("`{}` cannot be that: {last}", parameter.name))
}

/// The schema without what only guides the reading of sentences.
fn assertable(schema: &Value) -> Value {
    let mut schema = schema.clone();
    if schema["x-open"] == json!(true)
        && let Some(fields) = schema.as_object_mut()
    {
        fields.remove("enum");
        if let Some(items) = fields.get_mut("items").and_then(Value::as_object_mut) {
            items.remove("enum");
        }
    }
    schema
}

/// The ways to read a value, the most literal first.
fn candidates(value: &Value, parameter: &CatalogParameter) -> Vec<Value> {
    let schema = &parameter.schema;
    let mut out = vec![named(value, schema)];
    match value {
        Value::String(text) => {
            let text = text.trim();
            match parameter.holds {
                Holds::Domain => out.insert(0, json!(domain(text))),
                // A name becomes part of addresses.
                Holds::Name => out.insert(0, json!(text.split_whitespace().collect::<Vec<_>>().join("-"))),
                Holds::Retention => out.insert(0, json!(days(text).unwrap_or_else(|| text.to_owned()))),
                _ => {}
            }
            if let Ok(n) = text.replace(',', "").parse::<i64>() {
                out.push(json!(n));
            }
            match text.to_lowercase().as_str() {
                "true" | "yes" | "on" | "enabled" => out.push(json!(true)),
                "false" | "no" | "off" | "disabled" | "none" => out.push(json!(false)),
                _ => {}
            }
            out.push(listed(&json!([text]), schema));
        }
        Value::Number(n) => {
            // 3.0 is 3, and version 16 is "16".
            if let Some(whole) = n.as_f64().filter(|f| f.fract() == 0.0 && f.abs() < 1e15) {
                out.insert(0, json!(whole as i64));
                out.push(json!(format!("{}", whole as i64)));
            }
            out.push(json!(n.to_string()));
        }
        Value::Array(_) => out.push(listed(value, schema)),
        Value::Bool(false) => out.push(json!("none")),
        _ => {}
    }
    out
}

/// Follows the enumeration's own spelling and its synonyms.
fn named(value: &Value, schema: &Value) -> Value {
    let Some(text) = value.as_str() else { return value.clone() };
    let text = text.trim();
    let lower = text.to_lowercase();
    let member = schema["enum"].as_array().into_iter().flatten().filter_map(Value::as_str).find(|m| m.to_lowercase() == lower);
    if let Some(member) = member {
        return json!(member);
    }
    let synonyms = schema["x-synonyms"].as_object();
    let synonym = synonyms
        .into_iter()
        .flatten()
        .find(|(_, all)| all.as_array().into_iter().flatten().any(|s| s.as_str().is_some_and(|s| s.to_lowercase() == lower)));
    json!(synonym.map_or(text, |(member, _)| member.as_str()))
}

/// A list in the spelling of its items; items that are objects of one required field are wrapped.
fn listed(value: &Value, schema: &Value) -> Value {
    let items = &schema["items"];
    let field = items["required"].as_array().filter(|r| r.len() == 1).and_then(|r| r[0].as_str());
    let item = |v: &Value| match field {
        Some(field) if !v.is_object() => json!({ field: named(v, &items["properties"][field]) }),
        _ => named(&named(v, items), schema),
    };
    value.as_array().into_iter().flatten().map(item).collect()
}

fn domain(text: &str) -> String {
    let text = text.to_lowercase();
    let text = text.strip_prefix("https://").or_else(|| text.strip_prefix("http://")).unwrap_or(&text);
    text.trim_end_matches(['/', '.']).to_owned()
}

/// `2 weeks` as `14d`.
fn days(text: &str) -> Option<String> {
    let text = text.to_lowercase();
    let digits = text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len());
    let n: u64 = text[..digits].parse().ok()?;
    let each = match text[digits..].trim_start_matches([' ', '-']) {
        "d" | "day" | "days" => 1,
        "w" | "week" | "weeks" => 7,
        "m" | "mo" | "month" | "months" => 30,
        "y" | "year" | "years" => 365,
        _ => return None,
    };
    Some(format!("{}d", n.checked_mul(each)?))
}

/// What a schema of the catalogue does not say: a name that becomes part of addresses, a domain that could exist.
fn holds(value: &Value, parameter: &CatalogParameter) -> Result<(), String> {
    let Some(text) = value.as_str() else { return Ok(()) };
    if text.chars().any(char::is_control) || text.chars().count() > 500 {
        return Err("it holds control characters or is too long".to_owned());
    }
    match parameter.holds {
        Holds::Name => DeploymentName::new(text).map(drop).map_err(|e| e.reason.to_owned()),
        Holds::Domain if !is_domain(text) => Err("it is not a domain name".to_owned()),
        _ => Ok(()),
    }
}

fn is_domain(text: &str) -> bool {
    let label = |l: &str| {
        !l.is_empty() && l.len() <= 63 && !l.starts_with('-') && !l.ends_with('-') && l.chars().all(|c| c.is_alphanumeric() || c == '-')
    };
    text.len() <= 253 && text.contains('.') && text.split('.').all(label)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parameter(holds: Holds, schema: Value) -> CatalogParameter {
        CatalogParameter { name: "p".to_owned(), schema, holds, ..CatalogParameter::default() }
    }

    #[test]
    fn values_are_fitted_to_the_schema() {
        let engine = json!({"type": "string", "enum": ["postgresql", "mysql"], "x-synonyms": {"postgresql": ["postgres", "pg"]}});
        let list = json!({"type": "array", "items": {"type": "object", "required": ["engine"], "properties": {"engine": engine}}});
        for (given, holds, schema, want) in [
            (json!("1,250"), Holds::Count, json!({"type": "integer"}), json!(1250)),
            (json!(3.0), Holds::Count, json!({"type": "integer"}), json!(3)),
            (json!(16), Holds::Version, json!({"type": "string"}), json!("16")),
            (json!("10.11"), Holds::Version, json!({"type": "string"}), json!("10.11")),
            (json!("Postgres"), Holds::Choice, engine.clone(), json!("postgresql")),
            (json!("yes"), Holds::Switch, json!({"type": "boolean"}), json!(true)),
            (json!("HTTPS://Shop.Example.org/"), Holds::Domain, json!({"type": "string"}), json!("shop.example.org")),
            (json!("2 weeks"), Holds::Retention, json!({"type": "string"}), json!("14d")),
            (json!(["pg", "mysql"]), Holds::Choices, list.clone(), json!([{"engine": "postgresql"}, {"engine": "mysql"}])),
            (json!("pg"), Holds::Choices, list.clone(), json!([{"engine": "postgresql"}])),
            (json!("night shop"), Holds::Name, json!({"type": "string"}), json!("night-shop")),
            (json!("sqlite"), Holds::Choice, json!({"enum": ["redis"], "x-open": true}), json!("sqlite")),
        ] {
            assert_eq!(fit(&given, &parameter(holds, schema)), Ok(want), "{given}");
        }
    }

    #[test]
    fn what_does_not_fit_says_why() {
        for (given, holds, schema) in [
            (json!("lots"), Holds::Count, json!({"type": "integer"})),
            (json!(0), Holds::Count, json!({"type": "integer", "minimum": 1})),
            (json!("x; rm -rf /"), Holds::Name, json!({"type": "string"})),
            (json!("not a domain"), Holds::Domain, json!({"type": "string"})),
            (json!("-a.example"), Holds::Domain, json!({"type": "string"})),
            (json!("oracle"), Holds::Choice, json!({"enum": ["mysql"]})),
            (json!("a\u{1b}[2J"), Holds::Other, json!({"type": "string"})),
        ] {
            assert!(fit(&given, &parameter(holds, schema)).unwrap_err().starts_with("`p` cannot be that: "), "{given}");
        }
    }
}
