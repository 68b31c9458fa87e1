//! What the media room keeps in a grant.

use std::fmt;
use std::sync::atomic::{AtomicBool, AtomicU32, AtomicU64, Ordering};
use std::sync::{Arc, OnceLock};

use doorward_guard::rules::fetch_metadata::Uses;
use serde::{Deserialize, Serialize};

use crate::error::MediaError;
use crate::shelf::Shelf;
use crate::source::{Place, Version};

/// What the answer may be used as.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
#[non_exhaustive]
pub enum Disposition {
    /// In media elements and by `fetch`. Active types answer as plain text.
    #[default]
    Inline,
    /// As a file to save.
    Download,
    /// Also in a frame. Active types answer as plain text.
    Framed,
    /// Also in a frame and as a page, with its own type, inside of a sandbox
    /// that runs nothing.
    Isolated,
}

/// One object behind one URL, and what became of it.
pub struct MediaGrant {
    shelf: Arc<Shelf>,
    place: Place,
    disposition: Disposition,
    pin: OnceLock<Arc<Version>>,
    requests: AtomicU64,
    bytes: AtomicU64,
    streams: AtomicU32,
    /// Whether it waits to be told in the next `grant.stats`.
    pub(crate) news: AtomicBool,
}

// === impl MediaGrant ===

impl MediaGrant {
    pub(crate) fn new(shelf: Arc<Shelf>, place: Place, disposition: Disposition) -> Self {
        Self {
            shelf,
            place,
            disposition,
            pin: OnceLock::new(),
            requests: AtomicU64::new(0),
            bytes: AtomicU64::new(0),
            streams: AtomicU32::new(0),
            news: AtomicBool::new(false),
        }
    }

    /// Where the object is from.
    #[must_use]
    pub fn shelf(&self) -> &Arc<Shelf> {
        &self.shelf
    }

    /// The object.
    #[must_use]
    pub fn place(&self) -> &Place {
        &self.place
    }

    /// What the answer may be used as.
    #[must_use]
    pub fn disposition(&self) -> Disposition {
        self.disposition
    }

    /// The version that was seen first.
    #[must_use]
    pub fn pinned(&self) -> Option<Arc<Version>> {
        self.pin.get().cloned()
    }

    /// Pins the version, or holds it against the one that is pinned.
    ///
    /// # Errors
    ///
    /// [`MediaError::Changed`].
    pub(crate) fn pin(&self, version: &Arc<Version>) -> Result<(), MediaError> {
        if self.pin.get_or_init(|| Arc::clone(version)).is(version) {
            Ok(())
        } else {
            Err(MediaError::Changed)
        }
    }

    /// Requests so far.
    #[must_use]
    pub fn requests(&self) -> u64 {
        self.requests.load(Ordering::Relaxed)
    }

    /// Bytes of bodies so far.
    #[must_use]
    pub fn bytes(&self) -> u64 {
        self.bytes.load(Ordering::Relaxed)
    }

    /// Bodies on their way.
    #[must_use]
    pub fn streams(&self) -> u32 {
        self.streams.load(Ordering::Relaxed)
    }

    pub(crate) fn count_request(&self) {
        self.requests.fetch_add(1, Ordering::Relaxed);
    }

    pub(crate) fn count_bytes(&self, bytes: u64) {
        self.bytes.fetch_add(bytes, Ordering::Relaxed);
    }

    pub(crate) fn stream_begins(&self) {
        self.streams.fetch_add(1, Ordering::Relaxed);
    }

    pub(crate) fn stream_ends(&self) {
        self.streams.fetch_sub(1, Ordering::Relaxed);
    }
}

/// Without the object's name: it does not belong into logs.
impl fmt::Debug for MediaGrant {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("MediaGrant")
            .field("shelf", &self.shelf.id())
            .field("disposition", &self.disposition)
            .finish_non_exhaustive()
    }
}

// === impl Disposition ===

impl Disposition {
    /// What the guard lets browsers use the answer as.
    #[must_use]
    pub fn uses(self) -> Uses {
        Uses {
            framed: matches!(self, Self::Framed | Self::Isolated),
            document: matches!(self, Self::Download | Self::Isolated),
        }
    }
}
