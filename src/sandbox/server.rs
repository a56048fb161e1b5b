//! One simulated MCP server: the cross-MCP protocol over [`rmcp`], for whichever of the four systems its name says.
//!
//! A server holds no state of its own besides the subscriptions of its client; all of it is in the [`World`]. Faults are met here and
//! nowhere else, so that the engine below stays a plain function of the world.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use rmcp::model::{
    CallToolRequestParams, CallToolResponse, CallToolResult, Implementation, ListResourceTemplatesResult, ListResourcesResult,
    ListToolsResult, PaginatedRequestParams, ProgressNotificationParam, ReadResourceRequestParams, ReadResourceResponse,
    ReadResourceResult, Resource, ResourceContents, ResourceTemplate, ResourceUpdatedNotificationParam, ServerCapabilities, ServerConfig,
    SubscribeRequestParams, SubscriptionFilter, UnsubscribeRequestParams,
};
use rmcp::service::{RequestContext, SubscriptionContext};
use rmcp::{ErrorData, Peer, RoleServer, ServerHandler, ServiceExt};
use tokio_util::sync::CancellationToken;

use super::catalogue::SERVERS;
use super::fault::Call;
use super::world::{DEFAULT_SEED, World, WorldError, digest};
use crate::mcp::protocol::ListArgs;

mod call;

mod cut;

mod tools;

mod watch;

use watch::Watches;

/// How often a server looks whether another process changed the world.
const POLL: Duration = Duration::from_millis(60);

/// How a sandbox server behaves besides what the world says.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct SandboxOptions {
    /// Whether calls take as long as they would in earnest.
    pub latency: bool,
}

/// Why a sandbox server ended otherwise than by its client leaving.
#[derive(Debug, thiserror::Error)]
pub enum SandboxError {
    /// There is no such server.
    #[error("there is no sandbox server `{name}`; there are {}", SERVERS.join(", "))]
    NoSuchServer {
        /// What was asked for.
        name: String,
    },
    /// The world cannot be used.
    #[error(transparent)]
    World(#[from] WorldError),
    /// The client and the server did not find together.
    #[error("the client did not complete the handshake: {reason}")]
    Handshake {
        /// What the protocol library says.
        reason: String,
    },
    /// A fault said so. The caller should end the process at once, without answering anything more.
    #[error("the sandbox server ended, as a fault demanded")]
    Died,
}

/// A simulated MCP server, for one connection.
#[derive(Clone)]
pub struct SandboxServer {
    name: &'static str,
    world: World,
    options: SandboxOptions,
    watches: Arc<Mutex<Watches>>,
    watching: Arc<Mutex<bool>>,
    stop: CancellationToken,
}

impl SandboxServer {
    /// A server for one of [`SERVERS`].
    pub fn new(name: &str, world: World) -> Result<Self, SandboxError> {
        Self::with_options(name, world, SandboxOptions::default())
    }

    /// As [`SandboxServer::new`], with options.
    pub fn with_options(name: &str, world: World, options: SandboxOptions) -> Result<Self, SandboxError> {
        let known = SERVERS.iter().find(|s| **s == name).ok_or_else(|| SandboxError::NoSuchServer { name: name.to_owned() })?;
        Ok(Self { name: known, world, options, watches: Arc::default(), watching: Arc::default(), stop: CancellationToken::new() })
    }

    /// Serves one client until it leaves, or until a fault ends the server.
    pub async fn serve_on<R, W>(self, reader: R, writer: W) -> Result<(), SandboxError>
    where
        R: tokio::io::AsyncRead + Send + Unpin + 'static,
        W: tokio::io::AsyncWrite + Send + Unpin + 'static,
    {
        let stop = self.stop.clone();
        let writer = cut::Cut::new(writer, stop.clone());
        let running =
            self.serve_with_ct((reader, writer), stop.clone()).await.map_err(|e| SandboxError::Handshake { reason: e.to_string() })?;
        let died = stop.clone();
        let ended = running.waiting().await;
        let by_fault = died.is_cancelled();
        stop.cancel(); // ends the watcher too
        match ended {
            Ok(_) if !by_fault => Ok(()),
            _ => Err(SandboxError::Died),
        }
    }

    /// What it manages: stable for each world and the same for its clones, different between worlds of different seeds.
    pub fn identity(&self) -> String {
        let what = match self.name {
            "opnsense" => "fw1",
            "aws" => "123456789012",
            "docker" => "host1",
            _ => "cluster1",
        };
        match self.world.seed() {
            DEFAULT_SEED => format!("sandbox:{}:{what}", self.name),
            seed => format!("sandbox:{}:{what}-{}", self.name, &digest(seed, &["identity"])[..8]),
        }
    }

    /// Never answers. Ends when the request is cancelled or the connection is gone.
    async fn silence(&self, context: &RequestContext<RoleServer>) -> ErrorData {
        tokio::select! {
            () = context.ct.cancelled() => {}
            () = self.stop.cancelled() => {}
        }
        ErrorData::internal_error("cancelled", None)
    }

    /// Breaks the connection, after which nothing is answered.
    fn hang_up(&self) {
        self.stop.cancel();
    }

    fn effects(&self, call: &Call<'_>) -> Result<Vec<super::fault::Hit>, WorldError> {
        if !self.world.may_have_faults() {
            return Ok(Vec::new());
        }
        self.world.faults(|file| file.hit(call))
    }

    /// The tools as they are defined now.
    fn tools(&self) -> Result<Vec<rmcp::model::Tool>, WorldError> {
        let mut tools = tools::tools(self.name);
        if self.world.may_have_faults() {
            self.world.faults(|file| {
                for tool in &mut tools {
                    if let Some(description) = file.changed_tool(self.name, &tool.name) {
                        tool.description = Some(description.to_owned().into());
                    }
                }
            })?;
        }
        Ok(tools)
    }

    /// The tools that a fault defines differently, and how: what a watcher compares.
    fn altered(&self) -> Vec<String> {
        if !self.world.may_have_faults() {
            return Vec::new();
        }
        let names = tools::NAMES;
        let found =
            self.world.faults(|file| names.iter().filter_map(|t| Some(format!("{t}: {}", file.changed_tool(self.name, t)?))).collect());
        found.unwrap_or_default()
    }

    fn watches(&self) -> std::sync::MutexGuard<'_, Watches> {
        self.watches.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Starts the one watcher of this connection.
    fn watch(&self, peer: Peer<RoleServer>) {
        let mut watching = self.watching.lock().unwrap_or_else(PoisonError::into_inner);
        if std::mem::replace(&mut *watching, true) {
            return;
        }
        let server = self.clone();
        tokio::spawn(async move {
            let mut tools = server.altered();
            loop {
                tokio::select! {
                    () = server.stop.cancelled() => return,
                    () = tokio::time::sleep(POLL) => {}
                }
                let changed = server.watches().changed(&server.world, server.name);
                for uri in changed {
                    let _ = peer.notify_resource_updated(ResourceUpdatedNotificationParam::new(uri)).await;
                }
                let now = server.altered();
                if now != tools {
                    tools = now;
                    let _ = peer.notify_tool_list_changed().await;
                }
                if peer.is_transport_closed() {
                    return;
                }
            }
        });
    }

    /// Waits as long as the real system would, with progress for whoever asked for it.
    async fn latency(&self, millis: u64, what: &str, context: &RequestContext<RoleServer>) {
        if !self.options.latency || millis == 0 {
            return;
        }
        let steps = millis.div_ceil(500);
        for step in 1..=steps {
            tokio::select! {
                () = context.ct.cancelled() => return,
                () = tokio::time::sleep(Duration::from_millis(millis / steps)) => {}
            }
            progress(context, step, Some(steps), what).await;
        }
    }
}

/// Tells the client that something goes on, if it asked to be told.
async fn progress(context: &RequestContext<RoleServer>, step: u64, total: Option<u64>, message: &str) {
    let Some(token) = context.meta.get_progress_token() else { return };
    let exact = |n: u64| f64::from(u32::try_from(n).unwrap_or(u32::MAX));
    let mut note = ProgressNotificationParam::new(token, exact(step)).with_message(message.to_owned());
    note.total = total.map(exact);
    let _ = context.peer.notify_progress(note).await;
}

fn broken(error: &WorldError) -> ErrorData {
    ErrorData::internal_error(error.to_string(), None)
}

impl ServerHandler for SandboxServer {
    fn get_info(&self) -> ServerConfig {
        let capabilities = ServerCapabilities::builder()
            .enable_tools()
            .enable_tool_list_changed()
            .enable_resources()
            .enable_resources_subscribe()
            .enable_resources_list_changed()
            .build();
        ServerConfig::new(capabilities)
            .with_server_info(Implementation::new(format!("swell-sandbox-{}", self.name), env!("CARGO_PKG_VERSION")))
            .with_instructions(format!(
                "SIMULATED {} for trying things out: nothing here exists outside the folder of the simulated world, and nothing costs money. \
                 Speaks the cross-MCP protocol (list_resource_types, create_resource, …). Identity: {}.",
                self.name,
                self.identity()
            ))
    }

    async fn list_tools(
        &self,
        _: Option<PaginatedRequestParams>,
        context: RequestContext<RoleServer>,
    ) -> Result<ListToolsResult, ErrorData> {
        if context.peer.peer_info().is_some_and(|i| i.protocol_version.has_initialize()) {
            self.watch(context.peer.clone());
        }
        self.tools().map(ListToolsResult::with_all_items).map_err(|e| broken(&e))
    }

    async fn call_tool(&self, request: CallToolRequestParams, context: RequestContext<RoleServer>) -> Result<CallToolResponse, ErrorData> {
        let (tool, arguments) = (request.name.into_owned(), request.arguments.unwrap_or_default());
        let result: CallToolResult = self.answer(&tool, arguments, &context).await?;
        Ok(result.into())
    }

    async fn list_resources(
        &self,
        request: Option<PaginatedRequestParams>,
        _: RequestContext<RoleServer>,
    ) -> Result<ListResourcesResult, ErrorData> {
        let args = ListArgs { kind: None, cursor: request.and_then(|r| r.cursor) };
        let page = super::engine::list(&self.world, self.name, &args).map_err(|p| ErrorData::internal_error(p.message, None))?;
        let describe = |live: &crate::mcp::Live| {
            Resource::new(watch::uri_of(self.name, live), live.name.clone())
                .with_description(format!("{} {} ({})", live.kind, live.name, live.id))
                .with_mime_type("application/json")
        };
        let mut result = ListResourcesResult::with_all_items(page.resources.iter().map(describe).collect());
        result.next_cursor = page.next_cursor;
        Ok(result)
    }

    async fn list_resource_templates(
        &self,
        _: Option<PaginatedRequestParams>,
        _: RequestContext<RoleServer>,
    ) -> Result<ListResourceTemplatesResult, ErrorData> {
        let base = format!("swell://{}/{{type}}/{{name}}", self.name);
        let all = vec![
            ResourceTemplate::new(base.clone(), "resource").with_description("State of one resource.").with_mime_type("application/json"),
            ResourceTemplate::new(format!("{base}/outputs"), "outputs")
                .with_description("Outputs of one resource.")
                .with_mime_type("application/json"),
        ];
        Ok(ListResourceTemplatesResult::with_all_items(all))
    }

    async fn read_resource(
        &self,
        request: ReadResourceRequestParams,
        _: RequestContext<RoleServer>,
    ) -> Result<ReadResourceResponse, ErrorData> {
        let missing = || ErrorData::resource_not_found(format!("there is no {}", request.uri), None);
        let watched = watch::parse(self.name, &request.uri).ok_or_else(missing)?;
        let live = watch::look(&self.world, self.name, &watched).ok_or_else(missing)?;
        let text = if watched.outputs_only { serde_json::to_string(&live.outputs) } else { serde_json::to_string(&live) };
        let text = text.map_err(|e| ErrorData::internal_error(e.to_string(), None))?;
        Ok(ReadResourceResult::new(vec![ResourceContents::text(text, request.uri.clone()).with_mime_type("application/json")]).into())
    }

    async fn subscribe(&self, request: SubscribeRequestParams, context: RequestContext<RoleServer>) -> Result<(), ErrorData> {
        if !self.watches().add(&self.world, self.name, &request.uri) {
            return Err(ErrorData::invalid_params(format!("`{}` is not swell://{}/TYPE/NAME", request.uri, self.name), None));
        }
        self.watch(context.peer.clone());
        Ok(())
    }

    async fn unsubscribe(&self, request: UnsubscribeRequestParams, _: RequestContext<RoleServer>) -> Result<(), ErrorData> {
        self.watches().remove(&request.uri);
        Ok(())
    }

    fn accepted_subscription_filter(&self, requested: &SubscriptionFilter) -> Option<SubscriptionFilter> {
        Some(requested.clone())
    }

    async fn listen(&self, context: SubscriptionContext) -> Result<(), ErrorData> {
        let mut watches = Watches::default();
        for uri in context.accepted().resource_subscriptions.iter().flatten() {
            watches.add(&self.world, self.name, uri);
        }
        let mut tools = self.altered();
        loop {
            tokio::select! {
                () = context.cancelled() => return Ok(()),
                () = self.stop.cancelled() => return Ok(()),
                () = tokio::time::sleep(POLL) => {}
            }
            for uri in watches.changed(&self.world, self.name) {
                let _ = context.sink().notify_resource_updated(uri).await;
            }
            let now = self.altered();
            if now != tools && context.accepted().tools_list_changed == Some(true) {
                let _ = context.sink().notify_tool_list_changed().await;
            }
            tools = now;
        }
    }
}

/// Serves one of the four servers on standard input and output until the client leaves.
///
/// After [`SandboxError::Died`] the caller should exit at once: standard input may still be blocked in a read.
pub async fn serve_stdio(name: &str, world_dir: impl AsRef<std::path::Path>, options: SandboxOptions) -> Result<(), SandboxError> {
    let server = SandboxServer::with_options(name, World::open(world_dir)?, options)?;
    let (reader, writer) = rmcp::transport::stdio_pipes();
    server.serve_on(reader, writer).await
}

/// Serves one of the four servers in a task of this process; the client gets the other end.
pub fn spawn_in_process(name: &str, world: World, options: SandboxOptions) -> Result<tokio::io::DuplexStream, SandboxError> {
    let server = SandboxServer::with_options(name, world, options)?;
    let (ours, theirs) = tokio::io::duplex(256 * 1024);
    let (reader, writer) = tokio::io::split(ours);
    tokio::spawn(async move {
        if let Err(error) = server.serve_on(reader, writer).await {
            tracing::debug!(%error, "a sandbox server ended");
        }
    });
    Ok(theirs)
}

#[cfg(test)]
#[path = "server_tests.rs"]
mod tests;
