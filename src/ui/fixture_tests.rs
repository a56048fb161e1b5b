//! The template files under `tests/fixtures/templates` and `examples`: what is valid has no problem, and what is not looks as it should.
//!
//! To write the expected texts anew, run the tests with `SWELL_BLESS=1` and read the difference.

use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
    sync::Arc,
};

use indexmap::IndexMap;

use super::{Style, render_all};
use crate::{
    domain::{Address, Scope, ServerName, TypeDef},
    template::{Found, KnownAddresses, Reading, check, check::Types, read},
};

fn root() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
}

fn files(folder: &str) -> Vec<PathBuf> {
    let mut found: Vec<PathBuf> = std::fs::read_dir(root().join(folder)).unwrap().map(|e| e.unwrap().path()).collect();
    found.retain(|p| p.extension().is_some_and(|e| e == "yaml" || e == "json"));
    found.sort();
    assert!(!found.is_empty());
    found
}

fn types() -> Types {
    let text = std::fs::read_to_string(root().join("tests/fixtures/templates/types.json")).unwrap();
    let lists: BTreeMap<ServerName, Vec<TypeDef>> = serde_json::from_str(&text).unwrap();
    let table = |all: Vec<TypeDef>| Arc::new(all.into_iter().map(|d| (d.kind.clone(), d)).collect());
    lists.into_iter().map(|(server, all)| (server, table(all))).collect()
}

/// A small world outside the template.
struct Outside;

impl KnownAddresses for Outside {
    fn find(&self, scope: &Scope, address: &Address) -> Found {
        match (scope, address.to_string().as_str()) {
            (Scope::Here, "docker:network:shared") => Found::Several(vec!["blue".parse().unwrap(), "green".parse().unwrap()]),
            (Scope::Here, a)
                if a.starts_with("aws:") || matches!(a, "opnsense:haproxy:frontend:web" | "opnsense:haproxy:backend:app-backend") =>
            {
                Found::Live
            }
            _ => Found::Nowhere,
        }
    }
}

fn problems(path: &Path) -> String {
    let text = std::fs::read_to_string(path).unwrap();
    let name = path.file_name().unwrap().to_str().unwrap();
    let Reading { template, mut problems } = read(name, &text, &IndexMap::new());
    problems.extend(template.iter().flat_map(|t| check(t, &types(), &Outside)));
    render_all(&problems, &Style { color: false, width: 100 })
}

#[test]
fn valid_templates_and_examples_have_no_problem() {
    // One is the parameters of a pattern; the other uses types that the fixture does not have, and is run in tests/cli/examples.rs.
    let others = ["pci-compliant-ecommerce.yaml", "three-systems.yaml"];
    let examples = files("examples").into_iter().filter(|p| !others.iter().any(|o| p.ends_with(o)));
    for path in files("tests/fixtures/templates/valid").into_iter().chain(examples) {
        assert_eq!(problems(&path), "", "{}", path.display());
    }
}

#[test]
fn invalid_templates_are_explained() {
    for path in files("tests/fixtures/templates/invalid") {
        let expected = path.with_extension("txt");
        let got = problems(&path);
        if std::env::var_os("SWELL_BLESS").is_some() {
            std::fs::write(&expected, &got).unwrap();
        }
        assert_eq!(got, std::fs::read_to_string(&expected).unwrap_or_default(), "{}", path.display());
    }
}

#[test]
fn the_parameters_of_the_shop_are_those_of_the_mission() {
    let text = std::fs::read_to_string(root().join("examples/pci-compliant-ecommerce.yaml")).unwrap();
    let parameters: serde_json::Value = serde_saphyr::from_str(&text).unwrap();
    assert_eq!(
        parameters,
        serde_json::json!({
            "appName": "store", "domain": "shop.example.com", "paymentProcessor": "stripe", "databases": ["postgres", "redis"],
            "monitoring": true, "backup": {"enabled": true, "schedule": "0 2 * * *", "retention": 30}
        })
    );
}
