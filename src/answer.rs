//! Answers to questions: what was found, what it rests on, and what would put it right. Data only; faces render it.

use serde::{Deserialize, Serialize};
use serde_json::Value;

pub mod servers;

pub mod watch;

/// An answer, with what it rests on.
#[derive(Debug, Clone, PartialEq, Default, Serialize)]
pub struct Answer {
    /// One sentence.
    pub headline: String,
    /// More lines; tables are already laid out as rows.
    pub lines: Vec<String>,
    /// What it rests on; findings name these ids.
    pub evidence: Vec<Evidence>,
    /// Causes, strongest first.
    pub findings: Vec<Finding>,
    /// A request that would put it right; it takes the same road as any other.
    pub proposal: Option<Proposal>,
    /// The same as data.
    pub data: Value,
}

/// Something that was seen.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Evidence {
    /// `J12` is an entry of the journal, `L3` something read live, `S1` a server's own words.
    pub id: String,
    /// Where it was seen.
    pub source: String,
    /// What. Text of servers is quoted and cleaned.
    pub text: String,
}

/// How sure a finding is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Strength {
    /// The evidence says it.
    Certain,
    /// The evidence points to it.
    Likely,
    /// It cannot be ruled out.
    Possible,
}

/// A cause.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Finding {
    /// One sentence.
    pub text: String,
    /// How sure it is.
    pub strength: Strength,
    /// What it rests on.
    pub evidence: Vec<String>,
}

/// A repair.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Proposal {
    /// What it would do.
    pub text: String,
    /// The deployment.
    pub deployment: String,
    /// The command that plans it.
    pub command: String,
}

/// One server in a list.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct ServerRow {
    /// Its name.
    pub name: String,
    /// `sandbox`, the command line, or the URL.
    pub reached_by: String,
    /// What it manages.
    pub identity: String,
    /// The MCP revision.
    pub protocol: String,
    /// `healthy`, `unhealthy`, `unreachable`.
    pub health: String,
    /// The server's words or ours.
    pub message: String,
    /// How many tools it offers.
    pub tools: usize,
}

/// Everything that is known about the connection to one server.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct ServerReport {
    /// Its row.
    pub server: ServerRow,
    /// Nothing is wrong with it.
    pub sound: bool,
    /// What was checked, and what came of it.
    pub checks: Vec<(String, String)>,
    /// The last lines of its standard error. Untrusted.
    pub stderr: Vec<String>,
}
