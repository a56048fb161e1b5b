//! `swell servers …`, each as one short function.

use std::time::Duration;

use super::{DONE, Exit, Out};
use crate::{
    app::App,
    cli::ServersCommand,
    diagnostic::ExitClass,
    event::Event,
    inspect,
    servers::{
        self, Ask,
        login::{self, Browser},
    },
    ui,
};

/// The longest time for which the network is listened to.
const LONGEST: Duration = Duration::from_secs(60);

/// `swell servers …`.
pub async fn servers(app: &App, out: &Out, command: &ServersCommand) -> Exit {
    match command {
        ServersCommand::List => list(app, out).await,
        ServersCommand::Health => health(app, out).await,
        ServersCommand::Discover { url: Some(url), .. } => found(out, servers::at_url(app, url).await?),
        ServersCommand::Discover { network: true, span, .. } => {
            let span = super::watch::duration(span)?.clamp(Duration::from_millis(100), LONGEST);
            found(out, servers::network(app, span).await?)
        }
        ServersCommand::Discover { .. } => discover(app, out),
        ServersCommand::Review { server, digest } => review(app, out, server, digest.as_deref()).await,
        ServersCommand::Add { server } if server.contains("://") => found(out, servers::at_url(app, server).await?),
        ServersCommand::Add { server } => add(app, out, server),
        ServersCommand::Login { server, scopes, no_browser } => {
            let browser = if *no_browser { Browser::Show } else { Browser::Open };
            let outcome = login::login(app, server, scopes, browser).await?;
            out.data(&outcome, || match outcome.outcome {
                "declined" => "not logged in; nothing was opened\n".to_owned(),
                _ if outcome.scopes.is_empty() => format!("logged in at {server}\n"),
                _ => format!("logged in at {server} with the rights {}\n", outcome.scopes.join(" ")),
            });
            Ok(if outcome.outcome == "declined" { ExitClass::Refused.code() } else { DONE })
        }
        ServersCommand::Logout { server } => {
            let forgotten = login::logout(app, server)?;
            let words = if forgotten { "the login is forgotten" } else { "there was no login" };
            out.data(&serde_json::json!({ "server": server, "forgotten": forgotten }), || format!("{server}: {words}\n"));
            Ok(DONE)
        }
        ServersCommand::Tools { server } => {
            let tools = inspect::tools(app, server).await?;
            out.data(&tools, || {
                out.table(&["tool", "description"], tools.iter().map(|t| vec![t.name.clone(), t.description.clone()]).collect())
            });
            Ok(DONE)
        }
        ServersCommand::Doctor { server } => {
            let reports = inspect::doctor(app, server.as_deref()).await?;
            out.data(&reports, || reports.iter().map(|r| ui::list::server_report(r, &out.screen.style())).collect());
            Ok(if reports.iter().all(|r| r.sound) { DONE } else { ExitClass::Refused.code() })
        }
    }
}

/// What is wrong with the sources; everything else goes on.
fn warn(app: &App) {
    let mut all = app.config().problems.clone();
    if let Err(e) = app.trust().load() {
        all.push(crate::diagnostic::Explain::explain(&e));
    }
    all.into_iter().for_each(|d| app.sink().emit(Event::Warning { diagnostic: Box::new(d) }));
}

async fn list(app: &App, out: &Out) -> Exit {
    warn(app);
    let listing = servers::list(app, Ask::Live).await;
    out.data(&listing, || ui::servers::listing(&listing, &out.screen.style()));
    Ok(if listing.servers.iter().all(|s| matches!(s.health.as_str(), "healthy" | "-")) { DONE } else { ExitClass::Refused.code() })
}

async fn health(app: &App, out: &Out) -> Exit {
    let mut listing = servers::list(app, Ask::Live).await;
    listing.servers.retain(|s| s.health != "-");
    out.data(&listing.servers, || {
        let latency = |ms: Option<u64>| ms.map(|ms| format!("{ms} ms")).unwrap_or_default();
        let cells = listing
            .servers
            .iter()
            .map(|s| vec![s.name.clone(), s.health.clone(), latency(s.latency_ms), s.identity.clone(), s.message.clone()]);
        out.table(&["server", "health", "latency", "identity", ""], cells.collect())
    });
    Ok(if listing.servers.iter().all(|s| s.health == "healthy") { DONE } else { ExitClass::Refused.code() })
}

fn discover(app: &App, out: &Out) -> Exit {
    warn(app);
    let offers = servers::discover(app);
    out.data(&offers, || ui::servers::offers(&offers, &out.screen.style()));
    Ok(DONE)
}

/// What was found just now; nothing of it was connected to.
fn found(out: &Out, offers: Vec<crate::answer::servers::Offer>) -> Exit {
    out.data(&offers, || match offers.as_slice() {
        [] => "Nothing was found.\n".to_owned(),
        all => ui::servers::offers(all, &out.screen.style()),
    });
    Ok(DONE)
}

async fn review(app: &App, out: &Out, name: &str, digest: Option<&str>) -> Exit {
    let outcome = servers::review(app, name, digest).await?;
    out.data(&outcome, || {
        let tools = ui::lines::count(outcome.tools.as_ref().map_or(0, |t| t.tools.len()), "tool", "tools");
        match outcome.outcome.as_str() {
            "declined" => format!("{name} stays quarantined; nothing was changed.\n"),
            "unchanged" => format!("{name} is as it was reviewed: {tools} pinned.\n"),
            _ => format!("{name} is reviewed: {tools} pinned.\n"),
        }
    });
    if let Some(tools) = outcome.tools.as_ref().filter(|_| outcome.outcome != "declined") {
        for warning in &tools.warnings {
            app.sink().emit(Event::Notice { text: warning.clone() });
        }
    }
    Ok(if outcome.outcome == "declined" { ExitClass::Refused.code() } else { DONE })
}

fn add(app: &App, out: &Out, name: &str) -> Exit {
    let added = servers::add(app, name)?;
    out.data(&added, || {
        let secrets: String = added.secrets.iter().map(|s| format!("stored the secret {s}\n")).collect();
        format!("added {} to {}\n{secrets}", added.name, added.file)
    });
    Ok(DONE)
}
