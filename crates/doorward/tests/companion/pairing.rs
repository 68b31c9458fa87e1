//! Asking, comparing, approving: what a pairing takes, and what ends it.

use std::time::Duration;

use doorward::guard::Secret;
use serde_json::{Value, json};
use tokio::io::AsyncWriteExt as _;
use tokio::net::TcpStream;

use crate::house::{House, PAGE};

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
