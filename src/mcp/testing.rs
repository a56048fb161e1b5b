//! A scripted MCP server in this process, which may lie, hang and die as the test says.

use std::{
    sync::{
        Arc, Mutex,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use serde_json::{Value, json};
use tokio::{
    io::{AsyncBufReadExt, AsyncWriteExt, BufReader, DuplexStream},
    sync::{Notify, mpsc, watch},
};

use super::{
    CallControl, ConnectOptions, Connection, Endpoint,
    protocol::{PROTOCOL, tool},
};
use crate::domain::{Properties, ServerName, ToolName};

/// What the server does about one message, in order.
pub(super) enum Do {
    /// Answers with a result.
    Result(Value),
    /// Answers with a JSON-RPC error.
    Error(i64, &'static str),
    /// Answers with a tool result whose structured content this is.
    Structured(Value),
    /// Reports progress on the call.
    Progress,
    /// Sends any message or line, as it is.
    Raw(String),
    /// Waits for the test.
    Wait(Arc<Notify>),
    /// Waits for a while.
    Sleep(u64),
    /// Ends the connection.
    Die,
}

type Script = Arc<dyn Fn(&str, &Value) -> Vec<Do> + Send + Sync>;

/// The server. Clones are the same server; each stream is a new connection to it.
#[derive(Clone)]
pub(super) struct Fake {
    script: Script,
    seen: Arc<Mutex<Vec<Value>>>,
    changed: watch::Sender<()>,
    connections: Arc<AtomicUsize>,
}

impl Fake {
    /// `script` is given method (or the tool's name for a call) and the whole message; nothing means silence, except that handshake
    /// and listing have good answers.
    pub(super) fn new(script: impl Fn(&str, &Value) -> Vec<Do> + Send + Sync + 'static) -> Self {
        Self { script: Arc::new(script), seen: Arc::default(), changed: watch::channel(()).0, connections: Arc::default() }
    }

    pub(super) fn stream(&self) -> DuplexStream {
        let (ours, theirs) = tokio::io::duplex(64 * 1024);
        self.connections.fetch_add(1, Ordering::SeqCst);
        tokio::spawn(self.clone().serve(ours));
        theirs
    }

    pub(super) fn connections(&self) -> usize {
        self.connections.load(Ordering::SeqCst)
    }

    pub(super) fn connection(&self, options: ConnectOptions) -> Arc<Connection> {
        let this = self.clone();
        Connection::new(server("fake"), Endpoint::Local(Arc::new(move || Some(this.stream()))), options)
    }

    /// All messages with that method (or calls of that tool) so far.
    pub(super) fn seen(&self, what: &str) -> Vec<Value> {
        self.seen.lock().unwrap().iter().filter(|m| kind_of(m) == what).cloned().collect()
    }

    /// Waits until one has come.
    pub(super) async fn until(&self, what: &str) {
        let mut changed = self.changed.subscribe();
        tokio::time::timeout(Duration::from_secs(5), async {
            while self.seen(what).is_empty() {
                changed.changed().await.unwrap();
            }
        })
        .await
        .unwrap_or_else(|_| panic!("`{what}` did not come"));
    }

    async fn serve(self, stream: DuplexStream) {
        let (reader, mut writer) = tokio::io::split(stream);
        let (out, mut lines) = mpsc::unbounded_channel::<Option<String>>();
        let writing = async move {
            while let Some(Some(line)) = lines.recv().await {
                if writer.write_all((line + "\n").as_bytes()).await.is_err() {
                    return;
                }
            }
        };
        let reading = async {
            let mut messages = BufReader::new(reader).lines();
            while let Ok(Some(line)) = messages.next_line().await {
                let message: Value = serde_json::from_str(&line).unwrap();
                let steps = self.steps(&message);
                self.seen.lock().unwrap().push(message.clone());
                let _ = self.changed.send(());
                tokio::spawn(perform(steps, message, out.clone()));
            }
        };
        tokio::select! { () = writing => {}, () = reading => {} }
    }

    fn steps(&self, message: &Value) -> Vec<Do> {
        let steps = (self.script)(kind_of(message), message);
        if !steps.is_empty() {
            return steps;
        }
        match kind_of(message) {
            "initialize" => vec![Do::Result(json!({
                "protocolVersion": "2025-06-18",
                "capabilities": {"tools": {}, "resources": {"subscribe": true}},
                "serverInfo": {"name": "fake", "version": "1"},
            }))],
            "tools/list" => vec![Do::Result(json!({"tools": protocol_tools()}))],
            tool::HEALTH => vec![Do::Structured(health())],
            "ping_tool" => vec![Do::Structured(json!({"pong": true}))],
            _ => Vec::new(),
        }
    }
}

fn kind_of(message: &Value) -> &str {
    match message["method"].as_str() {
        Some("tools/call") => message["params"]["name"].as_str().unwrap_or("?"),
        Some(method) => method,
        None => "response",
    }
}

async fn perform(steps: Vec<Do>, message: Value, out: mpsc::UnboundedSender<Option<String>>) {
    let answer = |key: &str, value: Value| Some(json!({"jsonrpc": "2.0", "id": message["id"], key: value}).to_string());
    for step in steps {
        let line = match step {
            Do::Result(result) => answer("result", result),
            Do::Error(code, text) => answer("error", json!({"code": code, "message": text})),
            Do::Structured(value) => answer("result", json!({"content": [], "structuredContent": value})),
            Do::Progress => Some(
                json!({"jsonrpc": "2.0", "method": "notifications/progress", "params": {
                    "progressToken": message["params"]["_meta"]["progressToken"], "progress": 1}})
                .to_string(),
            ),
            Do::Raw(text) => Some(text.replace("$ID", &message["id"].to_string())),
            Do::Wait(gate) => {
                gate.notified().await;
                continue;
            }
            Do::Sleep(ms) => {
                tokio::time::sleep(Duration::from_millis(ms)).await;
                continue;
            }
            Do::Die => None,
        };
        let _ = out.send(line);
    }
}

pub(super) fn protocol_tools() -> Vec<Value> {
    let all = tool::REQUIRED.iter().chain([&tool::EVIDENCE]);
    all.map(|name| json!({"name": name, "description": "d", "inputSchema": {"type": "object"}})).collect()
}

pub(super) fn health() -> Value {
    json!({"protocol": PROTOCOL, "identity": "fake:one", "simulated": true, "health": "healthy", "message": "fine"})
}

pub(super) fn vlan(name: &str, id: &str) -> Value {
    json!({"id": id, "type": "network:vlan", "name": name, "status": "ready", "health": "healthy", "properties": {"tag": 50}, "outputs": {}})
}

pub(super) fn server(name: &str) -> ServerName {
    name.parse().unwrap()
}

pub(super) fn toolname(name: &str) -> ToolName {
    name.parse().unwrap()
}

pub(super) fn none() -> Properties {
    Properties::new()
}

/// Bounds in milliseconds.
pub(super) fn within(idle: u64, total: u64) -> CallControl {
    CallControl { idle: Duration::from_millis(idle), total: Duration::from_millis(total), cancel: Default::default() }
}
