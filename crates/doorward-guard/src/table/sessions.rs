//! Browser sessions: launch ticket → cookie, tab proof and CSRF token.
//!
//! Cookies ignore ports: any local server receives ours and can overwrite it. So
//! the cookie alone opens nothing. Every call also carries the proof of its tab,
//! which lives in `sessionStorage`, and that is kept per origin, port included.

mod cookie;
mod life;

use std::collections::HashMap;
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, RwLock};
use std::time::Duration;

use foldhash::fast::RandomState;
use serde::Serialize;

pub use self::cookie::CookieTransport;
use self::cookie::SessionCookie;
pub(crate) use self::life::Life;
use crate::clock::{Clock, Moment};
use crate::defaults;
use crate::id::Id;
use crate::refusal::{Refusal, Rule};
use crate::rules::limits::Bucket;
use crate::secret::{Token, TokenHash};
use crate::table::attempts::Attempts;

/// The public name of a session: `s_` and eleven characters. It stays when the
/// cookie rotates, and opens nothing.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize)]
pub struct SessionId(Id);

/// How long sessions last, in numbers that configuration only lowers.
#[derive(Clone, Copy, Debug)]
pub struct SessionLimits {
    /// Without activity, at most [`defaults::SESSION_IDLE`].
    pub idle: Duration,
    /// In all, at most [`defaults::SESSION_ABSOLUTE`].
    pub absolute: Duration,
}

/// All sessions and launch tickets of one control listener.
pub struct Sessions {
    clock: Clock,
    cookie: SessionCookie,
    limits: SessionLimits,
    table: Mutex<Table>,
    attempts: Attempts,
    farewell: RwLock<Vec<Farewell>>,
}

type Farewell = Box<dyn Fn(&SessionId, EndReason) + Send + Sync>;

/// By hashes that nobody chooses: what is kept was issued here.
#[derive(Default)]
struct Table {
    tickets: HashMap<TokenHash, LaunchTicket, RandomState>,
    sessions: HashMap<TokenHash, Record, RandomState>,
}

struct LaunchTicket {
    expires: Moment,
    take_over: bool,
}

struct Record {
    id: SessionId,
    tabs: Vec<Tab>,
    created: Moment,
    active: Moment,
    life: Arc<Life>,
}

struct Tab {
    proof: TokenHash,
    csrf: TokenHash,
    used: Moment,
}

/// What a claim gives: the cookie's value, the tab's proof and CSRF token.
#[derive(Debug)]
pub struct Claim {
    /// For `Set-Cookie`.
    pub cookie: Token,
    /// For the header `x-doorward-proof` of this tab.
    pub proof: Token,
    /// For the header `x-csrf-token` of this tab.
    pub csrf: Token,
    /// The session it belongs to.
    pub session: SessionId,
    /// Whether the tab joined a session that was there.
    pub joined: bool,
    /// Sessions that a take-over ended.
    pub ended: Vec<SessionId>,
}

/// New credentials of a session that goes on.
#[derive(Debug)]
pub struct Rotation {
    /// For `Set-Cookie`; the one before it opens nothing any more.
    pub cookie: Token,
    /// For the header `x-csrf-token` of the tab that asked.
    pub csrf: Token,
}

/// A proven session: what permits carry.
#[derive(Clone, Debug)]
pub struct SessionProof {
    /// Its public name.
    pub id: SessionId,
    pub(crate) csrf: TokenHash,
    pub(crate) life: Arc<Life>,
}

/// A session as people see it.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct SessionView {
    /// Its public name.
    pub id: SessionId,
    /// RFC 3339.
    pub created_at: String,
    /// RFC 3339: it ends then without activity.
    pub idle_expires_at: String,
    /// RFC 3339: it ends then.
    pub expires_at: String,
    /// Tabs that share it.
    pub tabs: usize,
}

/// Why a session ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum EndReason {
    /// The person signed out, or `doorward sessions revoke`.
    Revoked,
    /// Another browser took over.
    TakenOver,
    /// No activity.
    Idle,
    /// Its time was over.
    Absolute,
    /// doorward stops.
    Shutdown,
}

impl Sessions {
    /// No sessions yet. `port` is the control listener's: it is part of the
    /// cookie's name. The cookie is for [`CookieTransport::Plain`].
    #[must_use]
    pub fn new(clock: &Clock, port: u16, limits: SessionLimits) -> Self {
        Self::over(CookieTransport::Plain, clock, port, limits)
    }

    /// The same for browsers that come over `transport`.
    #[must_use]
    pub fn over(
        transport: CookieTransport,
        clock: &Clock,
        port: u16,
        limits: SessionLimits,
    ) -> Self {
        Self {
            clock: clock.clone(),
            cookie: SessionCookie::new(port, transport),
            limits: SessionLimits {
                idle: limits.idle.min(defaults::SESSION_IDLE),
                absolute: limits.absolute.min(defaults::SESSION_ABSOLUTE),
            },
            table: Mutex::default(),
            attempts: Attempts::new(clock),
            farewell: RwLock::default(),
        }
    }

    /// The name of the session cookie.
    #[must_use]
    pub fn cookie_name(&self) -> &str {
        self.cookie.name()
    }

    /// Calls `farewell` once for every session that ends, after it is dead.
    pub fn on_end(&self, farewell: impl Fn(&SessionId, EndReason) + Send + Sync + 'static) {
        self.farewell
            .write()
            .unwrap_or_else(PoisonError::into_inner)
            .push(Box::new(farewell));
    }

    /// A launch ticket: 256 bits, one use, [`defaults::TICKET_LIFE`]. With
    /// `take_over`, claiming it ends every other session.
    ///
    /// # Errors
    ///
    /// [`Rule::CapacityReached`].
    pub fn ticket(&self, take_over: bool) -> Result<Token, Refusal> {
        let now = self.clock.now();
        let mut table = self.table();
        table.tickets.retain(|_, ticket| ticket.expires > now);
        if table.tickets.len() >= defaults::TICKETS {
            return Err(Rule::CapacityReached.into());
        }
        let ticket = Token::random();
        let expires = now.plus(defaults::TICKET_LIFE);
        table
            .tickets
            .insert(ticket.hash(), LaunchTicket { expires, take_over });
        Ok(ticket)
    }

    /// Exchanges a ticket for a session. With the cookie of a live session the
    /// tab joins that one: its id rotates, its other tabs keep working, but of eight
    /// the one that was silent longest. An id
    /// that was not issued here is never continued.
    ///
    /// # Errors
    ///
    /// [`Rule::TicketInvalid`], or [`Rule::LockedOut`] after many of those;
    /// [`Rule::CapacityReached`] when there are [`defaults::SESSIONS`].
    pub fn claim(&self, ticket: &str, cookie: Option<&Token>) -> Result<Claim, Refusal> {
        let now = self.clock.now();
        let mut gone = self.take_expired(now);
        let claimed = {
            let mut table = self.table();
            let ticket = Token::parse(ticket)
                .and_then(|ticket| table.tickets.remove(&ticket.hash()))
                .filter(|ticket| ticket.expires > now);
            match ticket {
                None => Err(Refusal::from(Rule::TicketInvalid)),
                Some(ticket) => self.open(&mut table, &ticket, cookie, now, &mut gone),
            }
        };
        self.bid_farewell(gone);
        match claimed {
            Ok(claim) => {
                self.attempts.succeeded();
                Ok(claim)
            }
            // A ticket that verifies is never refused for others' failures.
            Err(refusal) if refusal.rule() == Rule::TicketInvalid => {
                let locked = self.attempts.check();
                if locked.is_ok() {
                    self.attempts.failed();
                }
                locked.and(Err(refusal))
            }
            Err(refusal) => Err(refusal),
        }
    }

    /// The live session of a cookie and a tab's proof.
    ///
    /// # Errors
    ///
    /// [`Rule::BrowserSessionRequired`], [`Rule::BrowserSessionExpired`],
    /// [`Rule::TabProofRequired`].
    pub fn prove(
        &self,
        cookie: Option<&Token>,
        proof: Option<&Token>,
    ) -> Result<SessionProof, Refusal> {
        let cookie = cookie.ok_or(Rule::BrowserSessionRequired)?.hash();
        let proof = proof.map(Token::hash);
        let now = self.clock.now();
        let mut table = self.table();
        let record = table
            .sessions
            .get_mut(&cookie)
            .filter(|record| self.end_due(record, now).is_none())
            .ok_or(Rule::BrowserSessionExpired)?;
        let proof = proof.ok_or(Rule::TabProofRequired)?;
        let tab = record
            .tabs
            .iter_mut()
            .find(|tab| tab.proof == proof)
            .ok_or(Rule::TabProofRequired)?;
        tab.used = now;
        Ok(SessionProof {
            id: record.id.clone(),
            csrf: tab.csrf,
            life: Arc::clone(&record.life),
        })
    }

    /// Gives a session that gained authority a new id, and the tab that gained it
    /// a new CSRF token: what was planted or seen before is worth nothing after.
    /// Tabs, age and public name stay.
    ///
    /// # Errors
    ///
    /// [`Rule::BrowserSessionExpired`] if it has ended meanwhile.
    pub fn rotate(&self, session: &SessionProof) -> Result<Rotation, Refusal> {
        let now = self.clock.now();
        let (cookie, csrf) = (Token::random(), Token::random());
        let mut table = self.table();
        let hash = table
            .sessions
            .iter()
            .find(|(_, record)| record.id == session.id && self.end_due(record, now).is_none())
            .map(|(hash, _)| *hash)
            .ok_or(Rule::BrowserSessionExpired)?;
        let mut record = table
            .sessions
            .remove(&hash)
            .ok_or(Rule::BrowserSessionExpired)?;
        if let Some(tab) = record.tabs.iter_mut().find(|tab| tab.csrf == session.csrf) {
            tab.csrf = csrf.hash();
        }
        table.sessions.insert(cookie.hash(), record);
        Ok(Rotation { cookie, csrf })
    }

    /// Notes activity: a state change, real input, or bytes that flow.
    pub fn touch(&self, id: &SessionId) {
        let now = self.clock.now();
        let mut table = self.table();
        if let Some(record) = table.sessions.values_mut().find(|record| record.id == *id) {
            // What is already over is not revived.
            if self.end_due(record, now).is_none() {
                record.active = now;
            }
        }
    }

    /// Ends one session at once. Whether it was live until now.
    pub fn revoke(&self, id: &str, reason: EndReason) -> bool {
        let ended = self.take(|record| (record.id.as_str() == id).then_some(reason));
        let any = !ended.is_empty();
        self.bid_farewell(ended);
        any
    }

    /// Ends all sessions and forgets all tickets.
    pub fn revoke_all(&self, reason: EndReason) {
        self.table().tickets.clear();
        let ended = self.take(|_| Some(reason));
        self.bid_farewell(ended);
    }

    /// Ends what is due. Call it about once a second.
    pub fn sweep(&self) {
        let now = self.clock.now();
        let ended = self.take_expired(now);
        self.bid_farewell(ended);
    }

    /// The public names of all live sessions.
    #[must_use]
    pub fn live(&self) -> std::collections::HashSet<SessionId> {
        self.table()
            .sessions
            .values()
            .map(|record| record.id.clone())
            .collect()
    }

    /// All live sessions, oldest first.
    #[must_use]
    pub fn list(&self) -> Vec<SessionView> {
        let now = self.clock.now();
        let table = self.table();
        let mut records: Vec<_> = table
            .sessions
            .values()
            .filter(|record| self.end_due(record, now).is_none())
            .collect();
        records.sort_by_key(|record| record.created);
        records
            .into_iter()
            .map(|record| self.view_of(record))
            .collect()
    }

    /// One live session.
    #[must_use]
    pub fn view(&self, id: &SessionId) -> Option<SessionView> {
        self.list().into_iter().find(|view| view.id == *id)
    }

    /// The value of `Set-Cookie` for `id`, which lasts as long as a session may.
    #[must_use]
    pub fn set_cookie(&self, id: &Token) -> String {
        self.cookie.set(id, self.limits.absolute)
    }

    /// The value of `Set-Cookie` that removes the cookie.
    #[must_use]
    pub fn clear_cookie(&self) -> String {
        self.cookie.clear()
    }

    fn open(
        &self,
        table: &mut Table,
        ticket: &LaunchTicket,
        cookie: Option<&Token>,
        now: Moment,
        gone: &mut Vec<(Record, EndReason)>,
    ) -> Result<Claim, Refusal> {
        let (proof, csrf, id) = (Token::random(), Token::random(), Token::random());
        let tab = Tab {
            proof: proof.hash(),
            csrf: csrf.hash(),
            used: now,
        };
        let known = cookie
            .map(Token::hash)
            .filter(|hash| table.sessions.contains_key(hash));
        let full = table.sessions.len() >= defaults::SESSIONS;
        if full && known.is_none() && !ticket.take_over {
            return Err(Rule::CapacityReached.into());
        }
        let mut ended = Vec::new();
        if ticket.take_over {
            let others: Vec<_> = table
                .sessions
                .keys()
                .filter(|&hash| Some(*hash) != known)
                .copied()
                .collect();
            for hash in others {
                if let Some(record) = table.end(&hash) {
                    ended.push(record.id.clone());
                    gone.push((record, EndReason::TakenOver));
                }
            }
        }
        let joined = known.is_some();
        let record = match known.and_then(|hash| table.sessions.remove(&hash)) {
            Some(mut record) => {
                if record.tabs.len() >= defaults::SESSION_TABS {
                    // Closed tabs say nothing: the one that was silent longest goes.
                    let oldest = record
                        .tabs
                        .iter()
                        .enumerate()
                        .min_by_key(|(_, tab)| tab.used);
                    if let Some((at, _)) = oldest {
                        record.tabs.remove(at);
                    }
                }
                record.tabs.push(tab);
                record.active = now;
                record
            }
            None => Record {
                id: SessionId::random(),
                tabs: vec![tab],
                created: now,
                active: now,
                life: Arc::new(Life::new(Bucket::new(defaults::SESSION_RATE, &self.clock))),
            },
        };
        let session = record.id.clone();
        table.sessions.insert(id.hash(), record);
        Ok(Claim {
            cookie: id,
            proof,
            csrf,
            session,
            joined,
            ended,
        })
    }

    fn view_of(&self, record: &Record) -> SessionView {
        let expires = record.created.plus(self.limits.absolute);
        let idle_expires = record.active.plus(self.limits.idle).min(expires);
        SessionView {
            id: record.id.clone(),
            created_at: self.clock.rfc3339(record.created),
            idle_expires_at: self.clock.rfc3339(idle_expires),
            expires_at: self.clock.rfc3339(expires),
            tabs: record.tabs.len(),
        }
    }

    fn end_due(&self, record: &Record, now: Moment) -> Option<EndReason> {
        if now.since(record.created) >= self.limits.absolute {
            Some(EndReason::Absolute)
        } else if now.since(record.active) >= self.limits.idle {
            Some(EndReason::Idle)
        } else {
            None
        }
    }

    fn take_expired(&self, now: Moment) -> Vec<(Record, EndReason)> {
        self.take(|record| self.end_due(record, now))
    }

    fn take(&self, ends: impl Fn(&Record) -> Option<EndReason>) -> Vec<(Record, EndReason)> {
        let mut table = self.table();
        let due: Vec<_> = table
            .sessions
            .iter()
            .filter_map(|(hash, record)| Some((*hash, ends(record)?)))
            .collect();
        due.into_iter()
            .filter_map(|(hash, reason)| Some((table.end(&hash)?, reason)))
            .collect()
    }

    /// Outside of the table's lock: farewells call into other tables. What hangs on
    /// a session hears why it ends before it is cut.
    fn bid_farewell(&self, ended: Vec<(Record, EndReason)>) {
        for (record, reason) in ended {
            let farewell = self.farewell.read().unwrap_or_else(PoisonError::into_inner);
            for farewell in farewell.iter() {
                farewell(&record.id, reason);
            }
            drop(farewell);
            // Whoever waits for the end hears of it last.
            drop(record);
        }
    }

    fn table(&self) -> MutexGuard<'_, Table> {
        self.table.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Table {
    fn end(&mut self, hash: &TokenHash) -> Option<Record> {
        let record = self.sessions.remove(hash)?;
        record.life.end();
        Some(record)
    }
}

impl SessionProof {
    /// Waits until the session ends.
    pub async fn ended(&self) {
        self.life.told().await;
    }
}

impl SessionId {
    pub(super) fn random() -> Self {
        Self(Id::random(*b"s_"))
    }

    /// The id as text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        self.0.as_str()
    }
}

// === impl Record ===

impl Drop for Record {
    /// However it goes, with its table too: nobody waits for an end in vain.
    fn drop(&mut self) {
        self.life.end();
        self.life.tell();
    }
}

// === impl SessionId ===

impl fmt::Display for SessionId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

// === impl EndReason ===

impl EndReason {
    /// The word that events and the audit use.
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            Self::Revoked => "revoked",
            Self::TakenOver => "takenOver",
            Self::Idle => "idle",
            Self::Absolute => "absolute",
            Self::Shutdown => "shutdown",
        }
    }
}

// === impl SessionLimits ===

impl SessionLimits {
    /// [`defaults::SESSION_IDLE`] and [`defaults::SESSION_ABSOLUTE`].
    pub const STANDARD: Self = Self {
        idle: defaults::SESSION_IDLE,
        absolute: defaults::SESSION_ABSOLUTE,
    };
}

// === impl Sessions ===

impl fmt::Debug for Sessions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Sessions")
            .field("cookie", &self.cookie)
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests;
