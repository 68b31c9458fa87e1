//! What is asked, after the guard let it in.

use bytes::Bytes;
use http::request::Parts;
use http::{HeaderMap, Method};
use serde::de::DeserializeOwned;

use crate::answer::Body;
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

    /// The body.
    #[must_use]
    pub fn into_payload(self) -> Payload {
        self.payload
    }

    /// What hyper and the listener left in the request, such as an upgrade.
    #[must_use]
    pub fn extensions_mut(&mut self) -> &mut http::Extensions {
        &mut self.head.extensions
    }
}
