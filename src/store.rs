//! State: the journal, snapshots folded from it, plans, locks and sessions, in SQLite.
//!
//! The journal speaks first: an entry before each mutating call and one after. A snapshot is a fold of a deployment's entries, never
//! written by anything else. Only this module and its children may name the database crate. It sits above `plan` and does not know it:
//! plans are bytes and a digest here.

pub mod error;

pub mod fold;

pub mod history;

pub mod journal;

pub mod lock;

mod open;

pub mod plans;

pub mod query;

pub mod record;

pub mod sessions;

pub mod sightings;

pub mod snapshot;

pub mod verify;

use std::{
    collections::HashSet,
    path::{Path, PathBuf},
    sync::{Arc, Mutex, PoisonError},
};

use sqlx::{Sqlite, SqlitePool, Transaction};

use crate::domain::{Clock, Timestamp};

pub use error::{During, Sign, StoreError};
pub use fold::{Fold, fold};
pub use history::{DeploymentSummary, EntryFilter, Gone};
pub use journal::{Begun, Journal, StepBegin, StepEnd};
pub use lock::{Alive, Claim, Lock, OsAlive};
pub use open::Opening;
pub use query::{LiveRow, Table};
pub use record::*;
pub use sightings::Sighting;
pub use verify::{Broken, VerifyReport};

/// The state of all deployments: one SQLite file. Cheap to clone; all clones share one pool and one queue of writers.
#[derive(Clone)]
pub struct Store {
    inner: Arc<Inner>,
}

struct Inner {
    pool: SqlitePool,
    path: PathBuf,
    clock: Arc<dyn Clock>,
    alive: Arc<dyn Alive>,
    /// Writers of this process queue here, in order. SQLite's own waiting is a sleep that grows, and so unfair and slow.
    writer: tokio::sync::Mutex<()>,
    /// Locks whose `Lock` was dropped and whose row may not be gone yet.
    dropped: Mutex<HashSet<i64>>,
}

impl std::fmt::Debug for Store {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Store").field("path", &self.inner.path).finish_non_exhaustive()
    }
}

/// A write transaction together with this process's place in the queue of writers.
struct Write<'a> {
    tx: Transaction<'static, Sqlite>,
    store: &'a Store,
    during: During,
    _turn: tokio::sync::MutexGuard<'a, ()>,
}

impl Write<'_> {
    async fn commit(self) -> Result<(), StoreError> {
        self.tx.commit().await.map_err(|e| self.store.error(e, self.during))
    }

    fn error(&self, error: sqlx::Error) -> StoreError {
        self.store.error(error, self.during)
    }
}

impl Store {
    /// The file.
    pub fn path(&self) -> &Path {
        &self.inner.path
    }

    /// Waits until all connections are closed, so that the file is complete without its side files.
    pub async fn close(&self) {
        self.inner.pool.close().await;
        open::tidy(&self.inner.path).await;
    }

    fn now(&self) -> Timestamp {
        self.inner.clock.now()
    }

    fn error(&self, error: sqlx::Error, during: During) -> StoreError {
        error::from_sqlx(error, &self.inner.path, during)
    }

    fn damaged(&self, detail: impl Into<String>) -> StoreError {
        StoreError::Damaged { path: self.inner.path.clone(), detail: detail.into() }
    }

    /// Begins a transaction that has the write lock from the start: one that begins as a reader and upgrades is refused at once, without
    /// waiting, when another process wrote meanwhile.
    async fn write(&self, during: During) -> Result<Write<'_>, StoreError> {
        let turn = self.inner.writer.lock().await;
        let tx = self.inner.pool.begin_with("BEGIN IMMEDIATE").await.map_err(|e| self.error(e, during))?;
        Ok(Write { tx, store: self, during, _turn: turn })
    }

    /// Begins a transaction that sees one state of the file.
    async fn read(&self) -> Result<Transaction<'static, Sqlite>, StoreError> {
        self.inner.pool.begin().await.map_err(|e| self.error(e, During::Read))
    }

    fn was_dropped(&self, token: i64) -> bool {
        self.inner.dropped.lock().unwrap_or_else(PoisonError::into_inner).contains(&token)
    }

    fn parse<T: serde::de::DeserializeOwned>(&self, what: &str, text: &str) -> Result<T, StoreError> {
        serde_json::from_str(text).map_err(|e| self.damaged(format!("{what} cannot be read: {e}")))
    }

    fn time(&self, what: &str, text: &str) -> Result<Timestamp, StoreError> {
        text.parse().map_err(|e| self.damaged(format!("{what} cannot be read: {e}")))
    }
}

/// Writes a value of ours as canonical JSON.
fn to_json<T: serde::Serialize>(value: &T) -> Result<String, StoreError> {
    let value = serde_json::to_value(value)
        .map_err(|e| StoreError::Database { detail: format!("a record cannot be written as JSON: {e}"), during: During::Before })?;
    Ok(crate::domain::canonical::canonical(&value))
}

#[cfg(test)]
mod tests;
