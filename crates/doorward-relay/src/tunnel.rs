//! Bytes both ways, and a Close frame at the end if we are the ones who end it.
//!
//! One task moves both directions. A direction reads only when its last bytes
//! were taken: there is no queue, so a page that reads nothing stalls the
//! upstream, and a tunnel that waits holds no buffer. Frames are followed, never
//! changed; between two of them a Close of our own can be put in.

mod report;

use std::cell::RefCell;
use std::future::poll_fn;
use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use doorward_guard::{Clock, Grant};
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, ReadBuf};
use tokio::time::{Instant, sleep_until, timeout};
use tokio_util::sync::CancellationToken;

use crate::defaults;
use crate::frame::{Counts, FrameMeter, close_frame};
use crate::grant::RelayGrant;
use crate::traffic::Traffic;
use report::PingClock;

pub use report::{End, Report, Rtt};

thread_local! {
    static SCRATCH: RefCell<Box<[u8]>> = RefCell::new(vec![0; defaults::READ].into());
}

/// What ends a tunnel from our side.
#[derive(Clone, Copy, Debug)]
pub struct Ends<'a> {
    /// 1008 when it ends.
    pub grant: &'a Grant<RelayGrant>,
    /// Tells the grant that it is in use.
    pub clock: &'a Clock,
    /// 1001 when it is cancelled.
    pub stop: &'a CancellationToken,
    /// 1012 when it is cancelled: the network changed.
    pub restart: &'a CancellationToken,
    /// 1001 after this without a byte either way.
    pub silence: Duration,
    /// Whether there are frames to follow and to close with.
    pub framing: Framing,
}

/// What the bytes of a tunnel are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Framing {
    /// WebSocket frames.
    WebSocket,
    /// Something else: nothing is counted but bytes, and the end is a cut.
    None,
}

/// One direction.
#[derive(Debug, Default)]
struct Lane {
    meter: FrameMeter,
    /// Read, and not yet taken.
    left: Vec<u8>,
    sent: usize,
    unflushed: bool,
    ended: bool,
    shut: bool,
    /// The Close frame is in `left`, or need not be.
    parting: bool,
}

/// Which end of a lane failed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Broke {
    Reading,
    Writing,
}

struct Pump<C, U> {
    client: C,
    upstream: U,
    up: Lane,
    down: Lane,
    broke: Option<End>,
    /// What the grant was told of both lanes.
    told: [Counts; 2],
    /// Pings to the page, and pings to the upstream.
    clocks: [PingClock; 2],
}

/// Moves bytes until both sides are done or `ends` says so. `early` came from the
/// client behind its request, `first` from the upstream behind its 101.
pub async fn splice<C, U>(
    client: C,
    upstream: U,
    early: &[u8],
    first: &[u8],
    ends: Ends<'_>,
) -> Report
where
    C: AsyncRead + AsyncWrite + Unpin,
    U: AsyncRead + AsyncWrite + Unpin,
{
    let mut pump = Pump {
        client,
        upstream,
        up: Lane::beginning(early, ends.framing),
        down: Lane::beginning(first, ends.framing),
        broke: None,
        told: [Counts::default(); 2],
        clocks: Default::default(),
    };
    let end = pump.run(ends).await;
    let close = match end {
        _ if ends.framing == Framing::None => None,
        End::Grant(fate) => Some((1008, fate.word())),
        End::Stopping => Some((1001, "doorward stops")),
        End::NetworkChanged => Some((1012, "the network changed")),
        End::Silent => Some((1001, "nothing was sent for too long")),
        End::Finished
        | End::ClientBroke
        | End::UpstreamBroke
        | End::NotDrained
        | End::Faulty(_) => None,
    };
    if let Some((code, reason)) = close {
        pump.part(code, reason).await;
        let counts = [pump.up.meter.counts(), pump.down.meter.counts()];
        ends.grant.data.traffic.add(pump.told, counts);
    }
    Report {
        up: pump.up.meter.counts(),
        down: pump.down.meter.counts(),
        end,
        rtt: Rtt {
            page: pump.clocks[0].took,
            upstream: pump.clocks[1].took,
        },
    }
}

// === impl Pump ===

impl<C, U> Pump<C, U>
where
    C: AsyncRead + AsyncWrite + Unpin,
    U: AsyncRead + AsyncWrite + Unpin,
{
    async fn run(&mut self, ends: Ends<'_>) -> End {
        let grant_ended = ends.grant.ended();
        tokio::pin!(grant_ended);
        let look = defaults::LOOK.min(ends.silence);
        let (mut passed, mut since) = (self.passed(), Instant::now());
        let mut drain_until: Option<Instant> = None;
        loop {
            let next = match drain_until {
                Some(until) => until.min(Instant::now() + look),
                None => Instant::now() + look,
            };
            let one_is_done = drain_until.is_some();
            tokio::select! {
                biased;
                fate = &mut grant_ended => return End::Grant(fate),
                () = ends.stop.cancelled() => return End::Stopping,
                () = ends.restart.cancelled() => return End::NetworkChanged,
                both = poll_fn(|cx| self.poll(cx, one_is_done, &ends.grant.data.traffic)) => {
                    if both {
                        return self.broke.unwrap_or(End::Finished);
                    }
                    drain_until = Some(Instant::now() + defaults::DRAIN);
                }
                () = sleep_until(next) => {
                    let now = Instant::now();
                    if drain_until.is_some_and(|until| until <= now) {
                        return self.broke.unwrap_or(End::NotDrained);
                    }
                    if passed != self.passed() {
                        (passed, since) = (self.passed(), now);
                        ends.grant.touch(ends.clock.now());
                    } else if now.duration_since(since) >= ends.silence {
                        return End::Silent;
                    }
                }
            }
        }
    }

    fn passed(&self) -> u64 {
        let (up, down) = (self.up.meter.counts(), self.down.meter.counts());
        up.bytes.saturating_add(down.bytes)
    }

    /// Ready when a lane is done: with `true` when both are. A lane that was told
    /// of already counts no more.
    fn poll(&mut self, cx: &mut Context<'_>, one_is_done: bool, traffic: &Traffic) -> Poll<bool> {
        let up = self
            .up
            .poll(cx, &mut self.client, &mut self.upstream, false);
        if let Poll::Ready(Err(broke)) = up {
            self.broke.get_or_insert(match broke {
                Broke::Reading => End::ClientBroke,
                Broke::Writing => End::UpstreamBroke,
            });
        }
        let down = self
            .down
            .poll(cx, &mut self.upstream, &mut self.client, false);
        if let Poll::Ready(Err(broke)) = down {
            self.broke.get_or_insert(match broke {
                Broke::Reading => End::UpstreamBroke,
                Broke::Writing => End::ClientBroke,
            });
        }
        let counts = [self.up.meter.counts(), self.down.meter.counts()];
        traffic.add(std::mem::replace(&mut self.told, counts), counts);
        let [up_counts, down_counts] = counts;
        let [page, upstream] = &mut self.clocks;
        let news = page.look(down_counts.pings, up_counts.pongs)
            | upstream.look(up_counts.pings, down_counts.pongs);
        if news {
            traffic.took(Rtt {
                page: page.took,
                upstream: upstream.took,
            });
        }
        match (up.is_ready(), down.is_ready()) {
            (true, true) => Poll::Ready(true),
            (false, false) => Poll::Pending,
            _ if one_is_done => Poll::Pending,
            _ => Poll::Ready(false),
        }
    }

    /// Puts a Close frame behind the frames that have begun, both ways, as far as
    /// that goes in [`defaults::CUT_WITHIN`].
    async fn part(&mut self, code: u16, reason: &str) {
        let mut mask = [0; 4];
        // Without randomness the upstream is left without a Close, not the page.
        let to_upstream = getrandom::fill(&mut mask)
            .ok()
            .map(|()| close_frame(code, reason, Some(mask)));
        let to_client = close_frame(code, reason, None);
        let parting = poll_fn(|cx| {
            let up = self.up.poll_parting(
                cx,
                &mut self.client,
                &mut self.upstream,
                to_upstream.as_deref().unwrap_or_default(),
            );
            let down = self
                .down
                .poll_parting(cx, &mut self.upstream, &mut self.client, &to_client);
            if up.is_ready() && down.is_ready() {
                Poll::Ready(())
            } else {
                Poll::Pending
            }
        });
        let _ = timeout(defaults::CUT_WITHIN, parting).await;
        if !self.down.shut {
            return;
        }
        let client = &mut self.client;
        let linger = async {
            let mut scrap = [0; 1024];
            while client.read(&mut scrap).await.is_ok_and(|count| count > 0) {}
        };
        let _ = timeout(defaults::LINGER, linger).await;
    }
}

// === impl Lane ===

impl Lane {
    fn beginning(bytes: &[u8], framing: Framing) -> Self {
        Self {
            meter: match framing {
                Framing::WebSocket => FrameMeter::default(),
                Framing::None => FrameMeter::of_bytes(),
            },
            left: bytes.to_vec(),
            ..Self::default()
        }
    }

    /// Moves what can be moved. Ready when `from` has ended and all of it was
    /// taken; with `to_boundary`, also at the end of a frame.
    fn poll<R, W>(
        &mut self,
        cx: &mut Context<'_>,
        from: &mut R,
        to: &mut W,
        to_boundary: bool,
    ) -> Poll<Result<(), Broke>>
    where
        R: AsyncRead + Unpin,
        W: AsyncWrite + Unpin,
    {
        if self.shut {
            return Poll::Ready(Ok(()));
        }
        let moved = ready!(self.poll_moving(cx, from, to, to_boundary));
        if moved.is_err() {
            // Nothing more goes this way; the other way may still have last words.
            self.shut = true;
        }
        Poll::Ready(moved)
    }

    fn poll_moving<R, W>(
        &mut self,
        cx: &mut Context<'_>,
        from: &mut R,
        to: &mut W,
        to_boundary: bool,
    ) -> Poll<Result<(), Broke>>
    where
        R: AsyncRead + Unpin,
        W: AsyncWrite + Unpin,
    {
        loop {
            if to_boundary && self.meter.at_boundary() {
                return Poll::Ready(Ok(()));
            }
            if ready!(self.poll_left(cx, to, to_boundary)).is_err() {
                return Poll::Ready(Err(Broke::Writing));
            }
            if to_boundary && self.meter.at_boundary() {
                return Poll::Ready(Ok(()));
            }
            if self.unflushed {
                if ready!(Pin::new(&mut *to).poll_flush(cx)).is_err() {
                    return Poll::Ready(Err(Broke::Writing));
                }
                self.unflushed = false;
            }
            if self.ended {
                // What cannot be shut is gone already.
                let _ = ready!(Pin::new(&mut *to).poll_shutdown(cx));
                self.shut = true;
                return Poll::Ready(Ok(()));
            }
            let read = SCRATCH.with_borrow_mut(|scratch| {
                let mut buffer = ReadBuf::new(scratch);
                match Pin::new(&mut *from).poll_read(cx, &mut buffer) {
                    Poll::Pending => Poll::Pending,
                    Poll::Ready(Err(_)) => Poll::Ready(Err(Broke::Reading)),
                    Poll::Ready(Ok(())) if to_boundary => {
                        // Where to stop is decided as it is written.
                        self.left = buffer.filled().to_vec();
                        self.ended = self.left.is_empty();
                        Poll::Ready(Ok(Ok(())))
                    }
                    Poll::Ready(Ok(())) => Poll::Ready(Ok(self.take(cx, buffer.filled(), to))),
                }
            });
            match ready!(read) {
                Ok(Ok(())) => {}
                Ok(Err(_)) => return Poll::Ready(Err(Broke::Writing)),
                Err(broke) => {
                    // The other side sees an end without a Close frame.
                    let _ = ready!(Pin::new(&mut *to).poll_shutdown(cx));
                    return Poll::Ready(Err(broke));
                }
            }
        }
    }

    /// Writes what `to` takes at once and keeps the rest.
    fn take<W: AsyncWrite + Unpin>(
        &mut self,
        cx: &mut Context<'_>,
        bytes: &[u8],
        to: &mut W,
    ) -> io::Result<()> {
        if bytes.is_empty() {
            self.ended = true;
            return Ok(());
        }
        let mut rest = bytes;
        while !rest.is_empty() {
            match Pin::new(&mut *to).poll_write(cx, rest) {
                Poll::Ready(Ok(0)) => return Err(io::ErrorKind::WriteZero.into()),
                Poll::Ready(Ok(count)) => {
                    let (taken, more) = rest.split_at(count.min(rest.len()));
                    self.unflushed = true;
                    self.meter.feed(taken);
                    rest = more;
                }
                Poll::Ready(Err(error)) => return Err(error),
                Poll::Pending => break,
            }
        }
        self.left = rest.to_vec();
        self.sent = 0;
        Ok(())
    }

    fn poll_left<W: AsyncWrite + Unpin>(
        &mut self,
        cx: &mut Context<'_>,
        to: &mut W,
        to_boundary: bool,
    ) -> Poll<io::Result<()>> {
        while let Some(rest) = self.left.get(self.sent..).filter(|rest| !rest.is_empty()) {
            let mut part = rest;
            if to_boundary && let Some(end) = self.meter.to_boundary(rest) {
                if end == 0 {
                    return Poll::Ready(Ok(()));
                }
                part = rest.get(..end).unwrap_or(rest);
            }
            let count = ready!(Pin::new(&mut *to).poll_write(cx, part))?;
            if count == 0 {
                return Poll::Ready(Err(io::ErrorKind::WriteZero.into()));
            }
            self.unflushed = true;
            self.meter.feed(part.get(..count).unwrap_or_default());
            self.sent += count;
        }
        self.left = Vec::new();
        self.sent = 0;
        Poll::Ready(Ok(()))
    }

    /// Ends the frame that has begun, says `close`, and shuts this way.
    fn poll_parting<R, W>(
        &mut self,
        cx: &mut Context<'_>,
        from: &mut R,
        to: &mut W,
        close: &[u8],
    ) -> Poll<()>
    where
        R: AsyncRead + Unpin,
        W: AsyncWrite + Unpin,
    {
        if !self.parting {
            match ready!(self.poll(cx, from, to, true)) {
                Ok(()) if !self.shut => {}
                _ => return Poll::Ready(()),
            }
            self.parting = true;
            self.sent = 0;
            // Nobody says goodbye twice.
            self.left = if self.meter.counts().closes == 0 {
                close.to_vec()
            } else {
                Vec::new()
            };
        }
        if self.shut {
            return Poll::Ready(());
        }
        let said = ready!(self.poll_left(cx, to, false)).is_ok()
            && ready!(Pin::new(&mut *to).poll_flush(cx)).is_ok();
        if said {
            let _ = ready!(Pin::new(&mut *to).poll_shutdown(cx));
        }
        self.shut = true;
        Poll::Ready(())
    }
}
