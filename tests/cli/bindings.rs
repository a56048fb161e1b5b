//! `swell bindings draft` and `prove`, as far as they go without a foreign server; and with a model that helps.

use serde_json::{Value, json};
use wiremock::{Mock, MockServer, ResponseTemplate, matchers::any};

use crate::support::{
    env::{TestEnv, YES},
    notes::Notes,
};

#[test]
fn a_server_that_speaks_the_protocol_needs_no_draft() {
    let env = TestEnv::new();
    env.swell(&["bindings", "draft", "docker"]).refused(1, "draft::native").says("swell types docker");
    env.swell(&["bindings", "draft", "dokcer"]).refused(1, "server::unknown").says("docker");
}

#[test]
fn a_proof_needs_a_binding_a_server_and_a_yes() {
    let env = TestEnv::new();
    env.swell(&["bindings", "prove", "dokcer"]).refused(1, "binding::unknown").says("Did you mean `docker`?");
    env.swell(&["bindings", "prove", "docker"]).refused(1, "prove::no-server");
    env.swell(&["bindings", "prove", "docker", "--server", "aws"]).refused(1, "prove::not-fitting");
    env.swell(&["--read-only", "bindings", "prove", "docker"]).refused(1, "approval::read-only");
}

/// What a model says of the notebook.
fn answer() -> Value {
    let carries = |argument: &str, what: &str, property: Option<&str>| json!({"argument": argument, "carries": what, "property": property, "required": true});
    let usage = |tool: &str, place: Option<&str>, arguments: &[Value]| json!({"tool": tool, "constants": [], "arguments": arguments, "place": place});
    json!({"types": [{
        "name": "note", "why": "shelf lists what jot makes", "update": null,
        "create": usage("jot", Some("note"), &[carries("title", "name", None), carries("body", "property", Some("body"))]),
        "read": usage("recall", Some("note"), &[carries("note_id", "id", None)]),
        "list": usage("shelf", Some("notes"), &[]),
        "delete": usage("banish", None, &[carries("note_id", "id", None)]),
    }]})
}

/// A server whose verbs no rule knows: rules alone find nothing, a model says what belongs together, a proof holds it against the server,
/// and then it is used like any other.
#[tokio::test(flavor = "multi_thread")]
async fn a_model_says_what_rules_cannot_know() {
    let (notes, model) = (Notes::start().await, MockServer::start().await);
    let message = json!({"role": "assistant", "content": answer().to_string()});
    let reply = json!({"id": "x", "model": "m", "choices": [{"index": 0, "message": message, "finish_reason": "stop"}]});
    Mock::given(any()).respond_with(ResponseTemplate::new(200).set_body_json(reply)).mount(&model).await;
    let (url, at) = (notes.url(), format!("{}/v1", model.uri()));
    tokio::task::spawn_blocking(move || {
        let env = TestEnv::new().var("COLUMNS", "1000");
        env.configure(&format!("sandbox = false\n[servers.notebook]\nurl = {url:?}\n"));
        env.swell(&["bindings", "draft", "notebook"]).refused(1, "draft::nothing");

        let env = env.var("SWELL_MODEL_URL", &at).var("SWELL_MODEL", "helpful-7b").var("SWELL_MODEL_KEY", "sk-canary-0123456789abcdef");
        env.swell(&["--parser", "offline", "bindings", "draft", "notebook"]).refused(1, "draft::nothing");
        env.swell(&["bindings", "draft", "notebook"]).ok().prints("by rules and the model helpful-7b").prints("  note   not sure:");
        let file = env.home().join(".config/swell/bindings/notebook.yaml");
        let drafted = std::fs::read_to_string(&file).unwrap();
        assert!(drafted.starts_with(
            "# Drafted by `swell bindings draft` from the 4 tool schemas of `notebook 1`, by rules and the model `helpful-7b`."
        ));
        assert!(!drafted.contains("canary"));
        env.swell(&["bindings", "prove", "notebook"]).refused(1, "prove::nobody").says("write       recall").says("destructive banish");
        env.swell(&["bindings", "prove", "notebook", "--yes", "--max-destroy", "9"]).ok().prints("note: usable");

        let note = |body: &str| {
            let one = json!({"server": "notebook", "type": "note", "name": "list", "properties": {"body": body}});
            json!({"name": "home", "resources": [one]}).to_string()
        };
        env.write("home.json", note("milk"));
        env.swell(&["apply", "home.json", YES[0], YES[1], YES[2]]).ok();
        env.settled("home");
        env.swell(&["destroy", "home", "--yes", "--max-destroy", "1"]).ok();
    })
    .await
    .unwrap();
    assert!(notes.kept().is_empty(), "{:?}", notes.kept());
    let asked = model.received_requests().await.unwrap();
    assert_eq!(asked.len(), 1, "offline, nobody is asked");
    let sent = String::from_utf8_lossy(&asked[0].body).into_owned();
    assert!(sent.contains("recall") && sent.contains("json_schema"), "{sent}");
}

/// A model that cannot be reached takes nothing from the rules, and it is said that it had no part.
#[tokio::test(flavor = "multi_thread")]
async fn without_an_answer_the_rules_draft_alone() {
    let notes = Notes::start().await;
    let url = notes.url();
    tokio::task::spawn_blocking(move || {
        let env = TestEnv::new().var("COLUMNS", "1000").var("SWELL_MODEL_URL", "http://127.0.0.1:9/v1").var("SWELL_MODEL", "m");
        env.configure(&format!("sandbox = false\n[servers.notebook]\nurl = {url:?}\n"));
        env.swell(&["bindings", "draft", "notebook"]).refused(1, "draft::nothing").says("Rules alone were asked: the model did not help");
    })
    .await
    .unwrap();
}
