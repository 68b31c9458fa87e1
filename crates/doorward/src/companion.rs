//! The companion's room: pages that the person introduced to this computer.
//!
//! `doorward-companion` decides; here its decisions meet the listener, the audit
//! and the commands. A pairing is admitted before its page learns of it, and what
//! ends one ends its tickets and sockets within a second.

mod book;
mod knock;
mod native;
mod paired;
mod refusal;
mod socket;

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use doorward_companion::pairing::{Config, Ended, Mode, PageKey, Pairings, Step};
use doorward_companion::signing::{PairedKey, SocketTickets, Verifier};
use doorward_companion::{Instance, defaults};
use doorward_guard::audit::{AuditSink, Event, Kind};
use doorward_guard::caller::{Askers, Signatures};
use doorward_guard::guard::MountError;
use doorward_guard::{Clock, Guard, Refusal, Rule};
use tokio::sync::{Notify, broadcast};

use book::Book;
pub use book::PairingView;
use socket::Sockets;

/// What the companion listener is told.
#[derive(Clone, Debug)]
pub struct CompanionSettings {
    /// The first free one of these is taken; 0 is any.
    pub ports: Vec<u16>,
    /// Who may ask to be paired.
    pub pairing: Mode,
    /// Schemes besides http and https whose pages may ask.
    pub schemes: Vec<String>,
}

/// The companion of one bridge.
#[derive(Debug)]
pub struct Companion {
    clock: Clock,
    audit: Arc<dyn AuditSink>,
    listen: String,
    instance: Instance,
    mode: Mode,
    askers: Askers,
    pairings: Mutex<Pairings>,
    book: Arc<Book>,
    signatures: Signatures<Book>,
    tickets: SocketTickets,
    /// Something that a waiting page wants to know has happened.
    changed: Notify,
    ends: broadcast::Sender<Over>,
    sockets: Arc<Sockets>,
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
            pairing: Mode::Ask,
            schemes: Vec::new(),
        }
    }
}

impl Companion {
    /// No page is paired. `port` is the listener's.
    pub(crate) fn new(
        clock: &Clock,
        audit: &Arc<dyn AuditSink>,
        port: u16,
        settings: &CompanionSettings,
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
        Arc::new(Self {
            pairings: Mutex::new(Pairings::new(clock, config, Arc::clone(audit))),
            signatures: Signatures::new(&book, clock),
            tickets: SocketTickets::new(clock),
            askers: Askers::new(&settings.schemes),
            clock: clock.clone(),
            audit: Arc::clone(audit),
            mode: settings.pairing,
            changed: Notify::new(),
            ends: broadcast::Sender::new(defaults::SOCKET_ENDS_AHEAD),
            sockets: Arc::default(),
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

    /// Ends a pairing: its signatures, tickets and sockets. Whether there was one.
    ///
    /// # Errors
    ///
    /// It cannot be written down, so nothing ends.
    pub fn forget(&self, key_id: &str) -> Result<bool, Refusal> {
        let Some(page) = self.book.view(key_id) else {
            return Ok(false);
        };
        let event = Event::allowed(Kind::PageForgotten, "pair");
        self.audit
            .decide(event.subject(key_id).detail(&page.origin))?;
        self.drop_key(key_id);
        Ok(true)
    }

    pub(crate) fn mount(self: &Arc<Self>, guard: &mut Guard) -> Result<(), MountError> {
        guard.mount(self.hello_surface())?;
        guard.mount(self.pair_surface())?;
        guard.mount(self.pairing_surface())?;
        guard.mount(self.ticket_surface())?;
        guard.mount(self.socket_surface())
    }

    /// What happens once a second.
    pub(crate) fn sweep(&self) {
        let ended = self.pairings().ended();
        for Ended { forget, .. } in &ended {
            if let Some(key_id) = forget {
                self.drop_key(key_id);
            }
        }
        if !ended.is_empty() {
            self.changed.notify_waiters();
        }
    }

    /// Tells its sockets that doorward stops, and waits until they are gone, half a
    /// second at most.
    pub(crate) async fn shutdown(&self) {
        let _ = self.ends.send(Over::Everything);
        self.sockets.gone().await;
    }

    fn pairings(&self) -> MutexGuard<'_, Pairings> {
        self.pairings.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// What follows from an approval or a confirmation. Whether the page is paired.
    fn follow(&self, step: Step) -> Result<bool, Rule> {
        let Step::Both(key) = step else {
            return Ok(false);
        };
        let PageKey {
            number,
            key_id,
            origin,
            label,
            scopes,
            request,
            response,
        } = *key;
        let paired = PairedKey {
            key_id: key_id.clone(),
            origin,
            request,
            response,
        };
        self.book.admit(paired, label, scopes);
        let kept = self.pairings().kept(number);
        if kept.is_err() {
            // Cancelled meanwhile.
            self.drop_key(&key_id);
        }
        self.changed.notify_waiters();
        kept.map(|()| true).map_err(refusal::pair)
    }

    fn drop_key(&self, key_id: &str) {
        self.book.revoke(key_id);
        self.tickets.revoke(key_id);
        self.signatures.forget(key_id);
        let _ = self.ends.send(Over::Pairing(key_id.to_owned()));
    }
}
