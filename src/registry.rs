//! Which of the registered servers may be used: the strongest entry of a name counts, and what nobody has reviewed is not started.
//!
//! Pure. A quarantined server of another client does not take the place of a simulated one, so that nothing breaks on the first day;
//! one in Swell's own configuration does, so that no plan silently goes to a simulation.

use indexmap::IndexMap;

use crate::{
    config::{Origin, Registered, ServerSetting, simulated},
    diagnostic::Diagnostic,
    domain::ServerName,
    trust::{Standing, Trust, TrustError, Why, judge, lookalike},
};

/// What becomes of an entry.
#[derive(Debug, Clone, PartialEq)]
pub enum State {
    /// It is used.
    Active(Standing),
    /// It is not started until it was reviewed.
    Quarantined(Why),
    /// Another entry has the name.
    Shadowed(Origin),
    /// It is switched off where it stands.
    Disabled,
    /// It cannot be used, whoever reviews it.
    Unusable(String),
}

/// One entry and what becomes of it.
#[derive(Debug, Clone, PartialEq)]
pub struct Row {
    /// The entry.
    pub entry: Registered,
    /// What becomes of it.
    pub state: State,
}

/// All entries, strongest first.
#[derive(Debug, Clone, Default)]
pub struct Registry {
    /// One for each entry, and one for each simulated server that is there.
    pub rows: Vec<Row>,
}

impl Registry {
    /// Settles who has which name. `sandbox` is what the configuration says about the simulated servers.
    pub fn settle(registered: &[Registered], sandbox: Option<bool>, trust: &Result<Trust, TrustError>) -> Self {
        let mut sorted: Vec<&Registered> = registered.iter().collect();
        sorted.sort_by_key(|r| r.origin.layer);
        let mut rows: Vec<Row> = Vec::new();
        for entry in sorted {
            let holder = rows.iter().find(|row| row.entry.name == entry.name && row.holds_name());
            let state = match (holder, &entry.unusable) {
                _ if entry.disabled => State::Disabled,
                (_, Some(why)) => State::Unusable(why.clone()),
                (Some(row), None) => State::Shadowed(row.entry.origin.clone()),
                (None, None) => match judge(entry, trust) {
                    Standing::Quarantined(why) => State::Quarantined(why),
                    standing => State::Active(standing),
                },
            };
            rows.push(Row { entry: entry.clone(), state });
        }
        let takes = |row: &&Row| row.is_active() || (row.holds_name() && row.entry.origin.layer.is_own());
        if sandbox.unwrap_or(!rows.iter().any(|row| takes(&row))) {
            for (name, setting) in simulated() {
                let entry = Registered::new(name, Origin::built_in(), setting);
                let holder = rows.iter().filter(takes).find(|row| row.entry.name == entry.name);
                let state = holder.map_or(State::Active(Standing::BuiltIn), |row| State::Shadowed(row.entry.origin.clone()));
                rows.push(Row { entry, state });
            }
        }
        Self { rows }
    }

    /// The settings of the servers that are used.
    pub fn active(&self) -> IndexMap<ServerName, ServerSetting> {
        self.rows.iter().filter(|r| r.is_active()).map(|r| (r.entry.name.clone(), r.entry.setting.clone())).collect()
    }

    /// The row that a name means: the one in use, else the one that waits for a review, else any.
    pub fn find(&self, name: &str) -> Option<&Row> {
        let named = || self.rows.iter().filter(|r| r.entry.name.as_str() == name);
        named().find(|r| r.is_active()).or_else(|| named().find(|r| r.holds_name())).or_else(|| named().next())
    }

    /// The row that a review of this name is about: what waits for one comes first.
    pub fn to_review(&self, name: &str) -> Option<&Row> {
        let named = || self.rows.iter().filter(|r| r.entry.name.as_str() == name);
        named().find(|r| matches!(r.state, State::Quarantined(_))).or_else(|| self.find(name))
    }

    /// Why a server cannot be used, if it is known and not in use.
    pub fn held(&self, name: &ServerName) -> Option<Diagnostic> {
        let row = self.find(name.as_str())?;
        match &row.state {
            State::Active(_) | State::Shadowed(_) => None,
            State::Quarantined(why) => Some(quarantined(&row.entry, why)),
            State::Unusable(why) => Some(
                Diagnostic::error("server::unusable", "A server cannot be used from here")
                    .server(name)
                    .fact("server", name.to_string())
                    .fact("from", row.entry.origin.place())
                    .detail(format!("It is not started: {why}."))
                    .state("Nothing was started and nothing was changed.")
                    .next("See all servers:", "swell servers list"),
            ),
            State::Disabled => Some(
                Diagnostic::error("server::disabled", "A server is switched off where it was found")
                    .server(name)
                    .fact("server", name.to_string())
                    .fact("from", row.entry.origin.place())
                    .state("Nothing was started and nothing was changed.")
                    .next("See all servers:", "swell servers list"),
            ),
        }
    }

    /// Names of servers that look alike, among all that could be meant.
    pub fn lookalikes(&self) -> Vec<Vec<&str>> {
        let named = self.rows.iter().filter(|r| !matches!(r.state, State::Disabled));
        lookalike::groups(named.flat_map(|r| [r.entry.name.as_str(), r.entry.called.as_str()]).filter(|n| !n.is_empty()))
            .into_iter()
            // One entry under its own name and the one that Swell gave it is no confusion.
            .filter(|group| {
                let entries =
                    self.rows.iter().filter(|r| group.contains(&r.entry.name.as_str()) || group.contains(&r.entry.called.as_str()));
                entries.map(|r| &r.entry.called).collect::<std::collections::BTreeSet<_>>().len() > 1
            })
            .collect()
    }
}

impl Row {
    /// Whether it is used.
    pub fn is_active(&self) -> bool {
        matches!(self.state, State::Active(_))
    }

    fn holds_name(&self) -> bool {
        matches!(self.state, State::Active(_) | State::Quarantined(_))
    }
}

/// The diagnostic of a server that waits for a review.
pub fn quarantined(entry: &Registered, why: &Why) -> Diagnostic {
    Diagnostic::error("server::quarantined", "A server is quarantined")
        .server(&entry.name)
        .fact("server", entry.name.to_string())
        .fact("from", entry.origin.place())
        .detail(format!("It is not used: {}.", why.sentence()))
        .state("Nothing was changed on it, and it stays closed until a person has looked.")
        .next("Look at it, and decide:", format!("swell servers review {}", entry.name))
}
