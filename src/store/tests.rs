//! Tests of the state as a whole. What they share is here; each topic has a file.

use std::{
    collections::HashMap,
    sync::{
        Arc, Mutex,
        atomic::{AtomicI64, Ordering},
    },
    time::Duration,
};

use serde_json::json;

use super::*;
use crate::domain::{Action, Address, DeploymentName, Outcome};

mod corrupt;

mod fold;

mod locks;

mod reading;

mod runs;

/// A clock that stands until it is moved.
struct TestClock(AtomicI64);

impl Clock for TestClock {
    fn now(&self) -> Timestamp {
        Timestamp::from_second(self.0.load(Ordering::Relaxed)).unwrap()
    }
}

/// What is said of each process; one that is not listed cannot be seen.
#[derive(Default)]
struct TestAlive(Mutex<HashMap<u32, bool>>);

impl Alive for TestAlive {
    fn mark(&self, claim: &Claim) -> String {
        format!("mark {}", claim.pid)
    }
    fn is_running(&self, holder: &Holder, mark: &str) -> Option<bool> {
        assert_eq!(mark, format!("mark {}", holder.pid));
        self.0.lock().unwrap().get(&holder.pid).copied()
    }
}

/// A folder with a state file in it, and everything that a store is opened with.
struct Bed {
    dir: tempfile::TempDir,
    clock: Arc<TestClock>,
    alive: Arc<TestAlive>,
}

impl Bed {
    fn new() -> Self {
        Self { dir: tempfile::tempdir().unwrap(), clock: Arc::new(TestClock(AtomicI64::new(1_800_000_000))), alive: Arc::default() }
    }
    fn path(&self) -> PathBuf {
        self.dir.path().join("deep/state.db")
    }
    fn opening(&self) -> Opening {
        Opening { alive: self.alive.clone(), busy_timeout: Duration::from_secs(5), ..Opening::new(self.clock.clone()) }
    }
    async fn try_open(&self) -> Result<Store, StoreError> {
        Store::open_with(self.path(), self.opening()).await
    }
    async fn open(&self) -> Store {
        self.try_open().await.unwrap()
    }
    fn pass(&self, seconds: i64) {
        self.clock.0.fetch_add(seconds, Ordering::Relaxed);
    }
    fn say(&self, pid: u32, running: bool) {
        self.alive.0.lock().unwrap().insert(pid, running);
    }
}

fn shop() -> DeploymentName {
    "shop".parse().unwrap()
}

fn at(name: &str) -> Address {
    format!("docker:container:run:{name}").parse().unwrap()
}

fn record(name: &str, version: u64) -> Recorded {
    let object = |v: serde_json::Value| v.as_object().cloned().unwrap();
    Recorded {
        address: at(name),
        id: format!("id-{name}"),
        desired: object(json!({"version": version, "network": "${docker:network:n.id}"})),
        sent: object(json!({"version": version, "network": "n1"})),
        properties: object(json!({"version": version, "network": "n1"})),
        outputs: object(json!({"ip": "10.0.0.1"})),
        depends_on: Vec::new(),
        lifecycle: crate::domain::Lifecycle::default(),
        wait: None,
        target: "docker:local".into(),
        sensitive: Vec::new(),
        holds_data: false,
        created_by: None,
    }
}

fn header(run: &str, base: u64) -> RunHeader {
    RunHeader {
        id: RunId(run.into()),
        deployment: shop(),
        kind: RunKind::Apply,
        plan: "sha256:0".into(),
        request: "deploy a shop".into(),
        who: "ann@box".into(),
        approval: "key press".into(),
        recipe: Recipe { pattern: Some("shop".into()), ..Recipe::default() },
        outputs: indexmap::IndexMap::new(),
        base,
    }
}

fn claim(pid: u32) -> Claim {
    Claim { who: "ann@box".into(), host: "box".into(), pid, what: "apply".into() }
}

const LEASE: Duration = Duration::from_secs(30);

fn begin(name: &str, action: Action) -> StepBegin {
    let intended = (action != Action::Delete).then(|| record(name, 1));
    StepBegin { step: 1, address: at(name), action, tool: "create".parse().unwrap(), key: format!("key-{name}"), intended }
}

fn end(outcome: Outcome, resource: Option<Recorded>) -> StepEnd {
    StepEnd { outcome, resource, error: None, elapsed_ms: 5 }
}

/// One step that is done.
async fn step(journal: &Journal, name: &str, action: Action, resource: Option<Recorded>) {
    let begun = journal.begin_step(begin(name, action)).await.unwrap();
    journal.end_step(begun, end(Outcome::Done, resource)).await.unwrap();
}

/// A whole run that creates resources.
async fn deploy(store: &Store, run: &str, base: u64, names: &[&str]) -> Option<Snapshot> {
    let lock = store.lock(&shop(), claim(1), LEASE).await.unwrap();
    let journal = store.begin_run(&lock, header(run, base)).await.unwrap();
    for name in names {
        step(&journal, name, Action::Create, Some(record(name, 1))).await;
    }
    let made = journal.end(RunEnd { done: names.len(), ..RunEnd::default() }).await.unwrap();
    lock.release().await.unwrap();
    made
}

/// Writes to the file behind the store's back.
async fn tamper(path: &Path, sql: &str) {
    use sqlx::{ConnectOptions, Connection};
    let mut c = sqlx::sqlite::SqliteConnectOptions::new().filename(path).connect().await.unwrap();
    sqlx::raw_sql("DROP TRIGGER IF EXISTS journal_is_not_changed; DROP TRIGGER IF EXISTS journal_is_not_cut; PRAGMA foreign_keys = 0;")
        .execute(&mut c)
        .await
        .unwrap();
    sqlx::raw_sql(sqlx::AssertSqlSafe(sql.to_owned())).execute(&mut c).await.unwrap();
    c.close().await.unwrap();
}
