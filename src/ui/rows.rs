//! A plan as a person counts it: one row for each resource that is touched, a replace folded into one.
//!
//! Shared by the review and the graph, so that both show the same rows in the same waves.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;

use crate::{
    domain::{Action, Address, Reference, Scope, reference},
    plan::{Change, Plan, Step, Undo},
};

/// One row.
#[derive(Debug, Clone, Copy)]
pub struct Row<'a> {
    /// What happens; the two steps of a replace are one [`Action::Replace`].
    pub action: Action,
    /// The wave in which it is done, from 1; of a replace, the wave of the create.
    pub wave: usize,
    /// The step's number; of a replace, the create's.
    pub index: usize,
    /// The step; of a replace, the create.
    pub step: &'a Step,
    /// The delete of a replace, with its number.
    pub delete: Option<(usize, &'a Step)>,
}

impl<'a> Row<'a> {
    /// Which resource.
    pub fn address(&self) -> &'a Address {
        &self.step.address
    }

    /// Whether data is lost.
    pub fn loses_data(&self) -> bool {
        self.step.loses_data || self.delete.is_some_and(|(_, d)| d.loses_data)
    }

    /// The changes; of a replace, those of the step that has them.
    pub fn changes(&self) -> &'a [Change] {
        match self.delete {
            Some((_, delete)) if self.step.changes.is_empty() => &delete.changes,
            _ => &self.step.changes,
        }
    }

    /// Whether a property may not be shown.
    pub fn is_sensitive(&self, property: &str) -> bool {
        let steps = [Some(self.step), self.delete.map(|(_, d)| d)];
        steps
            .into_iter()
            .flatten()
            .flat_map(|s| [s.intended.as_ref(), s.before.as_ref()])
            .flatten()
            .any(|r| r.sensitive.iter().any(|name| name == property))
    }

    /// Why it cannot be undone, if it cannot.
    pub fn not_undoable(&self, plan: &'a Plan) -> Option<&'a str> {
        let of = |index: usize| match plan.undo.get(index) {
            Some(Undo::Not(why)) => Some(why.as_str()),
            _ => None,
        };
        of(self.index).or_else(|| self.delete.and_then(|(n, _)| of(n)))
    }

    /// Whether there is anything that an undo would have to do.
    pub fn needs_undo(&self, plan: &Plan) -> bool {
        !matches!(plan.undo.get(self.index), Some(Undo::Nothing))
    }
}

/// A plan with what a face looks up again and again.
pub struct Rows<'a> {
    /// The plan.
    pub plan: &'a Plan,
    /// The rows, in the order of the waves.
    pub rows: Vec<Row<'a>>,
    makes: BTreeMap<&'a Address, usize>,
}

impl<'a> Rows<'a> {
    /// Folds a plan into rows.
    pub fn new(plan: &'a Plan) -> Self {
        let deletes: BTreeMap<&Address, (usize, &Step)> = plan
            .steps
            .iter()
            .enumerate()
            .filter(|(_, s)| s.action == Action::Delete && s.replace.is_some())
            .map(|(n, s)| (&s.address, (n, s)))
            .collect();
        let created: BTreeSet<&Address> = plan.steps.iter().filter(|s| is_replacing(s)).map(|s| &s.address).collect();
        let mut wave_of = vec![0; plan.steps.len()];
        let mut order = Vec::new();
        for (n, wave) in plan.waves.iter().enumerate() {
            for &step in wave.iter().filter(|s| **s < plan.steps.len()) {
                wave_of[step] = n + 1;
                order.push(step);
            }
        }
        // A step that stands in no wave is a fault of the planner; it is shown all the same.
        order.extend((0..plan.steps.len()).filter(|n| wave_of[*n] == 0));
        let folded = |s: &Step| s.action == Action::Delete && s.replace.is_some() && created.contains(&s.address);
        let rows: Vec<Row> = order
            .into_iter()
            .map(|n| (n, &plan.steps[n]))
            .filter(|(_, s)| !folded(s))
            .map(|(n, step)| {
                let delete = if is_replacing(step) { deletes.get(&step.address).copied() } else { None };
                let action = if is_replacing(step) { Action::Replace } else { step.action };
                Row { action, wave: wave_of[n], index: n, step, delete }
            })
            .collect();
        let makes = rows.iter().filter(|r| r.action.is_mutating()).map(|r| (r.address(), r.wave)).collect();
        Self { plan, rows, makes }
    }

    /// After which wave the references of a value are known; none if that cannot be said.
    pub fn known_after(&self, value: &Value) -> Option<usize> {
        reference::references(value)
            .iter()
            .filter_map(|(_, r)| match r {
                Reference::Output { scope: Scope::Here, address, .. } => self.makes.get(address).copied().or_else(|| {
                    let same = |a: &Address| a.server == address.server && a.name == address.name && a.kind.is_under(&address.kind);
                    self.makes.iter().find(|(a, _)| same(a)).map(|(_, w)| *w)
                }),
                _ => None,
            })
            .max()
    }
}

fn is_replacing(step: &Step) -> bool {
    step.action == Action::Replace || step.action == Action::Create && step.replace.is_some()
}
