//! Watching the simulated estate. Nothing waits for a time to pass: each test ends when what it waits for was told.

use std::{sync::Mutex, time::Duration};

use serde_json::{Value, json};
use tokio::sync::mpsc;

use super::*;
use crate::{
    inspect::testing::Desk,
    sandbox::{Effect, Fault, Poke},
};

/// So long that no test can mean it.
const NEVER: Duration = Duration::from_secs(3600);
const SOON: Duration = Duration::from_millis(100);
const PATIENCE: Duration = Duration::from_secs(60);

fn set(property: &str, value: Value) -> Poke {
    Poke::SetProperty { property: property.into(), value }
}

fn shop() -> DeploymentName {
    "shop".parse().unwrap()
}

async fn once(desk: &Desk) -> (Vec<Sight>, Watched) {
    let told = Mutex::new(Vec::new());
    let tell = |event: Event| {
        if let Event::Watched { sight, .. } = event {
            told.lock().unwrap().push(*sight);
        }
    };
    let end = watch(&desk.app, &[shop()], &Options { interval: NEVER, limit: Limit::Once }, &tell).await.unwrap();
    (told.into_inner().unwrap(), end)
}

fn words(s: &Sight) -> String {
    let whom = s.address.as_ref().map(|a| a.name.to_string()).or(s.server.as_ref().map(ToString::to_string)).unwrap_or_default();
    format!("{} {whom} {}", s.what.word(), s.text)
}

/// Watches while `script` is played; each of its steps waits for what it expects.
async fn play<F: Future<Output = ()>>(desk: &Desk, interval: Duration, script: impl FnOnce(Stage) -> F) {
    let (say, heard) = mpsc::unbounded_channel();
    let tell = move |event: Event| drop(say.send(event));
    let options = Options { interval, limit: Limit::None };
    let names = [shop()];
    tokio::select! {
        end = watch(&desk.app, &names, &options, &tell) => panic!("it ended: {end:?}"),
        () = script(Stage { heard }) => {}
    }
}

struct Stage {
    heard: mpsc::UnboundedReceiver<Event>,
}

impl Stage {
    /// Waits until something is told that holds these words; nothing else may come before.
    async fn hears(&mut self, what: &str) -> Sight {
        let next = async {
            loop {
                match self.heard.recv().await.expect("the watch goes on") {
                    Event::Watched { sight, .. } => return *sight,
                    _ => continue,
                }
            }
        };
        let sight = tokio::time::timeout(PATIENCE, next).await.unwrap_or_else(|_| panic!("`{what}` was not told"));
        assert!(words(&sight).contains(what), "`{what}` was expected, and this was told: {}", words(&sight));
        sight
    }

    /// Waits for a sign of life: each server was looked at `looks` times more.
    async fn beats(&mut self, looks: usize) {
        for _ in 0..looks {
            tokio::time::timeout(PATIENCE, async {
                while !matches!(self.heard.recv().await.expect("the watch goes on"), Event::Watching { .. }) {}
            })
            .await
            .expect("a sign of life");
        }
    }
}

#[tokio::test]
async fn one_look_tells_what_is_not_as_recorded_and_changes_nothing() {
    let desk = Desk::new().await;
    desk.apply(&Desk::shop()).await;
    let (told, end) = once(&desk).await;
    assert_eq!((told.len(), end.resources, end.servers, end.changes), (0, 3, 1, 0), "{told:?}");

    desk.poke("docker:container:run:shop-db", Poke::Kill);
    desk.poke("docker:container:run:shop-web", set("memory", json!("64m")));
    desk.poke("docker:network:shop-net", Poke::Delete);
    let before = desk.state().await;
    let (told, end) = once(&desk).await;
    let told: Vec<String> = told.iter().map(words).collect();
    assert!(told.iter().any(|t| t.starts_with("health shop-db is unhealthy")), "{told:?}");
    assert!(told.contains(&"drift shop-web memory 512m -> 64m".to_owned()), "{told:?}");
    assert!(told.contains(&"gone shop-net it is gone from the server".to_owned()), "{told:?}");
    assert_eq!(end.not_as_recorded[&shop()].len(), 3);
    assert_eq!(desk.state().await, before, "a watch changes nothing, and the journal knows nothing of it");

    // What was seen is kept beside the snapshot, for those who look at the state later, and a newer look takes its place.
    let snapshot = desk.app.store().latest(&shop()).await.unwrap().unwrap();
    let seen = flow::last_seen(&desk.app, &snapshot).await.unwrap();
    assert_eq!(
        seen.iter().map(|(s, d)| (s.seen_by.as_str(), d.gone)).collect::<Vec<_>>(),
        [("watch", false), ("watch", false), ("watch", true)]
    );
    desk.poke("docker:container:run:shop-db", Poke::Restart);
    flow::drift(&desk.app, &shop()).await.unwrap();
    let seen = flow::last_seen(&desk.app, &snapshot).await.unwrap();
    assert_eq!(seen.iter().map(|(s, _)| s.seen_by.as_str()).collect::<Vec<_>>(), ["drift", "drift"]);
}

#[tokio::test]
async fn a_server_that_tells_is_not_asked_again_and_again() {
    let desk = Desk::new().await;
    desk.apply(&Desk::shop()).await;
    let d = &desk;
    play(d, NEVER, |mut stage| async move {
        stage.beats(2).await;
        d.poke("docker:container:run:shop-db", Poke::Kill);
        stage.hears("status shop-db ready -> failed").await;
        stage.hears("health shop-db healthy -> unhealthy").await;
    })
    .await;
}

#[tokio::test]
async fn an_output_that_changed_names_who_uses_it() {
    let desk = Desk::new().await;
    let mut shop = Desk::shop();
    shop["resources"][2]["properties"]["environment"] = json!({"DB": "${docker:container:run:shop-db.ip}"});
    desk.apply(&shop).await;
    desk.apply(&json!({"name": "front", "resources": [{"server": "docker", "type": "container:run", "name": "proxy", "properties": {
        "image": "nginx:1.27", "environment": {"UP": "${@shop/docker:container:run:shop-db.ip}"}}}]}))
        .await;
    let d = &desk;
    play(d, NEVER, |mut stage| async move {
        stage.beats(2).await;
        d.poke("docker:container:run:shop-db", set("ip", json!("172.18.0.99")));
        let sight = stage.hears("output shop-db ip").await;
        assert_eq!(sight.after, Some(json!("172.18.0.99")));
        let users: Vec<String> = sight.dependants.iter().map(ToString::to_string).collect();
        assert_eq!(users, ["docker:container:run:proxy of front", "docker:container:run:shop-web of shop"]);
    })
    .await;
}

#[tokio::test]
async fn a_lost_stream_is_taken_up_again() {
    let desk = Desk::new().await;
    desk.apply(&Desk::shop()).await;
    let d = &desk;
    play(d, NEVER, |mut stage| async move {
        stage.beats(2).await;
        d.fault(Fault { times: Some(1), ..Fault::new(Effect::LostStream { commit: false }).on("docker").tool("read") });
        d.poke("docker:container:run:shop-web", set("memory", json!("64m")));
        stage.hears("drift shop-web memory 512m -> 64m").await;
        // Told again, on the new stream.
        d.poke("docker:container:run:shop-web", set("memory", json!("512m")));
        stage.hears("drift shop-web memory is as recorded again").await;
    })
    .await;
}

#[tokio::test]
async fn many_resources_are_listed_and_not_read_one_by_one() {
    let desk = Desk::new().await;
    let volume = |n| json!({"server": "docker", "type": "volume", "name": format!("v{n}"), "properties": {"driver": "local"}});
    desk.apply(&json!({"name": "shop", "resources": (0..1000).map(volume).collect::<Vec<_>>()})).await;
    // Faults that never hit count the calls.
    for tool in ["read", "list"] {
        desk.fault(Fault { nth: Some(u32::MAX), ..Fault::new(Effect::Hang).on("docker").tool(tool) });
    }
    let (told, end) = once(&desk).await;
    assert_eq!((told.len(), end.resources), (0, 1000));
    let calls: u32 = desk.world().list_faults().unwrap().iter().map(|f| f.seen).sum();
    assert!((1..=30).contains(&calls), "{calls} calls for 1000 resources");

    // They are too many to subscribe to one by one, so they are looked at again and again.
    let d = &desk;
    play(d, SOON, |mut stage| async move {
        stage.beats(2).await;
        d.poke("docker:volume:v77", set("driver", json!("nfs")));
        stage.hears("drift v77 driver local -> nfs").await;
        d.poke("docker:volume:v78", Poke::Delete);
        stage.hears("gone v78").await;
    })
    .await;
}

/// A name of a server may stand for another system than it did: what was recorded there is left alone, and only that.
#[tokio::test]
async fn what_was_recorded_on_another_system_does_not_hide_the_rest() {
    let desk = Desk::new().await;
    desk.apply(&Desk::shop()).await;
    let mut wanted = Scene::new(&desk.app, &[shop()]).await.unwrap().wanted();
    let docker: ServerName = "docker".parse().unwrap();
    wanted.get_mut(&docker).unwrap().get_mut(&"docker:network:shop-net".parse().unwrap()).unwrap().1 = "docker:another".to_owned();
    let server = desk.app.connections().iter().find(|c| *c.connection().name() == docker).unwrap().clone();
    let (say, mut heard) = mpsc::channel(8);
    let (change, wanted_now) = watch::channel(wanted.clone());
    let eye = tokio::spawn(Eye::new(server, wanted_now, SOON, "seed").watch(say));
    let mut next = async || tokio::time::timeout(PATIENCE, heard.recv()).await.unwrap().unwrap().news;
    assert!(matches!(next().await, News::Said(text) if text.starts_with("1 of 3 resources was recorded on `docker:another`, and it is ")));
    for _ in 0..2 {
        assert!(matches!(next().await, News::Looked { found, .. } if found.len() == 2), "the rest is looked at, and the text is said once");
    }
    // If it is all of them, another system answers.
    wanted.get_mut(&docker).unwrap().values_mut().for_each(|(_, recorded)| "docker:another".clone_into(recorded));
    change.send_replace(wanted);
    while !matches!(next().await, News::Away(reason) if reason.contains("recorded on `docker:another`")) {}
    eye.abort();
}
