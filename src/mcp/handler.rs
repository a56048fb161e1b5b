//! What a server may ask of us and tell us outside of replies: questions to the person, progress, changes.
//!
//! Nothing here lets a server steer: sampling is refused unless the operator allows it, roots are those of the configuration, and a question reaches the person only while a call
//! to that server is in flight, one at a time.

#![expect(deprecated, reason = "servers still ask for sampling and roots, and must get a clear answer")]

use std::{
    path::PathBuf,
    sync::{
        Arc,
        atomic::{AtomicU64, AtomicUsize, Ordering},
    },
};

use async_trait::async_trait;
use rmcp::{
    ClientHandler, ErrorData, RoleClient,
    model::{
        ClientCapabilities, ClientConfig, CreateMessageRequestParams, CreateMessageResult, ElicitRequestParams, ElicitResult,
        ElicitationAction, ElicitationCapability, FormElicitationCapability, Implementation, InputRequest, InputRequiredResult,
        InputResponses, ListRootsResult, ProgressNotificationParam, ProtocolVersion, ResourceUpdatedNotificationParam, Root,
        RootsCapabilities, SamplingCapability, UrlElicitationCapability,
    },
    service::{NotificationContext, RequestContext},
};
use serde_json::Value;
use tokio::sync::{Mutex, broadcast};

use super::{Refusal, call::Lost, form::Form, sampling::Allowance};
use crate::domain::{Properties, ServerName, text::clean};

/// How many questions of one server may wait for the person; more are declined.
const MAX_WAITING: usize = 4;

/// How many questions of one call reach the person; a server that asks on is told no.
const MAX_QUESTIONS: usize = 20;

/// A question that a server has for the person.
#[derive(Debug, Clone, PartialEq)]
pub struct Question {
    /// Who asks.
    pub server: ServerName,
    /// The server's words, cleaned. Untrusted text.
    pub message: String,
    /// What is wanted.
    pub wanted: Wanted,
}

/// What a question wants.
#[derive(Debug, Clone, PartialEq)]
pub enum Wanted {
    /// Values for a form.
    Form(Form),
    /// That the person opens a page by themselves. Never opened without consent.
    Url(Page),
}

/// A page that a server wants the person to open.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Page {
    /// The whole address, as it would be opened: ASCII only, so that no letter looks like another one.
    pub url: String,
    /// Its host, for the person to look at.
    pub host: String,
    /// What should make the person think: a host in another script, no encryption, a bare address.
    pub warnings: Vec<&'static str>,
}

impl Page {
    /// Takes an address apart. Only web pages without a user or password in their address are pages.
    pub fn parse(url: &str) -> Option<Self> {
        let parsed = reqwest::Url::parse(url).ok().filter(|u| matches!(u.scheme(), "http" | "https"))?;
        if !parsed.username().is_empty() || parsed.password().is_some() || parsed.as_str().len() > 4000 {
            return None;
        }
        let host = parsed.host_str()?.to_owned();
        let local = matches!(host.as_str(), "localhost" | "127.0.0.1" | "[::1]");
        let mut warnings = Vec::new();
        if host.split('.').any(|label| label.starts_with("xn--")) {
            warnings.push("the name of this host has letters of another script, which may look like others");
        }
        if parsed.scheme() == "http" && !local {
            warnings.push("the page is not encrypted");
        }
        if !local && host.trim_matches(['[', ']']).parse::<std::net::IpAddr>().is_ok() {
            warnings.push("the host is a bare address");
        }
        Some(Self { url: parsed.as_str().to_owned(), host, warnings })
    }
}

/// What the person said.
#[derive(Debug, Clone, PartialEq)]
pub enum Answer {
    /// Yes, with the values of the form (empty for a page).
    Accept(Properties),
    /// No.
    Decline,
    /// Neither.
    Cancel,
}

/// Someone who answers the questions of servers. Without one, servers are told that nobody can.
#[async_trait]
pub trait Ask: Send + Sync {
    /// Puts the question to the person.
    async fn ask(&self, question: Question) -> Answer;
}

/// Something that a server told outside of a reply.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Notice {
    /// A resource that we subscribed to has changed.
    ResourceUpdated(String),
    /// The list of tools has changed.
    ToolsChanged,
}

/// One for each connection; clones share everything.
#[derive(Clone)]
pub(crate) struct Handler {
    server: ServerName,
    ask: Option<Arc<dyn Ask>>,
    sampling: Option<Arc<Allowance>>,
    roots: Arc<[Root]>,
    shared: Arc<Shared>,
}

pub(crate) struct Shared {
    /// Tokens of progress notifications. Subscribed to before a call is sent, so that none is missed.
    pub(crate) progress: broadcast::Sender<String>,
    pub(crate) notices: broadcast::Sender<Notice>,
    /// Calls in flight: a server has no business asking when nothing was asked of it.
    pub(crate) in_flight: AtomicUsize,
    /// Questions before the person. A call does not time out while its server waits for them.
    pub(crate) asking: AtomicUsize,
    /// How many questions came since the last call began.
    asked: AtomicUsize,
    /// Which life of a connection this is; no two in this process are the same.
    pub(crate) life: u64,
    /// Counts changes of the list of tools.
    pub(crate) epoch: AtomicU64,
    one_question: Mutex<()>,
}

impl Handler {
    pub(crate) fn new(server: ServerName, ask: Option<Arc<dyn Ask>>, sampling: Option<Arc<Allowance>>, roots: &[PathBuf]) -> Self {
        static LIVES: AtomicU64 = AtomicU64::new(1);
        let shared = Shared {
            life: LIVES.fetch_add(1, Ordering::Relaxed),
            progress: broadcast::channel(256).0,
            notices: broadcast::channel(256).0,
            in_flight: AtomicUsize::new(0),
            asking: AtomicUsize::new(0),
            asked: AtomicUsize::new(0),
            epoch: AtomicU64::new(0),
            one_question: Mutex::new(()),
        };
        let roots = roots.iter().filter_map(|folder| {
            let name = folder.file_name().map(|n| n.to_string_lossy().into_owned());
            let root = Root::new(reqwest::Url::from_directory_path(folder).ok()?.to_string());
            Some(name.into_iter().fold(root, |root, name| root.with_name(name)))
        });
        Self { server, ask, sampling, roots: roots.collect(), shared: Arc::new(shared) }
    }

    pub(crate) fn shared(&self) -> &Arc<Shared> {
        &self.shared
    }

    /// Another call begins, and may ask again.
    pub(super) fn begin_call(&self) {
        self.shared.asked.store(0, Ordering::Release);
    }

    async fn answer(&self, request: ElicitRequestParams) -> ElicitResult {
        let Some(ask) = &self.ask else { return ElicitResult::new(ElicitationAction::Decline) };
        if self.shared.in_flight.load(Ordering::Acquire) == 0 || self.shared.asking.load(Ordering::Acquire) >= MAX_WAITING {
            return ElicitResult::new(ElicitationAction::Decline);
        }
        if self.shared.asked.fetch_add(1, Ordering::AcqRel) >= MAX_QUESTIONS {
            tracing::warn!(server = %self.server, "it asks without end; the person is not bothered any more");
            return ElicitResult::new(ElicitationAction::Decline);
        }
        let (message, wanted) = match request {
            ElicitRequestParams::FormElicitationParams { message, requested_schema, .. } => {
                let schema = serde_json::to_value(requested_schema).unwrap_or_default();
                (message, Form::parse(&schema).map(Wanted::Form))
            }
            ElicitRequestParams::UrlElicitationParams { message, url, .. } => {
                (message, Page::parse(&url).map(Wanted::Url).ok_or_else(|| "it is no web page".to_owned()))
            }
            _ => return ElicitResult::new(ElicitationAction::Cancel),
        };
        let wanted = match wanted {
            Ok(wanted) => wanted,
            Err(reason) => {
                tracing::warn!(server = %self.server, %reason, "a question that cannot be shown");
                return ElicitResult::new(ElicitationAction::Cancel);
            }
        };
        let _waiting = Counted::new(&self.shared.asking);
        let _one = self.shared.one_question.lock().await;
        match ask.ask(Question { server: self.server.clone(), message: clean(&message, 2000), wanted: wanted.clone() }).await {
            Answer::Accept(values) => match &wanted {
                Wanted::Form(form) if form.check(&values).is_ok() => {
                    ElicitResult::new(ElicitationAction::Accept).with_content(Value::Object(values))
                }
                // Whoever fills in the form has not filled it in.
                Wanted::Form(_) => ElicitResult::new(ElicitationAction::Cancel),
                // The consent to open a page; what happens there is not ours to know.
                Wanted::Url(_) => ElicitResult::new(ElicitationAction::Accept),
            },
            Answer::Decline => ElicitResult::new(ElicitationAction::Decline),
            Answer::Cancel => ElicitResult::new(ElicitationAction::Cancel),
        }
    }

    /// Puts what a server wants to know from the model to the person, and then to the model: as little as a question without a call.
    async fn sample(&self, params: &CreateMessageRequestParams) -> Result<CreateMessageResult, ErrorData> {
        let refused = |why: &'static str| Err(ErrorData::invalid_request(why, None));
        let Some(allowed) = &self.sampling else { return refused("this client does not let servers use its model") };
        if self.shared.in_flight.load(Ordering::Acquire) == 0 {
            return refused("nothing was asked of this server, so it has nothing to ask the model");
        }
        if self.shared.asking.load(Ordering::Acquire) >= MAX_WAITING {
            return refused("too many questions wait already");
        }
        if self.shared.asked.fetch_add(1, Ordering::AcqRel) >= MAX_QUESTIONS {
            return refused("too many questions were asked within one call");
        }
        let _waiting = Counted::new(&self.shared.asking);
        let _one = self.shared.one_question.lock().await;
        allowed.answer(&self.server, params).await
    }

    /// Shows pages that a server wants to have been visited before it does what it was asked. The call itself was refused: whether it is
    /// made again is for whoever made it.
    pub(super) async fn show(&self, pages: impl Iterator<Item = ElicitRequestParams>) -> Lost {
        if self.ask.is_none() {
            return Lost::Pages(Vec::new());
        }
        // The call is over, but it is what the server asks because of.
        let _in_flight = Counted::new(&self.shared.in_flight);
        for page in pages.filter(|p| matches!(p, ElicitRequestParams::UrlElicitationParams { .. })) {
            if self.answer(page).await.action != ElicitationAction::Accept {
                return Lost::Refused(Refusal::Denied, "it wants a page to be opened first, and you said no".to_owned());
            }
        }
        Lost::Refused(Refusal::Denied, "it wants you to finish what you began in the browser; after that, do the same again".to_owned())
    }

    /// Answers what a server of 2026-07-28 wants to know before it goes on. `None` if that is nothing that we answer.
    pub(crate) async fn provide(&self, required: InputRequiredResult) -> Option<InputResponses> {
        let mut answers = InputResponses::new();
        for (key, request) in required.input_requests.unwrap_or_default() {
            let answer = match request {
                InputRequest::Elicitation(request) => {
                    self.ask.as_ref()?;
                    serde_json::to_value(self.answer(request.params).await)
                }
                InputRequest::CreateMessage(request) => serde_json::to_value(self.sample(&request.params).await.ok()?),
                InputRequest::ListRoots(_) => serde_json::to_value(ListRootsResult::new(self.roots.to_vec())),
                _ => return None,
            };
            answers.insert(key, answer.ok()?);
        }
        Some(answers)
    }
}

impl ClientHandler for Handler {
    fn get_info(&self) -> ClientConfig {
        // A server of the new era may answer a call with a task; the older ones do not know the word and pass over it.
        let mut capabilities = ClientCapabilities::builder().enable_tasks().build();
        if self.ask.is_some() {
            capabilities.elicitation =
                Some(ElicitationCapability::new().with_form(FormElicitationCapability::new()).with_url(UrlElicitationCapability::new()));
        }
        if self.sampling.is_some() {
            capabilities.sampling = Some(SamplingCapability::default());
        }
        if !self.roots.is_empty() {
            capabilities.roots = Some(RootsCapabilities::default());
        }
        ClientConfig::new(capabilities, Implementation::new("swell", env!("CARGO_PKG_VERSION")))
            // rmcp's default names 2026-07-28, which has no `initialize`; a strict older server refuses that.
            .with_protocol_version(ProtocolVersion::LATEST_WITH_INITIALIZE)
    }

    async fn create_elicitation(&self, request: ElicitRequestParams, _: RequestContext<RoleClient>) -> Result<ElicitResult, ErrorData> {
        Ok(self.answer(request).await)
    }

    async fn create_message(
        &self,
        params: CreateMessageRequestParams,
        _: RequestContext<RoleClient>,
    ) -> Result<CreateMessageResult, ErrorData> {
        self.sample(&params).await
    }

    async fn list_roots(&self, _: RequestContext<RoleClient>) -> Result<ListRootsResult, ErrorData> {
        Ok(ListRootsResult::new(self.roots.to_vec()))
    }

    async fn on_progress(&self, progress: ProgressNotificationParam, _: NotificationContext<RoleClient>) {
        // Nobody listening is no error.
        let _ = self.shared.progress.send(progress.progress_token.0.to_string());
    }

    async fn on_resource_updated(&self, updated: ResourceUpdatedNotificationParam, _: NotificationContext<RoleClient>) {
        let _ = self.shared.notices.send(Notice::ResourceUpdated(updated.uri));
    }

    async fn on_tool_list_changed(&self, _: NotificationContext<RoleClient>) {
        self.shared.epoch.fetch_add(1, Ordering::AcqRel);
        let _ = self.shared.notices.send(Notice::ToolsChanged);
    }
}

/// Counts as one for as long as it lives.
pub(crate) struct Counted<'a>(&'a AtomicUsize);

impl<'a> Counted<'a> {
    pub(crate) fn new(counter: &'a AtomicUsize) -> Self {
        counter.fetch_add(1, Ordering::AcqRel);
        Self(counter)
    }
}

impl Drop for Counted<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::AcqRel);
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    struct Yes(AtomicUsize);

    #[async_trait]
    impl Ask for Yes {
        async fn ask(&self, _: Question) -> Answer {
            self.0.fetch_add(1, Ordering::AcqRel);
            Answer::Accept(Properties::new())
        }
    }

    #[tokio::test]
    async fn a_server_that_asks_without_end_is_told_no() {
        let person = Arc::new(Yes(AtomicUsize::new(0)));
        let handler = Handler::new("fake".parse().unwrap(), Some(person.clone()), None, &[]);
        let question = json!({"method": "elicitation/create", "params": {
            "mode": "form", "message": "Really?", "requestedSchema": {"type": "object", "properties": {}}}});
        let many: serde_json::Map<String, Value> = (0..100).map(|n| (format!("q{n}"), question.clone())).collect();
        let ask = async || {
            let required = InputRequiredResult::from_input_requests(serde_json::from_value(Value::Object(many.clone())).unwrap());
            let _in_flight = Counted::new(&handler.shared.in_flight);
            handler.provide(required).await.unwrap()
        };
        let answers = serde_json::to_value(ask().await).unwrap();
        assert_eq!((answers.as_object().unwrap().len(), person.0.load(Ordering::Acquire)), (100, MAX_QUESTIONS));
        ask().await;
        assert_eq!(person.0.load(Ordering::Acquire), MAX_QUESTIONS, "another round of the same call asks nothing more");
        handler.begin_call();
        ask().await;
        assert_eq!(person.0.load(Ordering::Acquire), 2 * MAX_QUESTIONS);
    }
}
