//! One head, read line by line. A line is judged when its end is there; what
//! only the whole head can tell is judged at its end, the malformed first.

use http::Uri;

use super::HeadLimits;
use super::bytes::{Class, all, is_plain};
use crate::cookies;
use crate::refusal::{Refusal, Rule};

/// The methods that may come in at all.
pub const METHODS: [&str; 7] = ["GET", "HEAD", "POST", "PUT", "DELETE", "OPTIONS", "PATCH"];

/// Where the relay lives: the only targets that may be long.
const RELAY_PREFIX: &str = "/r/";

/// A head that passed.
#[derive(Debug)]
pub(super) struct Judged {
    /// Its length, with the empty line that ends it.
    pub(super) length: usize,
    /// The length of the body that follows.
    pub(super) body: u64,
}

/// A head on its way in.
#[derive(Debug, Default)]
pub(super) struct Head {
    /// Where the line that is not yet whole begins.
    line: usize,
    /// Up to here no end of that line was found.
    seen: usize,
    /// Set once the request line was judged.
    request: Option<RequestLine>,
    fields: Fields,
}

#[derive(Debug)]
struct RequestLine {
    /// GET or HEAD.
    bodiless: bool,
    /// The authority of an absolute-form target.
    authority: Option<Box<[u8]>>,
}

/// What was learned from the header lines so far.
#[derive(Debug, Default)]
struct Fields {
    count: usize,
    total: usize,
    host: bool,
    /// `Host` names another authority than the target.
    elsewhere: bool,
    origin: bool,
    content_length: Option<u64>,
    transfer_encoding: bool,
    unknown_expectation: bool,
    service_worker: bool,
    our_cookies: usize,
}

// === impl Head ===

impl Head {
    pub(super) fn begun(&self) -> bool {
        self.seen > 0
    }

    /// Reads on. `Ok(None)`: the end is not here yet.
    pub(super) fn read(
        &mut self,
        limits: &HeadLimits,
        input: &[u8],
    ) -> Result<Option<Judged>, Refusal> {
        loop {
            let rest = input.get(self.line..).unwrap_or_default();
            if self.request.is_none() && rest.first().is_some_and(|byte| !Class::TOKEN.has(*byte)) {
                // An empty line, or another protocol: TLS would never send its LF.
                return Err(malformed("the first byte begins no method"));
            }
            let most = self.room(limits, rest).saturating_add(2);
            let window = rest.get(..most).unwrap_or(rest);
            let begin = self.seen.saturating_sub(self.line).min(window.len());
            let fresh = window.get(begin..).unwrap_or_default();
            let Some(ahead) = memchr::memchr(b'\n', fresh) else {
                if window.len() == most {
                    return Err(self.too_long());
                }
                self.seen = self.line.saturating_add(window.len());
                return Ok(None);
            };
            let end = begin.saturating_add(ahead);
            let line = window
                .get(..end)
                .and_then(|line| line.strip_suffix(b"\r"))
                .ok_or_else(|| malformed("a line ends in a bare LF"))?;
            self.line = self.line.saturating_add(end).saturating_add(1);
            self.seen = self.line;
            match &self.request {
                None => self.request = Some(RequestLine::read(line)?),
                Some(request) if line.is_empty() => {
                    let body = self.fields.judge(request)?;
                    return Ok(Some(Judged {
                        length: self.line,
                        body,
                    }));
                }
                Some(request) => self.fields.read(limits, request, line)?,
            }
        }
    }

    /// How long the line that begins `rest` may be. It can only shrink while
    /// the line's first bytes come in.
    fn room(&self, limits: &HeadLimits, rest: &[u8]) -> usize {
        if self.request.is_none() {
            let is_long = rest.len() > limits.request_line;
            return if is_long && may_be_relay(rest) {
                limits.relay_request_line.max(limits.request_line)
            } else {
                limits.request_line
            };
        }
        if self.fields.count >= limits.header_count {
            return 0;
        }
        // What is here already is no longer than it may be: no need to look.
        let is_long = rest.len() > limits.header_line;
        let line = if is_long && may_begin(rest, b"cookie:") {
            limits.cookie_line.max(limits.header_line)
        } else {
            limits.header_line
        };
        line.min(limits.headers_total.saturating_sub(self.fields.total))
    }

    fn too_long(&self) -> Refusal {
        if self.request.is_none() {
            Rule::RequestLineTooLong.into()
        } else {
            Rule::HeadersTooLarge.into()
        }
    }
}

// === impl RequestLine ===

impl RequestLine {
    /// `method SP target SP version`, RFC 9112 §3.
    fn read(line: &[u8]) -> Result<Self, Refusal> {
        let mut words = line.split(|byte| *byte == b' ');
        let (Some(method), Some(target), Some(version), None) =
            (words.next(), words.next(), words.next(), words.next())
        else {
            return Err(malformed("the request line has not three words"));
        };
        if version != b"HTTP/1.1" && version != b"HTTP/1.0" {
            return Err(malformed("the version is neither HTTP/1.1 nor HTTP/1.0"));
        }
        if method.is_empty() || !all(method, Class::TOKEN) {
            return Err(malformed("the method is no token"));
        }
        if !METHODS.iter().any(|known| known.as_bytes() == method) {
            return Err(Refusal::from(Rule::MethodNotAllowed).allow(METHODS.join(", ")));
        }
        Ok(Self {
            bodiless: matches!(method, b"GET" | b"HEAD"),
            authority: authority_of(target)?,
        })
    }
}

/// Judges a target: `None` for a path, the authority for an absolute URL. Most have
/// nothing that needs a closer look.
pub(super) fn authority_of(target: &[u8]) -> Result<Option<Box<[u8]>>, Refusal> {
    if target.first() == Some(&b'/') && target.len() < LONG && all(target, Class::UNCODED) {
        return Ok(None);
    }
    if target.contains(&b'#') || !target.iter().all(u8::is_ascii_graphic) {
        return Err(malformed("the target has a fragment or an unencoded byte"));
    }
    // What hyper could not parse it would answer itself, unsealed.
    if Uri::try_from(target).is_err() {
        return Err(malformed("the target is no URI"));
    }
    if target.first() == Some(&b'/') {
        return Ok(None);
    }
    let after_scheme = match target.split_at_checked(7) {
        Some((scheme, rest)) if scheme.eq_ignore_ascii_case(b"http://") => rest,
        _ => return Err(malformed("the target is neither a path nor an http URL")),
    };
    match after_scheme
        .iter()
        .position(|byte| matches!(byte, b'/' | b'?'))
    {
        Some(end) if after_scheme.get(end) == Some(&b'/') => {
            Ok(Some(after_scheme.get(..end).unwrap_or_default().into()))
        }
        _ => Err(malformed("the absolute target has no path")),
    }
}

// === impl Fields ===

impl Fields {
    /// `name ":" OWS value OWS`, RFC 9112 §5.
    fn read(
        &mut self,
        limits: &HeadLimits,
        request: &RequestLine,
        line: &[u8],
    ) -> Result<(), Refusal> {
        self.count = self.count.saturating_add(1);
        self.total = self.total.saturating_add(line.len()).saturating_add(2);

        let end = line.iter().position(|byte| !Class::TOKEN.has(*byte));
        let (name, value) = match end.and_then(|end| line.split_at_checked(end)) {
            Some((name, [b':', value @ ..])) if !name.is_empty() => (name, value),
            // Folded lines and spaces before the colon end here too.
            _ if line.contains(&b':') => return Err(malformed("a header name is no token")),
            _ => return Err(malformed("a header line has no colon")),
        };
        let is = |known: &str| name.eq_ignore_ascii_case(known.as_bytes());
        // Nearly all have one blank before them, and none behind.
        let value = trim(value.strip_prefix(b" ").unwrap_or(value));
        if !(is_plain(value) || is("cookie") && all(value, Class::COOKIE)) {
            return Err(malformed("a header value has a byte that may not be there"));
        }

        if is("host") {
            if let Some(defect) = host_defect(value) {
                return Err(malformed(defect));
            }
            if std::mem::replace(&mut self.host, true) {
                return Err(malformed("there are two Host lines"));
            }
            let named = request.authority.as_deref();
            self.elsewhere = named.is_some_and(|named| !named.eq_ignore_ascii_case(value));
        } else if is("origin") {
            if value.is_empty() || value.iter().any(|byte| matches!(byte, b' ' | b'\t' | b',')) {
                return Err(malformed("Origin is empty or a list"));
            }
            if std::mem::replace(&mut self.origin, true) {
                return Err(malformed("there are two Origin lines"));
            }
        } else if is("content-length") {
            let length = decimal(value).ok_or_else(|| malformed("Content-Length is no number"))?;
            if self.content_length.replace(length).is_some() {
                return Err(malformed("there are two Content-Length lines"));
            }
        } else if is("transfer-encoding") {
            self.transfer_encoding = true;
        } else if is("expect") {
            self.unknown_expectation |= !value.eq_ignore_ascii_case(b"100-continue");
        } else if is("service-worker") {
            self.service_worker = true;
        } else if is("http2-settings") || (is("upgrade") && names_http2(value)) {
            return Err(malformed("HTTP/2 is not spoken here"));
        } else if is("cookie")
            && let Some(ours) = &limits.our_cookie
        {
            let found = cookies::called(value, ours).count();
            self.our_cookies = self.our_cookies.saturating_add(found);
        }
        Ok(())
    }

    /// Judges the whole head; says how long the body is.
    fn judge(&self, request: &RequestLine) -> Result<u64, Refusal> {
        let body = self.content_length.unwrap_or(0);
        if !self.host {
            return Err(malformed("there is no Host line"));
        }
        if self.elsewhere {
            return Err(malformed("the target names another authority than Host"));
        }
        if self.transfer_encoding && self.content_length.is_some() {
            return Err(malformed(
                "Transfer-Encoding and Content-Length came together",
            ));
        }
        if request.bodiless && body > 0 {
            return Err(malformed("GET and HEAD have no body"));
        }
        if self.our_cookies > 1 {
            return Err(malformed("our cookie came twice"));
        }
        if self.transfer_encoding {
            return Err(Rule::LengthRequired.into());
        }
        if self.unknown_expectation {
            return Err(Rule::ExpectationFailed.into());
        }
        if self.service_worker {
            return Err(Rule::ServiceWorkerRefused.into());
        }
        Ok(body)
    }
}

fn malformed(note: &'static str) -> Refusal {
    Refusal::from(Rule::MalformedRequest).note(note)
}

/// A target of fewer bytes is not too long for a parser of URIs.
const LONG: usize = 32 * 1024;

fn may_be_relay(line: &[u8]) -> bool {
    METHODS.iter().any(|method| {
        let start = method.bytes().chain(*b" ").chain(RELAY_PREFIX.bytes());
        line.iter().zip(start).all(|(here, there)| *here == there)
    })
}

/// The line begins so, or may once more of it is here.
fn may_begin(line: &[u8], start: &[u8]) -> bool {
    line.iter()
        .zip(start)
        .all(|(here, there)| here.eq_ignore_ascii_case(there))
}

/// Without the blanks around it; only SP and HTAB are blanks.
fn trim(mut value: &[u8]) -> &[u8] {
    while let [b' ' | b'\t', rest @ ..] | [rest @ .., b' ' | b'\t'] = value {
        value = rest;
    }
    value
}

/// What keeps this from being one `name[:port]`. Whether it is one of our
/// names, the guard decides.
fn host_defect(value: &[u8]) -> Option<&'static str> {
    if !all(value, Class::HOST) {
        return Some("Host is a list or has a byte that no host name has");
    }
    let name = match value.strip_prefix(b"[") {
        Some(inner) => inner.split(|byte| *byte == b']').next(),
        None => value.split(|byte| *byte == b':').next(),
    };
    match name.unwrap_or_default() {
        [] => Some("Host is empty"),
        [.., b'.'] => Some("Host ends in a dot"),
        _ => None,
    }
}

/// Digits only. No leading zeros: there are parsers to whom `010` is eight. No
/// more than 63 bits: hyper would answer what it cannot count by itself, unsealed.
fn decimal(value: &[u8]) -> Option<u64> {
    let plain = match value {
        [b'0'] => true,
        [b'1'..=b'9', rest @ ..] => rest.iter().all(u8::is_ascii_digit),
        _ => false,
    };
    if !plain {
        return None;
    }
    let length: i64 = std::str::from_utf8(value).ok()?.parse().ok()?;
    u64::try_from(length).ok()
}

fn names_http2(value: &[u8]) -> bool {
    let http2 = |name: &[u8]| {
        name.get(..2)
            .is_some_and(|name| name.eq_ignore_ascii_case(b"h2"))
    };
    value
        .split(|byte| *byte == b',')
        .any(|protocol| http2(trim(protocol)))
}
