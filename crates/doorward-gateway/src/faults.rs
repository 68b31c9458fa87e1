//! What a well-behaved gateway does not do, for tests; and what it counts for them.

use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Mutex, PoisonError};

use doorward_operator::rpc::gateway_capnp::denied::Kind;

use crate::defaults;

/// Faults that can be switched on while a gateway runs.
#[derive(Debug, Default)]
pub struct Faults {
    /// `motd` is not answered.
    pub hang: AtomicBool,
    /// Calls of `motd` that came while it was not answered.
    pub hanging: AtomicUsize,
    /// It is as one that has no flows for more time yet.
    pub older: AtomicBool,
    /// What is listed has the interface id of something else.
    pub mislabel: AtomicBool,
    /// Every call of a capability is denied with this.
    pub deny: Mutex<Option<Kind>>,
    /// Calls of capabilities that were judged.
    pub calls: AtomicUsize,
    /// Passwords for which Argon2 was evaluated.
    pub checked: AtomicUsize,
}

impl Faults {
    pub(crate) async fn hang(&self) {
        if self.hang.load(Ordering::SeqCst) {
            self.hanging.fetch_add(1, Ordering::SeqCst);
        }
        while self.hang.load(Ordering::SeqCst) {
            tokio::time::sleep(defaults::SWEEP).await;
        }
    }

    /// Answers as capnp does for a method that there is not.
    pub(crate) fn knows_renewals(&self) -> Result<(), capnp::Error> {
        if self.older.load(Ordering::SeqCst) {
            return Err(capnp::Error::unimplemented("as it was told to".to_owned()));
        }
        Ok(())
    }

    /// Counts a call, and says no to it if it is to.
    pub(crate) fn call(&self) -> Result<(), (Kind, &'static str)> {
        self.calls.fetch_add(1, Ordering::SeqCst);
        let deny = *self.deny.lock().unwrap_or_else(PoisonError::into_inner);
        match deny {
            Some(kind) => Err((kind, "\u{1b}[2Jas it was told to")),
            None => Ok(()),
        }
    }
}
