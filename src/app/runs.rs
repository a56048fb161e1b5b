//! What a run needs of the whole: the lock of its deployment, its bounds, and what other deployments recorded.

use std::{sync::atomic::Ordering, time::Duration};

use super::App;
use crate::{
    apply,
    diagnostic::Failure,
    domain::{Address, DeploymentName, Scope},
    event::Event,
    plan::{refresh::OtherDeployments, uses::Uses},
    store::{Claim, Gone, Lock, Recorded, Snapshot, Store},
};

/// How long a lock holds without being renewed.
const LEASE: Duration = Duration::from_secs(30);

/// A run goes on while this lives.
pub struct Running<'a> {
    app: &'a App,
}

impl Drop for Running<'_> {
    fn drop(&mut self) {
        self.app.runs.fetch_sub(1, Ordering::SeqCst);
    }
}

impl App {
    /// Marks a run as going on, until the guard is dropped.
    pub fn running(&self) -> Running<'_> {
        self.runs.fetch_add(1, Ordering::SeqCst);
        Running { app: self }
    }

    /// Whether a run goes on.
    pub fn is_running(&self) -> bool {
        self.runs.load(Ordering::SeqCst) > 0
    }

    /// How far the person wants to stop: 0, 1 or 2.
    pub fn stop(&self) -> tokio::sync::watch::Receiver<u8> {
        self.parts.stop.clone()
    }

    /// Takes the lock of a deployment; says when it was taken over from a dead holder.
    pub async fn lock(&self, deployment: &DeploymentName, what: &str) -> Result<Lock, Failure> {
        let id = &self.parts.identity;
        let claim = Claim { who: id.who.clone(), host: id.host.clone(), pid: id.pid, what: what.to_owned() };
        let lock = self.store.lock(deployment, claim, LEASE).await?;
        if let Some(dead) = lock.taken_from() {
            let text =
                format!("the lock of `{deployment}` was taken over from {} ({}, process {}), which is gone", dead.who, dead.what, dead.pid);
            self.sink().emit(Event::Notice { text });
        }
        Ok(lock)
    }

    /// What other deployments recorded.
    pub fn others(&self) -> Others<'_> {
        Others { store: &self.store }
    }

    /// Bounds of a run, from the settings.
    pub fn apply_options(&self, options: apply::RunOptions) -> apply::Options {
        let config = self.config();
        apply::Options {
            per_server: config.per_server,
            overall: config.overall,
            timing: apply::Timing {
                idle: Duration::from_secs(config.call_idle),
                total: Duration::from_secs(config.call_total),
                ..apply::Timing::default()
            },
            strict_waves: options.strict_waves,
            hold_after: options.hold_after,
            hold: self.parts.human.present().then(|| {
                let human = self.parts.human.clone();
                let ask: Box<dyn Fn(usize) -> futures::future::BoxFuture<'static, bool> + Send + Sync> = Box::new(move |wave| {
                    let human = human.clone();
                    Box::pin(async move { human.go_on(wave).await })
                });
                ask
            }),
            stop: self.parts.stop.clone(),
        }
    }
}

/// What other deployments recorded, from the store.
pub struct Others<'a> {
    store: &'a Store,
}

#[async_trait::async_trait]
impl OtherDeployments for Others<'_> {
    async fn find_recorded(&self, address: &Address, scope: &Scope, except: &DeploymentName) -> Vec<(DeploymentName, Recorded)> {
        let all = match self.store.find_recorded(address).await {
            Ok(all) => all,
            Err(error) => {
                // Without the record the reference is dangling, which is said; the cause goes to the log.
                tracing::warn!(%error, "other deployments could not be searched");
                return Vec::new();
            }
        };
        all.into_iter()
            .filter(|(name, _)| match scope {
                Scope::Here => name != except,
                Scope::Deployment(wanted) => name == wanted,
            })
            .collect()
    }

    async fn managed(&self, except: &DeploymentName) -> Vec<(DeploymentName, Recorded)> {
        let of = |s: Snapshot| s.resources.into_values().map(move |r| (s.deployment.clone(), r));
        self.newest().await.into_iter().filter(|s| s.deployment != *except).flat_map(of).collect()
    }

    async fn uses(&self) -> Uses {
        Uses::of(&self.newest().await)
    }
}

impl Others<'_> {
    /// The newest snapshot of every deployment that has anything.
    async fn newest(&self) -> Vec<Snapshot> {
        let names = match self.store.deployments(Gone::Hidden).await {
            Ok(all) => all.into_iter().map(|d| d.name),
            Err(error) => {
                tracing::warn!(%error, "the deployments could not be listed");
                return Vec::new();
            }
        };
        let mut all = Vec::new();
        for name in names {
            match self.store.latest(&name).await {
                Ok(found) => all.extend(found),
                Err(error) => tracing::warn!(%error, deployment = %name, "a snapshot could not be read"),
            }
        }
        all
    }
}
