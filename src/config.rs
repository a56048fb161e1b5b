//! Settings in layers: built-in < user file < project file < environment < flags. Every value knows where it came from.
//!
//! Pure: the environment and the files' texts are handed in.

use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
    time::Duration,
};

use indexmap::IndexMap;

use crate::{
    approval::Rule,
    diagnostic::{Diagnostic, Source},
    domain::ServerName,
};

pub mod discover;

mod file;

mod layers;

pub mod origin;

mod server;

pub use file::FoundFile;
pub use layers::{ModelSetting, Setting};
pub use origin::{Layer, Origin, Registered};
pub use server::{GrantSetting, SANDBOX_SERVERS, SamplingSetting, ServerSetting, shown_url, simulated};

use file::{File, parse};
use layers::{Settings, model};
use server::entry;

/// The environment as a map; only `main` reads the real one.
pub type Environment = BTreeMap<String, String>;

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
    /// Longest silence within a call that only reads, in seconds.
    pub read_idle: u64,
    /// Longest call that only reads, in seconds.
    pub read_total: u64,
    /// The operator's rules for automatic approval. Never from the project file: a model may write there.
    pub auto_approve: Vec<Rule>,
    /// The sandbox takes realistic time.
    pub sandbox_latency: bool,
    /// How often the conversation looks, while its prompt waits, for what became unhealthy; none if it does not.
    pub notices: Option<Duration>,
    /// Every value and where it came from.
    pub settings: Vec<Setting>,
}

/// What the flags say.
#[derive(Debug, Clone, Default)]
pub struct Flags {
    /// `-C`, or the folder in which the program was started.
    pub directory: PathBuf,
    /// `--profile`.
    pub profile: Option<String>,
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
    let read_idle =
        settings.take("limits.read_idle", 30, &files, |f| f.limits.read_idle, env, "SWELL_READ_IDLE", number, ToString::to_string);
    let read_total =
        settings.take("limits.read_total", 60, &files, |f| f.limits.read_total, env, "SWELL_READ_TOTAL", number, ToString::to_string);
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
    let notices = settings.take(
        "notices",
        60,
        &files,
        |f| f.notices,
        env,
        "SWELL_NOTICES",
        |v| v.parse().ok(),
        |seconds: &u64| if *seconds == 0 { "off".to_owned() } else { seconds.to_string() },
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
            if layer == Layer::Project && server.sampling != SamplingSetting::Refuse {
                problems.push(sampling_in_project(name.get_ref(), home).source(Some(place)));
                continue;
            }
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
            if let Some(most) = r.setting.max_calls {
                settings.note(&format!("servers.{}.max_calls", r.name), &most.to_string(), &r.origin.place());
            }
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
        read_idle,
        read_total,
        auto_approve,
        sandbox_latency,
        notices: (notices > 0).then(|| Duration::from_secs(notices)),
        settings: settings.all,
    })
}

/// A server that a project brings may not give itself the user's model.
fn sampling_in_project(server: &str, home: &Path) -> Diagnostic {
    Diagnostic::error("config::sampling", "A project's file lets a server use the model")
        .fact("server", crate::domain::text::clean_line(server, 80))
        .detail("That is the operator's to say: a file in a project can be written by a model or by anyone who sends a change to it.")
        .state("Nothing was done.")
        .hint(format!("Put the server with its `sampling` into {}.", home.join(".config/swell/config.toml").display()))
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
    fn a_server_may_bear_few_calls_and_never_none() {
        let text = |most: &str| file("swell.toml", &format!("[servers.x]\ncommand = \"y\"\nmax_calls = {most}\n"));
        let config = load(&flags(), &Environment::new(), Path::new("/h"), None, Some(&text("1"))).unwrap();
        assert_eq!(config.servers[0].max_calls.map(usize::from), Some(1));
        assert!(config.settings.iter().any(|s| s.key == "servers.x.max_calls" && s.value == "1"));
        for bad in ["0", "-1", "\"one\""] {
            let problems = load(&flags(), &Environment::new(), Path::new("/h"), None, Some(&text(bad))).unwrap_err();
            assert_eq!(problems[0].source.as_ref().unwrap().line, 3, "{problems:?}");
        }
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
    fn a_project_cannot_lend_the_model_to_a_server() {
        let text = "[servers.x]\ncommand = \"y\"\nsampling = \"ask\"\n";
        let problems = load(&flags(), &Environment::new(), Path::new("/h"), None, Some(&file("swell.toml", text))).unwrap_err();
        assert_eq!((problems[0].code, problems[0].source.as_ref().unwrap().line), ("config::sampling", 1));
        let config = load(&flags(), &Environment::new(), Path::new("/h"), Some(&file("u.toml", text)), None).unwrap();
        assert_eq!(config.servers[0].sampling, SamplingSetting::Ask);
        let other = "[servers.x]\ncommand = \"y\"\nsampling = \"allow\"\n";
        assert!(
            load(&flags(), &Environment::new(), Path::new("/h"), Some(&file("u.toml", other)), None).is_err(),
            "there is no way without a yes"
        );
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
