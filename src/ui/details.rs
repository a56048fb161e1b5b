//! Every property of a step, as a tree: nested, before -> after, with long texts line by line.

use serde_json::Value;

use super::{
    Style,
    lines::{Line, Page, Tone, count},
    review::{LABEL, SIGN},
    rows::{Row, Rows},
    value::{self, SECRET},
};
use crate::{
    domain::{Action, Properties, PropertyPath, path::PathStep},
    plan::{Change, Shown},
};

/// One property, flattened to a leaf.
struct Leaf {
    path: Vec<PathStep>,
    before: Shown,
    after: Shown,
    forces: bool,
}

/// Writes the properties of a row below its line.
pub(super) fn properties(row: &Row, rows: &Rows, style: &Style, page: &mut Page) {
    let mut leaves = Vec::new();
    for change in row.changes() {
        let hidden = change.path.head().is_some_and(|h| row.is_sensitive(h));
        let hide = |s: &Shown| if hidden && *s != Shown::Absent { Shown::Secret } else { s.clone() };
        let change = Change { before: hide(&change.before), after: hide(&change.after), ..change.clone() };
        flatten(&change, &mut leaves);
    }
    if row.changes().is_empty() && row.action == Action::Delete {
        gone(row, &mut leaves);
    }
    let indent = LABEL + SIGN + 2;
    let mut open: Vec<PathStep> = Vec::new();
    for leaf in &leaves {
        let Some((last, parents)) = leaf.path.split_last() else { continue };
        let same = open.iter().zip(parents).take_while(|(a, b)| a == b).count();
        open.truncate(same);
        for step in &parents[same..] {
            let pad = " ".repeat(indent + 2 + 2 * open.len());
            page.flow(Line::of(Tone::Plain, &pad).add(Tone::Dim, &format!("{}:", key(step))), style, indent + 4);
            open.push(step.clone());
        }
        property(leaf, &key(last), indent + 2 * open.len(), rows, style, page);
    }
}

/// Writes properties as they are, as a tree.
pub(super) fn tree(properties: &Properties, indent: usize, style: &Style, page: &mut Page) {
    for (name, v) in properties {
        member(name, v, indent, style, page);
    }
}

fn member(name: &str, v: &Value, indent: usize, style: &Style, page: &mut Page) {
    let line = Line::of(Tone::Plain, &" ".repeat(indent)).add(Tone::Plain, &format!("{name}: "));
    match v {
        Value::Object(_) | Value::Array(_) if !is_empty(v) => {
            page.flow(line, style, indent + 2);
            members(v).iter().for_each(|(step, inner)| member(&key(step), inner, indent + 2, style, page));
        }
        Value::String(text) if text.trim_end().contains('\n') => {
            page.flow(line, style, indent + 2);
            let text = value::mask(text);
            text.lines().for_each(|l| page.flow(Line::of(Tone::Plain, &" ".repeat(indent + 2)).add(Tone::Plain, l), style, indent + 2));
        }
        _ => page.flow(line.add(Tone::Info, &value::inline(v)), style, indent + 4),
    }
}

fn key(step: &PathStep) -> String {
    match step {
        PathStep::Key(k) => k.clone(),
        PathStep::Index(i) => format!("[{i}]"),
    }
}

/// What is deleted, as it was.
fn gone(row: &Row, leaves: &mut Vec<Leaf>) {
    let Some(before) = &row.step.before else { return };
    for (name, v) in value::hide(&before.properties, &before.sensitive) {
        let path = PropertyPath::key(name);
        flatten(&Change { path, before: Shown::Value(v), after: Shown::Absent, forces_replace: false }, leaves);
    }
}

/// Splits a change of objects or lists into the changes of their members; members that are equal are left out.
fn flatten(change: &Change, leaves: &mut Vec<Leaf>) {
    let inner = |s: &Shown| match s {
        Shown::Value(v @ (Value::Object(_) | Value::Array(_))) if !is_empty(v) => Some(members(v)),
        _ => None,
    };
    let known = |s: &Shown| matches!(s, Shown::Absent | Shown::Value(_));
    let (old, new) = (inner(&change.before), inner(&change.after));
    let splits = match (&old, &new) {
        (Some(_), Some(_)) => true,
        (Some(_), None) => change.after == Shown::Absent,
        (None, Some(_)) => change.before == Shown::Absent,
        (None, None) => false,
    };
    if !splits || !known(&change.before) || !known(&change.after) {
        leaves.push(Leaf {
            path: change.path.0.clone(),
            before: change.before.clone(),
            after: change.after.clone(),
            forces: change.forces_replace,
        });
        return;
    }
    let (old, new) = (old.unwrap_or_default(), new.unwrap_or_default());
    let find = |side: &[(PathStep, Value)], step: &PathStep| side.iter().find(|(s, _)| s == step).map(|(_, v)| v.clone());
    let mut steps: Vec<PathStep> = old.iter().map(|(s, _)| s.clone()).collect();
    steps.extend(new.iter().map(|(s, _)| s.clone()).filter(|s| find(&old, s).is_none()));
    for step in steps {
        let (a, b) = (find(&old, &step), find(&new, &step));
        if a != b {
            let mut path = change.path.clone();
            path.0.push(step);
            let shown = |v: Option<Value>| v.map_or(Shown::Absent, Shown::Value);
            flatten(&Change { path, before: shown(a), after: shown(b), forces_replace: change.forces_replace }, leaves);
        }
    }
}

fn is_empty(value: &Value) -> bool {
    value.as_object().is_some_and(|m| m.is_empty()) || value.as_array().is_some_and(|a| a.is_empty())
}

fn members(value: &Value) -> Vec<(PathStep, Value)> {
    match value {
        Value::Object(map) => map.iter().map(|(k, v)| (PathStep::Key(k.clone()), v.clone())).collect(),
        Value::Array(items) => items.iter().enumerate().map(|(n, v)| (PathStep::Index(n), v.clone())).collect(),
        _ => Vec::new(),
    }
}

fn property(leaf: &Leaf, name: &str, indent: usize, rows: &Rows, style: &Style, page: &mut Page) {
    let (sign, tone) = match (&leaf.before, &leaf.after) {
        (Shown::Absent, _) => ("+ ", Tone::Good),
        (_, Shown::Absent) => ("- ", Tone::Bad),
        _ => ("~ ", Tone::Warn),
    };
    let mut line = Line::of(Tone::Plain, &" ".repeat(indent)).add(tone, sign).add(Tone::Plain, &format!("{name}: "));
    if let Some((old, new)) = texts(leaf) {
        if leaf.forces {
            line.push(Tone::Replace, "(forces replace)");
        }
        page.flow(line, style, indent + 4);
        text_lines(&old, &new, indent + 4, style, page);
        return;
    }
    match (&leaf.before, &leaf.after) {
        (Shown::Secret, Shown::Secret) => line.push(Tone::Dim, &format!("{SECRET} (changed)")),
        (Shown::Absent, after) => line.append(value::line(after, rows)),
        (before, Shown::Absent) => line.append(value::line(before, rows)),
        (before, after) => {
            line.append(value::line(before, rows));
            line.push(Tone::Dim, " -> ");
            line.append(value::line(after, rows));
        }
    }
    if leaf.forces {
        line.push(Tone::Replace, " (forces replace)");
    }
    page.flow(line, style, indent + 4);
}

/// Both sides as text if at least one of them has several lines.
fn texts(leaf: &Leaf) -> Option<(String, String)> {
    let text = |s: &Shown| match s {
        Shown::Value(Value::String(s)) => Some(value::mask(s)),
        Shown::Absent => Some(String::new()),
        _ => None,
    };
    let (old, new) = (text(&leaf.before)?, text(&leaf.after)?);
    (old.trim_end().contains('\n') || new.trim_end().contains('\n')).then_some((old, new))
}

/// The lines that differ, between the lines that both begin and end with.
fn text_lines(old: &str, new: &str, indent: usize, style: &Style, page: &mut Page) {
    let (old, new): (Vec<&str>, Vec<&str>) = (old.lines().collect(), new.lines().collect());
    let head = old.iter().zip(&new).take_while(|(a, b)| a == b).count();
    let tail = old[head..].iter().rev().zip(new[head..].iter().rev()).take_while(|(a, b)| a == b).count();
    let mut write = |tone: Tone, sign: &str, text: &str| {
        page.flow(Line::of(Tone::Plain, &" ".repeat(indent)).add(tone, sign).add(tone, text), style, indent + 2);
    };
    if head > 0 {
        write(Tone::Dim, "  ", &format!("({} as before)", count(head, "line", "lines")));
    }
    old[head..old.len() - tail].iter().for_each(|l| write(Tone::Bad, "- ", l));
    new[head..new.len() - tail].iter().for_each(|l| write(Tone::Good, "+ ", l));
    if tail > 0 {
        write(Tone::Dim, "  ", &format!("({} as before)", count(tail, "line", "lines")));
    }
}
