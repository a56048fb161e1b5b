//! The only integration test binary. A list of modules and nothing else; `docs::layers` fails when a file is missing here.
#![expect(clippy::unwrap_used, clippy::expect_used, reason = "a test that cannot go on has failed")]

mod support {
    pub mod authorization;
    pub mod env;
    pub mod far;
    pub mod notes;
    pub mod pty;
    pub mod watching;
}

mod engine;
mod lab;
mod wire {
    mod authorization;
    mod sandbox;
}

mod repl {
    mod answering;
    mod approving;
    mod asking;
    mod noticing;
    mod piping;
    mod stopping;
}

mod cli {
    mod apply;
    mod bindings;
    mod commands;
    mod concurrency;
    mod discover;
    mod eval;
    mod examples;
    mod exit_codes;
    mod json;
    mod login;
    mod plan;
    mod saved_plan;
    mod servers;
    mod watch;
}

mod bad_input {
    mod database;
    mod disk;
    mod files;
    mod models;
    mod servers;
}

mod docs {
    mod all_diagnostics;
    mod help_snapshot;
    mod layers;
    mod readme_commands;
    mod words;
}
