//! A small MCP server over HTTP with verbs that no rule knows: `jot`, `recall`, `banish`. What it keeps is in this process.

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex},
};

use serde_json::{Value, json};
use wiremock::{Mock, MockServer, Request, Respond, ResponseTemplate, matchers::any};

/// The server.
pub struct Notes {
    server: MockServer,
    kept: Arc<Mutex<BTreeMap<String, Value>>>,
}

impl Notes {
    pub async fn start() -> Self {
        let kept: Arc<Mutex<BTreeMap<String, Value>>> = Arc::default();
        let server = MockServer::start().await;
        Mock::given(any()).respond_with(Answers(kept.clone())).mount(&server).await;
        Self { server, kept }
    }

    pub fn url(&self) -> String {
        format!("{}/mcp", self.server.uri())
    }

    /// The notes that are there, by id.
    pub fn kept(&self) -> BTreeMap<String, Value> {
        self.kept.lock().unwrap().clone()
    }
}

struct Answers(Arc<Mutex<BTreeMap<String, Value>>>);

impl Respond for Answers {
    fn respond(&self, request: &Request) -> ResponseTemplate {
        let Ok(message) = serde_json::from_slice::<Value>(&request.body) else { return ResponseTemplate::new(405) };
        if message["id"].is_null() {
            return ResponseTemplate::new(202);
        }
        let said = match message["method"].as_str().unwrap_or_default() {
            "initialize" => Ok(json!({
                "protocolVersion": message["params"]["protocolVersion"], "capabilities": {"tools": {}},
                "serverInfo": {"name": "notebook", "version": "1"},
            })),
            "tools/list" => Ok(json!({ "tools": tools() })),
            "tools/call" => Ok(self.call(&message["params"])),
            _ => Err(json!({"code": -32601, "message": "no such method"})),
        };
        let mut reply = json!({"jsonrpc": "2.0", "id": message["id"]});
        match said {
            Ok(result) => reply["result"] = result,
            Err(error) => reply["error"] = error,
        }
        ResponseTemplate::new(200).set_body_json(reply)
    }
}

impl Answers {
    fn call(&self, params: &Value) -> Value {
        let (mut kept, arguments) = (self.0.lock().unwrap(), &params["arguments"]);
        let id = arguments["note_id"].as_str().unwrap_or_default().to_owned();
        let found = match params["name"].as_str().unwrap_or_default() {
            "jot" => {
                let id = format!("n-{}", kept.len() + 1 + arguments["title"].as_str().map_or(0, str::len));
                let note = json!({"note_id": id, "title": arguments["title"], "body": arguments["body"]});
                kept.insert(id, note.clone());
                Some(json!({ "note": note }))
            }
            "recall" => kept.get(&id).map(|n| json!({ "note": n })),
            "shelf" => Some(json!({"notes": kept.values().collect::<Vec<_>>()})),
            _ => kept.remove(&id).map(|_| json!({"gone": true})),
        };
        match found {
            Some(found) => json!({"content": [{"type": "text", "text": found.to_string()}], "isError": false}),
            None => json!({"content": [{"type": "text", "text": format!("there is no note {id}")}], "isError": true}),
        }
    }
}

fn tools() -> Value {
    let id = json!({"type": "object", "required": ["note_id"], "properties": {"note_id": {"type": "string"}}});
    json!([
        {"name": "jot", "description": "Jots a note down.", "inputSchema": {"type": "object", "required": ["title", "body"], "properties": {
            "title": {"type": "string"}, "body": {"type": "string"}}}},
        {"name": "recall", "description": "Recalls a note.", "inputSchema": id},
        {"name": "shelf", "description": "All notes.", "inputSchema": {"type": "object", "properties": {}}},
        {"name": "banish", "description": "Banishes a note for ever.", "inputSchema": id},
    ])
}
