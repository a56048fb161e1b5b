//! Lines of coloured text: the one door through which text reaches a terminal.
//!
//! [`Line::add`] makes control, bidirectional and invisible characters visible, so nothing that a server, a model or a file wrote can
//! move the cursor, hide itself or turn the text around. Widths are columns, not bytes.

use anstyle::{AnsiColor, Color};
use unicode_width::UnicodeWidthChar;

use super::Style;

/// What a piece of text means; the colour follows from it, and everything can be read without colour.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Tone {
    /// Nothing special.
    Plain,
    /// Less important.
    Dim,
    /// More important.
    Bold,
    /// Made or well.
    Good,
    /// Changed, or worth a look.
    Warn,
    /// Gone, failed or dangerous.
    Bad,
    /// Replaced.
    Replace,
    /// Only read, or a name to follow.
    Info,
}

impl Tone {
    fn style(self) -> anstyle::Style {
        let fg = |c: AnsiColor| anstyle::Style::new().fg_color(Some(Color::Ansi(c)));
        match self {
            Tone::Plain => anstyle::Style::new(),
            Tone::Dim => anstyle::Style::new().dimmed(),
            Tone::Bold => anstyle::Style::new().bold(),
            Tone::Good => fg(AnsiColor::Green),
            Tone::Warn => fg(AnsiColor::Yellow),
            Tone::Bad => fg(AnsiColor::Red).bold(),
            Tone::Replace => fg(AnsiColor::Magenta),
            Tone::Info => fg(AnsiColor::Cyan),
        }
    }
}

/// Pieces of text that stand on one line.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Line {
    spans: Vec<(Tone, String)>,
}

impl Line {
    /// An empty line.
    pub fn new() -> Self {
        Self::default()
    }

    /// A line of one piece.
    pub fn of(tone: Tone, text: &str) -> Self {
        Self::new().add(tone, text)
    }

    /// A line that a face has already rendered, colour included. Never for text from outside.
    pub(super) fn rendered(text: &str) -> Self {
        Self { spans: vec![(Tone::Plain, text.to_owned())] }
    }

    /// Adds a piece; characters that a terminal would act upon are made visible.
    pub fn add(mut self, tone: Tone, text: &str) -> Self {
        self.push(tone, text);
        self
    }

    /// Adds a piece in place.
    pub fn push(&mut self, tone: Tone, text: &str) {
        if text.is_empty() {
            return;
        }
        let text = visible(text);
        match self.spans.last_mut() {
            Some((last, existing)) if *last == tone => existing.push_str(&text),
            _ => self.spans.push((tone, text)),
        }
    }

    /// Adds all pieces of another line.
    pub fn join(mut self, other: Line) -> Self {
        self.append(other);
        self
    }

    /// Adds all pieces of another line in place.
    pub fn append(&mut self, other: Line) {
        self.spans.extend(other.spans);
    }

    /// How many columns it takes.
    pub fn width(&self) -> usize {
        self.spans.iter().map(|(_, t)| width(t)).sum()
    }

    /// Whether there is nothing on it.
    pub fn is_empty(&self) -> bool {
        self.spans.is_empty()
    }

    /// Fills with spaces up to `columns`.
    pub fn pad(mut self, columns: usize) -> Self {
        let missing = columns.saturating_sub(self.width());
        self.push(Tone::Plain, &" ".repeat(missing));
        self
    }

    /// Cuts it to at most `columns`, with `…` at the cut.
    pub fn fit(self, columns: usize) -> Self {
        if self.width() <= columns {
            return self;
        }
        let mut out = Line::new();
        let mut left = columns.saturating_sub(1);
        for (tone, text) in self.spans {
            let taken = take(&text, left);
            left -= width(taken);
            let whole = taken.len() == text.len();
            out.spans.push((tone, taken.to_owned()));
            if !whole {
                break;
            }
        }
        if columns > 0 {
            out.push(Tone::Dim, "…");
        }
        out
    }

    /// Its text without colour.
    pub fn text(&self) -> String {
        self.spans.iter().map(|(_, t)| t.as_str()).collect()
    }

    /// Its text for a terminal, without an end of line and without trailing spaces.
    pub fn render(&self, style: &Style) -> String {
        if !style.color {
            return self.text().trim_end().to_owned();
        }
        let mut out = String::new();
        let end = self.spans.iter().rposition(|(_, t)| !t.trim_end().is_empty()).map_or(0, |n| n + 1);
        for (n, (tone, text)) in self.spans[..end].iter().enumerate() {
            let text = if n + 1 == end { text.trim_end() } else { text };
            let s = tone.style();
            out.push_str(&format!("{s}{text}{s:#}"));
        }
        out
    }

    /// Breaks it at spaces into lines of at most `columns`; lines after the first begin with `indent` spaces.
    pub fn wrap(self, columns: usize, indent: usize) -> Vec<Line> {
        let indent = if indent + 8 > columns { columns.saturating_sub(8).min(2) } else { indent };
        let columns = columns.max(4);
        let mut lines = vec![Line::new()];
        let mut used = 0;
        for (tone, text) in self.spans {
            for word in text.split_inclusive(' ') {
                let bare = width(word.trim_end_matches(' '));
                let start = if lines.len() == 1 { 0 } else { indent };
                if used > start && used + bare > columns {
                    lines.push(Line::of(Tone::Plain, &" ".repeat(indent)));
                    used = indent;
                }
                let mut rest = word;
                while used + width(rest.trim_end_matches(' ')) > columns {
                    let head = take(rest, (columns - used).max(1));
                    let head = if head.is_empty() { first_char(rest) } else { head };
                    push_to_last(&mut lines, tone, head);
                    rest = &rest[head.len()..];
                    lines.push(Line::of(Tone::Plain, &" ".repeat(indent)));
                    used = indent;
                }
                push_to_last(&mut lines, tone, rest);
                used += width(rest);
            }
        }
        lines
    }
}

fn push_to_last(lines: &mut [Line], tone: Tone, text: &str) {
    if let Some(last) = lines.last_mut() {
        last.push(tone, text);
    }
}

fn first_char(text: &str) -> &str {
    &text[..text.chars().next().map_or(0, char::len_utf8)]
}

/// Many lines.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Page {
    /// From top to bottom.
    pub lines: Vec<Line>,
}

impl Page {
    /// Adds a line, broken at the width; lines after the first begin with `indent` spaces.
    pub fn flow(&mut self, line: Line, style: &Style, indent: usize) {
        self.lines.extend(line.wrap(style.width, indent));
    }

    /// Adds a line as it stands.
    pub fn line(&mut self, line: Line) {
        self.lines.push(line);
    }

    /// Adds items behind a label, separated by ` · `; an item is not broken unless it alone is too long.
    pub fn items(&mut self, label: Line, items: Vec<Line>, style: &Style, indent: usize) {
        let mut line = label.pad(indent);
        let mut first = true;
        for item in items {
            let gap = if first { 0 } else { 3 };
            if !first && line.width() + gap + item.width() > style.width {
                self.flow(std::mem::take(&mut line), style, indent);
                line = Line::of(Tone::Plain, &" ".repeat(indent));
            } else if !first {
                line.push(Tone::Dim, " · ");
            }
            line.append(item);
            first = false;
        }
        self.flow(line, style, indent);
    }

    /// The whole text; each line ends with a newline.
    pub fn render(&self, style: &Style) -> String {
        self.lines.iter().map(|l| l.render(style) + "\n").collect()
    }
}

/// Columns that a text takes. Combined characters are counted one by one, which is never too little.
pub fn width(text: &str) -> usize {
    text.chars().map(|c| c.width().unwrap_or(0)).sum()
}

/// The longest beginning that fits into `columns`.
pub fn take(text: &str, columns: usize) -> &str {
    let mut used = 0;
    for (at, c) in text.char_indices() {
        used += c.width().unwrap_or(0);
        if used > columns {
            return &text[..at];
        }
    }
    text
}

/// Cuts a text to at most `columns`, with `…` at the cut.
pub fn fit(text: &str, columns: usize) -> String {
    if width(text) <= columns { text.to_owned() } else { format!("{}…", take(text, columns.saturating_sub(1))) }
}

/// Makes everything visible that a terminal would act upon or hide: `\n`, `\t`, `\u{1b}`, `\u{202e}`.
pub fn visible(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '\n' => out.push_str("\\n"),
            '\r' => out.push_str("\\r"),
            '\t' => out.push_str("\\t"),
            // Asks for the coloured form of an emoji; its width would depend on the terminal.
            '\u{fe0f}' => {}
            c if is_hidden(c) => out.extend(c.escape_unicode()),
            c => out.push(c),
        }
    }
    out
}

/// Characters that move the cursor, turn the text around or cannot be seen.
pub fn is_hidden(c: char) -> bool {
    c.is_control()
        || matches!(c,
            '\u{ad}' | '\u{34f}' | '\u{61c}' | '\u{115f}'..='\u{1160}' | '\u{17b4}'..='\u{17b5}' | '\u{180b}'..='\u{180f}'
            | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{206f}' | '\u{3164}' | '\u{fe00}'..='\u{fe0f}'
            | '\u{feff}' | '\u{ffa0}' | '\u{fff0}'..='\u{fffb}' | '\u{1d173}'..='\u{1d17a}' | '\u{e0000}'..='\u{e0fff}')
}

/// A duration for people: `0.8s`, `42s`, `3m 05s`, `2h 10m`.
pub fn duration(ms: u64) -> String {
    let s = ms / 1000;
    match s {
        0..=9 => format!("{}.{}s", s, ms % 1000 / 100),
        10..=59 => format!("{s}s"),
        60..=3599 => format!("{}m {:02}s", s / 60, s % 60),
        _ => format!("{}h {:02}m", s / 3600, s % 3600 / 60),
    }
}

/// `1 step`, `2 steps`.
pub fn count(n: usize, one: &str, many: &str) -> String {
    format!("{n} {}", if n == 1 { one } else { many })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const PLAIN: Style = Style { color: false, width: 20 };

    #[test]
    fn wide_characters_take_two_columns() {
        assert_eq!(width("日本"), 4);
        assert_eq!(fit("日本語", 5), "日本…");
        assert_eq!(Line::of(Tone::Plain, "日").pad(4).text(), "日  ");
    }

    #[test]
    fn control_and_bidi_characters_become_visible() {
        assert_eq!(visible("a\u{1b}[2Jb\u{202e}c\r\n"), "a\\u{1b}[2Jb\\u{202e}c\\r\\n");
    }

    #[test]
    fn wraps_at_spaces_and_breaks_long_words() {
        let lines = Line::of(Tone::Plain, "one two three aaaaaaaaaaaaaaaaaaaaaaaaaaa").wrap(12, 2);
        let texts: Vec<String> = lines.iter().map(|l| l.render(&PLAIN)).collect();
        assert_eq!(texts, ["one two", "  three", "  aaaaaaaaaa", "  aaaaaaaaaa", "  aaaaaaa"]);
    }

    #[test]
    fn colour_wraps_each_piece() {
        let style = Style { color: true, width: 80 };
        assert_eq!(Line::of(Tone::Good, "+").add(Tone::Plain, " x  ").render(&style), "\u{1b}[32m+\u{1b}[0m x");
    }

    #[test]
    fn durations() {
        assert_eq!([0, 9_950, 59_999, 185_000, 7_800_000].map(duration), ["0.0s", "9.9s", "59s", "3m 05s", "2h 10m"]);
    }

    proptest! {
        #[test]
        fn no_text_can_move_the_cursor(text in "\\PC*|[\\x00-\\x1f\\x7f-\\u{9f}\\u{202a}-\\u{202e}a-z]*", columns in 1usize..60) {
            let line = Line::of(Tone::Plain, &text);
            prop_assert!(!line.text().chars().any(is_hidden));
            prop_assert!(line.clone().fit(columns).width() <= columns);
            for l in line.wrap(columns.max(12), 2) {
                prop_assert!(!l.text().contains('\n'));
                prop_assert!(width(&l.render(&PLAIN)) <= columns.max(12));
            }
        }
    }
}
