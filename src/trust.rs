//! What a person has reviewed: how each server is started, and every tool that it offered then.
//!
//! Kept in one file that only its owner can read, outside of any project. Whatever is not in it, or is there otherwise, is not started;
//! a file that cannot be read trusts nobody.

use std::{
    fs,
    io::{self, Write},
    path::{Path, PathBuf},
};

use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::{
    config::Registered,
    diagnostic::{Diagnostic, Explain},
    domain::{ServerName, Timestamp},
    mcp::{
        pins::{self, Guard},
        tools::Tool,
    },
};

pub mod launch;

pub mod lookalike;

pub use launch::{Difference, Launch};

/// The version of the file.
const VERSION: u32 = 1;

/// Why nobody can be trusted.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum TrustError {
    /// Others could have written it.
    #[error("`{}` can be read or written by others (mode {mode:o})", path.display())]
    Exposed {
        /// The file.
        path: PathBuf,
        /// Its permission bits.
        mode: u32,
    },
    /// It cannot be read, understood or written.
    #[error("`{}` cannot be used: {reason}", path.display())]
    File {
        /// The file.
        path: PathBuf,
        /// Why.
        reason: String,
    },
}

impl Explain for TrustError {
    fn explain(&self) -> Diagnostic {
        let d = Diagnostic::error("trust::file", "The file of reviewed servers cannot be used")
            .detail(format!("{self}."))
            .state("No server but the simulated ones is started until it can be read.");
        match self {
            TrustError::Exposed { path, .. } => {
                d.next("If it is yours, take the rights away from others:", format!("chmod 600 '{}'", path.display()))
            }
            TrustError::File { path, .. } => d.next(
                "Put it aside, then review the servers again:",
                format!("mv '{}' '{}'", path.display(), path.with_extension("broken.json").display()),
            ),
        }
    }
}

/// One server that was reviewed.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Reviewed {
    /// Its name.
    pub name: ServerName,
    /// The file or variable in which it stood.
    pub source: String,
    /// How it is started.
    pub launch: Launch,
    /// Every tool, whole; none if only the start was reviewed so far.
    pub tools: Option<Vec<Value>>,
    /// Other tools than these were seen since.
    pub suspended: bool,
    /// When.
    pub at: Timestamp,
    /// By whom.
    pub by: String,
    /// How the yes was given.
    pub how: String,
}

impl Reviewed {
    /// The tools as they were, those that can be read.
    pub fn tool_list(&self) -> Vec<Tool> {
        self.tools.iter().flatten().filter_map(|t| Tool::parse(t.clone()).ok()).collect()
    }

    /// What holds the tools of a connection against those that were reviewed.
    pub fn guard(&self) -> Guard {
        Guard::new(pins::pin_of(&self.tool_list()))
    }
}

/// Everything that was reviewed.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Trust {
    version: u32,
    /// One for each name and source.
    pub servers: Vec<Reviewed>,
}

impl Trust {
    /// What was reviewed of this name in this file.
    pub fn find(&self, name: &ServerName, source: &str) -> Option<&Reviewed> {
        self.servers.iter().find(|r| r.name == *name && r.source == source)
    }

    /// Keeps a review, in place of an older one.
    pub fn put(&mut self, reviewed: Reviewed) {
        self.servers.retain(|r| r.name != reviewed.name || r.source != reviewed.source);
        self.servers.push(reviewed);
    }

    /// Notes that other tools were seen.
    pub fn suspend(&mut self, name: &ServerName, source: &str) {
        for r in self.servers.iter_mut().filter(|r| r.name == *name && r.source == source) {
            r.suspended = true;
        }
    }
}

/// The file.
#[derive(Debug, Clone)]
pub struct TrustFile {
    path: PathBuf,
}

impl TrustFile {
    /// Names the file; nothing is read.
    pub fn new(path: PathBuf) -> Self {
        Self { path }
    }

    /// Reads it. One that does not exist trusts nobody.
    pub fn load(&self) -> Result<Trust, TrustError> {
        let file = match fs::File::open(&self.path) {
            Ok(file) => file,
            Err(e) if e.kind() == io::ErrorKind::NotFound => return Ok(Trust::default()),
            Err(e) => return Err(self.fail(e)),
        };
        #[cfg(unix)]
        {
            use std::os::unix::fs::PermissionsExt;
            let mode = file.metadata().map_err(|e| self.fail(e))?.permissions().mode() & 0o777;
            if mode & 0o077 != 0 {
                return Err(TrustError::Exposed { path: self.path.clone(), mode });
            }
        }
        let trust: Trust = serde_json::from_reader(io::BufReader::new(file))
            .map_err(|e| self.fail(format!("line {}, column {} is not what Swell writes", e.line(), e.column())))?;
        if trust.version != VERSION {
            return Err(self.fail(format!("it has version {}, and this Swell knows version {VERSION}", trust.version)));
        }
        for reviewed in &trust.servers {
            // A tool that was reviewed and cannot be read any more would silently no longer be held against anything.
            if reviewed.tool_list().len() != reviewed.tools.as_ref().map_or(0, Vec::len) {
                return Err(self.fail(format!("a tool of `{}` in it is not whole", reviewed.name)));
            }
        }
        Ok(trust)
    }

    /// Reads it, changes it and writes it, with no other process between.
    pub fn update(&self, change: impl FnOnce(&mut Trust)) -> Result<Trust, TrustError> {
        let folder = self.path.parent().filter(|p| !p.as_os_str().is_empty()).unwrap_or_else(|| Path::new("."));
        let lock = || -> io::Result<fs::File> {
            fs::create_dir_all(folder)?;
            let file = fs::OpenOptions::new().create(true).truncate(false).write(true).open(self.path.with_extension("lock"))?;
            file.lock()?;
            Ok(file)
        };
        let _held = lock().map_err(|e| self.fail(e))?;
        let mut trust = self.load()?;
        change(&mut trust);
        trust.version = VERSION;
        let bytes = serde_json::to_vec_pretty(&trust).map_err(|e| self.fail(e))?;
        let write = || -> io::Result<()> {
            // A temporary file is 0600 from its first moment, and a crash leaves the old one whole.
            let mut file = tempfile::NamedTempFile::new_in(folder)?;
            file.write_all(&bytes)?;
            file.as_file().sync_all()?;
            file.persist(&self.path).map_err(|e| e.error)?;
            Ok(())
        };
        write().map_err(|e| self.fail(e))?;
        Ok(trust)
    }

    fn fail(&self, reason: impl std::fmt::Display) -> TrustError {
        TrustError::File { path: self.path.clone(), reason: reason.to_string() }
    }
}

/// Why a server may not be started.
#[derive(Debug, Clone, PartialEq)]
pub enum Why {
    /// Nobody has reviewed it.
    New,
    /// It would be started otherwise than was reviewed.
    Changed(Vec<Difference>),
    /// Its tools are not those that were reviewed, or were never looked at.
    Tools,
    /// What was reviewed cannot be read.
    Unreadable(String),
}

impl Why {
    /// In one sentence.
    pub fn sentence(&self) -> String {
        match self {
            Why::New => "nobody has reviewed it".into(),
            Why::Changed(all) => {
                let what: Vec<&str> = all.iter().map(|d| d.what.as_str()).collect();
                format!("it is not started as it was reviewed ({})", what.join(", "))
            }
            Why::Tools => "its tools are not those that were reviewed".into(),
            Why::Unreadable(why) => why.clone(),
        }
    }
}

/// How a registered server stands.
#[derive(Debug, Clone, PartialEq)]
pub enum Standing {
    /// It is part of this binary.
    BuiltIn,
    /// The operator wrote it into the user's file.
    Operator,
    /// A person looked at its start and its tools.
    Reviewed(Box<Reviewed>),
    /// It is not started.
    Quarantined(Why),
}

/// Decides how an entry stands. `trust` is what was reviewed, or why that cannot be read.
pub fn judge(entry: &Registered, trust: &Result<Trust, TrustError>) -> Standing {
    if entry.setting.sandbox.is_some() {
        return Standing::BuiltIn;
    }
    let trust = match trust {
        Ok(trust) => trust,
        Err(e) => return Standing::Quarantined(Why::Unreadable(e.to_string())),
    };
    let now = Launch::of(entry);
    match trust.find(&entry.name, &entry.origin.file) {
        None if entry.origin.layer == crate::config::Layer::User => Standing::Operator,
        None => Standing::Quarantined(Why::New),
        Some(then) if then.launch != now => Standing::Quarantined(Why::Changed(then.launch.differences(&now))),
        Some(then) if then.suspended || then.tools.is_none() => Standing::Quarantined(Why::Tools),
        Some(then) => Standing::Reviewed(Box::new(then.clone())),
    }
}

#[cfg(test)]
mod tests;
