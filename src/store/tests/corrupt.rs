//! Files that are broken, foreign, too new or full: a diagnostic, and the file as it was.

use super::*;
use crate::diagnostic::Explain;

/// Opens a file with this content; gives the code of the diagnostic, after checking that the file is untouched.
async fn refused(bed: &Bed, content: &[u8]) -> &'static str {
    std::fs::create_dir_all(bed.path().parent().unwrap()).unwrap();
    std::fs::write(bed.path(), content).unwrap();
    let error = bed.try_open().await.expect_err("it must be refused");
    let said = error.explain();
    assert!(!said.state.is_empty() && said.next.is_some(), "{said:?}");
    assert_eq!(std::fs::read(bed.path()).unwrap(), content, "the file was changed");
    said.code
}

/// A good state as one file.
async fn good(bed: &Bed) -> Vec<u8> {
    let store = bed.open().await;
    deploy(&store, "r1", 0, &["a", "b", "c"]).await;
    store.close().await;
    std::fs::read(bed.path()).unwrap()
}

#[tokio::test]
async fn what_is_not_a_state_is_refused_and_left_alone() {
    let bed = Bed::new();
    let noise: Vec<u8> = (0..8192_u32).map(|n| (n.wrapping_mul(2_654_435_761) >> 13) as u8).collect();
    assert_eq!(refused(&bed, &noise).await, "store::not-a-state");
    assert_eq!(refused(&bed, b"SQLite").await, "store::not-a-state");
    assert_eq!(refused(&bed, b"{\"version\": 4}").await, "store::not-a-state");
    let mut headed = b"SQLite format 3\0".to_vec();
    headed.extend(noise);
    let code = refused(&bed, &headed).await;
    assert!(["store::not-a-state", "store::damaged"].contains(&code), "{code}");
}

#[tokio::test]
async fn a_folder_in_place_of_the_file_is_refused() {
    let bed = Bed::new();
    std::fs::create_dir_all(bed.path()).unwrap();
    assert_eq!(bed.try_open().await.unwrap_err().explain().code, "store::not-a-file");
    // So is a file in place of the folder.
    let bed = Bed::new();
    std::fs::write(bed.dir.path().join("deep"), "x").unwrap();
    assert_eq!(bed.try_open().await.unwrap_err().explain().code, "store::no-access");
}

#[tokio::test]
async fn a_truncated_file_is_refused_wherever_it_is_cut() {
    let bed = Bed::new();
    let whole = good(&bed).await;
    for cut in (1..whole.len()).step_by(whole.len() / 23).chain([whole.len() - 1, whole.len() - 4096]) {
        let code = refused(&bed, &whole[..cut]).await;
        assert!(["store::not-a-state", "store::damaged"].contains(&code), "cut at {cut}: {code}");
    }
}

#[tokio::test]
async fn a_page_of_zeros_is_found() {
    let bed = Bed::new();
    let whole = good(&bed).await;
    let mut found = 0;
    for page in 1..whole.len() / 4096 {
        let mut broken = whole.clone();
        broken[page * 4096..(page + 1) * 4096].fill(0);
        std::fs::write(bed.path(), &broken).unwrap();
        match bed.try_open().await {
            Err(e) => {
                assert!(["store::not-a-state", "store::damaged"].contains(&e.explain().code), "{e}");
                assert_eq!(std::fs::read(bed.path()).unwrap(), broken);
                found += 1;
            }
            Ok(store) => store.close().await,
        }
    }
    assert!(found > 0);
}

#[tokio::test]
async fn another_programs_database_is_refused() {
    let bed = Bed::new();
    std::fs::create_dir_all(bed.path().parent().unwrap()).unwrap();
    std::fs::write(bed.path(), "").unwrap();
    tamper(&bed.path(), "CREATE TABLE bookmarks (url TEXT)").await;
    let content = std::fs::read(bed.path()).unwrap();
    assert_eq!(refused(&bed, &content).await, "store::not-a-state");
}

#[tokio::test]
async fn a_newer_schema_is_refused() {
    let bed = Bed::new();
    good(&bed).await;
    tamper(
        &bed.path(),
        "INSERT INTO _sqlx_migrations (version, description, success, checksum, execution_time) VALUES (99, 'x', 1, x'00', 0)",
    )
    .await;
    let content = std::fs::read(bed.path()).unwrap();
    assert_eq!(refused(&bed, &content).await, "store::newer-schema");
}

#[tokio::test]
async fn a_changed_last_entry_is_found_at_opening() {
    let bed = Bed::new();
    good(&bed).await;
    tamper(&bed.path(), "UPDATE journal SET at = '2020-01-01T00:00:00Z' WHERE number = (SELECT max(number) FROM journal)").await;
    let content = std::fs::read(bed.path()).unwrap();
    assert_eq!(refused(&bed, &content).await, "store::damaged");
}

#[tokio::test]
async fn a_full_disk_stops_before_the_call() {
    let bed = Bed::new();
    bed.open().await.close().await;
    let opening = Opening { max_pages: Some(45), ..bed.opening() };
    let store = Store::open_with(bed.path(), opening).await.unwrap();
    let lock = store.lock(&shop(), claim(1), LEASE).await.unwrap();
    let journal = store.begin_run(&lock, header("r1", 0)).await.unwrap();
    let mut done = 0;
    let error = loop {
        assert!(done < 1000, "it never filled up");
        let name = format!("a{done}");
        let begun = match journal.begin_step(begin(&name, Action::Create)).await {
            Ok(begun) => begun,
            Err(e) => break e,
        };
        match journal.end_step(begun, end(Outcome::Done, Some(record(&name, 1)))).await {
            Ok(_) => done += 1,
            Err(e) => break e,
        }
    };
    let StoreError::Full { during, .. } = &error else { panic!("{error:?}") };
    let said = error.explain();
    match during {
        During::Before => assert_eq!(said.state, "Nothing was recorded, and no call was sent."),
        _ => assert!(said.state.contains("outcome is not recorded"), "{}", said.state),
    }
    drop((journal, lock));
    store.close().await;
    bed.pass(60);
    // With space again, everything that was recorded is there, and nothing else.
    let store = bed.open().await;
    let seen = store.latest(&shop()).await.unwrap().unwrap();
    assert_eq!(seen.resources.len(), done);
    assert_eq!(store.verify().await.unwrap().broken, None);
}

#[cfg(unix)]
#[tokio::test]
async fn the_file_is_private_and_so_is_a_copy() {
    use std::os::unix::fs::PermissionsExt;
    let bed = Bed::new();
    let store = bed.open().await;
    deploy(&store, "r1", 0, &["a"]).await;
    let copy = bed.dir.path().join("copy.db");
    store.backup(&copy).await.unwrap();
    for entry in std::fs::read_dir(bed.path().parent().unwrap()).unwrap().map(|e| e.unwrap().path()).chain([copy.clone()]) {
        assert_eq!(std::fs::metadata(&entry).unwrap().permissions().mode() & 0o777, 0o600, "{}", entry.display());
    }
    let copied = Store::open_with(&copy, bed.opening()).await.unwrap();
    assert_eq!(copied.latest(&shop()).await.unwrap(), store.latest(&shop()).await.unwrap());
    assert!(store.backup(&copy).await.is_err(), "a file that is there is not written over");
}

#[tokio::test]
async fn many_may_open_a_new_file_at_once() {
    let bed = Bed::new();
    let stores = futures::future::join_all((0..6).map(|_| bed.try_open())).await;
    for store in stores {
        store.unwrap().close().await;
    }
}
