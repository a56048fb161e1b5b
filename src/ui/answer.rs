//! What a person types below a review. Only exactly `y` or `yes` approves; whatever is not understood is guidance, never a yes.

/// An answer as it was typed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ParsedAnswer {
    /// `y`, `yes`.
    Yes,
    /// `n`, `no`, `q`, `quit`, `cancel`.
    No,
    /// `d`, `details`.
    Details,
    /// `g`, `graph`.
    Graph,
    /// `e name=value …`, or `name=value …` alone. Empty if no pair was given.
    Edit(Vec<(String, String)>),
    /// `s PATH`. Empty if no path was given.
    Save(String),
    /// Anything else.
    Say(String),
    /// Nothing was typed: ask again.
    Again,
}

/// Reads an answer.
///
/// ```
/// use swell::ui::answer::{parse_answer, ParsedAnswer};
/// assert_eq!(parse_answer(" YES "), ParsedAnswer::Yes);
/// assert_eq!(parse_answer("yes but smaller"), ParsedAnswer::Say("yes but smaller".into()));
/// assert_eq!(parse_answer("e replicas=4"), ParsedAnswer::Edit(vec![("replicas".into(), "4".into())]));
/// ```
pub fn parse_answer(text: &str) -> ParsedAnswer {
    let text = text.trim();
    let say = || ParsedAnswer::Say(text.to_owned());
    match text.to_ascii_lowercase().as_str() {
        "" => return ParsedAnswer::Again,
        "y" | "yes" => return ParsedAnswer::Yes,
        "n" | "no" | "q" | "quit" | "cancel" => return ParsedAnswer::No,
        "d" | "details" => return ParsedAnswer::Details,
        "g" | "graph" => return ParsedAnswer::Graph,
        "e" | "edit" => return ParsedAnswer::Edit(Vec::new()),
        "s" | "save" => return ParsedAnswer::Save(String::new()),
        _ => {}
    }
    let Some(words) = words(text) else { return say() };
    let first = words[0].to_ascii_lowercase();
    match (first.as_str(), &words[1..]) {
        ("s", [path]) => ParsedAnswer::Save(path.clone()),
        // `save it` and `save money` are words to us, `save plan.json` is a file.
        ("save", [path]) if path.contains(['.', '/', '\\']) => ParsedAnswer::Save(path.clone()),
        ("e" | "edit", rest) => pairs(rest).map_or_else(say, ParsedAnswer::Edit),
        _ => pairs(&words).map_or_else(say, ParsedAnswer::Edit),
    }
}

/// All words as `name=value`; none if one of them is not.
fn pairs(words: &[String]) -> Option<Vec<(String, String)>> {
    words
        .iter()
        .map(|w| {
            let (name, value) = w.split_once('=')?;
            let fits = name.starts_with(|c: char| c.is_ascii_alphabetic())
                && name.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '_' | '-' | '.' | '[' | ']'));
            // `a==b` and `a=>b` are no assignments.
            (fits && !value.starts_with(['=', '>'])).then(|| (name.to_owned(), value.to_owned()))
        })
        .collect()
}

/// Splits at spaces outside of quotation marks; none if a quotation mark is never closed.
fn words(text: &str) -> Option<Vec<String>> {
    let mut words = Vec::new();
    let (mut word, mut quote, mut open) = (String::new(), None, false);
    for c in text.chars() {
        match (quote, c) {
            (Some(q), c) if c == q => quote = None,
            (Some(_), c) => word.push(c),
            // An apostrophe within a word is a letter: `don't`.
            (None, '"') => (quote, open) = (Some(c), true),
            (None, '\'') if word.is_empty() || word.ends_with('=') => (quote, open) = (Some(c), true),
            (None, c) if c.is_whitespace() => {
                if open || !word.is_empty() {
                    words.push(std::mem::take(&mut word));
                }
                open = false;
            }
            (None, c) => word.push(c),
        }
    }
    if open || !word.is_empty() {
        words.push(word);
    }
    (quote.is_none() && !words.is_empty()).then_some(words)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn say(text: &str) -> ParsedAnswer {
        ParsedAnswer::Say(text.into())
    }

    fn edit(pairs: &[(&str, &str)]) -> ParsedAnswer {
        ParsedAnswer::Edit(pairs.iter().map(|(a, b)| ((*a).to_owned(), (*b).to_owned())).collect())
    }

    #[test]
    fn single_keys() {
        use ParsedAnswer::*;
        let typed = ["y", "Yes", "n", "NO", "d", "g", "", "  ", "e", "s", "q"];
        let want = [Yes, Yes, No, No, Details, Graph, Again, Again, Edit(vec![]), Save(String::new()), No];
        assert_eq!(typed.map(parse_answer), want);
    }

    #[test]
    fn a_yes_with_anything_beside_it_is_no_yes() {
        for text in ["yes but smaller", "y, but two replicas", "y y", "yess", "ok", "yes!", "ｙ", "y\u{200b}", "\"y\""] {
            assert_eq!(parse_answer(text), say(text.trim()), "{text}");
        }
    }

    #[test]
    fn edits() {
        assert_eq!(parse_answer("e replicas=4 title=\"My Blog\""), edit(&[("replicas", "4"), ("title", "My Blog")]));
        assert_eq!(parse_answer("backup.enabled=false"), edit(&[("backup.enabled", "false")]));
        assert_eq!(parse_answer("edit url=https://x/?a=b"), edit(&[("url", "https://x/?a=b")]));
        assert_eq!(parse_answer("e name=''"), edit(&[("name", "")]));
        for text in ["edit the domain", "e replicas=4 and make it bigger", "a==b", "set x = 4", "e title=\"open"] {
            assert_eq!(parse_answer(text), say(text), "{text}");
        }
    }

    #[test]
    fn saves() {
        assert_eq!(parse_answer("s plan"), ParsedAnswer::Save("plan".into()));
        assert_eq!(parse_answer("save \"my plans/p 1.json\""), ParsedAnswer::Save("my plans/p 1.json".into()));
        assert_eq!(parse_answer("save money by using smaller nodes"), say("save money by using smaller nodes"));
        assert_eq!(parse_answer("don't touch the database"), say("don't touch the database"));
    }

    proptest! {
        #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]
        #[test]
        fn only_y_and_yes_approve(text in "\\PC{0,12}|[yesYES \\t\"'=]{0,6}") {
            let yes = matches!(text.trim().to_ascii_lowercase().as_str(), "y" | "yes");
            prop_assert_eq!(parse_answer(&text) == ParsedAnswer::Yes, yes);
        }
    }
}
