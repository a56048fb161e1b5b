//! `swell bindings prove`: shows the calls, asks for a yes to exactly those, makes them, and writes down what holds.

use std::{collections::BTreeMap, path::Path, sync::Arc};

use serde::Serialize;

use super::{left::Record, server, tools};
use crate::{
    app::App,
    diagnostic::{Diagnostic, ExitClass, Failure},
    domain::{ResourceType, name::nearest},
    event::Event,
    flow,
    mcp::{
        BoundServer, ResourceServer,
        binding::{
            Binding,
            prove::{Finding, Level, PATIENCE, Proof, Together, Trial, clean_up, intended, line_of, together},
        },
    },
};

mod choice;

use choice::{AtOnce, OnTrial, at_once, choose, deletes};

/// What to prove.
#[derive(Debug, Clone)]
pub struct ProveRequest {
    /// The binding.
    pub binding: String,
    /// The server, if several use it.
    pub server: Option<String>,
    /// Only these types; all that can be deleted without it.
    pub types: Vec<String>,
    /// Values of properties, as `key=value`.
    pub params: Vec<String>,
    /// Only take away what a former trial left.
    pub clean: bool,
}

/// What came of proving a binding.
#[derive(Debug, Serialize)]
pub struct Outcome {
    /// The binding.
    pub binding: String,
    /// Its file.
    pub file: String,
    /// The server.
    pub server: String,
    /// The file was changed.
    pub written: bool,
    /// Each type that was tried.
    pub types: Vec<Proof>,
    /// Each type that was not tried, and why.
    pub skipped: Vec<(String, String)>,
    /// The command that takes away what is left; none if nothing is.
    pub next: Option<String>,
}

impl Outcome {
    /// With what to exit.
    pub fn exit(&self) -> u8 {
        match () {
            () if self.types.iter().any(|t| t.stopped) => ExitClass::Interrupted.code(),
            () if self.types.iter().all(|t| t.usable) && self.next.is_none() => 0,
            () => ExitClass::RunIncomplete.code(),
        }
    }
}

/// Tries a binding.
pub async fn prove(app: &App, args: &ProveRequest) -> Result<Outcome, Failure> {
    if app.flags().read_only {
        return Err(flow::read_only());
    }
    let binding = find(app, &args.binding)?;
    let server_name = server_of(app, &binding, args.server.as_deref()).await?;
    let connection = server(app, &server_name)?.connection().clone();
    let offered = tools(&connection).await?;
    if let Some(lacking) = binding.tools.iter().find(|t| !offered.iter().any(|o| o.name.as_str() == **t)) {
        return Err(Failure::from(
            Diagnostic::error("prove::not-fitting", "The binding does not fit the server")
                .fact("binding", binding.name.clone())
                .fact("server", server_name.clone())
                .detail(format!("The server offers no tool `{lacking}`."))
                .state("Nothing was changed."),
        ));
    }
    let record = Record::open(app, &binding.name)?;
    let (on_trial, skipped) = if args.clean { (Vec::new(), Vec::new()) } else { choose(app, &binding, &server_name, args)? };
    let shipped = !Path::new(&binding.file).is_absolute() && binding.file.starts_with("bindings/");
    let alone = shipped || connection.max_calls() == Some(1);
    let at_once = if alone { None } else { at_once(app, &binding, &server_name, &on_trial, args)? };
    let text = shown(&binding, &server_name, &on_trial, at_once.as_ref(), &skipped, &record);
    if on_trial.is_empty() && record.left().is_empty() {
        if args.clean {
            return Ok(outcome(&binding, server_name, false, Vec::new(), skipped, &record));
        }
        return Err(Failure::from(
            Diagnostic::error("prove::nothing", "There is no type to try")
                .fact("binding", binding.name.clone())
                .detail(skipped.iter().map(|(t, why)| format!("{t}: {why}.")).collect::<Vec<_>>().join("\n"))
                .state("Nothing was changed.")
                .next("Name the type that shall be tried nevertheless:", format!("swell bindings prove {} --type TYPE", binding.name)),
        ));
    }
    let more = at_once.as_ref().map_or(0, |(_, all)| all.len());
    let destroys = on_trial.iter().filter(|(kind, _)| deletes(&binding, kind)).count() + more + record.left().len();
    consent(app, &binding, &text, destroys).await?;

    let _running = app.running();
    let bound = BoundServer::new(connection.clone(), binding.clone());
    for one in record.left() {
        if clean_up(&bound, &one, PATIENCE).await.is_ok() {
            crate::mcp::binding::prove::Watch::gone(&record, &one);
        }
    }
    let (mut text, mut types, mut written) = (binding.text.to_string(), Vec::new(), false);
    for (kind, scratch) in &on_trial {
        app.sink().emit(Event::Notice { text: format!("trying {kind} as {} on {server_name}", scratch.name) });
        let trial = Trial::new(&connection, (&binding.name, &binding.file, &text), kind, scratch, &record);
        let trial = trial.map_err(|why| Failure::from(Diagnostic::bug("prove::text", format!("The file cannot be read again: {why}"))))?;
        let mut stop = app.stop();
        let (new, proof) = tokio::select! {
            done = trial.run() => done,
            _ = stop.wait_for(|s| *s > 1) => (text.clone(), interrupted(kind, &record)),
        };
        let (new, proof) = match &at_once {
            Some((first, all)) if first == kind && proof.usable && !proof.stopped => {
                let several = together(&connection, (&binding.name, &binding.file, &new), kind, all, &record, PATIENCE);
                let found = tokio::select! {
                    done = several => done.map_err(|why| Failure::from(Diagnostic::bug("prove::text", format!("The file cannot be read again: {why}"))))?,
                    _ = stop.wait_for(|s| *s > 1) => Together { text: new, finding: in_the_middle(), left: record.left(), stopped: true },
                };
                added(proof, found)
            }
            _ => (new, proof),
        };
        let stopped = proof.stopped;
        types.push(proof);
        if !shipped && new != text {
            save(Path::new(&binding.file), &new)?;
            written = true;
        }
        text = new;
        if stopped {
            break;
        }
    }
    Ok(outcome(&binding, server_name, written, types, skipped, &record))
}

fn outcome(
    binding: &Binding,
    server: String,
    written: bool,
    types: Vec<Proof>,
    skipped: Vec<(String, String)>,
    record: &Record,
) -> Outcome {
    let next = (!record.left().is_empty()).then(|| format!("swell bindings prove {} --server {server} --clean", binding.name));
    Outcome { binding: binding.name.clone(), file: binding.file.clone(), server, written, types, skipped, next }
}

fn interrupted(kind: &ResourceType, record: &Record) -> Proof {
    Proof { kind: kind.clone(), usable: false, findings: vec![in_the_middle()], left: record.left(), stopped: true }
}

fn in_the_middle() -> Finding {
    Finding { level: Level::Fails, text: "it was stopped in the middle of a call".to_owned(), line: 1, at: Vec::new() }
}

/// The file and the proof of a type, with what several at the same time have shown.
fn added(mut proof: Proof, found: Together) -> (String, Proof) {
    for finding in &mut proof.findings {
        let path = ["types", proof.kind.as_str()].into_iter().chain(finding.at.iter().map(String::as_str));
        finding.line = line_of(&found.text, &path.collect::<Vec<_>>());
    }
    proof.findings.push(found.finding);
    proof.left.extend(found.left);
    proof.stopped |= found.stopped;
    proof.usable &= !found.stopped;
    (found.text, proof)
}

fn save(file: &Path, text: &str) -> Result<(), Failure> {
    let failed = |e: std::io::Error| {
        Failure::from(
            Diagnostic::error("prove::unwritable", "What was found out cannot be written")
                .fact("file", file.display().to_string())
                .detail(format!("{e}."))
                .state("The file is as it was."),
        )
    };
    let folder = file.parent().unwrap_or(Path::new("."));
    let mut new = tempfile::NamedTempFile::new_in(folder).map_err(failed)?;
    std::io::Write::write_all(&mut new, text.as_bytes()).map_err(failed)?;
    // A temporary file is for its owner only; a binding may be read by whoever could read it before.
    if let Ok(before) = std::fs::metadata(file) {
        std::fs::set_permissions(new.path(), before.permissions()).map_err(failed)?;
    }
    new.persist(file).map(drop).map_err(|e| failed(e.error))
}

fn find(app: &App, name: &str) -> Result<Arc<Binding>, Failure> {
    if let Some(found) = app.bindings().get(name) {
        return Ok(found.clone());
    }
    let all: Vec<&str> = app.bindings().iter().map(|b| b.name.as_str()).collect();
    let mine: Vec<Diagnostic> = app
        .bindings()
        .problems()
        .iter()
        .filter(|p| p.source.as_ref().is_some_and(|s| s.file.ends_with(&format!("/{name}.yaml"))))
        .cloned()
        .collect();
    if !mine.is_empty() {
        return Err(mine.into());
    }
    let d = Diagnostic::error("binding::unknown", "There is no such binding").detail(format!("There is: {}.", all.join(", ")));
    let d = match nearest(name, all) {
        Some(near) => d.hint(format!("Did you mean `{near}`?")),
        None => d,
    };
    Err(d.next("Draft one:", "swell bindings draft SERVER").into())
}

/// The server on which a binding is tried: the one that is named, or the only one that uses it.
async fn server_of(app: &App, binding: &Binding, named: Option<&str>) -> Result<String, Failure> {
    if let Some(named) = named {
        return Ok(named.to_owned());
    }
    futures::future::join_all(app.connections().iter().map(|s| s.types())).await;
    let using: Vec<String> =
        app.connections().iter().filter(|s| s.binding().as_deref() == Some(&binding.name)).map(|s| s.name().to_string()).collect();
    match using.as_slice() {
        [one] => Ok(one.clone()),
        [] => Err(Failure::from(
            Diagnostic::error("prove::no-server", "No server uses the binding")
                .fact("binding", binding.name.clone())
                .detail("No registered server offers its tools, or another binding describes more of them.")
                .state("Nothing was changed.")
                .next("Say on which one it shall be tried:", format!("swell bindings prove {} --server NAME", binding.name)),
        )),
        several => Err(Failure::from(
            Diagnostic::error("prove::which-server", "Several servers use the binding")
                .fact("binding", binding.name.clone())
                .detail(format!("These do: {}.", several.join(", ")))
                .state("Nothing was changed.")
                .next("Say on which one it shall be tried:", format!("swell bindings prove {} --server {}", binding.name, several[0])),
        )),
    }
}

/// What will be done, whole, for the person.
fn shown(
    binding: &Binding,
    server: &str,
    on_trial: &[OnTrial],
    at_once: Option<&AtOnce>,
    skipped: &[(String, String)],
    record: &Record,
) -> String {
    let mut text = format!("These calls are made on {server}, in this order, through {}:\n", binding.file);
    for one in record.left() {
        text.push_str(&format!("\n{} {}, left by a former trial: it is deleted first\n", one.kind, one.name));
    }
    for (kind, scratch) in on_trial {
        text.push_str(&format!("\n{kind} as {}\n", scratch.name));
        for call in intended(binding, kind, scratch) {
            text.push_str(&format!("  {:<11} {} {}   ({})\n", call.effect, call.tool, call.arguments, call.why));
        }
        if deletes(binding, kind) {
            text.push_str("  If a second one comes of the second create, it is deleted too. If delete fails, it is tried by other keys of the same object.\n");
        } else {
            text.push_str(&format!("  The server cannot delete one: {} STAYS THERE.\n", scratch.name));
        }
        if let Some((_, all)) = at_once.filter(|(of, _)| of == kind) {
            let names: Vec<&str> = all.iter().map(|s| s.name.as_str()).collect();
            text.push_str(&format!("\n{kind} as {}, if the first one is usable; twice\n", names.join(", ")));
            for (wanted, why) in
                [("make it", "all at the same time, to see whether all are there"), ("take it away", "one after the other")]
            {
                for call in all.iter().flat_map(|s| intended(binding, kind, s)).filter(|c| c.why == wanted) {
                    text.push_str(&format!("  {:<11} {} {}   ({why})\n", call.effect, call.tool, call.arguments));
                }
            }
            text.push_str("  If one of them is not there, it is made once more, alone.\n");
        }
    }
    let mut why: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
    skipped.iter().for_each(|(kind, reason)| why.entry(reason).or_default().push(kind));
    for (reason, kinds) in why {
        text.push_str(&format!("\nnot tried: {} ({reason})\n", kinds.join(", ")));
    }
    text
}

/// A yes to exactly these calls: a person's at the terminal, or a bound on the command line.
async fn consent(app: &App, binding: &Binding, text: &str, destroys: usize) -> Result<(), Failure> {
    let again = format!("swell bindings prove {} --yes --max-destroy {destroys}", binding.name);
    if app.flags().yes {
        text.lines().for_each(|line| app.sink().emit(Event::Notice { text: line.to_owned() }));
        return match app.flags().max_destroy {
            None => Err(Failure::from(
                Diagnostic::error("approval::yes-alone", "`--yes` alone approves nothing")
                    .detail("It approves the calls of a trial with a bound on what may be deleted.")
                    .state("Nothing was changed.")
                    .next("Say how much may be deleted:", again)
                    .exit(ExitClass::Usage),
            )),
            Some(most) if destroys > most => Err(Failure::from(
                Diagnostic::error("prove::bound", "More scratch objects would be deleted than is allowed")
                    .detail(format!("{destroys} would be deleted, and `--max-destroy` says {most}."))
                    .state("Nothing was changed.")
                    .next("Allow it:", again),
            )),
            Some(_) => Ok(()),
        };
    }
    if !app.human().present() {
        return Err(Failure::from(
            Diagnostic::error("prove::nobody", "There is nobody to agree to the calls")
                .detail(format!("A proof changes a real system, and there is no terminal to ask on.\n\n{text}"))
                .state("Nothing was changed.")
                .next("If these calls may be made:", again),
        ));
    }
    match app.human().confirm(text, "yes").await {
        true => Ok(()),
        false => Err(Failure::from(
            Diagnostic::error("prove::declined", "The calls were not agreed to").detail("Nothing was sent.").state("Nothing was changed."),
        )),
    }
}
