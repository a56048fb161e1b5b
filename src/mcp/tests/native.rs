//! The native server: lies, listings, pins, what is kept.

use std::sync::{
    Arc,
    atomic::{AtomicUsize, Ordering},
};

use serde_json::{Value, json};

use crate::{
    domain::{Action, ResourceName, ResourceType},
    mcp::{
        CallError, ConnectOptions, Health, Key, NativeServer, Refusal, ResourceServer,
        protocol::tool,
        testing::{Do, Fake, health, none, protocol_tools, vlan, within},
    },
};

fn native(fake: &Fake) -> NativeServer {
    NativeServer::new(fake.connection(ConnectOptions::default()))
}

fn kind() -> ResourceType {
    "network:vlan".parse().unwrap()
}

fn named(name: &str) -> ResourceName {
    name.parse().unwrap()
}

fn key(id: Option<&str>) -> Key {
    Key::named(&kind(), &named("app")).id(id.map(str::to_owned))
}

#[tokio::test]
async fn creates_with_the_key_reads_updates_and_deletes() {
    let fake = Fake::new(|what, _| match what {
        tool::CREATE | tool::UPDATE => vec![Do::Structured(json!({"resource": vlan("app", "v1")}))],
        tool::STATE => vec![Do::Result(json!({"content": [{"type": "text", "text": json!({"resource": vlan("app", "v1")}).to_string()}]}))],
        tool::DELETE => vec![Do::Result(json!({"content": [{"type": "text", "text": "{\"deleted\": true}"}]}))],
        _ => vec![],
    });
    let s = native(&fake);
    let control = within(1000, 1000);
    let live = s.create(&kind(), &named("app"), &none(), "k-1", &control).await.unwrap();
    assert_eq!((live.id.as_str(), live.health), ("v1", Health::Healthy));
    assert_eq!(
        fake.seen(tool::CREATE)[0]["params"]["arguments"],
        json!({"type": "network:vlan", "name": "app", "properties": {}, "idempotency_key": "k-1"})
    );
    assert_eq!(s.read(&key(Some("v1"))).await.unwrap().unwrap(), live);
    s.update(&key(Some("v1")), &none(), &control).await.unwrap();
    assert_eq!(
        fake.seen(tool::UPDATE)[0]["params"]["arguments"],
        json!({"type": "network:vlan", "name": "app", "id": "v1", "properties": {}})
    );
    s.delete(&key(None), &control).await.unwrap();
    assert_eq!(s.tool(&kind(), Action::Replace).as_str(), tool::CREATE);
}

#[tokio::test]
async fn a_lie_is_an_error_for_a_read_and_unknown_for_a_change() {
    let other = |patch: fn(&mut Value)| {
        let mut v = vlan("app", "v1");
        patch(&mut v);
        v
    };
    let lies = [
        other(|v| v["type"] = json!("network:other")),
        other(|v| v["name"] = json!("else")),
        other(|v| v["id"] = json!("")),
        other(|v| v["status"] = json!("splendid")),
        other(|v| drop(v.as_object_mut().unwrap().remove("properties"))),
        other(|v| v["properties"] = json!([])),
        other(|v| v["created_by"] = json!("someone-else")),
        Value::Null,
    ];
    for (at, lie) in lies.into_iter().enumerate() {
        let reply = json!({"resource": lie});
        let fake =
            Fake::new(move |what, _| if matches!(what, tool::CREATE | tool::STATE) { vec![Do::Structured(reply.clone())] } else { vec![] });
        let s = native(&fake);
        let made = s.create(&kind(), &named("app"), &none(), "k", &within(1000, 1000)).await;
        assert!(matches!(&made, Err(CallError::Unknown { reason, .. }) if reason.contains("cannot be used")), "{at}: {made:?}");
        let read = s.read(&key(None)).await;
        match at {
            6 => assert!(read.is_ok(), "a read has no key to compare"),
            7 => assert_eq!(read, Ok(None)),
            _ => assert!(
                matches!(&read, Err(CallError::Refused { class: Refusal::Other, server, .. }) if server.as_str() == "fake"),
                "{at}: {read:?}"
            ),
        }
    }
    let fake =
        Fake::new(|what, _| if what == tool::UPDATE { vec![Do::Structured(json!({"resource": vlan("app", "v2")}))] } else { vec![] });
    let e = native(&fake).update(&key(Some("v1")), &none(), &within(1000, 1000)).await.unwrap_err();
    assert!(matches!(&e, CallError::Unknown { reason, .. } if reason.contains("`v2`") && reason.contains("`v1`")), "{e:?}");
}

#[tokio::test]
async fn refusals_keep_their_class() {
    let fake = Fake::new(|what, _| {
        let class = match what {
            tool::STATE | tool::DELETE => "not_found",
            tool::CREATE => "exists",
            _ => return vec![],
        };
        vec![Do::Result(json!({"isError": true, "content": [], "structuredContent": {"error": {"class": class, "message": "m"}}}))]
    });
    let s = native(&fake);
    assert_eq!(s.read(&key(None)).await, Ok(None));
    assert!(s.delete(&key(None), &within(1000, 1000)).await.unwrap_err().is_not_found());
    let e = s.create(&kind(), &named("app"), &none(), "k", &within(1000, 1000)).await.unwrap_err();
    assert!(matches!(e, CallError::Refused { class: Refusal::Exists, .. }));
}

#[tokio::test]
async fn a_listing_follows_pages_and_one_that_does_not_end_is_refused() {
    let fake = Fake::new(|what, message| match (what, message["params"]["arguments"]["cursor"].as_str()) {
        (tool::LIST, None) => vec![Do::Structured(json!({"resources": [vlan("a", "1")], "next_cursor": "p2"}))],
        (tool::LIST, _) => vec![Do::Structured(json!({"resources": [vlan("b", "2")]}))],
        _ => vec![],
    });
    let s = native(&fake);
    let names: Vec<String> = s.list(Some(&kind())).await.unwrap().into_iter().map(|l| l.name).collect();
    assert_eq!(names, ["a", "b"]);
    let e = s.list(Some(&"other".parse().unwrap())).await.unwrap_err();
    assert!(e.message().contains("not asked for"), "{e}");

    let fake = Fake::new(|what, _| match what {
        tool::LIST => vec![Do::Structured(json!({"resources": [], "next_cursor": "again"}))],
        "tools/list" => vec![Do::Result(json!({"tools": [], "nextCursor": "again"}))],
        _ => vec![],
    });
    let s = native(&fake);
    assert!(s.list(None).await.unwrap_err().message().contains("does not end"));
    assert!(s.connection().tools().await.unwrap_err().message().contains("does not end"));
}

#[tokio::test]
async fn one_malformed_tool_does_not_kill_the_list() {
    let fake = Fake::new(|what, _| match what {
        "tools/list" => vec![Do::Result(json!({"tools": [
            {"name": "good", "inputSchema": {"type": "object"}, "extra": {"kept": true}},
            {"name": "bad", "inputSchema": {"type": "object"}, "annotations": {"readOnlyHint": "yes"}},
            {"name": "no\u{202e}schema"},
            {"inputSchema": {}},
            {"name": "good", "inputSchema": {}},
        ]}))],
        _ => vec![],
    });
    let list = native(&fake).connection().tools().await.unwrap();
    assert_eq!(list.tools.len(), 1);
    assert_eq!(list.get("good").unwrap().definition["extra"]["kept"], true, "no field is lost");
    let bad: Vec<&str> = list.malformed.iter().map(|m| m.name.as_str()).collect();
    assert_eq!(bad, ["bad", "no‹U+202E›schema", "?", "good"]);
}

#[tokio::test]
async fn the_target_is_read_anew_and_its_pin_covers_unknown_fields() {
    let version = Arc::new(AtomicUsize::new(1));
    let now = version.clone();
    let fake = Fake::new(move |what, _| match what {
        "tools/list" => {
            let mut tools = protocol_tools();
            tools[0]["x-vendor"] = json!(now.load(Ordering::SeqCst));
            vec![Do::Result(json!({"tools": tools}))]
        }
        _ => vec![],
    });
    let s = native(&fake);
    let first = s.target().await.unwrap();
    assert_eq!((first.identity.as_str(), first.simulated, first.server.as_str()), ("fake:one", true, "fake"));
    assert_eq!(s.target().await.unwrap(), first);
    let before = fake.seen(tool::HEALTH).len();
    assert_eq!(s.health().await.unwrap().identity, "fake:one");
    assert_eq!(fake.seen(tool::HEALTH).len() - before, 1, "who it is and how it is come with one answer");
    version.store(2, Ordering::SeqCst);
    assert_ne!(s.target().await.unwrap().pin, first.pin);

    let strange = Fake::new(|what, _| {
        let mut h = health();
        h["protocol"] = json!("cross-mcp/9");
        if what == tool::HEALTH { vec![Do::Structured(h)] } else { vec![] }
    });
    assert!(native(&strange).target().await.unwrap_err().message().contains("cross-mcp/9"));

    let nameless = Fake::new(|what, _| {
        let mut h = health();
        h["identity"] = json!(" ");
        if what == tool::HEALTH { vec![Do::Structured(h)] } else { vec![] }
    });
    let said = native(&nameless).health().await.unwrap();
    assert_eq!((said.health, said.message.as_str()), (Health::Unhealthy, "it does not say what it manages"));
}

#[tokio::test]
async fn types_are_kept_until_the_server_says_otherwise() {
    let changed = json!({"jsonrpc": "2.0", "method": "notifications/tools/list_changed"}).to_string();
    let fake = Fake::new(move |what, _| match what {
        tool::LIST_TYPES => vec![Do::Structured(json!({"types": [{"type": "network:vlan", "properties": {"type": "object"}}]}))],
        tool::HEALTH => vec![Do::Raw(changed.clone()), Do::Structured(health())],
        _ => vec![],
    });
    let s = native(&fake);
    assert_eq!(s.types().await.unwrap().len(), 1);
    s.types().await.unwrap();
    assert_eq!(fake.seen(tool::LIST_TYPES).len(), 1);
    assert_eq!(s.health().await.unwrap().message, "fine");
    let until = tokio::time::Instant::now() + std::time::Duration::from_secs(5);
    while fake.seen(tool::LIST_TYPES).len() < 2 && tokio::time::Instant::now() < until {
        s.types().await.unwrap();
        tokio::task::yield_now().await;
    }
    assert_eq!(fake.seen(tool::LIST_TYPES).len(), 2);
}

#[tokio::test]
async fn evidence_is_cleaned_and_optional() {
    let fake = Fake::new(|what, _| match what {
        tool::EVIDENCE => vec![Do::Structured(json!({"evidence": [{"source": "log", "text": "\u{1b}]0;x\u{7}OOM\u{200b}"}]}))],
        _ => vec![],
    });
    assert_eq!(native(&fake).evidence(&key(None)).await.unwrap()[0].text, "OOM‹U+200B›");
    let without = Fake::new(|what, _| if what == "tools/list" { vec![Do::Result(json!({"tools": []}))] } else { vec![] });
    assert!(native(&without).evidence(&key(None)).await.unwrap().is_empty());
}
