//! `swell` in a home of its own: on a pseudo-terminal, or with pipes. Tests wait for text and never sleep.

use std::{
    path::Path,
    process::{Command, Output, Stdio},
    time::Duration,
};

use expectrl::{Expect, Session, process::unix::WaitStatus};

/// The longest wait for a text; much more than a slow machine needs.
const PATIENCE: Duration = Duration::from_secs(60);

/// A home that nothing else uses.
pub struct Home {
    folder: tempfile::TempDir,
}

impl Home {
    pub fn new() -> Self {
        Self { folder: tempfile::tempdir().unwrap() }
    }

    pub fn path(&self) -> &Path {
        self.folder.path()
    }

    /// Writes the user's own configuration.
    pub fn configure(&self, text: &str) {
        let folder = self.path().join(".config/swell");
        std::fs::create_dir_all(&folder).unwrap();
        std::fs::write(folder.join("config.toml"), text).unwrap();
    }

    pub fn command(&self, args: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_swell"));
        command.args(args).current_dir(self.path()).env_clear();
        command.env("HOME", self.path()).env("PATH", "/usr/bin:/bin").env("TERM", "xterm").env("USER", "ann").env("NO_COLOR", "1");

        command
    }

    /// Runs with pipes.
    pub fn pipe(&self, args: &[&str], input: &str) -> Output {
        let mut child =
            self.command(args).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().expect("swell starts");
        std::io::Write::write_all(&mut child.stdin.take().unwrap(), input.as_bytes()).unwrap();
        child.wait_with_output().unwrap()
    }

    /// Runs without input and returns standard output; it must succeed.
    pub fn run(&self, args: &[&str]) -> String {
        let output = self.pipe(args, "");
        assert!(output.status.success(), "{args:?}: {}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8(output.stdout).unwrap()
    }

    /// The names of what the simulated server holds of a type, as `server:type:name`.
    pub fn world(&self) -> Vec<String> {
        let rows: Vec<(String, serde_json::Value)> = serde_json::from_str(&self.run(&["sandbox", "show", "--json"])).unwrap();
        let name = |v: &serde_json::Value, key: &str| v[key].as_str().unwrap_or_default().to_owned();
        rows.iter().map(|(server, row)| format!("{server}:{}:{}", kind(row), name(row, "name"))).collect()
    }

    /// Starts the conversation on a terminal and waits for its prompt.
    pub fn chat(&self, args: &[&str]) -> Chat {
        let mut chat = self.terminal(args);
        chat.wait("swell> ");
        chat
    }

    /// Starts any command on a terminal.
    pub fn terminal(&self, args: &[&str]) -> Chat {
        self.terminal_with(args, &[])
    }

    /// The same with more variables in its environment.
    pub fn terminal_with(&self, args: &[&str], variables: &[(&str, &str)]) -> Chat {
        let mut command = self.command(args);
        command.envs(variables.iter().copied());
        let mut session = Session::spawn(command).unwrap();
        session.set_expect_timeout(Some(PATIENCE));
        session.get_process_mut().set_window_size(140, 50).unwrap();
        Chat { session, seen: String::new() }
    }
}

fn kind(row: &serde_json::Value) -> String {
    ["type", "kind"].iter().find_map(|k| row[*k].as_str()).unwrap_or_default().to_owned()
}

/// A person at the terminal.
pub struct Chat {
    session: expectrl::session::OsSession,
    seen: String,
}

impl Chat {
    /// Waits for a text, and returns what stood before it.
    pub fn wait(&mut self, text: &str) -> String {
        match self.session.expect(text) {
            Ok(found) => {
                let before = String::from_utf8_lossy(found.before()).into_owned();
                self.seen.push_str(&before);
                self.seen.push_str(text);
                before
            }
            Err(error) => {
                let mut rest = vec![0; 16 << 10];
                let n = self.session.try_read(&mut rest).unwrap_or(0);
                panic!("no `{text}`: {error}\nseen: {}\nthen: {}", self.seen, String::from_utf8_lossy(&rest[..n]));
            }
        }
    }

    /// Types a line.
    pub fn line(&mut self, text: &str) {
        self.session.send(format!("{text}\r")).unwrap();
    }

    /// Sends keys as they are.
    pub fn keys(&mut self, text: &str) {
        self.session.send(text).unwrap();
    }

    /// Ctrl-C.
    pub fn interrupt(&mut self) {
        self.keys("\u{3}");
    }

    /// Ctrl-D, and the exit code.
    pub fn leave(mut self) -> i32 {
        self.keys("\u{4}");
        self.exit()
    }

    /// Waits for the end.
    pub fn exit(mut self) -> i32 {
        if let Err(error) = self.session.expect(expectrl::Eof) {
            let _ = self.session.get_process_mut().kill(expectrl::process::unix::Signal::SIGKILL);
            panic!("it does not end: {error}\nseen: {}", self.seen);
        }
        match self.session.get_process().wait().unwrap() {
            WaitStatus::Exited(_, code) => code,
            other => panic!("{other:?}"),
        }
    }

    /// kill -9.
    pub fn kill(mut self) {
        self.session.get_process_mut().kill(expectrl::process::unix::Signal::SIGKILL).unwrap();
        let _ = self.session.get_process().wait();
    }

    /// kill -TERM.
    pub fn terminate(&mut self) {
        self.session.get_process_mut().kill(expectrl::process::unix::Signal::SIGTERM).unwrap();
    }
}
