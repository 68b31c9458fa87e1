//! The companion over real sockets: a page is paired, signs, and is forgotten.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test that cannot go on must fail"
)]

use std::time::Duration;

use bytes::Bytes;
use doorward::companion_core::defaults;
use doorward::companion_core::pairing::keys::Keys;
use doorward::companion_core::pairing::page::Page;
use doorward::companion_core::pairing::{Bytes32, Scopes};
use doorward::companion_core::signing::page::sign;
use doorward::companion_core::signing::{AnswerSignature, Params, check_answer};
use doorward::guard::{Clock, Connection, FakeClock, Origin, Peer, Secret};
use doorward::{Bridge, CompanionSettings, Listener, Serving};
use http::{Request, StatusCode};
use http_body_util::BodyExt as _;
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

const PAGE: &str = "https://app.example";

struct House {
    serving: Serving,
    hand: FakeClock,
    _folder: tempfile::TempDir,
}

struct Reply {
    status: u16,
    head: String,
    body: Vec<u8>,
}

/// A page that is paired.
struct Door {
    keys: Keys,
    instance: String,
}

impl House {
    async fn open() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let (clock, hand) = Clock::fake();
        let settings = CompanionSettings {
            ports: vec![0],
            ..CompanionSettings::default()
        };
        let bridge = Bridge::builder()
            .clock(clock)
            .companion(settings)
            .native_socket(folder.path().join("s"))
            .bind()
            .await
            .unwrap();
        Self {
            serving: bridge.serve(),
            hand,
            _folder: folder,
        }
    }

    fn host(&self) -> String {
        let origin = self.serving.companion_origin().unwrap();
        origin.strip_prefix("http://").unwrap().to_owned()
    }

    async fn send(&self, bytes: &[u8]) -> Reply {
        let mut socket = TcpStream::connect(self.host()).await.unwrap();
        socket.write_all(bytes).await.unwrap();
        let mut all = Vec::new();
        let _ = socket.read_to_end(&mut all).await;
        Reply::read(&all)
    }

    async fn ask(&self, method: &str, path: &str, more: &str, body: &[u8]) -> Reply {
        self.send(&self.spell(method, path, more, body)).await
    }

    fn spell(&self, method: &str, path: &str, more: &str, body: &[u8]) -> Vec<u8> {
        let host = self.host();
        let content = match body.len() {
            0 => String::new(),
            length => format!("Content-Type: application/json\r\nContent-Length: {length}\r\n"),
        };
        let head = format!(
            "{method} {path} HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n{content}{more}\r\n"
        );
        [head.as_bytes(), body].concat()
    }

    async fn post(&self, path: &str, body: &[u8]) -> Reply {
        let origin = format!("Origin: {PAGE}\r\n");
        self.ask("POST", path, &origin, body).await
    }

    /// What the person's commands ask.
    async fn native(&self, method: &str, path: &str, body: &Value) -> (StatusCode, Value) {
        let connection = Connection {
            peer: Peer::SameUser,
            reserve: false,
            lane: 0,
        };
        let mut request = Request::builder()
            .method(method)
            .uri(format!("/native/pairings{path}"))
            .header("host", "doorward");
        let mut bytes = Bytes::new();
        if !body.is_null() {
            bytes = serde_json::to_vec(body).unwrap().into();
            request = request
                .header("content-type", "application/json")
                .header("content-length", bytes.len());
        }
        let request = request.body(http_body_util::Full::new(bytes)).unwrap();
        let sealed = self
            .serving
            .answer(Listener::Native, connection, request)
            .await;
        let response = sealed.unwrap().into_response();
        let status = response.status();
        let body = response.into_body().collect().await.unwrap().to_bytes();
        (status, serde_json::from_slice(&body).unwrap())
    }

    /// Starts and reveals: the window is open.
    async fn knock(&self) -> (String, Keys) {
        let origin = Origin::parse(PAGE).unwrap();
        let page = Page::new(&origin, "App", Scopes::default());
        let offer = self.post("/pair/start", page.start()).await;
        assert_eq!(offer.status, 200, "{}", offer.text());
        let pid = offer.json()["pid"].as_str().unwrap().to_owned();
        let reveal = page.reveal().to_vec();
        let revealed = self.post(&format!("/pair/{pid}/reveal"), &reveal).await;
        assert_eq!(revealed.status, 200, "{}", revealed.text());
        assert_eq!(revealed.json()["state"], "pending");
        let comparing = page.compare(&offer.body, &self.host()).unwrap();
        let keys = comparing.keys().clone();
        (pid, keys)
    }

    async fn approve(&self, code: &str) -> (StatusCode, Value) {
        let (_, list) = self.native("GET", "", &Value::Null).await;
        let number = &list["pending"]["number"];
        let path = format!("/{number}/approve");
        self.native("POST", &path, &json!({ "code": code })).await
    }

    async fn confirm(&self, pid: &str, keys: &Keys) -> Reply {
        let proof = String::from(Bytes32(keys.page_proof()));
        let body = json!({ "proof": proof }).to_string();
        let path = format!("/pair/{pid}/confirm");
        self.post(&path, body.as_bytes()).await
    }

    async fn pair(&self) -> Door {
        let (pid, keys) = self.knock().await;
        self.hand.advance(Duration::from_secs(2));
        let (_, approved) = self.approve(&keys.code.to_string()).await;
        assert_eq!(approved["state"], "waiting");
        assert_eq!(self.confirm(&pid, &keys).await.status, 200);
        let told = self.wait(&pid).await;
        assert_eq!(told.json()["state"], "paired", "{}", told.text());
        let proof = told.json()["proof"].as_str().unwrap().to_owned();
        assert_eq!(proof, String::from(Bytes32(keys.daemon_proof())));
        let challenge = Secret::<32>::random().reveal().to_string();
        let hello = json!({ "challenge": challenge, "keyId": keys.key_id }).to_string();
        let hello = self.post("/hello", hello.as_bytes()).await.json();
        assert_eq!(hello["paired"], true);
        let instance = hello["instance"].as_str().unwrap().to_owned();
        Door { keys, instance }
    }

    async fn wait(&self, pid: &str) -> Reply {
        let origin = format!("Origin: {PAGE}\r\n");
        self.ask("GET", &format!("/pair/{pid}"), &origin, b"").await
    }

    /// A ticket for an event socket, as a page offers it.
    async fn ticket(&self, door: &Door) -> String {
        let (bytes, nonce) = self.signed(door, "POST", "/ws/ticket", br#"{"route":"/events"}"#);
        let bought = self.send(&bytes).await;
        assert!(bought.is_ours(door, &nonce), "{}", bought.text());
        let ticket = bought.json()["ticket"].as_str().unwrap().to_owned();
        format!("doorward.v1, doorward.ticket.{ticket}")
    }

    /// An event socket, and the head of the answer to its handshake in small
    /// letters.
    async fn socket(&self, offer: &str) -> (TcpStream, String) {
        let more = format!(
            "Upgrade: websocket\r\nOrigin: {PAGE}\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Protocol: {offer}\r\n"
        );
        let bytes = self.spell("GET", "/events", &more, b"");
        let text = String::from_utf8(bytes).unwrap();
        let text = text.replace("Connection: close", "Connection: Upgrade");
        let mut socket = TcpStream::connect(self.host()).await.unwrap();
        socket.write_all(text.as_bytes()).await.unwrap();
        let mut head = Vec::new();
        while !head.ends_with(b"\r\n\r\n") {
            head.push(socket.read_u8().await.unwrap());
        }
        (socket, String::from_utf8(head).unwrap().to_lowercase())
    }

    /// A signed request as bytes, and its nonce.
    fn signed(&self, door: &Door, method: &str, path: &str, body: &[u8]) -> (Vec<u8>, String) {
        let mut request = Request::builder()
            .method(method)
            .uri(path)
            .header("host", self.host())
            .header("origin", PAGE)
            .header("x-doorward-instance", &door.instance);
        if !body.is_empty() {
            request = request
                .header("content-type", "application/json")
                .header("content-length", body.len());
        }
        let (mut parts, ()) = request.body(()).unwrap().into_parts();
        let now = self.serving.clock().wall();
        let now = now.duration_since(std::time::UNIX_EPOCH).unwrap().as_secs();
        let nonce = Secret::<16>::random().reveal().to_string();
        let params = Params {
            created: now,
            expires: now + 60,
            nonce: &nonce,
            key_id: &door.keys.key_id,
        };
        let signed = (!body.is_empty()).then_some((body, None));
        sign(&mut parts, &door.keys.request, &params, signed).unwrap();
        let mut more = String::new();
        for name in [
            "origin",
            "x-doorward-instance",
            "content-digest",
            "signature-input",
            "signature",
        ] {
            if let Some(value) = parts.headers.get(name) {
                more.push_str(&format!("{name}: {}\r\n", value.to_str().unwrap()));
            }
        }
        (self.spell(method, path, &more, body), nonce)
    }
}

impl Reply {
    fn read(all: &[u8]) -> Self {
        let text = String::from_utf8_lossy(all).into_owned();
        let (head, _) = text.split_once("\r\n\r\n").unwrap_or((&text, ""));
        let status = head.split(' ').nth(1).and_then(|word| word.parse().ok());
        Self {
            status: status.unwrap_or(0),
            head: head.to_owned(),
            body: all.get(head.len() + 4..).unwrap_or_default().to_vec(),
        }
    }

    fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }

    fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap_or_default()
    }

    fn denial(&self) -> String {
        self.json()["denial"]
            .as_str()
            .unwrap_or_default()
            .to_owned()
    }

    fn header(&self, name: &str) -> Option<String> {
        let mut lines = self.head.lines().filter_map(|line| line.split_once(": "));
        lines
            .find(|(key, _)| key.eq_ignore_ascii_case(name))
            .map(|(_, value)| value.to_owned())
    }

    /// Whether the companion signed this for the request with `nonce`.
    fn is_ours(&self, door: &Door, nonce: &str) -> bool {
        let headers = AnswerSignature {
            content_digest: self.header("content-digest").unwrap_or_default(),
            signature_input: self.header("signature-input").unwrap_or_default(),
            signature: self.header("signature").unwrap_or_default(),
        };
        let kind = self.header("content-type").unwrap_or_default();
        let status = StatusCode::from_u16(self.status).unwrap();
        check_answer(
            &door.keys.response,
            (&door.keys.key_id, nonce),
            (status, &kind, &self.body),
            &headers,
        )
    }
}

#[tokio::test]
async fn t63_a_page_is_paired_signs_and_is_answered_signed() {
    let house = House::open().await;
    let door = house.pair().await;
    let (bytes, nonce) = house.signed(&door, "GET", "/pairing", b"");
    let own = house.send(&bytes).await;
    assert_eq!(own.status, 200, "{}", own.text());
    assert_eq!(own.json()["origin"], PAGE);
    assert!(own.is_ours(&door, &nonce));
    assert_eq!(own.header("access-control-allow-origin").unwrap(), PAGE);
    assert_eq!(own.header("vary").unwrap(), "origin");
}

#[tokio::test]
async fn t65_t69_what_was_cancelled_denied_or_left_is_not_approved_afterwards() {
    let house = House::open().await;
    for end in ["cancel", "deny", "left"] {
        house.native("POST", "/allow", &json!({})).await;
        let (pid, keys) = house.knock().await;
        house.hand.advance(Duration::from_secs(2));
        let (_, list) = house.native("GET", "", &Value::Null).await;
        let number = list["pending"]["number"].clone();
        match end {
            "cancel" => {
                let path = format!("/pair/{pid}/cancel");
                assert_eq!(house.post(&path, b"{}").await.status, 200);
            }
            "deny" => {
                let path = format!("/{number}/deny");
                assert_eq!(house.native("POST", &path, &json!({})).await.0, 200);
            }
            // Nobody holds a request.
            _ => house.hand.advance(Duration::from_secs(11)),
        }
        let body = json!({ "code": keys.code.to_string() });
        let path = format!("/{number}/approve");
        let (status, answer) = house.native("POST", &path, &body).await;
        assert_eq!(status, 404, "{end}: {answer}");
        assert_eq!(house.wait(&pid).await.denial(), "pairingGone", "{end}");
        assert_eq!(house.confirm(&pid, &keys).await.status, 404, "{end}");
    }
    assert!(house.serving.companion().unwrap().paired().is_empty());
}

#[tokio::test]
async fn t69_a_held_request_ends_with_its_socket() {
    let house = House::open().await;
    let (pid, _) = house.knock().await;
    let origin = format!("Origin: {PAGE}\r\n");
    let bytes = house.spell("GET", &format!("/pair/{pid}"), &origin, b"");
    let mut socket = TcpStream::connect(house.host()).await.unwrap();
    socket.write_all(&bytes).await.unwrap();
    // As long as it is held, the page is there.
    tokio::time::sleep(Duration::from_millis(300)).await;
    house.hand.advance(Duration::from_secs(20));
    let (_, list) = house.native("GET", "", &Value::Null).await;
    assert!(list["pending"].is_object(), "{list}");
    drop(socket);
    tokio::time::timeout(Duration::from_secs(30), async {
        loop {
            house.hand.advance(Duration::from_secs(1));
            let (_, list) = house.native("GET", "", &Value::Null).await;
            if list["pending"].is_null() {
                break;
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    })
    .await
    .unwrap();
    assert_eq!(house.wait(&pid).await.denial(), "pairingGone");
}

#[tokio::test]
async fn t68_pages_without_a_good_origin_get_nothing() {
    let house = House::open().await;
    for origin in ["", "Origin: null\r\n", "Origin: chrome-extension://abc\r\n"] {
        let reply = house.ask("POST", "/pair/start", origin, b"{}").await;
        assert_eq!(reply.status, 403, "{origin}: {}", reply.text());
        assert_eq!(reply.header("access-control-allow-origin"), None);
    }
}

#[tokio::test]
async fn t71_another_origin_learns_and_ends_nothing() {
    let house = House::open().await;
    let door = house.pair().await;
    let challenge = Secret::<32>::random().reveal().to_string();
    let ask = |key_id: &str| json!({ "challenge": challenge, "keyId": key_id }).to_string();
    let other = "Origin: https://other.example\r\n";
    let known = house
        .ask("POST", "/hello", other, ask(&door.keys.key_id).as_bytes())
        .await;
    let unknown = house
        .ask(
            "POST",
            "/hello",
            other,
            ask("AAAAAAAAAAAAAAAAAAAAAA").as_bytes(),
        )
        .await;
    assert_eq!(known.text(), unknown.text());
    assert_eq!(known.json()["paired"], false);
    let (bytes, _) = house.signed(&door, "DELETE", "/pairing", b"");
    let text = String::from_utf8(bytes).unwrap();
    let stolen = text.replace(PAGE, "https://other.example");
    let reply = house.send(stolen.as_bytes()).await;
    assert_eq!(
        (reply.status, reply.denial().as_str()),
        (401, "signatureInvalid")
    );
    assert_eq!(reply.header("access-control-allow-origin"), None);
    assert_eq!(house.serving.companion().unwrap().paired().len(), 1);
}

#[tokio::test]
async fn t74_every_changed_byte_of_a_signed_request_is_refused() {
    let house = House::open().await;
    let door = house.pair().await;
    let body = br#"{"route":"/events"}"#;
    let (bytes, _) = house.signed(&door, "POST", "/ws/ticket", body);
    let head = bytes.len() - body.len();
    let text = String::from_utf8_lossy(&bytes).into_owned();
    // How the connection ends, and HTTP/1.0 for 1.1, are signed by nobody: neither
    // changes what is asked.
    let free: Vec<_> = ["Connection: close", "HTTP/1.1"]
        .map(|words| {
            let start = text.find(words).unwrap();
            start..start + words.len()
        })
        .into();
    for at in 0..bytes.len() {
        if free.iter().any(|range| range.contains(&at)) {
            continue;
        }
        let mut changed = bytes.clone();
        changed[at] ^= 0x01;
        let reply = house.send(&changed).await;
        assert!(
            reply.status != 200,
            "byte {at} of {head}: {:?}",
            String::from_utf8_lossy(&changed[at.saturating_sub(10)..(at + 10).min(changed.len())])
        );
        house.hand.advance(Duration::from_millis(200));
    }
}

#[tokio::test]
async fn t75_of_parallel_replays_one_is_accepted() {
    let house = House::open().await;
    let door = house.pair().await;
    let (bytes, nonce) = house.signed(&door, "GET", "/pairing", b"");
    let all = (0..64).map(|_| house.send(&bytes));
    let replies = futures_util::future::join_all(all).await;
    let good = replies.iter().filter(|reply| reply.status == 200).count();
    assert_eq!(good, 1);
    for reply in replies.iter().filter(|reply| reply.status != 200) {
        assert_eq!(reply.denial(), "replayed");
        assert!(reply.is_ours(&door, &nonce), "refusals are signed too");
    }
}

#[tokio::test]
async fn t76_an_old_signature_is_refused_with_our_time_signed() {
    let house = House::open().await;
    let door = house.pair().await;
    let (bytes, nonce) = house.signed(&door, "GET", "/pairing", b"");
    house.hand.advance(Duration::from_secs(31));
    let late = house.send(&bytes).await;
    assert_eq!(late.denial(), "clockSkew");
    assert!(late.json()["now"].is_u64() && late.is_ours(&door, &nonce));
}

#[tokio::test]
async fn t108_a_forgotten_page_is_refused_at_once() {
    let house = House::open().await;
    let door = house.pair().await;
    let path = format!("/{}", door.keys.key_id);
    let (_, gone) = house.native("DELETE", &path, &Value::Null).await;
    assert_eq!(gone["forgotten"], 1);
    let (bytes, _) = house.signed(&door, "GET", "/pairing", b"");
    let reply = house.send(&bytes).await;
    assert_eq!(reply.denial(), "signatureInvalid");
    assert_eq!(reply.header("access-control-allow-origin"), None);
}

#[tokio::test]
async fn t65_what_is_told_once_is_not_told_to_a_head() {
    let house = House::open().await;
    let (pid, keys) = house.knock().await;
    house.hand.advance(Duration::from_secs(2));
    house.approve(&keys.code.to_string()).await;
    assert_eq!(house.confirm(&pid, &keys).await.status, 200);
    let origin = format!("Origin: {PAGE}\r\n");
    let path = format!("/pair/{pid}");
    let head = house.ask("HEAD", &path, &origin, b"").await;
    assert_eq!(head.status, 405);
    assert_eq!(head.header("allow").as_deref(), Some("GET"));
    assert_eq!(house.wait(&pid).await.json()["state"], "paired");
}

#[tokio::test]
async fn t79_t82_a_socket_needs_a_ticket_and_ends_with_its_pairing() {
    let house = House::open().await;
    let door = house.pair().await;
    let (_, refused) = house.socket("doorward.v1").await;
    assert!(refused.starts_with("http/1.1 401"), "{refused}");

    let offer = house.ticket(&door).await;
    let (mut socket, head) = house.socket(&offer).await;
    assert!(head.starts_with("http/1.1 101"), "{head}");
    assert!(head.contains("sec-websocket-protocol: doorward.v1\r\n"));
    // Used once.
    let (_, again) = house.socket(&offer).await;
    assert!(again.starts_with("http/1.1 401"), "{again}");

    let path = format!("/{}", door.keys.key_id);
    house.native("DELETE", &path, &Value::Null).await;
    let said = rest(&mut socket).await;
    assert!(said.contains(r#"{"kind":"hello"}"#), "{said}");
    assert!(said.contains("pairing.revoked"), "{said}");
}

#[tokio::test]
async fn t82_a_page_has_so_many_sockets_and_one_that_closes_makes_room() {
    let house = House::open().await;
    let door = house.pair().await;
    let mut sockets = Vec::new();
    for _ in 0..defaults::SOCKETS_PER_KEY {
        let (socket, head) = house.socket(&house.ticket(&door).await).await;
        assert!(head.starts_with("http/1.1 101"), "{head}");
        sockets.push(socket);
    }
    let (_, over) = house.socket(&house.ticket(&door).await).await;
    assert!(over.starts_with("http/1.1 503"), "{over}");
    sockets.pop();
    let mut head = String::new();
    for _ in 0..600 {
        head = house.socket(&house.ticket(&door).await).await.1;
        if head.starts_with("http/1.1 101") {
            return;
        }
        // Tickets and failed proofs have rates of their own.
        house.hand.advance(Duration::from_secs(1));
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    panic!("{head}");
}

#[tokio::test]
async fn sockets_are_told_that_the_companion_stops() {
    let house = House::open().await;
    let door = house.pair().await;
    let (mut socket, head) = house.socket(&house.ticket(&door).await).await;
    assert!(head.starts_with("http/1.1 101"), "{head}");
    house.serving.shutdown().await;
    let said = rest(&mut socket).await;
    assert!(said.contains("companion.stopping"), "{said}");
}

/// What a socket still says until it is closed.
async fn rest(socket: &mut TcpStream) -> String {
    let mut rest = Vec::new();
    let read = tokio::time::timeout(Duration::from_secs(10), socket.read_to_end(&mut rest));
    let _how_it_ends = read.await.unwrap();
    String::from_utf8_lossy(&rest).into_owned()
}
