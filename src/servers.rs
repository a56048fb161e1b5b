//! Servers as the operator handles them: the list, what other clients know, the review, and taking one over into the own file.
//!
//! Nothing here starts a quarantined server but [`review`], and that only after a person's yes to exactly this start.

use std::collections::BTreeMap;

use crate::{
    answer::servers::{Listed, Listing, Offer},
    app::App,
    config::{Layer, Registered},
    domain::text::{clean, clean_line},
    inspect::unlike_its_card,
    mcp::{AnyServer, Health, ResourceServer, tools::speaks_protocol},
    registry::{Registry, Row, State},
    trust::Standing,
};

mod add;

mod found;

pub mod login;

mod review;

pub use add::{Added, add, plan_to_add};
pub use found::{FILE as FOUND, at_url, network};
pub use review::review;

/// Whether the servers in use are asked how they are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ask {
    /// All at the same time, each within its own timeout.
    Live,
    /// Nothing is started.
    Nothing,
}

/// Every registered server.
pub async fn list(app: &App, ask: Ask) -> Listing {
    let rows = &app.registry().rows;
    let mut servers: Vec<Listed> = rows.iter().map(|row| listed(app.registry(), row)).collect();
    if ask == Ask::Live {
        let asked = rows.iter().zip(&mut servers).filter(|(row, _)| row.is_active());
        futures::future::join_all(asked.filter_map(|(row, listed)| {
            let server = app.connections().iter().find(|s| s.connection().name() == &row.entry.name)?;
            Some(fill_in(server, &row.entry, listed))
        }))
        .await;
    }
    let lookalikes = app.registry().lookalikes().into_iter().map(|g| g.into_iter().map(|n| clean_line(n, 80)).collect()).collect();
    Listing { servers, lookalikes }
}

fn listed(registry: &Registry, row: &Row) -> Listed {
    let entry = &row.entry;
    let (trust, note, shadowed_by) = match &row.state {
        State::Active(Standing::BuiltIn) => ("built-in", "simulated".to_owned(), None),
        State::Active(Standing::Operator) => ("operator", String::new(), None),
        State::Active(Standing::Reviewed(r)) => ("reviewed", pinned(r.tools.as_ref().map_or(0, Vec::len)), None),
        State::Active(Standing::Quarantined(why)) | State::Quarantined(why) => {
            ("quarantined", format!("{}: swell servers review {}", why.sentence(), entry.name), None)
        }
        State::Shadowed(by) => ("shadowed", format!("by {}", by.place()), Some(by.place())),
        State::Disabled => ("disabled", "switched off where it stands".to_owned(), None),
        State::Unusable(why) => ("unusable", clean(why, 300), None),
    };
    let me = &entry.origin;
    let shadows = registry.rows.iter().filter(|r| r.entry.name == entry.name && matches!(&r.state, State::Shadowed(by) if by == me));
    Listed {
        name: entry.name.to_string(),
        called: (entry.called != entry.name.as_str()).then(|| crate::domain::text::reveal(&entry.called)),
        from: entry.origin.layer.title().to_owned(),
        place: entry.origin.place(),
        transport: transport(row).to_owned(),
        reached_by: clean_line(&entry.setting.how(), 300),
        shadowed_by,
        shadows: shadows.map(|r| r.entry.origin.place()).collect(),
        trust: trust.to_owned(),
        note,
        protocol: String::new(),
        tools: None,
        health: "-".to_owned(),
        latency_ms: None,
        identity: String::new(),
        message: String::new(),
        differs: Vec::new(),
    }
}

fn pinned(tools: usize) -> String {
    if tools == 1 { "1 tool pinned".to_owned() } else { format!("{tools} tools pinned") }
}

fn transport(row: &Row) -> &'static str {
    match (&row.entry.setting.sandbox, &row.entry.setting.url) {
        (Some(_), _) => "sandbox",
        (_, Some(_)) => "http",
        _ => "stdio",
    }
}

async fn fill_in(server: &AnyServer, entry: &Registered, row: &mut Listed) {
    let connection = server.connection();
    let tools = match connection.tools().await {
        Ok(list) => list.tools,
        Err(e) => {
            if connection.has_other_tools() {
                row.trust = "quarantined".to_owned();
                row.note = format!("its tools are not those that were reviewed: swell servers review {}", row.name);
            }
            row.health = "unreachable".to_owned();
            row.message = clean(e.message(), 300);
            return;
        }
    };
    row.differs = unlike_its_card(connection, entry, &tools).await;
    row.tools = Some(tools.len());
    row.protocol = connection.info().await.map(|i| i.protocol).unwrap_or_default();
    if !speaks_protocol(&tools) && server.types().await.map_or(true, |t| t.is_empty()) {
        row.health = "healthy".to_owned();
        row.message = "it answers; it has no types until a binding describes its tools".to_owned();
        return;
    }
    match server.health().await {
        Ok(health) => {
            row.identity = health.identity;
            row.health = match health.health {
                Health::Healthy => "healthy",
                Health::Unhealthy => "unhealthy",
                Health::Unknown => "unknown",
            }
            .to_owned();
            row.message = clean(&health.message, 200);
            row.latency_ms = Some(health.latency_ms);
        }
        Err(e) => {
            row.health = "unreachable".to_owned();
            row.message = clean(e.message(), 300);
        }
    }
}

/// What other clients and the environment know, and what would be added.
pub fn discover(app: &App) -> Vec<Offer> {
    let found = app.registry().rows.iter().filter(|r| !matches!(r.entry.origin.layer, Layer::Project | Layer::User | Layer::BuiltIn));
    found.map(|row| offer(app.registry(), row)).collect()
}

fn offer(registry: &Registry, row: &Row) -> Offer {
    Offer {
        server: listed(registry, row),
        would_add: add::preview(&row.entry),
        notes: row.entry.notes.iter().map(|n| clean_line(n, 300)).collect(),
    }
}

/// The names of all pinned tools, by server.
fn pinned_tools(trust: &crate::trust::Trust) -> BTreeMap<&str, Vec<String>> {
    let names = |r: &crate::trust::Reviewed| r.tool_list().iter().map(|t| t.name.to_string()).collect();
    trust.servers.iter().map(|r| (r.name.as_str(), names(r))).collect()
}
