//! Ctrl-C, SIGTERM and kill -9 in the middle of a run.

use crate::support::pty::{Chat, Home};

const DATABASE: &str = "docker:container:run:blog-db-1";

/// A run that has sent the call for the first database, which the server handles as the fault says.
fn running(home: &Home, effect: &str) -> Chat {
    home.run(&[
        "sandbox",
        "fault",
        &format!(r#"{{"server": "docker", "tool": "create", "type": "container:run", "name": "blog-db-1", {effect}}}"#),
    ]);
    let mut chat = home.chat(&[]);
    chat.line("deploy WordPress with HA on blog.example.org");
    chat.wait("or say what to change: ");
    chat.line("y");
    chat.wait(&format!("creating {DATABASE}"));
    chat
}

fn has(home: &Home, address: &str) -> bool {
    home.world().iter().any(|a| a == address)
}

/// Everything is there once, and nothing is left to do.
fn resumes(home: &Home) {
    home.run(&["sandbox", "fault", "clear"]);
    home.run(&["resume", "blog"]);
    let mut world = home.world();
    let before = world.len();
    world.sort();
    world.dedup();
    assert_eq!(world.len(), before, "something exists twice");
    assert!(has(home, "docker:container:run:blog-web-2"));
    let plan = home.pipe(&["plan", "blog", "--exit-code"], "");
    assert_eq!(plan.status.code(), Some(0), "{}", String::from_utf8_lossy(&plan.stdout));
}

#[test]
fn ctrl_c_once_finishes_calls() {
    let home = Home::new();
    let mut chat = running(&home, r#""effect": "slow", "ms": 3000"#);
    chat.interrupt();
    chat.wait("stopping: nothing new is started");
    chat.wait(&format!("created {DATABASE}"));
    chat.wait("swell resume blog");
    chat.wait("swell> ");
    chat.leave();
    assert!(has(&home, DATABASE));
    assert!(!has(&home, "docker:container:run:blog-web-1"));
    resumes(&home);
}

#[test]
fn ctrl_c_twice_leaves_unknown() {
    let home = Home::new();
    let mut chat = running(&home, r#""effect": "hang""#);
    chat.interrupt();
    chat.wait("stopping: nothing new is started");
    chat.interrupt();
    chat.wait("cancelling");
    chat.wait("unknown");
    chat.wait("swell> ");
    chat.leave();
    resumes(&home);
}

#[test]
fn kill_9_then_resume() {
    for effect in [r#""effect": "hang""#, r#""effect": "timeout_after_commit""#] {
        let home = Home::new();
        running(&home, effect).kill();
        let mut chat = home.terminal(&[]);
        chat.wait("/resume blog");
        chat.wait("swell> ");
        chat.leave();
        resumes(&home);
    }
}

#[test]
fn sigterm_stops_like_ctrl_c_and_exits() {
    let home = Home::new();
    let mut chat = running(&home, r#""effect": "slow", "ms": 3000"#);
    chat.terminate();
    chat.wait("stopping: nothing new is started");
    chat.wait(&format!("created {DATABASE}"));
    assert_eq!(chat.exit(), 130);
    let mut chat = home.chat(&[]);
    chat.terminate();
    assert_eq!(chat.exit(), 130);
    resumes(&home);
}

#[test]
fn ctrl_c_cancels_a_plan_being_made() {
    let home = Home::new();
    home.run(&["sandbox", "fault", r#"{"server": "opnsense", "effect": "slow", "ms": 20000}"#]);
    let mut chat = home.chat(&[]);
    chat.line("deploy WordPress with HA on blog.example.org");
    chat.wait("connecting");
    chat.interrupt();
    chat.wait("Cancelled; nothing was changed.");
    chat.wait("swell> ");
    assert_eq!(chat.leave(), 0);
}
