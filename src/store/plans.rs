//! Keeps plans exactly as they were shown: bytes under their digest. A plan is used once.

use sqlx::{Row, sqlite::SqliteRow};

use crate::domain::{DeploymentName, canonical::digest_bytes};

use super::{During, RunId, Store, StoreError, StoredPlan};

/// Plans that were not used are dropped after this many hours (30 days).
const KEPT_HOURS: i64 = 30 * 24;

const COLUMNS: &str = "SELECT digest, deployment, bytes, made_at, used_by FROM plan";

impl Store {
    /// Keeps a plan. A plan that is kept already stays as it is, used or not.
    pub async fn put_plan(&self, plan: &StoredPlan) -> Result<(), StoreError> {
        if digest_bytes(&plan.bytes) != plan.digest {
            return Err(StoreError::PlanAltered { digest: plan.digest.clone() });
        }
        let mut write = self.write(During::Before).await?;
        sqlx::query("INSERT INTO plan (digest, deployment, bytes, made_at, used_by) VALUES (?, ?, ?, ?, ?) ON CONFLICT DO NOTHING")
            .bind(&plan.digest)
            .bind(plan.deployment.as_str())
            .bind(&plan.bytes)
            .bind(sortable(plan.made_at))
            .bind(plan.used_by.as_ref().map(|r| &r.0))
            .execute(&mut *write.tx)
            .await
            .map_err(|e| write.error(e))?;
        let oldest = self.now().checked_sub(jiff::Span::new().hours(KEPT_HOURS)).unwrap_or(jiff::Timestamp::MIN);
        sqlx::query("DELETE FROM plan WHERE used_by IS NULL AND made_at < ? AND digest <> ?")
            .bind(sortable(oldest))
            .bind(&plan.digest)
            .execute(&mut *write.tx)
            .await
            .map_err(|e| write.error(e))?;
        write.commit().await
    }

    /// The plan with this digest; refused if its bytes no longer have it.
    pub async fn plan(&self, digest: &str) -> Result<Option<StoredPlan>, StoreError> {
        let mut tx = self.read().await?;
        let row = sqlx::query(sqlx::AssertSqlSafe(format!("{COLUMNS} WHERE digest = ?")))
            .bind(digest)
            .fetch_optional(&mut *tx)
            .await
            .map_err(|e| self.error(e, During::Read))?;
        row.map(|r| self.parse_plan(&r)).transpose()
    }

    /// The plans whose digest begins with what a person typed, with or without `sha256:`; at most ten.
    pub async fn plans_like(&self, prefix: &str) -> Result<Vec<StoredPlan>, StoreError> {
        let prefix = prefix.strip_prefix("sha256:").unwrap_or(prefix);
        if prefix.is_empty() || !prefix.bytes().all(|b| b.is_ascii_hexdigit()) {
            return Ok(Vec::new());
        }
        let mut tx = self.read().await?;
        let rows = sqlx::query(sqlx::AssertSqlSafe(format!("{COLUMNS} WHERE digest LIKE ? LIMIT 10")))
            .bind(format!("sha256:{prefix}%"))
            .fetch_all(&mut *tx)
            .await
            .map_err(|e| self.error(e, During::Read))?;
        rows.iter().map(|r| self.parse_plan(r)).collect()
    }

    /// Marks a plan as used by a run. Of any number who try at once, one succeeds.
    pub async fn use_plan(&self, digest: &str, run: &RunId) -> Result<(), StoreError> {
        // A plan whose bytes were altered is refused here as well, so that nothing else has to remember to look.
        self.plan(digest).await?.ok_or_else(|| StoreError::NoPlan { digest: digest.to_owned() })?;
        let mut write = self.write(During::Before).await?;
        let done = sqlx::query("UPDATE plan SET used_by = ? WHERE digest = ? AND used_by IS NULL")
            .bind(&run.0)
            .bind(digest)
            .execute(&mut *write.tx)
            .await
            .map_err(|e| write.error(e))?
            .rows_affected();
        if done == 1 {
            return write.commit().await;
        }
        let by: Option<String> = sqlx::query_scalar("SELECT used_by FROM plan WHERE digest = ?")
            .bind(digest)
            .fetch_optional(&mut *write.tx)
            .await
            .map_err(|e| write.error(e))?
            .flatten();
        Err(match by {
            Some(by) => StoreError::PlanUsed { digest: digest.to_owned(), by: RunId(by) },
            None => StoreError::NoPlan { digest: digest.to_owned() },
        })
    }

    fn parse_plan(&self, row: &SqliteRow) -> Result<StoredPlan, StoreError> {
        let db = |e| self.error(e, During::Read);
        let deployment: String = row.try_get(1).map_err(db)?;
        let plan = StoredPlan {
            digest: row.try_get(0).map_err(db)?,
            deployment: DeploymentName::new(deployment).map_err(|e| self.damaged(e.to_string()))?,
            bytes: row.try_get(2).map_err(db)?,
            made_at: self.time("the time of a plan", row.try_get(3).map_err(db)?)?,
            used_by: row.try_get::<Option<String>, _>(4).map_err(db)?.map(RunId),
        };
        if digest_bytes(&plan.bytes) != plan.digest {
            return Err(StoreError::PlanAltered { digest: plan.digest });
        }
        Ok(plan)
    }
}

/// Nanoseconds, always all nine digits, so that texts sort as times do.
fn sortable(at: jiff::Timestamp) -> String {
    format!("{at:.9}")
}
