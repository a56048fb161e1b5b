//! The cross-MCP protocol on the wire: tool names, arguments and replies. `docs/protocol.md` is its specification.
//!
//! Both sides use these types: the client in `mcp/native` and the sandbox servers.

use serde::{Deserialize, Serialize};

use super::{Live, Refusal, ServerEvidence};
use crate::domain::{Properties, ResourceType, TypeDef};

/// The version of the protocol that `health_check` reports.
pub const PROTOCOL: &str = "cross-mcp/1";

/// Names of the tools. A server that offers all of [`tool::REQUIRED`] speaks the protocol.
pub mod tool {
    /// Which types there are.
    pub const LIST_TYPES: &str = "list_resource_types";
    /// One type's schema.
    pub const SCHEMA: &str = "get_resource_schema";
    /// Resources, all or of one type.
    pub const LIST: &str = "list_resources";
    /// One resource's state.
    pub const STATE: &str = "get_resource_state";
    /// One resource's outputs.
    pub const OUTPUTS: &str = "get_resource_outputs";
    /// Create.
    pub const CREATE: &str = "create_resource";
    /// Update.
    pub const UPDATE: &str = "update_resource";
    /// Delete.
    pub const DELETE: &str = "delete_resource";
    /// Wait until ready.
    pub const WAIT: &str = "wait_for_resource";
    /// Logs and events.
    pub const EVIDENCE: &str = "get_resource_evidence";
    /// The server's own health and identity.
    pub const HEALTH: &str = "health_check";
    /// What a server must offer to be spoken to natively.
    pub const REQUIRED: [&str; 8] = [LIST_TYPES, SCHEMA, LIST, STATE, CREATE, UPDATE, DELETE, HEALTH];
}

/// The URI under which a resource can be subscribed to: `swell://SERVER/TYPE/NAME`.
pub fn uri(server: &str, kind: &ResourceType, name: &str) -> String {
    format!("swell://{server}/{kind}/{name}")
}

/// Reply of `list_resource_types`.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct TypesReply {
    /// All types with their schemas, so that one call is enough.
    pub types: Vec<TypeDef>,
}

/// Arguments that name one resource. `id` wins over `name`.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct KeyArgs {
    /// Type.
    #[serde(rename = "type")]
    pub kind: ResourceType,
    /// Name.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// Id.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub id: Option<String>,
}

/// Arguments of `create_resource`.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct CreateArgs {
    /// Type.
    #[serde(rename = "type")]
    pub kind: ResourceType,
    /// Name.
    pub name: String,
    /// What we set.
    pub properties: Properties,
    /// The same key again gives the same resource and changes nothing.
    pub idempotency_key: String,
}

/// Arguments of `update_resource`.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct UpdateArgs {
    /// Which.
    #[serde(flatten)]
    pub key: KeyArgs,
    /// The whole of what we want; null unsets.
    pub properties: Properties,
}

/// Arguments of `wait_for_resource`.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct WaitArgs {
    /// Which.
    #[serde(flatten)]
    pub key: KeyArgs,
    /// Longest wait in seconds.
    pub timeout_seconds: u64,
}

/// Reply of create, update, state and wait. `resource` is null when there is none (only `get_resource_state` says so without an error).
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct ResourceReply {
    /// The resource.
    pub resource: Option<Live>,
}

/// Reply of `get_resource_outputs`: what others may refer to.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct OutputsReply {
    /// One per output that the type declares.
    pub outputs: Vec<OutputDef>,
}

/// One output of a resource.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct OutputDef {
    /// Name.
    pub name: String,
    /// Its JSON Schema.
    #[serde(default)]
    pub schema: serde_json::Value,
    /// Whether it is secret; then `value` is absent.
    #[serde(default)]
    pub sensitive: bool,
    /// Its value, once there is one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub value: Option<serde_json::Value>,
}

/// Reply of `delete_resource`.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct DeleteReply {
    /// Always true; that there was none is an error of the class `not_found`.
    pub deleted: bool,
}

/// Arguments of `list_resources`.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub struct ListArgs {
    /// Only this type.
    #[serde(rename = "type", default, skip_serializing_if = "Option::is_none")]
    pub kind: Option<ResourceType>,
    /// From a former reply.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cursor: Option<String>,
}

/// Reply of `list_resources`.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct ListReply {
    /// One page.
    pub resources: Vec<Live>,
    /// More, if set.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub next_cursor: Option<String>,
}

/// Reply of `get_resource_evidence`.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct EvidenceReply {
    /// Newest last.
    pub evidence: Vec<ServerEvidence>,
}

/// Reply of `health_check`.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct HealthReply {
    /// [`PROTOCOL`].
    pub protocol: String,
    /// What this server manages; stable over restarts.
    pub identity: String,
    /// Whether it is a simulation.
    #[serde(default)]
    pub simulated: bool,
    /// `healthy` or `unhealthy`.
    pub health: super::Health,
    /// One line.
    #[serde(default)]
    pub message: String,
}

/// An error: the tool result has `isError: true`, and this as structured content and as JSON in its text block.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct ErrorReply {
    /// What is wrong.
    pub error: ErrorBody,
}

/// The inside of an [`ErrorReply`].
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct ErrorBody {
    /// Which kind.
    pub class: Refusal,
    /// The words.
    pub message: String,
}
