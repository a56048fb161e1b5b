//! What the simulated firewall insists on.

use std::net::{IpAddr, Ipv4Addr};

use ipnet::{IpNet, Ipv4Net};
use serde_json::{Value, json};

use super::{Draft, Problem, network, overlap};
use crate::sandbox::world::state::{Object, State};

const NETWORKS: &[&str] = &["opnsense/interface", "opnsense/network:vlan"];

pub(super) fn settle(draft: &Draft<'_>) -> Result<Value, Problem> {
    match draft.kind {
        "network:vlan" => vlan(draft),
        "firewall:alias" => alias(draft),
        "firewall:rule" => rule(draft),
        "dns:override" => dns(draft),
        "dhcp:reservation" => reservation(draft),
        "trust:certificate" => Ok(json!({ "notAfter": "2027-02-21T08:00:00Z" })),
        "haproxy:server" => {
            Ok(json!({ "endpoint": format!("{}:{}", draft.text("address").unwrap_or_default(), draft.int("port").unwrap_or(0)) }))
        }
        "haproxy:backend" => backend(draft),
        "haproxy:frontend" => frontend(draft),
        "interface" => Ok(json!({
            "device": draft.text("device"),
            "ip": draft.text("address"),
            "mac": format!("00:e0:67:{}:{}:{}", draft.hex("a", 2), draft.hex("b", 2), draft.hex("c", 2)),
        })),
        _ => Ok(json!({})),
    }
}

pub(super) fn claims(object: &Object) -> Vec<String> {
    match object.kind.as_str() {
        "network:vlan" => vec![format!("opnsense/device/{}", object.text("device"))],
        "dns:override" => vec![format!("opnsense/dns/{}", object.text("fqdn"))],
        "dhcp:reservation" => vec![
            format!("opnsense/mac/{}/{}", object.text("network"), object.text("mac").to_lowercase()),
            format!("opnsense/lease/{}", object.text("ip")),
        ],
        "haproxy:frontend" => {
            let ip = object.text("ip");
            vec![format!("opnsense/bind/{ip}:{}", object.get("port").unwrap_or(&Value::Null)), format!("opnsense/vip/{ip}")]
        }
        _ => Vec::new(),
    }
}

fn vlan(draft: &Draft<'_>) -> Result<Value, Problem> {
    let parent = draft.text("interface").unwrap_or("igc1");
    let device = draft.state.find("opnsense/interface", parent).map_or(parent, |i| i.id.as_str());
    let tag = draft.int("tag").unwrap_or(0);
    let name = format!("{device}_vlan{tag}");
    if let Some(other) = draft.taken(&format!("opnsense/device/{name}")) {
        return Err(Problem::exists(format!("A VLAN with the tag {tag} is already defined on this interface ({device}): {}", other.name)));
    }
    let others: Vec<(String, Ipv4Net)> = draft
        .state
        .of("opnsense", "network:vlan")
        .filter(|o| draft.before.is_none_or(|b| b.key() != o.key()))
        .filter_map(|o| Some((o.name.clone(), o.outputs.get("cidr")?.as_str()?.parse().ok()?)))
        .collect();
    let clash = |net: &Ipv4Net| others.iter().find(|(_, other)| overlap(net, other));
    let kept = draft.kept("cidr").and_then(|v| v.as_str()?.parse().ok());
    let net = match draft.text("cidr") {
        Some(text) => {
            let net = network(text)?;
            if let Some((other, range)) = clash(&net) {
                return Err(Problem::invalid(format!("The network {net} overlaps with {range} of VLAN {other}")));
            }
            net
        }
        None => {
            let (high, low) = (u8::try_from(tag >> 8).unwrap_or(0), u8::try_from(tag & 255).unwrap_or(0));
            let tries = (0..15u8).filter_map(|i| Ipv4Net::new(Ipv4Addr::new(10, high + 16 * i, low, 0), 24).ok());
            let tagged = kept.filter(|_| draft.before.is_some_and(|b| b.properties.get("tag").and_then(Value::as_i64) == Some(tag)));
            tagged.into_iter().chain(tries).find(|n| clash(n).is_none()).ok_or_else(|| Problem::invalid("There is no free network left"))?
        }
    };
    let gateway = net.hosts().next().map(|ip| ip.to_string());
    Ok(json!({ "device": name, "cidr": net.to_string(), "gateway": gateway }))
}

fn is_host(text: &str) -> bool {
    text.parse::<IpAddr>().is_ok() || text.parse::<IpNet>().is_ok()
}

fn is_port(text: &str) -> bool {
    let number = |t: &str| t.parse::<u16>().is_ok_and(|p| p > 0);
    text.split_once(['-', ':']).map_or_else(|| number(text), |(a, b)| number(a) && number(b))
}

fn alias(draft: &Draft<'_>) -> Result<Value, Problem> {
    let kind = draft.text("type").unwrap_or("host");
    let content = draft.texts("content");
    for entry in &content {
        let known = draft.state.find("opnsense/firewall:alias", entry).is_some();
        let fits = match kind {
            "port" => is_port(entry),
            "network" => is_host(entry),
            "host" => is_host(entry) || entry.contains(|c: char| c.is_ascii_alphabetic()),
            _ => !entry.is_empty(),
        };
        if !fits && !known {
            return Err(Problem::invalid(format!("Entry \"{entry}\" is not a valid {kind}")));
        }
    }
    Ok(json!({ "entries": content.len() }))
}

fn rule(draft: &Draft<'_>) -> Result<Value, Problem> {
    for side in ["source", "destination"] {
        let text = draft.text(side).unwrap_or("any");
        let fixed = ["any", "(self)", "this firewall"].contains(&text);
        let place = ["opnsense/firewall:alias", "opnsense/interface", "opnsense/network:vlan"];
        if !fixed && !is_host(text) && draft.state.find_in(&place, text).is_none() {
            return Err(Problem::missing(format!(
                "{text} is not a valid {side} IP address or alias: there is no alias, interface or VLAN of this name"
            )));
        }
    }
    match draft.properties.get("port") {
        Some(Value::Number(n)) if n.as_u64().is_none_or(|p| p == 0 || p > 65_535) => {
            Err(Problem::invalid(format!("{n} is not a valid port")))
        }
        Some(Value::String(text)) if !is_port(text) => {
            let alias = draft.state.find("opnsense/firewall:alias", text).filter(|a| a.text("type") == "port");
            alias.map(|_| json!({})).ok_or_else(|| Problem::missing(format!("{text} is not a valid port, range or port alias")))
        }
        Some(_) if draft.text("protocol") == Some("ICMP") => Err(Problem::invalid("ICMP has no ports")),
        _ => Ok(json!({})),
    }
}

fn dns(draft: &Draft<'_>) -> Result<Value, Problem> {
    let ip = draft.text("ip").unwrap_or_default();
    if ip.parse::<IpAddr>().is_err() {
        return Err(Problem::invalid(format!("`{ip}` is not an IP address")));
    }
    let fqdn = format!("{}.{}", draft.text("host").unwrap_or_default(), draft.text("domain").unwrap_or_default());
    if let Some(other) = draft.taken(&format!("opnsense/dns/{fqdn}")) {
        return Err(Problem::exists(format!("An override for {fqdn} exists already: {}", other.name)));
    }
    Ok(json!({ "fqdn": fqdn }))
}

fn reservation(draft: &Draft<'_>) -> Result<Value, Problem> {
    let name = draft.text("network").unwrap_or_default();
    let mac = draft.text("mac").unwrap_or_default().to_lowercase();
    if let Some(other) = draft.taken(&format!("opnsense/mac/{name}/{mac}")) {
        return Err(Problem::exists(format!("{mac} has a reservation in {name} already: {}", other.name)));
    }
    let Some(place) = draft.state.find_in(NETWORKS, name) else { return Ok(json!({})) };
    let cidr = place.get("cidr").and_then(Value::as_str).unwrap_or("192.168.1.0/24");
    let net = network(cidr)?;
    let ip = match draft.text("ip") {
        Some(text) => {
            let ip: Ipv4Addr = text.parse().map_err(|_| Problem::invalid(format!("`{text}` is not an IPv4 address")))?;
            if !net.contains(&ip) {
                return Err(Problem::invalid(format!("{ip} is not in {name} ({net})")));
            }
            if let Some(other) = draft.taken(&format!("opnsense/lease/{ip}")) {
                return Err(Problem::exists(format!("{ip} is reserved already: {}", other.name)));
            }
            Some(ip)
        }
        None => draft.kept("ip").and_then(|v| v.as_str()?.parse().ok()).or_else(|| draft.address_in(net, 10, "opnsense/lease")),
    };
    Ok(json!({ "ip": ip.map(|i| i.to_string()) }))
}

fn backend(draft: &Draft<'_>) -> Result<Value, Problem> {
    for server in draft.texts("servers") {
        let literal = server.rsplit_once(':').is_some_and(|(host, port)| !host.is_empty() && is_port(port));
        if !literal && draft.state.find("opnsense/haproxy:server", server).is_none() {
            return Err(Problem::missing(format!("Related server not found: {server} is neither a haproxy:server nor host:port")));
        }
    }
    Ok(json!({}))
}

fn frontend(draft: &Draft<'_>) -> Result<Value, Problem> {
    let port = draft.int("port").unwrap_or(if draft.text("certificate").is_some() { 443 } else { 80 });
    let ip = match draft.text("address") {
        Some(address) => address.to_owned(),
        None => match draft.kept("ip") {
            Some(Value::String(ip)) => ip,
            _ => free_wan_address(draft.state).ok_or_else(|| Problem::invalid("There is no free WAN address left"))?,
        },
    };
    if let Some(other) = draft.taken(&format!("opnsense/bind/{ip}:{port}")) {
        return Err(Problem::exists(format!("Frontend {} is already bound to {ip}:{port}", other.name)));
    }
    let scheme = if draft.text("certificate").is_some() { "https" } else { "http" };
    let host = draft.texts("hosts").first().map_or(ip.clone(), |h| (*h).to_owned());
    Ok(json!({ "ip": ip, "port": port, "url": format!("{scheme}://{host}") }))
}

/// The firewall has a block of WAN addresses, and gives each frontend that asks for none one of its own.
fn free_wan_address(state: &State) -> Option<String> {
    (10..=254).map(|n| format!("203.0.113.{n}")).find(|ip| state.claimed(&format!("opnsense/vip/{ip}")).is_none())
}
