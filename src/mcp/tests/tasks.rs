//! Calls that are answered with a task, in both forms.

use std::sync::{
    Arc,
    atomic::{AtomicUsize, Ordering},
};

use serde_json::{Value, json};

use crate::mcp::{
    CallError, ConnectOptions, Effect, Refusal,
    testing::{Do, Fake, none, toolname, within},
};

/// A server whose tool `long` must be called as a task of the older form.
fn older(end: &'static str, result: Value) -> Fake {
    let polls = AtomicUsize::new(0);
    let state = |status: &str| json!({"taskId": "t1", "status": status, "createdAt": "2026-01-01T00:00:00Z", "lastUpdatedAt": "2026-01-01T00:00:00Z", "ttl": null, "pollInterval": 50});
    Fake::new(move |what, message| match what {
        "initialize" => vec![Do::Result(json!({
            "protocolVersion": "2025-11-25", "serverInfo": {"name": "x", "version": "1"},
            "capabilities": {"tools": {}, "tasks": {"requests": {"tools": {"call": {}}}}},
        }))],
        "tools/list" => vec![Do::Result(json!({"tools": [
            {"name": "long", "inputSchema": {"type": "object"}, "execution": {"taskSupport": "required"}},
            {"name": "short", "inputSchema": {"type": "object"}, "execution": {"taskSupport": "optional"}},
        ]}))],
        "long" => {
            assert!(message["params"]["task"].is_object());
            vec![Do::Result(json!({"task": state("working")}))]
        }
        "short" => {
            assert!(message["params"].get("task").is_none());
            vec![Do::Result(json!({"content": [{"type": "text", "text": "at once"}]}))]
        }
        "tasks/get" => {
            assert_eq!(message["params"]["taskId"], "t1");
            vec![Do::Result(state(if polls.fetch_add(1, Ordering::SeqCst) < 2 { "working" } else { end }))]
        }
        "tasks/result" => vec![Do::Result(result.clone())],
        _ => vec![],
    })
}

#[tokio::test]
async fn a_tool_that_must_be_a_task_is_called_as_one_and_its_result_fetched() {
    let fake = older("completed", json!({"content": [{"type": "text", "text": "built"}]}));
    let c = fake.connection(ConnectOptions::default());
    c.tools().await.unwrap();
    // Each answer about the task is a sign of life: the idle time is shorter than the task.
    let reply = c.call(&toolname("long"), none(), Effect::Change, &within(140, 5000)).await.unwrap();
    assert_eq!((reply.text.as_str(), fake.seen("tasks/get").len(), fake.seen("long").len()), ("built", 3, 1));
    assert_eq!(c.call(&toolname("short"), none(), Effect::Change, &within(1000, 1000)).await.unwrap().text, "at once");

    let fake = older("failed", json!({"isError": true, "content": [{"type": "text", "text": "no room"}]}));
    let c = fake.connection(ConnectOptions::default());
    c.tools().await.unwrap();
    let e = c.call(&toolname("long"), none(), Effect::Change, &within(1000, 5000)).await.unwrap_err();
    assert!(matches!(&e, CallError::Refused { message, .. } if message == "no room"), "{e:?}");
}

/// A server that answers a call with a task of the newer form, and what it says when it is asked about it.
fn newer(states: Vec<Value>) -> Fake {
    let (polls, states) = (AtomicUsize::new(0), Arc::new(states));
    let task = |more: &Value| {
        let mut state =
            json!({"taskId": "t2", "status": "working", "createdAt": "x", "lastUpdatedAt": "x", "ttlMs": null, "pollIntervalMs": 50});
        for (name, value) in more.as_object().into_iter().flatten() {
            state[name] = value.clone();
        }
        state
    };
    Fake::new(move |what, _| match what {
        "later" => vec![Do::Result(task(&json!({"resultType": "task"})))],
        "tasks/get" => {
            let at = polls.fetch_add(1, Ordering::SeqCst).min(states.len() - 1);
            vec![Do::Result(task(&states[at]))]
        }
        "tasks/cancel" => vec![Do::Result(json!({}))],
        _ => vec![],
    })
}

async fn outcome(states: Vec<Value>) -> Result<String, CallError> {
    let c = newer(states).connection(ConnectOptions::default());
    c.call(&toolname("later"), none(), Effect::Change, &within(1000, 3000)).await.map(|r| r.text)
}

#[tokio::test]
async fn a_task_ends_as_its_state_says() {
    let done = json!({"status": "completed", "result": {"content": [{"type": "text", "text": "made"}]}});
    assert_eq!(outcome(vec![json!({}), done]).await.unwrap(), "made");

    let failed = json!({"status": "failed", "error": {"code": -32602, "message": "bad \u{1b}[1mname"}});
    let e = outcome(vec![failed]).await.unwrap_err();
    assert!(matches!(&e, CallError::Refused { class: Refusal::Invalid, message, .. } if message.starts_with("bad name")), "{e:?}");

    for (state, words) in [
        (json!({"status": "cancelled", "statusMessage": "shutting down"}), "shutting down"),
        (json!({"taskId": "another", "status": "completed", "result": {"content": []}}), "told about another"),
        (json!({"status": "completed", "result": {"content": "no"}}), "cannot be used"),
    ] {
        let e = outcome(vec![state]).await.unwrap_err();
        assert!(matches!(&e, CallError::Unknown { reason, .. } if reason.contains(words)), "{e:?}");
    }
}

#[tokio::test]
async fn a_task_that_does_not_end_is_cancelled_and_unknown() {
    let fake = newer(vec![json!({"statusMessage": "step 3 of 9"})]);
    let c = fake.connection(ConnectOptions::default());
    let e = c.call(&toolname("later"), none(), Effect::Change, &within(300, 400)).await.unwrap_err();
    assert!(matches!(&e, CallError::Unknown { reason, .. } if reason.contains("step 3 of 9")), "{e:?}");
    assert_eq!(fake.seen("tasks/cancel")[0]["params"]["taskId"], "t2");

    let fake = newer(vec![json!({})]);
    let c = fake.connection(ConnectOptions::default());
    let (control, tool) = (within(5000, 5000), toolname("later"));
    let (result, ()) = tokio::join!(c.call(&tool, none(), Effect::Change, &control), async {
        fake.until("tasks/get").await;
        control.cancel.cancel();
    });
    assert!(matches!(result, Err(CallError::Unknown { .. })));
    fake.until("tasks/cancel").await;
    assert_eq!(fake.seen("later").len(), 1, "never sent twice");
}
