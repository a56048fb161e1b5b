//! One life of a connection, from the handshake until it is lost or closed, and what is known of the server in it.

use std::{
    collections::BTreeSet,
    sync::{Arc, Mutex as StdMutex, PoisonError},
    time::Duration,
};

use rmcp::{
    RoleClient,
    service::{Peer, RunningService},
};
use tokio::sync::Mutex;

use super::{
    error::last_words,
    handler::{Handler, Shared},
    process::Process,
    raw::Raw,
    tools::Tool,
    watch::Watched,
    wire::Ledger,
};

/// One life of a connection.
pub(crate) struct Session {
    pub(crate) peer: Peer<RoleClient>,
    pub(crate) handler: Handler,
    /// Only for byte streams; HTTP cannot know as much.
    pub(crate) ledger: Option<Arc<Ledger>>,
    pub(crate) process: Option<Process>,
    pub(crate) watched: Watched,
    pub(crate) raw: Arc<Raw>,
    /// The tools that this server wants to have called as tasks (up to 2025-11-25); known after its tools were listed.
    pub(super) as_tasks: StdMutex<BTreeSet<String>>,
    pub(super) client: Mutex<Option<RunningService<RoleClient, Handler>>>,
}

impl Session {
    pub(crate) fn shared(&self) -> &Arc<Shared> {
        self.handler.shared()
    }

    pub(crate) fn is_closed(&self) -> bool {
        self.peer.is_transport_closed()
    }

    /// Remembers which tools must be called as tasks, if the server is one of the older ones.
    pub(super) fn learn_tasks(&self, tools: &[Tool]) {
        // rmcp does not keep the capability of the older form; a tool that must be a task on a server that takes none cannot be called at all.
        if self.is_modern() {
            return;
        }
        let required = tools.iter().filter(|t| t.definition.pointer("/execution/taskSupport").is_some_and(|s| s == "required"));
        *self.as_tasks.lock().unwrap_or_else(PoisonError::into_inner) = required.map(|t| t.name.to_string()).collect();
    }

    /// Whether a tool must be called as a task of the older form.
    pub(super) fn calls_as_task(&self, tool: &str) -> bool {
        self.as_tasks.lock().unwrap_or_else(PoisonError::into_inner).contains(tool)
    }

    /// Whether the server speaks 2026-07-28 or newer.
    pub(crate) fn is_modern(&self) -> bool {
        self.peer.peer_info().is_some_and(|i| !i.protocol_version.has_initialize())
    }

    /// What is known about why it is in trouble: how the process ended and what it said, noise on stdout. Empty if nothing is.
    pub(crate) async fn trouble(&self) -> String {
        let mut parts = Vec::new();
        if let Some(process) = &self.process {
            if let Some(status) = process.ended_within(Duration::from_millis(if self.is_closed() { 500 } else { 0 })).await {
                parts.push(format!("the program ended ({status})"));
            }
            if let Some(words) = last_words(&process.stderr()) {
                parts.push(format!("its last words on stderr: {words}"));
            }
        }
        if let Some((count @ 1.., last)) = self.ledger.as_ref().map(|l| l.noise()) {
            parts.push(format!("{count} lines on stdout were no MCP messages, the last: {}", last.last().map_or("", String::as_str)));
        }
        if parts.is_empty() { String::new() } else { format!(" ({})", parts.join("; ")) }
    }

    /// Ends it, and the program behind it.
    pub(super) async fn close(&self) {
        if let Some(mut client) = self.client.lock().await.take() {
            let _ = client.close_with_timeout(Duration::from_secs(5)).await;
        }
        if let Some(process) = &self.process {
            process.stop().await;
        }
    }
}
