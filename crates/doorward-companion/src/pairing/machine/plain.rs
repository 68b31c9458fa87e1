//! The pairing of the compatible listener: Sambee's, which is weaker.
//!
//! The page says its nonce first and we answer, so who stands between can look for
//! a nonce of its own that gives the same code; and the secret crosses the wire. The
//! rest is as everywhere: one window, its limits, an approval that nobody gives by
//! accident, and keys that count once they are kept.

use std::time::Duration;

use doorward_guard::audit::{Event, Kind};
use doorward_guard::{Origin, Secret, TokenHash};

use super::super::attempt::{At, Attempt, Shown, Stage};
use super::super::keys::Keys;
use super::super::refusal::PairRefusal;
use super::super::scope::Scopes;
use super::super::told::{Pid, Step, Way, Window};
use super::Pairings;
use crate::compat::{pairing_id, read_pairing_id};
use crate::defaults;

/// The answer to a page that asks.
#[derive(Debug)]
pub struct Introduced {
    /// A UUID that only its page knows.
    pub pairing_id: String,
    /// Our nonce.
    pub nonce: [u8; 32],
    /// What to show.
    pub window: Window,
}

/// How a pairing of a page is, when the page asks.
#[derive(Debug)]
pub enum Plainly {
    /// The person has not answered, or the vault is writing.
    Pending,
    /// Both agreed now: the caller keeps the key, then asks again.
    Both(Step),
    /// It is kept. Told once.
    Secret {
        /// The public name of the pairing.
        key_id: String,
        /// What the page makes its stamps with.
        secret: Secret<32>,
    },
}

/// Why a page is not introduced.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NotIntroduced {
    /// As everywhere.
    Refused(PairRefusal),
    /// A request of this very page is shown.
    Already,
    /// The last one was asked for just now.
    Wait(Duration),
}

impl Pairings {
    /// A page asks to be paired, for `scopes`. On success the one window is its own,
    /// and the daemon shows it now.
    ///
    /// # Errors
    ///
    /// [`NotIntroduced`].
    pub fn introduce(
        &mut self,
        origin: &Origin,
        nonce: &[u8; 32],
        scopes: Scopes,
    ) -> Result<Introduced, NotIntroduced> {
        self.sweep();
        let now = self.clock.now();
        self.may_ask(origin)?;
        if self.introduces(origin) {
            return Err(NotIntroduced::Already);
        }
        if let Some(last) = self.introduced {
            let passed = now.since(last);
            if passed < defaults::INTRODUCED_EVERY {
                return Err(NotIntroduced::Wait(
                    defaults::INTRODUCED_EVERY.saturating_sub(passed),
                ));
            }
        }
        self.take_window(origin)?;
        self.introduced = Some(now);
        let (ours, pid) = (Secret::<32>::random(), Pid::random());
        let (text, pid) = pairing_id(&pid);
        self.last += 1;
        let shown = Shown {
            number: self.last,
            way: Way::Stamped,
            keys: Keys::plain(nonce, ours.bytes()),
            label: String::new(),
            asked: scopes,
            since: now,
            approved: None,
            confirmed: false,
            // It holds no request open: only its time ends it, or its page.
            held: 1,
            alone: now,
        };
        let attempt = Attempt {
            origin: origin.clone(),
            until: now.plus(defaults::PAIRING_WITHIN),
            stage: Stage::Revealed(At::Shown, Box::new(shown)),
        };
        let id = pid.hash();
        self.attempts.insert(id, attempt);
        self.shown = Some(id);
        let detail = format!("{origin} without commitment");
        self.audit
            .record(Event::allowed(Kind::PairingShown, "pair").detail(&detail));
        Ok(Introduced {
            pairing_id: text,
            nonce: *ours.bytes(),
            window: self.window().ok_or(PairRefusal::Gone)?,
        })
    }

    /// The page's person confirmed. It counts if the person here has approved before;
    /// the page asks again until then.
    ///
    /// # Errors
    ///
    /// [`PairRefusal::Gone`], [`PairRefusal::NotKept`].
    pub fn confirm_plainly(
        &mut self,
        origin: &Origin,
        pairing_id: &str,
    ) -> Result<Plainly, PairRefusal> {
        self.sweep();
        let id = self.find_plain(origin, pairing_id)?;
        let Some(Stage::Revealed(at, shown)) = self.attempts.get_mut(&id).map(|a| &mut a.stage)
        else {
            return Err(PairRefusal::Gone);
        };
        match at {
            At::Shown if shown.approved.is_none() => Ok(Plainly::Pending),
            At::Shown => {
                shown.confirmed = true;
                self.join(&id).map(Plainly::Both)
            }
            At::Keeping => Ok(Plainly::Pending),
            At::Paired => {
                let told = Plainly::Secret {
                    key_id: shown.keys.key_id.clone(),
                    secret: shown.keys.request.clone(),
                };
                self.attempts.remove(&id);
                Ok(told)
            }
            At::NotKept => {
                self.attempts.remove(&id);
                Err(PairRefusal::NotKept)
            }
        }
    }

    /// The page takes its request back.
    ///
    /// # Errors
    ///
    /// [`PairRefusal::Gone`] if there is none of this page's.
    pub fn cancel_plainly(&mut self, origin: &Origin, pairing_id: &str) -> Result<(), PairRefusal> {
        self.sweep();
        let id = self.find_plain(origin, pairing_id)?;
        self.end(&id, super::Ending::Cancelled);
        Ok(())
    }

    /// Whether a request of `origin` waits for its person.
    #[must_use]
    pub fn introduces(&self, origin: &Origin) -> bool {
        let window = self.window();
        window.is_some_and(|window| window.way == Way::Stamped && window.origin == *origin)
    }

    /// Whether `pairing_id` is of another page than `origin`.
    #[must_use]
    pub fn is_of_another(&self, origin: &Origin, pairing_id: &str) -> bool {
        let id = read_pairing_id(pairing_id).map(|pid| pid.hash());
        let attempt = id.and_then(|id| self.attempts.get(&id));
        attempt.is_some_and(|attempt| attempt.origin != *origin)
    }

    fn find_plain(&self, origin: &Origin, pairing_id: &str) -> Result<TokenHash, PairRefusal> {
        let id = read_pairing_id(pairing_id).ok_or(PairRefusal::Gone)?.hash();
        match self.attempts.get(&id) {
            Some(Attempt {
                origin: of,
                stage: Stage::Revealed(_, shown),
                ..
            }) if of == origin && shown.way == Way::Stamped => Ok(id),
            _ => Err(PairRefusal::Gone),
        }
    }
}

// === impl NotIntroduced ===

impl From<PairRefusal> for NotIntroduced {
    fn from(why: PairRefusal) -> Self {
        Self::Refused(why)
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use doorward_guard::audit::Ledger;
    use doorward_guard::{Clock, FakeClock};

    use super::super::super::told::{Collected, Config};
    use super::*;
    use crate::encoding::Instance;
    use crate::pairing::Mode;
    use crate::pairing::page::Page;

    const NONCE: [u8; 32] = [7; 32];

    fn origin() -> Origin {
        Origin::parse("https://app.example").unwrap()
    }

    fn house() -> (Pairings, FakeClock) {
        let (clock, hand) = Clock::fake();
        let config = Config {
            mode: Mode::Ask,
            schemes: Vec::new(),
            instance: Instance::random(),
            listen: "127.0.0.1:7319".to_owned(),
        };
        let audit = Arc::new(Ledger::new(&clock));
        (Pairings::new(&clock, config, audit), hand)
    }

    #[test]
    fn s3_a_request_of_one_way_is_nothing_to_the_other() {
        let (mut pairings, hand) = house();
        let asked = pairings.introduce(&origin(), &NONCE, Scopes::default());
        let asked = asked.unwrap();
        let pid = read_pairing_id(&asked.pairing_id).unwrap();
        let pid = pid.reveal().to_string();
        hand.advance(Duration::from_secs(2));
        pairings
            .approve(asked.window.number, &Scopes::default(), None)
            .unwrap();
        let confirmed = pairings.confirm(&origin(), &pid, &[0; 32]);
        assert_eq!(confirmed.unwrap_err(), PairRefusal::Gone);
        let collected = pairings.collect(&origin(), &pid);
        assert_eq!(collected.unwrap_err(), PairRefusal::Gone);
        // It is as it was.
        let step = pairings.confirm_plainly(&origin(), &asked.pairing_id);
        let Ok(Plainly::Both(Step::Both(key))) = step else {
            panic!("{step:?}");
        };
        assert_eq!(key.way, Way::Stamped);
        pairings.kept(key.number).unwrap();
        // Nobody collects it by the other's words either.
        assert!(pairings.collect(&origin(), &pid).is_err());
        let told = pairings.confirm_plainly(&origin(), &asked.pairing_id);
        assert!(matches!(told, Ok(Plainly::Secret { .. })), "{told:?}");
        // And a committed one is confirmed by its proof alone.
        let page = Page::new(&origin(), "App", Scopes::default());
        let offer = pairings.start(&origin(), page.start()).unwrap().bytes;
        let offer: serde_json::Value = serde_json::from_slice(&offer).unwrap();
        let pid = offer["pid"].as_str().unwrap();
        let window = pairings.reveal(&origin(), pid, page.reveal()).unwrap();
        hand.advance(Duration::from_secs(2));
        pairings
            .approve(window.number, &Scopes::default(), None)
            .unwrap();
        let (as_uuid, _) = pairing_id(&Pid::parse(pid).unwrap());
        for id in [pid, &as_uuid] {
            let refused = pairings.confirm_plainly(&origin(), id);
            assert_eq!(refused.unwrap_err(), PairRefusal::Gone);
        }
        let waiting = pairings.collect(&origin(), pid).unwrap();
        assert_eq!(waiting, Collected::Pending);
    }

    #[test]
    fn an_early_confirmation_does_not_count_and_a_secret_nobody_took_is_forgotten() {
        let (mut pairings, hand) = house();
        let asked = pairings.introduce(&origin(), &NONCE, Scopes::default());
        let asked = asked.unwrap();
        let early = pairings.confirm_plainly(&origin(), &asked.pairing_id);
        assert!(matches!(early, Ok(Plainly::Pending)), "{early:?}");
        hand.advance(Duration::from_secs(2));
        let approved = pairings.approve(asked.window.number, &Scopes::default(), None);
        assert!(matches!(approved, Ok(Step::Waiting)), "{approved:?}");
        let Ok(Plainly::Both(Step::Both(key))) =
            pairings.confirm_plainly(&origin(), &asked.pairing_id)
        else {
            panic!("it was approved");
        };
        pairings.kept(key.number).unwrap();
        hand.advance(defaults::PAIRING_WITHIN);
        let ended = pairings.ended();
        assert_eq!(ended.len(), 1);
        assert_eq!(ended[0].forget.as_deref(), Some(key.key_id.as_str()));
    }
}
