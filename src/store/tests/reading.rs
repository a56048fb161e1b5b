//! History, checks, queries, sessions.

use super::*;

#[tokio::test]
async fn any_change_behind_our_back_is_found() {
    let cases = [
        ("UPDATE journal SET body = replace(body, 'id-b', 'id-x') WHERE number = 5", 5),
        ("UPDATE journal SET body = body || ' ' WHERE number = 3", 3),
        ("UPDATE journal SET at = '2020-01-01T00:00:00Z' WHERE number = 2", 2),
        ("UPDATE journal SET deployment = 'other' WHERE number = 2", 2),
        ("UPDATE journal SET run = 'r9' WHERE number = 4", 4),
        ("UPDATE journal SET hash = replace(hash, substr(hash, 1, 1), 'x') WHERE number = 4", 4),
        ("UPDATE journal SET previous = '' WHERE number = 4", 4),
        ("DELETE FROM journal WHERE number = 3", 4),
        ("DELETE FROM journal WHERE number > 9", 9),
        ("DELETE FROM journal WHERE number = 1", 2),
        ("UPDATE snapshot SET body = replace(body, '10.0.0.1', '10.0.0.2') WHERE number = 1", 6),
        ("UPDATE snapshot SET number = 7, body = replace(body, '\"number\":2', '\"number\":7') WHERE number = 2", 10),
        ("INSERT INTO snapshot SELECT deployment, 9, run, 3, resources, unsettled, pattern, body FROM snapshot WHERE number = 1", 3),
        ("UPDATE snapshot SET last_entry = 999 WHERE number = 2", 10),
    ];
    let bed = Bed::new();
    let store = bed.open().await;
    deploy(&store, "r1", 0, &["a", "b"]).await;
    deploy(&store, "r2", 1, &["c"]).await;
    let good = store.verify().await.unwrap();
    assert_eq!((good.entries, good.snapshots, good.broken), (10, 2, None));
    store.close().await;
    let whole = std::fs::read(bed.path()).unwrap();
    for (sql, entry) in cases {
        std::fs::write(bed.path(), &whole).unwrap();
        let store = bed.open().await;
        tamper(&bed.path(), sql).await;
        let report = store.verify().await.unwrap();
        let broken = report.broken.unwrap_or_else(|| panic!("not found: {sql}"));
        assert_eq!(broken.entry, entry, "{sql}: {}", broken.what);
        store.close().await;
        assert!(!bed.dir.path().join("deep/state.db-wal").exists(), "{sql}: not closed");
    }
}

#[tokio::test]
async fn not_one_character_of_the_journal_changes_unnoticed() {
    let bed = Bed::new();
    let store = bed.open().await;
    deploy(&store, "r1", 0, &["a"]).await;
    tamper(&bed.path(), "SELECT 1").await;
    let pool = &store.inner.pool;
    let mut changed = 0;
    for column in ["at", "deployment", "run", "body", "previous", "hash"] {
        let sql = |text: &str| sqlx::AssertSqlSafe(text.replace("COLUMN", column));
        let texts: Vec<(i64, String)> = sqlx::query_as(sql("SELECT number, COLUMN FROM journal")).fetch_all(pool).await.unwrap();
        for (number, text) in texts {
            for place in (0..text.len()).step_by(13) {
                let mut other = text.clone().into_bytes();
                other[place] ^= 1;
                let Ok(other) = String::from_utf8(other) else { continue };
                let set =
                    |to: String| sqlx::query(sql("UPDATE journal SET COLUMN = ? WHERE number = ?")).bind(to).bind(number).execute(pool);
                // A body that is no longer JSON is refused by the database itself.
                if set(other).await.is_ok() {
                    let report = store.verify().await.unwrap();
                    assert!(report.broken.is_some(), "{column} of entry {number}, place {place}");
                    set(text.clone()).await.unwrap();
                    changed += 1;
                }
            }
        }
    }
    assert!(changed > 50, "{changed}");
    assert_eq!(store.verify().await.unwrap().broken, None);
}

#[tokio::test]
async fn an_entrys_hash_is_that_of_its_canonical_json() {
    let bed = Bed::new();
    let store = bed.open().await;
    deploy(&store, "r1", 0, &["a"]).await;
    let mut previous = journal::GENESIS.to_owned();
    for entry in store.entries(&EntryFilter::default()).await.unwrap() {
        let mut value = serde_json::to_value(&entry).unwrap();
        let hash = value.as_object_mut().unwrap().remove("hash").unwrap();
        assert_eq!(hash, crate::domain::canonical::sha256_hex(crate::domain::canonical::canonical(&value).as_bytes()));
        assert_eq!(entry.previous, previous);
        previous = entry.hash;
    }
    assert_eq!(store.verify().await.unwrap().head, previous);
    assert_eq!(crate::domain::canonical::sha256_hex(b"swell journal 1"), journal::GENESIS);
}

#[tokio::test]
async fn the_journal_cannot_be_edited_by_accident() {
    let bed = Bed::new();
    let store = bed.open().await;
    deploy(&store, "r1", 0, &["a"]).await;
    for sql in ["UPDATE journal SET at = ''", "DELETE FROM journal"] {
        assert!(sqlx::raw_sql(sql).execute(&store.inner.pool).await.is_err());
    }
}

#[tokio::test]
async fn history_by_deployment_run_and_resource() {
    let bed = Bed::new();
    let store = bed.open().await;
    deploy(&store, "r1", 0, &["a", "b"]).await;
    bed.pass(60);
    deploy(&store, "r2", 1, &["c"]).await;
    let runs = store.runs(&shop()).await.unwrap();
    assert_eq!(runs.iter().map(|r| (r.header.id.0.as_str(), r.snapshot)).collect::<Vec<_>>(), [("r2", Some(2)), ("r1", Some(1))]);
    assert_eq!(runs[0].began_at - runs[1].began_at, jiff::Span::new().seconds(60).fieldwise());
    let of = |filter: EntryFilter| {
        let store = store.clone();
        async move { store.entries(&filter).await.unwrap().iter().map(|e| e.number).collect::<Vec<_>>() }
    };
    assert_eq!(of(EntryFilter { run: Some(RunId("r2".into())), ..EntryFilter::default() }).await, [7, 8, 9, 10]);
    assert_eq!(of(EntryFilter { address: Some(at("b")), ..EntryFilter::default() }).await, [4, 5]);
    assert_eq!(of(EntryFilter { after: Some(8), limit: Some(1), ..EntryFilter::default() }).await, [9]);
    assert_eq!(store.run(&RunId("none".into())).await.unwrap(), None);
}

#[tokio::test]
async fn a_destroyed_deployment_is_listed_only_on_request() {
    let bed = Bed::new();
    let store = bed.open().await;
    deploy(&store, "r1", 0, &["a"]).await;
    let lock = store.lock(&shop(), claim(1), LEASE).await.unwrap();
    let journal = store.begin_run(&lock, RunHeader { kind: RunKind::Destroy, ..header("r2", 1) }).await.unwrap();
    step(&journal, "a", Action::Delete, None).await;
    journal.end(RunEnd { done: 1, ..RunEnd::default() }).await.unwrap();
    assert_eq!(store.deployments(Gone::Hidden).await.unwrap(), []);
    let all = store.deployments(Gone::Listed).await.unwrap();
    assert_eq!(all.iter().map(|d| (d.name.as_str(), d.snapshot, d.pattern.as_deref())).collect::<Vec<_>>(), [("shop", 2, Some("shop"))]);
}

#[tokio::test]
async fn an_address_is_found_in_other_deployments_also_abbreviated() {
    let bed = Bed::new();
    let store = bed.open().await;
    deploy(&store, "r1", 0, &["a"]).await;
    let found = |text: &str| {
        let (store, address) = (store.clone(), text.parse::<Address>().unwrap());
        async move { store.find_recorded(&address).await.unwrap().into_iter().map(|(d, r)| (d, r.address)).collect::<Vec<_>>() }
    };
    assert_eq!(found("docker:container:run:a").await, [(shop(), at("a"))]);
    assert_eq!(found("docker:container:a").await, [(shop(), at("a"))]);
    assert_eq!(found("docker:run:a").await, []);
    assert_eq!(found("docker:container:run:b").await, []);
    assert_eq!(found("podman:container:run:a").await, []);
}

#[tokio::test]
async fn views_answer_queries_and_live_rows_join_them() {
    let bed = Bed::new();
    let store = bed.open().await;
    deploy(&store, "r1", 0, &["a", "b"]).await;
    let table = store
        .query("SELECT server, type, name, id, deployment, properties ->> '$.version' AS v FROM resources ORDER BY name")
        .await
        .unwrap();
    assert_eq!(table.columns, ["server", "type", "name", "id", "deployment", "v"]);
    assert_eq!(table.rows[0], json!(["docker", "container:run", "a", "id-a", "shop", 1]).as_array().unwrap().clone());
    let runs = store.query("SELECT run, kind, done, snapshot, interrupted FROM runs").await.unwrap();
    assert_eq!(runs.rows, [json!(["r1", "apply", 2, 1, 0]).as_array().unwrap().clone()]);
    let live = [LiveRow { address: at("a"), id: "id-a".into(), properties: json!({"version": 2}), outputs: json!({}) }];
    let drift = store
        .query_with("SELECT address FROM resources JOIN live USING (address) WHERE live.properties ->> 'version' <> resources.properties ->> 'version'", &live)
        .await
        .unwrap();
    assert_eq!(drift.rows, [vec![json!("docker:container:run:a")]]);
    let empty = store.query("SELECT name FROM outputs").await.unwrap();
    assert_eq!((empty.columns, empty.rows.len()), (vec!["name".to_owned()], 0));
}

#[tokio::test]
async fn a_query_sees_an_interrupted_run() {
    let bed = Bed::new();
    let store = bed.open().await;
    deploy(&store, "r1", 0, &["a"]).await;
    let lock = store.lock(&shop(), claim(1), LEASE).await.unwrap();
    let journal = store.begin_run(&lock, header("r2", 1)).await.unwrap();
    step(&journal, "b", Action::Create, Some(record("b", 1))).await;
    drop((journal, lock));
    let table = store.query("SELECT name, snapshot FROM resources ORDER BY name").await.unwrap();
    assert_eq!(table.rows, [vec![json!("a"), json!(2)], vec![json!("b"), json!(2)]]);
}

#[tokio::test]
async fn a_query_cannot_write_or_run_for_ever() {
    let bed = Bed::new();
    let store = bed.open().await;
    deploy(&store, "r1", 0, &["a"]).await;
    let escape = bed.dir.path().join("escape.db");
    let bad = [
        "DELETE FROM snapshot".to_owned(),
        "WITH x AS (SELECT 1) DELETE FROM snapshot".to_owned(),
        "WITH x AS (SELECT 1) INSERT INTO live SELECT 1,1,1,1,1,1,1".to_owned(),
        "PRAGMA query_only = 0".to_owned(),
        format!("ATTACH '{}' AS e", escape.display()),
        format!("VACUUM INTO '{}'", escape.display()),
        "SELECT load_extension('x')".to_owned(),
        "SELECT nothing FROM nowhere".to_owned(),
        "SELECT 1; SELECT 2".to_owned(),
        "WITH RECURSIVE n(x) AS (SELECT 1 UNION ALL SELECT x + 1 FROM n) SELECT x FROM n".to_owned(),
        "SELECT hex(zeroblob(40000000))".to_owned(),
    ];
    for sql in bad {
        let error = store.query(&sql).await.expect_err(&sql);
        assert!(
            matches!(error, StoreError::Query { .. } | StoreError::NotAQuery { .. } | StoreError::QueryLimit { .. }),
            "{sql}: {error:?}"
        );
    }
    assert!(!escape.exists());
    assert_eq!(store.verify().await.unwrap().broken, None);
    // The store is as usable as before.
    assert_eq!(store.query("SELECT count(*) FROM resources").await.unwrap().rows, [vec![json!(1)]]);
}

#[tokio::test]
async fn the_last_session_is_the_one_saved_last() {
    let bed = Bed::new();
    let store = bed.open().await;
    assert_eq!(store.last_session().await.unwrap(), None);
    store.save_session("a", &json!({"turns": 1})).await.unwrap();
    store.save_session("b", &json!({"turns": 2})).await.unwrap();
    store.save_session("a", &json!({"turns": 3})).await.unwrap();
    assert_eq!(store.last_session().await.unwrap(), Some(("a".into(), json!({"turns": 3}))));
    assert_eq!(store.session("b").await.unwrap(), Some(json!({"turns": 2})));
    for n in 0..60 {
        store.save_session(&format!("s{n}"), &json!(n)).await.unwrap();
    }
    assert_eq!(store.session("a").await.unwrap(), None);
}

#[tokio::test]
async fn a_sighting_is_no_record_and_counts_only_beside_its_snapshot() {
    let bed = Bed::new();
    let store = bed.open().await;
    deploy(&store, "r1", 0, &["a", "b"]).await;
    let before = (store.verify().await.unwrap(), store.latest(&shop()).await.unwrap());
    store.put_sightings(&shop(), 1, "drift", &[(at("a"), json!({"gone": true})), (at("b"), json!({"gone": false}))]).await.unwrap();
    bed.pass(60);
    store.put_sightings(&shop(), 1, "watch", &[(at("b"), json!({"gone": true}))]).await.unwrap();
    let seen = store.sightings(&shop(), 1).await.unwrap();
    assert_eq!(
        seen.iter().map(|s| (&s.address, s.seen_by.as_str(), &s.drift)).collect::<Vec<_>>(),
        [(&at("b"), "watch", &json!({"gone": true}))]
    );
    assert_eq!(store.sightings(&shop(), 2).await.unwrap(), []);
    assert_eq!((store.verify().await.unwrap(), store.latest(&shop()).await.unwrap()), before);
}
