//! Closed word classes (`lexicon.yaml`) and where they occur in a request.
//!
//! A class is looked up by its name in the file. An unknown name simply never matches; a test checks that every name used exists.

use std::collections::{BTreeMap, HashMap, HashSet};

use super::text::{Kind, Token, phrase_key};

/// The longest phrase, in words.
const MAX_WORDS: usize = 6;

/// All word classes.
#[derive(Debug, Default)]
pub(super) struct Lexicon {
    phrases: HashMap<String, Vec<u16>>,
    classes: Vec<String>,
    /// Every single word that occurs in a class.
    pub words: HashSet<String>,
    /// Frequent English words that are never "repaired" into a technical one.
    pub common: HashSet<String>,
}

/// One occurrence of a class: tokens `start..end`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Span {
    /// First token.
    pub start: usize,
    /// One past the last token.
    pub end: usize,
}

/// Where each class occurs in one request.
#[derive(Debug, Default)]
pub(super) struct Marks {
    found: HashMap<String, Vec<Span>>,
}

impl Lexicon {
    /// Loads the embedded lexicon.
    pub fn load() -> Self {
        let classes: BTreeMap<String, Vec<String>> = serde_saphyr::from_str(include_str!("lexicon.yaml")).unwrap_or_default();
        let mut lexicon = Self::default();
        for (class, phrases) in classes {
            let id = u16::try_from(lexicon.classes.len()).unwrap_or(u16::MAX);
            lexicon.classes.push(class);
            for phrase in phrases {
                let key = phrase_key(&phrase);
                lexicon.words.extend(key.split(' ').filter(|w| w.chars().count() > 2).map(str::to_owned));
                let ids = lexicon.phrases.entry(key).or_default();
                if !ids.contains(&id) {
                    ids.push(id);
                }
            }
        }
        lexicon.common = include_str!("common.txt").split_whitespace().map(str::to_owned).collect();
        lexicon
    }

    /// Whether a word belongs to any class or is a frequent word.
    pub fn knows(&self, word: &str) -> bool {
        self.words.contains(word)
            || self.common.contains(word)
            || word.strip_suffix('s').filter(|w| !w.ends_with('s')).is_some_and(|w| self.words.contains(w) || self.common.contains(w))
    }

    /// The single words of some classes.
    pub fn words_of(&self, classes: &[&str]) -> Vec<String> {
        let wanted = |id: &u16| self.classes.get(usize::from(*id)).is_some_and(|c| classes.contains(&c.as_str()));
        let mut out: Vec<String> = self
            .phrases
            .iter()
            .filter(|(_, ids)| ids.iter().any(wanted))
            .flat_map(|(phrase, _)| phrase.split(' ').map(str::to_owned).collect::<Vec<_>>())
            .collect();
        out.sort();
        out.dedup();
        out
    }

    /// The phrases of a class.
    pub fn phrases_of(&self, class: &str) -> Vec<String> {
        let Some(id) = self.classes.iter().position(|c| c == class) else { return Vec::new() };
        self.phrases.iter().filter(|(_, ids)| ids.iter().any(|i| usize::from(*i) == id)).map(|(phrase, _)| phrase.clone()).collect()
    }

    /// Whether this phrase is in this class.
    pub fn is(&self, class: &str, phrase: &str) -> bool {
        self.phrases.get(phrase).is_some_and(|ids| ids.iter().any(|id| self.classes.get(usize::from(*id)).is_some_and(|c| c == class)))
    }

    /// Finds every class in a request; within a class the longest phrase wins.
    pub fn mark(&self, tokens: &[Token]) -> Marks {
        let mut marks = Marks::default();
        for (start, end, key) in windows(tokens) {
            let Some(ids) = self.phrases.get(&key) else { continue };
            for id in ids {
                let Some(class) = self.classes.get(usize::from(*id)) else { continue };
                if !marks.found.contains_key(class) {
                    marks.found.insert(class.clone(), Vec::new());
                }
                let Some(spans) = marks.found.get_mut(class) else { continue };
                // Windows come longest first per start, so a span that begins inside the last one is shorter.
                if spans.last().is_none_or(|last| start >= last.end) {
                    spans.push(Span { start, end });
                }
            }
        }
        // German writes "Mailserver", English "mailserver": whatever serves something else.
        for (i, token) in tokens.iter().enumerate() {
            let head = token.low.strip_suffix("servers").or_else(|| token.low.strip_suffix("server")).unwrap_or_default();
            let ours = ["", "web", "app", "db", "datenbank", "database", "application", "sql", "http"];
            if token.kind == Kind::Word && !head.contains('-') && !ours.contains(&head) && !marks.covers("foreign", i) {
                marks.add("foreign", i, i + 1);
            }
        }
        marks
    }

    #[cfg(test)]
    fn has_class(&self, name: &str) -> bool {
        self.classes.iter().any(|c| c == name)
    }
}

/// All windows of up to six tokens without punctuation, from left to right and longest first, with their phrase key.
pub(super) fn windows(tokens: &[Token]) -> impl Iterator<Item = (usize, usize, String)> + '_ {
    (0..tokens.len()).flat_map(move |start| {
        let mut keys = Vec::new();
        let mut key = String::new();
        for (i, token) in tokens.iter().enumerate().skip(start).take(MAX_WORDS) {
            if matches!(token.kind, Kind::Punct(_) | Kind::Foreign | Kind::Cron) {
                break;
            }
            if !key.is_empty() {
                key.push(' ');
            }
            key.push_str(&phrase_key(&token.low));
            keys.push((start, i + 1, key.clone()));
        }
        keys.into_iter().rev()
    })
}

impl Marks {
    /// Adds a place to a class.
    pub fn add(&mut self, class: &str, start: usize, end: usize) {
        let spans = self.found.entry(class.to_owned()).or_default();
        spans.push(Span { start, end });
        spans.sort_by_key(|s| s.start);
    }

    /// The places of a class.
    pub fn spans(&self, class: &str) -> &[Span] {
        self.found.get(class).map_or(&[], Vec::as_slice)
    }

    /// Whether a class occurs.
    pub fn any(&self, class: &str) -> bool {
        !self.spans(class).is_empty()
    }

    /// The end of the phrase of this class that begins at a token.
    pub fn at(&self, class: &str, token: usize) -> Option<usize> {
        self.spans(class).iter().find(|s| s.start == token).map(|s| s.end)
    }

    /// Whether a token lies in a phrase of this class.
    pub fn covers(&self, class: &str, token: usize) -> bool {
        self.spans(class).iter().any(|s| s.start <= token && token < s.end)
    }

    /// The first place of a class.
    #[cfg(test)]
    pub fn first(&self, class: &str) -> Option<Span> {
        self.spans(class).first().copied()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::intent::offline::text::tokenize;

    #[test]
    fn loads_and_finds_the_longest_phrase() {
        let lexicon = Lexicon::load();
        let tokens = tokenize("please roll back the Load-Balancer, ohne Rückfrage");
        let marks = lexicon.mark(&tokens);
        assert_eq!(marks.first("rollback"), Some(Span { start: 1, end: 3 }));
        assert_eq!(marks.first("infra"), Some(Span { start: 4, end: 5 }));
        assert_eq!(marks.first("bypass"), Some(Span { start: 6, end: 8 }));
        assert!(!marks.any("mundane"));
    }

    #[test]
    fn every_class_named_in_the_code_exists() {
        let lexicon = Lexicon::load();
        let pattern = regex::Regex::new(r#"(?:any|at|covers|ending_at|first|spans|is)\("([a-z_]+)""#).unwrap();
        for source in [
            include_str!("answer.rs"),
            include_str!("assemble.rs"),
            include_str!("bounds.rs"),
            include_str!("change.rs"),
            include_str!("choices.rs"),
            include_str!("counts.rs"),
            include_str!("decide.rs"),
            include_str!("dialogue.rs"),
            include_str!("edit.rs"),
            include_str!("facet.rs"),
            include_str!("faults.rs"),
            include_str!("names.rs"),
            include_str!("pick.rs"),
            include_str!("places.rs"),
            include_str!("reading.rs"),
            include_str!("recovery.rs"),
            include_str!("slots.rs"),
            include_str!("spelling.rs"),
            include_str!("targets.rs"),
            include_str!("things.rs"),
            include_str!("times.rs"),
            include_str!("verbs.rs"),
        ] {
            for found in pattern.captures_iter(source).filter(|c| c[0].contains("marks") || !c[0].starts_with("is(")) {
                // `particle` is marked by code.
                assert!(lexicon.has_class(&found[1]) || &found[1] == "particle", "no class `{}`", &found[1]);
            }
        }
    }
}
