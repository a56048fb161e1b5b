//! The servers: how the engine reaches resources, whatever an MCP server is like.
//!
//! The engine sees only [`ResourceServer`]: types, read, list, create, update, delete, health, evidence. One implementation speaks the
//! cross-MCP protocol natively (`mcp/native`); another puts a binding in front of any server's own tools. Only this module and its
//! children may name `rmcp`.

use std::{collections::BTreeMap, sync::Arc, time::Duration};

use async_trait::async_trait;
use futures::{StreamExt, stream};
use indexmap::IndexMap;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use tokio_util::sync::CancellationToken;

use crate::domain::{Properties, ResourceName, ResourceType, ServerName, ToolName, TypeDef};

pub mod auth;

pub mod binding;

pub mod protocol;

pub mod call;

pub mod card;

pub mod connection;

pub mod error;

pub mod form;

mod gate;

pub mod handler;

mod handshake;

pub mod http;

pub mod native;

pub mod nearby;

pub mod pins;

pub mod process;

mod raw;

pub mod reply;

#[expect(deprecated, reason = "servers still ask for sampling")]
pub mod sampling;

mod session;

mod task;

pub mod tools;

pub mod watch;

mod wire;

#[cfg(test)]
mod testing;

#[cfg(test)]
mod tests;

pub use binding::{AnyServer, BoundServer, Library};
pub use call::Effect;
pub use connection::{ConnectOptions, Connection, Endpoint, connect_all};
pub use error::ConnectError;
pub use form::Form;
pub use handler::{Answer, Ask, Notice, Page, Question, Wanted};
pub use native::NativeServer;

/// How many reads go to one server at the same time.
pub(crate) const READS_AT_ONCE: usize = 16;

/// Where a resource stands in its life, as its server says.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Status {
    /// Being made or changed.
    Pending,
    /// There and usable.
    Ready,
    /// There and not usable.
    Failed,
    /// Going away.
    Deleting,
}

/// Whether a resource does its work, as its server says.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Health {
    /// It does.
    Healthy,
    /// It does not.
    Unhealthy,
    /// The server does not say.
    #[default]
    Unknown,
}

/// A resource as its server shows it now.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Live {
    /// The server's own id; what update and delete need.
    pub id: String,
    /// Type.
    #[serde(rename = "type")]
    pub kind: ResourceType,
    /// Name.
    pub name: String,
    /// Where it stands.
    pub status: Status,
    /// Whether it works.
    #[serde(default)]
    pub health: Health,
    /// The server's words for a status or health that is not good. Untrusted text.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    /// The properties as they are now, the server's own defaults included.
    pub properties: Properties,
    /// Other ways to write a property that mean what is there: an id for a name, an alias for an address.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub other_forms: BTreeMap<String, Vec<Value>>,
    /// What the server adds: ids, addresses, ports.
    pub outputs: Properties,
    /// Changes whenever the resource does, if the server has such a thing.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub revision: Option<String>,
    /// The idempotency key with which it was created, if the server keeps it: proof that we made it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub created_by: Option<String>,
}

impl Live {
    /// Looks up an output, then a property; `id` and `name` are always there.
    pub fn lookup(&self, path: &crate::domain::PropertyPath) -> Option<Value> {
        lookup(&self.id, &self.name, &self.outputs, &self.properties, path)
    }
}

/// The one rule for what `${address.path}` means: an output, else a property, else `id` and `name`.
pub fn lookup(id: &str, name: &str, outputs: &Properties, properties: &Properties, path: &crate::domain::PropertyPath) -> Option<Value> {
    let head = path.head()?;
    if let Some(found) = outputs.get(head).or_else(|| properties.get(head)) {
        let rest = crate::domain::PropertyPath(path.0[1..].to_vec());
        return rest.get(found).cloned();
    }
    match (head, path.0.len()) {
        ("id", 1) => Some(Value::String(id.to_owned())),
        ("name", 1) => Some(Value::String(name.to_owned())),
        _ => None,
    }
}

/// What kind of refusal a server gave.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Refusal {
    /// There is one already.
    Exists,
    /// There is none.
    NotFound,
    /// The arguments are wrong.
    Invalid,
    /// Something else still needs it.
    InUse,
    /// Too fast; nothing was done.
    Throttled,
    /// Not allowed.
    Denied,
    /// Anything else.
    Other,
}

/// Why a call did not give what was asked. The three cases decide what the journal may say.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
pub enum CallError {
    /// It never reached the server: nothing was changed.
    #[error("the call to `{server}` could not be sent: {reason}")]
    NotSent {
        /// Which server.
        server: ServerName,
        /// Why, in our words.
        reason: String,
    },
    /// The server answered, and it was a no: nothing was changed, as far as the server says.
    #[error("`{server}` refused: {message}")]
    Refused {
        /// Which server.
        server: ServerName,
        /// Which tool was called.
        tool: ToolName,
        /// Which kind of no.
        class: Refusal,
        /// The server's exact words, stripped of control sequences and bounded. Untrusted text.
        message: String,
    },
    /// It was sent and not answered (timeout, lost connection, cancel): nobody knows.
    #[error("nobody knows what came of the call to `{server}`: {reason}")]
    Unknown {
        /// Which server.
        server: ServerName,
        /// Which tool was called.
        tool: ToolName,
        /// Why there was no answer, in our words.
        reason: String,
    },
}

impl CallError {
    /// The server's words, or ours.
    pub fn message(&self) -> &str {
        match self {
            CallError::NotSent { reason, .. } | CallError::Unknown { reason, .. } => reason,
            CallError::Refused { message, .. } => message,
        }
    }

    /// The same in one sentence, of a call that only asked: whether it was carried out without an answer is nobody's worry.
    pub fn of_question(&self) -> String {
        match self {
            CallError::Unknown { server, reason, .. } => format!("`{server}` did not answer: {reason}"),
            other => other.to_string(),
        }
    }

    /// Whether the server said that there is no such thing.
    pub fn is_not_found(&self) -> bool {
        matches!(self, CallError::Refused { class: Refusal::NotFound, .. })
    }
}

/// Bounds of one call.
#[derive(Debug, Clone)]
pub struct CallControl {
    /// Longest silence; progress from the server starts it anew.
    pub idle: Duration,
    /// Longest time in all.
    pub total: Duration,
    /// Cancelled on the second Ctrl-C: the call is cancelled over MCP and ends [`CallError::Unknown`].
    pub cancel: CancellationToken,
}

impl CallControl {
    /// Bounds for reading.
    pub fn read() -> Self {
        Self { idle: Duration::from_secs(30), total: Duration::from_secs(60), cancel: CancellationToken::new() }
    }
}

/// Which resource of a server is meant.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Key {
    /// Type.
    pub kind: ResourceType,
    /// Name.
    pub name: ResourceName,
    /// The server's id, when it is known; it wins over the name.
    pub id: Option<String>,
    /// What is wanted or recorded of it, as far as it is known: where a name alone does not say where to look (a region).
    pub hints: Properties,
}

impl Key {
    /// One by its name.
    pub fn named(kind: &ResourceType, name: &ResourceName) -> Self {
        Self { kind: kind.clone(), name: name.clone(), id: None, hints: Properties::new() }
    }

    /// The same, by its id.
    #[must_use]
    pub fn id(mut self, id: impl Into<Option<String>>) -> Self {
        self.id = id.into();
        self
    }

    /// The same, with what is known of it. What is yet to be known is left out.
    #[must_use]
    pub fn hints(mut self, properties: &Properties) -> Self {
        let known = |v: &Value| crate::domain::reference::references(v).is_empty();
        self.hints = properties.iter().filter(|(_, v)| known(v)).map(|(n, v)| (n.clone(), v.clone())).collect();
        self
    }
}

/// Who a server is, for the plan and for the check before each wave.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Target {
    /// Under which name it is registered.
    pub server: ServerName,
    /// What it says it manages: `sandbox:opnsense:fw1`, an AWS account and region, a cluster's id.
    pub identity: String,
    /// SHA-256 over the whole objects of all its tools, sorted by name.
    pub pin: String,
    /// Whether it is one of the built-in simulations.
    pub simulated: bool,
}

/// How a server as a whole is.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ServerHealth {
    /// Usable or not.
    pub health: Health,
    /// The server's words or ours.
    #[serde(default)]
    pub message: String,
    /// How long the answer took, in milliseconds.
    #[serde(default)]
    pub latency_ms: u64,
    /// What the server says it manages, as in its [`Target`]; empty if it did not come to that.
    #[serde(default)]
    pub identity: String,
}

/// One thing that a server can tell about a resource that is in trouble: a log line, an event.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ServerEvidence {
    /// `log`, `event`, `describe`.
    pub source: String,
    /// When, if the server says (RFC 3339).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub at: Option<String>,
    /// The text. Untrusted.
    pub text: String,
}

/// The types of one server, by name.
pub type TypeTable = BTreeMap<ResourceType, TypeDef>;

/// Types of all servers that answer.
pub type Types = BTreeMap<ServerName, Arc<TypeTable>>;

/// One server, as the engine sees it.
#[async_trait]
pub trait ResourceServer: Send + Sync {
    /// The name under which it is registered.
    fn name(&self) -> &ServerName;

    /// Who it is, read anew.
    async fn target(&self) -> Result<Target, CallError>;

    /// Its types. Kept after the first call.
    async fn types(&self) -> Result<Arc<TypeTable>, CallError>;

    /// One resource as it is now; `None` if there is none.
    async fn read(&self, key: &Key) -> Result<Option<Live>, CallError>;

    /// Several at once, in the order of the keys. A server that can only list is asked for each list once.
    async fn read_many(&self, keys: &[Key]) -> Vec<Result<Option<Live>, CallError>> {
        stream::iter(0..keys.len()).map(|n| self.read(&keys[n])).buffered(READS_AT_ONCE).collect().await
    }

    /// All resources, or those of one type.
    async fn list(&self, kind: Option<&ResourceType>) -> Result<Vec<Live>, CallError>;

    /// Creates one. `key` is the idempotency key; the same key again gives the same resource, where the server can do that.
    async fn create(
        &self,
        kind: &ResourceType,
        name: &ResourceName,
        properties: &Properties,
        key: &str,
        control: &CallControl,
    ) -> Result<Live, CallError>;

    /// Sets properties of one. `properties` is the whole of what we want; a property set to null is unset.
    async fn update(&self, key: &Key, properties: &Properties, control: &CallControl) -> Result<Live, CallError>;

    /// Deletes one. That there is none is a [`Refusal::NotFound`].
    async fn delete(&self, key: &Key, control: &CallControl) -> Result<(), CallError>;

    /// The id that a resource will have, if what is wanted tells it: a namespace and a name, say. `None` where the server gives out ids.
    fn known_id(&self, _kind: &ResourceType, _name: &ResourceName, _properties: &Properties) -> Option<String> {
        None
    }

    /// The most calls that it bears at the same time; `None` if nobody has said.
    fn max_calls(&self) -> Option<usize> {
        None
    }

    /// How the server is.
    async fn health(&self) -> Result<ServerHealth, CallError>;

    /// Logs and events about one resource, newest last. Empty if the server has none.
    async fn evidence(&self, key: &Key) -> Result<Vec<ServerEvidence>, CallError>;

    /// The tool that an action would call, for the review, the journal and diagnostics.
    fn tool(&self, kind: &ResourceType, action: crate::domain::Action) -> ToolName;
}

/// The registered servers, in the order of the configuration.
#[derive(Clone, Default)]
pub struct Servers {
    map: IndexMap<ServerName, Arc<dyn ResourceServer>>,
}

impl Servers {
    /// Adds one, or takes the place of the one with the same name.
    pub fn insert(&mut self, server: Arc<dyn ResourceServer>) {
        self.map.insert(server.name().clone(), server);
    }

    /// Looks one up.
    pub fn get(&self, name: &ServerName) -> Option<&Arc<dyn ResourceServer>> {
        self.map.get(name)
    }

    /// All of them.
    pub fn iter(&self) -> impl Iterator<Item = &Arc<dyn ResourceServer>> {
        self.map.values()
    }

    /// Their names.
    pub fn names(&self) -> impl Iterator<Item = &ServerName> {
        self.map.keys()
    }
}
