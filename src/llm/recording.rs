//! Recorded replies: what a model once said, keyed by what it was asked.
//!
//! The seam is the trait [`Llm`], not HTTP. In replay nothing that could reach the network is even constructed. Requests
//! are scrubbed before they are hashed, so no secret has to be kept to be found again; no address, header or key is stored.

use std::{
    collections::{BTreeMap, BTreeSet},
    path::{Path, PathBuf},
    sync::{Arc, Mutex, MutexGuard},
    time::Duration,
};

use async_trait::async_trait;
use serde_json::Value;

use super::{Llm, LlmError, Reply, Request, scrub};
use crate::domain::{Clock, Timestamp};

pub mod file;

use file::{Fingerprint, Recording, Response, VERSION};

/// The origin of a recording that no model made.
pub const BY_HAND: &str = "written-by-hand";

/// What to do when a recording is there, and when it is not.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mode {
    /// Replay; a miss is an error. Needs no model.
    None,
    /// Replay; record only for a case that has no recording at all.
    Once,
    /// Replay; record what is missing.
    NewEpisodes,
    /// Record everything again.
    All,
    /// Ask the model again and report what differs; write nothing.
    Verify,
}

/// A recorded answer that the model would not give today.
#[derive(Debug, Clone, PartialEq)]
pub struct Drift {
    /// The case.
    pub case: String,
    /// What was recorded.
    pub recorded: String,
    /// What the model says now.
    pub now: String,
}

/// A model that answers from recordings, or fills them.
pub struct Recordings {
    root: PathBuf,
    mode: Mode,
    source: Option<Source>,
    clock: Option<Arc<dyn Clock>>,
    state: Mutex<State>,
}

/// Where a reply that is not recorded yet comes from.
enum Source {
    /// A model.
    Live(Arc<dyn Llm>),
    /// What was written by hand, by case and turn.
    Pen(BTreeMap<(String, u32), Response>),
}

#[derive(Default)]
struct State {
    case: String,
    bad_reply_wanted: bool,
    turn: u32,
    used: BTreeSet<PathBuf>,
    drift: Vec<Drift>,
}

impl Recordings {
    /// Replays only.
    pub fn replay(root: impl Into<PathBuf>) -> Self {
        Self { root: root.into(), mode: Mode::None, source: None, clock: None, state: Mutex::default() }
    }

    /// Replays or records, as the mode says, in front of a model.
    pub fn around(live: Arc<dyn Llm>, root: impl Into<PathBuf>, mode: Mode, clock: Arc<dyn Clock>) -> Self {
        // Replay must not be able to ask, whatever it was handed.
        let source = (mode != Mode::None).then_some(Source::Live(live));
        Self { source, mode, clock: Some(clock), ..Self::replay(root) }
    }

    /// Files the replies that were written by hand under the keys that today's prompts give. Their words stay as they are.
    pub fn rekey(root: impl Into<PathBuf>, clock: Arc<dyn Clock>) -> Result<Self, LlmError> {
        let root = root.into();
        let mut replies = BTreeMap::new();
        for (path, recording) in file::all(&root)? {
            if recording.origin == BY_HAND && replies.insert((recording.case_id.clone(), recording.turn), recording.response).is_some() {
                return Err(LlmError::BadRecording {
                    path,
                    detail: format!("case `{}` has two replies for turn {}", recording.case_id, recording.turn),
                });
            }
        }
        Ok(Self { source: Some(Source::Pen(replies)), mode: Mode::All, clock: Some(clock), ..Self::replay(root) })
    }

    /// Says which case the next calls belong to, and whether a bad reply is what it wants to see.
    pub fn start_case(&self, id: &str, bad_reply_wanted: bool) {
        let mut state = self.state();
        state.case = id.to_owned();
        state.bad_reply_wanted = bad_reply_wanted;
        state.turn = 0;
    }

    /// What `verify` found.
    pub fn drift(&self) -> Vec<Drift> {
        self.state().drift.clone()
    }

    /// Recordings that no call has asked for since this value was made.
    pub fn orphans(&self) -> Result<Vec<PathBuf>, LlmError> {
        let used = self.state().used.clone();
        Ok(file::all(&self.root)?.into_iter().map(|(path, _)| path).filter(|p| !used.contains(p)).collect())
    }

    /// Recordings of a model that are older than so many days. What was written by hand does not age.
    pub fn aged(&self, now: Timestamp, days: i64) -> Result<Vec<PathBuf>, LlmError> {
        let old = |r: &Recording| {
            let at = r.recorded_at.as_deref().and_then(|t| t.parse::<Timestamp>().ok());
            at.is_some_and(|at| now.as_second() - at.as_second() > days * 86_400)
        };
        Ok(file::all(&self.root)?.into_iter().filter(|(_, r)| old(r)).map(|(path, _)| path).collect())
    }

    /// Removes the orphans and says which they were.
    pub fn prune(&self) -> Result<Vec<PathBuf>, LlmError> {
        let orphans = self.orphans()?;
        for path in &orphans {
            std::fs::remove_file(self.root.join(path)).map_err(|e| file::bad(path, e.to_string()))?;
        }
        Ok(orphans)
    }

    fn state(&self) -> MutexGuard<'_, State> {
        // Nothing in here can be left half-done by a panic.
        self.state.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
    }

    fn find(&self, path: &Path, key: &str, request: &Request) -> Result<Option<Recording>, LlmError> {
        let Some(recording) = file::read(&self.root, path)? else { return Ok(None) };
        if recording.key != key || file::key_of(&recording.request) != key {
            return Err(file::bad(path, "its request does not fit its key; it was edited or damaged".to_owned()));
        }
        let then = &recording.fingerprint.prompt_template;
        if !then.is_empty() && !request.prompt.is_empty() && *then != request.prompt {
            return Err(LlmError::StaleRecording {
                path: path.to_owned(),
                detail: format!("it was made with {then}, the prompts are now {}", request.prompt),
            });
        }
        Ok(Some(recording))
    }

    fn miss(&self, key: &str, request: &Value, case: &str) -> LlmError {
        let nearest = match file::nearest(&self.root, request, case) {
            Ok(Some((path, difference))) => format!("the nearest is {}; {difference}", path.display()),
            Ok(None) => "there are no recordings of this model".to_owned(),
            Err(e) => e.to_string(),
        };
        LlmError::NoRecording { key: key[..16].to_owned(), case: case.to_owned(), nearest }
    }

    async fn record(&self, source: &Source, path: &Path, key: String, canonical: Value, request: Request) -> Result<Reply, LlmError> {
        let (case_id, turn, bad_reply_wanted) = {
            let state = self.state();
            (state.case.clone(), state.turn, state.bad_reply_wanted)
        };
        let schema = request.schema.clone();
        let (repeat, prompt) = (request.repeat, request.prompt.clone());
        let now = self.clock.as_ref().map(|c| c.now().to_string());
        let (mut response, latency, model_reported, origin) = match source {
            Source::Pen(replies) => {
                let written = replies.get(&(case_id.clone(), turn)).cloned();
                let written = written.ok_or_else(|| LlmError::Unfit(format!("nothing is written for turn {turn} of case `{case_id}`")))?;
                (written, Duration::ZERO, String::new(), BY_HAND.to_owned())
            }
            Source::Live(llm) => match llm.complete(request).await {
                Ok(reply) => {
                    let day = now.as_deref().and_then(|n| n.get(..10)).unwrap_or_default();
                    (Response::of(&reply), reply.latency, reply.model_reported.clone(), format!("{} {day}", reply.model_reported))
                }
                Err(e) => match Response::of_error(&e).filter(|_| bad_reply_wanted) {
                    Some(response) => (response, Duration::ZERO, String::new(), "the server's error".to_owned()),
                    None => return Err(e),
                },
            },
        };
        if !bad_reply_wanted && matches!(source, Source::Live(_)) {
            response.check(schema.as_ref().map(|s| &s.schema))?;
        }
        response.content = scrub::scrub(&response.content).text;
        let by_hand = matches!(source, Source::Pen(_));
        let recording = Recording {
            v: VERSION,
            key,
            case_id,
            turn,
            repeat,
            // A date on what was written by hand would only make noise in version control.
            recorded_at: now.filter(|_| !by_hand),
            origin,
            fingerprint: Fingerprint {
                prompt_template: prompt,
                response_schema: file::digest(&canonical["response_schema"]),
                model_reported: model_reported.clone(),
            },
            request: canonical,
            response,
            latency_ms: latency.as_millis() as u64,
        };
        file::write(&self.root, path, &recording)?;
        recording.response.reply(latency, &model_reported)
    }

    fn compare(&self, recorded: &Recording, now: &Reply) {
        // Bytes always differ; what counts is the answer.
        let parsed = |text: &str| serde_json::from_str::<Value>(text).map(|v| file::canonical(&v)).unwrap_or_else(|_| text.to_owned());
        let (then, now) = (parsed(&recorded.response.content), parsed(&now.content));
        if then != now {
            let mut state = self.state();
            let case = state.case.clone();
            state.drift.push(Drift { case, recorded: then, now });
        }
    }
}

#[async_trait]
impl Llm for Recordings {
    async fn complete(&self, request: Request) -> Result<Reply, LlmError> {
        let canonical = file::canonical_request(&request);
        let key = file::key_of(&canonical);
        let path = file::path_of(&request.model, &key);
        let case = {
            let mut state = self.state();
            state.used.insert(path.clone());
            state.case.clone()
        };
        let found = match self.mode {
            Mode::All => None,
            _ => self.find(&path, &key, &request)?,
        };
        let result = match (self.mode, found, &self.source) {
            (Mode::Verify, Some(recorded), Some(Source::Live(live))) => {
                let now = live.complete(request).await?;
                self.compare(&recorded, &now);
                Ok(now)
            }
            (_, Some(recorded), _) => {
                recorded.response.reply(Duration::from_millis(recorded.latency_ms), &recorded.fingerprint.model_reported)
            }
            (Mode::Once, None, Some(source)) if !file::has_case(&self.root, &case)? => {
                self.record(source, &path, key, canonical, request).await
            }
            (Mode::NewEpisodes | Mode::All, None, Some(source)) => self.record(source, &path, key, canonical, request).await,
            (_, None, _) => Err(self.miss(&key, &canonical, &case)),
        };
        self.state().turn += 1;
        result
    }
}

#[cfg(test)]
#[path = "recording/tests.rs"]
mod tests;
