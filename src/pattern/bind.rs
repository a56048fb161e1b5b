//! What was said → every parameter settled, each with who said it; or the questions that have to be asked first.
//!
//! Everything that is wrong is found at once. A problem that the person can answer comes both as a question (for the chat) and as a
//! diagnostic (for a command line that cannot ask).

use indexmap::IndexMap;
use minijinja::value::Value as Data;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use crate::{
    diagnostic::Diagnostic,
    domain::{DeploymentName, Reference, name::nearest, reference},
    intent::{AskReason, Provenance, Question, Said},
};

use super::{
    Available, Parameter, Pattern,
    expression::{Engine, data, has_forbidden, object, scalar_data},
    filters, normalise,
    reader::{printable, upper},
    schema,
    yaml::{Kind, Node},
};

/// What binding may look at besides what was said.
#[derive(Debug, Clone, Default)]
pub struct Setting {
    /// The registered servers and their types.
    pub available: Available,
    /// The deployment's name, when it was said or exists already.
    pub deployment: Option<DeploymentName>,
}

/// A pattern with every parameter settled.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Bound {
    /// The deployment.
    pub deployment: DeploymentName,
    /// Every parameter that has a value of its own, in the pattern's order. Members of objects are dotted.
    pub parameters: Vec<BoundParameter>,
}

/// A settled parameter.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct BoundParameter {
    /// Its name (`backup.schedule`).
    pub name: String,
    /// Its value. A secret is always a reference (`${secret:…}`), an optional parameter that nobody said is null.
    pub value: Value,
    /// Who said it.
    pub provenance: Provenance,
    /// The value is a reference to a secret.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub secret: bool,
}

impl Bound {
    /// A parameter's value.
    pub fn get(&self, name: &str) -> Option<&Value> {
        self.parameters.iter().find(|p| p.name == name).map(|p| &p.value)
    }

    /// What was said, so that binding it again (after an edit) gives the same: everything but defaults and what was generated.
    pub fn said(&self) -> IndexMap<String, Said> {
        let said = self.parameters.iter().filter(|p| !matches!(p.provenance, Provenance::Default { .. } | Provenance::Generated));
        said.map(|p| (p.name.clone(), Said { value: p.value.clone(), provenance: p.provenance.clone() })).collect()
    }

    /// The parameters as data for expressions, with members of objects in their objects.
    pub(super) fn scope(&self) -> IndexMap<String, Data> {
        let mut nested: IndexMap<String, IndexMap<String, Data>> = IndexMap::new();
        let mut flat: IndexMap<String, Data> = IndexMap::new();
        for p in &self.parameters {
            let value = if p.secret { scalar_data(&p.value) } else { data(&p.value) };
            match p.name.split_once('.') {
                Some((object, member)) => {
                    nested.entry(object.to_owned()).or_default().insert(member.to_owned(), value);
                }
                None => {
                    flat.insert(p.name.clone(), value);
                }
            }
        }
        flat.extend(nested.into_iter().map(|(name, members)| (name, object(members))));
        flat.insert("name".to_owned(), Data::from(self.deployment.as_str()));
        flat
    }
}

/// Why a pattern cannot be bound.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Unbound {
    /// What to ask. Empty when asking would not help.
    pub questions: Vec<Question>,
    /// Everything that is wrong, for a face that cannot ask.
    pub diagnostics: Vec<Diagnostic>,
}

/// Settles every parameter of a pattern.
pub fn bind(pattern: &Pattern, given: IndexMap<String, Said>, setting: &Setting) -> Result<Bound, Unbound> {
    let mut binder = Binder { pattern, engine: Engine::new(&setting.available), wrong: Unbound::default() };
    binder.requirements(&setting.available);
    let said = binder.flatten(given);
    let deployment = binder.deployment(setting, &said);
    let mut bound = Bound { deployment, parameters: Vec::new() };
    // What was said comes first, so that a default may use any of it, wherever it is declared; then defaults, in order.
    let leaves = pattern.leaves();
    let has_default = |p: &Parameter| p.default.is_some() && said.get(&p.name).is_none_or(|s| s.value.is_null());
    for parameter in leaves.iter().filter(|p| !has_default(p)).chain(leaves.iter().filter(|p| has_default(p))) {
        if let Some(settled) = binder.settle(parameter, &said, &bound) {
            bound.parameters.push(settled);
        }
    }
    bound.parameters.sort_by_key(|b| leaves.iter().position(|p| p.name == b.name));
    // A check over parameters that are missing or wrong would only repeat what has been said.
    if binder.wrong == Unbound::default() {
        binder.checks(&bound);
    }
    if binder.wrong == Unbound::default() { Ok(bound) } else { Err(binder.wrong) }
}

struct Binder<'p> {
    pattern: &'p Pattern,
    engine: Engine,
    wrong: Unbound,
}

impl Binder<'_> {
    fn refuse(&mut self, diagnostic: Diagnostic) {
        self.wrong.diagnostics.push(diagnostic.state("Nothing was planned."));
    }

    fn ask(&mut self, parameter: &Parameter, text: String, reason: AskReason) {
        let choices = parameter.choices().into_iter().take(12).collect();
        self.wrong.questions.push(Question { text, about: vec![parameter.name.clone()], choices, reason });
    }

    fn requirements(&mut self, available: &Available) {
        let missing: Vec<String> = self
            .pattern
            .requires
            .iter()
            .filter(|r| !r.any.iter().any(|what| available.has(what).unwrap_or(false)))
            .map(|r| r.any.iter().map(|w| format!("`{w}`")).collect::<Vec<_>>().join(" or "))
            .collect();
        if !missing.is_empty() {
            let detail =
                format!("The pattern `{}` needs {}, which no registered server offers.", self.pattern.name, missing.join(", and "));
            let d = Diagnostic::error("pattern::requires", "The pattern needs a server that is not registered").detail(detail);
            self.refuse(d.next("See which servers are registered:", "swell servers list"));
        }
    }

    /// Objects into their members, values into the pattern's form; unknown names and what can be no value are noted.
    fn flatten(&mut self, given: IndexMap<String, Said>) -> IndexMap<String, Said> {
        let mut said = IndexMap::new();
        for (name, Said { value, provenance }) in given {
            if contains_forbidden(&value) {
                let detail = format!("The value of `{}` holds control characters.", printable(&name));
                self.refuse(Diagnostic::error("pattern::invalid-value", "A parameter has a value that is not allowed").detail(detail));
                continue;
            }
            if let Some(leaf) = self.pattern.leaves().into_iter().find(|p| p.name == name) {
                said.insert(name, Said { value: normalise::normalise(leaf, &value), provenance });
                continue;
            }
            let Some(object) = self.pattern.parameters.iter().find(|p| p.name == name && !p.members.is_empty()) else {
                self.unknown(&name);
                continue;
            };
            match normalise::normalise(object, &value) {
                Value::Object(members) => {
                    for (member, value) in members {
                        let full = format!("{name}.{member}");
                        match object.members.iter().any(|m| m.name == full) {
                            true => {
                                said.entry(full).or_insert(Said { value, provenance: provenance.clone() });
                            }
                            false => self.unknown(&full),
                        }
                    }
                }
                _ => self.invalid(object, "must be a map", &provenance),
            }
        }
        // Who says how often or how long wants it at all.
        for object in self.pattern.parameters.iter().filter(|p| !p.members.is_empty()) {
            let enabled = format!("{}.enabled", object.name);
            if object.members.iter().any(|m| m.name == enabled) && !said.contains_key(&enabled) {
                let first = object.members.iter().find_map(|m| said.get(&m.name)).map(|s| s.provenance.clone());
                if let Some(provenance) = first {
                    said.insert(enabled, Said { value: Value::Bool(true), provenance });
                }
            }
        }
        said
    }

    fn unknown(&mut self, name: &str) {
        let detail = format!("`{}` has no parameter with the name `{}`.", self.pattern.name, printable(name));
        let known: Vec<&str> = self.pattern.leaves().iter().map(|p| p.name.as_str()).collect();
        let mut d = Diagnostic::error("pattern::unknown-parameter", "Unknown parameter").detail(detail);
        if let Some(near) = nearest(name, known) {
            d = d.hint(format!("Did you mean `{near}`?"));
        }
        let command = format!("swell patterns show {}", self.pattern.name);
        self.refuse(d.hint_command("To see every parameter, run:", command));
    }

    /// The deployment's name: said, or by the pattern's own rule, or the pattern's name.
    fn deployment(&mut self, setting: &Setting, said: &IndexMap<String, Said>) -> DeploymentName {
        if let Some(name) = &setting.deployment {
            return name.clone();
        }
        let mut scope: IndexMap<String, Data> = self.pattern.leaves().iter().map(|p| (p.name.clone(), Data::from(()))).collect();
        scope.extend(said.iter().map(|(name, s)| (name.clone(), data(&s.value))));
        let by_rule = self.pattern.deployment.as_ref().and_then(Node::text).and_then(|rule| self.engine.plain(rule, &object(scope)).ok());
        let text = by_rule.and_then(|t| filters::slug(&t, 32)).unwrap_or_else(|| self.pattern.name.to_string());
        match DeploymentName::new(text) {
            Ok(name) => name,
            Err(_) => self.pattern.name.as_str().parse().unwrap_or_else(|_| unreachable!("a pattern's name is a word like a deployment's")),
        }
    }

    fn settle(&mut self, parameter: &Parameter, said: &IndexMap<String, Said>, bound: &Bound) -> Option<BoundParameter> {
        let name = parameter.name.clone();
        if parameter.secret {
            return self.secret(parameter, said, bound);
        }
        if let Some(Said { value, provenance }) = said.get(&name)
            && !value.is_null()
        {
            return match self.validate(parameter, value) {
                Ok(()) => Some(BoundParameter { name, value: value.clone(), provenance: provenance.clone(), secret: false }),
                Err(why) => {
                    self.invalid(parameter, &why, provenance);
                    None
                }
            };
        }
        if let Some(default) = &parameter.default {
            return match self.default_value(default, bound).and_then(|v| {
                let v = normalise::normalise(parameter, &v);
                self.validate(parameter, &v).map(|()| v)
            }) {
                Ok(value) => {
                    let provenance = Provenance::Default { reason: parameter.because.clone() };
                    Some(BoundParameter { name, value, provenance, secret: false })
                }
                // A default over a parameter that is missing or wrong: that one has been reported.
                Err(_) if self.wrong != Unbound::default() => None,
                Err(why) => {
                    let source = self.pattern.file.source(default.span, "this default");
                    let detail = format!("The default of `{name}` cannot be used: {why}.");
                    self.refuse(
                        Diagnostic::error("pattern::expression", "An expression of the pattern fails").source(source).detail(detail),
                    );
                    None
                }
            };
        }
        if parameter.required {
            let detail = format!("`{}` needs `{name}`.", self.pattern.name);
            let d = Diagnostic::error("pattern::missing-parameter", "A required parameter is missing").detail(detail);
            self.refuse(d.hint(parameter.ask.clone()).hint(format!("On the command line: `-p {name}=VALUE`.")));
            self.ask(parameter, parameter.ask.clone(), AskReason::MissingRequired);
            return None;
        }
        let provenance = Provenance::Default { reason: "not said, and not needed".into() };
        Some(BoundParameter { name, value: Value::Null, provenance, secret: false })
    }

    /// A secret is a reference, whoever said it; a value in clear text is refused and not repeated.
    fn secret(&mut self, parameter: &Parameter, said: &IndexMap<String, Said>, bound: &Bound) -> Option<BoundParameter> {
        let name = parameter.name.clone();
        let settled =
            |value: String, provenance| Some(BoundParameter { name: name.clone(), value: Value::String(value), provenance, secret: true });
        match said.get(&name) {
            Some(Said { value: Value::String(text), provenance }) if is_secret_reference(text) => settled(text.clone(), provenance.clone()),
            Some(_) => {
                let detail = format!("`{name}` is a secret. Its value was given in clear text and has been dropped.");
                let d = Diagnostic::error("pattern::secret-in-clear", "A secret was given in clear text").detail(detail);
                let hint = match parameter.generate {
                    Some(_) => format!("Leave `{name}` out and Swell makes one, or refer to one that is kept: `{name}=${{secret:NAME}}`."),
                    None => format!("Refer to a secret that is kept: `{name}=${{secret:NAME}}`."),
                };
                self.refuse(d.hint(hint));
                None
            }
            None if parameter.generate.is_some() => {
                let key = name.replace('.', "-");
                settled(format!("${{secret:{}/{key}}}", bound.deployment), Provenance::Generated)
            }
            None if parameter.required => {
                let detail = format!("`{}` needs `{name}`, which is a secret.", self.pattern.name);
                let d = Diagnostic::error("pattern::missing-parameter", "A required parameter is missing").detail(detail);
                self.refuse(d.hint(format!("On the command line: `-p {name}=${{secret:NAME}}`.")));
                self.ask(parameter, parameter.ask.clone(), AskReason::MissingRequired);
                None
            }
            None => {
                let provenance = Provenance::Default { reason: "not said, and not needed".into() };
                Some(BoundParameter { name: name.clone(), value: Value::Null, provenance, secret: false })
            }
        }
    }

    fn validate(&self, parameter: &Parameter, value: &Value) -> Result<(), String> {
        let validator = schema::compile(&parameter.schema)?;
        if let Some((at, why)) = schema::problems(&validator, value).into_iter().next() {
            return Err(if at.is_empty() { why } else { format!("{why} (at `{}`)", at.trim_start_matches('/')) });
        }
        match (parameter.holds, value.as_str()) {
            (crate::intent::Holds::Schedule, Some(text)) if filters::cron(text).is_none() => {
                Err("must be hourly, daily, weekly, monthly or five cron fields".into())
            }
            (crate::intent::Holds::Domain, Some(text)) if !text.contains('.') => {
                Err("must be a domain name such as shop.example.org".into())
            }
            _ => Ok(()),
        }
    }

    fn default_value(&self, default: &Node, bound: &Bound) -> Result<Value, String> {
        let scope = object(bound.scope());
        self.default_node(default, &scope)
    }

    fn default_node(&self, node: &Node, scope: &Data) -> Result<Value, String> {
        match &node.kind {
            Kind::Text(text) if text.contains("{{") || text.contains("{%") => self.engine.data(text, scope).map_err(|e| e.to_string()),
            Kind::List(items) => items.iter().map(|n| self.default_node(n, scope)).collect::<Result<Vec<_>, _>>().map(Value::Array),
            Kind::Map(entries) => {
                let members = entries.iter().map(|e| Ok((e.key.clone(), self.default_node(&e.value, scope)?)));
                members.collect::<Result<Map<_, _>, String>>().map(Value::Object)
            }
            _ => Ok(node.to_json()),
        }
    }

    fn invalid(&mut self, parameter: &Parameter, why: &str, provenance: &Provenance) {
        let name = &parameter.name;
        let mut d =
            Diagnostic::error("pattern::invalid-value", "A parameter has a value that is not allowed").detail(format!("`{name}` {why}."));
        if let Provenance::Said { words } = provenance {
            d = d.fact("you said", printable(words));
        }
        self.refuse(d);
        let text = match parameter.ask.is_empty() {
            true => format!("`{name}` {why}. What should it be?"),
            false => format!("{} {} {why}.", parameter.ask, upper(name)),
        };
        self.ask(parameter, text, AskReason::InvalidValue);
    }

    fn checks(&mut self, bound: &Bound) {
        let scope = object(bound.scope());
        for check in &self.pattern.checks {
            let holds = |node: &Node| self.engine.truth(node.text().unwrap_or_default(), &scope);
            let outcome = match check.when.as_ref().map(holds).unwrap_or(Ok(true)) {
                Ok(true) => holds(&check.that),
                other => other.map(|_| true),
            };
            match outcome {
                Ok(true) => {}
                Ok(false) => {
                    let message = self.engine.plain(check.message.text().unwrap_or_default(), &scope).unwrap_or_else(|e| e.to_string());
                    self.refuse(Diagnostic::error("pattern::conflict", "Parameters contradict each other").detail(message.clone()));
                    self.wrong.questions.push(Question {
                        text: message,
                        about: check.about.clone(),
                        choices: Vec::new(),
                        reason: AskReason::Conflict,
                    });
                }
                Err(error) => {
                    let source = self.pattern.file.source(check.that.span, "this check");
                    let detail = format!("{}.", upper(&error.to_string()));
                    self.refuse(
                        Diagnostic::error("pattern::expression", "An expression of the pattern fails").source(source).detail(detail),
                    );
                }
            }
        }
    }
}

fn is_secret_reference(text: &str) -> bool {
    matches!(reference::parse(text).as_deref(), Ok([reference::Segment::Reference(Reference::Secret(_))]))
}

fn contains_forbidden(value: &Value) -> bool {
    match value {
        Value::String(text) => has_forbidden(text),
        Value::Array(items) => items.iter().any(contains_forbidden),
        Value::Object(map) => map.iter().any(|(k, v)| has_forbidden(k) || contains_forbidden(v)),
        _ => false,
    }
}

#[cfg(test)]
#[path = "bind_tests.rs"]
mod tests;
