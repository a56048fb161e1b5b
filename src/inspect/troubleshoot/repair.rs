//! What planning again would do: worked out read-only, and offered. It is never approved here.

use std::collections::BTreeSet;

use crate::{
    answer::Proposal,
    app::App,
    diagnostic::Failure,
    domain::{Action, Address, DeploymentName},
    flow::{self, Draft, Wanted},
    plan::{Plan, Step},
    review::Review,
    store::RunKind,
};

use super::super::words::{change, count, guest, list};

/// What can be done about it.
#[derive(Debug, Default)]
pub(super) struct Repair {
    /// The plan, if one helps.
    pub(super) proposal: Option<Proposal>,
    /// What to know or to do where none does.
    pub(super) lines: Vec<String>,
    /// The resources that the plan touches.
    pub(super) touches: BTreeSet<Address>,
}

/// What was wanted last, wanted again; with the command that plans the same. None if nothing was ever wanted.
pub async fn again(app: &App, name: &DeploymentName) -> Result<Option<(Wanted, String)>, Failure> {
    let snapshot = app.store().latest(name).await?;
    let last = app.store().runs(name).await?.into_iter().max_by_key(|r| (r.began_at, r.header.id.clone()));
    if let Some(run) = last {
        let badly = run.end.as_ref().is_none_or(|e| e.interrupted || e.failed + e.unknown + e.skipped > 0);
        let recorded = snapshot.as_ref().is_some_and(|s| s.run == run.header.id);
        // `swell apply NAME` starts from the latest snapshot. Where the last run was cut short, was no apply or left no snapshot, its rest
        // is wanted.
        let applied = recorded && run.header.kind == RunKind::Apply && run.end.is_some();
        if badly && !applied {
            let Ok(template) = serde_json::from_value(run.header.recipe.template.clone()) else { return Ok(None) };
            let mut wanted = flow::of_template(template, run.header.kind, run.header.request.clone());
            wanted.bound = serde_json::from_value(run.header.recipe.provenance.clone()).ok();
            wanted.recipe = run.header.recipe;
            return Ok(Some((wanted, format!("swell resume {name}"))));
        }
    }
    let Some(snapshot) = snapshot else { return Ok(None) };
    // The request is the one of the command, so that the plan has the name that the command shows.
    match flow::from_deployment(app, &snapshot, indexmap::IndexMap::new(), format!("swell plan {name}")).await? {
        Draft::Ready(wanted) => Ok(Some((*wanted, format!("swell apply {name}")))),
        Draft::Ask(..) => Ok(None),
    }
}

/// Plans again and says what that would do. `trouble` is what shall be put right.
pub(super) async fn repair(app: &App, name: &DeploymentName, trouble: &BTreeSet<Address>) -> Repair {
    let planned = match again(app, name).await {
        Ok(Some((wanted, command))) => flow::plan(app, wanted).await.map(|review| Some((review, command))),
        Ok(None) => Ok(None),
        Err(failure) => Err(failure),
    };
    match planned {
        Ok(Some((review, command))) => offer(app, name, &review, command, trouble),
        Ok(None) => Repair { lines: vec!["No plan can be made: what was wanted is not in the record.".into()], ..Repair::default() },
        Err(failure) => Repair { lines: refused(app, &failure), ..Repair::default() },
    }
}

fn offer(app: &App, name: &DeploymentName, review: &Review, command: String, trouble: &BTreeSet<Address>) -> Repair {
    let plan = &review.plan;
    let touches: BTreeSet<Address> =
        plan.steps.iter().map(|s| s.address.clone()).chain(plan.settled.iter().map(|s| s.address.clone())).collect();
    if plan.is_empty() {
        return Repair {
            lines: vec![
                "Planning again would change nothing: everything is as wanted, so what is wrong is not among what Swell sets.".into(),
            ],
            ..Repair::default()
        };
    }
    if !trouble.is_empty() && touches.is_disjoint(trouble) {
        let lines =
            vec![format!("Planning again (plan {}) would {}, which does not touch what is in trouble.", plan.short(), deeds(app, plan))];
        return Repair { lines, touches, ..Repair::default() };
    }
    let mut text = format!("Plan {} would {}.", plan.short(), deeds(app, plan));
    let lost: Vec<&Address> = plan.losses().map(|s| &s.address).collect();
    if !lost.is_empty() {
        text.push_str(&format!(" It deletes data that cannot be brought back: {}.", list(&lost, 4)));
    }
    let left: Vec<&Address> = trouble.iter().filter(|a| !touches.contains(a)).collect();
    if !left.is_empty() {
        text.push_str(&format!(" It does not touch {}.", list(&left, 4)));
    }
    let proposal = Proposal { text, deployment: name.to_string(), command };
    Repair { proposal: Some(proposal), lines: Vec::new(), touches }
}

/// `replace a and create b, c`.
fn deeds(app: &App, plan: &Plan) -> String {
    let of = |fits: &dyn Fn(&Step) -> bool| -> Vec<&Step> { plan.steps.iter().filter(|s| fits(s)).collect() };
    let replaced = of(&|s| s.replace.is_some() && s.action == Action::Create);
    let created = of(&|s| s.replace.is_none() && s.action == Action::Create);
    let updated = of(&|s| s.action == Action::Update);
    let deleted = of(&|s| s.replace.is_none() && s.action == Action::Delete);
    let adopted = of(&|s| s.action == Action::Adopt);
    let forgotten = of(&|s| s.action == Action::Forget);
    let addresses = |steps: &[&Step]| list(&steps.iter().map(|s| &s.address).collect::<Vec<_>>(), 4);
    let mut parts = Vec::new();
    for (verb, steps) in [("replace", &replaced), ("create", &created), ("delete", &deleted), ("adopt", &adopted), ("forget", &forgotten)] {
        if !steps.is_empty() {
            parts.push(format!("{verb} {}", addresses(steps)));
        }
    }
    for step in updated.iter().take(4) {
        let changes: Vec<String> = step.changes.iter().take(3).map(|c| change(app, c)).collect();
        parts.push(format!("change {} ({})", step.address, changes.join(", ")));
    }
    if updated.len() > 4 {
        parts.push(format!("change {}", count(updated.len() - 4, "other", "others")));
    }
    if !plan.settled.is_empty() {
        let settled: Vec<String> = plan.settled.iter().map(|s| format!("{} ({})", s.address, s.how)).collect();
        parts.push(format!("record what became of {}", list(&settled, 3)));
    }
    parts.join("; ")
}

/// Why no plan can be made, and the next command.
fn refused(app: &App, failure: &Failure) -> Vec<String> {
    let mut lines = Vec::new();
    for d in failure.0.iter().take(3) {
        lines.push(format!("No plan can be made now: {}. {}", d.summary, guest(app, &d.detail, 300)));
        if let Some(command) = d.next.as_ref().and_then(|n| n.command.as_ref()) {
            lines.push(format!("Next: {command}"));
        }
    }
    lines.dedup();
    lines
}
