//! One writer for each deployment: a row that says who, when and what, with a lease that its holder renews.
//!
//! A holder whose process is gone, or whose lease ran out where its process cannot be seen, is taken over and named. A holder that wakes
//! up after that can write nothing more: every entry of the journal asks for the token of the lock.

use std::{
    sync::{
        Arc, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use sqlx::{Row, SqliteConnection, sqlite::SqliteRow};

use crate::domain::{DeploymentName, Timestamp};

use super::{During, Holder, RunId, Sign, Store, StoreError, Write};

/// Who asks for a lock.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Claim {
    /// `user@host`.
    pub who: String,
    /// Host name.
    pub host: String,
    /// Process.
    pub pid: u32,
    /// What for: `apply`, `destroy`, …
    pub what: String,
}

/// Tells whether the process that holds a lock is still there.
pub trait Alive: Send + Sync + 'static {
    /// A mark that tells this process apart from every other one that ever has its number.
    fn mark(&self, claim: &Claim) -> String;

    /// Whether the process with this mark runs; none if that cannot be told from here.
    fn is_running(&self, holder: &Holder, mark: &str) -> Option<bool>;
}

/// Asks the operating system.
#[derive(Debug, Default)]
pub struct OsAlive {
    /// The name of this machine, for systems that have no better mark than that.
    pub host: Option<String>,
}

impl Alive for OsAlive {
    fn mark(&self, claim: &Claim) -> String {
        match (machine(), started(claim.pid)) {
            (Some(machine), Started::At(time)) => format!("{machine} {time}"),
            _ => String::new(),
        }
    }

    fn is_running(&self, holder: &Holder, mark: &str) -> Option<bool> {
        if let Some((machine, time)) = mark.rsplit_once(' ') {
            // Another boot or another container: its numbers mean nothing here.
            if machine != self::machine()? {
                return None;
            }
            return match started(holder.pid) {
                Started::At(now) => Some(now == time),
                Started::Gone => Some(false),
                Started::Hidden => None,
            };
        }
        match &self.host {
            Some(host) if *host == holder.host && has_process(holder.pid) == Some(false) => Some(false),
            Some(host) if *host == holder.host => has_process(holder.pid),
            _ => None,
        }
    }
}

/// This boot of this machine, and the container in it: the world in which a process number means something.
fn machine() -> Option<String> {
    let boot = std::fs::read_to_string("/proc/sys/kernel/random/boot_id").ok()?;
    let space = std::fs::read_link("/proc/self/ns/pid").ok()?;
    Some(format!("{} {}", boot.trim(), space.display()))
}

enum Started {
    At(String),
    Gone,
    Hidden,
}

/// When a process was started, in the kernel's ticks.
fn started(pid: u32) -> Started {
    let Ok(stat) = std::fs::read_to_string(format!("/proc/{pid}/stat")) else {
        return if has_process(pid) == Some(false) { Started::Gone } else { Started::Hidden };
    };
    // The name, in brackets, may hold anything; what follows the last bracket are plain fields, from the third on.
    let fields: Vec<&str> = stat.rsplit(')').next().unwrap_or_default().split_whitespace().collect();
    match (fields.first(), fields.get(19)) {
        (Some(&("Z" | "X")), _) => Started::Gone,
        (_, Some(time)) => Started::At((*time).to_owned()),
        _ => Started::Hidden,
    }
}

#[cfg(unix)]
fn has_process(pid: u32) -> Option<bool> {
    let pid = rustix::process::Pid::from_raw(i32::try_from(pid).ok()?)?;
    match rustix::process::test_kill_process(pid) {
        Ok(()) | Err(rustix::io::Errno::PERM) => Some(true),
        Err(rustix::io::Errno::SRCH) => Some(false),
        Err(_) => None,
    }
}

#[cfg(not(unix))]
fn has_process(_: u32) -> Option<bool> {
    None
}

/// The lock of a deployment. Held until [`Lock::release`]; dropping it releases it soon after.
#[derive(Debug)]
pub struct Lock {
    store: Store,
    deployment: DeploymentName,
    token: i64,
    taken_from: Option<Holder>,
    lost: Arc<AtomicBool>,
    renewal: tokio::task::JoinHandle<()>,
    released: bool,
}

impl Store {
    /// Takes the lock of a deployment, from a dead holder if need be. Never waits for the holder.
    ///
    /// The lease is renewed in the background until the lock is released or dropped.
    pub async fn lock(&self, deployment: &DeploymentName, claim: Claim, lease: Duration) -> Result<Lock, StoreError> {
        let mut write = self.write(During::Before).await?;
        let now = self.now();
        let mut taken_from = None;
        if let Some(row) = self.lock_row(&mut write.tx, deployment).await? {
            if let Some(alive) = self.sign_of_life(&row, now) {
                return Err(StoreError::Locked { deployment: deployment.clone(), holder: Box::new(row.holder), alive });
            }
            if !self.was_dropped(row.token) {
                taken_from = Some(row.holder);
            }
            sqlx::query("DELETE FROM lock WHERE token = ?").bind(row.token).execute(&mut *write.tx).await.map_err(|e| write.error(e))?;
        }
        let token = sqlx::query("INSERT INTO lock (deployment, who, host, pid, mark, what, since, lease) VALUES (?, ?, ?, ?, ?, ?, ?, ?)")
            .bind(deployment.as_str())
            .bind(&claim.who)
            .bind(&claim.host)
            .bind(claim.pid)
            .bind(self.inner.alive.mark(&claim))
            .bind(&claim.what)
            .bind(now.to_string())
            .bind(end_of(now, lease).to_string())
            .execute(&mut *write.tx)
            .await
            .map_err(|e| write.error(e))?
            .last_insert_rowid();
        write.commit().await?;
        let lost = Arc::new(AtomicBool::new(false));
        let renewal = tokio::spawn(renew(self.clone(), token, lease, lost.clone()));
        Ok(Lock { store: self.clone(), deployment: deployment.clone(), token, taken_from, lost, renewal, released: false })
    }

    /// Who holds the lock of a deployment and is alive.
    pub async fn holder(&self, deployment: &DeploymentName) -> Result<Option<(Holder, Sign)>, StoreError> {
        let mut tx = self.read().await?;
        let row = self.lock_row(&mut tx, deployment).await?;
        Ok(row.and_then(|row| Some((self.sign_of_life(&row, self.now())?, row))).map(|(sign, row)| (row.holder, sign)))
    }

    /// Whether the run goes on: its lock is held by someone who is alive.
    pub(super) async fn is_running(
        &self,
        connection: &mut SqliteConnection,
        deployment: &DeploymentName,
        run: &RunId,
    ) -> Result<bool, StoreError> {
        let row = self.lock_row(connection, deployment).await?;
        Ok(row.is_some_and(|row| row.run.as_deref() == Some(&run.0) && self.sign_of_life(&row, self.now()).is_some()))
    }

    /// How it is known that the holder is alive; none if it is dead.
    fn sign_of_life(&self, row: &LockRow, now: Timestamp) -> Option<Sign> {
        if self.was_dropped(row.token) {
            return None;
        }
        match self.inner.alive.is_running(&row.holder, &row.mark) {
            // A process that we can see needs no lease: it may have slept together with this machine.
            Some(true) => Some(Sign::Running),
            Some(false) => None,
            None => (row.holder.lease > now).then_some(Sign::Lease),
        }
    }

    async fn lock_row(&self, connection: &mut SqliteConnection, deployment: &DeploymentName) -> Result<Option<LockRow>, StoreError> {
        let row = sqlx::query("SELECT token, who, host, pid, mark, what, since, lease, run FROM lock WHERE deployment = ?")
            .bind(deployment.as_str())
            .fetch_optional(connection)
            .await
            .map_err(|e| self.error(e, During::Read))?;
        row.map(|r| self.parse_lock(&r)).transpose()
    }

    fn parse_lock(&self, row: &SqliteRow) -> Result<LockRow, StoreError> {
        let db = |e| self.error(e, During::Read);
        Ok(LockRow {
            token: row.try_get(0).map_err(db)?,
            holder: Holder {
                who: row.try_get(1).map_err(db)?,
                host: row.try_get(2).map_err(db)?,
                pid: row.try_get(3).map_err(db)?,
                what: row.try_get(5).map_err(db)?,
                since: self.time("the time of a lock", row.try_get(6).map_err(db)?)?,
                lease: self.time("the lease of a lock", row.try_get(7).map_err(db)?)?,
            },
            mark: row.try_get(4).map_err(db)?,
            run: row.try_get(8).map_err(db)?,
        })
    }
}

struct LockRow {
    token: i64,
    holder: Holder,
    mark: String,
    run: Option<String>,
}

fn end_of(now: Timestamp, lease: Duration) -> Timestamp {
    now.checked_add(lease).unwrap_or(Timestamp::MAX)
}

async fn renew(store: Store, token: i64, lease: Duration, lost: Arc<AtomicBool>) {
    // Three tries within a lease, so that one busy moment does not lose the lock.
    let pause = (lease / 3).max(Duration::from_millis(10));
    loop {
        tokio::time::sleep(pause).await;
        let renewed = async {
            let mut write = store.write(During::Record).await?;
            let until = end_of(store.now(), lease).to_string();
            let done = sqlx::query("UPDATE lock SET lease = ? WHERE token = ?")
                .bind(until)
                .bind(token)
                .execute(&mut *write.tx)
                .await
                .map_err(|e| write.error(e))?
                .rows_affected();
            write.commit().await?;
            Ok::<_, StoreError>(done)
        };
        match renewed.await {
            Ok(0) => {
                lost.store(true, Ordering::Relaxed);
                return;
            }
            Ok(_) => {}
            Err(error) => tracing::warn!(%error, "the lease of a lock could not be renewed"),
        }
    }
}

/// The run that goes on under a lock, none if there is none; an error if the lock is no longer ours.
pub(super) async fn run_of(write: &mut Write<'_>, deployment: &DeploymentName, token: i64) -> Result<Option<String>, StoreError> {
    let run: Option<Option<String>> = sqlx::query_scalar("SELECT run FROM lock WHERE token = ?")
        .bind(token)
        .fetch_optional(&mut *write.tx)
        .await
        .map_err(|e| write.error(e))?;
    match run {
        Some(run) => Ok(run),
        None => {
            let store = write.store;
            let holder = store.lock_row(&mut write.tx, deployment).await?.map(|r| Box::new(r.holder));
            Err(StoreError::LockLost { deployment: deployment.clone(), holder, during: write.during })
        }
    }
}

impl Lock {
    /// The deployment.
    pub fn deployment(&self) -> &DeploymentName {
        &self.deployment
    }

    /// The dead holder from whom the lock was taken, to be told to the person.
    pub fn taken_from(&self) -> Option<&Holder> {
        self.taken_from.as_ref()
    }

    /// Whether the lock was found lost when its lease was to be renewed. The journal refuses entries in any case.
    pub fn is_lost(&self) -> bool {
        self.lost.load(Ordering::Relaxed)
    }

    pub(super) fn token(&self) -> i64 {
        self.token
    }

    /// Refuses when the lock is no longer ours.
    pub(super) async fn check(&self, write: &mut Write<'_>) -> Result<(), StoreError> {
        run_of(write, &self.deployment, self.token).await.map(drop)
    }

    /// Gives the lock back.
    pub async fn release(mut self) -> Result<(), StoreError> {
        self.released = true;
        self.renewal.abort();
        delete(&self.store, self.token).await
    }
}

async fn delete(store: &Store, token: i64) -> Result<(), StoreError> {
    let mut write = store.write(During::Record).await?;
    sqlx::query("DELETE FROM lock WHERE token = ?").bind(token).execute(&mut *write.tx).await.map_err(|e| write.error(e))?;
    write.commit().await
}

impl Drop for Lock {
    fn drop(&mut self) {
        self.renewal.abort();
        if self.released {
            return;
        }
        // This process sees the lock as free at once; others do when the row is gone, or when they see that this process is.
        self.store.inner.dropped.lock().unwrap_or_else(PoisonError::into_inner).insert(self.token);
        if let Ok(runtime) = tokio::runtime::Handle::try_current() {
            let (store, token) = (self.store.clone(), self.token);
            runtime.spawn(async move { delete(&store, token).await });
        }
    }
}
