//! What can go wrong with the state, and how it is said: each error knows what is true now and the next command.
//!
//! The database crate's own errors end here; nobody above sees them.

use std::path::{Path, PathBuf};

use crate::{
    diagnostic::{Diagnostic, Explain},
    domain::DeploymentName,
};

use super::{Holder, RunId};

/// What the store was doing, because what is true afterwards depends on it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum During {
    /// Opening the file.
    Open,
    /// Reading.
    Read,
    /// Writing something that stands before a call: a plan, a lock, the begin of a run or of a step.
    Before,
    /// Writing how a call ended.
    After,
    /// Writing something that belongs to no call: how a run ended, what was settled, a session.
    Record,
}

impl During {
    fn state(self) -> &'static str {
        match self {
            During::Open | During::Read => "Nothing was changed.",
            During::Before => "Nothing was recorded, and no call was sent.",
            During::Record => "This was not recorded. Everything that was recorded before stands.",
            During::After => {
                "The call was sent, and its outcome is not recorded. The journal has the attempt, so it counts as unknown; the next plan asks \
                 the server what came of it."
            }
        }
    }
}

/// How it is known that a holder of a lock is alive.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Sign {
    /// Its process runs on this machine.
    Running,
    /// Its lease is not over.
    Lease,
}

/// Why the state could not be read or written.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// Someone else works on the deployment.
    #[error("the deployment `{deployment}` is locked by {}", holder.who)]
    Locked {
        /// The deployment.
        deployment: DeploymentName,
        /// Who.
        holder: Box<Holder>,
        /// How it is known that the holder is alive.
        alive: Sign,
    },
    /// Our lock was taken over, because our lease had run out.
    #[error("the lock of `{deployment}` was lost")]
    LockLost {
        /// The deployment.
        deployment: DeploymentName,
        /// Who has it now.
        holder: Option<Box<Holder>>,
        /// What was to be written.
        during: During,
    },
    /// The run has ended, so nothing can be added to it.
    #[error("the run {run} has ended")]
    RunOver {
        /// The run.
        run: RunId,
        /// What was to be written.
        during: During,
    },
    /// The plan was made for another state than the present one.
    #[error("`{deployment}` is at snapshot {now}, not at {base}")]
    Moved {
        /// The deployment.
        deployment: DeploymentName,
        /// The snapshot on which the plan builds.
        base: u64,
        /// The latest snapshot.
        now: u64,
    },
    /// The path leads to something that is not a file.
    #[error("{} is not a file", path.display())]
    NotAFile {
        /// Where.
        path: PathBuf,
    },
    /// The file holds something else.
    #[error("{} is not a state of swell: {reason}", path.display())]
    NotAState {
        /// Where.
        path: PathBuf,
        /// What it is instead.
        reason: &'static str,
    },
    /// The file or what is in it is broken.
    #[error("{} is damaged: {detail}", path.display())]
    Damaged {
        /// Where.
        path: PathBuf,
        /// How that is known.
        detail: String,
    },
    /// A newer `swell` wrote the file.
    #[error("{} has schema {found}; this binary knows {known}", path.display())]
    Newer {
        /// Where.
        path: PathBuf,
        /// Schema of the file.
        found: i64,
        /// The newest schema that this binary knows.
        known: i64,
    },
    /// No space.
    #[error("no space left for {}", path.display())]
    Full {
        /// Where.
        path: PathBuf,
        /// What was to be written.
        during: During,
    },
    /// Another process kept the file for too long.
    #[error("{} is busy", path.display())]
    Busy {
        /// Where.
        path: PathBuf,
        /// What was to be done.
        during: During,
    },
    /// The file or its folder cannot be read or written.
    #[error("{} cannot be opened or written: {detail}", path.display())]
    NoAccess {
        /// Where.
        path: PathBuf,
        /// What the system said.
        detail: String,
        /// What was to be done.
        during: During,
    },
    /// There is no such plan.
    #[error("there is no plan {digest}")]
    NoPlan {
        /// Its digest, as asked for.
        digest: String,
    },
    /// The plan was used.
    #[error("the plan {digest} was used by run {by}")]
    PlanUsed {
        /// Its digest.
        digest: String,
        /// The run that used it.
        by: RunId,
    },
    /// The bytes of the plan do not have its digest.
    #[error("the plan {digest} was altered")]
    PlanAltered {
        /// Its digest.
        digest: String,
    },
    /// The text of a query is not one read-only statement.
    #[error("not a query: {reason}")]
    NotAQuery {
        /// Why.
        reason: &'static str,
    },
    /// The query failed.
    #[error("the query failed: {detail}")]
    Query {
        /// What the database said.
        detail: String,
    },
    /// The query took too long or returned too much.
    #[error("the query was stopped: {limit}")]
    QueryLimit {
        /// Which limit it hit.
        limit: &'static str,
    },
    /// Anything else that the database said.
    #[error("the state cannot be used: {detail}")]
    Database {
        /// What it said.
        detail: String,
        /// What was to be done.
        during: During,
    },
}

/// Turns an error of the database crate into ours.
pub(super) fn from_sqlx(error: sqlx::Error, path: &Path, during: During) -> StoreError {
    let path = path.to_owned();
    let detail = error.to_string();
    let code = error.as_database_error().and_then(|e| e.code()).and_then(|c| c.parse::<u32>().ok());
    // The low byte is the primary code: https://www.sqlite.org/rescode.html
    match code.map(|c| c & 0xff) {
        Some(5 | 6) => StoreError::Busy { path, during },
        Some(3 | 8 | 14 | 23) => StoreError::NoAccess { path, detail, during },
        Some(10) => StoreError::NoAccess { path, detail, during },
        Some(11) => StoreError::Damaged { path, detail },
        Some(13) => StoreError::Full { path, during },
        Some(26) => StoreError::NotAState { path, reason: "it is not an SQLite database" },
        _ => match error {
            sqlx::Error::PoolTimedOut => StoreError::Busy { path, during },
            sqlx::Error::Io(e) => from_io(&e, &path, during),
            _ => StoreError::Database { detail, during },
        },
    }
}

/// Turns an error of the file system into ours.
pub(super) fn from_io(error: &std::io::Error, path: &Path, during: During) -> StoreError {
    let path = path.to_owned();
    match error.kind() {
        std::io::ErrorKind::StorageFull | std::io::ErrorKind::QuotaExceeded => StoreError::Full { path, during },
        _ => StoreError::NoAccess { path, detail: error.to_string(), during },
    }
}

impl Explain for StoreError {
    fn explain(&self) -> Diagnostic {
        let file = |d: Diagnostic, path: &Path| d.fact("file", path.display().to_string());
        match self {
            StoreError::Locked { deployment, holder, alive } => {
                let since = holder.since.strftime("%Y-%m-%d %H:%M:%SZ");
                let d = Diagnostic::error("store::locked", "Someone else is working on this deployment")
                    .fact("deployment", deployment.as_str())
                    .fact("holder", format!("{} (process {} on {})", holder.who, holder.pid, holder.host))
                    .fact("doing", format!("{}, since {since}", holder.what));
                let d = match alive {
                    Sign::Running => d.detail("Its process is running on this machine, so the lock is not taken over."),
                    Sign::Lease => d.detail(format!(
                        "Its lease ends at {} unless it is renewed; once it is over, the next command takes the lock by itself.",
                        holder.lease.strftime("%Y-%m-%d %H:%M:%SZ")
                    )),
                };
                d.state("Nothing was changed.")
                    .next("Wait for it to end. To see what it is doing, run:", format!("swell show {deployment}"))
            }
            StoreError::LockLost { deployment, holder, during } => {
                let d = Diagnostic::error("store::lock-lost", "The lock was lost").fact("deployment", deployment.as_str());
                let d = match holder {
                    Some(h) => d.fact("holder", format!("{} (process {} on {}), {}", h.who, h.pid, h.host, h.what)),
                    None => d,
                };
                d.detail("The lease ran out before it was renewed (the machine slept, or was too busy), and the lock was taken by another.")
                    .state(during.state())
                    .next("Look at what is recorded before you go on:", format!("swell history {deployment}"))
            }
            StoreError::RunOver { run, during } => {
                Diagnostic::bug("store::run-over", format!("Something was to be recorded for the run {run}, which has ended."))
                    .state(during.state())
            }
            StoreError::Moved { deployment, base, now } => Diagnostic::error("store::plan-is-stale", "The plan is out of date")
                .fact("deployment", deployment.as_str())
                .detail(format!("The plan was made for snapshot {base}, and the deployment is now at snapshot {now}."))
                .state("No call was sent.")
                .next("Plan again:", format!("swell plan {deployment}")),
            StoreError::NotAFile { path } => file(Diagnostic::error("store::not-a-file", "The state is not a file"), path)
                .detail("There is a folder or a device where the state should be.")
                .state("Nothing was changed.")
                .next("See which setting names it, and correct it:", "swell doctor"),
            StoreError::NotAState { path, reason } => {
                file(Diagnostic::error("store::not-a-state", "This file is not a state of Swell"), path)
                    .detail(format!("Swell will not touch it: {reason}."))
                    .state("The file was not changed, and no server was called.")
                    .next("See which setting names it, and correct it:", "swell doctor")
            }
            StoreError::Damaged { path, detail } => file(Diagnostic::error("store::damaged", "The state is damaged"), path)
                .detail(format!("Swell does not work on a state that it cannot trust. What was found: {detail}."))
                .state("The file was not changed, and no server was called. The resources themselves are untouched.")
                .next("Put a good copy in its place (copies end in `.bak`), then check it:", "swell history --verify")
                .hint("Without a copy, move the file away and take the existing resources into a new state with `swell import`."),
            StoreError::Newer { path, found, known } => {
                file(Diagnostic::error("store::newer-schema", "A newer version of Swell wrote this state"), path)
                    .detail(format!("The state has schema {found}, and this binary knows schemas up to {known}."))
                    .state("The file was not changed, and no server was called.")
                    .next("Use the newer binary; to see which one this is, run:", "swell --version")
            }
            StoreError::Full { path, during } => file(Diagnostic::error("store::full", "There is no space left for the state"), path)
                .detail("The disk is full, or a quota is used up. Swell calls nothing that it cannot record.")
                .state(during.state())
                .next("Make space, then go on with the run if there is one:", "swell resume"),
            StoreError::Busy { path, during } => file(Diagnostic::error("store::busy", "The state is busy"), path)
                .detail("Another process kept the file for longer than Swell waits.")
                .state(during.state())
                .next("Try again. To see who holds a lock, run:", "swell doctor"),
            StoreError::NoAccess { path, detail, during } => {
                file(Diagnostic::error("store::no-access", "The state cannot be read or written"), path)
                    .detail(format!("The system said: {detail}. The file and its folder must be writable by you."))
                    .state(during.state())
                    .next("See which setting names it, and correct it or its permissions:", "swell doctor")
            }
            StoreError::NoPlan { digest } => Diagnostic::error("store::no-plan", "There is no such plan")
                .fact("plan", digest)
                .detail("No plan with this digest is kept here. Plans that were not used are dropped after 30 days.")
                .state("No call was sent.")
                .next("Plan again:", "swell plan"),
            StoreError::PlanUsed { digest, by } => Diagnostic::error("store::plan-used", "The plan was used")
                .fact("plan", digest)
                .fact("run", by.to_string())
                .detail("A plan is carried out once.")
                .state("No call was sent.")
                .next("See how that run ended, then plan again:", "swell history"),
            StoreError::PlanAltered { digest } => Diagnostic::error("store::plan-altered", "The plan was altered")
                .fact("plan", digest)
                .detail("Its bytes do not have its digest, so it is not the plan that was shown.")
                .state("No call was sent.")
                .next("Check the state, then plan again:", "swell history --verify"),
            StoreError::NotAQuery { reason } => Diagnostic::error("store::not-a-query", "This is not a query")
                .detail(format!("Only one statement that reads is run: {reason}."))
                .state("Nothing was run.")
                .next("For example:", "swell query \"SELECT address, id FROM resources\""),
            StoreError::Query { detail } => Diagnostic::error("store::query-failed", "The query failed")
                .detail(format!("The database said: {detail}."))
                .state("Nothing was changed.")
                .next("The views are resources, runs, entries and outputs. For example:", "swell query \"SELECT * FROM runs\""),
            StoreError::QueryLimit { limit } => Diagnostic::error("store::query-limit", "The query was stopped")
                .detail(format!("It hit a limit: {limit}."))
                .state("Nothing was changed.")
                .hint("Narrow it with WHERE, or add LIMIT."),
            StoreError::Database { detail, during } => {
                Diagnostic::bug("store::database", format!("The database said: {detail}.")).state(during.state())
            }
        }
    }
}
