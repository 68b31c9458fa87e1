//! The native socket: what the command line, and other processes of the same
//! user, ask of a running doorward.

use std::sync::Arc;
use std::time::Duration;

use doorward_guard::guard::MountError;
use doorward_guard::table::sessions::EndReason;
use doorward_guard::{Answer, Call, Native, Permit, Policy, Refusal, Rule, Surface};
use serde::Deserialize;
use serde_json::json;

use crate::bridge::{Bridge, House};
use crate::report::{AuditQuery, audit_page, routes_page};

/// The authority that native callers name in `Host`.
pub const NATIVE_HOST: &str = "doorward";

pub(crate) fn mount(bridge: &mut Bridge) -> Result<(), MountError> {
    let house = bridge.house();
    let media = Arc::clone(house.media());
    let relay = Arc::clone(house.relay());
    let surface = Surface::new("native", "/native", Policy::native(), (), house)
        .get("/state", state)
        .get("/routes", routes)
        .get("/audit", audit)
        .post("/ticket", ticket)
        .get("/sessions", sessions)
        .delete("/sessions/{id}", end_session)
        .post("/stop", stop);
    bridge.mount(surface)?;
    bridge.mount(media.native_surface())?;
    if let Some(companion) = bridge.house().companion() {
        bridge.mount(companion.native_surface())?;
        bridge.mount(companion.folders_surface())?;
    }
    bridge.mount(relay.native_surface())
}

async fn state(house: Arc<House>, _permit: Permit<Native>, _call: Call) -> Answer {
    Answer::json(&house.state())
}

async fn routes(house: Arc<House>, _permit: Permit<Native>, _call: Call) -> Answer {
    Answer::json(&routes_page(&house))
}

async fn audit(house: Arc<House>, _permit: Permit<Native>, call: Call) -> Result<Answer, Refusal> {
    let query: AuditQuery = call.query()?;
    Ok(Answer::json(&audit_page(&house, query)))
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
struct Ticket {
    #[serde(default)]
    take_over: bool,
}

async fn ticket(house: Arc<House>, _permit: Permit<Native>, call: Call) -> Result<Answer, Refusal> {
    let Ticket { take_over } = call.json()?;
    let url = house.launch_url(take_over)?;
    let lasts = doorward_guard::defaults::TICKET_LIFE;
    let expires = house.clock().rfc3339(house.clock().now().plus(lasts));
    Ok(Answer::json(
        &json!({ "launchUrl": url, "expiresAt": expires }),
    ))
}

async fn sessions(house: Arc<House>, _permit: Permit<Native>, _call: Call) -> Answer {
    Answer::json(&json!({ "sessions": house.sessions().list() }))
}

async fn end_session(
    house: Arc<House>,
    _permit: Permit<Native>,
    call: Call,
) -> Result<Answer, Refusal> {
    match call.param("id") {
        "all" => {
            let count = house.sessions().list().len();
            house.sessions().revoke_all(EndReason::Revoked);
            Ok(Answer::json(&json!({ "revoked": count })))
        }
        id if house.sessions().revoke(id, EndReason::Revoked) => {
            Ok(Answer::json(&json!({ "revoked": 1 })))
        }
        _ => Err(Rule::NotFound.into()),
    }
}

/// Answers first, then asks whoever runs the bridge to stop.
async fn stop(house: Arc<House>, _permit: Permit<Native>, _call: Call) -> Answer {
    let asked = Arc::clone(&house);
    tokio::spawn(async move {
        tokio::time::sleep(Duration::from_millis(50)).await;
        asked.ask_to_stop();
    });
    Answer::json(&json!({ "stopping": true }))
}
