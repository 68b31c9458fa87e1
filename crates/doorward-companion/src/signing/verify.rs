//! The proof of a paired page.

use std::collections::HashMap;
use std::sync::{Arc, PoisonError, RwLock};
use std::time::UNIX_EPOCH;

use doorward_guard::{Clock, Moment, Origin, Secret};
use foldhash::fast::RandomState;
use http::request::Parts;
use sha2::{Digest as _, Sha256};

use super::answer::Signer;
use super::head::{Params, Signed};
use super::hello::{Challenge, proof_by};
use super::refusal::SignRefusal;
use super::replay::Nonces;
use crate::defaults;
use crate::encoding::{Instance, MacKey, same};

/// The keys of one paired page.
#[derive(Debug)]
pub struct PairedKey {
    /// The public name of the pairing.
    pub key_id: String,
    /// Requests come from here, exactly.
    pub origin: Origin,
    /// Signs its requests.
    pub request: Secret<32>,
    /// Signs our answers.
    pub response: Secret<32>,
}

/// Every paired page of this run, and what it has sent.
///
/// Signatures are judged by the wall clock as it was at the start of the run, moved
/// on by the monotonic one: setting the machine's clock back makes no old signature
/// good again. A page whose clock differs is told ours, once it has proved itself.
#[derive(Debug)]
pub struct Verifier {
    clock: Clock,
    instance: Instance,
    listen: String,
    started: Moment,
    /// Milliseconds since 1970.
    started_wall: u64,
    pages: RwLock<HashMap<String, Arc<Page>, RandomState>>,
    /// Stands in for keys that do not exist.
    nobody: MacKey,
}

/// A paired page, its keys made ready.
#[derive(Debug)]
pub(super) struct Page {
    pub(super) key: PairedKey,
    request: MacKey,
    pub(super) response: MacKey,
    nonces: Nonces,
}

/// A request whose signature holds. Its body is still to be proven.
#[derive(Debug)]
pub struct Proven {
    signer: Arc<Signer>,
    at: Moment,
    digest: Option<[u8; 32]>,
    offset: Option<u64>,
}

/// A request that was refused.
#[derive(Debug)]
pub struct Denied {
    /// Why.
    pub why: SignRefusal,
    /// Signs the refusal, if the caller proved to have the key.
    pub signer: Option<Arc<Signer>>,
}

impl Verifier {
    /// No page is paired.
    #[must_use]
    pub fn new(clock: &Clock, instance: Instance, listen: &str) -> Self {
        let wall = clock.wall().duration_since(UNIX_EPOCH).unwrap_or_default();
        Self {
            clock: clock.clone(),
            instance,
            listen: listen.to_owned(),
            started: clock.now(),
            started_wall: u64::try_from(wall.as_millis()).unwrap_or(u64::MAX),
            pages: RwLock::default(),
            nobody: MacKey::new(&Secret::random()),
        }
    }

    /// A page is paired.
    pub fn admit(&self, key: PairedKey) {
        let page = Page {
            request: MacKey::new(&key.request),
            response: MacKey::new(&key.response),
            nonces: Nonces::default(),
            key,
        };
        let mut pages = self.pages.write().unwrap_or_else(PoisonError::into_inner);
        // The memory of nonces stays with its key.
        pages
            .entry(page.key.key_id.clone())
            .or_insert_with(|| Arc::new(page));
    }

    /// A page is paired no longer. Whether it was.
    pub fn revoke(&self, key_id: &str) -> bool {
        let mut pages = self.pages.write().unwrap_or_else(PoisonError::into_inner);
        pages.remove(key_id).is_some()
    }

    /// Judges a request, before its body is read. A signature that was accepted
    /// once is refused from then on.
    ///
    /// # Errors
    ///
    /// [`Denied`].
    pub fn verify(&self, parts: &Parts) -> Result<Proven, Denied> {
        let bare = |why| Denied { why, signer: None };
        let Signed {
            head,
            params,
            nonce,
            base,
            signature,
        } = Signed::read(parts).map_err(bare)?;
        let digest = head.digest().map_err(bare)?;
        let offset = head.offset().map_err(bare)?;
        if head.instance != self.instance.as_str() {
            // Anyone may know which run this is.
            return Err(bare(SignRefusal::OtherRun));
        }
        let page = self.page(params.key_id, head.origin);
        let key = page.as_ref().map_or(&self.nobody, |page| &page.request);
        // An unknown key costs as much time as a known one.
        let holds = same(&key.mac(base.as_bytes()), &signature);
        let Some(page) = page.filter(|_| holds) else {
            return Err(bare(SignRefusal::Invalid));
        };
        let at = self.clock.now();
        let now = self.seconds(at);
        let verdict = self
            .in_time(&params, now)
            .and_then(|()| page.nonces.take(nonce, at));
        let signer = Arc::new(Signer {
            page,
            nonce: params.nonce.to_owned(),
            now,
        });
        match verdict {
            Ok(()) => Ok(Proven {
                signer,
                at,
                digest,
                offset,
            }),
            Err(why) => Err(Denied {
                why,
                signer: Some(signer),
            }),
        }
    }

    /// Answers a hello: `None` unless `key_id` is a pairing of `origin`.
    #[must_use]
    pub fn hello(&self, origin: &Origin, key_id: &str, challenge: &Challenge) -> Option<[u8; 32]> {
        let page = self.page(key_id, origin.as_str());
        let key = page.as_ref().map_or(&self.nobody, |page| &page.response);
        let proof = proof_by(key, challenge, &self.listen, &self.instance);
        page.map(|_| proof)
    }

    /// The time by which signatures are judged, in seconds since 1970.
    #[must_use]
    pub fn now(&self) -> u64 {
        self.seconds(self.clock.now())
    }

    fn seconds(&self, at: Moment) -> u64 {
        let since = at.since(self.started).as_millis();
        let since = u64::try_from(since).unwrap_or(u64::MAX);
        self.started_wall.saturating_add(since) / 1_000
    }

    fn page(&self, key_id: &str, origin: &str) -> Option<Arc<Page>> {
        let pages = self.pages.read().unwrap_or_else(PoisonError::into_inner);
        let page = pages.get(key_id)?;
        (page.key.origin.as_str() == origin).then(|| Arc::clone(page))
    }

    fn in_time(&self, params: &Params<'_>, now: u64) -> Result<(), SignRefusal> {
        let boot = self.started_wall / 1_000;
        let Params {
            created, expires, ..
        } = *params;
        let good = created >= boot
            && created >= now.saturating_sub(defaults::SIGNED_BEFORE)
            && created <= now.saturating_add(defaults::SIGNED_AHEAD)
            && expires >= now
            && expires > created
            && expires <= created.saturating_add(defaults::SIGNED_LIFE);
        if good {
            Ok(())
        } else {
            Err(SignRefusal::ClockSkew)
        }
    }
}

impl Proven {
    /// Which pairing: its name, origin and keys.
    #[must_use]
    pub fn key(&self) -> &PairedKey {
        &self.signer.page.key
    }

    /// Signs the answer.
    #[must_use]
    pub fn signer(&self) -> &Arc<Signer> {
        &self.signer
    }

    /// When it was judged.
    #[must_use]
    pub fn at(&self) -> Moment {
        self.at
    }

    /// Where this chunk of an upload begins, as it was signed.
    #[must_use]
    pub fn offset(&self) -> Option<u64> {
        self.offset
    }

    /// The most bytes that the body may have.
    #[must_use]
    pub fn body_limit(&self) -> usize {
        match (self.digest, self.offset) {
            (None, _) => 0,
            (Some(_), None) => defaults::SIGNED_BODY,
            (Some(_), Some(_)) => defaults::CHUNK,
        }
    }

    /// Judges the whole body. Until then no handler sees a byte of it.
    ///
    /// # Errors
    ///
    /// [`SignRefusal::BodyMismatch`] if it is not the one that was signed.
    pub fn body<'a>(&self, body: &'a [u8]) -> Result<&'a [u8], SignRefusal> {
        let holds = match self.digest {
            None => body.is_empty(),
            Some(signed) => {
                let digest: [u8; 32] = Sha256::digest(body).into();
                body.len() <= self.body_limit() && same(&digest, &signed)
            }
        };
        holds.then_some(body).ok_or(SignRefusal::BodyMismatch)
    }
}
