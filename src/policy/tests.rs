//! The shipped policies hold what they say, and a broken one is never passed over.

use serde_json::json;

use super::*;
use crate::{
    domain::{Action, Properties},
    plan::{Plan, Step, Verdict},
    store::{Recipe, Recorded, RunKind},
};

fn plan(steps: Vec<Step>) -> Plan {
    serde_json::from_value(json!({
        "format": 1, "deployment": "blog", "kind": RunKind::Apply, "request": "", "base": 0, "targets": [], "steps": steps, "edges": [],
        "waves": [], "reads": [], "kept": [], "settled": [], "drift": [], "recipe": Recipe::default(), "outputs": {}, "notes": [],
        "undo": [], "parameters": [], "policy": [], "generate": [],
    }))
    .unwrap()
}

fn record(address: &str, properties: serde_json::Value, sensitive: &[&str]) -> Recorded {
    let properties: Properties = serde_json::from_value(properties).unwrap();
    serde_json::from_value(json!({
        "address": address, "id": "", "desired": properties, "sent": {}, "properties": properties, "outputs": {}, "target": "",
        "sensitive": sensitive,
    }))
    .unwrap()
}

fn step(address: &str, action: Action, properties: serde_json::Value, sensitive: &[&str]) -> Step {
    let record = record(address, properties, sensitive);
    let (intended, before) = if action == Action::Delete { (None, Some(record)) } else { (Some(record), None) };
    serde_json::from_value(json!({"address": address, "action": action, "intended": intended, "before": before})).unwrap()
}

fn one(text: &str) -> Policies {
    let mut policies = Policies::default();
    policies.insert(file::parse("p.yaml", text).unwrap());
    policies
}

#[test]
fn every_shipped_policy_passes_its_own_cases() {
    let policies = Policies::load(&[]).unwrap();
    assert_eq!(policies.iter().count(), 10);
    for policy in policies.iter() {
        assert_eq!(test(policy), Vec::<String>::new());
        for verdict in [true, false] {
            assert!(policy.tests.iter().any(|t| (t.expect == Verdict::Pass) == verdict), "{} needs both kinds of cases", policy.name);
        }
    }
}

#[test]
fn results_come_in_the_order_of_names_and_are_the_same_again() {
    let plan = plan(vec![
        step("opnsense:firewall:rule:b", Action::Create, json!({"interface": "wan", "port": 443}), &[]),
        step("opnsense:firewall:rule:a", Action::Create, json!({"interface": "wan", "port": 80}), &[]),
    ]);
    let results = evaluate(&plan, &Policies::shipped());
    let names: Vec<&str> = results.iter().map(|r| r.policy.as_str()).collect();
    assert!(names.is_sorted() && names.len() == 10);
    assert_eq!(results, evaluate(&plan, &Policies::shipped()));
    let warned: Vec<_> = results.iter().filter(|r| r.verdict == Verdict::Warn).collect();
    assert_eq!(warned.len(), 1);
    assert_eq!(
        warned[0].findings,
        ["443 open to the world on opnsense:firewall:rule:b", "80 open to the world on opnsense:firewall:rule:a"]
    );
}

#[test]
fn a_replace_is_one_step() {
    let mut steps = vec![step("docker:volume:d", Action::Delete, json!({}), &[]), step("docker:volume:d", Action::Create, json!({}), &[])];
    steps.iter_mut().for_each(|s| s.replace = Some("driver changed".into()));
    steps[0].loses_data = true;
    let results = evaluate(&plan(steps), &Policies::shipped());
    let found: Vec<&str> = results.iter().flat_map(|r| &r.findings).map(String::as_str).collect();
    assert_eq!(found, ["replace of docker:volume:d loses its data"]);
}

#[test]
fn a_rule_cannot_show_a_sensitive_literal() {
    let policies =
        one("policy: leak\ndescription: d\nlevel: warn\nrules:\n  - when: properties.a\n    message: '{{ properties }} {{ before }}'\n");
    let steps = vec![step("docker:x:y", Action::Create, json!({"a": {"b": ["canary", 7]}, "c": "${secret:X}"}), &["a", "c"])];
    let text = evaluate(&plan(steps), &policies)[0].findings.join(" ");
    assert!(!text.contains("canary") && !text.contains('7') && text.contains(LITERAL) && text.contains("${secret:X}"), "{text}");
}

#[test]
fn a_missing_key_is_undefined_at_any_depth() {
    let rule = |when: &str| {
        let text = format!("policy: p\ndescription: d\nlevel: warn\nrules:\n  - when: \"{when}\"\n    message: found {{{{ a.b.c }}}}.\n");
        evaluate(&plan(vec![step("docker:x:y", Action::Create, json!({"n": 0}), &[])]), &one(&text)).remove(0)
    };
    assert_eq!(rule("properties.a.b.c").verdict, Verdict::Pass);
    assert_eq!(rule("properties.a.b == 1").verdict, Verdict::Pass);
    assert_eq!(rule("(properties.a.b or 5) == 5").findings, ["found ."]);
    assert_eq!(rule("properties.n == 0").verdict, Verdict::Warn);
}

#[test]
fn a_rule_that_cannot_be_evaluated_is_a_finding() {
    for when in ["1 / 0 > 0", "properties.n.upper()", "range(100000000) | length > 1"] {
        let text = format!("policy: p\ndescription: d\nlevel: deny\nrules:\n  - when: \"{when}\"\n    message: m\n");
        let result = evaluate(&plan(vec![step("docker:x:y", Action::Create, json!({"n": 0}), &[])]), &one(&text)).remove(0);
        assert_eq!(result.verdict, Verdict::Deny, "{when}");
        assert!(result.findings[0].contains("cannot be held against"), "{result:?}");
    }
}

#[test]
fn fuel_bounds_a_rule() {
    let text = "policy: p\ndescription: d\nlevel: warn\nrules:\n  - when: true\n    message: \"{% for a in properties.l %}{% for b in properties.l %}{% for c in properties.l %}x{% endfor %}{% endfor %}{% endfor %}\"\n";
    let list: Vec<u32> = (0..500).collect();
    let result = evaluate(&plan(vec![step("docker:x:y", Action::Create, json!({"l": list}), &[])]), &one(text)).remove(0);
    assert!(result.findings[0].contains("cannot be held"), "{:?}", result.findings[0]);
}

#[test]
fn a_folder_overrides_and_turns_off() {
    let folder = tempfile::tempdir().unwrap();
    let write = |name: &str, text: &str| std::fs::write(folder.path().join(name), text).unwrap();
    write("a.yaml", "policy: latest-image-tag\ndescription: d\nlevel: off\nrules: [{when: 'true', message: m}]\n");
    write("b.yaml", "policy: own\ndescription: d\nlevel: warn\nrules: [{types: ['docker:*'], when: 'true', message: 'no {{ type }}'}]\n");
    write("notes.txt", "not a policy");
    let policies = Policies::load(&[folder.path().to_owned(), folder.path().join("missing")]).unwrap();
    let results = evaluate(&plan(vec![step("docker:container:run:x", Action::Create, json!({"image": "nginx"}), &[])]), &policies);
    assert_eq!(results.iter().flat_map(|r| &r.findings).collect::<Vec<_>>(), ["no container:run"]);
    assert!(results.iter().all(|r| r.policy != "latest-image-tag"));
}

#[test]
fn a_broken_file_is_named_and_nothing_is_planned() {
    let folder = tempfile::tempdir().unwrap();
    for (name, text) in [
        ("a.yaml", "policy: a\ndescription: d\nlevel: warn\nrules:\n  - when: 'a b c'\n    message: m\n"),
        ("b.yaml", "policy: b\ndescription: d\nlevel: warn\nruls: []\n"),
        ("c.yaml", "policy: c\ndescription: d\nlevel: warn\nrules: []\n"),
        ("d.yaml", "policy: 'D d'\ndescription: d\nlevel: warn\nrules: [{when: 'true', message: m}]\n"),
        ("e.yaml", "a: [\n"),
    ] {
        std::fs::write(folder.path().join(name), text).unwrap();
    }
    let failure = Policies::load(&[folder.path().to_owned()]).unwrap_err();
    assert_eq!(failure.0.len(), 5);
    assert!(failure.0.iter().all(|d| d.code == "policy::invalid" && d.state == "Nothing was planned."));
    assert_eq!(failure.0[0].source.as_ref().map(|s| (s.line, s.text.as_str())), Some((5, "  - when: 'a b c'")));
}
