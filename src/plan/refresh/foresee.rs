//! Which id a resource that is not recorded will have, where what is wanted says it: a Kubernetes object is known by its namespace and its
//! name, and one of the same name in another namespace has nothing to do with it.

use serde_json::Value;

use crate::{
    domain::{
        Properties, Reference, Resource, Scope,
        reference::{Segment, parse, references},
    },
    mcp::ResourceServer,
    template::link::{Declared, Match},
};

/// Stands for what is known only after something else was made. A noncharacter, which no value may contain.
const LATER: char = '\u{FDD2}';

/// The id, if the server can tell it from what is wanted alone.
pub(super) fn foresee(server: &dyn ResourceServer, declared: &Declared<'_>, resource: &Resource) -> Option<String> {
    let properties: Properties = resource.properties.iter().map(|(name, value)| (name.clone(), known(value, declared))).collect();
    let id = server.known_id(&resource.address.kind, &resource.address.name, &properties)?;
    (!id.contains(LATER)).then_some(id)
}

/// The value with every `${….name}` of the template's own resources put in, since a name is what the template says it is.
fn known(value: &Value, declared: &Declared<'_>) -> Value {
    match value {
        Value::String(text) if text.contains("${") => {
            let segments = parse(text).unwrap_or_default();
            let parts = segments.into_iter().map(|segment| match segment {
                Segment::Literal(text) => text,
                Segment::Reference(reference) => name_of(&reference, declared).unwrap_or_else(|| LATER.to_string()),
            });
            Value::String(parts.collect())
        }
        other if references(other).is_empty() => other.clone(),
        _ => Value::String(LATER.to_string()),
    }
}

fn name_of(reference: &Reference, declared: &Declared<'_>) -> Option<String> {
    let Reference::Output { scope: Scope::Here, address, path } = reference else { return None };
    if path.to_string() != "name" {
        return None;
    }
    match declared.resolve(address) {
        Match::Declared(found) => Some(found.name.to_string()),
        Match::Ambiguous(_) | Match::Undeclared => None,
    }
}
