//! A person's login at a server behind a URL, and the end of it. Nothing is opened without their yes.

use std::time::Duration;

use crate::{
    app::App,
    config::{GrantSetting, Registered},
    diagnostic::{Diagnostic, Explain, Failure},
    domain::{ServerName, text::clean_line},
    event::Event,
    mcp::{
        ConnectError, Connection, Endpoint, Page,
        auth::{AuthSpec, Login},
    },
    registry::{Row, State},
    trust::{Launch, Standing},
};

/// How long the person has to come back from the browser.
const PATIENCE: Duration = Duration::from_secs(600);

/// How a login ended.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
pub struct LoginOutcome {
    /// The server.
    pub server: String,
    /// `logged in`, `declined`.
    pub outcome: &'static str,
    /// The rights that were granted.
    pub scopes: Vec<String>,
    /// Where the tokens are.
    pub file: String,
}

/// Whether a browser is opened, after the person's yes, or the address is only shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Browser {
    /// After a yes.
    Open,
    /// The person opens the page by themselves, wherever they like.
    Show,
}

/// Logs in at a server.
pub async fn login(app: &App, name: &str, scopes: &[String], browser: Browser) -> Result<LoginOutcome, Failure> {
    let (connection, auth) = reach(app, name)?;
    // What it says now counts: with a token that is still good there may be nothing to do but to get more rights.
    let connected = connection.connect().await;
    let challenge = connection.challenge();
    connection.close().await;
    match &connected {
        Ok(()) | Err(ConnectError::Auth { .. }) => {}
        Err(e) => return Err(Failure::from(e.explain())),
    }
    let login = Login::begin(&auth, challenge.as_ref(), scopes).await.map_err(|e| Failure::from(e.explain()))?;
    let asked = login.asked().clone();
    let outcome =
        |outcome, scopes| LoginOutcome { server: asked.server.clone(), outcome, scopes, file: auth.tokens.path().display().to_string() };
    let rights = if asked.scopes.is_empty() { "what the server gives by itself".to_owned() } else { asked.scopes.join(" ") };
    let issuer = if asked.issuer.is_empty() { &asked.host } else { &asked.issuer };
    let why = format!(
        "To use the server `{}` you log in at its authorization server.\nfor      {}\nat       {}\nrights   {}",
        asked.server,
        clean_line(&asked.resource, 300),
        clean_line(issuer, 300),
        clean_line(&rights, 600)
    );
    let Some(page) = Page::parse(&asked.url) else {
        return Err(Failure::from(
            Diagnostic::error("auth::metadata", "A server's authorization cannot be trusted or found")
                .server(connection.name())
                .detail("The page for the login is no web page.")
                .state("Nothing was opened."),
        ));
    };
    match browser {
        Browser::Open if app.human().present() => {
            if !app.human().visit(&why, &page).await {
                return Ok(outcome("declined", Vec::new()));
            }
        }
        Browser::Open => return Err(Failure::from(nobody(connection.name()))),
        Browser::Show => {
            let text = format!("{why}\nOpen this page; Swell waits for you to come back:\n{}", page.url);
            text.lines().for_each(|line| app.sink().emit(Event::Notice { text: line.to_owned() }));
        }
    }
    app.sink().emit(Event::Notice { text: "Waiting for you to come back from the browser (Ctrl-C ends it)…".into() });
    let granted = login.finish(PATIENCE).await.map_err(|e| Failure::from(e.explain()))?;
    Ok(outcome("logged in", granted))
}

/// Forgets a login. Says whether there was one.
pub fn logout(app: &App, name: &str) -> Result<bool, Failure> {
    let (connection, auth) = reach(app, name)?;
    auth.tokens.forget().map_err(|e| {
        Failure::from(
            Diagnostic::error("auth::store", "Tokens cannot be kept or read")
                .server(connection.name())
                .detail(format!("`{}` cannot be removed: {e}.", auth.tokens.path().display()))
                .state("The login is still kept."),
        )
    })
}

fn nobody(server: &ServerName) -> Diagnostic {
    Diagnostic::error("auth::nobody", "A person must log in")
        .server(server)
        .fact("server", server.to_string())
        .detail("There is no terminal to ask on.")
        .state("Nothing was opened and nothing was sent.")
        .next("To be shown the page and open it yourself:", format!("swell servers login {server} --no-browser"))
}

/// A connection of its own to the server, and how to be authorized there.
fn reach(app: &App, name: &str) -> Result<(std::sync::Arc<Connection>, AuthSpec), Failure> {
    let row = row(app, name)?;
    let connection = app.connection_for_review(&row.entry)?;
    let auth = match connection.endpoint() {
        Endpoint::Http(spec) => spec.person().cloned(),
        _ => None,
    };
    let Some(auth) = auth else { return Err(Failure::from(no_login(&row.entry))) };
    Ok((connection, auth))
}

/// A server to which the person has said yes: one of their own, or one whose address they have reviewed (its tools may be unknown yet,
/// for they are only told after a login).
fn row<'a>(app: &'a App, name: &str) -> Result<&'a Row, Failure> {
    let parsed: ServerName = name.parse().map_err(|e: crate::domain::NameError| crate::flow::usage(&e.to_string()))?;
    let Some(row) = app.registry().to_review(name) else {
        return app.server(&parsed).map(|_| unreachable!("a server in use is registered"));
    };
    let approved = || {
        let trust = app.trust().load()?;
        Ok::<_, Failure>(trust.find(&row.entry.name, &row.entry.origin.file).is_some_and(|r| r.launch == Launch::of(&row.entry)))
    };
    match &row.state {
        State::Active(Standing::BuiltIn) => Err(Failure::from(no_login(&row.entry))),
        State::Active(_) => Ok(row),
        State::Quarantined(_) if approved()? => Ok(row),
        _ => Err(app.registry().held(&parsed).map_or_else(|| crate::flow::usage("this entry is shadowed by another one"), Failure::from)),
    }
}

fn no_login(entry: &Registered) -> Diagnostic {
    let why = if entry.setting.url.is_none() {
        "Only servers behind a URL have logins."
    } else if entry.setting.oauth.grant == GrantSetting::ClientCredentials {
        "Swell logs in at it by itself, as the configuration says (`grant`)."
    } else {
        "The configuration has an `Authorization` header for it, which a login would not replace."
    };
    Diagnostic::error("auth::no-login", "A server has no login")
        .server(&entry.name)
        .fact("server", entry.name.to_string())
        .fact("from", entry.origin.place())
        .detail(why)
        .state("Nothing was opened and nothing was sent.")
        .next("To see how it is reached:", format!("swell servers doctor {}", entry.name))
}
