//! Typo repair against a closed vocabulary: only words that nobody knows, only when one technical word is near.

use std::collections::{HashMap, HashSet};

use super::lexicon::Lexicon;
use super::text::{Kind, Token};

/// The words that a typo may have been meant for, by first letter.
#[derive(Debug, Default)]
pub(super) struct Speller {
    by_letter: HashMap<char, Vec<(String, u32)>>,
    all: HashSet<String>,
}

/// Which letters a word has, as bits; two words at distance two differ in at most four.
fn letters(word: &str) -> u32 {
    word.bytes().filter(u8::is_ascii_lowercase).fold(0, |bits, b| bits | 1 << (b - b'a'))
}

impl Speller {
    /// Collects a vocabulary.
    pub fn new<'a>(words: impl Iterator<Item = &'a str>) -> Self {
        let mut speller = Self::default();
        for word in words {
            if word.len() >= 4
                && word.bytes().all(|b| b.is_ascii_lowercase())
                && speller.all.insert(word.to_owned())
                && let Some(first) = word.chars().next()
            {
                speller.by_letter.entry(first).or_default().push((word.to_owned(), letters(word)));
            }
        }
        for words in speller.by_letter.values_mut() {
            words.sort();
        }
        speller
    }

    /// Repairs the words of a request, except those that `exempt` names.
    pub fn repair(&self, tokens: &mut [Token], lexicon: &Lexicon, exempt: &HashSet<String>) {
        let mut after_name = false;
        for token in tokens {
            if token.kind != Kind::Word {
                continue;
            }
            let skip = after_name;
            after_name = ["called", "named", "name", "llamada", "llamado", "namens", "nomme", "nommee", "nom", "nombre"]
                .contains(&token.low.as_str());
            if skip || exempt.contains(&token.low) || lexicon.knows(&token.low) || self.all.contains(&token.low) {
                continue;
            }
            let proper = token.raw.starts_with(char::is_uppercase) && token.start > 0;
            if let Some(word) = self.nearest(&token.low, proper) {
                token.low = word.to_owned();
            }
        }
    }

    fn nearest(&self, word: &str, proper: bool) -> Option<&str> {
        let length = word.len();
        if length < 4
            || (proper && length < 7)
            || !word.bytes().all(|b| b.is_ascii_lowercase())
            || (!word.ends_with("ss") && self.all.contains(word.strip_suffix('s').unwrap_or(word)))
        {
            return None;
        }
        let allowed = if length >= 8 && !proper { 2 } else { 1 };
        let bits = letters(word);
        let mut best: Option<(usize, &str)> = None;
        let mut tie = false;
        let mut initials: Vec<char> = word.chars().take(2).collect();
        initials.dedup();
        for initial in initials {
            for (candidate, candidate_bits) in self.by_letter.get(&initial).into_iter().flatten() {
                if candidate.len().abs_diff(length) > allowed || (bits ^ candidate_bits).count_ones() as usize > 2 * allowed {
                    continue;
                }
                let distance = strsim::osa_distance(word, candidate);
                // Short words are near to many; only a swap of two letters, or one letter more or less, is a typo of them.
                let short_change = length < 6 && candidate.len() == length && bits != *candidate_bits;
                // `scaled` is no typo of `scale`: words that differ in their ending only are other words.
                let stem = length.min(candidate.len()) - 1;
                let doubled = word
                    .strip_prefix(candidate.as_str())
                    .is_some_and(|rest| candidate.ends_with(rest) && rest != "s" || candidate.ends_with('s') && rest == "s");
                let ending = !doubled && length >= candidate.len() && word.as_bytes()[..stem] == candidate.as_bytes()[..stem];
                // `maximun`: the two nasals at the end of a long word are one word misspelt.
                let nasal = length == candidate.len() && length >= 7 && word.ends_with(['m', 'n']) && candidate.ends_with(['m', 'n']);
                if distance == 0 || distance > allowed || short_change || ending && !nasal {
                    continue;
                }
                match best {
                    Some((d, _)) if distance > d => {}
                    Some((d, b)) if distance == d => tie = tie || b.trim_end_matches('s') != candidate.trim_end_matches('s'),
                    _ => {
                        best = Some((distance, candidate));
                        tie = false;
                    }
                }
            }
        }
        best.filter(|(d, _)| !tie || *d == 1).map(|(_, w)| w)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::intent::offline::text::tokenize;

    fn repaired(text: &str) -> Vec<String> {
        let lexicon = Lexicon::load();
        let speller = Speller::new(["replicas", "wordpress", "deploy", "database", "nodes", "sites", "domain"].into_iter());
        let mut tokens = tokenize(text);
        speller.repair(&mut tokens, &lexicon, &HashSet::from(["nodus".to_owned()]));
        tokens.into_iter().map(|t| t.low).collect()
    }

    #[test]
    fn repairs_typos_and_nothing_else() {
        assert_eq!(repaired("depoly wordpess with relpicas"), ["deploy", "wordpress", "with", "replicas"]);
        assert_eq!(repaired("nodus keeps notes"), ["nodus", "keeps", "notes"]);
        assert_eq!(repaired("an app called databse"), ["an", "app", "called", "databse"]);
    }
}
