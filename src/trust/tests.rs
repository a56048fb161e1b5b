use serde_json::json;

use super::*;
use crate::{
    config::{Layer, Origin, ServerSetting},
    registry::{Registry, State},
};

fn entry(name: &str, layer: Layer, file: &str) -> Registered {
    let setting = ServerSetting {
        command: Some("run".into()),
        args: vec!["a".into()],
        env: [("TOKEN".to_owned(), "canary".to_owned())].into(),
        ..ServerSetting::default()
    };
    Registered::new(name.parse().unwrap(), Origin { layer, file: file.into(), line: 3 }, setting)
}

fn reviewed(entry: &Registered) -> Reviewed {
    Reviewed {
        name: entry.name.clone(),
        source: entry.origin.file.clone(),
        launch: Launch::of(entry),
        tools: Some(vec![json!({"name": "t", "inputSchema": {}})]),
        suspended: false,
        at: "2026-01-01T00:00:00Z".parse().unwrap(),
        by: "ann@box".into(),
        how: "typed `yes` on a terminal".into(),
    }
}

fn trusting(all: &[&Registered]) -> Result<Trust, TrustError> {
    Ok(Trust { version: VERSION, servers: all.iter().map(|e| reviewed(e)).collect() })
}

#[test]
fn only_what_was_reviewed_in_this_file_counts() {
    let cursor = entry("db", Layer::Cursor, "/c.json");
    let user = entry("db", Layer::User, "/u.toml");
    let nobody = Ok(Trust::default());
    assert_eq!(judge(&cursor, &nobody), Standing::Quarantined(Why::New));
    assert_eq!(judge(&entry("db", Layer::Project, "/swell.toml"), &nobody), Standing::Quarantined(Why::New));
    assert_eq!(judge(&entry("db", Layer::Environment, "environment X"), &nobody), Standing::Quarantined(Why::New));
    assert_eq!(judge(&user, &nobody), Standing::Operator);
    assert!(matches!(judge(&cursor, &trusting(&[&cursor])), Standing::Reviewed(_)));
    assert_eq!(judge(&entry("db", Layer::Cursor, "/other.json"), &trusting(&[&cursor])), Standing::Quarantined(Why::New));
    let broken = Err(TrustError::File { path: "/t".into(), reason: "no".into() });
    assert!(matches!(judge(&user, &broken), Standing::Quarantined(Why::Unreadable(_))), "not even the operator's: its pins are lost");
}

#[test]
fn every_part_of_the_start_is_bound_and_values_are_not_unless_they_decide_code() {
    let base = entry("db", Layer::Cursor, "/c.json");
    let trust = trusting(&[&base]);
    let changed = |change: &dyn Fn(&mut ServerSetting)| {
        let mut now = base.clone();
        change(&mut now.setting);
        match judge(&now, &trust) {
            Standing::Quarantined(Why::Changed(all)) => all.into_iter().map(|d| d.what).collect::<Vec<_>>().join(","),
            other => format!("{other:?}").chars().take(8).collect(),
        }
    };
    assert_eq!(changed(&|s| s.command = Some("ran".into())), "command");
    assert_eq!(changed(&|s| s.args = vec!["a\u{202e}".into(), "b".into()]), "argument 1,argument 2");
    assert_eq!(changed(&|s| s.args = vec!["a ".into()]), "argument 1");
    assert_eq!(changed(&|s| s.cwd = Some("/".into())), "folder");
    assert_eq!(changed(&|s| drop(s.env.insert("MORE".into(), "x".into()))), "variables");
    assert_eq!(changed(&|s| s.url = Some("https://x".into())), "URL");
    assert_eq!(changed(&|s| drop(s.headers.insert("X".into(), "x".into()))), "headers");
    assert_eq!(changed(&|s| drop(s.env.insert("TOKEN".into(), "other".into()))), "Reviewed");

    let mut path = base.clone();
    path.setting.env.insert("PATH".into(), "/bin".into());
    let then = reviewed(&path).launch;
    path.setting.env.insert("PATH".into(), "/evil".into());
    assert_eq!(then.differences(&Launch::of(&path))[0].what, "the value of PATH");
    let carried = entry("db", Layer::McpJson, "/p/.mcp.json");
    let mut other = carried.clone();
    other.setting.env.insert("TOKEN".into(), "x".into());
    assert_ne!(Launch::of(&carried).digest(), Launch::of(&other).digest(), "a pull can change values in a project's file");
    let shown = format!("{:?}", Launch::of(&carried)) + &serde_json::to_string(&reviewed(&carried)).unwrap();
    assert!(!shown.contains("canary"));
}

#[test]
fn the_strongest_entry_has_the_name_and_quarantine_does_not_break_the_first_day() {
    let layers = [Layer::ClaudeDesktop, Layer::Cursor, Layer::User, Layer::Project];
    let all: Vec<Registered> = layers.iter().map(|l| entry("docker", *l, &format!("/{l:?}"))).collect();
    let states = |all: &[Registered], sandbox, trust: &Result<Trust, TrustError>| -> Vec<String> {
        let rows = Registry::settle(all, sandbox, trust).rows;
        let word = |s: &State| format!("{s:?}").split(['(', ' ']).next().unwrap_or_default().to_owned();
        rows.iter().map(|r| format!("{} {:?} {}", r.entry.name, r.entry.origin.layer, word(&r.state))).collect()
    };
    let nobody = Ok(Trust::default());
    let expected = ["docker Project Quarantined", "docker User Shadowed", "docker Cursor Shadowed", "docker ClaudeDesktop Shadowed"];
    assert_eq!(states(&all, None, &nobody), expected, "a project's entry never silently gives way");
    let registry = Registry::settle(&all, None, &nobody);
    assert!(registry.active().is_empty());
    assert_eq!(registry.held(&"docker".parse().unwrap()).unwrap().code, "server::quarantined");

    // Found, and nobody looked at it: the simulation stays, and says so.
    let found = [all[1].clone()];
    assert_eq!(states(&found, None, &nobody)[0], "docker Cursor Quarantined");
    assert_eq!(states(&found, None, &nobody).iter().filter(|s| s.ends_with("BuiltIn Active")).count(), 4);
    // Reviewed: it has the name, and the others are there only if someone says so.
    let trust = trusting(&[&all[1]]);
    assert_eq!(states(&found, None, &trust), ["docker Cursor Active"]);
    let both = states(&found, Some(true), &trust);
    assert_eq!(both.iter().filter(|s| s.ends_with("BuiltIn Active")).count(), 3);
    assert!(both.contains(&"docker BuiltIn Shadowed".to_owned()), "{both:?}");
}

#[test]
fn names_that_look_alike_are_flagged_once() {
    let mut odd = entry("d-cker", Layer::Cursor, "/c");
    odd.called = "d\u{43e}cker".into();
    let mut renamed = entry("my-server", Layer::Cursor, "/c");
    renamed.called = "my server".into();
    let all = [entry("docker", Layer::User, "/u"), odd, renamed];
    let registry = Registry::settle(&all, Some(false), &Ok(Trust::default()));
    assert_eq!(registry.lookalikes(), [["docker", "d\u{43e}cker"]]);
}

#[cfg(unix)]
#[test]
fn the_file_is_private_whole_and_fails_closed() {
    use std::os::unix::fs::PermissionsExt;
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("deep").join("trust.json");
    let file = TrustFile::new(path.clone());
    assert_eq!(file.load().unwrap(), Trust::default());
    let e = entry("db", Layer::Cursor, "/c.json");
    file.update(|t| t.put(reviewed(&e))).unwrap();
    file.update(|t| t.put(reviewed(&e))).unwrap();
    assert_eq!(file.load().unwrap().servers.len(), 1);
    assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
    file.update(|t| t.suspend(&e.name, "/c.json")).unwrap();
    assert_eq!(judge(&e, &file.load()), Standing::Quarantined(Why::Tools));

    let good = fs::read_to_string(&path).unwrap();
    for bad in [
        good[..good.len() / 2].to_owned(),
        good.replace("\"version\": 1", "\"version\": 9"),
        good.replace("\"inputSchema\": {}", "\"x\": {}"),
        good.replace("\"launch\"", "\"lunch\""),
        String::new(),
    ] {
        fs::write(&path, &bad).unwrap();
        let error = file.load().unwrap_err();
        assert_eq!(error.explain().code, "trust::file");
        assert!(file.update(|t| t.put(reviewed(&e))).is_err(), "a broken file is not written over");
        assert_eq!(fs::read_to_string(&path).unwrap(), bad);
    }
    fs::write(&path, &good).unwrap();
    fs::set_permissions(&path, fs::Permissions::from_mode(0o644)).unwrap();
    assert!(matches!(file.load(), Err(TrustError::Exposed { mode: 0o644, .. })));
}
