//! The words of Swell: names, addresses, references, values, resources, and the graph between them.
//!
//! Pure data. Nothing here touches a terminal, a clock, a file, a server or the environment.

pub mod canonical;

pub mod dependant;

pub mod graph;

pub mod name;

pub mod path;

pub mod reference;

pub mod resource;

pub mod schema;

pub mod slices;

pub mod substitute;

pub mod text;

pub use dependant::Dependant;
pub use name::{Address, DeploymentName, NameError, ParameterName, PatternName, ResourceName, ResourceType, ServerName, ToolName};
pub use path::PropertyPath;
pub use reference::{Reference, ReferenceError, Scope, Segment};
pub use resource::{Action, Existing, Lifecycle, Outcome, Resource, Wait};
pub use schema::TypeDef;

/// A JSON object, in the order in which it was written.
pub type Properties = serde_json::Map<String, serde_json::Value>;

/// An instant, always in UTC. Only `app.rs` reads the clock; everyone else is handed one.
pub type Timestamp = jiff::Timestamp;

/// Where time comes from. Tests hand in a fixed one.
pub trait Clock: Send + Sync + 'static {
    /// The current instant.
    fn now(&self) -> Timestamp;
}
