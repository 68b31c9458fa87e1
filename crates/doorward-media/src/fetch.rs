//! Between a store and a stream: what is asked for, how often, and what is kept.
//!
//! A body that breaks off goes on from the next byte ([`resume`]). Small ranges
//! are kept, and asked for once however many want them ([`stock`], [`flight`],
//! [`pieces`]). A long range of a source that is far comes by several connections
//! ([`ahead`]), and straight from any other. Everything here reads one pinned version; an answer that does not
//! prove to be of it is an error, never a byte.

pub(crate) mod ahead;
pub(crate) mod flight;
pub(crate) mod link;
mod meter;
pub(crate) mod pieces;
pub(crate) mod resume;
#[cfg(test)]
pub(crate) mod script;
pub(crate) mod stats;
pub(crate) mod stock;
mod tuning;
pub(crate) mod wire;

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::task::{Context, Poll};

use bytes::Bytes;

use crate::defaults;
use crate::error::MediaError;
use ahead::Ahead;
use link::Link;
use pieces::Pieces;
use resume::Resumed;
use stats::Counts;
pub use stats::FetchStats;
use stock::Stock;
pub use tuning::MediaTuning;

/// What is known of one source, shared by everything that reads from it.
#[derive(Debug)]
pub(crate) struct Line {
    /// Its name among the lines of this process.
    pub(crate) id: u64,
    pub(crate) link: Link,
    pub(crate) counts: Counts,
    pub(crate) stock: Arc<Stock>,
    /// It has answered a range with everything.
    whole_only: AtomicBool,
}

/// The bytes of a store's object, read only as they are asked for.
pub struct Body(Kind);

enum Kind {
    Straight(Box<Resumed>),
    /// Straight, until the source turns out to be far; looked at from this byte
    /// on.
    Widening(Box<Resumed>, u64),
    Pieces(Box<Pieces>),
    Ahead(Ahead),
    /// Only while one kind becomes another.
    Nothing,
}

// === impl Line ===

impl Line {
    /// A line of its own, with the memory of `stock`.
    pub(crate) fn new(stock: &Arc<Stock>) -> Arc<Self> {
        static IDS: AtomicU64 = AtomicU64::new(0);
        Arc::new(Self {
            id: IDS.fetch_add(1, Ordering::Relaxed),
            link: Link::default(),
            counts: Counts::default(),
            stock: Arc::clone(stock),
            whole_only: AtomicBool::new(false),
        })
    }

    pub(crate) fn stats(&self) -> FetchStats {
        self.counts.read(self.link.is_far())
    }

    /// Whether it gives ranges, as far as is known.
    pub(crate) fn gives_ranges(&self) -> bool {
        !self.whole_only.load(Ordering::Relaxed)
    }

    /// Notes that it gave everything for a range: nothing is split up any more.
    pub(crate) fn ignores_ranges(&self) {
        self.whole_only.store(true, Ordering::Relaxed);
    }
}

// === impl Body ===

impl Body {
    /// The bytes of one answer, taken up again where it breaks off.
    pub(crate) fn straight(body: Resumed) -> Self {
        Self(Kind::Straight(Box::new(body)))
    }

    /// The same, which may be split up once its source turns out to be far.
    pub(crate) fn widening(body: Resumed) -> Self {
        let (at, _) = body.bounds();
        Self(Kind::Widening(Box::new(body), at))
    }

    /// A long range, from several connections.
    pub(crate) fn ahead(ahead: Ahead) -> Self {
        Self(Kind::Ahead(ahead))
    }

    /// A small range.
    pub(crate) fn pieces(pieces: Pieces) -> Self {
        Self(Kind::Pieces(Box::new(pieces)))
    }

    /// The next bytes. Ends cleanly only after the last promised byte.
    pub(crate) fn poll_next(
        &mut self,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Bytes, MediaError>>> {
        if let Kind::Widening(body, look) = &mut self.0
            && body.bounds().0 >= *look
        {
            *look = look.saturating_add(defaults::WIDEN_EVERY);
            self.widen();
        }
        match &mut self.0 {
            Kind::Straight(body) | Kind::Widening(body, _) => body.poll_next(cx),
            Kind::Ahead(ahead) => ahead.poll_next(cx),
            Kind::Nothing => Poll::Ready(None),
            Kind::Pieces(pieces) => pieces.poll_next(cx),
        }
    }
}

impl Body {
    fn widen(&mut self) {
        let Kind::Widening(body, look) = std::mem::replace(&mut self.0, Kind::Nothing) else {
            return;
        };
        let (at, end) = body.bounds();
        let line = body.line();
        let long = end.saturating_sub(at) > defaults::SMALL;
        self.0 = if long && line.gives_ranges() && line.link.is_far() {
            match Ahead::take_over(body) {
                Ok(ahead) => Kind::Ahead(ahead),
                Err(body) => Kind::Widening(body, look),
            }
        } else {
            Kind::Widening(body, look)
        };
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
