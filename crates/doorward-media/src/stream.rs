//! The body of a media answer: counted, held to its promise, and cut when its
//! grant ends.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use bytes::Bytes;
use doorward_guard::table::grants::Fate;
use doorward_guard::{Clock, Grant, Moment};
use http_body::{Body, Frame, SizeHint};
use tokio::time::{Sleep, sleep};

use crate::defaults;
use crate::error::MediaError;
use crate::grant::MediaGrant;
use crate::media::Stats;
use crate::multipart::Parts;
use crate::source::Chunks;

/// Why a body ended before its promised length. Each of these aborts the
/// connection: a client never sees a clean end of a body that is not whole.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Cut {
    /// The grant ended.
    #[error("the grant ended: {}", .0.word())]
    Ended(Fate),
    /// The source failed.
    #[error(transparent)]
    Source(MediaError),
    /// The source gave fewer bytes than it promised.
    #[error("the source ended {0} bytes early")]
    Short(u64),
    /// The source gave more bytes than it promised.
    #[error("the source gave more than it promised")]
    Long,
}

/// Where the bytes of a body come from.
pub(crate) enum Feed {
    /// All of it, or one range.
    One(Chunks),
    /// Several ranges in their frame.
    Several(Box<Parts>),
}

/// Exactly the promised bytes, or an error.
pub(crate) struct Streaming {
    feed: Feed,
    left: u64,
    grant: Arc<Grant<MediaGrant>>,
    stats: Arc<Stats>,
    clock: Clock,
    ended: Pin<Box<dyn Future<Output = Fate> + Send>>,
    /// Set only while the source keeps us waiting.
    expiry: Option<Pin<Box<Sleep>>>,
    touched: Moment,
}

impl Streaming {
    pub(crate) fn new(
        feed: Feed,
        length: u64,
        grant: &Arc<Grant<MediaGrant>>,
        stats: &Arc<Stats>,
        clock: &Clock,
    ) -> Self {
        stats.stream_begins(grant);
        let watched = Arc::clone(grant);
        Self {
            feed,
            left: length,
            grant: Arc::clone(grant),
            stats: Arc::clone(stats),
            clock: clock.clone(),
            ended: Box::pin(async move { watched.ended().await }),
            expiry: None,
            touched: clock.now(),
        }
    }

    /// Whether the grant still stands. Looked at before every chunk, so that not
    /// a byte is sent after its time, and by a timer while there is none.
    fn poll_end(&mut self, cx: &mut Context<'_>) -> Poll<Fate> {
        if let Poll::Ready(fate) = self.ended.as_mut().poll(cx) {
            return Poll::Ready(fate);
        }
        if self.grant.expires() <= self.clock.now() {
            return Poll::Ready(Fate::Expired);
        }
        Poll::Pending
    }

    fn poll_chunk(&mut self, cx: &mut Context<'_>) -> Poll<Option<Result<Bytes, Cut>>> {
        loop {
            if let Poll::Ready(fate) = self.poll_end(cx) {
                return Poll::Ready(Some(Err(Cut::Ended(fate))));
            }
            match self.feed.poll_next(cx) {
                Poll::Pending => {
                    let left = self.grant.expires().since(self.clock.now());
                    let expiry = self.expiry.get_or_insert_with(|| Box::pin(sleep(left)));
                    if expiry.as_mut().poll(cx).is_pending() {
                        return Poll::Pending;
                    }
                    // Due, or renewed meanwhile: look again.
                    self.expiry = None;
                }
                Poll::Ready(None) if self.left == 0 => return Poll::Ready(None),
                Poll::Ready(None) => return Poll::Ready(Some(Err(Cut::Short(self.left)))),
                Poll::Ready(Some(Err(cut))) => return Poll::Ready(Some(Err(cut))),
                Poll::Ready(Some(Ok(bytes))) => {
                    self.expiry = None;
                    return Poll::Ready(Some(self.account(bytes)));
                }
            }
        }
    }

    fn account(&mut self, bytes: Bytes) -> Result<Bytes, Cut> {
        let length = u64::try_from(bytes.len()).unwrap_or(u64::MAX);
        self.left = self.left.checked_sub(length).ok_or(Cut::Long)?;
        let now = self.clock.now();
        if now.since(self.touched) >= defaults::TOUCH_EVERY {
            self.grant.touch(now);
            self.touched = now;
        }
        self.stats.count(&self.grant, length);
        Ok(bytes)
    }
}

impl Feed {
    fn poll_next(&mut self, cx: &mut Context<'_>) -> Poll<Option<Result<Bytes, Cut>>> {
        match self {
            Self::One(chunks) => chunks
                .poll_next(cx)
                .map(|next| next.map(|chunk| chunk.map_err(Cut::Source))),
            Self::Several(parts) => parts.poll_next(cx),
        }
    }
}

impl Body for Streaming {
    type Data = Bytes;
    type Error = Cut;

    fn poll_frame(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Cut>>> {
        let this = self.get_mut();
        let chunk = std::task::ready!(this.poll_chunk(cx));
        if let Some(Err(cut)) = &chunk {
            this.stats.cut(&this.grant, cut);
        }
        Poll::Ready(chunk.map(|chunk| chunk.map(Frame::data)))
    }

    fn is_end_stream(&self) -> bool {
        self.left == 0
    }

    fn size_hint(&self) -> SizeHint {
        SizeHint::with_exact(self.left)
    }
}

impl Drop for Streaming {
    fn drop(&mut self) {
        self.grant.touch(self.clock.now());
        self.stats.stream_ends(&self.grant);
    }
}
