//! The only integration test binary.
#![expect(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

mod engine;
mod repl;
mod support;
mod wire {
    mod sandbox;
}
