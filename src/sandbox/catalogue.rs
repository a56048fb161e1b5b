//! What the simulated servers offer: every type with its schema, its defaults and what it refers to.
//!
//! A type is declared once, in [`Kind`], and everything else follows from it: the schema on the wire, the defaults that are filled in,
//! the check that a reference points at something, and the check that nothing which is still needed is deleted.

use std::{
    collections::BTreeMap,
    sync::{Arc, OnceLock},
};

use serde_json::{Map, Value, json};

use crate::domain::{ResourceType, TypeDef};
use crate::mcp::TypeTable;

mod aws_compute;

mod aws_data;

mod aws_network;

mod docker;

mod kubernetes;

mod opnsense;

/// The servers of the sandbox.
pub const SERVERS: [&str; 4] = ["opnsense", "aws", "docker", "kubernetes"];

/// The types of one sandbox server, without starting it. Empty for a name that is not in [`SERVERS`].
pub fn type_table(server: &str) -> TypeTable {
    kinds(server).values().filter_map(|k| k.def.clone().map(|d| (d.kind.clone(), d))).collect()
}

/// All kinds of one server by type name.
pub(crate) fn kinds(server: &str) -> &'static BTreeMap<&'static str, Arc<Kind>> {
    static ALL: OnceLock<BTreeMap<&'static str, BTreeMap<&'static str, Arc<Kind>>>> = OnceLock::new();
    static NONE: BTreeMap<&'static str, Arc<Kind>> = BTreeMap::new();
    ALL.get_or_init(|| {
        let by_name = |kinds: Vec<Kind>| kinds.into_iter().map(|k| (k.name, Arc::new(k.finish()))).collect();
        let aws = [aws_network::kinds(), aws_compute::kinds(), aws_data::kinds()].into_iter().flatten().collect();
        BTreeMap::from([
            ("opnsense", by_name(opnsense::kinds())),
            ("aws", by_name(aws)),
            ("docker", by_name(docker::kinds())),
            ("kubernetes", by_name(kubernetes::kinds())),
        ])
    })
    .get(server)
    .unwrap_or(&NONE)
}

/// One type of resource, with what the simulation needs to know besides the schema.
#[derive(Debug)]
pub(crate) struct Kind {
    /// Type name.
    pub name: &'static str,
    description: &'static str,
    props: Vec<(&'static str, Prop)>,
    outs: Vec<(&'static str, Prop)>,
    holds_data: bool,
    many_per_name: bool,
    ready_timeout: u64,
    /// Exists from the start and cannot be created by anyone.
    pub fixed: bool,
    /// How long a create takes when latency is on, in milliseconds.
    pub latency: u64,
    /// The definition on the wire. `None` only if the name is malformed, which a test excludes.
    pub def: Option<TypeDef>,
    /// Where this type refers to others: path and targets.
    pub refs: Vec<(String, Link)>,
    validator: OnceLock<Option<jsonschema::Validator>>,
}

/// What a property refers to.
#[derive(Debug, Clone, Default)]
pub(crate) struct Link {
    /// `server/type` pairs, one of which must have an object with this name, id or ARN.
    pub to: &'static [&'static str],
    /// Whether the object that is referred to cannot be deleted meanwhile.
    pub holds: bool,
    /// Whether other texts are allowed, such as an address beside an alias.
    pub open: bool,
    /// Whether it may be in another region.
    pub any_region: bool,
}

/// Begins a type.
pub(crate) fn kind(name: &'static str, description: &'static str) -> Kind {
    Kind {
        name,
        description,
        props: Vec::new(),
        outs: Vec::new(),
        holds_data: false,
        many_per_name: false,
        ready_timeout: 60,
        fixed: false,
        latency: 400,
        def: None,
        refs: Vec::new(),
        validator: OnceLock::new(),
    }
}

impl Kind {
    /// Adds a property.
    pub fn prop(mut self, name: &'static str, prop: Prop) -> Self {
        self.props.push((name, prop));
        self
    }

    /// Adds a text output.
    pub fn out(self, name: &'static str, description: &str) -> Self {
        self.output(name, text(description))
    }

    /// Adds an output of any shape.
    pub fn output(mut self, name: &'static str, prop: Prop) -> Self {
        self.outs.push((name, prop));
        self
    }

    /// Deleting one loses data.
    pub fn data(mut self) -> Self {
        self.holds_data = true;
        self
    }

    /// Two of one name may exist.
    pub fn many(mut self) -> Self {
        self.many_per_name = true;
        self
    }

    /// Cannot be created.
    pub fn fixed(mut self) -> Self {
        self.fixed = true;
        self
    }

    /// How long it takes: seconds until a wait gives up, milliseconds of simulated latency.
    pub fn slow(mut self, ready_timeout: u64, latency: u64) -> Self {
        self.ready_timeout = ready_timeout;
        self.latency = latency;
        self
    }

    /// Values of the properties that are not given, as the schema says.
    pub fn defaults(&self) -> impl Iterator<Item = (&'static str, &Value)> {
        self.props.iter().filter_map(|(name, p)| Some((*name, p.schema.get("default")?)))
    }

    /// What the schema has against these properties.
    pub fn errors(&self, properties: &Value) -> Vec<String> {
        let compile = || self.def.as_ref().and_then(|d| jsonschema::draft202012::new(&d.properties).ok());
        let Some(validator) = self.validator.get_or_init(compile) else { return vec![format!("{} has no usable schema", self.name)] };
        let place =
            |path: &str| if path.is_empty() { String::new() } else { format!("{}: ", path.trim_start_matches('/').replace('/', ".")) };
        let secret = |path: &str| self.def.as_ref().is_some_and(|d| d.is_sensitive(path.split('/').nth(1).unwrap_or_default()));
        validator
            .iter_errors(properties)
            .map(|e| {
                let path = e.instance_path().to_string();
                // A secret must not come back in the words of an error.
                if secret(&path) { format!("{}{}", place(&path), e.masked()) } else { format!("{}{e}", place(&path)) }
            })
            .collect()
    }

    fn finish(mut self) -> Self {
        let mut refs = Vec::new();
        for (name, prop) in &self.props {
            prop.links(name, &mut refs);
        }
        self.refs = refs;
        let marked = |mark: fn(&Prop) -> bool| -> Vec<String> {
            self.props.iter().chain(&self.outs).filter(|(_, p)| mark(p)).map(|(n, _)| (*n).to_owned()).collect()
        };
        self.def = ResourceType::new(self.name).ok().map(|kind| TypeDef {
            kind,
            description: self.description.to_owned(),
            properties: object_schema(&self.props),
            outputs: object_schema(&self.outs),
            force_replace: marked(|p| p.replaces),
            sensitive: marked(|p| p.sensitive),
            holds_data: self.holds_data,
            findable: true,
            many_per_name: self.many_per_name,
            ready_timeout: self.ready_timeout,
            unordered: marked(|p| p.unordered),
            limits: Default::default(),
        });
        self
    }
}

fn object_schema(props: &[(&'static str, Prop)]) -> Value {
    let properties: Map<String, Value> = props.iter().map(|(n, p)| ((*n).to_owned(), Value::Object(p.schema.clone()))).collect();
    let required: Vec<&str> = props.iter().filter(|(_, p)| p.required).map(|(n, _)| *n).collect();
    let mut schema = json!({ "type": "object", "properties": properties, "additionalProperties": false });
    if !required.is_empty() {
        schema["required"] = json!(required);
    }
    schema
}

/// A property or an output.
#[derive(Debug, Clone)]
pub(crate) struct Prop {
    schema: Map<String, Value>,
    required: bool,
    replaces: bool,
    sensitive: bool,
    unordered: bool,
    link: Option<Link>,
    inner: Vec<(String, Prop)>,
}

fn prop(kind: &str, description: &str) -> Prop {
    let mut schema = Map::new();
    schema.insert("type".into(), kind.into());
    schema.insert("description".into(), description.into());
    Prop { schema, required: false, replaces: false, sensitive: false, unordered: false, link: None, inner: Vec::new() }
}

/// A text.
pub(crate) fn text(description: &str) -> Prop {
    prop("string", description)
}

/// A truth value.
pub(crate) fn flag(description: &str) -> Prop {
    prop("boolean", description)
}

/// A whole number within bounds.
pub(crate) fn int(min: i64, max: i64, description: &str) -> Prop {
    prop("integer", description).with("minimum", json!(min)).with("maximum", json!(max))
}

/// A TCP or UDP port.
pub(crate) fn port(description: &str) -> Prop {
    int(1, 65_535, description)
}

/// One of a few words.
pub(crate) fn choice(words: &[&str], description: &str) -> Prop {
    text(description).with("enum", json!(words))
}

/// A text of a given form.
pub(crate) fn form(pattern: &str, description: &str) -> Prop {
    text(description).with("pattern", json!(pattern))
}

/// An IPv4 network in CIDR notation.
pub(crate) fn cidr(description: &str) -> Prop {
    form(r"^(\d{1,3}\.){3}\d{1,3}/\d{1,2}$", description)
}

/// A host or domain name.
pub(crate) fn domain(description: &str) -> Prop {
    form(r"^(\*\.)?[A-Za-z0-9_]([A-Za-z0-9_-]*[A-Za-z0-9_])?(\.[A-Za-z0-9_]([A-Za-z0-9-]*[A-Za-z0-9])?)*\.?$", description)
}

/// A list.
pub(crate) fn list(item: Prop, description: &str) -> Prop {
    let mut p = prop("array", description).with("items", Value::Object(item.schema.clone()));
    p.inner.push(("[]".into(), item));
    p
}

/// A map of texts.
pub(crate) fn map(description: &str) -> Prop {
    prop("object", description).with("additionalProperties", json!({ "type": ["string", "number", "boolean"] }))
}

/// An object with named members.
pub(crate) fn object(members: Vec<(&'static str, Prop)>, description: &str) -> Prop {
    let mut p = prop("object", description);
    if let Value::Object(schema) = object_schema(&members) {
        p.schema.extend(schema.into_iter().filter(|(k, _)| k != "type"));
    }
    p.inner = members.into_iter().map(|(n, p)| (format!(".{n}"), p)).collect();
    p
}

impl Prop {
    /// Sets a keyword of the schema.
    pub fn with(mut self, keyword: &str, value: Value) -> Self {
        self.schema.insert(keyword.to_owned(), value);
        self
    }

    /// Must be given.
    pub fn required(mut self) -> Self {
        self.required = true;
        self
    }

    /// Taken when not given.
    pub fn or(self, default: Value) -> Self {
        self.with("default", default)
    }

    /// A change needs a new resource.
    pub fn replaces(mut self) -> Self {
        self.replaces = true;
        self
    }

    /// Holds a secret.
    pub fn sensitive(mut self) -> Self {
        self.sensitive = true;
        self
    }

    /// A list whose order means nothing.
    pub fn unordered(mut self) -> Self {
        self.unordered = true;
        self
    }

    /// Names an object that must exist, and keeps it from being deleted.
    pub fn needs(mut self, to: &'static [&'static str]) -> Self {
        self.link = Some(Link { to, holds: true, ..Link::default() });
        self
    }

    /// Names an object that must exist, and does not hold it.
    pub fn sees(mut self, to: &'static [&'static str]) -> Self {
        self.link = Some(Link { to, ..Link::default() });
        self
    }

    /// Other texts are allowed too; what looks like one of ours is held.
    pub fn or_text(mut self) -> Self {
        if let Some(link) = &mut self.link {
            link.open = true;
        }
        self
    }

    /// May be in another region.
    pub fn any_region(mut self) -> Self {
        if let Some(link) = &mut self.link {
            link.any_region = true;
        }
        self
    }

    fn links(&self, path: &str, into: &mut Vec<(String, Link)>) {
        if let Some(link) = &self.link {
            into.push((path.to_owned(), link.clone()));
        }
        for (step, inner) in &self.inner {
            inner.links(&format!("{path}{step}"), into);
        }
    }
}

#[cfg(test)]
#[path = "catalogue_tests.rs"]
mod tests;
