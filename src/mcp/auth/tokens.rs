//! The tokens of one server: a file that only its owner can read, bound to the server's URL, and known to the redactor.

use std::{
    fs,
    io::{self, Write},
    path::{Path, PathBuf},
    time::Duration,
};

use async_trait::async_trait;
use rmcp::transport::auth::{AuthError, AuthorizationMetadata, CredentialRefreshGuard, CredentialStore, StoredCredentials};
use secrecy::SecretString;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use tokio::time::Instant;

use super::Trouble;
use crate::{domain::ServerName, secret::Redactor};

/// The most scopes that are remembered for a login: a server can ask for new ones each time.
const MOST_WANTED: usize = 50;

/// How long another process may be at the same file: longer than a request for tokens takes.
const PATIENCE: Duration = Duration::from_secs(45);
const PAUSE: Duration = Duration::from_millis(50);

/// What is kept of a login.
#[derive(Clone, Serialize, Deserialize)]
pub(super) struct Kept {
    pub(super) server: String,
    pub(super) url: String,
    /// For what the tokens are good (RFC 8707).
    pub(super) resource: String,
    /// The authorization server as it was found at the login.
    pub(super) metadata: AuthorizationMetadata,
    pub(super) client_id: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) client_secret: Option<String>,
    pub(super) redirect: String,
    pub(super) credentials: StoredCredentials,
    /// Scopes that the server asked for since.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(super) wanted: Vec<String>,
}

/// Where the tokens of one server are.
#[derive(Debug, Clone)]
pub struct Tokens {
    server: ServerName,
    url: String,
    path: PathBuf,
    redactor: Redactor,
}

impl Tokens {
    /// Names the place in a folder. Another URL is another file: a token never goes to where a changed setting points.
    pub fn new(folder: &Path, server: ServerName, url: &str, redactor: Redactor) -> Self {
        let digest = Sha256::digest(url.as_bytes());
        let short: String = digest.iter().take(6).map(|b| format!("{b:02x}")).collect();
        let path = folder.join(format!("{server}-{short}.json"));
        Self { server, url: url.to_owned(), path, redactor }
    }

    /// The server's URL.
    pub fn url(&self) -> &str {
        &self.url
    }

    /// The server's name.
    pub fn server(&self) -> &ServerName {
        &self.server
    }

    /// The file.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Whether somebody has logged in.
    pub fn are_there(&self) -> bool {
        matches!(self.read(), Ok(Some(_)))
    }

    /// Forgets the login. Says whether there was one.
    pub fn forget(&self) -> io::Result<bool> {
        match fs::remove_file(&self.path) {
            Ok(()) => Ok(true),
            Err(e) if e.kind() == io::ErrorKind::NotFound => Ok(false),
            Err(e) => Err(e),
        }
    }

    /// Remembers which scopes the server wants, for the next login. Not while somebody is renewing the tokens: what was read before that
    /// would put the old ones back. The server will say it again.
    pub(in crate::mcp) fn want(&self, scopes: &[String]) {
        if !self.path.exists() {
            return;
        }
        let Ok(Some(_lock)) = self.try_lock() else { return };
        let Ok(Some(mut kept)) = self.read() else { return };
        let room = MOST_WANTED.saturating_sub(kept.wanted.len());
        let fresh: Vec<String> = scopes.iter().filter(|s| !kept.wanted.contains(s)).take(room).cloned().collect();
        if !fresh.is_empty() {
            kept.wanted.extend(fresh);
            if let Err(error) = self.write(&kept) {
                tracing::warn!(%error, "the wanted scopes could not be kept");
            }
        }
    }

    pub(super) fn read(&self) -> Result<Option<Kept>, AuthError> {
        let fail = |reason: String| AuthError::CredentialStoreError(format!("`{}` {reason}", self.path.display()));
        let file = match fs::File::open(&self.path) {
            Ok(file) => file,
            Err(e) if e.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(e) => return Err(fail(format!("cannot be read: {e}"))),
        };
        #[cfg(unix)]
        {
            use std::os::unix::fs::PermissionsExt;
            let mode = file.metadata().map_err(|e| fail(e.to_string()))?.permissions().mode() & 0o777;
            if mode & 0o077 != 0 {
                return Err(fail(format!("can be read by others (mode {mode:o}); it is not used until only you can read it")));
            }
        }
        // The words of serde_json would quote a value.
        let kept: Kept = serde_json::from_reader(io::BufReader::new(file))
            .map_err(|e| fail(format!("is not what Swell writes (line {}, column {})", e.line(), e.column())))?;
        if kept.url != self.url {
            return Err(fail("belongs to another URL".to_owned()));
        }
        self.teach(&kept);
        Ok(Some(kept))
    }

    fn write(&self, kept: &Kept) -> io::Result<()> {
        self.teach(kept);
        let folder = self.folder()?;
        // A temporary file is 0600 from its first moment, and a crash leaves the old one whole.
        let mut file = tempfile::NamedTempFile::new_in(folder)?;
        file.write_all(&serde_json::to_vec_pretty(kept)?)?;
        file.as_file().sync_all()?;
        file.persist(&self.path).map_err(|e| e.error)?;
        Ok(())
    }

    /// Keeps a new login, after whoever is renewing the old one.
    pub(super) async fn replace(&self, kept: &Kept) -> Result<(), Trouble> {
        let fail = |e: io::Error| Trouble::Store(format!("{}: {e}", self.path.display()));
        let _lock = self.lock().await.map_err(fail)?;
        self.write(kept).map_err(fail)
    }

    /// The folder, made for its owner only if it is not there.
    fn folder(&self) -> io::Result<&Path> {
        let folder = self.path.parent().unwrap_or_else(|| Path::new("."));
        let mut builder = fs::DirBuilder::new();
        #[cfg(unix)]
        std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
        builder.recursive(true).create(folder).map(|()| folder)
    }

    /// The right to change the file, if nobody has it now. Nobody else can open what it is held on, and so nobody else can hold it.
    fn try_lock(&self) -> io::Result<Option<fs::File>> {
        self.folder()?;
        let mut options = fs::OpenOptions::new();
        #[cfg(unix)]
        std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
        let file = options.create(true).truncate(false).write(true).open(self.path.with_extension("lock"))?;
        match file.try_lock() {
            Ok(()) => Ok(Some(file)),
            Err(fs::TryLockError::WouldBlock) => Ok(None),
            Err(fs::TryLockError::Error(e)) => Err(e),
        }
    }

    /// The right to change the file; waits for whoever has it.
    pub(super) async fn lock(&self) -> io::Result<fs::File> {
        let until = Instant::now() + PATIENCE;
        loop {
            match self.try_lock()? {
                Some(lock) => return Ok(lock),
                None if Instant::now() < until => tokio::time::sleep(PAUSE).await,
                None => return Err(io::Error::other("another process has been at the same login for too long")),
            }
        }
    }

    /// Whatever is written from now on shows no token.
    fn teach(&self, kept: &Kept) {
        let name = format!("token-of-{}", self.server);
        let mut all: Vec<String> = kept.client_secret.iter().cloned().collect();
        let response = serde_json::to_value(&kept.credentials.token_response).unwrap_or_default();
        for field in ["access_token", "refresh_token", "id_token"] {
            all.extend(response.get(field).and_then(|v| v.as_str()).map(str::to_owned));
        }
        all.into_iter().for_each(|value| self.redactor.learn(&name, &SecretString::from(value)));
    }
}

#[async_trait]
impl CredentialStore for Tokens {
    async fn load(&self) -> Result<Option<StoredCredentials>, AuthError> {
        Ok(self.read()?.map(|kept| kept.credentials))
    }

    /// A refreshed token takes the place of the old one; everything else of the login stays.
    async fn save(&self, credentials: StoredCredentials) -> Result<(), AuthError> {
        let mut kept = self.read()?.ok_or(AuthError::AuthorizationRequired)?;
        kept.credentials = credentials;
        self.write(&kept).map_err(|e| AuthError::CredentialStoreError(e.to_string()))
    }

    async fn clear(&self) -> Result<(), AuthError> {
        self.forget().map(drop).map_err(|e| AuthError::CredentialStoreError(e.to_string()))
    }

    /// Two processes do not spend the same refresh token: the second waits and finds the fresh one.
    async fn acquire_refresh_guard(&self) -> Result<Option<CredentialRefreshGuard>, AuthError> {
        let locked = self.lock().await.map_err(|e| AuthError::CredentialStoreError(e.to_string()))?;
        Ok(Some(CredentialRefreshGuard::new(locked)))
    }
}
