//! Everything for scripts: one JSON object on each line, each with an `event` field, flushed at once.
//!
//! The shapes are the serialised forms of the engine's own data; a field is added, never renamed. JSON escapes control characters by
//! itself, so nothing is cleaned here: a script gets exactly what was said.

use async_trait::async_trait;
use serde::Serialize;
use serde_json::{Value, json};

use super::Screen;
use crate::{
    diagnostic::{Diagnostic, Failure},
    event::{Event, Sink},
    intent::Question,
    review::{Answer, Human, Level, Review},
};

/// A face for scripts.
pub struct JsonSink {
    screen: Screen,
}

impl JsonSink {
    /// Makes the face.
    pub fn new(screen: Screen) -> Self {
        Self { screen }
    }

    /// Writes one object as one line.
    pub fn write(&self, value: &Value) {
        self.screen.print(&line(value));
    }
}

impl Sink for JsonSink {
    fn emit(&self, event: Event) {
        self.write(&to_value(&event));
    }
}

/// A script reads reviews and questions; it approves in other ways (a saved plan with `--yes`).
#[async_trait]
impl Human for JsonSink {
    fn present(&self) -> bool {
        false
    }

    async fn approve(&self, review: &Review) -> Answer {
        self.show(review, Level::Details).await;
        Answer::No
    }

    async fn show(&self, review: &Review, _: Level) {
        self.write(&self::review(review));
    }

    async fn ask(&self, question: &Question) -> Option<String> {
        self.write(&self::question(question));
        None
    }
}

/// One object as one line.
pub fn line(value: &Value) -> String {
    // U+2028 and U+2029 end a line for some readers.
    value.to_string().replace('\u{2028}', "\\u2028").replace('\u{2029}', "\\u2029") + "\n"
}

/// A review: `{"event": "review", "plan": "p-…", "digest": …, "counts": …, "demand": …, "parser": …, "valid_minutes": …, "warnings": […], "review": {plan}}`.
pub fn review(review: &Review) -> Value {
    json!({
        "event": "review",
        "plan": review.plan.short(),
        "digest": review.digest,
        "deployment": review.plan.deployment,
        "kind": review.plan.kind,
        "empty": review.plan.is_empty(),
        "counts": to_value(&review.counts),
        "demand": to_value(&review.demand()),
        "parser": review.parser,
        "valid_minutes": review.valid_minutes,
        "warnings": review.warnings.iter().map(to_value).collect::<Vec<_>>(),
        "review": hide_records(to_value(&review.plan)),
    })
}

/// A diagnostic: `{"event": "diagnostic", …}`.
pub fn diagnostic(diagnostic: &Diagnostic) -> Value {
    tagged("diagnostic", to_value(diagnostic))
}

/// The end of a command that failed: its diagnostics and the exit code.
pub fn failure(failure: &Failure) -> Value {
    json!({"event": "failed", "exit_code": failure.exit_code(), "diagnostics": failure.0.iter().map(to_value).collect::<Vec<_>>()})
}

/// A question to the person: `{"event": "question", …}`.
pub fn question(question: &Question) -> Value {
    tagged("question", to_value(question))
}

/// The result of a command that gives data: `{"event": "result", "kind": …, "data": …}`.
pub fn result(kind: &str, data: &impl Serialize) -> Value {
    json!({"event": "result", "kind": kind, "data": to_value(data)})
}

fn tagged(event: &str, value: Value) -> Value {
    let mut map = serde_json::Map::from_iter([("event".to_owned(), json!(event))]);
    match value {
        Value::Object(fields) => map.extend(fields),
        other => drop(map.insert("value".into(), other)),
    }
    Value::Object(map)
}

/// Puts `‹secret›` in the place of the sensitive properties of every record in a plan.
fn hide_records(mut plan: Value) -> Value {
    walk(&mut plan);
    plan
}

fn walk(value: &mut Value) {
    match value {
        Value::Array(items) => items.iter_mut().for_each(walk),
        Value::Object(map) => {
            let sensitive: Vec<String> = match map.get("sensitive") {
                Some(Value::Array(names)) => names.iter().filter_map(|n| n.as_str().map(str::to_owned)).collect(),
                _ => Vec::new(),
            };
            hide_changes(map);
            for side in ["desired", "sent", "properties", "outputs"] {
                let Some(Value::Object(inner)) = map.get_mut(side) else { continue };
                for name in &sensitive {
                    if let Some(v) = inner.get_mut(name) {
                        *v = json!(super::value::SECRET);
                    }
                }
            }
            map.values_mut().for_each(walk);
        }
        _ => {}
    }
}

/// The same for the changes of a step, whose record says what is sensitive.
fn hide_changes(step: &mut serde_json::Map<String, Value>) {
    let names: Vec<String> = ["intended", "before"]
        .iter()
        .filter_map(|side| step.get(*side)?.get("sensitive")?.as_array())
        .flatten()
        .filter_map(|n| n.as_str().map(str::to_owned))
        .collect();
    let Some(Value::Array(changes)) = step.get_mut("changes") else { return };
    for change in changes.iter_mut().filter_map(Value::as_object_mut) {
        let head = change.get("path").and_then(Value::as_str).unwrap_or_default().split(['.', '[']).next().unwrap_or_default().to_owned();
        for side in ["before", "after"].into_iter().filter(|_| names.contains(&head)) {
            if change.get(side).is_some_and(|v| v != "absent") {
                change.insert(side.to_owned(), json!("secret"));
            }
        }
    }
}

fn to_value<T: Serialize + ?Sized>(data: &T) -> Value {
    // None of these types has a key that is no string or a number that is no JSON, so this does not fail.
    serde_json::to_value(data).unwrap_or_else(|e| json!({"error": e.to_string()}))
}
