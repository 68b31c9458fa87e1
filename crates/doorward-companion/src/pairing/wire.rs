//! The messages of the pairing, as JSON.
//!
//! Their bytes go into the transcript as they were sent, so nothing here is ever
//! written again to be hashed.

use doorward_guard::audit::sanitise;
use serde::{Deserialize, Serialize};

use super::refusal::PairRefusal;
use super::scope::Scopes;
use crate::defaults;
use crate::encoding::{from_url64, url64};

/// The version that both sides speak.
pub const VERSION: u32 = 1;
/// The algorithms of [`VERSION`].
pub const SUITE: &str = "X25519-SHA256";

/// The page's first message.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Start {
    /// [`VERSION`].
    pub v: u32,
    /// [`SUITE`].
    pub suite: String,
    /// See [`commitment`](super::keys::commitment).
    pub commitment: Bytes32,
    /// What the page calls itself. Never shown in place of its origin.
    pub label: String,
    /// What it asks for.
    pub scopes: Scopes,
}

/// The companion's answer.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Offer {
    /// [`VERSION`].
    pub v: u32,
    /// Names the attempt in later messages: 128 random bits.
    pub pid: String,
    /// The companion's public key.
    pub public_key: Bytes32,
    /// Its nonce.
    pub nonce: Bytes32,
    /// The name of its run.
    pub instance: String,
    /// Its address.
    pub listen: String,
    /// Seconds within which the page reveals.
    pub reveal_within: u64,
}

/// The page's second message.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Reveal {
    /// The page's public key.
    pub public_key: Bytes32,
    /// Its nonce.
    pub nonce: Bytes32,
}

/// 32 bytes, as canonical base64url.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Bytes32(pub [u8; 32]);

impl Start {
    /// Reads the first message.
    ///
    /// # Errors
    ///
    /// [`PairRefusal::VersionMismatch`] for another version or suite,
    /// [`PairRefusal::Malformed`] for anything else that is wrong.
    pub fn parse(bytes: &[u8]) -> Result<Self, PairRefusal> {
        #[derive(Deserialize)]
        struct Spoken {
            v: u32,
            suite: String,
        }
        let spoken: Spoken = parse(bytes)?;
        if spoken.v != VERSION || spoken.suite != SUITE {
            return Err(PairRefusal::VersionMismatch);
        }
        let start: Self = parse(bytes)?;
        if start.label.chars().count() > defaults::LABEL {
            return Err(PairRefusal::Malformed);
        }
        Ok(start)
    }

    /// The label, as it may be shown: no line breaks, no letters that turn the
    /// reading direction.
    #[must_use]
    pub fn shown_label(&self) -> String {
        sanitise(&self.label).into_owned()
    }
}

impl Reveal {
    /// Reads the second message.
    ///
    /// # Errors
    ///
    /// [`PairRefusal::Malformed`].
    pub fn parse(bytes: &[u8]) -> Result<Self, PairRefusal> {
        parse(bytes)
    }
}

impl TryFrom<String> for Bytes32 {
    type Error = &'static str;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        from_url64(&text)
            .map(Self)
            .ok_or("not 32 bytes of base64url")
    }
}

impl From<Bytes32> for String {
    fn from(bytes: Bytes32) -> Self {
        url64(&bytes.0)
    }
}

fn parse<'a, T: Deserialize<'a>>(bytes: &'a [u8]) -> Result<T, PairRefusal> {
    if bytes.len() > defaults::PAIRING_MESSAGE {
        return Err(PairRefusal::Malformed);
    }
    serde_json::from_slice(bytes).map_err(|_| PairRefusal::Malformed)
}
