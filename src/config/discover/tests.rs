use std::path::Path;

use proptest::prelude::*;

use super::*;
use crate::config::{Environment, ServerSetting};

fn with<T>(env: &[(&str, &str)], os: Os, f: impl FnOnce(&Surroundings<'_>) -> T) -> T {
    let env: Environment = env.iter().map(|(k, v)| ((*k).to_owned(), (*v).to_owned())).collect();
    let (home, folder) = if os == Os::Windows { ("C:\\Users\\ann", "C:\\work\\shop") } else { ("/home/ann", "/home/ann/shop") };
    f(&Surroundings { os, home: Path::new(home), env: &env, folder: Path::new(folder) })
}

fn found(layer: Layer, text: &str) -> Discovered {
    with(&[("HAVE", "x")], Os::Linux, |s| read(&Place { layer, path: "/f.json".into() }, text, s))
}

/// What a file says when it has one server and nothing is wrong.
fn one(layer: Layer, text: &str) -> Registered {
    let mut all = found(layer, text);
    assert!(all.problems.is_empty(), "{:?}", all.problems);
    assert_eq!(all.servers.len(), 1, "{:?}", all.servers);
    all.servers.remove(0)
}

fn stdio(command: &str, args: &[&str], env: &[(&str, &str)]) -> ServerSetting {
    ServerSetting {
        command: Some(command.into()),
        args: args.iter().map(|a| (*a).to_owned()).collect(),
        env: env.iter().map(|(k, v)| ((*k).to_owned(), (*v).to_owned())).collect(),
        ..ServerSetting::default()
    }
}

#[test]
fn places_of_three_systems() {
    let paths = |os, env: &[(&str, &str)]| -> Vec<String> {
        with(env, os, |s| places(s).iter().map(|p| p.path.display().to_string().replace('\\', "/")).collect())
    };
    assert_eq!(
        paths(Os::Linux, &[]),
        [
            "/home/ann/.claude.json",
            "/home/ann/shop/.mcp.json",
            "/home/ann/shop/.cursor/mcp.json",
            "/home/ann/shop/.vscode/mcp.json",
            "/home/ann/.claude.json",
            "/home/ann/.cursor/mcp.json",
            "/home/ann/.config/Code/User/mcp.json",
            "/home/ann/.config/Code - Insiders/User/mcp.json",
            "/home/ann/.config/VSCodium/User/mcp.json",
            "/home/ann/.codeium/windsurf/mcp_config.json",
            "/home/ann/.config/Claude/claude_desktop_config.json",
        ]
    );
    let mac = paths(Os::Mac, &[]);
    assert!(mac.contains(&"/home/ann/Library/Application Support/Claude/claude_desktop_config.json".to_owned()), "{mac:?}");
    let windows = paths(Os::Windows, &[("APPDATA", "D:/roam")]);
    assert!(windows.contains(&"D:/roam/Claude/claude_desktop_config.json".to_owned()), "{windows:?}");
    assert!(windows.contains(&"D:/roam/Code/User/mcp.json".to_owned()), "{windows:?}");
}

#[test]
fn in_the_home_folder_a_file_is_the_users() {
    let env = Environment::new();
    let s = Surroundings { os: Os::Linux, home: Path::new("/h"), env: &env, folder: Path::new("/h") };
    let cursor: Vec<Layer> = places(&s).iter().filter(|p| p.path.ends_with(".cursor/mcp.json")).map(|p| p.layer).collect();
    assert_eq!(cursor, [Layer::Cursor]);
}

#[test]
fn claude_desktop_takes_text_as_it_stands_and_programs_only() {
    let text = r#"{
  "globalShortcut": "Ctrl+Space",
  "mcpServers": {
    "filesystem": {
      "command": "npx",
      "args": ["-y", "@modelcontextprotocol/server-filesystem", "${HOME}/x"],
      "env": {"DEBUG": "1", "NO": null, "N": 7}
    }
  }
}"#;
    let server = one(Layer::ClaudeDesktop, text);
    let args = ["-y", "@modelcontextprotocol/server-filesystem", "$${HOME}/x"];
    assert_eq!(server.setting, stdio("npx", &args, &[("DEBUG", "1"), ("N", "7")]));
    assert_eq!(server.origin.place(), "/f.json:4");
    let all = found(Layer::ClaudeDesktop, r#"{"mcpServers": {"r": {"url": "https://x/mcp"}, "ok": {"command": "a"}}}"#);
    assert_eq!((all.servers.len(), all.problems.len()), (1, 1));
    let strict = found(Layer::ClaudeDesktop, "{\n  // no comments here\n  \"mcpServers\": {}}");
    assert_eq!(strict.problems[0].facts[1].1, "/f.json:2:3");
}

#[test]
fn claude_code_knows_folders_variables_and_what_is_off() {
    let text = r#"{
      "numStartups": 12, "history": [{"deep": [[[1]]]}],
      "mcpServers": {"remote": {"type": "http", "url": "https://${HOST:-api.example.org}/mcp", "headers": {"Authorization": "Bearer ${TOKEN}"}}},
      "projects": {
        "/home/ann/other": {"mcpServers": {"not-here": {"command": "x"}}},
        "/home/ann/shop": {
          "mcpServers": {"db": {"type": "stdio", "command": "${HAVE:-no}", "args": ["${X}"], "env": {}}},
          "disabledMcpServers": ["remote"]
        }
      }
    }"#;
    let remote = one(Layer::ClaudeCode, text);
    assert_eq!(remote.setting.url.as_deref(), Some("https://api.example.org/mcp"));
    assert_eq!(remote.setting.headers["Authorization"], "Bearer ${TOKEN}");
    assert!(remote.disabled);
    let local = one(Layer::ClaudeCodeLocal, text);
    assert_eq!((local.name.as_str(), &local.setting), ("db", &stdio("${HAVE}", &["${X}"], &[])));
    assert!(!local.disabled);
    let project = one(Layer::McpJson, r#"{"mcpServers": {"old": {"type": "sse", "url": "https://x/sse"}}}"#);
    assert!(project.unusable.unwrap().contains("SSE"));
}

#[test]
fn cursor_names_the_workspace_and_allows_comments() {
    let text = r#"{
  // ours
  "mcpServers": {
    "tools": {
      "command": "${workspaceFolder}/bin/tools", /* built */ "args": ["${env:MODE}", "${pathSeparator}", "${workspaceFolderBasename}"],
      "cwd": "${userHome}", "envFile": ".env", "surprise": 1,
    },
  },
}"#;
    let server = one(Layer::CursorProject, text);
    assert_eq!(server.setting.command.as_deref(), Some("/home/ann/shop/bin/tools"));
    assert_eq!(server.setting.args, ["${MODE}", "/", "shop"]);
    assert_eq!(server.setting.cwd.as_deref(), Some("/home/ann"));
    assert_eq!(server.notes.len(), 2, "{:?}", server.notes);
    assert_eq!(server.origin.line, 4);
}

#[test]
fn vs_code_asks_for_inputs_and_resolves_commands_itself() {
    let text = r#"{
  "inputs": [{"id": "gh-token", "type": "promptString", "password": true}],
  "servers": {
    "github": {"type": "http", "url": "https://api.githubcopilot.com/mcp/", "headers": {"Authorization": "Bearer ${input:gh-token}"}},
    "local": {"type": "stdio", "command": "python", "args": ["${workspaceFolder}/s.py", "${command:pick.one}"], "dev": {"watch": "x"}}
  }
}"#;
    let all = found(Layer::VsCodeProject, text);
    assert!(all.problems.is_empty());
    assert_eq!(all.servers[0].setting.headers["Authorization"], "Bearer ${secret:gh-token}");
    assert_eq!(all.servers[0].notes, ["it asks for `gh-token`: swell secrets set gh-token"]);
    assert_eq!(all.servers[1].unusable.as_deref(), Some("only its own client can fill in ${command:pick.one}"));
    assert!(found(Layer::VsCode, r#"{"mcpServers": {"x": {"command": "y"}}}"#).servers.is_empty(), "its key is `servers`");
}

#[test]
fn windsurf_has_its_own_key_for_urls() {
    let text = r#"{"mcpServers": {"figma": {"serverUrl": "https://f/mcp?key=${env:FIGMA}", "disabled": true, "disabledTools": ["a"]}}}"#;
    let server = one(Layer::Windsurf, text);
    assert_eq!(server.setting.url.as_deref(), Some("https://f/mcp?key=${FIGMA}"));
    assert!(server.disabled);
    assert!(one(Layer::Windsurf, r#"{"mcpServers": {"a": {"command": "${userHome}/a"}}}"#).unusable.is_some());
}

#[test]
fn what_the_network_said_takes_nothing_from_the_environment() {
    let text = r#"{"mcpServers": {"lab": {"type": "http", "url": "http://10.0.0.7/${HAVE}", "headers": {"X": "${HAVE}"},
        "secretHeaders": {"Authorization": "lab-auth"}, "notes": ["a note"], "source": "mdns:Lab"}}}"#;
    let server = one(Layer::Found, text);
    assert_eq!(server.setting.url.as_deref(), Some("http://10.0.0.7/$${HAVE}"));
    assert_eq!(
        (server.setting.headers["X"].as_str(), server.setting.headers["Authorization"].as_str()),
        ("$${HAVE}", "${secret:lab-auth}")
    );
    assert_eq!(server.notes, ["a note"]);
}

#[test]
fn one_bad_entry_costs_only_itself_and_says_where() {
    let text = "{\n \"mcpServers\": {\n  \"good\": {\"command\": \"a\"},\n  \"args\": {\"command\": \"a\", \"args\": \"-y canary-secret\"},\n  \"env\": {\"command\": \"a\", \"env\": {\"K\": [\"canary-secret\"]}},\n  \"none\": {},\n  \"list\": [],\n  \"kind\": {\"type\": \"carrier-pigeon\", \"url\": \"x\"},\n  \"\\u001b[2J\": 3,\n  \"good2\": {\"command\": \"b\"}\n }\n}";
    let all = found(Layer::Cursor, text);
    assert_eq!(all.servers.iter().map(|s| s.name.as_str()).collect::<Vec<_>>(), ["good", "good2"]);
    let places: Vec<&str> = all.problems.iter().map(|d| d.facts[1].1.as_str()).collect();
    assert_eq!(places, ["/f.json:4:36", "/f.json:5:40", "/f.json:6:11", "/f.json:7:11", "/f.json:8:11", "/f.json:9:16"]);
    let said = format!("{:?}", all.problems);
    assert!(!said.contains("canary") && !said.contains("\\u{1b}"), "{said}");
}

#[test]
fn malformed_empty_huge_and_deep_files_end_well() {
    assert!(found(Layer::Cursor, "").problems.is_empty());
    assert!(found(Layer::Cursor, "\u{feff}  \n").problems.is_empty());
    assert!(found(Layer::Cursor, "{}").problems.is_empty());
    assert_eq!(found(Layer::Cursor, "[]").problems.len(), 1);
    let broken = found(Layer::Windsurf, "{\n \"mcpServers\": {\n  \"a\": {\"env\": {\"TOKEN\": \"canary-secret\" \"x\"}}\n}}");
    assert_eq!((broken.servers.len(), broken.problems.len()), (0, 1));
    assert!(broken.problems[0].facts[1].1.starts_with("/f.json:3:"), "{:?}", broken.problems);
    assert!(!format!("{broken:?}").contains("canary"));
    assert_eq!(found(Layer::Cursor, &"[".repeat(100_000)).problems.len(), 1);
    let many: Vec<String> = (0..MAX_SERVERS + 9).map(|n| format!("\"s{n}\":{{\"command\":\"c\"}}")).collect();
    let all = found(Layer::Cursor, &format!("{{\"mcpServers\":{{{}}}}}", many.join(",")));
    assert_eq!((all.servers.len(), all.problems.len()), (MAX_SERVERS, 1));
    let twice = found(Layer::Cursor, r#"{"mcpServers":{"a":{"command":"one"},"a":{"command":"two"}}}"#);
    assert_eq!((twice.servers.len(), twice.problems.len()), (1, 1));
    assert_eq!(twice.servers[0].setting.command.as_deref(), Some("two"));
}

#[test]
fn the_environment_names_servers_in_three_ways() {
    let read = |env: &[(&str, &str)]| with(env, Os::Linux, environment::read);
    let plain = read(&[("SWELL_SERVERS", r#"fs=npx -y "a b" c\;d ; web=https://x/mcp; bad ;"#)]);
    assert_eq!(plain.servers[0].setting, stdio("npx", &["-y", "a b", "c;d"], &[]));
    assert_eq!(plain.servers[1].setting.url.as_deref(), Some("https://x/mcp"));
    assert_eq!((plain.servers.len(), plain.problems.len()), (2, 1));
    assert_eq!(plain.servers[0].origin.place(), "environment SWELL_SERVERS");

    for text in [r#"{"a":{"command":"x","args":["${Y}"]}}"#, r#"{"mcpServers":{"a":{"command":"x","args":["${Y}"]}}}"#] {
        let json = read(&[("SWELL_SERVERS", text)]);
        assert!(json.problems.is_empty(), "{:?}", json.problems);
        assert_eq!(json.servers[0].setting, stdio("x", &["${Y}"], &[]));
    }
    let own = read(&[("SWELL_SERVER_MY_DB", r"C:\tools\db.exe --x 'y z'"), ("SWELL_SERVER_", "x"), ("SWELL_SERVERS", "{oops canary")]);
    assert_eq!(own.servers[0].name.as_str(), "my-db");
    assert_eq!(own.servers[0].setting, stdio(r"C:\tools\db.exe", &["--x", "y z"], &[]));
    assert_eq!(own.problems.len(), 2, "{:?}", own.problems);
    assert!(!format!("{:?}", own.problems).contains("canary"));
    assert_eq!(read(&[("SWELL_SERVER_A", "x 'y")]).problems.len(), 1);
}

proptest! {
    #[test]
    fn no_text_makes_a_reader_fall(text in any::<String>(), at in 0usize..12) {
        let layers = [Layer::ClaudeDesktop, Layer::ClaudeCodeLocal, Layer::McpJson, Layer::Cursor, Layer::VsCode, Layer::Windsurf];
        let layer = layers[at % layers.len()];
        found(layer, &text);
        let quoted = serde_json::to_string(&text).unwrap();
        for server in found(layer, &format!("{{\"mcpServers\":{{{quoted}:{{\"command\":{quoted},\"args\":[{quoted}]}}}}}}")).servers {
            // What is literal there is literal here.
            if layer == Layer::ClaudeDesktop {
                let segments = crate::domain::reference::parse(&server.setting.args[0]).unwrap();
                prop_assert_eq!(segments, vec![crate::domain::Segment::Literal(text.clone())]);
            }
        }
        with(&[("SWELL_SERVERS", text.replace('\0', "").as_str())], Os::Linux, environment::read);
    }
}
