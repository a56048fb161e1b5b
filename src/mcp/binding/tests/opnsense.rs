//! The binding of OPNSenseMCP against what the server was seen to answer.

use super::*;

const SAMPLES: &str = include_str!("../../../../tests/fixtures/bindings/opnsense.json");
const TOOLS: &str = include_str!("../../../../tests/fixtures/bindings/opnsense-tools.json");
const ID: &str = "26499cd1-c3e6-45bc-9012-6993f06591ce";

/// A firewall that keeps what it is told, and whose other VLAN has the tag that the test says.
fn firewall(other_tag: &'static str) -> Fake {
    let kept: Arc<Mutex<Vec<Value>>> = Arc::new(Mutex::new(vec![
        json!({"uuid": "11111111-0000-4000-8000-000000000000", "if": "igb1", "tag": other_tag, "pcp": "0", "descr": "", "vlanif": "vlan09"}),
    ]));
    let rules: Arc<Mutex<Vec<Value>>> = Arc::default();
    let proxy: Arc<Mutex<Vec<Value>>> = Arc::default();
    fake(TOOLS, move |what, message| {
        let args = arguments(message);
        let (mut kept, mut rules, mut proxy) = (kept.lock().unwrap(), rules.lock().unwrap(), proxy.lock().unwrap());
        match what {
            "list_vlans" => vec![text(Value::Array(kept.clone()).to_string())],
            "get_vlan" => vec![text(kept.iter().find(|v| v["tag"] == args["tag"]).unwrap().to_string())],
            "create_vlan" if args["tag"] == "4000" => vec![Do::Error(-32600, "MCP error -32600: vlan.if: Option not in list.")],
            "create_vlan" => {
                let made = json!({"uuid": ID, "if": args["interface"], "tag": args["tag"], "pcp": args["pcp"], "descr": args["description"], "vlanif": "vlan01"});
                kept.push(made);
                vec![text(format!("Successfully created VLAN {} with UUID: {ID}", args["tag"].as_str().unwrap()))]
            }
            "update_vlan" => {
                kept.iter_mut().find(|v| v["tag"] == args["tag"]).unwrap()["descr"] = args["description"].clone();
                vec![text("Successfully updated VLAN")]
            }
            "delete_vlan" => {
                kept.retain(|v| v["tag"] != args["tag"]);
                vec![text("Successfully deleted VLAN")]
            }
            // An empty rule set is answered with a rule that is none.
            "list_firewall_rules" if rules.is_empty() => vec![text(r#"[{"uuid": "pf-0", "description": "", "enabled": "1"}]"#)],
            "list_firewall_rules" => vec![text(Value::Array(rules.clone()).to_string())],
            "create_firewall_rule" => {
                let mut made = decode(&reply(&sample(SAMPLES, "list_firewall_rules", "")), &[]).unwrap()[0].take();
                let enabled = if args["enabled"] == false { "0" } else { "1" };
                let port = args.get("destinationPort").cloned().unwrap_or(json!(""));
                (made["uuid"], made["description"], made["enabled"]) = (json!(ID), args["description"].clone(), json!(enabled));
                (made["interface"], made["destination_port"]) = (json!(args["interface"].as_str().unwrap().to_lowercase()), port);
                (made["destination_net"], made["source_net"]) = (args["destination"].clone(), args["source"].clone());
                rules.push(made);
                vec![text(format!("Successfully created firewall rule with UUID: {ID}"))]
            }
            "haproxy_backend_list" | "haproxy_frontend_list" => {
                let bind = |p: &&Value| (p.get("bind").is_some()) == (what == "haproxy_frontend_list");
                vec![text(Value::Array(proxy.iter().filter(bind).cloned().collect()).to_string())]
            }
            "haproxy_backend_create" => {
                proxy.push(json!({"uuid": ID, "name": args["name"], "mode": args["mode"], "balance": args["balance"], "description": args["description"], "enabled": true, "servers": []}));
                vec![text(format!("Successfully created HAProxy backend web with UUID: {ID}"))]
            }
            "haproxy_frontend_create" => {
                let id = "9556f2ff-087d-42c3-b8b9-02633bb166d2";
                proxy.push(json!({"uuid": id, "name": args["name"], "bind": args["bind"], "mode": args["mode"], "backend": args["backend"], "description": args["description"], "enabled": true}));
                vec![text(format!("Successfully created HAProxy frontend in with UUID: {id}"))]
            }
            _ => Vec::new(),
        }
    })
}

#[tokio::test]
async fn a_vlan_is_named_in_its_description_and_goes_by_its_tag() {
    let (fake, control) = (firewall("7"), CallControl::read());
    let server = bound(&fake, "opnsense");
    let wanted = properties(json!({"tag": 150, "interface": "igb0", "description": "Dev (new)", "dhcp": true}));
    let live = server.create(&kind("network:vlan"), &named("dev-net"), &wanted, "swell-ab12", &control).await.unwrap();
    let sent = json!({"interface": "igb0", "tag": "150", "pcp": "0", "description": "dev-net: Dev (new) (swell-ab12)"});
    assert_eq!(*arguments(&fake.seen("create_vlan")[0]), sent);
    assert_eq!((live.id.as_str(), live.name.as_str(), live.created_by.as_deref()), (ID, "dev-net", Some("swell-ab12")));
    assert_eq!(live.properties, properties(json!({"tag": 150, "interface": "igb0", "priority": 0, "description": "Dev (new)"})));
    assert_eq!(live.outputs["device"], "vlan01");
    // One that someone else made has no name: it is there under its id.
    let all = server.list(Some(&kind("network:vlan"))).await.unwrap();
    assert_eq!(all[0].name, "11111111-0000-4000-8000-000000000000");
    let key = key("network:vlan", "dev-net", Some(ID));
    let changed = server.update(&key, &properties(json!({"tag": 150, "interface": "igb0"})), &control).await.unwrap();
    assert_eq!((changed.properties.get("description"), changed.created_by.as_deref()), (None, Some("swell-ab12")));
    server.delete(&key, &control).await.unwrap();
    assert_eq!(*arguments(&fake.seen("delete_vlan")[0]), json!({"tag": "150"}));
    assert_eq!(server.read(&key).await.unwrap(), None);
    assert_eq!(server.tool(&kind("network:vlan"), Action::Delete).as_str(), "delete_vlan");
}

#[tokio::test]
async fn another_vlan_of_the_same_tag_is_left_alone() {
    let (fake, control) = (firewall("150"), CallControl::read());
    let server = bound(&fake, "opnsense");
    let wanted = properties(json!({"tag": 150, "interface": "igb0"}));
    server.create(&kind("network:vlan"), &named("dev-net"), &wanted, "swell-ab12", &control).await.unwrap();
    let gone = server.delete(&key("network:vlan", "dev-net", Some(ID)), &control).await;
    let Err(CallError::Refused { message, .. }) = gone else { panic!("{gone:?}") };
    assert!(message.contains("picks by tag alone"), "{message}");
    assert!(fake.seen("delete_vlan").is_empty());
}

#[tokio::test]
async fn a_business_error_comes_as_a_protocol_error_and_has_its_class() {
    let wanted = properties(json!({"tag": 4000, "interface": "nope"}));
    let made = bound(&firewall("7"), "opnsense").create(&kind("network:vlan"), &named("x"), &wanted, "swell-1", &CallControl::read()).await;
    assert!(matches!(&made, Err(CallError::Refused { class: Refusal::Invalid, .. })), "{made:?}");
    let library = Library::load(&[]);
    let rules = &library.get("opnsense").unwrap().types[&kind("network:vlan")].read.call.errors;
    let all = value(SAMPLES);
    let classes: Vec<(String, Refusal)> = all
        .as_array()
        .unwrap()
        .iter()
        .filter_map(|s| {
            let words = s["error"]["message"].as_str()?;
            Some((words.to_owned(), classify(rules, Refusal::Other, words.to_owned()).0))
        })
        .collect();
    let of = |part: &str| classes.iter().find(|(w, _)| w.contains(part)).unwrap_or_else(|| panic!("{part}")).1;
    assert_eq!(of("VLAN 120 already exists"), Refusal::Exists);
    assert_eq!(of("VLAN 999 not found"), Refusal::NotFound);
    assert_eq!(of("Failed to delete rule"), Refusal::NotFound);
    assert_eq!(of("Value should be between"), Refusal::Invalid);
    assert_eq!(of("is not a valid source IP"), Refusal::Invalid);
    assert_eq!(of("Item in use by"), Refusal::InUse);
    assert!(classes.iter().all(|(_, class)| *class != Refusal::Other), "{classes:?}");
}

#[tokio::test]
async fn a_rule_is_read_in_the_words_of_the_template() {
    let (fake, control) = (firewall("7"), CallControl::read());
    let server = bound(&fake, "opnsense");
    assert_eq!(server.list(Some(&kind("firewall:rule"))).await.unwrap(), []);
    let wanted = properties(json!({"interface": "LAN", "destination": "10.0.0.5", "port": 443, "enabled": false}));
    let live = server.create(&kind("firewall:rule"), &named("web"), &wanted, "swell-1", &control).await.unwrap();
    let sent = json!({
        "action": "pass", "interface": "LAN", "direction": "in", "protocol": "TCP", "source": "any", "destination": "10.0.0.5",
        "destinationPort": "443", "enabled": false, "description": "web (swell-1)",
    });
    assert_eq!(*arguments(&fake.seen("create_firewall_rule")[0]), sent);
    assert_eq!((&live.properties["interface"], &live.properties["enabled"]), (&json!("lan"), &json!(false)));
    assert_eq!((&live.properties["port"], live.other_forms["interface"].as_slice()), (&json!("443"), [json!("LAN")].as_slice()));
}

#[tokio::test]
async fn a_frontend_names_its_backend_and_servers_that_were_not_linked_are_not_there() {
    let (fake, control) = (firewall("7"), CallControl::read());
    let server = bound(&fake, "opnsense");
    let wanted = properties(json!({"servers": ["10.0.0.9:8080"]}));
    let backend = server.create(&kind("haproxy:backend"), &named("web"), &wanted, "swell-1", &control).await.unwrap();
    let sent = arguments(&fake.seen("haproxy_backend_create")[0]).clone();
    assert_eq!(sent["servers"], json!([{"name": "web-10.0.0.9-8080", "address": "10.0.0.9", "port": 8080}]));
    assert_eq!(backend.properties["servers"], json!([]));
    let wanted = properties(json!({"backend": "web", "port": 8443}));
    let front = server.create(&kind("haproxy:frontend"), &named("in"), &wanted, "swell-2", &control).await.unwrap();
    assert_eq!(arguments(&fake.seen("haproxy_frontend_create")[0])["backend"], ID);
    assert_eq!((&front.properties["backend"], front.other_forms["backend"].as_slice()), (&json!("web"), [json!(ID)].as_slice()));
    assert_eq!(
        (&front.outputs["ip"], &front.outputs["port"], &front.outputs["url"]),
        (&json!("0.0.0.0"), &json!(8443), &json!("http://0.0.0.0:8443"))
    );
}

#[tokio::test]
async fn a_type_that_the_server_has_not_is_there_with_its_reason() {
    let server = bound(&firewall("7"), "opnsense");
    let types = server.types().await.unwrap();
    assert!(types[&kind("haproxy:server")].limits.missing["create"].contains("could never be seen"));
    assert!(types[&kind("haproxy:backend")].limits.doubtful["servers"].contains("links none"));
    assert_eq!(server.read(&key("haproxy:server", "x", None)).await.unwrap(), None);
}
