//! The page's half of signing, for native pages and for tests. Browsers have
//! theirs in `packages/client`.

use doorward_guard::Secret;
use http::request::Parts;
use http::{HeaderName, HeaderValue};
use sha2::{Digest as _, Sha256};

use super::head::{DIGEST, Head, INPUT, OFFSET, Params, SIGNATURE, digest_text, written};
use super::refusal::SignRefusal;
use crate::encoding::{byte_sequence, mac};

/// Signs a request whose other headers are in place, `Host`, `Origin` and
/// `X-Doorward-Instance` among them, and `Content-Type` if there is a `body`.
///
/// # Errors
///
/// [`SignRefusal::Invalid`] if a header is missing.
pub fn sign(
    parts: &mut Parts,
    key: &Secret<32>,
    params: &Params<'_>,
    body: Option<(&[u8], Option<u64>)>,
) -> Result<(), SignRefusal> {
    if let Some((body, offset)) = body {
        put(parts, DIGEST, &digest_text(&Sha256::digest(body).into()))?;
        if let Some(offset) = offset {
            put(parts, OFFSET, &offset.to_string())?;
        }
    }
    // Reading asks for them.
    put(parts, INPUT, "")?;
    put(parts, SIGNATURE, "")?;
    let head = Head::read(parts)?;
    let (base, signed) = written(&head, params);
    let input = format!("dw={}", base.get(signed..).unwrap_or_default());
    let signature = mac(key, base.as_bytes());
    put(parts, INPUT, &input)?;
    put(parts, SIGNATURE, &byte_sequence("dw=", &signature))
}

fn put(parts: &mut Parts, name: HeaderName, value: &str) -> Result<(), SignRefusal> {
    let value = HeaderValue::from_str(value).map_err(|_| SignRefusal::Invalid)?;
    parts.headers.insert(name, value);
    Ok(())
}
