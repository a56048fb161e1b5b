//! The types of the simulated AWS account: instances, scaling groups, roles, watching.

use serde_json::json;

use super::aws_network::{SUBNET, TARGETS, groups, regional, subnets, tags};
use super::{Kind, choice, flag, form, int, kind, list, map, object, text};

const INSTANCE_TYPE: &str = r"^[a-z][a-z0-9-]*\.[0-9a-z-]+$";

pub(super) fn kinds() -> Vec<Kind> {
    let mut all = instances();
    all.extend(watching());
    all
}

fn instances() -> Vec<Kind> {
    vec![
        regional("ec2:instance", "A virtual machine.")
            .many()
            .slow(300, 2500)
            .prop("instanceType", form(INSTANCE_TYPE, "Size, such as t3.medium.").or(json!("t3.micro")))
            .prop("ami", form("^(ami-[0-9a-f]{8,17}|resolve:ssm:.+)$", "Image; the newest Amazon Linux 2023 without it.").replaces())
            .prop("subnet", text("Subnet; the default VPC's private-1 without it.").needs(SUBNET).replaces())
            .prop("securityGroups", groups())
            .prop("keyName", text("SSH key pair.").replaces())
            .prop("userData", text("Script that runs at first start.").replaces())
            .prop("rootVolumeSize", int(8, 16_384, "GiB of the root volume.").or(json!(8)))
            .prop("encrypted", flag("Whether the root volume is encrypted.").or(json!(true)).replaces())
            .prop("monitoring", flag("Whether metrics come every minute.").or(json!(false)))
            .prop("role", text("IAM role.").needs(&["aws/iam:role"]))
            .out("state", "running, stopped or terminated.")
            .out("privateIp", "Private address.")
            .out("publicIp", "Public address, if it has one.")
            .out("privateDns", "Private name.")
            .out("availabilityZone", "Its zone.")
            .out("vpcId", "Its VPC.")
            .out("subnetId", "Its subnet.")
            .out("ami", "Image."),
        regional("ec2:launchTemplate", "What a scaling group's instances are like.")
            .prop("instanceType", form(INSTANCE_TYPE, "Size.").or(json!("t3.micro")))
            .prop("ami", form("^(ami-[0-9a-f]{8,17}|resolve:ssm:.+)$", "Image; the newest Amazon Linux 2023 without it."))
            .prop("securityGroups", groups())
            .prop("keyName", text("SSH key pair."))
            .prop("userData", text("Script that runs at first start."))
            .prop("encrypted", flag("Whether volumes are encrypted.").or(json!(true)))
            .prop("role", text("IAM role.").needs(&["aws/iam:role"]))
            .output("version", int(1, i64::MAX, "Newest version.")),
        regional("autoscaling:group", "A group of like instances that grows and shrinks.")
            .slow(600, 3000)
            .prop("minSize", int(0, 500, "Fewest instances.").required())
            .prop("maxSize", int(0, 500, "Most instances.").required())
            .prop("desiredCapacity", int(0, 500, "Instances wanted now; the fewest without it."))
            .prop("launchTemplate", text("Launch template; a default one of t3.micro without it.").needs(&["aws/ec2:launchTemplate"]))
            .prop("subnets", subnets("Subnets; the default VPC's private ones without any."))
            .prop("targetGroups", list(text("A target group.").needs(TARGETS), "Target groups that its instances join.").unordered())
            .prop("healthCheckType", choice(&["EC2", "ELB"], "Who says that an instance is well.").or(json!("EC2")))
            .prop("healthCheckGracePeriod", int(0, 7200, "Seconds of grace.").or(json!(300)))
            .prop(
                "scaling",
                object(
                    vec![
                        ("metric", choice(&["cpu", "requests", "network-in", "network-out"], "What is watched.")),
                        ("target", int(1, 1_000_000, "Value to keep.")),
                    ],
                    "Target tracking.",
                ),
            )
            .output("desiredCapacity", int(0, 500, "Instances wanted now."))
            .output("inService", int(0, 500, "Instances at work."))
            .output("instances", list(text("An instance id."), "Its instances."))
            .out("vpcId", "Its VPC.")
            .output("subnetIds", list(text("A subnet."), "Its subnets.")),
        kind("iam:role", "A role that a service may take.")
            .prop("service", text("Service that may take it.").or(json!("ec2.amazonaws.com")))
            .prop("policies", list(text("ARN of a managed policy."), "Managed policies.").unordered())
            .prop("description", text("Free text."))
            .prop("tags", tags())
            .out("id", "Role id.")
            .out("arn", "ARN."),
    ]
}

fn watching() -> Vec<Kind> {
    vec![
        regional("cloudwatch:alarm", "An alarm on a metric.")
            .prop("metric", text("Metric.").or(json!("CPUUtilization")))
            .prop("namespace", text("Namespace of the metric.").or(json!("AWS/EC2")))
            .prop("dimensions", map("Which resource: dimension to id or name."))
            .prop(
                "comparison",
                choice(
                    &["GreaterThanThreshold", "GreaterThanOrEqualToThreshold", "LessThanThreshold", "LessThanOrEqualToThreshold"],
                    "How it compares.",
                )
                .or(json!("GreaterThanThreshold")),
            )
            .prop("threshold", text("Value.").with("type", json!("number")).or(json!(80)))
            .prop("statistic", choice(&["Average", "Sum", "Minimum", "Maximum", "p99"], "Statistic.").or(json!("Average")))
            .prop("period", int(10, 86_400, "Seconds of one period.").or(json!(300)))
            .prop("evaluationPeriods", int(1, 1440, "Periods in a row.").or(json!(2)))
            .prop("topics", list(text("An SNS topic.").needs(&["aws/sns:topic"]), "Whom it tells.").unordered())
            .out("state", "OK, ALARM or INSUFFICIENT_DATA."),
        regional("cloudwatch:logGroup", "A place for logs.")
            .data()
            .prop(
                "retention",
                choice(&[], "Days that logs are kept.").with("type", json!("integer")).with("enum", json!(RETENTION)).or(json!(30)),
            )
            .prop("kmsKey", text("Key that encrypts it.").needs(&["aws/kms:key"])),
        regional("cloudtrail:trail", "A record of every call to the account.")
            .prop("bucket", text("Bucket for the record.").required().needs(&["aws/s3:bucket"]).any_region())
            .prop("multiRegion", flag("Whether all regions are recorded.").or(json!(true)))
            .prop("logValidation", flag("Whether changes to the record can be seen.").or(json!(true)))
            .prop("kmsKey", text("Key that encrypts it.").needs(&["aws/kms:key"]))
            .prop("enabled", flag("Whether it records.").or(json!(true))),
        regional("sns:topic", "A topic that tells people and programs.")
            .prop("emails", list(text("An e-mail address.").with("format", json!("email")), "Subscribers.").unordered())
            .prop("kmsKey", text("Key that encrypts it.").needs(&["aws/kms:key"])),
    ]
}

const RETENTION: [i64; 13] = [1, 3, 5, 7, 14, 30, 60, 90, 120, 180, 365, 400, 731];
