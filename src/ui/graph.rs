//! A plan or a snapshot as a picture: Mermaid, DOT, SVG, HTML, and a tree for the terminal.
//!
//! All five are drawn from one [`Picture`], so they show the same nodes in the same waves. Nothing is fetched and nothing is run.

use std::collections::{BTreeMap, BTreeSet};

mod layout;

pub mod svg;

pub mod text;

use super::{
    Style,
    lines::{Line, Page, Tone},
    review,
    rows::Rows,
};
use crate::{
    domain::{Action, Address, graph::Graph, reference},
    plan::{Plan, Shown},
    store::Recorded,
};

/// A node: one resource.
#[derive(Debug, Clone, PartialEq)]
pub struct Node {
    /// Which resource.
    pub address: Address,
    /// What happens to it; none in a picture of what is there.
    pub action: Option<Action>,
    /// Its column, from 0.
    pub layer: usize,
    /// Its data is lost.
    pub loses_data: bool,
}

/// Nodes in layers, and what must be done before what.
#[derive(Debug, Clone, PartialEq)]
pub struct Picture {
    /// The heading.
    pub title: String,
    /// A line below it.
    pub subtitle: String,
    /// Names of the layers, from first to last.
    pub layers: Vec<String>,
    /// The nodes.
    pub nodes: Vec<Node>,
    /// `(a, b)`: `b` needs `a`. Each once, in order.
    pub edges: Vec<(usize, usize)>,
}

impl Picture {
    /// The steps of a plan in their waves, and before them what is only read or stays as it is and is needed.
    pub fn of_plan(plan: &Plan) -> Self {
        let rows = Rows::new(plan);
        let mut nodes: Vec<Node> = Vec::new();
        let mut at: BTreeMap<&Address, usize> = BTreeMap::new();
        let mut of_step: BTreeMap<usize, usize> = BTreeMap::new();
        for row in &rows.rows {
            at.insert(row.address(), nodes.len());
            of_step.insert(row.index, nodes.len());
            if let Some((delete, _)) = row.delete {
                of_step.insert(delete, nodes.len());
            }
            let layer = row.wave.max(1);
            nodes.push(Node { address: row.address().clone(), action: Some(row.action), layer, loses_data: row.loses_data() });
        }
        for (address, action) in plan.reads.iter().map(|r| (&r.address, Action::Read)).chain(plan.kept.iter().map(|k| (k, Action::Keep))) {
            if !at.contains_key(address) {
                at.insert(address, nodes.len());
                nodes.push(Node { address: address.clone(), action: Some(action), layer: 0, loses_data: false });
            }
        }
        let mut edges: Vec<(usize, usize)> = plan.edges.iter().filter_map(|(a, b)| Some((*of_step.get(a)?, *of_step.get(b)?))).collect();
        for row in &rows.rows {
            let Some(&to) = at.get(row.address()) else { continue };
            let needs = row.step.intended.iter().flat_map(|r| &r.depends_on);
            let from = row.changes().iter().filter_map(|c| if let Shown::From { address, .. } = &c.after { Some(address) } else { None });
            let written = row.step.intended.iter().flat_map(|r| r.desired.values()).flat_map(reference::references);
            let written: Vec<Address> = written
                .filter_map(|(_, r)| if let crate::domain::Reference::Output { address, .. } = r { Some(address) } else { None })
                .collect();
            edges.extend(needs.chain(from).chain(&written).filter_map(|a| at.get(a)).filter(|n| nodes[**n].layer == 0).map(|n| (*n, to)));
        }
        let names = std::iter::once("exists".to_owned()).chain((1..=plan.waves.len()).map(|n| format!("wave {n}"))).collect();
        let title = format!("{} · {}", plan.deployment, plan.short());
        let subtitle = review::totals(&plan.counts(), plan.waves.len());
        // What stays and is needed by nothing in the plan would only be in the way.
        let used: BTreeSet<usize> = edges.iter().map(|(a, _)| *a).collect();
        let keep = |n: usize, node: &Node| node.layer > 0 || used.contains(&n);
        Self { title, subtitle, layers: names, nodes, edges }.retain(keep).tidy()
    }

    /// What is recorded of a deployment.
    pub fn of_snapshot(title: &str, resources: &BTreeMap<Address, Recorded>) -> Self {
        let mut graph: Graph<Address> = Graph::default();
        resources.keys().for_each(|a| graph.add(a.clone()));
        for (address, recorded) in resources {
            recorded.depends_on.iter().filter(|d| resources.contains_key(*d) && *d != address).for_each(|d| graph.edge(d, address));
        }
        // A record with a cycle is a fault elsewhere; it is drawn in one layer rather than not at all.
        let waves = graph.waves().unwrap_or_else(|| vec![resources.keys().cloned().collect()]);
        let mut nodes = Vec::new();
        let mut at: BTreeMap<&Address, usize> = BTreeMap::new();
        for (layer, wave) in waves.iter().enumerate() {
            for address in wave {
                at.insert(address, nodes.len());
                nodes.push(Node { address: address.clone(), action: None, layer, loses_data: false });
            }
        }
        let edges = graph.edges().into_iter().filter_map(|(a, b)| Some((*at.get(a)?, *at.get(b)?))).collect();
        let layers = (1..=waves.len()).map(|n| format!("layer {n}")).collect();
        let subtitle = super::lines::count(resources.len(), "resource", "resources");
        Self { title: title.to_owned(), subtitle, layers, nodes, edges }.tidy()
    }

    fn retain(self, keep: impl Fn(usize, &Node) -> bool) -> Self {
        let mut moved = BTreeMap::new();
        let mut nodes = Vec::new();
        for (n, node) in self.nodes.into_iter().enumerate() {
            if keep(n, &node) {
                moved.insert(n, nodes.len());
                nodes.push(node);
            }
        }
        let edges = self.edges.iter().filter_map(|(a, b)| Some((*moved.get(a)?, *moved.get(b)?))).collect();
        Self { nodes, edges, ..self }
    }

    /// Drops edges that are there twice or lead nowhere, and layers that are empty.
    fn tidy(mut self) -> Self {
        self.edges.retain(|(a, b)| a != b);
        self.edges.sort_unstable();
        self.edges.dedup();
        let used: Vec<usize> = (0..self.layers.len()).filter(|l| self.nodes.iter().any(|n| n.layer == *l)).collect();
        for node in &mut self.nodes {
            node.layer = used.iter().position(|l| *l == node.layer).unwrap_or(0);
        }
        self.layers = used.into_iter().map(|l| std::mem::take(&mut self.layers[l])).collect();
        self
    }

    /// The servers, in the order of their names.
    pub fn servers(&self) -> Vec<&str> {
        let mut all: Vec<&str> = self.nodes.iter().map(|n| n.address.server.as_str()).collect();
        all.sort_unstable();
        all.dedup();
        all
    }
}

/// A tree for the terminal: each resource stands below the last one that it waits for; what else it waits for stands beside it.
pub fn tree(picture: &Picture, style: &Style) -> Page {
    let mut needs: Vec<Vec<usize>> = vec![Vec::new(); picture.nodes.len()];
    picture.edges.iter().for_each(|(a, b)| needs[*b].push(*a));
    let parent: Vec<Option<usize>> = (0..picture.nodes.len())
        .map(|n| needs[n].iter().copied().max_by_key(|a| (picture.nodes[*a].layer, std::cmp::Reverse(*a))))
        .collect();
    let mut children: Vec<Vec<usize>> = vec![Vec::new(); picture.nodes.len()];
    let mut roots = Vec::new();
    for (n, parent) in parent.iter().enumerate() {
        // Only ever downwards: a cycle in a broken record must not hang the face.
        match parent.filter(|p| picture.nodes[*p].layer < picture.nodes[n].layer) {
            Some(p) => children[p].push(n),
            None => roots.push(n),
        }
    }
    let signs = picture.nodes.iter().any(|n| n.action.is_some());
    let mut page = Page::default();
    let mut open: Vec<(usize, String, String)> = roots.into_iter().rev().map(|n| (n, String::new(), String::new())).collect();
    while let Some((n, lead, below)) = open.pop() {
        let node = &picture.nodes[n];
        let mut line = Line::of(Tone::Dim, &lead);
        if let Some(action) = node.action.filter(|_| signs) {
            line = line.add(review::tone(action), if action == Action::Keep { "·" } else { action.sign() }).add(Tone::Plain, " ");
        }
        line.push(Tone::Plain, &node.address.to_string());
        line.push(Tone::Dim, &format!("  {}", picture.layers.get(node.layer).map_or("", String::as_str)));
        let also: Vec<String> =
            needs[n].iter().filter(|a| Some(**a) != parent[n]).map(|a| picture.nodes[*a].address.name.to_string()).collect();
        if !also.is_empty() {
            line.push(Tone::Dim, &format!(", also after {}", also.join(", ")));
        }
        if node.loses_data {
            line.push(Tone::Bad, "  data is lost");
        }
        page.line(line.fit(style.width));
        for (k, child) in children[n].iter().enumerate().rev() {
            let last = k + 1 == children[n].len();
            let (own, under) = if last { ("└─ ", "   ") } else { ("├─ ", "│  ") };
            open.push((*child, format!("{below}{own}"), format!("{below}{under}")));
        }
    }
    page
}
