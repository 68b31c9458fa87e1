use std::fmt::Debug;
use std::marker::PhantomData;
use std::sync::Arc;

use http::request::Parts;

use super::buckets::Buckets;
use super::{Ask, Caller, Proven, Unproven, sealed};
use crate::clock::Clock;
use crate::origin::Origin;
use crate::policy::CallerKind;
use crate::refusal::Refusal;

/// A paired page that proves itself the weaker way: by a MAC over the time and
/// nothing else. Whoever reads one request can send others for as long as its time
/// is good. Only for what speaks no better protocol; `V` judges.
#[derive(Debug)]
pub struct Stamped<V>(PhantomData<fn() -> V>);

/// Where a stamp may stand.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Transport {
    /// In the headers.
    Headers,
    /// In the headers; in the query where one of them is missing.
    Either,
    /// In the query.
    Query,
}

/// Judges stamps. The guard asks; what the secrets are is the judge's.
pub trait StampJudge: Debug + Send + Sync + 'static {
    /// What is known of a request whose stamp holds.
    type Proof: Debug + Send + Sync + 'static;

    /// Judges the head.
    ///
    /// # Errors
    ///
    /// The rule that was broken.
    fn verify(&self, head: &Parts, by: Transport) -> Result<Stamp<Self::Proof>, Refusal>;

    /// Whether a page of `origin` may read that it is refused.
    fn knows(&self, origin: &Origin) -> bool;
}

/// A request whose stamp holds.
#[derive(Debug)]
pub struct Stamp<P> {
    /// For the handler.
    pub proof: P,
    /// Which pairing: its rate is counted by this.
    pub key_id: String,
    /// The page that is paired: it may frame the answer.
    pub page: Origin,
}

/// A judge, where stamps may stand, and the buckets of those it knows.
#[derive(Debug)]
pub struct Stamps<V> {
    judge: Arc<V>,
    by: Transport,
    buckets: Buckets,
}

impl<V> Stamps<V> {
    /// Full buckets for whoever `judge` will know.
    #[must_use]
    pub fn new(judge: &Arc<V>, clock: &Clock) -> Self {
        Self {
            judge: Arc::clone(judge),
            by: Transport::Headers,
            buckets: Buckets::new(clock),
        }
    }

    /// The same, where stamps may stand elsewhere.
    #[must_use]
    pub fn by(&self, by: Transport) -> Self {
        Self { by, ..self.clone() }
    }

    /// Forgets the bucket of a pairing that ended.
    pub fn forget(&self, key_id: &str) {
        self.buckets.forget(key_id);
    }
}

impl<V> Clone for Stamps<V> {
    fn clone(&self) -> Self {
        Self {
            judge: Arc::clone(&self.judge),
            by: self.by,
            buckets: self.buckets.clone(),
        }
    }
}

impl<V> sealed::Sealed for Stamped<V> {}

impl<V: StampJudge> Caller for Stamped<V> {
    const KIND: CallerKind = CallerKind::Stamped;
    type Book = Stamps<V>;
    type Proof = V::Proof;

    fn prove(book: &Self::Book, ask: &Ask<'_>) -> Result<Proven<V::Proof>, Unproven> {
        let stamp = book.judge.verify(ask.head, book.by)?;
        Ok(Proven {
            bucket: Some(book.buckets.of(&stamp.key_id)),
            page: Some(stamp.page),
            ..Proven::bare(stamp.proof)
        })
    }

    fn knows(book: &Self::Book, origin: &Origin) -> bool {
        book.judge.knows(origin)
    }
}
