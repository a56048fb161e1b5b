//! A world in a temporary folder with a real MCP client per server, for the tests of this room.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};

use rmcp::model::{CallToolRequestParams, CallToolResult, ProtocolVersion, ResourceUpdatedNotificationParam};
use rmcp::service::{NotificationContext, RunningService};
use rmcp::{ClientHandler, RoleClient, ServiceExt};
use serde_json::{Value, json};
use tempfile::TempDir;

use super::{SandboxOptions, World, spawn_in_process};
use crate::mcp::Live;

/// Notes what the server tells without being asked.
#[derive(Clone, Default)]
pub(crate) struct Ear {
    pub updated: Arc<Mutex<Vec<String>>>,
    pub tools_changed: Arc<Mutex<u32>>,
}

impl ClientHandler for Ear {
    fn get_info(&self) -> rmcp::model::ClientConfig {
        rmcp::model::ClientConfig::default().with_protocol_version(ProtocolVersion::LATEST_WITH_INITIALIZE)
    }

    async fn on_resource_updated(&self, params: ResourceUpdatedNotificationParam, _: NotificationContext<RoleClient>) {
        self.updated.lock().unwrap().push(params.uri);
    }

    async fn on_tool_list_changed(&self, _: NotificationContext<RoleClient>) {
        *self.tools_changed.lock().unwrap() += 1;
    }
}

pub(crate) type Client = RunningService<RoleClient, Ear>;

pub(crate) struct Lab {
    pub dir: TempDir,
    pub world: World,
    clients: BTreeMap<String, Client>,
    keys: u32,
}

pub(crate) async fn connect(world: &World, server: &str) -> Client {
    let stream = spawn_in_process(server, world.clone(), SandboxOptions::default()).unwrap();
    Ear::default().serve(stream).await.unwrap()
}

impl Lab {
    pub fn new() -> Self {
        let dir = TempDir::new().unwrap();
        let world = World::open(dir.path()).unwrap();
        Self { dir, world, clients: BTreeMap::new(), keys: 0 }
    }

    pub async fn client(&mut self, server: &str) -> &Client {
        if !self.clients.contains_key(server) {
            let client = connect(&self.world, server).await;
            self.clients.insert(server.to_owned(), client);
        }
        &self.clients[server]
    }

    pub async fn raw(&mut self, server: &str, tool: &str, arguments: Value) -> CallToolResult {
        let params = CallToolRequestParams::new(tool.to_owned()).with_arguments(arguments.as_object().unwrap().clone());
        self.client(server).await.call_tool(params).await.unwrap()
    }

    /// The structured reply, or class and message of a refusal.
    pub async fn call(&mut self, server: &str, tool: &str, arguments: Value) -> Result<Value, (String, String)> {
        let result = self.raw(server, tool, arguments).await;
        let value = result.structured_content.unwrap();
        let text: Value = serde_json::from_str(&result.content[0].as_text().unwrap().text).unwrap();
        assert_eq!(text, value, "text and structured content differ");
        if result.is_error == Some(true) {
            let error = &value["error"];
            return Err((error["class"].as_str().unwrap().into(), error["message"].as_str().unwrap().into()));
        }
        Ok(value)
    }

    pub async fn try_create(&mut self, address: &str, properties: Value) -> Result<Live, (String, String)> {
        let (server, kind, name) = split(address);
        self.keys += 1;
        let key = format!("key-{}", self.keys);
        let args = json!({ "type": kind, "name": name, "properties": properties, "idempotency_key": key });
        self.call(&server, "create_resource", args).await.map(live)
    }

    pub async fn create(&mut self, address: &str, properties: Value) -> Live {
        self.try_create(address, properties).await.unwrap_or_else(|e| panic!("{address}: {e:?}"))
    }

    pub async fn read(&mut self, address: &str) -> Option<Live> {
        let (server, kind, name) = split(address);
        let value = self.call(&server, "get_resource_state", json!({ "type": kind, "name": name })).await.unwrap();
        serde_json::from_value(value["resource"].clone()).unwrap()
    }

    pub async fn update(&mut self, address: &str, properties: Value) -> Result<Live, (String, String)> {
        let (server, kind, name) = split(address);
        self.call(&server, "update_resource", json!({ "type": kind, "name": name, "properties": properties })).await.map(live)
    }

    pub async fn delete(&mut self, address: &str) -> Result<Value, (String, String)> {
        let (server, kind, name) = split(address);
        self.call(&server, "delete_resource", json!({ "type": kind, "name": name })).await
    }

    pub async fn evidence(&mut self, address: &str) -> String {
        let (server, kind, name) = split(address);
        self.call(&server, "get_resource_evidence", json!({ "type": kind, "name": name })).await.unwrap().to_string()
    }

    pub fn poke(&self, address: &str, poke: super::Poke) {
        let (server, kind, name) = split(address);
        self.world.poke(&server, &kind, &name, poke).unwrap();
    }
}

fn live(value: Value) -> Live {
    serde_json::from_value(value["resource"].clone()).unwrap()
}

fn split(address: &str) -> (String, String, String) {
    let address: crate::domain::Address = address.parse().unwrap();
    (address.server.to_string(), address.kind.to_string(), address.name.to_string())
}
