//! The types of the simulated OPNsense firewall.

use serde_json::json;

use super::{Kind, choice, cidr, domain, flag, form, int, kind, list, object, port, text};

const NETWORKS: &[&str] = &["opnsense/interface", "opnsense/network:vlan"];
const PLACES: &[&str] = &["opnsense/firewall:alias", "opnsense/interface", "opnsense/network:vlan"];

pub(super) fn kinds() -> Vec<Kind> {
    let mut all = network();
    all.extend(haproxy());
    all
}

fn network() -> Vec<Kind> {
    vec![
        kind("interface", "A physical interface of the firewall; it can be looked up, not created.")
            .fixed()
            .prop("device", text("Device, such as igc0."))
            .prop("zone", text("What it is assigned to."))
            .prop("address", text("Its address."))
            .out("id", "Name of the device.")
            .out("device", "Device.")
            .out("ip", "Its address.")
            .out("mac", "Hardware address."),
        kind("network:vlan", "A VLAN (802.1Q) on one of the firewall's interfaces. Each VLAN is also a docker network of the same name.")
            .prop("tag", int(1, 4094, "802.1Q tag; unique on its interface.").required())
            .prop("interface", text("Parent interface.").or(json!("igc1")).replaces().sees(&["opnsense/interface"]))
            .prop("description", text("Free text."))
            .prop("priority", int(0, 7, "802.1p priority.").or(json!(0)))
            .prop("cidr", cidr("Its IPv4 network. Without it the firewall takes the next free one of 10.0.0.0/8."))
            .prop("dhcp", flag("Whether the firewall hands out addresses.").or(json!(true)))
            .out("id", "UUID.")
            .out("device", "Device, such as vlan0.50.")
            .out("cidr", "Its IPv4 network.")
            .out("gateway", "The firewall's address in it."),
        kind("firewall:alias", "A named set of hosts, networks or ports for rules.")
            .prop("type", choice(&["host", "network", "port", "url", "geoip"], "What it holds.").or(json!("host")).replaces())
            .prop("content", list(text("A host, network, port, address or country."), "What is in it.").required().unordered())
            .prop("description", text("Free text."))
            .prop("enabled", flag("Whether it is in use.").or(json!(true)))
            .out("id", "UUID.")
            .output("entries", int(0, 100_000, "How many addresses it holds.")),
        kind("firewall:rule", "A packet filter rule.")
            .prop("action", choice(&["pass", "block", "reject"], "What happens to a packet that matches.").or(json!("pass")))
            .prop("interface", text("Where it applies: wan, lan, a device or a VLAN.").or(json!("lan")).needs(NETWORKS))
            .prop("direction", choice(&["in", "out"], "As the firewall sees it.").or(json!("in")))
            .prop("protocol", choice(&["any", "TCP", "UDP", "TCP/UDP", "ICMP"], "Protocol.").or(json!("TCP")))
            .prop("source", text("Any, an address or network, an alias, an interface or a VLAN.").or(json!("any")).needs(PLACES).or_text())
            .prop(
                "destination",
                text("Any, an address or network, an alias, an interface or a VLAN.").or(json!("any")).needs(PLACES).or_text(),
            )
            .prop("port", text("Destination port, range (8000-8010) or port alias.").with("type", json!(["integer", "string"])))
            .prop("log", flag("Whether matches are logged.").or(json!(false)))
            .prop("enabled", flag("Whether it is in force.").or(json!(true)))
            .prop("sequence", int(1, 99_999, "Order; lower comes first.").or(json!(100)))
            .prop("description", text("Free text."))
            .out("id", "UUID."),
        kind("dns:override", "A host override of the firewall's resolver.")
            .prop("host", form(r"^(\*|[A-Za-z0-9_-]+)$", "Host part.").required())
            .prop("domain", domain("Domain.").required())
            .prop("ip", text("Address that is answered.").with("anyOf", json!([{ "format": "ipv4" }, { "format": "ipv6" }])).required())
            .prop("description", text("Free text."))
            .prop("enabled", flag("Whether it is in force.").or(json!(true)))
            .out("id", "UUID.")
            .out("fqdn", "The whole name."),
        kind("dhcp:reservation", "A fixed address for one device.")
            .prop("network", text("Interface or VLAN.").required().needs(NETWORKS))
            .prop("mac", form("^([0-9A-Fa-f]{2}:){5}[0-9A-Fa-f]{2}$", "Hardware address.").required())
            .prop("ip", text("Its address."))
            .prop("hostname", domain("Its name."))
            .out("id", "UUID.")
            .out("ip", "Its address."),
    ]
}

fn haproxy() -> Vec<Kind> {
    vec![
        kind("trust:certificate", "A certificate that the firewall keeps.")
            .prop("commonName", domain("Main name.").required().replaces())
            .prop("altNames", list(domain("A name."), "Further names.").replaces().unordered())
            .prop("method", choice(&["acme", "selfsigned"], "How it is issued.").or(json!("acme")).replaces())
            .prop("lifetime", int(1, 825, "Days.").or(json!(90)))
            .out("id", "Reference id.")
            .out("notAfter", "When it ends."),
        kind("haproxy:server", "A server behind a HAProxy backend.")
            .prop("address", text("Address, host name or docker container name.").required())
            .prop("port", port("Its port.").required())
            .prop("weight", int(0, 256, "Share of the load.").or(json!(100)))
            .prop("mode", choice(&["active", "backup", "disabled"], "Whether it takes part.").or(json!("active")))
            .prop("ssl", flag("Whether HAProxy speaks TLS to it.").or(json!(false)))
            .prop("check", flag("Whether it is health-checked.").or(json!(true)))
            .prop("description", text("Free text."))
            .out("id", "UUID.")
            .out("endpoint", "address:port."),
        kind("haproxy:backend", "A group of servers behind HAProxy.")
            .prop("mode", choice(&["http", "tcp"], "Protocol.").or(json!("http")))
            .prop("balance", choice(&["roundrobin", "leastconn", "source", "uri", "random"], "How load is spread.").or(json!("roundrobin")))
            .prop(
                "servers",
                list(
                    text("A haproxy:server by name or id, or host:port.").needs(&["opnsense/haproxy:server"]).or_text(),
                    "The servers, by name, id or host:port.",
                )
                .or(json!([]))
                .unordered(),
            )
            .prop(
                "healthCheck",
                object(
                    vec![
                        ("path", text("Path that is asked for.")),
                        ("interval", int(1, 3600, "Seconds between checks.")),
                        ("expect", int(100, 599, "Status that counts as good.")),
                    ],
                    "How servers are checked.",
                ),
            )
            .prop("stickiness", choice(&["none", "cookie", "source"], "How a client stays on one server.").or(json!("none")))
            .prop("description", text("Free text."))
            .out("id", "UUID.")
            .output("serversUp", int(0, 10_000, "Servers that answer."))
            .output("serversTotal", int(0, 10_000, "Servers in all.")),
        kind("haproxy:frontend", "An address on which HAProxy listens.")
            .prop("backend", text("Default backend, by name or id.").required().needs(&["opnsense/haproxy:backend"]))
            .prop(
                "certificate",
                text("Certificate: an ACM ARN or one of the firewall's.")
                    .sees(&["aws/acm:certificate", "opnsense/trust:certificate"])
                    .any_region(),
            )
            .prop("mode", choice(&["http", "tcp"], "Protocol.").or(json!("http")))
            .prop("address", text("Address to listen on. Without it the firewall takes the WAN address.").replaces())
            .prop("port", port("Port to listen on: 443 with a certificate, else 80.").replaces())
            .prop("hosts", list(domain("A host name."), "Host names that it answers for; none means all.").unordered())
            .prop("redirectHttp", flag("Whether plain HTTP is sent to HTTPS.").or(json!(false)))
            .prop("maxConnections", int(1, 1_000_000, "Connections at a time.").or(json!(2000)))
            .prop("description", text("Free text."))
            .out("id", "UUID.")
            .out("ip", "Address on which it listens.")
            .output("port", port("Port on which it listens."))
            .out("url", "Where it is reached."),
    ]
}
