//! A house with a gateway behind it, a house whose gateway must hear nothing, and
//! requests of which every byte can be chosen.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use aws_lc_rs::signature::{Ed25519KeyPair, KeyPair as _};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use doorward::BridgeBuilder;
use doorward::guard::FakeClock;
use doorward::operator::Configured;
use doorward::operator::rpc::{CapnpGateway, Place};
use doorward_gateway::faults::Faults;
use doorward_gateway::{Accounts, Listen, Profile, Server, Settings};
use doorward_testkit::corpus::Listener;
use doorward_testkit::house::{Reply, TestHouse};
use serde_json::{Value, json};

pub(crate) const LOGIN: &str = "/api/operator/login/password";
pub(crate) const RIGHT: &str = r#"{"account":"ada","password":"hunter2-right"}"#;
pub(crate) const WRONG: &str = r#"{"account":"ada","password":"hunter2-wrong"}"#;

/// What every answer of the control listener has, to the letter.
const SEAL: [(&str, &str); 7] = [
    ("x-frame-options", "DENY"),
    ("x-content-type-options", "nosniff"),
    ("referrer-policy", "no-referrer"),
    ("cross-origin-opener-policy", "same-origin"),
    ("cross-origin-embedder-policy", "require-corp"),
    ("cross-origin-resource-policy", "same-origin"),
    ("cache-control", "no-store"),
];

/// And what else it has: its values are compared where they are made.
const MORE: [&str; 3] = [
    "content-security-policy",
    "permissions-policy",
    "content-type",
];

/// A house and its gateway.
pub(crate) struct Both {
    pub(crate) house: TestHouse,
    pub(crate) server: Server,
    pub(crate) address: String,
    /// The gateway's clock.
    pub(crate) gateway: FakeClock,
    pub(crate) faults: Arc<Faults>,
}

/// A house whose gateway is a socket that counts who comes.
pub(crate) struct Silent {
    pub(crate) house: TestHouse,
    pub(crate) address: String,
    came: Arc<AtomicUsize>,
}

/// What a tab knows.
#[derive(Clone)]
pub(crate) struct Tab {
    pub(crate) cookie: String,
    pub(crate) proof: String,
    pub(crate) csrf: String,
}

/// A request in which everything is in order, until it is changed.
#[derive(Clone)]
pub(crate) struct Raw {
    pub(crate) line: String,
    pub(crate) fields: Vec<(String, String)>,
    pub(crate) body: Vec<u8>,
}

/// Kay's.
fn key() -> Ed25519KeyPair {
    Ed25519KeyPair::from_seed_unchecked(&[7; 32]).unwrap()
}

/// What kay answers to a challenge.
pub(crate) fn answer_to(step: &Value) -> String {
    let challenge = STANDARD.decode(step["challenge"].as_str().unwrap());
    STANDARD.encode(key().sign(&challenge.unwrap()))
}

pub(crate) fn settings() -> Settings {
    let mut accounts = Accounts {
        guests: true,
        anonymous: true,
        ..Accounts::default()
    };
    accounts
        .add_password("ada", Profile::Operator, "hunter2-right")
        .unwrap();
    accounts.add_key("kay", Profile::Operator, key().public_key().as_ref());
    Settings::new(accounts)
}

pub(crate) fn configured(name: &str, address: &str) -> Configured {
    let place = Place::parse(address).unwrap();
    Configured::new(name, address, Arc::new(CapnpGateway::new(place)))
}

pub(crate) async fn open() -> Both {
    open_with(settings(), |builder| builder).await
}

pub(crate) async fn open_with(
    mut settings: Settings,
    make: impl FnOnce(BridgeBuilder) -> BridgeBuilder,
) -> Both {
    let (clock, gateway) = doorward::guard::Clock::fake();
    settings.clock = clock;
    let faults = Arc::clone(&settings.faults);
    let server = Server::open(Listen::Tcp(0), settings).await.unwrap();
    let address = server.address().unwrap().to_string();
    let lab = configured("lab", &address);
    let house = TestHouse::open_with(&[], |builder| make(builder.gateway(lab))).await;
    Both {
        house,
        server,
        address,
        gateway,
        faults,
    }
}

impl Silent {
    pub(crate) async fn open() -> Self {
        Self::open_with(|builder| builder).await
    }

    pub(crate) async fn open_with(make: impl FnOnce(BridgeBuilder) -> BridgeBuilder) -> Self {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap().to_string();
        let came = Arc::new(AtomicUsize::new(0));
        let count = Arc::clone(&came);
        tokio::spawn(async move {
            while listener.accept().await.is_ok() {
                count.fetch_add(1, Ordering::SeqCst);
            }
        });
        let lab = configured("lab", &address);
        let house = TestHouse::open_with(&[], |builder| make(builder.gateway(lab))).await;
        Self {
            house,
            address,
            came,
        }
    }

    /// Sends it, and expects this refusal, sealed, with nothing sent on.
    pub(crate) async fn refuses(&self, raw: &Raw, status: u16, denial: &str) -> Reply {
        // Failed proofs have a rate of their own.
        self.house.hand.advance(Duration::from_secs(1));
        let reply = raw.send(&self.house).await;
        let seen = (reply.status, reply.denial());
        assert_eq!(seen, (status, Some(denial.to_owned())), "{}", raw.shown());
        let json = reply.json();
        for name in ["message", "requestId"] {
            let text = json[name].as_str().unwrap_or_default();
            assert!(!text.is_empty(), "no {name}: {json}");
        }
        is_sealed(&reply);
        self.heard_nothing();
        reply
    }

    /// The gateway's socket saw nobody, and nobody has the slot.
    pub(crate) fn heard_nothing(&self) {
        assert_eq!(
            self.came.load(Ordering::SeqCst),
            0,
            "the gateway was called"
        );
    }
}

/// Every route below `prefix`, as the checked-in table has it.
pub(crate) fn routes(prefix: &str) -> Vec<(String, String)> {
    let table: Value = serde_json::from_str(include_str!("../../../../docs/routes.json")).unwrap();
    let mut found = Vec::new();
    let mut open = vec![&table];
    while let Some(value) = open.pop() {
        if let (Some(method), Some(path)) = (value["method"].as_str(), value["path"].as_str())
            && path.starts_with(prefix)
        {
            found.push((method.to_owned(), path.to_owned()));
        }
        open.extend(value.as_array().into_iter().flatten());
        open.extend(
            value
                .as_object()
                .into_iter()
                .flat_map(|fields| fields.values()),
        );
    }
    assert!(found.len() > 25, "{found:?}");
    found
}

pub(crate) fn is_sealed(reply: &Reply) {
    for (name, value) in SEAL {
        assert_eq!(reply.header(name), Some(value), "{name}: {reply:?}");
    }
    for name in MORE {
        assert!(reply.header(name).is_some(), "{name} is missing: {reply:?}");
    }
    assert!(reply.header("server").is_none());
    let cors = |name: &str| name.starts_with("access-control-");
    assert!(
        !reply.headers.iter().any(|(name, _)| cors(name)),
        "{reply:?}"
    );
}

// === tabs ===

impl Tab {
    pub(crate) fn of(house: &TestHouse) -> Self {
        Self {
            cookie: house.cookie.clone(),
            proof: house.proof.clone(),
            csrf: house.csrf.clone(),
        }
    }

    /// The house's own requests are this tab's from now on.
    pub(crate) fn enter(&self, house: &mut TestHouse) {
        house.cookie.clone_from(&self.cookie);
        house.proof.clone_from(&self.proof);
        house.csrf.clone_from(&self.csrf);
    }
}

/// Another browser, with a session of its own.
pub(crate) async fn stranger(house: &mut TestHouse) -> Tab {
    let mine = Tab::of(house);
    house.cookie.clear();
    let claim = json!({ "ticket": house.ticket() }).to_string();
    let reply = house.post("/api/session/claim", &claim).await;
    assert_eq!(reply.status, 200, "{}", reply.text());
    take(house, &reply);
    reply.json()["proof"]
        .as_str()
        .unwrap()
        .clone_into(&mut house.proof);
    let theirs = Tab::of(house);
    mine.enter(house);
    theirs
}

pub(crate) fn cookie_of(reply: &Reply) -> String {
    let cookie = reply.header("set-cookie").unwrap();
    let value = cookie.split_once('=').unwrap().1;
    value.split(';').next().unwrap().to_owned()
}

/// Goes on with the cookie and the token that signing in gave.
pub(crate) fn take(house: &mut TestHouse, reply: &Reply) {
    house.cookie = cookie_of(reply);
    house.csrf = reply.json()["csrf"].as_str().unwrap().to_owned();
}

pub(crate) async fn sign_in(house: &mut TestHouse) -> Reply {
    let reply = house.post(LOGIN, RIGHT).await;
    assert_eq!(reply.status, 200, "{}", reply.text());
    take(house, &reply);
    reply
}

pub(crate) fn alias(state: &Value, name: &str) -> String {
    let caps = state["caps"].as_array().unwrap();
    let cap = caps.iter().find(|cap| cap["name"] == name).unwrap();
    cap["ref"].as_str().unwrap().to_owned()
}

pub(crate) fn call(alias: &str, operation: &str, fields: &Value) -> String {
    json!({ "ref": alias, "operation": operation, "fields": fields }).to_string()
}

pub(crate) async fn owner(house: &TestHouse) -> String {
    let state = house.get("/api/operator/state").await.json();
    state["owner"]["state"].as_str().unwrap().to_owned()
}

/// Until the slot is free: told by the gateway or a socket, not by time here.
pub(crate) async fn until_free(house: &TestHouse) {
    for _ in 0..3_000 {
        if house.serving.house().operator().is_free() {
            return;
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    panic!("it is still held");
}

// === impl Raw ===

impl Raw {
    pub(crate) fn get(house: &TestHouse, path: &str) -> Self {
        Self::new(house, &format!("GET {path} HTTP/1.1"), "")
    }

    pub(crate) fn post(house: &TestHouse, path: &str, body: &str) -> Self {
        Self::new(house, &format!("POST {path} HTTP/1.1"), body)
    }

    pub(crate) fn new(house: &TestHouse, line: &str, body: &str) -> Self {
        let host = house.host(Listener::Control);
        let port = host.rsplit(':').next().unwrap();
        let mut raw = Self {
            line: line.to_owned(),
            fields: Vec::new(),
            body: body.as_bytes().to_vec(),
        };
        raw = raw
            .also("Host", &host)
            .also("Origin", &format!("http://{host}"))
            .also("Sec-Fetch-Site", "same-origin")
            .also("Cookie", &format!("doorward_{port}={}", house.cookie))
            .also("X-Doorward-Proof", &house.proof)
            .also("X-Csrf-Token", &house.csrf);
        if body.is_empty() {
            return raw;
        }
        raw.also("Content-Type", "application/json")
            .also("Content-Length", &body.len().to_string())
    }

    pub(crate) fn without(mut self, name: &str) -> Self {
        self.fields.retain(|(known, _)| known != name);
        self
    }

    pub(crate) fn set(self, name: &str, value: &str) -> Self {
        self.without(name).also(name, value)
    }

    pub(crate) fn also(mut self, name: &str, value: &str) -> Self {
        self.fields.push((name.to_owned(), value.to_owned()));
        self
    }

    pub(crate) fn bytes(&self) -> Vec<u8> {
        let mut head = format!("{}\r\n", self.line);
        for (name, value) in &self.fields {
            head += &format!("{name}: {value}\r\n");
        }
        head += "\r\n";
        [head.as_bytes(), &self.body].concat()
    }

    /// The first answer.
    pub(crate) async fn send(&self, house: &TestHouse) -> Reply {
        let mut replies = house.send(Listener::Control, &self.bytes(), 1).await;
        assert!(!replies.is_empty(), "no answer: {}", self.shown());
        replies.remove(0)
    }

    fn shown(&self) -> String {
        let text = String::from_utf8_lossy(&self.bytes()).into_owned();
        text.chars().take(600).collect()
    }
}
