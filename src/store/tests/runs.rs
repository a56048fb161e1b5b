//! Runs, steps, interruption, plans.

use super::*;

#[tokio::test]
async fn a_run_that_changes_something_makes_the_next_snapshot() {
    let bed = Bed::new();
    let store = bed.open().await;
    assert_eq!(store.latest(&shop()).await.unwrap(), None);
    let first = deploy(&store, "r1", 0, &["a", "b"]).await.unwrap();
    assert_eq!((first.number, first.resources.len(), first.last_entry), (1, 2, 6));
    // The same again changes nothing.
    assert_eq!(deploy(&store, "r2", 1, &[]).await, None);
    assert_eq!(store.latest(&shop()).await.unwrap().unwrap(), first);
    let second = deploy(&store, "r3", 1, &["c"]).await.unwrap();
    assert_eq!((second.number, second.resources.len()), (2, 3));
    assert_eq!(store.snapshots(&shop()).await.unwrap(), [first.clone(), second]);
    assert_eq!(store.snapshot(&shop(), 1).await.unwrap(), Some(first));
    assert_eq!(store.verify().await.unwrap().broken, None);
}

#[tokio::test]
async fn a_killed_run_is_folded_when_read_and_closed_by_the_next() {
    let bed = Bed::new();
    let store = bed.open().await;
    let lock = store.lock(&shop(), claim(1), LEASE).await.unwrap();
    let journal = store.begin_run(&lock, header("r1", 0)).await.unwrap();
    step(&journal, "a", Action::Create, Some(record("a", 1))).await;
    let begun = journal.begin_step(begin("b", Action::Create)).await.unwrap();
    let entry = begun.entry();
    // While it goes on, nobody reads half of it.
    assert_eq!(store.latest(&shop()).await.unwrap(), None);
    assert_eq!(store.interrupted(&shop()).await.unwrap(), None);
    drop((begun, journal, lock));

    let seen = store.latest(&shop()).await.unwrap().unwrap();
    assert_eq!((seen.number, seen.resources.len()), (1, 1));
    let [unsettled] = seen.unsettled.as_slice() else { panic!("{:?}", seen.unsettled) };
    assert_eq!(
        (unsettled.entry, unsettled.reason.as_str(), unsettled.idempotency_key.as_str()),
        (entry, "the run was interrupted", "key-b")
    );
    assert_eq!(unsettled.intended, Some(record("b", 1)));
    assert_eq!(store.interrupted(&shop()).await.unwrap().unwrap().header.id, RunId("r1".into()));
    let [line] = store.deployments(Gone::Hidden).await.unwrap().try_into().unwrap();
    assert_eq!((line.snapshot, line.resources, line.unsettled, line.interrupted), (1, 1, 1, true));

    let lock = store.lock(&shop(), claim(2), LEASE).await.unwrap();
    let journal = store.begin_run(&lock, header("r2", 1)).await.unwrap();
    let closed = store.run(&RunId("r1".into())).await.unwrap().unwrap();
    assert_eq!(closed.end, Some(RunEnd { done: 1, unknown: 1, interrupted: true, ..RunEnd::default() }));
    assert_eq!(closed.snapshot, Some(1));
    let kept = store.snapshot(&shop(), 1).await.unwrap().unwrap();
    assert_eq!((&kept.resources, &kept.unsettled), (&seen.resources, &seen.unsettled));
    journal.settle(entry, at("b"), Some(record("b", 1)), "the server has it").await.unwrap();
    let made = journal.end(RunEnd::default()).await.unwrap().unwrap();
    assert_eq!((made.number, made.resources.len(), made.unsettled.len()), (2, 2, 0));
    assert_eq!(store.verify().await.unwrap().broken, None);
}

#[tokio::test]
async fn a_plan_for_an_older_state_is_refused() {
    let bed = Bed::new();
    let store = bed.open().await;
    deploy(&store, "r1", 0, &["a"]).await;
    let lock = store.lock(&shop(), claim(1), LEASE).await.unwrap();
    let error = store.begin_run(&lock, header("r2", 0)).await.unwrap_err();
    assert!(matches!(error, StoreError::Moved { base: 0, now: 1, .. }), "{error}");
    assert_eq!(store.runs(&shop()).await.unwrap().len(), 1);
}

#[tokio::test]
async fn an_ended_run_takes_no_more_entries() {
    let bed = Bed::new();
    let store = bed.open().await;
    let lock = store.lock(&shop(), claim(1), LEASE).await.unwrap();
    let old = store.begin_run(&lock, header("r1", 0)).await.unwrap();
    // The old journal is still there when the next run closes its run.
    let new = store.begin_run(&lock, header("r2", 1)).await.unwrap();
    let error = old.begin_step(begin("a", Action::Create)).await.unwrap_err();
    assert!(matches!(error, StoreError::RunOver { during: During::Before, .. }), "{error}");
    new.end(RunEnd::default()).await.unwrap();
}

#[tokio::test]
async fn a_plan_is_used_once_however_many_try() {
    let bed = Bed::new();
    let store = bed.open().await;
    let bytes = b"{\"steps\":[]}".to_vec();
    let digest = crate::domain::canonical::digest_bytes(&bytes);
    let plan = StoredPlan { digest: digest.clone(), deployment: shop(), bytes, made_at: store.now(), used_by: None };
    store.put_plan(&plan).await.unwrap();
    assert_eq!(store.plan(&digest).await.unwrap(), Some(plan.clone()));
    assert_eq!(store.plans_like(&digest[7..15]).await.unwrap(), std::slice::from_ref(&plan));
    let other = bed.open().await;
    let tries = (0..16).map(|n| {
        let (store, digest) = (if n % 2 == 0 { store.clone() } else { other.clone() }, digest.clone());
        tokio::spawn(async move { store.use_plan(&digest, &RunId(format!("r{n}"))).await })
    });
    let results = futures::future::join_all(tries).await;
    assert_eq!(results.iter().filter(|r| r.as_ref().unwrap().is_ok()).count(), 1);
    assert!(results.iter().all(|r| matches!(r.as_ref().unwrap(), Ok(()) | Err(StoreError::PlanUsed { .. }))));
    // Keeping it again does not make it fresh.
    store.put_plan(&plan).await.unwrap();
    assert!(store.use_plan(&digest, &RunId("again".into())).await.is_err());
    assert!(matches!(store.use_plan("sha256:no", &RunId("x".into())).await, Err(StoreError::NoPlan { .. })));
}

#[tokio::test]
async fn an_altered_plan_is_refused() {
    let bed = Bed::new();
    let store = bed.open().await;
    let digest = crate::domain::canonical::digest_bytes("a");
    let plan = StoredPlan { digest: digest.clone(), deployment: shop(), bytes: b"a".to_vec(), made_at: store.now(), used_by: None };
    store.put_plan(&plan).await.unwrap();
    tamper(&bed.path(), "UPDATE plan SET bytes = x'62'").await;
    assert!(matches!(store.use_plan(&digest, &RunId("r".into())).await, Err(StoreError::PlanAltered { .. })));
    assert!(matches!(store.put_plan(&StoredPlan { bytes: b"c".to_vec(), ..plan }).await, Err(StoreError::PlanAltered { .. })));
}

#[tokio::test]
async fn unused_plans_do_not_pile_up() {
    let bed = Bed::new();
    let store = bed.open().await;
    for (n, days) in [(0_u8, 0_i64), (1, 31)] {
        bed.pass(days * 86_400);
        let plan = StoredPlan {
            digest: crate::domain::canonical::digest_bytes([n]),
            deployment: shop(),
            bytes: vec![n],
            made_at: store.now(),
            used_by: None,
        };
        store.put_plan(&plan).await.unwrap();
    }
    assert_eq!(store.plan(&crate::domain::canonical::digest_bytes([0])).await.unwrap(), None);
    assert!(store.plan(&crate::domain::canonical::digest_bytes([1])).await.unwrap().is_some());
}

#[tokio::test]
async fn many_steps_at_once_and_a_thousand_resources() {
    let bed = Bed::new();
    let store = bed.open().await;
    let lock = store.lock(&shop(), claim(1), LEASE).await.unwrap();
    let journal = Arc::new(store.begin_run(&lock, header("r1", 0)).await.unwrap());
    let workers = (0..10).map(|w| {
        let journal = journal.clone();
        tokio::spawn(async move {
            for n in 0..100 {
                let name = format!("c{w}-{n}");
                step(&journal, &name, Action::Create, Some(record(&name, 1))).await;
            }
        })
    });
    futures::future::join_all(workers).await.into_iter().for_each(|r| r.unwrap());
    let made = Arc::into_inner(journal).unwrap().end(RunEnd::default()).await.unwrap().unwrap();
    assert_eq!((made.resources.len(), made.last_entry), (1000, 2002));
    assert_eq!(store.latest(&shop()).await.unwrap().unwrap().resources.len(), 1000);
    assert_eq!(store.verify().await.unwrap().broken, None);
    let size = to_json(&made).unwrap().len();
    assert!(size < 1000 * 600, "{size}");
}
