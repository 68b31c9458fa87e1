//! Bytes of a body that the listener fetches itself, so that they never pass
//! through this process.
//!
//! A body that knows where its bytes lie puts [`Piece`]s into the connection's
//! [`Lane`] and gives hyper placeholders of the same length instead. The listener
//! knows a placeholder by its address and sends the piece in its place. A
//! placeholder without a piece, or a piece without its placeholder, ends the
//! connection: what a placeholder holds is never sent.

use std::collections::VecDeque;
use std::fs::File;
use std::sync::{Arc, LazyLock, Mutex, MutexGuard, OnceLock, PoisonError};
use std::task::{Context, Poll, Waker};

use bytes::Bytes;

use crate::defaults::RAW_AHEAD;

/// What placeholders point into. Never written and never read: the kernel gives
/// it no memory.
static NOTHING: LazyLock<Box<[u8]>> = LazyLock::new(|| vec![0; RAW_AHEAD].into_boxed_slice());

/// Bytes that lie somewhere else.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub enum Piece {
    /// A part of a regular file.
    File {
        /// The file, open for reading.
        file: Arc<File>,
        /// Where the part begins.
        at: u64,
        /// How long it is.
        length: usize,
    },
}

/// The pieces that one connection still owes, in the order of its bytes. Shared
/// by the connection and the body that it sends; at most [`RAW_AHEAD`] bytes.
#[derive(Debug, Default)]
pub struct Lane {
    held: Mutex<Held>,
}

#[derive(Debug, Default)]
struct Held {
    pieces: VecDeque<Piece>,
    owed: usize,
    /// A body that waits for room.
    waiting: Option<Waker>,
}

/// How a body learns whether its connection can fetch pieces. It cannot until a
/// listener says so: a body that is read in any other way gives its own bytes.
#[derive(Clone, Debug, Default)]
pub struct Raw {
    lane: Arc<OnceLock<Arc<Lane>>>,
}

/// Whether `bytes` stands for a piece.
#[must_use]
pub fn is_placeholder(bytes: &[u8]) -> bool {
    !bytes.is_empty() && NOTHING.as_ptr_range().contains(&bytes.as_ptr())
}

// === impl Raw ===

impl Raw {
    /// Says that the connection can. Only before the body is first asked for
    /// bytes; a second word changes nothing.
    pub fn arm(&self, lane: &Arc<Lane>) {
        let _ = self.lane.set(Arc::clone(lane));
    }

    /// The connection's lane, if it has one.
    #[must_use]
    pub fn lane(&self) -> Option<&Lane> {
        self.lane.get().map(|lane| &**lane)
    }
}

// === impl Lane ===

impl Lane {
    /// Room for more, in bytes. Waits while there is hardly any.
    pub fn poll_room(&self, cx: &mut Context<'_>) -> Poll<usize> {
        let mut held = self.held();
        let room = RAW_AHEAD.saturating_sub(held.owed);
        if room >= RAW_AHEAD / 4 {
            return Poll::Ready(room);
        }
        held.waiting = Some(cx.waker().clone());
        Poll::Pending
    }

    /// Takes a piece and gives its placeholder; `None` for one that is empty or
    /// for which there is no room.
    #[must_use]
    pub fn push(&self, piece: Piece) -> Option<Bytes> {
        let mut held = self.held();
        let length = piece.length();
        let placeholder = NOTHING.get(..length).filter(|bytes| !bytes.is_empty())?;
        let owed = held.owed.checked_add(length)?;
        if owed > RAW_AHEAD {
            return None;
        }
        held.owed = owed;
        match held.pieces.back_mut() {
            Some(last) if last.continues_with(&piece) => last.grow(length),
            _ => held.pieces.push_back(piece),
        }
        Some(Bytes::from_static(placeholder))
    }

    /// Takes back the last `bytes` of the piece that was pushed last: its
    /// placeholder is cut short by as many.
    pub fn take_back(&self, bytes: usize) {
        let mut held = self.held();
        let Some(Piece::File { length, .. }) = held.pieces.back_mut() else {
            return;
        };
        let taken = bytes.min(*length);
        *length -= taken;
        if *length == 0 {
            held.pieces.pop_back();
        }
        held.owed = held.owed.saturating_sub(taken);
    }

    /// How many bytes are still owed.
    #[must_use]
    pub fn owed(&self) -> usize {
        self.held().owed
    }

    /// The piece that is next.
    #[must_use]
    pub fn next(&self) -> Option<Piece> {
        self.held().pieces.front().cloned()
    }

    /// The first `bytes` of the next piece were sent.
    pub fn sent(&self, bytes: usize) {
        let mut held = self.held();
        let done = match held.pieces.front_mut() {
            Some(piece) => piece.shrink(bytes),
            None => return,
        };
        if done {
            held.pieces.pop_front();
        }
        held.owed = held.owed.saturating_sub(bytes);
        if let Some(waiting) = held.waiting.take() {
            waiting.wake();
        }
    }

    fn held(&self) -> MutexGuard<'_, Held> {
        self.held.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

// === impl Piece ===

impl Piece {
    /// How many bytes it stands for.
    #[must_use]
    pub fn length(&self) -> usize {
        match self {
            Self::File { length, .. } => *length,
        }
    }

    /// Whether `next` begins where this one ends: both are then sent at once.
    fn continues_with(&self, next: &Self) -> bool {
        let (
            Self::File { file, at, length },
            Self::File {
                file: other,
                at: begin,
                ..
            },
        ) = (self, next);
        Arc::ptr_eq(file, other) && at.checked_add(*length as u64) == Some(*begin)
    }

    fn grow(&mut self, by: usize) {
        match self {
            Self::File { length, .. } => *length = length.saturating_add(by),
        }
    }

    /// Takes bytes off its front. Whether none is left.
    fn shrink(&mut self, by: usize) -> bool {
        match self {
            Self::File { at, length, .. } => {
                *at = at.saturating_add(by as u64);
                *length = length.saturating_sub(by);
                *length == 0
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::task::Waker;

    use super::*;

    fn piece(file: &Arc<File>, at: u64, length: usize) -> Piece {
        let file = Arc::clone(file);
        Piece::File { file, at, length }
    }

    fn file() -> Arc<File> {
        Arc::new(tempfile())
    }

    fn tempfile() -> File {
        File::open(std::env::current_exe().unwrap()).unwrap()
    }

    #[test]
    fn a_lane_owes_at_most_so_much_and_wakes_who_waits() {
        let (lane, file) = (Lane::default(), file());
        let mut cx = Context::from_waker(Waker::noop());
        assert_eq!(lane.poll_room(&mut cx), Poll::Ready(RAW_AHEAD));
        let placeholder = lane.push(piece(&file, 0, RAW_AHEAD)).unwrap();
        assert_eq!(placeholder.len(), RAW_AHEAD);
        assert!(lane.poll_room(&mut cx).is_pending());
        assert!(lane.push(piece(&file, 0, 1)).is_none());
        assert_eq!(lane.owed(), RAW_AHEAD);
        lane.sent(RAW_AHEAD / 2);
        assert_eq!(lane.poll_room(&mut cx), Poll::Ready(RAW_AHEAD / 2));
        assert!(lane.push(piece(&file, 0, 0)).is_none());
    }

    #[test]
    fn pieces_that_meet_become_one() {
        let (lane, file) = (Lane::default(), file());
        lane.push(piece(&file, 0, 10)).unwrap();
        lane.push(piece(&file, 10, 5)).unwrap();
        lane.push(piece(&file, 16, 5)).unwrap();
        lane.sent(4);
        let Some(Piece::File { at, length, .. }) = lane.next() else {
            panic!("a piece");
        };
        assert_eq!((at, length), (4, 11));
        lane.sent(11);
        assert_eq!(lane.next().map(|piece| piece.length()), Some(5));
        lane.sent(5);
        assert!(lane.next().is_none());
        assert_eq!(lane.owed(), 0);
    }

    #[test]
    fn placeholders_are_known_by_where_they_are() {
        let placeholder = Lane::default().push(piece(&file(), 0, 100)).unwrap();
        assert!(is_placeholder(&placeholder));
        assert!(is_placeholder(&placeholder[40..]));
        assert!(
            !is_placeholder(&placeholder[100..]),
            "nothing stands for nothing"
        );
        let copy = placeholder.to_vec();
        assert!(!is_placeholder(&copy), "a copy is not one");
    }

    #[test]
    fn a_body_that_nobody_armed_has_no_lane() {
        let raw = Raw::default();
        assert!(raw.lane().is_none());
        raw.clone().arm(&Arc::default());
        assert!(raw.lane().is_some(), "its clones are armed with it");
    }
}
