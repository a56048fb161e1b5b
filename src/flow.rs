//! THE LINE, top to bottom: what is wanted -> plan -> review -> approval -> waves -> state. Start reading here.
//!
//! Deploy, modify, rollback, undo, destroy and runbooks only differ in what they want; from there on there is one road.

use std::{
    collections::{BTreeMap, BTreeSet},
    path::Path,
};

use fresh::{check_reads, check_targets, check_world, stale};

use crate::{
    app::App,
    apply,
    approval::{ApprovedPlan, Consent, Consumed, approve},
    diagnostic::{Diagnostic, ExitClass, Failure},
    domain::{Address, ServerName},
    event::{Event, RunSummary},
    intent::{Provenance, Question},
    pattern::Bound,
    plan::{
        ParameterNote, Plan,
        build::{Foreign, Inputs, SecretStatus, build},
        refresh::{Observed, OtherDeployments, observe, settle},
    },
    policy,
    review::{Answer, Level, Review},
    secret::Generate,
    store::{Recipe, RunEnd, RunHeader, RunId, RunKind, Snapshot, StoredPlan, Unsettled},
    template::{Template, check::check},
};

mod back;
mod fresh;
mod given;
mod look;
mod saved;
mod wait;
mod wanted;

pub use back::{Resumed, before_last, close_interrupted, older, rest};
pub use given::{given, pairs, parameters_file, read_large, typed_value};
pub use look::{action_on, as_sightings, drift, find_type, last_seen, live_rows, no_deployment, not_recorded, which};
pub use saved::{load, save, write_file};
pub use wait::{Until, wait, wait_for};
pub use wanted::{from_deployment, from_file, from_pattern, from_snapshot, import, nothing, of_template};

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
    /// Resources that are made anew even if nothing of them differs.
    pub replace: BTreeSet<Address>,
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
    let mut unreachable = needed_unreachable(template, snapshot, &seen);
    for d in &mut unreachable {
        if let Some(server) = d.server.clone()
            && let Some(better) = app.why_not(&server).await
        {
            *d = better;
        }
    }
    unreachable.extend(held(app, template, snapshot));
    // What such a server would have said cannot be wrong.
    problems.retain(|p| p.server.as_ref().is_none_or(|s| !unreachable.iter().any(|u| u.server.as_ref() == Some(s))));
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
        replace: &wanted.replace,
        tool: &|address, action| app.tool(address, action),
        secret: &|name| match app.secrets().has(name) {
            Ok(true) => SecretStatus::Present,
            _ if generated.iter().any(|g| g == name) => SecretStatus::Generated,
            _ => SecretStatus::Missing,
        },
    })?;
    plan.parameters = wanted.parameters.clone();
    if let Some(snapshot) = snapshot {
        look::sighted(app, snapshot, "plan", &crate::plan::refresh::drift(snapshot, &seen)).await;
    }
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

/// Servers that are registered and may not be used, and without which nothing can be said.
fn held(app: &App, template: &Template, snapshot: Option<&Snapshot>) -> Vec<Diagnostic> {
    let mut names: std::collections::BTreeSet<ServerName> = template.resources.iter().map(|r| r.address.server.clone()).collect();
    names.extend(snapshot.iter().flat_map(|s| s.resources.keys()).map(|a| a.server.clone()));
    for value in template.resources.iter().flat_map(|r| r.properties.values()).chain(template.outputs.values()) {
        for (_, reference) in crate::domain::reference::references(value) {
            if let crate::domain::Reference::Output { address, .. } = reference {
                names.insert(address.server);
            }
        }
    }
    names.iter().filter(|n| app.servers().get(n).is_none()).filter_map(|n| app.registry().held(n)).collect()
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

/// The refusal of a session that only reads.
pub fn read_only() -> Failure {
    Failure::from(
        Diagnostic::error("approval::read-only", "This session only reads")
            .detail("`--read-only` is set, so nothing may be changed.")
            .state("Nothing was changed.")
            .hint("Run the command again without `--read-only`."),
    )
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
    let before = snapshot.clone();
    let mut recorded: BTreeMap<Address, _> = snapshot.map(|s| s.resources).unwrap_or_default();
    for one in &plan.settled {
        match &one.resource {
            Some(r) => recorded.insert(one.address.clone(), r.clone()),
            None => recorded.remove(&one.address),
        };
    }
    for one in &plan.refreshed {
        let resource = apply::scrubbed(one.resource.clone(), app.secrets());
        journal.refreshed(resource.clone()).await?;
        recorded.insert(one.address.clone(), resource);
    }
    let cx = apply::Context { servers: app.servers(), recorded, secrets: app.secrets().clone(), sink: app.sink() };
    let (end, mut summary, broken) = apply::run(plan, &journal, cx, app.apply_options(options)).await;
    let clean = end.failed + end.unknown + end.skipped == 0;
    let made = end_run(journal, end).await?;
    summary.snapshot = made.as_ref().map(|s| s.number);
    if let (Some(before), Some(made)) = (&before, &made) {
        tell_others(app, before, made).await;
    }
    advise(&mut summary, plan, clean);
    app.sink().emit(Event::RunEnded { summary: Box::new(summary.clone()) });
    match broken {
        Some(failure) => Err(failure),
        None => Ok(summary),
    }
}

async fn end_run(journal: crate::store::Journal, end: RunEnd) -> Result<Option<Snapshot>, Failure> {
    Ok(journal.end(end).await?)
}

/// Says which other deployments use a value that this run has changed: they still have the old one.
async fn tell_others(app: &App, before: &Snapshot, made: &Snapshot) {
    let uses = app.others().uses().await;
    for (address, new) in &made.resources {
        let Some(old) = before.resources.get(address) else { continue };
        for change in uses.between_records(&made.deployment, old, new) {
            let others: Vec<_> = change.dependants.iter().filter(|d| d.deployment != made.deployment).collect();
            let Some(first) = others.first() else { continue };
            let names = others.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ");
            let text = format!("{address} has another {} now, and it is used by {names}: swell plan {}", change.path, first.deployment);
            app.sink().emit(Event::Notice { text });
        }
    }
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

// ── the rest of a run, and back ─────────────────────────────────────────────────────────────────────────────────────────────────────
