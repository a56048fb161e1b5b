//! A deployment as it is now: each recorded resource with what its server says of it, and the servers that did not answer.

use std::collections::{BTreeMap, BTreeSet};

use crate::{
    app::App,
    desired,
    domain::{Address, ServerName},
    mcp::{Health, Live, Status},
    plan::{
        Change,
        refresh::{drift, observe, secrets_of, settle},
    },
    store::{Recorded, Snapshot},
};

use super::words::guest;

/// How a resource is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Condition {
    /// The server says that it works.
    Healthy,
    /// It is there; the server does not say whether it works.
    Ready,
    /// Being made or changed, or going away.
    Pending,
    /// It is there and does not work.
    Unhealthy,
    /// It broke.
    Failed,
    /// The server has none of this name.
    Gone,
    /// Its server did not answer.
    Unreachable,
    /// The server answered and could not show it.
    Unread,
}

impl Condition {
    /// One word for tables.
    pub(super) fn word(&self) -> &'static str {
        match self {
            Condition::Healthy => "healthy",
            Condition::Ready => "ready",
            Condition::Pending => "pending",
            Condition::Unhealthy => "unhealthy",
            Condition::Failed => "failed",
            Condition::Gone => "gone",
            Condition::Unreachable => "not known",
            Condition::Unread => "unreadable",
        }
    }

    /// Whether the resource itself is in trouble. That nobody could look is another matter.
    pub(super) fn is_trouble(&self) -> bool {
        matches!(self, Condition::Unhealthy | Condition::Failed | Condition::Gone)
    }

    /// Whether nothing is known of it now.
    pub(super) fn is_dark(&self) -> bool {
        matches!(self, Condition::Unreachable | Condition::Unread)
    }
}

/// One resource, recorded and live.
#[derive(Debug, Clone)]
pub(super) struct Seen {
    /// As we recorded it.
    pub(super) recorded: Recorded,
    /// As it is now, if its server showed it.
    pub(super) live: Option<Live>,
    /// How it is.
    pub(super) condition: Condition,
    /// The server's words for that, cleaned; empty if there are none.
    pub(super) reason: String,
    /// Properties that are not as recorded.
    pub(super) changes: Vec<Change>,
}

/// A deployment as it is now.
pub(super) struct Look {
    /// The record.
    pub(super) snapshot: Snapshot,
    /// Every recorded resource.
    pub(super) seen: BTreeMap<Address, Seen>,
    /// Servers that did not answer, with why.
    pub(super) unreachable: BTreeMap<ServerName, String>,
    /// Calls whose outcome was unknown, by entry: what reading now says, or none where reading cannot tell.
    pub(super) settled: BTreeMap<i64, Option<String>>,
}

/// How many resources are in which condition.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, serde::Serialize)]
pub(super) struct Tally {
    /// Healthy, or ready where the server says no more.
    pub(super) well: usize,
    /// Being made or changed.
    pub(super) pending: usize,
    /// Unhealthy or failed.
    pub(super) unhealthy: usize,
    /// Gone.
    pub(super) gone: usize,
    /// Nobody could look.
    pub(super) unreachable: usize,
}

impl Tally {
    /// `18 well, 2 unhealthy, 1 gone`.
    pub(super) fn text(&self) -> String {
        let all = [
            (self.well, "well"),
            (self.pending, "pending"),
            (self.unhealthy, "unhealthy"),
            (self.gone, "gone"),
            (self.unreachable, "not known"),
        ];
        let parts: Vec<String> = all.iter().filter(|(n, _)| *n > 0).map(|(n, w)| format!("{n} {w}")).collect();
        if parts.is_empty() { "nothing".into() } else { parts.join(", ") }
    }

    /// Whether every resource is well.
    pub(super) fn is_well(&self) -> bool {
        self.pending + self.unhealthy + self.gone + self.unreachable == 0
    }
}

impl Look {
    /// How many are how.
    pub(super) fn tally(&self) -> Tally {
        let mut t = Tally::default();
        for seen in self.seen.values() {
            match seen.condition {
                Condition::Healthy | Condition::Ready => t.well += 1,
                Condition::Pending => t.pending += 1,
                Condition::Unhealthy | Condition::Failed => t.unhealthy += 1,
                Condition::Gone => t.gone += 1,
                Condition::Unreachable | Condition::Unread => t.unreachable += 1,
            }
        }
        t
    }

    /// The resources in trouble.
    pub(super) fn troubled(&self) -> impl Iterator<Item = &Seen> {
        self.seen.values().filter(|s| s.condition.is_trouble())
    }

    /// The resources that are not as recorded.
    pub(super) fn drifted(&self) -> impl Iterator<Item = &Seen> {
        self.seen.values().filter(|s| !s.changes.is_empty() || s.condition == Condition::Gone)
    }

    /// The servers that hold its resources.
    pub(super) fn servers(&self) -> BTreeSet<&ServerName> {
        self.seen.keys().map(|a| &a.server).collect()
    }
}

/// Asks the servers about everything that a snapshot recorded.
pub(super) async fn look(app: &App, snapshot: Snapshot) -> Look {
    learn_secrets(app, &snapshot);
    let template = desired::nothing(&snapshot.deployment);
    let observed = observe(app.servers(), &template, Some(&snapshot), &app.others(), app.sink()).await;
    let drifts: BTreeMap<Address, Vec<Change>> = drift(&snapshot, &observed).into_iter().map(|d| (d.address, d.changes)).collect();
    let mut unreachable: BTreeMap<ServerName, String> =
        observed.unreachable.iter().map(|(s, d)| (s.clone(), guest(app, &d.detail, 300))).collect();
    for address in snapshot.resources.keys() {
        if app.servers().get(&address.server).is_none() {
            unreachable.entry(address.server.clone()).or_insert_with(|| "no server of this name is registered".into());
        }
    }
    let mut seen = BTreeMap::new();
    for recorded in snapshot.resources.values() {
        let address = &recorded.address;
        let problem = observed.problems.iter().find(|p| p.address.as_ref() == Some(address));
        let live = observed.live.get(address);
        let (condition, reason) = match (live, unreachable.get(&address.server)) {
            (Some(None), _) => (Condition::Gone, String::new()),
            (Some(Some(live)), _) => (condition(live), live.reason.as_deref().map(|r| guest(app, r, 400)).unwrap_or_default()),
            (None, Some(why)) => (Condition::Unreachable, why.clone()),
            (None, None) => {
                let why =
                    problem.map_or_else(|| format!("{} no longer has the type {}", address.server, address.kind), |p| p.detail.clone());
                (Condition::Unread, guest(app, &why, 300))
            }
        };
        let changes = drifts.get(address).cloned().unwrap_or_default();
        seen.insert(address.clone(), Seen { recorded: recorded.clone(), live: live.cloned().flatten(), condition, reason, changes });
    }
    let (found, open) = settle(&snapshot, &observed);
    let mut settled: BTreeMap<i64, Option<String>> = open.into_iter().map(|u| (u.entry, None)).collect();
    settled.extend(found.into_iter().map(|s| (s.entry, Some(s.how))));
    Look { snapshot, seen, unreachable, settled }
}

fn condition(live: &Live) -> Condition {
    match (live.status, live.health) {
        (Status::Failed, _) => Condition::Failed,
        (_, Health::Unhealthy) => Condition::Unhealthy,
        (Status::Pending | Status::Deleting, _) => Condition::Pending,
        (Status::Ready, Health::Healthy) => Condition::Healthy,
        (Status::Ready, Health::Unknown) => Condition::Ready,
    }
}

/// The redactor knows only secrets that were resolved in this process. A server may print one that an earlier process sent, so those of
/// the deployment are resolved before anything of a server is shown.
fn learn_secrets(app: &App, snapshot: &Snapshot) {
    let mut names = BTreeSet::new();
    for resource in snapshot.resources.values() {
        resource.desired.values().chain(resource.sent.values()).for_each(|v| secrets_of(v, &mut names));
    }
    for name in names {
        if let Err(error) = app.secrets().resolve(&name) {
            tracing::debug!(%error, name, "a secret of the deployment cannot be resolved, so it cannot be looked for");
        }
    }
}
