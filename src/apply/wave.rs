//! Which step may start now, and starting it: the check of its server, its last references, the journal's begin, the call.

use serde_json::Value;
use tokio::time::Instant;

use super::{
    Message, Run, State,
    step::{Job, with_secrets},
};
use crate::{
    domain::{
        Action, Outcome, Properties, Reference, ServerName,
        substitute::{Known, substitute},
    },
    event::Event,
    plan::Step,
    store::StepBegin,
};

impl Run<'_> {
    /// The last wave of which a step may start now, as far as stops and waves go; 0 if none may.
    fn last_allowed(&self) -> usize {
        if self.stopped > 0 || self.broken.is_some() {
            return 0;
        }
        let held = self.options.hold_after.filter(|_| !self.held).unwrap_or(usize::MAX);
        if !self.options.strict_waves {
            return held;
        }
        let open = (0..self.state.len()).filter(|&s| !matches!(self.state[s], State::Ended(_)));
        open.map(|s| self.wave[s]).min().unwrap_or(0).min(held)
    }

    pub(super) fn in_flight(&self, server: Option<&ServerName>) -> usize {
        self.began.keys().filter(|&&s| server.is_none_or(|name| self.plan.steps[s].address.server == *name)).count()
    }

    pub(super) async fn start_ready(&mut self) {
        let mut last = self.last_allowed();
        for n in 0..self.state.len() {
            if self.state[n] != State::Waiting || self.open[n] > 0 || self.wave[n] > last {
                continue;
            }
            let step = &self.plan.steps[n];
            let bears = self.cx.servers.get(&step.address.server).and_then(|s| s.max_calls()).unwrap_or(usize::MAX);
            let most = self.options.per_server.min(bears);
            if self.in_flight(None) >= self.options.overall || self.in_flight(Some(&step.address.server)) >= most {
                continue;
            }
            if step.tool.is_some() {
                let key = (step.address.server.clone(), self.wave[n]);
                match self.checked.get(&key) {
                    None => {
                        self.check(key);
                        continue;
                    }
                    Some(Some(problem)) => {
                        let problem = problem.clone();
                        self.ended_unsent(n, Outcome::Failed, problem).await;
                        last = self.last_allowed();
                        continue;
                    }
                    Some(None) => {}
                }
            }
            self.start(n).await;
            // What ended at once may have been the last of its wave.
            last = self.last_allowed();
        }
    }

    /// Reads the identity and pins of a server again, once before each wave.
    pub(super) fn check(&mut self, key: (ServerName, usize)) {
        if !self.checking.insert(key.clone()) {
            return;
        }
        let server = self.cx.servers.get(&key.0).cloned();
        self.tasks.spawn(async move {
            let result = match server {
                None => Err(format!("no server `{}` is registered", key.0)),
                Some(server) => server.target().await.map_err(|e| e.of_question()),
            };
            Message::Checked(key.0, key.1, result)
        });
    }

    pub(super) async fn start(&mut self, n: usize) {
        let step = &self.plan.steps[n];
        if step.tool.is_none() {
            self.record_only(n).await;
            return;
        }
        let Some(server) = self.cx.servers.get(&step.address.server).cloned() else { return };
        let (sent, properties) = match self.resolve(step).await {
            Ok(both) => both,
            Err(reason) => {
                self.ended_unsent(n, Outcome::Failed, reason).await;
                return;
            }
        };
        let mut intended = step.intended.clone();
        if let Some(record) = &mut intended {
            record.sent = sent;
        }
        let key = step.key.clone().unwrap_or_else(|| self.key(n));
        if let Some(record) = &mut intended {
            record.created_by = if step.action == Action::Create { Some(key.clone()) } else { record.created_by.clone() };
        }
        let tool = step.tool.clone().unwrap_or_else(|| server.tool(&step.address.kind, step.action));
        let begin = StepBegin {
            step: n,
            address: step.address.clone(),
            action: step.action,
            tool: tool.clone(),
            key: key.clone(),
            intended: intended.clone(),
        };
        match self.journal.begin_step(begin).await {
            Ok(begun) => {
                self.began.insert(n, (begun, Instant::now()));
            }
            Err(error) => {
                self.broken = Some(error);
                self.state[n] = State::Ended(Outcome::Skipped);
                self.reasons.insert(n, "the journal could not be written, so nothing was sent".into());
                return;
            }
        }
        self.state[n] = State::Running;
        self.cx.sink.emit(Event::StepStarted {
            step: n,
            wave: self.wave[n],
            address: step.address.clone(),
            action: step.action,
            tool: tool.clone(),
        });
        let job = Job {
            number: n,
            server,
            address: step.address.clone(),
            action: step.action,
            id: step.id.clone(),
            key,
            intended,
            before: step.before.clone(),
            properties,
            timing: self.options.timing.clone(),
            cancel: self.cancel.child_token(),
            tell: self.tell.clone(),
        };
        self.tasks.spawn(async move { Message::Step(Box::new(job.run().await)) });
    }

    /// The idempotency key of a step: the same plan, snapshot and step give the same key, and nothing else does.
    pub(super) fn key(&self, n: usize) -> String {
        let step = &self.plan.steps[n];
        let text = format!("{}\n{}\n{}\n{n}", self.journal.run(), step.address, self.plan.base);
        format!("swell-{}", &crate::domain::canonical::sha256_hex(text.as_bytes())[..32])
    }

    /// Puts the last references in. Returns what the record keeps (secrets as references) and what is sent.
    pub(super) async fn resolve(&self, step: &Step) -> Result<(Properties, Properties), String> {
        let Some(intended) = &step.intended else { return Ok((Properties::new(), Properties::new())) };
        let outputs = |reference: &Reference| -> Result<Known, String> {
            let Reference::Output { address, path, .. } = reference else { return Ok(Known::Later(reference.clone())) };
            let record = self.results.get(address).ok_or_else(|| format!("{reference} is not known: {address} was not made"))?;
            if path.head().is_some_and(|h| record.sensitive.iter().any(|s| s == h)) {
                return Ok(Known::Sensitive(reference.clone()));
            }
            crate::mcp::lookup(&record.id, address.name.as_str(), &record.outputs, &record.properties, path)
                .map(|v| Known::Value(v, Some(address.clone())))
                .ok_or_else(|| format!("{reference} is not known: the server gave no such output"))
        };
        let recorded = substitute(&Value::Object(intended.sent.clone()), &mut |r| outputs(r))?;
        let kept = recorded.value.as_object().cloned().unwrap_or_default();
        let mut sent = with_secrets(&recorded.value, &self.cx.secrets, self.cx.servers, &self.results).await?;
        if let Value::Object(map) = &mut sent {
            step.unset.iter().for_each(|name| {
                map.insert(name.clone(), Value::Null);
            });
        }
        Ok((kept, sent.as_object().cloned().unwrap_or_default()))
    }
}
