//! Evals: how well requests are understood, in figures that can be compared.
//!
//! `predict` says what a parser makes of each case; `run` judges it; `gate` holds it against the committed baseline. Replies
//! of models come from recordings unless a run is told to reach the network: see `evals/README.md`.

use std::{
    io::{BufRead, Write},
    path::{Path, PathBuf},
    sync::Arc,
    time::Instant,
};

use serde_json::{Value, json};

use crate::{
    diagnostic::{Diagnostic, Explain, Failure},
    intent::{CatalogEntry, Parser, llm::LlmParser, prediction, world_from_case},
    llm::{
        LlmError,
        prompt::Prompts,
        recording::{BY_HAND, Recordings},
    },
};

pub mod case;

pub mod compare;

pub mod gate;

pub mod html;

pub mod junit;

mod markup;

pub mod normal;

pub mod report;

pub mod score;

pub mod stats;

pub use case::{Case, Suite};
pub use compare::{Comparison, Reliability, compare, reliability};
pub use gate::{Baseline, Finding, gate};
pub use report::{Report, Row};

/// Why an evaluation cannot be made.
#[derive(Debug, thiserror::Error)]
pub enum EvalError {
    /// A file cannot be read.
    #[error("{} cannot be read: {detail}", path.display())]
    Unreadable {
        /// The file.
        path: PathBuf,
        /// Why.
        detail: String,
    },
    /// A line is no case.
    #[error("{file}:{line}: {detail}")]
    BadCase {
        /// The file.
        file: String,
        /// From 1.
        line: usize,
        /// What is wrong.
        detail: String,
    },
    /// A report or a baseline is not one.
    #[error("{what} cannot be read: {detail}")]
    BadFile {
        /// What it should be.
        what: &'static str,
        /// What is wrong.
        detail: String,
    },
    /// The answers cannot be written.
    #[error("the result cannot be written: {0}")]
    Unwritable(std::io::Error),
    /// The model side cannot be set up.
    #[error(transparent)]
    Model(#[from] LlmError),
}

impl Explain for EvalError {
    fn explain(&self) -> Diagnostic {
        let error = |code, summary| Diagnostic::error(code, summary).detail(format!("{self}.")).state("Nothing was changed.");
        match self {
            Self::Unreadable { .. } => error("eval::unreadable", "A file of the evals cannot be read"),
            Self::BadCase { .. } => error("eval::bad-case", "A case is not usable").hint("The format is in `evals/README.md`."),
            Self::BadFile { .. } => {
                error("eval::bad-file", "A report or baseline is not usable").hint("Write it again with `swell eval run --json`.")
            }
            Self::Unwritable(_) => error("eval::unwritable", "The result cannot be written"),
            Self::Model(e) => e.explain(),
        }
    }
}

/// How a run is made, besides by which parser.
pub struct Run<'a> {
    /// `replay`, `live`, …; goes into the report.
    pub mode: &'a str,
    /// The clock for latencies.
    pub clock: &'a (dyn Fn() -> Instant + Sync),
    /// Told before each case, so that recordings know whose they are.
    pub before: &'a (dyn Fn(&Case) + Sync),
}

/// Reads cases, one JSON object in each line, and writes what the parser makes of each. Gives how many.
///
/// A case that the parser fails on gets a line with `error`, so that one bad case does not lose the rest.
pub async fn predict(
    cases: impl BufRead,
    parser: &dyn Parser,
    clock: &(dyn Fn() -> Instant + Sync),
    mut out: impl Write,
) -> Result<usize, EvalError> {
    let mut count = 0;
    for (n, line) in cases.lines().enumerate() {
        let bad = |detail: String| EvalError::BadCase { file: "input".to_owned(), line: n + 1, detail };
        let line = line.map_err(|e| bad(e.to_string()))?;
        if line.trim().is_empty() {
            continue;
        }
        let case: Value = serde_json::from_str(&line).map_err(|e| bad(e.to_string()))?;
        let id = case["id"].as_str().ok_or_else(|| bad("it has no `id`".to_owned()))?;
        let answer = answer(id, &case, parser, clock).await;
        writeln!(out, "{}", answer.prediction).map_err(EvalError::Unwritable)?;
        count += 1;
    }
    out.flush().map_err(EvalError::Unwritable)?;
    Ok(count)
}

/// Runs a suite and judges every answer.
pub async fn run(suite: &Suite, parser: &dyn Parser, how: &Run<'_>) -> Report {
    let mut rows = Vec::new();
    for case in &suite.cases {
        (how.before)(case);
        let Answer { prediction, latency_ms, error } = answer(&case.id, &case.input, parser, how.clock).await;
        rows.push(Row {
            id: case.id.clone(),
            category: case.category.clone(),
            lang: case.lang.clone(),
            tags: case.tags.clone(),
            in_scope_target: !case.gold.out_of_scope && !case.gold.target.is_null(),
            gold_intent: case.gold.intent.clone(),
            verdict: score::judge(&case.gold, &prediction),
            confidence: prediction["confidence"].as_f64(),
            prediction,
            latency_ms,
            error,
        });
    }
    Report { suite: suite.name.clone(), parser: parser.name().to_owned(), mode: how.mode.to_owned(), rows }
}

struct Answer {
    prediction: Value,
    latency_ms: f64,
    error: Option<String>,
}

async fn answer(id: &str, case: &Value, parser: &dyn Parser, clock: &(dyn Fn() -> Instant + Sync)) -> Answer {
    let (text, world) = world_from_case(case);
    let start = clock();
    let result = parser.parse(&text, &world).await;
    let latency_ms = clock().duration_since(start).as_secs_f64() * 1_000.0;
    match result {
        Ok(frame) => Answer { prediction: prediction(id, &frame, latency_ms), latency_ms, error: None },
        Err(Failure(all)) => {
            let error = all.first().map(|d| format!("{}: {}", d.code, d.detail)).unwrap_or_else(|| "no reason given".to_owned());
            Answer {
                prediction: json!({"id": id, "intent": null, "error": error, "latency_ms": latency_ms}),
                latency_ms,
                error: Some(error),
            }
        }
    }
}

/// The parser that asks a model, in front of recordings.
pub struct Recorded {
    /// The parser.
    pub parser: LlmParser,
    /// The recordings, to be told of each case.
    pub recordings: Arc<Recordings>,
}

impl Recorded {
    /// The suite `model`: replies written by hand below `root` (`evals/`), with the catalogue that they were written against.
    /// The whole model path is judged without a model.
    pub fn by_hand(root: &Path, recordings: Recordings) -> Result<Self, EvalError> {
        let path = root.join("catalogue.json");
        let unreadable = |detail: String| EvalError::Unreadable { path: path.clone(), detail };
        let text = std::fs::read_to_string(&path).map_err(|e| unreadable(e.to_string()))?;
        let catalogue: Vec<CatalogEntry> = serde_json::from_str(&text).map_err(|e| unreadable(e.to_string()))?;
        let prompts = Prompts::shipped().map_err(LlmError::from)?;
        Ok(Self::new(recordings, Arc::new(prompts), BY_HAND, catalogue))
    }

    /// A real model, recorded or replayed.
    pub fn new(recordings: Recordings, prompts: Arc<Prompts>, model: &str, catalogue: impl Into<Arc<[CatalogEntry]>>) -> Self {
        let recordings = Arc::new(recordings);
        Self { parser: LlmParser::new(recordings.clone(), prompts, model, catalogue), recordings }
    }

    /// Says which case comes next.
    pub fn before(&self, case: &Case) {
        self.recordings.start_case(&case.id, case.is("provider_error"));
    }
}

#[cfg(test)]
#[path = "eval/tests.rs"]
mod tests;
