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

#[tokio::test]
async fn an_output_that_changed_updates_who_uses_it_and_is_recorded_anew() {
    let bench = Bench::new().await;
    let wanted = || {
        named(
            "shop",
            json!([
                {"server": "docker", "type": "container:run", "name": "db", "properties": {"image": "redis:7"}},
                {"server": "docker", "type": "container:run", "name": "web", "properties": {"image": "redis:7", "environment": {"DB": "${docker:container:run:db.ip}"}}},
            ]),
            json!({"db": "${docker:container:run:db.ip}"}),
        )
    };
    let other = || {
        named(
            "front",
            json!([{"server": "docker", "type": "container:run", "name": "proxy", "properties": {"image": "redis:7", "environment": {"UP": "${@shop/docker:container:run:db.ip}"}}}]),
            json!({}),
        )
    };
    bench.done(wanted()).await;
    bench.done(other()).await;
    let set = |property: &str, value: &str| swell::sandbox::Poke::SetProperty { property: property.into(), value: json!(value) };
    // Nobody uses it, so it is no change.
    bench.world().poke("docker", "container:run", "db", set("hostname", "other")).unwrap();
    bench.settled(wanted()).await;

    bench.world().poke("docker", "container:run", "db", set("ip", "172.17.0.99")).unwrap();
    let drift = flow::drift(&bench.app, &"shop".parse().unwrap()).await.unwrap();
    let users: Vec<String> = drift[0].outputs[0].dependants.iter().map(ToString::to_string).collect();
    assert_eq!(users, ["docker:container:run:proxy of front", "output db of shop", "docker:container:run:web of shop"]);
    let review = bench.plan(wanted()).await.unwrap();
    assert_eq!(review.plan.refreshed.iter().map(|r| r.address.name.as_str()).collect::<Vec<_>>(), ["db"]);
    // The other deployment follows the value that the server gives now, not the one that is recorded.
    assert_eq!(bench.plan(other()).await.unwrap().plan.reads[0].used["ip"], json!("172.17.0.99"));

    let summary = bench.done(wanted()).await;
    assert_eq!(summary.outputs["db"], json!("172.17.0.99"));
    bench.settled(wanted()).await;
    bench.sound().await;
    let record = &bench.snapshot().await.resources[&"docker:container:run:db".parse().unwrap()];
    assert_eq!(record.outputs["ip"], json!("172.17.0.99"));
    let told =
        bench.events.0.lock().unwrap().iter().any(
            |e| matches!(e, swell::event::Event::Notice { text } if text.contains("proxy of front") && text.contains("swell plan front")),
        );
    assert!(told, "whoever is left behind in another deployment is named");
}

#[tokio::test]
async fn an_output_that_changes_after_the_review_makes_the_plan_stale() {
    let bench = Bench::new().await;
    let wanted = |memory: &str| {
        bench.template(json!([
            {"server": "docker", "type": "container:run", "name": "db", "properties": {"image": "redis:7"}},
            {"server": "docker", "type": "container:run", "name": "web", "properties": {"image": "redis:7", "memory": memory, "environment": {"DB": "${docker:container:run:db.ip}"}}},
        ]))
    };
    bench.done(wanted("64m")).await;
    let review = bench.plan(wanted("128m")).await.unwrap();
    let approved = swell::approval::approve(&review, swell::approval::Consent::Bounded { max_destroy: 9 }, bench.app.now()).unwrap();
    let poke = swell::sandbox::Poke::SetProperty { property: "ip".into(), value: json!("172.17.0.99") };
    bench.world().poke("docker", "container:run", "db", poke).unwrap();
    let failure = flow::apply(&bench.app, approved, flow::RunOptions::default()).await.unwrap_err();
    assert_eq!(failure.0[0].code, "plan::stale");
}
