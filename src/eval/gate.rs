//! The gate: a run against the committed baseline, which keeps the outcome of every case so that runs can be paired.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::{
    EvalError,
    compare::{Outcomes, outcomes, pair},
    report::Report,
    stats::wilson,
};

/// The version of the format.
const VERSION: u32 = 1;

/// What is expected of every suite (`evals/baseline.json`).
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Baseline {
    /// The version of the format.
    pub v: u32,
    /// By suite.
    pub suites: BTreeMap<String, Expected>,
}

/// What is expected of one suite.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
pub struct Expected {
    /// The parser that it was made with.
    pub parser: String,
    /// The answers cannot vary, so any difference fails: broken cases, and failing ones that pass now.
    #[serde(default)]
    pub strict: bool,
    /// The Wilson lower bound of exact frames must not fall below this.
    #[serde(default)]
    pub floor: f64,
    /// The outcome of every case.
    pub outcomes: BTreeMap<String, Outcome>,
}

/// What a case came to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Outcome {
    /// Everything right.
    Exact,
    /// The intent right, something else not.
    Intent,
    /// The intent wrong: a known failure.
    Wrong,
}

/// How bad a finding is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Level {
    /// Worth a look.
    Warning,
    /// The gate is shut.
    Failure,
}

/// Something that the gate found.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Finding {
    /// How bad it is.
    pub level: Level,
    /// `unsafe`, `no-answer`, `must-pass`, `regression`, `stale-baseline`, `floor`, `no-baseline`.
    pub code: &'static str,
    /// A sentence.
    pub text: String,
    /// The cases.
    pub cases: Vec<String>,
}

impl Baseline {
    /// Nothing expected yet.
    pub fn empty() -> Self {
        Self { v: VERSION, suites: BTreeMap::new() }
    }

    /// Reads a baseline.
    pub fn from_json(text: &str) -> Result<Self, EvalError> {
        let bad = |detail: String| EvalError::BadFile { what: "the baseline", detail };
        let baseline: Self = serde_json::from_str(text).map_err(|e| bad(e.to_string()))?;
        if baseline.v != VERSION {
            return Err(bad(format!("it has format {}, this program reads {VERSION}", baseline.v)));
        }
        Ok(baseline)
    }

    /// The text of the file.
    pub fn json(&self) -> String {
        serde_json::to_string_pretty(self).unwrap_or_default() + "\n"
    }

    /// Makes a run what is expected. The floor only rises by an edit, and only falls with one.
    pub fn record(&mut self, report: &Report, strict: bool) {
        let floor = self.suites.get(&report.suite).map_or(0.0, |e| e.floor);
        let outcome = |exact: bool, intent: bool| match (exact, intent) {
            (true, _) => Outcome::Exact,
            (false, true) => Outcome::Intent,
            (false, false) => Outcome::Wrong,
        };
        let outcomes = report.rows.iter().map(|r| (r.id.clone(), outcome(r.verdict.exact, r.verdict.intent))).collect();
        self.suites.insert(report.suite.clone(), Expected { parser: report.parser.clone(), strict, floor, outcomes });
    }
}

/// Holds a run against the baseline. The gate is open if no finding is a [`Level::Failure`].
pub fn gate(report: &Report, baseline: &Baseline) -> Vec<Finding> {
    let mut out = Vec::new();
    let ids = |which: &dyn Fn(&super::Row) -> bool| report.rows.iter().filter(|r| which(r)).map(|r| r.id.clone()).collect::<Vec<_>>();
    let mut add = |level, code, text: String, cases: Vec<String>| {
        if !cases.is_empty() {
            out.push(Finding { level, code, text, cases });
        }
    };
    let failing = Level::Failure;
    add(failing, "unsafe", "Something unsafe came out.".to_owned(), ids(&|r| r.verdict.is_unsafe));
    add(failing, "no-answer", "The parser gave no answer.".to_owned(), ids(&|r| r.error.is_some()));
    add(
        failing,
        "must-pass",
        "A case that must pass does not.".to_owned(),
        ids(&|r| !r.verdict.exact && r.tags.iter().any(|t| t == "must_pass")),
    );

    let Some(expected) = baseline.suites.get(&report.suite) else {
        add(Level::Warning, "no-baseline", format!("The baseline has no suite `{}`.", report.suite), ids(&|_| true));
        return out;
    };
    let before: Outcomes<'_> =
        expected.outcomes.iter().map(|(id, o)| (id.as_str(), (*o != Outcome::Wrong, *o == Outcome::Exact))).collect();
    let now = pair(&before, &outcomes(report));
    for o in &now.outcomes {
        let lost = o.only_a.len() > o.only_b.len();
        let level = if expected.strict || lost && o.p < 0.05 { failing } else { Level::Warning };
        let text = format!("{}: {} broken, {} mended, p = {:.3}.", o.what, o.only_a.len(), o.only_b.len(), o.p);
        add(level, "regression", text, o.only_a.clone());
        let level = if expected.strict { failing } else { Level::Warning };
        add(level, "stale-baseline", format!("{}: listed as failing, but passing. Update the baseline.", o.what), o.only_b.clone());
    }
    add(
        if expected.strict { failing } else { Level::Warning },
        "stale-baseline",
        "The baseline and the suite do not have the same cases.".to_owned(),
        now.unshared,
    );

    let exact = report.rows.iter().filter(|r| r.verdict.exact).count();
    let low = wilson(exact, report.rows.len()).1;
    if low < expected.floor {
        let text = format!("The lower bound of exact frames is {low:.4}, the floor is {:.4}.", expected.floor);
        out.push(Finding { level: failing, code: "floor", text, cases: Vec::new() });
    }
    out
}
