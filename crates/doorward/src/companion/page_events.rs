//! `/events`: what a paired page is told as it happens.

use std::sync::Arc;

use doorward_companion::defaults;
use doorward_guard::{Answer, Call, Page, Permit, Policy, Rule, Surface};

use super::Companion;
use super::socket::{Farewell, Talk, enter};

pub(super) const EVENTS: &str = "/events";

/// Says hello, and listens to nothing: what a page claims here is not read.
struct PageEvents {
    hello: Option<String>,
}

impl Companion {
    pub(super) fn events_surface(self: &Arc<Self>) -> Surface<Page, Self> {
        let (policy, askers) = (Policy::companion_sockets(), self.askers.clone());
        Surface::new("events", EVENTS, policy, askers, Arc::clone(self)).get_only("/", open)
    }
}

async fn open(room: Arc<Companion>, permit: Permit<Page>, call: Call) -> Result<Answer, Rule> {
    let talk = |_: &str| PageEvents {
        hello: Some(HELLO.to_owned()),
    };
    enter(&room, &permit, call, talk).await
}

// === impl Talk ===

impl Talk for PageEvents {
    const ROUTE: &'static str = EVENTS;
    const MESSAGE: usize = defaults::SOCKET_MESSAGE;

    async fn next(&mut self) -> String {
        match self.hello.take() {
            Some(hello) => hello,
            None => std::future::pending().await,
        }
    }

    fn hear(&mut self, _said: &str) -> Result<(), Farewell> {
        Ok(())
    }
}

const HELLO: &str = r#"{"kind":"hello"}"#;
