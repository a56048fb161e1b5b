//! What the simulated systems insist on, and what they add of their own: checks beyond the schema, ids, addresses, names.
//!
//! [`settle`] looks at an object that is about to be made or changed and either refuses it in the words of the real system or gives its
//! outputs. Outputs depend on the world's seed and the object's name only, so that the same session shows the same ids every time.

use std::collections::BTreeSet;
use std::net::Ipv4Addr;

use ipnet::Ipv4Net;
use serde_json::{Value, json};

use super::world::digest;
use super::world::state::{Object, State};
use crate::domain::Properties;
use crate::mcp::Refusal;

mod aws;

mod aws_data;

mod aws_network;

mod docker;

mod images;

mod kubernetes;

mod opnsense;

pub(crate) use images::pull_error;

/// A refusal, in the words of the real system.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Problem {
    pub class: Refusal,
    pub message: String,
}

impl Problem {
    pub fn invalid(message: impl Into<String>) -> Self {
        Self { class: Refusal::Invalid, message: message.into() }
    }

    pub fn missing(message: impl Into<String>) -> Self {
        Self { class: Refusal::NotFound, message: message.into() }
    }

    pub fn exists(message: impl Into<String>) -> Self {
        Self { class: Refusal::Exists, message: message.into() }
    }

    pub fn denied(message: impl Into<String>) -> Self {
        Self { class: Refusal::Denied, message: message.into() }
    }
}

/// An object that is about to be made or changed.
pub(crate) struct Draft<'a> {
    pub state: &'a State,
    pub server: &'a str,
    pub kind: &'a str,
    pub name: &'a str,
    pub id: &'a str,
    pub serial: u32,
    pub properties: &'a Properties,
    pub before: Option<&'a Object>,
    pub now: &'a str,
}

impl Draft<'_> {
    /// A property that is a text.
    pub fn text(&self, property: &str) -> Option<&str> {
        self.properties.get(property).and_then(Value::as_str)
    }

    /// A property that is a whole number.
    pub fn int(&self, property: &str) -> Option<i64> {
        self.properties.get(property).and_then(Value::as_i64)
    }

    /// A property that is true.
    pub fn is(&self, property: &str) -> bool {
        self.properties.get(property).and_then(Value::as_bool) == Some(true)
    }

    /// The texts of a property that is a list.
    pub fn texts(&self, property: &str) -> Vec<&str> {
        self.properties.get(property).and_then(Value::as_array).into_iter().flatten().filter_map(Value::as_str).collect()
    }

    /// An output that was given before, so that an update keeps it.
    pub fn kept(&self, output: &str) -> Option<Value> {
        self.before?.outputs.get(output).cloned()
    }

    /// Digits that belong to this object.
    pub fn hex(&self, salt: &str, len: usize) -> String {
        let mut all = digest(&self.state.seed, &[self.server, self.kind, self.name, &self.serial.to_string(), salt]);
        all.truncate(len);
        all
    }

    /// A number below a bound that belongs to this object.
    pub fn number(&self, salt: &str, below: u64) -> u64 {
        u64::from_str_radix(&self.hex(salt, 15), 16).unwrap_or(0) % below.max(1)
    }

    /// Whether a claim is someone else's.
    pub fn taken(&self, claim: &str) -> Option<&Object> {
        self.state.claimed(claim).filter(|o| self.before.is_none_or(|b| b.key() != o.key()))
    }

    /// An address of a network that nobody has claimed; the one that it had before, if it fits.
    pub fn address_in(&self, net: Ipv4Net, first: u32, claim: &str) -> Option<Ipv4Addr> {
        let size = 2u32.checked_pow(32 - u32::from(net.prefix_len())).unwrap_or(u32::MAX);
        let room = size.checked_sub(first + 1).filter(|r| *r > 0)?;
        let start = u32::try_from(self.number("address", u64::from(room))).unwrap_or(0);
        (0..room.min(65_536))
            .map(|i| Ipv4Addr::from(u32::from(net.network()) + first + (start + i) % room))
            .find(|ip| self.taken(&format!("{claim}/{ip}")).is_none())
    }
}

/// Checks a draft and gives its outputs.
pub(crate) fn settle(draft: &Draft<'_>) -> Result<Properties, Problem> {
    let outputs = match draft.server {
        "opnsense" => opnsense::settle(draft)?,
        "aws" => aws::settle(draft)?,
        "docker" => docker::settle(draft)?,
        "kubernetes" => kubernetes::settle(draft)?,
        _ => json!({}),
    };
    let mut all = Properties::new();
    all.insert("id".into(), draft.id.into());
    if let Value::Object(outputs) = outputs {
        all.extend(outputs.into_iter().filter(|(_, v)| !v.is_null()));
    }
    Ok(all)
}

/// The id of an object of this name, the `serial`-th of it.
pub(crate) fn new_id(state: &State, server: &str, kind: &str, name: &str, serial: u32, properties: &Properties) -> String {
    let hex = digest(&state.seed, &[server, kind, name, &serial.to_string()]);
    match (server, kind) {
        ("opnsense", "interface") => properties.get("device").and_then(Value::as_str).unwrap_or(name).to_owned(),
        ("aws", _) => aws::new_id(kind, name, &hex, properties),
        ("docker", "volume") => name.to_owned(),
        ("docker", "image" | "image:build") => format!("sha256:{hex}"),
        ("docker", _) => hex,
        _ => uuid_of(&hex),
    }
}

/// A version 4 UUID made of hexadecimal digits.
pub(crate) fn uuid_of(hex: &str) -> String {
    format!("{}-{}-4{}-a{}-{}", &hex[..8], &hex[8..12], &hex[13..16], &hex[17..20], &hex[20..32])
}

/// What an object has of which there is only one in the world.
pub(crate) fn claims(object: &Object) -> Vec<String> {
    match object.server.as_str() {
        "opnsense" => opnsense::claims(object),
        "aws" => aws::claims(object),
        "docker" => docker::claims(object),
        "kubernetes" => kubernetes::claims(object),
        _ => Vec::new(),
    }
}

/// What an object refers to in ways that its schema does not say.
pub(crate) fn extra_mentions(object: &Object) -> BTreeSet<(String, String)> {
    match object.server.as_str() {
        "docker" => docker::extra_mentions(object),
        "aws" => aws::extra_mentions(object),
        _ => BTreeSet::new(),
    }
}

/// The words in which a system says that something is still needed.
pub(crate) fn in_use(object: &Object, holders: &[&Object]) -> Problem {
    let shown: Vec<String> = holders.iter().take(5).map(|h| format!("{}:{}:{}", h.server, h.kind, h.name)).collect();
    let more = holders.len().saturating_sub(5);
    let by = if more == 0 { shown.join(", ") } else { format!("{} and {more} more", shown.join(", ")) };
    let message = match (object.server.as_str(), object.kind.as_str()) {
        ("aws", kind) => {
            let thing = kind.rsplit(':').next().unwrap_or(kind);
            format!("DependencyViolation: The {thing} '{}' has dependencies and cannot be deleted (used by {by}).", object.id)
        }
        ("docker", "network") => format!("error while removing network: network {} has active endpoints (used by {by})", object.name),
        ("docker", "volume") => format!("remove {}: volume is in use (used by {by})", object.name),
        ("opnsense", _) => format!("Cannot delete {}. Currently in use by {by}", object.name),
        _ => format!("{} is still used by {by}", object.name),
    };
    Problem { class: Refusal::InUse, message }
}

/// A network in CIDR notation.
pub(crate) fn network(text: &str) -> Result<Ipv4Net, Problem> {
    let net: Ipv4Net = text.parse().map_err(|_| Problem::invalid(format!("`{text}` is not an IPv4 network")))?;
    if net.trunc() == net { Ok(net) } else { Err(Problem::invalid(format!("`{text}` has host bits set; the network is {}", net.trunc()))) }
}

/// Whether two networks share an address.
pub(crate) fn overlap(a: &Ipv4Net, b: &Ipv4Net) -> bool {
    a.contains(b) || b.contains(a)
}
