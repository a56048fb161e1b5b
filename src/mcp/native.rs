//! A server that speaks the cross-MCP protocol itself, as the engine sees it.
//!
//! What the server answers is checked against what was asked: another type, name or id is a lie, and for a change a lie means that
//! nobody knows what was done.

use std::{
    collections::HashSet,
    sync::Arc,
    time::{Duration, Instant},
};

use async_trait::async_trait;
use serde::de::DeserializeOwned;
use tokio::sync::Mutex;

use super::{
    CallControl, CallError, Effect, Health, Key, Live, Refusal, ResourceServer, ServerEvidence, ServerHealth, Target, TypeTable,
    call::{arguments, unusable},
    connection::Connection,
    pins::pin_of,
    protocol::{
        CreateArgs, DeleteReply, EvidenceReply, HealthReply, KeyArgs, ListArgs, ListReply, PROTOCOL, ResourceReply, TypesReply, UpdateArgs,
        tool,
    },
    reply::Reply,
    tools::speaks_protocol,
};
use crate::domain::{
    Action, Properties, ResourceName, ResourceType, ServerName, ToolName,
    text::{clean, clean_line},
};

/// Bounds of a listing: a server that never ends its list is cut off with an error.
const MAX_PAGES: usize = 1000;
const MAX_RESOURCES: usize = 100_000;

/// The longest reason and piece of evidence that is kept, in characters.
const MAX_REASON: usize = 1000;
const MAX_EVIDENCE: usize = 4000;

/// The client side of the cross-MCP protocol.
pub struct NativeServer {
    connection: Arc<Connection>,
    types: Mutex<Option<Kept>>,
}

/// Types, and at which epoch of the connection they were read.
struct Kept {
    epoch: (u64, u64),
    types: Arc<TypeTable>,
}

impl NativeServer {
    /// Speaks over a connection. Nothing is sent yet.
    pub fn new(connection: Arc<Connection>) -> Self {
        Self { connection, types: Mutex::new(None) }
    }

    /// The connection beneath, for `servers doctor`, `watch` and closing.
    pub fn connection(&self) -> &Arc<Connection> {
        &self.connection
    }

    async fn call(
        &self,
        name: &'static str,
        args: &impl serde::Serialize,
        effect: Effect,
        control: &CallControl,
    ) -> Result<Reply, CallError> {
        self.connection.call(&named(name), arguments(args), effect, control).await
    }

    async fn read_as<T: DeserializeOwned>(&self, name: &'static str, args: &impl serde::Serialize) -> Result<T, CallError> {
        let reply = self.call(name, args, Effect::Read, &CallControl::read()).await?;
        reply.parse().map_err(|reason| self.lie(name, Effect::Read, &format!("it is not a reply of `{name}` ({reason})")))
    }

    fn lie(&self, name: &'static str, effect: Effect, reason: &str) -> CallError {
        unusable(&self.connection, &named(name), effect, &clean(reason, MAX_REASON))
    }

    /// Takes the resource out of the reply to a change, and checks that it is the one that was meant.
    fn changed(&self, name: &'static str, reply: &Reply, asked: &Asked<'_>) -> Result<Live, CallError> {
        let parsed: Result<ResourceReply, String> = reply.parse();
        let checked = parsed.and_then(|r| r.resource.ok_or_else(|| "it holds no resource".to_owned())).and_then(|live| asked.check(live));
        checked.map_err(|reason| self.lie(name, Effect::Change, &reason))
    }

    async fn health_reply(&self) -> Result<HealthReply, CallError> {
        let reply: HealthReply = self.read_as(tool::HEALTH, &Properties::new()).await?;
        if reply.protocol != PROTOCOL {
            let reason = format!("it speaks `{}`, and not `{PROTOCOL}`", clean_line(&reply.protocol, 40));
            return Err(self.lie(tool::HEALTH, Effect::Read, &reason));
        }
        Ok(reply)
    }
}

/// What a reply must be about.
struct Asked<'a> {
    kind: &'a ResourceType,
    name: Option<&'a str>,
    id: Option<&'a str>,
    /// The idempotency key of a create.
    key: Option<&'a str>,
}

impl Asked<'_> {
    fn of(key: &Key) -> Asked<'_> {
        // With an id, the name may have been changed behind our back; that is drift, and no lie.
        let name = if key.id.is_some() { None } else { Some(key.name.as_str()) };
        Asked { kind: &key.kind, name, id: key.id.as_deref(), key: None }
    }

    fn check(&self, mut live: Live) -> Result<Live, String> {
        if live.kind != *self.kind {
            return Err(format!("it is about a `{}`, and a `{}` was asked for", live.kind, self.kind));
        }
        if let Some(name) = self.name.filter(|name| *name != live.name) {
            return Err(format!("it is about `{}`, and `{name}` was asked for", clean_line(&live.name, 80)));
        }
        if let Some(id) = self.id.filter(|id| *id != live.id) {
            return Err(format!("it is about the id `{}`, and `{}` was asked for", clean_line(&live.id, 80), clean_line(id, 80)));
        }
        if live.id.is_empty() {
            return Err("the resource has no id".to_owned());
        }
        if let (Some(key), Some(made_by)) = (self.key, &live.created_by)
            && key != made_by
        {
            return Err("the resource was created by someone else's call".to_owned());
        }
        tidy(&mut live);
        Ok(live)
    }
}

/// Cleans what is only there to be read. Values stay as they are, or they would differ from what the server has.
fn tidy(live: &mut Live) {
    if let Some(reason) = &mut live.reason {
        *reason = clean(reason, MAX_REASON);
    }
}

fn key_args(key: &Key) -> KeyArgs {
    KeyArgs { kind: key.kind.clone(), name: Some(key.name.to_string()), id: key.id.clone() }
}

#[expect(clippy::expect_used, reason = "the names of the protocol are names")]
fn named(tool: &'static str) -> ToolName {
    ToolName::new(tool).expect("a name of the protocol")
}

#[async_trait]
impl ResourceServer for NativeServer {
    fn name(&self) -> &ServerName {
        self.connection.name()
    }

    async fn target(&self) -> Result<Target, CallError> {
        let (health, tools) = tokio::try_join!(self.health_reply(), self.connection.tools())?;
        if !speaks_protocol(&tools.tools) {
            return Err(self.lie(tool::HEALTH, Effect::Read, "it no longer offers all tools of the protocol"));
        }
        if health.identity.trim().is_empty() {
            return Err(self.lie(tool::HEALTH, Effect::Read, "it does not say what it manages"));
        }
        Ok(Target {
            server: self.name().clone(),
            identity: clean_line(&health.identity, 300),
            pin: pin_of(&tools.tools),
            simulated: health.simulated,
        })
    }

    async fn types(&self) -> Result<Arc<TypeTable>, CallError> {
        let mut kept = self.types.lock().await;
        if let Some(k) = kept.as_ref()
            && k.epoch == self.connection.epoch().await
        {
            return Ok(k.types.clone());
        }
        let reply: TypesReply = self.read_as(tool::LIST_TYPES, &Properties::new()).await?;
        let mut table = TypeTable::new();
        for mut def in reply.types {
            if !def.properties.is_object() {
                return Err(self.lie(tool::LIST_TYPES, Effect::Read, &format!("the schema of `{}` is not an object", def.kind)));
            }
            def.description = clean_line(&def.description, 300);
            if let Some(twice) = table.insert(def.kind.clone(), def) {
                return Err(self.lie(tool::LIST_TYPES, Effect::Read, &format!("it has the type `{}` twice", twice.kind)));
            }
        }
        let types = Arc::new(table);
        *kept = Some(Kept { epoch: self.connection.epoch().await, types: types.clone() });
        Ok(types)
    }

    async fn read(&self, key: &Key) -> Result<Option<Live>, CallError> {
        let reply: ResourceReply = match self.read_as(tool::STATE, &key_args(key)).await {
            Err(e) if e.is_not_found() => return Ok(None),
            other => other?,
        };
        let Some(live) = reply.resource else { return Ok(None) };
        Asked::of(key).check(live).map(Some).map_err(|reason| self.lie(tool::STATE, Effect::Read, &reason))
    }

    async fn list(&self, kind: Option<&ResourceType>) -> Result<Vec<Live>, CallError> {
        let (mut all, mut cursors) = (Vec::new(), HashSet::new());
        let mut args = ListArgs { kind: kind.cloned(), cursor: None };
        for _ in 0..MAX_PAGES {
            let page: ListReply = self.read_as(tool::LIST, &args).await?;
            if let Some(other) = page.resources.iter().find(|live| kind.is_some_and(|k| live.kind != *k)) {
                return Err(self.lie(tool::LIST, Effect::Read, &format!("it lists a `{}`, which was not asked for", other.kind)));
            }
            all.extend(page.resources);
            match page.next_cursor {
                None => {
                    all.iter_mut().for_each(tidy);
                    return Ok(all);
                }
                Some(cursor) if all.len() <= MAX_RESOURCES && cursors.insert(cursor.clone()) => args.cursor = Some(cursor),
                Some(_) => break,
            }
        }
        // Half a list would be taken for the whole world.
        Err(self.lie(tool::LIST, Effect::Read, "its list does not end"))
    }

    async fn create(
        &self,
        kind: &ResourceType,
        name: &ResourceName,
        properties: &Properties,
        key: &str,
        control: &CallControl,
    ) -> Result<Live, CallError> {
        let args =
            CreateArgs { kind: kind.clone(), name: name.to_string(), properties: properties.clone(), idempotency_key: key.to_owned() };
        let reply = self.call(tool::CREATE, &args, Effect::Change, control).await?;
        self.changed(tool::CREATE, &reply, &Asked { kind, name: Some(name.as_str()), id: None, key: Some(key) })
    }

    async fn update(&self, key: &Key, properties: &Properties, control: &CallControl) -> Result<Live, CallError> {
        let args = UpdateArgs { key: key_args(key), properties: properties.clone() };
        let reply = self.call(tool::UPDATE, &args, Effect::Change, control).await?;
        self.changed(tool::UPDATE, &reply, &Asked::of(key))
    }

    async fn delete(&self, key: &Key, control: &CallControl) -> Result<(), CallError> {
        let reply = self.call(tool::DELETE, &key_args(key), Effect::Change, control).await?;
        match reply.parse() {
            Ok(DeleteReply { deleted: true }) => Ok(()),
            Ok(DeleteReply { deleted: false }) => {
                Err(self.lie(tool::DELETE, Effect::Change, "it says that it was not deleted, and no error"))
            }
            Err(reason) => Err(self.lie(tool::DELETE, Effect::Change, &reason)),
        }
    }

    fn max_calls(&self) -> Option<usize> {
        self.connection.max_calls()
    }

    async fn health(&self) -> Result<ServerHealth, CallError> {
        let started = Instant::now();
        let quick = Duration::from_secs(10);
        let reply = tokio::time::timeout(quick, self.health_reply()).await;
        let latency_ms = u64::try_from(started.elapsed().as_millis()).unwrap_or(u64::MAX);
        match reply {
            Ok(reply) => {
                let reply = reply?;
                let identity = clean_line(reply.identity.trim(), 300);
                let (health, message) = match identity.is_empty() {
                    true => (Health::Unhealthy, "it does not say what it manages".to_owned()),
                    false => (reply.health, clean_line(&reply.message, 300)),
                };
                Ok(ServerHealth { health, message, latency_ms, identity })
            }
            Err(_) => {
                let message = format!("no answer within {} s", quick.as_secs());
                Ok(ServerHealth { health: Health::Unhealthy, message, latency_ms, identity: String::new() })
            }
        }
    }

    async fn evidence(&self, key: &Key) -> Result<Vec<ServerEvidence>, CallError> {
        // The tool is optional; a server without it has nothing to tell.
        if self.connection.tools().await?.get(tool::EVIDENCE).is_none() {
            return Ok(Vec::new());
        }
        let reply: Result<EvidenceReply, CallError> = self.read_as(tool::EVIDENCE, &key_args(key)).await;
        let reply = match reply {
            Err(CallError::Refused { class: Refusal::NotFound, .. }) => return Ok(Vec::new()),
            other => other?,
        };
        let tidy = |e: ServerEvidence| ServerEvidence {
            source: clean_line(&e.source, 60),
            at: e.at.map(|at| clean_line(&at, 40)),
            text: clean(&e.text, MAX_EVIDENCE),
        };
        Ok(reply.evidence.into_iter().map(tidy).collect())
    }

    fn tool(&self, _kind: &ResourceType, action: Action) -> ToolName {
        named(match action {
            Action::Create | Action::Replace => tool::CREATE,
            Action::Update => tool::UPDATE,
            Action::Delete => tool::DELETE,
            Action::Read | Action::Adopt | Action::Forget | Action::Keep => tool::STATE,
        })
    }
}
