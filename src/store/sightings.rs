//! What the last look at the servers found that is not as recorded, so that it can be said without asking them again.
//!
//! Sightings are observations: they are outside of the journal, so a snapshot stays a fold of its entries, and whoever only looks takes
//! no lock and makes no run. A sighting counts only beside the snapshot that it was held against.

use serde_json::Value;
use sqlx::Row;

use super::{During, Store, StoreError, to_json};
use crate::domain::{Address, DeploymentName, Timestamp};

/// One resource that was not as recorded.
#[derive(Debug, Clone, PartialEq, serde::Serialize)]
pub struct Sighting {
    /// Which resource.
    pub address: Address,
    /// When it was seen.
    pub at: Timestamp,
    /// What looked: `drift`, `plan`, `watch`.
    pub seen_by: String,
    /// What is different (JSON of `plan::Drift`).
    pub drift: Value,
}

impl Store {
    /// Keeps what a look at a whole deployment found, in place of what the last one found.
    pub async fn put_sightings(
        &self,
        deployment: &DeploymentName,
        snapshot: u64,
        seen_by: &str,
        all: &[(Address, Value)],
    ) -> Result<(), StoreError> {
        let mut write = self.write(During::Record).await?;
        let at = self.now().to_string();
        sqlx::query("DELETE FROM sighting WHERE deployment = ?")
            .bind(deployment.as_str())
            .execute(&mut *write.tx)
            .await
            .map_err(|e| write.error(e))?;
        for (address, drift) in all {
            sqlx::query("INSERT INTO sighting (deployment, address, snapshot, at, seen_by, body) VALUES (?, ?, ?, ?, ?, ?)")
                .bind(deployment.as_str())
                .bind(address.to_string())
                .bind(i64::try_from(snapshot).unwrap_or(i64::MAX))
                .bind(&at)
                .bind(seen_by)
                .bind(to_json(drift)?)
                .execute(&mut *write.tx)
                .await
                .map_err(|e| write.error(e))?;
        }
        write.commit().await
    }

    /// What was last found not to be as in this snapshot.
    pub async fn sightings(&self, deployment: &DeploymentName, snapshot: u64) -> Result<Vec<Sighting>, StoreError> {
        let mut tx = self.read().await?;
        let db = |e| self.error(e, During::Read);
        let rows = sqlx::query("SELECT address, at, seen_by, body FROM sighting WHERE deployment = ? AND snapshot = ? ORDER BY address")
            .bind(deployment.as_str())
            .bind(i64::try_from(snapshot).unwrap_or(i64::MAX))
            .fetch_all(&mut *tx)
            .await
            .map_err(db)?;
        let mut all = Vec::new();
        for row in rows {
            let text = |n: usize| row.try_get::<String, _>(n).map_err(db);
            all.push(Sighting {
                address: text(0)?.parse().map_err(|e: crate::domain::NameError| self.damaged(e.to_string()))?,
                at: self.time("the time of a sighting", &text(1)?)?,
                seen_by: text(2)?,
                drift: self.parse("a sighting", &text(3)?)?,
            });
        }
        Ok(all)
    }
}
