//! The body of an answer: passed through as it arrives, never gathered.

use std::future::Future as _;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use bytes::Bytes;
use http_body::{Body, Frame, SizeHint};
use tokio::sync::OwnedSemaphorePermit;
use tokio::time::{Instant, Sleep, sleep};

use crate::EgressError;

/// An upstream's body. Ends with an error, never cleanly, when the upstream
/// sends fewer bytes than it promised or falls silent while bytes are asked for.
/// Dropping it early closes the connection.
#[derive(Debug)]
pub struct Incoming {
    inner: hyper::body::Incoming,
    silence: Duration,
    /// Runs only while we wait for the upstream: a slow reader on our own side
    /// must not look like a silent upstream.
    deadline: Pin<Box<Sleep>>,
    waiting: bool,
    _slot: OwnedSemaphorePermit,
}

impl Incoming {
    pub(crate) fn new(
        inner: hyper::body::Incoming,
        silence: Duration,
        slot: OwnedSemaphorePermit,
    ) -> Self {
        Self {
            inner,
            silence,
            deadline: Box::pin(sleep(silence)),
            waiting: false,
            _slot: slot,
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
        if let Poll::Ready(frame) = Pin::new(&mut this.inner).poll_frame(cx) {
            this.waiting = false;
            return Poll::Ready(
                frame.map(|frame| frame.map_err(|error| EgressError::Exchange(Arc::new(error)))),
            );
        }
        if !this.waiting {
            this.waiting = true;
            this.deadline.as_mut().reset(Instant::now() + this.silence);
        }
        ready!(this.deadline.as_mut().poll(cx));
        Poll::Ready(Some(Err(EgressError::BodyTimeout)))
    }

    fn is_end_stream(&self) -> bool {
        self.inner.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.inner.size_hint()
    }
}
