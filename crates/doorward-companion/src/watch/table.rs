//! Which folders are watched, for whom, and what was told of each. No I/O.
//!
//! The system counts nothing: whoever asks for a folder twice gets one watch, and who
//! ends it ends it for all. So all who look at a folder share one entry here, which
//! ends its watch some time after the last of them left, so that a page that was cut
//! off hears what it missed.
//!
//! A watch is made while the table is not held, because a drive may be slow to
//! answer. In between, another may have ended it: then it is made again
//! ([`Joined::Again`]). Watches are ended while the table is held.

use std::collections::HashMap;
use std::sync::Arc;

use doorward_guard::Rule;
use tokio::sync::Notify;
use tokio::time::Instant;

use super::change::{Drained, Pending};
use super::history::{History, Lost, Next};
use super::message::Gone;
use super::platform::{Sign, Signal, Watch};
use crate::Instance;
use crate::defaults;

/// Every folder that is watched.
#[derive(Debug)]
pub(super) struct Table {
    run: Instance,
    directories: HashMap<u64, Directory>,
    watched: HashMap<Watch, u64>,
    /// How many watches have ended.
    ended: u64,
    last: u64,
    slots: HashMap<String, usize>,
}

/// What the table was like when a watch was asked for.
#[derive(Clone, Copy, Debug)]
pub(super) struct Seen(u64);

/// What came of a watch.
#[derive(Debug)]
pub(super) enum Joined {
    /// A seat at it.
    Taken(Taken),
    /// It may have ended since: ask for it again.
    Again,
    /// There is no place for it.
    Full,
}

/// A seat at a folder.
#[derive(Debug)]
pub(super) struct Taken {
    pub(super) directory: u64,
    pub(super) seat: u64,
    pub(super) epoch: String,
    /// What it was like then.
    pub(super) stamp: Stamp,
}

/// How a folder is.
#[derive(Debug)]
pub(super) struct Look {
    pub(super) next: Next,
    pub(super) stamp: Stamp,
    pub(super) gone: Option<Gone>,
}

/// What a folder was like when its place was looked at.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Stamp {
    pub(super) sequence: u64,
    /// How often the folder itself was touched.
    pub(super) shaken: u64,
}

#[derive(Debug)]
struct Directory {
    watch: Watch,
    epoch: String,
    history: History,
    pending: Pending,
    /// A name that moved away, and perhaps to another name here.
    moved: Option<(u32, String)>,
    /// When what is pending is told.
    due: Option<Instant>,
    shaken: u64,
    gone: Option<Gone>,
    seats: HashMap<u64, Arc<Notify>>,
    left: Option<Instant>,
}

impl Table {
    pub(super) fn new() -> Self {
        Self {
            run: Instance::random(),
            directories: HashMap::new(),
            watched: HashMap::new(),
            ended: 0,
            last: 0,
            slots: HashMap::new(),
        }
    }

    /// One more subscription of `key`.
    pub(super) fn take_slot(&mut self, key: &str) -> Result<(), Rule> {
        let own = self.slots.get(key).copied().unwrap_or_default();
        if own >= defaults::WATCHES_PER_KEY {
            return Err(Rule::CapacityReached);
        }
        self.slots.insert(key.to_owned(), own + 1);
        Ok(())
    }

    pub(super) fn leave_slot(&mut self, key: &str) {
        if let Some(count) = self.slots.get_mut(key) {
            *count = count.saturating_sub(1);
            if *count == 0 {
                self.slots.remove(key);
            }
        }
    }

    /// Before a watch is asked for.
    pub(super) fn seen(&self) -> Seen {
        Seen(self.ended)
    }

    /// After it was made. What had to make place is in `over`: a watch to end.
    pub(super) fn join(
        &mut self,
        watch: Watch,
        seen: Seen,
        bell: &Arc<Notify>,
        over: &mut Option<Watch>,
    ) -> Joined {
        let known = self.watched.get(&watch).copied();
        let directory = match known {
            Some(directory) => directory,
            None if seen.0 != self.ended => return Joined::Again,
            None => {
                if self.directories.len() >= defaults::WATCHED {
                    *over = self.end_one_left();
                }
                if self.directories.len() >= defaults::WATCHED {
                    return Joined::Full;
                }
                self.insert(watch)
            }
        };
        let seat = self.number();
        let Some(entry) = self.directories.get_mut(&directory) else {
            return Joined::Again;
        };
        entry.seats.insert(seat, Arc::clone(bell));
        entry.left = None;
        Joined::Taken(Taken {
            directory,
            seat,
            epoch: entry.epoch.clone(),
            stamp: entry.stamp(),
        })
    }

    /// A watch that was made, and that nobody joins after all. Whether it has to end.
    pub(super) fn gives_up(&mut self, watch: Watch) -> bool {
        let unknown = !self.watched.contains_key(&watch);
        // Another may have been given it, and not joined yet.
        self.ended += u64::from(unknown);
        unknown
    }

    pub(super) fn leave(&mut self, directory: u64, seat: u64, now: Instant) {
        let Some(entry) = self.directories.get_mut(&directory) else {
            return;
        };
        entry.seats.remove(&seat);
        if entry.seats.is_empty() {
            entry.left = Some(now);
            if entry.gone.is_some() {
                self.directories.remove(&directory);
            }
        }
    }

    /// What is next in a folder for who has `heard` so much of it; `None` if it is
    /// not in the table.
    pub(super) fn look(&self, directory: u64, heard: u64) -> Option<Look> {
        let entry = self.directories.get(&directory)?;
        Some(Look {
            next: entry.history.after(heard),
            stamp: entry.stamp(),
            gone: entry.gone,
        })
    }

    /// Whether who has heard `sequence` of `epoch` can hear the rest.
    pub(super) fn reaches(&self, directory: u64, epoch: &str, sequence: u64) -> bool {
        let entry = self.directories.get(&directory);
        entry.is_some_and(|entry| entry.epoch == epoch && entry.history.reaches(sequence))
    }

    /// Notes what the system says.
    pub(super) fn note(&mut self, signal: Signal, now: Instant) {
        let Signal { watch, sign } = signal;
        if let Sign::Overflow = sign {
            return self.lose_all();
        }
        let directory = self.watched.get(&watch).copied();
        if let Sign::Gone(why) = sign {
            self.ended += 1;
            self.watched.remove(&watch);
            if let Some(directory) = directory {
                self.end(directory, why);
            }
            return;
        }
        if let Some(entry) = directory.and_then(|id| self.directories.get_mut(&id)) {
            entry.note(sign, now);
        }
    }

    /// Tells what was pending long enough.
    pub(super) fn tell(&mut self, now: Instant) {
        for entry in self.directories.values_mut() {
            if entry.due.is_some_and(|due| due <= now) {
                entry.tell();
            }
        }
    }

    /// Takes out what nobody looks at any more: watches to end.
    pub(super) fn end_left(&mut self, now: Instant) -> Vec<Watch> {
        let over = |entry: &Directory| {
            let left = entry.left;
            left.is_some_and(|left| left + defaults::WATCH_LINGER <= now)
        };
        let ids: Vec<_> = self
            .directories
            .iter()
            .filter(|(_, entry)| over(entry))
            .map(|(&id, _)| id)
            .collect();
        ids.into_iter().filter_map(|id| self.remove(id)).collect()
    }

    /// The same for the one that was left first, however short ago.
    pub(super) fn end_one_left(&mut self) -> Option<Watch> {
        let left = self
            .directories
            .iter()
            .filter_map(|(&id, entry)| Some((entry.left?, id)));
        let (_, oldest) = left.min()?;
        self.remove(oldest)
    }

    /// The system watches nothing any more.
    pub(super) fn end_all(&mut self, why: Gone) {
        self.ended += 1;
        self.watched.clear();
        let all: Vec<_> = self.directories.keys().copied().collect();
        for directory in all {
            self.end(directory, why);
        }
    }

    /// When [`Table::tell`] or [`Table::end_left`] have something to do.
    pub(super) fn due(&self) -> Option<Instant> {
        let entries = self.directories.values();
        entries
            .flat_map(|entry| {
                let left = entry.left.map(|left| left + defaults::WATCH_LINGER);
                entry.due.into_iter().chain(left)
            })
            .min()
    }

    fn insert(&mut self, watch: Watch) -> u64 {
        let directory = self.number();
        let entry = Directory {
            watch,
            epoch: format!("{}.{directory}", self.run),
            history: History::new(),
            pending: Pending::default(),
            moved: None,
            due: None,
            shaken: 0,
            gone: None,
            seats: HashMap::new(),
            left: None,
        };
        self.directories.insert(directory, entry);
        self.watched.insert(watch, directory);
        directory
    }

    fn remove(&mut self, directory: u64) -> Option<Watch> {
        let entry = self.directories.remove(&directory)?;
        self.ended += 1;
        self.watched.remove(&entry.watch)?;
        Some(entry.watch)
    }

    fn end(&mut self, directory: u64, why: Gone) {
        if let Some(entry) = self.directories.get_mut(&directory) {
            entry.gone = Some(why);
            entry.ring();
            if entry.seats.is_empty() {
                self.directories.remove(&directory);
            }
        }
    }

    fn lose_all(&mut self) {
        for entry in self.directories.values_mut() {
            entry.pending = Pending::default();
            (entry.moved, entry.due) = (None, None);
            entry.history.lose(Lost::Overflow);
            entry.ring();
        }
    }

    fn number(&mut self) -> u64 {
        self.last += 1;
        self.last
    }
}

impl Directory {
    fn stamp(&self) -> Stamp {
        Stamp {
            sequence: self.history.sequence(),
            shaken: self.shaken,
        }
    }

    fn note(&mut self, sign: Sign, now: Instant) {
        match (self.moved.take(), sign) {
            (Some((cookie, from)), Sign::MovedTo(other, name)) if cookie == other => {
                self.pending.renamed(from, name);
            }
            (moved, sign) => {
                if let Some((_, from)) = moved {
                    // It left for another folder.
                    self.pending.removed(from);
                }
                match sign {
                    Sign::Created(name) | Sign::MovedTo(_, name) => self.pending.created(name),
                    Sign::Changed(name) => self.pending.changed(name),
                    Sign::Removed(name) => self.pending.removed(name),
                    Sign::MovedFrom(cookie, name) => self.moved = Some((cookie, name)),
                    Sign::Shaken => {
                        self.shaken += 1;
                        self.ring();
                        return;
                    }
                    // Of all folders, or of the table.
                    Sign::Overflow | Sign::Gone(_) => return,
                }
            }
        }
        self.due.get_or_insert(now + defaults::WATCH_WINDOW);
    }

    fn tell(&mut self) {
        self.due = None;
        if let Some((_, from)) = self.moved.take() {
            self.pending.removed(from);
        }
        match self.pending.drain() {
            Drained::Nothing => return,
            Drained::Changes(changes) => self.history.tell(&changes),
            Drained::TooMany => self.history.lose(Lost::TooMany),
        }
        self.ring();
    }

    fn ring(&self) {
        for bell in self.seats.values() {
            bell.notify_one();
        }
    }
}

#[cfg(test)]
impl Table {
    /// Folders, watches, and seats.
    pub(super) fn counts(&self) -> (usize, usize, usize) {
        let seats = self.directories.values().map(|entry| entry.seats.len());
        (self.directories.len(), self.watched.len(), seats.sum())
    }

    /// Subscriptions of every key.
    pub(super) fn slots(&self) -> usize {
        self.slots.values().sum()
    }
}
