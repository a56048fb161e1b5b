//! Order, waves, undo, and the plan itself.

use std::collections::{BTreeMap, BTreeSet};

use super::{Builder, SecretStatus};
use crate::{
    diagnostic::Diagnostic,
    domain::{Action, Address, graph::Graph},
    mcp::Types,
    plan::{FORMAT, Plan, Step, Undo},
};

impl Builder<'_> {
    /// Order, waves, undo, and the plan.
    pub(super) fn finish(self) -> Result<Plan, Vec<Diagnostic>> {
        let order = self.order();
        let Some(levels) = order.waves() else {
            let names = order
                .cycles()
                .into_iter()
                .flatten()
                .map(|n: usize| format!("{} {}", self.steps[n].action, self.steps[n].address))
                .collect::<Vec<_>>()
                .join(", ");
            return Err(vec![
                Diagnostic::error("plan::no-order", "The steps have no order")
                    .detail(format!("Each of these must be done before the other: {names}."))
                    .state("Nothing was planned.")
                    .hint("Change `create_before_destroy` on one of them, or change them in two plans."),
            ]);
        };
        // Steps are renumbered so that they stand in the order of their waves.
        let sequence: Vec<usize> = levels.iter().flatten().copied().collect();
        let mut number = vec![0usize; sequence.len()];
        for (new, &old) in sequence.iter().enumerate() {
            number[old] = new;
        }
        let mut edges: Vec<(usize, usize)> = order.edges().into_iter().map(|(&a, &b)| (number[a], number[b])).collect();
        edges.sort_unstable();
        let waves = levels.iter().map(|w| w.iter().map(|&n| number[n]).collect()).collect();
        let mut by_number: Vec<Option<Step>> = self.steps.into_iter().map(Some).collect();
        let steps: Vec<Step> = sequence.iter().filter_map(|&n| by_number[n].take()).collect();

        let mut servers: BTreeSet<_> = steps.iter().filter(|s| s.tool.is_some()).map(|s| s.address.server.clone()).collect();
        servers.extend(self.reads.keys().map(|a| a.server.clone()));
        let generate = self.secrets.iter().filter(|s| (self.inputs.secret)(s) == SecretStatus::Generated).cloned().collect();
        let mut kept = self.kept;
        kept.sort();
        Ok(Plan {
            format: FORMAT,
            deployment: self.inputs.template.name.clone(),
            kind: self.inputs.kind,
            request: self.inputs.request,
            base: self.inputs.snapshot.map_or(0, |s| s.number),
            targets: servers.iter().filter_map(|s| self.inputs.observed.targets.get(s).cloned()).collect(),
            undo: steps.iter().map(|step| undo(step, &self.inputs.observed.types)).collect(),
            steps,
            edges,
            waves,
            reads: self.reads.into_values().collect(),
            kept,
            settled: self.inputs.settled,
            refreshed: self.refreshed,
            drift: self.drift,
            recipe: self.inputs.recipe,
            outputs: self.inputs.template.outputs.clone(),
            notes: self.inputs.notes,
            parameters: Vec::new(),
            policy: Vec::new(),
            generate,
        })
    }

    /// Which step must be done before which.
    pub(super) fn order(&self) -> Graph<usize> {
        let mut order = Graph::default();
        let mut main: BTreeMap<&Address, usize> = BTreeMap::new();
        let mut delete: BTreeMap<&Address, usize> = BTreeMap::new();
        for (n, step) in self.steps.iter().enumerate() {
            order.add(n);
            match step.action {
                Action::Delete => {
                    delete.insert(&step.address, n);
                }
                // An update after an adopt of the same resource follows it.
                _ => {
                    if let Some(before) = main.insert(&step.address, n) {
                        order.edge(&before, &n);
                    }
                }
            }
        }
        for (address, needs) in &self.needs {
            let Some(&mine) = main.get(address) else { continue };
            for need in needs {
                let Some(&theirs) = main.get(need) else { continue };
                order.edge(&theirs, &mine);
                // The old one goes only when what the new one needs is there, unless that has to make room first.
                if let (Some(&gone), false) = (delete.get(address), delete.contains_key(need) && !self.create_first.contains(need)) {
                    order.edge(&theirs, &gone);
                }
            }
        }
        let mut users: BTreeMap<&Address, Vec<&Address>> = BTreeMap::new();
        for (user, record) in self.recorded.iter().filter(|_| !delete.is_empty()) {
            record.depends_on.iter().for_each(|used| users.entry(used).or_default().push(user));
        }
        for (address, &gone) in &delete {
            let replaced = main.get(address);
            match replaced {
                Some(&made) if self.create_first.contains(*address) => order.edge(&made, &gone),
                Some(&made) => order.edge(&gone, &made),
                None => {}
            }
            // Whoever used it goes (or lets go of it) first.
            for dependent in users.get(*address).into_iter().flatten() {
                if let Some(&theirs) = delete.get(dependent) {
                    order.edge(&theirs, &gone);
                } else if let Some(&theirs) = main.get(dependent)
                    && (replaced.is_none() || self.create_first.contains(*address))
                {
                    order.edge(&theirs, &gone);
                }
            }
        }
        order
    }
}

fn undo(step: &Step, types: &Types) -> Undo {
    let kind = types.get(&step.address.server).and_then(|table| table.get(&step.address.kind));
    let lacks = |verb: &str| kind.is_some_and(|k| k.limits.missing.contains_key(verb));
    match step.action {
        Action::Create if lacks("delete") => Undo::Not("its server cannot delete it".into()),
        Action::Delete if lacks("create") => Undo::Not("its server cannot make it".into()),
        Action::Create if step.replace.is_some() => Undo::By(Action::Replace),
        Action::Create => Undo::By(Action::Delete),
        Action::Update => Undo::By(Action::Update),
        Action::Delete if step.loses_data => Undo::Not("its data is lost".into()),
        Action::Delete => Undo::By(Action::Create),
        _ => Undo::Nothing,
    }
}
