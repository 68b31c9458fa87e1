//! Azure's Shared Key, and what of it differs from S3.
//!
//! Rules: "Authorize with Shared Key" and "List Blobs" of the REST reference.

use std::time::SystemTime;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use hmac::{Hmac, KeyInit as _, Mac as _};
use http::header::{
    AUTHORIZATION, HeaderName, IF_MATCH, IF_MODIFIED_SINCE, IF_NONE_MATCH, IF_UNMODIFIED_SINCE,
    RANGE,
};
use http::{HeaderMap, HeaderValue, Method};
use percent_encoding::percent_decode_str;
use sha2::Sha256;
use zeroize::Zeroizing;

use super::credentials::{Keys, Sas, unusable};
use crate::error::MediaError;

/// A version that every account speaks, with `Encoded` names in listings.
const VERSION: HeaderValue = HeaderValue::from_static("2021-12-02");
const X_MS_VERSION: HeaderName = HeaderName::from_static("x-ms-version");
const X_MS_DATE: HeaderName = HeaderName::from_static("x-ms-date");

/// Where an account's blobs are.
pub(super) fn host(account: &str) -> String {
    format!("{account}.blob.core.windows.net")
}

/// Every request says which version it speaks.
pub(super) fn prepare(headers: &mut HeaderMap) {
    headers.insert(X_MS_VERSION, VERSION);
}

/// Puts date and signature on `headers`. `path` is the path as it is sent,
/// `query` its parameters before they are encoded.
///
/// # Errors
///
/// [`MediaError::CredentialsRejected`] for a key that is not Base64.
pub(super) fn sign(
    headers: &mut HeaderMap,
    method: &Method,
    path: &str,
    query: &[(&str, &str)],
    keys: &Keys,
    at: SystemTime,
) -> Result<(), MediaError> {
    let date = httpdate::fmt_http_date(at);
    headers.insert(X_MS_DATE, HeaderValue::from_str(&date).map_err(unusable)?);
    let key = Zeroizing::new(STANDARD.decode(keys.secret.trim()).map_err(unusable)?);
    let text = text_to_sign(headers, method, path, query, &keys.id);
    let mut mac = Hmac::<Sha256>::new_from_slice(&key).map_err(unusable)?;
    mac.update(text.as_bytes());
    let signature = STANDARD.encode(mac.finalize().into_bytes());
    let mut value =
        HeaderValue::from_str(&format!("SharedKey {}:{signature}", keys.id)).map_err(unusable)?;
    value.set_sensitive(true);
    headers.insert(AUTHORIZATION, value);
    Ok(())
}

fn text_to_sign(
    headers: &HeaderMap,
    method: &Method,
    path: &str,
    query: &[(&str, &str)],
    account: &str,
) -> String {
    let value = |name: &HeaderName| {
        let value = headers.get(name).and_then(|value| value.to_str().ok());
        value.unwrap_or_default().to_owned()
    };
    // Content-Encoding, -Language, -Length, -MD5, -Type and Date: there is no
    // body, and x-ms-date takes the place of Date.
    let mut text = format!("{method}\n\n\n\n\n\n\n");
    for name in [
        &IF_MODIFIED_SINCE,
        &IF_MATCH,
        &IF_NONE_MATCH,
        &IF_UNMODIFIED_SINCE,
        &RANGE,
    ] {
        text.push_str(&value(name));
        text.push('\n');
    }
    for name in [&X_MS_DATE, &X_MS_VERSION] {
        text.push_str(&format!("{name}:{}\n", value(name)));
    }
    text.push_str(&format!("/{account}{path}"));
    let mut parameters: Vec<_> = query.to_vec();
    parameters.sort_unstable();
    for (name, value) in parameters {
        text.push_str(&format!("\n{name}:{value}"));
    }
    text
}

// === impl Sas ===

impl Sas {
    /// When it ends, as it says itself.
    pub(super) fn ends(&self) -> Option<SystemTime> {
        let value = self
            .query
            .split('&')
            .find_map(|pair| pair.strip_prefix("se="))?;
        let text = percent_decode_str(value).decode_utf8().ok()?;
        let day = || text.parse::<chrono::NaiveDate>().ok()?.and_hms_opt(0, 0, 0);
        chrono::DateTime::parse_from_rfc3339(&text)
            .map(SystemTime::from)
            .ok()
            .or_else(|| day().map(|time| time.and_utc().into()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::source::Credentials;

    #[test]
    fn what_is_signed_is_what_the_reference_says() {
        let mut headers = HeaderMap::new();
        prepare(&mut headers);
        headers.insert(RANGE, HeaderValue::from_static("bytes=0-9"));
        headers.insert(
            X_MS_DATE,
            HeaderValue::from_static("Fri, 26 Jun 2015 23:39:12 GMT"),
        );
        let text = text_to_sign(
            &headers,
            &Method::GET,
            "/mycontainer",
            &[
                ("restype", "container"),
                ("comp", "list"),
                ("prefix", "a b/"),
            ],
            "myaccount",
        );
        assert_eq!(
            text,
            "GET\n\n\n\n\n\n\n\n\n\n\nbytes=0-9\nx-ms-date:Fri, 26 Jun 2015 23:39:12 GMT\nx-ms-version:2021-12-02\n/myaccount/mycontainer\ncomp:list\nprefix:a b/\nrestype:container"
        );
    }

    #[test]
    fn a_signature_knows_when_it_ends() {
        let ends = |text: &str| {
            let Ok(Credentials::Signature(sas)) = Credentials::signature(text) else {
                panic!("{text}")
            };
            sas.ends()
                .map(|at| at.duration_since(SystemTime::UNIX_EPOCH).unwrap().as_secs())
        };
        assert_eq!(ends("sv=1&se=1970-01-01T00%3A01%3A00Z&sig=x"), Some(60));
        assert_eq!(ends("se=1970-01-02&sig=x"), Some(86_400));
        assert_eq!(ends("sig=x"), None);
        assert_eq!(ends("se=soon&sig=x"), None);
    }
}
