//! How long a bench takes.

use super::load::Slow;

/// How much is done.
#[derive(Clone, Copy)]
pub(super) struct Effort {
    pub(super) rounds: usize,
    /// Requests on each connection.
    pub(super) requests: usize,
    /// Random ranges.
    pub(super) ranges: usize,
    pub(super) seeks: u64,
    pub(super) slow: Slow,
    pub(super) grants: usize,
}

impl Effort {
    pub(super) fn new(quick: bool) -> Self {
        let slow = |seconds| Slow {
            readers: 64,
            bytes_per_second: 512 * 1024,
            seconds,
        };
        match quick {
            true => Self {
                rounds: 2,
                requests: 500,
                ranges: 500,
                seeks: 3,
                slow: slow(4),
                grants: 99_999,
            },
            false => Self {
                rounds: 5,
                requests: 1_500,
                ranges: 2_000,
                seeks: 7,
                slow: slow(8),
                // A million are the most that can be, and one is there already.
                grants: 999_999,
            },
        }
    }
}
