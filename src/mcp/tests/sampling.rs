//! Servers that want the user's model asked: only if they may, only text, only so much, and only while something is asked of them.

use std::{
    sync::{Arc, Mutex},
    time::Duration,
};

use async_trait::async_trait;
use serde_json::{Value, json};

use crate::mcp::{
    ConnectOptions, Effect,
    handler::{Counted, Handler},
    sampling::{Allowance, NoSample, Sample, SampleRequest, Sampled},
    testing::{Do, Fake, none, toolname, within},
};

/// A person and a model in one; takes its time.
#[derive(Clone)]
struct Someone {
    says: Result<Sampled, NoSample>,
    asked: Arc<Mutex<Vec<SampleRequest>>>,
}

#[async_trait]
impl Sample for Someone {
    async fn sample(&self, request: SampleRequest) -> Result<Sampled, NoSample> {
        self.asked.lock().unwrap().push(request);
        tokio::time::sleep(Duration::from_millis(60)).await;
        self.says.clone()
    }
}

fn someone(says: Result<&str, NoSample>) -> Someone {
    Someone { says: says.map(|text| Sampled { text: text.to_owned(), model: "small-1".to_owned() }), asked: Arc::default() }
}

fn allowed(someone: &Someone) -> ConnectOptions {
    ConnectOptions { sampling: Some(Arc::new(Allowance::new(someone.clone()))), ..ConnectOptions::default() }
}

fn wants(params: Value) -> Value {
    json!({"jsonrpc": "2.0", "id": 900, "method": "sampling/createMessage", "params": params})
}

fn hello() -> Value {
    json!({"messages": [{"role": "user", "content": {"type": "text", "text": "hel\u{1b}[1mlo"}}], "maxTokens": 10})
}

/// What a server is told that wants this while it is called; nothing of it is done before it is told.
async fn told(params: Value, options: ConnectOptions) -> Value {
    let gate = Arc::new(tokio::sync::Notify::new());
    let open = gate.clone();
    let fake = Fake::new(move |what, _| match what {
        "ask" => vec![Do::Raw(wants(params.clone()).to_string()), Do::Wait(open.clone()), Do::Structured(json!(1))],
        "response" => {
            open.notify_one();
            vec![]
        }
        _ => vec![],
    });
    let connection = fake.connection(options);
    connection.call(&toolname("ask"), none(), Effect::Change, &within(2000, 5000)).await.unwrap();
    let mut answer = fake.seen("response")[0].clone();
    answer["declared"] = fake.seen("initialize")[0]["params"]["capabilities"]["sampling"].clone();
    answer
}

#[tokio::test]
async fn an_allowed_server_gets_words_and_nothing_else() {
    let model = someone(Ok("good day"));
    let wanted = json!({
        "messages": [hello()["messages"][0], {"role": "assistant", "content": [{"type": "text", "text": "a"}, {"type": "text", "text": "b"}]}],
        "systemPrompt": "Be kind.", "maxTokens": 1_000_000, "temperature": 0.5, "includeContext": "allServers",
        "modelPreferences": {"hints": [{"name": "the-most-expensive"}]}, "metadata": {"x": 1},
    });
    let answer = told(wanted, allowed(&model)).await;
    assert_eq!(answer["declared"], json!({}), "neither tools nor context are offered");
    assert_eq!(
        answer["result"],
        json!({"role": "assistant", "content": {"type": "text", "text": "good day"}, "model": "small-1", "stopReason": "endTurn"})
    );
    let asked = model.asked.lock().unwrap();
    let [one] = asked.as_slice() else { panic!("{asked:?}") };
    assert_eq!((one.server.as_str(), one.system.as_deref(), one.max_tokens, one.temperature), ("fake", Some("Be kind."), 4096, 0.5));
    let said: Vec<(bool, &str)> = one.messages.iter().map(|m| (m.by_model, m.text.as_str())).collect();
    assert_eq!(said, [(false, "hello"), (true, "a\nb")]);
}

#[tokio::test]
async fn a_no_and_a_model_that_fails_are_errors() {
    let no = told(hello(), allowed(&someone(Err(NoSample::Declined)))).await;
    assert_eq!(no["error"], json!({"code": -1, "message": "the user rejected the request"}));
    let failed = told(hello(), allowed(&someone(Err(NoSample::Failed)))).await;
    assert_eq!(failed["error"], json!({"code": -32603, "message": "the model gave no answer"}));
    let refused = told(hello(), ConnectOptions::default()).await;
    assert_eq!((&refused["declared"], refused["error"]["code"].as_i64()), (&Value::Null, Some(-32600)));
}

#[tokio::test]
async fn what_is_no_text_or_too_much_reaches_nobody() {
    let with = |key: &str, value: Value| {
        let mut params = hello();
        params[key] = value;
        params
    };
    let text = |text: &str| json!({"role": "user", "content": {"type": "text", "text": text}});
    for (params, why) in [
        (with("tools", json!([{"name": "rm", "inputSchema": {"type": "object"}}])), "no tools"),
        (with("messages", json!([])), "1 to 50 messages"),
        (with("messages", Value::Array(vec![text("x"); 51])), "1 to 50 messages"),
        (with("messages", json!([text(&"x".repeat(40_000))])), "bytes of text"),
        (with("systemPrompt", json!("x".repeat(40_000))), "bytes of text"),
        (with("messages", json!([{"role": "user", "content": {"type": "image", "data": "AAAA", "mimeType": "image/png"}}])), "only text"),
    ] {
        let model = someone(Ok("x"));
        let answer = told(params, allowed(&model)).await;
        assert!(answer["error"]["message"].as_str().is_some_and(|m| m.contains(why)), "{why}: {answer}");
        assert!(model.asked.lock().unwrap().is_empty(), "{why}");
    }
}

/// Nothing was asked of the server, so it has nothing to ask.
#[tokio::test]
async fn nobody_is_asked_out_of_the_blue() {
    let fake = Fake::new(|what, _| if what == "notifications/initialized" { vec![Do::Raw(wants(hello()).to_string())] } else { vec![] });
    let model = someone(Ok("x"));
    let connection = fake.connection(allowed(&model));
    connection.connect().await.unwrap();
    fake.until("response").await;
    assert!(fake.seen("response")[0]["error"]["message"].as_str().unwrap().contains("nothing was asked"));
    assert!(model.asked.lock().unwrap().is_empty());
}

/// The budget is that of the server: a new connection does not fill it again.
#[tokio::test]
async fn a_server_may_ask_so_often_and_no_more() {
    let model = someone(Err(NoSample::Declined));
    let options = allowed(&model);
    for n in 1..=22 {
        let answer = told(hello(), options.clone()).await;
        let spent = answer["error"]["message"].as_str().unwrap().contains("more than 20 times");
        assert_eq!(spent, n > 20, "{n}: {answer}");
    }
    assert_eq!(model.asked.lock().unwrap().len(), 20);
}

/// A server of the newer era asks within its answer to a call, and the call goes on with what is said.
#[tokio::test]
async fn a_request_within_an_answer_is_treated_alike() {
    let asks = || {
        serde_json::from_value(
            json!({"resultType": "input_required", "inputRequests": {"a": {"method": "sampling/createMessage", "params": hello()}}}),
        )
        .unwrap()
    };
    let handler = |sampling| Handler::new("fake".parse().unwrap(), None, sampling, &[]);
    let allowed = |says| handler(allowed(&someone(says)).sampling);
    let good = allowed(Ok("good day"));
    assert!(good.provide(asks()).await.is_none(), "nothing was asked of it");
    let _call = Counted::new(&good.shared().in_flight);
    let answers = serde_json::to_value(good.provide(asks()).await.unwrap()).unwrap();
    assert_eq!(answers["a"]["content"], json!({"type": "text", "text": "good day"}), "{answers}");
    for no in [handler(None), allowed(Err(NoSample::Declined))] {
        let _call = Counted::new(&no.shared().in_flight);
        assert!(no.provide(asks()).await.is_none(), "the call is refused");
    }
}
