//! Four simulated MCP servers over one persistent world: an OPNsense firewall, an AWS account, a docker host and a Kubernetes cluster.
//!
//! They speak the cross-MCP protocol over real MCP, check references as the real systems do, and can be told to fail. Nothing of the
//! line imports them: to the engine they are servers like any other.

mod catalogue;

mod engine;

mod estate;

mod evidence;

mod fault;

mod rules;

mod server;

#[cfg(test)]
mod testing;

mod view;

mod world;

pub use catalogue::{SERVERS, type_table};
pub use fault::{Effect, Fault};
pub use server::{SandboxError, SandboxOptions, SandboxServer, serve_stdio, spawn_in_process};
pub use world::poke::Poke;
pub use world::{DEFAULT_SEED, World, WorldError};
