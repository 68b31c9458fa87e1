//! The page's half of the pairing, for native pages and for tests. Browsers have
//! theirs in `packages/client`.

use doorward_guard::{Origin, Secret};

use super::keys::{Ephemeral, Keys, Said, commitment};
use super::scope::Scopes;
use super::wire::{Bytes32, Offer, Reveal, SUITE, Start, VERSION};
use crate::encoding::same;

/// A page that wants to be paired.
#[derive(Debug)]
pub struct Page {
    origin: Origin,
    key: Ephemeral,
    nonce: [u8; 32],
    start: Vec<u8>,
    reveal: Vec<u8>,
}

/// A page that waits for the digits to be compared.
#[derive(Debug)]
pub struct Comparing(Keys);

impl Page {
    /// A page at `origin` that asks for `scopes`.
    #[must_use]
    pub fn new(origin: &Origin, label: &str, scopes: Scopes) -> Self {
        let (key, nonce) = (Secret::random(), Secret::random());
        Self::from_secrets(origin, label, scopes, &key, &nonce)
    }

    /// The page that drew this key and nonce: for vectors.
    #[must_use]
    pub fn from_secrets(
        origin: &Origin,
        label: &str,
        scopes: Scopes,
        key: &Secret<32>,
        nonce: &Secret<32>,
    ) -> Self {
        let (key, nonce) = (Ephemeral::from_secret(key), *nonce.bytes());
        let start = Start {
            v: VERSION,
            suite: SUITE.to_owned(),
            commitment: Bytes32(commitment(&key.public(), &nonce, origin)),
            label: label.to_owned(),
            scopes,
        };
        let reveal = Reveal {
            public_key: Bytes32(key.public()),
            nonce: Bytes32(nonce),
        };
        Self {
            origin: origin.clone(),
            key,
            nonce,
            start: serde_json::to_vec(&start).unwrap_or_default(),
            reveal: serde_json::to_vec(&reveal).unwrap_or_default(),
        }
    }

    /// The same page once more, for tests: comparing uses a page up.
    #[must_use]
    pub fn again(&self) -> Self {
        Self {
            origin: self.origin.clone(),
            key: self.key.clone(),
            nonce: self.nonce,
            start: self.start.clone(),
            reveal: self.reveal.clone(),
        }
    }

    /// The first message.
    #[must_use]
    pub fn start(&self) -> &[u8] {
        &self.start
    }

    /// The second message.
    #[must_use]
    pub fn reveal(&self) -> &[u8] {
        &self.reveal
    }

    /// The page's nonce.
    #[must_use]
    pub fn nonce(&self) -> &[u8; 32] {
        &self.nonce
    }

    /// Derives the digits from the offer as it arrived. `listen` is the address
    /// that the page called, whatever the offer says. `None` if the offer is not
    /// one.
    #[must_use]
    pub fn compare(self, offer: &[u8], listen: &str) -> Option<Comparing> {
        let read: Offer = serde_json::from_slice(offer).ok()?;
        if read.v != VERSION || read.listen != listen {
            return None;
        }
        let said = Said {
            start: &self.start,
            offer,
            reveal: &self.reveal,
            origin: &self.origin,
            listen,
        };
        let shared = self.key.agree(&read.public_key.0)?;
        Keys::derive(&shared, said.transcript()).map(Comparing)
    }
}

impl Comparing {
    /// What the page shows, and what it sends once its person confirmed.
    #[must_use]
    pub fn keys(&self) -> &Keys {
        &self.0
    }

    /// The keys, once the companion proved that it has them too.
    #[must_use]
    pub fn paired(self, daemon_proof: &[u8; 32]) -> Option<Keys> {
        same(&self.0.daemon_proof(), daemon_proof).then_some(self.0)
    }
}
