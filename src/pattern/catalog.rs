//! The patterns that there are: shipped ones, then the user's folder, then the project's; a later one of the same name is used instead.
//!
//! A broken file is a diagnostic. It hides no other pattern, and the name that it claims is not served from an older layer in its
//! place: whoever wrote the file meant it, and a plan from another recipe would be a surprise.

use std::path::{Path, PathBuf};

use include_dir::{Dir, include_dir};
use indexmap::IndexMap;

use crate::{
    diagnostic::{Diagnostic, Severity},
    domain::{PatternName, name::nearest},
    intent::{CatalogEntry, CatalogParameter},
};

use super::{Parameter, Pattern, parse, parse::parse_trusted, yaml::MAX_FILE};

static SHIPPED: Dir<'_> = include_dir!("$CARGO_MANIFEST_DIR/patterns");

/// Where a pattern comes from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Layer {
    /// Embedded in the binary.
    Shipped,
    /// A folder of the user or of the project.
    Folder(PathBuf),
}

impl std::fmt::Display for Layer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Layer::Shipped => f.pad("shipped"),
            Layer::Folder(folder) => f.pad(&folder.display().to_string()),
        }
    }
}

/// A pattern that can be used, and where it comes from.
#[derive(Debug, Clone)]
pub struct Entry {
    /// The pattern.
    pub pattern: std::sync::Arc<Pattern>,
    /// Its layer.
    pub layer: Layer,
    /// The layers whose pattern of the same name it takes the place of, lowest first.
    pub shadows: Vec<Layer>,
}

/// All patterns by name.
#[derive(Debug, Clone, Default)]
pub struct Catalog {
    entries: IndexMap<PatternName, Entry>,
    broken: IndexMap<PatternName, Vec<Diagnostic>>,
    problems: Vec<Diagnostic>,
}

impl Catalog {
    /// The shipped patterns alone.
    pub fn shipped() -> Self {
        Self::load(&[])
    }

    /// The shipped patterns and those of some folders, lowest layer first. A folder that does not exist is empty.
    pub fn load(folders: &[PathBuf]) -> Self {
        let mut catalog = Self::default();
        let mut files: Vec<_> =
            SHIPPED.files().chain(SHIPPED.dirs().filter(|d| d.path().ends_with("runbooks")).flat_map(Dir::files)).collect();
        files.sort_by_key(|f| f.path());
        for file in files.into_iter().filter(|f| is_yaml(f.path())) {
            let name = format!("patterns/{}", file.path().display());
            catalog.add(&name, file.path(), file.contents_utf8().unwrap_or_default(), Layer::Shipped);
        }
        for folder in folders {
            for path in yaml_files(folder) {
                let name = path.display().to_string();
                match read(&path) {
                    Ok(text) => catalog.add(&name, &path, &text, Layer::Folder(folder.clone())),
                    Err(why) => {
                        let detail = format!("`{name}` cannot be read: {why}.");
                        catalog
                            .reject(&path, vec![Diagnostic::error("pattern::unreadable", "A pattern file cannot be read").detail(detail)]);
                    }
                }
            }
        }
        catalog.entries.sort_keys();
        catalog
    }

    fn add(&mut self, file: &str, path: &Path, text: &str, layer: Layer) {
        let read = if layer == Layer::Shipped { parse_trusted(file, text) } else { parse(file, text) };
        let (pattern, warnings) = match read {
            Ok(read) => read,
            Err(problems) => return self.reject(path, problems),
        };
        self.problems.extend(warnings);
        let mut shadows = Vec::new();
        if let Some(older) = self.entries.shift_remove(&pattern.name) {
            shadows = older.shadows;
            shadows.push(older.layer);
        }
        self.broken.shift_remove(&pattern.name);
        self.entries.insert(pattern.name.clone(), Entry { pattern: pattern.into(), layer, shadows });
    }

    fn reject(&mut self, path: &Path, problems: Vec<Diagnostic>) {
        if let Some(name) = path.file_stem().and_then(|s| s.to_str()).and_then(|s| s.parse::<PatternName>().ok()) {
            self.broken.insert(name, problems.clone());
        }
        self.problems.extend(problems);
    }

    /// A pattern by name.
    pub fn get(&self, name: &str) -> Result<&Entry, Vec<Diagnostic>> {
        if let Some(problems) = self.broken.get(name) {
            return Err(problems.clone());
        }
        if let Some(entry) = self.entries.get(name) {
            return Ok(entry);
        }
        let detail = format!("There is no pattern `{}`.", super::reader::printable(name));
        let mut d = Diagnostic::error("pattern::not-found", "No such pattern").detail(detail).state("Nothing was planned.");
        if let Some(near) = nearest(name, self.entries.keys().map(PatternName::as_str)) {
            d = d.hint(format!("Did you mean `{near}`?"));
        }
        Err(vec![d.hint_command("To see every pattern, run:", "swell patterns list")])
    }

    /// Every pattern that can be used, by name.
    pub fn iter(&self) -> impl Iterator<Item = &Entry> {
        self.entries.iter().filter(|(name, _)| !self.broken.contains_key(*name)).map(|(_, entry)| entry)
    }

    /// What is wrong with the files, warnings included.
    pub fn problems(&self) -> &[Diagnostic] {
        &self.problems
    }

    /// Whether a file was refused.
    pub fn is_broken(&self) -> bool {
        self.problems.iter().any(|p| p.severity == Severity::Error)
    }

    /// What the parsers must know.
    pub fn entries(&self) -> Vec<CatalogEntry> {
        self.iter().map(|e| catalog_entry(&e.pattern)).collect()
    }
}

fn catalog_entry(pattern: &Pattern) -> CatalogEntry {
    CatalogEntry {
        name: pattern.name.to_string(),
        title: pattern.title.clone(),
        runbook: pattern.runbook,
        words: pattern.words.clone(),
        examples: pattern.examples.clone(),
        // A secret is never read out of a sentence.
        parameters: pattern.leaves().into_iter().filter(|p| !p.secret).map(catalog_parameter).collect(),
    }
}

fn catalog_parameter(parameter: &Parameter) -> CatalogParameter {
    CatalogParameter {
        name: parameter.name.clone(),
        schema: parameter.schema.clone(),
        required: parameter.required,
        words: parameter.words.clone(),
        ask: parameter.ask.clone(),
        holds: parameter.holds,
    }
}

fn is_yaml(path: &Path) -> bool {
    path.extension().is_some_and(|e| e == "yaml" || e == "yml")
}

/// The YAML files of a folder and of its `runbooks`, in order.
fn yaml_files(folder: &Path) -> Vec<PathBuf> {
    let mut files: Vec<PathBuf> = [folder.to_owned(), folder.join("runbooks")]
        .iter()
        .filter_map(|dir| std::fs::read_dir(dir).ok())
        .flat_map(|dir| dir.filter_map(Result::ok).map(|e| e.path()))
        .filter(|path| is_yaml(path))
        .collect();
    files.sort();
    files
}

fn read(path: &Path) -> Result<String, String> {
    let size = std::fs::metadata(path).map_err(|e| e.to_string())?;
    if !size.is_file() {
        return Err("it is not a file".into());
    }
    if size.len() > MAX_FILE as u64 {
        return Err(format!("it has {} bytes; a pattern file may have {MAX_FILE}", size.len()));
    }
    std::fs::read_to_string(path).map_err(|e| e.to_string())
}

#[cfg(test)]
#[path = "catalog_tests.rs"]
mod tests;
