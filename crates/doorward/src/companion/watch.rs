//! `/watch`: a paired page is told what changes in folders that it may read.
//!
//! What is said on it: `doorward_companion::watch`.

use std::sync::Arc;

use doorward_companion::defaults;
use doorward_companion::drives::Folder;
use doorward_companion::pairing::{FolderName, Right};
use doorward_companion::watch::{Open, Session, Told, open_folder};
use doorward_guard::audit::{Event, Kind};
use doorward_guard::{Answer, Call, Page, Permit, Policy, Rule, Surface};
use tokio_tungstenite::tungstenite::protocol::frame::coding::CloseCode;

use super::Companion;
use super::socket::{Farewell, Talk, enter};

pub(super) const WATCH: &str = "/watch";
const SURFACE: &str = "watch";

/// What one page watches over one socket.
struct PageWatch {
    room: Arc<Companion>,
    session: Session,
}

impl Companion {
    pub(super) fn watch_surface(self: &Arc<Self>) -> Surface<Page, Self> {
        let (policy, askers) = (Policy::companion_sockets(), self.askers.clone());
        Surface::new(SURFACE, WATCH, policy, askers, Arc::clone(self)).get_only("/", open)
    }

    /// Opens folders as long as this pairing may read there.
    pub(super) fn reading(self: &Arc<Self>, key_id: &str) -> Arc<Open> {
        let (room, key_id) = (Arc::clone(self), key_id.to_owned());
        Arc::new(move |folder, path| {
            let folder = room.readable(&key_id, folder);
            let path = path.clone();
            Box::pin(async move {
                let opened = folder?.work(move |dir| open_folder(dir, &path)).await;
                opened.map_err(|why| why.rule())
            })
        })
    }

    fn readable(&self, key_id: &str, folder: &FolderName) -> Result<Arc<Folder>, Rule> {
        let scopes = self.book.scopes(key_id).ok_or(Rule::SignatureInvalid)?;
        let granted = self.folders.granted(folder, &scopes);
        let granted = granted.map_err(|why| why.rule())?;
        let folder = granted.with(Right::Read).map_err(|why| why.rule())?;
        Ok(Arc::clone(folder))
    }
}

async fn open(room: Arc<Companion>, permit: Permit<Page>, call: Call) -> Result<Answer, Rule> {
    let talk = |key_id: &str| PageWatch {
        session: Session::new(&room.watcher, key_id, room.reading(key_id)),
        room: Arc::clone(&room),
    };
    enter(&room, &permit, call, talk).await
}

// === impl Talk ===

impl Talk for PageWatch {
    const ROUTE: &'static str = WATCH;
    const MESSAGE: usize = defaults::WATCH_MESSAGE;

    async fn next(&mut self) -> String {
        let told = self.session.next().await;
        if let Told::Refused { rule, .. } = told {
            let event = Event::allowed(Kind::Refused, SURFACE).denied(rule);
            self.room.audit.record(event);
        }
        told.text()
    }

    fn hear(&mut self, said: &str) -> Result<(), Farewell> {
        self.session.hear(said).map_err(|rule| {
            let event = Event::allowed(Kind::Refused, SURFACE).denied(rule);
            self.room.audit.record(event);
            let last = Told::refused(None, rule).text();
            Farewell(last, CloseCode::Policy)
        })
    }
}
