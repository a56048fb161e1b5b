//! A namespace and what is in it on a real Kubernetes API, through the real `swell` and each of the two servers that are bound.

use serde_json::{Value, json};
use swell::mcp::{CallControl, ResourceServer};

use super::support::{home_with, lab_server, make, unmake};

fn template(namespace: &str, replicas: u32, image: &str) -> Value {
    let within = format!("${{kubernetes:namespace:{namespace}.name}}");
    let one =
        |kind: &str, name: &str, properties: Value| json!({"server": "kubernetes", "type": kind, "name": name, "properties": properties});
    json!({"name": namespace, "resources": [
        one("namespace", namespace, json!({"labels": {"team": "web"}})),
        one("configmap", "conf", json!({"namespace": within, "data": {"level": "info", "size": 3}})),
        one("secret", "creds", json!({"namespace": within, "data": {"password": "${secret:LAB_PASSWORD}"}})),
        one("deployment", "web", json!({"namespace": within, "image": image, "replicas": replicas, "port": 80, "labels": {"app": "web", "tier": "front"}})),
        one("service", "web", json!({"namespace": within, "port": 80})),
        one("ingress", "web", json!({"namespace": within, "host": "web.example.org", "service": "${kubernetes:service:web.name}"})),
    ]})
}

async fn made_scaled_broken_rolled_back_destroyed(server: &str, namespace: &str) {
    let Some(lab) = lab_server(server, &["SWELL_LAB_KUBECONFIG"]) else { return };
    // Another deployment of the same name, in another namespace, has nothing to do with it.
    let cluster = lab.connect("other");
    let elsewhere = format!("{namespace}-else");
    let other = make(&cluster, "namespace", &elsewhere, json!({})).await;
    let twin = make(&cluster, "deployment", "web", json!({"namespace": elsewhere, "image": "nginx", "replicas": 1})).await;

    let env = home_with(&[("kubernetes", &lab)]);
    env.swell_with_input(&["secrets", "set", "LAB_PASSWORD"], "correct horse").ok();
    let apply = |replicas: u32, image: &str| {
        env.write("web.json", template(namespace, replicas, image).to_string());
        env.swell(&["apply", "-f", "web.json", "--yes", "--max-destroy", "0"])
    };
    apply(2, "nginx").ok();
    env.settled(namespace);
    apply(3, "nginx").ok().says("replicas 2 -> 3");
    env.settled(namespace);

    // Behind Swell's back.
    let key = super::support::key(&swell::mcp::Live { id: format!("{namespace}/web"), ..twin.clone() });
    let wanted = json!({"namespace": namespace, "image": "redis", "replicas": 5, "labels": {"app": "web", "tier": "front"}, "port": 80});
    cluster.update(&key, wanted.as_object().unwrap(), &CallControl::read()).await.unwrap();
    env.swell(&["drift", namespace, "--exit-code"]).code(4).prints("image: nginx -> redis").prints("replicas: 3 -> 5");
    env.swell(&["apply", namespace, "--yes", "--max-destroy", "0"]).ok();
    env.settled(namespace);

    apply(3, "nosuch:9").code(3).says("ErrImagePull");
    env.swell(&["-p", &format!("why is {namespace} unhealthy?")])
        .any_code()
        .prints("kubernetes:deployment:web has failed")
        .prints("ErrImagePull");
    env.swell(&["rollback", namespace, "--to", "1", "--yes", "--max-destroy", "0"]).ok().says("image nosuch:9 -> nginx");
    env.settled(namespace);

    env.swell(&["destroy", namespace, "--yes", "--max-destroy", "9"]).ok();
    assert_eq!(env.resources(namespace), [""; 0]);
    assert!(cluster.read(&key).await.unwrap().is_none());
    unmake(&cluster, &twin).await;
    unmake(&cluster, &other).await;
    cluster.connection().close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn through_kubernetes_mcp_server() {
    made_scaled_broken_rolled_back_destroyed("kubernetes-containers", "swell-lab-one").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn through_mcp_server_kubernetes() {
    made_scaled_broken_rolled_back_destroyed("kubernetes-flux159", "swell-lab-two").await;
}
