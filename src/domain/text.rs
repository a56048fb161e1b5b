//! Untrusted text, made safe to show: text of servers, models and files is a guest.
//!
//! The one place that does it. Terminal sequences are removed, characters that hide or reorder text become visible, and the length is
//! bounded. The result may hold line breaks and tabs, unless [`clean_line`] is used.

/// Makes text safe to show, in at most `max_chars` characters. Line breaks and tabs stay; a text that was cut ends with `…`.
pub fn clean(text: &str, max_chars: usize) -> String {
    bounded(reveal_into(&strip(text), Breaks::Keep), max_chars)
}

/// Like [`clean`], and in one line: line breaks and tabs become single spaces.
pub fn clean_line(text: &str, max_chars: usize) -> String {
    bounded(reveal_into(&strip(text), Breaks::Join), max_chars)
}

/// Makes every character visible that a terminal would act on or not show, and removes nothing. For comparing tool definitions,
/// where a hidden character is the very thing to be seen.
pub fn reveal(text: &str) -> String {
    reveal_into(text, Breaks::Keep)
}

/// Whether a person would not see this character, or would see others in another order because of it.
pub fn is_hidden(c: char) -> bool {
    matches!(u32::from(c),
        0xAD | 0x34F | 0x61C | 0x115F | 0x1160 | 0x17B4 | 0x17B5 | 0x180B..=0x180F
        | 0x200B..=0x200F | 0x2028..=0x202E | 0x2060..=0x206F | 0x2800 | 0x3164
        | 0xFE00..=0xFE0E | 0xFEFF | 0xFFA0 | 0xFFF0..=0xFFFB
        | 0x1BCA0..=0x1BCA3 | 0x1D173..=0x1D17A | 0xE0000..=0xE0FFF)
}

#[derive(Clone, Copy, PartialEq)]
enum Breaks {
    Keep,
    Join,
}

/// Removes whole terminal sequences, so that no `[31m` is left behind. An unfinished sequence ends with its line.
fn strip(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut rest = text.chars().peekable();
    while let Some(c) = rest.next() {
        let kind = match c {
            '\u{1b}' => match rest.peek() {
                Some('[') => rest.next().map(|_| '['),
                Some(']' | 'P' | 'X' | '^' | '_') => rest.next().map(|_| ']'),
                // A two-character sequence, or one with intermediate bytes such as `ESC ( B`.
                Some(c) if ('\u{20}'..='\u{2f}').contains(c) => Some(' '),
                Some(c) if ('\u{30}'..='\u{7e}').contains(c) => {
                    rest.next();
                    continue;
                }
                _ => continue,
            },
            '\u{9b}' => Some('['),
            '\u{90}' | '\u{98}' | '\u{9d}' | '\u{9e}' | '\u{9f}' => Some(']'),
            _ => {
                out.push(c);
                continue;
            }
        };
        match kind {
            Some('[') => skip_control_sequence(&mut rest),
            Some(']') => skip_control_string(&mut rest),
            _ => {
                while rest.next_if(|c| ('\u{20}'..='\u{2f}').contains(c)).is_some() {}
                rest.next_if(|c| ('\u{30}'..='\u{7e}').contains(c));
            }
        }
    }
    out
}

type Rest<'a> = std::iter::Peekable<std::str::Chars<'a>>;

/// Parameters and intermediate bytes, then one final byte.
fn skip_control_sequence(rest: &mut Rest<'_>) {
    while rest.next_if(|c| ('\u{20}'..='\u{3f}').contains(c)).is_some() {}
    rest.next_if(|c| ('\u{40}'..='\u{7e}').contains(c));
}

/// Everything up to BEL or ST. A line break ends it too: text after a forgotten end must not vanish.
fn skip_control_string(rest: &mut Rest<'_>) {
    while let Some(&c) = rest.peek() {
        if c == '\n' {
            return;
        }
        rest.next();
        match c {
            '\u{7}' | '\u{9c}' => return,
            '\u{1b}' => {
                rest.next_if_eq(&'\\');
                return;
            }
            _ => {}
        }
    }
}

fn reveal_into(text: &str, breaks: Breaks) -> String {
    let mut out = String::with_capacity(text.len());
    let mut rest = text.chars().peekable();
    let mut last = ' ';
    while let Some(c) = rest.next() {
        let is_break = matches!(c, '\n' | '\t') || (c == '\r' && rest.peek() == Some(&'\n'));
        match (is_break, breaks) {
            (true, Breaks::Keep) if c == '\r' => {}
            (true, Breaks::Keep) => out.push(c),
            (true, Breaks::Join) => {
                if !out.ends_with(' ') {
                    out.push(' ');
                }
            }
            // The emoji presentation selector belongs to the emoji before it; anywhere else it hides.
            (false, _) if c == '\u{fe0f}' && !last.is_ascii() && last != c => out.push(c),
            (false, _) if c == '\u{fe0f}' || is_hidden(c) => out.push_str(&format!("‹U+{:04X}›", u32::from(c))),
            (false, _) if c.is_control() => out.push_str(&format!("‹U+{:04X}›", u32::from(c))),
            (false, _) => out.push(c),
        }
        last = c;
    }
    out
}

fn bounded(mut text: String, max_chars: usize) -> String {
    if let Some((cut, _)) = text.char_indices().nth(max_chars) {
        let keep = text.char_indices().nth(max_chars.saturating_sub(1)).map_or(cut, |(at, _)| at);
        text.truncate(keep);
        if max_chars > 0 {
            text.push('…');
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn removes_terminal_sequences_whole() {
        assert_eq!(clean("a\x1b[31;1mred\x1b[0m b", 99), "ared b");
        assert_eq!(clean("x\x1b]8;;http://evil\x1b\\link\x1b]8;;\x07 y", 99), "xlink y");
        assert_eq!(clean("a\x1b(Bb\x1bMc\u{9b}2Jd\x1bP1$qx\x1b\\e", 99), "abcde");
        assert_eq!(clean("a\x1b]0;never ended\nnext", 99), "a\nnext");
        assert_eq!(clean("bell\x07 back\x08 cr\rover nul\0", 99), "bell‹U+0007› back‹U+0008› cr‹U+000D›over nul‹U+0000›");
    }

    #[test]
    fn shows_hidden_and_reordering_characters() {
        assert_eq!(clean("pay\u{202e}lanrev\u{200b}!", 99), "pay‹U+202E›lanrev‹U+200B›!");
        assert_eq!(clean("tag\u{e0041}", 99), "tag‹U+E0041›");
        assert_eq!(clean("ok ⚠\u{fe0f} x\u{fe0f}", 99), "ok ⚠\u{fe0f} x‹U+FE0F›");
        assert_eq!(reveal("a\x1b[1m"), "a‹U+001B›[1m");
    }

    #[test]
    fn bounds_and_joins() {
        assert_eq!(clean("äöüß", 4), "äöüß");
        assert_eq!(clean("äöüßx", 4), "äöü…");
        assert_eq!(clean("abc", 0), "");
        assert_eq!(clean_line("a\r\n\tb\nc", 99), "a b c");
        assert_eq!(clean("a\r\nb", 99), "a\nb");
    }

    proptest! {
        #[test]
        fn nothing_that_moves_the_cursor_survives(text in any::<String>(), max in 0usize..80) {
            let out = clean(&text, max);
            prop_assert!(out.chars().count() <= max);
            prop_assert!(out.chars().all(|c| c == '\n' || c == '\t' || !c.is_control()));
            prop_assert!(!out.chars().any(is_hidden));
        }
    }
}
