//! Settings in layers: built-in < user file < project file < environment < flags. Every value knows where it came from.
//!
//! Pure: the environment and the files' texts are handed in.

use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
};

use indexmap::IndexMap;
use serde::Deserialize;

use crate::{
    approval::Rule,
    diagnostic::{Diagnostic, Source},
    domain::{ServerName, name::nearest},
};

pub mod discover;

pub mod origin;

pub use origin::{Layer, Origin, Registered};

/// The environment as a map; only `main` reads the real one.
pub type Environment = BTreeMap<String, String>;

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

/// A server as it is configured. In every text `${NAME}` is taken from Swell's environment, `${secret:NAME}` from the secrets, and
/// `$${` is a literal `${`.
#[derive(Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ServerSetting {
    /// One of the simulated servers: opnsense, aws, docker, kubernetes.
    pub sandbox: Option<String>,
    /// A program that speaks MCP over standard input and output.
    pub command: Option<String>,
    /// Its arguments.
    #[serde(default)]
    pub args: Vec<String>,
    /// The folder in which it runs; the project's if not set.
    pub cwd: Option<String>,
    /// Its environment; nothing else is handed on but PATH, HOME and the like.
    #[serde(default)]
    pub env: BTreeMap<String, String>,
    /// The URL of a streamable HTTP server.
    pub url: Option<String>,
    /// HTTP headers.
    #[serde(default)]
    pub headers: BTreeMap<String, String>,
    /// How a person logs in at it, where it wants that and more than its own metadata is needed.
    #[serde(default)]
    pub oauth: OauthSetting,
    /// Seconds until a start counts as failed.
    #[serde(default = "start_timeout")]
    pub start_timeout: u64,
}

/// What an authorization server knows of Swell beforehand. Nothing of it has to be set where clients may register themselves.
#[derive(Clone, Default, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct OauthSetting {
    /// The client that was registered by hand.
    pub client_id: Option<String>,
    /// Its secret, best as `${secret:NAME}`.
    pub client_secret: Option<String>,
    /// The `https` address of a client id metadata document.
    pub client_metadata: Option<String>,
    /// Scopes to ask for besides those that the server names.
    #[serde(default)]
    pub scopes: Vec<String>,
    /// The port for the way back from the browser, where the registered client has a fixed one.
    pub redirect_port: Option<u16>,
}

fn start_timeout() -> u64 {
    20
}

impl Default for ServerSetting {
    fn default() -> Self {
        Self {
            sandbox: None,
            command: None,
            args: Vec::new(),
            cwd: None,
            env: BTreeMap::new(),
            url: None,
            headers: BTreeMap::new(),
            oauth: OauthSetting::default(),
            start_timeout: start_timeout(),
        }
    }
}

// The values of variables and headers are secrets as often as not; so is the query of a URL.
impl std::fmt::Debug for ServerSetting {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("ServerSetting")
            .field("sandbox", &self.sandbox)
            .field("command", &self.command)
            .field("env", &self.env.keys())
            .field("headers", &self.headers.keys())
            .finish_non_exhaustive()
    }
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

/// All settings, resolved.
#[derive(Debug, Clone)]
pub struct Config {
    /// The project's folder, if there is one.
    pub project: Option<PathBuf>,
    /// State, sandbox world, secrets, logs.
    pub data: PathBuf,
    /// The user's own files (patterns, prompts).
    pub user: PathBuf,
    /// The servers that may be used, in the order of the files. Which of the registered ones that are is settled in `registry`.
    pub servers: IndexMap<ServerName, ServerSetting>,
    /// Every entry that names a server, wherever it stands.
    pub registered: Vec<Registered>,
    /// Whether the simulated servers are there besides others; only if nothing else is configured when nothing is said.
    pub sandbox: Option<bool>,
    /// What was reviewed. Never below the project's folder, where a repository could bring its own.
    pub trust: PathBuf,
    /// What is wrong with files of other clients.
    pub problems: Vec<Diagnostic>,
    /// The model.
    pub model: Option<ModelSetting>,
    /// Calls in flight on one server.
    pub per_server: usize,
    /// Calls in flight in all.
    pub overall: usize,
    /// Longest silence within a call, in seconds.
    pub call_idle: u64,
    /// Longest call, in seconds.
    pub call_total: u64,
    /// The operator's rules for automatic approval. Never from the project file: a model may write there.
    pub auto_approve: Vec<Rule>,
    /// The sandbox takes realistic time.
    pub sandbox_latency: bool,
    /// Every value and where it came from.
    pub settings: Vec<Setting>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    #[serde(default)]
    model: ModelFile,
    #[serde(default)]
    limits: LimitsFile,
    #[serde(default, deserialize_with = "sandbox_file")]
    sandbox: SandboxFile,
    #[serde(default)]
    servers: IndexMap<toml::Spanned<String>, ServerSetting>,
    #[serde(default)]
    auto_approve: Vec<Rule>,
    data: Option<PathBuf>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
struct ModelFile {
    base_url: Option<String>,
    name: Option<String>,
    key_variable: Option<String>,
    timeout: Option<u64>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
struct LimitsFile {
    per_server: Option<usize>,
    overall: Option<usize>,
    call_idle: Option<u64>,
    call_total: Option<u64>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
struct SandboxFile {
    /// The simulated servers are there besides the others.
    servers: Option<bool>,
    latency: Option<bool>,
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

/// What the flags say.
#[derive(Debug, Clone, Default)]
pub struct Flags {
    /// `-C`, or the folder in which the program was started.
    pub directory: PathBuf,
    /// `--profile`.
    pub profile: Option<String>,
}

/// A file that was found, with its text.
#[derive(Debug, Clone)]
pub struct FoundFile {
    /// Where.
    pub path: PathBuf,
    /// What it says.
    pub text: String,
}

/// The project folder: the nearest one upwards with a `swell.toml` or a `.swell`.
pub fn project_of(directory: &Path) -> Option<PathBuf> {
    directory.ancestors().find(|d| d.join("swell.toml").is_file() || d.join(".swell").is_dir()).map(Path::to_owned)
}

/// Puts the layers together. All problems of the files are reported together.
pub fn load(
    flags: &Flags,
    env: &Environment,
    home: &Path,
    user: Option<&FoundFile>,
    project: Option<&FoundFile>,
) -> Result<Config, Vec<Diagnostic>> {
    let mut problems = Vec::new();
    let mut settings = Settings::default();
    let mut read = |found: Option<&FoundFile>| {
        found.and_then(|f| parse(f).map_err(|d| problems.push(d)).ok().map(|file| (file, f.path.display().to_string())))
    };
    let files: Vec<(File, String)> = [read(user), read(project)].into_iter().flatten().collect();
    let own_data = env
        .get("SWELL_DATA")
        .map(PathBuf::from)
        .or_else(|| files.iter().find(|(_, path)| user.is_some_and(|u| u.path.display().to_string() == *path))?.0.data.clone());
    let trust = own_data.unwrap_or_else(|| home.join(".local/share/swell")).join("trust.json");
    if !problems.is_empty() {
        return Err(problems);
    }
    let from_project = project.map(|f| f.path.display().to_string());

    let root = project_of(&flags.directory);
    let built_in_data = match &root {
        Some(p) => p.join(".swell"),
        None => home.join(".local/share/swell"),
    };
    let mut data = settings.take(
        "data",
        built_in_data,
        &files,
        |f| f.data.clone(),
        env,
        "SWELL_DATA",
        |v| Some(PathBuf::from(v)),
        |v| v.display().to_string(),
    );
    if let Some(profile) = flags.profile.clone().or_else(|| env.get("SWELL_PROFILE").cloned()) {
        if crate::domain::DeploymentName::new(profile.as_str()).is_err() {
            return Err(vec![
                Diagnostic::error("config::bad-profile", "A profile's name is not acceptable")
                    .fact("profile", profile)
                    .detail("A profile's name has letters, digits, `-` and `_` only.")
                    .exit(crate::diagnostic::ExitClass::Usage),
            ]);
        }
        data = data.join("profiles").join(&profile);
        settings.note("profile", &profile, "--profile or SWELL_PROFILE");
    }
    let number = |v: &str| v.parse::<u64>().ok();
    let per_server = settings.take(
        "limits.per_server",
        4,
        &files,
        |f| f.limits.per_server,
        env,
        "SWELL_PER_SERVER",
        |v| v.parse().ok().filter(|n| *n > 0),
        ToString::to_string,
    );
    let overall = settings.take(
        "limits.overall",
        16,
        &files,
        |f| f.limits.overall,
        env,
        "SWELL_OVERALL",
        |v| v.parse().ok().filter(|n| *n > 0),
        ToString::to_string,
    );
    let call_idle =
        settings.take("limits.call_idle", 120, &files, |f| f.limits.call_idle, env, "SWELL_CALL_IDLE", number, ToString::to_string);
    let call_total =
        settings.take("limits.call_total", 1800, &files, |f| f.limits.call_total, env, "SWELL_CALL_TOTAL", number, ToString::to_string);
    let sandbox_latency = settings.take(
        "sandbox.latency",
        false,
        &files,
        |f| f.sandbox.latency,
        env,
        "SWELL_SANDBOX_LATENCY",
        |v| v.parse().ok(),
        ToString::to_string,
    );
    let model = model(&mut settings, &files, env);

    let sandbox = settings.take(
        "sandbox.servers",
        None,
        &files,
        |f| f.sandbox.servers.map(Some),
        env,
        "SWELL_SANDBOX",
        |v| v.parse().ok().map(Some),
        |v| v.map_or_else(|| "only when no server is configured".to_owned(), |on| on.to_string()),
    );

    let (mut registered, mut auto_approve) = (Vec::new(), Vec::new());
    for (file, path) in files {
        let of = |found: &&FoundFile| found.path.display().to_string() == path;
        let (layer, text) = match project.filter(of) {
            Some(project) => (Layer::Project, project.text.as_str()),
            None => (Layer::User, user.map_or("", |u| u.text.as_str())),
        };
        for (name, server) in file.servers {
            let place = Source::locate(&path, text, name.span().start, name.span().len(), "");
            match entry(name.get_ref(), server, Origin { layer, file: path.clone(), line: place.line }) {
                Ok(entry) => registered.push(entry),
                Err(d) => problems.push(d.source(Some(place))),
            }
        }
        if !file.auto_approve.is_empty() && Some(&path) == from_project.as_ref() {
            problems.push(
                Diagnostic::error("config::auto-approve", "Automatic approval stands in a project's file")
                    .fact("file", path.clone())
                    .detail("Rules for automatic approval are the operator's: a file in a project can be written by a model or by anyone who sends a change to it.")
                    .state("Nothing was done.")
                    .hint(format!("Move the rule to {}.", home.join(".config/swell/config.toml").display())),
            );
        } else {
            auto_approve.extend(file.auto_approve);
        }
    }
    let folder = root.as_deref().unwrap_or(&flags.directory);
    let from_environment = discover::environment::read(&discover::Surroundings { os: discover::Os::current(), home, env, folder });
    registered.extend(from_environment.servers);
    registered.sort_by_key(|r| r.origin.layer);
    let mut servers = IndexMap::new();
    for r in &registered {
        servers.entry(r.name.clone()).or_insert_with(|| {
            settings.note(&format!("servers.{}", r.name), &r.setting.how(), &r.origin.place());
            r.setting.clone()
        });
    }
    if sandbox.unwrap_or(servers.is_empty()) {
        for (server, setting) in simulated() {
            if !servers.contains_key(&server) {
                settings.note(&format!("servers.{server}"), &setting.how(), "built-in");
                servers.insert(server, setting);
            }
        }
    }
    if !problems.is_empty() {
        return Err(problems);
    }
    settings.note(
        "auto_approve",
        &format!("{} rule(s)", auto_approve.len()),
        if auto_approve.is_empty() { "built-in" } else { "the user's file" },
    );
    Ok(Config {
        project: root,
        data,
        user: home.join(".config/swell"),
        servers,
        registered,
        sandbox,
        trust,
        problems: from_environment.problems,
        model,
        per_server,
        overall,
        call_idle,
        call_total,
        auto_approve,
        sandbox_latency,
        settings: settings.all,
    })
}

/// The simulated servers that are there when nothing is configured.
pub const SANDBOX_SERVERS: [&str; 4] = ["opnsense", "aws", "docker", "kubernetes"];

/// The simulated servers under their own names.
pub fn simulated() -> impl Iterator<Item = (ServerName, ServerSetting)> {
    SANDBOX_SERVERS.iter().filter_map(|name| {
        let setting = ServerSetting { sandbox: Some((*name).to_owned()), ..ServerSetting::default() };
        Some((ServerName::new(*name).ok()?, setting))
    })
}

fn entry(name: &str, server: ServerSetting, origin: Origin) -> Result<Registered, Diagnostic> {
    let good = ServerName::new(name)
        .map_err(|e| Diagnostic::error("config::server-name", "A server's name is not acceptable").detail(format!("{e}.")))?;
    if server.sandbox.is_none() && server.url.is_none() && server.command.is_none() {
        return Err(Diagnostic::error("config::server", "A server's entry says nothing about how to reach it")
            .fact("server", name)
            .detail("It needs one of `command`, `url` or `sandbox`."));
    }
    Ok(Registered::new(good, origin, server))
}

impl ServerSetting {
    /// In a few words how it is reached; nothing of a URL behind its path.
    pub fn how(&self) -> String {
        match (&self.sandbox, &self.url, &self.command) {
            (Some(kind), ..) => format!("sandbox {kind}"),
            (_, Some(url), _) => shown_url(url),
            (_, _, Some(command)) => command.clone(),
            _ => String::new(),
        }
    }
}

/// A URL without what people put keys into: user, password, and the values of its query.
pub fn shown_url(url: &str) -> String {
    let (front, query) = match url.split_once(['?', '#']) {
        Some((front, query)) => (front, Some(query)),
        None => (url, None),
    };
    let front = match front.split_once("://") {
        Some((scheme, rest)) => {
            let (host, path) = rest.split_once('/').map_or((rest, String::new()), |(h, p)| (h, format!("/{p}")));
            match host.rsplit_once('@') {
                Some((_, host)) => format!("{scheme}://‹hidden›@{host}{path}"),
                None => format!("{scheme}://{host}{path}"),
            }
        }
        None => front.to_owned(),
    };
    let names = |q: &str| {
        let names = q.split('&').map(|part| part.split_once('=').map_or_else(|| "‹hidden›".to_owned(), |(n, _)| format!("{n}=‹hidden›")));
        names.collect::<Vec<_>>().join("&")
    };
    query.map_or_else(|| front.clone(), |q| format!("{front}?{}", names(q)))
}

fn model(settings: &mut Settings, files: &[(File, String)], env: &Environment) -> Option<ModelSetting> {
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

#[derive(Default)]
struct Settings {
    all: Vec<Setting>,
}

impl Settings {
    fn note(&mut self, key: &str, value: &str, from: &str) {
        self.all.push(Setting { key: key.to_owned(), value: value.to_owned(), from: from.to_owned() });
    }

    #[expect(clippy::too_many_arguments, reason = "one call for each setting; the arguments are the layers")]
    fn take<T>(
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

fn parse(found: &FoundFile) -> Result<File, Diagnostic> {
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

#[cfg(test)]
mod tests {
    use super::*;

    fn file(path: &str, text: &str) -> FoundFile {
        FoundFile { path: path.into(), text: text.into() }
    }

    fn flags() -> Flags {
        Flags { directory: "/nowhere".into(), profile: None }
    }

    #[test]
    fn nothing_configured_is_the_sandbox() {
        let config = load(&flags(), &Environment::new(), Path::new("/home/x"), None, None).unwrap();
        assert_eq!(config.servers.keys().map(ServerName::as_str).collect::<Vec<_>>(), SANDBOX_SERVERS);
        assert_eq!(config.data, Path::new("/home/x/.local/share/swell"));
        assert!(config.model.is_none());
    }

    #[test]
    fn later_layers_win_and_say_so() {
        let env = Environment::from([("SWELL_OVERALL".into(), "3".into())]);
        let config = load(
            &flags(),
            &env,
            Path::new("/h"),
            Some(&file("user.toml", "[limits]\nper_server = 2\noverall = 9")),
            Some(&file("swell.toml", "[limits]\nper_server = 7")),
        )
        .unwrap();
        assert_eq!((config.per_server, config.overall), (7, 3));
        let from = |key: &str| config.settings.iter().find(|s| s.key == key).unwrap().from.clone();
        assert_eq!(from("limits.per_server"), "swell.toml");
        assert_eq!(from("limits.overall"), "environment SWELL_OVERALL");
    }

    #[test]
    fn a_typing_error_is_shown_where_it_is() {
        let problems =
            load(&flags(), &Environment::new(), Path::new("/h"), None, Some(&file("swell.toml", "[limits]\nper_servr = 7\n"))).unwrap_err();
        assert_eq!(problems[0].source.as_ref().unwrap().line, 2);
        assert_eq!(problems[0].hints[0].text, "Did you mean `per_server`?");
    }

    #[test]
    fn a_project_cannot_approve_itself() {
        let text = "[[auto_approve]]\ndeployments = [\"*\"]\nactions = [\"create\"]\nmax_steps = 9\nuntil = \"2030-01-01T00:00:00Z\"\n";
        assert_eq!(
            load(&flags(), &Environment::new(), Path::new("/h"), None, Some(&file("swell.toml", text))).unwrap_err()[0].code,
            "config::auto-approve"
        );
        assert_eq!(load(&flags(), &Environment::new(), Path::new("/h"), Some(&file("u.toml", text)), None).unwrap().auto_approve.len(), 1);
    }

    #[test]
    fn a_key_is_never_among_the_settings() {
        let env = Environment::from([
            ("SWELL_MODEL_URL".into(), "http://localhost:1/v1".into()),
            ("SWELL_MODEL".into(), "m".into()),
            ("SWELL_MODEL_KEY".into(), "sk-canary-123456".into()),
        ]);
        let config = load(&flags(), &env, Path::new("/h"), None, None).unwrap();
        assert!(config.model.is_some());
        assert!(!format!("{config:?}").contains("canary"));
    }
}
