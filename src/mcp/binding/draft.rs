//! A binding out of nothing but tool schemas, for a server that nobody has described.
//!
//! Rules read the names and arguments of the tools: what makes, reads, changes and deletes one kind of thing, what it is known by, and
//! what stays open. What somebody else proposes is held against the same tools. Nothing is called. What comes out is a file for a person
//! to read and for `prove` to try.

mod answer;

mod arguments;

mod group;

mod keys;

mod offer;

mod outline;

pub mod proposal;

mod render;

mod sketch;

mod words;

#[cfg(test)]
mod tests;

use crate::{diagnostic::Diagnostic, mcp::tools::Tool};

use sketch::Sketch;

pub use answer::{access, access_path, literal};
pub use arguments::same;
pub use group::LeftOut;
pub use offer::Language;
pub use outline::Detail;
pub use proposal::{Judged, Proposal};
pub use render::{DRAFTED, TRIED, UNTRIED, put, scalar};
pub use words::bare;

/// Words in the names of tools that tell what a server manages.
const TELLS: [&str; 8] = ["account", "identity", "whoami", "caller", "allowed", "cluster", "project", "tenant"];

/// What is to be drafted.
pub struct Subject<'a> {
    /// The name of the binding.
    pub name: &'a str,
    /// What the server calls itself.
    pub server: &'a str,
    /// Its tools.
    pub tools: &'a [Tool],
}

/// A drafted binding.
#[derive(Debug, Clone)]
pub struct Draft {
    /// The file.
    pub text: String,
    /// Its types, and what is not sure about each.
    pub types: Vec<(String, Vec<String>)>,
    /// What became no type.
    pub left_out: Vec<LeftOut>,
}

/// Why there is no draft.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NoDraft {
    /// Tools that take a whole language instead of arguments.
    pub languages: Vec<(String, Language)>,
    /// What can be made and becomes no type.
    pub left_out: Vec<LeftOut>,
    /// How many tools there are.
    pub tools: usize,
}

/// What rules make of a server's tools, to which others may have something to say.
pub struct Drafting<'a> {
    subject: &'a Subject<'a>,
    types: Vec<Sketch>,
    left_out: Vec<LeftOut>,
    languages: Vec<(String, Language)>,
    identity: Option<String>,
}

/// Who else had something to say, and what came of it.
#[derive(Debug, Clone, Default)]
pub struct Refinement {
    /// Who.
    pub by: String,
    /// What was said, held against the tools.
    pub judged: Judged,
}

/// Drafts a binding by rules alone.
pub fn draft(subject: &Subject) -> Result<Draft, NoDraft> {
    Drafting::new(subject).finish(None)
}

impl<'a> Drafting<'a> {
    /// Brings the tools together by rules.
    pub fn new(subject: &'a Subject<'a>) -> Self {
        let offers = offer::offers(subject.tools);
        let (groups, mut left_out) = group::groups(&offers);
        let mut types = Vec::new();
        for group in &groups {
            // One that cannot be written down takes nothing from the others.
            match sketch::sketch(group).and_then(|s| proposal::good(subject.tools, s)) {
                Ok(sketch) => types.push(sketch),
                Err(reason) => left_out.push(LeftOut { tool: group.create.tool.name.to_string(), reason }),
            }
        }
        types.sort_by(|a, b| a.name.cmp(&b.name));
        types.dedup_by(|a, b| a.name == b.name);
        Self { subject, types, left_out, languages: group::languages(&offers), identity: identity(&offers) }
    }

    fn tools(&self) -> &'a [Tool] {
        self.subject.tools
    }

    /// The tools and what rules made of them, for whoever shall look at it. `clean` takes out of the server's words what must not be shown.
    pub fn outline(&self, detail: Detail, clean: &dyn Fn(&str) -> String) -> serde_json::Value {
        outline::outline(self.tools(), &self.types, detail, clean)
    }

    /// Holds against the tools what somebody says about them.
    pub fn judge(&self, proposal: &Proposal, by: &str) -> Judged {
        proposal::judge(self.tools(), proposal, by)
    }

    /// The file, with what others said in the place of what rules say about the same.
    pub fn finish(mut self, refinement: Option<Refinement>) -> Result<Draft, NoDraft> {
        let by = refinement.as_ref().map(|r| r.by.clone());
        if let Some(refinement) = refinement {
            self.refine(refinement);
        }
        let Self { subject, types, mut left_out, languages, identity } = self;
        if types.is_empty() {
            return Err(NoDraft { languages, left_out, tools: subject.tools.len() });
        }
        for (tool, language) in languages {
            if !left_out.iter().any(|l| l.tool == tool) && !types.iter().any(|t| t.create.tool == tool) {
                left_out.push(LeftOut {
                    tool,
                    reason: format!("it takes {}; a binding for what it makes is written by hand", language.words()),
                });
            }
        }
        let frame = render::Frame {
            name: subject.name,
            server: subject.server,
            tools: subject.tools.len(),
            identity: identity.as_deref(),
            left_out: &left_out,
            by: by.as_deref(),
        };
        let text = render::render(&frame, &types);
        Ok(Draft { text, types: types.into_iter().map(|t| (t.name, t.doubts)).collect(), left_out })
    }

    fn refine(&mut self, refinement: Refinement) {
        for sketch in refinement.judged.accepted {
            self.types.retain(|t| t.name != sketch.name && !t.makes_the_same(&sketch));
            self.left_out.retain(|l| l.tool != sketch.create.tool);
            self.types.push(sketch);
        }
        for refused in refinement.judged.refused {
            let reason = format!("what the model `{}` says of `{}` was not taken: {}", refinement.by, refused.name, refused.reason);
            match self.types.iter_mut().find(|t| t.name == refused.name || t.create.tool == refused.tool) {
                Some(same) => same.doubts.push(reason),
                None => self.left_out.push(LeftOut { tool: refused.tool, reason }),
            }
        }
        self.types.sort_by(|a, b| a.name.cmp(&b.name));
    }
}

/// A read without arguments whose name says that it tells what is managed.
fn identity(offers: &[offer::Offer]) -> Option<String> {
    let reads = |o: &&offer::Offer| matches!(o.class(), Some(words::Class::Read | words::Class::List)) && !o.says_it_writes();
    let bare = |o: &&offer::Offer| o.constants.is_empty() && o.arguments.iter().all(|a| !a.required);
    let tells = |o: &&offer::Offer| words::split(o.tool.name.as_str()).iter().any(|w| TELLS.contains(&w.as_str()));
    offers.iter().filter(reads).filter(bare).find(tells).map(|o| o.tool.name.to_string())
}

/// What a drafted file must be: good. Anything else is our bug, and says which type is to blame.
pub fn checked(name: &str, file: &str, draft: &Draft) -> Result<(), Vec<Diagnostic>> {
    super::parse::parse(name, file, &draft.text).map(drop)
}
