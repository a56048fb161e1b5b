//! MCP over a pair of byte streams: one JSON message per line, for child processes and for servers in this process.
//!
//! rmcp has such a transport too. This one adds what the engine needs to know for certain: whether any byte of a call was written
//! ([`Ledger`]), tool definitions with the fields that rmcp drops, a reply that cannot be read ending its call at once, and noise on
//! stdout being counted instead of only skipped.

use std::{
    collections::{HashMap, VecDeque},
    io,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use rmcp::{
    RoleClient,
    model::{ClientRequest, ErrorCode, ErrorData, JsonRpcMessage, RequestId},
    service::{RxJsonRpcMessage, TxJsonRpcMessage},
    transport::Transport,
};
use serde_json::Value;
use tokio::io::{AsyncBufReadExt, AsyncRead, AsyncWrite, AsyncWriteExt, BufReader};

use super::raw::Raw;
use crate::domain::text::clean_line;

/// The longest line. A result may stand in it twice (as text and structured), and text is escaped.
pub(crate) const MAX_LINE: usize = 5 << 20;

/// How many noise lines are kept.
const NOISE_KEPT: usize = 5;

pub(crate) type Reader = Box<dyn AsyncRead + Send + Unpin>;
pub(crate) type Writer = Box<dyn AsyncWrite + Send + Unpin>;

/// What is known about the messages of one connection, shared between the transport and the calls.
#[derive(Default)]
pub(crate) struct Ledger {
    inner: Mutex<Inner>,
}

#[derive(Default)]
struct Inner {
    calls: HashMap<String, CallState>,
    noise: VecDeque<String>,
    noise_count: u64,
}

enum CallState {
    /// At least one byte of it may have reached the server.
    Begun,
    /// Nobody waits for it any more; it must not be written.
    Withdrawn,
    /// The server answered with something that cannot be read.
    Broken(String),
}

impl Ledger {
    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Marks a call as being written. `false` if nobody waits for it any more.
    fn begin(&self, id: &RequestId) -> bool {
        !matches!(self.lock().calls.entry(id.to_string()).or_insert(CallState::Begun), CallState::Withdrawn)
    }

    /// Takes a mark back: not one byte could be written.
    fn unbegin(&self, id: &RequestId) {
        self.lock().calls.remove(&id.to_string());
    }

    /// Gives up on a call. `true` if it was not written and now never will be.
    pub(crate) fn withdraw(&self, id: &RequestId) -> bool {
        matches!(self.lock().calls.entry(id.to_string()).or_insert(CallState::Withdrawn), CallState::Withdrawn)
    }

    /// Why the reply to a call could not be read, if that is why the call ended.
    pub(crate) fn broken(&self, id: &RequestId) -> Option<String> {
        match self.lock().calls.get(&id.to_string()) {
            Some(CallState::Broken(reason)) => Some(reason.clone()),
            _ => None,
        }
    }

    /// Forgets a call that has ended. A withdrawn one is remembered: its message may still be on its way to the transport.
    pub(crate) fn forget(&self, id: &RequestId) {
        let mut inner = self.lock();
        let key = id.to_string();
        if !matches!(inner.calls.get(&key), Some(CallState::Withdrawn)) {
            inner.calls.remove(&key);
        }
    }

    /// How many lines were no MCP messages, and the last of them, cleaned.
    pub(crate) fn noise(&self) -> (u64, Vec<String>) {
        let inner = self.lock();
        (inner.noise_count, inner.noise.iter().cloned().collect())
    }

    fn record_noise(&self, line: &[u8]) {
        let text = clean_line(&String::from_utf8_lossy(&line[..line.len().min(600)]), 200);
        tracing::debug!(line = %text, "not an MCP message");
        let mut inner = self.lock();
        inner.noise_count += 1;
        if inner.noise.len() == NOISE_KEPT {
            inner.noise.pop_front();
        }
        inner.noise.push_back(text);
    }
}

/// Why a message could not be written.
#[derive(Debug, thiserror::Error)]
#[error("{reason}")]
pub(crate) struct WireError {
    /// Whether the server may have got it all the same.
    pub(crate) sent: bool,
    reason: String,
}

/// The transport.
pub(crate) struct LineTransport {
    reader: BufReader<Reader>,
    writer: Arc<tokio::sync::Mutex<Option<Writer>>>,
    ledger: Arc<Ledger>,
    raw: Arc<Raw>,
    line: Vec<u8>,
    /// The rest of an oversized line is being skipped.
    skipping: bool,
    /// Messages of a batch (2025-03-26) that were not handed out yet.
    queue: VecDeque<RxJsonRpcMessage<RoleClient>>,
}

impl LineTransport {
    pub(crate) fn new(reader: Reader, writer: Writer, ledger: Arc<Ledger>, raw: Arc<Raw>) -> Self {
        Self {
            reader: BufReader::new(reader),
            writer: Arc::new(tokio::sync::Mutex::new(Some(writer))),
            ledger,
            raw,
            line: Vec::new(),
            skipping: false,
            queue: VecDeque::new(),
        }
    }

    /// Reads until a whole line is in `self.line`; `false` at the end of the stream. Cancel-safe: what was read so far stays there,
    /// because the service loop drops this future whenever it has something else to do.
    async fn read_line(&mut self) -> io::Result<Line> {
        loop {
            let available = self.reader.fill_buf().await?;
            if available.is_empty() {
                return Ok(Line::End);
            }
            let newline = available.iter().position(|b| *b == b'\n');
            let taken = newline.map_or(available.len(), |at| at + 1);
            let room = MAX_LINE.saturating_sub(self.line.len());
            if !self.skipping {
                self.line.extend_from_slice(&available[..taken.min(room)]);
            }
            let over = taken > room;
            self.reader.consume(taken);
            match (self.skipping, over, newline) {
                (true, _, Some(_)) => self.skipping = false,
                (true, _, None) => {}
                (false, true, newline) => {
                    self.skipping = newline.is_none();
                    return Ok(Line::TooLong);
                }
                (false, false, Some(_)) => return Ok(Line::Whole),
                (false, false, None) => {}
            }
        }
    }

    /// Understands one line; whatever it cannot use is noise, or breaks the call that it answers.
    fn accept(&mut self, line: &[u8]) {
        let text = line.strip_prefix(b"\xef\xbb\xbf").unwrap_or(line).trim_ascii();
        if text.is_empty() {
            return;
        }
        match serde_json::from_slice::<Value>(text) {
            Ok(Value::Array(items)) if items.iter().all(Value::is_object) && !items.is_empty() => {
                for item in items {
                    self.accept_value(item, text);
                }
            }
            Ok(value) => self.accept_value(value, text),
            Err(e) => self.unreadable(text, &format!("the reply is not JSON that can be read ({})", clean_line(&e.to_string(), 120))),
        }
    }

    fn accept_value(&mut self, value: Value, text: &[u8]) {
        if value.get("jsonrpc").is_none() {
            return self.ledger.record_noise(text);
        }
        self.raw.keep(&value);
        let id = id_of(&value).filter(|_| value.get("method").is_none());
        match (serde_json::from_value(value), id) {
            (Ok(message), _) => self.queue.push_back(message),
            (Err(_), Some(id)) => self.break_call(id, "the reply is no JSON-RPC response"),
            (Err(_), None) => self.ledger.record_noise(text),
        }
    }

    fn unreadable(&mut self, line: &[u8], reason: &str) {
        match id_in_prefix(line) {
            Some(id) => self.break_call(id, reason),
            None => self.ledger.record_noise(line),
        }
    }

    /// Ends the request with that id, so that nobody waits for what has already come.
    fn break_call(&mut self, id: RequestId, reason: &str) {
        if let Some(state) = self.ledger.lock().calls.get_mut(&id.to_string()) {
            *state = CallState::Broken(reason.to_owned());
        }
        let error = ErrorData::new(ErrorCode::INTERNAL_ERROR, reason.to_owned(), None);
        self.queue.push_back(JsonRpcMessage::error(error, Some(id)));
    }
}

enum Line {
    Whole,
    TooLong,
    End,
}

fn id_of(message: &Value) -> Option<RequestId> {
    serde_json::from_value(message.get("id")?.clone()).ok()
}

/// Finds the id of a response that cannot be parsed, where servers put it: among its first bytes.
fn id_in_prefix(line: &[u8]) -> Option<RequestId> {
    let head = String::from_utf8_lossy(&line[..line.len().min(200)]).into_owned();
    let head = head.split_once("\"result\"").map_or(head.as_str(), |(before, _)| before);
    let (_, after) = head.split_once("\"id\"")?;
    let digits: String = after.trim_start().strip_prefix(':')?.trim_start().chars().take_while(char::is_ascii_digit).collect();
    head.contains("\"jsonrpc\"").then(|| digits.parse().ok().map(RequestId::Number)).flatten()
}

impl Transport<RoleClient> for LineTransport {
    type Error = WireError;

    fn send(&mut self, item: TxJsonRpcMessage<RoleClient>) -> impl Future<Output = Result<(), WireError>> + Send + 'static {
        let (writer, ledger) = (self.writer.clone(), self.ledger.clone());
        let mut call = None;
        if let JsonRpcMessage::Request(request) = &item {
            match &request.request {
                // A custom request is a call of the older form of tasks, or about one.
                ClientRequest::CallToolRequest(_) | ClientRequest::CustomRequest(_) => call = Some(request.id.clone()),
                ClientRequest::ListToolsRequest(_) => self.raw.expect(&request.id),
                _ => {}
            }
        }
        async move {
            let mut frame = serde_json::to_vec(&item).map_err(|e| WireError { sent: false, reason: e.to_string() })?;
            frame.push(b'\n');
            let mut writer = writer.lock().await;
            let Some(writer) = writer.as_mut() else {
                return Err(WireError { sent: false, reason: "the connection is closed".to_owned() });
            };
            if call.as_ref().is_some_and(|id| !ledger.begin(id)) {
                return Err(WireError { sent: false, reason: "the call was given up".to_owned() });
            }
            let mut written = 0;
            let result = write_all(writer, &frame, &mut written).await;
            if let (Some(id), Err(_), 0) = (&call, &result, written) {
                ledger.unbegin(id);
            }
            result.map_err(|e| WireError { sent: written > 0, reason: e.to_string() })
        }
    }

    async fn receive(&mut self) -> Option<RxJsonRpcMessage<RoleClient>> {
        loop {
            if let Some(message) = self.queue.pop_front() {
                return Some(message);
            }
            match self.read_line().await {
                Ok(Line::Whole) => {
                    let line = std::mem::take(&mut self.line);
                    self.accept(&line);
                }
                Ok(Line::TooLong) => {
                    let line = std::mem::take(&mut self.line);
                    self.unreadable(&line, &format!("the reply is longer than {} MB", MAX_LINE >> 20));
                }
                Ok(Line::End) | Err(_) => return None,
            }
        }
    }

    async fn close(&mut self) -> Result<(), WireError> {
        // Not waited for: a write that hangs must not keep the connection from being closed.
        if let Ok(mut writer) = self.writer.try_lock() {
            writer.take();
        }
        Ok(())
    }
}

async fn write_all(writer: &mut Writer, frame: &[u8], written: &mut usize) -> io::Result<()> {
    while *written < frame.len() {
        match writer.write(&frame[*written..]).await? {
            0 => return Err(io::ErrorKind::WriteZero.into()),
            n => *written += n,
        }
    }
    writer.flush().await
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn transport() -> LineTransport {
        LineTransport::new(Box::new(tokio::io::empty()), Box::new(tokio::io::sink()), Arc::default(), Arc::default())
    }

    #[test]
    fn finds_the_id_of_a_reply_that_cannot_be_parsed() {
        let id = |s: &str| id_in_prefix(s.as_bytes()).map(|id| id.to_string());
        assert_eq!(id(r#"{"jsonrpc":"2.0","id":17,"result":{"#).as_deref(), Some("17"));
        assert_eq!(id(r#"{"id" : 3, "jsonrpc":"2.0", "error":"#).as_deref(), Some("3"));
        assert_eq!(id(r#"{"jsonrpc":"2.0","result":{"id":17"#), None, "an id inside the result is another thing");
        assert_eq!(id(r#"{"id":3,"level":"info""#), None, "a log line");
    }

    #[test]
    fn a_batch_is_taken_apart() {
        let mut t = transport();
        t.accept(br#"[{"jsonrpc":"2.0","id":1,"result":{}},{"jsonrpc":"2.0","method":"notifications/tools/list_changed"},{"x":1}]"#);
        assert_eq!((t.queue.len(), t.ledger.noise().0), (2, 1));
    }

    proptest! {
        #[test]
        fn no_line_is_too_odd(line in proptest::collection::vec(any::<u8>(), 0..300), tail in ".{0,60}") {
            let mut t = transport();
            t.accept(&line);
            t.accept(format!("{{\"jsonrpc\":\"2.0\",\"id\":1,{tail}").as_bytes());
            t.accept(format!("{{\"jsonrpc\":\"2.0\",\"id\":{tail},\"result\":{{}}}}").as_bytes());
        }
    }
}
