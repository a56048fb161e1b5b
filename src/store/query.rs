//! Answers `swell query`: one statement that reads, over views of what is recorded and what the caller says is live.
//!
//! It runs on a connection of its own that cannot write, within limits of time, rows and size.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use futures::TryStreamExt;
use serde_json::Value;
use sqlx::{
    Column, ConnectOptions, Executor, Row, SqliteConnection, Statement, TypeInfo, ValueRef,
    sqlite::{SqliteConnectOptions, SqliteRow},
};

use crate::domain::{Address, DeploymentName};

use super::{During, Snapshot, Store, StoreError, journal, to_json};

/// How many rows a query may return.
pub const MAX_ROWS: usize = 10_000;
/// How many bytes all its cells may have together.
pub const MAX_BYTES: usize = 32 << 20;
/// How long it may run.
pub const MAX_TIME: Duration = Duration::from_secs(10);

/// The answer to a query.
#[derive(Debug, Clone, PartialEq, serde::Serialize)]
pub struct Table {
    /// Names of the columns.
    pub columns: Vec<String>,
    /// The rows; a cell is null, a number or a text.
    pub rows: Vec<Vec<Value>>,
}

/// One resource as its server says it is now, for the table `live`.
#[derive(Debug, Clone, PartialEq)]
pub struct LiveRow {
    /// `server:type:name`.
    pub address: Address,
    /// The server's id.
    pub id: String,
    /// Its properties.
    pub properties: Value,
    /// Its outputs.
    pub outputs: Value,
}

impl Store {
    /// Runs one statement that reads, over the views `resources`, `runs`, `entries` and `outputs`.
    pub async fn query(&self, sql: &str) -> Result<Table, StoreError> {
        self.query_with(sql, &[]).await
    }

    /// Runs one statement that reads, with a table `live` beside the views.
    pub async fn query_with(&self, sql: &str, live: &[LiveRow]) -> Result<Table, StoreError> {
        check(sql)?;
        let said = |e: sqlx::Error| {
            let detail = e.as_database_error().map_or_else(|| e.to_string(), |d| d.message().to_owned());
            StoreError::Query { detail }
        };
        let unfinished = self.unfinished().await?;
        let options = SqliteConnectOptions::new().filename(&self.inner.path).read_only(true).busy_timeout(Duration::from_secs(5));
        let mut connection = options.connect().await.map_err(|e| self.error(e, During::Read))?;
        prepare(&mut connection, live, &unfinished).await.map_err(said)?;

        let stop = Arc::new(AtomicBool::new(false));
        let seen = stop.clone();
        connection.lock_handle().await.map_err(said)?.set_progress_handler(10_000, move || !seen.load(Ordering::Relaxed));
        let answer = tokio::time::timeout(MAX_TIME, run(&mut connection, sql)).await;
        stop.store(true, Ordering::Relaxed);
        let answer = match answer {
            Err(_) => Err(StoreError::QueryLimit { limit: "it ran for 10 seconds" }),
            Ok(Err(Failed::Sql(e))) => Err(said(e)),
            Ok(Err(Failed::Limit(limit))) => Err(StoreError::QueryLimit { limit }),
            Ok(Ok(table)) => Ok(table),
        };
        // A connection that is still stopping must not keep the answer back.
        drop(connection);
        answer
    }

    /// Deployments whose last run was interrupted, as their entries say; the views know only what was ended.
    async fn unfinished(&self) -> Result<Vec<Snapshot>, StoreError> {
        let mut tx = self.read().await?;
        let open: Vec<String> = sqlx::query_scalar(
            "SELECT DISTINCT deployment FROM journal b WHERE kind = 'run-began' \
             AND NOT EXISTS (SELECT 1 FROM journal e WHERE e.run = b.run AND e.kind = 'run-ended')",
        )
        .fetch_all(&mut *tx)
        .await
        .map_err(|e| self.error(e, During::Read))?;
        let mut all = Vec::new();
        for name in open {
            let name = DeploymentName::new(name).map_err(|e| self.damaged(e.to_string()))?;
            if journal::open_run(&mut tx, &name).await.map_err(|e| self.error(e, During::Read))?.is_some() {
                all.extend(self.latest_in(&mut tx, &name).await?);
            }
        }
        Ok(all)
    }
}

/// Fills the tables that are not in the file, then forbids all writing.
async fn prepare(connection: &mut SqliteConnection, live: &[LiveRow], unfinished: &[Snapshot]) -> Result<(), sqlx::Error> {
    sqlx::raw_sql(
        "CREATE TEMP TABLE live (address TEXT, server TEXT, type TEXT, name TEXT, id TEXT, properties TEXT, outputs TEXT);
         CREATE TEMP TABLE unfinished (deployment TEXT, number INTEGER, body TEXT);",
    )
    .execute(&mut *connection)
    .await?;
    for row in live {
        sqlx::query("INSERT INTO live VALUES (?, ?, ?, ?, ?, ?, ?)")
            .bind(row.address.to_string())
            .bind(row.address.server.as_str())
            .bind(row.address.kind.as_str())
            .bind(row.address.name.as_str())
            .bind(&row.id)
            .bind(row.properties.to_string())
            .bind(row.outputs.to_string())
            .execute(&mut *connection)
            .await?;
    }
    for snapshot in unfinished {
        sqlx::query("INSERT INTO unfinished VALUES (?, ?, ?)")
            .bind(snapshot.deployment.as_str())
            .bind(i64::try_from(snapshot.number).unwrap_or(i64::MAX))
            .bind(to_json(snapshot).unwrap_or_default())
            .execute(&mut *connection)
            .await?;
    }
    if !unfinished.is_empty() {
        // The same views once more, over the file and the unfinished together; a temporary name hides the one in the file.
        let views: Vec<String> =
            sqlx::query_scalar("SELECT sql FROM main.sqlite_schema WHERE type = 'view' AND name IN ('resources', 'outputs')")
                .fetch_all(&mut *connection)
                .await?;
        let all = "CREATE TEMP VIEW snapshot AS SELECT deployment, number, run, body FROM main.snapshot \
                   UNION ALL SELECT deployment, number, NULL, body FROM unfinished u \
                   WHERE NOT EXISTS (SELECT 1 FROM main.snapshot s WHERE s.deployment = u.deployment AND s.number = u.number)";
        sqlx::raw_sql(all).execute(&mut *connection).await?;
        for view in views {
            let temporary = view.replacen("CREATE VIEW", "CREATE TEMP VIEW", 1);
            sqlx::raw_sql(sqlx::AssertSqlSafe(temporary)).execute(&mut *connection).await?;
        }
    }
    sqlx::raw_sql("PRAGMA query_only = 1; PRAGMA trusted_schema = 0; PRAGMA cell_size_check = 1;").execute(connection).await.map(drop)
}

enum Failed {
    Sql(sqlx::Error),
    Limit(&'static str),
}

impl From<sqlx::Error> for Failed {
    fn from(e: sqlx::Error) -> Self {
        Failed::Sql(e)
    }
}

async fn run(connection: &mut SqliteConnection, sql: &str) -> Result<Table, Failed> {
    let statement = (&mut *connection).prepare(sqlx::SqlSafeStr::into_sql_str(sqlx::AssertSqlSafe(sql))).await?;
    let columns = statement.columns().iter().map(|c| c.name().to_owned()).collect();
    let mut table = Table { columns, rows: Vec::new() };
    let mut bytes = 0;
    let query = statement.query();
    let mut rows = query.fetch(connection);
    while let Some(row) = rows.try_next().await? {
        if table.rows.len() == MAX_ROWS {
            return Err(Failed::Limit("it returned more than 10000 rows"));
        }
        let cells = (0..row.len()).map(|n| cell(&row, n)).collect::<Result<Vec<_>, _>>()?;
        bytes += cells.iter().map(|c| c.as_str().map_or(8, str::len)).sum::<usize>();
        if bytes > MAX_BYTES {
            return Err(Failed::Limit("it returned more than 32 MiB"));
        }
        table.rows.push(cells);
    }
    Ok(table)
}

fn cell(row: &SqliteRow, n: usize) -> Result<Value, sqlx::Error> {
    let raw = row.try_get_raw(n)?;
    if raw.is_null() {
        return Ok(Value::Null);
    }
    let kind = raw.type_info();
    Ok(match kind.name() {
        "INTEGER" | "BOOLEAN" => row.try_get_unchecked::<i64, _>(n)?.into(),
        "REAL" => row.try_get_unchecked::<f64, _>(n)?.into(),
        "BLOB" => format!("({} bytes)", row.try_get_unchecked::<Vec<u8>, _>(n)?.len()).into(),
        _ => row.try_get_unchecked::<String, _>(n)?.into(),
    })
}

/// Lets one statement through that begins as a query does. The connection cannot write in any case; this stops what would reach other
/// files (`ATTACH`, `VACUUM INTO`) or loosen the limits (`PRAGMA`).
fn check(sql: &str) -> Result<(), StoreError> {
    let fail = |reason| Err(StoreError::NotAQuery { reason });
    let bare = without_strings_and_comments(sql);
    let text = bare.trim().trim_end_matches([';', ' ', '\n', '\t', '\r']);
    if text.is_empty() {
        return fail("it is empty");
    }
    if sql.contains('\0') {
        return fail("it has a zero byte");
    }
    if text.contains(';') {
        return fail("there is more than one statement");
    }
    let first: String = text.chars().take_while(char::is_ascii_alphabetic).collect::<String>().to_ascii_uppercase();
    match first.as_str() {
        "SELECT" | "WITH" | "VALUES" => Ok(()),
        "EXPLAIN" => fail("EXPLAIN is not offered"),
        _ => fail("it does not begin with SELECT, WITH or VALUES"),
    }
}

fn without_strings_and_comments(sql: &str) -> String {
    let mut out = String::with_capacity(sql.len());
    let mut rest = sql;
    while let Some(c) = rest.chars().next() {
        let skipped = match c {
            '\'' | '"' | '`' | '[' => {
                out.push('x');
                let close = if c == '[' { ']' } else { c };
                rest[1..].find(close).map_or(rest.len(), |n| n + 2)
            }
            '-' if rest.starts_with("--") => rest.find('\n').unwrap_or(rest.len()),
            '/' if rest.starts_with("/*") => {
                out.push(' ');
                rest[2..].find("*/").map_or(rest.len(), |n| n + 4)
            }
            _ => {
                out.push(c);
                c.len_utf8()
            }
        };
        rest = &rest[skipped..];
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_one_reading_statement_passes() {
        for good in
            ["SELECT 1", " -- a;b\n select ';' ; ", "WITH a AS (SELECT 1) SELECT * FROM a", "/* ; */ VALUES (1)", "SELECT 'it''s; fine'"]
        {
            assert!(check(good).is_ok(), "{good}");
        }
        for bad in [
            "",
            ";",
            "SELECT 1; DELETE FROM journal",
            "PRAGMA query_only = 0",
            "ATTACH 'x' AS y",
            "VACUUM INTO 'x'",
            "SELECT 1 /* */; PRAGMA x",
        ] {
            assert!(matches!(check(bad), Err(StoreError::NotAQuery { .. })), "{bad}");
        }
    }
}
