//! Every code that Swell can utter, with its fixed words: one code, one summary.

use std::collections::BTreeMap;

use regex::Regex;

use crate::support::env::repository;

/// Codes and summaries as they stand in the source.
fn utterances() -> BTreeMap<String, Vec<String>> {
    let made = Regex::new(r#"Diagnostic::(?:error|warning|bug)\(\s*"([a-z:-]+)",\s*(?:"((?:[^"\\]|\\.)*)"|([^")]*))"#).unwrap();
    let mut all: BTreeMap<String, Vec<String>> = BTreeMap::new();
    let mut left = vec![repository("src")];
    while let Some(folder) = left.pop() {
        for path in std::fs::read_dir(folder).unwrap().map(|e| e.unwrap().path()) {
            if path.is_dir() {
                left.push(path);
                continue;
            }
            let name = path.display().to_string();
            if !name.ends_with(".rs") || name.ends_with("tests.rs") || name.contains("/tests/") || name.ends_with("fixtures.rs") {
                continue;
            }
            let text = std::fs::read_to_string(&path).unwrap();
            let text = text.split("\n#[cfg(test)]\nmod ").next().unwrap();
            for found in made.captures_iter(text) {
                let summary = found.get(2).map_or("(made where it is said)", |m| m.as_str()).to_owned();
                let summaries = all.entry(found[1].to_owned()).or_default();
                if !summaries.contains(&summary) {
                    summaries.push(summary);
                }
            }
        }
    }
    all.values_mut().for_each(|s| s.sort());
    all
}

#[test]
fn every_diagnostic_that_can_be_said() {
    let page: String = utterances().iter().map(|(code, summaries)| format!("{code}: {}\n", summaries.join(" | "))).collect();
    insta::assert_snapshot!("diagnostics", page);
}

/// The summary is fixed words: no names, no values, no full stop.
#[test]
fn summaries_are_fixed_words() {
    for (code, summaries) in utterances() {
        for summary in summaries {
            assert!(!summary.contains('{') && !summary.ends_with('.'), "{code}: {summary}");
        }
    }
}

#[test]
fn a_code_has_one_summary() {
    let several: Vec<_> = utterances().into_iter().filter(|(_, s)| s.len() > 1).collect();
    assert!(several.is_empty(), "{several:#?}");
}
