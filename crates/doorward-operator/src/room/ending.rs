//! How what a browser session has on the gateway ends: signed out, out of time, lost or
//! given up. Each end is written down once, and its slot is the next one's.

use std::collections::HashSet;
use std::sync::Arc;

use doorward_guard::SessionId;
use doorward_guard::audit::{Event, Kind};
use doorward_guard::table::sessions::EndReason;

use super::{Operator, SURFACE};
use crate::actor::Actor;
use crate::defaults;
use crate::denial::Denied;
use crate::owner::{Due, Given};
use crate::transcript::Kind as Row;

impl Operator {
    /// Ends what `session` has on the gateway: signing out. Whether it had anything.
    pub fn logout(&self, session: &SessionId) -> bool {
        self.end(session, "logout")
    }

    /// The browser session is over: so is what it had.
    pub fn session_ended(&self, session: &SessionId, reason: EndReason) {
        self.forget(session, reason.word());
    }

    /// The browser session was over before what it gained could be its own.
    pub(crate) fn orphaned(&self, session: &SessionId) {
        self.forget(session, "orphaned");
    }

    fn forget(&self, session: &SessionId, why: &str) {
        self.end(session, why);
        self.failures.session_ended(session);
        self.transcript.forget(session);
        self.lock().former.remove(session);
    }

    /// Ends what belongs to a browser session that is not among `live`: what was
    /// under way while it ended.
    pub fn end_orphans(&self, live: &HashSet<SessionId>) {
        let orphan = {
            let state = self.lock();
            let holder = state.live.as_ref().map(|live| &live.session);
            let holder = holder.or(state.pending.as_ref().map(|pending| &pending.session));
            holder.filter(|session| !live.contains(session)).cloned()
        };
        if let Some(session) = orphan {
            self.orphaned(&session);
        }
    }

    /// Ends what is due. Call it about once a second.
    pub fn sweep(&self) {
        let (due, live, late) = {
            let mut state = self.lock();
            let now = self.clock.now();
            let due = state.slot.sweep(now);
            let live = match &due {
                Some(Due::Session(session)) => state.take_live(session),
                Some(Due::Attempt(_)) => {
                    state.pending = None;
                    None
                }
                None => None,
            };
            let late = state.live.as_mut().and_then(|live| {
                live.renewing.take_if(|it| it.is_overdue(now))?;
                Some(live.session.clone())
            });
            (due, live, late)
        };
        if let Some(session) = late {
            self.write(&session, Row::Renewal, "more time", "tooLate");
            self.changed();
        }
        if let Some(live) = live {
            self.farewell(live.actor);
        }
        match due {
            None => {}
            Some(Due::Attempt(Given::Freed(session))) => self.freed(&session, "tooLate"),
            Some(Due::Attempt(Given::Kept(session))) => {
                self.write(&session, Row::Login, "signing in again", "tooLate");
            }
            Some(Due::Session(session)) => {
                self.write(&session, Row::End, "the session's time was over", "ok");
                self.freed(&session, "expired");
            }
        }
    }

    /// Signs out on the gateway, and waits for that as long as a logout may take.
    pub async fn shutdown(&self) {
        let session = {
            let state = self.lock();
            state.live.as_ref().map(|live| live.session.clone())
        };
        if let Some(session) = session {
            self.end(&session, "shutdown");
        }
        self.lock().pending = None;
        self.tasks.close();
        self.tasks.wait().await;
    }

    pub(super) fn freed(&self, session: &SessionId, why: &str) {
        self.audit.record(
            Event::allowed(Kind::GatewayReleased, SURFACE)
                .subject(session.as_str())
                .detail(why),
        );
        self.changed();
    }

    /// Whether it had anything.
    pub(super) fn end(&self, session: &SessionId, why: &str) -> bool {
        let (had, live) = {
            let mut state = self.lock();
            let had = state.slot.end(session);
            // Dropping it cuts its connection.
            state.pending.take_if(|pending| pending.session == *session);
            (had, state.take_live(session))
        };
        if let Some(live) = live {
            self.write(session, Row::End, why, "ok");
            self.farewell(live.actor);
        }
        if had {
            self.freed(session, why);
        }
        had
    }

    /// Signs out over there, for at most [`defaults::LOGOUT`], and cuts the connection.
    pub(super) fn farewell(&self, actor: Arc<Actor>) {
        // Without a runtime, the cut says it all.
        if let Ok(runtime) = tokio::runtime::Handle::try_current() {
            self.tasks.spawn_on(
                async move {
                    let logout = actor.ask(defaults::LOGOUT, |link| {
                        Box::pin(async move {
                            link.logout().await;
                            Ok(())
                        })
                    });
                    let _ = logout.await;
                },
                &runtime,
            );
        }
    }

    /// The connection or the session of `epoch` is gone.
    pub(super) fn lost(&self, epoch: u64, denied: &Denied) {
        let session = {
            let mut state = self.lock();
            let Some(live) = state.live.take_if(|live| live.epoch == epoch) else {
                return;
            };
            state.slot.end(&live.session);
            state.former.insert(live.session.clone());
            live.session
        };
        self.write(
            &session,
            Row::End,
            "the gateway ended it",
            denied.denial.rule().name(),
        );
        self.freed(&session, denied.denial.rule().name());
    }
}
