//! Servers behind a URL: redirects, strange answers to the question of the new era, lists as they come.

use std::{sync::Arc, time::Duration};

use serde_json::{Value, json};
use wiremock::{
    Mock, MockServer, Request, Respond, ResponseTemplate,
    matchers::{any, method, path},
};

use crate::mcp::{
    ConnectError, ConnectOptions, Connection, Effect, Endpoint,
    http::HttpSpec,
    testing::{Do, Fake, none, server, toolname, within},
};

fn far(url: &str) -> Arc<Connection> {
    let headers = [("X-Key".to_owned(), "s3cret".to_owned().into())].into();
    let spec = HttpSpec { url: url.to_owned(), headers, bearer: None, auth: None };
    Connection::new(server("far"), Endpoint::Http(spec), ConnectOptions { timeout: Duration::from_secs(10), ..ConnectOptions::default() })
}

/// A server of the older era whose tools have fields that nobody knows. `stream`: it answers with events.
#[derive(Clone, Copy)]
struct Older {
    stream: bool,
}

impl Respond for Older {
    fn respond(&self, request: &Request) -> ResponseTemplate {
        let message: Value = serde_json::from_slice(&request.body).unwrap_or_default();
        let result = match message["method"].as_str() {
            // What some servers say to a method that they do not know.
            Some("server/discover") => json!({}),
            Some("initialize") => {
                json!({"protocolVersion": "2025-06-18", "capabilities": {"tools": {}}, "serverInfo": {"name": "h", "version": "1"}})
            }
            Some("tools/list") => json!({"tools": [
                {"name": "a", "inputSchema": {"type": "object", "$defs": {"x": {"const": 1}}}, "execution": {"taskSupport": "forbidden"}, "odd": [1]},
            ]}),
            Some("tools/call") => json!({"content": [{"type": "text", "text": "done"}]}),
            _ => return ResponseTemplate::new(202),
        };
        let reply = json!({"jsonrpc": "2.0", "id": message["id"], "result": result});
        if self.stream {
            return ResponseTemplate::new(200).set_body_raw(format!("event: message\ndata: {reply}\n\n"), "text/event-stream");
        }
        ResponseTemplate::new(200).set_body_json(reply)
    }
}

#[tokio::test]
async fn a_strange_answer_to_the_new_era_leads_to_the_older_one_and_lists_come_whole() {
    for stream in [false, true] {
        let mock = MockServer::start().await;
        Mock::given(method("POST")).respond_with(Older { stream }).mount(&mock).await;
        let c = far(&format!("{}/mcp", mock.uri()));
        c.connect().await.unwrap();
        assert_eq!(c.info().await.unwrap().protocol, "2025-06-18");
        for _ in 0..2 {
            let tools = c.tools().await.unwrap();
            let definition = &tools.tools[0].definition;
            assert_eq!(
                (&definition["odd"], &definition["execution"]["taskSupport"]),
                (&json!([1]), &json!("forbidden")),
                "stream {stream}"
            );
            assert_eq!(definition["inputSchema"]["$defs"]["x"]["const"], 1);
        }
    }
}

#[tokio::test]
async fn a_redirect_is_followed_within_the_origin_and_nowhere_else() {
    let (here, there) = (MockServer::start().await, MockServer::start().await);
    Mock::given(any()).respond_with(ResponseTemplate::new(200)).mount(&there).await;
    Mock::given(path("/mcp/")).respond_with(Older { stream: false }).mount(&here).await;
    let to = |status: u16, place: String| ResponseTemplate::new(status).insert_header("location", place);
    Mock::given(path("/mcp")).respond_with(to(307, "/mcp/".into())).mount(&here).await;
    Mock::given(path("/away")).respond_with(to(308, format!("{}/mcp", there.uri()))).mount(&here).await;
    Mock::given(path("/moved")).respond_with(to(302, "/mcp/".into())).mount(&here).await;
    Mock::given(path("/circle")).respond_with(to(307, "/circle".into())).mount(&here).await;

    let c = far(&format!("{}/mcp", here.uri()));
    assert_eq!(c.call(&toolname("a"), none(), Effect::Change, &within(5000, 5000)).await.unwrap().text, "done");
    assert!(here.received_requests().await.unwrap().iter().all(|r| r.headers["x-key"] == "s3cret"));

    for (from, words) in [("away", "another origin"), ("moved", "status 302"), ("circle", "in a circle")] {
        let e = far(&format!("{}/{from}", here.uri())).connect().await.unwrap_err();
        assert!(matches!(&e, ConnectError::Http { reason, .. } if reason.contains(words)), "{from}: {e:?}");
    }
    assert!(there.received_requests().await.unwrap().is_empty(), "no header goes to another origin");
}

#[tokio::test]
async fn roots_are_those_of_the_configuration() {
    let ask = json!({"jsonrpc": "2.0", "id": 5, "method": "roots/list"}).to_string();
    let fake = Fake::new(move |what, _| match what {
        "ask" => vec![Do::Raw(ask.clone()), Do::Structured(json!(1))],
        _ => vec![],
    });
    let c = fake.connection(ConnectOptions { roots: vec!["/srv/my site".into()], ..ConnectOptions::default() });
    c.call(&toolname("ask"), none(), Effect::Read, &within(2000, 2000)).await.unwrap();
    fake.until("response").await;
    assert_eq!(fake.seen("response")[0]["result"]["roots"], json!([{"uri": "file:///srv/my%20site/", "name": "my site"}]));
    assert!(fake.seen("initialize")[0]["params"]["capabilities"].get("roots").is_some());

    let c = fake.connection(ConnectOptions::default());
    c.call(&toolname("ask"), none(), Effect::Read, &within(2000, 2000)).await.unwrap();
    assert!(fake.seen("initialize")[1]["params"]["capabilities"].get("roots").is_none());
}

#[tokio::test]
async fn sampling_is_refused() {
    let ask = json!({"jsonrpc": "2.0", "id": 6, "method": "sampling/createMessage", "params": {
        "messages": [{"role": "user", "content": {"type": "text", "text": "hello"}}], "maxTokens": 10}});
    let fake = Fake::new(move |what, _| match what {
        "ask" => vec![Do::Raw(ask.to_string()), Do::Structured(json!(1))],
        _ => vec![],
    });
    let c = fake.connection(ConnectOptions::default());
    c.call(&toolname("ask"), none(), Effect::Read, &within(2000, 2000)).await.unwrap();
    fake.until("response").await;
    assert!(fake.seen("response")[0]["error"]["message"].as_str().unwrap().contains("use its model"));
}
