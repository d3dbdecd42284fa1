//! Alternating pairs (ABBA): a drift of the machine hits both sides alike. The ratio of each pair is one sample.

use std::fmt;

/// The mean ratio and how sure it is.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Ratio {
    pub mean: f64,
    /// Half the width of the 95 % confidence interval; infinite with fewer than two pairs.
    pub half_width: f64,
    pub pairs: usize,
}

impl Ratio {
    /// Of ours to theirs, one sample for each pair, averaged as logarithms: half and twice are equally far from one.
    #[must_use]
    pub fn of(pairs: &[(f64, f64)]) -> Self {
        let logs: Vec<f64> = pairs.iter().filter(|(a, b)| *a > 0.0 && *b > 0.0).map(|(a, b)| (a / b).ln()).collect();
        let n = logs.len() as f64;
        let mean = logs.iter().sum::<f64>() / n.max(1.0);
        let variance = logs.iter().map(|x| (x - mean).powi(2)).sum::<f64>() / (n - 1.0).max(1.0);
        let half = if logs.len() < 2 { f64::INFINITY } else { student(logs.len() - 1) * (variance / n).sqrt() };
        Self { mean: mean.exp(), half_width: mean.exp() * half, pairs: logs.len() }
    }
}

impl fmt::Display for Ratio {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:.2} ± {:.2} ({} pairs)", self.mean, self.half_width, self.pairs)
    }
}

/// Student's t for 95 %, two-sided, by degrees of freedom.
fn student(freedom: usize) -> f64 {
    const TABLE: [f64; 10] = [12.71, 4.30, 3.18, 2.78, 2.57, 2.45, 2.36, 2.31, 2.26, 2.23];
    TABLE.get(freedom.saturating_sub(1)).copied().unwrap_or(2.1)
}

/// The order of `pairs` pairs: A B, B A, A B, ... `true` is A.
pub fn abba(pairs: usize) -> impl Iterator<Item = [bool; 2]> {
    (0..pairs).map(|n| if n % 2 == 0 { [true, false] } else { [false, true] })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn equal_pairs_have_a_narrow_ratio_of_one() {
        let r = Ratio::of(&[(2.0, 1.0), (1.0, 2.0), (2.0, 1.0), (1.0, 2.0)]);
        assert!((r.mean - 1.0).abs() < 1e-9 && r.half_width > 0.5);
        let r = Ratio::of(&[(0.8, 1.0), (0.8, 1.0), (0.8, 1.0)]);
        assert!((r.mean - 0.8).abs() < 1e-9 && r.half_width < 1e-9);
        assert!(Ratio::of(&[(1.0, 1.0)]).half_width.is_infinite());
    }
}
