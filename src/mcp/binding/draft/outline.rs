//! A server's tools in few words, for whoever shall say which of them belong together: names, descriptions, arguments, what answers hold.
//!
//! All of it is a stranger's text: one line each, bounded, without hidden characters.

use serde_json::{Map, Value, json};

use super::{
    arguments::{Argument, arguments},
    sketch::{Sketch, Verb},
};
use crate::{domain::text::clean_line, mcp::tools::Tool};

/// The most values of an enumeration that are shown.
const MAX_VALUES: usize = 24;

/// How deep answers are shown.
const MAX_DEPTH: usize = 4;

/// How much is said about each tool.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Detail {
    /// Names and types only.
    Names,
    /// Also what the tools say about themselves.
    Tools,
    /// Also what they say about their arguments.
    Arguments,
}

/// The tools, and what rules made of them. `clean` takes out of the server's words what must not be shown.
pub fn outline(tools: &[Tool], types: &[Sketch], detail: Detail, clean: &dyn Fn(&str) -> String) -> Value {
    let all: Vec<Value> = tools.iter().map(|t| one(t, detail, clean)).collect();
    json!({"tools": all, "sketch": types.iter().map(sketched).collect::<Vec<_>>()})
}

fn one(tool: &Tool, detail: Detail, clean: &dyn Fn(&str) -> String) -> Value {
    let words = |text: &str, max: usize| clean_line(&clean(&text.split_whitespace().collect::<Vec<_>>().join(" ")), max);
    let mut out = Map::from_iter([("name".to_owned(), json!(tool.name))]);
    if detail >= Detail::Tools {
        out.insert("description".to_owned(), json!(words(tool.definition["description"].as_str().unwrap_or_default(), 300)));
    }
    let hints: Map<String, Value> =
        ["readOnlyHint", "destructiveHint"].into_iter().filter_map(|h| Some((h.to_owned(), Value::Bool(tool.hint(h)?)))).collect();
    if !hints.is_empty() {
        out.insert("hints".to_owned(), Value::Object(hints));
    }
    let arguments: Vec<Value> = arguments(tool, &[]).iter().map(|a| argument(a, detail, &words)).collect();
    out.insert("arguments".to_owned(), Value::Array(arguments));
    if let Some(schema) = tool.output_schema() {
        out.insert("answer".to_owned(), shape(schema, 0));
    }
    Value::Object(out)
}

fn argument(a: &Argument, detail: Detail, words: &dyn Fn(&str, usize) -> String) -> Value {
    let mut out = Map::from_iter([("name".to_owned(), json!(clean_line(&a.name, 80))), ("type".to_owned(), a.schema["type"].clone())]);
    if a.required {
        out.insert("required".to_owned(), Value::Bool(true));
    }
    if let Some(values) = a.schema["enum"].as_array() {
        let short = |v: &Value| v.as_str().map_or_else(|| v.clone(), |t| json!(clean_line(t, 60)));
        out.insert("enum".to_owned(), values.iter().take(MAX_VALUES).map(short).collect());
    }
    if let Some(inner) = a.schema["items"]["properties"].as_object() {
        out.insert("of".to_owned(), inner.keys().map(|k| json!(clean_line(k, 80))).collect());
    }
    if let Some(said) = a.schema["description"].as_str().filter(|_| detail >= Detail::Arguments) {
        out.insert("description".to_owned(), json!(words(said, 160)));
    }
    Value::Object(out)
}

/// The members of an answer: names and types, lists as lists of one.
fn shape(schema: &Value, depth: usize) -> Value {
    if depth >= MAX_DEPTH {
        return json!("…");
    }
    match (schema["properties"].as_object(), schema["items"].is_object()) {
        (Some(members), _) => Value::Object(members.iter().take(60).map(|(k, v)| (clean_line(k, 80), shape(v, depth + 1))).collect()),
        (None, true) => json!([shape(&schema["items"], depth + 1)]),
        _ => schema["type"].as_str().map_or_else(|| json!("any"), |t| json!(clean_line(t, 20))),
    }
}

fn sketched(sketch: &Sketch) -> Value {
    let verb = |v: &Verb| match v {
        Verb::Call(call) => json!(call.tool),
        Verb::Replace | Verb::Missing(_) => Value::Null,
    };
    json!({
        "name": sketch.name, "create": sketch.create.tool, "read": sketch.read.tool,
        "find": sketch.find.as_ref().map(|f| &f.tool), "update": verb(&sketch.update), "delete": verb(&sketch.delete),
        "properties": sketch.properties.iter().map(|p| clean_line(&p.name, 80)).collect::<Vec<_>>(),
        "not_sure": sketch.doubts,
    })
}
