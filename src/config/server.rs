//! How one server is reached, as it is written in a file; and the simulated ones, which are written nowhere.

use std::{collections::BTreeMap, num::NonZeroUsize};

use serde::Deserialize;

use super::{Origin, Registered};
use crate::{diagnostic::Diagnostic, domain::ServerName};

/// A server as it is configured. In every text `${NAME}` is taken from Swell's environment, `${secret:NAME}` from the secrets, and
/// `$${` is a literal `${`.
#[derive(Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ServerSetting {
    /// One of the simulated servers: opnsense, aws, docker, kubernetes.
    pub sandbox: Option<String>,
    /// A program that speaks MCP over standard input and output.
    pub command: Option<String>,
    /// Its arguments.
    #[serde(default)]
    pub args: Vec<String>,
    /// The folder in which it runs; the project's if not set.
    pub cwd: Option<String>,
    /// Its environment; nothing else is handed on but PATH, HOME and the like.
    #[serde(default)]
    pub env: BTreeMap<String, String>,
    /// The URL of a streamable HTTP server.
    pub url: Option<String>,
    /// HTTP headers.
    #[serde(default)]
    pub headers: BTreeMap<String, String>,
    /// Folders that the server is told of as its roots; a relative one is below the project's folder.
    #[serde(default)]
    pub roots: Vec<std::path::PathBuf>,
    /// How a person logs in at it, where its own metadata does not say enough.
    #[serde(default)]
    pub oauth: OauthSetting,
    /// Whether it may have the user's model asked. Only the user's own file may say so.
    #[serde(default)]
    pub sampling: SamplingSetting,
    /// The most calls that it bears at the same time; `limits.per_server` if that is less.
    pub max_calls: Option<NonZeroUsize>,
    /// Seconds until a start counts as failed.
    #[serde(default = "start_timeout")]
    pub start_timeout: u64,
}

/// What an authorization server knows of Swell beforehand. Nothing of it has to be set where clients may register themselves.
#[derive(Clone, Default, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct OauthSetting {
    /// The client that was registered by hand.
    pub client_id: Option<String>,
    /// Its secret, best as `${secret:NAME}`.
    pub client_secret: Option<String>,
    /// The `https` address of a client id metadata document.
    pub client_metadata: Option<String>,
    /// Scopes to ask for besides those that the server names.
    #[serde(default)]
    pub scopes: Vec<String>,
    /// The port for the way back from the browser, where the registered client has a fixed one.
    pub redirect_port: Option<u16>,
    /// Who logs in.
    #[serde(default)]
    pub grant: GrantSetting,
}

/// Whether a server may have the user's model asked.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum SamplingSetting {
    /// It may not.
    #[default]
    Refuse,
    /// A person is shown each request and says yes or no.
    Ask,
}

/// Who logs in at a server.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum GrantSetting {
    /// A person: `swell servers login`.
    #[default]
    Person,
    /// Swell itself, with `client_id` and `client_secret`; for machines on which nobody is.
    ClientCredentials,
}

fn start_timeout() -> u64 {
    20
}

impl Default for ServerSetting {
    fn default() -> Self {
        Self {
            sandbox: None,
            command: None,
            args: Vec::new(),
            cwd: None,
            env: BTreeMap::new(),
            url: None,
            headers: BTreeMap::new(),
            roots: Vec::new(),
            oauth: OauthSetting::default(),
            sampling: SamplingSetting::default(),
            max_calls: None,
            start_timeout: start_timeout(),
        }
    }
}

// The values of variables and headers are secrets as often as not; so is the query of a URL.
impl std::fmt::Debug for ServerSetting {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("ServerSetting")
            .field("sandbox", &self.sandbox)
            .field("command", &self.command)
            .field("env", &self.env.keys())
            .field("headers", &self.headers.keys())
            .finish_non_exhaustive()
    }
}

/// The simulated servers that are there when nothing is configured.
pub const SANDBOX_SERVERS: [&str; 4] = ["opnsense", "aws", "docker", "kubernetes"];

/// The simulated servers under their own names.
pub fn simulated() -> impl Iterator<Item = (ServerName, ServerSetting)> {
    SANDBOX_SERVERS.iter().filter_map(|name| {
        let setting = ServerSetting { sandbox: Some((*name).to_owned()), ..ServerSetting::default() };
        Some((ServerName::new(*name).ok()?, setting))
    })
}

/// An entry of a file under its name, if both are acceptable.
pub(super) fn entry(name: &str, server: ServerSetting, origin: Origin) -> Result<Registered, Diagnostic> {
    let good = ServerName::new(name)
        .map_err(|e| Diagnostic::error("config::server-name", "A server's name is not acceptable").detail(format!("{e}.")))?;
    if server.sandbox.is_none() && server.url.is_none() && server.command.is_none() {
        return Err(Diagnostic::error("config::server", "A server's entry says nothing about how to reach it")
            .fact("server", name)
            .detail("It needs one of `command`, `url` or `sandbox`."));
    }
    Ok(Registered::new(good, origin, server))
}

impl ServerSetting {
    /// In a few words how it is reached; nothing of a URL behind its path.
    pub fn how(&self) -> String {
        match (&self.sandbox, &self.url, &self.command) {
            (Some(kind), ..) => format!("sandbox {kind}"),
            (_, Some(url), _) => shown_url(url),
            (_, _, Some(command)) => command.clone(),
            _ => String::new(),
        }
    }
}

/// A URL without what people put keys into: user, password, and the values of its query.
pub fn shown_url(url: &str) -> String {
    let (front, query) = match url.split_once(['?', '#']) {
        Some((front, query)) => (front, Some(query)),
        None => (url, None),
    };
    let front = match front.split_once("://") {
        Some((scheme, rest)) => {
            let (host, path) = rest.split_once('/').map_or((rest, String::new()), |(h, p)| (h, format!("/{p}")));
            match host.rsplit_once('@') {
                Some((_, host)) => format!("{scheme}://‹hidden›@{host}{path}"),
                None => format!("{scheme}://{host}{path}"),
            }
        }
        None => front.to_owned(),
    };
    let names = |q: &str| {
        let names = q.split('&').map(|part| part.split_once('=').map_or_else(|| "‹hidden›".to_owned(), |(n, _)| format!("{n}=‹hidden›")));
        names.collect::<Vec<_>>().join("&")
    };
    query.map_or_else(|| front.clone(), |q| format!("{front}?{}", names(q)))
}
