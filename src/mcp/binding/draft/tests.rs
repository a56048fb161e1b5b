//! Drafts of real tool lists.

use std::path::{Path, PathBuf};

use serde_json::Value;

use super::*;

fn tools(path: &Path) -> (String, Vec<Tool>) {
    let file: Value = serde_json::from_str(&std::fs::read_to_string(path).unwrap()).unwrap();
    let server = file["serverInfo"]["name"].as_str().unwrap_or("server").to_owned();
    let list = file["tools"].as_array().or(file.as_array()).unwrap();
    (server, list.iter().map(|t| Tool::parse(t.clone()).unwrap()).collect())
}

fn all(folder: &Path) -> Vec<PathBuf> {
    let mut all: Vec<PathBuf> = std::fs::read_dir(folder).unwrap().map(|e| e.unwrap().path()).collect();
    all.sort();
    all
}

/// What is drafted for a list of tools; the draft must be good.
fn drafted(path: &Path) -> String {
    let (server, tools) = tools(path);
    let name = path.file_stem().unwrap().to_str().unwrap();
    match draft(&Subject { name, server: &server, tools: &tools }) {
        Ok(made) => {
            if let Err(problems) = checked(name, "draft.yaml", &made) {
                let said: Vec<String> = problems.iter().map(|p| format!("{} {:?}", p.detail, p.source)).collect();
                panic!("{}: {said:#?}\n{}", path.display(), made.text);
            }
            made.text
        }
        Err(none) => format!("no draft: {none:#?}\n"),
    }
}

#[test]
fn write_all() {
    let Ok(folder) = std::env::var("SWELL_LAB_TOOLS") else { return };
    for path in all(Path::new(&folder)) {
        let text = drafted(&path);
        std::fs::write(Path::new("/tmp/draft/out").join(path.file_name().unwrap()).with_extension("yaml"), text).unwrap();
    }
}
