//! Watching resources in the older era.

use serde_json::json;

use crate::mcp::{
    ConnectOptions, Effect, Notice,
    testing::{Do, Fake, none, toolname, within},
};

#[tokio::test]
async fn notices_come_until_the_connection_is_lost() {
    let updated = |uri: &str| json!({"jsonrpc": "2.0", "method": "notifications/resources/updated", "params": {"uri": uri}}).to_string();
    let (wanted, other) = (updated("swell://s/t/a"), updated("swell://s/t/other"));
    let fake = Fake::new(move |what, _| match what {
        "resources/subscribe" => vec![Do::Raw(other.clone()), Do::Raw(wanted.clone()), Do::Result(json!({}))],
        "resources/unsubscribe" => vec![Do::Result(json!({}))],
        "die" => vec![Do::Die],
        _ => vec![],
    });
    let c = fake.connection(ConnectOptions::default());
    let uris = ["swell://s/t/a".to_owned()];
    let mut watch = c.watch(&uris).await.unwrap().unwrap();
    assert_eq!(watch.next().await, Some(Notice::ResourceUpdated(uris[0].clone())));
    let second = c.watch(&uris).await.unwrap().unwrap();
    drop(watch);
    c.call(&toolname("ping_tool"), none(), Effect::Read, &within(1000, 1000)).await.unwrap();
    assert!(fake.seen("resources/unsubscribe").is_empty(), "another watch still wants it");
    drop(second);
    fake.until("resources/unsubscribe").await;

    let mut watch = c.watch(&uris).await.unwrap().unwrap();
    watch.next().await.unwrap();
    c.call(&toolname("die"), none(), Effect::Change, &within(1000, 1000)).await.unwrap_err();
    assert_eq!(watch.next().await, None);
}

#[tokio::test]
async fn a_server_without_subscriptions_says_so() {
    let fake = Fake::new(|what, _| match what {
        "initialize" => {
            vec![Do::Result(json!({"protocolVersion": "2025-06-18", "capabilities": {}, "serverInfo": {"name": "x", "version": "1"}}))]
        }
        _ => vec![],
    });
    assert!(fake.connection(ConnectOptions::default()).watch(&["a".to_owned()]).await.unwrap().is_none());
}
