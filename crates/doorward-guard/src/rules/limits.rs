//! How much: rates of proven callers, and of failed proofs.

use std::collections::HashMap;
use std::num::NonZeroU32;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use governor::middleware::NoOpMiddleware;
use governor::nanos::Nanos;
use governor::state::{InMemoryState, NotKeyed};
use governor::{Quota, RateLimiter};

use crate::clock::Clock;
use crate::defaults::{self, Rate};
use crate::origin::Origin;
use crate::refusal::{Refusal, Rule};

/// A bucket that one caller draws from.
#[derive(Debug)]
pub struct Bucket {
    limiter: RateLimiter<NotKeyed, InMemoryState, Clock, NoOpMiddleware<Nanos>>,
    clock: Clock,
}

impl Bucket {
    /// A full bucket.
    #[must_use]
    pub fn new(rate: Rate, clock: &Clock) -> Self {
        let per_second = NonZeroU32::new(rate.per_second).unwrap_or(NonZeroU32::MIN);
        let burst = NonZeroU32::new(rate.burst).unwrap_or(NonZeroU32::MIN);
        let quota = Quota::per_second(per_second).allow_burst(burst);
        Self {
            limiter: RateLimiter::direct_with_clock(quota, clock.clone()),
            clock: clock.clone(),
        }
    }

    /// Takes one.
    ///
    /// # Errors
    ///
    /// How long until there is one again.
    pub fn take(&self) -> Result<(), Duration> {
        self.limiter
            .check()
            .map_err(|not_until| not_until.wait_time_from(governor::clock::Clock::now(&self.clock)))
    }
}

/// Failed proofs, per surface and `Origin`. Charged only by failures, so it can
/// never refuse a caller that proves itself.
#[derive(Debug)]
pub struct Unproven {
    clock: Clock,
    buckets: Mutex<HashMap<Option<Origin>, Arc<Bucket>>>,
}

impl Unproven {
    /// Nobody has failed yet.
    #[must_use]
    pub fn new(clock: &Clock) -> Self {
        Self {
            clock: clock.clone(),
            buckets: Mutex::default(),
        }
    }

    /// Charges one failed proof to `origin`. The refusal stays what it was until
    /// the bucket is empty; from then on it is `rateLimited`, whatever failed.
    #[must_use]
    pub fn charge(&self, origin: Option<&Origin>, refusal: Refusal) -> Refusal {
        let bucket = self.bucket(origin.cloned());
        match bucket.take() {
            Ok(()) => refusal,
            Err(wait) => Refusal::from(Rule::RateLimited).retry_after(wait),
        }
    }

    fn bucket(&self, origin: Option<Origin>) -> Arc<Bucket> {
        let mut buckets = self.buckets.lock().unwrap_or_else(PoisonError::into_inner);
        // Later origins share the bucket of those that name none.
        let full = buckets.len() >= defaults::UNPROVEN_ORIGINS;
        let key = if full && !buckets.contains_key(&origin) {
            None
        } else {
            origin
        };
        let bucket = buckets
            .entry(key)
            .or_insert_with(|| Arc::new(Bucket::new(defaults::UNPROVEN_RATE, &self.clock)));
        Arc::clone(bucket)
    }
}

/// Counts requests that run at once.
#[derive(Debug, Default)]
pub struct Running(AtomicUsize);

/// One request that runs; dropping it makes room.
#[derive(Debug)]
pub struct Slot<'a>(&'a AtomicUsize);

impl Running {
    /// Takes one of `most` places.
    ///
    /// # Errors
    ///
    /// [`Rule::Busy`].
    pub fn enter(&self, most: usize) -> Result<Slot<'_>, Refusal> {
        if self.0.fetch_add(1, Ordering::AcqRel) >= most {
            self.0.fetch_sub(1, Ordering::AcqRel);
            return Err(Refusal::from(Rule::Busy).retry_after(Duration::from_secs(1)));
        }
        Ok(Slot(&self.0))
    }
}

// === impl Slot ===

impl Drop for Slot<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::AcqRel);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn t106_failed_proofs_run_dry_and_fill_again() {
        let (clock, hand) = Clock::fake();
        let unproven = Unproven::new(&clock);
        let mut told = Vec::new();
        for _ in 0..12 {
            told.push(unproven.charge(None, Rule::TabProofRequired.into()).rule());
        }
        assert_eq!(
            told.iter()
                .filter(|&&rule| rule == Rule::TabProofRequired)
                .count(),
            10
        );
        assert_eq!(told.last(), Some(&Rule::RateLimited));
        hand.advance(Duration::from_millis(200));
        let refilled = unproven.charge(None, Rule::TabProofRequired.into());
        assert_eq!(refilled.rule(), Rule::TabProofRequired);
        let foreign = Origin::parse("https://app.example");
        let other = unproven.charge(foreign.as_ref(), Rule::TabProofRequired.into());
        assert_eq!(
            other.rule(),
            Rule::TabProofRequired,
            "an origin has a bucket of its own"
        );
    }

    #[test]
    fn origins_cannot_grow_the_table() {
        let (clock, _hand) = Clock::fake();
        let unproven = Unproven::new(&clock);
        for port in 1..2_000 {
            let origin = Origin::parse(&format!("https://a{port}.example"));
            let _ = unproven.charge(origin.as_ref(), Rule::TabProofRequired.into());
        }
        let buckets = unproven.buckets.lock().unwrap();
        assert!(buckets.len() <= defaults::UNPROVEN_ORIGINS + 1);
    }

    #[test]
    fn a_slot_makes_room_when_dropped() {
        let running = Running::default();
        let slot = running.enter(1).unwrap();
        assert_eq!(
            running.enter(1).map_err(|r| r.rule()).err(),
            Some(Rule::Busy)
        );
        drop(slot);
        assert!(running.enter(1).is_ok());
    }
}
