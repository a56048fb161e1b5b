//! Canonical JSON and the digests made from it: keys sorted, no spaces, so that equal values give equal bytes.
//!
//! `1` and `1.0` are different numbers here, as they are to a server. Every digest of the program is made in this file.

use serde_json::Value;
use sha2::{Digest, Sha256};

/// Writes a value with the keys of every object in byte order and no spaces.
///
/// ```
/// use swell::domain::canonical::canonical;
/// assert_eq!(canonical(&serde_json::json!({"b": [1, "x"], "a": null})), r#"{"a":null,"b":[1,"x"]}"#);
/// ```
pub fn canonical(value: &Value) -> String {
    let mut out = String::new();
    write(value, &mut out);
    out
}

fn write(value: &Value, out: &mut String) {
    match value {
        Value::Array(items) => {
            out.push('[');
            for (n, item) in items.iter().enumerate() {
                if n > 0 {
                    out.push(',');
                }
                write(item, out);
            }
            out.push(']');
        }
        Value::Object(map) => {
            let mut pairs: Vec<_> = map.iter().collect();
            pairs.sort_unstable_by_key(|(key, _)| key.as_str());
            out.push('{');
            for (n, (key, item)) in pairs.into_iter().enumerate() {
                if n > 0 {
                    out.push(',');
                }
                out.push_str(&quoted(key));
                out.push(':');
                write(item, out);
            }
            out.push('}');
        }
        Value::String(text) => out.push_str(&quoted(text)),
        scalar => out.push_str(&scalar.to_string()),
    }
}

/// Writes a text as a JSON string, quotes included.
pub fn quoted(text: &str) -> String {
    Value::from(text).to_string()
}

/// SHA-256 in lower-case hexadecimal.
pub fn sha256_hex(bytes: impl AsRef<[u8]>) -> String {
    use std::fmt::Write as _;
    let mut out = String::with_capacity(64);
    for byte in Sha256::digest(bytes.as_ref()) {
        // Writing to a string cannot fail.
        let _ = write!(out, "{byte:02x}");
    }
    out
}

/// `sha256:…` over bytes.
pub fn digest_bytes(bytes: impl AsRef<[u8]>) -> String {
    format!("sha256:{}", sha256_hex(bytes))
}

/// `sha256:…` over the canonical JSON of a value.
pub fn digest(value: &Value) -> String {
    digest_bytes(canonical(value))
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn the_order_of_keys_does_not_matter_and_the_order_of_items_does() {
        assert_eq!(digest(&json!({"a": 1, "b": {"c": 2, "d": 3}})), digest(&json!({"b": {"d": 3, "c": 2}, "a": 1})));
        assert_ne!(digest(&json!([1, 2])), digest(&json!([2, 1])));
    }

    #[test]
    fn control_characters_and_quotes_are_escaped() {
        assert_eq!(canonical(&json!({"a\"": "\u{1b}\n"})), r#"{"a\"":"\u001b\n"}"#);
    }

    #[test]
    fn a_known_digest() {
        assert_eq!(sha256_hex(""), "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
    }
}
