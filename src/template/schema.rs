//! The properties of a resource against the JSON Schema of its type, with references taken leniently.
//!
//! What a reference will be is not known yet: a scalar that is one reference passes as any type, and text that holds one counts as text.
//! Compiled schemas are kept for the length of a check.

use std::{borrow::Cow, collections::HashMap};

use jsonschema::{
    JsonType, PatternOptions, Validator,
    error::{TypeKind, ValidationErrorKind as Kind},
    paths::LocationSegment,
};
use serde_json::Value;

use super::{
    MAX_PROBLEMS, Origin, Span,
    reader::{listed, short},
};
use crate::{
    diagnostic::{Diagnostic, Hint},
    domain::{
        Existing, Properties, PropertyPath, Resource, ResourceType, ServerName, TypeDef,
        name::{MAX_NAME, nearest},
        path::PathStep,
        reference::{self, Reference, Segment},
    },
};

/// Compiled schemas and the names of their properties.
#[derive(Default)]
pub(super) struct Schemas<'d> {
    compiled: HashMap<(&'d ServerName, &'d ResourceType), Compiled<'d>>,
    /// How many slips of the pen were warned about.
    warned: usize,
}

struct Compiled<'d> {
    /// Nothing, if the schema cannot be used.
    validator: Option<Validator>,
    /// The names of the properties.
    names: Vec<&'d str>,
    /// Whether a problem of this type has said how to see the schema.
    told: bool,
}

/// How a string of the instance is to be taken.
#[derive(Clone, Copy, PartialEq)]
enum Open {
    /// It is one reference: anything may come of it.
    Whole,
    /// It holds a reference: some text will come of it.
    Part,
}

impl<'d> Schemas<'d> {
    /// What is wrong with the properties of a resource. The first question about a type may also give a warning about its schema.
    pub fn check(
        &mut self,
        server: &'d ServerName,
        definition: &'d TypeDef,
        resource: &Resource,
        origin: &Origin,
        problems: &mut Vec<Diagnostic>,
    ) {
        let compiled = self.compiled.entry((server, &definition.kind)).or_insert_with(|| {
            let names = definition.property_names();
            let validator = compile(&definition.properties).map_err(|reason| problems.push(unusable(resource, &reason))).ok();
            Compiled { validator, names, told: false }
        });
        let Some(validator) = &compiled.validator else { return };
        let mut open = Vec::new();
        let instance = instance(&resource.properties, &mut open);
        let asker = Asker { definition, resource, origin, names: &compiled.names };
        let before = problems.len();
        if !validator.is_valid(&instance) {
            for error in validator.iter_errors(&instance).take(MAX_PROBLEMS) {
                let path = path_of(error.instance_path());
                if !excused(&path, error.kind(), error.instance(), &open) {
                    asker.explain(&path, error.kind(), error.instance(), &error.to_string(), problems);
                }
            }
        }
        if self.warned < MAX_PROBLEMS {
            self.warned += asker.near_misses(problems);
        }
        // Said once per type, below the last of the first problems.
        let found = problems.get_mut(before..).unwrap_or_default();
        found.sort_by_key(|p| p.source.as_ref().map(|s| (s.line, s.column)));
        if let Some(last) = found.last_mut().filter(|_| !compiled.told) {
            compiled.told = true;
            let command = format!("swell schema {}:{}", resource.address.server, resource.address.kind);
            last.hints.push(Hint { text: "To see what this type takes, run:".into(), command: Some(command) });
        }
    }
}

/// Compiles a schema that came from a server: nothing is fetched, and no pattern takes long.
fn compile(schema: &Value) -> Result<Validator, String> {
    let free = Value::Bool(true);
    let schema = if schema.is_null() { &free } else { schema };
    jsonschema::options()
        .offline()
        .with_pattern_options(PatternOptions::fancy_regex().backtrack_limit(50_000))
        .build(schema)
        .map_err(|e| e.to_string())
}

fn unusable(resource: &Resource, reason: &str) -> Diagnostic {
    let reason: String = reason.chars().take(200).collect();
    Diagnostic::warning("template::unusable-schema", "The schema of a type cannot be used").server(&resource.address.server).detail(
        format!(
            "The server `{}` describes `{}` with a schema that is not valid: {reason}. Properties of this type are not checked.",
            resource.address.server, resource.address.kind
        ),
    )
}

/// The properties as the server will get them, as far as that is known: nulls are not set, and `$${` is `${`.
fn instance(properties: &Properties, open: &mut Vec<(PropertyPath, Open)>) -> Value {
    let set = properties.iter().filter(|(_, v)| !v.is_null());
    Value::Object(set.map(|(k, v)| (k.clone(), unescaped(v, &mut || PropertyPath::key(k), open))).collect())
}

fn unescaped(value: &Value, path: &mut dyn FnMut() -> PropertyPath, open: &mut Vec<(PropertyPath, Open)>) -> Value {
    match value {
        Value::String(text) if text.contains("${") => match reference::parse(text).as_deref() {
            Ok([Segment::Literal(literal)]) => Value::String(literal.clone()),
            Ok([Segment::Reference(Reference::Secret(_))]) | Err(_) => {
                open.push((path(), Open::Part));
                value.clone()
            }
            Ok([Segment::Reference(_)]) => {
                open.push((path(), Open::Whole));
                value.clone()
            }
            Ok(_) => {
                open.push((path(), Open::Part));
                value.clone()
            }
        },
        Value::Array(items) => Value::Array(items.iter().enumerate().map(|(n, v)| unescaped(v, &mut || path().item(n), open)).collect()),
        Value::Object(map) => Value::Object(map.iter().map(|(k, v)| (k.clone(), unescaped(v, &mut || path().child(k), open))).collect()),
        other => other.clone(),
    }
}

fn path_of(location: &jsonschema::paths::Location) -> PropertyPath {
    PropertyPath(
        location
            .into_iter()
            .map(|segment| match segment {
                LocationSegment::Property(name) => PathStep::Key(name.into_owned()),
                LocationSegment::Index(n) => PathStep::Index(n),
            })
            .collect(),
    )
}

/// Whether an error may go away when the references are resolved.
fn excused(path: &PropertyPath, kind: &Kind, instance: &Value, open: &[(PropertyPath, Open)]) -> bool {
    if instance.is_string() {
        return match open.iter().find(|(at, _)| at == path) {
            Some((_, Open::Whole)) => true,
            Some((_, Open::Part)) => !matches!(kind, Kind::Type { .. } | Kind::FalseSchema),
            None => false,
        };
    }
    // Of a list or a map, what is counted or named is known; what is compared is not.
    let known = matches!(
        kind,
        Kind::Type { .. }
            | Kind::Required { .. }
            | Kind::AdditionalProperties { .. }
            | Kind::UnevaluatedProperties { .. }
            | Kind::PropertyNames { .. }
            | Kind::FalseSchema
            | Kind::AdditionalItems { .. }
            | Kind::MinItems { .. }
            | Kind::MaxItems { .. }
            | Kind::MinProperties { .. }
            | Kind::MaxProperties { .. }
    );
    !known && open.iter().any(|(at, _)| at.is_under(path))
}

/// One resource and the definition of its type.
struct Asker<'a> {
    definition: &'a TypeDef,
    resource: &'a Resource,
    origin: &'a Origin,
    names: &'a [&'a str],
}

impl Asker<'_> {
    /// Turns an error of the validator into diagnostics.
    fn explain(&self, path: &PropertyPath, kind: &Kind, instance: &Value, message: &str, problems: &mut Vec<Diagnostic>) {
        let resource = &self.resource.address;
        let existing = self.resource.existing == Existing::ReadOnly;
        let top = path.0.is_empty();
        let named = |path: &PropertyPath| if path.0.is_empty() { "the properties".to_owned() } else { format!("`{path}`") };
        let wrong = || Diagnostic::error("template::invalid-property", "A property is not valid").state("Nothing was planned.");
        match kind {
            Kind::AdditionalProperties { unexpected } | Kind::UnevaluatedProperties { unexpected } => {
                for name in unexpected {
                    // An existing resource can be looked up by what the server gave it.
                    if top && existing && self.definition.output_names().contains(&name.as_str()) {
                        continue;
                    }
                    problems.push(self.unknown(path, name, self.known_below(path)));
                }
            }
            Kind::Required { .. } | Kind::MinProperties { .. } if top && existing => {}
            Kind::Required { property } => {
                let name = property.as_str().unwrap_or_default();
                let inside = if top { String::new() } else { format!(" in `{path}`") };
                problems.push(
                    Diagnostic::error("template::missing-property", "A property is missing")
                        .address(resource)
                        .source(self.source(path, &format!("`{name}` is missing")))
                        .detail(format!("`{resource}` does not set `{name}`{inside}, which `{}` needs.", resource.kind))
                        .state("Nothing was planned."),
                );
            }
            _ => {
                let label = shortened(&label_of(kind, instance, message), 100);
                problems.push(wrong().address(resource).source(self.source(path, &label)).detail(format!(
                    "In `{resource}`, {} {}.",
                    named(path),
                    sentence_of(kind, instance, message)
                )));
            }
        }
    }

    /// An unknown property.
    fn unknown(&self, parent: &PropertyPath, name: &str, known: Vec<&str>) -> Diagnostic {
        let resource = &self.resource.address;
        let shown = parent.child(&short(name));
        let diagnostic = Diagnostic::error("template::unknown-property", "Unknown property")
            .address(resource)
            .source(self.key_source(&parent.child(name), name))
            .detail(format!("`{resource}` sets `{shown}`, which `{}` does not have.", resource.kind))
            .state("Nothing was planned.");
        let near = nearest(name, known.iter().copied());
        match near {
            Some(near) => diagnostic.hint(format!("Did you mean `{near}`?")),
            None if !known.is_empty() && known.len() <= 12 => diagnostic.hint(format!("It has {}.", listed(&known))),
            None => diagnostic,
        }
    }

    /// Warns about unknown properties that a lax schema lets pass, if they look like a slip of the pen. Says how often.
    fn near_misses(&self, problems: &mut Vec<Diagnostic>) -> usize {
        let before = problems.len();
        let schema = &self.definition.properties;
        let keywords = ["additionalProperties", "unevaluatedProperties", "patternProperties", "$ref", "allOf", "anyOf", "oneOf"];
        if self.names.is_empty() || keywords.iter().any(|k| schema.get(k).is_some()) {
            return 0;
        }
        for name in self.resource.properties.keys().filter(|k| !self.names.contains(&k.as_str())) {
            let unset = self.names.iter().copied().filter(|n| !self.resource.properties.contains_key(*n));
            if let Some(near) = nearest(name, unset) {
                let resource = &self.resource.address;
                problems.push(
                    Diagnostic::warning("template::undeclared-property", "A property is not in the schema")
                        .address(resource)
                        .source(self.key_source(&PropertyPath::key(name), name))
                        .detail(format!(
                            "`{resource}` sets `{name}`, which the schema of `{}` does not name. The server may ignore it.",
                            resource.kind
                        ))
                        .hint(format!("Did you mean `{near}`?")),
                );
            }
        }
        problems.len() - before
    }

    /// The names that the schema declares at a path, as far as it says so plainly.
    fn known_below(&self, path: &PropertyPath) -> Vec<&str> {
        let mut schema = &self.definition.properties;
        for step in &path.0 {
            let next = match step {
                PathStep::Key(k) => schema.get("properties").and_then(|p| p.get(k)),
                PathStep::Index(_) => schema.get("items"),
            };
            match next {
                Some(next) => schema = next,
                None => return Vec::new(),
            }
        }
        let names = schema.get("properties").and_then(Value::as_object).map(|p| p.keys().map(String::as_str));
        names.into_iter().flatten().filter(|name| name.len() <= MAX_NAME).collect()
    }

    fn place(path: &PropertyPath) -> PropertyPath {
        let mut steps = vec![PathStep::Key("properties".into())];
        steps.extend(path.0.iter().cloned());
        PropertyPath(steps)
    }

    fn source(&self, path: &PropertyPath, label: &str) -> Option<crate::diagnostic::Source> {
        let at = Self::place(path);
        // What is about all the properties is shown at the resource's name, since a block of lines cannot be underlined.
        let at = if path.0.is_empty() { PropertyPath::default() } else { at };
        self.origin.source(&self.resource.address, &at, label)
    }

    fn key_source(&self, path: &PropertyPath, key: &str) -> Option<crate::diagnostic::Source> {
        let value: Span = self.origin.span(&self.resource.address, &Self::place(path))?;
        Some(self.origin.locate(self.origin.key_before(value, key).unwrap_or(value), "no such property"))
    }
}

fn shortened(text: &str, most: usize) -> String {
    if text.chars().count() <= most { text.to_owned() } else { text.chars().take(most - 1).chain(['…']).collect() }
}

/// A few words to stand beside the caret.
fn label_of(kind: &Kind, instance: &Value, message: &str) -> String {
    match kind {
        Kind::Type { kind } => format!("must be {}", wanted_type(kind)),
        Kind::Enum { options } => format!("must be {}", choices(options)),
        Kind::Constant { expected_value } => format!("must be {expected_value}"),
        Kind::Minimum { limit } => format!("must be {limit} or more"),
        Kind::Maximum { limit } => format!("must be {limit} or less"),
        Kind::ExclusiveMinimum { limit } => format!("must be more than {limit}"),
        Kind::ExclusiveMaximum { limit } => format!("must be less than {limit}"),
        Kind::MinLength { limit } => format!("must have {limit} characters or more"),
        Kind::MaxLength { limit } => format!("must have {limit} characters or fewer"),
        Kind::MinItems { limit } => format!("must have {limit} items or more"),
        Kind::MaxItems { limit } => format!("must have {limit} items or fewer"),
        Kind::Pattern { pattern } => format!("must match `{pattern}`"),
        Kind::Format { format } => format!("must be a valid {format}"),
        Kind::UniqueItems => "has the same item twice".into(),
        Kind::FalseSchema => "is not allowed".into(),
        _ => without_value(message, instance).into_owned(),
    }
}

/// The end of a sentence that begins with the name of the property.
fn sentence_of(kind: &Kind, instance: &Value, message: &str) -> String {
    let is = match instance {
        Value::Array(_) | Value::Object(_) => String::new(),
        Value::String(text) => format!(", and it is `{}`", short(text)),
        other => format!(", and it is `{other}`"),
    };
    // The words of a server's schema are bounded like any other text of a server.
    let label = shortened(&label_of(kind, instance, message), 200);
    if label.starts_with("must") { format!("{label}{is}") } else { label }
}

/// The wanted types in plain words.
fn wanted_type(kind: &TypeKind) -> String {
    let word = |t: JsonType| match t {
        JsonType::Null => "empty",
        JsonType::Boolean => "`true` or `false`",
        JsonType::Integer => "a whole number",
        JsonType::Number => "a number",
        JsonType::String => "a text",
        JsonType::Array => "a list",
        JsonType::Object => "a map",
    };
    match kind {
        TypeKind::Single(one) => word(*one).to_owned(),
        TypeKind::Multiple(all) => all.iter().map(word).collect::<Vec<_>>().join(" or "),
    }
}

fn choices(options: &Value) -> String {
    let words: Vec<String> = options
        .as_array()
        .map(|all| all.iter().take(12).map(|v| v.as_str().map_or_else(|| v.to_string(), |s| format!("`{s}`"))).collect())
        .unwrap_or_default();
    let more = options.as_array().is_some_and(|all| all.len() > words.len());
    match words.as_slice() {
        [] => "one of none".into(),
        [one] => one.clone(),
        [first @ .., last] if !more => format!("{} or {last}", first.join(", ")),
        all => format!("{}, …", all.join(", ")),
    }
}

/// A message of the validator without the value that it begins with, which can be long.
fn without_value<'m>(message: &'m str, instance: &Value) -> Cow<'m, str> {
    match message.strip_prefix(&instance.to_string()) {
        Some(rest) => Cow::Borrowed(rest.trim_start()),
        None => Cow::Borrowed(message),
    }
}
