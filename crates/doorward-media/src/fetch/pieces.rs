//! A small range, out of what is kept and what is under way.
//!
//! What is missing is asked for once, however many want it. A request that fails
//! fails whoever began it; those who joined it try once more on their own.

use std::fmt;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use bytes::Bytes;

use super::flight::{Cursor, Flight, Outcome, Told};
use super::resume::Resumed;
use super::stock::{Edition, Found, Gait, Stock};
use super::wire::Upstream;
use super::{Body, Line, length};
use crate::error::MediaError;
use crate::range::ByteRange;
use crate::source::{Chunks, Reading, Version};

/// A version whose bytes may be kept and shared.
#[derive(Clone, Debug)]
pub(crate) struct Shareable {
    pub(crate) edition: Edition,
    pub(crate) version: Arc<Version>,
    pub(crate) upstream: Arc<dyn Upstream>,
    pub(crate) line: Arc<Line>,
}

/// How a small range begins.
pub(crate) enum Opened {
    /// With its bytes.
    Pieces(Pieces),
    /// With an answer of its own, such as everything.
    Alone(Reading),
    /// Not at all: it cannot be shared now.
    Nowhere,
}

/// The bytes of a small range.
pub(crate) struct Pieces {
    of: Shareable,
    at: u64,
    end: u64,
    gait: Gait,
    from: From,
    /// It has outlived a request of somebody else's.
    tried: bool,
}

enum From {
    Unknown,
    Kept(Bytes),
    Flight {
        flight: Arc<Flight>,
        cursor: Option<Cursor>,
        own: bool,
    },
    /// There was no room to share.
    Straight(Box<Resumed>),
}

// === impl Shareable ===

impl Shareable {
    fn stock(&self) -> &Arc<Stock> {
        &self.line.stock
    }

    /// Opens a range: returns once its first bytes are known to come.
    pub(crate) async fn open(self, range: ByteRange) -> Result<Opened, MediaError> {
        let mut pieces = Pieces::new(self, range);
        loop {
            pieces.find();
            let From::Flight { flight, own, .. } = &pieces.from else {
                return Ok(match pieces.from {
                    From::Kept(_) => Opened::Pieces(pieces),
                    _ => Opened::Nowhere,
                });
            };
            match flight.told().await {
                Ok(Told::Bytes(..)) => return Ok(Opened::Pieces(pieces)),
                Ok(Told::Alone) => {
                    return Ok(flight.take_alone().map_or(Opened::Nowhere, Opened::Alone));
                }
                Ok(Told::Unsatisfiable) => return Err(MediaError::Changed),
                Err(error) if *own || pieces.tried => return Err(error),
                Err(_) => pieces.tried = true,
            }
        }
    }

    /// The bytes of a request that is under way already.
    pub(crate) fn join(self, flight: Arc<Flight>, range: ByteRange, own: bool) -> Pieces {
        let mut pieces = Pieces::new(self, range);
        pieces.from = From::Flight {
            flight,
            cursor: None,
            own,
        };
        pieces
    }

    fn ask(&self, bounds: (u64, u64)) -> impl Future<Output = Result<Outcome, MediaError>> + use<> {
        let Self {
            edition,
            version,
            upstream,
            line,
        } = self.clone();
        let range = ByteRange::new(bounds.0, bounds.1.saturating_sub(1));
        async move {
            let part = upstream.get(range).await?;
            let whole = (0, version.size);
            match (part.range, range) {
                (Some(given), Some(range)) if given == range => Ok(Outcome::Bytes {
                    edition,
                    version,
                    range,
                    body: Box::new(Resumed::open(part.body, bounds, Some(upstream), &line)),
                }),
                (None, _) => {
                    if bounds != whole {
                        line.ignores_ranges();
                    }
                    let body = Resumed::open(part.body, whole, Some(upstream), &line);
                    Ok(Outcome::Alone(Reading {
                        version,
                        range: None,
                        chunks: Chunks::Stored(Body::straight(body)),
                    }))
                }
                (Some(_), _) => {
                    let what = "another range than asked for";
                    Err(MediaError::UpstreamWrong(what.to_owned()))
                }
            }
        }
    }
}

// === impl Pieces ===

impl Pieces {
    fn new(of: Shareable, range: ByteRange) -> Self {
        let (at, end) = (range.first(), range.last().saturating_add(1));
        let gait = of.stock().step(&of.edition, (at, end));
        Self {
            of,
            at,
            end,
            gait,
            from: From::Unknown,
            tried: false,
        }
    }

    /// The next bytes.
    pub(crate) fn poll_next(
        &mut self,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Bytes, MediaError>>> {
        loop {
            if self.at >= self.end {
                self.from = From::Unknown;
                return Poll::Ready(None);
            }
            match &mut self.from {
                From::Unknown => {
                    self.find();
                    if matches!(self.from, From::Unknown) {
                        let upstream = Arc::clone(&self.of.upstream);
                        let rest = Resumed::ask_for((self.at, self.end), upstream, &self.of.line);
                        self.from = From::Straight(Box::new(rest));
                    }
                }
                From::Kept(bytes) => {
                    let bytes = std::mem::take(bytes);
                    self.from = From::Unknown;
                    return Poll::Ready(Some(Ok(self.give(bytes))));
                }
                From::Flight {
                    flight,
                    cursor,
                    own,
                } => match ready!(flight.poll_read(self.at, cursor, cx)) {
                    Some(Ok(bytes)) => return Poll::Ready(Some(Ok(self.give(bytes)))),
                    Some(Err(error)) if *own || self.tried => {
                        self.at = self.end;
                        return Poll::Ready(Some(Err(error)));
                    }
                    Some(Err(_)) => {
                        self.tried = true;
                        self.from = From::Unknown;
                    }
                    None => self.from = From::Unknown,
                },
                From::Straight(rest) => {
                    let next = ready!(rest.poll_next(cx));
                    self.at = match &next {
                        Some(Ok(bytes)) => self.at.saturating_add(length(bytes.len())),
                        Some(Err(_)) | None => self.end,
                    };
                    return Poll::Ready(next);
                }
            }
        }
    }

    fn give(&mut self, mut bytes: Bytes) -> Bytes {
        let left = self.end.saturating_sub(self.at);
        bytes.truncate(usize::try_from(left).unwrap_or(usize::MAX));
        self.at = self.at.saturating_add(length(bytes.len()));
        bytes
    }

    /// Looks for the bytes at `at`; leaves [`From::Unknown`] if nobody can share.
    fn find(&mut self) {
        let of = &self.of;
        let bounds = (self.at, self.end);
        let found = of
            .stock()
            .find(&of.edition, bounds, self.gait, |spots, budget, bounds| {
                Flight::start(of.stock(), spots, budget, of.ask(bounds))
            });
        self.from = match found {
            Found::Kept(bytes) => {
                of.line.counts.kept.add(length(bytes.len()));
                From::Kept(bytes)
            }
            Found::Flight(flight, own) => {
                if !own {
                    of.line.counts.shared.one();
                }
                From::Flight {
                    flight,
                    cursor: None,
                    own,
                }
            }
            Found::Nowhere => From::Unknown,
        };
    }
}

impl fmt::Debug for Pieces {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Pieces")
            .field("at", &self.at)
            .field("end", &self.end)
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
#[path = "pieces_tests.rs"]
mod tests;
