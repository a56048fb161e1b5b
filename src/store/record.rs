//! What the store keeps, as data: entries of the journal, recorded resources, snapshots, runs, locks.

use std::collections::BTreeMap;

use indexmap::IndexMap;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::domain::{Action, Address, DeploymentName, Lifecycle, Outcome, Properties, Timestamp, ToolName, resource::Wait};

/// One attempt to carry out a plan.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct RunId(pub String);

impl std::fmt::Display for RunId {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.pad(&self.0)
    }
}

/// A resource as we recorded it after the last step that touched it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Recorded {
    /// `server:type:name`.
    pub address: Address,
    /// The server's id.
    pub id: String,
    /// What we wanted, as it was written: references stay references, secrets stay `${secret:NAME}`.
    pub desired: Properties,
    /// What we sent, references resolved; secrets stay `${secret:NAME}`.
    pub sent: Properties,
    /// What the server returned as properties when the step ended.
    pub properties: Properties,
    /// What the server returned as outputs.
    pub outputs: Properties,
    /// Dependencies, explicit and from references, within this deployment.
    #[serde(default)]
    pub depends_on: Vec<Address>,
    /// How it may be changed.
    #[serde(default)]
    pub lifecycle: Lifecycle,
    /// How long to wait for it.
    #[serde(default)]
    pub wait: Option<Wait>,
    /// The identity of the server that holds it.
    pub target: String,
    /// Names of sensitive top-level properties and outputs.
    #[serde(default)]
    pub sensitive: Vec<String>,
    /// Deleting it loses data.
    #[serde(default)]
    pub holds_data: bool,
    /// The key under which it was created.
    #[serde(default)]
    pub created_by: Option<String>,
}

/// A call whose outcome nobody knows, kept until a refresh settles it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Unsettled {
    /// The journal's entry of the attempt.
    pub entry: i64,
    /// The run.
    pub run: RunId,
    /// What was tried.
    pub action: Action,
    /// Which resource.
    pub address: Address,
    /// Under which key, for a create.
    pub idempotency_key: String,
    /// What the record would be if the call was done, without id, outputs and live properties.
    pub intended: Option<Recorded>,
    /// Why it is unknown.
    pub reason: String,
}

/// Where a deployment's template came from, so that it can be edited later.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
pub struct Recipe {
    /// The pattern, if it came from one.
    #[serde(default)]
    pub pattern: Option<String>,
    /// The pattern's version.
    #[serde(default)]
    pub pattern_version: Option<String>,
    /// All parameters, defaults included; secrets as `${secret:NAME}`.
    #[serde(default)]
    pub parameters: Value,
    /// Who said each parameter, by name: serialised [`crate::domain`]-free JSON that the face shows.
    #[serde(default)]
    pub provenance: Value,
    /// The whole template as it was applied (JSON of `template::Template`).
    #[serde(default)]
    pub template: Value,
}

/// The recorded picture of a deployment at one point.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Snapshot {
    /// The deployment.
    pub deployment: DeploymentName,
    /// Counts from 1; one for each run that changed something.
    pub number: u64,
    /// The run that made it.
    pub run: RunId,
    /// When.
    pub at: Timestamp,
    /// Number of the last journal entry that is folded in.
    pub last_entry: i64,
    /// What is there.
    pub resources: BTreeMap<Address, Recorded>,
    /// What nobody knows.
    #[serde(default)]
    pub unsettled: Vec<Unsettled>,
    /// Where the template came from.
    #[serde(default)]
    pub recipe: Recipe,
    /// Values of the template's outputs; secrets stay references.
    #[serde(default)]
    pub outputs: IndexMap<String, Value>,
}

/// Why a run was started.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum RunKind {
    /// Towards a template.
    Apply,
    /// Towards nothing.
    Destroy,
    /// Towards an older snapshot.
    Rollback,
    /// Towards the state before the last run.
    Undo,
    /// The rest of an interrupted run.
    Resume,
    /// A runbook.
    Runbook,
    /// Existing resources become ours.
    Import,
    /// Only what a refresh settled.
    Refresh,
}

/// What is known of a run when it begins.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct RunHeader {
    /// The run.
    pub id: RunId,
    /// The deployment.
    pub deployment: DeploymentName,
    /// Why.
    pub kind: RunKind,
    /// Digest of the plan.
    pub plan: String,
    /// The person's words, or the command.
    pub request: String,
    /// Who: `user@host`.
    pub who: String,
    /// How it was approved: `key press`, `--yes with a saved plan`, the operator's rule.
    pub approval: String,
    /// Where the template came from (it becomes the snapshot's recipe).
    pub recipe: Recipe,
    /// The template's outputs, unresolved.
    #[serde(default)]
    pub outputs: IndexMap<String, Value>,
    /// The snapshot on which it builds; 0 is none.
    pub base: u64,
}

/// How a run ended.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct RunEnd {
    /// Steps that are done.
    pub done: usize,
    /// Steps that failed.
    pub failed: usize,
    /// Steps that were not started.
    pub skipped: usize,
    /// Steps whose outcome nobody knows.
    pub unknown: usize,
    /// The person stopped it.
    pub interrupted: bool,
    /// The outputs, resolved; secrets stay references.
    #[serde(default)]
    pub outputs: IndexMap<String, Value>,
}

/// What an entry of the journal says.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "entry", rename_all = "kebab-case")]
pub enum EntryBody {
    /// A run began.
    RunBegan {
        /// All about it.
        header: RunHeader,
    },
    /// A step's call is about to be sent.
    StepBegan {
        /// Number of the step in the plan.
        step: usize,
        /// Which resource.
        address: Address,
        /// What it does.
        action: Action,
        /// The tool that is called.
        tool: ToolName,
        /// The idempotency key.
        key: String,
        /// What the record will be if it is done (without id and outputs); none for a delete.
        intended: Option<Recorded>,
    },
    /// A step ended.
    StepEnded {
        /// The entry of its begin, or 0 if nothing was sent (skipped, refused before sending).
        began: i64,
        /// Number of the step in the plan.
        step: usize,
        /// Which resource.
        address: Address,
        /// What it did.
        action: Action,
        /// How it ended.
        outcome: Outcome,
        /// The resource as it now is; none if it is gone or was never made.
        resource: Option<Recorded>,
        /// The server's exact words (scrubbed of secrets), or ours.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        error: Option<String>,
        /// How long the call took.
        #[serde(default)]
        elapsed_ms: u64,
    },
    /// A refresh settled a call whose outcome was unknown, or the person did (`adopt`, `forget`).
    Settled {
        /// The entry of the attempt's begin.
        began: i64,
        /// Which resource.
        address: Address,
        /// What it is now; none if it is not there.
        resource: Option<Recorded>,
        /// How that is known.
        how: String,
    },
    /// A resource was dropped from the record without a call, because it is gone or by the person's word.
    Forgotten {
        /// Which resource.
        address: Address,
        /// Why.
        why: String,
    },
    /// An existing resource became ours.
    Adopted {
        /// The record.
        resource: Box<Recorded>,
    },
    /// A refresh saw other outputs than were recorded; nothing was called for it.
    Refreshed {
        /// The record as it is now.
        resource: Box<Recorded>,
    },
    /// A run ended. A run without this entry was interrupted.
    RunEnded {
        /// How.
        end: RunEnd,
    },
}

/// One entry of the hash-chained journal.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Entry {
    /// Counts from 1 over all deployments.
    pub number: i64,
    /// When.
    pub at: Timestamp,
    /// Which deployment.
    pub deployment: DeploymentName,
    /// Which run.
    pub run: RunId,
    /// What.
    pub body: EntryBody,
    /// Hash of the entry before it.
    pub previous: String,
    /// SHA-256 over number, time, deployment, run, body and `previous`.
    pub hash: String,
}

/// A run in the history.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Run {
    /// How it began.
    pub header: RunHeader,
    /// When.
    pub began_at: Timestamp,
    /// When it ended; none while it runs or if it was interrupted.
    pub ended_at: Option<Timestamp>,
    /// How it ended.
    pub end: Option<RunEnd>,
    /// The snapshot that it made; none if it changed nothing.
    pub snapshot: Option<u64>,
}

/// Who holds the lock of a deployment.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Holder {
    /// `user@host`.
    pub who: String,
    /// Host name.
    pub host: String,
    /// Process.
    pub pid: u32,
    /// What for: `apply`, `destroy`, …
    pub what: String,
    /// Since when.
    pub since: Timestamp,
    /// The lease ends then unless it is renewed.
    pub lease: Timestamp,
}

/// A plan as it was shown: bytes and digest.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct StoredPlan {
    /// `sha256:…` over `bytes`.
    pub digest: String,
    /// The deployment.
    pub deployment: DeploymentName,
    /// Canonical bytes.
    pub bytes: Vec<u8>,
    /// When it was made.
    pub made_at: Timestamp,
    /// The run that used it; a plan is used once.
    pub used_by: Option<RunId>,
}
