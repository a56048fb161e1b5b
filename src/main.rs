//! The `swell` binary: parse, build the app, dispatch, exit code; nothing else.

use std::process::ExitCode;

use clap::Parser;

fn main() -> ExitCode {
    let cli = swell::cli::Cli::parse();
    ExitCode::from(swell::shell::run(cli))
}
