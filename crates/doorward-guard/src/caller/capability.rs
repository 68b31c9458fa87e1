use std::fmt::Debug;
use std::marker::PhantomData;
use std::sync::Arc;

use super::{Ask, Caller, GrantCard, Proven, Unproven, sealed};
use crate::origin::Origin;
use crate::policy::CallerKind;
use crate::table::grants::{Grant, Grants};

/// Holds an unguessable token, the first segment of the path below the prefix.
/// `G` is what the room keeps in a grant.
#[derive(Debug)]
pub struct Capability<G>(PhantomData<fn() -> G>);

impl<G> sealed::Sealed for Capability<G> {}

impl<G: Debug + Send + Sync + 'static> Caller for Capability<G> {
    const KIND: CallerKind = CallerKind::Capability;
    type Book = Arc<Grants<G>>;
    type Proof = Arc<Grant<G>>;

    fn prove(book: &Self::Book, ask: &Ask<'_>) -> Result<Proven<Self::Proof>, Unproven> {
        let token = ask.rest.split('/').next().unwrap_or_default();
        match book.look_up(token) {
            Ok(grant) => Ok(Proven {
                grant: Some(card(&grant)),
                ..Proven::bare(grant)
            }),
            Err((refusal, ended)) => Err(Unproven {
                refusal,
                grant: ended.as_deref().map(card),
                signer: None,
            }),
        }
    }

    fn knows(book: &Self::Book, origin: &Origin) -> bool {
        book.names(origin)
    }
}

fn card<G>(grant: &Grant<G>) -> GrantCard {
    GrantCard {
        origins: grant.origins().clone(),
        uses: grant.uses(),
    }
}
