//! What the simulated AWS account insists on in networks, load balancers and names.

use std::net::Ipv4Addr;

use ipnet::Ipv4Net;
use serde_json::{Value, json};

use super::{Draft, Problem, network, overlap};
use crate::sandbox::world::state::{Object, State};

pub(super) fn settle(draft: &Draft<'_>) -> Result<Value, Problem> {
    let region = draft.text("region").unwrap_or("us-east-1");
    match draft.kind {
        "vpc:vpc" => {
            let net = network(draft.text("cidrBlock").unwrap_or("10.0.0.0/16"))?;
            if !(16..=28).contains(&net.prefix_len()) {
                return Err(Problem::invalid(format!(
                    "InvalidVpc.Range: The CIDR '{net}' is invalid. Its prefix must be between /16 and /28."
                )));
            }
            Ok(json!({
                "mainRouteTableId": format!("rtb-0{}", draft.hex("rtb", 16)),
                "defaultSecurityGroupId": format!("sg-0{}", draft.hex("sg", 16)),
            }))
        }
        "vpc:subnet" => subnet(draft, region),
        "vpc:internetGateway" => {
            let vpc = vpc_of(draft, region)?;
            match draft.taken(&format!("aws/igw/{}", vpc.id)) {
                Some(other) => Err(Problem::exists(format!(
                    "Resource.AlreadyAssociated: Network {} already has an internet gateway attached ({})",
                    vpc.id, other.name
                ))),
                None => Ok(json!({ "vpcId": vpc.id })),
            }
        }
        "vpc:natGateway" => {
            Ok(json!({ "publicIp": format!("52.{}.{}.{}", draft.number("a", 96), draft.number("b", 256), 1 + draft.number("c", 254)) }))
        }
        "vpc:routeTable" => {
            let vpc = vpc_of(draft, region)?;
            same_vpc(draft, &vpc.id, "subnets", "aws/vpc:subnet")?;
            Ok(json!({ "vpcId": vpc.id }))
        }
        "ec2:securityGroup" => security_group(draft, region),
        "elb:loadBalancer" => balancer(draft, region),
        "elb:targetGroup" => Ok(json!({ "vpcId": vpc_of(draft, region)?.id })),
        "elb:listener" => listener(draft, region),
        "acm:certificate" => {
            let domain = draft.text("domain").unwrap_or_default().trim_start_matches("*.");
            Ok(json!({
                "state": "ISSUED",
                "validationName": format!("_{}.{domain}.", draft.hex("validation", 32)),
                "validationValue": format!("_{}.acm-validations.aws.", draft.hex("value", 32)),
                "notAfter": "2027-12-22T23:59:59Z",
            }))
        }
        "route53:zone" => {
            let dns: Vec<String> = ["com", "net", "org", "co.uk"]
                .iter()
                .map(|t| format!("ns-{}.awsdns-{:02}.{t}", draft.number(t, 2048), draft.number(&format!("{t}n"), 64)))
                .collect();
            Ok(json!({ "domain": draft.text("domain").unwrap_or(draft.name).trim_end_matches('.'), "nameServers": dns }))
        }
        "route53:record" => record(draft),
        _ => Ok(json!({})),
    }
}

pub(super) fn claims(object: &Object) -> Vec<String> {
    match object.kind.as_str() {
        "vpc:internetGateway" => vec![format!("aws/igw/{}", object.text("vpcId"))],
        "elb:listener" => vec![format!("aws/listener/{}/{}", object.text("loadBalancerArn"), object.get("port").unwrap_or(&Value::Null))],
        "route53:record" => vec![format!("aws/record/{}/{}/{}", object.text("zoneId"), object.id, object.text("setIdentifier"))],
        _ => Vec::new(),
    }
}

/// The object of a region that a handle means.
pub(super) fn in_region<'a>(state: &'a State, place: &str, handle: &str, region: &str) -> Option<&'a Object> {
    state.find_all(place, handle).filter(|o| o.region().is_none_or(|r| r == region)).max_by_key(|o| o.serial)
}

fn default_vpc<'a>(state: &'a State, region: &str) -> Option<&'a Object> {
    let name = if region == "us-east-1" { "main".to_owned() } else { format!("main-{region}") };
    in_region(state, "aws/vpc:vpc", &name, region)
}

fn vpc_of<'a>(draft: &'a Draft<'_>, region: &str) -> Result<&'a Object, Problem> {
    let found = match draft.text("vpc") {
        Some(handle) => in_region(draft.state, "aws/vpc:vpc", handle, region),
        None => default_vpc(draft.state, region),
    };
    found.ok_or_else(|| Problem::invalid(format!("VPCIdNotSpecified: No default VPC for this user in {region}; please specify a VPC")))
}

/// The subnets of a region's default VPC whose names begin with a word, by name.
pub(super) fn default_subnets<'a>(state: &'a State, region: &str, word: &str) -> Vec<&'a Object> {
    let Some(vpc) = default_vpc(state, region) else { return Vec::new() };
    state.of("aws", "vpc:subnet").filter(|s| s.text("vpcId") == vpc.id && s.name.starts_with(word)).collect()
}

/// The subnets that a draft names, else the default VPC's.
pub(super) fn subnets_or_default<'a>(draft: &'a Draft<'_>, region: &str, word: &str) -> Result<Vec<&'a Object>, Problem> {
    let given = draft.texts("subnets");
    let subnets: Vec<&Object> = if given.is_empty() {
        default_subnets(draft.state, region, word)
    } else {
        given.iter().filter_map(|h| in_region(draft.state, "aws/vpc:subnet", h, region)).collect()
    };
    let Some(first) = subnets.first() else {
        return Err(Problem::invalid(format!("ValidationError: No default subnets in {region}; at least one subnet must be specified")));
    };
    if let Some(other) = subnets.iter().find(|s| s.text("vpcId") != first.text("vpcId")) {
        return Err(Problem::invalid(format!("InvalidSubnet: {} and {} are not in the same VPC", first.id, other.id)));
    }
    Ok(subnets)
}

/// Refuses objects of another VPC.
pub(super) fn same_vpc(draft: &Draft<'_>, vpc: &str, property: &str, place: &str) -> Result<(), Problem> {
    for handle in draft.texts(property) {
        if let Some(other) = draft.state.find(place, handle).filter(|o| o.text("vpcId") != vpc) {
            return Err(Problem::invalid(format!(
                "InvalidParameter: {} ({}) belongs to {}, not to {vpc}",
                other.name,
                other.id,
                other.text("vpcId")
            )));
        }
    }
    Ok(())
}

fn subnet(draft: &Draft<'_>, region: &str) -> Result<Value, Problem> {
    let vpc = vpc_of(draft, region)?;
    let whole = network(vpc.text("cidrBlock"))?;
    let siblings: Vec<(&str, Ipv4Net)> = draft
        .state
        .of("aws", "vpc:subnet")
        .filter(|o| o.text("vpcId") == vpc.id && draft.before.is_none_or(|b| b.key() != o.key()))
        .filter_map(|o| Some((o.name.as_str(), o.text("cidrBlock").parse().ok()?)))
        .collect();
    let clash = |net: &Ipv4Net| siblings.iter().find(|(_, s)| overlap(net, s));
    let net = match draft.text("cidrBlock") {
        Some(text) => {
            let net = network(text)?;
            if !whole.contains(&net) {
                return Err(Problem::invalid(format!(
                    "InvalidSubnet.Range: The CIDR '{net}' is invalid: it is not within the VPC's {whole}"
                )));
            }
            if let Some((name, _)) = clash(&net) {
                return Err(Problem::invalid(format!("InvalidSubnet.Conflict: The CIDR '{net}' conflicts with another subnet ({name})")));
            }
            net
        }
        None => {
            let kept = draft.kept("cidrBlock").and_then(|v| v.as_str()?.parse().ok());
            let mut all = whole.subnets(if whole.prefix_len() <= 24 { 24 } else { 28 }).into_iter().flatten();
            kept.or_else(|| all.find(|n| clash(n).is_none()))
                .ok_or_else(|| Problem::invalid(format!("InvalidSubnet.Range: There is no free network left in {whole}")))?
        }
    };
    let zone = match draft.text("availabilityZone") {
        Some(zone) if !zone.starts_with(region) => {
            return Err(Problem::invalid(format!(
                "InvalidParameterValue: Value ({zone}) for parameter availabilityZone is invalid in {region}"
            )));
        }
        Some(zone) => zone.to_owned(),
        None => format!("{region}a"),
    };
    Ok(json!({ "vpcId": vpc.id, "cidrBlock": net.to_string(), "availabilityZone": zone }))
}

fn security_group(draft: &Draft<'_>, region: &str) -> Result<Value, Problem> {
    let vpc = vpc_of(draft, region)?;
    for direction in ["ingress", "egress"] {
        for rule in draft.properties.get(direction).and_then(Value::as_array).into_iter().flatten() {
            if rule.get("cidr").is_none() && rule.get("securityGroup").is_none() {
                return Err(Problem::invalid(format!("MissingParameter: a rule of {direction} needs a cidr or a securityGroup")));
            }
            if let Some(cidr) = rule.get("cidr").and_then(Value::as_str) {
                cidr.parse::<Ipv4Net>().map_err(|_| Problem::invalid(format!("InvalidParameterValue: CIDR block {cidr} is malformed")))?;
            }
            let bound = |n: &str| rule.get(n).and_then(Value::as_i64);
            if let (Some(from), Some(to)) = (bound("fromPort"), bound("toPort"))
                && from > to
            {
                return Err(Problem::invalid(format!("InvalidPortRange: the range {from}-{to} is empty")));
            }
            let other = rule.get("securityGroup").and_then(Value::as_str).and_then(|h| draft.state.find("aws/ec2:securityGroup", h));
            if let Some(other) = other.filter(|o| o.text("vpcId") != vpc.id) {
                return Err(Problem::invalid(format!("InvalidGroup.NotFound: The security group '{}' is not in {}", other.id, vpc.id)));
            }
        }
    }
    Ok(json!({ "vpcId": vpc.id }))
}

fn balancer(draft: &Draft<'_>, region: &str) -> Result<Value, Problem> {
    let internal = draft.text("scheme") == Some("internal");
    let subnets = subnets_or_default(draft, region, if internal { "private" } else { "public" })?;
    let zones: std::collections::BTreeSet<&str> = subnets.iter().map(|s| s.text("availabilityZone")).collect();
    if zones.len() < 2 && draft.text("type") != Some("network") {
        return Err(Problem::invalid("ValidationError: At least two subnets in two different Availability Zones must be specified"));
    }
    let vpc = subnets.first().map_or("", |s| s.text("vpcId"));
    same_vpc(draft, vpc, "securityGroups", "aws/ec2:securityGroup")?;
    let prefix = if internal { "internal-" } else { "" };
    Ok(json!({
        "dnsName": format!("{prefix}{}-{}.{region}.elb.amazonaws.com", draft.name, 100_000_000 + draft.number("dns", 899_999_999)),
        "zoneId": format!("Z{}", draft.hex(region, 13).to_uppercase()),
        "vpcId": vpc,
        "subnetIds": subnets.iter().map(|s| s.id.as_str()).collect::<Vec<_>>(),
    }))
}

fn listener(draft: &Draft<'_>, region: &str) -> Result<Value, Problem> {
    let handle = draft.text("loadBalancer").unwrap_or_default();
    let Some(balancer) = in_region(draft.state, "aws/elb:loadBalancer", handle, region) else {
        return Err(Problem::missing(format!("LoadBalancerNotFound: {handle}")));
    };
    let port = draft.int("port").unwrap_or(443);
    let certificate = draft.text("certificate").is_some();
    let protocol = draft.text("protocol").unwrap_or(if certificate { "HTTPS" } else { "HTTP" });
    if ["HTTPS", "TLS"].contains(&protocol) && !certificate {
        return Err(Problem::invalid("CertificateNotFound: A certificate must be specified for HTTPS listeners"));
    }
    if draft.text("targetGroup").is_some() == draft.text("redirectTo").is_some() {
        return Err(Problem::invalid("ValidationError: a listener needs either a targetGroup or redirectTo"));
    }
    let lb = &balancer.id;
    if let Some(other) = draft.taken(&format!("aws/listener/{lb}/{port}")) {
        return Err(Problem::exists(format!(
            "DuplicateListener: A listener already exists on this port for this load balancer ({})",
            other.name
        )));
    }
    let scheme = if protocol.ends_with('S') { "https" } else { "http" };
    Ok(json!({ "port": port, "url": format!("{scheme}://{}:{port}", balancer.text("dnsName")), "loadBalancerArn": lb }))
}

fn record(draft: &Draft<'_>) -> Result<Value, Problem> {
    let name = draft.text("domain").unwrap_or_default().trim_end_matches('.');
    let within = |z: &&Object| name == z.text("domain") || name.ends_with(&format!(".{}", z.text("domain")));
    let zone = match draft.text("zone") {
        Some(handle) => draft.state.find("aws/route53:zone", handle),
        None => draft.state.of("aws", "route53:zone").filter(within).max_by_key(|z| z.text("domain").len()),
    };
    let Some(zone) = zone else {
        return Err(Problem::missing(format!(
            "NoSuchHostedZone: No hosted zone found for {name}; create an aws:route53:zone for its domain"
        )));
    };
    if !within(&zone) {
        return Err(Problem::invalid(format!(
            "InvalidChangeBatch: RRSet with DNS name {name}. is not permitted in zone {}.",
            zone.text("domain")
        )));
    }
    let kind = draft.text("type").unwrap_or("A");
    if kind == "CNAME" && name == zone.text("domain") {
        return Err(Problem::invalid(format!(
            "InvalidChangeBatch: RRSet of type CNAME with DNS name {name}. is not permitted at apex in zone {name}."
        )));
    }
    let (values, alias) = (draft.texts("values"), draft.text("alias"));
    if values.is_empty() == alias.is_none() {
        return Err(Problem::invalid("InvalidInput: a record needs either values or an alias"));
    }
    if let Some(bad) = values.iter().find(|v| kind == "A" && v.parse::<Ipv4Addr>().is_err()) {
        return Err(Problem::invalid(format!("InvalidChangeBatch: Value '{bad}' is not a valid IPv4 address")));
    }
    let claim = format!("aws/record/{}/{name}_{kind}/{}", zone.id, draft.text("setIdentifier").unwrap_or_default());
    if let Some(other) = draft.taken(&claim) {
        return Err(Problem::exists(format!(
            "InvalidChangeBatch: Tried to create resource record set {name}. type {kind} but it already exists ({})",
            other.name
        )));
    }
    let answers: Vec<&str> = alias.map_or(values, |a| vec![a]);
    Ok(json!({ "fqdn": name, "zoneId": zone.id, "answers": answers }))
}
