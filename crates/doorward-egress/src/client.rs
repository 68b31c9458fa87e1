//! Requests over kept connections.
//!
//! HTTP/1.1 alone, buffers capped, connections and requests bounded. Redirects
//! come back as the answers that they are. A kept connection that turns out to
//! be dead before anything was sent is replaced once, silently.

use std::error::Error as StdError;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use http::{Request, Response, Uri};
use http_body_util::Full;
use hyper_util::client::legacy;
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use tokio::sync::Semaphore;
use tokio::time::timeout;

use crate::{Dialer, EgressError, Incoming, Stream, Target, defaults};

/// What a [`Client`] holds at most. Every field has its default in [`defaults`].
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// Requests that run at once, bodies included.
    pub in_flight: usize,
    /// Idle connections per target.
    pub idle_per_target: usize,
    /// How long a connection may be idle.
    pub idle: Duration,
    /// hyper's read buffer per connection, in bytes; at least 8 KiB.
    pub read_buffer: usize,
    /// For the head of an answer, after the request was sent.
    pub head_within: Duration,
    /// For the next bytes of a body, while they are asked for.
    pub body_silence: Duration,
}

/// A pooled HTTP/1.1 client. Cheap to clone; clones share the pool.
#[derive(Clone, Debug)]
pub struct Client {
    inner: legacy::Client<Connector, Full<Bytes>>,
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
    pub fn with_limits(dialer: Dialer, limits: Limits) -> Self {
        let inner = legacy::Client::builder(TokioExecutor::new())
            .pool_timer(TokioTimer::new())
            .timer(TokioTimer::new())
            .pool_idle_timeout(limits.idle)
            .pool_max_idle_per_host(limits.idle_per_target)
            .http1_max_buf_size(limits.read_buffer.max(8 * 1024))
            .http1_max_headers(defaults::ANSWER_HEADERS)
            .build(Connector(dialer));
        Self {
            inner,
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
        Target::parse(request.uri())?;
        let slot = Arc::clone(&self.slots)
            .try_acquire_owned()
            .map_err(|_| EgressError::Busy)?;
        let answer = timeout(
            self.limits.head_within,
            self.inner.request(request.map(Full::new)),
        )
        .await
        .map_err(|_| EgressError::HeadTimeout)?
        .map_err(found_cause)?;
        Ok(answer.map(|body| Incoming::new(body, self.limits.body_silence, slot)))
    }
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            in_flight: defaults::IN_FLIGHT,
            idle_per_target: defaults::IDLE_PER_TARGET,
            idle: defaults::IDLE,
            read_buffer: defaults::READ_BUFFER,
            head_within: defaults::HEAD_WITHIN,
            body_silence: defaults::BODY_SILENCE,
        }
    }
}

/// Our own error where one is inside, the pool's otherwise.
fn found_cause(error: legacy::Error) -> EgressError {
    let mut cause: Option<&(dyn StdError + 'static)> = Some(&error);
    while let Some(inner) = cause {
        if let Some(ours) = inner.downcast_ref::<EgressError>() {
            return ours.clone();
        }
        cause = inner.source();
    }
    EgressError::Exchange(Arc::new(error))
}

/// The pool's way to a new connection: our dialer.
#[derive(Clone, Debug)]
struct Connector(Dialer);

impl tower_service::Service<Uri> for Connector {
    type Response = TokioIo<Stream>;
    type Error = EgressError;
    type Future = Pin<Box<dyn Future<Output = Result<TokioIo<Stream>, EgressError>> + Send>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), EgressError>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, uri: Uri) -> Self::Future {
        let dialer = self.0.clone();
        Box::pin(async move {
            let target = Target::parse(&uri)?;
            dialer.dial(&target).await.map(TokioIo::new)
        })
    }
}
