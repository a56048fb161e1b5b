//! Models: one question, one answer, within a budget.
//!
//! A model only ever gives text back. Nothing here can call a tool, and nothing here trusts a reply: whoever asks must
//! check it against a schema. `llm/http` is the only file that reaches the network; `llm/recording` replays without it.

use std::time::Duration;

use async_trait::async_trait;
use serde::{Deserialize, Serialize};
use serde_json::Value;

pub mod error;

pub mod http;

pub mod prompt;

pub mod recording;

pub mod scrub;

#[cfg(test)]
pub(crate) mod scripted;

pub use error::LlmError;

/// Who speaks in a request to a model.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Speaker {
    /// Swell's own instructions.
    System,
    /// Data to work on, from wherever it came.
    User,
    /// What the model said before.
    Assistant,
}

/// One message of a request.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Message {
    /// Who speaks.
    pub role: Speaker,
    /// The text.
    pub content: String,
}

impl Message {
    /// Makes a message.
    pub fn new(role: Speaker, content: impl Into<String>) -> Self {
        Self { role, content: content.into() }
    }
}

/// The shape in which an answer is wanted.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ReplySchema {
    /// A short name, letters and `_`; some servers show it to the model.
    pub name: String,
    /// JSON Schema in the strict subset: every property required, no additional ones.
    pub schema: Value,
}

/// A question to a model.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Request {
    /// What it is for (`intent`, `intent-repair`); for logs, not sent.
    #[serde(skip)]
    pub purpose: String,
    /// The prompts that made the messages (`name@sha256`); for recordings, not sent.
    #[serde(skip)]
    pub prompt: String,
    /// The model, as the server calls it.
    pub model: String,
    /// The messages, in order.
    pub messages: Vec<Message>,
    /// The wanted shape; without one the answer is free text.
    pub schema: Option<ReplySchema>,
    /// 0 for the steadiest answer.
    pub temperature: f64,
    /// For servers that can repeat themselves.
    pub seed: Option<u64>,
    /// The longest answer, in tokens.
    pub max_tokens: u32,
    /// Which of several tries of the same question this is; part of a recording's key, not sent.
    pub repeat: u32,
}

impl Request {
    /// A question at temperature 0 with room for a page of answer.
    pub fn new(purpose: impl Into<String>, model: impl Into<String>, messages: Vec<Message>) -> Self {
        Self {
            purpose: purpose.into(),
            prompt: String::new(),
            model: model.into(),
            messages,
            schema: None,
            temperature: 0.0,
            seed: Some(7),
            max_tokens: 2048,
            repeat: 0,
        }
    }
}

/// How many tokens a call took.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Usage {
    /// Read by the model.
    #[serde(rename = "in")]
    pub input: u64,
    /// Written by the model.
    #[serde(rename = "out")]
    pub output: u64,
}

/// What came back, before anyone has looked at it.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Reply {
    /// The text; may be empty.
    pub content: String,
    /// `stop`, `length`, or whatever the server says.
    pub finish_reason: Option<String>,
    /// What the server gives as the reason for not answering.
    pub refusal: Option<String>,
    /// The model that answered, as the server names it.
    pub model_reported: String,
    /// The cost in tokens, if the server tells.
    pub usage: Usage,
    /// How long the whole call took, retries included.
    pub latency: Duration,
}

impl Reply {
    /// The text, unless the model refused, was cut off or said nothing.
    pub fn text(&self) -> Result<&str, LlmError> {
        if let Some(reason) = self.refusal.as_deref().filter(|r| !r.trim().is_empty()) {
            return Err(LlmError::Refused { reason: shown(reason, 300) });
        }
        match self.finish_reason.as_deref() {
            Some("length" | "max_tokens" | "MAX_TOKENS") => return Err(LlmError::Truncated { tokens: self.usage.output }),
            Some("content_filter" | "SAFETY") => {
                return Err(LlmError::Refused { reason: "its content filter stopped the answer".to_owned() });
            }
            _ => {}
        }
        let text = bare(&self.content);
        if text.is_empty() {
            return Err(LlmError::Empty { finish_reason: self.finish_reason.as_deref().map(|r| shown(r, 60)).unwrap_or_default() });
        }
        Ok(text)
    }

    /// The text as JSON. `Ok(Err(why))` is an answer that is not JSON, which is worth one more try.
    pub fn json(&self) -> Result<Result<Value, String>, LlmError> {
        Ok(serde_json::from_str(self.text()?).map_err(|e| e.to_string()))
    }
}

/// Takes off what some models wrap around JSON: a visible chain of thought, a code fence. Never looks for JSON inside prose.
fn bare(content: &str) -> &str {
    let mut text = content.trim();
    if let Some((_, rest)) = text.strip_prefix("<think>").and_then(|t| t.split_once("</think>")) {
        text = rest.trim();
    }
    if let Some(inner) = text.strip_prefix("```").and_then(|t| t.strip_suffix("```")) {
        text = inner.strip_prefix("json").unwrap_or(inner).trim();
    }
    text
}

/// Makes guest text fit to print: one line, no control or invisible characters, at most `max` characters.
pub fn shown(text: &str, max: usize) -> String {
    let clean = text.chars().map(|c| if c.is_whitespace() { ' ' } else { c }).filter(|c| !scrub::is_invisible(*c));
    let mut out = String::new();
    for (n, c) in clean.enumerate() {
        if n == max {
            out.push('…');
            break;
        }
        out.push(c);
    }
    out.trim().to_owned()
}

/// What a call may cost.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Budget {
    /// The longest reply that is read, in bytes.
    pub max_reply_bytes: usize,
    /// How long a call may take, with all its retries.
    pub deadline: Duration,
}

impl Default for Budget {
    fn default() -> Self {
        Self { max_reply_bytes: 1 << 20, deadline: Duration::from_secs(60) }
    }
}

/// Something that answers.
#[async_trait]
pub trait Llm: Send + Sync {
    /// Asks once. Retries of the transport are inside; judging the answer is not.
    async fn complete(&self, request: Request) -> Result<Reply, LlmError>;
}

#[cfg(test)]
mod tests {
    use super::*;

    fn reply(content: &str) -> Reply {
        Reply { content: content.to_owned(), ..Reply::default() }
    }

    #[test]
    fn wrapping_is_taken_off_and_prose_is_not_searched() {
        for text in ["{\"a\":1}", "  {\"a\":1}\n", "```json\n{\"a\":1}\n```", "<think>hm {\"a\":2}</think>{\"a\":1}"] {
            assert_eq!(reply(text).json().unwrap().unwrap(), serde_json::json!({"a": 1}), "{text}");
        }
        assert!(reply("Sure! {\"a\":1}").json().unwrap().is_err());
    }

    #[test]
    fn a_reply_that_is_no_answer_says_which_kind() {
        assert!(matches!(reply(" \n").text(), Err(LlmError::Empty { .. })));
        assert!(matches!(reply("```json\n```").text(), Err(LlmError::Empty { .. })));
        let cut = Reply { finish_reason: Some("length".to_owned()), ..reply("{\"a\":") };
        assert!(matches!(cut.text(), Err(LlmError::Truncated { .. })));
        let no = Reply { refusal: Some("I can't\u{1b}[2J".to_owned()), ..reply("") };
        assert!(matches!(no.text(), Err(LlmError::Refused { reason }) if reason == "I can't[2J"));
    }

    #[test]
    fn nesting_bombs_are_errors_not_crashes() {
        assert!(reply(&"[".repeat(200_000)).json().unwrap().is_err());
    }
}
