//! Connecting: handshakes, both eras, many at once, HTTP.

use std::{borrow::Cow, sync::Arc, time::Duration};

use async_trait::async_trait;
use rmcp::{
    ErrorData, RoleServer, ServerHandler, ServiceExt,
    model::*,
    service::{RequestContext, SubscriptionContext},
};
use serde_json::json;
use tokio::time::Instant;

use crate::{
    diagnostic::Explain,
    domain::Properties,
    mcp::{
        Answer, Ask, CallError, ConnectError, ConnectOptions, Connection, Effect, Endpoint, Notice, Question, connect_all,
        http::HttpSpec,
        testing::{Do, Fake, none, server, toolname, within},
    },
};

fn quick(ms: u64) -> ConnectOptions {
    ConnectOptions { timeout: Duration::from_millis(ms), ..ConnectOptions::default() }
}

#[tokio::test]
async fn a_rejected_handshake_says_who_why_and_what_next() {
    let fake = Fake::new(|what, _| if what == "initialize" { vec![Do::Error(-32600, "too \u{1b}[1mold")] } else { vec![] });
    let e = fake.connection(quick(2000)).connect().await.unwrap_err();
    let ConnectError::Handshake { reason, .. } = &e else { panic!("{e:?}") };
    assert_eq!(reason, "the server answered \"too old\" (error -32600)");
    let d = e.explain();
    assert_eq!(d.next.unwrap().command.unwrap(), "swell servers doctor fake");
    assert!(d.detail.contains("`fake`") && d.state.contains("nothing was changed"));
}

#[tokio::test]
async fn noise_before_the_handshake_is_tolerated_and_a_silent_server_is_not() {
    let fake = Fake::new(|what, _| match what {
        "initialize" => vec![
            Do::Raw("Starting...".into()),
            Do::Raw("{\"level\":\"info\",\"msg\":\"structured log\"}".into()),
            Do::Raw("[1,2]".into()),
            Do::Result(json!({"protocolVersion": "2024-11-05", "capabilities": {}, "serverInfo": {"name": "n\u{202e}", "version": "1"}})),
        ],
        _ => vec![],
    });
    let c = fake.connection(quick(2000));
    c.connect().await.unwrap();
    let info = c.info().await.unwrap();
    assert_eq!((info.title.as_str(), info.protocol.as_str(), info.can_watch), ("n‹U+202E›", "2024-11-05", false));
    assert_eq!(c.diagnostics().await.1, 3);

    let silent = Fake::new(|_, _| vec![Do::Sleep(1)]);
    let c = silent.connection(quick(100));
    assert!(matches!(c.connect().await, Err(ConnectError::Timeout { .. })));
    let e = c.call(&toolname("x"), none(), Effect::Change, &within(1000, 1000)).await.unwrap_err();
    assert!(matches!(&e, CallError::NotSent { reason, .. } if reason.contains("handshake")), "{e:?}");
}

#[tokio::test]
async fn one_that_hangs_dies_or_lies_does_not_hold_up_the_others() {
    let good = Fake::new(|_, _| vec![]);
    let silent = Fake::new(|_, _| vec![Do::Sleep(1)]);
    let dying = Fake::new(|_, _| vec![Do::Die]);
    let lying = Fake::new(|what, _| if what == "initialize" { vec![Do::Result(json!({"tools": []}))] } else { vec![] });
    let all = [&silent, &dying, &lying, &good].map(|f| f.connection(quick(600)));
    let mut results = Vec::new();
    let started = Instant::now();
    tokio::join!(async { results = connect_all(&all).await }, async {
        // Usable while the silent one is still waited for.
        all[3].call(&toolname("ping_tool"), none(), Effect::Read, &within(500, 500)).await.unwrap();
        assert!(started.elapsed() < Duration::from_millis(500));
    });
    assert!(matches!(results[0].1, Err(ConnectError::Timeout { .. })));
    assert!(matches!(results[1].1, Err(ConnectError::Handshake { .. })));
    assert!(matches!(results[2].1, Err(ConnectError::Handshake { .. })), "{:?}", results[2]);
    assert!(results[3].1.is_ok());
    assert!(started.elapsed() < Duration::from_secs(2));
}

#[tokio::test]
async fn closing_does_not_wait_for_a_server_that_is_silent() {
    let silent = Fake::new(|_, _| vec![Do::Sleep(1)]);
    let c = silent.connection(quick(60_000));
    let (connected, ()) = tokio::join!(c.connect(), async {
        silent.until("initialize").await;
        c.close().await;
    });
    assert!(matches!(connected, Err(ConnectError::Handshake { .. })));
}

#[tokio::test]
async fn a_stream_that_was_lost_cannot_be_made_anew() {
    let fake = Fake::new(|what, _| if what == "bye" { vec![Do::Die] } else { vec![] });
    let c = Connection::connect_duplex(server("fake"), fake.stream(), quick(1000)).await.unwrap();
    c.call(&toolname("bye"), none(), Effect::Change, &within(1000, 1000)).await.unwrap_err();
    let e = c.call(&toolname("ping_tool"), none(), Effect::Change, &within(1000, 1000)).await.unwrap_err();
    assert!(matches!(e, CallError::NotSent { .. }), "{e:?}");
}

/// A server of 2026-07-28 only: no `initialize`, questions as `input_required`, `subscriptions/listen`.
#[derive(Clone)]
struct Modern;

impl ServerHandler for Modern {
    fn supported_protocol_versions(&self) -> Cow<'static, [ProtocolVersion]> {
        Cow::Borrowed(&[ProtocolVersion::V_2026_07_28])
    }
    fn get_info(&self) -> ServerConfig {
        ServerConfig::new(ServerCapabilities::builder().enable_tools().enable_resources().enable_resources_subscribe().build())
    }
    async fn call_tool(&self, request: CallToolRequestParams, _: RequestContext<RoleServer>) -> Result<CallToolResponse, ErrorData> {
        if let Some(answer) = request.input_responses.as_ref().and_then(|r| r.get("q")) {
            assert_eq!(request.request_state.as_deref(), Some("kept"));
            return Ok(CallToolResult::structured(answer.clone()).into());
        }
        let schema = ElicitationSchema::builder().required_bool("sure").build().unwrap();
        let params = ElicitRequestParams::FormElicitationParams { meta: None, message: "sure?".into(), requested_schema: schema };
        let question = InputRequest::Elicitation(ElicitRequest::new(params));
        let mut required = InputRequiredResult::from_input_requests(InputRequests::from([("q".to_string(), question)]));
        required.request_state = Some("kept".into());
        Ok(required.into())
    }
    fn accepted_subscription_filter(&self, requested: &SubscriptionFilter) -> Option<SubscriptionFilter> {
        Some(requested.supported_by(&self.get_info().capabilities))
    }
    async fn listen(&self, cx: SubscriptionContext) -> Result<(), ErrorData> {
        let _ = cx.sink().notify_resource_updated("swell://a/b/c").await;
        cx.cancelled().await;
        Ok(())
    }
}

struct Yes;

#[async_trait]
impl Ask for Yes {
    async fn ask(&self, _: Question) -> Answer {
        Answer::Accept(Properties::from_iter([("sure".to_owned(), json!(true))]))
    }
}

fn modern(ask: Option<Arc<dyn Ask>>) -> Arc<Connection> {
    let factory = || {
        let (ours, theirs) = tokio::io::duplex(64 * 1024);
        tokio::spawn(async move {
            if let Ok(running) = Modern.serve(ours).await {
                let _ = running.waiting().await;
            }
        });
        Some(theirs)
    };
    Connection::new(
        server("modern"),
        Endpoint::Local(Arc::new(factory)),
        ConnectOptions { timeout: Duration::from_secs(5), ask, ..ConnectOptions::default() },
    )
}

#[tokio::test]
async fn the_new_era_is_found_asked_and_watched() {
    let c = modern(Some(Arc::new(Yes)));
    c.connect().await.unwrap();
    assert_eq!(c.info().await.unwrap().protocol, "2026-07-28");
    let reply = c.call(&toolname("ask"), none(), Effect::Change, &within(2000, 2000)).await.unwrap();
    assert_eq!(reply.json().unwrap()["action"], "accept");
    let mut watch = c.watch(&["swell://a/b/c".to_owned()]).await.unwrap().unwrap();
    assert_eq!(watch.next().await, Some(Notice::ResourceUpdated("swell://a/b/c".to_owned())));

    let e = modern(None).call(&toolname("ask"), none(), Effect::Change, &within(2000, 2000)).await.unwrap_err();
    assert!(matches!(e, CallError::Refused { .. }), "{e:?}");
}

fn http(url: &str) -> Arc<Connection> {
    let spec = HttpSpec { url: url.to_owned(), headers: Default::default(), bearer: Some("t0ken".to_owned().into()), auth: None };
    Connection::new(server("far"), Endpoint::Http(spec), quick(3000))
}

#[tokio::test]
async fn http_that_wants_authorization_or_is_not_there() {
    let mock = wiremock::MockServer::start().await;
    let no = wiremock::ResponseTemplate::new(401).insert_header("www-authenticate", "Bearer realm=\"x\"");
    wiremock::Mock::given(wiremock::matchers::any()).respond_with(no).mount(&mock).await;
    let e = http(&format!("{}/mcp?key=s3cret", mock.uri())).connect().await.unwrap_err();
    let ConnectError::Auth { challenge, url, .. } = &e else { panic!("{e:?}") };
    let header = challenge.as_ref().map(|c| c.header.as_str());
    assert_eq!((header, url.ends_with("/mcp")), (Some("Bearer realm=\"x\""), true));
    let sent = &mock.received_requests().await.unwrap()[0];
    assert_eq!(sent.headers["authorization"], "Bearer t0ken");

    let closed = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let far = http(&format!("http://user:pw@{closed}/mcp"));
    let e = far.connect().await.unwrap_err();
    assert!(matches!(&e, ConnectError::Http { url, .. } if !url.contains("pw")), "{e:?}");
    let e = far.call(&toolname("x"), none(), Effect::Change, &within(1000, 1000)).await.unwrap_err();
    assert!(matches!(e, CallError::NotSent { .. }), "{e:?}");
    assert!(matches!(http("ftp://x").connect().await, Err(ConnectError::Http { .. })));
}

/// Answers like a small legacy server over plain JSON replies.
struct Plain;

impl wiremock::Respond for Plain {
    fn respond(&self, request: &wiremock::Request) -> wiremock::ResponseTemplate {
        let message: serde_json::Value = serde_json::from_slice(&request.body).unwrap_or_default();
        let result = match (message["method"].as_str(), message["params"]["name"].as_str()) {
            (Some("initialize"), _) => {
                let hello =
                    json!({"protocolVersion": "2025-06-18", "capabilities": {"tools": {}}, "serverInfo": {"name": "h", "version": "1"}});
                let reply = json!({"jsonrpc": "2.0", "id": message["id"], "result": hello});
                return wiremock::ResponseTemplate::new(200).set_body_json(reply).insert_header("mcp-session-id", "s1");
            }
            (Some("tools/call"), Some("expired")) => return wiremock::ResponseTemplate::new(404),
            (Some("tools/call"), Some("busy")) => return wiremock::ResponseTemplate::new(429),
            (Some("tools/call"), Some("private")) => {
                return wiremock::ResponseTemplate::new(401).insert_header("www-authenticate", "Bearer");
            }
            (Some("tools/list"), _) => json!({"tools": [{"name": "a", "inputSchema": {}}, {"name": "b"}]}),
            (Some("tools/call"), Some("ok")) => json!({"content": [{"type": "text", "text": "{\"a\":1}"}]}),
            (Some("tools/call"), _) => return wiremock::ResponseTemplate::new(502),
            _ if message.get("id").is_none() => return wiremock::ResponseTemplate::new(202),
            _ => {
                let error = json!({"jsonrpc": "2.0", "id": message["id"], "error": {"code": -32601, "message": "no such method"}});
                return wiremock::ResponseTemplate::new(200).set_body_json(error);
            }
        };
        wiremock::ResponseTemplate::new(200).set_body_json(json!({"jsonrpc": "2.0", "id": message["id"], "result": result}))
    }
}

#[tokio::test]
async fn http_calls_work_and_a_bad_gateway_in_a_change_is_unknown() {
    let mock = wiremock::MockServer::start().await;
    wiremock::Mock::given(wiremock::matchers::method("POST")).respond_with(Plain).mount(&mock).await;
    let c = http(&format!("{}/mcp", mock.uri()));
    let reply = c.call(&toolname("ok"), none(), Effect::Change, &within(3000, 3000)).await.unwrap();
    assert_eq!(reply.json(), Some(json!({"a": 1})));
    let tools = c.tools().await.unwrap();
    assert_eq!((tools.tools.len(), tools.malformed.len()), (1, 1));
    let e = c.call(&toolname("fail"), none(), Effect::Change, &within(3000, 3000)).await.unwrap_err();
    assert!(matches!(e, CallError::Unknown { .. }), "{e:?}");
    for tool in ["expired", "busy", "private"] {
        let e = c.call(&toolname(tool), none(), Effect::Change, &within(3000, 3000)).await.unwrap_err();
        assert!(matches!(e, CallError::NotSent { .. }), "{tool}: {e:?}");
    }
    c.call(&toolname("ok"), none(), Effect::Change, &within(3000, 3000)).await.unwrap();
    let calls = mock.received_requests().await.unwrap().iter().filter(|r| String::from_utf8_lossy(&r.body).contains("\"fail\"")).count();
    assert_eq!(calls, 1, "never replayed");
}
