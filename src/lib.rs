//! Swell: say what you want; it works out a plan over all your MCP servers, shows it, and rolls it out in waves.
//!
//! The modules stand in journey order. **A module may import only modules above it in this list**; `tests/docs/layers.rs` holds that.
//! The lines here are comments, since rustdoc would look for the links of a module's own text beside them, where nothing is in scope.
#![cfg_attr(test, expect(clippy::disallowed_methods, reason = "tests read the clock and switches of the environment"))]

// ── words ──

// The words: names, addresses, references, resources, the graph.
pub mod domain;

// What Swell says when something is wrong.
pub mod diagnostic;

// Everything the engine says while it works.
pub mod event;

// Answers to questions, as data.
pub mod answer;

// Secrets: where their values come from, and the one place that takes them out of what is written.
pub mod secret;

// A concrete list of resources: what a pattern generates, or what a user writes in a file.
pub mod template;

// YAML as a tree in which every node knows where it stands.
pub mod yaml;

// ── edges ──
// Models.
pub mod llm;

// The servers and their resources.
pub mod mcp;

// State: journal, snapshots, plans, locks.
pub mod store;

// ── the line ──

// Words in, frame out.
pub mod intent;

// Parametrised recipes.
pub mod pattern;

// What we want: from a snapshot, or nothing.
pub mod desired;

// A plan: steps in waves.
pub mod plan;

// The plan as a person is shown it.
pub mod review;

// Rules that a plan is held against.
pub mod policy;

// The one place where a plan becomes one that can run.
pub mod approval;

// Carrying out an approved plan.
pub mod apply;

// ── faces ──

// Simulated servers with a persistent world.
pub mod sandbox;

// Faces.
pub mod ui;

// ── shell ──

// Settings in layers.
pub mod config;

// What a person has reviewed about servers.
pub mod trust;

// Which of the registered servers may be used.
pub mod registry;

// The composition root.
pub mod app;

// THE LINE, top to bottom; start reading here.
pub mod flow;

// The read-only branch: query and troubleshoot.
pub mod inspect;

// Watching: what changes on the servers, as it changes.
pub mod watch;

// Servers: list, discover, review, add.
pub mod servers;

// Bindings as an operator makes them: drafted, and proven.
pub mod bindings;

/// One turn of the conversation.
// One turn of the conversation.
pub mod chat;

// Evals.
pub mod eval;

// The command line.
pub mod cli;

// Each command, as one short function.
pub mod commands;

// The conversation at the terminal.
pub mod repl;

// What surrounds a command.
pub mod shell;
