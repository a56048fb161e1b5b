//! `swell plan`: it changes nothing, and the same inputs give the same bytes.

use crate::support::env::{BLOG, TestEnv, YES, repository, text};

#[test]
fn the_same_inputs_give_the_same_bytes_and_digest() {
    let env = TestEnv::new();
    let plan = |out: &str| env.swell_all(&[&["plan", "--json", "--out", out], &BLOG[..]]).ok();
    let (a, b) = (plan("a.json"), plan("b.json"));
    assert_eq!(a.stdout, b.stdout);
    assert_eq!(env.read("a.json"), env.read("b.json"));
    assert!(a.json()["digest"].as_str().unwrap().starts_with("sha256:"));
}

#[test]
fn two_homes_give_the_same_plan_but_for_what_they_are() {
    let digest = || {
        let env = TestEnv::new();
        let file = repository("examples/production-app.json");
        env.write("app.json", std::fs::read(file).unwrap());
        env.swell(&["plan", "-f", "app.json", "--json"]).ok().json()["digest"].clone()
    };
    assert_eq!(digest(), digest());
}

#[test]
fn it_changes_nothing() {
    let env = TestEnv::new();
    let before = env.world();
    env.swell_all(&[&["plan"], &BLOG[..]]).ok().prints("Plan: 21 to add, 0 to change, 0 to replace, 0 to destroy");
    assert_eq!(env.world(), before);
    assert_eq!(env.sound(), 0);
    assert_eq!(env.swell(&["show", "--json"]).ok().stdout.matches("blog").count(), 0);
}

#[test]
fn the_exit_code_says_whether_there_is_something_to_do() {
    let env = TestEnv::new();
    env.swell_all(&[&["plan", "--exit-code"], &BLOG[..]]).code(4);
    env.swell_all(&[&["apply"], &BLOG[..], &YES]).ok();
    env.swell(&["plan", "blog", "--exit-code"]).code(0);
    env.swell(&["plan", "blog", "--exit-code", "-p", "replicas=3"]).code(4).prints("blog-web-3");
    env.swell(&["plan", "blog", "--exit-code", "--destroy"]).code(4).prints("21 to destroy");
}

#[test]
fn a_template_can_come_from_standard_input_with_variables() {
    let env = TestEnv::new();
    let template = "name: t\nvariables: { tag: 7 }\nresources:\n  - server: opnsense\n    type: network:vlan\n    name: n\n    properties: { tag: \"${tag}\" }\n";
    env.swell_with_input(&["plan", "-f", "-", "--var", "tag=88"], template).ok().prints("tag 88");
    env.swell_with_input(&["plan", "-f", "-", "--name", "other", "--json"], template).ok().prints("\"other\"");
}

#[test]
fn a_file_may_be_named_without_a_flag() {
    let env = TestEnv::new();
    env.swell(&["plan", text(&repository("examples/dev-environment.yaml"))]).ok().prints("deploy dev-environment");
}

/// As if started there: what is read and what is written is meant from that folder.
#[test]
fn a_folder_can_be_worked_in_from_outside() {
    let env = TestEnv::new();
    env.write("elsewhere/x.yaml", "resources:\n  - {server: docker, type: network, name: n, properties: {}}\n");
    env.write("x.yaml", "resources:\n  - {server: docker, type: network, name: other, properties: {}}\n");
    env.swell(&["-C", "elsewhere", "plan", "-f", "x.yaml", "--out", "plan.json"]).ok().prints("docker:network:n");
    assert!(env.work().join("elsewhere/plan.json").is_file() && !env.work().join("plan.json").exists());
    env.swell(&["-C", "elsewhere", "apply", "plan.json", "--yes"]).ok();
    env.swell(&["-C", "x.yaml", "show"]).refused(2, "usage").says("is not a folder");
}

#[test]
fn every_problem_of_a_file_is_reported_together_with_its_place() {
    let env = TestEnv::new();
    env.write(
        "bad.yaml",
        "name: bad\nresources:\n  - server: opnsense\n    type: network:vlam\n    name: a\n    properties: { tag: 1 }\n  - server: docker\n    type: container:run\n    name: b\n    properties: { imagee: nginx, network: \"${docker:network:nowhere.name}\" }\n",
    );
    env.swell(&["plan", "-f", "bad.yaml"])
        .code(1)
        .says("bad.yaml:4:")
        .says("network:vlan")
        .says("bad.yaml:10:")
        .says("imagee")
        .says("nowhere");
}

#[test]
fn a_missing_parameter_is_asked_for_by_name() {
    let env = TestEnv::new();
    env.swell(&["plan", "--pattern", "wordpress-ha"]).code(2).says("domain");
    env.swell(&["plan", "--pattern", "wordpres-ha", "-p", "domain=x.org"]).code(1).says("Did you mean `wordpress-ha`?");
    env.swell(&["plan", "--pattern", "wordpress-ha", "-p", "domain=blog.example.org", "-p", "replica=3"]).code(2).says("replicas");
}
