//! The conversation at the terminal: each line is a turn, which is one call into `chat`, or a slash command.
//!
//! Without a terminal the lines come from standard input (`repl/pipe`), and nothing is ever approved there.

use std::path::Path;

use indexmap::IndexMap;

use crate::{
    app::{App, ParserKind},
    chat::{self, Conversation, Manner, Reply},
    cli::WantedArgs,
    commands::{self, Out},
    diagnostic::{Diagnostic, ExitClass, Failure},
    flow,
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

mod unfinished;

mod why;

mod words;

use editor::{Editor, Quiet, Typed};
use notices::Notices;
use session::Earlier;
use signals::{Attended, Attention, Signal, attend};
use slash::{Asked, Own, SLASHES};
use words::Words;

/// How many addresses completion knows at most.
const ADDRESSES: usize = 5_000;
/// How long a prompt waits for what completion knows.
const SOON: std::time::Duration = std::time::Duration::from_millis(50);
/// Where the words stand in `/help`.
const HELP: usize = 31;
/// The longest turn that is taken, in bytes.
const LONGEST: usize = 1 << 20;

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

/// What a line came to.
enum Did {
    /// Replies of a turn.
    Replied(Vec<Reply>),
    /// A command printed its data, and would exit with this.
    Printed(u8),
    /// Words of the REPL itself.
    Said(String),
    /// The conversation was replaced by the one before.
    WentOn,
    /// Forget the conversation.
    Reset,
    /// Leave.
    Leave,
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

fn manner(app: &App) -> Manner {
    if app.human().present() || app.flags().yes { Manner::Interactive } else { Manner::PlanOnly }
}

/// One line: a command, a template that was pasted, or words.
async fn take(app: &App, out: &Out, talk: &mut Conversation, text: &str) -> Result<Did, Failure> {
    if text.len() > LONGEST {
        return Err(flow::usage("this is longer than a megabyte; put it into a file and say `/plan FILE`"));
    }
    if let Some(command) = slash::command(text) {
        return match slash::read(command)? {
            Asked::Own(own) => do_own(app, out, talk, own).await,
            Asked::Line(cli) => line(app, out, &cli).await,
            Asked::Words(words) => Ok(Did::Said(words)),
        };
    }
    if unfinished::is_template(text) {
        let template = crate::template::parse::parse("pasted", text, &IndexMap::new())?;
        let wanted = flow::of_template(template, crate::store::RunKind::Apply, "a template that was pasted".into());
        return Ok(Did::Replied(chat::take(app, talk, wanted, manner(app)).await?));
    }
    let text = chosen(talk, text);
    Ok(Did::Replied(chat::turn(app, talk, &text, manner(app)).await?))
}

/// The number of an answer that was offered stands for it.
fn chosen(talk: &Conversation, text: &str) -> String {
    let choices = talk.pending.as_ref().and_then(|f| f.question.as_ref()).map(|q| q.choices.as_slice()).unwrap_or_default();
    let numbers = choices.iter().any(|c| c.trim().parse::<f64>().is_ok());
    let picked = text.trim().parse::<usize>().ok().filter(|_| !numbers).and_then(|n| choices.get(n.checked_sub(1)?));
    picked.cloned().unwrap_or_else(|| text.to_owned())
}

/// A command of the command line.
async fn line(app: &App, out: &Out, cli: &crate::cli::Cli) -> Result<Did, Failure> {
    let Some(command) = &cli.command else { return Ok(Did::Said(String::new())) };
    let out = Out { screen: out.screen.clone(), json: out.json || cli.global.json, layout: out.layout };
    Ok(Did::Printed(commands::run(app, &out, command).await?))
}

async fn do_own(app: &App, out: &Out, talk: &mut Conversation, own: Own) -> Result<Did, Failure> {
    Ok(match own {
        Own::Help => Did::Said(help(&out.screen)),
        Own::Exit => Did::Leave,
        Own::Reset => Did::Reset,
        Own::Continue => Did::WentOn,
        Own::Plan(None) if talk.wanted.is_none() && talk.pending.is_none() => {
            Did::Said("No plan is open. Say what you want, or `/plan FILE` or `/plan DEPLOYMENT`.".into())
        }
        Own::Plan(None) => Did::Replied(chat::reopen(app, talk, Manner::PlanOnly).await?),
        Own::Plan(Some(what)) => {
            let is_file = Path::new(&what).is_file() || [".yaml", ".yml", ".json"].iter().any(|end| what.ends_with(end));
            let args = WantedArgs { file: is_file.then(|| what.clone().into()), ..WantedArgs::default() };
            let wanted = commands::wanted(app, (!is_file).then_some(what.as_str()), &args).await?;
            Did::Replied(chat::take(app, talk, wanted, Manner::PlanOnly).await?)
        }
        Own::Apply(None) if manner(app) == Manner::PlanOnly && talk.review.is_some() => {
            Did::Replied(talk.review.iter().map(|review| chat::not_here(review)).collect())
        }
        Own::Apply(None) => Did::Replied(chat::reopen(app, talk, manner(app)).await?),
        Own::Apply(Some(file)) => match slash::parse(vec!["apply".into(), file])? {
            Asked::Line(cli) => line(app, out, &cli).await?,
            _ => Did::Said(String::new()),
        },
        Own::Model(None) => Did::Said(model(app)),
        Own::Model(Some(which)) => {
            choose(app, &which)?;
            Did::Said(model(app))
        }
        Own::Why => Did::Said(match &talk.last {
            None => "Nothing was asked yet.".into(),
            Some(frame) => rows(&why::lines(frame), &out.screen),
        }),
        Own::Save(file) => Did::Said(save(app, talk, file)?),
    })
}

fn model(app: &App) -> String {
    match (&app.config().model, app.chosen()) {
        (None, _) => "The offline parser understands you. No model is configured; with one, set SWELL_MODEL_URL and SWELL_MODEL.".into(),
        (Some(m), Some(ParserKind::Offline)) => {
            format!("The offline parser understands you, as you chose; `/model llm` goes back to {}.", m.model)
        }
        (Some(m), _) => format!("{} at {} understands you; the offline parser is its fallback.", m.model, m.base_url),
    }
}

fn choose(app: &App, which: &str) -> Result<(), Failure> {
    match which {
        "offline" => app.choose(ParserKind::Offline),
        "llm" if app.model().is_some() => app.choose(ParserKind::Model),
        "llm" => {
            return Err(Diagnostic::error("model::none", "No model is configured")
                .detail("The offline parser goes on.")
                .next(
                    "Say which, for any OpenAI-compatible server, and start again:",
                    "export SWELL_MODEL_URL=http://localhost:11434/v1 SWELL_MODEL=llama3.1",
                )
                .into());
        }
        _ => return Err(flow::usage("a parser is `offline` or `llm`")),
    }
    Ok(())
}

/// The open plan, else the conversation.
fn save(app: &App, talk: &Conversation, file: Option<String>) -> Result<String, Failure> {
    if let Some(review) = &talk.review {
        let file = file.unwrap_or_else(|| format!("{}.json", review.plan.short()));
        flow::save(review, Path::new(&file))?;
        return Ok(format!("Plan {} is in {file}. Apply it with: swell apply {file}", review.plan.short()));
    }
    if talk.history.is_empty() {
        return Ok("There is nothing to save yet.".into());
    }
    let file = file.unwrap_or_else(|| format!("conversation-{}.txt", app.now().strftime("%Y%m%d-%H%M%S")));
    flow::write_file(Path::new(&file), session::transcript(talk).as_bytes())?;
    Ok(format!("The conversation is in {file}."))
}

fn rows(all: &[(String, String)], screen: &Screen) -> String {
    let style = screen.style();
    let label = all.iter().map(|(l, _)| ui::lines::width(l)).max().unwrap_or(0).min(24);
    let mut page = Page::default();
    for (name, text) in all {
        page.flow(Line::of(Tone::Dim, name).pad(label + 2).add(Tone::Plain, &ui::lines::visible(text)), &style, label + 2);
    }
    page.render(&style).trim_end().to_owned()
}

fn help(screen: &Screen) -> String {
    let style = screen.style();
    let mut page = Page::default();
    for s in SLASHES {
        let command = format!("  /{} {}", s.name, s.args);
        page.flow(Line::of(Tone::Bold, &command).pad(HELP).add(Tone::Plain, s.help), &style, HELP);
    }
    let table = page.render(&style);
    format!(
        "Say what you want, in your own words:\n\
         \x20 deploy WordPress with HA on blog.example.org      a plan, which you review\n\
         \x20 make it 3 replicas                                corrects the open plan\n\
         \x20 scale the web tier to 4 · destroy blog            the same road for changes\n\
         \x20 what is running? · why is blog unhealthy?         only looks\n\
         Or a command (all others of `swell --help` work here as well):\n{table}\
         Below a plan: y n d g, e name=value, s FILE, or say what to change.\n\
         A template can be pasted as it is. Ctrl-C gives up a line or a plan being made; in a run, once lets calls finish, twice cancels them."
    )
}
