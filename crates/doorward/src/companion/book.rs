//! Who is paired in this run, and the judge of their signatures.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, UNIX_EPOCH};

use doorward_companion::pairing::Scopes;
use doorward_companion::signing::{Denied, PairedKey, Proven, SignRefusal, Signer, Verifier};
use doorward_guard::caller::{Judge, NotSigned, SignAnswer, Verified};
use doorward_guard::clock::rfc3339;
use doorward_guard::{Clock, Moment, Origin, Refusal, Rule};
use foldhash::fast::RandomState;
use http::request::Parts;
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
    pages: Mutex<Pages>,
}

#[derive(Debug, Default)]
struct Pages {
    by_key: HashMap<String, Entry, RandomState>,
    /// How many pairings that sign each origin has: every request asks whether it has
    /// one.
    origins: HashMap<Origin, usize, RandomState>,
}

#[derive(Debug)]
struct Entry {
    origin: Origin,
    created: u64,
    used: Option<Moment>,
    /// As of the last time that somebody looked.
    view: PairingView,
}

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
        let view = view(&key.key_id, &key.origin, label, scopes, created);
        self.insert(view, &key.origin, created);
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
        let view = PairingView {
            compat: true,
            ..view(key_id, origin, label, scopes, created)
        };
        self.insert(view, origin, created);
    }

    /// It was used now.
    pub(super) fn used(&self, key_id: &str) {
        if let Some(entry) = self.pages().by_key.get_mut(key_id) {
            entry.used = Some(self.clock.now());
        }
    }

    pub(super) fn revoke(&self, key_id: &str) {
        self.verifier.revoke(key_id);
        let mut pages = self.pages();
        let Some(Entry { origin, view, .. }) = pages.by_key.remove(key_id) else {
            return;
        };
        if view.compat {
            return;
        }
        if let Some(count) = pages.origins.get_mut(&origin) {
            *count -= 1;
            if *count == 0 {
                pages.origins.remove(&origin);
            }
        }
    }

    pub(super) fn view(&self, key_id: &str) -> Option<PairingView> {
        self.show(key_id, PairingView::clone)
    }

    /// Looks at a page, without a copy of it.
    pub(super) fn show<T>(&self, key_id: &str, how: impl FnOnce(&PairingView) -> T) -> Option<T> {
        let mut pages = self.pages();
        let entry = pages.by_key.get_mut(key_id)?;
        Some(how(entry.look(&self.clock)))
    }

    pub(super) fn origin(&self, key_id: &str) -> Option<Origin> {
        let pages = self.pages();
        pages.by_key.get(key_id).map(|entry| entry.origin.clone())
    }

    pub(super) fn scopes(&self, key_id: &str) -> Option<Scopes> {
        self.show(key_id, |view| view.scopes.clone())
    }

    pub(super) fn list(&self) -> Vec<PairingView> {
        let mut pages = self.pages();
        let mut list: Vec<_> = pages.by_key.iter_mut().collect();
        list.sort_by(|(id, entry), (other, later)| {
            (entry.created, *id).cmp(&(later.created, *other))
        });
        let views = list.into_iter();
        views
            .map(|(_, entry)| entry.look(&self.clock).clone())
            .collect()
    }

    pub(super) fn ids(&self) -> Vec<String> {
        self.pages().by_key.keys().cloned().collect()
    }

    fn insert(&self, view: PairingView, origin: &Origin, created: u64) {
        let mut pages = self.pages();
        if pages.by_key.contains_key(&view.key_id) {
            return;
        }
        if !view.compat {
            *pages.origins.entry(origin.clone()).or_default() += 1;
        }
        let entry = Entry {
            origin: origin.clone(),
            created,
            used: None,
            view,
        };
        pages.by_key.insert(entry.view.key_id.clone(), entry);
    }

    fn pages(&self) -> MutexGuard<'_, Pages> {
        self.pages.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn view(key_id: &str, origin: &Origin, label: String, scopes: Scopes, created: u64) -> PairingView {
    PairingView {
        key_id: key_id.to_owned(),
        origin: origin.to_string(),
        label,
        scopes,
        compat: false,
        created_at: rfc3339(UNIX_EPOCH + Duration::from_secs(created)),
        last_used_at: None,
    }
}

// === impl Entry ===

impl Entry {
    fn look(&mut self, clock: &Clock) -> &PairingView {
        self.view.last_used_at = self.used.map(|at| clock.rfc3339(at));
        &self.view
    }
}

// === impl Judge ===

impl Judge for Book {
    type Proof = Proven;

    fn verify(&self, head: &Parts) -> Result<Verified<Proven>, NotSigned> {
        match self.verifier.verify(head) {
            Ok(proven) => {
                let key_id = &proven.key().key_id;
                if let Some(entry) = self.pages().by_key.get_mut(key_id) {
                    entry.used = Some(proven.at());
                }
                Ok(Verified {
                    signer: Arc::<Signer>::clone(proven.signer()),
                    proof: proven,
                })
            }
            Err(Denied { why, signer }) => {
                let mut refusal = Refusal::from(refusal::sign(why));
                if why == SignRefusal::ClockSkew {
                    refusal.now = signer.as_ref().map(|signer| signer.now());
                }
                Err(NotSigned {
                    refusal,
                    signer: signer.map(|signer| signer as Arc<dyn SignAnswer>),
                })
            }
        }
    }

    fn key_id<'a>(&self, proof: &'a Proven) -> &'a str {
        &proof.key().key_id
    }

    fn body(&self, proof: &Proven, body: &[u8]) -> Result<(), Rule> {
        proof.body(body).map(|_| ()).map_err(refusal::sign)
    }

    fn knows(&self, origin: &Origin) -> bool {
        self.pages().origins.contains_key(origin)
    }
}
