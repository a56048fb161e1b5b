//! Words in, frame out: what a person's request means, as data that has passed a schema.
//!
//! Two parsers give the same [`Frame`]: the offline one (`intent/offline`) and the one that asks a model (`intent/llm`).
//! Neither can do anything; the rest of the line decides what a frame leads to.

use async_trait::async_trait;
use indexmap::IndexMap;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::diagnostic::Failure;

pub mod llm;

pub mod offline;

pub mod scrub;

/// Something that understands requests.
#[async_trait]
pub trait Parser: Send + Sync {
    /// `offline`, or the model's name.
    fn name(&self) -> &str;

    /// Reads a request against what there is.
    async fn parse(&self, text: &str, world: &World) -> Result<Frame, Failure>;
}

#[async_trait]
impl Parser for offline::OfflineParser {
    fn name(&self) -> &str {
        "offline"
    }

    async fn parse(&self, text: &str, world: &World) -> Result<Frame, Failure> {
        Ok(offline::OfflineParser::parse(self, text, world))
    }
}

/// The four intents.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Intent {
    /// Make something new (or go on editing a pending plan for something new).
    Deploy,
    /// Tell me something.
    Query,
    /// Change something that exists.
    Modify,
    /// Something is wrong; find out why.
    Troubleshoot,
}

/// What a deploy or modify wants done.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Verb {
    /// Make it.
    Deploy,
    /// Change how many.
    Scale,
    /// Change a parameter.
    Update,
    /// Change a version.
    Upgrade,
    /// Take it all away.
    Destroy,
    /// Go back to an older snapshot.
    Rollback,
    /// Run the disaster-recovery runbook.
    Failover,
    /// Stop and start again.
    Restart,
    /// Stop, keep.
    Stop,
    /// Start what was stopped.
    Start,
    /// Make a backup now.
    Backup,
    /// Bring a backup back.
    Restore,
    /// Drop the pending plan.
    Cancel,
}

/// What a query or troubleshoot is about. Helps to choose the answer; not scored.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Facet {
    /// What there is and whether it runs.
    Status,
    /// The value of a parameter or property.
    Configuration,
    /// Addresses, URLs, ports, outputs.
    Endpoints,
    /// Who changed what and when.
    History,
    /// Recorded against live.
    Drift,
    /// Logs and events.
    Logs,
    /// CPU, memory, traffic, connections.
    Metrics,
    /// Money.
    Cost,
    /// What a change would do.
    Impact,
    /// Backups.
    Backups,
    /// What Swell can do: patterns, parameters, commands.
    Help,
    /// The registered servers.
    Servers,
    /// Something else.
    Other,
}

/// Who said a parameter's value.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", tag = "from")]
pub enum Provenance {
    /// The person, with the words.
    Said {
        /// The words of the request that gave the value.
        words: String,
    },
    /// The context settles it: an existing deployment, a pending plan.
    Context {
        /// What settled it.
        what: String,
    },
    /// The pattern's default.
    Default {
        /// Why the pattern chose it.
        reason: String,
    },
    /// Made up by Swell, such as a password.
    Generated,
    /// A model assumed it; the words do not say it.
    Assumed {
        /// Which model.
        model: String,
    },
    /// Given on the command line or by an edit in the review.
    Given,
}

/// A parameter's value and who said it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Said {
    /// The value, already normalised (`postgres` is `postgresql`, `two weeks` is `14d`).
    pub value: Value,
    /// Who said it.
    pub provenance: Provenance,
}

/// Why a question has to be asked before anything can be planned.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum AskReason {
    /// A required parameter was not said.
    MissingRequired,
    /// Several deployments (or none) fit what was named.
    AmbiguousTarget,
    /// The request can be read in more than one way.
    Ambiguous,
    /// Two values exclude each other (min > max).
    Conflict,
    /// A value is not acceptable.
    InvalidValue,
}

/// A question to the person.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Question {
    /// The text, one line.
    pub text: String,
    /// What it is about: parameter names, or `target`, or `params`.
    pub about: Vec<String>,
    /// Answers to offer; may be empty.
    #[serde(default)]
    pub choices: Vec<String>,
    /// Why.
    pub reason: AskReason,
}

/// What a frame acts on.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(untagged)]
pub enum Target {
    /// Nothing named.
    #[default]
    None,
    /// One deployment, or a word that names a resource within one.
    One(String),
    /// Several.
    Many(Vec<String>),
}

/// What a request means. Parsers fill it; nothing in it has been checked against the world beyond what `World` told the parser.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
pub struct Frame {
    /// `None` for a cancel, or when the request is out of scope.
    pub intent: Option<Intent>,
    /// The pattern of a deploy (or runbook of a failover); `None` if no pattern fits.
    pub pattern: Option<String>,
    /// The action.
    pub verb: Option<Verb>,
    /// The deployment(s) meant.
    #[serde(default)]
    pub target: Target,
    /// A part of the target, when one was named ("the web tier", "container db-1").
    #[serde(default)]
    pub part: Option<String>,
    /// Only what the person said or the context settles. Nested parameters are objects (`backup: {schedule: daily}`).
    #[serde(default)]
    pub params: IndexMap<String, Said>,
    /// Required things that nobody said.
    #[serde(default)]
    pub missing: Vec<String>,
    /// What to ask, if something has to be asked.
    #[serde(default)]
    pub question: Option<Question>,
    /// Not something Swell does.
    #[serde(default)]
    pub out_of_scope: bool,
    /// The text tries to get around approval or carries a third party's instructions.
    #[serde(default)]
    pub injection: bool,
    /// What a query is about.
    #[serde(default)]
    pub facet: Option<Facet>,
    /// 0 to 1: the probability that the whole frame is right.
    pub confidence: f64,
    /// Which parser answered: `offline`, or the model's name.
    pub parser: String,
    /// The part of a turn with several requests that was not taken ("then scale it"), to be said to the person.
    #[serde(default)]
    pub also: Option<String>,
    /// Things the person should be told beside the frame (a secret was left out, the model was unreachable).
    #[serde(default)]
    pub notes: Vec<String>,
}

/// Who speaks in a conversation.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Role {
    /// The person.
    User,
    /// Swell.
    Assistant,
}

/// One turn of a conversation.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Turn {
    /// Who.
    pub role: Role,
    /// What.
    pub text: String,
}

/// What a parser may know of an existing deployment.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
pub struct KnownDeployment {
    /// Its name.
    pub name: String,
    /// The pattern it came from, if any.
    #[serde(default)]
    pub pattern: Option<String>,
    /// Its parameters.
    #[serde(default)]
    pub params: serde_json::Map<String, Value>,
    /// Where it is, if that is known.
    #[serde(default)]
    pub region: Option<String>,
    /// `healthy`, `degraded`, …
    #[serde(default)]
    pub status: String,
    /// Addresses or short names of its resources, so that "the web tier" can be found.
    #[serde(default)]
    pub resources: Vec<String>,
}

/// Everything a parser may look at besides the request itself.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct World {
    /// Deployments that exist.
    pub deployments: Vec<KnownDeployment>,
    /// Earlier turns, oldest first.
    pub history: Vec<Turn>,
    /// The frame of the plan that waits for approval, or of the question that waits for an answer.
    pub pending: Option<Frame>,
}

/// What a parser must know of a pattern: taken from `patterns/*.yaml`, so that a new pattern needs no new code.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct CatalogEntry {
    /// `wordpress-ha`.
    pub name: String,
    /// One line.
    pub title: String,
    /// A deployment pattern or a runbook.
    pub runbook: bool,
    /// Words that point to it ("wordpress", "blog", "wp").
    pub words: Vec<String>,
    /// Example requests; they train the classifier.
    pub examples: Vec<String>,
    /// Its parameters.
    pub parameters: Vec<CatalogParameter>,
}

/// What a parser must know of a parameter.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct CatalogParameter {
    /// `dbReplicas`; nested ones are dotted (`backup.schedule`).
    pub name: String,
    /// JSON Schema of the value.
    pub schema: Value,
    /// Must be said by the person.
    pub required: bool,
    /// Words by which people call it ("web tier", "instances").
    pub words: Vec<String>,
    /// The question to ask for it.
    pub ask: String,
    /// What it holds, which decides how it is read out of a sentence.
    pub holds: Holds,
}

/// What kind of value a parameter holds, for reading it out of a sentence.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Holds {
    /// A name the person gives to the thing.
    Name,
    /// A domain name.
    Domain,
    /// How many.
    Count,
    /// The smallest how many of a range.
    Min,
    /// The largest how many of a range.
    Max,
    /// One of an enumeration in the schema.
    Choice,
    /// A list out of an enumeration in the schema.
    Choices,
    /// On or off.
    Switch,
    /// A version.
    Version,
    /// A cloud region.
    Region,
    /// A list of places or a number of them.
    Sites,
    /// A list of services or deployments.
    Services,
    /// A schedule (`daily`, a cron line).
    Schedule,
    /// A span of time in days (`30d`).
    Retention,
    /// Anything else: only taken when it is named outright.
    #[default]
    Other,
}

/// One line of `swell eval predict`: what the scorer reads of a frame.
pub fn prediction(id: &str, frame: &Frame, latency_ms: f64) -> Value {
    // Filling in guesses must not look like understanding, so what nobody said stands apart.
    let settled = |p: &Provenance| matches!(p, Provenance::Said { .. } | Provenance::Context { .. } | Provenance::Given);
    let (params, assumed): (Vec<_>, Vec<_>) = frame.params.iter().partition(|(_, said)| settled(&said.provenance));
    let object = |all: Vec<(&String, &Said)>| {
        all.into_iter().map(|(name, said)| (name.clone(), said.value.clone())).collect::<serde_json::Map<_, _>>()
    };
    serde_json::json!({
        "id": id,
        "intent": frame.intent,
        "pattern": frame.pattern,
        "action": frame.verb,
        "target": match &frame.target {
            Target::None => Value::Null,
            Target::One(name) => Value::from(name.as_str()),
            Target::Many(names) => Value::from(names.clone()),
        },
        "params": object(params),
        "assumed": object(assumed),
        "confidence": (frame.confidence * 1e4).round() / 1e4,
        "missing": frame.missing,
        "clarify": frame.question.is_some(),
        "out_of_scope": frame.out_of_scope,
        "latency_ms": (latency_ms * 1e3).round() / 1e3,
    })
}

/// What a parser is given for a case: the last thing that the person said, and the world around it.
///
/// A case has a `text`, or a `dialogue` whose last turn is the person's; earlier turns become the history. Deployments come from
/// `context`. Fields that are missing or of the wrong shape are left empty.
pub fn world_from_case(case: &Value) -> (String, World) {
    let deployments = case.pointer("/context/deployments").and_then(Value::as_array).into_iter().flatten();
    let deployments = deployments.filter_map(|d| serde_json::from_value(d.clone()).ok()).collect();
    let mut history: Vec<Turn> = case
        .get("dialogue")
        .and_then(Value::as_array)
        .into_iter()
        .flatten()
        .filter_map(|t| serde_json::from_value(t.clone()).ok())
        .collect();
    let text = match case.get("text").and_then(Value::as_str) {
        Some(text) => text.to_owned(),
        None => history.pop().map(|t| t.text).unwrap_or_default(),
    };
    (text, World { deployments, history, pending: None })
}
