//! The companion's room: pages that the person introduced to this computer.
//!
//! `doorward-companion` decides; here its decisions meet the listener, the audit
//! and the commands. A pairing is admitted once the vault has it and before its page
//! learns of it, and what ends one ends its tickets and sockets within a second.

mod approve;
mod book;
mod compat;
mod console;
mod dialog;
mod drives;
mod folders;
mod hook;
mod keeping;
mod knock;
mod native;
mod page_events;
mod paired;
mod refusal;
mod register;
mod relays;
mod socket;
mod watch;

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::UNIX_EPOCH;

use doorward_companion::drives::{DrivePlaces, Drives, Folders, Offered, Shared};
use doorward_companion::pairing::{
    Config, Ended, Ending, Mode, PageKey, Pairings, Right, Step, Way,
};
use doorward_companion::signing::{PairedKey, SocketTickets, Verifier};
use doorward_companion::vault::{KeptPage, Trouble, VaultState};
use doorward_companion::watch::Watcher;
use doorward_companion::{Instance, defaults};
use doorward_guard::audit::{AuditSink, Event, Kind};
use doorward_guard::caller::{Askers, Signatures};
use doorward_guard::events::Events;
use doorward_guard::guard::MountError;
use doorward_guard::{Clock, Guard, Refusal, Rule};
use doorward_media::Media;
use doorward_relay::Relay;
use serde_json::json;
use tokio::sync::{Notify, broadcast};

pub use approve::{Answer, Approval, Approve, Asked, Asking, News, OnScreen, Outcome};
use book::Book;
pub use book::PairingView;
use compat::Compat;
pub use dialog::{Dialog, NoDialog};
use drives::Links;
pub use drives::Opener;
pub use hook::{Hook, Hooked, Hooks, Request};
use keeping::Keeping;
pub use keeping::{Keep, VaultView};
use page_events::Told;
pub use register::Listed;
use relays::Relays;
use socket::Sockets;

/// What the companion listener is told.
#[derive(Clone, Debug)]
pub struct CompanionSettings {
    /// The first free one of these is taken; 0 is any.
    pub ports: Vec<u16>,
    /// Opens the compatible listener on this port; 0 is any. Its pages are paired and
    /// prove themselves in a weaker way: `doorward_companion::compat`.
    pub dangerous_compat: Option<u16>,
    /// Who may ask to be paired.
    pub pairing: Mode,
    /// Schemes besides http and https whose pages may ask.
    pub schemes: Vec<String>,
    /// Where pairings are kept; none for pairings that end with the run.
    pub keep: Option<Keep>,
    /// Who is asked.
    pub approval: Approval,
    /// Folders that paired pages may be granted.
    pub folders: Vec<Shared>,
    /// Drives that they may be granted besides, by their names.
    pub drives: Offered,
    /// The most that any page may do on those.
    pub drive_rights: Vec<Right>,
    /// What the drives keep between runs, and where this user's trash is.
    pub places: DrivePlaces,
    /// What opens files in their applications.
    pub opener: Opener,
}

/// The companion of one bridge.
#[derive(Debug)]
pub struct Companion {
    clock: Clock,
    audit: Arc<dyn AuditSink>,
    events: Events,
    listen: String,
    instance: Instance,
    mode: Mode,
    approval: Approval,
    askers: Askers,
    pairings: Mutex<Pairings>,
    book: Arc<Book>,
    keeping: Keeping,
    signatures: Signatures<Book>,
    compat: Compat,
    tickets: SocketTickets,
    /// Something that a waiting page wants to know has happened.
    changed: Notify,
    ends: broadcast::Sender<Over>,
    sockets: Arc<Sockets>,
    relays: Relays,
    links: Arc<Links>,
    folders: Arc<Folders>,
    drives: Arc<Drives>,
    told: broadcast::Sender<Told>,
    watcher: Watcher,
}

/// Why both agreed, and there is no pairing all the same.
#[derive(Clone, Copy, Debug)]
enum Unpaired {
    /// How the vault is that did not keep it.
    NotKept(VaultState),
    /// It ended meanwhile.
    Over(Rule),
}

/// What a live socket is told.
#[derive(Clone, Debug)]
enum Over {
    Pairing(String),
    Everything,
}

impl Default for CompanionSettings {
    fn default() -> Self {
        Self {
            ports: defaults::PORTS.to_vec(),
            dangerous_compat: None,
            pairing: Mode::Ask,
            schemes: Vec::new(),
            keep: None,
            approval: Approval::default(),
            folders: Vec::new(),
            drives: Offered::None,
            drive_rights: Vec::new(),
            places: DrivePlaces::default(),
            opener: Opener::default(),
        }
    }
}

impl Companion {
    /// No page is paired before [`Companion::restore`]. `port` is the listener's.
    pub(crate) fn new(
        clock: &Clock,
        audit: &Arc<dyn AuditSink>,
        port: u16,
        settings: &CompanionSettings,
        (events, relay, media): (&Events, &Arc<Relay>, &Arc<Media>),
    ) -> Arc<Self> {
        let (instance, listen) = (Instance::random(), format!("127.0.0.1:{port}"));
        let config = Config {
            mode: settings.pairing,
            schemes: settings.schemes.clone(),
            instance: instance.clone(),
            listen: listen.clone(),
        };
        let verifier = Verifier::new(clock, instance.clone(), &listen);
        let book = Arc::new(Book::new(clock, verifier));
        let folders = Arc::new(Folders::new(
            settings.folders.clone(),
            settings.drives,
            settings.drive_rights.clone(),
        ));
        let (links, told) = (
            Links::new(media),
            broadcast::Sender::new(defaults::SOCKET_NEWS_AHEAD),
        );
        let given = (&settings.places, &settings.opener);
        let drives = drives::open(clock, audit, &folders, given, (&book, &links, &told));
        Arc::new(Self {
            pairings: Mutex::new(Pairings::new(clock, config, Arc::clone(audit))),
            signatures: Signatures::new(&book, clock),
            compat: Compat::new(&book, clock),
            tickets: SocketTickets::new(clock),
            askers: Askers::new(&settings.schemes),
            clock: clock.clone(),
            audit: Arc::clone(audit),
            events: events.clone(),
            mode: settings.pairing,
            approval: settings.approval.clone(),
            changed: Notify::new(),
            ends: broadcast::Sender::new(defaults::SOCKET_ENDS_AHEAD),
            sockets: Arc::default(),
            relays: Relays::new(relay),
            links,
            folders,
            drives,
            told,
            watcher: Watcher::new(),
            keeping: Keeping::new(settings.keep.as_ref()),
            book,
            listen,
            instance,
        })
    }

    /// Who is paired.
    #[must_use]
    pub fn paired(&self) -> Vec<PairingView> {
        self.book.list()
    }

    /// What is shared with pages, as far as each was granted it.
    #[must_use]
    pub fn folders(&self) -> &Arc<Folders> {
        &self.folders
    }

    /// How the vault is.
    #[must_use]
    pub fn vault(&self) -> VaultView {
        self.keeping.view(&self.book.ids())
    }

    /// Asks the vault for what it keeps: those pages are paired from now on, and
    /// those that it no longer has are not. It may ask a person for its password,
    /// and wait for it.
    pub async fn restore(&self) {
        let found = self.keeping.load().await;
        for key_id in found.lost {
            if self.book.view(&key_id).is_some() {
                self.drop_key(&key_id);
            }
        }
        for page in found.pages {
            let key_id = page.key_id.clone();
            self.admit(page);
            if !self.keeping.listed().contains(&key_id) {
                // Forgotten meanwhile.
                self.drop_key(&key_id);
            }
        }
        self.news();
    }

    /// Waits until the vault has answered for the first time, as far as one is used.
    pub async fn restored(&self) {
        self.keeping.answered().await;
    }

    /// Ends a pairing: its signatures, tickets and sockets, and its entry in the
    /// vault. Whether there was one.
    ///
    /// # Errors
    ///
    /// It cannot be written down, so nothing ends; [`Rule::PairingMayReturn`] if it
    /// ended in this run, and may be back in the next.
    pub async fn forget(self: &Arc<Self>, key_id: &str) -> Result<bool, Refusal> {
        let page = self.book.view(key_id);
        let listed = self.keeping.listed().iter().any(|id| id == key_id);
        if page.is_none() && !listed {
            return Ok(false);
        }
        let origin = page.map(|page| page.origin).unwrap_or_default();
        let event = Event::allowed(Kind::PageForgotten, "pair");
        self.audit.decide(event.subject(key_id).detail(&origin))?;
        if !self.let_go(key_id) && !self.keeping.remove(key_id).await {
            return Err(Rule::PairingMayReturn.into());
        }
        Ok(true)
    }

    /// Every pairing, in effect or only listed.
    fn all(&self) -> Vec<String> {
        let mut all = self.keeping.listed();
        all.extend(self.book.ids());
        all.sort_unstable();
        all.dedup();
        all
    }

    pub(crate) fn mount(self: &Arc<Self>, guard: &mut Guard) -> Result<(), MountError> {
        guard.mount(self.hello_surface())?;
        guard.mount(self.pair_surface())?;
        guard.mount(self.pairing_surface())?;
        guard.mount(self.ticket_surface())?;
        guard.mount(self.relays_surface())?;
        self.mount_drives(guard)?;
        guard.mount(self.watch_surface())?;
        guard.mount(self.events_surface())
    }

    /// What happens once a second.
    pub(crate) fn sweep(self: &Arc<Self>) {
        let ended = self.pairings().ended();
        for Ended { forget, .. } in &ended {
            if let Some(key_id) = forget {
                self.let_go(key_id);
            }
        }
        if !ended.is_empty() {
            self.news();
        }
        self.drives.sweep();
    }

    /// The screen was locked: the request that is shown ends, because who sees it next
    /// may be somebody else.
    pub fn screen_locked(self: &Arc<Self>) {
        let window = self.pairings().window();
        if let Some(window) = window {
            let _ = self.pairings().close(window.number, Ending::WindowClosed);
            self.sweep();
        }
    }

    /// Ends the request that is shown, tells its sockets that doorward stops, and
    /// waits until they are gone, half a second at most.
    pub(crate) async fn shutdown(self: &Arc<Self>) {
        self.screen_locked();
        self.drives.close();
        let _ = self.ends.send(Over::Everything);
        self.sockets.gone().await;
    }

    /// Tells waiting pages and the console that something changed.
    fn news(&self) {
        self.changed.notify_waiters();
        self.events
            .publish_passing("pairing.changed", &json!({}), None);
    }

    fn pairings(&self) -> MutexGuard<'_, Pairings> {
        self.pairings.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// What follows from an approval or a confirmation. Whether the page is paired.
    /// Goes on even if its caller does not wait for it.
    async fn follow(self: &Arc<Self>, step: Step) -> Result<bool, Unpaired> {
        self.news();
        let key = match step {
            Step::Both(key) => key,
            Step::Waiting => return Ok(false),
        };
        let room = Arc::clone(self);
        let done = tokio::spawn(async move {
            let origin = key.origin.clone();
            let kept = room.keep(*key).await;
            match kept {
                Ok(_) => room.tell(&origin, Outcome::Paired),
                Err(why) => room.tell_unpaired(&origin, why),
            }
            kept
        });
        done.await.unwrap_or(Err(Unpaired::Over(Rule::Internal)))
    }

    async fn keep(self: &Arc<Self>, key: PageKey) -> Result<bool, Unpaired> {
        let wall = self.clock.wall().duration_since(UNIX_EPOCH);
        let page = KeptPage {
            key_id: key.key_id,
            origin: key.origin,
            label: key.label,
            scopes: key.scopes,
            way: key.way,
            request: key.request,
            response: key.response,
            created: wall.unwrap_or_default().as_secs(),
        };
        let full = self.book.ids().len() >= defaults::PAIRINGS;
        let kept = match full {
            true => Err(Unpaired::Over(Rule::CapacityReached)),
            false => {
                let kept = self.keeping.keep(&page).await;
                kept.map_err(Unpaired::NotKept)
            }
        };
        if let Err(why) = kept {
            self.pairings().not_kept(key.number);
            self.news();
            return Err(why);
        }
        let key_id = page.key_id.clone();
        self.admit(page);
        let kept = self.pairings().kept(key.number);
        if kept.is_err() {
            // Cancelled meanwhile.
            self.let_go(&key_id);
        }
        self.news();
        kept.map_err(|why| Unpaired::Over(refusal::pair(why)))?;
        if !self.keeping.state().is_good() {
            // It works now: the others may be there too.
            let room = Arc::clone(self);
            tokio::spawn(async move { room.restore().await });
        }
        Ok(true)
    }

    fn admit(&self, page: KeptPage) {
        let KeptPage {
            key_id,
            origin,
            label,
            scopes,
            way,
            request,
            response,
            created,
        } = page;
        if way == Way::Stamped {
            // Never a key of the signed surfaces.
            self.book
                .admit_stamped(&key_id, &origin, label, scopes, created);
            return self.compat.roll().admit(&origin, &key_id, request);
        }
        let key = PairedKey {
            key_id,
            origin,
            request,
            response,
        };
        self.book.admit(key, label, scopes, created);
    }

    /// Ends a pairing, and tells the vault. Whether it stays forgotten, whatever the
    /// vault does.
    fn let_go(self: &Arc<Self>, key_id: &str) -> bool {
        self.drop_key(key_id);
        let forgotten = self.keeping.forget(key_id).is_ok();
        if let Ok(runtime) = tokio::runtime::Handle::try_current() {
            let room = Arc::clone(self);
            runtime.spawn(async move { room.keeping.clean().await });
        }
        forgotten
    }

    fn drop_key(&self, key_id: &str) {
        self.book.revoke(key_id);
        self.tickets.revoke(key_id);
        self.signatures.forget(key_id);
        self.compat.forget(key_id);
        self.relays.revoke(key_id);
        self.links.revoke(key_id);
        self.drives.end_of(key_id);
        self.news();
        let _ = self.ends.send(Over::Pairing(key_id.to_owned()));
    }
}

// === impl Unpaired ===

impl Unpaired {
    /// What its person is told.
    fn for_person(self) -> Rule {
        match self {
            Self::NotKept(VaultState::Unlisted) => Rule::VaultUnlisted,
            Self::NotKept(VaultState::Troubled(Trouble::Absent | Trouble::NotInThisBuild)) => {
                Rule::VaultAbsent
            }
            Self::NotKept(VaultState::Troubled(Trouble::Locked)) => Rule::VaultLocked,
            Self::NotKept(_) => Rule::VaultFailed,
            Self::Over(rule) => rule,
        }
    }
}
