//! A place of its own for one test: home, working folder and environment. The real binary runs in it.
//!
//! Nothing of the machine reaches a test: the environment is cleared, the home is new, the user's name is fixed. Every answer must be
//! looked at: what is returned is `#[must_use]`, and says all that was printed when it is not as expected.

use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
    process::{Child, Command, Output, Stdio},
};

use serde_json::Value;

/// The binary under test.
pub const SWELL: &str = env!("CARGO_BIN_EXE_swell");

/// The pattern that most tests deploy.
pub const BLOG: [&str; 4] = ["--pattern", "wordpress-ha", "-p", "domain=blog.example.org"];

/// Approval without a person, for plans that destroy nothing.
pub const YES: [&str; 3] = ["--yes", "--max-destroy", "0"];

/// A home and a working folder that are thrown away at the end.
pub struct TestEnv {
    root: tempfile::TempDir,
    variables: BTreeMap<String, String>,
}

/// What a command said.
#[must_use]
#[derive(Debug)]
pub struct Ran {
    /// The command line, for messages.
    pub command: String,
    /// The exit code; -1 if a signal ended it.
    pub code: i32,
    /// Standard output.
    pub stdout: String,
    /// Standard error.
    pub stderr: String,
}

impl TestEnv {
    /// An empty home.
    pub fn new() -> Self {
        let root = tempfile::tempdir().unwrap();
        for folder in ["home", "work"] {
            std::fs::create_dir(root.path().join(folder)).unwrap();
        }
        Self { root, variables: BTreeMap::new() }
    }

    /// A home in which the blog is deployed.
    #[track_caller]
    pub fn with_blog() -> Self {
        let env = Self::new();
        let _ = env.swell_all(&[&["apply"], &BLOG[..], &YES]).ok();
        env
    }

    /// The same with an environment variable.
    pub fn var(mut self, name: &str, value: &str) -> Self {
        self.variables.insert(name.to_owned(), value.to_owned());
        self
    }

    /// The home folder.
    pub fn home(&self) -> PathBuf {
        self.root.path().join("home")
    }

    /// The folder in which commands run.
    pub fn work(&self) -> PathBuf {
        self.root.path().join("work")
    }

    /// The data folder that Swell uses when nothing is configured.
    pub fn data(&self) -> PathBuf {
        self.home().join(".local/share/swell")
    }

    /// The database.
    pub fn database(&self) -> PathBuf {
        self.data().join("state.db")
    }

    /// Writes a file of the working folder.
    pub fn write(&self, name: &str, text: impl AsRef<[u8]>) -> PathBuf {
        let path = self.work().join(name);
        if let Some(folder) = path.parent() {
            std::fs::create_dir_all(folder).unwrap();
        }
        std::fs::write(&path, text).unwrap();
        path
    }

    /// Reads a file of the working folder.
    pub fn read(&self, name: &str) -> String {
        std::fs::read_to_string(self.work().join(name)).unwrap()
    }

    /// A command that is ready to run.
    pub fn command(&self, program: impl AsRef<std::ffi::OsStr>, args: &[&str]) -> Command {
        let mut command = Command::new(program);
        command
            .args(args)
            .current_dir(self.work())
            .env_clear()
            .env("HOME", self.home())
            .env("USER", "ada")
            .env("PATH", "/usr/bin:/bin")
            .env("COLUMNS", "100")
            .envs(&self.variables)
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped());
        command
    }

    /// Runs `swell` to its end.
    pub fn swell(&self, args: &[&str]) -> Ran {
        Ran::of(args, self.command(SWELL, args).output().unwrap())
    }

    /// The same with the arguments in groups.
    pub fn swell_all(&self, args: &[&[&str]]) -> Ran {
        self.swell(&args.concat())
    }

    /// Runs `swell` with a text on standard input.
    pub fn swell_with_input(&self, args: &[&str], input: &str) -> Ran {
        let mut child = self.command(SWELL, args).stdin(Stdio::piped()).spawn().unwrap();
        std::io::Write::write_all(child.stdin.as_mut().unwrap(), input.as_bytes()).unwrap();
        drop(child.stdin.take());
        Ran::of(args, child.wait_with_output().unwrap())
    }

    /// Starts `swell` and leaves it running.
    pub fn start(&self, args: &[&str]) -> Child {
        self.command(SWELL, args).spawn().unwrap()
    }

    /// The journal must be sound; the number of its entries.
    pub fn sound(&self) -> u64 {
        let report = self.swell(&["history", "--verify", "--json"]).ok().json();
        assert!(report["broken"].is_null(), "{report}");
        report["entries"].as_u64().unwrap()
    }

    /// What is recorded for a deployment, by address; empty if there is none.
    pub fn resources(&self, deployment: &str) -> Vec<String> {
        let ran = self.swell(&["show", deployment, "--json"]);
        if ran.code != 0 {
            return Vec::new();
        }
        ran.json()["resources"].as_object().map(|all| all.keys().cloned().collect()).unwrap_or_default()
    }

    /// What the simulated world holds: `server:type:name`, and everything that is known of it.
    pub fn world(&self) -> BTreeMap<String, Value> {
        let rows = self.swell(&["sandbox", "show", "--json"]).ok().json();
        let name = |row: &Value| [&row[0], &row[1]["type"], &row[1]["name"]].map(|v| v.as_str().unwrap().to_owned()).join(":");
        rows.as_array().unwrap().iter().map(|row| (name(row), row[1].clone())).collect()
    }

    /// A deployment as it ought to be after a run: recorded, sound, and nothing left to do.
    #[track_caller]
    pub fn settled(&self, deployment: &str) {
        let _ = self.sound();
        let _ = self.swell(&["plan", deployment, "--exit-code"]).code(0).prints("Nothing to do");
    }
}

/// What a command said, after its exit code was looked at.
#[derive(Debug)]
pub struct Checked(Ran);

impl std::ops::Deref for Checked {
    type Target = Ran;

    fn deref(&self) -> &Ran {
        &self.0
    }
}

impl Ran {
    /// What a process that has ended said.
    pub fn of(args: &[&str], output: Output) -> Self {
        let text = |bytes: Vec<u8>| String::from_utf8(bytes).expect("what is printed is UTF-8");
        Self {
            command: format!("swell {}", args.join(" ")),
            code: output.status.code().unwrap_or(-1),
            stdout: text(output.stdout),
            stderr: text(output.stderr),
        }
    }

    /// It must have ended with this code.
    #[track_caller]
    pub fn code(self, code: i32) -> Checked {
        assert_eq!(self.code, code, "{self}");
        Checked(self)
    }

    /// Whatever its exit code was: the test looks at it itself.
    pub fn any_code(self) -> Checked {
        Checked(self)
    }

    /// It must have ended well.
    #[track_caller]
    pub fn ok(self) -> Checked {
        self.code(0)
    }

    /// It must have refused with this diagnostic.
    #[track_caller]
    pub fn refused(self, code: i32, diagnostic: &str) -> Checked {
        let ran = self.code(code);
        assert!(ran.stderr.contains(&format!("[{diagnostic}]")), "no diagnostic `{diagnostic}`\n{}", ran.0);
        ran
    }

    /// Standard output as one JSON document.
    #[track_caller]
    pub fn json(&self) -> Value {
        serde_json::from_str(&self.stdout).unwrap_or_else(|e| panic!("not JSON: {e}\n{self}"))
    }

    /// Standard output as a stream of JSON objects.
    #[track_caller]
    pub fn events(&self) -> Vec<Value> {
        self.stdout.lines().map(|l| serde_json::from_str(l).unwrap_or_else(|e| panic!("not JSON: {e}\n{l}\n{self}"))).collect()
    }
}

impl Checked {
    /// Standard error must say this.
    #[track_caller]
    pub fn says(self, words: &str) -> Self {
        assert!(self.stderr.contains(words), "does not say `{words}`\n{}", self.0);
        self
    }

    /// Standard output must hold this.
    #[track_caller]
    pub fn prints(self, words: &str) -> Self {
        assert!(self.stdout.contains(words), "does not print `{words}`\n{}", self.0);
        self
    }
}

impl std::fmt::Display for Ran {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "$ {}\n[{}]\n── stdout ──\n{}\n── stderr ──\n{}", self.command, self.code, self.stdout, self.stderr)
    }
}

/// A path as an argument.
pub fn text(path: &Path) -> &str {
    path.to_str().unwrap()
}

/// A file of the repository.
pub fn repository(path: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join(path)
}
