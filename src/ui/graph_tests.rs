//! Pictures of plans and of what is recorded.

use std::collections::BTreeMap;

use serde_json::json;

use super::{
    Style, fixtures,
    graph::{self, Picture},
};
use crate::{plan::Plan, store::RunKind};

/// A plan like a real one: networks, data, web servers behind balancers, in five waves.
fn large(sites: usize) -> Plan {
    let mut steps = Vec::new();
    let mut waves: Vec<Vec<usize>> = vec![Vec::new(); 5];
    let mut edges = Vec::new();
    for n in 0..sites {
        let base = steps.len();
        for (wave, name, needs) in [
            (0, format!("opnsense:network:vlan:site-{n}"), vec![]),
            (0, format!("docker:network:site-{n}"), vec![]),
            (0, format!("aws:acm:certificate:site-{n}"), vec![]),
            (1, format!("docker:volume:site-{n}-data"), vec![]),
            (1, format!("docker:container:run:site-{n}-db"), vec![1]),
            (2, format!("docker:container:run:site-{n}-web-1"), vec![1, 4]),
            (2, format!("docker:container:run:site-{n}-web-2"), vec![1, 4]),
            (3, format!("opnsense:haproxy:backend:site-{n}"), vec![5, 6, 0]),
            (4, format!("aws:route53:record:site-{n}-with-a-rather-long-name"), vec![7]),
            (4, format!("kubernetes:deployment:site-{n}-monitor"), vec![2, 7]),
        ] {
            waves[wave].push(steps.len());
            edges.extend(needs.into_iter().map(|k: usize| (base + k, steps.len())));
            steps.push(fixtures::create(&name, json!({}), &[]));
        }
        if n > 0 {
            edges.push((4, base + 5));
        }
    }
    let waves: Vec<&[usize]> = waves.iter().map(Vec::as_slice).collect();
    fixtures::plan("sites", RunKind::Apply, steps, &waves, &edges)
}

fn snapshot() -> Picture {
    let names = ["docker:network:shop", "docker:volume:data", "docker:container:run:db", "aws:route53:record:shop"];
    let needs: [&[&str]; 4] = [&[], &[], &["docker:network:shop", "docker:volume:data"], &["docker:container:run:db"]];
    let records = names.iter().zip(needs).map(|(n, d)| (fixtures::address(n), fixtures::recorded(n, json!({}), d)));
    Picture::of_snapshot("shop · snapshot 4", &records.collect::<BTreeMap<_, _>>())
}

#[test]
fn mermaid_and_dot() {
    insta::assert_snapshot!("graph_mermaid", graph::text::mermaid(&Picture::of_plan(&fixtures::blog().plan)));
    insta::assert_snapshot!("graph_dot", graph::text::dot(&snapshot()));
}

#[test]
fn a_snapshot_as_a_tree() {
    let text = graph::tree(&snapshot(), &Style::PLAIN).render(&Style::PLAIN);
    assert_eq!(
        text,
        "docker:network:shop  layer 1\n\
         └─ docker:container:run:db  layer 2, also after data\n   \
            └─ aws:route53:record:shop  layer 3\n\
         docker:volume:data  layer 1\n"
    );
}

#[test]
fn pictures_are_self_contained_and_escaped() {
    let mut picture = Picture::of_plan(&fixtures::blog().plan);
    picture.title = "<script>\"&'\u{202e}\n".into();
    picture.layers[0] = "</text>#\"`".into();
    for text in [graph::svg::svg(&picture), graph::svg::html(&picture)] {
        assert!(!text.contains("<script") && !text.contains("</text>#") && !text.contains('\u{202e}'));
        assert_eq!(text.matches("://").count(), 1, "only the name space is a URL");
        assert!(text.contains("&lt;script&gt;&quot;&amp;&#39;\\u{202e}\\n"));
    }
    assert!(graph::text::mermaid(&picture).contains("#60;script#62;#34;#38;'#92;u#123;202e#125;#92;n"));
    assert!(graph::text::dot(&picture).contains("label=\"<script>\\\"&'\\\\u{202e}\\\\n\""));
}

#[test]
fn every_resource_is_drawn_once() {
    let picture = Picture::of_plan(&large(20));
    let text = graph::svg::svg(&picture);
    assert_eq!(picture.nodes.len(), 200);
    assert_eq!(text.matches("<g class=\"node").count(), 200);
    assert_eq!(text, graph::svg::svg(&Picture::of_plan(&large(20))));
}

#[test]
fn a_thousand_resources_are_rendered_in_a_moment() {
    let plan = large(100);
    let began = std::time::Instant::now();
    let review = crate::review::Review::new(plan, None, Vec::new());
    let style = Style::PLAIN;
    let levels = [crate::review::Level::Brief, crate::review::Level::Details, crate::review::Level::Graph];
    assert!(levels.iter().all(|l| super::review::render(&review, *l, &style).lines().count() > 1_000));
    assert_eq!(graph::svg::svg(&Picture::of_plan(&review.plan)).matches("<g class=\"node").count(), 1_000);
    // Generous, since tests run unoptimised and side by side; what it guards against is a square.
    assert!(began.elapsed().as_secs() < 20, "{:?}", began.elapsed());
}

/// Not a test of anything: writes the pictures where a person can look at them.
#[test]
#[ignore = "writes files; run with SWELL_PICTURES=folder"]
fn draw() {
    let Ok(folder) = std::env::var("SWELL_PICTURES") else { return };
    for (name, picture) in [
        ("blog", Picture::of_plan(&fixtures::blog().plan)),
        ("sites-1", Picture::of_plan(&large(1))),
        ("sites-4", Picture::of_plan(&large(4))),
        ("sites-20", Picture::of_plan(&large(20))),
        ("snapshot", snapshot()),
    ] {
        std::fs::write(format!("{folder}/{name}.svg"), graph::svg::svg(&picture)).unwrap();
        std::fs::write(format!("{folder}/{name}.html"), graph::svg::html(&picture)).unwrap();
    }
}
