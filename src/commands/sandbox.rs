//! `swell sandbox`.

use std::path::Path;

use serde_json::{Value, json};

use super::{DONE, Exit, Out};
use crate::{
    cli::SandboxCommand,
    diagnostic::{Diagnostic, Failure},
    domain::Address,
    flow, sandbox,
};

/// What one simulated server holds, asked over MCP like any other.
pub(super) async fn world_rows(name: &str, world: sandbox::World) -> Result<Vec<(String, crate::mcp::Live)>, Failure> {
    use crate::mcp::{ResourceServer, connection::Connection, native::NativeServer};
    let server = name.parse().map_err(|e: crate::domain::NameError| flow::usage(&e.to_string()))?;
    let stream = sandbox::spawn_in_process(name, world, sandbox::SandboxOptions::default()).map_err(|e| flow::usage(&e.to_string()))?;
    let native = NativeServer::new(Connection::connect_duplex(server, stream, Default::default()).await?);
    let all = native.list(None).await.map_err(|e| Failure::from(crate::plan::refresh::unreachable(native.name(), &e)))?;
    native.connection().close().await;
    Ok(all.into_iter().map(|l| (name.to_owned(), l)).collect())
}

pub(super) fn explain_world(error: &sandbox::WorldError) -> Diagnostic {
    Diagnostic::error("sandbox::world", "The simulated world cannot be used")
        .detail(format!("{error}."))
        .state("No server outside of the simulation is touched by this.")
        .next("To begin anew:", "swell sandbox reset")
}

/// `swell sandbox …`.
pub async fn sandbox(command: &SandboxCommand, folder: &Path, latency: bool, out: &Out) -> Exit {
    let open = || sandbox::World::open(folder).map_err(|e| Failure::from(explain_world(&e)));
    match command {
        SandboxCommand::Serve { server } => {
            if !sandbox::SERVERS.contains(&server.as_str()) {
                return Err(flow::usage(&format!(
                    "`{}` is not one of {}",
                    crate::domain::text::clean(server, 40),
                    sandbox::SERVERS.join(", ")
                )));
            }
            sandbox::serve_stdio(server, folder, sandbox::SandboxOptions { latency }).await.map_err(|e| flow::usage(&e.to_string()))?;
        }
        SandboxCommand::Show => {
            let world = open()?;
            let mut rows = Vec::new();
            for name in sandbox::SERVERS {
                rows.extend(world_rows(name, world.clone()).await?);
            }
            out.data(&rows, || {
                let cells = rows.iter().map(|(server, l)| {
                    let word = |v: &Value| v.as_str().unwrap_or_default().to_owned();
                    vec![
                        server.clone(),
                        l.kind.to_string(),
                        l.name.clone(),
                        word(&json!(l.status)),
                        word(&json!(l.health)),
                        l.reason.clone().unwrap_or_default(),
                    ]
                });
                out.table(&["server", "type", "name", "status", "health", ""], cells.collect())
            });
        }
        SandboxCommand::Reset => {
            open()?.reset().map_err(|e| Failure::from(explain_world(&e)))?;
            out.screen
                .print("The simulated world is as it was at the beginning. Deployments that Swell recorded in it are gone from it.\n");
        }
        SandboxCommand::Poke { address, what, value } => {
            let address: Address = address.parse().map_err(|e: crate::domain::NameError| flow::usage(&e.to_string()))?;
            let poke = match (what.as_str(), value.as_deref().and_then(|v| v.split_once('='))) {
                ("kill", _) => sandbox::Poke::Kill,
                ("delete", _) => sandbox::Poke::Delete,
                ("restart", _) => sandbox::Poke::Restart,
                ("set", Some((property, value))) => {
                    sandbox::Poke::SetProperty { property: property.to_owned(), value: flow::typed_value(value) }
                }
                _ => return Err(flow::usage("what happens is `kill`, `delete`, `restart` or `set property=value`")),
            };
            open()?
                .poke(address.server.as_str(), address.kind.as_str(), address.name.as_str(), poke)
                .map_err(|e| Failure::from(explain_world(&e)))?;
        }
        SandboxCommand::Fault { fault } => {
            let world = open()?;
            let explain = |e: sandbox::WorldError| Failure::from(explain_world(&e));
            let words: Vec<&str> = fault.iter().map(String::as_str).collect();
            match words.as_slice() {
                ["list"] => {
                    let all = world.list_faults().map_err(explain)?;
                    out.data(&all, || all.iter().map(|f| format!("{}\n", serde_json::to_string(f).unwrap_or_default())).collect());
                }
                ["clear"] => out.screen.print(&format!("{} cleared\n", world.clear_faults().map_err(explain)?)),
                said => {
                    let fault = sandbox::Fault::read(said).map_err(|e| flow::usage(&format!("the fault cannot be read: {e}")))?;
                    out.screen.print(&format!("fault {} is set\n", world.add_fault(fault).map_err(explain)?));
                }
            }
        }
    }
    Ok(DONE)
}
