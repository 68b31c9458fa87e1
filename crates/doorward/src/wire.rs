//! The bytes of one connection: the head gate in front of hyper, and deadlines.
//!
//! hyper reads what the gate released and sees the end of the stream where the
//! gate refused, once what came before is answered; when it then closes, the
//! refusal is written first, sealed like every answer. A head must be whole within
//! five seconds, an idle connection goes after thirty, and an answer that is not
//! taken is cut. Where hyper writes placeholders, the pieces that they stand for
//! are sent instead.

mod shared;
mod socket;

use std::future::Future;
use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::task::{Context, Poll, Waker, ready};
use std::time::Duration;

use bytes::{Buf as _, Bytes, BytesMut};
use doorward_guard::gate::{HeadGate, HeadLimits, Step};
use doorward_guard::policy::Drain;
use doorward_guard::{Rule, Sealed, defaults};
use futures_util::FutureExt as _;
use http_body_util::BodyExt as _;
use hyper::rt::ReadBufCursor;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::time::{Instant, Sleep, sleep_until};
use tokio_util::io::poll_read_buf;

pub(crate) use shared::Shared;
pub(crate) use socket::Socket;
use socket::{Next, next, poll_pieces};

/// How much is read from the socket at once.
const READ: usize = 8 * 1024;
/// After the last answer, unread input is thrown away for this long: a reset
/// would take the answer with it.
const LINGER: Duration = Duration::from_secs(1);
/// And at most this much of it.
const LINGER_BYTES: usize = 256 * 1024;

/// How long a client may take.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Patience {
    /// A whole head arrives within this.
    pub(crate) head: Duration,
    /// A kept-alive connection may be silent for this long.
    pub(crate) idle: Duration,
    /// An API answer is taken within this.
    pub(crate) api_drain: Duration,
    /// A media answer makes progress within this.
    pub(crate) media_drain: Duration,
}

/// A socket behind the head gate.
#[derive(Debug)]
pub(crate) struct Wire<S> {
    socket: S,
    gate: HeadGate,
    shared: Arc<Shared>,
    /// Received, not yet taken by hyper.
    input: BytesMut,
    /// How much of `input` the gate let through.
    released: usize,
    /// Heads that it let through.
    heads: usize,
    /// How many of them were answered when all was last written.
    answered: usize,
    /// A reader that waits until all of them are.
    reading: Option<Waker>,
    /// So much may still be thrown away while it waits.
    scrap_left: usize,
    ended: bool,
    read_phase: Phase,
    read_deadline: Pin<Box<Sleep>>,
    patience: Patience,
    write_deadline: Option<Pin<Box<Sleep>>>,
    /// Which answer of this connection the deadline is for.
    write_answer: usize,
    /// What is still written before the connection closes.
    parting: Option<Bytes>,
    parting_deadline: Option<Pin<Box<Sleep>>>,
    lingering: Option<(Pin<Box<Sleep>>, usize)>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Phase {
    /// Accepted; nothing has arrived.
    Fresh,
    /// Between two requests.
    Idle,
    /// A head is arriving.
    Head,
    /// A head was let through; what comes next is not known yet.
    Passed,
    /// A body is arriving, under the dispatcher's deadline.
    Body,
}

impl<S: Socket> Wire<S> {
    /// A fresh connection. From the reserve only a quick head is taken.
    pub(crate) fn new(
        socket: S,
        limits: HeadLimits,
        shared: Arc<Shared>,
        patience: Patience,
    ) -> Self {
        let first_head_within = if shared.connection.reserve {
            patience.head.min(defaults::RESERVE_HEAD_WITHIN)
        } else {
            patience.head
        };
        shared
            .fetches
            .store(socket.sends_pieces(), Ordering::Release);
        Self {
            socket,
            gate: HeadGate::new(limits),
            shared,
            input: BytesMut::new(),
            released: 0,
            heads: 0,
            answered: 0,
            reading: None,
            scrap_left: LINGER_BYTES,
            ended: false,
            read_phase: Phase::Fresh,
            read_deadline: Box::pin(sleep_until(Instant::now() + first_head_within)),
            patience,
            write_deadline: None,
            write_answer: 0,
            parting: None,
            parting_deadline: None,
            lingering: None,
        }
    }

    /// The socket, and what was received and not taken: for a connection that was
    /// upgraded.
    pub(crate) fn into_parts(self) -> (S, BytesMut) {
        (self.socket, self.input)
    }

    /// Reads until hyper can be given something, or there is nothing to give.
    fn poll_release(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<usize>> {
        loop {
            if self.released > 0 {
                return Poll::Ready(Ok(self.released));
            }
            if self.ended {
                ready!(self.poll_settled(cx));
                return Poll::Ready(Ok(0));
            }
            if !self.input.is_empty() {
                let in_head = self.gate.in_head() || self.gate.between();
                match self.gate.step(&self.input) {
                    Step::Release(bytes) => {
                        self.heads += usize::from(in_head);
                        self.released = bytes.min(self.input.len());
                        // A head that came in one piece never was "arriving", and
                        // whatever comes after it has all its time.
                        if self.read_phase != Phase::Body {
                            self.read_phase = Phase::Passed;
                        }
                        continue;
                    }
                    Step::Refuse(refusal) => {
                        self.part_with(self.shared.guard.refuse(&refusal));
                        continue;
                    }
                    Step::NeedMore => {}
                }
            }
            self.enter_phase();
            // What has arrived is read before the clock is looked at: it may have
            // waited for us, while we waited for the client to take an answer.
            self.input.reserve(READ);
            let socket = Pin::new(&mut self.socket);
            if let Poll::Ready(read) = poll_read_buf(socket, cx, &mut self.input) {
                self.ended |= read? == 0;
                continue;
            }
            ready!(self.read_deadline.as_mut().poll(cx));
            match self.read_phase {
                Phase::Head => {
                    let late = Rule::RequestTimeout.into();
                    self.part_with(self.shared.guard.refuse(&late));
                }
                Phase::Idle if self.shared.is_busy() => {
                    let again = Instant::now() + self.patience.idle;
                    self.read_deadline.as_mut().reset(again);
                }
                Phase::Passed | Phase::Body => {
                    self.read_deadline.as_mut().reset(Instant::now() + FAR);
                }
                Phase::Fresh | Phase::Idle => self.ended = true,
            }
        }
    }

    /// To hyper the end of the stream is a client that left, and it drops what it
    /// answers. Who is refused is still there: what came before is answered, and
    /// written, first. Unless the client does leave.
    fn poll_settled(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        while self.parting.is_some() && self.answered < self.heads {
            self.reading = Some(cx.waker().clone());
            if self.scrap_left == 0 || self.shared.has_answered(self.heads) {
                return Poll::Pending;
            }
            let mut scrap = [0; 4096];
            let mut scrap = ReadBuf::new(&mut scrap);
            match ready!(Pin::new(&mut self.socket).poll_read(cx, &mut scrap)) {
                Ok(()) if !scrap.filled().is_empty() => {
                    self.scrap_left = self.scrap_left.saturating_sub(scrap.filled().len());
                }
                _ => self.parting = None,
            }
        }
        Poll::Ready(())
    }

    /// An answer is written whole.
    fn through(&mut self) {
        if let Some(reading) = self.reading.take() {
            reading.wake();
        }
        if self.read_phase == Phase::Idle {
            // An idle time begins when the answer before it is through.
            let idle = Instant::now() + self.patience.idle;
            self.read_deadline.as_mut().reset(idle);
        }
    }

    fn enter_phase(&mut self) {
        let phase = if self.gate.in_head() {
            Phase::Head
        } else if self.gate.between() {
            if self.read_phase == Phase::Fresh {
                Phase::Fresh
            } else {
                Phase::Idle
            }
        } else {
            Phase::Body
        };
        if phase == self.read_phase {
            return;
        }
        let within = match phase {
            // A fresh connection's head counts from accept, not from its first byte.
            Phase::Head if self.read_phase == Phase::Fresh => {
                self.read_phase = phase;
                return;
            }
            Phase::Head => self.patience.head,
            Phase::Idle => self.patience.idle,
            // Nothing becomes fresh again, and what has passed is over.
            Phase::Fresh | Phase::Passed | Phase::Body => FAR,
        };
        self.read_phase = phase;
        self.read_deadline.as_mut().reset(Instant::now() + within);
    }

    /// Nothing more is read; `sealed` is written before the connection closes.
    fn part_with(&mut self, sealed: Sealed) {
        self.ended = true;
        self.parting = Some(spell(sealed));
        self.shared.linger();
    }

    fn poll_parting(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        while let Some(parting) = &mut self.parting {
            let deadline = self
                .parting_deadline
                .get_or_insert_with(|| Box::pin(sleep_until(Instant::now() + LINGER)));
            if deadline.as_mut().poll(cx).is_ready() {
                return Poll::Ready(Err(io::ErrorKind::TimedOut.into()));
            }
            let written = ready!(Pin::new(&mut self.socket).poll_write(cx, parting))?;
            parting.advance(written);
            if parting.is_empty() || written == 0 {
                self.parting = None;
            }
        }
        Poll::Ready(Ok(()))
    }

    fn poll_linger(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        let (deadline, left) = self
            .lingering
            .get_or_insert_with(|| (Box::pin(sleep_until(Instant::now() + LINGER)), LINGER_BYTES));
        loop {
            if deadline.as_mut().poll(cx).is_ready() || *left == 0 {
                return Poll::Ready(());
            }
            let mut scrap = [0; 4096];
            let mut scrap = ReadBuf::new(&mut scrap);
            match ready!(Pin::new(&mut self.socket).poll_read(cx, &mut scrap)) {
                Ok(()) if !scrap.filled().is_empty() => {
                    *left = left.saturating_sub(scrap.filled().len());
                }
                _ => return Poll::Ready(()),
            }
        }
    }

    /// Cuts an answer that the client does not take.
    fn poll_undrained(&mut self, cx: &mut Context<'_>) -> Poll<io::Error> {
        if self.shared.poll_cut(cx).is_ready() {
            let why = "what the answer was for has ended";
            return Poll::Ready(io::Error::new(io::ErrorKind::ConnectionAborted, why));
        }
        let within = match self.shared.drain() {
            Drain::Api => self.patience.api_drain,
            Drain::Media => self.patience.media_drain,
            Drain::Events => return Poll::Pending,
        };
        let deadline = self
            .write_deadline
            .get_or_insert_with(|| Box::pin(sleep_until(Instant::now() + within)));
        ready!(deadline.as_mut().poll(cx));
        Poll::Ready(io::Error::new(
            io::ErrorKind::TimedOut,
            "the answer was not taken",
        ))
    }

    fn wrote(
        &mut self,
        written: &Poll<io::Result<usize>>,
        cx: &mut Context<'_>,
    ) -> Poll<io::Error> {
        let answer = self.shared.begun.load(Ordering::Acquire);
        if std::mem::replace(&mut self.write_answer, answer) != answer {
            self.write_deadline = None;
        }
        match written {
            Poll::Pending => self.poll_undrained(cx),
            // An API answer has one deadline, however steadily it trickles.
            Poll::Ready(_) if self.shared.drain() == Drain::Api => Poll::Pending,
            Poll::Ready(_) => {
                self.write_deadline = None;
                Poll::Pending
            }
        }
    }
}

/// As good as never, without overflowing.
const FAR: Duration = Duration::from_secs(365 * 24 * 60 * 60);

/// A whole, sealed answer as bytes: for what hyper does not write.
fn spell(sealed: Sealed) -> Bytes {
    let (head, body) = sealed.into_response().into_parts();
    let body = body
        .collect()
        .now_or_never()
        .and_then(Result::ok)
        .map_or_else(Bytes::new, http_body_util::Collected::to_bytes);
    let mut text = format!("HTTP/1.1 {}\r\n", head.status).into_bytes();
    for (name, value) in &head.headers {
        text.extend_from_slice(name.as_str().as_bytes());
        text.extend_from_slice(b": ");
        text.extend_from_slice(value.as_bytes());
        text.extend_from_slice(b"\r\n");
    }
    text.extend_from_slice(format!("content-length: {}\r\n\r\n", body.len()).as_bytes());
    text.extend_from_slice(&body);
    text.into()
}

/// Writes `sealed` and closes: for connections that are not taken at all.
pub(crate) async fn turn_away<S: AsyncRead + AsyncWrite + Unpin>(mut socket: S, sealed: Sealed) {
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
    let text = spell(sealed);
    let farewell = async {
        socket.write_all(&text).await?;
        socket.shutdown().await?;
        let mut scrap = [0; 4096];
        while socket.read(&mut scrap).await? > 0 {}
        io::Result::Ok(())
    };
    // The other side may be gone already; there is nobody left to tell.
    let _ = tokio::time::timeout(LINGER, farewell).await;
}

// === impl Read and Write ===

impl<S: Socket> hyper::rt::Read for Wire<S> {
    fn poll_read(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        mut out: ReadBufCursor<'_>,
    ) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        let released = ready!(this.poll_release(cx))?;
        let taken = released.min(out.remaining());
        out.put_slice(this.input.get(..taken).unwrap_or_default());
        this.input.advance(taken);
        this.released -= taken;
        Poll::Ready(Ok(()))
    }
}

impl<S: Socket> hyper::rt::Write for Wire<S> {
    fn poll_write(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        self.poll_write_vectored(cx, &[io::IoSlice::new(bytes)])
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let this = self.get_mut();
        let written = match next(&this.shared.lane, bytes)? {
            Next::Plain(bytes) => Pin::new(&mut this.socket).poll_write_vectored(cx, bytes),
            Next::Pieces(most) => poll_pieces(&this.socket, &this.shared.lane, cx, most),
        };
        match this.wrote(&written, cx) {
            Poll::Ready(error) => Poll::Ready(Err(error)),
            Poll::Pending => written,
        }
    }

    fn is_write_vectored(&self) -> bool {
        self.socket.is_write_vectored()
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        // hyper flushes when it has nothing left to write.
        if this.shared.ahead.swap(0, Ordering::AcqRel) > 0 {
            this.shared.waiting.wake();
        }
        ready!(Pin::new(&mut this.socket).poll_flush(cx))?;
        let answered = this.shared.answered();
        if std::mem::replace(&mut this.answered, answered) != answered {
            this.through();
        }
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        if this.lingering.is_none() {
            ready!(this.poll_parting(cx))?;
            ready!(Pin::new(&mut this.socket).poll_shutdown(cx))?;
        }
        if this.shared.linger.load(Ordering::Acquire) {
            ready!(this.poll_linger(cx));
        }
        Poll::Ready(Ok(()))
    }
}

#[cfg(test)]
mod tests;
