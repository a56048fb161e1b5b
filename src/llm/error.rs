//! What can go wrong between Swell and a model, and what a person can do about it.

use std::{path::PathBuf, time::Duration};

use crate::diagnostic::{Diagnostic, Explain};

/// Why there is no answer. Texts of servers in here are already bounded and stripped (see [`super::shown`]).
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum LlmError {
    /// The settings cannot be used: a key with a line break, a URL that is none.
    #[error("the model settings cannot be used: {0}")]
    Settings(String),
    /// No connection.
    #[error("the model server at {url} cannot be reached: {detail}")]
    Unreachable {
        /// Where.
        url: String,
        /// What the connection said.
        detail: String,
    },
    /// The key was refused.
    #[error("the model server refused the key ({status}): {detail}")]
    Auth {
        /// 401 or 403.
        status: u16,
        /// What the server said.
        detail: String,
    },
    /// Too many calls; it will pass.
    #[error("the model server asks to slow down: {detail}")]
    RateLimited {
        /// What the server said.
        detail: String,
        /// How long it wants to be left alone.
        retry_after: Option<Duration>,
    },
    /// No money; it will not pass by itself.
    #[error("the account at the model server has no quota left: {detail}")]
    Quota {
        /// What the server said.
        detail: String,
    },
    /// The deadline passed.
    #[error("no answer within {} s", after.as_secs_f32())]
    Timeout {
        /// The deadline.
        after: Duration,
    },
    /// The reply is longer than the budget.
    #[error("the reply is longer than {limit} bytes")]
    TooLarge {
        /// The budget.
        limit: usize,
    },
    /// The model said nothing.
    #[error("the reply is empty (finish reason `{finish_reason}`)")]
    Empty {
        /// As the server gave it.
        finish_reason: String,
    },
    /// The model would not answer.
    #[error("the model refused: {reason}")]
    Refused {
        /// Its words.
        reason: String,
    },
    /// The answer was cut off.
    #[error("the reply was cut off after {tokens} tokens")]
    Truncated {
        /// How many came.
        tokens: u64,
    },
    /// The server does not want this request: no such model, too long a prompt.
    #[error("the model server refused the request ({status}): {detail}")]
    Rejected {
        /// The HTTP status.
        status: u16,
        /// What the server said.
        detail: String,
    },
    /// The server broke, also on a second try.
    #[error("the model server failed ({status}): {detail}")]
    Server {
        /// The HTTP status.
        status: u16,
        /// What the server said.
        detail: String,
    },
    /// What came is not a chat completion.
    #[error("the model server's reply is not a chat completion: {detail}")]
    Garbled {
        /// What it is instead.
        detail: String,
    },
    /// A prompt cannot be made.
    #[error(transparent)]
    Prompt(#[from] super::prompt::PromptError),
    /// There is no recording of this call.
    #[error("no recording {key} for case `{case}`: {nearest}")]
    NoRecording {
        /// The key that was looked for.
        key: String,
        /// The case that asked.
        case: String,
        /// The nearest recording and what differs.
        nearest: String,
    },
    /// A recording does not fit today's prompts or schema.
    #[error("the recording {path} is stale: {detail}")]
    StaleRecording {
        /// The file, below the recordings' folder.
        path: PathBuf,
        /// What differs.
        detail: String,
    },
    /// A recording cannot be read or written.
    #[error("the recording {path} cannot be used: {detail}")]
    BadRecording {
        /// The file, below the recordings' folder.
        path: PathBuf,
        /// Why.
        detail: String,
    },
    /// Something that looks like a secret would have been written down.
    #[error("the exchange was not recorded: it holds what looks like {what}")]
    SecretInRecording {
        /// The kind of secret, never the secret.
        what: String,
    },
    /// A reply that nobody would want to replay.
    #[error("the reply was not recorded: {0}")]
    Unfit(String),
}

impl LlmError {
    /// Whether the model's own words were the trouble, so that asking again may help.
    pub fn is_about_content(&self) -> bool {
        matches!(self, Self::Empty { .. } | Self::Truncated { .. })
    }
}

impl Explain for LlmError {
    fn explain(&self) -> Diagnostic {
        let error = |code, summary| {
            Diagnostic::error(code, summary).detail(format!("{}.", capital(&self.to_string()))).state("Nothing was changed.")
        };
        let offline = "The offline parser needs no model.";
        match self {
            Self::Settings(_) => error("llm::settings", "The model settings cannot be used")
                .next("Correct them; to see every value and where it came from, run:", "swell doctor"),
            Self::Unreachable { .. } => error("llm::unreachable", "The model cannot be reached")
                .next("Check the address and that the server runs:", "swell doctor")
                .hint(offline),
            Self::Auth { .. } => error("llm::auth", "The model server refused the key")
                .next("Set a valid key; to see where the present one comes from, run:", "swell doctor")
                .hint(offline),
            Self::RateLimited { retry_after, .. } => {
                let d = error("llm::rate-limited", "The model server asks to slow down");
                match retry_after {
                    Some(after) => d.fact("wait", format!("{} s, as the server wants it", after.as_secs())),
                    None => d,
                }
                .hint("Say it again later.")
                .hint(offline)
            }
            Self::Quota { .. } => error("llm::quota", "The account has no quota left")
                .hint("Retrying does not help before the account is topped up.")
                .hint(offline),
            Self::Timeout { .. } => error("llm::timeout", "The model did not answer in time")
                .hint("A local model may still be loading; a longer `timeout` in the model settings gives it time.")
                .hint(offline),
            Self::TooLarge { .. } => {
                error("llm::too-large", "The model's reply is too large").hint("The reply was not read to its end and not used.")
            }
            Self::Empty { .. } => error("llm::empty", "The model said nothing").hint("Say it again, or choose another model."),
            Self::Refused { .. } => {
                error("llm::refused", "The model refused to answer").hint("Say it in other words, or choose another model.").hint(offline)
            }
            Self::Truncated { .. } => {
                error("llm::truncated", "The model's reply was cut off").hint("A reasoning model may need a larger token limit.")
            }
            Self::Rejected { .. } => error("llm::rejected", "The model server refused the request")
                .next("Check the model's name and the address:", "swell doctor")
                .hint(offline),
            Self::Server { .. } => error("llm::server", "The model server failed").hint("Say it again later.").hint(offline),
            Self::Garbled { .. } => error("llm::garbled", "The reply is not a chat completion")
                .next("The address may lead to something else than an OpenAI-compatible server:", "swell doctor")
                .hint(offline),
            Self::Prompt(e) => e.explain(),
            Self::NoRecording { .. } => error("llm::no-recording", "There is no recording of this call")
                .next("If the change is meant, record again and review the difference:", "swell eval record"),
            Self::StaleRecording { .. } => {
                error("llm::stale-recording", "A recording is stale").next("Record again and review the difference:", "swell eval record")
            }
            Self::BadRecording { .. } => error("llm::bad-recording", "A recording cannot be used")
                .hint("Restore the file from version control, or remove it and record again."),
            Self::SecretInRecording { .. } => {
                error("llm::secret-in-recording", "A secret would have been recorded").hint("Take the secret out of the case.")
            }
            Self::Unfit(_) => error("llm::unfit-recording", "The reply was not recorded")
                .hint("A case that wants a bad reply carries the tag `provider_error`."),
        }
    }
}

fn capital(text: &str) -> String {
    let mut chars = text.chars();
    chars.next().map(|c| c.to_uppercase().chain(chars).collect()).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn every_kind() -> Vec<LlmError> {
        let (path, text) = (|| PathBuf::from("m/ab/abcd.json"), || "words".to_owned());
        vec![
            LlmError::Settings(text()),
            LlmError::Unreachable { url: "http://localhost:1/v1".to_owned(), detail: text() },
            LlmError::Auth { status: 401, detail: text() },
            LlmError::RateLimited { detail: text(), retry_after: Some(Duration::from_secs(3600)) },
            LlmError::Quota { detail: text() },
            LlmError::Timeout { after: Duration::from_millis(1500) },
            LlmError::TooLarge { limit: 10 },
            LlmError::Empty { finish_reason: "stop".to_owned() },
            LlmError::Refused { reason: text() },
            LlmError::Truncated { tokens: 4096 },
            LlmError::Rejected { status: 404, detail: text() },
            LlmError::Server { status: 500, detail: text() },
            LlmError::Garbled { detail: text() },
            LlmError::Prompt(crate::llm::prompt::PromptError::Missing(text())),
            LlmError::NoRecording { key: "9f2c".to_owned(), case: "m-1".to_owned(), nearest: text() },
            LlmError::StaleRecording { path: path(), detail: text() },
            LlmError::BadRecording { path: path(), detail: text() },
            LlmError::SecretInRecording { what: "a password".to_owned() },
            LlmError::Unfit(text()),
        ]
    }

    #[test]
    fn every_kind_has_a_code_of_its_own_full_sentences_and_a_way_on() {
        let mut codes = Vec::new();
        for e in every_kind() {
            let d = e.explain();
            assert!(d.code.starts_with("llm::") && d.detail.ends_with('.') && !d.detail.ends_with(".."), "{d:?}");
            assert!(d.next.is_some() || !d.hints.is_empty() || d.exit == crate::diagnostic::ExitClass::Bug, "{d:?}");
            codes.push(d.code);
        }
        let all = codes.len();
        codes.sort_unstable();
        codes.dedup();
        assert_eq!(codes.len(), all);
    }
}
