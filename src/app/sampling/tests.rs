//! What the person sees, what the model gets, and when nobody is asked at all.

use std::sync::Mutex;

use serde_json::{Value, json};
use wiremock::{Mock, MockServer, ResponseTemplate, matchers::any};

use super::*;
use crate::{
    event::Silent,
    intent::Question,
    mcp::sampling::SampleMessage,
    review::{Answer, Level, Review},
};

/// A person who reads what is shown and says the same to all of it.
struct Reader {
    present: bool,
    yes: bool,
    read: Mutex<Vec<String>>,
}

#[async_trait]
impl Human for Reader {
    fn present(&self) -> bool {
        self.present
    }

    async fn approve(&self, _: &Review) -> Answer {
        Answer::No
    }

    async fn show(&self, _: &Review, _: Level) {}

    async fn ask(&self, _: &Question) -> Option<String> {
        None
    }

    async fn confirm(&self, text: &str, word: &str) -> bool {
        assert_eq!(word, "yes");
        self.read.lock().unwrap().push(text.to_owned());
        self.yes
    }
}

fn reader(present: bool, yes: bool) -> Arc<Reader> {
    Arc::new(Reader { present, yes, read: Mutex::default() })
}

fn model(url: &str) -> ModelSetting {
    ModelSetting { base_url: format!("{url}/v1"), model: "small-1".to_owned(), key_variable: None, key: None, timeout: 2 }
}

async fn answering(template: ResponseTemplate) -> MockServer {
    let server = MockServer::start().await;
    Mock::given(any()).respond_with(template).mount(&server).await;
    server
}

fn says(text: &str) -> ResponseTemplate {
    let message = json!({"role": "assistant", "content": text});
    ResponseTemplate::new(200)
        .set_body_json(json!({"model": "small-1-x", "choices": [{"index": 0, "message": message, "finish_reason": "stop"}]}))
}

fn request(text: &str) -> SampleRequest {
    SampleRequest {
        server: "notebook".parse().unwrap(),
        system: Some("Summarise.".to_owned()),
        messages: vec![SampleMessage { by_model: false, text: text.to_owned() }],
        max_tokens: 77,
        temperature: 0.25,
    }
}

fn sampler(human: &Arc<Reader>, url: &str) -> Sampler {
    let redactor = Redactor::default();
    redactor.learn("db/password", &"correct-horse-battery".to_owned().into());
    Sampler { human: human.clone(), sink: Arc::new(Silent), model: model(url), redactor }
}

#[tokio::test]
async fn after_a_yes_the_model_gets_what_was_shown_and_no_more() {
    let (server, human) = (answering(says("Three notes.")).await, reader(true, true));
    let words = format!("notes: correct-horse-battery, password=hunter2hunter2\n{}", "line\n".repeat(100));
    let sampled = sampler(&human, &server.uri()).sample(request(&words)).await.unwrap();
    assert_eq!(sampled, Sampled { text: "Three notes.".to_owned(), model: "small-1-x".to_owned() });
    let shown = human.read.lock().unwrap().join("");
    for line in [
        "The server `notebook` wants your model asked: small-1 at ",
        "at most 77 tokens",
        "  system:\n  │ Summarise.\n",
        "  user:\n  │ notes: ",
        "more characters\n",
    ] {
        assert!(shown.contains(line), "{line}\n{shown}");
    }
    assert!(shown.lines().count() < 40, "a page at most: {shown}");
    let sent = server.received_requests().await.unwrap();
    let body: Value = serde_json::from_slice(&sent[0].body).unwrap();
    assert_eq!((body["max_tokens"].as_u64(), body["temperature"].as_f64()), (Some(77), Some(0.25)));
    assert_eq!((&body["tools"], &body["response_format"], body["messages"].as_array().unwrap().len()), (&Value::Null, &Value::Null, 2));
    for secret in ["correct-horse", "hunter2"] {
        assert!(!shown.contains(secret) && !body.to_string().contains(secret), "{secret}\n{shown}\n{body}");
    }
}

#[tokio::test]
async fn after_a_no_nothing_leaves() {
    let (server, human) = (answering(says("x")).await, reader(true, false));
    assert_eq!(sampler(&human, &server.uri()).sample(request("hello")).await, Err(NoSample::Declined));
    assert!(server.received_requests().await.unwrap().is_empty());
}

#[tokio::test]
async fn a_model_that_gives_nothing_is_a_failure() {
    for template in [ResponseTemplate::new(401), says(""), ResponseTemplate::new(200).set_body_string("<html>")] {
        let server = answering(template).await;
        assert_eq!(sampler(&reader(true, true), &server.uri()).sample(request("hello")).await, Err(NoSample::Failed));
    }
}

#[test]
fn it_is_allowed_only_where_everything_is_there() {
    let asks = ServerSetting { sampling: SamplingSetting::Ask, ..ServerSetting::default() };
    let allowed = |setting: &ServerSetting, with_model: bool, present: bool, parser: Option<ParserKind>| {
        let flags = crate::config::Flags { directory: "/nowhere".into(), profile: None };
        let mut config = crate::config::load(&flags, &Default::default(), std::path::Path::new("/h"), None, None).unwrap();
        config.model = with_model.then(|| model("http://localhost:1"));
        let secrets = SecretStore::new(Default::default(), "/nowhere/secrets.json".into(), Redactor::default());
        let parts = Parts {
            config,
            environment: Default::default(),
            allowed: Default::default(),
            identity: super::super::Identity { who: "a@b".into(), host: "b".into(), pid: 1 },
            clock: Arc::new(super::super::SystemClock),
            sink: Arc::new(Silent),
            human: reader(present, true),
            parser,
            stop: tokio::sync::watch::channel(0).1,
        };
        allowance(setting, &parts, &secrets).is_some()
    };
    assert!(allowed(&asks, true, true, None));
    assert!(allowed(&asks, true, true, Some(ParserKind::Model)));
    assert!(!allowed(&ServerSetting::default(), true, true, None), "nobody said so");
    assert!(!allowed(&asks, false, true, None), "no model");
    assert!(!allowed(&asks, true, false, None), "no terminal");
    assert!(!allowed(&asks, true, true, Some(ParserKind::Offline)), "offline is offline");
}
