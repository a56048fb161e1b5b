//! Values for the properties of a scratch object, out of what the schema says; each also with a second one, to see a change.

use serde_json::{Map, Value, json};

use crate::mcp::binding::draft::bare;

/// What samples are made with.
pub struct Maker<'a> {
    /// The scratch object's name; it is in every free text, so that the object is recognised.
    pub name: &'a str,
    /// A folder that the server is started with, if there is one.
    pub folder: Option<&'a str>,
}

/// Which of the two samples.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Round {
    /// For the create.
    First,
    /// For the update.
    Second,
}

impl Maker<'_> {
    /// A value; `None` if nothing says what it may be. `identity` is set for what the object is known by.
    pub fn value(&self, name: &str, schema: &Value, identity: bool, round: Round) -> Option<Value> {
        let second = round == Round::Second;
        if let Some(all) = schema["enum"].as_array().filter(|a| !a.is_empty()) {
            return all.get(usize::from(second)).or(all.first()).cloned();
        }
        for key in ["const", "default"] {
            match &schema[key] {
                Value::Null => {}
                _ if second && key == "default" => {}
                value => return Some(value.clone()),
            }
        }
        if let Some(all) = schema["examples"].as_array().filter(|a| !a.is_empty()) {
            return all.get(usize::from(second)).or(all.first()).cloned();
        }
        let kind = match &schema["type"] {
            Value::Array(kinds) => kinds.first().and_then(Value::as_str),
            kind => kind.as_str(),
        };
        match kind {
            Some("boolean") => Some(json!(!second)),
            Some("integer" | "number") => Some(number(schema, second)),
            Some("array") => {
                let one = self.value(&format!("{name}-item"), &schema["items"], false, round).or(Some(json!(self.text(name, second))))?;
                Some(json!([one]))
            }
            Some("object") => self.object(schema, round),
            Some("string") => self.string(name, schema, identity, second).map(Value::String),
            _ => None,
        }
    }

    fn object(&self, schema: &Value, round: Round) -> Option<Value> {
        let Some(members) = schema["properties"].as_object() else {
            let open = !schema["additionalProperties"].is_boolean() || schema["additionalProperties"] == true;
            return open.then(|| json!({"swell": self.text("value", round == Round::Second)}));
        };
        let mut made = Map::new();
        for name in schema["required"].as_array().into_iter().flatten().filter_map(Value::as_str) {
            made.insert(name.to_owned(), self.value(name, members.get(name)?, false, round)?);
        }
        Some(Value::Object(made))
    }

    fn text(&self, name: &str, second: bool) -> String {
        format!("{}-{}{}", self.name, name.trim_end_matches("-item"), if second { "-changed" } else { "" })
    }

    fn string(&self, name: &str, schema: &Value, identity: bool, second: bool) -> Option<String> {
        let plain = bare(name);
        let ends = |all: &[&str]| all.iter().any(|e| plain.ends_with(e));
        let pick = |first: &str, other: &str| Some(if second { other } else { first }.to_owned());
        if let Some(pattern) = schema["pattern"].as_str() {
            let free = self.text(name, second);
            let fits = regex::Regex::new(pattern).is_ok_and(|r| r.is_match(&free));
            return if fits { Some(free) } else { fitting(pattern, second) };
        }
        match schema["format"].as_str() {
            Some("date-time") => return pick("2030-01-01T00:00:00Z", "2030-01-02T00:00:00Z"),
            Some("date") => return pick("2030-01-01", "2030-01-02"),
            Some("email" | "idn-email") => return pick("swell-prove@example.org", "swell-prove2@example.org"),
            Some("uri" | "url") => return pick("http://127.0.0.1:18099/", "http://127.0.0.1:18098/"),
            Some("uuid") => return pick("5e11ab1e-0000-4000-8000-000000000001", "5e11ab1e-0000-4000-8000-000000000002"),
            Some("ipv4") => return pick("10.213.0.7", "10.213.0.8"),
            Some("ipv6") => return pick("fd00:213::7", "fd00:213::8"),
            Some("hostname") => return pick(&format!("{}.example.org", self.name), "changed.example.org"),
            _ => {}
        }
        let said = schema["description"].as_str().unwrap_or_default();
        if let Some((low, high)) = range(said) {
            return Some((high - (high - low) / 10 - i64::from(second)).to_string());
        }
        if ends(&["path", "file", "dir", "directory", "folder", "root"]) {
            let folder = self.folder?.trim_end_matches('/');
            return Some(if identity { format!("{folder}/{}{}", self.name, if second { "-2" } else { "" }) } else { folder.to_owned() });
        }
        if let Some(example) = example(said).filter(|_| !identity && !second) {
            return Some(example);
        }
        match () {
            () if ends(&["cidr", "cidrblock", "subnet"]) => pick("10.213.0.0/24", "10.213.1.0/24"),
            () if ends(&["ip", "ipaddress"]) => pick("10.213.0.7", "10.213.0.8"),
            () if ends(&["port"]) => pick("18099", "18098"),
            () if ends(&["email"]) => pick("swell-prove@example.org", "swell-prove2@example.org"),
            () if ends(&["url", "uri"]) => pick("http://127.0.0.1:18099/", "http://127.0.0.1:18098/"),
            () if ends(&["region"]) => pick("us-east-1", "us-east-1"),
            // What another object is called by: any invented one would be refused, or worse, would be somebody's.
            () if ends(&["id", "arn", "uuid", "uid"]) && !identity => None,
            () => {
                let most = schema["maxLength"].as_u64().and_then(|m| usize::try_from(m).ok()).unwrap_or(usize::MAX);
                Some(self.text(name, second).chars().take(most).collect())
            }
        }
    }
}

fn number(schema: &Value, second: bool) -> Value {
    let bound = |key: &str| schema[key].as_i64();
    let said = schema["description"].as_str().and_then(range);
    let low = bound("minimum").or(said.map(|(low, _)| low));
    let high = bound("maximum").or(said.map(|(_, high)| high));
    let value = match (low, high) {
        (Some(low), Some(high)) if high <= low => low,
        (Some(low), Some(high)) => (high - high.saturating_sub(low) / 10).saturating_sub(i64::from(second)),
        (Some(low), None) => low.saturating_add(1 + i64::from(second)),
        (None, Some(high)) => high.min(7).saturating_sub(i64::from(second)),
        (None, None) => 7 + i64::from(second),
    };
    json!(value)
}

/// `(1-4094)` in a description.
fn range(said: &str) -> Option<(i64, i64)> {
    let found = regex::Regex::new(r"\b(\d{1,6})\s*(?:-|–|to|\.\.)\s*(\d{1,6})\b").ok()?.captures(said)?;
    let (low, high) = (found[1].parse().ok()?, found[2].parse().ok()?);
    (high > low).then_some((low, high))
}

/// `e.g. igc3` in a description.
fn example(said: &str) -> Option<String> {
    let found = regex::Regex::new(r"(?i)(?:e\.g\.?|for example|such as),?:?\s+['\x22`]?([^\s,;)'\x22`]+)").ok()?.captures(said)?;
    Some(found[1].trim_end_matches('.').to_owned())
}

/// A text that fits a pattern: the shortest that its parts allow.
fn fitting(pattern: &str, second: bool) -> Option<String> {
    // What the engine refuses as too large would also be too large to be built.
    let regex = regex::Regex::new(pattern).ok()?;
    let hir = regex_syntax::parse(pattern).ok()?;
    let mut out = String::new();
    build(&hir, second, &mut out)?;
    regex.is_match(&out).then_some(out)
}

fn build(hir: &regex_syntax::hir::Hir, second: bool, out: &mut String) -> Option<()> {
    use regex_syntax::hir::{Class, HirKind};
    match hir.kind() {
        HirKind::Empty | HirKind::Look(_) => {}
        HirKind::Literal(text) => out.push_str(std::str::from_utf8(&text.0).ok()?),
        HirKind::Class(Class::Unicode(class)) => {
            let letters = class.ranges().iter().flat_map(|r| [r.start(), r.end()]).filter(|c| c.is_ascii_alphanumeric());
            let mut all: Vec<char> = letters.collect();
            if all.is_empty() {
                all.extend(class.ranges().first().map(regex_syntax::hir::ClassUnicodeRange::start));
            }
            out.push(*all.get(usize::from(second)).or(all.first())?);
        }
        HirKind::Class(Class::Bytes(class)) => out.push(char::from(class.ranges().first()?.start())),
        HirKind::Repetition(r) => {
            for _ in 0..r.min.max(u32::from(r.max.is_none_or(|m| m > 0))) {
                build(&r.sub, second, out)?;
            }
        }
        HirKind::Capture(c) => build(&c.sub, second, out)?,
        HirKind::Concat(all) => all.iter().try_for_each(|h| build(h, second, out))?,
        HirKind::Alternation(all) => build(all.first()?, second, out)?,
    }
    Some(())
}

#[cfg(test)]
mod tests {
    use super::*;

    const MAKER: Maker<'static> = Maker { name: "swell-prove-1", folder: Some("/data/") };

    #[test]
    fn values_follow_the_schema() {
        for (name, schema, wanted) in [
            ("mode", json!({"type": "string", "enum": ["a", "b"]}), Some(json!("a"))),
            ("tag", json!({"type": "string", "description": "VLAN tag (1-4094)"}), Some(json!("3685"))),
            ("interface", json!({"type": "string", "description": "Physical interface (e.g., igc3)"}), Some(json!("igc3"))),
            ("size", json!({"type": "integer", "minimum": 1}), Some(json!(2))),
            ("size", json!({"type": "integer", "minimum": 5, "maximum": 5}), Some(json!(5))),
            ("size", json!({"type": "integer", "minimum": i64::MAX}), Some(json!(i64::MAX))),
            ("size", json!({"type": "integer", "minimum": i64::MIN, "maximum": i64::MAX}), Some(json!(i64::MAX - i64::MAX / 10))),
            ("größe", json!({"type": "string", "maxLength": 17}), Some(json!("swell-prove-1-grö"))),
            ("code", json!({"type": "string", "pattern": "^((a{999}){999}){999}$"}), None),
            ("repo_path", json!({"type": "string"}), Some(json!("/data"))),
            ("vpc_id", json!({"type": "string"}), None),
            ("tags", json!({"type": "array", "items": {"type": "string"}}), Some(json!(["swell-prove-1-tags"]))),
            ("labels", json!({"type": "object"}), Some(json!({"swell": "swell-prove-1-value"}))),
            ("code", json!({"type": "string", "pattern": "^[A-Z]{2}-[0-9]+$"}), Some(json!("AA-0"))),
            ("anything", json!({}), None),
            ("when", json!({"type": "string", "format": "date"}), Some(json!("2030-01-01"))),
        ] {
            assert_eq!(MAKER.value(name, &schema, false, Round::First), wanted, "{name}");
        }
        assert_eq!(MAKER.value("path", &json!({"type": "string"}), true, Round::First), Some(json!("/data/swell-prove-1")));
    }

    #[test]
    fn the_second_is_another() {
        for schema in [
            json!({"type": "string"}),
            json!({"type": "boolean"}),
            json!({"type": "integer", "minimum": 1, "maximum": 9}),
            json!({"enum": ["a", "b"]}),
            json!({"type": "string", "pattern": "^[a-c]x$"}),
        ] {
            assert_ne!(MAKER.value("x", &schema, false, Round::First), MAKER.value("x", &schema, false, Round::Second), "{schema}");
        }
    }
}
