//! A linear classifier: multinomial logistic regression over hashed word and character n-grams.
//!
//! It is trained when the parser is made, in a few milliseconds, from the catalogue's own examples and `phrases.yaml`. The order of the
//! examples and the hash are fixed, so the same catalogue always gives the same weights.

/// Number of hashed features; a power of two.
const SIZE: usize = 1 << 14;
const EPOCHS: usize = 6;

/// A trained classifier.
#[derive(Debug, Clone, Default)]
pub(super) struct Model {
    labels: Vec<String>,
    /// `SIZE` weights for each label, feature by feature.
    weights: Vec<f32>,
}

/// Hashed features of one text, each once.
pub(super) type Features = Vec<u32>;

fn hash(kind: u8, parts: &[&str]) -> u32 {
    let mut h: u32 = 0x811c_9dc5 ^ u32::from(kind);
    for part in parts {
        for byte in part.bytes().chain([0xff]) {
            h = (h ^ u32::from(byte)).wrapping_mul(0x0100_0193);
        }
    }
    (h ^ (h >> 15)) & (SIZE as u32 - 1)
}

/// The features of a list of words: the words, pairs of words, the first word, and the pieces of each word.
pub(super) fn features(words: &[String]) -> Features {
    let mut out = Vec::with_capacity(words.len() * 6);
    for (i, word) in words.iter().enumerate() {
        out.push(hash(1, &[word]));
        if let Some(next) = words.get(i + 1) {
            out.push(hash(2, &[word, next]));
        }
        if i == 0 {
            out.push(hash(3, &[word]));
            if let Some(next) = words.get(1) {
                out.push(hash(4, &[word, next]));
            }
        }
        if word.len() > 4 && !word.starts_with('<') && word.is_ascii() {
            let bytes = word.as_bytes();
            for gram in bytes.windows(4) {
                out.push(hash(5, &[std::str::from_utf8(gram).unwrap_or_default()]));
            }
        }
    }
    out.sort_unstable();
    out.dedup();
    out
}

impl Model {
    /// Trains on labelled features.
    pub fn train(labels: Vec<String>, samples: &[(Features, usize)]) -> Self {
        let k = labels.len();
        let mut model = Self { labels, weights: vec![0.0; SIZE * k] };
        let mut order: Vec<usize> = (0..samples.len()).collect();
        // A fixed shuffle: neighbours in the files are alike, and training must not see them in a row.
        let mut seed: u64 = 0x9e37_79b9_7f4a_7c15;
        for i in (1..order.len()).rev() {
            seed ^= seed << 13;
            seed ^= seed >> 7;
            seed ^= seed << 17;
            let j = usize::try_from(seed % (i as u64 + 1)).unwrap_or(0);
            order.swap(i, j);
        }
        let mut counts = vec![0usize; k];
        for (_, label) in samples {
            counts[*label] += 1;
        }
        let largest = counts.iter().copied().max().unwrap_or(1) as f32;
        for epoch in 0..EPOCHS {
            let rate = 0.5 / (1.0 + epoch as f32 * 0.5);
            for &i in &order {
                let (features, label) = &samples[i];
                let mut p = model.probabilities(features);
                p[*label] -= 1.0;
                // Rare labels count for more, so that the size of a word list is not a prior.
                let weight = (largest / counts[*label] as f32).sqrt().min(3.0);
                let step = rate * weight / (features.len().max(1) as f32).sqrt();
                for feature in features {
                    let row = *feature as usize * k;
                    for (w, error) in model.weights[row..row + k].iter_mut().zip(&p) {
                        *w -= step * error;
                    }
                }
            }
        }
        model
    }

    /// The probability of each label.
    pub fn probabilities(&self, features: &Features) -> Vec<f32> {
        let k = self.labels.len();
        let mut z = vec![0.0f32; k];
        for feature in features {
            let row = *feature as usize * k;
            if let Some(weights) = self.weights.get(row..row + k) {
                for (z, w) in z.iter_mut().zip(weights) {
                    *z += w;
                }
            }
        }
        let norm = 1.5 / (features.len().max(1) as f32).sqrt();
        let top = z.iter().copied().fold(f32::MIN, f32::max);
        let mut sum = 0.0;
        for z in &mut z {
            *z = ((*z - top) * norm).exp();
            sum += *z;
        }
        z.iter_mut().for_each(|z| *z /= sum.max(f32::MIN_POSITIVE));
        z
    }

    /// The probability of one label; zero if there is no such label.
    #[cfg(test)]
    pub fn probability(&self, features: &Features, label: &str) -> f64 {
        let p = self.probabilities(features);
        self.labels.iter().position(|l| l == label).and_then(|i| p.get(i)).map_or(0.0, |p| f64::from(*p))
    }

    /// The labels, in the order of [`Model::probabilities`].
    pub fn labels(&self) -> &[String] {
        &self.labels
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(text: &str) -> Features {
        features(&text.split(' ').map(str::to_owned).collect::<Vec<_>>())
    }

    #[test]
    fn learns_and_is_the_same_each_time() {
        let samples: Vec<_> = [("scale the app", 0), ("scale it up", 0), ("tell me a joke", 1), ("sing a song", 1)]
            .iter()
            .map(|(t, l)| (of(t), *l))
            .collect();
        let labels = vec!["modify".to_owned(), "other".to_owned()];
        let model = Model::train(labels.clone(), &samples);
        assert!(model.probability(&of("please scale it"), "modify") > 0.6);
        assert!(model.probability(&of("a joke please"), "other") > 0.6);
        assert_eq!(model.weights, Model::train(labels, &samples).weights);
    }
}
