//! A draft as a file: what the tools say, with comments that say why, and what is not sure.

use std::fmt::Write as _;

use serde_json::{Map, Value, json};

use super::{
    group::LeftOut,
    sketch::{Call, Sketch, Verb},
};
use crate::domain::text::clean_line;

/// The words of a comment that stands at each type until it is proven.
pub const DRAFTED: &str = "drafted, not proven";

/// What the head of a drafted file says about trials before the first.
pub const UNTRIED: &str = "Nothing of it was tried. What a comment calls not sure, this finds out, and writes it here:";
/// The same after it.
pub const TRIED: &str = "What was tried stands at each type. To try it again, or what was not tried yet:";

/// What stands around the types.
pub struct Frame<'a> {
    /// The binding's name.
    pub name: &'a str,
    /// What the server calls itself.
    pub server: &'a str,
    /// How many tools it offers.
    pub tools: usize,
    /// How to know what it manages: a tool, or nothing.
    pub identity: Option<&'a str>,
    /// What becomes no type, and why.
    pub left_out: &'a [LeftOut],
    /// Which model was asked; none if rules alone drafted it.
    pub by: Option<&'a str>,
}

/// Writes the file.
pub fn render(frame: &Frame, types: &[Sketch]) -> String {
    let mut out = String::new();
    let (server, by) = (clean_line(frame.server, 80), frame.by.map(|by| clean_line(by, 80)));
    let how = by.map_or_else(|| "by rules alone".to_owned(), |model| format!("by rules and the model `{model}`"));
    comment(&mut out, 0, &format!("Drafted by `swell bindings draft` from the {} tool schemas of `{server}`, {how}.", frame.tools));
    comment(&mut out, 0, UNTRIED);
    comment(&mut out, 0, &format!("    swell bindings prove {}", frame.name));
    comment(&mut out, 0, "What the server's annotations say counts for nothing: every tool that is not a mere read is a write.");
    let _ = writeln!(out, "binding: {}", scalar(&json!(frame.name)));
    let _ = writeln!(out, "title: {}", scalar(&json!(format!("{} (drafted)", clean_line(frame.server, 80)))));
    let mut tools: Vec<String> = types.iter().flat_map(Sketch::tools).chain(frame.identity.map(str::to_owned)).collect();
    tools.sort();
    tools.dedup();
    put(&mut out, 0, "match", &json!({ "tools": tools }));
    match frame.identity {
        Some(tool) => {
            comment(&mut out, 0, "What the server manages. Not sure: whether the answer is always the same.");
            put(
                &mut out,
                0,
                "identity",
                &json!({"tool": tool, "result": ["text"], "value": format!("{}:{{{{ text | trim }}}}", frame.name)}),
            );
        }
        None => {
            comment(&mut out, 0, "No tool says what the server manages, so two of its kind look alike: do not point one name at another.");
            put(&mut out, 0, "identity", &json!({ "value": format!("{}:{}", frame.name, clean_line(frame.server, 80)) }));
        }
    }
    out.push_str("types:\n");
    for sketch in types {
        of_type(&mut out, sketch);
    }
    if !frame.left_out.is_empty() {
        out.push('\n');
        comment(&mut out, 0, "What became no type:");
        for left in frame.left_out {
            comment(&mut out, 0, &format!("  {}: {}", clean_line(&left.tool, 80), clean_line(&left.reason, 200)));
        }
    }
    out
}

fn of_type(out: &mut String, sketch: &Sketch) {
    let _ = writeln!(out, "  {}:", scalar(&json!(sketch.name)));
    comment(out, 4, &format!("status: {DRAFTED}"));
    sketch.notes.iter().for_each(|n| comment(out, 4, n));
    sketch.doubts.iter().for_each(|d| comment(out, 4, &format!("not sure: {d}")));
    put(out, 4, "description", &json!(sketch.description));
    // A default is the server's own business: taken over, it would be sent with every create.
    let without_default = |schema: &Value| {
        let mut schema = schema.clone();
        drop(schema.as_object_mut().and_then(|s| s.remove("default")));
        schema
    };
    let properties: Map<String, Value> = sketch.properties.iter().map(|p| (p.name.clone(), without_default(&p.schema))).collect();
    put(out, 4, "properties", &Value::Object(properties));
    let required: Vec<&str> = sketch.properties.iter().filter(|p| p.required).map(|p| p.name.as_str()).collect();
    list(out, "required", &json!(required));
    let outputs: Map<String, Value> = sketch.outputs.iter().map(|(n, s, _)| (n.clone(), s.clone())).collect();
    if !outputs.is_empty() {
        put(out, 4, "outputs", &Value::Object(outputs));
    }
    list(out, "force_replace", &json!(sketch.force_replace));
    list(out, "sensitive", &json!(sketch.sensitive));
    list(out, "unreadable", &json!(sketch.unreadable));
    if !sketch.findable {
        put(out, 4, "findable", &json!(false));
    }
    put(out, 4, "read", &call(&sketch.read));
    if let Some(find) = &sketch.find {
        put(out, 4, "find", &call(find));
    }
    put(out, 4, "create", &call(&sketch.create));
    put(out, 4, "update", &verb(&sketch.update));
    put(out, 4, "delete", &verb(&sketch.delete));
    let members = |all: &[(String, String)]| Value::Object(all.iter().map(|(n, e)| (n.clone(), json!(e))).collect());
    let outputs: Vec<(String, String)> = sketch.outputs.iter().map(|(n, _, e)| (n.clone(), e.clone())).collect();
    let mut object = json!({"id": sketch.id, "name": sketch.object_name, "properties": members(&sketch.object)});
    if !outputs.is_empty() {
        object["outputs"] = members(&outputs);
    }
    put(out, 4, "object", &object);
}

fn list(out: &mut String, key: &str, value: &Value) {
    if value.as_array().is_some_and(|a| !a.is_empty()) {
        put(out, 4, key, value);
    }
}

fn call(call: &Call) -> Value {
    let mut map = Map::from_iter([("tool".to_owned(), json!(call.tool))]);
    map.extend(call.keys.iter().map(|(k, v)| ((*k).to_owned(), v.clone())));
    Value::Object(map)
}

fn verb(verb: &Verb) -> Value {
    match verb {
        Verb::Call(c) => call(c),
        Verb::Replace => json!("replace"),
        Verb::Missing(reason) => json!({ "missing": reason }),
    }
}

fn comment(out: &mut String, indent: usize, text: &str) {
    let _ = writeln!(out, "{:indent$}# {}", "", clean_line(text, 400).trim_end());
}

/// Writes a member: maps as blocks, what lies deep in them on one line.
pub fn put(out: &mut String, indent: usize, key: &str, value: &Value) {
    let key = if key.chars().all(|c| c.is_ascii_alphanumeric() || c == '_') && !key.is_empty() && !is_odd(key) {
        key.to_owned()
    } else {
        json!(key).to_string()
    };
    match value {
        Value::Object(map) if !map.is_empty() && indent < 8 => {
            let _ = writeln!(out, "{:indent$}{key}:", "");
            map.iter().for_each(|(k, v)| put(out, indent + 2, k, v));
        }
        other => {
            let _ = writeln!(out, "{:indent$}{key}: {}", "", scalar(other));
        }
    }
}

/// Keys that YAML would take for something else than a text.
fn is_odd(key: &str) -> bool {
    key.starts_with(|c: char| c.is_ascii_digit())
        || ["true", "false", "null", "yes", "no", "on", "off", "y", "n"].contains(&key.to_lowercase().as_str())
}

/// A value on one line. Plain words stand without quotes, everything else as JSON, which is YAML too.
pub fn scalar(value: &Value) -> String {
    match value {
        Value::String(text) if is_word(text) => text.clone(),
        Value::Array(items) if items.iter().all(|i| !i.is_object()) => {
            format!("[{}]", items.iter().map(scalar).collect::<Vec<_>>().join(", "))
        }
        other => other.to_string(),
    }
}

fn is_word(text: &str) -> bool {
    text.starts_with(|c: char| c.is_ascii_alphabetic())
        && text.chars().all(|c| c.is_ascii_alphanumeric() || c == '_' || c == '-')
        && !is_odd(text)
}
