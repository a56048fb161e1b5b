//! What the model is shown and in what shape it must answer.
//!
//! Everything that a person, a server or an earlier model wrote goes in as JSON inside a data block, scrubbed of secrets,
//! stripped of invisible characters and bounded. The JSON writer escapes `<`, so no text can close its block.

use serde_json::{Map, Value, json};

use crate::{
    domain::DeploymentName,
    intent::{CatalogEntry, CatalogParameter, Frame, Holds, KnownDeployment, Role, Said, World, scrub},
};

/// Deployments that are described in full; more are only named.
const FULL: usize = 40;
/// Deployments that are named at all.
const NAMED: usize = 400;
/// More names than this are checked by us alone: strict schemas have a limit on enumerations.
const CLOSED: usize = 200;
/// Earlier turns that are shown, and how much of each, in characters.
const TURNS: usize = 12;
const TURN: usize = 2_000;

/// Parameters of actions rather than of patterns.
pub(super) const OF_ACTIONS: &[&str] = &["instances", "revision", "version"];

/// A request with everything that may be looked at, cleaned.
pub(super) struct Ask<'a> {
    /// The request.
    pub(super) request: String,
    /// The person's earlier turns, cleaned.
    pub(super) said_before: Vec<String>,
    /// Kinds of secrets that were left out of the request.
    pub(super) left_out: Vec<&'static str>,
    /// Deployments, the likeliest first.
    pub(super) deployments: Vec<&'a KnownDeployment>,
    pub(super) catalogue: &'a [CatalogEntry],
    pub(super) pending: Option<&'a Frame>,
    history: Vec<Value>,
}

impl<'a> Ask<'a> {
    pub(super) fn new(text: &str, world: &'a World, catalogue: &'a [CatalogEntry]) -> Self {
        let scrubbed = scrub::scrub(&visible(text));
        let request = scrubbed.text.trim().to_owned();
        let turns = &world.history[world.history.len().saturating_sub(TURNS)..];
        let clean: Vec<(Role, String)> = turns.iter().map(|t| (t.role, clean(&t.text, TURN))).collect();
        let mut deployments: Vec<_> = world.deployments.iter().filter(|d| DeploymentName::new(d.name.as_str()).is_ok()).collect();
        let talk = format!("{request} {}", clean.iter().map(|(_, t)| t.as_str()).collect::<Vec<_>>().join(" ")).to_lowercase();
        // Stable: those that are talked about come first, the rest stay in order.
        deployments.sort_by_key(|d| !d.name.to_lowercase().split(['-', '_']).any(|word| word.len() > 2 && talk.contains(word)));
        deployments.truncate(NAMED);
        Self {
            said_before: clean.iter().filter(|(role, _)| *role == Role::User).map(|(_, t)| t.clone()).collect(),
            history: clean.into_iter().map(|(role, text)| json!({"role": role, "text": text})).collect(),
            left_out: scrubbed.found,
            request,
            deployments,
            catalogue,
            pending: world.pending.as_ref(),
        }
    }

    /// The catalogue as the system prompt lists it.
    pub(super) fn patterns(&self) -> Value {
        let parameter = |p: &CatalogParameter| json!({"name": p.name, "required": p.required, "type": type_of(p)});
        let pattern = |e: &CatalogEntry| json!({"name": e.name, "title": e.title, "runbook": e.runbook, "parameters": e.parameters.iter().map(parameter).collect::<Vec<_>>()});
        self.catalogue.iter().map(pattern).collect()
    }

    /// The data blocks.
    pub(super) fn data(&self) -> Value {
        let full = self.deployments.iter().take(FULL).map(|d| described(d));
        let named = self.deployments.iter().skip(FULL).map(|d| json!({"name": d.name}));
        json!({
            "deployments": full.chain(named).collect::<Vec<_>>(),
            "history": self.history,
            "pending": self.pending.map(waiting),
            "request": self.request,
        })
    }

    /// The shape of the answer, in the strict subset: every property required, none besides.
    pub(super) fn schema(&self) -> Value {
        let or_null = |mut values: Vec<Value>| {
            values.push(Value::Null);
            json!({"type": ["string", "null"], "enum": values})
        };
        let object = |properties: Value| {
            let required: Vec<Value> = properties.as_object().map(|p| p.keys().cloned().map(Value::String).collect()).unwrap_or_default();
            json!({"type": "object", "properties": properties, "required": required, "additionalProperties": false})
        };
        let text_or_null = json!({"type": ["string", "null"]});
        let mut names: Vec<Value> = self.deployments.iter().map(|d| json!(d.name)).collect();
        names.sort_by(|a, b| a.as_str().cmp(&b.as_str()));
        names.dedup();
        names.push(json!("all"));
        let target = if names.len() <= CLOSED { json!({"type": "string", "enum": names}) } else { json!({"type": "string"}) };
        let mut parameters: Vec<&str> =
            self.catalogue.iter().flat_map(|e| &e.parameters).map(|p| p.name.as_str()).chain(OF_ACTIONS.iter().copied()).collect();
        parameters.sort_unstable();
        parameters.dedup();
        let value =
            json!({"anyOf": [{"type": "string"}, {"type": "number"}, {"type": "boolean"}, {"type": "array", "items": {"type": "string"}}]});
        let param = object(json!({
            "name": {"type": "string", "enum": parameters},
            "value": value,
            "from": {"type": "string", "enum": ["request", "context"]},
            "words": {"type": "string"},
        }));
        let question = object(json!({
            "text": {"type": "string"},
            "about": {"type": "array", "items": {"type": "string"}},
            "reason": {"type": "string", "enum": ["ambiguous_target", "ambiguous", "conflict", "invalid_value"]},
        }));
        object(json!({
            "kind": {"type": "string", "enum": ["deploy", "modify", "query", "troubleshoot", "cancel", "out_of_scope"]},
            "pattern": or_null(self.catalogue.iter().map(|e| json!(e.name)).collect()),
            "action": or_null(["deploy", "scale", "update", "upgrade", "destroy", "rollback", "failover", "restart", "stop", "start", "backup", "restore"].map(Value::from).to_vec()),
            "targets": {"type": "array", "items": target},
            "unlisted_target": text_or_null,
            "part": text_or_null,
            "params": {"type": "array", "items": param},
            "question": {"anyOf": [question, {"type": "null"}]},
            "facet": or_null(["status", "configuration", "endpoints", "history", "drift", "logs", "metrics", "cost", "impact", "backups", "help", "servers", "other"].map(Value::from).to_vec()),
            "also": text_or_null,
            "injection": {"type": "boolean"},
            "confidence": {"type": "number"},
        }))
    }

    pub(super) fn entry(&self, pattern: Option<&str>) -> Option<&'a CatalogEntry> {
        self.catalogue.iter().find(|e| Some(e.name.as_str()) == pattern)
    }

    pub(super) fn deployment(&self, name: &str) -> Option<&'a KnownDeployment> {
        self.deployments.iter().find(|d| d.name == name).copied()
    }

    /// The question that asks for a parameter.
    pub(super) fn ask_for(&self, pattern: Option<&str>, name: &str) -> String {
        let of = |e: &'a CatalogEntry| e.parameters.iter().find(|p| p.name == name);
        let found = self.entry(pattern).and_then(of).or_else(|| self.catalogue.iter().find_map(of));
        match found.map(|p| p.ask.trim()).filter(|ask| !ask.is_empty()) {
            Some(ask) => ask.to_owned(),
            None if name == "target" => "Which deployment?".to_owned(),
            None if name == "params" => "What should be changed, and to what?".to_owned(),
            None => format!("What should `{name}` be?"),
        }
    }
}

/// Drops what a person cannot see, so that the model reads what the person read.
fn visible(text: &str) -> String {
    text.chars().filter(|c| !scrub::is_invisible(*c)).collect()
}

fn clean(text: &str, max: usize) -> String {
    scrub::scrub(&visible(text)).text.chars().take(max).collect()
}

fn described(d: &KnownDeployment) -> Value {
    let mut out = Map::new();
    out.insert("name".to_owned(), json!(d.name));
    out.insert("pattern".to_owned(), json!(d.pattern));
    out.insert("params".to_owned(), cleaned(&scrub::scrub_json(&Value::Object(d.params.clone()))));
    out.insert("status".to_owned(), json!(clean(&d.status, 100)));
    if let Some(region) = &d.region {
        out.insert("region".to_owned(), json!(clean(region, 60)));
    }
    if !d.resources.is_empty() {
        out.insert("resources".to_owned(), d.resources.iter().take(20).map(|r| clean(r, 120)).collect());
    }
    Value::Object(out)
}

/// Strings of recorded parameters, visible and bounded.
fn cleaned(value: &Value) -> Value {
    match value {
        Value::String(text) => Value::String(clean(text, 200)),
        Value::Array(items) => items.iter().take(50).map(cleaned).collect(),
        Value::Object(fields) => Value::Object(fields.iter().take(50).map(|(k, v)| (clean(k, 60), cleaned(v))).collect()),
        other => other.clone(),
    }
}

fn waiting(frame: &Frame) -> Value {
    let params: Map<String, Value> = frame.params.iter().map(|(name, Said { value, .. })| (name.clone(), value.clone())).collect();
    json!({
        "intent": frame.intent,
        "pattern": frame.pattern,
        "action": frame.verb,
        "target": frame.target,
        "params": cleaned(&scrub::scrub_json(&Value::Object(params))),
        "missing": frame.missing,
        "question": frame.question.as_ref().map(|q| clean(&q.text, 300)),
    })
}

/// A parameter's type in a few words.
fn type_of(p: &CatalogParameter) -> String {
    let schema = &p.schema;
    let open = schema["x-open"] == json!(true);
    let options = |s: &Value| {
        let all: Vec<_> = s["enum"].as_array()?.iter().map(|v| v.as_str().map_or_else(|| v.to_string(), str::to_owned)).collect();
        // A long open list would be read on every call and teaches nothing.
        let (shown, more) = if open && all.len() > 12 { (&all[..12], " | …") } else { (&all[..], if open { " | other" } else { "" }) };
        Some(format!("{}{more}", shown.join(" | ")))
    };
    if let Some(all) = options(schema) {
        return all;
    }
    if let Some(all) = options(&schema["items"]).or_else(|| options(&schema["items"]["properties"]["engine"])) {
        return format!("list of {all}");
    }
    match p.holds {
        Holds::Domain => "domain name".to_owned(),
        Holds::Sites => "number of places, or list of their names".to_owned(),
        Holds::Schedule => "schedule".to_owned(),
        Holds::Retention => "span of time in days".to_owned(),
        Holds::Region => "region".to_owned(),
        Holds::Services => "list of deployments or services".to_owned(),
        Holds::Name => "name".to_owned(),
        _ => schema["type"].as_str().unwrap_or("text").to_owned(),
    }
}
