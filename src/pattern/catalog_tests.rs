use super::*;
use crate::pattern::describe;

const MINE: &str = "name: mine\ntitle: Mine\nwords: [mine]\nresources:\n  - {server: docker, type: network, name: n}\ntests: [{parameters: {}, resources: 1}]\n";

fn folder(files: &[(&str, &str)]) -> tempfile::TempDir {
    let dir = tempfile::tempdir().unwrap();
    for (name, text) in files {
        let path = dir.path().join(name);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, text).unwrap();
    }
    dir
}

#[test]
fn later_folders_win_and_it_shows() {
    let user = folder(&[("mine.yaml", MINE), ("wordpress-ha.yaml", &MINE.replace("mine", "wordpress-ha")), ("notes.txt", "x")]);
    let project = folder(&[("runbooks/other.yml", &MINE.replace("title: Mine", "title: Theirs"))]);
    let catalog = Catalog::load(&[user.path().to_owned(), project.path().to_owned(), "/nowhere".into()]);
    assert_eq!(catalog.problems(), []);
    assert_eq!(catalog.iter().count(), 8);
    let mine = catalog.get("mine").unwrap();
    assert_eq!((mine.pattern.title.as_str(), &mine.layer), ("Theirs", &Layer::Folder(project.path().to_owned())));
    assert_eq!(mine.shadows, [Layer::Folder(user.path().to_owned())]);
    assert_eq!(catalog.get("wordpress-ha").unwrap().shadows, [Layer::Shipped]);
}

#[test]
fn a_broken_file_hides_nothing_else_and_is_not_replaced_in_silence() {
    let user = folder(&[("wordpress-ha.yaml", "name: wordpress-ha\nresources: {{\n"), ("mine.yaml", MINE), ("b.yaml", "\u{0}\u{1}")]);
    std::fs::write(user.path().join("c.yaml"), [0xff, 0xfe, 0x00]).unwrap();
    let catalog = Catalog::load(&[user.path().to_owned()]);
    assert!(catalog.is_broken());
    assert_eq!(catalog.problems().len(), 3);
    assert!(catalog.get("mine").is_ok() && catalog.get("iot-edge").is_ok());
    assert_eq!(catalog.get("wordpress-ha").unwrap_err()[0].code, "pattern::syntax");
    assert!(catalog.entries().iter().all(|e| e.name != "wordpress-ha"));
}

#[test]
fn a_name_that_is_not_there_gets_a_suggestion() {
    let problems = Catalog::shipped().get("wordpres").unwrap_err();
    assert_eq!(problems[0].code, "pattern::not-found");
    assert_eq!(problems[0].hints[0].text, "Did you mean `wordpress-ha`?");
}

#[test]
fn entries_tell_the_parsers_all_but_secrets() {
    let entries = Catalog::shipped().entries();
    let names: Vec<(&str, bool)> = entries.iter().map(|e| (e.name.as_str(), e.runbook)).collect();
    assert_eq!(
        names,
        [
            ("dev-environment", false),
            ("disaster-recovery", true),
            ("iot-edge", false),
            ("load-balanced-web-app", false),
            ("pci-compliant-ecommerce", false),
            ("secure-database-cluster", false),
            ("wordpress-ha", false),
        ]
    );
    let wordpress = &entries[6];
    let parameters: Vec<&str> = wordpress.parameters.iter().map(|p| p.name.as_str()).collect();
    assert_eq!(
        parameters,
        [
            "domain",
            "replicas",
            "dbReplicas",
            "backup.enabled",
            "backup.schedule",
            "backup.retention",
            "wordpressVersion",
            "wordpressImage",
            "databaseImage",
            "balancerImage",
            "vlanTag",
            "trunk",
            "httpPort"
        ]
    );
    assert!(wordpress.parameters[0].required && wordpress.words.contains(&"wp".to_owned()) && wordpress.examples.len() > 20);
    assert_eq!(wordpress.parameters[4].holds, crate::intent::Holds::Schedule);
}

#[test]
fn a_description_says_what_a_person_must_know() {
    let catalog = Catalog::shipped();
    let shown = describe(&catalog.get("load-balanced-web-app").unwrap().pattern);
    assert_eq!(shown.scale, ["minInstances", "maxInstances"]);
    let least = shown.parameters.iter().find(|p| p.name == "minInstances").unwrap();
    assert_eq!(
        serde_json::to_value(least).unwrap(),
        serde_json::json!({
            "name": "minInstances", "takes": "a whole number, 1 to 1000", "required": false, "secret": false, "default": 2, "derived": false,
            "because": "two, so that one may fail", "ask": "How many instances at least?"
        })
    );
    for entry in catalog.iter() {
        let d = describe(&entry.pattern);
        assert!(!d.description.is_empty() && !d.outputs.is_empty() && !d.types.is_empty(), "{}", d.name);
        assert!(d.parameters.iter().all(|p| p.default.is_none() || !p.because.is_empty()), "{}", d.name);
    }
}
