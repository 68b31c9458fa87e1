//! `Range` (RFC 9110 §14): what was asked, and what it means for one size.
//!
//! Whatever is not a valid range of bytes is ignored, as the RFC demands: the
//! answer is then the whole object. Nothing here allocates, and nothing can
//! overflow: positions saturate.

use std::fmt;

use http::HeaderMap;
use http::header::RANGE;

/// What a request asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Asked {
    /// Everything: no `Range`, another unit, or not a valid one.
    Whole,
    /// One range.
    One(RangeSpec),
    /// Several ranges. Answered with the whole object for now; answering with
    /// `multipart/byteranges` is the next floor.
    Several,
}

/// One range as it was asked, not yet held against a size.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RangeSpec {
    /// `first-` or `first-last`, both inclusive, `first <= last`.
    From {
        /// The first byte.
        first: u64,
        /// The last byte; to the end if there is none.
        last: Option<u64>,
    },
    /// `-length`: the last so many bytes.
    Suffix {
        /// How many.
        length: u64,
    },
}

/// A range that lies within an object: never empty, both ends inclusive.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ByteRange {
    first: u64,
    last: u64,
}

/// No byte of the object lies in the range: 416.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Unsatisfiable;

// === impl Asked ===

impl Asked {
    /// Reads the `Range` field. Two of them are as good as none.
    #[must_use]
    pub fn of(headers: &HeaderMap) -> Self {
        let mut fields = headers.get_all(RANGE).iter();
        match (fields.next(), fields.next()) {
            (Some(value), None) => Self::parse(value.as_bytes()),
            _ => Self::Whole,
        }
    }

    /// Reads one field value.
    #[must_use]
    pub fn parse(value: &[u8]) -> Self {
        let Some((unit, set)) = value.split_once_byte(b'=') else {
            return Self::Whole;
        };
        if !unit.eq_ignore_ascii_case(b"bytes") {
            return Self::Whole;
        }
        let mut found = Self::Whole;
        for element in set.split(|byte| *byte == b',') {
            let element = trim_ows(element);
            if element.is_empty() {
                continue;
            }
            // One invalid member spoils the set, even after valid ones.
            let Some(spec) = RangeSpec::parse(element) else {
                return Self::Whole;
            };
            found = if found == Self::Whole {
                Self::One(spec)
            } else {
                Self::Several
            };
        }
        found
    }
}

// === impl RangeSpec ===

impl RangeSpec {
    fn parse(text: &[u8]) -> Option<Self> {
        let (first, last) = text.split_once_byte(b'-')?;
        if first.is_empty() {
            return Some(Self::Suffix {
                length: digits(last)?,
            });
        }
        let first = digits(first)?;
        if last.is_empty() {
            return Some(Self::From { first, last: None });
        }
        let last = digits(last)?;
        (first <= last).then_some(Self::From {
            first,
            last: Some(last),
        })
    }

    /// What this means for an object of `size` bytes, clamped to it. `None`
    /// stands for the whole object: a suffix of an empty object is satisfiable,
    /// and no `Content-Range` can say so.
    ///
    /// # Errors
    ///
    /// [`Unsatisfiable`] when no byte lies in the range.
    pub fn within(self, size: u64) -> Result<Option<ByteRange>, Unsatisfiable> {
        let end = size.checked_sub(1);
        match (self, end) {
            (Self::Suffix { length: 0 }, _) | (Self::From { .. }, None) => Err(Unsatisfiable),
            (Self::Suffix { .. }, None) => Ok(None),
            (Self::Suffix { length }, Some(last)) => Ok(Some(ByteRange {
                first: size.saturating_sub(length),
                last,
            })),
            (Self::From { first, .. }, Some(end)) if first > end => Err(Unsatisfiable),
            (Self::From { first, last }, Some(end)) => Ok(Some(ByteRange {
                first,
                last: last.unwrap_or(end).min(end),
            })),
        }
    }
}

impl fmt::Display for RangeSpec {
    /// As a `Range` field value.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::From {
                first,
                last: Some(last),
            } => write!(f, "bytes={first}-{last}"),
            Self::From { first, last: None } => write!(f, "bytes={first}-"),
            Self::Suffix { length } => write!(f, "bytes=-{length}"),
        }
    }
}

// === impl ByteRange ===

impl ByteRange {
    /// `first..=last`; `None` if that is empty.
    #[must_use]
    pub fn new(first: u64, last: u64) -> Option<Self> {
        (first <= last).then_some(Self { first, last })
    }

    /// The first byte.
    #[must_use]
    pub fn first(self) -> u64 {
        self.first
    }

    /// The last byte, inclusive.
    #[must_use]
    pub fn last(self) -> u64 {
        self.last
    }

    /// How many bytes; saturating for the one range that has 2^64.
    #[must_use]
    #[expect(clippy::len_without_is_empty, reason = "it never is")]
    pub fn len(self) -> u64 {
        (self.last - self.first).saturating_add(1)
    }

    /// The `Content-Range` for an object of `size` bytes.
    #[must_use]
    pub fn content_range(self, size: u64) -> String {
        format!("bytes {}-{}/{size}", self.first, self.last)
    }

    /// Reads a `Content-Range`: the range and the size of the whole. `None`
    /// unless all of it is there, consistent, and counted in bytes.
    #[must_use]
    pub fn parse_content_range(value: &[u8]) -> Option<(Self, u64)> {
        let (unit, rest) = value.split_once_byte(b' ')?;
        let (range, size) = trim_ows(rest).split_once_byte(b'/')?;
        let (first, last) = range.split_once_byte(b'-')?;
        let (first, last, size) = (exact(first)?, exact(last)?, exact(size)?);
        let sound = unit.eq_ignore_ascii_case(b"bytes") && first <= last && last < size;
        sound.then_some((Self { first, last }, size))
    }
}

impl From<ByteRange> for RangeSpec {
    fn from(range: ByteRange) -> Self {
        Self::From {
            first: range.first,
            last: Some(range.last),
        }
    }
}

/// The size in a 416's `Content-Range: bytes */N`.
#[must_use]
pub fn parse_unsatisfied(value: &[u8]) -> Option<u64> {
    let (unit, rest) = value.split_once_byte(b' ')?;
    let size = trim_ows(rest).strip_prefix(b"*/")?;
    if unit.eq_ignore_ascii_case(b"bytes") {
        exact(size)
    } else {
        None
    }
}

/// A number that saturates at the largest position there is.
fn digits(text: &[u8]) -> Option<u64> {
    if text.is_empty() {
        return None;
    }
    text.iter().try_fold(0_u64, |number, byte| {
        byte.is_ascii_digit().then(|| {
            number
                .saturating_mul(10)
                .saturating_add(u64::from(byte - b'0'))
        })
    })
}

/// A number that fits.
fn exact(text: &[u8]) -> Option<u64> {
    if !text.iter().all(u8::is_ascii_digit) {
        return None;
    }
    std::str::from_utf8(text).ok()?.parse().ok()
}

fn trim_ows(mut text: &[u8]) -> &[u8] {
    while let [b' ' | b'\t', rest @ ..] = text {
        text = rest;
    }
    while let [rest @ .., b' ' | b'\t'] = text {
        text = rest;
    }
    text
}

trait SplitOnceByte {
    fn split_once_byte(&self, byte: u8) -> Option<(&Self, &Self)>;
}

impl SplitOnceByte for [u8] {
    fn split_once_byte(&self, byte: u8) -> Option<(&Self, &Self)> {
        let at = self.iter().position(|other| *other == byte)?;
        Some((self.get(..at)?, self.get(at.checked_add(1)?..)?))
    }
}

#[cfg(test)]
#[path = "range_tests.rs"]
mod tests;
