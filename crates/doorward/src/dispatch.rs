//! One request: admit, read the body within limits, handle, seal.

use std::any::Any;
use std::convert::Infallible;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use doorward_guard::policy::{ContentRule, Rules};
use doorward_guard::rules::content::streams;
use doorward_guard::{
    Admission, Body, BoxError, Connection, Guard, Payload, Rule, Sealed, Upgrade, defaults,
};
use http::{Request, Response};
use http_body::{Frame, SizeHint};
use http_body_util::{BodyExt as _, LengthLimitError, Limited, StreamBody};
use hyper::upgrade::OnUpgrade;
use tokio::time::error::Elapsed;
use tokio::time::timeout;

use crate::wire::{Shared, Socket, Wire};

/// Answers one request through `guard`. This is the whole path from head to
/// sealed answer; listeners and in-process tests share it.
// Neither this nor `serve` is an `async fn`: the future of one holds its arguments twice,
// and hyper moves it for each request.
pub(crate) fn answer<B>(
    guard: &Guard,
    connection: Connection,
    request: Request<B>,
) -> impl Future<Output = Sealed>
where
    B: http_body::Body<Data = Bytes> + Send + 'static,
    B::Error: Into<BoxError>,
{
    let (head, body) = request.into_parts();
    async move {
        let entry = match guard.admit(&head, connection) {
            Admission::Answered(sealed) => return sealed,
            Admission::Enter(entry) => entry,
        };
        let payload = if streams(entry.rules(), &head) {
            Payload::Stream(steadily(body, defaults::CHUNK_PROGRESS))
        } else if body.is_end_stream() {
            Payload::Whole(Bytes::new())
        } else {
            match Box::pin(read(body, entry.rules())).await {
                Ok(bytes) => Payload::Whole(bytes),
                Err(rule) => return guard.turn_back(entry, rule),
            }
        };
        guard.enter(entry, head, payload).await
    }
}

/// The same for a request of hyper's, with the connection told what is going on.
pub(crate) fn serve<S: Socket + Send + 'static>(
    shared: Arc<Shared>,
    mut request: Request<hyper::body::Incoming>,
) -> impl Future<Output = Result<Response<Tracked>, Infallible>> {
    if let Some(upgrade) = request.extensions_mut().remove::<OnUpgrade>() {
        request.extensions_mut().insert(give_up::<S>(upgrade));
    }
    shared.begin();
    let answering = Answering(shared);
    async move {
        let shared = &*answering.0;
        let mut sealed = answer(&shared.guard, shared.connection, request).await;
        shared.drain_as(sealed.drain());
        shared.cut_at(sealed.take_until().map(|end| Box::pin(end) as _));
        if let Some(raw) = sealed.take_raw() {
            shared.arm(&raw);
        }
        if sealed.closes() {
            shared.linger();
        }
        Ok(sealed.into_response().map(|body| Tracked {
            body,
            answering,
            broken: None,
        }))
    }
}

/// The socket under hyper and the gate, with what either has read ahead.
fn give_up<S: Socket + Send + 'static>(upgrade: OnUpgrade) -> Upgrade {
    Upgrade::new(move || {
        let upgrade = upgrade.clone();
        Box::pin(async move {
            let parts = upgrade
                .await?
                .downcast::<Wire<S>>()
                .map_err(|_| "the connection is of another kind")?;
            let (socket, ahead) = parts.io.into_parts();
            let mut early = BytesMut::from(parts.read_buf);
            early.extend_from_slice(&ahead);
            Ok((Box::new(socket) as Box<dyn Any + Send>, early.freeze()))
        })
    })
}

async fn read<B>(body: B, rules: &Rules) -> Result<Bytes, Rule>
where
    B: http_body::Body<Data = Bytes>,
    B::Error: Into<BoxError>,
{
    let limit = usize::try_from(rules.body_limit).unwrap_or(usize::MAX);
    let body = Limited::new(body, limit);
    let read = match rules.content {
        ContentRule::Chunk => read_steadily(body, rules.body_within).await,
        ContentRule::Json | ContentRule::JsonOrForm | ContentRule::None => {
            timeout(rules.body_within, body.collect())
                .await
                .map(|read| read.map(|collected| collected.to_bytes()))
        }
    };
    match read {
        Err(_late) => Err(Rule::RequestTimeout),
        Ok(Ok(bytes)) => Ok(bytes),
        Ok(Err(error)) if error.is::<LengthLimitError>() => Err(Rule::BodyTooLarge),
        Ok(Err(_broken)) => Err(Rule::MalformedRequest),
    }
}

/// For as long as something arrives within `pace`.
async fn read_steadily<B>(body: B, pace: Duration) -> Result<Result<Bytes, BoxError>, Elapsed>
where
    B: http_body::Body<Data = Bytes, Error = BoxError>,
{
    let mut body = std::pin::pin!(body);
    let mut whole = BytesMut::new();
    while let Some(frame) = timeout(pace, body.frame()).await? {
        match frame.map(Frame::into_data) {
            Ok(Ok(bytes)) => whole.extend_from_slice(&bytes),
            Ok(Err(_trailers)) => {}
            Err(error) => return Ok(Err(error)),
        }
    }
    Ok(Ok(whole.freeze()))
}

/// A body that its handler reads, as long as something arrives within `pace`.
fn steadily<B>(body: B, pace: Duration) -> Body
where
    B: http_body::Body<Data = Bytes> + Send + 'static,
    B::Error: Into<BoxError>,
{
    let frames = futures_util::stream::unfold(Some(Box::pin(body)), move |body| async move {
        let mut body = body?;
        match timeout(pace, body.frame()).await {
            Ok(None) => None,
            Ok(Some(Ok(frame))) => Some((Ok(frame), Some(body))),
            Ok(Some(Err(error))) => Some((Err::<_, BoxError>(error.into()), None)),
            Err(_late) => {
                let late = std::io::Error::from(std::io::ErrorKind::TimedOut);
                Some((Err(late.into()), None))
            }
        }
    });
    Body::stream(StreamBody::new(frames))
}

/// A body whose end, or abandonment, ends the answer.
#[derive(Debug)]
pub(crate) struct Tracked {
    body: Body,
    answering: Answering,
    /// Why it broke off. hyper would drop what it holds when it learned of it.
    broken: Option<BoxError>,
}

#[derive(Debug)]
struct Answering(Arc<Shared>);

impl Drop for Answering {
    fn drop(&mut self) {
        self.0.end();
    }
}

// === impl Body ===

impl http_body::Body for Tracked {
    type Data = Bytes;
    type Error = BoxError;

    fn poll_frame(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BoxError>>> {
        let this = self.get_mut();
        let shared = &this.answering.0;
        if this.broken.is_none() {
            ready!(shared.poll_more(cx));
            match ready!(Pin::new(&mut this.body).poll_frame(cx)) {
                Some(Err(error)) => {
                    shared.hold();
                    this.broken = Some(error);
                }
                frame => {
                    if let Some(Ok(frame)) = &frame
                        && let Some(bytes) = frame.data_ref()
                    {
                        shared.gave(bytes);
                    }
                    return Poll::Ready(frame);
                }
            }
        }
        ready!(shared.poll_written(cx));
        Poll::Ready(this.broken.take().map(Err))
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}
