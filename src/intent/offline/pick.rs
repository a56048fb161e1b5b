//! Which pattern a request for something new is about, if any: by the words that identify it, by the values that only it takes, and by
//! the classifier. A pattern that does not fit is never forced on a request.

use super::catalog::Compiled;
use super::model::{Features, Model};
use super::reading::Reading;
use super::text::Kind;
use crate::intent::Holds;

/// What a pattern search found.
#[derive(Debug, Clone)]
pub(super) struct Chosen {
    /// Index into the catalogue; `None` if no pattern fits.
    pub index: Option<usize>,
    /// Distance to the next candidate.
    pub margin: f64,
    /// Strength of the words that point to the chosen pattern.
    pub evidence: f64,
}

/// Scores the patterns by their words, their values and the classifier.
pub(super) fn pattern(r: &Reading<'_>, catalog: &[Compiled], model: &Model, features: &Features) -> Chosen {
    let p = model.probabilities(features);
    let of = |name: &str| model.labels().iter().position(|l| l == name).and_then(|i| p.get(i)).copied().unwrap_or(0.0);
    let windows = r.windows();
    let mut words = vec![0.0f64; catalog.len()];
    let mut until = 0;
    let mut grounded = vec![false; catalog.len()];
    let mut seen = std::collections::HashSet::new();
    let mut unexplained = vec![0usize; catalog.len()];
    for (start, end, key) in &windows {
        if *start < until || r.tokens[*start].quoted {
            continue;
        }
        let holders: Vec<usize> = (0..catalog.len()).filter(|i| has_word(&catalog[*i], key)).collect();
        let terms: Vec<(usize, f64)> = (0..catalog.len())
            .filter_map(|i| {
                let weight = catalog[i]
                    .params
                    .iter()
                    .filter(|p| p.holds() != Holds::Other && p.terms.contains_key(key.as_str()) && key != "none")
                    .map(|p| if p.spec.required { 1.0 } else { 0.6 })
                    .fold(0.0, f64::max);
                (weight > 0.0).then_some((i, weight))
            })
            .collect();
        if holders.is_empty() && terms.is_empty() || super::choices::is_plain_english(r, *start, key) {
            continue;
        }
        until = *end;
        if !seen.insert(key.clone()) {
            continue;
        }
        let length = ((end - start) as f64).sqrt();
        if !terms.is_empty() && holders.is_empty() {
            (0..catalog.len()).filter(|i| !terms.iter().any(|t| t.0 == *i)).for_each(|i| unexplained[i] += 1);
        }
        for i in &holders {
            grounded[*i] = true;
            words[*i] += 1.3 * length / holders.len() as f64;
        }
        for (i, weight) in &terms {
            // A broker is a value that only one pattern takes and that it cannot do without.
            let only = terms.len() == 1
                && catalog[*i].params.iter().any(|p| p.terms.contains_key(key.as_str()) && !p.may_be_none() && p.holds() == Holds::Choice);
            grounded[*i] |= *weight >= 1.0 || only;
            // A value that one pattern requires speaks for that pattern; one that several may take speaks little.
            let required = terms.iter().filter(|t| t.1 >= 1.0).count().max(1);
            words[*i] += 1.1 * weight * length / if *weight >= 1.0 { required as f64 } else { terms.len() as f64 };
        }
    }
    let regions =
        (0..r.tokens.len()).filter(|i| super::places::region_at(r, *i).is_some_and(|(_, e)| e == i + 1 && r.low(*i).contains('-'))).count();
    for (i, c) in catalog.iter().enumerate() {
        if regions > 0 && c.params.iter().filter(|p| p.holds() == Holds::Region).count() > 1 {
            words[i] += 0.8 * regions.min(2) as f64;
        }
        if c.holding(Holds::Domain).is_some() && r.tokens.iter().any(|t| t.kind == Kind::Domain) {
            words[i] += 0.3;
            // A domain with a smallest and a largest number of servers is a thing between two bounds, whatever it is called.
            let counted = (1..r.tokens.len()).any(|k| {
                r.tokens[k - 1].number().is_some()
                    && c.params.iter().any(|p| matches!(p.holds(), Holds::Min | Holds::Max) && p.named_by(r.low(k)))
            });
            let bounded = r.marks.any("max") && r.marks.any("min");
            if c.has_bounds() && (bounded || counted && (r.marks.any("max") || r.marks.any("min") || r.marks.any("range"))) {
                words[i] += 0.7;
                grounded[i] = true;
            }
        }
    }
    let mut scores: Vec<(Option<usize>, f64)> =
        catalog.iter().enumerate().map(|(i, c)| (Some(i), f64::from(of(c.name()) + 0.02).ln() + 1.2 * words[i])).collect();
    // A pattern that has a place for every value that was named fits better than one that has not.
    for (i, score) in scores.iter_mut().enumerate() {
        score.1 -= 1.4 * unexplained[i].min(3) as f64;
    }
    // A value of an optional parameter alone ("redis") does not make a pattern.
    for (i, score) in scores.iter_mut().enumerate() {
        if !grounded[i] && words[i] > 0.0 {
            score.1 -= 1.5;
        }
    }
    let foreign =
        r.marks.spans("foreign").iter().filter(|s| !catalog.iter().any(|c| (s.start..s.end).all(|i| c.words.contains(r.low(i))))).count();
    // What is grounded in a pattern's own words or values is seldom something else, unless something else is named too.
    let ours = if foreign == 0 && grounded.iter().any(|g| *g) { 0.9 } else { 0.0 };
    scores.push((None, f64::from(of("unmatched") + 0.02).ln() + 0.4 - ours + 2.2 * foreign.min(2) as f64));
    scores.sort_by(|a, b| b.1.total_cmp(&a.1));
    // Words that point nowhere choose nothing: "deploy" alone is no particular thing.
    let blind = |s: &(Option<usize>, f64)| s.0.is_some_and(|i| words[i] <= 0.0 && of(catalog[i].name()) < 0.5);
    if scores.first().is_some_and(blind) {
        scores.retain(|s| !blind(s));
    }
    let best = scores.first().copied().unwrap_or((None, 0.0));
    let next = scores.get(1).map_or(best.1 - 5.0, |s| s.1);
    Chosen { index: best.0, margin: best.1 - next, evidence: best.0.map_or(0.0, |i| words[i]) }
}

fn has_word(c: &Compiled, key: &str) -> bool {
    c.words.contains(key) || key.len() > 4 && key.strip_suffix('s').is_some_and(|k| c.words.contains(k))
}
