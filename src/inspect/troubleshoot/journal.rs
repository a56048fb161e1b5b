//! What the journal says went wrong: the last call about each resource, if it failed or if nobody knows what came of it.

use std::collections::{BTreeMap, BTreeSet};

use crate::{
    app::App,
    diagnostic::Failure,
    domain::{Action, Address, DeploymentName, Outcome, ToolName},
    store::{Entry, EntryBody, EntryFilter, Run, RunKind},
    template::Template,
};

use super::super::words::guest;

/// A step that did not end well and that nothing later made good.
#[derive(Debug, Clone)]
pub(super) struct Bad {
    /// The entry that says how it ended.
    pub(super) entry: i64,
    /// The entry of its begin; 0 if nothing was sent.
    pub(super) began: i64,
    /// When.
    pub(super) at: String,
    /// Which resource.
    pub(super) address: Address,
    /// What was tried.
    pub(super) action: Action,
    /// Failed or unknown.
    pub(super) outcome: Outcome,
    /// The server's words, cleaned.
    pub(super) error: String,
    /// The tool that was called.
    pub(super) tool: Option<ToolName>,
}

impl Bad {
    /// Whether the same call may get another answer when nothing is changed: the words are those of a passing trouble.
    pub(super) fn may_pass(&self) -> bool {
        const PASSING: [&str; 14] = [
            "throttl",
            "rate exceed",
            "rate limit",
            "too many requests",
            "timeout",
            "timed out",
            "temporar",
            "unavailable",
            "try again",
            "could not be sent",
            "connection",
            "busy",
            "the run was stopped",
            "not ready after",
        ];
        let error = self.error.to_lowercase();
        self.outcome == Outcome::Unknown || PASSING.iter().any(|w| error.contains(w))
    }
}

/// What the journal has.
#[derive(Debug, Default)]
pub(super) struct Trail {
    /// Steps that did not end well, oldest first.
    pub(super) bad: Vec<Bad>,
    /// Steps of the last run that were not started.
    pub(super) skipped: Vec<Address>,
    /// The last entry of a run that was cut short.
    pub(super) cut: Option<(i64, String)>,
    /// A run goes on now.
    pub(super) going_on: bool,
}

/// Reads the trail of one deployment.
pub(super) async fn trail(app: &App, name: &DeploymentName, last: Option<&Run>, interrupted: bool) -> Result<Trail, Failure> {
    let entries = app.store().entries(&EntryFilter { deployment: Some(name.clone()), ..EntryFilter::default() }).await?;
    let mut trail = Trail { bad: fold(app, &entries), ..Trail::default() };
    if let Some(run) = last {
        let of_run: Vec<&Entry> = entries.iter().filter(|e| e.run == run.header.id).collect();
        trail.skipped = of_run
            .iter()
            .filter_map(|e| match &e.body {
                EntryBody::StepEnded { outcome: Outcome::Skipped, address, .. } => Some(address.clone()),
                _ => None,
            })
            .collect();
        if interrupted {
            trail.cut = of_run.last().map(|e| (e.number, super::super::words::when(e.at)));
        } else {
            trail.going_on = run.end.is_none();
        }
    }
    Ok(trail)
}

/// The last word about each resource.
fn fold(app: &App, entries: &[Entry]) -> Vec<Bad> {
    let mut tools: BTreeMap<i64, ToolName> = BTreeMap::new();
    let mut last: BTreeMap<Address, Bad> = BTreeMap::new();
    for entry in entries {
        match &entry.body {
            EntryBody::StepBegan { tool, .. } => {
                tools.insert(entry.number, tool.clone());
            }
            EntryBody::StepEnded { began, address, action, outcome, error, .. } => match outcome {
                Outcome::Done => {
                    last.remove(address);
                }
                Outcome::Skipped => {}
                Outcome::Failed | Outcome::Unknown => {
                    let bad = Bad {
                        entry: entry.number,
                        began: *began,
                        at: super::super::words::when(entry.at),
                        address: address.clone(),
                        action: *action,
                        outcome: *outcome,
                        error: guest(app, error.as_deref().unwrap_or("no reason was given"), 400),
                        tool: tools.get(began).cloned(),
                    };
                    last.insert(address.clone(), bad);
                }
            },
            EntryBody::Settled { address, .. } | EntryBody::Forgotten { address, .. } => {
                last.remove(address);
            }
            EntryBody::Adopted { resource } => {
                last.remove(&resource.address);
            }
            // A run towards another template makes what failed before a thing of the past, unless it failed again.
            EntryBody::RunBegan { header } => {
                if let (true, Ok(template)) =
                    (header.kind != RunKind::Refresh, serde_json::from_value::<Template>(header.recipe.template.clone()))
                {
                    let kept: BTreeSet<&Address> = template.resources.iter().map(|r| &r.address).collect();
                    last.retain(|a, b| b.outcome == Outcome::Unknown || kept.contains(a));
                }
            }
            EntryBody::Refreshed { .. } | EntryBody::RunEnded { .. } => {}
        }
    }
    let mut all: Vec<Bad> = last.into_values().collect();
    all.sort_by_key(|b| b.entry);
    all
}
