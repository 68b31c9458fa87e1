//! Between a store and a stream: what is asked for, how often, and what is kept.
//!
//! A body that breaks off goes on from the next byte ([`resume`]). Everything
//! here reads one pinned version; an answer that does not prove to be of it is an
//! error, never a byte.

pub(crate) mod link;
pub(crate) mod resume;
#[cfg(test)]
pub(crate) mod script;
pub(crate) mod stats;
pub(crate) mod wire;

use std::fmt;
use std::sync::Arc;
use std::task::{Context, Poll};

use bytes::Bytes;

use crate::error::MediaError;
use link::Link;
use resume::Resumed;
use stats::Counts;
pub use stats::FetchStats;

/// What is known of one source, shared by everything that reads from it.
#[derive(Debug, Default)]
pub(crate) struct Line {
    pub(crate) link: Link,
    pub(crate) counts: Counts,
}

/// The bytes of a store's object, read only as they are asked for.
pub struct Body(Box<Resumed>);

// === impl Line ===

impl Line {
    pub(crate) fn new() -> Arc<Self> {
        Arc::new(Self::default())
    }

    pub(crate) fn stats(&self) -> FetchStats {
        self.counts.read(self.link.is_far())
    }
}

// === impl Body ===

impl Body {
    /// The bytes of one answer, taken up again where it breaks off.
    pub(crate) fn straight(body: Resumed) -> Self {
        Self(Box::new(body))
    }

    /// The next bytes. Ends cleanly only after the last promised byte.
    pub(crate) fn poll_next(
        &mut self,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Bytes, MediaError>>> {
        self.0.poll_next(cx)
    }
}

impl fmt::Debug for Body {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Body(..)")
    }
}

/// A length in memory as one of an object.
pub(crate) fn length(bytes: usize) -> u64 {
    u64::try_from(bytes).unwrap_or(u64::MAX)
}
