//! A model for tests: answers in order, and keeps what it was asked.

use std::{collections::VecDeque, sync::Mutex};

use async_trait::async_trait;

use super::{Llm, LlmError, Reply, Request};

/// Replies in order; `Empty` when there are no more.
pub(crate) struct Scripted {
    replies: Mutex<VecDeque<Result<Reply, LlmError>>>,
    pub(crate) asked: Mutex<Vec<Request>>,
}

impl Scripted {
    pub(crate) fn new(replies: impl IntoIterator<Item = Result<Reply, LlmError>>) -> Self {
        Self { replies: Mutex::new(replies.into_iter().collect()), asked: Mutex::default() }
    }

    pub(crate) fn saying<'a>(texts: impl IntoIterator<Item = &'a str>) -> Self {
        Self::new(texts.into_iter().map(|t| Ok(reply(t))))
    }
}

pub(crate) fn reply(content: &str) -> Reply {
    Reply {
        content: content.to_owned(),
        finish_reason: Some("stop".to_owned()),
        model_reported: "scripted-1".to_owned(),
        ..Reply::default()
    }
}

#[async_trait]
impl Llm for Scripted {
    async fn complete(&self, request: Request) -> Result<Reply, LlmError> {
        self.asked.lock().unwrap().push(request);
        self.replies.lock().unwrap().pop_front().unwrap_or(Err(LlmError::Empty { finish_reason: "script is at its end".to_owned() }))
    }
}
