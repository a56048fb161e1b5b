//! What a watch saw, one line for each thing, and its sign of life.

use super::{
    Style,
    lines::{Line, Page, Tone, count, duration},
    value,
};
use crate::{
    domain::{Address, Dependant, DeploymentName, ServerName, Timestamp},
    event::{Seen, Sight},
    plan::OutputChange,
};

/// How many dependants are named on a line.
const NAMED: usize = 6;

/// One thing that was seen.
pub fn sight(at: &Timestamp, s: &Sight) -> Line {
    let tone = match (s.well, s.what) {
        (true, _) => Tone::Good,
        (_, Seen::Drift | Seen::Output | Seen::Status | Seen::Reading) => Tone::Warn,
        (_, Seen::Recorded) => Tone::Info,
        _ => Tone::Bad,
    };
    let whom = match (&s.address, &s.server, &s.deployment) {
        (Some(address), ..) => address.to_string(),
        (None, Some(server), _) => server.to_string(),
        (None, None, Some(deployment)) => deployment.to_string(),
        _ => String::new(),
    };
    let mut line = Line::of(Tone::Dim, &at.strftime("%H:%M:%S").to_string()).add(Tone::Plain, "  ").add(tone, s.what.word()).pad(20);
    line.push(Tone::Plain, &format!("{whom}  "));
    line.push(Tone::Plain, &s.text);
    if !s.dependants.is_empty() {
        line.push(Tone::Info, &format!(" · used by {}", names(&s.dependants, s.deployment.as_ref())));
    }
    if !s.further.is_empty() {
        line.push(Tone::Dim, &format!(" · and through them {}", names(&s.further, s.deployment.as_ref())));
    }
    line
}

/// An output that is another one than is recorded, with whoever uses it.
pub fn output(address: &Address, o: &OutputChange, here: Option<&str>) -> Line {
    let text = format!("  ≈ {address} {}: {} -> {}", o.path, value::text(&o.before), value::text(&o.after));
    Line::of(Tone::Warn, &text).join(users(o, here))
}

/// Who uses an output that changed.
pub fn users(o: &OutputChange, here: Option<&str>) -> Line {
    let here = here.and_then(|h| h.parse().ok());
    let mut line = Line::new();
    for (all, word, tone) in [(&o.dependants, "used by", Tone::Info), (&o.further, "and through them", Tone::Dim)] {
        if !all.is_empty() {
            line.push(tone, &format!(" · {word} {}", names(all, here.as_ref())));
        }
    }
    line
}

fn names(all: &[Dependant], here: Option<&DeploymentName>) -> String {
    let mut names: Vec<String> = all.iter().take(NAMED).map(|d| d.seen_from(here)).collect();
    if all.len() > NAMED {
        names.push(format!("and {} more", all.len() - NAMED));
    }
    names.join(", ")
}

/// The sign of life.
pub fn beat(resources: usize, (looked, servers): (usize, usize), away: &[ServerName], changes: usize) -> String {
    let mut text = format!(
        "{} {} on {} · {}",
        if looked < servers { "looking for the first time at" } else { "watching" },
        count(resources, "resource", "resources"),
        count(servers, "server", "servers"),
        count(changes, "change", "changes")
    );
    if !away.is_empty() {
        text.push_str(&format!(" · away: {}", away.iter().map(ServerName::as_str).collect::<Vec<_>>().join(", ")));
    }
    text
}

/// The end of a watch.
pub fn summary(s: &crate::answer::watch::Watched, style: &Style) -> String {
    let mut page = Page::default();
    let kinds: Vec<String> = s.kinds.iter().map(|(what, n)| format!("{n} {what}")).collect();
    let kinds = if kinds.is_empty() { String::new() } else { format!(" ({})", kinds.join(", ")) };
    let text = format!(
        "Watched {} on {} for {}: {}{kinds}.",
        count(s.resources, "resource", "resources"),
        count(s.servers, "server", "servers"),
        duration(s.elapsed_ms),
        count(s.changes, "change", "changes")
    );
    page.flow(Line::of(Tone::Bold, &text), style, 2);
    for server in &s.away {
        page.flow(Line::of(Tone::Bad, &format!("  {server} does not answer")), style, 4);
    }
    for (deployment, drifts) in &s.not_as_recorded {
        let mut names: Vec<String> = drifts.iter().take(NAMED).map(ToString::to_string).collect();
        if drifts.len() > NAMED {
            names.push(format!("and {} more", drifts.len() - NAMED));
        }
        let line = Line::of(Tone::Warn, &format!("  {deployment} is not as recorded: ")).add(Tone::Plain, &names.join(", "));
        page.flow(line, style, 4);
        page.line(Line::of(Tone::Plain, &format!("    swell plan {deployment}")));
    }
    page.render(style)
}
