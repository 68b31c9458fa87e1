//! Asking a gateway for more time: at once with a password, or step by step.
//!
//! One is asked at a time. Its turn is taken before anything is sent, and given back
//! whatever becomes of it. A step that waits for the person belongs to the session on
//! the gateway: it ends with that, and after as long as a step of a sign-in.

use std::rc::Rc;
use std::time::Duration;

use doorward_guard::audit::{Event, Kind};
use doorward_guard::{Moment, Refusal, Rule, SessionId};
use serde::Deserialize;

use super::rows::Entry;
use super::signing_in::{NEXT_STEP, bounded};
use super::{Came, Holding, Operator, SURFACE};
use crate::defaults;
use crate::denial::{Denial, Denied};
use crate::gateway::{Asked, AuthOutcome, Link, Proof, Step};
use crate::transcript::Kind as Row;

/// More time, as the browser asks for it.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Renewal {
    /// The password again, where signing in took one.
    pub proof: Option<Proof>,
    /// The time that is wanted. The gateway decides.
    pub seconds: u64,
}

/// What a live session's asking for more time has come to.
pub(super) enum Renewing {
    /// A question is with the gateway.
    UnderWay,
    /// The person is asked something.
    Waiting(Waiting),
}

/// A step that waits for the person.
pub(super) struct Waiting {
    pub(super) step: Step,
    steps: usize,
    until: Moment,
}

/// The right to ask, until it is dropped.
struct Turn<'a> {
    room: &'a Operator,
    session: &'a SessionId,
    holding: Holding,
    /// A proof is with the gateway. Who leaves before its answer has failed.
    proving: bool,
}

impl Operator {
    /// Asks the gateway for more time. [`Came::ToASession`]: it was given.
    ///
    /// # Errors
    ///
    /// As of [`call`](Self::call); [`Rule::LockedOut`] after wrong proofs;
    /// [`Rule::Busy`] while it is asked in another tab.
    pub async fn renew(
        &self,
        session: &SessionId,
        request: &str,
        renewal: Renewal,
    ) -> Result<Came, Refusal> {
        let holding = self.holding(session)?;
        let Renewal { proof, seconds } = renewal;
        let duration = Duration::from_secs(seconds);
        let too_long = proof
            .as_ref()
            .is_some_and(|proof| proof.reveal().len() > defaults::PROOF);
        if too_long || duration.is_zero() || duration > defaults::RENEWAL {
            return Err(Rule::BadRequest.into());
        }
        self.failures.check(session)?;
        let _place = holding.actor.place()?;
        let (mut turn, _) = self.turn(session, holding)?;
        turn.proving = proof.is_some();
        let (row, answer) = turn
            .ask(request, "more time", move |link| {
                Box::pin(async move { link.renew(proof, duration).await })
            })
            .await?;
        turn.came_to(request, row, answer, 1)
    }

    /// Answers the step that asking for more time came to.
    ///
    /// # Errors
    ///
    /// As of [`renew`](Self::renew); [`Rule::BadRequest`] if no step waits.
    pub async fn answer_renewal(
        &self,
        session: &SessionId,
        request: &str,
        answer: Proof,
    ) -> Result<Came, Refusal> {
        let holding = self.holding(session)?;
        if answer.reveal().len() > defaults::PROOF {
            return Err(Rule::BadRequest.into());
        }
        self.failures.check(session)?;
        let _place = holding.actor.place()?;
        let (mut turn, waiting) = self.turn(session, holding)?;
        let waiting = waiting.ok_or(Rule::BadRequest)?;
        if waiting.is_overdue(self.clock.now()) {
            self.write(session, Row::Renewal, "more time", "tooLate");
            return Err(Rule::UpstreamTimeout.into());
        }
        turn.proving = true;
        let (row, answer) = turn
            .ask(request, NEXT_STEP, |link| {
                Box::pin(async move { link.continue_auth(answer).await })
            })
            .await?;
        turn.came_to(request, row, answer, waiting.steps + 1)
    }

    /// Gives up asking for more time, while a step waits for the person. Whether one
    /// did. The gateway hears of it within [`defaults::LOGOUT`], or with the next
    /// question.
    pub async fn cancel_renewal(&self, session: &SessionId) -> bool {
        let turn = self
            .holding(session)
            .and_then(|holding| self.turn(session, holding));
        let Ok((turn, Some(_))) = turn else {
            return false;
        };
        self.write(session, Row::Renewal, "given up", "ok");
        let cancel = turn.holding.actor.ask(defaults::LOGOUT, |link| {
            Box::pin(async move {
                link.cancel_auth().await;
                Ok(())
            })
        });
        let _ = cancel.await;
        true
    }

    /// Takes the turn, and the step that waited.
    fn turn<'a>(
        &'a self,
        session: &'a SessionId,
        holding: Holding,
    ) -> Result<(Turn<'a>, Option<Waiting>), Refusal> {
        let mut state = self.lock();
        let live = state.live_at(holding.epoch)?;
        let waiting = match live.renewing.replace(Renewing::UnderWay) {
            None => None,
            Some(Renewing::Waiting(waiting)) => Some(waiting),
            Some(Renewing::UnderWay) => {
                return Err(Refusal::from(Rule::Busy).retry_after(Duration::from_secs(1)));
            }
        };
        let turn = Turn {
            room: self,
            session,
            holding,
            proving: false,
        };
        Ok((turn, waiting))
    }
}

// === impl Turn ===

impl<'a> Turn<'a> {
    /// Asks once that is written down: any answer may be more time.
    async fn ask(
        &mut self,
        request: &str,
        what: &str,
        question: impl FnOnce(Rc<dyn Link>) -> Asked<'static, AuthOutcome> + Send + 'static,
    ) -> Result<(Entry<'a>, Result<AuthOutcome, Denied>), Refusal> {
        let event = Event::allowed(Kind::GatewayRenewed, SURFACE)
            .subject(self.session.as_str())
            .request(request);
        if let Err(unwritten) = self.room.audit.decide(event) {
            self.proving = false;
            return Err(unwritten);
        }
        let row = self.room.row(self.session, Row::Renewal, what);
        let answer = self.holding.actor.ask(defaults::CALL, question).await;
        self.proving = false;
        Ok((row, answer))
    }

    fn came_to(
        self,
        request: &str,
        mut row: Entry<'_>,
        answer: Result<AuthOutcome, Denied>,
        steps: usize,
    ) -> Result<Came, Refusal> {
        let (room, session) = (self.room, self.session);
        let answer = match answer {
            Ok(AuthOutcome::Step(_)) if steps >= defaults::STEPS => {
                Err(Denial::ServiceUnavailable.because("it asks without end"))
            }
            answer => answer,
        };
        if let Err(denied) = &answer
            && denied.denial == Denial::AuthenticationDenied
        {
            room.failures.failed(session);
        }
        let answer = room.settled(&self.holding, session, request, "renew", answer);
        let came = answer.and_then(|outcome| self.holds(outcome, steps));
        row.came_to(came.as_ref().map_or("ok", |came| came.word()), &came);
        came
    }

    fn holds(&self, outcome: AuthOutcome, steps: usize) -> Result<Came, Refusal> {
        let room = self.room;
        let mut state = room.lock();
        let live = state.live_at(self.holding.epoch)?;
        match outcome {
            AuthOutcome::Step(step) => {
                live.renewing = Some(Renewing::Waiting(Waiting {
                    step: bounded(step),
                    steps,
                    until: room.clock.now().plus(defaults::ASKING),
                }));
                Ok(Came::ToAStep)
            }
            AuthOutcome::Session(info) => {
                let expires = room.expiry(info.remaining);
                live.expires = expires;
                live.info = info;
                state.slot.expires(self.session, expires);
                Ok(Came::ToASession)
            }
        }
    }
}

impl Drop for Turn<'_> {
    fn drop(&mut self) {
        if self.proving {
            self.room.failures.failed(self.session);
        }
        if let Ok(live) = self.room.lock().live_at(self.holding.epoch) {
            live.renewing
                .take_if(|renewing| matches!(renewing, Renewing::UnderWay));
        }
        self.room.changed();
    }
}

// === impl Renewing ===

impl Renewing {
    /// Whether the person was asked for too long.
    pub(super) fn is_overdue(&self, now: Moment) -> bool {
        matches!(self, Self::Waiting(waiting) if waiting.is_overdue(now))
    }
}

impl Waiting {
    fn is_overdue(&self, now: Moment) -> bool {
        self.until <= now
    }
}
