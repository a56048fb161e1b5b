//! A binding out of nothing but tool schemas, for a server that nobody has described.
//!
//! Rules read the names and arguments of the tools: what makes, reads, changes and deletes one kind of thing, what it is known by, and
//! what stays open. Nothing is called. What comes out is a file for a person to read and for `prove` to try.

mod answer;

mod arguments;

mod group;

mod keys;

mod offer;

mod render;

mod sketch;

mod words;

#[cfg(test)]
mod tests;

use crate::{diagnostic::Diagnostic, mcp::tools::Tool};

pub use answer::{access, access_path, literal};
pub use arguments::same;
pub use group::LeftOut;
pub use offer::Language;
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

/// Drafts a binding by rules.
pub fn draft(subject: &Subject) -> Result<Draft, NoDraft> {
    let offers = offer::offers(subject.tools);
    let (groups, mut left_out) = group::groups(&offers);
    let mut types = Vec::new();
    for group in &groups {
        match sketch::sketch(group) {
            Ok(sketch) => types.push(sketch),
            Err(reason) => left_out.push(LeftOut { tool: group.create.tool.name.to_string(), reason }),
        }
    }
    types.sort_by(|a, b| a.name.cmp(&b.name));
    types.dedup_by(|a, b| a.name == b.name);
    let languages = group::languages(&offers);
    if types.is_empty() {
        return Err(NoDraft { languages, left_out, tools: subject.tools.len() });
    }
    for (tool, language) in languages {
        if !left_out.iter().any(|l| l.tool == tool) {
            left_out
                .push(LeftOut { tool, reason: format!("it takes {}; a binding for what it makes is written by hand", language.words()) });
        }
    }
    let identity = identity(&offers);
    let frame = render::Frame {
        name: subject.name,
        server: subject.server,
        tools: subject.tools.len(),
        identity: identity.as_deref(),
        left_out: &left_out,
    };
    let text = render::render(&frame, &types);
    Ok(Draft { text, types: types.into_iter().map(|t| (t.name, t.doubts)).collect(), left_out })
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
