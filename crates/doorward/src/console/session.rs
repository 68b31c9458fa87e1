//! `/api/session`: a launch ticket becomes a session; a session ends.

use std::sync::Arc;

use doorward_guard::audit::{Event, Kind};
use doorward_guard::table::sessions::{EndReason, SessionView};
use doorward_guard::{Answer, Call, Permit, Policy, Refusal, Rule, Session, Surface, Ticket};
use http::HeaderValue;
use http::header::SET_COOKIE;
use serde::{Deserialize, Serialize};

use crate::bridge::House;

/// `POST /api/session/claim`: no CSRF token yet, so the exact Origin, a strict
/// rate and the ticket carry it.
pub(super) fn claim(house: &Arc<House>) -> Surface<Ticket, House> {
    let sessions = Arc::clone(house.sessions());
    Surface::new(
        "claim",
        "/api/session/claim",
        Policy::claim(),
        sessions,
        Arc::clone(house),
    )
    .post("/", exchange)
}

/// `POST /api/session/revoke`: signing out.
pub(super) fn revoke(house: &Arc<House>) -> Surface<Session, House> {
    let sessions = Arc::clone(house.sessions());
    let policy = Policy::console_api().body_at_most(doorward_guard::defaults::LOGIN_BODY);
    Surface::new(
        "session",
        "/api/session",
        policy,
        sessions,
        Arc::clone(house),
    )
    .post("/revoke", sign_out)
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Claim {
    ticket: String,
}

#[derive(Serialize)]
struct Claimed<'a> {
    proof: &'a str,
    csrf: &'a str,
    session: Option<SessionView>,
    content: &'a str,
}

async fn exchange(
    house: Arc<House>,
    permit: Permit<Ticket>,
    call: Call,
) -> Result<Answer, Refusal> {
    let Claim { ticket } = call.json()?;
    let claim = house.sessions().claim(&ticket, permit.proof().as_ref())?;
    let kind = if claim.joined {
        Kind::SessionJoined
    } else {
        Kind::SessionClaimed
    };
    let event = Event::allowed(kind, "claim")
        .subject(claim.session.as_str())
        .request(&permit.request_id());
    if let Err(refusal) = house.audit().decide(event) {
        // Nothing is given that could not be written down.
        house
            .sessions()
            .revoke(claim.session.as_str(), EndReason::Revoked);
        return Err(refusal);
    }
    if claim.joined {
        house.events().publish(
            "session.joined",
            &serde_json::json!({}),
            Some(&claim.session),
        );
    }
    let cookie = HeaderValue::from_str(&house.sessions().set_cookie(&claim.cookie))
        .map_err(|_| Rule::Internal)?;
    let claimed = Claimed {
        proof: &claim.proof.reveal(),
        csrf: &claim.csrf.reveal(),
        session: house.sessions().view(&claim.session),
        content: house.content_origin(),
    };
    Ok(Answer::json(&claimed).header(SET_COOKIE, cookie))
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Nothing {}

async fn sign_out(
    house: Arc<House>,
    permit: Permit<Session>,
    call: Call,
) -> Result<Answer, Refusal> {
    let Nothing {} = call.json()?;
    let revoked = house
        .sessions()
        .revoke(permit.proof().id.as_str(), EndReason::Revoked);
    let cookie =
        HeaderValue::from_str(&house.sessions().clear_cookie()).map_err(|_| Rule::Internal)?;
    Ok(Answer::json(&serde_json::json!({ "revoked": revoked })).header(SET_COOKIE, cookie))
}
