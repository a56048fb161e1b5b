//! A person's login at the authorization server of an MCP server: everything is found and checked first, then the person is asked
//! ([`Asked`]), and only after their yes a browser is opened and the answer waited for.

use std::time::Duration;

use rmcp::transport::auth::{
    AuthError, AuthorizationManager, AuthorizationMetadata, CredentialStore, InMemoryCredentialStore, OAuthClientConfig,
};

use super::{
    AuthSpec, Challenge,
    callback::{Callback, Returned},
    error::{LoginError, Trouble},
    manager,
    tokens::Kept,
};

/// What the person is shown before they say yes.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
pub struct Asked {
    /// The server.
    pub server: String,
    /// For what the token will be good.
    pub resource: String,
    /// Host (and port) of the page that will be opened.
    pub host: String,
    /// Who the authorization server says it is; empty if it does not.
    pub issuer: String,
    /// The rights that are asked for.
    pub scopes: Vec<String>,
    /// The whole address of the page.
    pub url: String,
}

/// A login that waits for the person.
pub struct Login {
    spec: AuthSpec,
    manager: AuthorizationManager,
    store: InMemoryCredentialStore,
    callback: Callback,
    state: String,
    metadata: AuthorizationMetadata,
    client: OAuthClientConfig,
    asked: Asked,
}

impl Login {
    /// Finds out where and for what the person would log in. `challenge` is what the server said; `more` are scopes that are wanted in
    /// any case. Nothing of the person is sent.
    pub async fn begin(spec: &AuthSpec, challenge: Option<&Challenge>, more: &[String]) -> Result<Self, LoginError> {
        Self::prepare(spec, challenge, more).await.map_err(|trouble| trouble.at(spec.tokens.server()))
    }

    async fn prepare(spec: &AuthSpec, challenge: Option<&Challenge>, more: &[String]) -> Result<Self, Trouble> {
        let callback = Callback::bind(spec.redirect_port).await.map_err(|e| Trouble::Listen(e.to_string()))?;
        let redirect = callback.uri();
        let mut manager = manager(spec.tokens.url()).await.map_err(Trouble::of)?;
        let store = InMemoryCredentialStore::new();
        manager.set_credential_store(store.clone());
        let found = manager.resolve_metadata_from_challenge(challenge.map(|c| c.header.as_str())).await.map_err(Trouble::found)?;
        let metadata = found.metadata;
        check_endpoints(spec.tokens.url(), &metadata)?;
        manager.set_metadata(metadata.clone());
        // What was granted by another authorization server says nothing about this one.
        let before = spec.tokens.read().map_err(Trouble::of)?.filter(|kept| kept.metadata.issuer == metadata.issuer);
        if let (Some(before), Some(challenge)) = (&before, challenge.filter(|c| c.insufficient && !c.scopes.is_empty()))
            && challenge.scopes.iter().all(|s| before.credentials.granted_scopes.contains(s))
        {
            return Err(Trouble::Again(crate::domain::text::clean_line(&challenge.scopes.join(" "), 200)));
        }
        let mut scopes = manager.select_initial_scopes(&[]).await;
        let former = before.iter().flat_map(|b| b.credentials.granted_scopes.iter().chain(&b.wanted));
        for scope in former.chain(&spec.scopes).chain(more) {
            if !scopes.contains(scope) {
                scopes.push(scope.clone());
            }
        }
        let client = client(spec, &mut manager, &metadata, &redirect, &scopes).await?;
        let scope_names: Vec<&str> = scopes.iter().map(String::as_str).collect();
        let url = manager.get_authorization_url(&scope_names).await.map_err(Trouble::of)?;
        let parsed = reqwest::Url::parse(&url).map_err(|e| Trouble::Metadata(e.to_string()))?;
        let parameter = |name: &str| parsed.query_pairs().find(|(n, _)| n == name).map(|(_, v)| v.into_owned()).unwrap_or_default();
        let port = parsed.port().map(|p| format!(":{p}")).unwrap_or_default();
        let asked = Asked {
            server: spec.tokens.server().to_string(),
            resource: parameter("resource"),
            host: format!("{}{port}", parsed.host_str().unwrap_or_default()),
            issuer: metadata.issuer.clone().unwrap_or_default(),
            scopes,
            url,
        };
        let state = parameter("state");
        Ok(Self { spec: spec.clone(), manager, store, callback, state, metadata, client, asked })
    }

    /// What the person must have seen.
    pub fn asked(&self) -> &Asked {
        &self.asked
    }

    /// Waits until the person comes back, and keeps the tokens. Says which rights were granted.
    pub async fn finish(self, patience: Duration) -> Result<Vec<String>, LoginError> {
        let server = self.spec.tokens.server().clone();
        self.complete(patience).await.map_err(|trouble| trouble.at(&server))
    }

    async fn complete(self, patience: Duration) -> Result<Vec<String>, Trouble> {
        let returned = tokio::time::timeout(patience, self.callback.wait(&self.state)).await.map_err(|_| Trouble::Timeout(patience))?;
        let (code, issuer) = match returned.map_err(|e| Trouble::Listen(e.to_string()))? {
            Returned::Code { code, issuer } => (code, issuer),
            Returned::Error { error, description } => {
                let words = if description.is_empty() { error } else { format!("{error}: {description}") };
                return Err(Trouble::Denied(crate::domain::text::clean_line(&words, 300)));
            }
        };
        let exchanged = self.manager.exchange_code_for_token_with_issuer(&code, &self.state, issuer.as_deref()).await;
        exchanged.map_err(Trouble::of)?;
        let credentials = self.store.load().await.map_err(Trouble::of)?.ok_or(Trouble::of(AuthError::AuthorizationRequired))?;
        let granted = credentials.granted_scopes.clone();
        let kept = Kept {
            server: self.asked.server,
            url: self.spec.tokens.url().to_owned(),
            resource: self.asked.resource,
            metadata: self.metadata,
            client_id: self.client.client_id,
            client_secret: self.client.client_secret,
            redirect: self.client.redirect_uri,
            credentials,
            wanted: Vec::new(),
        };
        self.spec.tokens.replace(&kept).await?;
        Ok(granted)
    }
}

/// Who we are to the authorization server: registered by hand, described by a document, or registered now.
async fn client(
    spec: &AuthSpec,
    manager: &mut AuthorizationManager,
    metadata: &AuthorizationMetadata,
    redirect: &str,
    scopes: &[String],
) -> Result<OAuthClientConfig, Trouble> {
    let documents = metadata.additional_fields.get("client_id_metadata_document_supported").and_then(serde_json::Value::as_bool);
    let known = match (&spec.client_id, &spec.client_metadata) {
        (Some(id), _) => Some(id),
        (None, Some(document)) if documents == Some(true) => Some(document),
        _ => None,
    };
    let Some(id) = known else {
        if metadata.registration_endpoint.is_none() {
            return Err(Trouble::Registration("it takes no registrations".to_owned()));
        }
        let scopes: Vec<&str> = scopes.iter().map(String::as_str).collect();
        return manager.register_client("Swell", redirect, &scopes).await.map_err(Trouble::of);
    };
    let mut config = OAuthClientConfig::new(id, redirect).with_scopes(scopes.to_vec());
    if let (Some(secret), true) = (&spec.client_secret, spec.client_id.is_some()) {
        config = config.with_client_secret(crate::secret::expose(secret));
    }
    manager.configure_client(config.clone()).map_err(Trouble::of)?;
    Ok(config)
}

/// A page that is opened and a place to which codes are sent must be encrypted, unless they are on this machine or the server itself
/// is not.
pub(super) fn check_endpoints(server: &str, metadata: &AuthorizationMetadata) -> Result<(), Trouble> {
    let plain = server.starts_with("http://");
    for endpoint in [Some(&metadata.authorization_endpoint), Some(&metadata.token_endpoint), metadata.registration_endpoint.as_ref()] {
        let Some(endpoint) = endpoint else { continue };
        let shown = || crate::domain::text::clean_line(endpoint, 200);
        let url = reqwest::Url::parse(endpoint).map_err(|_| Trouble::Insecure(shown()))?;
        let here = matches!(url.host_str(), Some("localhost" | "127.0.0.1" | "[::1]"));
        match url.scheme() {
            "https" => {}
            "http" if plain || here => {}
            _ => return Err(Trouble::Insecure(shown())),
        }
    }
    Ok(())
}
