//! What a parser may know of what is deployed.

use serde_json::Value;

use super::Conversation;
use crate::{
    app::App,
    diagnostic::Failure,
    intent::{KnownDeployment, World},
    store::{Gone, Snapshot},
};

/// What the parsers may know: deployments with their parameters, and what was said.
pub async fn world(app: &App, talk: &Conversation) -> Result<World, Failure> {
    let mut deployments = Vec::new();
    for one in app.store().deployments(Gone::Hidden).await? {
        let Some(snapshot) = app.store().latest(&one.name).await? else { continue };
        deployments.push(KnownDeployment {
            name: one.name.to_string(),
            pattern: snapshot.recipe.pattern.clone(),
            params: nested(snapshot.recipe.parameters.as_object().cloned().unwrap_or_default()),
            region: region(&snapshot),
            status: if one.unsettled > 0 || one.interrupted { "degraded".into() } else { "running".into() },
            resources: snapshot.resources.keys().map(ToString::to_string).collect(),
        });
    }
    Ok(World { deployments, history: talk.history.clone(), pending: talk.pending.clone() })
}

/// Where a deployment is: its parameter, or the one region that its resources name.
pub(super) fn region(snapshot: &Snapshot) -> Option<String> {
    let text = |v: Option<&Value>| v.and_then(Value::as_str).map(str::to_owned);
    if let Some(said) = text(snapshot.recipe.parameters.get("region")).filter(|r| !r.is_empty()) {
        return Some(said);
    }
    let mut all: Vec<String> = snapshot.resources.values().filter_map(|r| text(r.properties.get("region"))).collect();
    all.sort();
    all.dedup();
    if all.len() == 1 { all.pop() } else { None }
}

/// `backup.schedule` becomes `backup: {schedule}`.
pub(super) fn nested(flat: serde_json::Map<String, Value>) -> serde_json::Map<String, Value> {
    let mut out = serde_json::Map::new();
    for (name, value) in flat {
        match name.split_once('.') {
            Some((object, member)) => {
                if let Value::Object(map) = out.entry(object.to_owned()).or_insert_with(|| Value::Object(Default::default())) {
                    map.insert(member.to_owned(), value);
                }
            }
            None => {
                out.insert(name, value);
            }
        }
    }
    out
}
