//! One server's eye: told by the server where it offers subscriptions, and else looking at intervals. A server that does not answer is
//! looked for less and less often; how long an eye waits is a little different for each, so that they do not all ask at once.

use std::{
    collections::{BTreeMap, BTreeSet},
    hash::{DefaultHasher, Hash, Hasher},
    sync::Arc,
    time::Duration,
};

use futures::{StreamExt, stream};
use tokio::sync::{mpsc, watch};

use crate::{
    domain::{Address, ResourceType, ServerName},
    mcp::{
        AnyServer, CallError, Key, Live, Notice, ResourceServer, TypeTable,
        watch::{Subscription, Watch},
    },
};

/// With more resources of one type than this, the type is listed instead of each being read.
const LIST_FROM: usize = 8;
/// How many reads are tried again at the same time on one server.
const AT_ONCE: usize = 8;
/// The longest first pause before a server that did not answer is tried again; each is twice as long as the one before.
const FIRST: Duration = Duration::from_secs(2);
/// The longest pause between two attempts at a server that does not answer.
const LONGEST: Duration = Duration::from_secs(300);
/// How long further notices are waited for after one.
const SETTLE: Duration = Duration::from_millis(150);
/// A server that tells of changes is looked at anyway after so many intervals: a notice can get lost.
const TRUSTED_FOR: u32 = 12;

/// What is looked at on one server: how to read it, and what the server called itself when it was recorded.
pub(super) type Wanted = BTreeMap<Address, (Key, String)>;

/// What was found of each resource.
pub(super) type Found = BTreeMap<Address, Result<Option<Live>, String>>;

/// What an eye brings.
pub(super) struct Report {
    pub server: ServerName,
    pub news: News,
}

/// Which news.
pub(super) enum News {
    /// The server does not answer.
    Away(String),
    /// Something about the server itself.
    Said(String),
    /// A look at some resources, or at all.
    Looked { found: Found, types: Arc<TypeTable>, whole: bool },
}

/// One server's eye.
pub(super) struct Eye {
    server: Arc<AnyServer>,
    wanted: watch::Receiver<BTreeMap<ServerName, Wanted>>,
    interval: Duration,
    seed: String,
    /// In which life of the connection the server was asked what it manages, and its answer.
    checked: Option<(u64, String)>,
    /// What was said about resources that were recorded somewhere else, so that it is said once.
    elsewhere: Option<String>,
    /// What is to be said about the server itself.
    said: Option<String>,
}

/// Why an eye opens again.
enum Wake {
    Time,
    /// These were told to have changed.
    Told(BTreeSet<String>),
    Tools,
    Lost,
    /// Other resources are wanted.
    Wanted,
}

impl Eye {
    pub fn new(server: Arc<AnyServer>, wanted: watch::Receiver<BTreeMap<ServerName, Wanted>>, interval: Duration, seed: &str) -> Self {
        Self { server, wanted, interval, seed: seed.to_owned(), checked: None, elsewhere: None, said: None }
    }

    fn name(&self) -> &ServerName {
        self.server.name()
    }

    /// Looks until nobody listens.
    pub async fn watch(mut self, say: mpsc::Sender<Report>) {
        let mut failures = 0u32;
        let mut subscribed: Option<Subscription> = None;
        let mut refused = false;
        let mut only: Option<BTreeSet<Address>> = None;
        loop {
            let mut wanted = self.wanted.borrow_and_update().get(self.server.name()).cloned().unwrap_or_default();
            // Subscribed before looking: what changes in between is told.
            if subscribed.is_none() && !refused && failures == 0 {
                subscribed = self.server.subscribe(wanted.keys()).await;
                refused = subscribed.is_none();
            }
            let news = self.look(&mut wanted, only.as_ref()).await;
            if let Some(text) = self.said.take()
                && say.send(Report { server: self.name().clone(), news: News::Said(text) }).await.is_err()
            {
                return;
            }
            match &news {
                News::Away(_) => {
                    failures = failures.saturating_add(1);
                    subscribed = None;
                    self.checked = None;
                }
                // It is back, maybe as another program.
                _ if failures > 0 => (failures, refused) = (0, false),
                _ => {}
            }
            if say.send(Report { server: self.name().clone(), news }).await.is_err() {
                return;
            }
            only = None;
            match self.pause(failures, subscribed.as_mut().map(|s| &mut s.watch)).await {
                Wake::Time => {}
                Wake::Told(uris) => {
                    let known = subscribed.as_ref().map(|s| &s.uris);
                    only = Some(uris.iter().filter_map(|uri| known.and_then(|k| k.get(uri))).cloned().collect());
                }
                Wake::Tools => {
                    let text = "it says that its tools have changed".to_owned();
                    if say.send(Report { server: self.name().clone(), news: News::Said(text) }).await.is_err() {
                        return;
                    }
                }
                // The next look says whether the server is away.
                Wake::Lost => (subscribed, self.checked) = (None, None),
                Wake::Wanted => (subscribed, refused) = (None, false),
            }
        }
    }

    /// Waits for the next look.
    async fn pause(&mut self, failures: u32, watch: Option<&mut Watch>) -> Wake {
        let span = match (failures, &watch) {
            (0, None) => self.spread(self.interval, 0),
            (0, Some(_)) => self.spread(self.interval.saturating_mul(TRUSTED_FOR), 0),
            (n, _) => self.spread(self.interval.min(FIRST).saturating_mul(2u32.saturating_pow(n.min(16))).min(LONGEST), n),
        };
        let told = async {
            match watch {
                Some(watch) => told(watch).await,
                None => std::future::pending().await,
            }
        };
        tokio::select! {
            wake = told => wake,
            changed = self.wanted.changed() => if changed.is_ok() { Wake::Wanted } else { std::future::pending().await },
            () = tokio::time::sleep(span) => Wake::Time,
        }
    }

    /// A span that is up to a fifth shorter or longer, another one for each server, watch and attempt.
    fn spread(&self, span: Duration, attempt: u32) -> Duration {
        let mut hasher = DefaultHasher::new();
        (&self.seed, self.name().as_str(), attempt).hash(&mut hasher);
        let part = u32::try_from(hasher.finish() % 401).unwrap_or_default();
        span.saturating_mul(800 + part) / 1000
    }

    async fn look(&mut self, wanted: &mut Wanted, only: Option<&BTreeSet<Address>>) -> News {
        match self.try_look(wanted, only).await {
            Ok(news) => news,
            Err(error) => News::Away(error.message().to_owned()),
        }
    }

    async fn try_look(&mut self, wanted: &mut Wanted, only: Option<&BTreeSet<Address>>) -> Result<News, CallError> {
        let types = self.server.types().await?;
        let life = self.server.connection().life().await;
        let identity = match &self.checked {
            Some((of, identity)) if *of == life => identity.clone(),
            _ => self.server.target().await?.identity,
        };
        let all = wanted.len();
        let other = wanted.values().find(|(_, recorded)| *recorded != identity).map(|(_, recorded)| recorded.clone());
        wanted.retain(|_, (_, recorded)| *recorded == identity);
        if let Some(recorded) = &other
            && wanted.is_empty()
        {
            return Ok(News::Away(format!("it holds other resources now: recorded on `{recorded}`, and it is `{identity}`")));
        }
        self.tell_elsewhere(all - wanted.len(), all, other.as_deref(), &identity);
        self.checked = Some((life, identity));
        let keys: Vec<(&Address, &Key)> =
            wanted.iter().filter(|(a, _)| only.is_none_or(|o| o.contains(*a))).map(|(a, (key, _))| (a, key)).collect();
        let found = self.read(keys).await?;
        Ok(News::Looked { found, types, whole: only.is_none() })
    }

    /// What was recorded on another system than the server stands for now is not looked at; the rest is.
    fn tell_elsewhere(&mut self, count: usize, all: usize, recorded: Option<&str>, identity: &str) {
        let text = recorded.map(|recorded| {
            let are = if count == 1 { "was" } else { "were" };
            format!("{count} of {all} resources {are} recorded on `{recorded}`, and it is `{identity}` now; they are not looked at")
        });
        if text != self.elsewhere {
            self.said.clone_from(&text);
            self.elsewhere = text;
        }
    }

    /// Reads them: types with many resources as lists, the rest together. Fails if the server does not answer at all.
    async fn read(&self, keys: Vec<(&Address, &Key)>) -> Result<Found, CallError> {
        let mut found = Found::new();
        let mut by_kind: BTreeMap<&ResourceType, Vec<(&Address, &Key)>> = BTreeMap::new();
        keys.into_iter().for_each(|(a, k)| by_kind.entry(&k.kind).or_default().push((a, k)));
        let mut single = Vec::new();
        for (kind, keys) in by_kind {
            if keys.len() <= LIST_FROM {
                single.extend(keys);
                continue;
            }
            match self.server.list(Some(kind)).await {
                Ok(all) => {
                    let by_id: BTreeMap<&str, &Live> = all.iter().map(|l| (l.id.as_str(), l)).collect();
                    for (address, key) in keys {
                        match key.id.as_deref().and_then(|id| by_id.get(id)) {
                            Some(live) => drop(found.insert(address.clone(), Ok(Some((*live).clone())))),
                            // A list may be cut short; only a read says that something is gone.
                            None => single.push((address, key)),
                        }
                    }
                }
                Err(error @ CallError::Refused { .. }) => {
                    tracing::debug!(server = %self.name(), %error, "a list was refused; reading one by one");
                    single.extend(keys);
                }
                Err(error) => return Err(error),
            }
        }
        let (addresses, keys): (Vec<Address>, Vec<Key>) = single.into_iter().map(|(a, k)| (a.clone(), k.clone())).unzip();
        // Together: what can only be read out of a list costs one list, however many there are of it.
        let read = self.server.read_many(&keys).await;
        if read.iter().any(Result::is_err) {
            tokio::time::sleep(SETTLE).await;
        }
        let mut reads = stream::iter(addresses.into_iter().zip(keys).zip(read))
            .map(|((address, key), read)| {
                let server = self.server.clone();
                // A connection that is being lost answers all kinds of things; what is told of is true twice.
                async move { (address, if read.is_ok() { read } else { server.read(&key).await }) }
            })
            .buffer_unordered(AT_ONCE);
        while let Some((address, read)) = reads.next().await {
            match read {
                Ok(live) => drop(found.insert(address, Ok(live))),
                Err(error @ CallError::NotSent { .. }) => return Err(error),
                Err(error @ CallError::Unknown { .. }) if !self.server.connection().is_connected().await => return Err(error),
                Err(error) => drop(found.insert(address, Err(error.message().to_owned()))),
            }
        }
        Ok(found)
    }
}

/// Waits for a notice, and a moment longer for those that come with it.
async fn told(watch: &mut Watch) -> Wake {
    let mut uris = BTreeSet::new();
    let mut tools = false;
    let mut note = |notice: Notice| match notice {
        Notice::ResourceUpdated(uri) => drop(uris.insert(uri)),
        Notice::ToolsChanged => tools = true,
    };
    match watch.next().await {
        Some(notice) => note(notice),
        None => return Wake::Lost,
    }
    let until = tokio::time::Instant::now() + SETTLE;
    while let Ok(more) = tokio::time::timeout_at(until, watch.next()).await {
        match more {
            Some(notice) => note(notice),
            None => return Wake::Lost,
        }
    }
    if tools { Wake::Tools } else { Wake::Told(uris) }
}
