//! Grants: capabilities that are addressed by an unguessable token.
//!
//! The table is made for a million of them: no timer walks it. What is due is
//! looked up by the second in which it may be, and what a grant keeps is counted
//! in bytes.

mod due;
mod shelf;

use std::collections::{HashMap, HashSet};
use std::fmt;
use std::sync::atomic::{AtomicU8, Ordering};
use std::sync::{Arc, Mutex, PoisonError, RwLock};
use std::time::Duration;

use due::Due;
use shelf::Shelf;
use tokio::sync::Notify;

use crate::clock::{Clock, Moment};
use crate::defaults;
use crate::id::Id;
use crate::origin::{Origin, Origins};
use crate::refusal::{Refusal, Rule};
use crate::rules::fetch_metadata::Uses;
use crate::secret::{Secret, Token, TokenHash};
use crate::table::sessions::SessionId;

/// The public name of a grant: `g_` and eleven characters of base64url. Not a
/// credential: knowing it opens nothing.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct GrantId(Id);

/// How long a grant lives, whose it is and what it may be used for.
#[derive(Clone, Debug)]
pub struct GrantOptions {
    /// It ends after this, used or not.
    pub life: Duration,
    /// It ends after this without use.
    pub idle: Option<Duration>,
    /// It ends with this session.
    pub owner: Option<SessionId>,
    /// Which pages may read the answer.
    pub origins: Origins,
    /// Frames and documents.
    pub uses: Uses,
}

/// One capability. `G` is what the room keeps in it.
#[derive(Debug)]
pub struct Grant<G> {
    /// Its public name.
    pub id: GrantId,
    /// What the room keeps in it.
    pub data: G,
    /// The session that it ends with.
    pub owner: Option<SessionId>,
    /// Which pages may read the answer.
    pub origins: Origins,
    /// Frames and documents.
    pub uses: Uses,
    /// When it was minted.
    pub created: Moment,
    token: TokenHash,
    idle: Option<Duration>,
    life: Mutex<Life>,
    fate: AtomicU8,
    cut: Notify,
}

#[derive(Debug)]
struct Life {
    expires: Moment,
    last_used: Option<Moment>,
    ended: Option<Moment>,
}

/// What became of a grant.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fate {
    /// It is live.
    Live,
    /// Its time was over.
    Expired,
    /// Somebody took it back.
    Revoked,
    /// Its session ended.
    SessionEnded,
    /// Its source was removed, or doorward stops.
    Closed,
}

/// Why there is no live grant, and the one that has ended.
type Miss<G> = (Refusal, Option<Arc<Grant<G>>>);

type Farewell<G> = Box<dyn Fn(&Arc<Grant<G>>, Fate) + Send + Sync>;

/// All grants of one room. Keeps hashes of tokens only.
pub struct Grants<G> {
    clock: Clock,
    most: usize,
    table: RwLock<Table<G>>,
    farewell: RwLock<Option<Farewell<G>>>,
}

struct Table<G> {
    shelf: Shelf<G>,
    due: Due,
    /// Live grants.
    live: usize,
    /// Live grants of each session that has any.
    owners: HashMap<SessionId, usize>,
    named: HashSet<Origin>,
}

impl<G: Send + Sync + 'static> Grants<G> {
    /// An empty table of at most [`defaults::GRANTS`].
    #[must_use]
    pub fn new(clock: &Clock) -> Self {
        Self::with_capacity(clock, defaults::GRANTS)
    }

    /// An empty table of at most `most` grants, dead ones in their afterlife
    /// included.
    #[must_use]
    pub fn with_capacity(clock: &Clock, most: usize) -> Self {
        let table = Table {
            shelf: Shelf::default(),
            due: Due::default(),
            live: 0,
            owners: HashMap::new(),
            named: HashSet::new(),
        };
        Self {
            clock: clock.clone(),
            most: most.min(defaults::GRANTS),
            table: RwLock::new(table),
            farewell: RwLock::new(None),
        }
    }

    /// Calls `farewell` once for every grant that ends, after it is dead.
    pub fn on_end(&self, farewell: impl Fn(&Arc<Grant<G>>, Fate) + Send + Sync + 'static) {
        *self
            .farewell
            .write()
            .unwrap_or_else(PoisonError::into_inner) = Some(Box::new(farewell));
    }

    /// Mints a grant. The token is returned here and never again.
    ///
    /// # Errors
    ///
    /// [`Rule::CapacityReached`].
    pub fn mint(&self, data: G, options: GrantOptions) -> Result<(Token, Arc<Grant<G>>), Refusal> {
        let token = Token::random();
        let now = self.clock.now();
        let grant = Arc::new(Grant {
            id: GrantId::random(),
            data,
            owner: options.owner,
            origins: options.origins,
            uses: options.uses,
            created: now,
            token: token.hash(),
            idle: options.idle,
            life: Mutex::new(Life {
                expires: now.plus(options.life),
                last_used: None,
                ended: None,
            }),
            fate: AtomicU8::new(Fate::Live as u8),
            cut: Notify::new(),
        });
        let mut table = self.table.write().unwrap_or_else(PoisonError::into_inner);
        if table.shelf.len() >= self.most {
            return Err(Rule::CapacityReached.into());
        }
        if let Origins::Exact(list) = &grant.origins {
            for origin in list {
                if table.named.len() < defaults::NAMED_ORIGINS {
                    table.named.insert(origin.clone());
                }
            }
        }
        table.due.push(grant.expires(), grant.id.0);
        table.live += 1;
        if let Some(owner) = grant.owner.clone() {
            *table.owners.entry(owner).or_default() += 1;
        }
        table.shelf.put(Arc::clone(&grant));
        Ok((token, grant))
    }

    /// The live grant behind `text`, a token as it stands in a URL. Unknown and
    /// malformed tokens cost the same work and give the same refusal.
    ///
    /// # Errors
    ///
    /// [`Rule::GrantUnknown`], [`Rule::GrantExpired`], [`Rule::GrantRevoked`].
    pub fn find(&self, text: &str) -> Result<Arc<Grant<G>>, Refusal> {
        self.look_up(text).map_err(|(refusal, _ended)| refusal)
    }

    /// The same; beside the refusal, the grant that has ended.
    pub(crate) fn look_up(&self, text: &str) -> Result<Arc<Grant<G>>, Miss<G>> {
        let parsed = Token::parse(text);
        let well_formed = parsed.is_some();
        let hash = parsed.unwrap_or_else(Secret::random).hash();
        let found = {
            let table = self.table.read().unwrap_or_else(PoisonError::into_inner);
            table.shelf.by_token(&hash).cloned()
        };
        let Some(grant) = found.filter(|_| well_formed) else {
            return Err((Rule::GrantUnknown.into(), None));
        };
        self.expire_if_due(&grant);
        match grant.fate() {
            Fate::Live => Ok(grant),
            Fate::Expired => Err((Rule::GrantExpired.into(), Some(grant))),
            Fate::Revoked | Fate::SessionEnded | Fate::Closed => {
                Err((Rule::GrantRevoked.into(), Some(grant)))
            }
        }
    }

    /// The grant called `id`, live or in its afterlife.
    #[must_use]
    pub fn by_id(&self, id: &str) -> Option<Arc<Grant<G>>> {
        self.named(Id::from_text(id)?)
    }

    fn named(&self, id: Id) -> Option<Arc<Grant<G>>> {
        let table = self.table.read().unwrap_or_else(PoisonError::into_inner);
        table.shelf.by_id(id).cloned()
    }

    /// All live grants, in no order.
    #[must_use]
    pub fn live(&self) -> Vec<Arc<Grant<G>>> {
        let table = self.table.read().unwrap_or_else(PoisonError::into_inner);
        table
            .shelf
            .iter()
            .filter(|grant| grant.fate() == Fate::Live)
            .cloned()
            .collect()
    }

    /// How many grants are live.
    #[must_use]
    pub fn len(&self) -> usize {
        let table = self.table.read().unwrap_or_else(PoisonError::into_inner);
        table.live
    }

    /// Whether none is live.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The sessions that live grants belong to.
    #[must_use]
    pub fn owners(&self) -> Vec<SessionId> {
        let table = self.table.read().unwrap_or_else(PoisonError::into_inner);
        table.owners.keys().cloned().collect()
    }

    /// Whether any grant of this run was made for `origin`: then its pages may
    /// read even a refusal.
    #[must_use]
    pub fn names(&self, origin: &Origin) -> bool {
        let table = self.table.read().unwrap_or_else(PoisonError::into_inner);
        table.named.contains(origin)
    }

    /// Gives a live grant at least `life` from now; its URL stays.
    ///
    /// # Errors
    ///
    /// [`Rule::NotFound`] if it is not live.
    pub fn renew(&self, id: &str, life: Duration) -> Result<Arc<Grant<G>>, Refusal> {
        let grant = self.by_id(id).ok_or(Rule::NotFound)?;
        self.expire_if_due(&grant);
        if grant.fate() != Fate::Live {
            return Err(Rule::NotFound.into());
        }
        let expires = self.clock.now().plus(life);
        let mut own = grant.life();
        own.expires = own.expires.max(expires);
        drop(own);
        Ok(grant)
    }

    /// Ends the grant called `id`. Whether it was live until now.
    pub fn revoke(&self, id: &str) -> bool {
        self.by_id(id)
            .is_some_and(|grant| self.end(&grant, Fate::Revoked))
    }

    /// Ends the grant behind a token. Whether it was live until now.
    pub fn revoke_token(&self, text: &str) -> Option<GrantId> {
        let grant = self.find(text).ok()?;
        self.end(&grant, Fate::Revoked).then(|| grant.id.clone())
    }

    /// Ends every live grant that `chosen` picks. How many there were.
    pub fn revoke_where(&self, fate: Fate, chosen: impl Fn(&Grant<G>) -> bool) -> usize {
        self.live()
            .iter()
            .filter(|grant| chosen(grant) && self.end(grant, fate))
            .count()
    }

    /// Ends what is due and forgets what has been dead for
    /// [`defaults::GRANT_AFTERLIFE`]. Looks at nothing else.
    pub fn sweep(&self) {
        let now = self.clock.now();
        while let Some(due) = self.take_due(now) {
            for id in due {
                self.attend(id, now);
            }
        }
    }

    fn take_due(&self, now: Moment) -> Option<Vec<Id>> {
        let mut table = self.table.write().unwrap_or_else(PoisonError::into_inner);
        table.due.take(now)
    }

    /// Something may have to happen to this grant.
    fn attend(&self, id: Id, now: Moment) {
        let Some(grant) = self.named(id) else {
            return;
        };
        self.expire_if_due(&grant);
        let ended = grant.life().ended;
        let mut table = self.table.write().unwrap_or_else(PoisonError::into_inner);
        match ended {
            Some(ended) if now.since(ended) >= defaults::GRANT_AFTERLIFE => {
                table.shelf.remove(&grant);
            }
            // Its end has set the time of its removal.
            Some(_) => {}
            // Used or renewed meanwhile.
            None => table.due.push(grant.expires(), id),
        }
    }

    fn expire_if_due(&self, grant: &Arc<Grant<G>>) {
        if grant.expires() <= self.clock.now() {
            self.end(grant, Fate::Expired);
        }
    }

    fn end(&self, grant: &Arc<Grant<G>>, fate: Fate) -> bool {
        let first = grant
            .fate
            .compare_exchange(
                Fate::Live as u8,
                fate as u8,
                Ordering::AcqRel,
                Ordering::Acquire,
            )
            .is_ok();
        if first {
            let now = self.clock.now();
            grant.life().ended = Some(now);
            grant.cut.notify_waiters();
            self.count_out(grant, now);
            let farewell = self.farewell.read().unwrap_or_else(PoisonError::into_inner);
            if let Some(farewell) = &*farewell {
                farewell(grant, fate);
            }
        }
        first
    }

    /// A grant has ended: it is live no more, and forgotten in its time.
    fn count_out(&self, grant: &Grant<G>, now: Moment) {
        let mut table = self.table.write().unwrap_or_else(PoisonError::into_inner);
        table
            .due
            .push(now.plus(defaults::GRANT_AFTERLIFE), grant.id.0);
        table.live = table.live.saturating_sub(1);
        let Some(owner) = &grant.owner else { return };
        if let Some(count) = table.owners.get_mut(owner) {
            *count = count.saturating_sub(1);
            if *count == 0 {
                table.owners.remove(owner);
            }
        }
    }
}

impl<G> Grant<G> {
    /// What became of it.
    #[must_use]
    pub fn fate(&self) -> Fate {
        let fate = self.fate.load(Ordering::Acquire);
        [
            Fate::Expired,
            Fate::Revoked,
            Fate::SessionEnded,
            Fate::Closed,
        ]
        .into_iter()
        .find(|&known| known as u8 == fate)
        .unwrap_or(Fate::Live)
    }

    /// Waits until it ends: what a running stream races against.
    pub async fn ended(&self) -> Fate {
        loop {
            let cut = self.cut.notified();
            tokio::pin!(cut);
            // Registered before the check, so that no end slips between.
            cut.as_mut().enable();
            match self.fate() {
                Fate::Live => cut.await,
                fate => return fate,
            }
        }
    }

    /// When it ends, as things stand.
    #[must_use]
    pub fn expires(&self) -> Moment {
        let life = self.life();
        match self.idle {
            Some(idle) => life
                .last_used
                .unwrap_or(self.created)
                .plus(idle)
                .min(life.expires),
            None => life.expires,
        }
    }

    /// When it was last used.
    #[must_use]
    pub fn last_used(&self) -> Option<Moment> {
        self.life().last_used
    }

    /// Counts as use: a request, or bytes that flow.
    pub fn touch(&self, now: Moment) {
        self.life().last_used = Some(now);
    }

    fn life(&self) -> std::sync::MutexGuard<'_, Life> {
        self.life.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

// === impl GrantId ===

impl GrantId {
    fn random() -> Self {
        Self(Id::random(*b"g_"))
    }

    /// The id as text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        self.0.as_str()
    }
}

impl fmt::Display for GrantId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

// === impl Fate ===

impl Fate {
    /// The word that events and the audit use.
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            Self::Live => "live",
            Self::Expired => "expired",
            Self::Revoked => "revoked",
            Self::SessionEnded => "sessionEnded",
            Self::Closed => "closed",
        }
    }
}

// === impl Grants ===

impl<G> fmt::Debug for Grants<G> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Grants")
            .field("most", &self.most)
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests;
