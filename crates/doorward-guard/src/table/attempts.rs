//! Failed logins: back-off, then a lock.

use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use crate::clock::{Clock, Moment};
use crate::defaults;
use crate::refusal::{Refusal, Rule};

/// The failed logins of one key: a session, or a listener.
///
/// After the first failure the next attempt waits one second, then two, four and
/// so on up to a minute. Ten failures within fifteen minutes lock the door for
/// fifteen minutes. Success forgets them.
#[derive(Debug)]
pub struct Attempts {
    clock: Clock,
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    failures: Vec<Moment>,
    shut_until: Option<Moment>,
}

impl Attempts {
    /// Nobody has failed yet.
    #[must_use]
    pub fn new(clock: &Clock) -> Self {
        Self {
            clock: clock.clone(),
            state: Mutex::default(),
        }
    }

    /// Refuses while the door is shut.
    ///
    /// # Errors
    ///
    /// [`Rule::LockedOut`] with the time left.
    pub fn check(&self) -> Result<(), Refusal> {
        let state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        match state.shut_until {
            Some(until) if until > self.clock.now() => {
                let wait = until.since(self.clock.now());
                Err(Refusal::from(Rule::LockedOut).retry_after(wait))
            }
            _ => Ok(()),
        }
    }

    /// Counts a failure and shuts the door for a while.
    pub fn failed(&self) {
        let now = self.clock.now();
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        state
            .failures
            .retain(|&at| now.since(at) < defaults::LOGIN_WINDOW);
        state.failures.push(now);
        let shut_for = if state.failures.len() >= defaults::LOGIN_FAILURES {
            state.failures.clear();
            defaults::LOGIN_WINDOW
        } else {
            let doublings = u32::try_from(state.failures.len())
                .unwrap_or(u32::MAX)
                .saturating_sub(1);
            Duration::from_secs(1)
                .saturating_mul(2u32.saturating_pow(doublings))
                .min(defaults::LOGIN_BACKOFF_MOST)
        };
        state.shut_until = Some(now.plus(shut_for));
    }

    /// Forgets the failures.
    pub fn succeeded(&self) {
        *self.state.lock().unwrap_or_else(PoisonError::into_inner) = State::default();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn t47_back_off_doubles_then_locks() {
        let (clock, hand) = Clock::fake();
        let attempts = Attempts::new(&clock);
        assert!(attempts.check().is_ok());
        for expected in [1, 2, 4, 8, 16, 32, 60, 60, 60] {
            attempts.failed();
            let wait = attempts.check().unwrap_err().retry_after;
            assert_eq!(wait, Some(Duration::from_secs(expected)));
            hand.advance(Duration::from_secs(expected));
            assert!(attempts.check().is_ok());
        }
        attempts.failed();
        let locked = attempts.check().unwrap_err();
        assert_eq!(locked.retry_after, Some(defaults::LOGIN_WINDOW));
        hand.advance(defaults::LOGIN_WINDOW);
        assert!(attempts.check().is_ok());
    }

    #[test]
    fn t47_success_and_time_forget() {
        let (clock, hand) = Clock::fake();
        let attempts = Attempts::new(&clock);
        attempts.failed();
        attempts.succeeded();
        assert!(attempts.check().is_ok());
        for _ in 0..9 {
            attempts.failed();
        }
        hand.advance(defaults::LOGIN_WINDOW);
        attempts.failed();
        assert_eq!(
            attempts.check().unwrap_err().retry_after,
            Some(Duration::from_secs(1))
        );
    }
}
