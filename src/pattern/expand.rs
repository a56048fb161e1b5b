//! A bound pattern → the template, and what the review tells about it. The same input always gives the same output.
//!
//! Structure comes from the file alone. A list may repeat (`$each`) or drop (`$when`) an element, and a map a member; scalars are
//! evaluated one by one, so a value can never become structure.

use std::collections::HashSet;

use indexmap::IndexMap;
use minijinja::value::{Value as Data, merge_maps};
use serde_json::{Map, Value};

use crate::{
    diagnostic::Diagnostic,
    domain::{Address, Existing, Lifecycle, Properties, PropertyPath, Resource, ResourceName, Wait},
    template::{Origin, Span, Template},
};

use super::{
    Available, Bound, BoundParameter, Pattern, ResourceRule,
    expression::{Engine, ExpressionError, object, scalar_data},
    reader::{printable, upper},
    yaml::{Kind, Node},
};

/// The most resources that one pattern may make.
pub const MAX_RESOURCES: usize = 50_000;

/// Keys that repeat or drop an element of a list or a member of a map. `$` keeps them apart from properties.
pub const DIRECTIVES: [&str; 5] = ["$each", "$as", "$when", "$value", "$else"];

/// What a bound pattern makes.
#[derive(Debug, Clone, PartialEq)]
pub struct Expansion {
    /// The desired picture.
    pub template: Template,
    /// What the person should know: how the pattern adapted, what it does not do.
    pub notes: Vec<String>,
    /// The parameters and who said each.
    pub parameters: Vec<BoundParameter>,
}

/// Makes the template.
pub fn expand(pattern: &Pattern, bound: &Bound, available: &Available) -> Result<Expansion, Vec<Diagnostic>> {
    let mut x = Expander { pattern, engine: Engine::new(available), problems: Vec::new() };
    let mut scope = bound.scope();
    for (name, node) in &pattern.locals {
        let value = x.node(node, &object(scope.clone())).map(Option::unwrap_or_default);
        match value {
            Ok(value) => {
                scope.insert(name.clone(), scalar_data(&value));
            }
            // Everything after it would fail for the same reason.
            Err((span, error)) => {
                x.fail(span, &error);
                return Err(x.problems);
            }
        }
    }
    let scope = object(scope);
    let mut resources = Vec::new();
    let mut spans = IndexMap::new();
    for rule in &pattern.resources {
        x.resource(rule, &scope, &mut resources, &mut spans);
        if resources.len() > MAX_RESOURCES {
            x.refuse(rule.span, format!("The pattern would make more than {MAX_RESOURCES} resources."));
            break;
        }
    }
    let mut seen = HashSet::new();
    for resource in &resources {
        if !seen.insert(&resource.address) {
            let span = spans.get(&(resource.address.clone(), PropertyPath::default())).copied().unwrap_or(Span { offset: 0, len: 1 });
            x.refuse(span, format!("Two resources would have the address `{}`.", resource.address));
        }
    }
    let outputs = x.outputs(&scope);
    let notes = x.notes(&scope);
    if !x.problems.is_empty() {
        return Err(x.problems);
    }
    let origin = Origin { file: pattern.file.name.clone(), text: pattern.file.text.clone(), spans, ..Origin::default() };
    let template = Template { name: bound.deployment.clone(), variables: IndexMap::new(), resources, outputs, origin };
    Ok(Expansion { template, notes, parameters: bound.parameters.clone() })
}

/// An expression's failure and its place.
type Failed = (Span, ExpressionError);

struct Expander<'p> {
    pattern: &'p Pattern,
    engine: Engine,
    problems: Vec<Diagnostic>,
}

impl Expander<'_> {
    fn fail(&mut self, span: Span, error: &ExpressionError) {
        self.refuse(span, format!("{}.", upper(&error.to_string())));
    }

    fn refuse(&mut self, span: Span, detail: String) {
        let source = self.pattern.file.source(span, "here");
        let d = Diagnostic::error("pattern::expression", "An expression of the pattern fails").source(source).detail(detail);
        self.problems.push(d.fact("pattern", self.pattern.name.to_string()).state("Nothing was planned."));
    }

    fn truth(&self, node: Option<&Node>, scope: &Data) -> Result<bool, Failed> {
        let Some(node) = node else { return Ok(true) };
        match &node.kind {
            Kind::Plain(Value::Bool(b)) => Ok(*b),
            _ => self.engine.truth(node.text().unwrap_or_default(), scope).map_err(|e| (node.span, e)),
        }
    }

    fn resource(
        &mut self,
        rule: &ResourceRule,
        scope: &Data,
        resources: &mut Vec<Resource>,
        spans: &mut IndexMap<(Address, PropertyPath), Span>,
    ) {
        // Without a loop, `when` is asked first, so that nothing else of a resource that is not made has to make sense.
        let scopes = match &rule.for_each {
            None => vec![scope.clone()],
            Some(node) => match self.scopes(node, &rule.item, scope) {
                Ok(scopes) => scopes,
                Err((span, error)) => return self.fail(span, &error),
            },
        };
        for scope in scopes {
            match self.truth(rule.when.as_ref(), &scope).and_then(|made| made.then(|| self.make(rule, &scope)).transpose()) {
                Ok(Some(resource)) => {
                    spans.insert((resource.address.clone(), PropertyPath::default()), rule.span);
                    for entry in rule.properties.iter().flat_map(Node::entries) {
                        let path = PropertyPath::key("properties").child(&entry.key);
                        spans.insert((resource.address.clone(), path), entry.value.span);
                    }
                    resources.push(resource);
                }
                Ok(None) => {}
                Err((span, error)) => {
                    // The same expression would fail for every element alike.
                    return self.fail(span, &error);
                }
            }
        }
    }

    fn make(&self, rule: &ResourceRule, scope: &Data) -> Result<Resource, Failed> {
        let at = |node: &Node| node.span;
        let text = rule.name.text().unwrap_or_default();
        let name = self.engine.plain(text, scope).map_err(|e| (at(&rule.name), e))?;
        let name = ResourceName::new(name).map_err(|e| (at(&rule.name), ExpressionError(e.to_string())))?;
        let mut properties = Properties::new();
        if let Some(node) = &rule.properties
            && let Some(Value::Object(map)) = self.node(node, scope)?
        {
            properties = map;
        }
        let mut depends_on = Vec::new();
        if let Some(node) = &rule.depends_on
            && let Some(Value::Array(addresses)) = self.node(node, scope)?
        {
            for address in addresses {
                let text = address.as_str().unwrap_or_default();
                depends_on.push(text.parse::<Address>().map_err(|e| (at(node), ExpressionError(e.to_string())))?);
            }
        }
        let lifecycle = match &rule.lifecycle {
            Some(node) => {
                let value = self.node(node, scope)?.unwrap_or_default();
                serde_json::from_value::<Lifecycle>(value).map_err(|e| (at(node), ExpressionError(printable(&e.to_string()))))?
            }
            None => Lifecycle::default(),
        };
        let wait = match &rule.wait {
            Some(node) => Some(self.wait(node, scope)?),
            None => None,
        };
        Ok(Resource {
            address: Address::new(rule.server.clone(), rule.kind.clone(), name),
            properties,
            depends_on,
            lifecycle,
            wait,
            existing: if rule.existing { Existing::ReadOnly } else { Existing::Managed },
        })
    }

    fn wait(&self, node: &Node, scope: &Data) -> Result<Wait, Failed> {
        let fail = || (node.span, ExpressionError("`wait` is `{timeout: 5m}`".into()));
        let value = self.node(node, scope)?.unwrap_or_default();
        let timeout = value.get("timeout").and_then(Value::as_str).ok_or_else(fail)?;
        let timeout: jiff::SignedDuration = timeout.parse().map_err(|_| fail())?;
        Ok(Wait { timeout: timeout.try_into().map_err(|_| fail())? })
    }

    /// One scope for each element of a list; a number counts from 1.
    fn scopes(&self, node: &Node, item: &str, scope: &Data) -> Result<Vec<Data>, Failed> {
        let elements = match self.node(node, scope)? {
            Some(Value::Array(items)) => items,
            Some(Value::Number(n)) => match n.as_u64() {
                Some(n) if n <= MAX_RESOURCES as u64 => (1..=n).map(Value::from).collect(),
                _ => return Err((node.span, ExpressionError("a loop cannot run that many times".into()))),
            },
            _ => return Err((node.span, ExpressionError("a loop needs a list or a number".into()))),
        };
        let scopes = elements.iter().enumerate().map(|(n, element)| {
            let own = object([(item.to_owned(), scalar_data(element)), ("index".to_owned(), Data::from(n + 1))]);
            merge_maps([scope.clone(), own])
        });
        Ok(scopes.collect())
    }

    /// Evaluates a node. `None`: a directive left it out.
    fn node(&self, node: &Node, scope: &Data) -> Result<Option<Value>, Failed> {
        Ok(Some(match &node.kind {
            Kind::Plain(value) => value.clone(),
            Kind::Text(text) => self.engine.scalar(text, scope).map_err(|e| (node.span, e))?,
            Kind::List(items) => {
                let mut out = Vec::with_capacity(items.len());
                for item in items {
                    match item.get("$each") {
                        Some(each) => {
                            let name = item.get("$as").and_then(Node::text).unwrap_or("item");
                            for scope in self.scopes(each, name, scope)? {
                                out.extend(self.directive(item, &scope)?);
                            }
                        }
                        None => out.extend(self.node(item, scope)?),
                    }
                }
                Value::Array(out)
            }
            Kind::Map(_) if is_directive(node) => return self.directive(node, scope),
            Kind::Map(entries) => {
                let mut out = Map::new();
                for entry in entries {
                    if let Some(value) = self.node(&entry.value, scope)? {
                        out.insert(entry.key.clone(), value);
                    }
                }
                Value::Object(out)
            }
        }))
    }

    fn directive(&self, node: &Node, scope: &Data) -> Result<Option<Value>, Failed> {
        let chosen = match self.truth(node.get("$when"), scope)? {
            true => node.get("$value"),
            false => node.get("$else"),
        };
        chosen.map_or(Ok(None), |n| self.node(n, scope))
    }

    fn outputs(&mut self, scope: &Data) -> IndexMap<String, Value> {
        let mut out = IndexMap::new();
        for rule in &self.pattern.outputs {
            let value =
                self.truth(rule.when.as_ref(), scope).and_then(|there| if there { self.node(&rule.value, scope) } else { Ok(None) });
            match value {
                Ok(Some(value)) => {
                    out.insert(rule.name.clone(), value);
                }
                Ok(None) => {}
                Err((span, error)) => self.fail(span, &error),
            }
        }
        out
    }

    fn notes(&mut self, scope: &Data) -> Vec<String> {
        let mut out = Vec::new();
        for note in &self.pattern.notes {
            let text = self.truth(note.when.as_ref(), scope).and_then(|said| {
                let text = note.text.text().unwrap_or_default();
                said.then(|| self.engine.plain(text, scope).map_err(|e| (note.text.span, e))).transpose()
            });
            match text {
                Ok(Some(text)) => out.push(text.split_whitespace().collect::<Vec<_>>().join(" ")),
                Ok(None) => {}
                Err((span, error)) => self.fail(span, &error),
            }
        }
        out
    }
}

/// Whether a map is a directive and not a value.
pub fn is_directive(node: &Node) -> bool {
    node.entries().iter().any(|e| e.key.starts_with('$'))
}

#[cfg(test)]
#[path = "expand_tests.rs"]
mod tests;
