//! A review: the plan as a person is shown it, and the person's answer.
//!
//! Faces render a [`Review`] (text, JSON, graph) and implement [`Human`]. What a person may answer is closed: only [`Answer::Yes`] approves.

use async_trait::async_trait;
use serde::Serialize;

use crate::{
    diagnostic::Diagnostic,
    domain::{Address, DeploymentName},
    intent::Question,
    mcp,
    plan::{Counts, Plan},
};

/// A plan and what stands around it.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Review {
    /// The plan.
    pub plan: Plan,
    /// Its digest; the approval is bound to it.
    pub digest: String,
    /// How many steps of each kind.
    pub counts: Counts,
    /// How long it can be approved, in minutes.
    pub valid_minutes: u64,
    /// Which parser understood the request, if there was one.
    pub parser: Option<String>,
    /// Problems that do not stop it.
    pub warnings: Vec<Diagnostic>,
}

impl Review {
    /// Wraps a plan for showing.
    pub fn new(plan: Plan, parser: Option<String>, warnings: Vec<Diagnostic>) -> Self {
        Self { digest: plan.digest(), counts: plan.counts(), valid_minutes: VALID_MINUTES, parser, warnings, plan }
    }

    /// What the person must do besides saying yes.
    pub fn demand(&self) -> Demand {
        let lost: Vec<Address> = self.plan.losses().map(|s| s.address.clone()).collect();
        let whole = self.plan.kind == crate::store::RunKind::Destroy;
        if whole || !lost.is_empty() { Demand::TypeName { name: self.plan.deployment.clone(), lost } } else { Demand::Yes }
    }
}

/// How long a plan can be approved after it was shown.
pub const VALID_MINUTES: u64 = 30;

/// What an approval takes.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(rename_all = "kebab-case", tag = "demand")]
pub enum Demand {
    /// A yes.
    Yes,
    /// The deployment's name, typed.
    TypeName {
        /// The name to type.
        name: DeploymentName,
        /// Whose data is lost.
        lost: Vec<Address>,
    },
}

/// A person's answer to a review.
#[derive(Debug, PartialEq)]
pub enum Answer {
    /// Approved, by this press of a key.
    Yes(KeyPress),
    /// Not approved.
    No,
    /// Show every property of every step.
    Details,
    /// Show the graph.
    Graph,
    /// Change parameters: `(name, value as typed)`.
    Edit(Vec<(String, String)>),
    /// Write the plan to this file.
    Save(String),
    /// Anything else: not approved, and guidance for the next plan.
    Say(String),
}

/// Proof that a person pressed a key (or typed the name) on a terminal. Only a face can make one.
#[derive(Debug, PartialEq)]
pub struct KeyPress {
    how: String,
}

impl KeyPress {
    /// For faces only, right after reading the person's key on a real terminal.
    pub(crate) fn on_terminal(how: impl Into<String>) -> Self {
        Self { how: how.into() }
    }

    /// What was pressed, for the journal.
    pub fn how(&self) -> &str {
        &self.how
    }
}

/// What a [`KeyPress`] says when the deployment's name was typed.
pub fn typed(name: &str) -> String {
    format!("typed `{name}`")
}

/// The person at the other end of a face.
#[async_trait]
pub trait Human: Send + Sync {
    /// Whether there is someone to ask at all.
    fn present(&self) -> bool;

    /// Shows a review and waits for the answer. With nobody there the answer is [`Answer::No`].
    async fn approve(&self, review: &Review) -> Answer;

    /// Shows a review without asking.
    async fn show(&self, review: &Review, level: Level);

    /// Asks something; `None` if nobody answered.
    async fn ask(&self, question: &Question) -> Option<String>;

    /// Shows a text and waits until the person types `word` (for `yes`, a `y` is enough). With nobody there it is a no.
    async fn confirm(&self, _text: &str, _word: &str) -> bool {
        false
    }

    /// Puts a form of a server to the person. With nobody there it is declined.
    async fn fill(&self, _question: &mcp::Question, _form: &mcp::Form) -> mcp::Answer {
        mcp::Answer::Decline
    }

    /// Says why a page should be opened and which, and opens it after a yes. With nobody there it is a no.
    async fn visit(&self, _why: &str, _page: &mcp::Page) -> bool {
        false
    }

    /// Asks whether a run that was held after a wave shall go on. With nobody there it does not.
    async fn go_on(&self, _wave: usize) -> bool {
        false
    }
}

/// How much of a review is shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Level {
    /// One line for each step.
    Brief,
    /// Every property of every step.
    Details,
    /// The dependency graph.
    Graph,
}
