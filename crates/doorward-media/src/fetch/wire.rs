//! What bytes are asked from, and what comes back.

use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use doorward_egress::Incoming;
use http_body::Body as _;

use crate::error::MediaError;
use crate::range::ByteRange;

/// One version of one object, from which any range can be asked.
pub(crate) trait Upstream: fmt::Debug + Send + Sync {
    /// Asks for one range, or for everything. What comes back was held against
    /// the version; [`MediaError::Changed`] if it is of another.
    fn get(&self, range: Option<ByteRange>) -> Asking;
}

/// A request on its way.
pub(crate) type Asking = Pin<Box<dyn Future<Output = Result<Part, MediaError>> + Send>>;

/// An answer with bytes.
#[derive(Debug)]
pub(crate) struct Part {
    /// Which bytes it proves to hold: the range that was asked for, or everything.
    pub(crate) range: Option<ByteRange>,
    pub(crate) body: Wire,
}

/// The bytes of one answer.
#[derive(Debug)]
pub(crate) enum Wire {
    Egress(Incoming),
    #[cfg(test)]
    Script(super::script::Tape),
}

impl Wire {
    /// The next bytes, never none of them.
    pub(crate) fn poll_next(
        &mut self,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Bytes, MediaError>>> {
        let body = match self {
            Self::Egress(body) => body,
            #[cfg(test)]
            Self::Script(tape) => return tape.poll_next(cx),
        };
        loop {
            match ready!(Pin::new(&mut *body).poll_frame(cx)) {
                None => return Poll::Ready(None),
                Some(Err(error)) => return Poll::Ready(Some(Err(error.into()))),
                Some(Ok(frame)) => {
                    // Trailers are nobody's business here.
                    if let Ok(bytes) = frame.into_data()
                        && !bytes.is_empty()
                    {
                        return Poll::Ready(Some(Ok(bytes)));
                    }
                }
            }
        }
    }
}
