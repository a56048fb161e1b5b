//! The statistics of the reports: intervals, paired tests, calibration.

/// A share with its Wilson 95 % interval.
#[derive(Debug, Clone, Copy, PartialEq, serde::Serialize, serde::Deserialize)]
pub struct Rate {
    /// How many.
    pub k: usize,
    /// Out of how many.
    pub n: usize,
    /// `k / n`; 0 when there are none.
    pub rate: f64,
    /// Lower and upper bound.
    pub ci95: (f64, f64),
}

impl Rate {
    /// Counts the trues.
    pub fn of(outcomes: impl IntoIterator<Item = bool>) -> Self {
        let (mut k, mut n) = (0, 0);
        for outcome in outcomes {
            n += 1;
            k += usize::from(outcome);
        }
        let (rate, low, high) = wilson(k, n);
        Self { k, n, rate: round4(rate), ci95: (round4(low), round4(high)) }
    }
}

/// Share, lower and upper bound of the Wilson 95 % interval.
pub fn wilson(k: usize, n: usize) -> (f64, f64, f64) {
    if n == 0 {
        return (0.0, 0.0, 0.0);
    }
    let z = 1.959964_f64;
    let (k, n) = (k as f64, n as f64);
    let p = k / n;
    let d = 1.0 + z * z / n;
    let c = (p + z * z / (2.0 * n)) / d;
    let h = z * (p * (1.0 - p) / n + z * z / (4.0 * n * n)).sqrt() / d;
    (p, (c - h).max(0.0), (c + h).min(1.0))
}

/// The exact two-sided McNemar test on discordant pairs: how often only A was right, only B was right, and p.
pub fn mcnemar(pairs: impl IntoIterator<Item = (bool, bool)>) -> (usize, usize, f64) {
    let (mut only_a, mut only_b) = (0_usize, 0_usize);
    for pair in pairs {
        match pair {
            (true, false) => only_a += 1,
            (false, true) => only_b += 1,
            _ => {}
        }
    }
    let n = only_a + only_b;
    if n == 0 {
        return (0, 0, 1.0);
    }
    // In logarithms: 2^n leaves the range of a double after a thousand pairs.
    let mut log_term = -(n as f64) * std::f64::consts::LN_2;
    let mut tail = 0.0;
    for i in 0..=only_a.min(only_b) {
        tail += log_term.exp();
        log_term += ((n - i) as f64).ln() - ((i + 1) as f64).ln();
    }
    (only_a, only_b, (2.0 * tail).min(1.0))
}

/// One of ten equal bins of confidence that holds something.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Bin {
    /// How many answers.
    pub n: usize,
    /// Their mean confidence.
    pub confidence: f64,
    /// The share that is right.
    pub right: f64,
}

/// Answers by confidence, in ten equal bins; empty ones are left out.
pub fn bins(pairs: &[(f64, bool)]) -> Vec<Bin> {
    let mut bins = vec![Vec::new(); 10];
    for (confidence, right) in pairs {
        bins[((confidence * 10.0) as usize).min(9)].push((*confidence, f64::from(u8::from(*right))));
    }
    let mean = |all: &[(f64, f64)], which: fn(&(f64, f64)) -> f64| all.iter().map(which).sum::<f64>() / all.len() as f64;
    let full = bins.iter().filter(|b| !b.is_empty());
    full.map(|b| Bin { n: b.len(), confidence: mean(b, |x| x.0), right: mean(b, |x| x.1) }).collect()
}

/// Expected calibration error over ten equal bins.
pub fn ece(pairs: &[(f64, bool)]) -> f64 {
    let gaps = bins(pairs).into_iter().map(|b| b.n as f64 * (b.confidence - b.right).abs());
    gaps.sum::<f64>() / pairs.len().max(1) as f64
}

/// To four places, as the reference scorer writes it.
pub fn round4(x: f64) -> f64 {
    (x * 10_000.0).round() / 10_000.0
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn wilson_is_as_in_the_method() {
        let shown = |k, n| {
            let (_, low, high) = wilson(k, n);
            ((low * 1000.0).round() / 10.0, (high * 1000.0).round() / 10.0)
        };
        assert_eq!(shown(135, 150), (84.2, 93.8));
        assert_eq!(shown(0, 20).1, 16.1);
        assert_eq!(wilson(0, 0), (0.0, 0.0, 0.0));
    }

    #[test]
    fn mcnemar_is_exact() {
        let pairs = |a: usize, b: usize| {
            std::iter::repeat_n((true, false), a).chain(std::iter::repeat_n((false, true), b)).chain([(true, true), (false, false)])
        };
        assert_eq!(mcnemar(pairs(0, 0)), (0, 0, 1.0));
        let close = |a, b, want: f64| assert!((mcnemar(pairs(a, b)).2 - want).abs() < 1e-9, "{a} {b}");
        close(1, 1, 1.0);
        close(6, 0, 0.03125);
        close(8, 1, 0.0390625);
        close(3, 7, 0.34375);
        assert!(mcnemar(pairs(2_000, 1_000)).2 < 1e-9);
    }

    #[test]
    fn calibration_of_honest_and_boastful_confidence() {
        assert!(ece(&[(0.9, true), (0.9, true), (0.9, true), (0.9, false)]) - 0.15 < 1e-9);
        assert_eq!(ece(&[(1.0, false)]), 1.0);
        assert_eq!(ece(&[]), 0.0);
    }
}
