//! The head of a request as bytes, and the head of an answer from bytes.
//!
//! `httparse` splits lines; what they mean is decided here, strictly, because a
//! client and a server that disagree about where a body ends hand one caller's
//! bytes to another. An answer whose length can be read in two ways is refused.
//! hyper's own connection is not used: it reads ahead into a channel of its own,
//! and taking it apart after the head would have to guess how far it got.

use bytes::{Buf as _, BufMut as _, Bytes, BytesMut};
use http::header::{CONNECTION, CONTENT_LENGTH, HOST, TRANSFER_ENCODING};
use http::{HeaderMap, HeaderName, HeaderValue, Method, Request, Response, StatusCode, Version};

use crate::{EgressError, defaults};

/// What is wrong with an answer.
#[derive(Debug, thiserror::Error)]
#[error("the answer cannot be read: {0}")]
pub(crate) struct Malformed(pub(crate) &'static str);

impl From<Malformed> for EgressError {
    fn from(error: Malformed) -> Self {
        Self::Exchange(std::sync::Arc::new(error))
    }
}

/// How the end of a body is told.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Framing {
    Length(u64),
    Chunked,
    UntilClose,
}

/// The head of a final answer.
#[derive(Debug)]
pub(crate) struct Head {
    pub(crate) answer: Response<()>,
    pub(crate) framing: Framing,
    /// Whether the connection may carry another request after the body.
    pub(crate) keep: bool,
}

/// The bytes of `request` up to its body. Lengths are ours to say, so the
/// caller's `Content-Length` and `Transfer-Encoding` are left out.
pub(crate) fn encoded(request: &Request<Bytes>) -> Result<BytesMut, EgressError> {
    let uri = request.uri();
    if *request.method() == Method::CONNECT {
        return Err(EgressError::Target("CONNECT is not sent from here"));
    }
    let mut out = BytesMut::with_capacity(1024);
    out.put_slice(request.method().as_str().as_bytes());
    out.put_u8(b' ');
    out.put_slice(uri.path().as_bytes());
    if let Some(query) = uri.query() {
        out.put_u8(b'?');
        out.put_slice(query.as_bytes());
    }
    out.put_slice(b" HTTP/1.1\r\n");
    if !request.headers().contains_key(HOST) {
        out.put_slice(b"host: ");
        out.put_slice(uri.host().unwrap_or_default().as_bytes());
        let usual = if uri.scheme_str() == Some("https") {
            443
        } else {
            80
        };
        if let Some(port) = uri.port_u16().filter(|port| *port != usual) {
            out.put_slice(format!(":{port}").as_bytes());
        }
        out.put_slice(b"\r\n");
    }
    for (name, value) in request.headers() {
        if name == CONTENT_LENGTH || name == TRANSFER_ENCODING {
            continue;
        }
        out.put_slice(name.as_str().as_bytes());
        out.put_slice(b": ");
        out.put_slice(value.as_bytes());
        out.put_slice(b"\r\n");
    }
    let bodiless = matches!(
        *request.method(),
        Method::GET | Method::HEAD | Method::OPTIONS | Method::DELETE | Method::TRACE
    );
    if !bodiless || !request.body().is_empty() {
        out.put_slice(format!("content-length: {}\r\n", request.body().len()).as_bytes());
    }
    out.put_slice(b"\r\n");
    Ok(out)
}

/// Takes the first whole head off `bytes`; `None` when more bytes are needed.
/// Interim answers (1xx) are taken off and passed over.
pub(crate) fn take(bytes: &mut BytesMut, method: &Method) -> Result<Option<Head>, Malformed> {
    loop {
        let mut lines = [httparse::EMPTY_HEADER; defaults::ANSWER_HEADERS];
        let mut parsed = httparse::Response::new(&mut lines);
        let length = match parsed.parse(bytes) {
            Ok(httparse::Status::Complete(length)) => length,
            Ok(httparse::Status::Partial) => return Ok(None),
            Err(_) => return Err(Malformed("its head is not HTTP/1.1")),
        };
        let status = parsed
            .code
            .and_then(|code| StatusCode::from_u16(code).ok())
            .ok_or(Malformed("its status is none"))?;
        if status == StatusCode::SWITCHING_PROTOCOLS {
            return Err(Malformed("it switches protocols, unasked"));
        }
        if status.is_informational() {
            bytes.advance(length);
            continue;
        }
        let version = match parsed.version {
            Some(1) => Version::HTTP_11,
            _ => Version::HTTP_10,
        };
        let mut headers = HeaderMap::with_capacity(parsed.headers.len());
        for line in parsed.headers.iter() {
            let name = HeaderName::from_bytes(line.name.as_bytes())
                .map_err(|_| Malformed("a header's name"))?;
            let value =
                HeaderValue::from_bytes(line.value).map_err(|_| Malformed("a header's value"))?;
            headers.append(name, value);
        }
        bytes.advance(length);
        let (framing, keep) = framing(method, status, version, &headers)?;
        let mut answer = Response::new(());
        *answer.status_mut() = status;
        *answer.version_mut() = version;
        *answer.headers_mut() = headers;
        return Ok(Some(Head {
            answer,
            framing,
            keep,
        }));
    }
}

/// RFC 9112 §6.3, with every choice it leaves made the strict way.
fn framing(
    method: &Method,
    status: StatusCode,
    version: Version,
    headers: &HeaderMap,
) -> Result<(Framing, bool), Malformed> {
    let length = content_length(headers)?;
    let chunked = chunked(headers)?;
    if chunked && (length.is_some() || version != Version::HTTP_11) {
        return Err(Malformed("it is chunked and says a length, or is HTTP/1.0"));
    }
    let keep = version == Version::HTTP_11 && !says_close(headers);
    if *method == Method::HEAD || status == StatusCode::NOT_MODIFIED {
        return Ok((Framing::Length(0), keep));
    }
    if status == StatusCode::NO_CONTENT {
        // A length here is forbidden; whoever sends one may send the bytes too.
        let plain = !chunked && length.unwrap_or(0) == 0;
        return Ok((Framing::Length(0), keep && plain));
    }
    Ok(match length {
        Some(length) => (Framing::Length(length), keep),
        None if chunked => (Framing::Chunked, keep),
        None => (Framing::UntilClose, false),
    })
}

fn content_length(headers: &HeaderMap) -> Result<Option<u64>, Malformed> {
    let mut values = headers.get_all(CONTENT_LENGTH).iter();
    let Some(value) = values.next() else {
        return Ok(None);
    };
    let digits = value.as_bytes();
    if values.next().is_some() || digits.is_empty() || !digits.iter().all(u8::is_ascii_digit) {
        return Err(Malformed("its length is not one number"));
    }
    value
        .to_str()
        .ok()
        .and_then(|text| text.parse().ok())
        .map(Some)
        .ok_or(Malformed("its length is too large"))
}

fn chunked(headers: &HeaderMap) -> Result<bool, Malformed> {
    let mut values = headers.get_all(TRANSFER_ENCODING).iter();
    let Some(value) = values.next() else {
        return Ok(false);
    };
    if values.next().is_some() || !value.as_bytes().eq_ignore_ascii_case(b"chunked") {
        return Err(Malformed("its transfer encoding is not chunked alone"));
    }
    Ok(true)
}

fn says_close(headers: &HeaderMap) -> bool {
    headers.get_all(CONNECTION).iter().any(|value| {
        value
            .as_bytes()
            .split(|byte| *byte == b',')
            .any(|token| token.trim_ascii().eq_ignore_ascii_case(b"close"))
    })
}
