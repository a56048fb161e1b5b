//! The road from approval to state: apply, change, rollback, undo, destroy, drift, import, hold.

use std::collections::BTreeMap;

use serde_json::Value;

use crate::support::env::{BLOG, TestEnv, YES};

const VLAN: &str =
    "name: lan\nresources:\n  - server: opnsense\n    type: network:vlan\n    name: n\n    properties: { tag: 77, description: one }\n";

#[test]
fn the_whole_line() {
    let env = TestEnv::new();
    let empty = env.world();
    env.swell_all(&[&["apply"], &BLOG[..], &YES]).ok().says("all 21 steps of blog done").says("swell destroy blog");
    env.settled("blog");
    assert_eq!(env.resources("blog").len(), 21);
    env.swell(&["outputs", "blog"]).ok().prints("https://blog.example.org");

    env.swell_all(&[&["apply", "blog", "-p", "replicas=4"], &YES]).ok().says("blog-web-4");
    env.settled("blog");
    env.swell(&["rollback", "blog", "--to", "1", "--yes", "--max-destroy", "2"]).ok();
    env.settled("blog");
    assert_eq!(env.resources("blog").len(), 21);

    env.swell(&["destroy", "blog", "--yes", "--max-destroy", "21"]).ok();
    assert_eq!(env.world(), empty);
    let _ = env.sound();
    env.swell(&["history", "blog"]).ok().prints("destroy");
}

#[test]
fn undo_goes_back_by_one_run() {
    let env = TestEnv::new();
    let empty = env.world();
    env.write("lan.yaml", VLAN);
    env.swell_all(&[&["apply", "-f", "lan.yaml"], &YES]).ok();
    let first = env.world();
    env.write("lan.yaml", VLAN.replace("one", "two"));
    env.swell_all(&[&["apply", "-f", "lan.yaml"], &YES]).ok();
    env.swell_all(&[&["undo", "lan"], &YES]).ok();
    assert_eq!(properties(&env.world()), properties(&first));
    env.settled("lan");
    env.swell(&["destroy", "lan", "--yes", "--max-destroy", "1"]).ok();
    assert_eq!(env.world(), empty);
}

/// A resource that was changed and changed back has another revision.
fn properties(world: &BTreeMap<String, Value>) -> BTreeMap<&str, &Value> {
    world.iter().map(|(name, live)| (name.as_str(), &live["properties"])).collect()
}

#[test]
fn drift_is_found_and_repaired() {
    let env = TestEnv::with_blog();
    env.swell(&["drift", "--exit-code"]).code(0);
    env.swell(&["sandbox", "poke", "opnsense:network:vlan:blog-net", "set", "tag=999"]).ok();
    env.swell(&["drift", "--exit-code"]).code(4).prints("blog-net").prints("999");
    env.swell(&["drift"]).code(0);
    env.swell_all(&[&["apply", "blog"], &YES]).ok();
    env.swell(&["drift", "--exit-code"]).code(0);
    env.settled("blog");
}

#[test]
fn what_exists_is_not_taken_without_being_told() {
    let env = TestEnv::new();
    env.write("lan.yaml", VLAN);
    env.swell_all(&[&["apply", "-f", "lan.yaml"], &YES]).ok();
    let other = VLAN.replace("name: lan", "name: other");
    env.write("other.yaml", &other);
    let refused = env.swell(&["plan", "-f", "other.yaml"]);
    assert_ne!(refused.code, 0, "{refused}");
    assert!(refused.stderr.contains("opnsense:network:vlan:n"), "{refused}");
}

#[test]
fn import_makes_existing_resources_ours() {
    let env = TestEnv::new();
    env.swell_all(&[&["import", "shared", "aws:ec2:securityGroup:app"], &YES]).ok();
    assert_eq!(env.resources("shared"), ["aws:ec2:securityGroup:app"]);
    env.settled("shared");
    env.swell(&["import", "shared", "aws:ec2:securityGroup:nowhere"]).refused(1, "import::not-found");
}

#[test]
fn a_hold_ends_the_run_where_nobody_can_let_it_go_on() {
    let env = TestEnv::new();
    let held = env.swell_all(&[&["apply", "--hold-after", "2"], &BLOG[..], &YES]);
    assert_eq!(held.code, 3, "{held}");
    let some = env.resources("blog").len();
    assert!(some > 0 && some < 21, "{some}");
    let _ = env.sound();
    env.swell(&["resume", "blog"]).ok();
    env.settled("blog");
    assert_eq!(env.resources("blog").len(), 21);
}

#[test]
fn waves_can_be_strict() {
    let env = TestEnv::new();
    env.swell_all(&[&["apply", "--strict-waves"], &BLOG[..], &YES]).ok();
    env.settled("blog");
}

#[test]
fn a_call_that_is_not_answered_is_unknown_and_is_settled_by_reading_back() {
    let env = TestEnv::new().var("SWELL_CALL_IDLE", "1").var("SWELL_CALL_TOTAL", "2");
    let fault =
        r#"{"effect":"timeout_after_commit","server":"docker","tool":"create","type":"container:run","name":"blog-db-1","times":1}"#;
    env.swell(&["sandbox", "fault", fault]).ok();
    let ran = env.swell_all(&[&["apply"], &BLOG[..], &YES]);
    assert!(ran.code == 0 || ran.code == 3, "{ran}");
    let _ = env.sound();
    env.swell(&["resume", "blog"]).ok();
    env.settled("blog");
    let containers = env.world().into_keys().filter(|a| a.starts_with("docker:container:run:blog-")).count();
    assert_eq!(containers, 5, "nothing is made twice");
}

#[test]
fn a_lost_stream_is_survived() {
    let env = TestEnv::new();
    let fault = r#"{"effect":"lost_stream","commit":true,"server":"opnsense","tool":"create","nth":2,"times":1}"#;
    env.swell(&["sandbox", "fault", fault]).ok();
    let ran = env.swell_all(&[&["apply"], &BLOG[..], &YES]);
    assert!(ran.code == 0 || ran.code == 3, "{ran}");
    let _ = env.sound();
    env.swell(&["resume", "blog"]).ok();
    env.settled("blog");
}

#[test]
fn a_request_in_words_takes_the_same_road() {
    let env = TestEnv::new();
    env.swell(&["-p", "deploy WordPress with HA on blog.example.org"]).ok().prints("nothing was changed");
    assert_eq!(env.resources("blog").len(), 0);
    env.swell_all(&[&["-p", "deploy WordPress with HA on blog.example.org"], &YES]).ok();
    env.settled("blog");
    env.swell(&["-p", "what is running?"]).ok().prints("blog");
    env.swell_all(&[&["-p", "scale the web tier of the blog to 4"], &YES]).ok();
    assert!(env.resources("blog").iter().any(|a| a.ends_with("blog-web-4")));
    env.swell(&["-p", "why is the blog unhealthy?"]).ok().prints("Nothing wrong was found with blog");
}
