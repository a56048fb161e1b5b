//! Slash commands. What the command line has too is read by the same definitions and done by the same functions; only what belongs to a
//! conversation (its open plan, its parser, its memory) is the REPL's own.

use std::ffi::OsString;

use clap::{CommandFactory, Parser};

use crate::{
    cli::{Cli, Command, EvalCommand, SandboxCommand, SecretsCommand},
    diagnostic::{Diagnostic, ExitClass, Failure},
    domain::name::nearest,
};

/// What an argument names; for completion.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Takes {
    /// There is none.
    Nothing,
    /// A deployment.
    Deployment,
    /// A deployment or an address.
    Resource,
    /// A template file or a deployment.
    FileOrDeployment,
    /// A file.
    File,
    /// A pattern.
    Pattern,
    /// A server.
    Server,
    /// One of these.
    OneOf(&'static [&'static str]),
}

/// One slash command.
#[derive(Debug)]
pub struct Slash {
    /// Without the slash.
    pub name: &'static str,
    /// Its arguments, for people.
    pub args: &'static str,
    /// What its first argument names.
    pub takes: Takes,
    /// What it does, in a few words.
    pub help: &'static str,
    like: Like,
}

#[derive(Debug)]
enum Like {
    Own(fn(Vec<String>) -> Own),
    /// The words of the command line that stand in for it: alone, and with arguments.
    Line {
        bare: &'static [&'static str],
        with: &'static [&'static str],
    },
}

/// What only a conversation has.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Own {
    /// `/help`.
    Help,
    /// `/plan`: shows the open plan, or plans a file or a deployment and keeps it open.
    Plan(Option<String>),
    /// `/apply`: the open plan, or a saved one.
    Apply(Option<String>),
    /// `/model`: which parser; or another one.
    Model(Option<String>),
    /// `/why`.
    Why,
    /// `/save`.
    Save(Option<String>),
    /// `/continue`: the conversation before this one.
    Continue,
    /// `/reset`.
    Reset,
    /// `/exit`.
    Exit,
}

/// What a line that begins with a slash asks for.
#[derive(Debug)]
pub enum Asked {
    /// Something of the conversation.
    Own(Own),
    /// A command of the command line, with its flags.
    Line(Box<Cli>),
    /// The command line has an answer of its own: help for a command, or what is wrong with its arguments.
    Words(String),
}

macro_rules! first {
    ($own:expr) => {
        |args: Vec<String>| $own(args.into_iter().next())
    };
}

/// All of them, in the order of `/help`.
pub const SLASHES: &[Slash] = &[
    own("help", "", Takes::Nothing, "this list", |_| Own::Help),
    own("plan", "[FILE|DEPLOYMENT]", Takes::FileOrDeployment, "show the open plan, or plan a template or a deployment", first!(Own::Plan)),
    own("apply", "[PLAN.json]", Takes::File, "review and approve the open plan, or a saved one", first!(Own::Apply)),
    line("undo", "[DEPLOYMENT]", Takes::Deployment, "back to the state before the last run", &["undo"], &["undo"]),
    line("resume", "[DEPLOYMENT]", Takes::Deployment, "settle and finish an interrupted run", &["resume"], &["resume"]),
    line("status", "", Takes::Nothing, "what is deployed and how it does", &["show"], &["show"]),
    line("show", "[DEPLOYMENT|ADDRESS]", Takes::Resource, "a deployment, or one resource of it", &["show"], &["show"]),
    line("graph", "[DEPLOYMENT]", Takes::Deployment, "what depends on what (-o FILE.svg for a picture)", &["graph"], &["graph"]),
    line("outputs", "[DEPLOYMENT]", Takes::Deployment, "its outputs", &["outputs"], &["outputs"]),
    line("drift", "[DEPLOYMENT]", Takes::Deployment, "what is there against what is recorded", &["drift"], &["drift"]),
    line("watch", "[DEPLOYMENT]", Takes::Deployment, "tell of changes as they happen, until Ctrl-C", &["watch"], &["watch"]),
    line("history", "[DEPLOYMENT]", Takes::Deployment, "what was done, when, by whom and why", &["history"], &["history"]),
    line(
        "servers",
        "[SERVER]",
        Takes::Server,
        "the servers and how they do; the tools of one",
        &["servers", "list"],
        &["servers", "tools"],
    ),
    line(
        "patterns",
        "[NAME]",
        Takes::Pattern,
        "what can be deployed; one pattern's parameters",
        &["patterns", "list"],
        &["patterns", "show"],
    ),
    own("model", "[offline|llm]", Takes::OneOf(&["offline", "llm"]), "which parser understands you; choose another", first!(Own::Model)),
    own("why", "", Takes::Nothing, "how the last request was understood", |_| Own::Why),
    own("save", "[FILE]", Takes::File, "write the open plan, or else the conversation, to a file", first!(Own::Save)),
    own("continue", "", Takes::Nothing, "go on with the conversation before this one", |_| Own::Continue),
    own("reset", "", Takes::Nothing, "forget this conversation and its open plan", |_| Own::Reset),
    own("exit", "", Takes::Nothing, "leave (Ctrl-D does too)", |_| Own::Exit),
];

const fn own(name: &'static str, args: &'static str, takes: Takes, help: &'static str, make: fn(Vec<String>) -> Own) -> Slash {
    Slash { name, args, takes, help, like: Like::Own(make) }
}

const fn line(
    name: &'static str,
    args: &'static str,
    takes: Takes,
    help: &'static str,
    bare: &'static [&'static str],
    with: &'static [&'static str],
) -> Slash {
    Slash { name, args, takes, help, like: Like::Line { bare, with } }
}

/// The command in a line, if it is one. Commands are given as `swell show blog` in what Swell says, so they can be typed like that, too.
pub fn command(text: &str) -> Option<&str> {
    let text = text.trim();
    if let Some(rest) = text.strip_prefix("swell ") {
        let first = rest.split_whitespace().next()?;
        return Cli::command().get_subcommands().any(|c| c.get_name() == first).then_some(rest);
    }
    text.starts_with('/').then_some(text)
}

/// Reads a command, with or without its slash.
pub fn read(text: &str) -> Result<Asked, Failure> {
    let text = text.trim().trim_start_matches('/');
    let (name, rest) = text.split_once(char::is_whitespace).unwrap_or((text, ""));
    let name = match name {
        "quit" | "q" | "bye" => "exit",
        "?" | "h" | "" => "help",
        "model" | "parser" => "model",
        other => other,
    };
    // A statement is one argument, quotation marks and all.
    let args = if name == "query" { vec![rest.trim().to_owned()] } else { split(rest)? };
    if args.iter().any(|a| a == "-") {
        return Err(crate::flow::usage("`-` is standard input, and that is this conversation; name a file"));
    }
    if let Some(slash) = SLASHES.iter().find(|s| s.name == name) {
        return match &slash.like {
            Like::Own(_) if args.len() > usize::from(slash.takes != Takes::Nothing) => Err(crate::flow::usage(&format!(
                "`/{name}` takes {}",
                if slash.takes == Takes::Nothing { "no arguments".to_owned() } else { format!("only {}", slash.args) }
            ))),
            Like::Own(make) => Ok(Asked::Own(make(args))),
            Like::Line { bare, with } => {
                let words = if args.is_empty() || is_subcommand(bare, &args[0]) { &bare[..bare.len().min(1)] } else { with };
                let words = if args.is_empty() { bare } else { words };
                parse(words.iter().map(|w| (*w).to_owned()).chain(args).collect())
            }
        };
    }
    if Cli::command().get_subcommands().any(|c| c.get_name() == name) {
        return parse(std::iter::once(name.to_owned()).chain(args).collect());
    }
    Err(unknown(name))
}

/// `/servers health` is `swell servers health`, while `/servers docker` shows the tools of one.
fn is_subcommand(bare: &[&str], word: &str) -> bool {
    let line = Cli::command();
    bare.len() > 1 && line.find_subcommand(bare[0]).is_some_and(|c| c.find_subcommand(word).is_some())
}

/// Reads words as the command line does.
pub fn parse(words: Vec<String>) -> Result<Asked, Failure> {
    let all = std::iter::once(OsString::from("swell")).chain(words.into_iter().map(OsString::from));
    match Cli::try_parse_from(all) {
        Ok(cli) => match &cli.command {
            Some(command) if needs_a_shell(command) => {
                Err(crate::flow::usage("this command needs a shell of its own; leave with Ctrl-D first"))
            }
            _ => Ok(Asked::Line(Box::new(cli))),
        },
        Err(error) if error.use_stderr() => {
            Err(crate::flow::usage(error.to_string().trim_start_matches("error: ").trim_end().trim_end_matches('.')))
        }
        Err(error) => Ok(Asked::Words(error.to_string())),
    }
}

/// Commands that take the terminal or standard input for themselves.
fn needs_a_shell(command: &Command) -> bool {
    matches!(
        command,
        Command::Secrets(SecretsCommand::Set { .. })
            | Command::Sandbox(SandboxCommand::Serve { .. })
            | Command::Eval(EvalCommand::Run { .. })
            | Command::Completions { .. }
    )
}

fn unknown(name: &str) -> Failure {
    let shown = crate::domain::text::clean(name, 40);
    let mut d = Diagnostic::error("repl::unknown-command", "There is no such command")
        .detail(format!("`/{shown}` is none of the commands of this conversation."))
        .state("Nothing was done.")
        .exit(ExitClass::Usage);
    if let Some(near) = nearest(name, SLASHES.iter().map(|s| s.name)) {
        d = d.hint(format!("Did you mean `/{near}`?"));
    }
    d.next("See all of them:", "/help").into()
}

/// Splits at spaces outside of quotation marks.
fn split(text: &str) -> Result<Vec<String>, Failure> {
    let mut words = Vec::new();
    let (mut word, mut quote, mut open) = (String::new(), None, false);
    for c in text.chars() {
        match (quote, c) {
            (Some(q), c) if c == q => quote = None,
            (None, '"' | '\'') => (quote, open) = (Some(c), true),
            (None, c) if c.is_whitespace() => {
                if open || !word.is_empty() {
                    words.push(std::mem::take(&mut word));
                }
                open = false;
            }
            (_, c) => word.push(c),
        }
    }
    if quote.is_some() {
        return Err(crate::flow::usage("a quotation mark is not closed"));
    }
    if open || !word.is_empty() {
        words.push(word);
    }
    Ok(words)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn own(text: &str) -> Own {
        match read(text) {
            Ok(Asked::Own(own)) => own,
            other => panic!("{text}: {other:?}"),
        }
    }

    fn command(text: &str) -> String {
        match read(text) {
            Ok(Asked::Line(cli)) => format!("{:?}", cli.command.unwrap()),
            other => panic!("{text}: {other:?}"),
        }
    }

    #[test]
    fn the_conversation_s_own() {
        assert_eq!(own("/help"), Own::Help);
        assert_eq!(own("/?"), Own::Help);
        assert_eq!(own("/plan \"my file.yaml\""), Own::Plan(Some("my file.yaml".into())));
        assert_eq!(own("/quit"), Own::Exit);
        assert!(read("/save a b").is_err());
        assert!(read("/exit now").is_err());
    }

    #[test]
    fn the_rest_is_read_as_on_the_command_line() {
        assert!(command("/status").contains("Show"));
        assert!(command("/graph blog -o x.svg").contains("x.svg"));
        assert!(command("/servers").contains("List"));
        assert!(command("/servers docker").contains("Tools { server: \"docker\" }"));
        assert!(command("/servers health").contains("Health"));
        assert!(command("/patterns wordpress-ha").contains("Show { pattern: \"wordpress-ha\" }"));
        assert!(command("/query SELECT a, \"b\" FROM c").contains("SELECT a, \\\"b\\\" FROM c"));
        assert!(command("/sandbox poke docker:container:run:a kill").contains("Poke"));
    }

    #[test]
    fn what_cannot_be_is_said() {
        let hint = |text: &str| format!("{:?}", read(text).unwrap_err());
        assert!(hint("/histroy").contains("`/history`"));
        assert!(hint("/graph --wrong").contains("--wrong"));
        assert!(hint("/plan -f -").contains("usage") || hint("/plan -").contains("standard input"));
        assert!(hint("/secrets set x").contains("shell of its own"));
        assert!(matches!(read("/graph --help"), Ok(Asked::Words(_))));
    }

    #[test]
    fn a_command_line_can_be_typed_as_it_is_shown() {
        assert_eq!(super::command(" swell destroy blog "), Some("destroy blog"));
        assert_eq!(super::command("/destroy blog"), Some("/destroy blog"));
        assert_eq!(super::command("swell the web tier to 4"), None);
        assert_eq!(super::command("destroy blog"), None);
    }

    #[test]
    fn names_are_given_once() {
        let mut names: Vec<_> = SLASHES.iter().map(|s| s.name).collect();
        names.sort_unstable();
        names.dedup();
        assert_eq!(names.len(), SLASHES.len());
    }
}
