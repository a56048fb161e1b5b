//! Which parser reads a request: the offline one, or the one that asks the configured model.

use std::{sync::Arc, time::Duration};

use super::App;
use crate::{
    config::ModelSetting,
    diagnostic::{Diagnostic, Failure},
    event::Event,
    intent::{Frame, World, llm::LlmParser, offline::OfflineParser},
    llm::{
        Budget, Llm,
        http::{HttpLlm, ModelConfig, RetryPolicy},
        prompt::Prompts,
    },
};

/// The configured model, without a parser around it.
pub struct LiveModel {
    /// The client.
    pub llm: Arc<dyn Llm>,
    /// What it is told.
    pub prompts: Arc<Prompts>,
    /// Its name, as the server knows it.
    pub name: String,
}

/// Which parser was asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ParserKind {
    /// The built-in one.
    Offline,
    /// The model.
    Model,
}

impl App {
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

    /// The configured model; an error if there is none.
    pub fn live_model(&self) -> Result<LiveModel, Failure> {
        let Some(setting) = &self.config().model else { return Err(no_model()) };
        let llm = client(setting)?;
        let prompts = Prompts::load(&self.folders("prompts"))?;
        Ok(LiveModel { llm: Arc::new(llm), prompts: Arc::new(prompts), name: setting.model.clone() })
    }

    /// The parser that asks the configured model; none if no model is configured or its settings are bad (which is said).
    pub fn model(&self) -> Option<&LlmParser> {
        let make = || -> Result<Option<LlmParser>, Failure> {
            if self.config().model.is_none() {
                return Ok(None);
            }
            let LiveModel { llm, prompts, name } = self.live_model()?;
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

    /// The chosen parser, for evals.
    pub fn parser(&self) -> Result<&dyn crate::intent::Parser, Failure> {
        match (self.chosen(), self.model()) {
            (Some(ParserKind::Model), Some(model)) => Ok(model),
            (Some(ParserKind::Model), None) => Err(no_model()),
            _ => Ok(self.offline()),
        }
    }
}

/// A client for the configured model.
pub(super) fn client(setting: &ModelSetting) -> Result<HttpLlm, Failure> {
    let config = ModelConfig {
        base_url: setting.base_url.clone(),
        model: setting.model.clone(),
        key: setting.key.clone(),
        headers: Vec::new(),
        timeout: Some(Duration::from_secs(setting.timeout)),
    };
    Ok(HttpLlm::new(&config, Budget::default(), RetryPolicy::default())?)
}

/// No model is configured, and something needs one.
fn no_model() -> Failure {
    Failure::from(
        Diagnostic::error("model::none", "No model is configured")
            .detail("`--parser llm` and recording need a model.")
            .state("Nothing was changed.")
            .next("Say which, for any OpenAI-compatible server:", "export SWELL_MODEL_URL=http://localhost:11434/v1 SWELL_MODEL=llama3.1"),
    )
}
