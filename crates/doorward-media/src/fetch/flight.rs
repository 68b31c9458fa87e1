//! One request that several readers share.
//!
//! A task of its own reads what was asked for onto a tape, which holds it until
//! the last reader is gone; each reader follows at its own pace. Nobody leads: the
//! request goes on while anybody wants it, and stops when nobody does.

use std::fmt;
use std::future::{Future, poll_fn};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Waker};

use bytes::Bytes;
use tokio::sync::OwnedSemaphorePermit;
use tokio::task::AbortHandle;

use super::length;
use super::resume::Resumed;
use super::stock::{Edition, Spot, Stock};
use crate::error::MediaError;
use crate::range::ByteRange;
use crate::source::{Reading, Version};

/// A request under way, and what it brought so far.
pub(crate) struct Flight {
    tape: Arc<Tape>,
    task: AbortHandle,
    stock: Arc<Stock>,
    spots: Vec<Spot>,
    _budget: OwnedSemaphorePermit,
}

/// What a request turns out to be, as soon as its answer's head is there.
pub(crate) enum Outcome {
    /// Bytes that many may read.
    Bytes {
        edition: Edition,
        version: Arc<Version>,
        range: ByteRange,
        body: Box<Resumed>,
    },
    /// An answer that only one can read, such as everything for a range.
    Alone(Reading),
    /// No byte lies in the range.
    Unsatisfiable,
}

/// The same, as each reader gets it.
#[derive(Clone, Debug)]
pub(crate) enum Told {
    Bytes(Arc<Version>, ByteRange),
    Alone,
    Unsatisfiable,
}

/// Where a reader is on a tape.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Cursor {
    chunk: usize,
    within: usize,
}

#[derive(Default)]
struct Tape(Mutex<Recorded>);

#[derive(Default)]
struct Recorded {
    told: Option<Result<Told, MediaError>>,
    alone: Option<Reading>,
    first: u64,
    chunks: Vec<Bytes>,
    done: Option<Result<(), MediaError>>,
    waiting: Vec<Waker>,
}

// === impl Flight ===

impl Flight {
    /// Starts `asking`; `spots` are the names under which it is found.
    pub(crate) fn start(
        stock: &Arc<Stock>,
        spots: Vec<Spot>,
        budget: OwnedSemaphorePermit,
        asking: impl Future<Output = Result<Outcome, MediaError>> + Send + 'static,
    ) -> Arc<Self> {
        let tape = Arc::new(Tape::default());
        let recording = record(Arc::clone(&tape), Arc::clone(stock), asking);
        Arc::new(Self {
            tape,
            task: tokio::spawn(recording).abort_handle(),
            stock: Arc::clone(stock),
            spots,
            _budget: budget,
        })
    }

    /// Waits for the head of the answer.
    pub(crate) async fn told(&self) -> Result<Told, MediaError> {
        poll_fn(|cx| {
            let mut tape = self.tape.lock();
            match tape.told.clone() {
                Some(told) => Poll::Ready(told),
                None => tape.wait(cx),
            }
        })
        .await
    }

    /// The answer that only one can read, for whoever is first.
    pub(crate) fn take_alone(&self) -> Option<Reading> {
        self.tape.lock().alone.take()
    }

    /// Whether it ended with an error.
    pub(crate) fn failed(&self) -> bool {
        let tape = self.tape.lock();
        matches!(tape.told, Some(Err(_) | Ok(Told::Alone))) || matches!(tape.done, Some(Err(_)))
    }

    /// The bytes at `at`, which only grows from call to call; `None` behind the
    /// last of them.
    pub(crate) fn poll_read(
        &self,
        at: u64,
        cursor: &mut Option<Cursor>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Bytes, MediaError>>> {
        let mut tape = self.tape.lock();
        match tape.told {
            None => return tape.wait(cx),
            Some(Err(ref error)) => return Poll::Ready(Some(Err(error.clone()))),
            Some(Ok(Told::Bytes(..))) => {}
            Some(Ok(Told::Alone | Told::Unsatisfiable)) => {
                let what = "everything, or nothing, after it gave a part";
                return Poll::Ready(Some(Err(MediaError::UpstreamWrong(what.to_owned()))));
            }
        }
        let place = cursor.get_or_insert_with(|| Cursor {
            chunk: 0,
            within: usize::try_from(at.saturating_sub(tape.first)).unwrap_or(usize::MAX),
        });
        while let Some(chunk) = tape.chunks.get(place.chunk) {
            if place.within < chunk.len() {
                let bytes = chunk.slice(place.within..);
                place.chunk += 1;
                place.within = 0;
                return Poll::Ready(Some(Ok(bytes)));
            }
            place.within -= chunk.len();
            place.chunk += 1;
        }
        match &tape.done {
            None => tape.wait(cx),
            Some(Ok(())) => Poll::Ready(None),
            Some(Err(error)) => Poll::Ready(Some(Err(error.clone()))),
        }
    }
}

impl Drop for Flight {
    fn drop(&mut self) {
        self.task.abort();
        self.stock.landed(&self.spots);
    }
}

impl fmt::Debug for Flight {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Flight(..)")
    }
}

async fn record(
    tape: Arc<Tape>,
    stock: Arc<Stock>,
    asking: impl Future<Output = Result<Outcome, MediaError>>,
) {
    let (edition, mut body) = match asking.await {
        Err(error) => return tape.tell(Err(error)),
        Ok(Outcome::Unsatisfiable) => return tape.tell(Ok(Told::Unsatisfiable)),
        Ok(Outcome::Alone(reading)) => {
            tape.lock().alone = Some(reading);
            return tape.tell(Ok(Told::Alone));
        }
        Ok(Outcome::Bytes {
            edition,
            version,
            range,
            body,
        }) => {
            tape.lock().first = range.first();
            tape.tell(Ok(Told::Bytes(version, range)));
            (edition, body)
        }
    };
    let outcome = loop {
        match poll_fn(|cx| body.poll_next(cx)).await {
            Some(Ok(bytes)) => tape.change(|tape| tape.chunks.push(bytes)),
            Some(Err(error)) => break Err(error),
            None => break Ok(()),
        }
    };
    if outcome.is_ok() {
        let (first, chunks) = {
            let tape = tape.lock();
            (tape.first, tape.chunks.clone())
        };
        stock.keep(&edition, first, &chunks);
    }
    tape.change(|tape| tape.done = Some(outcome));
}

// === impl Tape ===

impl Tape {
    fn lock(&self) -> MutexGuard<'_, Recorded> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn tell(&self, told: Result<Told, MediaError>) {
        self.change(|tape| tape.told = Some(told));
    }

    fn change(&self, change: impl FnOnce(&mut Recorded)) {
        let waiting = {
            let mut tape = self.lock();
            change(&mut tape);
            std::mem::take(&mut tape.waiting)
        };
        waiting.into_iter().for_each(Waker::wake);
    }
}

impl Recorded {
    fn wait<T>(&mut self, cx: &mut Context<'_>) -> Poll<T> {
        if !self.waiting.iter().any(|known| known.will_wake(cx.waker())) {
            self.waiting.push(cx.waker().clone());
        }
        Poll::Pending
    }
}

/// The bytes `first..end` of chunks that begin at `start`, in one piece.
pub(super) fn joined(chunks: &[Bytes], start: u64, (first, end): (u64, u64)) -> Bytes {
    let mut at = start;
    let mut piece = Vec::with_capacity(usize::try_from(end - first).unwrap_or(0));
    for chunk in chunks {
        let next = at.saturating_add(length(chunk.len()));
        let from = usize::try_from(first.saturating_sub(at)).unwrap_or(usize::MAX);
        let to = usize::try_from(end.min(next).saturating_sub(at)).unwrap_or(0);
        piece.extend_from_slice(chunk.get(from..to).unwrap_or_default());
        at = next;
    }
    piece.into()
}
