use std::{
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use secrecy::SecretString;
use wiremock::{Mock, MockServer, ResponseTemplate, matchers::method};

use super::*;
use crate::llm::Message;

/// Answers with what `respond` makes of each body, and counts.
async fn server(respond: impl Fn(&Value) -> ResponseTemplate + Send + Sync + 'static) -> (MockServer, Arc<AtomicUsize>) {
    let (server, count) = (MockServer::start().await, Arc::new(AtomicUsize::new(0)));
    let n = count.clone();
    Mock::given(method("POST"))
        .respond_with(move |r: &wiremock::Request| {
            n.fetch_add(1, Ordering::SeqCst);
            respond(&serde_json::from_slice(&r.body).unwrap())
        })
        .mount(&server)
        .await;
    (server, count)
}

fn llm(server: &MockServer) -> HttpLlm {
    let config = ModelConfig {
        base_url: format!("{}/v1/", server.uri()),
        model: "m".to_owned(),
        key: Some(SecretString::from("k\n")),
        headers: vec![("X-Title".to_owned(), "swell".to_owned())],
        timeout: None,
    };
    let retries = RetryPolicy { retries: 2, pause: Duration::from_millis(2), longest_pause: Duration::from_millis(200) };
    HttpLlm::new(&config, Budget { max_reply_bytes: 10_000, deadline: Duration::from_secs(5) }, retries).unwrap()
}

fn shaped() -> Request {
    let schema = json!({"type": "object", "properties": {"a": {"type": "integer"}}, "required": ["a"], "additionalProperties": false});
    let messages = vec![Message::new(Speaker::System, "s"), Message::new(Speaker::User, "u")];
    Request { schema: Some(ReplySchema { name: "frame".to_owned(), schema }), ..Request::new("test", "m", messages) }
}

/// What a compatible server really sends: no `object`, an odd finish reason, fields that nobody asked for.
fn completion(message: Value) -> ResponseTemplate {
    ResponseTemplate::new(200).set_body_json(json!({"id": 1, "model": "m-2026", "choices": [{"finish_reason": "eos", "message": message}], "usage": {"prompt_tokens": 7, "completion_tokens": null}}))
}

fn ok(content: &str) -> ResponseTemplate {
    completion(json!({"role": "assistant", "content": content, "reasoning_content": "hm"}))
}

#[tokio::test]
async fn the_first_rung_is_a_strict_schema() {
    let (s, count) = server(|body| {
        assert_eq!(body["response_format"]["json_schema"]["strict"], true);
        assert_eq!(
            (&body["messages"][0]["role"], &body["temperature"], &body["max_tokens"]),
            (&json!("system"), &json!(0.0), &json!(2048))
        );
        assert!(body.get("repeat").is_none() && body.get("purpose").is_none());
        ok("{\"a\": 1}")
    })
    .await;
    let reply = llm(&s).complete(shaped()).await.unwrap();
    assert_eq!((reply.content.as_str(), reply.model_reported.as_str(), reply.usage.input), ("{\"a\": 1}", "m-2026", 7));
    assert_eq!(count.load(Ordering::SeqCst), 1);
    let sent = &s.received_requests().await.unwrap()[0];
    assert_eq!(
        (sent.url.path(), &sent.headers["authorization"], &sent.headers["x-title"]),
        ("/v1/chat/completions", &"Bearer k".parse().unwrap(), &"swell".parse().unwrap())
    );
}

#[tokio::test]
async fn a_refused_format_goes_down_the_ladder_and_is_remembered() {
    let (s, count) = server(|body| {
        if body["response_format"]["type"] == "json_schema" {
            return ResponseTemplate::new(400)
                .set_body_json(json!({"error": {"message": "response_format is not supported", "code": 400}}));
        }
        assert_eq!(body["tool_choice"]["function"]["name"], "frame");
        completion(json!({"content": null, "tool_calls": [{"function": {"name": "frame", "arguments": "{\"a\":2}"}}]}))
    })
    .await;
    let llm = llm(&s);
    assert_eq!(llm.complete(shaped()).await.unwrap().content, "{\"a\":2}");
    assert_eq!(llm.complete(shaped()).await.unwrap().content, "{\"a\":2}");
    assert_eq!(count.load(Ordering::SeqCst), 3);
}

#[tokio::test]
async fn the_last_rungs_put_the_schema_into_the_prompt() {
    let (s, _) = server(|body| {
        if body.get("tools").is_some() {
            return ResponseTemplate::new(422).set_body_json(json!({"error": "tools are not available"}));
        }
        match body["response_format"]["type"].as_str() {
            Some("json_schema") => ResponseTemplate::new(400).set_body_string("unknown field response_format.json_schema"),
            Some(_) => ResponseTemplate::new(400).set_body_string("json_object is unknown"),
            None => {
                assert!(body["messages"][0]["content"].as_str().unwrap().contains("additionalProperties"));
                ok("```json\n{\"a\":3}\n```")
            }
        }
    })
    .await;
    assert_eq!(llm(&s).complete(shaped()).await.unwrap().json().unwrap().unwrap(), json!({"a": 3}));
}

#[tokio::test]
async fn a_server_that_ignores_the_format_is_asked_with_a_tool() {
    let (s, _) = server(|body| match body.get("tools") {
        None => ok("Sure! Here is your answer."),
        Some(_) => completion(json!({"tool_calls": [{"function": {"arguments": {"a": 4}}}]})),
    })
    .await;
    assert_eq!(llm(&s).complete(shaped()).await.unwrap().content, "{\"a\":4}");
}

#[tokio::test]
async fn parameters_that_a_model_does_not_take_are_left_out() {
    let (s, count) = server(|body| {
        let no = |m: &str| {
            ResponseTemplate::new(400)
                .set_body_json(json!({"error": {"message": m, "type": "invalid_request_error", "param": null, "code": null}}))
        };
        if body.get("max_tokens").is_some() {
            return no("Unsupported parameter: 'max_tokens'. Use 'max_completion_tokens' instead.");
        }
        if body.get("temperature").is_some() { no("'temperature' does not support 0") } else { ok("{\"a\":5}") }
    })
    .await;
    let llm = llm(&s);
    assert!(llm.complete(shaped()).await.is_ok() && llm.complete(shaped()).await.is_ok());
    assert_eq!(count.load(Ordering::SeqCst), 4);
}

#[tokio::test]
async fn errors_have_a_kind_and_a_bounded_number_of_tries() {
    type Check = fn(&LlmError) -> bool;
    let cases: [(u16, &str, usize, Check); 9] = [
        (
            429,
            r#"{"error":{"message":"slow down","code":429}}"#,
            3,
            |e| matches!(e, LlmError::RateLimited { detail, .. } if detail == "slow down"),
        ),
        (429, r#"{"error":{"message":"no money","type":"insufficient_quota","code":"insufficient_quota"}}"#, 1, |e| {
            matches!(e, LlmError::Quota { .. })
        }),
        (500, "<html>oops</html>", 3, |e| matches!(e, LlmError::Server { status: 500, detail } if detail == "<html>oops</html>")),
        (
            503,
            r#"{"error":{"code":503,"message":"Loading model"}}"#,
            3,
            |e| matches!(e, LlmError::Server { detail, .. } if detail == "Loading model"),
        ),
        (401, r#"{"error":{"message":"bad key"}}"#, 1, |e| matches!(e, LlmError::Auth { status: 401, .. })),
        (
            404,
            r#"{"error":"model not found"}"#,
            1,
            |e| matches!(e, LlmError::Rejected { status: 404, detail } if detail == "model not found"),
        ),
        (408, "x", 3, |e| matches!(e, LlmError::Rejected { status: 408, .. })),
        (307, "", 1, |e| matches!(e, LlmError::Rejected { status: 307, .. })),
        (
            400,
            r#"{"object":"error","message":"too long","code":40303}"#,
            1,
            |e| matches!(e, LlmError::Rejected { detail, .. } if detail == "too long"),
        ),
    ];
    for (status, body, tries, check) in cases {
        let (s, count) =
            server(move |_| ResponseTemplate::new(status).set_body_string(body).insert_header("location", "http://elsewhere.invalid/"))
                .await;
        let e = llm(&s).complete(shaped()).await.unwrap_err();
        assert!(check(&e), "{status} {body}: {e:?}");
        assert_eq!(count.load(Ordering::SeqCst), tries, "{status} {body}");
    }
}

#[tokio::test]
async fn a_long_retry_after_is_an_answer_and_a_short_one_is_obeyed() {
    let (s, count) = server(|_| ResponseTemplate::new(429).insert_header("retry-after", "3600")).await;
    let e = llm(&s).complete(shaped()).await.unwrap_err();
    assert!(matches!(e, LlmError::RateLimited { retry_after: Some(after), .. } if after == Duration::from_secs(3600)));
    assert_eq!(count.load(Ordering::SeqCst), 1);
    let first = AtomicUsize::new(0);
    let (s, _) = server(move |_| {
        if first.fetch_add(1, Ordering::SeqCst) == 0 { ResponseTemplate::new(503).insert_header("retry-after", "0") } else { ok("{}") }
    })
    .await;
    assert!(llm(&s).complete(shaped()).await.is_ok());
}

#[tokio::test]
async fn bodies_that_are_no_completion_are_errors() {
    for (body, why) in [
        ("<html>login</html>", "it begins with `<html>login</html>`"),
        ("", "it begins with ``"),
        ("{}", "it has no choices"),
        ("\"hello\"", "invalid type"),
        (r#"{"choices":[{}]}"#, "missing field `message`"),
        (r#"{"choices":[{"message":{"content":"x"}}"#, "it begins with"),
    ] {
        let (s, count) = server(move |_| ResponseTemplate::new(200).set_body_string(body)).await;
        let e = llm(&s).complete(shaped()).await.unwrap_err();
        assert!(matches!(&e, LlmError::Garbled { detail } if detail.contains(why)), "{body}: {e:?}");
        assert_eq!(count.load(Ordering::SeqCst), 1);
    }
    let (s, _) = server(|_| ResponseTemplate::new(200).set_body_json(json!({"error": {"message": "upstream died"}}))).await;
    assert!(matches!(llm(&s).complete(shaped()).await, Err(LlmError::Server { status: 200, .. })));
}

#[tokio::test]
async fn a_reply_is_read_only_as_far_as_the_budget_goes() {
    let (s, _) = server(|_| ok(&"x".repeat(20_000))).await;
    assert_eq!(llm(&s).complete(shaped()).await, Err(LlmError::TooLarge { limit: 10_000 }));
}

#[tokio::test]
async fn refusals_empty_and_cut_replies_are_told_apart() {
    let (s, _) = server(|_| completion(json!({"content": null, "refusal": "I cannot help"}))).await;
    assert!(matches!(llm(&s).complete(shaped()).await.unwrap().text(), Err(LlmError::Refused { .. })));
    let (s, _) = server(|_| ok("")).await;
    assert!(matches!(llm(&s).complete(shaped()).await.unwrap().text(), Err(LlmError::Empty { .. })));
    let (s, count) = server(|_| {
        ResponseTemplate::new(200).set_body_json(json!({"choices": [{"finish_reason": "length", "message": {"content": "{\"a\":"}}]}))
    })
    .await;
    assert!(matches!(llm(&s).complete(shaped()).await.unwrap().text(), Err(LlmError::Truncated { .. })));
    assert_eq!(count.load(Ordering::SeqCst), 1);
}

#[tokio::test]
async fn the_deadline_holds_over_all_tries() {
    let (s, _) = server(|_| ok("{}").set_delay(Duration::from_secs(3))).await;
    let mut llm = llm(&s);
    llm.budget.deadline = Duration::from_millis(80);
    assert!(matches!(llm.complete(shaped()).await, Err(LlmError::Timeout { .. })));
}

#[tokio::test]
async fn a_key_that_the_server_repeats_is_not_passed_on() {
    let (s, _) = server(|_| {
        ResponseTemplate::new(401).set_body_json(json!({"error": {"message": "unknown key canary-key-1 and title canary-title"}}))
    })
    .await;
    let config = ModelConfig {
        base_url: s.uri(),
        model: "m".to_owned(),
        key: Some(SecretString::from("canary-key-1")),
        headers: vec![("x-title".to_owned(), "canary-title".to_owned())],
        timeout: None,
    };
    let e = HttpLlm::new(&config, Budget::default(), RetryPolicy::default()).unwrap().complete(shaped()).await.unwrap_err();
    assert_eq!(e, LlmError::Auth { status: 401, detail: "unknown key ‹secret› and title ‹secret›".to_owned() });
}

#[tokio::test]
async fn nobody_there_is_unreachable() {
    let config =
        ModelConfig { base_url: "http://127.0.0.1:9/v1".to_owned(), model: "m".to_owned(), key: None, headers: Vec::new(), timeout: None };
    let retries = RetryPolicy { retries: 1, pause: Duration::from_millis(1), ..RetryPolicy::default() };
    let e = HttpLlm::new(&config, Budget::default(), retries).unwrap().complete(shaped()).await.unwrap_err();
    assert!(matches!(&e, LlmError::Unreachable { url, .. } if url == "http://127.0.0.1:9/v1"), "{e:?}");
}
