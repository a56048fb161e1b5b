//! The variables of other clients, said in Swell's own: `${NAME}` of the environment, `${secret:NAME}`, and `$${` for a literal `${`.
//!
//! What can be resolved only by the other client (a command of the editor, a prompt) is said; nothing is guessed.

use super::{Os, Surroundings};
use crate::domain::text::clean_line;

/// How a client writes variables.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Manner {
    /// Not at all: text is text.
    None,
    /// `${NAME}` and `${NAME:-default}`.
    Shell,
    /// `${env:NAME}` only.
    Env,
    /// `${env:NAME}` and names of the editor, such as `${workspaceFolder}`.
    Editor,
    /// The same, and `${input:ID}`, which the editor asks for.
    EditorWithInputs,
}

/// Translates the texts of one entry and keeps what a reader must know.
pub(super) struct Translator<'a> {
    pub(super) manner: Manner,
    pub(super) s: &'a Surroundings<'a>,
    /// Inputs that became secrets.
    pub(super) inputs: Vec<String>,
    /// What nobody here can resolve.
    pub(super) unknown: Vec<String>,
}

/// Makes `${` stand for itself.
pub(super) fn literal(text: &str) -> String {
    text.replace("${", "$${")
}

impl Translator<'_> {
    pub(super) fn text(&mut self, text: &str) -> String {
        if self.manner == Manner::None {
            return literal(text);
        }
        let (mut out, mut rest) = (String::new(), text);
        while let Some(at) = rest.find("${") {
            out.push_str(&rest[..at]);
            let after = &rest[at + 2..];
            let Some(close) = after.find('}') else {
                rest = &rest[at..];
                break;
            };
            match self.one(&after[..close]) {
                Some(known) => out.push_str(&known),
                None => {
                    self.unknown.push(clean_line(&format!("${{{}}}", &after[..close]), 80));
                    out.push_str(&literal(&rest[at..at + close + 3]));
                }
            }
            rest = &after[close + 1..];
        }
        out.push_str(&literal(rest));
        out
    }

    fn one(&mut self, inner: &str) -> Option<String> {
        if self.manner == Manner::Shell {
            let (name, default) = inner.split_once(":-").map_or((inner, None), |(n, d)| (n, Some(d)));
            return match default {
                Some(default) if !self.s.env.contains_key(name) => Some(literal(default)),
                _ => variable(name),
            };
        }
        if let Some(name) = inner.strip_prefix("env:") {
            return variable(name);
        }
        if matches!(self.manner, Manner::Env) {
            return None;
        }
        let folder = self.s.folder;
        match inner {
            "userHome" => Some(literal(&self.s.home.display().to_string())),
            "workspaceFolder" | "workspaceRoot" => Some(literal(&folder.display().to_string())),
            "workspaceFolderBasename" => Some(literal(&folder.file_name()?.to_string_lossy())),
            "pathSeparator" | "/" => Some(if self.s.os == Os::Windows { "\\" } else { "/" }.to_owned()),
            _ => {
                let id = inner.strip_prefix("input:").filter(|_| self.manner == Manner::EditorWithInputs)?;
                let good = !id.is_empty() && id.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.'));
                if !good {
                    return None;
                }
                if !self.inputs.iter().any(|i| i == id) {
                    self.inputs.push(id.to_owned());
                }
                Some(format!("${{secret:{id}}}"))
            }
        }
    }
}

fn variable(name: &str) -> Option<String> {
    let good = !name.is_empty() && name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_');
    good.then(|| format!("${{{name}}}"))
}
