//! Each command of the command line, as one short function over `flow`. They print data to standard output and nothing else.

mod bindings;

pub use bindings::bindings;

use std::{path::Path, time::Duration};

use indexmap::IndexMap;
use serde::Serialize;
use serde_json::{Value, json};

use crate::{
    app::App,
    chat::{self, Conversation, Manner},
    cli::{
        ApplyArgs, Command, DestroyArgs, DriftArgs, EvalCommand, GraphArgs, GraphFormat, HistoryArgs, ImportArgs, OneDeployment,
        PatternsCommand, PlanArgs, RollbackArgs, RunArgs, RunbookCommand, SandboxCommand, SecretsCommand, ServersCommand, ShowArgs,
        WaitArgs, WantedArgs,
    },
    diagnostic::{Diagnostic, ExitClass, Failure},
    domain::{Address, DeploymentName},
    eval,
    event::{Event, RunSummary},
    flow::{self, Decided, Draft, Resumed, RunOptions, Wanted},
    inspect,
    intent::Parser,
    pattern::{self, describe},
    plan::build::Foreign,
    review::Level,
    sandbox,
    store::{Gone, RunKind},
    ui::{self, Screen, graph::Picture},
};

/// What a command needs besides the app: where data goes, and in which form.
pub struct Out {
    /// Standard output.
    pub screen: Screen,
    /// `--json`.
    pub json: bool,
    /// How JSON is laid out.
    pub layout: Layout,
}

/// How JSON is laid out.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Layout {
    /// One document, for people to read too.
    Pretty,
    /// One line for each value, beside the events of a conversation.
    Lines,
}

impl Out {
    /// Data: as JSON, or as the text that the closure makes.
    pub fn data(&self, value: &impl Serialize, text: impl FnOnce() -> String) {
        if self.json {
            let value = serde_json::to_value(value).unwrap_or(Value::Null);
            self.screen.print(&match self.layout {
                Layout::Pretty => serde_json::to_string_pretty(&value).unwrap_or_default() + "\n",
                Layout::Lines => ui::json::line(&ui::json::result("data", &value)),
            });
        } else {
            self.screen.print(&text());
        }
    }

    /// A table.
    pub fn table(&self, head: &[&str], rows: Vec<Vec<String>>) -> String {
        ui::list::table(head, rows, &self.screen.style())
    }
}

/// Exit codes that are no failure.
const DONE: u8 = 0;
const CHANGES: u8 = 4;

type Exit = Result<u8, Failure>;

/// What is wanted by `-f`, `--pattern` or a deployment's name.
pub async fn wanted(app: &App, args: &WantedArgs) -> Result<Wanted, Failure> {
    let foreign = if args.adopt { Foreign::Adopt } else { Foreign::Refuse };
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
            if let Some(file) = args.deployment.as_deref().map(Path::new).filter(|p| !args.destroy && is_template(p)) {
                return Ok(Wanted { foreign, ..flow::from_file(app, file, &flow::pairs(&args.vars)?, args.name.as_deref())? });
            }
            let name = flow::which(app, args.deployment.as_deref()).await?;
            if args.destroy {
                return Ok(flow::nothing(&name, format!("swell destroy {name}")));
            }
            let Some(snapshot) = app.store().latest(&name).await? else { return Err(flow::no_deployment(app, name.as_str()).await) };
            let changed = flow::given(parameters(&args.params, args.params_file.as_deref())?);
            ready(flow::from_deployment(app, &snapshot, changed, format!("{name}, as last wanted")).await?)?
        }
    };
    Ok(Wanted { foreign, ..wanted })
}

/// No deployment's name has a dot, so that these endings are never one.
fn is_template(path: &Path) -> bool {
    path.extension().is_some_and(|e| e == "yaml" || e == "yml" || e == "json") && path.is_file()
}

fn deployment(name: &str) -> Result<DeploymentName, Failure> {
    name.parse().map_err(|e: crate::domain::NameError| flow::usage(&e.to_string()))
}

/// A command line cannot be asked: what is missing is reported.
fn ready(draft: Draft) -> Result<Wanted, Failure> {
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

fn parameters(pairs: &[String], file: Option<&Path>) -> Result<IndexMap<String, Value>, Failure> {
    let mut all = match file {
        Some(path) => flow::parameters_file(path)?,
        None => IndexMap::new(),
    };
    all.extend(flow::pairs(pairs)?);
    Ok(all)
}

/// `swell plan`.
pub async fn plan(app: &App, out: &Out, args: &PlanArgs) -> Exit {
    let review = flow::plan(app, wanted(app, &args.wanted).await?).await?;
    if let Some(file) = &args.out {
        flow::save(&review, file)?;
    }
    let level = if args.details { Level::Details } else { Level::Brief };
    out.data(&ui::json::review(&review), || ui::review::render(&review, level, &out.screen.style()));
    Ok(if args.exit_code && !review.plan.is_empty() { CHANGES } else { DONE })
}

/// `swell apply`.
pub async fn apply(app: &App, args: &ApplyArgs) -> Exit {
    let options = run_options(&args.run);
    let saved = |s: &&str| s.ends_with(".json") || (Path::new(s).is_file() && !is_template(Path::new(s)));
    if let Some(file) = args.subject.as_deref().filter(saved) {
        return apply_saved(app, Path::new(file), options).await;
    }
    let wanted_args = WantedArgs {
        deployment: args.subject.clone(),
        file: args.file.clone(),
        pattern: args.pattern.clone(),
        params: args.params.clone(),
        params_file: args.params_file.clone(),
        vars: args.vars.clone(),
        name: args.name.clone(),
        destroy: false,
        adopt: args.adopt,
    };
    road(app, wanted(app, &wanted_args).await?, options).await
}

async fn apply_saved(app: &App, file: &Path, options: RunOptions) -> Exit {
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

fn run_options(args: &RunArgs) -> RunOptions {
    RunOptions { hold_after: args.hold_after, strict_waves: args.strict_waves }
}

fn declined(app: &App) -> Exit {
    app.sink().emit(Event::Notice { text: "Not applied; nothing was changed.".into() });
    Ok(ExitClass::Refused.code())
}

/// 0 if every step is done, 3 if one is failed, unknown or left over, 130 if the person stopped it.
fn finished(summary: &RunSummary) -> Exit {
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
async fn road(app: &App, wanted: Wanted, options: RunOptions) -> Exit {
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

/// `swell drift`.
pub async fn drift(app: &App, out: &Out, args: &DriftArgs) -> Exit {
    let names = match &args.deployment {
        Some(name) => vec![flow::which(app, Some(name)).await?],
        None => app.store().deployments(Gone::Hidden).await?.into_iter().map(|d| d.name).collect(),
    };
    let mut all = IndexMap::new();
    for name in names {
        all.insert(name.to_string(), flow::drift(app, &name).await?);
    }
    out.data(&all, || ui::list::drift(&all, &out.screen.style()));
    let found = all.values().any(|d| !d.is_empty());
    Ok(if args.exit_code && found { CHANGES } else { DONE })
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

/// `swell history`.
pub async fn history(app: &App, out: &Out, args: &HistoryArgs) -> Exit {
    if args.verify {
        let report = app.store().verify().await?;
        let sound = report.broken.is_none();
        out.data(&report, || match &report.broken {
            None => format!("The journal is sound: {} entries, {} snapshots, head {}.\n", report.entries, report.snapshots, report.head),
            Some(b) => format!("The journal is broken at entry {}: {}.\n", b.entry, b.what),
        });
        return Ok(if sound { DONE } else { ExitClass::Refused.code() });
    }
    let names = match &args.deployment {
        Some(name) => vec![flow::which(app, Some(name)).await?],
        None => app.store().deployments(Gone::Listed).await?.into_iter().map(|d| d.name).collect(),
    };
    let mut runs = Vec::new();
    for name in &names {
        runs.extend(app.store().runs(name).await?);
    }
    runs.sort_by_key(|r| (r.began_at, r.header.id.clone()));
    out.data(&runs, || ui::show::history(&runs, &out.screen.style()));
    Ok(DONE)
}

/// `swell show`.
pub async fn show(app: &App, out: &Out, args: &ShowArgs) -> Exit {
    match args.subject.as_deref() {
        None => {
            let answer = inspect::overview(app).await?;
            out.data(&answer.data, || ui::list::answer(&answer, &out.screen.style()));
        }
        Some(text) if text.contains(':') => {
            let address: Address = text.parse().map_err(|e: crate::domain::NameError| flow::usage(&e.to_string()))?;
            let found = app.store().find_recorded(&address).await?;
            if found.is_empty() {
                return Err(flow::not_recorded(&address));
            }
            let found: Vec<_> = found.into_iter().map(|(d, r)| (d.to_string(), r)).collect();
            out.data(&found, || {
                let mut page = ui::lines::Page::default();
                found.iter().for_each(|(_, r)| ui::show::resource(r, &out.screen.style(), &mut page));
                page.render(&out.screen.style())
            });
        }
        Some(name) => {
            let name = flow::which(app, Some(name)).await?;
            let snapshot = match args.snapshot {
                Some(n) => flow::older(app, &name, Some(n)).await?,
                None => app.store().latest(&name).await?.ok_or_else(|| flow::usage(&format!("`{name}` has no snapshot")))?,
            };
            out.data(&snapshot, || ui::show::snapshot(&snapshot, Level::Brief, &out.screen.style()));
        }
    }
    Ok(DONE)
}

/// `swell outputs`.
pub async fn outputs(app: &App, out: &Out, args: &OneDeployment) -> Exit {
    let name = flow::which(app, args.deployment.as_deref()).await?;
    let outputs = app.store().latest(&name).await?.map(|s| s.outputs).unwrap_or_default();
    out.data(&outputs, || ui::show::outputs(&outputs, &out.screen.style()));
    Ok(DONE)
}

/// `swell graph`.
pub async fn graph(app: &App, out: &Out, args: &GraphArgs) -> Exit {
    let picture = match &args.file {
        Some(file) => {
            let review = flow::plan(app, flow::from_file(app, file, &flow::pairs(&args.vars)?, None)?).await?;
            Picture::of_plan(&review.plan)
        }
        None => {
            let name = flow::which(app, args.deployment.as_deref()).await?;
            let snapshot = app.store().latest(&name).await?;
            Picture::of_snapshot(name.as_str(), &snapshot.map(|s| s.resources).unwrap_or_default())
        }
    };
    let ending = args.out.as_ref().and_then(|p| p.extension()).and_then(|e| e.to_str());
    let format = match ending {
        Some("svg") => GraphFormat::Svg,
        Some("html" | "htm") => GraphFormat::Html,
        Some("dot" | "gv") => GraphFormat::Dot,
        Some("mmd" | "mermaid") => GraphFormat::Mermaid,
        _ => args.format,
    };
    let text = match format {
        GraphFormat::Text => ui::graph::tree(&picture, &out.screen.style()).render(&out.screen.style()),
        GraphFormat::Mermaid => ui::graph::text::mermaid(&picture),
        GraphFormat::Dot => ui::graph::text::dot(&picture),
        GraphFormat::Svg => ui::graph::svg::svg(&picture),
        GraphFormat::Html => ui::graph::svg::html(&picture),
    };
    match &args.out {
        Some(file) => flow::write_file(file, text.as_bytes())?,
        None => out.screen.print(&text),
    }
    Ok(DONE)
}

/// `swell wait`.
pub async fn wait(app: &App, out: &Out, args: &WaitArgs) -> Exit {
    let address: Address = args.address.parse().map_err(|e: crate::domain::NameError| flow::usage(&e.to_string()))?;
    let span: jiff::SignedDuration =
        args.timeout.parse().map_err(|_| flow::usage(&format!("`{}` is not a duration such as `90s` or `5m`", args.timeout)))?;
    let live = flow::wait(app, &address, Duration::try_from(span).unwrap_or_default()).await?;
    out.data(&live, || format!("{address} is ready\n"));
    Ok(DONE)
}

/// `swell query`.
pub async fn query(app: &App, out: &Out, sql: &str) -> Exit {
    let table = app.store().query_with(sql, &flow::live_rows(app).await).await?;
    let rows: Vec<IndexMap<&str, &Value>> = table.rows.iter().map(|r| table.columns.iter().map(String::as_str).zip(r).collect()).collect();
    let cell = |v: &Value| match v {
        Value::String(s) => s.clone(),
        Value::Null => String::new(),
        other => other.to_string(),
    };
    out.data(&rows, || {
        let head: Vec<&str> = table.columns.iter().map(String::as_str).collect();
        out.table(&head, table.rows.iter().map(|r| r.iter().map(cell).collect()).collect())
    });
    Ok(DONE)
}

/// `swell types`.
pub async fn types(app: &App, out: &Out, server: Option<&str>) -> Exit {
    let types = app.types().await;
    if let Some(name) = server {
        app.server(&name.parse().map_err(|e: crate::domain::NameError| flow::usage(&e.to_string()))?)?;
    }
    let all: Vec<_> =
        types.iter().filter(|(s, _)| server.is_none_or(|n| s.as_str() == n)).flat_map(|(s, t)| t.values().map(move |d| (s, d))).collect();
    let data: Vec<Value> = all.iter().map(|(s, d)| json!({"server": s, "type": d.kind, "description": d.description})).collect();
    out.data(&data, || {
        out.table(
            &["server", "type", "description"],
            all.iter().map(|(s, d)| vec![s.to_string(), d.kind.to_string(), d.description.clone()]).collect(),
        )
    });
    Ok(DONE)
}

/// `swell schema`.
pub async fn schema(app: &App, out: &Out, kind: &str) -> Exit {
    let types = app.types().await;
    let (server, def) = flow::find_type(&types, kind)?;
    out.data(def, || ui::list::schema(server, def, &out.screen.style()));
    Ok(DONE)
}

/// `swell servers …`.
pub async fn servers(app: &App, out: &Out, command: &ServersCommand) -> Exit {
    match command {
        ServersCommand::List | ServersCommand::Health => {
            let rows = inspect::servers(app).await;
            out.data(&rows, || {
                let cells = rows.iter().map(|r| {
                    vec![r.name.clone(), r.reached_by.clone(), r.identity.clone(), r.protocol.clone(), r.health.clone(), r.message.clone()]
                });
                out.table(&["server", "how", "identity", "protocol", "health", ""], cells.collect())
            });
            Ok(if rows.iter().all(|r| r.health == "healthy") { DONE } else { ExitClass::Refused.code() })
        }
        ServersCommand::Tools { server } => {
            let tools = inspect::tools(app, server).await?;
            out.data(&tools, || {
                out.table(&["tool", "description"], tools.iter().map(|t| vec![t.name.clone(), t.description.clone()]).collect())
            });
            Ok(DONE)
        }
        ServersCommand::Doctor { server } => {
            let reports = inspect::doctor(app, server.as_deref()).await?;
            out.data(&reports, || reports.iter().map(|r| ui::list::server_report(r, &out.screen.style())).collect());
            Ok(if reports.iter().all(|r| r.sound) { DONE } else { ExitClass::Refused.code() })
        }
    }
}

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

fn list_patterns(app: &App, out: &Out, runbooks: bool) -> Exit {
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

fn show_pattern(app: &App, out: &Out, name: &str) -> Exit {
    let described = describe(&app.catalog().get(name)?.pattern);
    out.data(&described, || ui::list::pattern(&described, &out.screen.style()));
    Ok(DONE)
}

async fn test_patterns(app: &App, out: &Out, name: Option<&str>) -> Exit {
    let types = app.types().await;
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

/// `swell secrets …`.
pub fn secrets(app: &App, out: &Out, command: &SecretsCommand) -> Exit {
    match command {
        SecretsCommand::Set { name } => {
            let value = app.stdin_text()?;
            app.secrets().set(name, value.trim_end_matches(['\r', '\n']))?;
            app.sink().emit(Event::Notice { text: format!("stored `{name}`; refer to it as ${{secret:{name}}}") });
        }
        SecretsCommand::List => {
            let names = app.secrets().names()?;
            out.data(&names, || names.iter().map(|n| format!("{n}\n")).collect());
        }
    }
    Ok(DONE)
}

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
async fn eval_run(parser: &dyn Parser, out: &Out, path: Option<&Path>, baseline: Option<&Path>, write: Option<&Path>) -> Exit {
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

/// What one simulated server holds, asked over MCP like any other.
async fn world_rows(name: &str, world: sandbox::World) -> Result<Vec<(String, crate::mcp::Live)>, Failure> {
    use crate::mcp::{ResourceServer, connection::Connection, native::NativeServer};
    let server = name.parse().map_err(|e: crate::domain::NameError| flow::usage(&e.to_string()))?;
    let stream = sandbox::spawn_in_process(name, world, sandbox::SandboxOptions::default()).map_err(|e| flow::usage(&e.to_string()))?;
    let native = NativeServer::new(Connection::connect_duplex(server, stream, Default::default()).await?);
    let all = native.list(None).await.map_err(|e| Failure::from(crate::plan::refresh::unreachable(native.name(), &e)))?;
    native.connection().close().await;
    Ok(all.into_iter().map(|l| (name.to_owned(), l)).collect())
}

fn explain_world(error: &sandbox::WorldError) -> Diagnostic {
    Diagnostic::error("sandbox::world", "The simulated world cannot be used")
        .detail(format!("{error}."))
        .state("No server outside of the simulation is touched by this.")
        .next("To begin anew:", "swell sandbox reset")
}

/// `swell sandbox …`.
pub async fn sandbox(command: &SandboxCommand, folder: &Path, latency: bool, out: &Out) -> Exit {
    let open = || sandbox::World::open(folder).map_err(|e| Failure::from(explain_world(&e)));
    match command {
        SandboxCommand::Serve { server } => {
            if !sandbox::SERVERS.contains(&server.as_str()) {
                return Err(flow::usage(&format!(
                    "`{}` is not one of {}",
                    crate::domain::text::clean(server, 40),
                    sandbox::SERVERS.join(", ")
                )));
            }
            sandbox::serve_stdio(server, folder, sandbox::SandboxOptions { latency, ..sandbox::SandboxOptions::default() })
                .await
                .map_err(|e| flow::usage(&e.to_string()))?;
        }
        SandboxCommand::Show => {
            let world = open()?;
            let mut rows = Vec::new();
            for name in sandbox::SERVERS {
                rows.extend(world_rows(name, world.clone()).await?);
            }
            out.data(&rows, || {
                let cells = rows.iter().map(|(server, l)| {
                    let word = |v: &Value| v.as_str().unwrap_or_default().to_owned();
                    vec![
                        server.clone(),
                        l.kind.to_string(),
                        l.name.clone(),
                        word(&json!(l.status)),
                        word(&json!(l.health)),
                        l.reason.clone().unwrap_or_default(),
                    ]
                });
                out.table(&["server", "type", "name", "status", "health", ""], cells.collect())
            });
        }
        SandboxCommand::Reset => {
            open()?.reset().map_err(|e| Failure::from(explain_world(&e)))?;
            out.screen
                .print("The simulated world is as it was at the beginning. Deployments that Swell recorded in it are gone from it.\n");
        }
        SandboxCommand::Poke { address, what, value } => {
            let address: Address = address.parse().map_err(|e: crate::domain::NameError| flow::usage(&e.to_string()))?;
            let poke = match (what.as_str(), value.as_deref().and_then(|v| v.split_once('='))) {
                ("kill", _) => sandbox::Poke::Kill,
                ("delete", _) => sandbox::Poke::Delete,
                ("restart", _) => sandbox::Poke::Restart,
                ("set", Some((property, value))) => {
                    sandbox::Poke::SetProperty { property: property.to_owned(), value: flow::typed_value(value) }
                }
                _ => return Err(flow::usage("what happens is `kill`, `delete`, `restart` or `set property=value`")),
            };
            open()?
                .poke(address.server.as_str(), address.kind.as_str(), address.name.as_str(), poke)
                .map_err(|e| Failure::from(explain_world(&e)))?;
        }
        SandboxCommand::Fault { fault } => {
            let world = open()?;
            let explain = |e: sandbox::WorldError| Failure::from(explain_world(&e));
            match fault.as_str() {
                "list" => {
                    let all = world.list_faults().map_err(explain)?;
                    out.data(&all, || all.iter().map(|f| format!("{}\n", serde_json::to_string(f).unwrap_or_default())).collect());
                }
                "clear" => out.screen.print(&format!("{} cleared\n", world.clear_faults().map_err(explain)?)),
                text => {
                    let fault = serde_json::from_str(text).map_err(|e| flow::usage(&format!("the fault cannot be read: {e}")))?;
                    out.screen.print(&format!("fault {} is set\n", world.add_fault(fault).map_err(explain)?));
                }
            }
        }
    }
    Ok(DONE)
}

/// `swell doctor`.
pub async fn doctor(app: &App, out: &Out) -> Exit {
    let settings = &app.config().settings;
    out.data(settings, || {
        out.table(&["setting", "value", "from"], settings.iter().map(|s| vec![s.key.clone(), s.value.clone(), s.from.clone()]).collect())
    });
    Ok(DONE)
}

/// A command of the command line, from there or from the conversation.
pub async fn run(app: &App, out: &Out, command: &Command) -> Exit {
    match command {
        Command::Plan(args) => plan(app, out, args).await,
        Command::Apply(args) => apply(app, args).await,
        Command::Destroy(args) => destroy(app, args).await,
        Command::Resume(args) => resume(app, args).await,
        Command::Rollback(args) => rollback(app, args).await,
        Command::Undo(args) => undo(app, args).await,
        Command::Drift(args) => drift(app, out, args).await,
        Command::Import(args) => import(app, args).await,
        Command::History(args) => history(app, out, args).await,
        Command::Show(args) => show(app, out, args).await,
        Command::Graph(args) => graph(app, out, args).await,
        Command::Outputs(args) => outputs(app, out, args).await,
        Command::Wait(args) => wait(app, out, args).await,
        Command::Query { sql } => query(app, out, sql).await,
        Command::Servers(c) => servers(app, out, c).await,
        Command::Types { server } => types(app, out, server.as_deref()).await,
        Command::Schema { kind } => schema(app, out, kind).await,
        Command::Patterns(c) => patterns(app, out, c).await,
        Command::Bindings(c) => bindings(app, out, c).await,
        Command::Runbook(c) => runbook(app, out, c).await,
        Command::Secrets(c) => secrets(app, out, c),
        Command::Eval(c) => eval(app, out, c).await,
        Command::Doctor => doctor(app, out).await,
        Command::Sandbox(c) => sandbox(c, &app.world_folder(), app.config().sandbox_latency, out).await,
        Command::Completions { .. } => Ok(DONE),
    }
}

/// `swell -p "…"`.
pub async fn prompt(app: &App, out: &Out, talk: &mut Conversation, text: &str) -> Exit {
    let manner = if app.human().present() || app.flags().yes { Manner::Interactive } else { Manner::PlanOnly };
    said(out, &chat::turn(app, talk, text, manner).await?)
}

/// Prints what came of a turn, and says with what to exit if it was the last one.
pub fn said(out: &Out, replies: &[chat::Reply]) -> Exit {
    let mut exit = DONE;
    for reply in replies {
        print_reply(out, reply);
        exit = match reply {
            chat::Reply::Applied { summary } => finished(summary)?,
            chat::Reply::Ask { .. } => ExitClass::Refused.code(),
            _ => DONE,
        };
    }
    Ok(exit)
}

/// Prints one reply of a turn.
pub fn print_reply(out: &Out, reply: &chat::Reply) {
    if out.json {
        out.screen.print(&ui::json::line(&serde_json::to_value(reply).unwrap_or(Value::Null)));
        return;
    }
    match reply {
        chat::Reply::Say { text } => out.screen.print(&format!("{text}\n")),
        chat::Reply::Ask { question } => out.screen.print(&ui::list::question(question, &out.screen.style())),
        chat::Reply::Answer { answer } => out.screen.print(&ui::list::answer(answer, &out.screen.style())),
        chat::Reply::Planned { plan, deployment, .. } => {
            let text = format!(
                "Plan {plan} for {deployment} is ready; nothing was changed. Apply it on a terminal, or plan to a file with `swell plan … --out` and apply that.\n"
            );
            out.screen.print(&text);
        }
        // The run's own events have said it.
        chat::Reply::Applied { .. } => {}
    }
}
