//! A server that is a child process: started in a process group of its own with a clean environment, its stderr kept, and the whole
//! group ended when the connection ends.
//!
//! The own group matters twice: Ctrl-C in our terminal must not reach a server in the middle of an apply, and wrappers (`npx`, `uvx`)
//! must not leave the real server behind.

use std::{
    collections::{BTreeMap, VecDeque},
    process::{ExitStatus, Stdio},
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use process_wrap::tokio::{ChildWrapper, CommandWrap};
use tokio::{
    io::{AsyncRead, AsyncReadExt},
    sync::watch,
};
use tokio_util::sync::CancellationToken;

use super::wire::{Reader, Writer};
use crate::domain::text::clean_line;

/// How many lines of stderr are kept, and how long each may be.
const STDERR_LINES: usize = 40;
const STDERR_WIDTH: usize = 400;

/// How long a server may take to end by itself after its stdin was closed, and again after SIGTERM.
const GRACE: Duration = Duration::from_secs(2);

/// Variables of our own environment that every server gets; all others only when the configuration names them.
pub const INHERITED: &[&str] = &[
    "HOME",
    "LANG",
    "LC_ALL",
    "LC_CTYPE",
    "LOGNAME",
    "PATH",
    "SHELL",
    "TERM",
    "TMPDIR",
    "TZ",
    "USER", // Unix
    "APPDATA",
    "COMSPEC",
    "HOMEDRIVE",
    "HOMEPATH",
    "LOCALAPPDATA",
    "PATHEXT",
    "PROCESSOR_ARCHITECTURE",
    "PROGRAMDATA",
    "PROGRAMFILES",
    "SYSTEMDRIVE",
    "SYSTEMROOT",
    "TEMP",
    "TMP",
    "USERNAME",
    "USERPROFILE",
    "WINDIR", // Windows
];

/// How to start a server.
#[derive(Clone, Default)]
pub struct ProcessSpec {
    /// The program, looked up in `PATH`.
    pub command: String,
    /// Its arguments.
    pub args: Vec<String>,
    /// Variables that the configuration sets, secrets already resolved.
    pub env: BTreeMap<String, String>,
    /// Our own environment, of which only [`INHERITED`] is passed on.
    pub inherit: BTreeMap<String, String>,
    /// Where it runs; our own folder if not set.
    pub folder: Option<std::path::PathBuf>,
}

// Arguments and variables may hold secrets.
impl std::fmt::Debug for ProcessSpec {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("ProcessSpec").field("command", &self.command).field("env", &self.env.keys()).finish_non_exhaustive()
    }
}

impl ProcessSpec {
    /// The environment that the child gets.
    pub fn environment(&self) -> BTreeMap<String, String> {
        let allowed = |name: &str| INHERITED.iter().any(|i| if cfg!(windows) { i.eq_ignore_ascii_case(name) } else { *i == name });
        let mut all: BTreeMap<String, String> =
            self.inherit.iter().filter(|(k, _)| allowed(k)).map(|(k, v)| (k.clone(), v.clone())).collect();
        all.extend(self.env.clone());
        all
    }
}

/// A running child. Dropping it ends the whole group in the background.
pub(crate) struct Process {
    stderr: Arc<Mutex<VecDeque<String>>>,
    exited: watch::Receiver<Option<String>>,
    stop: CancellationToken,
}

impl Process {
    /// Starts it. The error is that of the operating system.
    pub(crate) fn spawn(spec: &ProcessSpec) -> std::io::Result<(Self, Reader, Writer)> {
        let mut command = program(&spec.command)?;
        command.args(&spec.args).env_clear().envs(spec.environment());
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        if let Some(folder) = &spec.folder {
            command.current_dir(folder);
        }
        let mut wrap = CommandWrap::from(command);
        #[cfg(unix)]
        wrap.wrap(process_wrap::tokio::ProcessGroup::leader());
        wrap.wrap(process_wrap::tokio::KillOnDrop);
        let mut child = wrap.spawn()?;
        let missing = || std::io::Error::other("a pipe is missing");
        let stdin = child.stdin().take().ok_or_else(missing)?;
        let stdout = child.stdout().take().ok_or_else(missing)?;
        let stderr = child.stderr().take().ok_or_else(missing)?;
        let ring = Arc::new(Mutex::new(VecDeque::new()));
        // Drained for as long as it lives, or the child blocks on a full pipe.
        let drained = tokio::spawn(drain(stderr, ring.clone()));
        let (tell, exited) = watch::channel(None);
        let stop = CancellationToken::new();
        let group = Group(child.id());
        tokio::spawn(supervise(child, group, stop.clone(), tell, drained));
        Ok((Self { stderr: ring, exited, stop }, Box::new(stdout), Box::new(stdin)))
    }

    /// Its last lines on stderr, cleaned.
    pub(crate) fn stderr(&self) -> Vec<String> {
        self.stderr.lock().unwrap_or_else(PoisonError::into_inner).iter().cloned().collect()
    }

    /// How it ended, waiting at most `patience` for that.
    pub(crate) async fn ended_within(&self, patience: Duration) -> Option<String> {
        let mut exited = self.exited.clone();
        tokio::time::timeout(patience, exited.wait_for(Option::is_some)).await.ok()?.ok()?.clone()
    }

    /// Ends the group and waits until it is gone.
    pub(crate) async fn stop(&self) {
        self.stop.cancel();
        let _ = self.ended_within(GRACE * 3).await;
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        self.stop.cancel();
    }
}

fn program(name: &str) -> std::io::Result<tokio::process::Command> {
    // On Windows `npx` is `npx.cmd`, which only a search finds. Elsewhere the child's own PATH is what counts.
    if cfg!(windows) { rmcp::transport::which_command(name) } else { Ok(tokio::process::Command::new(name)) }
}

/// The process group. Killed when this is dropped, so that not even the end of the runtime leaves it behind.
struct Group(Option<u32>);

impl Group {
    #[cfg(unix)]
    fn signal(&self, signal: rustix::process::Signal) {
        let pid = self.0.and_then(|pid| i32::try_from(pid).ok()).and_then(rustix::process::Pid::from_raw);
        if let Some(pid) = pid {
            // An error means that nobody is left.
            let _ = rustix::process::kill_process_group(pid, signal);
        }
    }

    fn terminate(&self) {
        #[cfg(unix)]
        self.signal(rustix::process::Signal::TERM);
    }

    fn kill(&self) {
        #[cfg(unix)]
        self.signal(rustix::process::Signal::KILL);
    }
}

impl Drop for Group {
    fn drop(&mut self) {
        self.kill();
    }
}

/// Waits for the end of the child, or brings it about: closed stdin, then SIGTERM, then SIGKILL, each to the whole group.
async fn supervise(
    mut child: Box<dyn ChildWrapper>,
    group: Group,
    stop: CancellationToken,
    tell: watch::Sender<Option<String>>,
    drained: tokio::task::JoinHandle<()>,
) {
    let status = tokio::select! {
        status = child.wait() => status,
        () = stop.cancelled() => match tokio::time::timeout(GRACE, child.wait()).await {
            Ok(status) => status,
            Err(_) => {
                group.terminate();
                match tokio::time::timeout(GRACE, child.wait()).await {
                    Ok(status) => status,
                    Err(_) => {
                        group.kill();
                        let _ = child.start_kill();
                        child.wait().await
                    }
                }
            }
        },
    };
    // Whatever the child started and left behind goes with it.
    drop(group);
    // Its last words, unless a stranger holds the pipe open.
    let _ = tokio::time::timeout(Duration::from_millis(200), drained).await;
    let _ = tell.send(Some(status.map_or_else(|e| e.to_string(), describe)));
}

fn describe(status: ExitStatus) -> String {
    #[cfg(unix)]
    if let Some(signal) = std::os::unix::process::ExitStatusExt::signal(&status) {
        return format!("signal {signal}");
    }
    status.code().map_or_else(|| "unknown status".to_owned(), |code| format!("exit code {code}"))
}

/// Keeps the last lines, whatever comes: a line without an end is cut, never collected.
async fn drain(mut stderr: impl AsyncRead + Unpin, ring: Arc<Mutex<VecDeque<String>>>) {
    let mut buffer = [0; 4096];
    let mut line: Vec<u8> = Vec::new();
    let keep = |line: &mut Vec<u8>| {
        let text = clean_line(String::from_utf8_lossy(line).trim_end(), STDERR_WIDTH);
        line.clear();
        if text.trim().is_empty() {
            return;
        }
        tracing::debug!(%text, "server stderr");
        let mut ring = ring.lock().unwrap_or_else(PoisonError::into_inner);
        if ring.len() == STDERR_LINES {
            ring.pop_front();
        }
        ring.push_back(text);
    };
    while let Ok(n @ 1..) = stderr.read(&mut buffer).await {
        for byte in &buffer[..n] {
            match byte {
                b'\n' => keep(&mut line),
                _ if line.len() < STDERR_WIDTH * 4 => line.push(*byte),
                _ => {}
            }
        }
    }
    keep(&mut line);
}
