//! The command line: definitions only, and one short function that maps each command onto a call of `flow`.

use std::path::PathBuf;

use clap::{Args, Parser, Subcommand, ValueEnum};

mod args;

mod groups;

pub use args::{
    ApplyArgs, DestroyArgs, DriftArgs, GraphArgs, GraphFormat, HistoryArgs, ImportArgs, OneDeployment, PlanArgs, RollbackArgs, RunArgs,
    ShowArgs, WaitArgs, WaitFor, WantedArgs, WatchArgs,
};
pub use groups::{
    Again, BindingsCommand, DraftArgs, EvalCommand, Form, PatternsCommand, ProveArgs, RunbookCommand, SandboxCommand, SecretsCommand,
    ServersCommand,
};

/// Say what you want; Swell plans it over all your MCP servers, shows the plan, and rolls it out in waves.
#[derive(Debug, Parser)]
#[command(name = "swell", version, about, max_term_width = 110, subcommand_required = false, disable_help_subcommand = true)]
pub struct Cli {
    /// What every command takes.
    #[command(flatten)]
    pub global: Global,
    /// One request in words, then exit. Without a terminal it plans and never applies unless told so.
    #[arg(short = 'p', long = "prompt", value_name = "REQUEST")]
    pub prompt: Option<String>,
    /// Go on with the last conversation.
    #[arg(long)]
    pub resume_session: bool,
    /// What to do; nothing starts the conversation.
    #[command(subcommand)]
    pub command: Option<Command>,
}

/// What every command takes.
#[derive(Debug, Clone, Args)]
pub struct Global {
    /// Write JSON: one document, or one object per line where things go on.
    #[arg(long, global = true)]
    pub json: bool,
    /// Refuse everything that changes a server.
    #[arg(long, global = true)]
    pub read_only: bool,
    /// Use the state, servers and secrets of this profile.
    #[arg(long, global = true, value_name = "NAME")]
    pub profile: Option<String>,
    /// Work as if started in this folder.
    #[arg(short = 'C', long = "directory", global = true, value_name = "DIR")]
    pub directory: Option<PathBuf>,
    /// Approve without asking: only a saved plan, or together with `--max-destroy`.
    #[arg(long, global = true)]
    pub yes: bool,
    /// With `--yes`: at most so many resources may be deleted or replaced.
    #[arg(long, global = true, value_name = "N")]
    pub max_destroy: Option<usize>,
    /// Which parser understands requests.
    #[arg(long, global = true, value_name = "PARSER", value_enum)]
    pub parser: Option<ParserChoice>,
    /// Colour: auto, always, never.
    #[arg(long, global = true, value_name = "WHEN", value_enum, default_value_t = Colour::Auto, hide_default_value = true)]
    pub color: Colour,
}

/// Which parser understands requests.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum ParserChoice {
    /// The built-in one.
    Offline,
    /// The configured model.
    Llm,
}

/// When to use colour.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Colour {
    /// On a terminal, unless NO_COLOR is set.
    Auto,
    /// Always.
    Always,
    /// Never.
    Never,
}

/// The commands.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Show what would be done.
    Plan(PlanArgs),
    /// Plan, review, and after approval do it. Takes a saved plan too.
    Apply(ApplyArgs),
    /// Take a deployment away.
    Destroy(DestroyArgs),
    /// Settle and finish an interrupted run.
    Resume(OneDeployment),
    /// Go back to an older snapshot.
    Rollback(RollbackArgs),
    /// Go back to the state before the last run.
    Undo(OneDeployment),
    /// Compare what is recorded with what is there.
    Drift(DriftArgs),
    /// Make existing resources part of a deployment.
    Import(ImportArgs),
    /// What was done, when, by whom and why.
    History(HistoryArgs),
    /// A deployment, or one resource of it.
    Show(ShowArgs),
    /// A picture of a deployment or of a template.
    Graph(GraphArgs),
    /// The outputs of a deployment.
    Outputs(OneDeployment),
    /// Wait until a resource or a whole deployment is ready, healthy or gone.
    Wait(WaitArgs),
    /// Tell of drift, health and output changes as they happen. Changes nothing.
    Watch(WatchArgs),
    /// Read-only SQL over the state.
    Query {
        /// The statement; the tables are resources, outputs, runs and entries.
        sql: String,
    },
    /// The MCP servers.
    #[command(subcommand)]
    Servers(ServersCommand),
    /// The types of all servers, or of one.
    Types {
        /// Only this server.
        server: Option<String>,
    },
    /// The properties and outputs of a type.
    Schema {
        /// `server:type`.
        kind: String,
    },
    /// The pattern library.
    #[command(subcommand)]
    Patterns(PatternsCommand),
    /// How third-party servers' tools are used.
    #[command(subcommand)]
    Bindings(BindingsCommand),
    /// Runbooks.
    #[command(subcommand)]
    Runbook(RunbookCommand),
    /// Measure the parsers.
    #[command(subcommand)]
    Eval(EvalCommand),
    /// The simulated servers.
    #[command(subcommand)]
    Sandbox(SandboxCommand),
    /// Secrets that templates refer to.
    #[command(subcommand)]
    Secrets(SecretsCommand),
    /// Every setting, and where it comes from.
    Doctor,
    /// Completions for a shell.
    Completions {
        /// Which shell.
        shell: clap_complete::Shell,
    },
}

impl Command {
    /// Whether what it does goes on for a while, so that with `--json` it is a stream of events and not one document.
    pub fn goes_on(&self) -> bool {
        matches!(
            self,
            Command::Apply(_)
                | Command::Destroy(_)
                | Command::Resume(_)
                | Command::Rollback(_)
                | Command::Undo(_)
                | Command::Import(_)
                | Command::Watch(_)
                | Command::Runbook(RunbookCommand::Run { .. })
        )
    }
}
