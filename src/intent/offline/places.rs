//! Places: cloud regions with their direction, sites by name, services that a runbook moves.

use std::sync::LazyLock;

use regex::Regex;
use serde_json::{Map, Value};

use super::catalog::Compiled;
use super::reading::Reading;
use super::slots::{Mode, Slots};
use super::text::{Kind, phrase_key, slug};
use crate::intent::Holds;

static REGION: LazyLock<Option<Regex>> = LazyLock::new(|| {
    Regex::new(
        r"^(?:(?:us|eu|ap|sa|ca|me|af|il|mx|cn|us-gov)-(?:north|south|east|west|central|northeast|northwest|southeast|southwest)-\d[a-f]?|(?:us|europe|asia|australia|southamerica|northamerica|me|africa)-(?:north|south|east|west|central|northeast|southeast|northwest|southwest)\d{1,2}(?:-[a-f])?|(?:east|west|central|north|south|northcentral|southcentral|westcentral)us[23]?|(?:north|west)europe|(?:uk|france|germany|norway|switzerland|sweden|italy|poland|spain|uae|brazil|canada|japan|korea|australia|southafrica|india|mexico|israel|qatar)(?:north|south|east|west|central|westcentral|southeast|northwest|southwest)\d?|(?:east|southeast)asia|(?:south|central|west)india|fra1|nyc[123]|ams[23]|sfo[123]|sgp1|lon1|tor1|blr1|fsn1|nbg1|hel1|(?:fr-par|nl-ams|pl-waw)-\d|gra\d{0,2}|sbg\d|rbx\d?)$",
    )
    .ok()
});

/// Cities and states that everyone uses for one region of the largest cloud.
fn region_of(place: &str) -> Option<&'static str> {
    Some(match place {
        "virginia" | "n virginia" | "north virginia" | "northern virginia" => "us-east-1",
        "ohio" => "us-east-2",
        "california" | "northern california" => "us-west-1",
        "oregon" => "us-west-2",
        "frankfurt" => "eu-central-1",
        "zurich" => "eu-central-2",
        "ireland" | "dublin" | "irland" | "irlande" | "irlanda" => "eu-west-1",
        "london" | "londres" => "eu-west-2",
        "paris" => "eu-west-3",
        "stockholm" => "eu-north-1",
        "milan" | "mailand" => "eu-south-1",
        "mumbai" => "ap-south-1",
        "singapore" | "singapur" => "ap-southeast-1",
        "sydney" => "ap-southeast-2",
        "tokyo" | "tokio" => "ap-northeast-1",
        "seoul" => "ap-northeast-2",
        "osaka" => "ap-northeast-3",
        "montreal" => "ca-central-1",
        "sao paulo" => "sa-east-1",
        _ => return None,
    })
}

/// The region named at a place: its code and the end.
pub(super) fn region_at(r: &Reading<'_>, at: usize) -> Option<(String, usize)> {
    let token = r.tokens.get(at)?;
    if REGION.as_ref().is_some_and(|re| re.is_match(&token.low)) {
        return Some((token.low.clone(), at + 1));
    }
    let two = phrase_key(&format!("{} {}", token.low, r.low(at + 1)));
    if let Some(region) = region_of(&two) {
        return Some((region.to_owned(), at + 2));
    }
    region_of(&token.low).map(|region| (region.to_owned(), at + 1))
}

/// Source and target region: by direction words, else in the order in which they stand.
pub(super) fn regions(r: &Reading<'_>, c: &Compiled, slots: &mut Slots) {
    let params: Vec<_> = c.params.iter().filter(|p| p.holds() == Holds::Region).collect();
    let Some(first) = params.first() else { return };
    let mut found = Vec::new();
    let mut at = 0;
    while at < r.tokens.len() {
        match region_at(r, at).filter(|_| !r.shut[at]) {
            Some((region, end)) => {
                found.push((region, at, end));
                at = end;
            }
            None => at += 1,
        }
    }
    let Some(second) = params.get(1) else {
        if let Some((region, s, e)) = found.into_iter().next() {
            slots.put(first.name(), r.said(region, s, e));
        }
        return;
    };
    let count = found.len();
    for (i, (region, start, end)) in found.into_iter().enumerate() {
        let mut before = start;
        while before > 0
            && (["the", "region", "aws", "azure", "gcp", ":", "=", "is"].contains(&r.low(before - 1))
                || r.is_filler(before - 1) && !matches!(r.low(before - 1), "de" | "of" | "a"))
        {
            before -= 1;
        }
        let word = r.before(before, 1);
        let after = r.low(end);
        let source = [
            "from",
            "von",
            "aus",
            "de",
            "desde",
            "depuis",
            "of",
            "source",
            "sourceregion",
            "primary",
            "leaving",
            "if",
            "when",
            "losing",
            "off",
        ]
        .contains(&word)
            || matches!(after, "->" | "goes" | "dies" | "fails" | "is" | "down" | "dark");
        let target = [
            "to",
            "into",
            "nach",
            "vers",
            "a",
            "hacia",
            "hasta",
            "->",
            "target",
            "targetregion",
            "onto",
            "zu",
            "standby",
            "secondary",
            "in",
            "towards",
            "toward",
            "use",
            "al",
            "en",
            "over",
            "bis",
            "dans",
            "sur",
        ]
        .contains(&word);
        let is_source = source || (!target && count > 1 && i == 0);
        let p = if is_source { first } else { second };
        if slots.values.contains_key(p.name()) && !r.corrected_between(0, start) {
            continue;
        }
        slots.put(p.name(), r.said(region, start, end));
    }
}

/// Words that can follow a list and end it.
fn ends_list(r: &Reading<'_>, at: usize) -> bool {
    let Some(token) = r.tokens.get(at) else { return true };
    !matches!(token.kind, Kind::Word | Kind::Number(_))
        || r.shut[at]
        || token.number().is_some()
        || [
            "with",
            "off",
            "out",
            "away",
            "to",
            "into",
            "from",
            "on",
            "for",
            "dns",
            "mit",
            "avec",
            "con",
            "using",
            "via",
            "over",
            "please",
            "including",
            "plus",
            "without",
            "no",
            "each",
            "per",
            "broker",
            "is",
            "are",
            "devices",
            "sensors",
            "through",
            "need",
            "needs",
            "should",
            "online",
            "nach",
            "vers",
            "desde",
            "von",
            "uber",
            "in",
            "at",
            "a",
            "->",
            "target",
            "source",
            "update",
            "switch",
            "leave",
            "anbinden",
            "where",
            "when",
            "which",
            "but",
            "als",
            "running",
            "as",
            "then",
            "now",
            "pls",
            "so",
            "sur",
            "en",
            "para",
            "pour",
            "it",
        ]
        .contains(&token.low.as_str())
}

/// Names from a place on: "Lyon, Metz and Nancy".
fn list(r: &Reading<'_>, from: usize, taken: &[bool]) -> (Vec<(String, usize, usize)>, usize) {
    let mut out = Vec::new();
    let mut at = from;
    loop {
        while r.is_filler(at) && !matches!(r.low(at), "de" | "a") {
            at += 1;
        }
        let start = at;
        while !ends_list(r, at)
            && !matches!(r.low(at), "and" | "und" | "et" | "y" | "or" | "&")
            && !taken.get(at).copied().unwrap_or(true)
            && at < start + 3
        {
            at += 1;
        }
        if at == start {
            break;
        }
        out.push((slug(&r.words(start, at)), start, at));
        let mut next = at;
        while r.tokens.get(next).is_some_and(|t| t.is_punct(',') || t.is_punct('/')) || matches!(r.low(next), "and" | "und" | "et" | "y") {
            next += 1;
        }
        if next == at {
            break;
        }
        at = next;
    }
    (out, at)
}

/// Sites by name.
pub(super) fn sites(r: &Reading<'_>, c: &Compiled, mode: Mode, current: &Map<String, Value>, taken: &[bool], slots: &mut Slots) {
    if let Some(p) = c.holding(Holds::Services) {
        services(r, p.name(), taken, slots);
    }
    let Some(p) = c.holding(Holds::Sites) else { return };
    // "Site A, Site B and Site C": the noun is part of each name.
    let lettered: Vec<usize> = (0..r.tokens.len())
        .filter(|i| {
            // "Gate A, Gate B": a word that comes back with another letter.
            let again =
                || r.tokens[*i].raw.starts_with(char::is_uppercase) && r.tokens.iter().filter(|t| t.low == r.tokens[*i].low).count() > 1;
            (p.named_by(r.low(*i)) || again())
                && r.tokens
                    .get(i + 1)
                    .is_some_and(|t| !t.ends_clause() && (t.number().is_some() || t.kind == Kind::Word && t.low.len() == 1))
        })
        .collect();
    if let (Mode::Make, Some(first), Some(last), true) = (mode, lettered.first(), lettered.last(), lettered.len() > 1) {
        let names: Vec<String> = lettered.iter().map(|i| slug(&r.words(*i, i + 2))).collect();
        lettered.iter().filter(|i| r.tokens[**i + 1].number().is_some()).for_each(|i| slots.used[i + 1] = true);
        return slots.put(p.name(), r.said(names, *first, last + 2));
    }
    // "the three schools Linden, Mitte and Wedding": as many names as were counted.
    for at in 0..r.tokens.len() {
        let Some(n) = r.tokens[at].number().filter(|n| *n > 1 && mode == Mode::Make) else { continue };
        let noun = r.tokens.get(at + 1).is_some_and(|t| t.kind == Kind::Word && t.low.len() > 3 && !taken[at + 1]);
        let colon =
            usize::from(r.tokens.get(at + 2).is_some_and(|t| t.is_punct(':') || t.is_punct('(')) || matches!(r.low(at + 2), "in" | "at"));
        let (names, end) = list(r, at + 2 + colon, taken);
        if noun && i64::try_from(names.len()) == Ok(n) && names.iter().all(|x| !x.0.is_empty()) {
            slots.used[at] = true;
            return slots.put(p.name(), r.said(names.into_iter().map(|x| x.0).collect::<Vec<_>>(), at, end));
        }
    }
    // The pattern's own noun first ("sites: a, b"), then a preposition ("in Porto").
    for (at, by_noun) in (0..r.tokens.len()).map(|i| (i, true)).chain((0..r.tokens.len()).map(|i| (i, false))) {
        let low = r.low(at);
        let noun = p.named_by(low);
        if noun != by_noun {
            continue;
        }
        let preposition =
            ["at", "in", "for", "an", "en", "a", "across", "between", "sur", "pour", "fur"].contains(&low) && !r.before(at, 1).is_empty();
        if !noun && !preposition || (noun && r.before(at, 1).parse::<i64>().is_ok()) {
            continue;
        }
        let mut from = at + 1;
        while [":", "=", "in", "at", "are", "called", "named", "und", "[", "("].contains(&r.low(from)) || r.is_filler(from) {
            from += 1;
        }
        // "at the plants in Porto": the noun between the preposition and the names.
        if preposition && p.named_by(r.low(from)) {
            continue;
        }
        let (names, end) = list(r, from, taken);
        let unknown = names.iter().filter(|n| r.is_unknown(n.1) || r.tokens[n.1].raw.starts_with(char::is_uppercase) && n.1 > 0).count();
        let good = if noun {
            !names.is_empty() && (names.len() > 1 || mode == Mode::Change || unknown > 0)
        } else {
            unknown > 0 && unknown * 2 >= names.len() && names.iter().all(|n| is_place(r, n.1))
        };
        // "for our stadium" says whose, not where.
        let whose =
            preposition && from > at + 1 && names.len() == 1 && names.iter().all(|n| r.tokens[n.1].raw.starts_with(char::is_lowercase));
        if whose {
            continue;
        }
        // "on an MQTT edge" says what, not where.
        let what = names.iter().any(|n| (n.1..n.2).any(|i| c.words.contains(r.low(i)) && !p.named_by(r.low(i))));
        if !good || what || names.iter().any(|n| n.0.is_empty()) {
            continue;
        }
        // "the depots Nord, Ost": the first item drags its noun along.
        let mut names = names;
        if let Some((name, s, e)) = names.first_mut()
            && *e - *s > 1
            && r.tokens[*s].raw.starts_with(char::is_lowercase)
            && r.tokens[*s + 1].raw.starts_with(char::is_uppercase)
        {
            *s += 1;
            *name = slug(&r.words(*s, *e));
        }
        let fresh: Vec<String> = names.iter().map(|n| n.0.clone()).collect();
        let clause = r.clause_start(at);
        let had: Vec<String> =
            current.get(p.name()).and_then(Value::as_array).into_iter().flatten().filter_map(Value::as_str).map(str::to_owned).collect();
        let verb = |class: &str| r.marks.spans(class).iter().any(|s| s.start >= clause && s.start <= at);
        let value: Vec<String> = match mode {
            Mode::Make => fresh,
            Mode::Change if verb("destroy") || verb("disable") => had.into_iter().filter(|s| !fresh.contains(s)).collect(),
            // "60 more sensors in the cellar": a site that is there already.
            Mode::Change if fresh.iter().all(|s| had.contains(s)) => continue,
            Mode::Change if verb("up") || verb("enable") || verb("make") => had.into_iter().chain(fresh).collect(),
            Mode::Change => fresh,
        };
        slots.put(p.name(), r.said(value, at, end));
        return;
    }
    // "edge: Quito, Lima and Cusco": capitals in a list, with no word before them that says what they are.
    if mode == Mode::Make && !slots.values.contains_key(p.name()) {
        for at in 0..r.tokens.len() {
            let opens = at == 0 || matches!(r.tokens[at - 1].kind, Kind::Punct(_));
            if !opens || !r.is_unknown(at) || !r.tokens[at].raw.starts_with(char::is_uppercase) {
                continue;
            }
            let (names, end) = list(r, at, taken);
            if names.len() > 1 && names.iter().all(|n| r.is_unknown(n.1) && r.tokens[n.1].raw.starts_with(char::is_uppercase)) {
                let fresh: Vec<String> = names.into_iter().map(|n| n.0).collect();
                return slots.put(p.name(), r.said(fresh, at, end));
            }
        }
    }
    // "remove pier-2 from it": a site that is there is named outright.
    if mode == Mode::Change && !slots.values.contains_key(p.name()) && (r.marks.any("destroy") || r.marks.any("disable")) {
        let had: Vec<String> =
            current.get(p.name()).and_then(Value::as_array).into_iter().flatten().filter_map(Value::as_str).map(str::to_owned).collect();
        let gone: Vec<(usize, usize, &String)> =
            r.windows().iter().filter_map(|(s, e, key)| had.iter().find(|x| phrase_key(x) == *key).map(|x| (*s, *e, x))).collect();
        if let (Some(first), Some(last)) = (gone.first(), gone.last())
            && gone.len() < had.len()
        {
            let left: Vec<String> = had.iter().filter(|x| !gone.iter().any(|g| g.2 == *x)).cloned().collect();
            return slots.put(p.name(), r.said(left, first.0, last.1));
        }
    }
    // "drop the north site": the name stands before the noun.
    if mode == Mode::Change && !slots.values.contains_key(p.name()) {
        let had: Vec<String> =
            current.get(p.name()).and_then(Value::as_array).into_iter().flatten().filter_map(Value::as_str).map(str::to_owned).collect();
        for at in 1..r.tokens.len() {
            if !p.named_by(r.low(at)) || r.tokens[at - 1].kind != Kind::Word || r.is_filler(at - 1) {
                continue;
            }
            let name = slug(r.low(at - 1));
            let verb = |class: &str| r.marks.spans(class).iter().any(|s| s.start < at);
            let value: Option<Vec<String>> =
                if had.contains(&name) && (verb("destroy") || verb("disable") || ["off", "out", "away"].contains(&r.low(at + 1))) {
                    Some(had.iter().filter(|s| **s != name).cloned().collect())
                } else if !had.contains(&name)
                    && (verb("up") || verb("make"))
                    && !matches!(name.as_str(), "new" | "another" | "more" | "add" | "one" | "additional")
                {
                    Some(had.iter().cloned().chain([name.clone()]).collect())
                } else {
                    None
                };
            if let Some(value) = value {
                slots.put(p.name(), r.said(value, at - 1, at + 1));
                return;
            }
        }
    }
}

/// Whether a word after "at" or "in" can be the name of a place.
fn is_place(r: &Reading<'_>, at: usize) -> bool {
    r.tokens.get(at).is_some_and(|t| t.kind == Kind::Word)
        && (r.is_unknown(at) || r.tokens[at].raw.starts_with(char::is_uppercase) || r.low(at).len() <= 2)
}

/// "services cart,search", "for web, api and database", "for everything".
fn services(r: &Reading<'_>, name: &str, taken: &[bool], slots: &mut Slots) {
    if slots.values.contains_key(name) {
        return;
    }
    let cue = |i: usize| {
        [
            "services",
            "service",
            "servicios",
            "dienste",
            "workloads",
            "apps",
            "covering",
            "covers",
            "cover",
            "for",
            "fur",
            "pour",
            "para",
            "protect",
            "include",
            "including",
            "of",
            "over",
        ]
        .contains(&r.low(i))
    };
    for at in 0..r.tokens.len() {
        let verb = r.marks.spans("failover").iter().any(|s| s.end == at + 1)
            && (at + 1..(at + 3).min(r.tokens.len())).any(|i| r.marks.covers("all", i));
        if !cue(at) && !verb {
            continue;
        }
        let mut from = at + 1;
        while matches!(r.low(from), ":" | "=" | "services" | "service" | "are" | "apps") || r.is_filler(from) {
            from += 1;
        }
        if r.marks.covers("all", from) {
            let end = from + 1;
            return slots.put(name, r.said(vec!["all".to_owned()], from, end));
        }
        if region_at(r, from).is_some() || r.low(from).ends_with("ing") && !r.is_unknown(from) {
            continue;
        }
        let (names, end) = list(r, from, taken);
        let names: Vec<_> = names
            .into_iter()
            .filter(|n| !n.0.is_empty())
            .map(|n| n.0.trim_end_matches("-services").trim_end_matches("-service").trim_end_matches("-apps").to_owned())
            .collect();
        if !names.is_empty() && names.iter().all(|n| n != "us" && n != "me" && n != "disaster-recovery" && n != "dr" && n != "case") {
            return slots.put(name, r.said(names, from, end));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::intent::offline::lexicon::Lexicon;
    use crate::intent::offline::text::tokenize;

    #[test]
    fn knows_regions_of_three_clouds_and_a_few_cities() {
        let lexicon = Lexicon::load();
        for (text, region) in
            [("eu-west-3", "eu-west-3"), ("europe-west4", "europe-west4"), ("uksouth", "uksouth"), ("Frankfurt", "eu-central-1")]
        {
            let r = Reading::new(text, tokenize(text), &lexicon);
            assert_eq!(region_at(&r, 0).map(|x| x.0).as_deref(), Some(region), "{text}");
        }
        let r = Reading::new("front-east-door", tokenize("front-east-door"), &lexicon);
        assert_eq!(region_at(&r, 0), None);
    }
}
