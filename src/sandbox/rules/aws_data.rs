//! What the simulated AWS account insists on in databases, buckets, keys and backups.

use serde_json::{Value, json};

use super::aws::ACCOUNT;
use super::aws_network::subnets_or_default;
use super::{Draft, Problem};
use crate::domain::Properties;

pub(super) fn settle(draft: &Draft<'_>) -> Result<Value, Problem> {
    let region = draft.text("region").unwrap_or("us-east-1");
    match draft.kind {
        "rds:cluster" => cluster(draft, region),
        "rds:globalCluster" => Ok(json!({})),
        "rds:snapshot" => snapshot(draft),
        "elasticache:cluster" => cache(draft, region),
        "s3:bucket" => bucket(draft, region),
        "kms:key" => Ok(json!({ "alias": format!("alias/{}", draft.name) })),
        "secretsmanager:secret" => Ok(json!({ "versionId": super::uuid_of(&draft.hex(draft.text("value").unwrap_or_default(), 64)) })),
        "backup:plan" => Ok(json!({
            "vault": "Default",
            "versionId": super::uuid_of(&draft.hex(&serde_json::to_string(draft.properties).unwrap_or_default(), 64)),
            "lastBackupAt": draft.kept("lastBackupAt").unwrap_or_else(|| draft.now.into()),
        })),
        _ => Ok(json!({})),
    }
}

/// The name of a bucket in all of AWS.
pub(super) fn bucket_name(name: &str, properties: &Properties) -> String {
    let given = properties.get("bucket").and_then(Value::as_str).map(str::to_owned);
    given.unwrap_or_else(|| format!("{}-{ACCOUNT}", name.to_lowercase().replace('_', "-")))
}

fn port_of(engine: &str) -> u16 {
    match engine {
        "postgres" | "aurora-postgresql" => 5432,
        "redis" | "valkey" => 6379,
        "memcached" => 11_211,
        _ => 3306,
    }
}

/// Majors that AWS offers, newest first.
fn versions(engine: &str) -> &'static [&'static str] {
    match engine {
        "postgres" => &["17", "16", "15", "14", "13", "18"],
        "aurora-postgresql" => &["16", "15", "14", "13", "17"],
        "mysql" => &["8.4", "8.0", "8"],
        "mariadb" => &["11.4", "10.11", "10.6", "11", "10"],
        "aurora-mysql" => &["8.0", "8", "3"],
        "redis" => &["7.1", "7", "6"],
        "valkey" => &["8", "7"],
        _ => &["1.6", "1"],
    }
}

fn version(draft: &Draft<'_>, engine: &str) -> Result<String, Problem> {
    let offered = versions(engine);
    match draft.text("engineVersion") {
        None => Ok(draft
            .kept("engineVersion")
            .and_then(|v| v.as_str().map(str::to_owned))
            .unwrap_or_else(|| offered.first().map_or("1", |v| *v).to_owned())),
        Some(wanted) if offered.iter().any(|o| wanted == *o || wanted.starts_with(&format!("{o}."))) => Ok(wanted.to_owned()),
        Some(wanted) => Err(Problem::invalid(format!("InvalidParameterCombination: Cannot find version {wanted} for {engine}"))),
    }
}

fn cluster(draft: &Draft<'_>, region: &str) -> Result<Value, Problem> {
    let engine = draft.text("engine").unwrap_or("postgres");
    let version = version(draft, engine)?;
    let subnets = subnets_or_default(draft, region, "private")?;
    let vpc = subnets.first().map_or("", |s| s.text("vpcId"));
    super::aws_network::same_vpc(draft, vpc, "securityGroups", "aws/ec2:securityGroup")?;
    if let Some(before) = draft.before
        && before.properties.get("storage").and_then(Value::as_i64) > draft.int("storage")
    {
        return Err(Problem::invalid(
            "InvalidParameterCombination: Invalid storage size for engine: requested storage is less than the current",
        ));
    }
    if let Some(source) = draft.text("replicaOf").and_then(|h| draft.state.find("aws/rds:cluster", h)) {
        if source.text("engine") != engine {
            return Err(Problem::invalid(format!(
                "InvalidParameterCombination: a replica of {} must have the engine {}",
                source.name,
                source.text("engine")
            )));
        }
        if source.id == draft.id {
            return Err(Problem::invalid("InvalidParameterValue: a cluster cannot be its own replica"));
        }
    }
    let tail = draft.hex("endpoint", 12);
    let members: Vec<String> = (1..=draft.int("instances").unwrap_or(1)).map(|i| format!("{}-instance-{i}", draft.name)).collect();
    let name = draft.name.to_lowercase();
    Ok(json!({
        "endpoint": format!("{name}.cluster-{tail}.{region}.rds.amazonaws.com"),
        "readerEndpoint": format!("{name}.cluster-ro-{tail}.{region}.rds.amazonaws.com"),
        "port": port_of(engine),
        "role": if draft.text("replicaOf").is_some() { "replica" } else { "primary" },
        "engineVersion": version,
        "members": members,
        "vpcId": vpc,
        "subnetIds": subnets.iter().map(|s| s.id.as_str()).collect::<Vec<_>>(),
        "replicationLagSeconds": draft.text("replicaOf").map(|_| 0),
    }))
}

fn snapshot(draft: &Draft<'_>) -> Result<Value, Problem> {
    if let (Some(engine), Some(size), Some(at)) = (draft.kept("engine"), draft.kept("size"), draft.kept("takenAt")) {
        return Ok(json!({ "engine": engine, "size": size, "takenAt": at }));
    }
    let handle = draft.text("cluster").unwrap_or_default();
    let Some(cluster) = draft.state.find("aws/rds:cluster", handle) else {
        return Err(Problem::missing(format!("DBClusterNotFoundFault: DBCluster {handle} not found.")));
    };
    Ok(json!({ "engine": cluster.text("engine"), "size": cluster.get("storage"), "takenAt": draft.now }))
}

fn cache(draft: &Draft<'_>, region: &str) -> Result<Value, Problem> {
    let engine = draft.text("engine").unwrap_or("redis");
    version(draft, engine)?;
    let subnets = subnets_or_default(draft, region, "private")?;
    let vpc = subnets.first().map_or("", |s| s.text("vpcId"));
    super::aws_network::same_vpc(draft, vpc, "securityGroups", "aws/ec2:securityGroup")?;
    let tail = draft.hex("endpoint", 6);
    Ok(json!({
        "endpoint": format!("master.{}.{tail}.{}.cache.amazonaws.com", draft.name.to_lowercase(), short(region)),
        "port": port_of(engine),
        "vpcId": vpc,
        "subnetIds": subnets.iter().map(|s| s.id.as_str()).collect::<Vec<_>>(),
    }))
}

/// `us-east-1` as `use1`, the way that cache endpoints are named.
fn short(region: &str) -> String {
    let mut parts = region.split('-');
    let (area, side, number) = (parts.next().unwrap_or("us"), parts.next().unwrap_or("east"), parts.next().unwrap_or("1"));
    format!("{area}{}{number}", &side[..1.min(side.len())])
}

fn bucket(draft: &Draft<'_>, region: &str) -> Result<Value, Problem> {
    if let Some(other) = draft.taken(&format!("aws/bucket/{}", draft.id)) {
        return Err(Problem::exists(format!("BucketAlreadyOwnedByYou: {} is the bucket of {}", draft.id, other.name)));
    }
    if draft.text("replicateTo").is_some() && !draft.is("versioning") {
        return Err(Problem::invalid("InvalidRequest: Versioning must be 'Enabled' on the bucket to apply a replication configuration"));
    }
    if draft.text("kmsKey").is_some() && draft.text("encryption") != Some("aws:kms") {
        return Err(Problem::invalid("InvalidArgument: a kmsKey needs the encryption aws:kms"));
    }
    Ok(json!({ "bucket": draft.id, "domainName": format!("{}.s3.{region}.amazonaws.com", draft.id) }))
}
