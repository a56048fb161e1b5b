//! Waiting until resources are ready, healthy or gone. Servers that tell of changes are listened to; others are asked again and again.

use std::{
    collections::BTreeMap,
    sync::atomic::{AtomicUsize, Ordering},
    time::Duration,
};

use futures::{StreamExt, stream};
use tokio::time::Instant;

use crate::{
    app::App,
    diagnostic::{Diagnostic, Failure},
    domain::{Address, DeploymentName, text::clean},
    event::Event,
    mcp::{AnyServer, CallError, Health, Key, Live, ResourceServer, Status},
};

/// How many resources are waited for at the same time.
const AT_ONCE: usize = 16;
/// The longest pause between two looks; longer where the server tells of changes.
const PAUSE: Duration = Duration::from_secs(2);
const PAUSE_WHEN_TOLD: Duration = Duration::from_secs(15);

/// What is waited for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Until {
    /// It is there, usable, and its server does not say that it does not work.
    Ready,
    /// Its server says that it does its work.
    Healthy,
    /// There is none.
    Gone,
}

impl Until {
    /// In one word.
    pub fn word(self) -> &'static str {
        match self {
            Until::Ready => "ready",
            Until::Healthy => "healthy",
            Until::Gone => "gone",
        }
    }

    fn holds(self, live: Option<&Live>) -> bool {
        match (self, live) {
            (Until::Gone, live) => live.is_none(),
            (_, None) => false,
            (Until::Ready, Some(live)) => live.status == Status::Ready && live.health != Health::Unhealthy,
            (Until::Healthy, Some(live)) => live.status == Status::Ready && live.health == Health::Healthy,
        }
    }

    fn why_not(self, live: Option<&Live>) -> String {
        match (self, live) {
            (_, None) => "it is not there".to_owned(),
            (Until::Gone, Some(_)) => "it is still there".to_owned(),
            (_, Some(Live { reason: Some(reason), .. })) => clean(reason, 300),
            (Until::Healthy, Some(Live { status: Status::Ready, health: Health::Unknown, .. })) => {
                "it is ready, and its server does not say whether it is healthy".to_owned()
            }
            (_, Some(live)) => format!("its status is {}, its health {}", word(live.status), word(live.health)),
        }
    }
}

fn word(value: impl serde::Serialize) -> String {
    serde_json::to_value(value).ok().and_then(|v| v.as_str().map(str::to_owned)).unwrap_or_default()
}

/// Waits for one resource; returns its last state, none if it is gone.
pub async fn wait(app: &App, address: &Address, until: Until, timeout: Duration) -> Result<Option<Live>, Failure> {
    let recorded = app.store().find_recorded(address).await?;
    let id = match recorded.as_slice() {
        [(_, one)] => Some(one.id.clone()),
        _ => None,
    };
    let mut all = wait_all(app, vec![(address.clone(), id)], until, timeout).await?;
    Ok(all.remove(address).flatten())
}

/// Waits for everything that a deployment recorded.
pub async fn wait_for(
    app: &App,
    deployment: &DeploymentName,
    until: Until,
    timeout: Duration,
) -> Result<BTreeMap<Address, Option<Live>>, Failure> {
    let Some(snapshot) = app.store().latest(deployment).await? else { return Err(super::no_deployment(app, deployment.as_str()).await) };
    let all = snapshot.resources.into_values().map(|r| (r.address, Some(r.id))).collect();
    wait_all(app, all, until, timeout).await
}

async fn wait_all(
    app: &App,
    all: Vec<(Address, Option<String>)>,
    until: Until,
    timeout: Duration,
) -> Result<BTreeMap<Address, Option<Live>>, Failure> {
    for (address, _) in &all {
        app.server(&address.server)?;
    }
    let (total, done) = (all.len(), AtomicUsize::new(0));
    let tell = |done| app.sink().emit(Event::Working { what: "waiting", done, total });
    tell(0);
    let deadline = Instant::now() + timeout;
    let waits = stream::iter(all).map(|(address, id)| {
        let (done, tell) = (&done, &tell);
        async move {
            let came = one(app, &address, id, until, deadline).await;
            tell(done.fetch_add(1, Ordering::Relaxed) + 1);
            (address, came)
        }
    });
    let came: Vec<_> = waits.buffer_unordered(AT_ONCE).collect().await;
    tell(total);
    let mut good = BTreeMap::new();
    let mut late = BTreeMap::new();
    for (address, result) in came {
        match result {
            Ok(live) => drop(good.insert(address, live)),
            Err(why) => drop(late.insert(address, why)),
        }
    }
    match late.first_key_value() {
        None => Ok(good),
        Some((first, _)) => Err(too_late(first, &late, total, until, timeout)),
    }
}

fn too_late(first: &Address, late: &BTreeMap<Address, String>, total: usize, until: Until, timeout: Duration) -> Failure {
    let mut d = Diagnostic::error("wait::timeout", "What was waited for did not come in time").address(first);
    for address in late.keys() {
        d = d.fact("resource", address.to_string());
    }
    let seconds = timeout.as_secs_f64();
    let detail = match late.len() {
        1 => format!("After {seconds}s it is not {}: {}.", until.word(), late[first].trim_end_matches('.')),
        n => {
            let each: Vec<String> = late.iter().map(|(a, why)| format!("{a}: {}", why.trim_end_matches('.'))).collect();
            format!("After {seconds}s {n} of {total} are not {}: {}.", until.word(), each.join("; "))
        }
    };
    let d = d.detail(detail).state("Nothing was changed.");
    Failure::from(match until {
        Until::Gone => d,
        _ => d.next("Find out why:", format!("swell -p \"why is {} not {}?\"", first.name, until.word())),
    })
}

/// Waits for one; the error says why it is not so.
async fn one(app: &App, address: &Address, id: Option<String>, until: Until, deadline: Instant) -> Result<Option<Live>, String> {
    let Some(server) = app.connections().iter().find(|c| *c.connection().name() == address.server) else {
        return Err("its server is not in use".to_owned());
    };
    let mut told = server.subscribe([address]).await;
    let mut pause = Duration::from_millis(100);
    let mut away = false;
    loop {
        let why = match look(server, address, id.as_deref()).await {
            Ok(live) if until.holds(live.as_ref()) => return Ok(live),
            Ok(live) => {
                away = false;
                until.why_not(live.as_ref())
            }
            Err(error) => {
                let why = clean(error.message(), 300);
                // It may come back; that it is waited for is said once.
                if !std::mem::replace(&mut away, true) {
                    app.sink().emit(Event::Notice { text: format!("{} does not answer ({why}); waiting for it", address.server) });
                }
                (told, pause) = (None, pause.max(Duration::from_millis(500)));
                why
            }
        };
        if Instant::now() >= deadline {
            return Err(why);
        }
        let longest = if told.is_some() { PAUSE_WHEN_TOLD } else { PAUSE };
        let next = (Instant::now() + pause).min(deadline);
        let lost = match &mut told {
            Some(subscription) => tokio::select! {
                notice = subscription.watch.next() => notice.is_none(),
                () = tokio::time::sleep_until(next) => false,
            },
            None => {
                tokio::time::sleep_until(next).await;
                false
            }
        };
        if lost {
            told = None;
        }
        pause = (pause * 2).min(longest);
    }
}

/// By the recorded id; one that was made anew under the same name has another.
async fn look(server: &AnyServer, address: &Address, id: Option<&str>) -> Result<Option<Live>, CallError> {
    let key = |id: Option<&str>| Key::named(&address.kind, &address.name).id(id.map(str::to_owned));
    if id.is_some()
        && let Some(live) = server.read(&key(id)).await?
    {
        return Ok(Some(live));
    }
    server.read(&key(None)).await
}
