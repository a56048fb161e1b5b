//! The types of the simulated AWS account: networks, load balancers, names and certificates.

use serde_json::json;

use super::{Kind, Prop, choice, cidr, domain, flag, form, int, kind, list, map, object, port, text};

pub(super) const SUBNET: &[&str] = &["aws/vpc:subnet"];
pub(super) const GROUP: &[&str] = &["aws/ec2:securityGroup"];
pub(super) const VPC: &[&str] = &["aws/vpc:vpc"];
pub(super) const TARGETS: &[&str] = &["aws/elb:targetGroup"];
pub(super) const CERTIFICATE: &[&str] = &["aws/acm:certificate"];
pub(super) const BALANCER: &[&str] = &["aws/elb:loadBalancer"];

/// The regions that every account has.
const REGIONS: [&str; 17] = [
    "us-east-1",
    "us-east-2",
    "us-west-1",
    "us-west-2",
    "ca-central-1",
    "sa-east-1",
    "eu-west-1",
    "eu-west-2",
    "eu-west-3",
    "eu-central-1",
    "eu-north-1",
    "ap-south-1",
    "ap-southeast-1",
    "ap-southeast-2",
    "ap-northeast-1",
    "ap-northeast-2",
    "ap-northeast-3",
];

/// The property that every regional type takes.
pub(super) fn region() -> Prop {
    choice(&REGIONS, "Region.").or(json!("us-east-1")).replaces()
}

/// Tags, which every type takes.
pub(super) fn tags() -> Prop {
    map("Tags.")
}

/// A regional type with tags, an id and an ARN.
pub(super) fn regional(name: &'static str, description: &'static str) -> Kind {
    kind(name, description).prop("region", region()).prop("tags", tags()).out("id", "Id.").out("arn", "ARN.")
}

/// A VPC, by id or name; the default VPC without it.
pub(super) fn vpc() -> Prop {
    text("VPC; the region's default VPC without it.").needs(VPC).replaces()
}

/// Subnets.
pub(super) fn subnets(description: &str) -> Prop {
    list(text("A subnet.").needs(SUBNET), description).unordered()
}

/// Security groups.
pub(super) fn groups() -> Prop {
    list(text("A security group.").needs(GROUP), "Security groups; the VPC's default without any.").unordered()
}

fn rules(description: &str) -> Prop {
    list(
        object(
            vec![
                ("protocol", choice(&["tcp", "udp", "icmp", "all"], "Protocol.")),
                ("port", int(0, 65_535, "Port, instead of a range.")),
                ("fromPort", int(0, 65_535, "First port.")),
                ("toPort", int(0, 65_535, "Last port.")),
                ("cidr", cidr("Network.")),
                ("securityGroup", text("Security group of the other side.").needs(GROUP)),
                ("description", text("Free text.")),
            ],
            "A rule.",
        ),
        description,
    )
    .unordered()
}

pub(super) fn kinds() -> Vec<Kind> {
    let mut all = networks();
    all.extend(balancers());
    all.extend(names());
    all
}

fn networks() -> Vec<Kind> {
    vec![
        regional("vpc:vpc", "A virtual network.")
            .many()
            .prop("cidrBlock", cidr("Its IPv4 network.").or(json!("10.0.0.0/16")).replaces())
            .prop("enableDnsHostnames", flag("Whether instances get DNS names.").or(json!(true)))
            .prop("flowLogs", flag("Whether its traffic is logged.").or(json!(false)))
            .out("mainRouteTableId", "Its main route table.")
            .out("defaultSecurityGroupId", "Its default security group."),
        regional("vpc:subnet", "A part of a VPC in one availability zone.")
            .many()
            .prop("vpc", vpc())
            .prop("cidrBlock", cidr("Its IPv4 network; the next free /24 of the VPC without it.").replaces())
            .prop("availabilityZone", form("^[a-z]{2}-[a-z]+-[0-9][a-f]$", "Zone; the region's first without it.").replaces())
            .prop("mapPublicIp", flag("Whether instances get public addresses.").or(json!(false)))
            .out("vpcId", "Its VPC.")
            .out("cidrBlock", "Its IPv4 network.")
            .out("availabilityZone", "Its zone."),
        regional("vpc:internetGateway", "The way from a VPC to the internet; one per VPC.")
            .many()
            .prop("vpc", vpc())
            .out("vpcId", "Its VPC."),
        regional("vpc:natGateway", "The way out for private subnets.")
            .many()
            .slow(300, 2500)
            .prop("subnet", text("Public subnet in which it stands.").required().needs(SUBNET).replaces())
            .out("publicIp", "Its public address."),
        regional("vpc:routeTable", "Routes for some subnets of a VPC.")
            .many()
            .prop("vpc", vpc())
            .prop(
                "routes",
                list(
                    object(
                        vec![
                            ("destination", cidr("Network.").required()),
                            (
                                "gateway",
                                text("Internet or NAT gateway.").required().needs(&["aws/vpc:internetGateway", "aws/vpc:natGateway"]),
                            ),
                        ],
                        "A route.",
                    ),
                    "Routes besides the local one.",
                )
                .unordered(),
            )
            .prop("subnets", subnets("Subnets that use it."))
            .out("vpcId", "Its VPC."),
        regional("ec2:securityGroup", "A stateful packet filter around instances.")
            .prop("vpc", vpc())
            .prop("description", text("Free text.").or(json!("Managed by Swell")).replaces())
            .prop("ingress", rules("What may come in."))
            .prop("egress", rules("What may go out; all without it."))
            .out("vpcId", "Its VPC."),
        regional("waf:webAcl", "A web application firewall.")
            .prop("scope", choice(&["REGIONAL", "CLOUDFRONT"], "What it can protect.").or(json!("REGIONAL")).replaces())
            .prop("defaultAction", choice(&["allow", "block"], "What happens when no rule matches.").or(json!("allow")))
            .prop(
                "managedRules",
                list(text("Name of a managed rule group."), "Managed rule groups.")
                    .or(json!(["AWSManagedRulesCommonRuleSet", "AWSManagedRulesSQLiRuleSet"])),
            )
            .prop("rateLimit", int(10, 2_000_000_000, "Requests of one address in five minutes."))
            .prop("resources", list(text("A load balancer.").needs(BALANCER), "What it protects.").unordered()),
    ]
}

fn balancers() -> Vec<Kind> {
    vec![
        regional("elb:loadBalancer", "A load balancer.")
            .slow(600, 3000)
            .prop("type", choice(&["application", "network"], "Its kind.").or(json!("application")).replaces())
            .prop("scheme", choice(&["internet-facing", "internal"], "Who reaches it.").or(json!("internet-facing")).replaces())
            .prop("subnets", subnets("Subnets in two or more zones; the default VPC's public ones without any."))
            .prop("securityGroups", groups())
            .prop("accessLogs", text("Bucket for its log.").needs(&["aws/s3:bucket"]))
            .prop("deletionProtection", flag("Whether it refuses to be deleted.").or(json!(false)))
            .out("dnsName", "Its DNS name.")
            .out("zoneId", "Hosted zone of its name.")
            .out("vpcId", "Its VPC.")
            .output("subnetIds", list(text("A subnet."), "Its subnets.")),
        regional("elb:targetGroup", "Targets of a load balancer.")
            .prop("vpc", vpc())
            .prop("port", port("Port of the targets.").or(json!(80)).replaces())
            .prop("protocol", choice(&["HTTP", "HTTPS", "TCP", "TLS", "UDP"], "Protocol.").or(json!("HTTP")).replaces())
            .prop("targetType", choice(&["instance", "ip"], "What the targets are.").or(json!("instance")).replaces())
            .prop(
                "targets",
                list(text("An instance or an address.").needs(&["aws/ec2:instance"]).or_text(), "Targets besides those of scaling groups.")
                    .unordered(),
            )
            .prop(
                "healthCheck",
                object(
                    vec![
                        ("path", text("Path that is asked for.")),
                        ("interval", int(5, 300, "Seconds between checks.")),
                        ("healthyThreshold", int(2, 10, "Successes until healthy.")),
                        ("unhealthyThreshold", int(2, 10, "Failures until unhealthy.")),
                    ],
                    "How targets are checked.",
                ),
            )
            .out("vpcId", "Its VPC.")
            .output("healthyTargets", int(0, 10_000, "Targets that answer."))
            .output("targetCount", int(0, 10_000, "Targets in all.")),
        regional("elb:listener", "A port on which a load balancer listens.")
            .many()
            .prop("loadBalancer", text("Its load balancer.").required().needs(BALANCER).replaces())
            .prop("port", port("Port.").or(json!(443)))
            .prop("protocol", choice(&["HTTP", "HTTPS", "TCP", "TLS"], "Protocol; HTTPS with a certificate, else HTTP."))
            .prop("certificate", text("Certificate.").needs(CERTIFICATE))
            .prop("targetGroup", text("Where requests go.").needs(TARGETS))
            .prop("redirectTo", form("^https://.*$", "Address to send requests to, instead of a target group."))
            .prop("sslPolicy", text("TLS policy.").or(json!("ELBSecurityPolicy-TLS13-1-2-2021-06")))
            .output("port", port("Port."))
            .out("url", "Where it is reached.")
            .out("loadBalancerArn", "Its load balancer."),
    ]
}

fn names() -> Vec<Kind> {
    vec![
        regional("acm:certificate", "A TLS certificate.")
            .many()
            .slow(600, 2500)
            .prop("domain", domain("Main name; may begin with *.").required().replaces())
            .prop("subjectAlternativeNames", list(domain("A name."), "Further names.").replaces().unordered())
            .prop("validation", choice(&["DNS", "EMAIL"], "How the right to the name is shown.").or(json!("DNS")).replaces())
            .prop("keyAlgorithm", choice(&["RSA_2048", "EC_prime256v1", "EC_secp384r1"], "Key.").or(json!("RSA_2048")).replaces())
            .out("state", "PENDING_VALIDATION or ISSUED.")
            .out("validationName", "Name of the DNS record that validates it.")
            .out("validationValue", "Value of that record.")
            .out("notAfter", "When it ends."),
        kind("route53:zone", "A DNS zone.")
            .prop("domain", domain("Its domain; the resource's name without it.").replaces())
            .prop("private", flag("Whether only VPCs see it.").or(json!(false)).replaces())
            .prop("vpcs", list(text("A VPC.").needs(VPC).any_region(), "VPCs that see a private zone.").unordered())
            .prop("comment", text("Free text."))
            .prop("tags", tags())
            .out("id", "Zone id.")
            .out("arn", "ARN.")
            .out("domain", "Its domain.")
            .output("nameServers", list(text("A name server."), "Name servers.")),
        kind("route53:record", "A DNS record.")
            .prop(
                "zone",
                text("Zone, by id, domain or name; found by the record's domain without it.").needs(&["aws/route53:zone"]).replaces(),
            )
            .prop("domain", domain("Full name of the record.").required().replaces())
            .prop("type", choice(&["A", "AAAA", "CNAME", "MX", "TXT", "NS", "SRV", "CAA"], "Type.").or(json!("A")).replaces())
            .prop("ttl", int(1, 604_800, "Seconds that it may be kept.").or(json!(300)))
            .prop("values", list(text("A value."), "Values, unless it is an alias.").unordered())
            .prop("alias", text("Load balancer, by id, name, ARN or DNS name.").sees(BALANCER).or_text().any_region())
            .prop("setIdentifier", text("Tells records of one name apart.").replaces())
            .prop("weight", int(0, 255, "Share, for weighted records."))
            .prop("failover", choice(&["PRIMARY", "SECONDARY"], "Part in a failover pair."))
            .prop("healthCheck", text("Health check of a failover record.").needs(&["aws/route53:healthCheck"]))
            .out("id", "Zone, name and type.")
            .out("arn", "ARN.")
            .out("zoneId", "Zone id.")
            .out("fqdn", "Full name.")
            .output("answers", list(text("A value."), "What it answers now.")),
        kind("route53:healthCheck", "A check from many places whether an endpoint answers.")
            .many()
            .prop("domain", domain("Host to ask.").required())
            .prop("port", port("Port.").or(json!(443)))
            .prop("path", text("Path.").or(json!("/")))
            .prop("protocol", choice(&["HTTP", "HTTPS", "TCP"], "Protocol.").or(json!("HTTPS")).replaces())
            .prop("interval", int(10, 30, "Seconds between checks.").or(json!(30)).replaces())
            .prop("tags", tags())
            .out("id", "Id.")
            .out("arn", "ARN."),
    ]
}
