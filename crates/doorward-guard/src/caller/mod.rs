//! What callers prove, one file per proof. The set is closed: a proof that the
//! guard does not know cannot be added from outside.

mod buckets;
mod capability;
mod native;
mod open;
mod page;
mod session;
mod signed;
mod stamped;
mod ticket;
mod visitor;

pub use capability::Capability;
pub use native::Native;
pub use open::Open;
pub use page::{Askers, Page};
#[doc(hidden)]
pub use session::Activity;
pub use session::{ACTIVE_HEADER, PROOF_HEADER, Session, read_cookie};
pub use signed::{Judge, NotSigned, SignAnswer, Signatures, Signed, Verified};
pub use stamped::{Stamp, StampJudge, Stamped, Stamps, Transport};
pub use ticket::Ticket;
pub use visitor::Visitor;

use std::fmt::Debug;
use std::sync::Arc;

use http::request::Parts;

use crate::guard::Peer;
use crate::origin::{Origin, Origins};
use crate::policy::CallerKind;
use crate::refusal::{Refusal, Rule};
use crate::rules::fetch_metadata::Uses;
use crate::rules::limits::Bucket;
use crate::secret::TokenHash;
use crate::table::sessions::Life;

/// A kind of caller: what it proves, and where that is looked up.
pub trait Caller: sealed::Sealed + Debug + Send + Sync + 'static {
    /// The kind, as data.
    const KIND: CallerKind;
    /// Where proofs are looked up.
    type Book: Clone + Debug + Send + Sync + 'static;
    /// What a permit says of the caller.
    type Proof: Debug + Send + Sync + 'static;

    #[doc(hidden)]
    fn prove(book: &Self::Book, ask: &Ask<'_>) -> Result<Proven<Self::Proof>, Unproven>;

    /// Whether pages of `origin` may read a refusal of a caller that proved
    /// nothing.
    #[doc(hidden)]
    fn knows(_book: &Self::Book, _origin: &Origin) -> bool {
        false
    }

    /// The life of the session that calls: its rate is counted there, and it may end
    /// before the handler runs.
    #[doc(hidden)]
    fn life(_proof: &Self::Proof) -> Option<&Life> {
        None
    }

    /// Judges the whole body, before a handler sees it.
    #[doc(hidden)]
    fn body(_book: &Self::Book, _proof: &Self::Proof, _body: &[u8]) -> Result<(), Rule> {
        Ok(())
    }
}

/// What a proof is judged by.
#[derive(Debug)]
#[doc(hidden)]
pub struct Ask<'a> {
    pub(crate) head: &'a Parts,
    pub(crate) peer: Peer,
    /// The path below the surface's prefix, without the leading slash.
    pub(crate) rest: &'a str,
}

/// A proven caller, and what later rules need of it.
#[derive(Debug)]
#[doc(hidden)]
pub struct Proven<P> {
    pub(crate) proof: P,
    /// Its rate is counted here, if not in the session's life.
    pub(crate) bucket: Option<Arc<Bucket>>,
    pub(crate) csrf: Option<TokenHash>,
    pub(crate) grant: Option<GrantCard>,
    pub(crate) activity: Option<Activity>,
    /// Signs the answer.
    pub(crate) signer: Option<Arc<dyn SignAnswer>>,
    /// May frame the answer, which no grant is behind.
    pub(crate) page: Option<Origin>,
}

/// Why a caller is not proven.
#[derive(Debug)]
#[doc(hidden)]
pub struct Unproven {
    pub(crate) refusal: Refusal,
    /// The grant that was meant, if it has only just ended: the pages that it was
    /// for may read so.
    pub(crate) grant: Option<GrantCard>,
    /// Signs the refusal, if the caller has a key all the same.
    pub(crate) signer: Option<Arc<dyn SignAnswer>>,
}

/// What the guard reads of a grant.
#[derive(Clone, Debug)]
#[doc(hidden)]
pub struct GrantCard {
    pub(crate) origins: Origins,
    pub(crate) uses: Uses,
}

mod sealed {
    pub trait Sealed {}
}

// === impl Unproven ===

impl From<Refusal> for Unproven {
    fn from(refusal: Refusal) -> Self {
        Self {
            refusal,
            grant: None,
            signer: None,
        }
    }
}

impl From<Rule> for Unproven {
    fn from(rule: Rule) -> Self {
        Refusal::from(rule).into()
    }
}

// === impl Proven ===

impl<P> Proven<P> {
    fn bare(proof: P) -> Self {
        Self {
            proof,
            bucket: None,
            csrf: None,
            grant: None,
            activity: None,
            signer: None,
            page: None,
        }
    }
}
