//! Entity tags, dates, and the order in which preconditions count
//! (RFC 9110 §8.8, §13).

use std::fmt;
use std::time::{SystemTime, UNIX_EPOCH};

use http::header::{
    HeaderName, IF_MATCH, IF_MODIFIED_SINCE, IF_NONE_MATCH, IF_RANGE, IF_UNMODIFIED_SINCE,
};
use http::{HeaderMap, HeaderValue};

/// An entity tag.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EntityTag {
    weak: bool,
    /// Without the quotes.
    opaque: Box<str>,
}

/// What an object is compared by.
#[derive(Clone, Copy, Debug)]
pub struct Validators<'a> {
    /// Its entity tag, where the source gives one.
    pub etag: Option<&'a EntityTag>,
    /// When it was last modified, where the source says.
    pub modified: Option<SystemTime>,
}

/// What the preconditions of a request come to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// Go on; `Range` counts.
    Proceed,
    /// Go on, but as if there were no `Range`: `If-Range` does not match.
    ProceedWhole,
    /// 304.
    NotModified,
    /// 412.
    PreconditionFailed,
}

/// Whether any precondition is there to be judged.
#[must_use]
pub fn is_conditional(headers: &HeaderMap) -> bool {
    [
        IF_MATCH,
        IF_NONE_MATCH,
        IF_MODIFIED_SINCE,
        IF_UNMODIFIED_SINCE,
        IF_RANGE,
    ]
    .iter()
    .any(|name| headers.contains_key(name))
}

/// Judges the preconditions of a GET or HEAD for an object that exists, in the
/// order of RFC 9110 §13.2.2. Malformed dates are ignored; a malformed
/// `If-Match` matches nothing; `If-Range` wants a strong tag, never a date:
/// a date has whole seconds, and files change within them.
#[must_use]
pub fn judge(headers: &HeaderMap, object: Validators<'_>) -> Verdict {
    if headers.contains_key(IF_MATCH) {
        if !any_tag(headers, &IF_MATCH, object.etag, EntityTag::strongly_equals) {
            return Verdict::PreconditionFailed;
        }
    } else if let (Some(limit), Some(modified)) =
        (date(headers, &IF_UNMODIFIED_SINCE), object.modified)
        && seconds(modified) > seconds(limit)
    {
        return Verdict::PreconditionFailed;
    }
    if headers.contains_key(IF_NONE_MATCH) {
        if any_tag(
            headers,
            &IF_NONE_MATCH,
            object.etag,
            EntityTag::weakly_equals,
        ) {
            return Verdict::NotModified;
        }
    } else if let (Some(limit), Some(modified)) =
        (date(headers, &IF_MODIFIED_SINCE), object.modified)
        && seconds(modified) <= seconds(limit)
    {
        return Verdict::NotModified;
    }
    match single(headers, &IF_RANGE) {
        Found::None => Verdict::Proceed,
        Found::One(value) => match (EntityTag::parse(value.as_bytes()), object.etag) {
            (Some(asked), Some(etag)) if asked.strongly_equals(etag) => Verdict::Proceed,
            _ => Verdict::ProceedWhole,
        },
        Found::Several => Verdict::ProceedWhole,
    }
}

/// A date as `Last-Modified` writes it.
#[must_use]
pub fn http_date(at: SystemTime) -> Option<HeaderValue> {
    // httpdate panics before 1970 and after 9999.
    let seconds = at.duration_since(UNIX_EPOCH).ok()?.as_secs();
    if seconds >= 253_402_300_800 {
        return None;
    }
    HeaderValue::from_str(&httpdate::fmt_http_date(at)).ok()
}

// === impl EntityTag ===

impl EntityTag {
    /// A strong tag. `None` if `opaque` has characters that no tag may have.
    #[must_use]
    pub fn strong(opaque: &str) -> Option<Self> {
        opaque.bytes().all(is_etagc).then(|| Self {
            weak: false,
            opaque: opaque.into(),
        })
    }

    /// Reads one tag: `"..."` or `W/"..."`, and nothing around it.
    #[must_use]
    pub fn parse(text: &[u8]) -> Option<Self> {
        let (weak, quoted) = match text.strip_prefix(b"W/") {
            Some(rest) => (true, rest),
            None => (false, text),
        };
        let opaque = quoted.strip_prefix(b"\"")?.strip_suffix(b"\"")?;
        if !opaque.iter().copied().all(is_etagc) {
            return None;
        }
        Some(Self {
            weak,
            opaque: String::from_utf8_lossy(opaque).into(),
        })
    }

    /// Whether this is a weak tag.
    #[must_use]
    pub fn is_weak(&self) -> bool {
        self.weak
    }

    /// Byte for byte the same (§8.8.3.2): neither is weak, both are equal.
    #[must_use]
    pub fn strongly_equals(&self, other: &Self) -> bool {
        !self.weak && !other.weak && self.opaque == other.opaque
    }

    /// As good as the same: equal, weak or not.
    #[must_use]
    pub fn weakly_equals(&self, other: &Self) -> bool {
        self.opaque == other.opaque
    }

    /// As a field value; `None` for the tags of stores that put bytes there
    /// which no field may have.
    #[must_use]
    pub fn to_value(&self) -> Option<HeaderValue> {
        HeaderValue::from_str(&self.to_string()).ok()
    }
}

impl fmt::Display for EntityTag {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{}\"{}\"",
            if self.weak { "W/" } else { "" },
            self.opaque
        )
    }
}

/// ASCII alone: bytes above 0x7F are obsolete in tags, and no store sends them.
fn is_etagc(byte: u8) -> bool {
    byte == 0x21 || (0x23..=0x7e).contains(&byte)
}

/// Whether `*` or any tag of the list in the fields `name` equals `object`'s.
/// A list that is malformed stops where it stops making sense.
fn any_tag(
    headers: &HeaderMap,
    name: &HeaderName,
    object: Option<&EntityTag>,
    equals: fn(&EntityTag, &EntityTag) -> bool,
) -> bool {
    headers.get_all(name).iter().any(|value| {
        if value.as_bytes().trim_ascii() == b"*" {
            return true;
        }
        let Some(object) = object else { return false };
        tags(value.as_bytes()).any(|tag| equals(&tag, object))
    })
}

fn tags(mut rest: &[u8]) -> impl Iterator<Item = EntityTag> {
    std::iter::from_fn(move || {
        while let [b' ' | b'\t' | b',', after @ ..] = rest {
            rest = after;
        }
        let prefix = if rest.starts_with(b"W/") { 3 } else { 1 };
        let close = rest.get(prefix..)?.iter().position(|byte| *byte == b'"')?;
        let (tag, after) = rest.split_at_checked(prefix + close + 1)?;
        // Between two tags there is a comma.
        let next = after.trim_ascii_start();
        rest = if next.is_empty() || next.starts_with(b",") {
            next
        } else {
            &[]
        };
        EntityTag::parse(tag)
    })
}

enum Found<'a> {
    None,
    One(&'a HeaderValue),
    Several,
}

fn single<'a>(headers: &'a HeaderMap, name: &HeaderName) -> Found<'a> {
    let mut fields = headers.get_all(name).iter();
    match (fields.next(), fields.next()) {
        (None, _) => Found::None,
        (Some(value), None) => Found::One(value),
        (Some(_), Some(_)) => Found::Several,
    }
}

fn date(headers: &HeaderMap, name: &HeaderName) -> Option<SystemTime> {
    match single(headers, name) {
        Found::One(value) => httpdate::parse_http_date(value.to_str().ok()?).ok(),
        Found::None | Found::Several => None,
    }
}

/// HTTP dates have whole seconds.
fn seconds(at: SystemTime) -> u64 {
    at.duration_since(UNIX_EPOCH)
        .map_or(0, |since| since.as_secs())
}

#[cfg(test)]
#[path = "validator_tests.rs"]
mod tests;
