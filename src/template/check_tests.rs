//! Checks that the fixtures do not show: leniency towards references, broken schemas, many resources.

use serde_json::{Value, json};

use super::*;
use crate::{diagnostic::Severity, template::parse};

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
        let started = std::time::Instant::now();
        assert_eq!(check(&template, &types, &Nothing), []);
        println!("checked {n}: {:?}", started.elapsed());
    }
}
