//! Servers that want the user's model asked: only where the user's own file says so, a model is configured and a person is there, and each
//! time only after a yes to what is shown.

use std::sync::Arc;

use async_trait::async_trait;

use super::{ParserKind, Parts, parsers::client};
use crate::{
    config::{ModelSetting, SamplingSetting, ServerSetting},
    event::{Event, Sink},
    llm::{Llm, Message, Request, Speaker, scrub},
    mcp::sampling::{Allowance, NoSample, Sample, SampleRequest, Sampled},
    review::Human,
    secret::{Redactor, SecretStore},
};

/// How much of each message is shown, in characters and lines.
const SHOWN: usize = 1200;
const LINES: usize = 20;

/// The longest answer that a server is given, in characters.
const MAX_ANSWER: usize = 32 << 10;

/// Shows requests to a person and puts them to the model.
struct Sampler {
    human: Arc<dyn Human>,
    sink: Arc<dyn Sink>,
    model: ModelSetting,
    redactor: Redactor,
}

/// What a server may have asked; nothing unless everything that is needed for it is there.
pub(super) fn allowance(setting: &ServerSetting, parts: &Parts, secrets: &SecretStore) -> Option<Arc<Allowance>> {
    let model = parts.config.model.clone().filter(|_| parts.parser != Some(ParserKind::Offline))?;
    if setting.sampling != SamplingSetting::Ask || !parts.human.present() {
        return None;
    }
    let sampler = Sampler { human: parts.human.clone(), sink: parts.sink.clone(), model, redactor: secrets.redactor().clone() };
    Some(Arc::new(Allowance::new(sampler)))
}

impl Sampler {
    /// What leaves us: without the values of our secrets, and without what looks like one.
    fn clean(&self, text: &str) -> String {
        scrub::scrub(&self.redactor.text(text)).text
    }

    async fn ask(&self, request: SampleRequest) -> Result<Sampled, crate::diagnostic::Failure> {
        let system = request.system.into_iter().map(|s| Message::new(Speaker::System, s));
        let speaker = |by_model| if by_model { Speaker::Assistant } else { Speaker::User };
        let messages = system.chain(request.messages.into_iter().map(|m| Message::new(speaker(m.by_model), m.text))).collect();
        let request = Request {
            max_tokens: request.max_tokens,
            temperature: request.temperature,
            ..Request::new("sampling", self.model.model.clone(), messages)
        };
        let reply = client(&self.model)?.complete(request).await?;
        let text = reply.text()?;
        let text: String = self.clean(text).chars().take(MAX_ANSWER).collect();
        let model = if reply.model_reported.is_empty() { self.model.model.clone() } else { reply.model_reported };
        Ok(Sampled { text, model })
    }
}

#[async_trait]
impl Sample for Sampler {
    async fn sample(&self, mut request: SampleRequest) -> Result<Sampled, NoSample> {
        request.system = request.system.map(|s| self.clean(&s));
        request.messages.iter_mut().for_each(|m| m.text = self.clean(&m.text));
        if !self.human.confirm(&shown(&request, &self.model), "yes").await {
            return Err(NoSample::Declined);
        }
        self.ask(request).await.map_err(|failure| {
            // The server is told only that there is no answer; why is for the person.
            failure.0.into_iter().for_each(|d| self.sink.emit(Event::Warning { diagnostic: Box::new(d) }));
            NoSample::Failed
        })
    }
}

/// The request for the person: who, what, how much, and where it goes.
fn shown(request: &SampleRequest, model: &ModelSetting) -> String {
    let mut text = format!(
        "The server `{}` wants your model asked: {} at {}, at most {} tokens. What it says to the model:\n",
        request.server,
        model.model,
        crate::config::shown_url(&model.base_url),
        request.max_tokens
    );
    let system = request.system.iter().map(|s| ("system", s));
    let said = request.messages.iter().map(|m| (if m.by_model { "as if the model had said" } else { "user" }, &m.text));
    for (who, words) in system.chain(said) {
        text.push_str(&format!("  {who}:\n"));
        let start: String = words.chars().take(SHOWN).collect();
        start.lines().take(LINES).for_each(|line| text.push_str(&format!("  │ {line}\n")));
        let seen: usize = start.lines().take(LINES).map(|l| l.chars().count() + 1).sum();
        let more = words.chars().count().saturating_sub(seen);
        if more > 0 {
            text.push_str(&format!("  │ … and {more} more characters\n"));
        }
    }
    text.push_str("The answer goes to the server. The model sees nothing else: no tools, no secrets, nothing of this conversation.\n");
    text
}

#[cfg(test)]
#[path = "sampling/tests.rs"]
mod tests;
