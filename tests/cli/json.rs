//! `--json`: one document, or one object per line where things go on. Errors are objects too.

use crate::support::env::{BLOG, TestEnv, YES};

#[test]
fn every_document_parses() {
    let env = TestEnv::with_blog();
    for args in [
        &["show"][..],
        &["show", "blog"],
        &["show", "docker:container:run:blog-db-1"],
        &["plan", "blog"],
        &["outputs", "blog"],
        &["history"],
        &["history", "--verify"],
        &["drift"],
        &["query", "SELECT address FROM resources"],
        &["servers", "list"],
        &["servers", "health"],
        &["servers", "doctor"],
        &["servers", "tools", "aws"],
        &["types"],
        &["schema", "aws:s3:bucket"],
        &["patterns", "list"],
        &["patterns", "show", "iot-edge"],
        &["patterns", "test", "iot-edge"],
        &["patterns", "render", "wordpress-ha", "-p", "domain=x.example.org"],
        &["runbook", "list"],
        &["runbook", "show", "disaster-recovery"],
        &["secrets", "list"],
        &["doctor"],
        &["sandbox", "show"],
        &["sandbox", "fault", "list"],
        &["wait", "docker:container:run:blog-db-1"],
    ] {
        let ran = env.swell(&[args, &["--json"]].concat()).ok();
        assert!(!ran.json().is_null(), "{args:?}");
    }
}

#[test]
fn a_run_is_a_stream_of_events() {
    let env = TestEnv::new();
    let ran = env.swell_all(&[&["apply", "--json"], &BLOG[..], &YES]).ok();
    let events = ran.events();
    let kinds: Vec<&str> = events.iter().filter_map(|e| e["event"].as_str().or(e["type"].as_str()).or(e["kind"].as_str())).collect();
    assert_eq!(kinds.len(), events.len(), "every line says what it is: {}", ran.stdout.lines().next().unwrap_or_default());
    assert!(events.len() > 42, "a beginning and an end for every step");
    assert!(ran.stderr.is_empty(), "{}", ran.stderr);
}

#[test]
fn an_error_is_an_object() {
    let env = TestEnv::new();
    let ran = env.swell(&["show", "nothing", "--json"]).code(1);
    let last = ran.events().pop().unwrap();
    assert!(last.to_string().contains("deployment::not-found"), "{last}");
    for key in ["code", "summary", "detail", "next"] {
        assert!(last.to_string().contains(&format!("\"{key}\"")), "{key} in {last}");
    }
}
