//! The operator room: one slot, the gateway behind it, and what its owner may do.

pub(crate) mod bounds;
mod calls;
mod ending;
mod renewing;
mod rows;
mod signing_in;

use std::collections::{HashMap, HashSet};
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::time::Duration;

use doorward_guard::audit::{AuditSink, Event, Kind, Select};
use doorward_guard::events::Events;
use doorward_guard::{Clock, Moment, Refusal, Rule, Secret, SessionId, Token};
use serde_json::json;
use tokio_util::task::TaskTracker;

use crate::actor::Actor;
use crate::defaults;
use crate::denial::Denied;
use crate::gateway::{Capability, Gateway, SessionInfo, Step};
use crate::login::Failures;
use crate::owner::{Hold, Slot, Ticket};
use crate::report::Report;
use crate::text::Veil;
use crate::transcript::{Kind as Row, Transcript};
use crate::vm::{
    AuditRowVm, CapVm, ChoiceVm, GatewayVm, HealthState, HealthVm, OwnerState, OwnerVm, SessionVm,
    StateVm, StepVm,
};

pub use calls::{CallRequest, LaunchRequest};
pub use renewing::Renewal;
use renewing::Renewing;
pub use signing_in::Came;

/// The surface's name in the audit.
pub(crate) const SURFACE: &str = "operator";

/// The operator room. One per bridge.
pub struct Operator {
    clock: Clock,
    events: Events,
    audit: Arc<dyn AuditSink>,
    gateways: Vec<Configured>,
    failures: Failures,
    transcript: Transcript,
    report: Option<Report>,
    state: Mutex<State>,
    tasks: TaskTracker,
    me: Weak<Self>,
}

/// A gateway that the console may choose, and the addresses that it may be turned
/// to. Nothing else can be reached.
pub struct Configured {
    name: String,
    targets: Vec<(String, Arc<dyn Gateway>)>,
}

#[derive(Default)]
struct State {
    slot: Slot,
    /// Gateway and address, by number.
    chosen: (usize, usize),
    live: Option<Live>,
    pending: Option<Pending>,
    /// Browser sessions whose session on a gateway is over: they hear so.
    former: HashSet<SessionId>,
    epochs: u64,
}

/// The session on the gateway.
struct Live {
    /// A later one is none of an earlier one's business.
    epoch: u64,
    session: SessionId,
    actor: Arc<Actor>,
    info: SessionInfo,
    expires: Option<Moment>,
    renewing: Option<Renewing>,
    veil: Arc<Veil>,
    caps: Arc<HashMap<String, Arc<Known>>>,
    /// In the gateway's order.
    order: Arc<Vec<Arc<Known>>>,
}

/// A capability under its alias.
pub(crate) struct Known {
    alias: String,
    capability: Capability,
    lent_until: Option<Moment>,
}

/// A sign-in that waits for the person.
struct Pending {
    session: SessionId,
    ticket: Ticket,
    actor: Arc<Actor>,
    step: Step,
    veil: Arc<Veil>,
    steps: usize,
}

/// What a call needs of the live session.
struct Holding {
    epoch: u64,
    actor: Arc<Actor>,
    veil: Arc<Veil>,
    caps: Arc<HashMap<String, Arc<Known>>>,
}

impl State {
    /// Takes the session on the gateway from `session`, which hears so from then on.
    fn take_live(&mut self, session: &SessionId) -> Option<Live> {
        let live = self.live.take_if(|live| live.session == *session)?;
        self.former.insert(session.clone());
        Some(live)
    }

    /// The live session, if it is still the one of `epoch`.
    ///
    /// # Errors
    ///
    /// [`Rule::StaleSession`].
    fn live_at(&mut self, epoch: u64) -> Result<&mut Live, Refusal> {
        let live = self.live.as_mut().filter(|live| live.epoch == epoch);
        live.ok_or_else(|| Rule::StaleSession.into())
    }
}

impl Known {
    /// Whether its lease runs still.
    fn is_lent(&self, now: Moment) -> bool {
        self.lent_until.is_none_or(|until| now < until)
    }
}

impl Configured {
    /// `gateway`, called `name`, at `address` as the configuration writes it.
    #[must_use]
    pub fn new(
        name: impl Into<String>,
        address: impl Into<String>,
        gateway: Arc<dyn Gateway>,
    ) -> Self {
        Self {
            name: name.into(),
            targets: vec![(address.into(), gateway)],
        }
    }

    /// And another address that it may be turned to.
    #[must_use]
    pub fn also(mut self, address: impl Into<String>, gateway: Arc<dyn Gateway>) -> Self {
        self.targets.push((address.into(), gateway));
        self
    }
}

impl Operator {
    /// A room for these gateways; the first is chosen. With `automation` there is a
    /// report for whoever has that token.
    #[must_use]
    pub fn new(
        clock: &Clock,
        events: &Events,
        audit: &Arc<dyn AuditSink>,
        gateways: Vec<Configured>,
        automation: Option<Token>,
    ) -> Arc<Self> {
        Arc::new_cyclic(|me| Self {
            clock: clock.clone(),
            events: events.clone(),
            audit: Arc::clone(audit),
            gateways,
            failures: Failures::new(clock),
            transcript: Transcript::new(clock),
            report: automation.map(|token| Report::new(clock, token)),
            state: Mutex::default(),
            tasks: TaskTracker::new(),
            me: me.clone(),
        })
    }

    /// What the panel shows to `session`. Of another's there is only since when.
    #[must_use]
    pub fn state(&self, session: &SessionId) -> StateVm {
        let state = self.lock();
        let (owner, since) = match state.slot.hold(session) {
            Hold::Free => (OwnerState::Free, None),
            Hold::Trying { since } => (OwnerState::Trying, Some(since)),
            Hold::Mine { since } => (OwnerState::Mine, Some(since)),
            Hold::InUse { since } => (OwnerState::InUse, Some(since)),
        };
        let live = state.live.as_ref().filter(|live| live.session == *session);
        let pending = state.pending.as_ref();
        let pending = pending.filter(|pending| pending.session == *session);
        StateVm {
            owner: OwnerVm {
                state: owner,
                since: since.map(|at| self.clock.rfc3339(at)),
            },
            gateway: self.target(&state).map(|(name, gateway)| {
                let descriptor = gateway.descriptor();
                GatewayVm {
                    name: name.to_owned(),
                    kind: descriptor.kind.to_owned(),
                    methods: bounds::methods(descriptor.methods),
                }
            }),
            gateways: self
                .gateways
                .iter()
                .filter_map(|configured| {
                    let (_, gateway) = configured.targets.first()?;
                    Some(ChoiceVm {
                        name: configured.name.clone(),
                        kind: gateway.descriptor().kind.to_owned(),
                    })
                })
                .collect(),
            session: live.map(|live| SessionVm {
                profile: live.veil.line(&live.info.profile, defaults::LABEL),
                principal_label: live.veil.line(&live.info.principal, defaults::LABEL),
                auth_strength: live.info.strength,
                expires_at: live.expires.map(|at| self.clock.rfc3339(at)),
                renewal: match &live.renewing {
                    Some(Renewing::Waiting(waiting)) => Some(asked(&waiting.step, &live.veil)),
                    Some(Renewing::UnderWay) | None => None,
                },
            }),
            step: pending.map(|pending| asked(&pending.step, &pending.veil)),
            caps: live
                .map(|live| self.views(&live.order, &live.veil))
                .unwrap_or_default(),
        }
    }

    /// The capabilities of `session`, asked for anew: aliases of those that are
    /// still there stay.
    ///
    /// # Errors
    ///
    /// As of [`call`](Self::call).
    pub async fn caps(&self, session: &SessionId, request: &str) -> Result<Vec<CapVm>, Refusal> {
        let holding = self.holding(session)?;
        let _place = holding.actor.place()?;
        let listed = holding
            .actor
            .ask(defaults::CALL, |link| {
                Box::pin(async move { link.list().await })
            })
            .await;
        let listed = self.settled(&holding, session, request, "list", listed)?;
        let known = self.known(listed, &holding.caps);
        let mut state = self.lock();
        let live = state.live_at(holding.epoch)?;
        (live.caps, live.order) = known;
        Ok(self.views(&live.order, &live.veil))
    }

    /// Turns the console to another gateway, or to another of its addresses. The
    /// old connection goes first, and nothing of it is carried over.
    ///
    /// # Errors
    ///
    /// [`Rule::SessionAlreadyInUse`] if another has the slot;
    /// [`Rule::GatewayNotAllowed`] for what was not configured.
    pub fn choose(
        &self,
        session: &SessionId,
        name: &str,
        address: Option<&str>,
        request: &str,
    ) -> Result<(), Refusal> {
        self.not_in_use(session)?;
        let found = self.find(name, address);
        let Some(chosen) = found else {
            let refusal = Refusal::from(Rule::GatewayNotAllowed);
            self.denied(session, request, "choose a gateway", &refusal);
            self.write(
                session,
                Row::Choice,
                "another gateway",
                refusal.rule().name(),
            );
            return Err(refusal);
        };
        let event = Event::allowed(Kind::GatewayChosen, SURFACE)
            .subject(session.as_str())
            .request(request)
            .detail(name);
        self.audit.decide(event)?;
        // It may have been taken while that was written.
        self.not_in_use(session)?;
        self.end(session, "anotherGateway");
        self.lock().chosen = chosen;
        self.write(session, Row::Choice, name, "ok");
        self.changed();
        Ok(())
    }

    /// Whether nobody has the slot.
    #[must_use]
    pub fn is_free(&self) -> bool {
        self.lock().slot.is_free()
    }

    /// How the gateway is, for its owner.
    pub async fn health(&self, session: &SessionId) -> Result<HealthVm, Refusal> {
        let holding = match self.holding(session) {
            Ok(holding) => holding,
            Err(refusal) if refusal.rule() == Rule::SessionAlreadyInUse => return Err(refusal),
            Err(_) => {
                return Ok(HealthVm {
                    state: HealthState::Idle,
                    latency_ms: None,
                });
            }
        };
        let asked = self.clock.now();
        let answer = holding
            .actor
            .ask(defaults::HEALTH, |link| {
                Box::pin(async move { link.health().await })
            })
            .await;
        let took = self.clock.now().since(asked);
        let state = match answer {
            Ok(()) if took <= defaults::DEGRADED => HealthState::Up,
            Ok(()) => HealthState::Degraded,
            Err(denied) => {
                if denied.denial.ends_the_session() {
                    self.lost(holding.epoch, &denied);
                }
                HealthState::Down
            }
        };
        let latency = u64::try_from(took.as_millis()).unwrap_or(u64::MAX);
        Ok(HealthVm {
            state,
            latency_ms: (state != HealthState::Down).then_some(latency),
        })
    }

    /// What the audit has of `session` and gateways, for the owner alone.
    ///
    /// # Errors
    ///
    /// As of [`call`](Self::call).
    pub fn recent(&self, session: &SessionId) -> Result<Vec<AuditRowVm>, Refusal> {
        self.holding(session)?;
        let held = self.audit.select(&Select {
            kind: Some("gateway".to_owned()),
            ..Select::after(0, usize::MAX)
        });
        let mut rows: Vec<_> = held
            .into_iter()
            .filter(|record| record.subject.as_deref() == Some(session.as_str()))
            .map(|record| AuditRowVm {
                at: record.time,
                kind: record.kind.into_owned(),
                denial: record.denial.map(Into::into),
                detail: record.detail,
            })
            .collect();
        let surplus = rows.len().saturating_sub(defaults::AUDIT);
        rows.drain(..surplus);
        Ok(rows)
    }

    /// What `session` did here.
    #[must_use]
    pub fn transcript(&self) -> &Transcript {
        &self.transcript
    }

    /// The automation report, where there is one.
    #[must_use]
    pub fn report(&self) -> Option<&Report> {
        self.report.as_ref()
    }

    /// Writes down that an automation reported.
    pub(crate) fn reported(&self, session: &SessionId, request: &str) -> Result<(), Refusal> {
        let event = Event::allowed(Kind::AutomationReported, SURFACE)
            .subject(session.as_str())
            .request(request);
        self.audit.decide(event)
    }

    fn find(&self, name: &str, address: Option<&str>) -> Option<(usize, usize)> {
        let at = self.gateways.iter().position(|known| known.name == name)?;
        let target = match address {
            None => 0,
            Some(address) => self
                .gateways
                .get(at)?
                .targets
                .iter()
                .position(|(known, _)| known == address)?,
        };
        Some((at, target))
    }

    fn target(&self, state: &State) -> Option<(&str, &Arc<dyn Gateway>)> {
        let (at, target) = state.chosen;
        let configured = self.gateways.get(at)?;
        let (_, gateway) = configured.targets.get(target)?;
        Some((&configured.name, gateway))
    }

    /// What the owner needs for a call.
    ///
    /// # Errors
    ///
    /// [`Rule::SessionAlreadyInUse`] for others, [`Rule::StaleSession`] for who had
    /// it, [`Rule::Unauthenticated`].
    fn holding(&self, session: &SessionId) -> Result<Holding, Refusal> {
        self.not_in_use(session)?;
        let state = self.lock();
        match state.live.as_ref().filter(|live| live.session == *session) {
            Some(live) => Ok(Holding {
                epoch: live.epoch,
                actor: Arc::clone(&live.actor),
                veil: Arc::clone(&live.veil),
                caps: Arc::clone(&live.caps),
            }),
            None if state.former.contains(session) => Err(Rule::StaleSession.into()),
            None => Err(Rule::Unauthenticated.into()),
        }
    }

    fn not_in_use(&self, session: &SessionId) -> Result<(), Refusal> {
        match self.lock().slot.hold(session) {
            Hold::InUse { since } => Err(self.in_use(since)),
            Hold::Free | Hold::Trying { .. } | Hold::Mine { .. } => Ok(()),
        }
    }

    fn in_use(&self, since: Moment) -> Refusal {
        Refusal::from(Rule::SessionAlreadyInUse).since(self.clock.rfc3339(since))
    }

    /// Passes an answer on. What ends the session on the gateway gives the slot back
    /// before the browser hears of it.
    fn settled<T>(
        &self,
        holding: &Holding,
        session: &SessionId,
        request: &str,
        what: &str,
        answer: Result<T, Denied>,
    ) -> Result<T, Refusal> {
        answer.map_err(|denied| {
            if denied.denial.ends_the_session() {
                self.lost(holding.epoch, &denied);
            }
            let refusal = Refusal::from(denied);
            self.denied(session, request, what, &refusal);
            refusal
        })
    }

    fn denied(&self, session: &SessionId, request: &str, what: &str, refusal: &Refusal) {
        let detail = match &refusal.note {
            Some(note) => format!("{what}: {note}"),
            None => what.to_owned(),
        };
        self.audit.record(
            Event::allowed(Kind::GatewayDenied, SURFACE)
                .denied(refusal.rule())
                .subject(session.as_str())
                .request(request)
                .detail(&detail),
        );
    }

    fn write(&self, session: &SessionId, kind: Row, summary: &str, outcome: &str) {
        let row = self.transcript.write(session, kind, summary, outcome);
        self.events
            .publish_passing("operator.row", &row, Some(session));
    }

    /// Tells the tabs to look again. Who has the slot is in no event.
    fn changed(&self) {
        self.events
            .publish_passing("operator.changed", &json!({}), None);
    }

    /// Gives aliases, and lets those that are known keep theirs.
    #[expect(clippy::type_complexity, reason = "by alias, and in order")]
    fn known(
        &self,
        listed: Vec<Capability>,
        before: &HashMap<String, Arc<Known>>,
    ) -> (Arc<HashMap<String, Arc<Known>>>, Arc<Vec<Arc<Known>>>) {
        let now = self.clock.now();
        let (mut by_alias, mut order) = (HashMap::new(), Vec::new());
        for capability in bounds::capabilities(listed) {
            let same = |known: &&Arc<Known>| {
                known.capability.name == capability.name
                    && known.capability.contract == capability.contract
            };
            let alias = match before.values().find(same) {
                Some(known) => known.alias.clone(),
                None => format!("c_{}", Secret::<8>::random().reveal().as_str()),
            };
            let known = Arc::new(Known {
                alias: alias.clone(),
                lent_until: capability.lease.map(|lease| now.plus(lease)),
                capability,
            });
            order.push(Arc::clone(&known));
            by_alias.insert(alias, known);
        }
        (Arc::new(by_alias), Arc::new(order))
    }

    /// What is lent no more is not shown.
    fn views(&self, order: &[Arc<Known>], veil: &Veil) -> Vec<CapVm> {
        let now = self.clock.now();
        order
            .iter()
            .filter(|known| known.is_lent(now))
            .map(|known| CapVm {
                r#ref: known.alias.clone(),
                name: veil.line(&known.capability.name, defaults::LABEL),
                contract_label: veil.line(&known.capability.label, defaults::LABEL),
                operations: bounds::operations(&known.capability.operations, veil),
                lease_expires_at: known.lent_until.map(|at| self.clock.rfc3339(at)),
            })
            .collect()
    }

    fn expiry(&self, remaining: Option<Duration>) -> Option<Moment> {
        remaining.map(|remaining| self.clock.now().plus(remaining))
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn asked(step: &Step, veil: &Veil) -> StepVm {
    StepVm {
        prompt: veil.line(&step.prompt, defaults::SENTENCE),
        secret: step.secret,
        challenge: step.challenge.clone(),
    }
}

// === impl Debug ===

impl fmt::Debug for Operator {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Operator")
            .field("gateways", &self.gateways.len())
            .finish_non_exhaustive()
    }
}

impl fmt::Debug for Configured {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Configured")
            .field("name", &self.name)
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests;
