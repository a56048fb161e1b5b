//! The files of recordings: `<model-slug>/<first two digits>/<key>.json`, one call each.

use std::{
    fs,
    io::Write,
    path::{Path, PathBuf},
    time::Duration,
};

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};
use sha2::{Digest, Sha256};

use crate::llm::{LlmError, Message, Reply, Request, Usage, prompt::hex, scrub, shown};

/// The version of the format; part of every key.
pub(super) const VERSION: u32 = 1;

/// The largest recording that is read, in bytes.
const MAX_FILE: u64 = 8 << 20;

/// One recorded call.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Recording {
    /// The version of the format.
    pub v: u32,
    /// SHA-256 of the canonical request.
    pub key: String,
    /// The case that asked.
    pub case_id: String,
    /// Which call of the case it is, from 0; a repair is 1.
    #[serde(default)]
    pub turn: u32,
    /// Which of several tries of the same question.
    #[serde(default)]
    pub repeat: u32,
    /// When; absent for what was written by hand.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub recorded_at: Option<String>,
    /// The model and the day, or `written-by-hand`.
    pub origin: String,
    /// What it was made with, to find out that it has aged.
    #[serde(default)]
    pub fingerprint: Fingerprint,
    /// The canonical request.
    #[serde(default)]
    pub request: Value,
    /// The answer.
    pub response: Response,
    /// How long it took.
    #[serde(default)]
    pub latency_ms: u64,
}

/// What a recording was made with.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Fingerprint {
    /// Names and digests of the prompts.
    #[serde(default)]
    pub prompt_template: String,
    /// Digest of the schema of the answer.
    #[serde(default)]
    pub response_schema: String,
    /// The model as the server named it.
    #[serde(default)]
    pub model_reported: String,
}

/// A recorded answer.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
pub struct Response {
    /// The HTTP status.
    pub status: u16,
    /// The text of the answer, or of the error.
    pub content: String,
    /// As the server gave it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub finish_reason: Option<String>,
    /// The model's reason for not answering.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub refusal: Option<String>,
    /// The cost.
    #[serde(default)]
    pub usage: Usage,
}

impl Response {
    pub(super) fn of(reply: &Reply) -> Self {
        Self {
            status: 200,
            content: reply.content.clone(),
            finish_reason: reply.finish_reason.clone(),
            refusal: reply.refusal.clone(),
            usage: reply.usage,
        }
    }

    /// Errors that a server makes can be kept; those of the network cannot.
    pub(super) fn of_error(e: &LlmError) -> Option<Self> {
        let (status, detail) = match e {
            LlmError::Auth { status, detail } | LlmError::Rejected { status, detail } | LlmError::Server { status, detail } => {
                (*status, detail)
            }
            LlmError::RateLimited { detail, .. } => (429, detail),
            LlmError::Quota { detail } => (402, detail),
            _ => return None,
        };
        Some(Self { status, content: detail.clone(), ..Self::default() })
    }

    pub(super) fn reply(&self, latency: Duration, model_reported: &str) -> Result<Reply, LlmError> {
        let detail = self.content.clone();
        match self.status {
            200..=299 => Ok(Reply {
                content: self.content.clone(),
                finish_reason: self.finish_reason.clone(),
                refusal: self.refusal.clone(),
                model_reported: model_reported.to_owned(),
                usage: self.usage,
                latency,
            }),
            status @ (401 | 403) => Err(LlmError::Auth { status, detail }),
            402 => Err(LlmError::Quota { detail }),
            429 => Err(LlmError::RateLimited { detail, retry_after: None }),
            status @ 500.. => Err(LlmError::Server { status, detail }),
            status => Err(LlmError::Rejected { status, detail }),
        }
    }

    /// Whether anyone would want to replay it.
    pub(super) fn check(&self, schema: Option<&Value>) -> Result<(), LlmError> {
        let reply = self.reply(Duration::ZERO, "")?;
        let text = reply.text().map_err(|e| LlmError::Unfit(e.to_string()))?;
        if let Some(schema) = schema {
            let value: Value = serde_json::from_str(text).map_err(|e| LlmError::Unfit(format!("it is not JSON: {e}")))?;
            jsonschema::validate(schema, &value)
                .map_err(|e| LlmError::Unfit(format!("it does not fit the schema: {}", shown(&e.to_string(), 200))))?;
        }
        Ok(())
    }
}

/// What the key is made of. Never the address, a header, a key or a time.
pub(super) fn canonical_request(request: &Request) -> Value {
    let messages: Vec<Message> = request.messages.iter().map(|m| Message::new(m.role, scrub::scrub(&m.content).text)).collect();
    json!({
        "schema_v": VERSION,
        "model": request.model,
        "messages": messages,
        "response_schema": request.schema,
        "temperature": request.temperature,
        "seed": request.seed,
        "max_tokens": request.max_tokens,
        "repeat": request.repeat,
    })
}

/// JSON with sorted keys and no white space.
pub(super) fn canonical(value: &Value) -> String {
    fn sorted(value: &Value) -> Value {
        match value {
            Value::Object(fields) => {
                let mut keys: Vec<_> = fields.keys().collect();
                keys.sort();
                Value::Object(keys.into_iter().map(|k| (k.clone(), sorted(&fields[k]))).collect::<Map<_, _>>())
            }
            Value::Array(items) => Value::Array(items.iter().map(sorted).collect()),
            other => other.clone(),
        }
    }
    sorted(value).to_string()
}

pub(super) fn digest(value: &Value) -> String {
    format!("sha256:{}", hex(&Sha256::digest(canonical(value).as_bytes())))
}

pub(super) fn key_of(request: &Value) -> String {
    hex(&Sha256::digest(canonical(request).as_bytes()))
}

pub(super) fn path_of(model: &str, key: &str) -> PathBuf {
    Path::new(&slug(model)).join(&key[..2]).join(format!("{key}.json"))
}

/// Letters and digits, everything else a dash: model names hold `/` and `:`, and may come from anyone.
fn slug(model: &str) -> String {
    let mut out = String::new();
    for c in model.chars().take(80) {
        match c.to_ascii_lowercase() {
            c if c.is_ascii_alphanumeric() || c == '.' && !out.is_empty() => out.push(c),
            _ if !out.is_empty() && !out.ends_with('-') => out.push('-'),
            _ => {}
        }
    }
    let out = out.trim_end_matches(['-', '.']).to_owned();
    if out.is_empty() { "model".to_owned() } else { out }
}

pub(super) fn bad(path: &Path, detail: String) -> LlmError {
    LlmError::BadRecording { path: path.to_owned(), detail }
}

pub(super) fn read(root: &Path, path: &Path) -> Result<Option<Recording>, LlmError> {
    let full = root.join(path);
    match fs::metadata(&full) {
        Err(e) if e.kind() == std::io::ErrorKind::NotFound => return Ok(None),
        Err(e) => return Err(bad(path, e.to_string())),
        Ok(m) if m.len() > MAX_FILE => return Err(bad(path, "it is too large".to_owned())),
        Ok(_) => {}
    }
    let text = fs::read_to_string(&full).map_err(|e| bad(path, e.to_string()))?;
    let recording: Recording = serde_json::from_str(&text).map_err(|e| bad(path, e.to_string()))?;
    if recording.v != VERSION {
        return Err(bad(path, format!("it has format {}, this program reads {VERSION}", recording.v)));
    }
    Ok(Some(recording))
}

/// Writes whole or not at all, and never what looks like a secret.
pub(super) fn write(root: &Path, path: &Path, recording: &Recording) -> Result<(), LlmError> {
    let mut text = serde_json::to_string_pretty(recording).map_err(|e| bad(path, e.to_string()))?;
    text.push('\n');
    // The strings, not the file: JSON's own quotes and escapes would hide what stands in them.
    if let Some(what) = secret_in(&json!([recording.request, recording.response, recording.case_id, recording.origin])) {
        return Err(LlmError::SecretInRecording { what: what.to_owned() });
    }
    let full = root.join(path);
    let folder = full.parent().unwrap_or(root);
    let io = |e: std::io::Error| bad(path, e.to_string());
    fs::create_dir_all(folder).map_err(io)?;
    let mut temporary = tempfile::NamedTempFile::new_in(folder).map_err(io)?;
    temporary.write_all(text.as_bytes()).map_err(io)?;
    temporary.persist(&full).map_err(|e| io(e.error))?;
    Ok(())
}

/// The kind of the first secret in any string of the value.
pub fn secret_in(value: &Value) -> Option<&'static str> {
    match value {
        Value::String(text) => scrub::find(text).first().map(|f| f.what),
        Value::Array(items) => items.iter().find_map(secret_in),
        Value::Object(fields) => fields.values().find_map(secret_in),
        _ => None,
    }
}

/// Every recording below the root, sorted by path.
pub fn all(root: &Path) -> Result<Vec<(PathBuf, Recording)>, LlmError> {
    let mut paths = Vec::new();
    list(root, root, 0, &mut paths)?;
    paths.sort();
    let mut out = Vec::new();
    for path in paths {
        if let Some(recording) = read(root, &path)? {
            out.push((path, recording));
        }
    }
    Ok(out)
}

fn list(root: &Path, folder: &Path, depth: usize, out: &mut Vec<PathBuf>) -> Result<(), LlmError> {
    let entries = match fs::read_dir(folder) {
        Ok(entries) => entries,
        Err(e) if e.kind() == std::io::ErrorKind::NotFound => return Ok(()),
        Err(e) => return Err(bad(folder, e.to_string())),
    };
    for path in entries.flatten().map(|e| e.path()) {
        if path.is_dir() && depth < 4 {
            list(root, &path, depth + 1, out)?;
        } else if path.extension().is_some_and(|e| e == "json")
            && let Ok(below) = path.strip_prefix(root)
        {
            out.push(below.to_owned());
        }
    }
    Ok(())
}

pub(super) fn has_case(root: &Path, case: &str) -> Result<bool, LlmError> {
    Ok(all(root)?.iter().any(|(_, r)| r.case_id == case))
}

/// The recording most like the request, of the same case if there is one, and what differs.
pub(super) fn nearest(root: &Path, request: &Value, case: &str) -> Result<Option<(PathBuf, String)>, LlmError> {
    let candidates = all(root)?.into_iter().map(|(path, r)| {
        let differences = differences(&r.request, request);
        ((r.case_id != case, differences.len()), path, differences)
    });
    Ok(candidates.min_by(|a, b| a.0.cmp(&b.0).then_with(|| a.1.cmp(&b.1))).map(|((other_case, _), path, differences)| {
        let whose = if other_case { "it belongs to another case; " } else { "" };
        (path, format!("{whose}{}", if differences.is_empty() { "nothing differs".to_owned() } else { differences.join("; ") }))
    }))
}

fn differences(then: &Value, now: &Value) -> Vec<String> {
    let mut out = Vec::new();
    for part in ["model", "temperature", "seed", "max_tokens", "repeat", "schema_v"] {
        if then[part] != now[part] {
            out.push(format!("{part} was {}, is {}", then[part], now[part]));
        }
    }
    if then["response_schema"] != now["response_schema"] {
        out.push("the schema of the answer differs".to_owned());
    }
    let messages = |v: &Value| v["messages"].as_array().cloned().unwrap_or_default();
    let (then, now) = (messages(then), messages(now));
    if then.len() != now.len() {
        out.push(format!("there were {} messages, there are {}", then.len(), now.len()));
    }
    for (n, (then, now)) in then.iter().zip(&now).enumerate() {
        if then["role"] != now["role"] {
            out.push(format!("message {n} was from {}, is from {}", then["role"], now["role"]));
        }
        let line = |v: &Value| v["content"].as_str().unwrap_or_default().to_owned();
        let (then, now) = (line(then), line(now));
        if then != now {
            let at = then.lines().zip(now.lines()).take_while(|(a, b)| a == b).count();
            let nth = |text: &str| {
                around_difference(
                    text.lines().nth(at).unwrap_or("(end)"),
                    then.lines().nth(at).unwrap_or(""),
                    now.lines().nth(at).unwrap_or(""),
                )
            };
            out.push(format!("message {n}, line {}: was `{}`, is `{}`", at + 1, nth(&then), nth(&now)));
        }
    }
    out
}

/// The piece of a line where two lines part.
fn around_difference(line: &str, a: &str, b: &str) -> String {
    let same = a.chars().zip(b.chars()).take_while(|(x, y)| x == y).count();
    let from = same.saturating_sub(20);
    let piece: String = line.chars().skip(from).take(80).collect();
    format!("{}{}", if from > 0 { "…" } else { "" }, shown(&piece, 80))
}
