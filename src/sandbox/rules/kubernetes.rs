//! What the simulated cluster insists on.

use ipnet::Ipv4Net;
use serde_json::{Value, json};

use super::{Draft, Problem};
use crate::sandbox::world::state::Object;

/// Address of the ingress controller.
const INGRESS: &str = "192.168.1.240";

pub(super) fn settle(draft: &Draft<'_>) -> Result<Value, Problem> {
    let valid = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-';
    if draft.name.len() > 63 || !draft.name.chars().all(valid) || draft.name.ends_with('-') {
        return Err(Problem::invalid(format!(
            "metadata.name: Invalid value: \"{}\": a lowercase RFC 1123 label must consist of lower case alphanumeric characters or '-'",
            draft.name
        )));
    }
    let namespace = draft.text("namespace").unwrap_or("default");
    if draft.kind != "namespace" && draft.state.find("kubernetes/namespace", namespace).is_none() {
        return Err(Problem::missing(format!("namespaces \"{namespace}\" not found")));
    }
    let mut outputs = match draft.kind {
        "namespace" => return Ok(json!({ "phase": "Active" })),
        "deployment" | "statefulset" => workload(draft),
        "service" => service(draft, namespace)?,
        "ingress" => ingress(draft)?,
        "horizontalpodautoscaler" => {
            let (min, max) = (draft.int("minReplicas").unwrap_or(1), draft.int("maxReplicas").unwrap_or(1));
            if min > max {
                return Err(Problem::invalid(format!(
                    "spec.maxReplicas: Invalid value: {max}: must be greater than or equal to `minReplicas`"
                )));
            }
            json!({})
        }
        "persistentvolumeclaim" => claim(draft)?,
        "cronjob" => json!({ "lastSchedule": "2026-11-23T02:00:00Z" }),
        _ => json!({}),
    };
    outputs["namespace"] = namespace.into();
    Ok(outputs)
}

pub(super) fn claims(object: &Object) -> Vec<String> {
    match object.kind.as_str() {
        "service" => vec![
            format!("kubernetes/ip/{}", object.text("clusterIP")),
            format!("kubernetes/nodeport/{}", object.outputs.get("nodePort").unwrap_or(&Value::Null)),
            format!("kubernetes/external/{}", object.text("externalIP")),
        ],
        "ingress" => vec![format!("kubernetes/host/{}{}", object.text("host"), object.text("path"))],
        _ => Vec::new(),
    }
}

fn workload(draft: &Draft<'_>) -> Value {
    let replicas = draft.int("replicas").unwrap_or(1);
    let image = draft.text("image").unwrap_or_default();
    let template = draft.hex(image, 10);
    let pods: Vec<String> = (0..replicas)
        .map(|i| match draft.kind {
            "statefulset" => format!("{}-{i}", draft.name),
            _ => format!("{}-{template}-{}", draft.name, draft.hex(&format!("{image}{i}"), 5)),
        })
        .collect();
    let revision = draft.before.map_or(1, |b| {
        let now = b.outputs.get("revision").and_then(Value::as_i64).unwrap_or(1);
        if b.properties.get("image") == draft.properties.get("image") { now } else { now + 1 }
    });
    json!({ "replicas": replicas, "pods": pods, "revision": revision })
}

fn service(draft: &Draft<'_>, namespace: &str) -> Result<Value, Problem> {
    let kind = draft.text("type").unwrap_or("ClusterIP");
    let pool = |text: &str, claim: &str| {
        let net: Ipv4Net = text.parse().ok()?;
        draft.address_in(net, 10, claim).map(|ip| Value::String(ip.to_string()))
    };
    let cluster_ip = match kind {
        "Headless" => Some(json!("None")),
        _ => draft.kept("clusterIP").filter(|v| v != "None").or_else(|| pool("10.96.0.0/16", "kubernetes/ip")),
    };
    let node_port = match (draft.int("nodePort"), kind) {
        (_, "ClusterIP" | "Headless") => None,
        (Some(port), _) => {
            if let Some(other) = draft.taken(&format!("kubernetes/nodeport/{port}")) {
                return Err(Problem::invalid(format!(
                    "spec.ports[0].nodePort: Invalid value: {port}: provided port is already allocated (by {})",
                    other.name
                )));
            }
            Some(json!(port))
        }
        (None, _) => draft.kept("nodePort").or_else(|| {
            let start = draft.number("nodeport", 2768);
            (0..2768u64)
                .map(|i| 30_000 + (start + i) % 2768)
                .find(|p| draft.taken(&format!("kubernetes/nodeport/{p}")).is_none())
                .map(Value::from)
        }),
    };
    let external =
        (kind == "LoadBalancer").then(|| draft.kept("externalIP").or_else(|| pool("192.168.1.192/26", "kubernetes/external"))).flatten();
    Ok(json!({
        "clusterIP": cluster_ip,
        "host": format!("{}.{namespace}.svc.cluster.local", draft.name),
        "port": draft.int("port").unwrap_or(80),
        "nodePort": node_port,
        "externalIP": external,
    }))
}

fn ingress(draft: &Draft<'_>) -> Result<Value, Problem> {
    let (host, path) = (draft.text("host").unwrap_or_default(), draft.text("path").unwrap_or("/"));
    if let Some(other) = draft.taken(&format!("kubernetes/host/{host}{path}")) {
        return Err(Problem::invalid(format!(
            "admission webhook \"validate.nginx.ingress.kubernetes.io\" denied the request: host \"{host}\" and path \"{path}\" is already defined in ingress {}/{}",
            other.text("namespace"),
            other.name
        )));
    }
    let scheme = if draft.text("tlsSecret").is_some() { "https" } else { "http" };
    Ok(json!({ "ip": INGRESS, "url": format!("{scheme}://{host}{}", path.trim_end_matches('/')) }))
}

fn claim(draft: &Draft<'_>) -> Result<Value, Problem> {
    let size = quantity(draft.text("size").unwrap_or_default());
    if let Some(before) = draft.before.filter(|b| quantity(b.text("size")) > size) {
        return Err(Problem::invalid(format!(
            "spec.resources.requests.storage: Forbidden: field can not be less than previous value ({})",
            before.text("size")
        )));
    }
    Ok(json!({ "phase": "Bound", "volume": format!("pvc-{}", draft.id) }))
}

/// A quantity such as `10Gi`, in its base unit.
fn quantity(text: &str) -> f64 {
    let at = text.find(|c: char| c.is_ascii_alphabetic()).unwrap_or(text.len());
    let unit = match &text[at..] {
        "m" => 0.001,
        "k" => 1e3,
        "M" => 1e6,
        "G" => 1e9,
        "T" => 1e12,
        "Ki" => 1024.0,
        "Mi" => 1_048_576.0,
        "Gi" => 1_073_741_824.0,
        "Ti" => 1_099_511_627_776.0,
        _ => 1.0,
    };
    text[..at].parse::<f64>().unwrap_or(0.0) * unit
}
