//! Trials against a scripted server that holds things, in the manners that real ones were seen to have.

use std::sync::{Arc, Mutex};

use serde_json::{Map, Value, json};

use super::*;
use crate::mcp::{
    CallControl, ConnectOptions, Key, Library, ResourceServer,
    binding::{
        BoundServer,
        draft::{Subject, draft},
        parse::parse,
    },
    testing::{Do, Fake},
    tools::Tool,
};

/// Things by id.
type World = Arc<Mutex<Vec<Map<String, Value>>>>;

/// What a tool of the scripted server does with the world.
type Answers = fn(&mut Vec<Map<String, Value>>, &str, &Value) -> Do;

fn tool(name: &str, arguments: Value, required: &[&str]) -> Value {
    json!({"name": name, "description": "d", "inputSchema": {"type": "object", "properties": arguments, "required": required}})
}

fn text(said: impl Into<String>) -> Do {
    Do::Result(json!({"content": [{"type": "text", "text": said.into()}]}))
}

fn error(said: impl Into<String>) -> Do {
    Do::Result(json!({"content": [{"type": "text", "text": said.into()}], "isError": true}))
}

fn server(tools: Vec<Value>, answers: Answers) -> (Fake, World) {
    let world = World::default();
    let held = world.clone();
    let fake = Fake::new(move |what, message| match what {
        "tools/list" => vec![Do::Result(json!({"tools": tools}))],
        "initialize" | "notifications/initialized" | "server/discover" | "ping" => Vec::new(),
        tool => vec![answers(&mut held.lock().unwrap(), tool, &message["params"]["arguments"])],
    });
    (fake, world)
}

/// Watches nothing.
struct Nobody;

impl Watch for Nobody {
    fn go_on(&self, _: &str) -> bool {
        true
    }

    fn there(&self, _: &Left) -> Result<(), String> {
        Ok(())
    }

    fn gone(&self, _: &Left) {}
}

/// Drafts a binding for the scripted server and proves its only type. Proving once more must change nothing.
async fn proven(tools: Vec<Value>, answers: Answers) -> (String, Proof) {
    let (fake, world) = server(tools.clone(), answers);
    let parsed: Vec<Tool> = tools.into_iter().map(|t| Tool::parse(t).unwrap()).collect();
    let made = draft(&Subject { name: "x", server: "scripted", tools: &parsed }).unwrap();
    let (text, proof) = once(&fake, &made.text, "swell-prove-a1b2c3").await;
    if proof.left.is_empty() {
        assert!(world.lock().unwrap().is_empty(), "{:?}", world.lock().unwrap());
    }
    if proof.usable {
        let (again, proof) = once(&fake, &text, "swell-prove-d4e5f6").await;
        assert_eq!(again, text, "{proof:#?}");
        assert!(proof.findings.iter().all(|f| f.level == Level::Holds), "{proof:#?}");
    }
    (text, proof)
}

async fn once(fake: &Fake, text: &str, name: &str) -> (String, Proof) {
    let connection = fake.connection(ConnectOptions::default());
    let binding = parse("x", "x.yaml", text).unwrap();
    let kind = binding.types.keys().next().unwrap().clone();
    let scratch = scratch(&binding.types[&kind], &name.parse().unwrap(), &Properties::new(), None).unwrap();
    let (text, proof) = Trial::new(&connection, ("x", "x.yaml", text), &kind, &scratch, &Nobody)
        .unwrap()
        .patience(std::time::Duration::from_millis(60))
        .run()
        .await;
    parse("x", "x.yaml", &text).unwrap();
    (text, proof)
}

/// Several at the same time, through a proven file.
async fn several(fake: &Fake, text: &str) -> Together {
    let connection = fake.connection(ConnectOptions::default());
    let binding = parse("x", "x.yaml", text).unwrap();
    let kind = binding.types.keys().next().unwrap().clone();
    let scratch = |name: &str| scratch(&binding.types[&kind], &name.parse().unwrap(), &Properties::new(), None).unwrap();
    let all: Vec<Scratch> = (1..=AT_ONCE).map(|n| scratch(&format!("swell-prove-a1b2c3-{n}"))).collect();
    let patience = std::time::Duration::from_millis(60);
    together(&connection, ("x", "x.yaml", text), &kind, &all, &Nobody, patience).await.unwrap()
}

fn has(proof: &Proof, words: &str) {
    assert!(proof.findings.iter().any(|f| f.text.contains(words)), "`{words}` is not in {:#?}", proof.findings);
}

fn at(world: &[Map<String, Value>], key: &str, value: &Value) -> Option<usize> {
    world.iter().position(|t| t.get(key) == Some(value))
}

fn crud() -> Vec<Value> {
    let text = json!({"type": "string"});
    vec![
        tool("create_box", json!({"name": text, "description": text}), &["name"]),
        tool("get_box", json!({"box_id": text}), &["box_id"]),
        tool("list_boxes", json!({}), &[]),
        tool("update_box", json!({"box_id": text, "description": text}), &["box_id"]),
        tool("delete_box", json!({"box_id": text}), &["box_id"]),
    ]
}

fn insert(world: &mut Vec<Map<String, Value>>, id: String, a: &Value) {
    let mut thing = a.as_object().unwrap().clone();
    thing.insert("id".into(), json!(id));
    world.push(thing);
}

#[tokio::test]
async fn json_in_text_with_a_made_id() {
    let (text, proof) = proven(crud(), |world, tool, a| match tool {
        "create_box" => match at(world, "name", &a["name"]) {
            Some(_) => error("box already exists"),
            None => {
                let id = format!("b-{}", world.len() + 41);
                insert(world, id.clone(), a);
                text(json!({"data": {"boxId": id}}).to_string())
            }
        },
        "get_box" => match at(world, "id", &a["box_id"]) {
            Some(n) => text(
                json!({"box": {"id": world[n]["id"], "title": world[n]["name"], "descr": world[n]["description"], "shelf": 4}}).to_string(),
            ),
            None => error("no such box"),
        },
        "list_boxes" => {
            text(json!({"boxes": world.iter().map(|t| json!({"id": t["id"], "title": t["name"]})).collect::<Vec<_>>()}).to_string())
        }
        "update_box" => {
            let n = at(world, "id", &a["box_id"]).unwrap();
            world[n].insert("description".into(), a["description"].clone());
            text("done")
        }
        _ => match at(world, "id", &a["box_id"]) {
            Some(n) => {
                world.remove(n);
                text("deleted")
            }
            None => error("no such box"),
        },
    })
    .await;
    assert!(proof.usable, "{proof:#?}");
    for line in [
        "      id: \"{{ result.data.boxId }}\"\n",
        "        description: \"{{ item.descr }}\"\n",
        "      items: \"{{ result.boxes }}\"\n",
        "      only: \"not name or item.title == name\"\n",
        "    # status: proven: create, read, update, delete\n",
        "{\"text\":\"(?i)no such\",\"class\":\"not_found\"}",
    ] {
        assert!(text.contains(line), "{line}\n{text}");
    }
    has(&proof, "a second create is refused (is an error)");
    has(&proof, "is made in place, under the same id");
}

#[tokio::test]
async fn prose_lists_only_and_silent_doubles() {
    let text_ = json!({"type": "string"});
    let tools = vec![
        tool("add_tag", json!({"name": text_}), &["name"]),
        tool("list_tags", json!({}), &[]),
        tool("remove_tag", json!({"tag_id": text_}), &["tag_id"]),
    ];
    let (text, proof) = proven(tools, |world, tool, a| match tool {
        "add_tag" => {
            let id = format!("t{}", world.iter().filter_map(|t| t["id"].as_str()?[1..].parse::<u32>().ok()).max().unwrap_or(6) + 1);
            insert(world, id.clone(), a);
            text(format!("Tag created with id {id}."))
        }
        "list_tags" => text(json!(world.iter().map(|t| json!({"id": t["id"], "name": t["name"]})).collect::<Vec<_>>()).to_string()),
        _ => match at(world, "id", &a["tag_id"]) {
            Some(n) => {
                world.remove(n);
                text("ok")
            }
            None => text("ok"),
        },
    })
    .await;
    assert!(proof.usable, "{proof:#?}\n{text}");
    has(&proof, "makes another one without a word");
    has(&proof, "its word counts for nothing");
    assert!(text.contains("status: proven: create, read, replace, delete"), "{text}");
}

#[tokio::test]
async fn nothing_comes_back_and_lines_are_a_list() {
    let text_ = json!({"type": "string"});
    let tools = vec![
        tool("create_branch", json!({"branch_name": text_}), &["branch_name"]),
        tool("list_branches", json!({}), &[]),
        tool("delete_branch", json!({"branch_name": text_}), &["branch_name"]),
    ];
    let (text, proof) = proven(tools, |world, tool, a| match tool {
        "create_branch" if at(world, "branch_name", &a["branch_name"]).is_some() => text("fatal: a branch of this name exists"),
        "create_branch" => {
            insert(world, "-".into(), a);
            text("")
        }
        "list_branches" => {
            let lines: String = world.iter().map(|t| format!("  {}\n", t["branch_name"].as_str().unwrap())).collect();
            text(format!("* master\n{lines}"))
        }
        _ => match at(world, "branch_name", &a["branch_name"]) {
            Some(n) => {
                world.remove(n);
                text("Deleted.")
            }
            None => error("branch not found"),
        },
    })
    .await;
    assert!(proof.usable, "{proof:#?}\n{text}");
    assert!(text.contains("regex_all"), "{text}");
    has(&proof, "a second create is refused and calls itself a success");
    assert!(text.contains("      success: \"not (text | matches("), "{text}");
}

#[tokio::test]
async fn is_error_says_nothing_and_delete_wants_another_key() {
    let text_ = json!({"type": "string"});
    let tools = vec![
        tool("create_rule", json!({"description": text_}), &["description"]),
        tool("get_rule", json!({"uuid": text_}), &["uuid"]),
        tool("delete_rule", json!({"uuid": text_}), &["uuid"]),
    ];
    let (text, proof) = proven(tools, |world, tool, a| match tool {
        "create_rule" => {
            let id = format!("u-{}", world.iter().filter_map(|t| t["id"].as_str()?[2..].parse::<u32>().ok()).max().unwrap_or(100) + 1);
            insert(world, id.clone(), a);
            text(json!({"status": "ok", "uuid": id}).to_string())
        }
        "get_rule" => match at(world, "id", &a["uuid"]) {
            Some(n) => text(json!({"status": "ok", "rule": {"uuid": world[n]["id"], "descr": world[n]["description"], "seq": world[n]["id"].as_str().unwrap()[2..].to_owned()}}).to_string()),
            None => text(json!({"error": "rule does not exist"}).to_string()),
        },
        // By the number within the rule, whatever the argument is called.
        _ => match world.iter().position(|t| t["id"].as_str().unwrap()[2..] == *a["uuid"].as_str().unwrap()) {
            Some(n) => {
                world.remove(n);
                text(json!({"status": "ok"}).to_string())
            }
            None => text(json!({"error": "rule does not exist"}).to_string()),
        },
    })
    .await;
    assert!(proof.usable, "{proof:#?}\n{text}");
    has(&proof, "it is deleted by");
    has(&proof, "that there is none calls itself a success, and is told by its words");
    assert!(text.contains("success: \"not result.error\""), "{text}");
    has(&proof, "blind");
}

#[tokio::test]
async fn a_false_success_is_no_proof() {
    let (text, proof) = proven(crud(), |_, tool, _| match tool {
        "create_box" => text(r#"{"id": "b-1", "success": true}"#),
        "list_boxes" => text(r#"{"boxes": []}"#),
        _ => error("no such box"),
    })
    .await;
    assert!(!proof.usable && proof.left.is_empty(), "{proof:#?}");
    has(&proof, "nothing is there");
    assert!(text.contains("# status: tried, and not usable yet"), "{text}");
    let failing = proof.findings.iter().find(|f| f.level == Level::Fails).unwrap();
    assert!(text.lines().nth(failing.line - 1).is_some() && failing.line > 1, "{failing:?}");
}

#[tokio::test]
async fn what_is_not_deleted_is_named() {
    let (_, proof) = proven(crud(), |world, tool, a| match tool {
        "create_box" if world.is_empty() => {
            insert(world, "b-1".into(), a);
            text(r#"{"id": "b-1"}"#)
        }
        "create_box" => error("exists"),
        "get_box" if at(world, "id", &a["box_id"]).is_some() => text(Value::Object(world[0].clone()).to_string()),
        "list_boxes" => text(json!(world).to_string()),
        "update_box" => text("done"),
        "delete_box" => error("busy"),
        _ => error("no such box"),
    })
    .await;
    assert!(!proof.usable, "{proof:#?}");
    let left = proof.left.first().expect("it is still there");
    assert_eq!((left.name.as_str(), left.id.as_deref()), ("swell-prove-a1b2c3", Some("b-1")));
    has(&proof, "the server refused to take it away: busy");
    has(&proof, "nothing has changed");
}

#[tokio::test]
async fn a_proven_file_works_for_the_engine() {
    fn answers(world: &mut Vec<Map<String, Value>>, tool: &str, a: &Value) -> Do {
        match tool {
            "create_box" if at(world, "name", &a["name"]).is_some() => error("exists"),
            "create_box" => {
                insert(world, a["name"].as_str().unwrap().to_owned(), a);
                text(format!("{{'box': '{}', 'ok': True}}", a["name"].as_str().unwrap()))
            }
            "get_box" | "list_boxes" => {
                let all: String = world
                    .iter()
                    .map(|t| {
                        format!("- name: {}\n  description: {}\n", t["name"].as_str().unwrap(), t["description"].as_str().unwrap_or("null"))
                    })
                    .collect();
                text(if all.is_empty() { "none\n".to_owned() } else { all })
            }
            "update_box" => error("unsupported"),
            _ => {
                world.retain(|t| t["name"] != a["box_id"]);
                text("ok")
            }
        }
    }
    let mut tools = crud();
    tools.retain(|t| t["name"] != "get_box");
    let (file, proof) = proven(tools.clone(), answers).await;
    assert!(proof.usable, "{proof:#?}\n{file}");
    let (fake, _) = server(tools, answers);
    let bound = BoundServer::new(fake.connection(ConnectOptions::default()), Arc::new(parse("x", "x.yaml", &file).unwrap()));
    let (kind, name) = (bound.binding().types.keys().next().unwrap().clone(), "web".parse().unwrap());
    let wanted = json!({"description": "d"}).as_object().unwrap().clone();
    let live = bound.create(&kind, &name, &wanted, "k", &CallControl::read()).await.unwrap();
    assert_eq!((live.name.as_str(), &live.properties["description"]), ("web", &json!("d")));
    let key = Key { kind, name, id: Some(live.id), hints: Properties::new() };
    bound.delete(&key, &CallControl::read()).await.unwrap();
    assert_eq!(bound.read(&key).await.unwrap(), None);
    assert!(Library::load(&[]).get("x").is_none());
}

/// What a tool of a server of boxes does with what it has.
fn boxes(world: &mut Vec<Map<String, Value>>, tool: &str, a: &Value) -> Do {
    let found = at(world, "id", &a["box_id"]);
    match (tool, found) {
        ("create_box", _) => {
            let id = format!("b-{}", a["name"].as_str().unwrap());
            match at(world, "id", &json!(id)) {
                Some(_) => return error("box already exists"),
                None => insert(world, id.clone(), a),
            }
            text(json!({"box_id": id}).to_string())
        }
        ("list_boxes", _) => text(json!(world).to_string()),
        ("get_box", Some(n)) => text(json!(world[n]).to_string()),
        ("update_box", Some(n)) => {
            world[n].insert("description".into(), a["description"].clone());
            text("done")
        }
        (_, Some(n)) => {
            world.remove(n);
            text("deleted")
        }
        (_, None) => error("no such box"),
    }
}

/// A server that reads its file, changes it and writes it back a while later: of several at once only one counts, and all are told that it was done.
fn careless(at_once: fn(usize) -> Option<Do>) -> (Fake, World) {
    let (world, busy): (World, Arc<Mutex<usize>>) = Default::default();
    let file = world.clone();
    let fake = Fake::new(move |what, message| {
        let arguments = message["params"]["arguments"].clone();
        match what {
            "tools/list" => return vec![Do::Result(json!({"tools": crud()}))],
            "create_box" => {}
            tool if tool.ends_with("_box") || tool == "list_boxes" => return vec![boxes(&mut file.lock().unwrap(), tool, &arguments)],
            _ => return Vec::new(),
        }
        let mut now = busy.lock().unwrap();
        if let Some(no) = at_once(*now) {
            return vec![no];
        }
        *now += 1;
        let mut copy = file.lock().unwrap().clone();
        let said = boxes(&mut copy, "create_box", &arguments);
        let (file, busy) = (file.clone(), busy.clone());
        tokio::spawn(async move {
            tokio::time::sleep(std::time::Duration::from_millis(30)).await;
            *file.lock().unwrap() = copy;
            *busy.lock().unwrap() -= 1;
        });
        vec![Do::Sleep(60), said]
    });
    (fake, world)
}

#[tokio::test]
async fn a_server_that_loses_one_of_several_gets_one_call_at_a_time() {
    for no in [|_: usize| None, |now: usize| (now > 0).then(|| error("the file is locked"))] {
        let (fake, world) = careless(no);
        let parsed: Vec<Tool> = crud().into_iter().map(|t| Tool::parse(t).unwrap()).collect();
        let made = draft(&Subject { name: "x", server: "scripted", tools: &parsed }).unwrap();
        let (proven, proof) = once(&fake, &made.text, "swell-prove-a1b2c3").await;
        assert!(proof.usable, "{proof:#?}");
        let found = several(&fake, &proven).await;
        assert_eq!(found.finding.level, Level::Written, "{:?}", found.finding);
        assert!(found.finding.text.ends_with("made alone it is there: one call at a time"), "{:?}", found.finding);
        assert!(found.text.contains("at the same time one is lost.\nmax_calls: 1\ntypes:\n"), "{}", found.text);
        assert_eq!(found.text.lines().nth(found.finding.line - 1), Some("max_calls: 1"));
        assert_eq!(parse("x", "x.yaml", &found.text).unwrap().max_calls, Some(1));
        assert_eq!((found.left, world.lock().unwrap().len()), (Vec::new(), 0), "all are taken away");
        // With the file as it is now, the same server loses nothing.
        let again = several(&fake, &found.text).await;
        assert_eq!(again.finding.text, "4 that are made at the same time are all there");
        assert!(world.lock().unwrap().is_empty());
    }
}

#[tokio::test]
async fn what_is_refused_alone_too_says_nothing_about_calls_at_once() {
    let (fake, world) = server(crud(), boxes);
    let parsed: Vec<Tool> = crud().into_iter().map(|t| Tool::parse(t).unwrap()).collect();
    let made = draft(&Subject { name: "x", server: "scripted", tools: &parsed }).unwrap();
    let (proven, _) = once(&fake, &made.text, "swell-prove-a1b2c3").await;
    let sound = several(&fake, &proven).await;
    assert_eq!((sound.finding.level, sound.text == proven), (Level::Holds, true), "{:?}", sound.finding);
    assert_eq!(sound.finding.text, "4 that are made at the same time are all there");
    // Only one box may be there.
    let (fake, _) = server(crud(), |world, tool, a| match tool {
        "create_box" if !world.is_empty() => error("quota exceeded"),
        _ => boxes(world, tool, a),
    });
    let full = several(&fake, &proven).await;
    assert_eq!((full.finding.level, full.text == proven), (Level::Holds, true));
    assert!(full.finding.text.contains("was not found out") && full.finding.text.contains("quota exceeded"), "{:?}", full.finding);
    assert!(world.lock().unwrap().is_empty());
}

/// A create that says no and leaves one behind all the same: it is found by its name, and taken away.
#[tokio::test]
async fn what_a_refused_create_left_behind_is_taken_away() {
    let (fake, world) = server(crud(), |world, tool, a| match tool {
        "create_box" => {
            boxes(world, tool, a);
            error("port is already allocated")
        }
        _ => boxes(world, tool, a),
    });
    let parsed: Vec<Tool> = crud().into_iter().map(|t| Tool::parse(t).unwrap()).collect();
    let made = draft(&Subject { name: "x", server: "scripted", tools: &parsed }).unwrap();
    let (_, proof) = once(&fake, &made.text, "swell-prove-a1b2c3").await;
    has(&proof, "the server refused: port is already allocated");
    assert_eq!((proof.left, world.lock().unwrap().len()), (Vec::new(), 0));
}
