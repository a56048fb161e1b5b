//! Opens the file: checks that it is ours and whole before anything is written to it, makes it if it is not there, migrates it.
//!
//! A file that fails a check is left exactly as it was.

use std::{
    path::Path,
    sync::{Arc, Mutex},
    time::Duration,
};

use sqlx::{
    ConnectOptions, Connection, SqliteConnection, SqlitePool,
    migrate::{MigrateError, Migration, MigrationType, Migrator},
    sqlite::{SqliteConnectOptions, SqliteJournalMode, SqlitePoolOptions, SqliteSynchronous},
};

use crate::domain::Clock;

use super::{Alive, During, Inner, OsAlive, Store, StoreError, error};

static MIGRATIONS: include_dir::Dir<'_> = include_dir::include_dir!("$CARGO_MANIFEST_DIR/migrations/sqlite");

/// "SWEL", in the place that SQLite keeps for this in the file's header.
const APPLICATION: i64 = 0x5357_454c;

/// Files up to this size are checked whole at every opening; it takes a few milliseconds.
const ALWAYS_CHECKED: u64 = 8 << 20;

/// What a store is opened with.
pub struct Opening {
    /// Where time comes from.
    pub clock: Arc<dyn Clock>,
    /// How it is told whether the holder of a lock is alive.
    pub alive: Arc<dyn Alive>,
    /// How long to wait for another process that writes.
    pub busy_timeout: Duration,
    /// The most pages the file may have; for tests of a full disk.
    pub max_pages: Option<u32>,
}

impl Opening {
    /// What is used when nothing else is said.
    pub fn new(clock: Arc<dyn Clock>) -> Self {
        Self { clock, alive: Arc::new(OsAlive::default()), busy_timeout: Duration::from_secs(10), max_pages: None }
    }
}

impl Store {
    /// Opens the state at `path`; makes it, readable by its owner only, if it is not there.
    pub async fn open(path: impl AsRef<Path>, clock: Arc<dyn Clock>) -> Result<Store, StoreError> {
        Self::open_with(path, Opening::new(clock)).await
    }

    /// Opens the state with everything said.
    pub async fn open_with(path: impl AsRef<Path>, opening: Opening) -> Result<Store, StoreError> {
        let path = path.as_ref();
        make_file(path)?;
        let deadline = tokio::time::Instant::now() + opening.busy_timeout;
        let pool = loop {
            match connect(path, &opening).await {
                // Switching a new file to its write-ahead log is refused without waiting while another process looks at it.
                Err(StoreError::Busy { .. }) if tokio::time::Instant::now() < deadline => {
                    tokio::time::sleep(Duration::from_millis(20)).await;
                }
                other => break other?,
            }
        };
        let store = Store {
            inner: Arc::new(Inner {
                pool,
                path: path.to_owned(),
                clock: opening.clock,
                alive: opening.alive,
                writer: tokio::sync::Mutex::new(()),
                dropped: Mutex::default(),
            }),
        };
        // The last entry is what the next one is chained to; a break further back is found by `verify`.
        store.check_head().await?;
        Ok(store)
    }

    /// Copies the whole state, as it is at one moment, to a file that must not exist.
    pub async fn backup(&self, to: &Path) -> Result<(), StoreError> {
        let mut connection = self.inner.pool.acquire().await.map_err(|e| self.error(e, During::Record))?;
        copy(&mut connection, to).await
    }
}

async fn connect(path: &Path, opening: &Opening) -> Result<SqlitePool, StoreError> {
    let db = |e| error::from_sqlx(e, path, During::Open);
    let mut plain =
        SqliteConnectOptions::new().filename(path).create_if_missing(false).busy_timeout(opening.busy_timeout).foreign_keys(true);
    if let Some(pages) = opening.max_pages {
        plain = plain.pragma("max_page_count", pages.to_string());
    }
    let mut first = plain.clone().connect().await.map_err(db)?;
    let checked = prepare(&mut first, path, &migrator()).await;
    first.close().await.map_err(db)?;
    checked?;
    SqlitePoolOptions::new()
        .max_connections(4)
        // SQLite itself ends a transaction for which there is no room on the disk; the database crate does not notice, and every later
        // transaction on that connection would be refused.
        .before_acquire(|connection, _| Box::pin(async move { Ok(!connection.is_in_transaction()) }))
        .acquire_timeout(opening.busy_timeout + Duration::from_secs(5))
        .connect_with(plain.journal_mode(SqliteJournalMode::Wal).synchronous(SqliteSynchronous::Full))
        .await
        .map_err(db)
}

/// Makes an empty file if there is none.
fn make_file(path: &Path) -> Result<(), StoreError> {
    let io = |e: std::io::Error| error::from_io(&e, path, During::Open);
    match std::fs::metadata(path) {
        Ok(found) if !found.is_file() => return Err(StoreError::NotAFile { path: path.to_owned() }),
        // What is in it is looked at through SQLite only: opening and closing the file in any other way would drop the locks that this
        // process has on it through another store.
        Ok(_) => return Ok(()),
        Err(e) if e.kind() == std::io::ErrorKind::NotFound => {}
        Err(e) => return Err(io(e)),
    }
    if let Some(parent) = path.parent().filter(|p| !p.as_os_str().is_empty()) {
        std::fs::create_dir_all(parent).map_err(io)?;
    }
    match create_private(path) {
        // Another process made it in between.
        Err(e) if e.kind() == std::io::ErrorKind::AlreadyExists => Ok(()),
        other => other.map_err(io),
    }
}

fn create_private(path: &Path) -> std::io::Result<()> {
    let mut options = std::fs::OpenOptions::new();
    options.write(true).create_new(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    options.open(path).map(drop)
}

/// Checks the file and brings its schema up to date.
async fn prepare(connection: &mut SqliteConnection, path: &Path, migrator: &Migrator) -> Result<(), StoreError> {
    let db = |e| error::from_sqlx(e, path, During::Open);
    // The tables first: another process that makes the file writes both at once, so that tables are never seen without the mark.
    let tables: i64 = sqlx::query_scalar("SELECT count(*) FROM sqlite_schema").fetch_one(&mut *connection).await.map_err(db)?;
    let application: i64 = sqlx::query_scalar("PRAGMA application_id").fetch_one(&mut *connection).await.map_err(db)?;
    if application != APPLICATION && (application != 0 || tables > 0) {
        return Err(StoreError::NotAState { path: path.to_owned(), reason: "it is the database of another program" });
    }
    let size = std::fs::metadata(path).map(|m| m.len()).unwrap_or_default();
    let page: u64 = sqlx::query_scalar::<_, i64>("PRAGMA page_size").fetch_one(&mut *connection).await.map_err(db)?.unsigned_abs();
    // SQLite fills a last page that was cut with zeros and goes on. It may be so only while a log lies beside the file.
    if !size.is_multiple_of(page.max(1)) && !was_left_open(path) {
        return Err(StoreError::Damaged { path: path.to_owned(), detail: "its last page is cut off".to_owned() });
    }
    if tables > 0 && (size <= ALWAYS_CHECKED || was_left_open(path)) {
        let result: String = sqlx::query_scalar("PRAGMA quick_check(1)").fetch_one(&mut *connection).await.map_err(db)?;
        if result != "ok" {
            return Err(StoreError::Damaged { path: path.to_owned(), detail: result.lines().last().unwrap_or_default().to_owned() });
        }
    }
    let known = migrator.iter().map(|m| m.version).max().unwrap_or_default();
    let found = schema(connection, path).await?;
    if found > known {
        return Err(StoreError::Newer { path: path.to_owned(), found, known });
    }
    if found < known {
        migrate(connection, path, migrator, found).await?;
    }
    Ok(())
}

/// Whether a write-ahead log with something in it lies beside the file: another process has it open, or the last one was killed.
fn was_left_open(path: &Path) -> bool {
    let mut wal = path.as_os_str().to_owned();
    wal.push("-wal");
    std::fs::metadata(wal).is_ok_and(|m| m.len() > 0)
}

/// Puts what is left in the write-ahead log into the file. Connections that close at the same moment each leave it to the other.
pub(super) async fn tidy(path: &Path) {
    if !was_left_open(path) {
        return;
    }
    let options = SqliteConnectOptions::new().filename(path).create_if_missing(false);
    if let Ok(mut last) = options.connect().await {
        // Only a connection that has read knows of the log. Failing is harmless: the next opening finds the log and reads it.
        let _ = sqlx::query("SELECT count(*) FROM sqlite_schema").fetch_one(&mut last).await;
        let _ = last.close().await;
    }
}

/// The schema's version; 0 if there is none.
async fn schema(connection: &mut SqliteConnection, path: &Path) -> Result<i64, StoreError> {
    let db = |e| error::from_sqlx(e, path, During::Open);
    let migrated: i64 = sqlx::query_scalar("SELECT count(*) FROM sqlite_schema WHERE name = '_sqlx_migrations'")
        .fetch_one(&mut *connection)
        .await
        .map_err(db)?;
    if migrated == 0 {
        return Ok(0);
    }
    sqlx::query_scalar("SELECT coalesce(max(version), 0) FROM _sqlx_migrations").fetch_one(connection).await.map_err(db)
}

async fn migrate(connection: &mut SqliteConnection, path: &Path, migrator: &Migrator, found: i64) -> Result<(), StoreError> {
    let db = |e| error::from_sqlx(e, path, During::Open);
    if found > 0 {
        copy(connection, &free_name(path, found)).await?;
    }
    // All or nothing, and one process at a time: whoever comes second finds the work done.
    let mut tx = connection.begin_with("BEGIN IMMEDIATE").await.map_err(db)?;
    let failed = |e| match e {
        MigrateError::Execute(e) | MigrateError::ExecuteMigration(e, _) => db(e),
        other => StoreError::Damaged { path: path.to_owned(), detail: other.to_string() },
    };
    migrator.run_direct(None, &mut *tx, false).await.map_err(failed)?;
    sqlx::query(sqlx::AssertSqlSafe(format!("PRAGMA application_id = {APPLICATION}"))).execute(&mut *tx).await.map_err(db)?;
    tx.commit().await.map_err(db)
}

/// A name beside the file that is not taken: `state.db.schema-1.bak`.
fn free_name(path: &Path, schema: i64) -> std::path::PathBuf {
    let name = |n: u32| {
        let mut name = path.as_os_str().to_owned();
        name.push(if n == 0 { format!(".schema-{schema}.bak") } else { format!(".schema-{schema}-{n}.bak") });
        std::path::PathBuf::from(name)
    };
    (0..).map(name).find(|p| !p.exists()).unwrap_or_else(|| name(0))
}

async fn copy(connection: &mut SqliteConnection, to: &Path) -> Result<(), StoreError> {
    // An empty file is accepted as a target, so the copy is private from its first byte.
    create_private(to).map_err(|e| error::from_io(&e, to, During::Record))?;
    sqlx::query("VACUUM INTO ?")
        .bind(to.to_string_lossy().into_owned())
        .execute(connection)
        .await
        .map(drop)
        .map_err(|e| error::from_sqlx(e, to, During::Record))
}

/// The migrations that are in the binary. Without the database crate's macros, which would compile SQLite a second time.
fn migrator() -> Migrator {
    let mut all: Vec<Migration> = MIGRATIONS
        .files()
        .filter_map(|file| {
            let (version, name) = file.path().file_stem()?.to_str()?.split_once('_')?;
            let sql = sqlx::SqlSafeStr::into_sql_str(file.contents_utf8()?);
            Some(Migration::new(version.parse().ok()?, name.to_owned().into(), MigrationType::Simple, sql, false))
        })
        .collect();
    all.sort_by_key(|m| m.version);
    Migrator::with_migrations(all)
}

#[cfg(test)]
mod tests {
    use super::*;

    async fn connection(path: &Path) -> SqliteConnection {
        SqliteConnectOptions::new().filename(path).create_if_missing(true).connect().await.unwrap()
    }

    #[tokio::test]
    async fn a_pending_migration_copies_the_file_first_and_is_all_or_nothing() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("state.db");
        let mut first = connection(&path).await;
        const NEXT: i64 = 1000;
        prepare(&mut first, &path, &migrator()).await.unwrap();
        let now = schema(&mut first, &path).await.unwrap();
        sqlx::query("INSERT INTO session (id, at, body) VALUES ('s', '', '')").execute(&mut first).await.unwrap();

        let with = |sql: &'static str| {
            let mut all: Vec<Migration> = migrator().iter().cloned().collect();
            let sql = sqlx::SqlSafeStr::into_sql_str(sql);
            all.push(Migration::new(NEXT, "more".into(), MigrationType::Simple, sql, false));
            Migrator::with_migrations(all)
        };
        let failed = prepare(&mut first, &path, &with("CREATE TABLE more (x TEXT); DROP TABLE session; CREATE TABLE plan (x TEXT)")).await;
        assert!(failed.is_err());
        assert_eq!(schema(&mut first, &path).await.unwrap(), now);
        let kept: i64 = sqlx::query_scalar("SELECT count(*) FROM session").fetch_one(&mut first).await.unwrap();
        assert_eq!(kept, 1, "the failed migration was undone");

        prepare(&mut first, &path, &with("DROP TABLE session")).await.unwrap();
        assert_eq!(schema(&mut first, &path).await.unwrap(), NEXT);
        for copy in [format!("state.db.schema-{now}.bak"), format!("state.db.schema-{now}-1.bak")] {
            let copy = dir.path().join(copy);
            let mut second = connection(&copy).await;
            assert_eq!(schema(&mut second, &copy).await.unwrap(), now);
            let kept: i64 = sqlx::query_scalar("SELECT count(*) FROM session").fetch_one(&mut second).await.unwrap();
            assert_eq!(kept, 1);
        }
    }
}
