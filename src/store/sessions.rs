//! Keeps conversations, so that the next chat can go on where the last one stopped.

use serde_json::Value;
use sqlx::Row;

use super::{During, Store, StoreError, to_json};

/// How many conversations are kept.
const KEPT: i64 = 50;

impl Store {
    /// Keeps a conversation, in place of what was kept under this id.
    pub async fn save_session(&self, id: &str, session: &Value) -> Result<(), StoreError> {
        let body = to_json(session)?;
        let mut write = self.write(During::Record).await?;
        // Replacing gives a new number, so the highest number is the one that was saved last.
        sqlx::query("INSERT OR REPLACE INTO session (id, at, body) VALUES (?, ?, ?)")
            .bind(id)
            .bind(self.now().to_string())
            .bind(body)
            .execute(&mut *write.tx)
            .await
            .map_err(|e| write.error(e))?;
        sqlx::query("DELETE FROM session WHERE number NOT IN (SELECT number FROM session ORDER BY number DESC LIMIT ?)")
            .bind(KEPT)
            .execute(&mut *write.tx)
            .await
            .map_err(|e| write.error(e))?;
        write.commit().await
    }

    /// The conversation that was saved last, with its id.
    pub async fn last_session(&self) -> Result<Option<(String, Value)>, StoreError> {
        let mut tx = self.read().await?;
        let db = |e| self.error(e, During::Read);
        let row = sqlx::query("SELECT id, body FROM session ORDER BY number DESC LIMIT 1").fetch_optional(&mut *tx).await.map_err(db)?;
        let Some(row) = row else { return Ok(None) };
        Ok(Some((row.try_get(0).map_err(db)?, self.parse("a session", row.try_get(1).map_err(db)?)?)))
    }

    /// One conversation.
    pub async fn session(&self, id: &str) -> Result<Option<Value>, StoreError> {
        let mut tx = self.read().await?;
        let body: Option<String> = sqlx::query_scalar("SELECT body FROM session WHERE id = ?")
            .bind(id)
            .fetch_optional(&mut *tx)
            .await
            .map_err(|e| self.error(e, During::Read))?;
        body.map(|b| self.parse("a session", &b)).transpose()
    }
}
