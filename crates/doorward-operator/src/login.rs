//! Failed sign-ins: a pause that doubles, then a lock.
//!
//! They count twice: for the browser session, and for the door as a whole, so that
//! a new cookie starts nothing anew. Only what the gateway's check of credentials
//! turned down counts; a gateway that cannot be reached is nobody's guess. Success
//! forgets both.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use doorward_guard::table::attempts::Attempts;
use doorward_guard::{Clock, Refusal, SessionId};

/// The failures of one door and of its browser sessions.
#[derive(Debug)]
pub struct Failures {
    clock: Clock,
    door: Attempts,
    /// As many as there are browser sessions: forgotten with them.
    sessions: Mutex<HashMap<SessionId, Arc<Attempts>>>,
}

impl Failures {
    /// Nobody has failed yet.
    #[must_use]
    pub fn new(clock: &Clock) -> Self {
        Self {
            clock: clock.clone(),
            door: Attempts::new(clock),
            sessions: Mutex::default(),
        }
    }

    /// Refuses while the session or the door has to wait.
    ///
    /// # Errors
    ///
    /// [`Rule::LockedOut`](doorward_guard::Rule::LockedOut) with the time left.
    pub fn check(&self, session: &SessionId) -> Result<(), Refusal> {
        let own = self.sessions().get(session).cloned();
        if let Some(own) = own {
            own.check()?;
        }
        self.door.check()
    }

    /// Counts a failure.
    pub fn failed(&self, session: &SessionId) {
        let own = Arc::clone(
            self.sessions()
                .entry(session.clone())
                .or_insert_with(|| Arc::new(Attempts::new(&self.clock))),
        );
        own.failed();
        self.door.failed();
    }

    /// Forgets them.
    pub fn succeeded(&self, session: &SessionId) {
        self.sessions().remove(session);
        self.door.succeeded();
    }

    /// The session is over; the door remembers.
    pub fn session_ended(&self, session: &SessionId) {
        self.sessions().remove(session);
    }

    fn sessions(&self) -> MutexGuard<'_, HashMap<SessionId, Arc<Attempts>>> {
        self.sessions.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use doorward_guard::table::sessions::SessionLimits;
    use doorward_guard::{FakeClock, Rule, Sessions, defaults};

    use super::*;

    fn two() -> (Failures, FakeClock, SessionId, SessionId) {
        let (clock, hand) = Clock::fake();
        let sessions = Sessions::new(&clock, 7000, SessionLimits::STANDARD);
        let claim = || {
            let ticket = sessions.ticket(false).unwrap();
            sessions.claim(&ticket.reveal(), None).unwrap().session
        };
        let (one, two) = (claim(), claim());
        (Failures::new(&clock), hand, one, two)
    }

    fn wait(failures: &Failures, session: &SessionId) -> Option<u64> {
        let refusal = failures.check(session).err()?;
        assert_eq!(refusal.rule(), Rule::LockedOut);
        refusal.retry_after.map(|after| after.as_secs())
    }

    #[test]
    fn op_a1_the_pause_doubles_up_to_a_minute() {
        let (failures, hand, one, _) = two();
        let mut pauses = Vec::new();
        for _ in 0..9 {
            failures.failed(&one);
            let pause = wait(&failures, &one).unwrap();
            pauses.push(pause);
            hand.advance(Duration::from_secs(pause));
            assert_eq!(wait(&failures, &one), None);
        }
        assert_eq!(pauses, [1, 2, 4, 8, 16, 32, 60, 60, 60]);
    }

    #[test]
    fn op_a2_ten_failures_lock_the_door_and_a_new_cookie_opens_nothing() {
        let (failures, hand, one, two) = two();
        for _ in 0..defaults::LOGIN_FAILURES {
            failures.failed(&one);
        }
        failures.session_ended(&one);
        let lock = defaults::LOGIN_WINDOW.as_secs();
        assert_eq!(wait(&failures, &one), Some(lock));
        assert_eq!(wait(&failures, &two), Some(lock), "the door is shut to all");
        hand.advance(defaults::LOGIN_WINDOW);
        assert_eq!(wait(&failures, &two), None);
        failures.failed(&two);
        failures.succeeded(&two);
        assert_eq!(wait(&failures, &two), None);
        failures.failed(&two);
        assert_eq!(wait(&failures, &two), Some(1), "success forgot the others");
    }
}
