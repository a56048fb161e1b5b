//! The simulated world in memory: objects and the indexes that keep every question about them cheap.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::domain::Properties;
use crate::mcp::ServerEvidence;
use crate::sandbox::catalogue::kinds;
use crate::sandbox::rules;

/// What befell an object since it was made.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", tag = "is")]
pub(crate) enum Condition {
    /// It runs.
    #[default]
    Running,
    /// It ended and nobody started it again.
    Dead {
        /// Exit code of its process.
        exit_code: u8,
        /// When (RFC 3339).
        at: String,
    },
}

/// One object of the world, as it lies in its file.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub(crate) struct Object {
    /// Which server has it.
    pub server: String,
    /// Type.
    #[serde(rename = "type")]
    pub kind: String,
    /// Name.
    pub name: String,
    /// The server's id.
    pub id: String,
    /// How often this name was used before.
    #[serde(default)]
    pub serial: u32,
    /// Generation of the world at its last change.
    #[serde(default)]
    pub revision: u64,
    /// The idempotency key of its creation.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub created_by: Option<String>,
    /// When it was made (RFC 3339).
    #[serde(default)]
    pub created_at: String,
    /// What was set, with the type's defaults.
    pub properties: Properties,
    /// What the server added when it was made or changed.
    pub outputs: Properties,
    /// What befell it.
    #[serde(default)]
    pub condition: Condition,
    /// How often it was started again.
    #[serde(default)]
    pub restarts: u32,
    /// How many more reads say that it is not ready yet.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub unready_reads: u32,
    /// What happened to it, newest last.
    #[serde(default)]
    pub events: Vec<ServerEvidence>,
}

fn is_zero(n: &u32) -> bool {
    *n == 0
}

/// The most events that an object keeps.
const MAX_EVENTS: usize = 40;

impl Object {
    /// Where it is kept: `server/type/name`, with a number behind the name when it is not the first of that name.
    pub fn key(&self) -> String {
        key_of(&self.server, &self.kind, &self.name, self.serial)
    }

    /// A property, else an output.
    pub fn get(&self, name: &str) -> Option<&Value> {
        self.outputs.get(name).or_else(|| self.properties.get(name))
    }

    /// A property or output that is a text; empty if there is none.
    pub fn text(&self, name: &str) -> &str {
        self.get(name).and_then(Value::as_str).unwrap_or_default()
    }

    /// The AWS region it is in; `None` for what has no region.
    pub fn region(&self) -> Option<&str> {
        self.properties.get("region").and_then(Value::as_str)
    }

    /// Notes something that happened.
    pub fn note(&mut self, source: &str, at: &str, text: impl Into<String>) {
        self.events.push(ServerEvidence { source: source.into(), at: Some(at.to_owned()), text: text.into() });
        let extra = self.events.len().saturating_sub(MAX_EVENTS);
        self.events.drain(..extra);
    }

    /// Whether it runs.
    pub fn runs(&self) -> bool {
        self.condition == Condition::Running
    }

    /// The texts by which others may refer to it.
    fn handles(&self) -> BTreeSet<String> {
        let outs = ["arn", "tag", "device", "dnsName", "bucket", "domain", "endpoint", "readerEndpoint"]
            .into_iter()
            .filter_map(|o| self.outputs.get(o)?.as_str());
        [self.name.as_str(), self.id.as_str()].into_iter().chain(outs).filter(|h| !h.is_empty()).map(str::to_owned).collect()
    }

    /// What it refers to: `server/type`, and the text by which it does.
    fn mentions(&self) -> BTreeSet<(String, String)> {
        let Some(kind) = kinds(&self.server).get(self.kind.as_str()) else { return BTreeSet::new() };
        let mut all = BTreeSet::new();
        for (path, link) in kind.refs.iter().filter(|(_, l)| l.holds) {
            for value in values_at(&self.properties, path) {
                all.extend(link.to.iter().map(|to| ((*to).to_owned(), value.to_owned())));
            }
        }
        all.extend(rules::extra_mentions(self));
        all
    }
}

/// The key of an object; see [`Object::key`].
pub(crate) fn key_of(server: &str, kind: &str, name: &str, serial: u32) -> String {
    match serial {
        0 => format!("{server}/{kind}/{name}"),
        n => format!("{server}/{kind}/{name}~{n}"),
    }
}

/// The texts at a path such as `ingress[].securityGroup`.
pub(crate) fn values_at<'a>(properties: &'a Properties, path: &str) -> Vec<&'a str> {
    let (head, rest) = path.find(['.', '[']).map_or((path, ""), |i| path.split_at(i));
    let mut found = Vec::new();
    if let Some(value) = properties.get(head) {
        walk(value, rest, &mut found);
    }
    found
}

fn walk<'a>(value: &'a Value, rest: &str, found: &mut Vec<&'a str>) {
    if let Some(rest) = rest.strip_prefix("[]") {
        value.as_array().into_iter().flatten().for_each(|item| walk(item, rest, found));
    } else if let Some(rest) = rest.strip_prefix('.') {
        let (head, rest) = rest.find(['.', '[']).map_or((rest, ""), |i| rest.split_at(i));
        if let Some(inner) = value.get(head) {
            walk(inner, rest, found);
        }
    } else if let Some(text) = value.as_str() {
        found.push(text);
    }
}

type Handle = (String, String);

/// All objects, with indexes.
#[derive(Debug, Default)]
pub(crate) struct State {
    /// Mixed into every id, so that two worlds differ and one is the same every time.
    pub seed: String,
    /// How many changes there were since the world began.
    pub generation: u64,
    objects: BTreeMap<String, Object>,
    handles: HashMap<Handle, BTreeSet<String>>,
    mentions: HashMap<Handle, BTreeSet<String>>,
    claims: HashMap<String, String>,
    created_by: HashMap<String, String>,
    serials: HashMap<String, u32>,
    /// Files that cannot be read, by key, with the reason.
    pub broken: BTreeMap<String, String>,
}

impl State {
    /// A world with nothing in it.
    pub fn empty(seed: &str) -> Self {
        Self { seed: seed.to_owned(), ..Self::default() }
    }

    /// Forgets which names were used, as a world that begins anew does.
    pub fn forget_names(&mut self) {
        self.serials.clear();
    }

    /// Puts an object in, in place of the one with its key.
    pub fn insert(&mut self, object: Object) {
        let key = object.key();
        self.remove(&key);
        let place = format!("{}/{}", object.server, object.kind);
        for handle in object.handles() {
            self.handles.entry((place.clone(), handle)).or_default().insert(key.clone());
        }
        for mention in object.mentions() {
            self.mentions.entry(mention).or_default().insert(key.clone());
        }
        for claim in rules::claims(&object) {
            self.claims.insert(claim, key.clone());
        }
        if let Some(by) = &object.created_by {
            self.created_by.insert(by.clone(), key.clone());
        }
        self.count(&object.server, &object.kind, &object.name, object.serial);
        self.objects.insert(key, object);
    }

    /// Takes an object out.
    pub fn remove(&mut self, key: &str) -> Option<Object> {
        self.broken.remove(key);
        let object = self.objects.remove(key)?;
        let place = format!("{}/{}", object.server, object.kind);
        for handle in object.handles() {
            drop_from(&mut self.handles, (place.clone(), handle), key);
        }
        for mention in object.mentions() {
            drop_from(&mut self.mentions, mention, key);
        }
        for claim in rules::claims(&object) {
            if self.claims.get(&claim).is_some_and(|k| k == key) {
                self.claims.remove(&claim);
            }
        }
        if let Some(by) = &object.created_by {
            self.created_by.remove(by);
        }
        Some(object)
    }

    /// Notes that a name was used.
    pub fn count(&mut self, server: &str, kind: &str, name: &str, serial: u32) {
        let next = self.serials.entry(key_of(server, kind, name, 0)).or_default();
        *next = (*next).max(serial + 1);
    }

    /// The number of the next object of a name.
    pub fn next_serial(&self, server: &str, kind: &str, name: &str) -> u32 {
        self.serials.get(&key_of(server, kind, name, 0)).copied().unwrap_or(0)
    }

    /// An object by key.
    pub fn object(&self, key: &str) -> Option<&Object> {
        self.objects.get(key)
    }

    /// All objects of a server's type, in the order of their names.
    pub fn of<'a>(&'a self, server: &str, kind: &str) -> impl Iterator<Item = &'a Object> + use<'a> {
        let from = format!("{server}/{kind}/");
        let to = format!("{server}/{kind}0"); // `0` comes right after `/`
        self.objects.range(from..to).map(|(_, o)| o)
    }

    /// All objects of a server.
    pub fn of_server<'a>(&'a self, server: &str) -> impl Iterator<Item = &'a Object> + use<'a> {
        self.objects.range(format!("{server}/")..format!("{server}0")).map(|(_, o)| o)
    }

    /// The newest object that a text refers to by name, id, ARN or the like. `place` is `server/type`.
    pub fn find(&self, place: &str, handle: &str) -> Option<&Object> {
        let keys = self.handles.get(&(place.to_owned(), handle.to_owned()))?;
        keys.iter().filter_map(|k| self.objects.get(k)).max_by_key(|o| o.serial)
    }

    /// As [`State::find`], over several places.
    pub fn find_in(&self, places: &[&str], handle: &str) -> Option<&Object> {
        places.iter().find_map(|p| self.find(p, handle))
    }

    /// All objects that a text may refer to, in whatever region.
    pub fn find_all<'a>(&'a self, place: &str, handle: &str) -> impl Iterator<Item = &'a Object> + use<'a> {
        let keys = self.handles.get(&(place.to_owned(), handle.to_owned()));
        keys.into_iter().flatten().filter_map(|k| self.objects.get(k))
    }

    /// The objects that hold this one.
    pub fn holders(&self, object: &Object) -> Vec<&Object> {
        let place = format!("{}/{}", object.server, object.kind);
        let keys: BTreeSet<&String> = object
            .handles()
            .into_iter()
            // Of two with one name the newer one is meant, so the older can go when it was replaced.
            .filter(|h| *h == object.id || self.find(&place, h).is_some_and(|o| o.serial == object.serial))
            .filter_map(|h| self.mentions.get(&(place.clone(), h)))
            .flatten()
            .collect();
        keys.into_iter()
            .filter_map(|k| self.objects.get(k))
            .filter(|o| o.key() != object.key())
            .filter(|o| match (o.region(), object.region()) {
                (Some(a), Some(b)) if a != b => kinds(&o.server)
                    .get(o.kind.as_str())
                    .is_some_and(|k| k.refs.iter().any(|(_, l)| l.any_region && l.to.contains(&place.as_str()))),
                _ => true,
            })
            .collect()
    }

    /// Who has something of which there is only one: a port, a VLAN tag, a DNS name.
    pub fn claimed(&self, claim: &str) -> Option<&Object> {
        self.objects.get(self.claims.get(claim)?)
    }

    /// The object that was made with this idempotency key.
    pub fn created_with(&self, idempotency_key: &str) -> Option<&Object> {
        self.objects.get(self.created_by.get(idempotency_key)?)
    }
}

fn drop_from(index: &mut HashMap<Handle, BTreeSet<String>>, handle: Handle, key: &str) {
    if let Some(keys) = index.get_mut(&handle) {
        keys.remove(key);
        if keys.is_empty() {
            index.remove(&handle);
        }
    }
}
