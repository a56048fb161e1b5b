//! What must still be as it was when the plan was made, read again right before a run.

use crate::{
    app::App,
    desired,
    diagnostic::{Diagnostic, Failure},
    domain::{Action, Address},
    plan::{Drift, Plan, refresh::observe, uses::same_values},
    store::Snapshot,
};

pub(super) fn stale(plan: &Plan, detail: String) -> Failure {
    Failure::from(
        Diagnostic::error("plan::stale", "The plan no longer holds")
            .fact("plan", plan.short())
            .detail(detail)
            .state("Nothing was changed.")
            .next("Plan again and look at what is different:", format!("swell plan {}", plan.deployment)),
    )
}

/// The servers must be those that the plan was made for, with the same tools.
pub(super) async fn check_targets(app: &App, plan: &Plan) -> Result<(), Failure> {
    for then in &plan.targets {
        let server = app.server(&then.server)?;
        let now = server.target().await.map_err(|e| Failure::from(crate::plan::refresh::unreachable(&then.server, &e)))?;
        if now.identity != then.identity {
            return Err(stale(
                plan,
                format!("`{}` was `{}` when the plan was made, and is `{}` now.", then.server, then.identity, now.identity),
            ));
        }
        if now.pin != then.pin {
            return Err(stale(plan, format!("The tools of `{}` are not those that the plan was made with.", then.server)));
        }
    }
    Ok(())
}

/// What the plan keeps or changes must be as it was when the plan was made: the steps were worked out from it.
pub(super) async fn check_world(app: &App, plan: &Plan, snapshot: &Snapshot) -> Result<(), Failure> {
    let touched = |a: &Address| plan.kept.contains(a) || plan.steps.iter().any(|s| s.address == *a && s.action == Action::Update);
    let seen = observe(app.servers(), &desired::nothing(&plan.deployment), Some(snapshot), &app.others(), app.sink()).await;
    let same = |a: &Drift, b: &Drift| a.gone == b.gone && a.changes == b.changes && same_values(&a.outputs, &b.outputs);
    let told = |one: &Drift| plan.drift.iter().any(|d| d.address == one.address && same(d, one));
    let now = crate::plan::refresh::drift(snapshot, &seen);
    match now.iter().find(|d| (d.gone || !d.changes.is_empty() || !d.outputs.is_empty()) && touched(&d.address) && !told(d)) {
        Some(d) if d.gone => Err(stale(plan, format!("`{}`, on which it builds, is gone from its server.", d.address))),
        Some(d) => Err(stale(plan, format!("`{}`, on which it builds, was changed on its server since.", d.address))),
        None => Ok(()),
    }
}

/// What was looked up must still be there with the values that the plan uses.
pub(super) async fn check_reads(app: &App, plan: &Plan) -> Result<(), Failure> {
    for read in plan.reads.iter().filter(|r| r.found_in.is_none()) {
        let server = app.server(&read.address.server)?;
        let key = crate::mcp::Key::named(&read.address.kind, &read.address.name).id(read.id.clone());
        let live = server.read(&key).await.map_err(|e| Failure::from(crate::plan::refresh::unreachable(&read.address.server, &e)))?;
        let Some(live) = live else { return Err(stale(plan, format!("`{}`, which it refers to, is gone.", read.address))) };
        for (path, then) in &read.used {
            let now = path.parse().ok().and_then(|p| live.lookup(&p));
            if now.as_ref() != Some(then) {
                return Err(stale(plan, format!("`{}.{path}`, which it uses, has another value now.", read.address)));
            }
        }
    }
    Ok(())
}
