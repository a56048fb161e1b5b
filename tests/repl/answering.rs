//! A server asks the person something in the middle of a call: a form, and a page.

use std::sync::{
    Arc, Mutex,
    atomic::{AtomicBool, Ordering},
};

use serde_json::{Value, json};
use wiremock::{Mock, MockServer, Request, Respond, ResponseTemplate, matchers::any};

use crate::support::pty::Home;

/// A server of 2026-07-28 that speaks the cross-MCP protocol, and asks before it says how it is.
#[derive(Clone)]
struct Asking {
    question: Value,
    answers: Arc<Mutex<Vec<Value>>>,
    /// It asks once.
    asked: Arc<AtomicBool>,
}

impl Respond for Asking {
    fn respond(&self, request: &Request) -> ResponseTemplate {
        let message: Value = serde_json::from_slice(&request.body).unwrap_or_default();
        let params = &message["params"];
        let names = [
            "list_resource_types",
            "get_resource_schema",
            "list_resources",
            "get_resource_state",
            "create_resource",
            "update_resource",
            "delete_resource",
            "health_check",
        ];
        let done = |value: Value| json!({"resultType": "complete", "content": [], "structuredContent": value});
        let result = match (message["method"].as_str(), params["name"].as_str()) {
            (Some("server/discover"), _) => json!({
                "resultType": "complete", "supportedVersions": ["2026-07-28"], "capabilities": {"tools": {}},
                "serverInfo": {"name": "asking", "version": "1"}, "ttlMs": 0, "cacheScope": "private",
            }),
            (Some("tools/list"), _) => json!({
                "resultType": "complete", "ttlMs": 0, "cacheScope": "private",
                "tools": names.map(|name| json!({"name": name, "inputSchema": {"type": "object"}})),
            }),
            (_, Some("health_check")) => match params.get("inputResponses") {
                None if !self.asked.swap(true, Ordering::SeqCst) => json!({
                    "resultType": "input_required", "requestState": "kept",
                    "inputRequests": {"q": {"method": "elicitation/create", "params": self.question}},
                }),
                given => {
                    if let Some(given) = given {
                        self.answers.lock().unwrap().push(given["q"].clone());
                    }
                    done(json!({"protocol": "cross-mcp/1", "identity": "asking:one", "health": "healthy", "message": "thank you"}))
                }
            },
            (_, Some("list_resource_types")) => done(json!({"types": []})),
            _ => return ResponseTemplate::new(202),
        };
        ResponseTemplate::new(200).set_body_json(json!({"jsonrpc": "2.0", "id": message["id"], "result": result}))
    }
}

struct Scene {
    asking: Asking,
    home: Home,
    _mock: MockServer,
    _runtime: tokio::runtime::Runtime,
}

fn scene(question: Value) -> Scene {
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let asking = Asking { question, answers: Arc::default(), asked: Arc::default() };
    let mock = runtime.block_on(async {
        let mock = MockServer::start().await;
        Mock::given(any()).respond_with(asking.clone()).mount(&mock).await;
        mock
    });
    let home = Home::new();
    home.configure(&format!("[servers.asking]\nurl = \"{}/mcp\"\n", mock.uri()));
    Scene { asking, home, _mock: mock, _runtime: runtime }
}

fn form() -> Value {
    json!({"mode": "form", "message": "Which \u{1b}[31mzone?", "requestedSchema": {"type": "object", "required": ["zone"], "properties": {
        "zone": {"type": "string", "title": "Zone", "minLength": 2},
        "size": {"type": "string", "enum": ["small", "large"], "default": "small"},
    }}})
}

#[test]
fn a_form_is_filled_in_reviewed_and_sent() {
    let scene = scene(form());
    let mut chat = scene.home.terminal(&["servers", "health"]);
    let seen = chat.wait("Answer it?");
    assert!(seen.contains("The server `asking` asks you something") && seen.contains("│ Which zone?"), "{seen}");
    chat.line("y");
    chat.wait("Zone");
    chat.line("x");
    chat.wait("It takes a text of 2 to");
    chat.line("eu-1");
    chat.wait("[small] > ");
    chat.line("2");
    let seen = chat.wait("Send it?");
    assert!(seen.contains("zone = eu-1") && seen.contains("size = large"), "{seen}");
    chat.line("y");
    chat.wait("thank you");
    chat.exit();
    let answers = scene.asking.answers.lock().unwrap().clone();
    assert_eq!(answers[0], json!({"action": "accept", "content": {"zone": "eu-1", "size": "large"}}));
}

#[test]
fn no_is_told_and_nothing_filled_in_is_not() {
    for (keys, action) in [("n", "decline"), ("c", "cancel")] {
        let scene = scene(form());
        let mut chat = scene.home.terminal(&["servers", "health"]);
        chat.wait("Answer it?");
        chat.line(keys);
        chat.wait("thank you");
        chat.exit();
        assert_eq!(scene.asking.answers.lock().unwrap()[0], json!({"action": action}));
    }
}

#[test]
fn a_page_is_shown_with_its_host_and_what_is_odd_about_it() {
    let question =
        json!({"mode": "url", "message": "Log in at the bank", "url": "http://xn--pypal-4ve.example/login", "elicitationId": "e1"});
    let scene = scene(question);
    let mut chat = scene.home.terminal_with(&["servers", "health"], &[("BROWSER", "true")]);
    let seen = chat.wait("Open it in your browser?");
    assert!(
        seen.contains("xn--pypal-4ve.example") && seen.contains("letters of another script") && seen.contains("not encrypted"),
        "{seen}"
    );
    chat.line("y");
    chat.wait("thank you");
    chat.exit();
    assert_eq!(scene.asking.answers.lock().unwrap()[0], json!({"action": "accept"}));
}

#[test]
fn without_a_person_nobody_answers() {
    let scene = scene(form());
    let out = scene.home.pipe(&["servers", "health"], "");
    let text = String::from_utf8_lossy(&out.stdout).into_owned();
    assert!(!out.status.success() && text.contains("nobody here answers"), "{text}");
    assert!(scene.asking.answers.lock().unwrap().is_empty());
}
