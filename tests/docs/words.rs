//! One word per concept: the rejected ones do not occur where people read.

use std::sync::LazyLock;

use regex::Regex;

use crate::support::env::{TestEnv, repository};

/// What is not said, and what is said instead.
const REJECTED: [(&str, &str); 6] = [
    (r"\bproviders?\b", "server"),
    (r"\bstacks?\b", "deployment"),
    (r"\bstate files?\b", "state"),
    (r"\bcassettes?\b", "recording"),
    (r"\bblueprints?\b", "pattern or template"),
    (r"\bclarifications?\b", "question"),
];

/// Where the word is a value or a name that is not ours.
const ALLOWED: [&str; 8] = [
    // A parameter of the pattern dev-environment; a word that people use for it.
    "`stack`",
    "**stack**",
    "stack=",
    "stack:",
    // A tag of eval cases.
    "provider_error",
    // rustls has crypto providers, and everybody has a call stack, a TLS stack and a web stack.
    "TLS stack",
    "crypto provider",
    "stack overflow",
];

static WORDS: LazyLock<Vec<(Regex, &str)>> =
    LazyLock::new(|| REJECTED.iter().map(|(word, instead)| (Regex::new(&format!("(?i){word}")).unwrap(), *instead)).collect());

fn check(place: &str, text: &str, breaches: &mut Vec<String>) {
    for (n, line) in text.lines().enumerate() {
        let line = ALLOWED.iter().fold(line.to_owned(), |line, word| line.replace(word, ""));
        for (word, instead) in WORDS.iter() {
            if word.is_match(&line) {
                breaches.push(format!("{place}:{}: say {instead}: {}", n + 1, line.trim()));
            }
        }
    }
}

fn files(folder: &str, ending: &str) -> Vec<std::path::PathBuf> {
    let mut all = Vec::new();
    let mut left = vec![repository(folder)];
    while let Some(folder) = left.pop() {
        for path in std::fs::read_dir(folder).unwrap().map(|e| e.unwrap().path()) {
            if path.is_dir() {
                left.push(path);
            } else if path.extension().is_some_and(|e| e == ending) {
                all.push(path);
            }
        }
    }
    all
}

#[test]
fn documentation_uses_the_words() {
    let mut breaches = Vec::new();
    let mut all = files("docs", "md");
    all.extend(["README.md", "CHANGELOG.md", "CONTRIBUTING.md"].map(repository));
    for path in all {
        check(&path.display().to_string(), &std::fs::read_to_string(&path).unwrap(), &mut breaches);
    }
    assert!(breaches.is_empty(), "{breaches:#?}");
}

#[test]
fn help_uses_the_words() {
    let mut breaches = Vec::new();
    check("help", &super::help_snapshot::everything(), &mut breaches);
    assert!(breaches.is_empty(), "{breaches:#?}");
}

/// String literals of the program; the patterns' parameters and the vocabulary of the parser are other people's words.
#[test]
fn messages_use_the_words() {
    let literal = Regex::new(r#""(?:[^"\\]|\\.)*""#).unwrap();
    let mut breaches = Vec::new();
    for path in files("src", "rs") {
        let name = path.display().to_string();
        if ["src/intent/offline", "src/eval", "src/llm", "tests"].iter().any(|other| name.contains(other)) {
            continue;
        }
        let text = std::fs::read_to_string(&path).unwrap();
        let text = text.split("\n#[cfg(test)]\nmod ").next().unwrap();
        for (n, line) in text.lines().enumerate().filter(|(_, l)| !l.trim_start().starts_with("//")) {
            for found in literal.find_iter(line).filter(|f| f.as_str().contains(' ')) {
                check(&format!("{name}:{}", n + 1), found.as_str(), &mut breaches);
            }
        }
    }
    assert!(breaches.is_empty(), "{breaches:#?}");
}

#[test]
fn unknown_is_an_outcome_and_known_after_a_value() {
    let env = TestEnv::new();
    env.write(
        "t.yaml",
        "name: t\nresources:\n  - server: docker\n    type: network\n    name: a\n    properties: {}\n  - server: docker\n    type: container:run\n    name: b\n    properties: { image: \"nginx:1.28\", network: \"${docker:network:a.name}\", environment: { GATEWAY: \"${docker:network:a.gateway}\" } }\n",
    );
    env.swell(&["plan", "-f", "t.yaml", "--details"]).ok().prints("known after");
}
