//! Canonical JSON and digests: sorted keys, no white space, so that equal values give equal bytes everywhere.

use serde_json::Value;
use sha2::{Digest, Sha256};

/// Writes a value with sorted keys and without white space.
pub fn canonical(value: &Value) -> String {
    let mut out = String::new();
    write(value, &mut out);
    out
}

fn write(value: &Value, out: &mut String) {
    match value {
        Value::Object(map) => {
            let mut keys: Vec<_> = map.iter().collect();
            keys.sort_by(|a, b| a.0.cmp(b.0));
            out.push('{');
            for (n, (k, v)) in keys.into_iter().enumerate() {
                if n > 0 {
                    out.push(',');
                }
                out.push_str(&Value::String(k.clone()).to_string());
                out.push(':');
                write(v, out);
            }
            out.push('}');
        }
        Value::Array(items) => {
            out.push('[');
            for (n, v) in items.iter().enumerate() {
                if n > 0 {
                    out.push(',');
                }
                write(v, out);
            }
            out.push(']');
        }
        other => out.push_str(&other.to_string()),
    }
}

/// SHA-256 in lower-case hexadecimal.
pub fn sha256_hex(bytes: &[u8]) -> String {
    Sha256::digest(bytes).iter().map(|b| format!("{b:02x}")).collect()
}

/// `sha256:…` over the canonical form.
pub fn digest(value: &Value) -> String {
    format!("sha256:{}", sha256_hex(canonical(value).as_bytes()))
}

/// `sha256:…` over bytes that are canonical already.
pub fn digest_bytes(bytes: impl AsRef<[u8]>) -> String {
    format!("sha256:{}", sha256_hex(bytes.as_ref()))
}

/// Writes a text as a JSON string, quotes included.
pub fn quoted(text: &str) -> String {
    Value::from(text).to_string()
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn key_order_does_not_matter() {
        assert_eq!(canonical(&json!({"b": [1, {"d": null, "c": "x\n"}], "a": true})), r#"{"a":true,"b":[1,{"c":"x\n","d":null}]}"#);
        assert_eq!(digest(&json!({"a": 1, "b": 2})), digest(&json!({"b": 2, "a": 1})));
    }
}
