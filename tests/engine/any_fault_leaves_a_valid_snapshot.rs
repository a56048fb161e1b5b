//! Walks every call of a run and breaks it in every way: whatever happens, the journal verifies, a resume brings the deployment to what
//! is wanted, and nothing exists twice.

use serde_json::{Value, json};

use super::support::Bench;

fn wanted(bench: &Bench) -> swell::flow::Wanted {
    bench.template(json!([
        {"server": "opnsense", "type": "network:vlan", "name": "net", "properties": {"tag": 50, "interface": "igc2"}},
        {"server": "docker", "type": "volume", "name": "data", "properties": {}},
        {"server": "docker", "type": "container:run", "name": "db", "properties": {
            "image": "redis:7", "network": "${opnsense:network:vlan:net.name}", "volumes": ["${docker:volume:data.name}:/data"]
        }},
        {"server": "docker", "type": "container:run", "name": "web", "properties": {"image": "nginx:1.28", "environment": {"DB": "${docker:container:run:db.name}"}}},
    ]))
}

async fn survives(effect: Value, nth: u32) {
    let bench = Bench::new().await;
    let mut fault = effect.clone();
    fault["tool"] = json!("create");
    fault["nth"] = json!(nth);
    fault["times"] = json!(1);
    bench.fault(fault);
    let summary = bench.apply(wanted(&bench)).await.unwrap();
    bench.sound().await;
    // Another process goes on, as after a crash.
    let again = Bench::over(bench.dir.clone()).await;
    drop(bench);
    if !(summary.failed.is_empty() && summary.unknown.is_empty() && summary.skipped.is_empty()) {
        let rest = again.resume().await;
        assert!(
            rest.as_ref().is_none_or(|r| r.failed.is_empty() && r.unknown.is_empty() && r.skipped.is_empty()),
            "{effect} at {nth}: {rest:#?}"
        );
    }
    for (server, name) in [("opnsense", "net"), ("docker", "data"), ("docker", "db"), ("docker", "web")] {
        assert_eq!(again.count(server, name).await, 1, "{name} after {effect} at call {nth}");
    }
    again.settled(wanted(&again)).await;
    let end = again.destroy().await;
    assert!(end.failed.is_empty(), "{end:#?}");
    for (server, name) in [("opnsense", "net"), ("docker", "data"), ("docker", "db"), ("docker", "web")] {
        assert_eq!(again.count(server, name).await, 0, "{name} after {effect} at call {nth}");
    }
}

async fn walk(effect: Value) {
    let all = (1..=4).map(|nth| survives(effect.clone(), nth));
    futures::future::join_all(all).await;
}

#[tokio::test]
async fn a_refusal() {
    walk(json!({"effect": "fail", "class": "other", "message": "internal error"})).await;
}

#[tokio::test]
async fn no_answer_and_not_done() {
    walk(json!({"effect": "hang"})).await;
}

#[tokio::test]
async fn no_answer_and_done() {
    walk(json!({"effect": "timeout_after_commit"})).await;
}

#[tokio::test]
async fn a_lost_stream_before_it_is_done() {
    walk(json!({"effect": "lost_stream", "commit": false})).await;
}

#[tokio::test]
async fn a_lost_stream_after_it_is_done() {
    walk(json!({"effect": "lost_stream", "commit": true})).await;
}

#[tokio::test]
async fn a_server_that_dies() {
    walk(json!({"effect": "die", "commit": true})).await;
    walk(json!({"effect": "die", "commit": false})).await;
}
