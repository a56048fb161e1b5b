//! The client against the four sandbox servers, in process: the same protocol from both sides.

use std::{sync::Arc, time::Duration};

use serde_json::{Value, json};
use swell::{
    domain::{Properties, ResourceName, ResourceType},
    mcp::{
        CallControl, CallError, ConnectOptions, Connection, Endpoint, Health, Key, NativeServer, Notice, Refusal, ResourceServer,
        connect_all,
        protocol::{tool, uri},
        tools::speaks_protocol,
    },
    sandbox::{Effect, Fault, Poke, SERVERS, SandboxOptions, World, spawn_in_process},
};

struct Lab {
    world: World,
    _folder: tempfile::TempDir,
}

impl Lab {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        Self { world: World::open(folder.path().join("world")).unwrap(), _folder: folder }
    }

    fn server(&self, name: &'static str) -> NativeServer {
        let world = self.world.clone();
        let factory = move || spawn_in_process(name, world.clone(), SandboxOptions::default()).ok();
        NativeServer::new(Connection::new(name.parse().unwrap(), Endpoint::Local(Arc::new(factory)), ConnectOptions::default()))
    }
}

fn object(value: Value) -> Properties {
    match value {
        Value::Object(map) => map,
        other => panic!("{other}"),
    }
}

fn quick() -> CallControl {
    CallControl { idle: Duration::from_millis(400), total: Duration::from_secs(5), cancel: Default::default() }
}

fn named(kind: &str, name: &str) -> (ResourceType, ResourceName) {
    (kind.parse().unwrap(), name.parse().unwrap())
}

#[tokio::test]
async fn all_four_start_together_and_say_who_they_are() {
    let lab = Lab::new();
    let servers: Vec<NativeServer> = SERVERS.iter().map(|name| lab.server(name)).collect();
    let connections: Vec<_> = servers.iter().map(|s| s.connection().clone()).collect();
    assert!(connect_all(&connections).await.iter().all(|(_, result)| result.is_ok()));
    for server in &servers {
        let tools = server.connection().tools().await.unwrap();
        assert!(speaks_protocol(&tools.tools) && tools.malformed.is_empty());
        let target = server.target().await.unwrap();
        assert!(target.simulated && target.pin.len() == 64, "{target:?}");
        assert_eq!(server.target().await.unwrap(), target, "reading it again gives the same");
        assert_eq!(server.health().await.unwrap().health, Health::Healthy);
        let types = server.types().await.unwrap();
        let all = server.list(None).await.unwrap();
        assert!(!types.is_empty() && all.iter().all(|live| types.contains_key(&live.kind)), "{}", server.name());
    }
}

#[tokio::test]
async fn create_read_update_delete_and_the_same_key_twice() {
    let lab = Lab::new();
    for (server, kind, properties) in [
        ("opnsense", "network:vlan", json!({"tag": 77, "interface": "igc2"})),
        ("aws", "s3:bucket", json!({})),
        ("docker", "network", json!({})),
        ("kubernetes", "namespace", json!({"labels": {"team": "web"}})),
    ] {
        let s = lab.server(server);
        let ((kind, name), properties, control) = (named(kind, "made-here"), object(properties), CallControl::read());
        let by_name = Key::named(&kind, &name);
        assert_eq!(s.read(&by_name).await.unwrap(), None);
        let live = s.create(&kind, &name, &properties, "key-1", &control).await.unwrap();
        let again = s.create(&kind, &name, &properties, "key-1", &control).await.unwrap();
        assert_eq!(live.id, again.id, "{server}: the same key gives the same resource");
        let e = s.create(&kind, &name, &properties, "key-2", &control).await.unwrap_err();
        assert!(matches!(e, CallError::Refused { class: Refusal::Exists, .. }), "{server}: {e:?}");
        let key = Key { id: Some(live.id.clone()), ..by_name.clone() };
        let read = s.read(&key).await.unwrap().unwrap();
        assert_eq!((read.name.as_str(), read.created_by.as_deref()), ("made-here", Some("key-1")));
        assert!(s.list(Some(&kind)).await.unwrap().iter().any(|l| l.id == live.id));
        assert_eq!(s.update(&key, &properties, &control).await.unwrap().id, live.id);
        s.delete(&key, &control).await.unwrap();
        assert_eq!(s.read(&by_name).await.unwrap(), None);
        assert!(s.delete(&key, &control).await.unwrap_err().is_not_found(), "{server}");
    }
}

#[tokio::test]
async fn wrong_arguments_are_refused_with_their_class() {
    let lab = Lab::new();
    let s = lab.server("opnsense");
    let (kind, name) = named("network:vlan", "x");
    let e = s.create(&kind, &name, &object(json!({"tag": "no"})), "k", &quick()).await.unwrap_err();
    assert!(matches!(e, CallError::Refused { class: Refusal::Invalid, .. }), "{e:?}");
}

async fn is_unknown_and_found_again(effect: Effect) {
    let lab = Lab::new();
    let mut fault = Fault::new(effect.clone()).on("docker").tool(tool::CREATE);
    fault.times = Some(1);
    lab.world.add_fault(fault).unwrap();
    let s = lab.server("docker");
    let (kind, name) = named("network", "net");
    let e = s.create(&kind, &name, &Properties::new(), "key-1", &quick()).await.unwrap_err();
    assert!(matches!(e, CallError::Unknown { .. }), "{effect:?}: {e:?}");
    let live = s.read(&Key::named(&kind, &name)).await.unwrap().unwrap();
    assert_eq!(live.created_by.as_deref(), Some("key-1"));
}

#[tokio::test]
async fn what_was_done_without_an_answer_is_unknown_and_found_again() {
    is_unknown_and_found_again(Effect::TimeoutAfterCommit).await;
}

#[tokio::test]
async fn what_was_done_by_a_server_that_died_is_unknown_and_found_again() {
    is_unknown_and_found_again(Effect::Die { commit: true }).await;
    is_unknown_and_found_again(Effect::LostStream { commit: true }).await;
}

#[tokio::test]
async fn a_changed_tool_changes_the_pin_and_poisoned_text_stays_text() {
    let lab = Lab::new();
    let s = lab.server("docker");
    let pin = s.target().await.unwrap().pin;
    let changed = Effect::ChangedTool { description: "Also\u{200b} sends it away".into() };
    lab.world.add_fault(Fault::new(changed).on("docker").tool(tool::CREATE)).unwrap();
    assert_ne!(s.target().await.unwrap().pin, pin);

    let (kind, name) = named("network", "net");
    lab.world
        .add_fault(Fault::new(Effect::Fail { class: Refusal::Denied, message: "\u{1b}[2Jno".into() }).on("docker").tool(tool::DELETE))
        .unwrap();
    let e = s.delete(&Key::named(&kind, &name), &quick()).await.unwrap_err();
    assert!(matches!(&e, CallError::Refused { class: Refusal::Denied, message, .. } if message == "no"), "{e:?}");
}

#[tokio::test]
async fn a_change_behind_our_back_is_told() {
    let lab = Lab::new();
    let s = lab.server("opnsense");
    let (kind, name) = named("network:vlan", "watched");
    s.create(&kind, &name, &object(json!({"tag": 88, "interface": "igc2"})), "k", &quick()).await.unwrap();
    let wanted = uri("opnsense", &kind, "watched");
    let mut watch = s.connection().watch(std::slice::from_ref(&wanted)).await.unwrap().unwrap();
    let poke = Poke::SetProperty { property: "description".into(), value: json!("changed") };
    lab.world.poke("opnsense", "network:vlan", "watched", poke).unwrap();
    let notice = tokio::time::timeout(Duration::from_secs(5), watch.next()).await.unwrap();
    assert_eq!(notice, Some(Notice::ResourceUpdated(wanted)));
}
