//! How fast one connection is, measured while its bytes pass.

use std::time::Duration;

use tokio::time::Instant;

use crate::defaults;

/// How fast bytes come while they are waited for.
pub(super) struct Meter {
    began: Instant,
    bytes: u64,
    waited: Duration,
    waiting: Option<Instant>,
}

// === impl Meter ===

impl Meter {
    pub(super) fn new() -> Self {
        Self {
            began: Instant::now(),
            bytes: 0,
            waited: Duration::ZERO,
            waiting: None,
        }
    }

    pub(super) fn waits(&mut self) {
        self.waiting.get_or_insert_with(Instant::now);
    }

    /// Bytes came. After enough of them, how many came in how long, if the source
    /// was mostly waited for: otherwise it was the reader who was slow.
    pub(super) fn came(&mut self, bytes: u64) -> Option<(u64, Duration)> {
        self.bytes = self.bytes.saturating_add(bytes);
        if let Some(since) = self.waiting.take() {
            self.waited += since.elapsed();
        }
        if self.bytes < defaults::RATE_OVER {
            return None;
        }
        let done = std::mem::replace(self, Self::new());
        let time = done.began.elapsed();
        (done.waited * 2 >= time).then_some((done.bytes, time))
    }
}
