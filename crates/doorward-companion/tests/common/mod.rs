//! A companion on a fake clock, and pages that want to be paired with it.
#![allow(
    dead_code,
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test that cannot go on must fail, and not every test needs all of it"
)]

use std::sync::Arc;
use std::time::Duration;

use doorward_companion::Instance;
use doorward_companion::pairing::keys::Keys;
use doorward_companion::pairing::page::{Comparing, Page};
use doorward_companion::pairing::{
    Config, Mode, Offer, PageKey, PairRefusal, Pairings, Scopes, Step, Window,
};
use doorward_guard::audit::{AuditSink, Event, Record, Select};
use doorward_guard::{Clock, FakeClock, Origin, Refusal, Rule};

pub(crate) const LISTEN: &str = "127.0.0.1:7319";
pub(crate) const READ: &str = r#"[{"folder":"Photos","rights":["read"]}]"#;
pub(crate) const WRITE: &str = r#"[{"folder":"Photos","rights":["read","write"]}]"#;

/// Takes everything, or nothing.
#[derive(Debug)]
pub(crate) struct Sink(pub(crate) bool);

impl AuditSink for Sink {
    fn record(&self, _: Event) {}

    fn decide(&self, _: Event) -> Result<(), Refusal> {
        if self.0 {
            return Ok(());
        }
        Err(Refusal::from(Rule::Internal))
    }

    fn select(&self, _: &Select) -> Vec<Record> {
        Vec::new()
    }
}

pub(crate) struct House {
    pub(crate) pairings: Pairings,
    pub(crate) hand: FakeClock,
    pub(crate) clock: Clock,
}

/// A page that has revealed, and its window.
pub(crate) struct Asked {
    pub(crate) origin: Origin,
    pub(crate) pid: String,
    pub(crate) page: Comparing,
    pub(crate) window: Window,
}

pub(crate) fn origin(text: &str) -> Origin {
    Origin::parse(text).unwrap()
}

pub(crate) fn app() -> Origin {
    origin("https://app.example")
}

pub(crate) fn scopes(json: &str) -> Scopes {
    serde_json::from_str(json).unwrap()
}

pub(crate) fn second(number: u64) -> Duration {
    Duration::from_secs(number)
}

pub(crate) fn pid(offer: &[u8]) -> String {
    serde_json::from_slice::<Offer>(offer).unwrap().pid
}

impl House {
    pub(crate) fn new() -> Self {
        Self::with(Mode::Ask, true)
    }

    pub(crate) fn with(mode: Mode, audit: bool) -> Self {
        let (clock, hand) = Clock::fake();
        let config = Config {
            mode,
            schemes: vec!["tauri".to_owned()],
            instance: Instance::random(),
            listen: LISTEN.to_owned(),
        };
        let pairings = Pairings::new(&clock, config, Arc::new(Sink(audit)));
        Self {
            pairings,
            hand,
            clock,
        }
    }

    pub(crate) fn try_ask(&mut self, origin: &Origin, asks: &str) -> Result<Asked, PairRefusal> {
        let page = Page::new(origin, "An app", scopes(asks));
        let offer = self.pairings.start(origin, page.start())?.bytes;
        let pid = pid(&offer);
        let window = self.pairings.reveal(origin, &pid, page.reveal())?;
        Ok(Asked {
            origin: origin.clone(),
            pid,
            page: page.compare(&offer, LISTEN).unwrap(),
            window,
        })
    }

    pub(crate) fn ask(&mut self, asks: &str) -> Asked {
        self.try_ask(&app(), asks).unwrap()
    }

    pub(crate) fn approve(&mut self, asked: &Asked) -> Result<Step, PairRefusal> {
        let scopes = asked.window.scopes.clone();
        self.pairings.approve(asked.window.number, &scopes, None)
    }

    pub(crate) fn confirm(&mut self, asked: &Asked) -> Result<Step, PairRefusal> {
        let proof = asked.page.keys().page_proof();
        self.pairings.confirm(&asked.origin, &asked.pid, &proof)
    }
}

pub(crate) fn both(step: Step) -> PageKey {
    match step {
        Step::Both(key) => *key,
        Step::Waiting => panic!("the other side has still to agree"),
    }
}

pub(crate) fn same_keys(page: &Keys, key: &PageKey) -> bool {
    page.request == key.request && page.response == key.response && page.key_id == key.key_id
}
