//! Reading templates: what comes of them, and that nothing makes the reader fall over.

use proptest::prelude::*;
use serde_json::json;

use super::*;

fn vars(values: &[(&str, Value)]) -> IndexMap<String, Value> {
    values.iter().map(|(k, v)| ((*k).to_owned(), v.clone())).collect()
}

fn good(text: &str) -> Template {
    parse("app.yaml", text, &IndexMap::new()).unwrap()
}

/// Code, line and column of each problem.
fn bad(text: &str, vars: &IndexMap<String, Value>) -> Vec<(&'static str, usize, usize)> {
    let at = |d: &Diagnostic| d.source.as_ref().map_or((0, 0), |s| (s.line, s.column));
    read("app.yaml", text, vars).problems.iter().map(|d| (d.code, at(d).0, at(d).1)).collect()
}

const EVERYTHING: &str = include_str!("../../tests/fixtures/templates/valid/everything.yaml");

#[test]
fn everything_is_read() {
    let template = good(EVERYTHING);
    let db = &template.resources[2];
    assert_eq!(template.resources[0].properties, *json!({"tag": 50, "description": "costs $${5} a $month"}).as_object().unwrap());
    assert_eq!(template.resources[0].address.to_string(), "opnsense:network:vlan:net-50");
    assert_eq!(template.resources[1].existing, Existing::ReadOnly);
    assert_eq!(
        Value::Object(db.properties.clone()),
        json!({
            "image": "postgres:15",
            "network": "${opnsense:network:vlan:net-50.name}",
            "environment": {
                "URL": "postgres://app:${secret:db-password}@db/app",
                "GATEWAY": "http://${opnsense:network:vlan:net-50.gateway}/"
            },
            "ports": [{"container": 5432, "host": "${opnsense:haproxy:frontend:web.ip}"}],
            "restart": "no",
            "labels": null
        })
    );
    assert_eq!(db.depends_on, ["opnsense:network:vlan:net-50".parse().unwrap(), "opnsense:haproxy:frontend:web".parse().unwrap()]);
    assert_eq!(db.lifecycle, Lifecycle { prevent_destroy: true, create_before_destroy: false, ignore_changes: vec!["labels".into()] });
    assert_eq!(db.wait, Some(Wait { timeout: std::time::Duration::from_secs(5400) }));
    assert_eq!(template.outputs["all"], json!(["${docker:container:dev-db.ip}", 1]));
}

#[test]
fn spans_point_at_what_they_name() {
    let template = good(EVERYTHING);
    let at = |address: &str, path: &str| {
        let path = if path.is_empty() { PropertyPath::default() } else { path.parse().unwrap() };
        let span = template.origin.spans[&(address.parse().unwrap(), path)];
        &template.origin.text[span.offset..span.offset + span.len]
    };
    let db = "docker:container:run:dev-db";
    assert_eq!(at(db, ""), "dev-db");
    assert_eq!(at(db, "type"), "container:run");
    assert_eq!(at(db, "properties.environment.URL"), "\"${url}\"");
    assert_eq!(at(db, "properties.ports[0].container"), "5432");
    assert_eq!(at(db, "depends_on[0]"), "opnsense:network:vlan:net-50");
    assert_eq!(at(db, "lifecycle.ignore_changes[0]"), "labels");
    let output = template.origin.outside[&"outputs.db".parse::<PropertyPath>().unwrap()];
    assert_eq!(&template.origin.text[output.offset..output.offset + output.len], "\"${docker:container:run:dev-db.id}\"");
}

#[test]
fn a_template_without_a_name_takes_that_of_its_file() {
    for (file, name) in [
        ("shop.yaml", "shop"),
        ("a/b/My Shop.v2.json", "My-Shop-v2"),
        ("-", "deployment"),
        ("", "deployment"),
        ("ü.yaml", "deployment"),
        (".hidden", "hidden"),
    ] {
        assert_eq!(parse(file, "resources: []", &IndexMap::new()).unwrap().name.as_str(), name, "{file}");
    }
}

#[test]
fn what_the_command_line_sets_wins() {
    let text = "variables: { n: 1 }\nresources: [{ server: d, type: t, name: \"x${n}\", properties: { n: \"${n}\", m: \"${m}\" } }]";
    let template = parse("a.yaml", text, &vars(&[("n", json!(7)), ("m", json!("${secret:x}"))])).unwrap();
    assert_eq!(template.resources[0].address.to_string(), "d:t:x7");
    assert_eq!(template.resources[0].properties, *json!({"n": 7, "m": "${secret:x}"}).as_object().unwrap());
    assert_eq!(template.variables["n"], json!(7));
}

#[test]
fn unused_variables_are_said() {
    let text = "variables: { version: 1 }\nresources: []";
    assert_eq!(bad(text, &vars(&[("vresion", json!(1))])), [("template::unknown-variable", 0, 0)]);
    let reading = read("a.yaml", text, &vars(&[("zzz", json!(1))]));
    assert!(reading.template.is_some());
    assert_eq!(reading.problems[0].code, "template::unused-variable");
    assert_eq!(bad(text, &vars(&[("version", json!("${docker:network:x}"))])), [("template::variable-reference", 0, 0)]);
    assert_eq!(bad(text, &vars(&[("a\u{1b}b", json!(1))])), [("template::bad-name", 0, 0)]);
}

#[test]
fn all_problems_of_a_file_are_reported() {
    let text =
        "resources:\n- server: d\n  type: t\n  properties: { a: \"${x}${y}\", a: 1 }\n- 5\n- { server: \"a\\e[2J\", type: t, name: n }\n";
    assert_eq!(
        bad(text, &IndexMap::new()),
        [
            ("template::missing-key", 2, 3),
            ("template::undefined-variable", 4, 21),
            ("template::undefined-variable", 4, 25),
            ("template::duplicate-key", 4, 32),
            ("template::wrong-type", 5, 3),
            ("template::bad-name", 6, 13),
        ]
    );
}

#[test]
fn a_type_that_begins_with_its_server_is_taken_apart_in_a_hint() {
    let problems = parse("a.yaml", "resources:\n- { type: \"docker:container:run\", name: n }\n", &IndexMap::new()).unwrap_err();
    assert_eq!(problems[0].code, "template::missing-key");
    assert_eq!(problems[0].hints[0].text, "If the server is `docker`, write `server: docker` and `type: container:run`.");
    let problems = parse("a.yaml", "resources:\n- { type: network, name: n }\n", &IndexMap::new()).unwrap_err();
    assert!(problems[0].hints.is_empty());
}

#[test]
fn a_long_list_of_problems_is_cut() {
    let text: String = "resources:\n".to_owned() + &"- 5\n".repeat(50_000);
    let problems = parse("a.yaml", &text, &IndexMap::new()).unwrap_err();
    assert_eq!(problems.len(), 101);
    assert_eq!(problems[100].detail, "49900 more problems of this template are not shown.");
}

#[test]
fn a_large_template_is_read() {
    let text = large(10_000);
    assert_eq!(good(&text).resources.len(), 10_000);
    let huge = " ".repeat(10_000_000);
    assert_eq!(bad(&huge, &IndexMap::new()), [("template::limit", 0, 0)]);
}

pub(crate) fn large(n: usize) -> String {
    use std::fmt::Write;
    let mut text = String::from("name: large\nvariables: { image: \"nginx:1.27\" }\nresources:\n");
    for i in 0..n {
        let kind = ["container:run", "a:b", "c", "d:e", "f:g:h"][i % 5];
        let before = i.saturating_sub(7);
        let _ = write!(
            text,
            "- server: docker\n  type: {kind}\n  name: r-{i}\n  properties:\n    image: ${{image}}\n    index: {i}\n    ports: [80, 443]\n"
        );
        if i > 7 {
            let kind = ["container:run", "a:b", "c", "d:e", "f:g:h"][before % 5];
            let _ = writeln!(text, "    network: x-${{docker:{kind}:r-{before}.name}}");
        }
    }
    text
}

/// Pieces of templates in any order: most are not templates, but many get far.
fn soup() -> impl Strategy<Value = String> {
    let piece = prop_oneof![
        Just("resources:\n".to_owned()),
        Just("- server: docker\n  type: a:b\n  name: n\n".to_owned()),
        Just("  properties:\n    a: ${docker:a:b:n.id}\n".to_owned()),
        Just("  depends_on: [docker:a:b:n]\n".to_owned()),
        Just("variables: {v: 1}\n".to_owned()),
        Just("outputs: {o: \"${v}\"}\n".to_owned()),
        Just("  lifecycle: {prevent_destroy: true}\n  wait: {timeout: 5m}\n".to_owned()),
        "[\\[\\]{}:,&*!|>'\"%@`$#?<~ \t\n-]{1,6}",
        "(&a|\\*a|<<: \\*a|!!int|!x|---|\\.\\.\\.|0x1F|1e9|\\.nan|null|\\$\\{v\\}|\\$\\$\\{|\\$\\{secret:x\\})[ \n]",
        any::<char>().prop_map(String::from),
    ];
    proptest::collection::vec(piece, 0..24).prop_map(|pieces| pieces.concat())
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 200, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn no_text_makes_the_reader_fall_over(bytes in proptest::collection::vec(any::<u8>(), 0..300)) {
        let text = String::from_utf8_lossy(&bytes);
        let _ = read("a.yaml", &text, &IndexMap::new());
    }

    #[test]
    fn no_soup_makes_the_reader_fall_over(text in soup()) {
        let reading = read("a.yaml", &text, &vars(&[("v", json!("$"))]));
        prop_assert!(reading.template.is_some() || reading.problems.iter().any(|p| p.severity == Severity::Error));
    }

    #[test]
    fn no_mutation_makes_the_reader_fall_over(at in 0..EVERYTHING.len(), len in 0usize..40, with in "\\PC{0,8}") {
        let from = EVERYTHING.floor_char_boundary(at);
        let to = EVERYTHING.floor_char_boundary((from + len).min(EVERYTHING.len()));
        let text = format!("{}{with}{}", &EVERYTHING[..from], &EVERYTHING[to..]);
        let reading = read("a.yaml", &text, &IndexMap::new());
        for problem in &reading.problems {
            let source = problem.source.as_ref().unwrap();
            prop_assert!(source.line <= text.lines().count().max(1));
            prop_assert!(source.column <= source.text.chars().count() + 1);
        }
    }

    #[test]
    fn json_and_yaml_are_one(n in 1u32..9999, name in "[a-z][a-z0-9-]{0,10}", note in "\\PC{0,20}") {
        let value = json!({"name": name, "resources": [{"server": "docker", "type": "a:b", "name": name,
            "properties": {"n": n, "note": reference::escape(&note), "list": [true, null, 1.5]}}]});
        let compact = parse("a.json", &value.to_string(), &IndexMap::new()).map_err(|e| TestCaseError::fail(format!("{e:?}")))?;
        let pretty = serde_json::to_string_pretty(&value).unwrap();
        let pretty = parse("a.json", &pretty, &IndexMap::new()).map_err(|e| TestCaseError::fail(format!("{e:?}")))?;
        prop_assert_eq!(&compact.resources, &pretty.resources);
        prop_assert_eq!(Value::Object(compact.resources[0].properties.clone()), value["resources"][0]["properties"].clone());
    }
}

#[test]
fn a_template_on_one_long_line_is_explained_without_the_line() {
    let text = format!("{{resources: [{}]}}", "5,".repeat(100_000));
    let problems = parse("a.json", &text, &IndexMap::new()).unwrap_err();
    let source = problems[1].source.as_ref().unwrap();
    assert_eq!((source.line, source.column, source.text.as_str()), (1, 16, ""));
}

#[test]
fn line_ends_of_windows_change_nothing() {
    let text = "resources:\r\n- server: d\r\n  type: t\r\n  name: n\r\n  proprties: {}\r\n";
    let problems = parse("a.yaml", text, &IndexMap::new()).unwrap_err();
    let source = problems[0].source.as_ref().unwrap();
    assert_eq!((source.line, source.column, source.text.as_str(), source.width), (5, 3, "  proprties: {}", 9));
}
