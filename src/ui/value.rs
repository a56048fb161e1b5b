//! Values for people: scalars bare, collections in one line, secrets never, and where a value came from.

use serde_json::Value;

use super::{
    lines::{Line, Tone},
    rows::Rows,
};
use crate::{domain::Properties, plan::Shown};

/// What stands for a secret, everywhere.
pub const SECRET: &str = "‹secret›";

/// A value in one line.
pub fn inline(value: &Value) -> String {
    match value {
        Value::Null => "null".into(),
        Value::Bool(b) => b.to_string(),
        Value::Number(n) => n.to_string(),
        Value::String(s) => bare(s),
        Value::Array(items) => format!("[{}]", items.iter().map(inline).collect::<Vec<_>>().join(", ")),
        Value::Object(map) => format!("{{{}}}", map.iter().map(|(k, v)| format!("{k}: {}", inline(v))).collect::<Vec<_>>().join(", ")),
    }
}

/// A text without quotes, unless it would be misread.
fn bare(text: &str) -> String {
    let masked = mask(text);
    let misread = masked.is_empty() || masked.trim() != masked || matches!(masked.as_str(), "null" | "true" | "false");
    if misread { format!("\"{masked}\"") } else { masked }
}

/// Puts [`SECRET`] in the place of each `${secret:NAME}`.
pub fn mask(text: &str) -> String {
    let mut out = String::new();
    let mut rest = text;
    while let Some(at) = rest.find("${secret:") {
        let Some(end) = rest[at..].find('}') else { break };
        out.push_str(&rest[..at]);
        out.push_str(SECRET);
        rest = &rest[at + end + 1..];
    }
    out + rest
}

/// Whether anything of a value stands for a secret.
pub fn holds_secret(value: &Value) -> bool {
    match value {
        Value::String(s) => s.contains("${secret:"),
        Value::Array(items) => items.iter().any(holds_secret),
        Value::Object(map) => map.values().any(holds_secret),
        _ => false,
    }
}

/// A resource's properties with the sensitive ones hidden.
pub fn hide(properties: &Properties, sensitive: &[String]) -> Properties {
    let hidden = |name: &String| sensitive.contains(name);
    properties.iter().map(|(k, v)| (k.clone(), if hidden(k) { Value::String(SECRET.into()) } else { v.clone() })).collect()
}

/// The value alone, as text.
pub fn text(shown: &Shown) -> String {
    match shown {
        Shown::Absent => "(not set)".into(),
        Shown::Value(v) | Shown::AfterApply(v) | Shown::From { value: v, .. } => inline(v),
        Shown::Secret => SECRET.into(),
    }
}

/// The value with what must be known about it: when it will be known, or which server gave it.
pub fn line(shown: &Shown, rows: &Rows) -> Line {
    annotate(Line::of(tone(shown), &text(shown)), shown, rows)
}

/// Adds when a value will be known, or which server gave it.
pub fn annotate(line: Line, shown: &Shown, rows: &Rows) -> Line {
    match shown {
        Shown::AfterApply(v) => match rows.known_after(v) {
            Some(wave) => line.add(Tone::Dim, &format!(" (known after wave {wave})")),
            None => line.add(Tone::Dim, " (known after apply)"),
        },
        Shown::From { address, .. } => line.add(Tone::Dim, &format!(" (from {address})")),
        _ => line,
    }
}

/// The tone of a value.
pub fn tone(shown: &Shown) -> Tone {
    match shown {
        Shown::Absent | Shown::Secret => Tone::Dim,
        Shown::AfterApply(_) => Tone::Info,
        Shown::Value(_) | Shown::From { .. } => Tone::Plain,
    }
}

/// What of `after` differs from `before` when both are tagged the same: `wordpress:6.5` and `wordpress:6.6` differ in `6.6`.
pub fn short_after<'a>(before: &str, after: &'a str) -> &'a str {
    match (before.rsplit_once(':'), after.rsplit_once(':')) {
        (Some((a, x)), Some((b, y))) if a == b && !x.is_empty() && !y.is_empty() && !after.contains("${") => y,
        _ => after,
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn values_in_one_line() {
        let value = json!({"a": [1, true, "x y"], "b": {"c": null}, "d": "", "e": "pw=${secret:DB}!"});
        assert_eq!(inline(&value), r#"{a: [1, true, x y], b: {c: null}, d: "", e: pw=‹secret›!}"#);
        assert_eq!(mask("${secret:x"), "${secret:x");
    }

    #[test]
    fn only_the_tag_is_repeated() {
        assert_eq!(short_after("wordpress:6.5", "wordpress:6.6"), "6.6");
        assert_eq!(short_after("nginx:1", "wordpress:6.6"), "wordpress:6.6");
        assert_eq!(short_after("a", "b"), "b");
    }
}
