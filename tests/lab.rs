//! Real systems behind third-party servers. Each test runs only when its system is named in the environment, and says so when not.

mod aws;
mod cluster;
mod docker;
mod draft;
mod engine;
mod kubernetes;
mod opnsense;
mod postgres;
mod support;
mod three_systems;
mod watch;
mod wordpress;
