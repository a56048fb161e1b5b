//! Names and domains that a person gives: "called atlas", "name: atlas", the word that is also in the domain.

use super::catalog::Compiled;
use super::catalog::Param;
use super::reading::Reading;
use super::slots::{Mode, Slots};
use super::text::{Kind, slug};
use crate::intent::{Holds, Said};

/// A domain name; in a change, the one after "to".
pub(super) fn domain(r: &Reading<'_>, p: &Param, mode: Mode, taken: &[bool], slots: &mut Slots) {
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
    // "Moon Soap moonsoap.example": two words that are one label.
    for at in 1..r.tokens.len() {
        let pair = format!("{}{}", r.low(at - 1), r.low(at));
        if can_be_name(r, at - 1) && can_be_name(r, at) && pair.len() > 5 && labels.iter().rev().skip(1).any(|l| l.replace('-', "") == pair)
        {
            return Some(r.said(slug(&r.words(at - 1, at + 1)), at - 1, at + 1));
        }
    }
    // "web app atlas at", "shop atlas,": an unknown word right after the pattern's noun.
    for at in 1..r.tokens.len() {
        let noun = r.before(at, 1);
        let is_noun = c.words.contains(noun) || noun.ends_with("app") || matches!(noun, "shop" | "store" | "site" | "for");
        let closes = r.tokens.get(at + 1).is_none_or(|t| {
            t.kind != Kind::Word
                || ["at", "on", "with", "domain", "in", "under", "min", "behind", "and", "should", "needs", "using", "via"]
                    .contains(&t.low.as_str())
        });
        let labelled = r.tokens.iter().any(|t| t.kind == Kind::Domain);
        if is_noun && closes && (labelled || noun != "for") && can_be_name(r, at) && r.is_unknown(at) {
            return Some(r.said(slug(&r.tokens[at].raw), at, at + 1));
        }
    }
    None
}
