//! Where each node and each edge of a picture goes: columns are layers; the order within a column has few crossings; long edges run
//! through gaps between the nodes of the columns that they pass.
//!
//! Pure arithmetic on numbers of nodes; it knows nothing of labels or colours, and the same picture always gives the same layout.

/// Half of what two nodes keep between them.
const GAP: f64 = 14.0;
/// What a passing edge takes in a column.
const LANE: f64 = 10.0;
/// How often the order is swept.
const SWEEPS: usize = 12;

/// What is laid out.
pub(super) struct Input<'a> {
    /// The layer of each node.
    pub layer: Vec<usize>,
    /// From a lower to a higher layer; others are not drawn.
    pub edges: &'a [(usize, usize)],
    /// How many layers there are.
    pub layers: usize,
    /// The height of each node.
    pub height: f64,
}

/// A layout: the middle of each node, and for each edge the heights at which it passes the columns between its ends.
pub(super) struct Layout {
    /// From top, the middle of each node.
    pub y: Vec<f64>,
    /// `(a, b, heights)`, only of the edges that are drawn.
    pub edges: Vec<(usize, usize, Vec<f64>)>,
    /// The height of the whole.
    pub height: f64,
}

/// A place in a column: a node, or an edge that passes.
struct Place {
    node: bool,
    layer: usize,
    left: Vec<usize>,
    right: Vec<usize>,
}

/// Lays a picture out.
pub(super) fn layout(input: &Input) -> Layout {
    let edges = reduce(input);
    let mut places: Vec<Place> = input.layer.iter().map(|l| Place { node: true, layer: *l, left: Vec::new(), right: Vec::new() }).collect();
    let mut chains = Vec::new();
    for &(a, b) in &edges {
        let mut chain = Vec::new();
        let mut last = a;
        for layer in input.layer[a] + 1..input.layer[b] {
            places.push(Place { node: false, layer, left: Vec::new(), right: Vec::new() });
            let here = places.len() - 1;
            link(&mut places, last, here);
            chain.push(here);
            last = here;
        }
        link(&mut places, last, b);
        chains.push((a, b, chain));
    }
    let columns = order(&places, input.layers);
    let y = heights(&places, &columns, input.height);
    let top = places.iter().enumerate().map(|(n, p)| y[n] - extent(p, input.height)).fold(f64::INFINITY, f64::min);
    let top = if top.is_finite() { top } else { 0.0 };
    let bottom = places.iter().enumerate().map(|(n, p)| y[n] + extent(p, input.height)).fold(0.0, f64::max);
    Layout {
        y: (0..input.layer.len()).map(|n| y[n] - top).collect(),
        edges: chains.into_iter().map(|(a, b, chain)| (a, b, chain.into_iter().map(|n| y[n] - top).collect())).collect(),
        height: bottom - top,
    }
}

fn link(places: &mut [Place], a: usize, b: usize) {
    places[a].right.push(b);
    places[b].left.push(a);
}

fn extent(place: &Place, height: f64) -> f64 {
    if place.node { height / 2.0 } else { LANE / 2.0 }
}

/// Leaves out an edge if another way leads to the same place: a picture of what waits for what needs it not.
fn reduce(input: &Input) -> Vec<(usize, usize)> {
    let n = input.layer.len();
    let forward: Vec<(usize, usize)> = input.edges.iter().copied().filter(|(a, b)| input.layer[*a] < input.layer[*b]).collect();
    let mut next = vec![Vec::new(); n];
    forward.iter().for_each(|(a, b)| next[*a].push(*b));
    let mut by_layer: Vec<usize> = (0..n).collect();
    by_layer.sort_by_key(|i| std::cmp::Reverse(input.layer[*i]));
    // What can be reached from each node, as bits, last layers first.
    let words = n.div_ceil(64);
    let mut reach = vec![vec![0u64; words]; n];
    for i in by_layer {
        let mut bits = vec![0u64; words];
        for &j in &next[i] {
            bits[j / 64] |= 1 << (j % 64);
            bits.iter_mut().zip(&reach[j]).for_each(|(a, b)| *a |= b);
        }
        reach[i] = bits;
    }
    let implied = |a: usize, b: usize| next[a].iter().any(|m| *m != b && reach[*m][b / 64] >> (b % 64) & 1 == 1);
    forward.into_iter().filter(|(a, b)| !implied(*a, *b)).collect()
}

/// The order in each column with the fewest crossings that sweeping by barycentres finds.
fn order(places: &[Place], layers: usize) -> Vec<Vec<usize>> {
    let mut columns: Vec<Vec<usize>> = vec![Vec::new(); layers];
    (0..places.len()).for_each(|n| columns[places[n].layer].push(n));
    let mut best = columns.clone();
    let mut fewest = crossings(places, &columns);
    for sweep in 0..SWEEPS {
        let rightwards = sweep % 2 == 0;
        let mut at = positions(places.len(), &columns);
        let sequence: Vec<usize> = if rightwards { (1..layers).collect() } else { (0..layers.saturating_sub(1)).rev().collect() };
        for layer in sequence {
            let middle = |n: usize| {
                let near = if rightwards { &places[n].left } else { &places[n].right };
                // What hangs on nothing stands at the end, out of the way.
                if places[n].left.is_empty() && places[n].right.is_empty() {
                    return f64::INFINITY;
                }
                if near.is_empty() { at[n] } else { near.iter().map(|m| at[*m]).sum::<f64>() / near.len() as f64 }
            };
            let mut keyed: Vec<(f64, usize)> = columns[layer].iter().map(|n| (middle(*n), *n)).collect();
            keyed.sort_by(|a, b| a.0.total_cmp(&b.0));
            columns[layer] = keyed.into_iter().map(|(_, n)| n).collect();
            at = positions(places.len(), &columns);
        }
        let now = crossings(places, &columns);
        if now < fewest {
            (fewest, best) = (now, columns.clone());
        }
    }
    for _ in 0..4 {
        if !swap(places, &mut best) {
            break;
        }
    }
    best
}

/// Swaps neighbours in a column where that undoes crossings; says whether any were.
fn swap(places: &[Place], columns: &mut [Vec<usize>]) -> bool {
    let at = positions(places.len(), columns);
    let crossed =
        |a: &[usize], b: &[usize]| a.iter().flat_map(|x| b.iter().map(move |y| (x, y))).filter(|(x, y)| at[**x] > at[**y]).count();
    let mut any = false;
    for column in columns.iter_mut() {
        for k in 1..column.len() {
            let (a, b) = (&places[column[k - 1]], &places[column[k]]);
            let now = crossed(&a.left, &b.left) + crossed(&a.right, &b.right);
            let then = crossed(&b.left, &a.left) + crossed(&b.right, &a.right);
            if then < now {
                column.swap(k - 1, k);
                any = true;
            }
        }
    }
    any
}

/// Where each place stands in its column, between 0 and 1, so that columns of different sizes can be compared.
fn positions(n: usize, columns: &[Vec<usize>]) -> Vec<f64> {
    let mut at = vec![0.0; n];
    for column in columns {
        for (k, place) in column.iter().enumerate() {
            at[*place] = (k as f64 + 0.5) / column.len() as f64;
        }
    }
    at
}

fn crossings(places: &[Place], columns: &[Vec<usize>]) -> usize {
    let at = positions(places.len(), columns);
    columns
        .iter()
        .map(|column| {
            // The right ends in the order of the left ends: each inversion is a crossing.
            let mut ends: Vec<f64> = Vec::new();
            for place in column {
                let mut right: Vec<f64> = places[*place].right.iter().map(|r| at[*r]).collect();
                right.sort_by(f64::total_cmp);
                ends.extend(right);
            }
            // Beyond this a picture is a thicket anyway, and counting is quadratic.
            let ends = &ends[..ends.len().min(2_000)];
            (0..ends.len()).map(|i| ends[i + 1..].iter().filter(|e| **e < ends[i]).count()).sum::<usize>()
        })
        .sum()
}

/// Heights: each place as near to its neighbours as the order and the space between allow.
fn heights(places: &[Place], columns: &[Vec<usize>], height: f64) -> Vec<f64> {
    let mut y = vec![0.0; places.len()];
    let space = |a: usize, b: usize| {
        let gap = if places[a].node && places[b].node { GAP } else { GAP * 0.6 };
        extent(&places[a], height) + extent(&places[b], height) + gap
    };
    for column in columns {
        let total: f64 = column.windows(2).map(|w| space(w[0], w[1])).sum();
        let mut here = -total / 2.0;
        for (k, place) in column.iter().enumerate() {
            if k > 0 {
                here += space(column[k - 1], *place);
            }
            y[*place] = here;
        }
    }
    for round in 0..24 {
        let sequence: Vec<usize> = if round % 2 == 0 { (0..columns.len()).collect() } else { (0..columns.len()).rev().collect() };
        for c in sequence {
            let column = &columns[c];
            let mut wanted = Vec::new();
            for place in column {
                // A passing edge pulls more, so that long edges become straight.
                let (mut sum, mut weight) = (y[*place] * 0.1, 0.1);
                for near in places[*place].left.iter().chain(&places[*place].right) {
                    let w = if places[*place].node || places[*near].node { 1.0 } else { 4.0 };
                    sum += y[*near] * w;
                    weight += w;
                }
                wanted.push((sum / weight, weight));
            }
            let offsets: Vec<f64> = (0..column.len())
                .scan(0.0, |at, k| {
                    if k > 0 {
                        *at += space(column[k - 1], column[k]);
                    }
                    Some(*at)
                })
                .collect();
            let flat: Vec<(f64, f64)> = wanted.iter().zip(&offsets).map(|((w, weight), o)| (w - o, *weight)).collect();
            for ((place, z), offset) in column.iter().zip(ascending(&flat)).zip(&offsets) {
                y[*place] = z + offset;
            }
        }
    }
    y
}

/// The ascending values that are nearest to the wanted ones (pool adjacent violators).
fn ascending(wanted: &[(f64, f64)]) -> Vec<f64> {
    let mut pools: Vec<(f64, f64, usize)> = Vec::new();
    for &(value, weight) in wanted {
        pools.push((value, weight, 1));
        while let [.., (a, wa, na), (b, wb, nb)] = pools[..] {
            if a <= b {
                break;
            }
            pools.truncate(pools.len() - 2);
            pools.push(((a * wa + b * wb) / (wa + wb), wa + wb, na + nb));
        }
    }
    pools.into_iter().flat_map(|(value, _, n)| std::iter::repeat_n(value, n)).collect()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn an_implied_edge_is_left_out_and_a_crossing_is_undone() {
        let input = Input { layer: vec![0, 1, 2, 0, 1], edges: &[(0, 1), (1, 2), (0, 2), (3, 4)], layers: 3, height: 40.0 };
        let layout = layout(&input);
        assert_eq!(layout.edges.iter().map(|(a, b, _)| (*a, *b)).collect::<Vec<_>>(), [(0, 1), (1, 2), (3, 4)]);
        let crossed = Input { layer: vec![0, 0, 1, 1], edges: &[(0, 3), (1, 2)], layers: 2, height: 40.0 };
        let y = super::layout(&crossed).y;
        assert_eq!(y[0] < y[1], y[3] < y[2]);
    }

    #[test]
    fn ascending_values() {
        assert_eq!(ascending(&[(1.0, 1.0), (3.0, 1.0), (1.0, 1.0)]), [1.0, 2.0, 2.0]);
    }

    proptest! {
        #![proptest_config(ProptestConfig { cases: 64, failure_persistence: None, ..ProptestConfig::default() })]
        #[test]
        fn nodes_never_overlap(layer in prop::collection::vec(0usize..5, 1..40), pairs in prop::collection::vec((0usize..40, 0usize..40), 0..80)) {
            let n = layer.len();
            let edges: Vec<(usize, usize)> = pairs.into_iter().map(|(a, b)| (a % n, b % n)).collect();
            let layout = layout(&Input { layer: layer.clone(), edges: &edges, layers: 5, height: 40.0 });
            for a in 0..n {
                prop_assert!(layout.y[a] >= 19.9 && layout.y[a] <= layout.height - 19.9);
                for b in 0..a {
                    prop_assert!(layer[a] != layer[b] || (layout.y[a] - layout.y[b]).abs() >= 40.0);
                }
            }
        }
    }
}
