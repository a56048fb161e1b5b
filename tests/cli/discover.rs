//! `swell servers discover --network` against a server that another process advertises, from the first word to the first plan.

use std::collections::BTreeMap;

use mdns_sd::{ServiceDaemon, ServiceInfo};
use serde_json::{Value, json};

use crate::support::{
    env::{Ran, TestEnv, YES},
    far::Far,
};

/// What one process says in the network, until it is dropped.
struct Advertised(ServiceDaemon);

impl Advertised {
    fn new(name: &str, port: u16) -> Result<Self, mdns_sd::Error> {
        let texts: [(&str, &str); 2] = [("path", "/mcp"), ("url", "http://evil.example/mcp")];
        let info = ServiceInfo::new("_mcp._tcp.local.", name, &format!("{name}.local."), "", port, &texts[..])?.enable_addr_auto();
        let daemon = ServiceDaemon::new()?;
        daemon.register(info)?;
        Ok(Self(daemon))
    }
}

impl Drop for Advertised {
    fn drop(&mut self) {
        // The others in the network are told that it is gone before its thread ends.
        if let Ok(ended) = self.0.shutdown() {
            let _ = ended.recv();
        }
    }
}

#[expect(clippy::print_stderr, reason = "who runs the tests is told what was not tested")]
fn skipped(why: &str) {
    eprintln!("skipped: {why}");
}

fn row(env: &TestEnv, name: &str) -> Value {
    let listing = env.swell(&["servers", "list", "--json"]).any_code().json();
    listing["servers"].as_array().unwrap().iter().find(|s| s["name"] == name).cloned().unwrap_or(Value::Null)
}

/// What the network offers under this name, asked until it is there; none where multicast does not come back.
fn offered(env: &TestEnv, name: &str, port: u16) -> Option<Value> {
    for _ in 0..15 {
        let ran = env.swell(&["servers", "discover", "--network", "--for", "2s", "--json"]);
        if ran.code != 0 {
            skipped(&ran.stderr);
            return None;
        }
        let all = ran.json();
        let ends = format!(":{port}/mcp");
        let mine = |o: &&Value| o["server"]["name"] == name && o["server"]["reached_by"].as_str().is_some_and(|u| u.ends_with(&ends));
        if let Some(mine) = all.as_array().unwrap().iter().find(mine) {
            let mut server = mine["server"].clone();
            server["notes"] = mine["notes"].clone();
            return Some(server);
        }
    }
    skipped("multicast does not come back on this machine");
    None
}

fn digest(ran: &Ran) -> String {
    let at = ran.stderr.find("--digest sha256:").unwrap_or_else(|| panic!("{ran}")) + "--digest ".len();
    ran.stderr[at..].split_whitespace().next().unwrap().to_owned()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_of_the_network_is_closed_until_it_was_reviewed() {
    let env = TestEnv::new().var("COLUMNS", "1000");
    let far = Far::start(&env, "docker", "0.0.0.0").await;
    let name = format!("swell-test-{}", std::process::id());
    let advertised = match Advertised::new(&name, far.port()) {
        Ok(advertised) => advertised,
        Err(e) => return skipped(&format!("multicast cannot be used here: {e}")),
    };
    let Some(offer) = offered(&env, &name, far.port()) else { return };
    // An address of its own, whatever its text says; closed; and nobody has spoken to it.
    assert!(!offer["reached_by"].as_str().unwrap().contains("evil"), "{offer}");
    assert_eq!((&offer["trust"], &offer["transport"]), (&json!("quarantined"), &json!("http")), "{offer}");
    assert!(offer["notes"][0].as_str().unwrap().contains("anybody in it can say so"), "{offer}");
    assert_eq!(row(&env, &name)["trust"], "quarantined");
    env.write("t.json", json!({"resources": [{"server": name, "type": "network", "name": "n", "properties": {}}]}).to_string());
    env.swell(&["plan", "-f", "t.json"]).refused(1, "server::quarantined");
    env.swell(&["servers", "tools", &name]).refused(1, "server::quarantined");
    assert_eq!(far.said().seen, [""; 0]);

    // The review shows the place; a yes to it connects and pins the tools.
    let shown = env.swell(&["servers", "review", &name]);
    assert!(shown.stderr.contains(offer["reached_by"].as_str().unwrap()), "{shown}");
    env.swell(&["servers", "review", &name, "--digest", &digest(&shown)]).ok().prints("is reviewed");
    let reviewed = row(&env, &name);
    assert_eq!((&reviewed["trust"], &reviewed["health"]), (&json!("reviewed"), &json!("healthy")), "{reviewed}");
    env.swell(&["servers", "tools", &name]).ok().prints("create_resource");
    env.swell_all(&[&["apply", "-f", "t.json"], &YES]).ok();
    env.settled("t");

    // Whoever takes over its name in the network does not get its trust.
    drop(advertised);
    let other = Far::start(&env, "docker", "0.0.0.0").await;
    let _taken = Advertised::new(&name, other.port()).unwrap();
    let Some(offer) = offered(&env, &name, other.port()) else { return };
    assert_eq!(offer["trust"], "quarantined", "{offer}");
    env.swell(&["plan", "t"]).refused(1, "server::quarantined");
    let shown = env.swell(&["servers", "review", &name]);
    let ports: BTreeMap<&str, u16> = [("was", far.port()), ("is", other.port())].into();
    for (word, port) in ports {
        let line = shown.stderr.lines().find(|l| l.trim_start().starts_with(&format!("{word} "))).unwrap_or_default();
        assert!(line.contains(&port.to_string()), "{word}: {shown}");
    }
    assert_eq!(other.said().seen, [""; 0]);
}

/// A card is a claim: it is held against the server as soon as it answers, and what differs is for the person.
#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_is_not_as_its_card_says_is_told() {
    let env = TestEnv::new().var("COLUMNS", "1000");
    let far = Far::start(&env, "docker", "127.0.0.1").await;
    far.said().card = Some(json!({
        "$schema": "https://static.modelcontextprotocol.io/schemas/v1/server-card.schema.json",
        "name": "org.example/weather", "version": "9.9.9", "description": "Weather.",
        "remotes": [{"type": "streamable-http", "url": far.url(), "supportedProtocolVersions": ["1999-01-01"]}],
        "tools": [{"name": "health_check"}, {"name": "get_forecast"}],
    }));
    let differs = [
        "its card calls it `org.example/weather`, and it calls itself `",
        "its card says version 9.9.9, and it says ",
        "its card says that it speaks MCP 1999-01-01, and it speaks ",
        "its card lists tools that it does not offer: get_forecast",
        "it offers tools that its card does not list: ",
    ];
    let name = "weather";
    env.swell(&["servers", "discover", &far.url()]).ok().prints("quarantined");
    let shown = env.swell(&["servers", "review", name]);
    assert!(!shown.stderr.contains(differs[0]), "it was not connected to yet: {shown}");
    // The yes to the start is not the yes to a server that is another one than was said.
    let tools = env.swell(&["servers", "review", name, "--digest", &digest(&shown)]);
    assert_eq!(tools.code, 1, "{tools}");
    differs.iter().for_each(|d| assert!(tools.stderr.contains(d), "{d}: {tools}"));
    assert_eq!(row(&env, name)["trust"], "quarantined");
    env.swell(&["servers", "review", name, "--digest", &digest(&tools)]).ok();
    let listed = row(&env, name);
    assert_eq!((&listed["trust"], listed["differs"].as_array().unwrap().len()), (&json!("reviewed"), differs.len()), "{listed}");
    env.swell(&["servers", "list"]).any_code().prints(&format!("! {}", differs[4]));
    env.swell(&["servers", "doctor", name]).any_code().prints(differs[1]);

    // One that is as its card says has nothing to tell.
    let version = env!("CARGO_PKG_VERSION");
    let card = far.said().card.take().unwrap();
    let title = listed["differs"][0].as_str().unwrap().rsplit('`').nth(1).unwrap().to_owned();
    let mut honest = card.clone();
    (honest["name"], honest["version"]) = (json!(format!("org.example/{title}")), json!(version));
    honest["remotes"][0]["supportedProtocolVersions"] = json!([listed["protocol"]]);
    honest.as_object_mut().unwrap().remove("tools");
    far.said().card = Some(honest);
    let offers = env.swell(&["servers", "discover", &far.url(), "--json"]).ok().json();
    let name = offers[0]["server"]["name"].as_str().unwrap().to_owned();
    let shown = env.swell(&["servers", "review", &name]);
    env.swell(&["servers", "review", &name, "--digest", &digest(&shown)]).ok().prints("is reviewed");
    assert!(row(&env, &name)["differs"].is_null());
    env.swell(&["servers", "doctor", &name]).any_code().prints("as it says");
}
