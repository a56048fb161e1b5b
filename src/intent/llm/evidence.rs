//! Who said a value: the request's own words, the context, or nobody but the model.
//!
//! A model can claim any words. They count only if they stand in what the person wrote and bear the value out.

use serde_json::Value;

use super::ask::Ask;
use crate::intent::Provenance;

/// Decides the provenance of a value. `targets` are looked at before other deployments.
pub(super) fn provenance(
    ask: &Ask<'_>,
    targets: &[String],
    name: &str,
    value: &Value,
    claimed: &str,
    words: &str,
    model: &str,
) -> Provenance {
    if claimed == "request" && is_said(ask, words) && bears_out(words, value) {
        return Provenance::Said { words: words.trim().to_owned() };
    }
    // "The same broker as X" may be claimed either way, so the context is always looked at.
    if let Some(what) = settled_by(ask, targets, name, value, words) {
        return Provenance::Context { what };
    }
    Provenance::Assumed { model: model.to_owned() }
}

fn is_said(ask: &Ask<'_>, words: &str) -> bool {
    let words = plain(words);
    !words.is_empty() && std::iter::once(&ask.request).chain(&ask.said_before).any(|text| has_words(&plain(text), &words))
}

/// `words` as whole words: "2" does not stand in "12".
fn has_words(text: &str, words: &str) -> bool {
    text.match_indices(words).any(|(at, _)| {
        let inside = |a: Option<char>, b: Option<char>| matches!((a, b), (Some(a), Some(b)) if a.is_alphanumeric() && b.is_alphanumeric());
        let end = at + words.len();
        !inside(text[..at].chars().next_back(), words.chars().next()) && !inside(words.chars().next_back(), text[end..].chars().next())
    })
}

fn plain(text: &str) -> String {
    text.to_lowercase().split_whitespace().collect::<Vec<_>>().join(" ")
}

/// Whether the words can mean the value. Numbers need a digit or a number word, things with a dot must stand there.
fn bears_out(words: &str, value: &Value) -> bool {
    let words = plain(words);
    match value {
        Value::Number(_) => has_number(&words),
        Value::String(text) if looks_written(text) || text.starts_with(|c: char| c.is_ascii_digit()) && !has_unit(text) => {
            words.contains(&text.to_lowercase())
        }
        Value::Array(items) => items.iter().all(|item| bears_out(&words, item)),
        _ => true,
    }
}

/// `14d` may have been said as "two weeks".
fn has_unit(text: &str) -> bool {
    text.ends_with(|c: char| c.is_alphabetic())
}

/// Domains and addresses are copied, not inferred.
fn looks_written(text: &str) -> bool {
    text.contains('.') && text.chars().any(char::is_alphabetic) && !text.contains(char::is_whitespace)
}

fn has_number(words: &str) -> bool {
    const NUMBERS: &[&str] = &[
        "zero",
        "a",
        "an",
        "one",
        "once",
        "single",
        "two",
        "twice",
        "both",
        "pair",
        "couple",
        "three",
        "triple",
        "four",
        "five",
        "six",
        "seven",
        "eight",
        "nine",
        "ten",
        "eleven",
        "twelve",
        "dozen",
        "thirteen",
        "fourteen",
        "fifteen",
        "sixteen",
        "seventeen",
        "eighteen",
        "nineteen",
        "twenty",
        "thirty",
        "forty",
        "fifty",
        "sixty",
        "seventy",
        "eighty",
        "ninety",
        "hundred",
        "thousand",
        "half",
        "double",
        "more",
        "less",
        "fewer",
        "another",
        "extra",
        "additional", // en
        "ein",
        "eine",
        "einen",
        "zwei",
        "drei",
        "vier",
        "fünf",
        "sechs",
        "sieben",
        "acht",
        "neun",
        "zehn",
        "elf",
        "zwölf",
        "zwanzig",
        "dreißig",
        "hundert",
        "mehr",
        "weitere", // de
        "un",
        "une",
        "deux",
        "trois",
        "quatre",
        "cinq",
        "sept",
        "huit",
        "neuf",
        "dix",
        "douze",
        "vingt",
        "trente",
        "cent",
        "plus", // fr
        "uno",
        "una",
        "dos",
        "tres",
        "cuatro",
        "cinco",
        "seis",
        "siete",
        "ocho",
        "nueve",
        "diez",
        "doce",
        "veinte",
        "treinta",
        "cien",
        "más", // es
    ];
    words.chars().any(|c| c.is_numeric()) || words.split(|c: char| !c.is_alphanumeric()).any(|w| NUMBERS.contains(&w))
}

fn settled_by(ask: &Ask<'_>, targets: &[String], name: &str, value: &Value, words: &str) -> Option<String> {
    if let Some(pending) = ask.pending
        && lookup(pending.params.iter().map(|(k, said)| (k.as_str(), &said.value)), name).is_some_and(|v| same(v, value))
    {
        return Some("the plan that waits".to_owned());
    }
    let words = plain(words);
    let named = |d: &str| targets.iter().any(|t| t == d) || has_words(&words, &d.to_lowercase()) || ask.deployments.len() == 1;
    let region = |name: &str| name.to_lowercase().contains("region");
    ask.deployments.iter().filter(|d| named(&d.name)).find_map(|d| {
        let param = lookup(d.params.iter().map(|(k, v)| (k.as_str(), v)), name).is_some_and(|v| same(v, value));
        let place = region(name) && d.region.as_deref().is_some_and(|r| Some(r) == value.as_str());
        (param || place).then(|| d.name.clone())
    })
}

/// Finds a dotted name in nested parameters.
fn lookup<'v>(mut params: impl Iterator<Item = (&'v str, &'v Value)>, name: &str) -> Option<&'v Value> {
    let (first, rest) = name.split_once('.').map_or((name, None), |(a, b)| (a, Some(b)));
    let (_, value) = params.find(|(k, _)| *k == first || *k == name)?;
    rest.map_or(Some(value), |rest| value.pointer(&format!("/{}", rest.replace('.', "/"))))
}

fn same(a: &Value, b: &Value) -> bool {
    let text = |v: &Value| v.as_str().map(str::to_lowercase).unwrap_or_else(|| v.to_string());
    a == b || text(a) == text(b)
}
