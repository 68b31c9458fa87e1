//! How far away a source is, measured in passing.
//!
//! What disturbs a measurement only ever makes a link look worse: a busy
//! machine, a new connection, a reader that is slow. So of the last few the best
//! counts, not their mean.

use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use crate::defaults;

/// The last measurements of one source.
#[derive(Debug, Default)]
pub(crate) struct Link(Mutex<Measured>);

#[derive(Debug, Default)]
struct Measured {
    /// From request to head, in microseconds.
    heads: Recent,
    /// Bytes a second of one connection that was waited for.
    rates: Recent,
}

/// The last eight, newest anywhere.
#[derive(Debug, Default)]
struct Recent {
    values: [u64; 8],
    count: usize,
}

// === impl Link ===

impl Link {
    /// An answer's head came after this.
    pub(crate) fn answered(&self, after: Duration) {
        let micros = u64::try_from(after.as_micros()).unwrap_or(u64::MAX);
        self.measured(|measured| measured.heads.push(micros));
    }

    /// One connection, whose reader mostly waited for it, gave `bytes` in `time`.
    pub(crate) fn flowed(&self, bytes: u64, time: Duration) {
        let micros = time.as_micros().max(1);
        let rate = u128::from(bytes).saturating_mul(1_000_000) / micros;
        let rate = u64::try_from(rate).unwrap_or(u64::MAX);
        self.measured(|measured| measured.rates.push(rate));
    }

    /// Whether several connections would get more than one: answers take long to
    /// begin, or one connection is slow once they have.
    pub(crate) fn is_far(&self) -> bool {
        self.measured(|Measured { heads, rates }| {
            let far = u64::try_from(defaults::FAR.as_micros()).unwrap_or(u64::MAX);
            heads.least().is_some_and(|head| head >= far)
                || rates.most().is_some_and(|rate| rate < defaults::SLOW)
        })
    }

    fn measured<T>(&self, look: impl FnOnce(&mut Measured) -> T) -> T {
        look(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

// === impl Recent ===

impl Recent {
    fn push(&mut self, value: u64) {
        let slot = self.count % self.values.len();
        if let Some(old) = self.values.get_mut(slot) {
            *old = value;
        }
        self.count = self.count.wrapping_add(1);
    }

    /// Nothing, until enough was measured.
    fn known(&self) -> Option<&[u64]> {
        let known = self.count.min(self.values.len());
        self.values
            .get(..known)
            .filter(|known| known.len() >= defaults::MEASURED)
    }

    fn least(&self) -> Option<u64> {
        self.known()?.iter().min().copied()
    }

    fn most(&self) -> Option<u64> {
        self.known()?.iter().max().copied()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_best_of_the_last_few_answers_tells_how_far_it_is() {
        let link = Link::default();
        assert!(!link.is_far());
        link.answered(Duration::from_millis(80));
        link.answered(Duration::from_millis(40));
        assert!(!link.is_far(), "two are not enough");
        link.answered(Duration::from_millis(40));
        assert!(link.is_far());
        link.answered(Duration::from_millis(1));
        assert!(!link.is_far(), "it can be near");
        for _ in 0..8 {
            link.answered(Duration::from_millis(40));
        }
        assert!(link.is_far(), "it was moved away");
    }

    #[test]
    fn a_near_link_may_be_slow() {
        let link = Link::default();
        for _ in 0..3 {
            link.answered(Duration::from_millis(1));
            link.flowed(1_000_000, Duration::from_secs(1));
        }
        assert!(link.is_far());
        link.flowed(1_000_000_000, Duration::from_secs(1));
        assert!(!link.is_far());
        link.flowed(u64::MAX, Duration::ZERO);
        assert!(!link.is_far());
    }
}
