//! Lists of tools as servers send them: rmcp keeps only the fields that it knows, and a pin must cover all of them.
//!
//! Over a byte stream `mcp/wire` sees every line. Over HTTP the question for the tools is asked here; everything else, and whatever is not
//! plainly an answer to it, goes rmcp's way.

use std::{
    collections::HashMap,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
};

use futures::{StreamExt, stream::BoxStream};
use http::{HeaderName, HeaderValue, header};
use rmcp::{
    model::{ClientJsonRpcMessage, ClientRequest, JsonRpcMessage, RequestId, ServerJsonRpcMessage},
    transport::streamable_http_client::{
        SseError, StreamableHttpClient, StreamableHttpError, StreamableHttpPostResponse, StreamableHttpResponseLimits,
    },
};
use serde_json::Value;
use sse_stream::Sse;

use super::wire::MAX_LINE;

type Headers = HashMap<HeaderName, HeaderValue>;
type Posted = Result<StreamableHttpPostResponse, StreamableHttpError<reqwest::Error>>;
type Streamed = Result<BoxStream<'static, Result<Sse, SseError>>, StreamableHttpError<reqwest::Error>>;

/// The lists that were asked for, by the id of the question.
#[derive(Default)]
pub(crate) struct Raw(Mutex<HashMap<String, Option<Value>>>);

impl Raw {
    fn lock(&self) -> MutexGuard<'_, HashMap<String, Option<Value>>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Registered before the question is sent, so that the answer finds its place.
    pub(crate) fn expect(&self, id: &RequestId) {
        self.lock().insert(id.to_string(), None);
    }

    /// Keeps the tools of a message that answers such a question.
    pub(crate) fn keep(&self, message: &Value) {
        let id = message.get("id").and_then(|id| serde_json::from_value::<RequestId>(id.clone()).ok());
        if let (Some(id), Some(tools)) = (id, message.pointer("/result/tools"))
            && let Some(place) = self.lock().get_mut(&id.to_string())
        {
            *place = Some(tools.clone());
        }
    }

    /// The tools as they came.
    pub(crate) fn take(&self, id: &RequestId) -> Option<Value> {
        self.lock().remove(&id.to_string()).flatten()
    }
}

/// An HTTP client that keeps lists of tools as they came.
#[derive(Clone)]
pub(super) struct RawClient {
    plain: reqwest::Client,
    raw: Arc<Raw>,
    /// The server answers with streams: those are looked into as they pass.
    streams: Arc<AtomicBool>,
}

impl RawClient {
    pub(super) fn new(plain: reqwest::Client, raw: Arc<Raw>) -> Self {
        Self { plain, raw, streams: Arc::default() }
    }

    /// Asks for the tools. `None` if the answer has to be understood by rmcp: then it is asked again, which a list allows.
    async fn ask(
        &self,
        uri: &str,
        message: &ClientJsonRpcMessage,
        session: Option<&str>,
        token: Option<&str>,
        headers: &Headers,
        most: usize,
    ) -> Option<StreamableHttpPostResponse> {
        let mut request = self.plain.post(uri).json(message);
        for (name, value) in headers {
            request = request.header(name, value);
        }
        request = request.header(header::ACCEPT, "text/event-stream, application/json");
        if let Some(token) = token {
            request = request.bearer_auth(token);
        }
        if let Some(session) = session {
            request = request.header("mcp-session-id", session);
        }
        let mut response = request.send().await.ok().filter(|r| r.status().is_success())?;
        let kind = response.headers().get(header::CONTENT_TYPE)?.to_str().ok()?.to_owned();
        if !kind.starts_with("application/json") {
            self.streams.store(true, Ordering::Relaxed);
            return None;
        }
        let given = response.headers().get("mcp-session-id").and_then(|v| v.to_str().ok()).map(str::to_owned);
        let mut body = Vec::new();
        while let Some(part) = response.chunk().await.ok()? {
            if body.len() + part.len() > most {
                return None;
            }
            body.extend_from_slice(&part);
        }
        let value: Value = serde_json::from_slice(&body).ok()?;
        self.raw.keep(&value);
        let message: ServerJsonRpcMessage = serde_json::from_value(value).ok()?;
        Some(StreamableHttpPostResponse::Json(message, given))
    }
}

/// The id of a question for the tools.
fn wanted(message: &ClientJsonRpcMessage) -> Option<&RequestId> {
    match message {
        JsonRpcMessage::Request(request) if matches!(request.request, ClientRequest::ListToolsRequest(_)) => Some(&request.id),
        _ => None,
    }
}

/// The words of the HTTP client name the whole address, in which people put keys; what is shown or logged must not.
fn without_url(error: StreamableHttpError<reqwest::Error>) -> StreamableHttpError<reqwest::Error> {
    match error {
        StreamableHttpError::Client(error) => StreamableHttpError::Client(error.without_url()),
        other => other,
    }
}

impl StreamableHttpClient for RawClient {
    type Error = reqwest::Error;

    async fn post_message(
        &self,
        uri: Arc<str>,
        message: ClientJsonRpcMessage,
        session: Option<Arc<str>>,
        token: Option<String>,
        headers: Headers,
    ) -> Posted {
        self.post_message_with_response_limits(uri, message, session, token, headers, StreamableHttpResponseLimits::default()).await
    }

    async fn post_message_with_response_limits(
        &self,
        uri: Arc<str>,
        message: ClientJsonRpcMessage,
        session: Option<Arc<str>>,
        token: Option<String>,
        headers: Headers,
        limits: StreamableHttpResponseLimits,
    ) -> Posted {
        let Some(id) = wanted(&message) else {
            let posted = self.plain.post_message_with_response_limits(uri, message, session, token, headers, limits).await;
            return posted.map_err(without_url);
        };
        self.raw.expect(id);
        if !self.streams.load(Ordering::Relaxed) {
            let most = limits.max_json_response_size;
            if let Some(answer) = self.ask(&uri, &message, session.as_deref(), token.as_deref(), &headers, most).await {
                return Ok(answer);
            }
        }
        let posted = self.plain.post_message_with_response_limits(uri, message, session, token, headers, limits).await;
        Ok(match posted.map_err(without_url)? {
            StreamableHttpPostResponse::Sse(stream, session) => {
                let raw = self.raw.clone();
                let seen = stream.inspect(move |event| {
                    let data = event.as_ref().ok().and_then(|e| e.data.as_deref());
                    if let Some(message) = data.and_then(|data| serde_json::from_str(data).ok()) {
                        raw.keep(&message);
                    }
                });
                StreamableHttpPostResponse::Sse(seen.boxed(), session)
            }
            other => other,
        })
    }

    async fn delete_session(
        &self,
        uri: Arc<str>,
        session: Arc<str>,
        token: Option<String>,
        headers: Headers,
    ) -> Result<(), StreamableHttpError<reqwest::Error>> {
        self.plain.delete_session(uri, session, token, headers).await.map_err(without_url)
    }

    async fn get_stream(
        &self,
        uri: Arc<str>,
        session: Option<Arc<str>>,
        last: Option<String>,
        token: Option<String>,
        headers: Headers,
    ) -> Streamed {
        self.get_stream_with_max_sse_event_size(uri, session, last, token, headers, MAX_LINE).await
    }

    async fn get_stream_with_max_sse_event_size(
        &self,
        uri: Arc<str>,
        session: Option<Arc<str>>,
        last: Option<String>,
        token: Option<String>,
        headers: Headers,
        most: usize,
    ) -> Streamed {
        self.plain.get_stream_with_max_sse_event_size(uri, session, last, token, headers, most).await.map_err(without_url)
    }
}

#[cfg(test)]
mod tests {
    use wiremock::{Mock, MockServer, ResponseTemplate, matchers::any};

    use super::*;
    use crate::mcp::http::client;

    #[tokio::test]
    async fn no_error_names_the_address_with_its_keys() {
        let mock = MockServer::start().await;
        Mock::given(any()).respond_with(ResponseTemplate::new(404)).mount(&mock).await;
        let raw = RawClient::new(client(reqwest::redirect::Policy::none()).unwrap(), Arc::default());
        let message = |method: &str| -> ClientJsonRpcMessage {
            serde_json::from_value(serde_json::json!({"jsonrpc": "2.0", "id": 1, "method": method})).unwrap()
        };
        for base in [mock.uri(), "http://127.0.0.1:1".to_owned()] {
            let uri: Arc<str> = format!("{base}/mcp?key=canary").into();
            let session: Arc<str> = "s".into();
            let errors = [
                raw.get_stream(uri.clone(), None, None, None, Headers::new()).await.err(),
                raw.delete_session(uri.clone(), session.clone(), None, Headers::new()).await.err(),
                raw.post_message(uri.clone(), message("ping"), None, None, Headers::new()).await.err(),
                raw.post_message(uri.clone(), message("tools/list"), None, None, Headers::new()).await.err(),
            ];
            for error in errors {
                let error = error.unwrap();
                assert!(!format!("{error} {error:?}").contains("canary"), "{error:?}");
            }
        }
    }
}
