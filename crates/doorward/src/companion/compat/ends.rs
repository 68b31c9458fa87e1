//! What a paired page asks of its own pairing, and tells of its language.

use std::sync::{Arc, PoisonError};

use chrono::{DateTime, FixedOffset};
use doorward_companion::defaults;
use doorward_guard::caller::Stamped;
use doorward_guard::{Answer, Call, Policy, Refusal, Rule, Surface};
use http::StatusCode;
use serde::Deserialize;
use serde_json::json;

use super::super::Companion;
use super::book::Roll;
use super::{Permitted, body, said};

/// What a page said of its language. Kept for this run: nothing here speaks it.
#[derive(Clone, Debug)]
pub(super) struct Spoken {
    language: String,
    regional_locale: String,
    updated_at: String,
    at: DateTime<FixedOffset>,
}

impl Companion {
    pub(super) fn compat_test(self: &Arc<Self>) -> Surface<Stamped<Roll>, Self> {
        self.stamped("compatTest", "/api/pair/test").post("/", test)
    }

    pub(super) fn compat_current(self: &Arc<Self>) -> Surface<Stamped<Roll>, Self> {
        self.stamped("compatCurrent", "/api/pair/current")
            .delete("/", end)
    }

    pub(super) fn compat_localization(self: &Arc<Self>) -> Surface<Stamped<Roll>, Self> {
        self.stamped("compatLocalization", "/api/localization")
            .post("/", localize)
    }

    pub(super) fn stamped(
        self: &Arc<Self>,
        name: &'static str,
        prefix: &'static str,
    ) -> Surface<Stamped<Roll>, Self> {
        let stamps = self.compat.stamps.clone();
        let room = Arc::clone(self);
        Surface::new(name, prefix, Policy::dangerous_stamped(), stamps, room)
    }
}

async fn test(_room: Arc<Companion>, permit: Permitted, _call: Call) -> Answer {
    let origin = permit.proof().origin.as_str();
    Answer::json(&json!({
        "status": "success",
        "message": format!("Pairing with {origin} is working."),
        "origin": origin,
    }))
}

async fn end(room: Arc<Companion>, permit: Permitted, _call: Call) -> Result<Answer, Refusal> {
    // All of this page's: it means the origin, and knows of one.
    for key_id in room.compat.roll().of(&permit.proof().origin) {
        room.forget(&key_id).await?;
    }
    let mut spoken = room
        .compat
        .spoken
        .lock()
        .unwrap_or_else(PoisonError::into_inner);
    spoken.remove(permit.proof().origin.as_str());
    Ok(Answer::empty(StatusCode::NO_CONTENT))
}

#[derive(Deserialize)]
struct Localize {
    language: String,
    regional_locale: String,
    updated_at: String,
}

async fn localize(room: Arc<Companion>, permit: Permitted, call: Call) -> Result<Answer, Refusal> {
    let Localize {
        language,
        regional_locale,
        updated_at,
    } = body(&call)?;
    let at = DateTime::parse_from_rfc3339(&updated_at)
        .map_err(|_| said(Rule::PairingMalformed, "Invalid updated_at timestamp"))?;
    if language.len() > defaults::LABEL || regional_locale.len() > defaults::LABEL {
        return Err(said(Rule::PairingMalformed, "Not a language"));
    }
    let origin = permit.proof().origin.as_str();
    let mut spoken = room
        .compat
        .spoken
        .lock()
        .unwrap_or_else(PoisonError::into_inner);
    let applied = spoken.get(origin).is_none_or(|known| known.at <= at);
    if applied {
        let fresh = Spoken {
            language,
            regional_locale,
            updated_at,
            at,
        };
        spoken.insert(origin.to_owned(), fresh);
    }
    let Some(now) = spoken.get(origin) else {
        return Err(Rule::Internal.into());
    };
    Ok(Answer::json(&json!({
        "applied": applied,
        "language": now.language,
        "regional_locale": now.regional_locale,
        "updated_at": now.updated_at,
        "source_origin": origin,
    })))
}
