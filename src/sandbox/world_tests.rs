use serde_json::json;
use tempfile::TempDir;

use super::{World, WorldError};
use crate::mcp::protocol::{CreateArgs, KeyArgs, ListArgs};
use crate::sandbox::{Poke, engine};

fn args(kind: &str, name: &str, properties: serde_json::Value) -> CreateArgs {
    CreateArgs {
        kind: kind.parse().unwrap(),
        name: name.into(),
        properties: properties.as_object().unwrap().clone(),
        idempotency_key: format!("{kind}/{name}"),
    }
}

fn key(kind: &str, name: &str) -> KeyArgs {
    KeyArgs { kind: kind.parse().unwrap(), name: Some(name.into()), id: None }
}

#[test]
fn two_handles_on_one_folder_see_each_other() {
    let dir = TempDir::new().unwrap();
    let (a, b) = (World::open(dir.path()).unwrap(), World::open(dir.path()).unwrap());
    let made = engine::create(&a, "docker", &args("network", "n", json!({}))).unwrap();
    assert_eq!(engine::state(&b, "docker", &key("network", "n")).unwrap(), Some(made.clone()));
    // The key made it, whichever process asks.
    assert_eq!(engine::create(&b, "docker", &args("network", "n", json!({}))).unwrap(), made);
    engine::delete(&b, "docker", &key("network", "n")).unwrap();
    assert_eq!(engine::state(&a, "docker", &key("network", "n")).unwrap(), None);
    assert_eq!(a.generation().unwrap(), b.generation().unwrap());
}

#[test]
fn many_threads_and_handles_make_everything_once() {
    let dir = TempDir::new().unwrap();
    World::open(dir.path()).unwrap();
    std::thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| {
                let world = World::open(dir.path()).unwrap();
                for i in 0..20 {
                    engine::create(&world, "docker", &args("network", &format!("n{i}"), json!({}))).unwrap();
                }
            });
        }
    });
    let world = World::open(dir.path()).unwrap();
    let list = ListArgs { kind: Some("network".parse().unwrap()), cursor: None };
    let all = engine::list(&world, "docker", &list).unwrap().resources;
    assert_eq!(all.len(), 22);
    let mut nets: Vec<&str> = all.iter().filter_map(|n| n.outputs.get("subnet")?.as_str()).collect();
    nets.sort_unstable();
    nets.dedup();
    assert_eq!(nets.len(), 21, "each network but `host` has a range of its own");
}

#[test]
fn the_same_names_give_the_same_ids_everywhere() {
    let (a, b, c) = (TempDir::new().unwrap(), TempDir::new().unwrap(), TempDir::new().unwrap());
    let make = |w: &World| engine::create(w, "aws", &args("ec2:instance", "web", json!({}))).unwrap();
    let first = make(&World::open(a.path()).unwrap());
    assert_eq!(make(&World::open(b.path()).unwrap()), first);
    assert_ne!(make(&World::open_seeded(c.path(), "other").unwrap()).id, first.id);
    assert!(first.id.starts_with("i-0") && first.outputs["privateIp"].as_str().unwrap().starts_with("10.0.1."));
}

#[test]
fn a_clone_goes_its_own_way_and_a_reset_begins_anew() {
    let (dir, copy) = (TempDir::new().unwrap(), TempDir::new().unwrap());
    let world = World::open(dir.path()).unwrap();
    let made = engine::create(&world, "docker", &args("volume", "v", json!({}))).unwrap();
    let clone = world.clone_to(copy.path().join("clone")).unwrap();
    assert_eq!(engine::state(&clone, "docker", &key("volume", "v")).unwrap(), Some(made.clone()));
    clone.poke("docker", "volume", "v", Poke::SetProperty { property: "driver".into(), value: json!("nfs") }).unwrap();
    engine::delete(&clone, "docker", &key("volume", "v")).unwrap();
    assert_eq!(engine::state(&world, "docker", &key("volume", "v")).unwrap(), Some(made));

    let other = World::open(dir.path()).unwrap();
    let image = engine::state(&world, "docker", &key("image", "nginx")).unwrap().unwrap();
    world.reset().unwrap();
    for handle in [&world, &other, &World::open(dir.path()).unwrap()] {
        assert_eq!(engine::state(handle, "docker", &key("volume", "v")).unwrap(), None);
        assert_eq!(engine::state(handle, "docker", &key("image", "nginx")).unwrap().unwrap().id, image.id);
    }
}

#[test]
fn a_damaged_file_harms_its_own_server_only_and_is_named() {
    let dir = TempDir::new().unwrap();
    let world = World::open(dir.path()).unwrap();
    engine::create(&world, "docker", &args("network", "n", json!({}))).unwrap();
    let file = dir.path().join("objects/docker/network/n.json");
    std::fs::write(&file, "{ half").unwrap();
    let world = World::open(dir.path()).unwrap();
    let problem = engine::state(&world, "docker", &key("image", "nginx")).unwrap_err();
    assert!(problem.message.contains("n.json") && problem.message.contains("Nothing was changed"), "{}", problem.message);
    assert!(engine::state(&world, "aws", &key("vpc:vpc", "main")).unwrap().is_some());
    std::fs::remove_file(&file).unwrap();
    let world = World::open(dir.path()).unwrap();
    assert!(engine::state(&world, "docker", &key("image", "nginx")).unwrap().is_some());

    std::fs::write(dir.path().join("faults.json"), "nonsense").unwrap();
    assert!(matches!(world.list_faults(), Err(WorldError::Corrupt { .. })));
    std::fs::write(dir.path().join("world.json"), "nonsense").unwrap();
    let error = World::open(dir.path()).unwrap_err().to_string();
    assert!(error.contains("world.json") && error.contains("swell sandbox reset"), "{error}");
}

#[test]
fn whoever_dies_in_the_middle_leaves_a_world_that_opens() {
    let dir = TempDir::new().unwrap();
    let world = World::open(dir.path()).unwrap();
    let before = world.generation().unwrap();
    // Died after the log and before the file; and in the middle of a line; and left a temporary file.
    let log = dir.path().join("changes.log");
    let mut text = std::fs::read_to_string(&log).unwrap();
    text.push_str("+ docker/network/ghost\n+ docker/netw");
    std::fs::write(&log, text).unwrap();
    std::fs::write(dir.path().join("objects/docker/network/.tmp123"), "{ half").unwrap();
    assert_eq!(engine::state(&world, "docker", &key("network", "ghost")).unwrap(), None);
    engine::create(&world, "docker", &args("network", "n", json!({}))).unwrap();
    let fresh = World::open(dir.path()).unwrap();
    assert!(engine::state(&fresh, "docker", &key("network", "n")).unwrap().is_some());
    assert!(fresh.generation().unwrap() > before);
    assert_eq!(fresh.generation().unwrap(), world.generation().unwrap());
}

#[test]
fn a_change_costs_the_same_in_a_large_world() {
    let dir = TempDir::new().unwrap();
    let world = World::open(dir.path()).unwrap();
    for i in 0..2_000 {
        engine::create(&world, "kubernetes", &args("configmap", &format!("c{i}"), json!({ "data": { "a": "b" } }))).unwrap();
    }
    let list = ListArgs { kind: Some("configmap".parse().unwrap()), cursor: None };
    let first = engine::list(&world, "kubernetes", &list).unwrap();
    assert_eq!((first.resources.len(), first.next_cursor.is_some()), (200, true));
    let (mut count, mut cursor) = (first.resources.len(), first.next_cursor);
    while cursor.is_some() {
        let page = engine::list(&world, "kubernetes", &ListArgs { cursor, ..list.clone() }).unwrap();
        count += page.resources.len();
        cursor = page.next_cursor;
    }
    assert_eq!(count, 2_000);
}

#[test]
fn many_that_come_at_the_same_moment_find_one_world() {
    for _ in 0..10 {
        let dir = tempfile::tempdir().unwrap();
        let start = std::sync::Barrier::new(6);
        let generations: Vec<u64> = std::thread::scope(|scope| {
            let open = || {
                start.wait();
                World::open(dir.path()).unwrap().generation().unwrap()
            };
            let all: Vec<_> = (0..6).map(|_| scope.spawn(open)).collect();
            all.into_iter().map(|one| one.join().unwrap()).collect()
        });
        assert!(generations.iter().all(|g| *g == generations[0] && *g > 0), "{generations:?}");
    }
}
