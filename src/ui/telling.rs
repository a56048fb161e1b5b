//! What one line says of a step: the few properties that tell most, what changes, why it goes.

use super::{
    differing,
    lines::{Line, Tone, count},
    rows::{Row, Rows},
    value::{self, SECRET},
};
use crate::{
    domain::{Action, PropertyPath, path::PathStep},
    plan::{Change, Shown},
};

/// Why it is done and what is lost, without properties.
pub(super) fn reasons(row: &Row) -> Line {
    let mut parts = Vec::new();
    if row.loses_data() {
        parts.push(Line::of(Tone::Bad, "data is lost"));
    }
    if let Some(why) = &row.step.because {
        parts.push(Line::of(Tone::Plain, why));
    }
    if let Some(why) = row.step.replace.as_ref().filter(|_| row.action == Action::Replace) {
        parts.push(Line::of(Tone::Replace, &format!("replaced: {why}")));
    }
    if let Some(id) = &row.step.id {
        parts.push(Line::of(Tone::Dim, &format!("id {id}")));
    }
    if let Some(tool) = &row.step.tool {
        parts.push(Line::of(Tone::Dim, &format!("tool {tool}")));
    }
    dotted(parts, usize::MAX)
}

/// Why a change is made, where that is known.
pub(super) fn reasons_of_change(row: &Row) -> Line {
    row.step.because.as_ref().map(|why| Line::of(Tone::Plain, why)).unwrap_or_default()
}

/// Property names that say most about a resource, most telling first.
const TELLING: [&str; 33] = [
    "image",
    "tag",
    "cidr",
    "cidrBlock",
    "subnet",
    "port",
    "ports",
    "ingress",
    "egress",
    "engine",
    "engineVersion",
    "version",
    "replicas",
    "minSize",
    "maxSize",
    "instanceType",
    "instanceClass",
    "driver",
    "size",
    "storage",
    "allocatedStorage",
    "domain",
    "domainName",
    "host",
    "hostname",
    "type",
    "action",
    "protocol",
    "source",
    "destination",
    "interface",
    "schedule",
    "mode",
];

/// The few most telling properties, in `room` columns.
pub(super) fn telling(row: &Row, rows: &Rows, room: usize) -> Line {
    let mut parts = Vec::new();
    if row.loses_data() {
        parts.push(Line::of(Tone::Bad, "data is lost"));
    }
    let changes = row.changes();
    match row.action {
        Action::Replace => {
            for c in changes.iter().filter(|c| c.forces_replace) {
                for (path, text) in differences(row, c, rows) {
                    parts.push(Line::of(Tone::Plain, &path).add(Tone::Replace, " changed (forces replace): ").join(text));
                }
            }
            if !changes.iter().any(|c| c.forces_replace) {
                parts.push(Line::of(Tone::Replace, row.step.replace.as_deref().unwrap_or("must be replaced")));
            }
        }
        Action::Update => {
            for c in changes {
                parts.extend(
                    differences(row, c, rows).into_iter().map(|(path, text)| Line::of(Tone::Plain, &format!("{path} ")).join(text)),
                );
            }
        }
        Action::Create => {
            let rank = |name: &str| TELLING.iter().position(|t| *t == name).unwrap_or(TELLING.len());
            let mut scalars: Vec<(usize, Line)> = Vec::new();
            for c in changes {
                let name = c.path.to_string();
                let hidden = matches!(c.after, Shown::Secret) || c.path.head().is_some_and(|h| row.is_sensitive(h));
                let (extra, text) = match &c.after {
                    _ if hidden => (100, SECRET.to_owned()),
                    Shown::Absent => continue,
                    Shown::AfterApply(v) => (200, value::inline(v)),
                    Shown::From { value, address } => (50, format!("{} (from {address})", value::inline(value))),
                    Shown::Secret => (100, SECRET.to_owned()),
                    Shown::Value(v) if is_flat(v) => (0, value::inline(v)),
                    // Its entries stand in the details; that it is there must be seen here.
                    Shown::Value(v) => match entries(v) {
                        0 => continue,
                        n => (if TELLING.contains(&name.as_str()) { 0 } else { 60 }, format!("({})", count(n, "entry", "entries"))),
                    },
                };
                if text != row.address().name.as_str() {
                    scalars.push((rank(&name) + extra, Line::of(Tone::Dim, &format!("{name} ")).add(value::tone(&c.after), &text)));
                }
            }
            scalars.sort_by_key(|(rank, _)| *rank);
            parts.extend(scalars.into_iter().map(|(_, line)| line));
        }
        Action::Delete => {}
        Action::Adopt | Action::Forget | Action::Read | Action::Keep => {
            if let Some(id) = &row.step.id {
                parts.push(Line::of(Tone::Dim, &format!("id {id}")));
            }
        }
    }
    if let Some(why) = &row.step.because {
        parts.insert(parts.len().min(usize::from(row.loses_data())), Line::of(Tone::Plain, why));
    }
    dotted(parts, room)
}

/// Short enough for one line: a scalar, or a short list of scalars.
fn is_flat(value: &serde_json::Value) -> bool {
    match value {
        serde_json::Value::Array(items) => !items.is_empty() && items.len() <= 4 && items.iter().all(|i| !i.is_array() && !i.is_object()),
        serde_json::Value::Object(_) | serde_json::Value::Null => false,
        serde_json::Value::String(s) => !s.contains('\n'),
        _ => true,
    }
}

/// How many entries a list or a map has; a text of several lines has its lines.
fn entries(value: &serde_json::Value) -> usize {
    match value {
        serde_json::Value::Array(items) => items.len(),
        serde_json::Value::Object(map) => map.len(),
        serde_json::Value::String(text) => text.lines().count(),
        _ => 0,
    }
}

/// Joins the parts that fit with ` · `; says how many are left out.
fn dotted(parts: Vec<Line>, room: usize) -> Line {
    let whole = parts.iter().map(|p| p.width() + 3).sum::<usize>().saturating_sub(3);
    let more = if whole <= room { 0 } else { format!(" · +{}", parts.len()).chars().count() };
    let mut line = Line::new();
    let mut left_out = 0;
    for part in parts {
        if line.is_empty() {
            line.append(part.fit(room.saturating_sub(more)));
        } else if line.width() + 3 + part.width() + more <= room {
            line.push(Tone::Dim, " · ");
            line.append(part);
        } else {
            left_out += 1;
        }
    }
    if left_out > 0 {
        line.push(Tone::Dim, &format!(" · +{left_out}"));
    }
    line
}

/// What differs in a property: paths, each with `before -> after`, or with the entries that come (`+ a, b`) and go (`- c`).
fn differences(row: &Row, change: &Change, rows: &Rows) -> Vec<(String, Line)> {
    if change.path.head().is_some_and(|h| row.is_sensitive(h)) {
        return vec![(change.path.to_string(), Line::of(Tone::Dim, &format!("{SECRET} (changed)")))];
    }
    apart(change, rows)
}

/// The same of a change that holds nothing sensitive.
pub(super) fn apart(change: &Change, rows: &Rows) -> Vec<(String, Line)> {
    let mut out: Vec<(String, Line)> = Vec::new();
    let mut sign_of_last = "";
    for leaf in differing::leaves(change) {
        let (sign, tone, one) = match (&leaf.before, &leaf.after) {
            (Shown::Absent, after) => ("+", Tone::Good, after),
            (before, Shown::Absent) => ("-", Tone::Bad, before),
            _ => ("", Tone::Plain, &leaf.after),
        };
        let Some((holder, step)) = differing::held(&leaf, change).filter(|_| !sign.is_empty()) else {
            sign_of_last = "";
            out.push((PropertyPath(leaf.path.clone()).to_string(), arrow(&leaf.before, &leaf.after, rows)));
            continue;
        };
        let entry = match step {
            PathStep::Key(key) => Line::of(Tone::Plain, &format!("{key}: ")).join(value::line(one, rows)),
            PathStep::Index(_) => value::line(one, rows),
        };
        let holder = holder.to_string();
        match out.last_mut().filter(|(path, _)| *path == holder && !sign_of_last.is_empty()) {
            Some((_, line)) if sign_of_last == sign => line.push(Tone::Plain, ", "),
            Some((_, line)) => line.push(tone, &format!(" {sign} ")),
            None => out.push((holder, Line::of(tone, &format!("{sign} ")))),
        }
        if let Some((_, line)) = out.last_mut() {
            line.append(entry);
        }
        sign_of_last = sign;
    }
    out
}

pub(super) fn arrow(before: &Shown, after: &Shown, rows: &Rows) -> Line {
    if (before, after) == (&Shown::Secret, &Shown::Secret) {
        return Line::of(Tone::Dim, &format!("{SECRET} (changed)"));
    }
    let (old, new) = (value::text(before), value::text(after));
    let short = value::short_after(&old, &new);
    let line = Line::of(Tone::Plain, &old).add(Tone::Dim, " -> ").add(value::tone(after), short);
    value::annotate(line, after, rows)
}
