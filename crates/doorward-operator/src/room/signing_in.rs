//! Signing in to a gateway.
//!
//! The order is fixed: the pause after failures, then the slot, then what can be
//! judged here, and only then a connection. Whatever ends an attempt (a denial, a
//! browser that left) gives the slot back.

use std::collections::HashMap;
use std::sync::Arc;

use doorward_guard::audit::{Event, Kind};
use doorward_guard::{Refusal, Rule, SessionId};

use super::rows::Entry;
use super::{Live, Operator, Pending, SURFACE};
use crate::actor::Actor;
use crate::defaults;
use crate::denial::{Denial, Denied};
use crate::gateway::{AuthOutcome, AuthStart, Gateway, Proof, SessionInfo, Step};
use crate::owner::{Given, Ticket};
use crate::text::Veil;
use crate::transcript::Kind as Row;

/// What signing in came to, or asking for more time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Came {
    /// The person is asked something.
    ToAStep,
    /// There is a session.
    ToASession,
}

/// What a row of the transcript says of an answer to a step.
pub(super) const NEXT_STEP: &str = "the next step";

/// An attempt that gives the slot back unless it comes to something.
struct Attempt<'a> {
    room: &'a Operator,
    session: &'a SessionId,
    ticket: Ticket,
    /// A proof is with the gateway. Who leaves before its answer has failed: an answer
    /// that comes late may be a no.
    proving: bool,
    over: bool,
}

impl Operator {
    /// Signs `session` in.
    ///
    /// # Errors
    ///
    /// [`Rule::LockedOut`] after failures; [`Rule::SessionAlreadyInUse`];
    /// [`Rule::ServiceUnavailable`] if no gateway is configured;
    /// [`Rule::DisabledAuthMethod`], [`Rule::BadRequest`] before anything is sent;
    /// and the gateway's denials.
    pub async fn login(
        &self,
        session: &SessionId,
        request: &str,
        start: AuthStart,
    ) -> Result<Came, Refusal> {
        let method = start.kind.word();
        let row = self.row(session, Row::Login, method);
        let came = self.begin(session, request, start).await;
        self.tell(row, request, method, &came);
        came
    }

    /// Answers the step that signing in came to.
    ///
    /// # Errors
    ///
    /// As of [`login`](Self::login); [`Rule::Unauthenticated`] if no step waits.
    pub async fn answer(
        &self,
        session: &SessionId,
        request: &str,
        answer: Proof,
    ) -> Result<Came, Refusal> {
        let row = self.row(session, Row::Login, NEXT_STEP);
        let came = self.go_on(session, request, answer).await;
        self.tell(row, request, NEXT_STEP, &came);
        came
    }

    /// Gives a sign-in up that waits for the person. Whether one did.
    pub fn cancel(&self, session: &SessionId) -> bool {
        let pending = self
            .lock()
            .pending
            .take_if(|pending| pending.session == *session);
        let Some(pending) = pending else { return false };
        let given = self.lock().slot.fail(pending.ticket);
        if let Ok(runtime) = tokio::runtime::Handle::try_current() {
            let actor = pending.actor;
            self.tasks.spawn_on(
                async move {
                    let cancel = actor.ask(defaults::LOGOUT, |link| {
                        Box::pin(async move {
                            link.cancel_auth().await;
                            Ok(())
                        })
                    });
                    let _ = cancel.await;
                },
                &runtime,
            );
        }
        self.write(session, Row::Login, "given up", "ok");
        if let Some(Given::Freed(session)) = given {
            self.freed(&session, "cancelled");
        }
        true
    }

    async fn begin(
        &self,
        session: &SessionId,
        request: &str,
        start: AuthStart,
    ) -> Result<Came, Refusal> {
        self.failures.check(session)?;
        let mut attempt = self.reserve(session, request)?;
        let gateway = {
            let state = self.lock();
            let target = self.target(&state).map(|(_, gateway)| Arc::clone(gateway));
            target.ok_or(Rule::ServiceUnavailable)?
        };
        fits(&*gateway, &start)?;
        let actor = Arc::new(Actor::connect(Arc::clone(&gateway)).await?);
        // The address that a name led to is known by now.
        let veil = Arc::new(Veil::new(gateway.secrets()));
        attempt.proving = start.proof.is_some();
        let outcome = actor
            .ask(defaults::CALL, |link| {
                Box::pin(async move { link.begin_auth(start).await })
            })
            .await;
        attempt.proving = false;
        self.come_to(attempt, request, (actor, veil), outcome, 1)
            .await
    }

    async fn go_on(
        &self,
        session: &SessionId,
        request: &str,
        answer: Proof,
    ) -> Result<Came, Refusal> {
        self.not_in_use(session)?;
        self.failures.check(session)?;
        if answer.reveal().len() > defaults::PROOF {
            return Err(Rule::BadRequest.into());
        }
        let (pending, stands) = {
            let mut state = self.lock();
            let pending = state.pending.take_if(|pending| pending.session == *session);
            let pending = pending.ok_or(Rule::Unauthenticated)?;
            let stands = state.slot.answered(pending.ticket, self.clock.now());
            (pending, stands)
        };
        let mut attempt = Attempt {
            room: self,
            session,
            ticket: pending.ticket,
            proving: false,
            over: false,
        };
        if !stands {
            return Err(Rule::UpstreamTimeout.into());
        }
        attempt.proving = true;
        let outcome = pending
            .actor
            .ask(defaults::CALL, |link| {
                Box::pin(async move { link.continue_auth(answer).await })
            })
            .await;
        attempt.proving = false;
        let steps = pending.steps + 1;
        self.come_to(
            attempt,
            request,
            (pending.actor, pending.veil),
            outcome,
            steps,
        )
        .await
    }

    /// Takes the slot, or says since when it is taken.
    fn reserve<'a>(
        &'a self,
        session: &'a SessionId,
        request: &str,
    ) -> Result<Attempt<'a>, Refusal> {
        let reserved = self.lock().slot.reserve(session, self.clock.now());
        let ticket = reserved.map_err(|taken| self.in_use(taken.since))?;
        let attempt = Attempt {
            room: self,
            session,
            ticket,
            proving: false,
            over: false,
        };
        // What cannot be written down is given back.
        let event = Event::allowed(Kind::GatewayClaimed, SURFACE)
            .subject(session.as_str())
            .request(request);
        self.audit.decide(event)?;
        self.changed();
        Ok(attempt)
    }

    async fn come_to(
        &self,
        attempt: Attempt<'_>,
        request: &str,
        (actor, veil): (Arc<Actor>, Arc<Veil>),
        outcome: Result<AuthOutcome, Denied>,
        steps: usize,
    ) -> Result<Came, Refusal> {
        match outcome {
            Err(denied) => {
                if denied.denial == Denial::AuthenticationDenied {
                    self.failures.failed(attempt.session);
                }
                Err(denied.into())
            }
            Ok(AuthOutcome::Step(_)) if steps >= defaults::STEPS => Err(Denial::ServiceUnavailable
                .because("it asks without end")
                .into()),
            Ok(AuthOutcome::Step(step)) => {
                let pending = Pending {
                    session: attempt.session.clone(),
                    ticket: attempt.ticket,
                    actor,
                    step: bounded(step),
                    veil,
                    steps,
                };
                let (room, ticket) = (self.me.clone(), attempt.ticket);
                let ended = pending.actor.watch();
                let came = attempt.asks(pending)?;
                // It ends with the connection, however the person answers.
                tokio::spawn(async move {
                    let denied = ended.await;
                    if let Some(room) = room.upgrade() {
                        room.lost_while_asking(ticket, &denied);
                    }
                });
                Ok(came)
            }
            Ok(AuthOutcome::Session(info)) => {
                self.enter(attempt, request, (actor, veil), info).await
            }
        }
    }

    /// Makes the session the owner's, if the attempt still stands.
    async fn enter(
        &self,
        attempt: Attempt<'_>,
        request: &str,
        (actor, veil): (Arc<Actor>, Arc<Veil>),
        info: SessionInfo,
    ) -> Result<Came, Refusal> {
        let session = attempt.session;
        let expires = self.expiry(info.remaining);
        if !self.lock().slot.answered(attempt.ticket, self.clock.now()) {
            return Err(Rule::UpstreamTimeout.into());
        }
        let listed = actor
            .ask(defaults::CALL, |link| {
                Box::pin(async move { link.list().await })
            })
            .await?;
        let (caps, order) = self.known(listed, &HashMap::new());
        let event = Event::allowed(Kind::GatewayEntered, SURFACE)
            .subject(session.as_str())
            .request(request)
            .detail(&info.profile);
        self.audit.decide(event)?;
        let (epoch, before) = {
            let mut state = self.lock();
            if !state.slot.own(attempt.ticket, expires) {
                return Err(Rule::UpstreamTimeout.into());
            }
            state.epochs += 1;
            let epoch = state.epochs;
            state.former.remove(session);
            let before = state.live.replace(Live {
                epoch,
                session: session.clone(),
                actor: Arc::clone(&actor),
                info,
                expires,
                renewing: None,
                veil,
                caps,
                order,
            });
            (epoch, before)
        };
        attempt.settled();
        self.failures.succeeded(session);
        if let Some(before) = before {
            self.farewell(before.actor);
        }
        let (room, ended) = (self.me.clone(), actor.watch());
        // Not among those that are waited for: it ends with the connection.
        tokio::spawn(async move {
            let denied = ended.await;
            if let Some(room) = room.upgrade() {
                room.lost(epoch, &denied);
            }
        });
        self.changed();
        Ok(Came::ToASession)
    }

    fn tell(&self, mut row: Entry<'_>, request: &str, method: &str, came: &Result<Came, Refusal>) {
        if let Err(refusal) = came {
            self.denied(row.session, request, method, refusal);
        }
        row.came_to(came.as_ref().map_or("ok", |came| came.word()), came);
    }

    /// Gives up what waits for the person, because the gateway has gone.
    fn lost_while_asking(&self, ticket: Ticket, denied: &Denied) {
        let (pending, given) = {
            let mut state = self.lock();
            let pending = state.pending.take_if(|pending| pending.ticket == ticket);
            let Some(pending) = pending else { return };
            (pending, state.slot.fail(ticket))
        };
        let why = denied.denial.rule().name();
        self.write(&pending.session, Row::Login, "the gateway ended it", why);
        match given {
            Some(Given::Freed(session)) => self.freed(&session, why),
            _ => self.changed(),
        }
    }
}

// === impl Came ===

impl Came {
    /// What a row of the transcript says of it.
    pub(super) fn word(self) -> &'static str {
        match self {
            Self::ToAStep => "step",
            Self::ToASession => "ok",
        }
    }
}

/// What can be judged without the gateway.
fn fits(gateway: &dyn Gateway, start: &AuthStart) -> Result<(), Refusal> {
    let methods = gateway.descriptor().methods;
    let method = methods
        .iter()
        .find(|method| method.kind == start.kind && method.enabled)
        .ok_or(Rule::DisabledAuthMethod)?;
    let known = method.profiles.is_empty()
        || start.profile.is_empty()
        || method.profiles.contains(&start.profile);
    let proof = start.proof.as_ref().map_or(0, |proof| proof.reveal().len());
    let bounded = start.account.len() <= defaults::ACCOUNT
        && start.profile.len() <= defaults::LABEL
        && proof <= defaults::PROOF;
    let clean = !start.account.chars().any(char::is_control)
        && !start.profile.chars().any(char::is_control);
    if known && bounded && clean {
        Ok(())
    } else {
        Err(Rule::BadRequest.into())
    }
}

pub(super) fn bounded(mut step: Step) -> Step {
    // Whatever is no base64 of a sane length is not shown.
    step.challenge = step.challenge.filter(|challenge| {
        challenge.len() <= defaults::SENTENCE
            && challenge.bytes().all(|byte| {
                byte.is_ascii_alphanumeric() || matches!(byte, b'+' | b'/' | b'=' | b'-' | b'_')
            })
    });
    step
}

// === impl Attempt ===

impl Attempt<'_> {
    /// The slot stays reserved while the person is asked.
    fn asks(self, pending: Pending) -> Result<Came, Refusal> {
        let mut state = self.room.lock();
        if !state.slot.asks(self.ticket, self.room.clock.now()) {
            drop(state);
            return Err(Rule::UpstreamTimeout.into());
        }
        state.pending = Some(pending);
        drop(state);
        let room = self.room;
        self.settled();
        room.changed();
        Ok(Came::ToAStep)
    }

    fn settled(mut self) {
        self.over = true;
    }
}

impl Drop for Attempt<'_> {
    fn drop(&mut self) {
        if self.over {
            return;
        }
        if self.proving {
            self.room.failures.failed(self.session);
        }
        let given = self.room.lock().slot.fail(self.ticket);
        if let Some(Given::Freed(session)) = given {
            self.room.freed(&session, "notSignedIn");
        }
    }
}
