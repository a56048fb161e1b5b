//! Patterns: parametrised recipes that become templates.
//!
//! A pattern file is data (`patterns/NAME.yaml`). `parse` reads one and finds everything that is wrong with it, `bind` settles the
//! parameters (or asks), `expand` makes the template. Nothing here talks to a server, and no value that someone said can change the
//! structure of what comes out or make a reference.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

use serde::Serialize;
use serde_json::Value;

use crate::{
    diagnostic::Source,
    domain::{Address, PatternName, ResourceType, ServerName},
    intent::Holds,
    mcp::TypeTable,
    template::Span,
};

pub mod bind;

pub mod catalog;

pub mod describe;

pub mod expand;

mod expression;

mod filters;

mod lint;

mod normalise;

mod parse;

mod reader;

mod schema;

pub mod test;

pub use bind::{Bound, BoundParameter, Setting, Unbound, bind};
pub use catalog::{Catalog, Layer};
pub use describe::{Description, describe};
pub use expand::{Expansion, expand};
pub use parse::parse;
pub use test::{TestResult, run_tests};

use crate::yaml::{self, Node};

/// A pattern, as its file says it.
#[derive(Debug, Clone, PartialEq)]
pub struct Pattern {
    /// Its name; also the file's stem.
    pub name: PatternName,
    /// Counts up with every change of what it makes.
    pub version: u64,
    /// One line.
    pub title: String,
    /// What it makes and why in this way.
    pub description: String,
    /// A runbook: its resources are the steps of a procedure.
    pub runbook: bool,
    /// Words that point to it in a request.
    pub words: Vec<String>,
    /// Example requests.
    pub examples: Vec<String>,
    /// What it needs; each entry is met by any one of its members.
    pub requires: Vec<Requirement>,
    /// The parameter that "scale to N" sets, or the lower and the upper one.
    pub scale: Vec<String>,
    /// The parameters, in the order in which they are asked for and shown.
    pub parameters: Vec<Parameter>,
    /// Expression for the deployment's name when nobody said one.
    pub deployment: Option<Node>,
    /// Conditions over several parameters.
    pub checks: Vec<Check>,
    /// Named values, each of which may use those before it.
    pub locals: Vec<(String, Node)>,
    /// Things that the review tells the person.
    pub notes: Vec<Note>,
    /// What it makes.
    pub resources: Vec<ResourceRule>,
    /// What the template shows at the end.
    pub outputs: Vec<OutputRule>,
    /// What it must make of some parameters.
    pub tests: Vec<TestCase>,
    /// Where it was read.
    pub file: PatternFile,
}

/// The file of a pattern.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct PatternFile {
    /// As the person would name it.
    pub name: String,
    /// Its text.
    pub text: Arc<str>,
}

impl PatternFile {
    /// A place in the file, for a diagnostic.
    pub fn source(&self, span: Span, label: impl Into<String>) -> Option<Source> {
        Some(Source::locate(&self.name, &self.text, span.offset, self.width(span), label))
    }

    /// The width of a stretch in characters.
    fn width(&self, span: Span) -> usize {
        self.text.get(span.offset..span.offset + span.len).map_or(span.len, |s| s.chars().count())
    }
}

/// One line of `requires:`: a type, or several of which one is enough.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Requirement {
    /// `docker:container:run`, or only a server: `docker`.
    pub any: Vec<String>,
}

/// A parameter: a JSON Schema and how to talk about it.
#[derive(Debug, Clone, PartialEq)]
pub struct Parameter {
    /// Its name; members of an object are dotted (`backup.schedule`).
    pub name: String,
    /// JSON Schema 2020-12 of the value, with the `x-` words for the parsers and without our own keys.
    pub schema: Value,
    /// The question to ask for it.
    pub ask: String,
    /// Words by which people call it.
    pub words: Vec<String>,
    /// How it is read out of a sentence.
    pub holds: Holds,
    /// Must be said.
    pub required: bool,
    /// Never in clear text anywhere.
    pub secret: bool,
    /// Made up by Swell when nobody says it.
    pub generate: Option<Generate>,
    /// The value when nobody says one; its scalars may be expressions over the parameters before it.
    pub default: Option<Node>,
    /// Why that default.
    pub because: String,
    /// Members, when it is an object.
    pub members: Vec<Parameter>,
    /// Where it stands.
    pub span: Span,
}

/// What Swell makes up.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Generate {
    /// A password, made in the executor and kept in the secret store.
    Password,
}

/// A condition that the parameters must meet together.
#[derive(Debug, Clone, PartialEq)]
pub struct Check {
    /// Checked only when this holds.
    pub when: Option<Node>,
    /// What must hold.
    pub that: Node,
    /// What to say when it does not; may be a template.
    pub message: Node,
    /// The parameters it is about.
    pub about: Vec<String>,
}

/// Something the review tells the person.
#[derive(Debug, Clone, PartialEq)]
pub struct Note {
    /// Said only when this holds.
    pub when: Option<Node>,
    /// The text; may be a template.
    pub text: Node,
}

/// One resource of a pattern, or as many as `for_each` gives.
#[derive(Debug, Clone, PartialEq)]
pub struct ResourceRule {
    /// Made only when this holds.
    pub when: Option<Node>,
    /// A list, or an expression that gives one (or a number: that many).
    pub for_each: Option<Node>,
    /// What the element is called in expressions; `item` unless said.
    pub item: String,
    /// Server.
    pub server: ServerName,
    /// Type.
    pub kind: ResourceType,
    /// Name; may be a template.
    pub name: Node,
    /// Properties; scalars may be templates.
    pub properties: Option<Node>,
    /// A list of addresses, which may be templates and directives.
    pub depends_on: Option<Node>,
    /// As in a template.
    pub lifecycle: Option<Node>,
    /// Seconds to wait until ready.
    pub wait: Option<Node>,
    /// Only looked up, never changed.
    pub existing: bool,
    /// Where it stands.
    pub span: Span,
}

/// One output of a pattern.
#[derive(Debug, Clone, PartialEq)]
pub struct OutputRule {
    /// Its name.
    pub name: String,
    /// There only when this holds.
    pub when: Option<Node>,
    /// The value; may hold references.
    pub value: Node,
}

/// What a pattern must make of some parameters.
#[derive(Debug, Clone, PartialEq)]
pub struct TestCase {
    /// What is tested, in words.
    pub name: String,
    /// What was said.
    pub parameters: serde_json::Map<String, Value>,
    /// The servers that are registered; all that the pattern names when not said.
    pub servers: Option<Vec<ServerName>>,
    /// Addresses of resources that exist.
    pub existing: Vec<Address>,
    /// `server:type.property` that the servers of this test cannot set or tell.
    pub cannot: Vec<String>,
    /// The deployment's name, when it was said.
    pub deployment: Option<String>,
    /// Exactly these addresses, wave by wave.
    pub waves: Option<Vec<Vec<String>>>,
    /// Exactly this many resources.
    pub resources: Option<u64>,
    /// Among the addresses.
    pub contains: Vec<String>,
    /// Not among the addresses.
    pub lacks: Vec<String>,
    /// `address.path` and the value there.
    pub properties: Vec<(String, Value)>,
    /// Texts that must occur in the notes.
    pub notes: Vec<String>,
    /// Binding must fail, and say these texts.
    pub refuses: Vec<String>,
    /// Where it stands.
    pub span: Span,
}

/// Which servers are registered, what their types can do, and what is known to exist: what `has`, `can` and `exists` answer from.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Available {
    servers: BTreeMap<ServerName, Option<Arc<TypeTable>>>,
    cannot: BTreeSet<String>,
    existing: BTreeSet<Address>,
}

impl Available {
    /// From the types that the registered servers listed.
    pub fn from_types(types: &BTreeMap<ServerName, Arc<TypeTable>>) -> Self {
        let servers = types.iter().map(|(server, table)| (server.clone(), Some(table.clone()))).collect();
        Self { servers, ..Self::default() }
    }

    /// From names alone; every type is taken to be there.
    pub fn from_names<'a>(names: impl IntoIterator<Item = &'a ServerName>) -> Self {
        Self { servers: names.into_iter().map(|n| (n.clone(), None)).collect(), ..Self::default() }
    }

    /// Adds resources that exist, recorded or live: what `exists("aws:rds:cluster:orders")` answers from. Runbooks act on them.
    pub fn with_existing(mut self, addresses: impl IntoIterator<Item = Address>) -> Self {
        self.existing.extend(addresses);
        self
    }

    /// Takes properties and outputs (`docker:container:run.networks`) away, as for a server that lacks them.
    pub fn without(mut self, members: impl IntoIterator<Item = String>) -> Self {
        self.cannot.extend(members);
        self
    }

    /// Whether a resource is known to exist. A text that is no address is an error.
    pub fn exists(&self, address: &str) -> Result<bool, String> {
        let address: Address = address.parse().map_err(|e: crate::domain::NameError| e.to_string())?;
        Ok(self.existing.contains(&address))
    }

    /// The registered servers.
    pub fn servers(&self) -> impl Iterator<Item = &ServerName> {
        self.servers.keys()
    }

    /// Whether a server (`docker`) or a type of it (`docker:container:run`) is there. A text that is neither is an error.
    pub fn has(&self, what: &str) -> Result<bool, String> {
        let (server, kind) = match what.split_once(':') {
            Some((server, kind)) => (server, Some(kind.parse::<ResourceType>().map_err(|e| e.to_string())?)),
            None => (what, None),
        };
        let server: ServerName = server.parse().map_err(|e: crate::domain::NameError| e.to_string())?;
        Ok(match (self.servers.get(&server), kind) {
            (None, _) => false,
            (Some(None), _) | (Some(_), None) => true,
            // A type that a server knows and cannot make is of no use to a pattern.
            (Some(Some(types)), Some(kind)) => types.get(&kind).is_some_and(|def| !def.limits.missing.contains_key("create")),
        })
    }

    /// Whether a server can set a property of a type, or tells an output of it: `docker:container:run.networks`. Real servers can do less
    /// than one would think, and a pattern may have another way. A text of another form is an error.
    pub fn can(&self, what: &str) -> Result<bool, String> {
        let parts = what.rsplit_once('.').and_then(|(of, member)| of.split_once(':').map(|(server, kind)| (of, server, kind, member)));
        let Some((of, server, kind, member)) = parts else {
            return Err(format!("`{what}` is no `server:type.property`"));
        };
        if !self.has(of)? || self.cannot.contains(what) {
            return Ok(false);
        }
        let server: ServerName = server.parse().map_err(|e: crate::domain::NameError| e.to_string())?;
        let kind: ResourceType = kind.parse().map_err(|e: crate::domain::NameError| e.to_string())?;
        let known = self.servers.get(&server).and_then(Option::as_ref).and_then(|types| types.get(&kind));
        // What nobody knows is taken to be there, as with `has`.
        Ok(known.is_none_or(|def| {
            let limits = &def.limits;
            let lacks = [&limits.refused, &limits.without, &limits.doubtful];
            def.output_names().contains(&member) && !lacks.iter().any(|l| l.contains_key(member))
        }))
    }
}

impl Pattern {
    /// Every parameter that has a value of its own: members instead of the object that holds them.
    pub fn leaves(&self) -> Vec<&Parameter> {
        self.parameters.iter().flat_map(|p| if p.members.is_empty() { vec![p] } else { p.members.iter().collect() }).collect()
    }

    /// A top-level parameter.
    pub fn parameter(&self, name: &str) -> Option<&Parameter> {
        self.parameters.iter().find(|p| p.name == name)
    }

    /// Every server that its resources name.
    pub fn servers(&self) -> BTreeSet<&ServerName> {
        self.resources.iter().map(|r| &r.server).collect()
    }
}

impl Parameter {
    /// The last segment of a member's name; the whole name of any other parameter.
    pub fn member_name(&self) -> &str {
        self.name.rsplit('.').next().unwrap_or(&self.name)
    }

    /// The values to choose from, if the schema lists some.
    pub fn choices(&self) -> Vec<String> {
        let listed = self.schema.get("enum").or_else(|| self.schema.pointer("/items/enum")).and_then(Value::as_array);
        listed.into_iter().flatten().filter_map(|v| v.as_str().map(str::to_owned)).collect()
    }
}
