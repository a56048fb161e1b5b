//! The client that the official MCP conformance suite drives: `conformance-client URL`.
//!
//! Everything it does goes through Swell's own connection. What is here is only the person that a run in CI does not have: one who says
//! yes to every question with the form's defaults, and who logs in wherever the suite's authorization server asks.
#![expect(clippy::print_stderr, reason = "what it did is what a failed run is understood by")]
#![expect(clippy::disallowed_methods, reason = "the suite tells it in the environment what to do")]

use std::{process::ExitCode, sync::Arc, time::Duration};

use async_trait::async_trait;
use serde::Deserialize;
use serde_json::{Map, Value, json};
use swell::{
    domain::{ServerName, ToolName},
    mcp::{
        Answer, Ask, CallControl, CallError, ConnectError, ConnectOptions, Connection, Effect, Endpoint, Question, Wanted,
        auth::{AuthSpec, Grant, Login, Tokens},
        http::HttpSpec,
        tools::Tool,
    },
    secret::Redactor,
};

/// How often the person logs in before they have enough of it.
const PATIENCE: usize = 3;

/// What Swell says when a person has to log in.
const LOGIN: &str = "swell servers login";

/// What the suite says besides the URL.
#[derive(Debug, Default, Deserialize)]
struct Context {
    client_id: Option<String>,
    client_secret: Option<String>,
    #[serde(default, rename = "toolCalls")]
    calls: Vec<Call>,
}

#[derive(Debug, Deserialize)]
struct Call {
    name: String,
    #[serde(default)]
    arguments: Map<String, Value>,
}

struct Willing;

#[async_trait]
impl Ask for Willing {
    async fn ask(&self, question: Question) -> Answer {
        match question.wanted {
            Wanted::Form(form) => {
                let mut values = form.defaults();
                for field in form.fields.iter().filter(|f| f.required) {
                    if let Some(value) = ["x", "1", "yes"].iter().find_map(|typed| field.read(typed).ok()) {
                        values.entry(field.name.clone()).or_insert(value);
                    }
                }
                Answer::Accept(values)
            }
            Wanted::Url(_) => Answer::Accept(Map::new()),
        }
    }
}

struct Client {
    connection: Arc<Connection>,
    auth: AuthSpec,
    logins: usize,
}

#[tokio::main]
async fn main() -> ExitCode {
    match run().await {
        Ok(()) => ExitCode::SUCCESS,
        Err(e) => {
            eprintln!("{e}");
            ExitCode::FAILURE
        }
    }
}

async fn run() -> Result<(), Box<dyn std::error::Error>> {
    let url = std::env::args().next_back().ok_or("the URL is missing")?;
    let context: Context = std::env::var("MCP_CONFORMANCE_CONTEXT").ok().and_then(|c| serde_json::from_str(&c).ok()).unwrap_or_default();
    let scenario = std::env::var("MCP_CONFORMANCE_SCENARIO").unwrap_or_default();
    let folder = tempfile::tempdir()?;
    let name: ServerName = "suite".parse()?;
    let tokens = Arc::new(Tokens::new(folder.path(), name.clone(), &url, Redactor::default()));
    let auth = AuthSpec {
        client_id: context.client_id,
        client_secret: context.client_secret.map(Into::into),
        client_metadata: Some("https://conformance-test.local/client-metadata.json".to_owned()),
        // What an operator would have written into the configuration.
        grant: if scenario.starts_with("auth/client-credentials") { Grant::Client } else { Grant::Person },
        ..AuthSpec::new(tokens)
    };
    let spec = HttpSpec { url, headers: Default::default(), bearer: None, auth: Some(auth.clone()) };
    let options = ConnectOptions { timeout: Duration::from_secs(15), ask: Some(Arc::new(Willing)), ..ConnectOptions::default() };
    let connection = Connection::new(name, Endpoint::Http(spec), options);
    let mut client = Client { connection, auth, logins: 0 };
    let done = client.work(context.calls).await;
    client.connection.close().await;
    done
}

impl Client {
    async fn work(&mut self, calls: Vec<Call>) -> Result<(), Box<dyn std::error::Error>> {
        while let Err(error) = self.connection.connect().await {
            match error {
                ConnectError::Auth { .. } => self.log_in().await?,
                other => return Err(other.into()),
            }
        }
        eprintln!("connected: {:?}", self.connection.info().await);
        let tools = loop {
            match self.connection.tools().await {
                Err(CallError::NotSent { reason, .. }) if reason.contains(LOGIN) => self.log_in().await?,
                result => break result?,
            }
        };
        eprintln!("tools: {:?}, malformed: {:?}", tools.tools.iter().map(|t| t.name.as_str()).collect::<Vec<_>>(), tools.malformed);
        if !calls.is_empty() {
            for call in calls {
                self.call(&call.name.parse()?, call.arguments).await?;
            }
            return Ok(());
        }
        // The suite wants to see the schema of one tool as the client sees it.
        if let (Some(echo), Some(shown)) = (tools.get("json_schema_echo"), tools.get("json_schema_2020_12_tool")) {
            return self.call(&echo.name, Map::from_iter([("schema".to_owned(), shown.input_schema().clone())])).await;
        }
        for tool in &tools.tools {
            if let Err(e) = self.call(&tool.name, plausible(tool)).await {
                eprintln!("{}: {e}", tool.name);
            }
        }
        Ok(())
    }

    async fn call(&mut self, tool: &ToolName, arguments: Map<String, Value>) -> Result<(), Box<dyn std::error::Error>> {
        loop {
            let control = CallControl { idle: Duration::from_secs(15), total: Duration::from_secs(25), cancel: Default::default() };
            match self.connection.call(tool, arguments.clone(), Effect::Change, &control).await {
                Ok(reply) => {
                    eprintln!("{tool}: {} {:?}", reply.text, reply.structured);
                    return Ok(());
                }
                Err(CallError::NotSent { reason, .. }) if reason.contains(LOGIN) => {
                    eprintln!("{tool}: {reason}");
                    self.log_in().await?;
                }
                Err(e) => return Err(e.into()),
            }
        }
    }

    /// What `swell servers login` does, with a browser that needs no person.
    async fn log_in(&mut self) -> Result<(), Box<dyn std::error::Error>> {
        self.logins += 1;
        if self.logins > PATIENCE {
            return Err("it wants one login after the other".into());
        }
        let login = Login::begin(&self.auth, self.connection.challenge().as_ref(), &[]).await?;
        eprintln!("login: {:?}", login.asked());
        let page = login.asked().url.clone();
        let browser = tokio::spawn(async move { reqwest::get(page).await.map(|r| r.status()) });
        let granted = login.finish(Duration::from_secs(10)).await;
        eprintln!("browser: {:?}, granted: {granted:?}", browser.await?);
        granted?;
        self.connection.close().await;
        Ok(())
    }
}

/// Arguments that a tool's schema takes.
fn plausible(tool: &Tool) -> Map<String, Value> {
    let properties = tool.input_schema().get("properties").and_then(Value::as_object).cloned().unwrap_or_default();
    let value = |schema: &Value| match schema.get("type").and_then(Value::as_str) {
        _ if schema.get("enum").is_some() => schema["enum"][0].clone(),
        Some("number" | "integer") => json!(5),
        Some("boolean") => json!(true),
        Some("array") => json!([]),
        Some("object") => json!({}),
        _ => json!("x"),
    };
    properties.iter().map(|(name, schema)| (name.clone(), value(schema))).collect()
}
