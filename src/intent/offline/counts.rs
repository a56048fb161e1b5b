//! How many: counts, bounds, ranges, relative changes, numbers per site.
//!
//! A number is given to the parameter whose noun stands next to it; `min`/`max` words and ranges come first, numbers without any
//! noun come last and only where a pattern leaves one reading.

use serde_json::{Map, Value};

use super::bounds;
use super::catalog::{Compiled, Param};
use super::reading::Reading;
use super::slots::{Mode, Slots};
use super::text::Kind;
use crate::intent::Holds;

/// Words that may stand between a parameter's noun and its number.
pub(super) fn joins(word: &str) -> bool {
    [
        ":", "=", "x", "to", "of", "is", "at", "auf", "a", "by", "equals", "exactly", "about", "around", "roughly", "up", "down", "from",
        "count", "number", "en", "de", "the", "set", "be", "should", "only", "just", "sur", "um", "zu",
    ]
    .contains(&word)
}

/// Words that end the search for a number's noun.
fn blocks(word: &str) -> bool {
    [
        "in", "for", "at", "on", "with", "and", "or", "to", "per", "from", "by", "mit", "fur", "und", "pour", "avec", "et", "con", "para",
        "y", "each", "not", "no", "without", "-", "min", "max", "minimum", "maximum", "behind", "sur", "en", "auf",
    ]
    .contains(&word)
}

fn countable(param: &Param) -> bool {
    matches!(param.holds(), Holds::Count | Holds::Min | Holds::Max | Holds::Sites)
}

/// The longest phrase from `at` that names a countable parameter: the parameter's index and the end of the phrase.
pub(super) fn noun_at(r: &Reading<'_>, c: &Compiled, at: usize) -> Option<(usize, usize)> {
    (1..=4).rev().find_map(|len| {
        let end = at + len;
        let tokens = r.tokens.get(at..end)?;
        if tokens.iter().any(|t| t.kind != Kind::Word) {
            return None;
        }
        let phrase = super::text::phrase_key(&tokens.iter().map(|t| t.low.as_str()).collect::<Vec<_>>().join(" "));
        c.params.iter().position(|p| countable(p) && p.named_by(&phrase)).map(|i| (i, end))
    })
}

/// The longest phrase that ends at `end` and names a countable parameter.
fn noun_before(r: &Reading<'_>, c: &Compiled, end: usize) -> Option<(usize, usize)> {
    (1..=4).rev().find_map(|len| {
        let start = end.checked_sub(len)?;
        noun_at(r, c, start).filter(|(_, e)| *e == end).map(|(i, _)| (i, start))
    })
}

/// What a number counts.
enum Counts {
    One(usize),
    Everything,
}

/// Looks to the right of a number for its noun.
fn right(r: &Reading<'_>, c: &Compiled, at: usize) -> Option<(Counts, usize)> {
    for i in at + 1..at + 5 {
        let token = r.tokens.get(i)?;
        if token.kind != Kind::Word || (blocks(&token.low) && !(token.low == "x" || i == at + 1 && token.low == "of")) {
            return None;
        }
        if let Some((param, end)) = noun_at(r, c, i) {
            // "3 copies of the database": the noun after `of` says what is copied.
            if matches!(r.low(end), "of" | "for" | "de" | "von" | "del") {
                let mut j = end + 1;
                while r.is_filler(j) {
                    j += 1;
                }
                if r.marks.covers("all", j) || matches!(r.low(j), "both" | "each" | "each.") {
                    return Some((Counts::Everything, j + 1));
                }
                if let Some((other, e)) = noun_at(r, c, j) {
                    return Some((Counts::One(other), e));
                }
            }
            // "8 wind turbines sites": the last of two nouns is what is counted.
            return Some(noun_at(r, c, end).filter(|(p, _)| *p != param).map_or((Counts::One(param), end), |(p, e)| (Counts::One(p), e)));
        }
        if i == at + 1 && token.low == "of" && (r.marks.covers("all", i + 1) || matches!(r.low(i + 1), "each" | "both")) {
            return Some((Counts::Everything, i + 2));
        }
    }
    None
}

/// Looks to the left of a number for its noun.
fn left(r: &Reading<'_>, c: &Compiled, at: usize, used_nouns: &[bool]) -> Option<(usize, usize)> {
    let mut end = at;
    for _ in 0..4 {
        if let Some((param, start)) = noun_before(r, c, end)
            && !used_nouns[start..end].iter().any(|x| *x)
        {
            return Some((param, start));
        }
        let before = end.checked_sub(1)?;
        if !joins(r.low(before)) && !r.shut[before] {
            return None;
        }
        end = before;
    }
    None
}

/// Reads every number of a request.
pub(super) fn read(r: &Reading<'_>, c: &Compiled, mode: Mode, current: &Map<String, Value>, slots: &mut Slots) {
    if c.has_bounds() {
        bounds::bounds(r, c, mode, current, slots);
    }
    let mut used_nouns = vec![false; r.tokens.len()];
    let numbers: Vec<(usize, i64)> = r.tokens.iter().enumerate().filter_map(|(i, t)| t.number().map(|n| (i, n))).collect();
    let mut per_site = Vec::new();
    let mut last: Option<(usize, usize)> = None;
    for (at, n) in numbers {
        if slots.used[at] || r.shut[at] {
            continue;
        }
        // "from 2 to 4 replicas": the second number is what is wanted.
        if mode == Mode::Change
            && matches!(r.low(at + 1), "to" | "auf" | "a" | "->" | "-")
            && r.tokens.get(at + 2).and_then(|t| t.number()).is_some()
        {
            slots.used[at] = true;
            continue;
        }
        let adjacent = left(r, c, at, &used_nouns).filter(|(_, start)| {
            let clause = r.clause_start(at);
            !(clause..*start).any(|i| r.tokens[i].number().is_some())
        });
        let to_right = right(r, c, at);
        let takes_left =
            adjacent.is_some() && (to_right.is_none() || adjacent.is_some_and(|(_, s)| at - s <= 2) && style_is_left(r, c, at));
        let (params, start, end): (Vec<usize>, usize, usize) = if takes_left {
            let Some((param, start)) = adjacent else { continue };
            // "both replicas and db replicas to 4"
            let also = matches!(r.before(start, 1), "and" | "und" | "et" | "y")
                .then(|| noun_before(r, c, start - 1))
                .flatten()
                .filter(|(p, s)| *p != param && !used_nouns[*s] && r.before(*s, 1).parse::<i64>().is_err());
            match also {
                Some((other, from)) => (vec![other, param], from, at + 1),
                None => (vec![param], start, at + 1),
            }
        } else if let Some((counts, end)) = to_right {
            used_nouns[at + 1..end].iter_mut().for_each(|x| *x = true);
            let params = match counts {
                Counts::One(p) => vec![p],
                Counts::Everything => (0..c.params.len()).filter(|i| c.params[*i].holds() == Holds::Count).collect(),
            };
            (params, at, end)
        } else if let Some((param, start)) = left(r, c, at, &used_nouns) {
            (vec![param], start, at + 1)
        } else {
            if let Some((param, from)) = last.filter(|(_, from)| r.corrected_between(*from, at)) {
                // "3 nodes, no wait, 5"
                let p = &c.params[param];
                slots.put(p.name(), r.said(n, from, at + 1));
                slots.used[at] = true;
            }
            continue;
        };
        let per = is_per(r, at, end);
        slots.used[at] = true;
        for index in params {
            let p = &c.params[index];
            if matches!(p.holds(), Holds::Min | Holds::Max) {
                bounds::plain_bound(r, c, mode, current, slots, (at, n), (start, end));
                continue;
            }
            if per && p.holds() == Holds::Count && c.holding(Holds::Sites).is_some() {
                per_site.push((p.name().to_owned(), n, start, end));
                continue;
            }
            let value = relative(r, at, end, n, current.get(p.name()).and_then(Value::as_i64), mode);
            let Some(value) = value else {
                slots.unresolved.push(p.name().to_owned());
                continue;
            };
            check(p, value, slots);
            if !slots.values.contains_key(p.name()) || r.corrected_between(0, at) || mode == Mode::Change {
                slots.put(p.name(), r.said(value, start, end));
            }
            last = Some((index, end));
        }
    }
    implied_one(r, c, mode, current, slots);
    places(r, c, slots, &mut per_site);
    leftovers(r, c, mode, current, slots);
    for (name, n, start, end) in per_site {
        let sites = c
            .holding(Holds::Sites)
            .and_then(|p| slots.values.get(p.name()).map(|s| s.value.clone()).or_else(|| current.get(p.name()).cloned()));
        let sites = match sites {
            Some(Value::Array(list)) => i64::try_from(list.len()).ok(),
            Some(value) => value.as_i64(),
            None => None,
        };
        slots.put(&name, r.said(n.saturating_mul(sites.unwrap_or(1)), start, end));
    }
}

/// Whether in this clause nouns stand before their numbers ("replicas 2 dbReplicas 3").
fn style_is_left(r: &Reading<'_>, c: &Compiled, at: usize) -> bool {
    let start = r.clause_start(at);
    (start..=at).find_map(|i| {
        if r.tokens[i].number().is_some() {
            Some(false)
        } else if noun_at(r, c, i).is_some() {
            Some(true)
        } else {
            None
        }
    }) == Some(true)
}

/// Whether a number is said of each site.
fn is_per(r: &Reading<'_>, at: usize, end: usize) -> bool {
    (end..(end + 3).min(r.tokens.len())).take_while(|i| !r.tokens[*i].ends_clause()).any(|i| r.marks.covers("per", i))
        || (at.saturating_sub(5)..at).any(|i| {
            matches!(r.low(i), "each" | "every" | "jede" | "jeder" | "chaque" | "chacun" | "cada")
                && !matches!(r.low(i + 1), "night" | "day" | "hour" | "week")
        })
}

/// Applies "more", "fewer", "by 2", "add 2" to what is there now. `None`: the base is not known.
pub(super) fn relative(r: &Reading<'_>, at: usize, end: usize, n: i64, base: Option<i64>, mode: Mode) -> Option<i64> {
    if mode == Mode::Make || bounds::refused_bound(r, at).is_some() {
        return Some(n);
    }
    let start = r.clause_start(at);
    let near = |class: &str| (at.saturating_sub(2)..(end + 1).min(r.tokens.len())).any(|i| r.marks.covers(class, i));
    let by = matches!(r.before(at, 1), "by" | "um" | "de" | "en" | "with") && r.before(at, 1) != "with";
    let verb = |class: &str| r.marks.spans(class).iter().any(|s| s.start >= start && s.start < at);
    let to = (at.saturating_sub(2)..at).any(|i| matches!(r.low(i), "to" | "at" | "auf" | "=" | ":" | "is" | "of"));
    let adds = (start..at).any(|i| matches!(r.low(i), "add" | "ajoute" | "anade" | "agrega" | "plus" | "adding" | "attach"));
    let removes = (start..at).any(|i| ["remove", "drop", "cut", "lose", "minus", "quita", "enleve", "entferne"].contains(&r.low(i)));
    let removes =
        removes || (start..at).any(|i| r.low(i) == "take") && (at..r.clause_end(at)).any(|i| matches!(r.low(i), "away" | "off" | "out"));
    if near("fewer") || (by && verb("down")) || (removes && !to) {
        base.map(|b| b - n)
    } else if near("more") || (by && verb("up")) || (adds && !to) {
        base.map(|b| b + n)
    } else {
        Some(n)
    }
}

/// "another replica", "add a node", "double the replicas".
fn implied_one(r: &Reading<'_>, c: &Compiled, mode: Mode, current: &Map<String, Value>, slots: &mut Slots) {
    if mode != Mode::Change {
        return;
    }
    for i in 0..r.tokens.len() {
        let word = r.low(i);
        let factor = match word {
            "double" | "verdopple" | "verdoppeln" | "doubler" | "duplica" | "duplicar" => Some((2, 1)),
            "triple" | "verdreifache" => Some((3, 1)),
            "halve" | "halbiere" => Some((1, 2)),
            // "cut it by half", "half the replicas"; "only half loads" counts nothing.
            "half" if matches!(r.before(i, 1), "by" | "in" | "to" | "cut") && r.low(i + 1) != "a" || r.low(i + 1) == "the" => Some((1, 2)),
            _ => None,
        };
        let one = ["another", "additional", "extra", "more", "weitere", "weiteren", "otra", "otro"].contains(&word)
            && r.before(i, 1).parse::<i64>().is_err()
            || (matches!(word, "a" | "an" | "une" | "un" | "una" | "eine" | "einen")
                && matches!(r.before(i, 1), "add" | "ajoute" | "anade" | "agrega"));
        let drop = matches!(word, "a" | "an" | "one") && matches!(r.before(i, 1), "remove" | "drop");
        if factor.is_none() && !one && !drop {
            continue;
        }
        let found = (i + 1..(i + 5).min(r.tokens.len())).find_map(|j| noun_at(r, c, j));
        let index = found
            .map(|f| f.0)
            .or_else(|| factor.and_then(|_| c.params.iter().position(|p| matches!(p.holds(), Holds::Count | Holds::Min))));
        let Some(index) = index else { continue };
        let end = found.map_or(i + 1, |f| f.1);
        if r.tokens[i..end].iter().any(|t| t.number().is_some()) {
            continue;
        }
        let p = &c.params[index];
        if p.holds() == Holds::Sites {
            continue;
        }
        let largest = c.holding(Holds::Max).filter(|_| (i..end).any(|j| r.marks.covers("max", j)));
        let p = largest.unwrap_or(p);
        let name = if largest.is_none() && matches!(p.holds(), Holds::Min | Holds::Max) { "instances" } else { p.name() };
        let base = current
            .get(p.name())
            .and_then(Value::as_i64)
            .or_else(|| c.holding(Holds::Min).and_then(|m| current.get(m.name())).and_then(Value::as_i64));
        let value = match (base, factor) {
            (Some(b), Some((up, down))) => Some(b * up / down),
            (Some(b), None) => Some(if drop { b - 1 } else { b + 1 }),
            (None, _) => None,
        };
        match value {
            Some(v) if !slots.values.contains_key(name) => slots.put(name, r.said(v, i, end)),
            None => slots.unresolved.push(name.to_owned()),
            _ => {}
        }
    }
}

pub(super) fn check(p: &Param, value: i64, slots: &mut Slots) {
    if p.minimum.is_some_and(|m| value < m) || p.maximum.is_some_and(|m| value > m) {
        slots.invalid.push((p.name().to_owned(), value.to_string()));
    }
}

/// "6 quarries": a number of things that no parameter names is a number of sites, if the pattern has sites.
fn places(r: &Reading<'_>, c: &Compiled, slots: &mut Slots, per_site: &mut Vec<(String, i64, usize, usize)>) {
    let Some(sites) = c.holding(Holds::Sites) else { return };
    for i in 0..r.tokens.len() {
        let Some(n) = r.tokens[i].number().filter(|_| !slots.used[i] && !r.shut[i]) else { continue };
        if let Some(devices) = c.holding(Holds::Count)
            && is_per(r, i, i + 1)
            && !slots.values.contains_key(devices.name())
            && !per_site.iter().any(|p| p.0 == devices.name())
        {
            slots.used[i] = true;
            per_site.push((devices.name().to_owned(), n, i, i + 1));
            continue;
        }
        let noun = (i + 1..(i + 4).min(r.tokens.len())).take_while(|j| r.tokens[*j].kind == Kind::Word && !blocks(r.low(*j))).find(|j| {
            // German nouns have a capital, and many a plural in -e or -er.
            let german = r.tokens[*j].raw.starts_with(char::is_uppercase) && ["e", "er"].iter().any(|x| r.low(*j).ends_with(x));
            is_plural(r.low(*j)) || german && r.low(*j).len() > 3
        });
        if let Some(noun) = noun
            && !slots.values.contains_key(sites.name())
        {
            slots.used[i] = true;
            check(sites, n, slots);
            slots.put(sites.name(), r.said(n, i, noun + 1));
        }
    }
}

fn is_plural(word: &str) -> bool {
    word.len() > 3
        && (word.ends_with('s') && !word.ends_with("ss")
            || word.ends_with("en")
            || word.ends_with("ies")
            || word.ends_with('e') && word.len() > 5)
}

/// Numbers without a noun.
fn leftovers(r: &Reading<'_>, c: &Compiled, mode: Mode, current: &Map<String, Value>, slots: &mut Slots) {
    let bare: Vec<usize> = (0..r.tokens.len())
        .filter(|i| r.tokens[*i].number().is_some() && !slots.used[*i] && !r.shut[*i])
        .filter(|i| {
            let next = r.tokens.get(i + 1);
            let ends = next.is_none_or(|t| {
                t.kind != Kind::Word
                    || [
                        "x",
                        "please",
                        "now",
                        "and",
                        "with",
                        "for",
                        "on",
                        "then",
                        "bitte",
                        "times",
                        "asap",
                        "instead",
                        "before",
                        "ok",
                        "more",
                        "extra",
                        "additional",
                        "fewer",
                        "less",
                        "mehr",
                        "weitere",
                        "weniger",
                        "mas",
                        "menos",
                        "de",
                    ]
                    .contains(&t.low.as_str())
            });
            let enough = r.low(*i + 1) == "is" && ["enough", "fine", "ok", "okay", "plenty", "good", "better"].contains(&r.low(*i + 2));
            let ends = ends
                || enough
                || r.before(*i, 1) == "x"
                || r.low(*i + 1) == "of" && ["them", "those", "these", "it"].contains(&r.low(*i + 2));
            let odd = [
                "port", "version", "v", "revision", "snapshot", "tag", "vlan", "#", "on", "in", "code", "last", "%", "$", "since", "number",
            ]
            .contains(&r.before(*i, 1));
            ends && !odd && !next.is_some_and(|t| t.is_punct('%'))
        })
        .collect();
    let value = |i: usize| r.tokens[i].number().unwrap_or_default();
    let (Some(first), second) = (bare.first().copied(), bare.get(1).copied()) else { return };
    if let (Some(min), Some(max)) = (c.holding(Holds::Min), c.holding(Holds::Max)) {
        if slots.values.contains_key(min.name()) || slots.values.contains_key(max.name()) || slots.values.contains_key("instances") {
            return;
        }
        match (mode, second) {
            (Mode::Make, Some(second)) if bare.len() == 2 => {
                slots.put(min.name(), r.said(value(first), first, first + 1));
                slots.put(max.name(), r.said(value(second), second, second + 1));
            }
            (Mode::Make, None) => {
                slots.put(min.name(), r.said(value(first), first, first + 1));
                slots.put(max.name(), r.said(value(first), first, first + 1));
            }
            (Mode::Change, None) => {
                let base = current.get(min.name()).and_then(Value::as_i64);
                match relative(r, first, first + 1, value(first), base, mode) {
                    Some(n) => slots.put("instances", r.said(n, first, first + 1)),
                    None => slots.unresolved.push("instances".to_owned()),
                }
            }
            _ => {}
        }
        return;
    }
    if let Some(p) = c.params.iter().find(|p| matches!(p.holds(), Holds::Count))
        && second.is_none()
        && !slots.values.contains_key(p.name())
        && (c.holding(Holds::Sites).is_none() || mode == Mode::Change)
        && !(mode == Mode::Change && slots.values.keys().any(|k| c.param(k).is_some_and(|p| p.holds() == Holds::Count)))
    {
        let base = current.get(p.name()).and_then(Value::as_i64);
        let Some(n) = relative(r, first, first + 1, value(first), base, mode) else { return slots.unresolved.push(p.name().to_owned()) };
        check(p, n, slots);
        slots.put(p.name(), r.said(n, first, first + 1));
    }
}
