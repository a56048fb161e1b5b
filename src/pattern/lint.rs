//! What can be found wrong with a pattern without binding it: names, expressions, schemas, defaults, things that nothing uses.

use std::collections::{BTreeMap, BTreeSet};

use crate::domain::{name::nearest, reference};

use super::{
    Available, Parameter, Pattern,
    expand::DIRECTIVES,
    expression::Engine,
    filters::FUNCTIONS,
    reader::{Reader, upper},
    schema,
    yaml::{Kind, Node},
};

/// Finds what is wrong and adds it to the reader's problems.
pub fn lint(r: &mut Reader<'_>, pattern: &Pattern) {
    let mut linter = Linter { r, engine: Engine::new(&Available::default()), used: BTreeSet::new() };
    let mut scope = linter.parameters(pattern);
    linter.names(pattern);
    scope.insert("name".into());
    if let Some(rule) = &pattern.deployment {
        // The name is settled before defaults are, so it may use what was said only.
        let said = scope.iter().filter(|n| *n != "name").cloned().collect();
        linter.scalar(rule, &said);
    }
    for check in &pattern.checks {
        linter.condition(check.when.as_ref(), &scope);
        linter.condition(Some(&check.that), &scope);
        linter.scalar(&check.message, &scope);
        for about in &check.about {
            linter.known_parameter(pattern, about, &check.that, "`about`");
        }
    }
    for (name, node) in &pattern.locals {
        linter.tree(node, &scope);
        if scope.contains(name) || reserved(name) || !identifier(name) {
            linter.r.error(
                "pattern::name",
                "A name is not allowed",
                node.span,
                "of this local",
                format!("The local `{name}` has a name that is taken or is not a word."),
            );
        }
        scope.insert(name.clone());
    }
    for note in &pattern.notes {
        linter.condition(note.when.as_ref(), &scope);
        linter.scalar(&note.text, &scope);
    }
    for rule in &pattern.resources {
        let mut scope = scope.clone();
        if let Some(each) = &rule.for_each {
            linter.tree(each, &scope);
            if reserved(&rule.item) || !identifier(&rule.item) || scope.contains(&rule.item) {
                linter.r.error(
                    "pattern::name",
                    "A name is not allowed",
                    each.span,
                    "of this loop",
                    format!("The loop's `as: {}` is taken or is not a word.", rule.item),
                );
            }
            scope.extend([rule.item.clone(), "index".to_owned()]);
        }
        linter.condition(rule.when.as_ref(), &scope);
        linter.scalar(&rule.name, &scope);
        let parts = rule.properties.iter().chain(&rule.depends_on).chain(&rule.lifecycle).chain(&rule.wait);
        parts.for_each(|node| linter.tree(node, &scope));
    }
    for output in &pattern.outputs {
        linter.condition(output.when.as_ref(), &scope);
        linter.tree(&output.value, &scope);
    }
    linter.unused(pattern);
    if pattern.tests.is_empty() {
        let at = pattern.resources.first().map_or(crate::template::Span { offset: 0, len: 1 }, |rule| rule.span);
        r.warning(
            "pattern::no-tests",
            "The pattern has no tests",
            at,
            "nothing proves these",
            "A pattern says in `tests` which addresses it makes of which parameters.",
        );
    }
}

struct Linter<'r, 'f> {
    r: &'r mut Reader<'f>,
    engine: Engine,
    /// Variables that some expression uses.
    used: BTreeSet<String>,
}

/// Whether a name belongs to the engine.
fn reserved(name: &str) -> bool {
    matches!(
        name,
        "name"
            | "index"
            | "loop"
            | "range"
            | "true"
            | "false"
            | "none"
            | "not"
            | "and"
            | "or"
            | "in"
            | "is"
            | "if"
            | "else"
            | "dict"
            | "namespace"
            | "debug"
    ) || FUNCTIONS.contains(&name)
}

/// Whether a name can stand in an expression.
fn identifier(name: &str) -> bool {
    name.starts_with(|c: char| c.is_ascii_alphabetic()) && name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_')
}

impl Linter<'_, '_> {
    /// Schemas and defaults. Gives the names that expressions may use.
    fn parameters(&mut self, pattern: &Pattern) -> BTreeSet<String> {
        // A default may use what is always said, and what is declared before it.
        let always = pattern.parameters.iter().filter(|p| p.required && !p.secret).map(|p| p.name.clone());
        let mut scope: BTreeSet<String> = always.chain(["name".to_owned()]).collect();
        for parameter in &pattern.parameters {
            let taken = reserved(&parameter.name) || !identifier(&parameter.name);
            if taken {
                let detail = format!("The parameter `{}` has a name that expressions cannot use.", parameter.name);
                self.r.error("pattern::name", "A name is not allowed", parameter.span, "this name", detail);
            }
            self.parameter(parameter, &scope);
            for member in &parameter.members {
                self.parameter(member, &scope);
            }
            scope.insert(parameter.name.clone());
        }
        scope
    }

    fn parameter(&mut self, p: &Parameter, scope: &BTreeSet<String>) {
        let validator = match schema::compile(&p.schema) {
            Ok(validator) => Some(validator),
            Err(why) => {
                let detail = format!("The schema of `{}` is not JSON Schema 2020-12: {why}.", p.name);
                self.r.error("pattern::schema", "A schema is wrong", p.span, "of this parameter", detail);
                None
            }
        };
        let secret = p.secret || p.generate.is_some();
        let clash = [
            (p.required && p.default.is_some(), "is required and has a default, which would never be used"),
            (secret && p.default.is_some(), "is a secret and has a default, which would be in clear text"),
            (p.generate.is_some() && !p.secret, "is generated and not marked `secret: true`"),
            (!p.members.is_empty() && p.default.is_some(), "has members; each has a default of its own"),
            (!p.members.is_empty() && p.required, "has members; each is required or not by itself"),
        ];
        for (_, why) in clash.iter().filter(|c| c.0) {
            self.r.error("pattern::parameter", "A parameter contradicts itself", p.span, "this parameter", format!("`{}` {why}.", p.name));
        }
        if p.members.is_empty() && !p.secret && p.required && p.ask.is_empty() {
            let detail = format!("`{}` is required and has no `ask`, so nobody can be asked for it.", p.name);
            self.r.warning("pattern::no-question", "A required parameter has no question", p.span, "this parameter", detail);
        }
        let Some(default) = &p.default else { return };
        if p.because.is_empty() {
            let detail = format!("The review shows why a default was chosen; `{}` does not say it in `because`.", p.name);
            self.r.warning("pattern::no-reason", "A default has no reason", p.span, "this parameter", detail);
        }
        let before = self.used.clone();
        self.tree(default, scope);
        // That a default uses a parameter is no use of it in what is made.
        self.used = before;
        let mut computed = false;
        default.walk(&mut |n| computed |= n.text().is_some_and(|t| t.contains("{{") || t.contains("{%")));
        if let (Some(validator), false) = (&validator, computed)
            && let Some((_, why)) = schema::problems(validator, &default.to_json()).into_iter().next()
        {
            self.r.error(
                "pattern::schema",
                "A schema is wrong",
                default.span,
                "this default",
                format!("The default of `{}` {why}.", p.name),
            );
        }
    }

    fn names(&mut self, pattern: &Pattern) {
        for name in &pattern.scale {
            let at = pattern.parameters.first().map_or(crate::template::Span { offset: 0, len: 1 }, |p| p.span);
            if !pattern.leaves().iter().any(|p| p.name == *name) {
                self.r.error(
                    "pattern::undeclared",
                    "Something is used that is not declared",
                    at,
                    "the parameters",
                    format!("`scale` names `{name}`, which is no parameter."),
                );
            }
        }
        let mut seen: BTreeMap<&str, ()> = BTreeMap::new();
        for test in &pattern.tests {
            if seen.insert(&test.name, ()).is_some() {
                self.r.error(
                    "pattern::name",
                    "A name is not allowed",
                    test.span,
                    "this test",
                    format!("Two tests are called `{}`.", test.name),
                );
            }
        }
    }

    fn known_parameter(&mut self, pattern: &Pattern, name: &str, at: &Node, what: &str) {
        if !pattern.leaves().iter().any(|p| p.name == name) && pattern.parameter(name).is_none() {
            self.r.error(
                "pattern::undeclared",
                "Something is used that is not declared",
                at.span,
                "here",
                format!("{what} names `{name}`, which is no parameter."),
            );
        }
    }

    fn condition(&mut self, node: Option<&Node>, scope: &BTreeSet<String>) {
        match node.map(|n| (n, &n.kind)) {
            None | Some((_, Kind::Plain(serde_json::Value::Bool(_)))) => {}
            Some((node, Kind::Text(text))) => {
                let found = self.engine.condition_variables(text);
                self.variables(node, found, scope);
            }
            Some((node, _)) => self.r.shape(node, "a condition must be an expression"),
        }
    }

    fn scalar(&mut self, node: &Node, scope: &BTreeSet<String>) {
        match &node.kind {
            Kind::Text(text) => {
                let found = self.engine.variables(text);
                self.variables(node, found, scope);
            }
            Kind::Plain(_) => {}
            _ => self.r.shape(node, "this must be a text"),
        }
    }

    fn variables(&mut self, node: &Node, found: Result<Vec<String>, super::expression::ExpressionError>, scope: &BTreeSet<String>) {
        let found = match found {
            Ok(found) => found,
            Err(error) => {
                let detail = format!("{}.", upper(&error.to_string()));
                return self.r.error("pattern::expression", "An expression cannot be read", node.span, "this expression", detail);
            }
        };
        for variable in found {
            let head = variable.split('.').next().unwrap_or_default();
            if !scope.contains(head) {
                let detail = format!("`{head}` is no parameter, no local before this one, and no loop variable.");
                self.r.error("pattern::undeclared", "Something is used that is not declared", node.span, "in this expression", detail);
                if let Some(near) = nearest(head, scope.iter().map(String::as_str)) {
                    self.r.hint(format!("Did you mean `{near}`?"));
                }
            }
            self.used.insert(variable);
        }
    }

    /// Every scalar below a node, with the variables that its directives set.
    fn tree(&mut self, node: &Node, scope: &BTreeSet<String>) {
        match &node.kind {
            Kind::Plain(_) => {}
            Kind::Text(text) => {
                self.scalar(node, scope);
                if !text.contains("{{")
                    && !text.contains("{%")
                    && let Err(error) = reference::parse(text)
                {
                    self.r.error(
                        "pattern::reference",
                        "A reference cannot be read",
                        node.span,
                        "in this text",
                        format!("{}.", upper(&error.reason)),
                    );
                }
            }
            Kind::List(items) => items.iter().for_each(|n| self.element(n, scope, true)),
            Kind::Map(_) => self.element(node, scope, false),
        }
    }

    fn element(&mut self, node: &Node, scope: &BTreeSet<String>, in_list: bool) {
        if !super::expand::is_directive(node) {
            return match &node.kind {
                Kind::Map(entries) => entries.iter().for_each(|e| self.tree(&e.value, scope)),
                _ => self.tree(node, scope),
            };
        }
        let mut inner = scope.clone();
        for entry in node.entries() {
            match entry.key.as_str() {
                "$each" if !in_list => self.r.shape(&entry.value, "`$each` can stand only in an element of a list"),
                "$each" => {
                    self.tree(&entry.value, scope);
                    inner.insert(node.get("$as").and_then(Node::text).unwrap_or("item").to_owned());
                    inner.insert("index".into());
                }
                key if DIRECTIVES.contains(&key) => {}
                _ => self.r.unknown_key(entry, "a directive (a map with `$` keys)", DIRECTIVES),
            }
        }
        if node.get("$value").is_none() {
            self.r.shape(node, "a map with `$` keys needs `$value`");
        }
        self.condition(node.get("$when"), &inner);
        for key in ["$value", "$else"] {
            if let Some(value) = node.get(key) {
                self.tree(value, &inner);
            }
        }
    }

    fn unused(&mut self, pattern: &Pattern) {
        for parameter in pattern.leaves() {
            let top = parameter.name.split('.').next().unwrap_or_default();
            let used = self.used.iter().any(|u| *u == parameter.name || u == top || u.starts_with(&format!("{}.", parameter.name)));
            if !used {
                let detail = format!("Nothing that the pattern makes depends on `{}`.", parameter.name);
                self.r.warning("pattern::unused-parameter", "A parameter is not used", parameter.span, "this parameter", detail);
            }
        }
    }
}

#[cfg(test)]
#[path = "lint_tests.rs"]
mod tests;
