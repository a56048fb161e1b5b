use super::*;
use crate::pattern::Catalog;

fn types() -> BTreeMap<ServerName, Arc<TypeTable>> {
    ["opnsense", "aws", "docker", "kubernetes"]
        .iter()
        .map(|name| (name.parse().unwrap(), Arc::new(crate::sandbox::type_table(name))))
        .collect()
}

#[test]
fn every_shipped_pattern_is_read_without_a_word() {
    let catalog = Catalog::shipped();
    assert_eq!(catalog.problems(), []);
    let lint = |p: &Pattern| crate::pattern::parse(&p.file.name, &p.file.text).map_or_else(|all| all, |(_, warnings)| warnings);
    let said: Vec<String> = catalog
        .iter()
        .flat_map(|entry| lint(&entry.pattern))
        .map(|d| {
            format!("{}:{}: {} {}", d.source.as_ref().map_or("", |s| &s.file), d.source.as_ref().map_or(0, |s| s.line), d.code, d.detail)
        })
        .collect();
    assert_eq!(said.join("\n"), "");
    assert_eq!(catalog.iter().count(), 7);
}

#[test]
fn every_shipped_pattern_passes_its_tests() {
    let types = types();
    let mut wrong = String::new();
    for entry in Catalog::shipped().iter() {
        for result in run_tests(&entry.pattern, &types) {
            if !result.passed() {
                wrong.push_str(&format!("{} / {}:\n  {}\n", result.pattern, result.name, result.problems.join("\n  ")));
            }
        }
    }
    assert!(wrong.is_empty(), "{wrong}");
}

#[test]
fn a_test_finds_what_the_types_do_not_have() {
    let text = r#"
name: wrong
title: Wrong
resources:
  - {server: docker, type: network, name: a, properties: {driver: bridge, colour: red}}
  - {server: docker, type: container:run, name: b, properties: {network: "${docker:network:a.gatway}", memory: much, restart: "${docker:network:a.name}"}}
  - {server: docker, type: teapot, name: c, depends_on: ["docker:network:x"], properties: {x: "${docker:network:nowhere.id}"}}
  - {server: docker, type: network, name: d, properties: {parent: "${docker:network:e.name}"}}
  - {server: docker, type: network, name: e, properties: {parent: "${docker:network:d.name}"}}
outputs: {o: "${docker:volume:v.id}"}
tests:
  - {name: t, parameters: {}, resources: 4, contains: ["docker:network:z"], lacks: ["docker:network:a"], properties: {"docker:network:a.driver": overlay}, notes: [something]}
"#;
    let (pattern, _) = crate::pattern::parse("wrong.yaml", text).unwrap();
    let result = run_tests(&pattern, &types()).remove(0);
    assert_eq!(
        result.problems,
        [
            "a cycle: docker:network:d -> docker:network:e",
            "5 resources were made, not 4",
            "docker:network:z was not made",
            "docker:network:a was made",
            "docker:network:a.driver is \"bridge\", not \"overlay\"",
            "no note says `something`",
            "docker:network:a: must not have colour",
            "docker:container:run:b: ${docker:network:a.gatway}: `network` has no output or property `gatway`",
            "docker:container:run:b.memory: must match ^\\d+(\\.\\d+)?[bkmgBKMG]?$",
            "docker:container:run:b: needs image",
            "docker:teapot:c depends on docker:network:x, which is not made",
            "docker:teapot:c: ${docker:network:nowhere.id} points to nothing that the pattern makes or declares as existing",
            "docker:teapot:c: `docker` has no type `teapot`",
            "output o: ${docker:volume:v.id} points to nothing that the pattern makes or declares as existing",
        ]
    );
}
