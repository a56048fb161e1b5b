//! mcp-server-kubernetes against its recorded answers: what it calls a success, how it says that there is nothing, and whose is which name.

use super::*;
use crate::mcp::binding::Binding;

const ANSWERS: &str = include_str!("../../../../tests/fixtures/bindings/kubectl.json");
const TOOLS: &str = include_str!("../../../../tests/fixtures/bindings/kubectl-tools.json");

/// Answers as recorded: by tool, name and what kind of thing is asked for.
fn cluster() -> Fake {
    fake(TOOLS, |what, message| {
        let asked = arguments(message);
        let all = value(ANSWERS);
        let same = |key: &str, s: &Value| s["arguments"][key] == asked[key];
        let found = all
            .as_array()
            .unwrap()
            .iter()
            // Of what is applied, only what the cluster refuses is asked for here.
            .filter(|s| what != "kubectl_apply" || s.get("error").is_some())
            .find(|s| s["tool"] == what && ["name", "resourceType", "allNamespaces"].iter().all(|key| same(key, s)));
        let Some(found) = found else { return Vec::new() };
        match found["error"]["message"].as_str() {
            Some(words) => vec![Do::Error(found["error"]["code"].as_i64().unwrap(), words.to_owned().leak())],
            None => vec![Do::Result(found["result"].clone())],
        }
    })
}

/// One tool with the rules of the shipped binding, and a success predicate over it.
const SCALE: &str = r#"title: t
match: {tools: [kubectl_scale, kubectl_get]}
identity: {value: "x"}
errors: [{text: "not found", class: not_found}]
types:
  deployment:
    properties: {replicas: {type: integer}}
    read: {tool: kubectl_get, arguments: {resourceType: deployment, name: web, namespace: rec, output: json}, result: [json]}
    object: {id: "{{ item.metadata.name }}", name: "{{ item.metadata.name }}", properties: {replicas: "{{ item.spec.replicas }}"}}
    create: {tool: kubectl_scale, arguments: {name: "{{ properties.replicas and 'gone' }}", namespace: rec, replicas: 3}, result: [json], success: result.success}
    update: {tool: kubectl_scale, arguments: {name: gone, namespace: rec, replicas: 3}, result: [json], success: result.success}
    delete: {missing: not here}
"#;

fn mine(text: &str) -> Arc<Binding> {
    Arc::new(parse("mine", "mine.yaml", text).unwrap())
}

#[tokio::test]
async fn a_failure_that_is_called_a_success_is_a_failure() {
    let server = BoundServer::new(cluster().connection(ConnectOptions::default()), mine(SCALE));
    let scaled = server.update(&key("deployment", "web", None), &properties(json!({"replicas": 3})), &CallControl::read()).await;
    assert!(matches!(&scaled, Err(CallError::Refused { class: Refusal::NotFound, .. })), "{scaled:?}");
    // Without the predicate it would have passed for done.
    let gullible = mine(&SCALE.replace(", success: result.success", ""));
    let server = BoundServer::new(cluster().connection(ConnectOptions::default()), gullible);
    server.update(&key("deployment", "web", None), &properties(json!({"replicas": 3})), &CallControl::read()).await.unwrap();
}

#[tokio::test]
async fn a_deployment_with_a_bad_image_is_read_with_what_its_pods_wait_for() {
    let server = bound(&cluster(), "kubectl");
    let live = server.read(&key("deployment", "web", Some("rec/web"))).await.unwrap().unwrap();
    assert_eq!((live.id.as_str(), live.status, live.created_by.as_deref()), ("rec/web", Status::Failed, Some("k-1")));
    assert!(live.reason.as_deref().unwrap().ends_with("is ErrImagePull"), "{live:?}");
    assert_eq!((&live.properties["image"], &live.properties["replicas"]), (&json!("nosuch:9"), &json!(2)));
    assert_eq!(server.read(&key("deployment", "gone", Some("rec/gone"))).await.unwrap(), None);
}

#[tokio::test]
async fn a_no_as_a_protocol_error_has_its_class() {
    let server = bound(&cluster(), "kubectl");
    let wanted = properties(json!({"namespace": "rec", "image": "nginx"}));
    let made = server.create(&kind("deployment"), &named("gone"), &wanted, "k", &CallControl::read()).await;
    assert!(matches!(&made, Err(CallError::Refused { class: Refusal::Invalid, .. })), "{made:?}");
}

#[test]
fn a_namespace_and_a_name_say_which_one_is_meant() {
    for binding in ["kubectl", "kubernetes"] {
        let server = bound(&cluster(), binding);
        let id = |wanted: Value| server.known_id(&kind("deployment"), &named("web"), &properties(wanted));
        assert_eq!(id(json!({"namespace": "shop"})).as_deref(), Some("shop/web"));
        assert_eq!(id(json!({})).as_deref(), Some("default/web"));
    }
}
