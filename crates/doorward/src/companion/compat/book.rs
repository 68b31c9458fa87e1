//! Who was paired this way, and the judge of their stamps.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use doorward_companion::compat::{Presented, Secrets, StampRefusal};
use doorward_guard::caller::{Askers, Stamp, StampJudge, Transport};
use doorward_guard::{Origin, Refusal, Rule, Secret};
use http::request::Parts;

use super::super::book::Book;
use super::askers;

/// Who sent a request whose stamp holds.
#[derive(Debug)]
pub(in super::super) struct Stamper {
    pub(in super::super) key_id: String,
    pub(in super::super) origin: Origin,
}

#[derive(Debug)]
pub(in super::super) struct Roll {
    book: Arc<Book>,
    askers: Askers,
    secrets: Mutex<Secrets>,
}

impl Roll {
    pub(super) fn new(book: &Arc<Book>) -> Self {
        Self {
            book: Arc::clone(book),
            askers: askers(),
            secrets: Mutex::default(),
        }
    }

    pub(in super::super) fn admit(&self, origin: &Origin, key_id: &str, secret: Secret<32>) {
        self.secrets().admit(origin, key_id, secret);
    }

    pub(super) fn revoke(&self, key_id: &str) {
        self.secrets().revoke(key_id);
    }

    /// The pairings of a page.
    pub(super) fn of(&self, origin: &Origin) -> Vec<String> {
        self.secrets().of(origin)
    }

    /// Whether any page is paired.
    pub(super) fn has_any(&self) -> bool {
        !self.secrets().is_empty()
    }

    fn secrets(&self) -> MutexGuard<'_, Secrets> {
        self.secrets.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

// === impl StampJudge ===

impl StampJudge for Roll {
    type Proof = Stamper;

    fn verify(&self, head: &Parts, by: Transport) -> Result<Stamp<Stamper>, Refusal> {
        let presented = Presented::read(head, by).map_err(refused)?;
        let now = self.book.verifier.now();
        let key_id = {
            let secrets = self.secrets();
            let key_id = secrets.verify(&presented, now).map_err(refused)?;
            key_id.to_owned()
        };
        self.book.used(&key_id);
        Ok(Stamp {
            key_id: key_id.clone(),
            page: presented.origin.clone(),
            proof: Stamper {
                key_id,
                origin: presented.origin,
            },
        })
    }

    fn knows(&self, origin: &Origin) -> bool {
        self.askers.allow(origin)
    }
}

fn refused(why: StampRefusal) -> Refusal {
    let refusal = Refusal::from(match why {
        StampRefusal::Missing(_) => Rule::StampMissing,
        StampRefusal::OriginNotAllowed => Rule::OriginNotAllowed,
        StampRefusal::NotPaired => Rule::PageNotPaired,
        StampRefusal::TimeMalformed | StampRefusal::Stale => Rule::StampStale,
        StampRefusal::Invalid => Rule::StampInvalid,
    });
    match why.detail() {
        Some(detail) => refusal.more("detail", detail.into()),
        None => refusal,
    }
}
