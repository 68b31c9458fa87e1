//! A gateway in this process that does as its script says: for faults and orders
//! of events that a real one cannot be made to show.

use std::cell::Cell;
use std::rc::Rc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use doorward_guard::audit::{AuditSink, Event, Ledger, Record, Select};
use doorward_guard::events::Events;
use doorward_guard::table::sessions::SessionLimits;
use doorward_guard::{Clock, FakeClock, Refusal, Rule, SessionId, Sessions};
use futures_util::future::LocalBoxFuture;
use serde_json::Value as Json;
use tokio::sync::watch;

use crate::denial::{Denial, Denied};
use crate::gateway::{
    Asked, AuthKind, AuthMethod, AuthOutcome, AuthStart, AuthStrength, Capability, Descriptor,
    Effect, Field, FieldKind, Gateway, Invocation, Link, Operation, Output, Proof, SessionInfo,
    Step, Value,
};
use crate::room::{CallRequest, Came, Configured, Operator};
use crate::vm::{CallResultVm, OwnerState};

pub(super) const ADDRESS: &str = "10.0.0.1:2327";
pub(super) const UPSTREAM_WORDS: &str = "upstream says";
pub(super) const LIFE: Duration = Duration::from_secs(300);
/// What a field of `bulk` takes: more than a call.
pub(super) const BULK: usize = 70_000;

/// What the gateway does next, and what was done to it.
pub(super) struct Script {
    pub(super) connects: AtomicUsize,
    pub(super) logins: AtomicUsize,
    pub(super) calls: AtomicUsize,
    pub(super) dropped: AtomicUsize,
    pub(super) logouts: AtomicUsize,
    pub(super) cancels: AtomicUsize,
    links: AtomicUsize,
    orders: Mutex<Orders>,
    /// Which of connecting, signing in and calls wait.
    held: watch::Sender<Held>,
    cut: watch::Sender<usize>,
    seen: watch::Sender<usize>,
}

#[derive(Clone, Copy, Default)]
struct Held {
    connections: bool,
    logins: bool,
    calls: bool,
}

/// Where a gateway's own code breaks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Panic {
    Connecting,
    SigningIn,
    Calling,
    /// Where it waits for the end of its connection.
    Listening,
}

#[derive(Default)]
struct Orders {
    panic: Option<Panic>,
    connections: Option<Denial>,
    calls: Option<Denial>,
    answer: Option<Value>,
    forever: bool,
    renews_by_step: bool,
}

impl Default for Script {
    fn default() -> Self {
        Self {
            connects: AtomicUsize::new(0),
            logins: AtomicUsize::new(0),
            calls: AtomicUsize::new(0),
            dropped: AtomicUsize::new(0),
            logouts: AtomicUsize::new(0),
            cancels: AtomicUsize::new(0),
            links: AtomicUsize::new(0),
            orders: Mutex::default(),
            held: watch::Sender::new(Held::default()),
            cut: watch::Sender::new(0),
            seen: watch::Sender::new(0),
        }
    }
}

impl Script {
    pub(super) fn hold_connections(&self) {
        self.held.send_modify(|held| held.connections = true);
    }

    pub(super) fn hold_login(&self) {
        self.held.send_modify(|held| held.logins = true);
    }

    pub(super) fn hold_calls(&self) {
        self.held.send_modify(|held| held.calls = true);
    }

    pub(super) fn go_on(&self) {
        self.held.send_replace(Held::default());
    }

    pub(super) fn refuse_connections(&self, denial: Denial) {
        self.orders.lock().unwrap().connections = Some(denial);
    }

    pub(super) fn refuse_nothing(&self) {
        self.orders.lock().unwrap().connections = None;
    }

    pub(super) fn deny_calls(&self, denial: Option<Denial>) {
        self.orders.lock().unwrap().calls = denial;
    }

    pub(super) fn answer(&self, value: Value) {
        self.orders.lock().unwrap().answer = Some(value);
    }

    pub(super) fn ask_forever(&self) {
        self.orders.lock().unwrap().forever = true;
    }

    pub(super) fn renew_by_step(&self) {
        self.orders.lock().unwrap().renews_by_step = true;
    }

    pub(super) fn panic_at(&self, at: Option<Panic>) {
        self.orders.lock().unwrap().panic = at;
    }

    /// The connections there are break.
    pub(super) fn cut(&self) {
        self.cut.send_modify(|cuts| *cuts += 1);
    }

    pub(super) async fn connections_came(&self, connections: usize) {
        self.until(|script| script.connects.load(Ordering::SeqCst) >= connections)
            .await;
    }

    pub(super) async fn logins_came(&self, logins: usize) {
        self.until(|script| script.logins.load(Ordering::SeqCst) >= logins)
            .await;
    }

    pub(super) async fn login_came(&self) {
        self.logins_came(1).await;
    }

    pub(super) async fn calls_came(&self, calls: usize) {
        self.until(|script| script.calls.load(Ordering::SeqCst) >= calls)
            .await;
    }

    pub(super) async fn calls_dropped(&self, calls: usize) {
        self.until(|script| script.dropped.load(Ordering::SeqCst) >= calls)
            .await;
    }

    /// No connection is left.
    pub(super) async fn hung_up(&self) {
        self.until(|script| script.links.load(Ordering::SeqCst) == 0)
            .await;
    }

    async fn until(&self, is: impl Fn(&Self) -> bool) {
        let mut seen = self.seen.subscribe();
        while !is(self) {
            seen.changed().await.unwrap();
        }
    }

    fn count(&self, what: &AtomicUsize) {
        what.fetch_add(1, Ordering::SeqCst);
        self.seen.send_modify(|seen| *seen += 1);
    }

    fn break_at(&self, here: Panic) {
        let at = self.orders.lock().unwrap().panic;
        assert_ne!(at, Some(here), "as it was told to");
    }

    async fn held(&self, is: impl Fn(&Held) -> bool) {
        let mut held = self.held.subscribe();
        held.wait_for(|held| !is(held)).await.unwrap();
    }
}

struct Scripted(Arc<Script>);

struct ScriptedLink {
    script: Arc<Script>,
    cut: watch::Receiver<usize>,
    /// More time that is asked for.
    renewing: Cell<Option<Duration>>,
}

fn method(kind: AuthKind, enabled: bool) -> AuthMethod {
    AuthMethod {
        kind,
        label: kind.word().to_owned(),
        profiles: vec!["operator".to_owned()],
        interactive: kind == AuthKind::PublicKey,
        enabled,
    }
}

impl Gateway for Scripted {
    fn descriptor(&self) -> Descriptor {
        Descriptor {
            kind: "scripted",
            methods: vec![
                method(AuthKind::Password, true),
                method(AuthKind::Anonymous, true),
                method(AuthKind::Guest, false),
                method(AuthKind::PublicKey, true),
            ],
        }
    }

    fn connect(&self) -> Asked<'_, Rc<dyn Link>> {
        Box::pin(async {
            self.0.count(&self.0.connects);
            self.0.break_at(Panic::Connecting);
            self.0.held(|held| held.connections).await;
            if let Some(denial) = self.0.orders.lock().unwrap().connections {
                return Err(denial.because(UPSTREAM_WORDS));
            }
            self.0.count(&self.0.links);
            let link = ScriptedLink {
                script: Arc::clone(&self.0),
                cut: self.0.cut.subscribe(),
                renewing: Cell::default(),
            };
            Ok(Rc::new(link) as Rc<dyn Link>)
        })
    }

    fn secrets(&self) -> Vec<String> {
        vec![ADDRESS.to_owned(), "0xfbbdc602980cb986".to_owned()]
    }
}

fn info(remaining: Duration) -> SessionInfo {
    SessionInfo {
        profile: "operator".to_owned(),
        principal: format!("Ada at {ADDRESS}"),
        strength: AuthStrength::Password,
        remaining: Some(remaining),
    }
}

fn step() -> AuthOutcome {
    AuthOutcome::Step(Step {
        prompt: "Sign this".to_owned(),
        secret: false,
        challenge: Some("Y2hhbGxlbmdl".to_owned()),
    })
}

impl Link for ScriptedLink {
    fn begin_auth(&self, start: AuthStart) -> Asked<'_, AuthOutcome> {
        Box::pin(async move {
            self.script.count(&self.script.logins);
            self.script.break_at(Panic::SigningIn);
            self.script.held(|held| held.logins).await;
            match (start.kind, start.proof) {
                (AuthKind::Password, Some(proof)) if proof.reveal() == "right" => {
                    Ok(AuthOutcome::Session(info(LIFE)))
                }
                (AuthKind::PublicKey, _) => Ok(step()),
                _ => Err(Denial::AuthenticationDenied.because(UPSTREAM_WORDS)),
            }
        })
    }

    fn continue_auth(&self, answer: Proof) -> Asked<'_, AuthOutcome> {
        Box::pin(async move {
            if self.script.orders.lock().unwrap().forever {
                return Ok(step());
            }
            let renewing = self.renewing.take();
            if renewing.is_some() {
                self.script.count(&self.script.calls);
                self.script.held(|held| held.calls).await;
            }
            match answer.reveal() {
                "signed" => Ok(AuthOutcome::Session(info(renewing.unwrap_or(LIFE)))),
                _ => Err(Denial::AuthenticationDenied.because(UPSTREAM_WORDS)),
            }
        })
    }

    fn cancel_auth(&self) -> LocalBoxFuture<'_, ()> {
        Box::pin(async {
            self.renewing.take();
            self.script.count(&self.script.cancels);
        })
    }

    fn session(&self) -> Asked<'_, SessionInfo> {
        Box::pin(async { Ok(info(LIFE)) })
    }

    fn renew(&self, _: Option<Proof>, duration: Duration) -> Asked<'_, AuthOutcome> {
        Box::pin(async move {
            self.script.count(&self.script.calls);
            self.script.held(|held| held.calls).await;
            if self.script.orders.lock().unwrap().renews_by_step {
                self.renewing.set(Some(duration));
                return Ok(step());
            }
            Ok(AuthOutcome::Session(info(duration)))
        })
    }

    fn list(&self) -> Asked<'_, Vec<Capability>> {
        Box::pin(async {
            let operation = |name: &str, kind: Option<FieldKind>, effect| Operation {
                name: name.to_owned(),
                label: name.to_owned(),
                fields: kind
                    .map(|kind| Field {
                        name: match kind {
                            FieldKind::Secret { .. } => "pin".to_owned(),
                            _ => "text".to_owned(),
                        },
                        label: "Text".to_owned(),
                        kind,
                        required: true,
                    })
                    .into_iter()
                    .collect(),
                effect,
            };
            let text = || Some(FieldKind::Text { most: 1_024 });
            Ok(vec![Capability {
                name: "tools".to_owned(),
                contract: "0xfbbdc602980cb986".to_owned(),
                label: "Tools".to_owned(),
                operations: vec![
                    operation("echo", text(), Effect::Read),
                    operation("put", text(), Effect::Write),
                    operation("bulk", Some(FieldKind::Text { most: BULK }), Effect::Read),
                    operation(
                        "secret",
                        Some(FieldKind::Secret { most: 64 }),
                        Effect::Write,
                    ),
                    operation("wipe", None, Effect::Destructive),
                ],
                lease: None,
            }])
        })
    }

    fn invoke(&self, call: Invocation) -> Asked<'_, Output> {
        struct Dropped<'a>(&'a Script, bool);
        impl Drop for Dropped<'_> {
            fn drop(&mut self) {
                if !self.1 {
                    self.0.count(&self.0.dropped);
                }
            }
        }
        Box::pin(async move {
            assert_eq!(call.contract, "0xfbbdc602980cb986");
            self.script.count(&self.script.calls);
            self.script.break_at(Panic::Calling);
            let mut dropped = Dropped(&self.script, false);
            self.script.held(|held| held.calls).await;
            dropped.1 = true;
            let orders = self.script.orders.lock().unwrap();
            if let Some(denial) = orders.calls {
                return Err(denial.because(format!("\u{1b}{UPSTREAM_WORDS}")));
            }
            Ok(Output::whole(
                orders.answer.clone().unwrap_or(Value::Nothing),
            ))
        })
    }

    fn logout(&self) -> LocalBoxFuture<'_, ()> {
        Box::pin(async { self.script.count(&self.script.logouts) })
    }

    fn health(&self) -> Asked<'_, ()> {
        Box::pin(async { Ok(()) })
    }

    fn ended(&self) -> LocalBoxFuture<'_, Denied> {
        let (script, mut cut) = (Arc::clone(&self.script), self.cut.clone());
        Box::pin(async move {
            let cut = cut.changed().await;
            script.break_at(Panic::Listening);
            match cut {
                Ok(()) => Denial::UpstreamDisconnected.into(),
                Err(_) => std::future::pending().await,
            }
        })
    }
}

impl Drop for ScriptedLink {
    fn drop(&mut self) {
        self.script.links.fetch_sub(1, Ordering::SeqCst);
        self.script.seen.send_modify(|seen| *seen += 1);
    }
}

/// A room, and browser sessions for it.
pub(super) struct House {
    pub(super) room: Arc<Operator>,
    pub(super) script: Arc<Script>,
    pub(super) hand: FakeClock,
    pub(super) ledger: Arc<Ledger>,
    sessions: Sessions,
}

/// While it is there, paused time stands still: the gateway's thread goes on
/// meanwhile. Without it a deadline comes as soon as a test waits for that thread.
pub(super) struct Still {
    _held: std::sync::mpsc::SyncSender<()>,
}

impl Still {
    pub(super) fn hold() -> Self {
        let (hold, held) = std::sync::mpsc::sync_channel(1);
        // The runtime leaves its paused clock alone while work of this kind goes on.
        tokio::task::spawn_blocking(move || {
            let _ = held.recv();
        });
        Self { _held: hold }
    }
}

/// An audit whose disk is full, from some moment on.
#[derive(Debug, Default)]
pub(super) struct Broken(AtomicBool);

impl Broken {
    pub(super) fn now(&self) {
        self.0.store(true, Ordering::SeqCst);
    }
}

impl AuditSink for Broken {
    fn record(&self, _: Event) {}

    fn decide(&self, _: Event) -> Result<(), Refusal> {
        if self.0.load(Ordering::SeqCst) {
            return Err(Rule::Internal.into());
        }
        Ok(())
    }

    fn select(&self, _: &Select) -> Vec<Record> {
        Vec::new()
    }
}

impl House {
    pub(super) fn new() -> Self {
        Self::with(|script| {
            let gateway = || Arc::new(Scripted(Arc::clone(script)));
            vec![
                Configured::new("first", ADDRESS, gateway()).also("10.0.0.2:1", gateway()),
                Configured::new("second", ADDRESS, gateway()),
            ]
        })
    }

    pub(super) fn with(gateways: impl FnOnce(&Arc<Script>) -> Vec<Configured>) -> Self {
        Self::make(gateways, None)
    }

    pub(super) fn with_audit(audit: &Arc<Broken>) -> Self {
        let gateways = |script: &Arc<Script>| {
            let gateway = Arc::new(Scripted(Arc::clone(script)));
            vec![Configured::new("first", ADDRESS, gateway)]
        };
        Self::make(gateways, Some(Arc::clone(audit) as _))
    }

    fn make(
        gateways: impl FnOnce(&Arc<Script>) -> Vec<Configured>,
        audit: Option<Arc<dyn AuditSink>>,
    ) -> Self {
        let (clock, hand) = Clock::fake();
        let ledger = Arc::new(Ledger::new(&clock));
        let audit = audit.unwrap_or_else(|| Arc::clone(&ledger) as _);
        let script = Arc::new(Script::default());
        let gateways = gateways(&script);
        Self {
            room: Operator::new(&clock, &Events::new(), &audit, gateways, None),
            sessions: Sessions::new(&clock, 7000, SessionLimits::STANDARD),
            script,
            hand,
            ledger,
        }
    }

    pub(super) fn session(&self) -> SessionId {
        let ticket = self.sessions.ticket(false).unwrap();
        self.sessions.claim(&ticket.reveal(), None).unwrap().session
    }

    pub(super) async fn login(
        &self,
        session: &SessionId,
        start: AuthStart,
    ) -> Result<Came, Refusal> {
        self.room.login(session, "r", start).await
    }

    pub(super) async fn sign_in(&self, session: &SessionId) {
        let came = self.login(session, password("right")).await;
        assert_eq!(came.unwrap(), Came::ToASession);
    }

    pub(super) fn alias(&self, session: &SessionId) -> String {
        self.room.state(session).caps[0].r#ref.clone()
    }

    pub(super) async fn call(
        &self,
        session: &SessionId,
        operation: &str,
        fields: &Json,
    ) -> Result<CallResultVm, Refusal> {
        let caps = self.room.state(session).caps;
        let alias = caps.first().map_or("none", |cap| &cap.r#ref);
        self.call_ref(session, alias, operation, fields).await
    }

    pub(super) async fn call_ref(
        &self,
        session: &SessionId,
        alias: &str,
        operation: &str,
        fields: &Json,
    ) -> Result<CallResultVm, Refusal> {
        self.room
            .call(session, "r", asked(alias, operation, fields))
            .await
    }

    pub(super) async fn confirmed(
        &self,
        session: &SessionId,
        operation: &str,
    ) -> Result<CallResultVm, Refusal> {
        let call = CallRequest {
            confirmed: true,
            ..asked(&self.alias(session), operation, &serde_json::json!({}))
        };
        self.room.call(session, "r", call).await
    }

    pub(super) async fn until_free(&self, session: &SessionId) {
        while self.room.state(session).owner.state != OwnerState::Free {
            tokio::task::yield_now().await;
        }
    }
}

pub(super) fn asked(alias: &str, operation: &str, fields: &Json) -> CallRequest {
    CallRequest {
        r#ref: alias.to_owned(),
        operation: operation.to_owned(),
        fields: fields.as_object().unwrap().clone(),
        confirmed: false,
    }
}

pub(super) fn by(kind: AuthKind) -> AuthStart {
    AuthStart {
        kind,
        account: String::new(),
        profile: String::new(),
        proof: None,
    }
}

pub(super) fn password(password: &str) -> AuthStart {
    AuthStart {
        account: "ada".to_owned(),
        proof: Some(Proof::new(password.to_owned())),
        ..by(AuthKind::Password)
    }
}

impl AuthStart {
    pub(super) fn with_profile(mut self, profile: &str) -> Self {
        self.profile = profile.to_owned();
        self
    }
}
