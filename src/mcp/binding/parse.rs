//! From a binding file to a [`Binding`], with everything that is wrong with it at its place.

use std::{collections::BTreeMap, sync::Arc};

use serde_json::{Value, json};
use sha2::{Digest, Sha256};

use super::{
    Also, Binding, Call, Diagnose, ErrorRule, Expression, Find, ObjectMap, Probe, Read, Shape, TypeBinding, Verb, Wait,
    reader::{Flag, Reader, Style},
};
use crate::{
    diagnostic::Diagnostic,
    domain::{ResourceType, ToolName, TypeDef, schema::Limits},
    mcp::{Effect, Refusal},
    yaml::{self, Kind, Node},
};

const TOP: [&str; 7] = ["binding", "title", "description", "match", "identity", "errors", "types"];
const TYPE: [&str; 24] = [
    "description",
    "properties",
    "required",
    "outputs",
    "force_replace",
    "sensitive",
    "holds_data",
    "findable",
    "many_per_name",
    "unordered",
    "ready_timeout",
    "unreadable",
    "refused",
    "without",
    "doubtful",
    "missing",
    "errors",
    "read",
    "find",
    "create",
    "update",
    "delete",
    "object",
    "diagnose",
];
const CALL: [&str; 9] = ["tool", "effect", "arguments", "when", "result", "success", "errors", "wait", "missing"];
const OBJECT: [&str; 12] =
    ["id", "name", "created_by", "revision", "properties", "other_forms", "outputs", "deleting", "failed", "ready", "healthy", "reason"];

/// Reads a file. `name` is its stem, `file` what diagnostics call it.
pub fn parse(name: &str, file: &str, text: &str) -> Result<Binding, Vec<Diagnostic>> {
    let root = yaml::parse(file, text).map_err(|d| {
        let mut d = *d;
        d.code = "binding::syntax";
        d.state = "The binding is not used.".to_owned();
        vec![d]
    })?;
    let mut parser = Parser { reader: Reader { file, text, problems: Vec::new() } };
    let made = parser.binding(&root, name, file, text);
    if let Some(binding) = &made {
        parser.offered(binding);
    }
    let mut problems = parser.reader.problems;
    problems.sort_by_key(|p| p.source.as_ref().map(|s| (s.line, s.column)));
    match made {
        Some(binding) if problems.is_empty() => Ok(binding),
        _ if problems.is_empty() => {
            Err(vec![Diagnostic::bug("binding::parse", format!("`{file}` was not read, and no reason was noted."))])
        }
        _ => Err(problems),
    }
}

struct Parser<'f> {
    reader: Reader<'f>,
}

impl Parser<'_> {
    fn binding(&mut self, root: &Node, name: &str, file: &str, text: &str) -> Option<Binding> {
        self.reader.map(root, &TOP);
        if let Some(said) = root.get("binding").filter(|n| n.text() != Some(name)) {
            let detail = format!("The file is called `{name}`, so the binding must be called that too.");
            self.reader.error("binding::name", "The name is not that of the file", said.span, "another name", detail);
        }
        let title = self.reader.need(root, "title").and_then(|n| self.reader.text(n));
        let tools = self.reader.need(root, "match").map(|m| {
            self.reader.map(m, &["tools"]);
            self.reader.need(m, "tools").map(|t| self.reader.texts(t)).unwrap_or_default()
        });
        if let Some((node, true)) = root.get("match").map(|n| (n, tools.as_ref().is_none_or(Vec::is_empty))) {
            self.reader.error(
                "binding::match",
                "A binding fits every server",
                node.span,
                "no tools",
                "`match` must name at least one tool.",
            );
        }
        let errors: Arc<[ErrorRule]> = self.errors(root, &[]);
        let identity = self.reader.need(root, "identity").and_then(|n| self.probe(n, &errors));
        let (mut types, mut absent) = (BTreeMap::new(), BTreeMap::new());
        for entry in root.get("types").map(Node::entries).unwrap_or_default() {
            match ResourceType::new(&entry.key) {
                Ok(kind) if entry.value.get("missing").is_some() => {
                    if let Some(def) = self.absent(kind.clone(), &entry.value) {
                        absent.insert(kind, def);
                    }
                }
                Ok(kind) => {
                    if let Some(bound) = self.bound(kind.clone(), &entry.value, &errors) {
                        types.insert(kind, bound);
                    }
                }
                Err(e) => {
                    self.reader.error("binding::type", "A type has no good name", entry.key_span, "here", format!("{e}."));
                }
            }
        }
        if self.reader.need(root, "types").is_some_and(|n| n.entries().is_empty()) {
            self.reader.error("binding::types", "A binding has no types", root.span, "here", "`types` must hold at least one type.");
        }
        Some(Binding {
            name: name.to_owned(),
            title: title?,
            file: file.to_owned(),
            text: text.into(),
            digest: Sha256::digest(text.as_bytes()).iter().map(|b| format!("{b:02x}")).collect(),
            tools: tools?,
            identity: identity?,
            types,
            absent,
            warnings: Vec::new(),
        })
    }

    /// A binding is picked by `match`, so what it calls must stand there: else it would be picked for a server that cannot do it.
    fn offered(&mut self, binding: &Binding) {
        for call in binding.calls().filter(|c| !binding.tools.iter().any(|t| t == c.tool.as_str())) {
            let near = crate::domain::name::nearest(call.tool.as_str(), binding.tools.iter().map(String::as_str));
            let near = near.map(|n| format!("Did you mean `{n}`?"));
            let detail = format!("`{}` does not stand in `match.tools`, so a server without it would be taken for one with it.", call.tool);
            let problem = self.reader.error("binding::tool-not-matched", "A tool is not matched", call.span, "not in `match`", detail);
            if let Some(near) = near {
                *problem = problem.clone().hint(near);
            }
        }
    }

    fn probe(&mut self, node: &Node, errors: &[ErrorRule]) -> Option<Probe> {
        self.reader.map(node, &["tool", "arguments", "result", "success", "errors", "value"]);
        let call = match node.get("tool") {
            Some(_) => Some(self.call_of(node, errors, Effect::Read, &[])?),
            None => None,
        };
        let value = self.reader.need(node, "value")?;
        let value = self.reader.expression(value, Style::Value)?;
        self.variables(&value, &["result", "text"], &[]);
        Some(Probe { call, value })
    }

    fn bound(&mut self, kind: ResourceType, node: &Node, outer: &[ErrorRule]) -> Option<TypeBinding> {
        self.reader.map(node, &TYPE);
        let errors = self.errors(node, outer);
        let read = self.reader.need(node, "read").and_then(|n| self.read(n, &errors));
        let find = node.get("find").and_then(|n| self.find(n, &errors));
        let mut limits = Limits::default();
        let about = ["name", "type", "properties", "key", "id"];
        let create = self.verb(node, "create", &errors, &about, &mut limits);
        let about = ["name", "type", "properties", "id", "live", "current"];
        let update = self.verb(node, "update", &errors, &about, &mut limits);
        let about = ["name", "type", "id", "live", "current"];
        let delete = self.verb(node, "delete", &errors, &about, &mut limits);
        let also: Vec<String> = read.iter().flat_map(|r| r.also.iter().map(|a| a.name.clone())).collect();
        let object = self.reader.need(node, "object").and_then(|n| self.object(n, &also));
        let diagnose = self.diagnose(node, &errors);
        let def = self.definition(kind, node, limits);
        if let (Some(object), Some(def)) = (&object, &def) {
            self.members(node, object, def);
        }
        Some(TypeBinding { def: def?, read: read?, find, create: create?, update: update?, delete: delete?, object: object?, diagnose })
    }

    /// A type that the server does not have at all, with the reason.
    fn absent(&mut self, kind: ResourceType, node: &Node) -> Option<TypeDef> {
        self.reader.map(node, &["missing", "description"]);
        let reason = self.reader.optional_text(node, "missing")?;
        let missing = ["create", "update", "delete"].map(|verb| (verb.to_owned(), reason.clone())).into();
        Some(TypeDef {
            kind,
            description: self.reader.optional_text(node, "description").unwrap_or_else(|| "This server does not have it.".to_owned()),
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

    fn read(&mut self, node: &Node, errors: &[ErrorRule]) -> Option<Read> {
        self.reader.map(node, &["tool", "arguments", "result", "success", "errors", "items", "only", "also"]);
        let call = self.call_of(node, errors, Effect::Read, &["name", "id", "type"]);
        let items = self.reader.optional(node, "items", Style::Value);
        let only = self.reader.optional(node, "only", Style::Condition);
        if let Some(e) = &items {
            self.variables(e, &["result", "text"], &[]);
        }
        if let Some(e) = &only {
            self.variables(e, &["result", "text", "item"], &[]);
        }
        let mut also = Vec::new();
        for part in node.get("also").map(Node::items).unwrap_or_default() {
            self.reader.map(part, &["name", "tool", "arguments", "result", "success", "errors", "when"]);
            let mut about = vec!["name", "id", "type", "item", "result"];
            let seen: Vec<String> = also.iter().map(|a: &Also| a.name.clone()).collect();
            about.extend(seen.iter().map(String::as_str));
            let name = self.reader.need(part, "name").and_then(|n| self.reader.text(n));
            if let (Some(name), Some(call)) = (name, self.call_of(part, errors, Effect::Read, &about)) {
                also.push(Also { name, call });
            }
        }
        Some(Read { call: call?, items, only, also })
    }

    fn find(&mut self, node: &Node, errors: &[ErrorRule]) -> Option<Find> {
        self.reader.map(node, &["tool", "arguments", "result", "success", "errors", "items", "only", "id"]);
        let call = self.call_of(node, errors, Effect::Read, &["name", "type"]);
        let part = |this: &mut Self, key: &str, style: Style, about: &[&str]| {
            let found = this.reader.need(node, key).and_then(|n| this.reader.expression(n, style));
            found.inspect(|e| this.variables(e, about, &[]))
        };
        let items = part(self, "items", Style::Value, &["result", "text"]);
        let only = part(self, "only", Style::Condition, &["item", "name", "type"]);
        let id = part(self, "id", Style::Value, &["item", "name", "type"]);
        Some(Find { call: call?, items: items?, only: only?, id: id? })
    }

    fn verb(&mut self, node: &Node, verb: &'static str, errors: &[ErrorRule], about: &[&str], limits: &mut Limits) -> Option<Verb> {
        let node = self.reader.need(node, verb)?;
        if let Some(reason) = node.get("missing") {
            self.reader.map(node, &["missing"]);
            limits.missing.insert(verb.to_owned(), self.reader.text(reason)?);
            return Some(Verb::Missing(node.span));
        }
        if node.text() == Some("replace") && verb == "update" {
            return Some(Verb::Missing(node.span));
        }
        let mut known: Vec<&str> = about.to_vec();
        known.push("results");
        let calls: Option<Vec<Call>> = match node.get("steps") {
            Some(steps) => {
                self.reader.map(node, &["steps", "id"]);
                steps.items().iter().map(|n| self.change(n, errors, &known)).collect()
            }
            None => {
                let keys: Vec<&str> = CALL.iter().copied().chain(["id"]).collect();
                self.reader.map(node, &keys);
                self.call_of(node, errors, Effect::Change, &known).map(|c| vec![c])
            }
        };
        let id = self.reader.optional(node, "id", Style::Value);
        if let Some(e) = &id {
            known.push("result");
            self.variables(e, &known, &[]);
        }
        Some(Verb::Calls { calls: calls?, id })
    }

    fn change(&mut self, node: &Node, errors: &[ErrorRule], about: &[&str]) -> Option<Call> {
        self.reader.map(node, &CALL);
        self.call_of(node, errors, Effect::Change, about)
    }

    fn call_of(&mut self, node: &Node, errors: &[ErrorRule], default: Effect, about: &[&str]) -> Option<Call> {
        let tool = self.reader.need(node, "tool")?;
        let name = self.reader.text(tool)?;
        let name = ToolName::new(name).map_err(|e| {
            self.reader.error("binding::tool", "A tool has no good name", tool.span, "here", format!("{e}."));
        });
        let effect = match self.reader.optional_text(node, "effect").as_deref() {
            None => default,
            Some("read") => Effect::Read,
            Some("write" | "destructive" | "external") => Effect::Change,
            Some(other) => {
                let (span, detail) =
                    (node.get("effect").map_or(node.span, |n| n.span), format!("`{other}` is none of read, write, destructive, external."));
                self.reader.error("binding::effect", "Unknown effect", span, "here", detail);
                default
            }
        };
        let arguments = node.get("arguments").map_or(Some(Shape::nothing()), |n| self.reader.shape(n));
        if let Some(shape) = &arguments {
            let mut used = Vec::new();
            shape.expressions(&mut Vec::new(), &mut |e, set| {
                used.push((e.clone(), set.iter().map(|s| (*s).to_owned()).collect::<Vec<_>>()))
            });
            for (expression, set) in used {
                self.variables(&expression, about, &set);
            }
        }
        let when = self.reader.optional(node, "when", Style::Condition);
        if let Some(e) = &when {
            self.variables(e, about, &[]);
        }
        let result = node.get("result").map(|n| self.reader.steps(n)).unwrap_or_default();
        let success = self.reader.optional(node, "success", Style::Condition);
        if let Some(e) = &success {
            let known: Vec<&str> = about.iter().copied().chain(["result", "text"]).collect();
            self.variables(e, &known, &[]);
        }
        let errors = self.errors(node, errors);
        let wait = node.get("wait").and_then(|n| self.wait(n, &errors, about)).map(Box::new);
        Some(Call { tool: name.ok()?, effect, arguments: arguments?, when, result, success, errors, wait, span: tool.span })
    }

    fn wait(&mut self, node: &Node, errors: &[ErrorRule], about: &[&str]) -> Option<Wait> {
        self.reader.map(node, &["tool", "arguments", "result", "success", "errors", "until", "fail_if", "interval", "timeout"]);
        let mut known = about.to_vec();
        known.push("started");
        let call = self.call_of(node, errors, Effect::Read, &known);
        let until = self.reader.need(node, "until").and_then(|n| self.reader.expression(n, Style::Condition));
        let fail_if = self.reader.optional(node, "fail_if", Style::Condition);
        for e in until.iter().chain(&fail_if) {
            self.variables(e, &["result", "text", "started"], &[]);
        }
        let (interval, timeout) = (self.reader.number(node, "interval", 2).max(1), self.reader.number(node, "timeout", 600));
        Some(Wait { call: call?, until: until?, fail_if, interval, timeout })
    }

    /// The rules of this place, before those of the places around it.
    fn errors(&mut self, node: &Node, outer: &[ErrorRule]) -> Arc<[ErrorRule]> {
        let mut rules = Vec::new();
        for rule in node.get("errors").map(Node::items).unwrap_or_default() {
            self.reader.map(rule, &["text", "class", "say"]);
            let text = self.reader.need(rule, "text").and_then(|n| self.reader.regex(n));
            let class = self.reader.need(rule, "class").and_then(|n| self.class(n));
            let say = self.reader.optional_text(rule, "say");
            if let (Some(text), Some(class)) = (text, class) {
                rules.push(ErrorRule { text, class, say });
            }
        }
        rules.extend(outer.iter().cloned());
        rules.into()
    }

    fn class(&mut self, node: &Node) -> Option<Refusal> {
        let word = self.reader.text(node)?;
        let class = serde_json::from_value(Value::String(word.clone())).ok();
        if class.is_none() {
            let all = ["exists", "not_found", "invalid", "in_use", "throttled", "denied", "other"];
            let near = crate::domain::name::nearest(&word, all).map(|n| format!("Did you mean `{n}`?"));
            let detail = format!("`{word}` is none of {}.", all.join(", "));
            let problem = self.reader.error("binding::class", "Unknown class of error", node.span, "here", detail);
            if let Some(near) = near {
                *problem = problem.clone().hint(near);
            }
        }
        class
    }

    fn object(&mut self, node: &Node, also: &[String]) -> Option<ObjectMap> {
        self.reader.map(node, &OBJECT);
        let mut about = vec!["item", "result", "name", "id", "type"];
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
                    let mut used = Vec::new();
                    shape.expressions(&mut Vec::new(), &mut |e, set| {
                        used.push((e.clone(), set.iter().map(|s| (*s).to_owned()).collect::<Vec<_>>()));
                    });
                    used.iter().for_each(|(e, set)| self.variables(e, &about, set));
                    all.push((entry.key.clone(), shape));
                }
            }
            all
        });
        Some(ObjectMap { id: id?, name: name?, created_by, revision, properties, other_forms, outputs, deleting, failed, ready, healthy, reason })
    }

    fn diagnose(&mut self, node: &Node, errors: &[ErrorRule]) -> Vec<Diagnose> {
        let mut all = Vec::new();
        for part in node.get("diagnose").map(Node::items).unwrap_or_default() {
            self.reader.map(part, &["source", "tool", "arguments", "result", "success", "errors", "text", "each", "when"]);
            let source = self.reader.need(part, "source").and_then(|n| self.reader.text(n));
            let about = ["name", "id", "type", "live", "current", "each"];
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

    fn definition(&mut self, kind: ResourceType, node: &Node, mut limits: Limits) -> Option<TypeDef> {
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

    fn unknown_property(&mut self, name: &str, span: crate::template::Span, names: &[String]) {
        let near = crate::domain::name::nearest(name, names.iter().map(String::as_str)).map(|n| format!("Did you mean `{n}`?"));
        let detail = format!("The type has no property `{}`.", crate::domain::text::clean_line(name, 60));
        let problem = self.reader.error("binding::unknown-property", "Unknown property", span, "no such property", detail);
        if let Some(near) = near {
            *problem = problem.clone().hint(near);
        }
    }

    /// What the object map gives must be declared, and what is declared must be given or said to be unreadable.
    fn members(&mut self, node: &Node, object: &ObjectMap, def: &TypeDef) {
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

    /// Variables that an expression uses must be there where it stands.
    fn variables(&mut self, expression: &Expression, known: &[&str], set: &[String]) {
        for name in expression.variables() {
            if known.contains(&name.as_str()) || set.contains(&name) {
                continue;
            }
            let near = crate::domain::name::nearest(&name, known.iter().copied()).map(|n| format!("Did you mean `{n}`?"));
            let detail = format!("There is no `{name}` here. There is: {}.", known.join(", "));
            let problem = self.reader.error("binding::variable", "Unknown variable", expression.span(), "here", detail);
            if let Some(near) = near {
                *problem = problem.clone().hint(near);
            }
        }
    }
}
