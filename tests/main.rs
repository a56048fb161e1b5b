//! The only integration test binary.
#![expect(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

mod engine;
mod lab;
mod wire {
    mod sandbox;
}
