//! The fold: what is kept equals what a replay from the first entry gives, wherever runs are cut short.

use std::collections::BTreeMap;

use proptest::prelude::*;

use super::*;
use crate::store::fold::fold;

#[derive(Debug, Clone)]
enum Move {
    Step { name: u8, action: u8, end: u8, version: u64 },
    Settle { nth: usize, there: bool },
    Forget { name: u8 },
    Adopt { name: u8 },
    Pass { name: u8 },
    EndRun,
    Crash,
}

fn moves() -> impl Strategy<Value = Vec<Move>> {
    let one = prop_oneof![
        6 => (0..5_u8, 0..5_u8, 0..6_u8, 0..9_u64).prop_map(|(name, action, end, version)| Move::Step { name, action, end, version }),
        1 => (0..4_usize, any::<bool>()).prop_map(|(nth, there)| Move::Settle { nth, there }),
        1 => (0..5_u8).prop_map(|name| Move::Forget { name }),
        1 => (0..5_u8).prop_map(|name| Move::Adopt { name }),
        1 => (0..5_u8).prop_map(|name| Move::Pass { name }),
        1 => Just(Move::EndRun),
        1 => Just(Move::Crash),
    ];
    proptest::collection::vec(one, 0..30)
}

struct Player {
    store: Store,
    open: Option<(Lock, Journal)>,
    runs: usize,
}

impl Player {
    async fn journal(&mut self) -> &Journal {
        if self.open.is_none() {
            self.runs += 1;
            let base = self.store.latest(&shop()).await.unwrap().map_or(0, |s| s.number);
            let lock = self.store.lock(&shop(), claim(1), LEASE).await.unwrap();
            let journal = self.store.begin_run(&lock, header(&format!("r{}", self.runs), base)).await.unwrap();
            self.open = Some((lock, journal));
        }
        &self.open.as_ref().unwrap().1
    }

    async fn play(&mut self, next: Move) {
        let name = |n: u8| format!("n{n}");
        match next {
            Move::Step { name: n, action, end: how, version } => {
                let action = [Action::Create, Action::Update, Action::Delete, Action::Read, Action::Replace][usize::from(action)];
                let journal = self.journal().await;
                let begun = journal.begin_step(begin(&name(n), action)).await.unwrap();
                let there = (action != Action::Delete).then(|| record(&name(n), version));
                let ended = match how {
                    0..=2 => end(Outcome::Done, there),
                    3 => end(Outcome::Failed, there.filter(|_| version % 2 == 0)),
                    4 => end(Outcome::Unknown, None),
                    // No end: the call hangs until the run ends or dies.
                    _ => return drop(begun),
                };
                journal.end_step(begun, ended).await.unwrap();
            }
            Move::Settle { nth, there } => {
                let latest = self.store.latest(&shop()).await.unwrap();
                let Some(u) = latest.and_then(|s| s.unsettled.get(nth).cloned()) else { return };
                let resource = there.then(|| u.intended.clone()).flatten();
                self.journal().await.settle(u.entry, u.address, resource, "read back").await.unwrap();
            }
            Move::Forget { name: n } => drop(self.journal().await.forget(at(&name(n)), "gone").await.unwrap()),
            Move::Adopt { name: n } => drop(self.journal().await.adopt(record(&name(n), 7)).await.unwrap()),
            Move::Pass { name: n } => {
                self.journal().await.pass_step(1, at(&name(n)), Action::Create, end(Outcome::Skipped, None)).await.unwrap();
            }
            Move::EndRun => {
                if let Some((lock, journal)) = self.open.take() {
                    journal.end(RunEnd::default()).await.unwrap();
                    lock.release().await.unwrap();
                }
            }
            Move::Crash => drop(self.open.take()),
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 48, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn fold_equals_replay(moves in moves()) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(async {
            let bed = Bed::new();
            let mut player = Player { store: bed.open().await, open: None, runs: 0 };
            for next in moves {
                player.play(next).await;
            }
            drop(player.open.take());
            let store = player.store;
            let entries = store.entries(&EntryFilter { deployment: Some(shop()), ..EntryFilter::default() }).await.unwrap();
            let replay = fold(None, &entries);
            let latest = store.latest(&shop()).await.unwrap();
            assert!(replay.is_like(latest.as_ref()), "{replay:?}\n{latest:?}");
            // From every kept snapshot on, the rest leads to the same picture.
            for snapshot in store.snapshots(&shop()).await.unwrap() {
                let rest = fold(Some(&snapshot), &entries);
                assert_eq!((&rest.resources, &rest.unsettled, &rest.outputs), (&replay.resources, &replay.unsettled, &replay.outputs));
            }
            assert_eq!(store.verify().await.unwrap().broken, None);
            store.close().await;
        });
    }
}

fn entry(number: i64, body: EntryBody) -> Entry {
    Entry {
        number,
        at: Timestamp::UNIX_EPOCH,
        deployment: shop(),
        run: RunId("r".into()),
        body,
        previous: String::new(),
        hash: String::new(),
    }
}

fn began(number: i64, name: &str, action: Action) -> Entry {
    let StepBegin { step, address, action, tool, key, intended } = begin(name, action);
    entry(number, EntryBody::StepBegan { step, address, action, tool, key, intended })
}

fn ended(number: i64, began: i64, name: &str, action: Action, outcome: Outcome, resource: Option<Recorded>) -> Entry {
    entry(
        number,
        EntryBody::StepEnded { began, step: 1, address: at(name), action, outcome, resource, error: Some("boom".into()), elapsed_ms: 0 },
    )
}

/// Names and versions of what is recorded, and entries of what is unsettled.
fn picture(entries: &[Entry]) -> (Vec<(String, u64)>, Vec<i64>) {
    let folded = fold(None, entries);
    let there = folded.resources.values().map(|r| (r.address.name.to_string(), r.desired["version"].as_u64().unwrap())).collect();
    (there, folded.unsettled.into_keys().collect())
}

#[test]
fn each_way_a_step_can_end() {
    use Action::{Create, Delete, Read, Update};
    use Outcome::{Done, Failed, Unknown};
    let a = |v| vec![("a".to_owned(), v)];
    let created = [began(1, "a", Create), ended(2, 1, "a", Create, Done, Some(record("a", 1)))];
    let then = |more: Vec<Entry>| picture(&created.iter().cloned().chain(more).collect::<Vec<_>>());

    assert_eq!(picture(&created), (a(1), vec![]));
    assert_eq!(picture(&created[..1]), (vec![], vec![1]), "no end");
    assert_eq!(picture(&[began(1, "a", Read)]), (vec![], vec![]), "a read leaves nothing to settle");
    assert_eq!(picture(&[began(1, "a", Create), ended(2, 1, "a", Create, Failed, None)]), (vec![], vec![]));
    assert_eq!(picture(&[began(1, "a", Create), ended(2, 1, "a", Create, Failed, Some(record("a", 3)))]), (a(3), vec![]), "left behind");
    assert_eq!(picture(&[began(1, "a", Create), ended(2, 1, "a", Create, Done, None)]), (a(1), vec![]), "what was intended");
    assert_eq!(then(vec![began(3, "a", Update), ended(4, 3, "a", Update, Done, Some(record("a", 2)))]), (a(2), vec![]));
    assert_eq!(then(vec![began(3, "a", Update), ended(4, 3, "a", Update, Unknown, None)]), (a(1), vec![3]), "the old record stays");
    assert_eq!(then(vec![began(3, "a", Delete), ended(4, 3, "a", Delete, Failed, None)]), (a(1), vec![]));
    assert_eq!(then(vec![began(3, "a", Delete), ended(4, 3, "a", Delete, Done, None)]), (vec![], vec![]));
    assert_eq!(
        then(vec![
            began(3, "a", Delete),
            ended(4, 3, "a", Delete, Unknown, None),
            entry(5, EntryBody::Settled { began: 3, address: at("a"), resource: None, how: "gone".into() })
        ]),
        (vec![], vec![])
    );
    assert_eq!(
        picture(&[began(1, "a", Create), began(2, "a", Create), ended(3, 2, "a", Create, Done, Some(record("a", 1)))]),
        (a(1), vec![]),
        "sent again under the same key"
    );
}

#[test]
fn what_a_refresh_saw_takes_the_place_of_the_record_and_brings_nothing_back() {
    let seen = |n, name: &str, v| entry(n, EntryBody::Refreshed { resource: Box::new(record(name, v)) });
    let created = || vec![began(1, "a", Action::Create), ended(2, 1, "a", Action::Create, Outcome::Done, Some(record("a", 1)))];
    let with = |more: Vec<Entry>| picture(&created().into_iter().chain(more).collect::<Vec<_>>());
    assert_eq!(with(vec![seen(3, "a", 2)]), (vec![("a".to_owned(), 2)], vec![]));
    assert_eq!(with(vec![seen(3, "b", 2)]), (vec![("a".to_owned(), 1)], vec![]), "one that is not recorded");
    let gone = vec![began(3, "a", Action::Delete), ended(4, 3, "a", Action::Delete, Outcome::Done, None), seen(5, "a", 2)];
    assert_eq!(with(gone), (vec![], vec![]));
}

#[test]
fn a_run_without_a_template_keeps_the_last_one() {
    let mut refresh = header("r2", 1);
    refresh.kind = RunKind::Refresh;
    refresh.recipe = Recipe::default();
    let outputs = indexmap::IndexMap::from([("url".to_owned(), json!("http://x"))]);
    let ended = |outputs| EntryBody::RunEnded { end: RunEnd { outputs, ..RunEnd::default() } };
    let mut all = vec![
        entry(1, EntryBody::RunBegan { header: header("r1", 0) }),
        entry(2, ended(outputs.clone())),
        entry(3, EntryBody::RunBegan { header: refresh }),
        entry(4, ended(indexmap::IndexMap::new())),
    ];
    let folded = fold(None, &all);
    assert_eq!((folded.recipe.pattern.as_deref(), &folded.outputs), (Some("shop"), &outputs));
    all.push(entry(5, EntryBody::RunBegan { header: RunHeader { kind: RunKind::Destroy, ..header("r3", 1) } }));
    all.push(entry(6, ended(indexmap::IndexMap::new())));
    assert!(fold(None, &all).outputs.is_empty());
    assert_eq!(fold(None, &all).resources, BTreeMap::new());
}
