//! Requests over kept connections.
//!
//! HTTP/1.1 alone, buffers capped, connections and requests bounded. Redirects
//! come back as the answers that they are. A kept connection that turns out to
//! be dead before a byte of the answer came is replaced once, silently: for GET
//! and HEAD always, for other methods only if nothing was sent on it.

use std::future::Future as _;
use std::io;
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::{Buf, BufMut as _, Bytes, BytesMut};
use http::{Method, Request, Response};
use tokio::io::{AsyncReadExt as _, AsyncWrite as _, AsyncWriteExt as _};
use tokio::sync::Semaphore;
use tokio::time::timeout;

use crate::head::{Head, Malformed, encoded, take};
use crate::pool::Pool;
use crate::{Dialer, EgressError, Incoming, Stream, Target, defaults};

/// What a [`Client`] holds at most. Every field has its default in [`defaults`].
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// Requests that run at once, bodies included.
    pub in_flight: usize,
    /// Idle connections per target.
    pub idle_per_target: usize,
    /// Idle connections in all.
    pub idle_total: usize,
    /// How long a connection may be idle.
    pub idle: Duration,
    /// The largest head of an answer and the largest chunk of a body, in bytes;
    /// at least 8 KiB.
    pub read_buffer: usize,
    /// For sending a request and receiving the head of its answer, once connected.
    pub head_within: Duration,
    /// For the next bytes of a body, while they are asked for.
    pub body_silence: Duration,
}

/// A pooled HTTP/1.1 client. Cheap to clone; clones share the pool.
#[derive(Clone, Debug)]
pub struct Client {
    dialer: Dialer,
    pool: Arc<Pool>,
    slots: Arc<Semaphore>,
    limits: Limits,
}

// === impl Client ===

impl Client {
    /// A client that dials with `dialer` and the default [`Limits`].
    #[must_use]
    pub fn new(dialer: Dialer) -> Self {
        Self::with_limits(dialer, Limits::default())
    }

    /// A client with other limits.
    #[must_use]
    pub fn with_limits(dialer: Dialer, mut limits: Limits) -> Self {
        limits.read_buffer = limits.read_buffer.max(8 * 1024);
        Self {
            dialer,
            pool: Pool::new(&limits),
            slots: Arc::new(Semaphore::new(limits.in_flight)),
            limits,
        }
    }

    /// Sends one request and returns the answer as soon as its head is there.
    /// The URI is absolute; `Host` is made from it.
    ///
    /// # Errors
    ///
    /// Any [`EgressError`]. A status of 400 and above is an answer, not an error.
    pub async fn send(&self, request: Request<Bytes>) -> Result<Response<Incoming>, EgressError> {
        let target = Target::parse(request.uri())?;
        let head = encoded(&request)?.freeze();
        let slot = Arc::clone(&self.slots)
            .try_acquire_owned()
            .map_err(|_| EgressError::Busy)?;
        let method = request.method().clone();
        let content = request.into_body();
        let bytes = || head.clone().chain(content.clone());
        let answered = match self.pool.take(&target).await {
            Some(kept) => match self.exchange(kept, bytes(), &method).await {
                Err(Failed::Stale(_)) if matches!(method, Method::GET | Method::HEAD) => {
                    let fresh = self.dialer.dial(&target).await?;
                    self.exchange(fresh, bytes(), &method).await
                }
                other => other,
            },
            None => {
                let fresh = self.dialer.dial(&target).await?;
                self.exchange(fresh, bytes(), &method).await
            }
        };
        let Answered {
            stream,
            head,
            rest,
            sent,
        } = answered.map_err(Failed::into_error)?;
        let back = (head.keep && sent).then(|| (Arc::clone(&self.pool), target));
        let body = Incoming::new(stream, rest, head.framing, back, &self.limits, slot);
        Ok(head.answer.map(|()| body))
    }

    async fn exchange(
        &self,
        mut stream: Stream,
        mut unsent: impl Buf,
        method: &Method,
    ) -> Result<Answered, Failed> {
        let mut bytes = BytesMut::new();
        let most = self.limits.read_buffer;
        let mut left = most;
        let head = std::future::poll_fn(|cx| {
            poll_exchange(&mut stream, &mut unsent, &mut bytes, &mut left, method, cx)
        });
        let head = timeout(self.limits.head_within, head)
            .await
            .unwrap_or(Err(Failed::Final(EgressError::HeadTimeout)));
        let head = match head {
            Err(Failed::Stale(error)) if left < most => {
                return Err(Failed::Final(EgressError::Exchange(Arc::new(error))));
            }
            other => other?,
        };
        Ok(Answered {
            stream,
            head,
            rest: bytes,
            sent: !unsent.has_remaining(),
        })
    }
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            in_flight: defaults::IN_FLIGHT,
            idle_per_target: defaults::IDLE_PER_TARGET,
            idle_total: defaults::IDLE_TOTAL,
            idle: defaults::IDLE,
            read_buffer: defaults::READ_BUFFER,
            head_within: defaults::HEAD_WITHIN,
            body_silence: defaults::BODY_SILENCE,
        }
    }
}

/// One exchange up to the head.
struct Answered {
    stream: Stream,
    head: Head,
    /// What arrived behind the head.
    rest: BytesMut,
    /// Whether the whole request was sent; an early answer comes before that.
    sent: bool,
}

/// Why there is no head.
enum Failed {
    /// The connection ended before a byte of the answer came.
    Stale(io::Error),
    Final(EgressError),
}

impl Failed {
    fn into_error(self) -> EgressError {
        match self {
            Self::Stale(error) => EgressError::Exchange(Arc::new(error)),
            Self::Final(error) => error,
        }
    }
}

/// Writes while it can and reads at the same time, so that a server which
/// answers before it has read everything is heard. `left` is what the head may
/// still take.
fn poll_exchange(
    stream: &mut Stream,
    unsent: &mut impl Buf,
    bytes: &mut BytesMut,
    left: &mut usize,
    method: &Method,
    cx: &mut Context<'_>,
) -> Poll<Result<Head, Failed>> {
    let mut broken = None;
    while unsent.has_remaining() {
        match pin!(stream.write_buf(unsent)).poll(cx) {
            Poll::Ready(Ok(0)) => broken = Some(io::ErrorKind::WriteZero.into()),
            Poll::Ready(Ok(_)) => continue,
            Poll::Ready(Err(error)) => broken = Some(error),
            Poll::Pending => {}
        }
        break;
    }
    if let Poll::Ready(Err(error)) = Pin::new(&mut *stream).poll_flush(cx) {
        broken = Some(error);
    }
    loop {
        if *left == 0 {
            let long = Malformed("its head is too long");
            return Poll::Ready(Err(Failed::Final(long.into())));
        }
        let room = defaults::HEAD_READ.min(*left);
        bytes.reserve(room);
        let mut limited = (&mut *bytes).limit(room);
        let error = match pin!(stream.read_buf(&mut limited)).poll(cx) {
            Poll::Ready(Ok(0)) => io::ErrorKind::UnexpectedEof.into(),
            Poll::Ready(Ok(read)) => {
                *left = left.saturating_sub(read);
                match take(bytes, method) {
                    Ok(Some(head)) => return Poll::Ready(Ok(head)),
                    Ok(None) => continue,
                    Err(error) => return Poll::Ready(Err(Failed::Final(error.into()))),
                }
            }
            Poll::Ready(Err(error)) => error,
            Poll::Pending => match broken {
                Some(error) => error,
                None => return Poll::Pending,
            },
        };
        return Poll::Ready(Err(Failed::Stale(error)));
    }
}
