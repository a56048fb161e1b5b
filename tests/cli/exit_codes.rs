//! 0 done · 1 refused, nothing changed · 2 usage · 3 a run ended with steps failed or unknown · 4 changes · 130 interrupted.

use std::time::{Duration, Instant};

use crate::support::env::{BLOG, Ran, TestEnv, YES};

#[test]
fn usage_is_2() {
    let env = TestEnv::new();
    for args in [
        &["nope"][..],
        &["plan", "--nope"],
        &["show", "a:b"],
        &["wait", "docker:network:x", "--timeout", "soon"],
        &["-C", "nowhere", "show"],
    ] {
        let _ = env.swell(args).code(2);
    }
}

#[test]
fn refused_is_1_and_nothing_is_changed() {
    let env = TestEnv::with_blog();
    let world = env.world();
    env.swell(&["show", "blgo"]).refused(1, "deployment::not-found").says("Did you mean `blog`?");
    env.swell(&["destroy", "blog", "--yes", "--max-destroy", "3"]).code(1);
    env.swell(&["destroy", "blog", "--yes"]).refused(2, "approval::yes-alone");
    env.swell(&["destroy", "blog"]).refused(1, "approval::nobody");
    env.swell(&["destroy", "blog", "--read-only", "--yes", "--max-destroy", "99"]).refused(1, "approval::read-only");
    assert_eq!(env.world(), world);
    env.settled("blog");
}

#[test]
fn a_yes_from_standard_input_approves_nothing() {
    let env = TestEnv::new();
    let world = env.world();
    env.swell_with_input(&[&["apply"], &BLOG[..]].concat(), "y\nyes\nblog\n").refused(1, "approval::nobody");
    assert_eq!(env.world(), world);
}

#[test]
fn a_run_with_a_failed_step_is_3_and_resume_finishes_it() {
    let env = TestEnv::new();
    let fault = r#"{"effect":"fail","class":"denied","message":"quota: 3 containers","server":"docker","tool":"create","type":"container:run","name":"blog-web-1","times":1}"#;
    env.swell(&["sandbox", "fault", fault]).ok();
    env.swell_all(&[&["apply"], &BLOG[..], &YES]).code(3).says("quota: 3 containers").says("swell resume blog");
    let _ = env.sound();
    assert!(env.resources("blog").iter().any(|a| a.ends_with("blog-db-1")));
    assert!(!env.resources("blog").iter().any(|a| a.ends_with("blog-web-1")));
    env.swell(&["resume", "blog"]).ok();
    env.settled("blog");
}

/// Two-step stop: after the first interrupt calls in flight finish; what was not begun is not begun.
#[test]
#[cfg(unix)]
fn interrupted_is_130_and_resume_finishes_it() {
    let env = TestEnv::new();
    let fault = r#"{"effect":"slow","ms":1500,"server":"docker","tool":"create","type":"container:run","name":"blog-db-1","times":1}"#;
    env.swell(&["sandbox", "fault", fault]).ok();
    let args = [&["apply"], &BLOG[..], &YES].concat();
    let child = env.start(&args);
    let began = Instant::now();
    while !env.swell(&["sandbox", "fault", "list"]).stdout.contains("\"fired\":1") && began.elapsed() < Duration::from_secs(10) {
        std::thread::sleep(Duration::from_millis(50));
    }
    let pid = rustix::process::Pid::from_child(&child);
    rustix::process::kill_process(pid, rustix::process::Signal::INT).unwrap();
    let ran = Ran::of(&args, child.wait_with_output().unwrap()).code(130);
    assert!(ran.stderr.contains("swell resume blog"), "{}", ran.stderr);
    let _ = env.sound();
    env.swell(&["resume", "blog"]).ok();
    env.settled("blog");
}
