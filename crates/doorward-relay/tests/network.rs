//! Connections when this machine's network becomes another one: in a network
//! namespace of its own, whose routing table the test changes.
#![cfg(target_os = "linux")]
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test that cannot go on must fail"
)]

mod room;

use std::process::{Command, ExitStatus};

use futures_util::{SinkExt as _, StreamExt as _};
use room::{SLACK, Socket, connect, options, room};
use tokio::net::TcpListener;
use tokio::time::timeout;
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::tungstenite::protocol::frame::coding::CloseCode;

/// Set inside the namespace.
const INSIDE: &str = "DOORWARD_TEST_NAMESPACE";
/// The upstream's own, from which connections to it come at first.
const UPSTREAM: &str = "10.77.0.1";
const OTHER: &str = "10.77.0.2";

/// Runs this very test again where the network is the test's own, with two
/// addresses; not where the system gives no such namespace.
fn again_in_a_namespace(name: &str) {
    let made = Command::new("unshare").args(["-rn", "true"]).status();
    if !made.as_ref().is_ok_and(ExitStatus::success) {
        assert!(
            std::env::var_os("CI").is_none(),
            "no network namespaces: {made:?}"
        );
        eprintln!("skipped: this system gives no network namespaces");
        return;
    }
    let script = format!(
        "ip link set lo up && ip addr add {UPSTREAM}/32 dev lo && ip addr add {OTHER}/32 dev lo \
         && exec \"$0\" --exact {name} --nocapture"
    );
    let status = Command::new("unshare")
        .args(["-rn", "sh", "-c", &script])
        .arg(std::env::current_exe().unwrap())
        .env(INSIDE, "1")
        .status()
        .unwrap();
    assert!(status.success(), "{status}");
}

/// From now on, new connections to the upstream come from `address`.
fn leave_from(address: &str) {
    let route = format!("route replace table local local {UPSTREAM} dev lo src {address}");
    let status = Command::new("ip").args(route.split(' ')).status().unwrap();
    assert!(status.success());
}

/// An echo that also tells where each connection came from.
async fn upstream() -> (String, tokio::sync::mpsc::Receiver<String>) {
    let listener = TcpListener::bind((UPSTREAM, 0)).await.unwrap();
    let url = format!("ws://{}", listener.local_addr().unwrap());
    let (tell, from) = tokio::sync::mpsc::channel(8);
    tokio::spawn(async move {
        while let Ok((stream, peer)) = listener.accept().await {
            tell.send(peer.ip().to_string()).await.unwrap();
            tokio::spawn(async move {
                let mut socket = tokio_tungstenite::accept_async(stream).await.unwrap();
                while let Some(Ok(message)) = socket.next().await {
                    if message.is_text() && socket.send(message).await.is_err() {
                        break;
                    }
                }
            });
        }
    });
    (url, from)
}

async fn echoes(socket: &mut Socket) {
    socket.send(Message::text("still here")).await.unwrap();
    let heard = timeout(SLACK, socket.next()).await.unwrap();
    assert_eq!(heard.unwrap().unwrap(), Message::text("still here"));
}

#[tokio::test]
async fn what_would_leave_by_another_way_now_is_closed_with_1012_and_comes_back_on_it() {
    let name = "what_would_leave_by_another_way_now_is_closed_with_1012_and_comes_back_on_it";
    if std::env::var_os(INSIDE).is_none() {
        again_in_a_namespace(name);
        return;
    }
    let mut room = room().await;
    let (url, mut from) = upstream().await;
    let minted = room.open(&url, &options());
    let mut socket = connect(&room, &minted, "/rtc").await;
    assert_eq!(from.recv().await.unwrap(), UPSTREAM);
    // Nothing changed, or only for a moment.
    for address in [UPSTREAM, UPSTREAM, OTHER, UPSTREAM, OTHER] {
        leave_from(address);
        room.relay.sweep();
        echoes(&mut socket).await;
    }
    room.relay.sweep();
    assert_eq!(room.heard("relay.networkChanged").await["connections"], 1);
    let told = timeout(SLACK, socket.next()).await.unwrap();
    let Some(Ok(Message::Close(Some(close)))) = told else {
        panic!("{told:?}")
    };
    assert_eq!(close.code, CloseCode::Restart);
    drop(socket);
    assert_eq!(room.heard("relay.closed").await["reason"], "networkChanged");

    let mut socket = connect(&room, &minted, "/rtc").await;
    assert_eq!(from.recv().await.unwrap(), OTHER);
    for _ in 0..3 {
        room.relay.sweep();
    }
    echoes(&mut socket).await;
    // Without any way to it there is none to come back on.
    let status = Command::new("ip")
        .args(["route", "del", "table", "local", "local", UPSTREAM])
        .status();
    assert!(status.unwrap().success());
    for _ in 0..3 {
        room.relay.sweep();
    }
    leave_from(OTHER);
    echoes(&mut socket).await;
}
