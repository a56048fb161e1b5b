//! The stand-in of an OPNsense firewall behind OPNSenseMCP, which is on no registry: without `opnsense.json` among the lab's servers this
//! is skipped. `SWELL_LAB_OPNSENSE` is the stand-in's address; its own API is how things change behind Swell's back.

use std::{
    io::{Read, Write},
    net::TcpStream,
};

use serde_json::{Value, json};

use super::support::{home_with, lab_server, lab_variable, tells};
use crate::support::env::YES;

/// The firewall as it is, asked past Swell.
pub struct Firewall {
    at: String,
}

impl Firewall {
    /// The stand-in, with nothing on it whose description or name holds `prefix`.
    pub fn clean(at: &str, prefix: &str) -> Self {
        let firewall = Self { at: at.trim_start_matches("http://").trim_end_matches('/').to_owned() };
        for (kind, delete) in [
            ("haproxy/settings/Frontend", "haproxy/settings/delFrontend"),
            ("haproxy/settings/Backend", "haproxy/settings/delBackend"),
            ("haproxy/settings/Server", "haproxy/settings/delServer"),
            ("firewall/filter/Rule", "firewall/filter/delRule"),
            ("interfaces/vlan_settings/Item", "interfaces/vlan_settings/delItem"),
            ("unbound/settings/HostOverride", "unbound/settings/delHostOverride"),
        ] {
            for (id, _) in firewall.of(kind, prefix) {
                firewall.post(&format!("{delete}/{id}"), &json!({}));
            }
        }
        firewall
    }

    /// What is staged, or what is in force.
    fn state(&self, which: &str) -> Value {
        self.ask("GET", "/__lab/state", "")[which].clone()
    }

    /// The objects of a kind whose description or name holds `text`, by id.
    pub fn of(&self, kind: &str, text: &str) -> Vec<(String, Value)> {
        let staged = self.state("staged");
        let fits = |o: &Value| ["descr", "description", "name"].iter().any(|k| o[k].as_str().is_some_and(|t| t.contains(text)));
        staged[kind].as_object().into_iter().flatten().filter(|(_, o)| fits(o)).map(|(id, o)| (id.clone(), o.clone())).collect()
    }

    /// Changes it behind Swell's back.
    pub fn post(&self, path: &str, body: &Value) -> Value {
        self.ask("POST", &format!("/api/{path}"), &body.to_string())
    }

    fn ask(&self, method: &str, path: &str, body: &str) -> Value {
        let mut stream = TcpStream::connect(&self.at).unwrap();
        let head = format!("{method} {path} HTTP/1.1\r\nHost: {}\r\nConnection: close\r\nContent-Length: {}", self.at, body.len());
        // labkey:labsecret
        write!(stream, "{head}\r\nAuthorization: Basic bGFia2V5OmxhYnNlY3JldA==\r\n\r\n{body}").unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).unwrap();
        serde_json::from_str(answer.split_once("\r\n\r\n").unwrap().1).unwrap()
    }
}

fn template(rule_port: u16, balance: &str) -> String {
    json!({"name": "swlab-fw", "resources": [
        {"server": "opnsense", "type": "network:vlan", "name": "swlab-net", "properties": {"tag": 3150, "interface": "igb0", "description": "Lab"}},
        {"server": "opnsense", "type": "firewall:rule", "name": "swlab-https",
         "properties": {"interface": "lan", "destination": "10.0.0.5", "port": rule_port, "enabled": true}},
        {"server": "opnsense", "type": "haproxy:backend", "name": "swlab-back", "properties": {"balance": balance}},
        {"server": "opnsense", "type": "haproxy:frontend", "name": "swlab-front",
         "properties": {"backend": "${opnsense:haproxy:backend:swlab-back.name}", "address": "127.0.0.1", "port": 18443}},
        {"server": "opnsense", "type": "dns:override", "name": "swlab-ads", "properties": {"host": "ads", "domain": "swlab.example", "ip": "0.0.0.0"}},
    ]})
    .to_string()
}

#[test]
fn a_firewall_is_made_changed_put_right_and_cleared() {
    let (Some(server), Some(at)) = (lab_server("opnsense", &[]), lab_variable("SWELL_LAB_OPNSENSE")) else { return };
    let firewall = Firewall::clean(&at, "swlab-");
    let env = home_with(&[("opnsense", &server)]);
    env.write("fw.json", template(443, "leastconn"));
    env.swell(&["apply", "fw.json", YES[0], YES[1], YES[2]]).ok();
    env.settled("swlab-fw");
    assert_eq!(firewall.state("staged"), firewall.state("running"), "everything is in force");
    let rule = firewall.of("firewall/filter/Rule", "swlab-https");
    assert_eq!((rule.len(), &rule[0].1["destination_port"], &rule[0].1["interface"]), (1, &json!("443"), &json!("lan")));
    let backend = firewall.of("haproxy/settings/Backend", "swlab-back");
    assert_eq!(firewall.of("haproxy/settings/Frontend", "swlab-front")[0].1["defaultBackend"], backend[0].0);

    env.write("fw.json", template(8443, "roundrobin"));
    env.swell(&["apply", "fw.json", YES[0], YES[1], YES[2]]).ok();
    env.settled("swlab-fw");
    assert_eq!(firewall.of("firewall/filter/Rule", "swlab-https")[0].0, rule[0].0, "changed in place");

    // Behind its back: the rule is opened and the VLAN taken away.
    firewall.post(&format!("firewall/filter/setRule/{}", rule[0].0), &json!({"rule": {"destination_port": "22", "enabled": "0"}}));
    let vlan = firewall.of("interfaces/vlan_settings/Item", "swlab-net");
    firewall.post(&format!("interfaces/vlan_settings/delItem/{}", vlan[0].0), &json!({}));
    let drift = env.swell(&["drift", "swlab-fw", "--exit-code"]).code(4);
    tells(&drift, &["swlab-net is gone", "port: 8443 -> 22", "enabled: true -> false"]);
    env.swell(&["apply", "fw.json", YES[0], YES[1], YES[2]]).ok();
    env.settled("swlab-fw");
    let rule = firewall.of("firewall/filter/Rule", "swlab-https");
    assert_eq!((&rule[0].1["destination_port"], &rule[0].1["enabled"]), (&json!("8443"), &json!("1")));

    env.swell(&["destroy", "swlab-fw", "--yes", "--max-destroy", "9"]).ok();
    for kind in ["haproxy/settings/Frontend", "haproxy/settings/Backend", "firewall/filter/Rule", "interfaces/vlan_settings/Item"] {
        assert_eq!(firewall.of(kind, "swlab-"), [], "{kind}");
    }
    assert_eq!(firewall.of("unbound/settings/HostOverride", "swlab-"), []);
    let _ = env.sound();
}

#[test]
fn a_false_success_is_caught_by_reading_back() {
    let (Some(server), Some(at)) = (lab_server("opnsense", &[]), lab_variable("SWELL_LAB_OPNSENSE")) else { return };
    let firewall = Firewall::clean(&at, "swfalse-");
    let env = home_with(&[("opnsense", &server)]);
    let chain = json!({"name": "swfalse", "resources": [
        {"server": "opnsense", "type": "haproxy:backend", "name": "swfalse-back", "properties": {"servers": ["10.0.0.9:8080"]}},
        {"server": "opnsense", "type": "haproxy:frontend", "name": "swfalse-front",
         "properties": {"backend": "${opnsense:haproxy:backend:swfalse-back.name}", "port": 18080}},
    ]});
    env.write("chain.json", chain.to_string());
    tells(&env.swell(&["plan", "chain.json"]).ok(), &["links none of them to the backend"]);
    let ran = env.swell(&["apply", "chain.json", YES[0], YES[1], YES[2]]).code(3);
    tells(&ran, &["the server says that it was done, and reading it back shows that `servers` is [], and [\"10.0.0.9:8080\"] was wanted"]);
    // The truth: the server is an orphan, the backend is empty, and nothing was built on it.
    assert_eq!(firewall.of("haproxy/settings/Backend", "swfalse-")[0].1["linkedServers"], "");
    assert_eq!(firewall.of("haproxy/settings/Server", "swfalse-").len(), 1);
    assert_eq!(firewall.of("haproxy/settings/Frontend", "swfalse-"), []);
    env.swell(&["destroy", "swfalse", "--yes", "--max-destroy", "9"]).ok();
    assert_eq!(firewall.of("haproxy/settings/Backend", "swfalse-"), []);
}

#[test]
fn what_it_cannot_do_is_refused_before_anything_runs() {
    let (Some(server), Some(at)) = (lab_server("opnsense", &[]), lab_variable("SWELL_LAB_OPNSENSE")) else { return };
    let firewall = Firewall::clean(&at, "swno-");
    let env = home_with(&[("opnsense", &server)]);
    let asks = json!({"name": "swno", "resources": [
        {"server": "opnsense", "type": "network:vlan", "name": "swno-net", "properties": {"tag": 3151, "interface": "igb0", "cidr": "10.9.0.0/24"}},
        {"server": "opnsense", "type": "firewall:alias", "name": "swno-hosts", "properties": {"content": ["10.0.0.1"]}},
        {"server": "opnsense", "type": "firewall:rule", "name": "swno-rule", "properties": {"sequence": 5}},
        {"server": "opnsense", "type": "haproxy:frontend", "name": "swno-tls", "properties": {"backend": "x", "certificate": "abc"}},
    ]});
    env.write("asks.json", asks.to_string());
    let refused = env.swell(&["apply", "asks.json", YES[0], YES[1], YES[2]]).code(1);
    let reasons = [
        "no tool that assigns it to an interface",
        "has no tool for aliases",
        "the order decides which rule wins",
        "would listen without TLS",
    ];
    tells(&refused, &reasons);
    assert_eq!(firewall.of("interfaces/vlan_settings/Item", "swno-"), []);
}
