//! What fetching comes to, counted per source.

use std::sync::atomic::{AtomicU64, Ordering};

/// What one source was asked for since the start, and what was spared.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct FetchStats {
    /// Requests for bytes or for an object's headers. Listings are not among them.
    pub requests: u64,
    /// Bytes of bodies that arrived from the source.
    pub received: u64,
    /// Bodies that broke off before their end.
    pub drops: u64,
    /// Bodies that were taken up again where they broke off.
    pub resumes: u64,
    /// Bytes that were kept from before, and so not asked for.
    pub kept: u64,
    /// Reads that joined a request of another's.
    pub shared: u64,
    /// Streams that were read ahead by several connections.
    pub ahead: u64,
    /// How often such a stream let go of what waited, because nobody read it.
    pub let_go: u64,
    /// Whether it is far or slow, as far as was measured: several connections
    /// would get more out of it than one.
    pub far: bool,
}

#[derive(Debug, Default)]
pub(crate) struct Counts {
    pub(crate) requests: Count,
    pub(crate) received: Count,
    pub(crate) drops: Count,
    pub(crate) resumes: Count,
    pub(crate) kept: Count,
    pub(crate) shared: Count,
    pub(crate) ahead: Count,
    pub(crate) let_go: Count,
}

#[derive(Debug, Default)]
pub(crate) struct Count(AtomicU64);

// === impl Counts ===

impl Counts {
    pub(crate) fn read(&self, far: bool) -> FetchStats {
        FetchStats {
            requests: self.requests.read(),
            received: self.received.read(),
            drops: self.drops.read(),
            resumes: self.resumes.read(),
            kept: self.kept.read(),
            shared: self.shared.read(),
            ahead: self.ahead.read(),
            let_go: self.let_go.read(),
            far,
        }
    }
}

// === impl Count ===

impl Count {
    pub(crate) fn one(&self) {
        self.add(1);
    }

    pub(crate) fn add(&self, more: u64) {
        self.0.fetch_add(more, Ordering::Relaxed);
    }

    fn read(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }
}
