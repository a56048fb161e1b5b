//! All bindings: the shipped ones, the user's and the project's, and which of them fits a server.

use std::{path::PathBuf, sync::Arc};

use include_dir::{Dir, include_dir};

use super::{Binding, parse::parse};
use crate::{diagnostic::Diagnostic, mcp::tools::Tool, yaml::MAX_FILE};

static SHIPPED: Dir<'_> = include_dir!("$CARGO_MANIFEST_DIR/bindings");

/// The bindings by name; a later folder's takes the place of an earlier one's.
#[derive(Debug, Default)]
pub struct Library {
    bindings: Vec<Arc<Binding>>,
    problems: Vec<Diagnostic>,
}

impl Library {
    /// The shipped bindings, and those of folders that may not be there.
    pub fn load(folders: &[PathBuf]) -> Self {
        let mut library = Self::default();
        for file in SHIPPED.files() {
            let path = file.path();
            if let (Some(name), Some(text)) = (stem(path), file.contents_utf8()) {
                library.add(&name, &format!("bindings/{}", path.display()), text);
            }
        }
        for folder in folders {
            let mut files: Vec<PathBuf> = std::fs::read_dir(folder).into_iter().flatten().flatten().map(|e| e.path()).collect();
            files.sort();
            for path in files {
                let Some(name) = stem(&path) else { continue };
                let shown = path.display().to_string();
                match read(&path) {
                    Ok(text) => library.add(&name, &shown, &text),
                    Err(why) => library.problems.push(
                        Diagnostic::error("binding::unreadable", "A binding cannot be read")
                            .fact("file", shown)
                            .detail(format!("{why}."))
                            .state("The binding is not used."),
                    ),
                }
            }
        }
        library
    }

    fn add(&mut self, name: &str, file: &str, text: &str) {
        match parse(name, file, text) {
            Ok(binding) => {
                self.bindings.retain(|b| b.name != name);
                self.bindings.push(Arc::new(binding));
            }
            Err(problems) => self.problems.extend(problems),
        }
    }

    /// The good ones.
    pub fn iter(&self) -> impl Iterator<Item = &Arc<Binding>> {
        self.bindings.iter()
    }

    /// One by name.
    pub fn get(&self, name: &str) -> Option<&Arc<Binding>> {
        self.bindings.iter().find(|b| b.name == name)
    }

    /// What is wrong with the others.
    pub fn problems(&self) -> &[Diagnostic] {
        &self.problems
    }

    /// The binding all of whose tools a server offers; the one with the most tools, if several do.
    pub fn fitting(&self, tools: &[Tool]) -> Option<&Arc<Binding>> {
        let fits = |b: &&Arc<Binding>| missing(b, tools).is_empty();
        self.bindings.iter().filter(fits).max_by_key(|b| b.tools.len())
    }

    /// The binding that comes nearest, and the tools that it lacks; none if nothing comes near.
    pub fn nearest(&self, tools: &[Tool]) -> Option<(&Arc<Binding>, Vec<String>)> {
        let near = self.bindings.iter().map(|b| (b, missing(b, tools))).filter(|(b, m)| m.len() * 2 <= b.tools.len());
        near.min_by_key(|(_, m)| m.len())
    }
}

fn missing(binding: &Binding, tools: &[Tool]) -> Vec<String> {
    let offered = |wanted: &String| {
        let described = |t: &Tool| binding.says.iter().all(|(tool, says)| tool != wanted || says.is_match(&t.summary()));
        tools.iter().any(|t| t.name.as_str() == *wanted && described(t))
    };
    binding.tools.iter().filter(|wanted| !offered(wanted)).cloned().collect()
}

fn stem(path: &std::path::Path) -> Option<String> {
    let is_yaml = path.extension().is_some_and(|e| e == "yaml" || e == "yml");
    is_yaml.then(|| path.file_stem().map(|s| s.to_string_lossy().into_owned())).flatten()
}

/// Reads a file, bounded.
pub fn read(path: &std::path::Path) -> Result<String, String> {
    let size = std::fs::metadata(path).map_err(|e| e.to_string())?.len();
    if size > MAX_FILE as u64 {
        return Err(format!("it has {size} bytes; a binding may have {MAX_FILE}"));
    }
    std::fs::read_to_string(path).map_err(|e| e.to_string())
}
