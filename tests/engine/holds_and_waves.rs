use serde_json::json;
use swell::{
    approval::{Consent, approve},
    event::Event,
    flow::{self, RunOptions},
};

use super::support::Bench;

fn chain(bench: &Bench) -> flow::Wanted {
    bench.template(json!([
        {"server": "docker", "type": "network", "name": "a", "properties": {}},
        {"server": "docker", "type": "network", "name": "slow", "properties": {}},
        {"server": "docker", "type": "container:run", "name": "on-a", "properties": {"image": "redis:7", "network": "${docker:network:a.name}"}},
    ]))
}

async fn run(bench: &Bench, options: RunOptions) -> swell::event::RunSummary {
    let review = bench.plan(chain(bench)).await.unwrap();
    let approved = approve(&review, Consent::Bounded { max_destroy: 0 }, bench.app.now()).unwrap();
    flow::apply(&bench.app, approved, options).await.unwrap()
}

/// Positions of "started" and "ended" of resources among the events.
fn order(bench: &Bench) -> Vec<String> {
    let events = bench.events.0.lock().unwrap();
    events
        .iter()
        .filter_map(|e| match e {
            Event::StepStarted { address, .. } => Some(format!("start {}", address.name)),
            Event::StepEnded { address, .. } => Some(format!("end {}", address.name)),
            _ => None,
        })
        .collect()
}

#[tokio::test]
async fn a_step_starts_as_soon_as_its_own_needs_are_done() {
    let bench = Bench::new().await;
    bench.fault(json!({"effect": "slow", "ms": 300, "tool": "create", "name": "slow"}));
    run(&bench, RunOptions::default()).await;
    let order = order(&bench);
    let at = |what: &str| order.iter().position(|o| o == what).unwrap();
    assert!(at("start on-a") < at("end slow"), "{order:?}");
}

#[tokio::test]
async fn strict_waves_are_a_barrier() {
    let bench = Bench::new().await;
    bench.fault(json!({"effect": "slow", "ms": 300, "tool": "create", "name": "slow"}));
    run(&bench, RunOptions { hold_after: None, strict_waves: true }).await;
    let order = order(&bench);
    let at = |what: &str| order.iter().position(|o| o == what).unwrap();
    assert!(at("end slow") < at("start on-a"), "{order:?}");
}

#[tokio::test]
async fn a_hold_with_nobody_there_ends_the_run_and_a_resume_goes_on() {
    let bench = Bench::new().await;
    let summary = run(&bench, RunOptions { hold_after: Some(1), strict_waves: false }).await;
    assert_eq!((summary.done.len(), summary.skipped.len()), (2, 1));
    assert!(bench.events.0.lock().unwrap().iter().any(|e| matches!(e, Event::Held { wave: 1 })));
    let rest = bench.resume().await.unwrap();
    assert_eq!(rest.done.len(), 1);
    bench.settled(chain(&bench)).await;
}

/// How many steps were under way at the same time while twelve were made.
async fn at_once(bench: &Bench) -> i32 {
    bench.fault(json!({"effect": "slow", "ms": 50, "tool": "create"}));
    let many: Vec<_> = (0..12).map(|n| json!({"server": "docker", "type": "volume", "name": format!("v{n}"), "properties": {}})).collect();
    bench.done(bench.template(json!(many))).await;
    let (mut now, mut most) = (0i32, 0i32);
    for event in bench.events.0.lock().unwrap().iter() {
        match event {
            Event::StepStarted { .. } => now += 1,
            Event::StepEnded { .. } => now -= 1,
            _ => {}
        }
        most = most.max(now);
    }
    most
}

#[tokio::test]
async fn a_server_gets_no_more_calls_at_once_than_its_limit() {
    assert_eq!(at_once(&Bench::new().await).await, 4);
    // One that bears less gets less, and no step begins before its call can be sent.
    let bears = |most: &str| format!("[servers.docker]\nsandbox = \"docker\"\n{most}");
    assert_eq!(at_once(&Bench::configured(&bears("max_calls = 1")).await).await, 1);
    assert_eq!(at_once(&Bench::configured(&bears("max_calls = 9")).await).await, 4);
}
