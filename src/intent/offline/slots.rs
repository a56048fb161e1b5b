//! Values out of words: which parameters of a pattern a request gives, and with which words.
//!
//! Everything here is driven by the catalogue: a parameter says what it holds, by which words it is called and which values it takes.

use indexmap::IndexMap;
use serde_json::{Map, Value};

use super::catalog::{Compiled, Param};
use super::reading::Reading;
use super::text::{Kind, slug};
use super::{counts, places, times};
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

/// How a mention of a value or a switch is meant.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Sign {
    Yes,
    /// "no X", "without X"
    No,
    /// "not X but Y", "instead of X", "from X to Y"
    Not,
}

/// Reads all parameters of a pattern out of a request.
pub(super) fn read(r: &Reading<'_>, c: &Compiled, mode: Mode, current: &Map<String, Value>) -> Slots {
    let mut slots = Slots { used: vec![false; r.tokens.len()], ..Slots::default() };
    let windows = r.windows();
    let mut taken = vec![false; r.tokens.len()];
    for p in c.params.iter().filter(|p| matches!(p.holds(), Holds::Choice | Holds::Choices)) {
        choice(r, p, &windows, mode, current, &mut taken, &mut slots);
    }
    positional_none(r, c, &mut slots);
    if let Some(p) = c.holding(Holds::Version) {
        version(r, c, p, &windows, mode, &mut slots);
    }
    for p in c.params.iter().filter(|p| p.holds() == Holds::Switch) {
        switch(r, c, p, &windows, &mut slots);
    }
    times::read(r, c, mode, &mut slots);
    if let Some(p) = c.holding(Holds::Domain) {
        domain(r, p, mode, &taken, &mut slots);
    }
    if let Some(p) = c.holding(Holds::Name).filter(|_| mode == Mode::Make)
        && let Some(said) = name(r, Some(c))
    {
        slots.put(p.name(), said);
    }
    places::regions(r, c, &mut slots);
    places::sites(r, c, mode, current, &taken, &mut slots);
    counts::read(r, c, mode, current, &mut slots);
    slots
}

/// Whether a token is one of these words.
fn one_of(word: &str, words: &[&str]) -> bool {
    words.contains(&word)
}

/// How the value at `start..end` is meant, from the words around it.
fn sign(r: &Reading<'_>, start: usize, end: usize) -> Sign {
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
        if !r.is_filler(i) && !(steps <= 2 && r.is_unknown(i)) {
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
fn choice(
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
            if sign(r, *start, *end) == Sign::No
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
fn positional_none(r: &Reading<'_>, c: &Compiled, slots: &mut Slots) {
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
        if named || (after_engine && !unit) || (upgrade && !unit) || (token.kind == Kind::Decimal && mode == Mode::Make && after_engine) {
            let raw = token.low.clone();
            if best.is_none() || r.corrected_between(0, i) || mode == Mode::Change {
                best = Some((i, i + 1, raw));
            }
            slots.used[i] = true;
        }
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
        let on = if on_word { !matches!(sign(r, *start, *end), Sign::No | Sign::Not) } else { switched(r, c, *start, *end) };
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
        if matches!(token.kind, Kind::Punct(c) if c != ':' && c != '=') || token.low == "and" {
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

/// A domain name; in a change, the one after "to".
fn domain(r: &Reading<'_>, p: &Param, mode: Mode, taken: &[bool], slots: &mut Slots) {
    let mut best: Option<usize> = None;
    for (i, token) in r.tokens.iter().enumerate() {
        if token.kind != Kind::Domain
            || r.shut[i]
            || taken[i]
            || matches!(r.before(i, 1), "like" | "from" | "instead" | "not")
            || (r.before(i, 1) == "of" && r.before(i, 2) == "instead")
        {
            continue;
        }
        if best.is_none() || mode == Mode::Change || r.corrected_between(0, i) {
            best = Some(i);
        }
    }
    if let Some(i) = best {
        slots.put(p.name(), r.said(r.tokens[i].low.clone(), i, i + 1));
    }
}

/// Whether a token can be a name that a person gives.
fn can_be_name(r: &Reading<'_>, at: usize) -> bool {
    r.tokens.get(at).is_some_and(|t| {
        t.kind == Kind::Word
            && !r.shut[at]
            && t.raw.chars().all(|c| c.is_alphanumeric() || c == '-' || c == '_')
            && t.raw.chars().any(char::is_alphabetic)
            && ![
                "and", "with", "on", "at", "for", "the", "is", "in", "to", "or", "not", "whatever", "after", "servers", "it", "same",
                "like", "of",
            ]
            .contains(&t.low.as_str())
    })
}

/// The name that a person gives to the thing: "called atlas", "name: atlas", or the word that is also in the domain.
pub(super) fn name(r: &Reading<'_>, c: Option<&Compiled>) -> Option<Said> {
    let mut found = None;
    for span in r.marks.spans("named") {
        let mut at = span.end;
        while [":", "=", "it", "is", "the", "as", "be", "should", "-"].contains(&r.low(at)) {
            at += 1;
        }
        // "the name server", "domain name" name nothing.
        if matches!(r.before(span.start, 1), "domain" | "host" | "user" | "dns" | "same")
            || r.shut.get(span.start).copied().unwrap_or(false)
        {
            continue;
        }
        if can_be_name(r, at) && (found.is_none() || r.corrected_between(0, at)) {
            let mut end = at + 1;
            // `called Blue Harbor`: capitals belong together.
            while r.tokens[at].raw.starts_with(char::is_uppercase)
                && can_be_name(r, end)
                && r.tokens[end].raw.starts_with(char::is_uppercase)
                && end < at + 3
                && r.is_unknown(end)
            {
                end += 1;
            }
            found = Some(r.said(slug(&r.words(at, end)), at, end));
        }
    }
    if found.is_some() {
        return found;
    }
    let c = c.filter(|c| c.holding(Holds::Name).is_some())?;
    let labels: Vec<String> =
        r.tokens.iter().filter(|t| t.kind == Kind::Domain).flat_map(|t| t.low.split('.').map(str::to_owned).collect::<Vec<_>>()).collect();
    for at in 0..r.tokens.len() {
        if can_be_name(r, at)
            && r.tokens[at].low.len() > 2
            && labels.iter().rev().skip(1).any(|l| *l == r.tokens[at].low || l.replace('-', "") == r.tokens[at].low)
        {
            return Some(r.said(slug(&r.tokens[at].raw), at, at + 1));
        }
    }
    // "web app atlas at", "shop atlas,": an unknown word right after the pattern's noun.
    for at in 1..r.tokens.len() {
        let noun = r.before(at, 1);
        let is_noun = c.words.contains(noun) || noun.ends_with("app") || matches!(noun, "shop" | "store" | "site" | "for");
        let closes = r
            .tokens
            .get(at + 1)
            .is_none_or(|t| t.kind != Kind::Word || matches!(t.low.as_str(), "at" | "on" | "with" | "domain" | "in" | "under" | "min"));
        let labelled = r.tokens.iter().any(|t| t.kind == Kind::Domain);
        if is_noun && closes && (labelled || noun != "for") && can_be_name(r, at) && r.is_unknown(at) {
            return Some(r.said(slug(&r.tokens[at].raw), at, at + 1));
        }
    }
    None
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
