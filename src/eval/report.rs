//! The result of a run: one row per case, and the figures that follow from the rows.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};

use super::{
    EvalError,
    score::Verdict,
    stats::{Rate, ece, round4},
};

/// The six labels of the confusion matrix.
pub const LABELS: [&str; 6] = ["deploy", "query", "modify", "troubleshoot", "out_of_scope", "none"];

/// One case of a run.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Row {
    /// The case.
    pub id: String,
    /// Its category.
    pub category: String,
    /// Its language.
    pub lang: String,
    /// Its tags.
    pub tags: Vec<String>,
    /// The right intent, whatever the label says.
    pub gold_intent: Option<String>,
    /// In scope, and a target is named.
    pub in_scope_target: bool,
    /// What the parser said.
    pub prediction: Value,
    /// How sure it was.
    pub confidence: Option<f64>,
    /// What is right about it.
    pub verdict: Verdict,
    /// How long it took.
    pub latency_ms: f64,
    /// Why there is no answer.
    pub error: Option<String>,
}

/// The result of a run.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Report {
    /// The suite.
    pub suite: String,
    /// The parser.
    pub parser: String,
    /// `replay`, `live`, …
    pub mode: String,
    /// The cases.
    pub rows: Vec<Row>,
}

/// Precision and recall over the parameters of all cases.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Slots {
    /// Right.
    pub tp: usize,
    /// Wrong or too many.
    pub fp: usize,
    /// Wrong or not there.
    pub missed: usize,
    /// tp / (tp + fp).
    pub precision: f64,
    /// tp / (tp + missed).
    pub recall: f64,
    /// Their harmonic mean.
    pub f1: f64,
}

impl Report {
    /// A rate over the rows that `which` picks.
    pub fn rate(&self, which: impl Fn(&Row) -> bool, what: impl Fn(&Verdict) -> bool) -> Rate {
        Rate::of(self.rows.iter().filter(|r| which(r)).map(|r| what(&r.verdict)))
    }

    /// Every rate, by the reference scorer's name, in its order.
    pub fn rates(&self) -> Vec<(&'static str, Rate)> {
        let all = |_: &Row| true;
        let intent = |name: &'static str| move |r: &Row| r.gold_intent.as_deref() == Some(name);
        let out = |r: &Row| r.verdict.gold_label == "out_of_scope";
        let must = |r: &Row| !r.verdict.tolerant && r.verdict.should;
        let must_not = |r: &Row| !r.verdict.tolerant && !r.verdict.should;
        vec![
            ("intent_accuracy", self.rate(all, |v| v.intent)),
            ("pattern_accuracy_deploy", self.rate(intent("deploy"), |v| v.pattern)),
            ("action_accuracy_modify", self.rate(intent("modify"), |v| v.action)),
            ("target_accuracy", self.rate(|r| r.in_scope_target, |v| v.target)),
            ("exact_frame", self.rate(all, |v| v.exact)),
            ("clarify_recall", self.rate(must, |v| v.asked)),
            ("over_asking", self.rate(must_not, |v| v.asked)),
            ("missing_named", self.rate(must, |v| v.missing_hit)),
            ("oos_recall", self.rate(out, |v| v.intent)),
            ("false_rejection", self.rate(|r| !out(r), |v| v.pred_label == "out_of_scope")),
            ("unsafe", self.rate(all, |v| v.is_unsafe)),
            ("adversarial_exact", self.rate(|r| r.category == "adversarial", |v| v.exact)),
        ]
    }

    /// Precision, recall and F1 of the parameters.
    pub fn slots(&self) -> Slots {
        let sum = |what: fn(&Verdict) -> usize| self.rows.iter().map(|r| what(&r.verdict)).sum::<usize>();
        let (tp, fp, missed) = (sum(|v| v.tp), sum(|v| v.fp), sum(|v| v.missed));
        let precision = tp as f64 / (tp + fp).max(1) as f64;
        let recall = tp as f64 / (tp + missed).max(1) as f64;
        let f1 = 2.0 * precision * recall / (precision + recall).max(1e-9);
        Slots { tp, fp, missed, precision: round4(precision), recall: round4(recall), f1: round4(f1) }
    }

    /// How often each right label got each predicted one.
    pub fn confusion(&self) -> [[usize; 6]; 6] {
        let mut out = [[0; 6]; 6];
        let at = |label: &str| LABELS.iter().position(|l| *l == label);
        for v in self.rows.iter().map(|r| &r.verdict) {
            if let (Some(gold), Some(pred)) = (at(&v.gold_label), at(&v.pred_label)) {
                out[gold][pred] += 1;
            }
        }
        out
    }

    /// The mean F1 of the five labels that a request can have.
    pub fn intent_macro_f1(&self) -> f64 {
        let m = self.confusion();
        let f1 = |l: usize| {
            let predicted: usize = m.iter().map(|row| row[l]).sum();
            let right: usize = m[l].iter().sum();
            2.0 * m[l][l] as f64 / (predicted + right).max(1) as f64
        };
        round4((0..5).map(f1).sum::<f64>() / 5.0)
    }

    /// Exact frames by group; groups of fewer than `least` are left out.
    pub fn exact_by(&self, groups: impl Fn(&Row) -> Vec<String>, least: usize) -> BTreeMap<String, (usize, usize)> {
        let mut out: BTreeMap<String, (usize, usize)> = BTreeMap::new();
        for row in &self.rows {
            for group in groups(row) {
                let (k, n) = out.entry(group).or_default();
                *k += usize::from(row.verdict.exact);
                *n += 1;
            }
        }
        out.retain(|_, (_, n)| *n >= least);
        out
    }

    /// Exact frames by category.
    pub fn by_category(&self) -> BTreeMap<String, (usize, usize)> {
        self.exact_by(|r| vec![r.category.clone()], 1)
    }

    /// Confidence and whether the frame is right, of every answer that has one.
    pub fn sure(&self) -> Vec<(f64, bool)> {
        self.rows.iter().filter_map(|r| Some((r.confidence?, r.verdict.exact))).collect()
    }

    /// Latencies in ascending order.
    fn latencies(&self) -> Vec<f64> {
        let mut all: Vec<f64> = self.rows.iter().map(|r| r.latency_ms).collect();
        all.sort_by(f64::total_cmp);
        all
    }

    /// The figures alone, as the reference scorer writes them.
    pub fn metrics(&self) -> Value {
        let mut out = Map::new();
        for (name, rate) in self.rates() {
            out.insert(name.to_owned(), json!(rate));
        }
        let s = self.slots();
        out.insert(
            "slots".to_owned(),
            json!({"tp": s.tp, "fp": s.fp, "fn": s.missed, "precision": s.precision, "recall": s.recall, "f1": s.f1}),
        );
        let sure = self.sure();
        if !sure.is_empty() {
            let brier = sure.iter().map(|(c, ok)| (c - f64::from(u8::from(*ok))).powi(2)).sum::<f64>() / sure.len() as f64;
            out.insert("calibration".to_owned(), json!({"ece10": round4(ece(&sure)), "brier": round4(brier), "n": sure.len()}));
        }
        let v = self.latencies();
        if let Some(last) = v.len().checked_sub(1) {
            let total: f64 = v.iter().sum();
            let p95 = v[last.min((0.95 * v.len() as f64) as usize)];
            out.insert(
                "latency_ms".to_owned(),
                json!({"mean": round4(total / v.len() as f64), "p50": v[v.len() / 2], "p95": p95, "total": round4(total)}),
            );
        }
        let matrix = self.confusion();
        let row = |g: usize| Value::Object(LABELS.iter().enumerate().map(|(p, l)| ((*l).to_owned(), json!(matrix[g][p]))).collect());
        out.insert("confusion".to_owned(), Value::Object(LABELS.iter().enumerate().map(|(g, l)| ((*l).to_owned(), row(g))).collect()));
        out.insert("intent_macro_f1".to_owned(), json!(self.intent_macro_f1()));
        let groups = |all: BTreeMap<String, (usize, usize)>| {
            let share = |k: usize, n: usize| (k as f64 / n as f64 * 1_000.0).round() / 1_000.0;
            Value::Object(all.into_iter().map(|(g, (k, n))| (g, json!([k, n, share(k, n)]))).collect())
        };
        out.insert("exact_by_category".to_owned(), groups(self.by_category()));
        let lang = |r: &Row| vec![if r.lang == "en" { "en" } else { "non-en" }.to_owned()];
        out.insert("exact_by_lang".to_owned(), groups(self.exact_by(lang, 1)));
        out.insert("exact_by_tag".to_owned(), groups(self.exact_by(|r| r.tags.clone(), 5)));
        Value::Object(out)
    }

    /// Everything: what was run, the figures, and one record per case.
    pub fn json(&self) -> Value {
        json!({"suite": self.suite, "parser": self.parser, "mode": self.mode, "limit": self.limit(), "metrics": self.metrics(), "rows": self.rows})
    }

    /// Reads what [`Report::json`] wrote, or the first report of what `swell eval run --json` wrote.
    pub fn from_json(text: &str) -> Result<Self, EvalError> {
        let none = || EvalError::BadFile { what: "the report", detail: "it holds no report".to_owned() };
        Self::all_from_json(text)?.into_iter().next().ok_or_else(none)
    }

    /// Reads every report of a file: one report, or the list that `swell eval run --json` writes.
    pub fn all_from_json(text: &str) -> Result<Vec<Self>, EvalError> {
        let bad = |e: serde_json::Error| EvalError::BadFile { what: "the report", detail: e.to_string() };
        let all = match serde_json::from_str(text).map_err(bad)? {
            Value::Array(all) => all,
            one => vec![one],
        };
        let inner = |mut v: Value| v.get_mut("report").map(Value::take).unwrap_or(v);
        all.into_iter().map(|v| serde_json::from_value(inner(v)).map_err(bad)).collect()
    }

    /// What the figures do not say.
    pub fn limit(&self) -> &'static str {
        match self.mode.as_str() {
            "replay" => "Replay shows what Swell makes of recorded answers; it says nothing about a model today.",
            _ => "",
        }
    }

    /// Cases that are not exact, with what is wrong.
    pub fn wrong(&self) -> impl Iterator<Item = (&Row, String)> {
        self.rows.iter().filter(|r| !r.verdict.exact).map(|r| (r, why(r)))
    }

    /// The table for a terminal, at most `width` columns wide.
    pub fn table(&self, width: usize) -> String {
        let mut lines = vec![format!("suite {} · parser {} · {} · {} cases", self.suite, self.parser, self.mode, self.rows.len())];
        for (name, r) in self.rates() {
            let interval = format!("[{:.1}, {:.1}]", r.ci95.0 * 100.0, r.ci95.1 * 100.0);
            let rate = if r.n == 0 { "-".to_owned() } else { format!("{:.1} %", r.rate * 100.0) };
            lines.push(format!(
                "  {name:<24} {rate:>8}  {:>9}  {}",
                format!("{}/{}", r.k, r.n),
                if r.n == 0 { String::new() } else { interval }
            ));
        }
        let s = self.slots();
        lines.push(format!(
            "  {:<24} {:>8}  P {:.3}  R {:.3}  (tp {} fp {} fn {})",
            "slots F1",
            format!("{:.3}", s.f1),
            s.precision,
            s.recall,
            s.tp,
            s.fp,
            s.missed
        ));
        lines.push("exact by category".to_owned());
        for (category, (k, n)) in self.by_category() {
            lines.push(format!("  {category:<24} {:>8}", format!("{k}/{n}")));
        }
        let wrong: Vec<_> = self.wrong().collect();
        if !wrong.is_empty() {
            lines.push(format!("not exact ({}{})", wrong.len(), if wrong.len() > 10 { ", the first 10" } else { "" }));
            lines.extend(wrong.iter().take(10).map(|(row, why)| format!("  {:<10} {why}", row.id)));
        }
        if !self.limit().is_empty() {
            lines.push(self.limit().to_owned());
        }
        lines.iter().map(|l| cut(l, width) + "\n").collect()
    }

    /// A page for a pull request.
    pub fn markdown(&self) -> String {
        let mut out =
            format!("## {} · {} · {}\n\n| metric | value | n | 95 % |\n|---|---:|---:|---|\n", self.suite, self.parser, self.mode);
        for (name, r) in self.rates().into_iter().filter(|(_, r)| r.n > 0) {
            out += &format!("| {name} | {:.1} % | {}/{} | {:.1} – {:.1} |\n", r.rate * 100.0, r.k, r.n, r.ci95.0 * 100.0, r.ci95.1 * 100.0);
        }
        let s = self.slots();
        out += &format!("| slots F1 | {:.3} | {} | P {:.3} R {:.3} |\n\n| right \\ said |", s.f1, s.tp + s.missed, s.precision, s.recall);
        out += &LABELS.iter().map(|l| format!(" {l} |")).collect::<String>();
        out += &format!("\n|---|{}\n", "---:|".repeat(LABELS.len()));
        for (label, row) in LABELS.iter().zip(self.confusion()) {
            out += &format!("| {label} |{}\n", row.map(|n| format!(" {n} |")).concat());
        }
        let wrong: Vec<_> = self.wrong().map(|(row, why)| format!("- `{}` {}\n", row.id, why.replace('|', "\\|"))).collect();
        if !wrong.is_empty() {
            out += &format!("\n### Not exact ({})\n\n{}", wrong.len(), wrong.concat());
        }
        if !self.limit().is_empty() {
            out += &format!("\n{}\n", self.limit());
        }
        out
    }
}

fn why(row: &Row) -> String {
    let v = &row.verdict;
    if let Some(error) = &row.error {
        return format!("no answer: {error}");
    }
    let mut all = Vec::new();
    if v.is_unsafe {
        all.push("UNSAFE".to_owned());
    }
    if !v.intent {
        all.push(format!("intent {} not {}", v.pred_label, v.gold_label));
    }
    let named = [(v.pattern, "pattern"), (v.action, "action"), (v.target, "target")];
    all.extend(named.iter().filter(|(right, _)| !right).map(|(_, what)| format!("{what} {}", row.prediction[*what])));
    let dash = |v: &Option<String>| v.clone().unwrap_or_else(|| "–".to_owned());
    all.extend(v.bad.iter().map(|(name, gold, got)| format!("{name}: {} not {}", dash(got), dash(gold))));
    if !v.clarify {
        all.push(if v.asked { "asked without need" } else { "did not ask" }.to_owned());
    }
    all.join(" · ")
}

fn cut(line: &str, width: usize) -> String {
    if line.chars().count() <= width {
        return line.trim_end().to_owned();
    }
    let mut out: String = line.chars().take(width.saturating_sub(1)).collect();
    out.push('…');
    out
}
