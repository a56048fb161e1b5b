//! Values out of an enumeration: engines, stacks, brokers, processors; and how a mention is meant ("no redis", "not stripe", "from a to b").

use serde_json::{Map, Value};

use super::catalog::{Compiled, Param};
use super::reading::Reading;
use super::slots::{Mode, Slots, one_of};
use super::text::{Kind, slug};
use crate::intent::Holds;

/// How a mention of a value or a switch is meant.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Sign {
    Yes,
    /// "no X", "without X"
    No,
    /// "not X but Y", "instead of X", "from X to Y"
    Not,
}

/// How the value at `start..end` is meant, from the words around it.
pub(super) fn sign(r: &Reading<'_>, start: usize, end: usize) -> Sign {
    let clause = r.clause_start(start);
    let mut i = start;
    let mut steps = 0;
    while i > clause && steps < 4 {
        i -= 1;
        steps += 1;
        if r.marks.covers("not", i) {
            return Sign::Not;
        }
        if r.marks.covers("none", i) {
            // "no longer", "no, use X" are not "no X".
            return if matches!(r.low(i + 1), "longer" | "more") { Sign::Not } else { Sign::No };
        }
        let joins = matches!(r.low(i), "or" | "nor" | "oder" | "ou" | "o" | "ni") && r.low(i) != r.low(start);
        if joins {
            // The other member of "no X or Y".
            i = i.saturating_sub(1).max(clause);
            steps = 0;
            if r.marks.covers("none", i) {
                return Sign::No;
            }
            continue;
        }
        let passable = r.is_filler(i) || steps <= 2 && r.is_unknown(i);
        if !passable {
            break;
        }
    }
    if one_of(
        r.before(start, 1),
        &["from", "von", "de", "replace", "replacing", "swap", "ersetze", "remplace", "reemplaza", "desde", "leave", "leaving"],
    ) && (end..r.clause_end(start))
        .any(|j| one_of(r.low(j), &["to", "with", "by", "for", "->", "auf", "nach", "zu", "durch", "par", "vers", "a", "por"]))
    {
        return Sign::Not;
    }
    if matches!(r.low(end), "->") || one_of(r.low(end), &["off", "out"]) {
        return if r.low(end) == "->" { Sign::Not } else { Sign::No };
    }
    Sign::Yes
}

/// One of an enumeration, or several.
pub(super) fn choice(
    r: &Reading<'_>,
    p: &Param,
    windows: &[(usize, usize, String)],
    mode: Mode,
    current: &Map<String, Value>,
    taken: &mut [bool],
    slots: &mut Slots,
) {
    let mut found: Vec<(usize, usize, String, Sign)> = Vec::new();
    for (start, end, key) in windows {
        let Some(value) = p.terms.get(key).filter(|v| *v != "none") else { continue };
        if taken[*start..*end].iter().any(|t| *t) && !shared(p, found.last().map(|f| f.1), *start) {
            continue;
        }
        if found.iter().any(|f| f.1 > *start) || is_plain_english(r, *start, key) {
            continue;
        }
        found.push((*start, *end, value.clone(), sign(r, *start, *end)));
    }
    glued(r, p, &mut found);
    for (start, end, ..) in &found {
        taken[*start..*end].iter_mut().for_each(|t| *t = true);
    }
    let yes: Vec<&(usize, usize, String, Sign)> = found.iter().filter(|f| f.3 == Sign::Yes).collect();
    if p.holds() == Holds::Choices {
        return choices(r, p, &found, mode, current, slots);
    }
    // "mysql, sorry, mariadb": what follows a correction counts.
    let pick = match (yes.first(), yes.last()) {
        (Some(first), Some(last)) if first.2 != last.2 && r.corrected_between(first.1, last.0) => Some(*last),
        (Some(_), Some(last)) if mode == Mode::Change => Some(*last),
        (Some(first), _) => Some(*first),
        _ => None,
    };
    if let Some((start, end, value, _)) = pick {
        return slots.put(p.name(), r.said(value.clone(), *start, *end));
    }
    if p.may_be_none() {
        if let Some((start, end, ..)) = found.iter().find(|f| f.3 == Sign::No) {
            return slots.put(p.name(), r.said("none", start.saturating_sub(1), *end));
        }
        // "no cache", "cache: none", "without any database"
        for (start, end, key) in windows {
            if !p.named_by(key) {
                continue;
            }
            let after = (*end..(*end + 2).min(r.tokens.len())).find(|i| r.tokens[*i].kind == Kind::Word).map_or("", |i| r.low(i));
            let unneeded = after == "not" && ["needed", "required", "necessary", "wanted"].contains(&r.low(*end + 1))
                || matches!(after, "unnecessary" | "unneeded");
            if unneeded
                || sign(r, *start, *end) == Sign::No
                || one_of(after, &["none", "off", "no", "disabled", "keine", "aucun"]) && !r.clause_end(*start).eq(end)
            {
                return slots.put(p.name(), r.said("none", start.saturating_sub(1), (*end).max(*start + 1)));
            }
        }
    }
    if p.open {
        named_value(r, p, windows, taken, slots);
    }
}

/// "typescript / mongo / none": a `none` that stands alone belongs to the last choice that nobody gave.
pub(super) fn positional_none(r: &Reading<'_>, c: &Compiled, slots: &mut Slots) {
    let alone = (1..r.tokens.len()).find(|i| {
        r.low(*i) == "none"
            && matches!(r.tokens[i - 1].kind, Kind::Punct(_))
            && r.tokens.get(i + 1).is_none_or(|t| matches!(t.kind, Kind::Punct(_)))
    });
    let open = c.params.iter().rev().find(|p| p.may_be_none() && !slots.values.contains_key(p.name()));
    if let (Some(i), Some(p)) = (alone, open) {
        slots.put(p.name(), r.said("none", i, i + 1));
    }
}

/// A list parameter may use a word that another list already took; nothing else may.
fn shared(p: &Param, last_end: Option<usize>, start: usize) -> bool {
    p.holds() == Holds::Choices && last_end.is_none_or(|e| e <= start)
}

/// Words such as `go` and `express` are values only where a value can stand.
pub(super) fn is_plain_english(r: &Reading<'_>, at: usize, key: &str) -> bool {
    match key {
        // "on node worker-3"
        "node" => {
            r.tokens.get(at + 1).is_some_and(|t| t.kind == Kind::Word && t.low.contains('-') && t.low.chars().any(|c| c.is_ascii_digit()))
        }
        "go" => {
            one_of(
                r.low(at + 1),
                &["ahead", "to", "with", "for", "live", "back", "on", "down", "up", "through", "from", "over", "away", "into"],
            ) || one_of(r.before(at, 1), &["to", "should", "will", "we", "i", "they", "can", "let", "us", "could", "would", "must"])
        }
        "express" | "swift" | "react" | "remix" | "crystal" | "spring" | "square" | "stone" | "nets" | "dragonfly" | "scala" | "rust"
        | "paddle" | "stack" | "bun" | "hive" | "rabbit" | "verne" | "py" | "ts" | "rb" | "js" | "phoenix" | "haskell" | "julia"
        | "deno" => {
            one_of(r.before(at, 1), &["to", "must", "should", "will", "would", "this", "last", "next", "a", "per", "town", "city"])
                && key != "rust"
        }
        _ => false,
    }
}

/// `pg16`, `mysql8`: a value with its version glued on.
fn glued(r: &Reading<'_>, p: &Param, found: &mut Vec<(usize, usize, String, Sign)>) {
    for (i, token) in r.tokens.iter().enumerate() {
        if token.kind != Kind::Word || r.shut[i] || found.iter().any(|f| f.0 <= i && i < f.1) {
            continue;
        }
        let head = token.low.trim_end_matches(|c: char| c.is_ascii_digit() || c == '.' || c == '-' || c == ':');
        if head.len() < token.low.len()
            && head.len() >= 2
            && let Some(value) = p.terms.get(head)
        {
            found.push((i, i + 1, value.clone(), sign(r, i, i + 1)));
        }
    }
    found.sort_by_key(|f| f.0);
}

/// A list out of an enumeration; a change adds to or takes from the list there is.
fn choices(
    r: &Reading<'_>,
    p: &Param,
    found: &[(usize, usize, String, Sign)],
    mode: Mode,
    current: &Map<String, Value>,
    slots: &mut Slots,
) {
    let (Some(first), Some(last)) = (found.first(), found.last()) else { return };
    let clause = r.clause_start(first.0);
    let verb = |class: &str| r.marks.spans(class).iter().any(|s| s.start >= clause && s.start < first.0);
    let adds = mode == Mode::Change
        && (verb("up") || (first.1..r.clause_end(last.1)).any(|i| one_of(r.low(i), &["too", "also", "additionally", "extra"])));
    let removes = mode == Mode::Change && (verb("destroy") || verb("disable"));
    let mut list: Vec<String> = if mode == Mode::Change && (adds || removes || found.iter().all(|f| f.3 != Sign::Yes)) {
        current.get(p.name()).and_then(Value::as_array).into_iter().flatten().filter_map(Value::as_str).map(str::to_owned).collect()
    } else {
        Vec::new()
    };
    let before = list.clone();
    for (_, _, value, sign) in found {
        if *sign != Sign::Yes || removes {
            list.retain(|x| x != value && p.terms.get(x.as_str()) != Some(value));
        } else if !list.contains(value) {
            list.push(value.clone());
        }
    }
    if !list.is_empty() || list != before {
        slots.put(p.name(), r.said(list, first.0, last.1));
    }
}

/// A value outside the enumeration that was named outright: "payments via Foopay", "processor: foopay".
fn named_value(r: &Reading<'_>, p: &Param, windows: &[(usize, usize, String)], taken: &[bool], slots: &mut Slots) {
    let link = [
        "via", "through", "with", "by", "from", "is", "be", "over", ":", "=", "uber", "mit", "par", "avec", "con", "por", "to", "our",
        "handled", "using", "run", "gateway", "provider",
    ];
    for (_, end, key) in windows {
        if !p.named_by(key) {
            continue;
        }
        let mut i = *end;
        let mut linked = false;
        while one_of(r.low(i), &link) && i < end + 3 {
            linked = true;
            i += 1;
        }
        let fits = r.tokens.get(i).is_some_and(|t| t.kind == Kind::Word && t.low.len() > 2 && !t.low.contains('-')) && r.is_unknown(i);
        if linked && fits && !taken[i] && !r.shut[i] {
            return slots.put(p.name(), r.said(slug(&r.tokens[i].raw), i, i + 1));
        }
    }
}
