//! Events for a person. On a terminal the running steps stand in a live region below the finished lines; elsewhere there are plain
//! lines, with a heartbeat for steps that take long.
//!
//! The sink has no thread and no clock of its own: it is handed a monotonic clock, and [`HumanSink::tick`] is called from outside
//! (see [`HumanSink::keep_ticking`]) to redraw and to send heartbeats.

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, PoisonError, Weak},
    time::Duration,
};

use super::{
    Screen,
    lines::{Line, Page, Tone, count, duration},
    summary,
};
use crate::{
    diagnostic::Diagnostic,
    domain::{Action, Address, Outcome},
    event::{Event, Sink},
};

/// How often the live region is drawn at most.
const REDRAW: Duration = Duration::from_millis(100);
/// How often a plain face says that a step goes on.
const HEARTBEAT: Duration = Duration::from_secs(10);
/// How many running steps are drawn at most.
const LIVE_LINES: usize = 12;

/// Time since some fixed point, never going backwards.
pub type Monotonic = Box<dyn Fn() -> Duration + Send + Sync>;

/// Renders a diagnostic for a style; the face of diagnostics is handed in so that this one does not depend on it.
pub type RenderDiagnostic = fn(&Diagnostic, &super::Style) -> String;

/// A face for people.
pub struct HumanSink {
    screen: Screen,
    clock: Monotonic,
    diagnostic: RenderDiagnostic,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    running: BTreeMap<usize, Running>,
    working: Option<Working>,
    steps: usize,
    ended: usize,
    /// Columns of each line of the live region that stands on the screen.
    drawn: Vec<usize>,
    drawn_at: Option<Duration>,
}

struct Running {
    address: Address,
    action: Action,
    state: String,
    began: Duration,
    beat: Duration,
}

struct Working {
    what: &'static str,
    done: usize,
    total: usize,
    began: Duration,
    beat: Duration,
}

impl HumanSink {
    /// Makes the face.
    pub fn new(screen: Screen, clock: Monotonic, diagnostic: RenderDiagnostic) -> Arc<Self> {
        Arc::new(Self { screen, clock, diagnostic, state: Mutex::default() })
    }

    /// Redraws and sends heartbeats until the face is dropped. Must be called within a tokio runtime.
    pub fn keep_ticking(self: &Arc<Self>) -> tokio::task::AbortHandle {
        let face: Weak<Self> = Arc::downgrade(self);
        let task = tokio::spawn(async move {
            let mut every = tokio::time::interval(REDRAW);
            loop {
                every.tick().await;
                let Some(face) = face.upgrade() else { return };
                face.tick();
            }
        });
        task.abort_handle()
    }

    /// Redraws what is live, or says that long steps go on.
    pub fn tick(&self) {
        let mut state = self.lock();
        let now = (self.clock)();
        if self.screen.terminal {
            if !state.is_idle() && state.drawn_at.is_none_or(|at| now.saturating_sub(at) >= REDRAW) {
                self.draw(&mut state, Page::default(), now);
            }
            return;
        }
        let mut page = Page::default();
        for r in state.running.values_mut().filter(|r| now.saturating_sub(r.beat) >= HEARTBEAT) {
            r.beat = now;
            let mut line = Line::of(Tone::Plain, &format!("still {} {}, {}", doing(r.action), r.address, elapsed(r.began, now)));
            if !r.state.is_empty() {
                line.push(Tone::Plain, &format!(", {}", r.state));
            }
            page.line(line);
        }
        if let Some(w) = state.working.as_mut().filter(|w| now.saturating_sub(w.beat) >= HEARTBEAT) {
            w.beat = now;
            page.line(Line::of(Tone::Plain, &format!("still {}, {} of {}, {}", w.what, w.done, w.total, elapsed(w.began, now))));
        }
        self.print(&page);
    }

    /// Takes the live region off the screen, so that something else can be written.
    pub fn clear(&self) {
        let mut state = self.lock();
        state.working = None;
        let gone = erase(&std::mem::take(&mut state.drawn), self.screen.now().width);
        if !gone.is_empty() {
            self.screen.print(&gone);
        }
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn print(&self, page: &Page) {
        if !page.lines.is_empty() {
            self.screen.print(&page.render(&self.screen.now()));
        }
    }

    /// Writes finished lines above the live region and draws it anew, in one piece.
    fn draw(&self, state: &mut State, page: Page, now: Duration) {
        if !self.screen.terminal {
            self.print(&page);
            return;
        }
        let style = self.screen.now();
        let live = live(state, now, style.width.saturating_sub(1));
        let mut text = erase(&state.drawn, style.width);
        text.push_str(&page.render(&style));
        text.push_str(&live.render(&style));
        state.drawn = live.lines.iter().map(Line::width).collect();
        state.drawn_at = Some(now);
        if !text.is_empty() {
            self.screen.print(&text);
        }
    }

    fn take(&self, state: &mut State, event: Event, now: Duration, page: &mut Page) {
        let style = &self.screen.now();
        let terminal = self.screen.terminal;
        match event {
            Event::Notice { text } => page.flow(Line::of(Tone::Dim, &text), style, 2),
            Event::Warning { diagnostic } => raw(&(self.diagnostic)(&diagnostic, style), page),
            Event::Working { what, done, total } => {
                let same = state.working.as_ref().filter(|w| w.what == what).map(|w| (w.began, w.beat));
                let (began, beat) = same.unwrap_or((now, now));
                state.working = (done < total).then_some(Working { what, done, total, began, beat });
            }
            Event::RunStarted { deployment, plan, steps, waves, .. } => {
                *state = State { drawn: std::mem::take(&mut state.drawn), steps, ..State::default() };
                let size = format!("{} in {}", count(steps, "step", "steps"), count(waves, "wave", "waves"));
                page.flow(Line::of(Tone::Bold, &format!("{deployment} · plan {plan} · {size}")), style, 2);
            }
            Event::StepStarted { step, address, action, .. } => {
                state.working = None;
                if !terminal {
                    page.flow(Line::of(Tone::Plain, &format!("  {} {address}", doing(action))), style, 4);
                }
                state.running.insert(step, Running { address, action, state: String::new(), began: now, beat: now });
            }
            Event::StepProgress { step, address, state: words, elapsed_ms } => {
                let running = state.running.get_mut(&step);
                let changed = running.as_ref().is_none_or(|r| r.state != words);
                if let Some(r) = running {
                    r.began = r.began.min(now.saturating_sub(Duration::from_millis(elapsed_ms)));
                    r.state.clone_from(&words);
                }
                // A heartbeat speaks for the server's own progress; that an outcome is in doubt is said at once.
                if !terminal && changed && words.starts_with("unknown") {
                    page.flow(Line::of(Tone::Warn, &format!("? {address}  {words}, {}", duration(elapsed_ms))), style, 4);
                }
            }
            Event::StepEnded { step, address, action, outcome, elapsed_ms, error, .. } => {
                state.running.remove(&step);
                state.ended += 1;
                let count = if state.steps > 0 { format!("{:>3}/{} ", state.ended.min(state.steps), state.steps) } else { String::new() };
                ended(&count, &address, action, outcome, elapsed_ms, error.as_deref(), page, style);
            }
            Event::Held { wave } => {
                page.flow(
                    Line::of(Tone::Warn, &format!("held after wave {wave}: nothing new is started until you let it go on")),
                    style,
                    2,
                );
            }
            Event::Stopping { stage, in_flight } => {
                let calls = count(in_flight, "call", "calls");
                let text = match stage {
                    0 | 1 => format!("stopping: nothing new is started; {calls} in flight may finish. Ctrl-C again cancels them"),
                    _ => format!("cancelling {calls}; what became of them is unknown until it is read back"),
                };
                page.flow(Line::of(Tone::Warn, &text), style, 2);
            }
            Event::Watched { what, server, address, text, dependants } => {
                let whom = address.map_or_else(|| server.to_string(), |a| a.to_string());
                let mut line = Line::of(Tone::Warn, what).add(Tone::Plain, &format!(" {whom}: {text}"));
                if !dependants.is_empty() {
                    let names: Vec<String> = dependants.iter().map(ToString::to_string).collect();
                    line.push(Tone::Dim, &format!(" (needed by {})", names.join(", ")));
                }
                page.flow(line, style, 2);
            }
            Event::RunEnded { summary } => {
                state.running.clear();
                state.working = None;
                page.line(Line::new());
                raw(&summary::render(&summary, style), page);
            }
        }
    }
}

impl State {
    fn is_idle(&self) -> bool {
        self.running.is_empty() && self.working.is_none() && self.drawn.is_empty()
    }
}

impl Sink for HumanSink {
    fn emit(&self, event: Event) {
        let mut state = self.lock();
        let now = (self.clock)();
        let mut page = Page::default();
        self.take(&mut state, event, now, &mut page);
        let due = state.drawn_at.is_none_or(|at| now.saturating_sub(at) >= REDRAW);
        if !page.lines.is_empty() || due {
            self.draw(&mut state, page, now);
        }
    }
}

/// Moves up over lines and erases them. Lines of a window that was made narrower have been broken by the terminal.
fn erase(drawn: &[usize], columns: usize) -> String {
    let rows: usize = drawn.iter().map(|width| width.div_ceil(columns.max(1)).max(1)).sum();
    if rows == 0 { String::new() } else { format!("\r\u{1b}[{rows}A\u{1b}[J") }
}

/// Another stream of the same terminal: what is written to it takes the live region off the screen first.
pub fn above(screen: &Screen, live: Arc<HumanSink>) -> Screen {
    struct Above(Arc<HumanSink>, Screen);
    impl std::io::Write for Above {
        fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
            self.0.clear();
            self.1.print(&String::from_utf8_lossy(bytes));
            Ok(bytes.len())
        }
        fn flush(&mut self) -> std::io::Result<()> {
            Ok(())
        }
    }
    screen.through(Box::new(Above(live, screen.clone())))
}

/// Text that another face has rendered already, colour included.
fn raw(text: &str, page: &mut Page) {
    page.lines.extend(text.lines().map(Line::rendered));
}

fn elapsed(began: Duration, now: Duration) -> String {
    duration(u64::try_from(now.saturating_sub(began).as_millis()).unwrap_or(u64::MAX))
}

/// The running steps, one line each, none longer than the width.
fn live(state: &State, now: Duration, width: usize) -> Page {
    let mut page = Page::default();
    if let Some(w) = &state.working {
        let line = Line::of(Tone::Info, "… ").add(Tone::Plain, &format!("{} {} of {}", w.what, w.done, w.total));
        page.line(line.add(Tone::Dim, &format!("  {}", elapsed(w.began, now))).fit(width));
    }
    for r in state.running.values().take(LIVE_LINES) {
        let doubt = r.state.starts_with("unknown");
        let mut line = if doubt { Line::of(Tone::Warn, "? ") } else { Line::of(Tone::Info, "… ") };
        line.push(Tone::Plain, &format!("{} {}", doing(r.action), r.address));
        line.push(Tone::Dim, &format!("  {}", elapsed(r.began, now)));
        if !r.state.is_empty() {
            line.push(if doubt { Tone::Warn } else { Tone::Dim }, &format!("  {}", r.state));
        }
        page.line(line.fit(width));
    }
    if state.running.len() > LIVE_LINES {
        page.line(Line::of(Tone::Dim, &format!("  and {} more", state.running.len() - LIVE_LINES)).fit(width));
    }
    page
}

#[expect(clippy::too_many_arguments, reason = "the fields of one event and where its line goes")]
fn ended(
    count: &str,
    address: &Address,
    action: Action,
    outcome: Outcome,
    elapsed_ms: u64,
    error: Option<&str>,
    page: &mut Page,
    style: &super::Style,
) {
    let (sign, tone, word) = match outcome {
        Outcome::Done => ("✓", Tone::Good, did(action)),
        Outcome::Failed => ("✗", Tone::Bad, "failed to ".to_owned() + &action.to_string()),
        Outcome::Unknown => ("?", Tone::Warn, format!("unknown whether {}:", did(action))),
        Outcome::Skipped => ("–", Tone::Dim, format!("did not {}", action)),
    };
    let mut line = Line::of(tone, sign).add(Tone::Dim, &format!(" {count}")).add(Tone::Plain, &format!("{word} {address}"));
    if outcome != Outcome::Skipped {
        line.push(Tone::Dim, &format!("  {}", duration(elapsed_ms)));
    }
    page.flow(line, style, 4);
    if let Some(words) = error {
        let words = if outcome == Outcome::Skipped { Line::of(Tone::Dim, words) } else { summary::quote(words) };
        page.flow(Line::of(Tone::Plain, "    ").join(words), style, 4);
    }
}

fn doing(action: Action) -> &'static str {
    match action {
        Action::Create => "creating",
        Action::Update => "updating",
        Action::Replace => "replacing",
        Action::Delete => "deleting",
        Action::Read => "reading",
        Action::Adopt => "adopting",
        Action::Forget => "forgetting",
        Action::Keep => "keeping",
    }
}

fn did(action: Action) -> String {
    match action {
        Action::Create => "created",
        Action::Update => "updated",
        Action::Replace => "replaced",
        Action::Delete => "deleted",
        Action::Read => "read",
        Action::Adopt => "adopted",
        Action::Forget => "forgot",
        Action::Keep => "kept",
    }
    .to_owned()
}
