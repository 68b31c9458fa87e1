//! Grants, found by token, by name and by owner, and the live ones by age.
//!
//! A grant has a numbered place. Its name is the beginning of its token's hash, so
//! one table finds it by either; a chain through the places of the live ones has
//! them in the order in which they were minted.

use std::collections::{HashMap, HashSet};
use std::hash::{BuildHasher as _, RandomState};
use std::iter;
use std::sync::Arc;

use hashbrown::HashTable;

use super::{Fate, Grant, Name};
use crate::secret::TokenHash;
use crate::table::sessions::SessionId;

pub(super) struct Shelf<G> {
    places: Vec<Place<G>>,
    by_name: HashTable<u32>,
    /// The first of the places that are free, chained by `older`.
    free: u32,
    newest: u32,
    live: usize,
    /// The places of live grants that have an owner.
    owners: HashMap<SessionId, HashSet<u32>>,
    hasher: RandomState,
}

struct Place<G> {
    grant: Option<Arc<Grant<G>>>,
    newer: u32,
    older: u32,
}

/// No place.
const NONE: u32 = u32::MAX;

impl<G> Shelf<G> {
    /// All grants that are known, dead ones too.
    pub(super) fn len(&self) -> usize {
        self.by_name.len()
    }

    pub(super) fn live_count(&self) -> usize {
        self.live
    }

    pub(super) fn by_token(&self, token: &TokenHash) -> Option<&Arc<Grant<G>>> {
        let hash = self.hasher.hash_one(Name(token.first()));
        let same = |place: &u32| self.at(*place).is_some_and(|grant| grant.token == *token);
        self.at(*self.by_name.find(hash, same)?)
    }

    pub(super) fn by_name(&self, name: Name) -> Option<&Arc<Grant<G>>> {
        self.at(self.place_of(name)?)
    }

    /// The live ones, newest first; those that are older than `after`, if that is
    /// given. After one that has ended, those that were not minted later.
    pub(super) fn live(
        &self,
        after: Option<&Arc<Grant<G>>>,
    ) -> impl Iterator<Item = &Arc<Grant<G>>> {
        let ended = after.filter(|after| after.fate() != Fate::Live);
        let first = match after {
            Some(after) if ended.is_none() => self
                .place_of(after.name())
                .map_or(NONE, |place| self.older(place)),
            _ => self.newest,
        };
        let place = iter::successors(Some(first), |&place| Some(self.older(place)));
        place
            .map_while(|place| self.at(place))
            // One that ends right now may still be in the chain.
            .filter(|grant| grant.fate() == Fate::Live)
            .skip_while(move |grant| ended.is_some_and(|ended| grant.created > ended.created))
    }

    /// The live ones of `owner`.
    pub(super) fn owned(&self, owner: &SessionId) -> impl Iterator<Item = &Arc<Grant<G>>> {
        let places = self.owners.get(owner).into_iter().flatten();
        places.filter_map(|place| self.at(*place))
    }

    /// Who has live ones.
    pub(super) fn owners(&self) -> impl Iterator<Item = &SessionId> {
        self.owners.keys()
    }

    /// Puts in a live grant whose token is fresh.
    pub(super) fn put(&mut self, grant: Arc<Grant<G>>) {
        let (name, owner) = (grant.name(), grant.owner().cloned());
        let filled = Place {
            grant: Some(grant),
            newer: NONE,
            older: self.newest,
        };
        let place = match self.places.get_mut(index(self.free)) {
            Some(free) => {
                let place = self.free;
                self.free = free.older;
                *free = filled;
                place
            }
            None => {
                let place = u32::try_from(self.places.len()).unwrap_or(NONE);
                self.places.push(filled);
                place
            }
        };
        if let Some(before) = self.places.get_mut(index(self.newest)) {
            before.newer = place;
        }
        self.newest = place;
        self.live += 1;
        if let Some(owner) = owner {
            self.owners.entry(owner).or_default().insert(place);
        }
        let Self {
            places,
            by_name,
            hasher,
            ..
        } = self;
        by_name.insert_unique(hasher.hash_one(name), place, |&place| {
            let grant = places.get(index(place)).and_then(|at| at.grant.as_ref());
            hasher.hash_one(grant.map_or(Name([0; 8]), |grant| grant.name()))
        });
    }

    /// A live grant has ended: it is found by its keys alone from now on.
    pub(super) fn end(&mut self, grant: &Grant<G>) {
        let Some(place) = self.place_of(grant.name()) else {
            return;
        };
        let Some(at) = self.places.get_mut(index(place)) else {
            return;
        };
        let (newer, older) = (at.newer, at.older);
        (at.newer, at.older) = (NONE, NONE);
        match self.places.get_mut(index(newer)) {
            Some(at) => at.older = older,
            None => self.newest = older,
        }
        if let Some(at) = self.places.get_mut(index(older)) {
            at.newer = newer;
        }
        self.live = self.live.saturating_sub(1);
        if let Some(owner) = grant.owner()
            && let Some(places) = self.owners.get_mut(owner)
        {
            places.remove(&place);
            if places.is_empty() {
                self.owners.remove(owner);
            }
        }
    }

    /// Forgets a grant that has ended.
    pub(super) fn remove(&mut self, grant: &Grant<G>) {
        let name = grant.name();
        let hash = self.hasher.hash_one(name);
        let places = &self.places;
        let same = |place: &u32| is_called(places, *place, name);
        let Ok(entry) = self.by_name.find_entry(hash, same) else {
            return;
        };
        let (place, _) = entry.remove();
        if let Some(at) = self.places.get_mut(index(place)) {
            at.grant = None;
            at.older = self.free;
            self.free = place;
        }
    }

    #[cfg(test)]
    pub(super) fn places(&self) -> usize {
        self.places.len()
    }

    fn place_of(&self, name: Name) -> Option<u32> {
        let hash = self.hasher.hash_one(name);
        let same = |place: &u32| is_called(&self.places, *place, name);
        self.by_name.find(hash, same).copied()
    }

    fn at(&self, place: u32) -> Option<&Arc<Grant<G>>> {
        self.places.get(index(place))?.grant.as_ref()
    }

    fn older(&self, place: u32) -> u32 {
        self.places.get(index(place)).map_or(NONE, |at| at.older)
    }
}

fn is_called<G>(places: &[Place<G>], place: u32, name: Name) -> bool {
    let grant = places.get(index(place)).and_then(|at| at.grant.as_ref());
    grant.is_some_and(|grant| grant.name() == name)
}

fn index(place: u32) -> usize {
    usize::try_from(place).unwrap_or(usize::MAX)
}

impl<G> Default for Shelf<G> {
    fn default() -> Self {
        Self {
            places: Vec::new(),
            by_name: HashTable::new(),
            free: NONE,
            newest: NONE,
            live: 0,
            owners: HashMap::new(),
            hasher: RandomState::new(),
        }
    }
}
