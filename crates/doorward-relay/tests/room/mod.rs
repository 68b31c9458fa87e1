//! A bridge with the relay in it, clients without any manners, and upstreams.
#![allow(
    dead_code,
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test that cannot go on must fail, and not every test needs all of it"
)]

use std::sync::Arc;
use std::time::Duration;

use doorward::{Bridge, Serving};
use doorward_egress::{AddressPolicy, Dialer, Trust};
use doorward_guard::events::Event;
use doorward_guard::{Clock, FakeClock, Origin, Origins};
use doorward_relay::{Minted, Relay, RelayOptions, Upstream};
use futures_util::{SinkExt as _, StreamExt as _};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::broadcast;
use tokio::time::timeout;
use tokio_tungstenite::tungstenite::Message;

pub(crate) const PAGE: &str = "tauri://localhost";
/// Ten times what any of it takes.
pub(crate) const SLACK: Duration = Duration::from_secs(30);
pub(crate) const SWITCH: &str = "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\n\
    Connection: Upgrade\r\nSec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n";

pub(crate) struct Room {
    pub(crate) serving: Serving,
    pub(crate) relay: Arc<Relay>,
    pub(crate) hand: FakeClock,
    pub(crate) host: String,
    pub(crate) events: broadcast::Receiver<Event>,
}

pub(crate) async fn room() -> Room {
    room_dialling(Dialer::new(AddressPolicy::public(), Trust::platform())).await
}

pub(crate) async fn room_dialling(dialer: Dialer) -> Room {
    let (clock, hand) = Clock::fake();
    let bridge = Bridge::builder()
        .without_console()
        .egress(dialer)
        .clock(clock)
        .bind()
        .await
        .unwrap();
    let origin = bridge.content_origin().to_owned();
    let relay = Arc::clone(bridge.relay());
    let events = bridge.house().events().subscribe(None).live;
    Room {
        events,
        serving: bridge.serve(),
        relay,
        hand,
        host: origin.trim_start_matches("http://").to_owned(),
    }
}

pub(crate) fn options() -> RelayOptions {
    RelayOptions {
        local_networks: true,
        plain: true,
        ..RelayOptions::livekit(Origins::Exact(vec![Origin::parse(PAGE).unwrap()]))
    }
}

impl Room {
    /// The data of the next event of this kind.
    pub(crate) async fn heard(&mut self, kind: &str) -> serde_json::Value {
        loop {
            let event = timeout(SLACK, self.events.recv()).await.unwrap().unwrap();
            if event.kind == kind {
                return serde_json::from_str(&event.data).unwrap();
            }
        }
    }

    /// Waits until no connection is open.
    pub(crate) async fn emptied(&self) {
        for _ in 0..600 {
            if self.relay.totals().connections == 0 {
                return;
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        panic!("{:?}", self.relay.totals());
    }

    pub(crate) fn open(&self, upstream: &str, options: &RelayOptions) -> Minted {
        let upstream = Upstream::parse(upstream).unwrap();
        self.relay.grant(upstream, options).unwrap()
    }

    pub(crate) fn path(&self, minted: &Minted) -> String {
        minted.url.split_once(&self.host).unwrap().1.to_owned()
    }

    /// A raw request; `upgrade` makes it a handshake.
    pub(crate) async fn send(
        &self,
        method: &str,
        target: &str,
        upgrade: bool,
        more: &str,
    ) -> TcpStream {
        let mut stream = TcpStream::connect(&self.host).await.unwrap();
        let head = self.head(method, target, upgrade, more);
        // It may be refused before all of it was sent.
        let _ = stream.write_all(head.as_bytes()).await;
        stream
    }

    pub(crate) fn head(&self, method: &str, target: &str, upgrade: bool, more: &str) -> String {
        let shake = if upgrade {
            "Connection: keep-alive, Upgrade\r\nUpgrade: WebSocket\r\n\
             Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n"
        } else {
            ""
        };
        let host = &self.host;
        let origin = if more.contains("Origin:") {
            String::new()
        } else {
            format!("Origin: {PAGE}\r\n")
        };
        format!("{method} {target} HTTP/1.1\r\nHost: {host}\r\n{origin}{shake}{more}\r\n")
    }

    pub(crate) async fn get(&self, target: &str, upgrade: bool, more: &str) -> (String, String) {
        let mut stream = self.send("GET", target, upgrade, more).await;
        answer(&mut stream).await
    }
}

/// Reads one answer: head in lower case, and body.
pub(crate) async fn answer(stream: &mut TcpStream) -> (String, String) {
    let head = read_head(stream).await.to_ascii_lowercase();
    let length = head
        .lines()
        .find_map(|line| line.strip_prefix("content-length: "))
        .map_or(0, |length| length.trim().parse().unwrap());
    let mut body = vec![0; length];
    timeout(SLACK, stream.read_exact(&mut body))
        .await
        .unwrap()
        .unwrap();
    (head, String::from_utf8(body).unwrap())
}

pub(crate) async fn read_head(stream: &mut TcpStream) -> String {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        let byte = timeout(SLACK, stream.read_u8()).await.unwrap().unwrap();
        head.push(byte);
    }
    String::from_utf8(head).unwrap()
}

pub(crate) async fn listen() -> (TcpListener, String) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("ws://{}", listener.local_addr().unwrap());
    (listener, url)
}

/// An upstream that gives each connection this answer and keeps it open.
pub(crate) async fn saying(answer: String) -> (String, tokio::sync::mpsc::Receiver<String>) {
    let (listener, url) = listen().await;
    let (heads, seen) = tokio::sync::mpsc::channel(64);
    tokio::spawn(async move {
        loop {
            let (mut stream, _) = listener.accept().await.unwrap();
            let (answer, heads) = (answer.clone(), heads.clone());
            tokio::spawn(async move {
                let _ = heads.send(read_head(&mut stream).await).await;
                let _ = stream.write_all(answer.as_bytes()).await;
                let mut rest = Vec::new();
                let _ = stream.read_to_end(&mut rest).await;
            });
        }
    });
    (url, seen)
}

/// A real WebSocket server that sends everything back.
pub(crate) async fn echo() -> String {
    let (listener, url) = listen().await;
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            tokio::spawn(async move {
                let mut socket = tokio_tungstenite::accept_async(stream).await.unwrap();
                while let Some(Ok(message)) = socket.next().await {
                    if (message.is_text() || message.is_binary())
                        && socket.send(message).await.is_err()
                    {
                        break;
                    }
                }
            });
        }
    });
    url
}

pub(crate) type Socket = tokio_tungstenite::WebSocketStream<TcpStream>;

pub(crate) async fn connect(room: &Room, minted: &Minted, path: &str) -> Socket {
    let stream = TcpStream::connect(&room.host).await.unwrap();
    let url = format!("{}{path}", minted.url);
    tokio_tungstenite::client_async(url, stream)
        .await
        .unwrap()
        .0
}

/// A field of a protobuf message, with a length.
pub(crate) fn put(number: u32, parts: &[&[u8]]) -> Vec<u8> {
    let inside = parts.concat();
    let mut bytes = Vec::new();
    for value in [(number << 3) | 2, u32::try_from(inside.len()).unwrap()] {
        let mut left = value;
        while left > 127 {
            bytes.push(u8::try_from(left & 127).unwrap() | 128);
            left >>= 7;
        }
        bytes.push(u8::try_from(left).unwrap());
    }
    bytes.extend(inside);
    bytes
}

/// The ICE servers of a LiveKit answer as `(urls, username, credential)`, read by
/// looking for nothing but them.
pub(crate) fn ice_server(urls: &[&str], name: &str, password: &str) -> Vec<u8> {
    let urls: Vec<u8> = urls
        .iter()
        .flat_map(|url| put(1, &[url.as_bytes()]))
        .collect();
    [
        urls,
        put(2, &[name.as_bytes()]),
        put(3, &[password.as_bytes()]),
    ]
    .concat()
}

/// A LiveKit server as far as its messages go: says each of `messages` to whoever
/// connects, then sends everything back.
pub(crate) async fn saying_messages(messages: Vec<Message>) -> String {
    let (listener, url) = listen().await;
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            let messages = messages.clone();
            tokio::spawn(async move {
                let mut socket = tokio_tungstenite::accept_async(stream).await.unwrap();
                for message in messages {
                    if socket.send(message).await.is_err() {
                        return;
                    }
                }
                while let Some(Ok(message)) = socket.next().await {
                    if (message.is_text() || message.is_binary())
                        && socket.send(message).await.is_err()
                    {
                        break;
                    }
                }
            });
        }
    });
    url
}
