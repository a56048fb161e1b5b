//! Reading a template's file: bounded, and with a diagnostic for everything that a path can be.

use std::{
    fs::File,
    io::{ErrorKind, Read},
    path::Path,
};

use crate::diagnostic::{Diagnostic, ExitClass, Failure};

/// The largest template, in bytes.
pub const MAX_FILE: usize = 4 * 1024 * 1024;

/// Reads a template's file. A file over [`MAX_FILE`] is not read to its end.
pub fn read_file(path: &Path) -> Result<String, Failure> {
    let shown = path.display().to_string();
    let refused = |summary, detail: String| {
        Diagnostic::error("template::file", summary).detail(detail).state("Nothing was planned.").exit(ExitClass::Usage)
    };
    let failed = |e: std::io::Error| match e.kind() {
        ErrorKind::NotFound => {
            let diagnostic = refused("The file does not exist", format!("There is no file `{shown}`."));
            match sibling(path) {
                Some(near) => diagnostic.hint(format!("Did you mean `{near}`?")),
                None => diagnostic,
            }
        }
        ErrorKind::PermissionDenied => refused("The file may not be read", format!("The system does not let this user read `{shown}`.")),
        ErrorKind::IsADirectory => refused("The file is a directory", format!("`{shown}` is a directory. Name one of the files in it.")),
        _ => refused("The file cannot be read", format!("Reading `{shown}` failed: {e}.")),
    };
    let file = File::open(path).map_err(failed)?;
    let about = file.metadata().map_err(failed)?;
    if about.is_dir() {
        return Err(failed(ErrorKind::IsADirectory.into()).into());
    }
    let mut bytes = Vec::new();
    // The size that the system tells is not trusted: a pipe has none, and a file can grow.
    if about.len() <= MAX_FILE as u64 {
        file.take(MAX_FILE as u64 + 1).read_to_end(&mut bytes).map_err(failed)?;
    }
    if about.len() > MAX_FILE as u64 || bytes.len() > MAX_FILE {
        return Err(too_large(&shown).exit(ExitClass::Usage).into());
    }
    String::from_utf8(bytes).map_err(|e| {
        let line = e.as_bytes()[..e.utf8_error().valid_up_to()].iter().filter(|b| **b == b'\n').count() + 1;
        refused("The file is not text", format!("`{shown}` is not UTF-8 text; the first wrong byte is on line {line}.")).into()
    })
}

/// Says that a template is too large.
pub(super) fn too_large(file: &str) -> Diagnostic {
    Diagnostic::error("template::limit", "The template breaks a limit")
        .detail(format!("`{file}` is larger than {} MiB, the most that a template may have.", MAX_FILE / 1024 / 1024))
        .state("Nothing was planned.")
        .hint("Split it into several deployments; they can refer to each other with `${@deployment/server:type:name.output}`.")
}

/// The file beside a missing one that was probably meant.
fn sibling(path: &Path) -> Option<String> {
    let wanted = path.file_name()?.to_str()?;
    let folder = path.parent()?;
    let folder = if folder.as_os_str().is_empty() { Path::new(".") } else { folder };
    let names: Vec<String> =
        folder.read_dir().ok()?.flatten().take(1_000).filter_map(|entry| entry.file_name().into_string().ok()).collect();
    let near = crate::domain::name::nearest(wanted, names.iter().map(String::as_str))?;
    Some(path.with_file_name(near).display().to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_kind_of_wrong_file_is_said() {
        let folder = tempfile::tempdir().unwrap();
        let file = |name: &str, bytes: &[u8]| {
            let path = folder.path().join(name);
            std::fs::write(&path, bytes).unwrap();
            path
        };
        let summary = |path: &Path| read_file(path).unwrap_err().0[0].summary;
        assert_eq!(read_file(&file("app.yaml", b"a: 1")).unwrap(), "a: 1");
        assert_eq!(summary(folder.path()), "The file is a directory");
        assert_eq!(summary(&file("b.yaml", b"a\n\xff")), "The file is not text");
        assert_eq!(summary(&file("c.yaml", &vec![b'a'; 10_000_000])), "The template breaks a limit");
        let missing = read_file(&folder.path().join("ap.yaml")).unwrap_err().0.remove(0);
        assert_eq!(missing.summary, "The file does not exist");
        assert!(missing.hints[0].text.contains("app.yaml"));
        assert_eq!(missing.exit, ExitClass::Usage);
    }
}
