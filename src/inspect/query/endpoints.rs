//! Where things are reached: outputs of deployments, and addresses, names and ports among the outputs of resources.

use serde_json::{Value, json};

use crate::{answer::Answer, store::Recorded};

use super::{
    super::{
        estate::Meant,
        words::{list, property, rows, says, shown},
    },
    Question,
};

/// Words in the name of an output that say that something can be reached there.
const REACHED: [&str; 11] = ["url", "endpoint", "dnsname", "hostname", "host", "fqdn", "publicip", "privateip", "address", "port", "ports"];

fn is_endpoint(name: &str) -> bool {
    let name = name.to_lowercase();
    name == "ip" || REACHED.iter().any(|w| name == *w || name.ends_with(w) && *w != "host")
}

/// The outputs; of single resources what they are reached by.
pub(super) fn endpoints(q: &Question<'_>) -> Answer {
    let mut cells = Vec::new();
    let mut data = Vec::new();
    let narrow = match &q.meant {
        Meant::Resources { found, .. } => Some(found),
        _ => None,
    };
    for snapshot in q.snapshots() {
        if narrow.is_none() {
            for (name, value) in &snapshot.outputs {
                let text = shown(q.app, value);
                data.push(json!({"deployment": snapshot.deployment, "output": name, "value": text}));
                cells.push(vec![snapshot.deployment.to_string(), name.clone(), text]);
            }
        }
        for r in snapshot.resources.values() {
            if narrow.is_some_and(|f| !f.iter().any(|(d, a)| *d == snapshot.deployment && *a == r.address)) {
                continue;
            }
            for (name, value) in reached(r, narrow.is_some()) {
                let text = property(q.app, r, name, value);
                data.push(json!({"deployment": snapshot.deployment, "address": r.address, "output": name, "value": text}));
                cells.push(vec![r.address.to_string(), name.to_owned(), text]);
            }
        }
    }
    let scope = q.scope();
    // "the url of blog": the output of that name is the answer, and the rest is left out.
    let asked = cells.iter().find(|row| says(&q.words, &super::super::words::apart(&row[1]))).cloned();
    if let Some(row) = &asked {
        cells.retain(|c| c[1] == row[1]);
    }
    let headline = match (&asked, cells.first()) {
        (Some(row), _) => format!("{}: {} = {}.", row[0], row[1], row[2]),
        (None, Some(_)) => {
            format!("Where {} {} reached, as recorded:", what(q), if scope.len() == 1 || narrow.is_some() { "is" } else { "are" })
        }
        (None, None) => format!("{} has no outputs, and nothing of it records an address.", list(&scope, 4)),
    };
    let lines = if asked.is_some() && cells.len() == 1 { Vec::new() } else { rows(&cells) };
    Answer { headline, lines, data: json!({"endpoints": data}), ..Answer::default() }
}

fn what(q: &Question<'_>) -> String {
    match &q.meant {
        Meant::Resources { called, .. } => called.clone(),
        _ => list(&q.scope(), 4),
    }
}

/// What a resource is reached by. Of a whole deployment only what leads into it: names, URLs, published ports.
fn reached(r: &Recorded, all: bool) -> impl Iterator<Item = (&String, &Value)> {
    let inner = |k: &str| matches!(k.to_lowercase().as_str(), "host" | "hostname" | "ip" | "privateip" | "address" | "port");
    let outputs = r.outputs.iter().filter(move |(k, _)| is_endpoint(k) && (all || !inner(k)));
    // A published port is set, not returned.
    let ports = r.properties.iter().filter(move |(k, _)| (*k == "ports" || all && *k == "port") && !r.outputs.contains_key(*k));
    let empty = |v: &Value| v.is_null() || v.as_array().is_some_and(Vec::is_empty) || v.as_object().is_some_and(serde_json::Map::is_empty);
    outputs.chain(ports).filter(move |(_, v)| !empty(v))
}
