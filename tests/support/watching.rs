//! A `swell watch --json` that runs beside the test, read event by event.

use std::{
    io::{BufRead, BufReader},
    process::Child,
    sync::mpsc::{Receiver, channel},
    time::Duration,
};

use serde_json::Value;

use super::env::TestEnv;

/// The longest wait for an event; much more than a slow machine needs.
const PATIENCE: Duration = Duration::from_secs(90);

/// It ends with the test.
pub struct Watching {
    child: Child,
    lines: Receiver<String>,
}

impl Watching {
    /// Starts it.
    pub fn start(env: &TestEnv, args: &[&str]) -> Self {
        let mut child = env.start(&[&["watch", "--json"], args].concat());
        let (tell, lines) = channel();
        let output = BufReader::new(child.stdout.take().unwrap());
        std::thread::spawn(move || output.lines().map_while(Result::ok).try_for_each(|line| tell.send(line)));
        Self { child, lines }
    }

    /// Reads until an event fits; gives all that came before too.
    #[track_caller]
    pub fn until(&mut self, fits: impl Fn(&Value) -> bool) -> Vec<Value> {
        let mut all = Vec::new();
        while let Ok(line) = self.lines.recv_timeout(PATIENCE) {
            all.push(serde_json::from_str(&line).unwrap());
            if all.last().is_some_and(&fits) {
                return all;
            }
        }
        panic!("the watch ended, or says no more: {all:#?}");
    }

    /// Waits until everything was looked at once: from then on a change is told as one.
    #[track_caller]
    pub fn looked(&mut self) -> Vec<Value> {
        self.until(|e| e["event"] == "watching" && e["looked"] == e["servers"])
    }

    /// Whether an event is a sight of this kind.
    pub fn is(what: &str, well: bool) -> impl Fn(&Value) -> bool {
        move |event| event["event"] == "watched" && event["what"] == what && event["well"] == well
    }

    /// Ctrl-C; the rest that is said, and the exit code.
    pub fn interrupt(mut self) -> (Vec<Value>, i32) {
        signal(self.child.id(), "INT");
        let rest = self.lines.iter().map(|line| serde_json::from_str(&line).unwrap()).collect();
        (rest, self.child.wait().unwrap().code().unwrap())
    }
}

impl Drop for Watching {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// What was seen, without the signs of life: `address what: text`.
pub fn sights(events: &[Value]) -> Vec<String> {
    let word = |v: &Value| v.as_str().unwrap_or_default().to_owned();
    let seen = events.iter().filter(|e| e["event"] == "watched");
    seen.map(|e| {
        format!("{} {}: {}", word(if e["address"].is_null() { &e["server"] } else { &e["address"] }), word(&e["what"]), word(&e["text"]))
    })
    .collect()
}

/// Sends a signal to a process that the test started.
pub fn signal(pid: u32, name: &str) {
    assert!(std::process::Command::new("kill").args([&format!("-{name}"), &pid.to_string()]).status().unwrap().success());
}
