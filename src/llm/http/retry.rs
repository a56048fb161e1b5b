//! One tower service between the client library and the network: bounded bodies, bounded retries, errors in one shape.
//!
//! The library's own layer sleeps for as long as `Retry-After` says, loses the status of errors in other shapes than
//! OpenAI's, reads bodies of any size, and logs bodies that it cannot parse. So it is replaced.

use std::{
    future::Future,
    pin::Pin,
    task::{Context, Poll},
    time::Duration,
};

use async_openai::{error::OpenAIError, middleware::HttpRequestFactory};
use futures::StreamExt;
use http::{StatusCode, header};
use serde_json::{Value, json};
use tower::ServiceExt;

/// When to try again.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RetryPolicy {
    /// How often, after the first try.
    pub retries: u32,
    /// The first pause; it doubles.
    pub pause: Duration,
    /// The longest pause. A server that wants a longer one gets its answer shown to the person instead.
    pub longest_pause: Duration,
}

impl Default for RetryPolicy {
    fn default() -> Self {
        Self { retries: 3, pause: Duration::from_millis(250), longest_pause: Duration::from_secs(10) }
    }
}

/// What the library has no error for.
#[derive(Debug, thiserror::Error)]
pub(super) enum TransportError {
    #[error("the reply is longer than {limit} bytes")]
    TooLarge { limit: usize },
    #[error("the reply is not JSON; it begins with `{start}`")]
    NotJson { start: String },
    #[error("{detail}")]
    Busy { detail: String, retry_after: Duration },
    #[error(transparent)]
    Http(reqwest::Error),
}

impl From<TransportError> for OpenAIError {
    fn from(e: TransportError) -> Self {
        match e {
            TransportError::Http(e) => OpenAIError::Reqwest(e),
            other => OpenAIError::Boxed(Box::new(other)),
        }
    }
}

/// The service.
#[derive(Clone)]
pub(super) struct Resilient<S> {
    inner: S,
    policy: RetryPolicy,
    limit: usize,
}

impl<S> Resilient<S> {
    pub(super) fn new(inner: S, policy: RetryPolicy, limit: usize) -> Self {
        Self { inner, policy, limit }
    }
}

type HttpFuture = Pin<Box<dyn Future<Output = Result<reqwest::Response, OpenAIError>> + Send>>;

impl<S> tower::Service<HttpRequestFactory> for Resilient<S>
where
    S: tower::Service<HttpRequestFactory, Response = reqwest::Response, Error = OpenAIError> + Clone + Send + 'static,
    S::Future: Send,
{
    type Response = reqwest::Response;
    type Error = OpenAIError;
    type Future = HttpFuture;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Self::Error>> {
        self.inner.poll_ready(cx)
    }

    fn call(&mut self, request: HttpRequestFactory) -> Self::Future {
        let (mut inner, policy, limit) = (self.inner.clone(), self.policy, self.limit);
        Box::pin(async move {
            let mut tried = 0;
            loop {
                let (result, wait) = match inner.ready().await?.call(request.clone()).await {
                    Ok(response) => judge(response, limit).await,
                    Err(OpenAIError::Reqwest(e)) => {
                        let wait = if e.is_connect() || e.is_request() { Wait::Ours } else { Wait::Never };
                        (Err(OpenAIError::Reqwest(e)), wait)
                    }
                    Err(e) => (Err(e), Wait::Never),
                };
                let pause = match wait {
                    Wait::Never => return result,
                    Wait::Theirs(pause) if pause > policy.longest_pause => {
                        return Err(TransportError::Busy { detail: said(result), retry_after: pause }.into());
                    }
                    Wait::Theirs(pause) => pause,
                    Wait::Ours => policy.pause.saturating_mul(2_u32.saturating_pow(tried)).min(policy.longest_pause),
                };
                if tried >= policy.retries {
                    return result;
                }
                tried += 1;
                tokio::time::sleep(pause).await;
            }
        })
    }
}

/// Whether and when to try again.
enum Wait {
    Never,
    Ours,
    Theirs(Duration),
}

/// Reads the body within the limit and gives it back in a shape that the library understands.
async fn judge(response: reqwest::Response, limit: usize) -> (Result<reqwest::Response, OpenAIError>, Wait) {
    let (status, headers) = (response.status(), response.headers().clone());
    let body = match bounded(response, limit).await {
        Ok(body) => body,
        Err(e) => return (Err(e.into()), Wait::Never),
    };
    if status.is_success() {
        // The library logs a body that it cannot parse, so that one must not get there.
        if serde_json::from_slice::<serde::de::IgnoredAny>(&body).is_err() {
            return (Err(TransportError::NotJson { start: start_of(&body) }.into()), Wait::Never);
        }
        return (Ok(rebuilt(status, body)), Wait::Never);
    }
    let (error, code) = error_of(&body);
    // "No money" is not "slow down".
    let again = (status == StatusCode::TOO_MANY_REQUESTS && code.as_deref() != Some("insufficient_quota"))
        || status == StatusCode::REQUEST_TIMEOUT
        || status.is_server_error();
    let asked = headers.get(header::RETRY_AFTER).and_then(|v| v.to_str().ok()).and_then(|v| v.trim().parse().ok()).map(Duration::from_secs);
    let wait = match (again, asked) {
        (false, _) => Wait::Never,
        (true, Some(pause)) => Wait::Theirs(pause),
        (true, None) => Wait::Ours,
    };
    // The library takes the body of a 5xx as plain text.
    let body = if status.is_server_error() {
        error["message"].as_str().unwrap_or_default().as_bytes().to_vec()
    } else {
        json!({ "error": error }).to_string().into_bytes()
    };
    (Ok(rebuilt(status, body)), wait)
}

async fn bounded(response: reqwest::Response, limit: usize) -> Result<Vec<u8>, TransportError> {
    if response.content_length().is_some_and(|n| n > limit as u64) {
        return Err(TransportError::TooLarge { limit });
    }
    let mut body = Vec::new();
    let mut chunks = response.bytes_stream();
    while let Some(chunk) = chunks.next().await {
        let chunk = chunk.map_err(TransportError::Http)?;
        if body.len() + chunk.len() > limit {
            return Err(TransportError::TooLarge { limit });
        }
        body.extend_from_slice(&chunk);
    }
    Ok(body)
}

fn rebuilt(status: StatusCode, body: Vec<u8>) -> reqwest::Response {
    let mut response = http::Response::new(body);
    *response.status_mut() = status;
    response.into()
}

/// `{"error": {...}}` of OpenAI, integer codes of vLLM and OpenRouter, `{"error": "text"}` of Ollama, HTML of a proxy.
fn error_of(body: &[u8]) -> (Value, Option<String>) {
    let text = |v: Option<&Value>| match v {
        None | Some(Value::Null) => None,
        Some(Value::String(s)) => Some(s.clone()),
        Some(other) => Some(other.to_string()),
    };
    let Ok(value) = serde_json::from_slice::<Value>(body) else {
        return (json!({"message": start_of(body), "type": null, "param": null, "code": null}), None);
    };
    let error = value.get("error").filter(|e| !e.is_null()).unwrap_or(&value);
    let message = text(error.get("message"))
        .or_else(|| error.as_str().map(str::to_owned))
        .or_else(|| text(value.get("message")))
        .or_else(|| text(value.get("detail")))
        .unwrap_or_else(|| "it gave no reason".to_owned());
    let kind = text(error.get("type"));
    let code = text(error.get("code")).or_else(|| kind.clone());
    (json!({"message": message, "type": kind, "param": text(error.get("param")), "code": code}), code)
}

fn start_of(body: &[u8]) -> String {
    crate::llm::shown(&String::from_utf8_lossy(&body[..body.len().min(800)]), 120)
}

fn said(result: Result<reqwest::Response, OpenAIError>) -> String {
    match result {
        Ok(response) => format!("it answered {}", response.status()),
        Err(e) => e.to_string(),
    }
}
