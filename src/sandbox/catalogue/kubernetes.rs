//! The types of the simulated Kubernetes cluster.

use serde_json::json;

use super::{Kind, Prop, choice, domain, flag, form, int, kind, list, map, object, port, text};

const QUANTITY: &str = r"^[0-9]+(\.[0-9]+)?(m|k|Ki|M|Mi|G|Gi|T|Ti)?$";
const WORKLOADS: &[&str] = &["kubernetes/deployment", "kubernetes/statefulset"];

/// A type within a namespace, with labels.
fn namespaced(name: &'static str, description: &'static str) -> Kind {
    kind(name, description)
        .prop("namespace", text("Namespace.").or(json!("default")).sees(&["kubernetes/namespace"]).replaces())
        .prop("labels", map("Labels; app=NAME is always there."))
        .out("id", "UID.")
        .out("namespace", "Namespace.")
}

fn quantities(description: &str) -> Prop {
    object(vec![("cpu", form(QUANTITY, "CPU, such as 250m.")), ("memory", form(QUANTITY, "Memory, such as 256Mi."))], description)
}

fn workload(kind: Kind) -> Kind {
    kind.slow(300, 1800)
        .prop("image", text("Image.").required())
        .prop("replicas", int(0, 1000, "Pods wanted.").or(json!(1)))
        .prop("command", list(text("A word."), "Command, instead of the image's own."))
        .prop("env", map("Environment. A value may be a secret reference."))
        .prop(
            "envFrom",
            list(
                text("Config map or secret.").sees(&["kubernetes/configmap", "kubernetes/secret"]).or_text(),
                "Config maps and secrets whose entries become environment.",
            ),
        )
        .prop("port", port("Port that the container opens."))
        .prop("resources", object(vec![("requests", quantities("Kept free.")), ("limits", quantities("Most."))], "CPU and memory."))
        .prop("livenessPath", text("Path that tells whether a pod lives."))
        .prop("readinessPath", text("Path that tells whether a pod takes requests."))
        .prop("serviceAccount", text("Service account."))
        .prop("nodeSelector", map("Labels of nodes that may run it."))
        .output("replicas", int(0, 1000, "Pods wanted."))
        .output("readyReplicas", int(0, 1000, "Pods at work."))
        .output("pods", list(text("A pod."), "Its pods."))
        .output("revision", int(1, i64::MAX, "Revision of the roll-out."))
}

pub(super) fn kinds() -> Vec<Kind> {
    let mut all = workloads();
    all.extend(around());
    all
}

fn workloads() -> Vec<Kind> {
    vec![
        workload(namespaced("deployment", "Like pods that are rolled out together."))
            .prop("strategy", choice(&["RollingUpdate", "Recreate"], "How pods are changed.").or(json!("RollingUpdate")))
            .prop(
                "volumes",
                list(
                    text("NAME:/path, of a persistent volume claim, config map or secret.").with("pattern", json!("^[^:]+:/.*$")),
                    "Claims, config maps and secrets to mount.",
                ),
            ),
        workload(namespaced("statefulset", "Pods with names and storage of their own."))
            .prop("serviceName", text("Headless service; the resource's name without it.").replaces())
            .prop("storage", form(QUANTITY, "Storage of each pod.").replaces())
            .prop("mountPath", text("Where it is mounted.").or(json!("/data")).replaces()),
        namespaced("cronjob", "A job that runs by the clock.")
            .prop("schedule", text("Cron expression of five fields.").with("pattern", json!(r"^(\S+ ){4}\S+$")).required())
            .prop("image", text("Image.").required())
            .prop("command", list(text("A word."), "Command, instead of the image's own."))
            .prop("env", map("Environment. A value may be a secret reference."))
            .prop(
                "envFrom",
                list(
                    text("Config map or secret.").sees(&["kubernetes/configmap", "kubernetes/secret"]).or_text(),
                    "Config maps and secrets whose entries become environment.",
                ),
            )
            .prop("concurrency", choice(&["Allow", "Forbid", "Replace"], "What happens when one still runs.").or(json!("Forbid")))
            .prop("suspend", flag("Whether it rests.").or(json!(false)))
            .prop(
                "volumes",
                list(
                    text("NAME:/path, of a persistent volume claim, config map or secret.").with("pattern", json!("^[^:]+:/.*$")),
                    "Claims, config maps and secrets to mount.",
                ),
            )
            .out("lastSchedule", "When it ran last."),
        namespaced("horizontalpodautoscaler", "Grows and shrinks a workload.")
            .prop("target", text("Deployment or stateful set.").required().sees(WORKLOADS).or_text())
            .prop("minReplicas", int(1, 1000, "Fewest pods.").or(json!(1)))
            .prop("maxReplicas", int(1, 1000, "Most pods.").required())
            .prop("cpu", int(1, 100, "CPU in percent to keep.").or(json!(80)))
            .output("currentReplicas", int(0, 1000, "Pods now.")),
    ]
}

fn around() -> Vec<Kind> {
    vec![
        kind("namespace", "A namespace. Deleting it deletes everything in it.")
            .prop("labels", map("Labels."))
            .prop("podSecurity", choice(&["privileged", "baseline", "restricted"], "Pod security standard.").or(json!("baseline")))
            .out("id", "UID.")
            .out("phase", "Active or Terminating."),
        namespaced("service", "One address for many pods.")
            .prop("type", choice(&["ClusterIP", "NodePort", "LoadBalancer", "Headless"], "How it is reached.").or(json!("ClusterIP")))
            .prop("selector", map("Labels of the pods; app=NAME without it."))
            .prop("port", port("Port.").or(json!(80)))
            .prop("targetPort", port("Port of the pods; the same without it."))
            .prop("nodePort", int(30_000, 32_767, "Port of every node."))
            .prop("protocol", choice(&["TCP", "UDP"], "Protocol.").or(json!("TCP")))
            .out("clusterIP", "Its address in the cluster.")
            .out("host", "Its name in the cluster.")
            .output("port", port("Port."))
            .output("nodePort", int(30_000, 32_767, "Port of every node."))
            .out("externalIP", "Address outside, of a LoadBalancer.")
            .output("endpoints", list(text("address:port"), "Pods behind it.")),
        namespaced("ingress", "A way from outside to services, by host name.")
            .prop("host", domain("Host name.").required())
            .prop("path", text("Path.").or(json!("/")))
            .prop("service", text("Service.").required().sees(&["kubernetes/service"]).or_text())
            .prop("port", port("Port of the service; the service's own without it."))
            .prop("tlsSecret", text("Secret with the certificate.").sees(&["kubernetes/secret"]).or_text())
            .prop("className", text("Ingress class.").or(json!("nginx")))
            .prop("annotations", map("Annotations."))
            .out("ip", "Address of the ingress controller.")
            .out("url", "Where it is reached."),
        namespaced("configmap", "Configuration as text.").prop("data", map("Entries.").required()),
        namespaced("secret", "Secret entries.")
            .prop(
                "type",
                choice(&["Opaque", "kubernetes.io/tls", "kubernetes.io/dockerconfigjson"], "Its kind.").or(json!("Opaque")).replaces(),
            )
            .prop("data", map("Entries, not encoded.").required().sensitive()),
        namespaced("persistentvolumeclaim", "Storage. Deleting it loses what it holds.")
            .data()
            .prop("size", form(QUANTITY, "Size, such as 10Gi. It can grow, not shrink.").required())
            .prop("storageClass", text("Storage class.").or(json!("standard")).replaces())
            .prop(
                "accessMode",
                choice(&["ReadWriteOnce", "ReadOnlyMany", "ReadWriteMany"], "Who may use it.").or(json!("ReadWriteOnce")).replaces(),
            )
            .out("phase", "Pending or Bound.")
            .out("volume", "Its persistent volume."),
        namespaced("networkpolicy", "Who may talk to which pods.")
            .prop("podSelector", map("Labels of the pods; all without it."))
            .prop("ingressFrom", list(map("Labels of pods that may come in."), "Who may come in; nobody without it."))
            .prop("ingressPorts", list(port("Port."), "Ports that are open."))
            .prop("egressTo", list(text("Network or namespace."), "Where they may go; anywhere without it.")),
    ]
}
