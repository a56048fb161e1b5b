//! Subscriptions: which resources a client watches, and whether they look different now.
//!
//! The world is polled, because another process may have changed it. A poll that finds the same generation costs one look at a file.

use std::collections::BTreeMap;

use serde_json::Value;

use crate::domain::ResourceType;
use crate::mcp::Live;
use crate::mcp::protocol::{KeyArgs, uri};
use crate::sandbox::world::World;
use crate::sandbox::{engine, view};

/// What a URI means.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Watched {
    pub key: Named,
    /// Only the outputs matter.
    pub outputs_only: bool,
}

/// Type and name.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Named {
    pub kind: ResourceType,
    pub name: String,
}

/// Reads `swell://SERVER/TYPE/NAME` and `swell://SERVER/TYPE/NAME/outputs`.
pub(super) fn parse(server: &str, text: &str) -> Option<Watched> {
    let rest = text.strip_prefix("swell://")?.strip_prefix(server)?.strip_prefix('/')?;
    let mut parts = rest.split('/');
    let (kind, name, tail) = (parts.next()?, parts.next()?, parts.next());
    let outputs_only = match tail {
        None => false,
        Some("outputs") => true,
        Some(_) => return None,
    };
    Some(Watched { key: Named { kind: ResourceType::new(kind).ok()?, name: name.to_owned() }, outputs_only })
}

/// The resource behind a URI, as it is now.
pub(super) fn look(world: &World, server: &str, watched: &Watched) -> Option<Live> {
    let key = KeyArgs { kind: watched.key.kind.clone(), name: Some(watched.key.name.clone()), id: None };
    world.read(|s| engine::find(s, server, &key).and_then(|o| view::live(s, o))).ok().flatten()
}

/// All URIs that somebody watches, with what was seen last.
#[derive(Debug, Default)]
pub(super) struct Watches {
    seen: BTreeMap<String, Value>,
    generation: u64,
}

impl Watches {
    /// Begins to watch.
    pub fn add(&mut self, world: &World, server: &str, text: &str) -> bool {
        let Some(watched) = parse(server, text) else { return false };
        self.seen.insert(text.to_owned(), picture(world, server, &watched));
        true
    }

    /// Stops watching.
    pub fn remove(&mut self, text: &str) {
        self.seen.remove(text);
    }

    /// The URIs whose resource looks different than the last time.
    pub fn changed(&mut self, world: &World, server: &str) -> Vec<String> {
        let Ok(generation) = world.generation() else { return Vec::new() };
        if generation == self.generation {
            return Vec::new();
        }
        self.generation = generation;
        let mut changed = Vec::new();
        for (text, before) in &mut self.seen {
            let Some(watched) = parse(server, text) else { continue };
            let now = picture(world, server, &watched);
            if *before != now {
                *before = now;
                changed.push(text.clone());
            }
        }
        changed
    }
}

/// What matters of a resource to someone who watches it. The revision does not: it also grows for changes nobody can see.
fn picture(world: &World, server: &str, watched: &Watched) -> Value {
    let Some(live) = look(world, server, watched) else { return Value::Null };
    if watched.outputs_only {
        return Value::Object(live.outputs);
    }
    let mut all = serde_json::to_value(&live).unwrap_or_default();
    if let Value::Object(fields) = &mut all {
        fields.shift_remove("revision");
    }
    all
}

/// The URI of a live resource.
pub(super) fn uri_of(server: &str, live: &Live) -> String {
    uri(server, &live.kind, &live.name)
}
