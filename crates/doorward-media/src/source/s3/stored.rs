//! One object of a store, read at one version.

use std::sync::Arc;
use std::time::SystemTime;

use doorward_egress::Incoming;
use http::header::{
    CONTENT_ENCODING, CONTENT_LENGTH, CONTENT_RANGE, CONTENT_TYPE, ETAG, IF_MATCH, LAST_MODIFIED,
    RANGE,
};
use http::{HeaderMap, HeaderName, HeaderValue, Method, Response, StatusCode};
use tokio::time::Instant;

use super::{Store, failure, is_bytes, whole};
use crate::content_type::{ContentType, SNIFF};
use crate::error::MediaError;
use crate::fetch::Body;
use crate::fetch::resume::Resumed;
use crate::fetch::wire::{Asking, Part, Upstream, Wire};
use crate::name::Key;
use crate::range::{ByteRange, RangeSpec, Unsatisfiable};
use crate::source::{Chunks, Read, Reading, Version};
use crate::validator::EntityTag;

/// An object that was named; asked for when it is read.
#[derive(Debug)]
pub struct Stored {
    named: Named,
    pin: Option<Arc<Version>>,
}

/// An object of a store, at no version yet.
#[derive(Clone, Debug)]
struct Named {
    store: Arc<Store>,
    key: Key,
}

/// An object at one version.
#[derive(Clone, Debug)]
struct Pinned {
    named: Named,
    version: Arc<Version>,
}

/// What a store says of an object, before its type is settled.
#[derive(Debug)]
struct Seen {
    size: u64,
    etag: Option<EntityTag>,
    modified: Option<SystemTime>,
    declared: Option<String>,
    encoding: Option<HeaderValue>,
}

/// A body that fits what was asked.
#[derive(Debug)]
struct Fitting {
    seen: Seen,
    range: Option<ByteRange>,
    body: Incoming,
}

enum Reply {
    Fitting(Box<Fitting>),
    Unsatisfiable,
}

// === impl Stored ===

impl Stored {
    pub(in crate::source) fn new(store: Arc<Store>, key: Key, pin: Option<Arc<Version>>) -> Self {
        Self {
            named: Named { store, key },
            pin,
        }
    }

    /// The pinned version, else the one that the store has now (`HEAD`).
    pub(in crate::source) async fn version(&mut self) -> Result<Arc<Version>, MediaError> {
        if let Some(pin) = &self.pin {
            return Ok(Arc::clone(pin));
        }
        let version = self.named.version().await?;
        Ok(Arc::clone(self.pin.insert(version)))
    }

    /// Everything, or one range. At first sight the range goes to the store as
    /// it was asked, so that the first byte takes one round trip.
    pub(in crate::source) async fn read(
        mut self,
        range: Option<RangeSpec>,
    ) -> Result<Read, MediaError> {
        if let Some(pin) = self.pin.take() {
            return self.named.at(&pin).read(range).await;
        }
        if let Reply::Fitting(fitting) = self.named.get(range, None).await? {
            let Fitting { seen, range, body } = *fitting;
            let version = self.named.settle(seen).await?;
            let pinned = self.named.at(&version);
            if version.encoding.is_none() || range.is_none() {
                return Ok(pinned.reading(range, body));
            }
            return pinned.read(range.map(RangeSpec::from)).await;
        }
        // No such range: what is asked for is decided by the size.
        let version = self.version().await?;
        self.named.at(&version).read(range).await
    }
}

// === impl Named ===

impl Named {
    fn at(&self, version: &Arc<Version>) -> Pinned {
        Pinned {
            named: self.clone(),
            version: Arc::clone(version),
        }
    }

    async fn version(&self) -> Result<Arc<Version>, MediaError> {
        let answer = self.send(Method::HEAD, &HeaderMap::new()).await?;
        if answer.status() != StatusCode::OK {
            return Err(failure(answer).await);
        }
        let size = number(answer.headers(), &CONTENT_LENGTH)
            .ok_or_else(|| MediaError::UpstreamWrong("no size".to_owned()))?;
        self.settle(Seen::of(answer.headers(), size)).await
    }

    async fn get(
        &self,
        range: Option<RangeSpec>,
        pin: Option<&Version>,
    ) -> Result<Reply, MediaError> {
        let mut headers = HeaderMap::new();
        if let Some(value) = range.and_then(|range| HeaderValue::from_str(&range.to_string()).ok())
        {
            headers.insert(RANGE, value);
        }
        let tag = pin
            .and_then(|pin| pin.etag.as_ref())
            .filter(|etag| !etag.is_weak());
        if let Some(value) = tag.and_then(EntityTag::to_value) {
            headers.insert(IF_MATCH, value);
        }
        let answer = self.send(Method::GET, &headers).await?;
        match answer.status() {
            status if is_bytes(status) => {
                let (head, body) = answer.into_parts();
                let fitting = fit(head.status, &head.headers, range, body)?;
                Ok(Reply::Fitting(Box::new(fitting)))
            }
            StatusCode::RANGE_NOT_SATISFIABLE if range.is_some() => Ok(Reply::Unsatisfiable),
            _ => Err(failure(answer).await),
        }
    }

    /// Settles the type. Where neither the store nor the name tells, the first
    /// bytes are asked for, once per grant.
    async fn settle(&self, seen: Seen) -> Result<Arc<Version>, MediaError> {
        let declared = seen.declared.as_deref();
        let name = self.key.as_str();
        let unknown =
            ContentType::needs_head(declared, name) && seen.size > 0 && seen.encoding.is_none();
        let head = if unknown {
            self.first_bytes(&seen).await?
        } else {
            None
        };
        let content_type = ContentType::settle(declared, name, head.as_deref());
        let Seen {
            size,
            etag,
            modified,
            encoding,
            ..
        } = seen;
        Ok(Arc::new(Version {
            size,
            etag,
            modified,
            content_type,
            encoding,
        }))
    }

    async fn first_bytes(&self, seen: &Seen) -> Result<Option<bytes::Bytes>, MediaError> {
        let start = RangeSpec::From {
            first: 0,
            last: Some(SNIFF - 1),
        };
        match self.get(Some(start), None).await? {
            Reply::Fitting(fitting) if fitting.seen.size != seen.size => Err(MediaError::Changed),
            // A store that ignores ranges would send everything for it.
            Reply::Fitting(fitting) if fitting.range.is_some() => {
                // Whatever it announced: no more than was asked for is held.
                let most = usize::try_from(SNIFF).unwrap_or(usize::MAX);
                Ok(Some(whole(fitting.body, most).await?))
            }
            Reply::Fitting(_) | Reply::Unsatisfiable => Ok(None),
        }
    }

    async fn send(
        &self,
        method: Method,
        headers: &HeaderMap,
    ) -> Result<Response<Incoming>, MediaError> {
        let line = &self.store.line;
        line.counts.requests.one();
        let asked = Instant::now();
        let answer = self.store.send(method, Some(&self.key), &[], headers).await;
        if answer
            .as_ref()
            .is_ok_and(|answer| is_bytes(answer.status()))
        {
            line.link.answered(asked.elapsed());
        }
        answer
    }
}

// === impl Pinned ===

impl Pinned {
    async fn read(&self, range: Option<RangeSpec>) -> Result<Read, MediaError> {
        let Version { size, encoding, .. } = &*self.version;
        let range = range.filter(|_| encoding.is_none());
        let exact = match range.map(|spec| spec.within(*size)) {
            None | Some(Ok(None)) => None,
            Some(Ok(Some(range))) => Some(range),
            Some(Err(Unsatisfiable)) => return Ok(Read::Unsatisfiable { size: *size }),
        };
        let Fitting { range, body, .. } = self.fetch(exact).await?;
        Ok(self.reading(range, body))
    }

    /// Asks for bytes of this version, and holds the answer against it: stores
    /// that ignore `If-Match` are caught by what they tell.
    async fn fetch(&self, range: Option<ByteRange>) -> Result<Fitting, MediaError> {
        let asked = range.map(RangeSpec::from);
        match self.named.get(asked, Some(&self.version)).await? {
            Reply::Fitting(fitting) if fitting.seen.is(&self.version) => Ok(*fitting),
            Reply::Fitting(_) | Reply::Unsatisfiable => Err(MediaError::Changed),
        }
    }

    fn reading(&self, range: Option<ByteRange>, body: Incoming) -> Read {
        let bounds = range.map_or((0, self.version.size), |range| {
            (range.first(), range.last().saturating_add(1))
        });
        // Only bytes of a strong tag are known to belong together.
        let strong = (self.version.etag.as_ref()).is_some_and(|etag| !etag.is_weak());
        let upstream = strong.then(|| Arc::new(self.clone()) as Arc<dyn Upstream>);
        let body = Resumed::open(Wire::Egress(body), bounds, upstream, &self.named.store.line);
        Read::Bytes(Reading {
            version: Arc::clone(&self.version),
            range,
            chunks: Chunks::Stored(Body::straight(body)),
        })
    }
}

impl Upstream for Pinned {
    fn get(&self, range: Option<ByteRange>) -> Asking {
        let this = self.clone();
        Box::pin(async move {
            let Fitting { seen, range, body } = this.fetch(range).await?;
            // Bytes that are encoded otherwise are other bytes.
            if seen.encoding != this.version.encoding {
                return Err(MediaError::Changed);
            }
            let body = Wire::Egress(body);
            Ok(Part { range, body })
        })
    }
}

// === impl Seen ===

impl Seen {
    fn of(headers: &HeaderMap, size: u64) -> Self {
        let read = |name: HeaderName| headers.get(name).and_then(|value| value.to_str().ok());
        Self {
            size,
            etag: headers
                .get(ETAG)
                .and_then(|value| EntityTag::parse(value.as_bytes())),
            modified: read(LAST_MODIFIED).and_then(|text| httpdate::parse_http_date(text).ok()),
            declared: read(CONTENT_TYPE).map(str::to_owned),
            encoding: headers
                .get(CONTENT_ENCODING)
                // AWS keeps the transfer's own encoding of signed uploads.
                .filter(|value| {
                    !["", "identity", "aws-chunked"]
                        .iter()
                        .any(|none| value == none)
                })
                .cloned(),
        }
    }

    fn is(&self, pin: &Version) -> bool {
        self.size == pin.size
            && match (&self.etag, &pin.etag) {
                (Some(one), Some(two)) => one == two,
                (None, None) => self.modified == pin.modified,
                _ => false,
            }
    }
}

/// Holds an answer with bytes against what was asked. The range of the result is
/// what the answer proves, not what its status claims: whole bodies for a range
/// are taken as whole, and a 200 that carries a `Content-Range` is believed if
/// that is exactly the range asked for.
fn fit(
    status: StatusCode,
    headers: &HeaderMap,
    asked: Option<RangeSpec>,
    body: Incoming,
) -> Result<Fitting, MediaError> {
    let wrong = |what: &str| MediaError::UpstreamWrong(what.to_owned());
    let length = number(headers, &CONTENT_LENGTH);
    let told = headers.get(CONTENT_RANGE).map(|value| value.as_bytes());
    let (size, range) = match (told.map(ByteRange::parse_content_range), asked) {
        (None, _) if status == StatusCode::PARTIAL_CONTENT => {
            return Err(wrong("a part without its range"));
        }
        (None, _) => (length.ok_or_else(|| wrong("no length"))?, None),
        (Some(None), _) => return Err(wrong("a malformed range")),
        (Some(Some((told, size))), Some(asked)) if asked.within(size) == Ok(Some(told)) => {
            if length.is_some_and(|length| length != told.len()) {
                return Err(wrong("a length that is not the range's"));
            }
            (size, Some(told))
        }
        (Some(Some(_)), Some(_)) => return Err(wrong("another range than asked for")),
        (Some(Some(_)), None) => return Err(wrong("a range that was not asked for")),
    };
    Ok(Fitting {
        seen: Seen::of(headers, size),
        range,
        body,
    })
}

fn number(headers: &HeaderMap, name: &HeaderName) -> Option<u64> {
    let text = headers.get(name)?.to_str().ok()?;
    if text.bytes().all(|byte| byte.is_ascii_digit()) {
        text.parse().ok()
    } else {
        None
    }
}
