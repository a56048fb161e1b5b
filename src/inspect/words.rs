//! Words and rows of answers: guests' text in quotes, lists in one line, columns under each other. Pure, but for the redactor.

use serde_json::Value;
use unicode_width::UnicodeWidthStr;

use crate::{
    app::App,
    domain::{Address, text::clean_line},
    plan::{Change, Shown},
    store::Recorded,
    ui::value,
};

/// Text of a server, without known secrets, in one line of at most `max` characters.
pub(super) fn guest(app: &App, text: &str, max: usize) -> String {
    clean_line(&app.secrets().redactor().text(text), max)
}

/// A value of a server or of the record, in one line, without secrets.
pub(super) fn shown(app: &App, value: &Value) -> String {
    guest(app, &value::inline(value), 160)
}

/// A property or output of a recorded resource; sensitive ones are never shown.
pub(super) fn property(app: &App, recorded: &Recorded, name: &str, value: &Value) -> String {
    if recorded.sensitive.iter().any(|s| s == name) || value::holds_secret(recorded.desired.get(name).unwrap_or(&Value::Null)) {
        return value::SECRET.to_owned();
    }
    shown(app, value)
}

/// One side of a change, without secrets.
pub(super) fn side(app: &App, shown: &Shown) -> String {
    guest(app, &value::text(shown), 120)
}

/// `port: 443 -> 8443`, recorded (or before) first.
pub(super) fn change(app: &App, change: &Change) -> String {
    format!("{}: {} -> {}", guest(app, &change.path.to_string(), 80), side(app, &change.before), side(app, &change.after))
}

/// `1 resource`, `3 resources`.
pub(super) fn count(n: usize, one: &str, many: &str) -> String {
    format!("{n} {}", if n == 1 { one } else { many })
}

/// The form of a word that fits a number.
pub(super) fn form(n: usize, one: &'static str, many: &'static str) -> &'static str {
    if n == 1 { one } else { many }
}

/// At most `max` of them in one line, and how many more there are.
pub(super) fn list<T: ToString>(all: &[T], max: usize) -> String {
    let mut parts: Vec<String> = all.iter().take(max).map(ToString::to_string).collect();
    if all.len() > max {
        parts.push(format!("{} more", all.len() - max));
    }
    match parts.as_slice() {
        [] => String::new(),
        [one] => one.clone(),
        [rest @ .., last] => format!("{} and {last}", rest.join(", ")),
    }
}

/// Short names of addresses, whole ones where two share a name.
pub(super) fn names(all: &[&Address]) -> Vec<String> {
    let twice = |a: &Address| all.iter().filter(|b| b.name == a.name).count() > 1;
    all.iter().map(|a| if twice(a) { a.to_string() } else { a.name.to_string() }).collect()
}

/// Rows with columns under each other, indented by two. The last column is not padded.
pub(super) fn rows(cells: &[Vec<String>]) -> Vec<String> {
    let columns = cells.iter().map(Vec::len).max().unwrap_or(0);
    let wide: Vec<usize> = (0..columns).map(|c| cells.iter().filter_map(|r| r.get(c)).map(|t| t.width()).max().unwrap_or(0)).collect();
    let line = |row: &Vec<String>| {
        let mut text = String::from(" ");
        for (c, cell) in row.iter().enumerate() {
            let gap = if c == 0 { 1 } else { 2 };
            text.push_str(&" ".repeat(gap));
            text.push_str(cell);
            text.push_str(&" ".repeat(wide[c].saturating_sub(cell.width())));
        }
        text.trim_end().to_owned()
    };
    cells.iter().map(line).collect()
}

/// The words of a request, in small letters; names with `-`, `:`, `.` and `_` in them stay whole.
pub(super) fn tokens(text: &str) -> Vec<String> {
    let inner = |c: char| c.is_alphanumeric() || matches!(c, '-' | ':' | '.' | '_');
    text.to_lowercase()
        .split(|c: char| !inner(c))
        .map(|w| w.trim_matches(|c: char| !c.is_alphanumeric()).to_owned())
        .filter(|w| !w.is_empty())
        .collect()
}

/// `minInstances` and `backup.schedule` as words: `min instances`, `backup schedule`.
pub(super) fn apart(name: &str) -> String {
    let mut out = String::new();
    let mut before = ' ';
    for c in name.chars() {
        if c.is_uppercase() && before.is_lowercase() {
            out.push(' ');
        }
        out.push(if matches!(c, '.' | '_' | '-' | ':') { ' ' } else { c.to_ascii_lowercase() });
        before = c;
    }
    out
}

/// Whether the words of `phrase` stand side by side in the request. A plural `s` makes no difference.
pub(super) fn says(request: &[String], phrase: &str) -> bool {
    let wanted: Vec<&str> = phrase.split_whitespace().collect();
    let same = |a: &str, b: &str| a == b || a.strip_suffix('s') == Some(b) || b.strip_suffix('s') == Some(a);
    !wanted.is_empty() && request.windows(wanted.len()).any(|w| w.iter().zip(&wanted).all(|(a, b)| same(a, b)))
}

/// Whether a text names something as a whole word: `blog-db-1` is not in `blog-db-10`.
pub(super) fn mentions(text: &str, name: &str) -> bool {
    let part = |c: char| c.is_alphanumeric() || c == '-' || c == '_';
    !name.is_empty()
        && text
            .match_indices(name)
            .any(|(at, _)| !text[..at].chars().next_back().is_some_and(part) && !text[at + name.len()..].chars().next().is_some_and(part))
}

/// `2026-11-23 08:00 UTC`.
pub(super) fn when(at: crate::domain::Timestamp) -> String {
    at.strftime("%Y-%m-%d %H:%M UTC").to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_found_as_whole_words() {
        assert!(mentions("cannot reach blog-db-1: refused", "blog-db-1"));
        assert!(!mentions("cannot reach blog-db-10: refused", "blog-db-1"));
        assert!(!mentions("my-blog-db-1", "blog-db-1"));
        assert!(!mentions("anything", ""));
    }

    #[test]
    fn phrases_are_found_side_by_side() {
        let request = tokens("Which payment provider does `shop` use, and how many web servers?");
        assert!(says(&request, "payment provider") && says(&request, "web server"));
        assert!(!says(&request, "provider payment"));
        assert_eq!((apart("minInstances"), apart("backup.schedule")), ("min instances".into(), "backup schedule".into()));
    }

    #[test]
    fn rows_are_aligned() {
        assert_eq!(rows(&[vec!["a".into(), "one".into()], vec!["longer".into(), "two".into()]]), ["  a       one", "  longer  two"]);
    }

    #[test]
    fn lists_end_with_how_many_are_left_out() {
        assert_eq!(list(&["a", "b", "c"], 2), "a, b and 1 more");
        assert_eq!(list(&["a"], 2), "a");
    }
}
