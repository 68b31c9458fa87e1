//! Public names of sessions and grants.

use std::fmt;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde::{Serialize, Serializer};

use crate::secret::Secret;

/// A prefix of two characters and eleven of base64url. Not a credential. Kept in
/// place, without an allocation.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) struct Id([u8; Id::LENGTH]);

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
