//! `swell watch` and `swell wait` in front of third-party servers: what others do is told once, with what changed, and once when it is over.

use std::path::Path;

use serde_json::{Value, json};
use swell::mcp::{CallControl, ResourceServer};

use super::{
    aws::{Account, own},
    engine::Engine,
    support::{LabServer, home_with, lab_server, lab_variable, register},
};
use crate::support::{
    env::TestEnv,
    watching::{Watching, sights, signal},
};

const INTERVAL: [&str; 2] = ["--interval", "500ms"];

/// The same server, which writes its process id to the file `pid` of its folder each time it is started.
fn known(env: &TestEnv, lab: &LabServer) -> LabServer {
    wrapped(lab, r#"echo $$ > "$0.new" && mv "$0.new" "$0" && exec "$@""#, &env.work().join("pid"))
}

/// The same server, and a file with everything that is sent to it.
fn overheard(env: &TestEnv, lab: &LabServer) -> LabServer {
    wrapped(lab, r#"tee "$0" | "$@""#, &env.work().join("sent"))
}

fn wrapped(lab: &LabServer, script: &str, file: &Path) -> LabServer {
    let mut args = vec!["-c".to_owned(), script.to_owned(), file.to_str().unwrap().to_owned(), lab.command.clone()];
    args.extend(lab.args.iter().cloned());
    LabServer { command: "sh".to_owned(), args, env: lab.env.clone() }
}

/// `swell wait` that must end well, started before what it waits for is done.
fn awaited(waiting: std::process::Child) {
    let output = waiting.wait_with_output().unwrap();
    assert!(output.status.success(), "{output:?}");
}

#[test]
fn a_container_that_others_stop_kill_and_take_away() {
    let Some(lab) = lab_server("docker-ckreiling", &["SWELL_LAB_DOCKER"]) else { return };
    let engine = Engine::at(&lab_variable("SWELL_LAB_DOCKER").unwrap());
    let place = TestEnv::new();
    let env = home_with(&[("docker", &known(&place, &lab))]);
    let (name, a) = (own("labeye"), own("labeye-a"));
    let one = |n: &str| json!({"server": "docker", "type": "container:run", "name": n, "properties": {"image": "lab/http:1"}});
    env.write("eye.json", json!({"name": name, "resources": [one(&a), one(&own("labeye-b")), one(&own("labeye-c"))]}).to_string());
    env.swell(&["apply", "-f", "eye.json", "--yes", "--max-destroy", "0"]).ok();
    let address = format!("docker:container:run:{a}");
    env.swell(&["wait", &address, "--for", "healthy", "--timeout", "60s"]).ok().prints("is healthy");

    let mut watching = Watching::start(&env, &INTERVAL);
    watching.looked();
    let program = place.read("pid");
    // Killed: told with address, what changed, when, and why; started again: over. Nothing is told twice.
    engine.kill(&a);
    let seen = watching.until(Watching::is("health", false));
    let last = seen.last().unwrap();
    assert_eq!((&last["address"], &last["before"], &last["after"]), (&json!(address), &json!("healthy"), &json!("unhealthy")));
    assert!(last["text"].as_str().unwrap().contains("137") && last["at"].is_string(), "{last}");
    env.swell(&["wait", &address, "--for", "healthy", "--timeout", "1s"]).refused(1, "wait::timeout").says("137");
    let waiting = env.start(&["wait", &address, "--for", "healthy", "--timeout", "90s"]);
    engine.ask("POST", &format!("/containers/{a}/start"));
    awaited(waiting);
    let over = watching.until(Watching::is("health", true));
    let told = sights(&[seen, over].concat());
    let mut once = told.clone();
    once.sort();
    once.dedup();
    assert_eq!(told.len(), once.len(), "{told:#?}");

    // The program dies, and is watched on behind the next one.
    signal(program.trim().parse().unwrap(), "KILL");
    let waiting = env.start(&["wait", &address, "--for", "gone", "--timeout", "90s"]);
    engine.ask("DELETE", &format!("/containers/{a}?force=true"));
    let seen = watching.until(Watching::is("gone", false));
    assert_eq!(seen.last().unwrap()["address"], json!(address));
    awaited(waiting);

    // The plan puts it right; the watch goes over to what is recorded then.
    env.swell(&["apply", &name, "--yes", "--max-destroy", "1"]).ok();
    watching.until(Watching::is("recorded", true));
    let (rest, code) = watching.interrupt();
    assert_eq!(code, 0, "{rest:#?}");
    env.swell(&["watch", &name, "--once", "--exit-code"]).ok();
    // Its containers can only be read out of a list: one list is what a look costs, and one call says who answers.
    register(&env, &[("docker", &overheard(&place, &lab))]);
    env.swell(&["watch", &name, "--once", "--exit-code"]).ok().prints("Watched 3 resources");
    assert_eq!(place.read("sent").matches("\"list_containers\"").count(), 1, "{}", place.read("sent"));
    env.swell(&["destroy", &name, "--yes", "--max-destroy", "9"]).ok();
    assert_eq!(engine.names(&name), [""; 0]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_deployment_that_others_scale() {
    let Some(lab) = lab_server("kubernetes-containers", &["SWELL_LAB_KUBECONFIG"]) else { return };
    let cluster = lab.connect("other");
    let env = home_with(&[("kubernetes", &lab)]);
    let name = own("swell-eye");
    let within = format!("${{kubernetes:namespace:{name}.name}}");
    let web = |replicas: u32| json!({"namespace": name, "image": "nginx", "replicas": replicas, "port": 80, "labels": {"app": "web"}});
    let one = |kind: &str, n: &str, properties: Value| json!({"server": "kubernetes", "type": kind, "name": n, "properties": properties});
    let mut wanted = web(2);
    wanted["namespace"] = json!(within);
    let template = json!({"name": name, "resources": [one("namespace", &name, json!({})), one("deployment", "web", wanted)]});
    env.write("web.json", template.to_string());
    env.swell(&["apply", "-f", "web.json", "--yes", "--max-destroy", "0"]).ok();
    env.swell(&["wait", &name, "--for", "ready", "--timeout", "60s"]).ok();

    let mut watching = Watching::start(&env, &INTERVAL);
    watching.looked();
    let key = swell::mcp::Key::named(&"deployment".parse().unwrap(), &"web".parse().unwrap()).id(Some(format!("{name}/web")));
    for (replicas, well, text) in [(4, false, "replicas 2 -> 4"), (2, true, "replicas is as recorded again")] {
        cluster.update(&key, web(replicas).as_object().unwrap(), &CallControl::read()).await.unwrap();
        let seen = watching.until(Watching::is("drift", well));
        let last = seen.last().unwrap();
        assert_eq!((last["address"].as_str(), last["text"].as_str()), (Some("kubernetes:deployment:web"), Some(text)), "{seen:#?}");
        assert_eq!(sights(&seen).iter().filter(|s| s.contains(" drift: ")).count(), 1, "{seen:#?}");
    }
    let (rest, code) = watching.interrupt();
    assert_eq!((code, &rest.last().unwrap()["data"]["not_as_recorded"]), (0, &json!({})), "{rest:#?}");
    env.swell(&["destroy", &name, "--yes", "--max-destroy", "9"]).ok();
    cluster.connection().close().await;
}

#[test]
fn a_tag_that_others_change() {
    let Some(lab) = lab_server("aws-api", &["SWELL_LAB_MOTO"]) else { return };
    let account = Account::of(&lab);
    let env = home_with(&[("aws", &lab)]);
    let (name, net) = (own("labeye"), own("labeye-net"));
    let vpc = json!({"server": "aws", "type": "vpc:vpc", "name": net, "properties": {"cidrBlock": "10.78.0.0/16", "tags": {"env": "lab"}}});
    env.write("net.json", json!({"name": name, "resources": [vpc]}).to_string());
    env.swell(&["apply", "-f", "net.json", "--yes", "--max-destroy", "0"]).ok();
    let address = format!("aws:vpc:vpc:{net}");
    let id = env.swell(&["show", &name, "--json"]).ok().json()["resources"][&address]["outputs"]["id"].as_str().unwrap().to_owned();

    let mut watching = Watching::start(&env, &INTERVAL);
    watching.looked();
    for (value, well) in [("changed", false), ("lab", true)] {
        account.run(&format!("aws ec2 create-tags --resources {id} --tags Key=env,Value={value} --region us-east-1"));
        let seen = watching.until(Watching::is("drift", well));
        let last = seen.last().unwrap();
        assert_eq!(last["address"], json!(address));
        assert!(last["text"].as_str().unwrap().starts_with("tags "), "{last}");
        assert_eq!(sights(&seen).len(), 1, "{seen:#?}");
    }
    let waiting = env.start(&["wait", &address, "--for", "gone", "--timeout", "90s"]);
    account.run(&format!("aws ec2 delete-vpc --vpc-id {id} --region us-east-1"));
    watching.until(Watching::is("gone", false));
    awaited(waiting);
    let (rest, code) = watching.interrupt();
    assert_eq!(code, 0, "{rest:#?}");
    env.swell(&["destroy", &name, "--yes", "--max-destroy", "9"]).ok();
}
