//! Event sockets, and the tickets that open them.

use std::time::Duration;

use doorward::companion_core::defaults;
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

use crate::house::{House, PAGE, rest};

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

const WEB_SOCKET: &str = "Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n";

impl House {
    /// A handshake of exactly these lines; the answer's head in small letters.
    async fn shake(&self, line: &str, lines: &str) -> String {
        let host = self.host();
        let text = format!("{line} HTTP/1.1\r\nHost: {host}\r\n{lines}\r\n");
        let mut socket = TcpStream::connect(host).await.unwrap();
        socket.write_all(text.as_bytes()).await.unwrap();
        let mut head = Vec::new();
        while !head.ends_with(b"\r\n\r\n") {
            match socket.read_u8().await {
                Ok(byte) => head.push(byte),
                Err(_) => break,
            }
        }
        String::from_utf8(head).unwrap().to_lowercase()
    }
}

fn status(head: &str) -> u16 {
    let word = head.split(' ').nth(1);
    word.and_then(|word| word.parse().ok()).unwrap_or(0)
}

#[tokio::test]
async fn t78_another_origin_opens_no_socket_with_a_good_ticket() {
    let house = House::open().await;
    let door = house.pair().await;
    for (origin, expected) in [
        ("", 403),
        ("Origin: null\r\n", 403),
        ("Origin: file://\r\n", 403),
        ("Origin: chrome-extension://abc\r\n", 403),
        ("Origin: https://app.example.evil.example\r\n", 401),
        ("Origin: http://app.example\r\n", 401),
        ("Origin: https://app.example:8443\r\n", 401),
        (
            "Origin: https://app.example\r\nOrigin: https://app.example\r\n",
            403,
        ),
    ] {
        let offer = house.ticket(&door).await;
        let lines =
            format!("{WEB_SOCKET}{origin}Cookie: a=b\r\nSec-WebSocket-Protocol: {offer}\r\n");
        let head = house.shake("GET /events", &lines).await;
        let told = status(&head);
        assert!(
            told == expected || (expected == 403 && told == 400),
            "{origin}: {head}"
        );
        house.hand.advance(Duration::from_secs(5));
    }
}

#[tokio::test]
async fn t80_a_ticket_is_read_from_the_subprotocol_and_from_nowhere_else() {
    let house = House::open().await;
    let door = house.pair().await;
    let origin = format!("Origin: {PAGE}\r\n");
    let ticket = |offer: &str| offer.rsplit('.').next().unwrap().to_owned();
    for place in ["query", "cookie", "authorization", "alone", "other"] {
        let offer = house.ticket(&door).await;
        let token = ticket(&offer);
        let plain = "Sec-WebSocket-Protocol: doorward.v1\r\n";
        let (line, more) = match place {
            "query" => (format!("GET /events?ticket={token}"), plain.to_owned()),
            "cookie" => (
                "GET /events".to_owned(),
                format!("{plain}Cookie: ticket={token}\r\n"),
            ),
            "authorization" => (
                "GET /events".to_owned(),
                format!("{plain}Authorization: Bearer {token}\r\n"),
            ),
            "alone" => (
                "GET /events".to_owned(),
                format!("Sec-WebSocket-Protocol: doorward.ticket.{token}\r\n"),
            ),
            _ => (
                "GET /events".to_owned(),
                format!("Sec-WebSocket-Protocol: doorward.v2, doorward.ticket.{token}\r\n"),
            ),
        };
        let head = house
            .shake(&line, &format!("{WEB_SOCKET}{origin}{more}"))
            .await;
        assert!((400..=401).contains(&status(&head)), "{place}: {head}");
        house.hand.advance(Duration::from_secs(5));
    }
    let (_socket, head) = house.socket(&house.ticket(&door).await).await;
    let protocols: Vec<_> = head
        .lines()
        .filter(|line| line.starts_with("sec-websocket-protocol"))
        .collect();
    assert_eq!(protocols, ["sec-websocket-protocol: doorward.v1"]);
}

#[tokio::test]
async fn t81_a_handshake_with_a_defect_opens_nothing() {
    let house = House::open().await;
    let door = house.pair().await;
    for (line, from, to) in [
        ("GET /events", "Version: 13", "Version: 8"),
        ("GET /events", "Sec-WebSocket-Version: 13\r\n", ""),
        ("GET /events", "dGhlIHNhbXBsZSBub25jZQ==", "short"),
        (
            "GET /events",
            "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n",
            "",
        ),
        ("GET /events", "Connection: Upgrade\r\n", ""),
        ("GET /events", "Upgrade: websocket", "Upgrade: h2c"),
        ("GET /events", "Upgrade: websocket\r\n", ""),
        (
            "GET /events",
            "Version: 13",
            "Version: 13\r\nContent-Length: 3",
        ),
        ("POST /events", "", ""),
        ("PUT /events", "", ""),
        ("GET /events/more", "", ""),
    ] {
        let offer = house.ticket(&door).await;
        let good = format!("{WEB_SOCKET}Origin: {PAGE}\r\nSec-WebSocket-Protocol: {offer}\r\n");
        let head = house.shake(line, &good.replace(from, to)).await;
        assert!(
            (400..=426).contains(&status(&head)),
            "{line} {from} -> {to}: {head}"
        );
        house.hand.advance(Duration::from_secs(5));
    }
}

#[tokio::test]
async fn t83_what_a_page_declares_about_itself_is_not_heard() {
    let house = House::open().await;
    let door = house.pair().await;
    // In a body.
    for body in [
        r#"{"route":"/events","scopes":[{"folder":"A","rights":["read"]}]}"#,
        r#"{"route":"/events","role":"operator"}"#,
        r#"{"route":"/events","origin":"https://other.example"}"#,
    ] {
        let (bytes, _) = house.signed(&door, "POST", "/ws/ticket", body.as_bytes());
        assert_eq!(house.send(&bytes).await.status, 400, "{body}");
    }
    // In headers, in a subprotocol, in a message.
    let offer = format!("{}, doorward.scope.all", house.ticket(&door).await);
    let lines = format!("{WEB_SOCKET}Origin: {PAGE}\r\nSec-WebSocket-Protocol: {offer}\r\n");
    let head = house.shake("GET /events", &lines).await;
    assert_eq!(status(&head), 401, "{head}");
    let more = "X-Scopes: all\r\nX-Role: operator\r\nX-Forwarded-User: root\r\n";
    let (bytes, _) = house.signed(&door, "GET", "/pairing", b"");
    let text = String::from_utf8(bytes).unwrap();
    let text = text.replacen("\r\n", &format!("\r\n{more}"), 1);
    let own = house.send(text.as_bytes()).await;
    assert_eq!((own.status, &own.json()["scopes"]), (200, &json!([])));

    let (mut socket, head) = house.socket(&house.ticket(&door).await).await;
    assert_eq!(status(&head), 101);
    let says = br#"{"kind":"scopes","scopes":["all"]}"#;
    // A masked text frame; the mask is zero.
    let mut frame = vec![0x81, 0x80 | u8::try_from(says.len()).unwrap(), 0, 0, 0, 0];
    frame.extend_from_slice(says);
    socket.write_all(&frame).await.unwrap();
    let path = format!("/{}", door.keys.key_id);
    tokio::time::sleep(Duration::from_millis(200)).await;
    let (_, list) = house.native("GET", "", &Value::Null).await;
    assert_eq!(list["pairings"][0]["scopes"], json!([]));
    house.native("DELETE", &path, &Value::Null).await;
    let said = rest(&mut socket).await;
    let kinds = said.matches("\"kind\"").count();
    assert_eq!(kinds, 2, "hello and its end, and no answer: {said}");
}
