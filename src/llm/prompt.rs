//! Prompts: one file per message in `prompts/`, shipped in the binary, replaceable by the user's and the project's folders.
//!
//! Rendering is strict: a prompt that uses a variable which its caller does not give is an error when it is loaded, not a
//! silent hole in what the model reads.

use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
};

use include_dir::{Dir, include_dir};
use minijinja::{AutoEscape, Environment, UndefinedBehavior, syntax::SyntaxConfig, value::Serde};
use serde::Serialize;
use sha2::{Digest, Sha256};

use crate::{
    diagnostic::{Diagnostic, Explain},
    domain::slices::unsliced_template,
};

static SHIPPED: Dir<'static> = include_dir!("$CARGO_MANIFEST_DIR/prompts");

/// The largest prompt file that is read, in bytes.
const MAX_FILE: u64 = 64 << 10;

/// Every prompt, and the variables that its caller gives.
pub const KNOWN: &[(&str, &[&str])] = &[
    ("intent/system", &["patterns"]),
    ("intent/request", &["deployments", "history", "pending", "request"]),
    ("intent/repair", &["problems"]),
    ("bindings/system", &[]),
    ("bindings/request", &["sketch", "tools"]),
    ("bindings/repair", &["problems"]),
];

/// Why a prompt cannot be made.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum PromptError {
    /// The file cannot be read.
    #[error("the prompt {} cannot be read: {detail}", path.display())]
    Unreadable {
        /// The file.
        path: PathBuf,
        /// Why.
        detail: String,
    },
    /// The file is not a template, or uses a variable that nobody gives.
    #[error("the prompt `{name}` ({from}) is not usable: {detail}")]
    Invalid {
        /// The prompt.
        name: String,
        /// `shipped`, or the file.
        from: String,
        /// What is wrong, with the line.
        detail: String,
    },
    /// No such prompt.
    #[error("there is no prompt `{0}`")]
    Missing(String),
}

impl Explain for PromptError {
    fn explain(&self) -> Diagnostic {
        match self {
            Self::Missing(_) => Diagnostic::bug("llm::prompt-missing", format!("{self}.")),
            Self::Unreadable { .. } => {
                Diagnostic::error("llm::prompt-unreadable", "A prompt cannot be read").detail(format!("{self}.")).state("Nothing was sent.")
            }
            Self::Invalid { .. } => Diagnostic::error("llm::prompt-invalid", "A prompt is not usable")
                .detail(format!("{self}."))
                .state("Nothing was sent.")
                .hint("Remove the file to use the shipped prompt again."),
        }
    }
}

/// A rendered prompt.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rendered {
    /// The text.
    pub text: String,
    /// `name@` and the first 16 digits of the template's SHA-256.
    pub version: String,
}

/// All prompts, checked.
#[derive(Debug, Clone)]
pub struct Prompts {
    env: Environment<'static>,
    origins: BTreeMap<String, Origin>,
    strangers: Vec<PathBuf>,
}

#[derive(Debug, Clone)]
struct Origin {
    from: String,
    version: String,
}

impl Prompts {
    /// The shipped prompts.
    pub fn shipped() -> Result<Self, PromptError> {
        Self::load(&[])
    }

    /// The shipped prompts, replaced by files of the same name (`intent/system.j2`) in the folders; the last folder wins.
    pub fn load(folders: &[PathBuf]) -> Result<Self, PromptError> {
        let mut env = Environment::new();
        env.set_undefined_behavior(UndefinedBehavior::Strict);
        env.set_auto_escape_callback(|_| AutoEscape::None);
        env.set_fuel(Some(2_000_000));
        // A block tag on its own line leaves no empty line behind.
        if let Ok(syntax) = SyntaxConfig::builder().trim_blocks(true).lstrip_blocks(true).build() {
            env.set_syntax(syntax);
        }
        let mut all = Self { env, origins: BTreeMap::new(), strangers: Vec::new() };
        for (name, variables) in KNOWN {
            let file = format!("{name}.j2");
            let mut source =
                SHIPPED.get_file(&file).and_then(|f| f.contents_utf8()).ok_or_else(|| PromptError::Missing((*name).to_owned()))?.to_owned();
            let mut from = "shipped".to_owned();
            for folder in folders {
                if let Some(text) = read(&folder.join(&file))? {
                    source = text;
                    from = folder.join(&file).display().to_string();
                }
            }
            all.add(name, variables, source, from)?;
        }
        for folder in folders {
            strangers(folder, folder, 0, &mut all.strangers);
        }
        Ok(all)
    }

    /// Files in the folders that replace nothing, most likely misspelt.
    pub fn strangers(&self) -> &[PathBuf] {
        &self.strangers
    }

    /// Where each prompt comes from, for `swell doctor`.
    pub fn origins(&self) -> impl Iterator<Item = (&str, &str, &str)> {
        self.origins.iter().map(|(name, o)| (name.as_str(), o.from.as_str(), o.version.as_str()))
    }

    /// Renders a prompt.
    pub fn render(&self, name: &str, variables: impl Serialize) -> Result<Rendered, PromptError> {
        let origin = self.origins.get(name).ok_or_else(|| PromptError::Missing(name.to_owned()))?;
        let invalid = |e: minijinja::Error| PromptError::Invalid { name: name.to_owned(), from: origin.from.clone(), detail: describe(&e) };
        let text = self.env.get_template(name).and_then(|t| t.render(minijinja::Value::from(Serde(variables)))).map_err(invalid)?;
        Ok(Rendered { text, version: format!("{name}@{}", &origin.version[..16]) })
    }

    fn add(&mut self, name: &str, variables: &[&str], source: String, from: String) -> Result<(), PromptError> {
        let invalid = |detail: String| PromptError::Invalid { name: name.to_owned(), from: from.clone(), detail };
        let version = hex(&Sha256::digest(source.as_bytes()));
        self.env.add_template_owned(name.to_owned(), source).map_err(|e| invalid(describe(&e)))?;
        let template = self.env.get_template(name).map_err(|e| invalid(describe(&e)))?;
        let mut used = template.undeclared_variables(false);
        if let Some(sliced) = unsliced_template(template.source()) {
            used.extend(self.env.template_from_str(&sliced).map_err(|e| invalid(describe(&e)))?.undeclared_variables(false));
        }
        let mut unknown: Vec<_> = used.iter().filter(|v| !variables.contains(&v.as_str()) && !is_global(&self.env, v)).collect();
        unknown.sort();
        if let Some(first) = unknown.first() {
            return Err(invalid(format!("it uses `{first}`; it is given only {}", variables.join(", "))));
        }
        self.origins.insert(name.to_owned(), Origin { from, version });
        Ok(())
    }
}

fn is_global(env: &Environment<'_>, name: &str) -> bool {
    env.globals().any(|(global, _)| global == name)
}

fn read(path: &Path) -> Result<Option<String>, PromptError> {
    let unreadable = |detail: String| PromptError::Unreadable { path: path.to_owned(), detail };
    match std::fs::metadata(path) {
        Err(e) if e.kind() == std::io::ErrorKind::NotFound => return Ok(None),
        Err(e) => return Err(unreadable(e.to_string())),
        Ok(m) if m.len() > MAX_FILE => return Err(unreadable(format!("it is larger than {} KiB", MAX_FILE >> 10))),
        Ok(_) => {}
    }
    std::fs::read_to_string(path).map(Some).map_err(|e| unreadable(e.to_string()))
}

/// Collects what replaces nothing. Folders that cannot be listed hold nothing that could be used either.
fn strangers(root: &Path, folder: &Path, depth: usize, out: &mut Vec<PathBuf>) {
    let Ok(entries) = std::fs::read_dir(folder) else { return };
    for path in entries.flatten().map(|e| e.path()) {
        if path.is_dir() {
            if depth < 3 {
                strangers(root, &path, depth + 1, out);
            }
        } else if let Ok(below) = path.strip_prefix(root) {
            let name = below.to_string_lossy().replace('\\', "/");
            if !KNOWN.iter().any(|(known, _)| name == format!("{known}.j2")) {
                out.push(path);
            }
        }
    }
    out.sort();
}

fn describe(e: &minijinja::Error) -> String {
    let what = e.detail().map_or_else(|| e.kind().to_string(), |d| format!("{}: {d}", e.kind()));
    e.line().map_or(what.clone(), |line| format!("line {line}: {what}"))
}

/// Lower-case hexadecimal.
pub(crate) fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|b| format!("{b:02x}")).collect()
}

#[cfg(test)]
mod tests {
    use std::fs;

    use serde_json::{Value, json};

    use super::*;

    fn variables(names: &[&str]) -> Value {
        names.iter().map(|n| ((*n).to_owned(), json!([]))).collect::<serde_json::Map<_, _>>().into()
    }

    #[test]
    fn every_shipped_prompt_is_known_and_renders() {
        let prompts = Prompts::shipped().unwrap();
        for (name, names) in KNOWN {
            let rendered = prompts.render(name, variables(names)).unwrap();
            assert!(!rendered.text.trim().is_empty(), "{name}");
            assert!(rendered.version.starts_with(&format!("{name}@")));
        }
        let shipped = SHIPPED.dirs().flat_map(|d| d.files()).count();
        assert_eq!(shipped, KNOWN.len(), "a file in prompts/ is not in KNOWN");
    }

    #[test]
    fn a_missing_variable_is_an_error() {
        let prompts = Prompts::shipped().unwrap();
        assert!(matches!(prompts.render("intent/repair", json!({})), Err(PromptError::Invalid { .. })));
        assert_eq!(prompts.render("intent/none", json!({})), Err(PromptError::Missing("intent/none".to_owned())));
    }

    #[test]
    fn a_folder_replaces_and_is_checked_when_loaded() {
        let dir = tempfile::tempdir().unwrap();
        fs::create_dir(dir.path().join("intent")).unwrap();
        let file = dir.path().join("intent/repair.j2");
        let folders = [dir.path().to_owned()];
        fs::write(&file, "Wrong: {{ problems | join(', ') }}").unwrap();
        fs::write(dir.path().join("intent/sytem.j2"), "").unwrap();
        let prompts = Prompts::load(&folders).unwrap();
        assert_eq!(prompts.render("intent/repair", json!({"problems": ["a", "b"]})).unwrap().text, "Wrong: a, b");
        assert_eq!(prompts.strangers(), [dir.path().join("intent/sytem.j2")]);

        fs::write(&file, "{{ problem[:2] }}").unwrap();
        assert!(Prompts::load(&folders).is_err());
        fs::write(&file, "{{ problem }}").unwrap();
        let error = Prompts::load(&folders).unwrap_err();
        assert!(error.to_string().contains("it uses `problem`; it is given only problems"), "{error}");
        fs::write(&file, "a\n{% if %}").unwrap();
        assert!(Prompts::load(&folders).unwrap_err().to_string().contains("line 2"));
        fs::write(&file, "{% for a in range(100000) %}{% for b in range(100000) %}x{% endfor %}{% endfor %}").unwrap();
        assert!(Prompts::load(&folders).unwrap().render("intent/repair", json!({"problems": []})).is_err());
    }
}
