//! How a server is started, as far as a review is bound to it: everything but the values of variables and headers.
//!
//! Some values are bound after all, by their hash: those of variables that decide which code runs (`PATH`, `LD_PRELOAD`), and all values
//! in files that come with a project, which anyone who sends a change to it can set.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use crate::{
    config::{Registered, shown_url},
    domain::text::reveal,
};

/// Variables that make a program run other code than its command line says.
const CODE: &[&str] = &[
    "BASH_ENV",
    "ENV",
    "GIT_SSH",
    "GIT_SSH_COMMAND",
    "JAVA_TOOL_OPTIONS",
    "JDK_JAVA_OPTIONS",
    "NODE_OPTIONS",
    "NODE_PATH",
    "NPM_CONFIG_REGISTRY",
    "PATH",
    "PERL5LIB",
    "PERL5OPT",
    "PIP_INDEX_URL",
    "PYTHONHOME",
    "PYTHONPATH",
    "PYTHONSTARTUP",
    "RUBYLIB",
    "RUBYOPT",
    "SHELL",
    "UV_INDEX_URL",
];

/// How a server is started or reached.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Launch {
    /// The program.
    pub command: Option<String>,
    /// Its arguments, each on its own.
    pub args: Vec<String>,
    /// Its folder, if one is said.
    pub cwd: Option<String>,
    /// The names of its variables.
    pub env: Vec<String>,
    /// The URL, whole.
    pub url: Option<String>,
    /// The names of its headers.
    pub headers: Vec<String>,
    /// Hashes of values that are bound too, by name.
    pub bound: BTreeMap<String, String>,
}

/// One thing that is not as it was reviewed, with hidden characters made visible.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Difference {
    /// What: `command`, `argument 2`, `variables`.
    pub what: String,
    /// What it was.
    pub old: Option<String>,
    /// What it is.
    pub new: Option<String>,
}

/// Whether the value of this variable decides which code runs.
pub fn decides_code(name: &str) -> bool {
    let name = name.to_ascii_uppercase();
    CODE.contains(&name.as_str()) || name.starts_with("LD_") || name.starts_with("DYLD_")
}

impl Launch {
    /// Of an entry as it stands.
    pub fn of(entry: &Registered) -> Self {
        let setting = &entry.setting;
        let carried = entry.origin.layer.is_carried();
        let values = setting.env.iter().filter(|(name, _)| carried || decides_code(name)).map(|(k, v)| (k.clone(), v));
        let headers = setting.headers.iter().filter(|_| carried).map(|(k, v)| (format!("header {k}"), v));
        Self {
            command: setting.command.clone(),
            args: setting.args.clone(),
            cwd: setting.cwd.clone(),
            env: setting.env.keys().cloned().collect(),
            url: setting.url.clone(),
            headers: setting.headers.keys().cloned().collect(),
            bound: values.chain(headers).map(|(name, value)| (name, hash(value.as_bytes()))).collect(),
        }
    }

    /// `sha256:…` over all of it: what a person compares and what `--digest` takes.
    pub fn digest(&self) -> String {
        // The field order of the struct is fixed, and the maps are sorted.
        format!("sha256:{}", hash(&serde_json::to_vec(self).unwrap_or_default()))
    }

    /// The URL as it may be shown.
    pub fn url_shown(&self) -> Option<String> {
        self.url.as_deref().map(shown_url)
    }

    /// Where `now` is not what was reviewed.
    pub fn differences(&self, now: &Launch) -> Vec<Difference> {
        let mut all = Vec::new();
        let shown = |text: &Option<String>| text.as_deref().map(reveal);
        let note = |all: &mut Vec<Difference>, what: String, old, new| all.push(Difference { what, old, new });
        if self.command != now.command {
            note(&mut all, "command".into(), shown(&self.command), shown(&now.command));
        }
        for at in 0..self.args.len().max(now.args.len()) {
            let (old, new) = (self.args.get(at).cloned(), now.args.get(at).cloned());
            if old != new {
                note(&mut all, format!("argument {}", at + 1), shown(&old), shown(&new));
            }
        }
        if self.cwd != now.cwd {
            note(&mut all, "folder".into(), shown(&self.cwd), shown(&now.cwd));
        }
        if self.url != now.url {
            let (old, new) = (self.url_shown(), now.url_shown());
            let what = if old == new { "the hidden part of the URL" } else { "URL" };
            note(&mut all, what.into(), old.map(|u| reveal(&u)), new.map(|u| reveal(&u)));
        }
        let listed = |names: &[String]| Some(reveal(&names.join(" ")));
        if self.env != now.env {
            note(&mut all, "variables".into(), listed(&self.env), listed(&now.env));
        }
        if self.headers != now.headers {
            note(&mut all, "headers".into(), listed(&self.headers), listed(&now.headers));
        }
        for (name, value) in &now.bound {
            if self.bound.get(name).is_some_and(|then| then != value) {
                note(&mut all, format!("the value of {}", reveal(name)), None, None);
            }
        }
        if all.is_empty() && self != now {
            // The same entry under stricter rules: another file, in which values count.
            note(&mut all, "which values are bound".into(), None, None);
        }
        all
    }
}

fn hash(bytes: &[u8]) -> String {
    Sha256::digest(bytes).iter().map(|byte| format!("{byte:02x}")).collect()
}
