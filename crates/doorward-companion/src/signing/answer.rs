//! Answers, signed so that a page can tell ours from a squatter's.

use std::fmt;
use std::sync::Arc;

use doorward_guard::Secret;
use http::StatusCode;
use sha2::{Digest as _, Sha256};

use super::head::{digest_text, read_digest};
use super::verify::PairedKey;
use crate::encoding::{byte_sequence, from_byte_sequence, mac, same};

const TAG: &str = "doorward-answer-1";

/// Signs the answer to one request.
#[derive(Clone)]
pub struct Signer {
    pub(super) key: Arc<PairedKey>,
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
        let params = params(self.now, &self.nonce, &self.key.key_id);
        let base = base(status, kind, &content_digest, &params);
        let signature = mac(&self.key.response, base.as_bytes());
        AnswerSignature {
            content_digest,
            signature_input: format!("dw={params}"),
            signature: format!("dw={}", byte_sequence(&signature)),
        }
    }

    /// Our time when the request arrived, in seconds since 1970: what a page whose
    /// clock differs corrects by.
    #[must_use]
    pub fn now(&self) -> u64 {
        self.now
    }
}

impl fmt::Debug for Signer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Signer({})", self.key.key_id)
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
    let expected = created.map(|created| params(created, nonce, key_id));
    let digest: [u8; 32] = Sha256::digest(body).into();
    let (Some(expected), Some(told)) = (expected, read_digest(&headers.content_digest)) else {
        return false;
    };
    let base = base(status, kind, &headers.content_digest, &expected);
    let signature = headers.signature.strip_prefix("dw=");
    let signature = signature.and_then(from_byte_sequence);
    expected == read
        && told == digest
        && signature.is_some_and(|signature| same(&signature, &mac(response, base.as_bytes())))
}

fn params(created: u64, nonce: &str, key_id: &str) -> String {
    format!(
        r#"("@status" "content-type" "content-digest");created={created};nonce="{nonce}";keyid="{key_id}";alg="hmac-sha256";tag="{TAG}""#
    )
}

fn base(status: StatusCode, kind: &str, digest: &str, params: &str) -> String {
    let status = status.as_u16();
    format!(
        "\"@status\": {status}\n\"content-type\": {kind}\n\"content-digest\": {digest}\n\"@signature-params\": {params}"
    )
}
