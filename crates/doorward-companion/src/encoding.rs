//! How bytes become hash inputs and text.

use std::fmt;

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use doorward_guard::Secret;
use hmac::{Hmac, KeyInit as _, Mac as _};
use sha2::{Digest as _, Sha256};
use subtle::ConstantTimeEq as _;
use zeroize::Zeroizing;

/// The name of one run of the companion: 128 random bits, told to everybody.
/// Nothing that was signed for one run is good in another.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Instance(Box<str>);

impl Instance {
    /// A fresh name.
    #[must_use]
    pub fn random() -> Self {
        Self(Secret::<16>::random().reveal().as_str().into())
    }

    /// Reads what [`Instance::as_str`] wrote; `None` for anything else.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        Secret::<16>::parse(text).map(|_| Self(text.into()))
    }

    /// The name: 22 characters of base64url.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for Instance {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// `bytes` as base64url without padding.
pub(crate) fn url64_text(bytes: &[u8]) -> String {
    URL_SAFE_NO_PAD.encode(bytes)
}

/// The bytes that [`url64_text`] wrote so.
pub(crate) fn from_url64_text(text: &str) -> Option<Vec<u8>> {
    URL_SAFE_NO_PAD.decode(text).ok()
}

/// Fields, each after its length in four bytes, so that no two lists of fields
/// read the same.
pub(crate) fn fields(fields: &[&[u8]]) -> Zeroizing<Vec<u8>> {
    let length = fields.iter().map(|field| field.len() + 4).sum();
    let mut bytes = Zeroizing::new(Vec::with_capacity(length));
    for field in fields {
        // Messages are bounded far below four gigabytes.
        let length = u32::try_from(field.len()).unwrap_or(u32::MAX);
        bytes.extend_from_slice(&length.to_be_bytes());
        bytes.extend_from_slice(field);
    }
    bytes
}

/// SHA-256 of [`fields`].
pub(crate) fn hash(of: &[&[u8]]) -> [u8; 32] {
    Sha256::digest(fields(of).as_slice()).into()
}

/// A key of HMAC-SHA256, made ready once. Wiped when dropped.
pub(crate) struct MacKey(Hmac<Sha256>);

impl MacKey {
    pub(crate) fn new(key: &Secret<32>) -> Self {
        // HMAC pads a short key with zeros to a block: this cannot fail, unlike
        // `new_from_slice`.
        let mut block = Zeroizing::new([0; 64]);
        for (place, byte) in block.iter_mut().zip(key.bytes()) {
            *place = *byte;
        }
        Self(Hmac::new((&*block).into()))
    }

    /// HMAC-SHA256 of `bytes`.
    pub(crate) fn mac(&self, bytes: &[u8]) -> [u8; 32] {
        let mut mac = self.0.clone();
        mac.update(bytes);
        mac.finalize().into_bytes().into()
    }
}

impl fmt::Debug for MacKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("MacKey(..)")
    }
}

/// HMAC-SHA256 of `bytes`, for a key that is used once.
pub(crate) fn mac(key: &Secret<32>, bytes: &[u8]) -> [u8; 32] {
    MacKey::new(key).mac(bytes)
}

/// Compares in constant time.
pub(crate) fn same(a: &[u8], b: &[u8]) -> bool {
    a.ct_eq(b).into()
}

/// base64url without padding.
pub(crate) fn url64(bytes: &[u8]) -> String {
    URL_SAFE_NO_PAD.encode(bytes)
}

/// Exactly `N` bytes of canonical base64url without padding.
pub(crate) fn from_url64<const N: usize>(text: &str) -> Option<[u8; N]> {
    if text.len() != N.saturating_mul(4).div_ceil(3) {
        return None;
    }
    let mut bytes = [0; N];
    let read = URL_SAFE_NO_PAD.decode_slice(text, &mut bytes);
    (read == Ok(N)).then_some(bytes)
}

/// `before`, then an RFC 8941 byte sequence: `:` base64 with padding `:`.
pub(crate) fn byte_sequence(before: &str, bytes: &[u8; 32]) -> String {
    let mut text = String::with_capacity(before.len() + 46);
    text.push_str(before);
    text.push(':');
    STANDARD.encode_string(bytes, &mut text);
    text.push(':');
    text
}

/// Reads a byte sequence of exactly 32 bytes in canonical form.
pub(crate) fn from_byte_sequence(text: &str) -> Option<[u8; 32]> {
    let text = text.strip_prefix(':')?.strip_suffix(':')?;
    // Shorter than any vector that could be large.
    if text.len() != 44 {
        return None;
    }
    let mut bytes = [0; 32];
    let read = STANDARD.decode_slice(text, &mut bytes);
    (read == Ok(32)).then_some(bytes)
}
