//! The help of every command, as one snapshot: a flag that changes is seen in a review.

use clap::CommandFactory;

/// The help of the program and of every command below it.
pub fn everything() -> String {
    fn walk(command: &mut clap::Command, path: &str, all: &mut String) {
        all.push_str(&format!("════ {path}\n{}\n", command.render_long_help()));
        for sub in command.get_subcommands_mut() {
            let path = format!("{path} {}", sub.get_name());
            walk(sub, &path, all);
        }
    }
    let mut all = String::new();
    let mut command = swell::cli::Cli::command().term_width(110);
    command.build();
    walk(&mut command, "swell", &mut all);
    all
}

#[test]
fn help_of_every_command() {
    insta::assert_snapshot!("help", everything());
}

#[test]
fn every_command_and_every_argument_says_what_it_is() {
    fn walk(command: &clap::Command, missing: &mut Vec<String>) {
        for argument in command.get_arguments().filter(|a| a.get_id() != "help" && a.get_id() != "version") {
            if argument.get_help().is_none() {
                missing.push(format!("{} {}", command.get_name(), argument.get_id()));
            }
        }
        for sub in command.get_subcommands() {
            if sub.get_about().is_none() {
                missing.push(sub.get_name().to_owned());
            }
            walk(sub, missing);
        }
    }
    let mut missing = Vec::new();
    walk(&swell::cli::Cli::command(), &mut missing);
    assert!(missing.is_empty(), "{missing:?}");
}
