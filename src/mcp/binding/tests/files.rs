//! The bindings of PostgreSQL and of files, which find what they make by what is wanted of it.

use super::*;

const TABLES: &str = include_str!("../../../../tests/fixtures/bindings/postgres-tools.json");
const FILES: &str = include_str!("../../../../tests/fixtures/bindings/filesystem-tools.json");
const FILE_SAMPLES: &str = include_str!("../../../../tests/fixtures/bindings/filesystem.json");

/// A database that answers reads with this, and writes with that.
fn database(rows: &'static str, said: &'static str) -> Fake {
    fake(TABLES, move |what, message| {
        let sql = arguments(message)["sql"].as_str().unwrap_or_default().to_owned();
        match what {
            "execute_sql" if sql.starts_with("SELECT") => vec![text(rows)],
            "execute_sql" => vec![text(said)],
            _ => Vec::new(),
        }
    })
}

fn sql(fake: &Fake) -> String {
    let all = fake.seen("execute_sql");
    let sent = all.iter().map(|m| arguments(m)["sql"].as_str().unwrap()).find(|s| !s.starts_with("SELECT"));
    sent.unwrap().split_whitespace().collect::<Vec<_>>().join(" ")
}

#[tokio::test]
async fn no_text_of_a_template_becomes_sql() {
    let fake = database("[]", "No results");
    let wanted = properties(json!({
        "columns": [{"name": "a\"); DROP TABLE x; --", "type": "integer", "nullable": false}], "schema": "s\"q",
        "description": "it's '); DROP ROLE r; -- \\",
    }));
    let made = bound(&fake, "postgres").create(&kind("table"), &named("t"), &wanted, "swell-1", &CallControl::read()).await;
    // The server said yes and has no such table.
    assert!(matches!(&made, Err(CallError::Unknown { reason, .. }) if reason.contains("it is not there")), "{made:?}");
    let wanted = r#"CREATE TABLE "s""q"."t" ("a""); DROP TABLE x; --" integer NOT NULL); COMMENT ON TABLE "s""q"."t" IS E'it''s ''); DROP ROLE r; -- \\ (swell-1)'"#;
    assert_eq!(sql(&fake), wanted);
}

#[tokio::test]
async fn a_failure_that_calls_itself_a_success_is_refused() {
    let class = async |said: &'static str| {
        let made = bound(&database("[]", said), "postgres")
            .create(&kind("schema"), &named("app"), &Properties::new(), "swell-1", &CallControl::read())
            .await;
        let Err(CallError::Refused { class, .. }) = made else { panic!("{made:?}") };
        class
    };
    assert_eq!(class("Error: schema \"app\" already exists").await, Refusal::Exists);
    assert_eq!(class("Error: permission denied for database postgres").await, Refusal::Denied);
    assert_eq!(class("Error: Error validating query: CREATE SCHEMA").await, Refusal::Denied);
    assert_eq!(class("Error: something new").await, Refusal::Other);
}

#[tokio::test]
async fn a_role_is_read_from_python_and_changed_by_what_differs() {
    let rows = "[{'id': '16400', 'name': 'app', 'login': True, 'superuser': False, 'createdb': False, 'createrole': False, \
                'connections': -1, 'comment': 'Shop (swell-1)', 'member_of': ['readers'], 'grants': ['USAGE ON SCHEMA shop']}]";
    let fake = database(rows, "No results");
    let server = bound(&fake, "postgres");
    let live = server.read(&key("role", "app", None)).await.unwrap().unwrap();
    assert_eq!((live.id.as_str(), live.created_by.as_deref(), &live.properties["login"]), ("16400", Some("swell-1"), &json!(true)));
    assert_eq!((&live.properties["description"], &live.properties["memberOf"]), (&json!("Shop"), &json!(["readers"])));
    let wanted = properties(json!({"login": true, "grants": ["SELECT ON TABLE shop.items"]}));
    server.update(&key("role", "app", Some("16400")), &wanted, &CallControl::read()).await.unwrap();
    let said = sql(&fake);
    for part in [
        r#"ALTER ROLE "app" LOGIN NOSUPERUSER"#,
        r#"REVOKE "readers" FROM "app";"#,
        r#"REVOKE USAGE ON SCHEMA "shop" FROM "app";"#,
        r#"GRANT SELECT ON TABLE "shop"."items" TO "app";"#,
        r#"COMMENT ON ROLE "app" IS '(swell-1)'"#,
    ] {
        assert!(said.contains(part), "{part} is not in {said}");
    }
}

#[test]
fn a_tool_of_a_common_name_must_say_what_it_is() {
    let library = Library::load(&[]);
    let tools = |says: &str| {
        let tool =
            json!({"name": "query", "description": says, "inputSchema": {"type": "object", "properties": {"sql": {"type": "string"}}}});
        vec![crate::mcp::tools::Tool::parse(tool).unwrap()]
    };
    assert_eq!(library.fitting(&tools("Run a read-only SQL query")).unwrap().name, "postgres-readonly");
    assert!(library.fitting(&tools("Ask our knowledge base")).is_none());
    assert!(library.get("postgres-readonly").unwrap().types[&kind("table")].def.limits.missing["create"].contains("postgres-mcp"));
}

#[tokio::test]
async fn a_file_is_looked_for_where_it_would_be() {
    let fake = fake(FILES, |what, message| match (what, arguments(message)["path"].as_str()) {
        ("read_text_file", Some("/lab/a.txt")) => vec![Do::Result(sample(FILE_SAMPLES, "read_text_file", "a.txt"))],
        ("read_text_file", _) => vec![Do::Result(sample(FILE_SAMPLES, "read_text_file", "none"))],
        ("get_file_info", _) => vec![Do::Result(sample(FILE_SAMPLES, "get_file_info", "a.txt"))],
        _ => Vec::new(),
    });
    let server = bound(&fake, "filesystem");
    let known = |p: Value| server.known_id(&kind("file"), &named("motd"), &properties(p));
    assert_eq!(known(json!({"path": "/lab/a.txt", "content": "x"})).as_deref(), Some("/lab/a.txt"));
    assert_eq!(known(json!({"path": "${docker:volume:v.mountpoint}/a", "content": "x"})), None);
    assert_eq!(server.read(&key("file", "motd", None)).await.unwrap(), None);
    assert_eq!(server.read(&key("file", "motd", Some("/lab/b.txt"))).await.unwrap(), None);
    let live = server.read(&key("file", "motd", Some("/lab/a.txt"))).await.unwrap().unwrap();
    assert_eq!(live.properties, properties(json!({"path": "/lab/a.txt", "content": "one"})));
    assert_eq!(live.outputs["size"], json!(3));
    // What is a file is no directory.
    assert_eq!(server.read(&key("directory", "d", Some("/lab/a.txt"))).await.unwrap(), None);
    let types = server.types().await.unwrap();
    assert!(types[&kind("file")].limits.missing["delete"].contains("no tool that deletes"));
}
