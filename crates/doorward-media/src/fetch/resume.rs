//! A body that does not end early.
//!
//! When the source drops it, falls silent or refuses for a while, the rest is
//! asked for from the next byte on, at the same version. No byte is given twice
//! and none is left out. Without a strong entity tag there is no telling whether
//! the rest belongs to what came before: such a body ends where it breaks off.

use std::fmt;
use std::future::Future as _;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use bytes::Bytes;
use tokio::time::{Instant, Sleep, sleep};

use super::meter::Meter;
use super::wire::{Asking, Part, Upstream, Wire};
use super::{Line, length};
use crate::defaults;
use crate::error::MediaError;
use crate::range::ByteRange;

/// The bytes from `at` up to `end`, or an error.
pub(crate) struct Resumed {
    /// What the rest is asked from; `None` if it cannot be.
    upstream: Option<Arc<dyn Upstream>>,
    line: Arc<Line>,
    at: u64,
    /// The first byte that is not wanted.
    end: u64,
    /// The answer goes on beyond `end`, and is left there.
    cut: bool,
    state: State,
    /// Its first answer was there.
    begun: bool,
    tries: Tries,
    meter: Meter,
}

enum State {
    /// Bytes come.
    Open(Wire),
    /// They come, and so many in front are not wanted.
    Skipping(Wire, u64),
    /// A request is on its way.
    Asking(Asking),
    /// The source is given time.
    Waiting(Pin<Box<Sleep>>),
    /// It is over.
    Done,
}

/// How a request for a part turned out.
pub(crate) enum Begun {
    /// Its bytes come.
    Part,
    /// Everything comes: the source ignores ranges.
    Whole(Box<Wire>),
}

/// How often it was tried, since when, without a byte.
#[derive(Default)]
struct Tries {
    count: u32,
    since: Option<Instant>,
    /// Doubles the pause with each drop, until much came again.
    pace: u32,
    since_drop: u64,
    signed_anew: bool,
}

// === impl Resumed ===

impl Resumed {
    /// The bytes of an answer that has begun, of `range`.
    pub(crate) fn open(
        body: Wire,
        (at, end): (u64, u64),
        upstream: Option<Arc<dyn Upstream>>,
        line: &Arc<Line>,
    ) -> Self {
        Self {
            upstream,
            line: Arc::clone(line),
            at,
            end,
            cut: false,
            state: State::Open(body),
            begun: true,
            tries: Tries::default(),
            meter: Meter::new(),
        }
    }

    /// The bytes from `at` up to `end`, which are asked for now.
    pub(crate) fn ask_for(
        (at, end): (u64, u64),
        upstream: Arc<dyn Upstream>,
        line: &Arc<Line>,
    ) -> Self {
        let asking = upstream.get(ByteRange::new(at, end.saturating_sub(1)));
        Self {
            upstream: Some(upstream),
            line: Arc::clone(line),
            at,
            end,
            cut: false,
            state: State::Asking(asking),
            begun: false,
            tries: Tries::default(),
            meter: Meter::new(),
        }
    }

    /// Waits for the first answer to what was asked for. Here nothing is tried
    /// again: whoever wants the bytes can still be told why there are none.
    pub(crate) fn poll_begin(&mut self, cx: &mut Context<'_>) -> Poll<Result<Begun, MediaError>> {
        let State::Asking(asking) = &mut self.state else {
            return Poll::Ready(Ok(Begun::Part));
        };
        let part = ready!(asking.as_mut().poll(cx))?;
        if part.range.is_none() {
            self.state = State::Done;
            return Poll::Ready(Ok(Begun::Whole(Box::new(part.body))));
        }
        Poll::Ready(self.go_on(part).map(|()| Begun::Part))
    }

    /// What is left of it.
    pub(crate) fn bounds(&self) -> (u64, u64) {
        (self.at, self.end)
    }

    /// Leaves out what comes from `end` on.
    pub(crate) fn cut_at(&mut self, end: u64) {
        if end < self.end {
            self.end = end;
            self.cut = true;
        }
    }

    pub(crate) fn line(&self) -> &Arc<Line> {
        &self.line
    }

    pub(crate) fn upstream(&self) -> Option<Arc<dyn Upstream>> {
        self.upstream.clone()
    }

    /// The next bytes. Ends cleanly only after the last of them.
    pub(crate) fn poll_next(
        &mut self,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Bytes, MediaError>>> {
        loop {
            if self.at >= self.end {
                self.state = State::Done;
                return Poll::Ready(None);
            }
            let outcome = match &mut self.state {
                State::Done => return Poll::Ready(None),
                State::Open(body) => match body.poll_next(cx) {
                    Poll::Pending => {
                        self.meter.waits();
                        return Poll::Pending;
                    }
                    Poll::Ready(Some(Ok(bytes))) => return Poll::Ready(Some(self.take(bytes))),
                    Poll::Ready(ended) => Err(broken(ended)),
                },
                State::Skipping(body, skip) => match ready!(body.poll_next(cx)) {
                    Some(Ok(bytes)) => {
                        self.line.counts.received.add(length(bytes.len()));
                        let here =
                            usize::try_from(*skip).map_or(bytes.len(), |s| s.min(bytes.len()));
                        *skip = skip.saturating_sub(length(here));
                        let rest = bytes.slice(here..);
                        if *skip == 0 {
                            let State::Skipping(body, _) =
                                std::mem::replace(&mut self.state, State::Done)
                            else {
                                return Poll::Ready(None);
                            };
                            self.state = State::Open(body);
                        }
                        if rest.is_empty() {
                            continue;
                        }
                        return Poll::Ready(Some(self.keep(rest)));
                    }
                    ended => Err(broken(ended)),
                },
                State::Waiting(pause) => {
                    ready!(pause.as_mut().poll(cx));
                    Ok(None)
                }
                State::Asking(asking) => ready!(asking.as_mut().poll(cx)).map(Some),
            };
            let went_on = match outcome {
                Ok(Some(part)) => self.go_on(part),
                Ok(None) => self.ask(),
                Err(error) => self.dropped(error),
            };
            if let Err(error) = went_on {
                return Poll::Ready(Some(Err(self.fail(error))));
            }
        }
    }

    fn take(&mut self, bytes: Bytes) -> Result<Bytes, MediaError> {
        let come = length(bytes.len());
        self.line.counts.received.add(come);
        if let Some((bytes, time)) = self.meter.came(come) {
            self.line.link.flowed(bytes, time);
        }
        self.keep(bytes)
    }

    /// Counts bytes that are given on; never more than are wanted.
    fn keep(&mut self, mut bytes: Bytes) -> Result<Bytes, MediaError> {
        let left = self.end.saturating_sub(self.at);
        if length(bytes.len()) > left {
            if !self.cut {
                let long = MediaError::UpstreamWrong("more than it promised".to_owned());
                return Err(self.fail(long));
            }
            bytes.truncate(usize::try_from(left).unwrap_or(usize::MAX));
        }
        let come = length(bytes.len());
        self.at = self.at.saturating_add(come);
        self.tries.progress(come);
        Ok(bytes)
    }

    fn fail(&mut self, error: MediaError) -> MediaError {
        self.state = State::Done;
        // What comes after an error is not there.
        self.at = self.end;
        error
    }

    /// The bytes broke off, or the request for the rest did.
    fn dropped(&mut self, error: MediaError) -> Result<(), MediaError> {
        if matches!(self.state, State::Open(_) | State::Skipping(..)) {
            self.line.counts.drops.one();
        }
        if self.upstream.is_none() {
            return Err(error);
        }
        let pause = self.tries.pause(&error).ok_or(error)?;
        if pause.is_zero() {
            return self.ask();
        }
        self.state = State::Waiting(Box::pin(sleep(pause)));
        Ok(())
    }

    fn ask(&mut self) -> Result<(), MediaError> {
        let range = ByteRange::new(self.at, self.end.saturating_sub(1));
        let Some(upstream) = &self.upstream else {
            return Err(MediaError::UpstreamUnavailable("it broke off".to_owned()));
        };
        self.state = State::Asking(upstream.get(range));
        Ok(())
    }

    /// The rest, or everything from a source that does not know ranges: of that,
    /// a little may be skipped.
    fn go_on(&mut self, part: Part) -> Result<(), MediaError> {
        match part.range {
            Some(range) if range.first() == self.at && range.len() == self.end - self.at => {
                self.cut = false;
                self.state = State::Open(part.body);
            }
            None if self.at == 0 => {
                self.cut = true;
                self.state = State::Open(part.body);
            }
            None if self.at <= defaults::SKIP_MOST => {
                self.cut = true;
                self.state = State::Skipping(part.body, self.at);
            }
            Some(_) | None => {
                let what = "other bytes than the rest that was asked for";
                return Err(MediaError::UpstreamWrong(what.to_owned()));
            }
        }
        if self.begun {
            self.line.counts.resumes.one();
        }
        self.begun = true;
        self.meter = Meter::new();
        Ok(())
    }
}

impl fmt::Debug for Resumed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Resumed")
            .field("at", &self.at)
            .field("end", &self.end)
            .finish_non_exhaustive()
    }
}

/// Why a body ended before its end.
fn broken(ended: Option<Result<Bytes, MediaError>>) -> MediaError {
    match ended {
        Some(Err(error)) => error,
        Some(Ok(_)) | None => MediaError::UpstreamUnavailable("it ended early".to_owned()),
    }
}

// === impl Tries ===

impl Tries {
    fn progress(&mut self, bytes: u64) {
        self.count = 0;
        self.since = None;
        self.signed_anew = false;
        self.since_drop = self.since_drop.saturating_add(bytes);
        if self.since_drop >= defaults::RESUME_PROGRESS {
            self.pace = 0;
        }
    }

    /// How long to wait before the next try; `None` if there is none.
    fn pause(&mut self, error: &MediaError) -> Option<Duration> {
        let told = match error {
            MediaError::UpstreamUnavailable(_) | MediaError::UpstreamTimeout => Duration::ZERO,
            MediaError::Throttled(after) => after.unwrap_or_default(),
            // Whoever holds the credentials may have new ones by now.
            MediaError::CredentialsExpired if !self.signed_anew => {
                self.signed_anew = true;
                return Some(Duration::ZERO);
            }
            _ => return None,
        };
        let now = Instant::now();
        let since = *self.since.get_or_insert(now);
        let late = self.count > 0 && now.duration_since(since) > defaults::RESUME_WITHIN;
        if self.count >= defaults::RESUME_TRIES || late {
            return None;
        }
        let doubled = match self.pace {
            0 => Duration::ZERO,
            pace => defaults::RESUME_PAUSE.saturating_mul(1 << (pace - 1).min(16)),
        };
        self.count += 1;
        self.pace = self.pace.saturating_add(1);
        self.since_drop = 0;
        let pause = doubled.max(told).min(defaults::RESUME_PAUSE_MOST);
        Some(jittered(pause))
    }
}

/// Between half of it and all of it, so that many streams of one source that
/// restarts do not come back as one.
fn jittered(pause: Duration) -> Duration {
    let mut random = [0; 1];
    if getrandom::fill(&mut random).is_err() {
        return pause;
    }
    let [random] = random;
    pause / 2 + pause / 2 * u32::from(random) / 255
}

#[cfg(test)]
#[path = "resume_tests.rs"]
mod tests;
