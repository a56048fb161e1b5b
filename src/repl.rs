//! The conversation at the terminal: each line is a turn, which is one call into `chat`, or a slash command.
//!
//! Without a terminal the lines come from standard input (`repl/pipe`), and nothing is ever approved there.

use crate::{
    app::App,
    chat::{Conversation, Reply},
    commands::{self, Out},
    diagnostic::{ExitClass, Failure},
    store::Gone,
    ui::{
        self, Screen,
        human::HumanSink,
        lines::{Line, Page, Tone},
    },
};

pub mod editor;

mod greeting;

mod notices;

mod pipe;

mod session;

pub mod signals;

mod slash;

mod turn;

mod unfinished;

mod why;

mod words;

use editor::{Editor, Quiet, Typed};
use notices::Notices;
use session::Earlier;
use signals::{Attended, Attention, Signal, attend};
use turn::{Did, take};
use words::Words;

/// How many addresses completion knows at most.
const ADDRESSES: usize = 5_000;
/// How long a prompt waits for what completion knows.
const SOON: std::time::Duration = std::time::Duration::from_millis(50);
/// What the conversation is shown on, and what it is typed into.
#[derive(Clone, Copy)]
pub struct Face<'a> {
    /// Answers.
    pub out: &'a Out,
    /// Everything else.
    pub err: &'a Screen,
    /// The line editor; none without a terminal.
    pub editor: Option<&'a Editor>,
    /// What draws on the terminal.
    pub live: Option<&'a HumanSink>,
}

/// Whether to go on with the last conversation.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Memory {
    /// A new one.
    New,
    /// The last one.
    GoOn,
}

/// Runs until the person leaves, and says with what to exit.
pub async fn run(app: &App, face: Face<'_>, attention: Attention, memory: Memory) -> Result<u8, Failure> {
    let mut repl = Repl::new(app, face, attention);
    let earlier = session::last(app).await?;
    match face.editor {
        Some(editor) => {
            repl.greet(earlier.as_ref().filter(|_| memory == Memory::New)).await?;
            repl.earlier = earlier;
            if memory == Memory::GoOn {
                let text = repl.go_on();
                repl.say(Tone::Dim, &text);
            }
            repl.talk_at(editor).await
        }
        None => {
            repl.earlier = earlier;
            if memory == Memory::GoOn {
                repl.go_on();
            }
            pipe::run(&mut repl).await
        }
    }
}

/// What goes on after a line.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum After {
    /// The next line; this one would exit so.
    Next(u8),
    /// No more lines.
    Leave(u8),
}

struct Repl<'a> {
    app: &'a App,
    face: Face<'a>,
    attention: Attention,
    id: String,
    talk: Conversation,
    earlier: Option<Earlier>,
    warm: bool,
    notices: Notices,
    /// What is to be told as soon as nothing is being typed.
    news: String,
}

impl<'a> Repl<'a> {
    fn new(app: &'a App, face: Face<'a>, attention: Attention) -> Self {
        Self {
            app,
            face,
            attention,
            id: app.new_id(),
            talk: Conversation::default(),
            earlier: None,
            warm: false,
            notices: Notices::default(),
            news: String::new(),
        }
    }

    fn say(&self, tone: Tone, text: &str) {
        let style = self.face.err.style();
        let mut page = Page::default();
        text.lines().for_each(|line| page.flow(Line::of(tone, line), &style, 2));
        self.face.err.print(&page.render(&style));
    }

    async fn greet(&self, earlier: Option<&Earlier>) -> Result<(), Failure> {
        for (tone, text) in greeting::greeting(self.app, earlier).await? {
            let tone = match tone {
                greeting::Tone::Title => Tone::Bold,
                greeting::Tone::Plain => Tone::Plain,
                greeting::Tone::Warn => Tone::Warn,
                greeting::Tone::Dim => Tone::Dim,
            };
            self.say(tone, &text);
        }
        Ok(())
    }

    /// Takes up the conversation before this one.
    fn go_on(&mut self) -> String {
        let Some(earlier) = self.earlier.take() else { return "There is no earlier conversation; this is a new one.".into() };
        self.id = earlier.id;
        self.talk = earlier.talk;
        let open = if self.talk.pending.is_some() { " A request is open: /apply plans it again." } else { "" };
        format!("Going on ({}).{open}", earlier.what)
    }

    /// The loop at a terminal.
    async fn talk_at(&mut self, editor: &Editor) -> Result<u8, Failure> {
        let mut interrupts = 0;
        loop {
            let typed = match self.read(editor).await {
                Some(typed) => typed,
                None => return Ok(ExitClass::Interrupted.code()),
            };
            let text = match typed {
                Typed::Line(text) => text,
                Typed::End => break,
                Typed::Interrupted => {
                    interrupts += 1;
                    if interrupts > 1 {
                        self.say(Tone::Dim, "Ctrl-D or /exit leaves. While a plan is carried out, Ctrl-C stops it.");
                    }
                    continue;
                }
            };
            interrupts = 0;
            if text.trim().is_empty() {
                continue;
            }
            let quiet = Quiet::begin();
            let after = self.line(&text).await;
            drop(quiet);
            match after {
                After::Next(_) => {}
                After::Leave(code) if code != 0 => return Ok(code),
                After::Leave(_) => break,
            }
        }
        if let Some(review) = &self.talk.review {
            let text = format!("Plan {} was not applied; `swell --resume-session` goes on with it.", review.plan.short());
            self.say(Tone::Dim, &text);
        }
        Ok(0)
    }

    /// Waits for a line; `None` if the process shall end. What completion needs is fetched while the person types.
    async fn read(&mut self, editor: &Editor) -> Option<Typed> {
        let prompt = match &self.talk.review {
            Some(review) => format!("swell [{}]> ", review.plan.short()),
            None => "swell> ".to_owned(),
        };
        if !self.news.is_empty() {
            self.face.err.print(&std::mem::take(&mut self.news));
        }
        self.notices.begin();
        let (app, talk, warm) = (self.app, &self.talk, std::mem::replace(&mut self.warm, true));
        let (tell, mut heard) = tokio::sync::mpsc::unbounded_channel();
        let watching = async {
            if let Some(pause) = app.config().notices {
                notices::watch(app, pause, tell).await;
            }
            std::future::pending::<()>().await;
        };
        // What the state knows is there with the prompt, unless the state is large; the rest comes while the person types.
        let mut words = tokio::time::timeout(SOON, recorded(app, talk)).await.unwrap_or_default();
        editor.learn(words.clone());
        let reading = async {
            let learning = async {
                if words.deployments.is_empty() {
                    words = recorded(app, talk).await;
                }
                words.patterns = app.catalog().iter().map(|e| e.pattern.name.to_string()).collect();
                editor.learn(words);
                if !warm {
                    // The first request shall not wait for what can be made ready while it is typed.
                    app.offline();
                    app.types_quietly().await;
                }
            };
            let typing = editor.turn(&prompt);
            tokio::pin!(typing, learning);
            // A server that does not answer must not keep a line that was typed.
            tokio::select! {
                typed = &mut typing => typed,
                () = &mut learning => typing.await,
            }
        };
        tokio::pin!(reading, watching);
        loop {
            tokio::select! {
                biased;
                typed = &mut reading => return Some(typed),
                Some(event) = heard.recv() => {
                    for sight in self.notices.take(event) {
                        self.news.push_str(&notice(app, &sight, self.face.err));
                    }
                    if !self.news.is_empty() && editor.print_above(&self.news) {
                        self.news.clear();
                    }
                }
                () = &mut watching => {}
                signal = self.attention.signals.next() => if signal == Signal::Terminate { return None },
            }
        }
    }

    /// Takes one line, whatever it is, prints what came of it, and saves the conversation.
    async fn line(&mut self, text: &str) -> After {
        self.attention.stop.send_replace(0);
        let (app, editor) = (self.app, self.face.editor);
        let out = Out { screen: self.face.out.screen.clone(), json: self.face.out.json, layout: self.face.out.layout };
        // The turn works on a copy: one that is cancelled leaves nothing behind.
        let mut talk = self.talk.clone();
        let asking = || editor.is_some_and(Editor::is_reading);
        let mut terminated = false;
        let done = attend(&mut self.attention, || app.is_running(), asking, &mut terminated, take(app, &out, &mut talk, text)).await;
        if let Some(live) = self.face.live {
            live.clear();
        }
        let code = match done {
            Attended::Left => return After::Leave(ExitClass::Interrupted.code()),
            Attended::Cancelled => {
                self.say(Tone::Warn, "Cancelled; nothing was changed.");
                ExitClass::Interrupted.code()
            }
            Attended::Done(result) => {
                self.talk = talk;
                match result {
                    Ok(Did::Leave) => return After::Leave(0),
                    Ok(did) => self.show(&out, did),
                    Err(failure) => {
                        self.fail(&out, &failure);
                        failure.exit_code()
                    }
                }
            }
        };
        if let Err(failure) = session::save(app, &self.id, &self.talk).await {
            self.fail(&out, &failure);
        }
        if terminated { After::Leave(ExitClass::Interrupted.code()) } else { After::Next(code) }
    }

    fn fail(&self, out: &Out, failure: &Failure) {
        if out.json {
            out.screen.print(&ui::json::line(&ui::json::failure(failure)));
        } else {
            self.face.err.print(&ui::diagnostic::render_all(&failure.0, &self.face.err.style()));
        }
    }

    fn show(&mut self, out: &Out, did: Did) -> u8 {
        let text = match did {
            Did::Printed(code) => return code,
            Did::Replied(replies) => {
                let here = self.face.editor.is_some();
                let replies: Vec<Reply> = replies.into_iter().map(|r| if here { at_terminal(r) } else { r }).collect();
                return commands::said(out, &replies).unwrap_or_else(|failure| failure.exit_code());
            }
            Did::Said(text) => text,
            Did::WentOn => self.go_on(),
            Did::Reset => {
                (self.id, self.talk) = (self.app.new_id(), Conversation::default());
                "Forgotten; what is deployed is as it was.".into()
            }
            Did::Leave => return 0,
        };
        commands::print_reply(out, &Reply::Say { text });
        0
    }
}

/// One line about what was seen.
fn notice(app: &App, sight: &crate::event::Sight, screen: &Screen) -> String {
    // Not broken: the terminal does that, and the editor counts what it prints by lines.
    let style = ui::Style { width: usize::MAX / 2, ..screen.style() };
    let mut page = Page::default();
    page.line(ui::watch::sight(&app.now(), sight));
    page.render(&style)
}

/// At a terminal the way to apply an open plan is a word.
fn at_terminal(reply: Reply) -> Reply {
    match reply {
        Reply::Planned { plan, .. } => {
            Reply::Say { text: format!("Plan {plan} is open; nothing was changed. /apply asks for your yes, or say what to change.") }
        }
        other => other,
    }
}

/// What can be completed now, as far as the state and the settings say.
async fn recorded(app: &App, talk: &Conversation) -> Words {
    let mut words = Words { servers: app.servers().names().map(ToString::to_string).collect(), ..Words::default() };
    for one in app.store().deployments(Gone::Hidden).await.unwrap_or_default() {
        if let (Ok(Some(snapshot)), true) = (app.store().latest(&one.name).await, words.addresses.len() < ADDRESSES) {
            words.addresses.extend(snapshot.resources.keys().map(ToString::to_string).take(ADDRESSES));
            if talk.about.as_deref().is_none_or(|about| about == one.name.as_str()) {
                words.parameters.extend(snapshot.recipe.parameters.as_object().into_iter().flat_map(|p| p.keys().cloned()));
            }
        }
        words.deployments.push(one.name.to_string());
    }
    let open = talk.wanted.iter().flat_map(|w| w.parameters.iter().map(|p| p.name.clone()));
    words.parameters = open.chain(std::mem::take(&mut words.parameters)).collect();
    words
}
