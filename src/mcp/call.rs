//! One call of a tool: sent once, bounded in time, cancelled over MCP, and classified as sent or not sent for the journal.
//!
//! The rule that everything here serves: a call that may have reached the server is never sent again if it changes anything.

use std::{sync::Arc, time::Duration};

use rmcp::{
    RoleClient,
    model::{CallToolRequestParams, CancelledNotificationParam, ClientRequest, ElicitRequestParams, Request, RequestId, ServerResult},
    service::{Peer, PeerRequestOptions, RequestHandle, ServiceError},
};
use serde_json::Value;
use tokio::time::Instant;

use super::{
    CallControl, CallError, Refusal,
    connection::Connection,
    handler::Counted,
    http::{innermost, never_arrived},
    reply::{Decoded, Reply, decode, rpc_error},
    session::Session,
    task::{Task, older_request},
    wire::{Ledger, WireError},
};
use crate::domain::{Properties, ToolName};

/// How often a server of 2026-07-28 may ask for more before it answers.
const MAX_ROUNDS: usize = 10;

/// How long the notice of a cancellation may take to be written.
const CANCEL_PATIENCE: Duration = Duration::from_secs(1);

/// What a call may do, as we (not the server) class it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Effect {
    /// It only reads: if it is lost, it is sent once more on a new connection.
    Read,
    /// It may change something: it is sent at most once.
    Change,
}

/// Why there is no result of one attempt.
pub(super) enum Lost {
    /// No byte of it reached the server, and none ever will.
    NotSent(String),
    /// The connection was lost after it was sent.
    Connection(String),
    /// Sent, and given up by us.
    GivenUp(String),
    /// Answered with something that cannot be used.
    Unusable(String),
    /// Answered with a no.
    Refused(Refusal, String),
    /// Answered with a no, until the person has been at these pages.
    Pages(Vec<ElicitRequestParams>),
}

/// The error that says so (2025-11-25).
const URL_ELICITATION_REQUIRED: i32 = -32042;

/// How many such pages are shown for one call.
const MAX_PAGES: usize = 4;

impl Lost {
    fn word(&self) -> &'static str {
        match self {
            Lost::NotSent(_) => "not sent",
            Lost::Connection(_) => "lost",
            Lost::GivenUp(_) => "given up",
            Lost::Unusable(_) => "unusable",
            Lost::Refused(..) | Lost::Pages(_) => "refused",
        }
    }
}

impl Connection {
    /// Calls a tool. See [`CallError`] for what each failure means.
    pub async fn call(&self, tool: &ToolName, arguments: Properties, effect: Effect, control: &CallControl) -> Result<Reply, CallError> {
        let control = &match (effect, self.reading()) {
            (Effect::Read, Some((idle, total))) => CallControl { idle, total, cancel: control.cancel.clone() },
            _ => control.clone(),
        };
        let mut first = true;
        let mut deadline = None;
        loop {
            let session = match self.session_unless_cancelled(control).await {
                Ok(session) => session,
                Err(reason) => return Err(CallError::NotSent { server: self.name().clone(), reason }),
            };
            // Waiting for other calls counts for nothing: nothing was sent yet.
            let _pass = tokio::select! {
                biased;
                () = control.cancel.cancelled() => {
                    return Err(CallError::NotSent { server: self.name().clone(), reason: "it was cancelled before it was sent".to_owned() });
                }
                pass = self.gate().pass() => pass,
            };
            // A start has a limit of its own.
            let deadline = *deadline.get_or_insert_with(|| Instant::now() + control.total);
            let started = Instant::now();
            let outcome = self.rounds(&session, tool, &arguments, control, deadline).await;
            // Never the arguments: they may hold secrets.
            let (server, ms) = (self.name(), started.elapsed().as_millis());
            tracing::debug!(%server, %tool, ?effect, ms, outcome = outcome.as_ref().map_or_else(Lost::word, |_| "done"), "called");
            let lost = match outcome {
                Ok(reply) => return Ok(reply),
                Err(lost) => lost,
            };
            let again = first
                && !control.cancel.is_cancelled()
                && match (&lost, effect) {
                    (Lost::NotSent(_), _) => session.is_closed(),
                    (Lost::Connection(_), Effect::Read) => true,
                    _ => false,
                };
            // HTTP does not say whether it is of any further use.
            if matches!(lost, Lost::NotSent(_) | Lost::Connection(_)) && (session.is_closed() || session.ledger.is_none()) {
                self.discard(&session).await;
            }
            if !again {
                return Err(self.error(lost, tool, effect));
            }
            first = false;
        }
    }

    fn error(&self, lost: Lost, tool: &ToolName, effect: Effect) -> CallError {
        let (server, tool) = (self.name().clone(), tool.clone());
        match (lost, effect) {
            (Lost::NotSent(reason), _) => CallError::NotSent { server, reason },
            (Lost::Refused(class, message), _) => CallError::Refused { server, tool, class, message },
            (Lost::Pages(_), _) => {
                let message = "it wants a page to be opened first, and nobody here does that".to_owned();
                CallError::Refused { server, tool, class: Refusal::Denied, message }
            }
            (Lost::Unusable(reason), effect) => unusable(self, &tool, effect, &reason),
            (Lost::Connection(reason) | Lost::GivenUp(reason), _) => CallError::Unknown { server, tool, reason },
        }
    }

    async fn session_unless_cancelled(&self, control: &CallControl) -> Result<Arc<Session>, String> {
        tokio::select! {
            biased;
            () = control.cancel.cancelled() => Err("it was cancelled before it was sent".to_owned()),
            session = self.session() => session.map_err(|e| e.in_brief()),
        }
    }

    /// Sends the call, and again with answers for as long as the server asks instead of answering (2026-07-28).
    async fn rounds(
        &self,
        session: &Arc<Session>,
        tool: &ToolName,
        arguments: &Properties,
        control: &CallControl,
        deadline: Instant,
    ) -> Result<Reply, Lost> {
        let mut params = CallToolRequestParams::new(tool.as_str().to_owned()).with_arguments(arguments.clone());
        session.handler.begin_call();
        for _ in 0..MAX_ROUNDS {
            let as_task = session.calls_as_task(tool.as_str());
            let request = if as_task {
                older_request(tool.as_str(), &Value::Object(arguments.clone()))
            } else {
                ClientRequest::CallToolRequest(Request::new(params.clone()))
            };
            let result = match once(self, session, request, control, deadline).await {
                Err(Lost::Pages(pages)) => return Err(session.handler.show(pages.into_iter().take(MAX_PAGES)).await),
                result => result?,
            };
            if let Some(task) = Task::of(&result, as_task) {
                return self.follow(session, task, control, deadline).await;
            }
            let required = match result {
                ServerResult::InputRequiredResult(required) => required,
                other => {
                    let raw = serde_json::to_value(&other).map_err(|e| Lost::Unusable(e.to_string()))?;
                    return match decode(&raw) {
                        Decoded::Done(reply) => Ok(reply),
                        Decoded::Refused(class, message) => Err(Lost::Refused(class, message)),
                        Decoded::Unusable(reason) => Err(Lost::Unusable(reason)),
                    };
                }
            };
            let state = required.request_state.clone();
            let _in_flight = Counted::new(&session.shared().in_flight);
            let answers = tokio::select! {
                biased;
                () = control.cancel.cancelled() => None,
                answers = session.handler.provide(required) => answers,
            };
            let no = || Lost::Refused(Refusal::Other, "the server asked for something that nobody here answers".to_owned());
            let answers = answers.ok_or_else(no)?;
            params.input_responses = (!answers.is_empty()).then_some(answers);
            params.request_state = state;
        }
        Err(Lost::Refused(Refusal::Other, format!("the server asked {MAX_ROUNDS} times for more input")))
    }
}

/// The error for a reply that is not what was asked for: for a read it is as good as a no, for a change nobody knows what was done.
pub(crate) fn unusable(connection: &Connection, tool: &ToolName, effect: Effect, reason: &str) -> CallError {
    let (server, tool) = (connection.name().clone(), tool.clone());
    match effect {
        Effect::Read => CallError::Refused { server, tool, class: Refusal::Other, message: format!("its reply cannot be used: {reason}") },
        Effect::Change => CallError::Unknown { server, tool, reason: format!("it answered, and its reply cannot be used: {reason}") },
    }
}

/// One message out, one answer in.
pub(super) async fn once(
    connection: &Connection,
    session: &Arc<Session>,
    request: ClientRequest,
    control: &CallControl,
    deadline: Instant,
) -> Result<ServerResult, Lost> {
    let shared = session.shared().clone();
    let _in_flight = Counted::new(&shared.in_flight);
    // Before the call is sent: a very early notification counts too.
    let mut progress = shared.progress.subscribe();
    let mut idle_end = Instant::now() + control.idle;
    // Until there is a handle, the message was not even handed to the connection.
    let handle = tokio::select! {
        biased;
        () = control.cancel.cancelled() => return Err(Lost::NotSent("it was cancelled before it was sent".to_owned())),
        handle = session.peer.send_request_with_option(request, PeerRequestOptions::no_options()) => handle,
        () = tokio::time::sleep_until(idle_end.min(deadline)) => return Err(Lost::NotSent("the connection takes no more calls".to_owned())),
    };
    let handle = handle.map_err(|_| Lost::NotSent("the connection was closed before it was sent".to_owned()))?;
    let token = handle.progress_token.0.to_string();
    let mut open = Open::new(session, &handle);
    let RequestHandle { mut rx, .. } = handle;
    loop {
        tokio::select! {
            biased;
            answer = &mut rx => {
                let lost = match answer.unwrap_or(Err(ServiceError::TransportClosed)) {
                    Ok(result) => { open.answered(); return Ok(result) }
                    Err(error) => open.classify(connection, error),
                };
                open.answered();
                return Err(match lost {
                    Lost::Connection(reason) => Lost::Connection(reason + &session.trouble().await),
                    other => other,
                });
            }
            () = control.cancel.cancelled() => {
                return Err(match open.give_up("cancelled by the person").await {
                    Sent::Never => Lost::NotSent("it was cancelled before it was sent".to_owned()),
                    Sent::Maybe => Lost::GivenUp("it was cancelled after it was sent".to_owned()),
                });
            }
            seen = progress.recv() => match seen {
                Ok(seen) if seen != token => {}
                // Ours, or too many to tell; the total time stands in any case.
                _ => idle_end = Instant::now() + control.idle,
            },
            () = tokio::time::sleep_until(idle_end.min(deadline)) => {
                let asking = shared.asking.load(std::sync::atomic::Ordering::Acquire) > 0;
                if asking && Instant::now() < deadline {
                    idle_end = Instant::now() + control.idle;
                    continue;
                }
                let waited = if Instant::now() >= deadline { control.total } else { control.idle };
                let words = format!("no answer within {} s", waited.as_secs_f64());
                let trouble = session.trouble().await;
                return Err(match open.give_up("no answer in time").await {
                    Sent::Never => Lost::NotSent(format!("the server took no more input for {} s{trouble}", waited.as_secs_f64())),
                    Sent::Maybe => Lost::GivenUp(words + &trouble),
                });
            }
        }
    }
}

enum Sent {
    Never,
    Maybe,
}

/// A call that was handed to the connection and not answered. Dropped in that state, because the task around it was, it is still
/// cancelled at the server.
struct Open {
    peer: Peer<RoleClient>,
    ledger: Option<Arc<Ledger>>,
    id: Option<RequestId>,
}

impl Open {
    fn new(session: &Session, handle: &RequestHandle<RoleClient>) -> Self {
        Self { peer: session.peer.clone(), ledger: session.ledger.clone(), id: Some(handle.id.clone()) }
    }

    fn answered(&mut self) {
        if let (Some(id), Some(ledger)) = (self.id.take(), &self.ledger) {
            ledger.forget(&id);
        }
    }

    /// Tells the server, once, that nobody waits any more, unless the call never left.
    async fn give_up(&mut self, reason: &'static str) -> Sent {
        let Some(id) = self.id.take() else { return Sent::Maybe };
        if self.withdrawn(&id) {
            return Sent::Never;
        }
        let _ = tokio::time::timeout(CANCEL_PATIENCE, self.peer.notify_cancelled(cancelled(id, reason))).await;
        Sent::Maybe
    }

    fn withdrawn(&self, id: &RequestId) -> bool {
        self.ledger.as_ref().is_some_and(|ledger| {
            let never = ledger.withdraw(id);
            ledger.forget(id);
            never
        })
    }

    fn classify(&self, connection: &Connection, error: ServiceError) -> Lost {
        let broken = self.id.as_ref().and_then(|id| self.ledger.as_ref()?.broken(id));
        match error {
            _ if broken.is_some() => Lost::Unusable(broken.unwrap_or_default()),
            ServiceError::McpError(e) if e.code.0 == URL_ELICITATION_REQUIRED => {
                let pages = e.data.as_ref().and_then(|d| d.get("elicitations")).and_then(Value::as_array);
                Lost::Pages(pages.into_iter().flatten().filter_map(|p| serde_json::from_value(p.clone()).ok()).collect())
            }
            ServiceError::McpError(e) => {
                let (class, message) = rpc_error(e.code.0, &e.message, e.data.as_ref());
                Lost::Refused(class, message)
            }
            ServiceError::TransportSend(e) => {
                if let Some(wanted) = connection.wants_login(e.error.as_ref()) {
                    return Lost::NotSent(wanted);
                }
                let never = e.error.downcast_ref::<WireError>().map_or_else(|| never_arrived(e.error.as_ref()), |wire| !wire.sent);
                let reason = innermost(e.error.as_ref());
                if never { Lost::NotSent(reason) } else { Lost::Connection(format!("the connection failed: {reason}")) }
            }
            ServiceError::TransportClosed if self.id.as_ref().is_some_and(|id| self.withdrawn(id)) => {
                Lost::NotSent("the connection was closed before it was sent".to_owned())
            }
            ServiceError::TransportClosed => Lost::Connection("the connection was closed before an answer came".to_owned()),
            other => Lost::Connection(innermost(&other)),
        }
    }
}

impl Drop for Open {
    fn drop(&mut self) {
        let Some(id) = self.id.take() else { return };
        if !self.withdrawn(&id)
            && let Ok(runtime) = tokio::runtime::Handle::try_current()
        {
            let peer = self.peer.clone();
            runtime.spawn(async move { peer.notify_cancelled(cancelled(id, "nobody waits for it any more")).await });
        }
    }
}

fn cancelled(id: RequestId, reason: &str) -> CancelledNotificationParam {
    CancelledNotificationParam::new(Some(id), Some(reason.to_owned()))
}

/// Arguments out of anything that serialises to an object.
pub(crate) fn arguments(value: &impl serde::Serialize) -> Properties {
    match serde_json::to_value(value) {
        Ok(Value::Object(map)) => map,
        _ => Properties::new(),
    }
}
