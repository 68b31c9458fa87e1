//! An answer of a store, held against what was asked.

use std::time::SystemTime;

use doorward_egress::Incoming;
use http::header::{
    CONTENT_ENCODING, CONTENT_LENGTH, CONTENT_RANGE, CONTENT_TYPE, ETAG, LAST_MODIFIED,
};
use http::{HeaderMap, HeaderName, HeaderValue, StatusCode};

use crate::error::MediaError;
use crate::range::{ByteRange, RangeSpec};
use crate::source::Version;
use crate::validator::EntityTag;

/// What a store says of an object, before its type is settled.
#[derive(Debug)]
pub(super) struct Seen {
    pub(super) size: u64,
    pub(super) etag: Option<EntityTag>,
    pub(super) modified: Option<SystemTime>,
    pub(super) declared: Option<String>,
    pub(super) encoding: Option<HeaderValue>,
}

/// A body that fits what was asked.
#[derive(Debug)]
pub(super) struct Fitting {
    pub(super) seen: Seen,
    pub(super) range: Option<ByteRange>,
    pub(super) body: Incoming,
}

// === impl Seen ===

impl Seen {
    pub(super) fn of(headers: &HeaderMap, size: u64) -> Self {
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

    pub(super) fn is(&self, pin: &Version) -> bool {
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
pub(super) fn fit(
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

pub(super) fn number(headers: &HeaderMap, name: &HeaderName) -> Option<u64> {
    let text = headers.get(name)?.to_str().ok()?;
    if text.bytes().all(|byte| byte.is_ascii_digit()) {
        text.parse().ok()
    } else {
        None
    }
}
