//! Taking a reviewed server over into the user's file: the rest of the file stays as it is, and secrets go to where secrets are kept.

use std::{io::Write, path::Path};

use serde::Serialize;

use crate::{
    app::App,
    config::{Layer, Origin, Registered, ServerSetting},
    diagnostic::{Diagnostic, Failure},
    domain::text::clean_line,
    llm::scrub::scrub,
    registry::State,
    trust::{Launch, Reviewed, Standing},
};

/// What was written.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Added {
    /// The server.
    pub name: String,
    /// The file.
    pub file: String,
    /// The secrets that were stored, by name.
    pub secrets: Vec<String>,
}

/// A value that goes to the secrets.
pub struct Moved {
    /// Its name there.
    pub secret: String,
    value: String,
}

/// Words in the names of variables and headers whose values nobody should read.
const SECRET_WORDS: &[&str] = &["KEY", "TOKEN", "SECRET", "PASS", "PWD", "CREDENTIAL", "AUTH", "COOKIE", "SESSION"];

fn looks_secret(name: &str, value: &str) -> bool {
    let name = name.to_ascii_uppercase();
    !value.is_empty() && (SECRET_WORDS.iter().any(|w| name.contains(w)) || !scrub(value).found.is_empty())
}

/// The setting as it would be written, with what moves to the secrets taken out of it. `taken` says whether a secret's name is in use.
pub fn plan_to_add(entry: &Registered, taken: &dyn Fn(&str) -> bool) -> (ServerSetting, Vec<Moved>) {
    let mut setting = entry.setting.clone();
    let mut moved: Vec<Moved> = Vec::new();
    for (name, value) in setting.env.iter_mut().chain(setting.headers.iter_mut()) {
        // What refers to the environment or to a secret holds no value.
        if value.replace("$${", "").contains("${") || !looks_secret(name, value) {
            continue;
        }
        let safe: String = name.to_ascii_lowercase().chars().map(|c| if c.is_ascii_alphanumeric() { c } else { '-' }).collect();
        let base = format!("{}-{safe}", entry.name);
        let free = |n: &String| !taken(n) && !moved.iter().any(|m| m.secret == *n);
        let secret = (1..).map(|n| if n == 1 { base.clone() } else { format!("{base}-{n}") }).find(free).unwrap_or(base.clone());
        let value = std::mem::replace(value, format!("${{secret:{secret}}}"));
        moved.push(Moved { secret, value: value.replace("$${", "${") });
    }
    (setting, moved)
}

/// What would be written, with every value of a variable or header left out.
pub(super) fn preview(entry: &Registered) -> String {
    let mut setting = entry.setting.clone();
    for value in setting.env.values_mut().chain(setting.headers.values_mut()) {
        "‹value›".clone_into(value);
    }
    setting.url = setting.url.as_deref().map(crate::config::shown_url);
    written(&entry.name, &setting)
}

fn written(name: &crate::domain::ServerName, setting: &ServerSetting) -> String {
    let mut table = toml::Table::new();
    let text = |t: &String| toml::Value::String(t.clone());
    let map = |m: &std::collections::BTreeMap<String, String>| toml::Value::Table(m.iter().map(|(k, v)| (k.clone(), text(v))).collect());
    let one = |table: &mut toml::Table, key: &str, value: Option<toml::Value>| {
        if let Some(value) = value {
            table.insert(key.to_owned(), value);
        }
    };
    one(&mut table, "command", setting.command.as_ref().map(text));
    one(&mut table, "args", (!setting.args.is_empty()).then(|| toml::Value::Array(setting.args.iter().map(text).collect())));
    one(&mut table, "cwd", setting.cwd.as_ref().map(text));
    one(&mut table, "url", setting.url.as_ref().map(text));
    one(&mut table, "env", (!setting.env.is_empty()).then(|| map(&setting.env)));
    one(&mut table, "headers", (!setting.headers.is_empty()).then(|| map(&setting.headers)));
    let servers = toml::Table::from_iter([(name.to_string(), toml::Value::Table(table))]);
    toml::to_string(&toml::Table::from_iter([("servers".to_owned(), toml::Value::Table(servers))])).unwrap_or_default()
}

/// Writes a reviewed server into the user's file, and its secrets into the store of secrets.
pub fn add(app: &App, name: &str) -> Result<Added, Failure> {
    let parsed = name.parse().map_err(|e: crate::domain::NameError| crate::flow::usage(&e.to_string()))?;
    let Some(row) = app.registry().to_review(name) else {
        return app.server(&parsed).map(|_| unreachable!("a server in use is registered"));
    };
    let entry = &row.entry;
    let reviewed = match &row.state {
        State::Active(Standing::Reviewed(reviewed)) if entry.origin.layer != Layer::User => reviewed,
        State::Quarantined(why) => return Err(crate::registry::quarantined(entry, why).into()),
        State::Active(_) => {
            return Err(Failure::from(
                Diagnostic::error("server::there", "There is nothing to add")
                    .server(&entry.name)
                    .fact("server", entry.name.to_string())
                    .fact("from", entry.origin.place())
                    .detail("It is the operator's own, or part of this program.")
                    .state("Nothing was changed."),
            ));
        }
        _ => return Err(app.registry().held(&parsed).map_or_else(|| crate::flow::usage("this entry is shadowed"), Failure::from)),
    };
    let path = app.config().user.join("config.toml");
    let store = app.secrets();
    let (setting, moved) = plan_to_add(entry, &|n| store.has(n).unwrap_or(true));
    let place = clean_line(&entry.origin.place(), 400);
    let text = format!("\n# From {}: {place}\n{}", entry.origin.layer.title(), written(&entry.name, &setting));
    let whole = appended(&path, &text)?;
    for m in &moved {
        store.set(&m.secret, &m.value)?;
    }
    write(&path, &whole).map_err(|e| failed(&path, &e.to_string()))?;
    let origin = Origin { layer: Layer::User, file: path.display().to_string(), line: 0 };
    let own = Registered::new(entry.name.clone(), origin.clone(), setting);
    let pinned = Reviewed { source: origin.file.clone(), launch: Launch::of(&own), ..(**reviewed).clone() };
    app.trust().update(|t| t.put(pinned))?;
    Ok(Added { name: entry.name.to_string(), file: origin.file, secrets: moved.into_iter().map(|m| m.secret).collect() })
}

fn failed(path: &Path, why: &str) -> Failure {
    Failure::from(
        Diagnostic::error("server::add", "The server cannot be added")
            .fact("file", path.display().to_string())
            .detail(format!("{}.", clean_line(why, 300)))
            .state("The file is as it was."),
    )
}

/// The file with the new entry at its end; refused if the whole would be no good file.
fn appended(path: &Path, text: &str) -> Result<String, Failure> {
    let old = match std::fs::read_to_string(path) {
        Ok(old) => old,
        Err(e) if e.kind() == std::io::ErrorKind::NotFound => String::new(),
        Err(e) => return Err(failed(path, &e.to_string())),
    };
    let gap = if old.is_empty() || old.ends_with('\n') { "" } else { "\n" };
    let whole = format!("{old}{gap}{text}");
    match toml::from_str::<toml::Table>(&whole) {
        Ok(_) => Ok(whole),
        Err(e) => Err(failed(path, &format!("with the new entry at its end it would be no TOML: {}", e.message()))),
    }
}

/// Atomically, and through a link if the file is one.
fn write(path: &Path, text: &str) -> std::io::Result<()> {
    let path = std::fs::canonicalize(path).unwrap_or_else(|_| path.to_owned());
    let folder = path.parent().unwrap_or_else(|| Path::new("."));
    std::fs::create_dir_all(folder)?;
    let mut file = tempfile::NamedTempFile::new_in(folder)?;
    file.write_all(text.as_bytes())?;
    file.as_file().sync_all()?;
    if let Ok(old) = std::fs::metadata(&path) {
        file.as_file().set_permissions(old.permissions())?;
    }
    file.persist(&path).map_err(|e| e.error)?;
    Ok(())
}
