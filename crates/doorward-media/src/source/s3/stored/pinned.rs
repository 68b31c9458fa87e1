//! One version of an object: which way its bytes come.

use std::sync::Arc;

use doorward_egress::Incoming;

use super::answer::Fitting;
use super::{Named, Reply};
use crate::defaults;
use crate::error::MediaError;
use crate::fetch::Body;
use crate::fetch::ahead::{self, Ahead};
use crate::fetch::pieces::{Opened, Pieces, Shareable};
use crate::fetch::resume::Resumed;
use crate::fetch::stock::Edition;
use crate::fetch::wire::{Asking, Part, Upstream, Wire};
use crate::range::{ByteRange, RangeSpec, Unsatisfiable};
use crate::source::{Chunks, Read, Reading, Version};
use crate::validator::EntityTag;

/// An object at one version.
#[derive(Clone, Debug)]
pub(super) struct Pinned {
    pub(super) named: Named,
    pub(super) version: Arc<Version>,
}

// === impl Pinned ===

impl Pinned {
    pub(super) async fn read(&self, range: Option<RangeSpec>) -> Result<Read, MediaError> {
        let Version { size, encoding, .. } = &*self.version;
        let range = range.filter(|_| encoding.is_none());
        let exact = match range.map(|spec| spec.within(*size)) {
            None | Some(Ok(None)) => None,
            Some(Ok(Some(range))) => Some(range),
            Some(Err(Unsatisfiable)) => return Ok(Read::Unsatisfiable { size: *size }),
        };
        let small = exact.is_some_and(|range| range.len() <= defaults::SMALL);
        let long = exact.map_or(*size, ByteRange::len) > defaults::SMALL;
        if let Some(range) = exact.filter(|_| small)
            && let Some(shareable) = self.shareable()
        {
            match shareable.open(range).await? {
                Opened::Pieces(pieces) => return Ok(self.pieces(range, pieces)),
                Opened::Alone(reading) => return Ok(Read::Bytes(reading)),
                Opened::Nowhere => {}
            }
        } else if long && self.named.store.line.link.is_far() && self.splits() {
            let upstream: Arc<dyn Upstream> = Arc::new(self.clone());
            let line = &self.named.store.line;
            match Ahead::open(&upstream, line, self.bounds(exact))
                .await
                .transpose()?
            {
                Some(ahead::Opened::Ahead(ahead)) => {
                    return Ok(self.read_as(exact, Body::ahead(ahead)));
                }
                Some(ahead::Opened::Whole(body)) => {
                    line.ignores_ranges();
                    let body = Resumed::open(body, (0, *size), Some(upstream), line);
                    return Ok(self.read_as(None, Body::straight(body)));
                }
                None => {}
            }
        }
        let Fitting { range, body, .. } = self.fetch(exact).await?;
        Ok(Read::Bytes(self.reading(range, body)))
    }

    /// Everything, as its own answer.
    pub(super) async fn whole(&self) -> Result<Reading, MediaError> {
        let Fitting { range, body, .. } = self.fetch(None).await?;
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

    /// What its bytes are kept under; `None` if they cannot be.
    pub(super) fn shareable(&self) -> Option<Shareable> {
        let line = &self.named.store.line;
        let tag = self.strong_tag()?;
        self.splits().then(|| Shareable {
            edition: Edition::new(line.id, &self.named.key, tag.to_string(), self.version.size),
            version: Arc::clone(&self.version),
            upstream: Arc::new(self.clone()),
            line: Arc::clone(line),
        })
    }

    /// Whether parts of it make up the whole. Only those of a strong tag are known
    /// to belong together, and a range of encoded bytes means nothing.
    fn splits(&self) -> bool {
        self.strong_tag().is_some()
            && self.version.encoding.is_none()
            && self.named.store.line.gives_ranges()
    }

    fn strong_tag(&self) -> Option<&EntityTag> {
        self.version.etag.as_ref().filter(|etag| !etag.is_weak())
    }

    pub(super) fn reading(&self, range: Option<ByteRange>, body: Incoming) -> Reading {
        let body = self.body(range, body);
        let body = if self.splits() {
            Body::widening(body)
        } else {
            Body::straight(body)
        };
        Reading {
            version: Arc::clone(&self.version),
            range,
            chunks: Chunks::Stored(body),
        }
    }

    fn read_as(&self, range: Option<ByteRange>, body: Body) -> Read {
        Read::Bytes(Reading {
            version: Arc::clone(&self.version),
            range,
            chunks: Chunks::Stored(body),
        })
    }

    pub(super) fn pieces(&self, range: ByteRange, pieces: Pieces) -> Read {
        self.read_as(Some(range), Body::pieces(pieces))
    }

    pub(super) fn body(&self, range: Option<ByteRange>, body: Incoming) -> Resumed {
        let upstream = self
            .strong_tag()
            .map(|_| Arc::new(self.clone()) as Arc<dyn Upstream>);
        let bounds = self.bounds(range);
        Resumed::open(Wire::Egress(body), bounds, upstream, &self.named.store.line)
    }

    fn bounds(&self, range: Option<ByteRange>) -> (u64, u64) {
        range.map_or((0, self.version.size), |range| {
            (range.first(), range.last().saturating_add(1))
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
