//! Checks that the fixtures do not show: leniency towards references, broken schemas, many resources.

use proptest::prelude::*;
use serde_json::{Value, json};

use super::*;
use crate::template::{Origin, parse};

struct Nothing;

impl KnownAddresses for Nothing {
    fn find(&self, _: &Scope, _: &Address) -> Found {
        Found::NotAsked
    }
}

fn types(definitions: Value) -> Types {
    let all: Vec<TypeDef> = serde_json::from_value(definitions).unwrap();
    BTreeMap::from([("docker".parse().unwrap(), Arc::new(all.into_iter().map(|d| (d.kind.clone(), d)).collect()))])
}

fn codes(schema: Value, properties: &str) -> Vec<(&'static str, Severity)> {
    let text = format!(
        "resources:\n- {{server: docker, type: t, name: o}}\n- {{server: docker, type: t, name: x, existing: true}}\n\
         - server: docker\n  type: t\n  name: n\n  properties: {properties}\n"
    );
    let template = parse("a.yaml", &text, &Default::default()).unwrap();
    check(&template, &types(json!([{"type": "t", "properties": schema}])), &Nothing).iter().map(|d| (d.code, d.severity)).collect()
}

#[test]
fn references_are_taken_leniently() {
    let schema = json!({"properties": {
        "port": {"type": "integer", "minimum": 1}, "image": {"type": "string", "pattern": "^[a-z]+$", "maxLength": 3},
        "list": {"type": "array", "items": {"type": "integer"}, "uniqueItems": true, "maxItems": 2},
        "either": {"oneOf": [{"type": "object", "required": ["a"], "properties": {"a": {"type": "integer"}}}, {"type": "boolean"}]},
    }});
    let ok = |properties: &str| assert_eq!(codes(schema.clone(), properties), [], "{properties}");
    let no = |properties: &str| {
        assert_eq!(codes(schema.clone(), properties), [("template::invalid-property", Severity::Error)], "{properties}");
    };
    ok("{port: \"${docker:t:o.id}\", image: \"${docker:t:o.id}\"}");
    ok("{image: \"X-${docker:t:o.id}\"}");
    ok("{list: [\"${docker:t:o.a}\", \"${docker:t:o.a}\"], either: {a: \"${docker:t:o.id}\"}}");
    ok("{list: \"${docker:t:o.id}\", either: \"${docker:t:o.id}\"}");
    ok("{port: ~}");
    no("{port: \"1-${docker:t:o.id}\"}");
    no("{port: \"${secret:x}\"}");
    no("{image: ABC}");
    no("{list: [\"${docker:t:o.a}\", 1, 2]}");
    no("{either: {a: x}}");
    // What is escaped is checked as what it will be.
    assert_eq!(codes(json!({"properties": {"a": {"pattern": "^\\$\\{b\\}$"}}}), "{a: \"$${b}\"}"), []);
}

#[test]
fn an_existing_resource_may_be_looked_up_by_part_of_its_properties() {
    assert_eq!(
        codes(json!({"required": ["a"], "additionalProperties": false, "properties": {"a": {}}}), "{a: 1}"),
        [("template::missing-property", Severity::Error)], // `o`; not `x`, which is only read
    );
}

#[test]
fn what_many_are_made_without_is_said_once() {
    let text = "resources:\n- {server: docker, type: t, name: a, properties: {m: 1, r: 2}}\n- {server: docker, type: t, name: b, properties: {m: 1}}\n\
                - {server: docker, type: t, name: c}\n";
    let template = parse("a.yaml", text, &Default::default()).unwrap();
    let kind = json!([{"type": "t", "properties": {"properties": {"m": {}, "r": {}}}, "limits": {"without": {"m": "no limits", "r": "no restart"}}}]);
    let said: Vec<String> = check(&template, &types(kind), &Nothing).into_iter().map(|d| d.detail).collect();
    assert_eq!(said, ["`docker:t:a`, `docker:t:b` are made without `m`: no limits.", "`docker:t:a` is made without `r`: no restart."]);
}

#[test]
fn a_broken_schema_is_a_warning_and_fetches_nothing() {
    for schema in [json!({"type": 5}), json!({"$ref": "https://example.com/x.json"}), json!({"properties": {"a": {"pattern": "("}}})] {
        assert_eq!(codes(schema, "{a: 1}"), [("template::unusable-schema", Severity::Warning)]);
    }
}

#[test]
fn a_pattern_cannot_take_for_ever() {
    let started = std::time::Instant::now();
    let _ = codes(json!({"properties": {"a": {"pattern": "^(a+)+(?=b)$"}}}), &format!("{{a: {}c}}", "a".repeat(2_000)));
    assert!(started.elapsed().as_secs() < 5);
}

#[test]
fn a_large_template_is_checked() {
    let kinds = ["container:run", "a:b", "c", "d:e", "f:g:h"];
    let schema = json!({
        "type": "object", "required": ["image"], "additionalProperties": false,
        "properties": {
            "image": {"type": "string", "pattern": "^[a-z0-9:.]+$"}, "index": {"type": "integer", "minimum": 0},
            "ports": {"type": "array", "items": {"type": "integer", "maximum": 65535}}, "network": {"type": "string"},
        }
    });
    let types = types(Value::Array(kinds.iter().map(|k| json!({"type": k, "properties": schema})).collect()));
    for n in [1_000, 10_000] {
        let template = parse("a.yaml", &crate::template::parse::tests::large(n), &Default::default()).unwrap();
        assert_eq!(check(&template, &types, &Nothing), []);
    }
}

#[test]
fn a_template_without_a_file_says_where_in_words() {
    let text = "resources: [{server: docker, type: t, name: n, properties: {a: \"${docker:t:x.id}\"}}]\noutputs: {o: \"${docker:t:y.id}\"}";
    let mut template = parse("a.yaml", text, &Default::default()).unwrap();
    template.origin = Origin::default();
    struct Gone;
    impl KnownAddresses for Gone {
        fn find(&self, _: &Scope, _: &Address) -> Found {
            Found::Nowhere
        }
    }
    let problems = check(&template, &types(json!([{"type": "t", "properties": {}}])), &Gone);
    let facts: Vec<_> = problems.iter().map(|p| (p.code, p.address.as_ref().map(Address::to_string), p.facts.clone())).collect();
    assert_eq!(
        facts,
        [
            ("template::dangling-reference", Some("docker:t:n".into()), vec![("at", "properties.a".into())]),
            ("template::dangling-reference", None, vec![("at", "outputs.o".into())]),
        ]
    );
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 100, failure_persistence: None, ..ProptestConfig::default() })]

    /// Whatever refers to whatever: either a cycle is reported, or there are waves that cover all resources.
    #[test]
    fn a_template_without_a_cycle_has_waves(edges in proptest::collection::vec((0usize..12, 0usize..12, any::<bool>()), 0..20)) {
        let mut text = String::from("resources:\n");
        for n in 0..12 {
            text += &format!("- server: docker\n  type: t:u\n  name: r{n}\n  properties:\n    x: 1\n");
            for (k, (_, to, _)) in edges.iter().enumerate().filter(|(_, (from, _, whole))| *from == n && *whole) {
                text += &format!("    p{k}: ${{docker:t:r{to}.id}}\n");
            }
            let after: Vec<String> = edges.iter().filter(|(from, _, whole)| *from == n && !whole).map(|(_, to, _)| format!("docker:t:u:r{to}")).collect();
            text += &format!("  depends_on: [{}]\n", after.join(", "));
        }
        let template = parse("a.yaml", &text, &Default::default()).unwrap();
        let problems = check(&template, &types(json!([{"type": "t:u", "properties": {}}])), &Nothing);
        match link::graph(&template).waves() {
            Some(waves) => {
                prop_assert_eq!(problems, []);
                prop_assert_eq!(waves.iter().map(Vec::len).sum::<usize>(), 12);
            }
            None => prop_assert!(!problems.is_empty() && problems.iter().all(|p| p.code == "template::cycle" && p.source.is_some())),
        }
    }
}
