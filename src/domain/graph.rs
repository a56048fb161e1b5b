//! The dependency graph: cycles with all their members, a stable order, and waves. Pure.

use std::{
    collections::{BTreeSet, HashMap},
    hash::Hash,
};

use petgraph::{
    algo::tarjan_scc,
    graph::{DiGraph, NodeIndex},
    visit::EdgeRef,
};

/// A directed graph in which an edge `a -> b` means "`a` must be done before `b`".
///
/// Nodes keep the order in which they were added, and every answer is in that order, so equal inputs give equal plans.
#[derive(Debug, Clone)]
pub struct Graph<K> {
    graph: DiGraph<K, ()>,
    index: HashMap<K, NodeIndex>,
}

impl<K: Clone + Eq + Hash> Default for Graph<K> {
    fn default() -> Self {
        Self { graph: DiGraph::new(), index: HashMap::new() }
    }
}

impl<K: Clone + Eq + Hash> Graph<K> {
    /// Adds a node, unless it is there.
    pub fn add(&mut self, key: K) {
        if !self.index.contains_key(&key) {
            let at = self.graph.add_node(key.clone());
            self.index.insert(key, at);
        }
    }

    /// Says that `first` must be done before `then`; both must have been added. An edge that is there is not added again.
    pub fn edge(&mut self, first: &K, then: &K) {
        if let (Some(&a), Some(&b)) = (self.index.get(first), self.index.get(then)) {
            self.graph.update_edge(a, b, ());
        }
    }

    /// How many nodes there are.
    pub fn len(&self) -> usize {
        self.graph.node_count()
    }

    /// Whether there is no node.
    pub fn is_empty(&self) -> bool {
        self.graph.node_count() == 0
    }

    /// All members of every cycle, each cycle in the order in which its members were added. A node with an edge to itself is a cycle.
    pub fn cycles(&self) -> Vec<Vec<K>> {
        let mut cycles: Vec<Vec<NodeIndex>> = tarjan_scc(&self.graph)
            .into_iter()
            .filter(|c| c.len() > 1 || c.first().is_some_and(|&n| self.graph.contains_edge(n, n)))
            .collect();
        cycles.iter_mut().for_each(|c| c.sort());
        cycles.sort();
        cycles.into_iter().map(|c| c.into_iter().map(|n| self.graph[n].clone()).collect()).collect()
    }

    /// The nodes that must be done directly before this one.
    pub fn before(&self, key: &K) -> Vec<&K> {
        self.neighbours(key, petgraph::Direction::Incoming)
    }

    /// The nodes that directly wait for this one.
    pub fn after(&self, key: &K) -> Vec<&K> {
        self.neighbours(key, petgraph::Direction::Outgoing)
    }

    /// Every node that waits for this one, directly or not.
    pub fn all_after(&self, key: &K) -> Vec<&K> {
        let mut seen = BTreeSet::new();
        let mut open: Vec<NodeIndex> = self.index.get(key).copied().into_iter().collect();
        while let Some(n) = open.pop() {
            for m in self.graph.neighbors(n) {
                if seen.insert(m) {
                    open.push(m);
                }
            }
        }
        seen.into_iter().map(|n| &self.graph[n]).collect()
    }

    fn neighbours(&self, key: &K, direction: petgraph::Direction) -> Vec<&K> {
        let Some(&at) = self.index.get(key) else { return Vec::new() };
        let mut found: Vec<NodeIndex> = self.graph.neighbors_directed(at, direction).collect();
        found.sort();
        found.dedup();
        found.into_iter().map(|n| &self.graph[n]).collect()
    }

    /// All edges, in a stable order.
    pub fn edges(&self) -> Vec<(&K, &K)> {
        let mut all: Vec<_> = self.graph.edge_references().map(|e| (e.source(), e.target())).collect();
        all.sort();
        all.into_iter().map(|(a, b)| (&self.graph[a], &self.graph[b])).collect()
    }

    /// The nodes in waves: each node stands one wave after the last of those that must be done before it.
    ///
    /// `None` when there is a cycle; [`Graph::cycles`] names it.
    pub fn waves(&self) -> Option<Vec<Vec<K>>> {
        let mut level = vec![0usize; self.graph.node_count()];
        for n in petgraph::algo::toposort(&self.graph, None).ok()? {
            let here = self.graph.neighbors_directed(n, petgraph::Direction::Incoming).map(|p| level[p.index()] + 1).max();
            level[n.index()] = here.unwrap_or(0);
        }
        let mut waves: Vec<Vec<K>> = vec![Vec::new(); level.iter().max().map_or(0, |m| m + 1)];
        for n in self.graph.node_indices() {
            waves[level[n.index()]].push(self.graph[n].clone());
        }
        Some(waves)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn graph(nodes: &[&'static str], edges: &[(&'static str, &'static str)]) -> Graph<&'static str> {
        let mut g = Graph::default();
        nodes.iter().for_each(|n| g.add(*n));
        edges.iter().for_each(|(a, b)| g.edge(a, b));
        g
    }

    #[test]
    fn waves_are_the_longest_way_and_in_order() {
        let g = graph(&["c", "a", "b", "d"], &[("a", "b"), ("b", "c"), ("a", "c")]);
        assert_eq!(g.waves().unwrap(), vec![vec!["a", "d"], vec!["b"], vec!["c"]]);
    }

    #[test]
    fn every_member_of_a_cycle_is_named() {
        let g = graph(&["a", "b", "c", "d"], &[("a", "b"), ("b", "c"), ("c", "a"), ("d", "d")]);
        assert_eq!(g.waves(), None);
        assert_eq!(g.cycles(), vec![vec!["a", "b", "c"], vec!["d"]]);
    }

    #[test]
    fn all_after_follows_the_edges() {
        let g = graph(&["a", "b", "c", "d"], &[("a", "b"), ("b", "c")]);
        assert_eq!(g.all_after(&"a"), vec![&"b", &"c"]);
        assert_eq!(g.before(&"c"), vec![&"b"]);
    }

    proptest::proptest! {
        /// Waves hold every node once, and every edge leads to a later wave.
        #[test]
        fn waves_cover_all_and_respect_edges(n in 1usize..40, pairs in proptest::collection::vec((0usize..40, 0usize..40), 0..120)) {
            let mut g = Graph::default();
            (0..n).for_each(|i| g.add(i));
            // Edges from smaller to larger numbers make no cycle.
            let edges: Vec<_> = pairs.into_iter().filter(|(a, b)| a < b && *b < n).collect();
            edges.iter().for_each(|(a, b)| g.edge(a, b));
            let waves = g.waves().unwrap();
            let mut all: Vec<usize> = waves.iter().flatten().copied().collect();
            all.sort_unstable();
            proptest::prop_assert_eq!(all, (0..n).collect::<Vec<_>>());
            let level = |x: usize| waves.iter().position(|w| w.contains(&x)).unwrap();
            for (a, b) in edges {
                proptest::prop_assert!(level(a) < level(b));
            }
        }
    }
}
