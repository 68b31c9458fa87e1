//! Who has the gateway: the first to ask, until something ends it.
//!
//! A browser session reserves the slot before anything is sent to the gateway, so
//! of a hundred that sign in at once one is tried and the others hear since when it
//! is taken. A failed attempt gives the slot back; an owner who fails to sign in
//! again stays its owner. Reservations run out, owners do not: they end with their
//! browser session, with the session on the gateway, or with its connection.
//!
//! Pure data: no lock, no task, no clock of its own.

use doorward_guard::{Moment, SessionId};

use crate::defaults;

/// The slot of one gateway.
#[derive(Debug, Default)]
pub struct Slot {
    held: Option<Held>,
    tickets: u64,
}

/// One attempt to sign in. What a later attempt does is none of its business: a
/// ticket that was given back or ran out settles nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Ticket(u64);

/// Somebody else has it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Taken {
    /// Since when.
    pub since: Moment,
}

/// What the slot is to a browser session.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Hold {
    /// Nobody has it.
    Free,
    /// This session is signing in.
    Trying {
        /// Since when.
        since: Moment,
    },
    /// This session has it.
    Mine {
        /// Since when.
        since: Moment,
    },
    /// Another has it, or is signing in.
    InUse {
        /// Since when.
        since: Moment,
    },
}

/// What giving something back came to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Given {
    /// The slot is free.
    Freed(SessionId),
    /// The attempt is over, and its owner stays the owner.
    Kept(SessionId),
}

#[derive(Debug)]
struct Held {
    session: SessionId,
    since: Moment,
    owned: Option<Owned>,
    attempt: Option<Attempt>,
}

#[derive(Debug)]
struct Owned {
    expires: Option<Moment>,
}

#[derive(Debug)]
struct Attempt {
    ticket: Ticket,
    until: Moment,
}

impl Slot {
    /// Takes the slot for `session`, to sign in.
    ///
    /// # Errors
    ///
    /// Another session has it, or any is signing in: this one in another tab, too.
    pub fn reserve(&mut self, session: &SessionId, now: Moment) -> Result<Ticket, Taken> {
        let ticket = Ticket(self.tickets);
        let attempt = Attempt {
            ticket,
            until: now.plus(defaults::TRYING),
        };
        match &mut self.held {
            None => {
                self.held = Some(Held {
                    session: session.clone(),
                    since: now,
                    owned: None,
                    attempt: Some(attempt),
                });
            }
            Some(held)
                if held.session == *session && held.owned.is_some() && held.attempt.is_none() =>
            {
                held.attempt = Some(attempt);
            }
            Some(held) => return Err(Taken { since: held.since }),
        }
        self.tickets += 1;
        Ok(ticket)
    }

    /// The person is asked something: the attempt has [`defaults::ASKING`] from now
    /// on. Whether it still stands.
    pub fn asks(&mut self, ticket: Ticket, now: Moment) -> bool {
        self.extend(ticket, now.plus(defaults::ASKING))
    }

    /// The person has answered: the attempt has [`defaults::TRYING`] again. Whether
    /// it still stands.
    pub fn answered(&mut self, ticket: Ticket, now: Moment) -> bool {
        self.extend(ticket, now.plus(defaults::TRYING))
    }

    /// Whether the attempt still stands.
    #[must_use]
    pub fn stands(&self, ticket: Ticket) -> bool {
        self.attempt(ticket).is_some()
    }

    /// The attempt came to a session, which lasts until `expires`. Whether the
    /// attempt still stood; if not, its session must be thrown away.
    pub fn own(&mut self, ticket: Ticket, expires: Option<Moment>) -> bool {
        let Some(held) = self.held_by(ticket) else {
            return false;
        };
        held.attempt = None;
        held.owned = Some(Owned { expires });
        true
    }

    /// The attempt failed.
    pub fn fail(&mut self, ticket: Ticket) -> Option<Given> {
        let held = self.held_by(ticket)?;
        held.attempt = None;
        let session = held.session.clone();
        if held.owned.is_some() {
            return Some(Given::Kept(session));
        }
        self.held = None;
        Some(Given::Freed(session))
    }

    /// Whatever `session` has here is over. Whether it had anything.
    pub fn end(&mut self, session: &SessionId) -> bool {
        let had = self.is_held_by(session);
        if had {
            self.held = None;
        }
        had
    }

    /// The session on the gateway got another end.
    pub fn expires(&mut self, session: &SessionId, at: Option<Moment>) {
        if let Some(held) = &mut self.held
            && held.session == *session
            && let Some(owned) = &mut held.owned
        {
            owned.expires = at;
        }
    }

    /// Whether nobody has it.
    #[must_use]
    pub fn is_free(&self) -> bool {
        self.held.is_none()
    }

    /// Whether `session` is the owner.
    #[must_use]
    pub fn is_owned_by(&self, session: &SessionId) -> bool {
        self.held
            .as_ref()
            .is_some_and(|held| held.session == *session && held.owned.is_some())
    }

    /// Whether `session` is the owner, or is signing in.
    #[must_use]
    pub fn is_held_by(&self, session: &SessionId) -> bool {
        self.held
            .as_ref()
            .is_some_and(|held| held.session == *session)
    }

    /// What the slot is to `session`.
    #[must_use]
    pub fn hold(&self, session: &SessionId) -> Hold {
        match &self.held {
            None => Hold::Free,
            Some(held) if held.session != *session => Hold::InUse { since: held.since },
            Some(held) if held.owned.is_some() => Hold::Mine { since: held.since },
            Some(held) => Hold::Trying { since: held.since },
        }
    }

    /// Ends what is due: an attempt that ran out, a session that the gateway gave
    /// no more time.
    pub fn sweep(&mut self, now: Moment) -> Option<Due> {
        let held = self.held.as_mut()?;
        let over = held
            .owned
            .as_ref()
            .and_then(|owned| owned.expires)
            .is_some_and(|at| at <= now);
        if over {
            let session = held.session.clone();
            self.held = None;
            return Some(Due::Session(session));
        }
        let ticket = held
            .attempt
            .as_ref()
            .filter(|attempt| attempt.until <= now)?
            .ticket;
        self.fail(ticket).map(Due::Attempt)
    }

    fn extend(&mut self, ticket: Ticket, until: Moment) -> bool {
        let Some(held) = self.held_by(ticket) else {
            return false;
        };
        held.attempt = Some(Attempt { ticket, until });
        true
    }

    fn attempt(&self, ticket: Ticket) -> Option<&Attempt> {
        let attempt = self.held.as_ref()?.attempt.as_ref()?;
        (attempt.ticket == ticket).then_some(attempt)
    }

    fn held_by(&mut self, ticket: Ticket) -> Option<&mut Held> {
        self.attempt(ticket)?;
        self.held.as_mut()
    }
}

/// What a sweep ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Due {
    /// An attempt that ran out.
    Attempt(Given),
    /// The owner's session on the gateway.
    Session(SessionId),
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use doorward_guard::table::sessions::SessionLimits;
    use doorward_guard::{Clock, FakeClock, Sessions};
    use proptest::prelude::*;

    use super::*;

    fn people(count: usize) -> (Clock, FakeClock, Vec<SessionId>) {
        let (clock, hand) = Clock::fake();
        let sessions = Sessions::new(&clock, 7000, SessionLimits::STANDARD);
        let ids = (0..count).map(|_| {
            let ticket = sessions.ticket(false).unwrap();
            sessions.claim(&ticket.reveal(), None).unwrap().session
        });
        let ids = ids.collect();
        (clock, hand, ids)
    }

    #[test]
    fn op_f1_the_first_wins_also_while_it_is_signing_in() {
        let (clock, hand, ids) = people(2);
        let mut slot = Slot::default();
        let since = clock.now();
        let ticket = slot.reserve(&ids[0], since).unwrap();
        hand.advance(Duration::from_secs(5));
        let taken = Err(Taken { since });
        assert_eq!(slot.reserve(&ids[1], clock.now()), taken);
        assert_eq!(slot.reserve(&ids[0], clock.now()), taken, "another tab");
        assert_eq!(slot.hold(&ids[1]), Hold::InUse { since });
        assert_eq!(slot.hold(&ids[0]), Hold::Trying { since });
        assert!(slot.own(ticket, None));
        assert_eq!(slot.reserve(&ids[1], clock.now()), taken);
        assert_eq!(slot.hold(&ids[0]), Hold::Mine { since });
    }

    #[test]
    fn op_f3_a_failed_attempt_frees_the_slot_and_an_owners_does_not() {
        let (clock, _hand, ids) = people(2);
        let mut slot = Slot::default();
        let ticket = slot.reserve(&ids[0], clock.now()).unwrap();
        assert_eq!(slot.fail(ticket), Some(Given::Freed(ids[0].clone())));
        assert_eq!(slot.fail(ticket), None, "once");
        let ticket = slot.reserve(&ids[1], clock.now()).unwrap();
        assert!(slot.own(ticket, None));
        let again = slot.reserve(&ids[1], clock.now()).unwrap();
        assert_eq!(slot.fail(again), Some(Given::Kept(ids[1].clone())));
        assert!(slot.is_owned_by(&ids[1]));
        let again = slot.reserve(&ids[1], clock.now()).unwrap();
        assert!(slot.own(again, None));
    }

    #[test]
    fn op_f5_an_attempt_runs_out_and_settles_nothing_then() {
        let (clock, hand, ids) = people(2);
        let mut slot = Slot::default();
        let ticket = slot.reserve(&ids[0], clock.now()).unwrap();
        hand.advance(defaults::TRYING - Duration::from_millis(1));
        assert_eq!(slot.sweep(clock.now()), None);
        assert!(
            slot.asks(ticket, clock.now()),
            "a step waits for the person"
        );
        hand.advance(defaults::ASKING - Duration::from_millis(1));
        assert_eq!(slot.sweep(clock.now()), None);
        hand.advance(Duration::from_millis(1));
        let freed = Due::Attempt(Given::Freed(ids[0].clone()));
        assert_eq!(slot.sweep(clock.now()), Some(freed));
        let other = slot.reserve(&ids[1], clock.now()).unwrap();
        assert!(!slot.own(ticket, None), "too late");
        assert!(!slot.asks(ticket, clock.now()) && !slot.answered(ticket, clock.now()));
        assert_eq!(slot.fail(ticket), None);
        assert!(slot.stands(other));
    }

    #[test]
    fn op_f4_an_owner_ends_with_its_session_or_the_gateways() {
        let (clock, hand, ids) = people(2);
        let mut slot = Slot::default();
        let own = |slot: &mut Slot, id, expires| {
            let ticket = slot.reserve(id, clock.now()).unwrap();
            assert!(slot.own(ticket, expires));
        };
        own(&mut slot, &ids[0], None);
        assert!(!slot.end(&ids[1]), "somebody else's end");
        assert!(slot.end(&ids[0]) && !slot.end(&ids[0]));
        let at = clock.now().plus(Duration::from_secs(300));
        own(&mut slot, &ids[1], Some(at));
        let _retry = slot.reserve(&ids[1], clock.now()).unwrap();
        hand.advance(Duration::from_secs(299));
        assert!(matches!(
            slot.sweep(clock.now()),
            Some(Due::Attempt(Given::Kept(_)))
        ));
        slot.expires(&ids[1], Some(at.plus(Duration::from_secs(10))));
        hand.advance(Duration::from_secs(10));
        assert_eq!(slot.sweep(clock.now()), None, "it was renewed");
        hand.advance(Duration::from_secs(1));
        assert_eq!(slot.sweep(clock.now()), Some(Due::Session(ids[1].clone())));
        own(&mut slot, &ids[0], None);
    }

    #[derive(Clone, Debug)]
    enum Step {
        Reserve(usize),
        Own(usize),
        Fail(usize),
        Asks(usize),
        End(usize),
        Wait(u64),
    }

    fn steps() -> impl Strategy<Value = Vec<Step>> {
        let step = prop_oneof![
            (0..3usize).prop_map(Step::Reserve),
            (0..8usize).prop_map(Step::Own),
            (0..8usize).prop_map(Step::Fail),
            (0..8usize).prop_map(Step::Asks),
            (0..3usize).prop_map(Step::End),
            (0..200u64).prop_map(Step::Wait),
        ];
        proptest::collection::vec(step, 0..60)
    }

    proptest! {
        #[test]
        fn op_f2_whatever_happens_one_session_holds_it(steps in steps()) {
            let (clock, hand, ids) = people(3);
            let mut slot = Slot::default();
            let mut tickets: Vec<(usize, Ticket)> = Vec::new();
            for step in steps {
                let held_before = ids.iter().position(|id| slot.is_held_by(id));
                match step {
                    Step::Reserve(who) => match slot.reserve(&ids[who], clock.now()) {
                        Ok(ticket) => {
                            prop_assert!(held_before.is_none_or(|held| held == who));
                            tickets.push((who, ticket));
                        }
                        Err(_) => prop_assert!(held_before.is_some()),
                    },
                    Step::Own(at) | Step::Fail(at) | Step::Asks(at) => {
                        let Some(&(who, ticket)) = tickets.get(at) else { continue };
                        let stood = slot.stands(ticket);
                        let did = match step {
                            Step::Own(_) => slot.own(ticket, None),
                            Step::Fail(_) => slot.fail(ticket).is_some(),
                            _ => slot.asks(ticket, clock.now()),
                        };
                        prop_assert_eq!(did, stood);
                        // A ticket moves its own holder alone.
                        let now = ids.iter().position(|id| slot.is_held_by(id));
                        prop_assert!(now == held_before || (stood && held_before == Some(who)));
                    }
                    Step::End(who) => {
                        prop_assert_eq!(slot.end(&ids[who]), held_before == Some(who));
                    }
                    Step::Wait(seconds) => {
                        hand.advance(Duration::from_secs(seconds));
                        slot.sweep(clock.now());
                    }
                }
                let holders = ids.iter().filter(|id| slot.is_held_by(id)).count();
                prop_assert!(holders <= 1);
            }
        }
    }
}
