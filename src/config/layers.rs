//! One setting through all layers, and the model, whose settings stand in several.

use super::{Environment, file::File};

/// Where a value came from.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
pub struct Setting {
    /// The key, as it is written in `swell.toml`.
    pub key: String,
    /// The value, secrets left out.
    pub value: String,
    /// `built-in`, a file, an environment variable, a flag.
    pub from: String,
}

/// The model, if one is configured.
#[derive(Debug, Clone)]
pub struct ModelSetting {
    /// Of any OpenAI-compatible server.
    pub base_url: String,
    /// The model's name.
    pub model: String,
    /// The environment variable that holds the key.
    pub key_variable: Option<String>,
    /// The key. Never printed.
    pub key: Option<secrecy::SecretString>,
    /// Seconds for one request in all.
    pub timeout: u64,
}

/// Takes each setting from the highest layer that says it, and keeps which one that was.
#[derive(Default)]
pub(super) struct Settings {
    pub(super) all: Vec<Setting>,
}

impl Settings {
    pub(super) fn note(&mut self, key: &str, value: &str, from: &str) {
        self.all.push(Setting { key: key.to_owned(), value: value.to_owned(), from: from.to_owned() });
    }

    #[expect(clippy::too_many_arguments, reason = "one call for each setting; the arguments are the layers")]
    pub(super) fn take<T>(
        &mut self,
        key: &str,
        built_in: T,
        files: &[(File, String)],
        get: impl Fn(&File) -> Option<T>,
        env: &Environment,
        variable: &str,
        parse: impl Fn(&str) -> Option<T>,
        show: impl Fn(&T) -> String,
    ) -> T {
        let mut value = (built_in, "built-in".to_owned());
        for (file, path) in files {
            if let Some(v) = get(file) {
                value = (v, path.clone());
            }
        }
        if let Some(v) = env.get(variable).and_then(|v| parse(v)) {
            value = (v, format!("environment {variable}"));
        }
        self.note(key, &show(&value.0), &value.1);
        value.0
    }
}

/// The model, if both its address and its name are said.
pub(super) fn model(settings: &mut Settings, files: &[(File, String)], env: &Environment) -> Option<ModelSetting> {
    let text = |v: &str| (!v.trim().is_empty()).then(|| v.trim().to_owned());
    let show = |v: &Option<String>| v.clone().unwrap_or_else(|| "(none)".into());
    let base_url = settings.take(
        "model.base_url",
        None,
        files,
        |f| f.model.base_url.clone().map(Some),
        env,
        "SWELL_MODEL_URL",
        |v| text(v).map(Some),
        show,
    );
    let name =
        settings.take("model.name", None, files, |f| f.model.name.clone().map(Some), env, "SWELL_MODEL", |v| text(v).map(Some), show);
    let key_variable = settings.take(
        "model.key_variable",
        Some("SWELL_MODEL_KEY".to_owned()),
        files,
        |f| f.model.key_variable.clone().map(Some),
        env,
        "SWELL_MODEL_KEY_VARIABLE",
        |v| text(v).map(Some),
        show,
    );
    let timeout =
        settings.take("model.timeout", 60, files, |f| f.model.timeout, env, "SWELL_MODEL_TIMEOUT", |v| v.parse().ok(), ToString::to_string);
    let (base_url, model) = (base_url?, name?);
    let key = key_variable.as_ref().and_then(|v| env.get(v)).map(|k| secrecy::SecretString::from(k.trim().to_owned()));
    settings.note(
        "model.key",
        if key.is_some() { "‹secret›" } else { "(none)" },
        &format!("environment {}", key_variable.clone().unwrap_or_default()),
    );
    Some(ModelSetting { base_url, model, key_variable, key, timeout })
}
