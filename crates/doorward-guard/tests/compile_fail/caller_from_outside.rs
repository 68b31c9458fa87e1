//! The kinds of caller are the guard's own.

use doorward_guard::Caller;
use doorward_guard::caller::{Ask, Proven, Unproven};
use doorward_guard::policy::CallerKind;

#[derive(Debug)]
struct Friend;

impl Caller for Friend {
    const KIND: CallerKind = CallerKind::Open;
    type Book = ();
    type Proof = ();

    fn prove(_: &(), _: &Ask<'_>) -> Result<Proven<()>, Unproven> {
        loop {}
    }
}

fn main() {}
