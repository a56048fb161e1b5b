//! One writer for each deployment.

use super::*;

#[tokio::test]
async fn two_stores_on_one_file_contend_and_one_wins() {
    let bed = Bed::new();
    let (a, b) = (bed.open().await, bed.open().await);
    for pid in 1..=8 {
        bed.say(pid, true);
    }
    let tries = (1..=8).map(|pid| {
        let store = if pid % 2 == 0 { a.clone() } else { b.clone() };
        tokio::spawn(async move { store.lock(&shop(), claim(pid), LEASE).await })
    });
    let mut results: Vec<_> = futures::future::join_all(tries).await.into_iter().map(|r| r.unwrap()).collect();
    let won: Vec<_> = results.extract_if(.., |r| r.is_ok()).collect();
    assert_eq!(won.len(), 1);
    for lost in results {
        let error = lost.unwrap_err();
        assert!(matches!(&error, StoreError::Locked { alive: Sign::Running, .. }), "{error}");
        let said = crate::diagnostic::Explain::explain(&error);
        assert_eq!(said.code, "store::locked");
        assert!(said.facts.iter().any(|(k, v)| *k == "holder" && v.contains("ann@box") && v.contains("process")), "{said:?}");
        assert!(said.next.is_some());
    }
    // Another deployment is not concerned.
    a.lock(&"other".parse().unwrap(), claim(3), LEASE).await.unwrap().release().await.unwrap();
    won.into_iter().next().unwrap().unwrap().release().await.unwrap();
    let next = b.lock(&shop(), claim(4), LEASE).await.unwrap();
    assert_eq!(next.taken_from(), None);
}

#[tokio::test]
async fn a_dead_process_is_taken_over_and_named() {
    let bed = Bed::new();
    let (a, b) = (bed.open().await, bed.open().await);
    let dead = a.lock(&shop(), claim(1), LEASE).await.unwrap();
    bed.say(1, true);
    assert!(b.lock(&shop(), claim(2), LEASE).await.is_err());
    bed.say(1, false);
    let lock = b.lock(&shop(), claim(2), LEASE).await.unwrap();
    assert_eq!(lock.taken_from().map(|h| (h.pid, h.who.as_str())), Some((1, "ann@box")));
    drop(dead);
}

#[tokio::test]
async fn a_lease_decides_where_the_process_cannot_be_seen() {
    let bed = Bed::new();
    let (a, b) = (bed.open().await, bed.open().await);
    let far = a.lock(&shop(), claim(1), LEASE).await.unwrap();
    bed.pass(29);
    let error = b.lock(&shop(), claim(2), LEASE).await.unwrap_err();
    assert!(matches!(error, StoreError::Locked { alive: Sign::Lease, .. }), "{error}");
    bed.pass(2);
    let lock = b.lock(&shop(), claim(2), LEASE).await.unwrap();
    assert_eq!(lock.taken_from().map(|h| h.pid), Some(1));
    drop(far);
}

#[tokio::test]
async fn a_holder_that_wakes_up_too_late_writes_nothing() {
    let bed = Bed::new();
    let (a, b) = (bed.open().await, bed.open().await);
    let far = a.lock(&shop(), claim(1), LEASE).await.unwrap();
    let journal = a.begin_run(&far, header("r1", 0)).await.unwrap();
    let begun = journal.begin_step(begin("a", Action::Create)).await.unwrap();
    bed.pass(31);
    let lock = b.lock(&shop(), claim(2), LEASE).await.unwrap();
    let before = b.entries(&EntryFilter::default()).await.unwrap();
    let late = journal.end_step(begun, end(Outcome::Done, Some(record("a", 1)))).await.unwrap_err();
    assert!(matches!(&late, StoreError::LockLost { holder: Some(h), during: During::After, .. } if h.pid == 2), "{late:?}");
    let late = journal.begin_step(begin("b", Action::Create)).await.unwrap_err();
    assert!(matches!(late, StoreError::LockLost { during: During::Before, .. }));
    assert_eq!(b.entries(&EntryFilter::default()).await.unwrap(), before);
    // The new holder sees the call as one whose outcome nobody knows.
    assert_eq!(b.latest(&shop()).await.unwrap().unwrap().unsettled.len(), 1);
    drop((lock, far));
}

#[tokio::test]
async fn the_lease_is_renewed_while_the_lock_is_held() {
    let bed = Bed::new();
    let store = bed.open().await;
    let lock = store.lock(&shop(), claim(1), Duration::from_millis(60)).await.unwrap();
    let first = store.holder(&shop()).await.unwrap().unwrap().0.lease;
    bed.pass(100);
    let renewed = async {
        while store.holder(&shop()).await.unwrap().is_none_or(|(h, _)| h.lease <= first) {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    tokio::time::timeout(Duration::from_secs(10), renewed).await.unwrap();
    assert!(!lock.is_lost());
}

#[tokio::test]
async fn a_dropped_lock_is_free_at_once() {
    let bed = Bed::new();
    let store = bed.open().await;
    for pid in 1..20 {
        bed.say(pid, true);
        let lock = store.lock(&shop(), claim(pid), LEASE).await.unwrap();
        assert_eq!(lock.taken_from(), None);
        drop(lock);
        assert_eq!(store.holder(&shop()).await.unwrap(), None);
    }
}

#[cfg(target_os = "linux")]
#[test]
fn the_system_tells_a_running_process_from_a_dead_one_and_from_its_successor() {
    let os = OsAlive::default();
    let me = claim(std::process::id());
    let holder = |pid| Holder {
        who: "ann@box".into(),
        host: "box".into(),
        pid,
        what: "apply".into(),
        since: Timestamp::UNIX_EPOCH,
        lease: Timestamp::UNIX_EPOCH,
    };
    let mark = os.mark(&me);
    assert_eq!(os.is_running(&holder(me.pid), &mark), Some(true));
    let (machine, time) = mark.rsplit_once(' ').unwrap();
    assert_eq!(os.is_running(&holder(me.pid), &format!("{machine} {time}0")), Some(false), "the number was given to another process");
    assert_eq!(os.is_running(&holder(me.pid), &format!("elsewhere {time}")), None, "another machine");
    let mut child = std::process::Command::new("true").spawn().unwrap();
    let mark = os.mark(&claim(child.id()));
    child.wait().unwrap();
    assert_ne!(os.is_running(&holder(child.id()), &mark), Some(true));
}
