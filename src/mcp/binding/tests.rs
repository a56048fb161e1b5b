//! Bindings against recorded answers of the real servers, played by a scripted one.

use std::sync::{Arc, Mutex};

use serde_json::{Value, json};

use super::{
    AnyServer, BoundServer, Library,
    decode::{Step, StepKind, decode},
    parse::parse,
    perform::classify,
};
use crate::{
    domain::{Action, Properties, ResourceName, ResourceType},
    mcp::{
        CallControl, CallError, ConnectOptions, Health, Key, Refusal, ResourceServer, Status,
        reply::Reply,
        testing::{Do, Fake},
    },
    template::Span,
};

mod aws;
mod files;

mod kubectl;

mod opnsense;

const DOCKER_021: &str = include_str!("../../../tests/fixtures/bindings/docker-0.2.1.json");
const DOCKER_030: &str = include_str!("../../../tests/fixtures/bindings/docker-0.3.0.json");
const DOCKER_TOOLS: &str = include_str!("../../../tests/fixtures/bindings/docker-tools.json");
const KUBERNETES: &str = include_str!("../../../tests/fixtures/bindings/kubernetes.json");
const KUBERNETES_TOOLS: &str = include_str!("../../../tests/fixtures/bindings/kubernetes-tools.json");

fn value(text: &str) -> Value {
    serde_json::from_str(text).unwrap()
}

/// The recorded result of a call of `tool` whose arguments hold these words.
fn sample(file: &str, tool: &str, with: &str) -> Value {
    let all = value(file);
    let found = all.as_array().unwrap().iter().find(|s| s["tool"] == tool && s["arguments"].to_string().contains(with));
    found.unwrap_or_else(|| panic!("no sample of {tool} with {with}"))["result"].clone()
}

fn reply(result: &Value) -> Reply {
    let blocks: Vec<String> = result["content"].as_array().unwrap().iter().map(|b| b["text"].as_str().unwrap().to_owned()).collect();
    Reply { structured: result.get("structuredContent").cloned(), text: blocks.join("\n"), blocks }
}

fn kind(text: &str) -> ResourceType {
    text.parse().unwrap()
}

fn named(text: &str) -> ResourceName {
    text.parse().unwrap()
}

fn key(of: &str, name: &str, id: Option<&str>) -> Key {
    Key::named(&kind(of), &named(name)).id(id.map(str::to_owned))
}

fn properties(value: Value) -> Properties {
    value.as_object().unwrap().clone()
}

fn text(text: impl Into<String>) -> Do {
    Do::Result(json!({"content": [{"type": "text", "text": text.into()}]}))
}

/// A server with these tools; everything else is the script's.
fn fake(tools: &'static str, script: impl Fn(&str, &Value) -> Vec<Do> + Send + Sync + 'static) -> Fake {
    Fake::new(move |what, message| match what {
        "tools/list" => vec![Do::Result(json!({ "tools": value(tools) }))],
        _ => script(what, message),
    })
}

fn bound(fake: &Fake, name: &str) -> BoundServer {
    BoundServer::new(fake.connection(ConnectOptions::default()), Library::load(&[]).get(name).unwrap().clone())
}

fn arguments(message: &Value) -> &Value {
    &message["params"]["arguments"]
}

#[test]
fn shipped_bindings_are_good() {
    let library = Library::load(&[]);
    assert!(library.problems().is_empty(), "{:#?}", library.problems());
    assert!(library.get("docker").is_some() && library.get("kubernetes").is_some());
}

#[test]
fn shipped_bindings_fit_the_published_schema() {
    let schema = value(include_str!("../../../docs/bindings.schema.json"));
    let validator = jsonschema::draft202012::new(&schema).unwrap();
    for binding in Library::load(&[]).iter() {
        let file = crate::yaml::parse(&binding.file, &binding.text).unwrap().to_json();
        let problems: Vec<String> = validator.iter_errors(&file).map(|e| format!("{}: {e}", e.instance_path())).collect();
        assert_eq!(problems, Vec::<String>::new(), "{}", binding.file);
    }
}

#[test]
fn every_answer_of_both_docker_servers_is_read_alike() {
    let library = Library::load(&[]);
    let docker = library.get("docker").unwrap();
    let steps = &docker.types[&kind("network")].read.call.result;
    for file in [DOCKER_021, DOCKER_030] {
        let networks = decode(&reply(&sample(file, "list_networks", "{}")), steps).unwrap();
        assert!(networks.as_array().unwrap().iter().any(|n| n["name"] == "bridge"), "{networks}");
        let volumes = decode(&reply(&sample(file, "list_volumes", "{}")), steps).unwrap();
        assert!(volumes.as_array().unwrap().iter().all(|v| v["mountpoint"].is_string()));
    }
}

#[test]
fn recorded_errors_have_their_class() {
    let library = Library::load(&[]);
    let class = |binding: &str, of: &str, file: &str, tool: &str, with: &str| {
        let bound = &library.get(binding).unwrap().types[&kind(of)];
        let words = reply(&sample(file, tool, with)).text;
        classify(&bound.read.call.errors, Refusal::Other, words).0
    };
    let docker = |tool: &str, with: &str| class("docker", "container:run", DOCKER_021, tool, with);
    assert_eq!(docker("stop_container", "nope"), Refusal::NotFound);
    assert_eq!(docker("create_container", "wp1"), Refusal::Exists);
    assert_eq!(docker("run_container", "mcp-p"), Refusal::InUse);
    assert_eq!(docker("remove_volume", "wpdb"), Refusal::InUse);
    assert_eq!(docker("remove_network", "wpnet"), Refusal::InUse);
    assert_eq!(docker("create_container", "imag\""), Refusal::Invalid);
    let hidden = reply(&sample(DOCKER_030, "run_container", "nope")).text;
    let said = classify(&library.get("docker").unwrap().types[&kind("network")].read.call.errors, Refusal::Other, hidden);
    assert!(said.0 == Refusal::Other && said.1.contains("keeps the engine's reason"), "{}", said.1);
    let kubernetes = |tool: &str, with: &str| class("kubernetes", "deployment", KUBERNETES, tool, with);
    assert_eq!(kubernetes("resources_get", "nope"), Refusal::NotFound);
    assert_eq!(kubernetes("resources_create_or_update", "zz"), Refusal::Invalid);
    assert_eq!(kubernetes("resources_create_or_update", "apps/v9"), Refusal::Invalid);
    assert_eq!(kubernetes("resources_create_or_update", "not yaml"), Refusal::Invalid);
}

#[test]
fn every_way_to_read_a_result() {
    let regex = |p: &str| regex::Regex::new(p).unwrap();
    let run = |text: &str, kinds: Vec<StepKind>| {
        let reply = Reply { structured: None, text: text.to_owned(), blocks: text.split('|').map(str::to_owned).collect() };
        decode(&reply, &kinds.into_iter().map(|kind| Step { kind, span: Span::default() }).collect::<Vec<_>>())
    };
    assert_eq!(run(r#"{"a": 1}"#, vec![]), Ok(json!({"a": 1})));
    assert_eq!(run(r#"{"a": {"b": [7]}}"#, vec![StepKind::Path("a.b.0".into())]), Ok(json!(7)));
    assert_eq!(run(r#"{"body": "{\"x\": [1]}"}"#, vec![StepKind::Nested("body".into())]), Ok(json!({"x": [1]})));
    assert_eq!(run("VLAN created: 17 ok", vec![StepKind::Regex(regex(r"created: (?<id>\d+)"))]), Ok(json!({"id": "17"})));
    assert_eq!(
        run("a=1 b=2", vec![StepKind::RegexAll(regex(r"(?<k>\w)=(?<v>\d)"))]),
        Ok(json!([{"k": "a", "v": "1"}, {"k": "b", "v": "2"}]))
    );
    assert_eq!(run("# head\na: [1]\n", vec![StepKind::After(regex("^#[^\n]*\n")), StepKind::Yaml]), Ok(json!({"a": [1]})));
    assert_eq!(run("{'a': None}", vec![StepKind::Python]), Ok(json!({"a": null})));
    assert_eq!(run("A  B\n1  2\n", vec![StepKind::Table]), Ok(json!([{"A": "1", "B": "2"}])));
    assert_eq!(run("1|x", vec![StepKind::Blocks]), Ok(json!([1, "x"])));
    assert_eq!(run("a\nb", vec![StepKind::Lines]), Ok(json!(["a", "b"])));
    let wrong = run(r#"{"id": 1}"#, vec![StepKind::Path("uuid".into())]).unwrap_err();
    assert_eq!(wrong.reason, "there is no `uuid` in a map with `id`");
}

/// A docker server that keeps networks and containers, and lies as the test says.
fn docker(lie: &'static str) -> Fake {
    let kept: Arc<Mutex<Vec<Value>>> = Arc::default();
    fake(DOCKER_TOOLS, move |what, message| {
        let args = arguments(message);
        let mut kept = kept.lock().unwrap();
        match what {
            "list_networks" => {
                let mut all = decode(&reply(&sample(DOCKER_021, "list_networks", "{}")), &[]).unwrap();
                all.as_array_mut().unwrap().extend(kept.iter().cloned());
                vec![text(all.to_string())]
            }
            "create_network" => {
                let made = json!({"id": "44e3e09e5d56", "name": args["name"], "driver": args["driver"], "labels": args["labels"]});
                if lie != "false success" {
                    kept.push(made.clone());
                }
                vec![text(made.to_string())]
            }
            "remove_network" => {
                kept.clear();
                vec![Do::Result(sample(DOCKER_021, "remove_network", "mcpnet"))]
            }
            "list_containers" => vec![text(Value::Array(kept.clone()).to_string())],
            "run_container" => {
                let mut made: Value = serde_json::from_str(&reply(&sample(DOCKER_021, "run_container", "mcp-r")).text).unwrap();
                (made["name"], made["labels"]) = (args["name"].clone(), args["labels"].clone());
                if lie == "left behind" {
                    made["state"]["ExitCode"] = json!(128);
                    kept.push(made);
                    return vec![Do::Result(sample(DOCKER_021, "run_container", "mcp-p"))];
                }
                (made["status"], made["state"]["Status"]) = (json!("running"), json!("running"));
                kept.push(made.clone());
                vec![text(made.to_string())]
            }
            _ => Vec::new(),
        }
    })
}

#[tokio::test]
async fn a_network_is_made_found_again_and_deleted() {
    let fake = docker("");
    let server = bound(&fake, "docker");
    assert_eq!(server.target().await.unwrap().identity, "docker:8d985e808255");
    let wanted = properties(json!({"internal": true, "labels": {"tier": 1}}));
    let control = CallControl::read();
    let live = server.create(&kind("network"), &named("app"), &wanted, "k-1", &control).await.unwrap();
    assert_eq!((live.id.as_str(), live.status, live.created_by.as_deref()), ("44e3e09e5d56", Status::Ready, Some("k-1")));
    assert_eq!(live.properties, properties(json!({"driver": "bridge", "labels": {"tier": "1"}})));
    let sent = json!({"name": "app", "driver": "bridge", "internal": true, "labels": {"tier": "1", "swell.key": "k-1"}});
    assert_eq!(*arguments(&fake.seen("create_network")[0]), sent);
    // The same key again is the same network; another key is a no. Neither is sent.
    assert_eq!(server.create(&kind("network"), &named("app"), &wanted, "k-1", &control).await.unwrap(), live);
    let again = server.create(&kind("network"), &named("app"), &wanted, "k-2", &control).await;
    assert!(matches!(again, Err(CallError::Refused { class: Refusal::Exists, .. })), "{again:?}");
    assert_eq!(fake.seen("create_network").len(), 1);
    server.delete(&key("network", "app", Some(&live.id)), &control).await.unwrap();
    assert_eq!(server.read(&key("network", "app", None)).await.unwrap(), None);
    assert!(server.delete(&key("network", "app", Some(&live.id)), &control).await.unwrap_err().is_not_found());
    assert_eq!(fake.seen("remove_network").len(), 1);
}

#[tokio::test]
async fn a_success_that_is_none_is_unknown() {
    let server = bound(&docker("false success"), "docker");
    let made = server.create(&kind("network"), &named("app"), &Properties::new(), "k", &CallControl::read()).await;
    assert!(matches!(&made, Err(CallError::Unknown { reason, .. }) if reason.contains("it is not there")), "{made:?}");
}

#[tokio::test]
async fn a_container_is_published_on_loopback_and_what_is_left_behind_is_seen() {
    let fake = docker("left behind");
    let server = bound(&fake, "docker");
    let wanted = properties(json!({
        "image": "nginx:1", "command": ["sh", "-c", "echo 'a b'"], "environment": {"N": 3}, "secretEnvironment": {"P": "x"},
        "ports": ["8080:80", 443, "10.0.0.1:53:53/udp"], "volumes": ["data:/var/lib:ro"], "restart": "always",
    }));
    let made = server.create(&kind("container:run"), &named("web"), &wanted, "k", &CallControl::read()).await;
    assert!(matches!(&made, Err(CallError::Refused { class: Refusal::InUse, .. })), "{made:?}");
    let sent = json!({
        "name": "web", "image": "nginx:1", "detach": true, "command": "sh -c 'echo '\"'\"'a b'\"'\"''", "environment": {"N": "3", "P": "x"},
        "ports": {"80/tcp": ["127.0.0.1", 8080], "443/tcp": ["127.0.0.1", 443], "53/udp": ["10.0.0.1", 53]},
        "volumes": {"data": {"bind": "/var/lib", "mode": "ro"}}, "labels": {"swell.key": "k"},
    });
    assert_eq!(*arguments(&fake.seen("run_container")[0]), sent);
    let left = server.read(&key("container:run", "web", None)).await.unwrap().unwrap();
    assert_eq!((left.status, left.health, left.created_by.as_deref()), (Status::Failed, Health::Unhealthy, Some("k")));
    assert_eq!(left.reason.as_deref(), Some("it was made and not started"));
}

#[tokio::test]
async fn a_list_that_another_one_spoils_by_going_is_asked_for_again() {
    let asked = Arc::new(Mutex::new(0));
    let times = asked.clone();
    let fake = fake(DOCKER_TOOLS, move |what, _| match what {
        "list_containers" => {
            let mut times = times.lock().unwrap();
            *times += 1;
            if *times == 1 {
                return vec![Do::Result(sample(DOCKER_021, "stop_container", "nope"))];
            }
            let one: Value = serde_json::from_str(&reply(&sample(DOCKER_021, "run_container", "mcp-r")).text).unwrap();
            vec![text(json!([one]).to_string())]
        }
        _ => Vec::new(),
    });
    let read = bound(&fake, "docker").read(&key("container:run", "mcp-r", None)).await.unwrap();
    assert!(read.is_some(), "404 of another container is not taken for its absence");
    assert_eq!(*asked.lock().unwrap(), 2);
}

#[tokio::test]
async fn volumes_that_nobody_named_go_with_their_container() {
    let (free, busy) = ("a".repeat(64), "b".repeat(64));
    let mounts = json!([
        {"Type": "bind", "Source": "/srv", "Destination": "/srv"}, {"Type": "volume", "Name": free, "Destination": "/var/www/html"},
        {"Type": "volume", "Name": "content", "Destination": "/content"}, {"Type": "volume", "Name": busy, "Destination": "/tmp"},
    ]);
    let fake = fake(DOCKER_TOOLS, move |what, message| match what {
        "list_containers" => {
            let mut one: Value = serde_json::from_str(&reply(&sample(DOCKER_021, "run_container", "mcp-r")).text).unwrap();
            one["mounts"] = mounts.clone();
            vec![text(json!([one]).to_string())]
        }
        // One is used by another container as well, which does not matter.
        "remove_volume" if arguments(message)["volume_name"] == "b".repeat(64) => {
            vec![Do::Result(sample(DOCKER_021, "remove_volume", "wpdb"))]
        }
        "remove_volume" => vec![Do::Result(sample(DOCKER_021, "remove_volume", "mcpvol"))],
        "remove_container" => vec![Do::Result(sample(DOCKER_021, "remove_container", "mcp-r"))],
        _ => Vec::new(),
    });
    bound(&fake, "docker").delete(&key("container:run", "mcp-r", None), &CallControl::read()).await.unwrap();
    let removed: Vec<String> =
        fake.seen("remove_volume").iter().map(|m| arguments(m)["volume_name"].as_str().unwrap().to_owned()).collect();
    assert_eq!(removed, [free, busy]);
}

fn kubernetes(answer: &'static str) -> Fake {
    let get = reply(&sample(KUBERNETES, "resources_get", "\"m1\"")).text;
    fake(KUBERNETES_TOOLS, move |what, message| match (what, answer) {
        ("resources_get", "another") => vec![text(get.replace("name: m1", "name: other"))],
        ("resources_get", _) => vec![text(get.clone())],
        ("resources_list", "bad image") if arguments(message)["kind"] == "Pod" => {
            vec![Do::Structured(json!({"items": [{"Name": "m1-x", "Status": "ErrImagePull"}]}))]
        }
        ("resources_list", _) if arguments(message)["kind"] == "Pod" => {
            vec![Do::Result(sample(KUBERNETES, "pods_list_in_namespace", "default"))]
        }
        ("resources_list", _) => vec![text("NAMESPACE  NAME\ndefault    m1\nother      m2\n")],
        _ => Vec::new(),
    })
}

#[tokio::test]
async fn a_deployment_is_found_by_name_and_read_from_yaml() {
    let live = bound(&kubernetes(""), "kubernetes").read(&key("deployment", "m1", None)).await.unwrap().unwrap();
    assert_eq!((live.id.as_str(), live.status, live.health), ("default/m1", Status::Ready, Health::Healthy));
    assert_eq!((&live.properties["image"], &live.properties["replicas"]), (&json!("nginx"), &json!(2)));
    assert_eq!(live.outputs["revision"], json!(1));
    let failed = bound(&kubernetes("bad image"), "kubernetes").read(&key("deployment", "m1", Some("default/m1"))).await.unwrap().unwrap();
    assert_eq!((failed.status, failed.reason.as_deref()), (Status::Failed, Some("m1-x is ErrImagePull")));
}

#[tokio::test]
async fn an_answer_about_another_object_is_a_lie_that_names_the_binding() {
    let read = bound(&kubernetes("another"), "kubernetes").read(&key("deployment", "m1", Some("default/m1"))).await;
    let Err(CallError::Refused { message, .. }) = read else { panic!("{read:?}") };
    assert!(message.contains("it is about `other` (`default/other`), and `default/m1` was asked for"), "{message}");
    assert!(message.contains("bindings/kubernetes.yaml:"), "{message}");
}

const SMALL: &str = r#"title: t
match: {tools: [list_networks, create_network]}
identity: {value: "x"}
types:
  network:
    properties: {driver: {type: string}}
    read: {tool: list_networks, result: [json], items: "{{ result }}"}
    object:
      id: "{{ item.uuid }}"
      name: "{{ item.name }}"
      properties: {driver: "{{ item.driver }}"}
    create:
      tool: create_network
      arguments: {name: "{{ name }}", colour: red}
    update: replace
    delete: {missing: networks stay for ever}
"#;

#[tokio::test]
async fn a_wrong_path_and_a_wrong_argument_name_file_and_line() {
    let mine = |text: &str| Arc::new(parse("mine", "mine.yaml", text).unwrap());
    let fake = docker("");
    let server = BoundServer::new(fake.connection(ConnectOptions::default()), mine(SMALL));
    let types = server.types().await.unwrap_err();
    assert!(types.message().contains("mine.yaml:13: the tool `create_network` has no argument `colour`"), "{types}");
    let read = server.read(&key("network", "bridge", None)).await.unwrap_err();
    assert!(read.message().contains("mine.yaml:9"), "{read}");
    let good = mine(&SMALL.replace(", colour: red", "").replace("uuid", "id"));
    let server = BoundServer::new(fake.connection(ConnectOptions::default()), good);
    let types = server.types().await.unwrap();
    let limits = &types[&kind("network")].limits;
    assert_eq!(limits.missing["delete"], "networks stay for ever");
    assert_eq!(types[&kind("network")].force_replace, ["driver"]);
    assert_eq!(server.tool(&kind("network"), Action::Create).as_str(), "create_network");
}

#[tokio::test]
async fn a_server_is_met_by_what_it_offers() {
    let library = Arc::new(Library::load(&[]));
    let any = |fake: &Fake| AnyServer::new(fake.connection(ConnectOptions::default()), library.clone());
    let server = any(&docker(""));
    assert!(server.types().await.unwrap().contains_key(&kind("container:run")));
    assert_eq!(server.binding().as_deref(), Some("docker"));
    let native = any(&Fake::new(|_, _| Vec::new()));
    assert_eq!(native.target().await.unwrap().identity, "fake:one");
    assert_eq!(native.binding(), None);
    let few = Fake::new(|what, _| match what {
        "tools/list" => {
            let mut tools = value(DOCKER_TOOLS);
            tools.as_array_mut().unwrap().retain(|t| t["name"] != "pull_image");
            vec![Do::Result(json!({ "tools": tools }))]
        }
        _ => Vec::new(),
    });
    let nothing = any(&few).types().await.unwrap_err();
    assert!(nothing.message().contains("`docker` comes near, but the server has no pull_image"), "{nothing}");
}

#[test]
fn lint_finds_everything_at_its_place() {
    let bad = SMALL
        .replace("properties: {driver: {type: string}}", "properties: {driver: {type: string}, mtu: {type: integer}}\n    unredable: [mtu]")
        .replace("items: \"{{ result }}\"", "items: \"{{ results }}\"")
        .replace("result: [json]", "result: [jsn]")
        .replace("tool: create_network\n", "tool: create_netwrk\n      errors: [{text: \"(\", class: exsts}]\n")
        .replace("{{ item.name }}", "{{ item.name");
    let problems = parse("mine", "mine.yaml", &bad).unwrap_err();
    let found: Vec<(&str, usize)> = problems.iter().map(|p| (p.code, p.source.as_ref().unwrap().line)).collect();
    let wanted = [
        ("binding::unknown-key", 7),
        ("binding::decoder", 8),
        ("binding::variable", 8),
        ("binding::expression", 11),
        ("binding::pattern", 15),
        ("binding::class", 15),
    ];
    assert!(wanted.iter().all(|w| found.contains(w)), "{found:?}");
    let hints: Vec<&str> = problems.iter().flat_map(|p| p.hints.iter().map(|h| h.text.as_str())).collect();
    assert!(hints.contains(&"Did you mean `unreadable`?") && hints.contains(&"Did you mean `json`?"), "{hints:?}");
    let unread = SMALL.replace("{driver: {type: string}}", "{driver: {type: string}, mtu: {type: integer}}");
    let codes: Vec<&str> = parse("mine", "mine.yaml", &unread).unwrap_err().iter().map(|p| p.code).collect();
    assert_eq!(codes, ["binding::not-read"]);
    let unmatched = SMALL.replace("tools: [list_networks, ", "tools: [");
    let codes: Vec<&str> = parse("mine", "mine.yaml", &unmatched).unwrap_err().iter().map(|p| p.code).collect();
    assert_eq!(codes, ["binding::tool-not-matched"]);
    assert_eq!(parse("mine", "mine.yaml", "a: [").unwrap_err()[0].code, "binding::syntax");
    let bears = |most: &str| parse("mine", "mine.yaml", &format!("max_calls: {most}\n{SMALL}"));
    assert_eq!(bears("2").unwrap().max_calls, Some(2));
    for (most, code) in [("0", "binding::max-calls"), ("-1", "binding::value"), ("two", "binding::value")] {
        let problems = bears(most).unwrap_err();
        assert_eq!((problems[0].code, problems[0].source.as_ref().unwrap().line), (code, 1));
    }
    assert_eq!(parse("mine", "mine.yaml", &format!("binding: other\n{SMALL}")).unwrap_err()[0].code, "binding::name");
}

#[tokio::test]
async fn many_of_a_listed_type_cost_one_listing() {
    let fake = docker("");
    let bound = bound(&fake, "docker");
    bound.create(&kind("network"), &named("net"), &Properties::new(), "k", &CallControl::read()).await.unwrap();
    let before = fake.seen("list_networks").len();
    let keys = [
        key("network", "net", None),
        key("network", "nothing", None),
        key("network", "other-name", Some("44e3e09e5d56")),
        key("network", "bridge", None),
        key("container:run", "alone", None),
    ];
    let read: Vec<Option<String>> = bound.read_many(&keys).await.into_iter().map(|r| r.unwrap().map(|l| l.name)).collect();
    let alone: Vec<Option<String>> = {
        let mut all = Vec::new();
        for key in &keys {
            all.push(bound.read(key).await.unwrap().map(|l| l.name));
        }
        all
    };
    assert_eq!(read, alone, "all at once is the same as one after the other");
    assert_eq!(read.iter().map(Option::as_deref).collect::<Vec<_>>()[..4], [Some("net"), None, Some("net"), Some("bridge")]);
    let after = fake.seen("list_networks").len();
    assert_eq!(after - before, 1 + 4, "one listing for all, and one for each that was read alone");
}
