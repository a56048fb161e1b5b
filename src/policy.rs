//! Rules that a plan is held against before a person sees it: data (`patterns/policies/*.yaml`), shipped and overridable.
//!
//! A rule sees one step at a time and nothing outside of the plan. Evaluation is deterministic and bounded by fuel; a rule that cannot be
//! evaluated counts as broken, never as passed.
//!
//! What a rule's expressions (minijinja) see:
//!
//! | name | meaning |
//! |---|---|
//! | `address`, `server`, `type`, `name` | the resource |
//! | `action` | `create`, `update`, `replace`, `delete`, `adopt` or `forget` |
//! | `properties` | what is wanted, references resolved as far as they are known; of a delete, what was there |
//! | `before` | what was there; empty for a create |
//! | `changed` | names of the top-level properties that change |
//! | `holds_data`, `loses_data` | whether deleting it loses data, and whether this step does |
//! | `item` | with `each:`, one item of that list |
//! | `plan` | `deployment`, `kind`, `base` (0: the first deployment), `add`, `change`, `replace`, `destroy` |
//!
//! A key that is missing is undefined, at any depth: it is false in a condition, equal to nothing but itself, and empty in text; `x or 'y'`
//! gives a default. A value that is known only after the apply is the text `${…}`; so is a secret. A literal in a property that
//! the server calls sensitive is the text [`LITERAL`]: a rule can see that it is there, and can show it to nobody.

use std::{collections::BTreeMap, path::PathBuf};

use include_dir::{Dir, include_dir};

use crate::{
    diagnostic::{Diagnostic, Failure},
    plan::{Plan, PolicyResult},
};

mod check;

mod file;

mod words;

pub use file::{Case, Policy, Rule};

/// What a rule sees in the place of a sensitive literal.
pub const LITERAL: &str = "‹literal›";

static SHIPPED: Dir<'static> = include_dir!("$CARGO_MANIFEST_DIR/patterns/policies");

/// All policies by name.
#[derive(Debug, Clone, Default)]
pub struct Policies {
    all: BTreeMap<String, Policy>,
}

impl Policies {
    /// The shipped policies.
    pub fn shipped() -> Self {
        // They are embedded and each is tested, so none of them is refused.
        Self::load(&[]).unwrap_or_default()
    }

    /// The shipped policies and those of further folders; a later one takes the place of an earlier one of the same name.
    ///
    /// A folder that does not exist holds nothing. A file that cannot be read or understood fails the whole: a rule that someone
    /// wrote is never left out in silence.
    pub fn load(folders: &[PathBuf]) -> Result<Self, Failure> {
        let mut policies = Self::default();
        let mut problems = Vec::new();
        let mut files: Vec<(String, String)> = Vec::new();
        for file in SHIPPED.files().filter(|f| is_yaml(f.path())) {
            files.push((file.path().display().to_string(), file.contents_utf8().unwrap_or_default().to_owned()));
        }
        files.sort();
        for folder in folders {
            match read_folder(folder) {
                Ok(found) => files.extend(found),
                Err(problem) => problems.push(*problem),
            }
        }
        for (name, text) in files {
            match file::parse(&name, &text) {
                Ok(policy) => drop(policies.all.insert(policy.name.clone(), policy)),
                Err(problem) => problems.push(*problem),
            }
        }
        if problems.is_empty() { Ok(policies) } else { Err(Failure(problems)) }
    }

    /// Adds a policy or puts it in the place of one of the same name.
    pub fn insert(&mut self, policy: Policy) {
        self.all.insert(policy.name.clone(), policy);
    }

    /// All of them, by name.
    pub fn iter(&self) -> impl Iterator<Item = &Policy> {
        self.all.values()
    }
}

fn is_yaml(path: &std::path::Path) -> bool {
    path.extension().is_some_and(|e| e == "yaml" || e == "yml")
}

/// The files of a folder, in the order of their names.
fn read_folder(folder: &std::path::Path) -> Result<Vec<(String, String)>, Box<Diagnostic>> {
    let fail = |path: &std::path::Path, e: std::io::Error| {
        Box::new(
            Diagnostic::error("policy::unreadable", "A policy cannot be read")
                .detail(format!("`{}`: {e}.", path.display()))
                .state("Nothing was planned.")
                .hint("A policy that is not wanted is turned off with `level: off`, or its file is removed."),
        )
    };
    let entries = match std::fs::read_dir(folder) {
        Ok(entries) => entries,
        Err(e) if e.kind() == std::io::ErrorKind::NotFound => return Ok(Vec::new()),
        Err(e) => return Err(fail(folder, e)),
    };
    let mut paths = Vec::new();
    for entry in entries {
        paths.push(entry.map_err(|e| fail(folder, e))?.path());
    }
    paths.retain(|p| is_yaml(p));
    paths.sort();
    paths.into_iter().map(|p| std::fs::read_to_string(&p).map(|text| (p.display().to_string(), text)).map_err(|e| fail(&p, e))).collect()
}

/// Holds a plan against all policies; one result for each that is not off, in the order of their names.
pub fn evaluate(plan: &Plan, policies: &Policies) -> Vec<PolicyResult> {
    let steps = check::steps(plan);
    policies.iter().filter(|p| p.level != file::Level::Off).map(|p| check::policy(p, plan, &steps)).collect()
}

/// Runs a policy's own cases; the texts of those that do not come out as they say.
pub fn test(policy: &Policy) -> Vec<String> {
    check::cases(policy)
}

#[cfg(test)]
mod tests;
