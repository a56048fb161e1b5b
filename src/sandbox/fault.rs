//! Faults that an operator or a test puts into the world: the n-th call of some kind goes wrong in some way.
//!
//! They lie in `faults.json` in the world's folder and count there how often they were used, so `times: 1` is once, whatever process it hits.

use std::path::Path;

use serde::{Deserialize, Serialize};
use serde_json::Value;

mod read;

use super::world::WorldError;
use crate::mcp::Refusal;

/// When something goes wrong, and what.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Fault {
    /// Its number; given when it is added.
    #[serde(default)]
    pub id: u64,
    /// Which server; any if absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub server: Option<String>,
    /// Which tool (`create_resource`) or action (`create`, `read`, `update`, `delete`, `list`, `wait`, `evidence`, `health`, `types`); any if absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tool: Option<String>,
    /// Which type; `*` stands for any text; any if absent.
    #[serde(rename = "type", default, skip_serializing_if = "Option::is_none")]
    pub kind: Option<String>,
    /// Which name; `*` stands for any text; any if absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// The first call that it hits, counted from 1 over the calls that match; the first if absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub nth: Option<u32>,
    /// How often it hits; for ever if absent, but once if only `nth` is given.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub times: Option<u32>,
    /// How many calls matched so far.
    #[serde(default)]
    pub seen: u32,
    /// How many of them it hit.
    #[serde(default)]
    pub fired: u32,
    /// What goes wrong.
    #[serde(flatten)]
    pub effect: Effect,
}

/// What goes wrong.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", tag = "effect")]
pub enum Effect {
    /// The server refuses; nothing is changed.
    Fail {
        /// Which kind of no.
        class: Refusal,
        /// Its words.
        message: String,
    },
    /// The server never answers; nothing is changed.
    Hang,
    /// The server answers late.
    Slow {
        /// Milliseconds.
        ms: u64,
    },
    /// The server does it and never answers.
    TimeoutAfterCommit,
    /// The connection breaks.
    LostStream {
        /// Whether the call is done before.
        commit: bool,
    },
    /// A property has changed behind our back when it is read next.
    Drift {
        /// Top-level property.
        property: String,
        /// Its new value.
        value: Value,
    },
    /// The server's texts hold something that wants to be obeyed.
    PoisonedText {
        /// The text.
        text: String,
    },
    /// The definition of a tool differs from now on.
    ChangedTool {
        /// What its description says then.
        description: String,
    },
    /// A resource takes a while to become ready after it was made or changed.
    SlowHealth {
        /// How many reads say `pending`.
        reads: u32,
    },
    /// The server says that it was done, and a property is not what was sent.
    FalseSuccess {
        /// Top-level property.
        property: String,
        /// What it is instead.
        value: Value,
    },
    /// The server's process ends.
    Die {
        /// Whether the call is done before.
        #[serde(default)]
        commit: bool,
    },
}

impl Fault {
    /// A fault that hits every call of every server, to be narrowed down.
    pub fn new(effect: Effect) -> Self {
        Self { id: 0, server: None, tool: None, kind: None, name: None, nth: None, times: None, seen: 0, fired: 0, effect }
    }

    /// Only this server.
    #[must_use]
    pub fn on(mut self, server: &str) -> Self {
        self.server = Some(server.to_owned());
        self
    }

    /// Only this tool or action.
    #[must_use]
    pub fn tool(mut self, tool: &str) -> Self {
        self.tool = Some(tool.to_owned());
        self
    }

    /// Only resources of this type whose name fits; `*` stands for any text in both.
    #[must_use]
    pub fn resource(mut self, kind: &str, name: &str) -> Self {
        self.kind = Some(kind.to_owned());
        self.name = Some(name.to_owned());
        self
    }

    /// Not before the n-th call.
    #[must_use]
    pub fn nth(mut self, nth: u32) -> Self {
        self.nth = Some(nth);
        self
    }

    /// So often.
    #[must_use]
    pub fn times(mut self, times: u32) -> Self {
        self.times = Some(times);
        self
    }

    fn matches(&self, call: &Call<'_>) -> bool {
        let fits = |pattern: &Option<String>, text: Option<&str>| match pattern {
            None => true,
            Some(p) => text.is_some_and(|t| glob(p, t)),
        };
        fits(&self.server, Some(call.server))
            && (fits(&self.tool, Some(call.tool)) || fits(&self.tool, Some(action(call.tool))))
            && fits(&self.kind, call.kind)
            && fits(&self.name, call.name)
    }

    /// Whether a listing would show what has drifted.
    fn drifts_in(&self, call: &Call<'_>) -> bool {
        matches!(self.effect, Effect::Drift { .. })
            && action(call.tool) == "list"
            && self.server.as_deref().is_none_or(|s| glob(s, call.server))
            && self.tool.as_deref().is_none_or(|t| ["read", "list", "*"].contains(&action(t)))
            && match (&self.kind, call.kind) {
                (Some(pattern), Some(kind)) => glob(pattern, kind),
                (pattern, None) => pattern.is_some(),
                (None, Some(_)) => false,
            }
    }

    fn limit(&self) -> u32 {
        self.times.unwrap_or(if self.nth.is_some() { 1 } else { u32::MAX })
    }
}

/// A call, as a fault sees it.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Call<'a> {
    pub server: &'a str,
    pub tool: &'a str,
    pub kind: Option<&'a str>,
    pub name: Option<&'a str>,
}

/// An effect that hits a call, with what its fault is about.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Hit {
    pub effect: Effect,
    pub kind: Option<String>,
    pub name: Option<String>,
}

/// The short word for a tool.
pub(crate) fn action(tool: &str) -> &str {
    match tool {
        "list_resource_types" | "get_resource_schema" => "types",
        "list_resources" => "list",
        "get_resource_state" | "get_resource_outputs" => "read",
        "create_resource" => "create",
        "update_resource" => "update",
        "delete_resource" => "delete",
        "wait_for_resource" => "wait",
        "get_resource_evidence" => "evidence",
        "health_check" => "health",
        other => other,
    }
}

/// `faults.json`.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub(crate) struct FaultFile {
    #[serde(default)]
    pub faults: Vec<Fault>,
}

impl FaultFile {
    pub fn load(path: &Path) -> Result<Self, WorldError> {
        Ok(super::world::read_json(path)?.unwrap_or_default())
    }

    pub fn add(&mut self, mut fault: Fault) -> u64 {
        fault.id = self.faults.iter().map(|f| f.id).max().unwrap_or(0) + 1;
        let id = fault.id;
        self.faults.push(fault);
        id
    }

    /// Counts a call, and gives the effects that hit it.
    pub fn hit(&mut self, call: &Call<'_>) -> Vec<Hit> {
        let mut hits = Vec::new();
        for fault in &mut self.faults {
            if matches!(fault.effect, Effect::ChangedTool { .. }) || !(fault.matches(call) || fault.drifts_in(call)) {
                continue;
            }
            fault.seen = fault.seen.saturating_add(1);
            if fault.seen >= fault.nth.unwrap_or(1) && fault.fired < fault.limit() {
                fault.fired += 1;
                hits.push(Hit { effect: fault.effect.clone(), kind: fault.kind.clone(), name: fault.name.clone() });
            }
        }
        hits
    }

    /// What the description of a tool says instead, if a fault says so.
    pub fn changed_tool(&self, server: &str, tool: &str) -> Option<&str> {
        self.faults.iter().find_map(|f| match &f.effect {
            Effect::ChangedTool { description } if f.matches(&Call { server, tool, kind: None, name: None }) => Some(description.as_str()),
            _ => None,
        })
    }
}

/// Whether a text fits a pattern in which `*` stands for any text.
pub(crate) fn glob(pattern: &str, text: &str) -> bool {
    let mut parts = pattern.split('*');
    let first = parts.next().unwrap_or_default();
    let Some(mut rest) = text.strip_prefix(first) else { return false };
    let parts: Vec<&str> = parts.collect();
    let Some((last, middle)) = parts.split_last() else { return rest.is_empty() };
    for part in middle {
        match rest.find(part) {
            Some(at) => rest = &rest[at + part.len()..],
            None => return false,
        }
    }
    rest.ends_with(last)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_star_stands_for_any_text() {
        for (pattern, text, fits) in [
            ("blog-*", "blog-db-1", true),
            ("*", "", true),
            ("*-db-*", "blog-db-1", true),
            ("blog", "blog-db", false),
            ("*db", "blog-db-1", false),
            ("a*a", "a", false),
        ] {
            assert_eq!(glob(pattern, text), fits, "{pattern} {text}");
        }
    }

    #[test]
    fn counts_are_kept_with_the_fault() {
        let mut file = FaultFile::default();
        file.add(Fault::new(Effect::Hang).on("docker").tool("create").nth(2));
        let call = Call { server: "docker", tool: "create_resource", kind: Some("network"), name: Some("a") };
        assert_eq!(file.hit(&call), []);
        assert_eq!(file.hit(&call), [Hit { effect: Effect::Hang, kind: None, name: None }]);
        assert_eq!(file.hit(&call), []);
        assert_eq!((file.faults[0].seen, file.faults[0].fired), (3, 1));
    }

    #[test]
    fn the_file_is_easy_to_write_by_hand() {
        let text = r#"{"faults":[{"server":"aws","tool":"create","type":"ec2:*","times":1,"effect":"fail","class":"throttled","message":"RequestLimitExceeded"}]}"#;
        let file: FaultFile = serde_json::from_str(text).unwrap();
        assert!(matches!(&file.faults[0].effect, Effect::Fail { class: Refusal::Throttled, .. }));
    }
}
