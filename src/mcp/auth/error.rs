//! Why a login did not come about, and how that is said.

use std::time::Duration;

use rmcp::transport::auth::AuthError;

use crate::{
    diagnostic::{Diagnostic, Explain},
    domain::{ServerName, text::clean_line},
    mcp::http::innermost,
};

/// Why a login did not come about. Texts of servers inside are cleaned and bounded.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{what}")]
pub struct LoginError {
    /// Which server.
    pub server: ServerName,
    /// What happened.
    pub what: Trouble,
}

/// What happened.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Trouble {
    /// Nobody can be sent back to us.
    #[error("the address for the way back cannot be opened: {0}")]
    Listen(String),
    /// The metadata is not there, or must not be believed.
    #[error("what it says about its authorization cannot be used: {0}")]
    Metadata(String),
    /// An address that is not encrypted, or no web address.
    #[error("its authorization server is to be reached at `{0}`, which is not encrypted")]
    Insecure(String),
    /// We could not be registered.
    #[error("Swell cannot be registered at its authorization server: {0}")]
    Registration(String),
    /// The same rights are asked for that were granted.
    #[error("it asks for rights that were granted already ({0})")]
    Again(String),
    /// A no of the person or of the authorization server.
    #[error("the authorization server answered `{0}`")]
    Denied(String),
    /// Another authorization server answered.
    #[error("the answer is not from the authorization server that was asked: expected `{expected}`, got `{received}`")]
    Issuer {
        /// Who was asked.
        expected: String,
        /// Who answered.
        received: String,
    },
    /// Nobody came back.
    #[error("nobody came back within {} s", .0.as_secs())]
    Timeout(Duration),
    /// No tokens were given.
    #[error("the authorization server gave no token: {0}")]
    Token(String),
    /// The tokens could not be kept.
    #[error("the tokens cannot be kept: {0}")]
    Store(String),
}

impl Trouble {
    pub(super) fn of(error: AuthError) -> Self {
        let words = |e: &AuthError| clean_line(&e.to_string(), 400);
        match error {
            AuthError::AuthorizationServerMismatch { expected_issuer, received_issuer } => {
                Trouble::Issuer { expected: clean_line(&expected_issuer, 200), received: clean_line(&received_issuer, 200) }
            }
            AuthError::AuthorizationServerMissingIssuer { expected_issuer } => {
                Trouble::Issuer { expected: clean_line(&expected_issuer, 200), received: "nobody".to_owned() }
            }
            AuthError::CredentialStoreError(reason) => Trouble::Store(clean_line(&reason, 400)),
            AuthError::RegistrationFailed(reason) => Trouble::Registration(clean_line(&reason, 400)),
            AuthError::ClientCredentialsError(_)
            | AuthError::TokenExchangeFailed(_)
            | AuthError::TokenRefreshFailed(_)
            | AuthError::TokenRefreshRejected(_) => Trouble::Token(words(&error)),
            AuthError::DiscoveryRequestFailed { ref url, .. } => {
                Trouble::Metadata(clean_line(&format!("{url} cannot be read ({})", innermost(&error)), 400))
            }
            other => Trouble::Metadata(words(&other)),
        }
    }

    /// The same while metadata is read: there a wrong issuer is a lie in it, and nobody has answered anything yet.
    pub(super) fn found(error: AuthError) -> Self {
        match Self::of(error) {
            Trouble::Issuer { expected, received } => {
                Trouble::Metadata(format!("the authorization server was to be `{expected}`, and its metadata is that of `{received}`"))
            }
            other => other,
        }
    }

    pub(super) fn at(self, server: &ServerName) -> LoginError {
        LoginError { server: server.clone(), what: self }
    }
}

impl Explain for LoginError {
    fn explain(&self) -> Diagnostic {
        let server = &self.server;
        let again = |d: Diagnostic| d.next("To try again:", format!("swell servers login {server}"));
        let by_hand = |d: Diagnostic| {
            d.hint(format!(
                "If a client was registered for Swell by hand, write its `client_id` under `[servers.{server}.oauth]` in the configuration."
            ))
        };
        let d = match &self.what {
            Trouble::Listen(_) => again(Diagnostic::error("auth::listen", "There is no way back from the browser")),
            Trouble::Metadata(_) => Diagnostic::error("auth::metadata", "A server's authorization cannot be trusted or found")
                .hint("Tokens are only asked for where the server's own metadata and that of its authorization server agree."),
            Trouble::Insecure(_) => Diagnostic::error("auth::insecure", "An authorization server is not encrypted"),
            Trouble::Registration(_) => by_hand(Diagnostic::error("auth::registration", "Swell cannot be registered")),
            Trouble::Again(_) => Diagnostic::error("auth::again", "A server asks again for what was granted")
                .hint("Whoever runs the server has to say why the granted rights are not enough."),
            Trouble::Denied(_) => again(Diagnostic::error("auth::denied", "The authorization was denied")),
            Trouble::Issuer { .. } => Diagnostic::error("auth::issuer", "Another authorization server answered")
                .hint("This is what an attack looks like that wants to have the code of another login. Tell whoever runs the server."),
            Trouble::Timeout(_) => again(Diagnostic::error("auth::timeout", "Nobody came back from the browser")),
            Trouble::Token(_) => again(Diagnostic::error("auth::token", "The authorization server gave no token")),
            Trouble::Store(_) => Diagnostic::error("auth::store", "Tokens cannot be kept or read"),
        };
        d.server(server)
            .fact("server", server.to_string())
            .detail(format!("Swell is not authorized at `{server}`: {}.", self.what))
            .state("No token was stored, and none was sent anywhere.")
    }
}
