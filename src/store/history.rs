//! Reads the past: entries, runs, deployments, and in which deployment an address is recorded.

use sqlx::{QueryBuilder, Row, Sqlite, SqliteConnection, sqlite::SqliteRow};

use crate::domain::{Address, DeploymentName};

use super::{During, Entry, EntryBody, Recorded, Run, RunId, Store, StoreError, journal};

/// Which entries to read; what is none does not limit.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct EntryFilter {
    /// Of this deployment.
    pub deployment: Option<DeploymentName>,
    /// Of this run.
    pub run: Option<RunId>,
    /// About this resource.
    pub address: Option<Address>,
    /// With a higher number.
    pub after: Option<i64>,
    /// At most so many.
    pub limit: Option<u32>,
}

/// One line of the list of deployments.
#[derive(Debug, Clone, PartialEq)]
pub struct DeploymentSummary {
    /// Its name.
    pub name: DeploymentName,
    /// Number of its latest snapshot; 0 if there is none.
    pub snapshot: u64,
    /// How many resources are recorded.
    pub resources: usize,
    /// How many calls are unsettled.
    pub unsettled: usize,
    /// Its last run.
    pub last_run: Option<Run>,
    /// The pattern that it came from.
    pub pattern: Option<String>,
    /// Whether its last run was cut short; see [`Store::interrupted`].
    pub interrupted: bool,
}

impl DeploymentSummary {
    /// Whether nothing is left of it, and its last run ended well: a first try that failed is not gone.
    pub fn is_gone(&self) -> bool {
        let ended_well = self.last_run.as_ref().and_then(|r| r.end.as_ref()).is_none_or(|e| e.failed + e.skipped + e.unknown == 0);
        self.resources == 0 && self.unsettled == 0 && !self.interrupted && ended_well
    }
}

const ENTRIES: &str = "SELECT number, at, deployment, run, body, previous, hash FROM journal";

const RUNS: &str = "SELECT b.body, b.at, e.body, e.at, s.number FROM journal b \
     LEFT JOIN journal e ON e.run = b.run AND e.kind = 'run-ended' \
     LEFT JOIN snapshot s ON s.run = b.run AND s.deployment = b.deployment \
     WHERE b.kind = 'run-began'";

impl Store {
    /// The deployments by name; with `include_gone` also those of which nothing is left.
    pub async fn deployments(&self, include_gone: Gone) -> Result<Vec<DeploymentSummary>, StoreError> {
        let mut tx = self.read().await?;
        let names: Vec<String> = sqlx::query_scalar("SELECT DISTINCT deployment FROM journal WHERE kind = 'run-began' ORDER BY deployment")
            .fetch_all(&mut *tx)
            .await
            .map_err(|e| self.error(e, During::Read))?;
        let mut all = Vec::new();
        for name in names {
            let name = DeploymentName::new(name).map_err(|e| self.damaged(e.to_string()))?;
            let summary = self.summary(&mut tx, name).await?;
            if include_gone == Gone::Listed || !summary.is_gone() {
                all.push(summary);
            }
        }
        Ok(all)
    }

    async fn summary(&self, tx: &mut SqliteConnection, name: DeploymentName) -> Result<DeploymentSummary, StoreError> {
        let db = |e| self.error(e, During::Read);
        let last_run = self.last_run(tx, &name).await?;
        let interrupted = self.is_interrupted(tx, &name, last_run.as_ref()).await?;
        if interrupted && last_run.as_ref().is_some_and(|r| r.end.is_none()) {
            let latest = self.latest_in(tx, &name).await?;
            let count = |f: fn(&super::Snapshot) -> usize| latest.as_ref().map_or(0, f);
            return Ok(DeploymentSummary {
                snapshot: latest.as_ref().map_or(0, |s| s.number),
                resources: count(|s| s.resources.len()),
                unsettled: count(|s| s.unsettled.len()),
                pattern: latest.and_then(|s| s.recipe.pattern),
                name,
                last_run,
                interrupted,
            });
        }
        let row =
            sqlx::query("SELECT number, resources, unsettled, pattern FROM snapshot WHERE deployment = ? ORDER BY number DESC LIMIT 1")
                .bind(name.as_str())
                .fetch_optional(&mut *tx)
                .await
                .map_err(db)?;
        let (snapshot, resources, unsettled, pattern): (i64, i64, i64, Option<String>) = match row {
            Some(r) => (r.try_get(0).map_err(db)?, r.try_get(1).map_err(db)?, r.try_get(2).map_err(db)?, r.try_get(3).map_err(db)?),
            None => (0, 0, 0, None),
        };
        Ok(DeploymentSummary {
            name,
            snapshot: u64::try_from(snapshot).unwrap_or_default(),
            resources: usize::try_from(resources).unwrap_or_default(),
            unsettled: usize::try_from(unsettled).unwrap_or_default(),
            last_run,
            pattern,
            interrupted,
        })
    }

    /// The runs of a deployment, the last one first.
    pub async fn runs(&self, deployment: &DeploymentName) -> Result<Vec<Run>, StoreError> {
        let mut tx = self.read().await?;
        let rows = sqlx::query(sqlx::AssertSqlSafe(format!("{RUNS} AND b.deployment = ? ORDER BY b.number DESC")))
            .bind(deployment.as_str())
            .fetch_all(&mut *tx)
            .await
            .map_err(|e| self.error(e, During::Read))?;
        rows.iter().map(|r| self.parse_run(r)).collect()
    }

    /// One run.
    pub async fn run(&self, run: &RunId) -> Result<Option<Run>, StoreError> {
        let mut tx = self.read().await?;
        let row = sqlx::query(sqlx::AssertSqlSafe(format!("{RUNS} AND b.run = ?")))
            .bind(&run.0)
            .fetch_optional(&mut *tx)
            .await
            .map_err(|e| self.error(e, During::Read))?;
        row.map(|r| self.parse_run(&r)).transpose()
    }

    /// The deployment's last run, if it was cut short: killed (it has no end, and nobody alive holds its lock) or stopped by the person.
    pub async fn interrupted(&self, deployment: &DeploymentName) -> Result<Option<Run>, StoreError> {
        let mut tx = self.read().await?;
        let last = self.last_run(&mut tx, deployment).await?;
        Ok(if self.is_interrupted(&mut tx, deployment, last.as_ref()).await? { last } else { None })
    }

    async fn is_interrupted(&self, tx: &mut SqliteConnection, deployment: &DeploymentName, last: Option<&Run>) -> Result<bool, StoreError> {
        match last {
            None => Ok(false),
            Some(Run { end: Some(end), .. }) => Ok(end.interrupted),
            Some(run) => Ok(!self.is_running(tx, deployment, &run.header.id).await?),
        }
    }

    async fn last_run(&self, tx: &mut SqliteConnection, deployment: &DeploymentName) -> Result<Option<Run>, StoreError> {
        let row = sqlx::query(sqlx::AssertSqlSafe(format!("{RUNS} AND b.deployment = ? ORDER BY b.number DESC LIMIT 1")))
            .bind(deployment.as_str())
            .fetch_optional(tx)
            .await
            .map_err(|e| self.error(e, During::Read))?;
        row.map(|r| self.parse_run(&r)).transpose()
    }

    /// Entries of the journal, oldest first.
    pub async fn entries(&self, filter: &EntryFilter) -> Result<Vec<Entry>, StoreError> {
        let mut query = QueryBuilder::<Sqlite>::new(ENTRIES);
        query.push(" WHERE true");
        if let Some(deployment) = &filter.deployment {
            query.push(" AND deployment = ").push_bind(deployment.as_str());
        }
        if let Some(run) = &filter.run {
            query.push(" AND run = ").push_bind(run.0.as_str());
        }
        if let Some(address) = &filter.address {
            query.push(" AND address = ").push_bind(address.to_string());
        }
        if let Some(after) = filter.after {
            query.push(" AND number > ").push_bind(after);
        }
        query.push(" ORDER BY number");
        if let Some(limit) = filter.limit {
            query.push(" LIMIT ").push_bind(limit);
        }
        let mut tx = self.read().await?;
        let rows = query.build().fetch_all(&mut *tx).await.map_err(|e| self.error(e, During::Read))?;
        rows.iter().map(|r| self.parse_entry(r)).collect()
    }

    pub(super) async fn entries_after(
        &self,
        connection: &mut SqliteConnection,
        deployment: &DeploymentName,
        after: i64,
    ) -> Result<Vec<Entry>, StoreError> {
        let rows = sqlx::query(sqlx::AssertSqlSafe(format!("{ENTRIES} WHERE deployment = ? AND number > ? ORDER BY number")))
            .bind(deployment.as_str())
            .bind(after)
            .fetch_all(connection)
            .await
            .map_err(|e| self.error(e, During::Read))?;
        rows.iter().map(|r| self.parse_entry(r)).collect()
    }

    pub(super) async fn entries_of_run(&self, connection: &mut SqliteConnection, run: &RunId) -> Result<Vec<Entry>, StoreError> {
        let rows = sqlx::query(sqlx::AssertSqlSafe(format!("{ENTRIES} WHERE run = ? ORDER BY number")))
            .bind(&run.0)
            .fetch_all(connection)
            .await
            .map_err(|e| self.error(e, During::Read))?;
        rows.iter().map(|r| self.parse_entry(r)).collect()
    }

    /// Where an address is recorded now, over all deployments. Its type may be abbreviated: `aws:vpc:main` finds `aws:vpc:network:main`.
    pub async fn find_recorded(&self, address: &Address) -> Result<Vec<(DeploymentName, Recorded)>, StoreError> {
        let mut tx = self.read().await?;
        let names: Vec<String> = sqlx::query_scalar("SELECT DISTINCT deployment FROM journal WHERE kind = 'run-began' ORDER BY deployment")
            .fetch_all(&mut *tx)
            .await
            .map_err(|e| self.error(e, During::Read))?;
        let mut found = Vec::new();
        for name in names {
            let name = DeploymentName::new(name).map_err(|e| self.damaged(e.to_string()))?;
            for recorded in self.recorded_in(&mut tx, &name, address).await? {
                found.push((name.clone(), recorded));
            }
        }
        Ok(found)
    }

    async fn recorded_in(
        &self,
        tx: &mut SqliteConnection,
        deployment: &DeploymentName,
        wanted: &Address,
    ) -> Result<Vec<Recorded>, StoreError> {
        let fits = |a: &Address| a.server == wanted.server && a.name == wanted.name && a.kind.is_under(&wanted.kind);
        let open = journal::open_run(tx, deployment).await.map_err(|e| self.error(e, During::Read))?;
        if open.is_some() {
            let latest = self.latest_in(tx, deployment).await?;
            return Ok(latest.into_iter().flat_map(|s| s.resources).filter(|(a, _)| fits(a)).map(|(_, r)| r).collect());
        }
        // The database picks the resource out of the snapshot, so that a large one is not read whole for one address.
        let rows: Vec<String> = sqlx::query_scalar(
            "SELECT r.value FROM snapshot s, json_each(s.body, '$.resources') r \
             WHERE s.deployment = ?1 AND s.number = (SELECT max(number) FROM snapshot WHERE deployment = ?1) \
             AND r.key GLOB ?2 || ':*:' || ?3",
        )
        .bind(deployment.as_str())
        .bind(wanted.server.as_str())
        .bind(wanted.name.as_str())
        .fetch_all(tx)
        .await
        .map_err(|e| self.error(e, During::Read))?;
        let mut found = Vec::new();
        for row in rows {
            let recorded: Recorded = self.parse("a recorded resource", &row)?;
            if fits(&recorded.address) {
                found.push(recorded);
            }
        }
        Ok(found)
    }

    pub(super) fn parse_entry(&self, row: &SqliteRow) -> Result<Entry, StoreError> {
        let db = |e| self.error(e, During::Read);
        let number: i64 = row.try_get(0).map_err(db)?;
        let what = format!("entry {number} of the journal");
        let deployment: String = row.try_get(2).map_err(db)?;
        Ok(Entry {
            number,
            at: self.time(&what, row.try_get(1).map_err(db)?)?,
            deployment: DeploymentName::new(deployment).map_err(|e| self.damaged(format!("{what} cannot be read: {e}")))?,
            run: RunId(row.try_get(3).map_err(db)?),
            body: self.parse(&what, row.try_get(4).map_err(db)?)?,
            previous: row.try_get(5).map_err(db)?,
            hash: row.try_get(6).map_err(db)?,
        })
    }

    fn parse_run(&self, row: &SqliteRow) -> Result<Run, StoreError> {
        let db = |e| self.error(e, During::Read);
        let what = "a run in the journal";
        let EntryBody::RunBegan { header } = self.parse(what, row.try_get(0).map_err(db)?)? else {
            return Err(self.damaged(format!("{what} does not begin")));
        };
        let end = match row.try_get::<Option<&str>, _>(2).map_err(db)? {
            None => None,
            Some(text) => match self.parse(what, text)? {
                EntryBody::RunEnded { end } => Some(end),
                _ => return Err(self.damaged(format!("{what} does not end"))),
            },
        };
        let ended_at: Option<&str> = row.try_get(3).map_err(db)?;
        Ok(Run {
            header,
            began_at: self.time(what, row.try_get(1).map_err(db)?)?,
            ended_at: ended_at.map(|t| self.time(what, t)).transpose()?,
            end,
            snapshot: row.try_get::<Option<i64>, _>(4).map_err(db)?.and_then(|n| u64::try_from(n).ok()),
        })
    }
}

/// Whether deployments of which nothing is left are listed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Gone {
    /// They are not.
    #[default]
    Hidden,
    /// They are.
    Listed,
}
