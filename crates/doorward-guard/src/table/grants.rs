//! Grants: capabilities that are addressed by an unguessable token.
//!
//! The table is made for a million of them: no timer walks it, and a listing costs
//! what it lists. What is due is looked up by the second in which it may be, and
//! what a grant keeps is counted in bytes: rare things in a box, common ones once
//! for all that were minted in a row.

mod due;
mod shelf;
mod term;

use std::collections::HashSet;
use std::fmt;
use std::sync::atomic::{AtomicU64, Ordering, fence};
use std::sync::{Arc, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard};
use std::time::Duration;

use due::Due;
use once_cell::race::OnceBox;
use shelf::Shelf;
use term::Term;
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
/// credential: it is a quarter of the hash of its token, and no way leads back.
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
    /// What the room keeps in it.
    pub data: G,
    /// When it was minted.
    pub created: Moment,
    token: TokenHash,
    terms: Arc<Terms>,
    term: Term,
    /// In nanoseconds; 0 for never.
    used: AtomicU64,
    /// Made by the first who waits for its end.
    cut: OnceBox<Notify>,
}

/// What grants that were minted in a row have in common.
#[derive(Debug, PartialEq, Eq)]
struct Terms {
    idle: Option<Duration>,
    owner: Option<SessionId>,
    origins: Origins,
    uses: Uses,
}

/// What became of a grant. At most eight: `Term` keeps it in three bits.
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
    /// Those of the grant that was minted last.
    terms: Option<Arc<Terms>>,
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
            terms: None,
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
        let hash = token.hash();
        let mut table = self.table_mut();
        // Below the lock: those that are minted later are not older.
        let now = self.clock.now();
        let expires = now.plus(options.life);
        if table.shelf.len() >= self.most {
            return Err(Rule::CapacityReached.into());
        }
        let grant = Arc::new(Grant {
            data,
            created: now,
            token: hash,
            terms: table.common(options),
            term: Term::until(expires),
            used: AtomicU64::new(0),
            cut: OnceBox::new(),
        });
        table.due.push(grant.expires(), grant.name());
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
        let found = self.table().shelf.by_token(&hash).cloned();
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
        self.named(Name::parse(id)?)
    }

    fn named(&self, name: Name) -> Option<Arc<Grant<G>>> {
        self.table().shelf.by_name(name).cloned()
    }

    /// All live grants, newest first: for what concerns each of them.
    #[must_use]
    pub fn live(&self) -> Vec<Arc<Grant<G>>> {
        let table = self.table();
        table.shelf.live(None).cloned().collect()
    }

    /// At most `most` live grants, newest first, of those that are older than the
    /// one called `after`. It costs what it gives. If `after` has ended meanwhile,
    /// its neighbours are looked for from the newest on; one that was minted with it
    /// may then be told twice, none is left out. `None` if no grant has this name.
    #[must_use]
    pub fn newest(&self, after: Option<&str>, most: usize) -> Option<Vec<Arc<Grant<G>>>> {
        let table = self.table();
        let after = match after {
            Some(id) => Some(table.shelf.by_name(Name::parse(id)?)?),
            None => None,
        };
        Some(table.shelf.live(after).take(most).cloned().collect())
    }

    /// How many grants are live.
    #[must_use]
    pub fn len(&self) -> usize {
        self.table().shelf.live_count()
    }

    /// Whether none is live.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The sessions that live grants belong to.
    #[must_use]
    pub fn owners(&self) -> Vec<SessionId> {
        self.table().shelf.owners().cloned().collect()
    }

    /// Whether any grant of this run was made for `origin`: then its pages may
    /// read even a refusal.
    #[must_use]
    pub fn names(&self, origin: &Origin) -> bool {
        self.table().named.contains(origin)
    }

    /// Gives a live grant at least `life` from now; its URL stays.
    ///
    /// # Errors
    ///
    /// [`Rule::NotFound`] if it is not live.
    pub fn renew(&self, id: &str, life: Duration) -> Result<Arc<Grant<G>>, Refusal> {
        let grant = self.by_id(id).ok_or(Rule::NotFound)?;
        self.expire_if_due(&grant);
        if grant.term.push_back(self.clock.now().plus(life)) {
            Ok(grant)
        } else {
            Err(Rule::NotFound.into())
        }
    }

    /// Ends the grant called `id`. Whether it was live until now.
    pub fn revoke(&self, id: &str) -> bool {
        self.by_id(id)
            .is_some_and(|grant| self.end(&grant, Fate::Revoked))
    }

    /// Ends the grant behind a token. Whether it was live until now.
    pub fn revoke_token(&self, text: &str) -> Option<GrantId> {
        let grant = self.find(text).ok()?;
        self.end(&grant, Fate::Revoked).then(|| grant.id())
    }

    /// Ends every live grant that `chosen` picks. How many there were.
    pub fn revoke_where(&self, fate: Fate, chosen: impl Fn(&Grant<G>) -> bool) -> usize {
        self.live()
            .iter()
            .filter(|grant| chosen(grant) && self.end(grant, fate))
            .count()
    }

    /// Ends the live grants of `owner`, and looks at no others. How many there were.
    pub fn revoke_owned(&self, fate: Fate, owner: &SessionId) -> usize {
        let owned: Vec<_> = self.table().shelf.owned(owner).cloned().collect();
        owned.iter().filter(|grant| self.end(grant, fate)).count()
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

    fn take_due(&self, now: Moment) -> Option<Vec<Name>> {
        self.table_mut().due.take(now)
    }

    /// Something may have to happen to this grant.
    fn attend(&self, name: Name, now: Moment) {
        let Some(grant) = self.named(name) else {
            return;
        };
        self.expire_if_due(&grant);
        let mut table = self.table_mut();
        match grant.term.read() {
            // Used or renewed meanwhile.
            (_, Fate::Live) => table.due.push(grant.expires(), name),
            (ended, _) if now.since(ended) >= defaults::GRANT_AFTERLIFE => {
                table.shelf.remove(&grant);
            }
            // Its end has set the time of its removal.
            _ => {}
        }
    }

    fn expire_if_due(&self, grant: &Arc<Grant<G>>) {
        if grant.expires() <= self.clock.now() {
            self.end(grant, Fate::Expired);
        }
    }

    fn end(&self, grant: &Arc<Grant<G>>, fate: Fate) -> bool {
        let now = self.clock.now();
        let first = grant.term.end(now, fate);
        if first {
            grant.cut();
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
        let mut table = self.table_mut();
        table
            .due
            .push(now.plus(defaults::GRANT_AFTERLIFE), grant.name());
        table.shelf.end(grant);
    }

    fn table(&self) -> RwLockReadGuard<'_, Table<G>> {
        self.table.read().unwrap_or_else(PoisonError::into_inner)
    }

    fn table_mut(&self) -> RwLockWriteGuard<'_, Table<G>> {
        self.table.write().unwrap_or_else(PoisonError::into_inner)
    }
}

impl<G> Table<G> {
    /// The terms that `options` ask for; the ones of the grant before, if they are
    /// the same.
    fn common(&mut self, options: GrantOptions) -> Arc<Terms> {
        let terms = Terms {
            idle: options.idle,
            owner: options.owner,
            origins: options.origins,
            uses: options.uses,
        };
        if let Some(before) = self.terms.as_ref().filter(|before| ***before == terms) {
            return Arc::clone(before);
        }
        if let Origins::Exact(list) = &terms.origins {
            for origin in list {
                if self.named.len() < defaults::NAMED_ORIGINS {
                    self.named.insert(origin.clone());
                }
            }
        }
        let terms = Arc::new(terms);
        self.terms = Some(Arc::clone(&terms));
        terms
    }
}

impl<G> Grant<G> {
    /// Its public name.
    #[must_use]
    pub fn id(&self) -> GrantId {
        GrantId(Id::of(*b"g_", self.name().0))
    }

    /// The session that it ends with.
    #[must_use]
    pub fn owner(&self) -> Option<&SessionId> {
        self.terms.owner.as_ref()
    }

    /// Which pages may read the answer.
    #[must_use]
    pub fn origins(&self) -> &Origins {
        &self.terms.origins
    }

    /// Frames and documents.
    #[must_use]
    pub fn uses(&self) -> Uses {
        self.terms.uses
    }

    /// What became of it.
    #[must_use]
    pub fn fate(&self) -> Fate {
        self.term.read().1
    }

    /// Waits until it ends: what a running stream races against.
    pub async fn ended(&self) -> Fate {
        let notify = self.cut.get_or_init(Box::default);
        loop {
            let cut = notify.notified();
            tokio::pin!(cut);
            // Registered before the check, so that no end slips between.
            cut.as_mut().enable();
            // With the one in `cut`: either the end is seen here, or the waiter there.
            fence(Ordering::SeqCst);
            match self.fate() {
                Fate::Live => cut.await,
                fate => return fate,
            }
        }
    }

    /// Wakes who waits for its end.
    fn cut(&self) {
        fence(Ordering::SeqCst);
        if let Some(cut) = self.cut.get() {
            cut.notify_waiters();
        }
    }

    /// When it ends, as things stand, or when it ended.
    #[must_use]
    pub fn expires(&self) -> Moment {
        let (expires, fate) = self.term.read();
        match self.terms.idle {
            Some(idle) if fate == Fate::Live => self
                .last_used()
                .unwrap_or(self.created)
                .plus(idle)
                .min(expires),
            _ => expires,
        }
    }

    /// When it was last used.
    #[must_use]
    pub fn last_used(&self) -> Option<Moment> {
        match self.used.load(Ordering::Acquire) {
            0 => None,
            nanos => Some(Moment::from_nanos(nanos)),
        }
    }

    /// Counts as use: a request, or bytes that flow.
    pub fn touch(&self, now: Moment) {
        self.used.store(now.nanos(), Ordering::Release);
    }

    fn name(&self) -> Name {
        Name(self.token.first())
    }
}

/// The public name as the table keeps it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
struct Name([u8; 8]);

// === impl Name ===

impl Name {
    fn parse(id: &str) -> Option<Self> {
        let text = id.strip_prefix("g_")?;
        Secret::parse(text).map(|bits| Self(*bits.bytes()))
    }
}

// === impl GrantId ===

impl GrantId {
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
