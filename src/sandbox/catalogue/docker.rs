//! The types of the simulated docker host.

use serde_json::json;

use super::{Kind, Prop, choice, cidr, flag, form, int, kind, list, map, object, port, text};

const NETWORKS: &[&str] = &["docker/network", "opnsense/network:vlan"];

fn labels() -> Prop {
    map("Labels.")
}

pub(super) fn kinds() -> Vec<Kind> {
    vec![
        kind("network", "A docker network.")
            .prop("driver", choice(&["bridge", "macvlan", "ipvlan", "overlay", "host"], "Driver.").or(json!("bridge")).replaces())
            .prop("subnet", cidr("Its IPv4 network; the next free of 172.16.0.0/12 without it.").replaces())
            .prop("internal", flag("Whether it has no way out.").or(json!(false)).replaces())
            .prop("attachable", flag("Whether containers may join later.").or(json!(true)).replaces())
            .prop(
                "parent",
                text("VLAN of the firewall that a macvlan or ipvlan network sits on.").needs(&["opnsense/network:vlan"]).replaces(),
            )
            .prop("labels", labels().replaces())
            .out("id", "64 hexadecimal digits.")
            .out("subnet", "Its IPv4 network.")
            .out("gateway", "Its gateway."),
        kind("volume", "A named volume. Deleting it loses what it holds.")
            .data()
            .prop("driver", choice(&["local", "nfs"], "Driver.").or(json!("local")).replaces())
            .prop("driverOptions", map("Options of the driver.").replaces())
            .prop("labels", labels().replaces())
            .out("id", "Its name.")
            .out("mountpoint", "Where it lies on the host."),
        kind("image", "An image that is pulled to the host.")
            .slow(300, 1500)
            .prop(
                "reference",
                form("^[A-Za-z0-9][A-Za-z0-9._/:@-]*$", "Repository and tag, such as postgres:15. Without it the name is taken.")
                    .replaces(),
            )
            .prop("platform", choice(&["linux/amd64", "linux/arm64"], "Platform.").or(json!("linux/amd64")).replaces())
            .out("id", "sha256:…")
            .out("tag", "Repository and tag.")
            .out("digest", "Digest of the repository.")
            .output("size", int(0, i64::MAX, "Bytes.")),
        kind("image:build", "An image that is built on the host from a context.")
            .slow(900, 4000)
            .prop("context", text("Folder with the sources.").required())
            .prop("dockerfile", text("Path of the Dockerfile within the context.").or(json!("Dockerfile")))
            .prop("tag", form("^[A-Za-z0-9][A-Za-z0-9._/:-]*$", "Repository and tag of the result; NAME:latest without it."))
            .prop("args", map("Build arguments."))
            .prop("target", text("Stage to stop at."))
            .prop("platform", choice(&["linux/amd64", "linux/arm64"], "Platform.").or(json!("linux/amd64")))
            .out("id", "sha256:…")
            .out("tag", "Repository and tag.")
            .out("digest", "Digest of the content.")
            .output("size", int(0, i64::MAX, "Bytes.")),
        container(),
    ]
}

fn container() -> Kind {
    kind("container:run", "A container.")
        .slow(120, 900)
        .prop("image", text("Image, by repository and tag.").required().replaces())
        .prop("command", list(text("A word."), "Command, instead of the image's own.").with("type", json!(["array", "string"])).replaces())
        .prop("environment", map("Environment. A value may be a secret reference.").replaces())
        .prop("secretEnvironment", map("Further environment, never shown.").sensitive().replaces())
        .prop(
            "ports",
            list(
                text("host:container, optionally with an address before and /tcp or /udp behind; a plain number publishes the same port.")
                    .with("type", json!(["string", "integer"]))
                    .with("pattern", json!(r"^((\d{1,3}\.){3}\d{1,3}:)?(\d{1,5}:)?\d{1,5}(/(tcp|udp))?$")),
                "Published ports.",
            )
            .replaces()
            .unordered(),
        )
        .prop(
            "volumes",
            list(
                text("NAME:/path or /host/path:/path, optionally with :ro.").with("pattern", json!("^[^:]+:/[^:]*(:(ro|rw))?$")),
                "Volumes and folders.",
            )
            .replaces()
            .unordered(),
        )
        .prop("network", text("Network to join: a docker network or a VLAN of the firewall.").needs(NETWORKS).replaces())
        .prop("networks", list(text("A network.").needs(NETWORKS), "Further networks to join.").replaces().unordered())
        .prop("hostname", text("Host name inside.").replaces())
        .prop("restart", choice(&["no", "always", "unless-stopped", "on-failure"], "When it is started again.").or(json!("unless-stopped")))
        .prop(
            "healthcheck",
            object(
                vec![
                    ("test", text("Command that tells whether it works.").required()),
                    ("interval", int(1, 3600, "Seconds between checks.")),
                    ("timeout", int(1, 600, "Seconds until a check counts as failed.")),
                    ("retries", int(1, 100, "Failures until it counts as unhealthy.")),
                    ("startPeriod", int(0, 3600, "Seconds of grace at the start.")),
                ],
                "How it is checked.",
            )
            .replaces(),
        )
        .prop("labels", labels().replaces())
        .prop("memory", form(r"^\d+(\.\d+)?[bkmgBKMG]?$", "Memory limit, such as 512m."))
        .prop("cpus", text("CPU limit.").with("type", json!("number")).with("exclusiveMinimum", json!(0)).with("maximum", json!(64)))
        .prop("user", text("User inside.").replaces())
        .prop("privileged", flag("Whether it has all rights of the host.").or(json!(false)).replaces())
        .prop("readOnly", flag("Whether its root file system is read-only.").or(json!(false)).replaces())
        .prop(
            "dependsOn",
            list(text("A container.").sees(&["docker/container:run"]), "Containers that it needs to work.").replaces().unordered(),
        )
        .out("id", "64 hexadecimal digits.")
        .out("ip", "Address in its first network.")
        .out("host", "The docker host's address.")
        .out("hostname", "Host name inside.")
        .output("port", port("First published port of the host."))
        .output("ports", map("Published ports: inside to host."))
        .out("state", "running, exited or dead.")
        .output("exitCode", int(0, 255, "Exit code of the last end."))
        .output("restarts", int(0, i64::MAX, "How often it was started again."))
        .out("imageId", "Id of the image.")
}
