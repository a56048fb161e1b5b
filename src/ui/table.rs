//! A small aligned table for every command that lists something.

use super::{
    Style,
    lines::{Line, Page, Tone},
};

/// Columns between two cells.
const GAP: usize = 2;
/// A column is not made narrower than this for another one's sake.
const NARROW: usize = 8;

/// A table. The last columns may be cut to fit the width; the first one keeps its whole text as long as it can.
#[derive(Debug, Clone, Default)]
pub struct Table {
    heads: Vec<String>,
    rows: Vec<Vec<Line>>,
}

impl Table {
    /// An empty table with these column heads.
    pub fn new(heads: &[&str]) -> Self {
        Self { heads: heads.iter().map(|h| (*h).to_owned()).collect(), rows: Vec::new() }
    }

    /// Adds a row of plain cells. Missing cells are empty.
    pub fn row<T: AsRef<str>>(&mut self, cells: impl IntoIterator<Item = T>) {
        self.lines(cells.into_iter().map(|c| Line::of(Tone::Plain, c.as_ref())).collect());
    }

    /// Adds a row of cells with tones.
    pub fn lines(&mut self, cells: Vec<Line>) {
        self.rows.push(cells);
    }

    /// Whether it has no rows.
    pub fn is_empty(&self) -> bool {
        self.rows.is_empty()
    }

    /// The table as lines.
    pub fn page(&self, style: &Style) -> Page {
        let widths = self.widths(style.width);
        let mut page = Page::default();
        page.line(arrange(self.heads.iter().map(|h| Line::of(Tone::Dim, h)).collect(), &widths));
        for row in &self.rows {
            page.line(arrange(row.clone(), &widths));
        }
        page
    }

    /// The table as text.
    pub fn render(&self, style: &Style) -> String {
        self.page(style).render(style)
    }

    /// Each column as wide as its widest cell; if that is too much, the widest columns give way, later ones first.
    fn widths(&self, room: usize) -> Vec<usize> {
        let cell = |row: &Vec<Line>, n: usize| row.get(n).map_or(0, Line::width);
        let mut widths: Vec<usize> = (0..self.heads.len())
            .map(|n| self.rows.iter().map(|r| cell(r, n)).chain([super::lines::width(&self.heads[n])]).max().unwrap_or(0))
            .collect();
        let total = |w: &[usize]| w.iter().sum::<usize>() + GAP * w.len().saturating_sub(1);
        // The first column is what the row is about: it gives way only when the others have.
        while total(&widths) > room {
            let rest = (1..widths.len()).filter(|n| widths[*n] > NARROW).max_by_key(|n| (widths[*n], *n));
            let Some(n) = rest.or_else(|| widths.first().filter(|w| **w > NARROW).map(|_| 0)) else { break };
            let over = total(&widths) - room;
            let next = (1..widths.len()).filter(|m| *m != n && n > 0).map(|m| widths[m]).filter(|w| *w < widths[n]).max().unwrap_or(NARROW);
            widths[n] = widths[n].saturating_sub(over).max(next.max(NARROW)).min(widths[n] - 1);
        }
        widths
    }
}

fn arrange(cells: Vec<Line>, widths: &[usize]) -> Line {
    let mut line = Line::new();
    for (n, (cell, width)) in cells.into_iter().zip(widths).enumerate() {
        if n > 0 {
            line.push(Tone::Plain, &" ".repeat(GAP));
        }
        line.append(cell.fit(*width).pad(*width));
    }
    line
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn at(table: &Table, width: usize) -> String {
        table.render(&Style { color: false, width })
    }

    #[test]
    fn columns_are_aligned_and_cut() {
        let mut table = Table::new(&["name", "status", "what"]);
        table.row(["blog", "running", "WordPress with high availability on blog.example.org"]);
        table.row(["日本", "\u{1b}[2J", "x"]);
        table.row(["short"]);
        assert_eq!(
            at(&table, 80),
            "name   status     what\n\
             blog   running    WordPress with high availability on blog.example.org\n\
             日本   \\u{1b}[2J  x\n\
             short\n"
        );
        assert_eq!(at(&table, 40).lines().nth(1), Some("blog   running    WordPress with high a…"));
        assert_eq!(at(&Table::new(&["a", "b"]), 40), "a  b\n");
    }

    proptest! {
        #![proptest_config(ProptestConfig { cases: 64, failure_persistence: None, ..ProptestConfig::default() })]
        #[test]
        fn no_line_is_wider_than_the_screen(cells in prop::collection::vec(prop::collection::vec("[a-z日\\n ]{0,60}", 0..4), 0..6), width in 30usize..120) {
            let mut table = Table::new(&["one", "two", "three"]);
            cells.iter().for_each(|row| table.row(row));
            for line in at(&table, width).lines() {
                prop_assert!(super::super::lines::width(line) <= width);
            }
        }
    }
}
