//! What a long operation tells while it runs, and how it is told to end.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use super::error::DriveError;

/// Counters of one operation. They are read while it runs.
#[derive(Debug, Default)]
pub(super) struct Progress {
    cancelled: AtomicBool,
    bytes: AtomicU64,
    files: AtomicU64,
    all_bytes: AtomicU64,
    all_files: AtomicU64,
    left: AtomicU64,
}

/// What [`Progress`] counts.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Counts {
    pub(super) bytes: u64,
    pub(super) files: u64,
    pub(super) all_bytes: u64,
    pub(super) all_files: u64,
    pub(super) left: u64,
}

impl Progress {
    pub(super) fn cancel(&self) {
        self.cancelled.store(true, Ordering::Release);
    }

    /// Asked between steps.
    pub(super) fn go_on(&self) -> Result<(), DriveError> {
        match self.cancelled.load(Ordering::Acquire) {
            true => Err(DriveError::Cancelled),
            false => Ok(()),
        }
    }

    /// One thing more is to be done.
    pub(super) fn expect(&self, bytes: u64) {
        self.all_bytes.fetch_add(bytes, Ordering::Relaxed);
        self.all_files.fetch_add(1, Ordering::Relaxed);
    }

    pub(super) fn moved(&self, bytes: u64) {
        self.bytes.fetch_add(bytes, Ordering::Relaxed);
    }

    pub(super) fn done_one(&self) {
        self.files.fetch_add(1, Ordering::Relaxed);
    }

    /// One thing stays where it was.
    pub(super) fn leave(&self) {
        self.left.fetch_add(1, Ordering::Relaxed);
    }

    pub(super) fn counts(&self) -> Counts {
        let read = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        Counts {
            bytes: read(&self.bytes),
            files: read(&self.files),
            all_bytes: read(&self.all_bytes),
            all_files: read(&self.all_files),
            left: read(&self.left),
        }
    }
}
