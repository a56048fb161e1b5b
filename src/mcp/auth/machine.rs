//! A login without a person: the operator has registered a client and given its secret, and Swell gets its own token (client
//! credentials). Nothing is asked and nothing is opened; the metadata is held to the same rules as at a person's login.

use rmcp::transport::auth::{ClientCredentialsConfig, CredentialStore, InMemoryCredentialStore};

use super::{
    AuthSpec, Challenge,
    error::{LoginError, Trouble},
    login::check_endpoints,
    manager,
    tokens::Kept,
};

impl AuthSpec {
    /// Gets a token and keeps it.
    pub(in crate::mcp) async fn obtain(&self, challenge: Option<&Challenge>) -> Result<(), LoginError> {
        self.exchange(challenge).await.map_err(|trouble| trouble.at(self.tokens.server()))
    }

    async fn exchange(&self, challenge: Option<&Challenge>) -> Result<(), Trouble> {
        let missing = |what: &str| Trouble::Registration(format!("the configuration has no `{what}` for it"));
        let id = self.client_id.clone().ok_or_else(|| missing("client_id"))?;
        let secret = self.client_secret.as_ref().ok_or_else(|| missing("client_secret"))?;
        let mut manager = manager(self.tokens.url()).await.map_err(Trouble::of)?;
        let store = InMemoryCredentialStore::new();
        manager.set_credential_store(store.clone());
        let found = manager.resolve_metadata_from_challenge(challenge.map(|c| c.header.as_str())).await.map_err(Trouble::found)?;
        check_endpoints(self.tokens.url(), &found.metadata)?;
        manager.set_metadata(found.metadata.clone());
        let mut scopes = manager.select_initial_scopes(&[]).await;
        // There is nobody to stay away from: an offline token is for a person who leaves.
        scopes.retain(|s| s != "offline_access");
        scopes.extend(self.scopes.iter().filter(|s| !scopes.contains(s)).cloned().collect::<Vec<_>>());
        let resource = self.tokens.url().to_owned();
        let config = ClientCredentialsConfig::ClientSecret {
            client_id: id.clone(),
            client_secret: crate::secret::expose(secret).to_owned(),
            scopes,
            resource: Some(resource.clone()),
        };
        manager.validate_client_credentials_metadata(&config).map_err(Trouble::of)?;
        manager.configure_client_credentials(&config).map_err(Trouble::of)?;
        manager.exchange_client_credentials(&config).await.map_err(Trouble::of)?;
        let credentials = store.load().await.map_err(Trouble::of)?.ok_or_else(|| Trouble::Token("it sent none".to_owned()))?;
        let kept = Kept {
            server: self.tokens.server().to_string(),
            url: self.tokens.url().to_owned(),
            resource,
            metadata: found.metadata,
            client_id: id,
            client_secret: None,
            // Never used: nobody is sent back.
            redirect: "http://127.0.0.1/callback".to_owned(),
            credentials,
            wanted: Vec::new(),
        };
        self.tokens.replace(&kept).await
    }
}
