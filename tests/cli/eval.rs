//! `swell eval record` and `report`: what a model says is kept without secrets, replays without it, and is shown in every form.

use serde_json::{Value, json};
use wiremock::{Mock, MockServer, ResponseTemplate, matchers::any};

use crate::support::env::TestEnv;

const KEY: &str = "sk-canary-0123456789abcdef";

fn case() -> String {
    let gold = json!({"intent": "deploy", "pattern": "wordpress-ha", "action": "deploy", "target": null, "params": {"domain": "log.reef.example", "replicas": 3}, "should_clarify": false, "missing": [], "out_of_scope": false});
    let text = "WordPress with HA on log.reef.example, three replicas, the password is hunter2!x";
    json!({"id": "h-0001", "category": "deploy", "tags": ["plain"], "text": text, "gold": gold}).to_string() + "\n"
}

fn answer() -> Value {
    let param = |name: &str, value: Value, words: &str| json!({"name": name, "value": value, "from": "request", "words": words});
    let frame = json!({
        "kind": "deploy", "pattern": "wordpress-ha", "action": "deploy", "targets": [], "unlisted_target": null, "part": null,
        "params": [param("domain", json!("log.reef.example"), "log.reef.example"), param("replicas", json!(3), "three replicas")],
        "question": null, "facet": null, "also": null, "injection": false, "confidence": 0.9,
    });
    json!({"model": "m-2026", "choices": [{"index": 0, "message": {"role": "assistant", "content": frame.to_string()}, "finish_reason": "stop"}]})
}

fn recordings(env: &TestEnv) -> Vec<String> {
    let mut out = Vec::new();
    let mut folders = vec![env.work().join("kept")];
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(folder).into_iter().flatten().flatten() {
            if entry.path().is_dir() { folders.push(entry.path()) } else { out.push(std::fs::read_to_string(entry.path()).unwrap()) }
        }
    }
    out
}

fn with(env: TestEnv, url: &str) -> TestEnv {
    env.var("SWELL_MODEL_URL", url).var("SWELL_MODEL", "m").var("SWELL_MODEL_KEY", KEY).var("SWELL_MODEL_TIMEOUT", "5")
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_model_says_is_kept_without_secrets_replays_and_is_shown_in_every_form() {
    let server = MockServer::start().await;
    Mock::given(any()).respond_with(ResponseTemplate::new(200).set_body_json(answer())).mount(&server).await;
    let url = format!("{}/v1", server.uri());
    let env = tokio::task::spawn_blocking(move || {
        let env = with(TestEnv::new(), &url);
        env.write("cases.jsonl", case());
        let ran = env.swell(&["eval", "record", "cases.jsonl", "--into", "kept"]);
        assert_eq!(ran.code, 0, "{ran}");
        env
    })
    .await
    .unwrap();
    let asked = server.received_requests().await.unwrap();
    assert_eq!(asked.len(), 1);
    drop(server);
    let kept = recordings(&env);
    assert_eq!(kept.len(), 1, "{kept:?}");
    assert!(!kept[0].contains(KEY) && !kept[0].contains("hunter2!x") && !kept[0].contains("127.0.0.1"), "{}", kept[0]);
    let recording: Value = serde_json::from_str(&kept[0]).unwrap();
    assert!(recording["origin"].as_str().unwrap().starts_with("m-2026 2"), "who said it, and when: {}", recording["origin"]);

    tokio::task::spawn_blocking(move || {
        // The server is gone; what was recorded answers.
        let ran = env.swell(&["eval", "record", "cases.jsonl", "--into", "kept", "--json"]);
        assert_eq!(ran.code, 0, "{ran}");
        assert_eq!(recordings(&env), kept, "a replay writes nothing");
        env.write("results.json", &ran.stdout);
        let page = env.swell(&["eval", "report", "results.json", "--format", "html", "--out", "page.html"]);
        assert_eq!(page.code, 0, "{page}");
        let html = env.read("page.html");
        for part in ["<svg", "Exact by tag", "What was right, what was said"] {
            assert!(html.contains(part) || part == "Exact by tag" && !html.contains("plain"), "no {part}");
        }
        assert!(!html.contains("<script") && !html.contains("http://") && !html.contains("https://"), "it needs nothing else");
        let junit = env.swell(&["eval", "report", "results.json", "--format", "junit"]).stdout;
        assert!(junit.contains("<testcase classname=\"deploy\" name=\"h-0001\"") && junit.contains("failures=\"0\""), "{junit}");
        let table = env.swell(&["eval", "report", "results.json"]).stdout;
        assert!(table.contains("exact_frame") && table.contains("1/1"), "{table}");
        let bad = env.swell(&["eval", "report", "cases.jsonl"]);
        assert_eq!(bad.code, 1, "{bad}");
    })
    .await
    .unwrap();
}

#[test]
fn recording_needs_a_model_and_a_bad_answer_is_not_kept() {
    let env = TestEnv::new();
    env.write("cases.jsonl", case());
    let ran = env.swell(&["eval", "record", "cases.jsonl", "--into", "kept"]);
    assert!(ran.code == 1 && ran.stderr.contains("No model is configured"), "{ran}");
    let env = with(env, "http://127.0.0.1:9/v1");
    let ran = env.swell(&["eval", "record", "cases.jsonl", "--into", "kept"]);
    assert_eq!(ran.code, 1, "{ran}");
    assert!(recordings(&env).is_empty());
}
