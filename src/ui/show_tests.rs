//! What is recorded, as people see it.

use indexmap::IndexMap;
use serde_json::json;

use super::{Style, fixtures, lines, show};
use crate::{
    domain::{Action, Outcome, Timestamp},
    review::Level,
    store::{Entry, EntryBody, Recipe, Recorded, Run, RunEnd, RunHeader, RunId, RunKind, Snapshot, Unsettled},
};

fn at(width: usize) -> Style {
    Style { color: false, width }
}

fn time(minute: u32) -> Timestamp {
    format!("2026-11-23T05:{minute:02}:00Z").parse().unwrap()
}

fn snapshot(words: &str) -> Snapshot {
    let db = Recorded {
        outputs: fixtures::object(
            json!({"id": "c-1", "host": "10.0.0.7", "port": 3306, "password": "canary-5up3r", "tags": ["a"], "note": words}),
        ),
        holds_data: true,
        id: "c-1".into(),
        ..fixtures::recorded(
            "docker:container:run:blog-db-1",
            json!({"image": "mariadb:11", "password": "canary-5up3r", "env": {"A": "1", "B": [true, {"c": null}]}, "conf": "a\nb\n", "note": words}),
            &["docker:network:blog"],
        )
    };
    let net = fixtures::recorded("docker:network:blog", json!({"driver": "bridge"}), &[]);
    Snapshot {
        deployment: "blog".parse().unwrap(),
        number: 17,
        run: RunId("r-1".into()),
        at: time(42),
        last_entry: 9,
        resources: [db, net].into_iter().map(|r| (r.address.clone(), r)).collect(),
        unsettled: vec![Unsettled {
            entry: 7,
            run: RunId("r-1".into()),
            action: Action::Create,
            address: fixtures::address("docker:container:run:blog-web-1"),
            idempotency_key: String::new(),
            intended: None,
            reason: words.into(),
        }],
        recipe: Recipe { pattern: Some("wordpress-ha".into()), pattern_version: Some("1".into()), ..Recipe::default() },
        outputs: IndexMap::from([
            ("url".to_owned(), json!("https://blog.example.org")),
            ("password".to_owned(), json!("${secret:blog-admin}")),
        ]),
    }
}

fn run(end: Option<RunEnd>, words: &str) -> Run {
    Run {
        header: RunHeader {
            id: RunId("r-1".into()),
            deployment: "blog".parse().unwrap(),
            kind: RunKind::Apply,
            plan: "sha256:7f3c2a".into(),
            request: words.into(),
            who: "ada@workbench".into(),
            approval: "typed `y`".into(),
            recipe: Recipe::default(),
            outputs: IndexMap::new(),
            base: 0,
        },
        began_at: time(40),
        ended_at: end.as_ref().map(|_| time(42)),
        snapshot: end.as_ref().map(|_| 17),
        end,
    }
}

fn entries(words: &str) -> Vec<Entry> {
    let entry = |number, body| Entry {
        number,
        at: time(41),
        deployment: "blog".parse().unwrap(),
        run: RunId("r-1".into()),
        body,
        previous: String::new(),
        hash: String::new(),
    };
    let ended = |outcome, error: Option<&str>| EntryBody::StepEnded {
        began: 1,
        step: 0,
        address: fixtures::address("docker:network:blog"),
        action: Action::Create,
        outcome,
        resource: None,
        error: error.map(Into::into),
        elapsed_ms: 800,
    };
    vec![
        entry(1, EntryBody::RunEnded { end: RunEnd::default() }),
        entry(2, ended(Outcome::Done, None)),
        entry(3, ended(Outcome::Unknown, Some(words))),
        entry(4, EntryBody::Settled { began: 3, address: fixtures::address("docker:network:blog"), resource: None, how: words.into() }),
    ]
}

const REQUEST: &str = "deploy WordPress with HA on blog.example.org";

#[test]
fn a_snapshot() {
    insta::assert_snapshot!("show_brief_80", show::snapshot(&snapshot("no answer"), Level::Brief, &at(80)));
    insta::assert_snapshot!("show_details_80", show::snapshot(&snapshot("no answer"), Level::Details, &at(80)));
}

#[test]
fn a_history() {
    let ends = [
        None,
        Some(RunEnd { done: 4, ..RunEnd::default() }),
        Some(RunEnd { done: 2, failed: 1, skipped: 3, interrupted: true, ..RunEnd::default() }),
    ];
    let runs: Vec<Run> = ends.into_iter().map(|e| run(e, REQUEST)).collect();
    insta::assert_snapshot!("history_120", show::history(&runs, &at(120)));
    insta::assert_snapshot!("history_run_80", show::run(&runs[1], &entries("no answer"), &at(80)));
    assert_eq!(show::history(&[], &at(80)), "There are no runs.\n");
}

#[test]
fn outputs_and_drift() {
    assert_eq!(show::outputs(&snapshot("").outputs, &at(80)), "url      = https://blog.example.org\npassword = ‹secret›\n");
    assert_eq!(show::outputs(&IndexMap::new(), &at(80)), "There are no outputs.\n");
    assert_eq!(
        show::drift(&fixtures::blog().plan, &at(80)),
        "~   docker:container:run:blog-web-1\n      memory: 512m -> 256m\n-   docker:network:blog  gone from the server\nDrift: 2 resources are not as recorded.\n"
    );
    assert_eq!(show::drift(&fixtures::nothing().plan, &at(80)), "No drift: 2 resources are as recorded.\n");
}

#[test]
fn nothing_sensitive_and_nothing_that_moves_the_cursor() {
    let words = "x\u{1b}[2J\u{202e}\r\n\u{200b}";
    let pages = [
        show::snapshot(&snapshot(words), Level::Brief, &at(80)),
        show::snapshot(&snapshot(words), Level::Details, &at(80)),
        show::history(&[run(None, words)], &at(80)),
        show::run(&run(None, words), &entries(words), &at(80)),
    ];
    for page in pages {
        assert!(!page.contains("canary"), "{page}");
        assert!(page.lines().all(|l| !l.chars().any(lines::is_hidden) && lines::width(l) <= 80), "{page}");
    }
}
