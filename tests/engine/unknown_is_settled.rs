use serde_json::json;

use super::support::Bench;

fn container(bench: &Bench) -> swell::flow::Wanted {
    bench.template(json!([{"server": "docker", "type": "container:run", "name": "db", "properties": {"image": "redis:7"}}]))
}

#[tokio::test]
async fn a_create_that_was_done_and_not_answered_is_read_back_in_the_same_run() {
    let bench = Bench::new().await;
    bench.fault(json!({"effect": "timeout_after_commit", "tool": "create", "name": "db", "times": 1}));
    bench.done(container(&bench)).await;
    assert_eq!(bench.count("docker", "db").await, 1);
    bench.settled(container(&bench)).await;
}

#[tokio::test]
async fn a_create_that_was_not_done_ends_unknown_and_a_resume_makes_it_once() {
    let bench = Bench::new().await;
    bench.fault(json!({"effect": "hang", "tool": "create", "name": "db", "times": 1}));
    let summary = bench.apply(container(&bench)).await.unwrap();
    assert_eq!(summary.unknown.len(), 1);
    assert_eq!(bench.snapshot().await.unsettled.len(), 1);
    let rest = bench.resume().await.unwrap();
    assert_eq!(rest.done.len(), 1);
    assert_eq!(bench.count("docker", "db").await, 1);
    bench.settled(container(&bench)).await;
}

#[tokio::test]
async fn a_delete_that_was_done_and_not_answered_is_settled() {
    let bench = Bench::new().await;
    bench.done(container(&bench)).await;
    bench.fault(json!({"effect": "timeout_after_commit", "tool": "delete", "name": "db", "times": 1}));
    let summary = bench.destroy().await;
    assert_eq!((summary.done.len(), summary.unknown.len()), (1, 0));
    bench.sound().await;
}

#[tokio::test]
async fn the_second_stop_leaves_unknown_and_a_resume_settles_it() {
    let bench = Bench::new().await;
    bench.fault(json!({"effect": "slow", "ms": 30_000, "tool": "create", "name": "db", "times": 1}));
    let review = bench.plan(container(&bench)).await.unwrap();
    let swell::flow::Decided::Approved(approved) = swell::flow::decide(&bench.app, &review).await.unwrap() else { panic!("not approved") };
    let stop = async {
        // Wait until the call is in flight.
        while !bench.events.0.lock().unwrap().iter().any(|e| matches!(e, swell::event::Event::StepStarted { .. })) {
            tokio::task::yield_now().await;
        }
        bench.stop.send_replace(1);
        while !bench.events.0.lock().unwrap().iter().any(|e| matches!(e, swell::event::Event::Stopping { stage: 1, .. })) {
            tokio::task::yield_now().await;
        }
        bench.stop.send_replace(2);
    };
    let (summary, ()) = tokio::join!(swell::flow::apply(&bench.app, *approved, swell::flow::RunOptions::default()), stop);
    let summary = summary.unwrap();
    assert!(summary.interrupted);
    assert_eq!(summary.unknown.len(), 1);
    bench.sound().await;

    let again = Bench::over(bench.dir.clone()).await;
    again.world().clear_faults().unwrap();
    again.resume().await.unwrap();
    assert_eq!(again.count("docker", "db").await, 1);
    again.settled(container(&again)).await;
}
