//! The fold of journal entries into the recorded picture. Pure: equal entries give an equal picture, wherever the folding was begun.
//!
//! A step whose begin has no end is held as unsettled from its begin on, so the picture is right after every single entry.

use std::collections::BTreeMap;

use indexmap::IndexMap;
use serde_json::Value;

use crate::domain::{Action, Address, DeploymentName, Outcome, Timestamp};

use super::{Entry, EntryBody, Recipe, Recorded, RunEnd, RunHeader, RunId, RunKind, Snapshot, Unsettled};

/// Why a call without an answer in the journal is unsettled.
pub const INTERRUPTED: &str = "the run was interrupted";

/// The recorded picture of one deployment while entries are folded into it.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Fold {
    /// What is there.
    pub resources: BTreeMap<Address, Recorded>,
    /// Calls whose outcome nobody knows, by the entry of their begin.
    pub unsettled: BTreeMap<i64, Unsettled>,
    /// Where the template came from.
    pub recipe: Recipe,
    /// Values of the template's outputs.
    pub outputs: IndexMap<String, Value>,
    /// The last entry that was folded in, with its run and time.
    pub last: Option<(i64, RunId, Timestamp)>,
    /// What the run is for whose entries are being folded.
    kind: Option<RunKind>,
}

/// Folds entries, all of one deployment and in order, into what `base` holds. Entries that `base` has already are passed over.
pub fn fold<'a>(base: Option<&Snapshot>, entries: impl IntoIterator<Item = &'a Entry>) -> Fold {
    let mut folded = base.map(Fold::of).unwrap_or_default();
    entries.into_iter().for_each(|e| folded.add(e));
    folded
}

impl Fold {
    /// The picture that a snapshot holds.
    pub fn of(snapshot: &Snapshot) -> Self {
        Self {
            resources: snapshot.resources.clone(),
            unsettled: snapshot.unsettled.iter().map(|u| (u.entry, u.clone())).collect(),
            recipe: snapshot.recipe.clone(),
            outputs: snapshot.outputs.clone(),
            last: Some((snapshot.last_entry, snapshot.run.clone(), snapshot.at)),
            kind: None,
        }
    }

    /// Whether this is the same picture as the snapshot, whoever made it and when.
    pub fn is_like(&self, snapshot: Option<&Snapshot>) -> bool {
        match snapshot {
            None => self.resources.is_empty() && self.unsettled.is_empty() && self.recipe == Recipe::default() && self.outputs.is_empty(),
            Some(s) => {
                self.resources == s.resources
                    && self.unsettled.values().eq(&s.unsettled)
                    && self.recipe == s.recipe
                    && self.outputs == s.outputs
            }
        }
    }

    /// The snapshot that holds this picture; none if no entry was folded.
    pub fn into_snapshot(self, deployment: &DeploymentName, number: u64) -> Option<Snapshot> {
        let (last_entry, run, at) = self.last?;
        Some(Snapshot {
            deployment: deployment.clone(),
            number,
            run,
            at,
            last_entry,
            resources: self.resources,
            unsettled: self.unsettled.into_values().collect(),
            recipe: self.recipe,
            outputs: self.outputs,
        })
    }

    /// Folds one more entry in.
    pub fn add(&mut self, entry: &Entry) {
        if self.last.as_ref().is_some_and(|(number, ..)| *number >= entry.number) {
            return;
        }
        self.last = Some((entry.number, entry.run.clone(), entry.at));
        match &entry.body {
            EntryBody::RunBegan { header } => self.run_began(header),
            EntryBody::StepBegan { address, action, key, intended, .. } => {
                // A read that was cut short leaves nothing to settle.
                if action.is_mutating() {
                    let unsettled = Unsettled {
                        entry: entry.number,
                        run: entry.run.clone(),
                        action: *action,
                        address: address.clone(),
                        idempotency_key: key.clone(),
                        intended: intended.clone(),
                        reason: INTERRUPTED.to_owned(),
                    };
                    self.unsettled.insert(entry.number, unsettled);
                }
            }
            EntryBody::StepEnded { began, address, action, outcome, resource, error, .. } => {
                let begun = self.unsettled.remove(began);
                self.step_ended(entry, begun, (*action, *outcome), address, resource.as_ref(), error.as_deref());
            }
            EntryBody::Settled { began, address, resource, .. } => {
                self.unsettled.remove(began);
                match resource {
                    Some(r) => drop(self.resources.insert(address.clone(), r.clone())),
                    None => drop(self.resources.remove(address)),
                }
            }
            EntryBody::Forgotten { address, .. } => {
                self.resources.remove(address);
                self.unsettled.retain(|_, u| u.address != *address);
            }
            EntryBody::Adopted { resource } => {
                self.unsettled.retain(|_, u| u.address != resource.address);
                self.resources.insert(resource.address.clone(), (**resource).clone());
            }
            EntryBody::Refreshed { resource } => {
                // One that was dropped meanwhile does not come back by having been seen before.
                if let Some(there) = self.resources.get_mut(&resource.address) {
                    *there = (**resource).clone();
                }
            }
            EntryBody::RunEnded { end } => self.run_ended(end),
        }
    }

    fn run_began(&mut self, header: &RunHeader) {
        self.kind = Some(header.kind);
        // A run that has no template of its own (a refresh, an import, a destroy) leaves what the last one said.
        if header.recipe != Recipe::default() {
            self.recipe = header.recipe.clone();
        }
    }

    fn run_ended(&mut self, end: &RunEnd) {
        let keeps = end.interrupted || matches!(self.kind, Some(RunKind::Refresh | RunKind::Import | RunKind::Runbook));
        if !end.outputs.is_empty() || !keeps {
            self.outputs = end.outputs.clone();
        }
    }

    fn step_ended(
        &mut self,
        entry: &Entry,
        begun: Option<Unsettled>,
        (action, outcome): (Action, Outcome),
        address: &Address,
        resource: Option<&Recorded>,
        error: Option<&str>,
    ) {
        match outcome {
            Outcome::Unknown => {
                let mut unsettled = begun.unwrap_or_else(|| Unsettled {
                    entry: entry.number,
                    run: entry.run.clone(),
                    action,
                    address: address.clone(),
                    idempotency_key: String::new(),
                    intended: None,
                    reason: String::new(),
                });
                if let Some(resource) = resource {
                    unsettled.intended = Some(resource.clone());
                }
                unsettled.reason = error.unwrap_or("the server did not answer").to_owned();
                self.unsettled.insert(unsettled.entry, unsettled);
            }
            Outcome::Done => {
                if let Some(key) = begun.as_ref().map(|b| b.idempotency_key.as_str()).filter(|k| !k.is_empty()) {
                    // The same call, sent again under the same key, answers for the earlier one as well.
                    self.unsettled.retain(|_, u| u.address != *address || u.idempotency_key != key);
                }
                match action {
                    Action::Delete | Action::Forget => drop(self.resources.remove(address)),
                    Action::Create | Action::Update | Action::Replace | Action::Read | Action::Adopt | Action::Keep => {
                        // Done without a record: what was intended is the best that is known, and losing a created resource is worst.
                        let intended = begun.and_then(|b| b.intended);
                        if let Some(record) = resource.cloned().or(intended) {
                            self.resources.insert(address.clone(), record);
                        }
                    }
                }
            }
            // A server that fails may leave something behind: then the step says what.
            Outcome::Failed | Outcome::Skipped => {
                if let Some(record) = resource {
                    self.resources.insert(address.clone(), record.clone());
                }
            }
        }
    }
}
