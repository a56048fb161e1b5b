//! Commands that come in groups: one enum for each group.

use std::path::PathBuf;

use clap::{Args, Subcommand, ValueEnum};

use super::args::RunArgs;

/// Commands about servers.
#[derive(Debug, Subcommand)]
pub enum ServersCommand {
    /// All servers: where each is from, whether it is trusted, and how it does.
    List,
    /// What other clients (Claude, Cursor, VS Code, Windsurf) and the environment know.
    Discover {
        /// Read the server card at this URL, or what its domain's catalogue names.
        url: Option<String>,
        /// Ask the local network (mDNS).
        #[arg(long, conflicts_with = "url")]
        network: bool,
        /// How long to listen in the network.
        #[arg(long = "for", value_name = "DURATION", default_value = "3s", requires = "network")]
        span: String,
    },
    /// Look at how a server is started, and after a yes start it and pin its tools.
    Review {
        /// Which.
        server: String,
        /// A yes without a terminal: the digest that a former review showed.
        #[arg(long, value_name = "sha256:…")]
        digest: Option<String>,
    },
    /// Take a reviewed server over into your own configuration; with a URL, read its server card first.
    Add {
        /// Which; or a URL whose server card names it.
        server: String,
    },
    /// Log in at a server behind a URL that wants authorization.
    Login {
        /// Which.
        server: String,
        /// A right to ask for besides those that the server names; may be given several times.
        #[arg(long = "scope", value_name = "SCOPE")]
        scopes: Vec<String>,
        /// Only show the page; open it yourself.
        #[arg(long)]
        no_browser: bool,
    },
    /// Forget a login.
    Logout {
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

/// What to draft.
#[derive(Debug, Clone, Args)]
pub struct DraftArgs {
    /// The server.
    pub server: String,
    /// Write to this file, and not among the project's bindings.
    #[arg(short = 'o', long, value_name = "FILE")]
    pub out: Option<PathBuf>,
    /// Write over a file that is there.
    #[arg(long)]
    pub overwrite: bool,
    /// Draft though a binding fits the server already.
    #[arg(long)]
    pub even_if_bound: bool,
}

/// What to prove.
#[derive(Debug, Clone, Args)]
pub struct ProveArgs {
    /// The binding.
    pub binding: String,
    /// The server to try it on, if several use it.
    #[arg(long, value_name = "NAME")]
    pub server: Option<String>,
    /// Only this type; one that cannot be deleted is tried only when it is named.
    #[arg(short = 't', long = "type", value_name = "TYPE")]
    pub types: Vec<String>,
    /// The value of a property of the scratch object: `-p interface=igc3`.
    #[arg(short = 'p', long = "param", value_name = "KEY=VALUE")]
    pub params: Vec<String>,
    /// Only take away what an interrupted trial left behind.
    #[arg(long)]
    pub clean: bool,
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
        files: Vec<PathBuf>,
    },
    /// Propose a binding out of the tools that a server offers. Nothing is called.
    Draft(DraftArgs),
    /// Try a binding on a scratch object, and write into its file what holds.
    Prove(ProveArgs),
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
        /// What goes wrong, as words (`hang server=docker tool=create name=blog-*`) or JSON (see docs/protocol.md); `list`; or `clear`.
        #[arg(required = true)]
        fault: Vec<String>,
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
