//! Watching: what changes on the servers, as it changes. It only looks: no lock, no run, no call that changes anything.
//!
//! Each server has an eye (`watch/eye`) that is told by the server where that can be, and else looks again and again; what it brings is
//! held against the record and the look before (`watch/compare`).

use std::{
    collections::{BTreeMap, BTreeSet},
    time::Duration,
};

use tokio::{
    sync::{mpsc, watch},
    task::JoinSet,
    time::Instant,
};

use crate::{
    answer::watch::Watched,
    app::App,
    diagnostic::Failure,
    domain::{Address, DeploymentName, ServerName, text::clean_line},
    event::{Event, Seen, Sight},
    flow,
    mcp::Key,
    plan::{refresh::OtherDeployments, uses::Uses},
    store::Snapshot,
};

mod compare;

mod eye;

#[cfg(test)]
mod tests;

use compare::Subject;
use eye::{Eye, News, Report, Wanted};

/// How to watch.
#[derive(Debug, Clone)]
pub struct Options {
    /// Between two looks at a server that does not tell of changes.
    pub interval: Duration,
    /// How long; until it is stopped if nothing is said.
    pub limit: Limit,
}

/// When a watch ends by itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Limit {
    /// Never.
    None,
    /// After one look at each server.
    Once,
    /// After this long.
    After(Duration),
}

/// Everything that is watched.
struct Scene {
    subjects: BTreeMap<(DeploymentName, Address), Subject>,
    snapshots: BTreeMap<DeploymentName, u64>,
    uses: Uses,
    away: BTreeSet<ServerName>,
    /// Servers at which it was looked once, or tried to.
    looked: BTreeSet<ServerName>,
    /// What was kept as sightings, so that nothing is written twice.
    kept: BTreeMap<DeploymentName, Vec<(Address, serde_json::Value)>>,
    kinds: BTreeMap<&'static str, usize>,
    changes: usize,
}

/// Watches deployments until it is stopped, the time is over, or each server was looked at once.
pub async fn watch(app: &App, names: &[DeploymentName], options: &Options, tell: &(dyn Fn(Event) + Sync)) -> Result<Watched, Failure> {
    let began = Instant::now();
    let mut scene = Scene::new(app, names).await?;
    let _running = app.running();
    let mut stop = app.stop();
    let (say, mut heard) = mpsc::channel(64);
    let (tell_wanted, wanted) = watch::channel(scene.wanted());
    let mut eyes = JoinSet::new();
    let mut opened: BTreeSet<ServerName> = BTreeSet::new();
    let seed = app.new_id();
    let deadline = match options.limit {
        Limit::After(time) => Some(began + time),
        _ => None,
    };
    let mut renew = tokio::time::interval(options.interval);
    loop {
        // A server that only a newer snapshot brings is watched from then on.
        for server in scene.wanted().into_keys().filter(|s| !opened.contains(s)).collect::<Vec<_>>() {
            opened.insert(server.clone());
            match app.connections().iter().find(|c| *c.connection().name() == server) {
                Some(connection) => {
                    let eye = Eye::new(connection.clone(), wanted.clone(), options.interval, &seed);
                    drop(eyes.spawn(eye.watch(say.clone())));
                }
                None => {
                    let reason =
                        app.server(&server).err().and_then(|f| f.0.into_iter().next()).map_or_else(String::new, |d| d.summary.to_owned());
                    scene.away(app, &server, &reason, tell);
                    scene.looked.insert(server);
                }
            }
        }
        if options.limit == Limit::Once && scene.looked.is_superset(&opened) || *stop.borrow() > 0 {
            break;
        }
        tell(scene.beat());
        let ended = async {
            match deadline {
                Some(at) => tokio::time::sleep_until(at).await,
                None => std::future::pending().await,
            }
        };
        tokio::select! {
            Some(report) = heard.recv() => {
                let server = report.server.clone();
                let whole = scene.take(app, report, tell);
                if whole {
                    scene.looked.insert(server);
                }
                scene.keep(app).await;
            }
            _ = renew.tick() => {
                if scene.renew(app, names, tell).await? {
                    tell_wanted.send_replace(scene.wanted());
                }
            }
            () = stopped(&mut stop) => {}
            () = ended => break,
        }
    }
    eyes.shutdown().await;
    Ok(scene.end(began.elapsed(), opened.len()))
}

/// Waits until the person wants to stop.
async fn stopped(stop: &mut watch::Receiver<u8>) {
    if stop.changed().await.is_err() {
        std::future::pending::<()>().await;
    }
}

impl Scene {
    async fn new(app: &App, names: &[DeploymentName]) -> Result<Self, Failure> {
        let mut scene = Self {
            subjects: BTreeMap::new(),
            snapshots: BTreeMap::new(),
            uses: Uses::default(),
            away: BTreeSet::new(),
            looked: BTreeSet::new(),
            kept: BTreeMap::new(),
            kinds: BTreeMap::new(),
            changes: 0,
        };
        for name in names {
            let Some(snapshot) = app.store().latest(name).await? else { return Err(flow::no_deployment(app, name.as_str()).await) };
            scene.add(snapshot);
        }
        scene.uses = app.others().uses().await;
        Ok(scene)
    }

    fn add(&mut self, snapshot: Snapshot) {
        let name = snapshot.deployment;
        self.snapshots.insert(name.clone(), snapshot.number);
        let mut old: BTreeMap<_, _> = std::mem::take(&mut self.subjects);
        for (address, record) in snapshot.resources {
            let mut subject = Subject::new(name.clone(), record);
            if let Some(before) = old.remove(&(name.clone(), address.clone())) {
                subject.go_on(before);
            }
            self.subjects.insert((name.clone(), address), subject);
        }
        old.retain(|(deployment, _), _| *deployment != name);
        self.subjects.extend(old);
    }

    /// What each server's eye looks at.
    fn wanted(&self) -> BTreeMap<ServerName, Wanted> {
        let mut all: BTreeMap<ServerName, Wanted> = BTreeMap::new();
        for subject in self.subjects.values() {
            let record = &subject.recorded;
            let key = Key::named(&record.address.kind, &record.address.name).id(record.id.clone()).hints(&record.properties);
            all.entry(record.address.server.clone()).or_default().insert(record.address.clone(), (key, record.target.clone()));
        }
        all
    }

    fn beat(&self) -> Event {
        let servers: BTreeSet<&ServerName> = self.subjects.keys().map(|(_, a)| &a.server).collect();
        Event::Watching {
            resources: self.subjects.len(),
            servers: servers.len(),
            looked: servers.iter().filter(|s| self.looked.contains(**s)).count(),
            away: self.away.iter().cloned().collect(),
            changes: self.changes,
        }
    }

    fn say(&mut self, app: &App, mut sight: Sight, tell: &(dyn Fn(Event) + Sync)) {
        let redactor = app.secrets().redactor();
        sight.text = redactor.text(&sight.text).into_owned();
        for value in [&mut sight.before, &mut sight.after].into_iter().flatten() {
            *value = redactor.json(value);
        }
        self.changes += 1;
        *self.kinds.entry(sight.what.word()).or_default() += 1;
        tell(Event::Watched { at: app.now(), sight: Box::new(sight) });
    }

    fn about_server(server: &ServerName, well: bool, text: String) -> Sight {
        Sight { server: Some(server.clone()), ..Sight::new(Seen::Server, well, text) }
    }

    fn away(&mut self, app: &App, server: &ServerName, reason: &str, tell: &(dyn Fn(Event) + Sync)) {
        if self.away.insert(server.clone()) {
            let text = format!("it does not answer ({}); looking again, less and less often", clean_line(reason, 300));
            self.say(app, Self::about_server(server, false, text), tell);
        }
    }

    /// Takes what an eye brought; says whether it was a look at everything on its server.
    fn take(&mut self, app: &App, report: Report, tell: &(dyn Fn(Event) + Sync)) -> bool {
        let Report { server, news } = report;
        match news {
            News::Away(reason) => {
                self.away(app, &server, &reason, tell);
                true
            }
            News::Said(text) => {
                self.say(app, Self::about_server(&server, false, text), tell);
                false
            }
            News::Looked { found, types, whole } => {
                if self.away.remove(&server) {
                    self.say(app, Self::about_server(&server, true, "it answers again".to_owned()), tell);
                }
                let keys: Vec<_> = self.subjects.keys().filter(|(_, a)| a.server == server).cloned().collect();
                for key in keys {
                    let (Some(read), Some(subject)) = (found.get(&key.1), self.subjects.get_mut(&key)) else { continue };
                    if let Some(kind) = types.get(&key.1.kind) {
                        subject.kind = Some(kind.clone());
                    }
                    let sights = match read {
                        Ok(live) => subject.look(live.clone(), &self.uses),
                        Err(reason) => subject.not_read(reason).into_iter().collect(),
                    };
                    sights.into_iter().for_each(|s| self.say(app, s, tell));
                }
                whole
            }
        }
    }

    /// Keeps what is not as recorded, for those who look at the state later.
    async fn keep(&mut self, app: &App) {
        for (name, number) in &self.snapshots {
            let drifts = self.subjects.iter().filter(|((d, _), _)| d == name).filter_map(|(_, s)| s.drift.as_ref());
            let all = flow::as_sightings(app, drifts);
            if self.kept.get(name) == Some(&all) {
                continue;
            }
            match app.store().put_sightings(name, *number, "watch", &all).await {
                Ok(()) => drop(self.kept.insert(name.clone(), all)),
                Err(error) => tracing::warn!(%error, "what was seen could not be kept"),
            }
        }
    }

    /// Goes over to newer snapshots, if there are any.
    async fn renew(&mut self, app: &App, names: &[DeploymentName], tell: &(dyn Fn(Event) + Sync)) -> Result<bool, Failure> {
        let mut newer = false;
        for name in names {
            let Some(snapshot) = app.store().latest(name).await? else { continue };
            if self.snapshots.get(name) == Some(&snapshot.number) {
                continue;
            }
            newer = true;
            let (number, resources) = (snapshot.number, snapshot.resources.len());
            self.add(snapshot);
            let mut sight =
                Sight::new(Seen::Recorded, true, format!("snapshot {number} with {resources} resources is what is watched now"));
            sight.deployment = Some(name.clone());
            self.say(app, sight, tell);
        }
        if newer {
            self.uses = app.others().uses().await;
        }
        Ok(newer)
    }

    fn end(self, elapsed: Duration, servers: usize) -> Watched {
        let mut not_as_recorded: BTreeMap<DeploymentName, Vec<Address>> = BTreeMap::new();
        for ((deployment, address), subject) in &self.subjects {
            if subject.drift.is_some() {
                not_as_recorded.entry(deployment.clone()).or_default().push(address.clone());
            }
        }
        Watched {
            resources: self.subjects.len(),
            servers,
            elapsed_ms: u64::try_from(elapsed.as_millis()).unwrap_or(u64::MAX),
            changes: self.changes,
            kinds: self.kinds,
            away: self.away.into_iter().collect(),
            not_as_recorded,
        }
    }
}
