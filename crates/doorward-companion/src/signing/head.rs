//! What of a request is signed, and how it is written down to be signed.

use http::request::Parts;
use http::{HeaderName, Method, header};

use super::refusal::SignRefusal;
use crate::defaults;
use crate::encoding::{byte_sequence, from_byte_sequence, from_url64};

/// What is signed of every request.
const ALWAYS: &str = r#""@method" "@authority" "@path" "@query" "origin" "x-doorward-instance""#;
/// What is signed too if there is a body.
const WITH_BODY: &str = r#" "content-type" "content-digest""#;
/// What is signed too of a chunk of an upload.
const WITH_OFFSET: &str = r#" "x-doorward-offset""#;

const TAG: &str = "doorward-sign-1";

pub(super) const DIGEST: HeaderName = HeaderName::from_static("content-digest");
pub(super) const INSTANCE: HeaderName = HeaderName::from_static("x-doorward-instance");
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
        if !parts.headers.contains_key(INPUT) || !parts.headers.contains_key(SIGNATURE) {
            return Err(SignRefusal::Required);
        }
        let must = |name| once(parts, name)?.ok_or(SignRefusal::Invalid);
        let length = once(parts, header::CONTENT_LENGTH)?;
        let has_body = length.is_some_and(|length| length != "0");
        let kind = once(parts, header::CONTENT_TYPE)?;
        let digest = once(parts, DIGEST)?;
        let offset = once(parts, OFFSET)?;
        let content = match (kind, digest) {
            (Some(kind), Some(digest)) => Some(Content {
                kind,
                digest,
                offset,
            }),
            (None, None) if !has_body && offset.is_none() => None,
            _ => return Err(SignRefusal::Invalid),
        };
        Ok(Self {
            method: &parts.method,
            authority: must(header::HOST)?,
            path: parts.uri.path(),
            query: parts.uri.query().unwrap_or_default(),
            origin: must(header::ORIGIN)?,
            instance: must(INSTANCE)?,
            content,
        })
    }

    /// The components that this request has to have signed.
    fn components(&self) -> String {
        let mut components = ALWAYS.to_owned();
        if let Some(content) = &self.content {
            components.push_str(WITH_BODY);
            if content.offset.is_some() {
                components.push_str(WITH_OFFSET);
            }
        }
        components
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

/// The value of `Signature-Input` after its label: what `@signature-params` is.
pub(super) fn signature_params(head: &Head<'_>, params: &Params<'_>) -> String {
    let Params {
        created,
        expires,
        nonce,
        key_id,
    } = params;
    let components = head.components();
    format!(
        r#"({components});created={created};expires={expires};nonce="{nonce}";keyid="{key_id}";alg="hmac-sha256";tag="{TAG}""#
    )
}

/// What is signed (RFC 9421 §2.5).
#[must_use]
pub fn signature_base(head: &Head<'_>, params: &Params<'_>) -> String {
    let Head {
        method,
        authority,
        path,
        query,
        origin,
        instance,
        content,
    } = head;
    let mut base = format!(
        "\"@method\": {method}\n\"@authority\": {authority}\n\"@path\": {path}\n\"@query\": ?{query}\n\"origin\": {origin}\n\"x-doorward-instance\": {instance}\n"
    );
    if let Some(Content {
        kind,
        digest,
        offset,
    }) = content
    {
        base.push_str(&format!(
            "\"content-type\": {kind}\n\"content-digest\": {digest}\n"
        ));
        if let Some(offset) = offset {
            base.push_str(&format!("\"x-doorward-offset\": {offset}\n"));
        }
    }
    let params = signature_params(head, params);
    base.push_str(&format!("\"@signature-params\": {params}"));
    base
}

/// Reads both signature headers. Whatever is not exactly what [`signature_params`]
/// would write for this request is no signature.
pub(super) fn read_signature<'a>(
    parts: &'a Parts,
    head: &Head<'_>,
) -> Result<(Params<'a>, [u8; 32]), SignRefusal> {
    let input = once(parts, INPUT)?.ok_or(SignRefusal::Required)?;
    let signature = once(parts, SIGNATURE)?.ok_or(SignRefusal::Required)?;
    let params = read_params(input).ok_or(SignRefusal::Invalid)?;
    let whole = input.strip_prefix("dw=");
    if whole != Some(signature_params(head, &params).as_str()) {
        return Err(SignRefusal::Invalid);
    }
    let signature = signature
        .strip_prefix("dw=")
        .and_then(from_byte_sequence)
        .ok_or(SignRefusal::Invalid)?;
    Ok((params, signature))
}

fn read_params(input: &str) -> Option<Params<'_>> {
    if input.len() > defaults::SIGNATURE_INPUT {
        return None;
    }
    let (_, rest) = input.split_once(");created=")?;
    let (created, rest) = rest.split_once(";expires=")?;
    let (expires, rest) = rest.split_once(";nonce=\"")?;
    let (nonce, rest) = rest.split_once("\";keyid=\"")?;
    let (key_id, _) = rest.split_once("\";alg=")?;
    from_url64::<16>(nonce)?;
    from_url64::<16>(key_id)?;
    Some(Params {
        created: number(created)?,
        expires: number(expires)?,
        nonce,
        key_id,
    })
}

/// `Content-Digest` of `body`.
pub(super) fn digest_text(digest: &[u8; 32]) -> String {
    format!("sha-256={}", byte_sequence(digest))
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

/// The one value of a header; `None` if it is not there.
fn once(parts: &Parts, name: HeaderName) -> Result<Option<&str>, SignRefusal> {
    let mut values = parts.headers.get_all(name).iter();
    let first = values.next();
    if values.next().is_some() {
        return Err(SignRefusal::Invalid);
    }
    let read = first.map(|value| value.to_str().map_err(|_| SignRefusal::Invalid));
    read.transpose()
}
