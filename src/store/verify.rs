//! Walks the whole journal and checks what everything else trusts: the chain of hashes, and that every snapshot is the fold of its entries.

use std::collections::HashMap;

use futures::TryStreamExt;
use sqlx::{Row, SqliteConnection, sqlite::SqliteRow};

use crate::domain::DeploymentName;

use super::{
    During, Entry, Fold, Snapshot, Store, StoreError,
    journal::{GENESIS, Link},
    to_json,
};

/// What a check of the state found.
#[derive(Debug, Clone, PartialEq, Eq, Default, serde::Serialize)]
pub struct VerifyReport {
    /// How many entries the journal has.
    pub entries: u64,
    /// How many snapshots there are.
    pub snapshots: u64,
    /// Hash of the last entry. Kept elsewhere, it proves later that nothing before it was changed.
    pub head: String,
    /// The first thing that is wrong; none if all is well.
    pub broken: Option<Broken>,
}

/// The first thing that is wrong.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
pub struct Broken {
    /// The entry at which it was found.
    pub entry: i64,
    /// What is wrong, as a sentence without its end.
    pub what: String,
}

impl VerifyReport {
    /// What was found as an error, if anything was.
    pub fn sound(&self, store: &Store) -> Result<(), StoreError> {
        match &self.broken {
            Some(Broken { entry, what }) => Err(store.damaged(format!("entry {entry} of the journal: {what}"))),
            None => Ok(()),
        }
    }
}

const ROWS: &str = "SELECT number, at, deployment, run, body, previous, hash FROM journal";

impl Store {
    /// Checks the whole journal and all snapshots against each other, in one pass.
    pub async fn verify(&self) -> Result<VerifyReport, StoreError> {
        let (mut tx, mut reading) = (self.read().await?, self.read().await?);
        let report = self.walk(&mut tx, &mut reading).await;
        // Both are ended here and not by being dropped: one that is dropped amid its rows outlives even a closed pool.
        for open in [reading, tx] {
            open.rollback().await.map_err(|e| self.error(e, During::Read))?;
        }
        report
    }

    async fn walk(&self, tx: &mut SqliteConnection, reading: &mut SqliteConnection) -> Result<VerifyReport, StoreError> {
        let db = |e| self.error(e, During::Read);
        let mut report = VerifyReport { head: GENESIS.to_owned(), ..VerifyReport::default() };

        // Which snapshots are due after which entry. Their bodies are read one at a time, so memory holds one snapshot for each deployment.
        let due = sqlx::query("SELECT last_entry, deployment, number FROM snapshot").fetch_all(&mut *tx).await.map_err(db)?;
        report.snapshots = due.len() as u64;
        let mut snapshots: HashMap<i64, (String, i64)> = HashMap::new();
        for row in &due {
            snapshots.insert(row.try_get(0).map_err(db)?, (row.try_get(1).map_err(db)?, row.try_get(2).map_err(db)?));
        }
        let many = snapshots.len() != due.len();

        let mut folds: HashMap<DeploymentName, (Fold, u64)> = HashMap::new();
        let mut rows = sqlx::query(sqlx::AssertSqlSafe(format!("{ROWS} ORDER BY number"))).fetch(reading);
        while let Some(row) = rows.try_next().await.map_err(db)? {
            let entry = match self.link(&row, &report)? {
                Ok(entry) => entry,
                Err(broken) => {
                    report.broken = Some(broken);
                    return Ok(report);
                }
            };
            report.entries += 1;
            report.head.clone_from(&entry.hash);
            let (fold, number) = folds.entry(entry.deployment.clone()).or_default();
            fold.add(&entry);
            if let Some((deployment, kept)) = snapshots.remove(&entry.number) {
                *number += 1;
                let body: String = sqlx::query_scalar("SELECT body FROM snapshot WHERE deployment = ? AND number = ?")
                    .bind(&deployment)
                    .bind(kept)
                    .fetch_one(&mut *tx)
                    .await
                    .map_err(db)?;
                match self.same_picture(fold, &entry.deployment, *number, &body)? {
                    // Going on from what is kept, as the writer does, gives the same bytes.
                    Some(snapshot) => *fold = Fold::of(&snapshot),
                    None => {
                        let what = format!("snapshot {kept} of `{deployment}` is not what the journal says");
                        report.broken = Some(Broken { entry: entry.number, what });
                        return Ok(report);
                    }
                }
            }
        }
        drop(rows);
        report.broken = self.last_checks(tx, &report, many || !snapshots.is_empty()).await?;
        Ok(report)
    }

    /// Checks one entry's place in the chain, and reads it.
    fn link(&self, row: &SqliteRow, so_far: &VerifyReport) -> Result<Result<Entry, Broken>, StoreError> {
        let db = |e| self.error(e, During::Read);
        let (number, hash): (i64, &str) = (row.try_get(0).map_err(db)?, row.try_get(6).map_err(db)?);
        let broken = |what: &str| Ok(Err(Broken { entry: number, what: what.to_owned() }));
        let link = Link {
            number,
            at: row.try_get(1).map_err(db)?,
            deployment: row.try_get(2).map_err(db)?,
            run: row.try_get(3).map_err(db)?,
            body: row.try_get(4).map_err(db)?,
            previous: row.try_get(5).map_err(db)?,
        };
        if i64::try_from(so_far.entries) != Ok(number - 1) {
            return broken("entries before it are missing");
        }
        if link.previous != so_far.head {
            return broken("it is not chained to the entry before it");
        }
        if link.hash() != hash {
            return broken("it was changed after it was written");
        }
        match self.parse_entry(row) {
            Ok(entry) => Ok(Ok(entry)),
            Err(StoreError::Damaged { detail, .. }) => broken(&detail),
            Err(other) => Err(other),
        }
    }

    /// The kept snapshot, if it is what the fold says.
    fn same_picture(&self, fold: &Fold, deployment: &DeploymentName, number: u64, body: &str) -> Result<Option<Snapshot>, StoreError> {
        let Some(folded) = fold.clone().into_snapshot(deployment, number) else { return Ok(None) };
        if to_json(&folded)? != body {
            return Ok(None);
        }
        self.parse("a snapshot", body).map(Some)
    }

    async fn last_checks(&self, tx: &mut SqliteConnection, report: &VerifyReport, stray: bool) -> Result<Option<Broken>, StoreError> {
        let end = i64::try_from(report.entries).unwrap_or(i64::MAX);
        if stray {
            return Ok(Some(Broken { entry: end, what: "there is a snapshot that no entry of the journal made".to_owned() }));
        }
        let highest: Option<i64> = sqlx::query_scalar("SELECT seq FROM sqlite_sequence WHERE name = 'journal'")
            .fetch_optional(&mut *tx)
            .await
            .map_err(|e| self.error(e, During::Read))?;
        let cut = highest.unwrap_or_default() > end;
        Ok(cut.then(|| Broken { entry: end, what: "entries after it were cut off".to_owned() }))
    }

    /// Checks the last entry alone; the next one will be chained to it.
    pub(super) async fn check_head(&self) -> Result<(), StoreError> {
        let mut tx = self.read().await?;
        let row = sqlx::query(sqlx::AssertSqlSafe(format!("{ROWS} ORDER BY number DESC LIMIT 1")))
            .fetch_optional(&mut *tx)
            .await
            .map_err(|e| self.error(e, During::Open))?;
        let Some(row) = row else { return Ok(()) };
        let db = |e| self.error(e, During::Open);
        let number: i64 = row.try_get(0).map_err(db)?;
        let previous: String = row.try_get(5).map_err(db)?;
        let before = VerifyReport { entries: u64::try_from(number - 1).unwrap_or_default(), head: previous, ..VerifyReport::default() };
        VerifyReport { broken: self.link(&row, &before)?.err(), ..before }.sound(self)
    }
}
