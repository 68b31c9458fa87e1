//! AWS Signature Version 4 for requests without a body.
//!
//! Own code because the path that is signed must be the path that is sent:
//! signers on a URL library resolve `..`, which in a key is an ordinary name.

use std::time::SystemTime;

use chrono::{DateTime, Utc};
use hmac::{Hmac, KeyInit as _, Mac as _};
use http::header::{AUTHORIZATION, HeaderName};
use http::{HeaderMap, HeaderValue, Method};
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use sha2::{Digest as _, Sha256};

use super::credentials::Keys;
use crate::error::MediaError;

/// RFC 3986's unreserved characters stay as they are.
const STRICT: &AsciiSet = &NON_ALPHANUMERIC
    .remove(b'-')
    .remove(b'.')
    .remove(b'_')
    .remove(b'~');
/// In a path, so does the slash.
const PATH: &AsciiSet = &STRICT.remove(b'/');

const EMPTY_SHA256: &str = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";

const AMZ_DATE: HeaderName = HeaderName::from_static("x-amz-date");
const AMZ_SHA256: HeaderName = HeaderName::from_static("x-amz-content-sha256");
const AMZ_TOKEN: HeaderName = HeaderName::from_static("x-amz-security-token");

/// What is signed of a request, encoded as it is sent.
#[derive(Debug)]
pub(super) struct Signable<'a> {
    pub(super) method: &'a Method,
    pub(super) path: &'a str,
    /// From [`encode_query`]: sorted.
    pub(super) query: &'a str,
    pub(super) authority: &'a str,
}

/// A key as a path.
pub(super) fn encode_path(key: &str) -> String {
    utf8_percent_encode(key, PATH).to_string()
}

/// Parameters as a query, in the order in which they are signed.
pub(super) fn encode_query(parameters: &[(&str, &str)]) -> String {
    let mut pairs: Vec<String> = parameters
        .iter()
        .map(|(name, value)| {
            format!(
                "{}={}",
                utf8_percent_encode(name, STRICT),
                utf8_percent_encode(value, STRICT)
            )
        })
        .collect();
    pairs.sort_unstable();
    pairs.join("&")
}

/// Puts date, digest, token and signature on `headers`.
///
/// # Errors
///
/// [`MediaError::CredentialsRejected`] for keys that no field may hold.
pub(super) fn sign(
    headers: &mut HeaderMap,
    what: &Signable<'_>,
    keys: &Keys,
    region: &str,
    at: SystemTime,
) -> Result<(), MediaError> {
    let unusable = |_| MediaError::CredentialsRejected("not printable".to_owned());
    let time = DateTime::<Utc>::from(at)
        .format("%Y%m%dT%H%M%SZ")
        .to_string();
    headers.insert(AMZ_DATE, HeaderValue::from_str(&time).map_err(unusable)?);
    headers.insert(AMZ_SHA256, HeaderValue::from_static(EMPTY_SHA256));
    let mut names = "host;x-amz-content-sha256;x-amz-date".to_owned();
    let mut lines = format!(
        "host:{}\nx-amz-content-sha256:{EMPTY_SHA256}\nx-amz-date:{time}\n",
        what.authority
    );
    if let Some(token) = &keys.token {
        let mut value = HeaderValue::from_str(token).map_err(unusable)?;
        value.set_sensitive(true);
        headers.insert(AMZ_TOKEN, value);
        names.push_str(";x-amz-security-token");
        lines.push_str(&format!("x-amz-security-token:{}\n", token.trim()));
    }
    let authorization = authorization(what, keys, region, &time, &names, &lines);
    let mut value = HeaderValue::from_str(&authorization).map_err(unusable)?;
    value.set_sensitive(true);
    headers.insert(AUTHORIZATION, value);
    Ok(())
}

fn authorization(
    what: &Signable<'_>,
    keys: &Keys,
    region: &str,
    time: &str,
    names: &str,
    lines: &str,
) -> String {
    let Signable {
        method,
        path,
        query,
        ..
    } = what;
    let day = time.get(..8).unwrap_or_default();
    let request = format!("{method}\n{path}\n{query}\n{lines}\n{names}\n{EMPTY_SHA256}");
    let scope = format!("{day}/{region}/s3/aws4_request");
    let text = format!(
        "AWS4-HMAC-SHA256\n{time}\n{scope}\n{}",
        hex(&Sha256::digest(request.as_bytes()))
    );
    let mut key = mac(format!("AWS4{}", *keys.secret).as_bytes(), day);
    for part in [region, "s3", "aws4_request"] {
        key = mac(&key, part);
    }
    let signature = hex(&mac(&key, &text));
    format!(
        "AWS4-HMAC-SHA256 Credential={}/{scope}, SignedHeaders={names}, Signature={signature}",
        keys.id
    )
}

fn mac(key: &[u8], text: &str) -> [u8; 32] {
    // HMAC takes keys of any length.
    let Ok(mut mac) = Hmac::<Sha256>::new_from_slice(key) else {
        return [0; 32];
    };
    mac.update(text.as_bytes());
    mac.finalize().into_bytes().into()
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::source::Credentials;

    /// The listing example of the S3 API reference ("Authenticating Requests:
    /// Using the Authorization Header"), with its published keys.
    #[test]
    fn the_published_example_is_met() {
        let Credentials::Keys(keys) = Credentials::keys(
            "AKIAIOSFODNN7EXAMPLE",
            "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY",
            None,
        ) else {
            panic!("keys")
        };
        let mut headers = HeaderMap::new();
        let query = encode_query(&[("prefix", "J"), ("max-keys", "2")]);
        let what = Signable {
            method: &Method::GET,
            path: "/",
            query: &query,
            authority: "examplebucket.s3.amazonaws.com",
        };
        let at = SystemTime::UNIX_EPOCH + std::time::Duration::from_secs(1_369_353_600);
        sign(&mut headers, &what, &keys, "us-east-1", at).unwrap();
        assert_eq!(headers["x-amz-date"], "20130524T000000Z");
        let expected = "34b48302e7b5fa45bde8084f4b7868a86f0a534bc59db6670ed5711ef69dc6f7";
        assert!(headers[AUTHORIZATION].to_str().unwrap().ends_with(expected));
        assert!(headers[AUTHORIZATION].is_sensitive());
    }

    #[test]
    fn m33_keys_are_encoded_once_and_stay_what_they_are() {
        assert_eq!(encode_path("a b+ü%/../x//y"), "a%20b%2B%C3%BC%25/../x//y");
        assert_eq!(encode_path("/lead"), "/lead");
        assert_eq!(
            encode_query(&[("b", "x/y z"), ("a", "&=")]),
            "a=%26%3D&b=x%2Fy%20z"
        );
    }
}
