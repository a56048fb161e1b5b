//! What there is, and whether it works: all deployments, one of them, single resources, a region; and what changed behind Swell's back.

use futures::future::join_all;
use serde_json::{Value, json};

use crate::{
    answer::Answer,
    app::App,
    diagnostic::Failure,
    domain::{Address, DeploymentName},
    store::{Recorded, Run, Snapshot},
};

use super::{
    super::{
        estate::{Estate, Meant},
        look::{Condition, Look, Seen, Tally, look},
        words::{change, count, list, names, property, rows, when},
    },
    Question,
};

/// How many rows of resources are shown when nothing is wrong with them.
const ROWS: usize = 40;

/// All deployments, with how they are.
pub async fn overview(app: &App) -> Result<Answer, Failure> {
    let estate = Estate::load(app).await?;
    if estate.all.is_empty() {
        return Ok(super::nothing_deployed(crate::intent::Facet::Status));
    }
    all(app, &estate, &estate.names().into_iter().cloned().collect::<Vec<_>>()).await
}

async fn all(app: &App, estate: &Estate, wanted: &[DeploymentName]) -> Result<Answer, Failure> {
    let here: Vec<_> = estate.all.iter().filter(|(d, _)| wanted.contains(&d.name)).collect();
    let looks = join_all(here.iter().map(|(_, s)| async move {
        match s {
            Some(s) => Some(look(app, s.clone()).await),
            None => None,
        }
    }))
    .await;
    let mut cells = vec![["deployment", "pattern", "resources", "health", "last run"].map(str::to_owned).to_vec()];
    let mut data = Vec::new();
    let mut unwell = Vec::new();
    let mut dark = Vec::new();
    for ((d, _), look) in here.iter().zip(&looks) {
        let tally = look.as_ref().map(Look::tally).unwrap_or_default();
        let open = d.unsettled > 0 || d.interrupted || ended_badly(d.last_run.as_ref());
        if tally.unhealthy + tally.gone > 0 || open {
            unwell.push(d.name.clone());
        }
        dark.extend(look.iter().flat_map(|l| l.unreachable.keys().cloned()));
        let mut health = tally.text();
        if d.unsettled > 0 {
            health.push_str(&format!(", {} unsettled", d.unsettled));
        }
        cells.push(vec![
            d.name.to_string(),
            d.pattern.clone().unwrap_or_else(|| "a template".into()),
            d.resources.to_string(),
            health,
            d.last_run.as_ref().map(last_run).unwrap_or_default(),
        ]);
        data.push(json!({
            "deployment": d.name, "pattern": d.pattern, "resources": d.resources, "health": tally, "unsettled": d.unsettled,
            "interrupted": d.interrupted, "snapshot": d.snapshot,
            "last_run": d.last_run.as_ref().map(|r| json!({"at": r.began_at, "kind": r.header.kind, "who": r.header.who, "end": r.end})),
        }));
    }
    dark.sort();
    dark.dedup();
    let mut headline = match (here.len(), unwell.len()) {
        (n, 0) if dark.is_empty() => format!("{}, and nothing is wrong with {}.", are(n), if n == 1 { "it" } else { "any" }),
        (n, 0) => format!("{}.", are(n)),
        (n, _) => format!("{}; {} {} not well.", are(n), list(&unwell, 6), if unwell.len() == 1 { "is" } else { "are" }),
    };
    if !dark.is_empty() {
        headline.push_str(&format!(" {} did not answer, so the state of what it holds is not known.", list(&dark, 4)));
    }
    let mut lines = rows(&cells);
    if let Some(first) = unwell.first() {
        lines.push(format!("To find out why: swell -p \"why is {first} not well?\""));
    }
    Ok(Answer { headline, lines, data: json!({"deployments": data}), ..Answer::default() })
}

fn are(n: usize) -> String {
    if n == 1 { "There is 1 deployment".into() } else { format!("There are {n} deployments") }
}

fn ended_badly(run: Option<&Run>) -> bool {
    run.and_then(|r| r.end.as_ref()).is_some_and(|e| e.failed + e.unknown + e.skipped > 0)
}

/// `apply 2026-11-23 08:00 UTC: 21 done`.
pub(super) fn last_run(run: &Run) -> String {
    format!("{} {}: {}", super::history::kind(run), when(run.began_at), super::history::ended(run))
}

/// What runs, or how the named things are.
pub(super) async fn status(q: &Question<'_>) -> Result<Answer, Failure> {
    match &q.meant {
        Meant::Resources { found, called, by_name } => resources(q, found, called, *by_name).await,
        Meant::Deployments(names) if names.len() == 1 => deployment(q, &names[0]).await,
        Meant::Deployments(names) => all(q.app, &q.estate, names).await,
        Meant::Everything | Meant::Nothing { .. } => {
            let names = q.scope();
            all(q.app, &q.estate, &names).await
        }
    }
}

/// `Yes: ` or `No: ` before the answer to "is … up?".
fn verdict(q: &Question<'_>, well: bool) -> &'static str {
    const GOOD: [&str; 9] = ["up", "running", "healthy", "ok", "okay", "alive", "online", "well", "fine"];
    const BAD: [&str; 6] = ["down", "unhealthy", "broken", "degraded", "dead", "offline"];
    let asked = q.words.first().is_some_and(|w| matches!(w.as_str(), "is" | "are"));
    let any = |of: &[&str]| q.words.iter().any(|w| of.contains(&w.as_str()));
    match (asked, any(&GOOD), any(&BAD), well) {
        (true, true, false, true) | (true, false, true, false) => "Yes: ",
        (true, true, false, false) | (true, false, true, true) => "No: ",
        _ => "",
    }
}

async fn deployment(q: &Question<'_>, name: &DeploymentName) -> Result<Answer, Failure> {
    let Some((summary, snapshot)) = q.estate.get(name) else { return Ok(Answer::default()) };
    let Some(snapshot) = snapshot else {
        return Ok(Answer {
            headline: format!("Nothing of {name} is there: its first run changed nothing."),
            lines: vec![
                summary.last_run.as_ref().map(last_run).unwrap_or_default(),
                format!("To find out why: swell -p \"why did {name} fail?\""),
            ],
            data: json!({"deployment": name, "resources": []}),
            ..Answer::default()
        });
    };
    let look = look(q.app, snapshot.clone()).await;
    let tally = look.tally();
    let total = look.seen.len();
    let open = summary.unsettled > 0 || summary.interrupted || ended_badly(summary.last_run.as_ref());
    let headline = if tally.is_well() && !open {
        format!("{}{name} is up: {} there, and no server finds fault with any.", verdict(q, true), all_of(total))
    } else if tally.is_well() {
        format!("{}What was made of {name} is well ({total} of it), but its last run did not end well.", verdict(q, false))
    } else if tally.unhealthy + tally.gone == 0 && tally.pending == 0 {
        format!("How {name} is cannot be told: {} did not answer.", list(&look.unreachable.keys().collect::<Vec<_>>(), 4))
    } else if tally.unhealthy + tally.gone == 0 {
        format!("{}{name} is not ready yet: {} of {}.", verdict(q, false), tally.text(), count(total, "resource", "resources"))
    } else {
        format!("{}{name} is not well: {} of {}.", verdict(q, false), tally.text(), count(total, "resource", "resources"))
    };
    let mut lines = table(q.app, &look);
    if summary.unsettled > 0 {
        lines.push(format!("{} unsettled: swell resume {name}", count(summary.unsettled, "call is", "calls are")));
    }
    if let Some(run) = &summary.last_run {
        lines.push(format!("last run   {}", last_run(run)));
    }
    if let Some((key, value)) = snapshot.outputs.iter().find(|(k, _)| k.to_lowercase().contains("url")) {
        lines.push(format!("{key:<10} {}", super::super::words::shown(q.app, value)));
    }
    if !tally.is_well() || open {
        lines.push(format!("To find out why: swell -p \"why is {name} not well?\""));
    }
    Ok(Answer { headline, lines, data: data(q.app, &look, &tally), ..Answer::default() })
}

fn all_of(n: usize) -> String {
    if n == 1 { "its one resource is".into() } else { format!("all {n} resources are") }
}

/// Resources in trouble first.
fn table(app: &App, look: &Look) -> Vec<String> {
    let mut seen: Vec<&Seen> = look.seen.values().collect();
    seen.sort_by_key(|s| (!s.condition.is_trouble(), !s.condition.is_dark(), s.condition != Condition::Pending));
    let troubled = seen.iter().filter(|s| s.condition.is_trouble() || s.condition.is_dark()).count();
    let shown = ROWS.max(troubled);
    let cells: Vec<Vec<String>> = seen
        .iter()
        .take(shown)
        .map(|s| {
            let note = if s.reason.is_empty() { telling(app, &s.recorded) } else { format!("\"{}\"", s.reason) };
            vec![s.recorded.address.to_string(), s.condition.word().to_owned(), crate::domain::text::clean_line(&note, 120)]
        })
        .collect();
    let mut lines = rows(&cells);
    if seen.len() > shown {
        lines.push(format!("  … and {} more: swell show {}", seen.len() - shown, look.snapshot.deployment));
    }
    lines
}

/// A few outputs that tell what it is and where.
fn telling(app: &App, r: &Recorded) -> String {
    const KEYS: [&str; 14] = [
        "image",
        "url",
        "endpoint",
        "dnsName",
        "host",
        "ip",
        "publicIp",
        "privateIp",
        "port",
        "cidr",
        "cidrBlock",
        "tag",
        "driver",
        "domain",
    ];
    let find = |k: &str| r.outputs.get(k).or_else(|| r.properties.get(k));
    let all = KEYS.iter().filter_map(|k| Some((k, find(k)?))).filter(|(_, v)| v.is_string() || v.is_number());
    all.take(2).map(|(k, v)| format!("{k}={}", property(app, r, k, v))).collect::<Vec<_>>().join(" ")
}

fn data(app: &App, look: &Look, tally: &Tally) -> Value {
    json!({
        "deployment": look.snapshot.deployment,
        "health": tally,
        "resources": look.seen.values().map(|s| row(app, s)).collect::<Vec<_>>(),
        "unreachable": look.unreachable,
    })
}

fn row(app: &App, s: &Seen) -> Value {
    json!({
        "address": s.recorded.address, "id": s.recorded.id, "condition": s.condition.word(), "reason": s.reason,
        "changes": s.changes.iter().map(|c| change(app, c)).collect::<Vec<_>>(),
    })
}

async fn looks(q: &Question<'_>, found: &[(DeploymentName, Address)]) -> Vec<Look> {
    let mut wanted: Vec<&DeploymentName> = found.iter().map(|(d, _)| d).collect();
    wanted.dedup();
    let snapshots = wanted.into_iter().filter_map(|d| q.estate.get(d)?.1.as_ref());
    join_all(snapshots.map(|s| {
        let mut narrowed = s.clone();
        // Only what is asked about is read.
        narrowed.resources.retain(|a, _| found.iter().any(|(d, f)| *d == s.deployment && f == a));
        narrowed.unsettled.retain(|u| found.iter().any(|(d, f)| *d == s.deployment && *f == u.address));
        look(q.app, narrowed)
    }))
    .await
}

async fn resources(q: &Question<'_>, found: &[(DeploymentName, Address)], called: &str, by_name: bool) -> Result<Answer, Failure> {
    let looks = looks(q, found).await;
    let seen: Vec<(&DeploymentName, &Seen)> = looks.iter().flat_map(|l| l.seen.values().map(|s| (&l.snapshot.deployment, s))).collect();
    let data = json!({"called": called, "resources": seen.iter().map(|(d, s)| {
        let mut row = row(q.app, s);
        row["deployment"] = json!(d);
        row
    }).collect::<Vec<_>>()});
    if let [(deployment, one)] = seen.as_slice() {
        let mut answer = single(q, deployment, one);
        answer.data = data;
        return Ok(answer);
    }
    let bad: Vec<&Address> = seen.iter().filter(|(_, s)| s.condition.is_trouble()).map(|(_, s)| &s.recorded.address).collect();
    let dark = seen.iter().filter(|(_, s)| s.condition.is_dark()).count();
    let addresses: Vec<&Address> = seen.iter().map(|(_, s)| &s.recorded.address).collect();
    let mut headline = if by_name {
        format!("{}{} are called {called}", verdict(q, bad.is_empty()), count(seen.len(), "resource", "resources"))
    } else {
        format!(
            "{}{} for \"{called}\": {}",
            verdict(q, bad.is_empty()),
            count(seen.len(), "resource", "resources"),
            list(&names(&addresses), 6)
        )
    };
    headline.push_str(&match (bad.len(), dark) {
        (0, 0) => "; all are well.".to_owned(),
        (0, n) => format!("; of {n} it is not known how they are."),
        _ => format!(
            "; {} in trouble.",
            if bad.len() == 1 { format!("{} is", bad[0].name) } else { format!("{} are", list(&names(&bad), 5)) }
        ),
    });
    let mut deployments: Vec<&DeploymentName> = seen.iter().map(|(d, _)| *d).collect();
    deployments.dedup();
    let cells: Vec<Vec<String>> = seen
        .iter()
        .map(|(d, s)| {
            let note = if s.reason.is_empty() { telling(q.app, &s.recorded) } else { format!("\"{}\"", s.reason) };
            let mut row = vec![s.recorded.address.to_string(), s.condition.word().to_owned(), crate::domain::text::clean_line(&note, 120)];
            if deployments.len() > 1 {
                row.insert(0, d.to_string());
            }
            row
        })
        .collect();
    Ok(Answer { headline, lines: rows(&cells), data, ..Answer::default() })
}

/// One resource, with what is known of it.
fn single(q: &Question<'_>, deployment: &DeploymentName, s: &Seen) -> Answer {
    let r = &s.recorded;
    let server = &r.address.server;
    let how = match s.condition {
        Condition::Healthy => format!("{server} says it is healthy"),
        Condition::Ready => format!("{server} says it is there, and not whether it works"),
        Condition::Pending => format!("{server} says it is not ready yet"),
        Condition::Unhealthy | Condition::Failed if !s.reason.is_empty() => {
            format!("{}: {server} says \"{}\"", s.condition.word(), s.reason)
        }
        Condition::Unhealthy | Condition::Failed => format!("{server} says it is {} and not why", s.condition.word()),
        Condition::Gone => format!("it is gone; {server} has none of this name"),
        Condition::Unreachable => format!("{server} did not answer, so how it is is not known"),
        Condition::Unread => format!("{server} cannot show it"),
    };
    let mut cells = vec![vec!["deployment".to_owned(), deployment.to_string()], vec!["id".to_owned(), r.id.clone()]];
    let outputs = s.live.as_ref().map_or(&r.outputs, |l| &l.outputs);
    let plain = outputs.iter().filter(|(k, v)| !v.is_object() && !v.is_null() && *k != "id");
    cells.extend(plain.take(10).map(|(k, v)| vec![k.clone(), property(q.app, r, k, v)]));
    cells.extend(s.changes.iter().map(|c| vec!["changed".to_owned(), change(q.app, c)]));
    if !r.depends_on.is_empty() {
        cells.push(vec!["needs".into(), list(&r.depends_on, 8)]);
    }
    let mut lines = rows(&cells);
    if s.condition.is_trouble() {
        lines.push(format!("To find out why: swell -p \"why is {} not well?\"", r.address.name));
    }
    let well = matches!(s.condition, Condition::Healthy | Condition::Ready);
    let verdict = if s.condition.is_dark() { "" } else { verdict(q, well) };
    Answer { headline: format!("{verdict}{}: {how}.", r.address), lines, ..Answer::default() }
}

/// What is in a region, from the recorded properties and outputs.
pub(super) fn in_region(q: &Question<'_>, place: &str) -> Answer {
    let holds = |r: &Recorded| {
        let all = r.properties.iter().chain(&r.outputs).chain(&r.sent);
        let mut texts = all.filter_map(|(_, v)| v.as_str());
        // A zone is its region and a letter; an ARN has the region between colons.
        texts.any(|t| {
            t == place || t.strip_prefix(place).is_some_and(|z| z.len() == 1) || t.starts_with("arn:") && t.split(':').nth(3) == Some(place)
        })
    };
    let snapshots = q.snapshots();
    let found: Vec<(&Snapshot, &Recorded)> =
        snapshots.iter().flat_map(|s| s.resources.values().filter(|r| holds(r)).map(move |r| (*s, r))).collect();
    let data = json!({"region": place, "resources": found.iter().map(|(s, r)| json!({"deployment": s.deployment, "address": r.address})).collect::<Vec<_>>()});
    if found.is_empty() {
        return Answer {
            headline: format!("Nothing that Swell recorded is in {place}."),
            lines: vec![format!(
                "Looked at {} of {}. What Swell did not deploy is not among them: swell query \"SELECT address FROM live\"",
                count(snapshots.iter().map(|s| s.resources.len()).sum(), "resource", "resources"),
                count(snapshots.len(), "deployment", "deployments")
            )],
            data,
            ..Answer::default()
        };
    }
    let mut deployments: Vec<&DeploymentName> = found.iter().map(|(s, _)| &s.deployment).collect();
    deployments.dedup();
    let cells: Vec<Vec<String>> =
        found.iter().map(|(s, r)| vec![s.deployment.to_string(), r.address.to_string(), telling(q.app, r)]).collect();
    Answer {
        headline: format!("In {place}: {} of {}.", count(found.len(), "resource", "resources"), list(&deployments, 6)),
        lines: rows(&cells),
        data,
        ..Answer::default()
    }
}

/// Recorded against live.
pub(super) async fn drift(q: &Question<'_>) -> Result<Answer, Failure> {
    let looks = join_all(q.snapshots().into_iter().map(|s| look(q.app, s.clone()))).await;
    let mut lines = Vec::new();
    let mut drifted = Vec::new();
    let mut dark: Vec<String> = Vec::new();
    let mut data = Vec::new();
    for look in &looks {
        for s in look.drifted() {
            let address = &s.recorded.address;
            if s.condition == Condition::Gone {
                lines.push(format!("  {address} is gone"));
            }
            lines.extend(s.changes.iter().map(|c| format!("  {address}  {}", change(q.app, c))));
            drifted.push(address.clone());
            let mut one = row(q.app, s);
            one["deployment"] = json!(look.snapshot.deployment);
            data.push(one);
        }
        dark.extend(look.unreachable.keys().map(ToString::to_string));
    }
    dark.sort();
    dark.dedup();
    let which: Vec<&DeploymentName> = looks.iter().map(|l| &l.snapshot.deployment).collect();
    let total: usize = looks.iter().map(|l| l.seen.len()).sum();
    let mut headline = if drifted.is_empty() {
        format!(
            "Nothing drifted: {} of {} {} as recorded.",
            count(total, "resource", "resources"),
            list(&which, 6),
            if total == 1 { "is" } else { "are" }
        )
    } else {
        format!("{} of {} differ from what Swell recorded.", count(drifted.len(), "resource", "resources"), list(&which, 6))
    };
    if !dark.is_empty() {
        headline.push_str(&format!(" {} did not answer, so what it holds was not compared.", list(&dark, 4)));
    }
    if !drifted.is_empty() {
        lines.push("Recorded first, live second. Who changed it is not known to Swell.".into());
        lines.extend(
            looks
                .iter()
                .filter(|l| l.drifted().next().is_some())
                .map(|l| format!("To see what would set it back: swell plan {}", l.snapshot.deployment)),
        );
    }
    Ok(Answer { headline, lines, data: json!({"drift": data, "not_compared": dark}), ..Answer::default() })
}
