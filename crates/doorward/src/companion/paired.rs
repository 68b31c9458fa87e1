//! `/pairing` and `/ws/ticket`: what a paired page asks of its own pairing.

use std::sync::Arc;

use doorward_companion::defaults;
use doorward_guard::caller::Signed;
use doorward_guard::{Answer, Call, Permit, Policy, Refusal, Rule, Surface};
use serde::Deserialize;
use serde_json::json;

use super::book::Book;
use super::page_events::EVENTS;
use super::watch::WATCH;
use super::{Companion, refusal};

impl Companion {
    pub(super) fn pairing_surface(self: &Arc<Self>) -> Surface<Signed<Book>, Self> {
        let book = self.signatures.clone();
        Surface::new(
            "pairing",
            "/pairing",
            Policy::paired(),
            book,
            Arc::clone(self),
        )
        .get("/", own)
        .delete("/", end)
    }

    pub(super) fn ticket_surface(self: &Arc<Self>) -> Surface<Signed<Book>, Self> {
        let book = self.signatures.clone();
        Surface::new("sockets", "/ws", Policy::paired(), book, Arc::clone(self))
            .post("/ticket", ticket)
    }
}

async fn own(
    room: Arc<Companion>,
    permit: Permit<Signed<Book>>,
    _call: Call,
) -> Result<Answer, Rule> {
    // It may have ended since its signature was judged.
    let page = room.book.show(&permit.proof().key().key_id, Answer::json);
    page.ok_or(Rule::SignatureInvalid)
}

async fn end(
    room: Arc<Companion>,
    permit: Permit<Signed<Book>>,
    _call: Call,
) -> Result<Answer, Refusal> {
    room.forget(&permit.proof().key().key_id).await?;
    Ok(Answer::json(&json!({ "ended": true })))
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Wanted {
    route: String,
}

async fn ticket(
    room: Arc<Companion>,
    permit: Permit<Signed<Book>>,
    call: Call,
) -> Result<Answer, Refusal> {
    let Wanted { route } = call.json()?;
    if ![EVENTS, WATCH].contains(&route.as_str()) {
        return Err(Rule::NotFound.into());
    }
    let minted = room.tickets.mint(permit.proof(), &route);
    let token = minted.map_err(refusal::sign)?;
    if room.book.view(&permit.proof().key().key_id).is_none() {
        // Ended meanwhile: its ticket was made too late to be taken back.
        room.tickets.revoke(&permit.proof().key().key_id);
        return Err(Rule::SignatureInvalid.into());
    }
    Ok(Answer::json(&json!({
        "ticket": token.reveal().as_str(),
        "expiresIn": defaults::SOCKET_TICKET.as_secs(),
    })))
}
