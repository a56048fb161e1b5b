use proptest::prelude::*;
use serde_json::json;

use super::*;
use crate::domain::{
    reference::{self, Segment},
    substitute::{Known, substitute},
};

fn scope() -> Data {
    object([
        ("word".to_owned(), data(&json!("blog"))),
        ("evil".to_owned(), data(&json!("x}${secret:root}"))),
        ("count".to_owned(), data(&json!(3))),
        ("nothing".to_owned(), data(&json!(null))),
        ("list".to_owned(), data(&json!(["a", "${b}"]))),
        ("net".to_owned(), scalar_data(&json!("${docker:network:blog.id}"))),
    ])
}

fn scalar(source: &str) -> Result<Value, String> {
    Engine::new(&Available::default()).scalar(source, &scope()).map_err(|e| e.0)
}

#[test]
fn one_expression_keeps_its_type_and_text_is_text() {
    assert_eq!(scalar("{{ count }}"), Ok(json!(3)));
    assert_eq!(scalar("{{ count > 2 }}"), Ok(json!(true)));
    assert_eq!(scalar("{{ count * 2 / 2 }}"), Ok(json!(3)));
    assert_eq!(scalar("{{ [word, count] }}"), Ok(json!(["blog", 3])));
    assert_eq!(scalar("{{ word }}-{{ count }}"), Ok(json!("blog-3")));
    assert_eq!(scalar("plain { text"), Ok(json!("plain { text")));
    assert_eq!(scalar("a\n{% for n in range(2) %}{{ n }},{% endfor %}\n"), Ok(json!("a\n0,1,\n")));
}

#[test]
fn references_of_the_pattern_pass_and_those_of_values_do_not() {
    assert_eq!(scalar("${docker:network:{{ word }}.id}"), Ok(json!("${docker:network:blog.id}")));
    assert_eq!(scalar("{{ net }}"), Ok(json!("${docker:network:blog.id}")));
    assert_eq!(scalar("on {{ net }}"), Ok(json!("on ${docker:network:blog.id}")));
    assert_eq!(scalar("literal $${x} stays"), Ok(json!("literal $${x} stays")));
    assert_eq!(scalar("{{ list }}"), Ok(json!(["a", "$${b}"])));
    assert_eq!(scalar("{{ evil }}"), Ok(json!("x}$${secret:root}")));
    assert_eq!(scalar("say {{ evil }}"), Ok(json!("say x}$${secret:root}")));
    // A reference that was made text by an operator is text; it fails closed.
    assert_eq!(scalar("{{ net ~ '' }}"), Ok(json!("$${docker:network:blog.id}")));
    assert!(scalar("${docker:network:{{ evil }}.id}").unwrap_err().contains("only letters"));
    assert!(scalar("${docker:network:x").is_ok(), "no template: the lint reports it");
    assert!(scalar("${docker:network:{{ word }}").unwrap_err().contains("never closed"));
}

#[test]
fn pieces_cannot_be_put_together_to_a_reference() {
    let scope = object([("dollar".to_owned(), data(&json!("$"))), ("brace".to_owned(), data(&json!("{secret:x}")))]);
    let engine = Engine::new(&Available::default());
    assert_eq!(engine.scalar("{{ dollar }}{{ brace }}", &scope).unwrap(), json!("$${secret:x}"));
    assert_eq!(engine.scalar("costs ${{ brace }}", &scope).unwrap(), json!("costs $${secret:x}"));
    assert!(engine.scalar("{{ dollar }}${secret:x}", &scope).is_err());
}

#[test]
fn what_is_undefined_or_endless_is_an_error() {
    assert!(scalar("{{ missing }}").unwrap_err().contains("not defined"));
    assert!(scalar("a{{ missing }}").unwrap_err().contains("not defined"));
    assert!(scalar("a{{ nothing }}").unwrap_err().contains("no value"));
    assert!(scalar("{{ count.x.y }}").is_err());
    assert!(scalar("{% for a in range(9999) %}{% for b in range(9999) %}x{% endfor %}{% endfor %}").unwrap_err().contains("too much"));
    assert!(scalar("{% include 'x' %}").is_err());
    assert!(scalar("{{ word | safe }}").is_err());
    assert!(scalar("{{ }}").is_err());
    let engine = Engine::new(&Available::default());
    assert!(engine.truth("count", &scope()).unwrap_err().0.contains("true or false"));
    assert_eq!(engine.truth("has('docker')", &scope()), Ok(false));
}

#[test]
fn what_a_server_can_do_with_a_type_is_asked_by_property_and_output() {
    let mut table = crate::sandbox::type_table("docker");
    let kind: crate::domain::ResourceType = "container:run".parse().unwrap();
    table.get_mut(&kind).unwrap().limits.refused.insert("networks".into(), "one network only".into());
    table.get_mut(&kind).unwrap().limits.without.insert("memory".into(), "no limits".into());
    let types = [("docker".parse().unwrap(), std::sync::Arc::new(table))].into();
    let engine = Engine::new(&Available::from_types(&types).without(["docker:network.parent".to_owned()]));
    let can = |what: &str| engine.truth(&format!("can('{what}')"), &scope());
    let no =
        ["docker:container:run.networks", "docker:container:run.memory", "docker:network.parent", "docker:network.colour", "aws:vpc.cidr"];
    assert_eq!(no.map(can), no.map(|_| Ok(false)));
    let yes = ["docker:container:run.network", "docker:container:run.ip", "docker:network.subnet"];
    assert_eq!(yes.map(can), yes.map(|_| Ok(true)));
    assert!(can("docker:container:run").unwrap_err().0.contains("server:type.property"));
}

#[test]
fn variables_are_found_with_their_members() {
    let engine = Engine::new(&Available::default());
    assert_eq!(engine.variables("{{ backup.schedule | cron }}").unwrap(), ["backup.schedule"]);
    assert_eq!(engine.variables("a {% for n in range(count) %}{{ n }}{{ b }}{% endfor %}").unwrap(), ["b", "count"]);
    assert_eq!(engine.condition_variables("has('x') and y").unwrap(), ["y"]);
    assert_eq!(engine.variables("{{ token[:size] }}").unwrap(), ["size", "token"]);
    assert_eq!(engine.variables("x-{{ backup.schedule[1:] }}").unwrap(), ["backup.schedule"]);
    assert!(engine.variables("{{ a b }}").is_err());
}

proptest! {
    /// Whatever a value holds: in every position, the references are those that the pattern wrote, and resolving gives the value back.
    #[test]
    fn a_value_never_makes_a_reference(evil in r"([${}a-z:.@/\n']|\$\{|\}\}|\{\{|secret:){0,24}") {
        prop_assume!(!has_forbidden(&evil));
        let scope = object([("evil".to_owned(), data(&json!(evil)))]);
        let engine = Engine::new(&Available::default());
        let references = |text: &str| {
            reference::parse(text).map(|s| s.into_iter().filter(|s| matches!(s, Segment::Reference(_))).count()).map_err(|e| e.reason)
        };
        let back = |value: &Value| {
            substitute::<()>(value, &mut |_| Ok(Known::Value(json!("R"), None))).map(|r| crate::domain::substitute::plain(&r.value)).unwrap_or_default()
        };
        let whole = engine.scalar("{{ evil }}", &scope).unwrap();
        prop_assert_eq!(references(whole.as_str().unwrap()), Ok(0));
        prop_assert_eq!(back(&whole), json!(evil.clone()));
        let text = engine.scalar("a ${docker:network:n.id} {{ evil }}.", &scope).unwrap();
        prop_assert_eq!(references(text.as_str().unwrap()), Ok(1));
        prop_assert_eq!(back(&text), json!(format!("a R {evil}.")));
        if let Ok(inside) = engine.scalar("${docker:network:x{{ evil }}.id}", &scope) {
            prop_assert_eq!(references(inside.as_str().unwrap()), Ok(1));
        }
        if let Ok(glued) = engine.scalar("${{ evil }}${docker:network:n.id}{{ evil }}", &scope) {
            prop_assert_eq!(references(glued.as_str().unwrap()), Ok(1));
            prop_assert_eq!(back(&glued), json!(format!("${evil}R{evil}")));
        }
    }
}
