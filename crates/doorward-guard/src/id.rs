//! Public names of sessions, grants and requests.

use std::fmt;

use serde::{Serialize, Serializer};

use crate::secret::Secret;

/// A prefix of two characters and eleven of base64url, random. Not a credential.
/// Kept in place: tables hold a million of them.
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
