//! `/api/sources` and `/api/grants` for the console, `/native/media` for the
//! command line: one set of handlers, three doors.

use std::sync::Arc;
use std::time::Duration;

use doorward_guard::caller::Caller;
use doorward_guard::{
    Answer, Call, Native, Origin, Origins, Permit, Policy, Refusal, Rule, Session, Sessions,
    Surface,
};
use http::StatusCode;
use serde::Deserialize;
use serde_json::json;

use crate::api::{GrantsQuery, ListQuery, MintRequest};
use crate::error::MediaError;
use crate::grant::{Caps, Disposition};
use crate::media::{Asker, Media, MediaOptions};

type Outcome = Result<Answer, MediaError>;

impl Media {
    /// `/api/sources`: what there is, for the console.
    #[must_use]
    pub fn sources_surface(self: &Arc<Self>, sessions: &Arc<Sessions>) -> Surface<Session, Self> {
        let book = Arc::clone(sessions);
        Surface::new(
            "sources",
            "/api/sources",
            Policy::console_api(),
            book,
            Arc::clone(self),
        )
        .get("/", sources::<Session>)
        .post("/", add_source)
        .get("/{id}/list", list_source)
    }

    /// `/api/grants`: who may read what, for the console.
    #[must_use]
    pub fn grants_surface(self: &Arc<Self>, sessions: &Arc<Sessions>) -> Surface<Session, Self> {
        let book = Arc::clone(sessions);
        Surface::new(
            "grants",
            "/api/grants",
            Policy::console_api(),
            book,
            Arc::clone(self),
        )
        .get("/", grants::<Session>)
        .post("/", mint)
        .delete("/{id}", revoke::<Session>)
        .post("/{id}/renew", renew::<Session>)
        .post("/{id}/room", room)
    }

    /// `/native/media`: the same for the user's own command line, which may also
    /// name any file that it can read.
    #[must_use]
    pub fn native_surface(self: &Arc<Self>) -> Surface<Native, Self> {
        Surface::new(
            "nativeMedia",
            "/native/media",
            Policy::native(),
            (),
            Arc::clone(self),
        )
        .get("/sources", sources::<Native>)
        .post("/sources", add_source_natively)
        .get("/grants", grants::<Native>)
        .post("/grants", mint_natively)
        .delete("/grants/{id}", revoke::<Native>)
        .post("/revoke", revoke_natively)
        .post("/grants/{id}/renew", renew::<Native>)
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
        }
    }
}

impl Asks for Native {
    fn asker(_: &Permit<Self>) -> Asker {
        Asker {
            surface: "native",
            session: None,
        }
    }
}

async fn sources<C: Asks>(media: Arc<Media>, _: Permit<C>, _: Call) -> Answer {
    Answer::json(&json!({ "sources": media.source_views() }))
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct AddRequest {
    location: String,
}

async fn add_source(media: Arc<Media>, permit: Permit<Session>, call: Call) -> Outcome {
    if !media.console_may_add() {
        return Err(Refusal::from(Rule::SourceNotAllowed).into());
    }
    let AddRequest { location } = call.json()?;
    let view = media
        .add_dropped(&Session::asker(&permit), &location)
        .await?;
    Ok(Answer::json_with(StatusCode::CREATED, &view))
}

async fn add_source_natively(media: Arc<Media>, permit: Permit<Native>, call: Call) -> Outcome {
    let AddRequest { location } = call.json()?;
    let view = media
        .add_dropped(&Native::asker(&permit), &location)
        .await?;
    Ok(Answer::json_with(StatusCode::CREATED, &view))
}

async fn list_source(media: Arc<Media>, permit: Permit<Session>, call: Call) -> Outcome {
    let query: ListQuery = call.query()?;
    let listing = media
        .list(&Session::asker(&permit), call.param("id"), query)
        .await?;
    Ok(Answer::json(&listing))
}

async fn grants<C: Asks>(media: Arc<Media>, _: Permit<C>, call: Call) -> Outcome {
    let query: GrantsQuery = call.query()?;
    Ok(Answer::json(&media.grant_views(&query)?))
}

async fn mint(media: Arc<Media>, permit: Permit<Session>, call: Call) -> Outcome {
    let request: MintRequest = call.json()?;
    let grants = media.mint_listed(&Session::asker(&permit), &request)?;
    Ok(Answer::json_with(
        StatusCode::CREATED,
        &json!({ "grants": grants }),
    ))
}

/// What the command line may ask for on top.
#[derive(Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
struct NativeMintRequest {
    sources: Vec<String>,
    #[serde(default)]
    disposition: Disposition,
    #[serde(default)]
    caps: Caps,
    /// Seconds.
    life: Option<u64>,
    /// Pages that may read it; any, if there is none.
    #[serde(default)]
    origins: Vec<String>,
}

async fn mint_natively(media: Arc<Media>, permit: Permit<Native>, call: Call) -> Outcome {
    let request: NativeMintRequest = call.json()?;
    if request.sources.is_empty() {
        return Err(MediaError::InvalidSource("Name at least one file."));
    }
    if request.sources.len() > doorward_guard::defaults::GRANTS_PER_CALL {
        return Err(MediaError::InvalidSource(
            "One call mints at most 500 addresses.",
        ));
    }
    let origins: Option<Vec<Origin>> = request
        .origins
        .iter()
        .map(|text| Origin::parse(text))
        .collect();
    let origins = match origins {
        None => {
            return Err(MediaError::InvalidSource(
                "An origin is scheme://host:port.",
            ));
        }
        Some(none) if none.is_empty() => Origins::Any,
        Some(exact) => Origins::Exact(exact),
    };
    let mut options = MediaOptions {
        disposition: request.disposition,
        origins,
        caps: request.caps,
        ..MediaOptions::default()
    };
    if let Some(seconds) = request.life {
        options.life = Duration::from_secs(seconds.max(1));
    }
    let mut found = Vec::with_capacity(request.sources.len());
    for source in &request.sources {
        found.push(media.find(source).await?);
    }
    media.audit_minting(&Native::asker(&permit), found.len())?;
    let grants: Result<Vec<_>, MediaError> = found
        .into_iter()
        .map(|(shelf, place)| media.mint(&shelf, place, options.clone()))
        .collect();
    Ok(Answer::json_with(
        StatusCode::CREATED,
        &json!({ "grants": grants? }),
    ))
}

async fn revoke<C: Asks>(media: Arc<Media>, permit: Permit<C>, call: Call) -> Outcome {
    let revoked = media.revoke_asked(&C::asker(&permit), call.param("id"))?;
    Ok(Answer::json(&json!({ "revoked": revoked })))
}

/// Exactly one of these.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RevokeRequest {
    /// A URL that was given out.
    url: Option<String>,
    /// A grant's public name.
    id: Option<String>,
    /// Ids of listed sources: every grant of them.
    sources: Option<Vec<String>>,
    /// Every grant.
    #[serde(default)]
    all: bool,
}

async fn revoke_natively(media: Arc<Media>, permit: Permit<Native>, call: Call) -> Outcome {
    let asker = Native::asker(&permit);
    let request: RevokeRequest = call.json()?;
    let revoked = match (request.url, request.id, request.sources, request.all) {
        (Some(url), None, None, false) => {
            let token = url.rsplit('/').next().unwrap_or_default();
            let found = media.grants.find(token);
            media.revoke_chosen(&asker, found.into_iter().collect(), |_| true)?
        }
        (None, Some(id), None, false) => {
            let found = media.grants.by_id(&id);
            media.revoke_chosen(&asker, found.into_iter().collect(), |_| true)?
        }
        (None, None, Some(sources), false) => {
            media.revoke_chosen(&asker, media.grants.live(), |grant| {
                sources.iter().any(|id| grant.data.shelf().id() == id)
            })?
        }
        (None, None, None, true) => media.revoke_chosen(&asker, media.grants.live(), |_| true)?,
        _ => {
            return Err(MediaError::InvalidSource(
                "Name one url, one id, one source, or all.",
            ));
        }
    };
    Ok(Answer::json(&json!({ "revoked": revoked })))
}

async fn renew<C: Asks>(media: Arc<Media>, permit: Permit<C>, call: Call) -> Outcome {
    let id = call.param("id");
    let expires_at = media.renew_asked(&C::asker(&permit), id)?;
    Ok(Answer::json(&json!({ "id": id, "expiresAt": expires_at })))
}

/// A preview is about to be opened.
async fn room(media: Arc<Media>, permit: Permit<Session>, call: Call) -> Outcome {
    let made = media.room_asked(&Session::asker(&permit), call.param("id"))?;
    Ok(Answer::json(&json!({ "made": made })))
}
