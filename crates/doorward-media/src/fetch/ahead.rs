//! One stream out of several connections, for sources that are far or slow.
//!
//! The next parts are asked for while the first one is read, and given in order.
//! How many adapts to the reader: more while it waits for the source, fewer while
//! the source waits for it. Bytes that wait are within two budgets, the stream's
//! and the room's. Nothing runs on its own: a source is only read while the
//! reader asks, and when it has not asked for a while everything that waits is let
//! go, to be asked for again.

use std::collections::VecDeque;
use std::fmt;
use std::future::poll_fn;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use tokio::sync::OwnedSemaphorePermit;
use tokio::task::AbortHandle;
use tokio::time::{Instant, sleep};

use super::resume::{Begun, Resumed};
use super::wire::{Upstream, Wire};
use super::{Line, length};
use crate::defaults;
use crate::error::MediaError;

/// The bytes of a range, from several connections.
pub(crate) struct Ahead {
    window: Arc<Mutex<Window>>,
    watch: AbortHandle,
    _stream: OwnedSemaphorePermit,
}

/// How it begins.
pub(crate) enum Opened {
    /// With the first part of the range.
    Ahead(Ahead),
    /// With everything: the source ignores ranges.
    Whole(Wire),
}

struct Window {
    upstream: Arc<dyn Upstream>,
    line: Arc<Line>,
    parts: VecDeque<Part>,
    /// The next byte that is given.
    at: u64,
    /// The next byte that is asked for.
    next: u64,
    end: u64,
    /// Parts at once, and the length of the next one.
    width: usize,
    part: u64,
    pace: Pace,
}

/// A part that was asked for. The first one is passed on as it comes.
struct Part {
    body: Resumed,
    ready: VecDeque<Bytes>,
    failed: Option<MediaError>,
    complete: bool,
    /// How much of the stream's budget it has.
    held: u64,
    _budget: Option<OwnedSemaphorePermit>,
}

/// Who waited for whom, over a round of parts.
#[derive(Default)]
struct Pace {
    /// Those that ended.
    parts: usize,
    /// The reader for the source.
    waited: Duration,
    waiting: Option<Instant>,
    /// The source for the reader.
    idled: Duration,
    idle: Option<Instant>,
}

// === impl Ahead ===

impl Ahead {
    /// Asks for the first parts of `bounds`, and returns once the first of them
    /// begins. `None` if as many streams as may are read ahead.
    pub(crate) async fn open(
        upstream: &Arc<dyn Upstream>,
        line: &Arc<Line>,
        bounds: (u64, u64),
    ) -> Option<Result<Opened, MediaError>> {
        let stream = line.stock.stream()?;
        let mut window = Window::new(Arc::clone(upstream), line, bounds);
        Some(match poll_fn(|cx| window.poll_begin(cx)).await {
            Ok(Begun::Part) => Ok(Opened::Ahead(Self::new(window, stream))),
            Ok(Begun::Whole(body)) => Ok(Opened::Whole(*body)),
            Err(error) => Err(error),
        })
    }

    /// Takes over a body that turns out to be far away: what is left of it comes
    /// from several connections. Gives it back if that cannot be.
    pub(crate) fn take_over(mut body: Box<Resumed>) -> Result<Self, Box<Resumed>> {
        let line = Arc::clone(body.line());
        let (Some(upstream), Some(stream)) = (body.upstream(), line.stock.stream()) else {
            return Err(body);
        };
        let (at, end) = body.bounds();
        let mut window = Window::new(upstream, &line, (at, end));
        window.next = at.saturating_add(window.part).min(end);
        body.cut_at(window.next);
        window.parts.push_back(Part::new(*body, None));
        Ok(Self::new(window, stream))
    }

    fn new(window: Window, stream: OwnedSemaphorePermit) -> Self {
        window.line.counts.ahead.one();
        let window = Arc::new(Mutex::new(window));
        let watch = tokio::spawn(watch(Arc::downgrade(&window))).abort_handle();
        Self {
            window,
            watch,
            _stream: stream,
        }
    }

    /// The next bytes, in order.
    pub(crate) fn poll_next(
        &mut self,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Bytes, MediaError>>> {
        lock(&self.window).poll_next(cx)
    }
}

impl Drop for Ahead {
    fn drop(&mut self) {
        self.watch.abort();
    }
}

impl fmt::Debug for Ahead {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Ahead(..)")
    }
}

/// Lets go of what waits for a reader that does not come.
async fn watch(window: Weak<Mutex<Window>>) {
    loop {
        sleep(defaults::AHEAD_IDLE / 2).await;
        let Some(window) = window.upgrade() else {
            return;
        };
        lock(&window).let_go_if_idle();
    }
}

fn lock(window: &Mutex<Window>) -> MutexGuard<'_, Window> {
    window.lock().unwrap_or_else(PoisonError::into_inner)
}

// === impl Window ===

impl Window {
    fn new(upstream: Arc<dyn Upstream>, line: &Arc<Line>, (at, end): (u64, u64)) -> Self {
        let widest = length(defaults::AHEAD_PARTS);
        // All of a short range at once.
        let part = (end.saturating_sub(at)).div_ceil(widest);
        Self {
            upstream,
            line: Arc::clone(line),
            parts: VecDeque::new(),
            at,
            next: at,
            end,
            width: defaults::AHEAD_PARTS,
            part: part
                .next_multiple_of(defaults::BLOCK)
                .clamp(defaults::PART_LEAST, defaults::PART_FIRST),
            pace: Pace::default(),
        }
    }

    fn poll_begin(&mut self, cx: &mut Context<'_>) -> Poll<Result<Begun, MediaError>> {
        self.ask();
        let Some(first) = self.parts.front_mut() else {
            return Poll::Ready(Ok(Begun::Part));
        };
        let begun = first.body.poll_begin(cx);
        self.read_ahead(cx);
        begun
    }

    fn poll_next(&mut self, cx: &mut Context<'_>) -> Poll<Option<Result<Bytes, MediaError>>> {
        self.pace.asked();
        loop {
            if self.at >= self.end {
                self.parts.clear();
                return Poll::Ready(None);
            }
            self.ask();
            self.read_ahead(cx);
            let Some(first) = self.parts.front_mut() else {
                return Poll::Ready(None);
            };
            let next = match (first.ready.pop_front(), first.failed.take()) {
                (Some(bytes), failed) => {
                    first.failed = failed;
                    Some(Ok(bytes))
                }
                (None, Some(error)) => Some(Err(error)),
                (None, None) if first.complete => None,
                (None, None) => match first.body.poll_next(cx) {
                    Poll::Ready(next) => next,
                    Poll::Pending => {
                        self.pace.waits();
                        return Poll::Pending;
                    }
                },
            };
            match next {
                Some(Ok(bytes)) => {
                    self.at = self.at.saturating_add(length(bytes.len()));
                    self.pace.given();
                    return Poll::Ready(Some(Ok(bytes)));
                }
                Some(Err(error)) => {
                    self.at = self.end;
                    self.parts.clear();
                    return Poll::Ready(Some(Err(error)));
                }
                None => {
                    self.parts.pop_front();
                    self.adapt();
                }
            }
        }
    }

    /// Asks for parts as far as width and budgets allow. The first needs none: it
    /// is passed on as it comes.
    fn ask(&mut self) {
        while self.next < self.end && self.parts.len() < self.width.max(1) {
            let end = self.next.saturating_add(self.part).min(self.end);
            let bytes = end - self.next;
            let budget = if self.parts.is_empty() {
                None
            } else {
                let held: u64 = self.parts.iter().map(|part| part.held).sum();
                let stock = &self.line.stock;
                let fits = held.saturating_add(bytes) <= stock.tuning.ahead;
                let Some(budget) = fits.then(|| stock.reserve(bytes)).flatten() else {
                    return;
                };
                Some((bytes, budget))
            };
            let upstream = Arc::clone(&self.upstream);
            let body = Resumed::ask_for((self.next, end), upstream, &self.line);
            self.parts.push_back(Part::new(body, budget));
            self.next = end;
        }
    }

    /// Reads what has come of all parts but the first.
    fn read_ahead(&mut self, cx: &mut Context<'_>) {
        for part in self.parts.iter_mut().skip(1) {
            part.read(cx);
        }
    }

    /// A part has ended. After a round of them, whoever waited longer decides:
    /// parts that were asked for together come together, so one alone tells little.
    fn adapt(&mut self) {
        self.pace.parts += 1;
        if self.pace.parts < self.width {
            return;
        }
        let Pace { waited, idled, .. } = std::mem::take(&mut self.pace);
        if waited > idled {
            self.width = (self.width + 1).min(defaults::AHEAD_PARTS);
            self.part = (self.part * 2).min(defaults::PART_MOST);
        } else if self.width > 2 {
            self.width = (self.width / 2).max(2);
        }
    }

    fn let_go_if_idle(&mut self) {
        let idle = self
            .pace
            .idle
            .is_some_and(|since| since.elapsed() >= defaults::AHEAD_IDLE);
        let holds = self.parts.iter().any(|part| part.held > 0);
        if idle && holds {
            self.line.counts.let_go.one();
            self.parts.clear();
            self.next = self.at;
            // Only a reader that waits again gets more than one.
            self.width = 1;
            self.part = defaults::PART_LEAST;
            self.pace.parts = 0;
            self.pace.waited = Duration::ZERO;
        }
    }
}

// === impl Part ===

impl Part {
    fn new(body: Resumed, budget: Option<(u64, OwnedSemaphorePermit)>) -> Self {
        let (held, budget) = budget.unzip();
        Self {
            body,
            ready: VecDeque::new(),
            failed: None,
            complete: false,
            held: held.unwrap_or(0),
            _budget: budget,
        }
    }

    fn read(&mut self, cx: &mut Context<'_>) {
        while !self.complete && self.failed.is_none() {
            match self.body.poll_next(cx) {
                Poll::Pending => return,
                Poll::Ready(Some(Ok(bytes))) => self.ready.push_back(bytes),
                Poll::Ready(Some(Err(error))) => self.failed = Some(error),
                Poll::Ready(None) => self.complete = true,
            }
        }
    }
}

// === impl Pace ===

impl Pace {
    /// The reader is back.
    fn asked(&mut self) {
        if let Some(since) = self.idle.take() {
            self.idled += since.elapsed();
        }
        if let Some(since) = self.waiting.take() {
            self.waited += since.elapsed();
        }
    }

    fn waits(&mut self) {
        self.waiting = Some(Instant::now());
    }

    fn given(&mut self) {
        self.idle = Some(Instant::now());
    }
}

#[cfg(test)]
#[path = "ahead_tests.rs"]
mod tests;
