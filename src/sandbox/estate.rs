//! What the world begins with: the small estate that the examples refer to.

use serde_json::{Value, json};

use super::catalogue::kinds;
use super::engine;
use super::rules::Problem;
use super::world::{Tx, WorldError};

/// Puts the estate into an empty world.
pub(crate) fn settle(tx: &mut Tx<'_>) -> Result<(), WorldError> {
    for (server, kind, name, properties) in objects() {
        let Some(known) = kinds(server).get(kind) else { continue };
        let Value::Object(properties) = properties else { continue };
        let made = engine::build(tx, server, known, name, &properties, "");
        let mut object =
            made.map_err(|Problem { message, .. }| WorldError::Corrupt { file: tx.file(server, kind, name), reason: message })?;
        object.events.clear();
        tx.put(object)?;
    }
    Ok(())
}

fn objects() -> Vec<(&'static str, &'static str, &'static str, Value)> {
    let mut all = firewall();
    all.extend(account());
    all.extend(hosts());
    all
}

fn firewall() -> Vec<(&'static str, &'static str, &'static str, Value)> {
    let server = "opnsense";
    vec![
        (server, "interface", "wan", json!({ "device": "igc0", "zone": "wan", "address": "203.0.113.2" })),
        (server, "interface", "lan", json!({ "device": "igc1", "zone": "lan", "address": "192.168.1.1" })),
        (server, "interface", "igc2", json!({ "device": "igc2", "zone": "trunk" })),
        (server, "haproxy:server", "app-1", json!({ "address": "192.168.1.31", "port": 8080 })),
        (server, "haproxy:server", "app-2", json!({ "address": "192.168.1.32", "port": 8080 })),
        (server, "haproxy:backend", "app-backend", json!({ "servers": ["app-1", "app-2"], "healthCheck": { "path": "/healthz" } })),
        (server, "trust:certificate", "web-cert", json!({ "commonName": "www.example.org" })),
        (
            server,
            "haproxy:frontend",
            "web",
            json!({ "backend": "app-backend", "certificate": "web-cert", "hosts": ["www.example.org"], "redirectHttp": true }),
        ),
    ]
}

fn account() -> Vec<(&'static str, &'static str, &'static str, Value)> {
    let server = "aws";
    let subnet = |vpc: &str, region: &str, zone: &str, net: &str, public: bool| {
        json!({
            "vpc": vpc, "region": region, "availabilityZone": format!("{region}{zone}"), "cidrBlock": net, "mapPublicIp": public,
        })
    };
    let (east, west) = ("us-east-1", "us-west-2");
    vec![
        (server, "vpc:vpc", "main", json!({ "cidrBlock": "10.0.0.0/16" })),
        (server, "vpc:internetGateway", "main-igw", json!({ "vpc": "main" })),
        (server, "vpc:subnet", "private-1", subnet("main", east, "a", "10.0.1.0/24", false)),
        (server, "vpc:subnet", "private-2", subnet("main", east, "b", "10.0.2.0/24", false)),
        (server, "vpc:subnet", "public-1", subnet("main", east, "a", "10.0.101.0/24", true)),
        (server, "vpc:subnet", "public-2", subnet("main", east, "b", "10.0.102.0/24", true)),
        (
            server,
            "ec2:securityGroup",
            "app",
            json!({ "vpc": "main", "description": "Application servers", "ingress": [
                { "protocol": "tcp", "port": 443, "cidr": "0.0.0.0/0" }, { "protocol": "tcp", "port": 8080, "cidr": "10.0.0.0/16" } ] }),
        ),
        (server, "vpc:vpc", "main-us-west-2", json!({ "cidrBlock": "10.1.0.0/16", "region": west })),
        (server, "vpc:internetGateway", "main-us-west-2-igw", json!({ "vpc": "main-us-west-2", "region": west })),
        (server, "vpc:subnet", "private-1-us-west-2", subnet("main-us-west-2", west, "a", "10.1.1.0/24", false)),
        (server, "vpc:subnet", "private-2-us-west-2", subnet("main-us-west-2", west, "b", "10.1.2.0/24", false)),
        (server, "vpc:subnet", "public-1-us-west-2", subnet("main-us-west-2", west, "a", "10.1.101.0/24", true)),
        (server, "vpc:subnet", "public-2-us-west-2", subnet("main-us-west-2", west, "b", "10.1.102.0/24", true)),
        (
            server,
            "ec2:securityGroup",
            "app-us-west-2",
            json!({ "vpc": "main-us-west-2", "region": west, "description": "Application servers", "ingress": [
                { "protocol": "tcp", "port": 443, "cidr": "0.0.0.0/0" } ] }),
        ),
        (server, "route53:zone", "example-com", json!({ "domain": "example.com" })),
        (server, "route53:zone", "example-org", json!({ "domain": "example.org" })),
    ]
}

fn hosts() -> Vec<(&'static str, &'static str, &'static str, Value)> {
    let image = |name: &'static str, reference: &str| ("docker", "image", name, json!({ "reference": reference }));
    vec![
        ("docker", "network", "bridge", json!({ "subnet": "172.17.0.0/16" })),
        ("docker", "network", "host", json!({ "driver": "host" })),
        image("haproxy", "haproxy:3.0"),
        image("mariadb", "mariadb:11"),
        image("mosquitto", "eclipse-mosquitto:2"),
        image("nginx", "nginx:1.27"),
        image("node", "node:22"),
        image("postgres", "postgres:15"),
        image("redis", "redis:7"),
        image("wordpress", "wordpress:6.6"),
        ("kubernetes", "namespace", "default", json!({})),
        ("kubernetes", "namespace", "kube-system", json!({ "podSecurity": "privileged" })),
        ("kubernetes", "namespace", "production", json!({ "labels": { "environment": "production" } })),
    ]
}
