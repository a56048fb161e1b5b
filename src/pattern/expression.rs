//! Expressions in the scalars of a pattern, and the one place where a person's words meet the pattern's own text.
//!
//! A scalar that is one `{{ expression }}` keeps its type; anything else is a text template. What is inserted is data: it can neither
//! open a `${…}` nor end one, whatever it contains. The pattern's own `${…}` pass through untouched.

use std::{
    fmt::{self, Write},
    sync::Arc,
};

use indexmap::IndexMap;
use minijinja::{
    Environment, ErrorKind, Output, State, UndefinedBehavior,
    syntax::SyntaxConfig,
    value::{Object, ObjectRepr, Value as Data, ValueKind},
};
use serde_json::Value;

use super::{Available, filters};
use crate::domain::slices::{unsliced, unsliced_template};

/// Marks the beginning and the end of inserted data in rendered text. Both are Unicode noncharacters, which no value may contain.
const OPEN: char = '\u{FDD0}';
const CLOSE: char = '\u{FDD1}';

/// How much an expression may compute.
const FUEL: u64 = 200_000;

/// Why an expression gives nothing.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct ExpressionError(pub String);

/// A text in which `${…}` are references: made only from the pattern's own text, never from a value that someone said.
#[derive(Debug)]
struct Syntax(Arc<str>);

impl Object for Syntax {
    fn repr(self: &Arc<Self>) -> ObjectRepr {
        ObjectRepr::Plain
    }

    fn render(self: &Arc<Self>, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// Whether a text holds a character that no value may contain.
pub fn has_forbidden(text: &str) -> bool {
    text.contains([OPEN, CLOSE]) || text.chars().any(|c| c.is_control() && !matches!(c, '\n' | '\t' | '\r'))
}

/// A value that someone said (or that was computed), as data for expressions.
pub fn data(value: &Value) -> Data {
    Data::from(minijinja::value::Serde(value))
}

/// A value whose strings are scalars of the template (their `${…}` are references), as data for expressions.
pub fn scalar_data(value: &Value) -> Data {
    match value {
        Value::String(text) if text.contains("${") => Data::from_object(Syntax(text.as_str().into())),
        Value::Array(items) => items.iter().map(scalar_data).collect(),
        Value::Object(map) => object(map.iter().map(|(k, v)| (k.clone(), scalar_data(v)))),
        other => data(other),
    }
}

/// A map, in the order given.
pub fn object(members: impl IntoIterator<Item = (String, Data)>) -> Data {
    Data::from(members.into_iter().map(|(k, v)| (Data::from(k), v)).collect::<IndexMap<Data, Data>>())
}

/// Evaluates the scalars of one pattern.
pub struct Engine {
    env: Environment<'static>,
}

impl Engine {
    /// Sets up an engine in which `has`, `can` and `exists` answer from `available`.
    pub fn new(available: &Available) -> Self {
        let mut env = Environment::new();
        env.set_undefined_behavior(UndefinedBehavior::Strict);
        env.set_fuel(Some(FUEL));
        env.set_recursion_limit(64);
        // A configuration file that loses its last newline is another file.
        if let Ok(syntax) = SyntaxConfig::builder().keep_trailing_newline(true).build() {
            env.set_syntax(syntax);
        }
        env.set_formatter(insert);
        // These make or undo "safe" strings, which mean nothing here.
        for name in ["safe", "escape", "e"] {
            env.remove_filter(name);
        }
        filters::install(&mut env, available);
        Self { env }
    }

    /// Evaluates a scalar of the template: strings of the result are scalars with references.
    pub fn scalar(&self, source: &str, scope: &Data) -> Result<Value, ExpressionError> {
        if !source.contains(['{']) || !(source.contains("{{") || source.contains("{%") || source.contains("{#")) {
            return Ok(Value::String(source.to_owned()));
        }
        if let Some(inner) = whole(source) {
            return export(&self.evaluate(inner, scope)?, true);
        }
        let rendered = self.env.render_named_str("scalar", source, scope.clone()).map_err(say)?;
        weave(&rendered).map(Value::String)
    }

    /// Evaluates text for people or a name: nothing in it is a reference, nothing is escaped.
    pub fn plain(&self, source: &str, scope: &Data) -> Result<String, ExpressionError> {
        if let Some(inner) = whole(source) {
            let value = self.evaluate(inner, scope)?;
            return match value.kind() {
                ValueKind::Undefined => Err(ExpressionError("it uses something that is not defined".into())),
                _ => Ok(value.to_string()),
            };
        }
        let rendered = self.env.render_named_str("text", source, scope.clone()).map_err(say)?;
        Ok(rendered.replace([OPEN, CLOSE], ""))
    }

    /// Evaluates an expression to plain data: strings of the result are data, not scalars.
    pub fn data(&self, source: &str, scope: &Data) -> Result<Value, ExpressionError> {
        match whole(source) {
            Some(inner) => export(&self.evaluate(inner, scope)?, false),
            None => self.plain(source, scope).map(Value::String),
        }
    }

    /// Evaluates a condition.
    pub fn truth(&self, source: &str, scope: &Data) -> Result<bool, ExpressionError> {
        let value = self.evaluate(whole(source).unwrap_or(source), scope)?;
        match value.kind() {
            ValueKind::Bool => Ok(value.is_true()),
            kind => Err(ExpressionError(format!("a condition must give true or false; this gives {}", word(kind)))),
        }
    }

    /// The variables that a scalar uses and that are neither functions nor set within it, with their members (`backup.schedule`); an error
    /// when it cannot be compiled.
    pub fn variables(&self, source: &str) -> Result<Vec<String>, ExpressionError> {
        let (mut found, sliced) = match whole(source) {
            Some(inner) => {
                let found = self.env.compile_expression(inner).map_err(say)?.undeclared_variables(true);
                let sliced = unsliced(inner).and_then(|s| self.env.compile_expression(&s).map(|e| e.undeclared_variables(true)).ok());
                (found, sliced)
            }
            None => {
                let found = self.env.template_from_named_str("scalar", source).map_err(say)?.undeclared_variables(true);
                let sliced = unsliced_template(source)
                    .and_then(|s| self.env.template_from_named_str("scalar", &s).map(|t| t.undeclared_variables(true)).ok());
                (found, sliced)
            }
        };
        found.extend(sliced.into_iter().flatten());
        let mut found: Vec<String> = found.into_iter().filter(|v| !self.env.globals().any(|(g, _)| g == v)).collect();
        found.sort();
        Ok(found)
    }

    /// The variables of a condition, which may stand without braces.
    pub fn condition_variables(&self, source: &str) -> Result<Vec<String>, ExpressionError> {
        match whole(source) {
            Some(_) => self.variables(source),
            None => self.variables(&format!("{{{{ {source} }}}}")),
        }
    }

    fn evaluate(&self, inner: &str, scope: &Data) -> Result<Data, ExpressionError> {
        self.env.compile_expression(inner).map_err(say)?.eval(scope.clone()).map_err(say)
    }
}

/// The expression of a scalar that is exactly one `{{ expression }}`.
fn whole(source: &str) -> Option<&str> {
    let inner = source.trim().strip_prefix("{{")?.strip_suffix("}}")?;
    // `{{ a }}-{{ b }}` begins and ends alike; only a real expression compiles.
    let env = Environment::empty();
    env.compile_expression(inner).is_ok().then_some(inner)
}

/// Writes an inserted value between marks, so that [`weave`] can tell it from the pattern's own text.
fn insert(out: &mut Output<'_>, _: &mut State<'_, '_>, value: &Data) -> Result<(), minijinja::Error> {
    let fail = |why: &'static str| Err(minijinja::Error::new(ErrorKind::InvalidOperation, why));
    let text = match value.kind() {
        ValueKind::Undefined => return Ok(()),
        ValueKind::None => return fail("a parameter that has no value cannot be written into text; guard it with `{% if … %}`"),
        ValueKind::Plain => match value.downcast_object_ref::<Syntax>() {
            // The empty pair is a seam, so that a `$` before it cannot become part of it.
            Some(syntax) => return write!(out, "{OPEN}{CLOSE}{}", syntax.0).map_err(Into::into),
            None => value.to_string(),
        },
        _ => value.to_string(),
    };
    out.write_char(OPEN)?;
    out.write_str(&text)?;
    out.write_char(CLOSE)?;
    Ok(())
}

/// Joins the pattern's text and what was inserted into it to a scalar whose references are exactly those that the pattern wrote.
fn weave(rendered: &str) -> Result<String, ExpressionError> {
    let mut chars: Vec<Woven> = Vec::with_capacity(rendered.len());
    let (mut depth, mut seam) = (0u32, false);
    for c in rendered.chars() {
        match c {
            OPEN => depth += 1,
            CLOSE => depth = depth.saturating_sub(1),
            _ => {
                chars.push(Woven { c, inserted: depth > 0, seam });
                seam = false;
                continue;
            }
        }
        seam = true;
    }
    // Characters that the pattern wrote next to each other.
    let wrote = |at: usize, text: &str| {
        text.chars().enumerate().all(|(n, c)| chars.get(at + n).is_some_and(|w| w.c == c && !w.inserted && (n == 0 || !w.seam)))
    };
    let mut out = String::with_capacity(rendered.len());
    let mut at = 0;
    while let Some(Woven { c, seam, .. }) = chars.get(at) {
        if wrote(at, "$${") {
            // The pattern's own `$${` is a literal `${` already.
            out.push_str("$${");
            at += 3;
        } else if wrote(at, "${") {
            if at > 0 && chars[at - 1].c == '$' && (chars[at - 1].inserted || *seam) {
                return Err(ExpressionError("a `$` from an inserted value, or before one, stands directly before a reference".into()));
            }
            let Some(len) = chars[at..].iter().position(|w| w.c == '}' && !w.inserted) else {
                return Err(ExpressionError("`${` is never closed with `}`".into()));
            };
            let reference = &chars[at..=at + len];
            if reference.iter().any(|w| w.inserted && !(w.c.is_ascii_alphanumeric() || matches!(w.c, '-' | '_'))) {
                return Err(ExpressionError(
                    "a value inserted into a reference may hold only letters, digits, `-` and `_`; use the filter `slug`".into(),
                ));
            }
            out.extend(reference.iter().map(|w| w.c));
            at += len + 1;
        } else if *c == '$' && chars.get(at + 1).is_some_and(|w| w.c == '{') {
            out.push_str("$${");
            at += 2;
        } else {
            out.push(*c);
            at += 1;
        }
    }
    Ok(out)
}

/// A character of rendered text and where it came from.
struct Woven {
    c: char,
    /// It belongs to an inserted value.
    inserted: bool,
    /// An inserted value, maybe an empty one, began or ended directly before it.
    seam: bool,
}

/// Turns the result of an expression into JSON. With `scalar`, plain strings are escaped so that they hold no reference.
fn export(value: &Data, scalar: bool) -> Result<Value, ExpressionError> {
    Ok(match value.kind() {
        ValueKind::Undefined => return Err(ExpressionError("it uses something that is not defined".into())),
        ValueKind::None => Value::Null,
        ValueKind::Bool => Value::Bool(value.is_true()),
        ValueKind::Number => number(value)?,
        ValueKind::String => {
            let text = value.as_str().unwrap_or_default();
            Value::String(if scalar { crate::domain::reference::escape(text) } else { text.to_owned() })
        }
        ValueKind::Plain => match value.downcast_object_ref::<Syntax>() {
            Some(syntax) if scalar => Value::String(syntax.0.to_string()),
            _ => return Err(ExpressionError("the expression gives something that is not data".into())),
        },
        ValueKind::Seq | ValueKind::Iterable => {
            Value::Array(value.try_iter().map_err(say)?.map(|v| export(&v, scalar)).collect::<Result<_, _>>()?)
        }
        ValueKind::Map => {
            let mut map = serde_json::Map::new();
            for key in value.try_iter().map_err(say)? {
                let name = key.as_str().ok_or_else(|| ExpressionError("a key of a map must be a text".into()))?.to_owned();
                map.insert(name, export(&value.get_item(&key).map_err(say)?, scalar)?);
            }
            Value::Object(map)
        }
        kind => return Err(ExpressionError(format!("the expression gives {}, which is not data", word(kind)))),
    })
}

fn number(value: &Data) -> Result<Value, ExpressionError> {
    if let Ok(n) = i64::try_from(value.clone()) {
        // `6 / 2` is a float to the expression language and a count to everyone else.
        return Ok(n.into());
    }
    let float = f64::try_from(value.clone()).map_err(say)?;
    serde_json::Number::from_f64(float)
        .map(Value::Number)
        .ok_or_else(|| ExpressionError("the expression gives a number without end".into()))
}

fn word(kind: ValueKind) -> &'static str {
    match kind {
        ValueKind::None => "nothing",
        ValueKind::Bool => "true or false",
        ValueKind::Number => "a number",
        ValueKind::String => "a text",
        ValueKind::Seq | ValueKind::Iterable => "a list",
        ValueKind::Map => "a map",
        _ => "something else",
    }
}

/// The first sentence of an error, without the values that the library would like to show.
fn say(error: minijinja::Error) -> ExpressionError {
    let text = match error.kind() {
        ErrorKind::UndefinedError => match error.detail() {
            Some(detail) => format!("it uses something that is not defined ({detail})"),
            None => "it uses something that is not defined".into(),
        },
        ErrorKind::OutOfFuel => "it computes too much".into(),
        kind => match error.detail() {
            Some(detail) => detail.to_owned(),
            None => kind.to_string(),
        },
    };
    ExpressionError(text.chars().filter(|c| !c.is_control()).take(300).collect())
}

#[cfg(test)]
#[path = "expression_tests.rs"]
mod tests;
