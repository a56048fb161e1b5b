//! Which container images can be had: those on the docker host, and those that registries offer.

use crate::sandbox::world::state::State;

/// What Docker Hub offers here. Any other registry is somebody's own, and taken at its word.
const REPOSITORIES: &[&str] = &[
    "adminer",
    "alpine",
    "amazonlinux",
    "apache/activemq-artemis",
    "apache/kafka",
    "bitnami/postgresql",
    "bitnami/redis",
    "busybox",
    "caddy",
    "cassandra",
    "clickhouse/clickhouse-server",
    "couchdb",
    "curlimages/curl",
    "debian",
    "eclipse-mosquitto",
    "elasticsearch",
    "emqx",
    "emqx/emqx",
    "emqx/nanomq",
    "eqalpha/keydb",
    "fedora",
    "ghost",
    "gitea/gitea",
    "golang",
    "grafana/grafana",
    "grafana/loki",
    "haproxy",
    "hivemq/hivemq4",
    "homeassistant/home-assistant",
    "httpd",
    "influxdb",
    "jellyfin/jellyfin",
    "koenkk/zigbee2mqtt",
    "mariadb",
    "memcached",
    "minio/minio",
    "mongo",
    "mysql",
    "n8nio/n8n",
    "neo4j",
    "nextcloud",
    "nginx",
    "nginxinc/nginx-unprivileged",
    "node",
    "nodered/node-red",
    "oliver006/redis_exporter",
    "openjdk",
    "opensearchproject/opensearch",
    "php",
    "phpmyadmin",
    "postgis/postgis",
    "postgres",
    "prom/alertmanager",
    "prom/blackbox-exporter",
    "prom/node-exporter",
    "prom/prometheus",
    "prometheuscommunity/postgres-exporter",
    "python",
    "rabbitmq",
    "redis",
    "registry",
    "ruby",
    "rust",
    "telegraf",
    "timescale/timescaledb",
    "traefik",
    "ubuntu",
    "valkey/valkey",
    "vault",
    "vaultwarden/server",
    "verdaccio/verdaccio",
    "vernemq/vernemq",
    "wordpress",
];

/// Adds the tag that is meant when none is written.
pub(super) fn with_tag(image: &str) -> String {
    let last = image.rsplit('/').next().unwrap_or(image);
    if last.contains(':') || last.contains('@') { image.to_owned() } else { format!("{image}:latest") }
}

/// Why an image cannot be had, in docker's words; `None` if it can.
pub(crate) fn pull_error(state: &State, image: &str) -> Option<String> {
    let full = with_tag(image);
    let plain = full.strip_prefix("docker.io/").unwrap_or(&full);
    let plain = plain.strip_prefix("library/").unwrap_or(plain);
    if ["docker/image", "docker/image:build"].iter().any(|p| state.find(p, plain).or_else(|| state.find(p, image)).is_some()) {
        return None;
    }
    let at = plain.find('@').or_else(|| plain.rfind(':')).unwrap_or(plain.len());
    let (repository, tag) = (&plain[..at], plain[at..].trim_start_matches([':', '@']));
    let host = repository.split('/').next().unwrap_or_default();
    let elsewhere = repository.contains('/') && host.contains(['.', ':']);
    let known = REPOSITORIES.contains(&repository) || elsewhere;
    if !known {
        return Some(format!(
            "pull access denied for {repository}, repository does not exist or may require 'docker login': denied: requested access to the resource is denied"
        ));
    }
    let versionlike = tag.starts_with(|c: char| c.is_ascii_digit() || c == 'v') || tag.starts_with("sha256:");
    let named = ["latest", "stable", "lts", "alpine", "slim", "mainline", "edge", "bookworm", "php", "RELEASE", "nonroot"];
    if elsewhere || versionlike || named.iter().any(|n| tag.starts_with(n)) {
        None
    } else {
        Some(format!("manifest for {repository}:{tag} not found: manifest unknown: manifest unknown"))
    }
}
