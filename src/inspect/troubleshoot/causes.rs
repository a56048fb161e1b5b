//! Which of the troubled resources are causes and which only suffer. Pure.
//!
//! A resource leads to another one if it was recorded to need it, or if its server's words about it name the other. A cause is troubled
//! and leads to nothing troubled; where troubled ones blame each other in a circle, all of the circle are causes.

use std::collections::{BTreeMap, BTreeSet};

use petgraph::{algo::tarjan_scc, graphmap::DiGraphMap};

use crate::domain::Address;

use super::super::words::mentions;

/// What must be known of a troubled resource.
#[derive(Debug, Clone)]
pub(super) struct Troubled<'a> {
    /// Which.
    pub(super) address: &'a Address,
    /// What it was recorded to need.
    pub(super) needs: &'a [Address],
    /// The server's words.
    pub(super) reason: &'a str,
}

/// A cause and what leads back to it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Cause<'a> {
    /// The resource in which the trouble begins, as far as can be seen.
    pub(super) root: &'a Address,
    /// Resources for which the servers' words lead to it.
    pub(super) named: Vec<&'a Address>,
    /// Resources that need it and whose server does not say that this is why.
    pub(super) needing: Vec<&'a Address>,
}

/// Finds the causes.
pub(super) fn causes<'a>(all: &[Troubled<'a>]) -> Vec<Cause<'a>> {
    let mut graph: DiGraphMap<usize, bool> = DiGraphMap::new();
    let by_address: BTreeMap<&Address, usize> = all.iter().enumerate().map(|(n, t)| (t.address, n)).collect();
    for (n, one) in all.iter().enumerate() {
        graph.add_node(n);
        for need in one.needs.iter().filter_map(|a| by_address.get(a)).filter(|m| **m != n) {
            graph.add_edge(n, *need, false);
        }
        for (m, other) in all.iter().enumerate() {
            // Two of the same name cannot be told apart by it.
            let own = other.address.name == one.address.name;
            if m != n && !own && mentions(one.reason, other.address.name.as_str()) {
                graph.add_edge(n, m, true);
            }
        }
    }
    let circles = tarjan_scc(&graph);
    let mut roots: BTreeSet<usize> = BTreeSet::new();
    for circle in &circles {
        let leads_out = circle.iter().any(|n| graph.neighbors(*n).any(|m| !circle.contains(&m)));
        if !leads_out {
            roots.extend(circle);
        }
    }
    roots
        .iter()
        .map(|root| {
            let named = leading_to(&graph, *root, true);
            let any = leading_to(&graph, *root, false);
            let address = |n: &usize| all[*n].address;
            Cause {
                root: all[*root].address,
                named: named.iter().filter(|n| !roots.contains(n)).map(address).collect(),
                needing: any.difference(&named).filter(|n| !roots.contains(n)).map(address).collect(),
            }
        })
        .collect()
}

/// Everything from which `root` can be reached; `named` uses only edges that a server's words gave.
fn leading_to(graph: &DiGraphMap<usize, bool>, root: usize, named: bool) -> BTreeSet<usize> {
    let mut found = BTreeSet::new();
    let mut open = vec![root];
    while let Some(n) = open.pop() {
        for m in graph.neighbors_directed(n, petgraph::Direction::Incoming) {
            let fits = !named || graph.edge_weight(m, n) == Some(&true);
            if fits && m != root && found.insert(m) {
                open.push(m);
            }
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    fn a(text: &str) -> Address {
        text.parse().unwrap()
    }

    #[test]
    fn words_and_dependencies_lead_to_the_root() {
        let (db, web, lb, other) = (a("docker:run:db"), a("docker:run:web"), a("fw:proxy:lb"), a("fw:rule:open"));
        let (web_needs, lb_needs) = ([db.clone()], [web.clone()]);
        let all = [
            Troubled { address: &db, needs: &[], reason: "exited with code 137" },
            Troubled { address: &web, needs: &web_needs, reason: "cannot reach db: refused" },
            Troubled { address: &lb, needs: &lb_needs, reason: "0 of 1 servers up" },
            Troubled { address: &other, needs: &[], reason: "broken" },
        ];
        let found = causes(&all);
        assert_eq!(
            found,
            [Cause { root: &db, named: vec![&web], needing: vec![&lb] }, Cause { root: &other, named: vec![], needing: vec![] }]
        );
    }

    #[test]
    fn a_circle_has_only_causes() {
        let (x, y) = (a("s:t:x"), a("s:t:y"));
        let all = [
            Troubled { address: &x, needs: &[], reason: "cannot reach y" },
            Troubled { address: &y, needs: &[], reason: "cannot reach x" },
        ];
        assert_eq!(causes(&all).iter().map(|c| c.root).collect::<Vec<_>>(), [&x, &y]);
    }
}
