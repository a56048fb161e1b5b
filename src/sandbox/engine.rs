//! What the tools do to the world: create, read, update, delete, list, with the checks that hold for every type.

use serde_json::Value;

use super::catalogue::{Kind, kinds};
use super::rules::{self, Draft, Problem};
use super::view;
use super::world::poke::damage;
use super::world::state::{Object, State, values_at};
use super::world::{Tx, World, WorldError};
use crate::domain::{Properties, ResourceName};
use crate::mcp::protocol::{CreateArgs, KeyArgs, ListArgs, ListReply, UpdateArgs};
use crate::mcp::{Live, Refusal};

/// How many resources are on one page of a listing.
const PAGE: usize = 200;

impl From<WorldError> for Problem {
    fn from(error: WorldError) -> Self {
        Self { class: Refusal::Other, message: error.to_string() }
    }
}

/// One resource; `None` if there is none.
pub(crate) fn state(world: &World, server: &str, key: &KeyArgs) -> Result<Option<Live>, Problem> {
    kind_of(server, &key.kind)?;
    // A resource that takes a while to be ready counts the times that it was looked at.
    let waiting = world.read(|s| find(s, server, key).is_some_and(|o| o.unready_reads > 0))?;
    if waiting {
        return world.write(|tx| {
            let Some(mut object) = find(tx.state(), server, key).cloned() else { return Ok(None) };
            let seen = view::live(tx.state(), &object);
            object.unready_reads = object.unready_reads.saturating_sub(1);
            tx.put(object)?;
            Ok(seen)
        });
    }
    world.read(|s| sound(s, server).map(|()| find(s, server, key).and_then(|o| view::live(s, o))))?
}

/// A page of resources.
pub(crate) fn list(world: &World, server: &str, args: &ListArgs) -> Result<ListReply, Problem> {
    if let Some(kind) = &args.kind {
        kind_of(server, kind)?;
    }
    world.read(|s| {
        sound(s, server)?;
        let after = args.cursor.as_deref().unwrap_or_default();
        let fits = |o: &&Object| args.kind.as_ref().is_none_or(|k| k.as_str() == o.kind) && o.key().as_str() > after;
        let mut page: Vec<&Object> = s.of_server(server).filter(fits).take(PAGE + 1).collect();
        let next_cursor = (page.len() > PAGE).then(|| page.get(PAGE - 1).map(|o| o.key())).flatten();
        page.truncate(PAGE);
        Ok(ListReply { resources: page.into_iter().filter_map(|o| view::live(s, o)).collect(), next_cursor })
    })?
}

/// Creates a resource, or gives the one that this idempotency key made.
pub(crate) fn create(world: &World, server: &str, args: &CreateArgs) -> Result<Live, Problem> {
    let kind = kind_of(server, &args.kind)?;
    ResourceName::new(args.name.as_str()).map_err(|e| Problem::invalid(e.to_string()))?;
    if kind.fixed {
        return Err(Problem::denied(format!("{} cannot be created: it is there or it is not", kind.name)));
    }
    if args.idempotency_key.is_empty() {
        return Err(Problem::invalid("idempotency_key is empty"));
    }
    world.write(|tx| {
        sound(tx.state(), server)?;
        if let Some(made) = tx.state().created_with(&args.idempotency_key) {
            if made.server == server && made.kind == kind.name && made.name == args.name {
                return view::live(tx.state(), made).ok_or_else(gone);
            }
            return Err(Problem::invalid(format!("idempotency_key was used for {}:{}:{}", made.server, made.kind, made.name)));
        }
        let object = build(tx, server, &kind, &args.name, &args.properties, &args.idempotency_key)?;
        let key = object.key();
        tx.put(object)?;
        tx.state().object(&key).and_then(|o| view::live(tx.state(), o)).ok_or_else(gone)
    })
}

/// Makes an object that is not stored yet, after all checks.
pub(crate) fn build(tx: &Tx<'_>, server: &str, kind: &Kind, name: &str, given: &Properties, by: &str) -> Result<Object, Problem> {
    let state = tx.state();
    let other = state.find(&format!("{server}/{}", kind.name), name).filter(|o| o.name == name);
    if let Some(other) = other.filter(|_| !kind.def.as_ref().is_some_and(|d| d.many_per_name)) {
        return Err(exists(other));
    }
    let properties = effective(kind, given)?;
    let serial = state.next_serial(server, kind.name, name);
    let id = rules::new_id(state, server, kind.name, name, serial, &properties);
    let now = tx.now();
    check_links(state, server, kind, &properties)?;
    let draft = Draft { state, server, kind: kind.name, name, id: &id, serial, properties: &properties, before: None, now: &now };
    let outputs = rules::settle(&draft)?;
    let mut object = Object {
        server: server.to_owned(),
        kind: kind.name.to_owned(),
        name: name.to_owned(),
        id,
        serial,
        created_by: (!by.is_empty()).then(|| by.to_owned()),
        created_at: now.clone(),
        properties,
        outputs,
        ..Object::default()
    };
    object.note("event", &now, format!("Created {} {name}", kind.name));
    Ok(object)
}

/// Sets the properties of a resource.
pub(crate) fn update(world: &World, server: &str, args: &UpdateArgs) -> Result<Live, Problem> {
    let kind = kind_of(server, &args.key.kind)?;
    if kind.fixed {
        return Err(Problem::denied(format!("{} cannot be changed", kind.name)));
    }
    world.write(|tx| {
        sound(tx.state(), server)?;
        let state = tx.state();
        let before = find(state, server, &args.key).ok_or_else(|| missing(server, kind.name, &args.key))?;
        let properties = effective(&kind, &args.properties)?;
        if let Some(def) = &kind.def
            && let Some(fixed) =
                def.force_replace.iter().find(|p| !same(def.unordered.contains(p), before.properties.get(*p), properties.get(*p)))
        {
            return Err(Problem::invalid(format!(
                "{fixed} of {} {} cannot be changed in place; it needs a new one",
                kind.name, before.name
            )));
        }
        check_links(state, server, &kind, &properties)?;
        let now = tx.now();
        let draft = Draft {
            state,
            server,
            kind: kind.name,
            name: &before.name,
            id: &before.id,
            serial: before.serial,
            properties: &properties,
            before: Some(before),
            now: &now,
        };
        let unchanged = before.properties == properties;
        let outputs = if unchanged { before.outputs.clone() } else { rules::settle(&draft)? };
        let mut after = Object { properties, outputs, ..before.clone() };
        let key = after.key();
        if !unchanged {
            after.note("event", &now, format!("Updated {} {}", kind.name, before.name));
            tx.put(after)?;
        }
        tx.state().object(&key).and_then(|o| view::live(tx.state(), o)).ok_or_else(gone)
    })
}

/// Deletes a resource.
pub(crate) fn delete(world: &World, server: &str, key: &KeyArgs) -> Result<(), Problem> {
    let kind = kind_of(server, &key.kind)?;
    world.write(|tx| {
        sound(tx.state(), server)?;
        let object = find(tx.state(), server, key).cloned().ok_or_else(|| missing(server, kind.name, key))?;
        if kind.fixed || (server == "kubernetes" && kind.name == "namespace" && object.name == "default") {
            return Err(Problem::denied(format!("{} {} cannot be deleted", kind.name, object.name)));
        }
        if object.properties.get("deletionProtection") == Some(&Value::Bool(true)) {
            return Err(Problem::denied(format!("OperationNotPermitted: deletionProtection is on for {}; turn it off first", object.name)));
        }
        if kind.name == "namespace" {
            // A cluster deletes all that is in a namespace with it.
            let inside: Vec<String> =
                tx.state().of_server("kubernetes").filter(|o| o.text("namespace") == object.name).map(Object::key).collect();
            for key in inside.iter().filter(|k| **k != object.key()) {
                tx.remove(key)?;
            }
        }
        let holders = tx.state().holders(&object);
        if !holders.is_empty() {
            return Err(rules::in_use(&object, &holders));
        }
        if object.properties.get("finalSnapshot") == Some(&Value::Bool(true)) {
            final_snapshot(tx, &object)?;
        }
        tx.remove(&object.key())?;
        Ok(())
    })
}

fn final_snapshot(tx: &mut Tx<'_>, cluster: &Object) -> Result<(), Problem> {
    let Some(kind) = kinds("aws").get("rds:snapshot") else { return Ok(()) };
    let mut given = Properties::new();
    given.insert("cluster".into(), cluster.id.clone().into());
    given.insert("region".into(), cluster.region().unwrap_or("us-east-1").into());
    // A second cluster of the same name must not fail to go because the first one left its snapshot.
    let taken = tx.state().next_serial("aws", kind.name, &format!("{}-final", cluster.name)) > 0;
    let name = if taken { format!("{}-final-{}", cluster.name, cluster.serial + 1) } else { format!("{}-final", cluster.name) };
    let snapshot = build(tx, "aws", kind, &name, &given, "")?;
    tx.put(snapshot)?;
    Ok(())
}

/// The object that arguments mean.
pub(crate) fn find<'a>(state: &'a State, server: &str, key: &KeyArgs) -> Option<&'a Object> {
    let place = format!("{server}/{}", key.kind);
    match (&key.id, &key.name) {
        (Some(id), name) => {
            let mut all = state.find_all(&place, id).filter(|o| o.id == *id);
            match name {
                Some(name) => all.find(|o| o.name == *name),
                None => all.next(),
            }
        }
        (None, Some(name)) => state.find_all(&place, name).filter(|o| o.name == *name).max_by_key(|o| o.serial),
        (None, None) => None,
    }
}

/// A type of a server.
pub(crate) fn kind_of(server: &str, name: &crate::domain::ResourceType) -> Result<std::sync::Arc<Kind>, Problem> {
    kinds(server).get(name.as_str()).cloned().ok_or_else(|| {
        let near = crate::domain::name::nearest(name.as_str(), kinds(server).keys().copied());
        let hint = near.map(|n| format!("; did you mean {n}?")).unwrap_or_default();
        Problem::invalid(format!("{server} has no type {name}{hint}"))
    })
}

fn sound(state: &State, server: &str) -> Result<(), Problem> {
    damage(state, server).map_or(Ok(()), |message| Err(Problem { class: Refusal::Other, message }))
}

/// What will hold: what is given, without nulls, with the defaults of the type. Refuses what the schema does not allow.
fn effective(kind: &Kind, given: &Properties) -> Result<Properties, Problem> {
    let mut all = Properties::new();
    for (name, value) in given.iter().filter(|(_, v)| !v.is_null()) {
        all.insert(name.clone(), value.clone());
    }
    for (name, default) in kind.defaults() {
        all.entry(name).or_insert_with(|| default.clone());
    }
    let errors = kind.errors(&Value::Object(all.clone()));
    if errors.is_empty() { Ok(all) } else { Err(Problem::invalid(errors.join("; "))) }
}

fn same(unordered: bool, a: Option<&Value>, b: Option<&Value>) -> bool {
    match (unordered, a, b) {
        (true, Some(Value::Array(a)), Some(Value::Array(b))) => {
            a.len() == b.len() && a.iter().all(|x| b.contains(x)) && b.iter().all(|x| a.contains(x))
        }
        _ => a == b,
    }
}

/// Refuses what points nowhere.
fn check_links(state: &State, server: &str, kind: &Kind, properties: &Properties) -> Result<(), Problem> {
    let region = properties.get("region").and_then(Value::as_str);
    for (path, link) in kind.refs.iter().filter(|(_, l)| !l.open) {
        for handle in values_at(properties, path) {
            let fits = |o: &Object| link.any_region || region.is_none() || o.region().is_none() || o.region() == region;
            let found: Vec<&Object> = link.to.iter().flat_map(|place| state.find_all(place, handle)).collect();
            if found.iter().any(|o| fits(o)) {
                continue;
            }
            let thing = link.to.first().and_then(|t| t.rsplit(['/', ':']).next()).unwrap_or("object");
            let elsewhere = found.first().and_then(|o| o.region()).map(|r| format!(" in {}; it is in {r}", region.unwrap_or_default()));
            return Err(Problem::missing(nowhere(server, thing, handle, path, &elsewhere.unwrap_or_default())));
        }
    }
    Ok(())
}

fn nowhere(server: &str, thing: &str, handle: &str, path: &str, elsewhere: &str) -> String {
    match server {
        "aws" => {
            let mut word = thing.to_owned();
            if let Some(first) = word.get_mut(..1) {
                first.make_ascii_uppercase();
            }
            format!("Invalid{word}.NotFound: The {thing} '{handle}' of `{path}` does not exist{elsewhere}")
        }
        "docker" => format!("{thing} {handle} not found"),
        "kubernetes" => format!("{thing}s \"{handle}\" not found"),
        _ => format!("Related {thing} not found: `{path}` names {handle}, which does not exist{elsewhere}"),
    }
}

fn exists(other: &Object) -> Problem {
    let Object { server, kind, name, id, .. } = other;
    Problem::exists(match server.as_str() {
        "docker" if kind == "container:run" => format!("Conflict. The container name \"/{name}\" is already in use by container \"{id}\""),
        "kubernetes" => format!("{kind}s \"{name}\" already exists"),
        "aws" => format!("AlreadyExists: The {kind} '{name}' already exists ({id})"),
        _ => format!("{kind} {name} already exists ({id})"),
    })
}

fn missing(server: &str, kind: &str, key: &KeyArgs) -> Problem {
    let which = key.id.as_deref().or(key.name.as_deref()).unwrap_or("(neither name nor id given)");
    Problem::missing(format!("{server} has no {kind} {which}"))
}

fn gone() -> Problem {
    Problem { class: Refusal::Other, message: "the object is not there any more".to_owned() }
}

#[cfg(test)]
#[path = "engine_tests.rs"]
mod tests;
