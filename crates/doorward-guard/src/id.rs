//! Public names of sessions and grants.

use std::fmt;

use serde::{Serialize, Serializer};

use crate::secret::Secret;

/// A prefix of two characters and eleven of base64url, random. Not a credential.
/// Kept in place: tables hold a million of them.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) struct Id([u8; Id::LENGTH]);

impl Id {
    const LENGTH: usize = 13;

    /// A fresh name that begins with `prefix`, such as `g_`.
    pub(crate) fn random(prefix: [u8; 2]) -> Self {
        let mut text = [0; Self::LENGTH];
        let random = Secret::<8>::random().reveal();
        let letters = prefix.iter().chain(random.as_bytes());
        for (place, letter) in text.iter_mut().zip(letters) {
            *place = *letter;
        }
        Self(text)
    }

    /// `None` unless it is as long as a name.
    pub(crate) fn from_text(text: &str) -> Option<Self> {
        text.as_bytes().try_into().ok().map(Self)
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
