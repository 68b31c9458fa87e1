//! `/relays`: a paired page opens an upstream that the configuration names for its
//! origin.
//!
//! The configuration is the person's word: which upstream, for which pages, and what
//! is open of it. A page says a name, and hears "there is no such thing" alike of
//! names that do not exist and of those that are for others. What it opened ends with
//! its pairing.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use doorward_companion::defaults;
use doorward_guard::caller::Signed;
use doorward_guard::{Answer, Call, Permit, Policy, Rule, Surface};
use doorward_relay::{Minted, Relay, RelayError};
use http::StatusCode;
use serde::Deserialize;

use super::Companion;
use super::book::Book;

/// What paired pages opened, by pairing.
#[derive(Debug)]
pub(super) struct Relays {
    room: Arc<Relay>,
    opened: Mutex<HashMap<String, Vec<String>>>,
}

impl Relays {
    pub(super) fn new(room: &Arc<Relay>) -> Self {
        Self {
            room: Arc::clone(room),
            opened: Mutex::default(),
        }
    }

    /// Ends what a pairing opened.
    pub(super) fn revoke(&self, key_id: &str) {
        let opened = self.opened().remove(key_id);
        for id in opened.into_iter().flatten() {
            self.room.revoke(&id);
        }
    }

    fn opened(&self) -> MutexGuard<'_, HashMap<String, Vec<String>>> {
        self.opened.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Companion {
    pub(super) fn relays_surface(self: &Arc<Self>) -> Surface<Signed<Book>, Self> {
        let book = self.signatures.clone();
        Surface::new(
            "pageRelays",
            "/relays",
            Policy::paired(),
            book,
            Arc::clone(self),
        )
        .post("/", open)
    }

    fn open_relay(&self, key_id: &str, name: &str) -> Result<Minted, RelayError> {
        let Relays { room, .. } = &self.relays;
        // Held to the end: a pairing that ends is out of the book before what it
        // opened is looked for.
        let mut opened = self.relays.opened();
        let page = self
            .book
            .origin(key_id)
            .ok_or(refused(Rule::SignatureInvalid))?;
        let of_page = opened.entry(key_id.to_owned()).or_default();
        of_page.retain(|id| room.view_of(id).is_some());
        if of_page.len() >= defaults::RELAYS_PER_KEY {
            return Err(refused(Rule::CapacityReached));
        }
        let minted = room.grant_for_page(name, &page)?;
        of_page.push(minted.id.clone());
        Ok(minted)
    }
}

fn refused(rule: Rule) -> RelayError {
    RelayError::Refused(rule.into())
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Wanted {
    name: String,
}

async fn open(
    room: Arc<Companion>,
    permit: Permit<Signed<Book>>,
    call: Call,
) -> Result<Answer, RelayError> {
    let Wanted { name } = call.json()?;
    let minted = room.open_relay(&permit.proof().key().key_id, &name)?;
    Ok(Answer::json_with(StatusCode::CREATED, &minted))
}
