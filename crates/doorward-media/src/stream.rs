//! The body of a media answer: counted, held to its promise, and cut when its
//! grant ends.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use bytes::Bytes;
use doorward_guard::raw::is_placeholder;
use doorward_guard::table::grants::Fate;
use doorward_guard::{Clock, Moment};
use http_body::{Body, Frame, SizeHint};
use tokio::time::{Sleep, sleep};

use crate::defaults;
use crate::error::MediaError;
use crate::media::Running;
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
    /// Nobody read it, and another request of its session needs the connection.
    #[error("it stood still and gave way to another")]
    Evicted,
    /// The grant was made for fewer bytes.
    #[error("the grant gives no more bytes")]
    Spent,
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
    /// The grant gives no more.
    spent: bool,
    running: Running,
    clock: Clock,
    ended: Pin<Box<dyn Future<Output = Fate> + Send>>,
    /// Set only while the source keeps us waiting.
    expiry: Option<Pin<Box<Sleep>>>,
    touched: Moment,
}

impl Streaming {
    pub(crate) fn new(feed: Feed, length: u64, running: Running, clock: &Clock) -> Self {
        running.lane.progress(clock.now());
        let watched = Arc::clone(&running.grant);
        Self {
            feed,
            left: length,
            spent: false,
            running,
            clock: clock.clone(),
            ended: Box::pin(async move { watched.ended().await }),
            expiry: None,
            touched: clock.now(),
        }
    }

    /// Waits until something ends it that its client need not read for: its grant
    /// ends, or it has to give way.
    pub(crate) fn until(&self) -> impl Future<Output = ()> + Send + use<> {
        let grant = Arc::clone(&self.running.grant);
        let lane = Arc::clone(&self.running.lane);
        async move {
            tokio::select! {
                _ = grant.ended() => {}
                () = lane.evicted() => {}
            }
        }
    }

    /// Whether the grant still stands. Looked at before every chunk, so that not
    /// a byte is sent after its time, and by a timer while there is none.
    fn poll_end(&mut self, cx: &mut Context<'_>) -> Poll<Cut> {
        if let Poll::Ready(fate) = self.ended.as_mut().poll(cx) {
            return Poll::Ready(Cut::Ended(fate));
        }
        if self.running.grant.expires() <= self.clock.now() {
            return Poll::Ready(Cut::Ended(Fate::Expired));
        }
        if self.running.lane.is_evicted() {
            return Poll::Ready(Cut::Evicted);
        }
        Poll::Pending
    }

    fn poll_chunk(&mut self, cx: &mut Context<'_>) -> Poll<Option<Result<Bytes, Cut>>> {
        loop {
            if let Poll::Ready(cut) = self.poll_end(cx) {
                return Poll::Ready(Some(Err(cut)));
            }
            if self.spent {
                return Poll::Ready(Some(Err(Cut::Spent)));
            }
            match self.feed.poll_next(cx) {
                Poll::Pending => {
                    let left = self.running.grant.expires().since(self.clock.now());
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
                    let given = self.account(bytes);
                    if !matches!(&given, Ok(bytes) if self.spent && bytes.is_empty()) {
                        return Poll::Ready(Some(given));
                    }
                }
            }
        }
    }

    fn account(&mut self, mut bytes: Bytes) -> Result<Bytes, Cut> {
        let length = u64::try_from(bytes.len()).unwrap_or(u64::MAX);
        let Running { grant, stats, .. } = &self.running;
        if length > self.left {
            return Err(Cut::Long);
        }
        let now = self.clock.now();
        if now.since(self.touched) >= defaults::TOUCH_EVERY {
            grant.touch(now);
            self.touched = now;
        }
        let allowed = stats.count(grant, length);
        if allowed < length {
            // What is left of the cap is sent, and then no more.
            self.spent = true;
            let given = usize::try_from(allowed).unwrap_or(usize::MAX);
            self.feed
                .take_back(&bytes, bytes.len().saturating_sub(given));
            bytes.truncate(given);
        }
        self.left = self.left.saturating_sub(allowed);
        Ok(bytes)
    }
}

impl Feed {
    /// The last `count` of `bytes` are not sent, nor what they stand for.
    fn take_back(&self, bytes: &Bytes, count: usize) {
        if let Self::One(chunks) = self
            && is_placeholder(bytes)
            && let Some(raw) = chunks.raw()
            && let Some(lane) = raw.lane()
        {
            lane.take_back(count);
        }
    }

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
        let chunk = this.poll_chunk(cx);
        let lane = &this.running.lane;
        let Poll::Ready(chunk) = chunk else {
            lane.waits();
            return Poll::Pending;
        };
        // Whoever polls has sent what came before.
        lane.progress(this.clock.now());
        if let Some(Err(cut)) = &chunk {
            this.running.stats.cut(&this.running.grant, cut);
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
        self.running.grant.touch(self.clock.now());
    }
}
