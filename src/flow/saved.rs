//! A plan as a file: written whole, and read only if it is whole, was made here and was not used.

use std::path::Path;

use serde_json::Value;

use crate::{
    app::App,
    diagnostic::{Diagnostic, Failure},
    plan::{FORMAT, Plan},
    review::Review,
};

/// Writes a plan to a file: its bytes and its digest, nothing else, so that the same inputs give the same file.
pub fn save(review: &Review, path: &Path) -> Result<(), Failure> {
    let value = serde_json::json!({"digest": review.digest, "plan": review.plan});
    let text = serde_json::to_string_pretty(&value).unwrap_or_default() + "\n";
    write_file(path, text.as_bytes())
}

/// A file beside its place that others may read as they may read any new file; temporary files are the owner's alone otherwise.
#[cfg(unix)]
pub(super) fn new_file(folder: &Path) -> std::io::Result<tempfile::NamedTempFile> {
    use std::os::unix::fs::PermissionsExt;
    tempfile::Builder::new().permissions(std::fs::Permissions::from_mode(0o666)).tempfile_in(folder)
}

#[cfg(not(unix))]
pub(super) fn new_file(folder: &Path) -> std::io::Result<tempfile::NamedTempFile> {
    tempfile::NamedTempFile::new_in(folder)
}

/// Writes a whole file or nothing.
pub fn write_file(path: &Path, bytes: &[u8]) -> Result<(), Failure> {
    let folder = path.parent().filter(|p| !p.as_os_str().is_empty()).unwrap_or_else(|| Path::new("."));
    let write = || -> std::io::Result<()> {
        let mut file = new_file(folder)?;
        std::io::Write::write_all(&mut file, bytes)?;
        file.as_file().sync_all()?;
        file.persist(path).map_err(|e| e.error)?;
        Ok(())
    };
    write().map_err(|e| {
        Failure::from(
            Diagnostic::error("file::write", "A file cannot be written")
                .fact("file", path.display().to_string())
                .detail(format!("{e}."))
                .state("Nothing was changed; a file that was there is as it was."),
        )
    })
}

/// Reads a saved plan and checks that it is whole, was made here, was not used, and has not expired.
pub async fn load(app: &App, path: &Path) -> Result<Review, Failure> {
    let text = crate::template::file::read_file(path)?;
    let refuse = |detail: String| {
        Failure::from(
            Diagnostic::error("plan::saved", "A saved plan cannot be used")
                .fact("file", path.display().to_string())
                .detail(detail)
                .state("Nothing was changed.")
                .next("Make a new one and look at it:", format!("swell plan … --out {}", path.display())),
        )
    };
    let value: Value = serde_json::from_str(&text).map_err(|e| refuse(format!("It is not JSON: {e}.")))?;
    let stated = value.get("digest").and_then(Value::as_str).unwrap_or_default().to_owned();
    let format = value.pointer("/plan/format").and_then(Value::as_u64);
    if format != Some(u64::from(FORMAT)) {
        return Err(refuse(format!(
            "It has format {}, and this program reads format {FORMAT}.",
            format.map_or("none".into(), |f| f.to_string())
        )));
    }
    let plan: Plan =
        serde_json::from_value(value.get("plan").cloned().unwrap_or(Value::Null)).map_err(|e| refuse(format!("It is not a plan: {e}.")))?;
    let digest = plan.digest();
    if digest != stated {
        return Err(refuse("Its digest does not fit its content: the file was changed after it was written.".into()));
    }
    match app.store().plan(&digest).await? {
        None => Err(refuse("It was not made with this state: a plan is applied where it was made.".into())),
        Some(p) if p.used_by.is_some() => Err(refuse("It has been applied already; a plan is used once.".into())),
        Some(_) => Ok(Review::new(plan, None, Vec::new())),
    }
}
