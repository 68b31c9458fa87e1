//! CORS: which pages may read an answer (Fetch §3.3).

use http::header::{
    ACCESS_CONTROL_ALLOW_HEADERS, ACCESS_CONTROL_ALLOW_METHODS, ACCESS_CONTROL_MAX_AGE,
    ACCESS_CONTROL_REQUEST_METHOD, ALLOW,
};
use http::request::Parts;
use http::{HeaderValue, Method, StatusCode};

use crate::answer::Answer;
use crate::defaults;
use crate::origin::{Origin, Origins};

/// What `Access-Control-Allow-Origin` says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Readable {
    /// Nothing: only our own origin reads the answer.
    ByNone,
    /// `*`, without credentials.
    ByAll,
    /// One origin, told back to it.
    By(Origin),
}

/// Whether this is a CORS preflight rather than a plain `OPTIONS`.
#[must_use]
pub fn is_preflight(head: &Parts, origin: Option<&Origin>) -> bool {
    head.method == Method::OPTIONS
        && origin.is_some()
        && head.headers.contains_key(ACCESS_CONTROL_REQUEST_METHOD)
}

/// Who may read an answer of a grant for `origins` that `origin` asked for.
#[must_use]
pub fn readable(origins: &Origins, origin: Option<&Origin>) -> Readable {
    match (origins, origin) {
        (Origins::Any, _) => Readable::ByAll,
        (Origins::Exact(list), Some(origin)) if list.contains(origin) => {
            Readable::By(origin.clone())
        }
        (Origins::Exact(_), _) => Readable::ByNone,
    }
}

/// The answer to `OPTIONS` on a media address.
#[must_use]
pub fn media_options(preflight: bool) -> Answer {
    options(preflight, "range, if-range, if-match, if-none-match")
}

/// The answer to `OPTIONS` on a relay's address.
#[must_use]
pub fn relay_options(preflight: bool) -> Answer {
    options(preflight, "authorization, content-type")
}

/// The answer to a companion's preflight.
#[must_use]
pub fn companion_preflight() -> Answer {
    Answer::empty(StatusCode::NO_CONTENT)
        .header(
            ACCESS_CONTROL_ALLOW_METHODS,
            HeaderValue::from_static("GET, POST, PUT, DELETE"),
        )
        .header(
            ACCESS_CONTROL_ALLOW_HEADERS,
            HeaderValue::from_static(
                "content-type, content-digest, signature, signature-input, x-doorward-instance, x-doorward-offset",
            ),
        )
        .header(
            ACCESS_CONTROL_MAX_AGE,
            HeaderValue::from(defaults::PREFLIGHT_MAX_AGE.as_secs()),
        )
}

/// The answer to any `OPTIONS` on the compatible listener.
#[must_use]
pub fn compat_options() -> Answer {
    Answer::empty(StatusCode::OK)
        .header(
            ACCESS_CONTROL_ALLOW_METHODS,
            HeaderValue::from_static("GET,POST,DELETE"),
        )
        .header(
            ACCESS_CONTROL_ALLOW_HEADERS,
            HeaderValue::from_static(
                "content-type,origin,x-companion-secret,x-companion-timestamp",
            ),
        )
        .header(
            ACCESS_CONTROL_MAX_AGE,
            HeaderValue::from(defaults::PREFLIGHT_MAX_AGE.as_secs()),
        )
}

fn options(preflight: bool, headers: &'static str) -> Answer {
    let answer = Answer::empty(StatusCode::NO_CONTENT)
        .header(ALLOW, HeaderValue::from_static("GET, HEAD, OPTIONS"));
    if !preflight {
        return answer;
    }
    answer
        .header(
            ACCESS_CONTROL_ALLOW_METHODS,
            HeaderValue::from_static("GET, HEAD"),
        )
        .header(
            ACCESS_CONTROL_ALLOW_HEADERS,
            HeaderValue::from_static(headers),
        )
        .header(
            ACCESS_CONTROL_MAX_AGE,
            HeaderValue::from(defaults::PREFLIGHT_MAX_AGE.as_secs()),
        )
}
