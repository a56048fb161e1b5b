use serde_json::json;

use super::support::{Bench, files};

/// A canary: the values that were made up are nowhere in what was written or said, but in the file of secrets and in the simulated world
/// (which stands for the servers, who must know them).
#[tokio::test]
async fn generated_secrets_are_nowhere() {
    let bench = Bench::new().await;
    let review = bench.plan(bench.pattern("wordpress-ha", json!({"domain": "blog.example.org"})).await).await.unwrap();
    let shown = swell::ui::review::render(&review, swell::review::Level::Details, &swell::ui::Style::PLAIN);
    bench.done(bench.pattern("wordpress-ha", json!({"domain": "blog.example.org"})).await).await;
    let data = bench.dir.path().join("data");
    let secrets: std::collections::BTreeMap<String, String> =
        serde_json::from_slice(&std::fs::read(data.join("secrets.json")).unwrap()).unwrap();
    assert!(secrets.len() >= 3, "{:?}", secrets.keys());
    let events = serde_json::to_string(&*bench.events.0.lock().unwrap()).unwrap();
    for (name, value) in &secrets {
        assert!(!shown.contains(value), "{name} in the review");
        assert!(!events.contains(value), "{name} in an event");
        for file in files(&data).into_iter().filter(|f| !f.ends_with("secrets.json") && !f.starts_with(data.join("sandbox"))) {
            let bytes = std::fs::read(&file).unwrap();
            assert!(!bytes.windows(value.len()).any(|w| w == value.as_bytes()), "{name} in {}", file.display());
        }
    }
}

/// A sensitive property in clear text would stand in the plan and in the state: it is refused before anything is written.
#[tokio::test]
async fn a_secret_in_clear_text_is_refused() {
    let bench = Bench::new().await;
    let wanted = bench.template(json!([{"server": "aws", "type": "rds:cluster", "name": "db", "properties": {
        "engine": "postgres", "masterUsername": "root", "masterPassword": "hunter2-hunter2"
    }}]));
    let failure = bench.plan(wanted).await.unwrap_err();
    assert!(failure.0.iter().any(|d| d.code == "plan::clear-secret"), "{failure:#?}");
    assert!(!format!("{:?}", failure.0.iter().map(|d| (&d.detail, &d.facts)).collect::<Vec<_>>()).contains("hunter2"));
}
