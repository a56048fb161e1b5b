//! `swell eval`.

use std::path::Path;

use serde_json::json;

use super::{DONE, Exit, Out};
use crate::{
    app::{App, LiveModel},
    cli::{Again, EvalCommand, Form},
    diagnostic::{ExitClass, Failure},
    eval, flow,
    intent::Parser,
    llm::recording::{Mode, Recordings},
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
        EvalCommand::Record { cases, into, mode, repeats } => record(app, out, cases, into, *mode, *repeats).await,
        EvalCommand::Report { file, format, out: to } => {
            let text = if file == Path::new("-") { app.stdin_text()? } else { flow::read_large(file)? };
            let reports = eval::Report::all_from_json(&text)?;
            let written = form(&reports, *format, out.screen.style().width);
            match to {
                Some(file) => flow::write_file(file, written.as_bytes())?,
                None => out.screen.print(&written),
            }
            Ok(DONE)
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

/// The reports in one form. JUnit has one root, so that several suites stand in several documents.
fn form(reports: &[eval::Report], form: Form, width: usize) -> String {
    let each = |one: fn(&eval::Report) -> String| reports.iter().map(one).collect::<Vec<_>>().join("\n");
    match form {
        Form::Table => reports.iter().map(|r| r.table(width)).collect::<Vec<_>>().join("\n"),
        Form::Json => {
            let all: Vec<_> = reports.iter().map(eval::Report::json).collect();
            serde_json::to_string_pretty(&all).unwrap_or_default() + "\n"
        }
        Form::Junit => each(eval::Report::junit),
        Form::Html => each(eval::Report::html),
        Form::Markdown => each(eval::Report::markdown),
    }
}

/// Asks the configured model about every case. What it says is kept without secrets, under the name of the model and the day.
async fn record(app: &App, out: &Out, cases: &Path, into: &Path, mode: Again, repeats: u32) -> Exit {
    let LiveModel { llm, prompts, name } = app.live_model()?;
    let mode = match mode {
        Again::Once => Mode::Once,
        Again::New => Mode::NewEpisodes,
        Again::All => Mode::All,
        Again::Verify => Mode::Verify,
    };
    let suite = eval::Suite::load(cases)?;
    let mut reports = Vec::new();
    let mut drift = Vec::new();
    for repeat in 0..repeats {
        let recordings = Recordings::around(llm.clone(), into, mode, app.clock().clone());
        let mut model = eval::Recorded::new(recordings, prompts.clone(), &name, app.catalog().entries());
        model.parser = model.parser.try_number(repeat);
        let how = eval::Run { mode: "live", clock: &std::time::Instant::now, before: &|case| model.before(case) };
        let report = eval::run(&suite, &model.parser, &how).await;
        drift.extend(model.recordings.drift());
        if !out.json {
            out.screen.print(&report.table(out.screen.style().width));
        }
        reports.push(report);
    }
    let missing = reports.iter().flat_map(|r| &r.rows).filter(|r| r.error.is_some()).count();
    if out.json {
        out.data(&reports.iter().map(eval::Report::json).collect::<Vec<_>>(), String::new);
    } else {
        for d in &drift {
            out.screen.print(&format!("differs  {}\n  recorded {}\n  now      {}\n", d.case, d.recorded, d.now));
        }
        let kept = if mode == Mode::Verify { "nothing was written".to_owned() } else { format!("recordings are in {}", into.display()) };
        out.screen.print(&format!("{} cases asked of {name}; {missing} without a usable answer; {kept}\n", suite.cases.len()));
    }
    Ok(if missing > 0 || !drift.is_empty() { ExitClass::Refused.code() } else { DONE })
}
