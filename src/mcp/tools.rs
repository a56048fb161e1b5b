//! The tools that a server offers, as it sends them: one malformed tool does not hide the others, and no field is lost.

use std::{
    collections::{BTreeSet, HashSet},
    time::Duration,
};

use rmcp::{
    model::{ClientRequest, PaginatedRequestParams, RequestOptionalParam, ServerResult},
    service::{PeerRequestOptions, ServiceError},
};
use serde_json::Value;

use super::{CallError, Refusal, connection::Connection, http::innermost, pins::Guard, protocol::tool, session::Session};
use crate::domain::{
    ToolName,
    text::{clean, clean_line},
};

/// Bounds of a listing: a server that never ends its list is cut off with an error.
const MAX_PAGES: usize = 100;
const MAX_TOOLS: usize = 5000;

/// The longest time for one page.
const PAGE_TIMEOUT: Duration = Duration::from_secs(30);

/// One tool.
#[derive(Debug, Clone, PartialEq)]
pub struct Tool {
    /// Its name.
    pub name: ToolName,
    /// The whole object as the server sent it. Untrusted.
    pub definition: Value,
}

impl Tool {
    /// Checks a definition. The error says what is wrong with it.
    pub fn parse(definition: Value) -> Result<Self, String> {
        let name = definition.get("name").and_then(Value::as_str).ok_or("it has no name")?;
        let name = ToolName::new(name).map_err(|e| e.to_string())?;
        let is = |key: &str, check: fn(&Value) -> bool, what: &str| match definition.get(key) {
            Some(value) if !value.is_null() && !check(value) => Err(format!("`{key}` is not {what}")),
            _ => Ok(()),
        };
        if !definition.get("inputSchema").is_some_and(Value::is_object) {
            return Err("it has no `inputSchema`".to_owned());
        }
        is("description", Value::is_string, "text")?;
        is("title", Value::is_string, "text")?;
        is("outputSchema", Value::is_object, "an object")?;
        is("annotations", Value::is_object, "an object")?;
        for hint in ["readOnlyHint", "destructiveHint", "idempotentHint", "openWorldHint"] {
            if definition.pointer(&format!("/annotations/{hint}")).is_some_and(|v| !v.is_boolean() && !v.is_null()) {
                return Err(format!("`annotations.{hint}` is neither true nor false"));
            }
        }
        Ok(Self { name, definition })
    }

    /// What it says it does, in one line of at most 200 characters. Untrusted text, cleaned.
    pub fn summary(&self) -> String {
        clean_line(self.definition.get("description").and_then(Value::as_str).unwrap_or_default(), 200)
    }

    /// JSON Schema of its arguments.
    pub fn input_schema(&self) -> &Value {
        &self.definition["inputSchema"]
    }

    /// JSON Schema of its structured result, if it has one.
    pub fn output_schema(&self) -> Option<&Value> {
        self.definition.get("outputSchema").filter(|s| s.is_object())
    }

    /// A hint of the server about the tool. Never authority: it may make us more careful, not less.
    pub fn hint(&self, name: &str) -> Option<bool> {
        self.definition.get("annotations")?.get(name)?.as_bool()
    }
}

/// A tool that cannot be used.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MalformedTool {
    /// Its name, cleaned, or `?`.
    pub name: String,
    /// What is wrong with it.
    pub reason: String,
}

/// All tools of a server.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct ToolList {
    /// The good ones, in the server's order.
    pub tools: Vec<Tool>,
    /// The others.
    pub malformed: Vec<MalformedTool>,
}

impl ToolList {
    fn add(&mut self, definition: Value, seen: &mut BTreeSet<ToolName>) {
        let shown = definition.get("name").and_then(Value::as_str).map_or_else(|| "?".to_owned(), |n| clean_line(n, 80));
        let reason = match Tool::parse(definition) {
            Ok(tool) if seen.insert(tool.name.clone()) => return self.tools.push(tool),
            Ok(_) => "another tool has the same name".to_owned(),
            Err(reason) => reason,
        };
        self.malformed.push(MalformedTool { name: shown, reason });
    }

    /// Looks one up.
    pub fn get(&self, name: &str) -> Option<&Tool> {
        self.tools.iter().find(|t| t.name.as_str() == name)
    }
}

/// Whether a server with these tools speaks the cross-MCP protocol.
pub fn speaks_protocol(tools: &[Tool]) -> bool {
    tool::REQUIRED.iter().all(|name| tools.iter().any(|t| t.name.as_str() == *name))
}

impl Connection {
    /// Reads the list of tools anew, page by page. It is a read: a connection that is lost meanwhile is made anew once.
    pub async fn tools(&self) -> Result<ToolList, CallError> {
        let mut first = true;
        loop {
            let session = self.session().await.map_err(|e| CallError::NotSent { server: self.name().clone(), reason: e.in_brief() })?;
            match self.list(&session).await {
                Err(ServiceError::TransportClosed | ServiceError::TransportSend(_)) if first => {
                    first = false;
                    self.discard(&session).await;
                }
                Ok(list) if self.guard().is_some_and(|g| !g.passes(&list.tools)) => {
                    return Err(CallError::NotSent { server: self.name().clone(), reason: Guard::WORDS.to_owned() });
                }
                Ok(list) => return Ok(list),
                Err(e) => return Err(self.list_error(e, &session).await),
            }
        }
    }

    pub(super) async fn list(&self, session: &Session) -> Result<ToolList, ServiceError> {
        let (mut list, mut seen, mut cursors) = (ToolList::default(), BTreeSet::new(), HashSet::new());
        let mut cursor: Option<String> = None;
        for _ in 0..MAX_PAGES {
            let request = ClientRequest::ListToolsRequest(RequestOptionalParam::with_param(
                PaginatedRequestParams::default().with_cursor(cursor.take()),
            ));
            let handle = session.peer.send_request_with_option(request, PeerRequestOptions::with_timeout(PAGE_TIMEOUT));
            let handle =
                tokio::time::timeout(PAGE_TIMEOUT, handle).await.map_err(|_| ServiceError::Timeout { timeout: PAGE_TIMEOUT })??;
            let id = handle.id.clone();
            // Twice the time: rmcp tells the server about a timeout, which a full pipe can make to hang.
            let reply = tokio::time::timeout(PAGE_TIMEOUT * 2, handle.await_response()).await;
            let reply = reply.map_err(|_| ServiceError::Timeout { timeout: PAGE_TIMEOUT })??;
            let next = match &reply {
                ServerResult::ListToolsResult(page) => page.next_cursor.clone(),
                ServerResult::CustomResult(raw) => raw.0.get("nextCursor").and_then(Value::as_str).map(str::to_owned),
                _ => return Err(ServiceError::UnexpectedResponse),
            };
            let understood = serde_json::to_value(&reply).ok().and_then(|mut r| r.get_mut("tools").map(Value::take));
            let (Some(Value::Array(understood)), raw) = (understood, session.raw.take(&id)) else {
                return Err(ServiceError::UnexpectedResponse);
            };
            // As they came, where that is known; rmcp takes out those whose headers would lie about their arguments.
            let tools = match raw {
                Some(Value::Array(raw)) if raw.len() == understood.len() => raw,
                Some(Value::Array(raw)) => raw.into_iter().filter(|r| understood.iter().any(|u| u.get("name") == r.get("name"))).collect(),
                _ => understood,
            };
            for definition in tools {
                list.add(definition, &mut seen);
            }
            match next {
                Some(next) if list.tools.len() + list.malformed.len() < MAX_TOOLS && cursors.insert(next.clone()) => cursor = Some(next),
                Some(_) => break,
                None => {
                    session.learn_tasks(&list.tools);
                    return Ok(list);
                }
            }
        }
        // A list that is cut off would make a pin that says too little.
        Err(ServiceError::UnexpectedResponse)
    }

    async fn list_error(&self, error: ServiceError, session: &Session) -> CallError {
        let (class, message) = match error {
            ServiceError::McpError(e) => (Refusal::Other, clean(&e.message, 1000)),
            ServiceError::Timeout { timeout } => {
                (Refusal::Other, format!("no list of tools within {} s{}", timeout.as_secs(), session.trouble().await))
            }
            ServiceError::UnexpectedResponse => (Refusal::Other, "its list of tools cannot be used, or does not end".to_owned()),
            other => (Refusal::Other, format!("its list of tools could not be read: {}{}", innermost(&other), session.trouble().await)),
        };
        let tool = match ToolName::new("tools/list") {
            Ok(tool) => tool,
            Err(e) => return CallError::NotSent { server: self.name().clone(), reason: e.to_string() },
        };
        CallError::Refused { server: self.name().clone(), tool, class, message }
    }
}
