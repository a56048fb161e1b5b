//! A plan: steps in waves towards a template, with everything that a review shows and an apply needs. It cannot run by itself.
//!
//! `plan/refresh` asks the servers, `plan/diff` compares, `plan/build` makes the steps. The same inputs give the same bytes and the same digest: there is no time, no id and no randomness in it.

use indexmap::IndexMap;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::{
    domain::{Action, Address, DeploymentName, PropertyPath, ToolName},
    mcp::Target,
    store::{Recipe, Recorded, RunKind},
};

pub mod build;

pub mod diff;

pub mod refresh;

pub mod uses;

pub use uses::{OutputChange, Refreshed};

/// The version of the plan's format; a saved plan of another version is refused.
pub const FORMAT: u32 = 1;

/// What will be done, in what order. See [`crate::approval`] for what lets it run.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Plan {
    /// [`FORMAT`].
    pub format: u32,
    /// The deployment.
    pub deployment: DeploymentName,
    /// What for.
    pub kind: RunKind,
    /// The person's words, or the command.
    pub request: String,
    /// The snapshot on which it builds; 0 if there is none.
    pub base: u64,
    /// The servers that it calls, who they are and how their tools were pinned.
    pub targets: Vec<Target>,
    /// The steps; a step's number is its index.
    pub steps: Vec<Step>,
    /// `(a, b)`: step `a` must be done before step `b` starts.
    pub edges: Vec<(usize, usize)>,
    /// The steps in waves.
    pub waves: Vec<Vec<usize>>,
    /// Other people's resources that were looked up and whose values the steps use.
    pub reads: Vec<Lookup>,
    /// Resources that stay as they are.
    pub kept: Vec<Address>,
    /// Calls of former runs whose outcome was unknown, settled by reading back. Recorded when the plan is applied.
    pub settled: Vec<Settlement>,
    /// Resources that stay and of which a value that somebody uses is another one now. Recorded when the plan is applied.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub refreshed: Vec<Refreshed>,
    /// What changed behind Swell's back since the last run.
    pub drift: Vec<Drift>,
    /// Where the template came from.
    pub recipe: Recipe,
    /// The template's outputs, unresolved.
    pub outputs: IndexMap<String, Value>,
    /// What the pattern has to say about how it adapted.
    pub notes: Vec<String>,
    /// How each step could be undone.
    pub undo: Vec<Undo>,
    /// Parameters, with their value and who said it, for the review.
    pub parameters: Vec<ParameterNote>,
    /// What the policies say.
    pub policy: Vec<PolicyResult>,
    /// Secrets that do not exist yet and are made when the plan is applied.
    pub generate: Vec<String>,
}

/// One action on one resource: one call (and the wait after it).
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Step {
    /// Which resource.
    pub address: Address,
    /// Create, update, delete, adopt or forget. A replace is two steps.
    pub action: Action,
    /// Set on both steps of a replace: why.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub replace: Option<String>,
    /// The tool that is called; none for a forget or adopt.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tool: Option<ToolName>,
    /// The server's id, for update, delete and adopt.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub id: Option<String>,
    /// The idempotency key of an earlier attempt that may still arrive; a new attempt must use the same one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub key: Option<String>,
    /// Property by property.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub changes: Vec<Change>,
    /// The record that results, with what is known so far; none for a delete or forget.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub intended: Option<Recorded>,
    /// Properties that are sent as null because they were set before and are not wanted now.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub unset: Vec<String>,
    /// The record as it was, for a delete and for the undo.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub before: Option<Recorded>,
    /// It deletes data that no plan can bring back.
    #[serde(default)]
    pub loses_data: bool,
    /// Why it is done, if that is not plain from the changes ("no longer in the template", "gone from the server").
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub because: Option<String>,
}

/// One property's change.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Change {
    /// Which.
    pub path: PropertyPath,
    /// What it is.
    pub before: Shown,
    /// What it will be.
    pub after: Shown,
    /// It cannot be changed in place.
    #[serde(default)]
    pub forces_replace: bool,
}

/// A value in a review.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Shown {
    /// Not set.
    Absent,
    /// This value.
    Value(Value),
    /// A secret; never shown.
    Secret,
    /// Known after the apply; the expression as it was written.
    AfterApply(Value),
    /// A value that a server gave (untrusted), and which one.
    From {
        /// The resource that gave it.
        address: Address,
        /// The value.
        value: Value,
    },
}

/// A resource that is only read.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Lookup {
    /// As it was written.
    pub address: Address,
    /// Where it was found: another deployment, or live on its server.
    pub found_in: Option<DeploymentName>,
    /// The server's id.
    pub id: String,
    /// The values that the plan uses: path to value.
    pub used: IndexMap<String, Value>,
}

/// An unknown outcome that reading back settled.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Settlement {
    /// The journal's entry of the attempt.
    pub entry: i64,
    /// Which resource.
    pub address: Address,
    /// What was tried.
    pub action: Action,
    /// What it turned out to be; none if it is not there.
    pub resource: Option<Recorded>,
    /// One line for people.
    pub how: String,
}

/// A difference between recorded and live.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Drift {
    /// Which resource.
    pub address: Address,
    /// It is gone.
    pub gone: bool,
    /// Property by property: recorded, live.
    pub changes: Vec<Change>,
    /// Values that somebody uses and that are not the recorded ones, with whoever uses them.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub outputs: Vec<OutputChange>,
    /// It is there and does not work: the server's words.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub unhealthy: Option<String>,
}

impl Drift {
    /// A resource that is gone.
    pub fn gone(address: &Address) -> Self {
        Self { address: address.clone(), gone: true, changes: Vec::new(), outputs: Vec::new(), unhealthy: None }
    }

    /// Whether it says nothing.
    pub fn is_nothing(&self) -> bool {
        !self.gone && self.changes.is_empty() && self.outputs.is_empty() && self.unhealthy.is_none()
    }
}

/// How a step could be undone.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Undo {
    /// By this action.
    By(Action),
    /// Not at all: why.
    Not(String),
    /// There is nothing to undo.
    Nothing,
}

/// A parameter in a review.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ParameterNote {
    /// Its name; nested ones are dotted.
    pub name: String,
    /// Its value; secrets are shown as such.
    pub value: Shown,
    /// `said`, `context`, `default`, `generated`, `assumed`, `given`.
    pub from: String,
    /// The words, the reason, the model.
    pub why: String,
}

/// What one policy says of the plan.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PolicyResult {
    /// Which policy.
    pub policy: String,
    /// `pass`, `warn` or `deny`.
    pub verdict: Verdict,
    /// What is wrong and where; empty for a pass.
    #[serde(default)]
    pub findings: Vec<String>,
}

/// A policy's verdict.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Verdict {
    /// Nothing to say.
    Pass,
    /// The person should know.
    Warn,
    /// The plan cannot be approved.
    Deny,
}

/// How many steps of each kind: what the last line of a review says.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize)]
pub struct Counts {
    /// To add.
    pub add: usize,
    /// To change.
    pub change: usize,
    /// To replace.
    pub replace: usize,
    /// To destroy.
    pub destroy: usize,
    /// To adopt.
    pub adopt: usize,
    /// To forget.
    pub forget: usize,
    /// Unchanged.
    pub keep: usize,
}

impl Plan {
    /// Canonical bytes: keys sorted, no white space.
    pub fn bytes(&self) -> Vec<u8> {
        let value = serde_json::to_value(self).unwrap_or(Value::Null);
        crate::domain::canonical::canonical(&value).into_bytes()
    }

    /// `sha256:…` over [`Plan::bytes`].
    pub fn digest(&self) -> String {
        format!("sha256:{}", crate::domain::canonical::sha256_hex(&self.bytes()))
    }

    /// The short name that people see: `p-7f3c2a`.
    pub fn short(&self) -> String {
        format!("p-{}", &self.digest()[7..13])
    }

    /// Whether there is nothing to do.
    pub fn is_empty(&self) -> bool {
        self.steps.is_empty() && self.settled.is_empty() && self.refreshed.is_empty()
    }

    /// How many steps of each kind.
    pub fn counts(&self) -> Counts {
        let mut c = Counts { keep: self.kept.len(), ..Counts::default() };
        for step in &self.steps {
            match (step.action, step.replace.is_some()) {
                (Action::Create, true) => c.replace += 1,
                (Action::Create, false) => c.add += 1,
                (Action::Update, _) => c.change += 1,
                (Action::Delete, false) => c.destroy += 1,
                (Action::Adopt, _) => c.adopt += 1,
                (Action::Forget, _) => c.forget += 1,
                (Action::Delete, true) | (Action::Read | Action::Keep | Action::Replace, _) => {}
            }
        }
        c
    }

    /// Whether it deletes or replaces anything: such a plan wants the deployment's name typed when data is lost, and `--max-destroy`.
    pub fn destroys(&self) -> usize {
        self.steps.iter().filter(|s| s.action == Action::Delete).count()
    }

    /// The steps that lose data.
    pub fn losses(&self) -> impl Iterator<Item = &Step> {
        self.steps.iter().filter(|s| s.loses_data)
    }

    /// The wave of a step, from 1.
    pub fn wave_of(&self, step: usize) -> usize {
        self.waves.iter().position(|w| w.contains(&step)).map_or(0, |w| w + 1)
    }
}
