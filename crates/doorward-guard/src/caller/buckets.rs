use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use foldhash::fast::RandomState;

use crate::clock::Clock;
use crate::defaults;
use crate::rules::limits::Bucket;

/// What each pairing may still ask, by its public name. Clones share it.
#[derive(Clone, Debug)]
pub(super) struct Buckets {
    clock: Clock,
    by_key: Arc<Mutex<HashMap<String, Arc<Bucket>, RandomState>>>,
}

impl Buckets {
    pub(super) fn new(clock: &Clock) -> Self {
        Self {
            clock: clock.clone(),
            by_key: Arc::default(),
        }
    }

    pub(super) fn forget(&self, key_id: &str) {
        let mut buckets = self.by_key.lock().unwrap_or_else(PoisonError::into_inner);
        buckets.remove(key_id);
    }

    pub(super) fn of(&self, key_id: &str) -> Arc<Bucket> {
        let mut buckets = self.by_key.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(bucket) = buckets.get(key_id) {
            return Arc::clone(bucket);
        }
        let full = Arc::new(Bucket::new(defaults::PAIRED_RATE, &self.clock));
        buckets.insert(key_id.to_owned(), Arc::clone(&full));
        full
    }
}
