use serde_json::json;

use super::*;
use crate::pattern::{Catalog, Pattern};

fn shipped(name: &str) -> std::sync::Arc<Pattern> {
    Catalog::shipped().get(name).unwrap().pattern.clone()
}

fn said(pairs: Value) -> IndexMap<String, Said> {
    let words = Provenance::Said { words: "so".into() };
    pairs.as_object().unwrap().iter().map(|(k, v)| (k.clone(), Said { value: v.clone(), provenance: words.clone() })).collect()
}

fn setting() -> Setting {
    let names: Vec<crate::domain::ServerName> = ["opnsense", "aws", "docker", "kubernetes"].iter().map(|n| n.parse().unwrap()).collect();
    Setting { available: Available::from_names(&names), deployment: None }
}

fn values(bound: &Bound) -> Value {
    bound.parameters.iter().map(|p| (p.name.clone(), p.value.clone())).collect::<Map<_, _>>().into()
}

#[test]
fn everything_is_settled_and_says_by_whom() {
    let bound =
        bind(&shipped("wordpress-ha"), said(json!({"domain": "HTTPS://Blog.Example.org/", "backup": "weekly"})), &setting()).unwrap();
    assert_eq!(bound.deployment.as_str(), "blog");
    assert_eq!(
        values(&bound),
        json!({
            "domain": "blog.example.org", "replicas": 2, "dbReplicas": 2, "backup.enabled": true, "backup.schedule": "weekly",
            "backup.retention": "14d", "wordpressVersion": "6.8", "wordpressImage": "wordpress", "databaseImage": "mariadb:11.4",
            "balancerImage": "haproxy:3.0", "vlanTag": 430, "trunk": "igc2", "httpPort": 8080,
            "dbPassword": "${secret:blog/dbPassword}", "dbRootPassword": "${secret:blog/dbRootPassword}",
            "replicationPassword": "${secret:blog/replicationPassword}", "loginKey": "${secret:blog/loginKey}",
        })
    );
    let of = |name: &str| bound.parameters.iter().find(|p| p.name == name).unwrap().provenance.clone();
    assert_eq!(of("dbReplicas"), Provenance::Default { reason: "one primary, one replica".into() });
    assert_eq!(of("backup.enabled"), Provenance::Said { words: "so".into() });
    assert_eq!(of("dbPassword"), Provenance::Generated);
    assert_eq!(bound.said().keys().collect::<Vec<_>>(), ["domain", "backup.enabled", "backup.schedule"]);
    let again = bind(&shipped("wordpress-ha"), bound.said(), &setting()).unwrap();
    assert_eq!(again, bound);
}

#[test]
fn values_come_into_the_form_of_the_pattern() {
    let given = json!({"domain": "shop.example.com", "paymentProcessor": "Authorize.net", "databases": "postgres, {x}", "monitoring": "off",
        "backup": {"retention": "2 weeks", "schedule": "0  3 * * *"}});
    let unbound = bind(&shipped("pci-compliant-ecommerce"), said(given), &setting()).unwrap_err();
    assert_eq!(unbound.diagnostics.len(), 1);
    assert!(unbound.diagnostics[0].detail.starts_with("`databases` must be one of postgresql"), "{}", unbound.diagnostics[0].detail);
    let given = json!({"domain": "shop.example.com", "paymentProcessor": "Authorize.net", "databases": [{"engine": "pg"}, "Mongo DB"], "monitoring": "off",
        "backup": {"retention": "2 weeks", "schedule": "0  3 * * *"}, "minInstances": "2"});
    let bound = bind(&shipped("pci-compliant-ecommerce"), said(given), &setting()).unwrap();
    assert_eq!(bound.get("paymentProcessor"), Some(&json!("authorize-net")));
    assert_eq!(bound.get("databases"), Some(&json!(["postgresql", "mongodb"])));
    assert_eq!(bound.get("monitoring"), Some(&json!(false)));
    assert_eq!(bound.get("backup.retention"), Some(&json!("14d")));
    assert_eq!(bound.get("backup.schedule"), Some(&json!("0 3 * * *")));
    assert_eq!(bound.get("paymentHosts"), Some(&json!(["api.authorize.net"])));
    assert_eq!(bound.get("appName"), Some(&json!("shop")));
    let bound = bind(&shipped("iot-edge"), said(json!({"sites": "4"})), &setting()).unwrap();
    assert_eq!((bound.get("sites"), bound.get("devices")), (Some(&json!(4)), Some(&json!(200))));
    let bound = bind(&shipped("iot-edge"), said(json!({"sites": "lyon, metz"})), &setting()).unwrap();
    assert_eq!(bound.get("sites"), Some(&json!(["lyon", "metz"])));
    let bound =
        bind(&shipped("secure-database-cluster"), said(json!({"engine": "maria", "version": 10.11, "backup": false})), &setting()).unwrap();
    assert_eq!((bound.get("version"), bound.get("backup.enabled")), (Some(&json!("10.11")), Some(&json!(false))));
    let bound = bind(&shipped("dev-environment"), said(json!({"stack": "Zig", "cache": false})), &setting()).unwrap();
    assert_eq!((bound.get("stack"), bound.get("cache")), (Some(&json!("zig")), Some(&json!("none"))));
}

#[test]
fn all_problems_come_together_each_with_its_question() {
    let given = json!({"replica": 3, "dbReplicas": 0, "backup": {"scheduel": "daily"}, "dbPassword": "hunter2"});
    let unbound = bind(&shipped("wordpress-ha"), said(given), &setting()).unwrap_err();
    let all: Vec<(&str, &str)> = unbound.diagnostics.iter().map(|d| (d.code, d.detail.as_str())).collect();
    assert_eq!(
        all,
        [
            ("pattern::unknown-parameter", "`wordpress-ha` has no parameter with the name `replica`."),
            ("pattern::unknown-parameter", "`wordpress-ha` has no parameter with the name `backup.scheduel`."),
            ("pattern::missing-parameter", "`wordpress-ha` needs `domain`."),
            ("pattern::invalid-value", "`dbReplicas` must be at least 1."),
            ("pattern::secret-in-clear", "`dbPassword` is a secret. Its value was given in clear text and has been dropped."),
        ]
    );
    assert_eq!(unbound.diagnostics[0].hints[0].text, "Did you mean `replicas`?");
    let asked: Vec<(&str, AskReason)> = unbound.questions.iter().map(|q| (q.about[0].as_str(), q.reason)).collect();
    assert_eq!(asked, [("domain", AskReason::MissingRequired), ("dbReplicas", AskReason::InvalidValue)]);
    assert_eq!(unbound.questions[0].text, "Which domain will it be served on?");
    assert!(!format!("{unbound:?}").contains("hunter2"));
}

#[test]
fn a_contradiction_is_a_question_about_both() {
    let given = json!({"domain": "a.example.org", "minInstances": 5, "maxInstances": 2});
    let unbound = bind(&shipped("load-balanced-web-app"), said(given), &setting()).unwrap_err();
    assert_eq!(unbound.questions.len(), 1);
    assert_eq!(
        (unbound.questions[0].reason, unbound.questions[0].about.clone()),
        (AskReason::Conflict, vec!["minInstances".into(), "maxInstances".into()])
    );
}

#[test]
fn a_secret_may_be_named_and_nothing_else_may_be_a_reference() {
    let given = json!({"domain": "a.example.org", "dbPassword": "${secret:vault/wp}"});
    let bound = bind(&shipped("wordpress-ha"), said(given), &setting()).unwrap();
    assert_eq!(bound.get("dbPassword"), Some(&json!("${secret:vault/wp}")));
    for bad in ["${secret:a}${secret:b}", "${docker:network:x.id}", "x${secret:a}", ""] {
        let given = json!({"domain": "a.example.org", "dbPassword": bad});
        assert_eq!(bind(&shipped("wordpress-ha"), said(given), &setting()).unwrap_err().diagnostics[0].code, "pattern::secret-in-clear");
    }
    let given = json!({"domain": "a.example.org", "trunk": "\u{1b}[2J"});
    assert_eq!(bind(&shipped("wordpress-ha"), said(given), &setting()).unwrap_err().diagnostics[0].code, "pattern::invalid-value");
}

#[test]
fn a_server_that_is_missing_is_named() {
    let setting = Setting::default();
    let unbound = bind(&shipped("dev-environment"), said(json!({"stack": "go"})), &setting).unwrap_err();
    assert_eq!(unbound.diagnostics[0].code, "pattern::requires");
    assert!(unbound.diagnostics[0].detail.contains("`docker:container:run`, and `docker:network`"));
}
