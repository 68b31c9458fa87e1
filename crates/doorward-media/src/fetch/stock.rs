//! What a room keeps of its stores' bytes, and what is under way.
//!
//! Bytes are kept under the source, the key, the version's strong tag and their
//! place in the object: never under a name alone, and never for another source,
//! which may have other rights. Small ranges become pieces: blocks that are
//! aligned once reading goes on nearby, exactly what was asked for before that, so
//! that a read here and there costs nothing beyond itself.

use std::collections::HashMap;
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};

use bytes::Bytes;
use quick_cache::sync::{Cache, DefaultLifecycle};
use quick_cache::{DefaultHashBuilder, OptionsBuilder, Weighter};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use super::flight::{Flight, joined};
use super::{MediaTuning, length};
use crate::defaults::{self, BLOCK};
use crate::name::Key;
use crate::range::RangeSpec;

/// One room's share of memory for all its stores.
pub(crate) struct Stock {
    pub(crate) tuning: MediaTuning,
    pieces: Cache<Piece, Bytes, Weight>,
    trails: Cache<Edition, Trail>,
    flights: Mutex<HashMap<Spot, Weak<Flight>>>,
    underway: Arc<Semaphore>,
    streams: Arc<Semaphore>,
}

/// One version of one object of one source.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Edition(Arc<Named>);

#[derive(Debug, PartialEq, Eq, Hash)]
struct Named {
    line: u64,
    key: Key,
    tag: String,
    size: u64,
}

/// Some bytes of an edition.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Piece {
    edition: Edition,
    first: u64,
    end: u64,
}

/// The name of a request under way.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Spot {
    /// For bytes of a known version.
    Piece(Piece),
    /// For a range of whatever version there is.
    Opening(u64, Key, String),
}

/// How an edition was read last.
#[derive(Clone, Copy, Debug)]
struct Trail {
    /// Where the last range ended.
    end: u64,
    /// How much the last request for blocks asked for.
    run: u64,
}

/// How a range relates to the one before it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Gait {
    /// It goes on where that one ended.
    Onward,
    /// It is close by.
    Near,
    /// It is somewhere else, or the first.
    Elsewhere,
}

#[derive(Clone)]
struct Weight;

/// Where bytes are to be had.
pub(crate) enum Found {
    /// Kept.
    Kept(Bytes),
    /// On their way; `true` if they were asked for just now.
    Flight(Arc<Flight>, bool),
    /// Nowhere, and there is no room to share them.
    Nowhere,
}

// === impl Stock ===

impl Stock {
    pub(crate) fn new(tuning: MediaTuning) -> Arc<Self> {
        Arc::new(Self::with(tuning))
    }

    fn with(tuning: MediaTuning) -> Self {
        let permits = usize::try_from(tuning.underway / KIB).unwrap_or(usize::MAX);
        Self {
            tuning,
            pieces: pieces(tuning.cache),
            trails: Cache::new(defaults::TRAILS),
            flights: Mutex::default(),
            underway: Arc::new(Semaphore::new(permits.min(Semaphore::MAX_PERMITS))),
            streams: Arc::new(Semaphore::new(
                tuning.ahead_streams.min(Semaphore::MAX_PERMITS),
            )),
        }
    }

    /// Room for so many bytes on their way; `None` if there is none now.
    pub(crate) fn reserve(&self, bytes: u64) -> Option<OwnedSemaphorePermit> {
        let permits = u32::try_from(bytes.div_ceil(KIB)).ok()?;
        Arc::clone(&self.underway)
            .try_acquire_many_owned(permits)
            .ok()
    }

    /// A place among the streams that are read ahead; `None` if all are taken.
    pub(crate) fn stream(&self) -> Option<OwnedSemaphorePermit> {
        Arc::clone(&self.streams).try_acquire_owned().ok()
    }

    /// Notes that `first..end` is read now, and tells how that goes on from the
    /// last time.
    pub(crate) fn step(&self, edition: &Edition, (first, end): (u64, u64)) -> Gait {
        let last = self.trails.get(edition);
        let run = last.map_or(0, |last| last.run);
        self.trails.insert(edition.clone(), Trail { end, run });
        match last {
            Some(last) if first >= last.end && first - last.end <= BLOCK => Gait::Onward,
            Some(last) if first.abs_diff(last.end) <= BLOCK => Gait::Near,
            Some(_) | None => Gait::Elsewhere,
        }
    }

    /// The bytes from `at` on, up to `end` at most, or who brings them. `start`
    /// begins a request for the bytes that it is given.
    pub(crate) fn find(
        self: &Arc<Self>,
        edition: &Edition,
        (at, end): (u64, u64),
        gait: Gait,
        start: impl FnOnce(Vec<Spot>, OwnedSemaphorePermit, (u64, u64)) -> Arc<Flight>,
    ) -> Found {
        let exact = edition.piece(at, end);
        let block = edition.block(at);
        if let Some(bytes) = self.kept(&exact, &block, gait) {
            return Found::Kept(bytes);
        }
        // Dropped after the lock is: the last one takes it.
        let mut failed = Vec::new();
        let mut flights = self.flights();
        for piece in [&exact, &block] {
            let spot = Spot::Piece(piece.clone());
            if let Some(flight) = flights.get(&spot).and_then(Weak::upgrade) {
                if !flight.failed() {
                    return Found::Flight(flight, false);
                }
                failed.push(flight);
            }
        }
        // It may have arrived since.
        if let Some(bytes) = self.kept(&exact, &block, gait) {
            return Found::Kept(bytes);
        }
        let pieces = match gait {
            Gait::Elsewhere => vec![exact],
            Gait::Near => self.run(&flights, &block, end),
            Gait::Onward => {
                let run = self.trails.get(edition).map_or(0, |trail| trail.run * 2);
                let run = run.clamp(BLOCK, defaults::RUN_MOST);
                self.run(&flights, &block, end.max(block.first.saturating_add(run)))
            }
        };
        let (Some(first), Some(last)) = (pieces.first(), pieces.last()) else {
            return Found::Nowhere;
        };
        let bounds = (first.first, last.end);
        let Some(budget) = self.reserve(bounds.1 - bounds.0) else {
            return Found::Nowhere;
        };
        if gait != Gait::Elsewhere
            && let Some(mut trail) = self.trails.get(edition)
        {
            trail.run = bounds.1 - bounds.0;
            self.trails.insert(edition.clone(), trail);
        }
        let spots: Vec<_> = pieces.into_iter().map(Spot::Piece).collect();
        let flight = start(spots.clone(), budget, bounds);
        for spot in spots {
            flights.insert(spot, Arc::downgrade(&flight));
        }
        Found::Flight(flight, true)
    }

    /// The request under way at `spot`, or the one that `start` begins. `None` if
    /// there is no room for `bytes` more.
    pub(crate) fn opening(
        self: &Arc<Self>,
        spot: Spot,
        bytes: u64,
        start: impl FnOnce(Vec<Spot>, OwnedSemaphorePermit) -> Arc<Flight>,
    ) -> Option<(Arc<Flight>, bool)> {
        let mut failed = None;
        let mut flights = self.flights();
        if let Some(flight) = flights.get(&spot).and_then(Weak::upgrade) {
            if !flight.failed() {
                return Some((flight, false));
            }
            failed = Some(flight);
        }
        let budget = self.reserve(bytes)?;
        let flight = start(vec![spot.clone()], budget);
        flights.insert(spot, Arc::downgrade(&flight));
        drop(flights);
        drop(failed);
        Some((flight, true))
    }

    /// Keeps what a request brought: blocks if it was made of them, one piece
    /// otherwise.
    pub(crate) fn keep(&self, edition: &Edition, first: u64, chunks: &[Bytes]) {
        if self.tuning.cache == 0 {
            return;
        }
        let end = chunks
            .iter()
            .fold(first, |end, chunk| end.saturating_add(length(chunk.len())));
        let aligned =
            first.is_multiple_of(BLOCK) && (end.is_multiple_of(BLOCK) || end == edition.0.size);
        let mut at = first;
        while at < end {
            let next = if aligned { edition.block(at).end } else { end };
            let bytes = joined(chunks, first, (at, next));
            self.pieces.insert(edition.piece(at, next), bytes);
            at = next;
        }
    }

    /// A request is over: its readers are gone.
    pub(crate) fn landed(&self, spots: &[Spot]) {
        let mut flights = self.flights();
        for spot in spots {
            // Another may have taken its place.
            if flights
                .get(spot)
                .is_some_and(|known| known.strong_count() == 0)
            {
                flights.remove(spot);
            }
        }
    }

    /// Reading on through an object is no reason to keep it: only what is come
    /// back to counts as used.
    fn kept(&self, exact: &Piece, block: &Piece, gait: Gait) -> Option<Bytes> {
        let look = |piece| match gait {
            Gait::Onward => self.pieces.peek(piece),
            Gait::Near | Gait::Elsewhere => self.pieces.get(piece),
        };
        if let Some(bytes) = look(exact) {
            return Some(bytes);
        }
        let bytes = look(block)?;
        let from = usize::try_from(exact.first - block.first).ok()?;
        let to = usize::try_from(exact.end.min(block.end) - block.first).ok()?;
        (from < to && to <= bytes.len()).then(|| bytes.slice(from..to))
    }

    /// Blocks from `block` on that are neither kept nor on their way, up to the
    /// one with the byte before `end`.
    fn run(&self, flights: &HashMap<Spot, Weak<Flight>>, block: &Piece, end: u64) -> Vec<Piece> {
        let mut pieces = vec![block.clone()];
        let mut at = block.end;
        while at < end.min(block.edition.0.size) {
            let next = block.edition.block(at);
            at = next.end;
            let known = self.pieces.contains_key(&next)
                || flights
                    .get(&Spot::Piece(next.clone()))
                    .is_some_and(|flight| flight.strong_count() > 0);
            if known {
                break;
            }
            pieces.push(next);
        }
        pieces
    }

    fn flights(&self) -> MutexGuard<'_, HashMap<Spot, Weak<Flight>>> {
        self.flights.lock().unwrap_or_else(PoisonError::into_inner)
    }

    #[cfg(test)]
    pub(crate) fn at_rest(&self) -> bool {
        let permits = usize::try_from(self.tuning.underway / KIB).unwrap();
        self.flights().is_empty() && self.underway.available_permits() == permits
    }
}

impl Default for Stock {
    fn default() -> Self {
        Self::with(MediaTuning::default())
    }
}

impl fmt::Debug for Stock {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Stock")
            .field("tuning", &self.tuning)
            .finish_non_exhaustive()
    }
}

const KIB: u64 = 1024;

/// What is read once leaves before what was read again. Blocks that were fetched
/// ahead of a reader stay until it is there: a quarter is for what is new.
fn pieces(bytes: u64) -> Cache<Piece, Bytes, Weight> {
    let blocks = usize::try_from(bytes / BLOCK).unwrap_or(usize::MAX);
    let options = OptionsBuilder::new()
        .estimated_items_capacity(blocks)
        .weight_capacity(bytes)
        .hot_allocation(0.75)
        // Each shard would hold its own share, which may be less than a piece.
        .shards(1)
        .build();
    match options {
        Ok(options) => Cache::with_options(
            options,
            Weight,
            DefaultHashBuilder::default(),
            DefaultLifecycle::default(),
        ),
        Err(_) => Cache::with_weighter(blocks, bytes, Weight),
    }
}

// === impl Edition ===

impl Edition {
    pub(crate) fn new(line: u64, key: &Key, tag: String, size: u64) -> Self {
        Self(Arc::new(Named {
            line,
            key: key.clone(),
            tag,
            size,
        }))
    }

    fn piece(&self, first: u64, end: u64) -> Piece {
        Piece {
            edition: self.clone(),
            first,
            end,
        }
    }

    /// The aligned block around `at`; the last one is shorter.
    fn block(&self, at: u64) -> Piece {
        let first = at - at % BLOCK;
        self.piece(first, first.saturating_add(BLOCK).min(self.0.size))
    }
}

// === impl Spot ===

impl Spot {
    pub(crate) fn opening(line: u64, key: &Key, range: RangeSpec) -> Self {
        Self::Opening(line, key.clone(), range.to_string())
    }
}

// === impl Weight ===

impl Weighter<Piece, Bytes> for Weight {
    fn weight(&self, _: &Piece, bytes: &Bytes) -> u64 {
        length(bytes.len()).saturating_add(defaults::PIECE_OVERHEAD)
    }
}
