//! The end of a run: what is done, failed, unknown and not started; outputs and health; the command that undoes it and the next one.

use super::{
    Style,
    lines::{Line, Page, Tone, count, duration},
    value,
};
use crate::event::{Ended, RunSummary};

/// Columns of the label on the left.
const LABEL: usize = 13;

/// Renders a summary.
pub fn render(summary: &RunSummary, style: &Style) -> String {
    let mut page = Page::default();
    page.items(Line::new(), head(summary), style, 0);
    group("failed", Tone::Bad, &summary.failed, Words::Server, style, &mut page);
    group("unknown", Tone::Warn, &summary.unknown, Words::Server, style, &mut page);
    group("not started", Tone::Dim, &summary.skipped, Words::Ours, style, &mut page);
    let mut name = "unhealthy";
    for (address, words) in &summary.unhealthy {
        let line = Line::of(Tone::Plain, &format!("{address}  ")).join(quote(words));
        page.items(Line::of(Tone::Bad, std::mem::take(&mut name)), vec![line], style, LABEL);
    }
    let mut name = "outputs";
    let widest = summary.outputs.keys().map(|k| super::lines::width(k)).max().unwrap_or(0).min(30);
    for (key, v) in &summary.outputs {
        let line = Line::of(Tone::Plain, key).pad(widest).add(Tone::Dim, " = ").add(Tone::Info, &value::inline(v));
        page.items(Line::of(Tone::Dim, std::mem::take(&mut name)), vec![line], style, LABEL);
    }
    for (name, command) in [("undo", &summary.undo), ("next", &summary.next)] {
        if let Some(command) = command {
            page.items(Line::of(Tone::Dim, name), vec![Line::of(Tone::Bold, command)], style, LABEL);
        }
    }
    page.render(style)
}

fn head(summary: &RunSummary) -> Vec<Line> {
    let s = summary;
    let well = s.failed.is_empty() && s.unknown.is_empty() && s.skipped.is_empty();
    let word = match (s.interrupted, well) {
        (true, _) => Line::of(Tone::Warn, "Stopped"),
        (false, true) => Line::of(Tone::Good, "Done"),
        (false, false) => Line::of(Tone::Bad, "Not complete"),
    };
    let total = s.done.len() + s.failed.len() + s.unknown.len() + s.skipped.len();
    let text = if well {
        let steps = if total == 1 { "the one step".into() } else { format!("all {total} steps") };
        format!(": {steps} of {} done", s.deployment)
    } else {
        let mut text = format!(": {} of {} of {} done", s.done.len(), count(total, "step", "steps"), s.deployment);
        for (n, what) in [(s.failed.len(), "failed"), (s.unknown.len(), "unknown"), (s.skipped.len(), "not started")] {
            if n > 0 {
                text.push_str(&format!(", {n} {what}"));
            }
        }
        text
    };
    let mut parts = vec![word.add(Tone::Bold, &text), Line::of(Tone::Dim, &duration(s.elapsed_ms))];
    match s.snapshot {
        Some(n) => parts.push(Line::of(Tone::Dim, &format!("snapshot {n}"))),
        // What was put back on a server is again as it was recorded.
        None if !s.done.is_empty() => parts.push(Line::of(Tone::Dim, "record unchanged")),
        None => parts.push(Line::of(Tone::Dim, "nothing was changed")),
    }
    if !s.unhealthy.is_empty() {
        parts.push(Line::of(Tone::Bad, &format!("{} unhealthy", s.unhealthy.len())));
    }
    parts
}

/// Whose words a reason is.
#[derive(Clone, Copy)]
enum Words {
    Server,
    Ours,
}

fn group(name: &str, tone: Tone, all: &[Ended], words: Words, style: &Style, page: &mut Page) {
    let mut name = name;
    for one in all {
        let mut line = Line::of(Tone::Plain, &format!("{} {}", one.action, one.address));
        if let Some(reason) = &one.reason {
            line.push(Tone::Plain, "  ");
            match words {
                Words::Server => line.append(quote(reason)),
                Words::Ours => line.push(Tone::Dim, reason),
            }
        }
        page.items(Line::of(tone, std::mem::take(&mut name)), vec![line], style, LABEL);
    }
}

/// A guest's words, between quotation marks.
pub(super) fn quote(words: &str) -> Line {
    Line::of(Tone::Plain, &format!("\"{}\"", words.trim()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::Action;

    #[test]
    fn a_repair_that_leaves_the_record_as_it_was_has_changed_something() {
        let mut summary = RunSummary { deployment: "blog".to_owned(), ..RunSummary::default() };
        let first = |s: &RunSummary| render(s, &Style { color: false, width: 120 }).lines().next().unwrap_or_default().to_owned();
        assert!(first(&summary).ends_with("nothing was changed"), "{}", first(&summary));
        summary.done.push(Ended { address: "docker:network:blog".parse().unwrap(), action: Action::Update, reason: None });
        assert!(first(&summary).ends_with("record unchanged"), "{}", first(&summary));
        summary.snapshot = Some(4);
        assert!(first(&summary).ends_with("snapshot 4"), "{}", first(&summary));
    }
}
