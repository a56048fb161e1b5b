//! Two of us at once: different deployments do not disturb each other, the same one is locked, and the lock says by whom.

use std::time::{Duration, Instant};

use crate::support::env::{BLOG, Ran, TestEnv, YES};

#[test]
fn two_deployments_at_once() {
    let env = TestEnv::new();
    let a = [&["apply"], &BLOG[..], &YES].concat();
    let b = [&["apply", "--pattern", "dev-environment", "-p", "stack=node", "--name", "dev"], &YES[..]].concat();
    let (one, two) = (env.start(&a), env.start(&b));
    Ran::of(&a, one.wait_with_output().unwrap()).ok();
    Ran::of(&b, two.wait_with_output().unwrap()).ok();
    env.settled("blog");
    env.settled("dev");
}

#[test]
fn the_same_deployment_is_locked_and_the_lock_says_by_whom() {
    let env = TestEnv::new();
    let fault = r#"{"effect":"slow","ms":2500,"server":"docker","tool":"create","type":"container:run","name":"blog-db-1","times":1}"#;
    env.swell(&["sandbox", "fault", fault]).ok();
    let args = [&["apply"], &BLOG[..], &YES].concat();
    let first = env.start(&args);
    let began = Instant::now();
    while !env.swell(&["sandbox", "fault", "list"]).stdout.contains("\"fired\":1") && began.elapsed() < Duration::from_secs(10) {
        std::thread::sleep(Duration::from_millis(50));
    }
    let refused = env.swell(&args);
    assert_eq!(refused.code, 1, "{refused}");
    assert!(refused.stderr.contains("ada@") || refused.stderr.contains("error["), "{refused}");
    env.swell(&["show", "--json"]).ok();
    Ran::of(&args, first.wait_with_output().unwrap()).ok();
    env.settled("blog");
}

/// kill -9 in the middle: the lock of the dead is taken over, and nothing is lost or made twice.
#[test]
#[cfg(unix)]
fn a_killed_run_is_resumed() {
    let env = TestEnv::new();
    let fault = r#"{"effect":"slow","ms":5000,"server":"docker","tool":"create","type":"container:run","name":"blog-db-1","times":1}"#;
    env.swell(&["sandbox", "fault", fault]).ok();
    let mut child = env.start(&[&["apply"], &BLOG[..], &YES].concat());
    let began = Instant::now();
    while !env.swell(&["sandbox", "fault", "list"]).stdout.contains("\"fired\":1") && began.elapsed() < Duration::from_secs(10) {
        std::thread::sleep(Duration::from_millis(50));
    }
    child.kill().unwrap();
    child.wait().unwrap();
    let _ = env.sound();
    env.swell(&["resume", "blog"]).ok().says("taken over");
    env.settled("blog");
    assert_eq!(env.resources("blog").len(), 21);
}

#[test]
fn many_readers_beside_a_writer() {
    let env = TestEnv::new();
    let args = [&["apply"], &BLOG[..], &YES].concat();
    let writer = env.start(&args);
    let readers: Vec<_> = (0..4).map(|_| env.start(&["show", "--json"])).collect();
    for reader in readers {
        Ran::of(&["show", "--json"], reader.wait_with_output().unwrap()).ok();
    }
    Ran::of(&args, writer.wait_with_output().unwrap()).ok();
    env.settled("blog");
}
