//! What the media room keeps in a grant.

use std::fmt;
use std::num::{NonZeroU32, NonZeroU64};
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

/// What may be had of a grant in all. Without any of them, as much as is asked
/// for until it ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Caps {
    /// Requests, `HEAD` included and preflights not. Players send many.
    pub uses: Option<NonZeroU64>,
    /// Bytes of bodies. The answer that goes over it is cut off there.
    pub bytes: Option<NonZeroU64>,
    /// Bodies on their way at once.
    pub streams: Option<NonZeroU32>,
}

/// One of the [`Caps`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Cap {
    /// All requests were made.
    Uses,
    /// All bytes were sent.
    Bytes,
    /// As many bodies as may are on their way.
    Streams,
}

/// One object behind one URL, and what became of it.
pub struct MediaGrant {
    shelf: Arc<Shelf>,
    place: Place,
    disposition: Disposition,
    caps: Caps,
    pin: OnceLock<Arc<Version>>,
    changed: AtomicBool,
    requests: AtomicU64,
    bytes: AtomicU64,
    streams: AtomicU32,
    /// Whether it waits to be told in the next `grant.stats`.
    pub(crate) news: AtomicBool,
}

// === impl MediaGrant ===

impl MediaGrant {
    pub(crate) fn new(
        shelf: Arc<Shelf>,
        place: Place,
        disposition: Disposition,
        caps: Caps,
    ) -> Self {
        Self {
            shelf,
            place,
            disposition,
            caps,
            pin: OnceLock::new(),
            changed: AtomicBool::new(false),
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

    /// Whether the object was found to be another than the pinned version. From
    /// then on the grant gives nothing, whatever the source says.
    #[must_use]
    pub fn is_changed(&self) -> bool {
        self.changed.load(Ordering::Acquire)
    }

    /// The object is another than the pinned version. Whether that is news: not
    /// if it was known, nor before any version was seen.
    pub(crate) fn has_changed(&self) -> bool {
        self.pin.get().is_some() && !self.changed.swap(true, Ordering::AcqRel)
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

    /// One request more.
    ///
    /// # Errors
    ///
    /// [`Cap::Uses`].
    pub(crate) fn count_request(&self) -> Result<(), MediaError> {
        let most = self.caps.uses.map_or(u64::MAX, NonZeroU64::get);
        take(&self.requests, 1, most)
            .map(|_| ())
            .ok_or(MediaError::Spent(Cap::Uses))
    }

    /// Up to `bytes` more; how many of them may be sent.
    pub(crate) fn count_bytes(&self, bytes: u64) -> u64 {
        let most = self.caps.bytes.map_or(u64::MAX, NonZeroU64::get);
        take(&self.bytes, bytes, most).unwrap_or(0)
    }

    /// One body more.
    ///
    /// # Errors
    ///
    /// [`Cap::Bytes`], [`Cap::Streams`].
    pub(crate) fn stream_begins(&self) -> Result<(), MediaError> {
        if self
            .caps
            .bytes
            .is_some_and(|most| self.bytes() >= most.get())
        {
            return Err(MediaError::Spent(Cap::Bytes));
        }
        let most = self.caps.streams.map_or(u32::MAX, NonZeroU32::get);
        let begun = self
            .streams
            .fetch_update(Ordering::Relaxed, Ordering::Relaxed, |streams| {
                (streams < most).then(|| streams.saturating_add(1))
            });
        match begun {
            Ok(_) => Ok(()),
            Err(_) => Err(MediaError::Spent(Cap::Streams)),
        }
    }

    pub(crate) fn stream_ends(&self) {
        self.streams.fetch_sub(1, Ordering::Relaxed);
    }
}

/// Adds as much of `more` as fits below `most`, and says how much that was;
/// `None` if nothing fits.
fn take(counter: &AtomicU64, more: u64, most: u64) -> Option<u64> {
    let fitting = |so_far: u64| more.min(most.saturating_sub(so_far));
    counter
        .fetch_update(Ordering::Relaxed, Ordering::Relaxed, |so_far| {
            (more == 0 || fitting(so_far) > 0).then(|| so_far.saturating_add(fitting(so_far)))
        })
        .ok()
        .map(fitting)
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
