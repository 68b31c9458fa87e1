//! Nothing secret is told: not at TRACE, not in events, not in what pages are told.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test that cannot go on must fail"
)]

mod coturn;
mod room;

use std::io::Write;
use std::sync::{Arc, Mutex};

use coturn::{ALLOCATE, ERROR, Message as Stun, NONCE, Place};
use doorward_relay::{LiveKit, Messages, RelayOptions};
use futures_util::{SinkExt as _, StreamExt as _};
use room::{SLACK, connect, ice_server, listen, options, put, room, saying_messages};
use tokio::io::AsyncWriteExt as _;
use tokio::time::timeout;
use tokio_tungstenite::tungstenite::Message;
use tracing_subscriber::fmt::MakeWriter;

#[derive(Clone, Default)]
struct Paper(Arc<Mutex<Vec<u8>>>);

impl Write for Paper {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.lock().unwrap().extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

impl<'a> MakeWriter<'a> for Paper {
    type Writer = Self;

    fn make_writer(&'a self) -> Self {
        self.clone()
    }
}

/// A TURN server that refuses whoever comes: 401 twice.
async fn refusing() -> String {
    let (listener, url) = listen().await;
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            tokio::spawn(async move {
                while Stun::read(&mut stream).await.is_some() {
                    let why = [&[0, 0, 4, 1][..], b"canary-turn-text"].concat();
                    let no = [(ERROR, &why[..]), (NONCE, b"canary-nonce"), (0x0014, b"r")];
                    let no = Stun::new(ALLOCATE | 0x0110, &no);
                    stream.write_all(&no.bytes()).await.unwrap();
                }
            });
        }
    });
    format!("{}?transport=tcp", url.replace("ws://", "turn:"))
}

#[tokio::test]
async fn r28_no_token_query_sdp_or_credential_is_told_at_trace_or_in_events() {
    let paper = Paper::default();
    let subscriber = tracing_subscriber::fmt()
        .with_max_level(tracing_subscriber::filter::LevelFilter::TRACE)
        .with_writer(paper.clone())
        .finish();
    // This file's tests are one, so the whole process is listened to.
    tracing::subscriber::set_global_default(subscriber).unwrap();
    let mut room = room().await;
    let mut all = room.events.resubscribe();
    let turn = refusing().await;
    let join = put(
        1,
        &[
            &put(
                5,
                &[&ice_server(
                    &[&turn],
                    "1500000000:canary-name",
                    "canary-password",
                )],
            ),
            &put(7, &[b"wss://canary-alternative.example/canary-path"]),
        ],
    );
    let told = vec![
        Message::binary(join),
        Message::binary(put(2, &[&put(1, &[b"v=0 canary-answer-sdp"])])),
        Message::binary(vec![
            0x0a, 99, b'c', b'a', b'n', b'a', b'r', b'y', b'-', b'x',
        ]),
    ];
    let how = RelayOptions {
        messages: Messages::LiveKit(LiveKit {
            turn: true,
            ..LiveKit::default()
        }),
        ..options()
    };
    let minted = room.open(&saying_messages(told).await, &how);
    let token = minted.url.rsplit('/').next().unwrap().to_owned();
    let path = "/rtc/v1?access_token=canary-token&join_request=canary-offer-sdp";
    let mut socket = connect(&room, &minted, path).await;
    let join = timeout(SLACK, socket.next())
        .await
        .unwrap()
        .unwrap()
        .unwrap();
    let join = String::from_utf8_lossy(&join.into_data()).into_owned();
    let port = join.split("turn:127.0.0.1:").nth(1).unwrap();
    let port = port.split('?').next().unwrap().parse().unwrap();
    let _ = socket.send(Message::text("canary-request")).await;
    let error = Place::make(port, "1500000000:canary-name", "canary-password").await;
    assert_eq!(error.unwrap_err(), Some(401));
    while let Some(Ok(_)) = timeout(SLACK, socket.next()).await.unwrap() {}
    // Failures speak too: no upstream, a path that is not open, a grant that is not.
    let gone = room.open("ws://127.0.0.1:9/canary-base", &how);
    let target = room.path(&gone);
    room.get(&format!("{target}/rtc?access_token=canary-t"), true, "")
        .await;
    room.get(&format!("{target}/canary-shut"), false, "").await;
    let bearer = "Authorization: Bearer canary-bearer\r\n";
    room.get(&format!("{target}/rtc/validate"), false, bearer)
        .await;
    room.get("/r/canary-grant/rtc", true, "").await;

    let closed = room.heard("relay.turnClosed").await;
    assert_eq!(closed["refused"], "credentialsExpired", "{closed}");
    let closed = room.heard("relay.closed").await;
    assert_eq!(closed["reason"], "messageUnreadable", "{closed}");
    room.relay.shutdown().await;
    let log = String::from_utf8_lossy(&paper.0.lock().unwrap()).into_owned();
    assert!(log.contains("a tunnel ended"), "nothing was listened to");
    for secret in ["canary", &token, minted.url.as_str()] {
        assert!(!log.contains(secret), "{secret} in {log}");
    }
    let mut heard = 0;
    while let Ok(event) = all.try_recv() {
        heard += 1;
        let data = &event.data;
        assert!(!data.contains("canary") && !data.contains(&token), "{data}");
    }
    assert!(heard >= 4, "{heard} events");
}
