//! What the media room keeps in a grant.

use std::fmt;
use std::num::{NonZeroU32, NonZeroU64};
use std::sync::atomic::{AtomicBool, AtomicU32, AtomicU64, Ordering};
use std::sync::{Arc, OnceLock};

use doorward_guard::rules::fetch_metadata::Uses;
use once_cell::race::OnceBox;
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

/// One object behind one URL, and what became of it. A listing makes hundreds of
/// them and few are ever opened, so what only a used one needs is in a box.
pub struct MediaGrant {
    shelf: Arc<Shelf>,
    place: Place,
    disposition: Disposition,
    caps: Option<Box<Caps>>,
    record: OnceBox<Record>,
}

/// What became of a grant that was used.
#[derive(Default)]
struct Record {
    pin: OnceLock<Arc<Version>>,
    changed: AtomicBool,
    requests: AtomicU64,
    bytes: AtomicU64,
    streams: AtomicU32,
    /// Whether it waits to be told in the next `grant.stats`.
    news: AtomicBool,
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
            caps: (caps != Caps::default()).then(|| Box::new(caps)),
            record: OnceBox::new(),
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
        self.record.get()?.pin.get().cloned()
    }

    /// Pins the version, or holds it against the one that is pinned.
    ///
    /// # Errors
    ///
    /// [`MediaError::Changed`].
    pub(crate) fn pin(&self, version: &Arc<Version>) -> Result<(), MediaError> {
        let pin = &self.record().pin;
        if pin.get_or_init(|| Arc::clone(version)).is(version) {
            Ok(())
        } else {
            Err(MediaError::Changed)
        }
    }

    /// Whether the object was found to be another than the pinned version. From
    /// then on the grant gives nothing, whatever the source says.
    #[must_use]
    pub fn is_changed(&self) -> bool {
        self.record
            .get()
            .is_some_and(|record| record.changed.load(Ordering::Acquire))
    }

    /// The object is another than the pinned version. Whether that is news: not
    /// if it was known, nor before any version was seen.
    pub(crate) fn has_changed(&self) -> bool {
        self.record.get().is_some_and(|record| {
            record.pin.get().is_some() && !record.changed.swap(true, Ordering::AcqRel)
        })
    }

    /// Requests so far.
    #[must_use]
    pub fn requests(&self) -> u64 {
        self.record
            .get()
            .map_or(0, |record| record.requests.load(Ordering::Relaxed))
    }

    /// Bytes of bodies so far.
    #[must_use]
    pub fn bytes(&self) -> u64 {
        self.record
            .get()
            .map_or(0, |record| record.bytes.load(Ordering::Relaxed))
    }

    /// Bodies on their way.
    #[must_use]
    pub fn streams(&self) -> u32 {
        self.record
            .get()
            .map_or(0, |record| record.streams.load(Ordering::Relaxed))
    }

    /// It is to be told in the next `grant.stats`. Whether it was not already.
    pub(crate) fn becomes_news(&self) -> bool {
        !self.record().news.swap(true, Ordering::AcqRel)
    }

    /// It is being told.
    pub(crate) fn is_told(&self) {
        self.record().news.store(false, Ordering::Release);
    }

    /// One request more. Whether it is the first.
    ///
    /// # Errors
    ///
    /// [`Cap::Uses`].
    pub(crate) fn count_request(&self) -> Result<bool, MediaError> {
        let most = self.caps().uses.map_or(u64::MAX, NonZeroU64::get);
        let before = take(&self.record().requests, 1, most);
        before
            .map(|(before, _)| before == 0)
            .ok_or(MediaError::Spent(Cap::Uses))
    }

    /// Up to `bytes` more; how many of them may be sent.
    pub(crate) fn count_bytes(&self, bytes: u64) -> u64 {
        let most = self.caps().bytes.map_or(u64::MAX, NonZeroU64::get);
        take(&self.record().bytes, bytes, most).map_or(0, |(_, taken)| taken)
    }

    /// One body more.
    ///
    /// # Errors
    ///
    /// [`Cap::Bytes`], [`Cap::Streams`].
    pub(crate) fn stream_begins(&self) -> Result<(), MediaError> {
        let caps = self.caps();
        if caps.bytes.is_some_and(|most| self.bytes() >= most.get()) {
            return Err(MediaError::Spent(Cap::Bytes));
        }
        let most = caps.streams.map_or(u32::MAX, NonZeroU32::get);
        let begun =
            self.record()
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
        self.record().streams.fetch_sub(1, Ordering::Relaxed);
    }

    fn caps(&self) -> Caps {
        self.caps.as_deref().copied().unwrap_or_default()
    }

    fn record(&self) -> &Record {
        self.record.get_or_init(Box::default)
    }
}

/// Adds as much of `more` as fits below `most`, and says what was there before and
/// how much that was; `None` if nothing fits.
fn take(counter: &AtomicU64, more: u64, most: u64) -> Option<(u64, u64)> {
    let fitting = |so_far: u64| more.min(most.saturating_sub(so_far));
    counter
        .fetch_update(Ordering::Relaxed, Ordering::Relaxed, |so_far| {
            (more == 0 || fitting(so_far) > 0).then(|| so_far.saturating_add(fitting(so_far)))
        })
        .ok()
        .map(|before| (before, fitting(before)))
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_grant_is_small() {
        // With the two counts of its `Arc` it is one piece of 160 bytes to malloc.
        assert!(std::mem::size_of::<doorward_guard::Grant<MediaGrant>>() + 16 <= 152);
    }

    #[cfg(target_os = "linux")]
    #[test]
    fn a_hundred_thousand_take_at_most_256_bytes_each() {
        use std::time::Duration;

        use doorward_guard::{Clock, GrantOptions, Grants, Origins};

        use crate::source::{Folder, Source};

        fn resident_kib() -> u64 {
            let status = std::fs::read_to_string("/proc/self/status").unwrap();
            let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
            line.unwrap().trim_end_matches("kB").trim().parse().unwrap()
        }

        let folder = tempfile::tempdir().unwrap();
        let source = Source::Folder(Arc::new(Folder::open(folder.path()).unwrap()));
        let shelf = Arc::new(Shelf::loose("x".to_owned(), source));
        let (clock, _hand) = Clock::fake();
        let grants = Grants::new(&clock);
        let mint = |count: u64| {
            for _ in 0..count {
                let place = shelf.source().unwrap().place("small/0.bin").unwrap();
                let (disposition, caps) = (Disposition::Inline, Caps::default());
                let data = MediaGrant::new(Arc::clone(&shelf), place, disposition, caps);
                let options = GrantOptions {
                    life: Duration::from_secs(3_600),
                    idle: None,
                    owner: None,
                    origins: Origins::Any,
                    uses: disposition.uses(),
                };
                grants.mint(data, options).unwrap();
            }
        };
        mint(1_000);
        let before = resident_kib();
        mint(99_000);
        let each = (resident_kib() - before) * 1024 / 99_000;
        assert!(each <= 256, "{each}");
        println!("{each} bytes each");
    }
}
