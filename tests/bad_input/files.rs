//! Files that nobody should have written: each gets a diagnostic with a place, nothing is done, and nothing takes long.

use std::time::{Duration, Instant};

use crate::support::env::{Checked, TestEnv};

const RESOURCE: &str = "  - server: docker\n    type: network\n    name: a\n    properties: {}\n";

/// A file is refused: what is wrong, where, what is true now; quickly, and with the state as it was.
fn refused(name: &str, text: impl AsRef<[u8]>) -> Checked {
    let env = TestEnv::new();
    env.write(name, text);
    let began = Instant::now();
    let ran = env.swell(&["apply", "-f", name, "--yes", "--max-destroy", "0"]);
    assert!(began.elapsed() < Duration::from_secs(20), "{name} took {:?}", began.elapsed());
    assert!(ran.code == 1 || ran.code == 2, "{ran}");
    let ran = ran.any_code().says("error[").says(name);
    assert!(ran.stderr.contains("Nothing was") || ran.stderr.contains("nothing was"), "does not say what is true now: {}", ran.stderr);
    assert!(ran.stderr.len() < 64 * 1024, "{} bytes of diagnostics", ran.stderr.len());
    assert_eq!(env.sound(), 0);
    ran
}

#[test]
fn garbage() {
    for text in [
        "",
        "\u{feff}",
        ":",
        "- - - -",
        "{",
        "]",
        "a: b: c",
        "!!binary x",
        "%YAML 9.9\n---\n",
        "\t",
        "name: [",
        "null",
        "42",
        "name: x\n\tresources: []",
    ] {
        let _ = refused("garbage.yaml", text);
    }
    let _ = refused("bytes.yaml", [0xff, 0xfe, 0x00, 0x01, 0x80]);
    let _ = refused("garbage.json", "{\"name\": \"x\", \"resources\": [,]}");
}

#[test]
fn ten_megabytes() {
    let _ = refused("large.yaml", "# filler that says nothing at all\n".repeat(10 * 1024 * 1024 / 34));
    let _ = refused("large.json", format!("{{\"name\":\"x\",\"resources\":[\"{}\"]}}", "a".repeat(10 * 1024 * 1024)));
}

#[test]
fn deep_nesting() {
    let _ = refused("deep.yaml", format!("name: x\nresources: {}{}", "[".repeat(20_000), "]".repeat(20_000)));
    let _ = refused("deep.json", format!("{{\"name\":\"x\",\"resources\":{}{}}}", "{\"a\":".repeat(20_000), "}".repeat(20_000)));
    let mut block = "name: x\nresources:\n".to_owned();
    for depth in 0..3000 {
        block.push_str(&format!("{}-\n", " ".repeat(depth + 1)));
    }
    let _ = refused("block.yaml", block);
}

#[test]
fn aliases_that_go_round_or_explode() {
    let _ = refused("round.yaml", "name: x\nresources: &a\n  - *a\n");
    let mut laughs = "a0: &a0 [lol, lol, lol, lol, lol, lol, lol, lol, lol]\n".to_owned();
    for n in 1..12 {
        let before = format!("*a{}, ", n - 1).repeat(9);
        laughs.push_str(&format!("a{n}: &a{n} [{}]\n", before.trim_end_matches(", ")));
    }
    let _ = refused("laughs.yaml", format!("name: x\n{laughs}resources: *a11\n"));
    let _ = refused("nowhere.yaml", "name: x\nresources: *nowhere\n");
}

#[test]
fn unknown_keys_get_a_suggestion() {
    let _ = refused("keys.yaml", format!("name: x\nresorces:\n{RESOURCE}")).says("resources");
    let _ = refused("inner.yaml", format!("name: x\nresources:\n{RESOURCE}    depnds_on: []\n")).says("Did you mean `depends_on`?");
    let _ = refused("server.yaml", "name: x\nresources:\n  - server: dokcer\n    type: network\n    name: a\n").says("docker");
}

#[test]
fn control_characters_in_names_never_reach_the_screen() {
    for name in ["a\\u001b[2Jb", "a\\u0000b", "a\\rb", "a\\u202eb", "../../etc/passwd", "a b", ""] {
        let ran = refused("control.yaml", format!("name: x\nresources:\n  - server: docker\n    type: network\n    name: \"{name}\"\n"));
        assert!(!ran.stderr.contains(['\u{1b}', '\0', '\r', '\u{202e}']), "{:?}", ran.stderr);
        let _ = refused("deployment.yaml", format!("name: \"{name}\"\nresources:\n{RESOURCE}"));
    }
}

#[test]
fn arguments_with_control_characters_are_shown_clean() {
    let env = TestEnv::new();
    for args in [
        &["show", "a\u{1b}[2Jb"][..],
        &["servers", "tools", "\u{1b}]0;x\u{7}"],
        &["schema", "a\u{202e}:b"],
        &["plan", "-f", "no\u{1b}where.yaml"],
        &["patterns", "show", "\u{1b}c"],
    ] {
        let ran = env.swell(args);
        assert!(ran.code == 1 || ran.code == 2, "{ran:?}");
        assert!(!ran.stderr.contains(['\u{1b}', '\u{202e}', '\u{7}']), "{:?}", ran.stderr);
    }
}

#[test]
fn files_that_are_none() {
    let env = TestEnv::new();
    std::fs::create_dir(env.work().join("folder.yaml")).unwrap();
    for name in ["folder.yaml", "missing.yaml"] {
        let ran = env.swell(&["plan", "-f", name]);
        assert!(ran.code == 1 || ran.code == 2, "{ran}");
        assert!(ran.stderr.contains(name), "{ran}");
    }
    env.swell(&["plan", "-f", "/dev/zero"]).code(2).says("/dev/zero");
}

#[test]
fn a_configuration_that_cannot_be_read() {
    let env = TestEnv::new();
    for (text, says) in [
        ("[limits]\nper_servr = 3\n", "Did you mean `per_server`?"),
        ("[servers.\"../x\"]\nsandbox = \"docker\"\n", "not acceptable"),
        ("[servers.x]\n", "command"),
        ("not toml at all", "swell.toml"),
        ("[[auto_approve]]\ndeployments = [\"*\"]\nactions = [\"create\"]\nmax_steps = 9\nuntil = \"2030-01-01T00:00:00Z\"\n", "operator"),
    ] {
        env.write("swell.toml", text);
        let ran = env.swell(&["show"]);
        assert!(ran.code == 1 || ran.code == 2, "{ran}");
        assert!(ran.stderr.contains(says), "{says}: {ran}");
    }
}

#[test]
fn broken_patterns_of_a_project_do_not_take_the_shipped_ones_away() {
    let env = TestEnv::new();
    env.write("swell.toml", "");
    env.write(".swell/patterns/bad.yaml", "name: [");
    env.write(".swell/patterns/deep.yaml", "[".repeat(5000));
    env.write(".swell/patterns/large.yaml", "# x\n".repeat(4 * 1024 * 1024));
    let ran = env.swell(&["patterns", "list"]);
    assert!(ran.stdout.contains("wordpress-ha"), "{ran}");
    assert!(ran.stderr.contains("bad.yaml"), "{ran}");
}

#[test]
fn requests_that_are_no_sentences() {
    let env = TestEnv::new();
    let long = "deploy ".repeat(15_000);
    for text in ["", " ", "\u{0}", "\u{1b}[2J", "?????", "🔥🔥🔥", "${secret:root}", "{{ 7*7 }}", "; rm -rf /", long.as_str()] {
        if text.contains('\0') {
            continue; // No operating system hands this over.
        }
        let ran = env.swell(&["-p", text]);
        assert!(ran.code <= 2 && ran.code >= 0, "{:?}", (text.chars().take(20).collect::<String>(), &ran.code, &ran.stderr));
        assert!(!ran.stdout.contains('\u{1b}') && !ran.stderr.contains('\u{1b}'), "{ran:?}");
    }
    assert_eq!(env.sound(), 0);
}
