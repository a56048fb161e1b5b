//! The value of a parameter or a property: the one that the request names, else all of them with who said them.

use serde_json::{Value, json};

use crate::{
    answer::Answer,
    diagnostic::Failure,
    domain::{Address, DeploymentName},
    intent::Provenance,
    pattern::{Bound, BoundParameter, Parameter},
    store::{Recorded, Snapshot},
    ui::value,
};

use super::{
    super::{
        estate::Meant,
        words::{apart, guest, list, property, rows, says, shown},
    },
    Question,
};

/// How many properties are listed when none is asked for by name.
const PROPERTIES: usize = 40;

/// Parameters first: they are what a person chose. Properties of resources when a resource is named or no parameter fits.
pub(super) async fn configuration(q: &Question<'_>) -> Result<Answer, Failure> {
    let mut found = Vec::new();
    if !matches!(q.meant, Meant::Resources { by_name: true, .. }) {
        for snapshot in q.snapshots() {
            found.extend(asked(q, snapshot).into_iter().map(|p| (snapshot, p)));
        }
    }
    if !found.is_empty() {
        return Ok(parameters(q, &found));
    }
    if let Meant::Resources { found, .. } = &q.meant {
        return Ok(of_resources(q, found));
    }
    let scope = q.snapshots();
    let by_word: Vec<(&Snapshot, &Recorded, String)> = scope
        .iter()
        .flat_map(|s| s.resources.values().flat_map(move |r| named_properties(q, r).into_iter().map(move |p| (*s, r, p))))
        .collect();
    if !by_word.is_empty() {
        return Ok(properties(q, &by_word));
    }
    match scope.as_slice() {
        [one] => Ok(everything(q, one)),
        _ => super::status::status(q).await,
    }
}

fn bound(snapshot: &Snapshot) -> Option<Bound> {
    serde_json::from_value(snapshot.recipe.provenance.clone()).ok()
}

/// The parameters that the request names, by their names or by the words that the pattern has for them.
fn asked(q: &Question<'_>, snapshot: &Snapshot) -> Vec<BoundParameter> {
    let Some(bound) = bound(snapshot) else { return Vec::new() };
    let pattern = snapshot.recipe.pattern.as_deref().and_then(|p| q.app.catalog().get(p).ok());
    let leaves: Vec<&Parameter> = pattern.map(|e| e.pattern.leaves()).unwrap_or_default();
    // The name of a deployment is no word for a parameter ("shop" may be both).
    let request: Vec<String> = q.words.iter().filter(|w| !q.named.iter().any(|n| n.as_str().eq_ignore_ascii_case(w))).cloned().collect();
    let strength = |p: &BoundParameter| -> usize {
        let leaf = leaves.iter().find(|l| l.name == p.name);
        let own = [apart(&p.name), p.name.to_lowercase()];
        let phrases = own.iter().map(String::as_str).chain(leaf.iter().flat_map(|l| l.words.iter().map(String::as_str)));
        phrases.filter(|w| says(&request, w)).map(|w| w.split_whitespace().count()).max().unwrap_or(0)
    };
    let scored: Vec<(usize, BoundParameter)> = bound.parameters.into_iter().map(|p| (strength(&p), p)).filter(|(n, _)| *n > 0).collect();
    // "backup schedule" names one parameter, though "backup" alone would name several.
    let best = scored.iter().map(|(n, _)| *n).max().unwrap_or(0);
    scored.into_iter().filter(|(n, _)| *n == best).map(|(_, p)| p).collect()
}

fn shown_parameter(q: &Question<'_>, p: &BoundParameter) -> String {
    match &p.value {
        _ if p.secret => value::SECRET.to_owned(),
        Value::Null => "(not set)".into(),
        value => shown(q.app, value),
    }
}

fn from(q: &Question<'_>, p: &Provenance) -> String {
    match p {
        Provenance::Said { words } => format!("said: \"{}\"", guest(q.app, words, 60)),
        Provenance::Context { what } => format!("from context: {}", guest(q.app, what, 80)),
        Provenance::Default { reason } if reason.is_empty() => "default".into(),
        Provenance::Default { reason } => format!("default: {}", guest(q.app, reason, 100)),
        Provenance::Generated => "generated".into(),
        Provenance::Assumed { model } => format!("assumed by {model}"),
        Provenance::Given => "given on the command line or in a review".into(),
    }
}

fn data(q: &Question<'_>, deployment: &DeploymentName, p: &BoundParameter) -> Value {
    let value = if p.secret { Value::String(value::SECRET.into()) } else { q.app.secrets().redactor().json(&p.value) };
    json!({"deployment": deployment, "parameter": p.name, "value": value, "from": from(q, &p.provenance)})
}

fn parameters(q: &Question<'_>, found: &[(&Snapshot, BoundParameter)]) -> Answer {
    let mut deployments: Vec<&DeploymentName> = found.iter().map(|(s, _)| &s.deployment).collect();
    deployments.dedup();
    let said = |d: &DeploymentName| {
        let parts: Vec<String> =
            found.iter().filter(|(s, _)| s.deployment == *d).map(|(_, p)| format!("{} = {}", p.name, shown_parameter(q, p))).collect();
        format!("{d}: {}", parts.join(", "))
    };
    let cells: Vec<Vec<String>> =
        found.iter().map(|(s, p)| vec![s.deployment.to_string(), p.name.clone(), shown_parameter(q, p), from(q, &p.provenance)]).collect();
    Answer {
        headline: format!("{}.", deployments.iter().take(4).map(|d| said(d)).collect::<Vec<_>>().join("; ")),
        lines: rows(&cells),
        data: json!({"parameters": found.iter().map(|(s, p)| data(q, &s.deployment, p)).collect::<Vec<_>>()}),
        ..Answer::default()
    }
}

/// Properties and outputs whose name the request says.
fn named_properties(q: &Question<'_>, r: &Recorded) -> Vec<String> {
    let all = r.properties.keys().chain(r.outputs.keys());
    let mut names: Vec<String> = all.filter(|k| k.len() > 2 && says(&q.words, &apart(k))).cloned().collect();
    names.sort();
    names.dedup();
    names
}

fn value_of<'r>(r: &'r Recorded, name: &str) -> &'r Value {
    r.properties.get(name).or_else(|| r.outputs.get(name)).unwrap_or(&Value::Null)
}

fn properties(q: &Question<'_>, found: &[(&Snapshot, &Recorded, String)]) -> Answer {
    let cells: Vec<Vec<String>> =
        found.iter().map(|(_, r, p)| vec![r.address.to_string(), p.clone(), property(q.app, r, p, value_of(r, p))]).collect();
    let headline = match cells.as_slice() {
        [one] => format!("{}: {} = {}.", one[0], one[1], one[2]),
        _ => {
            let mut names: Vec<&String> = found.iter().map(|(_, _, p)| p).collect();
            names.sort();
            names.dedup();
            format!("{} of {} resources, as recorded:", list(&names, 4), cells.len())
        }
    };
    let data = found
        .iter()
        .zip(&cells)
        .map(|((s, r, p), row)| json!({"deployment": s.deployment, "address": r.address, "property": p, "value": row[2]}));
    let data = json!({"properties": data.collect::<Vec<_>>()});
    let lines = if cells.len() == 1 { Vec::new() } else { rows(&cells[..cells.len().min(PROPERTIES)]) };
    Answer { headline, lines, data, ..Answer::default() }
}

fn of_resources(q: &Question<'_>, found: &[(DeploymentName, Address)]) -> Answer {
    let all: Vec<(&Snapshot, &Recorded)> = found
        .iter()
        .filter_map(|(d, a)| {
            let snapshot = q.estate.get(d)?.1.as_ref()?;
            Some((snapshot, snapshot.resources.get(a)?))
        })
        .collect();
    let named: Vec<(&Snapshot, &Recorded, String)> =
        all.iter().flat_map(|(s, r)| named_properties(q, r).into_iter().map(move |p| (*s, *r, p))).collect();
    if !named.is_empty() {
        return properties(q, &named);
    }
    let whole: Vec<(&Snapshot, &Recorded, String)> =
        all.iter().flat_map(|(s, r)| r.properties.keys().map(move |p| (*s, *r, p.clone()))).collect();
    let mut answer = properties(q, &whole);
    let addresses: Vec<&Address> = all.iter().map(|(_, r)| &r.address).collect();
    answer.headline = format!("The recorded properties of {}:", list(&addresses, 3));
    answer
}

fn everything(q: &Question<'_>, snapshot: &Snapshot) -> Answer {
    let name = &snapshot.deployment;
    let Some(bound) = bound(snapshot).filter(|b| !b.parameters.is_empty()) else {
        return Answer {
            headline: format!("{name} was made from a template file and has no parameters."),
            lines: vec![format!("Its resources with their properties: swell show {name} --details")],
            data: json!({"parameters": []}),
            ..Answer::default()
        };
    };
    let cells: Vec<Vec<String>> =
        bound.parameters.iter().map(|p| vec![p.name.clone(), shown_parameter(q, p), from(q, &p.provenance)]).collect();
    Answer {
        headline: format!("{name} is made from the pattern {} with these parameters:", snapshot.recipe.pattern.as_deref().unwrap_or("?")),
        lines: rows(&cells),
        data: json!({"parameters": bound.parameters.iter().map(|p| data(q, name, p)).collect::<Vec<_>>()}),
        ..Answer::default()
    }
}
