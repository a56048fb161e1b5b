//! Expressions of bindings: minijinja over what is known of a call, with the place of each in its file.
//!
//! A scalar that is one `{{ expression }}` keeps its type; anything else is a text template. What is not there is nothing, and not an
//! error: servers leave members out, and an argument or property that comes to nothing is left out as well.

use std::sync::OnceLock;

use minijinja::{
    Environment, UndefinedBehavior,
    value::{Value as Data, ValueKind},
};
use serde_json::Value;

use super::{Lets, filters};
use crate::{
    domain::slices::{unsliced, unsliced_template},
    template::Span,
};

/// How much an expression may compute.
const FUEL: u64 = 2_000_000;

/// An expression and its place.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Expression {
    source: String,
    whole: bool,
    span: Span,
    uses: Vec<String>,
}

/// Why an expression gives nothing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Wrong {
    /// Where it stands.
    pub span: Span,
    /// What is wrong.
    pub reason: String,
}

/// What expressions see: variables by name, and names for values that are made of them when they are needed.
#[derive(Debug, Clone, Default)]
pub struct Scope {
    variables: serde_json::Map<String, Value>,
    lets: Lets,
}

impl Scope {
    /// One in which these names mean something.
    pub fn of(lets: &Lets) -> Self {
        Self { variables: serde_json::Map::new(), lets: lets.clone() }
    }

    /// Adds a variable.
    pub fn with(mut self, name: &str, value: impl Into<Value>) -> Self {
        self.variables.insert(name.to_owned(), value.into());
        self
    }

    /// Adds a variable if there is a value.
    pub fn maybe(self, name: &str, value: Option<impl Into<Value>>) -> Self {
        match value {
            Some(value) => self.with(name, value),
            None => self,
        }
    }

    /// A variable.
    pub fn get(&self, name: &str) -> Option<&Value> {
        self.variables.get(name)
    }

    /// Whether any of these variables needs another one, be it through a named value.
    pub fn needs(&self, variables: &[String], wanted: &str) -> bool {
        variables.iter().any(|name| {
            let at = self.lets.iter().position(|(l, _)| l == name).filter(|_| !self.variables.contains_key(name));
            name == wanted
                || at.is_some_and(|at| {
                    let before = Self { variables: self.variables.clone(), lets: self.lets[..at].into() };
                    let mut found = false;
                    self.lets[at].1.expressions(&mut Vec::new(), &mut |e, set| {
                        let free: Vec<String> = e.variables().iter().filter(|v| !set.contains(&v.as_str())).cloned().collect();
                        found |= before.needs(&free, wanted);
                    });
                    found
                })
        })
    }

    /// The variables, with the named values among those that are used.
    fn data(&self, used: &[String]) -> Result<Data, Wrong> {
        let mut all = std::borrow::Cow::Borrowed(&self.variables);
        for (n, (name, shape)) in self.lets.iter().enumerate().filter(|(_, (name, _))| used.contains(name)) {
            if !self.variables.contains_key(name) {
                // Each sees those before it only, so this ends.
                let before = Self { variables: self.variables.clone(), lets: self.lets[..n].into() };
                if let Some(value) = shape.value(&before)? {
                    all.to_mut().insert(name.clone(), value);
                }
            }
        }
        Ok(Data::from(minijinja::value::Serde(&*all)))
    }
}

fn environment() -> &'static Environment<'static> {
    static ENV: OnceLock<Environment<'static>> = OnceLock::new();
    ENV.get_or_init(|| {
        let mut env = Environment::new();
        env.set_undefined_behavior(UndefinedBehavior::Chainable);
        env.set_fuel(Some(FUEL));
        env.set_recursion_limit(64);
        filters::install(&mut env);
        env
    })
}

impl Expression {
    /// Reads a scalar; the error says why it cannot be compiled.
    pub fn new(text: &str, span: Span) -> Result<Self, String> {
        let inner = text.trim().strip_prefix("{{").and_then(|t| t.strip_suffix("}}"));
        if let Some(inner) = inner.filter(|i| !i.contains("}}")) {
            environment().compile_expression(inner).map_err(|e| say(&e))?;
            return Ok(Self { source: inner.to_owned(), whole: true, span, uses: Vec::new() }.seen());
        }
        environment().template_from_str(text).map_err(|e| say(&e))?;
        Ok(Self { source: text.to_owned(), whole: false, span, uses: Vec::new() }.seen())
    }

    /// Reads a condition, which may stand without braces.
    pub fn condition(text: &str, span: Span) -> Result<Self, String> {
        match text.trim().starts_with("{{") {
            true => Self::new(text, span),
            false => Self::new(&format!("{{{{ {text} }}}}"), span),
        }
    }

    /// What it was made of, without the braces around a single one.
    pub fn source(&self) -> &str {
        &self.source
    }

    /// Where it stands.
    pub fn span(&self) -> Span {
        self.span
    }

    /// The variables that it uses and does not set itself.
    pub fn variables(&self) -> &[String] {
        &self.uses
    }

    fn seen(mut self) -> Self {
        let env = environment();
        let used = |source: &str| match self.whole {
            true => env.compile_expression(source).map(|e| e.undeclared_variables(false)).unwrap_or_default(),
            false => env.template_from_str(source).map(|t| t.undeclared_variables(false)).unwrap_or_default(),
        };
        let mut found = used(&self.source);
        let sliced = if self.whole { unsliced(&self.source) } else { unsliced_template(&self.source) };
        found.extend(sliced.iter().flat_map(|s| used(s)));
        let mut found: Vec<String> = found.into_iter().filter(|v| !env.globals().any(|(g, _)| g == v)).collect();
        found.sort();
        self.uses = found;
        self
    }

    /// Its value; `None` when it comes to nothing.
    pub fn value(&self, scope: &Scope) -> Result<Option<Value>, Wrong> {
        let wrong = |e: minijinja::Error| Wrong { span: self.span, reason: say(&e) };
        let data = scope.data(&self.uses)?;
        if !self.whole {
            return environment().render_str(&self.source, data).map(|t| Some(Value::String(t))).map_err(wrong);
        }
        let data = environment().compile_expression(&self.source).and_then(|e| e.eval(data)).map_err(wrong)?;
        match data.kind() {
            ValueKind::Undefined | ValueKind::None => Ok(None),
            _ => serde_json::to_value(&data).map(|v| Some(whole_numbers(v))).map_err(|e| Wrong { span: self.span, reason: e.to_string() }),
        }
    }

    /// Whether it holds; what comes to nothing does not.
    pub fn holds(&self, scope: &Scope) -> Result<bool, Wrong> {
        Ok(match self.value(scope)? {
            None | Some(Value::Null) => false,
            Some(Value::Bool(b)) => b,
            Some(Value::String(s)) => !s.is_empty(),
            Some(Value::Array(a)) => !a.is_empty(),
            Some(Value::Object(o)) => !o.is_empty(),
            Some(Value::Number(n)) => n.as_f64() != Some(0.0),
        })
    }

    /// Its value as a text; `None` when it comes to nothing.
    pub fn text(&self, scope: &Scope) -> Result<Option<String>, Wrong> {
        Ok(self.value(scope)?.map(|v| match v {
            Value::String(s) => s,
            other => other.to_string(),
        }))
    }

    /// Its value as a list.
    pub fn list(&self, scope: &Scope) -> Result<Vec<Value>, Wrong> {
        match self.value(scope)? {
            None => Ok(Vec::new()),
            Some(Value::Array(items)) => Ok(items),
            Some(other) => Err(Wrong { span: self.span, reason: format!("it gives {}, and a list is needed", word(&other)) }),
        }
    }
}

/// The word for a value's type in messages.
pub(super) fn word(value: &Value) -> &'static str {
    match value {
        Value::Null => "nothing",
        Value::Bool(_) => "true or false",
        Value::Number(_) => "a number",
        Value::String(_) => "a text",
        Value::Array(_) => "a list",
        Value::Object(_) => "a map",
    }
}

/// `6 / 2` is a float to the expression language and a count to every schema.
fn whole_numbers(value: Value) -> Value {
    match value {
        Value::Number(n) if n.is_f64() => match n.as_f64() {
            #[expect(clippy::cast_possible_truncation, reason = "it is whole and within the bounds of exact floats")]
            Some(f) if f.fract() == 0.0 && f.abs() < 9e15 => Value::from(f as i64),
            _ => Value::Number(n),
        },
        Value::Array(items) => Value::Array(items.into_iter().map(whole_numbers).collect()),
        Value::Object(map) => Value::Object(map.into_iter().map(|(k, v)| (k, whole_numbers(v))).collect()),
        other => other,
    }
}

/// The words of an error, without the values that the library would like to show.
fn say(error: &minijinja::Error) -> String {
    let text = match error.detail() {
        Some(detail) => detail.to_owned(),
        None => error.kind().to_string(),
    };
    text.chars().filter(|c| !c.is_control()).take(300).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn value(text: &str, scope: Value) -> Option<Value> {
        let Value::Object(map) = scope else { panic!() };
        Expression::new(text, Span::default()).unwrap().value(&Scope { variables: map, lets: Lets::default() }).unwrap()
    }

    #[test]
    fn types_are_kept_and_what_is_not_there_is_nothing() {
        assert_eq!(value("{{ a.b }}", json!({"a": {"b": [1, "x"]}})), Some(json!([1, "x"])));
        assert_eq!(value("{{ a.c.d }}", json!({"a": {}})), None);
        assert_eq!(value("{{ a.b.c }}", json!({"a": {"b": null}})), None);
        assert_eq!(value("{{ 6 / 2 }}", json!({})), Some(json!(3)));
        assert_eq!(value("{{ a }}-{{ a }}", json!({"a": 1})), Some(json!("1-1")));
        assert!(Expression::new("{{ a ", Span::default()).is_err());
        assert_eq!(Expression::condition("a.x and b", Span::default()).unwrap().variables(), ["a", "b"]);
        assert_eq!(value("{{ token[:3] }}", json!({"token": "abcdef"})), Some(json!("abc")));
        assert_eq!(value("id {{ token[n:] }}", json!({"token": "abcdef", "n": 4})), Some(json!("id ef")));
    }
}
