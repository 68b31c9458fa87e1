//! Which streams of a session make no progress, and which of them gives way.
//!
//! A paused player holds a connection, its buffers and what its source lends it
//! for as long as a person pauses. Where its session asks for more, the stream
//! that has stood still longest is ended; its player asks for the rest when it
//! plays on, and its grant stays. That frees our side: a browser does not notice
//! before it reads on, so the seventh preview comes through another port of the
//! content listener (the console's `media/lanes.ts`).

use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use doorward_guard::{Clock, Moment, SessionId};
use tokio::sync::Notify;

use crate::defaults;

/// The running streams of all sessions.
#[derive(Debug)]
pub(crate) struct Lanes {
    clock: Clock,
    /// In the order in which they began.
    running: Mutex<HashMap<SessionId, Vec<Arc<Lane>>>>,
    evicted: AtomicU64,
}

/// One running stream, as far as its progress goes.
#[derive(Debug)]
pub(crate) struct Lane {
    owner: Option<SessionId>,
    /// Downloads are never ended for another stream: nobody resumes them.
    yields: bool,
    progress: Mutex<Progress>,
    evicted: AtomicBool,
    cut: Notify,
}

#[derive(Clone, Copy, Debug)]
enum Progress {
    /// The source keeps it waiting: its client is not to blame.
    Waits,
    /// The client took bytes, or asked for some, at this time.
    At(Moment),
}

// === impl Lanes ===

impl Lanes {
    pub(super) fn new(clock: &Clock) -> Self {
        Self {
            clock: clock.clone(),
            running: Mutex::default(),
            evicted: AtomicU64::new(0),
        }
    }

    /// A stream begins; at first it waits for its source.
    pub(super) fn begin(&self, owner: Option<&SessionId>, yields: bool) -> Arc<Lane> {
        let lane = Arc::new(Lane {
            owner: owner.cloned(),
            yields,
            progress: Mutex::new(Progress::Waits),
            evicted: AtomicBool::new(false),
            cut: Notify::new(),
        });
        if let Some(owner) = owner {
            let mut running = self.running.lock().unwrap_or_else(PoisonError::into_inner);
            let own = running.entry(owner.clone()).or_default();
            own.push(Arc::clone(&lane));
        }
        lane
    }

    pub(super) fn end(&self, lane: &Arc<Lane>) {
        let Some(owner) = &lane.owner else { return };
        let mut running = self.running.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(own) = running.get_mut(owner) {
            own.retain(|other| !Arc::ptr_eq(other, lane));
            if own.is_empty() {
                running.remove(owner);
            }
        }
    }

    /// Ends the stream of `session` that has stood still longest, if
    /// [`defaults::STALLED_MOST`] stand still, or if it does so for
    /// [`defaults::STALLED_LONG`]. Whether one was ended.
    pub(super) fn make_room(&self, session: &SessionId) -> bool {
        let now = self.clock.now();
        let running = self.running.lock().unwrap_or_else(PoisonError::into_inner);
        let Some(own) = running.get(session) else {
            return false;
        };
        let stalled: Vec<_> = own
            .iter()
            .map(|lane| (lane.stalled(now), lane))
            .filter(|(still, _)| *still >= defaults::STALLED_AFTER)
            .collect();
        let crowded = stalled.len() >= defaults::STALLED_MOST;
        // Of equals the last of the iterator is taken: the one that began first.
        let longest = stalled
            .iter()
            .rev()
            .filter(|(_, lane)| lane.yields)
            .max_by_key(|(still, _)| *still);
        match longest {
            Some((still, lane)) if crowded || *still >= defaults::STALLED_LONG => {
                lane.evict();
                self.evicted.fetch_add(1, Ordering::Relaxed);
                true
            }
            _ => false,
        }
    }

    pub(super) fn evicted(&self) -> u64 {
        self.evicted.load(Ordering::Relaxed)
    }
}

// === impl Lane ===

impl Lane {
    /// The client takes bytes. For whoever sends them, however that is done.
    pub(crate) fn progress(&self, now: Moment) {
        self.set(Progress::At(now));
    }

    /// The source keeps the stream waiting.
    pub(crate) fn waits(&self) {
        self.set(Progress::Waits);
    }

    /// Whether it had to give way.
    pub(crate) fn is_evicted(&self) -> bool {
        self.evicted.load(Ordering::Acquire)
    }

    /// Waits until it has to give way.
    pub(crate) async fn evicted(&self) {
        loop {
            let cut = self.cut.notified();
            tokio::pin!(cut);
            // Registered before the check, so that no end slips between.
            cut.as_mut().enable();
            if self.is_evicted() {
                return;
            }
            cut.await;
        }
    }

    fn evict(&self) {
        self.evicted.store(true, Ordering::Release);
        self.cut.notify_waiters();
    }

    /// For how long its client has taken nothing.
    fn stalled(&self, now: Moment) -> Duration {
        let progress = *self.progress.lock().unwrap_or_else(PoisonError::into_inner);
        match progress {
            Progress::At(at) if !self.is_evicted() => now.since(at),
            Progress::At(_) | Progress::Waits => Duration::ZERO,
        }
    }

    fn set(&self, progress: Progress) {
        *self.progress.lock().unwrap_or_else(PoisonError::into_inner) = progress;
    }
}

#[cfg(test)]
#[path = "lanes_tests.rs"]
mod tests;
