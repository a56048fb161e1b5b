//! Calls: timeouts, cancellation, loss, garbage.

use std::{
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use async_trait::async_trait;
use serde_json::{Value, json};
use tokio::{sync::Notify, time::Instant};

use crate::mcp::{
    Answer, Ask, CallError, ConnectOptions, Effect, Question, Refusal, Wanted,
    testing::{Do, Fake, none, toolname, within},
};

fn unknown(e: &CallError) -> &str {
    match e {
        CallError::Unknown { server, reason, .. } if server.as_str() == "fake" => reason,
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn a_tool_error_is_not_a_protocol_error() {
    let fake = Fake::new(|what, _| match what {
        "in_band" => vec![Do::Result(json!({"isError": true, "content": [{"type": "text", "text": "no \u{1b}[31mroom"}]}))],
        "protocol" => vec![Do::Error(-32602, "unknown tool")],
        _ => vec![],
    });
    let c = fake.connection(ConnectOptions::default());
    for (tool, class, words) in
        [("in_band", Refusal::Other, "no room"), ("protocol", Refusal::Invalid, "unknown tool (JSON-RPC error -32602)")]
    {
        let e = c.call(&toolname(tool), none(), Effect::Change, &within(1000, 1000)).await.unwrap_err();
        let CallError::Refused { class: got, message, .. } = e else { panic!("{e:?}") };
        assert_eq!((got, message.as_str()), (class, words));
    }
}

#[tokio::test]
async fn how_long_a_question_may_take_is_the_connection_s_and_a_change_takes_its_own_time() {
    let fake = Fake::new(|what, _| match what {
        "slow" => vec![Do::Sleep(300), Do::Structured(json!({"ok": 1}))],
        _ => vec![],
    });
    let short = Duration::from_millis(50);
    let c = fake.connection(ConnectOptions { reading: Some((short, short)), ..ConnectOptions::default() });
    let e = c.call(&toolname("slow"), none(), Effect::Read, &within(5000, 5000)).await.unwrap_err();
    assert!(unknown(&e).contains("0.05 s"), "{e}");
    assert_eq!(e.of_question(), "`fake` did not answer: no answer within 0.05 s");
    c.call(&toolname("slow"), none(), Effect::Change, &within(5000, 5000)).await.unwrap();
}

#[tokio::test]
async fn progress_resets_the_idle_timeout_and_the_total_stands() {
    let fake = Fake::new(|what, _| {
        let mut steps: Vec<Do> = (0..8).flat_map(|_| [Do::Sleep(60), Do::Progress]).collect();
        match what {
            "slow" => steps.push(Do::Structured(json!({"ok": 1}))),
            "endless" => steps.extend((0..100).flat_map(|_| [Do::Sleep(60), Do::Progress])),
            _ => steps.clear(),
        }
        steps
    });
    let c = fake.connection(ConnectOptions::default());
    let reply = c.call(&toolname("slow"), none(), Effect::Change, &within(300, 5000)).await.unwrap();
    assert_eq!(reply.json(), Some(json!({"ok": 1})));
    let started = Instant::now();
    let e = c.call(&toolname("endless"), none(), Effect::Change, &within(300, 700)).await.unwrap_err();
    assert!(unknown(&e).contains("0.7 s"), "{e}");
    assert!(started.elapsed() < Duration::from_secs(2));
    fake.until("notifications/cancelled").await;
    assert_eq!(fake.seen("notifications/cancelled").len(), 1);
}

#[tokio::test]
async fn cancel_is_sent_once_and_a_late_reply_is_ignored() {
    let gate = Arc::new(Notify::new());
    let open = gate.clone();
    let fake = Fake::new(move |what, _| match what {
        "hang" => vec![Do::Wait(open.clone()), Do::Structured(json!({"late": true}))],
        _ => vec![],
    });
    let c = fake.connection(ConnectOptions::default());
    let control = within(5000, 5000);
    let (cancel, tool) = (control.cancel.clone(), toolname("hang"));
    let (result, ()) = tokio::join!(c.call(&tool, none(), Effect::Change, &control), async {
        fake.until("hang").await;
        cancel.cancel();
    });
    assert!(unknown(&result.unwrap_err()).contains("cancelled after it was sent"));
    fake.until("notifications/cancelled").await;
    gate.notify_waiters();
    // A later call proves that the late reply did no harm, and that nothing was sent twice.
    c.call(&toolname("ping_tool"), none(), Effect::Read, &within(1000, 1000)).await.unwrap();
    let cancelled = fake.seen("notifications/cancelled");
    assert_eq!(cancelled.len(), 1);
    assert_eq!(cancelled[0]["params"]["requestId"], fake.seen("hang")[0]["id"]);
    assert_eq!(fake.seen("hang").len(), 1);
}

#[tokio::test]
async fn a_cancelled_call_is_not_sent_and_a_dropped_one_is_cancelled() {
    let fake = Fake::new(|_, _| vec![]);
    let c = fake.connection(ConnectOptions::default());
    let control = within(5000, 5000);
    control.cancel.cancel();
    let e = c.call(&toolname("hang"), none(), Effect::Change, &control).await.unwrap_err();
    assert!(matches!(e, CallError::NotSent { .. }), "{e:?}");
    assert!(fake.seen("hang").is_empty());

    let (tool, control) = (toolname("hang"), within(5000, 5000));
    tokio::select! {
        r = c.call(&tool, none(), Effect::Change, &control) => panic!("{r:?}"),
        () = fake.until("hang") => {}
    }
    fake.until("notifications/cancelled").await;
}

#[tokio::test]
async fn a_crash_in_a_change_is_unknown_and_never_replayed() {
    let fake = Fake::new(|what, _| if what == "create" { vec![Do::Die] } else { vec![] });
    let c = fake.connection(ConnectOptions::default());
    let e = c.call(&toolname("create"), none(), Effect::Change, &within(5000, 5000)).await.unwrap_err();
    assert!(unknown(&e).contains("closed before an answer"), "{e}");
    // The next call connects again.
    c.call(&toolname("ping_tool"), none(), Effect::Change, &within(1000, 1000)).await.unwrap();
    assert_eq!((fake.seen("create").len(), fake.connections()), (1, 2));
}

#[tokio::test]
async fn a_lost_read_is_sent_once_more_on_a_new_connection() {
    let fake = Fake::new(|what, _| if what == "state" { vec![Do::Die] } else { vec![] });
    let c = fake.connection(ConnectOptions::default());
    let e = c.call(&toolname("state"), none(), Effect::Read, &within(5000, 5000)).await.unwrap_err();
    unknown(&e);
    assert_eq!((fake.seen("state").len(), fake.connections()), (2, 2));

    let fake = Fake::new({
        let count = std::sync::atomic::AtomicUsize::new(0);
        move |what, _| match what {
            "state" if count.fetch_add(1, std::sync::atomic::Ordering::SeqCst) == 0 => vec![Do::Die],
            "state" => vec![Do::Structured(json!(1))],
            _ => vec![],
        }
    });
    let c = fake.connection(ConnectOptions::default());
    assert_eq!(c.call(&toolname("state"), none(), Effect::Read, &within(5000, 5000)).await.unwrap().json(), Some(json!(1)));
}

#[tokio::test]
async fn a_call_that_the_server_never_took_is_not_sent_even_later() {
    // After the handshake the server reads one big message and stops; the pipe is full.
    let gate = Arc::new(Notify::new());
    let (ours, theirs) = tokio::io::duplex(512);
    let open = gate.clone();
    let log = Arc::new(std::sync::Mutex::new(String::new()));
    let seen = log.clone();
    tokio::spawn(async move {
        use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
        let (reader, mut writer) = tokio::io::split(ours);
        let mut reader = BufReader::new(reader);
        let mut line = String::new();
        reader.read_line(&mut line).await.unwrap();
        let hello = json!({"jsonrpc": "2.0", "id": 0, "result": {"protocolVersion": "2025-06-18", "capabilities": {}, "serverInfo": {"name": "x", "version": "1"}}});
        let id: Value = serde_json::from_str::<Value>(&line).unwrap()["id"].clone();
        let mut hello = hello;
        hello["id"] = id;
        writer.write_all((hello.to_string() + "\n").as_bytes()).await.unwrap();
        reader.read_line(&mut line).await.unwrap();
        open.notified().await;
        let mut rest = vec![0; 1 << 16];
        while let Ok(n @ 1..) = reader.read(&mut rest).await {
            seen.lock().unwrap().push_str(&String::from_utf8_lossy(&rest[..n]));
        }
    });
    let c = crate::mcp::Connection::connect_duplex("fake".parse().unwrap(), theirs, ConnectOptions::default()).await.unwrap();
    let mut big = none();
    big.insert("x".into(), Value::String("x".repeat(4096)));
    let (first, second) = (toolname("first"), toolname("second"));
    let (control, later) = (within(200, 200), within(300, 300));
    let (a, b) = tokio::join!(c.call(&first, big, Effect::Change, &control), async {
        tokio::time::sleep(Duration::from_millis(50)).await;
        c.call(&second, none(), Effect::Change, &later).await
    });
    unknown(&a.unwrap_err());
    assert!(matches!(b, Err(CallError::NotSent { .. })), "{b:?}");
    gate.notify_one();
    tokio::time::sleep(Duration::from_millis(100)).await;
    let log = log.lock().unwrap();
    assert!(log.contains("\"first\"") && !log.contains("\"second\""), "a withdrawn call must not be written later");
}

#[tokio::test]
async fn concurrent_calls_are_answered_in_any_order() {
    let gate = Arc::new(Notify::new());
    let open = gate.clone();
    let fake = Fake::new(move |what, _| match what {
        "one" => vec![Do::Wait(open.clone()), Do::Structured(json!(1))],
        "two" => vec![Do::Structured(json!(2))],
        _ => vec![],
    });
    let c = fake.connection(ConnectOptions::default());
    let (one, two, control) = (toolname("one"), toolname("two"), within(5000, 5000));
    let (a, b) = tokio::join!(c.call(&one, none(), Effect::Change, &control), async {
        fake.until("one").await;
        let b = c.call(&two, none(), Effect::Change, &control).await;
        gate.notify_one();
        b
    });
    assert_eq!((a.unwrap().json(), b.unwrap().json()), (Some(json!(1)), Some(json!(2))));
    assert_eq!(fake.connections(), 1);
}

#[tokio::test]
async fn garbage_names_the_server_and_ends_the_call_at_once() {
    let deep = format!("{{\"jsonrpc\":\"2.0\",\"id\":$ID,\"result\":{}1{}}}", "[".repeat(200), "]".repeat(200));
    let long = format!(
        "{{\"jsonrpc\":\"2.0\",\"id\":$ID,\"result\":{{\"content\":[{{\"type\":\"text\",\"text\":\"{}\"}}]}}}}",
        "x".repeat(6 << 20)
    );
    let fake = Fake::new(move |what, _| match what {
        "deep" => vec![Do::Raw(deep.clone())],
        "long" => vec![Do::Raw(long.clone())],
        "large" => vec![Do::Structured(json!({"x": "y".repeat(3 << 20)}))],
        "cut" => vec![Do::Raw("{\"jsonrpc\":\"2.0\",\"id\":$ID,\"result\":{\"content\":[".into())],
        "odd" => vec![Do::Raw("{\"jsonrpc\":\"2.0\",\"id\":$ID}".into())],
        "scalar" => vec![Do::Raw("{\"jsonrpc\":\"2.0\",\"id\":$ID,\"result\":7}".into())],
        "task" => vec![Do::Result(json!({"resultType": "task", "task": {"taskId": "1"}}))],
        "noise" => vec![Do::Raw("Listening on \u{1b}[32m:8080".into())],
        _ => vec![],
    });
    let c = fake.connection(ConnectOptions::default());
    let long_enough = within(20_000, 20_000);
    for tool in ["deep", "long", "large", "cut", "odd", "scalar", "task"] {
        let started = Instant::now();
        let e = c.call(&toolname(tool), none(), Effect::Change, &long_enough).await.unwrap_err();
        assert!(unknown(&e).contains("its reply cannot be used"), "{tool}: {e}");
        let e = c.call(&toolname(tool), none(), Effect::Read, &long_enough).await.unwrap_err();
        assert!(matches!(&e, CallError::Refused { class: Refusal::Other, .. }), "{tool}: {e:?}");
        assert!(started.elapsed() < Duration::from_secs(10), "{tool}");
    }
    let e = c.call(&toolname("noise"), none(), Effect::Change, &within(200, 200)).await.unwrap_err();
    assert!(unknown(&e).contains("Listening on :8080"), "{e}");
    c.call(&toolname("ping_tool"), none(), Effect::Read, &within(1000, 1000)).await.unwrap();
    assert_eq!(fake.connections(), 1, "garbage does not cost the connection");
}

struct Person(Answer);

#[async_trait]
impl Ask for Person {
    async fn ask(&self, question: Question) -> Answer {
        assert_eq!(question.message, "Sure?");
        assert!(matches!(question.wanted, Wanted::Form(_)));
        // Longer than the idle timeout: the server waits for the person, not we for the server.
        tokio::time::sleep(Duration::from_millis(400)).await;
        self.0.clone()
    }
}

#[tokio::test]
async fn a_question_reaches_the_person_only_if_there_is_one() {
    let ask = json!({"jsonrpc": "2.0", "id": 77, "method": "elicitation/create", "params": {
        "message": "Su\u{1b}[1mre?", "requestedSchema": {"type": "object", "properties": {"ok": {"type": "boolean"}}}}});
    let gate = Arc::new(Notify::new());
    let open = gate.clone();
    let fake = Fake::new(move |what, _| match what {
        "ask" => vec![Do::Raw(ask.to_string()), Do::Wait(open.clone()), Do::Structured(json!(1))],
        "response" => {
            open.notify_one();
            vec![]
        }
        _ => vec![],
    });
    let mut yes = none();
    yes.insert("ok".into(), json!(true));
    let options = ConnectOptions { ask: Some(Arc::new(Person(Answer::Accept(yes)))), ..ConnectOptions::default() };
    let c = fake.connection(options);
    c.call(&toolname("ask"), none(), Effect::Change, &within(200, 5000)).await.unwrap();
    assert_eq!(fake.seen("response")[0]["result"], json!({"action": "accept", "content": {"ok": true}}));
    assert!(fake.seen("initialize")[0]["params"]["capabilities"].get("elicitation").is_some());

    let c = fake.connection(ConnectOptions::default());
    c.call(&toolname("ask"), none(), Effect::Change, &within(2000, 5000)).await.unwrap();
    assert_eq!(fake.seen("response")[1]["result"]["action"], "decline");
    let hello = &fake.seen("initialize")[1]["params"];
    assert_eq!((hello["capabilities"].get("elicitation"), &hello["protocolVersion"]), (None, &json!("2025-11-25")));
}

struct Visitor(Answer);

#[async_trait]
impl Ask for Visitor {
    async fn ask(&self, question: Question) -> Answer {
        let Wanted::Url(page) = question.wanted else { panic!("no page") };
        assert_eq!((page.host.as_str(), page.warnings.len()), ("accounts.example", 0));
        self.0.clone()
    }
}

#[tokio::test]
async fn a_call_that_needs_a_page_first_is_refused_and_not_made_again() {
    let pages =
        json!({"elicitations": [{"mode": "url", "elicitationId": "e1", "url": "https://accounts.example/link", "message": "Link it"}]});
    let error = json!({"code": -32042, "message": "more is needed", "data": pages});
    let fake = Fake::new(move |what, _| match what {
        "link" => vec![Do::Raw(format!("{{\"jsonrpc\":\"2.0\",\"id\":$ID,\"error\":{error}}}"))],
        _ => vec![],
    });
    let someone = |answer| ConnectOptions { ask: Some(Arc::new(Visitor(answer)) as Arc<dyn Ask>), ..ConnectOptions::default() };
    for (options, words) in [
        (ConnectOptions::default(), "nobody here does that"),
        (someone(Answer::Decline), "you said no"),
        (someone(Answer::Accept(none())), "do the same again"),
    ] {
        let e = fake.connection(options).call(&toolname("link"), none(), Effect::Change, &within(2000, 2000)).await.unwrap_err();
        assert!(matches!(&e, CallError::Refused { class: Refusal::Denied, message, .. } if message.contains(words)), "{e:?}");
    }
    assert_eq!(fake.seen("link").len(), 3, "one each");
}

#[test]
fn a_page_is_looked_at_before_it_is_shown() {
    let warnings = |url: &str| crate::mcp::Page::parse(url).map(|p| p.warnings.len());
    assert_eq!(warnings("https://accounts.example/x?y=z"), Some(0));
    assert_eq!(warnings("http://localhost:3000/x"), Some(0));
    assert_eq!(warnings("https://p\u{430}ypal.example/"), Some(1), "a letter of another script");
    assert_eq!(warnings("http://192.0.2.7/"), Some(2), "bare and not encrypted");
    for bad in ["file:///etc/passwd", "javascript:alert(1)", "https://bank.example@evil.example/", "not a page", ""] {
        assert_eq!(warnings(bad), None, "{bad}");
    }
}

/// A server that bears one call at a time gets one at a time, and waiting for the others counts for nothing.
#[tokio::test]
async fn no_more_calls_are_under_way_than_the_server_bears() {
    let (now, most) = (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicUsize::new(0)));
    let (counting, seen) = (now.clone(), most.clone());
    let fake = Fake::new(move |what, _| match what {
        "slow" => {
            seen.fetch_max(counting.fetch_add(1, Ordering::SeqCst) + 1, Ordering::SeqCst);
            let counting = counting.clone();
            tokio::spawn(async move {
                tokio::time::sleep(Duration::from_millis(50)).await;
                counting.fetch_sub(1, Ordering::SeqCst);
            });
            vec![Do::Sleep(60), Do::Structured(json!({}))]
        }
        _ => Vec::new(),
    });
    for (bears, wanted) in [(Some(1), 1), (Some(3), 3), (None, 8)] {
        most.store(0, Ordering::SeqCst);
        let connection = fake.connection(ConnectOptions { max_calls: bears, ..ConnectOptions::default() });
        let control = within(400, 400);
        let tool = toolname("slow");
        let all = (0..8).map(|_| connection.call(&tool, none(), Effect::Change, &control));
        let ended = futures::future::join_all(all).await;
        assert!(ended.iter().all(Result::is_ok), "{ended:?}");
        assert_eq!(most.load(Ordering::SeqCst), wanted, "{bears:?}");
    }
}

/// One that waits for its turn was not sent: stopping it leaves nothing unknown.
#[tokio::test]
async fn a_call_that_waits_for_its_turn_can_be_stopped() {
    let fake = Fake::new(|what, _| if what == "slow" { vec![Do::Sleep(60_000)] } else { Vec::new() });
    let connection = fake.connection(ConnectOptions { max_calls: Some(1), ..ConnectOptions::default() });
    let (first, second) = (within(60_000, 60_000), within(60_000, 60_000));
    let tool = toolname("slow");
    let under_way = connection.call(&tool, none(), Effect::Change, &first);
    let waiting = async {
        fake.until("slow").await;
        let stop = async {
            tokio::task::yield_now().await;
            second.cancel.cancel();
        };
        let (stopped, ()) = tokio::join!(connection.call(&tool, none(), Effect::Change, &second), stop);
        first.cancel.cancel();
        stopped
    };
    let (given_up, stopped) = tokio::join!(under_way, waiting);
    assert!(matches!(stopped, Err(CallError::NotSent { .. })), "{stopped:?}");
    assert!(matches!(given_up, Err(CallError::Unknown { .. })), "{given_up:?}");
    assert_eq!(fake.seen("slow").len(), 1);
}
