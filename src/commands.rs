//! Each command of the command line, as one short function over `flow`. They print data to standard output and nothing else.

mod bindings;
mod change;
mod eval;
mod look;
mod patterns;
mod sandbox;
mod servers;
mod watch;

pub use bindings::bindings;
pub use change::{apply, destroy, import, plan, resume, rollback, undo, wanted};
pub use eval::eval;
pub use look::{drift, graph, history, outputs, query, schema, show, types};
pub use patterns::{patterns, runbook};
pub use sandbox::sandbox;
pub use servers::servers;
pub use watch::{wait, watch};

use serde::Serialize;
use serde_json::Value;

use change::finished;

use crate::{
    app::App,
    chat::{self, Conversation, Manner},
    cli::{Command, SecretsCommand},
    diagnostic::{ExitClass, Failure},
    event::Event,
    ui::{self, Screen},
};

/// What a command needs besides the app: where data goes, and in which form.
pub struct Out {
    /// Standard output.
    pub screen: Screen,
    /// `--json`.
    pub json: bool,
    /// How JSON is laid out.
    pub layout: Layout,
}

/// How JSON is laid out.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Layout {
    /// One document, for people to read too.
    Pretty,
    /// One line for each value, beside the events of a conversation.
    Lines,
}

impl Out {
    /// Data: as JSON, or as the text that the closure makes.
    pub fn data(&self, value: &impl Serialize, text: impl FnOnce() -> String) {
        if self.json {
            let value = serde_json::to_value(value).unwrap_or(Value::Null);
            self.screen.print(&match self.layout {
                Layout::Pretty => serde_json::to_string_pretty(&value).unwrap_or_default() + "\n",
                Layout::Lines => ui::json::line(&ui::json::result("data", &value)),
            });
        } else {
            self.screen.print(&text());
        }
    }

    /// A table.
    pub fn table(&self, head: &[&str], rows: Vec<Vec<String>>) -> String {
        ui::list::table(head, rows, &self.screen.style())
    }
}

/// Exit codes that are no failure.
const DONE: u8 = 0;
const CHANGES: u8 = 4;

type Exit = Result<u8, Failure>;

/// `swell secrets …`.
pub fn secrets(app: &App, out: &Out, command: &SecretsCommand) -> Exit {
    match command {
        SecretsCommand::Set { name } => {
            let value = app.stdin_text()?;
            app.secrets().set(name, value.trim_end_matches(['\r', '\n']))?;
            app.sink().emit(Event::Notice { text: format!("stored `{name}`; refer to it as ${{secret:{name}}}") });
        }
        SecretsCommand::List => {
            let names = app.secrets().names()?;
            out.data(&names, || names.iter().map(|n| format!("{n}\n")).collect());
        }
    }
    Ok(DONE)
}

/// `swell doctor`.
pub async fn doctor(app: &App, out: &Out) -> Exit {
    let settings = &app.config().settings;
    out.data(settings, || {
        out.table(&["setting", "value", "from"], settings.iter().map(|s| vec![s.key.clone(), s.value.clone(), s.from.clone()]).collect())
    });
    Ok(DONE)
}

/// A command of the command line, from there or from the conversation.
pub async fn run(app: &App, out: &Out, command: &Command) -> Exit {
    match command {
        Command::Plan(args) => plan(app, out, args).await,
        Command::Apply(args) => apply(app, args).await,
        Command::Destroy(args) => destroy(app, args).await,
        Command::Resume(args) => resume(app, args).await,
        Command::Rollback(args) => rollback(app, args).await,
        Command::Undo(args) => undo(app, args).await,
        Command::Drift(args) => drift(app, out, args).await,
        Command::Import(args) => import(app, args).await,
        Command::History(args) => history(app, out, args).await,
        Command::Show(args) => show(app, out, args).await,
        Command::Graph(args) => graph(app, out, args).await,
        Command::Outputs(args) => outputs(app, out, args).await,
        Command::Wait(args) => wait(app, out, args).await,
        Command::Watch(args) => watch(app, out, args).await,
        Command::Query { sql } => query(app, out, sql).await,
        Command::Servers(c) => servers(app, out, c).await,
        Command::Types { server } => types(app, out, server.as_deref()).await,
        Command::Schema { kind } => schema(app, out, kind).await,
        Command::Patterns(c) => patterns(app, out, c).await,
        Command::Bindings(c) => bindings(app, out, c).await,
        Command::Runbook(c) => runbook(app, out, c).await,
        Command::Secrets(c) => secrets(app, out, c),
        Command::Eval(c) => eval(app, out, c).await,
        Command::Doctor => doctor(app, out).await,
        Command::Sandbox(c) => sandbox(c, &app.world_folder(), app.config().sandbox_latency, out).await,
        Command::Completions { .. } => Ok(DONE),
    }
}

/// `swell -p "…"`.
pub async fn prompt(app: &App, out: &Out, talk: &mut Conversation, text: &str) -> Exit {
    let manner = if app.human().present() || app.flags().yes { Manner::Interactive } else { Manner::PlanOnly };
    said(out, &chat::turn(app, talk, text, manner).await?)
}

/// Prints what came of a turn, and says with what to exit if it was the last one.
pub fn said(out: &Out, replies: &[chat::Reply]) -> Exit {
    let mut exit = DONE;
    for reply in replies {
        print_reply(out, reply);
        exit = match reply {
            chat::Reply::Applied { summary } => finished(summary)?,
            chat::Reply::Ask { .. } => ExitClass::Refused.code(),
            _ => DONE,
        };
    }
    Ok(exit)
}

/// Prints one reply of a turn.
pub fn print_reply(out: &Out, reply: &chat::Reply) {
    if out.json {
        out.screen.print(&ui::json::line(&serde_json::to_value(reply).unwrap_or(Value::Null)));
        return;
    }
    match reply {
        chat::Reply::Say { text } => out.screen.print(&ui::list::words(text, &out.screen.style())),
        chat::Reply::Ask { question } => out.screen.print(&ui::list::question(question, &out.screen.style())),
        chat::Reply::Answer { answer } => out.screen.print(&ui::list::answer(answer, &out.screen.style())),
        chat::Reply::Planned { plan, deployment, .. } => {
            let text = format!(
                "Plan {plan} for {deployment} is ready; nothing was changed. Apply it on a terminal, or plan to a file with `swell plan … --out` and apply that.\n"
            );
            out.screen.print(&text);
        }
        // The run's own events have said it.
        chat::Reply::Applied { .. } => {}
    }
}
