//! Answers, signed so that a page can tell ours from a squatter's.

use std::fmt;
use std::sync::Arc;

use doorward_guard::Secret;
use doorward_guard::caller::SignAnswer;
use http::{HeaderMap, HeaderName, HeaderValue, StatusCode};
use sha2::{Digest as _, Sha256};

use super::head::{DIGEST, INPUT, SIGNATURE, digest_text, read_digest};
use super::verify::Page;
use crate::encoding::{byte_sequence, from_byte_sequence, mac, same};

/// What `Signature-Input` is given room for: ours have about 200 bytes.
const INPUT_ROOM: usize = 256;
/// What a base is given room for: ours have about 350 bytes.
const BASE_ROOM: usize = 512;

/// Signs the answer to one request.
#[derive(Clone)]
pub struct Signer {
    pub(super) page: Arc<Page>,
    pub(super) nonce: String,
    pub(super) now: u64,
}

/// The three headers of a signed answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AnswerSignature {
    /// `Content-Digest`.
    pub content_digest: String,
    /// `Signature-Input`.
    pub signature_input: String,
    /// `Signature`.
    pub signature: String,
}

impl Signer {
    /// The headers of an answer with this status, `Content-Type` and body. They are
    /// good for the request that brought us here, and for no other.
    #[must_use]
    pub fn sign(&self, status: StatusCode, kind: &str, body: &[u8]) -> AnswerSignature {
        let content_digest = digest_text(&Sha256::digest(body).into());
        let signature_input = input(self.now, &self.nonce, &self.page.key.key_id);
        let base = base(status, kind, &content_digest, &signature_input);
        let signature = self.page.response.mac(base.as_bytes());
        AnswerSignature {
            content_digest,
            signature_input,
            signature: byte_sequence("dw=", &signature),
        }
    }

    /// Our time when the request arrived, in seconds since 1970: what a page whose
    /// clock differs corrects by.
    #[must_use]
    pub fn now(&self) -> u64 {
        self.now
    }
}

impl SignAnswer for Signer {
    fn sign(&self, status: StatusCode, kind: &str, body: &[u8], headers: &mut HeaderMap) {
        let signed = Self::sign(self, status, kind, body);
        let mut put = |name: HeaderName, text: String| {
            // It is all base64, digits and our own words.
            if let Ok(value) = HeaderValue::try_from(text) {
                headers.insert(name, value);
            }
        };
        put(DIGEST, signed.content_digest);
        put(INPUT, signed.signature_input);
        put(SIGNATURE, signed.signature);
    }
}

impl fmt::Debug for Signer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Signer({})", self.page.key.key_id)
    }
}

/// Whether an answer to the request with `nonce` was signed by the companion: the
/// page's half, for native pages and tests.
#[must_use]
pub fn check_answer(
    response: &Secret<32>,
    (key_id, nonce): (&str, &str),
    (status, kind, body): (StatusCode, &str, &[u8]),
    headers: &AnswerSignature,
) -> bool {
    let Some(read) = headers.signature_input.strip_prefix("dw=") else {
        return false;
    };
    let created = read
        .split_once(";created=")
        .and_then(|(_, rest)| rest.split_once(';'))
        .and_then(|(created, _)| created.parse().ok());
    let expected = created.map(|created| input(created, nonce, key_id));
    let digest: [u8; 32] = Sha256::digest(body).into();
    let (Some(expected), Some(told)) = (expected, read_digest(&headers.content_digest)) else {
        return false;
    };
    let base = base(status, kind, &headers.content_digest, &expected);
    let signature = headers.signature.strip_prefix("dw=");
    let signature = signature.and_then(from_byte_sequence);
    expected == headers.signature_input
        && told == digest
        && signature.is_some_and(|signature| same(&signature, &mac(response, base.as_bytes())))
}

/// `Signature-Input`.
fn input(created: u64, nonce: &str, key_id: &str) -> String {
    let mut text = String::with_capacity(INPUT_ROOM);
    for part in [
        "dw=(\"@status\" \"content-type\" \"content-digest\");created=",
        itoa::Buffer::new().format(created),
        ";nonce=\"",
        nonce,
        "\";keyid=\"",
        key_id,
        "\";alg=\"hmac-sha256\";tag=\"doorward-answer-1\"",
    ] {
        text.push_str(part);
    }
    text
}

fn base(status: StatusCode, kind: &str, digest: &str, input: &str) -> String {
    let mut base = String::with_capacity(BASE_ROOM);
    let params = input.strip_prefix("dw=").unwrap_or(input);
    for part in [
        "\"@status\": ",
        status.as_str(),
        "\n\"content-type\": ",
        kind,
        "\n\"content-digest\": ",
        digest,
        "\n\"@signature-params\": ",
        params,
    ] {
        base.push_str(part);
    }
    base
}
