//! What is wanted, from wherever it comes: a file, a pattern, a deployment, a snapshot, what is there already. Nothing is asked or changed here.

use std::{collections::BTreeSet, path::Path};

use indexmap::IndexMap;
use serde_json::Value;

use super::{Draft, Types, Wanted, look::find_type};
use crate::{
    app::App,
    desired,
    diagnostic::{Diagnostic, Failure, usage},
    domain::{Address, DeploymentName},
    intent::{Provenance, Said},
    pattern::{self, Available, Bound},
    plan::{ParameterNote, Shown, build::Foreign},
    store::{Recipe, RunKind, Snapshot},
    template::Template,
};

/// From a template file.
pub fn from_file(app: &App, path: &Path, vars: &IndexMap<String, Value>, name: Option<&str>) -> Result<Wanted, Failure> {
    let text = if path == Path::new("-") { app.stdin_text()? } else { crate::template::file::read_file(path)? };
    let shown = path.display().to_string();
    let mut template = crate::template::parse::parse(&shown, &text, vars)?;
    if let Some(name) = name {
        template.name = name.parse::<DeploymentName>().map_err(|e| usage(&e.to_string()))?;
    }
    Ok(of_template(template, RunKind::Apply, format!("template {shown}")))
}

/// From a pattern and what was said about its parameters.
pub async fn from_pattern(
    app: &App,
    name: &str,
    said: IndexMap<String, Said>,
    deployment: Option<DeploymentName>,
    request: String,
) -> Result<Draft, Failure> {
    let entry = app.catalog().get(name)?;
    let mut types = app.types().await;
    let silent = silent(app, &entry.pattern.file.text, &mut types).await;
    if !silent.is_empty() {
        return Err(silent.into());
    }
    let mut available = Available::from_types(&types);
    if entry.pattern.file.text.contains("exists(") {
        available = available.with_existing(existing(app).await);
    }
    let setting = pattern::bind::Setting { available, deployment };
    let bound = match pattern::bind(&entry.pattern, said, &setting) {
        Ok(bound) => bound,
        Err(unbound) => return Ok(Draft::Ask(unbound.questions, unbound.diagnostics)),
    };
    let expansion = pattern::expand(&entry.pattern, &bound, &setting.available)?;
    let kind = if entry.pattern.runbook { RunKind::Runbook } else { RunKind::Apply };
    let mut wanted = of_template(expansion.template, kind, request);
    wanted.notes = expansion.notes;
    wanted.parameters = bound.parameters.iter().map(note).collect();
    wanted.recipe.pattern = Some(entry.pattern.name.to_string());
    wanted.recipe.pattern_version = Some(entry.pattern.version.to_string());
    wanted.recipe.parameters = bound.parameters.iter().map(|p| (p.name.clone(), p.value.clone())).collect::<serde_json::Map<_, _>>().into();
    wanted.recipe.provenance = serde_json::to_value(&bound).unwrap_or(Value::Null);
    wanted.bound = Some(bound);
    Ok(Draft::Ready(Box::new(wanted)))
}

/// Servers that a pattern asks about and that do not say what they can do. Without one of them the pattern would take another shape, and
/// a server that is away for a moment must not change what is deployed.
async fn silent(app: &App, pattern: &str, types: &mut Types) -> Vec<Diagnostic> {
    let asks_about = |name: &str| pattern.split(|c: char| !c.is_ascii_alphanumeric() && c != '-' && c != '_').any(|word| word == name);
    let mut problems = Vec::new();
    for server in app.servers().iter().filter(|s| asks_about(s.name().as_str())) {
        if types.contains_key(server.name()) {
            continue;
        }
        match server.types().await {
            Ok(table) => {
                types.insert(server.name().clone(), table);
            }
            Err(error) => match app.why_not(server.name()).await {
                // It answers, and nothing in it can be managed: the pattern does without it.
                Some(d) if d.code == "server::no-types" => {}
                other => problems.push(
                    other
                        .unwrap_or_else(|| crate::plan::refresh::unreachable(server.name(), &error))
                        .hint("The pattern takes another shape without this server. To want that, take it out of the settings."),
                ),
            },
        }
    }
    problems
}

/// Every address that a deployment recorded or that a server lists now: patterns may ask whether something is there.
pub(super) async fn existing(app: &App) -> Vec<Address> {
    let lists = futures::future::join_all(app.servers().iter().map(|s| async move { (s.name().clone(), s.list(None).await) })).await;
    lists
        .into_iter()
        .filter_map(|(server, list)| list.ok().map(|all| (server, all)))
        .flat_map(|(server, all)| all.into_iter().filter_map(move |l| Some(Address::new(server.clone(), l.kind, l.name.parse().ok()?))))
        .collect()
}

/// The last template of a deployment with other parameters, or planned again as it is.
pub async fn from_deployment(app: &App, snapshot: &Snapshot, changed: IndexMap<String, Said>, request: String) -> Result<Draft, Failure> {
    let again = snapshot.recipe.pattern.clone().zip(serde_json::from_value::<Bound>(snapshot.recipe.provenance.clone()).ok());
    match again {
        Some((pattern, bound)) => {
            let mut said = bound.said();
            said.extend(changed);
            from_pattern(app, &pattern, said, Some(snapshot.deployment.clone()), request).await
        }
        None => {
            let mut wanted = of_template(desired::last_wanted(snapshot), RunKind::Apply, request);
            if let Some((name, _)) = changed.first() {
                return Err(Failure::from(
                    Diagnostic::error("deployment::no-pattern", "The deployment has no parameters")
                        .fact("deployment", snapshot.deployment.to_string())
                        .detail(format!("It was made from a template file, not from a pattern, so `{name}` is not a parameter of it."))
                        .state("Nothing was planned.")
                        .hint("Change the file and apply it again."),
                ));
            }
            wanted.recipe = Recipe { template: wanted.recipe.template.clone(), ..snapshot.recipe.clone() };
            Ok(Draft::Ready(Box::new(wanted)))
        }
    }
}

/// Nothing: a destroy.
pub fn nothing(deployment: &DeploymentName, request: String) -> Wanted {
    of_template(desired::nothing(deployment), RunKind::Destroy, request)
}

/// What an older snapshot had.
pub fn from_snapshot(snapshot: &Snapshot, kind: RunKind, request: String) -> Wanted {
    let mut wanted = of_template(desired::from_snapshot(snapshot), kind, request);
    wanted.recipe = Recipe { template: wanted.recipe.template.clone(), ..snapshot.recipe.clone() };
    wanted
}

/// From a template that is at hand.
pub fn of_template(template: Template, kind: RunKind, request: String) -> Wanted {
    let recipe = Recipe { template: serde_json::to_value(&template).unwrap_or(Value::Null), ..Recipe::default() };
    Wanted {
        template,
        kind,
        recipe,
        notes: Vec::new(),
        parameters: Vec::new(),
        foreign: Foreign::Refuse,
        replace: BTreeSet::new(),
        request,
        parser: None,
        bound: None,
    }
}

pub(super) fn note(p: &pattern::BoundParameter) -> ParameterNote {
    let (from, why) = match &p.provenance {
        Provenance::Said { words } => ("said", words.clone()),
        Provenance::Context { what } => ("context", what.clone()),
        Provenance::Default { reason } => ("default", reason.clone()),
        Provenance::Generated => ("generated", String::new()),
        Provenance::Assumed { model } => ("assumed", model.clone()),
        Provenance::Given => ("given", String::new()),
    };
    let value = if p.secret { Shown::Secret } else { Shown::Value(p.value.clone()) };
    ParameterNote { name: p.name.clone(), value, from: from.to_owned(), why }
}

/// Existing resources become part of a deployment: its last template with them added, as they are now.
pub async fn import(app: &App, deployment: &DeploymentName, addresses: &[Address]) -> Result<Wanted, Failure> {
    let snapshot = app.store().latest(deployment).await?;
    let mut template = snapshot.as_ref().map_or_else(|| desired::nothing(deployment), desired::from_snapshot);
    let types = app.types().await;
    for address in addresses {
        let server = app.server(&address.server)?;
        let (_, def) = find_type(&types, &format!("{}:{}", address.server, address.kind))?;
        let key = crate::mcp::Key::named(&address.kind, &address.name);
        let live = server.read(&key).await.map_err(|e| Failure::from(crate::plan::refresh::unreachable(&address.server, &e)))?;
        let Some(live) = live else {
            return Err(Failure::from(
                Diagnostic::error("import::not-found", "There is nothing to import")
                    .address(address)
                    .fact("resource", address.to_string())
                    .detail(format!("`{}` has no `{}` of this name.", address.server, address.kind))
                    .state("Nothing was changed."),
            ));
        };
        let known = def.property_names();
        let properties = live.properties.into_iter().filter(|(k, v)| known.contains(&k.as_str()) && !def.is_sensitive(k) && !v.is_null());
        template.resources.retain(|r| r.address != *address);
        template.resources.push(crate::domain::Resource {
            address: address.clone(),
            properties: properties.map(|(k, v)| (k, crate::domain::substitute::escape_all(&v))).collect(),
            depends_on: Vec::new(),
            lifecycle: crate::domain::Lifecycle::default(),
            wait: None,
            existing: crate::domain::Existing::Managed,
        });
    }
    let recipe = snapshot.map(|s| s.recipe).unwrap_or_default();
    let names: Vec<String> = addresses.iter().map(ToString::to_string).collect();
    let mut wanted = of_template(template, RunKind::Import, format!("swell import {deployment} {}", names.join(" ")));
    wanted.recipe = Recipe { template: wanted.recipe.template.clone(), ..recipe };
    wanted.foreign = Foreign::Adopt;
    Ok(wanted)
}
