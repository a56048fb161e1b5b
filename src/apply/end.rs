//! The end of a run: what is left is skipped, outputs are resolved, what was touched is read once more, and all of it is summed up.

use std::{collections::BTreeSet, sync::Arc};

use futures::{StreamExt, stream};
use indexmap::IndexMap;
use serde_json::Value;
use tokio::time::Instant;

use super::{Run, State};
use crate::{
    diagnostic::Failure,
    domain::{
        Address, Outcome, Reference,
        substitute::{Known, plain, substitute},
    },
    event::{Ended, RunSummary},
    store::{Recorded, RunEnd},
};

impl Run<'_> {
    pub(super) async fn finish(mut self, began: Instant) -> (RunEnd, RunSummary, Option<Failure>) {
        for n in 0..self.state.len() {
            if self.state[n] == State::Waiting {
                let reason = match (self.stopped, self.options.hold_after) {
                    (0, Some(w)) if !self.held => format!("the run was held after wave {w}"),
                    (0, _) => "the run ended before it".to_owned(),
                    _ => "the run was stopped before it".to_owned(),
                };
                self.ended_unsent(n, Outcome::Skipped, reason).await;
            }
        }
        let outputs = self.outputs();
        let mut summary = RunSummary {
            run: self.journal.run().to_string(),
            deployment: self.plan.deployment.to_string(),
            interrupted: self.stopped > 0,
            outputs: outputs.clone(),
            elapsed_ms: u64::try_from(began.elapsed().as_millis()).unwrap_or(u64::MAX),
            ..RunSummary::default()
        };
        for (n, step) in self.plan.steps.iter().enumerate() {
            let ended = Ended { address: step.address.clone(), action: step.action, reason: self.reasons.get(&n).cloned() };
            match self.state[n] {
                State::Ended(Outcome::Done) => summary.done.push(ended),
                State::Ended(Outcome::Failed) => summary.failed.push(ended),
                State::Ended(Outcome::Unknown) => summary.unknown.push(ended),
                _ => summary.skipped.push(ended),
            }
        }
        summary.unhealthy = self.unhealthy().await;
        let end = RunEnd {
            done: summary.done.len(),
            failed: summary.failed.len(),
            skipped: summary.skipped.len(),
            unknown: summary.unknown.len(),
            interrupted: self.stopped > 0,
            outputs,
        };
        (end, summary, self.broken.map(Failure::from))
    }

    /// The template's outputs with what is known now; secrets stay references.
    pub(super) fn outputs(&self) -> IndexMap<String, Value> {
        self.plan
            .outputs
            .iter()
            .filter_map(|(name, value)| {
                let put = substitute::<()>(value, &mut |reference| {
                    let Reference::Output { address, path, .. } = reference else {
                        return Ok(Known::Later(reference.clone()));
                    };
                    let looked_up = || {
                        let read = self.plan.reads.iter().find(|r| r.address == *address)?;
                        read.used.get(&path.to_string()).cloned()
                    };
                    let known = self.results.get(address).filter(|r| !path.head().is_some_and(|h| r.sensitive.iter().any(|s| s == h)));
                    let value = known.and_then(|r| crate::mcp::lookup(&r.id, address.name.as_str(), &r.outputs, &r.properties, path));
                    value.or_else(looked_up).map(|v| Known::Value(v, None)).ok_or(())
                });
                put.ok().map(|s| (name.clone(), plain(&s.value)))
            })
            .collect()
    }

    /// Reads what was touched once more: what is there and does not work is said at the end.
    pub(super) async fn unhealthy(&self) -> Vec<(Address, String)> {
        if self.stopped >= 2 {
            return Vec::new();
        }
        let touched: BTreeSet<&Address> = self.plan.steps.iter().map(|s| &s.address).collect();
        let records: Vec<(Arc<dyn crate::mcp::ResourceServer>, &Recorded)> = touched
            .into_iter()
            .filter_map(|a| self.results.get(a))
            .filter_map(|r| self.cx.servers.get(&r.address.server).cloned().map(|s| (s, r)))
            .collect();
        let mut found: Vec<(Address, String)> = stream::iter(records)
            .map(|(server, r)| async move {
                let key = crate::mcp::Key::named(&r.address.kind, &r.address.name).id(r.id.clone()).hints(&r.properties);
                let live = server.read(&key).await.ok().flatten()?;
                (live.health == crate::mcp::Health::Unhealthy)
                    .then(|| (r.address.clone(), live.reason.unwrap_or_else(|| "the server gives no reason".into())))
            })
            .buffer_unordered(16)
            .filter_map(|x| async move { x })
            .collect()
            .await;
        found.sort();
        found.into_iter().map(|(a, why)| (a, self.clean(&why))).collect()
    }
}
