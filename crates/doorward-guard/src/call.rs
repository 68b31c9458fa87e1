//! What is asked, after the guard let it in.

use std::any::Any;
use std::fmt;
use std::sync::Arc;

use bytes::Bytes;
use futures_util::future::BoxFuture;
use http::request::Parts;
use http::{HeaderMap, Method};
use serde::de::DeserializeOwned;

use crate::answer::{Body, BoxError};
use crate::refusal::{Refusal, Rule};
use crate::rules::json;

/// A request inside a room: method, path parameters, query, headers and body.
#[derive(Debug)]
pub struct Call {
    head: Parts,
    params: Vec<(Box<str>, Box<str>)>,
    payload: Payload,
}

/// The request's body.
#[derive(Debug)]
pub enum Payload {
    /// Read whole, within the policy's limits, before the handler ran.
    Whole(Bytes),
    /// Still arriving: only on surfaces whose policy takes uploads.
    Stream(Body),
}

/// A connection that becomes the handler's own once its 101 was sent. The
/// listener puts it into the request's extensions.
#[derive(Clone)]
pub struct Upgrade(Arc<dyn Fn() -> BoxFuture<'static, Taken> + Send + Sync>);

/// A connection without its type, and what was read beyond the request.
pub type Taken = Result<(Box<dyn Any + Send>, Bytes), BoxError>;

impl Upgrade {
    /// `take` waits until the 101 was sent, and gives the connection up. It works
    /// once.
    pub fn new(take: impl Fn() -> BoxFuture<'static, Taken> + Send + Sync + 'static) -> Self {
        Self(Arc::new(take))
    }

    /// The connection, and what its client sent beyond the request. Ends once the
    /// 101 was sent.
    ///
    /// # Errors
    ///
    /// The client left before, or the connection is no `S`.
    pub async fn taken<S: 'static>(self) -> Result<(S, Bytes), BoxError> {
        let (connection, early) = (self.0)().await?;
        match connection.downcast::<S>() {
            Ok(connection) => Ok((*connection, early)),
            Err(_) => Err("the connection is of another kind".into()),
        }
    }
}

impl fmt::Debug for Upgrade {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Upgrade")
    }
}

impl Call {
    pub(crate) fn new(head: Parts, params: Vec<(Box<str>, Box<str>)>, payload: Payload) -> Self {
        Self {
            head,
            params,
            payload,
        }
    }

    /// The method.
    #[must_use]
    pub fn method(&self) -> &Method {
        &self.head.method
    }

    /// The path, as it was sent.
    #[must_use]
    pub fn path(&self) -> &str {
        self.head.uri.path()
    }

    /// The whole target, as it was sent.
    #[must_use]
    pub fn uri(&self) -> &http::Uri {
        &self.head.uri
    }

    /// The headers.
    #[must_use]
    pub fn headers(&self) -> &HeaderMap {
        &self.head.headers
    }

    /// One header, if it is there and readable.
    #[must_use]
    pub fn header(&self, name: &str) -> Option<&str> {
        self.head.headers.get(name)?.to_str().ok()
    }

    /// The path parameter `name`, as it was sent; empty if the route has none.
    #[must_use]
    pub fn param(&self, name: &str) -> &str {
        self.params
            .iter()
            .find(|(key, _)| &**key == name)
            .map_or("", |(_, value)| value)
    }

    /// The query as `T`.
    ///
    /// # Errors
    ///
    /// [`Rule::InvalidQuery`].
    pub fn query<T: DeserializeOwned>(&self) -> Result<T, Refusal> {
        serde_urlencoded::from_str(self.head.uri.query().unwrap_or_default())
            .map_err(|error| Refusal::from(Rule::InvalidQuery).note(error.to_string()))
    }

    /// The body as strict JSON.
    ///
    /// # Errors
    ///
    /// [`Rule::InvalidJson`], [`Rule::UnknownField`],
    /// [`Rule::AuthorityFieldRejected`].
    pub fn json<T: DeserializeOwned>(&self) -> Result<T, Refusal> {
        match &self.payload {
            Payload::Whole(bytes) => json::parse(bytes),
            Payload::Stream(_) => Err(Rule::InvalidJson.into()),
        }
    }

    /// The body, as far as it is here.
    #[must_use]
    pub fn bytes(&self) -> &[u8] {
        match &self.payload {
            Payload::Whole(bytes) => bytes,
            Payload::Stream(_) => &[],
        }
    }

    /// The body.
    #[must_use]
    pub fn into_payload(self) -> Payload {
        self.payload
    }

    /// The way to the connection itself, if the client asked to upgrade it and
    /// the listener lets it go.
    #[must_use]
    pub fn take_upgrade(&mut self) -> Option<Upgrade> {
        self.head.extensions.remove::<Upgrade>()
    }

    /// What hyper and the listener left in the request.
    #[must_use]
    pub fn extensions_mut(&mut self) -> &mut http::Extensions {
        &mut self.head.extensions
    }
}
