//! Event sockets, and the tickets that open them.

use std::time::Duration;

use doorward::companion_core::defaults;
use serde_json::Value;

use crate::house::{House, rest};

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
