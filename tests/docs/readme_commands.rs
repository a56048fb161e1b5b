//! The README is run: its transcript line by line on the sandbox, and every other command of it at least parses.

use clap::Parser;

use crate::support::env::{TestEnv, repository};

/// Blocks of one kind: the lines between the fences.
fn blocks(kind: &str) -> Vec<Vec<String>> {
    let text = std::fs::read_to_string(repository("README.md")).unwrap();
    let mut all = Vec::new();
    let mut open: Option<Vec<String>> = None;
    for line in text.lines() {
        match (&mut open, line.strip_prefix("```")) {
            (None, Some(k)) if k == kind => open = Some(Vec::new()),
            (Some(_), Some(_)) => all.extend(open.take()),
            (Some(block), None) => block.push(line.to_owned()),
            _ => {}
        }
    }
    all
}

/// Words of a command line; double quotes hold words together, `#` begins a remark.
fn words(line: &str) -> Vec<String> {
    let (mut all, mut quoted, mut open) = (Vec::new(), false, false);
    for c in line.chars() {
        match c {
            '"' => (quoted, open) = (!quoted, true),
            '#' if !quoted => break,
            ' ' if !quoted => open = false,
            _ => {
                if !open || all.is_empty() {
                    all.push(String::new());
                    open = true;
                }
                if let Some(word) = all.last_mut() {
                    word.push(c);
                }
                continue;
            }
        }
        if c == '"' && quoted {
            all.push(String::new());
        }
    }
    all
}

#[test]
fn the_transcript_is_what_the_commands_print() {
    let env = TestEnv::new();
    // A plan's id holds the time of the run on which it builds.
    let ids = regex::Regex::new("p-[0-9a-f]{6}").unwrap();
    let mut commands = 0;
    for block in blocks("console") {
        let (mut printed, mut command) = (String::new(), String::new());
        for line in &block {
            if let Some(typed) = line.strip_prefix("$ swell ") {
                let args = words(typed);
                let ran = env.swell(&args.iter().map(String::as_str).collect::<Vec<_>>());
                assert_eq!(ran.code, 0, "{ran}");
                (printed, command) = (ids.replace_all(&format!("{}{}", ran.stderr, ran.stdout), "p-id").into_owned(), typed.to_owned());
                commands += 1;
            } else if !line.is_empty() && line != "…" {
                let line = ids.replace_all(line, "p-id");
                assert!(printed.lines().any(|l| l == line), "`swell {command}` does not print\n{line}\nbut\n{printed}");
            }
        }
    }
    assert!(commands >= 5);
}

#[test]
fn every_command_of_the_readme_parses() {
    let mut commands = 0;
    for line in blocks("sh").concat() {
        let line = line.trim();
        let args = match line.strip_prefix("cargo run --release") {
            Some(rest) => words(rest.trim().strip_prefix("--").unwrap_or_default()),
            None => match line.strip_prefix("swell") {
                Some(rest) => words(rest),
                None => continue,
            },
        };
        if let Err(e) = swell::cli::Cli::try_parse_from(std::iter::once("swell".to_owned()).chain(args)) {
            panic!("{line}\n{e}");
        }
        commands += 1;
    }
    assert!(commands > 10);
    let text = std::fs::read_to_string(repository("README.md")).unwrap();
    for name in regex::Regex::new(r"`swell ([a-z]+)").unwrap().captures_iter(&text) {
        let known = <swell::cli::Cli as clap::CommandFactory>::command().get_subcommands().any(|c| c.get_name() == &name[1]);
        assert!(known || ["watch", "mcp"].contains(&&name[1]), "there is no `swell {}`", &name[1]);
    }
}

#[test]
fn the_files_that_it_points_to_are_there() {
    let text = std::fs::read_to_string(repository("README.md")).unwrap();
    for link in regex::Regex::new(r"\]\(([^)#:]+)\)").unwrap().captures_iter(&text) {
        assert!(repository(&link[1]).exists(), "{}", &link[1]);
    }
}

/// The picture is what the command beside it draws.
#[test]
fn the_picture_is_of_today() {
    let env = TestEnv::new();
    let example = repository("examples/production-app.json");
    std::fs::create_dir(env.work().join("examples")).unwrap();
    env.write("examples/production-app.json", std::fs::read(example).unwrap());
    env.swell(&["graph", "-f", "examples/production-app.json", "-o", "now.svg"]).ok();
    assert_eq!(env.read("now.svg"), std::fs::read_to_string(repository("docs/graph.svg")).unwrap());
}

#[test]
fn a_toml_block_is_a_configuration() {
    for block in blocks("toml") {
        let env = TestEnv::new();
        env.write("swell.toml", block.join("\n"));
        env.swell(&["doctor"]).ok().prints("servers.docker");
    }
}
