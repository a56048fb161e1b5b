//! A server behind a URL: streamable HTTP with headers and a bearer token.

use std::{collections::BTreeMap, collections::HashMap, sync::Once, time::Duration};

use rmcp::transport::{StreamableHttpClientTransport, streamable_http_client::StreamableHttpClientTransportConfig};
use secrecy::{ExposeSecret, SecretString};

use super::{ConnectError, wire::MAX_LINE};
use crate::domain::{ServerName, text::clean_line};

/// How to reach a server.
#[derive(Debug, Clone)]
pub struct HttpSpec {
    /// `https://host/mcp`.
    pub url: String,
    /// Headers of every request.
    pub headers: BTreeMap<String, SecretString>,
    /// Bearer token, without the word.
    pub bearer: Option<SecretString>,
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

    pub(crate) fn transport(&self, server: &ServerName) -> Result<StreamableHttpClientTransport<reqwest::Client>, ConnectError> {
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
        let client = client().map_err(|e| fail(e.to_string()))?;
        Ok(StreamableHttpClientTransport::with_client(client, config))
    }
}

/// No total timeout, which would cut event streams; no redirects, which would carry our headers to another host.
pub(super) fn client() -> Result<reqwest::Client, reqwest::Error> {
    static INSTALL: Once = Once::new();
    INSTALL.call_once(|| {
        // An error only means that someone has installed one already.
        let _ = rustls::crypto::ring::default_provider().install_default();
    });
    reqwest::Client::builder()
        .user_agent(concat!("swell/", env!("CARGO_PKG_VERSION")))
        .connect_timeout(Duration::from_secs(10))
        .pool_max_idle_per_host(0)
        .redirect(reqwest::redirect::Policy::none())
        .build()
}

/// The innermost words of an error chain, which say more than the outer ones, and never a URL.
pub(crate) fn innermost(error: &(dyn std::error::Error + 'static)) -> String {
    let mut current = error;
    while let Some(inner) = current.source() {
        current = inner;
    }
    clean_line(&current.to_string(), 300)
}

/// Whether a request certainly did not reach a server that acts on it.
pub(crate) fn never_arrived(error: &(dyn std::error::Error + 'static)) -> bool {
    use rmcp::transport::streamable_http_client::StreamableHttpError;
    let mut current = Some(error);
    while let Some(e) = current {
        if e.downcast_ref::<reqwest::Error>().is_some_and(reqwest::Error::is_connect) {
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
            _ => current = e.source(),
        }
    }
    false
}
