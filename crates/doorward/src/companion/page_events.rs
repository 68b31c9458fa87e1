//! `/events`: what a paired page is told as it happens.

use std::sync::Arc;

use doorward_companion::defaults;
use doorward_guard::{Answer, Call, Page, Permit, Policy, Rule, Surface};

use tokio::sync::broadcast::{self, error::RecvError};

use super::Companion;
use super::socket::{Farewell, Talk, enter};

pub(super) const EVENTS: &str = "/events";

/// What the pages of one pairing are told, as JSON.
#[derive(Clone, Debug)]
pub(super) struct Told {
    pub(super) key_id: Arc<str>,
    pub(super) text: Arc<str>,
}

/// Tells what happens, and listens to nothing: what a page claims here is not read.
struct PageEvents {
    hello: Option<&'static str>,
    told: broadcast::Receiver<Told>,
    key_id: String,
}

impl Companion {
    pub(super) fn events_surface(self: &Arc<Self>) -> Surface<Page, Self> {
        let (policy, askers) = (Policy::companion_sockets(), self.askers.clone());
        Surface::new("events", EVENTS, policy, askers, Arc::clone(self)).get_only("/", open)
    }
}

async fn open(room: Arc<Companion>, permit: Permit<Page>, call: Call) -> Result<Answer, Rule> {
    let told = room.told.subscribe();
    let talk = |key_id: &str| PageEvents {
        hello: Some(HELLO),
        told,
        key_id: key_id.to_owned(),
    };
    enter(&room, &permit, call, talk).await
}

// === impl Talk ===

impl Talk for PageEvents {
    const ROUTE: &'static str = EVENTS;
    const MESSAGE: usize = defaults::SOCKET_MESSAGE;

    async fn next(&mut self) -> String {
        if let Some(hello) = self.hello.take() {
            return hello.to_owned();
        }
        loop {
            match self.told.recv().await {
                Ok(told) if *told.key_id != *self.key_id => {}
                Ok(told) => return told.text.to_string(),
                // Some were missed: the page asks how things are.
                Err(RecvError::Lagged(_)) => return MISSED.to_owned(),
                // Nobody is left to tell anything; the socket's end comes too.
                Err(RecvError::Closed) => std::future::pending().await,
            }
        }
    }

    fn hear(&mut self, _said: &str) -> Result<(), Farewell> {
        Ok(())
    }
}

const HELLO: &str = r#"{"kind":"hello"}"#;
const MISSED: &str = r#"{"kind":"jobs.changed"}"#;
