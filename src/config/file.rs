//! `swell.toml` as it is written; an unknown key is shown where it stands.

use std::path::PathBuf;

use indexmap::IndexMap;
use serde::Deserialize;

use super::ServerSetting;
use crate::{
    approval::Rule,
    diagnostic::{Diagnostic, Source},
    domain::name::nearest,
};

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct File {
    #[serde(default)]
    pub(super) model: ModelFile,
    #[serde(default)]
    pub(super) limits: LimitsFile,
    #[serde(default, deserialize_with = "sandbox_file")]
    pub(super) sandbox: SandboxFile,
    #[serde(default)]
    pub(super) servers: IndexMap<toml::Spanned<String>, ServerSetting>,
    #[serde(default)]
    pub(super) auto_approve: Vec<Rule>,
    pub(super) data: Option<PathBuf>,
    /// Seconds; 0 switches it off.
    pub(super) notices: Option<u64>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct ModelFile {
    pub(super) base_url: Option<String>,
    pub(super) name: Option<String>,
    pub(super) key_variable: Option<String>,
    pub(super) timeout: Option<u64>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct LimitsFile {
    pub(super) per_server: Option<usize>,
    pub(super) overall: Option<usize>,
    pub(super) call_idle: Option<u64>,
    pub(super) call_total: Option<u64>,
    pub(super) read_idle: Option<u64>,
    pub(super) read_total: Option<u64>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct SandboxFile {
    /// The simulated servers are there besides the others.
    pub(super) servers: Option<bool>,
    pub(super) latency: Option<bool>,
}

/// `sandbox = true`, or a table.
fn sandbox_file<'de, D: serde::Deserializer<'de>>(from: D) -> Result<SandboxFile, D::Error> {
    struct Either;
    impl<'de> serde::de::Visitor<'de> for Either {
        type Value = SandboxFile;
        fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
            f.write_str("true, false or a table")
        }
        fn visit_bool<E>(self, servers: bool) -> Result<SandboxFile, E> {
            Ok(SandboxFile { servers: Some(servers), latency: None })
        }
        fn visit_map<A: serde::de::MapAccess<'de>>(self, map: A) -> Result<SandboxFile, A::Error> {
            SandboxFile::deserialize(serde::de::value::MapAccessDeserializer::new(map))
        }
    }
    from.deserialize_any(Either)
}

/// A file that was found, with its text.
#[derive(Debug, Clone)]
pub struct FoundFile {
    /// Where.
    pub path: PathBuf,
    /// What it says.
    pub text: String,
}

/// Reads one file.
pub(super) fn parse(found: &FoundFile) -> Result<File, Diagnostic> {
    toml::from_str(&found.text).map_err(|e| {
        let file = found.path.display().to_string();
        let span = e.span().unwrap_or(0..0);
        let message = e.message().to_owned();
        let mut d = Diagnostic::error("config::syntax", "A configuration file cannot be read")
            .source(Some(Source::locate(&file, &found.text, span.start, span.len(), "")))
            .detail(format!("{}.", crate::domain::text::clean(&message, 400)))
            .state("Nothing was done.");
        if let Some(unknown) = message.split('`').nth(1)
            && message.starts_with("unknown field")
        {
            let known = message.split('`').skip(3).step_by(2);
            if let Some(near) = nearest(unknown, known) {
                d = d.hint(format!("Did you mean `{near}`?"));
            }
        }
        d
    })
}
