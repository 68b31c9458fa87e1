use std::sync::Arc;

use super::{Ask, Caller, Proven, Unproven, sealed};
use crate::policy::CallerKind;
use crate::secret::Token;
use crate::table::sessions::Sessions;

/// Brings a launch ticket in the body, which the handler exchanges with
/// [`Sessions::claim`]. The proof is the session cookie it came with, if any.
#[derive(Debug)]
pub struct Ticket;

impl sealed::Sealed for Ticket {}

impl Caller for Ticket {
    const KIND: CallerKind = CallerKind::Ticket;
    type Book = Arc<Sessions>;
    type Proof = Option<Token>;

    fn prove(book: &Self::Book, ask: &Ask<'_>) -> Result<Proven<Self::Proof>, Unproven> {
        Ok(Proven::bare(super::read_cookie(
            &ask.head.headers,
            book.cookie_name(),
        )?))
    }
}
