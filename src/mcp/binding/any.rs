//! A configured server of which nobody knows yet how it speaks: decided at its first use, by what it offers.

use std::sync::{Arc, PoisonError, RwLock};

use async_trait::async_trait;
use tokio::sync::Mutex;

use super::{BoundServer, Library};
use crate::{
    domain::{Action, Properties, ResourceName, ResourceType, ServerName, ToolName},
    mcp::{
        CallControl, CallError, Connection, Key, Live, NativeServer, ResourceServer, ServerEvidence, ServerHealth, Target, TypeTable,
        tools::speaks_protocol,
    },
};

/// Either the cross-MCP protocol, or a binding.
pub struct AnyServer {
    connection: Arc<Connection>,
    library: Arc<Library>,
    native: Arc<NativeServer>,
    deciding: Mutex<()>,
    decided: RwLock<Option<Decided>>,
}

/// How a server speaks, and at which epoch of the connection that was seen.
#[derive(Clone)]
struct Decided {
    epoch: (u64, u64),
    server: Arc<dyn ResourceServer>,
    binding: Option<String>,
}

impl AnyServer {
    /// Speaks over a connection. Nothing is sent yet.
    pub fn new(connection: Arc<Connection>, library: Arc<Library>) -> Self {
        let native = Arc::new(NativeServer::new(connection.clone()));
        Self { connection, library, native, deciding: Mutex::new(()), decided: RwLock::new(None) }
    }

    /// The connection beneath.
    pub fn connection(&self) -> &Arc<Connection> {
        &self.connection
    }

    /// The binding in front of it; `None` for a server that speaks the protocol, or while nobody knows.
    pub fn binding(&self) -> Option<String> {
        self.now().and_then(|d| d.binding)
    }

    fn now(&self) -> Option<Decided> {
        self.decided.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    async fn server(&self) -> Result<Arc<dyn ResourceServer>, CallError> {
        let _one = self.deciding.lock().await;
        if let Some(decided) = self.now()
            && decided.epoch == self.connection.epoch().await
        {
            return Ok(decided.server);
        }
        let tools = self.connection.tools().await?.tools;
        let epoch = self.connection.epoch().await;
        let (server, binding): (Arc<dyn ResourceServer>, _) = if speaks_protocol(&tools) {
            (self.native.clone(), None)
        } else if let Some(found) = self.library.fitting(&tools) {
            // The one that is there keeps what it knows.
            match self.now().filter(|d| d.binding.as_deref() == Some(found.name.as_str())) {
                Some(same) => (same.server, same.binding),
                None => (Arc::new(BoundServer::new(self.connection.clone(), found.clone())), Some(found.name.clone())),
            }
        } else {
            return Err(CallError::NotSent { server: self.name().clone(), reason: self.nothing_fits(&tools) });
        };
        *self.decided.write().unwrap_or_else(PoisonError::into_inner) = Some(Decided { epoch, server: server.clone(), binding });
        Ok(server)
    }

    fn nothing_fits(&self, tools: &[crate::mcp::tools::Tool]) -> String {
        let near = self.library.nearest(tools).map_or_else(String::new, |(binding, missing)| {
            format!("; the binding `{}` comes near, but the server has no {}", binding.name, missing.join(", "))
        });
        let count = tools.len();
        format!("it does not speak the cross-MCP protocol, and no binding fits its {count} tools{near} (see `swell bindings list`)")
    }
}

/// Stands for a tool while nobody knows which one it is.
#[expect(clippy::expect_used, reason = "a constant name is good")]
pub(super) fn unbound() -> ToolName {
    ToolName::new("unbound").expect("a name")
}

#[async_trait]
impl ResourceServer for AnyServer {
    fn name(&self) -> &ServerName {
        self.connection.name()
    }

    async fn target(&self) -> Result<Target, CallError> {
        self.server().await?.target().await
    }

    async fn types(&self) -> Result<Arc<TypeTable>, CallError> {
        self.server().await?.types().await
    }

    async fn read(&self, key: &Key) -> Result<Option<Live>, CallError> {
        self.server().await?.read(key).await
    }

    async fn read_many(&self, keys: &[Key]) -> Vec<Result<Option<Live>, CallError>> {
        match self.server().await {
            Ok(server) => server.read_many(keys).await,
            Err(error) => keys.iter().map(|_| Err(error.clone())).collect(),
        }
    }

    async fn list(&self, kind: Option<&ResourceType>) -> Result<Vec<Live>, CallError> {
        self.server().await?.list(kind).await
    }

    async fn create(
        &self,
        kind: &ResourceType,
        name: &ResourceName,
        properties: &Properties,
        key: &str,
        control: &CallControl,
    ) -> Result<Live, CallError> {
        self.server().await?.create(kind, name, properties, key, control).await
    }

    async fn update(&self, key: &Key, properties: &Properties, control: &CallControl) -> Result<Live, CallError> {
        self.server().await?.update(key, properties, control).await
    }

    async fn delete(&self, key: &Key, control: &CallControl) -> Result<(), CallError> {
        self.server().await?.delete(key, control).await
    }

    fn known_id(&self, kind: &ResourceType, name: &ResourceName, properties: &Properties) -> Option<String> {
        self.now()?.server.known_id(kind, name, properties)
    }

    fn max_calls(&self) -> Option<usize> {
        self.connection.max_calls()
    }

    async fn health(&self) -> Result<ServerHealth, CallError> {
        self.server().await?.health().await
    }

    async fn evidence(&self, key: &Key) -> Result<Vec<ServerEvidence>, CallError> {
        self.server().await?.evidence(key).await
    }

    fn tool(&self, kind: &ResourceType, action: Action) -> ToolName {
        self.now().map_or_else(unbound, |d| d.server.tool(kind, action))
    }
}
