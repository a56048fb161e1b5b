//! What a tool answered: understood leniently, bounded, and never trusted.

use serde::de::DeserializeOwned;
use serde_json::Value;

use super::{Refusal, protocol::ErrorReply};
use crate::domain::text::clean;

/// The largest result that is used.
pub const MAX_RESULT: usize = 2 << 20;

/// The longest error message of a server that is kept, in characters.
const MAX_MESSAGE: usize = 4000;

/// The result of a tool that did not report an error.
#[derive(Debug, Clone, PartialEq)]
pub struct Reply {
    /// The structured content, if there is any.
    pub structured: Option<Value>,
    /// The text blocks, joined by line breaks. Untrusted text, not cleaned: bindings read values out of it.
    pub text: String,
    /// The same blocks, one by one.
    pub blocks: Vec<String>,
}

impl Reply {
    /// The structured content, or else the JSON that stands in the text.
    pub fn json(&self) -> Option<Value> {
        match &self.structured {
            Some(value) if !value.is_null() => Some(value.clone()),
            _ => serde_json::from_str(self.text.trim()).ok(),
        }
    }

    /// The JSON of the reply as a type of the protocol. The error says where it differs.
    pub fn parse<T: DeserializeOwned>(&self) -> Result<T, String> {
        let value = self.json().ok_or("it holds no JSON")?;
        serde_json::from_value(value).map_err(|e| clean(&e.to_string(), 300))
    }
}

/// How a result is to be taken.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Decoded {
    /// It worked.
    Done(Reply),
    /// The tool reports an error.
    Refused(Refusal, String),
    /// It cannot be used; the words say why.
    Unusable(String),
}

/// Reads the result of `tools/call` as JSON, since the typed one fails whole on one odd block.
pub(crate) fn decode(result: &Value) -> Decoded {
    let Some(map) = result.as_object() else { return Decoded::Unusable("the result is not an object".to_owned()) };
    let blocks = match map.get("content") {
        None | Some(Value::Null) => &[][..],
        Some(Value::Array(blocks)) => blocks,
        Some(_) => return Decoded::Unusable("`content` is not a list".to_owned()),
    };
    let texts: Vec<&str> = blocks.iter().filter_map(text_of).collect();
    let text = texts.join("\n");
    let structured = map.get("structuredContent").filter(|v| !v.is_null());
    if matches!(map.get("isError"), Some(Value::Bool(true))) {
        let (class, message) = error_body(structured, &texts);
        return Decoded::Refused(class, message);
    }
    if let Some(unknown) = map.get("isError").filter(|v| !v.is_boolean() && !v.is_null()) {
        return Decoded::Unusable(format!("`isError` is {}", clean(&unknown.to_string(), 40)));
    }
    if text.len() > MAX_RESULT || structured.is_some_and(|v| exceeds(v, MAX_RESULT)) {
        return Decoded::Unusable(format!("the result is larger than {} MB", MAX_RESULT >> 20));
    }
    if structured.is_none() && !map.contains_key("content") {
        return Decoded::Unusable("the result has neither content nor structured content".to_owned());
    }
    let blocks = texts.into_iter().map(str::to_owned).collect();
    Decoded::Done(Reply { structured: structured.cloned(), text, blocks })
}

/// Text of a text block, or of a resource that is embedded as text.
fn text_of(block: &Value) -> Option<&str> {
    match block.get("type")?.as_str()? {
        "text" => block.get("text")?.as_str(),
        "resource" => block.pointer("/resource/text")?.as_str(),
        _ => None,
    }
}

/// Class and words of an error: as the protocol says, or else whatever the server wrote.
fn error_body(structured: Option<&Value>, texts: &[&str]) -> (Refusal, String) {
    let parse = |value: Value| serde_json::from_value::<ErrorReply>(value).ok();
    let found = structured.cloned().and_then(parse).or_else(|| texts.iter().filter_map(|t| serde_json::from_str(t).ok()).find_map(parse));
    match found {
        Some(reply) => (reply.error.class, message(&reply.error.message)),
        None if texts.is_empty() => (Refusal::Other, message(&structured.map(Value::to_string).unwrap_or_default())),
        None => (Refusal::Other, message(&texts.join("\n"))),
    }
}

/// Class and words of a JSON-RPC error.
pub(crate) fn rpc_error(code: i32, text: &str, data: Option<&Value>) -> (Refusal, String) {
    if let Some(reply) = data.and_then(|d| serde_json::from_value::<ErrorReply>(d.clone()).ok()) {
        return (reply.error.class, message(&reply.error.message));
    }
    let class = if code == -32602 { Refusal::Invalid } else { Refusal::Other };
    (class, message(&format!("{text} (JSON-RPC error {code})")))
}

fn message(text: &str) -> String {
    let cleaned = clean(text.trim(), MAX_MESSAGE);
    if cleaned.is_empty() { "it reported an error without a word".to_owned() } else { cleaned }
}

/// Whether a value is longer than `limit` as JSON, without making the whole text.
fn exceeds(value: &Value, limit: usize) -> bool {
    struct Counter(usize);
    impl std::io::Write for Counter {
        fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
            self.0 = self.0.checked_sub(bytes.len()).ok_or(std::io::ErrorKind::FileTooLarge)?;
            Ok(bytes.len())
        }
        fn flush(&mut self) -> std::io::Result<()> {
            Ok(())
        }
    }
    serde_json::to_writer(Counter(limit), value).is_err()
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn accepts_structured_and_json_in_text() {
        let done = |v| match decode(&v) {
            Decoded::Done(r) => r.json(),
            other => panic!("{other:?}"),
        };
        assert_eq!(done(json!({"structuredContent": {"a": 1}})), Some(json!({"a": 1})));
        assert_eq!(done(json!({"content": [{"type": "text", "text": " {\"a\":1}\n"}], "structuredContent": null})), Some(json!({"a": 1})));
        assert_eq!(done(json!({"content": [{"type": "odd"}, {"type": "text", "text": "done"}]})), None);
    }

    #[test]
    fn errors_keep_their_class_and_lose_their_escapes() {
        let body = json!({"error": {"class": "in_use", "message": "vlan \u{1b}[31m50"}});
        let refused = Decoded::Refused(Refusal::InUse, "vlan 50".to_owned());
        assert_eq!(decode(&json!({"isError": true, "structuredContent": body})), refused);
        assert_eq!(decode(&json!({"isError": true, "content": [{"type": "text", "text": body.to_string()}]})), refused);
        assert_eq!(
            decode(&json!({"isError": true, "content": [{"type": "text", "text": "boom"}]})),
            Decoded::Refused(Refusal::Other, "boom".into())
        );
        assert_eq!(rpc_error(-32602, "bad", None).0, Refusal::Invalid);
        assert_eq!(rpc_error(-32000, "x", Some(&body)).0, Refusal::InUse);
    }

    #[test]
    fn too_large_or_odd_is_unusable() {
        let big = "x".repeat(MAX_RESULT + 1);
        for v in [
            json!({"structuredContent": {"a": big}}),
            json!({"content": [{"type": "text", "text": big}]}),
            json!({}),
            json!({"content": "no"}),
            json!({"content": [], "isError": "yes"}),
            json!([1]),
        ] {
            assert!(matches!(decode(&v), Decoded::Unusable(_)));
        }
    }
}
