//! Writes the journal: a run, its steps, what was settled, and the snapshot at its end. Every entry is chained to the one before it by hash.
//!
//! A begin is on the disk before `begin_step` returns. Every entry is refused when the lock was lost, so two runs never write as one.

use sqlx::{Row, SqliteConnection};

use crate::domain::{
    Action, Address, DeploymentName, Outcome, Timestamp, ToolName,
    canonical::{quoted, sha256_hex},
};

use super::{During, EntryBody, Lock, Recorded, RunEnd, RunHeader, RunId, Snapshot, Store, StoreError, Write, fold, snapshot, to_json};

/// What the first entry is chained to: SHA-256 of `swell journal 1`.
pub const GENESIS: &str = "f97fd181516411d4c69d576795ad99a56e2da8385a2dbbf4fee8fd0c78c6237c";

/// A run that has begun and not ended. Dropping it without [`Journal::end`] leaves the run interrupted, as a crash would.
#[derive(Debug)]
pub struct Journal {
    store: Store,
    run: RunId,
    deployment: DeploymentName,
    token: i64,
}

/// A step whose call is about to be sent.
#[derive(Debug, Clone, PartialEq)]
pub struct StepBegin {
    /// Number of the step in the plan.
    pub step: usize,
    /// Which resource.
    pub address: Address,
    /// What it does.
    pub action: Action,
    /// The tool that is called.
    pub tool: ToolName,
    /// The idempotency key.
    pub key: String,
    /// What the record will be if it is done, without id and outputs; none for a delete.
    pub intended: Option<Recorded>,
}

/// How a step ended.
#[derive(Debug, Clone, PartialEq)]
pub struct StepEnd {
    /// How.
    pub outcome: Outcome,
    /// The resource as it now is; none if it is gone or was never made.
    pub resource: Option<Recorded>,
    /// The server's words, scrubbed of secrets, or ours.
    pub error: Option<String>,
    /// How long the call took.
    pub elapsed_ms: u64,
}

/// A begin that is on the disk. Its end must be recorded with [`Journal::end_step`], or the step counts as unknown.
#[derive(Debug)]
#[must_use = "a step that began and has no recorded end counts as unknown"]
pub struct Begun {
    entry: i64,
    step: usize,
    address: Address,
    action: Action,
}

impl Begun {
    /// The journal's number of the begin.
    pub fn entry(&self) -> i64 {
        self.entry
    }
}

impl Store {
    /// Begins a run under a lock. A run of the deployment that was interrupted is closed first, in the same transaction.
    pub async fn begin_run(&self, lock: &Lock, header: RunHeader) -> Result<Journal, StoreError> {
        let journal = Journal { store: self.clone(), run: header.id.clone(), deployment: lock.deployment().clone(), token: lock.token() };
        if header.deployment != journal.deployment {
            let detail = format!("a run of `{}` was begun under the lock of `{}`", header.deployment, journal.deployment);
            return Err(StoreError::Database { detail, during: During::Before });
        }
        let mut write = self.write(During::Before).await?;
        lock.check(&mut write).await?;
        close_open_run(&mut write, &journal.deployment).await?;
        let now = snapshot::newest(self, &mut write.tx, &journal.deployment).await?.map_or(0, |s| s.number);
        if header.base != now {
            return Err(StoreError::Moved { deployment: journal.deployment, base: header.base, now });
        }
        append(&mut write, &journal.deployment, &journal.run, &EntryBody::RunBegan { header }).await?;
        sqlx::query("UPDATE lock SET run = ? WHERE token = ?")
            .bind(&journal.run.0)
            .bind(journal.token)
            .execute(&mut *write.tx)
            .await
            .map_err(|e| self.error(e, During::Before))?;
        write.commit().await?;
        Ok(journal)
    }

    /// Closes an interrupted run under a lock, so that its snapshot is kept. [`Store::begin_run`] does it by itself.
    pub async fn close_interrupted(&self, lock: &Lock) -> Result<Option<Snapshot>, StoreError> {
        let mut write = self.write(During::Record).await?;
        lock.check(&mut write).await?;
        let made = close_open_run(&mut write, lock.deployment()).await?;
        write.commit().await?;
        Ok(made)
    }
}

impl Journal {
    /// The run.
    pub fn run(&self) -> &RunId {
        &self.run
    }

    /// The deployment.
    pub fn deployment(&self) -> &DeploymentName {
        &self.deployment
    }

    /// Records that a call is about to be sent. When this returns, the entry is on the disk.
    pub async fn begin_step(&self, begin: StepBegin) -> Result<Begun, StoreError> {
        let StepBegin { step, address, action, tool, key, intended } = begin;
        let body = EntryBody::StepBegan { step, address: address.clone(), action, tool, key, intended };
        let entry = self.record(During::Before, &body).await?;
        Ok(Begun { entry, step, address, action })
    }

    /// Records how a call ended; returns the entry's number.
    pub async fn end_step(&self, begun: Begun, end: StepEnd) -> Result<i64, StoreError> {
        let Begun { entry, step, address, action } = begun;
        let StepEnd { outcome, resource, error, elapsed_ms } = end;
        let body = EntryBody::StepEnded { began: entry, step, address, action, outcome, resource, error, elapsed_ms };
        self.record(During::After, &body).await
    }

    /// Records a step that ended without a call: skipped, or refused before anything was sent.
    pub async fn pass_step(&self, step: usize, address: Address, action: Action, end: StepEnd) -> Result<i64, StoreError> {
        let StepEnd { outcome, resource, error, elapsed_ms } = end;
        let body = EntryBody::StepEnded { began: 0, step, address, action, outcome, resource, error, elapsed_ms };
        self.record(During::Record, &body).await
    }

    /// Records what came of a call whose outcome was unknown: the resource as it is, or none if it is not there.
    pub async fn settle(&self, began: i64, address: Address, resource: Option<Recorded>, how: &str) -> Result<i64, StoreError> {
        self.record(During::Record, &EntryBody::Settled { began, address, resource, how: how.to_owned() }).await
    }

    /// Drops a resource from the record; nothing is called.
    pub async fn forget(&self, address: Address, why: &str) -> Result<i64, StoreError> {
        self.record(During::Record, &EntryBody::Forgotten { address, why: why.to_owned() }).await
    }

    /// Takes an existing resource into the record.
    pub async fn adopt(&self, resource: Recorded) -> Result<i64, StoreError> {
        self.record(During::Record, &EntryBody::Adopted { resource: Box::new(resource) }).await
    }

    /// Records a resource as a refresh saw it; nothing is called.
    pub async fn refreshed(&self, resource: Recorded) -> Result<i64, StoreError> {
        self.record(During::Record, &EntryBody::Refreshed { resource: Box::new(resource) }).await
    }

    /// Ends the run and writes the snapshot that it made, in one transaction; none if it changed nothing.
    pub async fn end(self, end: RunEnd) -> Result<Option<Snapshot>, StoreError> {
        let mut write = self.store.write(During::Record).await?;
        self.check(&mut write).await?;
        let made = end_run(&mut write, &self.deployment, &self.run, end).await?;
        write.commit().await?;
        Ok(made)
    }

    async fn record(&self, during: During, body: &EntryBody) -> Result<i64, StoreError> {
        let mut write = self.store.write(during).await?;
        self.check(&mut write).await?;
        let (number, _) = append(&mut write, &self.deployment, &self.run, body).await?;
        write.commit().await?;
        Ok(number)
    }

    /// Refuses when the lock is no longer ours or the run has ended.
    async fn check(&self, write: &mut Write<'_>) -> Result<(), StoreError> {
        match super::lock::run_of(write, &self.deployment, self.token).await? {
            Some(run) if run == self.run.0 => Ok(()),
            _ => Err(StoreError::RunOver { run: self.run.clone(), during: write.during }),
        }
    }
}

/// Ends the deployment's last run if it has no end, as interrupted.
async fn close_open_run(write: &mut Write<'_>, deployment: &DeploymentName) -> Result<Option<Snapshot>, StoreError> {
    let Some(run) = open_run(&mut write.tx, deployment).await.map_err(|e| write.error(e))? else { return Ok(None) };
    let entries = write.store.entries_of_run(&mut write.tx, &run).await?;
    let mut end = RunEnd { interrupted: true, ..RunEnd::default() };
    let mut open = std::collections::BTreeSet::new();
    for entry in &entries {
        match &entry.body {
            EntryBody::StepBegan { action, .. } if action.is_mutating() => drop(open.insert(entry.number)),
            EntryBody::StepEnded { began, outcome, .. } => {
                open.remove(began);
                match outcome {
                    Outcome::Done => end.done += 1,
                    Outcome::Failed => end.failed += 1,
                    Outcome::Skipped => end.skipped += 1,
                    Outcome::Unknown => end.unknown += 1,
                }
            }
            _ => {}
        }
    }
    end.unknown += open.len();
    end_run(write, deployment, &run, end).await
}

/// The deployment's last run, if it has no end. Only the last can be open, since a new one closes the one before it.
pub(super) async fn open_run(connection: &mut SqliteConnection, deployment: &DeploymentName) -> Result<Option<RunId>, sqlx::Error> {
    let last: Option<String> =
        sqlx::query_scalar("SELECT run FROM journal WHERE kind = 'run-began' AND deployment = ? ORDER BY number DESC LIMIT 1")
            .bind(deployment.as_str())
            .fetch_optional(&mut *connection)
            .await?;
    let Some(run) = last else { return Ok(None) };
    let ended: i64 =
        sqlx::query_scalar("SELECT count(*) FROM journal WHERE kind = 'run-ended' AND run = ?").bind(&run).fetch_one(connection).await?;
    Ok((ended == 0).then_some(RunId(run)))
}

async fn end_run(write: &mut Write<'_>, deployment: &DeploymentName, run: &RunId, end: RunEnd) -> Result<Option<Snapshot>, StoreError> {
    append(write, deployment, run, &EntryBody::RunEnded { end }).await?;
    let store = write.store;
    sqlx::query("UPDATE lock SET run = NULL WHERE run = ?").bind(&run.0).execute(&mut *write.tx).await.map_err(|e| write.error(e))?;
    let base = snapshot::newest(store, &mut write.tx, deployment).await?;
    let after = base.as_ref().map_or(0, |s| s.last_entry);
    let entries = store.entries_after(&mut write.tx, deployment, after).await?;
    let folded = fold(base.as_ref(), &entries);
    if folded.is_like(base.as_ref()) {
        return Ok(None);
    }
    let Some(made) = folded.into_snapshot(deployment, base.map_or(0, |s| s.number) + 1) else { return Ok(None) };
    let count = |n: usize| i64::try_from(n).unwrap_or(i64::MAX);
    sqlx::query(
        "INSERT INTO snapshot (deployment, number, run, last_entry, resources, unsettled, pattern, body) VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
    )
    .bind(deployment.as_str())
    .bind(i64::try_from(made.number).unwrap_or(i64::MAX))
    .bind(&made.run.0)
    .bind(made.last_entry)
    .bind(count(made.resources.len()))
    .bind(count(made.unsettled.len()))
    .bind(&made.recipe.pattern)
    .bind(to_json(&made)?)
    .execute(&mut *write.tx)
    .await
    .map_err(|e| write.error(e))?;
    Ok(Some(made))
}

/// Adds one entry to the chain.
async fn append(write: &mut Write<'_>, deployment: &DeploymentName, run: &RunId, body: &EntryBody) -> Result<(i64, Timestamp), StoreError> {
    let head = sqlx::query("SELECT number, hash FROM journal ORDER BY number DESC LIMIT 1")
        .fetch_optional(&mut *write.tx)
        .await
        .map_err(|e| write.error(e))?;
    let (last, previous) = match &head {
        Some(row) => (row.try_get(0).map_err(|e| write.error(e))?, row.try_get(1).map_err(|e| write.error(e))?),
        None => (0_i64, GENESIS.to_owned()),
    };
    let at = write.store.now();
    let link = Link {
        number: last + 1,
        at: &at.to_string(),
        deployment: deployment.as_str(),
        run: &run.0,
        body: &to_json(body)?,
        previous: &previous,
    };
    sqlx::query("INSERT INTO journal (number, at, deployment, run, body, previous, hash) VALUES (?, ?, ?, ?, ?, ?, ?)")
        .bind(link.number)
        .bind(link.at)
        .bind(link.deployment)
        .bind(link.run)
        .bind(link.body)
        .bind(link.previous)
        .bind(link.hash())
        .execute(&mut *write.tx)
        .await
        .map_err(|e| write.error(e))?;
    Ok((link.number, at))
}

/// An entry as it stands in the file, before anything is parsed.
pub(super) struct Link<'a> {
    pub number: i64,
    pub at: &'a str,
    pub deployment: &'a str,
    pub run: &'a str,
    /// Canonical JSON. Hashed as it stands, so that not one byte of it can change unnoticed.
    pub body: &'a str,
    pub previous: &'a str,
}

impl Link<'_> {
    /// SHA-256 over the canonical JSON of the entry without its hash.
    pub(super) fn hash(&self) -> String {
        let Self { number, at, deployment, run, body, previous } = self;
        let (at, deployment, run, previous) = (quoted(at), quoted(deployment), quoted(run), quoted(previous));
        let text = format!(r#"{{"at":{at},"body":{body},"deployment":{deployment},"number":{number},"previous":{previous},"run":{run}}}"#);
        sha256_hex(text.as_bytes())
    }
}
