//! A saved plan is applied once, where it was made, and only while it still holds.

use crate::support::env::{BLOG, Ran, TestEnv};

fn saved() -> TestEnv {
    let env = TestEnv::new();
    env.swell_all(&[&["plan", "--out", "plan.json"], &BLOG[..]]).ok();
    env
}

fn apply(env: &TestEnv) -> Ran {
    env.swell(&["apply", "plan.json", "--yes"])
}

/// The refusal must have left the world and the journal alone.
fn refused(env: &TestEnv, code: i32, diagnostic: &str) {
    let world = env.world();
    let entries = env.sound();
    apply(env).refused(code, diagnostic).says("Nothing was changed");
    assert_eq!(env.world(), world);
    assert_eq!(env.sound(), entries);
}

#[test]
fn it_is_applied_once() {
    let env = saved();
    apply(&env).ok().says("all 21 steps of blog done");
    env.settled("blog");
    refused(&env, 1, "plan::saved");
}

#[test]
fn it_is_applied_once_even_when_the_deployment_is_gone_again() {
    let env = saved();
    apply(&env).ok();
    env.swell(&["destroy", "blog", "--yes", "--max-destroy", "99"]).ok();
    apply(&env).code(1).says("Nothing was changed");
}

#[test]
fn a_changed_file_is_refused() {
    let env = saved();
    let text = env.read("plan.json");
    assert!(text.contains("blog.example.org"));
    env.write("plan.json", text.replace("blog.example.org", "evil.example.org"));
    refused(&env, 1, "plan::saved");
}

#[test]
fn a_changed_file_with_a_digest_to_match_is_refused() {
    let env = saved();
    let mut value: serde_json::Value = serde_json::from_str(&env.read("plan.json")).unwrap();
    value["plan"]["request"] = "something else".into();
    let plan: swell::plan::Plan = serde_json::from_value(value["plan"].clone()).unwrap();
    value["digest"] = plan.digest().into();
    env.write("plan.json", value.to_string());
    refused(&env, 1, "plan::saved");
}

#[test]
fn what_is_not_a_plan_is_refused() {
    let env = saved();
    for text in ["", "{}", "[]", "null", "{\"digest\":\"x\",\"plan\":{}}", "not json", "{\"plan\":{\"format\":999}}"] {
        env.write("plan.json", text);
        refused(&env, 1, "plan::saved");
    }
}

#[test]
fn a_deployment_that_moved_on_is_refused() {
    let env = saved();
    env.swell_all(&[&["apply"], &BLOG[..], &["-p", "replicas=3", "--yes", "--max-destroy", "0"]]).ok();
    refused(&env, 1, "plan::stale");
}

#[test]
fn a_world_that_changed_in_between_is_refused() {
    let env = TestEnv::with_blog();
    env.swell(&["plan", "blog", "-p", "replicas=3", "--out", "plan.json"]).ok();
    env.swell(&["sandbox", "poke", "docker:container:run:blog-web-1", "delete"]).ok();
    refused(&env, 1, "plan::stale");
    env.swell(&["apply", "blog", "-p", "replicas=3", "--yes", "--max-destroy", "0"]).ok();
    env.settled("blog");
}

#[test]
fn another_server_under_the_same_name_is_refused() {
    let env = saved();
    env.write(
        "swell.toml",
        "data = \"../home/.local/share/swell\"\n[servers.docker]\nsandbox = \"docker\"\n[servers.opnsense]\nsandbox = \"docker\"\n",
    );
    apply(&env).code(1).says("Nothing was changed");
}

#[test]
fn changed_tools_are_refused() {
    let env = saved();
    env.swell(&["sandbox", "fault", r#"{"effect":"changed_tool","server":"docker","description":"also mails the result"}"#]).ok();
    refused(&env, 1, "plan::stale");
    env.swell(&["sandbox", "fault", "clear"]).ok();
    apply(&env).ok();
}

#[test]
fn it_is_not_applied_in_another_state() {
    let (env, other) = (saved(), TestEnv::new());
    other.write("plan.json", env.read("plan.json"));
    refused(&other, 1, "plan::saved");
}

#[test]
fn one_that_destroys_needs_a_bound() {
    let env = TestEnv::with_blog();
    env.swell(&["destroy", "blog", "--out", "plan.json"]).ok();
    let world = env.world();
    apply(&env).code(1).says("Nothing was changed");
    env.swell(&["apply", "plan.json", "--yes", "--max-destroy", "20"]).code(1).says("Nothing was changed");
    assert_eq!(env.world(), world);
    env.swell(&["apply", "plan.json", "--yes", "--max-destroy", "21"]).ok();
    assert_eq!(env.resources("blog"), Vec::<String>::new());
}
