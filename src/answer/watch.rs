//! What is told at the end of a watch.

use std::collections::BTreeMap;

use serde::Serialize;

use crate::domain::{Address, DeploymentName, ServerName};

/// The end of a watch.
#[derive(Debug, Clone, PartialEq, Default, Serialize)]
pub struct Watched {
    /// How many resources were watched.
    pub resources: usize,
    /// On how many servers.
    pub servers: usize,
    /// For how long.
    pub elapsed_ms: u64,
    /// How many things were told.
    pub changes: usize,
    /// How many of each kind.
    pub kinds: BTreeMap<&'static str, usize>,
    /// Servers that did not answer at the end.
    pub away: Vec<ServerName>,
    /// What was not as recorded at the end, or not well.
    pub not_as_recorded: BTreeMap<DeploymentName, Vec<Address>>,
}
