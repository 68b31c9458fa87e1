//! How much a server may say before somebody is signed in.
//!
//! Until then the library keeps what it is told, and a person who is asked for a code
//! may take their time: a server that talks on would fill the memory meanwhile.

use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::{Context, Poll, ready};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use crate::defaults;

/// Bytes that may still be read.
#[derive(Clone, Debug)]
pub(super) struct Allowance(Arc<AtomicUsize>);

/// A stream that breaks off once more was read than is allowed.
#[derive(Debug)]
pub(super) struct Allowed<S> {
    stream: S,
    allowance: Allowance,
}

/// What stands for no bound.
const LIFTED: usize = usize::MAX;

// === impl Allowance ===

impl Allowance {
    /// As much as signing in takes.
    pub(super) fn new() -> Self {
        Self(Arc::new(AtomicUsize::new(defaults::SIGNING_IN)))
    }

    /// `stream`, within it.
    pub(super) fn over<S>(&self, stream: S) -> Allowed<S> {
        Allowed {
            stream,
            allowance: self.clone(),
        }
    }

    /// Somebody is signed in.
    pub(super) fn lift(&self) {
        self.0.store(LIFTED, Ordering::Release);
    }

    fn take(&self, bytes: usize) -> io::Result<()> {
        let less = |left: usize| match left {
            LIFTED => Some(LIFTED),
            left => left.checked_sub(bytes),
        };
        let taken = self
            .0
            .fetch_update(Ordering::AcqRel, Ordering::Acquire, less);
        taken.map(|_| ()).map_err(|_| {
            let why = "it says more than signing in takes";
            io::Error::new(io::ErrorKind::InvalidData, why)
        })
    }
}

// === impl Allowed ===

impl<S: AsyncRead + Unpin> AsyncRead for Allowed<S> {
    fn poll_read(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        let before = buffer.filled().len();
        ready!(Pin::new(&mut this.stream).poll_read(cx, buffer))?;
        let read = buffer.filled().len().saturating_sub(before);
        Poll::Ready(this.allowance.take(read))
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Allowed<S> {
    fn poll_write(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.get_mut().stream).poll_write(cx, bytes)
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.get_mut().stream).poll_flush(cx)
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.get_mut().stream).poll_shutdown(cx)
    }
}

#[cfg(test)]
mod tests {
    use tokio::io::AsyncReadExt as _;

    use super::*;

    #[tokio::test]
    async fn a_server_that_talks_on_is_cut_off_until_somebody_is_signed_in() {
        let allowance = Allowance::new();
        let mut stream = allowance.over(tokio::io::repeat(b'x'));
        let mut most = vec![0; defaults::SIGNING_IN];
        stream.read_exact(&mut most).await.unwrap();
        let over = stream.read_u8().await.unwrap_err();
        assert_eq!(over.kind(), io::ErrorKind::InvalidData);
        allowance.lift();
        stream.read_exact(&mut most).await.unwrap();
    }
}
