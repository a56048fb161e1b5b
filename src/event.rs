//! Everything that the engine says while it works. Faces render events; the engine owns no strings for the screen.
//!
//! Secrets are removed before an event is made, so no face can leak one.

use indexmap::IndexMap;
use serde::Serialize;
use serde_json::Value;

use crate::{
    diagnostic::Diagnostic,
    domain::{Action, Address, Dependant, DeploymentName, Outcome, PropertyPath, ServerName, Timestamp, ToolName},
};

/// One thing that happened. In JSON each is one line with a `event` field.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(tag = "event", rename_all = "kebab-case")]
pub enum Event {
    /// A word in passing: which parser answered, a server that is unreachable, a lock that was taken over.
    Notice {
        /// One line.
        text: String,
    },
    /// A problem that does not end the command.
    Warning {
        /// The problem.
        diagnostic: Box<Diagnostic>,
    },
    /// A long reading stage (refresh, connect) goes on.
    Working {
        /// `connecting`, `refreshing`, …
        what: &'static str,
        /// How many are through.
        done: usize,
        /// Of how many.
        total: usize,
    },
    /// A run began.
    RunStarted {
        /// Its id.
        run: String,
        /// Which deployment.
        deployment: DeploymentName,
        /// The plan's short name.
        plan: String,
        /// How many steps.
        steps: usize,
        /// In how many waves.
        waves: usize,
    },
    /// A step's call is sent.
    StepStarted {
        /// Number of the step.
        step: usize,
        /// Its wave, from 1.
        wave: usize,
        /// Which resource.
        address: Address,
        /// What.
        action: Action,
        /// The tool.
        tool: ToolName,
    },
    /// A step goes on.
    StepProgress {
        /// Number of the step.
        step: usize,
        /// Which resource.
        address: Address,
        /// Where it stands: `waiting until ready`, `unknown, reading back`, the server's own progress (cleaned).
        state: String,
        /// Since it began.
        elapsed_ms: u64,
    },
    /// A step ended.
    StepEnded {
        /// Number of the step.
        step: usize,
        /// Its wave, from 1.
        wave: usize,
        /// Which resource.
        address: Address,
        /// What.
        action: Action,
        /// How.
        outcome: Outcome,
        /// How long it took.
        elapsed_ms: u64,
        /// The server's words or ours, if it did not end well.
        #[serde(skip_serializing_if = "Option::is_none")]
        error: Option<String>,
    },
    /// Nothing new is started until the person lets it go on (`--hold-after`).
    Held {
        /// After which wave, from 1.
        wave: usize,
    },
    /// The person asked to stop.
    Stopping {
        /// 1: calls in flight may finish. 2: they are cancelled.
        stage: u8,
        /// How many calls are in flight.
        in_flight: usize,
    },
    /// A run ended.
    RunEnded {
        /// All about it.
        summary: Box<RunSummary>,
    },
    /// Something that is watched is not as it was.
    Watched {
        /// When it was seen.
        at: Timestamp,
        /// What was seen.
        #[serde(flatten)]
        sight: Box<Sight>,
    },
    /// The watch goes on: a sign of life.
    Watching {
        /// How many resources are watched.
        resources: usize,
        /// On how many servers.
        servers: usize,
        /// At how many of them it was looked already, or tried to: what changes from then on is told as a change.
        looked: usize,
        /// Servers that do not answer now.
        away: Vec<ServerName>,
        /// How many changes were told.
        changes: usize,
    },
    /// The watch is over.
    WatchEnded,
}

/// What kind of thing a watch saw.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Seen {
    /// A property is not as it is recorded, or is so again.
    Drift,
    /// A resource is gone.
    Gone,
    /// A resource is there again.
    Back,
    /// Where a resource stands in its life.
    Status,
    /// Whether a resource does its work.
    Health,
    /// A value that a server returns.
    Output,
    /// A server is away, is back, or is not the one that it was.
    Server,
    /// A resource cannot be read, or can be read again.
    Reading,
    /// A run made a new snapshot, which is what is watched from now on.
    Recorded,
}

impl Seen {
    /// In one word.
    pub fn word(self) -> &'static str {
        match self {
            Seen::Drift => "drift",
            Seen::Gone => "gone",
            Seen::Back => "back",
            Seen::Status => "status",
            Seen::Health => "health",
            Seen::Output => "output",
            Seen::Server => "server",
            Seen::Reading => "reading",
            Seen::Recorded => "recorded",
        }
    }
}

/// One thing that a watch saw.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Sight {
    /// What kind of thing.
    pub what: Seen,
    /// Whether all is well with it again, or for the first time.
    pub well: bool,
    /// Which deployment.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub deployment: Option<DeploymentName>,
    /// Which server.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub server: Option<ServerName>,
    /// Which resource.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub address: Option<Address>,
    /// Which of its properties or outputs.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub path: Option<PropertyPath>,
    /// What it was.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub before: Option<Value>,
    /// What it is.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub after: Option<Value>,
    /// One line. Words of servers are cleaned and bounded.
    pub text: String,
    /// Who uses what changed.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub dependants: Vec<Dependant>,
    /// Who depends on those.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub further: Vec<Dependant>,
}

impl Sight {
    /// One that says no more than its line.
    pub fn new(what: Seen, well: bool, text: String) -> Self {
        Self {
            what,
            well,
            deployment: None,
            server: None,
            address: None,
            path: None,
            before: None,
            after: None,
            text,
            dependants: Vec::new(),
            further: Vec::new(),
        }
    }
}

/// The end of a run: what is done, failed, unknown and not started, and what to do next.
#[derive(Debug, Clone, PartialEq, Default, Serialize)]
pub struct RunSummary {
    /// The run.
    pub run: String,
    /// The deployment.
    pub deployment: String,
    /// The snapshot that it made, if it changed anything.
    pub snapshot: Option<u64>,
    /// Steps by outcome, in the plan's order.
    pub done: Vec<Ended>,
    /// Those that failed.
    pub failed: Vec<Ended>,
    /// Those whose outcome nobody knows.
    pub unknown: Vec<Ended>,
    /// Those that were not started.
    pub skipped: Vec<Ended>,
    /// The person stopped it.
    pub interrupted: bool,
    /// The template's outputs; secrets as `‹secret›`.
    pub outputs: IndexMap<String, Value>,
    /// Resources that are there and do not work, with the server's words.
    pub unhealthy: Vec<(Address, String)>,
    /// The command that undoes it.
    pub undo: Option<String>,
    /// The command to go on with, if it did not end well.
    pub next: Option<String>,
    /// In all.
    pub elapsed_ms: u64,
}

/// A step in a summary.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Ended {
    /// Which resource.
    pub address: Address,
    /// What.
    pub action: Action,
    /// The server's words or ours; why it was skipped.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
}

/// Where events go.
pub trait Sink: Send + Sync {
    /// Takes one event. Must not block for long.
    fn emit(&self, event: Event);
}

/// Drops everything; for benches and for callers that only want the result.
pub struct Silent;

impl Sink for Silent {
    fn emit(&self, _: Event) {}
}
