//! From a binding file to a [`Binding`], with everything that is wrong with it at its place.

use std::{collections::BTreeMap, sync::Arc};

use sha2::{Digest, Sha256};

use super::{
    Also, Binding, ErrorRule, Expression, Find, Lets, Probe, Read, Shape, Step, TypeBinding,
    reader::{Reader, Style},
};
use crate::{
    diagnostic::Diagnostic,
    domain::{ResourceType, ToolName, schema::Limits},
    mcp::Effect,
    template::Span,
    yaml::{self, Node},
};

mod calls;

mod types;

const TOP: [&str; 10] = ["binding", "title", "description", "match", "max_calls", "identity", "errors", "calls", "let", "types"];
const TYPE: [&str; 25] = [
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
    "let",
    "read",
    "find",
    "create",
    "update",
    "delete",
    "object",
    "diagnose",
];

/// Reads a file. `name` is its stem, `file` what diagnostics call it.
pub fn parse(name: &str, file: &str, text: &str) -> Result<Binding, Vec<Diagnostic>> {
    let root = yaml::parse(file, text).map_err(|d| {
        let mut d = *d;
        d.code = "binding::syntax";
        d.state = "The binding is not used.".to_owned();
        vec![d]
    })?;
    let mut parser = Parser { reader: Reader { file, text, problems: Vec::new() }, usual: Usual::default(), lets: Vec::new() };
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
    usual: Usual,
    lets: Vec<(String, Shape)>,
}

/// What every call has unless it says otherwise.
#[derive(Default)]
struct Usual {
    tool: Option<(ToolName, Span)>,
    result: Vec<Step>,
    failure: Option<Expression>,
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
            self.reader.map(m, &["tools", "says"]);
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
        let says = root.get("match").and_then(|m| m.get("says")).map(|n| self.says(n)).unwrap_or_default();
        let max_calls = root.get("max_calls").and_then(|n| self.max_calls(root, n.span));
        let errors: Arc<[ErrorRule]> = self.errors(root, &[]);
        self.usual(root);
        let mut lets = self.lets(root);
        self.lets.append(&mut lets);
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
            says,
            max_calls,
            identity: identity?,
            types,
            absent,
            warnings: Vec::new(),
        })
    }

    /// How many calls such a server bears at the same time: at least one.
    fn max_calls(&mut self, root: &Node, span: Span) -> Option<usize> {
        let most = usize::try_from(self.reader.number(root, "max_calls", 1)).ok();
        if most == Some(0) {
            let detail = "With no call at all nothing can be done; leave it out where there is no limit.";
            self.reader.error("binding::max-calls", "A server would not be called at all", span, "not 0", detail);
        }
        most
    }

    /// What the descriptions of tools must say, where a name alone would fit too many servers.
    fn says(&mut self, node: &Node) -> Vec<(String, regex::Regex)> {
        node.entries().iter().filter_map(|e| Some((e.key.clone(), self.reader.regex(&e.value)?))).collect()
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

    /// What every call has unless it says otherwise.
    fn usual(&mut self, root: &Node) {
        let Some(node) = root.get("calls") else { return };
        self.reader.map(node, &["tool", "result", "failure"]);
        let tool = node.get("tool").and_then(|n| self.tool(n));
        let result = node.get("result").map(|n| self.reader.steps(n)).unwrap_or_default();
        let failure = self.failure(node);
        self.usual = Usual { tool, result, failure };
    }

    /// Names for values. Each may use those before it, and what is there where it is used.
    fn lets(&mut self, node: &Node) -> Vec<(String, Shape)> {
        const ANY: [&str; 11] = ["name", "type", "properties", "key", "id", "live", "current", "hint", "item", "result", "results"];
        let mut all: Vec<(String, Shape)> = Vec::new();
        for entry in node.get("let").map(Node::entries).unwrap_or_default() {
            let Some(shape) = self.reader.shape(&entry.value) else { continue };
            let known: Vec<&str> = ANY.into_iter().chain(all.iter().map(|(n, _)| n.as_str())).collect();
            self.within(&shape, &known);
            if ANY.contains(&entry.key.as_str()) {
                let detail = format!("`{}` means something already.", entry.key);
                self.reader.error("binding::let", "A name is taken", entry.key_span, "here", detail);
            }
            all.push((entry.key.clone(), shape));
        }
        all
    }

    /// Variables that the expressions of a shape use must be there where it stands.
    fn within(&mut self, shape: &Shape, known: &[&str]) {
        let mut used = Vec::new();
        shape.expressions(&mut Vec::new(), &mut |e, set| {
            used.push((e.clone(), set.iter().map(|s| (*s).to_owned()).collect::<Vec<_>>()));
        });
        used.iter().for_each(|(e, set)| self.variables(e, known, set));
    }

    fn probe(&mut self, node: &Node, errors: &[ErrorRule]) -> Option<Probe> {
        self.reader.map(node, &["tool", "arguments", "result", "success", "failure", "errors", "value"]);
        let call = match node.get("tool").or(node.get("arguments")) {
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
        let common = self.lets.len();
        let mut own = self.lets(node);
        self.lets.append(&mut own);
        let lets: Lets = self.lets.as_slice().into();
        let read = self.reader.need(node, "read").and_then(|n| self.read(n, &errors));
        let find = node.get("find").and_then(|n| self.find(n, &errors));
        let mut limits = Limits::default();
        let about = ["name", "type", "properties", "key", "id", "hint"];
        let create = self.verb(node, "create", &errors, &about, &mut limits);
        let about = ["name", "type", "properties", "id", "live", "current", "hint"];
        let update = self.verb(node, "update", &errors, &about, &mut limits);
        let about = ["name", "type", "id", "live", "current", "hint"];
        let delete = self.verb(node, "delete", &errors, &about, &mut limits);
        let also: Vec<String> = read.iter().flat_map(|r| r.also.iter().map(|a| a.name.clone())).collect();
        let object = self.reader.need(node, "object").and_then(|n| self.object(n, &also));
        let diagnose = self.diagnose(node, &errors);
        let def = self.definition(kind, node, limits);
        self.lets.truncate(common);
        if let (Some(object), Some(def)) = (&object, &def) {
            self.members(node, object, def);
        }
        Some(TypeBinding {
            def: def?,
            lets,
            read: read?,
            find,
            create: create?,
            update: update?,
            delete: delete?,
            object: object?,
            diagnose,
        })
    }

    fn read(&mut self, node: &Node, errors: &[ErrorRule]) -> Option<Read> {
        self.reader.map(node, &["tool", "effect", "arguments", "when", "result", "success", "failure", "errors", "items", "only", "also"]);
        let call = self.call_of(node, errors, Effect::Read, &["name", "id", "type", "hint"]);
        let items = self.reader.optional(node, "items", Style::Value);
        let only = self.reader.optional(node, "only", Style::Condition);
        if let Some(e) = &items {
            self.variables(e, &["result", "text", "name", "id", "type", "hint"], &[]);
        }
        if let Some(e) = &only {
            self.variables(e, &["result", "text", "item", "name", "id", "type", "hint"], &[]);
        }
        let mut also = Vec::new();
        for part in node.get("also").map(Node::items).unwrap_or_default() {
            self.reader.map(part, &["name", "tool", "arguments", "result", "success", "failure", "errors", "when"]);
            let mut about = vec!["name", "id", "type", "item", "result", "hint"];
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
        self.reader.map(node, &["tool", "effect", "arguments", "result", "success", "failure", "errors", "items", "only", "id"]);
        let call = self.call_of(node, errors, Effect::Read, &["name", "type", "hint"]);
        let part = |this: &mut Self, key: &str, style: Style, about: &[&str]| {
            let found = this.reader.need(node, key).and_then(|n| this.reader.expression(n, style));
            found.inspect(|e| this.variables(e, about, &[]))
        };
        let items = part(self, "items", Style::Value, &["result", "text"]);
        let only = part(self, "only", Style::Condition, &["item", "name", "type", "hint"]);
        let id = part(self, "id", Style::Value, &["item", "name", "type", "hint"]);
        Some(Find { call: call?, items: items?, only: only?, id: id? })
    }

    /// Variables that an expression uses must be there where it stands.
    fn variables(&mut self, expression: &Expression, known: &[&str], set: &[String]) {
        for name in expression.variables() {
            if known.contains(&name.as_str()) || set.contains(name) || self.lets.iter().any(|(l, _)| l == name) {
                continue;
            }
            let near = crate::domain::name::nearest(name, known.iter().copied()).map(|n| format!("Did you mean `{n}`?"));
            let detail = format!("There is no `{name}` here. There is: {}.", known.join(", "));
            let problem = self.reader.error("binding::variable", "Unknown variable", expression.span(), "here", detail);
            if let Some(near) = near {
                *problem = problem.clone().hint(near);
            }
        }
    }
}
