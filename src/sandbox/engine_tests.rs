use serde_json::{Value, json};

use crate::domain::ResourceType;
use crate::mcp::{Health, Status};
use crate::sandbox::testing::Lab;
use crate::sandbox::{Poke, SERVERS, type_table};

/// Properties for one resource of each type, in an order in which they can be made, and a change that is allowed in place.
fn one_of_each() -> Vec<(&'static str, Value, Value)> {
    let same = Value::Null;
    vec![
        ("opnsense:network:vlan:lab", json!({ "tag": 50 }), json!({ "tag": 51, "description": "lab" })),
        ("opnsense:firewall:alias:admins", json!({ "content": ["10.9.0.4", "10.9.0.5"] }), json!({ "content": ["10.9.0.4"] })),
        (
            "opnsense:firewall:rule:allow",
            json!({ "interface": "lab", "source": "admins", "port": 443 }),
            json!({ "interface": "lab", "port": "8000-8010" }),
        ),
        (
            "opnsense:dns:override:web",
            json!({ "host": "web", "domain": "lab.example", "ip": "10.0.50.5" }),
            json!({ "host": "web", "domain": "lab.example", "ip": "10.0.50.6" }),
        ),
        (
            "opnsense:dhcp:reservation:cam",
            json!({ "network": "lab", "mac": "00:11:22:33:44:55" }),
            json!({ "network": "lab", "mac": "00:11:22:33:44:56" }),
        ),
        ("opnsense:trust:certificate:cert", json!({ "commonName": "lab.example" }), json!({ "commonName": "lab.example", "lifetime": 30 })),
        ("opnsense:haproxy:server:s1", json!({ "address": "192.168.1.50", "port": 80 }), json!({ "address": "192.168.1.50", "port": 81 })),
        ("opnsense:haproxy:backend:b1", json!({ "servers": ["s1"] }), json!({ "servers": ["s1"], "balance": "leastconn" })),
        (
            "opnsense:haproxy:frontend:f1",
            json!({ "backend": "b1", "certificate": "cert" }),
            json!({ "backend": "b1", "certificate": "cert", "maxConnections": 10 }),
        ),
        ("docker:network:n1", json!({}), same.clone()),
        ("docker:volume:v1", json!({}), same.clone()),
        ("docker:image:caddy", json!({ "reference": "caddy:2" }), same.clone()),
        ("docker:image:build:app", json!({ "context": "./app", "tag": "myapp:1.0" }), json!({ "context": "./app", "tag": "myapp:1.1" })),
        (
            "docker:container:run:c1",
            json!({ "image": "myapp:1.1", "network": "n1", "networks": ["lab"], "ports": ["8080:80", "9000"], "volumes": ["v1:/data"],
                "environment": { "A": "b", "N": 1 }, "secretEnvironment": { "P": "secret" }, "healthcheck": { "test": "curl localhost" }, "cpus": 0.5, "memory": "512m" }),
            json!({ "image": "myapp:1.1", "network": "n1", "networks": ["lab"], "ports": ["9000", "8080:80"], "volumes": ["v1:/data"],
                "environment": { "A": "b", "N": 1 }, "secretEnvironment": { "P": "secret" }, "healthcheck": { "test": "curl localhost" }, "cpus": 1, "memory": "1g" }),
        ),
        ("kubernetes:namespace:shop", json!({}), json!({ "labels": { "a": "b" } })),
        (
            "kubernetes:configmap:conf",
            json!({ "namespace": "shop", "data": { "A": "1" } }),
            json!({ "namespace": "shop", "data": { "A": "2" } }),
        ),
        (
            "kubernetes:secret:keys",
            json!({ "namespace": "shop", "data": { "K": "x" } }),
            json!({ "namespace": "shop", "data": { "K": "y" } }),
        ),
        (
            "kubernetes:persistentvolumeclaim:disk",
            json!({ "namespace": "shop", "size": "1Gi" }),
            json!({ "namespace": "shop", "size": "2Gi" }),
        ),
        (
            "kubernetes:deployment:web",
            json!({ "namespace": "shop", "image": "nginx:1.27", "replicas": 3, "envFrom": ["conf", "keys"], "volumes": ["disk:/x"] }),
            json!({ "namespace": "shop", "image": "nginx:1.28" }),
        ),
        (
            "kubernetes:statefulset:db",
            json!({ "namespace": "shop", "image": "postgres:16", "storage": "5Gi" }),
            json!({ "namespace": "shop", "image": "postgres:16", "storage": "5Gi", "replicas": 2 }),
        ),
        ("kubernetes:service:web", json!({ "namespace": "shop", "type": "LoadBalancer" }), json!({ "namespace": "shop" })),
        (
            "kubernetes:ingress:web",
            json!({ "namespace": "shop", "host": "shop.example.org", "service": "web" }),
            json!({ "namespace": "shop", "host": "shop.example.org", "service": "web", "path": "/x" }),
        ),
        (
            "kubernetes:horizontalpodautoscaler:web",
            json!({ "namespace": "shop", "target": "web", "maxReplicas": 9 }),
            json!({ "namespace": "shop", "target": "web", "maxReplicas": 10 }),
        ),
        ("kubernetes:networkpolicy:web", json!({ "namespace": "shop" }), json!({ "namespace": "shop", "ingressPorts": [80] })),
        (
            "kubernetes:cronjob:clean",
            json!({ "namespace": "shop", "schedule": "0 2 * * *", "image": "busybox" }),
            json!({ "namespace": "shop", "schedule": "0 3 * * *", "image": "busybox" }),
        ),
        ("aws:vpc:vpc:v", json!({ "cidrBlock": "10.9.0.0/16" }), json!({ "cidrBlock": "10.9.0.0/16", "flowLogs": true })),
        ("aws:vpc:subnet:a", json!({ "vpc": "v" }), json!({ "vpc": "v", "mapPublicIp": true })),
        ("aws:vpc:subnet:b", json!({ "vpc": "v", "availabilityZone": "us-east-1b" }), same.clone()),
        ("aws:vpc:internetGateway:igw", json!({ "vpc": "v" }), json!({ "vpc": "v", "tags": { "a": "b" } })),
        ("aws:vpc:natGateway:nat", json!({ "subnet": "a" }), same.clone()),
        (
            "aws:vpc:routeTable:rt",
            json!({ "vpc": "v", "subnets": ["a"], "routes": [{ "destination": "0.0.0.0/0", "gateway": "igw" }] }),
            json!({ "vpc": "v", "subnets": ["a", "b"] }),
        ),
        ("aws:kms:key:k", json!({}), json!({ "rotation": false })),
        ("aws:iam:role:r", json!({}), json!({ "description": "x" })),
        ("aws:sns:topic:t", json!({ "kmsKey": "k" }), json!({ "emails": ["a@example.org"] })),
        (
            "aws:ec2:securityGroup:g",
            json!({ "vpc": "v", "ingress": [{ "protocol": "tcp", "port": 443, "cidr": "0.0.0.0/0" }] }),
            json!({ "vpc": "v" }),
        ),
        (
            "aws:ec2:instance:i",
            json!({ "subnet": "a", "securityGroups": ["g"], "role": "r" }),
            json!({ "subnet": "a", "securityGroups": ["g"], "instanceType": "m7g.2xlarge" }),
        ),
        ("aws:ec2:launchTemplate:lt", json!({ "securityGroups": ["g"] }), json!({ "instanceType": "t3.small" })),
        ("aws:s3:bucket:logs", json!({}), json!({ "versioning": true })),
        (
            "aws:elb:loadBalancer:lb",
            json!({ "subnets": ["a", "b"], "securityGroups": ["g"] }),
            json!({ "subnets": ["a", "b"], "accessLogs": "logs" }),
        ),
        (
            "aws:elb:targetGroup:tg",
            json!({ "vpc": "v", "targets": ["i"] }),
            json!({ "vpc": "v", "targets": ["i"], "healthCheck": { "path": "/" } }),
        ),
        ("aws:acm:certificate:c", json!({ "domain": "shop.example.com" }), json!({ "domain": "shop.example.com", "tags": { "a": "b" } })),
        (
            "aws:elb:listener:https",
            json!({ "loadBalancer": "lb", "certificate": "c", "targetGroup": "tg" }),
            json!({ "loadBalancer": "lb", "certificate": "c", "targetGroup": "tg", "port": 8443 }),
        ),
        ("aws:waf:webAcl:acl", json!({ "resources": ["lb"] }), json!({ "resources": ["lb"], "rateLimit": 1000 })),
        (
            "aws:autoscaling:group:asg",
            json!({ "minSize": 2, "maxSize": 4, "subnets": ["a", "b"], "launchTemplate": "lt", "targetGroups": ["tg"] }),
            json!({ "minSize": 2, "maxSize": 5, "subnets": ["a", "b"] }),
        ),
        (
            "aws:rds:cluster:db",
            json!({ "engine": "postgres", "engineVersion": "16.3", "kmsKey": "k" }),
            json!({ "engine": "postgres", "kmsKey": "k", "instances": 3 }),
        ),
        ("aws:rds:globalCluster:gc", json!({}), json!({ "primary": "db" })),
        ("aws:rds:snapshot:snap", json!({ "cluster": "db" }), json!({ "cluster": "db", "retention": 9 })),
        ("aws:elasticache:cluster:cache", json!({}), json!({ "replicas": 2 })),
        ("aws:secretsmanager:secret:s", json!({ "value": "hunter2" }), json!({ "value": "hunter3" })),
        ("aws:backup:plan:p", json!({ "resources": ["db"] }), json!({ "resources": ["db"], "retention": 60 })),
        ("aws:cloudwatch:alarm:cpu", json!({ "topics": ["t"] }), json!({ "threshold": 0.5 })),
        ("aws:cloudwatch:logGroup:lg", json!({}), json!({ "retention": 90 })),
        ("aws:cloudtrail:trail:tr", json!({ "bucket": "logs" }), json!({ "bucket": "logs", "enabled": false })),
        ("aws:route53:zone:z", json!({ "domain": "lab.example" }), json!({ "domain": "lab.example", "comment": "x" })),
        ("aws:route53:healthCheck:hc", json!({ "domain": "www.lab.example" }), json!({ "domain": "www.lab.example", "path": "/x" })),
        (
            "aws:route53:record:www",
            json!({ "domain": "www.lab.example", "alias": "lb" }),
            json!({ "domain": "www.lab.example", "values": ["203.0.113.10"] }),
        ),
    ]
}

#[tokio::test]
async fn every_type_can_be_made_read_changed_and_deleted() {
    let mut lab = Lab::new();
    let before = lab.call("aws", "list_resources", json!({})).await.unwrap();
    let all = one_of_each();
    for server in SERVERS {
        for kind in type_table(server).keys().filter(|k| k.as_str() != "interface") {
            let prefix = format!("{server}:{kind}:");
            assert!(all.iter().any(|(a, _, _)| a.starts_with(&prefix) && !a[prefix.len()..].contains(':')), "{prefix} is not tried");
        }
    }
    for (address, properties, change) in &all {
        let (server, rest) = address.split_once(':').unwrap();
        let kind: ResourceType = rest.rsplit_once(':').unwrap().0.parse().unwrap();
        let def = type_table(server)[&kind].clone();
        let made = lab.create(address, properties.clone()).await;
        assert_eq!(made.status, Status::Ready, "{address}: {:?}", made.reason);
        assert_ne!(made.health, Health::Unhealthy, "{address}: {:?}", made.reason);
        for (name, value) in properties.as_object().unwrap() {
            assert_eq!(&made.properties[name], value, "{address}.{name}");
        }
        let outputs = serde_json::to_value(&made.outputs).unwrap();
        let errors: Vec<String> =
            jsonschema::draft202012::new(&def.outputs).unwrap().iter_errors(&outputs).map(|e| e.to_string()).collect();
        assert!(errors.is_empty(), "{address}: {errors:?}");
        assert_eq!(made.outputs["id"], made.id, "{address}");
        assert_eq!(lab.read(address).await.as_ref(), Some(&made), "{address}");
        let again = lab.update(address, properties.clone()).await.unwrap();
        assert_eq!(again, made, "{address}: an update that changes nothing changed something");
        if !change.is_null() {
            match lab.update(address, change.clone()).await {
                Ok(changed) => {
                    assert_eq!(changed.id, made.id, "{address}");
                    for (name, value) in change.as_object().unwrap() {
                        assert_eq!(&changed.properties[name], value, "{address}.{name}");
                    }
                }
                Err((class, message)) => {
                    let forced =
                        change.as_object().unwrap().iter().any(|(k, v)| def.force_replace.contains(k) && made.properties.get(k) != Some(v));
                    assert!(forced && class == "invalid", "{address}: {class} {message}");
                }
            }
        }
        assert!(lab.evidence(address).await.contains("describe"));
    }
    for (address, _, _) in all.iter().rev() {
        lab.delete(address).await.unwrap_or_else(|e| panic!("{address}: {e:?}"));
        assert_eq!(lab.read(address).await, None);
        assert_eq!(lab.delete(address).await.unwrap_err().0, "not_found");
    }
    assert_eq!(lab.call("aws", "list_resources", json!({})).await.unwrap(), before);
}

#[tokio::test]
async fn the_examples_of_the_mission_run_as_written() {
    let mut lab = Lab::new();
    let web = lab.read("opnsense:haproxy:frontend:web").await.unwrap();
    assert_eq!(web.outputs["ip"], "203.0.113.10");
    lab.create("opnsense:network:vlan:app-vlan", json!({ "tag": 100, "interface": "igc2" })).await;
    let rule = json!({ "interface": "wan", "destination": web.outputs["ip"], "port": 443, "action": "pass" });
    lab.create("opnsense:firewall:rule:allow-https", rule).await;
    let subnet = lab.read("aws:vpc:subnet:private-1").await.unwrap();
    let group = lab.read("aws:ec2:securityGroup:app").await.unwrap();
    let instance = json!({ "instanceType": "t3.medium", "subnet": subnet.id, "securityGroups": [group.id] });
    lab.create("aws:ec2:instance:app-server-1", instance).await;
    let image = lab.create("docker:image:build:app-image", json!({ "context": "./app", "tag": "myapp:1.4.2" })).await;
    let deployment = json!({ "replicas": 3, "image": image.outputs["tag"], "namespace": "production" });
    let app = lab.create("kubernetes:deployment:app-deployment", deployment).await;
    assert_eq!((app.health, &app.outputs["readyReplicas"]), (Health::Healthy, &json!(3)));

    lab.create("opnsense:network:vlan:app-network", json!({ "tag": 100 })).await;
    let cert = lab.create("aws:acm:certificate:ssl-cert", json!({ "domain": "shop.example.com" })).await;
    lab.create("aws:autoscaling:group:app-asg", json!({ "minSize": 2, "maxSize": 6 })).await;
    let backend = lab.read("opnsense:haproxy:backend:app-backend").await.unwrap();
    let frontend =
        lab.create("opnsense:haproxy:frontend:web-frontend", json!({ "certificate": cert.outputs["arn"], "backend": backend.id })).await;
    assert_eq!((&frontend.outputs["ip"], &frontend.outputs["port"]), (&json!("203.0.113.11"), &json!(443)));

    let vlan = lab.create("opnsense:network:vlan:dev-network", json!({ "tag": 50 })).await;
    lab.create("docker:container:run:dev-db", json!({ "image": "postgres:15", "network": vlan.name })).await;
    let cache = lab.create("docker:container:run:dev-cache", json!({ "image": "redis:7", "network": vlan.name })).await;
    assert!(cache.outputs["ip"].as_str().unwrap().starts_with("10.0.50."), "{cache:?}");
}

#[tokio::test]
async fn what_the_real_systems_refuse_is_refused() {
    let mut lab = Lab::new();
    let far = json!({ "region": "us-west-2", "subnet": "private-1" });
    for (address, properties, class, words) in [
        ("opnsense:network:vlan:a", json!({ "tag": 50, "interface": "igc9" }), "not_found", "igc9"),
        ("opnsense:network:vlan:a", json!({ "tag": 5000 }), "invalid", "tag"),
        ("opnsense:network:vlan:a", json!({ "tag": 5, "colour": "red" }), "invalid", "colour"),
        ("opnsense:network:vlan:a", json!({}), "invalid", "tag"),
        ("opnsense:interface:x", json!({}), "denied", "created"),
        ("opnsense:firewall:rule:r", json!({ "destination": "nowhere" }), "not_found", "nowhere"),
        ("opnsense:firewall:rule:r", json!({ "interface": "dmz" }), "not_found", "dmz"),
        ("opnsense:firewall:rule:r", json!({ "port": "webports" }), "not_found", "webports"),
        ("opnsense:haproxy:frontend:f", json!({ "backend": "none" }), "not_found", "none"),
        (
            "opnsense:haproxy:frontend:f",
            json!({ "backend": "app-backend", "certificate": "arn:aws:acm:none" }),
            "not_found",
            "arn:aws:acm:none",
        ),
        ("opnsense:haproxy:frontend:f", json!({ "backend": "app-backend", "address": "203.0.113.10", "port": 443 }), "exists", "bound"),
        ("opnsense:haproxy:backend:b", json!({ "servers": ["ghost"] }), "not_found", "ghost"),
        ("opnsense:haproxy:backend:app-backend", json!({}), "exists", "app-backend"),
        ("docker:container:run:c", json!({ "image": "acme/secret-sauce" }), "not_found", "pull access denied"),
        ("docker:container:run:c", json!({ "image": "nginx:nonsense" }), "not_found", "manifest unknown"),
        ("docker:container:run:c", json!({ "image": "nginx", "network": "nowhere" }), "not_found", "network nowhere not found"),
        ("docker:network:n", json!({ "subnet": "172.17.5.0/24" }), "invalid", "overlaps"),
        ("kubernetes:deployment:d", json!({ "image": "nginx", "namespace": "nope" }), "not_found", "namespaces \"nope\" not found"),
        ("kubernetes:deployment:D_x", json!({ "image": "nginx" }), "invalid", "RFC 1123"),
        ("kubernetes:horizontalpodautoscaler:h", json!({ "target": "x", "minReplicas": 5, "maxReplicas": 2 }), "invalid", "maxReplicas"),
        ("aws:vpc:subnet:s", json!({ "cidrBlock": "10.7.0.0/24" }), "invalid", "Range"),
        ("aws:vpc:subnet:s", json!({ "cidrBlock": "10.0.1.128/25" }), "invalid", "conflicts"),
        ("aws:vpc:subnet:s", json!({ "cidrBlock": "10.0.9.1/24" }), "invalid", "host bits"),
        ("aws:vpc:internetGateway:g", json!({}), "exists", "AlreadyAssociated"),
        ("aws:ec2:instance:i", json!({ "subnet": "subnet-0000" }), "not_found", "InvalidSubnet.NotFound"),
        ("aws:ec2:instance:i", far, "not_found", "it is in us-east-1"),
        ("aws:ec2:instance:i", json!({ "securityGroups": ["app-us-west-2"] }), "not_found", "it is in us-west-2"),
        ("aws:ec2:instance:i", json!({ "instanceType": "t3.enormous" }), "invalid", "not supported"),
        ("aws:autoscaling:group:a", json!({ "minSize": 5, "maxSize": 2 }), "invalid", "maxSize"),
        ("aws:elb:loadBalancer:l", json!({ "subnets": ["public-1"] }), "invalid", "two"),
        ("aws:route53:record:r", json!({ "domain": "www.unknown.test", "values": ["203.0.113.9"] }), "not_found", "NoSuchHostedZone"),
        ("aws:route53:record:r", json!({ "domain": "www.example.org", "values": ["x"] }), "invalid", "IPv4"),
        ("aws:rds:cluster:d", json!({ "engine": "postgres", "engineVersion": "9.6" }), "invalid", "Cannot find version"),
        ("aws:rds:cluster:d", json!({ "engine": "postgres", "masterPassword": "short" }), "invalid", "masterPassword"),
        ("aws:cloudtrail:trail:t", json!({ "bucket": "none" }), "not_found", "none"),
        ("aws:lambda:function:f", json!({}), "invalid", "no type"),
    ] {
        let (got, message) = lab.try_create(address, properties.clone()).await.map(|l| l.id).expect_err(&format!("{address} {properties}"));
        assert_eq!(got, class, "{address} {properties}: {message}");
        assert!(message.contains(words), "{address} {properties}: {message}");
        assert!(!message.contains("short\""), "a secret came back: {message}");
    }
}

#[tokio::test]
async fn what_is_in_use_is_not_deleted() {
    let mut lab = Lab::new();
    lab.create("opnsense:network:vlan:lab", json!({ "tag": 7 })).await;
    lab.create("docker:network:n", json!({})).await;
    lab.create("docker:volume:v", json!({})).await;
    lab.create(
        "docker:container:run:c",
        json!({ "image": "nginx:1.27", "network": "lab", "networks": ["n"], "volumes": ["v:/data"], "ports": ["80:80"] }),
    )
    .await;
    lab.create("aws:ec2:instance:i", json!({ "securityGroups": ["app"] })).await;
    for address in [
        "opnsense:network:vlan:lab",
        "docker:network:n",
        "docker:volume:v",
        "docker:image:nginx",
        "aws:vpc:vpc:main",
        "aws:vpc:subnet:private-1",
        "aws:ec2:securityGroup:app",
        "opnsense:haproxy:backend:app-backend",
        "opnsense:haproxy:server:app-1",
    ] {
        let (class, message) = lab.delete(address).await.expect_err(address);
        assert_eq!(class, "in_use", "{address}: {message}");
    }
    let (class, message) =
        lab.try_create("docker:container:run:d", json!({ "image": "nginx:1.27", "ports": ["80:8080"] })).await.unwrap_err();
    assert!(class == "exists" && message.contains("port is already allocated"), "{class} {message}");
    lab.delete("docker:container:run:c").await.unwrap();
    lab.delete("opnsense:network:vlan:lab").await.unwrap();
    lab.delete("docker:volume:v").await.unwrap();
}

#[tokio::test]
async fn a_namespace_takes_everything_with_it() {
    let mut lab = Lab::new();
    lab.create("kubernetes:namespace:shop", json!({})).await;
    lab.create("kubernetes:deployment:web", json!({ "namespace": "shop", "image": "nginx" })).await;
    lab.delete("kubernetes:namespace:shop").await.unwrap();
    assert_eq!(lab.read("kubernetes:deployment:web").await, None);
}

#[tokio::test]
async fn trouble_travels_to_what_depends_on_it() {
    let mut lab = Lab::new();
    lab.create("docker:container:run:blog-db-1", json!({ "image": "mariadb:11" })).await;
    let web = json!({ "image": "wordpress:6.6", "environment": { "WORDPRESS_DB_HOST": "blog-db-1:3306" } });
    lab.create("docker:container:run:blog-web-1", web).await;
    lab.create("opnsense:haproxy:server:blog-web-1", json!({ "address": "blog-web-1", "port": 80 })).await;
    lab.create("opnsense:haproxy:backend:blog", json!({ "servers": ["blog-web-1"] })).await;
    let front = lab.create("opnsense:haproxy:frontend:blog", json!({ "backend": "blog" })).await;
    assert_eq!(front.health, Health::Healthy);
    lab.poke("docker:container:run:blog-db-1", Poke::Kill);
    let db = lab.read("docker:container:run:blog-db-1").await.unwrap();
    assert_eq!((db.status, &db.outputs["exitCode"], db.health), (Status::Failed, &json!(137), Health::Unhealthy));
    let web = lab.read("docker:container:run:blog-web-1").await.unwrap();
    assert_eq!((web.status, web.health), (Status::Ready, Health::Unhealthy));
    assert!(web.reason.unwrap().starts_with("cannot reach blog-db-1"));
    assert_eq!(lab.read("opnsense:haproxy:frontend:blog").await.unwrap().health, Health::Unhealthy);
    assert!(lab.evidence("docker:container:run:blog-web-1").await.contains("mysqli_real_connect"));
    assert!(lab.evidence("docker:container:run:blog-db-1").await.contains("exitCode=137"));
    lab.poke("docker:container:run:blog-db-1", Poke::Restart);
    assert_eq!(lab.read("opnsense:haproxy:frontend:blog").await.unwrap().health, Health::Healthy);
    lab.poke("docker:container:run:blog-db-1", Poke::Delete);
    assert!(lab.read("docker:container:run:blog-web-1").await.unwrap().reason.unwrap().contains("cannot reach blog-db-1"));
}

#[tokio::test]
async fn targets_and_pods_decide_over_what_stands_before_them() {
    let mut lab = Lab::new();
    lab.create("aws:elb:targetGroup:tg", json!({})).await;
    lab.create("aws:elb:loadBalancer:lb", json!({})).await;
    lab.create("aws:elb:listener:l", json!({ "loadBalancer": "lb", "targetGroup": "tg", "port": 80 })).await;
    lab.create("aws:autoscaling:group:asg", json!({ "minSize": 2, "maxSize": 3, "targetGroups": ["tg"] })).await;
    assert_eq!(lab.read("aws:elb:targetGroup:tg").await.unwrap().outputs["healthyTargets"], 2);
    lab.poke("aws:autoscaling:group:asg", Poke::Kill);
    assert_eq!(lab.read("aws:elb:loadBalancer:lb").await.unwrap().health, Health::Unhealthy);

    let bad = lab.create("kubernetes:deployment:api", json!({ "image": "acme/none:1", "namespace": "production" })).await;
    assert!(bad.status == Status::Failed && bad.reason.unwrap().starts_with("ErrImagePull"));
    let service = lab.create("kubernetes:service:api", json!({ "namespace": "production" })).await;
    assert_eq!(service.health, Health::Unhealthy);
    assert!(lab.evidence("kubernetes:deployment:api").await.contains("ImagePullBackOff"));
    lab.update("kubernetes:deployment:api", json!({ "image": "nginx:1.27", "namespace": "production" })).await.unwrap();
    assert_eq!(lab.read("kubernetes:service:api").await.unwrap().health, Health::Healthy);
}

#[tokio::test]
async fn the_same_key_gives_the_same_resource() {
    let mut lab = Lab::new();
    let args = |key: &str, name: &str| json!({ "type": "ec2:instance", "name": name, "properties": {}, "idempotency_key": key });
    let first = lab.call("aws", "create_resource", args("k", "web")).await.unwrap();
    assert_eq!(lab.call("aws", "create_resource", args("k", "web")).await.unwrap(), first);
    assert_eq!(lab.call("aws", "create_resource", args("k", "other")).await.unwrap_err().0, "invalid");
    // Another key makes a second one, since instances share names.
    let second = lab.call("aws", "create_resource", args("k2", "web")).await.unwrap();
    assert_ne!(second["resource"]["id"], first["resource"]["id"]);
    let id = first["resource"]["id"].clone();
    lab.call("aws", "delete_resource", json!({ "type": "ec2:instance", "id": id })).await.unwrap();
    assert_eq!(lab.read("aws:ec2:instance:web").await.unwrap().id, second["resource"]["id"]);
}

#[tokio::test]
async fn a_failover_over_two_regions_can_be_played() {
    let mut lab = Lab::new();
    let east = lab.create("aws:rds:cluster:shop-db", json!({ "engine": "postgres", "multiAz": true })).await;
    let replica = json!({ "engine": "postgres", "region": "us-west-2", "replicaOf": east.outputs["arn"] });
    let west = lab.create("aws:rds:cluster:shop-db-dr", replica).await;
    assert_eq!(west.outputs["role"], "replica");
    assert_eq!(lab.delete("aws:rds:cluster:shop-db").await.unwrap_err().0, "in_use");
    let promoted =
        lab.update("aws:rds:cluster:shop-db-dr", json!({ "engine": "postgres", "region": "us-west-2", "replicaOf": null })).await.unwrap();
    assert_eq!((&promoted.outputs["role"], &promoted.outputs["endpoint"]), (&json!("primary"), &west.outputs["endpoint"]));
    let balancer = lab.create("aws:elb:loadBalancer:shop-dr", json!({ "region": "us-west-2" })).await;
    lab.create("aws:route53:record:shop", json!({ "domain": "shop.example.com", "values": ["203.0.113.10"] })).await;
    let moved =
        lab.update("aws:route53:record:shop", json!({ "domain": "shop.example.com", "alias": balancer.outputs["dnsName"] })).await.unwrap();
    assert_eq!(moved.outputs["answers"], json!([balancer.outputs["dnsName"]]));
}

#[tokio::test]
async fn a_group_of_another_network_is_refused() {
    let mut lab = Lab::new();
    lab.create("aws:vpc:vpc:other", json!({ "cidrBlock": "10.9.0.0/16" })).await;
    lab.create("aws:ec2:securityGroup:theirs", json!({ "vpc": "other" })).await;
    for (address, properties) in [
        ("aws:ec2:instance:i", json!({ "securityGroups": ["theirs"] })),
        ("aws:rds:cluster:d", json!({ "engine": "mysql", "securityGroups": ["app", "theirs"] })),
        ("aws:elb:loadBalancer:l", json!({ "securityGroups": ["theirs"] })),
    ] {
        let (class, message) = lab.try_create(address, properties).await.map(|l| l.id).expect_err(address);
        assert!(class == "invalid" && message.contains("belongs to vpc-"), "{address}: {message}");
    }
}

#[tokio::test]
async fn a_dead_managed_database_is_felt_by_the_pods_that_name_it() {
    let mut lab = Lab::new();
    let db = lab.create("aws:rds:cluster:shop-db", json!({ "engine": "postgres" })).await;
    let api = json!({ "image": "nginx:1.27", "namespace": "production", "env": { "DATABASE_HOST": db.outputs["endpoint"] } });
    assert_eq!(lab.create("kubernetes:deployment:api", api).await.health, Health::Healthy);
    lab.poke("aws:rds:cluster:shop-db", Poke::Kill);
    let api = lab.read("kubernetes:deployment:api").await.unwrap();
    assert!(api.health == Health::Unhealthy && api.reason.unwrap().contains("cannot reach shop-db"));
}

#[tokio::test]
async fn a_replacement_can_be_made_before_the_old_one_goes() {
    let mut lab = Lab::new();
    let old = lab.create("aws:acm:certificate:cert", json!({ "domain": "a.example.org" })).await;
    lab.create("aws:elb:loadBalancer:lb", json!({})).await;
    lab.create("aws:elb:targetGroup:tg", json!({})).await;
    let listener = |certificate: &str| json!({ "loadBalancer": "lb", "targetGroup": "tg", "certificate": certificate });
    lab.create("aws:elb:listener:https", listener(&old.id)).await;
    let new = lab.create("aws:acm:certificate:cert", json!({ "domain": "b.example.org" })).await;
    let by_id = |id: &str| json!({ "type": "acm:certificate", "id": id });
    assert_eq!(lab.call("aws", "delete_resource", by_id(&old.id)).await.unwrap_err().0, "in_use");
    lab.update("aws:elb:listener:https", listener(&new.id)).await.unwrap();
    lab.call("aws", "delete_resource", by_id(&old.id)).await.unwrap();
    assert_eq!(lab.read("aws:acm:certificate:cert").await.unwrap().id, new.id);
}

#[tokio::test]
async fn one_peer_of_several_is_enough() {
    let mut lab = Lab::new();
    lab.create("docker:container:run:web-1", json!({ "image": "nginx:1.27" })).await;
    lab.create("docker:container:run:web-2", json!({ "image": "nginx:1.27" })).await;
    let balancer = json!({ "image": "haproxy:3.0", "environment": { "CFG": "server a web-1:80 check\nserver b web-2:80 check" } });
    lab.create("docker:container:run:lb", balancer).await;
    lab.poke("docker:container:run:web-1", Poke::Kill);
    assert_eq!(lab.read("docker:container:run:lb").await.unwrap().health, Health::Healthy);
    lab.poke("docker:container:run:web-2", Poke::Kill);
    assert_eq!(lab.read("docker:container:run:lb").await.unwrap().health, Health::Unhealthy);
}

#[tokio::test]
async fn a_final_snapshot_stays_when_its_cluster_goes_as_often_as_that_happens() {
    let mut lab = Lab::new();
    for _ in 0..3 {
        lab.create("aws:rds:cluster:d", json!({ "engine": "postgres", "finalSnapshot": true })).await;
        lab.delete("aws:rds:cluster:d").await.unwrap();
    }
    for name in ["d-final", "d-final-2", "d-final-3"] {
        assert!(lab.read(&format!("aws:rds:snapshot:{name}")).await.is_some(), "{name}");
    }
}
