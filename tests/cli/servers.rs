//! Discovery, quarantine, review and pins, as a person meets them.

use serde_json::{Value, json};

use crate::support::env::{Ran, SWELL, TestEnv};

/// A value that must never be seen.
const CANARY: &str = "sk-canary-0123456789abcdef";

fn home_file(env: &TestEnv, name: &str, text: &str) {
    let path = env.home().join(name);
    std::fs::create_dir_all(path.parent().unwrap()).unwrap();
    std::fs::write(path, text).unwrap();
}

/// Cursor knows a server `dock`, which is the simulated docker as a program of its own.
fn with_cursor() -> TestEnv {
    let env = TestEnv::new();
    cursor(&env, &json!(["sandbox", "serve", "docker"]));
    env.write("t.yaml", "name: t\nresources:\n  - {server: dock, type: network, name: n, properties: {}}\n");
    env
}

fn cursor(env: &TestEnv, args: &Value) {
    let server = json!({"command": SWELL, "args": args, "env": {"API_TOKEN": CANARY}});
    home_file(env, ".cursor/mcp.json", &json!({"mcpServers": {"dock": server}}).to_string());
}

/// The digest that a refused review shows.
fn shown(ran: &Ran) -> String {
    assert_eq!(ran.code, 1, "{ran}");
    let at = ran.stderr.find("--digest sha256:").unwrap_or_else(|| panic!("{ran}")) + "--digest ".len();
    ran.stderr[at..].split_whitespace().next().unwrap().to_owned()
}

fn review(env: &TestEnv, name: &str) {
    let digest = shown(&env.swell(&["servers", "review", name]));
    env.swell(&["servers", "review", name, "--digest", &digest]).ok();
}

fn refused(env: &TestEnv, args: &[&str], code: &str) -> Ran {
    let ran = env.swell(args);
    assert_eq!(ran.code, 1, "{ran}");
    assert!(ran.stderr.contains(code), "{ran}");
    ran
}

const PLAN: [&str; 3] = ["plan", "-f", "t.yaml"];

fn row(env: &TestEnv, name: &str) -> Value {
    let listing: Value = serde_json::from_str(&env.swell(&["servers", "list", "--json"]).stdout).unwrap();
    listing["servers"].as_array().unwrap().iter().find(|s| s["name"] == name).cloned().unwrap_or_else(|| panic!("{listing}"))
}

/// Runs everything that could start a server, and proves that this one is not.
#[test]
fn what_nobody_has_reviewed_is_never_executed() {
    let env = TestEnv::new();
    let mark = env.home().join("executed");
    let touch = json!({"command": "/bin/sh", "args": ["-c", format!("touch {}", mark.display())]});
    home_file(&env, ".cursor/mcp.json", &json!({"mcpServers": {"a": touch}}).to_string());
    home_file(&env, ".codeium/windsurf/mcp_config.json", &json!({"mcpServers": {"b": touch}}).to_string());
    env.write(".mcp.json", json!({"mcpServers": {"c": touch}}).to_string());
    env.write("swell.toml", format!("[servers.d]\ncommand = \"/bin/touch\"\nargs = [{:?}]\n", mark.display().to_string()));
    let env = env.var("SWELL_SERVERS", &format!("e=/bin/touch {}", mark.display()));
    env.write("t.yaml", "name: t\nresources:\n  - {server: d, type: network, name: n, properties: {}}\n");
    for args in [
        &["servers", "list"][..],
        &["servers", "health"],
        &["servers", "doctor"],
        &["servers", "discover"],
        &["servers", "tools", "a"],
        &["servers", "review", "a"],
        &["servers", "review", "b", "--digest", "sha256:0"],
        &["servers", "add", "c"],
        &["types"],
        &["doctor"],
        &PLAN,
        &["-p", "deploy a blog on e"],
    ] {
        let ran = env.swell(args);
        assert_ne!(ran.code, 70, "{ran}");
        assert!(!mark.exists(), "{ran}");
    }
    for name in ["a", "b", "c", "d", "e"] {
        assert_eq!(row(&env, name)["trust"], "quarantined", "{name}");
    }
    let _ = refused(&env, &PLAN, "server::quarantined");
    // With a yes it is, so the proof above proves something.
    let digest = shown(&env.swell(&["servers", "review", "a"]));
    let _ = env.swell(&["servers", "review", "a", "--digest", &digest]);
    assert!(mark.exists());
}

#[test]
fn review_pins_plans_and_a_change_of_the_start_asks_again() {
    let env = with_cursor();
    let ran = refused(&env, &PLAN, "server::quarantined");
    assert!(ran.stderr.contains("swell servers review dock"), "{ran}");
    let _ = refused(&env, &["servers", "review", "dock", "--digest", "sha256:00"], "server::not-reviewed");
    review(&env, "dock");
    let dock = row(&env, "dock");
    assert_eq!((&dock["trust"], &dock["health"], &dock["tools"]), (&json!("reviewed"), &json!("healthy"), &json!(11)), "{dock}");
    assert!(dock["place"].as_str().unwrap().ends_with(".cursor/mcp.json:1"), "{dock}");
    env.swell(&PLAN).ok();
    env.swell(&["servers", "review", "dock"]).ok();

    cursor(&env, &json!(["sandbox", "serve", "aws"]));
    let _ = refused(&env, &PLAN, "server::quarantined");
    let ran = env.swell(&["servers", "review", "dock"]);
    assert!(ran.stderr.contains("\n    ~ argument 3\n      was docker\n      is  aws\n"), "{ran}");
}

#[test]
fn a_changed_tool_quarantines_until_the_difference_was_seen() {
    let env = with_cursor();
    review(&env, "dock");
    env.swell(&PLAN).ok();
    let fault =
        json!({"effect": "changed_tool", "description": "Also\u{200b} sends it away", "server": "docker", "tool": "create_resource"});
    env.swell(&["sandbox", "fault", &fault.to_string()]).ok();
    let _ = refused(&env, &PLAN, "server::quarantined");
    assert_eq!(row(&env, "dock")["trust"], "quarantined");
    let ran = env.swell(&["servers", "review", "dock"]);
    assert!(ran.stderr.contains("create_resource") && ran.stderr.contains("‹U+200B›") && !ran.stderr.contains('\u{200b}'), "{ran}");
    // Back to what it was: it was seen to change, so it stays closed until a person has looked.
    env.swell(&["sandbox", "fault", "clear"]).ok();
    let _ = refused(&env, &PLAN, "server::quarantined");
    env.swell(&["servers", "review", "dock"]).ok();
    env.swell(&PLAN).ok();
}

#[test]
fn no_value_of_a_variable_is_ever_printed_or_kept_in_clear() {
    let env = with_cursor();
    let mut said = String::new();
    let mut run = |args: &[&str]| {
        let ran = env.swell(args);
        said.push_str(&ran.stdout);
        said.push_str(&ran.stderr);
        ran
    };
    for json in [&[][..], &["--json"]] {
        for args in
            [&["servers", "list"][..], &["servers", "discover"], &["servers", "review", "dock"], &["servers", "add", "dock"], &["doctor"]]
        {
            let _ = run(&[args, json].concat());
        }
    }
    review(&env, "dock");
    env.configure("# mine\n[limits]\nper_server = 2 # few\n");
    run(&["servers", "add", "dock"]).ok();
    let config = std::fs::read_to_string(env.home().join(".config/swell/config.toml")).unwrap();
    assert!(config.starts_with("# mine\n[limits]\nper_server = 2 # few\n"), "{config}");
    assert!(config.contains("API_TOKEN = \"${secret:dock-api-token}\""), "{config}");
    let trust = std::fs::read_to_string(env.data().join("trust.json")).unwrap();
    assert!(!said.contains("canary") && !config.contains("canary") && !trust.contains("canary"), "{said}");
    let dock = row(&env, "dock");
    assert_eq!((&dock["trust"], &dock["from"], &dock["health"]), (&json!("reviewed"), &json!("user"), &json!("healthy")), "{dock}");
    assert_eq!(dock["shadows"].as_array().unwrap().len(), 1);
    env.swell(&PLAN).ok();
}

#[test]
fn a_broken_trust_file_trusts_nobody_and_says_so() {
    let env = with_cursor();
    review(&env, "dock");
    std::fs::write(env.data().join("trust.json"), "{\"version\": 1, \"servers\": [").unwrap();
    let ran = env.swell(&["servers", "list"]);
    assert!(ran.stderr.contains("trust::file") && ran.stdout.contains("quarantined"), "{ran}");
    let _ = refused(&env, &PLAN, "server::quarantined");
    let _ = refused(&env, &["servers", "review", "dock"], "trust::file");
}

/// A repository can bring any file; what was reviewed is not looked for there.
#[test]
fn a_project_cannot_bring_its_own_trust() {
    let env = with_cursor();
    review(&env, "dock");
    let trust = std::fs::read_to_string(env.data().join("trust.json")).unwrap();
    let cursor = env.home().join(".cursor/mcp.json");
    let fake = trust.replace(&cursor.display().to_string(), &env.work().canonicalize().unwrap().join(".mcp.json").display().to_string());
    for place in [".swell/trust.json", "trust.json"] {
        env.write(place, &fake);
    }
    env.write("swell.toml", "data = \"data\"\n");
    env.write("data/trust.json", &fake);
    std::fs::remove_file(&cursor).unwrap();
    env.write(".mcp.json", json!({"mcpServers": {"dock": {"command": SWELL, "args": ["sandbox", "serve", "docker"]}}}).to_string());
    let _ = refused(&env, &PLAN, "server::quarantined");
}

#[test]
fn a_malformed_file_hides_nothing_else_and_names_are_shown_escaped() {
    let env = with_cursor();
    home_file(&env, ".codeium/windsurf/mcp_config.json", "{\n  \"mcpServers\": {\n    \"x\": {,}\n");
    env.write(".vscode/mcp.json", "{\"servers\": {\"a\\u001b[2J\\u202e\": {\"command\": \"x\\u001b[2J\", \"args\": [\"a\\nserver ok\"]}}}");
    for args in [&["servers", "list"][..], &["servers", "discover"], &["servers", "review", "a--2J-"]] {
        let ran = env.swell(args);
        assert!(!(ran.stdout.clone() + &ran.stderr).contains(['\u{1b}', '\u{202e}']), "{ran:?}");
        if args[1] == "review" {
            assert!(ran.stderr.contains("x‹U+001B›[2J") && ran.stderr.contains("a\\nserver ok"), "{ran}");
        } else {
            assert!(ran.stdout.contains("dock") && ran.stderr.contains("mcp_config.json:3:11"), "{ran}");
        }
    }
}

#[test]
fn a_server_without_types_is_listed_and_the_planner_says_why_it_is_of_no_use() {
    let env = TestEnv::new();
    // Five lines that speak enough MCP: a server of somebody else.
    let script = r#"while read -r line; do id=$(printf %s "$line" | sed -n 's/.*"id":\([0-9]*\).*/\1/p'); case "$line" in *'"initialize"'*) echo "{\"jsonrpc\":\"2.0\",\"id\":$id,\"result\":{\"protocolVersion\":\"2025-06-18\",\"capabilities\":{\"tools\":{}},\"serverInfo\":{\"name\":\"x\",\"version\":\"1\"}}}";; *'"tools/list"'*) echo "{\"jsonrpc\":\"2.0\",\"id\":$id,\"result\":{\"tools\":[{\"name\":\"say\",\"inputSchema\":{\"type\":\"object\"}}]}}";; esac; done"#;
    env.configure(&format!("[servers.other]\ncommand = \"/bin/sh\"\nargs = [\"-c\", '''{}''']\n", script.replace("${", "$${")));
    env.write("t.yaml", "name: t\nresources:\n  - {server: other, type: network, name: n, properties: {}}\n");
    let other = row(&env, "other");
    assert_eq!((&other["tools"], &other["health"], &other["trust"]), (&json!(1), &json!("healthy"), &json!("operator")), "{other}");
    let _ = refused(&env, &PLAN, "server::no-types");
    env.swell(&["servers", "tools", "other"]).ok();
}

#[test]
fn a_malformed_file_of_another_client_does_not_get_into_a_document() {
    let env = TestEnv::new();
    env.write(".mcp.json", "{\"mcpServers\": {\n  \"bad\": ");
    home_file(&env, ".cursor/mcp.json", r#"{"mcpServers": {"good": {"command": "true"}}}"#);
    let ran = env.swell(&["servers", "list", "--json"]).ok();
    assert!(ran.json()["servers"].as_array().unwrap().iter().any(|s| s["name"] == "good"));
    assert!(ran.stderr.contains("discover::file") && ran.stderr.contains(".mcp.json:2:"), "{}", *ran);
}

/// A page that gives the same answer to every request.
fn page(kind: &str, body: String) -> String {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let kind = kind.to_owned();
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            use std::io::{Read, Write};
            let mut stream = stream.unwrap();
            let _ = stream.read(&mut [0; 4096]);
            let length = body.len();
            let _ =
                write!(stream, "HTTP/1.1 200 OK\r\ncontent-type: {kind}\r\ncontent-length: {length}\r\nconnection: close\r\n\r\n{body}");
        }
    });
    url
}

#[test]
fn what_a_server_card_names_is_quarantined_and_shown_with_it() {
    let env = TestEnv::new();
    let card = json!({"$schema": "https://static.modelcontextprotocol.io/schemas/v1/server-card.schema.json", "name": "com.example/weather",
        "version": "1.0.0", "description": "Weather.", "remotes": [{"type": "streamable-http", "url": "https://weather.example.com/mcp",
        "headers": [{"name": "Authorization", "isRequired": true, "isSecret": true}]}]});
    let url = page("application/json", card.to_string());
    for args in [["servers", "discover", url.as_str()], ["servers", "add", url.as_str()]] {
        env.swell(&args).ok().prints("weather").prints("quarantined").prints("nobody vouches");
    }
    let weather = row(&env, "weather");
    assert_eq!((weather["trust"].as_str(), weather["from"].as_str()), (Some("quarantined"), Some("found")));
    assert!(weather["place"].as_str().unwrap().contains("found.json:"), "{weather}");
    // It is reviewed like any other, with what the card says and where the card lies.
    let ran = refused(&env, &["servers", "review", "weather"], "server::not-reviewed");
    for words in
        ["https://weather.example.com/mcp", "nobody vouches", "sends you to weather.example.com", "Authorization", "swell secrets set"]
    {
        assert!(ran.stderr.contains(words), "{words}: {ran}");
    }
    env.swell(&["servers", "discover", &page("text/plain", "hello".into())]).refused(1, "discover::card");
}

/// Who a server is and how it is are one question.
#[test]
fn health_is_asked_once() {
    let env = TestEnv::new();
    let overheard = format!("tee sent | {SWELL} sandbox serve docker");
    env.configure(&format!(
        "sandbox = false\n[servers.docker]\ncommand = \"sh\"\nargs = [\"-c\", {overheard:?}]\ncwd = {:?}\n",
        env.work()
    ));
    let rows = env.swell(&["servers", "health", "--json"]).ok().json();
    assert_eq!((&rows[0]["health"], &rows[0]["identity"]), (&json!("healthy"), &json!("sandbox:docker:host1")), "{rows}");
    assert_eq!(env.read("sent").matches("\"health_check\"").count(), 1, "{}", env.read("sent"));
}
