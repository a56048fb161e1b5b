use std::collections::BTreeSet;

use serde_json::json;

use super::support::{Bench, steps};

fn base(image: &str, tag: u64, memory: &str) -> serde_json::Value {
    json!([
        {"server": "opnsense", "type": "network:vlan", "name": "net", "properties": {"tag": tag, "interface": "igc2"}},
        {"server": "docker", "type": "volume", "name": "data", "properties": {}},
        {"server": "docker", "type": "container:run", "name": "db", "properties": {
            "image": image, "network": "${opnsense:network:vlan:net.name}", "memory": memory, "volumes": ["${docker:volume:data.name}:/var/lib/data"]
        }},
    ])
}

#[tokio::test]
async fn each_action_does_what_the_plan_says() {
    let bench = Bench::new().await;
    let review = bench.plan(bench.template(base("redis:7", 50, "256m"))).await.unwrap();
    assert_eq!(steps(&review.plan), ["create opnsense:network:vlan:net", "create docker:volume:data", "create docker:container:run:db"]);
    bench.done(bench.template(base("redis:7", 50, "256m"))).await;
    bench.settled(bench.template(base("redis:7", 50, "256m"))).await;

    // In place.
    let review = bench.plan(bench.template(base("redis:7", 50, "512m"))).await.unwrap();
    assert_eq!(steps(&review.plan), ["update docker:container:run:db"]);
    bench.done(bench.template(base("redis:7", 50, "512m"))).await;

    // A property that forces a replace, and only that resource.
    let review = bench.plan(bench.template(base("postgres:15", 50, "512m"))).await.unwrap();
    assert_eq!(steps(&review.plan), ["delete (replace) docker:container:run:db", "create (replace) docker:container:run:db"]);
    bench.done(bench.template(base("postgres:15", 50, "512m"))).await;
    bench.settled(bench.template(base("postgres:15", 50, "512m"))).await;

    // What is no longer wanted goes, dependents first.
    let rest = json!([{"server": "docker", "type": "volume", "name": "data", "properties": {}}]);
    let review = bench.plan(bench.template(rest.clone())).await.unwrap();
    assert_eq!(steps(&review.plan), ["delete docker:container:run:db", "delete opnsense:network:vlan:net"]);
    bench.done(bench.template(rest.clone())).await;
    bench.settled(bench.template(rest)).await;

    let summary = bench.destroy().await;
    assert_eq!(summary.done.len(), 1);
    assert_eq!(bench.count("docker", "data").await, 0);
    bench.sound().await;
}

#[tokio::test]
async fn drift_is_found_and_put_right() {
    let bench = Bench::new().await;
    bench.done(bench.template(base("redis:7", 50, "256m"))).await;
    let world = bench.world();
    world
        .poke("docker", "container:run", "db", swell::sandbox::Poke::SetProperty { property: "memory".into(), value: json!("64m") })
        .unwrap();
    world.poke("opnsense", "network:vlan", "net", swell::sandbox::Poke::Delete).unwrap();

    let drift = swell::flow::drift(&bench.app, &"shop".parse().unwrap()).await.unwrap();
    let seen: Vec<_> =
        drift.iter().map(|d| (d.address.to_string(), d.gone, d.changes.iter().map(|c| c.path.to_string()).collect::<Vec<_>>())).collect();
    assert_eq!(
        seen,
        [("docker:container:run:db".to_owned(), false, vec!["memory".to_owned()]), ("opnsense:network:vlan:net".to_owned(), true, vec![])]
    );

    bench.done(bench.template(base("redis:7", 50, "256m"))).await;
    bench.settled(bench.template(base("redis:7", 50, "256m"))).await;
}

#[tokio::test]
async fn a_rollback_is_a_plan_towards_the_older_snapshot() {
    let bench = Bench::new().await;
    bench.done(bench.template(base("redis:7", 50, "256m"))).await;
    bench.done(bench.template(base("redis:7", 51, "512m"))).await;
    let older = swell::flow::older(&bench.app, &"shop".parse().unwrap(), Some(1)).await.unwrap();
    let wanted = || swell::flow::from_snapshot(&older, swell::store::RunKind::Rollback, "rollback".into());
    bench.done(wanted()).await;
    assert_eq!(bench.snapshot().await.number, 3);
    bench.settled(bench.template(base("redis:7", 50, "256m"))).await;
}

#[tokio::test]
async fn what_exists_already_is_refused_and_can_be_adopted() {
    let bench = Bench::new().await;
    let wanted =
        || bench.template(json!([{"server": "aws", "type": "vpc:vpc", "name": "main", "properties": {"cidrBlock": "10.0.0.0/16"}}]));
    let failure = bench.plan(wanted()).await.unwrap_err();
    assert_eq!(failure.0[0].code, "plan::exists");
    let mut adopt = wanted();
    adopt.foreign = swell::plan::build::Foreign::Adopt;
    let review = bench.plan(adopt.clone()).await.unwrap();
    assert_eq!(steps(&review.plan)[0], "adopt aws:vpc:vpc:main");
    bench.done(adopt).await;
    bench.settled(wanted()).await;
}

#[tokio::test]
async fn what_another_deployment_manages_is_not_taken_over() {
    let bench = Bench::new().await;
    let resources = json!([{"server": "docker", "type": "network", "name": "lan", "properties": {}}]);
    bench.done(bench.template(resources.clone())).await;
    let mut other = bench.template(resources);
    other.template.name = "other".parse().unwrap();
    for foreign in [swell::plan::build::Foreign::Refuse, swell::plan::build::Foreign::Adopt] {
        let mut other = other.clone();
        other.foreign = foreign;
        let failure = bench.plan(other).await.unwrap_err();
        assert_eq!(failure.0.iter().map(|d| d.code).collect::<Vec<_>>(), ["plan::held"]);
        assert!(failure.0[0].facts.contains(&("managed by", "shop".to_owned())));
    }
    // What nobody manages any more can be taken over.
    bench.destroy().await;
    assert_eq!(steps(&bench.plan(other).await.unwrap().plan), ["create docker:network:lan"]);
}

#[tokio::test]
async fn what_someone_made_anew_under_a_recorded_name_is_told_and_can_be_adopted() {
    let bench = Bench::new().await;
    let wanted = || bench.template(json!([{"server": "docker", "type": "network", "name": "lan", "properties": {"driver": "bridge"}}]));
    bench.done(wanted()).await;
    bench.world().poke("docker", "network", "lan", swell::sandbox::Poke::Delete).unwrap();
    // Nobody made it anew: it is made again.
    assert_eq!(steps(&bench.plan(wanted()).await.unwrap().plan), ["create docker:network:lan"]);
    let docker = bench.app.servers().get(&"docker".parse().unwrap()).unwrap().clone();
    let properties = json!({"driver": "bridge"}).as_object().unwrap().clone();
    let stranger = swell::mcp::CallControl::read();
    docker.create(&"network".parse().unwrap(), &"lan".parse().unwrap(), &properties, "a stranger's", &stranger).await.unwrap();
    let failure = bench.plan(wanted()).await.unwrap_err();
    assert_eq!(failure.0[0].code, "plan::made-anew");
    let mut adopt = wanted();
    adopt.foreign = swell::plan::build::Foreign::Adopt;
    assert_eq!(steps(&bench.plan(adopt.clone()).await.unwrap().plan), ["adopt docker:network:lan"]);
    bench.done(adopt).await;
    bench.settled(wanted()).await;
}

#[tokio::test]
async fn what_shall_be_made_anew_is_replaced_though_nothing_differs() {
    let bench = Bench::new().await;
    let wanted = || bench.template(base("redis:7", 50, "256m"));
    bench.done(wanted()).await;
    let mut anew = wanted();
    anew.replace = BTreeSet::from(["docker:container:run:db".parse().unwrap()]);
    let review = bench.plan(anew.clone()).await.unwrap();
    assert_eq!((review.counts.replace, review.counts.add, review.counts.change), (1, 0, 0), "{:?}", steps(&review.plan));
    let before = bench.snapshot().await;
    bench.done(anew).await;
    let (old, new) = (before, bench.snapshot().await);
    let id = |s: &swell::store::Snapshot| s.resources[&"docker:container:run:db".parse().unwrap()].id.clone();
    assert_ne!(id(&old), id(&new));
    // The wish holds for one plan.
    bench.settled(wanted()).await;
    for missing in ["docker:container:run:dbx", "docker:network:other"] {
        let mut anew = wanted();
        anew.replace = BTreeSet::from([missing.parse().unwrap()]);
        let failure = bench.plan(anew).await.unwrap_err();
        assert_eq!(failure.0[0].code, "plan::replace-nothing", "{missing}");
    }
}

#[tokio::test]
async fn the_same_inputs_give_the_same_bytes() {
    let bench = Bench::new().await;
    let one = bench.plan(bench.pattern("wordpress-ha", json!({"domain": "blog.example.org"})).await).await.unwrap();
    let two = bench.plan(bench.pattern("wordpress-ha", json!({"domain": "blog.example.org"})).await).await.unwrap();
    assert_eq!(one.plan.bytes(), two.plan.bytes());
    assert_eq!(one.digest, two.digest);
}

#[tokio::test]
async fn a_success_whose_properties_did_not_arrive_has_failed() {
    let bench = Bench::new().await;
    let backend = |servers: serde_json::Value| {
        bench.template(json!([
            {"server": "opnsense", "type": "haproxy:backend", "name": "web", "properties": {"servers": servers}},
            {"server": "opnsense", "type": "haproxy:frontend", "name": "in", "properties": {"backend": "${opnsense:haproxy:backend:web.name}"}},
        ]))
    };
    bench.fault(json!({"server": "opnsense", "tool": "create", "name": "web", "times": 1, "effect": "false_success", "property": "servers", "value": []}));
    let summary = bench.apply(backend(json!(["10.0.0.9:80"]))).await.unwrap();
    let (failed, why) = summary.failed.first().map(|f| (f.address.to_string(), f.reason.clone().unwrap_or_default())).unwrap();
    assert_eq!(failed, "opnsense:haproxy:backend:web");
    assert!(why.contains(r#"`servers` is [], and ["10.0.0.9:80"] was wanted"#), "{why}");
    // What needs it was not made, what is there is recorded, and planning again brings the rest.
    assert_eq!(summary.skipped.len(), 1);
    let review = bench.plan(backend(json!(["10.0.0.9:80"]))).await.unwrap();
    assert_eq!(steps(&review.plan), ["update opnsense:haproxy:backend:web", "create opnsense:haproxy:frontend:in"]);
    bench.done(backend(json!(["10.0.0.9:80"]))).await;
    bench.settled(backend(json!(["10.0.0.9:80"]))).await;
    // An update too.
    bench.fault(json!({"server": "opnsense", "tool": "update", "name": "web", "times": 1, "effect": "false_success", "property": "balance", "value": "source"}));
    let changed = bench.template(json!([
        {"server": "opnsense", "type": "haproxy:backend", "name": "web", "properties": {"servers": ["10.0.0.9:80"], "balance": "leastconn"}},
        {"server": "opnsense", "type": "haproxy:frontend", "name": "in", "properties": {"backend": "web"}},
    ]));
    let summary = bench.apply(changed).await.unwrap();
    assert_eq!(summary.failed.len(), 1, "{summary:?}");
    bench.sound().await;
}
