//! What leaves memory goes to a file, if there is one.
//!
//! The file has no name, so no other process can open it and nothing of it is left
//! after the process, however that ends. What is written is sealed with a key that
//! only this process's memory holds: the blocks of a disk that once were part of
//! the file are noise, and one that was damaged is not there.

use std::fmt;
use std::fs::File;
use std::io;
use std::path::Path;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use aws_lc_rs::aead::{AES_256_GCM, Aad, LessSafeKey, NONCE_LEN, Nonce, UnboundKey};
use bytes::Bytes;
use quick_cache::sync::{Cache, DefaultLifecycle};
use quick_cache::{DefaultHashBuilder, OptionsBuilder, Weighter};
use tokio::sync::Semaphore;
use tokio::task::JoinHandle;
use zeroize::Zeroizing;

use super::length;
use super::stock::Piece;
use crate::defaults::{self, BLOCK, SMALL};
use crate::positional;

const BLOCK_LENGTH: usize = 64 * 1024;
const SEAL_LENGTH: usize = 16;
/// What sealing adds to a block.
const SEAL: u64 = SEAL_LENGTH as u64;
/// Places that a piece takes at most.
const PLACES: u64 = SMALL.div_ceil(BLOCK);
const _: () = assert!(BLOCK_LENGTH as u64 == BLOCK, "one unit for both");

/// A file of places, each as long as a block and its seal.
pub(crate) struct Disk {
    places: Arc<Places>,
    index: Cache<Piece, Arc<Slot>, Weight>,
    writes: Arc<Semaphore>,
}

struct Places {
    file: File,
    key: LessSafeKey,
    free: Mutex<Vec<u64>>,
    /// No two seals have the same number.
    seals: AtomicU64,
}

/// Where a piece is in the file. Its places are free once nobody reads there.
pub(crate) struct Slot {
    places: Arc<Places>,
    taken: Vec<u64>,
    /// The number of the first place's seal; the others' follow.
    seal: u64,
    length: usize,
}

#[derive(Clone)]
struct Weight;

// === impl Disk ===

impl Disk {
    /// A file in `folder` of at most so many bytes.
    ///
    /// # Errors
    ///
    /// The file cannot be made, or would not hold what is written at once.
    pub(crate) fn create(folder: &Path, bytes: u64) -> io::Result<Self> {
        Self::on(tempfile::tempfile_in(folder)?, bytes)
    }

    fn on(file: File, bytes: u64) -> io::Result<Self> {
        let all = bytes / (BLOCK + SEAL);
        let kept = all
            .checked_sub(length(defaults::DISK_WRITES) * PLACES)
            .filter(|kept| *kept >= PLACES)
            .ok_or(io::ErrorKind::InvalidInput)?;
        let mut key = Zeroizing::new([0; 32]);
        getrandom::fill(key.as_mut()).map_err(io::Error::other)?;
        let key = UnboundKey::new(&AES_256_GCM, key.as_ref()).map_err(io::Error::other)?;
        let options = OptionsBuilder::new()
            .estimated_items_capacity(usize::try_from(kept).unwrap_or(usize::MAX))
            .weight_capacity(kept)
            // Each shard would hold its own share, which may be less than a piece.
            .shards(1)
            .build()
            .map_err(io::Error::other)?;
        Ok(Self {
            places: Arc::new(Places {
                file,
                key: LessSafeKey::new(key),
                free: Mutex::new((0..all).rev().collect()),
                seals: AtomicU64::new(0),
            }),
            index: Cache::with_options(
                options,
                Weight,
                DefaultHashBuilder::default(),
                DefaultLifecycle::default(),
            ),
            writes: Arc::new(Semaphore::new(defaults::DISK_WRITES)),
        })
    }

    pub(crate) fn has(&self, piece: &Piece) -> bool {
        self.index.contains_key(piece)
    }

    pub(crate) fn find(&self, piece: &Piece) -> Option<Arc<Slot>> {
        self.index.get(piece)
    }

    /// What was found there is damaged.
    pub(crate) fn forget(&self, piece: &Piece) {
        self.index.remove(piece);
    }

    /// Writes a piece in the background. It is not kept if the disk does not keep
    /// up.
    pub(crate) fn put(self: &Arc<Self>, piece: Piece, bytes: Bytes) {
        if length(bytes.len()) > SMALL || self.has(&piece) {
            return;
        }
        let (Ok(permit), Ok(runtime)) = (
            Arc::clone(&self.writes).try_acquire_owned(),
            tokio::runtime::Handle::try_current(),
        ) else {
            return;
        };
        let disk = Arc::clone(self);
        runtime.spawn_blocking(move || {
            match Places::write(&disk.places, &bytes) {
                Ok(Some(slot)) => disk.index.insert(piece, Arc::new(slot)),
                Ok(None) => {}
                Err(error) => tracing::debug!(%error, "a piece is not kept on disk"),
            }
            drop(permit);
        });
    }
}

impl fmt::Debug for Disk {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Disk(..)")
    }
}

// === impl Places ===

impl Places {
    /// `None` if too many places are still read.
    fn write(places: &Arc<Self>, bytes: &[u8]) -> io::Result<Option<Slot>> {
        let Some(slot) = Self::take(places, bytes.len()) else {
            return Ok(None);
        };
        let parts = bytes.chunks(BLOCK_LENGTH);
        for ((number, place), part) in (slot.seal..).zip(&slot.taken).zip(parts) {
            let mut sealed = part.to_vec();
            places
                .key
                .seal_in_place_append_tag(nonce(number), Aad::empty(), &mut sealed)
                .map_err(io::Error::other)?;
            positional::write_all_at(&places.file, &sealed, at(*place))?;
        }
        Ok(Some(slot))
    }

    fn take(places: &Arc<Self>, length: usize) -> Option<Slot> {
        let wanted = length.div_ceil(BLOCK_LENGTH);
        let taken = {
            let mut free = places.free();
            let rest = free.len().checked_sub(wanted)?;
            free.split_off(rest)
        };
        Some(Slot {
            places: Arc::clone(places),
            seal: places
                .seals
                .fetch_add(super::length(wanted), Ordering::Relaxed),
            taken,
            length,
        })
    }

    fn free(&self) -> MutexGuard<'_, Vec<u64>> {
        self.free.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn at(place: u64) -> u64 {
    place * (BLOCK + SEAL)
}

fn nonce(number: u64) -> Nonce {
    let mut nonce = [0; NONCE_LEN];
    if let Some((first, _)) = nonce.split_first_chunk_mut() {
        *first = number.to_le_bytes();
    }
    Nonce::assume_unique_for_key(nonce)
}

// === impl Slot ===

impl Slot {
    /// Reads it in the background; `None` if it is damaged.
    pub(crate) fn read(self: Arc<Self>) -> JoinHandle<Option<Bytes>> {
        tokio::task::spawn_blocking(move || self.unseal())
    }

    fn unseal(&self) -> Option<Bytes> {
        let mut piece = Vec::with_capacity(self.length);
        let mut sealed = Vec::new();
        for (number, place) in (self.seal..).zip(&self.taken) {
            let part = (self.length - piece.len()).min(BLOCK_LENGTH);
            sealed.resize(part + SEAL_LENGTH, 0);
            positional::read_exact_at(&self.places.file, &mut sealed, at(*place)).ok()?;
            let key = &self.places.key;
            let opened = key.open_in_place(nonce(number), Aad::empty(), &mut sealed);
            piece.extend_from_slice(opened.ok()?);
        }
        Some(piece.into())
    }
}

impl Drop for Slot {
    fn drop(&mut self) {
        self.places.free().append(&mut self.taken);
    }
}

// === impl Weight ===

impl Weighter<Piece, Arc<Slot>> for Weight {
    fn weight(&self, _: &Piece, slot: &Arc<Slot>) -> u64 {
        length(slot.taken.len())
    }
}

#[cfg(test)]
#[path = "disk_tests.rs"]
mod tests;
