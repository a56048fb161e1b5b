//! Whether a text that ends with Enter goes on: JSON with an open bracket, YAML with an open key. Without this, a template that is pasted
//! on a terminal without bracketed paste would be torn into a turn for each line.

use std::cell::Cell;

/// Decides for one prompt. Lines that came at once (a paste) are taken as they are when they are whole; a template that is typed line by
/// line ends with an empty line.
#[derive(Debug, Default)]
pub struct Unfinished {
    lines: Cell<usize>,
}

impl Unfinished {
    /// Forgets what it saw; for a new prompt.
    pub fn reset(&self) {
        self.lines.set(0);
    }

    /// Whether more has to come. Called once for each Enter, with all that was typed.
    pub fn wants_more(&self, text: &str) -> bool {
        let lines = text.matches('\n').count() + 1;
        let at_once = lines > self.lines.replace(lines) + 1;
        let text = text.trim_start();
        if text.starts_with(['{', '[']) {
            return is_open(text) && !text.ends_with("\n\n");
        }
        let first = text.lines().next().unwrap_or_default();
        if !begins_yaml(first) || text.ends_with('\n') {
            return false;
        }
        let last = text.lines().next_back().unwrap_or_default().trim_end();
        !at_once || last.ends_with([':', '-', '|', '>']) || is_open(text)
    }
}

/// The first line of a template in YAML: one of its own keys, or a document's mark.
fn begins_yaml(line: &str) -> bool {
    let line = line.trim_end();
    line == "---" || ["name:", "resources:", "variables:", "outputs:"].iter().any(|key| line.starts_with(key))
}

/// Whether a bracket or a quotation mark of JSON is still open.
fn is_open(text: &str) -> bool {
    let (mut depth, mut quoted, mut escaped) = (0usize, false, false);
    for c in text.chars() {
        match c {
            _ if escaped => escaped = false,
            '\\' if quoted => escaped = true,
            '"' => quoted = !quoted,
            '{' | '[' if !quoted => depth += 1,
            '}' | ']' if !quoted => depth = depth.saturating_sub(1),
            _ => {}
        }
    }
    depth > 0 || quoted
}

/// Whether a turn is a template and not words.
pub fn is_template(text: &str) -> bool {
    let text = text.trim_start();
    let json = text.starts_with('{') && text.contains("\"resources\"");
    let yaml = begins_yaml(text.lines().next().unwrap_or_default()) && text.lines().any(|l| l.starts_with("resources:"));
    json || yaml
}

#[cfg(test)]
mod tests {
    use super::*;

    fn typed(lines: &[&str]) -> Vec<bool> {
        let one = Unfinished::default();
        (0..lines.len()).map(|n| one.wants_more(&lines[..=n].join("\n"))).collect()
    }

    #[test]
    fn words_are_whole_at_once() {
        assert_eq!(typed(&["deploy WordPress on blog.example.org"]), [false]);
        assert_eq!(typed(&["name the blog: shop"]), [false]);
        assert_eq!(typed(&["{not json}"]), [false]);
        assert_eq!(typed(&["why? it says \"timeout"]), [false]);
    }

    #[test]
    fn json_ends_with_its_last_bracket() {
        assert_eq!(typed(&["{", "\"name\": \"a{\",", "\"resources\": []", "}"]), [true, true, true, false]);
        assert_eq!(typed(&["{", ""]), [true, true]);
        assert_eq!(typed(&["{", "", ""]), [true, true, false]);
    }

    #[test]
    fn yaml_typed_line_by_line_ends_with_an_empty_line() {
        assert_eq!(typed(&["name: dev", "resources:", "  - server: docker", ""]), [true, true, true, false]);
    }

    #[test]
    fn pasted_yaml_is_whole_unless_it_visibly_goes_on() {
        assert!(!Unfinished::default().wants_more("name: dev\nresources:\n  - server: docker"));
        assert!(Unfinished::default().wants_more("name: dev\nresources:"));
        assert!(Unfinished::default().wants_more("name: dev\nresources: ["));
    }

    #[test]
    fn templates_are_known() {
        assert!(is_template("name: dev\nresources:\n  - server: docker"));
        assert!(is_template("{\"name\": \"dev\", \"resources\": []}"));
        assert!(!is_template("name the resources: all"));
        assert!(!is_template("deploy {\"resources\"}"));
    }
}
