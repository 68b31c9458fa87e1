//! What a page of Sambee hears of folders.

use std::time::Duration;

use futures_util::{SinkExt as _, StreamExt as _};
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::tungstenite::protocol::Role;
use tokio_tungstenite::tungstenite::protocol::frame::coding::CloseCode;

use crate::house::{Auth, House, PAGE, Paired};

/// Longer than anything here takes: who waits for it has failed.
const PATIENCE: Duration = Duration::from_secs(20);

struct Socket(WebSocketStream<TcpStream>);

/// The handshake of a browser; the head of its answer.
async fn shake(house: &House, target: &str, origin: &str) -> (TcpStream, String) {
    let host = house.host();
    let head = format!(
        "GET {target} HTTP/1.1\r\nHost: {host}\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nOrigin: {origin}\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"
    );
    let mut socket = TcpStream::connect(&host).await.unwrap();
    socket.write_all(head.as_bytes()).await.unwrap();
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        head.push(socket.read_u8().await.unwrap());
    }
    (socket, String::from_utf8(head).unwrap().to_lowercase())
}

impl Socket {
    async fn open(house: &House, page: &Paired) -> Self {
        let target = format!("/api/ws?{}", page.query(PAGE, house.now()));
        let (socket, head) = shake(house, &target, PAGE).await;
        assert!(head.starts_with("http/1.1 101"), "{head}");
        Self(WebSocketStream::from_raw_socket(socket, Role::Client, None).await)
    }

    async fn say(&mut self, said: Value) {
        self.0.send(Message::text(said.to_string())).await.unwrap();
    }

    async fn frame(&mut self) -> Message {
        loop {
            let next = tokio::time::timeout(PATIENCE, self.0.next());
            match next.await.unwrap().unwrap().unwrap() {
                Message::Ping(_) => {}
                frame => return frame,
            }
        }
    }

    async fn hear(&mut self) -> Value {
        serde_json::from_str(self.frame().await.to_text().unwrap()).unwrap()
    }

    /// Everything until the answer to a ping.
    async fn until_pong(&mut self) -> Vec<Value> {
        self.say(json!({ "action": "ping" })).await;
        let mut heard = Vec::new();
        loop {
            match self.hear().await {
                pong if pong == json!({ "type": "pong" }) => return heard,
                other => heard.push(other),
            }
        }
    }
}

fn subscribe(connection: &str, path: &str) -> Value {
    json!({ "action": "subscribe", "connection_id": connection, "path": path })
}

#[tokio::test]
async fn a_page_hears_that_a_folder_changed_in_its_own_words() {
    let house = House::open().await;
    let page = house.pair().await;
    house.write("photos/sub/a.txt", "a");
    let mut socket = Socket::open(&house, &page).await;
    socket.say(subscribe("local-drive:photos", "/sub/")).await;
    let told =
        json!({ "type": "subscribed", "connection_id": "local-drive:photos", "path": "sub" });
    assert_eq!(socket.hear().await, told);
    house.write("photos/sub/b.txt", "b");
    let changed = json!({ "type": "directory_changed", "connection_id": "local-drive:photos", "path": "sub" });
    assert_eq!(socket.hear().await, changed);
    // A bare id is told back as it was said, and changes are told as ever.
    socket.say(subscribe("docs", "")).await;
    let mut heard = socket.hear().await;
    while heard == changed {
        heard = socket.hear().await;
    }
    assert_eq!(
        heard,
        json!({ "type": "subscribed", "connection_id": "docs", "path": "" })
    );
    house.write("docs/new.txt", "");
    let mut heard = socket.hear().await;
    while heard == changed {
        heard = socket.hear().await;
    }
    let docs =
        json!({ "type": "directory_changed", "connection_id": "local-drive:docs", "path": "" });
    assert_eq!(heard, docs);
    // What is gone is a change too.
    std::fs::remove_dir_all(house.at("photos/sub")).unwrap();
    let mut heard = socket.hear().await;
    while heard == docs {
        heard = socket.hear().await;
    }
    assert_eq!(heard, changed);
}

#[tokio::test]
async fn what_is_not_shared_or_makes_no_sense_is_not_answered() {
    let house = House::open().await;
    let page = house.pair().await;
    house.write("private/x", "");
    let mut socket = Socket::open(&house, &page).await;
    for said in [
        subscribe("local-drive:private", ""),
        subscribe("local-drive:photos", ".."),
        json!({ "action": "dance" }),
        json!({ "action": "subscribe" }),
        json!("hello"),
    ] {
        socket.say(said).await;
    }
    socket.0.send(Message::binary(vec![1, 2, 3])).await.unwrap();
    assert_eq!(socket.until_pong().await, Vec::<Value>::new());
    let asked = subscribe("local-drive:photos", "");
    socket.say(asked.clone()).await;
    socket.say(asked).await;
    let told = json!({ "type": "subscribed", "connection_id": "local-drive:photos", "path": "" });
    assert_eq!(
        (socket.hear().await, socket.hear().await),
        (told.clone(), told)
    );
    socket
        .say(json!({ "action": "unsubscribe", "connection_id": "local-drive:photos", "path": "/" }))
        .await;
    let told = json!({ "type": "unsubscribed", "connection_id": "local-drive:photos", "path": "" });
    assert_eq!(socket.hear().await, told);
    house.write("photos/new.txt", "");
    assert_eq!(socket.until_pong().await, Vec::<Value>::new());
    assert!(
        house
            .refused("compatWatch")
            .contains(&"folderUnknown".to_owned())
    );
}

#[tokio::test]
async fn s10_a_socket_ends_with_its_pairing() {
    let house = House::open().await;
    let page = house.pair().await;
    let mut socket = Socket::open(&house, &page).await;
    assert_eq!(socket.until_pong().await, Vec::<Value>::new());
    let ended = house
        .stamped(
            &page,
            Auth::Headers,
            "DELETE",
            "/api/pair/current",
            &Value::Null,
        )
        .await;
    assert_eq!(ended.status, 204);
    loop {
        match socket.frame().await {
            Message::Close(frame) => {
                assert_eq!(frame.unwrap().code, CloseCode::Policy);
                break;
            }
            // What was said last.
            frame => assert!(frame.is_text()),
        }
    }
    let target = format!("/api/ws?{}", page.query(PAGE, house.now()));
    let (_, head) = shake(&house, &target, PAGE).await;
    assert!(head.starts_with("http/1.1 403"), "{head}");
}

#[tokio::test]
async fn s2_a_socket_is_opened_by_its_own_page_in_its_own_time() {
    let house = House::open().await;
    let page = house.pair().await;
    let query = |at| format!("/api/ws?{}", page.query(PAGE, at));
    let now = house.now();
    for (target, origin, status) in [
        (query(now), PAGE, 101),
        (query(now), "http://evil.example", 403),
        (query(now), "null", 403),
        (query(now - 31), PAGE, 403),
        (query(now + 31), PAGE, 403),
        ("/api/ws".to_owned(), PAGE, 403),
        (format!("{}0", query(now)), PAGE, 403),
    ] {
        let (_, head) = shake(&house, &target, origin).await;
        assert!(
            head.starts_with(&format!("http/1.1 {status}")),
            "{origin} {target}: {head}"
        );
    }
    // By its headers it is not opened: browsers cannot set them there.
    let headers = page.headers(PAGE, now);
    let reply = house.json("GET", "/api/ws", &headers, &Value::Null).await;
    assert_eq!(
        (reply.status, reply.detail()),
        (403, "Missing hmac query param".to_owned())
    );
}
