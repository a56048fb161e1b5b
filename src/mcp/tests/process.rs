//! Servers that are child processes, written in shell.
#![cfg(unix)]

use std::{collections::BTreeMap, path::Path, sync::Arc, time::Duration};

use serde_json::json;

use crate::mcp::{
    CallError, ConnectError, ConnectOptions, Connection, Effect, Endpoint,
    process::ProcessSpec,
    testing::{none, server, toolname, within},
};

#[expect(clippy::disallowed_methods, reason = "the child must find its shell")]
fn spec(script: &str) -> ProcessSpec {
    let path = std::env::var("PATH").unwrap();
    ProcessSpec {
        command: "sh".into(),
        args: vec!["-c".into(), script.into()],
        env: BTreeMap::from([("CONFIGURED".to_owned(), "yes".to_owned())]),
        inherit: BTreeMap::from([("PATH".to_owned(), path), ("AWS_SECRET_ACCESS_KEY".to_owned(), "leak".to_owned())]),
        folder: None,
    }
}

fn shell(script: &str, ms: u64) -> Arc<Connection> {
    let options = ConnectOptions { timeout: Duration::from_millis(ms), ..ConnectOptions::default() };
    Connection::new(server("sh"), Endpoint::Process(spec(script)), options)
}

/// Answers `initialize`, swallows `initialized`, and then does what follows.
const HELLO: &str = r#"read -r line; echo '{"jsonrpc":"2.0","id":0,"result":{"protocolVersion":"2025-06-18","capabilities":{"tools":{}},"serverInfo":{"name":"sh","version":"1"}}}'; read -r line;"#;

#[tokio::test]
async fn noise_is_tolerated_stderr_kept_and_the_environment_clean() {
    let script = format!(
        r#"echo Starting; echo "warming \033[31mup" >&2; {HELLO} read -r call; echo "{{\"jsonrpc\":\"2.0\",\"id\":1,\"result\":{{\"content\":[{{\"type\":\"text\",\"text\":\"$CONFIGURED-$AWS_SECRET_ACCESS_KEY-$CARGO_MANIFEST_DIR\"}}]}}}}"; read -r end"#
    );
    let c = shell(&script, 5000);
    let reply = c.call(&toolname("env"), none(), Effect::Change, &within(5000, 5000)).await.unwrap();
    assert_eq!(reply.text, "yes--");
    let (stderr, noise) = c.diagnostics().await;
    assert_eq!((stderr, noise), (vec!["warming up".to_owned()], 1));
    c.close().await;
}

#[tokio::test]
async fn an_early_exit_shows_the_last_words() {
    for script in ["echo 'no config file' >&2; exit 3", "exec 1>&-; echo 'no config file' >&2; exit 3"] {
        let e = shell(script, 5000).connect().await.unwrap_err();
        let ConnectError::Exited { status, stderr, .. } = &e else { panic!("{e:?}") };
        assert_eq!((status.as_str(), stderr.as_slice()), ("exit code 3", &["no config file".to_owned()][..]));
    }
    let mut missing = spec("");
    missing.command = "no-such-program-here".into();
    let c = Connection::new(server("sh"), Endpoint::Process(missing), ConnectOptions::default());
    assert!(matches!(c.connect().await, Err(ConnectError::Spawn { .. })));
}

#[tokio::test]
async fn a_death_in_the_middle_of_a_call_is_unknown_with_the_last_words() {
    let script = format!("{HELLO} read -r call; echo 'panic: disk full' >&2; exit 101");
    let e = shell(&script, 5000).call(&toolname("create"), none(), Effect::Change, &within(5000, 5000)).await.unwrap_err();
    let CallError::Unknown { reason, .. } = &e else { panic!("{e:?}") };
    assert!(reason.contains("exit code 101") && reason.contains("panic: disk full"), "{reason}");
}

#[tokio::test]
async fn a_server_that_ended_between_two_calls_is_started_again_even_for_a_change() {
    let answer = r#"read -r call; echo '{"jsonrpc":"2.0","id":1,"result":{"content":[{"type":"text","text":"ok"}]}}'"#;
    let c = shell(&format!("{HELLO} {answer}"), 5000);
    let session = c.session().await.unwrap();
    for _ in 0..2 {
        let reply = c.call(&toolname("create"), none(), Effect::Change, &within(5000, 5000)).await.unwrap();
        assert_eq!(reply.text, "ok");
        let until = tokio::time::Instant::now() + Duration::from_secs(5);
        while !session.is_closed() && tokio::time::Instant::now() < until {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        assert!(session.is_closed());
    }
    assert!(!std::ptr::eq(Arc::as_ptr(&session), Arc::as_ptr(&c.session().await.unwrap())));
}

/// Whether the process whose id is in that file is alive (and no zombie).
fn alive(file: &Path) -> bool {
    let pid = std::fs::read_to_string(file).unwrap();
    let status = std::process::Command::new("ps").args(["-o", "stat=", "-p", pid.trim()]).output().unwrap();
    let stat = String::from_utf8_lossy(&status.stdout).trim().to_owned();
    !stat.is_empty() && !stat.starts_with('Z')
}

async fn gone(file: &Path) {
    for _ in 0..200 {
        if !alive(file) {
            return;
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    panic!("still alive");
}

#[tokio::test]
async fn the_whole_group_ends_with_the_connection() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("grandchild");
    let grandchild = format!("sh -c 'echo $$ > {}; exec sleep 600' & ", file.display());

    // A silent server is given up, and its grandchild goes too.
    let c = shell(&format!("{grandchild} sleep 600"), 500);
    assert!(matches!(c.connect().await, Err(ConnectError::Timeout { .. })));
    gone(&file).await;

    // A good one is closed: it ends by itself, its grandchild does not.
    let c = shell(&format!("{grandchild} {HELLO} read -r end; exit 0"), 5000);
    c.connect().await.unwrap();
    while !file.exists() || !alive(&file) {
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    c.close().await;
    gone(&file).await;

    // One that is dropped without being closed.
    std::fs::remove_file(&file).unwrap();
    let c = shell(&format!("{grandchild} {HELLO} trap '' TERM; sleep 600"), 5000);
    c.connect().await.unwrap();
    while !file.exists() {
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    drop(c);
    gone(&file).await;
}

#[tokio::test]
async fn a_flood_on_stderr_does_not_block_the_server() {
    let script =
        format!("head -c 3000000 /dev/zero | tr '\\0' 'x' >&2; for i in $(seq 200); do echo line $i >&2; done; {HELLO} read -r end");
    let c = shell(&script, 10_000);
    c.connect().await.unwrap();
    let (stderr, _) = c.diagnostics().await;
    assert!(stderr.len() <= 40 && stderr.iter().all(|l| l.chars().count() <= 400), "{}", stderr.len());
    c.close().await;
}

#[test]
fn only_the_allow_list_and_the_configuration_pass() {
    let mut s = spec("");
    s.inherit.insert("HOME".into(), "/h".into());
    s.env.insert("HOME".into(), "/configured".into());
    let names: Vec<String> = s.environment().into_keys().collect();
    assert_eq!(names, ["CONFIGURED", "HOME", "PATH"]);
    assert_eq!(s.environment()["HOME"], "/configured");
    assert!(!format!("{s:?}").contains("/configured"));
    assert_eq!(json!(s.args.len()), json!(2));
}
