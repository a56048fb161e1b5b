//! The composition root: puts servers, state, patterns, parsers, secrets and a face together from the configuration.
//!
//! Only this module reads the clock and makes ids; the environment and the folders are handed in by `main`.

use std::{
    path::PathBuf,
    sync::{Arc, OnceLock, atomic::AtomicUsize},
    time::Duration,
};

use tokio::sync::watch;

use crate::{
    config::{Config, Environment, Registered},
    diagnostic::{Diagnostic, Explain, Failure},
    domain::{Action, Address, Clock, ServerName, Timestamp, ToolName},
    event::{Event, Sink},
    intent::{llm::LlmParser, offline::OfflineParser},
    mcp::{
        AnyServer, ConnectError, Library, ResourceServer, Servers,
        connection::{ConnectOptions, Connection},
    },
    pattern::Catalog,
    policy::Policies,
    registry::{Registry, State, quarantined},
    review::Human,
    secret::{Redactor, SecretStore},
    store::Store,
    trust::{Standing, TrustFile, Why},
};

mod browser;

mod elicit;

mod endpoint;

mod parsers;

mod runs;

mod sampling;

pub use browser::opener;
pub use endpoint::world_folder;
pub use parsers::{LiveModel, ParserKind};
pub use runs::{Others, Running};

use endpoint::endpoint;

/// How long servers may take to answer before a person is told that they are waited for.
const PATIENCE: Duration = Duration::from_millis(300);

/// The real clock.
pub struct SystemClock;

impl Clock for SystemClock {
    fn now(&self) -> Timestamp {
        #[expect(clippy::disallowed_methods, reason = "the one place that reads the clock")]
        Timestamp::now()
    }
}

/// What the flags of the command line allow.
#[derive(Debug, Clone, Default)]
pub struct Allowed {
    /// `--read-only`.
    pub read_only: bool,
    /// `--yes`.
    pub yes: bool,
    /// `--max-destroy`.
    pub max_destroy: Option<usize>,
}

/// Who and where we are.
#[derive(Debug, Clone)]
pub struct Identity {
    /// `user@host`.
    pub who: String,
    /// The host.
    pub host: String,
    /// This process.
    pub pid: u32,
}

/// Everything that `main` knows and hands in.
pub struct Parts {
    /// The settings.
    pub config: Config,
    /// The environment.
    pub environment: Environment,
    /// What the flags allow.
    pub allowed: Allowed,
    /// Who we are.
    pub identity: Identity,
    /// Time.
    pub clock: Arc<dyn Clock>,
    /// Where events go.
    pub sink: Arc<dyn Sink>,
    /// Who answers.
    pub human: Arc<dyn Human>,
    /// Which parser was asked for on the command line.
    pub parser: Option<ParserKind>,
    /// 0, 1 or 2: how far the person wants to stop.
    pub stop: watch::Receiver<u8>,
}

/// The program, put together.
pub struct App {
    parts: Parts,
    store: Store,
    servers: Servers,
    connections: Vec<Arc<AnyServer>>,
    bindings: Arc<Library>,
    registry: Registry,
    trust: TrustFile,
    catalog: OnceLock<Catalog>,
    policies: OnceLock<Policies>,
    offline: OnceLock<OfflineParser>,
    secrets: Arc<SecretStore>,
    model: OnceLock<Option<LlmParser>>,
    chosen: std::sync::Mutex<Option<ParserKind>>,
    runs: AtomicUsize,
}

impl App {
    /// Opens the state and names the servers. No server is started before its first use.
    pub async fn open(parts: Parts) -> Result<Self, Failure> {
        let data = parts.config.data.clone();
        let store = Store::open(data.join("state.db"), parts.clock.clone()).await?;
        let secrets = Arc::new(SecretStore::new(parts.environment.clone(), data.join("secrets.json"), Redactor::default()));
        let parser = parts.parser;
        let trust = TrustFile::new(parts.config.trust.clone());
        let mut registry = Registry::settle(&parts.config.registered, parts.config.sandbox, &trust.load());
        let mut servers = Servers::default();
        let mut connections = Vec::new();
        let bindings = Arc::new(Library::load(&folders(&parts.config, "bindings")));
        for row in &mut registry.rows {
            let State::Active(standing) = &row.state else { continue };
            let setting = &row.entry.setting;
            // One server that cannot be set up takes nothing from the others.
            let endpoint = match endpoint(&row.entry.name, setting, &parts, &secrets) {
                Ok(endpoint) => endpoint,
                Err(d) => {
                    row.state = State::Unusable(d.detail.trim_end_matches('.').to_owned());
                    continue;
                }
            };
            let guard = match standing {
                Standing::Reviewed(reviewed) => Some(Arc::new(reviewed.guard())),
                _ => None,
            };
            let options = ConnectOptions {
                timeout: Duration::from_secs(setting.start_timeout),
                ask: elicit::asker(&parts.human),
                guard,
                roots: endpoint::roots(setting, &parts),
                max_calls: setting.max_calls.map(usize::from),
                sampling: sampling::allowance(setting, &parts, &secrets),
                reading: Some(reading(&parts.config)),
            };
            let server = Arc::new(AnyServer::new(Connection::new(row.entry.name.clone(), endpoint, options), bindings.clone()));
            servers.insert(server.clone());
            connections.push(server);
        }
        let mut parts = parts;
        parts.config.servers = registry.active();
        Ok(Self {
            parts,
            store,
            servers,
            connections,
            registry,
            trust,
            bindings,
            catalog: OnceLock::new(),
            policies: OnceLock::new(),
            offline: OnceLock::new(),
            secrets,
            model: OnceLock::new(),
            chosen: std::sync::Mutex::new(parser),
            runs: AtomicUsize::new(0),
        })
    }

    /// The state.
    pub fn store(&self) -> &Store {
        &self.store
    }

    /// The servers.
    pub fn servers(&self) -> &Servers {
        &self.servers
    }

    /// The connections beneath, for `servers doctor` and closing.
    pub fn connections(&self) -> &[Arc<AnyServer>] {
        &self.connections
    }

    /// Every server that is registered, and how each stands.
    pub fn registry(&self) -> &Registry {
        &self.registry
    }

    /// What was reviewed.
    pub fn trust(&self) -> &TrustFile {
        &self.trust
    }

    /// A connection of its own to a registered server, with nothing held against its tools: for its review, after the person's yes.
    pub fn connection_for_review(&self, entry: &Registered) -> Result<Arc<Connection>, Failure> {
        let endpoint = endpoint(&entry.name, &entry.setting, &self.parts, &self.secrets).map_err(|d| Failure::from(*d))?;
        let options = ConnectOptions {
            timeout: Duration::from_secs(entry.setting.start_timeout),
            reading: Some(reading(&self.parts.config)),
            ..ConnectOptions::default()
        };
        Ok(Connection::new(entry.name.clone(), endpoint, options))
    }

    /// Why a server that did not answer is of no use to a plan, if more can be said than that.
    pub async fn why_not(&self, name: &ServerName) -> Option<Diagnostic> {
        let connection = self.connections.iter().find(|s| s.connection().name() == name)?.connection();
        if connection.has_other_tools() {
            return Some(quarantined(&self.registry.find(name.as_str())?.entry, &Why::Tools));
        }
        if let Err(e @ ConnectError::Auth { .. }) = connection.connect().await {
            return Some(e.explain());
        }
        let tools = connection.tools().await.ok()?;
        let bound = self.servers.get(name)?.types().await.is_ok_and(|t| !t.is_empty());
        if bound || crate::mcp::tools::speaks_protocol(&tools.tools) {
            return None;
        }
        Some(
            Diagnostic::error("server::no-types", "A server has no types")
                .server(name)
                .fact("server", name.to_string())
                .detail(format!(
                    "It offers {} tools, and neither are they those of the cross-MCP protocol nor does a binding say how they make resources.",
                    tools.tools.len()
                ))
                .state("Nothing was planned.")
                .next("See what it can do:", format!("swell servers tools {name}")),
        )
    }

    /// A server by name.
    pub fn server(&self, name: &ServerName) -> Result<&Arc<dyn ResourceServer>, Failure> {
        self.servers.get(name).ok_or_else(|| {
            if let Some(held) = self.registry.held(name) {
                return held.into();
            }
            let all: Vec<&str> = self.servers.names().map(ServerName::as_str).collect();
            let mut d = Diagnostic::error("server::unknown", "There is no such server")
                .fact("server", name.to_string())
                .detail(format!("Registered are: {}.", all.join(", ")))
                .state("Nothing was changed.");
            if let Some(near) = crate::domain::name::nearest(name.as_str(), all) {
                d = d.hint(format!("Did you mean `{near}`?"));
            }
            d.next("See all servers:", "swell servers list").into()
        })
    }

    /// The types of every server that answers; says so when one keeps us waiting.
    pub async fn types(&self) -> crate::mcp::Types {
        let asked = self.types_quietly();
        tokio::pin!(asked);
        match tokio::time::timeout(PATIENCE, &mut asked).await {
            Ok(types) => types,
            Err(_) => {
                let total = self.connections.len();
                self.sink().emit(Event::Working { what: "connecting", done: 0, total });
                let types = asked.await;
                self.sink().emit(Event::Working { what: "connecting", done: total, total });
                types
            }
        }
    }

    /// The same without a word, while a person types.
    pub async fn types_quietly(&self) -> crate::mcp::Types {
        let asked = futures::future::join_all(self.servers.iter().map(|s| async move { (s.name().clone(), s.types().await) })).await;
        asked.into_iter().filter_map(|(name, types)| types.ok().map(|t| (name, t))).collect()
    }

    /// The patterns: shipped, the user's, the project's.
    pub fn catalog(&self) -> &Catalog {
        self.catalog.get_or_init(|| Catalog::load(&self.folders("patterns")))
    }

    /// The policies: shipped, the user's, the project's.
    pub fn policies(&self) -> &Policies {
        self.policies.get_or_init(|| {
            Policies::load(&self.folders("policies")).unwrap_or_else(|failure| {
                failure.0.into_iter().for_each(|d| self.sink().emit(Event::Warning { diagnostic: Box::new(d) }));
                Policies::shipped()
            })
        })
    }

    /// Folders of the user and of the project that hold one kind of file, lowest layer first.
    pub fn folders(&self, what: &str) -> Vec<PathBuf> {
        folders(&self.parts.config, what)
    }

    /// The bindings: shipped, the user's, the project's.
    pub fn bindings(&self) -> &Arc<Library> {
        &self.bindings
    }

    /// Secrets.
    pub fn secrets(&self) -> &Arc<SecretStore> {
        &self.secrets
    }

    /// Settings.
    pub fn config(&self) -> &Config {
        &self.parts.config
    }

    /// What the flags allow.
    pub fn flags(&self) -> &Allowed {
        &self.parts.allowed
    }

    /// Where events go.
    pub fn sink(&self) -> &dyn Sink {
        self.parts.sink.as_ref()
    }

    /// Who answers.
    pub fn human(&self) -> &dyn Human {
        self.parts.human.as_ref()
    }

    /// `user@host`.
    pub fn who(&self) -> &str {
        &self.parts.identity.who
    }

    /// The clock.
    pub fn clock(&self) -> &Arc<dyn Clock> {
        &self.parts.clock
    }

    /// The time.
    pub fn now(&self) -> Timestamp {
        self.clock().now()
    }

    /// A new id, in the order of time.
    pub fn new_id(&self) -> String {
        uuid::Uuid::now_v7().to_string()
    }

    /// Standard input, whole.
    pub fn stdin_text(&self) -> Result<String, Failure> {
        std::io::read_to_string(std::io::stdin().lock())
            .map_err(|e| crate::diagnostic::usage(&format!("standard input cannot be read: {e}")))
    }

    /// The tool that an action would call.
    pub fn tool(&self, address: &Address, action: Action) -> ToolName {
        match self.servers.get(&address.server) {
            Some(server) => server.tool(&address.kind, action),
            None => ToolName::new("unregistered").unwrap_or_else(|_| unreachable!("a constant name is good")),
        }
    }

    /// The folder of the sandbox's world.
    pub fn world_folder(&self) -> PathBuf {
        world_folder(&self.parts.config.data)
    }

    /// Ends the connections. A server that showed other tools than were reviewed is remembered, so that it is not even started next time.
    pub async fn close(&self) {
        for server in self.connections.iter().filter(|s| s.connection().has_other_tools()) {
            let name = server.connection().name();
            let Some(row) = self.registry.find(name.as_str()) else { continue };
            if let Err(error) = self.trust.update(|t| t.suspend(name, &row.entry.origin.file)) {
                self.sink().emit(Event::Warning { diagnostic: Box::new(error.explain()) });
            }
        }
        futures::future::join_all(self.connections.iter().map(|s| s.connection().close())).await;
        self.store.close().await;
    }
}

/// How long a question to a server may take: its longest silence, and in all.
fn reading(config: &Config) -> (Duration, Duration) {
    (Duration::from_secs(config.read_idle), Duration::from_secs(config.read_total))
}

fn folders(config: &Config, what: &str) -> Vec<PathBuf> {
    let mut all = vec![config.user.join(what)];
    all.extend(config.project.as_ref().map(|p| p.join(".swell").join(what)));
    all
}
