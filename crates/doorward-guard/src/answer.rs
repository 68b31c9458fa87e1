//! What a handler gives back. It has no way onto the wire but through the
//! [seal](crate::seal).

use std::fmt;
use std::pin::Pin;
use std::task::{Context, Poll};

use bytes::Bytes;
use futures_util::future::BoxFuture;
use http::header::{CONTENT_TYPE, HeaderName};
use http::{HeaderValue, Response, StatusCode};
use http_body::{Frame, SizeHint};
use http_body_util::BodyExt as _;
use http_body_util::combinators::UnsyncBoxBody;
use serde::Serialize;

use crate::raw::Raw;
use crate::refusal::{Refusal, Rule};

/// Bytes that JSON has room for before it has to grow: most answers fit.
const JSON_ROOM: usize = 512;

/// What can go wrong while a body is sent.
pub type BoxError = Box<dyn std::error::Error + Send + Sync>;

/// The body of an answer: whole, or streamed chunk by chunk.
#[derive(Debug)]
pub struct Body(Kind);

#[derive(Debug)]
enum Kind {
    Whole(Bytes),
    Stream(UnsyncBoxBody<Bytes, BoxError>),
}

/// An answer before it is sealed.
pub struct Answer {
    pub(crate) response: Response<Body>,
    /// The type of its body. Most answers have no other header, so theirs need no map.
    pub(crate) kind: Option<HeaderValue>,
    /// A room's own denial: the seal writes its body, with the request id.
    pub(crate) denial: Option<(&'static str, String)>,
    pub(crate) until: Option<Until>,
    pub(crate) raw: Option<Raw>,
}

/// Ends an answer that is still on its way.
pub(crate) type Until = BoxFuture<'static, ()>;

/// What a handler may return.
pub trait IntoAnswer {
    /// The answer, or why there is none.
    ///
    /// # Errors
    ///
    /// The rule that the request broke.
    fn into_answer(self) -> Result<Answer, Refusal>;
}

impl Answer {
    /// An answer without a body.
    #[must_use]
    pub fn empty(status: StatusCode) -> Self {
        Self::new(status, Body::whole(Bytes::new()))
    }

    /// `200` with `value` as JSON.
    #[must_use]
    pub fn json<T: Serialize>(value: &T) -> Self {
        Self::json_with(StatusCode::OK, value)
    }

    /// `status` with `value` as JSON.
    #[must_use]
    pub fn json_with<T: Serialize>(status: StatusCode, value: &T) -> Self {
        let mut text = Vec::with_capacity(JSON_ROOM);
        match serde_json::to_writer(&mut text, value) {
            Ok(()) => Self::whole(status, "application/json", text.into()),
            // Only a map with keys that are not text can fail; none of ours is.
            Err(_) => Self::empty(StatusCode::INTERNAL_SERVER_ERROR),
        }
    }

    /// `200` with plain text.
    #[must_use]
    pub fn text(text: &'static str) -> Self {
        let bytes = Bytes::from_static(text.as_bytes());
        Self::whole(StatusCode::OK, "text/plain; charset=utf-8", bytes)
    }

    /// `status` with `bytes` of `content_type`.
    #[must_use]
    pub fn whole(status: StatusCode, content_type: &'static str, bytes: Bytes) -> Self {
        Self {
            kind: Some(HeaderValue::from_static(content_type)),
            ..Self::new(status, Body::whole(bytes))
        }
    }

    /// `status` with a body that is sent as it is made. An error ends it as an
    /// aborted body, never as a clean end.
    #[must_use]
    pub fn stream<B>(status: StatusCode, body: B) -> Self
    where
        B: http_body::Body<Data = Bytes> + Send + 'static,
        B::Error: Into<BoxError>,
    {
        Self::new(status, Body::stream(body))
    }

    /// A failure that is not a broken rule of the guard: a room's own error, in
    /// the shape of every refusal.
    #[must_use]
    pub fn denial(status: StatusCode, name: &'static str, message: impl Into<String>) -> Self {
        Self {
            denial: Some((name, message.into())),
            ..Self::empty(status)
        }
    }

    /// Sets a header. The seal keeps `Content-Type`, and of the others those that its
    /// surface allows.
    #[must_use]
    pub fn header(mut self, name: HeaderName, value: HeaderValue) -> Self {
        if name == CONTENT_TYPE {
            self.kind = Some(value);
        } else {
            self.response.headers_mut().insert(name, value);
        }
        self
    }

    /// Cuts the answer off when `end` comes, even while its client reads nothing:
    /// a body alone cannot, because a stalled connection does not ask it.
    #[must_use]
    pub fn until(mut self, end: impl Future<Output = ()> + Send + 'static) -> Self {
        self.until = Some(Box::pin(end));
        self
    }

    /// Lets the listener fetch the body's bytes itself where it can: `raw` is
    /// what the body asks whether it does.
    #[must_use]
    pub fn raw(mut self, raw: Option<Raw>) -> Self {
        self.raw = raw;
        self
    }

    /// The status so far.
    #[must_use]
    pub fn status(&self) -> StatusCode {
        self.response.status()
    }

    fn new(status: StatusCode, body: Body) -> Self {
        let mut response = Response::new(body);
        *response.status_mut() = status;
        Self {
            response,
            kind: None,
            denial: None,
            until: None,
            raw: None,
        }
    }
}

// === impl Body ===

impl Body {
    /// All of it is here.
    #[must_use]
    pub fn whole(bytes: Bytes) -> Self {
        Self(Kind::Whole(bytes))
    }

    /// It comes as it is asked for.
    #[must_use]
    pub fn stream<B>(body: B) -> Self
    where
        B: http_body::Body<Data = Bytes> + Send + 'static,
        B::Error: Into<BoxError>,
    {
        Self(Kind::Stream(body.map_err(Into::into).boxed_unsync()))
    }

    /// What is whole, without copying it.
    pub(crate) fn bytes(&self) -> Option<&Bytes> {
        match &self.0 {
            Kind::Whole(bytes) => Some(bytes),
            Kind::Stream(_) => None,
        }
    }
}

impl http_body::Body for Body {
    type Data = Bytes;
    type Error = BoxError;

    fn poll_frame(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BoxError>>> {
        match &mut self.get_mut().0 {
            Kind::Whole(bytes) if bytes.is_empty() => Poll::Ready(None),
            Kind::Whole(bytes) => Poll::Ready(Some(Ok(Frame::data(std::mem::take(bytes))))),
            Kind::Stream(body) => Pin::new(body).poll_frame(cx),
        }
    }

    fn is_end_stream(&self) -> bool {
        match &self.0 {
            Kind::Whole(bytes) => bytes.is_empty(),
            Kind::Stream(body) => body.is_end_stream(),
        }
    }

    fn size_hint(&self) -> SizeHint {
        match &self.0 {
            Kind::Whole(bytes) => SizeHint::with_exact(bytes.len() as u64),
            Kind::Stream(body) => body.size_hint(),
        }
    }
}

// === impl Answer ===

impl fmt::Debug for Answer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Answer")
            .field("status", &self.status())
            .finish_non_exhaustive()
    }
}

// === impl IntoAnswer ===

impl IntoAnswer for Answer {
    fn into_answer(self) -> Result<Answer, Refusal> {
        Ok(self)
    }
}

impl IntoAnswer for Refusal {
    fn into_answer(self) -> Result<Answer, Refusal> {
        Err(self)
    }
}

impl IntoAnswer for Rule {
    fn into_answer(self) -> Result<Answer, Refusal> {
        Err(self.into())
    }
}

impl<A: IntoAnswer, E: IntoAnswer> IntoAnswer for Result<A, E> {
    fn into_answer(self) -> Result<Answer, Refusal> {
        match self {
            Ok(answer) => answer.into_answer(),
            Err(error) => error.into_answer(),
        }
    }
}
