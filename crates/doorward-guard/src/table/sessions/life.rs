//! Whether a session goes on, and what it may still ask, for whoever does something in
//! its name.

use std::sync::atomic::{AtomicBool, Ordering};

use tokio::sync::watch;

use crate::rules::limits::Bucket;

/// A session's life: it ends under the table's lock, and what hung on it is told
/// afterwards.
#[derive(Debug)]
#[doc(hidden)]
pub struct Life {
    bucket: Bucket,
    /// From then on nothing is done in its name.
    over: AtomicBool,
    /// Whether everything that hung on it has heard why.
    told: watch::Sender<bool>,
}

impl Life {
    /// It begins, with what it may ask in `bucket`.
    pub(super) fn new(bucket: Bucket) -> Self {
        Self {
            bucket,
            over: AtomicBool::new(false),
            told: watch::Sender::new(false),
        }
    }

    pub(crate) fn bucket(&self) -> &Bucket {
        &self.bucket
    }

    pub(super) fn end(&self) {
        self.over.store(true, Ordering::Release);
    }

    pub(crate) fn is_over(&self) -> bool {
        self.over.load(Ordering::Acquire)
    }

    pub(super) fn tell(&self) {
        self.told.send_replace(true);
    }

    /// Waits for the end, and until it was told.
    pub(super) async fn told(&self) {
        // It never closes: this has the sender.
        let _ = self.told.subscribe().wait_for(|&told| told).await;
    }
}
