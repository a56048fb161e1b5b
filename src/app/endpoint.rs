//! From a server's setting to how it is reached: the sandbox, a program, or a URL, with environment and secrets filled in.

use std::{
    path::{Path, PathBuf},
    sync::Arc,
};

use secrecy::SecretString;

use super::Parts;
use crate::{
    config::{Environment, GrantSetting, ServerSetting},
    diagnostic::Diagnostic,
    domain::ServerName,
    mcp::{
        auth::{AuthSpec, Grant, Tokens},
        connection::Endpoint,
        http::HttpSpec,
        process::ProcessSpec,
    },
    sandbox::{self, SandboxOptions},
    secret::SecretStore,
};

/// Where the sandbox's world lies below the data folder.
pub fn world_folder(data: &Path) -> PathBuf {
    data.join("sandbox")
}

/// The folders that a server is told of. None unless the configuration names some: many servers may do more in them than elsewhere.
pub(super) fn roots(setting: &ServerSetting, parts: &Parts) -> Vec<PathBuf> {
    let here = parts.config.project.clone().unwrap_or_default();
    setting.roots.iter().map(|root| here.join(root)).collect()
}

/// The error is boxed because it is large and rare.
pub(super) fn endpoint(
    name: &ServerName,
    setting: &ServerSetting,
    parts: &Parts,
    secrets: &SecretStore,
) -> Result<Endpoint, Box<Diagnostic>> {
    if let Some(kind) = &setting.sandbox {
        if !sandbox::SERVERS.contains(&kind.as_str()) {
            return Err(Box::new(
                Diagnostic::error("config::sandbox", "There is no such simulated server").fact("server", name.to_string()).detail(format!(
                    "`{}` is not one of {}.",
                    crate::domain::text::clean(kind, 40),
                    sandbox::SERVERS.join(", ")
                )),
            ));
        }
        let folder = world_folder(&parts.config.data);
        let (kind, latency) = (kind.clone(), parts.config.sandbox_latency);
        return Ok(Endpoint::Local(Arc::new(move || {
            let world =
                sandbox::World::open(&folder).map_err(|error| tracing::error!(%error, "the sandbox's world cannot be opened")).ok()?;
            let spawned = sandbox::spawn_in_process(&kind, world, SandboxOptions { latency });
            spawned.map_err(|error| tracing::error!(%error, "a simulated server cannot be started")).ok()
        })));
    }
    let fill = |text: &str| fill(text, &parts.environment, secrets).map_err(|e| Box::new(e.server(name)));
    if let Some(url) = &setting.url {
        let headers =
            setting.headers.iter().map(|(k, v)| Ok((k.clone(), SecretString::from(fill(v)?)))).collect::<Result<_, Box<Diagnostic>>>()?;
        let url = fill(url)?;
        let folder = parts.config.trust.with_file_name("tokens");
        let tokens = Arc::new(Tokens::new(&folder, name.clone(), &url, secrets.redactor().clone()));
        let filled = |text: &Option<String>| text.as_deref().map(&fill).transpose();
        let auth = AuthSpec {
            tokens,
            client_id: filled(&setting.oauth.client_id)?,
            client_secret: filled(&setting.oauth.client_secret)?.map(SecretString::from),
            client_metadata: filled(&setting.oauth.client_metadata)?,
            scopes: setting.oauth.scopes.clone(),
            redirect_port: setting.oauth.redirect_port,
            grant: match setting.oauth.grant {
                GrantSetting::Person => Grant::Person,
                GrantSetting::ClientCredentials => Grant::Client,
            },
        };
        return Ok(Endpoint::Http(HttpSpec { url, headers, bearer: None, auth: Some(auth) }));
    }
    let project = parts.config.project.clone();
    let folder = match &setting.cwd {
        Some(cwd) => Some(project.unwrap_or_default().join(fill(cwd)?)),
        None => project,
    };
    Ok(Endpoint::Process(ProcessSpec {
        command: fill(setting.command.as_deref().unwrap_or_default())?,
        args: setting.args.iter().map(|a| fill(a)).collect::<Result<_, _>>()?,
        env: setting.env.iter().map(|(k, v)| Ok((k.clone(), fill(v)?))).collect::<Result<_, Box<Diagnostic>>>()?,
        inherit: parts.environment.clone(),
        folder,
    }))
}

/// Puts `${NAME}` of the environment and `${secret:NAME}` into a server's setting.
fn fill(text: &str, environment: &Environment, secrets: &SecretStore) -> Result<String, Diagnostic> {
    use crate::domain::{Reference, Segment};
    let bad =
        |what: String| Diagnostic::error("config::value", "A server's setting cannot be read").detail(what).state("Nothing was started.");
    let mut out = String::new();
    for segment in crate::domain::reference::parse(text).map_err(|e| bad(format!("{e}.")))? {
        match segment {
            Segment::Literal(literal) => out.push_str(&literal),
            Segment::Reference(Reference::Variable(name)) => {
                out.push_str(environment.get(&name).ok_or_else(|| bad(format!("The environment has no `{name}`.")))?);
            }
            Segment::Reference(Reference::Secret(name)) => {
                out.push_str(crate::secret::expose(&secrets.resolve(&name).map_err(|e| bad(format!("{e}.")))?));
            }
            Segment::Reference(other) => return Err(bad(format!("`{other}` refers to a resource."))),
        }
    }
    Ok(out)
}
