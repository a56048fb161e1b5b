//! `swell bindings list|show|lint`: which bindings there are, what a server cannot do through one, and what is wrong with a file.

use serde::Serialize;
use serde_json::json;

use super::{DONE, Exit, Out};
use crate::{
    app::App,
    bindings::{self, DraftRequest, ProveRequest},
    cli::BindingsCommand,
    diagnostic::{Diagnostic, Failure},
    domain::name::nearest,
    event::Event,
    mcp::{
        Library, ResourceServer,
        binding::{Binding, Verb, library, parse::parse, prove::Level},
    },
    ui::lines::count,
};

/// One binding in a list.
#[derive(Debug, Serialize)]
struct Row {
    name: String,
    title: String,
    types: Vec<String>,
    servers: Vec<String>,
    file: String,
}

/// One type of a binding.
#[derive(Debug, Serialize)]
struct TypeRow {
    #[serde(rename = "type")]
    kind: String,
    create: String,
    read: String,
    update: String,
    delete: String,
    cannot: Vec<String>,
}

/// `swell bindings …`.
pub async fn bindings(app: &App, out: &Out, command: &BindingsCommand) -> Exit {
    match command {
        BindingsCommand::List => {
            app.bindings().problems().iter().for_each(|d| app.sink().emit(Event::Warning { diagnostic: Box::new(d.clone()) }));
            let rows = rows(app).await;
            out.data(&rows, || {
                let cells = rows.iter().map(|r| vec![r.name.clone(), r.title.clone(), r.types.len().to_string(), r.servers.join(", ")]);
                out.table(&["name", "title", "types", "used for"], cells.collect())
            });
            Ok(DONE)
        }
        BindingsCommand::Show { binding } => {
            let types = types(find(app.bindings(), binding)?);
            out.data(&types, || {
                let row = |t: &TypeRow| vec![t.kind.clone(), t.create.clone(), t.read.clone(), t.update.clone(), t.delete.clone()];
                let mut text = out.table(&["type", "create", "read", "update", "delete"], types.iter().map(row).collect());
                for cannot in types.iter().flat_map(|t| t.cannot.iter().map(move |c| format!("{}: {c}", t.kind))) {
                    text.push_str(&format!("\n{cannot}"));
                }
                text.push('\n');
                text
            });
            Ok(DONE)
        }
        BindingsCommand::Draft(args) => {
            let request = DraftRequest {
                server: args.server.clone(),
                out: args.out.clone(),
                overwrite: args.overwrite,
                even_if_bound: args.even_if_bound,
            };
            let drafted = bindings::draft(app, &request).await?;
            out.data(&drafted, || drafted_text(&drafted));
            Ok(DONE)
        }
        BindingsCommand::Prove(args) => {
            let request = ProveRequest {
                binding: args.binding.clone(),
                server: args.server.clone(),
                types: args.types.clone(),
                params: args.params.clone(),
                clean: args.clean,
            };
            let outcome = bindings::prove(app, &request).await?;
            out.data(&outcome, || outcome_text(&outcome));
            Ok(outcome.exit())
        }
        BindingsCommand::Lint { files } => {
            let checked = lint(app, files)?;
            out.data(&json!({ "checked": checked }), || format!("{}, nothing wrong\n", count(checked, "binding", "bindings")));
            Ok(DONE)
        }
    }
}

fn drafted_text(drafted: &bindings::Drafted) -> String {
    let mut text =
        format!("drafted {}{}\n", drafted.file, if drafted.by == "rules" { String::new() } else { format!("  by {}", drafted.by) });
    if let Some(why) = &drafted.without_model {
        text.push_str(&format!("  by rules alone: {why}\n"));
    }
    for kind in &drafted.types {
        text.push_str(&format!("  {}{}\n", kind.kind, if kind.doubts.is_empty() { "" } else { "   not sure:" }));
        kind.doubts.iter().for_each(|d| text.push_str(&format!("      {d}\n")));
    }
    for (tool, reason) in &drafted.left_out {
        text.push_str(&format!("  no type from {tool}: {reason}\n"));
    }
    text.push_str("Nothing was called. Read the file");
    match &drafted.next {
        Some(next) => text.push_str(&format!(", then try it on a scratch object:\n\n    {next}\n")),
        None => text.push_str(".\n"),
    }
    text
}

fn outcome_text(outcome: &bindings::Outcome) -> String {
    let mut text = format!("{}\n", outcome.file);
    for proof in &outcome.types {
        text.push_str(&format!("{}: {}\n", proof.kind, if proof.usable { "usable" } else { "not usable" }));
        for finding in &proof.findings {
            let word = match finding.level {
                Level::Holds => "holds  ",
                Level::Written => "written",
                Level::Fails => "FAILS  ",
            };
            text.push_str(&format!("  {word} line {:<4} {}\n", finding.line, finding.text));
        }
        for left in &proof.left {
            let id = left.id.as_ref().map_or_else(String::new, |i| format!(" (id {i})"));
            text.push_str(&format!("  LEFT    {} {}{id} stays on {}\n", left.kind, left.name, left.server));
        }
    }
    outcome.skipped.iter().for_each(|(kind, why)| text.push_str(&format!("{kind}: not tried: {why}\n")));
    text.push_str(if outcome.written { "The file was changed; what it says now holds.\n" } else { "The file is as it was.\n" });
    if let Some(next) = &outcome.next {
        text.push_str(&format!("Take away what is left:\n\n    {next}\n"));
    }
    text
}

/// All bindings, with the registered servers that they fit.
async fn rows(app: &App) -> Vec<Row> {
    // A binding is chosen when a server is first asked.
    futures::future::join_all(app.connections().iter().map(|s| s.types())).await;
    let used =
        |name: &str| app.connections().iter().filter(|s| s.binding().as_deref() == Some(name)).map(|s| s.name().to_string()).collect();
    let row = |b: &Binding| Row {
        name: b.name.clone(),
        title: b.title.clone(),
        types: b.types.keys().map(ToString::to_string).collect(),
        servers: used(&b.name),
        file: b.file.clone(),
    };
    app.bindings().iter().map(|b| row(b)).collect()
}

fn find<'l>(library: &'l Library, name: &str) -> Result<&'l Binding, Failure> {
    library.get(name).map(AsRef::as_ref).ok_or_else(|| {
        let all: Vec<&str> = library.iter().map(|b| b.name.as_str()).collect();
        let d = Diagnostic::error("binding::unknown", "There is no such binding").detail(format!("There is: {}.", all.join(", ")));
        let d = match nearest(name, all) {
            Some(near) => d.hint(format!("Did you mean `{near}`?")),
            None => d,
        };
        d.next("See all bindings:", "swell bindings list").into()
    })
}

fn types(binding: &Binding) -> Vec<TypeRow> {
    let tools = |verb: &Verb, missing: &str| match verb {
        Verb::Calls { calls, .. } => calls.iter().map(|c| c.tool.as_str()).collect::<Vec<_>>().join(", "),
        Verb::Missing(_) => missing.to_owned(),
    };
    let row = |kind: &crate::domain::ResourceType, bound: &crate::mcp::binding::TypeBinding| {
        let limits = &bound.def.limits;
        let reasons = |what: &str, all: &std::collections::BTreeMap<String, String>| -> Vec<String> {
            all.iter().map(|(name, reason)| format!("{what} `{name}`: {reason}")).collect()
        };
        let mut cannot = reasons("refuses", &limits.refused);
        cannot.extend(reasons("leaves out", &limits.without));
        cannot.extend(reasons("may not bring", &limits.doubtful));
        cannot.extend(reasons("cannot", &limits.missing));
        let replaces = !limits.missing.contains_key("update");
        TypeRow {
            kind: kind.to_string(),
            create: tools(&bound.create, "-"),
            read: bound.read.call.tool.to_string(),
            update: tools(&bound.update, if replaces { "(replace)" } else { "-" }),
            delete: tools(&bound.delete, "-"),
            cannot,
        }
    };
    let absent = binding.absent.values().map(|def| TypeRow {
        kind: def.kind.to_string(),
        create: "-".to_owned(),
        read: "-".to_owned(),
        update: "-".to_owned(),
        delete: "-".to_owned(),
        cannot: def.limits.missing.values().take(1).map(|reason| format!("is not to be had: {reason}")).collect(),
    });
    binding.types.iter().map(|(kind, bound)| row(kind, bound)).chain(absent).collect()
}

/// How many bindings were found good, or everything that is wrong.
fn lint(app: &App, files: &[std::path::PathBuf]) -> Result<usize, Failure> {
    let mut problems = Vec::new();
    if files.is_empty() {
        problems.extend(app.bindings().problems().iter().cloned());
    }
    for path in files {
        let shown = path.display().to_string();
        match library::read(path) {
            Err(why) => problems
                .push(Diagnostic::error("binding::unreadable", "A binding cannot be read").fact("file", shown).detail(format!("{why}."))),
            Ok(text) => {
                let name = path.file_stem().map(|s| s.to_string_lossy().into_owned()).unwrap_or_default();
                problems.extend(parse(&name, &shown, &text).err().unwrap_or_default());
            }
        }
    }
    if problems.is_empty() { Ok(if files.is_empty() { app.bindings().iter().count() } else { files.len() }) } else { Err(problems.into()) }
}
