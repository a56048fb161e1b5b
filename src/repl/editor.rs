//! The line editor, on a thread of its own: it blocks, and the runtime must not. One editor serves the conversation and the approval,
//! so that history, completion and the terminal's modes have one owner.

use std::{
    borrow::Cow,
    path::PathBuf,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicBool, Ordering},
        mpsc,
    },
};

use async_trait::async_trait;
use rustyline::{
    Behavior, ColorMode, CompletionType, Config, Context, Helper,
    completion::{Completer, Pair},
    error::ReadlineError,
    highlight::{CmdKind, Highlighter},
    hint::{Hinter, HistoryHinter},
    history::DefaultHistory,
    validate::{ValidationContext, ValidationResult, Validator},
};
use tokio::sync::oneshot;

use super::{
    unfinished::Unfinished,
    words::{Hint, Mode, Words},
};
use crate::ui::terminal::ReadLine;

/// How many lines are kept.
const HISTORY: usize = 5_000;

/// How the editor is set up.
#[derive(Debug, Clone)]
pub struct Setup {
    /// Where the history lies.
    pub history: PathBuf,
    /// Whether something may be printed above the line that is being typed.
    pub above: bool,
    /// Whether to use colour; hints are only shown with it, as they could not be told from what was typed.
    pub color: bool,
}

/// What was typed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Typed {
    /// A line, or several that were pasted.
    Line(String),
    /// Ctrl-C: the line was given up.
    Interrupted,
    /// Ctrl-D, or the terminal is gone.
    End,
}

/// The editor's handle.
pub struct Editor {
    setup: Setup,
    shared: Arc<Shared>,
    thread: Mutex<Option<mpsc::Sender<Ask>>>,
    #[cfg(unix)]
    before: Option<rustix::termios::Termios>,
}

#[derive(Default)]
struct Shared {
    words: Mutex<Words>,
    mode: Mutex<Mode>,
    offered: Mutex<Vec<String>>,
    reading: AtomicBool,
    /// Something stands in the line that is being typed.
    typing: AtomicBool,
    printer: Mutex<Option<Printer>>,
}

type Printer = Box<dyn rustyline::ExternalPrinter + Send>;

struct Ask {
    prompt: (String, String),
    mode: Mode,
    reply: oneshot::Sender<Typed>,
}

fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Editor {
    /// Makes the handle; the thread begins with the first prompt.
    pub fn new(setup: Setup) -> Self {
        Self {
            setup,
            shared: Arc::default(),
            thread: Mutex::default(),
            #[cfg(unix)]
            before: rustix::termios::tcgetattr(std::io::stdin()).ok(),
        }
    }

    /// Asks for the next turn.
    pub async fn turn(&self, prompt: &str) -> Typed {
        let styled = if self.setup.color { format!("\u{1b}[1m{prompt}\u{1b}[0m") } else { prompt.to_owned() };
        self.ask((prompt.to_owned(), styled), Mode::Chat).await
    }

    /// What completion knows of the world from now on.
    pub fn learn(&self, words: Words) {
        *lock(&self.shared.words) = words;
    }

    /// Whether it waits for a key now.
    pub fn is_reading(&self) -> bool {
        self.shared.reading.load(Ordering::SeqCst)
    }

    /// Prints whole lines above the prompt, if it waits for a turn and nothing was typed yet; says whether it did.
    pub fn print_above(&self, lines: &str) -> bool {
        let waits = self.is_reading() && !self.shared.typing.load(Ordering::SeqCst) && *lock(&self.shared.mode) == Mode::Chat;
        match lock(&self.shared.printer).as_mut().filter(|_| waits) {
            Some(printer) => lines.split_inclusive('\n').all(|line| printer.print(line.to_owned()).is_ok()),
            None => false,
        }
    }

    /// Puts the terminal back as it was found, whatever a thread is doing with it. For the end of the process.
    pub fn restore(&self) {
        #[cfg(unix)]
        if let Some(before) = &self.before {
            let _ = rustix::termios::tcsetattr(std::io::stdin(), rustix::termios::OptionalActions::Now, before);
            if self.is_reading() {
                // Bracketed paste is the one mode that is not in the settings.
                let _ = std::io::Write::write_all(&mut std::io::stderr(), b"\x1b[?2004l\r\n");
            }
        }
    }

    async fn ask(&self, prompt: (String, String), mode: Mode) -> Typed {
        let (reply, typed) = oneshot::channel();
        let ask = Ask { prompt, mode, reply };
        let sent = lock(&self.thread).get_or_insert_with(|| self.start()).send(ask);
        match sent {
            Ok(()) => typed.await.unwrap_or(Typed::End),
            Err(_) => Typed::End,
        }
    }

    fn start(&self) -> mpsc::Sender<Ask> {
        let (tell, asks) = mpsc::channel();
        let (setup, shared) = (self.setup.clone(), self.shared.clone());
        let spawned = std::thread::Builder::new().name("line editor".into()).spawn(move || serve(&setup, &shared, &asks));
        if let Err(error) = spawned {
            tracing::error!(%error, "the line editor cannot be started");
        }
        tell
    }
}

#[async_trait]
impl ReadLine for Editor {
    async fn read_line(&self, prompt: &str) -> Option<String> {
        let offered = lock(&self.shared.offered).clone();
        match self.ask((prompt.to_owned(), prompt.to_owned()), Mode::Answer(offered)).await {
            Typed::Line(line) => Some(line),
            Typed::Interrupted | Typed::End => None,
        }
    }

    #[cfg(unix)]
    fn forget_typed(&self) {
        let _ = rustix::termios::tcflush(std::io::stdin(), rustix::termios::QueueSelector::IFlush);
    }

    fn offer(&self, parameters: Vec<String>) {
        *lock(&self.shared.offered) = parameters;
    }
}

/// The thread: one prompt after the other, until the handle is gone.
fn serve(setup: &Setup, shared: &Arc<Shared>, asks: &mpsc::Receiver<Ask>) {
    let Ok(mut editor) = open(setup, shared) else { return };
    if setup.above {
        *lock(&shared.printer) = editor.create_external_printer().ok().map(|p| Box::new(p) as Printer);
    }
    while let Ok(ask) = asks.recv() {
        let keeps = ask.mode == Mode::Chat;
        *lock(&shared.mode) = ask.mode;
        if let Some(helper) = editor.helper() {
            helper.unfinished.reset();
        }
        shared.typing.store(false, Ordering::SeqCst);
        shared.reading.store(true, Ordering::SeqCst);
        let typed = match editor.readline(&ask.prompt) {
            Ok(line) => Typed::Line(line),
            Err(ReadlineError::Interrupted) => Typed::Interrupted,
            Err(_) => Typed::End,
        };
        shared.reading.store(false, Ordering::SeqCst);
        if let Typed::Line(line) = &typed
            && keeps
            && is_kept(line)
            && editor.add_history_entry(line.as_str()).unwrap_or(false)
        {
            // At once, so that a killed process loses nothing.
            let _ = editor.append_history(&setup.history);
        }
        let _ = ask.reply.send(typed);
    }
}

/// Whether a line goes into the history: nothing that looks like a secret does, and nothing that begins with a space.
fn is_kept(line: &str) -> bool {
    !line.trim().is_empty() && !line.starts_with(' ') && crate::llm::scrub::find(line).is_empty()
}

type Line = rustyline::Editor<Assistant, DefaultHistory>;

fn open(setup: &Setup, shared: &Arc<Shared>) -> rustyline::Result<Line> {
    let behavior = if std::io::IsTerminal::is_terminal(&std::io::stdout()) { Behavior::Stdio } else { Behavior::PreferTerm };
    let config = Config::builder()
        .behavior(behavior)
        .max_history_size(HISTORY)?
        .history_ignore_dups(true)?
        .auto_add_history(false)
        .completion_type(CompletionType::List)
        .completion_show_all_if_ambiguous(true)
        .color_mode(if setup.color { ColorMode::Enabled } else { ColorMode::Disabled })
        .bracketed_paste(true)
        .build();
    let mut editor = Line::with_config(config)?;
    let helper = Assistant {
        shared: shared.clone(),
        unfinished: Unfinished::default(),
        history: HistoryHinter::new(),
        hints: setup.color,
        files: rustyline::completion::FilenameCompleter::new(),
    };
    editor.set_helper(Some(helper));
    // The first start has none.
    let _ = editor.load_history(&setup.history);
    Ok(editor)
}

/// What rustyline asks while a line is typed.
struct Assistant {
    shared: Arc<Shared>,
    unfinished: Unfinished,
    history: HistoryHinter,
    hints: bool,
    files: rustyline::completion::FilenameCompleter,
}

impl Helper for Assistant {}

impl Completer for Assistant {
    type Candidate = Pair;

    fn complete(&self, line: &str, pos: usize, _: &Context<'_>) -> rustyline::Result<(usize, Vec<Pair>)> {
        let head = line.get(..pos).unwrap_or(line);
        let found = lock(&self.shared.words).complete(head, &lock(&self.shared.mode));
        let (start, mut all) = (found.start, found.words);
        let mut pairs: Vec<Pair> = Vec::new();
        if all.len() == 1 && !all[0].ends_with(['=', '/']) {
            let only = all.remove(0);
            pairs.push(Pair { replacement: only.clone() + " ", display: only });
        }
        pairs.extend(all.into_iter().map(|word| Pair { display: word.clone(), replacement: word }));
        if found.files {
            let (at, files) = self.files.complete_path(head, pos)?;
            if pairs.is_empty() {
                return Ok((at, files));
            }
            if at == start {
                pairs.extend(files);
            }
        }
        Ok((start, pairs))
    }
}

impl Hinter for Assistant {
    type Hint = Hint;

    fn hint(&self, line: &str, pos: usize, ctx: &Context<'_>) -> Option<Hint> {
        self.shared.typing.store(!line.is_empty(), Ordering::SeqCst);
        if !self.hints || pos < line.len() || *lock(&self.shared.mode) != Mode::Chat {
            return None;
        }
        if let Some(hint) = Words::hint(line) {
            return Some(hint);
        }
        let rest = self.history.hint(line, pos, ctx)?;
        // A hint over several lines would push the prompt about.
        (!rest.contains('\n')).then(|| Hint { show: rest.clone(), insert: rest })
    }
}

impl Highlighter for Assistant {
    fn highlight_hint<'h>(&self, hint: &'h str) -> Cow<'h, str> {
        Cow::Owned(format!("\u{1b}[2m{hint}\u{1b}[0m"))
    }

    fn highlight_char(&self, _: &str, _: usize, _: CmdKind) -> bool {
        false
    }
}

impl Validator for Assistant {
    fn validate(&self, ctx: &mut ValidationContext<'_>) -> rustyline::Result<ValidationResult> {
        let more = *lock(&self.shared.mode) == Mode::Chat && self.unfinished.wants_more(ctx.input());
        Ok(if more { ValidationResult::Incomplete } else { ValidationResult::Valid(None) })
    }
}

/// Keys that are pressed while a turn goes on are not shown: they would stand in the middle of what is drawn. They are kept for the next
/// prompt.
pub struct Quiet {
    #[cfg(unix)]
    before: Option<rustix::termios::Termios>,
}

impl Quiet {
    /// Until this is dropped.
    #[cfg(unix)]
    pub fn begin() -> Self {
        use rustix::termios::{LocalModes, OptionalActions, tcgetattr, tcsetattr};
        let before = tcgetattr(std::io::stdin()).ok();
        if let Some(mut now) = before.clone() {
            now.local_modes.remove(LocalModes::ECHO);
            let _ = tcsetattr(std::io::stdin(), OptionalActions::Now, &now);
        }
        Self { before }
    }

    /// Until this is dropped.
    #[cfg(not(unix))]
    pub fn begin() -> Self {
        Self {}
    }
}

impl Drop for Quiet {
    fn drop(&mut self) {
        #[cfg(unix)]
        if let Some(before) = &self.before {
            let _ = rustix::termios::tcsetattr(std::io::stdin(), rustix::termios::OptionalActions::Now, before);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn secrets_are_not_kept() {
        assert!(is_kept("deploy WordPress on blog.example.org"));
        assert!(!is_kept("set the password to hunter2horse"));
        assert!(!is_kept(" show blog"));
        assert!(!is_kept("  "));
    }
}
