//! The calls of a binding file: verbs, arguments, waits, and what kinds of no there are.

use std::sync::Arc;

use serde_json::Value;

use super::Parser;
use crate::{
    domain::{ToolName, schema::Limits},
    mcp::{
        Effect, Refusal,
        binding::{Call, ErrorRule, Explain, Expression, Retry, Shape, Verb, Wait, reader::Style},
    },
    template::Span,
    yaml::Node,
};

const CALL: [&str; 14] = [
    "tool",
    "effect",
    "arguments",
    "when",
    "each",
    "ignore",
    "result",
    "success",
    "failure",
    "errors",
    "retry",
    "explain",
    "wait",
    "missing",
];

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
                self.repeated(node, errors, &known).map(|c| vec![c])
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
        self.repeated(node, errors, about)
    }

    /// A call of a verb, which may be made for each of several things, and of which some kinds of no may not matter.
    fn repeated(&mut self, node: &Node, errors: &[ErrorRule], about: &[&str]) -> Option<Call> {
        let each = self.reader.optional(node, "each", Style::Value);
        let mut known = about.to_vec();
        if let Some(e) = &each {
            self.variables(e, about, &[]);
            known.push("each");
        }
        let ignore = node.get("ignore").map(Node::items).unwrap_or_default().iter().filter_map(|n| self.class(n)).collect();
        self.call_of(node, errors, Effect::Change, &known).map(|call| Call { each, ignore, ..call })
    }

    pub(super) fn call_of(&mut self, node: &Node, errors: &[ErrorRule], default: Effect, about: &[&str]) -> Option<Call> {
        let (name, span) = match (node.get("tool"), &self.usual.tool) {
            (Some(tool), _) => self.tool(tool)?,
            (None, Some((name, _))) => (name.clone(), node.span),
            (None, None) => self.reader.need(node, "tool").and_then(|n| self.tool(n))?,
        };
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
            self.within(shape, about);
        }
        let when = self.reader.optional(node, "when", Style::Condition);
        if let Some(e) = &when {
            self.variables(e, about, &[]);
        }
        let result = node.get("result").map_or_else(|| self.usual.result.clone(), |n| self.reader.steps(n));
        let failure = self.failure(node).or_else(|| self.usual.failure.clone());
        let success = self.reader.optional(node, "success", Style::Condition);
        if let Some(e) = &success {
            let known: Vec<&str> = about.iter().copied().chain(["result", "text"]).collect();
            self.variables(e, &known, &[]);
        }
        let inherited = errors.len();
        let errors = self.errors(node, errors);
        let own_errors = errors.len() - inherited;
        let retry = node.get("retry").and_then(|n| self.retry(n));
        let explain = node.get("explain").and_then(|n| self.explain(n, &errors, about)).map(Box::new);
        let wait = node.get("wait").and_then(|n| self.wait(n, &errors, about)).map(Box::new);
        let (each, ignore) = (None, Vec::new());
        Some(Call {
            tool: name,
            effect,
            arguments: arguments?,
            when,
            each,
            ignore,
            result,
            failure,
            success,
            errors,
            own_errors,
            retry,
            explain,
            wait,
            span,
        })
    }

    pub(super) fn tool(&mut self, node: &Node) -> Option<(ToolName, Span)> {
        let name = self.reader.text(node)?;
        match ToolName::new(name) {
            Ok(name) => Some((name, node.span)),
            Err(e) => {
                self.reader.error("binding::tool", "A tool has no good name", node.span, "here", format!("{e}."));
                None
            }
        }
    }

    pub(super) fn failure(&mut self, node: &Node) -> Option<Expression> {
        let failure = self.reader.optional(node, "failure", Style::Value);
        failure.inspect(|e| self.variables(e, &["result", "text"], &[]))
    }

    fn explain(&mut self, node: &Node, errors: &[ErrorRule], about: &[&str]) -> Option<Explain> {
        self.reader.map(node, &["class", "tool", "arguments", "result", "failure", "text"]);
        let class = self.reader.need(node, "class").and_then(|n| self.class(n));
        let call = self.call_of(node, errors, Effect::Read, about);
        let text = self.reader.need(node, "text").and_then(|n| self.reader.expression(n, Style::Value));
        if let Some(e) = &text {
            let known: Vec<&str> = about.iter().copied().chain(["result", "text"]).collect();
            self.variables(e, &known, &[]);
        }
        Some(Explain { class: class?, call: call?, text: text? })
    }

    fn retry(&mut self, node: &Node) -> Option<Retry> {
        self.reader.map(node, &["class", "interval", "timeout"]);
        let class = self.reader.need(node, "class").and_then(|n| self.class(n));
        let (interval, timeout) = (self.reader.number(node, "interval", 2).max(1), self.reader.number(node, "timeout", 30));
        Some(Retry { class: class?, interval, timeout })
    }

    pub(super) fn wait(&mut self, node: &Node, errors: &[ErrorRule], about: &[&str]) -> Option<Wait> {
        self.reader.map(node, &["tool", "arguments", "result", "success", "failure", "errors", "until", "fail_if", "interval", "timeout"]);
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
