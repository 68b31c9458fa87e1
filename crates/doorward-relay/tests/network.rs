//! What only a network of the test's own can show, in a namespace: a routing table
//! that becomes another, and a resolver that lies.
#![cfg(target_os = "linux")]
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test that cannot go on must fail"
)]

mod room;

use std::collections::VecDeque;
use std::net::{Ipv4Addr, UdpSocket};
use std::process::{Command, ExitStatus};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use doorward_egress::{AddressPolicy, Dialer, Trust};
use doorward_relay::RelayOptions;
use futures_util::{SinkExt as _, StreamExt as _};
use room::{SLACK, Socket, connect, options, room, room_dialling};
use tokio::net::TcpListener;
use tokio::time::timeout;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls::ServerConfig;
use tokio_rustls::rustls::pki_types::PrivatePkcs8KeyDer;
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::tungstenite::protocol::frame::coding::CloseCode;

/// Set inside the namespace.
const INSIDE: &str = "DOORWARD_TEST_NAMESPACE";
/// The upstream's own, from which connections to it come at first.
const UPSTREAM: &str = "10.77.0.1";
const OTHER: &str = "10.77.0.2";

/// Runs this very test again where the network is the test's own, after `prepare`;
/// not where the system gives no such namespace.
fn again_in_a_namespace(name: &str, prepare: &str) {
    let made = Command::new("unshare").args(["-rnm", "true"]).status();
    if !made.as_ref().is_ok_and(ExitStatus::success) {
        assert!(
            std::env::var_os("CI").is_none(),
            "no network namespaces: {made:?}"
        );
        eprintln!("skipped: this system gives no network namespaces");
        return;
    }
    let script =
        format!("ip link set lo up && {prepare} && exec \"$0\" --exact {name} --nocapture");
    let status = Command::new("unshare")
        .args(["-rnm", "sh", "-c", &script])
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
        let address = |address| format!("ip addr add {address}/32 dev lo");
        again_in_a_namespace(name, &[UPSTREAM, OTHER].map(address).join(" && "));
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

/// A public address; here it is this machine's own.
const PUBLIC: Ipv4Addr = Ipv4Addr::new(93, 184, 216, 34);
const HOST: &str = "acme.livekit.cloud";

/// Answers each question for an IPv4 address with the next of `answers`, and the last
/// one for ever. How often it was asked is in what it returns.
fn lying_resolver(mut answers: VecDeque<Vec<Ipv4Addr>>) -> Arc<AtomicUsize> {
    let socket = UdpSocket::bind("127.0.0.1:53").unwrap();
    let asked = Arc::new(AtomicUsize::new(0));
    let count = Arc::clone(&asked);
    std::thread::spawn(move || {
        let mut question = [0; 512];
        while let Ok((length, from)) = socket.recv_from(&mut question) {
            // The name ends with a zero, and its type and class follow (RFC 1035).
            let name = question[12..].iter().position(|byte| *byte == 0).unwrap();
            let end = 12 + name + 5;
            assert!(end <= length);
            let mut addresses = Vec::new();
            if question[end - 4..end] == [0, 1, 0, 1] {
                count.fetch_add(1, Ordering::SeqCst);
                addresses = match answers.len() {
                    1 => answers[0].clone(),
                    _ => answers.pop_front().unwrap(),
                };
            }
            let mut answer = question[..end].to_vec();
            answer[2..4].copy_from_slice(&[0x81, 0x80]);
            answer[6..12].copy_from_slice(&[0, addresses.len().try_into().unwrap(), 0, 0, 0, 0]);
            for address in addresses {
                answer.extend([0xc0, 12, 0, 1, 0, 1, 0, 0, 0, 0, 0, 4]);
                answer.extend(address.octets());
            }
            socket.send_to(&answer, from).unwrap();
        }
    });
    asked
}

/// Says the name that it is called by in TLS to whoever connects, as `HOST`.
async fn tls_upstream() -> (u16, String) {
    let key = rcgen::KeyPair::generate().unwrap();
    let certificate = rcgen::CertificateParams::new([HOST.to_owned()]).unwrap();
    let certificate = certificate.self_signed(&key).unwrap();
    let chain = vec![certificate.der().clone()];
    let key = PrivatePkcs8KeyDer::from(key.serialize_der()).into();
    let config = ServerConfig::builder().with_no_client_auth();
    let config = config.with_single_cert(chain, key).unwrap();
    let acceptor = TlsAcceptor::from(Arc::new(config));
    let listener = TcpListener::bind((PUBLIC, 0)).await.unwrap();
    let port = listener.local_addr().unwrap().port();
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            let stream = acceptor.accept(stream).await.unwrap();
            let called = stream.get_ref().1.server_name().unwrap().to_owned();
            let mut socket = tokio_tungstenite::accept_async(stream).await.unwrap();
            socket.send(Message::text(called)).await.unwrap();
        }
    });
    (port, certificate.pem())
}

#[tokio::test]
async fn r6_r23_a_name_that_is_rebound_leads_nowhere_and_the_checked_address_is_called_by_its_name()
{
    let name =
        "r6_r23_a_name_that_is_rebound_leads_nowhere_and_the_checked_address_is_called_by_its_name";
    if std::env::var_os(INSIDE).is_none() {
        let folder = tempfile::tempdir().unwrap();
        let resolver = folder.path().join("resolv.conf");
        std::fs::write(&resolver, "nameserver 127.0.0.1\n").unwrap();
        let resolver = resolver.display();
        again_in_a_namespace(
            name,
            &format!("ip addr add {PUBLIC}/32 dev lo && mount --bind {resolver} /etc/resolv.conf"),
        );
        return;
    }
    let (port, root) = tls_upstream().await;
    // What a rebinding is after: something on this machine, at the same port.
    let inside = TcpListener::bind((Ipv4Addr::LOCALHOST, port))
        .await
        .unwrap();
    let here = Ipv4Addr::LOCALHOST;
    let answers = [vec![PUBLIC], vec![here], vec![here, PUBLIC], vec![here]];
    let asked = lying_resolver(answers.into());
    let trust = Trust::with_extra_pem([root.as_bytes()]).unwrap();
    let room = room_dialling(Dialer::new(AddressPolicy::public(), trust)).await;
    let closed = RelayOptions {
        local_networks: false,
        plain: false,
        ..options()
    };
    let minted = room.open(&format!("wss://{HOST}:{port}"), &closed);
    let target = format!("{}/rtc", room.path(&minted));
    // Asked once: what was checked is what is connected to.
    let mut socket = connect(&room, &minted, "/rtc").await;
    let told = timeout(SLACK, socket.next()).await.unwrap();
    assert_eq!(told.unwrap().unwrap(), Message::text(HOST));
    assert_eq!(asked.load(Ordering::SeqCst), 1);
    // Then it is another; then both, of which one may be dialled; then the other.
    for expected in ["http/1.1 502", "http/1.1 101", "http/1.1 502"] {
        let (head, body) = room.get(&target, true, "").await;
        assert!(head.starts_with(expected), "{head} {body}");
        assert!(
            head.contains(" 101") || body.contains("upstreamNotAllowed"),
            "{body}"
        );
    }
    // Who had come would wait to be let in by now.
    let came = inside.into_std().unwrap().accept();
    assert_eq!(came.unwrap_err().kind(), std::io::ErrorKind::WouldBlock);
}
