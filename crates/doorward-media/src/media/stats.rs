//! What runs, what was served, and which of it is news.

use std::collections::{BTreeMap, HashMap};
use std::fmt;
use std::ops::Bound;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use doorward_guard::table::grants::Fate;
use doorward_guard::{Clock, Grant, GrantId, Moment, SessionId};

use super::lanes::{Lane, Lanes};
use super::notice::Notices;
use crate::defaults;
use crate::error::MediaError;
use crate::grant::{Disposition, MediaGrant};
use crate::stream::Cut;

type Held = Arc<Grant<MediaGrant>>;

/// Counters of the whole room. Its lists are bounded by what runs, not by how
/// many grants there are.
pub(crate) struct Stats {
    notices: Arc<Notices>,
    pub(super) lanes: Lanes,
    bytes: AtomicU64,
    streams: AtomicU64,
    /// By the grant's address: it lives as long as it is in here.
    running: Mutex<HashMap<usize, (Held, usize)>>,
    news: Mutex<Vec<Held>>,
    /// Live grants that were asked for, by age: of a million minted ones, a few.
    used: Mutex<BTreeMap<Age, Held>>,
}

/// Where a grant stands among others of its room.
type Age = (Moment, GrantId);

/// A body on its way, counted until it is dropped.
pub(crate) struct Running {
    pub(crate) grant: Held,
    pub(crate) stats: Arc<Stats>,
    pub(crate) lane: Arc<Lane>,
}

impl Stats {
    pub(super) fn new(clock: &Clock, notices: &Arc<Notices>) -> Self {
        Self {
            notices: Arc::clone(notices),
            lanes: Lanes::new(clock),
            bytes: AtomicU64::new(0),
            streams: AtomicU64::new(0),
            running: Mutex::default(),
            news: Mutex::default(),
            used: Mutex::default(),
        }
    }

    pub(super) fn bytes(&self) -> u64 {
        self.bytes.load(Ordering::Relaxed)
    }

    pub(super) fn streams(&self) -> u64 {
        self.streams.load(Ordering::Relaxed)
    }

    pub(super) fn streaming_sessions(&self) -> Vec<SessionId> {
        let running = self.running.lock().unwrap_or_else(PoisonError::into_inner);
        let mut sessions: Vec<SessionId> = running
            .values()
            .filter_map(|(grant, _)| grant.owner().cloned())
            .collect();
        sessions.sort_unstable();
        sessions.dedup();
        sessions
    }

    /// Grants whose numbers changed, the first [`defaults::STATS_AT_ONCE`] of them.
    pub(super) fn take_news(&self) -> Vec<Held> {
        let mut news = self.news.lock().unwrap_or_else(PoisonError::into_inner);
        let most = news.len().min(defaults::STATS_AT_ONCE);
        let taken: Vec<_> = news.drain(..most).collect();
        for grant in &taken {
            grant.data.is_told();
        }
        taken
    }

    pub(crate) fn request(&self, grant: &Held) -> Result<(), MediaError> {
        if let Some(owner) = grant.owner() {
            self.lanes.make_room(owner);
        }
        if grant.data.count_request()? {
            self.used().insert(age(grant), Arc::clone(grant));
            // It may have ended just before it stood there.
            if grant.fate() != Fate::Live {
                self.ended(grant);
            }
        }
        self.is_news(grant);
        Ok(())
    }

    pub(super) fn ended(&self, grant: &Grant<MediaGrant>) {
        // Whether it was used or not: its first request may be on its way.
        self.used().remove(&age(grant));
    }

    /// At most `most` of the live grants that were asked for, newest first, from
    /// below `after` on; and how many there are.
    pub(crate) fn used_grants(&self, after: Option<&Held>, most: usize) -> (Vec<Held>, usize) {
        let used = self.used();
        let below = after.map_or(Bound::Unbounded, |after| Bound::Excluded(age(after)));
        let page = used.range((Bound::Unbounded, below)).rev().take(most);
        (
            page.map(|(_, grant)| Arc::clone(grant)).collect(),
            used.len(),
        )
    }

    fn used(&self) -> MutexGuard<'_, BTreeMap<Age, Held>> {
        self.used.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Up to `bytes` are sent; how many may be.
    pub(crate) fn count(&self, grant: &Held, bytes: u64) -> u64 {
        let bytes = grant.data.count_bytes(bytes);
        self.bytes.fetch_add(bytes, Ordering::Relaxed);
        self.is_news(grant);
        bytes
    }

    /// A body begins.
    pub(crate) fn stream_begins(self: &Arc<Self>, grant: &Held) -> Result<Running, MediaError> {
        grant.data.stream_begins()?;
        self.streams.fetch_add(1, Ordering::Relaxed);
        let mut running = self.running.lock().unwrap_or_else(PoisonError::into_inner);
        let entry = running
            .entry(address(grant))
            .or_insert_with(|| (Arc::clone(grant), 0));
        entry.1 += 1;
        drop(running);
        let yields = grant.data.disposition() != Disposition::Download;
        Ok(Running {
            grant: Arc::clone(grant),
            stats: Arc::clone(self),
            lane: self.lanes.begin(grant.owner(), yields),
        })
    }

    fn stream_ends(&self, grant: &Held, lane: &Arc<Lane>) {
        self.lanes.end(lane);
        self.streams.fetch_sub(1, Ordering::Relaxed);
        grant.data.stream_ends();
        let mut running = self.running.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(entry) = running.get_mut(&address(grant)) {
            entry.1 = entry.1.saturating_sub(1);
            if entry.1 == 0 {
                running.remove(&address(grant));
            }
        }
        drop(running);
        self.is_news(grant);
    }

    /// A body was cut, or a request failed, because of this.
    pub(crate) fn failed(&self, grant: &Held, error: &MediaError) {
        if matches!(error, MediaError::Changed) {
            self.notices.changed(grant);
        }
        tracing::debug!(grant = %grant.id(), error = %error, "media failed");
    }

    pub(crate) fn cut(&self, grant: &Held, cut: &Cut) {
        match cut {
            Cut::Source(error) => self.failed(grant, error),
            Cut::Ended(_) | Cut::Evicted | Cut::Spent => {}
            Cut::Short(_) | Cut::Long => tracing::debug!(grant = %grant.id(), %cut, "media failed"),
        }
    }

    fn is_news(&self, grant: &Held) {
        if grant.data.becomes_news() {
            let mut news = self.news.lock().unwrap_or_else(PoisonError::into_inner);
            news.push(Arc::clone(grant));
        }
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        self.stats.stream_ends(&self.grant, &self.lane);
    }
}

fn age(grant: &Grant<MediaGrant>) -> Age {
    (grant.created, grant.id())
}

fn address(grant: &Held) -> usize {
    Arc::as_ptr(grant).addr()
}

impl fmt::Debug for Stats {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Stats")
            .field("streams", &self.streams())
            .field("bytes", &self.bytes())
            .finish_non_exhaustive()
    }
}
