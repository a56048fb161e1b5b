//! Servers as a person reads them: the list, what other clients know, and what stands on the screen before a yes.
//!
//! A sheet is never cut, and no text in it can make a line of its own.

use super::{
    Style,
    lines::{Line, Page, Tone, visible},
    table::Table,
};
use crate::answer::servers::{Listed, Listing, Offer, Sheet, ToolSheet};

fn row(label: &str, text: &str) -> String {
    format!("  {label:<10}{}\n", visible(text))
}

/// How a server would be started, whole.
pub fn sheet_text(s: &Sheet) -> String {
    let mut out = format!("server {}\n", visible(&s.name));
    out.push_str(&row("from", &format!("{}: {}", s.from, s.place)));
    if let Some(command) = &s.command {
        out.push_str(&row("command", command));
        for (n, argument) in s.args.iter().enumerate() {
            out.push_str(&row(&format!("arg {}", n + 1), argument));
        }
        if let Some(folder) = &s.folder {
            out.push_str(&row("folder", folder));
        }
        let names = if s.variables.is_empty() { "(none)".to_owned() } else { s.variables.join(" ") };
        out.push_str(&row("sets", &format!("{names}   (besides that it gets PATH, HOME and the like, and nothing else)")));
    }
    if let Some(url) = &s.url {
        out.push_str(&row("URL", url));
        out.push_str(&row("headers", &if s.headers.is_empty() { "(none)".to_owned() } else { s.headers.join(" ") }));
    }
    out.push_str(&row("digest", &s.digest));
    if !s.changes.is_empty() {
        out.push_str("changed since it was reviewed\n");
        for (what, old, new) in &s.changes {
            out.push_str(&format!("  ~ {}\n", visible(what)));
            for (word, side) in [("was", old), ("is", new)] {
                if let Some(side) = side {
                    out.push_str(&format!("    {word:<4}{}\n", visible(side)));
                }
            }
        }
    }
    s.warnings.iter().for_each(|w| out.push_str(&format!("  ! {}\n", visible(w))));
    out
}

/// The tools of a server, and what is different about them.
pub fn tools_text(t: &ToolSheet) -> String {
    let mut out = format!("tools of {}: {}\n", visible(&t.name), t.tools.len());
    if t.changes.is_empty() {
        out.push_str(&format!("  {}\n", t.tools.iter().map(|n| visible(n)).collect::<Vec<_>>().join(" ")));
    } else {
        out.push_str("changed since they were reviewed\n");
        for change in &t.changes {
            // A definition has lines of its own; the bar shows that they are the server's.
            for (n, line) in change.split('\n').enumerate() {
                out.push_str(&format!("  {}{}\n", if n == 0 { "" } else { "  │ " }, visible(line)));
            }
        }
    }
    t.warnings.iter().for_each(|w| out.push_str(&format!("  ! {}\n", visible(w))));
    out.push_str(&row("digest", &t.digest));
    out
}

/// All registered servers.
pub fn listing(l: &Listing, style: &Style) -> String {
    let mut table = Table::new(&["server", "trust", "how", "protocol", "tools", "health"]);
    for s in &l.servers {
        table.row(&[
            s.name.clone(),
            s.trust.clone(),
            if s.transport == "sandbox" { s.reached_by.clone() } else { format!("{} {}", s.transport, s.reached_by) },
            s.protocol.clone(),
            s.tools.map(|n| n.to_string()).unwrap_or_default(),
            s.health.clone(),
        ]);
    }
    let mut text = if l.servers.is_empty() { "(none)\n".to_owned() } else { table.render(style) };
    let mut page = Page::default();
    // Places and commands are long, and what is cut off cannot be copied: they stand below the table.
    for s in l.servers.iter().filter(|s| s.trust != "built-in" || s.health != "healthy") {
        let words = words(s);
        let rest = if words.is_empty() { String::new() } else { format!(" · {words}") };
        let line = Line::of(Tone::Bold, &s.name).add(Tone::Dim, &format!("  {}: {}", s.from, s.place)).add(Tone::Plain, &rest);
        page.flow(line, style, 4);
        s.differs.iter().for_each(|d| page.flow(Line::of(Tone::Warn, &format!("    ! {d}")), style, 6));
    }
    for group in &l.lookalikes {
        page.flow(Line::of(Tone::Warn, &format!("! these names look alike: {}", group.join(", "))), style, 2);
    }
    if !page.lines.is_empty() {
        text.push('\n');
    }
    text.push_str(&page.render(style));
    text
}

fn words(s: &Listed) -> String {
    let mut all = Vec::new();
    all.extend((!s.note.is_empty()).then(|| s.note.clone()));
    all.extend((!s.shadows.is_empty()).then(|| format!("shadows {}", s.shadows.join(", "))));
    all.extend((!s.message.is_empty()).then(|| s.message.clone()));
    all.extend(s.called.as_ref().map(|c| format!("called `{c}` there")));
    all.join(" · ")
}

/// What other clients know.
pub fn offers(all: &[Offer], style: &Style) -> String {
    let mut page = Page::default();
    if all.is_empty() {
        page.line(Line::of(Tone::Plain, "No other client here knows any server."));
    }
    for o in all {
        let s = &o.server;
        page.flow(
            Line::of(Tone::Bold, &s.name)
                .add(Tone::Dim, &format!(" · {} · {}", s.from, s.place))
                .add(Tone::Warn, &format!(" · {}", s.trust)),
            style,
            2,
        );
        let note = words(s);
        if !note.is_empty() {
            page.flow(Line::of(Tone::Plain, &format!("  {note}")), style, 2);
        }
        o.notes.iter().for_each(|n| page.flow(Line::of(Tone::Plain, &format!("  {n}")), style, 2));
        o.would_add.lines().for_each(|l| page.flow(Line::of(Tone::Dim, &format!("    {l}")), style, 6));
    }
    page.render(style)
}
