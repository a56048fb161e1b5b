use serde_json::json;

use super::support::Bench;

#[tokio::test]
async fn a_failed_step_skips_what_needs_it_and_nothing_else() {
    let bench = Bench::new().await;
    let wanted = || {
        bench.template(json!([
            {"server": "docker", "type": "network", "name": "a", "properties": {}},
            {"server": "docker", "type": "container:run", "name": "on-a", "properties": {"image": "redis:7", "network": "${docker:network:a.name}"}},
            {"server": "docker", "type": "network", "name": "b", "properties": {}},
            {"server": "docker", "type": "container:run", "name": "on-b", "properties": {"image": "redis:7", "network": "${docker:network:b.name}"}},
        ]))
    };
    bench.fault(json!({"effect": "fail", "class": "denied", "message": "quota is used up", "tool": "create", "name": "a", "times": 1}));
    let summary = bench.apply(wanted()).await.unwrap();
    let names = |all: &[swell::event::Ended]| all.iter().map(|e| e.address.name.to_string()).collect::<Vec<_>>();
    assert_eq!(names(&summary.failed), ["a"]);
    assert_eq!(summary.failed[0].reason.as_deref(), Some("quota is used up"));
    assert_eq!(names(&summary.skipped), ["on-a"]);
    let mut done = names(&summary.done);
    done.sort();
    assert_eq!(done, ["b", "on-b"]);
    assert_eq!(summary.skipped[0].reason.as_deref(), Some("it needs create docker:network:a, which failed"));

    let rest = bench.resume().await.unwrap();
    assert_eq!(rest.done.len(), 2);
    bench.settled(wanted()).await;
}
