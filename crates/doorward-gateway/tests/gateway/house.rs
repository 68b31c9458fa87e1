//! A room, a gateway behind it, and browser sessions.

use std::sync::Arc;
use std::time::Duration;

use aws_lc_rs::signature::{Ed25519KeyPair, KeyPair as _};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use doorward_gateway::faults::Faults;
use doorward_gateway::{Accounts, Listen, Profile, Server, Settings};
use doorward_guard::audit::{AuditSink, Ledger};
use doorward_guard::events::Events;
use doorward_guard::table::sessions::SessionLimits;
use doorward_guard::{Clock, Refusal, Rule, SessionId, Sessions};
use doorward_operator::gateway::{AuthKind, AuthStart, Proof};
use doorward_operator::room::{CallRequest, Came, Renewal};
use doorward_operator::rpc::{CapnpGateway, Place};
use doorward_operator::vm::{CallResultVm, OwnerState};
use doorward_operator::{Configured, Operator};
#[cfg(target_os = "linux")]
use rustix::process::Uid;
use serde_json::Value;

/// What a gateway is reached over.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Over {
    Tcp,
    Unix,
}

pub(crate) struct House {
    pub(crate) room: Arc<Operator>,
    pub(crate) ledger: Arc<Ledger>,
    pub(crate) sessions: Sessions,
    pub(crate) server: Option<Server>,
    pub(crate) address: String,
    pub(crate) clock: Clock,
    pub(crate) hand: doorward_guard::FakeClock,
    pub(crate) gateway: doorward_guard::FakeClock,
    pub(crate) faults: Arc<Faults>,
    pub(crate) key: Ed25519KeyPair,
    _folder: tempfile::TempDir,
}

/// While it is there, paused time stands still: threads other than the test's go on
/// meanwhile. Without it a deadline comes as soon as the test waits for them.
pub(crate) struct Still {
    _held: std::sync::mpsc::SyncSender<()>,
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
    pub(crate) async fn open(over: Over, motd: &str) -> Self {
        Self::open_with(over, motd, |_| {}).await
    }

    /// With other accounts.
    pub(crate) async fn open_with(
        over: Over,
        motd: &str,
        change: impl FnOnce(&mut Accounts),
    ) -> Self {
        Self::make(over, motd, change, |listen, settings| {
            Server::open(listen, settings)
        })
        .await
    }

    /// With a Unix socket that `user` keeps. Only root can have that.
    #[cfg(target_os = "linux")]
    pub(crate) async fn open_as(user: u32) -> Self {
        Self::make(
            Over::Unix,
            "",
            |_| {},
            async |listen, settings| {
                let opened = std::thread::spawn(move || {
                    // Of this thread alone, and of those that it starts.
                    let (user, same) = (Uid::from_raw(user), None::<Uid>);
                    rustix::thread::set_thread_res_uid(same, user, same)?;
                    let runtime = tokio::runtime::Builder::new_current_thread().build()?;
                    runtime.block_on(Server::open(listen, settings))
                });
                opened.join().unwrap()
            },
        )
        .await
    }

    async fn make(
        over: Over,
        motd: &str,
        change: impl FnOnce(&mut Accounts),
        open: impl AsyncFnOnce(Listen, Settings) -> std::io::Result<Server>,
    ) -> Self {
        let key = Ed25519KeyPair::generate().unwrap();
        let (gateway_clock, gateway) = Clock::fake();
        let mut accounts = accounts(&key);
        change(&mut accounts);
        let mut settings = Settings::new(accounts);
        settings.clock = gateway_clock;
        motd.clone_into(&mut settings.motd);
        let faults = Arc::clone(&settings.faults);
        let folder = tempfile::tempdir().unwrap();
        // Others may keep a socket in it.
        #[cfg(unix)]
        {
            let open = std::os::unix::fs::PermissionsExt::from_mode(0o777);
            std::fs::set_permissions(folder.path(), open).unwrap();
        }
        let path = folder.path().join("gate");
        let listen = match over {
            Over::Unix => Listen::Unix(path.clone()),
            Over::Tcp => Listen::Tcp(0),
        };
        let server = open(listen, settings).await.unwrap();
        let address = match server.address() {
            Some(address) => address.to_string(),
            None => format!("unix:{}", path.display()),
        };
        let (clock, hand) = Clock::fake();
        let ledger = Arc::new(Ledger::new(&clock));
        Self {
            room: room(&clock, &ledger, &address),
            sessions: Sessions::new(&clock, 7000, SessionLimits::STANDARD),
            clock,
            ledger,
            server: Some(server),
            address,
            hand,
            gateway,
            faults,
            key,
            _folder: folder,
        }
    }

    /// Another room, before something else than this gateway.
    pub(crate) fn room_before(&self, address: &str) -> Arc<Operator> {
        room(&self.clock, &self.ledger, address)
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
        self.room
            .login(session, "r", by(kind, account, password))
            .await
    }

    pub(crate) async fn as_ada(&self) -> SessionId {
        self.enter(AuthKind::Password).await
    }

    /// Signs in, whatever that takes: Ada by her password, Kay by her key.
    pub(crate) async fn enter(&self, kind: AuthKind) -> SessionId {
        let session = self.session();
        let (account, password) = match kind {
            AuthKind::Password => ("ada", Some("right")),
            AuthKind::PublicKey => ("kay", None),
            AuthKind::Guest | AuthKind::Anonymous => ("", None),
        };
        let mut came = self.login(&session, kind, account, password).await;
        if kind == AuthKind::PublicKey {
            assert_eq!(came.unwrap(), Came::ToAStep);
            let signature = STANDARD.encode(self.key.sign(&self.challenge(&session)));
            came = self.room.answer(&session, "r", Proof::new(signature)).await;
        }
        assert_eq!(came.unwrap(), Came::ToASession);
        session
    }

    pub(crate) fn challenge(&self, session: &SessionId) -> Vec<u8> {
        let step = self.room.state(session).step.unwrap();
        STANDARD.decode(step.challenge.unwrap()).unwrap()
    }

    /// The texts of the gateway's own log, as its next operator reads it.
    pub(crate) async fn log(&self) -> Vec<String> {
        let reader = self.as_ada().await;
        let all = serde_json::json!({ "most": 500 });
        let log = self.call(&reader, "log", "read", &all).await.unwrap();
        assert!(self.room.logout(&reader));
        self.room.shutdown().await;
        let texts = log.rows.into_iter().map(|row| row[3].clone());
        texts.map(Option::unwrap).collect()
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

// === impl Over ===

impl Over {
    pub(crate) const BOTH: [Self; 2] = [Self::Tcp, Self::Unix];
}

// === impl Still ===

impl Still {
    pub(crate) fn hold() -> Self {
        let (hold, held) = std::sync::mpsc::sync_channel(1);
        // The runtime leaves its paused clock alone while work of this kind goes on.
        tokio::task::spawn_blocking(move || {
            let _ = held.recv();
        });
        Self { _held: hold }
    }
}

fn room(clock: &Clock, ledger: &Arc<Ledger>, address: &str) -> Arc<Operator> {
    let audit: Arc<dyn AuditSink> = Arc::clone(ledger) as _;
    let place = Place::parse(address).unwrap();
    let gateway = Arc::new(CapnpGateway::new(place));
    let gateways = vec![Configured::new("lab", address, gateway)];
    Operator::new(clock, &Events::new(), &audit, gateways, None)
}

pub(crate) fn by(kind: AuthKind, account: &str, password: Option<&str>) -> AuthStart {
    AuthStart {
        kind,
        account: account.to_owned(),
        profile: String::new(),
        proof: password.map(|text| Proof::new(text.to_owned())),
    }
}

/// Asks for more time.
pub(crate) fn more(seconds: u64, proof: Option<&str>) -> Renewal {
    Renewal {
        proof: proof.map(|text| Proof::new(text.to_owned())),
        seconds,
    }
}

/// Lets nobody in particular in as well.
pub(crate) fn everybody(accounts: &mut Accounts) {
    accounts.anonymous = true;
}

pub(crate) fn rule<T>(outcome: Result<T, Refusal>) -> Option<Rule> {
    outcome.err().map(|refusal| refusal.rule())
}
