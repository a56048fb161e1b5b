//! THE LINE, top to bottom: what is wanted -> plan -> review -> approval -> waves -> state. Start reading here.
//!
//! Deploy, modify, rollback, undo, destroy and runbooks only differ in what they want; from there on there is one road.

use std::{collections::BTreeMap, path::Path, time::Duration};

use indexmap::IndexMap;
use serde_json::Value;

use crate::{
    app::App,
    apply,
    approval::{ApprovedPlan, Consent, Consumed, approve},
    desired,
    diagnostic::{Diagnostic, ExitClass, Failure},
    domain::{Action, Address, DeploymentName, ServerName, TypeDef},
    event::{Event, RunSummary},
    intent::{Provenance, Question, Said},
    pattern::{self, Available, Bound},
    plan::{
        FORMAT, ParameterNote, Plan, Shown,
        build::{Foreign, Inputs, SecretStatus, build},
        refresh::{Observed, observe, settle},
    },
    policy,
    review::{Answer, Level, Review},
    secret::Generate,
    store::{Gone, Recipe, RunEnd, RunHeader, RunId, RunKind, Snapshot, StoredPlan, Unsettled},
    template::{Template, check::check},
};

// Said and wanted by those who call the line.
pub use crate::{apply::RunOptions, diagnostic::usage, mcp::Types};

/// What is wanted, from wherever it came.
#[derive(Debug, Clone)]
pub struct Wanted {
    /// The desired picture.
    pub template: Template,
    /// What for.
    pub kind: RunKind,
    /// Where it came from.
    pub recipe: Recipe,
    /// What the pattern has to say.
    pub notes: Vec<String>,
    /// Parameters for the review.
    pub parameters: Vec<ParameterNote>,
    /// What to do with resources that are there already.
    pub foreign: Foreign,
    /// The person's words, or the command.
    pub request: String,
    /// Which parser understood it.
    pub parser: Option<String>,
    /// The bound pattern, for edits of the pending plan.
    pub bound: Option<Bound>,
}

/// What a person made of a review.
#[derive(Debug)]
pub enum Decided {
    /// It may run.
    Approved(Box<ApprovedPlan>),
    /// No.
    Declined,
    /// Not approved; these parameters shall be others.
    Edit(Vec<(String, String)>),
    /// Not approved; this is what the person said.
    Said(String),
    /// Written to this file.
    Saved(String),
}

/// Either a template that can be planned, or what has to be asked first.
pub enum Draft {
    /// It can be planned.
    Ready(Box<Wanted>),
    /// Something has to be said first.
    Ask(Vec<Question>, Vec<Diagnostic>),
}

// ── what is wanted ──────────────────────────────────────────────────────────────────────────────────────────────────────────────────

/// From a template file.
pub fn from_file(app: &App, path: &Path, vars: &IndexMap<String, Value>, name: Option<&str>) -> Result<Wanted, Failure> {
    let text = if path == Path::new("-") { app.stdin_text()? } else { crate::template::file::read_file(path)? };
    let shown = path.display().to_string();
    let mut template = crate::template::parse::parse(&shown, &text, vars)?;
    if let Some(name) = name {
        template.name = name.parse::<DeploymentName>().map_err(|e| usage(&e.to_string()))?;
    }
    Ok(of_template(template, RunKind::Apply, format!("template {shown}")))
}

/// From a pattern and what was said about its parameters.
pub async fn from_pattern(
    app: &App,
    name: &str,
    said: IndexMap<String, Said>,
    deployment: Option<DeploymentName>,
    request: String,
) -> Result<Draft, Failure> {
    let entry = app.catalog().get(name)?;
    let mut available = Available::from_types(&app.types().await);
    if entry.pattern.file.text.contains("exists(") {
        available = available.with_existing(existing(app).await);
    }
    let setting = pattern::bind::Setting { available, deployment };
    let bound = match pattern::bind(&entry.pattern, said, &setting) {
        Ok(bound) => bound,
        Err(unbound) => return Ok(Draft::Ask(unbound.questions, unbound.diagnostics)),
    };
    let expansion = pattern::expand(&entry.pattern, &bound, &setting.available)?;
    let kind = if entry.pattern.runbook { RunKind::Runbook } else { RunKind::Apply };
    let mut wanted = of_template(expansion.template, kind, request);
    wanted.notes = expansion.notes;
    wanted.parameters = bound.parameters.iter().map(note).collect();
    wanted.recipe.pattern = Some(entry.pattern.name.to_string());
    wanted.recipe.pattern_version = Some(entry.pattern.version.to_string());
    wanted.recipe.parameters = bound.parameters.iter().map(|p| (p.name.clone(), p.value.clone())).collect::<serde_json::Map<_, _>>().into();
    wanted.recipe.provenance = serde_json::to_value(&bound).unwrap_or(Value::Null);
    wanted.bound = Some(bound);
    Ok(Draft::Ready(Box::new(wanted)))
}

/// Every address that a deployment recorded or that a server lists now: patterns may ask whether something is there.
async fn existing(app: &App) -> Vec<Address> {
    let lists = futures::future::join_all(app.servers().iter().map(|s| async move { (s.name().clone(), s.list(None).await) })).await;
    lists
        .into_iter()
        .filter_map(|(server, list)| list.ok().map(|all| (server, all)))
        .flat_map(|(server, all)| all.into_iter().filter_map(move |l| Some(Address::new(server.clone(), l.kind, l.name.parse().ok()?))))
        .collect()
}

/// The last template of a deployment with other parameters, or planned again as it is.
pub async fn from_deployment(app: &App, snapshot: &Snapshot, changed: IndexMap<String, Said>, request: String) -> Result<Draft, Failure> {
    let again = snapshot.recipe.pattern.clone().zip(serde_json::from_value::<Bound>(snapshot.recipe.provenance.clone()).ok());
    match again {
        Some((pattern, bound)) => {
            let mut said = bound.said();
            said.extend(changed);
            from_pattern(app, &pattern, said, Some(snapshot.deployment.clone()), request).await
        }
        None => {
            let mut wanted = of_template(desired::last_wanted(snapshot), RunKind::Apply, request);
            if let Some((name, _)) = changed.first() {
                return Err(Failure::from(
                    Diagnostic::error("deployment::no-pattern", "The deployment has no parameters")
                        .fact("deployment", snapshot.deployment.to_string())
                        .detail(format!("It was made from a template file, not from a pattern, so `{name}` is not a parameter of it."))
                        .state("Nothing was planned.")
                        .hint("Change the file and apply it again."),
                ));
            }
            wanted.recipe = Recipe { template: wanted.recipe.template.clone(), ..snapshot.recipe.clone() };
            Ok(Draft::Ready(Box::new(wanted)))
        }
    }
}

/// Nothing: a destroy.
pub fn nothing(deployment: &DeploymentName, request: String) -> Wanted {
    of_template(desired::nothing(deployment), RunKind::Destroy, request)
}

/// What an older snapshot had.
pub fn from_snapshot(snapshot: &Snapshot, kind: RunKind, request: String) -> Wanted {
    let mut wanted = of_template(desired::from_snapshot(snapshot), kind, request);
    wanted.recipe = Recipe { template: wanted.recipe.template.clone(), ..snapshot.recipe.clone() };
    wanted
}

/// From a template that is at hand.
pub fn of_template(template: Template, kind: RunKind, request: String) -> Wanted {
    let recipe = Recipe { template: serde_json::to_value(&template).unwrap_or(Value::Null), ..Recipe::default() };
    Wanted {
        template,
        kind,
        recipe,
        notes: Vec::new(),
        parameters: Vec::new(),
        foreign: Foreign::Refuse,
        request,
        parser: None,
        bound: None,
    }
}

fn note(p: &pattern::BoundParameter) -> ParameterNote {
    let (from, why) = match &p.provenance {
        Provenance::Said { words } => ("said", words.clone()),
        Provenance::Context { what } => ("context", what.clone()),
        Provenance::Default { reason } => ("default", reason.clone()),
        Provenance::Generated => ("generated", String::new()),
        Provenance::Assumed { model } => ("assumed", model.clone()),
        Provenance::Given => ("given", String::new()),
    };
    let value = if p.secret { Shown::Secret } else { Shown::Value(p.value.clone()) };
    ParameterNote { name: p.name.clone(), value, from: from.to_owned(), why }
}

// ── plan ────────────────────────────────────────────────────────────────────────────────────────────────────────────────────────────

/// Works out the plan: asks the servers, checks, builds, holds it against the policies. Changes nothing.
pub async fn plan(app: &App, wanted: Wanted) -> Result<Review, Failure> {
    let snapshot = app.store().latest(&wanted.template.name).await?;
    let (plan, warnings) = plan_from(app, &wanted, snapshot.as_ref()).await?;
    let review = Review::new(plan, wanted.parser, warnings);
    tracing::info!(deployment = %review.plan.deployment, plan = review.plan.short(), steps = review.plan.steps.len(), "planned");
    if !review.plan.is_empty() {
        app.store()
            .put_plan(&StoredPlan {
                digest: review.digest.clone(),
                deployment: review.plan.deployment.clone(),
                bytes: review.plan.bytes(),
                made_at: app.now(),
                used_by: None,
            })
            .await?;
    }
    Ok(review)
}

async fn plan_from(app: &App, wanted: &Wanted, snapshot: Option<&Snapshot>) -> Result<(Plan, Vec<Diagnostic>), Failure> {
    let template = &wanted.template;
    let others = app.others();
    let seen = observe(app.servers(), template, snapshot, &others, app.sink()).await;
    let mut problems = check(template, &registered(app, &seen), &seen);
    let unreachable = needed_unreachable(template, snapshot, &seen);
    if !unreachable.is_empty() {
        // What an unreachable server would have said cannot be wrong.
        problems.retain(|p| p.server.as_ref().is_none_or(|s| !seen.unreachable.contains_key(s)));
    }
    problems.extend(unreachable);
    problems.extend(seen.problems.clone());
    let (settled, open) = match snapshot {
        Some(s) => settle(s, &seen),
        None => (Vec::new(), Vec::new()),
    };
    problems.extend(open.iter().map(blind));
    let (warnings, errors): (Vec<_>, Vec<_>) = problems.into_iter().partition(|p| p.severity == crate::diagnostic::Severity::Warning);
    if !errors.is_empty() {
        return Err(errors.into());
    }
    let generated = generated_secrets(wanted);
    let mut plan = build(Inputs {
        template,
        snapshot,
        observed: &seen,
        settled,
        kind: wanted.kind,
        request: wanted.request.clone(),
        recipe: wanted.recipe.clone(),
        notes: wanted.notes.clone(),
        foreign: wanted.foreign,
        tool: &|address, action| app.tool(address, action),
        secret: &|name| match app.secrets().has(name) {
            Ok(true) => SecretStatus::Present,
            _ if generated.iter().any(|g| g == name) => SecretStatus::Generated,
            _ => SecretStatus::Missing,
        },
    })?;
    plan.parameters = wanted.parameters.clone();
    plan.policy = policy::evaluate(&plan, app.policies());
    Ok((plan, warnings))
}

fn generated_secrets(wanted: &Wanted) -> Vec<String> {
    let mut names = std::collections::BTreeSet::new();
    for p in wanted.bound.iter().flat_map(|b| &b.parameters).filter(|p| p.secret && p.provenance == Provenance::Generated) {
        crate::plan::refresh::secrets_of(&p.value, &mut names);
    }
    names.into_iter().collect()
}

/// The types of the servers that answered. Those that nothing asked for stand there by name, so that a near miss can be told.
fn registered(app: &App, seen: &Observed) -> Types {
    let mut types = seen.types.clone();
    for name in app.servers().names().filter(|n| !seen.unreachable.contains_key(*n)) {
        types.entry(name.clone()).or_default();
    }
    types
}

/// Servers that did not answer and without which nothing can be said.
fn needed_unreachable(template: &Template, snapshot: Option<&Snapshot>, seen: &Observed) -> Vec<Diagnostic> {
    let used = |server: &ServerName| {
        template.resources.iter().any(|r| r.address.server == *server)
            || snapshot.is_some_and(|s| s.resources.keys().any(|a| a.server == *server))
            || template.resources.iter().flat_map(|r| r.properties.values()).any(|v| v.to_string().contains(&format!("${{{server}:")))
    };
    seen.unreachable.iter().filter(|(s, _)| used(s)).map(|(_, d)| d.clone()).collect()
}

fn blind(one: &Unsettled) -> Diagnostic {
    Diagnostic::error("plan::unsettled", "The outcome of a former call cannot be found out")
        .address(&one.address)
        .fact("resource", one.address.to_string())
        .fact("call", format!("{} in run {}, journal entry {}", one.action, one.run, one.entry))
        .detail("The call was sent and not answered, and Swell cannot find out by itself whether it was carried out.")
        .state("Nothing was planned. The journal keeps the attempt.")
        .next("If it is there, take it over:", format!("swell import <deployment> {}", one.address))
}

// ── review and approval ─────────────────────────────────────────────────────────────────────────────────────────────────────────────

/// Shows the review and waits for the person's word, an operator's rule, or what the command line allows.
pub async fn decide(app: &App, review: &Review) -> Result<Decided, Failure> {
    let now = app.now();
    if app.flags().read_only {
        return Err(read_only());
    }
    if let Some(rule) = app.config().auto_approve.iter().find(|r| r.covers(&review.plan, now)) {
        app.human().show(review, Level::Brief).await;
        app.sink().emit(Event::Notice { text: format!("approved by the operator's rule for {}", rule.deployments.join(" ")) });
        return Ok(Decided::Approved(Box::new(approve(review, Consent::Rule(rule.clone()), now)?)));
    }
    if app.flags().yes {
        app.human().show(review, Level::Brief).await;
        let Some(max_destroy) = app.flags().max_destroy else {
            return Err(Failure::from(
                Diagnostic::error("approval::yes-alone", "`--yes` alone approves nothing")
                    .detail("It approves a saved plan, or a plan with a bound on what may be destroyed.")
                    .state("Nothing was changed.")
                    .next("Say how much may be destroyed:", "… --yes --max-destroy 0")
                    .exit(ExitClass::Usage),
            ));
        };
        return Ok(Decided::Approved(Box::new(approve(review, Consent::Bounded { max_destroy }, now)?)));
    }
    if !app.human().present() {
        app.human().show(review, Level::Brief).await;
        return Err(Failure::from(
            Diagnostic::error("approval::nobody", "There is nobody to approve the plan")
                .detail("Approval is a key press on a terminal, and there is no terminal here.")
                .state(format!("Nothing was changed. Plan {} is kept for {} minutes.", review.plan.short(), review.valid_minutes))
                .next("Save the plan, look at it, and apply it:", "swell plan … --out plan.json && swell apply plan.json --yes"),
        ));
    }
    loop {
        match app.human().approve(review).await {
            Answer::Yes(key) => {
                // The time is read again: a review can lie on the screen for a while.
                let consent = Consent::KeyPress { key, shown: review.digest.clone() };
                let now = app.now();
                if let Some(stored) = app.store().plan(&review.digest).await?
                    && now.duration_since(stored.made_at)
                        > jiff::SignedDuration::from_mins(i64::try_from(review.valid_minutes).unwrap_or(30))
                {
                    return Err(crate::approval::ApprovalError::Expired { short: review.plan.short() }.into());
                }
                return Ok(Decided::Approved(Box::new(approve(review, consent, now)?)));
            }
            Answer::No => return Ok(Decided::Declined),
            Answer::Details => app.human().show(review, Level::Details).await,
            Answer::Graph => app.human().show(review, Level::Graph).await,
            Answer::Edit(pairs) => return Ok(Decided::Edit(pairs)),
            Answer::Say(text) => return Ok(Decided::Said(text)),
            Answer::Save(file) => {
                save(review, Path::new(&file))?;
                return Ok(Decided::Saved(file));
            }
        }
    }
}

fn read_only() -> Failure {
    Failure::from(
        Diagnostic::error("approval::read-only", "This session only reads")
            .detail("`--read-only` is set, so nothing may be changed.")
            .state("Nothing was changed.")
            .hint("Run the command again without `--read-only`."),
    )
}

/// Writes a plan to a file: its bytes and its digest, nothing else, so that the same inputs give the same file.
pub fn save(review: &Review, path: &Path) -> Result<(), Failure> {
    let value = serde_json::json!({"digest": review.digest, "plan": review.plan});
    let text = serde_json::to_string_pretty(&value).unwrap_or_default() + "\n";
    write_file(path, text.as_bytes())
}

/// A file beside its place that others may read as they may read any new file; temporary files are the owner's alone otherwise.
#[cfg(unix)]
fn new_file(folder: &Path) -> std::io::Result<tempfile::NamedTempFile> {
    use std::os::unix::fs::PermissionsExt;
    tempfile::Builder::new().permissions(std::fs::Permissions::from_mode(0o666)).tempfile_in(folder)
}

#[cfg(not(unix))]
fn new_file(folder: &Path) -> std::io::Result<tempfile::NamedTempFile> {
    tempfile::NamedTempFile::new_in(folder)
}

/// Writes a whole file or nothing.
pub fn write_file(path: &Path, bytes: &[u8]) -> Result<(), Failure> {
    let folder = path.parent().filter(|p| !p.as_os_str().is_empty()).unwrap_or_else(|| Path::new("."));
    let write = || -> std::io::Result<()> {
        let mut file = new_file(folder)?;
        std::io::Write::write_all(&mut file, bytes)?;
        file.as_file().sync_all()?;
        file.persist(path).map_err(|e| e.error)?;
        Ok(())
    };
    write().map_err(|e| {
        Failure::from(
            Diagnostic::error("file::write", "A file cannot be written")
                .fact("file", path.display().to_string())
                .detail(format!("{e}."))
                .state("Nothing was changed; a file that was there is as it was."),
        )
    })
}

/// Reads a saved plan and checks that it is whole, was made here, was not used, and has not expired.
pub async fn load(app: &App, path: &Path) -> Result<Review, Failure> {
    let text = crate::template::file::read_file(path)?;
    let refuse = |detail: String| {
        Failure::from(
            Diagnostic::error("plan::saved", "A saved plan cannot be used")
                .fact("file", path.display().to_string())
                .detail(detail)
                .state("Nothing was changed.")
                .next("Make a new one and look at it:", format!("swell plan … --out {}", path.display())),
        )
    };
    let value: Value = serde_json::from_str(&text).map_err(|e| refuse(format!("It is not JSON: {e}.")))?;
    let stated = value.get("digest").and_then(Value::as_str).unwrap_or_default().to_owned();
    let format = value.pointer("/plan/format").and_then(Value::as_u64);
    if format != Some(u64::from(FORMAT)) {
        return Err(refuse(format!(
            "It has format {}, and this program reads format {FORMAT}.",
            format.map_or("none".into(), |f| f.to_string())
        )));
    }
    let plan: Plan =
        serde_json::from_value(value.get("plan").cloned().unwrap_or(Value::Null)).map_err(|e| refuse(format!("It is not a plan: {e}.")))?;
    let digest = plan.digest();
    if digest != stated {
        return Err(refuse("Its digest does not fit its content: the file was changed after it was written.".into()));
    }
    match app.store().plan(&digest).await? {
        None => Err(refuse("It was not made with this state: a plan is applied where it was made.".into())),
        Some(p) if p.used_by.is_some() => Err(refuse("It has been applied already; a plan is used once.".into())),
        Some(_) => Ok(Review::new(plan, None, Vec::new())),
    }
}

// ── apply ───────────────────────────────────────────────────────────────────────────────────────────────────────────────────────────

/// Carries out an approved plan under the deployment's lock.
pub async fn apply(app: &App, approved: ApprovedPlan, options: RunOptions) -> Result<RunSummary, Failure> {
    if app.flags().read_only {
        return Err(read_only());
    }
    let approved = approved.consume(app.now())?;
    let lock = app.lock(&approved.plan.deployment, what(approved.plan.kind)).await?;
    let _running = app.running();
    let result = apply_locked(app, &lock, &approved, options).await;
    lock.release().await?;
    result
}

fn what(kind: RunKind) -> &'static str {
    match kind {
        RunKind::Apply => "apply",
        RunKind::Destroy => "destroy",
        RunKind::Rollback => "rollback",
        RunKind::Undo => "undo",
        RunKind::Resume => "resume",
        RunKind::Runbook => "runbook",
        RunKind::Import => "import",
        RunKind::Refresh => "refresh",
    }
}

async fn apply_locked(app: &App, lock: &crate::store::Lock, approved: &Consumed, options: RunOptions) -> Result<RunSummary, Failure> {
    let Consumed { plan, digest, how, resumes } = approved;
    let store = app.store();
    let snapshot = store.latest(&plan.deployment).await?;
    let base = snapshot.as_ref().map_or(0, |s| s.number);
    if base != plan.base {
        return Err(stale(plan, format!("It builds on snapshot {}, and the deployment is at snapshot {base} now.", plan.base)));
    }
    check_targets(app, plan).await?;
    check_reads(app, plan).await?;
    if let Some(snapshot) = &snapshot {
        check_world(app, plan, snapshot).await?;
    }
    let run = RunId(app.new_id());
    store.use_plan(digest, &run).await?;
    for name in &plan.generate {
        app.secrets().generate(name, Generate::Password { length: 24 })?;
    }
    let header = RunHeader {
        id: run.clone(),
        deployment: plan.deployment.clone(),
        kind: if *resumes { RunKind::Resume } else { plan.kind },
        plan: digest.clone(),
        request: plan.request.clone(),
        who: app.who().to_owned(),
        approval: how.clone(),
        recipe: plan.recipe.clone(),
        outputs: plan.outputs.clone(),
        base,
    };
    let journal = store.begin_run(lock, header).await?;
    for one in &plan.settled {
        journal.settle(one.entry, one.address.clone(), one.resource.clone(), &one.how).await?;
    }
    let mut recorded: BTreeMap<Address, _> = snapshot.map(|s| s.resources).unwrap_or_default();
    for one in &plan.settled {
        match &one.resource {
            Some(r) => recorded.insert(one.address.clone(), r.clone()),
            None => recorded.remove(&one.address),
        };
    }
    let cx = apply::Context { servers: app.servers(), recorded, secrets: app.secrets().clone(), sink: app.sink() };
    let (end, mut summary, broken) = apply::run(plan, &journal, cx, app.apply_options(options)).await;
    let clean = end.failed + end.unknown + end.skipped == 0;
    summary.snapshot = end_run(journal, end).await?;
    advise(&mut summary, plan, clean);
    app.sink().emit(Event::RunEnded { summary: Box::new(summary.clone()) });
    match broken {
        Some(failure) => Err(failure),
        None => Ok(summary),
    }
}

async fn end_run(journal: crate::store::Journal, end: RunEnd) -> Result<Option<u64>, Failure> {
    Ok(journal.end(end).await?.map(|s| s.number))
}

/// The commands at the end: what undoes it, and how to go on.
fn advise(summary: &mut RunSummary, plan: &Plan, clean: bool) {
    if plan.kind != RunKind::Destroy && !summary.done.is_empty() {
        summary.undo =
            Some(if plan.base == 0 { format!("swell destroy {}", plan.deployment) } else { format!("swell undo {}", plan.deployment) });
    }
    if !clean {
        summary.next = Some(format!("swell resume {}", plan.deployment));
    }
}

fn stale(plan: &Plan, detail: String) -> Failure {
    Failure::from(
        Diagnostic::error("plan::stale", "The plan no longer holds")
            .fact("plan", plan.short())
            .detail(detail)
            .state("Nothing was changed.")
            .next("Plan again and look at what is different:", format!("swell plan {}", plan.deployment)),
    )
}

/// The servers must be those that the plan was made for, with the same tools.
async fn check_targets(app: &App, plan: &Plan) -> Result<(), Failure> {
    for then in &plan.targets {
        let server = app.server(&then.server)?;
        let now = server.target().await.map_err(|e| Failure::from(crate::plan::refresh::unreachable(&then.server, &e)))?;
        if now.identity != then.identity {
            return Err(stale(
                plan,
                format!("`{}` was `{}` when the plan was made, and is `{}` now.", then.server, then.identity, now.identity),
            ));
        }
        if now.pin != then.pin {
            return Err(stale(plan, format!("The tools of `{}` are not those that the plan was made with.", then.server)));
        }
    }
    Ok(())
}

/// What the plan keeps or changes must be as it was when the plan was made: the steps were worked out from it.
async fn check_world(app: &App, plan: &Plan, snapshot: &Snapshot) -> Result<(), Failure> {
    let touched = |a: &Address| plan.kept.contains(a) || plan.steps.iter().any(|s| s.address == *a && s.action == Action::Update);
    let seen = observe(app.servers(), &desired::nothing(&plan.deployment), Some(snapshot), &app.others(), app.sink()).await;
    let told =
        |one: &crate::plan::Drift| plan.drift.iter().any(|d| d.address == one.address && d.gone == one.gone && d.changes == one.changes);
    let now = crate::plan::refresh::drift(snapshot, &seen);
    match now.iter().find(|d| (d.gone || !d.changes.is_empty()) && touched(&d.address) && !told(d)) {
        Some(d) if d.gone => Err(stale(plan, format!("`{}`, on which it builds, is gone from its server.", d.address))),
        Some(d) => Err(stale(plan, format!("`{}`, on which it builds, was changed on its server since.", d.address))),
        None => Ok(()),
    }
}

/// What was looked up must still be there with the values that the plan uses.
async fn check_reads(app: &App, plan: &Plan) -> Result<(), Failure> {
    for read in plan.reads.iter().filter(|r| r.found_in.is_none()) {
        let server = app.server(&read.address.server)?;
        let key = crate::mcp::Key { kind: read.address.kind.clone(), name: read.address.name.clone(), id: Some(read.id.clone()) };
        let live = server.read(&key).await.map_err(|e| Failure::from(crate::plan::refresh::unreachable(&read.address.server, &e)))?;
        let Some(live) = live else { return Err(stale(plan, format!("`{}`, which it refers to, is gone.", read.address))) };
        for (path, then) in &read.used {
            let now = path.parse().ok().and_then(|p| live.lookup(&p));
            if now.as_ref() != Some(then) {
                return Err(stale(plan, format!("`{}.{path}`, which it uses, has another value now.", read.address)));
            }
        }
    }
    Ok(())
}

// ── the rest of a run, and back ─────────────────────────────────────────────────────────────────────────────────────────────────────

/// What a resume found to do.
pub enum Resumed {
    /// Nothing was interrupted and nothing is unknown or left over.
    Nothing(DeploymentName),
    /// The rest, with the run whose approval covers it.
    Rest(Box<Review>, Box<Consent>),
}

/// Works out the rest of the last run: what is unknown is settled by reading back, what was not done is planned again.
pub async fn rest(app: &App, deployment: &DeploymentName) -> Result<Resumed, Failure> {
    let store = app.store();
    let Some(last) = store.runs(deployment).await?.into_iter().max_by_key(|r| (r.began_at, r.header.id.clone())) else {
        return Err(no_deployment(app, deployment.as_str()).await);
    };
    let ended_well = last.end.as_ref().is_some_and(|e| e.failed + e.unknown + e.skipped == 0 && !e.interrupted);
    let snapshot = store.latest(deployment).await?;
    let unsettled = snapshot.as_ref().is_some_and(|s| !s.unsettled.is_empty());
    if ended_well && !unsettled {
        return Ok(Resumed::Nothing(deployment.clone()));
    }
    let Some(stored) = store.plan(&last.header.plan).await? else {
        return Err(Failure::from(Diagnostic::bug("resume::no-plan", format!("The plan of run {} is not in the state.", last.header.id))));
    };
    let approved: Plan = serde_json::from_slice(&stored.bytes)
        .map_err(|e| Failure::from(Diagnostic::bug("resume::plan", format!("A stored plan cannot be read: {e}."))))?;
    let template: Template = serde_json::from_value(approved.recipe.template.clone()).unwrap_or_else(|_| desired::nothing(deployment));
    let mut wanted = of_template(template, approved.kind, last.header.request.clone());
    wanted.recipe = approved.recipe.clone();
    wanted.bound = serde_json::from_value(approved.recipe.provenance.clone()).ok();
    let (plan, warnings) = plan_from(app, &wanted, snapshot.as_ref()).await?;
    let review = Review::new(plan, None, warnings);
    let made = StoredPlan {
        digest: review.digest.clone(),
        deployment: deployment.clone(),
        bytes: review.plan.bytes(),
        made_at: app.now(),
        used_by: None,
    };
    store.put_plan(&made).await?;
    let consent = Consent::Resumed { run: last.header.id, how: last.header.approval, approved: Box::new(approved) };
    Ok(Resumed::Rest(Box::new(review), Box::new(consent)))
}

/// The snapshot to go back to: the one named, or the one before the last.
pub async fn older(app: &App, deployment: &DeploymentName, number: Option<u64>) -> Result<Snapshot, Failure> {
    let Some(latest) = app.store().latest(deployment).await? else { return Err(no_deployment(app, deployment.as_str()).await) };
    let wanted = number.unwrap_or_else(|| latest.number.saturating_sub(1));
    if let Some(found) = app.store().snapshot(deployment, wanted).await? {
        return Ok(found);
    }
    let have: Vec<String> = app.store().snapshots(deployment).await?.into_iter().map(|s| s.number.to_string()).collect();
    Err(Failure::from(
        Diagnostic::error("rollback::no-snapshot", "There is no such snapshot")
            .fact("deployment", deployment.to_string())
            .detail(if wanted == 0 {
                "It has only one snapshot, so there is nothing before it to go back to.".to_owned()
            } else {
                format!("It has no snapshot {wanted}; there are: {}.", have.join(", "))
            })
            .state("Nothing was planned.")
            .next("See what was done:", format!("swell history {deployment}")),
    ))
}

/// The diagnostic of a deployment that is not there, with the nearest name.
pub async fn no_deployment(app: &App, name: &str) -> Failure {
    let all = app.store().deployments(Gone::Hidden).await.unwrap_or_default();
    let names: Vec<&str> = all.iter().map(|d| d.name.as_str()).collect();
    let mut d = Diagnostic::error("deployment::not-found", "There is no such deployment")
        .fact("deployment", crate::domain::text::clean(name, 80))
        .detail(if names.is_empty() { "Nothing is deployed yet.".to_owned() } else { format!("There are: {}.", names.join(", ")) })
        .state("Nothing was changed.");
    if let Some(near) = crate::domain::name::nearest(name, names) {
        d = d.hint(format!("Did you mean `{near}`?"));
    }
    d.next("See what is deployed:", "swell show").into()
}

/// A deployment by name, or the only one.
pub async fn which(app: &App, name: Option<&str>) -> Result<DeploymentName, Failure> {
    let all = app.store().deployments(Gone::Listed).await?;
    match name {
        Some(name) if all.iter().any(|d| d.name.as_str() == name) => {
            name.parse().map_err(|e: crate::domain::NameError| usage(&e.to_string()))
        }
        Some(name) => Err(no_deployment(app, name).await),
        None => {
            let here: Vec<_> = app.store().deployments(Gone::Hidden).await?;
            match here.as_slice() {
                [one] => Ok(one.name.clone()),
                _ => Err(Failure::from(
                    Diagnostic::error("deployment::which", "Which deployment is not clear")
                        .detail(if here.is_empty() {
                            "Nothing is deployed.".to_owned()
                        } else {
                            format!("There are several: {}.", here.iter().map(|d| d.name.as_str()).collect::<Vec<_>>().join(", "))
                        })
                        .state("Nothing was changed.")
                        .hint("Name one.")
                        .exit(ExitClass::Usage),
                )),
            }
        }
    }
}

/// Parses `key=value` pairs; a value that is JSON is taken as such, anything else as text.
pub fn pairs(all: &[String]) -> Result<IndexMap<String, Value>, Failure> {
    all.iter()
        .map(|pair| {
            let (key, value) =
                pair.split_once('=').ok_or_else(|| usage(&format!("`{}` is not `key=value`", crate::domain::text::clean(pair, 60))))?;
            Ok((key.trim().to_owned(), typed_value(value)))
        })
        .collect()
}

/// A value as typed: JSON where it is (numbers, true, lists), text otherwise.
pub fn typed_value(text: &str) -> Value {
    match serde_json::from_str::<Value>(text.trim()) {
        // A number such as 10.10 must stay as it was typed when it is a version; the pattern's schema says what it wants.
        Ok(Value::Number(n)) if n.to_string() != text.trim() => Value::String(text.to_owned()),
        Ok(v) => v,
        Err(_) => Value::String(text.to_owned()),
    }
}

/// What the pattern makes of given parameters, marked as given on the command line.
pub fn given(values: IndexMap<String, Value>) -> IndexMap<String, Said> {
    values.into_iter().map(|(k, value)| (k, Said { value, provenance: Provenance::Given })).collect()
}

/// Waits until a resource is ready; returns its last state.
pub async fn wait(app: &App, address: &Address, timeout: Duration) -> Result<crate::mcp::Live, Failure> {
    let server = app.server(&address.server)?;
    let key = crate::mcp::Key { kind: address.kind.clone(), name: address.name.clone(), id: None };
    let since = std::time::Instant::now();
    let mut pause = Duration::from_millis(100);
    loop {
        let live = server.read(&key).await.map_err(|e| Failure::from(crate::plan::refresh::unreachable(&address.server, &e)))?;
        match live {
            Some(live) if live.status == crate::mcp::Status::Ready && live.health != crate::mcp::Health::Unhealthy => return Ok(live),
            other if since.elapsed() >= timeout => {
                let why = match &other {
                    None => "it is not there".to_owned(),
                    Some(live) => {
                        live.reason.as_deref().map_or_else(|| "it is not ready".to_owned(), |r| crate::domain::text::clean(r, 300))
                    }
                };
                return Err(Failure::from(
                    Diagnostic::error("wait::timeout", "A resource is not ready in time")
                        .address(address)
                        .fact("resource", address.to_string())
                        .detail(format!("After {}s: {why}.", timeout.as_secs()))
                        .state("Nothing was changed.")
                        .next("Find out why:", format!("swell -p \"why is {} not ready?\"", address.name)),
                ));
            }
            _ => tokio::time::sleep(pause).await,
        }
        pause = (pause * 2).min(Duration::from_secs(2));
    }
}

/// Finds `server:type` among the types.
pub fn find_type<'t>(types: &'t Types, text: &str) -> Result<(&'t ServerName, &'t TypeDef), Failure> {
    let (server, kind) =
        text.split_once(':').ok_or_else(|| usage(&format!("`{}` is not `server:type`", crate::domain::text::clean(text, 60))))?;
    let found =
        types.iter().find(|(s, _)| s.as_str() == server).and_then(|(s, t)| t.iter().find(|(k, _)| k.as_str() == kind).map(|(_, d)| (s, d)));
    found.ok_or_else(|| {
        let all: Vec<String> = types.iter().flat_map(|(s, t)| t.keys().map(move |k| format!("{s}:{k}"))).collect();
        let mut d = Diagnostic::error("schema::unknown-type", "There is no such type")
            .fact("type", crate::domain::text::clean(text, 80))
            .detail("No registered server has it.");
        if let Some(near) = crate::domain::name::nearest(text, all.iter().map(String::as_str)) {
            d = d.hint(format!("Did you mean `{near}`?"));
        }
        d.next("See all types:", "swell types").into()
    })
}

/// The action that a plan takes on an address, for people who ask.
pub fn action_on(plan: &Plan, address: &Address) -> Option<Action> {
    plan.steps.iter().find(|s| s.address == *address).map(|s| if s.replace.is_some() { Action::Replace } else { s.action })
}

/// Parameters from a file: one object, YAML or JSON.
pub fn parameters_file(path: &Path) -> Result<IndexMap<String, Value>, Failure> {
    let text = crate::template::file::read_file(path)?;
    let shown = path.display().to_string();
    let node = crate::yaml::parse(&shown, &text).map_err(|d| Failure::from(*d))?;
    match node.to_json() {
        Value::Object(map) => Ok(map.into_iter().collect()),
        _ => Err(usage(&format!("`{shown}` does not hold parameters (`name: value` lines)"))),
    }
}

/// The snapshot on which the last run built, a run and the resumes that finished it taken as one; none if it was the first.
pub async fn before_last(app: &App, deployment: &DeploymentName) -> Result<Option<Snapshot>, Failure> {
    let mut runs = app.store().runs(deployment).await?;
    runs.sort_by(|a, b| b.header.id.0.cmp(&a.header.id.0));
    let Some(first) = runs.iter().find(|r| r.header.kind != RunKind::Resume) else {
        return Err(no_deployment(app, deployment.as_str()).await);
    };
    Ok(app.store().snapshot(deployment, first.header.base).await?)
}

/// Recorded against live, for one deployment. Changes nothing.
pub async fn drift(app: &App, deployment: &DeploymentName) -> Result<Vec<crate::plan::Drift>, Failure> {
    let Some(snapshot) = app.store().latest(deployment).await? else { return Err(no_deployment(app, deployment.as_str()).await) };
    let template = desired::from_snapshot(&snapshot);
    let seen = observe(app.servers(), &template, Some(&snapshot), &app.others(), app.sink()).await;
    let unreachable = needed_unreachable(&desired::nothing(deployment), Some(&snapshot), &seen);
    if !unreachable.is_empty() {
        return Err(unreachable.into());
    }
    if !seen.problems.is_empty() {
        return Err(seen.problems.into());
    }
    Ok(crate::plan::refresh::drift(&snapshot, &seen))
}

/// Existing resources become part of a deployment: its last template with them added, as they are now.
pub async fn import(app: &App, deployment: &DeploymentName, addresses: &[Address]) -> Result<Wanted, Failure> {
    let snapshot = app.store().latest(deployment).await?;
    let mut template = snapshot.as_ref().map_or_else(|| desired::nothing(deployment), desired::from_snapshot);
    let types = app.types().await;
    for address in addresses {
        let server = app.server(&address.server)?;
        let (_, def) = find_type(&types, &format!("{}:{}", address.server, address.kind))?;
        let key = crate::mcp::Key { kind: address.kind.clone(), name: address.name.clone(), id: None };
        let live = server.read(&key).await.map_err(|e| Failure::from(crate::plan::refresh::unreachable(&address.server, &e)))?;
        let Some(live) = live else {
            return Err(Failure::from(
                Diagnostic::error("import::not-found", "There is nothing to import")
                    .address(address)
                    .fact("resource", address.to_string())
                    .detail(format!("`{}` has no `{}` of this name.", address.server, address.kind))
                    .state("Nothing was changed."),
            ));
        };
        let known = def.property_names();
        let properties = live.properties.into_iter().filter(|(k, v)| known.contains(&k.as_str()) && !def.is_sensitive(k) && !v.is_null());
        template.resources.retain(|r| r.address != *address);
        template.resources.push(crate::domain::Resource {
            address: address.clone(),
            properties: properties.map(|(k, v)| (k, crate::domain::substitute::escape_all(&v))).collect(),
            depends_on: Vec::new(),
            lifecycle: crate::domain::Lifecycle::default(),
            wait: None,
            existing: crate::domain::Existing::Managed,
        });
    }
    let recipe = snapshot.map(|s| s.recipe).unwrap_or_default();
    let names: Vec<String> = addresses.iter().map(ToString::to_string).collect();
    let mut wanted = of_template(template, RunKind::Import, format!("swell import {deployment} {}", names.join(" ")));
    wanted.recipe = Recipe { template: wanted.recipe.template.clone(), ..recipe };
    wanted.foreign = Foreign::Adopt;
    Ok(wanted)
}

/// Writes the missing end of an interrupted run that left nothing to do.
pub async fn close_interrupted(app: &App, deployment: &DeploymentName) -> Result<(), Failure> {
    let lock = app.lock(deployment, "resume").await?;
    let closed = app.store().close_interrupted(&lock).await;
    lock.release().await?;
    closed?;
    Ok(())
}

/// The diagnostic of an address that no deployment recorded.
pub fn not_recorded(address: &Address) -> Failure {
    Diagnostic::error("show::not-recorded", "No deployment has this resource")
        .address(address)
        .fact("resource", address.to_string())
        .detail("It is in no snapshot. It may still be on its server.")
        .next("See what is deployed:", "swell show")
        .into()
}

/// Every resource that the servers list now, for `swell query`; servers that do not answer are left out and said.
pub async fn live_rows(app: &App) -> Vec<crate::store::LiveRow> {
    let lists = futures::future::join_all(app.servers().iter().map(|s| async move { (s.name().clone(), s.list(None).await) })).await;
    let mut rows = Vec::new();
    for (server, list) in lists {
        match list {
            Ok(all) => rows.extend(all.into_iter().filter_map(|live| {
                let address = Address::new(server.clone(), live.kind, live.name.parse().ok()?);
                let hide = |p| app.secrets().redactor().json(&Value::Object(p));
                Some(crate::store::LiveRow { address, id: live.id, properties: hide(live.properties), outputs: hide(live.outputs) })
            })),
            Err(error) => app.sink().emit(Event::Warning { diagnostic: Box::new(crate::plan::refresh::unreachable(&server, &error)) }),
        }
    }
    rows
}

/// Reads a file of evals or results, which may be large.
pub fn read_large(path: &Path) -> Result<String, Failure> {
    std::fs::read_to_string(path).map_err(|e| {
        Failure::from(
            Diagnostic::error("file::read", "A file cannot be read")
                .fact("file", path.display().to_string())
                .detail(format!("{e}."))
                .state("Nothing was changed."),
        )
    })
}
