use super::*;
use crate::pattern::Catalog;

fn types() -> BTreeMap<ServerName, Arc<TypeTable>> {
    ["opnsense", "aws", "docker", "kubernetes"]
        .iter()
        .map(|name| (name.parse().unwrap(), Arc::new(crate::sandbox::type_table(name))))
        .collect()
}

#[test]
fn every_shipped_pattern_is_read_without_a_word() {
    let catalog = Catalog::shipped();
    assert_eq!(catalog.problems(), []);
    let lint = |p: &Pattern| crate::pattern::parse(&p.file.name, &p.file.text).map_or_else(|all| all, |(_, warnings)| warnings);
    let said: Vec<String> = catalog
        .iter()
        .flat_map(|entry| lint(&entry.pattern))
        .map(|d| {
            format!("{}:{}: {} {}", d.source.as_ref().map_or("", |s| &s.file), d.source.as_ref().map_or(0, |s| s.line), d.code, d.detail)
        })
        .collect();
    assert_eq!(said.join("\n"), "");
    assert_eq!(catalog.iter().count(), 7);
}

#[test]
fn every_shipped_pattern_passes_its_tests() {
    let types = types();
    let mut wrong = String::new();
    for entry in Catalog::shipped().iter() {
        for result in run_tests(&entry.pattern, &types) {
            if !result.passed() {
                wrong.push_str(&format!("{} / {}:\n  {}\n", result.pattern, result.name, result.problems.join("\n  ")));
            }
        }
    }
    assert!(wrong.is_empty(), "{wrong}");
}

/// Prints what every test makes, in the form of a `waves:` block, for writing tests: `cargo test print_waves -- --ignored --nocapture`.
#[test]
#[ignore = "prints; asserts nothing"]
fn print_waves() {
    let types = types();
    for entry in Catalog::shipped().iter() {
        for result in run_tests(&entry.pattern, &types) {
            eprintln!("#### {} / {}", result.pattern, result.name);
            eprintln!("    waves:");
            for wave in &result.waves {
                eprintln!("      - [{}]", wave.join(", "));
            }
            for note in &result.notes {
                eprintln!("# note: {note}");
            }
        }
    }
}

#[test]
#[ignore = "prints; asserts nothing"]
fn print_times() {
    let start = std::time::Instant::now();
    let catalog = Catalog::shipped();
    eprintln!("catalogue {:?}", start.elapsed());
    let types = types();
    for entry in catalog.iter() {
        let start = std::time::Instant::now();
        let n = run_tests(&entry.pattern, &types).len();
        eprintln!("{} {:?} for {n} tests", entry.pattern.name, start.elapsed());
    }
}
