//! The types of the simulated AWS account: databases, buckets, keys, secrets, backups.

use serde_json::json;

use super::aws_network::{groups, regional, subnets};
use super::{Kind, Prop, choice, flag, form, int, list, object, port, text};

const KEY: &[&str] = &["aws/kms:key"];

fn key(description: &str) -> Prop {
    text(description).needs(KEY)
}

pub(super) fn kinds() -> Vec<Kind> {
    let mut all = databases();
    all.extend(storage());
    all
}

fn databases() -> Vec<Kind> {
    vec![
        regional("rds:cluster", "A managed database cluster: one writer and readers. Deleting it loses its data.")
            .data()
            .slow(1800, 5000)
            .prop(
                "engine",
                choice(&["postgres", "mysql", "mariadb", "aurora-postgresql", "aurora-mysql"], "Database engine.").required().replaces(),
            )
            .prop("engineVersion", form(r"^\d+(\.\d+)*$", "Version; the engine's newest without it."))
            .prop("instanceClass", form(r"^db\.[a-z0-9-]+\.[a-z0-9]+$", "Size of each instance.").or(json!("db.r6g.large")))
            .prop("instances", int(1, 16, "Instances: one writes, the others read.").or(json!(1)))
            .prop("storage", int(20, 65_536, "GiB.").or(json!(100)))
            .prop("subnets", subnets("Subnets; the default VPC's private ones without any.").replaces())
            .prop("securityGroups", groups())
            .prop("database", form("^[A-Za-z][A-Za-z0-9_]*$", "Database that is made at first.").replaces())
            .prop("masterUsername", form("^[A-Za-z][A-Za-z0-9_]{0,62}$", "Main user.").or(json!("dbadmin")).replaces())
            .prop("masterPassword", text("Password of the main user; made by AWS without it.").with("minLength", json!(8)).sensitive())
            .prop("storageEncrypted", flag("Whether storage is encrypted.").or(json!(true)).replaces())
            .prop("kmsKey", key("Key that encrypts it.").replaces())
            .prop("multiAz", flag("Whether a standby waits in another zone.").or(json!(false)))
            .prop("backupRetention", int(0, 35, "Days that automatic backups are kept; 0 for none.").or(json!(7)))
            .prop("backupWindow", form(r"^\d\d:\d\d-\d\d:\d\d$", "When backups run (UTC).").or(json!("02:00-03:00")))
            .prop("deletionProtection", flag("Whether it refuses to be deleted.").or(json!(false)))
            .prop("finalSnapshot", flag("Whether a snapshot is taken when it is deleted.").or(json!(false)))
            .prop("snapshot", text("Snapshot to start from.").sees(&["aws/rds:snapshot"]).any_region().replaces())
            .prop(
                "replicaOf",
                text("Cluster that it copies, maybe of another region; unset to promote it.").needs(&["aws/rds:cluster"]).any_region(),
            )
            .prop("globalCluster", text("Global cluster that it is part of.").needs(&["aws/rds:globalCluster"]).any_region())
            .out("endpoint", "Host name for writing.")
            .out("readerEndpoint", "Host name for reading.")
            .output("port", port("Port."))
            .out("role", "primary or replica.")
            .out("engineVersion", "Version.")
            .output("members", list(text("An instance."), "Its instances."))
            .out("vpcId", "Its VPC.")
            .output("subnetIds", list(text("A subnet."), "Its subnets."))
            .output("replicationLagSeconds", int(0, i64::MAX, "How far a replica is behind.")),
        regional("rds:globalCluster", "A cluster over several regions.")
            .slow(900, 2000)
            .prop("engine", choice(&["aurora-postgresql", "aurora-mysql"], "Engine.").or(json!("aurora-postgresql")).replaces())
            .prop("primary", text("Cluster that writes; set to another member to fail over.").sees(&["aws/rds:cluster"]).any_region())
            .prop("deletionProtection", flag("Whether it refuses to be deleted.").or(json!(false)))
            .output("members", list(text("ARN of a cluster."), "Its clusters.")),
        regional("rds:snapshot", "A copy of a cluster's data at one time. Deleting it loses it.")
            .data()
            .slow(1800, 3000)
            .prop("cluster", text("Cluster that it is of.").required().sees(&["aws/rds:cluster"]).any_region().replaces())
            .prop("retention", int(1, 3650, "Days that it is kept."))
            .prop("kmsKey", key("Key that encrypts the copy.").replaces())
            .out("engine", "Engine.")
            .output("size", int(0, i64::MAX, "GiB."))
            .out("takenAt", "When it was taken."),
        regional("elasticache:cluster", "A managed Redis or Memcached.")
            .slow(900, 3000)
            .prop("engine", choice(&["redis", "valkey", "memcached"], "Engine.").or(json!("redis")).replaces())
            .prop("engineVersion", form(r"^\d+(\.\d+)*$", "Version."))
            .prop("nodeType", form(r"^cache\.[a-z0-9-]+\.[a-z0-9]+$", "Size of each node.").or(json!("cache.t4g.small")))
            .prop("replicas", int(0, 5, "Copies besides the main node.").or(json!(1)))
            .prop("subnets", subnets("Subnets; the default VPC's private ones without any.").replaces())
            .prop("securityGroups", groups())
            .prop("transitEncryption", flag("Whether connections are encrypted.").or(json!(true)).replaces())
            .prop("atRestEncryption", flag("Whether storage is encrypted.").or(json!(true)).replaces())
            .prop("authToken", text("Password.").with("minLength", json!(16)).sensitive())
            .out("endpoint", "Host name.")
            .out("vpcId", "Its VPC.")
            .output("subnetIds", list(text("A subnet."), "Its subnets."))
            .output("port", port("Port.")),
    ]
}

fn storage() -> Vec<Kind> {
    vec![
        regional("s3:bucket", "A bucket of objects. Deleting it loses them.")
            .data()
            .prop(
                "bucket",
                form("^[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]$", "Name in all of AWS; made of the resource's name without it.").replaces(),
            )
            .prop("versioning", flag("Whether old versions are kept.").or(json!(false)))
            .prop("encryption", choice(&["AES256", "aws:kms"], "How it is encrypted.").or(json!("AES256")))
            .prop("kmsKey", key("Key, with aws:kms."))
            .prop("publicAccess", flag("Whether anyone may read it.").or(json!(false)))
            .prop("lifecycleDays", int(1, 36_500, "Days after which objects go."))
            .prop("objectLock", flag("Whether objects cannot be changed.").or(json!(false)).replaces())
            .prop("replicateTo", text("Bucket that it is copied to.").needs(&["aws/s3:bucket"]).any_region())
            .out("bucket", "Its name in all of AWS.")
            .out("domainName", "Host name."),
        regional("kms:key", "A key. What it encrypted is lost with it.")
            .data()
            .many()
            .prop("description", text("Free text."))
            .prop("rotation", flag("Whether it is renewed every year.").or(json!(true)))
            .prop("deletionWindow", int(7, 30, "Days until a deleted key is gone.").or(json!(30)))
            .prop("multiRegion", flag("Whether other regions can hold copies.").or(json!(false)).replaces())
            .out("alias", "alias/NAME."),
        regional("secretsmanager:secret", "A secret.")
            .data()
            .prop("value", text("The secret; made by AWS without it.").sensitive())
            .prop("description", text("Free text."))
            .prop("kmsKey", key("Key that encrypts it."))
            .prop("rotationDays", int(1, 1000, "Days until it is renewed."))
            .prop("recoveryWindow", int(0, 30, "Days in which it can be brought back.").or(json!(30)))
            .out("versionId", "Version."),
        regional("backup:plan", "When and how long resources are backed up.")
            .prop("schedule", text("Cron expression of five fields.").or(json!("0 2 * * *")).with("pattern", json!(r"^(\S+ ){4}\S+$")))
            .prop("retention", int(1, 36_500, "Days that backups are kept.").or(json!(30)))
            .prop(
                "resources",
                list(
                    text("A cluster, bucket or instance, by ARN, id or name.").needs(&[
                        "aws/rds:cluster",
                        "aws/s3:bucket",
                        "aws/ec2:instance",
                        "aws/elasticache:cluster",
                    ]),
                    "What is backed up.",
                )
                .unordered(),
            )
            .prop("copyTo", object(vec![("region", super::aws_network::region())], "A second copy."))
            .prop("kmsKey", key("Key that encrypts backups."))
            .prop("vaultLock", flag("Whether backups cannot be deleted early.").or(json!(false)))
            .out("vault", "Vault that holds the backups.")
            .out("versionId", "Version.")
            .out("lastBackupAt", "When the last backup ended."),
    ]
}
