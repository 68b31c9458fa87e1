//! The media room: its sources, its grants, and what they come to.

mod beneath;
mod endings;
mod lanes;
mod notice;
mod stats;

use std::io;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError, RwLock, Weak};
use std::time::Duration;

use doorward_guard::audit::{AuditSink, Event, Kind};
use doorward_guard::events::Events;
use doorward_guard::table::grants::Fate;
use doorward_guard::{Clock, Grant, GrantOptions, Grants, Origins, Rule, SessionId};
use serde_json::json;

pub(crate) use notice::Notices;
pub use notice::{About, MediaEvent};
pub(crate) use stats::{Running, Stats};

use crate::defaults;
use crate::error::MediaError;
use crate::fetch::disk::Disk;
use crate::fetch::{FetchStats, MediaTuning};
use crate::grant::{Caps, Disposition, MediaGrant};
use crate::shelf::{Location, Shelf, Shelves, Wanted, display_path};
use crate::source::{Dialect, Folder, Place, Source};

/// The media room. One per bridge, shared by its surfaces.
#[derive(Debug)]
pub struct Media {
    pub(crate) clock: Clock,
    pub(crate) events: Events,
    pub(crate) grants: Arc<Grants<MediaGrant>>,
    pub(crate) shelves: Shelves,
    pub(crate) stats: Arc<Stats>,
    notices: Arc<Notices>,
    audit: Arc<dyn AuditSink>,
    content: String,
    /// Sources that grants were made for by path or URL, to share their
    /// connections. Newest last.
    loose: RwLock<Vec<Arc<Shelf>>>,
    /// Folders of which grants are live that were made by [`Media::grant_beneath`].
    shared: Mutex<Vec<Weak<Shelf>>>,
    console_adds: AtomicBool,
}

/// How a grant is made. The default lives [`defaults::GRANT_LIFE`], is inline,
/// belongs to no session and may be read by any page that holds the URL.
#[derive(Clone, Debug)]
pub struct MediaOptions {
    /// What the answer may be used as.
    pub disposition: Disposition,
    /// It ends after this; at most [`defaults::GRANT_LIFE_MOST`].
    pub life: Duration,
    /// It ends after this without use.
    pub idle: Option<Duration>,
    /// It ends with this session.
    pub owner: Option<SessionId>,
    /// Which pages may read the answer.
    pub origins: Origins,
    /// What may be had of it in all.
    pub caps: Caps,
}

/// A grant as its maker gets it. The URL is told here and never again.
#[derive(Clone, serde::Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Minted {
    /// What it opens.
    pub source: String,
    /// The capability.
    pub url: String,
    /// Its public name: for renewing and revoking.
    pub id: String,
    /// RFC 3339.
    pub expires_at: String,
}

/// The room at a glance.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Totals {
    /// Live grants.
    pub grants: usize,
    /// Bodies on their way.
    pub streams: u64,
    /// Bytes of bodies since the start.
    pub bytes: u64,
    /// Streams that stood still and gave way to others, since the start.
    pub evicted: u64,
}

/// On whose behalf something is done, for the audit.
#[derive(Clone, Debug)]
pub(crate) struct Asker {
    pub(crate) surface: &'static str,
    pub(crate) session: Option<SessionId>,
}

impl Media {
    /// An empty room whose URLs begin with `content`, the content listener's
    /// origin.
    #[must_use]
    pub fn new(
        clock: &Clock,
        events: &Events,
        audit: &Arc<dyn AuditSink>,
        content: &str,
    ) -> Arc<Self> {
        let most = doorward_guard::defaults::GRANTS;
        Self::with_capacity(clock, events, audit, content, most)
    }

    /// The same, of at most `most` grants.
    #[must_use]
    pub fn with_capacity(
        clock: &Clock,
        events: &Events,
        audit: &Arc<dyn AuditSink>,
        content: &str,
        most: usize,
    ) -> Arc<Self> {
        let grants = Arc::new(Grants::with_capacity(clock, most));
        let notices = Arc::new(Notices::new(events));
        let stats = Arc::new(Stats::new(clock, &notices));
        let (told, counted) = (Arc::clone(&notices), Arc::clone(&stats));
        grants.on_end(move |grant: &Arc<Grant<MediaGrant>>, fate| {
            counted.ended(grant);
            told.ended(grant, fate);
        });
        Arc::new(Self {
            clock: clock.clone(),
            events: events.clone(),
            grants,
            shelves: Shelves::default(),
            stats,
            notices,
            audit: Arc::clone(audit),
            content: content.trim_end_matches('/').to_owned(),
            loose: RwLock::default(),
            shared: Mutex::default(),
            console_adds: AtomicBool::new(false),
        })
    }

    /// Sets the budgets of what is kept and read ahead of its stores. Sources that
    /// are there already keep theirs: call it first.
    pub fn tune(&self, tuning: MediaTuning) {
        self.shelves.tune(tuning);
    }

    /// Keeps what its stores gave and memory has no room for in a file in
    /// `folder`, of at most `bytes`. Sources that are there already do without:
    /// call it first.
    ///
    /// The file has no name, ends with this process, and what is in it is sealed
    /// with a key that only this process knows. Nothing is kept there unless
    /// [`MediaTuning::cache`] lets memory keep something. A disk that is full,
    /// slow or damaged costs requests to the stores, never a byte.
    ///
    /// # Errors
    ///
    /// The folder does not exist or cannot be written to; less than 16 MiB.
    pub fn keep_on_disk(&self, folder: &Path, bytes: u64) -> io::Result<()> {
        self.shelves.keep_on(Disk::create(folder, bytes)?);
        Ok(())
    }

    /// Whether people may add sources from the console; they may not unless
    /// this says so.
    pub fn let_console_add(&self, allowed: bool) {
        self.console_adds.store(allowed, Ordering::Release);
    }

    pub(crate) fn console_may_add(&self) -> bool {
        self.console_adds.load(Ordering::Acquire)
    }

    /// Adds a configured source under `id` and `name`. One that cannot be opened
    /// is listed as failed, with the reason. Returns the id.
    ///
    /// # Errors
    ///
    /// [`Rule::CapacityReached`] after [`defaults::SOURCES`].
    pub async fn add_source(
        &self,
        id: &str,
        name: &str,
        location: Location,
    ) -> Result<String, MediaError> {
        let wanted = Wanted {
            id: Some(id),
            name: Some(name),
            location,
            keep_failed: true,
        };
        let (shelf, _) = self.shelves.add(&self.clock, wanted, || Ok(())).await?;
        Ok(shelf.id().to_owned())
    }

    /// Makes a URL for one object. `source` is `id:key` of a listed source, the
    /// path of any file that this process can read, or `s3://bucket/key`. This
    /// is for the program that embeds the room and for the user's own command
    /// line: it is not limited to the listed sources, and no page may call it.
    ///
    /// # Errors
    ///
    /// [`MediaError::NotFound`] or [`MediaError::InvalidSource`] for what cannot
    /// be named, [`Rule::CapacityReached`] when there are too many grants.
    pub async fn grant(&self, source: &str, options: MediaOptions) -> Result<Minted, MediaError> {
        let asker = Asker {
            surface: "embedder",
            session: options.owner.clone(),
        };
        let (shelf, place) = self.find(source).await?;
        self.audit_minting(&asker, 1)?;
        if let Some(owner) = &options.owner {
            self.make_room(owner);
        }
        self.mint(&shelf, place, options)
    }

    /// Calls `listener` when something happens to a grant, once for each
    /// [`MediaEvent`], on the thread where it happens: it must not block.
    pub fn on_event(&self, listener: impl Fn(&MediaEvent) + Send + Sync + 'static) {
        self.notices.listen(Arc::new(listener));
    }

    /// `session` is about to open another stream: if its others hold the
    /// connections that its browser has, the one that has stood still longest is
    /// cut off. Its grant stays, and players ask for the rest when they play on.
    /// Whether one was. That frees our side of the connection: a browser notices
    /// only when it reads on, and opens the next one through another lane.
    ///
    /// That is, if [`defaults::STALLED_MOST`] of them have stood still for
    /// [`defaults::STALLED_AFTER`], or one for [`defaults::STALLED_LONG`].
    /// Grants for download are left alone.
    pub fn make_room(&self, session: &SessionId) -> bool {
        self.stats.lanes.make_room(session)
    }

    /// Once a second: ends what is due, tells what changed.
    pub fn sweep(&self) {
        self.grants.sweep();
        let changed: Vec<_> = self
            .stats
            .take_news()
            .iter()
            .map(|grant| self.grant_view(grant))
            .collect();
        if !changed.is_empty() {
            let stats = json!({ "grants": changed });
            self.events.publish_passing("grant.stats", &stats, None);
        }
    }

    /// The sessions of which a stream runs.
    #[must_use]
    pub fn streaming_sessions(&self) -> Vec<SessionId> {
        self.stats.streaming_sessions()
    }

    /// The room at a glance.
    #[must_use]
    pub fn totals(&self) -> Totals {
        Totals {
            grants: self.grants.len(),
            streams: self.stats.streams(),
            bytes: self.stats.bytes(),
            evicted: self.stats.lanes.evicted(),
        }
    }

    /// What reading from a listed source came to; `None` if there is none, and
    /// for a folder, which is read directly.
    #[must_use]
    pub fn fetch_stats(&self, source: &str) -> Option<FetchStats> {
        self.shelves.find(source)?.source().ok()?.fetch_stats()
    }

    /// `id:key` of a listed source.
    pub(crate) fn find_listed(&self, text: &str) -> Result<(Arc<Shelf>, Place), MediaError> {
        let (id, key) = text.split_once(':').ok_or(MediaError::NotFound)?;
        let shelf = self.shelf(id)?;
        let place = shelf.source()?.place(key)?;
        Ok((shelf, place))
    }

    /// Whether the grant called `id` can still be used.
    #[must_use]
    pub fn is_live(&self, id: &str) -> bool {
        let grant = self.grants.by_id(id);
        grant.is_some_and(|grant| grant.fate() == Fate::Live)
    }

    pub(crate) fn shelf(&self, id: &str) -> Result<Arc<Shelf>, MediaError> {
        self.shelves
            .find(id)
            .ok_or_else(|| MediaError::Refused(Rule::NotFound.into()))
    }

    /// Anything that this process can read.
    pub(crate) async fn find(&self, text: &str) -> Result<(Arc<Shelf>, Place), MediaError> {
        if let Some((id, _)) = text.split_once(':')
            && self.shelves.find(id).is_some()
        {
            return self.find_listed(text);
        }
        if text.contains("://") {
            let Location::Store(mut config) = Location::parse(text)? else {
                return Err(MediaError::NotFound);
            };
            if config.dialect == Dialect::Web {
                // Which servers are asked is the configuration's to say.
                return Err(MediaError::InvalidSource(
                    "Name this web server as a source first, then its file as name:path.",
                ));
            }
            let key = std::mem::take(&mut config.prefix);
            let name = config.location();
            let shelf = match self.known(&name) {
                Some(shelf) => shelf,
                None => {
                    let store = config.build(&self.clock)?.sharing(&self.shelves.stock());
                    self.keep(Shelf::loose(name, Source::Store(Arc::new(store))))
                }
            };
            let place = shelf.source()?.place(&key)?;
            return Ok((shelf, place));
        }
        let path = PathBuf::from(text);
        let found = tokio::task::spawn_blocking(move || Folder::around(&path)).await;
        let stopped = |_| MediaError::NotReadable("the reader stopped".to_owned());
        let (folder, name) = found.map_err(stopped)??;
        let location = display_path(folder.root());
        // The same name may be another folder by now.
        let known = self.known(&location).filter(
            |shelf| matches!(shelf.source(), Ok(Source::Folder(known)) if known.is_same(&folder)),
        );
        let shelf = match known {
            Some(shelf) => shelf,
            None => self.keep(Shelf::loose(location, Source::Folder(Arc::new(folder)))),
        };
        let place = shelf.source()?.place(name.as_str())?;
        Ok((shelf, place))
    }

    fn known(&self, location: &str) -> Option<Arc<Shelf>> {
        let loose = self.loose.read().unwrap_or_else(PoisonError::into_inner);
        loose
            .iter()
            .find(|shelf| shelf.location() == location)
            .cloned()
    }

    fn keep(&self, shelf: Shelf) -> Arc<Shelf> {
        let shelf = Arc::new(shelf);
        let mut loose = self.loose.write().unwrap_or_else(PoisonError::into_inner);
        loose.retain(|known| known.location() != shelf.location());
        if loose.len() >= defaults::SOURCES {
            loose.remove(0);
        }
        loose.push(Arc::clone(&shelf));
        shelf
    }

    /// Writes down that grants are about to be made; they are not, if it fails.
    pub(crate) fn audit_minting(&self, asker: &Asker, count: usize) -> Result<(), MediaError> {
        let count = u64::try_from(count).unwrap_or(u64::MAX);
        self.decide(Kind::GrantMinted, asker, |event| event.count(count))
    }

    pub(crate) fn decide(
        &self,
        kind: Kind,
        asker: &Asker,
        fill: impl FnOnce(Event) -> Event,
    ) -> Result<(), MediaError> {
        let mut event = Event::allowed(kind, asker.surface);
        if let Some(session) = &asker.session {
            event = event.subject(session.as_str());
        }
        Ok(self.audit.decide(fill(event))?)
    }

    pub(crate) fn mint(
        &self,
        shelf: &Arc<Shelf>,
        place: Place,
        options: MediaOptions,
    ) -> Result<Minted, MediaError> {
        let source = shelf.label(place.name());
        let uses = options.disposition.uses();
        let data = MediaGrant::new(Arc::clone(shelf), place, options.disposition, options.caps);
        let options = GrantOptions {
            life: options.life.min(defaults::GRANT_LIFE_MOST),
            idle: options.idle,
            owner: options.owner,
            origins: options.origins,
            uses,
        };
        let (token, grant) = self.grants.mint(data, options)?;
        Ok(Minted {
            source,
            url: format!("{}/m/{}", self.content, token.reveal().as_str()),
            id: grant.id().to_string(),
            expires_at: self.clock.rfc3339(grant.expires()),
        })
    }
}

// === impl MediaOptions ===

impl Default for MediaOptions {
    fn default() -> Self {
        Self {
            disposition: Disposition::Inline,
            life: defaults::GRANT_LIFE,
            idle: None,
            owner: None,
            origins: Origins::Any,
            caps: Caps::default(),
        }
    }
}

// === impl Minted ===

/// Without the URL: it is a secret.
impl std::fmt::Debug for Minted {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Minted")
            .field("id", &self.id)
            .finish_non_exhaustive()
    }
}
