//! `/api/ws`: what changes in folders, in Sambee's frames.
//!
//! A page there knows one message that matters: `directory_changed`, upon which it
//! lists again. So changes, and that some were missed, and that a folder is gone, are
//! all told as that one, and nothing is lost. What it asks for and does not get is
//! not answered: it knows no such answer.

use std::collections::{HashMap, VecDeque};
use std::sync::Arc;

use doorward_companion::compat::{connection_of, drive_id, drive_of, read_path};
use doorward_companion::defaults;
use doorward_companion::drives::RelPath;
use doorward_companion::pairing::FolderName;
use doorward_companion::watch::{Session, Told};
use doorward_guard::audit::{Event, Kind};
use doorward_guard::caller::{Stamped, Transport};
use doorward_guard::{Answer, Call, Policy, Rule, Surface};
use serde::Deserialize;
use serde_json::json;
use tokio_tungstenite::tungstenite::protocol::frame::coding::CloseCode;

use super::super::Companion;
use super::super::socket::{Farewell, Talk, enter_stamped};
use super::Permitted;
use super::book::Roll;

const SURFACE: &str = "compatWatch";

/// What one page watches over one socket.
struct Watching {
    room: Arc<Companion>,
    key_id: String,
    session: Session,
    /// By the name that it has in the session.
    places: HashMap<String, Place>,
    answers: VecDeque<String>,
    last: u64,
}

/// A folder, as the page named it.
struct Place {
    /// Told back as it was said.
    connection: String,
    drive: String,
    path: RelPath,
}

#[derive(Deserialize)]
#[serde(tag = "action", rename_all = "lowercase")]
enum Said {
    Subscribe { connection_id: String, path: String },
    Unsubscribe { connection_id: String, path: String },
    Ping,
}

impl Companion {
    pub(super) fn compat_sockets(self: &Arc<Self>) -> Surface<Stamped<Roll>, Self> {
        Surface::new(
            SURFACE,
            "/api/ws",
            Policy::dangerous_stamped_sockets(),
            self.compat.stamps.by(Transport::Query),
            Arc::clone(self),
        )
        .get_only("/", open)
    }

    /// The folder that is the drive `drive` to this pairing.
    fn folder_of(&self, key_id: &str, drive: &str) -> Option<FolderName> {
        let all = self.folders.all_granted(&self.book.scopes(key_id)?);
        let names = all.iter().map(|granted| granted.folder().name());
        names
            .into_iter()
            .find(|name| drive_id(name) == drive)
            .cloned()
    }
}

async fn open(room: Arc<Companion>, permit: Permitted, call: Call) -> Result<Answer, Rule> {
    let talk = |key_id: &str| Watching {
        session: Session::new(&room.watcher, key_id, room.reading(key_id)),
        room: Arc::clone(&room),
        key_id: key_id.to_owned(),
        places: HashMap::new(),
        answers: VecDeque::new(),
        last: 0,
    };
    enter_stamped(&room, &permit.proof().key_id, call, talk)
}

impl Watching {
    fn subscribe(&mut self, connection: String, path: &str) -> Result<(), Rule> {
        let drive = drive_of(&connection).to_owned();
        let Ok(path) = read_path(path, &drive) else {
            self.refuse(Rule::PathRefused);
            return Ok(());
        };
        let known = self.places.values();
        if known
            .into_iter()
            .any(|place| place.drive == drive && place.path == path)
        {
            self.answers
                .push_back(told("subscribed", &connection, &path));
            return Ok(());
        }
        let Some(folder) = self.room.folder_of(&self.key_id, &drive) else {
            self.refuse(Rule::FolderUnknown);
            return Ok(());
        };
        self.last += 1;
        let id = self.last.to_string();
        let said = json!({
            "action": "subscribe",
            "id": id,
            "folder": folder.as_str(),
            "path": path.as_str(),
        });
        let place = Place {
            connection,
            drive,
            path,
        };
        self.places.insert(id, place);
        self.session.hear(&said.to_string())
    }

    fn unsubscribe(&mut self, connection: &str, path: &str) -> Result<(), Rule> {
        let drive = drive_of(connection);
        let Ok(path) = read_path(path, drive) else {
            return Ok(());
        };
        let mut known = self.places.iter();
        let found = known.find(|(_, place)| place.drive == drive && place.path == path);
        let id = found.map(|(id, _)| id.clone());
        self.answers
            .push_back(told("unsubscribed", connection, &path));
        let Some(id) = id else {
            return Ok(());
        };
        self.places.remove(&id);
        let said = json!({ "action": "unsubscribe", "id": id });
        self.session.hear(&said.to_string())
    }

    /// What the page hears of `news`, if it is anything.
    fn tell(&mut self, news: Told) -> Option<String> {
        match news {
            Told::Subscribed { id, .. } => {
                let place = self.places.get(&id)?;
                Some(told("subscribed", &place.connection, &place.path))
            }
            Told::Changed { id, .. } | Told::Resync { id, .. } => {
                self.places.get(&id).map(Place::changed)
            }
            // When it lists the folder again, it hears why.
            Told::Gone { id, .. } => self.places.remove(&id).map(|place| place.changed()),
            Told::Refused { id, rule, .. } => {
                self.places.remove(&id.unwrap_or_default());
                self.refuse(rule);
                None
            }
            Told::Hello { .. } | Told::Unsubscribed { .. } | Told::Pong { .. } => None,
        }
    }

    fn refuse(&self, rule: Rule) {
        let event = Event::allowed(Kind::Refused, SURFACE).denied(rule);
        self.room.audit.record(event);
    }
}

impl Place {
    fn changed(&self) -> String {
        told("directory_changed", &connection_of(&self.drive), &self.path)
    }
}

fn told(kind: &str, connection: &str, path: &RelPath) -> String {
    json!({ "type": kind, "connection_id": connection, "path": path.as_str() }).to_string()
}

// === impl Talk ===

impl Talk for Watching {
    const ROUTE: &'static str = "/api/ws";
    const MESSAGE: usize = defaults::WATCH_MESSAGE;

    async fn next(&mut self) -> String {
        loop {
            if let Some(answer) = self.answers.pop_front() {
                return answer;
            }
            let news = self.session.next().await;
            if let Some(text) = self.tell(news) {
                return text;
            }
        }
    }

    fn hear(&mut self, said: &str) -> Result<(), Farewell> {
        let heard = match serde_json::from_str(said) {
            _ if self.answers.len() >= defaults::WATCH_ANSWERS => Err(Rule::RateLimited),
            Ok(Said::Subscribe {
                connection_id,
                path,
            }) => self.subscribe(connection_id, &path),
            Ok(Said::Unsubscribe {
                connection_id,
                path,
            }) => self.unsubscribe(&connection_id, &path),
            Ok(Said::Ping) => {
                self.answers
                    .push_back(json!({ "type": "pong" }).to_string());
                Ok(())
            }
            // Something else is not for us, to these pages.
            Err(_) => Ok(()),
        };
        heard.map_err(|rule| {
            self.refuse(rule);
            Farewell(told("refused", "", &RelPath::root()), CloseCode::Policy)
        })
    }
}
