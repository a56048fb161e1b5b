//! Calls that a server answers with a task instead of a result: asked about until it has ended, in both forms that the revisions know.
//!
//! Up to 2025-11-25 a tool says that it must be called as a task, and the result is fetched by itself (`tasks/result`); from 2026-07-28 on
//! a server answers with a task when it likes, and the result comes with its state. Each answer about a task counts as a sign of life.

use std::{sync::Arc, time::Duration};

use rmcp::model::{
    CancelTaskParams, CancelTaskRequest, ClientRequest, CustomRequest, GetTaskParams, GetTaskRequest, InputRequiredResult, InputResponses,
    ServerResult, UpdateTaskParams, UpdateTaskRequest,
};
use serde_json::{Value, json};
use tokio::time::Instant;

use super::{
    CallControl,
    call::{Lost, once},
    connection::Connection,
    reply::{Decoded, Reply, decode, rpc_error},
    session::Session,
};
use crate::domain::text::clean_line;

/// How long a task is left alone between two questions, whatever the server says.
const POLL_LEAST: Duration = Duration::from_millis(50);
const POLL_MOST: Duration = Duration::from_secs(30);
const POLL_DEFAULT: Duration = Duration::from_secs(1);

/// How long a task is asked to be kept after its end, where the caller says that.
const KEEP: Duration = Duration::from_secs(3600);

/// How long the wish to cancel a task may take.
const CANCEL_PATIENCE: Duration = Duration::from_secs(2);

/// A task that the server is at.
pub(super) struct Task {
    id: String,
    state: Value,
    form: Form,
}

/// Where the result of a task is.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Form {
    /// To be fetched by itself, and questions come as requests of the server.
    Older,
    /// In the state of the task, as are its questions.
    Newer,
}

impl Task {
    /// The task that a result speaks of, if it is one instead of a result. One of the older form must have been asked for.
    pub(super) fn of(result: &ServerResult, asked: bool) -> Option<Self> {
        let (form, state) = match result {
            ServerResult::CreateTaskResult(created) => (Form::Newer, serde_json::to_value(&created.task).ok()?),
            ServerResult::CustomResult(raw) if asked => (Form::Older, raw.0.get("task")?.clone()),
            _ => return None,
        };
        Some(Self { id: state.get("taskId")?.as_str()?.to_owned(), state, form })
    }

    fn pause(&self) -> Duration {
        let told = self.state.get("pollIntervalMs").or_else(|| self.state.get("pollInterval")).and_then(Value::as_u64);
        told.map_or(POLL_DEFAULT, Duration::from_millis).clamp(POLL_LEAST, POLL_MOST)
    }
}

/// A call of a tool of the older form that must be a task.
pub(super) fn older_request(tool: &str, arguments: &Value) -> ClientRequest {
    let params = json!({"name": tool, "arguments": arguments, "task": {"ttl": u64::try_from(KEEP.as_millis()).unwrap_or(u64::MAX)}});
    ClientRequest::CustomRequest(CustomRequest::new("tools/call", Some(params)))
}

impl Connection {
    /// Waits for the end of a task and fetches what came of it.
    pub(super) async fn follow(
        &self,
        session: &Arc<Session>,
        mut task: Task,
        control: &CallControl,
        deadline: Instant,
    ) -> Result<Reply, Lost> {
        loop {
            match (task.state.get("status").and_then(Value::as_str), task.form) {
                (Some("working" | "submitted") | None, _) => {}
                (Some("input_required" | "completed" | "failed"), Form::Older) => {
                    return self.older_result(session, &task, control, deadline).await;
                }
                (Some("input_required"), Form::Newer) => self.inform(session, &task, control, deadline).await?,
                (Some("completed"), Form::Newer) => return read(task.state.get("result").unwrap_or(&Value::Null)),
                (Some("failed"), Form::Newer) => return Err(failure(&task)),
                (Some("cancelled"), _) => {
                    return Err(Lost::GivenUp(format!("the server cancelled the task that it made of it{}", words(&task))));
                }
                (Some(other), _) => return Err(Lost::Unusable(format!("its task has the status `{}`", clean_line(other, 40)))),
            }
            let over = tokio::select! {
                biased;
                () = control.cancel.cancelled() => Some("it was cancelled after it was sent".to_owned()),
                () = tokio::time::sleep_until(deadline) => Some(format!("its task did not end within {} s", control.total.as_secs_f64())),
                () = tokio::time::sleep(task.pause()) => None,
            };
            if let Some(reason) = over {
                cancel(session, &task).await;
                return Err(Lost::GivenUp(reason + &words(&task)));
            }
            let request = ClientRequest::GetTaskRequest(GetTaskRequest::new(GetTaskParams::new(task.id.clone())));
            let asked = once(self, session, request, control, deadline).await;
            let state = match asked {
                Ok(result) => serde_json::to_value(&result).map_err(|e| Lost::Unusable(e.to_string()))?,
                // That the question about it is lost says nothing about the task.
                Err(Lost::Refused(_, message)) => {
                    return Err(Lost::GivenUp(format!("the server knows nothing of its task any more: {message}")));
                }
                Err(Lost::NotSent(reason)) => return Err(Lost::Connection(reason)),
                Err(lost) => {
                    cancel(session, &task).await;
                    return Err(lost);
                }
            };
            if state.get("taskId").and_then(Value::as_str).is_some_and(|id| id != task.id) {
                return Err(Lost::Unusable("it was asked about one task and told about another".to_owned()));
            }
            task.state = state;
        }
    }

    /// Answers what the server wants to know before the task goes on (2026-07-28).
    async fn inform(&self, session: &Arc<Session>, task: &Task, control: &CallControl, deadline: Instant) -> Result<(), Lost> {
        let requests = task.state.get("inputRequests").cloned().and_then(|r| serde_json::from_value(r).ok()).unwrap_or_default();
        let answers: Option<InputResponses> = tokio::select! {
            biased;
            () = control.cancel.cancelled() => None,
            answers = session.handler.provide(InputRequiredResult::from_input_requests(requests)) => answers,
        };
        let Some(answers) = answers else {
            cancel(session, task).await;
            return Err(Lost::GivenUp("the server asked for something that nobody here answers, and its task was cancelled".to_owned()));
        };
        let params = UpdateTaskParams::new(task.id.clone(), answers);
        once(self, session, ClientRequest::UpdateTaskRequest(UpdateTaskRequest::new(params)), control, deadline).await.map(drop)
    }

    /// Fetches the result of a task of the older form; that may take as long as its questions to the person do.
    async fn older_result(&self, session: &Arc<Session>, task: &Task, control: &CallControl, deadline: Instant) -> Result<Reply, Lost> {
        let request = ClientRequest::CustomRequest(CustomRequest::new("tasks/result", Some(json!({"taskId": task.id}))));
        let result = once(self, session, request, control, deadline).await?;
        read(&serde_json::to_value(&result).map_err(|e| Lost::Unusable(e.to_string()))?)
    }
}

fn read(result: &Value) -> Result<Reply, Lost> {
    match decode(result) {
        Decoded::Done(reply) => Ok(reply),
        Decoded::Refused(class, message) => Err(Lost::Refused(class, message)),
        Decoded::Unusable(reason) => Err(Lost::Unusable(reason)),
    }
}

fn failure(task: &Task) -> Lost {
    let error = task.state.get("error");
    let code = error.and_then(|e| e.get("code")).and_then(Value::as_i64).and_then(|c| i32::try_from(c).ok()).unwrap_or_default();
    let text = error.and_then(|e| e.get("message")).and_then(Value::as_str).unwrap_or("its task failed without a word");
    let (class, message) = rpc_error(code, text, error.and_then(|e| e.get("data")));
    Lost::Refused(class, message)
}

/// The server's last words about a task.
fn words(task: &Task) -> String {
    let said = task.state.get("statusMessage").and_then(Value::as_str).unwrap_or_default();
    if said.is_empty() { String::new() } else { format!(" (the server says: {})", clean_line(said, 200)) }
}

async fn cancel(session: &Session, task: &Task) {
    let request = CancelTaskRequest::new(CancelTaskParams::new(task.id.clone()));
    let sent = session.peer.send_request(ClientRequest::CancelTaskRequest(request));
    let _ = tokio::time::timeout(CANCEL_PATIENCE, sent).await;
}
