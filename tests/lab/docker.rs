//! A real Docker engine behind mcp-server-docker: `SWELL_LAB_DOCKER=unix://… SWELL_LAB_DOCKER_SERVER=mcp-server-docker`, and the
//! image `lab/http:1` on it.

use serde_json::json;
use swell::mcp::{CallControl, ResourceServer, Status};

use super::support::{key, lab_server, make, unmake};

#[tokio::test]
async fn network_volume_and_container_live_and_go() {
    let Some(docker) = lab_server("docker-ckreiling", &["SWELL_LAB_DOCKER"]) else { return };
    let docker = docker.connect("docker");
    let network = make(&docker, "network", "swell-lab-net", json!({"internal": false})).await;
    let volume = make(&docker, "volume", "swell-lab-data", json!({})).await;
    let wanted = json!({"image": "lab/http:1", "network": "swell-lab-net", "volumes": ["swell-lab-data:/data"], "ports": ["18099:80"]});
    let web = make(&docker, "container:run", "swell-lab-web", wanted.clone()).await;
    assert_eq!((web.status, web.created_by.as_deref()), (Status::Ready, Some("lab-key")), "{web:?}");
    assert_eq!((&web.properties["network"], &web.outputs["port"]), (&json!("swell-lab-net"), &json!(18099)));
    // A port that is taken: the engine says no and leaves the container behind, where it is seen.
    let properties = wanted.as_object().unwrap().clone();
    let second = docker.create(&web.kind, &"swell-lab-web2".parse().unwrap(), &properties, "lab-key-2", &CallControl::read()).await;
    assert!(second.is_err(), "{second:?}");
    let left = docker.read(&swell::mcp::Key { id: None, name: "swell-lab-web2".parse().unwrap(), ..key(&web) }).await.unwrap().unwrap();
    assert_eq!((left.status, left.created_by.as_deref()), (Status::Failed, Some("lab-key-2")), "{left:?}");
    for gone in [&left, &web, &network, &volume] {
        unmake(&docker, gone).await;
    }
    docker.connection().close().await;
}
