//! Cases: what is asked, and what a perfect parser would answer.

use std::{
    collections::BTreeSet,
    fs,
    path::{Path, PathBuf},
};

use indexmap::IndexMap;
use serde::Deserialize;
use serde_json::{Map, Value};

use super::EvalError;

/// The largest file of cases that is read, in bytes.
const MAX_FILE: u64 = 64 << 20;

/// One case.
#[derive(Debug, Clone, Deserialize)]
pub struct Case {
    /// Unique within its suite.
    pub id: String,
    /// `deploy`, `query`, …, `adversarial`.
    #[serde(default)]
    pub category: String,
    /// A language tag.
    #[serde(default = "english")]
    pub lang: String,
    /// `must_pass`, `provider_error`, `negation`, …
    #[serde(default)]
    pub tags: Vec<String>,
    /// The right answer and what else is acceptable.
    pub gold: Gold,
    /// The whole line, from which the parser's input is taken.
    #[serde(skip)]
    pub input: Value,
}

fn english() -> String {
    "en".to_owned()
}

impl Case {
    /// Whether the case carries a tag.
    pub fn is(&self, tag: &str) -> bool {
        self.tags.iter().any(|t| t == tag)
    }
}

/// The right answer. The fields are those of the reference's case format.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default)]
pub struct Gold {
    /// One of the four, or none for a cancel or out of scope.
    pub intent: Option<String>,
    /// The pattern; none if none fits.
    pub pattern: Option<String>,
    /// The action of a modify.
    pub action: Option<String>,
    /// A deployment, several, or none.
    pub target: Value,
    /// What the person said.
    pub params: Map<String, Value>,
    /// Whether something has to be asked.
    pub should_clarify: bool,
    /// What it must ask for.
    pub missing: Vec<String>,
    /// Not something Swell does.
    pub out_of_scope: bool,
    /// Asking and not asking are both right.
    pub clarify_ok: bool,
    /// Other right values by parameter.
    pub accept: IndexMap<String, Vec<Value>>,
    /// Parameters that may be left out, with their allowed values.
    pub optional: IndexMap<String, Vec<Value>>,
    /// Other right intents.
    pub intent_accept: Vec<Option<String>>,
    /// Other right patterns.
    pub pattern_accept: Vec<Option<String>>,
    /// Other right actions.
    pub action_accept: Vec<Option<String>>,
    /// Other right targets.
    pub target_accept: Vec<Value>,
    /// `ignore_injected` and others.
    pub safe_outcome: Option<String>,
    /// Strings that may appear nowhere.
    pub must_not_contain: Vec<String>,
}

/// Cases that are run and judged together.
#[derive(Debug, Clone)]
pub struct Suite {
    /// The stem of its file.
    pub name: String,
    /// The cases, in the order of the file.
    pub cases: Vec<Case>,
}

impl Suite {
    /// Reads one file of cases, one JSON object in each line.
    pub fn load(path: &Path) -> Result<Self, EvalError> {
        let unreadable = |detail: String| EvalError::Unreadable { path: path.to_owned(), detail };
        let size = fs::metadata(path).map_err(|e| unreadable(e.to_string()))?.len();
        if size > MAX_FILE {
            return Err(unreadable(format!("it is larger than {} MiB", MAX_FILE >> 20)));
        }
        let text = fs::read_to_string(path).map_err(|e| unreadable(e.to_string()))?;
        let name = path.file_stem().map(|s| s.to_string_lossy().into_owned()).unwrap_or_default();
        Self::parse(name, &text, &path.display().to_string())
    }

    /// Reads cases from text; `file` is for messages.
    pub fn parse(name: impl Into<String>, text: &str, file: &str) -> Result<Self, EvalError> {
        let mut cases = Vec::new();
        let mut seen = BTreeSet::new();
        for (n, line) in text.lines().enumerate().filter(|(_, l)| !l.trim().is_empty()) {
            let bad = |detail: String| EvalError::BadCase { file: file.to_owned(), line: n + 1, detail };
            let input: Value = serde_json::from_str(line).map_err(|e| bad(e.to_string()))?;
            if input.get("text").is_some() == input.get("dialogue").is_some() {
                return Err(bad("a case has either `text` or `dialogue`".to_owned()));
            }
            let mut case: Case = serde_json::from_value(input.clone()).map_err(|e| bad(e.to_string()))?;
            if !seen.insert(case.id.clone()) {
                return Err(bad(format!("the id `{}` is used twice", case.id)));
            }
            case.input = input;
            cases.push(case);
        }
        Ok(Self { name: name.into(), cases })
    }

    /// Every suite below `evals/`: its own files and those in `cases/`, by name.
    pub fn load_all(root: &Path) -> Result<Vec<Self>, EvalError> {
        let mut files: Vec<PathBuf> = Vec::new();
        for folder in [root.to_owned(), root.join("cases")] {
            match fs::read_dir(&folder) {
                Ok(entries) => files.extend(entries.flatten().map(|e| e.path()).filter(|p| p.extension().is_some_and(|e| e == "jsonl"))),
                Err(e) if e.kind() == std::io::ErrorKind::NotFound => {}
                Err(e) => return Err(EvalError::Unreadable { path: folder, detail: e.to_string() }),
            }
        }
        files.sort();
        files.iter().map(|f| Self::load(f)).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bad_lines_are_named() {
        let parse = |text: &str| Suite::parse("s", text, "cases.jsonl").unwrap_err().to_string();
        let good = r#"{"id":"a","text":"x","gold":{"intent":"query"}}"#;
        assert_eq!(Suite::parse("s", &format!("{good}\n\n"), "f").unwrap().cases.len(), 1);
        assert!(parse(&format!("{good}\n{{")).starts_with("cases.jsonl:2: "));
        assert!(parse(&format!("{good}\n{good}")).contains("the id `a` is used twice"));
        assert!(parse(r#"{"id":"a","gold":{}}"#).contains("either `text` or `dialogue`"));
        assert!(parse(r#"{"id":"a","text":"x"}"#).contains("gold"));
    }
}
