use proptest::prelude::*;
use serde_json::json;

use super::*;
use crate::{
    domain::reference,
    intent::{Provenance, Said},
    pattern::{Setting, bind, parse},
};

const PATTERN: &str = r#"
name: small
title: A small one
parameters:
  words: {type: array, items: {type: string}, required: true, ask: "Which?"}
  text: {type: string, default: "x", because: "short"}
  extra: {type: boolean, default: false, because: "rarely"}
  key: {type: string, secret: true, generate: password}
deployment: "small"
locals:
  net: "${docker:network:{{ name }}.id}"
  settings: {a: "{{ text }}", b: ["{{ net }}", "{{ words | length }}"]}
notes:
  - "{{ words | length }} of them."
  - {when: "{{ extra }}", text: "extra"}
resources:
  - {server: docker, type: network, name: "{{ name }}"}
  - for_each: "{{ words }}"
    as: word
    server: docker
    type: container:run
    name: "{{ name }}-{{ index }}"
    depends_on: [{$when: "{{ extra }}", $value: "docker:volume:v"}]
    lifecycle: {ignore_changes: [labels]}
    wait: {timeout: 5m}
    properties:
      image: "x:{{ text }}"
      settings: "{{ settings }}"
      network: "{{ net }}"
      secret: "key={{ key }}"
      list:
        - {$each: "{{ words }}", $as: w, $when: "{{ w != '' }}", $value: {is: "{{ w }}", first: "{{ index == 1 }}"}}
      maybe: {$when: "{{ extra }}", $value: 1}
      either: {$when: "{{ extra }}", $value: 1, $else: "{{ word }}"}
  - {when: "{{ extra }}", server: docker, type: volume, name: v}
outputs:
  net: "{{ net }}"
  gone: {when: "{{ extra }}", value: 1}
tests: [{parameters: {words: []}}]
"#;

fn make(given: Value) -> Expansion {
    let (pattern, warnings) = parse("small.yaml", PATTERN).unwrap();
    assert_eq!(warnings, []);
    let given =
        given.as_object().unwrap().iter().map(|(k, v)| (k.clone(), Said { value: v.clone(), provenance: Provenance::Given })).collect();
    let bound = bind(&pattern, given, &Setting::default()).unwrap();
    expand(&pattern, &bound, &Available::default()).unwrap()
}

#[test]
fn makes_what_the_file_says() {
    let made = make(json!({"words": ["one", ""]}));
    let addresses: Vec<String> = made.template.resources.iter().map(|r| r.address.to_string()).collect();
    assert_eq!(addresses, ["docker:network:small", "docker:container:run:small-1", "docker:container:run:small-2"]);
    let second = &made.template.resources[2];
    assert_eq!(
        Value::Object(second.properties.clone()),
        json!({
            "image": "x:x", "settings": {"a": "x", "b": ["${docker:network:small.id}", 2]}, "network": "${docker:network:small.id}",
            "secret": "key=${secret:small/key}", "list": [{"is": "one", "first": true}], "either": ""
        })
    );
    assert_eq!(second.lifecycle.ignore_changes, ["labels"]);
    assert_eq!(second.wait.as_ref().unwrap().timeout.as_secs(), 300);
    assert_eq!(made.notes, ["2 of them."]);
    assert_eq!(Value::from_iter(made.template.outputs.clone()), json!({"net": "${docker:network:small.id}"}));
    let place = made.template.origin.source(&second.address, &"properties.network".parse().unwrap(), "").unwrap();
    assert_eq!((place.file.as_str(), place.text.trim()), ("small.yaml", "network: \"{{ net }}\""));
}

#[test]
fn the_same_input_gives_the_same_output() {
    let given = json!({"words": ["a", "b"], "extra": true});
    let text = |e: &Expansion| serde_json::to_string(&e.template).unwrap();
    assert_eq!(text(&make(given.clone())), text(&make(given)));
}

#[test]
fn failures_stand_at_their_place() {
    let broken = PATTERN.replace("x:{{ text }}", "{{ words[5] }}").replace("name: v}", "name: \"a b\"}");
    let (pattern, _) = parse("small.yaml", &broken).unwrap();
    let given = [("words", json!(["a"])), ("extra", json!(true))]
        .map(|(k, v)| (k.to_owned(), Said { value: v, provenance: Provenance::Given }))
        .into_iter()
        .collect();
    let bound = bind(&pattern, given, &Setting::default()).unwrap();
    let problems = expand(&pattern, &bound, &Available::default()).unwrap_err();
    let said: Vec<(usize, &str)> = problems.iter().map(|d| (d.source.as_ref().unwrap().line, d.detail.as_str())).collect();
    assert_eq!(
        said,
        [
            (27, "It uses something that is not defined."),
            (35, "`a b` is not a resource name: only letters, digits, `-` and `_` are allowed."),
        ]
    );
}

proptest! {
    /// Values change values: neither the addresses nor the shape nor the references of what comes out.
    #[test]
    fn a_value_never_changes_the_structure(evil in r#"([${}"'\n:\-#&*!|>%@`a-z ]|\$\{|\{\{|\}\}|\{%|\$each|secret:x\}){0,20}"#) {
        let shape = |e: &Expansion| -> Vec<String> {
            let all = Value::Array(e.template.resources.iter().map(|r| Value::Object(r.properties.clone())).collect());
            let mut out: Vec<String> = e.template.resources.iter().map(|r| r.address.to_string()).collect();
            reference::walk(&all, &Default::default(), &mut |path, _| out.push(path.to_string()));
            out.extend(reference::references(&all).into_iter().map(|(path, r)| format!("{path} {r}")));
            out
        };
        let calm = make(json!({"words": ["a", "b"], "text": "t"}));
        let wild = make(json!({"words": [format!("a{evil}"), "b"], "text": evil}));
        prop_assert_eq!(shape(&calm), shape(&wild));
    }
}
