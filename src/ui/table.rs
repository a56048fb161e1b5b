//! A small aligned table, for every list.

use super::{
    Style,
    lines::{Line, Page, Tone, visible, width},
};

/// Rows under a head.
#[derive(Debug, Clone, Default)]
pub struct Table {
    head: Vec<String>,
    rows: Vec<Vec<String>>,
}

impl Table {
    /// Begins with the head.
    pub fn new(head: &[&str]) -> Self {
        Self { head: head.iter().map(|h| (*h).to_owned()).collect(), rows: Vec::new() }
    }

    /// Adds rows. Text from outside is made harmless.
    pub fn rows(mut self, rows: Vec<Vec<String>>) -> Self {
        self.rows.extend(rows.into_iter().map(|r| r.into_iter().map(|c| visible(&c)).collect()));
        self
    }

    /// Renders it; columns are cut from the last one on when the screen is too narrow. Every line ends with a line end.
    pub fn render(&self, style: &Style) -> String {
        if self.rows.is_empty() {
            return "(none)\n".to_owned();
        }
        let columns = self.head.len();
        let mut widths: Vec<usize> = (0..columns)
            .map(|c| {
                std::iter::once(width(&self.head[c])).chain(self.rows.iter().filter_map(|r| r.get(c)).map(|t| width(t))).max().unwrap_or(0)
            })
            .collect();
        let room = style.width.saturating_sub(2 * columns.saturating_sub(1));
        while widths.iter().sum::<usize>() > room {
            let Some(widest) = (0..columns).max_by_key(|&c| widths[c]).filter(|&c| widths[c] > 8) else { break };
            widths[widest] -= 1;
        }
        let mut page = Page::default();
        let row = |cells: &[String], tone: Tone| {
            let mut line = Line::new();
            for (c, cell) in cells.iter().enumerate().take(columns) {
                let last = c + 1 == columns;
                let cell = Line::of(tone, cell).fit(widths[c]);
                line = line.join(if last { cell } else { cell.pad(widths[c] + 2) });
            }
            line
        };
        page.line(row(&self.head, Tone::Dim));
        self.rows.iter().for_each(|r| page.line(row(r, Tone::Plain)));
        page.render(style)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_are_aligned_and_cut() {
        let table = Table::new(&["name", "title"]).rows(vec![vec!["a".into(), "one".into()], vec!["longer".into(), "t".repeat(90)]]);
        let text = table.render(&Style { color: false, width: 40 });
        assert!(text.starts_with("name    title\na       one\nlonger  ttt"), "{text}");
        assert!(text.lines().all(|l| width(l) <= 40), "{text}");
    }

    #[test]
    fn control_characters_do_not_get_through() {
        let text = Table::new(&["x"]).rows(vec![vec!["a\u{1b}[2Jb\nc".into()]]).render(&Style::PLAIN);
        assert!(!text.contains('\u{1b}'));
        assert_eq!(text.lines().count(), 2);
    }
}
