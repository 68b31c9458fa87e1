//! The body of an answer: passed through as it arrives, never gathered.
//!
//! Bytes are read from the stream only when they are asked for, into one buffer
//! that grows while its reader keeps up. The connection goes back to the pool
//! with the last byte, if exactly the promised bytes came.

use std::future::Future as _;
use std::io;
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use bytes::{BufMut as _, Bytes, BytesMut};
use http_body::{Body, Frame, SizeHint};
use tokio::io::AsyncReadExt as _;
use tokio::sync::OwnedSemaphorePermit;
use tokio::time::{Instant, Sleep, sleep};

use crate::chunked::{Chunks, Step};
use crate::head::Framing;
use crate::pool::Pool;
use crate::{EgressError, Limits, Stream, Target, defaults};

/// An upstream's body. Ends with an error, never cleanly, when the upstream
/// sends fewer bytes than it promised or falls silent while bytes are asked for.
/// Dropping it early closes the connection. Trailers are dropped.
#[derive(Debug)]
pub struct Incoming {
    /// Gone once the body has ended, one way or the other.
    open: Option<Open>,
    state: State,
    failed: bool,
    buffer: BytesMut,
    chunk: usize,
    /// How many reads in a row filled it.
    filled: u8,
    largest: usize,
    silence: Duration,
    /// Runs only while we wait for the upstream: a slow reader on our own side
    /// must not look like a silent upstream.
    deadline: Option<Pin<Box<Sleep>>>,
    waiting: bool,
    /// When the last bytes were handed out.
    handed: Option<Instant>,
}

/// What an unfinished body holds.
#[derive(Debug)]
struct Open {
    stream: Stream,
    /// Where the connection goes afterwards; `None` closes it.
    back: Option<(Arc<Pool>, Target)>,
    _slot: OwnedSemaphorePermit,
}

#[derive(Debug)]
enum State {
    Length(u64),
    Chunked(Chunks),
    UntilClose,
}

impl Incoming {
    /// `buffer` holds what arrived behind the head.
    pub(crate) fn new(
        stream: Stream,
        buffer: BytesMut,
        framing: Framing,
        back: Option<(Arc<Pool>, Target)>,
        limits: &Limits,
        slot: OwnedSemaphorePermit,
    ) -> Self {
        // One that fits into the largest chunk is read as it comes: no reader can keep
        // more of it waiting than there is.
        let chunk = match framing {
            Framing::Length(length) if length <= limits.read_buffer as u64 => limits.read_buffer,
            _ => defaults::FIRST_CHUNK.min(limits.read_buffer),
        };
        let mut body = Self {
            open: Some(Open {
                stream,
                back,
                _slot: slot,
            }),
            state: match framing {
                Framing::Length(length) => State::Length(length),
                Framing::Chunked => State::Chunked(Chunks::default()),
                Framing::UntilClose => State::UntilClose,
            },
            failed: false,
            buffer,
            chunk,
            filled: 0,
            largest: limits.read_buffer,
            silence: limits.body_silence,
            deadline: None,
            waiting: false,
            handed: None,
        };
        if framing == Framing::Length(0) {
            body.finish();
        }
        body
    }

    /// The body is whole. Bytes behind it belong to nobody: the connection that
    /// carried them is closed.
    fn finish(&mut self) {
        if let Some(open) = self.open.take()
            && self.buffer.is_empty()
            && let Some((pool, target)) = open.back
        {
            pool.put(target, open.stream);
        }
        self.buffer = BytesMut::new();
    }

    fn fail(&mut self, error: EgressError) -> Poll<Option<Result<Frame<Bytes>, EgressError>>> {
        self.open = None;
        self.failed = true;
        self.buffer = BytesMut::new();
        Poll::Ready(Some(Err(error)))
    }

    /// What the bytes at hand hold of the body.
    fn step(&mut self) -> Result<Step, EgressError> {
        match &mut self.state {
            State::Length(0) => Ok(Step::Done),
            State::Chunked(chunks) => {
                let step = chunks.step(&mut self.buffer)?;
                Ok(step)
            }
            _ if self.buffer.is_empty() => Ok(Step::More),
            State::UntilClose => Ok(Step::Data(self.buffer.split().freeze())),
            State::Length(left) => {
                let here = self.buffer.len();
                let length = usize::try_from(*left).map_or(here, |left| left.min(here));
                *left = left.saturating_sub(length as u64);
                Ok(Step::Data(self.buffer.split_to(length).freeze()))
            }
        }
    }

    /// Reads once, into room for `chunk` bytes; a plain body never further than
    /// its end plus one byte, which tells a server that sends too much.
    fn poll_read(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<usize>> {
        let Some(open) = &mut self.open else {
            return Poll::Ready(Ok(0));
        };
        let room = match self.state {
            State::Length(left) => usize::try_from(left.saturating_add(1))
                .map_or(self.chunk, |left| left.min(self.chunk)),
            _ => self.chunk,
        };
        // What a short read left is used for the next, as long as it is worth a
        // read: chunks that are handed out hold all of the memory they lie in.
        if self.buffer.capacity() - self.buffer.len() < room / 2 {
            self.buffer.reserve(room);
        }
        let mut limited = (&mut self.buffer).limit(room);
        let read = ready!(pin!(open.stream.read_buf(&mut limited)).poll(cx))?;
        if read == self.chunk {
            self.filled += 1;
            if self.filled == defaults::GROW_AFTER {
                self.filled = 0;
                self.chunk = (self.chunk * 2).min(self.largest).max(self.chunk);
            }
        }
        Poll::Ready(Ok(read))
    }

    /// A reader that took its time gets small chunks again.
    fn asked(&mut self) {
        let slow = self
            .handed
            .take()
            .is_some_and(|handed| handed.elapsed() > defaults::SLOW_READER);
        if slow {
            self.chunk = defaults::FIRST_CHUNK.min(self.largest);
            self.filled = 0;
            if self.buffer.is_empty() {
                self.buffer = BytesMut::new();
            }
        }
    }
}

impl Body for Incoming {
    type Data = Bytes;
    type Error = EgressError;

    fn poll_frame(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, EgressError>>> {
        let this = self.get_mut();
        if this.open.is_none() {
            return Poll::Ready(None);
        }
        this.asked();
        loop {
            match this.step() {
                Err(error) => return this.fail(error),
                Ok(Step::Done) => {
                    this.finish();
                    return Poll::Ready(None);
                }
                Ok(Step::Data(data)) => {
                    if matches!(this.state, State::Length(0)) {
                        this.finish();
                    }
                    this.handed = Some(Instant::now());
                    return Poll::Ready(Some(Ok(Frame::data(data))));
                }
                Ok(Step::More) => {}
            }
            match this.poll_read(cx) {
                Poll::Ready(Ok(0)) if matches!(this.state, State::UntilClose) => {
                    this.open = None;
                    return Poll::Ready(None);
                }
                Poll::Ready(Ok(0)) => {
                    let short = io::Error::from(io::ErrorKind::UnexpectedEof);
                    return this.fail(EgressError::Exchange(Arc::new(short)));
                }
                Poll::Ready(Ok(_)) => this.waiting = false,
                Poll::Ready(Err(error)) => {
                    return this.fail(EgressError::Exchange(Arc::new(error)));
                }
                Poll::Pending => break,
            }
        }
        let silence = this.silence;
        let deadline = this
            .deadline
            .get_or_insert_with(|| Box::pin(sleep(silence)));
        if !this.waiting {
            this.waiting = true;
            deadline.as_mut().reset(Instant::now() + silence);
        }
        ready!(deadline.as_mut().poll(cx));
        this.fail(EgressError::BodyTimeout)
    }

    fn is_end_stream(&self) -> bool {
        self.open.is_none() && !self.failed
    }

    fn size_hint(&self) -> SizeHint {
        match self.state {
            State::Length(left) => SizeHint::with_exact(left),
            State::Chunked(_) | State::UntilClose => SizeHint::default(),
        }
    }
}
