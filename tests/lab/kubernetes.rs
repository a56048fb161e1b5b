//! A real Kubernetes API behind kubernetes-mcp-server.

use serde_json::json;
use swell::mcp::{CallControl, ResourceServer, Status};

use super::support::{key, lab_server, make, ready, unmake};

#[tokio::test]
async fn a_deployment_is_made_scaled_broken_and_deleted() {
    let Some(cluster) = lab_server("kubernetes-containers", &["SWELL_LAB_KUBECONFIG"]) else { return };
    let cluster = cluster.connect("kubernetes");
    let namespace = make(&cluster, "namespace", "swell-lab", json!({})).await;
    let config = make(&cluster, "configmap", "conf", json!({"namespace": "swell-lab", "data": {"n": 3}})).await;
    assert_eq!(config.properties["data"], json!({"n": "3"}));
    let mut wanted = json!({"namespace": "swell-lab", "image": "nginx", "replicas": 2});
    let web = make(&cluster, "deployment", "web", wanted.clone()).await;
    assert_eq!((web.status, &web.outputs["readyReplicas"]), (Status::Ready, &json!(2)), "{web:?}");
    wanted["replicas"] = json!(3);
    let scaled = cluster.update(&key(&web), wanted.as_object().unwrap(), &CallControl::read()).await.unwrap();
    assert_eq!(ready(&cluster, scaled).await.outputs["readyReplicas"], json!(3));
    wanted["image"] = json!("nosuch:9");
    let broken = cluster.update(&key(&web), wanted.as_object().unwrap(), &CallControl::read()).await.unwrap();
    let broken = ready(&cluster, broken).await;
    assert_eq!(broken.status, Status::Failed);
    assert!(broken.reason.unwrap_or_default().contains("ErrImagePull"));
    let told = cluster.evidence(&key(&web)).await.unwrap();
    assert!(told.iter().any(|e| e.text.contains("ErrImagePull")), "{told:?}");
    for gone in [&web, &config, &namespace] {
        unmake(&cluster, gone).await;
    }
    cluster.connection().close().await;
}
