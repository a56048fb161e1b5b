//! The rest of an interrupted run, and older snapshots.

use super::{look::no_deployment, plan_from, wanted::of_template};
use crate::{
    app::App,
    approval::Consent,
    desired,
    diagnostic::{Diagnostic, Failure},
    domain::DeploymentName,
    plan::Plan,
    review::Review,
    store::{RunKind, Snapshot, StoredPlan},
    template::Template,
};

/// What a resume found to do.
pub enum Resumed {
    /// Nothing was interrupted and nothing is unknown or left over.
    Nothing(DeploymentName),
    /// The rest, with the run whose approval covers it.
    Rest(Box<Review>, Box<Consent>),
}

/// Works out the rest of the last run: what is unknown is settled by reading back, what was not done is planned again.
pub async fn rest(app: &App, deployment: &DeploymentName) -> Result<Resumed, Failure> {
    let store = app.store();
    let Some(last) = store.runs(deployment).await?.into_iter().max_by_key(|r| (r.began_at, r.header.id.clone())) else {
        return Err(no_deployment(app, deployment.as_str()).await);
    };
    let ended_well = last.end.as_ref().is_some_and(|e| e.failed + e.unknown + e.skipped == 0 && !e.interrupted);
    let snapshot = store.latest(deployment).await?;
    let unsettled = snapshot.as_ref().is_some_and(|s| !s.unsettled.is_empty());
    if ended_well && !unsettled {
        return Ok(Resumed::Nothing(deployment.clone()));
    }
    let Some(stored) = store.plan(&last.header.plan).await? else {
        return Err(Failure::from(Diagnostic::bug("resume::no-plan", format!("The plan of run {} is not in the state.", last.header.id))));
    };
    let approved: Plan = serde_json::from_slice(&stored.bytes)
        .map_err(|e| Failure::from(Diagnostic::bug("resume::plan", format!("A stored plan cannot be read: {e}."))))?;
    let template: Template = serde_json::from_value(approved.recipe.template.clone()).unwrap_or_else(|_| desired::nothing(deployment));
    let mut wanted = of_template(template, approved.kind, last.header.request.clone());
    wanted.recipe = approved.recipe.clone();
    wanted.bound = serde_json::from_value(approved.recipe.provenance.clone()).ok();
    let (plan, warnings) = plan_from(app, &wanted, snapshot.as_ref()).await?;
    let review = Review::new(plan, None, warnings);
    let made = StoredPlan {
        digest: review.digest.clone(),
        deployment: deployment.clone(),
        bytes: review.plan.bytes(),
        made_at: app.now(),
        used_by: None,
    };
    store.put_plan(&made).await?;
    let consent = Consent::Resumed { run: last.header.id, how: last.header.approval, approved: Box::new(approved) };
    Ok(Resumed::Rest(Box::new(review), Box::new(consent)))
}

/// The snapshot to go back to: the one named, or the one before the last.
pub async fn older(app: &App, deployment: &DeploymentName, number: Option<u64>) -> Result<Snapshot, Failure> {
    let Some(latest) = app.store().latest(deployment).await? else { return Err(no_deployment(app, deployment.as_str()).await) };
    let wanted = number.unwrap_or_else(|| latest.number.saturating_sub(1));
    if let Some(found) = app.store().snapshot(deployment, wanted).await? {
        return Ok(found);
    }
    let have: Vec<String> = app.store().snapshots(deployment).await?.into_iter().map(|s| s.number.to_string()).collect();
    Err(Failure::from(
        Diagnostic::error("rollback::no-snapshot", "There is no such snapshot")
            .fact("deployment", deployment.to_string())
            .detail(if wanted == 0 {
                "It has only one snapshot, so there is nothing before it to go back to.".to_owned()
            } else {
                format!("It has no snapshot {wanted}; there are: {}.", have.join(", "))
            })
            .state("Nothing was planned.")
            .next("See what was done:", format!("swell history {deployment}")),
    ))
}

/// The snapshot on which the last run built, a run and the resumes that finished it taken as one; none if it was the first.
pub async fn before_last(app: &App, deployment: &DeploymentName) -> Result<Option<Snapshot>, Failure> {
    let mut runs = app.store().runs(deployment).await?;
    runs.sort_by(|a, b| b.header.id.0.cmp(&a.header.id.0));
    let Some(first) = runs.iter().find(|r| r.header.kind != RunKind::Resume) else {
        return Err(no_deployment(app, deployment.as_str()).await);
    };
    Ok(app.store().snapshot(deployment, first.header.base).await?)
}

/// Writes the missing end of an interrupted run that left nothing to do.
pub async fn close_interrupted(app: &App, deployment: &DeploymentName) -> Result<(), Failure> {
    let lock = app.lock(deployment, "resume").await?;
    let closed = app.store().close_interrupted(&lock).await;
    lock.release().await?;
    closed?;
    Ok(())
}
