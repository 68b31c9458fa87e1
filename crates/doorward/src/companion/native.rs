//! `/native/pairings`: what the person's own commands ask and decide.

use std::sync::Arc;

use doorward_companion::pairing::Way;
use doorward_guard::{Answer, Call, Native, Origin, Permit, Policy, Refusal, Rule, Surface};
use serde::Deserialize;
use serde_json::{Value, json};

use super::{Companion, Unpaired, refusal};

impl Companion {
    pub(crate) fn native_surface(self: &Arc<Self>) -> Surface<Native, Self> {
        let policy = Policy::native();
        Surface::new(
            "nativePairings",
            "/native/pairings",
            policy,
            (),
            Arc::clone(self),
        )
        .get("/", list)
        .post("/allow", allow)
        .post("/check", check)
        .post("/{id}/approve", approve)
        .post("/{id}/deny", deny)
        .delete("/{id}", forget)
    }

    /// What waits for the person and who is paired. The code is not in it: whoever
    /// approves reads it on the page.
    #[must_use]
    pub fn overview(self: &Arc<Self>) -> Value {
        self.sweep();
        let window = self.pairings().window();
        let now = self.clock.now();
        json!({
            "pairing": self.mode_name(),
            "approve": self.approval.name(),
            "pending": window.map(|window| json!({
                "number": window.number,
                "origin": window.origin.as_str(),
                "label": window.label,
                "scopes": window.scopes,
                "typed": window.typed,
                "compat": window.way == Way::Stamped,
                "confirmed": window.confirmed,
                "expiresIn": window.left(now).as_secs(),
                "expiresAt": self.clock.rfc3339(window.until),
            })),
            "pairings": self.paired(),
            "vault": self.vault(),
        })
    }
}

async fn list(room: Arc<Companion>, _permit: Permit<Native>, _call: Call) -> Answer {
    Answer::json(&room.overview())
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Approve {
    code: String,
}

async fn approve(
    room: Arc<Companion>,
    _permit: Permit<Native>,
    call: Call,
) -> Result<Answer, Refusal> {
    let number = number(&call)?;
    let Approve { code } = call.json()?;
    let step = {
        let mut pairings = room.pairings();
        let window = pairings.window().filter(|window| window.number == number);
        let scopes = window.ok_or(Rule::PairingGone)?.scopes;
        pairings.approve(number, &scopes, Some(&code))
    };
    room.sweep();
    let followed = room.follow(step.map_err(refusal::pair)?).await;
    let paired = followed.map_err(Unpaired::for_person)?;
    let state = if paired { "paired" } else { "waiting" };
    Ok(Answer::json(&json!({ "state": state })))
}

async fn deny(
    room: Arc<Companion>,
    _permit: Permit<Native>,
    call: Call,
) -> Result<Answer, Refusal> {
    let denied = room.pairings().deny(number(&call)?);
    room.sweep();
    denied.map_err(refusal::pair)?;
    Ok(Answer::json(&json!({ "state": "denied" })))
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Allow {
    origin: Option<String>,
}

async fn allow(
    room: Arc<Companion>,
    _permit: Permit<Native>,
    call: Call,
) -> Result<Answer, Refusal> {
    let Allow { origin } = call.json()?;
    let origin = match origin {
        None => None,
        Some(text) => Some(Origin::parse(&text).ok_or(Rule::InvalidJson)?),
    };
    let allowed = room.pairings().allow(origin.as_ref());
    room.sweep();
    allowed.map_err(refusal::pair)?;
    let lasts = doorward_companion::defaults::GESTURE.as_secs();
    Ok(Answer::json(&json!({ "allowedFor": lasts })))
}

/// The vault is asked again. It may ask for its password.
async fn check(room: Arc<Companion>, _permit: Permit<Native>, _call: Call) -> Answer {
    room.restore().await;
    Answer::json(&room.overview())
}

async fn forget(
    room: Arc<Companion>,
    _permit: Permit<Native>,
    call: Call,
) -> Result<Answer, Refusal> {
    let ids = match call.param("id") {
        "all" => room.all(),
        id => vec![id.to_owned()],
    };
    let mut forgotten = 0;
    for id in ids {
        forgotten += u32::from(room.forget(&id).await?);
    }
    Ok(Answer::json(&json!({ "forgotten": forgotten })))
}

fn number(call: &Call) -> Result<u64, Rule> {
    call.param("id").parse().map_err(|_| Rule::PairingGone)
}
