//! Backups: what is set up for them. Whether one can be restored is not known to Swell, and the answer says so.

use serde_json::{Value, json};

use crate::{answer::Answer, pattern::Bound, store::Recorded};

use super::{
    super::words::{apart, list, property, rows, shown},
    Question,
};

/// Parameters, resources and properties that are about backups.
pub(super) fn backups(q: &Question<'_>) -> Answer {
    let mut cells = Vec::new();
    let mut with = Vec::new();
    let mut without = Vec::new();
    let mut data = Vec::new();
    for snapshot in q.snapshots() {
        let name = &snapshot.deployment;
        let before = cells.len();
        let mut off = false;
        if let Ok(bound) = serde_json::from_value::<Bound>(snapshot.recipe.provenance.clone()) {
            for p in bound.parameters.iter().filter(|p| about(&p.name) && !p.secret) {
                off |= p.name.ends_with("enabled") && p.value == false;
                cells.push(vec![name.to_string(), p.name.clone(), shown(q.app, &p.value)]);
            }
        }
        let mut holds = false;
        for r in snapshot.resources.values() {
            if about(r.address.name.as_str()) || about(r.address.kind.as_str()) {
                holds = true;
                cells.push(vec![name.to_string(), r.address.to_string(), last(q, r)]);
            } else {
                for (k, v) in r.properties.iter().filter(|(k, v)| about(k) && !v.is_null() && v.as_object().is_none_or(|o| !o.is_empty())) {
                    holds |= *v != Value::Bool(false) && *v != json!(0);
                    cells.push(vec![name.to_string(), format!("{} {k}", r.address), property(q.app, r, k, v)]);
                }
            }
        }
        if holds && !off {
            with.push(name.clone())
        } else {
            without.push(name.clone())
        }
        data.push(json!({"deployment": name, "set_up": holds && !off, "found": &cells[before..]}));
    }
    let headline = match (with.is_empty(), without.is_empty()) {
        (true, _) => format!("Nothing backs up {}.", list(&without, 6)),
        (false, true) => format!("Backups are set up for {}; whether one can be restored is not verified by Swell.", list(&with, 6)),
        (false, false) => {
            format!("Backups are set up for {} and not for {}; none is verified by Swell.", list(&with, 6), list(&without, 6))
        }
    };
    let mut lines = rows(&cells);
    if !with.is_empty() {
        lines.push(
            "Swell sees what is set up, not the copies themselves: when the last one was made is in the logs of what makes it.".into(),
        );
    }
    Answer { headline, lines, data: json!({"backups": data, "restore_verified": false}), ..Answer::default() }
}

fn about(name: &str) -> bool {
    let words = apart(name);
    words.split(' ').any(|w| matches!(w, "backup" | "backups" | "snapshot" | "snapshots" | "retention" | "dump"))
}

/// What a server returned that tells when something was done last.
fn last(q: &Question<'_>, r: &Recorded) -> String {
    let told = r.outputs.iter().filter(|(k, v)| {
        let k = k.to_lowercase();
        (k.contains("last") || k.contains("latest") || k.contains("createdat") || k == "status") && v.is_string()
    });
    told.take(3).map(|(k, v)| format!("{k}={}", property(q.app, r, k, v))).collect::<Vec<_>>().join(" ")
}
