//! `swell eval`.

use std::path::Path;

use serde_json::json;

use super::{DONE, Exit, Out};
use crate::{
    app::App,
    cli::EvalCommand,
    diagnostic::{ExitClass, Failure},
    eval, flow,
    intent::Parser,
};

/// `swell eval …`.
pub async fn eval(app: &App, out: &Out, command: &EvalCommand) -> Exit {
    let parser = app.parser()?;
    match command {
        EvalCommand::Predict { file } => {
            let text = if file == Path::new("-") { app.stdin_text()? } else { flow::read_large(file)? };
            let mut lines = Vec::new();
            eval::predict(text.as_bytes(), parser, &std::time::Instant::now, &mut lines).await?;
            out.screen.print(&String::from_utf8_lossy(&lines));
            Ok(DONE)
        }
        EvalCommand::Run { path, baseline, write_baseline } => {
            eval_run(parser, out, path.as_deref(), baseline.as_deref(), write_baseline.as_deref()).await
        }
        EvalCommand::Compare { a, b } => {
            let read = |p: &Path| -> Result<eval::Report, Failure> { Ok(eval::Report::from_json(&flow::read_large(p)?)?) };
            let comparison = eval::compare(&read(a)?, &read(b)?);
            out.data(&comparison, || comparison.table());
            Ok(DONE)
        }
    }
}

/// Every suite of a folder: the suite `model` from its recordings, the others with the chosen parser.
pub(super) async fn eval_run(parser: &dyn Parser, out: &Out, path: Option<&Path>, baseline: Option<&Path>, write: Option<&Path>) -> Exit {
    let root = path.unwrap_or_else(|| Path::new("evals"));
    let suites = if root.is_file() { vec![eval::Suite::load(root)?] } else { eval::Suite::load_all(root)? };
    let expected = match baseline {
        Some(file) => Some(eval::Baseline::from_json(&flow::read_large(file)?)?),
        None => None,
    };
    let mut written = expected.clone().unwrap_or_else(eval::Baseline::empty);
    let mut reports = Vec::new();
    let mut shut = false;
    for suite in &suites {
        let report = if suite.name == "model" {
            let model = eval::Recorded::by_hand(root, crate::llm::recording::Recordings::replay(root.join("recordings")))?;
            let how = eval::Run { mode: "replay", clock: &std::time::Instant::now, before: &|case| model.before(case) };
            eval::run(suite, &model.parser, &how).await
        } else {
            eval::run(suite, parser, &eval::Run { mode: "offline", clock: &std::time::Instant::now, before: &|_| {} }).await
        };
        let findings = expected.as_ref().map(|b| eval::gate(&report, b)).unwrap_or_default();
        shut |= findings.iter().any(|f| f.level == eval::gate::Level::Failure);
        written.record(&report, suite.name == "model");
        if !out.json {
            out.screen.print(&report.table(out.screen.style().width));
            findings.iter().for_each(|f| {
                out.screen.print(&{
                    let more = f.cases.len().saturating_sub(10);
                    let more = if more > 0 { format!(" and {more} more") } else { String::new() };
                    format!(
                        "{:?}  {}  {}  ({}{more})\n",
                        f.level,
                        f.code,
                        f.text,
                        f.cases.iter().take(10).cloned().collect::<Vec<_>>().join(" ")
                    )
                })
            });
        }
        reports.push(json!({"report": report.json(), "findings": findings}));
    }
    if out.json {
        out.data(&reports, String::new);
    }
    if let Some(file) = write {
        flow::write_file(file, (written.json() + "\n").as_bytes())?;
    }
    Ok(if shut { ExitClass::Refused.code() } else { DONE })
}
