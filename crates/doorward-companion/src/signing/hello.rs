//! Hello: the companion proves itself before the page sends anything.

use doorward_guard::Secret;

use crate::encoding::{Instance, MacKey, fields, from_url64};

const HELLO: &[u8] = b"doorward-hello-1";

/// What a page draws for each hello: 32 random bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Challenge([u8; 32]);

impl Challenge {
    /// Reads 43 characters of base64url.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        from_url64(text).map(Self)
    }
}

/// What answers `challenge`: by a companion at `listen`, in the run `instance`,
/// that has the page's response key.
#[must_use]
pub fn hello_proof(
    response: &Secret<32>,
    challenge: &Challenge,
    listen: &str,
    instance: &Instance,
) -> [u8; 32] {
    proof_by(&MacKey::new(response), challenge, listen, instance)
}

pub(super) fn proof_by(
    response: &MacKey,
    challenge: &Challenge,
    listen: &str,
    instance: &Instance,
) -> [u8; 32] {
    let said = fields(&[
        HELLO,
        &challenge.0,
        listen.as_bytes(),
        instance.as_str().as_bytes(),
    ]);
    response.mac(&said)
}
