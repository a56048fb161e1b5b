//! What is told about registered servers: the list, what other clients know, and what a person must see before a yes.

use serde::Serialize;

/// One entry in the list of servers.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Listed {
    /// Its name.
    pub name: String,
    /// Its name where it was found, if that is another one. Untrusted text.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub called: Option<String>,
    /// Whose file it stands in.
    pub from: String,
    /// The file and line.
    pub place: String,
    /// `stdio`, `http` or `sandbox`.
    pub transport: String,
    /// The program, or the URL without its secrets.
    pub reached_by: String,
    /// The entry that has the name instead, if another one has.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub shadowed_by: Option<String>,
    /// Entries that this one keeps from their name.
    pub shadows: Vec<String>,
    /// `built-in`, `operator`, `reviewed`, `quarantined`, `shadowed`, `disabled`, `unusable`.
    pub trust: String,
    /// Why, and what to do.
    pub note: String,
    /// The MCP revision that was agreed on; empty if it was not asked.
    pub protocol: String,
    /// How many tools it offers; none if it was not asked.
    pub tools: Option<usize>,
    /// `healthy`, `unhealthy`, `unknown`, `unreachable`, or `-` if it was not asked.
    pub health: String,
    /// How long its answer took, in milliseconds; none if it gave none.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub latency_ms: Option<u64>,
    /// What it manages.
    pub identity: String,
    /// The server's words or ours.
    pub message: String,
    /// What is not as the card says that named it; empty if it was not asked.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub differs: Vec<String>,
}

/// A list of servers, and what is wrong with it.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Listing {
    /// The entries, strongest first.
    pub servers: Vec<Listed>,
    /// Names that a person would take for one another.
    pub lookalikes: Vec<Vec<String>>,
}

/// What another client knows.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Offer {
    /// Its row in the list.
    pub server: Listed,
    /// What `swell servers add` would write, without a single value of a variable or header.
    pub would_add: String,
    /// What else to know.
    pub notes: Vec<String>,
}

/// How a server is started, for a person to look at. Everything is whole; hidden characters are visible.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Sheet {
    /// Its name.
    pub name: String,
    /// Its name where it was found.
    pub called: String,
    /// Whose file.
    pub from: String,
    /// File and line.
    pub place: String,
    /// The program.
    pub command: Option<String>,
    /// Each argument on its own.
    pub args: Vec<String>,
    /// In which folder it runs.
    pub folder: Option<String>,
    /// Names of the variables that are set for it. Never values.
    pub variables: Vec<String>,
    /// The URL; what could be a key in it is hidden.
    pub url: Option<String>,
    /// Names of the headers. Never values.
    pub headers: Vec<String>,
    /// What is not as it was reviewed: what, old, new.
    pub changes: Vec<(String, Option<String>, Option<String>)>,
    /// What a person should look at twice.
    pub warnings: Vec<String>,
    /// What the yes is bound to.
    pub digest: String,
}

/// The tools of a server, for a person to look at.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct ToolSheet {
    /// The server.
    pub name: String,
    /// Their names.
    pub tools: Vec<String>,
    /// What differs from the last review, one line each, with hidden characters visible.
    pub changes: Vec<String>,
    /// What a person should look at twice.
    pub warnings: Vec<String>,
    /// What the yes is bound to.
    pub digest: String,
}

/// What came of a review.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct ReviewOutcome {
    /// How it is started.
    pub sheet: Sheet,
    /// Its tools, if it was started.
    pub tools: Option<ToolSheet>,
    /// `reviewed`, `unchanged`, `declined`.
    pub outcome: String,
}
