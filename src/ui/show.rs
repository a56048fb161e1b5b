//! What is recorded, for people: a deployment's resources, its history, its outputs, its drift.
//!
//! Sensitive properties and outputs are never shown, not even at [`Level::Details`].

use indexmap::IndexMap;
use serde_json::Value;

use super::{
    Style, details,
    lines::{Line, Page, Tone, count, duration},
    review::tone,
    rows::Rows,
    summary,
    table::Table,
    telling, value,
};
use crate::{
    domain::{Action, Address, DeploymentName, Properties, Timestamp},
    plan::{Drift, Plan},
    review::Level,
    store::{Entry, EntryBody, Recorded, Run, RunKind, Sighting, Snapshot},
};

/// A snapshot: what is there, what nobody knows, the outputs.
pub fn snapshot(snapshot: &Snapshot, level: Level, style: &Style) -> String {
    let mut page = Page::default();
    let mut head = vec![
        Line::of(Tone::Bold, snapshot.deployment.as_str()),
        Line::of(Tone::Plain, &format!("snapshot {}", snapshot.number)),
        Line::of(Tone::Plain, &when(&snapshot.at)),
        Line::of(Tone::Plain, &count(snapshot.resources.len(), "resource", "resources")),
    ];
    if let Some(pattern) = &snapshot.recipe.pattern {
        let version = snapshot.recipe.pattern_version.as_deref().map(|v| format!(" {v}")).unwrap_or_default();
        head.push(Line::of(Tone::Dim, &format!("pattern {pattern}{version}")));
    }
    page.items(Line::new(), head, style, 0);
    if level == Level::Details {
        for record in snapshot.resources.values() {
            page.line(Line::new());
            resource(record, style, &mut page);
        }
        page.line(Line::new());
    } else if !snapshot.resources.is_empty() {
        let mut table = Table::new(&["resource", "id", "outputs"]);
        for record in snapshot.resources.values() {
            let outputs = Line::of(Tone::Plain, &brief(&value::hide(&record.outputs, &record.sensitive), &record.id));
            table.lines(vec![Line::of(Tone::Plain, &record.address.to_string()), Line::of(Tone::Dim, &record.id), outputs]);
        }
        page.lines.extend(table.page(style).lines);
    }
    for unsettled in &snapshot.unsettled {
        let line = Line::of(Tone::Warn, "? ").add(Tone::Plain, &format!("{} {}", unsettled.action, unsettled.address));
        page.flow(line.add(Tone::Dim, "  unknown, the next plan asks the server  ").join(summary::quote(&unsettled.reason)), style, 4);
    }
    if !snapshot.outputs.is_empty() {
        page.line(Line::of(Tone::Dim, "outputs"));
        named(&snapshot.outputs, "  ", style, &mut page);
    }
    page.render(style)
}

/// The scalars of some outputs, without the id that stands beside them.
fn brief(outputs: &Properties, id: &str) -> String {
    let scalar = |v: &Value| !v.is_null() && !v.is_array() && !v.is_object();
    let shown = outputs.iter().filter(|(k, v)| scalar(v) && k.as_str() != "id" && v.as_str() != Some(id));
    shown.map(|(k, v)| format!("{k} {}", value::inline(v))).collect::<Vec<_>>().join(" · ")
}

/// All of one resource.
pub fn resource(record: &Recorded, style: &Style, page: &mut Page) {
    let head = Line::of(Tone::Bold, &record.address.to_string()).add(Tone::Dim, &format!("  id {}  on {}", record.id, record.target));
    page.flow(head, style, 4);
    let mut flags = Vec::new();
    if record.holds_data {
        flags.push("holds data");
    }
    if record.lifecycle.prevent_destroy {
        flags.push("is never destroyed");
    }
    if !flags.is_empty() {
        page.flow(Line::of(Tone::Warn, &format!("  {}", flags.join(", "))), style, 4);
    }
    if !record.depends_on.is_empty() {
        let names: Vec<String> = record.depends_on.iter().map(ToString::to_string).collect();
        page.flow(Line::of(Tone::Dim, "  needs ").add(Tone::Plain, &names.join(", ")), style, 8);
    }
    for (title, properties) in [("properties", &record.properties), ("outputs", &record.outputs)] {
        if !properties.is_empty() {
            page.line(Line::of(Tone::Dim, &format!("  {title}")));
            details::tree(&value::hide(properties, &record.sensitive), 4, style, page);
        }
    }
}

/// The template's outputs.
pub fn outputs(outputs: &IndexMap<String, Value>, style: &Style) -> String {
    let mut page = Page::default();
    if outputs.is_empty() {
        page.line(Line::of(Tone::Dim, "There are no outputs."));
    }
    named(outputs, "", style, &mut page);
    page.render(style)
}

/// What was last seen not to be as recorded.
pub fn last_seen(deployment: &DeploymentName, all: &[(Sighting, Drift)], style: &Style) -> String {
    let mut page = Page::default();
    if let Some((first, _)) = all.first() {
        let text = format!("not as recorded, as seen {} UTC ({})", when(&first.at), first.seen_by);
        page.line(Line::of(Tone::Warn, &text));
    }
    for (_, drift) in all {
        page.lines.extend(super::list::one_drift(deployment.as_str(), drift, style).lines);
    }
    page.render(style)
}

/// Outputs of a deployment that are other ones now, as was last seen.
pub fn outputs_seen(deployment: &DeploymentName, all: &[(Sighting, Drift)], style: &Style) -> String {
    let mut page = Page::default();
    for (sighting, drift) in all {
        for change in &drift.outputs {
            let own = change.dependants.iter().filter(|d| d.deployment == *deployment).filter_map(|d| d.output.as_deref());
            let names: Vec<&str> = own.collect();
            if !names.is_empty() {
                let (before, after) = (value::text(&change.before), value::text(&change.after));
                let what = format!("! {} uses {}.{}: {before} -> {after}", names.join(", "), drift.address, change.path);
                let line = Line::of(Tone::Warn, &what).add(Tone::Dim, &format!(" (seen {} UTC, {})", when(&sighting.at), sighting.seen_by));
                page.flow(line, style, 2);
            }
        }
    }
    if !page.lines.is_empty() {
        page.line(Line::of(Tone::Dim, &format!("  recorded anew with the next run: swell plan {deployment}")));
    }
    page.render(style)
}

fn named(values: &IndexMap<String, Value>, indent: &str, style: &Style, page: &mut Page) {
    let widest = values.keys().map(|k| super::lines::width(k)).max().unwrap_or(0).min(30) + indent.len();
    for (name, v) in values {
        let line = Line::of(Tone::Plain, &format!("{indent}{name}")).pad(widest).add(Tone::Dim, " = ").add(Tone::Info, &value::inline(v));
        page.flow(line, style, widest + 3);
    }
}

/// The runs, newest first as they are given: when, who, what, why, how it ended.
pub fn history(runs: &[Run], style: &Style) -> String {
    if runs.is_empty() {
        return "There are no runs.\n".into();
    }
    let several = runs.iter().any(|r| r.header.deployment != runs[0].header.deployment);
    let mut heads = vec!["when (UTC)", "what", "request", "ended", "snapshot", "who", "run"];
    if several {
        heads.insert(1, "deployment");
    }
    let mut table = Table::new(&heads);
    for run in runs {
        let h = &run.header;
        let plain = |text: &str| Line::of(Tone::Plain, text);
        let dim = |text: &str| Line::of(Tone::Dim, text);
        let number = run.snapshot.map_or_else(|| "-".to_owned(), |n| n.to_string());
        let mut cells = vec![
            plain(&when(&run.began_at)),
            plain(kind(h.kind)),
            plain(&h.request),
            ending(run),
            plain(&number),
            dim(&h.who),
            dim(&h.id.0),
        ];
        if several {
            cells.insert(1, plain(h.deployment.as_str()));
        }
        table.lines(cells);
    }
    table.render(style)
}

/// One run, with the steps that the journal has of it.
pub fn run(run: &Run, entries: &[Entry], style: &Style) -> String {
    let h = &run.header;
    let mut page = Page::default();
    let mut head = vec![
        Line::of(Tone::Bold, &format!("run {}", h.id)),
        Line::of(Tone::Plain, &format!("{} {}", kind(h.kind), h.deployment)),
        Line::of(Tone::Plain, &when(&run.began_at)),
        ending(run),
    ];
    if let Some(end) = &run.ended_at {
        let ms = end.as_millisecond().saturating_sub(run.began_at.as_millisecond());
        head.push(Line::of(Tone::Dim, &duration(u64::try_from(ms).unwrap_or(0))));
    }
    page.items(Line::new(), head, style, 0);
    let snapshot = run.snapshot.map_or_else(|| "none".to_owned(), |n| n.to_string());
    let base = if h.base == 0 { "nothing".to_owned() } else { format!("snapshot {}", h.base) };
    for (name, text) in
        [("request", &h.request), ("who", &h.who), ("approved", &h.approval), ("plan", &h.plan), ("from", &base), ("snapshot", &snapshot)]
    {
        page.items(Line::of(Tone::Dim, name), vec![Line::of(Tone::Plain, text)], style, 10);
    }
    for entry in entries {
        entry_line(entry, style, &mut page);
    }
    page.render(style)
}

fn entry_line(entry: &Entry, style: &Style, page: &mut Page) {
    let number = Line::of(Tone::Dim, &format!("{:>5}  {}  ", entry.number, entry.at.strftime("%H:%M:%S")));
    let line = match &entry.body {
        EntryBody::StepEnded { address, action, outcome, error, elapsed_ms, .. } => {
            let (sign, tone) = match outcome {
                crate::domain::Outcome::Done => ("✓", Tone::Good),
                crate::domain::Outcome::Failed => ("✗", Tone::Bad),
                crate::domain::Outcome::Unknown => ("?", Tone::Warn),
                crate::domain::Outcome::Skipped => ("–", Tone::Dim),
            };
            let line = number
                .add(tone, sign)
                .add(Tone::Plain, &format!(" {action} {address}"))
                .add(Tone::Dim, &format!("  {outcome}, {}  ", duration(*elapsed_ms)));
            error.iter().fold(line, |line, words| line.join(summary::quote(words)))
        }
        EntryBody::Settled { address, resource, how, .. } => {
            let is = if resource.is_some() { "is there" } else { "is not there" };
            number.add(Tone::Info, "=").add(Tone::Plain, &format!(" {address} {is}")).add(Tone::Dim, &format!("  {how}"))
        }
        EntryBody::Forgotten { address, why } => {
            number.add(Tone::Dim, ".").add(Tone::Plain, &format!(" forgot {address}")).add(Tone::Dim, &format!("  {why}"))
        }
        EntryBody::Adopted { resource } => number.add(Tone::Info, "=").add(Tone::Plain, &format!(" adopted {}", resource.address)),
        EntryBody::Refreshed { resource } => number
            .add(Tone::Info, "=")
            .add(Tone::Plain, &format!(" {}", resource.address))
            .add(Tone::Dim, "  its outputs were recorded anew"),
        EntryBody::RunBegan { .. } | EntryBody::StepBegan { .. } | EntryBody::RunEnded { .. } => return,
    };
    page.flow(line, style, 17);
}

fn ending(run: &Run) -> Line {
    match &run.end {
        None => Line::of(Tone::Warn, "not ended"),
        Some(end) if end.failed == 0 && end.unknown == 0 && end.skipped == 0 && !end.interrupted => {
            Line::of(Tone::Good, &format!("{} done", end.done))
        }
        Some(end) => {
            let mut parts = vec![format!("{} done", end.done)];
            for (n, word) in [(end.failed, "failed"), (end.unknown, "unknown"), (end.skipped, "not started")] {
                if n > 0 {
                    parts.push(format!("{n} {word}"));
                }
            }
            if end.interrupted {
                parts.push("stopped".into());
            }
            Line::of(if end.failed > 0 { Tone::Bad } else { Tone::Warn }, &parts.join(", "))
        }
    }
}

fn kind(kind: RunKind) -> &'static str {
    match kind {
        RunKind::Apply => "apply",
        RunKind::Destroy => "destroy",
        RunKind::Rollback => "rollback",
        RunKind::Undo => "undo",
        RunKind::Resume => "resume",
        RunKind::Runbook => "runbook",
        RunKind::Import => "import",
        RunKind::Refresh => "refresh",
    }
}

fn when(at: &Timestamp) -> String {
    at.strftime("%Y-%m-%d %H:%M").to_string()
}

/// What a refresh found: `plan` is the plan that only refreshed.
pub fn drift(plan: &Plan, style: &Style) -> String {
    let mut page = Page::default();
    let rows = Rows::new(plan);
    for drift in &plan.drift {
        let sign = if drift.gone { Action::Delete } else { Action::Update };
        page.flow(one_line(sign, &drift.address, drift), style, 4);
        for change in &drift.changes {
            for (path, text) in telling::apart(change, &rows) {
                page.flow(Line::of(Tone::Plain, &format!("      {path}: ")).join(text), style, 8);
            }
        }
    }
    let text = match plan.drift.len() {
        0 => format!("No drift: {} as recorded.", count(plan.kept.len(), "resource is", "resources are")),
        n => format!("Drift: {} not as recorded.", count(n, "resource is", "resources are")),
    };
    page.flow(Line::of(Tone::Bold, &text), style, 2);
    page.render(style)
}

fn one_line(action: Action, address: &Address, drift: &Drift) -> Line {
    let line = Line::of(tone(action), action.sign()).pad(4).add(Tone::Plain, &address.to_string());
    let line = if drift.gone { line.add(Tone::Bad, "  gone from the server") } else { line };
    match &drift.unhealthy {
        Some(words) => line.add(Tone::Bad, "  does not work: ").join(summary::quote(words)),
        None => line,
    }
}
