//! The parser as a whole, on sentences of our own, with the shipped patterns' metadata.

use std::sync::LazyLock;

use serde::Deserialize;

use super::*;
use crate::intent::{CatalogParameter, Holds};

#[derive(Deserialize)]
struct Entry {
    name: String,
    title: String,
    runbook: bool,
    words: Vec<String>,
    examples: Vec<String>,
    parameters: Vec<Parameter>,
}

#[derive(Deserialize)]
struct Parameter {
    name: String,
    required: bool,
    holds: Holds,
    schema: serde_json::Value,
    words: Vec<String>,
    ask: String,
}

/// The metadata of the shipped patterns.
fn shipped_catalog_for_tests() -> Vec<CatalogEntry> {
    let entries: Vec<Entry> = serde_saphyr::from_str(include_str!("test_catalog.yaml")).unwrap();
    entries
        .into_iter()
        .map(|e| CatalogEntry {
            name: e.name,
            title: e.title,
            runbook: e.runbook,
            words: e.words,
            examples: e.examples,
            parameters: e
                .parameters
                .into_iter()
                .map(|p| CatalogParameter {
                    name: p.name,
                    schema: p.schema,
                    required: p.required,
                    words: p.words,
                    ask: p.ask,
                    holds: p.holds,
                })
                .collect(),
        })
        .collect()
}

static PARSER: LazyLock<OfflineParser> = LazyLock::new(|| OfflineParser::new(&shipped_catalog_for_tests()));

/// Prints prediction lines for a file of cases: `CASES=file cargo test --lib predict -- --ignored --nocapture`.
#[test]
#[ignore = "a tool for measuring"]
fn predict() {
    let parser = &*PARSER;
    let began = std::time::Instant::now();
    let _again = OfflineParser::new(&shipped_catalog_for_tests());
    eprintln!("construction {:?}", began.elapsed());
    let path = std::env::var("CASES").unwrap();
    let mut out = String::new();
    for line in std::fs::read_to_string(path).unwrap().lines().filter(|l| !l.trim().is_empty()) {
        let case: serde_json::Value = serde_json::from_str(line).unwrap();
        let (text, world) = crate::intent::world_from_case(&case);
        let began = std::time::Instant::now();
        let frame = parser.parse(&text, &world);
        let ms = began.elapsed().as_secs_f64() * 1000.0;
        out.push_str(&crate::intent::prediction(case["id"].as_str().unwrap(), &frame, ms).to_string());
        out.push('\n');
    }
    std::fs::write(std::env::var("PRED").unwrap(), out).unwrap();
}
