//! What lists and answers look like: drift, types, patterns, templates, questions, answers, servers.

use indexmap::IndexMap;
use serde_json::Value;

use super::{
    Style,
    lines::{Line, Page, Tone, count, visible},
    table::Table,
    value,
};
use crate::{
    answer::{Answer, ServerReport, Strength},
    domain::{ServerName, TypeDef},
    intent::Question,
    pattern::Description,
    plan::Drift,
    template::Template,
};

/// A whole table from its rows; says so when there is none.
pub fn table(head: &[&str], rows: Vec<Vec<String>>, style: &Style) -> String {
    if rows.is_empty() {
        return "(none)\n".to_owned();
    }
    let mut table = Table::new(head);
    rows.iter().for_each(|r| table.row(r));
    table.render(style)
}

/// Drift of several deployments.
pub fn drift(all: &IndexMap<String, Vec<Drift>>, style: &Style) -> String {
    let mut page = Page::default();
    for (deployment, drifts) in all {
        if drifts.is_empty() {
            page.line(Line::of(Tone::Bold, deployment).add(Tone::Good, " is as recorded"));
            continue;
        }
        page.line(Line::of(Tone::Bold, deployment).add(Tone::Warn, &format!(" drifted: {}", count(drifts.len(), "resource", "resources"))));
        for d in drifts {
            page.lines.extend(one_drift(deployment, d, style).lines);
        }
    }
    if all.is_empty() {
        page.line(Line::of(Tone::Plain, "Nothing is deployed."));
    }
    page.render(style)
}

/// The drift of one resource.
pub fn one_drift(deployment: &str, d: &Drift, style: &Style) -> Page {
    let mut page = Page::default();
    if d.gone {
        page.line(Line::of(Tone::Bad, &format!("  - {} is gone", d.address)));
    }
    for c in &d.changes {
        let text = format!("  ~ {} {}: {} -> {}", d.address, c.path, value::text(&c.before), value::text(&c.after));
        page.flow(Line::of(Tone::Warn, &text), style, 6);
    }
    for o in &d.outputs {
        page.flow(super::watch::output(&d.address, o, Some(deployment)), style, 6);
    }
    if let Some(why) = &d.unhealthy {
        page.flow(Line::of(Tone::Bad, &format!("  ! {} is unhealthy: \"{}\"", d.address, visible(why))), style, 6);
    }
    page
}

/// The properties and outputs of a type.
pub fn schema(server: &ServerName, def: &TypeDef, style: &Style) -> String {
    let mut page = Page::default();
    page.line(Line::of(Tone::Bold, &format!("{server}:{}", def.kind)));
    if !def.description.is_empty() {
        page.flow(Line::of(Tone::Plain, &visible(&def.description)), style, 0);
    }
    let mut text = page.render(style);
    let required: Vec<&str> =
        def.properties.get("required").and_then(Value::as_array).map(|a| a.iter().filter_map(Value::as_str).collect()).unwrap_or_default();
    let rows = |schema: &Value| -> Vec<Vec<String>> {
        let all = schema.get("properties").and_then(Value::as_object);
        all.into_iter()
            .flatten()
            .map(|(name, s)| {
                let mut marks = Vec::new();
                if required.contains(&name.as_str()) {
                    marks.push("required".to_owned());
                }
                if def.force_replace.contains(name) {
                    marks.push("forces replace".to_owned());
                }
                if def.is_sensitive(name) {
                    marks.push("secret".to_owned());
                }
                if let Some(d) = s.get("default") {
                    marks.push(format!("default {}", value::inline(d)));
                }
                let kind = s.get("enum").map_or_else(|| s.get("type").map(value::inline).unwrap_or_default(), value::inline);
                vec![name.clone(), kind, marks.join(", "), s.get("description").and_then(Value::as_str).unwrap_or_default().to_owned()]
            })
            .collect()
    };
    for (head, schema) in [("property", &def.properties), ("output", &def.outputs)] {
        let rows = rows(schema);
        if !rows.is_empty() {
            text.push_str(&table(&[head, "type", "", "description"], rows, style));
            text.push('\n');
        }
    }
    text.push_str(&limits(def, style));
    text.truncate(text.trim_end().len());
    text.push('\n');
    text
}

/// What the server cannot do with a type, with the reasons.
fn limits(def: &TypeDef, style: &Style) -> String {
    let l = &def.limits;
    let all = [("cannot be set", &l.refused), ("is left out", &l.without), ("may not arrive", &l.doubtful)];
    let mut page = Page::default();
    for (what, reasons) in all {
        for (name, reason) in reasons {
            page.flow(Line::of(Tone::Warn, &format!("{name} {what}: {}", visible(reason))), style, 2);
        }
    }
    for (verb, reason) in l.missing.iter().filter(|(verb, _)| *verb == "create" || l.missing.get("create") != l.missing.get(*verb)) {
        page.flow(Line::of(Tone::Warn, &format!("cannot {verb}: {}", visible(reason))), style, 2);
    }
    page.render(style)
}

/// A pattern with its parameters.
pub fn pattern(d: &Description, style: &Style) -> String {
    let mut page = Page::default();
    page.line(Line::of(Tone::Bold, &d.name).add(Tone::Dim, &format!(" · version {} · {}", d.version, visible(&d.file))));
    page.flow(Line::of(Tone::Plain, &visible(&d.title)), style, 0);
    page.line(Line::new());
    for paragraph in d.description.split("\n\n") {
        page.flow(Line::of(Tone::Plain, &visible(&paragraph.split_whitespace().collect::<Vec<_>>().join(" "))), style, 0);
    }
    page.line(Line::new());
    let mut text = page.render(style);
    let cells = d
        .parameters
        .iter()
        .map(|p| {
            let default = match (&p.default, p.required, p.generate.is_some()) {
                (_, true, _) => "(required)".to_owned(),
                (_, _, true) => "(generated)".to_owned(),
                (Some(v), ..) => value::inline(v),
                (None, ..) => String::new(),
            };
            vec![p.name.clone(), p.takes.clone(), default, p.because.clone()]
        })
        .collect();
    text.push_str(&table(&["parameter", "takes", "default", "because"], cells, style));
    if !d.examples.is_empty() {
        text.push_str("\nSay, for example:\n");
        d.examples.iter().take(3).for_each(|e| text.push_str(&format!("  {}\n", visible(e))));
    }
    text
}

/// A template as JSON, which is also a template file.
pub fn template(t: &Template) -> String {
    let resources: Vec<Value> = t
        .resources
        .iter()
        .map(|r| {
            let mut out = serde_json::json!({
                "server": r.address.server, "type": r.address.kind, "name": r.address.name, "properties": r.properties,
            });
            if !r.depends_on.is_empty() {
                out["depends_on"] = serde_json::json!(r.depends_on);
            }
            out
        })
        .collect();
    let all = serde_json::json!({"name": t.name, "resources": resources, "outputs": t.outputs});
    serde_json::to_string_pretty(&all).unwrap_or_default() + "\n"
}

/// A question with its choices.
pub fn question(q: &Question, style: &Style) -> String {
    let mut page = Page::default();
    page.flow(Line::of(Tone::Bold, &visible(&q.text)), style, 0);
    for (n, choice) in q.choices.iter().enumerate() {
        page.line(Line::of(Tone::Info, &format!("  {} {}", n + 1, visible(choice))));
    }
    page.render(style)
}

/// Words of Swell's own, line by line, broken at spaces where a line is longer than the screen.
pub fn words(text: &str, style: &Style) -> String {
    let mut page = Page::default();
    for line in text.lines() {
        let indent = line.len() - line.trim_start().len();
        page.flow(Line::of(Tone::Plain, line), style, indent);
    }
    page.render(style)
}

/// An answer: headline, lines, causes with their evidence, and what would put it right.
pub fn answer(a: &Answer, style: &Style) -> String {
    let mut page = Page::default();
    page.flow(Line::of(Tone::Bold, &visible(&a.headline)), style, 0);
    for line in &a.lines {
        // Rows begin with spaces; what does not fit goes on below its first column.
        let row = line.starts_with("  ");
        page.flow(Line::of(Tone::Plain, &visible(line)), style, if row { 6 } else { 0 });
    }
    if !a.findings.is_empty() {
        page.line(Line::new());
    }
    for f in &a.findings {
        let (word, tone) = match f.strength {
            Strength::Certain => ("certain ", Tone::Bad),
            Strength::Likely => ("likely  ", Tone::Warn),
            Strength::Possible => ("possible", Tone::Dim),
        };
        let line = Line::of(tone, word)
            .add(Tone::Plain, &format!("  {}", visible(&f.text)))
            .add(Tone::Dim, &format!("  [{}]", f.evidence.join(" ")));
        page.flow(line, style, 10);
    }
    if !a.evidence.is_empty() {
        page.line(Line::new());
    }
    for e in &a.evidence {
        page.flow(
            Line::of(Tone::Info, &e.id).pad(5).add(Tone::Dim, &format!("{}: ", visible(&e.source))).add(Tone::Plain, &visible(&e.text)),
            style,
            5,
        );
    }
    if let Some(p) = &a.proposal {
        page.line(Line::new());
        page.flow(Line::of(Tone::Good, &visible(&p.text)), style, 0);
        page.line(Line::of(Tone::Plain, &format!("    {}", visible(&p.command))));
    }
    page.render(style)
}

/// What was checked on one server.
pub fn server_report(r: &ServerReport, style: &Style) -> String {
    let mut page = Page::default();
    let (tone, word) = if r.sound { (Tone::Good, "is well") } else { (Tone::Bad, "is not well") };
    page.line(
        Line::of(Tone::Bold, &r.server.name)
            .add(tone, &format!(" {word}"))
            .add(Tone::Dim, &format!(" · {}", visible(&r.server.reached_by))),
    );
    for (what, came) in &r.checks {
        page.flow(Line::of(Tone::Plain, &format!("  {what}")).pad(22).add(Tone::Plain, &visible(came)), style, 22);
    }
    for line in &r.stderr {
        page.flow(Line::of(Tone::Dim, &format!("  stderr: {}", visible(line))), style, 10);
    }
    page.render(style)
}
