//! Swell: say what you want; it works out a plan over all your MCP servers, shows it, and rolls it out in waves.
//!
//! The modules stand in journey order. **A module may import only modules above it in this list**; `tests/docs/layers.rs` holds that.

/// The words: names, addresses, references, resources, the graph.
pub mod domain;

/// What Swell says when something is wrong.
pub mod diagnostic;

/// Secrets: where their values come from, and the one place that takes them out of what is written.
pub mod secret;

/// A concrete list of resources: what a pattern generates, or what a user writes in a file.
pub mod template;

/// The servers and their resources.
pub mod mcp;

/// State: journal, snapshots, plans, locks.
pub mod store;

/// Words in, frame out.
pub mod intent;

/// Simulated servers with a persistent world.
pub mod sandbox;
