//! Third-party servers behind their bindings: as `.ci/lab up` writes them down, and the real `swell` over them.
//!
//! `SWELL_LAB_SERVERS` is a folder of NAME.json (`command`, `args`, `env`); what a server manages stands in variables of its own.

use std::{collections::BTreeMap, path::Path, sync::Arc, time::Duration};

use serde::Deserialize;
use serde_json::Value;
use swell::{
    domain::{Properties, ResourceName, ResourceType},
    mcp::{AnyServer, CallControl, ConnectOptions, Connection, Endpoint, Key, Library, Live, ResourceServer, Status, process::ProcessSpec},
};

use crate::support::env::{Checked, TestEnv};

/// How a server of the lab is started.
#[derive(Debug, Clone, Deserialize)]
pub struct LabServer {
    /// The program, as a whole path.
    pub command: String,
    /// Its arguments.
    pub args: Vec<String>,
    /// Its environment.
    pub env: BTreeMap<String, String>,
}

/// The server of this name, if the lab has it and each of these variables (`SWELL_LAB_DOCKER`, …) names its system; says why not.
pub fn lab_server(name: &str, systems: &[&str]) -> Option<LabServer> {
    for system in systems {
        lab_variable(system)?;
    }
    let folder = lab_variable("SWELL_LAB_SERVERS")?;
    let file = Path::new(&folder).join(format!("{name}.json"));
    match std::fs::read(&file) {
        Ok(bytes) => Some(serde_json::from_slice(&bytes).unwrap_or_else(|e| panic!("{}: {e}", file.display()))),
        Err(e) => skipped(&format!("{}: {e}", file.display())),
    }
}

/// A variable that names a real system; says so when it is missing.
#[expect(clippy::disallowed_methods, reason = "a person says with variables which real system may be used")]
pub fn lab_variable(name: &str) -> Option<String> {
    match std::env::var(name) {
        Ok(value) if !value.is_empty() => Some(value),
        _ => skipped(&format!("{name} is not set (see .ci/lab)")),
    }
}

#[expect(clippy::print_stderr, reason = "who runs the tests is told what was not tested")]
fn skipped<T>(why: &str) -> Option<T> {
    eprintln!("skipped: {why}");
    None
}

impl LabServer {
    /// The server behind its binding, in this process.
    pub fn connect(&self, name: &str) -> AnyServer {
        let spec = ProcessSpec {
            command: self.command.clone(),
            args: self.args.clone(),
            env: self.env.clone().into_iter().collect(),
            inherit: std::env::vars().collect(),
            folder: None,
        };
        let connection = Connection::new(name.parse().unwrap(), Endpoint::Process(spec), ConnectOptions::default());
        AnyServer::new(connection, Arc::new(Library::load(&[])))
    }

    /// Its entry in `swell.toml`.
    fn entry(&self, name: &str) -> String {
        let literal = |text: &str| Value::from(text.replace("${", "$${")).to_string();
        let args: Vec<String> = self.args.iter().map(|a| literal(a)).collect();
        let env: String = self.env.iter().map(|(k, v)| format!("{k} = {}\n", literal(v))).collect();
        format!(
            "[servers.{name}]\ncommand = {}\nargs = [{}]\nstart_timeout = 60\n[servers.{name}.env]\n{env}",
            literal(&self.command),
            args.join(", ")
        )
    }
}

/// A home whose operator has registered these servers and switched the simulated ones off.
pub fn home_with(servers: &[(&str, &LabServer)]) -> TestEnv {
    // Wide, so that no sentence is broken where a test looks for it.
    let env = TestEnv::new().var("COLUMNS", "1000");
    register(&env, servers);
    env
}

/// The same in a home that is there already.
pub fn register(env: &TestEnv, servers: &[(&str, &LabServer)]) {
    let entries: String = servers.iter().map(|(name, server)| server.entry(name)).collect();
    env.configure(&format!("sandbox = false\n{entries}"));
}

/// What a command said, on both streams and wherever its lines were broken, must hold all of these.
#[track_caller]
pub fn tells(ran: &Checked, words: &[&str]) {
    let said = format!("{}\n{}", ran.stdout, ran.stderr).split_whitespace().collect::<Vec<_>>().join(" ");
    for wanted in words {
        assert!(said.contains(wanted), "does not say `{wanted}`: {said}");
    }
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
    Key::named(&live.kind, &live.name.parse().unwrap()).id(live.id.clone())
}
