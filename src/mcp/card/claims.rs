//! What a card says of a server, held against the server itself once it answers. Neither is believed for it: what differs is told to
//! the person, who decides. Pure.

use serde::{Deserialize, Serialize};

use crate::{domain::text::clean_line, mcp::connection::ServerInfo};

/// How many names of tools are told.
const NAMED: usize = 5;
/// More tools than this in a card are not kept.
const MOST_TOOLS: usize = 200;

/// What a card says, as it is kept beside the server that it names.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Claims {
    /// The card's name of the server.
    pub name: String,
    /// Its version.
    pub version: String,
    /// The MCP revisions that it is said to speak; empty if none are named.
    #[serde(default)]
    pub protocol_versions: Vec<String>,
    /// The tools that it is said to have; empty if none are named.
    #[serde(default)]
    pub tools: Vec<String>,
}

impl Claims {
    /// Cleaned and bounded.
    pub(super) fn new(name: &str, version: &str, protocol_versions: &[String], tools: &serde_json::Value) -> Self {
        let named = |tool: &serde_json::Value| tool.get("name").and_then(|n| n.as_str()).map(|n| clean_line(n, 120));
        Self {
            name: clean_line(name, 200),
            version: clean_line(version, 60),
            protocol_versions: protocol_versions.iter().take(20).map(|v| clean_line(v, 40)).collect(),
            tools: tools.as_array().into_iter().flatten().filter_map(named).take(MOST_TOOLS).collect(),
        }
    }

    /// What is not as the card says, one sentence each.
    pub fn differences(&self, live: &ServerInfo, tools: &[&str]) -> Vec<String> {
        let mut all = Vec::new();
        // A card's name has a domain in front; servers call themselves by the rest as often as by the whole.
        let rest = self.name.rsplit('/').next().unwrap_or(&self.name);
        if !live.title.eq_ignore_ascii_case(&self.name) && !live.title.eq_ignore_ascii_case(rest) {
            all.push(format!("its card calls it `{}`, and it calls itself `{}`", self.name, live.title));
        }
        if live.version != self.version {
            all.push(format!("its card says version {}, and it says {}", self.version, said(&live.version)));
        }
        if !self.protocol_versions.is_empty() && !self.protocol_versions.contains(&live.protocol) {
            all.push(format!("its card says that it speaks MCP {}, and it speaks {}", self.protocol_versions.join(", "), live.protocol));
        }
        if !self.tools.is_empty() {
            let missing: Vec<&str> = self.tools.iter().map(String::as_str).filter(|t| !tools.contains(t)).collect();
            let more: Vec<&str> = tools.iter().copied().filter(|t| !self.tools.iter().any(|s| s == t)).collect();
            all.extend(some(&missing).map(|names| format!("its card lists tools that it does not offer: {names}")));
            all.extend(some(&more).map(|names| format!("it offers tools that its card does not list: {names}")));
        }
        all
    }
}

fn said(version: &str) -> &str {
    if version.is_empty() { "none" } else { version }
}

/// The first few names, and how many there are besides.
fn some(names: &[&str]) -> Option<String> {
    let shown: Vec<String> = names.iter().take(NAMED).map(|n| clean_line(n, 80)).collect();
    let more = if names.len() > NAMED { format!(" and {} more", names.len() - NAMED) } else { String::new() };
    (!names.is_empty()).then(|| shown.join(", ") + &more)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn each_claim_is_held_against_the_server() {
        let tools = json!([{"name": "get\u{1b}[2J_forecast"}, {"name": "get_alerts"}, "no object"]);
        let claims = Claims::new("com.example/weather", "1.2.0", &["2026-07-28".to_owned()], &tools);
        assert_eq!(claims.tools, ["get_forecast", "get_alerts"]);
        let live = |title: &str, version: &str, protocol: &str| ServerInfo {
            title: title.into(),
            version: version.into(),
            protocol: protocol.into(),
            can_watch: false,
        };
        for name in ["Weather", "com.example/weather"] {
            assert_eq!(claims.differences(&live(name, "1.2.0", "2026-07-28"), &["get_alerts", "get_forecast"]), [""; 0]);
        }
        assert_eq!(
            claims.differences(&live("db", "", "2025-11-25"), &["get_alerts", "drop_table"]),
            [
                "its card calls it `com.example/weather`, and it calls itself `db`",
                "its card says version 1.2.0, and it says none",
                "its card says that it speaks MCP 2026-07-28, and it speaks 2025-11-25",
                "its card lists tools that it does not offer: get_forecast",
                "it offers tools that its card does not list: drop_table",
            ]
        );
        // What a card does not say is no claim.
        let quiet = Claims::new("com.example/weather", "1", &[], &json!("dynamic"));
        assert_eq!(quiet.differences(&live("weather", "1", "2024-11-05"), &["any"]), [""; 0]);
    }
}
