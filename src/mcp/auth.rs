//! OAuth for servers behind a URL: the tokens of a person's login go with every request to that server, are refreshed, and go nowhere else.
//!
//! Discovery, PKCE, resource indicator, registration and the issuer checks are those of rmcp. What is here is where tokens are kept
//! ([`Tokens`]), how a person logs in ([`Login`]) and what is refused before anything is opened or sent.

use std::{net::IpAddr, sync::Arc};

use rmcp::transport::auth::{AuthClient, AuthError, AuthorizationManager, OAuthClientConfig, WWWAuthenticateParams};
use secrecy::SecretString;

use super::raw::RawClient;
use crate::domain::text::clean_line;

mod callback;

mod error;

mod login;

mod machine;

mod tokens;

pub use error::{LoginError, Trouble};
pub use login::{Asked, Login};
pub use tokens::Tokens;

/// Who logs in.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Grant {
    /// A person, in their browser.
    #[default]
    Person,
    /// Swell itself, as a client with a secret.
    Client,
}

/// How a server is authorized at, as far as the configuration says.
#[derive(Debug, Clone)]
pub struct AuthSpec {
    /// Where the tokens of this server are.
    pub tokens: Arc<Tokens>,
    /// The client that was registered by hand; without one Swell registers itself.
    pub client_id: Option<String>,
    /// Its secret, if it has one.
    pub client_secret: Option<SecretString>,
    /// The address of a document that describes this client (a client id metadata document).
    pub client_metadata: Option<String>,
    /// Scopes to ask for besides those that the server names.
    pub scopes: Vec<String>,
    /// The port of the address to which the person is sent back; any free one if not set.
    pub redirect_port: Option<u16>,
    /// Who logs in.
    pub grant: Grant,
}

impl AuthSpec {
    /// A specification with nothing but a place for tokens.
    pub fn new(tokens: Arc<Tokens>) -> Self {
        Self {
            tokens,
            client_id: None,
            client_secret: None,
            client_metadata: None,
            scopes: Vec::new(),
            redirect_port: None,
            grant: Grant::Person,
        }
    }

    /// An HTTP client that adds the token, if there is one. Nothing is asked of the network: what was found at the login still holds,
    /// so that a server cannot send a refresh token to another place later.
    pub(super) async fn client(&self, plain: RawClient) -> Result<AuthClient<RawClient>, AuthError> {
        let kept = self.tokens.read()?;
        let resource = kept.as_ref().map_or(self.tokens.url(), |kept| kept.resource.as_str());
        let mut manager = manager(resource).await?;
        manager.set_credential_store(self.tokens.as_ref().clone());
        if let Some(kept) = kept {
            manager.set_metadata(kept.metadata);
            let mut client = OAuthClientConfig::new(kept.client_id, kept.redirect);
            if let Some(secret) = kept.client_secret {
                client = client.with_client_secret(secret);
            }
            manager.configure_client(client)?;
        }
        Ok(AuthClient::new(plain, manager))
    }
}

/// What a server said when it wanted (more) authorization.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Challenge {
    /// Its `WWW-Authenticate` header, cleaned.
    pub header: String,
    /// The scopes that it wants, if it says.
    pub scopes: Vec<String>,
    /// Whether the token it got is good but may do too little.
    pub insufficient: bool,
}

impl Challenge {
    pub(super) fn new(header: &str, url: &str, insufficient: bool) -> Self {
        let header = clean_line(header, 2000);
        let scope = reqwest::Url::parse(url).ok().and_then(|url| WWWAuthenticateParams::parse(&header, &url).scope);
        let scopes = scope.unwrap_or_default().split_whitespace().take(50).map(str::to_owned).collect();
        Self { header, scopes, insufficient }
    }

    /// In a few words what is wanted.
    pub fn words(&self) -> String {
        let scopes = clean_line(&self.scopes.join(" "), 200);
        match (self.insufficient, scopes.is_empty()) {
            (true, false) => format!("the server wants more rights ({scopes})"),
            (true, true) => "the server wants more rights".to_owned(),
            (false, false) => format!("the server wants authorization ({scopes})"),
            (false, true) => "the server wants authorization".to_owned(),
        }
    }
}

/// A manager for a server. What its metadata names may be on a private network only if the server itself is.
async fn manager(url: &str) -> Result<AuthorizationManager, AuthError> {
    super::http::install_crypto();
    let parsed = reqwest::Url::parse(url).map_err(|e| AuthError::OAuthError(e.to_string()))?;
    if is_private(&parsed).await {
        AuthorizationManager::new_allowing_private_addresses(parsed).await
    } else {
        AuthorizationManager::new(parsed).await
    }
}

async fn is_private(url: &reqwest::Url) -> bool {
    let (Some(host), Some(port)) = (url.host_str(), url.port_or_known_default()) else { return false };
    let host = host.trim_start_matches('[').trim_end_matches(']');
    let Ok(found) = tokio::net::lookup_host((host, port)).await else { return false };
    let mut all = found.map(|a| a.ip()).peekable();
    all.peek().is_some()
        && all.all(|ip| match ip {
            IpAddr::V4(ip) => ip.is_loopback() || ip.is_private(),
            IpAddr::V6(ip) => ip.is_loopback() || ip.is_unique_local(),
        })
}
