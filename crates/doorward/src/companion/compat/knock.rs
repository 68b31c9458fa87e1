//! `/api/health` and `/api/pair`: what may be asked before a page is paired.

use std::sync::Arc;
use std::time::Duration;

use doorward_companion::compat::{normalise, read_nonce, secret_text};
use doorward_companion::defaults;
use doorward_companion::pairing::{Introduced, NotIntroduced, PairRefusal, Plainly, Scope, Scopes};
use doorward_guard::{Answer, Call, Origin, Permit, Policy, Refusal, Rule, Surface, Visitor};
use http::StatusCode;
use serde::Deserialize;
use serde_json::json;

use super::super::{Approval, Companion, refusal};
use super::{askers, body, said};

impl Companion {
    pub(super) fn compat_health(self: &Arc<Self>) -> Surface<Visitor, Self> {
        let room = Arc::clone(self);
        Surface::new(
            "compatHealth",
            "/api/health",
            Policy::dangerous_visiting(),
            askers(),
            room,
        )
        .get("/", health)
    }

    pub(super) fn compat_pair(self: &Arc<Self>) -> Surface<Visitor, Self> {
        let room = Arc::clone(self);
        Surface::new(
            "compatPair",
            "/api/pair",
            Policy::dangerous_visiting(),
            askers(),
            room,
        )
        .get("/status", status)
        .post("/initiate", initiate)
        .post("/confirm", confirm)
        .post("/cancel", cancel)
    }

    /// Every folder that is shared, with all its rights, as far as a window shows them.
    async fn everything(&self) -> Scopes {
        let folders = Arc::clone(&self.folders);
        let all = tokio::task::spawn_blocking(move || folders.all()).await;
        let mut scopes: Vec<_> = all
            .unwrap_or_default()
            .iter()
            .map(|folder| Scope {
                folder: folder.name().clone(),
                rights: folder.rights().to_vec(),
            })
            .filter(|scope| !scope.rights.is_empty())
            .collect();
        if scopes.len() > defaults::FOLDERS {
            tracing::warn!(
                most = defaults::FOLDERS,
                "more folders are shared than one pairing gets: the later ones are left out"
            );
            scopes.truncate(defaults::FOLDERS);
        }
        Scopes::try_from(scopes).unwrap_or_default()
    }
}

async fn health(room: Arc<Companion>, permit: Permit<Visitor>, _call: Call) -> Answer {
    // A page learns of itself alone.
    let paired = match permit.proof() {
        Some(origin) => !room.compat.roll().of(origin).is_empty(),
        None => room.compat.roll().has_any(),
    };
    Answer::json(&json!({ "status": "healthy", "paired": paired }))
}

#[derive(Deserialize)]
struct Asked {
    #[serde(default)]
    origin: Option<String>,
}

async fn status(
    room: Arc<Companion>,
    permit: Permit<Visitor>,
    call: Call,
) -> Result<Answer, Refusal> {
    let Asked { origin } = call.query()?;
    let origin = who(&permit, origin.as_deref());
    let is_paired = |origin: &Origin| !room.compat.roll().of(origin).is_empty();
    let paired = origin.as_ref().is_some_and(is_paired);
    let pending = origin
        .as_ref()
        .is_some_and(|origin| room.pairings().introduces(origin));
    let status = match (paired, pending) {
        (true, _) => "paired",
        (false, true) => "pending_local_approval",
        (false, false) => "unpaired",
    };
    Ok(Answer::json(&json!({
        "current_origin": origin.as_ref().map(Origin::as_str),
        "current_origin_paired": paired,
        "status": status,
    })))
}

#[derive(Deserialize)]
struct Initiate {
    nonce_browser: String,
    #[serde(default)]
    origin: Option<String>,
}

async fn initiate(
    room: Arc<Companion>,
    permit: Permit<Visitor>,
    call: Call,
) -> Result<Answer, Refusal> {
    let Initiate {
        nonce_browser,
        origin,
    } = body(&call)?;
    let nonce = read_nonce(&nonce_browser).map_err(|why| said(Rule::PairingMalformed, why))?;
    let origin = named(
        &permit,
        origin.as_deref(),
        "Missing origin in pairing request",
    )?;
    if matches!(room.approval, Approval::Off) {
        return Err(Rule::ApprovalUnavailable.into());
    }
    let scopes = room.everything().await;
    room.sweep();
    let introduced = room.pairings().introduce(&origin, &nonce, scopes);
    let Introduced {
        pairing_id,
        nonce,
        window,
    } = introduced.map_err(not_introduced)?;
    room.news();
    room.show(window);
    let nonce: String = nonce.iter().map(|byte| format!("{byte:02x}")).collect();
    Ok(Answer::json(
        &json!({ "pairing_id": pairing_id, "nonce_companion": nonce }),
    ))
}

#[derive(Deserialize)]
struct Meant {
    pairing_id: String,
    #[serde(default)]
    origin: Option<String>,
}

async fn confirm(
    room: Arc<Companion>,
    permit: Permit<Visitor>,
    call: Call,
) -> Result<Answer, Refusal> {
    let Meant { pairing_id, origin } = body(&call)?;
    let origin = named(
        &permit,
        origin.as_deref(),
        "Missing origin in pairing request",
    )?;
    let ask = || {
        let mut pairings = room.pairings();
        let asked = pairings.confirm_plainly(&origin, &pairing_id);
        asked.map_err(|why| over(why, pairings.is_of_another(&origin, &pairing_id)))
    };
    let mut asked = ask();
    room.sweep();
    if let Ok(Plainly::Both(step)) = asked {
        // The vault may wait for its password, and the page does not.
        let kept = tokio::time::timeout(defaults::COMPAT_KEPT_WITHIN, room.follow(step)).await;
        match kept {
            Err(_late) => return Err(Rule::PairingPending.into()),
            Ok(Ok(_)) => {}
            Ok(Err(why)) => {
                // It hears so now, not once more.
                let _ = ask();
                let rule = why.for_person();
                let detail = format!("Failed to store pairing secret: {}", rule.message());
                return Err(said(Rule::PairingNotKept, detail));
            }
        }
        asked = ask();
    }
    match asked? {
        Plainly::Pending | Plainly::Both(_) => Err(Rule::PairingPending.into()),
        Plainly::Secret { key_id, secret } => {
            // This one is in its place now.
            for earlier in room.compat.roll().of(&origin) {
                if earlier != key_id
                    && let Err(why) = room.forget(&earlier).await
                {
                    tracing::warn!(%why, "an earlier pairing of this page could not be ended");
                }
            }
            Ok(Answer::json(
                &json!({ "secret": secret_text(&secret).as_str() }),
            ))
        }
    }
}

async fn cancel(
    room: Arc<Companion>,
    permit: Permit<Visitor>,
    call: Call,
) -> Result<Answer, Refusal> {
    let Meant { pairing_id, origin } = body(&call)?;
    let missing = "Missing origin in pairing cancel request";
    let origin = named(&permit, origin.as_deref(), missing)?;
    let cancelled = {
        let mut pairings = room.pairings();
        let cancelled = pairings.cancel_plainly(&origin, &pairing_id);
        cancelled.map_err(|why| over(why, pairings.is_of_another(&origin, &pairing_id)))
    };
    room.sweep();
    cancelled?;
    Ok(Answer::empty(StatusCode::NO_CONTENT))
}

/// Who asks: as the browser says, or where none does, as it says itself.
fn who(permit: &Permit<Visitor>, said: Option<&str>) -> Option<Origin> {
    let by_itself = || said.and_then(normalise);
    permit.proof().clone().or_else(by_itself)
}

fn named(
    permit: &Permit<Visitor>,
    own: Option<&str>,
    missing: &'static str,
) -> Result<Origin, Refusal> {
    who(permit, own).ok_or_else(|| said(Rule::PairingMalformed, missing))
}

fn over(why: PairRefusal, of_another: bool) -> Refusal {
    match why {
        PairRefusal::Gone if of_another => {
            said(Rule::PairingGone, "Pairing does not belong to this origin")
        }
        why => refusal::pair(why).into(),
    }
}

fn not_introduced(why: NotIntroduced) -> Refusal {
    match why {
        NotIntroduced::Refused(why) => refusal::pair(why).into(),
        NotIntroduced::Already => said(
            Rule::PairingBusy,
            "A pairing request for this origin is already waiting for approval",
        ),
        NotIntroduced::Wait(left) => {
            let seconds = left.as_secs() + u64::from(left.subsec_nanos() > 0);
            let detail =
                format!("Pairing was requested too recently. Try again in {seconds} second(s)");
            said(Rule::RateLimited, detail).retry_after(left.max(Duration::from_secs(1)))
        }
    }
}
