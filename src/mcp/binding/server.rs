//! A server behind a binding, as the engine sees it.
//!
//! Every change is preceded by a look at what is there and followed by one: servers call a failure a success, answer about another
//! object, and leave things behind. What reading back does not show is not taken for done.

use std::{sync::Arc, time::Instant};

use async_trait::async_trait;
use futures::{StreamExt, stream};
use serde_json::Value;
use tokio::sync::Mutex;

pub(super) use self::change::sent;
use super::{
    Binding, TypeBinding,
    expression::{Scope, Wrong},
    perform::known_argument,
    shape::Shape,
};
use crate::{
    domain::{
        Action, Properties, ResourceName, ResourceType, ServerName, ToolName,
        text::{clean, clean_line},
    },
    mcp::{
        CallControl, CallError, Connection, Health, Key, Live, Refusal, ResourceServer, ServerEvidence, ServerHealth, Target, TypeTable,
        pins::pin_of, tools::ToolList,
    },
};

mod change;

mod look;

pub(super) mod many;

/// The longest piece of evidence that is kept, in characters.
const MAX_EVIDENCE: usize = 4000;

/// Tools, and at which epoch of the connection they were read.
type Kept = ((u64, u64), Arc<ToolList>);

/// A server and the binding in front of it.
pub struct BoundServer {
    connection: Arc<Connection>,
    binding: Arc<Binding>,
    tools: Mutex<Option<Kept>>,
    types: Arc<TypeTable>,
}

impl BoundServer {
    /// Puts a binding in front of a connection. Nothing is sent yet.
    pub fn new(connection: Arc<Connection>, binding: Arc<Binding>) -> Self {
        binding.max_calls.into_iter().for_each(|most| connection.narrow(most));
        let types = binding.types.values().map(|bound| &bound.def).chain(binding.absent.values());
        let types = types.map(|def| (def.kind.clone(), def.clone())).collect();
        Self { connection, binding, tools: Mutex::new(None), types: Arc::new(types) }
    }

    /// The connection beneath.
    pub fn connection(&self) -> &Arc<Connection> {
        &self.connection
    }

    /// The binding.
    pub fn binding(&self) -> &Arc<Binding> {
        &self.binding
    }

    /// The server's tools, read anew when they may have changed.
    pub(super) async fn tools(&self) -> Result<Arc<ToolList>, CallError> {
        let mut kept = self.tools.lock().await;
        if let Some((epoch, tools)) = kept.as_ref()
            && *epoch == self.connection.epoch().await
        {
            return Ok(tools.clone());
        }
        let tools = Arc::new(self.connection.tools().await?);
        *kept = Some((self.connection.epoch().await, tools.clone()));
        Ok(tools)
    }

    fn bound(&self, kind: &ResourceType) -> Result<&TypeBinding, CallError> {
        self.binding.types.get(kind).ok_or_else(|| CallError::NotSent {
            server: self.name().clone(),
            reason: format!("the binding `{}` has no type `{kind}`", self.binding.name),
        })
    }

    /// What every call of the binding says about tools and arguments, against what the server offers.
    fn check(&self, tools: &ToolList) -> Result<(), CallError> {
        let mut problems = Vec::new();
        for call in self.binding.calls() {
            let place = || self.binding.place(call.span);
            match (tools.get(call.tool.as_str()), &call.arguments) {
                (None, _) => problems.push(format!("{}: the server offers no tool `{}`", place(), call.tool)),
                (Some(tool), Shape::Map(members)) => {
                    problems.extend(members.iter().filter_map(|(n, _)| known_argument(tool, n).err()).map(|e| format!("{}: {e}", place())));
                }
                _ => {}
            }
        }
        problems.sort();
        problems.dedup();
        if problems.is_empty() {
            return Ok(());
        }
        Err(CallError::NotSent {
            server: self.name().clone(),
            reason: format!("the binding does not fit the server: {}", problems.join("; ")),
        })
    }
}

#[async_trait]
impl ResourceServer for BoundServer {
    fn name(&self) -> &ServerName {
        self.connection.name()
    }

    async fn target(&self) -> Result<Target, CallError> {
        let tools = self.tools().await?;
        self.check(&tools)?;
        let probe = &self.binding.identity;
        let scope = match &probe.call {
            Some(call) => {
                let done = self.ask(call, &Scope::default(), &CallControl::read()).await?;
                Scope::default().with("result", done.result).with("text", done.text)
            }
            None => Scope::default(),
        };
        let span = probe.value.span();
        let identity = probe.value.text(&scope).map_err(|w| self.not_sent(w.span, &w.reason))?.filter(|t| !t.trim().is_empty());
        let identity = identity.ok_or_else(|| self.not_sent(span, "the identity of the server comes to nothing"))?;
        Ok(Target {
            server: self.name().clone(),
            identity: clean_line(&identity, 300),
            pin: format!("{}+{}", pin_of(&tools.tools), self.binding.digest),
            simulated: false,
        })
    }

    async fn types(&self) -> Result<Arc<TypeTable>, CallError> {
        self.check(&*self.tools().await?)?;
        Ok(self.types.clone())
    }

    async fn read(&self, key: &Key) -> Result<Option<Live>, CallError> {
        if self.binding.absent.contains_key(&key.kind) {
            return Ok(None);
        }
        Ok(self.look(self.bound(&key.kind)?, key).await?.map(|seen| seen.live))
    }

    async fn read_many(&self, keys: &[Key]) -> Vec<Result<Option<Live>, CallError>> {
        self.look_many(keys).await
    }

    async fn list(&self, kind: Option<&ResourceType>) -> Result<Vec<Live>, CallError> {
        let mut all = Vec::new();
        for (kind, bound) in self.binding.types.iter().filter(|(k, _)| kind.is_none_or(|wanted| *k == wanted)) {
            let nameless = Scope::of(&bound.lets).with("type", kind.as_str());
            if bound.find.is_some() {
                let ids = self.find(bound, None, kind).await?;
                let reads = stream::iter(ids)
                    .map(|id| async move {
                        // The name is what is to be learnt; the id says which one.
                        let name = ResourceName::new("any")
                            .map_err(|e| CallError::NotSent { server: self.name().clone(), reason: e.to_string() })?;
                        self.look(bound, &Key::named(kind, &name).id(id)).await
                    })
                    .buffered(8)
                    .collect::<Vec<_>>()
                    .await;
                for seen in reads {
                    all.extend(seen?.map(|s| s.live));
                }
            } else if bound.read.items.is_some() {
                let done = match self.listing(bound, &nameless).await {
                    Err(e) if look::is_none(bound, &e) => continue,
                    other => other?,
                };
                for item in self.items(bound, &nameless, &done)? {
                    all.push(self.live(bound, &nameless.clone().with("item", item))?);
                }
            }
        }
        Ok(all)
    }

    fn known_id(&self, kind: &ResourceType, name: &ResourceName, properties: &Properties) -> Option<String> {
        let bound = self.binding.types.get(kind)?;
        let scope = Self::scope(bound, &Key::named(kind, name).hints(properties)).with("properties", sent(&bound.def, properties));
        // What still holds a reference is not known yet.
        bound.create.known_id(&scope).filter(|id| !id.is_empty() && !id.contains("${"))
    }

    async fn create(
        &self,
        kind: &ResourceType,
        name: &ResourceName,
        properties: &Properties,
        key: &str,
        control: &CallControl,
    ) -> Result<Live, CallError> {
        let bound = self.bound(kind)?;
        let nothing_known = Key::named(kind, name).hints(properties);
        let scope = Self::scope(bound, &nothing_known).with("properties", sent(&bound.def, properties)).with("key", key);
        let mut wanted = Key { id: bound.create.known_id(&scope), ..nothing_known };
        // Many servers make a second one without a word, or leave a half-made one behind a refusal.
        if !bound.def.many_per_name
            && let Some(there) = self.look(bound, &wanted).await?
        {
            if there.live.created_by.as_deref() == Some(key) {
                return Ok(there.live);
            }
            let message = format!("there is a `{kind}` called `{name}` already");
            return Err(self.refuse(bound.create.first().unwrap_or(&bound.read.call), Refusal::Exists, message));
        }
        let id = self.carry_out(&bound.create, kind, scope, control).await?;
        wanted.id = id.or(wanted.id);
        let live = self.read_back(bound, &bound.create, &wanted).await?;
        let call = bound.create.first().unwrap_or(&bound.read.call);
        if live.name != name.as_str() {
            return Err(self.unknown(call, &format!("it is about `{}`, and `{name}` was to be made", clean_line(&live.name, 80))));
        }
        if live.created_by.as_deref().is_some_and(|made_by| made_by != key) {
            return Err(self.unknown(call, "the resource was created by someone else's call"));
        }
        Ok(live)
    }

    async fn update(&self, key: &Key, properties: &Properties, control: &CallControl) -> Result<Live, CallError> {
        let bound = self.bound(&key.kind)?;
        let call = bound.update.first().unwrap_or(&bound.read.call);
        let Some(there) = self.look(bound, key).await? else {
            return Err(self.refuse(call, Refusal::NotFound, format!("there is no `{}` called `{}`", key.kind, key.name)));
        };
        let key = Key { id: Some(there.live.id.clone()), ..key.clone() };
        let scope = Self::scope(bound, &key)
            .with("properties", sent(&bound.def, properties))
            .with("current", there.live.properties)
            .with("live", there.item);
        let id = self.carry_out(&bound.update, &key.kind, scope, control).await?;
        self.read_back(bound, &bound.update, &Key { id: id.or(key.id.clone()), ..key }).await
    }

    async fn delete(&self, key: &Key, control: &CallControl) -> Result<(), CallError> {
        let bound = self.bound(&key.kind)?;
        let call = bound.delete.first().unwrap_or(&bound.read.call);
        let Some(there) = self.look(bound, key).await? else {
            return Err(self.refuse(call, Refusal::NotFound, format!("there is no `{}` called `{}`", key.kind, key.name)));
        };
        let key = Key { id: Some(there.live.id.clone()), ..key.clone() };
        let scope = Self::scope(bound, &key).with("current", there.live.properties).with("live", there.item);
        self.carry_out(&bound.delete, &key.kind, scope, control).await.map(drop)
    }

    fn max_calls(&self) -> Option<usize> {
        self.connection.max_calls()
    }

    async fn health(&self) -> Result<ServerHealth, CallError> {
        let started = Instant::now();
        let answer = self.target().await;
        let latency_ms = u64::try_from(started.elapsed().as_millis()).unwrap_or(u64::MAX);
        let bound = format!("through the binding `{}`", self.binding.name);
        Ok(match answer {
            Ok(target) => ServerHealth { health: Health::Healthy, message: bound, latency_ms, identity: target.identity },
            Err(CallError::NotSent { server, reason }) => return Err(CallError::NotSent { server, reason }),
            Err(error) => {
                let message = clean_line(error.message(), 300);
                ServerHealth { health: Health::Unhealthy, message, latency_ms, identity: String::new() }
            }
        })
    }

    async fn evidence(&self, key: &Key) -> Result<Vec<ServerEvidence>, CallError> {
        let bound = self.bound(&key.kind)?;
        let Some(there) = self.look(bound, key).await? else { return Ok(Vec::new()) };
        let key = Key { id: Some(there.live.id.clone()), ..key.clone() };
        let scope = Self::scope(bound, &key).with("current", there.live.properties).with("live", there.item);
        let mut all = Vec::new();
        for diagnose in &bound.diagnose {
            let wrong = |w: Wrong| self.lie(&diagnose.call, w.span, &w.reason);
            let each = match &diagnose.each {
                Some(each) => each.list(&scope).map_err(wrong)?.into_iter().map(Some).collect(),
                None => vec![None],
            };
            for one in each {
                let scope = scope.clone().maybe("each", one);
                let texts = match self.perform(&diagnose.call, &scope, &CallControl::read()).await {
                    Ok(None) => continue,
                    Ok(Some(done)) => {
                        let scope = scope.with("result", done.result).with("text", done.text);
                        match diagnose.text.value(&scope).map_err(wrong)? {
                            None => continue,
                            Some(Value::Array(texts)) => {
                                texts.iter().map(|t| t.as_str().map_or_else(|| t.to_string(), str::to_owned)).collect()
                            }
                            Some(Value::String(text)) => vec![text],
                            Some(other) => vec![other.to_string()],
                        }
                    }
                    // That the logs cannot be had is worth knowing too.
                    Err(error) => vec![error.message().to_owned()],
                };
                let kept = texts.into_iter().map(|t| clean(t.trim(), MAX_EVIDENCE)).filter(|t| !t.is_empty());
                all.extend(kept.map(|text| ServerEvidence { source: diagnose.source.clone(), at: None, text }));
            }
        }
        Ok(all)
    }

    fn tool(&self, kind: &ResourceType, action: Action) -> ToolName {
        let bound = self.binding.types.get(kind);
        let call = bound.and_then(|b| match action {
            Action::Create | Action::Replace => b.create.first(),
            Action::Update => b.update.first(),
            Action::Delete => b.delete.first(),
            Action::Read | Action::Adopt | Action::Forget | Action::Keep => None,
        });
        match (call, bound) {
            (Some(call), _) => call.tool.clone(),
            (None, Some(bound)) => bound.read.call.tool.clone(),
            (None, None) => super::any::unbound(),
        }
    }
}
