//! A policy as it is written.

use serde::Deserialize;

use crate::{
    diagnostic::{Diagnostic, Source},
    domain::{Action, Properties},
    plan::Verdict,
};

/// The longest file of a policy, in bytes.
const LONGEST: usize = 256 * 1024;

/// How hard a policy is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Level {
    /// Not looked at; for turning a shipped policy off.
    Off,
    /// The person is told.
    Warn,
    /// The plan cannot be approved.
    Deny,
}

impl Level {
    /// The verdict when something is found.
    pub(super) fn verdict(self) -> Verdict {
        match self {
            Level::Off => Verdict::Pass,
            Level::Warn => Verdict::Warn,
            Level::Deny => Verdict::Deny,
        }
    }
}

/// A policy: what it is for, which steps it looks at, what it finds there.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Policy {
    /// Its name.
    #[serde(rename = "policy")]
    pub name: String,
    /// What it is for.
    pub description: String,
    /// How hard it is, unless a rule says otherwise.
    pub level: Level,
    /// Rules.
    pub rules: Vec<Rule>,
    /// Its own tests.
    #[serde(default)]
    pub tests: Vec<Case>,
}

/// A rule of a policy.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Rule {
    /// Globs over `server:type`; `*` stands for anything, colons included.
    #[serde(default = "anything")]
    pub types: Vec<String>,
    /// The actions that it looks at.
    #[serde(default = "making")]
    pub on: Vec<Action>,
    /// An expression that gives a list; `when` and `message` see each of its items as `item`.
    #[serde(default)]
    pub each: Option<String>,
    /// An expression; where it is true, something is found.
    pub when: String,
    /// What is found: a template.
    pub message: String,
    /// How hard this rule is.
    #[serde(default)]
    pub level: Option<Level>,
}

/// A test of a policy: one step and what is to come of it.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Case {
    /// The resource.
    pub address: String,
    /// What is done; a create if nothing is said.
    #[serde(default = "create")]
    pub action: Action,
    /// What is wanted; of a delete, what was there.
    #[serde(default)]
    pub properties: Properties,
    /// What was there.
    #[serde(default)]
    pub before: Properties,
    /// Names of sensitive properties.
    #[serde(default)]
    pub sensitive: Vec<String>,
    /// Whether deleting it loses data.
    #[serde(default)]
    pub holds_data: bool,
    /// `pass`, `warn` or `deny`.
    pub expect: Verdict,
    /// What the finding says, if anything is found.
    #[serde(default)]
    pub finding: Option<String>,
}

fn anything() -> Vec<String> {
    vec!["*".into()]
}

fn making() -> Vec<Action> {
    vec![Action::Create, Action::Update, Action::Replace, Action::Adopt]
}

fn create() -> Action {
    Action::Create
}

/// Reads a file and checks its expressions.
pub(super) fn parse(name: &str, text: &str) -> Result<Policy, Box<Diagnostic>> {
    let fail = |detail: String, source: Option<Source>| {
        Box::new(
            Diagnostic::error("policy::invalid", "A policy cannot be used").source(source).detail(detail).state("Nothing was planned."),
        )
    };
    if text.len() > LONGEST {
        return Err(fail(format!("`{name}` has {} bytes; a policy may have {LONGEST}.", text.len()), None));
    }
    let options = serde_saphyr::options! {
        strict_booleans: true,
        with_snippet: false,
        budget: serde_saphyr::budget! { max_depth: 32, max_nodes: 20_000, max_documents: 1 },
    };
    let policy: Policy = serde_saphyr::from_str_with_options(text, options).map_err(|e| {
        let at = e.location().and_then(|l| l.span().byte_offset());
        let source = at.map(|at| Source::locate(name, text, at as usize, 1, "here"));
        let message = e.without_snippet().to_string();
        fail(format!("`{name}`: {}.", message.lines().next().unwrap_or_default().trim_end_matches('.')), source)
    })?;
    let plain = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-';
    if policy.name.is_empty() || policy.name.len() > 64 || !policy.name.chars().all(plain) {
        return Err(fail(format!("`{name}`: a policy's name is made of small letters, digits and `-`."), None));
    }
    if policy.rules.is_empty() {
        return Err(fail(format!("`{name}`: the policy has no rule."), None));
    }
    for rule in &policy.rules {
        if let Err((what, why)) = super::check::compiles(rule) {
            let at = text.find(what.lines().next().unwrap_or(what));
            let source = at.map(|at| Source::locate(name, text, at, what.lines().next().map_or(1, |l| l.chars().count()), "here"));
            return Err(fail(format!("`{name}`: {why}."), source));
        }
    }
    Ok(policy)
}
