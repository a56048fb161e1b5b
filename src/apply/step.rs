//! One step: the call, the wait until it is ready, and reading back when nobody knows. It has no handle to the journal or to the state.

use std::{collections::BTreeMap, sync::Arc, time::Duration};

use serde_json::Value;
use tokio::{sync::mpsc, time::Instant};
use tokio_util::sync::CancellationToken;

use crate::{
    domain::{Action, Address, Outcome, Properties, Reference, TypeDef, text::clean_line},
    mcp::{CallControl, CallError, Key, Live, Refusal, ResourceServer, Servers, Status},
    plan::diff::equal,
    secret::{SecretStore, expose},
    store::Recorded,
};

/// How often reading back is tried until it shows what was sent.
const CONFIRMATIONS: u32 = 5;

/// How long things may take.
#[derive(Debug, Clone)]
pub struct Timing {
    /// Longest silence within a call.
    pub idle: Duration,
    /// Longest call.
    pub total: Duration,
    /// First pause between two reads while waiting; it doubles up to `poll_max`.
    pub poll: Duration,
    /// Longest pause between two reads.
    pub poll_max: Duration,
    /// How often a call that was certainly not carried out (not sent, throttled) is tried again.
    pub retries: u32,
}

impl Default for Timing {
    fn default() -> Self {
        Self {
            idle: Duration::from_secs(120),
            total: Duration::from_secs(30 * 60),
            poll: Duration::from_millis(100),
            poll_max: Duration::from_secs(5),
            retries: 3,
        }
    }
}

/// Everything that one step needs.
pub(super) struct Job {
    pub number: usize,
    pub server: Arc<dyn ResourceServer>,
    pub address: Address,
    pub action: Action,
    pub id: Option<String>,
    pub key: String,
    pub intended: Option<Recorded>,
    pub before: Option<Recorded>,
    pub properties: Properties,
    pub timing: Timing,
    pub cancel: CancellationToken,
    pub tell: mpsc::UnboundedSender<(usize, String)>,
}

/// How a step ended.
pub(super) struct Report {
    pub number: usize,
    pub outcome: Outcome,
    /// The resource as it now is, if there is one.
    pub resource: Option<Recorded>,
    pub error: Option<String>,
}

impl Job {
    pub(super) async fn run(self) -> Report {
        let (outcome, live, error) = match self.action {
            Action::Delete => self.delete().await,
            _ => self.make().await,
        };
        let resource = live.as_ref().and_then(|live| self.recorded(live));
        Report { number: self.number, outcome, resource, error }
    }

    fn recorded(&self, live: &Live) -> Option<Recorded> {
        let base = self.intended.clone().or_else(|| self.before.clone())?;
        Some(Recorded {
            id: live.id.clone(),
            properties: live.properties.clone(),
            outputs: live.outputs.clone(),
            created_by: live.created_by.clone().or_else(|| base.created_by.clone()),
            ..base
        })
    }

    fn say(&self, state: impl Into<String>) {
        // A receiver that is gone has nobody left to tell.
        let _ = self.tell.send((self.number, state.into()));
    }

    fn control(&self) -> CallControl {
        CallControl { idle: self.timing.idle, total: self.timing.total, cancel: self.cancel.clone() }
    }

    fn lookup_key(&self, id: Option<String>) -> Key {
        let known = if self.properties.is_empty() { self.before.as_ref().map(|b| &b.properties) } else { Some(&self.properties) };
        let key = Key::named(&self.address.kind, &self.address.name).id(id);
        known.map_or(key.clone(), |known| key.hints(known))
    }

    /// Create or update, then wait until it is ready.
    async fn make(&self) -> (Outcome, Option<Live>, Option<String>) {
        match self.call().await {
            Ok(live) => self.until_ready(live).await,
            Err(CallError::Refused { message, class, .. }) => {
                // Some servers refuse and leave something behind; what is there must be known, or the next plan trips over it.
                let there = self.read_back().await.ok().flatten();
                let ours = |live: &Live| {
                    self.action == Action::Update
                        || live.created_by.as_deref() == Some(self.key.as_str())
                        || (class != Refusal::Exists && live.created_by.is_none())
                };
                match there.filter(|live| ours(live)) {
                    Some(live) if class == Refusal::Exists && self.action == Action::Create => self.until_ready(live).await,
                    left => (Outcome::Failed, left, Some(message)),
                }
            }
            Err(error @ CallError::NotSent { .. }) => (Outcome::Failed, None, Some(error.message().to_owned())),
            Err(error @ CallError::Unknown { .. }) => self.settle(error.message()).await,
        }
    }

    /// The call, tried again only when it was certainly not carried out.
    async fn call(&self) -> Result<Live, CallError> {
        let mut pause = self.timing.poll * 2;
        for attempt in 0.. {
            let control = self.control();
            let result = match (self.action, &self.id) {
                (Action::Create, _) => {
                    self.server.create(&self.address.kind, &self.address.name, &self.properties, &self.key, &control).await
                }
                (_, id) => self.server.update(&self.lookup_key(id.clone()), &self.properties, &control).await,
            };
            match result {
                Err(CallError::NotSent { .. } | CallError::Refused { class: Refusal::Throttled, .. })
                    if attempt < self.timing.retries && !self.cancel.is_cancelled() =>
                {
                    self.say("trying again");
                    tokio::time::sleep(pause).await;
                    pause = (pause * 2).min(self.timing.poll_max);
                }
                other => return other,
            }
        }
        unreachable!("the loop ends with a return")
    }

    async fn read_back(&self) -> Result<Option<Live>, CallError> {
        let id = match self.action {
            Action::Create => self.server.known_id(&self.address.kind, &self.address.name, &self.properties),
            _ => self.id.clone(),
        };
        self.server.read(&self.lookup_key(id)).await
    }

    /// Nobody knows what came of the call: read back, unless the person wants to be gone.
    async fn settle(&self, reason: &str) -> (Outcome, Option<Live>, Option<String>) {
        let unknown = |why: &str| (Outcome::Unknown, None, Some(format!("{reason}; {why}")));
        if self.cancel.is_cancelled() {
            return unknown("the run was stopped before it could be read back");
        }
        self.say("unknown, reading back");
        let mut pause = self.timing.poll;
        for _ in 0..4 {
            match self.read_back().await {
                Ok(Some(live)) if self.arrived(&live) => return self.until_ready(live).await,
                Ok(_) | Err(_) => {}
            }
            tokio::select! {
                () = tokio::time::sleep(pause) => pause = (pause * 2).min(self.timing.poll_max),
                () = self.cancel.cancelled() => return unknown("the run was stopped before it could be read back"),
            }
        }
        unknown("reading back did not find it, and it may still arrive")
    }

    /// Whether what was read back shows that the call was carried out.
    fn arrived(&self, live: &Live) -> bool {
        if self.action == Action::Create {
            return live.created_by.as_deref().is_none_or(|key| key == self.key);
        }
        self.intended.as_ref().is_some_and(|intended| missed(intended, None, &self.properties, live).is_empty())
    }

    /// A success counts when reading back shows what was sent: servers say yes and drop what they do not know.
    async fn confirmed(&self, mut live: Live) -> (Outcome, Option<Live>, Option<String>) {
        let types = self.server.types().await.ok();
        let kind = types.as_ref().and_then(|t| t.get(&self.address.kind));
        let Some((kind, intended)) = kind.zip(self.intended.as_ref()) else { return (Outcome::Done, Some(live), None) };
        let mut pause = self.timing.poll;
        for attempt in 0..CONFIRMATIONS {
            let missed = missed(intended, Some(kind), &self.properties, &live);
            if missed.is_empty() {
                return (Outcome::Done, Some(live), None);
            }
            let why = format!("the server says that it was done, and reading it back shows that {}", missed.join(", "));
            if attempt + 1 == CONFIRMATIONS || self.cancel.is_cancelled() {
                return (Outcome::Failed, Some(live), Some(why));
            }
            tokio::time::sleep(pause).await;
            pause = (pause * 2).min(self.timing.poll_max);
            match self.server.read(&self.lookup_key(Some(live.id.clone()))).await {
                Ok(Some(now)) => live = now,
                Ok(None) => return (Outcome::Failed, None, Some("it was made, and then it was gone".into())),
                Err(error) => return (Outcome::Failed, Some(live), Some(format!("{why}; then it could not be read: {}", error.message()))),
            }
        }
        (Outcome::Done, Some(live), None)
    }

    /// Reads until the resource is ready, failed, or the time is up.
    async fn until_ready(&self, mut live: Live) -> (Outcome, Option<Live>, Option<String>) {
        let limit = self.ready_limit().await;
        let since = Instant::now();
        let mut pause = self.timing.poll;
        loop {
            match live.status {
                Status::Ready => return self.confirmed(live).await,
                Status::Failed => {
                    let why = live.reason.clone().unwrap_or_else(|| "the server gives no reason".into());
                    return (Outcome::Failed, Some(live), Some(format!("it was made and failed: {why}")));
                }
                Status::Pending | Status::Deleting => {}
            }
            if since.elapsed() >= limit {
                let why = live.reason.clone().map_or_else(String::new, |r| format!(": {r}"));
                return (Outcome::Failed, Some(live), Some(format!("it is not ready after {}s{why}", limit.as_secs())));
            }
            self.say(match &live.reason {
                Some(reason) => format!("waiting until ready ({reason})"),
                None => "waiting until ready".into(),
            });
            tokio::select! {
                () = tokio::time::sleep(pause) => {}
                // It exists and is recorded; only the wait is given up.
                () = self.cancel.cancelled() => return (Outcome::Failed, Some(live), Some("the run was stopped while it was getting ready".into())),
            }
            pause = (pause * 2).min(self.timing.poll_max);
            match self.server.read(&self.lookup_key(Some(live.id.clone()))).await {
                Ok(Some(now)) => live = now,
                Ok(None) => return (Outcome::Failed, None, Some("it was made, and then it was gone".into())),
                // A read that fails says nothing about the resource; the limit above ends it.
                Err(error) => live.reason = Some(format!("it cannot be read: {}", error.message())),
            }
        }
    }

    async fn ready_limit(&self) -> Duration {
        if let Some(wait) = self.intended.as_ref().and_then(|r| r.wait.as_ref()) {
            return wait.timeout;
        }
        let types = self.server.types().await.ok();
        Duration::from_secs(types.and_then(|t| t.get(&self.address.kind).map(|k| k.ready_timeout)).unwrap_or(300))
    }

    /// Delete, then wait until it is gone.
    async fn delete(&self) -> (Outcome, Option<Live>, Option<String>) {
        let key = self.lookup_key(self.id.clone());
        let mut pause = self.timing.poll * 2;
        for attempt in 0.. {
            match self.server.delete(&key, &self.control()).await {
                Ok(()) => return self.until_gone(&key).await,
                Err(error) if error.is_not_found() => return (Outcome::Done, None, None),
                Err(CallError::NotSent { .. } | CallError::Refused { class: Refusal::Throttled, .. })
                    if attempt < self.timing.retries && !self.cancel.is_cancelled() =>
                {
                    self.say("trying again");
                    tokio::time::sleep(pause).await;
                    pause = (pause * 2).min(self.timing.poll_max);
                }
                Err(CallError::Unknown { reason, .. }) => {
                    if self.cancel.is_cancelled() {
                        return (Outcome::Unknown, None, Some(format!("{reason}; the run was stopped before it could be read back")));
                    }
                    self.say("unknown, reading back");
                    return match self.server.read(&key).await {
                        Ok(None) => (Outcome::Done, None, None),
                        Ok(Some(live)) if live.status == Status::Deleting => self.until_gone(&key).await,
                        Ok(Some(_)) => {
                            (Outcome::Unknown, None, Some(format!("{reason}; it is still there, and the delete may still arrive")))
                        }
                        Err(error) => (Outcome::Unknown, None, Some(format!("{reason}; it cannot be read back: {}", error.message()))),
                    };
                }
                Err(error) => return (Outcome::Failed, None, Some(error.message().to_owned())),
            }
        }
        unreachable!("the loop ends with a return")
    }

    async fn until_gone(&self, key: &Key) -> (Outcome, Option<Live>, Option<String>) {
        let since = Instant::now();
        let limit = self.ready_limit().await;
        let mut pause = self.timing.poll;
        loop {
            match self.server.read(key).await {
                Ok(None) => return (Outcome::Done, None, None),
                Ok(Some(live)) if since.elapsed() >= limit => {
                    return (Outcome::Failed, Some(live), Some(format!("it is still there after {}s", limit.as_secs())));
                }
                Err(error) if since.elapsed() >= limit => {
                    return (Outcome::Unknown, None, Some(format!("it cannot be read back: {}", error.message())));
                }
                Ok(Some(_)) | Err(_) => {}
            }
            self.say("waiting until it is gone");
            tokio::select! {
                () = tokio::time::sleep(pause) => pause = (pause * 2).min(self.timing.poll_max),
                () = self.cancel.cancelled() => return (Outcome::Unknown, None, Some("the run was stopped while it was going away".into())),
            }
        }
    }
}

/// What was sent and is not there, in words. Without a type, the order of lists says nothing.
fn missed(intended: &Recorded, kind: Option<&TypeDef>, sent: &Properties, live: &Live) -> Vec<String> {
    // What is secret is neither compared nor shown, and what others look after is theirs.
    let apart = |name: &String| {
        intended.sensitive.contains(name)
            || intended.lifecycle.ignore_changes.contains(name)
            || intended.desired.get(name).is_some_and(|v| v.to_string().contains("${secret:"))
            || kind.is_some_and(|k| {
                k.is_sensitive(name)
                    || k.limits.without.contains_key(name)
                    || (k.is_unseen(name) && live.properties.get(name).is_none_or(Value::is_null))
            })
    };
    let shown = |value: &Value| clean_line(&value.to_string(), 100);
    sent.iter()
        .filter(|(name, _)| !apart(name))
        .filter_map(|(name, wanted)| {
            let there = live.properties.get(name).filter(|v| !v.is_null());
            let default = kind.and_then(|k| k.properties["properties"].get(name)?.get("default"));
            let unordered = kind.is_none_or(|k| k.unordered.contains(name));
            let mut forms = there.into_iter().chain(live.other_forms.get(name).into_iter().flatten());
            match there {
                _ if forms.any(|form| equal(wanted, form, None, unordered)) => None,
                None if wanted.is_null() => None,
                Some(there) if wanted.is_null() => (Some(there) != default).then(|| format!("`{name}` is still {}", shown(there))),
                None if wanted.as_array().is_some_and(Vec::is_empty) || wanted.as_object().is_some_and(|o| o.is_empty()) => None,
                None => Some(format!("`{name}` is not set, and {} was wanted", shown(wanted))),
                Some(there) => Some(format!("`{name}` is {}, and {} was wanted", shown(there), shown(wanted))),
            }
        })
        .collect()
}

/// Puts secrets in, and sensitive outputs of other resources, read from their servers just now. The result is sent and never kept.
pub(super) async fn with_secrets(
    value: &Value,
    secrets: &SecretStore,
    servers: &Servers,
    results: &BTreeMap<Address, Recorded>,
) -> Result<Value, String> {
    let mut wanted: Vec<(Address, crate::domain::PropertyPath)> = Vec::new();
    for (_, reference) in crate::domain::reference::references(value) {
        if let Reference::Output { address, path, .. } = reference {
            wanted.push((address, path));
        }
    }
    let mut fetched: BTreeMap<(Address, String), Value> = BTreeMap::new();
    for (address, path) in wanted {
        let record = results.get(&address).ok_or_else(|| format!("{address} was not made"))?;
        let server = servers.get(&address.server).ok_or_else(|| format!("no server `{}` is registered", address.server))?;
        let key = Key::named(&address.kind, &address.name).id(record.id.clone()).hints(&record.properties);
        let live = server.read(&key).await.map_err(|e| e.message().to_owned())?.ok_or_else(|| format!("{address} is gone"))?;
        let value = live.lookup(&path).ok_or_else(|| format!("{address} has no `{path}`"))?;
        if let Value::String(text) = &value {
            secrets.redactor().learn(&format!("{address}.{path}"), &secrecy::SecretString::from(text.as_str()));
        }
        fetched.insert((address, path.to_string()), value);
    }
    reveal(value, secrets, &fetched)
}

fn reveal(value: &Value, secrets: &SecretStore, fetched: &BTreeMap<(Address, String), Value>) -> Result<Value, String> {
    use crate::domain::{Segment, reference::parse};
    Ok(match value {
        Value::String(text) if text.contains('$') => {
            let segments = parse(text).map_err(|e| e.to_string())?;
            let whole = segments.len() == 1;
            let mut out = String::new();
            for segment in segments {
                match segment {
                    Segment::Literal(literal) => out.push_str(&literal),
                    Segment::Reference(Reference::Secret(name)) => {
                        out.push_str(expose(&secrets.resolve(&name).map_err(|e| e.to_string())?))
                    }
                    Segment::Reference(Reference::Output { address, path, .. }) => match fetched.get(&(address, path.to_string())) {
                        Some(v) if whole => return Ok(v.clone()),
                        Some(Value::String(s)) => out.push_str(s),
                        Some(other) => out.push_str(&other.to_string()),
                        None => return Err(format!("a reference in `{text}` is not known")),
                    },
                    Segment::Reference(Reference::Variable(name)) => return Err(format!("the variable `{name}` has no value")),
                }
            }
            Value::String(out)
        }
        Value::Array(items) => Value::Array(items.iter().map(|v| reveal(v, secrets, fetched)).collect::<Result<_, _>>()?),
        Value::Object(map) => {
            Value::Object(map.iter().map(|(k, v)| reveal(v, secrets, fetched).map(|v| (k.clone(), v))).collect::<Result<_, _>>()?)
        }
        other => other.clone(),
    })
}

/// A record without anything secret in it: what goes to the journal.
pub fn scrubbed(mut record: Recorded, secrets: &SecretStore) -> Recorded {
    let hide = |map: &mut Properties, sensitive: &[String]| {
        for (name, value) in map.iter_mut() {
            *value = if sensitive.contains(name) && !value.is_null() {
                Value::String("‹secret›".into())
            } else {
                secrets.redactor().json(value)
            };
        }
    };
    let sensitive = record.sensitive.clone();
    hide(&mut record.properties, &sensitive);
    hide(&mut record.outputs, &sensitive);
    record
}
