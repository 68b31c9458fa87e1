//! What the house tells about itself: state, doors and audit.

use std::sync::Arc;

use doorward_guard::{Answer, Call, Permit, Policy, Refusal, Session, Surface};

use crate::bridge::House;
use crate::report::{AuditQuery, audit_page, routes_page};

/// `GET /api/state`.
pub(super) fn state(house: &Arc<House>) -> Surface<Session, House> {
    api("state", "/api/state", house).get(
        "/",
        |house: Arc<House>, permit: Permit<Session>, _: Call| async move {
            let mut state = house.state();
            state.session = house.sessions().view(&permit.proof().id);
            Answer::json(&state)
        },
    )
}

/// `GET /api/routes`: every surface and its policy.
pub(super) fn routes(house: &Arc<House>) -> Surface<Session, House> {
    api("routes", "/api/routes", house).get(
        "/",
        |house: Arc<House>, _: Permit<Session>, _: Call| async move {
            Answer::json(&routes_page(&house))
        },
    )
}

/// `GET /api/audit`: the latest decisions.
pub(super) fn audit(house: &Arc<House>) -> Surface<Session, House> {
    api("audit", "/api/audit", house).get(
        "/",
        |house: Arc<House>, _: Permit<Session>, call: Call| async move {
            let query: AuditQuery = call.query()?;
            Ok::<_, Refusal>(Answer::json(&audit_page(&house, query)))
        },
    )
}

fn api(name: &'static str, prefix: &'static str, house: &Arc<House>) -> Surface<Session, House> {
    let sessions = Arc::clone(house.sessions());
    Surface::new(
        name,
        prefix,
        Policy::console_api(),
        sessions,
        Arc::clone(house),
    )
}
