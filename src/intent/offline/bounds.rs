//! Smallest and largest: ranges ("2 to 6", "between 3 and 8"), `min`/`max` words, and a plain number where a pattern has two bounds.

use serde_json::{Map, Value};

use super::catalog::Compiled;
use super::counts::{check, joins, noun_at, relative};
use super::reading::Reading;
use super::slots::{Mode, Slots};
use crate::intent::Holds;

/// "4 instances" of a pattern with two bounds: both bounds when it is made, the number of instances when it is changed.
pub(super) fn plain_bound(
    r: &Reading<'_>,
    c: &Compiled,
    mode: Mode,
    current: &Map<String, Value>,
    slots: &mut Slots,
    (at, n): (usize, i64),
    (start, end): (usize, usize),
) {
    let (Some(min), Some(max)) = (c.holding(Holds::Min), c.holding(Holds::Max)) else { return };
    if mode == Mode::Make {
        check(min, n, slots);
        let bounded = slots.values.contains_key(min.name()) || slots.values.contains_key(max.name());
        // "three servers, up to six": a plain number beside the largest is where it starts.
        let largest = slots.values.get(max.name()).and_then(|s| s.value.as_i64());
        if !slots.values.contains_key(min.name()) && largest.is_some_and(|m| n <= m) {
            return slots.put(min.name(), r.said(n, start, end));
        }
        if !bounded || r.corrected_between(0, at) {
            slots.put(min.name(), r.said(n, start, end));
            slots.put(max.name(), r.said(n, start, end));
        }
        return;
    }
    let base = current.get(min.name()).and_then(Value::as_i64);
    match relative(r, at, end, n, base, mode) {
        Some(value) => {
            if value < 0 || value == 0 && n != 0 {
                slots.invalid.push(("instances".to_owned(), value.to_string()));
            }
            slots.put("instances", r.said(value, start, end));
        }
        None => slots.unresolved.push("instances".to_owned()),
    }
}

/// Ranges and `min`/`max`.
pub(super) fn bounds(r: &Reading<'_>, c: &Compiled, mode: Mode, current: &Map<String, Value>, slots: &mut Slots) {
    let (Some(min), Some(max)) = (c.holding(Holds::Min), c.holding(Holds::Max)) else { return };
    let number = |i: usize| r.tokens.get(i).and_then(|t| t.number()).filter(|_| !r.shut[i]);
    for i in 0..r.tokens.len() {
        let Some(a) = number(i).filter(|_| !slots.used[i]) else { continue };
        // "2 to 6", "3-7", "between 2 and 6", "2 instances to 6"
        let unit = usize::from(noun_at(r, c, i + 1).is_some_and(|(_, e)| e == i + 2));
        let mut joined = i + 1 + unit;
        // "from four up to ten"
        joined += usize::from(matches!((r.low(joined), r.low(joined + 1)), ("up" | "and", "to" | "up") | ("bis", "zu")));
        let Some(b) = number(joined + 1) else { continue };
        let word = r.low(joined);
        let and = matches!(word, "and" | "y" | "et" | "und");
        let dash = r.tokens.get(joined).is_some_and(|t| t.is_punct('-') || t.is_punct('/'));
        let either = matches!(word, "or" | "oder" | "ou") && a < b && noun_at(r, c, joined + 2).is_some();
        let ranged =
            dash || either || r.lexicon.is("range", word) && (!and || (i.saturating_sub(3)..i).any(|j| r.marks.covers("between", j)));
        if !ranged || slots.used[joined + 1] {
            continue;
        }
        let from_to = mode == Mode::Change && matches!(r.before(i, 1), "from" | "von" | "de") && matches!(word, "to" | "auf" | "a");
        slots.used[i] = true;
        slots.used[joined + 1] = true;
        if from_to {
            // Which bound moves from a to b?
            let start = r.clause_start(i);
            let name = if (start..i).any(|j| r.marks.covers("max", j)) {
                max.name()
            } else if (start..i.saturating_sub(1)).any(|j| r.marks.covers("min", j)) {
                min.name()
            } else {
                "instances"
            };
            slots.put(name, r.said(b, i, joined + 2));
        } else {
            check(min, a, slots);
            slots.put(min.name(), r.said(a, i, joined + 2));
            slots.put(max.name(), r.said(b, i, joined + 2));
        }
    }
    // "min/max 2/5"
    let clause_cues = |i: usize| {
        let start = r.clause_start(i);
        (start..r.clause_end(i)).find_map(|j| {
            if r.tokens[j].number().is_some() {
                Some(false)
            } else if r.marks.covers("min", j) && r.low(j) != "from" || r.marks.covers("max", j) {
                Some(true)
            } else {
                None
            }
        }) == Some(true)
    };
    for i in 0..r.tokens.len() {
        let Some(n) = number(i).filter(|_| !slots.used[i]) else { continue };
        let looks_left = clause_cues(i);
        let cue = if looks_left || refused_bound(r, i).is_some() {
            cue_left(r, c, i, mode).or_else(|| cue_right(r, c, i))
        } else {
            cue_right(r, c, i).or_else(|| cue_left(r, c, i, mode))
        };
        let Some((is_max, start, end)) = cue else { continue };
        let p = if is_max { max } else { min };
        let value = relative(r, i, end.max(i + 1), n, current.get(p.name()).and_then(Value::as_i64), mode);
        let Some(value) = value else { continue };
        if !is_max {
            check(p, value, slots);
        }
        slots.used[i] = true;
        if !slots.values.contains_key(p.name()) || mode == Mode::Change || r.corrected_between(0, i) {
            slots.put(p.name(), r.said(value, start, end));
        }
    }
}

/// "never have less than 4", "should not go beyond 9": a refusal, and a comparison right before the number. Where it begins and whether
/// it is the largest.
pub(super) fn refused_bound(r: &Reading<'_>, at: usize) -> Option<(bool, usize)> {
    let compared = match (r.before(at, 2), r.before(at, 1)) {
        ("less" | "fewer" | "lower" | "smaller" | "weniger" | "moins" | "menos", "than" | "als" | "de" | "que")
        | (_, "below" | "under" | "beneath" | "unter") => Some(false),
        ("more" | "higher" | "larger" | "bigger" | "greater" | "mehr" | "plus" | "mas", "than" | "als" | "de" | "que")
        | (_, "above" | "over" | "beyond" | "past" | "exceed" | "exceeds" | "uber") => Some(true),
        _ => None,
    }?;
    let start = r.clause_start(at);
    let refusal = (start..at).find(|i| ["never", "not", "no", "nie", "niemals", "nicht", "jamais", "pas", "nunca"].contains(&r.low(*i)))?;
    Some((compared, refusal))
}

/// A bound's word to the left of a number: "at most 5", "max of 5", "cap it at 5".
fn cue_left(r: &Reading<'_>, c: &Compiled, at: usize, mode: Mode) -> Option<(bool, usize, usize)> {
    if let Some((is_max, from)) = refused_bound(r, at) {
        return Some((is_max, from, at + 1));
    }
    let start = r.clause_start(at);
    let mut i = at;
    while i > start {
        i -= 1;
        if r.tokens[i].number().is_some() {
            return None;
        }
        for (class, is_max) in [("max", true), ("min", false)] {
            if (is_max || r.low(i) != "from") && r.marks.covers(class, i) {
                let capping = matches!(r.low(i), "cap" | "limit" | "ceiling" | "limited" | "capped");
                let near = (i + 1..at).all(|j| {
                    joins(r.low(j))
                        || r.shut[j]
                        || r.is_filler(j)
                        || noun_at(r, c, j).is_some()
                        || (1..4).any(|k| j >= k && noun_at(r, c, j - k).is_some_and(|(_, e)| e > j))
                });
                // "lower the minimum on the ticket site to 2"
                let changed = mode == Mode::Change && ["to", "auf", "a", "at", "="].contains(&r.before(at, 1));
                return (near || capping || changed).then_some((is_max, i, at + 1));
            }
        }
    }
    None
}

/// A bound's word to the right of a number: "5 max", "five instances at most".
fn cue_right(r: &Reading<'_>, c: &Compiled, at: usize) -> Option<(bool, usize, usize)> {
    let mut i = at + 1;
    for _ in 0..4 {
        let token = r.tokens.get(i)?;
        if token.ends_clause() || token.number().is_some() {
            return None;
        }
        for (class, is_max) in [("max", true), ("min", false)] {
            if let Some(end) = r.marks.at(class, i) {
                return Some((is_max, at, end));
            }
        }
        if token.low == "or" && matches!(r.low(i + 1), "more" | "above") {
            return Some((false, at, i + 2));
        }
        if token.low == "or" && matches!(r.low(i + 1), "fewer" | "less") {
            return Some((true, at, i + 2));
        }
        match noun_at(r, c, i) {
            Some((_, end)) => i = end,
            None if r.is_filler(i)
                || (r.marks.covers("more", i) || r.marks.covers("fewer", i) || ["on", "to", "for"].contains(&token.low.as_str()))
                    && r.low(i + 1) != "and"
                || matches!(token.low.as_str(), "as" | "the") =>
            {
                i += 1
            }
            None => return None,
        }
    }
    None
}
