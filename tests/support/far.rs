//! One of the simulated servers behind a URL: what comes over HTTP goes to a real `swell sandbox serve`, and its answers go back.

use std::{
    io::{BufRead, BufReader, Write},
    net::TcpListener,
    process::{Child, ChildStdin, ChildStdout, Stdio},
    sync::{Arc, Mutex},
};

use serde_json::Value;
use wiremock::{Mock, MockServer, Request, Respond, ResponseTemplate, matchers::any};

use super::env::{SWELL, TestEnv};

/// The server. It ends with the test.
pub struct Far {
    server: MockServer,
    said: Arc<Mutex<Said>>,
}

/// What was asked of it, and what it says besides MCP.
#[derive(Default)]
pub struct Said {
    /// Each request: method and path.
    pub seen: Vec<String>,
    /// Its server card.
    pub card: Option<Value>,
}

impl Far {
    /// Starts it where others can reach it: `0.0.0.0`, or only this machine.
    pub async fn start(env: &TestEnv, name: &str, address: &str) -> Self {
        let server = MockServer::builder().listener(TcpListener::bind((address, 0)).unwrap()).start().await;
        let said: Arc<Mutex<Said>> = Arc::default();
        let mut start = env.command(SWELL, &["sandbox", "serve", name]);
        start.stdin(Stdio::piped()).stderr(Stdio::null());
        let bridge = Bridge { said: said.clone(), start: Mutex::new(start), program: Mutex::new(None) };
        Mock::given(any()).respond_with(bridge).mount(&server).await;
        Self { server, said }
    }

    /// Its port.
    pub fn port(&self) -> u16 {
        self.server.address().port()
    }

    /// Its address from this machine.
    pub fn url(&self) -> String {
        format!("http://127.0.0.1:{}/mcp", self.port())
    }

    /// What was asked of it, and what it says.
    pub fn said(&self) -> std::sync::MutexGuard<'_, Said> {
        self.said.lock().unwrap()
    }
}

struct Bridge {
    said: Arc<Mutex<Said>>,
    start: Mutex<std::process::Command>,
    program: Mutex<Option<Program>>,
}

struct Program {
    child: Child,
    input: ChildStdin,
    output: BufReader<ChildStdout>,
}

impl Drop for Program {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl Program {
    /// One message out, and the answer to it if it wants one.
    fn exchange(&mut self, message: &Value) -> Option<Value> {
        writeln!(self.input, "{message}").unwrap();
        let id = message.get("id")?;
        let mut line = String::new();
        loop {
            line.clear();
            assert_ne!(self.output.read_line(&mut line).unwrap(), 0, "it ended");
            let answer: Value = serde_json::from_str(&line).unwrap();
            if answer.get("method").is_none() && answer.get("id") == Some(id) {
                return Some(answer);
            }
        }
    }
}

impl Respond for Bridge {
    fn respond(&self, request: &Request) -> ResponseTemplate {
        let mut said = self.said.lock().unwrap();
        said.seen.push(format!("{} {}", request.method, request.url.path()));
        match (request.url.path(), &said.card) {
            ("/mcp/server-card", Some(card)) => return ResponseTemplate::new(200).set_body_json(card),
            ("/mcp", _) => {}
            _ => return ResponseTemplate::new(404),
        }
        let Ok(message) = serde_json::from_slice::<Value>(&request.body) else { return ResponseTemplate::new(405) };
        let mut program = self.program.lock().unwrap();
        // Whoever comes anew gets a program of their own.
        if program.is_none() || matches!(message["method"].as_str(), Some("initialize" | "server/discover")) {
            let mut child = self.start.lock().unwrap().spawn().unwrap();
            let (input, output) = (child.stdin.take().unwrap(), BufReader::new(child.stdout.take().unwrap()));
            *program = Some(Program { child, input, output });
        }
        match program.as_mut().unwrap().exchange(&message) {
            Some(answer) => ResponseTemplate::new(200).set_body_json(answer),
            None => ResponseTemplate::new(202),
        }
    }
}
