//! Servers that other MCP clients know: reads their files, each with its own rules, and never starts anything.
//!
//! Pure: text and path go in, entries and diagnostics come out. A file that cannot be read costs only what is in that file, and an
//! entry that cannot be read costs only that entry. No value of a variable or header ever gets into a diagnostic.

use std::path::{Path, PathBuf};

use super::{
    Environment,
    origin::{Layer, Registered},
};
use crate::diagnostic::Diagnostic;

mod entry;

pub mod environment;

mod expand;

mod reader;

#[cfg(test)]
mod tests;

/// Files larger than this are not read.
pub const MAX_FILE: u64 = 64 * 1024 * 1024;

/// More servers than this in one file are not taken.
pub const MAX_SERVERS: usize = 500;

/// The systems on which clients keep their files in different folders.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Os {
    /// Linux and other Unix systems.
    Linux,
    /// macOS.
    Mac,
    /// Windows.
    Windows,
}

impl Os {
    /// The one that this binary was built for.
    pub fn current() -> Self {
        if cfg!(windows) {
            Os::Windows
        } else if cfg!(target_os = "macos") {
            Os::Mac
        } else {
            Os::Linux
        }
    }
}

/// What the paths and the variables of other clients are relative to.
#[derive(Debug, Clone, Copy)]
pub struct Surroundings<'a> {
    /// Which system.
    pub os: Os,
    /// The home folder.
    pub home: &'a Path,
    /// The environment.
    pub env: &'a Environment,
    /// The project's folder, or the one in which Swell was started.
    pub folder: &'a Path,
}

/// A file that may name servers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Place {
    /// Whose.
    pub layer: Layer,
    /// Where.
    pub path: PathBuf,
}

/// What a file names.
#[derive(Debug, Default)]
pub struct Discovered {
    /// Its servers, in its order.
    pub servers: Vec<Registered>,
    /// What is wrong with it. All of them warnings: other sources go on.
    pub problems: Vec<Diagnostic>,
}

/// Every file that may name servers, strongest first.
pub fn places(s: &Surroundings<'_>) -> Vec<Place> {
    let configuration = match s.os {
        Os::Linux => folder(s.env, "XDG_CONFIG_HOME").unwrap_or_else(|| s.home.join(".config")),
        Os::Mac => s.home.join("Library/Application Support"),
        Os::Windows => folder(s.env, "APPDATA").unwrap_or_else(|| s.home.join("AppData").join("Roaming")),
    };
    // Claude Code can be told to keep its file elsewhere.
    let claude_code = folder(s.env, "CLAUDE_CONFIG_DIR").unwrap_or_else(|| s.home.to_owned()).join(".claude.json");
    let place = |layer, path: PathBuf| Place { layer, path };
    let mut all = vec![
        place(Layer::ClaudeCodeLocal, claude_code.clone()),
        place(Layer::McpJson, s.folder.join(".mcp.json")),
        place(Layer::CursorProject, s.folder.join(".cursor").join("mcp.json")),
        place(Layer::VsCodeProject, s.folder.join(".vscode").join("mcp.json")),
        place(Layer::ClaudeCode, claude_code),
        place(Layer::Cursor, s.home.join(".cursor").join("mcp.json")),
    ];
    all.extend(
        ["Code", "Code - Insiders", "VSCodium"].map(|name| place(Layer::VsCode, configuration.join(name).join("User").join("mcp.json"))),
    );
    all.push(place(Layer::Windsurf, s.home.join(".codeium").join("windsurf").join("mcp_config.json")));
    all.push(place(Layer::ClaudeDesktop, configuration.join("Claude").join("claude_desktop_config.json")));
    // In the home folder the project's file and the user's file are one; it is the user's.
    let users: Vec<PathBuf> = all.iter().filter(|p| !p.layer.is_carried()).map(|p| p.path.clone()).collect();
    all.retain(|p| !p.layer.is_carried() || !users.contains(&p.path));
    all
}

fn folder(env: &Environment, name: &str) -> Option<PathBuf> {
    env.get(name).filter(|v| !v.is_empty()).map(PathBuf::from)
}

/// Reads one file by the rules of its client.
pub fn read(place: &Place, text: &str, s: &Surroundings<'_>) -> Discovered {
    let rules = entry::rules(place.layer);
    let mut reader = reader::Reader::new(place, text);
    let mut servers = Vec::new();
    if let Some(root) = reader.parse(rules.comments) {
        let disabled = reader.names(&root, entry::switched_off(place.layer), s);
        for table in reader.tables(&root, place.layer, rules.root, s) {
            servers.extend(entry::all(&mut reader, table, &rules, s));
        }
        for server in servers.iter_mut().filter(|server| disabled.contains(&server.called)) {
            server.disabled = true;
        }
    }
    Discovered { servers, problems: reader.problems }
}
