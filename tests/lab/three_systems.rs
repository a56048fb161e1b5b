//! One template over a firewall, a Docker engine and a cluster at once: what one server answers is what the next one is told.

use serde_json::json;

use super::{
    opnsense::Firewall,
    support::{home_with, lab_server, lab_variable, tells},
};
use crate::support::env::{YES, repository, text};

const VARIABLES: [&str; 6] = ["--var", "interface=igb0", "--var", "image=lab/http:1", "--var", "tag=3210"];

#[test]
fn one_template_over_three_systems() {
    let (Some(opnsense), Some(docker), Some(kubernetes), Some(at)) = (
        lab_server("opnsense", &[]),
        lab_server("docker-ckreiling", &["SWELL_LAB_DOCKER"]),
        lab_server("kubernetes-containers", &["SWELL_LAB_KUBECONFIG"]),
        lab_variable("SWELL_LAB_OPNSENSE"),
    ) else {
        return;
    };
    let firewall = Firewall::clean(&at, "app-vlan");
    let env = home_with(&[("opnsense", &opnsense), ("docker", &docker), ("kubernetes", &kubernetes)]);
    let file = repository("examples/three-systems.yaml");
    let apply = [&["apply", text(&file)], VARIABLES.as_slice(), YES.as_slice()].concat();
    env.swell(&apply).ok();
    env.settled("three-systems");
    let of = |address: &str| env.swell(&["show", address, "--json"]).ok().json()[0][1].clone();
    let front = of("docker:container:run:app-front");
    assert_eq!(front["properties"]["labels"]["vlan"], "app-vlan", "{front}");
    let web = of("kubernetes:deployment:app-web");
    assert_eq!(
        (&web["properties"]["image"], &web["properties"]["env"]["UPSTREAM"]),
        (&json!("lab/http:1"), &of("docker:container:run:app-back")["id"])
    );
    let vlan = firewall.of("interfaces/vlan_settings/Item", "app-vlan");
    assert_eq!(web["properties"]["env"]["DEVICE"], vlan[0].1["vlanif"]);

    // The VLAN goes behind Swell's back: what is wrong is seen and put right, and nothing else is touched.
    firewall.post(&format!("interfaces/vlan_settings/delItem/{}", vlan[0].0), &json!({}));
    let drift = env.swell(&["drift", "three-systems", "--exit-code"]).code(4);
    tells(&drift, &["opnsense:network:vlan:app-vlan is gone"]);
    env.swell(&apply).ok();
    env.settled("three-systems");
    assert_eq!(of("docker:container:run:app-front")["id"], front["id"]);

    env.swell(&["destroy", "three-systems", "--yes", "--max-destroy", "20"]).ok();
    assert_eq!(firewall.of("interfaces/vlan_settings/Item", "app-vlan"), []);
    let _ = env.sound();
}
