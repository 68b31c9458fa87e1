//! What all surfaces share.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, OnceLock};

use crate::companion::Companion;
use doorward_guard::audit::{AuditSink, Event, Kind, Select};
use doorward_guard::events::Events;
use doorward_guard::guard::{RefusedRow, SurfaceRow};
use doorward_guard::table::sessions::{EndReason, SessionId, SessionView, Sessions};
use doorward_guard::{Clock, Guard, Moment, Refusal};
use doorward_media::Media;
use doorward_operator::Operator;
use doorward_relay::Relay;
use serde::Serialize;
use serde_json::json;
use tokio::sync::Notify;

/// Audit records told to the tabs in one go; of more, the latest.
const AUDIT_TOLD_AT_ONCE: usize = 100;

/// Clock, sessions, rooms, events and audit of one bridge.
#[derive(Debug)]
pub struct House {
    pub(super) instance: String,
    pub(super) clock: Clock,
    pub(super) started: Moment,
    pub(super) control: String,
    pub(super) content: String,
    pub(super) lanes: Vec<String>,
    pub(super) sessions: Arc<Sessions>,
    pub(super) events: Events,
    pub(super) audit: Arc<dyn AuditSink>,
    pub(super) media: Arc<Media>,
    pub(super) relay: Arc<Relay>,
    pub(super) operator: Arc<Operator>,
    pub(super) companion: Option<(Arc<Companion>, String)>,
    pub(super) compat: Option<String>,
    pub(super) doors: OnceLock<Doors>,
    pub(super) stop_asked: Notify,
    pub(super) audit_told: AtomicU64,
}

/// The guards of the listeners that are open.
#[derive(Debug)]
pub struct Doors {
    pub(super) control: Arc<Guard>,
    pub(super) content: Arc<Guard>,
    pub(super) companion: Option<Arc<Guard>>,
    pub(super) compat: Option<Arc<Guard>>,
    pub(super) native: Option<Arc<Guard>>,
}

/// One listener and its surfaces.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct ListenerRow {
    /// Its name.
    pub name: &'static str,
    /// Where it is, while it is open.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub origin: Option<String>,
    /// Its other lanes: ports with the same surfaces, while it is open.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub lanes: Vec<String>,
    /// Its surfaces, by prefix.
    pub surfaces: Vec<SurfaceRow>,
    /// What was refused before a surface was found.
    pub refused: Vec<RefusedRow>,
}

/// The daemon at a glance.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct State {
    /// Random in each run.
    pub instance: String,
    /// Of doorward.
    pub version: &'static str,
    /// RFC 3339.
    pub started_at: String,
    /// Origin of the control listener.
    pub control: String,
    /// Origin of the content listener.
    pub content: String,
    /// Origins of its other lanes. Each URL works on all of them.
    pub lanes: Vec<String>,
    /// Origin of the companion listener, where it is on.
    pub companion: Option<String>,
    /// The session that asks.
    pub session: Option<SessionView>,
    /// Live grants.
    pub grants: usize,
    /// Streams that run.
    pub streams: u64,
    /// Media bytes since the start.
    pub bytes_served: u64,
}

impl House {
    /// Random in each run.
    #[must_use]
    pub fn instance(&self) -> &str {
        &self.instance
    }

    /// The clock that all deadlines run on.
    #[must_use]
    pub fn clock(&self) -> &Clock {
        &self.clock
    }

    /// `http://127.0.0.1:P` of the control listener.
    #[must_use]
    pub fn control_origin(&self) -> &str {
        &self.control
    }

    /// `http://127.0.0.1:P` of the content listener.
    #[must_use]
    pub fn content_origin(&self) -> &str {
        &self.content
    }

    /// The origins of the content listener's other lanes: ports of their own, free
    /// ones, with the same surfaces. What is at a URL of [`House::content_origin`]
    /// is there as well, for browsers whose connections to that one are all taken.
    #[must_use]
    pub fn content_lanes(&self) -> &[String] {
        &self.lanes
    }

    /// The browser sessions.
    #[must_use]
    pub fn sessions(&self) -> &Arc<Sessions> {
        &self.sessions
    }

    /// What is told as it happens.
    #[must_use]
    pub fn events(&self) -> &Events {
        &self.events
    }

    /// Where decisions are written down.
    #[must_use]
    pub fn audit(&self) -> &dyn AuditSink {
        &*self.audit
    }

    /// The media room.
    #[must_use]
    pub fn media(&self) -> &Arc<Media> {
        &self.media
    }

    /// The relay room.
    #[must_use]
    pub fn relay(&self) -> &Arc<Relay> {
        &self.relay
    }

    /// The operator room.
    #[must_use]
    pub fn operator(&self) -> &Arc<Operator> {
        &self.operator
    }

    /// The companion, where its listener is on.
    #[must_use]
    pub fn companion(&self) -> Option<&Arc<Companion>> {
        self.companion.as_ref().map(|(room, _)| room)
    }

    /// `http://127.0.0.1:P` of the companion listener, where it is on.
    #[must_use]
    pub fn companion_origin(&self) -> Option<&str> {
        self.companion.as_ref().map(|(_, origin)| origin.as_str())
    }

    /// `http://127.0.0.1:P` of the compatible listener, where it is on.
    #[must_use]
    pub fn compat_origin(&self) -> Option<&str> {
        self.compat.as_deref()
    }

    /// A link that signs one browser in: good once, for a minute. With
    /// `take_over` it ends every other session.
    ///
    /// # Errors
    ///
    /// Too many links wait already, or the audit cannot be written.
    pub fn launch_url(&self, take_over: bool) -> Result<String, Refusal> {
        let ticket = self.sessions.ticket(take_over)?;
        // Not given out before it is written down.
        self.audit
            .decide(Event::allowed(Kind::TicketMinted, "native"))?;
        Ok(format!(
            "{}/#ticket={}",
            self.control,
            ticket.reveal().as_str()
        ))
    }

    /// Waits until somebody asks over the native socket that this stops. Whoever
    /// runs the bridge then calls [`Serving::shutdown`](super::Serving::shutdown).
    pub async fn stop_asked(&self) {
        self.stop_asked.notified().await;
    }

    pub(crate) fn ask_to_stop(&self) {
        self.stop_asked.notify_one();
    }

    /// The daemon at a glance.
    #[must_use]
    pub fn state(&self) -> State {
        let totals = self.media.totals();
        State {
            instance: self.instance.clone(),
            version: env!("CARGO_PKG_VERSION"),
            started_at: self.clock.rfc3339(self.started),
            control: self.control.clone(),
            content: self.content.clone(),
            lanes: self.lanes.clone(),
            companion: self.companion_origin().map(str::to_owned),
            session: None,
            grants: totals.grants,
            streams: totals.streams,
            bytes_served: totals.bytes,
        }
    }

    /// Every listener, surface and policy, and what was refused so far.
    #[must_use]
    pub fn table(&self) -> Vec<ListenerRow> {
        let Some(doors) = self.doors.get() else {
            return Vec::new();
        };
        let mut rows = vec![
            ListenerRow::new(&doors.control, Some(self.control.clone())),
            ListenerRow {
                lanes: self.lanes.clone(),
                ..ListenerRow::new(&doors.content, Some(self.content.clone()))
            },
        ];
        rows.extend(doors.companion.as_ref().map(|companion| {
            ListenerRow::new(companion, self.companion_origin().map(str::to_owned))
        }));
        rows.extend(
            doors
                .compat
                .as_ref()
                .map(|compat| ListenerRow::new(compat, self.compat.clone())),
        );
        let socket = || Some("the native socket".to_owned());
        rows.extend(
            doors
                .native
                .as_ref()
                .map(|native| ListenerRow::new(native, socket())),
        );
        rows
    }

    pub(super) fn open(&self, doors: Doors) {
        let _ = self.doors.set(doors);
    }

    pub(super) fn doors(&self) -> Option<&Doors> {
        self.doors.get()
    }

    /// What happens once a second.
    pub(super) fn sweep(&self) {
        self.sessions.sweep();
        // What a call that was under way minted after its session's end.
        let live = self.sessions.live();
        self.media.end_orphans(&live);
        self.relay.end_orphans(&live);
        self.operator.end_orphans(&live);
        self.media.sweep();
        self.relay.sweep();
        self.operator.sweep();
        if let Some(companion) = self.companion() {
            companion.sweep();
        }
        self.tell_audit();
        // Who watches a film moves no mouse.
        let streaming = self.media.streaming_sessions();
        for session in streaming.iter().chain(&self.relay.streaming_sessions()) {
            self.sessions.touch(session);
        }
    }

    /// Tells the tabs what was written down since the last time.
    fn tell_audit(&self) {
        let told = self.audit_told.load(Ordering::Acquire);
        let fresh = self.audit.select(&Select::after(told, AUDIT_TOLD_AT_ONCE));
        for record in fresh {
            self.audit_told.store(record.seq, Ordering::Release);
            self.events
                .publish("audit", &json!({ "event": record }), None);
        }
    }

    pub(super) fn close(&self) {
        self.media.close();
        self.sessions.revoke_all(EndReason::Shutdown);
    }

    /// Everything a session owned ends with it.
    pub(super) fn session_ended(&self, id: &SessionId, reason: EndReason) {
        self.media.session_ended(id);
        self.relay.session_ended(id);
        self.operator.session_ended(id, reason);
        let kind = match reason {
            EndReason::Idle | EndReason::Absolute => Kind::SessionExpired,
            EndReason::Revoked | EndReason::TakenOver | EndReason::Shutdown => Kind::SessionRevoked,
        };
        let event = Event::allowed(kind, "session")
            .subject(id.as_str())
            .detail(reason.word());
        self.audit.record(event);
        self.events.publish(
            "session.ended",
            &json!({ "reason": reason.word() }),
            Some(id),
        );
    }
}

impl ListenerRow {
    pub(super) fn new(guard: &Guard, origin: Option<String>) -> Self {
        Self {
            name: guard.listener(),
            origin,
            lanes: Vec::new(),
            surfaces: guard.table(),
            refused: guard.strays(),
        }
    }
}
