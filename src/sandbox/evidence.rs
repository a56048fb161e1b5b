//! Logs and events of a resource, as its system would show them: what happened to it, and what its trouble looks like from inside.

use serde_json::Value;

use super::view;
use super::world::state::{Object, State};
use crate::mcp::{Health, Live, ServerEvidence};

/// What can be told about an object, newest last.
pub(crate) fn of(state: &State, object: &Object) -> Vec<ServerEvidence> {
    let mut all = vec![];
    let line = |source: &str, text: String| ServerEvidence { source: source.into(), at: None, text };
    let born = |text: String| ServerEvidence { source: "log".into(), at: Some(object.created_at.clone()), text };
    all.extend(opening(object).into_iter().map(born));
    all.extend(object.events.iter().cloned());
    let Some(live) = view::live(state, object) else { return all };
    all.extend(trouble(object, &live).into_iter().map(|(source, text)| line(source, text)));
    all.push(line("describe", describe(object, &live)));
    all
}

/// What a process says when it starts.
fn opening(object: &Object) -> Vec<String> {
    let image = object.text("image");
    let is = |word: &str| image.contains(word);
    if object.server != "docker" || object.kind != "container:run" {
        return Vec::new();
    }
    let text: &[&str] = if is("postgres") {
        &["PostgreSQL init process complete; ready for start up.", "LOG:  database system is ready to accept connections"]
    } else if is("mariadb") || is("mysql") {
        &["[Note] InnoDB: Buffer pool(s) load completed", "[Note] mariadbd: ready for connections. Version: '11.4.4-MariaDB' port: 3306"]
    } else if is("redis") || is("valkey") {
        &["* Running mode=standalone, port=6379.", "* Ready to accept connections tcp"]
    } else if is("wordpress") || is("httpd") || is("php") {
        &[
            "AH00558: apache2: Could not reliably determine the server's fully qualified domain name",
            "AH00094: Command line: 'apache2 -D FOREGROUND'",
        ]
    } else if is("nginx") {
        &["/docker-entrypoint.sh: Configuration complete; ready for start up", "[notice] 1#1: start worker processes"]
    } else if is("haproxy") {
        &["[NOTICE]   (1) : New worker (8) forked", "[NOTICE]   (1) : Loading success."]
    } else if is("mosquitto") || is("emqx") {
        &["mosquitto version 2.0.20 starting", "Opening ipv4 listen socket on port 1883."]
    } else {
        &["started"]
    };
    text.iter().map(|t| (*t).to_owned()).collect()
}

/// What its trouble looks like in logs and events.
fn trouble(object: &Object, live: &Live) -> Vec<(&'static str, String)> {
    let Some(reason) = live.reason.as_deref().filter(|_| live.health != Health::Healthy) else { return Vec::new() };
    let name = &object.name;
    let pod = live.outputs.get("pods").and_then(|p| p.get(0)?.as_str()).unwrap_or(name).to_owned();
    match (object.server.as_str(), object.kind.as_str()) {
        ("docker", "container:run") => match reason.strip_prefix("cannot reach ") {
            Some(rest) => {
                let target = rest.split(':').next().unwrap_or(rest);
                let image = object.text("image");
                let log = if image.contains("wordpress") || image.contains("php") {
                    format!(
                        "PHP Warning:  mysqli_real_connect(): (HY000/2002): Connection refused to {target} in /var/www/html/wp-includes/class-wpdb.php on line 1988"
                    )
                } else if image.contains("node") {
                    format!("Error: connect ECONNREFUSED {target}\n    at TCPConnectWrap.afterConnect [as oncomplete] (node:net:1634:16)")
                } else {
                    format!("error: could not connect to {target}: Connection refused")
                };
                vec![("log", log), ("event", format!("health_status: unhealthy (container={name}): {reason}"))]
            }
            None => vec![("event", format!("health_status: unhealthy (container={name}): {reason}"))],
        },
        ("kubernetes", "deployment" | "statefulset") => {
            let kind = reason.split(':').next().unwrap_or("Failed").replace("Readiness probe failed", "Unhealthy");
            let mut all = vec![("event", format!("Warning  {kind}  pod/{pod}  {reason}"))];
            if kind == "ErrImagePull" {
                all.push(("event", format!("Warning  ImagePullBackOff  pod/{pod}  Back-off pulling image \"{}\"", object.text("image"))));
            }
            all.push((
                "event",
                format!(
                    "Warning  ProgressDeadlineExceeded  deployment/{name}  0 of {} updated replicas are available",
                    text(live, "replicas")
                ),
            ));
            all
        }
        ("kubernetes", _) => vec![("event", format!("Warning  Unhealthy  {}/{name}  {reason}", object.kind))],
        ("opnsense", "haproxy:backend") => vec![("log", format!("haproxy[4123]: backend {name} has no server available! ({reason})"))],
        ("opnsense", "haproxy:server") => {
            vec![("log", format!("haproxy[4123]: Server {name} is DOWN, reason: Layer4 connection problem ({reason})"))]
        }
        ("aws", "elb:targetGroup") => vec![("event", format!("Target health: unhealthy, reason Target.FailedHealthChecks: {reason}"))],
        ("aws", "autoscaling:group") => vec![("event", format!("Failed: Launching a new EC2 instance. {reason}"))],
        _ => vec![("event", reason.to_owned())],
    }
}

/// One line of the kind that `inspect` or `describe` begin with.
fn describe(object: &Object, live: &Live) -> String {
    let health = match live.health {
        Health::Healthy => "healthy",
        Health::Unhealthy => "unhealthy",
        Health::Unknown => "unknown",
    };
    let mut parts = vec![format!("{} {} ({})", object.kind, object.name, object.id), format!("health={health}")];
    for key in [
        "state",
        "exitCode",
        "restarts",
        "readyReplicas",
        "replicas",
        "inService",
        "desiredCapacity",
        "serversUp",
        "serversTotal",
        "healthyTargets",
        "targetCount",
    ] {
        if live.outputs.contains_key(key) {
            parts.push(format!("{key}={}", text(live, key)));
        }
    }
    if let Some(reason) = &live.reason {
        parts.push(format!("reason={reason}"));
    }
    parts.join(" ")
}

fn text(live: &Live, output: &str) -> String {
    match live.outputs.get(output) {
        Some(Value::String(s)) => s.clone(),
        Some(other) => other.to_string(),
        None => String::new(),
    }
}
