//! Tries a binding on a scratch object: create, read, update, read, create again, delete, read. What holds is written into the file.
//!
//! The calls are those that the binding makes, in the same words; what the server answers is held against what the binding expects of
//! it, and where that is wrong, what the answer shows instead is written in its place. Who asks for it has shown the calls to a person.

use std::sync::Arc;

use serde::Serialize;
use serde_json::Value;

use super::{Binding, TypeBinding, Verb, expression::Scope, server::sent};
use crate::{
    domain::{Properties, ResourceName, ResourceType},
    mcp::Effect,
};

mod edit;

mod infer;

mod sample;

mod trial;

mod ways;

#[cfg(test)]
mod tests;

pub use edit::line_of;
pub use sample::{Maker, Round};
pub use trial::{PATIENCE, Together, Trial, clean_up, together};

/// What every scratch object is called by first.
pub const PREFIX: &str = "swell-prove-";

/// How many are made at the same time, to see whether the server bears it: as many as a run sends at most, if nobody says otherwise.
pub const AT_ONCE: usize = 4;

/// The scratch object of one type.
#[derive(Debug, Clone)]
pub struct Scratch {
    /// Its name.
    pub name: ResourceName,
    /// Its properties at first.
    pub first: Properties,
    /// The same after the update.
    pub second: Properties,
}

/// A call that will be made.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Intended {
    /// The tool.
    pub tool: String,
    /// `read`, `write`, `destructive`.
    pub effect: &'static str,
    /// Its arguments; what only the server knows yet is written `‹…›`.
    pub arguments: Value,
    /// What for.
    pub why: &'static str,
}

/// How well something holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Level {
    /// It is as the file says.
    Holds,
    /// It was otherwise, and the file says so now.
    Written,
    /// It does not hold, and the file cannot say how it would.
    Fails,
}

/// One thing that was found out.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Finding {
    /// How well it holds.
    pub level: Level,
    /// What, in one sentence.
    pub text: String,
    /// The line of the file that says so.
    pub line: usize,
    /// The member of the type that says so.
    #[serde(skip)]
    pub at: Vec<String>,
}

/// A scratch object that is still there.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, serde::Deserialize)]
pub struct Left {
    /// The server.
    pub server: String,
    /// The binding.
    pub binding: String,
    /// The type.
    #[serde(rename = "type")]
    pub kind: ResourceType,
    /// Its name.
    pub name: ResourceName,
    /// The server's id, if it is known.
    pub id: Option<String>,
}

/// What came of one type.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Proof {
    /// The type.
    #[serde(rename = "type")]
    pub kind: ResourceType,
    /// Whether a template with it works.
    pub usable: bool,
    /// What holds and what does not.
    pub findings: Vec<Finding>,
    /// What is left on the server.
    pub left: Vec<Left>,
    /// It was stopped in the middle.
    pub stopped: bool,
}

/// Who watches a trial.
pub trait Watch: Send + Sync {
    /// A call that may change something is about to be sent. A no means that the person wants to stop.
    fn go_on(&self, tool: &str) -> bool;

    /// Something is there now, or is about to be; it is noted before the call is sent. The error says why it cannot be noted.
    fn there(&self, left: &Left) -> Result<(), String>;

    /// It is gone.
    fn gone(&self, left: &Left);
}

/// A sample for each property that a create needs, or that the person gave. The error names the properties that nothing says a value for.
pub fn scratch(bound: &TypeBinding, name: &ResourceName, given: &Properties, folder: Option<&str>) -> Result<Scratch, Vec<String>> {
    let maker = Maker { name: name.as_str(), folder };
    let schemas = bound.def.properties["properties"].as_object().cloned().unwrap_or_default();
    let required: Vec<&str> = bound.def.properties["required"].as_array().into_iter().flatten().filter_map(Value::as_str).collect();
    let id = match &bound.create {
        Verb::Calls { id: Some(id), .. } => id.source().to_owned(),
        _ => String::new(),
    };
    // Of an id with several parts the last is the thing itself; what stands before says where it is.
    let own = id.rfind("{{").map_or(id.as_str(), |at| &id[at..]).to_owned();
    let within = |text: &str, p: &str| text.contains(&super::draft::access("properties", p));
    let identity = |p: &str| within(&own, p);
    let updated = |p: &str| match &bound.update {
        Verb::Calls { .. } => !bound.def.force_replace.iter().any(|f| f == p) && !within(&id, p),
        Verb::Missing(_) => false,
    };
    let mut wanted: Vec<&str> = schemas.keys().map(String::as_str).filter(|p| required.contains(p) || given.contains_key(*p)).collect();
    let free = |p: &&str| ["description", "comment", "note", "notes", "title", "text", "message"].contains(p);
    wanted.extend(schemas.keys().map(String::as_str).filter(free).filter(|p| !required.contains(p) && !given.contains_key(*p)));
    if !wanted.iter().any(|p| updated(p)) {
        // Something must change, or the update is not tried at all.
        let simple = |p: &&str| ["string", "boolean", "integer"].iter().any(|k| schemas[*p]["type"] == *k);
        wanted.extend(schemas.keys().map(String::as_str).filter(|p| updated(p)).find(simple));
    }
    let (mut first, mut second, mut missing) = (Properties::new(), Properties::new(), Vec::new());
    for p in wanted {
        if bound.def.limits.refused.contains_key(p) || bound.def.limits.without.contains_key(p) {
            continue;
        }
        match given.get(p).cloned().or_else(|| maker.value(p, &schemas[p], identity(p), Round::First)) {
            Some(value) => {
                second.insert(p.to_owned(), value.clone());
                first.insert(p.to_owned(), value);
            }
            None if required.contains(&p) => missing.push(p.to_owned()),
            None => {}
        }
    }
    // One change is enough to see that changes are made; a description may be changed without harm.
    let mut changeable: Vec<String> = first.keys().filter(|p| updated(p) && !given.contains_key(*p)).cloned().collect();
    changeable.sort_by_key(|p| !free(&p.as_str()));
    for p in changeable {
        if let Some(other) = maker.value(&p, &schemas[&p], false, Round::Second).filter(|o| same_kind(o, &first[&p]) && *o != first[&p]) {
            second.insert(p, other);
            break;
        }
    }
    if missing.is_empty() { Ok(Scratch { name: name.clone(), first, second }) } else { Err(missing) }
}

fn same_kind(a: &Value, b: &Value) -> bool {
    std::mem::discriminant(a) == std::mem::discriminant(b)
}

/// The calls that a trial makes, for the person to see before.
pub fn intended(binding: &Binding, kind: &ResourceType, scratch: &Scratch) -> Vec<Intended> {
    let Some(bound) = binding.types.get(kind) else { return Vec::new() };
    let secret = |all: &Properties| -> Properties {
        let shown = |(n, v): (&String, &Value)| (n.clone(), if bound.def.is_sensitive(n) { Value::from("‹secret›") } else { v.clone() });
        sent(&bound.def, all).iter().map(shown).collect()
    };
    let scope = Scope::default().with("name", scratch.name.as_str()).with("type", kind.as_str());
    let made = scope.clone().with("properties", secret(&scratch.first)).with("key", "‹key›");
    let id = bound.create.known_id(&made).unwrap_or_else(|| "‹its id›".to_owned());
    let known = scope.with("id", id);
    let current = known.clone().with("current", secret(&scratch.first)).with("live", Value::Null);
    let mut all = Vec::new();
    let mut add = |verb: &Verb, scope: &Scope, effect: &'static str, why: &'static str| {
        let Verb::Calls { calls, .. } = verb else { return };
        for call in calls {
            let arguments = call.arguments.value(scope).ok().flatten().unwrap_or(Value::Null);
            all.push(Intended { tool: call.tool.to_string(), effect, arguments, why });
        }
    };
    add(&bound.create, &made, "write", "make it");
    if scratch.first != scratch.second {
        add(&bound.update, &current.clone().with("properties", secret(&scratch.second)), "write", "change it");
    }
    add(&bound.create, &made, "write", "make it once more, to see what a second create does");
    add(&bound.delete, &current, "destructive", "take it away");
    add(&bound.delete, &current, "destructive", "once more, to see what the server says when it is gone");
    let reads = std::iter::once(&bound.read.call).chain(bound.read.also.iter().map(|a| &a.call)).chain(bound.find.iter().map(|f| &f.call));
    for call in reads {
        let arguments = call.arguments.value(&known).ok().flatten().unwrap_or(Value::Null);
        let effect = if call.effect == Effect::Read { "read" } else { "write" };
        all.push(Intended { tool: call.tool.to_string(), effect, arguments, why: "in between, as often as needed" });
    }
    all
}

/// A binding out of a text that must be good.
fn parsed(name: &str, file: &str, text: &str) -> Result<Arc<Binding>, String> {
    super::parse::parse(name, file, text).map(Arc::new).map_err(|p| p.first().map(|d| d.detail.clone()).unwrap_or_default())
}
