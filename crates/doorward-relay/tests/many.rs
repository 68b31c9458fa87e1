//! As many connections as the room is made for.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test that cannot go on must fail"
)]

mod room;

use std::collections::HashSet;
use std::time::Duration;

use doorward_relay::traffic::Passed;
use doorward_relay::{RelayOptions, defaults};
use futures_util::{SinkExt as _, StreamExt as _};
use room::{Room, SLACK, connect, echo, options, room};
use tokio::time::timeout;
use tokio_tungstenite::tungstenite::Message;

#[tokio::test(flavor = "multi_thread")]
async fn r18_a_thousand_idle_connections_are_open_at_once_and_each_still_speaks() {
    // A client, both ends of the relay, and an upstream, all in this process.
    let files = doorward::platform::raise_file_limit();
    assert!(files.is_none_or(|files| files > 4_500), "{files:?} files");
    let room = room().await;
    let url = echo().await;
    let many = RelayOptions {
        connections: defaults::CONNECTIONS_ALL,
        ..options()
    };
    let minted = room.open(&url, &many);
    let mut sockets = Vec::new();
    for _ in 0..1_000 {
        sockets.push(connect(&room, &minted, "/rtc").await);
    }
    assert_eq!(room.relay.totals().connections, 1_000);
    // They are none of the listener's, which would have turned some away.
    let (head, _) = room.get("/healthz", false, "").await;
    assert!(head.starts_with("http/1.1 200"), "{head}");
    for number in (0..1_000).step_by(97).chain([999]) {
        let said = Message::text(number.to_string());
        sockets[number].send(said.clone()).await.unwrap();
        let heard = timeout(SLACK, sockets[number].next()).await.unwrap();
        assert_eq!(heard.unwrap().unwrap(), said);
    }
    drop(sockets);
    room.emptied().await;
}

#[tokio::test]
async fn what_passes_is_told_once_a_second_while_the_connection_is_open() {
    let mut room = room().await;
    let minted = room.open(&echo().await, &options());
    let mut socket = connect(&room, &minted, "/rtc").await;
    socket.send(Message::binary(vec![7; 1_000])).await.unwrap();
    let heard = timeout(SLACK, socket.next()).await.unwrap();
    assert_eq!(heard.unwrap().unwrap().len(), 1_000);
    let told = told(&mut room, |passed| passed.frames_down == 1).await;
    // Two bytes of length, and a mask on the way up.
    assert_eq!(told["id"], minted.id.as_str());
    assert_eq!(
        (told["bytesUp"].clone(), told["bytesDown"].clone()),
        (1_008.into(), 1_004.into())
    );
    assert_eq!(
        (told["framesUp"].clone(), told["connections"].clone()),
        (1.into(), 1.into())
    );
    assert!(told["lastEnd"].is_null(), "{told}");
    socket.close(None).await.unwrap();
    while let Some(Ok(_)) = socket.next().await {}
    drop(socket);
    let told = self::told(&mut room, |passed| passed.last_end.is_some()).await;
    assert_eq!(
        (told["lastEnd"].clone(), told["connections"].clone()),
        ("finished".into(), 0.into())
    );
}

#[tokio::test]
async fn news_of_many_is_told_in_parts_and_none_is_forgotten() {
    let mut room = room().await;
    let many = defaults::STATS_AT_ONCE + 1;
    let mut minted = HashSet::new();
    for _ in 0..many {
        minted.insert(room.open("ws://127.0.0.1:9", &options()).id);
    }
    let mut told = HashSet::new();
    while told.len() < many {
        room.relay.sweep();
        let stats = room.heard("relay.stats").await;
        let relays = stats["relays"].as_array().unwrap();
        assert!(relays.len() <= defaults::STATS_AT_ONCE);
        let ids = relays
            .iter()
            .map(|one| one["id"].as_str().unwrap().to_owned());
        told.extend(ids);
    }
    assert_eq!(told, minted);
}

/// What is told of the only grant, once `so` is true of what passed.
async fn told(room: &mut Room, so: impl Fn(&Passed) -> bool) -> serde_json::Value {
    let passed = async {
        while !room.relay.views().0.iter().any(|view| so(&view.passed)) {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    };
    timeout(SLACK, passed).await.unwrap();
    let frames = room.relay.views().0[0].passed;
    room.relay.sweep();
    loop {
        // Others may have been told before.
        let told = room.heard("relay.stats").await;
        let one = &told["relays"][0];
        if one["lastEnd"].as_str() == frames.last_end && one["framesDown"] == frames.frames_down {
            return one.clone();
        }
    }
}
