//! The composition root: puts servers, state, patterns, parsers, secrets and a face together from the configuration.
//!
//! Only this module reads the clock and makes ids; the environment and the folders are handed in by `main`.

use std::{
    path::{Path, PathBuf},
    sync::{
        Arc, OnceLock,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use secrecy::SecretString;
use tokio::sync::watch;

use crate::{
    apply,
    config::{Config, Environment, Registered, ServerSetting},
    diagnostic::{Diagnostic, Explain, Failure},
    domain::{Action, Address, Clock, DeploymentName, Scope, ServerName, Timestamp, ToolName},
    event::{Event, Sink},
    intent::{Frame, World, llm::LlmParser, offline::OfflineParser},
    llm::{
        Budget,
        http::{HttpLlm, ModelConfig, RetryPolicy},
        prompt::Prompts,
    },
    mcp::{
        AnyServer, Library, ResourceServer, Servers,
        connection::{ConnectOptions, Connection, Endpoint},
        http::HttpSpec,
        process::ProcessSpec,
    },
    pattern::Catalog,
    plan::refresh::OtherDeployments,
    policy::Policies,
    registry::{Registry, State, quarantined},
    review::Human,
    sandbox::{self, SandboxOptions},
    secret::{Redactor, SecretStore},
    store::{Claim, Lock, Recorded, Store},
    trust::{Standing, TrustFile, Why},
};

/// How long a lock holds without being renewed.
const LEASE: Duration = Duration::from_secs(30);

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

/// Which parser was asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ParserKind {
    /// The built-in one.
    Offline,
    /// The model.
    Model,
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

/// A run goes on while this lives.
pub struct Running<'a> {
    app: &'a App,
}

impl Drop for Running<'_> {
    fn drop(&mut self) {
        self.app.runs.fetch_sub(1, Ordering::SeqCst);
    }
}

/// No model is configured, and something needs one.
fn no_model() -> Failure {
    Failure::from(
        Diagnostic::error("model::none", "No model is configured")
            .detail("This needs a model.")
            .state("Nothing was changed.")
            .next("Say which, for any OpenAI-compatible server:", "export SWELL_MODEL_URL=http://localhost:11434/v1 SWELL_MODEL=llama3.1"),
    )
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
            let options = ConnectOptions { timeout: Duration::from_secs(setting.start_timeout), ask: None, guard };
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
        let options = ConnectOptions { timeout: Duration::from_secs(entry.setting.start_timeout), ..ConnectOptions::default() };
        Ok(Connection::new(entry.name.clone(), endpoint, options))
    }

    /// Why a server that did not answer is of no use to a plan, if more can be said than that.
    pub async fn why_not(&self, name: &ServerName) -> Option<Diagnostic> {
        let connection = self.connections.iter().find(|s| s.connection().name() == name)?.connection();
        if connection.has_other_tools() {
            return Some(quarantined(&self.registry.find(name.as_str())?.entry, &Why::Tools));
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

    /// The offline parser, trained on the catalogue.
    pub fn offline(&self) -> &OfflineParser {
        self.offline.get_or_init(|| OfflineParser::new(&self.catalog().entries()))
    }

    /// What a request means: the model if one is configured (and wanted), else the offline parser, which is also what answers when
    /// the model cannot be reached.
    pub async fn understand(&self, text: &str, world: &World) -> Frame {
        let Some(model) = self.model().filter(|_| self.chosen() != Some(ParserKind::Offline)) else {
            return self.offline().parse(text, world);
        };
        match model.parse(text, world).await {
            Ok(mut frame) => {
                // The built-in guard looks at every request, whatever a model makes of it.
                frame.injection |= self.offline().parse(text, world).injection;
                frame
            }
            Err(error) => {
                let mut frame = self.offline().parse(text, world);
                frame.notes.push(format!("the model did not answer ({error}); the offline parser did"));
                frame
            }
        }
    }

    /// Which parser was asked for; none if nobody chose.
    pub fn chosen(&self) -> Option<ParserKind> {
        *self.chosen.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
    }

    /// Chooses the parser for the requests from now on.
    pub fn choose(&self, parser: ParserKind) {
        *self.chosen.lock().unwrap_or_else(std::sync::PoisonError::into_inner) = Some(parser);
    }

    /// The configured model, without a parser around it: client, prompts, name.
    pub fn live_model(&self) -> Result<(Arc<dyn crate::llm::Llm>, Arc<Prompts>, String), Failure> {
        let Some(setting) = &self.config().model else { return Err(no_model()) };
        let config = ModelConfig {
            base_url: setting.base_url.clone(),
            model: setting.model.clone(),
            key: setting.key.clone(),
            headers: Vec::new(),
            timeout: Some(Duration::from_secs(setting.timeout)),
        };
        let llm = HttpLlm::new(&config, Budget::default(), RetryPolicy::default())?;
        let prompts = Prompts::load(&self.folders("prompts"))?;
        Ok((Arc::new(llm), Arc::new(prompts), setting.model.clone()))
    }

    /// The parser that asks the configured model; none if no model is configured or its settings are bad (which is said).
    pub fn model(&self) -> Option<&LlmParser> {
        let make = || -> Result<Option<LlmParser>, Failure> {
            if self.config().model.is_none() {
                return Ok(None);
            }
            let (llm, prompts, name) = self.live_model()?;
            Ok(Some(LlmParser::new(llm, prompts, name, self.catalog().entries())))
        };
        let made = self.model.get_or_init(|| {
            make().unwrap_or_else(|failure| {
                failure.0.into_iter().for_each(|d| self.sink().emit(Event::Warning { diagnostic: Box::new(d) }));
                None
            })
        });
        made.as_ref()
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

    /// The chosen parser, for evals.
    pub fn parser(&self) -> Result<&dyn crate::intent::Parser, Failure> {
        match (self.chosen(), self.model()) {
            (Some(ParserKind::Model), Some(model)) => Ok(model),
            (Some(ParserKind::Model), None) => Err(no_model()),
            _ => Ok(self.offline()),
        }
    }

    /// Marks a run as going on, until the guard is dropped.
    pub fn running(&self) -> Running<'_> {
        self.runs.fetch_add(1, Ordering::SeqCst);
        Running { app: self }
    }

    /// Whether a run goes on.
    pub fn is_running(&self) -> bool {
        self.runs.load(Ordering::SeqCst) > 0
    }

    /// Takes the lock of a deployment; says when it was taken over from a dead holder.
    pub async fn lock(&self, deployment: &DeploymentName, what: &str) -> Result<Lock, Failure> {
        let id = &self.parts.identity;
        let claim = Claim { who: id.who.clone(), host: id.host.clone(), pid: id.pid, what: what.to_owned() };
        let lock = self.store.lock(deployment, claim, LEASE).await?;
        if let Some(dead) = lock.taken_from() {
            let text =
                format!("the lock of `{deployment}` was taken over from {} ({}, process {}), which is gone", dead.who, dead.what, dead.pid);
            self.sink().emit(Event::Notice { text });
        }
        Ok(lock)
    }

    /// What other deployments recorded.
    pub fn others(&self) -> Others<'_> {
        Others { store: &self.store }
    }

    /// Bounds of a run, from the settings.
    pub fn apply_options(&self, options: apply::RunOptions) -> apply::Options {
        let config = self.config();
        apply::Options {
            per_server: config.per_server,
            overall: config.overall,
            timing: apply::Timing {
                idle: Duration::from_secs(config.call_idle),
                total: Duration::from_secs(config.call_total),
                ..apply::Timing::default()
            },
            strict_waves: options.strict_waves,
            hold_after: options.hold_after,
            hold: self.parts.human.present().then(|| {
                let human = self.parts.human.clone();
                let ask: Box<dyn Fn(usize) -> futures::future::BoxFuture<'static, bool> + Send + Sync> = Box::new(move |wave| {
                    let human = human.clone();
                    Box::pin(async move { human.go_on(wave).await })
                });
                ask
            }),
            stop: self.parts.stop.clone(),
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

fn folders(config: &Config, what: &str) -> Vec<PathBuf> {
    let mut all = vec![config.user.join(what)];
    all.extend(config.project.as_ref().map(|p| p.join(".swell").join(what)));
    all
}

/// Where the sandbox's world lies below the data folder.
pub fn world_folder(data: &Path) -> PathBuf {
    data.join("sandbox")
}

/// The error is boxed because it is large and rare.
fn endpoint(name: &ServerName, setting: &ServerSetting, parts: &Parts, secrets: &SecretStore) -> Result<Endpoint, Box<Diagnostic>> {
    if let Some(kind) = &setting.sandbox {
        if !sandbox::SERVERS.contains(&kind.as_str()) {
            return Err(Box::new(
                Diagnostic::error("config::sandbox", "There is no such simulated server").fact("server", name.to_string()).detail(format!(
                    "`{}` is not one of {}.",
                    crate::domain::text::clean(kind, 40),
                    sandbox::SERVERS.join(", ")
                )),
            ));
        }
        let folder = world_folder(&parts.config.data);
        let (kind, latency) = (kind.clone(), parts.config.sandbox_latency);
        return Ok(Endpoint::Local(Arc::new(move || {
            let world =
                sandbox::World::open(&folder).map_err(|error| tracing::error!(%error, "the sandbox's world cannot be opened")).ok()?;
            let spawned = sandbox::spawn_in_process(&kind, world, SandboxOptions { latency });
            spawned.map_err(|error| tracing::error!(%error, "a simulated server cannot be started")).ok()
        })));
    }
    let fill = |text: &str| fill(text, &parts.environment, secrets).map_err(|e| Box::new(e.server(name)));
    if let Some(url) = &setting.url {
        let headers =
            setting.headers.iter().map(|(k, v)| Ok((k.clone(), SecretString::from(fill(v)?)))).collect::<Result<_, Box<Diagnostic>>>()?;
        return Ok(Endpoint::Http(HttpSpec { url: fill(url)?, headers, bearer: None }));
    }
    let project = parts.config.project.clone();
    let folder = match &setting.cwd {
        Some(cwd) => Some(project.unwrap_or_default().join(fill(cwd)?)),
        None => project,
    };
    Ok(Endpoint::Process(ProcessSpec {
        command: fill(setting.command.as_deref().unwrap_or_default())?,
        args: setting.args.iter().map(|a| fill(a)).collect::<Result<_, _>>()?,
        env: setting.env.iter().map(|(k, v)| Ok((k.clone(), fill(v)?))).collect::<Result<_, Box<Diagnostic>>>()?,
        inherit: parts.environment.clone(),
        folder,
    }))
}

/// Puts `${NAME}` of the environment and `${secret:NAME}` into a server's setting.
fn fill(text: &str, environment: &Environment, secrets: &SecretStore) -> Result<String, Diagnostic> {
    use crate::domain::{Reference, Segment};
    let bad =
        |what: String| Diagnostic::error("config::value", "A server's setting cannot be read").detail(what).state("Nothing was started.");
    let mut out = String::new();
    for segment in crate::domain::reference::parse(text).map_err(|e| bad(format!("{e}.")))? {
        match segment {
            Segment::Literal(literal) => out.push_str(&literal),
            Segment::Reference(Reference::Variable(name)) => {
                out.push_str(environment.get(&name).ok_or_else(|| bad(format!("The environment has no `{name}`.")))?);
            }
            Segment::Reference(Reference::Secret(name)) => {
                out.push_str(crate::secret::expose(&secrets.resolve(&name).map_err(|e| bad(format!("{e}.")))?));
            }
            Segment::Reference(other) => return Err(bad(format!("`{other}` refers to a resource."))),
        }
    }
    Ok(out)
}

/// What other deployments recorded, from the store.
pub struct Others<'a> {
    store: &'a Store,
}

#[async_trait::async_trait]
impl OtherDeployments for Others<'_> {
    async fn find_recorded(&self, address: &Address, scope: &Scope, except: &DeploymentName) -> Vec<(DeploymentName, Recorded)> {
        let all = match self.store.find_recorded(address).await {
            Ok(all) => all,
            Err(error) => {
                // Without the record the reference is dangling, which is said; the cause goes to the log.
                tracing::warn!(%error, "other deployments could not be searched");
                return Vec::new();
            }
        };
        all.into_iter()
            .filter(|(name, _)| match scope {
                Scope::Here => name != except,
                Scope::Deployment(wanted) => name == wanted,
            })
            .collect()
    }
}
