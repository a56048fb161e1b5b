//! Resources as we want them, and the words for what happens to them.

use serde::{Deserialize, Serialize};

use super::{Address, Properties};

/// One resource of a template: what we want.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Resource {
    /// `server:type:name`.
    pub address: Address,
    /// The properties that we set. Strings may hold references.
    pub properties: Properties,
    /// Dependencies besides those that references make.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub depends_on: Vec<Address>,
    /// How it may be changed.
    #[serde(default, skip_serializing_if = "Lifecycle::is_default")]
    pub lifecycle: Lifecycle,
    /// How long to wait until it is ready.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub wait: Option<Wait>,
    /// Whether it is ours to manage.
    #[serde(default, skip_serializing_if = "Existing::is_managed")]
    pub existing: Existing,
}

/// Whether a resource is managed by us or only read.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Existing {
    /// We create, change and delete it.
    #[default]
    Managed,
    /// Someone else's: looked up by its properties (or its name) and only read.
    ReadOnly,
}

impl Existing {
    fn is_managed(&self) -> bool {
        *self == Self::Managed
    }
}

/// How a resource may be changed.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Lifecycle {
    /// Refuse any plan that deletes or replaces it.
    #[serde(default)]
    pub prevent_destroy: bool,
    /// On a replace, make the new one before the old one goes.
    #[serde(default)]
    pub create_before_destroy: bool,
    /// Top-level properties whose difference is no change.
    #[serde(default)]
    pub ignore_changes: Vec<String>,
}

impl Lifecycle {
    fn is_default(&self) -> bool {
        *self == Self::default()
    }
}

/// How long a step waits for its resource to be ready.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Wait {
    /// Seconds.
    #[serde(with = "seconds")]
    pub timeout: std::time::Duration,
}

mod seconds {
    use serde::{Deserialize, Deserializer, Serializer};
    pub fn serialize<S: Serializer>(d: &std::time::Duration, s: S) -> Result<S::Ok, S::Error> {
        s.serialize_f64(d.as_secs_f64())
    }
    pub fn deserialize<'de, D: Deserializer<'de>>(d: D) -> Result<std::time::Duration, D::Error> {
        std::time::Duration::try_from_secs_f64(f64::deserialize(d)?).map_err(serde::de::Error::custom)
    }
}

/// What a step does to its resource.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Action {
    /// `+`
    Create,
    /// `~`
    Update,
    /// `-/+`
    Replace,
    /// `-`
    Delete,
    /// `<=`: only looked up.
    Read,
    /// `=`: an existing one becomes ours.
    Adopt,
    /// `.`: dropped from the record; nothing is called.
    Forget,
    /// Nothing to do.
    Keep,
}

impl Action {
    /// The sign that stands before a step in a review.
    pub fn sign(self) -> &'static str {
        match self {
            Action::Create => "+",
            Action::Update => "~",
            Action::Replace => "-/+",
            Action::Delete => "-",
            Action::Read => "<=",
            Action::Adopt => "=",
            Action::Forget => ".",
            Action::Keep => " ",
        }
    }

    /// Whether a call of this action changes something on a server.
    pub fn is_mutating(self) -> bool {
        matches!(self, Action::Create | Action::Update | Action::Replace | Action::Delete)
    }
}

impl std::fmt::Display for Action {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.pad(match self {
            Action::Create => "create",
            Action::Update => "update",
            Action::Replace => "replace",
            Action::Delete => "delete",
            Action::Read => "read",
            Action::Adopt => "adopt",
            Action::Forget => "forget",
            Action::Keep => "keep",
        })
    }
}

/// How a step ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Outcome {
    /// The server did it.
    Done,
    /// The server refused, or the step could not be sent.
    Failed,
    /// Not started, because something before it did not end well or the run was stopped.
    Skipped,
    /// The call was sent and nobody knows what came of it.
    Unknown,
}

impl std::fmt::Display for Outcome {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.pad(match self {
            Outcome::Done => "done",
            Outcome::Failed => "failed",
            Outcome::Skipped => "skipped",
            Outcome::Unknown => "unknown",
        })
    }
}
