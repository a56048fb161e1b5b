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
            for (name, value) in reached(r) {
                let text = property(q.app, r, name, value);
                data.push(json!({"deployment": snapshot.deployment, "address": r.address, "output": name, "value": text}));
                cells.push(vec![r.address.to_string(), name.to_owned(), text]);
            }
        }
    }
    let scope = q.scope();
    // "the url of blog": the output of that name is the answer.
    let asked = cells.iter().find(|row| says(&q.words, &super::super::words::apart(&row[1])));
    let headline = match (asked, cells.first()) {
        (Some(row), _) => format!("{}: {} = {}.", row[0], row[1], row[2]),
        (None, Some(_)) => format!("Where {} {} reached, as recorded:", what(q), if scope.len() == 1 || narrow.is_some() { "is" } else { "are" }),
        (None, None) => format!("{} has no outputs, and nothing of it records an address.", list(&scope, 4)),
    };
    Answer { headline, lines: rows(&cells), data: json!({"endpoints": data}), ..Answer::default() }
}

fn what(q: &Question<'_>) -> String {
    match &q.meant {
        Meant::Resources { called, .. } => called.clone(),
        _ => list(&q.scope(), 4),
    }
}

fn reached(r: &Recorded) -> impl Iterator<Item = (&String, &Value)> {
    let outputs = r.outputs.iter().filter(|(k, _)| is_endpoint(k));
    // A published port is set, not returned.
    let ports = r.properties.iter().filter(|(k, _)| matches!(k.as_str(), "port" | "ports") && !r.outputs.contains_key(*k));
    outputs.chain(ports).filter(|(_, v)| !v.is_null() && v.as_array().is_none_or(|a| !a.is_empty()))
}
