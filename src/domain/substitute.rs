//! Putting known values in the place of references, once at plan time and once in the executor.
//!
//! A value in *expression form* is JSON whose strings may hold `${…}` and, for a literal `${`, `$${`. Substitution keeps that form, so it
//! can be done as often as something new is known, and a value from a server can never become a reference.

use serde_json::Value;

use super::{
    Address, PropertyPath,
    reference::{Reference, Segment, escape, parse},
};

/// What is known of a reference.
#[derive(Debug, Clone, PartialEq)]
pub enum Known {
    /// Its value, and the resource whose server gave it, if one did.
    Value(Value, Option<Address>),
    /// Not yet: it is known after the apply. The reference may have been completed (a shortened type written out).
    Later(Reference),
    /// It is known and secret: the reference stays, and the executor puts the value in.
    Sensitive(Reference),
}

/// A value after substitution.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Substituted {
    /// The value, still in expression form.
    pub value: Value,
    /// Where something is known only after the apply.
    pub later: Vec<PropertyPath>,
    /// Where a secret is.
    pub secret: Vec<PropertyPath>,
    /// Where a value came from a server, and from which resource.
    pub from: Vec<(PropertyPath, Address)>,
}

impl Substituted {
    /// Whether anything at or below this top-level property is only known later.
    pub fn is_later(&self, top: &str) -> bool {
        self.later.iter().any(|p| p.head() == Some(top))
    }

    /// Whether anything at or below this top-level property is secret.
    pub fn is_secret(&self, top: &str) -> bool {
        self.secret.iter().any(|p| p.head() == Some(top))
    }
}

/// Substitutes every reference of a value in expression form. The first error of `lookup` ends it.
pub fn substitute<E>(value: &Value, lookup: &mut dyn FnMut(&Reference) -> Result<Known, E>) -> Result<Substituted, E> {
    let mut out = Substituted::default();
    let value = at(value, &PropertyPath::default(), lookup, &mut out)?;
    out.value = value;
    Ok(out)
}

fn at<E>(
    value: &Value,
    path: &PropertyPath,
    lookup: &mut dyn FnMut(&Reference) -> Result<Known, E>,
    out: &mut Substituted,
) -> Result<Value, E> {
    Ok(match value {
        Value::String(text) if text.contains('$') => scalar(text, path, lookup, out)?,
        Value::Array(items) => {
            let mut all = Vec::with_capacity(items.len());
            for (i, item) in items.iter().enumerate() {
                all.push(at(item, &path.item(i), lookup, out)?);
            }
            Value::Array(all)
        }
        Value::Object(map) => {
            let mut all = serde_json::Map::new();
            for (k, v) in map {
                all.insert(k.clone(), at(v, &path.child(k), lookup, out)?);
            }
            Value::Object(all)
        }
        other => other.clone(),
    })
}

fn scalar<E>(
    text: &str,
    path: &PropertyPath,
    lookup: &mut dyn FnMut(&Reference) -> Result<Known, E>,
    out: &mut Substituted,
) -> Result<Value, E> {
    // A scalar that cannot be parsed was reported when the template was read.
    let Ok(segments) = parse(text) else { return Ok(Value::String(text.to_owned())) };
    let whole = segments.len() == 1;
    let mut written = String::new();
    for segment in segments {
        match segment {
            Segment::Literal(literal) => written.push_str(&escape(&literal)),
            Segment::Reference(secret @ Reference::Secret(_)) => {
                out.secret.push(path.clone());
                written.push_str(&secret.to_string());
            }
            Segment::Reference(reference) => match lookup(&reference)? {
                Known::Value(value, from) => {
                    out.from.extend(from.map(|a| (path.clone(), a)));
                    match value {
                        value if whole => return Ok(escape_all(&value)),
                        Value::String(s) => written.push_str(&escape(&s)),
                        other => written.push_str(&escape(&other.to_string())),
                    }
                }
                Known::Sensitive(reference) => {
                    out.secret.push(path.clone());
                    written.push_str(&reference.to_string());
                }
                Known::Later(reference) => {
                    out.later.push(path.clone());
                    written.push_str(&reference.to_string());
                }
            },
        }
    }
    Ok(Value::String(written))
}

/// Brings a plain value into expression form.
pub fn escape_all(value: &Value) -> Value {
    match value {
        Value::String(s) => Value::String(escape(s)),
        Value::Array(items) => Value::Array(items.iter().map(escape_all).collect()),
        Value::Object(map) => Value::Object(map.iter().map(|(k, v)| (k.clone(), escape_all(v))).collect()),
        other => other.clone(),
    }
}

/// Brings a value in expression form without references back into a plain one. References that are left stay as they are written.
pub fn plain(value: &Value) -> Value {
    match value {
        Value::String(s) if s.contains("$${") => match parse(s).as_deref() {
            Ok([Segment::Literal(literal)]) => Value::String(literal.clone()),
            _ => value.clone(),
        },
        Value::Array(items) => Value::Array(items.iter().map(plain).collect()),
        Value::Object(map) => Value::Object(map.iter().map(|(k, v)| (k.clone(), plain(v))).collect()),
        other => other.clone(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn known(value: Value) -> impl FnMut(&Reference) -> Result<Known, ()> {
        move |_| Ok(Known::Value(value.clone(), None))
    }

    #[test]
    fn a_whole_reference_keeps_its_type() {
        let got = substitute(&json!({"p": "${a:b:c.port}", "t": "x:${a:b:c.port}"}), &mut known(json!(80))).unwrap();
        assert_eq!(got.value, json!({"p": 80, "t": "x:80"}));
    }

    #[test]
    fn a_value_from_a_server_never_becomes_a_reference() {
        let got = substitute(&json!(["${a:b:c.x}", "t ${a:b:c.x}"]), &mut known(json!("${secret:root}"))).unwrap();
        assert_eq!(got.value, json!(["$${secret:root}", "t $${secret:root}"]));
        assert_eq!(plain(&got.value), json!(["${secret:root}", "t ${secret:root}"]));
        let again = substitute(&got.value, &mut known(json!("never"))).unwrap();
        assert_eq!(again.value, got.value);
        assert!(again.secret.is_empty());
    }

    #[test]
    fn what_is_known_later_stays_and_the_rest_is_put_in() {
        let got = substitute::<()>(&json!("${a:b:known.x}-${a:b:open.y}-$${z}"), &mut |r| match r {
            Reference::Output { address, .. } if address.name.as_str() == "known" => Ok(Known::Value(json!("K"), None)),
            other => Ok(Known::Later(other.clone())),
        })
        .unwrap();
        assert_eq!(got.value, json!("K-${a:b:open.y}-$${z}"));
        assert_eq!(got.later, vec![PropertyPath::default()]);
    }
}
