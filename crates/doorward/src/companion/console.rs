//! `/api/pairings`: what the console shows of the companion. Requests are seen here,
//! and answered where the person was asked.

use std::sync::Arc;

use doorward_guard::{Answer, Call, Permit, Policy, Refusal, Rule, Session, Sessions, Surface};
use serde_json::json;

use super::Companion;

impl Companion {
    pub(crate) fn console_surface(
        self: &Arc<Self>,
        sessions: &Arc<Sessions>,
    ) -> Surface<Session, Self> {
        let book = Arc::clone(sessions);
        let policy = Policy::console_api();
        Surface::new("pairings", "/api/pairings", policy, book, Arc::clone(self))
            .get("/", list)
            .delete("/{id}", forget)
    }
}

async fn list(room: Arc<Companion>, _permit: Permit<Session>, _call: Call) -> Answer {
    Answer::json(&room.overview())
}

async fn forget(
    room: Arc<Companion>,
    _permit: Permit<Session>,
    call: Call,
) -> Result<Answer, Refusal> {
    // A browser that leaves does not stop it halfway.
    let id = call.param("id").to_owned();
    let forgetting = tokio::spawn(async move { room.forget(&id).await });
    match forgetting.await.map_err(|_panic| Rule::Internal)?? {
        true => Ok(Answer::json(&json!({ "forgotten": 1 }))),
        false => Err(Rule::NotFound.into()),
    }
}
