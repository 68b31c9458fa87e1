//! Grants, found by token and by name. Each key is kept once, in the grant.

use std::hash::{BuildHasher as _, RandomState};
use std::sync::Arc;

use hashbrown::HashTable;

use super::Grant;
use crate::id::Id;
use crate::secret::TokenHash;

pub(super) struct Shelf<G> {
    by_token: HashTable<Arc<Grant<G>>>,
    by_id: HashTable<Arc<Grant<G>>>,
    hasher: RandomState,
}

impl<G> Shelf<G> {
    pub(super) fn len(&self) -> usize {
        self.by_id.len()
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = &Arc<Grant<G>>> {
        self.by_id.iter()
    }

    pub(super) fn by_token(&self, token: &TokenHash) -> Option<&Arc<Grant<G>>> {
        let hash = self.hasher.hash_one(token);
        self.by_token.find(hash, |grant| grant.token == *token)
    }

    pub(super) fn by_id(&self, id: Id) -> Option<&Arc<Grant<G>>> {
        let hash = self.hasher.hash_one(id);
        self.by_id.find(hash, |grant| grant.id.0 == id)
    }

    /// Puts in a grant whose token and name are fresh.
    pub(super) fn put(&mut self, grant: Arc<Grant<G>>) {
        let Self {
            by_token,
            by_id,
            hasher,
        } = self;
        by_token.insert_unique(hasher.hash_one(grant.token), Arc::clone(&grant), |grant| {
            hasher.hash_one(grant.token)
        });
        by_id.insert_unique(hasher.hash_one(grant.id.0), grant, |grant| {
            hasher.hash_one(grant.id.0)
        });
    }

    pub(super) fn remove(&mut self, grant: &Grant<G>) {
        let token = self.hasher.hash_one(grant.token);
        let same = |other: &Arc<Grant<G>>| other.token == grant.token;
        if let Ok(entry) = self.by_token.find_entry(token, same) {
            entry.remove();
        }
        let id = self.hasher.hash_one(grant.id.0);
        if let Ok(entry) = self.by_id.find_entry(id, |other| other.id == grant.id) {
            entry.remove();
        }
    }
}

impl<G> Default for Shelf<G> {
    fn default() -> Self {
        Self {
            by_token: HashTable::new(),
            by_id: HashTable::new(),
            hasher: RandomState::new(),
        }
    }
}
