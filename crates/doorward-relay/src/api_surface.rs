//! `/api/relays` for the console, `/native/relays` for the command line: one set
//! of handlers, two doors.

use std::sync::Arc;

use doorward_guard::caller::Caller;
use doorward_guard::{
    Answer, Call, Native, Permit, Policy, Refusal, Rule, Session, Sessions, Surface,
};
use http::StatusCode;
use serde::Deserialize;
use serde_json::json;

use crate::api::{Asker, MintRequest};
use crate::error::RelayError;
use crate::relay::Relay;

type Outcome = Result<Answer, RelayError>;

impl Relay {
    /// `/api/relays`: what is open, for the console. What it opens is public and
    /// has TLS.
    #[must_use]
    pub fn console_surface(self: &Arc<Self>, sessions: &Arc<Sessions>) -> Surface<Session, Self> {
        let book = Arc::clone(sessions);
        let policy = Policy::console_api();
        Surface::new("relays", "/api/relays", policy, book, Arc::clone(self))
            .get("/", list::<Session>)
            .post("/", mint)
            .get("/{id}", one::<Session>)
            .delete("/{id}", revoke::<Session>)
    }

    /// `/native/relays`: the same for the user's own command line, which may also
    /// open what is on this machine and in local networks.
    #[must_use]
    pub fn native_surface(self: &Arc<Self>) -> Surface<Native, Self> {
        let policy = Policy::native();
        Surface::new(
            "nativeRelays",
            "/native/relays",
            policy,
            (),
            Arc::clone(self),
        )
        .get("/", list::<Native>)
        .post("/", mint_natively)
        .get("/{id}", one::<Native>)
        .delete("/{id}", revoke::<Native>)
    }
}

/// On whose behalf a permit lets us act.
trait Asks: Caller {
    fn asker(permit: &Permit<Self>) -> Asker
    where
        Self: Sized;
}

impl Asks for Session {
    fn asker(permit: &Permit<Self>) -> Asker {
        Asker {
            surface: "console",
            session: Some(permit.proof().id.clone()),
            local_networks: false,
        }
    }
}

impl Asks for Native {
    fn asker(_: &Permit<Self>) -> Asker {
        Asker {
            surface: "native",
            session: None,
            local_networks: false,
        }
    }
}

async fn list<C: Asks>(relay: Arc<Relay>, _: Permit<C>, _: Call) -> Answer {
    let (relays, total) = relay.views();
    Answer::json(&json!({ "relays": relays, "total": total }))
}

async fn one<C: Asks>(relay: Arc<Relay>, _: Permit<C>, call: Call) -> Result<Answer, Refusal> {
    let view = relay.view_of(call.param("id")).ok_or(Rule::NotFound)?;
    Ok(Answer::json(&view))
}

async fn mint(relay: Arc<Relay>, permit: Permit<Session>, call: Call) -> Outcome {
    let request: MintRequest = call.json()?;
    let minted = relay.mint_asked(&Session::asker(&permit), &request)?;
    Ok(Answer::json_with(StatusCode::CREATED, &minted))
}

/// What the command line may ask for on top.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct NativeMintRequest {
    #[serde(default)]
    allow_local: bool,
    #[serde(flatten)]
    request: MintRequest,
}

async fn mint_natively(relay: Arc<Relay>, permit: Permit<Native>, call: Call) -> Outcome {
    let NativeMintRequest {
        allow_local,
        request,
    } = call.json()?;
    let asker = Asker {
        local_networks: allow_local,
        ..Native::asker(&permit)
    };
    let minted = relay.mint_asked(&asker, &request)?;
    Ok(Answer::json_with(StatusCode::CREATED, &minted))
}

async fn revoke<C: Asks>(relay: Arc<Relay>, permit: Permit<C>, call: Call) -> Outcome {
    let revoked = relay.revoke_asked(&C::asker(&permit), call.param("id"))?;
    Ok(Answer::json(&json!({ "revoked": u8::from(revoked) })))
}
