//! Every property of a step, as a tree: nested, before -> after, with long texts line by line.

use serde_json::Value;

use super::{
    Style,
    differing::{self, Leaf},
    lines::{Line, Page, Tone, count},
    review::{LABEL, SIGN},
    rows::{Row, Rows},
    value::{self, SECRET},
};
use crate::{
    domain::{Action, Properties, PropertyPath, path::PathStep},
    plan::{Change, Shown},
};

/// Writes the properties of a row below its line.
pub(super) fn properties(row: &Row, rows: &Rows, style: &Style, page: &mut Page) {
    let mut leaves = Vec::new();
    for change in row.changes() {
        let hidden = change.path.head().is_some_and(|h| row.is_sensitive(h));
        let hide = |s: &Shown| if hidden && *s != Shown::Absent { Shown::Secret } else { s.clone() };
        let change = Change { before: hide(&change.before), after: hide(&change.after), ..change.clone() };
        leaves.extend(differing::leaves(&change));
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

/// Lines below a row of a brief review, at most.
const BRIEF: usize = 8;

/// The properties of a row below its line, as many as a brief review has room for.
pub(super) fn in_brief(row: &Row, rows: &Rows, style: &Style, page: &mut Page) {
    let mut whole = Page::default();
    properties(row, rows, style, &mut whole);
    let more = whole.lines.len().saturating_sub(BRIEF);
    // One line more instead of a line that says so.
    let shown = if more == 1 { whole.lines.len() } else { whole.lines.len() - more };
    page.lines.extend(whole.lines.into_iter().take(shown));
    if more > 1 {
        let text = format!("{}… {more} more lines: `d` shows them", " ".repeat(LABEL + SIGN + 2));
        page.flow(Line::of(Tone::Dim, &text), style, LABEL + SIGN + 4);
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
        leaves.extend(differing::leaves(&Change { path, before: Shown::Value(v), after: Shown::Absent, forces_replace: false }));
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
