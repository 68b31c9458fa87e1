//! Secrets that cannot be printed, and the hashes that tables keep of them.
//!
//! A [`Secret`] has no `Display`, its `Debug` says nothing, and it is wiped when
//! dropped. Only [`Secret::reveal`] turns it into text, and only [`Secret::bytes`]
//! lends it as a key, so two searches find every place where a secret leaves. Tables keep a [`TokenHash`]: who reads our
//! memory or a dump of it learns no token.

use std::fmt;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use sha2::{Digest as _, Sha256};
use subtle::ConstantTimeEq as _;
use zeroize::{Zeroize, Zeroizing};

/// A launch ticket, session id, tab proof, CSRF token or capability token:
/// 256 random bits, 43 characters of base64url.
pub type Token = Secret<32>;

/// The length of a [`Token`] as text.
pub const TOKEN_CHARS: usize = 43;

/// `N` secret bytes.
#[derive(Clone)]
pub struct Secret<const N: usize>([u8; N]);

impl<const N: usize> Secret<N> {
    /// Fresh bytes from the operating system.
    ///
    /// # Panics
    ///
    /// When the operating system has no randomness to give: nothing that
    /// doorward promises could be kept without it.
    #[must_use]
    #[expect(
        clippy::panic,
        reason = "documented: a door without randomness must not open"
    )]
    pub fn random() -> Self {
        let mut bytes = [0; N];
        if getrandom::fill(&mut bytes).is_err() {
            panic!("the operating system gave no randomness");
        }
        Self(bytes)
    }

    /// Takes over bytes that were derived or read elsewhere.
    #[must_use]
    pub fn from_bytes(bytes: [u8; N]) -> Self {
        Self(bytes)
    }

    /// The bytes, for use as a key. Never to be kept, sent or written.
    #[must_use]
    pub fn bytes(&self) -> &[u8; N] {
        &self.0
    }

    /// Reads base64url without padding. `None` unless it is exactly `N` bytes
    /// in canonical form.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        if text.len() != N.saturating_mul(4).div_ceil(3) {
            return None;
        }
        let mut bytes = [0; N];
        match URL_SAFE_NO_PAD.decode_slice(text, &mut bytes) {
            Ok(length) if length == N => Some(Self(bytes)),
            _ => None,
        }
    }

    /// The secret as base64url: the only way out as text.
    #[must_use]
    pub fn reveal(&self) -> Zeroizing<String> {
        Zeroizing::new(URL_SAFE_NO_PAD.encode(self.0))
    }

    /// What tables keep.
    #[must_use]
    pub fn hash(&self) -> TokenHash {
        TokenHash(Sha256::digest(self.0).into())
    }
}

/// SHA-256 of a [`Secret`]. Two hashes are compared in constant time.
#[derive(Clone, Copy, Eq)]
pub struct TokenHash([u8; 32]);

impl TokenHash {
    /// The first 64 bits: a public name. What they were made of has 256 random
    /// bits, so they lead nowhere.
    pub(crate) fn first(&self) -> [u8; 8] {
        let [a, b, c, d, e, f, g, h, ..] = self.0;
        [a, b, c, d, e, f, g, h]
    }

    /// The first 48 bits in hexadecimal: enough to follow one session through
    /// the audit log, useless as a credential.
    #[must_use]
    pub fn lineage(&self) -> String {
        let mut text = String::with_capacity(12);
        for byte in self.0.iter().take(6) {
            text.push_str(&format!("{byte:02x}"));
        }
        text
    }
}

// === impl Secret ===

impl<const N: usize> Drop for Secret<N> {
    fn drop(&mut self) {
        self.0.zeroize();
    }
}

impl<const N: usize> fmt::Debug for Secret<N> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret(..)")
    }
}

impl<const N: usize> PartialEq for Secret<N> {
    fn eq(&self, other: &Self) -> bool {
        self.0.ct_eq(&other.0).into()
    }
}

impl<const N: usize> Eq for Secret<N> {}

// === impl TokenHash ===

impl PartialEq for TokenHash {
    /// Eight bytes at once, all of them always.
    fn eq(&self, other: &Self) -> bool {
        let ((ours, _), (theirs, _)) = (self.0.as_chunks::<8>(), other.0.as_chunks::<8>());
        let differ = |(ours, theirs): (&[u8; 8], &[u8; 8])| {
            u64::from_ne_bytes(*ours) ^ u64::from_ne_bytes(*theirs)
        };
        let all = ours.iter().zip(theirs).map(differ);
        all.fold(0, |all, one| all | one).ct_eq(&0).into()
    }
}

impl std::hash::Hash for TokenHash {
    fn hash<H: std::hash::Hasher>(&self, state: &mut H) {
        // It is a hash already; nobody chooses a part of it.
        state.write(&self.first());
    }
}

impl fmt::Debug for TokenHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "TokenHash({})", self.lineage())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn m1_tokens_are_43_characters_and_differ() {
        let seen: std::collections::HashSet<_> = (0..100_000)
            .map(|_| Token::random().reveal().to_string())
            .collect();
        assert_eq!(seen.len(), 100_000);
        assert!(seen.iter().all(|text| text.len() == TOKEN_CHARS));
    }

    #[test]
    fn only_the_canonical_form_is_read() {
        let token = Token::random();
        let text = token.reveal();
        assert_eq!(Token::parse(&text), Some(token));
        assert_eq!(Token::parse(&text[1..]), None);
        assert_eq!(Token::parse(&format!("{}=", &*text)), None);
        // The last character carries four bits that must be zero.
        let mut stray = text[..42].to_owned();
        stray.push('B');
        assert_eq!(Token::parse(&stray), None);
    }

    #[test]
    fn t61_debug_says_nothing() {
        let token = Token::random();
        assert_eq!(format!("{token:?}"), "Secret(..)");
        assert!(!format!("{:?}", token.hash()).contains(&*token.reveal()));
    }
}
