//! The network implementation: any server with an OpenAI-compatible chat completion endpoint.
//!
//! Servers differ in how they can be made to answer in a shape, so there is a ladder: strict JSON schema, then a forced
//! tool call, then a JSON object with the schema in the prompt, then the prompt alone. The rung that worked is remembered.
//! Nothing is read from the environment here; keys are never logged.

use std::{collections::HashMap, sync::Mutex};

use async_openai::{Client, error::OpenAIError, middleware::ReqwestService};
use async_trait::async_trait;
use serde::Deserialize;
use serde_json::{Value, json};
use tokio::time::{Instant, timeout};

use super::{Budget, Llm, LlmError, Message, Reply, ReplySchema, Request, Speaker, Usage, shown};

pub mod endpoint;

pub mod retry;

pub use endpoint::ModelConfig;
pub use retry::RetryPolicy;

use endpoint::Endpoint;
use retry::{Resilient, TransportError};

/// How an answer is got into its shape.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Rung {
    /// `response_format: json_schema`, strict.
    Strict,
    /// A tool that the model is made to call.
    Tool,
    /// `response_format: json_object`, schema in the prompt.
    JsonObject,
    /// Schema in the prompt, and hope.
    Prompt,
}

impl Rung {
    fn next(self) -> Option<Self> {
        match self {
            Self::Strict => Some(Self::Tool),
            Self::Tool => Some(Self::JsonObject),
            Self::JsonObject => Some(Self::Prompt),
            Self::Prompt => None,
        }
    }
}

/// What a server was found to want.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Manner {
    rung: Rung,
    /// Newer OpenAI models want `max_completion_tokens`.
    completion_tokens: bool,
    temperature: bool,
    seed: bool,
}

impl Default for Manner {
    fn default() -> Self {
        Self { rung: Rung::Strict, completion_tokens: false, temperature: true, seed: true }
    }
}

/// A model behind HTTP.
pub struct HttpLlm {
    client: Client<Endpoint>,
    endpoint: Endpoint,
    budget: Budget,
    /// By model, since one server may serve several.
    manners: Mutex<HashMap<String, Manner>>,
}

impl HttpLlm {
    /// Checks the settings and makes the client. Nothing is sent yet.
    pub fn new(config: &ModelConfig, budget: Budget, retries: RetryPolicy) -> Result<Self, LlmError> {
        let endpoint = Endpoint::new(config)?;
        // The tree is built without a default TLS provider. An error means that one is installed already.
        let _ = rustls::crypto::ring::default_provider().install_default();
        let http = reqwest::Client::builder()
            .user_agent(concat!("swell/", env!("CARGO_PKG_VERSION")))
            .connect_timeout(budget.deadline.min(std::time::Duration::from_secs(10)))
            // A redirect would carry the prompt to a host that nobody configured.
            .redirect(reqwest::redirect::Policy::none())
            .build()
            .map_err(|e| LlmError::Settings(e.to_string()))?;
        let service = Resilient::new(ReqwestService::new(http.clone()), retries, budget.max_reply_bytes);
        let budget = Budget { deadline: config.timeout.unwrap_or(budget.deadline), ..budget };
        Ok(Self { client: Client::build(http, endpoint.clone()).with_http_service(service), endpoint, budget, manners: Mutex::default() })
    }

    fn manner(&self, model: &str) -> Manner {
        self.manners.lock().ok().and_then(|m| m.get(model).copied()).unwrap_or_default()
    }

    fn remember(&self, model: &str, manner: Manner) {
        if let Ok(mut manners) = self.manners.lock() {
            manners.insert(model.to_owned(), manner);
        }
    }

    async fn climb(&self, request: &Request) -> Result<Reply, LlmError> {
        let mut manner = self.manner(&request.model);
        loop {
            let sent = self.client.chat().create_byot::<_, Value>(body(request, manner)).await;
            let next = match sent {
                Ok(value) => {
                    let reply = read(value, &self.endpoint)?;
                    // A server that ignores the format answers in prose. A cut-off answer is no such sign.
                    let ignored = request.schema.is_some() && matches!(reply.json(), Ok(Err(_)));
                    match manner.rung.next().filter(|_| ignored && manner.rung < Rung::JsonObject) {
                        Some(rung) => Manner { rung, ..manner },
                        None => {
                            self.remember(&request.model, manner);
                            return Ok(reply);
                        }
                    }
                }
                Err(e) => match adapted(&e, manner, request.schema.is_some()) {
                    Some(next) => next,
                    None => return Err(self.typed(e)),
                },
            };
            tracing::debug!(model = %request.model, ?next, "the model server wants the request in another manner");
            manner = next;
        }
    }

    fn typed(&self, e: OpenAIError) -> LlmError {
        let said = |text: &str| shown(&self.endpoint.without_keys(text), 300);
        let garbled = |detail: String| LlmError::Garbled { detail: said(&detail) };
        match e {
            OpenAIError::ApiError(e) => {
                let status = e.status_code.as_u16();
                let (code, detail) = (e.api_error.code.as_deref().unwrap_or_default(), said(&e.api_error.message));
                match status {
                    401 | 403 => LlmError::Auth { status, detail },
                    402 => LlmError::Quota { detail },
                    429 if code == "insufficient_quota" => LlmError::Quota { detail },
                    429 => LlmError::RateLimited { detail, retry_after: None },
                    500.. => LlmError::Server { status, detail },
                    _ => LlmError::Rejected { status, detail },
                }
            }
            OpenAIError::Reqwest(e) => self.unreachable(&e),
            OpenAIError::Boxed(e) => match e.downcast::<TransportError>() {
                Ok(e) => match *e {
                    TransportError::TooLarge { limit } => LlmError::TooLarge { limit },
                    TransportError::NotJson { start } => garbled(format!("it begins with `{start}`")),
                    TransportError::Busy { detail, retry_after } => {
                        LlmError::RateLimited { detail: said(&detail), retry_after: Some(retry_after) }
                    }
                    TransportError::Http(e) => self.unreachable(&e),
                },
                Err(e) => garbled(e.to_string()),
            },
            OpenAIError::JSONDeserialize(e, _) => garbled(e.to_string()),
            other => garbled(other.to_string()),
        }
    }

    fn unreachable(&self, e: &reqwest::Error) -> LlmError {
        if e.is_timeout() && !e.is_connect() {
            return LlmError::Timeout { after: self.budget.deadline };
        }
        // The innermost cause says "connection refused"; the outer ones repeat the URL.
        let mut cause: &dyn std::error::Error = e;
        while let Some(inner) = cause.source() {
            cause = inner;
        }
        LlmError::Unreachable { url: self.endpoint.base_url().to_owned(), detail: shown(&cause.to_string(), 200) }
    }
}

#[async_trait]
impl Llm for HttpLlm {
    async fn complete(&self, request: Request) -> Result<Reply, LlmError> {
        let start = Instant::now();
        let mut reply =
            timeout(self.budget.deadline, self.climb(&request)).await.map_err(|_| LlmError::Timeout { after: self.budget.deadline })??;
        reply.latency = start.elapsed();
        tracing::debug!(purpose = %request.purpose, model = %reply.model_reported, input = reply.usage.input, output = reply.usage.output, ms = reply.latency.as_millis() as u64, "model call");
        Ok(reply)
    }
}

/// The manner to try next, if the error says that this one is not understood.
fn adapted(e: &OpenAIError, manner: Manner, shaped: bool) -> Option<Manner> {
    let OpenAIError::ApiError(e) = e else { return None };
    if !matches!(e.status_code.as_u16(), 400 | 404 | 405 | 415 | 422 | 500 | 501) {
        return None;
    }
    let said = format!(
        "{} {} {}",
        e.api_error.message,
        e.api_error.param.as_deref().unwrap_or_default(),
        e.api_error.code.as_deref().unwrap_or_default()
    )
    .to_lowercase();
    let names = |words: &[&str]| words.iter().any(|w| said.contains(w));
    if manner.temperature && names(&["temperature"]) {
        return Some(Manner { temperature: false, ..manner });
    }
    if manner.seed && names(&["seed"]) {
        return Some(Manner { seed: false, ..manner });
    }
    if !manner.completion_tokens && names(&["max_completion_tokens"]) {
        return Some(Manner { completion_tokens: true, ..manner });
    }
    let about_shape = match manner.rung {
        Rung::Strict => names(&["response_format", "json_schema", "json schema", "structured output", "schema", "grammar", "strict"]),
        Rung::Tool => names(&["tool", "function", "strict"]),
        Rung::JsonObject => names(&["response_format", "json_object", "json mode"]),
        Rung::Prompt => false,
    };
    if shaped && about_shape {
        return manner.rung.next().map(|rung| Manner { rung, ..manner });
    }
    None
}

fn body(request: &Request, manner: Manner) -> Value {
    let mut messages: Vec<Value> = request.messages.iter().map(message).collect();
    let mut body = json!({ "model": request.model });
    if let Some(schema) = &request.schema {
        match manner.rung {
            Rung::Strict => {
                body["response_format"] =
                    json!({"type": "json_schema", "json_schema": {"name": schema.name, "strict": true, "schema": schema.schema}})
            }
            Rung::Tool => {
                body["tools"] = json!([{"type": "function", "function": {"name": schema.name, "description": "Report the result.", "parameters": schema.schema, "strict": true}}]);
                body["tool_choice"] = json!({"type": "function", "function": {"name": schema.name}});
            }
            Rung::JsonObject => {
                body["response_format"] = json!({"type": "json_object"});
                tell_schema(&mut messages, schema);
            }
            Rung::Prompt => tell_schema(&mut messages, schema),
        }
    }
    body["messages"] = Value::Array(messages);
    body[if manner.completion_tokens { "max_completion_tokens" } else { "max_tokens" }] = json!(request.max_tokens);
    if manner.temperature {
        body["temperature"] = json!(request.temperature);
    }
    if let Some(seed) = request.seed.filter(|_| manner.seed) {
        body["seed"] = json!(seed);
    }
    body
}

fn message(m: &Message) -> Value {
    json!({"role": m.role, "content": m.content})
}

/// Puts the schema at the end of the first system message, since some servers take only one.
fn tell_schema(messages: &mut Vec<Value>, schema: &ReplySchema) {
    let text = format!("Answer with one JSON object that fits this JSON Schema, and nothing else:\n{}", schema.schema);
    match messages.iter_mut().find(|m| m["role"] == json!(Speaker::System)) {
        Some(system) => system["content"] = json!(format!("{}\n\n{text}", system["content"].as_str().unwrap_or_default())),
        None => messages.insert(0, json!({"role": "system", "content": text})),
    }
}

/// Only what is used, and all of it optional: compatible servers leave out and add what they like.
#[derive(Deserialize)]
struct Completion {
    #[serde(default)]
    model: Option<String>,
    #[serde(default)]
    choices: Vec<Choice>,
    #[serde(default)]
    usage: Option<Tokens>,
    /// Some gateways answer 200 with an error inside.
    #[serde(default)]
    error: Option<Value>,
}

#[derive(Deserialize)]
struct Choice {
    message: Said,
    #[serde(default)]
    finish_reason: Option<String>,
}

#[derive(Deserialize)]
struct Said {
    #[serde(default)]
    content: Option<Value>,
    #[serde(default)]
    refusal: Option<String>,
    #[serde(default)]
    tool_calls: Option<Vec<Value>>,
}

#[derive(Deserialize)]
struct Tokens {
    #[serde(default)]
    prompt_tokens: Option<u64>,
    #[serde(default)]
    completion_tokens: Option<u64>,
}

fn read(value: Value, endpoint: &Endpoint) -> Result<Reply, LlmError> {
    let garbled = |detail: String| LlmError::Garbled { detail: shown(&detail, 200) };
    let completion: Completion = serde_json::from_value(value).map_err(|e| garbled(e.to_string()))?;
    if let Some(error) = completion.error.filter(|e| !e.is_null()) {
        let said = error["message"].as_str().map_or_else(|| error.to_string(), str::to_owned);
        return Err(LlmError::Server { status: 200, detail: shown(&endpoint.without_keys(&said), 300) });
    }
    let choice = completion.choices.into_iter().next().ok_or_else(|| garbled("it has no choices".to_owned()))?;
    let called =
        choice.message.tool_calls.iter().flatten().next().map(|call| &call["function"]["arguments"]).filter(|a| !a.is_null()).map(text_of);
    let content = called.or_else(|| choice.message.content.as_ref().map(text_of)).unwrap_or_default();
    let usage = completion
        .usage
        .map(|u| Usage { input: u.prompt_tokens.unwrap_or(0), output: u.completion_tokens.unwrap_or(0) })
        .unwrap_or_default();
    Ok(Reply {
        content,
        finish_reason: choice.finish_reason,
        refusal: choice.message.refusal,
        model_reported: shown(&completion.model.unwrap_or_default(), 100),
        usage,
        latency: Default::default(),
    })
}

/// Content as text: a string, a list of parts with `text`, or an object that a server forgot to write as text.
fn text_of(value: &Value) -> String {
    match value {
        Value::String(text) => text.clone(),
        Value::Null => String::new(),
        Value::Array(parts) => parts.iter().filter_map(|p| p["text"].as_str()).collect(),
        other => other.to_string(),
    }
}

#[cfg(test)]
#[path = "http/tests.rs"]
mod tests;
