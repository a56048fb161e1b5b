//! A real third-party server behind its binding.

use std::{collections::BTreeMap, sync::Arc, time::Duration};

use serde_json::Value;
use swell::{
    domain::{Properties, ResourceName, ResourceType},
    mcp::{AnyServer, CallControl, ConnectOptions, Connection, Endpoint, Key, Library, Live, ResourceServer, Status, process::ProcessSpec},
};

/// A server whose command stands in `command`, and whose system stands in `system`; says why there is none.
#[expect(
    clippy::disallowed_methods,
    clippy::print_stderr,
    reason = "a person says with variables which real system may be used, and is told when none is"
)]
pub fn server(name: &str, command: &str, system: &str, passed_as: &str) -> Option<AnyServer> {
    let (Ok(program), Ok(at)) = (std::env::var(command), std::env::var(system)) else {
        eprintln!("skipped: {command} (the server's command) and {system} (what it manages) are not both set");
        return None;
    };
    let mut words = program.split_whitespace().map(str::to_owned);
    let spec = ProcessSpec {
        command: words.next().unwrap_or_default(),
        args: words.collect(),
        env: BTreeMap::from([(passed_as.to_owned(), at)]).into_iter().collect(),
        inherit: std::env::vars().collect(),
        folder: None,
    };
    let connection = Connection::new(name.parse().unwrap(), Endpoint::Process(spec), ConnectOptions::default());
    Some(AnyServer::new(connection, Arc::new(Library::load(&[]))))
}

/// Creates one and waits until it is ready.
pub async fn make(server: &AnyServer, kind: &str, name: &str, properties: Value) -> Live {
    let (kind, name): (ResourceType, ResourceName) = (kind.parse().unwrap(), name.parse().unwrap());
    let properties: Properties = properties.as_object().unwrap().clone();
    let live = server.create(&kind, &name, &properties, "lab-key", &CallControl::read()).await.unwrap();
    ready(server, live).await
}

/// Waits until one is ready or has failed.
pub async fn ready(server: &AnyServer, mut live: Live) -> Live {
    for _ in 0..100 {
        if live.status != Status::Pending {
            break;
        }
        tokio::time::sleep(Duration::from_millis(200)).await;
        live = server.read(&key(&live)).await.unwrap().unwrap();
    }
    live
}

/// Deletes one and waits until it is gone.
pub async fn unmake(server: &AnyServer, live: &Live) {
    server.delete(&key(live), &CallControl::read()).await.unwrap();
    for _ in 0..150 {
        if server.read(&key(live)).await.unwrap().is_none() {
            return;
        }
        tokio::time::sleep(Duration::from_millis(200)).await;
    }
    panic!("{} is still there", live.name);
}

/// The key of what was seen.
pub fn key(live: &Live) -> Key {
    Key { kind: live.kind.clone(), name: live.name.parse().unwrap(), id: Some(live.id.clone()) }
}
