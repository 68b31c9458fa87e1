//! `multipart/byteranges` (RFC 9110 §14.6): several ranges in one body.
//!
//! The length is exact before the first byte is sent. Each part is opened when
//! the one before it has been sent, at the version that the first one had.

use std::collections::VecDeque;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use doorward_guard::Secret;
use http::HeaderValue;

use crate::content_type::ContentType;
use crate::error::MediaError;
use crate::range::{ByteRange, RangeSpec};
use crate::source::{Chunks, Place, Read, Reading, Version};
use crate::stream::Cut;

/// What goes between the parts. The boundary is random, so that no object can
/// contain it on purpose.
pub(crate) struct Frame {
    boundary: String,
    content_type: String,
    size: u64,
}

/// The parts of one answer, one after the other.
pub(crate) struct Parts {
    place: Place,
    version: Arc<Version>,
    frame: Frame,
    /// The part that is sent, then those to come.
    ranges: VecDeque<ByteRange>,
    step: Step,
}

enum Step {
    /// The head of the first part in `ranges`, which is open already if it is
    /// the first of all.
    Head(Option<Chunks>),
    /// It is being opened.
    Opening(Opening),
    /// Its bytes are sent; so many are left.
    Sending(Chunks, u64),
    /// The last line was sent.
    Done,
}

type Opening = Pin<Box<dyn Future<Output = Result<Chunks, MediaError>> + Send>>;

// === impl Frame ===

impl Frame {
    pub(crate) fn new(content_type: &ContentType, size: u64) -> Self {
        Self {
            boundary: Secret::<24>::random().reveal().as_str().to_owned(),
            content_type: content_type
                .to_value()
                .to_str()
                .unwrap_or("application/octet-stream")
                .to_owned(),
            size,
        }
    }

    /// The answer's `Content-Type`.
    pub(crate) fn content_type(&self) -> Option<HeaderValue> {
        let text = format!("multipart/byteranges; boundary={}", self.boundary);
        HeaderValue::from_str(&text).ok()
    }

    /// The answer's `Content-Length`.
    pub(crate) fn length(&self, ranges: &[ByteRange]) -> u64 {
        let parts = ranges.iter().enumerate().map(|(at, range)| {
            let head = self.head(*range, at == 0).len();
            range.len().saturating_add(length(head))
        });
        parts.fold(length(self.end().len()), u64::saturating_add)
    }

    fn head(&self, range: ByteRange, first: bool) -> String {
        let Self {
            boundary,
            content_type,
            size,
        } = self;
        let line = if first { "" } else { "\r\n" };
        let range = range.content_range(*size);
        format!(
            "{line}--{boundary}\r\nContent-Type: {content_type}\r\nContent-Range: {range}\r\n\r\n"
        )
    }

    fn end(&self) -> String {
        format!("\r\n--{}--\r\n", self.boundary)
    }
}

// === impl Parts ===

impl Parts {
    /// The parts `ranges` of `version`; `first` reads the first of them.
    pub(crate) fn new(
        place: &Place,
        version: &Arc<Version>,
        frame: Frame,
        ranges: Vec<ByteRange>,
        first: Chunks,
    ) -> Self {
        Self {
            place: place.clone(),
            version: Arc::clone(version),
            frame,
            ranges: ranges.into(),
            step: Step::Head(Some(first)),
        }
    }

    /// The next bytes: of a frame, or of a part.
    pub(crate) fn poll_next(&mut self, cx: &mut Context<'_>) -> Poll<Option<Result<Bytes, Cut>>> {
        loop {
            let Some(range) = self.ranges.front().copied() else {
                return Poll::Ready(self.finish());
            };
            match &mut self.step {
                Step::Head(open) => {
                    let open = open.take();
                    let head = self.frame.head(range, open.is_some());
                    self.step = match open {
                        Some(chunks) => Step::Sending(chunks, range.len()),
                        None => Step::Opening(self.open(range)),
                    };
                    return Poll::Ready(Some(Ok(head.into())));
                }
                Step::Opening(opening) => match ready!(opening.as_mut().poll(cx)) {
                    Ok(chunks) => self.step = Step::Sending(chunks, range.len()),
                    Err(error) => return Poll::Ready(Some(Err(Cut::Source(error)))),
                },
                Step::Sending(chunks, left) => match ready!(chunks.poll_next(cx)) {
                    Some(Ok(bytes)) => {
                        let Some(rest) = left.checked_sub(length(bytes.len())) else {
                            return Poll::Ready(Some(Err(Cut::Long)));
                        };
                        *left = rest;
                        return Poll::Ready(Some(Ok(bytes)));
                    }
                    Some(Err(error)) => return Poll::Ready(Some(Err(Cut::Source(error)))),
                    None if *left > 0 => return Poll::Ready(Some(Err(Cut::Short(*left)))),
                    None => {
                        self.ranges.pop_front();
                        self.step = Step::Head(None);
                    }
                },
                Step::Done => return Poll::Ready(None),
            }
        }
    }

    fn finish(&mut self) -> Option<Result<Bytes, Cut>> {
        if matches!(self.step, Step::Done) {
            return None;
        }
        self.step = Step::Done;
        Some(Ok(self.frame.end().into()))
    }

    fn open(&self, range: ByteRange) -> Opening {
        let (place, version) = (self.place.clone(), Arc::clone(&self.version));
        Box::pin(async move {
            let object = place.open(Some(Arc::clone(&version))).await?;
            match object.read(Some(RangeSpec::from(range))).await? {
                Read::Bytes(reading) if !reading.version.is(&version) => Err(MediaError::Changed),
                Read::Bytes(Reading {
                    range: Some(given),
                    chunks,
                    ..
                }) if given == range => Ok(chunks),
                Read::Bytes(_) => {
                    let what = "everything, after it gave a part";
                    Err(MediaError::UpstreamWrong(what.to_owned()))
                }
                Read::Unsatisfiable { .. } => Err(MediaError::Changed),
            }
        })
    }
}

fn length(bytes: usize) -> u64 {
    u64::try_from(bytes).unwrap_or(u64::MAX)
}

#[cfg(test)]
#[path = "multipart_tests.rs"]
mod tests;
