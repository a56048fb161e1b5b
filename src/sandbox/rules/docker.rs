//! What the simulated docker host insists on. Each VLAN of the firewall is also a network of the host, which hangs on the trunk.

use std::collections::BTreeSet;
use std::net::Ipv4Addr;

use ipnet::Ipv4Net;
use serde_json::{Map, Value, json};

use super::images::{pull_error, with_tag};
use super::{Draft, Problem, network, overlap};
use crate::sandbox::world::state::Object;

/// Address of the docker host on the LAN.
const HOST: &str = "192.168.1.20";

pub(super) fn settle(draft: &Draft<'_>) -> Result<Value, Problem> {
    match draft.kind {
        "network" => docker_network(draft),
        "volume" => Ok(json!({ "mountpoint": format!("/var/lib/docker/volumes/{}/_data", draft.name) })),
        "image" => {
            let reference = with_tag(draft.text("reference").unwrap_or(draft.name));
            if let Some(reason) = pull_error(draft.state, &reference) {
                return Err(Problem::missing(reason));
            }
            let digest = format!("sha256:{}", draft.hex("digest", 64));
            Ok(json!({ "tag": reference, "digest": digest, "size": 20_000_000 + draft.number("size", 400_000_000) }))
        }
        "image:build" => {
            let tag = with_tag(draft.text("tag").unwrap_or(draft.name));
            let content = draft.hex(&serde_json::to_string(draft.properties).unwrap_or_default(), 64);
            Ok(json!({ "tag": tag, "digest": format!("sha256:{content}"), "size": 80_000_000 + draft.number("size", 300_000_000) }))
        }
        "container:run" => container(draft),
        _ => Ok(json!({})),
    }
}

pub(super) fn claims(object: &Object) -> Vec<String> {
    let mut claims = Vec::new();
    if let Some(Value::Object(ports)) = object.outputs.get("ports").filter(|_| object.kind == "container:run" && object.runs()) {
        claims.extend(ports.iter().map(|(inside, host)| format!("docker/port/{}/{host}", inside.rsplit('/').next().unwrap_or("tcp"))));
    }
    if object.kind == "container:run" && !object.text("ip").is_empty() && object.text("ip") != HOST {
        claims.push(format!("docker/ip/{}", object.text("ip")));
    }
    claims
}

/// Named volumes and the local image stand inside texts.
pub(super) fn extra_mentions(object: &Object) -> BTreeSet<(String, String)> {
    let mut all = BTreeSet::new();
    if object.kind == "container:run" {
        for volume in object.properties.get("volumes").and_then(Value::as_array).into_iter().flatten().filter_map(Value::as_str) {
            let name = volume.split(':').next().unwrap_or_default();
            if !name.starts_with(['/', '.', '~']) {
                all.insert(("docker/volume".to_owned(), name.to_owned()));
            }
        }
        for place in ["docker/image", "docker/image:build"] {
            all.insert((place.to_owned(), with_tag(object.text("image"))));
        }
    }
    all
}

fn docker_network(draft: &Draft<'_>) -> Result<Value, Problem> {
    if draft.text("driver") == Some("host") {
        return Ok(json!({}));
    }
    let others: Vec<Ipv4Net> = draft
        .state
        .of("docker", "network")
        .filter(|o| draft.before.is_none_or(|b| b.key() != o.key()))
        .filter_map(|o| o.outputs.get("subnet")?.as_str()?.parse().ok())
        .collect();
    let free = |net: &Ipv4Net| !others.iter().any(|o| overlap(net, o));
    let net = match draft.text("subnet") {
        Some(text) => {
            let net = network(text)?;
            if !free(&net) {
                return Err(Problem::invalid("invalid pool request: Pool overlaps with other one on this address space"));
            }
            net
        }
        None => {
            let small = (0..=255u8).flat_map(|b| (0..=255u8).map(move |c| Ipv4Addr::new(100, 64 + b % 64, c, 0)));
            let mut pools = (17..=31u8)
                .filter_map(|b| Ipv4Net::new(Ipv4Addr::new(172, b, 0, 0), 16).ok())
                .chain(small.filter_map(|a| Ipv4Net::new(a, 24).ok()));
            let kept = draft.kept("subnet").and_then(|v| v.as_str()?.parse().ok());
            kept.or_else(|| pools.find(free))
                .ok_or_else(|| Problem::invalid("could not find an available, non-overlapping IPv4 address pool"))?
        }
    };
    Ok(json!({ "subnet": net.to_string(), "gateway": net.hosts().next().map(|i| i.to_string()) }))
}

fn container(draft: &Draft<'_>) -> Result<Value, Problem> {
    let image = draft.text("image").unwrap_or_default();
    if let Some(reason) = pull_error(draft.state, image) {
        return Err(Problem::missing(format!("Unable to find image '{}' locally. {reason}", with_tag(image))));
    }
    let ports = published(draft)?;
    let name = draft.text("network").or_else(|| draft.texts("networks").first().copied()).unwrap_or("bridge");
    let place = draft.state.find_in(&["docker/network", "opnsense/network:vlan"], name);
    let net: Option<Ipv4Net> = place.and_then(|p| p.get("subnet").or_else(|| p.get("cidr"))?.as_str()?.parse().ok());
    let ip = match (draft.kept("ip"), net) {
        (Some(Value::String(ip)), _) => ip,
        (_, None) => HOST.to_owned(),
        (_, Some(net)) => draft
            .address_in(net, 2, "docker/ip")
            .map(|ip| ip.to_string())
            .ok_or_else(|| Problem::invalid(format!("no available IPv4 addresses on this network's address pools: {name}")))?,
    };
    let local = ["docker/image", "docker/image:build"].iter().find_map(|p| draft.state.find(p, &with_tag(image)));
    let image_id =
        local.map_or_else(|| format!("sha256:{}", super::digest(&draft.state.seed, &["image", &with_tag(image)])), |i| i.id.clone());
    Ok(json!({
        "ip": ip,
        "host": HOST,
        "hostname": draft.text("hostname").unwrap_or(&draft.id[..12.min(draft.id.len())]),
        "port": ports.values().next(),
        "ports": ports,
        "imageId": image_id,
    }))
}

/// Published ports: `80/tcp` to the port of the host.
fn published(draft: &Draft<'_>) -> Result<Map<String, Value>, Problem> {
    let mut ports = Map::new();
    for entry in draft.properties.get("ports").and_then(Value::as_array).into_iter().flatten() {
        let text = entry.as_str().map_or_else(|| entry.to_string(), str::to_owned);
        let (mapping, protocol) = text.split_once('/').unwrap_or((&text, "tcp"));
        let mut parts = mapping.rsplit(':');
        let inside = parts.next().unwrap_or_default();
        let host = parts.next().unwrap_or(inside);
        let number = |t: &str| t.parse::<u16>().ok().filter(|p| *p > 0).ok_or_else(|| Problem::invalid(format!("Invalid hostPort: {t}")));
        let (inside, host) = (number(inside)?, number(host)?);
        if let Some(other) = draft.taken(&format!("docker/port/{protocol}/{host}")) {
            return Err(Problem::exists(format!(
                "driver failed programming external connectivity on endpoint {}: Bind for 0.0.0.0:{host} failed: port is already allocated (by {})",
                draft.name, other.name
            )));
        }
        if ports.values().any(|p| p.as_u64() == Some(u64::from(host))) {
            return Err(Problem::invalid(format!("port {host} is published twice")));
        }
        ports.insert(format!("{inside}/{protocol}"), host.into());
    }
    Ok(ports)
}
