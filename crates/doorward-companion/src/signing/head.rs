//! What of a request is signed, and how it is written down to be signed.

use http::request::Parts;
use http::{HeaderMap, HeaderName, HeaderValue, Method};

use super::refusal::SignRefusal;
use crate::defaults;
use crate::encoding::{byte_sequence, from_byte_sequence, from_url64};

/// What a signature base is given room for: ours have about 450 bytes.
const BASE: usize = 512;

/// What is signed of every request.
const ALWAYS: &str = r#""@method" "@authority" "@path" "@query" "origin" "x-doorward-instance""#;
/// What is signed too if there is a body.
const WITH_BODY: &str = r#" "content-type" "content-digest""#;
/// What is signed too of a chunk of an upload.
const WITH_OFFSET: &str = r#" "x-doorward-offset""#;

// What stands between the parameters.
const CREATED: &str = ");created=";
const EXPIRES: &str = ";expires=";
const NONCE: &str = ";nonce=\"";
const KEY_ID: &str = "\";keyid=\"";
const REST: &str = "\";alg=\"hmac-sha256\";tag=\"doorward-sign-1\"";

pub(super) const DIGEST: HeaderName = HeaderName::from_static("content-digest");
pub(super) const OFFSET: HeaderName = HeaderName::from_static("x-doorward-offset");
pub(super) const INPUT: HeaderName = HeaderName::from_static("signature-input");
pub(super) const SIGNATURE: HeaderName = HeaderName::from_static("signature");

/// The signed parts of a request.
#[derive(Clone, Copy, Debug)]
pub struct Head<'a> {
    /// In capitals.
    pub method: &'a Method,
    /// `Host`, as it was sent.
    pub authority: &'a str,
    /// As it was sent.
    pub path: &'a str,
    /// Without its `?`; none and empty are signed alike.
    pub query: &'a str,
    /// The page's origin.
    pub origin: &'a str,
    /// The run of the companion that is meant.
    pub instance: &'a str,
    /// The body, if there is one.
    pub content: Option<Content<'a>>,
}

/// The signed parts of a request that concern its body.
#[derive(Clone, Copy, Debug)]
pub struct Content<'a> {
    /// `Content-Type`.
    pub kind: &'a str,
    /// `Content-Digest`: `sha-256=:…:`.
    pub digest: &'a str,
    /// Where a chunk of an upload begins.
    pub offset: Option<&'a str>,
}

/// The parameters of a signature.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Params<'a> {
    /// Seconds since 1970.
    pub created: u64,
    /// Seconds since 1970.
    pub expires: u64,
    /// 128 random bits, as base64url.
    pub nonce: &'a str,
    /// Which pairing.
    pub key_id: &'a str,
}

impl<'a> Head<'a> {
    /// Reads a request.
    ///
    /// # Errors
    ///
    /// [`SignRefusal::Required`] without a signature; [`SignRefusal::Invalid`] if a
    /// part is missing, there twice, or not plain ASCII, or if there is a body
    /// without a digest.
    pub fn read(parts: &'a Parts) -> Result<Self, SignRefusal> {
        Self::read_signed(parts).map(|(head, _)| head)
    }

    /// Reads a request and what it says of its signature.
    fn read_signed(parts: &'a Parts) -> Result<(Self, Claimed<'a>), SignRefusal> {
        let fields = Fields::read(&parts.headers);
        let (Some(input), Some(signature)) = (fields.input, fields.signature) else {
            return Err(SignRefusal::Required);
        };
        if fields.twice {
            return Err(SignRefusal::Invalid);
        }
        let must = |value| text(value)?.ok_or(SignRefusal::Invalid);
        let length = text(fields.length)?;
        let has_body = length.is_some_and(|length| length != "0");
        let (kind, digest) = (text(fields.kind)?, text(fields.digest)?);
        let offset = text(fields.offset)?;
        let content = match (kind, digest) {
            (Some(kind), Some(digest)) => Some(Content {
                kind,
                digest,
                offset,
            }),
            (None, None) if !has_body && offset.is_none() => None,
            _ => return Err(SignRefusal::Invalid),
        };
        let head = Self {
            method: &parts.method,
            authority: must(fields.host)?,
            path: parts.uri.path(),
            query: parts.uri.query().unwrap_or_default(),
            origin: must(fields.origin)?,
            instance: must(fields.instance)?,
            content,
        };
        let claimed = Claimed {
            input: input.to_str().map_err(|_| SignRefusal::Invalid)?,
            signature: signature.to_str().map_err(|_| SignRefusal::Invalid)?,
        };
        Ok((head, claimed))
    }

    /// The components that this request has to have signed.
    fn components(&self) -> [&'static str; 3] {
        match &self.content {
            None => [ALWAYS, "", ""],
            Some(Content { offset: None, .. }) => [ALWAYS, WITH_BODY, ""],
            Some(Content {
                offset: Some(_), ..
            }) => [ALWAYS, WITH_BODY, WITH_OFFSET],
        }
    }

    /// The digest that was signed. `None` if there is no body.
    pub(super) fn digest(&self) -> Result<Option<[u8; 32]>, SignRefusal> {
        let Some(content) = &self.content else {
            return Ok(None);
        };
        read_digest(content.digest)
            .map(Some)
            .ok_or(SignRefusal::Invalid)
    }

    /// The offset that was signed.
    pub(super) fn offset(&self) -> Result<Option<u64>, SignRefusal> {
        let offset = self.content.and_then(|content| content.offset);
        let read = offset.map(|text| number(text).ok_or(SignRefusal::Invalid));
        read.transpose()
    }
}

/// Both signature headers, as they were sent.
#[derive(Debug)]
struct Claimed<'a> {
    input: &'a str,
    signature: &'a str,
}

/// A request with a signature that is written as it has to be.
#[derive(Debug)]
pub(super) struct Signed<'a> {
    pub(super) head: Head<'a>,
    pub(super) params: Params<'a>,
    pub(super) nonce: [u8; 16],
    /// What has to have been signed.
    pub(super) base: String,
    pub(super) signature: [u8; 32],
}

/// The headers that are signed or say how, each once.
#[derive(Debug, Default)]
struct Fields<'a> {
    host: Option<&'a HeaderValue>,
    origin: Option<&'a HeaderValue>,
    instance: Option<&'a HeaderValue>,
    length: Option<&'a HeaderValue>,
    kind: Option<&'a HeaderValue>,
    digest: Option<&'a HeaderValue>,
    offset: Option<&'a HeaderValue>,
    input: Option<&'a HeaderValue>,
    signature: Option<&'a HeaderValue>,
    twice: bool,
}

/// What is signed (RFC 9421 §2.5).
#[must_use]
pub fn signature_base(head: &Head<'_>, params: &Params<'_>) -> String {
    written(head, params).0
}

/// What is signed, and where in it `@signature-params` begins: the value of
/// `Signature-Input` after its label.
pub(super) fn written(head: &Head<'_>, params: &Params<'_>) -> (String, usize) {
    let mut base = String::with_capacity(BASE);
    let mut line = |parts: [&str; 4]| parts.iter().for_each(|part| base.push_str(part));
    line(["\"@method\": ", head.method.as_str(), "\n", ""]);
    line(["\"@authority\": ", head.authority, "\n", ""]);
    line(["\"@path\": ", head.path, "\n", ""]);
    line(["\"@query\": ", "?", head.query, "\n"]);
    line(["\"origin\": ", head.origin, "\n", ""]);
    line(["\"x-doorward-instance\": ", head.instance, "\n", ""]);
    if let Some(content) = &head.content {
        line(["\"content-type\": ", content.kind, "\n", ""]);
        line(["\"content-digest\": ", content.digest, "\n", ""]);
        if let Some(offset) = content.offset {
            line(["\"x-doorward-offset\": ", offset, "\n", ""]);
        }
    }
    line(["\"@signature-params\": ", "", "", ""]);
    let signed = base.len();
    let mut line = |parts: [&str; 4]| parts.iter().for_each(|part| base.push_str(part));
    let [always, with_body, with_offset] = head.components();
    line(["(", always, with_body, with_offset]);
    let (mut created, mut expires) = (itoa::Buffer::new(), itoa::Buffer::new());
    let (created, expires) = (
        created.format(params.created),
        expires.format(params.expires),
    );
    line([CREATED, created, EXPIRES, expires]);
    line([NONCE, params.nonce, KEY_ID, params.key_id]);
    line([REST, "", "", ""]);
    (base, signed)
}

// === impl Signed ===

impl<'a> Signed<'a> {
    /// Reads a request. Whatever is not exactly what [`written`] would write for it is
    /// no signature.
    pub(super) fn read(parts: &'a Parts) -> Result<Self, SignRefusal> {
        let (head, claimed) = Head::read_signed(parts)?;
        let (params, nonce) = read_params(&head, claimed.input).ok_or(SignRefusal::Invalid)?;
        let (base, signed) = written(&head, &params);
        if claimed.input.strip_prefix("dw=") != base.get(signed..) {
            return Err(SignRefusal::Invalid);
        }
        let signature = claimed.signature.strip_prefix("dw=");
        let signature = signature.and_then(from_byte_sequence);
        Ok(Self {
            head,
            params,
            nonce,
            base,
            signature: signature.ok_or(SignRefusal::Invalid)?,
        })
    }
}

// === impl Fields ===

impl<'a> Fields<'a> {
    /// In one go: asking the map for each costs more than the rest of reading.
    fn read(headers: &'a HeaderMap) -> Self {
        let mut fields = Self::default();
        for (name, value) in headers {
            let place = match name.as_str() {
                "host" => &mut fields.host,
                "origin" => &mut fields.origin,
                "x-doorward-instance" => &mut fields.instance,
                "content-length" => &mut fields.length,
                "content-type" => &mut fields.kind,
                "content-digest" => &mut fields.digest,
                "x-doorward-offset" => &mut fields.offset,
                "signature-input" => &mut fields.input,
                "signature" => &mut fields.signature,
                _ => continue,
            };
            fields.twice |= place.replace(value).is_some();
        }
        fields
    }
}

/// Reads the parameters and the nonce. What they mean is for the caller to see: it
/// writes them down again and compares.
fn read_params<'a>(head: &Head<'_>, input: &'a str) -> Option<(Params<'a>, [u8; 16])> {
    if input.len() > defaults::SIGNATURE_INPUT {
        return None;
    }
    let mut rest = input.strip_prefix("dw=(")?;
    for part in head.components() {
        rest = rest.strip_prefix(part)?;
    }
    let (created, rest) = rest.strip_prefix(CREATED)?.split_once(';')?;
    let (expires, rest) = rest.strip_prefix("expires=")?.split_once(';')?;
    let (nonce, rest) = rest.strip_prefix("nonce=\"")?.split_once('"')?;
    let (key_id, _) = rest.strip_prefix(";keyid=\"")?.split_once('"')?;
    let params = Params {
        created: number(created)?,
        expires: number(expires)?,
        nonce,
        key_id,
    };
    Some((params, from_url64(nonce)?))
}

/// `Content-Digest` of `body`.
pub(super) fn digest_text(digest: &[u8; 32]) -> String {
    byte_sequence("sha-256=", digest)
}

pub(super) fn read_digest(text: &str) -> Option<[u8; 32]> {
    text.strip_prefix("sha-256=").and_then(from_byte_sequence)
}

/// Digits in their one canonical form, below 10^15 (RFC 8941 §3.3.1).
fn number(text: &str) -> Option<u64> {
    let digits = text.len() <= 15 && text.bytes().all(|byte| byte.is_ascii_digit());
    let canonical = digits && (text == "0" || !text.starts_with('0'));
    canonical.then(|| text.parse().ok()).flatten()
}

/// The text of a header; `None` if it is not there.
fn text(value: Option<&HeaderValue>) -> Result<Option<&str>, SignRefusal> {
    let read = value.map(|value| value.to_str().map_err(|_| SignRefusal::Invalid));
    read.transpose()
}
