//! `/api/operator`: what the console asks. Only a tab that claimed a launch ticket
//! comes this far; whose the gateway is, the room decides.

use std::sync::Arc;

use doorward_guard::table::sessions::SessionProof;
use doorward_guard::{
    Answer, Call, Permit, Policy, Refusal, Rule, Session, Sessions, Surface, defaults as guard,
};
use http::HeaderValue;
use http::header::{CONTENT_DISPOSITION, SET_COOKIE};
use serde::Deserialize;
use serde_json::json;

use crate::gateway::{AuthKind, AuthStart, Proof};
use crate::report::{Reported, TOKEN_HEADER};
use crate::room::{CallRequest, Came, LaunchRequest, Operator, Renewal};
use crate::vm::LoginVm;

type Outcome = Result<Answer, Refusal>;

/// The room, and the sessions of which it gives one a new id.
#[derive(Debug)]
pub struct Desk {
    operator: Arc<Operator>,
    sessions: Arc<Sessions>,
}

impl Operator {
    /// `/api/operator`: what is there, and what its owner does with it.
    #[must_use]
    pub fn surface(self: &Arc<Self>, sessions: &Arc<Sessions>) -> Surface<Session, Desk> {
        let surface = self
            .at("operator", "/api/operator", Policy::console_api(), sessions)
            .get("/state", state)
            .get("/auth/methods", methods)
            .get("/caps", caps)
            .get("/services", services)
            .get("/launchers", launchers)
            .get("/transcript/redacted", transcript)
            .get("/health", health)
            .get("/audit/recent", recent)
            .post("/config", config)
            .post("/launch/probe", probe)
            .post("/launch/start", launch)
            .post("/session/renew", renew)
            .post("/session/renew/step", renew_step)
            .post("/session/renew/cancel", cancel_renewal)
            .post("/logout", logout);
        if self.report().is_none() {
            return surface;
        }
        surface
            .get("/automation/report", report)
            .post("/automation/report", set_report)
    }

    /// `/api/operator/call`: operations. A chat that is polled in a hidden tab keeps
    /// no session alive.
    #[must_use]
    pub fn call_surface(self: &Arc<Self>, sessions: &Arc<Sessions>) -> Surface<Session, Desk> {
        let policy = Policy::console_api().by_input_alone();
        self.at("operatorCall", "/api/operator/call", policy, sessions)
            .post("/", run)
    }

    /// `/api/operator/login`: signing in, in small bodies.
    #[must_use]
    pub fn login_surface(self: &Arc<Self>, sessions: &Arc<Sessions>) -> Surface<Session, Desk> {
        let policy = Policy::console_api().body_at_most(guard::LOGIN_BODY);
        self.at("operatorLogin", "/api/operator/login", policy, sessions)
            .post("/password", password)
            .post("/anonymous", anonymous)
            .post("/guest", guest)
            .post("/publickey", public_key)
            .post("/step", step)
            .post("/cancel", cancel)
    }

    fn at(
        self: &Arc<Self>,
        name: &'static str,
        prefix: &'static str,
        policy: Policy<Session>,
        sessions: &Arc<Sessions>,
    ) -> Surface<Session, Desk> {
        let desk = Desk {
            operator: Arc::clone(self),
            sessions: Arc::clone(sessions),
        };
        Surface::new(name, prefix, policy, Arc::clone(sessions), desk)
    }
}

// === what is there ===

async fn state(desk: Arc<Desk>, permit: Permit<Session>, _: Call) -> Answer {
    Answer::json(&desk.operator.state(&permit.proof().id))
}

async fn methods(desk: Arc<Desk>, permit: Permit<Session>, _: Call) -> Answer {
    let gateway = desk.operator.state(&permit.proof().id).gateway;
    let methods = gateway.map(|gateway| gateway.methods).unwrap_or_default();
    Answer::json(&json!({ "methods": methods }))
}

async fn caps(desk: Arc<Desk>, permit: Permit<Session>, _: Call) -> Outcome {
    let (session, request) = (&permit.proof().id, &permit.request_id());
    let caps = desk.operator.caps(session, request).await?;
    Ok(Answer::json(&json!({ "caps": caps })))
}

async fn services(desk: Arc<Desk>, permit: Permit<Session>, _: Call) -> Outcome {
    let (session, request) = (&permit.proof().id, &permit.request_id());
    let services = desk.operator.services(session, request).await?;
    Ok(Answer::json(&json!({ "services": services })))
}

async fn launchers(desk: Arc<Desk>, permit: Permit<Session>, _: Call) -> Outcome {
    let (session, request) = (&permit.proof().id, &permit.request_id());
    let launchers = desk.operator.launchers(session, request).await?;
    Ok(Answer::json(&json!({ "launchers": launchers })))
}

async fn health(desk: Arc<Desk>, permit: Permit<Session>, _: Call) -> Outcome {
    Ok(Answer::json(
        &desk.operator.health(&permit.proof().id).await?,
    ))
}

async fn recent(desk: Arc<Desk>, permit: Permit<Session>, _: Call) -> Outcome {
    let events = desk.operator.recent(&permit.proof().id)?;
    Ok(Answer::json(&json!({ "events": events })))
}

/// Which rows, and how.
#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
struct TranscriptQuery {
    after: u64,
    format: Option<String>,
}

async fn transcript(desk: Arc<Desk>, permit: Permit<Session>, call: Call) -> Outcome {
    let query: TranscriptQuery = call.query()?;
    let transcript = desk.operator.transcript();
    let session = &permit.proof().id;
    match query.format.as_deref() {
        None | Some("json") => Ok(Answer::json(
            &json!({ "rows": transcript.read(session, query.after) }),
        )),
        Some("text") => Ok(Answer::whole(
            http::StatusCode::OK,
            "text/plain; charset=utf-8",
            transcript.export(session).into_bytes().into(),
        )
        .header(
            CONTENT_DISPOSITION,
            HeaderValue::from_static("attachment; filename=\"transcript.txt\""),
        )),
        Some(_) => Err(Rule::InvalidQuery.into()),
    }
}

// === signing in ===

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct ByPassword {
    account: String,
    password: Proof,
    #[serde(default)]
    profile: String,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct ByName {
    account: String,
    #[serde(default)]
    profile: String,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Nameless {
    #[serde(default)]
    profile: String,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct NextStep {
    answer: Proof,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Nothing {}

async fn password(desk: Arc<Desk>, permit: Permit<Session>, call: Call) -> Outcome {
    let ByPassword {
        account,
        password,
        profile,
    } = call.json()?;
    let start = AuthStart {
        kind: AuthKind::Password,
        account,
        profile,
        proof: Some(password),
    };
    desk.sign_in(&permit, start).await
}

async fn anonymous(desk: Arc<Desk>, permit: Permit<Session>, call: Call) -> Outcome {
    let Nameless { profile } = call.json()?;
    desk.sign_in(&permit, nameless(AuthKind::Anonymous, profile))
        .await
}

async fn guest(desk: Arc<Desk>, permit: Permit<Session>, call: Call) -> Outcome {
    let Nameless { profile } = call.json()?;
    desk.sign_in(&permit, nameless(AuthKind::Guest, profile))
        .await
}

async fn public_key(desk: Arc<Desk>, permit: Permit<Session>, call: Call) -> Outcome {
    let ByName { account, profile } = call.json()?;
    let start = AuthStart {
        account,
        ..nameless(AuthKind::PublicKey, profile)
    };
    desk.sign_in(&permit, start).await
}

async fn step(desk: Arc<Desk>, permit: Permit<Session>, call: Call) -> Outcome {
    let NextStep { answer } = call.json()?;
    let proof = permit.proof();
    let came = desk
        .operator
        .answer(&proof.id, &permit.request_id(), answer)
        .await?;
    desk.signed_in(proof, came)
}

async fn cancel(desk: Arc<Desk>, permit: Permit<Session>, call: Call) -> Outcome {
    let Nothing {} = call.json()?;
    let cancelled = desk.operator.cancel(&permit.proof().id);
    Ok(Answer::json(&json!({ "cancelled": cancelled })))
}

fn nameless(kind: AuthKind, profile: String) -> AuthStart {
    AuthStart {
        kind,
        account: String::new(),
        profile,
        proof: None,
    }
}

impl Desk {
    async fn sign_in(&self, permit: &Permit<Session>, start: AuthStart) -> Outcome {
        let proof = permit.proof();
        let came = self
            .operator
            .login(&proof.id, &permit.request_id(), start)
            .await?;
        self.signed_in(proof, came)
    }

    /// A browser session that gained authority goes on under a new id.
    fn signed_in(&self, session: &SessionProof, came: Came) -> Outcome {
        let state = self.operator.state(&session.id);
        if came == Came::ToAStep {
            return Ok(Answer::json(&LoginVm { state, csrf: None }));
        }
        let rotated = self.sessions.rotate(session).inspect_err(|_| {
            // It ended meanwhile: nobody could use what it gained.
            self.operator.orphaned(&session.id);
        })?;
        let cookie = HeaderValue::from_str(&self.sessions.set_cookie(&rotated.cookie))
            .map_err(|_| Rule::Internal)?;
        let login = LoginVm {
            state,
            csrf: Some(rotated.csrf.reveal().to_string()),
        };
        Ok(Answer::json(&login).header(SET_COOKIE, cookie))
    }
}

// === what the owner does ===

async fn run(desk: Arc<Desk>, permit: Permit<Session>, call: Call) -> Outcome {
    let asked: CallRequest = call.json()?;
    let (session, request) = (&permit.proof().id, &permit.request_id());
    if desk.operator.changes(session, &asked) {
        desk.sessions.touch(session);
    }
    Ok(Answer::json(
        &desk.operator.call(session, request, asked).await?,
    ))
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Probe {
    profile: String,
}

async fn probe(desk: Arc<Desk>, permit: Permit<Session>, call: Call) -> Outcome {
    let Probe { profile } = call.json()?;
    let (session, request) = (&permit.proof().id, &permit.request_id());
    Ok(Answer::json(
        &desk.operator.probe(session, request, profile).await?,
    ))
}

async fn launch(desk: Arc<Desk>, permit: Permit<Session>, call: Call) -> Outcome {
    let asked: LaunchRequest = call.json()?;
    let (session, request) = (&permit.proof().id, &permit.request_id());
    Ok(Answer::json(
        &desk.operator.launch(session, request, asked).await?,
    ))
}

async fn renew(desk: Arc<Desk>, permit: Permit<Session>, call: Call) -> Outcome {
    let asked: Renewal = call.json()?;
    let (session, request) = (&permit.proof().id, &permit.request_id());
    desk.operator.renew(session, request, asked).await?;
    Ok(Answer::json(&desk.operator.state(session)))
}

async fn renew_step(desk: Arc<Desk>, permit: Permit<Session>, call: Call) -> Outcome {
    let NextStep { answer } = call.json()?;
    let (session, request) = (&permit.proof().id, &permit.request_id());
    desk.operator
        .answer_renewal(session, request, answer)
        .await?;
    Ok(Answer::json(&desk.operator.state(session)))
}

async fn cancel_renewal(desk: Arc<Desk>, permit: Permit<Session>, call: Call) -> Outcome {
    let Nothing {} = call.json()?;
    let cancelled = desk.operator.cancel_renewal(&permit.proof().id).await;
    Ok(Answer::json(&json!({ "cancelled": cancelled })))
}

async fn logout(desk: Arc<Desk>, permit: Permit<Session>, call: Call) -> Outcome {
    let Nothing {} = call.json()?;
    let ended = desk.operator.logout(&permit.proof().id);
    Ok(Answer::json(&json!({ "ended": ended })))
}

/// Which gateway.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Choice {
    gateway: String,
    address: Option<String>,
}

async fn config(desk: Arc<Desk>, permit: Permit<Session>, call: Call) -> Outcome {
    let Choice { gateway, address } = call.json()?;
    let (session, request) = (&permit.proof().id, &permit.request_id());
    desk.operator
        .choose(session, &gateway, address.as_deref(), request)?;
    Ok(Answer::json(&desk.operator.state(session)))
}

// === the automation report ===

async fn report(desk: Arc<Desk>, _: Permit<Session>, call: Call) -> Outcome {
    let report = desk.operator.report().ok_or(Rule::UnknownRoute)?;
    report.check(call.header(TOKEN_HEADER))?;
    Ok(Answer::json(&json!({ "report": report.read() })))
}

async fn set_report(desk: Arc<Desk>, permit: Permit<Session>, call: Call) -> Outcome {
    let report = desk.operator.report().ok_or(Rule::UnknownRoute)?;
    report.check(call.header(TOKEN_HEADER))?;
    let reported: Reported = call.json()?;
    desk.operator
        .reported(&permit.proof().id, &permit.request_id())?;
    Ok(Answer::json(&report.write(&reported)?))
}
