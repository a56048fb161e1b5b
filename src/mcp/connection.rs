//! One connection to one server: made on first use, made anew after it was lost, ended with everything that belongs to it.
//!
//! Every transport ends in the same session; what differs between them is here and nowhere else. Whether a call may be sent again
//! is not decided here but in `mcp/call`.

use std::{
    path::PathBuf,
    sync::{Arc, Mutex as StdMutex, PoisonError, atomic::Ordering},
    time::Duration,
};

use rmcp::{
    ClientLifecycleMode, ClientServiceExt,
    model::ProtocolVersion,
    service::{ClientCacheConfig, ClientInitializeError},
};
use tokio::{
    io::DuplexStream,
    sync::{Mutex, Notify},
    time::Instant,
};

use super::{
    ConnectError,
    auth::{AuthSpec, Challenge},
    error::Login,
    gate::Gate,
    handler::{Ask, Handler},
    handshake::{handshake_words, other_lifecycle, with_noise},
    http::{HttpSpec, cause, challenge},
    pins::Guard,
    process::{Process, ProcessSpec},
    raw::Raw,
    sampling::Allowance,
    session::Session,
    watch::Watched,
    wire::{Ledger, LineTransport},
};
use crate::domain::{ServerName, text::clean_line};

/// After a failed attempt, calls fail with the same words for this long instead of trying again one after the other.
const FAILED_FOR: Duration = Duration::from_secs(1);

/// Makes a stream to a server in this process; called again after the connection was lost.
pub type LocalFactory = Arc<dyn Fn() -> Option<DuplexStream> + Send + Sync>;

/// Where a server is.
#[derive(Clone)]
pub enum Endpoint {
    /// A child process that speaks over stdin and stdout.
    Process(ProcessSpec),
    /// A URL.
    Http(HttpSpec),
    /// In this process.
    Local(LocalFactory),
}

/// How to connect.
#[derive(Clone)]
pub struct ConnectOptions {
    /// The longest time until the handshake is done.
    pub timeout: Duration,
    /// Who answers questions of the server. Without one, the server is told that nobody can.
    pub ask: Option<Arc<dyn Ask>>,
    /// Who asks the user's model for the server. Without one, the server is told that nobody does.
    pub sampling: Option<Arc<Allowance>>,
    /// What its tools must be, if a person has reviewed them.
    pub guard: Option<Arc<Guard>>,
    /// Folders that the server is told of when it asks for its roots.
    pub roots: Vec<PathBuf>,
    /// The most calls of tools that are under way at the same time; as many as come if nobody says.
    pub max_calls: Option<usize>,
    /// Longest silence and longest time of a call that only reads; without it, what the call itself says.
    pub reading: Option<(Duration, Duration)>,
}

impl Default for ConnectOptions {
    fn default() -> Self {
        Self { timeout: Duration::from_secs(20), ask: None, guard: None, sampling: None, roots: Vec::new(), max_calls: None, reading: None }
    }
}

/// What a server says about itself, and how we talk.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ServerInfo {
    /// The name it gives itself. Untrusted text, cleaned.
    pub title: String,
    /// Its version. Untrusted text, cleaned.
    pub version: String,
    /// The MCP revision, such as `2025-11-25`.
    pub protocol: String,
    /// Whether resources can be subscribed to.
    pub can_watch: bool,
}

/// One server.
pub struct Connection {
    name: ServerName,
    endpoint: Endpoint,
    options: ConnectOptions,
    session: Mutex<Option<Arc<Session>>>,
    /// The last failure to connect, and when it was.
    failed: StdMutex<Option<(Instant, ConnectError)>>,
    /// What the server said when it last wanted authorization.
    challenged: StdMutex<Option<Challenge>>,
    /// Ends an attempt to connect when the connection is closed meanwhile.
    closing: Notify,
    gate: Gate,
}

impl Connection {
    /// Names a server and where it is. Nothing is started before the first use.
    pub fn new(name: ServerName, endpoint: Endpoint, options: ConnectOptions) -> Arc<Self> {
        Arc::new(Self {
            gate: Gate::new(options.max_calls),
            name,
            endpoint,
            options,
            session: Mutex::new(None),
            failed: StdMutex::default(),
            challenged: StdMutex::default(),
            closing: Notify::new(),
        })
    }

    /// Connects to a server at the other end of a stream. Once lost, it cannot be made anew.
    pub async fn connect_duplex(name: ServerName, stream: DuplexStream, options: ConnectOptions) -> Result<Arc<Self>, ConnectError> {
        let stream = StdMutex::new(Some(stream));
        let take = move || stream.lock().unwrap_or_else(PoisonError::into_inner).take();
        let this = Self::new(name, Endpoint::Local(Arc::new(take)), options);
        this.connect().await?;
        Ok(this)
    }

    /// The name under which the server is registered.
    pub fn name(&self) -> &ServerName {
        &self.name
    }

    /// Longest silence and longest time of a call that only reads, where they are set.
    pub(super) fn reading(&self) -> Option<(Duration, Duration)> {
        self.options.reading
    }

    /// The most calls that may be under way at the same time, as the operator or a binding says.
    pub fn max_calls(&self) -> Option<usize> {
        self.gate.most()
    }

    /// No more than so many calls at the same time, from now on.
    pub(super) fn narrow(&self, most: usize) {
        self.gate.narrow(most);
    }

    pub(super) fn gate(&self) -> &Gate {
        &self.gate
    }

    /// Where the server is.
    pub fn endpoint(&self) -> &Endpoint {
        &self.endpoint
    }

    /// Makes the connection now, if there is none.
    pub async fn connect(&self) -> Result<(), ConnectError> {
        self.session().await.map(drop)
    }

    /// Who the server says it is; `None` while it is not connected.
    pub async fn info(&self) -> Option<ServerInfo> {
        let session = self.session.lock().await.clone()?;
        let info = session.peer.peer_info()?;
        let resources = info.capabilities.resources.as_ref();
        let of_server = info.server_info.as_ref();
        Some(ServerInfo {
            title: clean_line(of_server.map_or("", |i| &i.name), 100),
            version: clean_line(of_server.map_or("", |i| &i.version), 60),
            protocol: info.protocol_version.as_str().to_owned(),
            can_watch: resources.is_some_and(|r| r.subscribe == Some(true)),
        })
    }

    /// The last lines that the server wrote on stderr, and how many lines on stdout were no messages. For `servers doctor`.
    pub async fn diagnostics(&self) -> (Vec<String>, u64) {
        let Some(session) = self.session.lock().await.clone() else {
            let failed = self.failed.lock().unwrap_or_else(PoisonError::into_inner);
            return (failed.as_ref().map(|(_, e)| e.stderr().to_vec()).unwrap_or_default(), 0);
        };
        let stderr = session.process.as_ref().map(Process::stderr).unwrap_or_default();
        (stderr, session.ledger.as_ref().map_or(0, |l| l.noise().0))
    }

    /// What the server said when it last wanted authorization, if it ever did.
    pub fn challenge(&self) -> Option<Challenge> {
        self.challenged.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    fn remember(&self, spec: &HttpSpec, challenge: Option<Challenge>) {
        let Some(challenge) = challenge else { return };
        if let Some(auth) = spec.login() {
            auth.tokens.want(&challenge.scopes);
        }
        *self.challenged.lock().unwrap_or_else(PoisonError::into_inner) = Some(challenge);
    }

    /// If an error of a call is a demand for authorization: what the person has to do.
    pub(super) fn wants_login(&self, error: &(dyn std::error::Error + 'static)) -> Option<String> {
        let Endpoint::Http(spec) = &self.endpoint else { return None };
        let challenge = challenge(error, &spec.url)?;
        let words = challenge.words();
        self.remember(spec, Some(challenge));
        Some(match spec.person() {
            Some(_) => format!("{words}; run `swell servers login {}`", self.name),
            None => format!("{words}, and does not take what is configured for it"),
        })
    }

    /// Counts changes that make kept types stale: the server said that its tools changed, or was connected anew.
    pub(crate) async fn epoch(&self) -> (u64, u64) {
        match &*self.session.lock().await {
            Some(session) => (session.shared().life, session.shared().epoch.load(Ordering::Acquire)),
            None => (0, 0),
        }
    }

    /// Ends the connection and, for a child process, its whole group. The next use connects again.
    pub async fn close(&self) {
        self.closing.notify_waiters();
        let session = self.session.lock().await.take();
        // What failed before may have been put right: the next use tries at once.
        self.failed.lock().unwrap_or_else(PoisonError::into_inner).take();
        if let Some(session) = session {
            session.close().await;
        }
    }

    /// The session of now, made if needed. Callers that come meanwhile wait for the same attempt.
    pub(crate) async fn session(&self) -> Result<Arc<Session>, ConnectError> {
        let mut current = self.session.lock().await;
        if self.guard().is_some_and(|g| g.is_broken()) {
            return Err(self.other_tools());
        }
        if let Some(session) = current.as_ref().filter(|s| !s.is_closed()) {
            return Ok(session.clone());
        }
        current.take();
        if let Some((at, error)) = &*self.failed.lock().unwrap_or_else(PoisonError::into_inner)
            && at.elapsed() < FAILED_FOR
        {
            return Err(error.clone());
        }
        let result = tokio::select! {
            result = self.open() => result,
            () = self.closing.notified() => {
                let reason = "it was closed while it was being connected".to_owned();
                Err(ConnectError::Handshake { server: self.name.clone(), reason, stderr: Vec::new() })
            }
        };
        *self.failed.lock().unwrap_or_else(PoisonError::into_inner) = result.as_ref().err().map(|e| (Instant::now(), e.clone()));
        let session = Arc::new(result?);
        *current = Some(session.clone());
        Ok(session)
    }

    /// Gives up a session that was lost, unless another one has already taken its place.
    pub(crate) async fn discard(&self, lost: &Arc<Session>) {
        let mut current = self.session.lock().await;
        if current.as_ref().is_some_and(|s| Arc::ptr_eq(s, lost)) {
            current.take();
        }
    }

    async fn open(&self) -> Result<Session, ConnectError> {
        let deadline = Instant::now() + self.options.timeout;
        let first = match &self.endpoint {
            // A silent older server costs 10 s when it is probed for the new era; on a stream the old handshake works with both.
            Endpoint::Process(_) | Endpoint::Local(_) => ClientLifecycleMode::Initialize,
            Endpoint::Http(_) => ClientLifecycleMode::Auto {
                preferred_versions: vec![ProtocolVersion::V_2026_07_28],
                legacy_version: Some(ProtocolVersion::LATEST_WITH_INITIALIZE),
            },
        };
        let mut tried = self.attempt(first.clone(), deadline).await;
        if let (Err(Failed { error: ConnectError::Auth { challenge, .. }, .. }), Endpoint::Http(spec)) = (&tried, &self.endpoint)
            && let Some(auth) = spec.machine()
        {
            self.log_in(spec, auth, challenge.as_ref(), deadline).await?;
            tried = self.attempt(first, deadline).await;
        }
        let session = match tried {
            Ok(session) => session,
            Err(Failed { error, other: None }) => return Err(error),
            Err(Failed { error, other: Some(other) }) => {
                tracing::debug!(server = %self.name, %error, "trying the other handshake");
                self.attempt(other, deadline).await.map_err(|failed| failed.error)?
            }
        };
        self.admit(session).await
    }

    /// Gets a token without a person.
    async fn log_in(&self, spec: &HttpSpec, auth: &AuthSpec, challenge: Option<&Challenge>, deadline: Instant) -> Result<(), ConnectError> {
        let reason = match tokio::time::timeout_at(deadline, auth.obtain(challenge)).await {
            Ok(Ok(())) => return Ok(()),
            Ok(Err(e)) => e.to_string(),
            Err(_) => format!("no token within {} s", self.options.timeout.as_secs_f64()),
        };
        Err(ConnectError::Http { server: self.name.clone(), url: spec.shown(), reason })
    }

    /// Before anything is asked of a reviewed server, its tools must be those that were reviewed.
    async fn admit(&self, session: Session) -> Result<Session, ConnectError> {
        let Some(guard) = self.guard() else { return Ok(session) };
        let error = match self.list(&session).await {
            Ok(list) if guard.passes(&list.tools) => return Ok(session),
            Ok(_) => self.other_tools(),
            Err(e) => {
                let reason = format!("its tools cannot be held against those that were reviewed ({})", clean_line(&e.to_string(), 200));
                ConnectError::Handshake { server: self.name.clone(), reason, stderr: Vec::new() }
            }
        };
        session.close().await;
        Err(error)
    }

    pub(super) fn guard(&self) -> Option<&Guard> {
        self.options.guard.as_deref()
    }

    /// Whether other tools were seen than a person has reviewed.
    pub fn has_other_tools(&self) -> bool {
        self.guard().is_some_and(Guard::is_broken)
    }

    fn other_tools(&self) -> ConnectError {
        ConnectError::Handshake { server: self.name.clone(), reason: Guard::WORDS.to_owned(), stderr: Vec::new() }
    }

    async fn attempt(&self, mode: ClientLifecycleMode, deadline: Instant) -> Result<Session, Failed> {
        let handler = Handler::new(self.name.clone(), self.options.ask.clone(), self.options.sampling.clone(), &self.options.roots);
        let serving = handler.clone();
        let (mut process, mut ledger) = (None, None);
        let raw = Arc::<Raw>::default();
        let started = async {
            match &self.endpoint {
                Endpoint::Process(spec) => {
                    let (child, reader, writer) = Process::spawn(spec).map_err(|e| ConnectError::Spawn {
                        server: self.name.clone(),
                        command: clean_line(&spec.command, 200),
                        reason: e.to_string(),
                    })?;
                    process = Some(child);
                    let transport = LineTransport::new(reader, writer, ledger.insert(Arc::<Ledger>::default()).clone(), raw.clone());
                    Ok(tokio::time::timeout_at(deadline, serving.serve_with_lifecycle(transport, mode)).await)
                }
                Endpoint::Local(factory) => {
                    let stream = factory().ok_or_else(|| ConnectError::Handshake {
                        server: self.name.clone(),
                        reason: "the server in this process has ended".to_owned(),
                        stderr: Vec::new(),
                    })?;
                    let (reader, writer) = tokio::io::split(stream);
                    let ledger = ledger.insert(Arc::<Ledger>::default()).clone();
                    let transport = LineTransport::new(Box::new(reader), Box::new(writer), ledger, raw.clone());
                    Ok(tokio::time::timeout_at(deadline, serving.serve_with_lifecycle(transport, mode)).await)
                }
                Endpoint::Http(spec) => {
                    let served = tokio::time::timeout_at(deadline, spec.serve(&self.name, serving, mode, raw.clone())).await;
                    served.map_or_else(|elapsed| Ok(Err(elapsed)), |result| result.map(Ok))
                }
            }
        };
        match started.await {
            Err(error) => Err(Failed { error, other: None }),
            Ok(Ok(Ok(client))) => {
                let peer = client.peer().clone();
                // By default rmcp answers from its cache when the server fails: drift and health would be what once was.
                peer.set_response_cache_config(ClientCacheConfig::disabled()).await;
                Ok(Session {
                    peer,
                    handler,
                    ledger,
                    process,
                    watched: Watched::default(),
                    raw,
                    as_tasks: StdMutex::default(),
                    client: Mutex::new(Some(client)),
                })
            }
            Ok(Ok(Err(error))) => {
                let other = other_lifecycle(&error, &self.endpoint);
                Err(Failed { error: self.explain_handshake(error, process.as_ref(), ledger.as_deref()).await, other })
            }
            Ok(Err(_)) => {
                let stderr = process.as_ref().map(Process::stderr).unwrap_or_default();
                Err(Failed { error: ConnectError::Timeout { server: self.name.clone(), after: self.options.timeout, stderr }, other: None })
            }
        }
    }

    async fn explain_handshake(&self, error: ClientInitializeError, process: Option<&Process>, ledger: Option<&Ledger>) -> ConnectError {
        let server = self.name.clone();
        if let Endpoint::Http(spec) = &self.endpoint {
            let url = spec.shown();
            if error.is_authorization_required() || error.auth_challenge().is_some() {
                let challenge = challenge(cause(&error), &spec.url);
                self.remember(spec, challenge.clone());
                let login = if spec.person().is_some() { Login::Needed } else { Login::Fixed };
                return ConnectError::Auth { server, url, challenge, login };
            }
            return ConnectError::Http { server, url, reason: handshake_words(&error) };
        }
        let lost = matches!(error, ClientInitializeError::ConnectionClosed(_) | ClientInitializeError::TransportError { .. });
        if let Some(process) = process {
            // The end of the stream is seen before the end of the process.
            let patience = Duration::from_millis(if lost { 1000 } else { 0 });
            let status = process.ended_within(patience).await;
            let stderr = process.stderr();
            if let Some(status) = status {
                return ConnectError::Exited { server, status, stderr };
            }
            return ConnectError::Handshake { server, reason: with_noise(handshake_words(&error), ledger), stderr };
        }
        ConnectError::Handshake { server, reason: with_noise(handshake_words(&error), ledger), stderr: Vec::new() }
    }
}

/// An attempt that failed, and the handshake that may work instead.
struct Failed {
    error: ConnectError,
    other: Option<ClientLifecycleMode>,
}

/// Connects all at the same time, each within its own timeout. One that hangs, dies or lies takes nothing from the others; the order
/// of the results is that of the servers.
pub async fn connect_all(servers: &[Arc<Connection>]) -> Vec<(ServerName, Result<(), ConnectError>)> {
    let all = servers.iter().map(|server| async move { (server.name.clone(), server.connect().await) });
    futures::future::join_all(all).await
}
