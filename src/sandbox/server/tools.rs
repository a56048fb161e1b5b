//! The tools of the cross-MCP protocol, as the simulated servers define them.

use std::sync::Arc;

use rmcp::model::{JsonObject, Tool, ToolAnnotations};
use serde_json::{Value, json};

use crate::mcp::protocol::tool;
use crate::sandbox::catalogue::kinds;

/// Names of all tools.
pub(super) const NAMES: [&str; 11] = [
    tool::LIST_TYPES,
    tool::SCHEMA,
    tool::LIST,
    tool::STATE,
    tool::OUTPUTS,
    tool::CREATE,
    tool::UPDATE,
    tool::DELETE,
    tool::WAIT,
    tool::EVIDENCE,
    tool::HEALTH,
];

/// What a tool does to the world.
#[derive(Clone, Copy)]
enum Effect {
    Reads,
    Adds,
    Changes,
    Destroys,
}

/// All tools of one server.
pub(super) fn tools(server: &str) -> Vec<Tool> {
    let types: Vec<&str> = kinds(server).keys().copied().collect();
    let kind = json!({ "type": "string", "enum": types, "description": "Type of the resource." });
    let name = json!({ "type": "string", "minLength": 1, "maxLength": 128, "description": "Name of the resource." });
    let id = json!({ "type": "string", "minLength": 1, "description": "The server's id of the resource; wins over the name." });
    let properties = json!({ "type": "object", "description": "Properties, as get_resource_schema describes them." });
    let key = |more: Value, needed: &[&str]| {
        let mut schema = json!({ "type": kind, "name": name, "id": id });
        merge(&mut schema, more);
        input(schema, needed)
    };
    let resource = || output(json!({ "resource": { "type": ["object", "null"] } }), &["resource"]);
    vec![
        define(
            tool::LIST_TYPES,
            "Lists the types of resources that this server manages, each with the schemas of its properties and outputs.",
            input(json!({}), &[]),
            output(json!({ "types": { "type": "array", "items": { "type": "object" } } }), &["types"]),
            Effect::Reads,
        ),
        define(
            tool::SCHEMA,
            "Gives the schemas of one type: properties, outputs, what forces a replacement, what is secret.",
            input(json!({ "type": kind }), &["type"]),
            output(json!({ "type": { "type": "string" }, "properties": { "type": "object" } }), &["type", "properties"]),
            Effect::Reads,
        ),
        define(
            tool::LIST,
            "Lists resources, all or of one type, page by page.",
            input(json!({ "type": kind, "cursor": { "type": "string", "description": "next_cursor of the page before." } }), &[]),
            output(
                json!({ "resources": { "type": "array", "items": { "type": "object" } }, "next_cursor": { "type": "string" } }),
                &["resources"],
            ),
            Effect::Reads,
        ),
        define(
            tool::STATE,
            "Reads one resource: status, health, properties, outputs. The resource is null if there is none.",
            key(json!({}), &["type"]),
            resource(),
            Effect::Reads,
        ),
        define(
            tool::OUTPUTS,
            "Reads the outputs of one resource, each with its schema.",
            key(json!({}), &["type"]),
            output(json!({ "outputs": { "type": "array", "items": { "type": "object" } } }), &["outputs"]),
            Effect::Reads,
        ),
        define(
            tool::CREATE,
            "Creates a resource. The same idempotency key again gives the same resource and changes nothing.",
            input(
                json!({ "type": kind, "name": name, "properties": properties,
                    "idempotency_key": { "type": "string", "minLength": 1, "maxLength": 256, "description": "Chosen by the caller, one per resource." } }),
                &["type", "name", "properties", "idempotency_key"],
            ),
            resource(),
            Effect::Adds,
        ),
        define(
            tool::UPDATE,
            "Sets the properties of a resource. They are the whole of what is wanted; null unsets one.",
            key(json!({ "properties": properties }), &["type", "properties"]),
            resource(),
            Effect::Changes,
        ),
        define(
            tool::DELETE,
            "Deletes a resource that nothing else needs.",
            key(json!({}), &["type"]),
            output(json!({ "deleted": { "type": "boolean" } }), &["deleted"]),
            Effect::Destroys,
        ),
        define(
            tool::WAIT,
            "Waits until a resource is ready. Sends progress while it waits.",
            key(
                json!({ "timeout_seconds": { "type": "integer", "minimum": 0, "maximum": 7200, "description": "Longest wait." } }),
                &["type", "timeout_seconds"],
            ),
            resource(),
            Effect::Reads,
        ),
        define(
            tool::EVIDENCE,
            "Reads logs and events of a resource, newest last.",
            key(json!({}), &["type"]),
            output(json!({ "evidence": { "type": "array", "items": { "type": "object" } } }), &["evidence"]),
            Effect::Reads,
        ),
        define(
            tool::HEALTH,
            "Tells who this server is, what it manages, whether it is simulated, and how it is.",
            input(json!({}), &[]),
            output(
                json!({ "protocol": { "type": "string" }, "identity": { "type": "string" }, "simulated": { "type": "boolean" },
                    "health": { "enum": ["healthy", "unhealthy", "unknown"] }, "message": { "type": "string" } }),
                &["protocol", "identity", "health"],
            ),
            Effect::Reads,
        ),
    ]
}

fn define(name: &'static str, description: &'static str, input: JsonObject, output: JsonObject, effect: Effect) -> Tool {
    let annotations = ToolAnnotations::new().open_world(false);
    let annotations = match effect {
        Effect::Reads => annotations.read_only(true),
        Effect::Adds => annotations.read_only(false).destructive(false).idempotent(true),
        Effect::Changes => annotations.read_only(false).destructive(true).idempotent(true),
        Effect::Destroys => annotations.read_only(false).destructive(true).idempotent(false),
    };
    Tool::new(name, description, input).with_raw_output_schema(Arc::new(output)).with_annotations(annotations)
}

fn merge(into: &mut Value, more: Value) {
    if let (Value::Object(into), Value::Object(more)) = (into, more) {
        into.extend(more);
    }
}

fn input(properties: Value, required: &[&str]) -> JsonObject {
    object(json!({ "type": "object", "properties": properties, "required": required, "additionalProperties": false }))
}

/// Errors are of another shape, so an output schema allows both.
fn output(properties: Value, required: &[&str]) -> JsonObject {
    let error = json!({ "type": "object", "properties": { "class": { "type": "string" }, "message": { "type": "string" } }, "required": ["class", "message"] });
    let mut properties = properties;
    merge(&mut properties, json!({ "error": error }));
    object(json!({ "type": "object", "properties": properties, "anyOf": [{ "required": required }, { "required": ["error"] }] }))
}

fn object(value: Value) -> JsonObject {
    match value {
        Value::Object(object) => object,
        _ => JsonObject::new(),
    }
}
