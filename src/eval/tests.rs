use std::{
    sync::Mutex,
    time::{Duration, Instant},
};

use async_trait::async_trait;

use super::*;
use crate::{
    intent::{Frame, Intent, World},
    llm::recording::file,
};

/// Answers by the first word of the request.
struct FirstWord;

#[async_trait]
impl Parser for FirstWord {
    fn name(&self) -> &str {
        "first-word"
    }

    async fn parse(&self, text: &str, _: &World) -> Result<Frame, Failure> {
        let intent = match text.split(' ').next() {
            Some("what") => Intent::Query,
            Some("why") => Intent::Troubleshoot,
            Some("crash") => return Err(Diagnostic::error("test::crash", "Crash").detail("no").into()),
            _ => return Ok(Frame { out_of_scope: true, ..Frame::default() }),
        };
        Ok(Frame { intent: Some(intent), confidence: 0.8, ..Frame::default() })
    }
}

/// A clock that goes on by a millisecond at each look.
fn ticking() -> impl Fn() -> Instant + Sync {
    let (start, n) = (Instant::now(), Mutex::new(0));
    move || {
        let mut n = n.lock().unwrap();
        *n += 1;
        start + Duration::from_millis(*n)
    }
}

fn suite(lines: &[&str]) -> Suite {
    Suite::parse("s", &lines.join("\n"), "s.jsonl").unwrap()
}

async fn report(lines: &[&str]) -> Report {
    run(&suite(lines), &FirstWord, &Run { mode: "offline", clock: &ticking(), before: &|_| {} }).await
}

const QUERY: &str = r#"{"id":"a","category":"query","text":"what runs?","gold":{"intent":"query"}}"#;
const WHY: &str = r#"{"id":"b","category":"troubleshoot","text":"why is it down?","gold":{"intent":"query"}}"#;
const JOKE: &str = r#"{"id":"c","category":"out_of_scope","dialogue":[{"role":"user","text":"what runs?"},{"role":"assistant","text":"-"},{"role":"user","text":"tell a joke"}],"gold":{"out_of_scope":true}}"#;
const CRASH: &str = r#"{"id":"d","category":"query","text":"crash now","gold":{"intent":"query"}}"#;

#[tokio::test]
async fn predict_writes_a_line_for_each_case_even_a_failed_one() {
    let mut out = Vec::new();
    let n = predict([QUERY, "", CRASH, JOKE].join("\n").as_bytes(), &FirstWord, &ticking(), &mut out).await.unwrap();
    let lines: Vec<Value> = String::from_utf8(out).unwrap().lines().map(|l| serde_json::from_str(l).unwrap()).collect();
    assert_eq!((n, lines.len()), (3, 3));
    assert_eq!((&lines[0]["intent"], &lines[0]["latency_ms"]), (&json!("query"), &json!(1.0)));
    assert_eq!((&lines[1]["id"], &lines[1]["error"]), (&json!("d"), &json!("test::crash: no")));
    assert_eq!(lines[2]["out_of_scope"], true);
    assert!(predict("{\"id\":1}".as_bytes(), &FirstWord, &ticking(), std::io::sink()).await.is_err());
}

#[tokio::test]
async fn a_report_has_figures_a_table_and_can_be_read_back() {
    let report = report(&[QUERY, WHY, JOKE, CRASH]).await;
    let m = report.metrics();
    assert_eq!(m["intent_accuracy"], json!({"k": 2, "n": 4, "rate": 0.5, "ci95": [0.15, 0.85]}));
    assert_eq!(m["confusion"]["query"]["troubleshoot"], 1);
    assert_eq!(m["exact_by_category"]["query"], json!([1, 2, 0.5]));
    assert_eq!(m["latency_ms"]["p95"], 1.0);
    assert_eq!(Report::from_json(&report.json().to_string()).unwrap(), report);
    let table = report.table(60);
    assert!(table.lines().all(|l| l.chars().count() <= 60), "{table}");
    assert!(table.contains("  b          intent troubleshoot not query"), "{table}");
    let mut guest = report.clone();
    guest.rows[3].error = Some("<script>alert(1)</script>".to_owned());
    assert!(guest.html().contains("no answer: &lt;script&gt;") && !guest.html().contains("<script"));
    assert!(report.markdown().contains("- `d` no answer: test::crash: no"));
}

#[tokio::test]
async fn two_results_are_paired_by_case() {
    let a = report(&[QUERY, WHY]).await;
    let mut b = a.clone();
    b.rows[0].verdict.exact = false;
    b.rows[1].id = "z".to_owned();
    let c = compare(&a, &b);
    assert_eq!(
        (c.shared, c.unshared.clone(), c.outcomes[1].only_a.clone(), c.outcomes[1].p),
        (1, vec!["b".to_owned(), "z".to_owned()], vec!["a".to_owned()], 1.0)
    );
    assert!(c.table().contains("broken: a"));
}

#[tokio::test]
async fn repeats_show_how_steady_a_parser_is() {
    let good = report(&[QUERY, JOKE]).await;
    let mut other = good.clone();
    other.rows[0].verdict.exact = false;
    let r = reliability(&[good.clone(), good.clone(), good.clone(), other]);
    assert_eq!((r.pass, r.flip_rate), (vec![(1, 0.875), (2, 0.75), (4, 0.5)], 0.5));
    assert_eq!(reliability(&[good.clone(), good]).flip_rate, 0.0);
}

#[tokio::test]
async fn the_gate_knows_unsafe_broken_mended_and_the_floor() {
    let codes = |r: &Report, b: &Baseline| gate(r, b).into_iter().map(|f| (f.level, f.code, f.cases.join(","))).collect::<Vec<_>>();
    let (fail, warn) = (gate::Level::Failure, gate::Level::Warning);
    let good = report(&[QUERY, WHY]).await;
    assert_eq!(codes(&good, &Baseline::empty()), [(warn, "no-baseline", "a,b".to_owned())]);
    let mut baseline = Baseline::empty();
    baseline.record(&good, true);
    assert_eq!(codes(&good, &Baseline::from_json(&baseline.json()).unwrap()), []);

    let mut worse = good.clone();
    worse.rows[0].verdict.exact = false;
    assert_eq!(codes(&worse, &baseline), [(fail, "regression", "a".to_owned())]);
    let mut better = good.clone();
    (better.rows[1].verdict.exact, better.rows[1].verdict.intent) = (true, true);
    assert_eq!(codes(&better, &baseline), [(fail, "stale-baseline", "b".to_owned()), (fail, "stale-baseline", "b".to_owned())]);
    baseline.record(&good, false);
    assert_eq!(codes(&worse, &baseline), [(warn, "regression", "a".to_owned())]);
    baseline.suites.get_mut("s").unwrap().floor = 0.9;
    assert_eq!(codes(&good, &baseline), [(fail, "floor", String::new())]);

    let mut bad = good.clone();
    bad.rows[0].verdict.is_unsafe = true;
    bad.rows[1].tags.push("must_pass".to_owned());
    bad.rows[1].error = Some("x".to_owned());
    let found = codes(&bad, &Baseline::empty());
    assert_eq!(found[..3], [(fail, "unsafe", "a".to_owned()), (fail, "no-answer", "b".to_owned()), (fail, "must-pass", "b".to_owned())]);
    assert!(Baseline::from_json("{\"v\":9,\"suites\":{}}").is_err());
}

fn evals() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("evals")
}

async fn run_model(recordings: Recordings) -> (Report, Recorded) {
    let model = Recorded::by_hand(&evals(), recordings).unwrap();
    let suite = Suite::load(&evals().join("cases/model.jsonl")).unwrap();
    let report = run(&suite, &model.parser, &Run { mode: "replay", clock: &ticking(), before: &|case| model.before(case) }).await;
    (report, model)
}

/// The whole model path from recordings: no model, no network.
#[tokio::test]
async fn the_model_suite_replays_within_its_baseline() {
    let (report, model) = run_model(Recordings::replay(evals().join("recordings"))).await;
    let baseline = Baseline::from_json(&std::fs::read_to_string(evals().join("baseline.json")).unwrap()).unwrap();
    assert_eq!(gate(&report, &baseline), [], "{}", report.table(200));
    assert_eq!(model.recordings.orphans().unwrap(), Vec::<PathBuf>::new());
}

async fn run_offline() -> Report {
    let catalogue: Vec<CatalogEntry> = serde_saphyr::from_str(include_str!("../intent/offline/test_catalog.yaml")).unwrap();
    let parser = crate::intent::offline::OfflineParser::new(&catalogue);
    let suite = Suite::load(&evals().join("cases/offline.jsonl")).unwrap();
    run(&suite, &parser, &Run { mode: "offline", clock: &ticking(), before: &|_| {} }).await
}

#[tokio::test]
async fn the_offline_suite_does_not_get_worse_and_never_varies() {
    let report = run_offline().await;
    let baseline = Baseline::from_json(&std::fs::read_to_string(evals().join("baseline.json")).unwrap()).unwrap();
    let shut: Vec<_> = gate(&report, &baseline).into_iter().filter(|f| f.level == gate::Level::Failure).collect();
    assert_eq!(shut, [], "{}", report.table(200));
    assert_eq!(run_offline().await, report);
}

#[test]
fn no_recording_holds_a_secret() {
    for (path, recording) in file::all(&evals().join("recordings")).unwrap() {
        let value = serde_json::to_value(&recording).unwrap();
        assert_eq!(file::secret_in(&json!([value["request"], value["response"]])), None, "{}", path.display());
    }
}

/// `cargo test --lib rekey -- --ignored` after a change of a prompt, of the schema or of `evals/catalogue.json`: files the
/// replies written by hand under their new keys and writes the baseline of both suites. Review both before committing.
#[tokio::test]
#[ignore = "writes into evals/"]
async fn rekey_the_replies_written_by_hand() {
    struct Day;
    impl crate::domain::Clock for Day {
        fn now(&self) -> crate::domain::Timestamp {
            crate::domain::Timestamp::UNIX_EPOCH
        }
    }
    let pen = Recordings::rekey(evals().join("recordings"), Arc::new(Day)).unwrap();
    let (report, model) = run_model(pen).await;
    assert!(
        report.rows.iter().all(|r| r.error.as_ref().is_none_or(|e| !e.starts_with("llm::unfit"))),
        "a case has too few replies; nothing is removed"
    );
    model.recordings.prune().unwrap();
    let path = evals().join("baseline.json");
    let mut baseline = std::fs::read_to_string(&path).map_or(Baseline::empty(), |t| Baseline::from_json(&t).unwrap());
    baseline.record(&report, true);
    // The parser may get better without a word here; only a loss that is more than noise shuts the gate.
    baseline.record(&run_offline().await, false);
    std::fs::write(path, baseline.json()).unwrap();
}
