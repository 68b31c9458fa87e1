//! When a grant ends, and what became of it, in one word.

use std::fmt;
use std::sync::atomic::{AtomicU64, Ordering};

use super::Fate;
use crate::clock::Moment;

/// The nanosecond above, the [`Fate`] in the lowest three bits: no renewal comes
/// after an end, and an end has one time. Saturates 73 years after the clock's
/// origin.
pub(super) struct Term(AtomicU64);

const FATE_BITS: u32 = 3;

impl Term {
    /// Live until `at`.
    pub(super) fn until(at: Moment) -> Self {
        Self(AtomicU64::new(packed(at, Fate::Live)))
    }

    /// When it ends, and that it lives; or when it ended, and how.
    pub(super) fn read(&self) -> (Moment, Fate) {
        unpacked(self.0.load(Ordering::Acquire))
    }

    /// Lives until `at` at least. `false` if it has ended.
    pub(super) fn push_back(&self, at: Moment) -> bool {
        self.change(|until| packed(at.max(until), Fate::Live))
    }

    /// Ends now. `false` if it has ended before.
    pub(super) fn end(&self, now: Moment, fate: Fate) -> bool {
        self.change(|_| packed(now, fate))
    }

    fn change(&self, to: impl Fn(Moment) -> u64) -> bool {
        self.0
            .fetch_update(Ordering::AcqRel, Ordering::Acquire, |word| {
                match unpacked(word) {
                    (until, Fate::Live) => Some(to(until)),
                    _ => None,
                }
            })
            .is_ok()
    }
}

fn packed(at: Moment, fate: Fate) -> u64 {
    let most = u64::MAX >> FATE_BITS;
    at.nanos().min(most) << FATE_BITS | fate as u64
}

fn unpacked(word: u64) -> (Moment, Fate) {
    let fate = [
        Fate::Expired,
        Fate::Revoked,
        Fate::SessionEnded,
        Fate::Closed,
    ]
    .into_iter()
    .find(|&known| known as u64 == word & ((1 << FATE_BITS) - 1))
    .unwrap_or(Fate::Live);
    (Moment::from_nanos(word >> FATE_BITS), fate)
}

impl fmt::Debug for Term {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Term").field(&self.read()).finish()
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::clock::Clock;

    #[test]
    fn m7_it_ends_once_and_no_renewal_comes_after() {
        let (clock, hand) = Clock::fake();
        let hour = Duration::from_secs(3_600);
        let term = Term::until(clock.now().plus(hour));
        hand.advance(Duration::from_nanos(1));
        assert!(term.push_back(clock.now().plus(hour)));
        assert!(term.push_back(clock.now()), "never shortens");
        assert_eq!(term.read(), (clock.now().plus(hour), Fate::Live));
        assert!(term.end(clock.now(), Fate::Revoked));
        assert_eq!(term.read(), (clock.now(), Fate::Revoked));
        assert!(!term.end(clock.now(), Fate::Closed));
        assert!(!term.push_back(clock.now().plus(hour)));
        assert_eq!(term.read(), (clock.now(), Fate::Revoked));
    }

    #[test]
    fn what_is_far_away_stays_there() {
        let (clock, _hand) = Clock::fake();
        let term = Term::until(clock.now().plus(Duration::MAX));
        let (until, fate) = term.read();
        assert_eq!(fate, Fate::Live);
        assert!(until > clock.now().plus(Duration::from_secs(70 * 365 * 24 * 3_600)));
    }
}
