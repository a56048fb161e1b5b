//! How sure the parser is that the whole frame is right: a logistic function of a few kinds of evidence.
//!
//! The weights are set by hand, from what each kind of evidence should be worth; they are not fitted to any set. The constant was
//! chosen so that the mean confidence (0.86) is near the share of exact frames over the batches of `evals/cases/offline.jsonl`, each
//! counted when it was new (0.81 to 0.95; the calibration error was 0.04 to 0.09), before anything was mended for it.

/// What the confidence is made of.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub(super) struct Evidence {
    /// Distance between the best intent and the next.
    pub margin: f64,
    /// Distance between the best pattern and the next; only for something new.
    pub pattern_margin: f64,
    /// Numbers in the request that no parameter took.
    pub loose_numbers: usize,
    /// Words that nobody knows and no parameter took.
    pub loose_words: usize,
    /// The frame asks something.
    pub asks: bool,
    /// It is a change of, or a question about, something named outright.
    pub named: bool,
    /// Nothing was named although deployments exist.
    pub unnamed: bool,
}

/// The probability that the frame is right.
pub(super) fn of(e: &Evidence) -> f64 {
    let z = 0.5 + 0.35 * e.margin.clamp(0.0, 6.0) + 0.15 * e.pattern_margin.clamp(0.0, 4.0)
        - 0.6 * e.loose_numbers.min(3) as f64
        - 0.15 * e.loose_words.min(6) as f64
        - if e.asks { 0.4 } else { 0.0 }
        + if e.named { 0.4 } else { 0.0 }
        - if e.unnamed { 0.3 } else { 0.0 };
    (1.0 / (1.0 + (-z).exp())).clamp(0.02, 0.98)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn grows_with_the_margin_and_stays_a_probability() {
        let at = |margin| of(&Evidence { margin, ..Evidence::default() });
        assert!(at(0.1) < at(2.0) && at(2.0) < at(5.0));
        assert!((0.0..=1.0).contains(&of(&Evidence { margin: f64::INFINITY, loose_numbers: 99, ..Evidence::default() })));
    }
}
