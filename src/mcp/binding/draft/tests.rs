//! Drafts of real tool lists, as their servers answered them.

use std::path::Path;

use serde_json::{Value, json};

use super::*;

fn tools(path: &Path) -> (String, Vec<Tool>) {
    let file: Value = serde_json::from_str(&std::fs::read_to_string(path).unwrap()).unwrap();
    let server = file["serverInfo"]["name"].as_str().unwrap_or("server").to_owned();
    let list = file["tools"].as_array().or(file.as_array()).unwrap();
    (server, list.iter().map(|t| Tool::parse(t.clone()).unwrap()).collect())
}

/// What is drafted for a list of tools; the draft must be good, and everything that it calls must be offered with these arguments.
fn drafted(path: &Path) -> String {
    let (server, tools) = tools(path);
    let name = path.file_stem().unwrap().to_str().unwrap();
    let made = match draft(&Subject { name, server: &server, tools: &tools }) {
        Ok(made) => made,
        Err(none) => return format!("no draft: {none:#?}\n"),
    };
    let binding = match super::super::parse::parse(name, "draft.yaml", &made.text) {
        Ok(binding) => binding,
        Err(problems) => {
            let said: Vec<String> = problems.iter().map(|p| format!("{} {:?}", p.detail, p.source)).collect();
            panic!("{}: {said:#?}\n{}", path.display(), made.text);
        }
    };
    let schema: Value = serde_json::from_str(include_str!("../../../../docs/bindings.schema.json")).unwrap();
    let validator = jsonschema::draft202012::new(&schema).unwrap();
    let file = crate::yaml::parse("draft.yaml", &made.text).unwrap().to_json();
    assert_eq!(validator.iter_errors(&file).map(|e| format!("{}: {e}", e.instance_path())).collect::<Vec<_>>(), Vec::<String>::new());
    for call in binding.calls() {
        let tool = tools.iter().find(|t| t.name == call.tool).unwrap_or_else(|| panic!("{}: no tool {}", path.display(), call.tool));
        let super::super::Shape::Map(members) = &call.arguments else { panic!("{}", path.display()) };
        for (argument, _) in members {
            super::super::perform::known_argument(tool, argument).unwrap();
        }
        let required = tool.input_schema()["required"].as_array().cloned().unwrap_or_default();
        for argument in required.iter().filter_map(Value::as_str) {
            assert!(members.iter().any(|(m, _)| m == argument), "{}: {} lacks {argument}\n{}", path.display(), tool.name, made.text);
        }
    }
    made.text
}

#[test]
fn drafts_of_real_servers() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/bindings/draft");
    let mut all: Vec<_> = std::fs::read_dir(folder).unwrap().map(|e| e.unwrap().path()).collect();
    all.sort();
    assert_eq!(all.len(), 6);
    for path in all {
        insta::assert_snapshot!(path.file_stem().unwrap().to_str().unwrap(), drafted(&path));
    }
}

/// More tool lists than are kept here: a folder of JSON files with `tools`.
#[test]
fn every_list_of_a_folder_gives_a_good_draft_or_none() {
    let Ok(folder) = std::env::var("SWELL_LAB_TOOLS") else { return };
    for entry in std::fs::read_dir(folder).unwrap() {
        assert!(!drafted(&entry.unwrap().path()).is_empty());
    }
}

/// The types of a server with these tools (name, arguments, required), as `type: create read update delete`.
fn types(list: &[(&str, Value, &[&str])]) -> Vec<String> {
    let tool = |(name, arguments, required): &(&str, Value, &[&str])| {
        let schema = json!({"type": "object", "properties": arguments, "required": required});
        Tool::parse(json!({"name": name, "inputSchema": schema})).unwrap()
    };
    let tools: Vec<Tool> = list.iter().map(tool).collect();
    let made = draft(&Subject { name: "x", server: "x", tools: &tools }).unwrap();
    let binding = super::super::parse::parse("x", "x.yaml", &made.text).unwrap_or_else(|p| panic!("{p:#?}\n{}", made.text));
    let verb = |v: &super::super::Verb| match v {
        super::super::Verb::Calls { calls, .. } => calls[0].tool.to_string(),
        super::super::Verb::Missing(_) => "-".to_owned(),
    };
    let row = |(kind, b): (&crate::domain::ResourceType, &super::super::TypeBinding)| {
        format!("{kind}: {} {} {} {}", verb(&b.create), b.read.call.tool, verb(&b.update), verb(&b.delete))
    };
    binding.types.iter().map(row).collect()
}

#[test]
fn tools_are_brought_together_by_their_names() {
    let (text, id) = (json!({"name": {"type": "string"}}), json!({"id": {"type": "string"}}));
    let named: &[&str] = &["name"];
    for (list, wanted) in [
        (
            vec![("createThing", text.clone(), named), ("getThing", text.clone(), named), ("removeThing", text.clone(), named)],
            vec!["Thing: createThing getThing - removeThing"],
        ),
        (
            vec![("add-box", text.clone(), named), ("list-boxes", json!({}), &[][..]), ("drop-box", id.clone(), &["id"][..])],
            vec!["box: add-box list-boxes - drop-box"],
        ),
        (
            vec![
                ("proxy_pool_create", text.clone(), named),
                ("proxy_pool_get", text.clone(), named),
                ("proxy_pool_delete", text.clone(), named),
            ],
            vec!["pool: proxy_pool_create proxy_pool_get - proxy_pool_delete"],
        ),
        (
            vec![
                ("put_key", json!({"name": {"type": "string"}, "value": {"type": "string"}}), &["name", "value"][..]),
                ("get_key", text.clone(), named),
                ("delete_key", text.clone(), named),
            ],
            vec!["key: put_key get_key put_key delete_key"],
        ),
        (
            vec![(
                "manage_user",
                json!({"action": {"type": "string", "enum": ["create", "get", "delete"]}, "name": {"type": "string"}}),
                &["action", "name"][..],
            )],
            vec!["user: manage_user manage_user - manage_user"],
        ),
    ] {
        assert_eq!(
            types(&list).iter().map(|t| t.to_lowercase()).collect::<Vec<_>>(),
            wanted.iter().map(|t| t.to_lowercase()).collect::<Vec<_>>()
        );
    }
}

#[test]
fn servers_that_take_a_language_are_told_so() {
    let sql = json!({"name": "execute_sql", "inputSchema": {"type": "object", "properties": {"sql": {"type": "string"}}}});
    let line = json!({"name": "call_it", "inputSchema": {"type": "object", "properties": {"command": {"type": "string"}}, "required": ["command"]}});
    for (tool, language) in [(sql, Language::Sql), (line, Language::Commands)] {
        let tools = [Tool::parse(tool).unwrap()];
        let none = draft(&Subject { name: "x", server: "x", tools: &tools }).unwrap_err();
        assert_eq!(none.languages.iter().map(|(_, l)| *l).collect::<Vec<_>>(), [language]);
    }
}

#[test]
fn what_a_server_says_of_itself_never_makes_a_write_a_read() {
    let schema = json!({"type": "object", "properties": {"name": {"type": "string"}}, "required": ["name"]});
    let tool = |name: &str, hint: bool| {
        let annotations = json!({"readOnlyHint": hint, "destructiveHint": false});
        Tool::parse(json!({"name": name, "inputSchema": schema, "annotations": annotations})).unwrap()
    };
    let tools = [tool("create_a", true), tool("get_a", false), tool("delete_a", true)];
    let made = draft(&Subject { name: "x", server: "x", tools: &tools }).unwrap();
    let binding = super::super::parse::parse("x", "x.yaml", &made.text).unwrap();
    let a = binding.types.values().next().unwrap();
    assert!(a.calls().all(|c| c.effect == crate::mcp::Effect::Change), "{}", made.text);
    assert!(made.text.contains("effect: destructive"), "{}", made.text);
}

#[test]
fn hostile_words_stay_words() {
    let name = "create_x";
    let evil = "x\n    create: {tool: rm}\n\u{202e} ${secret:A} {{ 7*7 }} \" ' # y";
    let schema = json!({"type": "object", "properties": {"name": {"type": "string", "description": evil}, "b: c": {"type": "string", "description": evil, "enum": [evil]}}, "required": ["name"]});
    let tools: Vec<Tool> =
        [name, "get_x"].iter().map(|n| Tool::parse(json!({"name": n, "description": evil, "inputSchema": schema})).unwrap()).collect();
    let made = draft(&Subject { name: "x", server: evil, tools: &tools }).unwrap();
    let binding = super::super::parse::parse("x", "x.yaml", &made.text).unwrap_or_else(|p| panic!("{p:#?}\n{}", made.text));
    assert_eq!(binding.types.len(), 1);
    assert!(binding.calls().all(|c| ["create_x", "get_x"].contains(&c.tool.as_str())));
    assert!(!made.text.contains('\u{202e}'));
}

/// A list of which its server says that it is more than a read is never asked twice, wherever it stands.
#[test]
fn a_list_that_may_write_finds_by_name() {
    let tool = |name: &str, arguments: Value, required: &[&str], hints: Value| {
        let schema = json!({"type": "object", "properties": arguments, "required": required});
        Tool::parse(json!({"name": name, "inputSchema": schema, "annotations": hints})).unwrap()
    };
    let (text, id) = (json!({"name": {"type": "string"}}), json!({"box_id": {"type": "string"}}));
    let tools = [
        tool("create_box", text, &["name"], json!({})),
        tool("get_box", id.clone(), &["box_id"], json!({})),
        tool("list_boxes", json!({}), &[], json!({"readOnlyHint": false})),
    ];
    let made = draft(&Subject { name: "x", server: "x", tools: &tools }).unwrap();
    let binding = super::super::parse::parse("x", "x.yaml", &made.text).unwrap_or_else(|p| panic!("{p:#?}\n{}", made.text));
    let find = binding.types.values().next().unwrap().find.as_ref().unwrap();
    assert_eq!((find.call.tool.as_str(), find.call.effect), ("list_boxes", crate::mcp::Effect::Change));
}

/// One tool for all verbs takes all their arguments; none of them says where to look.
#[test]
fn one_tool_for_all_verbs_has_properties() {
    let schema = json!({"type": "object", "required": ["action", "name"], "properties": {
        "action": {"type": "string", "enum": ["create", "get", "delete"]}, "name": {"type": "string"}, "size": {"type": "integer"}}});
    let tools = [Tool::parse(json!({"name": "manage_box", "inputSchema": schema})).unwrap()];
    let made = draft(&Subject { name: "x", server: "x", tools: &tools }).unwrap();
    assert!(made.text.contains("size: \"{{ properties.size }}\""), "{}", made.text);
}

/// An answer that is declared to hold the one in a member is read from there.
#[test]
fn one_that_lies_in_a_member_of_the_answer_is_read_there() {
    let schema = json!({"type": "object", "required": ["name"], "properties": {"name": {"type": "string"}, "size": {"type": "integer"}}});
    let answer = json!({"type": "object", "properties": {"box": {"type": "object", "properties": {"name": {"type": "string"}, "size": {"type": "integer"}}}}});
    let tools: Vec<Tool> = ["create_box", "get_box"]
        .iter()
        .map(|n| Tool::parse(json!({"name": n, "inputSchema": schema, "outputSchema": answer})).unwrap())
        .collect();
    let made = draft(&Subject { name: "x", server: "x", tools: &tools }).unwrap();
    assert!(
        made.text.contains("result: [\"json\",{\"path\":\"box\"}]") && made.text.contains("size: \"{{ item.size }}\""),
        "{}",
        made.text
    );
}

/// A type that cannot be written down is left out with the reason, and the others are drafted.
#[test]
fn one_that_gives_no_binding_takes_nothing_from_the_others() {
    let tool = |name: &str, more: Value| {
        let mut schema = json!({"type": "object", "properties": {"name": {"type": "string"}}, "required": ["name"]});
        schema["properties"].as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        Tool::parse(json!({"name": name, "inputSchema": schema})).unwrap()
    };
    let odd = json!({"$each": {"type": "string"}, "über_id": {"type": "string"}});
    let tools = [tool("create_box", json!({})), tool("get_box", json!({})), tool("create_lid", odd), tool("get_lid", json!({}))];
    let made = draft(&Subject { name: "x", server: "x", tools: &tools }).unwrap();
    checked("x", "x.yaml", &made).unwrap_or_else(|p| panic!("{p:#?}\n{}", made.text));
    assert_eq!(made.types.iter().map(|(n, _)| n.as_str()).collect::<Vec<_>>(), ["box"], "{}", made.text);
    assert!(made.left_out.iter().any(|l| l.tool == "create_lid" && l.reason.contains("no good binding")), "{:?}", made.left_out);
}
