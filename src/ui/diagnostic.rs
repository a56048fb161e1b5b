//! The only renderer of a diagnostic: code and summary, where, what, what is true now, what to do next, hints.
//!
//! Everything is readable without colour. Text that came from servers, files and models cannot move the cursor, change the colour or
//! reorder the line: such characters are shown as escapes.

use std::fmt::Write as _;

use anstyle::{AnsiColor, Style as Paint};
use unicode_width::{UnicodeWidthChar, UnicodeWidthStr};

use super::Style;
use crate::diagnostic::{Diagnostic, Hint, Severity, Source};

/// The narrowest screen that is laid out for.
const NARROWEST: usize = 30;

/// How far a line of a text may be indented by itself.
const MOST_INDENTED: usize = 8;

/// How many columns a tab takes in a shown source line.
const TAB: &str = "    ";

/// Renders one diagnostic. It ends with a line end.
pub fn render(diagnostic: &Diagnostic, style: &Style) -> String {
    let mut page = Page { out: String::new(), color: style.color, width: style.width.max(NARROWEST) };
    page.head(diagnostic);
    if let Some(source) = &diagnostic.source {
        page.source(source, diagnostic.severity);
    }
    let mut facts = diagnostic.facts.clone();
    // Where there is no file to show, the resource is the place.
    if let Some(address) = diagnostic.address.as_ref().filter(|_| diagnostic.source.is_none()) {
        let address = address.to_string();
        if !facts.iter().any(|(_, value)| value.contains(&address)) {
            facts.insert(0, ("resource", address));
        }
    }
    page.facts(&facts);
    page.body(&diagnostic.detail, &diagnostic.state);
    if let Some(next) = &diagnostic.next {
        page.next(next);
    }
    page.hints(&diagnostic.hints);
    page.out
}

/// Renders several, a blank line between each, and how many there are when there is more than one.
pub fn render_all<'d>(diagnostics: impl IntoIterator<Item = &'d Diagnostic>, style: &Style) -> String {
    let mut out = String::new();
    let (mut errors, mut warnings) = (0, 0);
    for diagnostic in diagnostics {
        if errors + warnings > 0 {
            out.push('\n');
        }
        match diagnostic.severity {
            Severity::Error => errors += 1,
            Severity::Warning => warnings += 1,
        }
        out.push_str(&render(diagnostic, style));
    }
    if errors + warnings > 1 {
        let count = |n: usize, word: &str| match n {
            0 => None,
            1 => Some(format!("1 {word}")),
            n => Some(format!("{n} {word}s")),
        };
        let counts: Vec<String> = [count(errors, "error"), count(warnings, "warning")].into_iter().flatten().collect();
        let _ = write!(out, "\n{}\n", counts.join(" and "));
    }
    out
}

/// Makes a text safe to print on one line: what could move the cursor, hide or reorder is written as an escape.
pub fn clean(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '\n' => out.push_str("\\n"),
            '\t' => out.push_str("\\t"),
            '\r' => out.push_str("\\r"),
            c if is_sly(c) => {
                let _ = write!(out, "\\u{{{:x}}}", u32::from(c));
            }
            c => out.push(c),
        }
    }
    out
}

/// Control, bidirectional, zero-width and line-separating characters.
fn is_sly(c: char) -> bool {
    c.is_control()
        || matches!(c, '\u{ad}' | '\u{61c}' | '\u{180e}' | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{206f}' | '\u{feff}' | '\u{fff9}'..='\u{fffb}' | '\u{e0000}'..='\u{e007f}')
}

/// A page that is being written.
struct Page {
    out: String,
    color: bool,
    width: usize,
}

impl Page {
    fn paint(&mut self, paint: Paint, text: &str) {
        if self.color && !text.is_empty() {
            let _ = write!(self.out, "{paint}{text}{paint:#}");
        } else {
            self.out.push_str(text);
        }
    }

    fn line(&mut self, text: &str) {
        self.out.push_str(text);
        self.out.push('\n');
    }

    fn head(&mut self, diagnostic: &Diagnostic) {
        let word = match diagnostic.severity {
            Severity::Error => "error",
            Severity::Warning => "warning",
        };
        self.paint(paint_of(diagnostic.severity), &format!("{word}[{}]", clean(diagnostic.code)));
        self.paint(Paint::new().bold(), &format!(": {}", clean(diagnostic.summary)));
        self.out.push('\n');
    }

    /// The file, the line, and the underline with its label.
    fn source(&mut self, source: &Source, severity: Severity) {
        let number = source.line.to_string();
        let gutter = number.len() + 3;
        self.out.push_str("\n  ");
        let place = format!("{}:{}:{}", clean(&source.file), source.line, source.column);
        self.line(&place);

        let room = self.width.saturating_sub(gutter + 3).max(20);
        let shown = Window::cut(source, room);
        self.paint(gutter_paint(), &format!("   {number} │"));
        let text = if shown.text.is_empty() { String::new() } else { format!(" {}", shown.text) };
        self.line(&text);

        let blank = format!("{:gutter$} │", "");
        let label = clean(&source.label);
        self.paint(gutter_paint(), &blank);
        self.out.push(' ');
        self.out.extend(std::iter::repeat_n(' ', shown.before));
        let carets = "^".repeat(shown.width);
        let fits = shown.before + shown.width + 1 + label.width() <= room;
        if fits {
            self.paint(paint_of(severity), format!("{carets} {label}").trim_end());
            self.out.push('\n');
        } else {
            self.paint(paint_of(severity), &carets);
            self.out.push('\n');
            for line in wrap(&label, room) {
                self.paint(gutter_paint(), &blank);
                self.out.push(' ');
                self.paint(paint_of(severity), &line);
                self.out.push('\n');
            }
        }
    }

    /// Labelled lines, their values aligned.
    fn facts(&mut self, facts: &[(&'static str, String)]) {
        let Some(widest) = facts.iter().map(|(label, _)| label.width()).max() else { return };
        self.out.push('\n');
        let mut above = "";
        for (label, value) in facts {
            // Several lines of one kind stand under one label.
            let label = if *label == above { "" } else { *label };
            above = if label.is_empty() { above } else { label };
            let indent = 2 + widest + 2;
            let mut lines = wrap(&clean(value), self.width.saturating_sub(indent)).into_iter();
            self.out.push_str("  ");
            self.paint(Paint::new().dimmed(), label);
            self.out.extend(std::iter::repeat_n(' ', widest - label.width() + 2));
            let first = lines.next().unwrap_or_default();
            self.line(&first);
            for line in lines {
                self.out.extend(std::iter::repeat_n(' ', indent));
                self.line(&line);
            }
        }
    }

    /// The detail, then what is true now: directly below if it is one line, else as a paragraph of its own.
    fn body(&mut self, detail: &str, state: &str) {
        let detail = self.paragraphs(detail, 2);
        let state = self.paragraphs(state, 2);
        if !detail.is_empty() {
            self.out.push('\n');
            detail.iter().for_each(|l| self.line(l));
        }
        if !state.is_empty() {
            if detail.is_empty() || state.len() > 1 {
                self.out.push('\n');
            }
            state.iter().for_each(|l| self.line(l));
        }
    }

    /// What to do, and its command.
    fn next(&mut self, next: &Hint) {
        let lines = self.paragraphs(&next.text, 2);
        if !lines.is_empty() {
            self.out.push('\n');
            lines.iter().for_each(|l| self.line(l));
        }
        if let Some(command) = &next.command {
            self.command(command);
        }
    }

    fn hints(&mut self, hints: &[Hint]) {
        let mut apart = true;
        for hint in hints {
            if apart {
                self.out.push('\n');
            }
            let mut lines = wrap(&clean(&hint.text), self.width.saturating_sub(6)).into_iter();
            self.paint(AnsiColor::Cyan.on_default().bold(), "hint");
            self.line(&format!(": {}", lines.next().unwrap_or_default()));
            lines.for_each(|l| self.line(&format!("      {l}")));
            apart = hint.command.is_some();
            if let Some(command) = &hint.command {
                self.command(command);
            }
        }
    }

    /// A command stands alone and is never broken, so that it can be copied.
    fn command(&mut self, command: &str) {
        self.out.push_str("\n    ");
        self.paint(Paint::new().bold(), &clean(command));
        self.out.push('\n');
    }

    /// Wrapped lines of a text of several paragraphs. A line that is indented stays so, as a whole; one that begins with `- ` hangs.
    fn paragraphs(&self, text: &str, indent: usize) -> Vec<String> {
        let mut lines = Vec::new();
        for line in text.trim_end().lines() {
            let own = line.chars().take_while(|c| *c == ' ').count().min(MOST_INDENTED);
            let pad = " ".repeat(indent + own);
            let line = clean(line.trim());
            let hang = if line.starts_with("- ") { "  " } else { "" };
            let wrapped = wrap(&line, self.width.saturating_sub(pad.len() + hang.len()));
            lines.extend(wrapped.into_iter().enumerate().map(|(n, l)| match (l.is_empty(), n) {
                (true, _) => l,
                (false, 0) => format!("{pad}{l}"),
                (false, _) => format!("{pad}{hang}{l}"),
            }));
        }
        lines
    }
}

fn paint_of(severity: Severity) -> Paint {
    match severity {
        Severity::Error => AnsiColor::Red.on_default().bold(),
        Severity::Warning => AnsiColor::Yellow.on_default().bold(),
    }
}

fn gutter_paint() -> Paint {
    AnsiColor::Blue.on_default()
}

/// The part of a source line that is shown.
struct Window {
    /// Clean text, cut where it is too wide.
    text: String,
    /// Columns before the underline.
    before: usize,
    /// Columns of the underline.
    width: usize,
}

impl Window {
    fn cut(source: &Source, room: usize) -> Self {
        if source.text.is_empty() && source.column > 1 {
            // The line was too long to be kept.
            return Self { text: "…".into(), before: 0, width: 1 };
        }
        // One clean piece per character, so that columns of the file and of the screen can be told apart.
        let pieces: Vec<String> = source.text.chars().map(piece).collect();
        let from = source.column.saturating_sub(1).min(pieces.len());
        let to = from.saturating_add(source.width).min(pieces.len());
        let columns = |pieces: &[String]| -> usize { pieces.iter().map(|p| p.width()).sum() };
        if columns(&pieces) <= room {
            return Self { text: pieces.concat(), before: columns(&pieces[..from]), width: columns(&pieces[from..to]).max(1) };
        }
        // Too wide: what is underlined stands in the middle, as far as it goes.
        let mut start = from;
        let mut end = from;
        let mut used = 2;
        while end < to && used + pieces[end].width() <= room {
            used += pieces[end].width();
            end += 1;
        }
        let underlined = end;
        let mut left = used + (room - used) / 2;
        while start > 0 && used + pieces[start - 1].width() <= left {
            start -= 1;
            used += pieces[start].width();
        }
        while end < pieces.len() && used + pieces[end].width() <= room {
            used += pieces[end].width();
            end += 1;
        }
        left = room;
        while start > 0 && used + pieces[start - 1].width() <= left {
            start -= 1;
            used += pieces[start].width();
        }
        let cut_left = start > 0;
        let text =
            format!("{}{}{}", if cut_left { "…" } else { "" }, pieces[start..end].concat(), if end < pieces.len() { "…" } else { "" });
        Self {
            text: text.trim_end().to_owned(),
            before: usize::from(cut_left) + columns(&pieces[start..from]),
            width: columns(&pieces[from..underlined]).max(1),
        }
    }
}

/// One character of a source line, made safe.
fn piece(c: char) -> String {
    match c {
        '\t' => TAB.to_owned(),
        c if is_sly(c) => "\u{fffd}".to_owned(),
        c => c.to_string(),
    }
}

/// Breaks a line at spaces. A word that is wider than a line is broken inside.
fn wrap(text: &str, width: usize) -> Vec<String> {
    let width = width.max(10);
    let mut lines = Vec::new();
    let mut line = String::new();
    let mut used = 0;
    for word in text.split(' ') {
        let wide = word.width();
        if used > 0 && used + 1 + wide > width {
            lines.push(std::mem::take(&mut line));
            used = 0;
        } else if used > 0 || (!line.is_empty()) {
            line.push(' ');
            used += 1;
        }
        if wide <= width {
            line.push_str(word);
            used += wide;
            continue;
        }
        for c in word.chars() {
            let wide = c.width().unwrap_or(0);
            if used + wide > width {
                lines.push(std::mem::take(&mut line));
                used = 0;
            }
            line.push(c);
            used += wide;
        }
    }
    lines.push(line);
    lines
}

#[cfg(test)]
#[path = "diagnostic_tests.rs"]
mod tests;

#[cfg(test)]
#[path = "fixture_tests.rs"]
mod fixture_tests;
