//! What the commands of the line take: one struct for each.

use std::path::PathBuf;

use clap::{Args, ValueEnum};

use crate::domain::Address;

/// What to plan.
#[derive(Debug, Clone, Args)]
pub struct PlanArgs {
    /// A deployment: its last template, planned again.
    #[arg(value_name = "DEPLOYMENT", conflicts_with_all = ["file", "pattern"])]
    pub deployment: Option<String>,
    /// What is wanted.
    #[command(flatten)]
    pub wanted: WantedArgs,
    /// Plan the destruction of the deployment.
    #[arg(long, conflicts_with_all = ["file", "pattern"])]
    pub destroy: bool,
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

/// What is wanted: a file, a pattern, or, without either, the last template of a deployment.
#[derive(Debug, Clone, Default, Args)]
pub struct WantedArgs {
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
    /// Make wanted resources that exist already ours.
    #[arg(long)]
    pub adopt: bool,
    /// Make this resource anew even if nothing of it differs; may be given several times.
    #[arg(long, value_name = "ADDRESS")]
    pub replace: Vec<Address>,
}

/// How to apply.
#[derive(Debug, Clone, Args)]
pub struct ApplyArgs {
    /// A saved plan (`*.json` from `swell plan --out`) or a deployment.
    #[arg(value_name = "PLAN|DEPLOYMENT", conflicts_with_all = ["file", "pattern"])]
    pub subject: Option<String>,
    /// What is wanted.
    #[command(flatten)]
    pub wanted: WantedArgs,
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
    /// `server:type:name`, or a deployment: everything in it.
    #[arg(value_name = "ADDRESS|DEPLOYMENT")]
    pub subject: String,
    /// What is waited for.
    #[arg(long = "for", value_name = "STATE", value_enum, default_value_t = WaitFor::Ready)]
    pub until: WaitFor,
    /// Longest wait.
    #[arg(long, value_name = "DURATION", default_value = "5m")]
    pub timeout: String,
}

/// What can be waited for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum WaitFor {
    /// There and usable.
    Ready,
    /// Its server says that it does its work.
    Healthy,
    /// No longer there.
    Gone,
}

/// What to watch, and how.
#[derive(Debug, Clone, Args)]
pub struct WatchArgs {
    /// Which deployment; all without it.
    pub deployment: Option<String>,
    /// Time between two looks at a server that does not tell of changes by itself.
    #[arg(long, value_name = "DURATION", default_value = "10s")]
    pub interval: String,
    /// Look once and end.
    #[arg(long, conflicts_with = "period")]
    pub once: bool,
    /// End after this time.
    #[arg(long = "for", value_name = "DURATION")]
    pub period: Option<String>,
    /// Exit with 4 if anything changed or is not as recorded.
    #[arg(long)]
    pub exit_code: bool,
}
