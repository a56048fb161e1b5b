//! One test for each kind of question, over a real deployment in the sandbox.

use serde_json::json;

use crate::{
    inspect::testing::{Desk, whole},
    intent::Facet,
    sandbox::Poke,
};

async fn blog() -> Desk {
    let desk = Desk::new().await;
    desk.apply_pattern("wordpress-ha", json!({"domain": "blog.example.org", "replicas": 3})).await;
    desk
}

#[tokio::test]
async fn nothing_deployed_and_names_that_are_not_there() {
    let desk = Desk::new().await;
    assert_eq!(desk.ask(Facet::Status, None, "what is running?").await.headline, "Nothing is deployed.");
    desk.apply(&Desk::shop()).await;
    let a = desk.ask(Facet::Status, None, "is shpo-web up?").await;
    assert_eq!(a.headline, "No deployment or resource is called `shpo-web`.");
    assert!(a.lines[0].contains("`shop-web`"), "{:?}", a.lines);
    assert_eq!(desk.ask(Facet::Status, None, "is blog up?").await.headline, "No deployment or resource is called `blog`.");
}

#[tokio::test]
async fn status_of_all_of_one_and_of_a_resource() {
    let desk = blog().await;
    desk.apply(&Desk::shop()).await;
    let a = desk.ask(Facet::Status, None, "what is running?").await;
    assert_eq!(a.headline, "There are 2 deployments, and nothing is wrong with any.");
    assert_eq!(a.data["deployments"][0]["deployment"], "blog");
    assert!(a.lines.iter().any(|l| l.contains("wordpress-ha") && l.contains("22 well")), "{:?}", a.lines);

    let a = desk.ask(Facet::Status, Some("blog"), "is the blog up?").await;
    assert_eq!(a.headline, "Yes: blog is up: all 22 resources are there, and no server finds fault with any.");

    desk.poke("docker:container:run:shop-db", Poke::Kill);
    let a = desk.ask(Facet::Status, Some("shop"), "is shop up?").await;
    assert!(a.headline.starts_with("No: shop is not well: 1 well, 2 unhealthy of 3 resources"), "{}", a.headline);
    let a = desk.ask(Facet::Status, Some("shop-db"), "how is container shop-db?").await;
    assert!(a.headline.starts_with("docker:container:run:shop-db: failed: docker says \"exited with code 137"), "{}", a.headline);
    let a = desk.ask(Facet::Status, None, "which deployments are unhealthy?").await;
    assert_eq!(a.headline, "There are 2 deployments; shop is not well.");
}

#[tokio::test]
async fn things_by_what_they_are() {
    let desk = blog().await;
    let a = desk.ask(Facet::Other, None, "how many databases do we have?").await;
    assert_eq!(a.headline, "2 resources for \"database\": blog-db-1 and blog-db-2; all are well.");
    let a = desk.ask(Facet::Metrics, Some("blog"), "is the load balancer of blog healthy?").await;
    assert!(a.headline.starts_with("Yes: 2 resources for \"load balancer\""), "{}", a.headline);
    let a = desk.ask(Facet::Other, None, "what do we have in us-east-1?").await;
    assert_eq!(a.headline, "Nothing that Swell recorded is in us-east-1.");
}

#[tokio::test]
async fn configuration_picks_what_was_asked() {
    let desk = blog().await;
    let a = desk.ask(Facet::Configuration, Some("blog"), "how many replicas does blog have?").await;
    assert_eq!(a.headline, "blog: replicas = 3.");
    let a = desk.ask(Facet::Configuration, Some("blog"), "what is the backup schedule of blog?").await;
    assert_eq!(a.headline, "blog: backup.schedule = daily.");
    assert!(a.lines[0].contains("default:"), "{:?}", a.lines);
    let a = desk.ask(Facet::Configuration, Some("blog"), "how is blog configured?").await;
    assert!(a.headline.contains("pattern wordpress-ha") && a.data["parameters"].as_array().unwrap().len() > 8, "{a:?}");
    let a = desk.ask(Facet::Configuration, Some("blog"), "which image does blog-web-1 run?").await;
    assert_eq!(a.headline, "docker:container:run:blog-web-1: image = wordpress:6.8.");
}

#[tokio::test]
async fn secrets_are_never_in_an_answer() {
    let desk = Desk::new().await;
    desk.apply(&Desk::shop()).await;
    for (facet, text) in [
        (Facet::Configuration, "what is the secret environment of shop-db?"),
        (Facet::Configuration, "all properties of shop-db"),
        (Facet::Endpoints, "how do I reach shop-db?"),
        (Facet::Status, "how is shop-db?"),
        (Facet::Logs, "logs of shop-db"),
    ] {
        let a = desk.ask(facet, Some("shop"), text).await;
        assert!(!whole(&a).contains("canary-7f3c2a91"), "{text}: {}", whole(&a));
    }
}

#[tokio::test]
async fn endpoints_history_and_backups() {
    let desk = blog().await;
    let a = desk.ask(Facet::Endpoints, Some("blog"), "what is the url of blog?").await;
    assert_eq!(a.headline, "blog: url = https://blog.example.org.");
    let a = desk.ask(Facet::History, Some("blog"), "what changed on blog and who did it?").await;
    assert!(a.headline.starts_with("blog was last changed 2026-11-23 08:00 UTC by test@desk (apply: 22 done)"), "{}", a.headline);
    assert!(a.lines.iter().any(|l| l.contains("+   docker:container:run:blog-db-1")), "{:?}", a.lines);
    let a = desk.ask(Facet::Backups, Some("blog"), "are backups on?").await;
    assert_eq!(a.headline, "Backups are set up for blog; whether one can be restored is not verified by Swell.");
    assert_eq!(a.data["restore_verified"], false);
}

#[tokio::test]
async fn a_change_is_told_property_by_property() {
    let desk = Desk::new().await;
    desk.apply(&Desk::shop()).await;
    let mut next = Desk::shop();
    next["resources"][2]["properties"]["memory"] = json!("1g");
    desk.apply(&next).await;
    let a = desk.ask(Facet::History, Some("shop"), "what changed?").await;
    assert!(a.lines[0].contains("~   docker:container:run:shop-web  memory: 512m -> 1g"), "{:?}", a.lines);
}

#[tokio::test]
async fn drift_and_logs() {
    let desk = blog().await;
    let a = desk.ask(Facet::Drift, None, "has anything drifted?").await;
    assert_eq!(a.headline, "Nothing drifted: 22 resources of blog are as recorded.");
    desk.poke("opnsense:haproxy:backend:blog-web", Poke::SetProperty { property: "balance".into(), value: json!("roundrobin") });
    let a = desk.ask(Facet::Drift, Some("blog"), "has blog drifted?").await;
    assert!(a.lines[0].contains("opnsense:haproxy:backend:blog-web  balance: leastconn -> roundrobin"), "{:?}", a.lines);
    let a = desk.ask(Facet::Logs, Some("blog"), "show the logs of blog-db-1").await;
    assert!(a.evidence.iter().all(|e| e.source.starts_with("docker:container:run:blog-db-1") && e.text.starts_with("docker says: \"")));
    assert!(!a.evidence.is_empty());
}

#[tokio::test]
async fn what_is_not_measured_is_said() {
    let desk = blog().await;
    let a = desk.ask(Facet::Metrics, Some("blog"), "how much cpu does blog use?").await;
    assert_eq!((a.headline.as_str(), &a.data["measured"]), ("That is not measured by Swell.", &json!(false)));
    let a = desk.ask(Facet::Cost, Some("blog"), "what does blog cost?").await;
    assert_eq!(a.headline, "Swell does not know what anything costs.");
}

#[tokio::test]
async fn help_and_servers() {
    let desk = Desk::new().await;
    let a = desk.ask(Facet::Help, None, "what parameters does the wordpress-ha pattern take?").await;
    assert!(a.headline.starts_with("wordpress-ha: "), "{}", a.headline);
    assert!(a.lines.iter().any(|l| l.contains("domain") && l.contains("required")), "{:?}", a.lines);
    let a = desk.ask(Facet::Help, None, "what can you do?").await;
    assert!(a.lines.iter().any(|l| l.contains("iot-edge")), "{:?}", a.lines);
    let a = desk.ask(Facet::Servers, None, "which servers are connected?").await;
    assert_eq!(a.headline, "4 servers are registered, and all are well.");
}
