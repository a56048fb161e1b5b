//! What becomes unhealthy while the prompt waits: told above it on a line of its own, once for each change, and never while something is
//! being typed. It is a watch that is looked at only between two turns; what was told is remembered over the turns.

use std::{
    collections::{BTreeMap, BTreeSet},
    time::Duration,
};

use tokio::sync::mpsc;

use crate::{
    app::App,
    domain::{Address, DeploymentName},
    event::{Event, Seen, Sight},
    store::Gone,
    watch::{self, Limit, Options},
};

type Subject = (DeploymentName, Address);

/// What was told of each resource that is not well.
#[derive(Debug, Default)]
pub(super) struct Notices {
    told: BTreeMap<Subject, Seen>,
    /// What the watch of this prompt found not well, or could not read, before it had looked at everything.
    found: BTreeSet<Subject>,
    whole: bool,
}

/// Watches every deployment, and first leaves the prompt alone for as long as lies between two looks. It ends when nothing is deployed.
pub(super) async fn watch(app: &App, pause: Duration, tell: mpsc::UnboundedSender<Event>) {
    tokio::time::sleep(pause).await;
    let deployed = app.store().deployments(Gone::Hidden).await.unwrap_or_default();
    let names: Vec<DeploymentName> = deployed.into_iter().map(|d| d.name).collect();
    if names.is_empty() {
        return;
    }
    let tell = move |event| drop(tell.send(event));
    // What cannot be watched is told by whoever asks for it.
    if let Err(failure) = watch::watch(app, &names, &Options { interval: pause, limit: Limit::None }, &tell).await {
        tracing::debug!(code = failure.0.first().map(|d| d.code), "the prompt watches nothing");
    }
}

impl Notices {
    /// Another prompt, and another watch.
    pub fn begin(&mut self) {
        (self.found, self.whole) = (BTreeSet::new(), false);
    }

    /// What is news of an event, if anything is.
    pub fn take(&mut self, event: Event) -> Vec<Sight> {
        match event {
            Event::Watched { sight, .. } => self.sight(*sight).into_iter().collect(),
            Event::Watching { looked, servers, away, .. } if looked == servers && !std::mem::replace(&mut self.whole, true) => {
                // What was not well at an earlier prompt, and is now: the first look at something good says nothing.
                let over = |subject: &Subject| !self.found.contains(subject) && !away.contains(&subject.1.server);
                let over: Vec<Subject> = self.told.keys().filter(|s| over(s)).cloned().collect();
                over.into_iter().filter_map(|subject| self.told.remove(&subject).map(|what| well_again(subject, what))).collect()
            }
            _ => Vec::new(),
        }
    }

    fn sight(&mut self, sight: Sight) -> Option<Sight> {
        let subject: Subject = (sight.deployment.clone()?, sight.address.clone()?);
        match (sight.what, sight.well) {
            (Seen::Health | Seen::Gone, false) => {
                self.found.insert(subject.clone());
                (self.told.insert(subject, sight.what) != Some(sight.what)).then_some(sight)
            }
            (Seen::Reading, false) => {
                self.found.insert(subject);
                None
            }
            (Seen::Health | Seen::Back, true) => self.told.remove(&subject).map(|_| sight),
            _ => None,
        }
    }
}

fn well_again((deployment, address): Subject, what: Seen) -> Sight {
    let text = if what == Seen::Gone { "it is there again, or is no longer wanted" } else { "it is no longer unhealthy" };
    Sight {
        server: Some(address.server.clone()),
        deployment: Some(deployment),
        address: Some(address),
        ..Sight::new(what, true, text.to_owned())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn seen(what: Seen, well: bool) -> Event {
        let address: Address = "docker:container:run:db".parse().unwrap();
        let sight = Sight { deployment: Some("shop".parse().unwrap()), address: Some(address), ..Sight::new(what, well, "words".into()) };
        Event::Watched { at: "2026-01-01T00:00:00Z".parse().unwrap(), sight: Box::new(sight) }
    }

    fn looked(away: &[&str]) -> Event {
        let away = away.iter().map(|s| s.parse().unwrap()).collect();
        Event::Watching { resources: 1, servers: 1, looked: 1, away, changes: 0 }
    }

    #[test]
    fn a_change_is_told_once_over_all_prompts() {
        let mut notices = Notices::default();
        let mut told = |events: &[Event]| -> Vec<(Seen, bool)> {
            notices.begin();
            events.iter().flat_map(|e| notices.take(e.clone())).map(|s| (s.what, s.well)).collect()
        };
        assert_eq!(told(&[looked(&[]), seen(Seen::Drift, false), seen(Seen::Output, false)]), [], "that is for whoever asks");
        assert_eq!(told(&[looked(&[]), seen(Seen::Health, false), seen(Seen::Health, false)]), [(Seen::Health, false)]);
        assert_eq!(told(&[seen(Seen::Health, false), looked(&[])]), [], "it still is");
        assert_eq!(told(&[looked(&["docker"])]), [], "nobody knows");
        assert_eq!(told(&[seen(Seen::Reading, false), looked(&[])]), [], "nobody knows");
        assert_eq!(told(&[looked(&[]), looked(&[])]), [(Seen::Health, true)]);
        assert_eq!(
            told(&[looked(&[]), seen(Seen::Gone, false), seen(Seen::Back, true), seen(Seen::Back, true)]),
            [(Seen::Gone, false), (Seen::Back, true)]
        );
    }
}
