//! The parser that asks a model: one call, a closed schema, our own checks, one chance to repair, then a question.
//!
//! Whatever the model says is data that a person will review. It cannot name a pattern, parameter or deployment that does
//! not exist, and a value that the words do not bear out is marked as assumed or asked for, never passed off as said.

use std::sync::Arc;

use async_trait::async_trait;
use serde_json::json;

use super::{AskReason, CatalogEntry, Frame, Parser, Question, World};
use crate::{
    diagnostic::Failure,
    llm::{Llm, LlmError, Message, Reply, ReplySchema, Request, Speaker, prompt::Prompts, shown},
};

mod ask;

mod evidence;

mod read;

mod value;

use ask::Ask;
use read::Unusable;

/// The longest request that is sent, in characters.
const MAX_REQUEST: usize = 8_000;

/// How much of a bad reply the model is shown again, in characters.
const MAX_ECHO: usize = 4_000;

/// Understands requests by asking a model.
pub struct LlmParser {
    llm: Arc<dyn Llm>,
    prompts: Arc<Prompts>,
    model: String,
    catalogue: Arc<[CatalogEntry]>,
    repeat: u32,
}

impl LlmParser {
    /// Puts the parser together. `model` is the name as the server knows it.
    pub fn new(llm: Arc<dyn Llm>, prompts: Arc<Prompts>, model: impl Into<String>, catalogue: impl Into<Arc<[CatalogEntry]>>) -> Self {
        Self { llm, prompts, model: model.into(), catalogue: catalogue.into(), repeat: 0 }
    }

    /// Says which of several tries this parser makes, so that recordings keep them apart.
    #[must_use]
    pub fn try_number(mut self, repeat: u32) -> Self {
        self.repeat = repeat;
        self
    }

    /// Reads a request. An error means that no model answered, and that the offline parser should; a model that answers
    /// nonsense twice ends in a question to the person instead.
    pub async fn parse(&self, text: &str, world: &World) -> Result<Frame, LlmError> {
        let ask = Ask::new(text, world, &self.catalogue);
        let mut frame = match ask.request.chars().count() {
            0 => self.question("What should be done?"),
            n if n > MAX_REQUEST => self.question("The request is too long to be understood. What should be done, in a sentence or two?"),
            _ => self.ask(&ask).await?,
        };
        frame.parser = self.model.clone();
        frame.notes.extend(super::scrub::note(&ask.left_out));
        Ok(frame)
    }

    async fn ask(&self, ask: &Ask<'_>) -> Result<Frame, LlmError> {
        let system = self.prompts.render("intent/system", json!({"patterns": ask.patterns()}))?;
        let user = self.prompts.render("intent/request", ask.data())?;
        let messages = vec![Message::new(Speaker::System, system.text), Message::new(Speaker::User, user.text)];
        let request = Request {
            prompt: format!("{} {}", system.version, user.version),
            schema: Some(ReplySchema { name: "frame".to_owned(), schema: ask.schema() }),
            // Room for models that think aloud first.
            max_tokens: 4_096,
            repeat: self.repeat,
            ..Request::new("intent", self.model.clone(), messages)
        };
        let reply = self.llm.complete(request.clone()).await?;
        let unusable = match self.read(&reply, ask)? {
            Ok(frame) => return Ok(frame),
            Err(unusable) => unusable,
        };
        tracing::debug!(model = %self.model, problems = ?unusable.problems, "the model's answer cannot be used; asking once more");
        let reply = self.llm.complete(self.repair(request, &reply, &unusable)?).await?;
        Ok(match self.read(&reply, ask)? {
            Ok(frame) => Frame { confidence: frame.confidence * 0.8, ..frame },
            Err(unusable) => self.give_up(unusable, ask),
        })
    }

    /// Content that is no answer at all is for the repair round; a refusal is for the caller.
    fn read(&self, reply: &Reply, ask: &Ask<'_>) -> Result<Result<Frame, Unusable>, LlmError> {
        match reply.json() {
            Ok(Ok(value)) => Ok(read::frame(&value, ask, &self.model)),
            Ok(Err(why)) => Ok(Err(Unusable::of(format!("it is not a JSON object: {why}")))),
            Err(e) if e.is_about_content() => Ok(Err(Unusable::of(e.to_string()))),
            Err(e) => Err(e),
        }
    }

    fn repair(&self, request: Request, reply: &Reply, unusable: &Unusable) -> Result<Request, LlmError> {
        let prompt = self.prompts.render("intent/repair", json!({"problems": unusable.problems}))?;
        let mut messages = request.messages;
        let echo: String = reply.content.chars().take(MAX_ECHO).collect();
        if !echo.trim().is_empty() {
            messages.push(Message::new(Speaker::Assistant, echo));
        }
        messages.push(Message::new(Speaker::User, prompt.text));
        Ok(Request {
            purpose: "intent-repair".to_owned(),
            prompt: format!("{} {}", request.prompt, prompt.version),
            messages,
            max_tokens: request.max_tokens * 2,
            ..request
        })
    }

    /// Never a guess: what could be made out stays, and the rest is asked.
    fn give_up(&self, unusable: Unusable, ask: &Ask<'_>) -> Frame {
        let Some(mut frame) = unusable.partial.map(|f| *f).filter(|_| !unusable.about.is_empty()) else {
            return self.question("That could not be made out. What should be done, in other words?");
        };
        let asks = unusable.about.iter().map(|name| ask.ask_for(frame.pattern.as_deref(), name)).collect::<Vec<_>>().join(" ");
        frame.question = Some(Question { text: asks, about: unusable.about, choices: Vec::new(), reason: AskReason::InvalidValue });
        frame.confidence = frame.confidence.min(0.3);
        frame
    }

    fn question(&self, text: &str) -> Frame {
        let question = Question { text: text.to_owned(), about: Vec::new(), choices: Vec::new(), reason: AskReason::Ambiguous };
        Frame { question: Some(question), parser: self.model.clone(), ..Frame::default() }
    }
}

#[async_trait]
impl Parser for LlmParser {
    fn name(&self) -> &str {
        &self.model
    }

    async fn parse(&self, text: &str, world: &World) -> Result<Frame, Failure> {
        Ok(LlmParser::parse(self, text, world).await?)
    }
}

/// Guest text for a place where a person reads it: one line, bounded.
fn line(text: &str) -> String {
    shown(text, 300)
}

#[cfg(test)]
#[path = "llm/tests.rs"]
mod tests;
