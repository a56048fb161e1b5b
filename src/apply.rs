//! Carrying out an approved plan: one dispatcher, many calls in flight.
//!
//! The dispatcher is the only writer of the journal during a run. The order for a step is fixed: journal *begin*, event, call, journal
//! *end*, event. A step starts as soon as its own dependencies are done, within a limit per server and one overall; a step that does not
//! end well skips only what depends on it.

use std::{
    collections::{BTreeMap, BTreeSet, HashMap},
    sync::Arc,
    time::Duration,
};

use tokio::{
    sync::{mpsc, watch},
    task::JoinSet,
    time::Instant,
};
use tokio_util::sync::CancellationToken;

use crate::{
    diagnostic::Failure,
    domain::{Action, Address, Outcome, ServerName},
    event::{Event, RunSummary, Sink},
    mcp::{Servers, Target},
    plan::Plan,
    secret::SecretStore,
    store::{Begun, Journal, Recorded, RunEnd, StepEnd, StoreError},
};

mod end;

mod step;

mod wave;

use step::Report;
pub use step::{Timing, scrubbed};

/// How to run.
#[derive(Debug, Clone, Copy, Default)]
pub struct RunOptions {
    /// Hold after this wave.
    pub hold_after: Option<usize>,
    /// Begin no wave before the one before it has ended.
    pub strict_waves: bool,
}

/// How a run is bounded and who may stop it.
pub struct Options {
    /// Calls in flight on one server.
    pub per_server: usize,
    /// Calls in flight in all.
    pub overall: usize,
    /// Bounds of a call and of the waiting around it.
    pub timing: Timing,
    /// Start no wave before the one before it has ended.
    pub strict_waves: bool,
    /// Stop after this wave (from 1) until `hold` says to go on.
    pub hold_after: Option<usize>,
    /// Asks the person whether to go on after a hold; with nobody there the run ends.
    pub hold: Option<Box<dyn Fn(usize) -> futures::future::BoxFuture<'static, bool> + Send + Sync>>,
    /// 0 run; 1 start nothing new; 2 cancel what is in flight.
    pub stop: watch::Receiver<u8>,
}

/// What the dispatcher works with.
pub struct Context<'a> {
    /// The servers.
    pub servers: &'a Servers,
    /// What was recorded before the run, settlements included.
    pub recorded: BTreeMap<Address, Recorded>,
    /// Secrets; everything that comes back is scrubbed of them.
    pub secrets: Arc<SecretStore>,
    /// Where events go.
    pub sink: &'a dyn Sink,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    /// Waits for others.
    Waiting,
    /// Its server is being checked, or its call is in flight.
    Running,
    /// Ended.
    Ended(Outcome),
}

enum Message {
    Checked(ServerName, usize, Result<Target, String>),
    Step(Box<Report>),
}

/// What one run stands at. Only the dispatcher touches it.
struct Run<'a> {
    plan: &'a Plan,
    cx: Context<'a>,
    options: Options,
    journal: &'a Journal,
    state: Vec<State>,
    open: Vec<usize>,
    after: Vec<Vec<usize>>,
    wave: Vec<usize>,
    began: HashMap<usize, (Begun, Instant)>,
    results: BTreeMap<Address, Recorded>,
    reasons: BTreeMap<usize, String>,
    checked: BTreeMap<(ServerName, usize), Option<String>>,
    checking: BTreeSet<(ServerName, usize)>,
    tasks: JoinSet<Message>,
    tell: mpsc::UnboundedSender<(usize, String)>,
    told: mpsc::UnboundedReceiver<(usize, String)>,
    states: HashMap<usize, String>,
    cancel: CancellationToken,
    held: bool,
    stopped: u8,
    broken: Option<StoreError>,
}

/// Runs the plan. The caller has checked base, targets and approval, holds the lock, and has begun the run in the journal.
///
/// Returns how it ended; the caller writes the run's last entry. A journal that cannot be written ends the run: nothing more is sent.
pub async fn run(plan: &Plan, journal: &Journal, cx: Context<'_>, options: Options) -> (RunEnd, RunSummary, Option<Failure>) {
    let began = Instant::now();
    tracing::info!(deployment = %plan.deployment, run = %journal.run(), steps = plan.steps.len(), "run begins");
    let mut run = Run::new(plan, journal, cx, options);
    run.cx.sink.emit(Event::RunStarted {
        run: run.journal.run().to_string(),
        deployment: plan.deployment.clone(),
        plan: plan.short(),
        steps: plan.steps.len(),
        waves: plan.waves.len(),
    });
    run.dispatch().await;
    run.finish(began).await
}

impl<'a> Run<'a> {
    fn new(plan: &'a Plan, journal: &'a Journal, cx: Context<'a>, options: Options) -> Self {
        let mut open = vec![0; plan.steps.len()];
        let mut after = vec![Vec::new(); plan.steps.len()];
        for &(a, b) in &plan.edges {
            open[b] += 1;
            after[a].push(b);
        }
        let mut wave = vec![0; plan.steps.len()];
        for (w, steps) in plan.waves.iter().enumerate() {
            steps.iter().for_each(|&s| wave[s] = w + 1);
        }
        let (tell, told) = mpsc::unbounded_channel();
        Self {
            tell,
            told,
            states: HashMap::new(),
            state: vec![State::Waiting; plan.steps.len()],
            results: cx.recorded.clone(),
            plan,
            cx,
            options,
            journal,
            open,
            after,
            wave,
            began: HashMap::new(),
            reasons: BTreeMap::new(),
            checked: BTreeMap::new(),
            checking: BTreeSet::new(),
            tasks: JoinSet::new(),
            cancel: CancellationToken::new(),
            held: false,
            stopped: 0,
            broken: None,
        }
    }

    async fn dispatch(&mut self) {
        let mut beat = tokio::time::interval(Duration::from_secs(1));
        beat.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        loop {
            self.start_ready().await;
            if self.tasks.is_empty() {
                if !self.hold_over().await {
                    return;
                }
                continue;
            }
            tokio::select! {
                biased;
                changed = self.options.stop.changed() => {
                    let stage = *self.options.stop.borrow();
                    if changed.is_ok() && stage > self.stopped {
                        self.stopped = stage;
                        self.cx.sink.emit(Event::Stopping { stage, in_flight: self.began.len() });
                        if stage >= 2 {
                            self.cancel.cancel();
                        }
                    } else if changed.is_err() {
                        // Nobody can stop it any more; wait for the tasks alone.
                        if let Some(done) = self.tasks.join_next().await { self.take(done).await }
                    }
                }
                Some((step, state)) = self.told.recv() => self.progress(step, state),
                Some(done) = self.tasks.join_next() => self.take(done).await,
                _ = beat.tick() => self.heartbeat(),
            }
        }
    }

    /// A forget or an adopt: only the journal is written.
    async fn record_only(&mut self, n: usize) {
        let step = &self.plan.steps[n];
        let written = match (step.action, &step.intended) {
            (Action::Adopt, Some(record)) => self.journal.adopt(record.clone()).await.map(|_| {
                self.results.insert(step.address.clone(), record.clone());
            }),
            _ => self.journal.forget(step.address.clone(), step.because.as_deref().unwrap_or("it is gone")).await.map(|_| {
                self.results.remove(&step.address);
            }),
        };
        match written {
            Ok(()) => {
                self.state[n] = State::Ended(Outcome::Done);
                self.release(n);
                self.say_ended(n, Outcome::Done, 0, None);
            }
            Err(error) => self.broken = Some(error),
        }
    }

    async fn take(&mut self, done: Result<Message, tokio::task::JoinError>) {
        match done {
            Ok(Message::Checked(server, wave, result)) => {
                let planned = self.plan.targets.iter().find(|t| t.server == server);
                let problem = match (result, planned) {
                    (Err(reason), _) => Some(self.clean(&reason)),
                    (Ok(now), Some(then)) if now.identity != then.identity => Some(format!(
                        "`{server}` is `{}` now, and the plan was approved for `{}`",
                        self.clean(&now.identity),
                        then.identity
                    )),
                    (Ok(now), Some(then)) if now.pin != then.pin => Some(format!(
                        "the tools of `{server}` are not those that the plan was approved with; see `swell servers review {server}`"
                    )),
                    _ => None,
                };
                self.checked.insert((server, wave), problem);
            }
            Ok(Message::Step(report)) => self.ended(*report).await,
            Err(error) => {
                // A task that panicked is a bug; its step stays without an end, which the journal shows as unknown.
                tracing::error!(%error, "a step's task ended without a report");
                let lost: Vec<usize> = self.began.keys().copied().collect();
                if self.tasks.is_empty() {
                    for n in lost {
                        self.began.remove(&n);
                        self.state[n] = State::Ended(Outcome::Unknown);
                        self.reasons.insert(n, "a bug in `swell` ended the call without a report".into());
                        self.skip_after(n).await;
                    }
                }
            }
        }
    }

    async fn ended(&mut self, report: Report) {
        let n = report.number;
        let Some((begun, since)) = self.began.remove(&n) else { return };
        self.states.remove(&n);
        let elapsed_ms = u64::try_from(since.elapsed().as_millis()).unwrap_or(u64::MAX);
        let error = report.error.map(|e| self.clean(&e));
        let resource = report.resource.map(|r| step::scrubbed(r, &self.cx.secrets));
        let step = &self.plan.steps[n];
        let end = StepEnd { outcome: report.outcome, resource: resource.clone(), error: error.clone(), elapsed_ms };
        if let Err(problem) = self.journal.end_step(begun, end).await {
            self.broken = Some(problem);
        }
        match (&resource, report.outcome) {
            (Some(record), _) => {
                self.results.insert(step.address.clone(), record.clone());
            }
            (None, Outcome::Done) => {
                self.results.remove(&step.address);
            }
            _ => {}
        }
        self.state[n] = State::Ended(report.outcome);
        if let Some(reason) = &error {
            self.reasons.insert(n, reason.clone());
        }
        self.say_ended(n, report.outcome, elapsed_ms, error);
        if report.outcome == Outcome::Done {
            self.release(n);
        } else {
            self.skip_after(n).await;
        }
    }

    /// Ends a step for which nothing was sent.
    async fn ended_unsent(&mut self, n: usize, outcome: Outcome, reason: String) {
        let reason = self.clean(&reason);
        let step = &self.plan.steps[n];
        let end = StepEnd { outcome, resource: None, error: Some(reason.clone()), elapsed_ms: 0 };
        if let Err(problem) = self.journal.pass_step(n, step.address.clone(), step.action, end).await {
            self.broken.get_or_insert(problem);
        }
        self.state[n] = State::Ended(outcome);
        self.reasons.insert(n, reason.clone());
        self.say_ended(n, outcome, 0, Some(reason));
        if outcome != Outcome::Skipped {
            self.skip_after(n).await;
        }
    }

    async fn skip_after(&mut self, n: usize) {
        let mut open = vec![n];
        while let Some(at) = open.pop() {
            for next in self.after[at].clone() {
                if self.state[next] == State::Waiting {
                    let first = &self.plan.steps[n];
                    let ended = match self.state[n] {
                        State::Ended(Outcome::Unknown) => "whose outcome is unknown",
                        _ => "which failed",
                    };
                    let reason = format!("it needs {} {}, {ended}", first.action, first.address);
                    Box::pin(self.ended_unsent(next, Outcome::Skipped, reason)).await;
                    open.push(next);
                }
            }
        }
    }

    fn release(&mut self, n: usize) {
        for &next in &self.after[n] {
            self.open[next] -= 1;
        }
    }

    fn say_ended(&self, n: usize, outcome: Outcome, elapsed_ms: u64, error: Option<String>) {
        let step = &self.plan.steps[n];
        tracing::info!(step = n, address = %step.address, action = %step.action, %outcome, elapsed_ms, "step ended");
        self.cx.sink.emit(Event::StepEnded {
            step: n,
            wave: self.wave[n],
            address: step.address.clone(),
            action: step.action,
            outcome,
            elapsed_ms,
            error,
        });
    }

    fn progress(&mut self, n: usize, state: String) {
        let state = self.clean(&state);
        self.states.insert(n, state);
        self.beat(n);
    }

    fn heartbeat(&self) {
        let mut running: Vec<usize> = self.began.keys().copied().collect();
        running.sort_unstable();
        running.into_iter().for_each(|n| self.beat(n));
    }

    fn beat(&self, n: usize) {
        let Some((_, since)) = self.began.get(&n) else { return };
        let state = self.states.get(&n).cloned().unwrap_or_else(|| "waiting for the server".into());
        let elapsed_ms = u64::try_from(since.elapsed().as_millis()).unwrap_or(u64::MAX);
        self.cx.sink.emit(Event::StepProgress { step: n, address: self.plan.steps[n].address.clone(), state, elapsed_ms });
    }

    /// The choke point for words that came from outside: no secrets, no control sequences, bounded.
    fn clean(&self, text: &str) -> String {
        crate::domain::text::clean(&self.cx.secrets.redactor().text(text), 2_000)
    }

    /// After everything that may run has run: whether the person lets the next wave begin.
    async fn hold_over(&mut self) -> bool {
        let Some(wave) = self.options.hold_after else { return false };
        let more = (0..self.state.len()).any(|n| self.state[n] == State::Waiting && self.open[n] == 0);
        if self.held || self.stopped > 0 || self.broken.is_some() || !more {
            return false;
        }
        self.cx.sink.emit(Event::Held { wave });
        let go = match &self.options.hold {
            Some(ask) => ask(wave).await,
            None => false,
        };
        self.held = go;
        go
    }
}
