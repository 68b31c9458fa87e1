//! The one enforcer. It stands in front of every route, unknown paths included:
//! it finds the door, admits, and seals whatever comes back.

mod door;
mod table;

pub use door::{Entry, MountError};
pub use table::{PolicyRow, RefusedRow, RouteRow, SurfaceRow};

use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use futures_util::FutureExt as _;
use http::request::Parts;

use crate::audit::AuditSink;
use crate::call::{Call, Payload};
use crate::caller::Caller;
use crate::clock::Clock;
use crate::id::RequestId;
use crate::origin::HostSet;
use crate::policy::{SealRule, Stranger};
use crate::refusal::{Refusal, Rule};
use crate::rules;
use crate::seal::{Plan, SealConfig, Sealed, Seals};
use crate::surface::Surface;

use door::{Door, Mounted};

/// The guard of one listener.
#[derive(Debug)]
pub struct Guard {
    listener: &'static str,
    /// Of each lane its own.
    hosts: Vec<HostSet>,
    stray_seal: SealRule,
    seals: Seals,
    doors: Vec<Box<dyn Door>>,
    strays: table::Tally,
    audit: Arc<dyn AuditSink>,
    clock: Clock,
    run: [u8; 8],
    next_request: AtomicU64,
}

/// The process on the other end of a connection, looked up once after accept.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Peer {
    /// A process of the user who started this one.
    SameUser,
    /// Somebody else's.
    OtherUser,
    /// It could not be told: not trusted.
    Unknown,
    /// This platform cannot tell, or the check was waived by `dangerous()`.
    NotChecked,
}

/// What the guard knows of a connection.
#[derive(Clone, Copy, Debug)]
pub struct Connection {
    /// The process on the other end.
    pub peer: Peer,
    /// It was accepted from the reserve: only proven callers may stay.
    pub reserve: bool,
    /// The port of the listener that it came to: 0 is the first, the others are
    /// those of [`Guard::lane`]. It answers to the names of that port alone.
    pub lane: usize,
}

/// What became of a request head.
#[derive(Debug)]
pub enum Admission<'a> {
    /// It may enter: read the body within [`Entry::rules`], then
    /// [`Guard::enter`].
    Enter(Entry<'a>),
    /// It is answered already.
    Answered(Sealed),
}

impl Guard {
    /// A guard without doors for the listener called `listener`. `stray_seal`
    /// goes on answers that belong to no door.
    #[must_use]
    pub fn new(
        listener: &'static str,
        hosts: HostSet,
        stray_seal: SealRule,
        seal: &SealConfig,
        clock: &Clock,
        audit: Arc<dyn AuditSink>,
    ) -> Self {
        Self {
            listener,
            hosts: vec![hosts],
            stray_seal,
            seals: Seals::new(seal),
            doors: Vec::new(),
            strays: table::Tally::default(),
            audit,
            clock: clock.clone(),
            run: RequestId::run(),
            next_request: AtomicU64::new(1),
        }
    }

    /// Adds a lane: another port with the same doors. `Host` must name the port
    /// that a connection came to; one lane's names are refused on another.
    #[must_use]
    pub fn lane(mut self, hosts: HostSet) -> Self {
        self.hosts.push(hosts);
        self
    }

    /// Adds a surface.
    ///
    /// # Errors
    ///
    /// A prefix or route that is malformed or taken.
    pub fn mount<C: Caller, S: Send + Sync + 'static>(
        &mut self,
        surface: Surface<C, S>,
    ) -> Result<(), MountError> {
        if self
            .doors
            .iter()
            .any(|door| door.prefix() == surface.prefix)
        {
            return Err(MountError::PrefixTaken {
                prefix: surface.prefix,
            });
        }
        self.doors
            .push(Box::new(Mounted::new(surface, &self.clock)?));
        // The longest prefix is tried first.
        self.doors
            .sort_by_key(|door| std::cmp::Reverse(door.prefix().len()));
        Ok(())
    }

    /// Judges a request head. The checks stand in the order of the house: cheap
    /// and anonymous ones first, so that an attacker spends more than we do.
    #[must_use]
    pub fn admit(&self, head: &Parts, connection: Connection) -> Admission<'_> {
        let request_id = self.request_id();
        let door = self.door(head.uri.path());
        let mut plan = Plan::new(door.map_or(self.stray_seal, |door| door.rules().seal));
        match self.check(head, connection, door, request_id, &mut plan) {
            Ok(entry) => Admission::Enter(entry),
            Err(door::Stop::Answer(answer)) => {
                Admission::Answered(plan.seal(&self.seals, request_id, answer))
            }
            Err(door::Stop::Refuse(refusal)) => {
                // What follows on this connection may be the body.
                plan.close |= rules::content::declared_length(head).map_or(true, |length| length > 0)
                    // Another user's process takes no place for longer than this.
                    || refusal.rule() == Rule::PeerNotAllowed;
                let refusal = if connection.reserve && !plan.proven {
                    self.turn_away(&mut plan)
                } else {
                    refusal
                };
                Admission::Answered(self.refuse_at(door, &plan, request_id, &refusal))
            }
        }
    }

    fn check<'a>(
        &'a self,
        head: &Parts,
        connection: Connection,
        door: Option<&'a dyn Door>,
        request_id: RequestId,
        plan: &mut Plan,
    ) -> Result<Entry<'a>, door::Stop> {
        if let Some(door) = door {
            rules::peer::check(door.rules().peer, connection.peer)?;
        }
        let hosts = self.hosts.get(connection.lane);
        let host = rules::host::check(head, hosts.ok_or(Rule::HostNotAllowed)?)?;
        let door = door.ok_or(Rule::UnknownRoute)?;
        let rules = door.rules();
        rules::fetch_metadata::check(rules.fetch, head)?;
        let origin = rules::origin::read(head)?;
        rules::origin::check(rules.origin, head, origin.as_ref(), host)?;
        door.admit(head, connection, origin, request_id, plan)
    }

    /// Lets a request in: takes its place and starts its handler at once; what is given
    /// back runs that to its end and seals the answer. A handler that panics answers 500
    /// and harms nobody else.
    pub fn enter<'a>(
        &'a self,
        entry: Entry<'a>,
        head: Parts,
        payload: Payload,
    ) -> impl Future<Output = Sealed> + Send + use<'a> {
        let Entry(mut seat) = entry;
        let door = seat.ready.door();
        // What its handler leaves of a body is no request.
        seat.plan.close |= matches!(payload, Payload::Stream(_));
        // Only now, with the body here: who sends none takes no place. Unless the
        // bodies are what is to be few.
        let slot = match (seat.place.take(), door.rules().in_flight) {
            (None, Some(most)) => door.running().enter(most).map(Some),
            (place, _) => Ok(place),
        };
        let started = slot.and_then(|slot| match seat.ready.is_over() {
            // Its session may have ended while the body came.
            true => Err(Rule::BrowserSessionExpired.into()),
            false => {
                let params = std::mem::take(&mut seat.params);
                let call = Call::new(head, params, payload);
                let run = AssertUnwindSafe(|| seat.ready.run(call));
                Ok((slot, std::panic::catch_unwind(run)))
            }
        });
        async move {
            let outcome = match started {
                Ok((slot, Ok(running))) => {
                    let outcome = AssertUnwindSafe(running).catch_unwind().await;
                    drop(slot);
                    outcome.map(|outcome| {
                        outcome.map_err(|refusal| door.charge(seat.origin.as_ref(), refusal))
                    })
                }
                Ok((_, Err(panic))) => Err(panic),
                Err(refusal) => Ok(Err(refusal)),
            };
            let (plan, request_id) = (&seat.plan, seat.request_id);
            match outcome {
                Ok(Ok(answer)) => plan.seal(&self.seals, request_id, answer),
                Ok(Err(refusal)) => self.refuse_at(Some(door), plan, request_id, &refusal),
                Err(_panic) => {
                    tracing::error!(request = %request_id, "a handler panicked");
                    self.refuse_at(Some(door), plan, request_id, &Rule::Internal.into())
                }
            }
        }
    }

    /// Refuses a request that was admitted: its body was too long, or too late.
    #[must_use]
    pub fn turn_back(&self, entry: Entry<'_>, rule: Rule) -> Sealed {
        let Entry(mut seat) = entry;
        seat.plan.close = true;
        let door = seat.ready.door();
        self.refuse_at(Some(door), &seat.plan, seat.request_id, &rule.into())
    }

    /// Refuses what never became a request: the head gate's findings, and
    /// connections over the limit. The connection closes after it.
    #[must_use]
    pub fn refuse(&self, refusal: &Refusal) -> Sealed {
        let mut plan = Plan::new(self.stray_seal);
        plan.close = true;
        self.refuse_at(None, &plan, self.request_id(), refusal)
    }

    /// The listener's name.
    #[must_use]
    pub fn listener(&self) -> &'static str {
        self.listener
    }

    /// The authorities it answers to, lane by lane.
    #[must_use]
    pub fn hosts(&self) -> &[HostSet] {
        &self.hosts
    }

    fn turn_away(&self, plan: &mut Plan) -> Refusal {
        plan.close = true;
        Refusal::from(Rule::TooManyConnections).retry_after(Duration::from_secs(1))
    }

    fn refuse_at(
        &self,
        door: Option<&dyn Door>,
        plan: &Plan,
        request_id: RequestId,
        refusal: &Refusal,
    ) -> Sealed {
        let surface = door.map_or(self.listener, |door| door.name());
        let forbid = door.is_some_and(|door| door.rules().stranger == Stranger::Forbidden);
        let refusal = &match forbid {
            true => refusal.clone().never_not_found(),
            false => refusal.clone(),
        };
        door.map_or(&self.strays, |door| door.tally())
            .count(refusal.rule());
        let request_id = request_id.to_string();
        self.audit
            .record(crate::audit::Event::refused(surface, refusal, &request_id));
        plan.refuse(&self.seals, &request_id, refusal)
    }

    fn door(&self, path: &str) -> Option<&dyn Door> {
        let mut doors = self.doors.iter().map(|door| &**door);
        doors.find(|door| door.covers(path))
    }

    fn request_id(&self) -> RequestId {
        RequestId {
            run: self.run,
            number: self.next_request.fetch_add(1, Ordering::Relaxed),
        }
    }
}

#[cfg(test)]
mod tests;
