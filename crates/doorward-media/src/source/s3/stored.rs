//! One object of a store, read at one version.

mod answer;
mod pinned;

use std::sync::Arc;

use doorward_egress::Incoming;
use http::header::{CONTENT_LENGTH, IF_MATCH, RANGE};
use http::{HeaderMap, HeaderValue, Method, Response, StatusCode};
use tokio::time::Instant;

use self::answer::{Fitting, Seen, fit, number};
use self::pinned::Pinned;
use super::{Store, failure, is_bytes, whole};
use crate::content_type::{ContentType, SNIFF};
use crate::defaults;
use crate::error::MediaError;
use crate::fetch::flight::{Flight, Outcome, Told};
use crate::fetch::stock::Spot;
use crate::name::Key;
use crate::range::{ByteRange, RangeSpec};
use crate::source::{Read, Version};
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
        // radosgw answers the last 0 bytes with all of them, as 206.
        if range == Some(RangeSpec::Suffix { length: 0 }) {
            let version = self.version().await?;
            return self.named.at(&version).read(range).await;
        }
        if let Some(range) = range
            && let Some(read) = self.named.read_shared(range).await?
        {
            return Ok(read);
        }
        if let Reply::Fitting(fitting) = self.named.get(range, None).await? {
            let Fitting { seen, range, body } = *fitting;
            let version = self.named.settle(seen).await?;
            let pinned = self.named.at(&version);
            // A range means nothing of an encoded object.
            return match range {
                Some(_) if version.encoding.is_some() => pinned.whole().await.map(Read::Bytes),
                _ => Ok(Read::Bytes(pinned.reading(range, body))),
            };
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

    /// A small range at first sight, asked for once however many want it at the
    /// same time. `None` if it cannot be shared.
    async fn read_shared(&self, range: RangeSpec) -> Result<Option<Read>, MediaError> {
        let line = &self.store.line;
        let Some(bytes) = bound(range).filter(|_| line.gives_ranges()) else {
            return Ok(None);
        };
        let mut tried = false;
        loop {
            let spot = Spot::opening(line.id, &self.key, range);
            let opening = line.stock.opening(spot, bytes, |spots, budget| {
                Flight::start(&line.stock, spots, budget, self.clone().first_sight(range))
            });
            let Some((flight, own)) = opening else {
                return Ok(None);
            };
            if !own {
                line.counts.shared.one();
            }
            match flight.told().await {
                Ok(Told::Bytes(version, range)) => {
                    let pinned = self.at(&version);
                    let shareable = pinned.shareable();
                    return Ok(shareable.map(|shareable| {
                        pinned.pieces(range, shareable.join(flight, range, own))
                    }));
                }
                Ok(Told::Alone) => return Ok(flight.take_alone().map(Read::Bytes)),
                Ok(Told::Unsatisfiable) => {
                    let size = self.version().await?.size;
                    return Ok(range
                        .within(size)
                        .is_err()
                        .then_some(Read::Unsatisfiable { size }));
                }
                Err(error) if own || tried => return Err(error),
                Err(_) => tried = true,
            }
        }
    }

    /// Asks for a range of whatever version there is.
    async fn first_sight(self, range: RangeSpec) -> Result<Outcome, MediaError> {
        let Reply::Fitting(fitting) = self.get(Some(range), None).await? else {
            return Ok(Outcome::Unsatisfiable);
        };
        let asked = range;
        let Fitting { seen, range, body } = *fitting;
        let version = self.settle(seen).await?;
        let pinned = self.at(&version);
        match (range, pinned.shareable()) {
            (Some(range), Some(shareable)) => Ok(Outcome::Bytes {
                edition: shareable.edition,
                version,
                range,
                body: Box::new(pinned.body(Some(range), body)),
            }),
            (Some(_), None) if version.encoding.is_some() => {
                pinned.whole().await.map(Outcome::Alone)
            }
            _ => {
                let part = |part: ByteRange| part.len() < version.size;
                if range.is_none() && matches!(asked.within(version.size), Ok(Some(r)) if part(r)) {
                    self.store.line.ignores_ranges();
                }
                Ok(Outcome::Alone(pinned.reading(range, body)))
            }
        }
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

/// The most bytes that a range can have, if that is few.
fn bound(range: RangeSpec) -> Option<u64> {
    let bytes = match range {
        RangeSpec::From { first, last } => last?.saturating_sub(first).saturating_add(1),
        RangeSpec::Suffix { length } => length,
    };
    (1..=defaults::SMALL).contains(&bytes).then_some(bytes)
}
