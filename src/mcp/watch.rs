//! Notices about resources that change, from servers that offer them, in both protocol eras.

use std::{sync::Arc, time::Duration};

use rmcp::{
    model::{ServerNotification, SubscribeRequestParams, SubscriptionFilter, UnsubscribeRequestParams},
    service::ServiceError,
};
use tokio::{
    sync::{broadcast, mpsc},
    task::JoinHandle,
};

use super::{
    CallError, Notice,
    connection::{Connection, Session},
    http::innermost,
};

/// The longest time until a subscription stands.
const PATIENCE: Duration = Duration::from_secs(10);

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
        let (peer, uris) = (self.session.peer.clone(), std::mem::take(&mut self.uris));
        if uris.is_empty() || peer.is_transport_closed() {
            return;
        }
        runtime.spawn(async move {
            for uri in uris {
                #[expect(deprecated, reason = "the only way in the older era")]
                let _ = tokio::time::timeout(PATIENCE, peer.unsubscribe(UnsubscribeRequestParams::new(uri))).await;
            }
        });
    }
}

impl Connection {
    /// Subscribes to resources and to changes of the tools. `None` if the server does not offer it: then only asking again helps.
    pub async fn watch(&self, uris: &[String]) -> Result<Option<Watch>, CallError> {
        let fail = |reason: String| CallError::NotSent { server: self.name().clone(), reason };
        let session = self.session().await.map_err(|e| fail(format!("there is no connection: {e}")))?;
        if !self.info().await.is_some_and(|info| info.can_watch) {
            return Ok(None);
        }
        let started = if session.is_modern() { modern(session, uris).await } else { older(session, uris).await };
        started.map(Some).map_err(|e| fail(format!("the subscription failed: {}", innermost(&e))))
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
    for uri in uris {
        #[expect(deprecated, reason = "the only way in the older era")]
        let subscribed = tokio::time::timeout(PATIENCE, session.peer.subscribe(SubscribeRequestParams::new(uri.clone()))).await;
        subscribed.map_err(|_| ServiceError::Timeout { timeout: PATIENCE })??;
    }
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
