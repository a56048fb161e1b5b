//! Who changed what, when and why: the runs of the journal, and the last run's steps with the changes of the plan that was approved.

use serde_json::json;

use crate::{
    answer::Answer,
    app::App,
    diagnostic::Failure,
    domain::{Action, Outcome},
    plan::{Plan, Step},
    store::{EntryBody, EntryFilter, Run},
};

use super::{
    super::{
        estate::Meant,
        words::{change, guest, list, rows, when},
    },
    Question,
};

/// How many runs are listed.
const RUNS: usize = 10;
/// How many steps of the last run are listed.
const STEPS: usize = 30;

/// `apply`, `rollback`.
pub(super) fn kind(run: &Run) -> String {
    format!("{:?}", run.header.kind).to_lowercase()
}

/// `21 done, 1 failed`.
pub(super) fn ended(run: &Run) -> String {
    let Some(end) = &run.end else { return "not ended".into() };
    let all = [(end.done, "done"), (end.failed, "failed"), (end.unknown, "unknown"), (end.skipped, "not started")];
    let mut parts: Vec<String> = all.iter().filter(|(n, _)| *n > 0).map(|(n, w)| format!("{n} {w}")).collect();
    if end.interrupted {
        parts.push("stopped".into());
    }
    if parts.is_empty() { "nothing to do".into() } else { parts.join(", ") }
}

/// The runs, newest first; for one deployment with what the last one changed.
pub(super) async fn history(q: &Question<'_>) -> Result<Answer, Failure> {
    let scope = q.scope();
    let mut runs = Vec::new();
    for name in &scope {
        runs.extend(q.app.store().runs(name).await?);
    }
    runs.sort_by(|a, b| b.began_at.cmp(&a.began_at).then_with(|| b.header.id.cmp(&a.header.id)));
    if let Meant::Resources { found, .. } = &q.meant {
        let mut touched = Vec::new();
        for (deployment, address) in found {
            let filter = EntryFilter { deployment: Some(deployment.clone()), address: Some(address.clone()), ..EntryFilter::default() };
            touched.extend(q.app.store().entries(&filter).await?.into_iter().map(|e| e.run));
        }
        runs.retain(|r| touched.contains(&r.header.id));
    }
    let Some(last) = runs.first() else {
        return Ok(Answer { headline: format!("Nothing was ever done to {}.", list(&scope, 4)), ..Answer::default() });
    };
    let request = guest(q.app, &last.header.request, 120);
    let headline = format!(
        "{} was last changed {} by {} ({}: {}), approved by {}: \"{request}\".",
        last.header.deployment,
        when(last.began_at),
        last.header.who,
        kind(last),
        ended(last),
        last.header.approval
    );
    let mut lines = Vec::new();
    let mut steps = Vec::new();
    if runs.iter().all(|r| r.header.deployment == last.header.deployment) {
        steps = what_changed(q.app, last).await?;
        lines.extend(steps.iter().take(STEPS).cloned());
        if steps.len() > STEPS {
            lines.push(format!("  … and {} more steps", steps.len() - STEPS));
        }
    }
    if runs.len() > 1 {
        lines.push("runs, newest first".into());
        let cells: Vec<Vec<String>> = runs
            .iter()
            .take(RUNS)
            .map(|r| {
                vec![
                    when(r.began_at),
                    r.header.deployment.to_string(),
                    kind(r),
                    ended(r),
                    r.header.who.clone(),
                    format!("\"{}\"", guest(q.app, &r.header.request, 60)),
                ]
            })
            .collect();
        lines.extend(rows(&cells));
    }
    lines.push(format!("The whole of it: swell history {}", last.header.deployment));
    let data = json!({
        "runs": runs.iter().take(RUNS).map(|r| json!({
            "run": r.header.id, "deployment": r.header.deployment, "at": r.began_at, "kind": r.header.kind, "who": r.header.who,
            "approval": r.header.approval, "request": guest(q.app, &r.header.request, 400), "end": r.end, "snapshot": r.snapshot,
        })).collect::<Vec<_>>(),
        "changed": steps,
    });
    Ok(Answer { headline, lines, data, ..Answer::default() })
}

/// The steps of a run with the property changes that its plan showed, and how each ended if not well.
async fn what_changed(app: &App, run: &Run) -> Result<Vec<String>, Failure> {
    let stored = app.store().plan(&run.header.plan).await?;
    let Some(plan) = stored.and_then(|p| serde_json::from_slice::<Plan>(&p.bytes).ok()) else { return Ok(Vec::new()) };
    let filter = EntryFilter { run: Some(run.header.id.clone()), ..EntryFilter::default() };
    let outcomes: Vec<(usize, Outcome)> = app
        .store()
        .entries(&filter)
        .await?
        .into_iter()
        .filter_map(|e| match e.body {
            EntryBody::StepEnded { step, outcome, .. } => Some((step, outcome)),
            _ => None,
        })
        .collect();
    let mut lines = Vec::new();
    for (number, step) in plan.steps.iter().enumerate() {
        // A replace is two steps and one change.
        if step.replace.is_some() && step.action == Action::Delete {
            continue;
        }
        let outcome = outcomes.iter().find(|(n, _)| *n == number).map(|(_, o)| *o);
        lines.push(line(app, step, outcome));
    }
    Ok(lines)
}

fn line(app: &App, step: &Step, outcome: Option<Outcome>) -> String {
    let action = if step.replace.is_some() { Action::Replace } else { step.action };
    let mut text = format!("  {:<3} {}", action.sign(), step.address);
    let changes: Vec<String> = match action {
        Action::Update | Action::Replace => step.changes.iter().map(|c| change(app, c)).collect(),
        _ => Vec::new(),
    };
    if !changes.is_empty() {
        text.push_str(&format!("  {}", changes.join(" · ")));
    } else if let Some(why) = step.replace.as_ref().or(step.because.as_ref()) {
        text.push_str(&format!("  {}", guest(app, why, 160)));
    }
    match outcome {
        Some(Outcome::Done) => {}
        Some(other) => text.push_str(&format!("  ({other})")),
        None => text.push_str("  (not started)"),
    }
    text
}
