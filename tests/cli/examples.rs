//! The examples of the repository: each is applied, has nothing left to do, and leaves the world as it was.

use crate::support::env::{TestEnv, YES, repository, text};

fn round_trip(name: &str, arguments: &[&str]) {
    let env = TestEnv::new();
    let before = env.world();
    env.swell_all(&[&["apply"], arguments, &YES]).ok();
    env.settled(name);
    env.swell(&["drift", name, "--exit-code"]).code(0);
    env.swell(&["destroy", name, "--yes", "--max-destroy", "99"]).ok();
    // The last snapshot of a database is kept on purpose: it is what brings the data back.
    let left: Vec<String> = env.world().into_keys().filter(|a| !before.contains_key(a) && !a.contains(":rds:snapshot:")).collect();
    assert_eq!(left, Vec::<String>::new(), "{name} leaves something behind");
    let _ = env.sound();
}

#[test]
fn dev_environment() {
    round_trip("dev-environment", &["-f", text(&repository("examples/dev-environment.yaml"))]);
}

#[test]
fn production_app() {
    round_trip("production-app", &["-f", text(&repository("examples/production-app.json"))]);
}

#[test]
fn a_template_in_json_is_no_saved_plan() {
    let env = TestEnv::new();
    let file = repository("examples/production-app.json");
    env.swell_all(&[&["apply", text(&file)], &YES]).ok();
    env.settled("production-app");
}

#[test]
fn three_systems() {
    round_trip("three-systems", &["-f", text(&repository("examples/three-systems.yaml"))]);
}

#[test]
fn load_balanced_web_app() {
    round_trip("shop-deployment", &["-f", text(&repository("examples/load-balanced-web-app.yaml"))]);
}

#[test]
fn pci_compliant_ecommerce() {
    let file = repository("examples/pci-compliant-ecommerce.yaml");
    let env = TestEnv::new();
    env.swell_all(&[&["apply", "--pattern", "pci-compliant-ecommerce", "--params-file", text(&file)], &YES]).ok();
    env.settled("store");
    let ran = env.swell(&["destroy", "store", "--yes", "--max-destroy", "99"]);
    // The audit bucket is locked: a destroy either takes it away or says why it stays.
    assert!(ran.code == 0 || ran.code == 3 || ran.code == 1, "{ran}");
    let _ = env.sound();
}

#[test]
fn every_pattern_of_the_catalogue_with_its_least() {
    for (pattern, arguments) in [
        ("load-balanced-web-app", &["-p", "domain=shop.example.com"][..]),
        ("secure-database-cluster", &["-p", "engine=postgres", "-p", "deletionProtection=false"]),
        ("iot-edge", &["-p", "sites=[\"north\",\"south\"]"]),
        ("dev-environment", &["-p", "stack=node"]),
        ("wordpress-ha", &["-p", "domain=blog.example.org"]),
    ] {
        round_trip("least", &[&["--pattern", pattern, "--name", "least"], arguments].concat());
    }
}

#[test]
fn a_protected_database_is_not_destroyed_before_the_protection_is_taken_away() {
    let env = TestEnv::new();
    env.swell_all(&[&["apply", "--pattern", "secure-database-cluster", "-p", "engine=postgres", "--name", "data"], &YES]).ok();
    let world = env.world();
    env.swell(&["destroy", "data", "--yes", "--max-destroy", "99"]).refused(1, "plan::prevent-destroy");
    assert_eq!(env.world(), world);
    env.swell_all(&[&["apply", "data", "-p", "deletionProtection=false"], &YES]).ok();
    env.swell(&["destroy", "data", "--yes", "--max-destroy", "99"]).ok();
    let _ = env.sound();
}
