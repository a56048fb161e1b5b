//! A server behind a URL: streamable HTTP with headers, and either a fixed bearer token or those of a login (`mcp/auth`).
//!
//! Redirects are followed only within the server's own origin, so that no header and no argument goes to another one.

use std::{
    collections::{BTreeMap, HashMap},
    sync::{Arc, Once},
    time::Duration,
};

use rmcp::{
    ClientLifecycleMode, ClientServiceExt, RoleClient,
    service::{ClientInitializeError, RunningService},
    transport::{
        StreamableHttpClientTransport,
        streamable_http_client::{AuthRequiredError, InsufficientScopeError, StreamableHttpClientTransportConfig, StreamableHttpError},
    },
};
use secrecy::{ExposeSecret, SecretString};

use super::{
    ConnectError,
    auth::{AuthSpec, Challenge, Grant},
    handler::Handler,
    raw::{Raw, RawClient},
    wire::MAX_LINE,
};
use crate::domain::{ServerName, text::clean_line};

/// How many redirects within one origin are followed.
const MAX_REDIRECTS: usize = 5;

/// How to reach a server.
#[derive(Clone)]
pub struct HttpSpec {
    /// `https://host/mcp`.
    pub url: String,
    /// Headers of every request.
    pub headers: BTreeMap<String, SecretString>,
    /// Bearer token, without the word.
    pub bearer: Option<SecretString>,
    /// How to be authorized, where no header and no bearer token does it.
    pub auth: Option<AuthSpec>,
}

// What stands behind the path of a URL is a key as often as not.
impl std::fmt::Debug for HttpSpec {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let names = self.headers.keys().collect::<Vec<_>>();
        f.debug_struct("HttpSpec").field("url", &self.shown()).field("headers", &names).field("auth", &self.auth).finish_non_exhaustive()
    }
}

impl HttpSpec {
    /// The address as it may be shown: without user, password, query and fragment, where people put keys.
    pub fn shown(&self) -> String {
        match reqwest::Url::parse(&self.url) {
            Ok(mut url) => {
                let _ = url.set_username("");
                let _ = url.set_password(None);
                url.set_query(None);
                url.set_fragment(None);
                clean_line(url.as_str(), 300)
            }
            Err(_) => "the configured URL".to_owned(),
        }
    }

    /// The specification for logins; none if the configuration has a fixed authorization, which a login would not replace.
    pub fn login(&self) -> Option<&AuthSpec> {
        let fixed = self.bearer.is_some() || self.headers.keys().any(|name| name.eq_ignore_ascii_case("authorization"));
        self.auth.as_ref().filter(|_| !fixed)
    }

    /// The same where a person logs in.
    pub fn person(&self) -> Option<&AuthSpec> {
        self.login().filter(|auth| auth.grant == Grant::Person)
    }

    /// The same where Swell logs in by itself.
    pub(super) fn machine(&self) -> Option<&AuthSpec> {
        self.login().filter(|auth| auth.grant == Grant::Client)
    }

    /// Makes the handshake. The outer error is about what is configured, the inner one about the server.
    pub(crate) async fn serve(
        &self,
        server: &ServerName,
        handler: Handler,
        mode: ClientLifecycleMode,
        raw: Arc<Raw>,
    ) -> Result<Result<RunningService<RoleClient, Handler>, ClientInitializeError>, ConnectError> {
        let fail = |reason: String| ConnectError::Http { server: server.clone(), url: self.shown(), reason };
        let config = self.config(server)?;
        let client = RawClient::new(client(reqwest::redirect::Policy::custom(redirect)).map_err(|e| fail(e.to_string()))?, raw);
        match self.login() {
            None => Ok(handler.serve_with_lifecycle(StreamableHttpClientTransport::with_client(client, config), mode).await),
            Some(auth) => {
                let client = auth.client(client).await.map_err(|e| fail(clean_line(&e.to_string(), 300)))?;
                Ok(handler.serve_with_lifecycle(StreamableHttpClientTransport::with_client(client, config), mode).await)
            }
        }
    }

    fn config(&self, server: &ServerName) -> Result<StreamableHttpClientTransportConfig, ConnectError> {
        let fail = |reason: String| ConnectError::Http { server: server.clone(), url: self.shown(), reason };
        let url = reqwest::Url::parse(&self.url).map_err(|e| fail(format!("it is no URL ({e})")))?;
        if !matches!(url.scheme(), "http" | "https") {
            return Err(fail(format!("`{}` is neither http nor https", clean_line(url.scheme(), 20))));
        }
        let mut headers = HashMap::new();
        for (name, value) in &self.headers {
            let shown = clean_line(name, 60);
            let name = http::HeaderName::from_bytes(name.as_bytes()).map_err(|_| fail(format!("`{shown}` is no header name")))?;
            let mut value = http::HeaderValue::from_str(value.expose_secret())
                .map_err(|_| fail(format!("the value of the header `{shown}` has a line break or a control character")))?;
            value.set_sensitive(true);
            headers.insert(name, value);
        }
        let mut config = StreamableHttpClientTransportConfig::with_uri(self.url.clone())
            .custom_headers(headers)
            .max_json_response_size(MAX_LINE)
            .max_sse_event_size(MAX_LINE)
            // The connection is made anew by us, where it is known whether a call may be sent again.
            .reinit_on_expired_session(false);
        if let Some(bearer) = &self.bearer {
            let token = bearer.expose_secret().trim();
            if http::HeaderValue::from_str(token).is_err() {
                return Err(fail("the bearer token has a line break or a control character".to_owned()));
            }
            config = config.auth_header(token);
        }
        Ok(config)
    }
}

/// Chooses the one TLS provider, before any client is made.
pub(super) fn install_crypto() {
    static INSTALL: Once = Once::new();
    INSTALL.call_once(|| {
        // An error only means that someone has installed one already.
        let _ = rustls::crypto::ring::default_provider().install_default();
    });
}

/// Why a redirect was not followed.
#[derive(Debug, thiserror::Error)]
enum Redirect {
    #[error("it redirects to another origin ({0}); if that is where the server is now, write that address into the configuration")]
    Elsewhere(String),
    #[error("it redirects with status {0}, which would drop the message; write the new address into the configuration")]
    Dropping(u16),
    #[error("it redirects in a circle")]
    Circle,
}

/// Within the origin, and only where the message is sent again as it is.
fn redirect(attempt: reqwest::redirect::Attempt<'_>) -> reqwest::redirect::Action {
    let origin = attempt.url().origin();
    let refused = if attempt.previous().iter().any(|url| url.origin() != origin) {
        Some(Redirect::Elsewhere(clean_line(&origin.ascii_serialization(), 200)))
    } else if !matches!(attempt.status().as_u16(), 307 | 308) {
        Some(Redirect::Dropping(attempt.status().as_u16()))
    } else {
        (attempt.previous().len() > MAX_REDIRECTS).then_some(Redirect::Circle)
    };
    match refused {
        Some(why) => attempt.error(why),
        None => attempt.follow(),
    }
}

/// No total timeout, which would cut event streams.
pub(super) fn client(redirects: reqwest::redirect::Policy) -> Result<reqwest::Client, reqwest::Error> {
    install_crypto();
    reqwest::Client::builder()
        .user_agent(concat!("swell/", env!("CARGO_PKG_VERSION")))
        .connect_timeout(Duration::from_secs(10))
        .pool_max_idle_per_host(0)
        .redirect(redirects)
        .build()
}

/// The innermost words of an error chain, which say more than the outer ones, and never a URL.
pub(crate) fn innermost(error: &(dyn std::error::Error + 'static)) -> String {
    let mut current = error;
    while let Some(inner) = inner(current) {
        current = inner;
    }
    clean_line(&current.to_string(), 300)
}

/// What an error is about. The transport's own error names the one of the HTTP client without saying that it comes from there.
fn inner<'a>(error: &'a (dyn std::error::Error + 'static)) -> Option<&'a (dyn std::error::Error + 'static)> {
    match error.downcast_ref::<StreamableHttpError<reqwest::Error>>() {
        Some(StreamableHttpError::Client(client)) => Some(client),
        _ => error.source(),
    }
}

/// Whether a request certainly did not reach a server that acts on it.
pub(crate) fn never_arrived(error: &(dyn std::error::Error + 'static)) -> bool {
    let mut current = Some(error);
    while let Some(e) = current {
        // A redirect is said instead of doing anything.
        if e.downcast_ref::<reqwest::Error>().is_some_and(|e| e.is_connect() || e.is_redirect()) {
            return true;
        }
        match e.downcast_ref::<StreamableHttpError<reqwest::Error>>() {
            Some(
                StreamableHttpError::AuthRequired(_) | StreamableHttpError::InsufficientScope(_) | StreamableHttpError::SessionExpired,
            ) => {
                return true;
            }
            // 429 is said before anything is done; other codes are not.
            Some(StreamableHttpError::HttpStatus(status)) if status.status == 429 => return true,
            _ => current = inner(e),
        }
    }
    false
}

/// What the server wants, if an error is a demand for authorization.
pub(crate) fn challenge(error: &(dyn std::error::Error + 'static), url: &str) -> Option<Challenge> {
    let mut current = Some(error);
    while let Some(e) = current {
        if let Some(e) = e.downcast_ref::<AuthRequiredError>() {
            return Some(Challenge::new(&e.www_authenticate_header, url, false));
        }
        if let Some(e) = e.downcast_ref::<InsufficientScopeError>() {
            return Some(Challenge::new(&e.www_authenticate_header, url, true));
        }
        current = e.source();
    }
    None
}

/// What a failed handshake is about, where rmcp's own words hide it.
pub(crate) fn cause(error: &ClientInitializeError) -> &(dyn std::error::Error + 'static) {
    match error {
        ClientInitializeError::TransportError { error, .. } => error.error.as_ref(),
        ClientInitializeError::LegacyFallbackFailed { fallback, .. } => cause(fallback),
        other => other,
    }
}
