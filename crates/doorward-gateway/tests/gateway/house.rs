//! A room, a gateway behind it, and browser sessions.

use std::sync::Arc;
use std::time::Duration;

use aws_lc_rs::signature::{Ed25519KeyPair, KeyPair as _};
use doorward_gateway::faults::Faults;
use doorward_gateway::{Accounts, Listen, Profile, Server, Settings};
use doorward_guard::audit::{AuditSink, Ledger};
use doorward_guard::events::Events;
use doorward_guard::table::sessions::SessionLimits;
use doorward_guard::{Clock, Refusal, Rule, SessionId, Sessions};
use doorward_operator::gateway::{AuthKind, AuthStart, Proof};
use doorward_operator::room::{CallRequest, Came};
use doorward_operator::rpc::{CapnpGateway, Place};
use doorward_operator::vm::{CallResultVm, OwnerState};
use doorward_operator::{Configured, Operator};
use serde_json::Value;

pub(crate) struct House {
    pub(crate) room: Arc<Operator>,
    pub(crate) ledger: Arc<Ledger>,
    pub(crate) sessions: Sessions,
    pub(crate) server: Option<Server>,
    pub(crate) hand: doorward_guard::FakeClock,
    pub(crate) gateway: doorward_guard::FakeClock,
    pub(crate) faults: Arc<Faults>,
    pub(crate) key: Ed25519KeyPair,
    pub(crate) socket: Option<tempfile::TempDir>,
}

fn accounts(key: &Ed25519KeyPair) -> Accounts {
    let mut accounts = Accounts {
        guests: true,
        ..Accounts::default()
    };
    accounts
        .add_password("ada", Profile::Operator, "right")
        .unwrap();
    accounts.add_key("kay", Profile::Operator, key.public_key().as_ref());
    accounts
}

impl House {
    pub(crate) async fn open(unix: bool, motd: &str) -> Self {
        Self::open_with(unix, motd, |_| {}).await
    }

    /// With other accounts.
    pub(crate) async fn open_with(
        unix: bool,
        motd: &str,
        change: impl FnOnce(&mut Accounts),
    ) -> Self {
        let key = Ed25519KeyPair::generate().unwrap();
        let (gateway_clock, gateway) = Clock::fake();
        let mut accounts = accounts(&key);
        change(&mut accounts);
        let mut settings = Settings::new(accounts);
        settings.clock = gateway_clock;
        motd.clone_into(&mut settings.motd);
        let faults = Arc::clone(&settings.faults);
        let socket = unix.then(|| tempfile::tempdir().unwrap());
        let listen = match &socket {
            Some(folder) => Listen::Unix(folder.path().join("gate")),
            None => Listen::Tcp(0),
        };
        let server = Server::open(listen, settings).await.unwrap();
        let address = match (&socket, server.address()) {
            (Some(folder), _) => format!("unix:{}", folder.path().join("gate").display()),
            (None, Some(address)) => address.to_string(),
            (None, None) => panic!("no address"),
        };
        let (clock, hand) = Clock::fake();
        let ledger = Arc::new(Ledger::new(&clock));
        let audit: Arc<dyn AuditSink> = Arc::clone(&ledger) as _;
        let place = Place::parse(&address).unwrap();
        let gateways = vec![Configured::new(
            "lab",
            address,
            Arc::new(CapnpGateway::new(place)),
        )];
        Self {
            room: Operator::new(&clock, &Events::new(), &audit, gateways, None),
            sessions: Sessions::new(&clock, 7000, SessionLimits::STANDARD),
            ledger,
            server: Some(server),
            hand,
            gateway,
            faults,
            key,
            socket,
        }
    }

    pub(crate) fn session(&self) -> SessionId {
        let ticket = self.sessions.ticket(false).unwrap();
        self.sessions.claim(&ticket.reveal(), None).unwrap().session
    }

    pub(crate) async fn login(
        &self,
        session: &SessionId,
        kind: AuthKind,
        account: &str,
        password: Option<&str>,
    ) -> Result<Came, Refusal> {
        let start = AuthStart {
            kind,
            account: account.to_owned(),
            profile: String::new(),
            proof: password.map(|text| Proof::new(text.to_owned())),
        };
        self.room.login(session, "r", start).await
    }

    pub(crate) async fn as_ada(&self) -> SessionId {
        let session = self.session();
        let came = self.login(&session, AuthKind::Password, "ada", Some("right"));
        assert_eq!(came.await.unwrap(), Came::ToASession);
        session
    }

    pub(crate) async fn call(
        &self,
        session: &SessionId,
        cap: &str,
        operation: &str,
        fields: &Value,
    ) -> Result<CallResultVm, Refusal> {
        let caps = self.room.state(session).caps;
        let found = caps.iter().find(|one| one.name == cap);
        let alias = found.map_or_else(String::new, |one| one.r#ref.clone());
        self.call_ref(session, &alias, operation, fields).await
    }

    pub(crate) async fn call_ref(
        &self,
        session: &SessionId,
        alias: &str,
        operation: &str,
        fields: &Value,
    ) -> Result<CallResultVm, Refusal> {
        let call = CallRequest {
            r#ref: alias.to_owned(),
            operation: operation.to_owned(),
            fields: fields.as_object().unwrap().clone(),
            confirmed: true,
        };
        self.room.call(session, "r", call).await
    }

    /// Until the slot is free: told by the gateway or the socket, not by time here.
    pub(crate) async fn until_free(&self) {
        let stranger = self.session();
        for _ in 0..3_000 {
            if self.room.state(&stranger).owner.state == OwnerState::Free {
                return;
            }
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        panic!("it is still held");
    }
}

pub(crate) fn rule<T>(outcome: Result<T, Refusal>) -> Option<Rule> {
    outcome.err().map(|refusal| refusal.rule())
}
