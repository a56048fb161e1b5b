//! What of a property differs: a change of a list or a map taken apart into its entries, so that those that stay as they are take no
//! room and those that come, go or change stand alone.

use std::collections::HashMap;

use serde_json::Value;

use crate::{
    domain::{PropertyPath, path::PathStep, reference},
    plan::{Change, Shown},
};

/// The longest list whose entries are compared by what they are; beyond it they are compared by their places.
const LONGEST: usize = 10_000;

/// One property, or one entry of it, that differs.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Leaf {
    /// Where it is.
    pub path: Vec<PathStep>,
    /// What was there.
    pub before: Shown,
    /// What shall be there.
    pub after: Shown,
    /// Whether this forces a replace.
    pub forces: bool,
}

/// Takes a change apart. What cannot be (scalars, secrets, a list that another server gives) is one leaf.
pub(super) fn leaves(change: &Change) -> Vec<Leaf> {
    let mut out = Vec::new();
    split(&change.path.0, &change.before, &change.after, change.forces_replace, &mut out);
    out
}

fn split(path: &[PathStep], before: &Shown, after: &Shown, forces: bool, out: &mut Vec<Leaf>) {
    let pairs = match (entries(before), entries(after)) {
        (Some(old), Some(new)) => matched(&old, &new),
        (Some(old), None) if *after == Shown::Absent => matched(&old, &[]),
        (None, Some(new)) if *before == Shown::Absent => matched(&[], &new),
        _ => {
            out.push(Leaf { path: path.to_vec(), before: before.clone(), after: after.clone(), forces });
            return;
        }
    };
    for (step, before, after) in pairs {
        let path: Vec<PathStep> = path.iter().cloned().chain([step]).collect();
        split(&path, &before, &after, forces, out);
    }
}

type Entry = (PathStep, Shown);

/// The entries of a list or a map that has any.
fn entries(shown: &Shown) -> Option<Vec<Entry>> {
    let (value, later) = match shown {
        Shown::Value(value) => (value, false),
        Shown::AfterApply(value) => (value, true),
        Shown::Absent | Shown::Secret | Shown::From { .. } => return None,
    };
    // Of a list that is known after the apply, some entries may be known already.
    let entry =
        |v: &Value| if later && !reference::references(v).is_empty() { Shown::AfterApply(v.clone()) } else { Shown::Value(v.clone()) };
    let all: Vec<Entry> = match value {
        Value::Object(map) => map.iter().map(|(k, v)| (PathStep::Key(k.clone()), entry(v))).collect(),
        Value::Array(items) => items.iter().enumerate().map(|(n, v)| (PathStep::Index(n), entry(v))).collect(),
        _ => return None,
    };
    (!all.is_empty()).then_some(all)
}

/// The entries that differ, each with its counterpart.
fn matched(old: &[Entry], new: &[Entry]) -> Vec<(PathStep, Shown, Shown)> {
    let listed = |side: &[Entry]| side.iter().any(|(s, _)| matches!(s, PathStep::Index(_)));
    if listed(old) && listed(new) && old.len().max(new.len()) <= LONGEST {
        return in_lists(old, new);
    }
    let find = |side: &HashMap<&PathStep, &Shown>, step: &PathStep| side.get(step).map_or(Shown::Absent, |s| (*s).clone());
    let index = |side: &'_ [Entry]| side.iter().map(|(s, v)| (s.clone(), v.clone())).collect::<Vec<_>>();
    let (left, right) = (index(old), index(new));
    let by_old: HashMap<&PathStep, &Shown> = left.iter().map(|(s, v)| (s, v)).collect();
    let by_new: HashMap<&PathStep, &Shown> = right.iter().map(|(s, v)| (s, v)).collect();
    let steps = old.iter().map(|(s, _)| s).chain(new.iter().map(|(s, _)| s).filter(|s| !by_old.contains_key(s)));
    steps.map(|s| (s.clone(), find(&by_old, s), find(&by_new, s))).filter(|(_, a, b)| a != b).collect()
}

/// Entries of lists: what both have counts as the same wherever it stands. As many that came as went are changes of one another.
fn in_lists(old: &[Entry], new: &[Entry]) -> Vec<(PathStep, Shown, Shown)> {
    let gone = missing(old, new);
    let came = missing(new, old);
    if gone.is_empty() && came.is_empty() {
        // The same entries in another order: the places differ.
        let moved = old.iter().zip(new).filter(|((_, a), (_, b))| a != b);
        return moved.map(|((_, a), (step, b))| (step.clone(), a.clone(), b.clone())).collect();
    }
    if gone.len() == came.len() {
        return gone.into_iter().zip(came).map(|((_, a), (step, b))| (step, a, b)).collect();
    }
    let gone = gone.into_iter().map(|(step, v)| (step, v, Shown::Absent));
    gone.chain(came.into_iter().map(|(step, v)| (step, Shown::Absent, v))).collect()
}

/// The entries of one side that the other has not, or has less often.
fn missing(side: &[Entry], other: &[Entry]) -> Vec<Entry> {
    let key = |shown: &Shown| match shown {
        Shown::Value(v) | Shown::AfterApply(v) | Shown::From { value: v, .. } => v.to_string(),
        Shown::Absent | Shown::Secret => String::new(),
    };
    let mut left: HashMap<String, usize> = HashMap::new();
    other.iter().for_each(|(_, v)| *left.entry(key(v)).or_default() += 1);
    let unmatched = side.iter().filter(|(_, v)| match left.get_mut(&key(v)) {
        Some(n) if *n > 0 => {
            *n -= 1;
            false
        }
        _ => true,
    });
    unmatched.cloned().collect()
}

/// The path of what holds a leaf, and the leaf's own step, if it is an entry of the change's property.
pub(super) fn held<'a>(leaf: &'a Leaf, change: &Change) -> Option<(PropertyPath, &'a PathStep)> {
    let (last, parents) = leaf.path.split_last()?;
    (leaf.path.len() > change.path.0.len()).then(|| (PropertyPath(parents.to_vec()), last))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn differing(before: Value, after: Value) -> Vec<String> {
        let change =
            Change { path: PropertyPath::key("p"), before: Shown::Value(before), after: Shown::Value(after), forces_replace: false };
        let text = |s: &Shown| match s {
            Shown::Value(v) | Shown::AfterApply(v) => v.to_string(),
            _ => "none".into(),
        };
        leaves(&change).iter().map(|l| format!("{} {} {}", PropertyPath(l.path.clone()), text(&l.before), text(&l.after))).collect()
    }

    #[test]
    fn an_entry_that_comes_first_moves_nothing() {
        assert_eq!(differing(json!(["a", "b"]), json!(["c", "a", "b"])), [r#"p[0] none "c""#]);
        assert_eq!(differing(json!(["a", "b", "b"]), json!(["b"])), [r#"p[0] "a" none"#, r#"p[2] "b" none"#]);
    }

    #[test]
    fn as_many_that_come_as_go_are_changes() {
        assert_eq!(differing(json!(["a", "b"]), json!(["a", "c"])), [r#"p[1] "b" "c""#]);
        assert_eq!(differing(json!([{"x": 1, "y": 2}]), json!([{"x": 1, "y": 3}])), ["p[0].y 2 3"]);
    }

    #[test]
    fn another_order_is_a_change_of_places() {
        assert_eq!(differing(json!(["a", "b", "c"]), json!(["b", "a", "c"])), [r#"p[0] "a" "b""#, r#"p[1] "b" "a""#]);
    }

    #[test]
    fn of_a_map_only_what_differs() {
        assert_eq!(
            differing(json!({"a": 1, "b": 2, "c": {"d": 1}}), json!({"b": 3, "c": {"d": 1, "e": 2}})),
            ["p.a 1 none", "p.b 2 3", "p.c.e none 2"]
        );
        assert_eq!(differing(json!({}), json!({"a": 1})), [r#"p {} {"a":1}"#]);
    }
}
