//! The arguments of a call (and the properties of an object): a tree of constants and expressions, made into a value.

use serde_json::{Map, Value};

use super::{
    expression::{Expression, Scope, Wrong, word},
    filters::command,
};
use crate::template::Span;

/// A tree that becomes a value. What comes to nothing is left out of maps and lists.
#[derive(Debug, Clone)]
pub enum Shape {
    /// A constant.
    Constant(Value),
    /// An expression.
    Expression(Expression),
    /// A list.
    List(Vec<Shape>),
    /// A map.
    Map(Vec<(String, Shape)>),
    /// `$each`: one element (or, with a key, one member) per element of a list or member of a map.
    Each(Box<Each>),
    /// `$when`: one or the other.
    When {
        /// The condition.
        condition: Expression,
        /// If it holds.
        value: Box<Shape>,
        /// If it does not.
        otherwise: Option<Box<Shape>>,
    },
    /// `$yaml`: the value as YAML text.
    Yaml(Box<Shape>, Span),
    /// `$json`: the value as JSON text.
    Json(Box<Shape>),
    /// `$command`: the words as one command line.
    Command(Box<Shape>),
    /// `$options`: words of a command line, `--name value` for each member that comes to something.
    Options(Vec<(String, Shape)>),
    /// `$merge`: several maps in one, later ones over earlier ones.
    Merge(Vec<Shape>, Span),
}

/// The parts of `$each`.
#[derive(Debug, Clone)]
pub struct Each {
    /// What is gone through.
    pub over: Expression,
    /// The variable.
    pub variable: String,
    /// The key, if a map is made.
    pub key: Option<Expression>,
    /// The element.
    pub value: Shape,
}

impl Shape {
    /// An empty map.
    pub fn nothing() -> Self {
        Shape::Map(Vec::new())
    }

    /// Makes the value; `None` when it comes to nothing.
    pub fn value(&self, scope: &Scope) -> Result<Option<Value>, Wrong> {
        Ok(match self {
            Shape::Constant(value) => Some(value.clone()),
            Shape::Expression(expression) => expression.value(scope)?,
            Shape::List(items) => Some(Value::Array(items.iter().filter_map(|i| i.value(scope).transpose()).collect::<Result<_, _>>()?)),
            Shape::Map(members) => {
                let mut map = Map::new();
                for (key, shape) in members {
                    if let Some(value) = shape.value(scope)? {
                        map.insert(key.clone(), value);
                    }
                }
                Some(Value::Object(map))
            }
            Shape::Each(each) => each.value(scope)?,
            Shape::When { condition, value, otherwise } => match (condition.holds(scope)?, otherwise) {
                (true, _) => value.value(scope)?,
                (false, Some(otherwise)) => otherwise.value(scope)?,
                (false, None) => None,
            },
            Shape::Yaml(inner, span) => match inner.value(scope)? {
                Some(value) => {
                    let text = serde_saphyr::to_string(&value).map_err(|e| Wrong { span: *span, reason: e.to_string() })?;
                    Some(Value::String(text))
                }
                None => None,
            },
            Shape::Json(inner) => inner.value(scope)?.map(|v| Value::String(v.to_string())),
            Shape::Command(inner) => inner.value(scope)?.map(|v| Value::String(command(&v))),
            Shape::Options(members) => {
                let mut words = Vec::new();
                for (name, shape) in members {
                    if let Some(value) = shape.value(scope)? {
                        option(name, value, &mut words);
                    }
                }
                Some(Value::Array(words))
            }
            Shape::Merge(parts, span) => {
                let mut all = Map::new();
                for part in parts {
                    match part.value(scope)? {
                        None => {}
                        Some(Value::Object(map)) => all.extend(map),
                        Some(other) => return Err(Wrong { span: *span, reason: format!("a map is merged with {}", word(&other)) }),
                    }
                }
                Some(Value::Object(all))
            }
        })
    }

    /// Calls `visit` with every expression in it and the variables that are set around it.
    pub fn expressions<'s>(&'s self, set: &mut Vec<&'s str>, visit: &mut dyn FnMut(&'s Expression, &[&'s str])) {
        match self {
            Shape::Constant(_) => {}
            Shape::Expression(e) => visit(e, set),
            Shape::List(items) | Shape::Merge(items, _) => items.iter().for_each(|i| i.expressions(set, visit)),
            Shape::Map(members) | Shape::Options(members) => members.iter().for_each(|(_, s)| s.expressions(set, visit)),
            Shape::Each(each) => {
                visit(&each.over, set);
                set.push(&each.variable);
                each.key.iter().for_each(|k| visit(k, set));
                each.value.expressions(set, visit);
                set.pop();
            }
            Shape::When { condition, value, otherwise } => {
                visit(condition, set);
                value.expressions(set, visit);
                otherwise.iter().for_each(|o| o.expressions(set, visit));
            }
            Shape::Yaml(inner, _) | Shape::Json(inner) | Shape::Command(inner) => inner.expressions(set, visit),
        }
    }
}

/// The words of one option. True is the option alone, false is `--no-name`, an empty list is none at all.
fn option(name: &str, value: Value, words: &mut Vec<Value>) {
    let one = |v: &Value| v.as_str().map_or_else(|| v.to_string(), str::to_owned);
    match value {
        Value::Null => {}
        Value::Bool(true) => words.push(format!("--{name}").into()),
        Value::Bool(false) => words.push(format!("--no-{name}").into()),
        Value::Array(items) if items.is_empty() => {}
        Value::Array(items) => {
            words.push(format!("--{name}").into());
            words.extend(items.iter().map(|v| one(v).into()));
        }
        // A value that begins like an option would be taken for one.
        other if one(&other).starts_with('-') => words.push(format!("--{name}={}", one(&other)).into()),
        other => words.extend([format!("--{name}").into(), one(&other).into()]),
    }
}

impl Each {
    fn value(&self, scope: &Scope) -> Result<Option<Value>, Wrong> {
        let elements = match self.over.value(scope)? {
            None => return Ok(None),
            Some(Value::Array(items)) => items,
            Some(Value::Object(map)) => map.into_iter().map(|(k, v)| Value::Array(vec![Value::String(k), v])).collect(),
            Some(other) => {
                return Err(Wrong { span: self.over.span(), reason: format!("it gives {}, and a list or map is needed", word(&other)) });
            }
        };
        let (mut list, mut map) = (Vec::new(), Map::new());
        for element in elements {
            let inner = scope.clone().with(&self.variable, element);
            let Some(value) = self.value.value(&inner)? else { continue };
            match &self.key {
                None => list.push(value),
                Some(key) => {
                    let name =
                        key.text(&inner)?.ok_or_else(|| Wrong { span: key.span(), reason: "the key comes to nothing".to_owned() })?;
                    map.insert(name, value);
                }
            }
        }
        Ok(Some(if self.key.is_some() { Value::Object(map) } else { Value::Array(list) }))
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn options_are_words_and_what_comes_to_nothing_is_none() {
        let mut words = Vec::new();
        let all = json!({"size": 3, "name": "it is", "open": true, "shut": false, "none": null, "empty": [], "ids": ["a", "b"], "password": "-x"});
        for (name, value) in all.as_object().unwrap().clone() {
            option(&name, value, &mut words);
        }
        let wanted = json!(["--size", "3", "--name", "it is", "--open", "--no-shut", "--ids", "a", "b", "--password=-x"]);
        assert_eq!(Value::Array(words), wanted);
    }
}
