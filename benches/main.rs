//! What should be fast, timed. `cargo bench` runs everything; `cargo bench -- plan` one part.
//!
//! Each group begins with a yardstick: the same data through a plain JSON parser. Times differ from machine to machine; the ratio to the
//! yardstick of the same run hardly does.

// Figures are what this program is for.
#![expect(clippy::print_stdout, clippy::unwrap_used, reason = "figures go to standard output; a bench that cannot go on has failed")]

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::{Arc, LazyLock},
    time::{Duration, Instant},
};

use indexmap::IndexMap;
use serde_json::{Value, json};
use swell::{
    domain::{Action, Address, ServerName, TypeDef},
    intent::{World, offline::OfflineParser},
    mcp::{Target, Types},
    pattern::Catalog,
    plan::{
        Plan,
        build::{Foreign, Inputs, SecretStatus, build},
        refresh::Observed,
    },
    review::{Level, Review},
    store::{Recipe, RunKind, Snapshot},
    template::{Template, check::check, parse::parse},
    ui::Style,
};

const RESOURCES: usize = 1000;

fn main() {
    if std::env::args().any(|a| a == "--bench") {
        parser_distribution();
    }
    divan::main();
}

/// A template of a thousand: a network for every ten, and containers on them, each after the one before it in its ten.
static TEXT: LazyLock<String> = LazyLock::new(|| {
    let mut text = "name: large\nresources:\n".to_owned();
    for n in 0..RESOURCES {
        let (group, place) = (n / 10, n % 10);
        if place == 0 {
            text.push_str(&format!("  - server: docker\n    type: network\n    name: net-{group}\n    properties: {{}}\n"));
        } else {
            let image = "nginx:1.28";
            text.push_str(&format!(
                "  - server: docker\n    type: container:run\n    name: c-{n}\n    properties:\n      image: {image}\n      network: ${{docker:network:net-{group}.name}}\n"
            ));
            if place > 1 {
                text.push_str(&format!("    depends_on: [docker:container:run:c-{}]\n", n - 1));
            }
        }
    }
    text
});

static TEMPLATE: LazyLock<Template> = LazyLock::new(|| parse("large.yaml", &TEXT, &IndexMap::new()).unwrap());

/// The same as JSON, for the yardstick.
static JSON: LazyLock<String> = LazyLock::new(|| serde_json::to_string(&*TEMPLATE).unwrap());

static TYPES: LazyLock<Types> = LazyLock::new(|| {
    let all: BTreeMap<ServerName, Vec<TypeDef>> = serde_json::from_str(include_str!("../tests/fixtures/templates/types.json")).unwrap();
    all.into_iter().map(|(server, types)| (server, Arc::new(types.into_iter().map(|t| (t.kind.clone(), t)).collect()))).collect()
});

/// Servers that answered and hold nothing yet.
static EMPTY: LazyLock<Observed> = LazyLock::new(|| {
    let target = |server: &ServerName| Target { server: server.clone(), identity: "bench".into(), pin: "0".repeat(64), simulated: true };
    Observed {
        types: TYPES.clone(),
        targets: TYPES.keys().map(|s| (s.clone(), target(s))).collect(),
        live: TEMPLATE.resources.iter().map(|r| (r.address.clone(), None)).collect(),
        ..Observed::default()
    }
});

fn plan(template: &Template) -> Plan {
    build(Inputs {
        template,
        snapshot: None,
        observed: &EMPTY,
        settled: Vec::new(),
        kind: RunKind::Apply,
        request: "bench".into(),
        recipe: Recipe::default(),
        notes: Vec::new(),
        foreign: Foreign::Refuse,
        replace: &BTreeSet::new(),
        tool: &|_: &Address, _: Action| "create_resource".parse().unwrap(),
        secret: &|_| SecretStatus::Missing,
    })
    .unwrap()
}

static PLAN: LazyLock<Plan> = LazyLock::new(|| plan(&TEMPLATE));

mod plan_of_1000 {
    use super::*;

    #[divan::bench]
    fn a_yardstick_json(bencher: divan::Bencher) {
        LazyLock::force(&JSON);
        bencher.bench(|| serde_json::from_str::<Value>(&JSON).unwrap());
    }

    #[divan::bench]
    fn b_parse(bencher: divan::Bencher) {
        LazyLock::force(&TEXT);
        bencher.bench(|| parse("large.yaml", &TEXT, &IndexMap::new()).unwrap());
    }

    #[divan::bench]
    fn c_check(bencher: divan::Bencher) {
        LazyLock::force(&EMPTY);
        bencher.bench(|| {
            let problems = check(&TEMPLATE, &TYPES, &*EMPTY);
            assert!(problems.is_empty(), "{problems:?}");
        });
    }

    #[divan::bench]
    fn d_build(bencher: divan::Bencher) {
        LazyLock::force(&EMPTY);
        bencher.bench(|| assert_eq!(plan(&TEMPLATE).steps.len(), RESOURCES));
    }

    #[divan::bench]
    fn e_digest(bencher: divan::Bencher) {
        LazyLock::force(&PLAN);
        bencher.bench(|| PLAN.digest());
    }

    #[divan::bench]
    fn f_review(bencher: divan::Bencher) {
        let review = Review::new(PLAN.clone(), None, Vec::new());
        bencher.bench(|| swell::ui::review::render(&review, Level::Brief, &Style::PLAIN));
    }

    #[divan::bench]
    fn g_picture(bencher: divan::Bencher) {
        let picture = swell::ui::graph::Picture::of_plan(&PLAN);
        bencher.bench(|| swell::ui::graph::svg::svg(&picture));
    }
}

mod snapshot_of_1000 {
    use super::*;

    static STORED: LazyLock<String> = LazyLock::new(|| {
        let resources: serde_json::Map<String, Value> = TEMPLATE
            .resources
            .iter()
            .map(|r| {
                let one = json!({
                    "address": r.address, "id": "0123456789abcdef", "desired": r.properties, "sent": r.properties,
                    "properties": r.properties, "outputs": {"name": r.address.name, "id": "0123456789abcdef"}, "target": "bench",
                });
                (r.address.to_string(), one)
            })
            .collect();
        json!({
            "deployment": "large", "number": 1, "run": "r", "at": "2030-01-01T00:00:00Z", "last_entry": 2000, "resources": resources,
        })
        .to_string()
    });

    #[divan::bench]
    fn a_yardstick_json(bencher: divan::Bencher) {
        LazyLock::force(&STORED);
        bencher.bench(|| serde_json::from_str::<Value>(&STORED).unwrap());
    }

    #[divan::bench]
    fn b_load(bencher: divan::Bencher) {
        LazyLock::force(&STORED);
        bencher.bench(|| serde_json::from_str::<Snapshot>(&STORED).unwrap());
    }

    #[divan::bench]
    fn c_back_to_a_template(bencher: divan::Bencher) {
        let snapshot: Snapshot = serde_json::from_str(&STORED).unwrap();
        bencher.bench(|| swell::desired::from_snapshot(&snapshot));
    }
}

mod offline_parser {
    use super::*;

    #[divan::bench]
    fn train(bencher: divan::Bencher) {
        let entries = Catalog::load(&[]).entries();
        bencher.bench(|| OfflineParser::new(&entries));
    }

    #[divan::bench(args = [
        "deploy WordPress with HA on blog.example.org",
        "what is running?",
        "I need a PCI compliant shop at shop.example.com with stripe, postgres and redis, nightly backups kept for thirty days",
    ])]
    fn parse(bencher: divan::Bencher, text: &str) {
        let parser = OfflineParser::new(&Catalog::load(&[]).entries());
        let world = World::default();
        bencher.bench(|| parser.parse(text, &world));
    }
}

/// How long requests take, over every case of the offline evals: each is measured by its fastest of five.
fn parser_distribution() {
    let parser = OfflineParser::new(&Catalog::load(&[]).entries());
    let world = World::default();
    let texts: Vec<String> = include_str!("../evals/cases/offline.jsonl")
        .lines()
        .filter_map(|line| serde_json::from_str::<Value>(line).ok()?.get("text")?.as_str().map(str::to_owned))
        .collect();
    let mut times: Vec<Duration> = texts
        .iter()
        .map(|text| {
            let once = || {
                let began = Instant::now();
                std::hint::black_box(parser.parse(text, &world));
                began.elapsed()
            };
            (0..5).map(|_| once()).min().unwrap_or_default()
        })
        .collect();
    times.sort();
    let at = |percent: usize| times.get(times.len().saturating_sub(1) * percent / 100).copied().unwrap_or_default();
    println!(
        "offline parser over {} requests: p50 {:?} · p95 {:?} · p99 {:?} · slowest {:?}",
        times.len(),
        at(50),
        at(95),
        at(99),
        at(100)
    );
}
