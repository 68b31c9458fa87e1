use super::{Ask, Askers, Caller, Proven, Unproven, sealed};
use crate::origin::Origin;
use crate::policy::CallerKind;
use crate::refusal::Rule;
use crate::rules::origin;

/// A page, by the `Origin` that its browser wrote, or whoever names none: a process
/// of the same user, which could write any. It proves nothing else.
#[derive(Debug)]
pub struct Visitor;

impl sealed::Sealed for Visitor {}

impl Caller for Visitor {
    const KIND: CallerKind = CallerKind::Visitor;
    type Book = Askers;
    type Proof = Option<Origin>;

    fn prove(book: &Askers, ask: &Ask<'_>) -> Result<Proven<Option<Origin>>, Unproven> {
        match origin::read(ask.head)? {
            Some(origin) if !book.allow(&origin) => Err(Rule::OriginNotAllowed.into()),
            origin => Ok(Proven::bare(origin)),
        }
    }

    fn knows(book: &Askers, origin: &Origin) -> bool {
        book.allow(origin)
    }
}
