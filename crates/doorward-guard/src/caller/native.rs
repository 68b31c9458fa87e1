use super::{Ask, Caller, Proven, Unproven, sealed};
use crate::guard::Peer;
use crate::policy::CallerKind;
use crate::refusal::Rule;

/// Proves by its socket's peer credentials that it belongs to the same user.
#[derive(Debug)]
pub struct Native;

impl sealed::Sealed for Native {}

impl Caller for Native {
    const KIND: CallerKind = CallerKind::Native;
    type Book = ();
    type Proof = ();

    fn prove(_book: &(), ask: &Ask<'_>) -> Result<Proven<()>, Unproven> {
        match ask.peer {
            Peer::SameUser => Ok(Proven::bare(())),
            Peer::OtherUser | Peer::Unknown | Peer::NotChecked => Err(Rule::NativeOnly.into()),
        }
    }
}
