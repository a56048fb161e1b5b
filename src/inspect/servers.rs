//! All servers and how they are, their tools, and what is wrong with the connection to one.

use crate::{
    answer::{ServerReport, ServerRow},
    app::App,
    config::{Registered, ServerSetting},
    diagnostic::Failure,
    domain::text::clean,
    mcp::{AnyServer, Connection, Health, tools::Tool},
};

/// All servers, each asked at the same time.
pub async fn servers(app: &App) -> Vec<ServerRow> {
    futures::future::join_all(app.connections().iter().map(|s| row(app, s))).await
}

async fn row(app: &App, server: &AnyServer) -> ServerRow {
    use crate::mcp::ResourceServer;
    let connection = server.connection();
    let reached_by = app.config().servers.get(server.name()).map(reached_by).unwrap_or_default();
    let mut row = ServerRow {
        name: server.name().to_string(),
        reached_by,
        identity: String::new(),
        protocol: String::new(),
        health: "unreachable".into(),
        message: String::new(),
        tools: 0,
    };
    match server.health().await {
        Ok(health) => {
            row.identity = health.identity;
            row.health = match health.health {
                Health::Healthy => "healthy",
                Health::Unhealthy => "unhealthy",
                Health::Unknown => "unknown",
            }
            .into();
            row.message = clean(&health.message, 200);
        }
        Err(e) => row.message = clean(e.message(), 300),
    }
    if let Some(info) = connection.info().await {
        row.protocol = info.protocol;
    }
    row.tools = connection.tools().await.map_or(0, |t| t.tools.len());
    row
}

fn reached_by(setting: &ServerSetting) -> String {
    match (&setting.sandbox, &setting.url, &setting.command) {
        (Some(_), _, _) => "sandbox (simulated)".into(),
        (_, Some(url), _) => url.clone(),
        (_, _, Some(command)) => {
            std::iter::once(command.as_str()).chain(setting.args.iter().map(String::as_str)).collect::<Vec<_>>().join(" ")
        }
        _ => String::new(),
    }
}

/// One tool in a list.
#[derive(Debug, Clone, serde::Serialize)]
pub struct ToolRow {
    /// Its name.
    pub name: String,
    /// The first line of what it says about itself. Untrusted, cleaned.
    pub description: String,
}

/// The tools of one server.
pub async fn tools(app: &App, name: &str) -> Result<Vec<ToolRow>, Failure> {
    let name = name.parse().map_err(|e: crate::domain::NameError| crate::flow::usage(&e.to_string()))?;
    app.server(&name)?;
    let Some(server) = app.connections().iter().find(|s| *s.connection().name() == name) else { return Ok(Vec::new()) };
    let list = server.connection().tools().await.map_err(|e| crate::plan::refresh::unreachable(&name, &e))?;
    Ok(list.tools.iter().map(|t| ToolRow { name: t.name.to_string(), description: t.summary() }).collect())
}

/// What is not as the card says that named a server, if one did.
pub async fn unlike_its_card(connection: &Connection, entry: &Registered, tools: &[Tool]) -> Vec<String> {
    let (Some(claims), Some(live)) = (&entry.claims, connection.info().await) else { return Vec::new() };
    let names: Vec<&str> = tools.iter().map(|t| t.name.as_str()).collect();
    claims.differences(&live, &names)
}

/// What is wrong with a server, or with all of them.
pub async fn doctor(app: &App, name: Option<&str>) -> Result<Vec<ServerReport>, Failure> {
    if let Some(name) = name {
        app.server(&name.parse().map_err(|e: crate::domain::NameError| crate::flow::usage(&e.to_string()))?)?;
    }
    let wanted = app.connections().iter().filter(|s| name.is_none_or(|n| s.connection().name().as_str() == n));
    Ok(futures::future::join_all(wanted.map(|s| report(app, s))).await)
}

async fn report(app: &App, server: &AnyServer) -> ServerReport {
    let connection = server.connection();
    let mut checks = Vec::new();
    let connected = connection.connect().await;
    checks.push(("connect".to_owned(), connected.as_ref().map_or_else(|e| clean(&e.to_string(), 400), |()| "ok".into())));
    if connected.is_ok() {
        let tools = connection.tools().await;
        checks.push((
            "tools".to_owned(),
            match &tools {
                Ok(list) if list.malformed.is_empty() => format!("{} tools", list.tools.len()),
                Ok(list) => format!(
                    "{} tools, {} malformed: {}",
                    list.tools.len(),
                    list.malformed.len(),
                    list.malformed.iter().map(|m| m.name.as_str()).collect::<Vec<_>>().join(", ")
                ),
                Err(e) => clean(e.message(), 400),
            },
        ));
        if let (Some(row), Ok(list)) = (app.registry().find(connection.name().as_str()), &tools)
            && row.entry.claims.is_some()
        {
            let differs = unlike_its_card(connection, &row.entry, &list.tools).await;
            checks.push(("server card".to_owned(), if differs.is_empty() { "as it says".into() } else { differs.join("; ") }));
        }
        let native = tools.as_ref().is_ok_and(|t| crate::mcp::tools::speaks_protocol(&t.tools));
        checks.push((
            "cross-MCP protocol".to_owned(),
            if native { "ok".into() } else { "it does not offer the tools of the protocol, so it needs a binding".into() },
        ));
    }
    let row = row(app, server).await;
    if let Some(binding) = server.binding() {
        checks.push(("binding".to_owned(), format!("`{binding}` fits its tools")));
    }
    checks
        .push(("health".to_owned(), if row.message.is_empty() { row.health.clone() } else { format!("{}: {}", row.health, row.message) }));
    let (stderr, noise) = connection.diagnostics().await;
    if noise > 0 {
        checks.push(("noise".to_owned(), format!("{noise} lines on standard output were no messages")));
    }
    ServerReport {
        sound: connected.is_ok() && row.health == "healthy",
        server: row,
        checks,
        stderr: stderr.iter().map(|l| clean(l, 300)).collect(),
    }
}
