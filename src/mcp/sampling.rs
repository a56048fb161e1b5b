//! A server that wants the user's model asked (sampling). Refused unless the operator allows it for this server and a person says yes to
//! each request.
//!
//! What is asked is text and nothing else: no tools, no context of ours, bounded in size and in number. What comes back is text.

use std::sync::atomic::{AtomicUsize, Ordering};

use async_trait::async_trait;
use rmcp::{
    ErrorData,
    model::{CreateMessageRequestParams, CreateMessageResult, ErrorCode, SamplingMessage},
};
use serde_json::Value;

use crate::domain::{ServerName, text::clean};

/// How often one server may ask in the life of this process.
const MAX_REQUESTS: usize = 20;

/// The most messages of a request, and the most text in all, in bytes.
const MAX_MESSAGES: usize = 50;
const MAX_TEXT: usize = 32 << 10;

/// The longest answer, in tokens, whatever the server wants.
const MAX_TOKENS: u32 = 4096;

/// The error of the specification for a request that the person does not want.
const REJECTED: ErrorCode = ErrorCode(-1);

/// What a server wants to have asked. Untrusted text, cleaned.
#[derive(Debug, Clone, PartialEq)]
pub struct SampleRequest {
    /// Who wants it.
    pub server: ServerName,
    /// What the model shall be told first.
    pub system: Option<String>,
    /// The conversation, in order.
    pub messages: Vec<SampleMessage>,
    /// The longest answer, in tokens.
    pub max_tokens: u32,
    /// How free the answer may be; 0 to 1.
    pub temperature: f64,
}

/// One message of a conversation.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SampleMessage {
    /// It is one that the model is said to have given.
    pub by_model: bool,
    /// The text.
    pub text: String,
}

/// What the model said.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Sampled {
    /// Its words.
    pub text: String,
    /// Which model.
    pub model: String,
}

/// Why there is no answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum NoSample {
    /// The person said no.
    Declined,
    /// The model gave no answer; why is nothing that a server is told.
    Failed,
}

/// Someone who shows a request to the person and, after a yes, asks the model.
#[async_trait]
pub trait Sample: Send + Sync {
    /// Puts it to the person, then to the model.
    async fn sample(&self, request: SampleRequest) -> Result<Sampled, NoSample>;
}

/// What one server may have asked; over all lives of its connection.
pub struct Allowance {
    sample: Box<dyn Sample>,
    asked: AtomicUsize,
}

impl Allowance {
    /// The operator allows it.
    pub fn new(sample: impl Sample + 'static) -> Self {
        Self { sample: Box::new(sample), asked: AtomicUsize::new(0) }
    }

    pub(super) async fn answer(&self, server: &ServerName, params: &CreateMessageRequestParams) -> Result<CreateMessageResult, ErrorData> {
        let request = read(server, params).map_err(|why| ErrorData::invalid_params(why, None))?;
        // What the person declined counts too: asking again and again is no way to a yes.
        if self.asked.fetch_add(1, Ordering::AcqRel) >= MAX_REQUESTS {
            return Err(ErrorData::invalid_request(format!("no server may have the model asked more than {MAX_REQUESTS} times"), None));
        }
        match self.sample.sample(request).await {
            Ok(sampled) => Ok(CreateMessageResult::new(SamplingMessage::assistant_text(sampled.text), sampled.model)
                .with_stop_reason(CreateMessageResult::STOP_REASON_END_TURN)),
            Err(NoSample::Declined) => Err(ErrorData::new(REJECTED, "the user rejected the request", None)),
            Err(NoSample::Failed) => Err(ErrorData::internal_error("the model gave no answer", None)),
        }
    }
}

/// Reads a request; the error says what is not done for a server.
fn read(server: &ServerName, params: &CreateMessageRequestParams) -> Result<SampleRequest, String> {
    if params.tools.as_ref().is_some_and(|t| !t.is_empty()) || params.tool_choice.is_some() {
        return Err("the model gets no tools here".to_owned());
    }
    if params.messages.is_empty() || params.messages.len() > MAX_MESSAGES {
        return Err(format!("a request has 1 to {MAX_MESSAGES} messages"));
    }
    let system = params.system_prompt.as_deref().filter(|s| !s.trim().is_empty()).map(|s| clean(s, MAX_TEXT + 1));
    let mut messages = Vec::new();
    for message in &params.messages {
        let whole = serde_json::to_value(message).unwrap_or_default();
        let blocks = match &whole["content"] {
            Value::Array(blocks) => blocks.as_slice(),
            one => std::slice::from_ref(one),
        };
        let text: Option<Vec<&str>> = blocks.iter().map(|b| b["text"].as_str().filter(|_| b["type"] == "text")).collect();
        let text = text.ok_or("only text is put to the model")?.join("\n");
        messages.push(SampleMessage { by_model: whole["role"] == "assistant", text: clean(&text, MAX_TEXT + 1) });
    }
    let size = messages.iter().map(|m| m.text.len()).sum::<usize>() + system.as_ref().map_or(0, String::len);
    if size > MAX_TEXT {
        return Err(format!("a request has at most {MAX_TEXT} bytes of text"));
    }
    let temperature = params.temperature.map_or(0.0, f64::from);
    let temperature = if temperature.is_finite() { temperature.clamp(0.0, 1.0) } else { 0.0 };
    Ok(SampleRequest { server: server.clone(), system, messages, max_tokens: params.max_tokens.clamp(1, MAX_TOKENS), temperature })
}
