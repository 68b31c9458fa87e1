use std::fmt::Debug;
use std::marker::PhantomData;
use std::sync::Arc;

use http::request::Parts;
use http::{HeaderMap, StatusCode};

use super::buckets::Buckets;
use super::{Ask, Caller, Proven, Unproven, sealed};
use crate::clock::Clock;
use crate::origin::Origin;
use crate::policy::CallerKind;
use crate::refusal::{Refusal, Rule};

/// A paired page: each request is signed, each answer signed back. `V` judges.
#[derive(Debug)]
pub struct Signed<V>(PhantomData<fn() -> V>);

/// Judges signed requests. The guard asks; what the keys are is the judge's.
pub trait Judge: Debug + Send + Sync + 'static {
    /// What is known of a request whose signature holds.
    type Proof: Debug + Send + Sync + 'static;

    /// Judges the head. A signature is good once.
    ///
    /// # Errors
    ///
    /// The rule that was broken, and who signs that if the caller has the key.
    fn verify(&self, head: &Parts) -> Result<Verified<Self::Proof>, NotSigned>;

    /// Which pairing: its rate is counted by this.
    fn key_id<'a>(&self, proof: &'a Self::Proof) -> &'a str;

    /// Judges the whole body, before a handler sees it.
    ///
    /// # Errors
    ///
    /// The rule that was broken.
    fn body(&self, proof: &Self::Proof, body: &[u8]) -> Result<(), Rule>;

    /// Whether a page of `origin` is paired now.
    fn knows(&self, origin: &Origin) -> bool;
}

/// A request whose signature holds.
#[derive(Debug)]
pub struct Verified<P> {
    /// For the handler.
    pub proof: P,
    /// Signs the answer.
    pub signer: Arc<dyn SignAnswer>,
}

/// A request whose signature is not good.
#[derive(Debug)]
pub struct NotSigned {
    /// Why.
    pub refusal: Refusal,
    /// Signs the refusal, if the caller proved to have the key.
    pub signer: Option<Arc<dyn SignAnswer>>,
}

/// Signs one answer.
pub trait SignAnswer: Debug + Send + Sync {
    /// Adds the headers that prove `status`, `kind` and `body` to be ours.
    fn sign(&self, status: StatusCode, kind: &str, body: &[u8], headers: &mut HeaderMap);
}

/// A judge, and the buckets of those it knows.
#[derive(Debug)]
pub struct Signatures<V> {
    judge: Arc<V>,
    buckets: Buckets,
}

impl<V> Signatures<V> {
    /// Full buckets for whoever `judge` will know.
    #[must_use]
    pub fn new(judge: &Arc<V>, clock: &Clock) -> Self {
        Self {
            judge: Arc::clone(judge),
            buckets: Buckets::new(clock),
        }
    }

    /// Forgets the bucket of a pairing that ended.
    pub fn forget(&self, key_id: &str) {
        self.buckets.forget(key_id);
    }
}

impl<V> Clone for Signatures<V> {
    fn clone(&self) -> Self {
        Self {
            judge: Arc::clone(&self.judge),
            buckets: self.buckets.clone(),
        }
    }
}

impl<V> sealed::Sealed for Signed<V> {}

impl<V: Judge> Caller for Signed<V> {
    const KIND: CallerKind = CallerKind::Signed;
    type Book = Signatures<V>;
    type Proof = V::Proof;

    fn prove(book: &Self::Book, ask: &Ask<'_>) -> Result<Proven<V::Proof>, Unproven> {
        match book.judge.verify(ask.head) {
            Ok(verified) => Ok(Proven {
                bucket: Some(book.buckets.of(book.judge.key_id(&verified.proof))),
                signer: Some(verified.signer),
                ..Proven::bare(verified.proof)
            }),
            Err(NotSigned { refusal, signer }) => Err(Unproven {
                signer,
                ..Unproven::from(refusal)
            }),
        }
    }

    fn knows(book: &Self::Book, origin: &Origin) -> bool {
        book.judge.knows(origin)
    }

    fn body(book: &Self::Book, proof: &V::Proof, body: &[u8]) -> Result<(), Rule> {
        book.judge.body(proof, body)
    }
}
