//! When something may have to happen to a grant.

use std::collections::BTreeMap;

use super::Name;
use crate::clock::Moment;

/// Grants by the second in which they are looked at again. A grant whose end
/// moved is put in once more when its old second comes: ends only move back.
#[derive(Debug, Default)]
pub(super) struct Due(BTreeMap<u64, Vec<Name>>);

impl Due {
    /// Looks at `name` again as soon as `at` is over: at the full second after it.
    pub(super) fn push(&mut self, at: Moment, name: Name) {
        let at = at.since_origin();
        let second = at.as_secs() + u64::from(at.subsec_nanos() > 0);
        self.0.entry(second).or_default().push(name);
    }

    /// Those of one second that has come.
    pub(super) fn take(&mut self, now: Moment) -> Option<Vec<Name>> {
        let first = self.0.first_entry()?;
        (*first.key() <= now.since_origin().as_secs()).then(|| first.remove())
    }

    #[cfg(test)]
    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}
