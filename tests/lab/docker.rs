//! A real Docker engine behind both lines of mcp-server-docker: what is made lives and goes, and what others do to it is seen for what it is.

use std::net::TcpListener;

use serde_json::{Value, json};
use swell::mcp::{CallControl, CallError, Refusal, ResourceServer, Status};

use super::{
    engine::{Engine, free_port},
    support::{home_with, key, lab_server, lab_variable, make, unmake},
};

async fn lives_and_goes(server: &str, prefix: &str) {
    let Some(docker) = lab_server(server, &["SWELL_LAB_DOCKER"]) else { return };
    let docker = docker.connect("docker");
    let name = |part: &str| format!("{prefix}-{part}");
    let port = free_port();
    let network = make(&docker, "network", &name("net"), json!({"internal": false})).await;
    let volume = make(&docker, "volume", &name("data"), json!({})).await;
    let wanted = json!({
        "image": "lab/http:1", "network": name("net"), "volumes": [format!("{}:/data", name("data"))], "ports": [format!("{port}:80")],
        "environment": {"N": 3},
    });
    let web = make(&docker, "container:run", &name("web"), wanted.clone()).await;
    assert_eq!((web.status, web.created_by.as_deref()), (Status::Ready, Some("lab-key")), "{web:?}");
    assert_eq!((&web.properties["network"], &web.outputs["port"]), (&json!(name("net")), &json!(port)));
    // A port that is taken: the engine says no and leaves the container behind, where it is seen.
    let properties = wanted.as_object().unwrap().clone();
    let second = docker.create(&web.kind, &name("web2").parse().unwrap(), &properties, "lab-key-2", &CallControl::read()).await;
    assert!(second.is_err(), "{second:?}");
    let left = docker.read(&swell::mcp::Key { id: None, name: name("web2").parse().unwrap(), ..key(&web) }).await.unwrap().unwrap();
    assert_eq!((left.status, left.created_by.as_deref()), (Status::Failed, Some("lab-key-2")), "{left:?}");
    assert!(left.reason.as_deref().is_some_and(|r| r.contains("already") || r.contains("in use")), "{left:?}");
    // What is in use stays, whatever the server calls its no.
    for used in [&network, &volume] {
        let refused = docker.delete(&key(used), &CallControl::read()).await;
        assert!(matches!(&refused, Err(CallError::Refused { class: Refusal::InUse | Refusal::Other, .. })), "{refused:?}");
        let told = docker.evidence(&key(used)).await.unwrap();
        assert!(told.iter().any(|e| e.text.contains(&name("web"))), "{told:?}");
    }
    for gone in [&left, &web, &network, &volume] {
        unmake(&docker, gone).await;
    }
    docker.connection().close().await;
}

#[tokio::test]
async fn network_volume_and_container_live_and_go_with_0_3() {
    lives_and_goes("docker-ckreiling", "swell-lab-a").await;
}

#[tokio::test]
async fn network_volume_and_container_live_and_go_with_0_2() {
    lives_and_goes("docker-ckreiling-0.2.1", "swell-lab-b").await;
}

fn template(image: &str, port: u16) -> Value {
    let one = |kind: &str, name: &str, properties: Value| json!({"server": "docker", "type": kind, "name": name, "properties": properties});
    let net = "${docker:network:labshop-net.name}";
    json!({"name": "labshop", "resources": [
        one("network", "labshop-net", json!({})),
        one("container:run", "labshop-a", json!({"image": image, "network": net, "labels": {"tier": "web"}})),
        one("container:run", "labshop-b", json!({"image": "lab/http:1", "network": net, "ports": [format!("{port}:80")]})),
    ]})
}

#[test]
fn what_others_do_to_containers_is_seen_and_put_right() {
    let Some(docker) = lab_server("docker-ckreiling-0.2.1", &["SWELL_LAB_DOCKER"]) else { return };
    let engine = Engine::at(&lab_variable("SWELL_LAB_DOCKER").unwrap());
    let env = home_with(&[("docker", &docker)]);
    let apply = |destroy: &str| env.swell(&["apply", "-f", "shop.json", "--yes", "--max-destroy", destroy]);

    // Somebody else has the port.
    let taken = TcpListener::bind(("127.0.0.1", 0)).unwrap();
    let port = taken.local_addr().unwrap().port();
    env.write("shop.json", template("lab/http:1", port).to_string());
    apply("0").code(3).says("address already in use");
    env.swell(&["-p", "why is labshop unhealthy?"]).any_code().prints("labshop-b has failed").prints("address already in use");
    drop(taken);
    apply("1").ok();
    env.settled("labshop");

    // A restart changes nothing that we set.
    engine.ask("POST", "/containers/labshop-a/restart?t=0");
    env.swell(&["drift", "labshop", "--exit-code"]).ok();
    // Stopped, taken off its network, taken away.
    for (method, path, said) in [
        ("POST", "/containers/labshop-a/stop?t=0", "labshop-a is unhealthy"),
        ("POST", "/containers/labshop-a/pause", "labshop-a is unhealthy"),
        ("DELETE", "/containers/labshop-a?force=true", "labshop-a is gone"),
    ] {
        engine.ask(method, path);
        env.swell(&["drift", "labshop", "--exit-code"]).code(4).prints(said);
        if path.ends_with("pause") {
            engine.ask("POST", "/containers/labshop-a/unpause");
            continue;
        }
        apply("1").ok();
        env.settled("labshop");
    }

    // Another tag is another container.
    env.write("shop.json", template("lab/http:2", port).to_string());
    apply("1").ok().says("image changed (forces replace): lab/http:1 -> ");
    env.settled("labshop");
    env.swell(&["destroy", "labshop", "--yes", "--max-destroy", "9"]).ok();
    assert_eq!(engine.names("labshop"), [""; 0]);
}
