//! The attempts that run, as a state machine.
//!
//! Plain data behind `&mut self`: the daemon keeps it behind one lock, and the
//! tests explore the orders in which its callers can arrive.

mod plain;

use std::collections::HashMap;
use std::fmt;
use std::sync::Arc;

use doorward_guard::audit::{AuditSink, Event, Kind};
use doorward_guard::{Clock, Moment, Origin, Secret, TokenHash};

use super::attempt::{At, Attempt, Shown, Stage, Started};
use super::keys::Ephemeral;
use super::limits::{Mode, Windows};
use super::refusal::PairRefusal;
use super::scope::Scopes;
use super::told::{Collected, Config, Ended, Ending, Offered, PageKey, Pid, Step, Way, Window};
use super::wire::{Bytes32, Offer, Start, VERSION};
use crate::defaults;
use crate::encoding::same;

pub use plain::{Introduced, NotIntroduced, Plainly};

/// A held request, to be given back to [`Pairings::let_go`].
#[derive(Debug)]
#[must_use = "give it back when the socket closes"]
pub struct Held(TokenHash);

/// Every attempt of this run.
pub struct Pairings {
    clock: Clock,
    config: Config,
    audit: Arc<dyn AuditSink>,
    attempts: HashMap<TokenHash, Attempt>,
    /// The one whose window is open, or whose keys are being kept.
    shown: Option<TokenHash>,
    windows: Windows,
    last: u64,
    /// When a page of the compatible listener asked last.
    introduced: Option<Moment>,
    /// What the daemon has not yet been told.
    ended: Vec<Ended>,
}

impl Pairings {
    /// Nobody has asked.
    #[must_use]
    pub fn new(clock: &Clock, config: Config, audit: Arc<dyn AuditSink>) -> Self {
        Self {
            clock: clock.clone(),
            config,
            audit,
            attempts: HashMap::new(),
            shown: None,
            windows: Windows::default(),
            last: 0,
            introduced: None,
            ended: Vec::new(),
        }
    }

    // What pages do. `origin` is what the browser's header says.

    /// Takes a commitment and answers with our key and nonce. Costs memory only.
    ///
    /// # Errors
    ///
    /// [`PairRefusal`] of the mode, the origin, the message and the limits.
    pub fn start(&mut self, origin: &Origin, message: &[u8]) -> Result<Offered, PairRefusal> {
        self.sweep();
        self.may_ask(origin)?;
        let start = Start::parse(message)?;
        self.make_room(origin)?;
        let (pid, key) = (Pid::random(), Ephemeral::random());
        let offer = Offer {
            v: VERSION,
            pid: pid.reveal().to_string(),
            public_key: Bytes32(key.public()),
            nonce: Bytes32(*Secret::random().bytes()),
            instance: self.config.instance.to_string(),
            listen: self.config.listen.clone(),
            reveal_within: defaults::REVEAL_WITHIN.as_secs(),
        };
        let bytes = serde_json::to_vec(&offer).map_err(|_| PairRefusal::Malformed)?;
        let started = Started {
            start,
            said_start: message.to_vec(),
            said_offer: bytes.clone(),
            key,
        };
        let attempt = Attempt {
            origin: origin.clone(),
            until: self.clock.now().plus(defaults::REVEAL_WITHIN),
            stage: Stage::Started(Box::new(started)),
        };
        self.attempts.insert(pid.hash(), attempt);
        Ok(Offered { bytes })
    }

    /// Opens the commitment. On success the one window is this request's, and the
    /// daemon shows it now.
    ///
    /// # Errors
    ///
    /// Any but [`PairRefusal::Gone`] ends the attempt: there is one reveal.
    pub fn reveal(
        &mut self,
        origin: &Origin,
        pid: &str,
        message: &[u8],
    ) -> Result<Window, PairRefusal> {
        self.sweep();
        let id = self.find(origin, pid)?;
        let Some(Attempt {
            stage: Stage::Started(started),
            ..
        }) = self.attempts.get_mut(&id)
        else {
            // A page reveals once: whoever does it again stands between.
            self.end(&id, Ending::Broken);
            return Err(PairRefusal::Gone);
        };
        let keys = started.open(origin, message, &self.config.listen);
        let (label, asked) = (started.start.shown_label(), started.start.scopes.clone());
        let keys = match keys.and_then(|keys| self.take_window(origin).map(|()| keys)) {
            Ok(keys) => keys,
            Err(why) => {
                self.attempts.remove(&id);
                return Err(why);
            }
        };
        let now = self.clock.now();
        self.last += 1;
        let shown = Shown {
            number: self.last,
            way: Way::Signed,
            keys,
            label,
            asked,
            since: now,
            approved: None,
            confirmed: false,
            held: 0,
            alone: now,
        };
        let attempt = Attempt {
            origin: origin.clone(),
            until: now.plus(defaults::PAIRING_WITHIN),
            stage: Stage::Revealed(At::Shown, Box::new(shown)),
        };
        self.attempts.insert(id, attempt);
        self.shown = Some(id);
        self.audit
            .record(Event::allowed(Kind::PairingShown, "pair").detail(origin.as_str()));
        self.window().ok_or(PairRefusal::Gone)
    }

    /// The page's person confirmed: `proof` is
    /// [`Keys::page_proof`](super::keys::Keys::page_proof). May come
    /// before or after the approval, and again while it waits.
    ///
    /// # Errors
    ///
    /// [`PairRefusal::ProofInvalid`] ends the attempt.
    pub fn confirm(
        &mut self,
        origin: &Origin,
        pid: &str,
        proof: &[u8; 32],
    ) -> Result<Step, PairRefusal> {
        self.sweep();
        let id = self.find(origin, pid)?;
        let shown = self.attempts.get_mut(&id).and_then(Attempt::shown);
        let Some(shown) = shown.filter(|shown| shown.way == Way::Signed) else {
            return Err(PairRefusal::Gone);
        };
        if !same(&shown.keys.page_proof(), proof) {
            self.end(&id, Ending::Broken);
            return Err(PairRefusal::ProofInvalid);
        }
        shown.confirmed = true;
        self.join(&id)
    }

    /// What the waiting page is told. [`Collected::Paired`] is told once.
    ///
    /// # Errors
    ///
    /// [`PairRefusal::Gone`] once it is over, [`PairRefusal::NotKept`] if the vault
    /// did not keep it.
    pub fn collect(&mut self, origin: &Origin, pid: &str) -> Result<Collected, PairRefusal> {
        self.sweep();
        let id = self.find(origin, pid)?;
        match self.attempts.get(&id).map(|attempt| &attempt.stage) {
            // Its secret is told elsewhere, and this is no proof of it.
            Some(Stage::Revealed(_, shown)) if shown.way == Way::Stamped => Err(PairRefusal::Gone),
            Some(Stage::Revealed(At::Shown | At::Keeping, _)) => Ok(Collected::Pending),
            Some(Stage::Revealed(At::Paired, shown)) => {
                let paired = Collected::Paired {
                    key_id: shown.keys.key_id.clone(),
                    proof: shown.keys.daemon_proof(),
                    scopes: shown.approved.clone().unwrap_or_default(),
                };
                self.attempts.remove(&id);
                Ok(paired)
            }
            Some(Stage::Revealed(At::NotKept, _)) => {
                self.attempts.remove(&id);
                Err(PairRefusal::NotKept)
            }
            Some(Stage::Started(_)) | None => Err(PairRefusal::Gone),
        }
    }

    /// The page holds a request open: as long as it does, or for
    /// [`defaults::GONE_AFTER`] after it, the page is there.
    ///
    /// # Errors
    ///
    /// [`PairRefusal::Gone`] once it is over.
    pub fn hold(&mut self, origin: &Origin, pid: &str) -> Result<Held, PairRefusal> {
        self.sweep();
        let id = self.find(origin, pid)?;
        let attempt = self.attempts.get_mut(&id);
        let shown = attempt
            .and_then(Attempt::any_shown)
            .ok_or(PairRefusal::Gone)?;
        shown.held = shown.held.saturating_add(1);
        Ok(Held(id))
    }

    /// The held request was answered, or its socket closed.
    #[expect(clippy::needless_pass_by_value, reason = "it is given back once")]
    pub fn let_go(&mut self, held: Held) {
        let now = self.clock.now();
        if let Some(shown) = self.attempts.get_mut(&held.0).and_then(Attempt::any_shown) {
            shown.held = shown.held.saturating_sub(1);
            shown.alone = now;
        }
    }

    /// The page takes its request back. A pairing that is being kept is undone.
    ///
    /// # Errors
    ///
    /// [`PairRefusal::Gone`] if there is none of this page's.
    pub fn cancel(&mut self, origin: &Origin, pid: &str) -> Result<(), PairRefusal> {
        self.sweep();
        let id = self.find(origin, pid)?;
        self.end(&id, Ending::Cancelled);
        Ok(())
    }

    // What the person does, and the faces that ask.

    /// The request that is shown, if there is one.
    #[must_use]
    pub fn window(&self) -> Option<Window> {
        let attempt = self.attempts.get(self.shown.as_ref()?)?;
        let Stage::Revealed(At::Shown, shown) = &attempt.stage else {
            return None;
        };
        Some(Window {
            number: shown.number,
            way: shown.way,
            origin: attempt.origin.clone(),
            label: shown.label.clone(),
            scopes: shown.asked.clone(),
            code: shown.keys.code,
            typed: shown.asked.can_harm(),
            until: attempt.until,
            confirmed: shown.confirmed,
            approved: shown.approved.is_some(),
        })
    }

    /// The face opened its window only now: its first second begins again.
    pub fn opened(&mut self, number: u64) {
        let now = self.clock.now();
        if let Some(shown) = self.numbered(number).and_then(Attempt::shown) {
            shown.since = now;
        }
    }

    /// The person approves and grants `scopes`: all that was asked for, or less.
    /// `typed` is what they typed of the code, if the face asked them to.
    ///
    /// # Errors
    ///
    /// [`PairRefusal::CodeWrong`] ends the attempt. All others change nothing.
    pub fn approve(
        &mut self,
        number: u64,
        scopes: &Scopes,
        typed: Option<&str>,
    ) -> Result<Step, PairRefusal> {
        self.sweep();
        let now = self.clock.now();
        let id = self.shown.ok_or(PairRefusal::Gone)?;
        let shown = self.numbered(number).and_then(Attempt::shown);
        let shown = shown.ok_or(PairRefusal::Gone)?;
        if now.since(shown.since) < defaults::APPROVE_DEAD {
            return Err(PairRefusal::TooSoon);
        }
        if shown.approved.is_some() {
            return Err(PairRefusal::AlreadyApproved);
        }
        if !scopes.within(&shown.asked) {
            return Err(PairRefusal::NotAsked);
        }
        match typed {
            None if scopes.can_harm() => return Err(PairRefusal::CodeNeeded),
            Some(typed) if !shown.keys.code.was_typed(typed) => {
                self.end(&id, Ending::Broken);
                return Err(PairRefusal::CodeWrong);
            }
            None | Some(_) => {}
        }
        shown.approved = Some(scopes.clone());
        self.join(&id)
    }

    /// The person said no.
    ///
    /// # Errors
    ///
    /// [`PairRefusal::Gone`] if that request is not shown.
    pub fn deny(&mut self, number: u64) -> Result<(), PairRefusal> {
        self.close(number, Ending::Denied)
    }

    /// The request ends because of `why`: a closed window, a locked screen.
    ///
    /// # Errors
    ///
    /// [`PairRefusal::Gone`] if that request is not shown.
    pub fn close(&mut self, number: u64, why: Ending) -> Result<(), PairRefusal> {
        self.sweep();
        let id = self.shown.ok_or(PairRefusal::Gone)?;
        self.numbered(number).ok_or(PairRefusal::Gone)?;
        self.end(&id, why);
        Ok(())
    }

    /// `doorward pair allow [ORIGIN]`: pages may ask for two minutes, once more
    /// than the limits allow. With an origin, the window is kept for that one.
    ///
    /// # Errors
    ///
    /// [`PairRefusal::Off`] in mode `off`, [`PairRefusal::NotWritten`].
    pub fn allow(&mut self, origin: Option<&Origin>) -> Result<(), PairRefusal> {
        self.sweep();
        if self.config.mode == Mode::Off {
            return Err(PairRefusal::Off);
        }
        let named = origin.map_or("any origin", Origin::as_str);
        self.decide(Event::allowed(Kind::PairingAllowed, "pair").detail(named))?;
        self.windows.allow(origin.cloned(), self.clock.now());
        let shown = self
            .shown
            .and_then(|id| Some((id, self.attempts.get(&id)?)));
        match (shown, origin) {
            (Some((id, attempt)), Some(origin)) if attempt.origin != *origin => {
                self.end(&id, Ending::MadeRoom);
            }
            _ => {}
        }
        Ok(())
    }

    /// The keys of request `number` are kept: the page may have its proof.
    ///
    /// # Errors
    ///
    /// [`PairRefusal::Gone`] if it was cancelled meanwhile: forget the keys.
    pub fn kept(&mut self, number: u64) -> Result<(), PairRefusal> {
        self.sweep();
        let attempt = self.numbered(number).ok_or(PairRefusal::Gone)?;
        match &mut attempt.stage {
            Stage::Revealed(at @ At::Keeping, _) => *at = At::Paired,
            Stage::Revealed(At::Shown | At::Paired | At::NotKept, _) | Stage::Started(_) => {
                return Err(PairRefusal::Gone);
            }
        }
        self.windows.fulfilled();
        self.shown = None;
        Ok(())
    }

    /// The vault did not keep the keys of request `number`: there is no pairing, and
    /// its page is told so.
    pub fn not_kept(&mut self, number: u64) {
        let Some(attempt) = self.numbered(number) else {
            return;
        };
        let Stage::Revealed(at @ At::Keeping, _) = &mut attempt.stage else {
            return;
        };
        *at = At::NotKept;
        let detail = format!("{} {:?}", attempt.origin, Ending::NotKept);
        self.shown = None;
        self.audit
            .record(Event::allowed(Kind::PairingEnded, "pair").detail(&detail));
    }

    /// What ended since the last call: faces close their windows.
    pub fn ended(&mut self) -> Vec<Ended> {
        self.sweep();
        std::mem::take(&mut self.ended)
    }

    /// When time alone may end something next: call [`Pairings::ended`] then.
    #[must_use]
    pub fn next_ending(&self) -> Option<Moment> {
        let ends = self.attempts.values().map(Attempt::ends);
        ends.min()
    }
}

// === impl Pairings ===

impl Pairings {
    fn may_ask(&self, origin: &Origin) -> Result<(), PairRefusal> {
        let scheme = origin.as_str().split("://").next().unwrap_or_default();
        let known = matches!(scheme, "http" | "https")
            || self.config.schemes.iter().any(|named| named == scheme);
        if !known || origin.is_opaque() {
            return Err(PairRefusal::OriginNotAllowed);
        }
        self.windows.may_ask(self.config.mode, origin)
    }

    /// The one window, if `origin` may have it.
    fn take_window(&mut self, origin: &Origin) -> Result<(), PairRefusal> {
        self.may_ask(origin)?;
        if self.shown.is_some() {
            return Err(PairRefusal::Busy);
        }
        self.windows.open(self.clock.now())
    }

    /// Place for one more attempt. For an origin that the person named, another
    /// one's gives way.
    fn make_room(&mut self, origin: &Origin) -> Result<(), PairRefusal> {
        let unrevealed = self
            .attempts
            .iter()
            .filter(|(_, attempt)| matches!(attempt.stage, Stage::Started(_)));
        let own = unrevealed.clone().filter(|(_, at)| at.origin == *origin);
        if own.count() >= defaults::ATTEMPTS_PER_ORIGIN {
            return Err(PairRefusal::Full);
        }
        if self.attempts.len() < defaults::ATTEMPTS {
            return Ok(());
        }
        let others = unrevealed.filter(|(_, at)| at.origin != *origin);
        let oldest = others.min_by_key(|(_, at)| at.until).map(|(id, _)| *id);
        match oldest {
            Some(id) if self.windows.reserved_for(origin) => {
                self.attempts.remove(&id);
                Ok(())
            }
            _ => Err(PairRefusal::Full),
        }
    }

    /// The attempt of this page. Another origin learns no more than that there is
    /// none.
    fn find(&self, origin: &Origin, pid: &str) -> Result<TokenHash, PairRefusal> {
        let id = Pid::parse(pid).ok_or(PairRefusal::Gone)?.hash();
        match self.attempts.get(&id) {
            Some(attempt) if attempt.origin == *origin => Ok(id),
            _ => Err(PairRefusal::Gone),
        }
    }

    fn numbered(&mut self, number: u64) -> Option<&mut Attempt> {
        let attempt = self.attempts.get_mut(self.shown.as_ref()?)?;
        let is_it = attempt
            .any_shown()
            .is_some_and(|shown| shown.number == number);
        is_it.then_some(attempt)
    }

    /// Both sides agreed? Then the keys leave the machine, exactly once.
    fn join(&mut self, id: &TokenHash) -> Result<Step, PairRefusal> {
        let Some(attempt) = self.attempts.get_mut(id) else {
            return Err(PairRefusal::Gone);
        };
        let origin = attempt.origin.clone();
        let Some(shown) = attempt.shown() else {
            return Err(PairRefusal::Gone);
        };
        let (Some(scopes), true) = (shown.approved.clone(), shown.confirmed) else {
            return Ok(Step::Waiting);
        };
        let key = PageKey {
            number: shown.number,
            way: shown.way,
            key_id: shown.keys.key_id.clone(),
            origin,
            label: shown.label.clone(),
            scopes,
            request: shown.keys.request.clone(),
            response: shown.keys.response.clone(),
        };
        let event = Event::allowed(Kind::PagePaired, "pair")
            .subject(&key.key_id)
            .detail(key.origin.as_str());
        if let Err(why) = self.decide(event) {
            self.end(id, Ending::NotKept);
            return Err(why);
        }
        if let Some(Stage::Revealed(at, _)) = self.attempts.get_mut(id).map(|at| &mut at.stage) {
            *at = At::Keeping;
        }
        Ok(Step::Both(Box::new(key)))
    }

    fn end(&mut self, id: &TokenHash, why: Ending) {
        let Some(attempt) = self.attempts.remove(id) else {
            return;
        };
        if self.shown.as_ref() == Some(id) {
            self.shown = None;
        }
        if let Stage::Revealed(at, shown) = attempt.stage
            && at != At::NotKept
        {
            self.ended.push(Ended {
                number: shown.number,
                why,
                forget: matches!(at, At::Keeping | At::Paired).then_some(shown.keys.key_id),
            });
            let detail = format!("{} {why:?}", attempt.origin);
            self.audit
                .record(Event::allowed(Kind::PairingEnded, "pair").detail(&detail));
        }
    }

    fn sweep(&mut self) {
        let now = self.clock.now();
        self.windows.sweep(now);
        let over: Vec<_> = self
            .attempts
            .iter()
            .filter(|(_, attempt)| attempt.ends() <= now)
            .map(|(id, attempt)| (*id, attempt.until <= now))
            .collect();
        for (id, expired) in over {
            let why = if expired {
                Ending::Expired
            } else {
                Ending::PageGone
            };
            self.end(&id, why);
        }
    }

    fn decide(&self, event: Event) -> Result<(), PairRefusal> {
        self.audit
            .decide(event)
            .map_err(|_| PairRefusal::NotWritten)
    }
}

impl fmt::Debug for Pairings {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Pairings")
            .field("attempts", &self.attempts.len())
            .finish_non_exhaustive()
    }
}
