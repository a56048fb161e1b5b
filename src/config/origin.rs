//! Where a server was found, and what was found: one entry of one file or variable, before anything is decided about it.

use serde::Serialize;

use super::ServerSetting;
use crate::{
    domain::{ServerName, text::clean_line},
    mcp::card::Claims,
};

/// The places that name servers, strongest first: of several entries with one name the first one counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Layer {
    /// `swell.toml` of the project. A repository can carry one.
    Project,
    /// The operator's own `config.toml`.
    User,
    /// `SWELL_SERVER_NAME`, then `SWELL_SERVERS`.
    Environment,
    /// What Claude Code keeps for this folder in `~/.claude.json`.
    ClaudeCodeLocal,
    /// `.mcp.json` of the project.
    McpJson,
    /// `.cursor/mcp.json` of the project.
    CursorProject,
    /// `.vscode/mcp.json` of the project.
    VsCodeProject,
    /// `~/.claude.json`.
    ClaudeCode,
    /// `~/.cursor/mcp.json`.
    Cursor,
    /// `mcp.json` of the VS Code user.
    VsCode,
    /// `~/.codeium/windsurf/mcp_config.json`.
    Windsurf,
    /// `claude_desktop_config.json`.
    ClaudeDesktop,
    /// What the local network or a server card named, when it was asked for.
    Found,
    /// The simulated servers in this binary.
    BuiltIn,
}

impl Layer {
    /// For people.
    pub fn title(self) -> &'static str {
        match self {
            Layer::Project => "project",
            Layer::User => "user",
            Layer::Environment => "environment",
            Layer::ClaudeCodeLocal => "Claude Code (this folder)",
            Layer::McpJson => ".mcp.json",
            Layer::CursorProject => "Cursor (project)",
            Layer::VsCodeProject => "VS Code (project)",
            Layer::ClaudeCode => "Claude Code",
            Layer::Cursor => "Cursor",
            Layer::VsCode => "VS Code",
            Layer::Windsurf => "Windsurf",
            Layer::ClaudeDesktop => "Claude Desktop",
            Layer::Found => "found",
            Layer::BuiltIn => "built-in",
        }
    }

    /// Whether it is Swell's own configuration, and not that of another client.
    pub fn is_own(self) -> bool {
        self <= Layer::Environment
    }

    /// Whether the file comes with a project: whoever can change the repository can change it.
    pub fn is_carried(self) -> bool {
        matches!(self, Layer::Project | Layer::McpJson | Layer::CursorProject | Layer::VsCodeProject)
    }
}

/// Where an entry stands.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Origin {
    /// What kind of place.
    pub layer: Layer,
    /// The file, or `environment NAME`.
    pub file: String,
    /// The line, from 1; 0 where there are no lines.
    pub line: usize,
}

impl Origin {
    /// Of a simulated server.
    pub fn built_in() -> Self {
        Self { layer: Layer::BuiltIn, file: "built-in".into(), line: 0 }
    }

    /// `file:line`, safe to show.
    pub fn place(&self) -> String {
        let file = clean_line(&self.file, 400);
        if self.line == 0 { file } else { format!("{file}:{}", self.line) }
    }
}

/// One entry that names a server.
#[derive(Debug, Clone, PartialEq)]
pub struct Registered {
    /// Its name here.
    pub name: ServerName,
    /// Its name there, as it was written. Untrusted text.
    pub called: String,
    /// Where it stands.
    pub origin: Origin,
    /// How to reach it, in Swell's own terms.
    pub setting: ServerSetting,
    /// Switched off where it stands.
    pub disabled: bool,
    /// Why it cannot be used from here, if it cannot.
    pub unusable: Option<String>,
    /// What else a reader should know: keys that mean nothing here, inputs to set.
    pub notes: Vec<String>,
    /// What a card said of it, if one named it.
    pub claims: Option<Claims>,
}

impl Registered {
    /// An entry with nothing special about it.
    pub fn new(name: ServerName, origin: Origin, setting: ServerSetting) -> Self {
        Self { called: name.to_string(), name, origin, setting, disabled: false, unusable: None, notes: Vec::new(), claims: None }
    }
}

/// A name that Swell can use: other characters than letters, digits, `-` and `_` become `-`. `None` if nothing is left.
pub fn usable_name(called: &str) -> Option<ServerName> {
    let text: String = called.chars().map(|c| if c.is_ascii_alphanumeric() || c == '_' { c } else { '-' }).collect();
    ServerName::new(text.trim_start_matches(['-', '_'])).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_of_other_clients_become_usable() {
        let name = |text: &str| usable_name(text).map(|n| n.to_string());
        assert_eq!(name("@scope/my server").as_deref(), Some("scope-my-server"));
        assert_eq!(name("docker\u{200b}").as_deref(), Some("docker-"), "not the same as `docker`");
        assert_eq!(name("日本"), None);
        assert_eq!(name(&"x".repeat(200)), None);
    }
}
