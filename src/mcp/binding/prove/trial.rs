//! One type on trial: the calls in their order, what each shows, and the file as it follows from that.

use std::{sync::Arc, time::Duration};

use serde_json::{Value, json};

use super::{
    Finding, Left, Level, Proof, Scratch, Watch, edit,
    infer::{self, Wanted},
    parsed,
};
use crate::{
    domain::{Properties, ResourceType, text::clean_line},
    mcp::{
        CallControl, CallError, Connection, Key, Live, Refusal, ResourceServer,
        binding::{
            BoundServer, Call, TypeBinding, Verb,
            expression::Scope,
            perform::check_arguments,
            server::{many::gives_all, sent},
        },
        reply::Reply,
    },
    yaml,
};

mod ending;

mod stages;

mod together;

pub use together::{Together, together};

/// Comments that belong to a trial.
const KINDS: [&str; 4] = ["status:", "not sure:", "holds:", "fails:"];

/// How long it is waited until something is gone, and the first pause: some servers take their time.
pub const PATIENCE: Duration = Duration::from_secs(15);
const PAUSE: Duration = Duration::from_millis(50);

/// What a verb gave.
struct Done {
    /// The last answer.
    reply: Option<Reply>,
    /// The id that the binding makes of it.
    id: Option<String>,
}

/// Why a verb gave nothing.
enum Not {
    /// The server said no; the words, and whether it called the no an error.
    Refused { class: Refusal, words: String, reply: Option<Reply> },
    /// Nothing was sent.
    Unsent(String),
    /// Nobody knows.
    Unknown(String),
    /// The person wants to stop.
    Stopped,
    /// What was found out says already why the rest cannot be tried.
    Over,
}

/// Which verb.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Which {
    Create,
    Update,
    Delete,
}

/// A trial.
pub struct Trial<'a> {
    connection: Arc<Connection>,
    name: String,
    file: String,
    text: String,
    server: BoundServer,
    kind: ResourceType,
    scratch: &'a Scratch,
    watch: &'a dyn Watch,
    findings: Vec<Finding>,
    /// The file says of the type how far it was tried: then it may be written into.
    kept: bool,
    id: Option<String>,
    /// What was sent last and should be there.
    now: Properties,
    /// What a second create made beside it.
    doubles: Vec<String>,
    /// The answer of the first create.
    yes: Option<Reply>,
    /// The last read that showed it.
    last_read: Option<Reply>,
    patience: Duration,
}

impl<'a> Trial<'a> {
    /// Puts a type of a good file on trial.
    pub fn new(
        connection: &Arc<Connection>,
        (name, file, text): (&str, &str, &str),
        kind: &ResourceType,
        scratch: &'a Scratch,
        watch: &'a dyn Watch,
    ) -> Result<Self, String> {
        let binding = parsed(name, file, text)?;
        let kept = text.lines().any(|l| l.trim_start().starts_with("# status:"));
        Ok(Self {
            server: BoundServer::new(connection.clone(), binding),
            connection: connection.clone(),
            name: name.to_owned(),
            file: file.to_owned(),
            text: text.to_owned(),
            kind: kind.clone(),
            scratch,
            watch,
            findings: Vec::new(),
            kept,
            id: None,
            now: scratch.first.clone(),
            doubles: Vec::new(),
            yes: None,
            last_read: None,
            patience: PATIENCE,
        })
    }

    /// Waits only so long until something is gone.
    pub fn patience(mut self, patience: Duration) -> Self {
        self.patience = patience;
        self
    }

    /// Carries it out. What comes back is the file as it should be, and what was found out.
    pub async fn run(mut self) -> (String, Proof) {
        let ended = self.stages().await;
        let stopped = matches!(ended, Err(Not::Stopped));
        if let Err(why) = ended {
            match why {
                Not::Over => {}
                Not::Stopped => self.fails(&[], "it was stopped before the end"),
                Not::Refused { words, .. } => {
                    self.settle_name().await;
                    let words = clean_line(&words, 300);
                    self.fails(&["create"], format!("the server refused: {words} (other values: -p PROPERTY=VALUE)"));
                }
                Not::Unsent(reason) => self.fails(&[], format!("a call could not be sent: {}", clean_line(&reason, 400))),
                Not::Unknown(reason) => self.fails(&[], format!("nobody knows what came of a call: {}", clean_line(&reason, 300))),
            }
        }
        let left = self.leave().await;
        let usable = !self.findings.iter().any(|f| f.level == Level::Fails);
        // What a former trial wrote stands as long as nothing else is found.
        let same = usable && self.findings.iter().all(|f| f.level == Level::Holds) && self.was_proven();
        if self.kept && !same {
            self.sign(usable);
        }
        // The lines as they are now that everything is written.
        for n in 0..self.findings.len() {
            let at = self.findings[n].at.clone();
            let path: Vec<&str> = at.iter().map(String::as_str).collect();
            self.findings[n].line = edit::line_of(&self.text, &self.path(&path));
        }
        let kind = self.kind.clone();
        (self.text, Proof { kind, usable, findings: self.findings, left, stopped })
    }

    fn was_proven(&self) -> bool {
        let from = edit::line_of(&self.text, &self.path(&[]));
        self.text.lines().nth(from).is_some_and(|l| l.trim_start().starts_with("# status: proven"))
    }

    /// What was found out, as comments at the type.
    fn sign(&mut self, usable: bool) {
        let verb = |v: &Verb, other: &str| if matches!(v, Verb::Calls { .. }) { Some(other.to_owned()) } else { None };
        let binding = self.server.binding().clone();
        let Some(bound) = binding.types.get(&self.kind) else { return };
        let words: Vec<String> = [
            verb(&bound.create, "create"),
            Some("read".to_owned()),
            verb(&bound.update, "update").or_else(|| (!bound.def.limits.missing.contains_key("update")).then(|| "replace".to_owned())),
            verb(&bound.delete, "delete"),
        ]
        .into_iter()
        .flatten()
        .collect();
        let mut lines = vec![format!(
            "status: {}",
            if usable { format!("proven: {}", words.join(", ")) } else { "tried, and not usable yet".to_owned() }
        )];
        for finding in &self.findings {
            let kind = if finding.level == Level::Fails { "fails" } else { "holds" };
            let line = format!("{kind}: {}", clean_line(&self.timeless(&finding.text), 300));
            if !lines.contains(&line) {
                lines.push(line);
            }
        }
        self.text = self.text.replace(super::super::draft::UNTRIED, super::super::draft::TRIED);
        self.text = edit::comments(&self.text, self.kind.as_str(), &KINDS, &lines);
    }

    /// A sentence without what is only about this object, so that the next trial says the same.
    fn timeless(&self, text: &str) -> String {
        let mut text = text.replace(self.scratch.name.as_str(), "NAME");
        if let Some(id) = self.id.as_deref().filter(|i| i.len() > 3) {
            text = text.replace(id, "ID");
        }
        text
    }

    fn bound<'b>(&self, binding: &'b crate::mcp::binding::Binding) -> Result<&'b TypeBinding, Not> {
        binding.types.get(&self.kind).ok_or_else(|| Not::Unsent(format!("the file has no type `{}` any more", self.kind)))
    }

    fn path<'p>(&'p self, rest: &[&'p str]) -> Vec<&'p str> {
        [&["types", self.kind.as_str()], rest].concat()
    }

    fn note(&mut self, level: Level, at: &[&str], text: impl Into<String>) {
        let at = at.iter().map(|s| (*s).to_owned()).collect();
        self.findings.push(Finding { level, text: text.into(), line: 1, at });
    }

    fn holds(&mut self, at: &[&str], text: impl Into<String>) {
        self.note(Level::Holds, at, text);
    }

    fn fails(&mut self, at: &[&str], text: impl Into<String>) {
        self.note(Level::Fails, at, text);
    }

    /// Writes into the file; a change that would make it bad is not made.
    fn write(&mut self, changes: &[(&[&str], Option<Value>)]) -> bool {
        let mut text = self.text.clone();
        for (at, value) in changes {
            let path = self.path(at);
            text = match value {
                Some(value) => edit::set(&text, &path, value),
                None => edit::remove(&text, &path),
            };
        }
        if text == self.text {
            return false;
        }
        match parsed(&self.name, &self.file, &text) {
            Ok(binding) => {
                self.text = text;
                self.server = BoundServer::new(self.connection.clone(), binding);
                true
            }
            Err(why) => {
                tracing::warn!(why, "a change of a binding was not made");
                false
            }
        }
    }

    /// What stands at a place of the type.
    fn at(&self, rest: &[&str]) -> Option<Value> {
        let root = yaml::parse(&self.file, &self.text).ok()?;
        self.path(rest).iter().try_fold(&root, |node, key| node.get(key)).map(|n| n.to_json())
    }

    fn key(&self, id: Option<&str>) -> Key {
        Key { kind: self.kind.clone(), name: self.scratch.name.clone(), id: id.map(str::to_owned), hints: self.now.clone() }
    }

    fn scope(&self) -> Scope {
        Scope::default().with("name", self.scratch.name.as_str()).with("type", self.kind.as_str()).maybe("id", self.id.clone())
    }

    fn left(&self) -> Left {
        Left {
            server: self.connection.name().to_string(),
            binding: self.name.clone(),
            kind: self.kind.clone(),
            name: self.scratch.name.clone(),
            id: self.id.clone(),
        }
    }

    /// One answer as it came; `None` if the call has a condition that does not hold.
    async fn raw(&self, call: &Call, scope: &Scope) -> Result<Option<Result<Reply, CallError>>, Not> {
        let broken =
            |w: crate::mcp::binding::expression::Wrong| Not::Unsent(format!("{}: {}", self.server.binding().place(w.span), w.reason));
        if let Some(when) = &call.when
            && !when.holds(scope).map_err(broken)?
        {
            return Ok(None);
        }
        let arguments = match call.arguments.value(scope).map_err(broken)? {
            Some(Value::Object(map)) => map,
            _ => Properties::new(),
        };
        let tools = self.server.tools().await.map_err(|e| Not::Unsent(e.message().to_owned()))?;
        let tool = tools.get(call.tool.as_str()).ok_or_else(|| Not::Unsent(format!("the server offers no tool `{}`", call.tool)))?;
        check_arguments(tool, &arguments).map_err(Not::Unsent)?;
        Ok(Some(self.connection.call(&call.tool, arguments, call.effect, &CallControl::read()).await))
    }

    /// The read of one, as it is answered.
    async fn read_raw(&self, id: Option<&str>) -> Option<Result<Reply, CallError>> {
        let binding = self.server.binding().clone();
        let bound = binding.types.get(&self.kind)?;
        let scope = Scope::default().with("name", self.scratch.name.as_str()).with("type", self.kind.as_str()).maybe("id", id);
        self.raw(&bound.read.call, &scope).await.ok()?
    }

    /// The read of one, as the binding sees it.
    async fn seen(&self, id: Option<&str>) -> Result<Option<Live>, CallError> {
        self.server.read(&self.key(id)).await
    }

    /// The calls of a verb, in their order.
    async fn verb(&mut self, which: Which, properties: &Properties) -> Result<Done, Not> {
        let binding = self.server.binding().clone();
        let bound = self.bound(&binding)?;
        let verb = match which {
            Which::Create => &bound.create,
            Which::Update => &bound.update,
            Which::Delete => &bound.delete,
        };
        let Verb::Calls { calls, id } = verb else { return Err(Not::Unsent("the server cannot do this".to_owned())) };
        let mut scope = self.scope();
        if which != Which::Delete {
            scope = scope.with("properties", sent(&bound.def, properties));
        }
        if which == Which::Create {
            scope = scope.with("key", self.scratch.name.as_str());
        } else if let Ok(Some(seen)) = self.server.look(bound, &self.key(self.id.as_deref())).await {
            scope = scope.with("current", seen.live.properties).with("live", seen.item);
        }
        let (mut results, mut last) = (Vec::new(), None);
        for call in calls {
            if !self.watch.go_on(call.tool.as_str()) {
                return Err(Not::Stopped);
            }
            if which == Which::Create {
                self.watch.there(&self.left()).map_err(Not::Unsent)?;
            }
            let Some(answer) = self.raw(call, &scope).await? else { continue };
            let reply = answer.as_ref().ok().cloned();
            match self.server.judge(call, &scope, answer) {
                Ok(done) => {
                    results.push(done.result.clone());
                    scope = scope.with("results", results.clone()).with("result", done.result);
                    last = reply;
                }
                Err(CallError::Refused { class, message, .. }) => return Err(Not::Refused { class, words: message, reply }),
                Err(CallError::NotSent { reason, .. }) => return Err(Not::Unsent(reason)),
                Err(CallError::Unknown { reason, .. }) if reply.is_none() => return Err(Not::Unknown(reason)),
                // It answered, and what the file expects of the answer is wrong.
                Err(CallError::Unknown { .. }) => last = reply,
            }
        }
        let id = id.as_ref().and_then(|e| e.text(&scope).ok().flatten()).filter(|i| !i.is_empty());
        Ok(Done { reply: last, id })
    }

    /// Adds a class of error to the type, if no rule knows these words yet; says where. That a list of everything is empty is said by
    /// the read itself.
    fn rule(&mut self, said: &str, class: Refusal) -> &'static [&'static str] {
        let binding = self.server.binding().clone();
        let Some(bound) = binding.types.get(&self.kind) else { return &["errors"] };
        let of_list = class == Refusal::NotFound && gives_all(bound);
        let at: &[&str] = if of_list { &["read", "errors"] } else { &["errors"] };
        let known = bound.read.call.errors.iter().take(if of_list { bound.read.call.own_errors } else { usize::MAX });
        if known.into_iter().any(|r| r.class == class && r.text.is_match(said)) {
            return at;
        }
        let (usual, word): (&[&str], &str) = match class {
            Refusal::Exists => (&infer::PRESENT, "exists"),
            _ => (&infer::ABSENT, "not_found"),
        };
        let id = self.id.clone().unwrap_or_default();
        let text = infer::words(said, usual, &[self.scratch.name.as_str(), &id]);
        let mut all = self.at(at).and_then(|v| v.as_array().cloned()).unwrap_or_default();
        all.push(json!({"text": text, "class": word}));
        self.write(&[(at, Some(Value::Array(all)))]);
        at
    }

    /// One of which no id is known: a create that was refused can have left one behind all the same; else there is none to be taken away.
    async fn settle_name(&mut self) {
        let binding = self.server.binding().clone();
        if self.id.is_some() || !binding.types.get(&self.kind).is_some_and(|b| b.def.findable) {
            return;
        }
        match self.seen(None).await {
            Ok(Some(live)) => self.id = Some(live.id),
            Ok(None) => self.watch.gone(&self.left()),
            Err(_) => {}
        }
    }

    /// Takes the scratch object away, however the trial ended; what is left if that does not work.
    async fn leave(&mut self) -> Vec<Left> {
        let mut left = Vec::new();
        let first = self.left();
        let binding = self.server.binding().clone();
        let deletes = binding.types.get(&self.kind).is_some_and(|b| matches!(b.delete, Verb::Calls { .. }));
        for id in self.id.iter().chain(&self.doubles) {
            let one = Left { id: Some(id.clone()), ..first.clone() };
            let there = match self.seen(Some(id)).await {
                Ok(seen) => seen.is_some(),
                Err(_) => {
                    matches!(self.read_raw(Some(id)).await, Some(Ok(reply)) if infer::mentions(&reply, self.scratch, Some(id)) && infer::success(&reply, None).is_none())
                }
            };
            match there {
                // It was said before that it would stay; nothing that Swell could do takes it away.
                true if !deletes => {
                    self.watch.gone(&one);
                    left.push(one);
                }
                true if clean_up(&self.server, &one, self.patience).await.is_err() => left.push(one),
                _ => self.watch.gone(&one),
            }
        }
        left
    }
}

/// Takes away what a trial left behind. The error says why it is still there.
pub async fn clean_up(server: &BoundServer, left: &Left, patience: Duration) -> Result<(), String> {
    let key = Key { kind: left.kind.clone(), name: left.name.clone(), id: left.id.clone(), hints: Properties::new() };
    match server.delete(&key, &CallControl::read()).await {
        Ok(()) => {}
        Err(e) if e.is_not_found() => return Ok(()),
        Err(e) => return Err(e.message().to_owned()),
    }
    let (deadline, mut pause) = (tokio::time::Instant::now() + patience, PAUSE);
    loop {
        match server.read(&key).await {
            Ok(None) => return Ok(()),
            Ok(Some(_)) => {}
            // How the server says that there is none may not have been found out yet.
            Err(CallError::Refused { message, .. }) if infer::ABSENT.iter().any(|a| message.to_lowercase().contains(a)) => return Ok(()),
            Err(e) => return Err(e.message().to_owned()),
        }
        if tokio::time::Instant::now() >= deadline {
            return Err("the server says that it was deleted, and it is still there".to_owned());
        }
        tokio::time::sleep(pause).await;
        pause *= 2;
    }
}

/// Only for [`Wanted`]: what is there now.
fn wanted<'w>(trial: &'w Trial<'_>, id: &'w str, bound: &'w TypeBinding) -> Wanted<'w> {
    Wanted { name: trial.scratch.name.as_str(), id, sent: &trial.now, bound }
}
