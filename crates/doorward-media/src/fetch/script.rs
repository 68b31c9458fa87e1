//! An upstream that tests play, on paused time.

use std::collections::VecDeque;
use std::pin::Pin;
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll, ready};
use std::time::Duration;

use bytes::Bytes;
use tokio::time::{Sleep, sleep};

use super::wire::{Asking, Part, Upstream, Wire};
use crate::error::MediaError;
use crate::range::ByteRange;

/// What a body does next.
#[derive(Debug)]
pub(crate) enum Play {
    Give(Bytes),
    Wait(Duration),
    Fail(MediaError),
}

/// A body that was written beforehand; it ends when nothing is left to do.
#[derive(Debug)]
pub(crate) struct Tape {
    plays: VecDeque<Play>,
    pause: Option<Pin<Box<Sleep>>>,
    running: Arc<Running>,
}

/// How many bodies are open.
#[derive(Debug, Default)]
pub(crate) struct Running {
    now: Mutex<(usize, usize)>,
}

type Answering = dyn Fn(Option<ByteRange>, usize) -> Answered + Send + Sync;
pub(crate) type Answered = (Duration, Result<(Option<ByteRange>, Vec<Play>), MediaError>);

/// Answers by a function of the range and of how many requests came before.
pub(crate) struct Script {
    answer: Box<Answering>,
    asked: Mutex<Vec<Option<ByteRange>>>,
    pub(crate) running: Arc<Running>,
}

impl Script {
    pub(crate) fn new(
        answer: impl Fn(Option<ByteRange>, usize) -> Answered + Send + Sync + 'static,
    ) -> Arc<Self> {
        Arc::new(Self {
            answer: Box::new(answer),
            asked: Mutex::default(),
            running: Arc::default(),
        })
    }

    /// First and last byte of every range that was asked for.
    pub(crate) fn asked(&self) -> Vec<(u64, u64)> {
        let asked = self.asked.lock().unwrap();
        asked
            .iter()
            .map(|range| range.map_or((0, u64::MAX), |r| (r.first(), r.last())))
            .collect()
    }

    pub(crate) fn tape(&self, plays: Vec<Play>) -> Wire {
        Wire::Script(Tape::new(plays, &self.running))
    }
}

impl std::fmt::Debug for Script {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Script")
    }
}

impl Upstream for Script {
    fn get(&self, range: Option<ByteRange>) -> Asking {
        let before = {
            let mut asked = self.asked.lock().unwrap();
            asked.push(range);
            asked.len() - 1
        };
        let (after, answer) = (self.answer)(range, before);
        let running = Arc::clone(&self.running);
        Box::pin(async move {
            sleep(after).await;
            let (range, plays) = answer?;
            let body = Wire::Script(Tape::new(plays, &running));
            Ok(Part { range, body })
        })
    }
}

impl Tape {
    fn new(plays: Vec<Play>, running: &Arc<Running>) -> Self {
        let mut now = running.now.lock().unwrap();
        now.0 += 1;
        now.1 = now.1.max(now.0);
        drop(now);
        Self {
            plays: plays.into(),
            pause: None,
            running: Arc::clone(running),
        }
    }

    pub(crate) fn poll_next(
        &mut self,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Bytes, MediaError>>> {
        loop {
            if let Some(pause) = &mut self.pause {
                ready!(pause.as_mut().poll(cx));
                self.pause = None;
            }
            match self.plays.pop_front() {
                None => return Poll::Ready(None),
                Some(Play::Give(bytes)) => return Poll::Ready(Some(Ok(bytes))),
                Some(Play::Fail(error)) => return Poll::Ready(Some(Err(error))),
                Some(Play::Wait(time)) => self.pause = Some(Box::pin(sleep(time))),
            }
        }
    }
}

impl Drop for Tape {
    fn drop(&mut self) {
        self.running.now.lock().unwrap().0 -= 1;
    }
}

impl Running {
    /// Open now, and at most at once so far.
    pub(crate) fn counts(&self) -> (usize, usize) {
        *self.now.lock().unwrap()
    }
}

/// Bytes of an object that differ everywhere.
pub(crate) fn bytes(first: u64, end: u64) -> Bytes {
    (first..end)
        .map(|at| u8::try_from((at * 31 + at / 251) % 256).unwrap())
        .collect()
}

/// `range` of the object in chunks, all of it.
pub(crate) fn give(range: ByteRange, chunk: u64) -> Vec<Play> {
    let end = range.last() + 1;
    let mut at = range.first();
    let mut plays = Vec::new();
    while at < end {
        let next = (at + chunk).min(end);
        plays.push(Play::Give(bytes(at, next)));
        at = next;
    }
    plays
}
