//! The operator room with one gateway, and the gateway without the room.
#![allow(dead_code, reason = "each kind of gateway uses its part")]

use std::sync::Arc;
use std::time::Duration;

use doorward_egress::{AddressPolicy, Dialer, Trust};
use doorward_guard::audit::{AuditSink, Ledger};
use doorward_guard::events::Events;
use doorward_guard::table::sessions::SessionLimits;
use doorward_guard::{Clock, FakeClock, Refusal, Rule, SessionId, Sessions};
use doorward_operator::actor::Actor;
use doorward_operator::gateway::{
    Argument, AuthKind, AuthOutcome, AuthStart, Invocation, Output, Proof,
};
use doorward_operator::room::{CallRequest, Came};
use doorward_operator::vm::CallResultVm;
use doorward_operator::{Configured, Denial, Gateway, Operator, defaults};
use serde_json::{Value as Json, json};

/// What whoever owns a session does there. The address is never shown.
pub(crate) struct House {
    pub(crate) room: Arc<Operator>,
    pub(crate) me: SessionId,
    hand: FakeClock,
    sessions: Sessions,
}

pub(crate) fn dialer() -> Dialer {
    Dialer::new(AddressPolicy::public(), Trust::platform())
}

pub(crate) fn by_password(account: &str, password: &str) -> AuthStart {
    AuthStart {
        kind: AuthKind::Password,
        account: account.to_owned(),
        profile: String::new(),
        proof: Some(Proof::new(password.to_owned())),
    }
}

pub(crate) fn by_key(account: &str) -> AuthStart {
    AuthStart {
        kind: AuthKind::PublicKey,
        proof: None,
        ..by_password(account, "")
    }
}

pub(crate) fn text(name: &str, value: &str) -> (String, Argument) {
    (name.to_owned(), Argument::Text(value.to_owned()))
}

// === without the room ===

/// Connects to `gateway` and begins to sign in.
pub(crate) async fn begin(
    gateway: Arc<dyn Gateway>,
    start: AuthStart,
) -> Result<(Arc<Actor>, AuthOutcome), Denial> {
    let actor = Actor::connect(gateway).await.map_err(|no| no.denial)?;
    let outcome = actor
        .ask(defaults::CALL, |link| {
            Box::pin(async move { link.begin_auth(start).await })
        })
        .await
        .map_err(|no| no.denial)?;
    Ok((Arc::new(actor), outcome))
}

/// Connects to `gateway` and signs in, in one step.
pub(crate) async fn sign_in(
    gateway: Arc<dyn Gateway>,
    start: AuthStart,
) -> Result<Arc<Actor>, Denial> {
    match begin(gateway, start).await? {
        (actor, AuthOutcome::Session(_)) => Ok(actor),
        (_, AuthOutcome::Step(step)) => panic!("{step:?}"),
    }
}

/// Answers what was asked.
pub(crate) async fn answer(actor: &Actor, answer: &str) -> Result<AuthOutcome, Denial> {
    let answer = Proof::new(answer.to_owned());
    let outcome = actor
        .ask(defaults::CALL, |link| {
            Box::pin(async move { link.continue_auth(answer).await })
        })
        .await;
    outcome.map_err(|no| no.denial)
}

/// Calls an operation of the one capability, whose name is its contract.
pub(crate) async fn invoke(
    actor: &Actor,
    capability: &str,
    operation: &str,
    arguments: Vec<(String, Argument)>,
) -> Result<Output, Denial> {
    invoke_as(actor, (capability, capability), operation, arguments).await
}

pub(crate) async fn invoke_as(
    actor: &Actor,
    (capability, contract): (&str, &str),
    operation: &str,
    arguments: Vec<(String, Argument)>,
) -> Result<Output, Denial> {
    let call = Invocation {
        capability: capability.to_owned(),
        contract: contract.to_owned(),
        operation: operation.to_owned(),
        arguments,
    };
    let output = actor
        .ask(defaults::CALL, |link| {
            Box::pin(async move { link.invoke(call).await })
        })
        .await;
    output.map_err(|no| no.denial)
}

pub(crate) async fn logout(actor: &Actor) {
    let left = actor.ask(defaults::CALL, |link| {
        Box::pin(async move {
            link.logout().await;
            Ok(())
        })
    });
    // The connection may end before the answer does.
    let _ = left.await;
}

// === with the room ===

impl House {
    pub(crate) fn new(gateway: Arc<dyn Gateway>) -> Self {
        let (clock, hand) = Clock::fake();
        let ledger: Arc<dyn AuditSink> = Arc::new(Ledger::new(&clock));
        let gateways = vec![Configured::new("there", "there:1", gateway)];
        let sessions = Sessions::new(&clock, 7000, SessionLimits::STANDARD);
        let me = claim(&sessions);
        Self {
            room: Operator::new(&clock, &Events::new(), &ledger, gateways, None),
            me,
            hand,
            sessions,
        }
    }

    pub(crate) fn another(&self) -> SessionId {
        claim(&self.sessions)
    }

    /// Signs in, after whatever pause failures before it made.
    pub(crate) async fn login(&self, start: AuthStart) -> Result<Came, Rule> {
        self.hand.advance(Duration::from_secs(60));
        let came = self.room.login(&self.me, "r", start).await;
        came.map_err(|refusal| refusal.rule())
    }

    /// This much later, what is over is swept away.
    pub(crate) fn later(&self, time: Duration) {
        self.hand.advance(time);
        self.room.sweep();
    }

    pub(crate) async fn call(&self, operation: &str, fields: Json) -> Result<CallResultVm, Rule> {
        let called = self.ask(operation, fields, false).await;
        called.map_err(|refusal| refusal.rule())
    }

    pub(crate) async fn ask(
        &self,
        operation: &str,
        fields: Json,
        confirmed: bool,
    ) -> Result<CallResultVm, Refusal> {
        let caps = self.room.state(&self.me).caps;
        let alias = caps.first().map_or("none", |cap| &cap.r#ref);
        let mut call = json!({ "ref": alias, "operation": operation, "confirmed": confirmed });
        call["fields"] = fields;
        let call: CallRequest = serde_json::from_value(call).unwrap();
        self.room.call(&self.me, "r", call).await
    }
}

/// The cells of a table that is shown.
pub(crate) fn cells(shown: &CallResultVm) -> Vec<Vec<Option<&str>>> {
    let rows = shown.rows.iter();
    rows.map(|row| row.iter().map(Option::as_deref).collect())
        .collect()
}

fn claim(sessions: &Sessions) -> SessionId {
    let ticket = sessions.ticket(false).unwrap();
    sessions.claim(&ticket.reveal(), None).unwrap().session
}

// === the corpus ===

/// Texts that would do something if any shell or server read them as its own
/// language. `CANARY` in them is what they would do it to.
pub(crate) fn corpus(canary: &str) -> Vec<String> {
    let rows: Vec<String> = serde_json::from_str(include_str!("injection.json")).unwrap();
    assert!(rows.len() > 250, "{}", rows.len());
    rows.iter()
        .map(|row| row.replace("CANARY", canary))
        .collect()
}
