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
    Screen, Style,
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
pub type RenderDiagnostic = fn(&Diagnostic, &Style) -> String;

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
    watching: Option<Watching>,
    steps: usize,
    ended: usize,
    /// Widths of the lines of the live region that stand on the screen.
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

/// A watch that goes on.
struct Watching {
    began: Duration,
    looked: Duration,
    text: String,
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
        if self.screen.is_terminal() {
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
        let drawn = std::mem::take(&mut state.drawn);
        self.screen.print(&erase(&drawn, self.screen.style().width));
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn print(&self, page: &Page) {
        if !page.lines.is_empty() {
            self.screen.print(&page.render(&self.screen.style()));
        }
    }

    /// Writes finished lines above the live region and draws it anew, in one piece.
    fn draw(&self, state: &mut State, page: Page, now: Duration) {
        if !self.screen.is_terminal() {
            self.print(&page);
            return;
        }
        let style = self.screen.style();
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
        let terminal = self.screen.is_terminal();
        // In a log an event is one line, however long, so that it can be searched for.
        let real = self.screen.style();
        let style = &Style { width: if terminal { real.width } else { usize::MAX / 2 }, ..real };
        match event {
            // An address stays in one piece, so that it can be copied.
            Event::Notice { text } if text.starts_with("http") && !text.contains(' ') => page.line(Line::of(Tone::Info, &text)),
            Event::Notice { text } => page.flow(Line::of(Tone::Dim, &text), style, 2),
            Event::Warning { diagnostic } => raw(&(self.diagnostic)(&diagnostic, &real), page),
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
                let finished = Finished { count, address, action, outcome, elapsed_ms, error: error.as_deref() };
                finished.lines().into_iter().for_each(|l| page.flow(l, style, 4));
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
            Event::Watched { at, sight } => page.flow(super::watch::sight(&at, &sight), style, 10),
            Event::Watching { resources, servers, looked, away, changes } => {
                let same = state.watching.as_ref().map_or(now, |w| w.began);
                let text = super::watch::beat(resources, (looked, servers), &away, changes);
                state.watching = Some(Watching { began: same, looked: now, text });
            }
            Event::WatchEnded => state.watching = None,
            Event::RunEnded { summary } => {
                state.running.clear();
                state.working = None;
                page.line(Line::new());
                raw(&summary::render(&summary, &real), page);
            }
        }
    }
}

impl State {
    fn is_idle(&self) -> bool {
        self.running.is_empty() && self.working.is_none() && self.watching.is_none() && self.drawn.is_empty()
    }
}

impl Sink for HumanSink {
    fn emit(&self, event: Event) {
        let mut state = self.lock();
        let now = (self.clock)();
        let mut page = Page::default();
        self.take(&mut state, event, now, &mut page);
        let over = state.watching.is_none() && !state.drawn.is_empty();
        let due = over || state.drawn_at.is_none_or(|at| now.saturating_sub(at) >= REDRAW);
        if !page.lines.is_empty() || due {
            self.draw(&mut state, page, now);
        }
    }
}

/// Moves up over the lines that were drawn and erases them. In a window that became narrower, a line stands on several rows by now.
fn erase(drawn: &[usize], width: usize) -> String {
    let rows: usize = drawn.iter().map(|w| w.div_ceil(width.max(1)).max(1)).sum();
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
    if let Some(w) = &state.watching {
        let line = Line::of(Tone::Info, "… ").add(Tone::Plain, &w.text);
        let times = format!("  for {}, last look {} ago", elapsed(w.began, now), elapsed(w.looked, now));
        page.line(line.add(Tone::Dim, &times).fit(width));
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

/// A step that ended.
struct Finished<'a> {
    count: String,
    address: Address,
    action: Action,
    outcome: Outcome,
    elapsed_ms: u64,
    error: Option<&'a str>,
}

impl Finished<'_> {
    /// One line, and below it the words of whoever said why it did not end well.
    fn lines(&self) -> Vec<Line> {
        let action = self.action;
        let (sign, tone, word) = match self.outcome {
            Outcome::Done => ("✓", Tone::Good, did(action).to_owned()),
            Outcome::Failed => ("✗", Tone::Bad, format!("failed to {action}")),
            Outcome::Unknown => ("?", Tone::Warn, format!("unknown whether {}:", did(action))),
            Outcome::Skipped => ("–", Tone::Dim, format!("did not {action}")),
        };
        let skipped = self.outcome == Outcome::Skipped;
        let mut line =
            Line::of(tone, sign).add(Tone::Dim, &format!(" {}", self.count)).add(Tone::Plain, &format!("{word} {}", self.address));
        if !skipped {
            line.push(Tone::Dim, &format!("  {}", duration(self.elapsed_ms)));
        }
        let words = self.error.map(|words| if skipped { Line::of(Tone::Dim, words) } else { summary::quote(words) });
        std::iter::once(line).chain(words.map(|w| Line::of(Tone::Plain, "    ").join(w))).collect()
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

fn did(action: Action) -> &'static str {
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
}
