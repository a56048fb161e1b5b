//! Patterns and runbooks.

use std::sync::Arc;

use serde_json::{Value, json};

use super::{
    DONE, Exit, Out,
    change::{deployment, parameters, ready, road, run_options},
};
use crate::{
    app::App,
    cli::{PatternsCommand, RunbookCommand},
    diagnostic::ExitClass,
    event::Event,
    flow,
    pattern::{self, describe},
    review::Level,
    sandbox::{SERVERS, type_table},
    ui,
};

/// `swell patterns …`.
pub async fn patterns(app: &App, out: &Out, command: &PatternsCommand) -> Exit {
    match command {
        PatternsCommand::List => {
            app.catalog().problems().iter().for_each(|d| app.sink().emit(Event::Warning { diagnostic: Box::new(d.clone()) }));
            list_patterns(app, out, false)
        }
        PatternsCommand::Show { pattern } => show_pattern(app, out, pattern),
        PatternsCommand::Test { pattern } => test_patterns(app, out, pattern.as_deref()).await,
        PatternsCommand::Render { pattern, params, params_file, name } => {
            let values = parameters(params, params_file.as_deref())?;
            let name = name.as_deref().map(deployment).transpose()?;
            let wanted = ready(flow::from_pattern(app, pattern, flow::given(values), name, String::new()).await?)?;
            out.data(&wanted.template, || ui::list::template(&wanted.template));
            Ok(DONE)
        }
    }
}

pub(super) fn list_patterns(app: &App, out: &Out, runbooks: bool) -> Exit {
    let all: Vec<_> = app.catalog().iter().filter(|e| e.pattern.runbook == runbooks).collect();
    let data: Vec<_> = all.iter().map(|e| describe(&e.pattern)).collect();
    out.data(&data, || {
        let needs =
            |d: &pattern::Description| d.parameters.iter().filter(|p| p.required).map(|p| p.name.clone()).collect::<Vec<_>>().join(", ");
        out.table(
            &["name", "version", "title", "needs", "from"],
            all.iter()
                .zip(&data)
                .map(|(e, d)| vec![d.name.clone(), d.version.to_string(), d.title.clone(), needs(d), e.layer.to_string()])
                .collect(),
        )
    });
    Ok(DONE)
}

pub(super) fn show_pattern(app: &App, out: &Out, name: &str) -> Exit {
    let described = describe(&app.catalog().get(name)?.pattern);
    out.data(&described, || ui::list::pattern(&described, &out.screen.style()));
    Ok(DONE)
}

pub(super) async fn test_patterns(app: &App, out: &Out, name: Option<&str>) -> Exit {
    let mut types = app.types().await;
    // A test says what comes of servers that can do everything; what the registered ones lack is no fault of the pattern.
    for server in SERVERS {
        if let Ok(name) = server.parse() {
            types.insert(name, Arc::new(type_table(server)));
        }
    }
    let results: Vec<_> = match name {
        Some(name) => pattern::run_tests(&app.catalog().get(name)?.pattern, &types),
        None => app.catalog().iter().flat_map(|e| pattern::run_tests(&e.pattern, &types)).collect(),
    };
    let failed = results.iter().filter(|r| !r.passed()).count();
    let data: Vec<Value> =
        results.iter().map(|r| json!({"pattern": r.pattern, "test": r.name, "passed": r.passed(), "problems": r.problems})).collect();
    out.data(&data, || {
        let mut text: String = results
            .iter()
            .map(|r| {
                let mark = if r.passed() { "ok    " } else { "FAILED" };
                let problems: String = r.problems.iter().map(|p| format!("         {p}\n")).collect();
                format!("{mark} {} · {}\n{problems}", r.pattern, r.name)
            })
            .collect();
        text.push_str(&format!("\n{} passed, {failed} failed\n", results.len() - failed));
        text
    });
    Ok(if failed + app.catalog().problems().iter().filter(|d| d.severity == crate::diagnostic::Severity::Error).count() == 0 {
        DONE
    } else {
        ExitClass::Refused.code()
    })
}

/// `swell runbook …`.
pub async fn runbook(app: &App, out: &Out, command: &RunbookCommand) -> Exit {
    match command {
        RunbookCommand::List => list_patterns(app, out, true),
        RunbookCommand::Show { runbook } => show_pattern(app, out, runbook),
        RunbookCommand::Run { runbook, params, params_file, name, out: file, run } => {
            let values = parameters(params, params_file.as_deref())?;
            let name = name.as_deref().map(deployment).transpose()?;
            let wanted = ready(flow::from_pattern(app, runbook, flow::given(values), name, format!("swell runbook run {runbook}")).await?)?;
            if let Some(file) = file {
                let review = flow::plan(app, wanted).await?;
                app.human().show(&review, Level::Brief).await;
                flow::save(&review, file)?;
                return Ok(DONE);
            }
            road(app, wanted, run_options(run)).await
        }
    }
}
