//! A companion over real sockets, and a page that speaks with it.

use std::time::Duration;

use bytes::Bytes;
use doorward::companion_core::Instance;
use doorward::companion_core::pairing::keys::Keys;
use doorward::companion_core::pairing::page::Page;
use doorward::companion_core::pairing::{Bytes32, Scopes};
use doorward::companion_core::signing::page::sign;
use doorward::companion_core::signing::{
    AnswerSignature, Challenge, Params, check_answer, hello_proof,
};
use doorward::guard::{Clock, Connection, FakeClock, Origin, Peer, Secret};
use doorward::{Bridge, CompanionSettings, Listener, Serving};
use http::{Request, StatusCode};
use http_body_util::BodyExt as _;
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

pub(crate) const PAGE: &str = "https://app.example";

pub(crate) struct House {
    pub(crate) serving: Serving,
    pub(crate) hand: FakeClock,
    _folder: tempfile::TempDir,
}

#[derive(Debug)]
pub(crate) struct Reply {
    pub(crate) status: u16,
    pub(crate) head: String,
    pub(crate) body: Vec<u8>,
}

/// A page that is paired.
pub(crate) struct Door {
    pub(crate) keys: Keys,
    pub(crate) instance: String,
}

impl House {
    pub(crate) async fn open() -> Self {
        Self::with(CompanionSettings::default()).await
    }

    pub(crate) async fn with(settings: CompanionSettings) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let (clock, hand) = Clock::fake();
        let settings = CompanionSettings {
            ports: vec![0],
            ..settings
        };
        let bridge = Bridge::builder()
            .clock(clock)
            .companion(settings)
            .native_socket(folder.path().join("s"))
            .bind()
            .await
            .unwrap();
        let serving = bridge.serve();
        serving.companion().unwrap().restored().await;
        Self {
            serving,
            hand,
            _folder: folder,
        }
    }

    pub(crate) fn host(&self) -> String {
        let origin = self.serving.companion_origin().unwrap();
        origin.strip_prefix("http://").unwrap().to_owned()
    }

    pub(crate) async fn send(&self, bytes: &[u8]) -> Reply {
        let mut socket = TcpStream::connect(self.host()).await.unwrap();
        socket.write_all(bytes).await.unwrap();
        let mut all = Vec::new();
        let _ = socket.read_to_end(&mut all).await;
        Reply::read(&all)
    }

    pub(crate) async fn ask(&self, method: &str, path: &str, more: &str, body: &[u8]) -> Reply {
        self.send(&self.spell(method, path, more, body)).await
    }

    pub(crate) fn spell(&self, method: &str, path: &str, more: &str, body: &[u8]) -> Vec<u8> {
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

    pub(crate) async fn post(&self, path: &str, body: &[u8]) -> Reply {
        let origin = format!("Origin: {PAGE}\r\n");
        self.ask("POST", path, &origin, body).await
    }

    /// What the person's commands ask.
    pub(crate) async fn native(
        &self,
        method: &str,
        path: &str,
        body: &Value,
    ) -> (StatusCode, Value) {
        self.native_at(method, &format!("/native/pairings{path}"), body)
            .await
    }

    /// The same of another part of it.
    pub(crate) async fn native_at(
        &self,
        method: &str,
        path: &str,
        body: &Value,
    ) -> (StatusCode, Value) {
        let connection = Connection {
            peer: Peer::SameUser,
            reserve: false,
            lane: 0,
        };
        let mut request = Request::builder()
            .method(method)
            .uri(path)
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
    pub(crate) async fn knock(&self) -> (String, Keys) {
        self.knock_with(PAGE, "App", "[]").await.unwrap()
    }

    /// As another page, or for more; else how it was refused.
    pub(crate) async fn knock_with(
        &self,
        origin: &str,
        label: &str,
        scopes: &str,
    ) -> Result<(String, Keys), Reply> {
        let scopes: Scopes = serde_json::from_str(scopes).unwrap();
        let page = Page::new(&Origin::parse(origin).unwrap(), label, scopes);
        let header = format!("Origin: {origin}\r\n");
        let offer = self.ask("POST", "/pair/start", &header, page.start()).await;
        if offer.status != 200 {
            return Err(offer);
        }
        let pid = offer.json()["pid"].as_str().unwrap().to_owned();
        let path = format!("/pair/{pid}/reveal");
        let reveal = page.reveal().to_vec();
        let revealed = self.ask("POST", &path, &header, &reveal).await;
        if revealed.status != 200 {
            return Err(revealed);
        }
        assert_eq!(revealed.json()["state"], "pending");
        let comparing = page.compare(&offer.body, &self.host()).unwrap();
        let keys = comparing.keys().clone();
        Ok((pid, keys))
    }

    pub(crate) async fn approve(&self, code: &str) -> (StatusCode, Value) {
        let (_, list) = self.native("GET", "", &Value::Null).await;
        let number = &list["pending"]["number"];
        let path = format!("/{number}/approve");
        self.native("POST", &path, &json!({ "code": code })).await
    }

    pub(crate) async fn confirm(&self, pid: &str, keys: &Keys) -> Reply {
        let proof = String::from(Bytes32(keys.page_proof()));
        let body = json!({ "proof": proof }).to_string();
        let path = format!("/pair/{pid}/confirm");
        self.post(&path, body.as_bytes()).await
    }

    pub(crate) async fn pair(&self) -> Door {
        self.pair_for("[]").await
    }

    /// With what the person granted.
    pub(crate) async fn pair_for(&self, scopes: &str) -> Door {
        let (pid, keys) = self.knock_with(PAGE, "App", scopes).await.unwrap();
        self.hand.advance(Duration::from_secs(2));
        let (_, approved) = self.approve(&keys.code.to_string()).await;
        assert_eq!(approved["state"], "waiting");
        assert_eq!(self.confirm(&pid, &keys).await.status, 200);
        let told = self.wait(&pid).await;
        assert_eq!(told.json()["state"], "paired", "{}", told.text());
        let proof = told.json()["proof"].as_str().unwrap().to_owned();
        assert_eq!(proof, String::from(Bytes32(keys.daemon_proof())));
        let door = self.hello(keys).await;
        door.unwrap()
    }

    /// Whether the companion proves that it knows these keys.
    pub(crate) async fn hello(&self, keys: Keys) -> Option<Door> {
        let challenge = Secret::<32>::random().reveal().to_string();
        let hello = json!({ "challenge": challenge, "keyId": keys.key_id }).to_string();
        let hello = self.post("/hello", hello.as_bytes()).await.json();
        let instance = hello["instance"].as_str().unwrap().to_owned();
        if hello["paired"] == false {
            assert!(hello["proof"].is_null());
            return None;
        }
        let proof = hello_proof(
            &keys.response,
            &Challenge::parse(&challenge).unwrap(),
            &self.host(),
            &Instance::parse(&instance).unwrap(),
        );
        assert_eq!(hello["proof"], String::from(Bytes32(proof)));
        Some(Door { keys, instance })
    }

    pub(crate) async fn wait(&self, pid: &str) -> Reply {
        let origin = format!("Origin: {PAGE}\r\n");
        self.ask("GET", &format!("/pair/{pid}"), &origin, b"").await
    }

    /// Whether the person has been asked, and it is over.
    pub(crate) async fn wait_gone(&self, pid: &str) -> bool {
        let (_, list) = self.native("GET", "", &Value::Null).await;
        list["pending"].is_null() && self.wait(pid).await.denial() == "pairingGone"
    }

    /// A ticket for an event socket, as a page offers it.
    pub(crate) async fn ticket(&self, door: &Door) -> String {
        self.ticket_for(door, "/events").await
    }

    pub(crate) async fn ticket_for(&self, door: &Door, route: &str) -> String {
        let wanted = json!({ "route": route }).to_string();
        let (bytes, nonce) = self.signed(door, "POST", "/ws/ticket", wanted.as_bytes());
        let bought = self.send(&bytes).await;
        assert!(bought.is_ours(door, &nonce), "{}", bought.text());
        let ticket = bought.json()["ticket"].as_str().unwrap().to_owned();
        format!("doorward.v1, doorward.ticket.{ticket}")
    }

    /// An event socket, and the head of the answer to its handshake in small
    /// letters.
    pub(crate) async fn socket(&self, offer: &str) -> (TcpStream, String) {
        self.socket_at("/events", offer).await
    }

    pub(crate) async fn socket_at(&self, route: &str, offer: &str) -> (TcpStream, String) {
        let more = format!(
            "Upgrade: websocket\r\nOrigin: {PAGE}\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Protocol: {offer}\r\n"
        );
        let bytes = self.spell("GET", route, &more, b"");
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
    pub(crate) fn signed(
        &self,
        door: &Door,
        method: &str,
        path: &str,
        body: &[u8],
    ) -> (Vec<u8>, String) {
        self.signed_as(door, method, path, (body, "application/json", None))
    }

    /// The same with a body of another type, and the offset of a chunk.
    pub(crate) fn signed_as(
        &self,
        door: &Door,
        method: &str,
        path: &str,
        (body, kind, offset): (&[u8], &str, Option<u64>),
    ) -> (Vec<u8>, String) {
        let mut request = Request::builder()
            .method(method)
            .uri(path)
            .header("host", self.host())
            .header("origin", PAGE)
            .header("x-doorward-instance", &door.instance);
        if !body.is_empty() {
            request = request
                .header("content-type", kind)
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
        let signed = (!body.is_empty()).then_some((body, offset));
        sign(&mut parts, &door.keys.request, &params, signed).unwrap();
        let mut more = String::new();
        for name in [
            "origin",
            "x-doorward-instance",
            "content-digest",
            "x-doorward-offset",
            "signature-input",
            "signature",
        ] {
            if let Some(value) = parts.headers.get(name) {
                more.push_str(&format!("{name}: {}\r\n", value.to_str().unwrap()));
            }
        }
        let json = "Content-Type: application/json";
        let bytes = self.spell(method, path, &more, body);
        let head = bytes.len() - body.len();
        let text = String::from_utf8(bytes[..head].to_vec()).unwrap();
        let text = text.replace(json, &format!("Content-Type: {kind}"));
        ([text.as_bytes(), body].concat(), nonce)
    }
}

impl Reply {
    pub(crate) fn read(all: &[u8]) -> Self {
        let text = String::from_utf8_lossy(all).into_owned();
        let (head, _) = text.split_once("\r\n\r\n").unwrap_or((&text, ""));
        let status = head.split(' ').nth(1).and_then(|word| word.parse().ok());
        Self {
            status: status.unwrap_or(0),
            head: head.to_owned(),
            body: all.get(head.len() + 4..).unwrap_or_default().to_vec(),
        }
    }

    pub(crate) fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }

    pub(crate) fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap_or_default()
    }

    pub(crate) fn denial(&self) -> String {
        self.json()["denial"]
            .as_str()
            .unwrap_or_default()
            .to_owned()
    }

    pub(crate) fn header(&self, name: &str) -> Option<String> {
        let mut lines = self.head.lines().filter_map(|line| line.split_once(": "));
        lines
            .find(|(key, _)| key.eq_ignore_ascii_case(name))
            .map(|(_, value)| value.to_owned())
    }

    /// Whether the companion signed this for the request with `nonce`.
    pub(crate) fn is_ours(&self, door: &Door, nonce: &str) -> bool {
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

/// What a socket still says until it is closed.
pub(crate) async fn rest(socket: &mut TcpStream) -> String {
    let mut rest = Vec::new();
    let read = tokio::time::timeout(Duration::from_secs(10), socket.read_to_end(&mut rest));
    let _how_it_ends = read.await.unwrap();
    String::from_utf8_lossy(&rest).into_owned()
}
