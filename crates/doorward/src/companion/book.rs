//! Who is paired in this run, and the judge of their signatures.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, UNIX_EPOCH};

use doorward_companion::pairing::{Scopes, Way};
use doorward_companion::signing::{Denied, PairedKey, Proven, SignRefusal, Signer, Verifier};
use doorward_guard::caller::{Judge, NotSigned, SignAnswer, Verified};
use doorward_guard::clock::rfc3339;
use doorward_guard::{Clock, Moment, Origin, Refusal, Rule};
use http::request::Parts;
use http::{HeaderName, HeaderValue, StatusCode};
use serde::Serialize;

use super::refusal;

/// A paired page, as people and the page itself may see it.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct PairingView {
    /// The public name of the pairing.
    pub key_id: String,
    /// Where its requests come from.
    pub origin: String,
    /// What the page calls itself: not to be trusted.
    pub label: String,
    /// What the person granted.
    pub scopes: Scopes,
    /// Whether it is good on the compatible listener alone, where proofs are weaker.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub compat: bool,
    /// RFC 3339.
    pub created_at: String,
    /// RFC 3339; none until its first signed request of this run.
    pub last_used_at: Option<String>,
}

#[derive(Debug)]
pub(super) struct Book {
    clock: Clock,
    pub(super) verifier: Verifier,
    pages: Mutex<HashMap<String, Entry>>,
}

#[derive(Debug)]
struct Entry {
    origin: Origin,
    label: String,
    scopes: Scopes,
    way: Way,
    created: u64,
    used: Option<Moment>,
}

/// Signs with the pairing's key.
#[derive(Debug)]
struct Hand(Signer);

impl Book {
    pub(super) fn new(clock: &Clock, verifier: Verifier) -> Self {
        Self {
            clock: clock.clone(),
            verifier,
            pages: Mutex::default(),
        }
    }

    /// `created` is in seconds since 1970.
    pub(super) fn admit(&self, key: PairedKey, label: String, scopes: Scopes, created: u64) {
        let entry = Entry {
            origin: key.origin.clone(),
            label,
            scopes,
            way: Way::Signed,
            created,
            used: None,
        };
        self.pages().entry(key.key_id.clone()).or_insert(entry);
        self.verifier.admit(key);
    }

    /// A page of the compatible listener: it signs nothing.
    pub(super) fn admit_stamped(
        &self,
        key_id: &str,
        origin: &Origin,
        label: String,
        scopes: Scopes,
        created: u64,
    ) {
        let entry = Entry {
            origin: origin.clone(),
            label,
            scopes,
            way: Way::Stamped,
            created,
            used: None,
        };
        self.pages().entry(key_id.to_owned()).or_insert(entry);
    }

    /// It was used now.
    pub(super) fn used(&self, key_id: &str) {
        if let Some(entry) = self.pages().get_mut(key_id) {
            entry.used = Some(self.clock.now());
        }
    }

    pub(super) fn revoke(&self, key_id: &str) {
        self.verifier.revoke(key_id);
        self.pages().remove(key_id);
    }

    pub(super) fn view(&self, key_id: &str) -> Option<PairingView> {
        let pages = self.pages();
        pages.get(key_id).map(|entry| self.show(key_id, entry))
    }

    pub(super) fn origin(&self, key_id: &str) -> Option<Origin> {
        self.pages().get(key_id).map(|entry| entry.origin.clone())
    }

    pub(super) fn scopes(&self, key_id: &str) -> Option<Scopes> {
        self.pages().get(key_id).map(|entry| entry.scopes.clone())
    }

    pub(super) fn list(&self) -> Vec<PairingView> {
        let pages = self.pages();
        let mut list: Vec<_> = pages.iter().collect();
        list.sort_by_key(|(id, entry)| (entry.created, *id));
        list.iter()
            .map(|(id, entry)| self.show(id, entry))
            .collect()
    }

    pub(super) fn ids(&self) -> Vec<String> {
        self.pages().keys().cloned().collect()
    }

    fn show(&self, key_id: &str, entry: &Entry) -> PairingView {
        PairingView {
            key_id: key_id.to_owned(),
            origin: entry.origin.to_string(),
            label: entry.label.clone(),
            scopes: entry.scopes.clone(),
            compat: entry.way == Way::Stamped,
            created_at: rfc3339(UNIX_EPOCH + Duration::from_secs(entry.created)),
            last_used_at: entry.used.map(|at| self.clock.rfc3339(at)),
        }
    }

    fn pages(&self) -> MutexGuard<'_, HashMap<String, Entry>> {
        self.pages.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

// === impl Judge ===

impl Judge for Book {
    type Proof = Proven;

    fn verify(&self, head: &Parts) -> Result<Verified<Proven>, NotSigned> {
        let hand = |signer: Signer| Arc::new(Hand(signer)) as Arc<dyn SignAnswer>;
        match self.verifier.verify(head) {
            Ok(proven) => {
                let key_id = proven.key().key_id.clone();
                self.used(&key_id);
                Ok(Verified {
                    key_id,
                    signer: hand(proven.signer().clone()),
                    proof: proven,
                })
            }
            Err(Denied { why, signer }) => {
                let mut refusal = Refusal::from(refusal::sign(why));
                if why == SignRefusal::ClockSkew {
                    refusal.now = signer.as_ref().map(Signer::now);
                }
                Err(NotSigned {
                    refusal,
                    signer: signer.map(hand),
                })
            }
        }
    }

    fn body(&self, proof: &Proven, body: &[u8]) -> Result<(), Rule> {
        proof.body(body).map(|_| ()).map_err(refusal::sign)
    }

    fn knows(&self, origin: &Origin) -> bool {
        let pages = self.pages();
        let mut signed = pages.values().filter(|entry| entry.way == Way::Signed);
        signed.any(|entry| entry.origin == *origin)
    }
}

// === impl SignAnswer ===

impl SignAnswer for Hand {
    fn sign(&self, status: StatusCode, kind: &str, body: &[u8]) -> Vec<(HeaderName, HeaderValue)> {
        let signed = self.0.sign(status, kind, body);
        [
            ("content-digest", signed.content_digest),
            ("signature-input", signed.signature_input),
            ("signature", signed.signature),
        ]
        .into_iter()
        .filter_map(|(name, value)| {
            let value = HeaderValue::from_str(&value).ok()?;
            Some((HeaderName::from_static(name), value))
        })
        .collect()
    }
}
