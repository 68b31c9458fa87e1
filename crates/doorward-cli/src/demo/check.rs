//! Whether a request to the demo's store is signed with its key: AWS Signature
//! Version 4 in the `Authorization` header, of requests without a body.

use std::time::Duration;

use chrono::{DateTime, NaiveDateTime, Utc};
use doorward::guard::Clock;
use hmac::{Hmac, KeyInit as _, Mac as _};
use http::header::{AUTHORIZATION, HOST};
use http::{HeaderMap, Request};
use sha2::{Digest as _, Sha256};
use subtle::ConstantTimeEq as _;

/// A signature is good for this long.
const GOOD_FOR: Duration = Duration::from_secs(15 * 60);
const EMPTY_SHA256: &str = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";
/// What must be signed at least.
const SIGNED: [&str; 3] = ["host", "x-amz-content-sha256", "x-amz-date"];

/// Knows one key.
pub(super) struct Lock {
    key: String,
    secret: String,
    host: String,
    clock: Clock,
}

impl Lock {
    pub(super) fn new(key: &str, secret: &str, host: &str, clock: Clock) -> Self {
        Self {
            key: key.to_owned(),
            secret: secret.to_owned(),
            host: host.to_owned(),
            clock,
        }
    }

    /// # Errors
    ///
    /// The code that S3 has for it.
    pub(super) fn check<B>(&self, request: &Request<B>) -> Result<(), &'static str> {
        let headers = request.headers();
        if text(headers, HOST.as_str()) != Some(&self.host) {
            return Err("AccessDenied");
        }
        let given = text(headers, AUTHORIZATION.as_str())
            .and_then(|value| value.strip_prefix("AWS4-HMAC-SHA256 "))
            .ok_or("AccessDenied")?;
        let part = |name: &str| {
            given
                .split(',')
                .find_map(|part| part.trim().strip_prefix(name)?.strip_prefix('='))
                .ok_or("AccessDenied")
        };
        let (credential, names, signature) = (
            part("Credential")?,
            part("SignedHeaders")?,
            part("Signature")?,
        );
        let (key, scope) = credential.split_once('/').ok_or("AccessDenied")?;
        if key != self.key {
            return Err("InvalidAccessKeyId");
        }
        let names: Vec<_> = names.split(';').collect();
        if !SIGNED.iter().all(|name| names.contains(name)) {
            return Err("AccessDenied");
        }
        let time = text(headers, "x-amz-date").ok_or("AccessDenied")?;
        self.recent(time)?;
        let mut lines = String::new();
        for name in &names {
            let value = text(headers, name).ok_or("AccessDenied")?;
            lines.push_str(&format!("{name}:{}\n", value.trim()));
        }
        let uri = request.uri();
        let wanted = self.sign(
            time,
            scope,
            &format!(
                "{}\n{}\n{}\n{lines}\n{}\n{EMPTY_SHA256}",
                request.method(),
                uri.path(),
                uri.query().unwrap_or_default(),
                names.join(";")
            ),
        )?;
        if bool::from(wanted.as_bytes().ct_eq(signature.as_bytes())) {
            Ok(())
        } else {
            Err("SignatureDoesNotMatch")
        }
    }

    fn recent(&self, time: &str) -> Result<(), &'static str> {
        let at =
            NaiveDateTime::parse_from_str(time, "%Y%m%dT%H%M%SZ").map_err(|_| "AccessDenied")?;
        let now = DateTime::<Utc>::from(self.clock.wall());
        let apart = now.signed_duration_since(at.and_utc()).abs();
        match apart.to_std() {
            Ok(apart) if apart <= GOOD_FOR => Ok(()),
            _ => Err("RequestTimeTooSkewed"),
        }
    }

    fn sign(&self, time: &str, scope: &str, request: &str) -> Result<String, &'static str> {
        let digest = hex(&Sha256::digest(request.as_bytes()));
        let text = format!("AWS4-HMAC-SHA256\n{time}\n{scope}\n{digest}");
        let mut key = format!("AWS4{}", self.secret).into_bytes();
        for part in scope.split('/') {
            key = mac(&key, part)?;
        }
        Ok(hex(&mac(&key, &text)?))
    }
}

fn mac(key: &[u8], text: &str) -> Result<Vec<u8>, &'static str> {
    let mut mac = Hmac::<Sha256>::new_from_slice(key).map_err(|_| "InternalError")?;
    mac.update(text.as_bytes());
    Ok(mac.finalize().into_bytes().to_vec())
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

fn text<'a>(headers: &'a HeaderMap, name: &str) -> Option<&'a str> {
    headers.get(name)?.to_str().ok()
}

// === impl Lock ===

impl std::fmt::Debug for Lock {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Lock")
            .field("host", &self.host)
            .finish_non_exhaustive()
    }
}
