//! Where a model is and how to show who we are there.
//!
//! The client library's own configuration reads `OPENAI_*` from the environment, which would send that key to whatever
//! address is configured. This one holds what it was handed and nothing else.

use std::time::Duration;

use http::{HeaderMap, HeaderName, HeaderValue, header::AUTHORIZATION};
use secrecy::{ExposeSecret, SecretString};

use crate::llm::{LlmError, scrub};

/// The settings of a model, as `config` resolves them.
#[derive(Clone)]
pub struct ModelConfig {
    /// Up to and including `/v1`, such as `http://localhost:11434/v1`.
    pub base_url: String,
    /// The model, as the server calls it.
    pub model: String,
    /// For servers that want one.
    pub key: Option<SecretString>,
    /// More headers, such as `api-key` for Azure.
    pub headers: Vec<(String, String)>,
    /// How long a call may take, instead of the budget's deadline.
    pub timeout: Option<Duration>,
}

impl std::fmt::Debug for ModelConfig {
    /// Headers may be keys (Azure's `api-key`), so only their names are shown.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let headers: Vec<&str> = self.headers.iter().map(|(name, _)| name.as_str()).collect();
        f.debug_struct("ModelConfig")
            .field("base_url", &self.base_url)
            .field("model", &self.model)
            .field("key", &self.key.is_some())
            .field("headers", &headers)
            .field("timeout", &self.timeout)
            .finish()
    }
}

/// Checked settings in the form that the client library wants.
#[derive(Debug, Clone)]
pub(super) struct Endpoint {
    base_url: String,
    headers: HeaderMap,
    query: Vec<(String, String)>,
    /// The library's trait wants a key; ours is in the headers already.
    no_key: SecretString,
}

impl Endpoint {
    pub(super) fn new(config: &ModelConfig) -> Result<Self, LlmError> {
        let settings = |text: String| LlmError::Settings(text);
        let given = config.base_url.trim();
        let url = reqwest::Url::parse(given).map_err(|e| settings(format!("the base URL is not a URL: {e}")))?;
        if !matches!(url.scheme(), "http" | "https") || url.host_str().is_none() {
            return Err(settings("the base URL must begin with http:// or https:// and name a host".to_owned()));
        }
        if !url.username().is_empty() || url.password().is_some() {
            return Err(settings("the base URL must not hold a user name or password; give the key as `key`".to_owned()));
        }
        if config.model.trim().is_empty() {
            return Err(settings("no model is named".to_owned()));
        }
        let mut headers = HeaderMap::new();
        if let Some(key) = &config.key {
            // A key pasted with its line break is the usual case.
            let key = key.expose_secret().trim();
            if !key.is_empty() {
                let mut value = HeaderValue::from_str(&format!("Bearer {key}"))
                    .map_err(|_| settings("the key holds a character that no header can carry".to_owned()))?;
                value.set_sensitive(true);
                headers.insert(AUTHORIZATION, value);
            }
        }
        for (name, value) in &config.headers {
            let bad = |_| settings(format!("the header `{}` cannot be sent", crate::llm::shown(name, 60)));
            let key = HeaderName::from_bytes(name.trim().as_bytes()).map_err(|e| bad(e.to_string()))?;
            let mut value = HeaderValue::from_str(value.trim()).map_err(|e| bad(e.to_string()))?;
            value.set_sensitive(true);
            headers.insert(key, value);
        }
        // Azure puts `?api-version=…` on its URLs.
        let query = url.query_pairs().map(|(k, v)| (k.into_owned(), v.into_owned())).collect();
        let base_url = given.split(['?', '#']).next().unwrap_or(given).trim_end_matches('/').to_owned();
        Ok(Self { base_url, headers, query, no_key: SecretString::from("") })
    }

    /// The text without anything that was handed in as a key or header, which some servers repeat in their errors.
    pub(super) fn without_keys(&self, text: &str) -> String {
        let mut text = scrub::scrub(text).text;
        for value in self.headers.values().filter_map(|v| v.to_str().ok()) {
            let value = value.strip_prefix("Bearer ").unwrap_or(value);
            if value.len() >= 4 {
                text = text.replace(value, scrub::HOLE);
            }
        }
        text
    }

    pub(super) fn base_url(&self) -> &str {
        &self.base_url
    }
}

impl async_openai::config::Config for Endpoint {
    fn headers(&self) -> HeaderMap {
        self.headers.clone()
    }

    fn url(&self, path: &str) -> String {
        format!("{}{path}", self.base_url)
    }

    fn query(&self) -> Vec<(&str, &str)> {
        self.query.iter().map(|(k, v)| (k.as_str(), v.as_str())).collect()
    }

    fn api_base(&self) -> &str {
        &self.base_url
    }

    fn api_key(&self) -> &SecretString {
        &self.no_key
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn config(base_url: &str, key: Option<&str>) -> ModelConfig {
        ModelConfig {
            base_url: base_url.to_owned(),
            model: "m".to_owned(),
            key: key.map(SecretString::from),
            headers: Vec::new(),
            timeout: None,
        }
    }

    #[test]
    fn settings_are_checked_before_anything_is_sent() {
        for (url, key) in [
            ("", None),
            ("localhost:8080/v1", None),
            ("ftp://x/v1", None),
            ("http://user:pw@x/v1", None),
            ("http://x/v1", Some("a\nb")),
            ("http://x/v1", Some("clé\u{7f}")),
        ] {
            assert!(matches!(Endpoint::new(&config(url, key)), Err(LlmError::Settings(_))), "{url:?}");
        }
        let bad = ModelConfig { headers: vec![("a b".to_owned(), "x".to_owned())], ..config("http://x/v1", None) };
        assert!(Endpoint::new(&bad).is_err());
    }

    #[test]
    fn a_pasted_key_is_trimmed_and_never_shown() {
        let e = Endpoint::new(&config("http://x/v1/?api-version=2024-10-21", Some("  sk-1\n"))).unwrap();
        assert_eq!(e.headers[AUTHORIZATION], "Bearer sk-1");
        assert_eq!(e.base_url, "http://x/v1");
        assert_eq!(e.query, [("api-version".to_owned(), "2024-10-21".to_owned())]);
        let azure = ModelConfig { headers: vec![("api-key".to_owned(), "sk-1".to_owned())], ..config("http://x", Some("sk-1")) };
        assert!(!format!("{e:?} {azure:?}").contains("sk-1"));
        assert_eq!(e.without_keys("invalid key sk-1 given"), "invalid key ‹secret› given");
    }

    #[test]
    fn no_key_means_no_header() {
        assert!(Endpoint::new(&config("http://x/v1", Some(" "))).unwrap().headers.is_empty());
    }
}
