//! Commands that plan and change: every one of them takes the same road.

use std::path::Path;

use indexmap::IndexMap;
use serde_json::Value;

use super::{CHANGES, DONE, Exit, Out};
use crate::{
    app::App,
    chat::{self, Conversation, Manner},
    cli::{ApplyArgs, DestroyArgs, ImportArgs, OneDeployment, PlanArgs, RollbackArgs, RunArgs, WantedArgs},
    diagnostic::{Diagnostic, ExitClass, Failure},
    domain::{Address, DeploymentName},
    event::{Event, RunSummary},
    flow::{self, Decided, Draft, Resumed, RunOptions, Wanted},
    plan::build::Foreign,
    review::Level,
    store::RunKind,
    ui,
};

/// What is wanted by `-f`, `--pattern` or a deployment's name.
pub async fn wanted(app: &App, name: Option<&str>, args: &WantedArgs) -> Result<Wanted, Failure> {
    let foreign = if args.adopt { Foreign::Adopt } else { Foreign::Refuse };
    let replace = args.replace.iter().cloned().collect();
    let wanted = match (&args.file, &args.pattern) {
        (Some(file), _) => flow::from_file(app, file, &flow::pairs(&args.vars)?, args.name.as_deref())?,
        (_, Some(pattern)) => {
            let values = parameters(&args.params, args.params_file.as_deref())?;
            let name = args.name.as_deref().map(deployment).transpose()?;
            let said: Vec<String> = args.params.iter().map(|p| crate::llm::scrub::scrub(p).text).collect();
            ready(flow::from_pattern(app, pattern, flow::given(values), name, format!("pattern {pattern} {}", said.join(" "))).await?)?
        }
        _ => {
            // A template may be named without `-f`, as long as no deployment has that name.
            if let Some(file) = name.map(Path::new).filter(|p| is_template(p)) {
                return Ok(Wanted { foreign, replace, ..flow::from_file(app, file, &flow::pairs(&args.vars)?, args.name.as_deref())? });
            }
            let name = flow::which(app, name).await?;
            let Some(snapshot) = app.store().latest(&name).await? else { return Err(flow::no_deployment(app, name.as_str()).await) };
            let changed = flow::given(parameters(&args.params, args.params_file.as_deref())?);
            ready(flow::from_deployment(app, &snapshot, changed, format!("{name}, as last wanted")).await?)?
        }
    };
    Ok(Wanted { foreign, replace, ..wanted })
}

/// No deployment's name has a dot, so that these endings are never one.
pub(super) fn is_template(path: &Path) -> bool {
    path.extension().is_some_and(|e| e == "yaml" || e == "yml" || e == "json") && path.is_file()
}

pub(super) fn deployment(name: &str) -> Result<DeploymentName, Failure> {
    name.parse().map_err(|e: crate::domain::NameError| flow::usage(&e.to_string()))
}

/// A command line cannot be asked: what is missing is reported.
pub(super) fn ready(draft: Draft) -> Result<Wanted, Failure> {
    match draft {
        Draft::Ready(wanted) => Ok(*wanted),
        Draft::Ask(questions, mut diagnostics) => {
            if diagnostics.is_empty() {
                diagnostics.extend(questions.iter().map(|q| {
                    Diagnostic::error("pattern::parameter", "A parameter is missing")
                        .detail(q.text.clone())
                        .state("Nothing was planned.")
                        .exit(ExitClass::Usage)
                }));
            }
            Err(diagnostics.into_iter().map(|d| d.exit(ExitClass::Usage)).collect::<Vec<_>>().into())
        }
    }
}

pub(super) fn parameters(pairs: &[String], file: Option<&Path>) -> Result<IndexMap<String, Value>, Failure> {
    let mut all = match file {
        Some(path) => flow::parameters_file(path)?,
        None => IndexMap::new(),
    };
    all.extend(flow::pairs(pairs)?);
    Ok(all)
}

/// `swell plan`.
pub async fn plan(app: &App, out: &Out, args: &PlanArgs) -> Exit {
    let wanted = if args.destroy {
        let name = flow::which(app, args.deployment.as_deref()).await?;
        flow::nothing(&name, format!("swell destroy {name}"))
    } else {
        wanted(app, args.deployment.as_deref(), &args.wanted).await?
    };
    let review = flow::plan(app, wanted).await?;
    if let Some(file) = &args.out {
        flow::save(&review, file)?;
    }
    let level = if args.details { Level::Details } else { Level::Brief };
    out.data(&ui::json::review(&review), || ui::review::render(&review, level, &out.screen.style()));
    Ok(if args.exit_code && !review.plan.is_empty() { CHANGES } else { DONE })
}

/// Whether a JSON file is a template: a saved plan is JSON too, and says its resources elsewhere.
fn holds_resources(path: &Path) -> bool {
    let value: Option<Value> = crate::template::file::read_file(path).ok().and_then(|text| serde_json::from_str(&text).ok());
    value.is_some_and(|v| v.get("resources").is_some() && v.get("plan").is_none())
}

/// `swell apply`.
pub async fn apply(app: &App, args: &ApplyArgs) -> Exit {
    let options = run_options(&args.run);
    let saved = |s: &&str| match Path::new(s) {
        path if s.ends_with(".json") => !holds_resources(path),
        path => path.is_file() && !is_template(path),
    };
    if let Some(file) = args.subject.as_deref().filter(saved) {
        return apply_saved(app, Path::new(file), options).await;
    }
    road(app, wanted(app, args.subject.as_deref(), &args.wanted).await?, options).await
}

pub(super) async fn apply_saved(app: &App, file: &Path, options: RunOptions) -> Exit {
    let review = flow::load(app, file).await?;
    let approved = if app.flags().yes {
        app.human().show(&review, Level::Brief).await;
        let consent = crate::approval::Consent::SavedPlan { digest: review.digest.clone(), max_destroy: app.flags().max_destroy };
        crate::approval::approve(&review, consent, app.now())?
    } else {
        match flow::decide(app, &review).await? {
            Decided::Approved(approved) => *approved,
            _ => return declined(app),
        }
    };
    finished(&flow::apply(app, approved, options).await?)
}

pub(super) fn run_options(args: &RunArgs) -> RunOptions {
    RunOptions { hold_after: args.hold_after, strict_waves: args.strict_waves }
}

pub(super) fn declined(app: &App) -> Exit {
    app.sink().emit(Event::Notice { text: "Not applied; nothing was changed.".into() });
    Ok(ExitClass::Refused.code())
}

/// 0 if every step is done, 3 if one is failed, unknown or left over, 130 if the person stopped it.
pub(super) fn finished(summary: &RunSummary) -> Exit {
    let whole = summary.failed.is_empty() && summary.unknown.is_empty() && summary.skipped.is_empty();
    Ok(if summary.interrupted {
        ExitClass::Interrupted.code()
    } else if whole {
        DONE
    } else {
        ExitClass::RunIncomplete.code()
    })
}

/// Plan, review, approval, waves.
pub(super) async fn road(app: &App, wanted: Wanted, options: RunOptions) -> Exit {
    let mut wanted = wanted;
    loop {
        let review = flow::plan(app, wanted.clone()).await?;
        if review.plan.is_empty() {
            app.human().show(&review, Level::Brief).await;
            return Ok(DONE);
        }
        match flow::decide(app, &review).await? {
            Decided::Approved(approved) => return finished(&flow::apply(app, *approved, options).await?),
            Decided::Edit(pairs) => {
                let mut talk = Conversation::default();
                wanted = chat::edited(app, &mut talk, wanted, pairs).await?;
            }
            Decided::Said(text) => {
                // The person speaks: from here on it is a conversation about this plan.
                let mut talk = chat::about(&wanted);
                chat::turn(app, &mut talk, &text, Manner::Interactive).await?;
                return Ok(DONE);
            }
            Decided::Declined | Decided::Saved(_) => return declined(app),
        }
    }
}

/// `swell destroy`.
pub async fn destroy(app: &App, args: &DestroyArgs) -> Exit {
    let name = flow::which(app, Some(&args.deployment)).await?;
    let wanted = flow::nothing(&name, format!("swell destroy {name}"));
    if let Some(file) = &args.out {
        let review = flow::plan(app, wanted).await?;
        app.human().show(&review, Level::Brief).await;
        flow::save(&review, file)?;
        return Ok(DONE);
    }
    road(app, wanted, run_options(&args.run)).await
}

/// `swell resume`.
pub async fn resume(app: &App, args: &OneDeployment) -> Exit {
    let name = flow::which(app, args.deployment.as_deref()).await?;
    match flow::rest(app, &name).await? {
        Resumed::Nothing(name) => {
            app.sink()
                .emit(Event::Notice { text: format!("Nothing to resume: the last run of {name} ended well, and nothing is unknown.") });
            Ok(DONE)
        }
        Resumed::Rest(review, consent) => {
            if review.plan.is_empty() {
                flow::close_interrupted(app, &name).await?;
                app.human().show(&review, Level::Brief).await;
                return Ok(DONE);
            }
            let approved = match crate::approval::approve(&review, *consent, app.now()) {
                Ok(approved) => {
                    app.human().show(&review, Level::Brief).await;
                    approved
                }
                // Something else is needed now than what was approved: a person must look.
                Err(error) if app.human().present() => {
                    app.sink().emit(Event::Warning { diagnostic: Box::new(crate::diagnostic::Explain::explain(&error)) });
                    match flow::decide(app, &review).await? {
                        Decided::Approved(approved) => *approved,
                        _ => return declined(app),
                    }
                }
                Err(error) => return Err(error.into()),
            };
            finished(&flow::apply(app, approved, RunOptions::default()).await?)
        }
    }
}

/// `swell rollback`.
pub async fn rollback(app: &App, args: &RollbackArgs) -> Exit {
    let name = flow::which(app, Some(&args.deployment)).await?;
    let older = flow::older(app, &name, args.to).await?;
    let request = format!("swell rollback {name} --to {}", older.number);
    road(app, flow::from_snapshot(&older, RunKind::Rollback, request), run_options(&args.run)).await
}

/// `swell undo`.
pub async fn undo(app: &App, args: &OneDeployment) -> Exit {
    let name = flow::which(app, args.deployment.as_deref()).await?;
    let wanted = match flow::before_last(app, &name).await? {
        Some(older) => flow::from_snapshot(&older, RunKind::Undo, format!("swell undo {name}")),
        None => flow::nothing(&name, format!("swell undo {name}")),
    };
    road(app, wanted, RunOptions::default()).await
}

/// `swell import`.
pub async fn import(app: &App, args: &ImportArgs) -> Exit {
    let name = deployment(&args.deployment)?;
    let addresses: Vec<Address> = args
        .addresses
        .iter()
        .map(|a| a.parse().map_err(|e: crate::domain::NameError| flow::usage(&e.to_string())))
        .collect::<Result<_, _>>()?;
    road(app, flow::import(app, &name, &addresses).await?, RunOptions::default()).await
}
