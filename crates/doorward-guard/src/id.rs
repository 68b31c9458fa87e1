//! Public names of sessions, grants and requests.

use std::fmt;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde::{Serialize, Serializer};

use crate::secret::Secret;

/// A prefix of two characters and eleven of base64url. Not a credential. Kept in
/// place, without an allocation.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) struct Id([u8; Id::LENGTH]);

/// One request, in the audit and the log: which run of a guard, and its number
/// there. Most are never written down.
#[derive(Clone, Copy, Debug)]
pub(crate) struct RequestId {
    /// Random, in base64url.
    pub(crate) run: [u8; 8],
    pub(crate) number: u64,
}

impl Id {
    const LENGTH: usize = 13;

    /// A fresh name that begins with `prefix`, such as `s_`.
    pub(crate) fn random(prefix: [u8; 2]) -> Self {
        Self::of(prefix, *Secret::random().bytes())
    }

    /// The name that these bits make.
    pub(crate) fn of(prefix: [u8; 2], bits: [u8; 8]) -> Self {
        let mut text = [b'A'; Self::LENGTH];
        let (begin, rest) = text.split_at_mut(prefix.len());
        begin.copy_from_slice(&prefix);
        // Eight bytes are eleven letters: it always fits.
        let _ = URL_SAFE_NO_PAD.encode_slice(bits, rest);
        Self(text)
    }

    pub(crate) fn as_str(&self) -> &str {
        // Made of text and never changed.
        std::str::from_utf8(&self.0).unwrap_or_default()
    }
}

impl RequestId {
    /// The name of a fresh run.
    pub(crate) fn run() -> [u8; 8] {
        let mut text = [0; 8];
        let random = Secret::<6>::random().reveal();
        for (place, letter) in text.iter_mut().zip(random.bytes()) {
            *place = letter;
        }
        text
    }
}

impl fmt::Display for RequestId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // Made of text and never changed.
        let run = std::str::from_utf8(&self.run).unwrap_or_default();
        write!(f, "{run}-{:x}", self.number)
    }
}

impl Serialize for Id {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.as_str())
    }
}

impl fmt::Debug for Id {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}
