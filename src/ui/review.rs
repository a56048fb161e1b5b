//! A review as a person reads it: who asked for what, what happens in which wave, what is risky, what can be undone.
//!
//! It decides nothing: what it shows is in the [`Review`], and every text goes through [`Line::add`], so nothing from outside is
//! shown as anything but text.

use super::{
    Style, details, graph,
    lines::{Line, Page, Tone, count},
    rows::{Row, Rows},
    telling, value,
};
use crate::{
    domain::Action,
    plan::{Counts, ParameterNote, Plan, Verdict},
    review::{Level, Review},
    store::RunKind,
};

/// Columns of the label on the left.
pub(super) const LABEL: usize = 9;
/// Columns of the sign and the space behind it.
pub(super) const SIGN: usize = 4;

/// Renders a review.
pub fn render(review: &Review, level: Level, style: &Style) -> String {
    let rows = Rows::new(&review.plan);
    let mut page = Page::default();
    header(review, style, &mut page);
    if level == Level::Graph {
        page.lines.extend(graph::tree(&graph::Picture::of_plan(&review.plan), style).lines);
        page.flow(Line::of(Tone::Bold, &last_line(review)), style, 2);
        return page.render(style);
    }
    if level == Level::Details {
        page.items(label("digest"), vec![Line::of(Tone::Dim, &review.digest)], style, LABEL);
        page.items(label("request"), vec![Line::of(Tone::Plain, &review.plan.request)], style, LABEL);
    }
    parameters(&review.plan, level, style, &mut page);
    findings(&review.plan, &rows, style, &mut page);
    let longest = rows.rows.iter().map(|r| r.address().to_string().len()).max().unwrap_or(0);
    let table = Table { rows: &rows, level, style, column: longest.min((style.width * 45 / 100).max(20)) };
    let mut wave = 0;
    for row in &rows.rows {
        let name = if std::mem::replace(&mut wave, row.wave) == row.wave { String::new() } else { format!("wave {}", row.wave) };
        table.row(row, &name, &mut page);
    }
    remarks(review, &rows, level, style, &mut page);
    page.flow(Line::of(Tone::Bold, &last_line(review)), style, 2);
    page.render(style)
}

/// A label, dimmed, ready to be padded.
pub(super) fn label(text: &str) -> Line {
    Line::of(Tone::Dim, text)
}

fn header(review: &Review, style: &Style, page: &mut Page) {
    let plan = &review.plan;
    let mut parts = vec![Line::of(Tone::Bold, &format!("plan {}", plan.short())), Line::of(Tone::Bold, &what_for(plan))];
    if !plan.targets.is_empty() {
        let all = plan.targets.iter().all(|t| t.simulated);
        let mut line = Line::of(Tone::Plain, "targets");
        for target in &plan.targets {
            let identity = target.identity.strip_prefix("sandbox:").unwrap_or(&target.identity);
            let own = identity.split([':', '/']).next() == Some(target.server.as_str());
            let name = if own || identity.is_empty() { identity.to_owned() } else { format!("{}:{identity}", target.server) };
            line.push(Tone::Plain, &format!(" {}", if name.is_empty() { target.server.as_str() } else { &name }));
            if target.simulated && !all {
                line.push(Tone::Warn, " (simulated)");
            }
        }
        if all {
            line.push(Tone::Warn, " (simulated)");
        }
        parts.push(line);
    }
    parts.push(Line::of(Tone::Plain, &format!("valid {} min", review.valid_minutes)));
    if let Some(parser) = &review.parser {
        parts.push(Line::of(Tone::Dim, &format!("parser {parser}")));
    }
    page.items(Line::new(), parts, style, 0);
}

fn what_for(plan: &Plan) -> String {
    let name = &plan.deployment;
    let pattern = plan.recipe.pattern.as_deref();
    match (plan.kind, pattern) {
        (RunKind::Apply, Some(pattern)) if plan.base == 0 => format!("deploy {pattern} as {name}"),
        (RunKind::Apply, None) if plan.base == 0 => format!("deploy {name}"),
        (RunKind::Apply, Some(pattern)) => format!("change {name} ({pattern})"),
        (RunKind::Apply, None) => format!("change {name}"),
        (RunKind::Destroy, _) => format!("destroy {name}"),
        (RunKind::Rollback, _) => format!("roll back {name}"),
        (RunKind::Undo, _) => format!("undo the last run of {name}"),
        (RunKind::Resume, _) => format!("resume {name}"),
        (RunKind::Runbook, Some(pattern)) => format!("run {pattern} for {name}"),
        (RunKind::Runbook, None) => format!("run a runbook for {name}"),
        (RunKind::Import, _) => format!("import into {name}"),
        (RunKind::Refresh, _) => format!("refresh {name}"),
    }
}

/// The groups in which parameters are shown: what `from` says, the label, the tone of the label.
const GROUPS: [(&str, &str, Tone); 6] = [
    ("said", "you said", Tone::Dim),
    ("given", "given", Tone::Dim),
    ("context", "context", Tone::Dim),
    ("default", "default", Tone::Dim),
    ("generated", "generated", Tone::Dim),
    ("assumed", "assumed", Tone::Warn),
];

fn parameters(plan: &Plan, level: Level, style: &Style, page: &mut Page) {
    for (from, name, tone) in GROUPS {
        // What nobody said and nothing takes is no news.
        let silent =
            |p: &ParameterNote| level == Level::Brief && from == "default" && p.value == crate::plan::Shown::Value(serde_json::Value::Null);
        let mine: Vec<&ParameterNote> = plan.parameters.iter().filter(|p| p.from == from && !silent(p)).collect();
        group(Line::of(tone, name), from, &mine, (level, plan.base == 0), style, page);
    }
    let other: Vec<&ParameterNote> = plan.parameters.iter().filter(|p| GROUPS.iter().all(|(from, _, _)| p.from != *from)).collect();
    group(label("others"), "", &other, (level, plan.base == 0), style, page);
}

/// One group; of a deployment that is not new, a brief review leaves out what was said when it was made.
fn group(name: Line, from: &str, notes: &[&ParameterNote], (level, new): (Level, bool), style: &Style, page: &mut Page) {
    if notes.is_empty() {
        return;
    }
    let mut items: Vec<Line> = Vec::new();
    for note in notes {
        let value = value::text(&note.value);
        let mut line = Line::of(Tone::Plain, &note.name).add(Tone::Dim, "=").add(value::tone(&note.value), &value);
        let why = note.why.trim();
        // The words say nothing new when the value stands in them.
        let plain = level == Level::Brief && !value.is_empty() && why.to_lowercase().contains(&value.to_lowercase());
        match from {
            _ if why.is_empty() => {}
            "said" if plain => {}
            "said" => line.push(Tone::Dim, &format!(" (\"{why}\")")),
            "assumed" => line.push(Tone::Warn, &format!(" (by {why})")),
            "generated" | "given" if level == Level::Brief => {}
            // Why a default is what it is was read when the deployment was made.
            "default" if level == Level::Brief && !new => {}
            _ => line.push(Tone::Dim, &format!(" ({why})")),
        }
        items.push(line);
    }
    page.items(name.pad(LABEL + 1), items, style, LABEL + 1);
}

/// What a refresh found before the plan was made: reads, settled calls, drift.
fn findings(plan: &Plan, rows: &Rows, style: &Style, page: &mut Page) {
    let mut first = true;
    for read in &plan.reads {
        let found = match &read.found_in {
            Some(deployment) => format!("recorded in {deployment}"),
            None => "looked up live".into(),
        };
        let mut rest = Line::new();
        for (path, value) in &read.used {
            rest.push(Tone::Plain, &format!("{path} {} · ", value::inline(value)));
        }
        if read.used.is_empty() {
            rest.push(Tone::Plain, &format!("id {} · ", read.id));
        }
        entry(once(&mut first, "reads"), Action::Read, &read.address.to_string(), rest.add(Tone::Dim, &found), style, page);
    }
    first = true;
    for settled in &plan.settled {
        let is = if settled.resource.is_some() { "it is there" } else { "it is not there" };
        let rest = Line::of(Tone::Plain, &format!("{} of an earlier run was unknown: {is} ({})", settled.action, settled.how));
        entry(once(&mut first, "settled"), Action::Read, &settled.address.to_string(), rest, style, page);
    }
    first = true;
    for drift in &plan.drift {
        let name = drift.address.to_string();
        if drift.gone {
            entry(once(&mut first, "drift"), Action::Delete, &name, Line::of(Tone::Bad, "gone from the server"), style, page);
        }
        for change in &drift.changes {
            for (path, text) in telling::apart(change, rows) {
                let rest = Line::of(Tone::Plain, &format!("{path} ")).join(text).add(Tone::Dim, " (changed on the server)");
                entry(once(&mut first, "drift"), Action::Update, &name, rest, style, page);
            }
        }
        for change in &drift.outputs {
            let rest = Line::of(Tone::Plain, &format!("{} ", change.path)).join(telling::arrow(&change.before, &change.after, rows));
            let rest = rest.add(Tone::Dim, " (its server says so now)").join(super::watch::users(change, Some(plan.deployment.as_str())));
            entry(once(&mut first, "drift"), Action::Read, &name, rest, style, page);
        }
        if let Some(words) = &drift.unhealthy {
            let rest = Line::of(Tone::Bad, "does not work: ").add(Tone::Plain, &format!("\"{words}\""));
            entry(once(&mut first, "drift"), Action::Read, &name, rest, style, page);
        }
    }
}

fn once(first: &mut bool, text: &'static str) -> &'static str {
    if std::mem::take(first) { text } else { "" }
}

/// One entry: label, sign, name, and the rest beside it or, if that would not fit, below it.
fn entry(name: &str, action: Action, address: &str, rest: Line, style: &Style, page: &mut Page) {
    let left = label(name).pad(LABEL).add(tone(action), action.sign()).pad(LABEL + SIGN).add(Tone::Plain, address);
    let indent = LABEL + SIGN;
    if left.width() + 2 + rest.width() <= style.width || left.width() + 30 <= style.width {
        page.flow(left.add(Tone::Plain, "  ").join(rest), style, indent + 2);
    } else {
        page.flow(left, style, indent);
        page.flow(Line::of(Tone::Plain, &" ".repeat(indent + 2)).join(rest), style, indent + 2);
    }
}

/// The tone of an action's sign.
pub(super) fn tone(action: Action) -> Tone {
    match action {
        Action::Create => Tone::Good,
        Action::Update => Tone::Warn,
        Action::Replace => Tone::Replace,
        Action::Delete => Tone::Bad,
        Action::Read | Action::Adopt => Tone::Info,
        Action::Forget | Action::Keep => Tone::Dim,
    }
}

/// How the rows of one review are written.
struct Table<'a> {
    rows: &'a Rows<'a>,
    level: Level,
    style: &'a Style,
    /// Columns of the longest address, within reason.
    column: usize,
}

impl Table<'_> {
    fn row(&self, row: &Row, name: &str, page: &mut Page) {
        let (rows, style) = (self.rows, self.style);
        let left = label(name).pad(LABEL).add(tone(row.action), row.action.sign()).pad(LABEL + SIGN);
        let left = left.add(Tone::Plain, &row.address().to_string()).pad(LABEL + SIGN + self.column).add(Tone::Plain, "  ");
        if self.level == Level::Details {
            page.flow(left.join(telling::reasons(row)), style, LABEL + SIGN + 2);
            details::properties(row, rows, style, page);
            return;
        }
        let room = style.width.saturating_sub(left.width());
        if matches!(row.action, Action::Replace | Action::Delete) {
            // Why something goes is never cut off.
            page.flow(left.join(telling::telling(row, rows, usize::MAX)), style, LABEL + SIGN + 2);
        } else if row.action == Action::Update && telling::telling(row, rows, usize::MAX).width() > room {
            // What changes is never cut off either: it stands below, one line for each entry.
            page.flow(left.join(telling::reasons_of_change(row)), style, LABEL + SIGN + 2);
            details::in_brief(row, rows, style, page);
        } else if room >= 16 {
            page.line(left.join(telling::telling(row, rows, room)));
        } else {
            page.flow(left, style, LABEL + SIGN);
            let below = telling::telling(row, rows, style.width.saturating_sub(LABEL + SIGN + 2));
            if !below.is_empty() {
                page.line(Line::of(Tone::Plain, &" ".repeat(LABEL + SIGN + 2)).join(below));
            }
        }
    }
}

/// What stands below the waves: notes, warnings, policy, undo, losses, what is kept.
fn remarks(review: &Review, rows: &Rows, level: Level, style: &Style, page: &mut Page) {
    let plan = &review.plan;
    let mut first = true;
    for note in &plan.notes {
        page.items(label(once(&mut first, "note")), vec![Line::of(Tone::Plain, note)], style, LABEL);
    }
    if !plan.generate.is_empty() {
        let text = format!("made when it is applied: {}", plan.generate.join(", "));
        page.items(label("secrets"), vec![Line::of(Tone::Plain, &text)], style, LABEL);
    }
    for warning in &review.warnings {
        let text = if warning.detail.is_empty() { warning.summary.to_owned() } else { format!("{}: {}", warning.summary, warning.detail) };
        page.items(Line::of(Tone::Warn, "warning"), vec![Line::of(Tone::Plain, &text)], style, LABEL);
    }
    policy(plan, style, page);
    undo(plan, rows, level, style, page);
    let lost: Vec<String> = rows.rows.iter().filter(|r| r.loses_data()).map(|r| r.address().to_string()).collect();
    if !lost.is_empty() {
        let text = format!("the data of {} is lost for good: {}", count(lost.len(), "resource", "resources"), lost.join(", "));
        page.items(Line::of(Tone::Bad, "loss"), vec![Line::of(Tone::Bad, &text)], style, LABEL);
    }
    if !plan.kept.is_empty() && !plan.is_empty() {
        let mut text = format!("{} as wanted", count(plan.kept.len(), "resource is", "resources are"));
        if level == Level::Details {
            text = format!("{text}: {}", plan.kept.iter().map(ToString::to_string).collect::<Vec<_>>().join(", "));
        }
        page.items(label("kept"), vec![Line::of(Tone::Plain, &text)], style, LABEL);
    }
}

fn policy(plan: &Plan, style: &Style, page: &mut Page) {
    if plan.policy.is_empty() {
        return;
    }
    let of = |verdict: Verdict| plan.policy.iter().filter(move |p| p.verdict == verdict);
    let mut head = Line::of(Tone::Good, &format!("{} pass", of(Verdict::Pass).count()));
    let words = [(Verdict::Warn, "warn", Tone::Warn), (Verdict::Deny, "deny", Tone::Bad)];
    let mut findings: Vec<Line> = Vec::new();
    for (verdict, word, tone) in words {
        if of(verdict).count() > 0 {
            head.push(Tone::Dim, " · ");
            head.push(tone, &format!("{} {word}", of(verdict).count()));
        }
        for result in of(verdict) {
            findings.extend(result.findings.iter().map(|f| Line::of(tone, f)));
            if result.findings.is_empty() {
                findings.push(Line::of(tone, &result.policy));
            }
        }
    }
    if findings.len() == 1 {
        head.push(Tone::Plain, ": ");
        head.append(findings.remove(0));
    }
    page.items(label("policy"), vec![head], style, LABEL);
    for finding in findings {
        page.flow(Line::of(Tone::Plain, &" ".repeat(LABEL)).join(finding), style, LABEL + 2);
    }
}

fn undo(plan: &Plan, rows: &Rows, level: Level, style: &Style, page: &mut Page) {
    let needed: Vec<&Row> = rows.rows.iter().filter(|r| r.needs_undo(plan)).collect();
    if needed.is_empty() || plan.undo.is_empty() {
        return;
    }
    let stuck: Vec<(&&Row, &str)> = needed.iter().filter_map(|r| r.not_undoable(plan).map(|why| (r, why))).collect();
    let able = needed.len() - stuck.len();
    if stuck.is_empty() {
        let text = if able == 1 { "the step can be undone".into() } else { format!("all {able} steps can be undone") };
        page.items(label("undo"), vec![Line::of(Tone::Plain, &text)], style, LABEL);
        return;
    }
    let shown = if level == Level::Brief { 3 } else { stuck.len() };
    let mut names: Vec<String> = stuck.iter().take(shown).map(|(r, why)| format!("{} {} ({why})", r.action, r.address())).collect();
    if stuck.len() > shown {
        names.push(format!("and {} more", stuck.len() - shown));
    }
    let line = Line::of(Tone::Plain, &format!("{able} of {} can be undone; ", count(needed.len(), "step", "steps")));
    page.items(label("undo"), vec![line.add(Tone::Warn, &format!("not undoable: {}", names.join(", ")))], style, LABEL);
}

fn last_line(review: &Review) -> String {
    let plan = &review.plan;
    if plan.is_empty() {
        return match plan.kept.len() {
            0 => "Nothing to do.".into(),
            1 => "Nothing to do: 1 resource is as wanted.".into(),
            n => format!("Nothing to do: {n} resources are as wanted."),
        };
    }
    let text = totals(&review.counts, plan.waves.len());
    match plan.refreshed.iter().map(|r| r.outputs.len()).sum() {
        0 => text,
        n => format!("{text} · {} to record", count(n, "output", "outputs")),
    }
}

/// `Plan: 6 to add, 1 to change, 1 to replace, 0 to destroy · 3 waves`.
pub fn totals(counts: &Counts, waves: usize) -> String {
    let mut text =
        format!("Plan: {} to add, {} to change, {} to replace, {} to destroy", counts.add, counts.change, counts.replace, counts.destroy);
    for (n, word) in [(counts.adopt, "adopt"), (counts.forget, "forget")] {
        if n > 0 {
            text.push_str(&format!(", {n} to {word}"));
        }
    }
    text + &format!(" · {}", count(waves, "wave", "waves"))
}
