use std::fmt::Write as _;

use serde_json::Value;

use super::{SERVERS, kinds, type_table};

#[test]
fn every_schema_compiles_and_every_default_fits() {
    for server in SERVERS {
        assert_eq!(type_table(server).len(), kinds(server).len(), "{server}: a type has a malformed name");
        for (kind, def) in type_table(server) {
            for schema in [&def.properties, &def.outputs] {
                jsonschema::meta::validate(schema).unwrap_or_else(|e| panic!("{server}:{kind}: {e}"));
                jsonschema::draft202012::new(schema).unwrap_or_else(|e| panic!("{server}:{kind}: {e}"));
            }
            for (name, schema) in def.properties["properties"].as_object().unwrap() {
                assert!(schema.get("description").is_some(), "{server}:{kind}.{name} has no description");
                if let Some(default) = schema.get("default") {
                    assert!(jsonschema::is_valid(schema, default), "{server}:{kind}.{name}: the default does not fit");
                }
            }
        }
    }
}

#[test]
fn every_link_points_at_a_type() {
    for server in SERVERS {
        for (name, kind) in kinds(server) {
            for (path, link) in &kind.refs {
                for to in link.to {
                    let (s, k) = to.split_once('/').unwrap();
                    assert!(kinds(s).contains_key(k), "{server}:{name}.{path} points at {to}");
                }
            }
        }
    }
}

/// A page for people who write patterns: `SWELL_TYPES_PAGE=FILE cargo test --lib sandbox::catalogue`.
#[test]
fn the_catalogue_can_be_written_as_a_page() {
    let mut page = String::from(
        "# Sandbox types\n\n`*` required, `=x` default, `!` a change forces replacement, `?s` secret. Every property can be read back as an output too.\n",
    );
    for server in SERVERS {
        let _ = writeln!(page, "\n## {server}\n");
        for (kind, def) in type_table(server) {
            let required: Vec<&str> = def.properties["required"].as_array().into_iter().flatten().filter_map(Value::as_str).collect();
            let props: Vec<String> = def.properties["properties"]
                .as_object()
                .unwrap()
                .iter()
                .map(|(n, s)| {
                    let mut t = n.clone();
                    if required.contains(&n.as_str()) {
                        t.push('*');
                    }
                    if def.force_replace.contains(n) {
                        t.push('!');
                    }
                    if def.is_sensitive(n) {
                        t.push_str("?s");
                    }
                    if let Some(words) = s.get("enum") {
                        let _ = write!(t, " {words}");
                    } else {
                        let _ = write!(t, " {}", short(s));
                    }
                    if let Some(d) = s.get("default") {
                        let _ = write!(t, " ={d}");
                    }
                    t
                })
                .collect();
            let outs: Vec<&String> = def.outputs["properties"].as_object().unwrap().keys().collect();
            let marks = [(def.holds_data, " HOLDS-DATA"), (def.many_per_name, " many-per-name")];
            let marks: String = marks.iter().filter(|(on, _)| *on).map(|(_, t)| *t).collect();
            let _ = writeln!(
                page,
                "- **{server}:{kind}**{marks} (ready {}s): {}\n  - properties: {}\n  - outputs: {}\n  - force_replace: {}",
                def.ready_timeout,
                def.description,
                props.join("; "),
                outs.iter().map(|s| s.as_str()).collect::<Vec<_>>().join(", "),
                def.force_replace.join(", ")
            );
        }
    }
    assert!(page.contains("opnsense:network:vlan"));
    if let Ok(file) = std::env::var("SWELL_TYPES_PAGE") {
        std::fs::write(file, page).unwrap();
    }
}

fn short(schema: &Value) -> String {
    let kind = match &schema["type"] {
        Value::String(s) => s.clone(),
        other => other.to_string(),
    };
    match kind.as_str() {
        "array" => format!("[{}]", short(&schema["items"])),
        "object" => match schema["properties"].as_object() {
            Some(p) => format!("{{{}}}", p.iter().map(|(n, s)| format!("{n}: {}", short(s))).collect::<Vec<_>>().join(", ")),
            None => "map".into(),
        },
        _ => match schema.get("pattern") {
            Some(p) => format!("{kind} /{}/", p.as_str().unwrap_or_default()),
            None => kind,
        },
    }
}
