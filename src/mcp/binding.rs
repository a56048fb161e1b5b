//! Bindings: how the create, read, update and delete of a type map onto any server's own tools.
//!
//! A binding is data (`bindings/NAME.yaml`, see docs/bindings.md). `parse` reads one and finds everything that is wrong with it,
//! `library` keeps all of them and picks the one whose tools a server offers, and `server` speaks to the server through it.

use std::{collections::BTreeMap, sync::Arc};

use crate::{
    diagnostic::{Diagnostic, Source},
    domain::{ResourceType, ToolName, TypeDef},
    template::Span,
};

use super::{Effect, Refusal};

pub mod any;

pub mod decode;

pub mod draft;

pub mod expression;

mod filters;

pub mod library;

mod literal;

pub mod parse;

mod perform;

pub mod prove;

mod reader;

pub mod server;

pub mod shape;

#[cfg(test)]
mod tests;

pub use any::AnyServer;
pub use decode::Step;
pub use expression::Expression;
pub use library::Library;
pub use server::BoundServer;
pub use shape::Shape;

/// Names for values, each of which may use those before it.
pub type Lets = Arc<[(String, Shape)]>;

/// A binding file, read and found good.
#[derive(Debug)]
pub struct Binding {
    /// Its name: the stem of the file.
    pub name: String,
    /// One line for people.
    pub title: String,
    /// The file as it is named in diagnostics.
    pub file: String,
    /// Its text.
    pub text: Arc<str>,
    /// SHA-256 of the text: a plan holds only for the binding with which it was made.
    pub digest: String,
    /// The tools that a server must offer, all of them, for the binding to be about it.
    pub tools: Vec<String>,
    /// What the descriptions of some of them must say.
    pub says: Vec<(String, regex::Regex)>,
    /// The most calls that such a server bears at the same time.
    pub max_calls: Option<usize>,
    /// Says what the server manages.
    pub identity: Probe,
    /// The types.
    pub types: BTreeMap<ResourceType, TypeBinding>,
    /// Types that one might look for and that the server does not have: a plan says why.
    pub absent: BTreeMap<ResourceType, TypeDef>,
    /// What is odd about it and no error.
    pub warnings: Vec<Diagnostic>,
}

impl Binding {
    /// `bindings/docker.yaml:12`, for messages that a person follows to the place.
    pub fn place(&self, span: Span) -> String {
        let source = Source::locate(&self.file, &self.text, span.offset, span.len, "");
        format!("{}:{}", source.file, source.line)
    }

    /// Every call of the binding.
    pub fn calls(&self) -> impl Iterator<Item = &Call> {
        self.identity.call.iter().chain(self.types.values().flat_map(TypeBinding::calls))
    }
}

/// A read and the value that it gives.
#[derive(Debug)]
pub struct Probe {
    /// The call; without one the value is made of nothing but constants.
    pub call: Option<Call>,
    /// The value.
    pub value: Expression,
}

/// How one type is bound.
#[derive(Debug)]
pub struct TypeBinding {
    /// What the engine sees of the type.
    pub def: TypeDef,
    /// Names for values that several of its expressions need.
    pub lets: Lets,
    /// How one is read.
    pub read: Read,
    /// How one is found by its name alone. Without it, `read` does that too.
    pub find: Option<Find>,
    /// How one is made.
    pub create: Verb,
    /// How one is changed.
    pub update: Verb,
    /// How one is deleted.
    pub delete: Verb,
    /// What a result means.
    pub object: ObjectMap,
    /// Reads that tell about one that is in trouble.
    pub diagnose: Vec<Diagnose>,
}

impl TypeBinding {
    /// Every call of the type.
    pub fn calls(&self) -> impl Iterator<Item = &Call> {
        let verbs = [&self.create, &self.update, &self.delete].into_iter().flat_map(|v| match v {
            Verb::Calls { calls, .. } => calls.as_slice(),
            Verb::Missing(_) => &[],
        });
        std::iter::once(&self.read.call)
            .chain(self.read.also.iter().map(|a| &a.call))
            .chain(self.find.iter().map(|f| &f.call))
            .chain(verbs)
            .chain(self.diagnose.iter().map(|d| &d.call))
            .flat_map(|c| {
                let inner = c.wait.iter().map(|w| &w.call).chain(c.explain.iter().map(|e| &e.call));
                std::iter::once(c).chain(inner)
            })
    }
}

/// A verb of a type.
#[derive(Debug)]
pub enum Verb {
    /// The calls that do it, in order.
    Calls {
        /// At least one.
        calls: Vec<Call>,
        /// The id, as far as it is known from the arguments (before a create) or from the last result.
        id: Option<Expression>,
    },
    /// The server cannot do it; the reason is in [`crate::domain::schema::Limits::missing`].
    Missing(Span),
}

/// One call of a tool.
#[derive(Debug)]
pub struct Call {
    /// The tool.
    pub tool: ToolName,
    /// What it may do.
    pub effect: Effect,
    /// Its arguments.
    pub arguments: Shape,
    /// Only when this holds.
    pub when: Option<Expression>,
    /// For each of these (as `each`), one call; without it, one call in all.
    pub each: Option<Expression>,
    /// Kinds of no that do not matter: the call counts as done.
    pub ignore: Vec<Refusal>,
    /// How its result is read.
    pub result: Vec<Step>,
    /// The server's words about a failure, from the whole reply; what comes to something is a no, whatever else the reply says.
    pub failure: Option<Expression>,
    /// Whether it worked, beyond what the server says with `isError`.
    pub success: Option<Expression>,
    /// What kinds of no there are, its own before those of the type and of the file; the first that fits counts.
    pub errors: Arc<[ErrorRule]>,
    /// How many of them are its own.
    pub own_errors: usize,
    /// When a no is asked again.
    pub retry: Option<Retry>,
    /// What says more about a no than the server does.
    pub explain: Option<Box<Explain>>,
    /// What to wait for before it counts as done.
    pub wait: Option<Box<Wait>>,
    /// Where it stands.
    pub span: Span,
}

/// A no that may be a yes later: nothing was done, so the same may be asked again.
#[derive(Debug, Clone, Copy)]
pub struct Retry {
    /// The kind of no.
    pub class: Refusal,
    /// Seconds between two tries.
    pub interval: u64,
    /// Seconds after which the no counts.
    pub timeout: u64,
}

/// A read that says more about a no of one kind: who still uses what cannot be deleted.
#[derive(Debug)]
pub struct Explain {
    /// The kind of no.
    pub class: Refusal,
    /// The read.
    pub call: Call,
    /// What it says. It is put behind the server's words.
    pub text: Expression,
}

impl Call {
    /// Whether a rule of the call itself says that these words mean that there is none.
    pub fn says_none(&self, words: &str) -> bool {
        self.errors.iter().take(self.own_errors).any(|r| r.class == crate::mcp::Refusal::NotFound && r.text.is_match(words))
    }
}

/// Polls until something holds.
#[derive(Debug)]
pub struct Wait {
    /// The read.
    pub call: Call,
    /// Holds when it is over; `result` is the polled result, `started` that of the call.
    pub until: Expression,
    /// Holds when it has failed.
    pub fail_if: Option<Expression>,
    /// Seconds between two reads.
    pub interval: u64,
    /// Seconds after which nobody knows.
    pub timeout: u64,
}

/// What kind of no a text means.
#[derive(Debug, Clone)]
pub struct ErrorRule {
    /// Fits the server's words.
    pub text: regex::Regex,
    /// The kind.
    pub class: Refusal,
    /// Our words beside the server's, where those say too little.
    pub say: Option<String>,
}

/// How one object is read.
#[derive(Debug)]
pub struct Read {
    /// The call.
    pub call: Call,
    /// Gives the list in which the object is one of many. Without it, the result is the object.
    pub items: Option<Expression>,
    /// Says which elements of the list are of this type.
    pub only: Option<Expression>,
    /// Further reads, each of which adds a variable.
    pub also: Vec<Also>,
}

/// A further read about one object.
#[derive(Debug)]
pub struct Also {
    /// The variable.
    pub name: String,
    /// The read. If it fails, the variable is not defined.
    pub call: Call,
}

/// Gives the ids of those that have a name.
#[derive(Debug)]
pub struct Find {
    /// The call.
    pub call: Call,
    /// The list.
    pub items: Expression,
    /// Which of them.
    pub only: Expression,
    /// The id of one.
    pub id: Expression,
}

/// What an object means.
#[derive(Debug)]
pub struct ObjectMap {
    /// The server's id.
    pub id: Expression,
    /// The name.
    pub name: Expression,
    /// The idempotency key, if the server keeps it.
    pub created_by: Option<Expression>,
    /// Changes whenever the object does.
    pub revision: Option<Expression>,
    /// The properties.
    pub properties: Vec<(String, Shape)>,
    /// Lists of other ways to write a property that mean the same.
    pub other_forms: Vec<(String, Shape)>,
    /// The outputs.
    pub outputs: Vec<(String, Shape)>,
    /// Holds while it is going away.
    pub deleting: Option<Expression>,
    /// Holds when it is there and not usable.
    pub failed: Option<Expression>,
    /// Holds when it is usable; without it, everything that has not failed is.
    pub ready: Option<Expression>,
    /// Holds when it does its work.
    pub healthy: Option<Expression>,
    /// The server's words about what is not good.
    pub reason: Option<Expression>,
}

/// A read that tells about a resource in trouble.
#[derive(Debug)]
pub struct Diagnose {
    /// `log`, `event`, `describe`.
    pub source: String,
    /// The read.
    pub call: Call,
    /// The text, or a list of texts.
    pub text: Expression,
    /// For each of these (as `each`), one read; without it, one read in all.
    pub each: Option<Expression>,
}
