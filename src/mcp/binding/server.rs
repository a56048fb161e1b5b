//! A server behind a binding, as the engine sees it.
//!
//! Every change is preceded by a look at what is there and followed by one: servers call a failure a success, answer about another
//! object, and leave things behind. What reading back does not show is not taken for done.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use async_trait::async_trait;
use futures::{StreamExt, stream};
use serde_json::Value;
use tokio::sync::Mutex;

use super::{
    Binding, Call, Expression, TypeBinding, Verb,
    expression::{Scope, Wrong},
    perform::{Performed, known_argument},
    shape::Shape,
};
use crate::{
    domain::{
        Action, Properties, ResourceName, ResourceType, ServerName, ToolName, TypeDef,
        text::{clean, clean_line},
    },
    mcp::{
        CallControl, CallError, Connection, Effect, Health, Key, Live, Refusal, ResourceServer, ServerEvidence, ServerHealth, Status, Target,
        TypeTable, pins::pin_of, tools::ToolList,
    },
};

/// The most objects that a listing may give.
const MAX_OBJECTS: usize = 100_000;

/// The longest reason and piece of evidence that is kept, in characters.
const MAX_REASON: usize = 1000;
const MAX_EVIDENCE: usize = 4000;

/// How often reading back is tried after a change, and the first pause: some servers answer before they have done it.
const READ_BACKS: u32 = 5;
const READ_BACK_PAUSE: Duration = Duration::from_millis(100);

/// Tools, and at which epoch of the connection they were read.
type Kept = ((u64, u64), Arc<ToolList>);

/// A server and the binding in front of it.
pub struct BoundServer {
    connection: Arc<Connection>,
    binding: Arc<Binding>,
    tools: Mutex<Option<Kept>>,
    types: Arc<TypeTable>,
}

/// An object: what it means, and what it was read from.
struct Seen {
    live: Live,
    item: Value,
}

impl BoundServer {
    /// Puts a binding in front of a connection. Nothing is sent yet.
    pub fn new(connection: Arc<Connection>, binding: Arc<Binding>) -> Self {
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

    fn scope(key: &Key) -> Scope {
        Scope::default().with("name", key.name.as_str()).with("type", key.kind.as_str()).maybe("id", key.id.clone())
    }

    /// Finds one by id, or by name.
    async fn look(&self, bound: &TypeBinding, key: &Key) -> Result<Option<Seen>, CallError> {
        let found;
        let key = match (&key.id, &bound.find) {
            (None, Some(_)) => {
                let mut ids = self.find(bound, Some(key.name.as_str()), &key.kind).await?;
                match (ids.pop(), ids.is_empty()) {
                    (None, _) => return Ok(None),
                    (Some(id), true) => {
                        found = Key { id: Some(id), ..key.clone() };
                        &found
                    }
                    (Some(_), false) => return Err(self.several(&bound.read.call, key, ids.len() + 1)),
                }
            }
            _ => key,
        };
        let scope = Self::scope(key);
        let done = match self.ask(&bound.read.call, &scope, &CallControl::read()).await {
            Err(e) if e.is_not_found() => return Ok(None),
            other => other?,
        };
        let items = self.items(bound, &done)?;
        let listed = bound.read.items.is_some();
        let mut fitting = Vec::new();
        for item in items {
            let scope = scope.clone().with("item", item.clone()).with("result", if listed { Value::Null } else { done.result.clone() });
            let (id, name) = (self.need(bound, &bound.object.id, &scope)?, self.need(bound, &bound.object.name, &scope)?);
            let same = match &key.id {
                Some(wanted) => *wanted == id,
                None => name == key.name.as_str(),
            };
            if same {
                fitting.push(item);
            } else if !listed {
                let (about, wanted) = (clean_line(&format!("{name}` (`{id}"), 160), key.id.as_deref().unwrap_or(key.name.as_str()));
                let reason = format!("it is about `{about}`), and `{}` was asked for", clean_line(wanted, 80));
                return Err(self.lie(&bound.read.call, bound.read.call.span, &reason));
            }
        }
        match fitting.len() {
            0 => Ok(None),
            1 => self.seen(bound, key, fitting.remove(0), &done).await.map(Some),
            n => Err(self.several(&bound.read.call, key, n)),
        }
    }

    fn several(&self, call: &Call, key: &Key, count: usize) -> CallError {
        self.refuse(
            call,
            Refusal::Other,
            format!("{count} of type `{}` are called `{}`, and nothing says which one is meant", key.kind, key.name),
        )
    }

    /// The ids of those that have a name, or of all.
    async fn find(&self, bound: &TypeBinding, name: Option<&str>, kind: &ResourceType) -> Result<Vec<String>, CallError> {
        let Some(find) = &bound.find else { return Ok(Vec::new()) };
        let scope = Scope::default().maybe("name", name).with("type", kind.as_str());
        let done = match self.ask(&find.call, &scope, &CallControl::read()).await {
            Err(e) if e.is_not_found() => return Ok(Vec::new()),
            other => other?,
        };
        let wrong = |w: Wrong| self.lie(&find.call, w.span, &w.reason);
        let inner = scope.clone().with("result", done.result).with("text", done.text);
        let mut ids = Vec::new();
        for item in find.items.list(&inner).map_err(wrong)? {
            let scope = scope.clone().with("item", item);
            if find.only.holds(&scope).map_err(wrong)? {
                ids.extend(find.id.text(&scope).map_err(wrong)?);
            }
        }
        Ok(ids)
    }

    fn items(&self, bound: &TypeBinding, done: &Performed) -> Result<Vec<Value>, CallError> {
        let wrong = |w: Wrong| self.lie(&bound.read.call, w.span, &w.reason);
        let scope = Scope::default().with("result", done.result.clone()).with("text", done.text.clone());
        let items = match &bound.read.items {
            Some(items) => items.list(&scope).map_err(wrong)?,
            None if done.result.is_null() => Vec::new(),
            None => vec![done.result.clone()],
        };
        if items.len() > MAX_OBJECTS {
            return Err(self.lie(&bound.read.call, bound.read.call.span, "its list does not end"));
        }
        let Some(only) = &bound.read.only else { return Ok(items) };
        let mut kept = Vec::new();
        for item in items {
            if only.holds(&scope.clone().with("item", item.clone())).map_err(wrong)? {
                kept.push(item);
            }
        }
        Ok(kept)
    }

    /// A value without which an object means nothing.
    fn need(&self, bound: &TypeBinding, expression: &Expression, scope: &Scope) -> Result<String, CallError> {
        let lie = |reason: &str| self.lie(&bound.read.call, expression.span(), reason);
        let text = expression.text(scope).map_err(|w| lie(&w.reason))?;
        text.filter(|t| !t.is_empty()).ok_or_else(|| lie("this comes to nothing for what the server answered"))
    }

    /// What an object means, with the further reads about it.
    async fn seen(&self, bound: &TypeBinding, key: &Key, item: Value, done: &Performed) -> Result<Seen, CallError> {
        let listed = bound.read.items.is_some();
        let mut scope = Self::scope(key).with("item", item.clone()).with("result", if listed { Value::Null } else { done.result.clone() });
        for also in &bound.read.also {
            // What tells more is not needed to know that it is there.
            if let Ok(Some(more)) = self.perform(&also.call, &scope, &CallControl::read()).await {
                scope = scope.with(&also.name, more.result);
            }
        }
        Ok(Seen { live: self.live(bound, &scope)?, item })
    }

    fn live(&self, bound: &TypeBinding, scope: &Scope) -> Result<Live, CallError> {
        let object = &bound.object;
        let wrong = |w: Wrong| self.lie(&bound.read.call, w.span, &w.reason);
        let holds = |e: &Option<Expression>| e.as_ref().map(|e| e.holds(scope).map_err(wrong)).transpose();
        let text = |e: &Option<Expression>| e.as_ref().map(|e| e.text(scope).map_err(wrong)).transpose().map(Option::flatten);
        let members = |all: &[(String, Shape)]| -> Result<Properties, CallError> {
            let mut map = Properties::new();
            for (name, shape) in all {
                if let Some(value) = shape.value(scope).map_err(wrong)?.filter(|v| !v.is_null()) {
                    map.insert(name.clone(), value);
                }
            }
            Ok(map)
        };
        let status = match (holds(&object.deleting)?, holds(&object.failed)?, holds(&object.ready)?) {
            (Some(true), _, _) => Status::Deleting,
            (_, Some(true), _) => Status::Failed,
            (_, _, None | Some(true)) => Status::Ready,
            _ => Status::Pending,
        };
        let health = match (holds(&object.healthy)?, status) {
            (Some(true), Status::Ready) => Health::Healthy,
            (Some(false), Status::Ready) | (_, Status::Failed) => Health::Unhealthy,
            _ => Health::Unknown,
        };
        Ok(Live {
            id: self.need(bound, &object.id, scope)?,
            kind: bound.def.kind.clone(),
            name: self.need(bound, &object.name, scope)?,
            status,
            health,
            reason: text(&object.reason)?.map(|r| clean(r.trim(), MAX_REASON)).filter(|r| !r.is_empty()),
            properties: members(&object.properties)?,
            other_forms: members(&object.other_forms)?.into_iter().map(|(n, v)| (n, listed(v))).collect(),
            outputs: members(&object.outputs)?,
            revision: text(&object.revision)?,
            created_by: text(&object.created_by)?.filter(|k| !k.is_empty()),
        })
    }

    /// Performs the calls of a verb, in order; the last result, and the id if the verb says how to know it.
    async fn carry_out(
        &self,
        verb: &Verb,
        kind: &ResourceType,
        mut scope: Scope,
        control: &CallControl,
    ) -> Result<Option<String>, CallError> {
        let Verb::Calls { calls, id } = verb else {
            return Err(CallError::NotSent { server: self.name().clone(), reason: format!("the server cannot do this with a `{kind}`") });
        };
        let mut results = Vec::new();
        for (n, call) in calls.iter().enumerate() {
            let done = self.perform(call, &scope, control).await.map_err(|error| match error {
                // Something was done already, so it is not true that nothing was sent.
                CallError::NotSent { reason, .. } if n > 0 && !results.is_empty() => {
                    self.unknown(call, &format!("an earlier call was carried out; {reason}"))
                }
                other => other,
            })?;
            if let Some(done) = done {
                results.push(done.result.clone());
                scope = scope.with("results", results.clone()).with("result", done.result);
            }
        }
        let Some((id, last)) = id.as_ref().zip(calls.last()) else { return Ok(None) };
        let id = id.text(&scope).map_err(|w| self.unknown(last, &format!("{} ({})", w.reason, self.binding.place(w.span))))?;
        Ok(id.filter(|i| !i.is_empty()))
    }

    /// Reads back what a change should have left.
    async fn read_back(&self, bound: &TypeBinding, verb: &Verb, key: &Key) -> Result<Live, CallError> {
        let call = verb.first().unwrap_or(&bound.read.call);
        let mut pause = READ_BACK_PAUSE;
        let mut last = "it says that it was done, and it is not there".to_owned();
        for attempt in 0..READ_BACKS {
            match self.look(bound, key).await {
                Ok(Some(seen)) => return Ok(seen.live),
                Ok(None) => {}
                Err(error) => last = format!("it cannot be read back: {}", error.message()),
            }
            if attempt + 1 < READ_BACKS {
                tokio::time::sleep(pause).await;
                pause *= 2;
            }
        }
        Err(self.unknown(call, &last))
    }
}

impl Verb {
    /// The call that does it: the first that is not a look at something.
    fn first(&self) -> Option<&Call> {
        match self {
            Verb::Calls { calls, .. } => calls.iter().find(|c| c.effect != Effect::Read).or(calls.first()),
            Verb::Missing(_) => None,
        }
    }

    /// The id of what a create will make, if the arguments alone say it.
    fn known_id(&self, scope: &Scope) -> Option<String> {
        let Verb::Calls { id: Some(id), .. } = self else { return None };
        let variables = id.variables();
        if variables.iter().any(|v| v == "result" || v == "results") { None } else { id.text(scope).ok().flatten() }
    }
}

/// A list as it is, and anything else as a list of one.
fn listed(value: Value) -> Vec<Value> {
    match value {
        Value::Array(items) => items,
        one => vec![one],
    }
}

/// What is sent: what is wanted, without what cannot be set, with the defaults of the type.
fn sent(def: &TypeDef, properties: &Properties) -> Properties {
    let left_out = |name: &String| def.limits.refused.contains_key(name) || def.limits.without.contains_key(name);
    let mut all: Properties =
        properties.iter().filter(|(n, v)| !v.is_null() && !left_out(n)).map(|(n, v)| (n.clone(), v.clone())).collect();
    for (name, schema) in def.properties["properties"].as_object().into_iter().flatten() {
        if let Some(default) = schema.get("default").filter(|_| !all.contains_key(name) && !left_out(name)) {
            all.insert(name.clone(), default.clone());
        }
    }
    all
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

    async fn list(&self, kind: Option<&ResourceType>) -> Result<Vec<Live>, CallError> {
        let mut all = Vec::new();
        for (kind, bound) in self.binding.types.iter().filter(|(k, _)| kind.is_none_or(|wanted| *k == wanted)) {
            let nameless = Scope::default().with("type", kind.as_str());
            if bound.find.is_some() {
                let ids = self.find(bound, None, kind).await?;
                let reads = stream::iter(ids)
                    .map(|id| async move {
                        // The name is what is to be learnt; the id says which one.
                        let name = ResourceName::new("any")
                            .map_err(|e| CallError::NotSent { server: self.name().clone(), reason: e.to_string() })?;
                        self.look(bound, &Key { kind: kind.clone(), name, id: Some(id) }).await
                    })
                    .buffered(8)
                    .collect::<Vec<_>>()
                    .await;
                for seen in reads {
                    all.extend(seen?.map(|s| s.live));
                }
            } else if bound.read.items.is_some() {
                let done = self.ask(&bound.read.call, &nameless, &CallControl::read()).await?;
                for item in self.items(bound, &done)? {
                    all.push(self.live(bound, &nameless.clone().with("item", item))?);
                }
            }
        }
        Ok(all)
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
        let nothing_known = Key { kind: kind.clone(), name: name.clone(), id: None };
        let scope = Self::scope(&nothing_known).with("properties", sent(&bound.def, properties)).with("key", key);
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
        let scope = Self::scope(&key)
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
        let scope = Self::scope(&key).with("current", there.live.properties).with("live", there.item);
        self.carry_out(&bound.delete, &key.kind, scope, control).await.map(drop)
    }

    async fn health(&self) -> Result<ServerHealth, CallError> {
        let started = Instant::now();
        let answer = self.target().await;
        let latency_ms = u64::try_from(started.elapsed().as_millis()).unwrap_or(u64::MAX);
        let bound = format!("through the binding `{}`", self.binding.name);
        Ok(match answer {
            Ok(_) => ServerHealth { health: Health::Healthy, message: bound, latency_ms },
            Err(CallError::NotSent { server, reason }) => return Err(CallError::NotSent { server, reason }),
            Err(error) => ServerHealth { health: Health::Unhealthy, message: clean_line(error.message(), 300), latency_ms },
        })
    }

    async fn evidence(&self, key: &Key) -> Result<Vec<ServerEvidence>, CallError> {
        let bound = self.bound(&key.kind)?;
        let Some(there) = self.look(bound, key).await? else { return Ok(Vec::new()) };
        let key = Key { id: Some(there.live.id.clone()), ..key.clone() };
        let scope = Self::scope(&key).with("current", there.live.properties).with("live", there.item);
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
