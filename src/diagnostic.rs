//! What Swell says when something is wrong: fixed summary, where, what, what is true now, what to do next.
//!
//! Every error type of the library implements [`Explain`] beside itself; `ui/diagnostic.rs` is the only renderer.

use serde::Serialize;

use crate::domain::{Address, ServerName};

/// How bad it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Severity {
    /// The command goes on.
    Warning,
    /// The command stops.
    Error,
}

/// What the process ends with when this diagnostic ends it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum ExitClass {
    /// 1: refused or failed, nothing was changed.
    Refused,
    /// 2: the command line cannot be understood.
    Usage,
    /// 3: a run ended with steps failed or unknown.
    RunIncomplete,
    /// 70: a bug in `swell`.
    Bug,
    /// 130: stopped by the person.
    Interrupted,
}

impl ExitClass {
    /// The process exit code.
    pub fn code(self) -> u8 {
        match self {
            ExitClass::Refused => 1,
            ExitClass::Usage => 2,
            ExitClass::RunIncomplete => 3,
            ExitClass::Bug => 70,
            ExitClass::Interrupted => 130,
        }
    }
}

/// A place in a file.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Source {
    /// The file as the person named it.
    pub file: String,
    /// From 1.
    pub line: usize,
    /// From 1, in characters.
    pub column: usize,
    /// The whole line, without its end.
    pub text: String,
    /// How many characters to underline; at least 1.
    pub width: usize,
    /// What stands beside the underline.
    pub label: String,
}

impl Source {
    /// Finds line and column of a byte offset. An offset past the end is the end.
    pub fn locate(file: &str, text: &str, offset: usize, width: usize, label: impl Into<String>) -> Self {
        let mut offset = offset.min(text.len());
        while !text.is_char_boundary(offset) {
            offset -= 1;
        }
        let start = text[..offset].rfind('\n').map_or(0, |n| n + 1);
        let line = text[start..].lines().next().unwrap_or_default();
        Self {
            file: file.to_owned(),
            line: text[..start].matches('\n').count() + 1,
            column: text[start..offset].chars().count() + 1,
            text: line.to_owned(),
            width: width.max(1),
            label: label.into(),
        }
    }
}

/// A hint after the body: a sentence, and maybe a command on a line of its own.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Hint {
    /// The sentence.
    pub text: String,
    /// The command.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub command: Option<String>,
}

/// A problem, as data. Build one with [`Diagnostic::error`] or [`Diagnostic::warning`] and the chained setters.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Diagnostic {
    /// How bad it is.
    pub severity: Severity,
    /// `module::kind`, stable for scripts.
    pub code: &'static str,
    /// Fixed words, no names.
    pub summary: &'static str,
    /// Where in a file.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub source: Option<Source>,
    /// Labelled lines below the summary: `step`, `server`, …
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub facts: Vec<(&'static str, String)>,
    /// Full sentences: what happened and why.
    pub detail: String,
    /// Full sentences: what is true now.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub state: String,
    /// What to do, and the commands for it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub next: Option<Hint>,
    /// Last words.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub hints: Vec<Hint>,
    /// The resource it is about.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub address: Option<Address>,
    /// The server it is about.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub server: Option<ServerName>,
    /// How the process ends when this ends it.
    pub exit: ExitClass,
}

impl Diagnostic {
    fn new(severity: Severity, code: &'static str, summary: &'static str) -> Self {
        Self {
            severity,
            code,
            summary,
            source: None,
            facts: Vec::new(),
            detail: String::new(),
            state: String::new(),
            next: None,
            hints: Vec::new(),
            address: None,
            server: None,
            exit: ExitClass::Refused,
        }
    }

    /// Starts an error. `summary` has fixed words and no names.
    pub fn error(code: &'static str, summary: &'static str) -> Self {
        Self::new(Severity::Error, code, summary)
    }

    /// Starts a warning.
    pub fn warning(code: &'static str, summary: &'static str) -> Self {
        Self::new(Severity::Warning, code, summary)
    }

    /// Starts a report of a bug in Swell.
    pub fn bug(code: &'static str, detail: impl Into<String>) -> Self {
        Self::error(code, "This is a bug in `swell`").detail(detail).exit(ExitClass::Bug)
    }

    /// Sets the sentences that say what happened.
    pub fn detail(mut self, text: impl Into<String>) -> Self {
        self.detail = text.into();
        self
    }

    /// Sets the sentences that say what is true now.
    pub fn state(mut self, text: impl Into<String>) -> Self {
        self.state = text.into();
        self
    }

    /// Adds a labelled line.
    pub fn fact(mut self, label: &'static str, value: impl Into<String>) -> Self {
        self.facts.push((label, value.into()));
        self
    }

    /// Sets where in a file.
    pub fn source(mut self, source: Option<Source>) -> Self {
        self.source = source;
        self
    }

    /// Sets the resource.
    pub fn address(mut self, address: &Address) -> Self {
        self.server.get_or_insert_with(|| address.server.clone());
        self.address = Some(address.clone());
        self
    }

    /// Sets the server.
    pub fn server(mut self, server: &ServerName) -> Self {
        self.server = Some(server.clone());
        self
    }

    /// Sets what to do next, and the command for it.
    pub fn next(mut self, text: impl Into<String>, command: impl Into<String>) -> Self {
        self.next = Some(Hint { text: text.into(), command: Some(command.into()) });
        self
    }

    /// Adds a hint without a command.
    pub fn hint(mut self, text: impl Into<String>) -> Self {
        self.hints.push(Hint { text: text.into(), command: None });
        self
    }

    /// Adds a hint with a command.
    pub fn hint_command(mut self, text: impl Into<String>, command: impl Into<String>) -> Self {
        self.hints.push(Hint { text: text.into(), command: Some(command.into()) });
        self
    }

    /// Sets how the process ends.
    pub fn exit(mut self, exit: ExitClass) -> Self {
        self.exit = exit;
        self
    }
}

/// An error that can say itself to a person.
pub trait Explain: std::error::Error {
    /// The diagnostic, with what is true now and the next command.
    fn explain(&self) -> Diagnostic;
}

/// One or more diagnostics that ended a command. All problems of a stage are collected, not only the first.
#[derive(Debug, Clone, PartialEq)]
pub struct Failure(pub Vec<Diagnostic>);

impl Failure {
    /// The exit code of the worst of them.
    pub fn exit_code(&self) -> u8 {
        self.0.iter().map(|d| d.exit).max().unwrap_or(ExitClass::Bug).code()
    }
}

impl From<Diagnostic> for Failure {
    fn from(d: Diagnostic) -> Self {
        Self(vec![d])
    }
}

impl From<Vec<Diagnostic>> for Failure {
    fn from(all: Vec<Diagnostic>) -> Self {
        Self(all)
    }
}

impl<E: Explain> From<E> for Failure {
    fn from(e: E) -> Self {
        Self(vec![e.explain()])
    }
}

/// A usage error with one sentence.
pub fn usage(detail: &str) -> Failure {
    Failure::from(
        Diagnostic::error("usage", "The command cannot be understood")
            .detail(format!("{detail}."))
            .state("Nothing was done.")
            .exit(ExitClass::Usage),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn locates_by_characters() {
        let s = Source::locate("f", "äb: 1\nxü: y\n", 10, 1, "");
        assert_eq!((s.line, s.column, s.text.as_str()), (2, 3, "xü: y"));
        assert_eq!(Source::locate("f", "ab", 99, 0, "").column, 3);
    }
}
