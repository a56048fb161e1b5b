//! A real PostgreSQL behind postgres-mcp, and behind the reference server that only reads; and files behind server-filesystem.

use std::path::Path;

use serde_json::json;

use super::support::{home_with, lab_server, tells};
use crate::support::env::YES;

fn database(columns: serde_json::Value, limit: i64) -> String {
    let grants = ["USAGE ON SCHEMA swlab", "SELECT ON TABLE swlab.items"];
    json!({"name": "swlab-db", "resources": [
        {"server": "pg", "type": "schema", "name": "swlab", "properties": {"description": "It's the \"lab\"; DROP SCHEMA swlab; --"}},
        {"server": "pg", "type": "table", "name": "items",
         "properties": {"schema": "${pg:schema:swlab.name}", "columns": columns, "primaryKey": ["id"]}},
        {"server": "pg", "type": "role", "name": "swlab_reader",
         "properties": {"login": true, "password": "${secret:reader}", "connectionLimit": limit, "grants": grants},
         "depends_on": ["pg:table:items"]},
    ]})
    .to_string()
}

#[test]
fn a_schema_a_table_and_a_role_live_and_go() {
    let Some(server) = lab_server("postgres-mcp", &["SWELL_LAB_POSTGRES"]) else { return };
    let env = home_with(&[("pg", &server)]);
    env.swell_with_input(&["secrets", "set", "reader"], "it's \\ a 'secret'\n").ok();
    let id = json!({"name": "id", "type": "bigint", "identity": true});
    let odd = json!({"name": "odd\" name", "type": "character varying(80)", "nullable": false});
    env.write("db.json", database(json!([id, odd]), 5));
    let made = env.swell(&["apply", "db.json", YES[0], YES[1], YES[2]]).ok();
    assert!(!format!("{made:?}").contains("a 'secret'"));
    env.settled("swlab-db");

    // A column is added in place; one that would be dropped is refused by the server, with nothing half done.
    let added = json!({"name": "added", "type": "integer"});
    env.write("db.json", database(json!([id, odd, added]), 7));
    env.swell(&["apply", "db.json", YES[0], YES[1], YES[2]]).ok();
    env.settled("swlab-db");
    env.write("db.json", database(json!([id, added]), 9));
    let dropped = env.swell(&["apply", "db.json", YES[0], YES[1], YES[2]]).code(3);
    tells(&dropped, &["would be dropped with what is in it, which must be done by hand"]);
    env.write("db.json", database(json!([id, odd, added]), 7));
    env.swell(&["plan", "db.json", "--exit-code"]).ok();

    // Two of the same: the second is refused, and not taken for the first.
    let other = home_with(&[("pg", &server)]);
    other.write(
        "twin.json",
        json!({"name": "twin", "resources": [{"server": "pg", "type": "schema", "name": "swlab", "properties": {}}]}).to_string(),
    );
    other.swell(&["apply", "twin.json", YES[0], YES[1], YES[2]]).refused(1, "plan::exists");

    env.swell(&["destroy", "swlab-db", "--yes", "--max-destroy", "9"]).ok();
    env.write("db.json", database(json!([id, odd, added]), 7));
    env.swell(&["plan", "db.json"]).ok().prints("3 to add");
    let _ = env.sound();
}

#[test]
fn the_reference_server_is_read_and_refuses_to_write() {
    let Some(server) = lab_server("postgres-ref", &["SWELL_LAB_POSTGRES"]) else { return };
    let env = home_with(&[("pg", &server)]);
    env.write(
        "new.json",
        json!({"name": "new", "resources": [{"server": "pg", "type": "schema", "name": "swlab_new", "properties": {}}]}).to_string(),
    );
    tells(&env.swell(&["plan", "new.json"]).refused(1, "template::cannot-create"), &["a transaction that may only read"]);
    let reads = json!({"name": "reads", "resources": [{"server": "pg", "type": "schema", "name": "public", "existing": true, "properties": {}}],
        "outputs": {"owner": "${pg:schema:public.owner}"}});
    env.write("reads.json", reads.to_string());
    env.swell(&["plan", "reads.json"]).ok().prints("pg:schema:public");
}

#[test]
fn a_file_is_written_compared_and_not_deleted() {
    let Some(server) = lab_server("filesystem", &[]) else { return };
    let env = home_with(&[("fs", &server)]);
    let root = server.args.last().unwrap().trim_end_matches('/').to_owned();
    let folder = format!("{root}/swlab-{}", std::process::id());
    let wanted = |content: &str| {
        json!({"name": "files", "resources": [
            {"server": "fs", "type": "directory", "name": "conf", "properties": {"path": folder}},
            {"server": "fs", "type": "file", "name": "motd", "properties": {"path": "${fs:directory:conf.id}/motd.txt", "content": content}},
        ]})
        .to_string()
    };
    env.write("files.json", wanted("one\n"));
    let made = env.swell(&["apply", "files.json", YES[0], YES[1], YES[2]]).ok();
    tells(&made, &["not undoable", "its server cannot delete it"]);
    env.settled("files");
    let motd = Path::new(&folder).join("motd.txt");
    std::fs::write(&motd, "changed\n").unwrap();
    tells(&env.swell(&["drift", "files", "--exit-code"]).code(4), &["fs:file:motd content: \"one\\n\" -> \"changed\\n\""]);
    env.write("files.json", wanted("two\n"));
    env.swell(&["apply", "files.json", YES[0], YES[1], YES[2]]).ok();
    env.settled("files");
    assert_eq!(std::fs::read_to_string(&motd).unwrap(), "two\n");
    // One that is there already is seen before anything runs, and what is out of bounds too.
    let other = home_with(&[("fs", &server)]);
    let file = |path: &str| {
        json!({"name": "x", "resources": [{"server": "fs", "type": "file", "name": "x", "properties": {"path": path, "content": "x"}}]})
            .to_string()
    };
    other.write("x.json", file(motd.to_str().unwrap()));
    other.swell(&["plan", "x.json"]).refused(1, "plan::exists");
    other.write("x.json", file("/etc/swlab-motd"));
    tells(&other.swell(&["plan", "x.json"]).code(1), &["outside allowed directories"]);
    // There is no tool that deletes: said before anything runs. What was deleted by hand is forgotten.
    let refused = env.swell(&["destroy", "files", "--yes", "--max-destroy", "9"]).refused(1, "plan::cannot");
    tells(&refused, &["no tool that deletes; delete it by hand, and the next plan forgets it"]);
    std::fs::remove_dir_all(&folder).unwrap();
    env.swell(&["destroy", "files", "--yes", "--max-destroy", "9"]).ok();
    let _ = env.sound();
}
