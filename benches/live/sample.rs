//! Numbers that were measured alike.

use std::time::Duration;

/// Numbers, in ascending order.
pub(crate) struct Sample(Vec<f64>);

impl Sample {
    pub(crate) fn of(mut numbers: Vec<f64>) -> Self {
        assert!(!numbers.is_empty(), "nothing was measured");
        numbers.sort_by(f64::total_cmp);
        Self(numbers)
    }

    /// Times, in milliseconds.
    pub(crate) fn times(times: &[Duration]) -> Self {
        Self::of(times.iter().map(|time| time.as_secs_f64() * 1000.0).collect())
    }

    pub(crate) fn len(&self) -> usize {
        self.0.len()
    }

    /// The number below which this share of them lies: the median at 0.5.
    pub(crate) fn at(&self, share: f64) -> f64 {
        #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "an index into a short list")]
        let index = ((self.0.len() - 1) as f64 * share).round() as usize;
        self.0[index]
    }
}
