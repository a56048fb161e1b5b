//! What trials have made and not yet taken away: written down before the call is sent, so that nothing is left without a name.

use std::{
    path::{Path, PathBuf},
    sync::Mutex,
};

use tokio::sync::watch;

use crate::{
    app::App,
    diagnostic::{Diagnostic, Failure},
    mcp::binding::prove::{Left, Watch},
};

/// The record of one binding's trials.
pub struct Record {
    file: PathBuf,
    left: Mutex<Vec<Left>>,
    stop: watch::Receiver<u8>,
}

impl Record {
    /// Opens it.
    pub fn open(app: &App, binding: &str) -> Result<Self, Failure> {
        let file = app.config().data.join("prove").join(format!("{binding}.json"));
        let left = match std::fs::read_to_string(&file) {
            Ok(text) => serde_json::from_str(&text).map_err(|e| unreadable(&file, &e.to_string()))?,
            Err(e) if e.kind() == std::io::ErrorKind::NotFound => Vec::new(),
            Err(e) => return Err(unreadable(&file, &e.to_string())),
        };
        Ok(Self { file, left: Mutex::new(left), stop: app.stop() })
    }

    /// What is still there.
    pub fn left(&self) -> Vec<Left> {
        self.left.lock().unwrap_or_else(std::sync::PoisonError::into_inner).clone()
    }

    fn change(&self, with: impl FnOnce(&mut Vec<Left>)) -> Result<(), String> {
        let mut left = self.left.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        with(&mut left);
        if left.is_empty() {
            return match std::fs::remove_file(&self.file) {
                Err(e) if e.kind() != std::io::ErrorKind::NotFound => Err(e.to_string()),
                _ => Ok(()),
            };
        }
        let text = serde_json::to_string_pretty(&*left).map_err(|e| e.to_string())?;
        let folder = self.file.parent().unwrap_or(Path::new("."));
        std::fs::create_dir_all(folder).map_err(|e| e.to_string())?;
        // Whole or not at all: a half-written record would name nothing.
        let mut new = tempfile::NamedTempFile::new_in(folder).map_err(|e| e.to_string())?;
        std::io::Write::write_all(&mut new, text.as_bytes()).map_err(|e| e.to_string())?;
        new.persist(&self.file).map(drop).map_err(|e| e.to_string())
    }
}

fn same(a: &Left, b: &Left) -> bool {
    a.server == b.server && a.kind == b.kind && a.name == b.name && (a.id == b.id || a.id.is_none() || b.id.is_none())
}

impl Watch for Record {
    fn go_on(&self, _: &str) -> bool {
        *self.stop.borrow() == 0
    }

    fn there(&self, one: &Left) -> Result<(), String> {
        self.change(|all| {
            all.retain(|l| !(same(l, one) && l.id.is_none()));
            if !all.iter().any(|l| same(l, one)) {
                all.push(one.clone());
            }
        })
        .map_err(|why| format!("what is about to be made cannot be written down ({why})"))
    }

    fn gone(&self, one: &Left) {
        if let Err(error) = self.change(|all| all.retain(|l| !same(l, one))) {
            tracing::warn!(error, "the record of a trial cannot be written");
        }
    }
}

fn unreadable(file: &Path, why: &str) -> Failure {
    Failure::from(
        Diagnostic::error("prove::record", "The record of former trials cannot be read")
            .fact("file", file.display().to_string())
            .detail(format!("{why}."))
            .state("Nothing was changed. It says which scratch objects are still there.")
            .hint("Look at it, take away what it names, and remove it."),
    )
}
