//! Notices about resources that change, from servers that offer them, in both protocol eras.

use std::{
    collections::{BTreeMap, HashMap},
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use rmcp::{
    model::{ServerNotification, SubscribeRequestParams, SubscriptionFilter, UnsubscribeRequestParams},
    service::ServiceError,
};
use tokio::{
    sync::{broadcast, mpsc},
    task::JoinHandle,
};

use super::{AnyServer, CallError, Notice, ResourceServer, connection::Connection, http::innermost, session::Session};
use crate::domain::Address;

/// The longest time until a subscription stands.
const PATIENCE: Duration = Duration::from_secs(10);

/// How many subscriptions are asked for at the same time.
const AT_ONCE: usize = 16;

/// Notices of one server. It ends when the connection is lost: read everything again, then watch again. Dropped, it unsubscribes.
pub struct Watch {
    notices: mpsc::Receiver<Notice>,
    task: JoinHandle<()>,
    session: Arc<Session>,
    /// What is to be unsubscribed from; nothing in the new era, where the subscription ends with its stream.
    uris: Vec<String>,
}

impl Watch {
    /// The next notice; `None` when the connection is lost. Notices that came while nobody asked are not lost but may be joined.
    pub async fn next(&mut self) -> Option<Notice> {
        self.notices.recv().await
    }
}

impl Drop for Watch {
    fn drop(&mut self) {
        self.task.abort();
        let Ok(runtime) = tokio::runtime::Handle::try_current() else { return };
        let (session, uris) = (self.session.clone(), std::mem::take(&mut self.uris));
        if uris.is_empty() || session.is_closed() {
            return;
        }
        runtime.spawn(async move {
            for uri in uris {
                if session.watched.leave(&uri) {
                    #[expect(deprecated, reason = "the only way in the older era")]
                    let _ = tokio::time::timeout(PATIENCE, session.peer.unsubscribe(UnsubscribeRequestParams::new(uri))).await;
                }
            }
        });
    }
}

/// How many watches of one session want each resource: the server knows only one subscription for all of them.
#[derive(Default)]
pub(crate) struct Watched(Mutex<HashMap<String, usize>>);

impl Watched {
    fn enter(&self, uri: &str) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner).entry(uri.to_owned()).or_default() += 1;
    }

    /// Whether that was the last one.
    fn leave(&self, uri: &str) -> bool {
        let mut counts = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let Some(count) = counts.get_mut(uri) else { return false };
        *count -= 1;
        if *count == 0 {
            counts.remove(uri);
            return true;
        }
        false
    }
}

impl Connection {
    /// Whether there is a connection now; none is made.
    pub async fn is_connected(&self) -> bool {
        self.life().await != 0
    }

    /// Which life of the connection this is, for telling a new one from the one before.
    pub async fn life(&self) -> u64 {
        self.epoch().await.0
    }

    /// Subscribes to resources and to changes of the tools. `None` if the server does not offer it: then only asking again helps.
    pub async fn watch(&self, uris: &[String]) -> Result<Option<Watch>, CallError> {
        let fail = |reason: String| CallError::NotSent { server: self.name().clone(), reason };
        let session = self.session().await.map_err(|e| fail(e.in_brief()))?;
        if !self.info().await.is_some_and(|info| info.can_watch) {
            return Ok(None);
        }
        let started = if session.is_modern() { modern(session, uris).await } else { older(session, uris).await };
        started.map(Some).map_err(|e| fail(format!("the subscription failed: {}", innermost(&e))))
    }
}

/// Subscriptions to resources of the cross-MCP protocol.
pub struct Subscription {
    /// The notices.
    pub watch: Watch,
    /// Which resource each URI is.
    pub uris: BTreeMap<String, Address>,
}

/// An older server is asked once for each subscription; with more resources than this, asking again is cheaper.
const MOST: usize = 200;

impl AnyServer {
    /// Subscribes to resources; `None` where that cannot be: the server offers no subscriptions, they are too many for it, or a binding
    /// stands in front of it, which does not say which MCP resource an object is.
    pub async fn subscribe<'a>(&self, addresses: impl IntoIterator<Item = &'a Address>) -> Option<Subscription> {
        if self.types().await.is_err() || self.binding().is_some() {
            return None;
        }
        let connection = self.connection();
        let session = connection.session().await.ok()?;
        if !connection.info().await?.can_watch {
            return None;
        }
        // `SERVER` in `swell://SERVER/TYPE/NAME` is the server's own word for itself; its URI templates tell it.
        let asked = tokio::time::timeout(PATIENCE, session.peer.list_resource_templates(None)).await.ok()?;
        let templates = asked.ok()?.resource_templates;
        let template =
            templates.iter().map(|t| t.uri_template.as_str()).find(|t| t.starts_with("swell://") && t.ends_with("/{type}/{name}"))?;
        let uri = |a: &Address| template.replace("{type}", a.kind.as_str()).replace("{name}", a.name.as_str());
        let uris: BTreeMap<String, Address> = addresses.into_iter().map(|a| (uri(a), a.clone())).collect();
        if uris.is_empty() || uris.len() > MOST && !session.is_modern() {
            return None;
        }
        match connection.watch(&uris.keys().cloned().collect::<Vec<_>>()).await {
            Ok(watch) => Some(Subscription { watch: watch?, uris }),
            Err(error) => {
                tracing::debug!(server = %connection.name(), %error, "no subscription; it is asked again and again instead");
                None
            }
        }
    }
}

async fn modern(session: Arc<Session>, uris: &[String]) -> Result<Watch, ServiceError> {
    let filter = SubscriptionFilter::builder().resource_subscriptions(uris.iter().cloned()).tools_list_changed().build();
    let listen = tokio::time::timeout(PATIENCE, session.peer.listen(filter)).await;
    let mut subscription = listen.map_err(|_| ServiceError::Timeout { timeout: PATIENCE })??;
    let (tell, notices) = mpsc::channel(64);
    let shared = session.shared().clone();
    let task = tokio::spawn(async move {
        while let Ok(Some(notification)) = subscription.next().await {
            let notice = match notification {
                ServerNotification::ResourceUpdatedNotification(updated) => Notice::ResourceUpdated(updated.params.uri),
                ServerNotification::ToolListChangedNotification(_) => {
                    shared.epoch.fetch_add(1, std::sync::atomic::Ordering::AcqRel);
                    Notice::ToolsChanged
                }
                _ => continue,
            };
            if tell.send(notice).await.is_err() {
                let _ = subscription.cancel().await;
                return;
            }
        }
    });
    Ok(Watch { notices, task, session, uris: Vec::new() })
}

async fn older(session: Arc<Session>, uris: &[String]) -> Result<Watch, ServiceError> {
    // Listening before subscribing: a notice may come at once.
    let mut all = session.shared().notices.subscribe();
    for some in uris.chunks(AT_ONCE) {
        #[expect(deprecated, reason = "the only way in the older era")]
        let requests = some.iter().map(|uri| session.peer.subscribe(SubscribeRequestParams::new(uri.clone())));
        let done = tokio::time::timeout(PATIENCE, futures::future::try_join_all(requests)).await;
        done.map_err(|_| ServiceError::Timeout { timeout: PATIENCE })??;
    }
    uris.iter().for_each(|uri| session.watched.enter(uri));
    let (tell, notices) = mpsc::channel(64);
    let (wanted, peer) = (uris.to_vec(), session.peer.clone());
    let task = tokio::spawn(async move {
        loop {
            let notice = tokio::select! {
                notice = all.recv() => notice,
                () = tell.closed() => return,
                () = closed(&peer) => return,
            };
            let batch = match notice {
                Ok(Notice::ResourceUpdated(uri)) if !wanted.contains(&uri) => continue,
                Ok(notice) => vec![notice],
                // Too many came at once: all that is watched may have changed.
                Err(broadcast::error::RecvError::Lagged(_)) => wanted.iter().cloned().map(Notice::ResourceUpdated).collect(),
                Err(broadcast::error::RecvError::Closed) => return,
            };
            for notice in batch {
                if tell.send(notice).await.is_err() {
                    return;
                }
            }
        }
    });
    Ok(Watch { notices, task, session, uris: uris.to_vec() })
}

/// rmcp does not tell when a connection ends; looking once a second is enough for a watch.
async fn closed(peer: &rmcp::service::Peer<rmcp::RoleClient>) {
    while !peer.is_transport_closed() {
        tokio::time::sleep(Duration::from_secs(1)).await;
    }
}
