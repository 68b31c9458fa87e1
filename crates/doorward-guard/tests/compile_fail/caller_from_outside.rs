//! The kinds of caller are the guard's own.

use doorward_guard::Caller;

#[derive(Debug)]
struct Friend;

impl Caller for Friend {
    const KIND: doorward_guard::policy::CallerKind = doorward_guard::policy::CallerKind::Open;
    type Book = ();
    type Proof = ();
}

fn main() {}
