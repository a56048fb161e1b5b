//! What the simulated AWS account insists on: ids, ARNs, and the way from a type to its rules.

use std::collections::BTreeSet;

use serde_json::{Value, json};

use super::{Draft, Problem, aws_data, aws_network, uuid_of};
use crate::domain::Properties;
use crate::sandbox::world::state::Object;

/// The account.
pub(super) const ACCOUNT: &str = "123456789012";

/// The newest Amazon Linux 2023.
const AMI: &str = "ami-0c101f26f147fa7fd";

pub(super) fn settle(draft: &Draft<'_>) -> Result<Value, Problem> {
    let mut outputs = match draft.kind {
        "ec2:instance" => instance(draft)?,
        "ec2:launchTemplate" => {
            sized(draft.text("instanceType").unwrap_or("t3.micro"))?;
            let old = draft.kept("version").and_then(|v| v.as_i64()).unwrap_or(0);
            json!({ "version": old + 1 })
        }
        "autoscaling:group" => group(draft)?,
        "cloudtrail:trail" | "iam:role" | "sns:topic" | "cloudwatch:logGroup" | "cloudwatch:alarm" => json!({}),
        kind if kind.starts_with("vpc:") || kind.starts_with("elb:") || kind.starts_with("route53:") => aws_network::settle(draft)?,
        "ec2:securityGroup" | "acm:certificate" | "waf:webAcl" => aws_network::settle(draft)?,
        _ => aws_data::settle(draft)?,
    };
    outputs["arn"] = arn(draft.kind, draft.name, draft.id, draft.text("region").unwrap_or("us-east-1"), draft).into();
    Ok(outputs)
}

/// The id of an object, as AWS forms it for its type.
pub(super) fn new_id(kind: &str, name: &str, hex: &str, properties: &Properties) -> String {
    let long = |prefix: &str| format!("{prefix}-0{}", &hex[..16]);
    let region = properties.get("region").and_then(Value::as_str).unwrap_or("us-east-1");
    match kind {
        "vpc:vpc" => long("vpc"),
        "vpc:subnet" => long("subnet"),
        "vpc:internetGateway" => long("igw"),
        "vpc:natGateway" => long("nat"),
        "vpc:routeTable" => long("rtb"),
        "ec2:securityGroup" => long("sg"),
        "ec2:instance" => long("i"),
        "ec2:launchTemplate" => long("lt"),
        "elb:loadBalancer" => {
            let short = if properties.get("type").and_then(Value::as_str) == Some("network") { "net" } else { "app" };
            format!("arn:aws:elasticloadbalancing:{region}:{ACCOUNT}:loadbalancer/{short}/{name}/{}", &hex[..16])
        }
        "elb:targetGroup" => format!("arn:aws:elasticloadbalancing:{region}:{ACCOUNT}:targetgroup/{name}/{}", &hex[..16]),
        "elb:listener" => format!("arn:aws:elasticloadbalancing:{region}:{ACCOUNT}:listener/app/{name}/{}/{}", &hex[..16], &hex[16..32]),
        "route53:zone" => format!("Z0{}", hex[..18].to_uppercase()),
        "route53:record" => format!(
            "{}_{}",
            properties.get("domain").and_then(Value::as_str).unwrap_or(name).trim_end_matches('.'),
            properties.get("type").and_then(Value::as_str).unwrap_or("A")
        ),
        "iam:role"
        | "rds:cluster"
        | "rds:globalCluster"
        | "rds:snapshot"
        | "elasticache:cluster"
        | "autoscaling:group"
        | "cloudwatch:alarm"
        | "cloudwatch:logGroup"
        | "cloudtrail:trail" => name.to_owned(),
        "s3:bucket" => aws_data::bucket_name(name, properties),
        "sns:topic" => format!("arn:aws:sns:{region}:{ACCOUNT}:{name}"),
        "secretsmanager:secret" => format!("arn:aws:secretsmanager:{region}:{ACCOUNT}:secret:{name}-{}", &hex[..6]),
        _ => uuid_of(hex),
    }
}

fn arn(kind: &str, name: &str, id: &str, region: &str, draft: &Draft<'_>) -> String {
    if id.starts_with("arn:") {
        return id.to_owned();
    }
    let (service, rest) = kind.split_once(':').unwrap_or((kind, ""));
    match kind {
        "autoscaling:group" => format!(
            "arn:aws:autoscaling:{region}:{ACCOUNT}:autoScalingGroup:{}:autoScalingGroupName/{name}",
            uuid_of(&draft.hex("arn", 64))
        ),
        "acm:certificate" => format!("arn:aws:acm:{region}:{ACCOUNT}:certificate/{id}"),
        "rds:cluster" | "rds:globalCluster" => format!("arn:aws:rds:{region}:{ACCOUNT}:cluster:{name}"),
        "rds:snapshot" => format!("arn:aws:rds:{region}:{ACCOUNT}:cluster-snapshot:{name}"),
        "elasticache:cluster" => format!("arn:aws:elasticache:{region}:{ACCOUNT}:replicationgroup:{name}"),
        "s3:bucket" => format!("arn:aws:s3:::{id}"),
        "route53:zone" => format!("arn:aws:route53:::hostedzone/{id}"),
        "route53:record" => format!("arn:aws:route53:::recordset/{id}"),
        "route53:healthCheck" => format!("arn:aws:route53:::healthcheck/{id}"),
        "iam:role" => format!("arn:aws:iam::{ACCOUNT}:role/{name}"),
        "cloudwatch:alarm" => format!("arn:aws:cloudwatch:{region}:{ACCOUNT}:alarm:{name}"),
        "cloudwatch:logGroup" => format!("arn:aws:logs:{region}:{ACCOUNT}:log-group:{name}:*"),
        "cloudtrail:trail" => format!("arn:aws:cloudtrail:{region}:{ACCOUNT}:trail/{name}"),
        "backup:plan" => format!("arn:aws:backup:{region}:{ACCOUNT}:backup-plan:{id}"),
        "waf:webAcl" => format!("arn:aws:wafv2:{region}:{ACCOUNT}:regional/webacl/{name}/{id}"),
        "kms:key" => format!("arn:aws:kms:{region}:{ACCOUNT}:key/{id}"),
        "vpc:subnet" | "vpc:vpc" => format!("arn:aws:ec2:{region}:{ACCOUNT}:{rest}/{id}"),
        _ => format!("arn:aws:{}:{region}:{ACCOUNT}:{}/{id}", if service == "vpc" { "ec2" } else { service }, dashed(rest)),
    }
}

/// `securityGroup` as `security-group`.
fn dashed(word: &str) -> String {
    word.chars().flat_map(|c| if c.is_ascii_uppercase() { vec!['-', c.to_ascii_lowercase()] } else { vec![c] }).collect()
}

pub(super) fn claims(object: &Object) -> Vec<String> {
    match object.kind.as_str() {
        "ec2:instance" => vec![format!("aws/ip/{}/{}", object.text("vpcId"), object.text("privateIp"))],
        "s3:bucket" => vec![format!("aws/bucket/{}", object.id)],
        _ => aws_network::claims(object),
    }
}

/// What stands in an account's defaults: a subnet is held by its VPC, and so on, although the property is absent.
pub(super) fn extra_mentions(object: &Object) -> BTreeSet<(String, String)> {
    let mut all = BTreeSet::new();
    if let Some(vpc) = object.outputs.get("vpcId").and_then(Value::as_str) {
        all.insert(("aws/vpc:vpc".to_owned(), vpc.to_owned()));
    }
    if let Some(subnet) = object.outputs.get("subnetId").and_then(Value::as_str) {
        all.insert(("aws/vpc:subnet".to_owned(), subnet.to_owned()));
    }
    for subnet in object.outputs.get("subnetIds").and_then(Value::as_array).into_iter().flatten().filter_map(Value::as_str) {
        all.insert(("aws/vpc:subnet".to_owned(), subnet.to_owned()));
    }
    if let Some(zone) = object.outputs.get("zoneId").and_then(Value::as_str).filter(|_| object.kind == "route53:record") {
        all.insert(("aws/route53:zone".to_owned(), zone.to_owned()));
    }
    all
}

/// Refuses an instance type that does not exist.
fn sized(text: &str) -> Result<(), Problem> {
    let sizes = ["nano", "micro", "small", "medium", "large", "xlarge", "metal"];
    let (family, size) = text.split_once('.').unwrap_or((text, ""));
    let size_ok = sizes.contains(&size) || size.strip_suffix("xlarge").is_some_and(|n| n.parse::<u8>().is_ok());
    let letters = family.starts_with(|c: char| "acdghimprtuxz".contains(c)) && family.contains(|c: char| c.is_ascii_digit());
    if size_ok && letters {
        Ok(())
    } else {
        Err(Problem::invalid(format!("InvalidParameterValue: The instance type '{text}' is not supported")))
    }
}

fn instance(draft: &Draft<'_>) -> Result<Value, Problem> {
    let kind = draft.text("instanceType").unwrap_or("t3.micro");
    sized(kind)?;
    let region = draft.text("region").unwrap_or("us-east-1");
    let subnet = match draft.text("subnet") {
        Some(handle) => aws_network::in_region(draft.state, "aws/vpc:subnet", handle, region),
        None => aws_network::default_subnets(draft.state, region, "private").into_iter().next(),
    };
    let Some(subnet) = subnet else {
        return Err(Problem::invalid(format!("MissingInput: No subnets found for the default VPC in {region}; please specify a subnet")));
    };
    aws_network::same_vpc(draft, subnet.text("vpcId"), "securityGroups", "aws/ec2:securityGroup")?;
    let net = super::network(subnet.text("cidrBlock"))?;
    let claim = format!("aws/ip/{}", subnet.text("vpcId"));
    let ip = match draft.kept("privateIp").and_then(|v| v.as_str().map(str::to_owned)) {
        Some(ip) => ip,
        None => draft.address_in(net, 4, &claim).map(|ip| ip.to_string()).ok_or_else(|| {
            Problem::invalid(format!(
                "InsufficientFreeAddressesInSubnet: The specified subnet {} does not have enough free addresses",
                subnet.id
            ))
        })?,
    };
    let public = subnet.properties.get("mapPublicIp") == Some(&json!(true));
    Ok(json!({
        "privateIp": ip,
        "publicIp": public.then(|| format!("54.{}.{}.{}", 144 + draft.number("p1", 64), draft.number("p2", 256), 1 + draft.number("p3", 254))),
        "privateDns": format!("ip-{}.ec2.internal", ip.replace('.', "-")),
        "availabilityZone": subnet.text("availabilityZone"),
        "vpcId": subnet.text("vpcId"),
        "subnetId": subnet.id,
        "ami": draft.text("ami").unwrap_or(AMI),
    }))
}

fn group(draft: &Draft<'_>) -> Result<Value, Problem> {
    let (min, max) = (draft.int("minSize").unwrap_or(0), draft.int("maxSize").unwrap_or(0));
    if min > max {
        return Err(Problem::invalid("ValidationError: Max bound, 'maxSize', must be greater than or equal to min bound, 'minSize'"));
    }
    // Without a wish of ours the group keeps what it grew to, within its bounds.
    let grown = draft.kept("desiredCapacity").and_then(|v| v.as_i64()).unwrap_or(min).clamp(min, max);
    let desired = draft.int("desiredCapacity").unwrap_or(grown);
    if desired < min || desired > max {
        return Err(Problem::invalid(format!(
            "ValidationError: Desired capacity:{desired} must be between the specified min size:{min} and max size:{max}"
        )));
    }
    let region = draft.text("region").unwrap_or("us-east-1");
    let subnets = aws_network::subnets_or_default(draft, region, "private")?;
    let instances: Vec<String> = (0..desired).map(|i| format!("i-0{}", draft.hex(&format!("instance{i}"), 16))).collect();
    Ok(json!({
        "desiredCapacity": desired,
        "instances": instances,
        "vpcId": subnets.first().map(|s| s.text("vpcId")),
        "subnetIds": subnets.iter().map(|s| s.id.as_str()).collect::<Vec<_>>(),
    }))
}
