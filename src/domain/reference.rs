//! References inside scalars: `${server:type:name.output}`, `${variable}`, `${secret:NAME}`, and `$${` for a literal `${`.
//!
//! A scalar is parsed into segments once. A scalar that is exactly one reference keeps the type of what it refers to;
//! a reference inside text is written as text. Nothing here resolves anything.

use std::fmt;

use serde_json::Value;

use super::{Address, DeploymentName, PropertyPath};

/// Where an address is looked for.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Scope {
    /// In this template; then in the other deployments; then live on the server.
    Here,
    /// Among the recorded resources of this deployment only: `${@name/address.path}`.
    Deployment(DeploymentName),
}

/// What a `${…}` means.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Reference {
    /// `${name}`.
    Variable(String),
    /// `${secret:NAME}`; resolved inside the executor only.
    Secret(String),
    /// `${server:type:name.path}`. Without a path it means the resource's `id`.
    Output {
        /// Where to look.
        scope: Scope,
        /// Which resource. Its type may be shortened to its leading segments.
        address: Address,
        /// Which of its outputs or properties.
        path: PropertyPath,
    },
}

impl fmt::Display for Reference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Reference::Variable(name) => write!(f, "${{{name}}}"),
            Reference::Secret(name) => write!(f, "${{secret:{name}}}"),
            Reference::Output { scope: Scope::Here, address, path } => write!(f, "${{{address}.{path}}}"),
            Reference::Output { scope: Scope::Deployment(d), address, path } => write!(f, "${{@{d}/{address}.{path}}}"),
        }
    }
}

/// A piece of a scalar.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Segment {
    /// Text as it stands, with `$${` already turned into `${`.
    Literal(String),
    /// A reference.
    Reference(Reference),
}

/// Why a `${…}` cannot be read.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{reason}")]
pub struct ReferenceError {
    /// Byte offset of the `${` within the scalar.
    pub at: usize,
    /// Length in bytes of the part that is wrong.
    pub len: usize,
    /// What is wrong, as a sentence without a period.
    pub reason: String,
}

/// Splits a scalar into literals and references.
///
/// ```
/// use swell::domain::reference::{parse, Segment};
/// let parts = parse("myapp:${version}").unwrap();
/// assert_eq!(parts.len(), 2);
/// assert_eq!(parse("costs $${5}").unwrap(), vec![Segment::Literal("costs ${5}".into())]);
/// ```
pub fn parse(text: &str) -> Result<Vec<Segment>, ReferenceError> {
    let mut segments = Vec::new();
    let mut literal = String::new();
    let mut rest = text;
    while let Some(dollar) = rest.find('$') {
        literal.push_str(&rest[..dollar]);
        rest = &rest[dollar..];
        if let Some(after) = rest.strip_prefix("$${") {
            literal.push_str("${");
            rest = after;
        } else if let Some(after) = rest.strip_prefix("${") {
            let at = text.len() - rest.len();
            let Some(close) = after.find('}') else {
                return Err(ReferenceError {
                    at,
                    len: rest.len(),
                    reason: "`${` is never closed with `}`; write `$${` for a literal `${`".into(),
                });
            };
            let reference = parse_inner(&after[..close]).map_err(|reason| ReferenceError { at, len: close + 3, reason })?;
            if !literal.is_empty() {
                segments.push(Segment::Literal(std::mem::take(&mut literal)));
            }
            segments.push(Segment::Reference(reference));
            rest = &after[close + 1..];
        } else {
            literal.push('$');
            rest = &rest[1..];
        }
    }
    literal.push_str(rest);
    if !literal.is_empty() || segments.is_empty() {
        segments.push(Segment::Literal(literal));
    }
    Ok(segments)
}

/// Reads what stands between `${` and `}`.
fn parse_inner(inner: &str) -> Result<Reference, String> {
    let inner = inner.trim();
    if inner.is_empty() {
        return Err("`${}` names nothing".into());
    }
    if let Some(name) = inner.strip_prefix("secret:") {
        let ok = !name.is_empty() && name.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.' | '/'));
        return if ok { Ok(Reference::Secret(name.to_owned())) } else { Err(format!("`{}` is not a secret's name", printable(name))) };
    }
    let (scope, rest) = match inner.strip_prefix('@') {
        Some(other) => {
            let (deployment, rest) =
                other.split_once('/').ok_or("a reference to another deployment is `${@deployment/server:type:name.output}`")?;
            (Scope::Deployment(deployment.parse().map_err(|e: super::NameError| e.to_string())?), rest)
        }
        None => (Scope::Here, inner),
    };
    if !rest.contains(':') {
        let ok = scope == Scope::Here && rest.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '-' | '_'));
        return if ok {
            Ok(Reference::Variable(rest.to_owned()))
        } else {
            Err(format!("`{}` is neither a variable nor `server:type:name.output`", printable(rest)))
        };
    }
    let (address, path) = match rest.split_once('.') {
        Some((address, path)) => (address, path.parse().map_err(|e: super::path::PathError| e.to_string())?),
        None => (rest, PropertyPath::key("id")),
    };
    let address = address.parse().map_err(|e: super::NameError| e.to_string())?;
    Ok(Reference::Output { scope, address, path })
}

fn printable(text: &str) -> String {
    text.chars().take(60).map(|c| if c.is_control() { '�' } else { c }).collect()
}

/// Writes a literal so that [`parse`] gives it back.
pub fn escape(literal: &str) -> String {
    literal.replace("${", "$${")
}

/// All references of a value, in the order in which they stand, with the path at which each stands.
pub fn references(value: &Value) -> Vec<(PropertyPath, Reference)> {
    let mut found = Vec::new();
    walk(value, &PropertyPath::default(), &mut |path, text| {
        if let Ok(segments) = parse(text) {
            found.extend(segments.into_iter().filter_map(|s| match s {
                Segment::Reference(r) => Some((path.clone(), r)),
                Segment::Literal(_) => None,
            }));
        }
    });
    found
}

/// Calls `visit` with every string of a value and its path.
pub fn walk(value: &Value, path: &PropertyPath, visit: &mut dyn FnMut(&PropertyPath, &str)) {
    match value {
        Value::String(text) => visit(path, text),
        Value::Array(items) => items.iter().enumerate().for_each(|(i, v)| walk(v, &path.item(i), visit)),
        Value::Object(map) => map.iter().for_each(|(k, v)| walk(v, &path.child(k), visit)),
        _ => {}
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn one(text: &str) -> Reference {
        match parse(text).unwrap().remove(0) {
            Segment::Reference(r) => r,
            Segment::Literal(l) => panic!("{l}"),
        }
    }

    #[test]
    fn reads_every_form() {
        assert_eq!(one("${version}"), Reference::Variable("version".into()));
        assert_eq!(one("${secret:db-password}"), Reference::Secret("db-password".into()));
        assert_eq!(
            one("${@net/aws:vpc:subnet:private-1.id}"),
            Reference::Output {
                scope: Scope::Deployment("net".parse().unwrap()),
                address: "aws:vpc:subnet:private-1".parse().unwrap(),
                path: PropertyPath::key("id")
            }
        );
        assert_eq!(one("${docker:container:run:db.endpoints[0].port}").to_string(), "${docker:container:run:db.endpoints[0].port}");
        assert_eq!(one("${docker:network:app}").to_string(), "${docker:network:app.id}");
    }

    #[test]
    fn says_where_and_why() {
        let error = parse("ab${x:y}").unwrap_err();
        assert_eq!((error.at, error.len), (2, 6));
        assert!(parse("${").is_err());
        assert!(parse("${}").is_err());
        assert!(parse("${a b}").is_err());
        assert!(parse("${@x}").is_err());
        assert_eq!(parse("$5 and $").unwrap(), vec![Segment::Literal("$5 and $".into())]);
    }

    /// Any reference that the grammar allows.
    fn any_reference() -> impl Strategy<Value = Reference> {
        let word = "[A-Za-z0-9][A-Za-z0-9_-]{0,6}";
        let address = proptest::collection::vec(word, 3..6).prop_map(|words| words.join(":").parse::<Address>().unwrap());
        let path = "[a-z][A-Za-z0-9_-]{0,5}(\\[[0-9]{1,2}\\]){0,2}(\\.[a-z]{1,4}){0,2}".prop_map(|p| p.parse::<PropertyPath>().unwrap());
        let scope = prop_oneof![Just(Scope::Here), word.prop_map(|w| Scope::Deployment(w.parse().unwrap()))];
        prop_oneof![
            "[A-Za-z0-9_-]{1,8}".prop_map(Reference::Variable),
            "[A-Za-z0-9_./-]{1,8}".prop_map(Reference::Secret),
            (scope, address, path).prop_map(|(scope, address, path)| Reference::Output { scope, address, path }),
        ]
    }

    proptest! {
        #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

        #[test]
        fn a_reference_is_read_as_it_is_written(reference in any_reference()) {
            prop_assert_eq!(one(&reference.to_string()), reference);
        }

        #[test]
        fn an_escaped_literal_is_read_as_it_was(literal in "([$]|[{]|[}]|\\$\\{|\\PC){0,12}") {
            prop_assert_eq!(parse(&escape(&literal)), Ok(vec![Segment::Literal(literal)]));
        }

        #[test]
        fn no_text_makes_the_parser_fall_over(text in "([$]|[{]|[}]|[@]|[:]|[.]|[/]|\\$\\{|a|\\PC){0,20}") {
            if let Err(error) = parse(&text) {
                prop_assert!(text.get(error.at..error.at + error.len).is_some());
            }
        }
    }
}
