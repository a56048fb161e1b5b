//! Two results over the same cases: what got better, what got worse, and whether that is more than noise.

use std::collections::BTreeMap;

use serde::Serialize;

use super::{report::Report, stats::mcnemar};

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
