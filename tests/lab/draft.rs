//! Servers that nobody here has described: drafted, proven on a scratch object, and used, without a hand on the file.

use std::path::Path;

use serde_json::json;

use super::support::{LabServer, home_with, lab_server};
use crate::support::env::{TestEnv, YES, repository};

/// A server of the lab that works in a place of its own.
fn own(mut server: LabServer, argument: Option<&Path>, variable: Option<(&str, &Path)>) -> LabServer {
    if let (Some(place), Some(last)) = (argument, server.args.last_mut()) {
        *last = place.display().to_string();
    }
    if let Some((name, place)) = variable {
        server.env.insert(name.to_owned(), place.display().to_string());
    }
    server
}

fn file(env: &TestEnv, name: &str) -> String {
    std::fs::read_to_string(env.home().join(".config/swell/bindings").join(name)).unwrap()
}

/// The transcript of docs/bindings.md: each line of it is printed, but for names, places and what is left out.
fn documented(printed: &str) {
    let names = regex::Regex::new("swell-prove-[0-9a-f]{6}|(through|drafted) \\S+").unwrap();
    let plain = |text: &str| names.replace_all(text, "‹›").into_owned();
    let printed = plain(printed);
    let page = std::fs::read_to_string(repository("docs/bindings.md")).unwrap();
    let block = page.split("```text\n").nth(1).and_then(|b| b.split("```").next()).unwrap();
    for line in block.lines().filter(|l| !l.starts_with("$ ") && *l != "…") {
        let wanted = plain(line);
        assert!(printed.lines().any(|l| l == wanted), "`{wanted}` is not printed\n{printed}");
    }
}

#[test]
fn a_knowledge_graph_is_usable_after_draft_and_prove() {
    let Some(server) = lab_server("memory", &[]) else { return };
    let place = tempfile::tempdir().unwrap();
    let graph = place.path().join("memory.jsonl");
    // The server reads and writes one file: of several changes that come at the same moment it loses one, as the proof finds out.
    let env = home_with(&[("memory", &own(server, None, Some(("MEMORY_FILE_PATH", &graph))))]);
    let drafted = env.swell(&["bindings", "draft", "memory"]).ok().prints("swell bindings prove memory").stdout.clone();
    env.swell(&["bindings", "draft", "memory", "--even-if-bound"]).refused(1, "draft::exists");
    env.swell(&["bindings", "prove", "memory"]).refused(1, "prove::nobody").says("create_entities").says("delete_relations");
    env.swell(&["bindings", "prove", "memory", "--yes", "--max-destroy", "1"]).refused(1, "prove::bound");
    let prove = ["bindings", "prove", "memory", "--yes", "--max-destroy", "6"];
    let ran = env.swell(&prove).ok().prints("entity: usable").prints("relation: usable");
    documented(&format!("{drafted}{}{}", ran.stdout, ran.stderr));
    assert!(!std::fs::read_to_string(&graph).unwrap().contains("swell-prove-"), "something is left");
    let proven = file(&env, "memory.yaml");
    assert!(proven.contains("# status: proven: create, read, replace, delete"), "{proven}");
    assert!(proven.contains("\nmax_calls: 1\ntypes:\n"), "{proven}");
    // Nothing is left to find out about calls at the same time.
    let prove = ["bindings", "prove", "memory", "--yes", "--max-destroy", "2"];
    env.swell(&prove).ok().prints("The file is as it was.");
    assert_eq!(file(&env, "memory.yaml"), proven);

    let template = |tag: &str| {
        json!({"name": "notes", "resources": [
            {"server": "memory", "type": "entity", "name": "vlan-1", "properties": {"entityType": "vlan", "observations": [tag]}},
            {"server": "memory", "type": "entity", "name": "web-1", "properties": {"entityType": "host", "observations": []}},
            {"server": "memory", "type": "relation", "name": "web-in-vlan", "properties": {
                "from": "${memory:entity:web-1.name}", "to": "${memory:entity:vlan-1.name}", "relationType": "stands in"}},
        ]})
        .to_string()
    };
    env.write("notes.json", template("tag 120"));
    env.swell(&["apply", "notes.json", YES[0], YES[1], YES[2]]).ok();
    env.settled("notes");
    // A change forces a new one.
    env.write("notes.json", template("tag 121"));
    env.swell(&["apply", "notes.json", "--yes", "--max-destroy", "2"]).ok();
    // The server takes an entity's relations along with it, and says nothing of it: the next plan sees that, and puts them back.
    env.swell(&["drift", "notes", "--exit-code"]).code(4).prints("web-in-vlan");
    env.swell(&["apply", "notes.json", YES[0], YES[1], YES[2]]).ok();
    env.settled("notes");
    env.swell(&["drift", "notes", "--exit-code"]).ok();
    let kept = std::fs::read_to_string(&graph).unwrap();
    std::fs::write(&graph, kept.lines().filter(|l| !l.contains("\"relation\"")).collect::<Vec<_>>().join("\n")).unwrap();
    env.swell(&["drift", "notes", "--exit-code"]).code(4).prints("web-in-vlan");
    env.swell(&["apply", "notes.json", YES[0], YES[1], YES[2]]).ok();
    env.settled("notes");
    env.swell(&["destroy", "notes", "--yes", "--max-destroy", "3"]).ok();
    assert_eq!(std::fs::read_to_string(&graph).unwrap().trim(), "");
}

#[test]
fn branches_are_made_and_what_git_cannot_do_is_refused() {
    let Some(server) = lab_server("git", &[]) else { return };
    let place = tempfile::tempdir().unwrap();
    let env = home_with(&[("git", &own(server, Some(place.path()), None))]);
    for args in [&["init", "-q", "."][..], &["-c", "user.name=a", "-c", "user.email=a@b", "commit", "-q", "--allow-empty", "-m", "x"]] {
        assert!(env.command("git", args).current_dir(place.path()).status().unwrap().success());
    }
    env.swell(&["bindings", "draft", "git"]).ok();
    env.swell(&["bindings", "prove", "git", "--yes", "--max-destroy", "0"]).refused(1, "prove::nothing").says("would stay");
    let prove = ["bindings", "prove", "git", "--type", "branch", "--yes", "--max-destroy", "0"];
    env.swell(&prove).ok().prints("branch: usable").prints("stays on git");
    let proven = file(&env, "git.yaml");
    env.swell(&prove).ok();
    assert_eq!(file(&env, "git.yaml"), proven);

    let branch = json!({"server": "git", "type": "branch", "name": "feature", "properties": {"repo_path": place.path()}});
    env.write("work.json", json!({"name": "work", "resources": [branch]}).to_string());
    env.swell(&["apply", "work.json", YES[0], YES[1], YES[2]]).ok();
    env.settled("work");
    assert!(env.command("git", &["branch", "-D", "feature"]).current_dir(place.path()).status().unwrap().success());
    env.swell(&["drift", "work", "--exit-code"]).code(4);
    env.swell(&["apply", "work.json", YES[0], YES[1], YES[2]]).ok();
    env.swell(&["destroy", "work", "--yes", "--max-destroy", "1"]).refused(1, "plan::cannot").says("no tool that deletes a branch");
}

#[test]
fn files_are_drafted_beside_the_binding_that_is_there() {
    let Some(server) = lab_server("filesystem", &[]) else { return };
    let place = tempfile::tempdir().unwrap();
    let env = home_with(&[("files", &own(server, Some(place.path()), None))]);
    env.swell(&["bindings", "draft", "files"]).refused(1, "draft::bound");
    env.swell(&["bindings", "draft", "files", "--even-if-bound"]).ok();
    let prove = ["bindings", "prove", "files", "--server", "files", "--type", "file", "--type", "directory", "--yes", "--max-destroy", "0"];
    env.swell(&prove).ok().prints("file: usable").prints("directory: usable").prints("is made in place");
    let made: Vec<String> =
        std::fs::read_dir(place.path()).unwrap().map(|e| e.unwrap().file_name().to_string_lossy().into_owned()).collect();
    assert!(made.len() == 2 && made.iter().all(|n| n.starts_with("swell-prove-")), "{made:?}");
}

#[test]
fn topics_and_groups_of_an_emulated_cloud() {
    for (name, kind) in [("aws-sns-sqs", "topic"), ("aws-iam", "group")] {
        let Some(server) = lab_server(name, &["SWELL_LAB_MOTO"]) else { return };
        let env = home_with(&[("cloud", &server)]);
        env.swell(&["bindings", "draft", "cloud"]).ok();
        let prove = ["bindings", "prove", "cloud", "--type", kind, "--yes", "--max-destroy", "5"];
        env.swell(&prove).ok().prints(&format!("{kind}: usable"));
        let one = json!({"server": "cloud", "type": kind, "name": "swell-lab-drafted", "properties": {}});
        env.write("t.json", json!({"name": "t", "resources": [one]}).to_string());
        env.swell(&["apply", "t.json", YES[0], YES[1], YES[2]]).ok();
        env.settled("t");
        env.swell(&["drift", "t", "--exit-code"]).ok();
        env.swell(&["destroy", "t", "--yes", "--max-destroy", "1"]).ok();
    }
}

#[test]
fn one_tool_for_everything_is_no_draft() {
    for (name, words) in [("sqlite", "SQL statements"), ("everything", "none makes a thing")] {
        let Some(server) = lab_server(name, &[]) else { continue };
        let env = home_with(&[("x", &server)]);
        env.swell(&["bindings", "draft", "x"]).refused(1, "draft::nothing").says(words);
    }
}
