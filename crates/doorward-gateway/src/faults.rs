//! What a well-behaved gateway does not do, for tests.

use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use crate::defaults;

/// Faults that can be switched on while a gateway runs.
#[derive(Debug, Default)]
pub struct Faults {
    /// `motd` is not answered.
    pub hang: AtomicBool,
    /// What is listed has the interface id of something else.
    pub mislabel: AtomicBool,
    /// Passwords that were checked.
    pub checked: AtomicUsize,
}

impl Faults {
    pub(crate) async fn hang(&self) {
        while self.hang.load(Ordering::SeqCst) {
            tokio::time::sleep(defaults::SWEEP).await;
        }
    }
}
