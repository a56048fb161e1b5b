//! The rules of the map: a module imports only what stands above it in `lib.rs`; few may name the network or the database; `ui` knows
//! little; and every test file is listed.

use std::{
    collections::{BTreeMap, BTreeSet},
    path::{Path, PathBuf},
};

use regex::Regex;

use crate::support::env::repository;

/// Breaches that are known, each with the reason for which it stands. One that is gone must be taken from here.
const ALLOWED: [(&str, &str, &str); 0] = [];

fn sources(folder: &str) -> Vec<PathBuf> {
    let mut all = Vec::new();
    let mut left = vec![repository(folder)];
    while let Some(folder) = left.pop() {
        for entry in std::fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            match path.extension() {
                _ if path.is_dir() => left.push(path),
                Some(e) if e == "rs" => all.push(path),
                _ => {}
            }
        }
    }
    all.sort();
    all
}

fn shown(path: &Path) -> String {
    path.strip_prefix(repository("")).unwrap().display().to_string()
}

/// The top module of a file: `src/plan/build.rs` is in `plan`.
fn room(path: &Path) -> String {
    let inside = path.strip_prefix(repository("src")).unwrap();
    inside.iter().next().unwrap().to_str().unwrap().trim_end_matches(".rs").to_owned()
}

/// Code without comments and without tests.
fn code(path: &Path) -> String {
    let text = std::fs::read_to_string(path).unwrap();
    let text = text.split("\n#[cfg(test)]\nmod ").next().unwrap();
    text.lines().map(|l| l.split("//").next().unwrap_or_default()).collect::<Vec<_>>().join("\n")
}

fn is_test(path: &Path) -> bool {
    let name = shown(path);
    name.ends_with("tests.rs") || name.contains("/tests/") || name.ends_with("_test.rs")
}

/// `crate::a::b`, `crate::{a::b, c}`: the top modules that are named.
fn named(code: &str) -> BTreeSet<String> {
    let mut all: BTreeSet<String> = Regex::new(r"crate::([a-z_]+)").unwrap().captures_iter(code).map(|c| c[1].to_owned()).collect();
    for (at, text) in code.match_indices("crate::{") {
        let (mut depth, mut word) = (1, String::new());
        let mut fresh = true;
        for c in code[at + text.len()..].chars() {
            match c {
                '{' => depth += 1,
                '}' => depth -= 1,
                ',' if depth == 1 => fresh = true,
                _ if fresh && (c.is_ascii_lowercase() || c == '_') => word.push(c),
                _ => {}
            }
            if !(word.is_empty() || c.is_ascii_lowercase() || c == '_') {
                all.insert(std::mem::take(&mut word));
                fresh = c == ',' && depth == 1;
            }
            if depth == 0 {
                break;
            }
        }
    }
    all
}

#[test]
fn a_module_imports_only_what_stands_above_it() {
    let map = std::fs::read_to_string(repository("src/lib.rs")).unwrap();
    let order: BTreeMap<String, usize> =
        Regex::new(r"(?m)^pub mod ([a-z_]+);").unwrap().captures_iter(&map).enumerate().map(|(n, c)| (c[1].to_owned(), n)).collect();
    let mut breaches = BTreeSet::new();
    for path in sources("src").iter().filter(|p| !is_test(p)) {
        let Some(mine) = order.get(&room(path)) else { continue };
        for other in named(&code(path)) {
            let allowed = ALLOWED.iter().any(|(from, to, _)| room(path) == *from && other == *to);
            if order.get(&other).is_some_and(|o| o > mine) && !allowed {
                breaches.insert(format!("{} imports {other}, which stands below it", shown(path)));
            }
        }
    }
    assert!(breaches.is_empty(), "{breaches:#?}");
}

#[test]
fn the_map_has_a_line_for_every_module() {
    let map = std::fs::read_to_string(repository("src/lib.rs")).unwrap();
    let lines: Vec<&str> = map.lines().collect();
    for (n, line) in lines.iter().enumerate().filter(|(_, l)| l.starts_with("pub mod ")) {
        assert!(lines[n - 1].starts_with("// "), "`{line}` has no line that says what it is");
    }
}

#[test]
fn few_may_name_the_network_and_the_database() {
    let rules: [(&str, &[&str]); 4] = [
        // The sandbox is a server itself.
        ("rmcp", &["src/mcp", "src/sandbox", "src/serve"]),
        ("reqwest", &["src/llm/http", "src/mcp"]),
        ("async_openai", &["src/llm/http"]),
        ("sqlx", &["src/store"]),
    ];
    let mut breaches = Vec::new();
    for path in sources("src") {
        let (name, code) = (shown(&path), code(&path));
        for (library, rooms) in rules {
            let names = Regex::new(&format!(r"\b{library}::")).unwrap().is_match(&code);
            if names && !rooms.iter().any(|r| name.starts_with(r)) {
                breaches.push(format!("{name} names {library}"));
            }
        }
    }
    assert!(breaches.is_empty(), "{breaches:#?}");
}

#[test]
fn the_screen_knows_only_words_data_and_the_review() {
    let may = [
        "domain",
        "diagnostic",
        "event",
        "answer",
        "secret",
        "template",
        "pattern",
        "store",
        "plan",
        "review",
        "policy",
        "intent",
        "mcp",
        "ui",
    ];
    let mut breaches = Vec::new();
    for path in sources("src").iter().filter(|p| room(p) == "ui" && !is_test(p)) {
        breaches
            .extend(named(&code(path)).into_iter().filter(|m| !may.contains(&m.as_str())).map(|m| format!("{} imports {m}", shown(path))));
    }
    assert!(breaches.is_empty(), "{breaches:#?}");
}

#[test]
fn every_test_file_is_listed() {
    let listed = std::fs::read_to_string(repository("tests/main.rs")).unwrap();
    for path in sources("tests") {
        let stem = path.file_stem().unwrap().to_str().unwrap().to_owned();
        let folder = path.parent().unwrap();
        let parent = folder.with_extension("rs");
        let list = if parent.is_file() { std::fs::read_to_string(parent).unwrap() } else { listed.clone() };
        // A program of its own is listed in Cargo.toml.
        assert!(
            stem == "main" || folder.ends_with("bin") || list.contains(&format!("mod {stem}")),
            "{} is in no list of modules",
            shown(&path)
        );
    }
}
