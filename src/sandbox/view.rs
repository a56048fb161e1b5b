//! How an object looks now: status, health and the outputs that others decide.
//!
//! Health is worked out from the whole world whenever someone asks, so a dead database makes the containers that name it unhealthy, and
//! the backend in front of those, without anything having to be told.

use serde_json::{Map, Value, json};

use super::rules::pull_error;
use super::world::state::{Condition, Object, State};
use crate::domain::ResourceType;
use crate::mcp::{Health, Live, Status};

/// What can be said about an object.
#[derive(Debug, Clone)]
struct Look {
    status: Status,
    health: Health,
    reason: Option<String>,
    outputs: Vec<(&'static str, Value)>,
}

impl Look {
    fn good() -> Self {
        Self { status: Status::Ready, health: Health::Healthy, reason: None, outputs: Vec::new() }
    }

    fn bad(status: Status, reason: impl Into<String>) -> Self {
        Self { status, health: Health::Unhealthy, reason: Some(reason.into()), outputs: Vec::new() }
    }

    fn unknown(reason: &str) -> Self {
        Self { health: Health::Unknown, reason: Some(reason.to_owned()), ..Self::good() }
    }

    fn with(mut self, output: &'static str, value: impl Into<Value>) -> Self {
        self.outputs.push((output, value.into()));
        self
    }

    fn works(&self) -> bool {
        self.health != Health::Unhealthy
    }
}

/// An object as its server shows it. `None` only if its type's name is malformed, which cannot have been stored.
pub(crate) fn live(state: &State, object: &Object) -> Option<Live> {
    let mut look = look(state, object, &mut Vec::new());
    if object.unready_reads > 0 && look.status == Status::Ready {
        look.status = Status::Pending;
        look.health = Health::Unknown;
        look.reason = Some("not ready yet: health checks have not passed".to_owned());
    }
    let mut outputs = object.outputs.clone();
    for (name, value) in look.outputs {
        outputs.insert(name.to_owned(), value);
    }
    Some(Live {
        id: object.id.clone(),
        kind: ResourceType::new(object.kind.as_str()).ok()?,
        name: object.name.clone(),
        status: look.status,
        health: look.health,
        reason: look.reason,
        properties: object.properties.clone(),
        other_forms: std::collections::BTreeMap::new(),
        outputs,
        revision: Some(object.revision.to_string()),
        created_by: object.created_by.clone(),
    })
}

fn look(state: &State, object: &Object, seen: &mut Vec<String>) -> Look {
    let key = object.key();
    // Things that need each other in a circle are as well as they are otherwise.
    if seen.contains(&key) || seen.len() > 12 {
        return Look::good();
    }
    seen.push(key);
    let look = match (object.server.as_str(), object.kind.as_str()) {
        ("docker", "container:run") => container(state, object, seen),
        ("opnsense", "haproxy:server") => proxied(state, object, seen),
        ("opnsense", "haproxy:backend") => backend(state, object, seen),
        ("opnsense", "haproxy:frontend") => follow(state, "opnsense/haproxy:backend", object.text("backend"), seen),
        ("aws", "ec2:instance") => instance(object),
        ("aws", "autoscaling:group") => group(object),
        ("aws", "elb:targetGroup") => targets(state, object, seen),
        ("aws", "elb:listener") if !object.text("targetGroup").is_empty() => {
            follow(state, "aws/elb:targetGroup", object.text("targetGroup"), seen)
        }
        ("aws", "elb:loadBalancer") => balancer(state, object, seen),
        ("aws", "rds:cluster") => database(object),
        ("aws", "rds:globalCluster") => global(state, object),
        ("aws", "route53:record") => record(state, object, seen),
        ("aws", "cloudwatch:alarm") => alarm(state, object, seen),
        ("kubernetes", "deployment" | "statefulset") => workload(state, object, seen),
        ("kubernetes", "service") => service(state, object, seen),
        ("kubernetes", "ingress") => ingress(state, object, seen),
        ("kubernetes", "horizontalpodautoscaler") => autoscaler(state, object, seen),
        _ => plain(object),
    };
    seen.pop();
    look
}

fn plain(object: &Object) -> Look {
    match &object.condition {
        Condition::Running => Look::good(),
        Condition::Dead { .. } => Look::bad(Status::Failed, format!("{} has failed", object.name)),
    }
}

/// As well as the thing that it leads to.
fn follow(state: &State, place: &str, handle: &str, seen: &mut Vec<String>) -> Look {
    match state.find(place, handle) {
        Some(next) => {
            let look = look(state, next, seen);
            let reason = (!look.works()).then(|| format!("{} is unhealthy: {}", next.name, look.reason.clone().unwrap_or_default()));
            Look { health: look.health, reason: reason.or(look.reason), ..Look::good() }
        }
        None => Look::bad(Status::Failed, format!("{handle} does not exist")),
    }
}

/// The words of a text that may be host names.
fn words(text: &str) -> impl Iterator<Item = &str> {
    text.split(|c: char| !(c.is_ascii_alphanumeric() || "-_.".contains(c))).filter(|w| !w.is_empty())
}

fn environment(object: &Object) -> Vec<(&str, &str)> {
    ["environment", "secretEnvironment", "env"]
        .iter()
        .filter_map(|p| object.properties.get(*p)?.as_object())
        .flatten()
        .filter_map(|(k, v)| Some((k.as_str(), v.as_str()?)))
        .collect()
}

/// Whether a variable of this name holds the address of something.
fn names_a_host(variable: &str) -> bool {
    let upper = variable.to_ascii_uppercase();
    ["HOST", "HOSTNAME", "SERVER", "ADDR"].iter().any(|end| upper == *end || upper.ends_with(&format!("_{end}")))
}

fn container(state: &State, object: &Object, seen: &mut Vec<String>) -> Look {
    let base = |look: Look, running: &str, code: u8| look.with("state", running).with("exitCode", code).with("restarts", object.restarts);
    if let Condition::Dead { exit_code, at } = &object.condition {
        let why = if *exit_code == 137 { " (killed)" } else { "" };
        return base(Look::bad(Status::Failed, format!("exited with code {exit_code}{why} at {at}")), "exited", *exit_code);
    }
    let place = "docker/container:run";
    let each = object.properties.get("dependsOn").and_then(Value::as_array).into_iter().flatten().filter_map(Value::as_str);
    let mut groups: Vec<Vec<&str>> = each.map(|name| vec![name]).collect();
    for (variable, value) in environment(object) {
        let mut named: Vec<&str> = words(value).filter(|w| *w != object.name && state.find(place, w).is_some()).collect();
        let host = value.split(':').next().unwrap_or_default();
        let single =
            !host.is_empty() && !host.contains(['.', '/']) && host != "localhost" && host.contains(|c: char| c.is_ascii_alphabetic());
        if names_a_host(variable) && single && host != object.name && words(host).count() == 1 && !named.contains(&host) {
            named.push(host);
        }
        groups.push(named);
    }
    // A variable that names several is a list of peers to choose from; it is enough that one of them answers.
    for group in groups.iter().filter(|g| !g.is_empty()) {
        let answers: Vec<Result<(), String>> = group.iter().map(|name| reach(state, name, seen)).collect();
        if let (false, Some(Err(reason))) = (answers.iter().any(Result::is_ok), answers.first()) {
            return base(Look::bad(Status::Ready, reason.as_str()), "running", 0);
        }
    }
    match environment(object).iter().find_map(|(_, value)| unreachable_managed(state, value, seen)) {
        Some(reason) => base(Look::bad(Status::Ready, reason), "running", 0),
        None => base(Look::good(), "running", 0),
    }
}

/// Whether a container can be reached by name.
fn reach(state: &State, name: &str, seen: &mut Vec<String>) -> Result<(), String> {
    match state.find("docker/container:run", name) {
        None => Err(format!("cannot reach {name}: getaddrinfo ENOTFOUND {name}")),
        Some(other) if !other.runs() => Err(format!("cannot reach {name}: connection refused (the container {name} has exited)")),
        Some(other) => match look(state, other, seen) {
            l if l.works() => Ok(()),
            l => Err(format!("cannot reach {name}: it is unhealthy: {}", l.reason.unwrap_or_default())),
        },
    }
}

/// Why a managed database or cache that a text names does not answer; `None` if all do.
fn unreachable_managed(state: &State, value: &str, seen: &mut Vec<String>) -> Option<String> {
    for host in words(value).filter(|w| w.ends_with(".rds.amazonaws.com") || w.ends_with(".cache.amazonaws.com")) {
        match state.find_in(&["aws/rds:cluster", "aws/elasticache:cluster"], host) {
            None => return Some(format!("cannot reach {host}: name does not resolve")),
            Some(found) => match look(state, found, seen) {
                l if l.works() => {}
                l => return Some(format!("cannot reach {} ({host}): {}", found.name, l.reason.unwrap_or_default())),
            },
        }
    }
    None
}

/// Whether an address answers, as far as the world knows; the reason if it does not.
fn answers(state: &State, address: &str, seen: &mut Vec<String>) -> Result<(), String> {
    let host = address.split(':').next().unwrap_or(address);
    let found = state
        .find("docker/container:run", host)
        .or_else(|| state.claimed(&format!("docker/ip/{host}")))
        .or_else(|| state.claimed(&format!("kubernetes/ip/{host}")))
        .or_else(|| state.claimed(&format!("kubernetes/external/{host}")))
        .or_else(|| state.find("aws/elb:loadBalancer", host))
        .or_else(|| state.find("aws/ec2:instance", host))
        .or_else(|| host.strip_suffix(".svc.cluster.local").and_then(|h| state.find("kubernetes/service", h.split('.').next()?)));
    let found = found.or_else(|| state.of("aws", "ec2:instance").find(|i| i.text("privateIp") == host));
    match found {
        Some(object) => match look(state, object, seen) {
            l if l.works() => Ok(()),
            l => Err(format!("{}: {}", object.name, l.reason.unwrap_or_default())),
        },
        None if host.ends_with(".elb.amazonaws.com") => Err(format!("{host}: there is no such load balancer")),
        None if host.contains('.') || host == "localhost" => {
            // An address of one of our networks at which nobody is.
            let ours = host.parse::<std::net::Ipv4Addr>().is_ok_and(|ip| inside_a_network(state, ip));
            if ours { Err(format!("{host}: no route to host")) } else { Ok(()) }
        }
        None => Err(format!("{host}: name does not resolve")),
    }
}

fn inside_a_network(state: &State, ip: std::net::Ipv4Addr) -> bool {
    state.of("docker", "network").filter_map(|n| n.outputs.get("subnet")?.as_str()?.parse::<ipnet::Ipv4Net>().ok()).any(|n| n.contains(&ip))
}

fn proxied(state: &State, object: &Object, seen: &mut Vec<String>) -> Look {
    if object.text("mode") == "disabled" {
        return Look::bad(Status::Ready, "MAINT");
    }
    if object.properties.get("check") == Some(&json!(false)) {
        return Look::good();
    }
    match answers(state, object.text("address"), seen) {
        Ok(()) => plain(object),
        Err(reason) => Look::bad(Status::Ready, format!("DOWN: {reason}")),
    }
}

fn backend(state: &State, object: &Object, seen: &mut Vec<String>) -> Look {
    let servers: Vec<&str> =
        object.properties.get("servers").and_then(Value::as_array).into_iter().flatten().filter_map(Value::as_str).collect();
    let mut down = Vec::new();
    for server in &servers {
        match state.find("opnsense/haproxy:server", server) {
            Some(found) => match look(state, found, seen) {
                l if l.works() => {}
                l => down.push(format!("{}: {}", found.name, l.reason.unwrap_or_default())),
            },
            None if server.contains(':') => down.extend(answers(state, server, seen).err()),
            None => down.push(format!("{server}: it does not exist")),
        }
    }
    many(servers.len(), &down, "server").with("serversUp", servers.len() - down.len()).with("serversTotal", servers.len())
}

/// Unhealthy when all are down; a reason when some are.
fn many(total: usize, down: &[String], what: &str) -> Look {
    let up = total.saturating_sub(down.len());
    match (total, up) {
        (0, _) => Look::unknown(&format!("no {what}s")),
        (_, 0) => Look::bad(Status::Ready, format!("0 of {total} {what}s up: {}", down.join("; "))),
        (t, u) if t == u => Look::good(),
        (t, u) => Look { reason: Some(format!("{u} of {t} {what}s up: {}", down.join("; "))), ..Look::good() },
    }
}

fn instance(object: &Object) -> Look {
    match &object.condition {
        Condition::Running => Look::good().with("state", "running"),
        Condition::Dead { at, .. } => {
            Look::bad(Status::Failed, format!("the instance was stopped at {at}; instance status checks failed")).with("state", "stopped")
        }
    }
}

fn group(object: &Object) -> Look {
    let wanted = object.outputs.get("desiredCapacity").and_then(Value::as_u64).unwrap_or(0);
    match &object.condition {
        Condition::Running => Look::good().with("inService", wanted),
        Condition::Dead { .. } => {
            Look::bad(Status::Ready, format!("0 of {wanted} instances in service: instances fail their EC2 health check"))
                .with("inService", 0)
        }
    }
}

fn targets(state: &State, object: &Object, seen: &mut Vec<String>) -> Look {
    let given: Vec<&str> =
        object.properties.get("targets").and_then(Value::as_array).into_iter().flatten().filter_map(Value::as_str).collect();
    let mut total = given.len();
    let mut down: Vec<String> = given.iter().filter_map(|t| answers(state, t, seen).err()).collect();
    for group in state.holders(object).into_iter().filter(|o| o.kind == "autoscaling:group") {
        let size = group.outputs.get("desiredCapacity").and_then(Value::as_u64).unwrap_or(0);
        let size = usize::try_from(size).unwrap_or(usize::MAX);
        total += size;
        if !group.runs() {
            down.extend((0..size).map(|i| format!("{}[{i}]: Target.FailedHealthChecks", group.name)));
        }
    }
    many(total, &down, "target").with("healthyTargets", total - down.len()).with("targetCount", total)
}

fn balancer(state: &State, object: &Object, seen: &mut Vec<String>) -> Look {
    for listener in state.holders(object).into_iter().filter(|o| o.kind == "elb:listener") {
        let look = look(state, listener, seen);
        if !look.works() {
            return Look::bad(Status::Ready, format!("{}: {}", listener.name, look.reason.unwrap_or_default()));
        }
    }
    plain(object)
}

fn database(object: &Object) -> Look {
    match &object.condition {
        Condition::Running => Look::good(),
        Condition::Dead { at, .. } => {
            Look::bad(Status::Failed, format!("status is `failed` since {at}: the writer instance is not available"))
        }
    }
}

fn global(state: &State, object: &Object) -> Look {
    let members: Vec<&Object> = state.holders(object).into_iter().filter(|o| o.kind == "rds:cluster").collect();
    let arns: Vec<&str> = members.iter().map(|m| m.text("arn")).collect();
    let look = match members.iter().find(|m| !m.runs()) {
        Some(dead) => Look::bad(Status::Ready, format!("member {} is not available", dead.name)),
        None => Look::good(),
    };
    look.with("members", json!(arns))
}

fn record(state: &State, object: &Object, seen: &mut Vec<String>) -> Look {
    match object.text("alias") {
        "" => plain(object),
        alias => match answers(state, alias, seen) {
            Ok(()) => Look::good(),
            Err(reason) => Look::bad(Status::Ready, reason),
        },
    }
}

fn alarm(state: &State, object: &Object, seen: &mut Vec<String>) -> Look {
    let watched = object.properties.get("dimensions").and_then(Value::as_object).into_iter().flatten().filter_map(|(_, v)| v.as_str());
    let places = ["aws/ec2:instance", "aws/autoscaling:group", "aws/elb:targetGroup", "aws/elb:loadBalancer", "aws/rds:cluster"];
    for handle in watched {
        if let Some(found) = state.find_in(&places, handle)
            && !look(state, found, seen).works()
        {
            return Look { reason: Some(format!("{} is in trouble", found.name)), ..Look::good() }.with("state", "ALARM");
        }
    }
    Look::good().with("state", "OK")
}

fn labels(object: &Object) -> Map<String, Value> {
    let mut labels = object.properties.get("labels").and_then(Value::as_object).cloned().unwrap_or_default();
    labels.entry("app").or_insert_with(|| object.name.clone().into());
    labels
}

fn workload(state: &State, object: &Object, seen: &mut Vec<String>) -> Look {
    let image = object.text("image");
    let first = object.outputs.get("pods").and_then(|p| p.get(0)?.as_str()).unwrap_or(&object.name).to_owned();
    let namespace = object.text("namespace");
    let failed = |reason: String| Look::bad(Status::Failed, reason).with("readyReplicas", 0);
    let wanted = object.outputs.get("replicas").and_then(Value::as_u64).unwrap_or(0);
    if wanted == 0 {
        return Look::good().with("readyReplicas", 0);
    }
    if let Some(reason) = pull_error(state, image) {
        return failed(format!("ErrImagePull: pod {first}: Failed to pull image \"{image}\": {reason}"));
    }
    for name in object.properties.get("envFrom").and_then(Value::as_array).into_iter().flatten().filter_map(Value::as_str) {
        let found = ["kubernetes/configmap", "kubernetes/secret"]
            .iter()
            .any(|p| state.find(p, name).is_some_and(|o| o.text("namespace") == namespace));
        if !found {
            return failed(format!("CreateContainerConfigError: pod {first}: configmap or secret \"{name}\" not found in {namespace}"));
        }
    }
    for claim in object.properties.get("volumes").and_then(Value::as_array).into_iter().flatten().filter_map(Value::as_str) {
        let name = claim.split(':').next().unwrap_or_default();
        let places = ["kubernetes/persistentvolumeclaim", "kubernetes/configmap", "kubernetes/secret"];
        if !places.iter().any(|p| state.find(p, name).is_some_and(|o| o.text("namespace") == namespace)) {
            return failed(format!("FailedScheduling: pod {first}: persistentvolumeclaim \"{name}\" not found"));
        }
    }
    if let Condition::Dead { exit_code, .. } = &object.condition {
        return failed(format!("CrashLoopBackOff: pod {first}: container {} exited with code {exit_code} (OOMKilled)", object.name));
    }
    for (_, value) in environment(object) {
        if let Some(reason) = unreachable_managed(state, value, seen) {
            return Look::bad(Status::Ready, format!("Readiness probe failed: pod {first}: {reason}")).with("readyReplicas", 0);
        }
        for host in words(value).map(|w| w.split('.').next().unwrap_or(w)) {
            if let Some(service) =
                state.find("kubernetes/service", host).filter(|s| s.text("namespace") == namespace && s.name != object.name)
                && !look(state, service, seen).works()
            {
                let reason = format!("Readiness probe failed: pod {first}: cannot reach {host}: connection refused");
                return Look::bad(Status::Ready, reason).with("readyReplicas", 0);
            }
        }
    }
    Look::good().with("readyReplicas", wanted)
}

fn workloads(state: &State) -> impl Iterator<Item = &Object> {
    state.of("kubernetes", "deployment").chain(state.of("kubernetes", "statefulset"))
}

fn service(state: &State, object: &Object, seen: &mut Vec<String>) -> Look {
    let default = Map::from_iter([("app".to_owned(), Value::String(object.name.clone()))]);
    let selector = object.properties.get("selector").and_then(Value::as_object).filter(|s| !s.is_empty()).unwrap_or(&default);
    let port = object.properties.get("targetPort").or(object.outputs.get("port")).cloned().unwrap_or(json!(80));
    let (mut endpoints, mut matched, mut why) = (Vec::new(), false, None);
    for pods in workloads(state).filter(|w| w.text("namespace") == object.text("namespace")) {
        let have = labels(pods);
        if !selector.iter().all(|(k, v)| have.get(k) == Some(v)) {
            continue;
        }
        matched = true;
        let look = look(state, pods, seen);
        let ready = look.outputs.iter().find(|(n, _)| *n == "readyReplicas").and_then(|(_, v)| v.as_u64()).unwrap_or(0);
        let base = usize::try_from(pods.revision % 200).unwrap_or(0) + 10;
        endpoints.extend((0..ready).map(|i| format!("10.244.{}.{}:{port}", i % 3, base + usize::try_from(i).unwrap_or(0) % 200)));
        why = why.or(look.reason);
    }
    let look = match (matched, endpoints.is_empty()) {
        (false, _) => {
            let wanted: Vec<String> = selector.iter().map(|(k, v)| format!("{k}={}", v.as_str().unwrap_or_default())).collect();
            Look::bad(Status::Ready, format!("no endpoints: no pod matches {}", wanted.join(",")))
        }
        (true, true) => Look::bad(Status::Ready, format!("no ready endpoints: {}", why.unwrap_or_else(|| "no pods".to_owned()))),
        (true, false) => Look::good(),
    };
    look.with("endpoints", json!(endpoints))
}

fn ingress(state: &State, object: &Object, seen: &mut Vec<String>) -> Look {
    let name = object.text("service");
    match state.find("kubernetes/service", name).filter(|s| s.text("namespace") == object.text("namespace")) {
        None => Look::bad(Status::Ready, format!("503: service \"{}/{name}\" does not exist", object.text("namespace"))),
        Some(service) => match look(state, service, seen) {
            l if l.works() => Look::good(),
            l => Look::bad(Status::Ready, format!("503: service {name}: {}", l.reason.unwrap_or_default())),
        },
    }
}

fn autoscaler(state: &State, object: &Object, seen: &mut Vec<String>) -> Look {
    let target = object.text("target");
    match workloads(state).find(|w| w.name == target || w.id == target) {
        None => Look::bad(Status::Ready, format!("FailedGetScale: deployments.apps \"{target}\" not found")),
        Some(found) => {
            let look = look(state, found, seen);
            let now = look.outputs.iter().find(|(n, _)| *n == "readyReplicas").map_or(json!(0), |(_, v)| v.clone());
            Look::good().with("currentReplicas", now)
        }
    }
}
