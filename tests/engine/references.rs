use serde_json::{Value, json};
use swell::{flow, store::RunKind};

use super::support::{Bench, steps};

fn named(name: &str, resources: Value, outputs: Value) -> flow::Wanted {
    let text = json!({"name": name, "resources": resources, "outputs": outputs}).to_string();
    let template = swell::template::parse("t.json", &text, &Default::default()).unwrap();
    flow::of_template(template, RunKind::Apply, "test".into())
}

#[tokio::test]
async fn another_deployment_and_the_server_itself_are_looked_up() {
    let bench = Bench::new().await;
    bench
        .done(named(
            "net",
            json!([{"server": "opnsense", "type": "network:vlan", "name": "app", "properties": {"tag": 70, "interface": "igc2"}}]),
            json!({}),
        ))
        .await;

    // By its deployment, by address alone, with a shortened type, and live on the server.
    let shop = || {
        named(
            "shop",
            json!([
                {"server": "docker", "type": "container:run", "name": "one", "properties": {"image": "redis:7", "network": "${@net/opnsense:network:vlan:app.name}"}},
                {"server": "docker", "type": "container:run", "name": "two", "properties": {"image": "redis:7", "network": "${opnsense:network:vlan:app.name}"}},
                {"server": "docker", "type": "container:run", "name": "three", "properties": {"image": "redis:7", "network": "${opnsense:network:app.name}"}},
                {"server": "aws", "type": "ec2:instance", "name": "vm", "properties": {"instanceType": "t3.medium", "subnet": "${aws:vpc:subnet:private-1.id}"}},
            ]),
            json!({"subnet": "${aws:vpc:subnet:private-1.cidrBlock}"}),
        )
    };
    let review = bench.plan(shop()).await.unwrap();
    let reads: Vec<_> = review.plan.reads.iter().map(|r| (r.address.to_string(), r.found_in.as_ref().map(ToString::to_string))).collect();
    assert!(reads.contains(&("opnsense:network:vlan:app".to_owned(), Some("net".to_owned()))), "{reads:?}");
    assert!(reads.contains(&("aws:vpc:subnet:private-1".to_owned(), None)), "{reads:?}");
    bench.done(shop()).await;
    bench.settled(shop()).await;
}

#[tokio::test]
async fn an_existing_resource_is_read_and_never_changed() {
    let bench = Bench::new().await;
    let wanted = || {
        bench.template(json!([
            {"server": "aws", "type": "vpc:subnet", "name": "private-1", "existing": true},
            {"server": "aws", "type": "ec2:instance", "name": "vm", "properties": {"instanceType": "t3.medium", "subnet": "${aws:vpc:subnet:private-1.id}"}},
        ]))
    };
    let review = bench.plan(wanted()).await.unwrap();
    assert_eq!(steps(&review.plan), ["create aws:ec2:instance:vm"]);
    bench.done(wanted()).await;
    bench.settled(wanted()).await;
    bench.destroy().await;
    assert_eq!(bench.count("aws", "private-1").await, 1);
}

#[tokio::test]
async fn what_a_plan_looked_up_must_still_hold_when_it_is_applied() {
    let bench = Bench::new().await;
    let wanted = bench.template(json!([
        {"server": "aws", "type": "ec2:instance", "name": "vm", "properties": {"instanceType": "t3.medium", "subnet": "${aws:vpc:subnet:private-1.id}"}},
    ]));
    let review = bench.plan(wanted).await.unwrap();
    let approved = swell::approval::approve(&review, swell::approval::Consent::Bounded { max_destroy: 0 }, bench.app.now()).unwrap();
    bench.world().poke("aws", "vpc:subnet", "private-1", swell::sandbox::Poke::Delete).unwrap();
    let failure = flow::apply(&bench.app, approved, flow::RunOptions::default()).await.unwrap_err();
    assert_eq!(failure.0[0].code, "plan::stale");
    assert_eq!(bench.count("aws", "vm").await, 0);
}

#[tokio::test]
async fn every_problem_is_reported_before_anything_runs() {
    let bench = Bench::new().await;
    let wanted = bench.template(json!([
        {"server": "docker", "type": "contaner:run", "name": "a", "properties": {}},
        {"server": "dockr", "type": "container:run", "name": "b", "properties": {}},
        {"server": "docker", "type": "container:run", "name": "c", "properties": {"image": "redis:7", "memroy": "1g", "network": "${docker:network:nowhere.name}"}},
        {"server": "docker", "type": "network", "name": "x", "properties": {}, "depends_on": ["docker:network:y"]},
        {"server": "docker", "type": "network", "name": "y", "properties": {}, "depends_on": ["docker:network:x"]},
    ]));
    let failure = bench.plan(wanted).await.unwrap_err();
    let codes: std::collections::BTreeSet<_> = failure.0.iter().map(|d| d.code).collect();
    assert!(codes.len() >= 5, "{codes:?}");
    assert_eq!(bench.count("docker", "x").await, 0);
}
