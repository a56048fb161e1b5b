//! Reads snapshots: the kept ones, and for a run that was interrupted the one that its entries fold to.

use sqlx::{Row, SqliteConnection, sqlite::SqliteRow};

use crate::domain::DeploymentName;

use super::{During, Snapshot, Store, StoreError, fold, journal};

impl Store {
    /// The deployment as it was last recorded; none if nothing ever was.
    ///
    /// The entries of a run that was interrupted are folded in, under the number that its snapshot will have once it is closed. A run that
    /// is still going on is left out: its picture changes under the reader's hands, and its holder has the lock.
    pub async fn latest(&self, deployment: &DeploymentName) -> Result<Option<Snapshot>, StoreError> {
        let mut tx = self.read().await?;
        self.latest_in(&mut tx, deployment).await
    }

    pub(super) async fn latest_in(&self, tx: &mut SqliteConnection, deployment: &DeploymentName) -> Result<Option<Snapshot>, StoreError> {
        let base = newest(self, tx, deployment).await?;
        let open = journal::open_run(tx, deployment).await.map_err(|e| self.error(e, During::Read))?;
        let Some(open) = open else { return Ok(base) };
        if self.is_running(tx, deployment, &open).await? {
            return Ok(base);
        }
        let entries = self.entries_after(tx, deployment, base.as_ref().map_or(0, |s| s.last_entry)).await?;
        let folded = fold(base.as_ref(), &entries);
        if folded.is_like(base.as_ref()) {
            return Ok(base);
        }
        Ok(folded.into_snapshot(deployment, base.map_or(0, |s| s.number) + 1))
    }

    /// One kept snapshot.
    pub async fn snapshot(&self, deployment: &DeploymentName, number: u64) -> Result<Option<Snapshot>, StoreError> {
        let mut tx = self.read().await?;
        let row = sqlx::query("SELECT body, last_entry, number FROM snapshot WHERE deployment = ? AND number = ?")
            .bind(deployment.as_str())
            .bind(i64::try_from(number).unwrap_or(i64::MAX))
            .fetch_optional(&mut *tx)
            .await
            .map_err(|e| self.error(e, During::Read))?;
        row.map(|r| parse(self, &r)).transpose()
    }

    /// All kept snapshots, oldest first.
    pub async fn snapshots(&self, deployment: &DeploymentName) -> Result<Vec<Snapshot>, StoreError> {
        let mut tx = self.read().await?;
        let rows = sqlx::query("SELECT body, last_entry, number FROM snapshot WHERE deployment = ? ORDER BY number")
            .bind(deployment.as_str())
            .fetch_all(&mut *tx)
            .await
            .map_err(|e| self.error(e, During::Read))?;
        rows.iter().map(|r| parse(self, r)).collect()
    }
}

/// The newest kept snapshot.
pub(super) async fn newest(
    store: &Store,
    connection: &mut SqliteConnection,
    deployment: &DeploymentName,
) -> Result<Option<Snapshot>, StoreError> {
    let row = sqlx::query("SELECT body, last_entry, number FROM snapshot WHERE deployment = ? ORDER BY number DESC LIMIT 1")
        .bind(deployment.as_str())
        .fetch_optional(connection)
        .await
        .map_err(|e| store.error(e, During::Read))?;
    row.map(|r| parse(store, &r)).transpose()
}

fn parse(store: &Store, row: &SqliteRow) -> Result<Snapshot, StoreError> {
    let db = |e| store.error(e, During::Read);
    let snapshot: Snapshot = store.parse("a snapshot", row.try_get(0).map_err(db)?)?;
    let (last, number): (i64, i64) = (row.try_get(1).map_err(db)?, row.try_get(2).map_err(db)?);
    if snapshot.last_entry != last || i64::try_from(snapshot.number) != Ok(number) {
        return Err(store.damaged(format!("snapshot {number} of `{}` does not belong where it stands", snapshot.deployment)));
    }
    Ok(snapshot)
}
