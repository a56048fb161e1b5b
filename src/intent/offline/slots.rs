//! Values out of words: which parameters of a pattern a request gives, and with which words.
//!
//! Everything here is driven by the catalogue: a parameter says what it holds, by which words it is called and which values it takes.

use indexmap::IndexMap;
use serde_json::{Map, Value};

use super::catalog::{Compiled, Param};
use super::reading::Reading;
use super::text::Kind;
use super::{choices, counts, names, places, times};
use crate::intent::{Holds, Said};

/// Whether values describe something new or change something that exists.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Mode {
    /// Something new.
    Make,
    /// A change: numbers may be relative, names are not given.
    Change,
}

/// What was read.
#[derive(Debug, Default)]
pub(super) struct Slots {
    /// Dotted parameter name → value.
    pub values: IndexMap<String, Said>,
    /// Tokens whose number is spoken for.
    pub used: Vec<bool>,
    /// Values that the schema does not accept: parameter, value.
    pub invalid: Vec<(String, String)>,
    /// Parameters that were named but whose new value cannot be worked out.
    pub unresolved: Vec<String>,
}

impl Slots {
    /// Stores a value.
    pub fn put(&mut self, name: &str, said: Said) {
        self.values.insert(name.to_owned(), said);
    }
}

/// Reads all parameters of a pattern out of a request.
pub(super) fn read(r: &Reading<'_>, c: &Compiled, mode: Mode, current: &Map<String, Value>) -> Slots {
    let mut slots = Slots { used: vec![false; r.tokens.len()], ..Slots::default() };
    if mode == Mode::Make {
        // "should keep running if one server dies": no number of what is to be made.
        (0..r.tokens.len()).filter(|i| r.in_failure(*i)).for_each(|i| slots.used[i] = true);
    }
    // "2 replicas are too few": a number that is not wanted.
    (0..r.tokens.len()).filter(|i| r.in_complaint(*i)).for_each(|i| slots.used[i] = true);
    let windows = r.windows();
    let mut taken = vec![false; r.tokens.len()];
    for p in c.params.iter().filter(|p| matches!(p.holds(), Holds::Choice | Holds::Choices)) {
        choices::choice(r, p, &windows, mode, current, &mut taken, &mut slots);
    }
    choices::positional_none(r, c, &mut slots);
    if let Some(p) = c.holding(Holds::Version) {
        version(r, c, p, &windows, mode, &mut slots);
    }
    for p in c.params.iter().filter(|p| p.holds() == Holds::Switch) {
        switch(r, c, p, &windows, &mut slots);
    }
    times::read(r, c, mode, &mut slots);
    if let Some(p) = c.holding(Holds::Domain) {
        names::domain(r, p, mode, &taken, &mut slots);
    }
    if let Some(p) = c.holding(Holds::Name).filter(|_| mode == Mode::Make)
        && let Some(said) = names::name(r, Some(c))
    {
        slots.put(p.name(), said);
    }
    places::regions(r, c, &mut slots);
    places::sites(r, c, mode, current, &taken, &mut slots);
    outright(r, c, &windows, &mut slots);
    if !c.entry.runbook {
        whereabouts(r, c, &windows, &mut slots);
    }
    counts::read(r, c, mode, current, &mut slots);
    if mode == Mode::Change && c.holding(Holds::Version).is_some_and(|p| slots.values.contains_key(p.name())) {
        // "move it to postgres 17": the engine says whose version it is, and stays.
        let same = |p: &&Param| p.holds() == Holds::Choice && slots.values.get(p.name()).map(|s| &s.value) == current.get(p.name());
        let named: Vec<String> = c.params.iter().filter(same).map(|p| p.name().to_owned()).collect();
        named.iter().for_each(|name| drop(slots.values.shift_remove(name)));
    }
    slots
}

/// Whether a token is one of these words.
pub(super) fn one_of(word: &str, words: &[&str]) -> bool {
    words.contains(&word)
}

/// "version 15", "v16", "pg 16", "MariaDB 10.6", and "upgrade it to 16".
fn version(r: &Reading<'_>, c: &Compiled, p: &Param, windows: &[(usize, usize, String)], mode: Mode, slots: &mut Slots) {
    let engine: Vec<(usize, usize)> = windows
        .iter()
        .filter(|(_, _, key)| c.params.iter().any(|q| q.holds() == Holds::Choice && q.spec.required && q.terms.contains_key(key.as_str())))
        .map(|(s, e, _)| (*s, *e))
        .collect();
    let mut best: Option<(usize, usize, String)> = None;
    for (i, token) in r.tokens.iter().enumerate() {
        let number = matches!(token.kind, Kind::Number(_) | Kind::Decimal);
        if !number {
            // `pg16`
            let digits: String = token.low.trim_start_matches(|c: char| c.is_ascii_alphabetic()).trim_start_matches(['-', ':']).to_owned();
            let head = &token.low[..token.low.len() - digits.len()];
            let engine = c.params.iter().any(|q| q.holds() == Holds::Choice && q.terms.contains_key(head.trim_end_matches(['-', ':'])));
            if token.kind == Kind::Word
                && engine
                && digits.starts_with(|c: char| c.is_ascii_digit())
                && digits.chars().all(|c| c.is_ascii_digit() || c == '.')
            {
                best = Some((i, i + 1, digits));
            }
            continue;
        }
        if r.shut[i] {
            continue;
        }
        let mut before = i;
        while before > 0 && (matches!(r.low(before - 1), ":" | "=" | "to" | "is" | "auf" | "a" | "-") || r.tokens[before - 1].is_punct('-'))
        {
            before -= 1;
        }
        let word = r.before(before, 1);
        let named = matches!(word, "version" | "v" | "release" | "versions" | "ver");
        let after_engine =
            engine.iter().any(|(_, e)| *e == before) && (before == i || mode == Mode::Change || [":", "-", "="].contains(&r.before(i, 1)));
        let unit = counted(r, c, i) || ["x", "min", "max", "days", "day", "weeks", "to", "-"].contains(&r.low(i + 1));
        let upgrade = mode == Mode::Change && r.marks.any("upgrade") && before < i && matches!(r.low(i - 1), "to" | "auf" | "a" | "v");
        // "10.11 to 11.4"
        let from_to = mode == Mode::Change
            && before < i
            && token.kind == Kind::Decimal
            && before.checked_sub(1).is_some_and(|b| r.tokens[b].kind == Kind::Decimal);
        // "postgres 14, no, 15"
        let corrected = best.as_ref().is_some_and(|b| b.1 < i && r.corrected_between(b.1, i)) && !unit;
        if from_to
            || corrected
            || named
            || (after_engine && !unit)
            || (upgrade && !unit)
            || (token.kind == Kind::Decimal && mode == Mode::Make && after_engine)
        {
            let raw = token.low.clone();
            if best.is_none() || r.corrected_between(0, i) || mode == Mode::Change {
                best = Some((i, i + 1, raw));
            }
            slots.used[i] = true;
        }
    }
    // "MariaDB cluster (10.11)": the only number with a point, beside an engine.
    let points: Vec<usize> = (0..r.tokens.len()).filter(|i| r.tokens[*i].kind == Kind::Decimal && !r.shut[*i]).collect();
    if let ([only], None, false) = (points.as_slice(), &best, engine.is_empty()) {
        best = Some((*only, only + 1, r.low(*only).to_owned()));
    }
    if let Some((s, e, value)) = best {
        slots.put(p.name(), r.said(value, s, e));
    }
}

/// Whether the number at a place stands before a noun that is counted.
fn counted(r: &Reading<'_>, c: &Compiled, at: usize) -> bool {
    (at + 1..(at + 3).min(r.tokens.len()))
        .take_while(|i| r.tokens[*i].kind == Kind::Word)
        .any(|i| c.params.iter().any(|p| matches!(p.holds(), Holds::Count | Holds::Min | Holds::Max) && p.named_by(r.low(i))))
}

/// A value of any other kind, taken only where it is named outright: "vlan tag 110", "instance type: t3.large", "port = 8080".
fn outright(r: &Reading<'_>, c: &Compiled, windows: &[(usize, usize, String)], slots: &mut Slots) {
    for p in c.params.iter().filter(|p| p.holds() == Holds::Other && !p.spec.words.is_empty()) {
        let wants_number = ["integer", "number"].iter().any(|t| p.spec.schema.get("type").and_then(Value::as_str) == Some(t));
        for (start, end, key) in windows {
            if !p.named_by(key) || slots.values.contains_key(p.name()) {
                continue;
            }
            let mut at = *end;
            // "domain: x" assigns; "site to x" does not.
            let joins: &[&str] = if end - start > 1 { &[":", "=", "is", "to", "of", "auf", "set"] } else { &[":", "=", "is"] };
            while one_of(r.low(at), joins) {
                at += 1;
            }
            // Without a sign between them, only two words together ("vlan tag") or a number can be meant.
            let assigned = at > *end || end - start > 1;
            let Some(token) = r.tokens.get(at).filter(|_| !slots.used[at] && !r.shut[at]) else { continue };
            match token.number() {
                Some(n) if wants_number => {
                    slots.used[at] = true;
                    slots.put(p.name(), r.said(n, *start, at + 1));
                }
                None if p.spec.schema.get("format").and_then(Value::as_str) == Some("hostname") && token.kind != Kind::Domain => {}
                None if !wants_number
                    && assigned
                    && matches!(token.kind, Kind::Word | Kind::Domain | Kind::Decimal)
                    && !r.marks.covers("function_words", at) =>
                {
                    slots.put(p.name(), r.said(token.raw.clone(), *start, at + 1));
                }
                _ => {}
            }
        }
    }
}

/// "on docker", "in eu-west-1": where something runs, for parameters that name a platform or a region.
fn whereabouts(r: &Reading<'_>, c: &Compiled, windows: &[(usize, usize, String)], slots: &mut Slots) {
    let others: Vec<&Param> = c.params.iter().filter(|p| p.holds() == Holds::Other && !slots.values.contains_key(p.name())).collect();
    for (start, end, key) in windows {
        let mut at = *start;
        while at > 0 && r.is_filler(at - 1) {
            at -= 1;
        }
        if !one_of(r.before(at, 1), &["on", "onto", "in", "into", "auf", "sur", "en"]) {
            continue;
        }
        let takes: Vec<&&Param> = others.iter().filter(|p| p.terms.contains_key(key.as_str())).collect();
        if let [p] = takes.as_slice()
            && let Some(value) = p.terms.get(key.as_str())
        {
            slots.put(p.name(), r.said(value.clone(), *start, *end));
        }
        let region = others.iter().find(|p| p.named_by("region"));
        if let (Some(p), Some((region, stop))) = (region, places::region_at(r, *start).filter(|(_, e)| e == end))
            && r.tokens[*start].low == region
        {
            slots.put(p.name(), r.said(region, *start, stop));
        }
    }
}

/// On or off.
fn switch(r: &Reading<'_>, c: &Compiled, p: &Param, windows: &[(usize, usize, String)], slots: &mut Slots) {
    let mut state: Option<(bool, usize, usize)> = None;
    let mut until = 0;
    for (start, end, key) in windows {
        if *start < until {
            continue;
        }
        let on_word = p.on.contains(key);
        if !on_word && !p.named_by(key) {
            // "unencrypted"
            if key.strip_prefix("un").is_some_and(|k| p.on.contains(k)) {
                state = Some((false, *start, *end));
            }
            continue;
        }
        until = *end;
        let on = if on_word {
            let refused = matches!(choices::sign(r, *start, *end), choices::Sign::No | choices::Sign::Not);
            let stopped = *start > 0 && r.marks.covers("disable", start - 1);
            !refused && !stopped
        } else {
            switched(r, c, *start, *end)
        };
        if state.is_none() || r.corrected_between(0, *start) || !on {
            state = Some((on, *start, *end));
        }
    }
    if let Some((on, start, end)) = state {
        slots.put(p.name(), r.said(on, start, end));
    }
}

/// Whether a named switch is meant to be on.
fn switched(r: &Reading<'_>, c: &Compiled, start: usize, end: usize) -> bool {
    let mut verb = start;
    while verb > 0 && r.is_filler(verb - 1) {
        verb -= 1;
    }
    if ["leave", "lass", "laisse", "deja", "ignore"].contains(&r.before(verb, 1)) && !["on", "enabled"].contains(&r.low(end)) {
        return false;
    }
    // After it: "monitoring off", "dns: no", "leave dns alone".
    for i in end..(end + 4).min(r.tokens.len()) {
        let token = &r.tokens[i];
        if matches!(token.kind, Kind::Punct(c) if c != ':' && c != '=')
            || ["and", "but", "with", "without", "plus", "aber", "mais", "pero", "y", "et", "und"].contains(&token.low.as_str())
        {
            break;
        }
        // "encryption, no backups": the refusal belongs to what follows it.
        if matches!(token.low.as_str(), "no" | "none") && r.tokens.get(i + 1).is_some_and(|t| t.kind == Kind::Word) {
            break;
        }
        if one_of(
            token.low.as_str(),
            &[
                "off",
                "disabled",
                "aus",
                "false",
                "no",
                "none",
                "alone",
                "untouched",
                "unchanged",
                "unnecessary",
                "deactivated",
                "deaktiviert",
                "desactive",
                "desactivado",
                "needed",
            ],
        ) {
            // "not needed", but "needed" alone switches on.
            if token.low == "needed" && r.before(i, 1) != "not" {
                continue;
            }
            return false;
        }
        if one_of(token.low.as_str(), &["on", "enabled", "true", "yes", "an", "aktiviert", "active", "activado", "both"]) {
            // "encryption on", but not "backups on the ledger".
            if !matches!(token.low.as_str(), "on" | "an")
                || r.tokens
                    .get(i + 1)
                    .is_none_or(|t| t.kind != Kind::Word || matches!(t.low.as_str(), "and" | "please" | "now" | "for" | "und"))
            {
                return true;
            }
            break;
        }
    }
    // Before it, within the clause; a list of switches shares the words before its first member.
    let named = |i: usize| c.params.iter().any(|q| q.holds() == Holds::Switch && (q.named_by(r.low(i)) || q.on.contains(r.low(i))));
    let mut i = start;
    let mut steps = 0;
    while i > 0 && steps < 6 {
        i -= 1;
        steps += 1;
        if r.tokens[i].kind == Kind::Punct(',') && i > 0 && named(i - 1) && matches!(r.low(i + 1), "or" | "nor") {
            continue;
        }
        if r.tokens[i].ends_clause() {
            break;
        }
        if matches!(r.low(i), "or" | "nor" | "oder" | "ni") {
            steps = 0;
            continue;
        }
        if r.low(i) == "and" && i > 0 && !named(i - 1) {
            break;
        }
        if r.marks.covers("not", i) && !matches!(r.low(i), "pas") || r.marks.covers("none", i) || r.marks.covers("disable", i) {
            return r.low(i + 1) == "only" || r.low(i + 1) == "forget";
        }
        if r.marks.covers("enable", i) {
            return true;
        }
    }
    true
}

/// Dotted names become nested objects: `backup.schedule` → `backup: {schedule}`.
pub(super) fn nest(values: IndexMap<String, Said>) -> IndexMap<String, Said> {
    let mut out: IndexMap<String, Said> = IndexMap::new();
    for (name, said) in values {
        let Some((head, leaf)) = name.split_once('.') else {
            out.insert(name, said);
            continue;
        };
        let (head, leaf) = (head.to_owned(), leaf.to_owned());
        match out.get_mut(&head) {
            Some(existing) => {
                if let Value::Object(object) = &mut existing.value {
                    object.insert(leaf, said.value);
                }
                if let (crate::intent::Provenance::Said { words: all }, crate::intent::Provenance::Said { words }) =
                    (&mut existing.provenance, &said.provenance)
                    && !all.contains(words.as_str())
                {
                    all.push_str(" … ");
                    all.push_str(words);
                }
            }
            None => {
                out.insert(head, Said { value: Value::Object([(leaf, said.value)].into_iter().collect()), provenance: said.provenance });
            }
        }
    }
    out
}
