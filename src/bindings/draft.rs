//! `swell bindings draft`: from a server's tools to a file that a person reads and `prove` tries.

use std::path::{Path, PathBuf};

use serde::Serialize;

use super::{refine, server, tools};
use crate::{
    app::{App, LiveModel, ParserKind},
    diagnostic::{Diagnostic, Failure},
    domain::text::clean_line,
    event::Event,
    mcp::{
        binding::draft::{self, Draft, Drafting, Language, NoDraft, Refinement, Subject},
        tools::speaks_protocol,
    },
};

/// What to draft.
#[derive(Debug, Clone)]
pub struct DraftRequest {
    /// The server.
    pub server: String,
    /// Another file than the project's own for this server.
    pub out: Option<PathBuf>,
    /// A file that is there may be written over.
    pub overwrite: bool,
    /// Though a binding fits the server already.
    pub even_if_bound: bool,
}

/// A draft that was written.
#[derive(Debug, Serialize)]
pub struct Drafted {
    /// The binding's name.
    pub binding: String,
    /// The file.
    pub file: String,
    /// Who drafted it: `rules`, or `rules and the model …`.
    pub by: String,
    /// Why a model that is configured had no part in it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub without_model: Option<String>,
    /// Its types, and what is not sure about each.
    pub types: Vec<DraftedType>,
    /// What became no type, and why.
    pub left_out: Vec<(String, String)>,
    /// The command that tries it; none if the file is not where bindings are read from.
    pub next: Option<String>,
}

/// One type of a draft.
#[derive(Debug, Serialize)]
pub struct DraftedType {
    /// Its name.
    #[serde(rename = "type")]
    pub kind: String,
    /// What is not sure.
    pub doubts: Vec<String>,
}

/// Drafts a binding and writes it.
pub async fn draft(app: &App, args: &DraftRequest) -> Result<Drafted, Failure> {
    let connection = server(app, &args.server)?.connection();
    let tools = tools(connection).await?;
    let about = |d: Diagnostic| d.server(connection.name()).fact("server", connection.name().to_string());
    if speaks_protocol(&tools) {
        return Err(Failure::from(about(
            Diagnostic::error("draft::native", "The server needs no binding")
                .detail("It speaks the cross-MCP protocol: its types are its own.")
                .state("Nothing was written.")
                .next("See its types:", format!("swell types {}", args.server)),
        )));
    }
    let fitting = app.bindings().fitting(&tools);
    if let (Some(found), false) = (fitting, args.even_if_bound) {
        return Err(Failure::from(about(
            Diagnostic::error("draft::bound", "A binding fits the server already")
                .detail(format!("`{}` ({}) describes its tools.", found.name, found.file))
                .state("Nothing was written.")
                .next("See what it can do:", format!("swell bindings show {}", found.name))
                .hint("`--even-if-bound` drafts one nevertheless."),
        )));
    }
    // A file of the same name would take the place of the shipped binding.
    let name = match app.bindings().get(&args.server) {
        Some(other) if args.out.is_none() && other.file.starts_with("bindings/") => format!("{}-draft", args.server),
        _ => match args.out.as_deref().and_then(Path::file_stem) {
            Some(stem) => stem.to_string_lossy().into_owned(),
            None => args.server.clone(),
        },
    };
    let known = connection.info().await.map(|i| clean_line(&format!("{} {}", i.title, i.version), 80)).unwrap_or_default();
    let known = if known.trim().is_empty() { args.server.clone() } else { known.trim().to_owned() };
    let subject = Subject { name: &name, server: &known, tools: &tools };
    let drafting = Drafting::new(&subject);
    let (refinement, without_model) = refined(app, &drafting).await?;
    let by = refinement.as_ref().map_or_else(|| "rules".to_owned(), |r| format!("rules and the model {}", clean_line(&r.by, 80)));
    let asked = match (&refinement, &without_model) {
        (Some(r), _) => Some(format!("The model `{}` found none either.", clean_line(&r.by, 80))),
        (None, why) => why.as_ref().map(|why| format!("Rules alone were asked: {why}.")),
    };
    let none = |none| Failure::from(about(nothing(&args.server, &none, asked.as_deref())));
    let drafted = drafting.finish(refinement).map_err(none)?;
    let file = match &args.out {
        Some(file) => file.clone(),
        None => folder(app).join(format!("{name}.yaml")),
    };
    if let Err(problems) = draft::checked(&name, &file.display().to_string(), &drafted) {
        let first = problems.first().map(|p| p.detail.clone()).unwrap_or_default();
        return Err(Failure::from(about(Diagnostic::bug("draft::bad", format!("The draft is no good binding: {first}")))));
    }
    write(&file, &drafted, args)?;
    let Draft { types, left_out, .. } = drafted;
    Ok(Drafted {
        file: file.display().to_string(),
        types: types.into_iter().map(|(kind, doubts)| DraftedType { kind, doubts }).collect(),
        by,
        without_model,
        left_out: left_out.into_iter().map(|l| (l.tool, l.reason)).collect(),
        next: args.out.is_none().then(|| format!("swell bindings prove {name}")),
        binding: name,
    })
}

/// What the model says to a draft, if one is configured and wanted; else, if there is one, why it says nothing.
async fn refined(app: &App, drafting: &Drafting<'_>) -> Result<(Option<Refinement>, Option<String>), Failure> {
    let model: LiveModel = match (app.chosen(), &app.config().model) {
        (Some(ParserKind::Offline), _) | (None, None) => return Ok((None, None)),
        _ => app.live_model()?,
    };
    app.sink().emit(Event::Notice { text: format!("asking the model {} about the tools", clean_line(&model.name, 80)) });
    Ok(match refine::ask(&model, drafting).await {
        Ok(refinement) => (Some(refinement), None),
        Err(why) => (None, Some(why)),
    })
}

/// The project's bindings, or the user's where there is no project.
fn folder(app: &App) -> PathBuf {
    match &app.config().project {
        Some(project) => project.join(".swell").join("bindings"),
        None => app.config().user.join("bindings"),
    }
}

fn write(file: &Path, drafted: &Draft, args: &DraftRequest) -> Result<(), Failure> {
    let shown = file.display().to_string();
    let failed = |e: std::io::Error| {
        Failure::from(
            Diagnostic::error("draft::unwritable", "The draft cannot be written")
                .fact("file", shown.clone())
                .detail(format!("{e}."))
                .state("Nothing was written."),
        )
    };
    if let Some(parent) = file.parent() {
        std::fs::create_dir_all(parent).map_err(failed)?;
    }
    let mut open = std::fs::OpenOptions::new();
    open.write(true);
    if args.overwrite {
        open.create(true).truncate(true)
    } else {
        open.create_new(true)
    };
    let mut out = match open.open(file) {
        Err(e) if e.kind() == std::io::ErrorKind::AlreadyExists => {
            return Err(Failure::from(
                Diagnostic::error("draft::exists", "The file is there already")
                    .fact("file", shown)
                    .detail("What a person (or a proof) wrote into it would be lost.")
                    .state("Nothing was written.")
                    .next("Write it elsewhere, and compare:", format!("swell bindings draft {} -o new.yaml", args.server))
                    .hint("`--overwrite` writes over it."),
            ));
        }
        other => other.map_err(failed)?,
    };
    std::io::Write::write_all(&mut out, drafted.text.as_bytes()).map_err(failed)
}

/// Why there is no draft, and what to do instead.
fn nothing(server: &str, none: &NoDraft, asked: Option<&str>) -> Diagnostic {
    let mut detail = format!("Of its {} tools none makes a thing that another one reads back.", none.tools);
    detail.push_str(&asked.map_or_else(String::new, |asked| format!("\n{asked}")));
    for (tool, language) in &none.languages {
        detail.push_str(&format!("\n`{}` takes {}: what it can make is in no schema.", clean_line(tool, 80), language.words()));
    }
    for left in none.left_out.iter().filter(|l| !none.languages.iter().any(|(t, _)| *t == l.tool)) {
        detail.push_str(&format!("\n`{}`: {}.", clean_line(&left.tool, 80), clean_line(&left.reason, 200)));
    }
    let problem = Diagnostic::error("draft::nothing", "No type can be drafted").detail(detail).state("Nothing was written.");
    let example = match none.languages.first() {
        Some((_, Language::Sql)) => {
            "a table is `create: {tool: …, arguments: {sql: \"create table {{ name }} (…)\"}}`, read from the catalogue, dropped by a statement"
        }
        Some((_, Language::Commands)) => "each verb is one command line, quoted by `$command: [word, \"{{ name }}\"]`",
        Some((_, Language::Http)) => "each verb is one request, with its path and body as arguments",
        Some((_, Language::Manifest)) => "the manifest is written by `$yaml: {…}`, and read back as YAML",
        None => return problem.next("See what it can do:", format!("swell servers tools {server}")),
    };
    problem
        .hint(format!("A person has to say which types there are: {example}. docs/bindings.md tells how."))
        .next("Look at one that does it, and write one like it:", "swell bindings list")
}
