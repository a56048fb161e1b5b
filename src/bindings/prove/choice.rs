//! What a proof tries: the types, a scratch object for each, and several of one that are made at the same time.

use std::path::Path;

use super::ProveRequest;
use crate::{
    app::App,
    diagnostic::{Diagnostic, Failure},
    domain::{Properties, ResourceName, ResourceType, name::nearest, text::clean_line},
    flow,
    mcp::binding::{
        Binding, Verb,
        prove::{AT_ONCE, PREFIX, Scratch, scratch},
    },
};

/// A type and the scratch object on which it is tried.
pub(super) type OnTrial = (ResourceType, Scratch);

/// A type that is not tried, and why.
pub(super) type Skipped = (String, String);

/// A type, and more scratch objects of it that are made at the same time.
pub(super) type AtOnce = (ResourceType, Vec<Scratch>);

/// Whether the server can take one away.
pub(super) fn deletes(binding: &Binding, kind: &ResourceType) -> bool {
    binding.types.get(kind).is_some_and(|b| matches!(b.delete, Verb::Calls { .. }))
}

/// The types to try, each with its scratch object; and those that are not tried, with the reason.
pub(super) fn choose(app: &App, binding: &Binding, server: &str, args: &ProveRequest) -> Result<(Vec<OnTrial>, Vec<Skipped>), Failure> {
    let given: Properties = flow::pairs(&args.params)?.into_iter().collect();
    let (mut chosen, mut skipped) = (Vec::new(), Vec::new());
    if let Some(unknown) = args.types.iter().find(|t| !binding.types.keys().any(|k| k.as_str() == t.as_str())) {
        let all: Vec<&str> = binding.types.keys().map(ResourceType::as_str).collect();
        let d = Diagnostic::error("prove::unknown-type", "The binding has no such type")
            .fact("type", clean_line(unknown, 80))
            .detail(format!("It has: {}.", all.join(", ")))
            .state("Nothing was changed.");
        return Err(match nearest(unknown, all) {
            Some(near) => d.hint(format!("Did you mean `{near}`?")),
            None => d,
        }
        .into());
    }
    let folder = folder(app, server);
    for (kind, bound) in &binding.types {
        let named = args.types.iter().any(|t| t == kind.as_str());
        if !args.types.is_empty() && !named {
            continue;
        }
        if !matches!(bound.create, Verb::Calls { .. }) {
            skipped.push((kind.to_string(), "the server cannot make one".to_owned()));
        } else if !deletes(binding, kind) && !named {
            skipped
                .push((kind.to_string(), format!("the server cannot delete one, so it would stay; `--type {kind}` tries it nevertheless")));
        } else {
            let name = scratch_name(app)?;
            let own: Properties = given
                .iter()
                .filter(|(p, _)| bound.def.property_names().contains(&p.as_str()))
                .map(|(p, v)| (p.clone(), v.clone()))
                .collect();
            match scratch(bound, &name, &own, folder.as_deref()) {
                Ok(scratch) => chosen.push((kind.clone(), scratch)),
                Err(missing) => {
                    let list = missing.iter().map(|m| format!("`{m}`")).collect::<Vec<_>>().join(", ");
                    let how = missing.iter().map(|m| format!("-p {m}=…")).collect::<Vec<_>>().join(" ");
                    if named {
                        return Err(Failure::from(
                            Diagnostic::error("prove::values", "A value is needed that no schema tells")
                                .fact("type", kind.to_string())
                                .detail(format!("A `{kind}` needs {list}."))
                                .state("Nothing was changed.")
                                .next("Say it:", format!("swell bindings prove {} --type {kind} {how}", binding.name)),
                        ));
                    }
                    skipped.push((kind.to_string(), format!("nothing says a value for {list}: `--type {kind} {how}`")));
                }
            }
        }
    }
    let known: Vec<&str> = binding.types.values().flat_map(|b| b.def.property_names()).collect();
    if let Some(stray) = given.keys().find(|p| !known.contains(&p.as_str())) {
        let usage = crate::diagnostic::usage(&format!("no type of `{}` has a property `{}`", binding.name, clean_line(stray, 60)));
        return Err(usage);
    }
    Ok((chosen, skipped))
}

/// More of the first type that can be taken away, if nothing is known yet of how many calls the server bears at the same time, and the
/// file says of itself how far it was tried.
pub(super) fn at_once(
    app: &App,
    binding: &Binding,
    server: &str,
    on_trial: &[OnTrial],
    args: &ProveRequest,
) -> Result<Option<AtOnce>, Failure> {
    let drafted = binding.text.lines().any(|l| l.trim_start().starts_with("# status:"));
    let Some((kind, _)) = on_trial.iter().find(|(kind, _)| drafted && binding.max_calls.is_none() && deletes(binding, kind)) else {
        return Ok(None);
    };
    let bound = &binding.types[kind];
    let mut given: Properties = flow::pairs(&args.params)?.into_iter().collect();
    given.retain(|p, _| bound.def.property_names().contains(&p.as_str()));
    let (folder, base) = (folder(app, server), scratch_name(app)?);
    let mut all: Vec<Scratch> = Vec::new();
    for n in 1..=AT_ONCE {
        let bad = |e: crate::domain::NameError| Failure::from(Diagnostic::bug("prove::name", e.to_string()));
        let name = format!("{base}-{n}").parse().map_err(bad)?;
        let Ok(one) = scratch(bound, &name, &given, folder.as_deref()) else { return Ok(None) };
        // What a person gave may be what one is known by: then all would be one.
        if !given.is_empty() && all.iter().any(|other| other.first == one.first) {
            return Ok(None);
        }
        all.push(one);
    }
    Ok(Some((kind.clone(), all)))
}

/// A new name by which a person sees what it is, and that no other trial has.
fn scratch_name(app: &App) -> Result<ResourceName, Failure> {
    let id: String = app.new_id().chars().filter(char::is_ascii_hexdigit).collect();
    let name = format!("{PREFIX}{}", &id[id.len().saturating_sub(6)..]);
    name.parse().map_err(|e: crate::domain::NameError| Failure::from(Diagnostic::bug("prove::name", e.to_string())))
}

/// A folder that the server is told of when it is started: there it may make things.
fn folder(app: &App, server: &str) -> Option<String> {
    let args = &app.registry().find(server)?.entry.setting.args;
    args.iter().rev().find(|a| Path::new(a).is_absolute() && Path::new(a).is_dir()).cloned()
}
