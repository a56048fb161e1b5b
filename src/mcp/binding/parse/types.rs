//! What a type of a binding file is: its schemas and limits, what an object of it means, and whether the two agree.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use super::Parser;
use crate::{
    domain::{ResourceType, TypeDef, schema::Limits},
    mcp::{
        Effect,
        binding::{
            Diagnose, ErrorRule, ObjectMap,
            reader::{Flag, Style},
        },
    },
    yaml::{Kind, Node},
};

const OBJECT: [&str; 12] =
    ["id", "name", "created_by", "revision", "properties", "other_forms", "outputs", "deleting", "failed", "ready", "healthy", "reason"];

impl Parser<'_> {
    /// A type that the server does not have at all, with the reason.
    pub(super) fn absent(&mut self, kind: ResourceType, node: &Node) -> Option<TypeDef> {
        self.reader.map(node, &["missing", "description"]);
        let reason = self.reader.optional_text(node, "missing")?;
        let missing = ["create", "update", "delete"].map(|verb| (verb.to_owned(), reason.clone())).into();
        Some(TypeDef {
            kind,
            description: self.reader.optional_text(node, "description").unwrap_or_else(|| format!("Not to be had: {reason}.")),
            properties: json!({"type": "object"}),
            outputs: json!({"type": "object"}),
            force_replace: Vec::new(),
            sensitive: Vec::new(),
            holds_data: false,
            findable: true,
            many_per_name: false,
            ready_timeout: 0,
            unordered: Vec::new(),
            limits: Limits { missing, ..Limits::default() },
        })
    }

    pub(super) fn object(&mut self, node: &Node, also: &[String]) -> Option<ObjectMap> {
        self.reader.map(node, &OBJECT);
        let mut about = vec!["item", "result", "name", "id", "type", "hint"];
        about.extend(also.iter().map(String::as_str));
        let part = |this: &mut Self, key: &str, style: Style| {
            let made = this.reader.optional(node, key, style);
            made.inspect(|e| this.variables(e, &about, &[]))
        };
        let (id, name) = (part(self, "id", Style::Value), part(self, "name", Style::Value));
        let (created_by, revision, reason) =
            (part(self, "created_by", Style::Value), part(self, "revision", Style::Value), part(self, "reason", Style::Value));
        let [deleting, failed, ready, healthy] = ["deleting", "failed", "ready", "healthy"].map(|k| part(self, k, Style::Condition));
        for key in ["id", "name"] {
            self.reader.need(node, key);
        }
        let [properties, other_forms, outputs] = ["properties", "other_forms", "outputs"].map(|key| {
            let mut all = Vec::new();
            for entry in node.get(key).map(Node::entries).unwrap_or_default() {
                if let Some(shape) = self.reader.shape(&entry.value) {
                    self.within(&shape, &about);
                    all.push((entry.key.clone(), shape));
                }
            }
            all
        });
        Some(ObjectMap {
            id: id?,
            name: name?,
            created_by,
            revision,
            properties,
            other_forms,
            outputs,
            deleting,
            failed,
            ready,
            healthy,
            reason,
        })
    }

    pub(super) fn diagnose(&mut self, node: &Node, errors: &[ErrorRule]) -> Vec<Diagnose> {
        let mut all = Vec::new();
        for part in node.get("diagnose").map(Node::items).unwrap_or_default() {
            self.reader.map(part, &["source", "tool", "arguments", "result", "success", "failure", "errors", "text", "each", "when"]);
            let source = self.reader.need(part, "source").and_then(|n| self.reader.text(n));
            let about = ["name", "id", "type", "live", "current", "each", "hint"];
            let each = self.reader.optional(part, "each", Style::Value);
            let call = self.call_of(part, errors, Effect::Read, &about);
            let text = self.reader.need(part, "text").and_then(|n| self.reader.expression(n, Style::Value));
            if let Some(e) = &text {
                self.variables(e, &["name", "id", "type", "live", "current", "each", "result", "text"], &[]);
            }
            if let (Some(source), Some(call), Some(text)) = (source, call, text) {
                all.push(Diagnose { source, call, text, each });
            }
        }
        all
    }

    pub(super) fn definition(&mut self, kind: ResourceType, node: &Node, mut limits: Limits) -> Option<TypeDef> {
        let schema = |this: &mut Self, key: &str| -> Option<Value> {
            let Some(found) = node.get(key) else { return Some(json!({})) };
            if !matches!(found.kind, Kind::Map(_)) {
                this.reader.wrong(found, "a map of schemas");
                return None;
            }
            Some(found.to_json())
        };
        let (properties, outputs) = (schema(self, "properties")?, schema(self, "outputs")?);
        let required = node.get("required").map(|n| self.reader.texts(n)).unwrap_or_default();
        let names: Vec<String> = properties.as_object().map(|p| p.keys().cloned().collect()).unwrap_or_default();
        let list = |this: &mut Self, key: &str| -> Vec<String> {
            let Some(found) = node.get(key) else { return Vec::new() };
            let listed = this.reader.texts(found);
            for (n, name) in listed.iter().enumerate().filter(|(_, n)| !names.contains(n)) {
                let at = found.items().get(n).map_or(found.span, |i| i.span);
                this.unknown_property(name, at, &names);
            }
            listed
        };
        let reasons = |this: &mut Self, key: &str| -> BTreeMap<String, String> {
            let mut all = BTreeMap::new();
            for entry in node.get(key).map(Node::entries).unwrap_or_default() {
                if !names.contains(&entry.key) {
                    this.unknown_property(&entry.key, entry.key_span, &names);
                }
                if let Some(reason) = this.reader.text(&entry.value) {
                    all.insert(entry.key.clone(), reason);
                }
            }
            all
        };
        let replace_all = node.get("force_replace").is_some_and(|n| n.text() == Some("all"))
            || node.get("update").is_some_and(|n| n.text() == Some("replace"));
        let force_replace = if replace_all { names.clone() } else { list(self, "force_replace") };
        let (mut sensitive, unordered) = (node.get("sensitive").map(|n| self.reader.texts(n)).unwrap_or_default(), list(self, "unordered"));
        sensitive.dedup();
        limits.unreadable = list(self, "unreadable");
        limits.refused = reasons(self, "refused");
        limits.without = reasons(self, "without");
        limits.doubtful = reasons(self, "doubtful");
        for name in required.iter().filter(|n| !names.contains(n)) {
            self.unknown_property(name, node.get("required").map_or(node.span, |n| n.span), &names);
        }
        let schema = json!({"type": "object", "properties": properties, "required": required, "additionalProperties": false});
        if let Err(e) = jsonschema::draft202012::new(&schema) {
            let (span, why) = (node.get("properties").map_or(node.span, |n| n.span), e.to_string());
            self.reader.error("binding::schema", "A schema cannot be used", span, "here", format!("It is no JSON Schema: {why}."));
        }
        Some(TypeDef {
            kind,
            description: self.reader.optional_text(node, "description").unwrap_or_default(),
            properties: schema,
            outputs: json!({"type": "object", "properties": outputs, "additionalProperties": false}),
            force_replace,
            sensitive,
            holds_data: self.reader.flag(node, "holds_data", Flag::Off),
            findable: self.reader.flag(node, "findable", Flag::On),
            many_per_name: self.reader.flag(node, "many_per_name", Flag::Off),
            ready_timeout: self.reader.number(node, "ready_timeout", 300),
            unordered,
            limits,
        })
    }

    pub(super) fn unknown_property(&mut self, name: &str, span: crate::template::Span, names: &[String]) {
        let near = crate::domain::name::nearest(name, names.iter().map(String::as_str)).map(|n| format!("Did you mean `{n}`?"));
        let detail = format!("The type has no property `{}`.", crate::domain::text::clean_line(name, 60));
        let problem = self.reader.error("binding::unknown-property", "Unknown property", span, "no such property", detail);
        if let Some(near) = near {
            *problem = problem.clone().hint(near);
        }
    }

    /// What the object map gives must be declared, and what is declared must be given or said to be unreadable.
    pub(super) fn members(&mut self, node: &Node, object: &ObjectMap, def: &TypeDef) {
        let declared =
            |schema: &Value| -> Vec<String> { schema["properties"].as_object().map(|p| p.keys().cloned().collect()).unwrap_or_default() };
        let (properties, outputs) = (declared(&def.properties), declared(&def.outputs));
        let at = |key: &str, name: &str| {
            let part = node.get("object").and_then(|o| o.get(key))?;
            part.entries().iter().find(|e| e.key == name).map(|e| e.key_span)
        };
        let all = [
            ("properties", &object.properties, &properties),
            ("other_forms", &object.other_forms, &properties),
            ("outputs", &object.outputs, &outputs),
        ];
        for (key, given, known) in all {
            for (name, _) in given.iter().filter(|(n, _)| !known.contains(n)) {
                self.unknown_property(name, at(key, name).unwrap_or(node.span), known);
            }
        }
        let seen = |name: &String| {
            object.properties.iter().any(|(n, _)| n == name)
                || def.is_unseen(name)
                || def.is_sensitive(name)
                || def.limits.refused.contains_key(name)
                || def.limits.without.contains_key(name)
        };
        for name in properties.iter().filter(|n| !seen(n)) {
            let span =
                node.get("properties").map_or(node.span, |p| p.entries().iter().find(|e| e.key == *name).map_or(p.span, |e| e.key_span));
            let detail = format!(
                "`object.properties` does not say how `{name}` is read, so each plan would want to change it. Say it there, or list it in `unreadable`, `refused` or `without`."
            );
            self.reader.error("binding::not-read", "A property is never read back", span, "not read", detail);
        }
    }
}
