//! Two results over the same cases: what got better, what got worse, and whether that is more than noise.

use std::collections::BTreeMap;

use serde::Serialize;

use super::{
    report::Report,
    stats::{mcnemar, round4},
};

/// One outcome compared.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Paired {
    /// `intent` or `exact`.
    pub what: &'static str,
    /// Cases that only A has right: broken in B.
    pub only_a: Vec<String>,
    /// Cases that only B has right: mended in B.
    pub only_b: Vec<String>,
    /// The exact two-sided McNemar p.
    pub p: f64,
}

/// Two results compared.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Comparison {
    /// How many cases both have.
    pub shared: usize,
    /// Cases that only one of them has.
    pub unshared: Vec<String>,
    /// Intent and exact frame.
    pub outcomes: Vec<Paired>,
}

/// The outcomes of a case: intent, exact frame.
pub(super) type Outcomes<'a> = BTreeMap<&'a str, (bool, bool)>;

pub(super) fn outcomes(report: &Report) -> Outcomes<'_> {
    report.rows.iter().map(|r| (r.id.as_str(), (r.verdict.intent, r.verdict.exact))).collect()
}

/// Compares two results.
pub fn compare(a: &Report, b: &Report) -> Comparison {
    pair(&outcomes(a), &outcomes(b))
}

pub(super) fn pair(a: &Outcomes<'_>, b: &Outcomes<'_>) -> Comparison {
    let shared: Vec<_> = a.iter().filter_map(|(id, x)| Some((*id, *x, *b.get(id)?))).collect();
    let unshared =
        a.keys().filter(|id| !b.contains_key(*id)).chain(b.keys().filter(|id| !a.contains_key(*id))).map(|id| (*id).to_owned()).collect();
    let paired = |what, which: fn((bool, bool)) -> bool| {
        let ids = |wanted: (bool, bool)| {
            shared.iter().filter(|(_, x, y)| (which(*x), which(*y)) == wanted).map(|(id, ..)| (*id).to_owned()).collect()
        };
        Paired {
            what,
            only_a: ids((true, false)),
            only_b: ids((false, true)),
            p: mcnemar(shared.iter().map(|(_, x, y)| (which(*x), which(*y)))).2,
        }
    };
    Comparison { shared: shared.len(), unshared, outcomes: vec![paired("intent", |x| x.0), paired("exact", |x| x.1)] }
}

impl Comparison {
    /// Lines for a terminal.
    pub fn table(&self) -> String {
        let mut out = format!("{} cases in both\n", self.shared);
        for o in &self.outcomes {
            let verdict = if o.p < 0.05 { "more than noise" } else { "may be noise" };
            out += &format!(
                "  {:<8} only A right {:>3} · only B right {:>3} · p = {:.3} ({verdict})\n",
                o.what,
                o.only_a.len(),
                o.only_b.len(),
                o.p
            );
            let ten = |all: &[String]| all.iter().take(10).map(String::as_str).collect::<Vec<_>>().join(" ");
            if !o.only_a.is_empty() {
                out += &format!("           broken: {}\n", ten(&o.only_a));
            }
            if !o.only_b.is_empty() {
                out += &format!("           mended: {}\n", ten(&o.only_b));
            }
        }
        if !self.unshared.is_empty() {
            out += &format!("  {} cases are only in one of them\n", self.unshared.len());
        }
        out
    }
}

/// How steady a parser is over several runs of the same suite.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Reliability {
    /// How many runs.
    pub runs: usize,
    /// For k = 1, 2, 4, 8 as far as there are runs: the mean chance that k tries of a case are all exact.
    pub pass: Vec<(usize, f64)>,
    /// The share of cases that were exact in some runs and not in others.
    pub flip_rate: f64,
}

/// Looks at the same suite run several times. Cases that a run lacks are left out of its count.
pub fn reliability(runs: &[Report]) -> Reliability {
    let mut by_case: BTreeMap<&str, Vec<bool>> = BTreeMap::new();
    for row in runs.iter().flat_map(|r| &r.rows) {
        by_case.entry(&row.id).or_default().push(row.verdict.exact);
    }
    let right = |all: &[bool]| all.iter().filter(|ok| **ok).count();
    let cases = by_case.len().max(1) as f64;
    // C(c, k) / C(n, k), as a product so that it cannot overflow.
    let chance = |c: usize, n: usize, k: usize| (0..k).map(|i| c.saturating_sub(i) as f64 / (n - i) as f64).product::<f64>();
    let least = by_case.values().map(Vec::len).min().unwrap_or(0);
    let pass = [1, 2, 4, 8].into_iter().filter(|k| *k <= least);
    Reliability {
        runs: runs.len(),
        pass: pass.map(|k| (k, round4(by_case.values().map(|v| chance(right(v), v.len(), k)).sum::<f64>() / cases))).collect(),
        flip_rate: round4(by_case.values().filter(|v| (1..v.len()).contains(&right(v))).count() as f64 / cases),
    }
}
