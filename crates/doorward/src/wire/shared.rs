//! What the connection's two halves and the dispatcher know of it, and tell each other.

use std::future::Future;
use std::pin::Pin;
use std::sync::atomic::{AtomicBool, AtomicU8, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll};

use doorward_guard::policy::Drain;
use doorward_guard::{Connection, Guard, Lane, raw};
use futures_util::task::AtomicWaker;

/// With so much given, a body waits until the kernel took it all: what a slow
/// reader costs is one chunk, unless chunks are very small.
const AHEAD: usize = 16 * 1024;

/// What the connection's two halves and the dispatcher know of it, and tell each other.
pub(crate) struct Shared {
    pub(crate) guard: Arc<Guard>,
    pub(crate) connection: Connection,
    pub(super) answering: AtomicUsize,
    pub(super) begun: AtomicUsize,
    pub(super) drain: AtomicU8,
    pub(super) linger: AtomicBool,
    pub(super) until: Mutex<Option<Until>>,
    /// What bodies left to the connection to send; never used if it cannot.
    pub(super) lane: Arc<Lane>,
    pub(super) fetches: AtomicBool,
    /// Bytes that the body gave since everything was written.
    pub(super) ahead: AtomicUsize,
    /// A body that waits until everything is written.
    pub(super) waiting: AtomicWaker,
}

/// What cuts the answer off that is on its way.
pub(super) type Until = Pin<Box<dyn Future<Output = ()> + Send>>;

impl std::fmt::Debug for Shared {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Shared")
            .field("answering", &self.answering)
            .finish_non_exhaustive()
    }
}

impl Shared {
    /// `guard` judges what comes on `connection`.
    pub(crate) fn new(guard: Arc<Guard>, connection: Connection) -> Self {
        Self {
            guard,
            connection,
            answering: AtomicUsize::new(0),
            begun: AtomicUsize::new(0),
            drain: AtomicU8::new(Drain::Api as u8),
            linger: AtomicBool::new(false),
            until: Mutex::default(),
            lane: Arc::default(),
            fetches: AtomicBool::new(false),
            ahead: AtomicUsize::new(0),
            waiting: AtomicWaker::new(),
        }
    }

    /// A request is being answered: the connection is not idle.
    pub(crate) fn begin(&self) {
        self.answering.fetch_add(1, Ordering::AcqRel);
        self.begun.fetch_add(1, Ordering::AcqRel);
    }

    /// Its answer was sent, or given up.
    pub(crate) fn end(&self) {
        self.answering.fetch_sub(1, Ordering::AcqRel);
    }

    /// How many requests were answered, or given up.
    pub(super) fn answered(&self) -> usize {
        let begun = self.begun.load(Ordering::Acquire);
        begun.wrapping_sub(self.answering.load(Ordering::Acquire))
    }

    /// Whether so many were: a head that hyper has may not be in a handler's hands yet.
    pub(super) fn has_answered(&self, heads: usize) -> bool {
        self.answered() >= heads
    }

    /// Something is being answered, or was and is not written yet.
    pub(super) fn is_busy(&self) -> bool {
        self.answering.load(Ordering::Acquire) > 0 || self.ahead.load(Ordering::Acquire) > 0
    }

    /// How long the client may take over the answer that comes now.
    pub(crate) fn drain_as(&self, drain: Drain) {
        self.drain.store(drain as u8, Ordering::Release);
    }

    /// The connection closes after this answer, with input unread.
    pub(crate) fn linger(&self) {
        self.linger.store(true, Ordering::Release);
    }

    /// Cuts the answer off when `end` comes; what was there for an earlier answer
    /// is forgotten.
    pub(crate) fn cut_at(&self, end: Option<Until>) {
        *self.until.lock().unwrap_or_else(PoisonError::into_inner) = end;
    }

    /// Lets a body leave its bytes to the connection, if that can fetch them.
    pub(crate) fn arm(&self, raw: &raw::Raw) {
        if self.fetches.load(Ordering::Acquire) {
            raw.arm(&self.lane);
        }
    }

    /// Waits until a body may give more: hyper would take 160 KiB of it ahead of
    /// a client that reads slowly.
    pub(crate) fn poll_more(&self, cx: &mut Context<'_>) -> Poll<()> {
        self.poll_ahead(cx, AHEAD)
    }

    /// From now on something is unwritten, if only the head or a placeholder.
    pub(crate) fn hold(&self) {
        self.ahead.fetch_add(1, Ordering::AcqRel);
    }

    /// Waits until everything is written.
    pub(crate) fn poll_written(&self, cx: &mut Context<'_>) -> Poll<()> {
        self.poll_ahead(cx, 1)
    }

    fn poll_ahead(&self, cx: &mut Context<'_>, below: usize) -> Poll<()> {
        let written = || self.ahead.load(Ordering::Acquire) < below;
        if written() {
            return Poll::Ready(());
        }
        self.waiting.register(cx.waker());
        // It may have been written since.
        if written() {
            return Poll::Ready(());
        }
        Poll::Pending
    }

    /// A body gave these bytes. Placeholders take no memory.
    pub(crate) fn gave(&self, bytes: &[u8]) {
        if !raw::is_placeholder(bytes) {
            self.ahead.fetch_add(bytes.len(), Ordering::AcqRel);
        }
    }

    pub(super) fn poll_cut(&self, cx: &mut Context<'_>) -> Poll<()> {
        let mut until = self.until.lock().unwrap_or_else(PoisonError::into_inner);
        match until.as_mut() {
            Some(end) => end.as_mut().poll(cx),
            None => Poll::Pending,
        }
    }

    pub(super) fn drain(&self) -> Drain {
        let drain = self.drain.load(Ordering::Acquire);
        [Drain::Media, Drain::Events]
            .into_iter()
            .find(|&known| known as u8 == drain)
            .unwrap_or(Drain::Api)
    }
}
