//! Asking, comparing, approving: what a pairing takes, and what ends it.

use std::time::Duration;

use doorward::companion_core::Instance;
use doorward::companion_core::pairing::keys::commitment;
use doorward::companion_core::pairing::page::Page;
use doorward::companion_core::pairing::{Bytes32, Scopes};
use doorward::companion_core::signing::{Challenge, hello_proof};
use doorward::guard::{Origin, Secret};
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

#[tokio::test]
async fn t64_who_chooses_a_key_after_seeing_ours_gets_no_window() {
    let house = House::open().await;
    let origin = Origin::parse(PAGE).unwrap();
    let (page, relay) = (
        Page::new(&origin, "App", Scopes::default()),
        Page::new(&origin, "App", Scopes::default()),
    );
    for _ in 0..20 {
        let offer = house.post("/pair/start", page.start()).await;
        let pid = offer.json()["pid"].as_str().unwrap().to_owned();
        let path = format!("/pair/{pid}/reveal");
        let swapped = house.post(&path, relay.reveal()).await;
        assert_eq!(
            (swapped.status, swapped.denial().as_str()),
            (403, "commitmentMismatch")
        );
        // There is one reveal.
        assert_eq!(
            house.post(&path, page.reveal()).await.denial(),
            "pairingGone"
        );
        house.hand.advance(Duration::from_secs(5));
    }
    let (_, list) = house.native("GET", "", &Value::Null).await;
    assert_eq!(list["pending"], Value::Null);
}

#[tokio::test]
async fn t66_points_that_give_no_secret_get_no_window() {
    let house = House::open().await;
    let origin = Origin::parse(PAGE).unwrap();
    let mut one = [0; 32];
    one[0] = 1;
    // p - 1, p and p + 1, of order two, zero and one; the last two not canonical.
    let near_p = |last: u8| {
        let mut point = [0xff; 32];
        point[0] = last;
        point[31] = 0x7f;
        point
    };
    for point in [
        [0; 32],
        one,
        near_p(0xec),
        near_p(0xed),
        near_p(0xee),
        [0xff; 32],
    ] {
        let nonce = [7; 32];
        let start = json!({
            "v": 1,
            "suite": "X25519-SHA256",
            "commitment": String::from(Bytes32(commitment(&point, &nonce, &origin))),
            "label": "App",
            "scopes": [],
        });
        let offer = house
            .post("/pair/start", start.to_string().as_bytes())
            .await;
        let pid = offer.json()["pid"].as_str().unwrap().to_owned();
        let reveal = json!({
            "publicKey": String::from(Bytes32(point)),
            "nonce": String::from(Bytes32(nonce)),
        });
        let path = format!("/pair/{pid}/reveal");
        let revealed = house.post(&path, reveal.to_string().as_bytes()).await;
        assert_eq!(
            (revealed.status, revealed.denial().as_str()),
            (400, "weakKey")
        );
        house.hand.advance(Duration::from_secs(5));
    }
    let (_, list) = house.native("GET", "", &Value::Null).await;
    assert_eq!(list["pending"], Value::Null);
}

#[tokio::test]
async fn t70_neither_answer_alone_lets_a_key_out() {
    let house = House::open().await;
    for side in ["person", "page"] {
        let (pid, keys) = house.knock().await;
        house.hand.advance(Duration::from_secs(2));
        match side {
            "person" => drop(house.approve(&keys.code.to_string()).await),
            _ => drop(house.confirm(&pid, &keys).await),
        }
        // It is held, and says nothing.
        let held = tokio::time::timeout(Duration::from_millis(500), house.wait(&pid)).await;
        assert!(held.is_err(), "{side}: {}", held.unwrap().text());
        assert!(house.hello(keys.clone()).await.is_none());
        assert!(house.serving.companion().unwrap().paired().is_empty());
        let cancelled = house.post(&format!("/pair/{pid}/cancel"), b"{}").await;
        assert_eq!(cancelled.status, 200);
    }
}

#[tokio::test]
async fn t70_of_a_race_of_both_with_a_cancel_one_outcome_is_left() {
    let house = House::open().await;
    for _ in 0..12 {
        house.native("POST", "/allow", &json!({})).await;
        let (pid, keys) = house.knock().await;
        house.hand.advance(Duration::from_secs(2));
        let cancel = format!("/pair/{pid}/cancel");
        let code = keys.code.to_string();
        let (_, _, cancelled) = tokio::join!(
            house.approve(&code),
            house.confirm(&pid, &keys),
            house.post(&cancel, b"{}"),
        );
        let collected = house.wait(&pid).await.json()["state"] == "paired";
        let known = house.hello(keys.clone()).await.is_some();
        assert_eq!(
            known, collected,
            "a page that was told nothing is not paired"
        );
        assert!(!(collected && cancelled.status == 200));
        house.hand.advance(Duration::from_secs(30));
    }
}

#[tokio::test]
async fn whoever_sits_on_our_port_learns_nothing_and_proves_nothing() {
    let house = House::open().await;
    let door = house.pair().await;
    let squatter = "127.0.0.1:7319";
    // It hands our hello on: what we prove names our own address.
    let challenge = Secret::<32>::random().reveal().to_string();
    let body = json!({ "challenge": challenge, "keyId": door.keys.key_id }).to_string();
    let told = house.post("/hello", body.as_bytes()).await.json();
    let instance = Instance::parse(&door.instance).unwrap();
    let challenge = Challenge::parse(&challenge).unwrap();
    let expected = hello_proof(&door.keys.response, &challenge, squatter, &instance);
    assert_ne!(told["proof"], String::from(Bytes32(expected)));
    // It hands a pairing on: the page sees another address in it, and where that is
    // changed, other digits.
    let page = Page::new(&Origin::parse(PAGE).unwrap(), "App", Scopes::default());
    let offer = house.post("/pair/start", page.start()).await;
    let pid = offer.json()["pid"].as_str().unwrap().to_owned();
    let revealed = house
        .post(&format!("/pair/{pid}/reveal"), page.reveal())
        .await;
    assert_eq!(revealed.status, 200);
    assert!(page.again().compare(&offer.body, squatter).is_none());
    let changed = offer.text().replace(&house.host(), squatter);
    let seen = page.again().compare(changed.as_bytes(), squatter).unwrap();
    let ours = page.compare(&offer.body, &house.host()).unwrap();
    assert_ne!(seen.keys().key_id, ours.keys().key_id);
    house.hand.advance(Duration::from_secs(2));
    let (_, told) = house.approve(&seen.keys().code.to_string()).await;
    assert_eq!(told["denial"], "codeWrong");
    // A signed request for the squatter is none for us.
    let (bytes, _) = house.signed(&door, "GET", "/pairing", b"");
    let moved = String::from_utf8(bytes)
        .unwrap()
        .replace(&house.host(), squatter);
    assert_ne!(house.send(moved.as_bytes()).await.status, 200);
}
