//! Looking without planning: which deployment, what is live, whether it is ready, what drifted.

use serde_json::Value;

use super::{held, needed_unreachable};
use crate::{
    app::App,
    desired,
    diagnostic::{Diagnostic, ExitClass, Failure, usage},
    domain::{Action, Address, DeploymentName, ServerName, TypeDef},
    event::Event,
    mcp::Types,
    plan::{Drift, Plan, refresh::observe},
    store::{Gone, Sighting, Snapshot},
};

/// The diagnostic of a deployment that is not there, with the nearest name.
pub async fn no_deployment(app: &App, name: &str) -> Failure {
    let all = app.store().deployments(Gone::Hidden).await.unwrap_or_default();
    let names: Vec<&str> = all.iter().map(|d| d.name.as_str()).collect();
    let mut d = Diagnostic::error("deployment::not-found", "There is no such deployment")
        .fact("deployment", crate::domain::text::clean(name, 80))
        .detail(if names.is_empty() { "Nothing is deployed yet.".to_owned() } else { format!("There are: {}.", names.join(", ")) })
        .state("Nothing was changed.");
    if let Some(near) = crate::domain::name::nearest(name, names) {
        d = d.hint(format!("Did you mean `{near}`?"));
    }
    d.next("See what is deployed:", "swell show").into()
}

/// A deployment by name, or the only one.
pub async fn which(app: &App, name: Option<&str>) -> Result<DeploymentName, Failure> {
    let all = app.store().deployments(Gone::Listed).await?;
    match name {
        Some(name) if all.iter().any(|d| d.name.as_str() == name) => {
            name.parse().map_err(|e: crate::domain::NameError| usage(&e.to_string()))
        }
        Some(name) => Err(no_deployment(app, name).await),
        None => {
            let here: Vec<_> = app.store().deployments(Gone::Hidden).await?;
            match here.as_slice() {
                [one] => Ok(one.name.clone()),
                [] => Err(Failure::from(
                    Diagnostic::error("deployment::none", "Nothing is deployed")
                        .detail("There is no deployment that could be meant.")
                        .state("Nothing was changed.")
                        .next("See what can be deployed:", "swell patterns list")
                        .exit(ExitClass::Usage),
                )),
                several => Err(Failure::from(
                    Diagnostic::error("deployment::which", "Which deployment is not clear")
                        .detail(format!("There are several: {}.", several.iter().map(|d| d.name.as_str()).collect::<Vec<_>>().join(", ")))
                        .state("Nothing was changed.")
                        .hint("Name one.")
                        .exit(ExitClass::Usage),
                )),
            }
        }
    }
}

/// Finds `server:type` among the types.
pub fn find_type<'t>(types: &'t Types, text: &str) -> Result<(&'t ServerName, &'t TypeDef), Failure> {
    let (server, kind) =
        text.split_once(':').ok_or_else(|| usage(&format!("`{}` is not `server:type`", crate::domain::text::clean(text, 60))))?;
    let found =
        types.iter().find(|(s, _)| s.as_str() == server).and_then(|(s, t)| t.iter().find(|(k, _)| k.as_str() == kind).map(|(_, d)| (s, d)));
    found.ok_or_else(|| {
        let all: Vec<String> = types.iter().flat_map(|(s, t)| t.keys().map(move |k| format!("{s}:{k}"))).collect();
        let mut d = Diagnostic::error("schema::unknown-type", "There is no such type")
            .fact("type", crate::domain::text::clean(text, 80))
            .detail("No registered server has it.");
        if let Some(near) = crate::domain::name::nearest(text, all.iter().map(String::as_str)) {
            d = d.hint(format!("Did you mean `{near}`?"));
        }
        d.next("See all types:", "swell types").into()
    })
}

/// The action that a plan takes on an address, for people who ask.
pub fn action_on(plan: &Plan, address: &Address) -> Option<Action> {
    plan.steps.iter().find(|s| s.address == *address).map(|s| if s.replace.is_some() { Action::Replace } else { s.action })
}

/// Recorded against live, for one deployment. Changes nothing.
pub async fn drift(app: &App, deployment: &DeploymentName) -> Result<Vec<Drift>, Failure> {
    let Some(snapshot) = app.store().latest(deployment).await? else { return Err(no_deployment(app, deployment.as_str()).await) };
    let template = desired::from_snapshot(&snapshot);
    let seen = observe(app.servers(), &template, Some(&snapshot), &app.others(), app.sink()).await;
    let mut unreachable = needed_unreachable(&desired::nothing(deployment), Some(&snapshot), &seen);
    unreachable.extend(held(app, &desired::nothing(deployment), Some(&snapshot)));
    if !unreachable.is_empty() {
        return Err(unreachable.into());
    }
    if !seen.problems.is_empty() {
        return Err(seen.problems.into());
    }
    let found = crate::plan::refresh::drift(&snapshot, &seen);
    sighted(app, &snapshot, "drift", &found).await;
    Ok(found)
}

/// What is kept of drift, with nothing secret in it.
pub fn as_sightings<'a>(app: &App, drifts: impl IntoIterator<Item = &'a Drift>) -> Vec<(Address, Value)> {
    let redactor = app.secrets().redactor();
    drifts.into_iter().map(|d| (d.address.clone(), redactor.json(&serde_json::to_value(d).unwrap_or_default()))).collect()
}

/// Keeps what a look found, for those who look at the state later. It is no record, so that it fails is no failure.
pub async fn sighted(app: &App, snapshot: &Snapshot, seen_by: &str, found: &[Drift]) {
    if let Err(error) = app.store().put_sightings(&snapshot.deployment, snapshot.number, seen_by, &as_sightings(app, found)).await {
        tracing::warn!(%error, deployment = %snapshot.deployment, "what was seen could not be kept");
    }
}

/// What was last seen not to be as in this snapshot: when, by what, and what.
pub async fn last_seen(app: &App, snapshot: &Snapshot) -> Result<Vec<(Sighting, Drift)>, Failure> {
    let all = app.store().sightings(&snapshot.deployment, snapshot.number).await?;
    Ok(all.into_iter().filter_map(|s| Some((s.clone(), serde_json::from_value(s.drift).ok()?))).collect())
}

/// The diagnostic of an address that no deployment recorded.
pub fn not_recorded(address: &Address) -> Failure {
    Diagnostic::error("show::not-recorded", "No deployment has this resource")
        .address(address)
        .fact("resource", address.to_string())
        .detail("It is in no snapshot. It may still be on its server.")
        .next("See what is deployed:", "swell show")
        .into()
}

/// Every resource that the servers list now, for `swell query`; servers that do not answer are left out and said.
pub async fn live_rows(app: &App) -> Vec<crate::store::LiveRow> {
    let lists = futures::future::join_all(app.servers().iter().map(|s| async move { (s.name().clone(), s.list(None).await) })).await;
    let mut rows = Vec::new();
    for (server, list) in lists {
        match list {
            Ok(all) => rows.extend(all.into_iter().filter_map(|live| {
                let address = Address::new(server.clone(), live.kind, live.name.parse().ok()?);
                let hide = |p| app.secrets().redactor().json(&Value::Object(p));
                Some(crate::store::LiveRow { address, id: live.id, properties: hide(live.properties), outputs: hide(live.outputs) })
            })),
            Err(error) => app.sink().emit(Event::Warning { diagnostic: Box::new(crate::plan::refresh::unreachable(&server, &error)) }),
        }
    }
    rows
}
