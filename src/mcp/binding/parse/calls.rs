//! The calls of a binding file: verbs, arguments, waits, and what kinds of no there are.

use std::sync::Arc;

use serde_json::Value;

use super::Parser;
use crate::{
    domain::{ToolName, schema::Limits},
    mcp::{
        Effect, Refusal,
        binding::{Call, ErrorRule, Shape, Verb, Wait, reader::Style},
    },
    yaml::Node,
};

const CALL: [&str; 9] = ["tool", "effect", "arguments", "when", "result", "success", "errors", "wait", "missing"];

impl Parser<'_> {
    pub(super) fn verb(
        &mut self,
        node: &Node,
        verb: &'static str,
        errors: &[ErrorRule],
        about: &[&str],
        limits: &mut Limits,
    ) -> Option<Verb> {
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

    pub(super) fn change(&mut self, node: &Node, errors: &[ErrorRule], about: &[&str]) -> Option<Call> {
        self.reader.map(node, &CALL);
        self.call_of(node, errors, Effect::Change, about)
    }

    pub(super) fn call_of(&mut self, node: &Node, errors: &[ErrorRule], default: Effect, about: &[&str]) -> Option<Call> {
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

    pub(super) fn wait(&mut self, node: &Node, errors: &[ErrorRule], about: &[&str]) -> Option<Wait> {
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
    pub(super) fn errors(&mut self, node: &Node, outer: &[ErrorRule]) -> Arc<[ErrorRule]> {
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

    pub(super) fn class(&mut self, node: &Node) -> Option<Refusal> {
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
}
