//! A latch: shut until somebody lifts it, and shut again behind them.

use std::sync::atomic::{AtomicBool, Ordering};

/// Holds one door.
#[derive(Debug, Default)]
pub struct Latch {
    lifted: AtomicBool,
}

/// The door is open as long as this is held.
#[derive(Debug)]
pub struct Lifted<'a>(&'a Latch);

impl Latch {
    /// Lifts the latch, unless somebody else has.
    pub fn lift(&self) -> Option<Lifted<'_>> {
        let was = self.lifted.swap(true, Ordering::AcqRel);
        (!was).then_some(Lifted(self))
    }
}

impl Drop for Lifted<'_> {
    fn drop(&mut self) {
        self.0.lifted.store(false, Ordering::Release);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_at_a_time() {
        let latch = Latch::default();
        let first = latch.lift();
        assert!(first.is_some() && latch.lift().is_none());
        drop(first);
        assert!(latch.lift().is_some());
    }
}
