//! From a request to an answer: preconditions, range, headers, body.
//!
//! The status comes from what the source really gives: a source that answers a
//! range with everything makes a `200`, never a wrong `206`. A plain `GET` is
//! never turned into a part, and an open range is never cut short. Several
//! ranges make `multipart/byteranges`, unless all of the object is cheaper.

use std::sync::Arc;

use doorward_guard::{Answer, Clock, Grant};
use http::header::{
    ACCEPT_RANGES, CONTENT_DISPOSITION, CONTENT_ENCODING, CONTENT_LENGTH, CONTENT_RANGE,
    CONTENT_TYPE, ETAG, HeaderName, LAST_MODIFIED,
};
use http::{HeaderMap, HeaderValue, Method, StatusCode};

use crate::content_type::ContentType;
use crate::disposition::content_disposition;
use crate::error::MediaError;
use crate::grant::{Disposition, MediaGrant};
use crate::media::Stats;
use crate::multipart::{self, Frame};
use crate::range::{Asked, ByteRange, Parts, RangeSpec, Unsatisfiable};
use crate::source::{Object, Read, Reading, Version};
use crate::stream::{Feed, Streaming};
use crate::validator::{EntityTag, Validators, Verdict, http_date, is_conditional, judge};

/// Answers one `GET` or `HEAD`.
///
/// # Errors
///
/// Any [`MediaError`] of the source; [`MediaError::Changed`] when the object is
/// not at the version that the grant saw first.
pub(crate) async fn play(
    grant: &Arc<Grant<MediaGrant>>,
    stats: &Arc<Stats>,
    clock: &Clock,
    method: &Method,
    headers: &HeaderMap,
) -> Result<Answer, MediaError> {
    let data = &grant.data;
    if data.is_changed() {
        return Err(MediaError::Changed);
    }
    let mut object = data.place().open(data.pinned()).await?;
    let head_only = *method == Method::HEAD;
    let (mut range, mut several) = match Asked::of(headers) {
        Asked::One(range) if !head_only => (Some(range), None),
        Asked::Several(ranges) if !head_only => (None, Some(ranges)),
        Asked::One(_) | Asked::Several(_) | Asked::Whole => (None, None),
    };
    // What several ranges mean can only be told with the size.
    if head_only || several.is_some() || is_conditional(headers) {
        let version = object.version().await?;
        data.pin(&version)?;
        let validators = Validators {
            etag: version.etag.as_ref(),
            modified: version.modified,
        };
        match judge(headers, validators) {
            Verdict::NotModified => return Ok(not_modified(&version)),
            Verdict::PreconditionFailed => return Ok(precondition_failed(&version)),
            Verdict::ProceedWhole => (range, several) = (None, None),
            Verdict::Proceed => {}
        }
        if head_only {
            let answer = described(Answer::empty(StatusCode::OK), grant, &version);
            return Ok(answer.header(CONTENT_LENGTH, HeaderValue::from(version.size)));
        }
        if version.encoding.is_some() {
            (range, several) = (None, None);
        }
        match several.map(|ranges| ranges.within(version.size)) {
            None | Some(Ok(Parts::Whole)) => {}
            Some(Ok(Parts::One(one))) => range = Some(one.into()),
            Some(Ok(Parts::Several(ranges))) => {
                return read_parts(object, ranges, grant, stats, clock).await;
            }
            Some(Err(Unsatisfiable)) => return Ok(unsatisfiable(version.size)),
        }
    }
    read(object, range, grant, stats, clock).await
}

async fn read(
    object: Object,
    range: Option<RangeSpec>,
    grant: &Arc<Grant<MediaGrant>>,
    stats: &Arc<Stats>,
    clock: &Clock,
) -> Result<Answer, MediaError> {
    let running = stats.stream_begins(grant)?;
    let Reading {
        version,
        range,
        chunks,
    } = match object.read(range).await? {
        Read::Bytes(reading) => reading,
        Read::Unsatisfiable { size } => return Ok(unsatisfiable(size)),
    };
    grant.data.pin(&version)?;
    let length = range.map_or(version.size, |range| range.len());
    let status = if range.is_some() {
        StatusCode::PARTIAL_CONTENT
    } else {
        StatusCode::OK
    };
    let raw = chunks.raw();
    let body = Streaming::new(Feed::One(chunks), length, running, clock);
    let answer = streamed(status, body).raw(raw);
    let answer =
        described(answer, grant, &version).header(CONTENT_LENGTH, HeaderValue::from(length));
    let told = range.map(|range| range.content_range(version.size));
    Ok(with(
        answer,
        CONTENT_RANGE,
        told.and_then(|text| HeaderValue::from_str(&text).ok()),
    ))
}

/// Several ranges. The first is read before anything is answered: a source that
/// gives everything for it makes a 200.
async fn read_parts(
    object: Object,
    ranges: Vec<ByteRange>,
    grant: &Arc<Grant<MediaGrant>>,
    stats: &Arc<Stats>,
    clock: &Clock,
) -> Result<Answer, MediaError> {
    let running = stats.stream_begins(grant)?;
    let first = ranges.first().copied();
    let Reading {
        version,
        range,
        chunks,
    } = match object.read(first.map(RangeSpec::from)).await? {
        Read::Bytes(reading) => reading,
        Read::Unsatisfiable { size } => return Ok(unsatisfiable(size)),
    };
    grant.data.pin(&version)?;
    if range.is_none() || range != first {
        let length = version.size;
        let body = Streaming::new(Feed::One(chunks), length, running, clock);
        let answer = streamed(StatusCode::OK, body);
        let answer = described(answer, grant, &version);
        return Ok(answer.header(CONTENT_LENGTH, HeaderValue::from(length)));
    }
    let shown = shown_as(&version.content_type, grant.data.disposition());
    let frame = Frame::new(&shown, version.size);
    let (length, content_type) = (frame.length(&ranges), frame.content_type());
    let parts = multipart::Parts::new(grant.data.place(), &version, frame, ranges, chunks);
    let feed = Feed::Several(Box::new(parts));
    let body = Streaming::new(feed, length, running, clock);
    let answer = streamed(StatusCode::PARTIAL_CONTENT, body);
    let answer =
        described(answer, grant, &version).header(CONTENT_LENGTH, HeaderValue::from(length));
    Ok(with(answer, CONTENT_TYPE, content_type))
}

/// A body that can be ended even while nobody reads it.
fn streamed(status: StatusCode, body: Streaming) -> Answer {
    let until = body.until();
    Answer::stream(status, body).until(until)
}

/// The headers that speak of the object.
fn described(answer: Answer, grant: &Grant<MediaGrant>, version: &Version) -> Answer {
    let disposition = grant.data.disposition();
    let shown = shown_as(&version.content_type, disposition);
    let name = content_disposition(
        disposition == Disposition::Download,
        grant.data.place().name(),
    );
    let answer = validators(answer, version)
        .header(CONTENT_TYPE, shown.to_value())
        .header(CONTENT_DISPOSITION, name);
    with(answer, CONTENT_ENCODING, version.encoding.clone())
}

/// The type that is answered: active ones run nowhere, because they are not
/// what they were, or saved instead of shown, or sandboxed by the seal.
fn shown_as(content_type: &ContentType, disposition: Disposition) -> ContentType {
    match disposition {
        Disposition::Inline | Disposition::Framed if content_type.is_active() => {
            ContentType::plain_text()
        }
        _ => content_type.clone(),
    }
}

fn validators(answer: Answer, version: &Version) -> Answer {
    let ranges = if version.encoding.is_none() {
        "bytes"
    } else {
        "none"
    };
    let answer = answer.header(ACCEPT_RANGES, HeaderValue::from_static(ranges));
    let answer = with(
        answer,
        ETAG,
        version.etag.as_ref().and_then(EntityTag::to_value),
    );
    with(answer, LAST_MODIFIED, version.modified.and_then(http_date))
}

fn with(answer: Answer, name: HeaderName, value: Option<HeaderValue>) -> Answer {
    match value {
        Some(value) => answer.header(name, value),
        None => answer,
    }
}

fn not_modified(version: &Version) -> Answer {
    validators(Answer::empty(StatusCode::NOT_MODIFIED), version)
}

fn precondition_failed(version: &Version) -> Answer {
    let answer = Answer::denial(
        StatusCode::PRECONDITION_FAILED,
        "preconditionFailed",
        "The file is not the version that was asked for.",
    );
    validators(answer, version)
}

fn unsatisfiable(size: u64) -> Answer {
    let answer = Answer::denial(
        StatusCode::RANGE_NOT_SATISFIABLE,
        "rangeNotSatisfiable",
        "The file has no such bytes.",
    )
    .header(ACCEPT_RANGES, HeaderValue::from_static("bytes"));
    with(
        answer,
        CONTENT_RANGE,
        HeaderValue::from_str(&format!("bytes */{size}")).ok(),
    )
}
