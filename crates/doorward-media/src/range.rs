//! `Range` (RFC 9110 §14): what was asked, and what it means for one size.
//!
//! Whatever is not a valid range of bytes is ignored, as the RFC demands: the
//! answer is then the whole object. Nothing can overflow: positions saturate.

use std::fmt;

use http::HeaderMap;
use http::header::RANGE;

use crate::defaults;

/// What a request asks for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Asked {
    /// Everything: no `Range`, another unit, or not a valid one.
    Whole,
    /// One range.
    One(RangeSpec),
    /// Two or more ranges.
    Several(RangeSet),
}

/// Two or more ranges as they were asked, in that order.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RangeSet(Vec<RangeSpec>);

/// What several ranges mean for one size.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Parts {
    /// Everything: there are too many of them, they name more bytes than the
    /// object has, or the object is empty.
    Whole,
    /// They come to one range.
    One(ByteRange),
    /// Two to [`defaults::PARTS`] ranges that neither overlap nor touch.
    Several(Vec<ByteRange>),
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
        let mut specs = Vec::new();
        for element in set.split(|byte| *byte == b',') {
            let element = trim_ows(element);
            if element.is_empty() {
                continue;
            }
            // One invalid member spoils the set, even after valid ones.
            let Some(spec) = RangeSpec::parse(element) else {
                return Self::Whole;
            };
            specs.push(spec);
        }
        match specs.as_slice() {
            [] => Self::Whole,
            [spec] => Self::One(*spec),
            _ => Self::Several(RangeSet(specs)),
        }
    }
}

// === impl RangeSet ===

impl RangeSet {
    /// What this means for an object of `size` bytes. Ranges outside of it are
    /// left out. Those that overlap, or lie so near that the bytes between them
    /// are fewer than the frame of a part ([`defaults::PART_GAP`]), become one,
    /// in the place of the first of them; otherwise the order is kept.
    ///
    /// A set that names more bytes than the object has, or more parts than
    /// [`defaults::PARTS`], means the whole object: it would cost more than that.
    ///
    /// # Errors
    ///
    /// [`Unsatisfiable`] when no byte lies in any of the ranges.
    pub fn within(&self, size: u64) -> Result<Parts, Unsatisfiable> {
        let mut found = Vec::with_capacity(self.0.len());
        let mut named = 0_u128;
        for (place, spec) in self.0.iter().enumerate() {
            match spec.within(size) {
                Ok(Some(range)) => {
                    named = named.saturating_add(u128::from(range.len()));
                    found.push((range, place));
                }
                Ok(None) => return Ok(Parts::Whole),
                Err(Unsatisfiable) => {}
            }
        }
        if found.is_empty() {
            return Err(Unsatisfiable);
        }
        if named > u128::from(size) {
            return Ok(Parts::Whole);
        }
        found.sort_unstable_by_key(|(range, _)| range.first);
        let mut merged: Vec<(ByteRange, usize)> = Vec::new();
        for (range, place) in found {
            match merged.last_mut() {
                Some((before, first)) if before.is_near(range) => {
                    before.last = before.last.max(range.last);
                    *first = place.min(*first);
                }
                _ => merged.push((range, place)),
            }
        }
        merged.sort_unstable_by_key(|(_, place)| *place);
        match merged.as_slice() {
            [(range, _)] => Ok(Parts::One(*range)),
            _ if merged.len() > defaults::PARTS => Ok(Parts::Whole),
            _ => Ok(Parts::Several(
                merged.into_iter().map(|(range, _)| range).collect(),
            )),
        }
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

    /// Whether `later`, which begins no earlier, overlaps this, touches it or is
    /// not worth a part of its own.
    fn is_near(self, later: Self) -> bool {
        later.first.saturating_sub(self.last) <= defaults::PART_GAP.saturating_add(1)
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

#[cfg(test)]
#[path = "range_property_tests.rs"]
mod properties;
