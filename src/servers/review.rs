//! The review: first how the server would be started, and after a yes to that its tools, which are then pinned.

use sha2::{Digest, Sha256};

use super::pinned_tools;
use crate::{
    answer::servers::{ReviewOutcome, Sheet, ToolSheet},
    app::App,
    config::Registered,
    diagnostic::{Diagnostic, Explain, Failure},
    domain::text::{clean_line, is_hidden, reveal},
    inspect::unlike_its_card,
    mcp::{
        pins::{FieldChange, ToolChange, diff, pin_of},
        tools::{Tool, ToolList},
    },
    registry::{Row, State},
    trust::{Launch, Reviewed, Standing, launch::decides_code, lookalike},
    ui::servers::{sheet_text, tools_text},
};

/// Shows a server to the person, and after a yes starts it and pins its tools. `digest` is a yes that was given beforehand, to exactly
/// what has this digest.
pub async fn review(app: &App, name: &str, digest: Option<&str>) -> Result<ReviewOutcome, Failure> {
    let row = row(app, name)?;
    let entry = &row.entry;
    let trust = app.trust().load()?;
    let then = trust.find(&entry.name, &entry.origin.file).cloned();
    let sheet = sheet(app, entry, then.as_ref());
    let launch = Launch::of(entry);
    let known = then.as_ref().is_some_and(|r| r.launch == launch);
    let mut how = then.as_ref().map(|r| r.how.clone()).unwrap_or_default();
    if !known {
        match consent(app, &sheet_text(&sheet), &sheet.digest, digest).await {
            Some(yes) => how = yes,
            None => return declined(app, entry, ReviewOutcome { sheet, tools: None, outcome: "declined".into() }),
        }
    }
    let old = then.as_ref().and_then(|r| r.tools.clone());
    let reviewed = |tools, suspended, how: &str| Reviewed {
        name: entry.name.clone(),
        source: entry.origin.file.clone(),
        launch: launch.clone(),
        tools,
        suspended,
        at: app.now(),
        by: app.who().to_owned(),
        how: how.to_owned(),
    };
    // The yes to the start is kept before anything is started; until its tools are pinned the server stays quarantined.
    app.trust().update(|t| t.put(reviewed(old.clone(), true, &how)))?;
    let (list, unlike) = listed(app, entry).await?;
    let before = then.as_ref().filter(|r| r.tools.is_some()).map(Reviewed::tool_list);
    let mut seen = tool_sheet(entry, &launch, before.as_deref(), &list, &pinned_tools(&trust));
    seen.warnings.extend(unlike);
    let ask = if before.is_some() { !seen.changes.is_empty() } else { !seen.warnings.is_empty() };
    if ask {
        match consent(app, &tools_text(&seen), &seen.digest, digest).await {
            Some(yes) => how = yes,
            None => return declined(app, entry, ReviewOutcome { sheet, tools: Some(seen), outcome: "declined".into() }),
        }
    }
    let tools = list.tools.iter().map(|t| t.definition.clone()).collect();
    app.trust().update(|t| t.put(reviewed(Some(tools), false, &how)))?;
    let outcome = if known && before.is_some() && !ask { "unchanged" } else { "reviewed" };
    Ok(ReviewOutcome { sheet, tools: Some(seen), outcome: outcome.into() })
}

fn row<'a>(app: &'a App, name: &str) -> Result<&'a Row, Failure> {
    let parsed = name.parse().map_err(|e: crate::domain::NameError| crate::flow::usage(&e.to_string()))?;
    let Some(row) = app.registry().to_review(name) else {
        return app.server(&parsed).map(|_| unreachable!("a server in use is registered"));
    };
    match &row.state {
        State::Quarantined(_) | State::Active(Standing::Operator | Standing::Reviewed(_)) => Ok(row),
        State::Active(_) => Err(Failure::from(
            Diagnostic::error("server::built-in", "A simulated server needs no review")
                .fact("server", name.to_owned())
                .detail("It is part of this program.")
                .state("Nothing was changed."),
        )),
        _ => Err(app.registry().held(&parsed).map_or_else(|| crate::flow::usage("this entry is shadowed by another one"), Failure::from)),
    }
}

/// A yes: the digest that was given beforehand, or the person at the terminal. Says how it was given.
async fn consent(app: &App, text: &str, shown: &str, given: Option<&str>) -> Option<String> {
    match given {
        Some(given) => (given.trim() == shown).then(|| format!("--digest {shown}")),
        None => app.human().confirm(text, "yes").await.then(|| "typed `yes` on a terminal".to_owned()),
    }
}

/// A person's no is an answer; without a person it is said what would be one.
fn declined(app: &App, entry: &Registered, outcome: ReviewOutcome) -> Result<ReviewOutcome, Failure> {
    if app.human().present() {
        return Ok(outcome);
    }
    let (text, digest) = match &outcome.tools {
        Some(tools) => (tools_text(tools), tools.digest.clone()),
        None => (sheet_text(&outcome.sheet), outcome.sheet.digest.clone()),
    };
    Err(Failure::from(
        Diagnostic::error("server::not-reviewed", "A person must look at this server")
            .server(&entry.name)
            .fact("server", entry.name.to_string())
            .fact("from", entry.origin.place())
            .detail(format!("There is no terminal to ask on, or the digest given is not that of what there is:\n\n{text}"))
            .state("It stays quarantined.")
            .next("If that is what you want to trust:", format!("swell servers review {} --digest {digest}", entry.name)),
    ))
}

/// Its tools, and what is not as its card says.
async fn listed(app: &App, entry: &Registered) -> Result<(ToolList, Vec<String>), Failure> {
    let connection = app.connection_for_review(entry)?;
    let list = match connection.connect().await {
        Ok(()) => match connection.tools().await {
            Ok(list) => {
                let unlike = unlike_its_card(&connection, entry, &list.tools).await;
                Ok((list, unlike))
            }
            Err(e) => Err(Failure::from(crate::plan::refresh::unreachable(&entry.name, &e))),
        },
        Err(e) => Err(Failure::from(e.explain())),
    };
    connection.close().await;
    list
}

fn sheet(app: &App, entry: &Registered, then: Option<&Reviewed>) -> Sheet {
    let (setting, launch) = (&entry.setting, Launch::of(entry));
    let mut warnings = Vec::new();
    if entry.called != entry.name.as_str() {
        warnings.push(format!("it is called `{}` where it stands", reveal(&entry.called)));
    }
    for group in app.registry().lookalikes().iter().filter(|g| g.contains(&entry.name.as_str()) || g.contains(&entry.called.as_str())) {
        let names: Vec<String> = group.iter().map(|n| format!("`{}`", reveal(n))).collect();
        warnings.push(format!("these names look alike: {}", names.join(", ")));
    }
    let texts = setting.command.iter().chain(&setting.args).chain(&setting.cwd).chain(&setting.url).chain(setting.env.keys());
    if texts.clone().any(|t| t.chars().any(|c| c.is_control() || is_hidden(c))) {
        warnings.push("it has line breaks or hidden characters; they are written out here".to_owned());
    }
    let code: Vec<&str> = setting.env.keys().map(String::as_str).filter(|n| decides_code(n)).collect();
    if !code.is_empty() {
        warnings.push(format!("it sets {}, which decides what code runs", reveal(&code.join(", "))));
    }
    if entry.origin.layer.is_carried() {
        warnings.push("its file comes with the project: whoever changes the project can change it".to_owned());
    }
    let plain = |url: &String| url.starts_with("http://") && !["127.", "localhost", "[::1]"].iter().any(|h| url[7..].starts_with(h));
    if setting.url.as_ref().is_some_and(plain) {
        warnings.push("its URL is not encrypted".to_owned());
    }
    warnings.extend(entry.notes.iter().map(|n| clean_line(n, 300)));
    let folder = setting.cwd.as_deref().map(reveal).or_else(|| app.config().project.as_ref().map(|p| p.display().to_string()));
    Sheet {
        name: entry.name.to_string(),
        called: reveal(&entry.called),
        from: entry.origin.layer.title().to_owned(),
        place: entry.origin.place(),
        command: setting.command.as_deref().map(reveal),
        args: setting.args.iter().map(|a| reveal(a)).collect(),
        folder: setting.command.is_some().then(|| folder.unwrap_or_else(|| "the one in which Swell is started".to_owned())),
        variables: setting.env.keys().map(|k| reveal(k)).collect(),
        url: launch.url_shown().map(|u| reveal(&u)),
        headers: setting.headers.keys().map(|k| reveal(k)).collect(),
        changes: then.map(|r| r.launch.differences(&launch).into_iter().map(|d| (d.what, d.old, d.new)).collect()).unwrap_or_default(),
        warnings,
        digest: launch.digest(),
    }
}

fn tool_sheet(
    entry: &Registered,
    launch: &Launch,
    before: Option<&[Tool]>,
    now: &ToolList,
    others: &std::collections::BTreeMap<&str, Vec<String>>,
) -> ToolSheet {
    let names: Vec<String> = now.tools.iter().map(|t| t.name.to_string()).collect();
    let mut warnings = Vec::new();
    let all = names.iter().chain(others.values().flatten()).map(String::as_str);
    for group in lookalike::groups(all).iter().filter(|g| g.iter().any(|n| names.iter().any(|mine| mine == n))) {
        let shown: Vec<String> = group
            .iter()
            .map(|n| {
                let of = others.iter().find(|(_, tools)| tools.iter().any(|t| t == n)).map(|(server, _)| format!(" of {server}"));
                format!("`{}`{}", reveal(n), if names.iter().any(|mine| mine == n) { String::new() } else { of.unwrap_or_default() })
            })
            .collect();
        warnings.push(format!("these tools look alike: {}", shown.join(", ")));
    }
    for tool in now.tools.iter().filter(|t| hides(&t.definition)) {
        warnings.push(format!("the definition of `{}` has hidden characters", reveal(tool.name.as_str())));
    }
    warnings.extend(now.malformed.iter().map(|m| format!("`{}` cannot be used: {}", reveal(&m.name), reveal(&m.reason))));
    let changes = before.map(|b| diff(b, &now.tools).iter().flat_map(lines).collect()).unwrap_or_default();
    let bound = Sha256::digest(format!("{} {}", launch.digest(), pin_of(&now.tools)).as_bytes());
    ToolSheet {
        name: entry.name.to_string(),
        tools: names.iter().map(|n| reveal(n)).collect(),
        changes,
        warnings,
        digest: format!("sha256:{}", bound.iter().map(|b| format!("{b:02x}")).collect::<String>()),
    }
}

/// Whether a text anywhere in it has characters that a person would not see. Line breaks and tabs are seen.
fn hides(value: &serde_json::Value) -> bool {
    let hidden = |text: &str| text.chars().any(|c| is_hidden(c) || (c.is_control() && !matches!(c, '\n' | '\r' | '\t')));
    match value {
        serde_json::Value::String(text) => hidden(text),
        serde_json::Value::Array(all) => all.iter().any(hides),
        serde_json::Value::Object(map) => map.iter().any(|(k, v)| hidden(k) || hides(v)),
        _ => false,
    }
}

fn lines(change: &ToolChange) -> Vec<String> {
    let field = |name: &str, f: &FieldChange| {
        let text = |side: &Option<String>| side.as_ref().map_or_else(|| "(nothing)".to_owned(), |t| format!("\"{t}\""));
        vec![format!("~ {name} {}", f.path), format!("    was {}", text(&f.old)), format!("    is  {}", text(&f.new))]
    };
    match change {
        ToolChange::Added { name, definition } => vec![format!("+ {name}"), format!("    is  {definition}")],
        ToolChange::Removed { name } => vec![format!("- {name}")],
        ToolChange::Renamed { from, to } => vec![format!("~ {from} is called {to} now")],
        ToolChange::Changed { name, fields } => fields.iter().flat_map(|f| field(name, f)).collect(),
    }
}
