//! Commands that only look.

use indexmap::IndexMap;
use serde_json::{Value, json};

use super::{CHANGES, DONE, Exit, Out};
use crate::{
    app::App,
    cli::{DriftArgs, GraphArgs, GraphFormat, HistoryArgs, OneDeployment, ShowArgs},
    diagnostic::ExitClass,
    domain::Address,
    flow, inspect,
    review::Level,
    store::Gone,
    ui::{self, graph::Picture},
};

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
            let seen = flow::last_seen(app, &snapshot).await?;
            let mut data = serde_json::to_value(&snapshot).unwrap_or_default();
            if let (Value::Object(fields), false) = (&mut data, seen.is_empty()) {
                fields.insert("last_seen".to_owned(), json!(seen.iter().map(|(s, _)| s).collect::<Vec<_>>()));
            }
            out.data(&data, || {
                let style = out.screen.style();
                ui::show::snapshot(&snapshot, Level::Brief, &style) + &ui::show::last_seen(&snapshot.deployment, &seen, &style)
            });
        }
    }
    Ok(DONE)
}

/// `swell outputs`.
pub async fn outputs(app: &App, out: &Out, args: &OneDeployment) -> Exit {
    let name = flow::which(app, args.deployment.as_deref()).await?;
    let snapshot = app.store().latest(&name).await?;
    let seen = match &snapshot {
        Some(snapshot) => flow::last_seen(app, snapshot).await?,
        None => Vec::new(),
    };
    let outputs = snapshot.map(|s| s.outputs).unwrap_or_default();
    out.data(&outputs, || ui::show::outputs(&outputs, &out.screen.style()) + &ui::show::outputs_seen(&name, &seen, &out.screen.style()));
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
