//! Slices in expressions, `x[a:b]`, for finding out which variables an expression uses.
//!
//! minijinja's own answer leaves out what is sliced. So it is also asked about the same expression with each slice written as a plain
//! subscript, which uses the same variables. What comes of this is only looked at, never evaluated.

/// An expression without slices that uses the same variables; nothing if it has no slice.
pub fn unsliced(expression: &str) -> Option<String> {
    let mut out = String::with_capacity(expression.len() + 16);
    let found = rewrite(expression, &mut out);
    found.then_some(out)
}

/// The same for a template: only what stands between `{{ }}` and `{% %}` is looked at.
pub fn unsliced_template(template: &str) -> Option<String> {
    let mut out = String::with_capacity(template.len() + 16);
    let (mut rest, mut found) = (template, false);
    while let Some((at, closing)) = next_tag(rest) {
        let (before, tag) = rest.split_at(at);
        let end = end_of(&tag[2..], closing).map_or(tag.len(), |n| n + 2);
        out.push_str(before);
        out.push_str(&tag[..2]);
        found |= rewrite(&tag[2..end], &mut out);
        rest = &tag[end..];
    }
    out.push_str(rest);
    found.then_some(out)
}

fn next_tag(text: &str) -> Option<(usize, &'static str)> {
    let tags = [("{{", "}}"), ("{%", "%}")];
    tags.iter().filter_map(|(open, close)| text.find(open).map(|at| (at, *close))).min()
}

/// Where a tag ends: before its closing mark, outside of strings.
fn end_of(tag: &str, closing: &str) -> Option<usize> {
    let mut quote = Quote::default();
    tag.char_indices().find(|(at, c)| !quote.holds(*c) && tag[*at..].starts_with(closing)).map(|(at, _)| at)
}

/// Whether a character stands in a string.
#[derive(Default)]
struct Quote {
    open: Option<char>,
    escaped: bool,
}

impl Quote {
    fn holds(&mut self, c: char) -> bool {
        match self.open {
            Some(_) if self.escaped => self.escaped = false,
            Some(_) if c == '\\' => self.escaped = true,
            Some(open) if c == open => self.open = None,
            Some(_) => {}
            None if matches!(c, '"' | '\'') => self.open = Some(c),
            None => return false,
        }
        true
    }
}

/// `x[a:b]` becomes `x[(a)+(b)]`; an end that is not given becomes 0.
fn rewrite(expression: &str, out: &mut String) -> bool {
    let mut quote = Quote::default();
    // Of each open bracket: which it is, and where in `out` the part begins that a colon would end, once there was one.
    let mut open: Vec<(char, usize, bool)> = Vec::new();
    let mut found = false;
    let close = |out: &mut String, begin: usize| {
        let part = out.split_off(begin);
        let part = if part.trim().is_empty() { "0".to_owned() } else { part };
        out.push_str(&format!("({part})"));
    };
    for c in expression.chars() {
        if quote.holds(c) {
            out.push(c);
            continue;
        }
        match c {
            '(' | '[' | '{' => {
                out.push(c);
                open.push((c, out.len(), false));
                continue;
            }
            ':' => {
                if let Some(('[', begin, sliced)) = open.last_mut() {
                    close(out, *begin);
                    out.push('+');
                    (*begin, *sliced, found) = (out.len(), true, true);
                    continue;
                }
            }
            ')' | ']' | '}' => {
                if let Some((_, begin, true)) = open.pop() {
                    close(out, begin);
                }
            }
            _ => {}
        }
        out.push(c);
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_slice_becomes_a_subscript() {
        for (from, to) in [
            ("token[:32]", "token[(0)+(32)]"),
            ("a.b[x:y].c", "a.b[(x)+(y)].c"),
            ("a[::n]", "a[(0)+(0)+(n)]"),
            ("a[b[1:]:c]", "a[(b[(1)+(0)])+(c)]"),
            ("a[{'k': v}['k']:2]", "a[({'k': v}['k'])+(2)]"),
        ] {
            assert_eq!(unsliced(from).as_deref(), Some(to), "{from}");
        }
    }

    #[test]
    fn what_is_no_slice_stays() {
        for text in ["a[0]", "{'a': b}", "a['x:y']", r#"a["\"[:1]"]"#, "f(a, b) if c else d"] {
            assert_eq!(unsliced(text), None, "{text}");
        }
    }

    #[test]
    fn a_template_is_rewritten_within_its_tags_only() {
        assert_eq!(unsliced_template("[1:2] it's {{ a[:2] }}:{{ b }}"), Some("[1:2] it's {{ a[(0)+(2)] }}:{{ b }}".into()));
        assert_eq!(unsliced_template("{% if '%}[:' == x[1:] %}y{% endif %}"), Some("{% if '%}[:' == x[(1)+(0)] %}y{% endif %}".into()));
        assert_eq!(unsliced_template("[1:2] {{ a }}"), None);
    }
}
