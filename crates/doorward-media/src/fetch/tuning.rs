//! What a room may hold of its stores' bytes.

use crate::defaults;

/// Budgets of one media room, for all its stores together. The default of each is
/// in [`defaults`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct MediaTuning {
    /// Bytes of objects that are kept to be read again; none if 0.
    pub cache: u64,
    /// Bytes that may be on their way to readers at once: what several readers
    /// share, and what is read ahead of one. What passes straight through does
    /// not count. If 0, everything passes straight through.
    pub underway: u64,
    /// Of these, what is read ahead for one stream.
    pub ahead: u64,
    /// Streams that are read ahead at once. Any further ones pass straight
    /// through.
    pub ahead_streams: usize,
}

impl Default for MediaTuning {
    fn default() -> Self {
        Self {
            cache: defaults::CACHE,
            underway: defaults::UNDERWAY,
            ahead: defaults::AHEAD,
            ahead_streams: defaults::AHEAD_STREAMS,
        }
    }
}
