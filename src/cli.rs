//! The command line: definitions only, and one short function that maps each command onto a call of `flow`.

use std::path::PathBuf;

use clap::{Args, Parser, Subcommand, ValueEnum};

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
    /// Wait until a resource is ready.
    Wait(WaitArgs),
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

/// What to plan.
#[derive(Debug, Clone, Args)]
pub struct PlanArgs {
    /// What is wanted.
    #[command(flatten)]
    pub wanted: WantedArgs,
    /// Write the plan to this file.
    #[arg(long, value_name = "FILE")]
    pub out: Option<PathBuf>,
    /// Exit with 4 if there is something to do.
    #[arg(long)]
    pub exit_code: bool,
    /// Show every property.
    #[arg(long)]
    pub details: bool,
}

/// What is wanted: a file, a pattern, or the last template of a deployment.
#[derive(Debug, Clone, Default, Args)]
pub struct WantedArgs {
    /// A deployment: its last template, planned again.
    #[arg(value_name = "DEPLOYMENT", conflicts_with_all = ["file", "pattern"])]
    pub deployment: Option<String>,
    /// A template (YAML or JSON; `-` is standard input).
    #[arg(short = 'f', long, value_name = "FILE", conflicts_with = "pattern")]
    pub file: Option<PathBuf>,
    /// A pattern.
    #[arg(long, value_name = "NAME")]
    pub pattern: Option<String>,
    /// A parameter of the pattern: `-p domain=blog.example.org`.
    #[arg(short = 'p', long = "param", value_name = "KEY=VALUE")]
    pub params: Vec<String>,
    /// Parameters from a file (YAML or JSON).
    #[arg(long, value_name = "FILE")]
    pub params_file: Option<PathBuf>,
    /// A variable of the template: `--var version=1.4.2`.
    #[arg(long = "var", value_name = "NAME=VALUE")]
    pub vars: Vec<String>,
    /// The deployment's name, instead of the one in the file.
    #[arg(long, value_name = "NAME")]
    pub name: Option<String>,
    /// Plan the destruction of the deployment.
    #[arg(long, conflicts_with_all = ["file", "pattern"])]
    pub destroy: bool,
    /// Make wanted resources that exist already ours.
    #[arg(long)]
    pub adopt: bool,
}

/// How to apply.
#[derive(Debug, Clone, Args)]
pub struct ApplyArgs {
    /// A saved plan (`*.json` from `swell plan --out`) or a deployment.
    #[arg(value_name = "PLAN|DEPLOYMENT", conflicts_with_all = ["file", "pattern"])]
    pub subject: Option<String>,
    /// A template.
    #[arg(short = 'f', long, value_name = "FILE", conflicts_with = "pattern")]
    pub file: Option<PathBuf>,
    /// A pattern.
    #[arg(long, value_name = "NAME")]
    pub pattern: Option<String>,
    /// A parameter of the pattern.
    #[arg(short = 'p', long = "param", value_name = "KEY=VALUE")]
    pub params: Vec<String>,
    /// Parameters from a file.
    #[arg(long, value_name = "FILE")]
    pub params_file: Option<PathBuf>,
    /// A variable of the template.
    #[arg(long = "var", value_name = "NAME=VALUE")]
    pub vars: Vec<String>,
    /// The deployment's name, instead of the one in the file.
    #[arg(long, value_name = "NAME")]
    pub name: Option<String>,
    /// Make wanted resources that exist already ours.
    #[arg(long)]
    pub adopt: bool,
    /// How to run.
    #[command(flatten)]
    pub run: RunArgs,
}

/// How to run.
#[derive(Debug, Clone, Default, Args)]
pub struct RunArgs {
    /// Hold after this wave until you let it go on; without a terminal the run ends there.
    #[arg(long, value_name = "WAVE")]
    pub hold_after: Option<usize>,
    /// Begin no wave before the one before it has ended.
    #[arg(long)]
    pub strict_waves: bool,
}

/// What to destroy.
#[derive(Debug, Clone, Args)]
pub struct DestroyArgs {
    /// Which deployment.
    pub deployment: String,
    /// Write the plan to this file instead.
    #[arg(long, value_name = "FILE")]
    pub out: Option<PathBuf>,
    /// How to run.
    #[command(flatten)]
    pub run: RunArgs,
}

/// One deployment, or the only one there is.
#[derive(Debug, Clone, Args)]
pub struct OneDeployment {
    /// Which; may be left out if there is only one.
    pub deployment: Option<String>,
}

/// Where to go back to.
#[derive(Debug, Clone, Args)]
pub struct RollbackArgs {
    /// Which deployment.
    pub deployment: String,
    /// The snapshot's number; the one before the last without it.
    #[arg(long, value_name = "N")]
    pub to: Option<u64>,
    /// How to run.
    #[command(flatten)]
    pub run: RunArgs,
}

/// What to compare.
#[derive(Debug, Clone, Args)]
pub struct DriftArgs {
    /// Which deployment; all without it.
    pub deployment: Option<String>,
    /// Exit with 4 if something drifted.
    #[arg(long)]
    pub exit_code: bool,
}

/// What to import.
#[derive(Debug, Clone, Args)]
pub struct ImportArgs {
    /// The deployment that takes it.
    pub deployment: String,
    /// `server:type:name` of an existing resource; several are possible.
    #[arg(required = true)]
    pub addresses: Vec<String>,
}

/// Which history.
#[derive(Debug, Clone, Args)]
pub struct HistoryArgs {
    /// Which deployment; all without it.
    pub deployment: Option<String>,
    /// Check the journal's chain of hashes and every snapshot against it.
    #[arg(long)]
    pub verify: bool,
}

/// What to show.
#[derive(Debug, Clone, Args)]
pub struct ShowArgs {
    /// A deployment or an address; a list of all deployments without it.
    pub subject: Option<String>,
    /// An older snapshot.
    #[arg(long, value_name = "N")]
    pub snapshot: Option<u64>,
}

/// What to draw, and how.
#[derive(Debug, Clone, Args)]
pub struct GraphArgs {
    /// A deployment.
    #[arg(conflicts_with = "file")]
    pub deployment: Option<String>,
    /// A template.
    #[arg(short = 'f', long, value_name = "FILE")]
    pub file: Option<PathBuf>,
    /// A variable of the template.
    #[arg(long = "var", value_name = "NAME=VALUE")]
    pub vars: Vec<String>,
    /// The kind of picture.
    #[arg(long, value_enum, default_value_t = GraphFormat::Text)]
    pub format: GraphFormat,
    /// Write to this file; its ending chooses the format.
    #[arg(short = 'o', long, value_name = "FILE")]
    pub out: Option<PathBuf>,
}

/// Kinds of picture.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum GraphFormat {
    /// For the terminal.
    Text,
    /// Mermaid.
    Mermaid,
    /// Graphviz.
    Dot,
    /// A self-contained SVG.
    Svg,
    /// A self-contained page.
    Html,
}

/// What to wait for.
#[derive(Debug, Clone, Args)]
pub struct WaitArgs {
    /// `server:type:name`.
    pub address: String,
    /// Longest wait.
    #[arg(long, value_name = "DURATION", default_value = "5m")]
    pub timeout: String,
}

/// Commands about servers.
#[derive(Debug, Subcommand)]
pub enum ServersCommand {
    /// All servers: where each is from, whether it is trusted, and how it does.
    List,
    /// What other clients (Claude, Cursor, VS Code, Windsurf) and the environment know.
    Discover,
    /// Look at how a server is started, and after a yes start it and pin its tools.
    Review {
        /// Which.
        server: String,
        /// A yes without a terminal: the digest that a former review showed.
        #[arg(long, value_name = "sha256:…")]
        digest: Option<String>,
    },
    /// Take a reviewed server over into your own configuration.
    Add {
        /// Which.
        server: String,
    },
    /// The tools of one server.
    Tools {
        /// Which.
        server: String,
    },
    /// Whether they are healthy.
    Health,
    /// What is wrong with a server.
    Doctor {
        /// Which; all without it.
        server: Option<String>,
    },
}

/// Commands about bindings.
#[derive(Debug, Subcommand)]
pub enum BindingsCommand {
    /// All bindings, and the servers that they are used for.
    List,
    /// One binding: its types, and what the server cannot do with them.
    Show {
        /// Which.
        binding: String,
    },
    /// Find everything that is wrong with binding files.
    Lint {
        /// The files; without one, all bindings that are loaded.
        files: Vec<std::path::PathBuf>,
    },
}

/// Commands about patterns.
#[derive(Debug, Subcommand)]
pub enum PatternsCommand {
    /// All patterns.
    List,
    /// One pattern, with its parameters.
    Show {
        /// Which.
        pattern: String,
    },
    /// Run the tests of all patterns, or of one.
    Test {
        /// Which.
        pattern: Option<String>,
    },
    /// The template that a pattern gives for parameters.
    Render {
        /// Which.
        pattern: String,
        /// A parameter.
        #[arg(short = 'p', long = "param", value_name = "KEY=VALUE")]
        params: Vec<String>,
        /// Parameters from a file.
        #[arg(long, value_name = "FILE")]
        params_file: Option<PathBuf>,
        /// The deployment's name.
        #[arg(long, value_name = "NAME")]
        name: Option<String>,
    },
}

/// Commands about runbooks.
#[derive(Debug, Subcommand)]
pub enum RunbookCommand {
    /// All runbooks.
    List,
    /// One runbook, with its parameters.
    Show {
        /// Which.
        runbook: String,
    },
    /// Plan, review, and after approval run it.
    Run {
        /// Which.
        runbook: String,
        /// A parameter.
        #[arg(short = 'p', long = "param", value_name = "KEY=VALUE")]
        params: Vec<String>,
        /// Parameters from a file.
        #[arg(long, value_name = "FILE")]
        params_file: Option<PathBuf>,
        /// The deployment's name.
        #[arg(long, value_name = "NAME")]
        name: Option<String>,
        /// Write the plan to this file instead.
        #[arg(long, value_name = "FILE")]
        out: Option<PathBuf>,
        /// How to run.
        #[command(flatten)]
        run: RunArgs,
    },
}

/// Commands about evals.
#[derive(Debug, Subcommand)]
pub enum EvalCommand {
    /// Run the suite from recordings, and hold it against the baseline.
    Run {
        /// Which cases (a folder or a file); the shipped ones without it.
        path: Option<PathBuf>,
        /// Fail when something got worse than the committed baseline.
        #[arg(long, value_name = "FILE")]
        baseline: Option<PathBuf>,
        /// Write the outcome of this run as the new baseline.
        #[arg(long, value_name = "FILE")]
        write_baseline: Option<PathBuf>,
    },
    /// Predict a file of cases: one line of JSON each.
    Predict {
        /// JSON lines; `-` is standard input.
        file: PathBuf,
    },
    /// Ask the configured model, and keep its answers without secrets, to replay them later.
    Record {
        /// JSON lines: cases.
        cases: PathBuf,
        /// Where the recordings are.
        #[arg(long, value_name = "FOLDER", default_value = "evals/recordings")]
        into: PathBuf,
        /// What to do where a recording is already there.
        #[arg(long, value_enum, default_value_t = Again::Once)]
        mode: Again,
        /// How often each case is asked.
        #[arg(long, value_name = "N", default_value_t = 1, value_parser = clap::value_parser!(u32).range(1..=16))]
        repeats: u32,
    },
    /// Write what `run --json` or `record --json` found in another form.
    Report {
        /// The file of results; `-` is standard input.
        file: PathBuf,
        /// The form.
        #[arg(long, value_enum, default_value_t = Form::Table)]
        format: Form,
        /// Write to this file instead of standard output.
        #[arg(short, long, value_name = "FILE")]
        out: Option<PathBuf>,
    },
    /// Compare two files of results with McNemar's test.
    Compare {
        /// One.
        a: PathBuf,
        /// The other.
        b: PathBuf,
    },
}

/// What recording does with what is recorded already.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Again {
    /// Replay; ask only for a case without any recording.
    Once,
    /// Replay; ask for every request that is missing.
    New,
    /// Ask everything again.
    All,
    /// Ask everything again, say what differs, write nothing.
    Verify,
}

/// The form of a report.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Form {
    /// For a terminal.
    Table,
    /// Everything, as data.
    Json,
    /// For tools that read test results.
    Junit,
    /// One page that needs nothing else.
    Html,
    /// For a pull request.
    Markdown,
}

/// Commands about the sandbox.
#[derive(Debug, Subcommand)]
pub enum SandboxCommand {
    /// Serve one simulated server over standard input and output, for any MCP client.
    Serve {
        /// opnsense, aws, docker or kubernetes.
        server: String,
    },
    /// What the simulated world holds.
    Show,
    /// Throw the simulated world away and begin with the small estate.
    Reset,
    /// Change something behind Swell's back, to see drift and troubleshooting at work.
    Poke {
        /// `server:type:name`.
        address: String,
        /// `kill`, `delete`, `restart`, or `set`.
        what: String,
        /// For `set`: `property=value`.
        value: Option<String>,
    },
    /// Make a server misbehave.
    Fault {
        /// A fault as JSON (see docs/protocol.md), `list`, or `clear`.
        fault: String,
    },
}

/// Commands about secrets.
#[derive(Debug, Subcommand)]
pub enum SecretsCommand {
    /// Store a secret; the value is read from standard input and not shown.
    Set {
        /// Its name.
        name: String,
    },
    /// The names that are stored.
    List,
}
