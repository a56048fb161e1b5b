//! One tool call: the faults that meet it, the work, the reply.

use std::time::{Duration, Instant};

use rmcp::model::{CallToolResult, JsonObject};
use rmcp::service::RequestContext;
use rmcp::{ErrorData, RoleServer};
use serde::de::DeserializeOwned;
use serde_json::{Value, json};

use super::{SandboxServer, progress};
use crate::domain::ResourceType;
use crate::mcp::protocol::{
    CreateArgs, DeleteReply, ErrorBody, ErrorReply, EvidenceReply, HealthReply, KeyArgs, ListArgs, OutputDef, OutputsReply, PROTOCOL,
    ResourceReply, TypesReply, UpdateArgs, WaitArgs, tool,
};
use crate::mcp::{Health, Live, Refusal, Status};
use crate::sandbox::catalogue::{kinds, type_table};
use crate::sandbox::fault::{Call, Effect, Hit, glob};
use crate::sandbox::rules::Problem;
use crate::sandbox::world::poke::{Poke, damage};
use crate::sandbox::world::state::Object;
use crate::sandbox::{engine, evidence};

impl SandboxServer {
    /// Answers one call, or does not, if a fault says so.
    pub(super) async fn answer(
        &self,
        tool: &str,
        arguments: JsonObject,
        context: &RequestContext<RoleServer>,
    ) -> Result<CallToolResult, ErrorData> {
        if !super::tools::NAMES.contains(&tool) {
            return Err(ErrorData::invalid_params(format!("there is no tool `{tool}`"), None));
        }
        let text = |key: &str| arguments.get(key).and_then(Value::as_str).map(str::to_owned);
        let (kind, name) = (text("type"), self.name_of(&arguments));
        let call = Call { server: self.name, tool, kind: kind.as_deref(), name: name.as_deref() };
        let hits = match self.effects(&call) {
            Ok(hits) => hits,
            Err(error) => return Ok(refusal(&error.into())),
        };
        if let Some(early) = self.before(&hits, &call, context).await {
            return early;
        }
        if [tool::CREATE, tool::UPDATE, tool::DELETE].contains(&tool) {
            let millis = kind.as_deref().and_then(|k| kinds(self.name).get(k)).map_or(0, |k| k.latency);
            let millis = if tool == tool::CREATE { millis } else { millis / 2 };
            self.latency(millis, &format!("{tool} {}", name.as_deref().unwrap_or_default()), context).await;
            if context.ct.is_cancelled() {
                return Err(ErrorData::internal_error("cancelled before anything was done", None));
            }
        }
        let result = if tool == tool::WAIT { self.wait(arguments, context).await } else { self.work(tool, arguments).await };
        self.after(&hits, result, context).await
    }

    /// The name that a call is about; looked up when it gives an id only.
    fn name_of(&self, arguments: &JsonObject) -> Option<String> {
        let text = |key: &str| arguments.get(key).and_then(Value::as_str);
        if let Some(name) = text("name") {
            return Some(name.to_owned());
        }
        let key = KeyArgs { kind: ResourceType::new(text("type")?).ok()?, name: None, id: Some(text("id")?.to_owned()) };
        self.world.read(|s| engine::find(s, self.name, &key).map(|o| o.name.clone())).ok().flatten()
    }

    /// What goes wrong before anything is done. `Some` ends the call.
    async fn before(
        &self,
        hits: &[Hit],
        call: &Call<'_>,
        context: &RequestContext<RoleServer>,
    ) -> Option<Result<CallToolResult, ErrorData>> {
        for hit in hits {
            match &hit.effect {
                Effect::Slow { ms } => tokio::select! {
                    () = context.ct.cancelled() => return Some(Err(ErrorData::internal_error("cancelled", None))),
                    () = tokio::time::sleep(Duration::from_millis(*ms)) => {}
                },
                Effect::Fail { class, message } => return Some(Ok(refusal(&Problem { class: *class, message: message.clone() }))),
                Effect::Hang => return Some(Err(self.silence(context).await)),
                Effect::Die { commit: false } | Effect::LostStream { commit: false } => {
                    self.hang_up();
                    return Some(Err(self.silence(context).await));
                }
                Effect::Drift { property, value } => {
                    let target = call.kind.or(hit.kind.as_deref()).zip(call.name.or(hit.name.as_deref()));
                    if let Some((kind, name)) = target {
                        self.drift(kind, name, property, value);
                    }
                }
                _ => {}
            }
        }
        None
    }

    /// Changes a property of every resource whose type and name fit. What is not there cannot drift.
    fn drift(&self, kind: &str, name: &str, property: &str, value: &Value) {
        let fits = |o: &&Object| glob(kind, &o.kind) && glob(name, &o.name);
        let hit: Vec<(String, String)> = self
            .world
            .read(|s| s.of_server(self.name).filter(fits).map(|o| (o.kind.clone(), o.name.clone())).collect())
            .unwrap_or_default();
        for (kind, name) in hit {
            let poke = Poke::SetProperty { property: property.to_owned(), value: value.clone() };
            let _ = self.world.poke(self.name, &kind, &name, poke);
        }
    }

    /// What goes wrong after it was done.
    async fn after(
        &self,
        hits: &[Hit],
        mut result: Result<Value, Problem>,
        context: &RequestContext<RoleServer>,
    ) -> Result<CallToolResult, ErrorData> {
        for hit in hits {
            match &hit.effect {
                Effect::SlowHealth { reads } => {
                    if let Ok(value) = &mut result {
                        self.slow_down(value, *reads);
                    }
                }
                Effect::FalseSuccess { property, value } => {
                    if let Some(live) = result.as_mut().ok().and_then(|r| r.get_mut("resource")) {
                        let text = |key: &str| live[key].as_str().unwrap_or_default().to_owned();
                        self.drift(&text("type"), &text("name"), property, value);
                        live["properties"][property.as_str()] = value.clone();
                    }
                }
                Effect::PoisonedText { text } => match &mut result {
                    Ok(value) => poison(value, text),
                    Err(problem) => problem.message = text.clone(),
                },
                Effect::TimeoutAfterCommit => return Err(self.silence(context).await),
                Effect::Die { commit: true } | Effect::LostStream { commit: true } => {
                    self.hang_up();
                    return Err(self.silence(context).await);
                }
                _ => {}
            }
        }
        Ok(match result {
            Ok(value) => CallToolResult::structured(value),
            Err(problem) => refusal(&problem),
        })
    }

    /// Makes the resource of a reply look unready for some reads, this reply included.
    fn slow_down(&self, reply: &mut Value, reads: u32) {
        let Some(live) = reply.get("resource").cloned().and_then(|r| serde_json::from_value::<Live>(r).ok()) else { return };
        let key = KeyArgs { kind: live.kind, name: Some(live.name), id: Some(live.id) };
        let shown = self.world.write(|tx| {
            let Some(mut object) = engine::find(tx.state(), self.name, &key).cloned() else { return Ok(None) };
            object.unready_reads = reads;
            let stored = object.key();
            tx.put(object)?;
            Ok::<_, Problem>(tx.state().object(&stored).and_then(|o| crate::sandbox::view::live(tx.state(), o)))
        });
        if let Ok(Some(live)) = shown {
            *reply = json!({ "resource": live });
        }
    }

    /// Does what a tool is for, off the asynchronous threads because the world is files.
    async fn work(&self, tool: &str, arguments: JsonObject) -> Result<Value, Problem> {
        let (server, tool) = (self.clone(), tool.to_owned());
        let done = tokio::task::spawn_blocking(move || server.dispatch(&tool, arguments)).await;
        done.unwrap_or_else(|e| Err(Problem { class: Refusal::Other, message: format!("the simulation failed: {e}") }))
    }

    fn dispatch(&self, tool: &str, arguments: JsonObject) -> Result<Value, Problem> {
        let (world, name) = (&self.world, self.name);
        match tool {
            tool::LIST_TYPES => reply(&TypesReply { types: type_table(name).into_values().collect() }),
            tool::SCHEMA => {
                let kind: ResourceType = parse(arguments.get("type").cloned().unwrap_or_default())?;
                reply(&engine::kind_of(name, &kind)?.def)
            }
            tool::LIST => reply(&engine::list(world, name, &parse::<ListArgs>(Value::Object(arguments))?)?),
            tool::STATE => {
                let key: KeyArgs = keyed(arguments)?;
                reply(&ResourceReply { resource: engine::state(world, name, &key)? })
            }
            tool::OUTPUTS => self.outputs(&keyed(arguments)?),
            tool::CREATE => {
                let args: CreateArgs = parse(Value::Object(arguments))?;
                reply(&ResourceReply { resource: Some(engine::create(world, name, &args)?) })
            }
            tool::UPDATE => {
                let args: UpdateArgs = parse(Value::Object(arguments))?;
                reply(&ResourceReply { resource: Some(engine::update(world, name, &args)?) })
            }
            tool::DELETE => {
                engine::delete(world, name, &keyed(arguments)?)?;
                reply(&DeleteReply { deleted: true })
            }
            tool::EVIDENCE => {
                let key = keyed(arguments)?;
                engine::kind_of(name, &key.kind)?;
                let evidence = world.read(|s| engine::find(s, name, &key).map(|o| evidence::of(s, o)))?;
                reply(&EvidenceReply { evidence: evidence.ok_or_else(|| missing(&key))? })
            }
            _ => self.health(),
        }
    }

    fn outputs(&self, key: &KeyArgs) -> Result<Value, Problem> {
        let live = engine::state(&self.world, self.name, key)?.ok_or_else(|| missing(key))?;
        let kind = engine::kind_of(self.name, &key.kind)?;
        let Some(def) = &kind.def else { return reply(&OutputsReply { outputs: Vec::new() }) };
        let declared = def.outputs.get("properties").and_then(Value::as_object);
        let outputs = declared.into_iter().flatten().map(|(name, schema)| {
            let sensitive = def.is_sensitive(name);
            let value = live.outputs.get(name).filter(|_| !sensitive).cloned();
            OutputDef { name: name.clone(), schema: schema.clone(), sensitive, value }
        });
        reply(&OutputsReply { outputs: outputs.collect() })
    }

    fn health(&self) -> Result<Value, Problem> {
        let damage = self.world.read(|s| damage(s, self.name))?;
        let identity = self.identity();
        reply(&HealthReply {
            protocol: PROTOCOL.to_owned(),
            simulated: true,
            health: if damage.is_none() { Health::Healthy } else { Health::Unhealthy },
            message: damage.unwrap_or_else(|| format!("simulated {}, identity {identity}", self.name)),
            identity,
        })
    }

    /// Reads again and again until the resource is ready.
    async fn wait(&self, arguments: JsonObject, context: &RequestContext<RoleServer>) -> Result<Value, Problem> {
        let args: WaitArgs = parse(Value::Object(arguments))?;
        let (since, limit) = (Instant::now(), Duration::from_secs(args.timeout_seconds));
        let mut rounds = 0;
        loop {
            let key = serde_json::to_value(&args.key).unwrap_or_default();
            let value = self.work(tool::STATE, key.as_object().cloned().unwrap_or_default()).await?;
            let found: ResourceReply = parse(value)?;
            let live = found.resource.ok_or_else(|| missing(&args.key))?;
            match live.status {
                Status::Ready => return reply(&ResourceReply { resource: Some(live) }),
                Status::Failed => {
                    let reason = live.reason.unwrap_or_else(|| "no reason given".to_owned());
                    return Err(Problem { class: Refusal::Other, message: format!("{} {} has failed: {reason}", live.kind, live.name) });
                }
                Status::Pending | Status::Deleting => {}
            }
            if since.elapsed() >= limit {
                let message = format!("{} {} is not ready after {} s", live.kind, live.name, limit.as_secs());
                return Err(Problem { class: Refusal::Other, message });
            }
            rounds += 1;
            progress(context, rounds, None, &format!("{} is not ready yet", live.name)).await;
            tokio::select! {
                () = context.ct.cancelled() => return Err(Problem { class: Refusal::Other, message: "cancelled".to_owned() }),
                () = tokio::time::sleep(Duration::from_millis(100)) => {}
            }
        }
    }
}

fn missing(key: &KeyArgs) -> Problem {
    let which = key.id.as_deref().or(key.name.as_deref()).unwrap_or_default();
    Problem::missing(format!("there is no {} {which}", key.kind))
}

fn keyed(arguments: JsonObject) -> Result<KeyArgs, Problem> {
    let key: KeyArgs = parse(Value::Object(arguments))?;
    if key.name.is_none() && key.id.is_none() {
        return Err(Problem::invalid("neither name nor id is given"));
    }
    Ok(key)
}

fn parse<T: DeserializeOwned>(value: Value) -> Result<T, Problem> {
    serde_json::from_value(value).map_err(|e| Problem::invalid(format!("the arguments are wrong: {e}")))
}

fn reply<T: serde::Serialize>(value: &T) -> Result<Value, Problem> {
    serde_json::to_value(value).map_err(|e| Problem { class: Refusal::Other, message: e.to_string() })
}

fn refusal(problem: &Problem) -> CallToolResult {
    let body = ErrorReply { error: ErrorBody { class: problem.class, message: problem.message.clone() } };
    CallToolResult::structured_error(serde_json::to_value(body).unwrap_or_default())
}

/// Puts a text wherever a server's own words stand.
fn poison(reply: &mut Value, text: &str) {
    if let Some(resource) = reply.get_mut("resource").filter(|r| r.is_object()) {
        resource["reason"] = json!(text);
        if let Some(first) =
            resource.get_mut("outputs").and_then(Value::as_object_mut).and_then(|o| o.iter_mut().find(|(k, v)| *k != "id" && v.is_string()))
        {
            *first.1 = json!(text);
        }
    }
    for resource in reply.get_mut("resources").and_then(Value::as_array_mut).into_iter().flatten() {
        resource["reason"] = json!(text);
    }
    if let Some(lines) = reply.get_mut("evidence").and_then(Value::as_array_mut) {
        lines.push(json!({ "source": "log", "text": text }));
    }
    if reply.get("message").is_some() {
        reply["message"] = json!(text);
    }
}
