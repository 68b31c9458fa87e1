//! Signed requests: each is good once, as it was signed.

use std::time::Duration;

use doorward::companion_core::pairing::Bytes32;
use serde_json::{Value, json};

use crate::house::{Door, House, PAGE};

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
async fn t75_of_a_thousand_parallel_replays_one_is_accepted() {
    let house = House::open().await;
    let door = house.pair().await;
    let (bytes, _) = house.signed(&door, "GET", "/pairing", b"");
    let all = (0..1_000).map(|_| house.send(&bytes));
    let replies = futures_util::future::join_all(all).await;
    let good = replies.iter().filter(|reply| reply.status == 200);
    assert_eq!(good.count(), 1);
}

#[tokio::test]
async fn t77_there_is_one_way_to_write_a_signature() {
    let house = House::open().await;
    let door = house.pair().await;
    let input = "dw=(\"@method\" \"@authority\"";
    for (from, to) in [
        ("\"@method\" \"@authority\"", "\"@authority\" \"@method\""),
        ("\"@method\" ", ""),
        ("\"@method\" ", "\"@method\" \"@method\" "),
        (" \"x-doorward-instance\"", ""),
        (";alg=\"hmac-sha256\"", ""),
        ("hmac-sha256", "none"),
        ("hmac-sha256", "ed25519"),
        ("doorward-sign-1", "doorward-answer-1"),
        ("dw=(", "other=("),
        ("dw=(", "dw=(),dw=("),
        (";created=", "; created="),
        ("keyid=\"", "keyid=\"A"),
    ] {
        let (bytes, _) = house.signed(&door, "GET", "/pairing", b"");
        let text = String::from_utf8(bytes).unwrap();
        assert!(text.contains(input) && text.contains(from), "{from}");
        let reply = house.send(text.replace(from, to).as_bytes()).await;
        assert_eq!(reply.status, 401, "{from} -> {to}: {}", reply.text());
        house.hand.advance(Duration::from_secs(5));
    }
    // A second signature beside the good one.
    let (bytes, _) = house.signed(&door, "GET", "/pairing", b"");
    let text = String::from_utf8(bytes).unwrap();
    for line in ["signature: dw=:AAAA:\r\n", "signature-input: dw=()\r\n"] {
        let twice = text.replacen("\r\n", &format!("\r\n{line}"), 1);
        let reply = house.send(twice.as_bytes()).await;
        assert!(
            (400..=401).contains(&reply.status),
            "{line}: {}",
            reply.text()
        );
        house.hand.advance(Duration::from_secs(5));
    }
    assert_eq!(
        house.send(text.as_bytes()).await.status,
        200,
        "itself it is good"
    );
}

#[tokio::test]
async fn t77_the_key_of_one_origin_signs_nothing_for_another() {
    let house = House::open().await;
    let door = house.pair().await;
    let other = "https://other.example";
    let (pid, keys) = house.knock_with(other, "App", "[]").await.unwrap();
    house.hand.advance(Duration::from_secs(2));
    house.approve(&keys.code.to_string()).await;
    let proof = String::from(Bytes32(keys.page_proof()));
    let body = json!({ "proof": proof }).to_string();
    let header = format!("Origin: {other}\r\n");
    let path = format!("/pair/{pid}/confirm");
    let confirmed = house.ask("POST", &path, &header, body.as_bytes()).await;
    assert_eq!(confirmed.status, 200, "{}", confirmed.text());
    assert_eq!(house.serving.companion().unwrap().paired().len(), 2);
    // Signed by the one, sent by the other; and the other's own key, from here.
    let (bytes, _) = house.signed(&door, "GET", "/pairing", b"");
    let text = String::from_utf8(bytes).unwrap().replace(PAGE, other);
    assert_eq!(
        house.send(text.as_bytes()).await.denial(),
        "signatureInvalid"
    );
    let instance = door.instance;
    let stolen = Door { keys, instance };
    let (bytes, _) = house.signed(&stolen, "GET", "/pairing", b"");
    assert_eq!(house.send(&bytes).await.denial(), "signatureInvalid");
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
