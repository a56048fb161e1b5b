//! Plans, records and event streams that the tests of the faces share. Both faces render the same streams.

use indexmap::IndexMap;
use serde_json::{Value, json};

use crate::{
    domain::{Action, Address, Lifecycle, Outcome, Properties, PropertyPath},
    event::{Ended, Event, RunSummary},
    mcp::Target,
    plan::{Change, Drift, FORMAT, Lookup, ParameterNote, Plan, PolicyResult, Shown, Step, Undo, Verdict},
    review::Review,
    store::{Recipe, Recorded, RunKind},
};

pub fn address(text: &str) -> Address {
    text.parse().unwrap()
}

pub fn object(value: Value) -> Properties {
    value.as_object().cloned().unwrap()
}

pub fn recorded(name: &str, properties: Value, depends_on: &[&str]) -> Recorded {
    Recorded {
        address: address(name),
        id: format!("id-{}", address(name).name),
        desired: object(properties.clone()),
        sent: object(properties.clone()),
        properties: object(properties),
        outputs: Properties::new(),
        depends_on: depends_on.iter().map(|d| address(d)).collect(),
        lifecycle: Lifecycle::default(),
        wait: None,
        target: "sandbox".into(),
        sensitive: vec!["password".into()],
        holds_data: false,
        created_by: None,
    }
}

pub fn change(path: &str, before: Shown, after: Shown) -> Change {
    Change { path: path.parse().unwrap_or_else(|_| PropertyPath::key(path)), before, after, forces_replace: false }
}

pub fn val(value: Value) -> Shown {
    Shown::Value(value)
}

/// A step whose changes are the properties; strings with `${` are known after the apply or secret.
pub fn create(name: &str, properties: Value, depends_on: &[&str]) -> Step {
    let changes = object(properties.clone())
        .into_iter()
        .map(|(k, v)| {
            let text = v.as_str().unwrap_or_default();
            let after = match text {
                t if t.contains("${secret:") => Shown::Secret,
                t if t.contains("${") => Shown::AfterApply(v.clone()),
                _ => Shown::Value(v.clone()),
            };
            change(&k, Shown::Absent, after)
        })
        .collect();
    Step {
        changes,
        intended: Some(recorded(name, properties, depends_on)),
        tool: "create_resource".parse().ok(),
        ..step(name, Action::Create)
    }
}

pub fn step(name: &str, action: Action) -> Step {
    Step {
        address: address(name),
        action,
        replace: None,
        tool: None,
        id: None,
        key: None,
        changes: Vec::new(),
        intended: None,
        unset: Vec::new(),
        before: None,
        loses_data: false,
        because: None,
    }
}

pub fn note(name: &str, value: Value, from: &str, why: &str) -> ParameterNote {
    ParameterNote { name: name.into(), value: Shown::Value(value), from: from.into(), why: why.into() }
}

pub fn target(server: &str, identity: &str, simulated: bool) -> Target {
    Target { server: server.parse().unwrap(), identity: identity.into(), pin: "sha256:00".into(), simulated }
}

pub fn plan(name: &str, kind: RunKind, steps: Vec<Step>, waves: &[&[usize]], edges: &[(usize, usize)]) -> Plan {
    let undo = steps.iter().map(|s| match s.action {
        Action::Create | Action::Adopt => Undo::By(Action::Delete),
        Action::Update => Undo::By(Action::Update),
        Action::Delete if s.loses_data => Undo::Not("data is lost".into()),
        Action::Delete => Undo::By(Action::Create),
        _ => Undo::Nothing,
    });
    Plan {
        format: FORMAT,
        deployment: name.parse().unwrap(),
        kind,
        request: "deploy WordPress with HA on blog.example.org".into(),
        base: 0,
        targets: vec![target("docker", "sandbox:docker:local", true), target("opnsense", "sandbox:opnsense:fw1", true)],
        undo: undo.collect(),
        steps,
        edges: edges.to_vec(),
        waves: waves.iter().map(|w| w.to_vec()).collect(),
        reads: Vec::new(),
        kept: Vec::new(),
        settled: Vec::new(),
        refreshed: Vec::new(),
        drift: Vec::new(),
        recipe: Recipe::default(),
        outputs: IndexMap::new(),
        notes: Vec::new(),
        parameters: Vec::new(),
        policy: Vec::new(),
        generate: Vec::new(),
    }
}

/// The plan of DESIGN section 8, with everything that a review can hold.
pub fn blog() -> Review {
    let replaced =
        |action| Step { replace: Some("network cannot be changed in place".into()), ..step("docker:container:run:blog-cache", action) };
    let network =
        Change { forces_replace: true, ..change("network", val(json!("old")), Shown::AfterApply(json!("${docker:network:blog.id}"))) };
    let steps = vec![
        create("opnsense:network:vlan:blog-net", json!({"tag": 110, "interface": "igc2", "description": "blog"}), &[]),
        create("docker:network:blog", json!({"driver": "bridge", "labels": {"app": "blog"}}), &[]),
        Step {
            changes: vec![
                change("image", Shown::Absent, val(json!("mariadb:11"))),
                change("password", Shown::Absent, Shown::Secret),
                change("network", Shown::Absent, Shown::AfterApply(json!("${docker:network:blog.id}"))),
                change("address", Shown::Absent, Shown::From { address: address("aws:vpc:subnet:private-1"), value: json!("10.0.1.7") }),
                change("env", Shown::Absent, val(json!({"MARIADB_DATABASE": "wp", "TZ": "UTC", "OPTS": ["a", "b"]}))),
            ],
            ..create(
                "docker:container:run:blog-db-1",
                json!({"network": "${docker:network:blog.id}"}),
                &["docker:network:blog", "docker:volume:blog-db-1-data"],
            )
        },
        Step {
            id: Some("c-77".into()),
            changes: vec![
                change("image", val(json!("wordpress:6.5")), val(json!("wordpress:6.6"))),
                change("env.WP_CONFIG", val(json!("a\nb\nc\n")), val(json!("a\nB\nc\n"))),
                change("password", Shown::Secret, Shown::Secret),
            ],
            intended: Some(recorded("docker:container:run:blog-web-1", json!({}), &[])),
            ..step("docker:container:run:blog-web-1", Action::Update)
        },
        Step { id: Some("c-12".into()), ..replaced(Action::Delete) },
        Step { changes: vec![network], ..replaced(Action::Create) },
        Step {
            loses_data: true,
            because: Some("no longer in the template".into()),
            id: Some("v-1".into()),
            before: Some(recorded("docker:volume:old-data", json!({"size": "20G", "password": "hunter2"}), &[])),
            ..step("docker:volume:old-data", Action::Delete)
        },
        Step { id: Some("sg-1".into()), ..step("opnsense:firewall:rule:blog-https", Action::Adopt) },
    ];
    let edges = [(1, 2), (0, 2), (2, 3), (4, 5), (1, 5)];
    let mut plan = plan("blog", RunKind::Apply, steps, &[&[0, 1, 4, 7], &[2, 5], &[3, 6]], &edges);
    plan.recipe.pattern = Some("wordpress-ha".into());
    plan.parameters = vec![
        note("domain", json!("blog.example.org"), "said", "on blog.example.org"),
        note("replicas", json!(3), "said", "three of them"),
        note("dbReplicas", json!(2), "default", "one primary, one replica"),
        note("backup", json!("daily"), "default", ""),
        note("region", json!("eu-central-1"), "assumed", "gpt-5-mini"),
        ParameterNote { value: Shown::Secret, ..note("dbPassword", json!(null), "generated", "40 characters") },
    ];
    plan.reads = vec![Lookup {
        address: address("aws:vpc:subnet:private-1"),
        found_in: None,
        id: "subnet-1".into(),
        used: IndexMap::from([("cidr".to_owned(), json!("10.0.1.0/24"))]),
    }];
    plan.drift = vec![
        Drift {
            address: address("docker:container:run:blog-web-1"),
            gone: false,
            changes: vec![change("memory", val(json!("512m")), val(json!("256m")))],
            outputs: Vec::new(),
            unhealthy: None,
        },
        Drift { address: address("docker:network:blog"), gone: true, changes: Vec::new(), outputs: Vec::new(), unhealthy: None },
    ];
    plan.notes = vec!["no kubernetes server is registered, so the web tier runs on docker".into()];
    plan.kept = vec![address("docker:volume:blog-db-1-data")];
    plan.generate = vec!["blog-db-password".into()];
    plan.policy = vec![
        PolicyResult { policy: "no-plaintext-secret".into(), verdict: Verdict::Pass, findings: Vec::new() },
        PolicyResult {
            policy: "open-to-the-world".into(),
            verdict: Verdict::Warn,
            findings: vec!["443 open to the world on opnsense:firewall:rule:blog-https".into()],
        },
    ];
    Review::new(plan, Some("offline".into()), Vec::new())
}

/// A destroy.
pub fn destroy() -> Review {
    let gone = |name: &str, loses_data| Step {
        loses_data,
        id: Some(format!("id-{}", address(name).name)),
        before: Some(recorded(name, json!({"size": "20G"}), &[])),
        ..step(name, Action::Delete)
    };
    let steps = vec![gone("docker:container:run:web", false), gone("docker:volume:data", true)];
    let mut plan = plan("shop", RunKind::Destroy, steps, &[&[0], &[1]], &[(0, 1)]);
    plan.base = 4;
    plan.targets = vec![target("docker", "docker.example.org", false), target("aws", "123456789012/eu-central-1", false)];
    Review::new(plan, None, Vec::new())
}

/// Nothing to do.
pub fn nothing() -> Review {
    let mut plan = plan("shop", RunKind::Apply, Vec::new(), &[], &[]);
    plan.base = 4;
    plan.kept = vec![address("docker:container:run:web"), address("docker:volume:data")];
    Review::new(plan, Some("offline".into()), Vec::new())
}

/// Changes of lists and maps, of which only a little differs.
pub fn collections() -> Review {
    let update = |name: &str, changes: Vec<Change>| Step { changes, ..step(name, Action::Update) };
    let backends = |all: &[u8]| json!(all.iter().map(|n| format!("10.1.174.{n}:80")).collect::<Vec<_>>());
    let rule = |port: u16| json!({"protocol": "tcp", "from": "any", "port": port});
    let steps = vec![
        update(
            "aws:vpc:vpc:main",
            vec![change("tags", val(json!({"env": "lab", "owner": "ops"})), val(json!({"env": "lab2", "owner": "ops"})))],
        ),
        update(
            "opnsense:haproxy:backend:blog-web",
            vec![
                change("servers", val(backends(&[217, 95, 12])), val(backends(&[217, 95, 30, 31]))),
                change("description", val(json!("blog: 3 WordPress containers")), val(json!("blog: 4 WordPress containers"))),
                change("options", val(json!({"check": true})), val(json!({"check": true, "inter": "2s"}))),
            ],
        ),
        update(
            "aws:vpc:security-group:web",
            vec![change("ingress", val(json!([rule(80), rule(443)])), val(json!([rule(443), rule(80), rule(8080)])))],
        ),
        update("kubernetes:config:configmap:big", vec![change("data", val(json!({"a": "1"})), val(numbered(20)))]),
    ];
    Review::new(plan("lists", RunKind::Apply, steps, &[&[0, 1, 2, 3]], &[]), Some("offline".into()), Vec::new())
}

/// `{k00: 0, k01: 1, …}`.
fn numbered(n: usize) -> Value {
    (0..n).map(|i| (format!("k{i:02}"), json!(i))).collect::<serde_json::Map<_, _>>().into()
}

/// A plan in which every text that can come from outside is `text`.
pub fn hostile(text: &str) -> Review {
    let mut review = blog();
    let plan = &mut review.plan;
    plan.request = text.into();
    plan.notes = vec![text.into()];
    plan.generate = vec![text.into()];
    plan.targets[0].identity = text.into();
    plan.recipe.pattern = Some(text.into());
    plan.parameters.push(ParameterNote { value: val(json!(text)), ..note(text, json!(text), "said", text) });
    plan.parameters.push(note(text, json!(text), text, text));
    plan.policy[1].findings = vec![text.into(), text.into()];
    plan.reads[0].id = text.into();
    plan.reads[0].used.insert(text.into(), json!(text));
    plan.drift[0].unhealthy = Some(text.into());
    let change = Change {
        path: PropertyPath::key(text),
        before: val(json!({text: [text]})),
        after: val(json!({text: text, "n": text})),
        forces_replace: true,
    };
    for step in &mut plan.steps {
        step.id = Some(text.into());
        step.because = Some(text.into());
        step.replace = step.replace.as_ref().map(|_| text.to_owned());
        step.changes.push(change.clone());
    }
    plan.undo[0] = Undo::Not(text.into());
    review.parser = Some(text.into());
    review
}

pub fn ended(name: &str, action: Action, reason: Option<&str>) -> Ended {
    Ended { address: address(name), action, reason: reason.map(Into::into) }
}

/// The events of a run with every outcome.
pub fn run(words: &str) -> Vec<Event> {
    let (net, db, web, dns) =
        ("docker:network:blog", "docker:container:run:blog-db-1", "docker:container:run:blog-web-1", "aws:route53:record:blog");
    let started = |step, wave, name| Event::StepStarted {
        step,
        wave,
        address: address(name),
        action: Action::Create,
        tool: "create_resource".parse().unwrap(),
    };
    let end = |step, wave, name, outcome, elapsed_ms, error: Option<&str>| Event::StepEnded {
        step,
        wave,
        address: address(name),
        action: Action::Create,
        outcome,
        elapsed_ms,
        error: error.map(Into::into),
    };
    let progress =
        |step, name, state: &str, elapsed_ms| Event::StepProgress { step, address: address(name), state: state.into(), elapsed_ms };
    vec![
        Event::Working { what: "refreshing", done: 1, total: 4 },
        Event::Notice { text: "understood by the offline parser".into() },
        Event::RunStarted { run: "r-1".into(), deployment: "blog".parse().unwrap(), plan: "p-7f3c2a".into(), steps: 4, waves: 3 },
        started(0, 1, net),
        end(0, 1, net, Outcome::Done, 800, None),
        started(1, 2, db),
        progress(1, db, "waiting until ready", 3_000),
        started(2, 2, web),
        end(1, 2, db, Outcome::Done, 21_500, None),
        progress(2, web, "unknown, reading back", 31_000),
        end(2, 2, web, Outcome::Unknown, 31_500, Some("the server did not answer in time")),
        Event::Stopping { stage: 1, in_flight: 1 },
        started(3, 3, dns),
        end(3, 3, dns, Outcome::Failed, 4_200, Some(words)),
        Event::RunEnded {
            summary: Box::new(RunSummary {
                run: "r-1".into(),
                deployment: "blog".into(),
                snapshot: Some(17),
                done: vec![ended(net, Action::Create, None), ended(db, Action::Create, None)],
                failed: vec![ended(dns, Action::Create, Some(words))],
                unknown: vec![ended(web, Action::Create, Some("the server did not answer in time"))],
                skipped: vec![ended("aws:acm:certificate:blog", Action::Create, Some("waits for aws:route53:record:blog"))],
                interrupted: true,
                outputs: IndexMap::from([
                    ("url".to_owned(), json!("https://blog.example.org")),
                    ("password".to_owned(), json!("‹secret›")),
                ]),
                unhealthy: vec![(address(db), words.into())],
                undo: Some("swell undo blog".into()),
                next: Some("swell resume blog".into()),
                elapsed_ms: 42_000,
            }),
        },
    ]
}
