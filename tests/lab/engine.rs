//! The Docker engine itself, past Swell and past every MCP server: what happens behind Swell's back, and what is really there.

use std::{
    io::{BufRead, BufReader, Read, Write},
    net::TcpStream,
    os::unix::net::UnixStream,
    time::{Duration, Instant},
};

use serde_json::Value;

/// The engine's own interface on its socket.
pub struct Engine {
    socket: String,
}

impl Engine {
    /// From an address such as `unix:///run/docker.sock`.
    pub fn at(address: &str) -> Self {
        Self { socket: address.strip_prefix("unix://").expect("the lab's engine has a socket").to_owned() }
    }

    /// One request; the answer as JSON, null if it is empty. Panics when the engine says no.
    #[track_caller]
    pub fn ask(&self, method: &str, path: &str) -> Value {
        let mut stream = UnixStream::connect(&self.socket).unwrap();
        let answer = exchange(&mut stream, method, path, "docker", "");
        assert!(answer.status < 400, "{method} {path}: {} {}", answer.status, answer.body);
        serde_json::from_str(&answer.body).unwrap_or(Value::Null)
    }

    /// Kills a container with SIGKILL.
    pub fn kill(&self, name: &str) {
        self.ask("POST", &format!("/containers/{name}/kill"));
    }

    /// Names of the containers, networks and volumes that begin with `prefix`.
    pub fn names(&self, prefix: &str) -> Vec<String> {
        let of = |value: &Value, key: &str| value[key].as_str().unwrap_or_default().trim_start_matches('/').to_owned();
        let containers = self.ask("GET", "/containers/json?all=true");
        let mut all: Vec<String> = containers
            .as_array()
            .unwrap()
            .iter()
            .flat_map(|c| c["Names"].as_array().unwrap().clone())
            .map(|n| of(&serde_json::json!({"n": n}), "n"))
            .collect();
        all.extend(self.ask("GET", "/networks").as_array().unwrap().iter().map(|n| of(n, "Name")));
        all.extend(self.ask("GET", "/volumes")["Volumes"].as_array().into_iter().flatten().map(|v| of(v, "Name")));
        all.retain(|name| name.starts_with(prefix));
        all.sort();
        all
    }
}

/// An HTTP answer.
#[derive(Debug)]
pub struct Answer {
    /// Its status.
    pub status: u16,
    /// Its header lines, in lower case.
    pub headers: Vec<String>,
    /// Its body.
    pub body: String,
}

impl Answer {
    /// The value of a header.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find_map(|line| line.strip_prefix(name)?.strip_prefix(':').map(str::trim))
    }
}

/// One request to a port of this machine, for a site by its name; a refused or broken connection is status 0.
pub fn http(port: u16, site: &str, method: &str, path: &str, form: &str) -> Answer {
    let Ok(mut stream) = TcpStream::connect(("127.0.0.1", port)) else {
        return Answer { status: 0, headers: Vec::new(), body: String::new() };
    };
    stream.set_read_timeout(Some(Duration::from_secs(60))).unwrap();
    exchange(&mut stream, method, path, &format!("{site}:{port}"), form)
}

fn exchange<S: Read + Write>(stream: &mut S, method: &str, path: &str, host: &str, form: &str) -> Answer {
    let kind = if form.is_empty() { "" } else { "Content-Type: application/x-www-form-urlencoded\r\n" };
    let length = form.len();
    // HTTP/1.0: the answer ends with the connection, and is never in chunks.
    let sent = write!(stream, "{method} {path} HTTP/1.0\r\nHost: {host}\r\n{kind}Content-Length: {length}\r\n\r\n{form}");
    let mut reader = BufReader::new(stream);
    let mut lines = Vec::new();
    let mut body = Vec::new();
    if sent.is_ok() {
        loop {
            let mut line = String::new();
            match reader.read_line(&mut line) {
                Ok(n) if n > 2 => lines.push(line.trim_end().to_owned()),
                _ => break,
            }
        }
        // What was read before a connection breaks is judged by its status.
        reader.read_to_end(&mut body).ok();
    }
    let status = lines.first().and_then(|l| l.split(' ').nth(1)).and_then(|s| s.parse().ok()).unwrap_or(0);
    let headers = lines
        .iter()
        .skip(1)
        .map(|l| l.split_once(':').map_or_else(|| l.clone(), |(name, value)| format!("{}:{value}", name.to_lowercase())))
        .collect();
    Answer { status, headers, body: String::from_utf8_lossy(&body).into_owned() }
}

/// A port of this machine that nobody listens on.
pub fn free_port() -> u16 {
    std::net::TcpListener::bind(("127.0.0.1", 0)).unwrap().local_addr().unwrap().port()
}

/// Asks until it is so; panics with the last answer when it never is.
#[track_caller]
pub fn until<T: std::fmt::Debug>(seconds: u64, mut ask: impl FnMut() -> T, good: impl Fn(&T) -> bool) -> T {
    let deadline = Instant::now() + Duration::from_secs(seconds);
    loop {
        let answer = ask();
        if good(&answer) {
            return answer;
        }
        assert!(Instant::now() < deadline, "after {seconds} s: {answer:?}");
        std::thread::sleep(Duration::from_millis(200));
    }
}
