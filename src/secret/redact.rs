//! Takes the values of secrets out of text and JSON, in every form in which they travel.
//!
//! It knows only values that were handed out by the store in this process: what was never resolved cannot leak from here. Values under
//! four characters are not looked for; they would match everywhere.

use std::{
    borrow::Cow,
    collections::{BTreeMap, HashMap},
    fmt,
    sync::{Arc, PoisonError, RwLock},
};

use base64::{
    Engine,
    engine::general_purpose::{STANDARD, URL_SAFE},
};
use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use regex::Regex;
use secrecy::{ExposeSecret, SecretString};
use serde_json::Value;

/// The fewest characters of a value that is looked for.
pub const MIN_LENGTH: usize = 4;

/// Replaces known secret values by `‹secret NAME›`. Clones share what they know.
#[derive(Clone, Default)]
pub struct Redactor {
    state: Arc<RwLock<State>>,
}

#[derive(Default)]
struct State {
    /// Every form of every value, to the name of its secret.
    forms: HashMap<String, String>,
    /// All forms as one pattern, longest first. `None` while nothing is known.
    pattern: Option<Regex>,
}

impl Redactor {
    /// Makes a value known. The same name may have had several values.
    pub fn learn(&self, name: &str, value: &SecretString) {
        let value = value.expose_secret();
        if value.chars().count() < MIN_LENGTH {
            return;
        }
        let mut state = self.state.write().unwrap_or_else(PoisonError::into_inner);
        if state.forms.get(value).is_some_and(|known| known == name) {
            return;
        }
        for form in forms(value) {
            state.forms.entry(form).or_insert_with(|| name.to_owned());
        }
        // Longest first: a secret that contains another one is replaced whole.
        let mut all: Vec<&str> = state.forms.keys().map(String::as_str).collect();
        all.sort_unstable_by(|a, b| b.len().cmp(&a.len()).then(a.cmp(b)));
        let source = all.iter().map(|form| regex::escape(form)).collect::<Vec<_>>().join("|");
        state.pattern = regex::RegexBuilder::new(&source).size_limit(256 << 20).build().ok();
    }

    /// Takes every known value out of a text.
    pub fn text<'a>(&self, text: &'a str) -> Cow<'a, str> {
        let state = self.state.read().unwrap_or_else(PoisonError::into_inner);
        let Some(pattern) = &state.pattern else {
            // Fail closed: values are known and the pattern could not be built.
            return if state.forms.is_empty() {
                Cow::Borrowed(text)
            } else {
                Cow::Borrowed("‹withheld: secrets cannot be told apart›")
            };
        };
        pattern
            .replace_all(text, |found: &regex::Captures<'_>| format!("‹secret {}›", state.forms.get(&found[0]).map_or("?", String::as_str)))
    }

    /// Takes every known value out of a JSON value: out of strings, keys, and numbers that are a secret.
    pub fn json(&self, value: &Value) -> Value {
        match value {
            Value::String(text) => Value::String(self.text(text).into_owned()),
            Value::Array(items) => Value::Array(items.iter().map(|item| self.json(item)).collect()),
            Value::Object(map) => Value::Object(map.iter().map(|(k, v)| (self.text(k).into_owned(), self.json(v))).collect()),
            Value::Number(number) => {
                let text = number.to_string();
                match self.text(&text) {
                    Cow::Owned(redacted) if redacted != text => Value::String(redacted),
                    _ => value.clone(),
                }
            }
            Value::Null | Value::Bool(_) => value.clone(),
        }
    }

    /// Whether a text holds a known value.
    pub fn finds(&self, text: &str) -> bool {
        let state = self.state.read().unwrap_or_else(PoisonError::into_inner);
        state.pattern.as_ref().map_or(!state.forms.is_empty(), |pattern| pattern.is_match(text))
    }

    /// The names whose values are known, for diagnostics.
    pub fn names(&self) -> Vec<String> {
        let state = self.state.read().unwrap_or_else(PoisonError::into_inner);
        state.forms.values().map(|name| (name.clone(), ())).collect::<BTreeMap<_, _>>().into_keys().collect()
    }
}

impl fmt::Debug for Redactor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Redactor").field("names", &self.names()).finish()
    }
}

/// A value as it stands in text, JSON, base64 (alone or inside something longer) and URLs.
fn forms(value: &str) -> Vec<String> {
    let mut all = vec![value.to_owned()];
    let json = Value::String(value.to_owned()).to_string();
    let escaped = json[1..json.len() - 1].to_owned();
    // JSON within JSON: servers put JSON into text blocks.
    let twice = Value::String(escaped.clone()).to_string();
    all.push(twice[1..twice.len() - 1].to_owned());
    all.push(escaped.clone());
    all.push(escaped.replace('/', "\\/"));
    let url = utf8_percent_encode(value, NON_ALPHANUMERIC).to_string();
    const UNRESERVED: &percent_encoding::AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~');
    let common = utf8_percent_encode(value, UNRESERVED).to_string();
    all.extend([lower_escapes(&url), lower_escapes(&common), common.replace("%20", "+"), url, common]);
    for engine in [&STANDARD, &URL_SAFE] {
        let whole = engine.encode(value);
        all.push(whole.trim_end_matches('=').to_owned());
        all.push(whole);
        // Inside something longer (`user:password`), at each of the three alignments, the characters that only the value decides.
        for lead in 0..3usize {
            let mut bytes = vec![0; lead];
            bytes.extend_from_slice(value.as_bytes());
            let full = bytes.len() / 3 * 4;
            let encoded = engine.encode(&bytes);
            let inner = &encoded[[0, 2, 3][lead]..full];
            if inner.len() >= 8 {
                all.push(inner.to_owned());
            }
        }
    }
    all.retain(|form| form.chars().count() >= MIN_LENGTH);
    all.sort_unstable();
    all.dedup();
    all
}

/// `%2F` as `%2f`; the rest unchanged.
fn lower_escapes(encoded: &str) -> String {
    let mut left = 0u8;
    let lower = |c: char| {
        let inside = left > 0;
        left = if c == '%' { 2 } else { left.saturating_sub(1) };
        if inside { c.to_ascii_lowercase() } else { c }
    };
    encoded.chars().map(lower).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use serde_json::json;

    fn knowing(values: &[(&str, &str)]) -> Redactor {
        let r = Redactor::default();
        for (name, value) in values {
            r.learn(name, &SecretString::from((*value).to_owned()));
        }
        r
    }

    #[test]
    fn replaces_every_form() {
        let secret = "p\"w/ä+1 x";
        let r = knowing(&[("db", secret)]);
        let json = serde_json::to_string(secret).unwrap();
        for text in [
            secret.to_owned(),
            json.clone(),
            serde_json::to_string(&json).unwrap(),
            STANDARD.encode(secret),
            STANDARD.encode(format!("user:{secret}")),
            STANDARD.encode(format!("ab{secret}tail")),
            URL_SAFE.encode(format!("x{secret}yz")),
            "postgres://u:p%22w%2F%C3%A4%2B1%20x@h/db".to_owned(),
            "p%22w%2f%c3%a4%2b1+x&p%22w%2F%C3%A4%2B1+x".to_owned(),
        ] {
            let out = r.text(&text);
            assert!(out.contains("‹secret db›"), "{text} -> {out}");
            assert!(!out.contains(secret));
        }
    }

    #[test]
    fn longest_first_short_ones_never_and_json_inside_out() {
        let r = knowing(&[("short", "abc"), ("a", "secret"), ("b", "secret-longer"), ("pin", "482913")]);
        assert_eq!(r.text("abc secret-longer secret"), "abc ‹secret b› ‹secret a›");
        assert_eq!(
            r.json(&json!({"secret": ["x secret y", 482913, 17, null, {"k": "secret-longer"}]})),
            json!({"‹secret a›": ["x ‹secret a› y", "‹secret pin›", 17, null, {"k": "‹secret b›"}]})
        );
        assert!(matches!(r.text("nothing"), Cow::Borrowed(_)));
        assert!(!format!("{r:?}").contains("longer\""));
    }

    proptest! {
        #[test]
        fn a_value_never_survives(value in "[!-~äß ]{4,40}", before in "[ -~]{0,10}", after in "[ -~]{0,10}") {
            let r = knowing(&[("n", &value)]);
            let text = format!("{before}{value}{after}");
            prop_assert!(r.finds(&text));
            let whole = STANDARD.encode(&text);
            if value.len() >= 9 {
                prop_assert!(r.finds(&whole), "{}", whole);
            }
        }
    }
}
