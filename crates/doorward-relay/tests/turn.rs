//! TURN through the relay, to a real coturn.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test that cannot go on must fail"
)]

mod coturn;
mod room;

use std::time::Duration;

use coturn::{ALLOCATE, Coturn, DATA, Message as Stun, PAYLOAD, Place, credentials};
use doorward_egress::{AddressPolicy, Dialer, Trust};
use doorward_relay::{LiveKit, Messages, Minted, RelayOptions, defaults};
use futures_util::StreamExt as _;
use room::{
    Room, SLACK, Socket, connect, ice_server, listen, options, put, room, room_dialling,
    saying_messages,
};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream, UdpSocket};
use tokio::time::timeout;
use tokio_tungstenite::tungstenite::Message;

/// Far in the future, but within the 31 bits that coturn keeps, and far in
/// the past.
const LATER: u64 = 2_140_000_000;
const BEFORE: u64 = 1_500_000_000;

fn with_turn() -> RelayOptions {
    RelayOptions {
        messages: Messages::LiveKit(LiveKit {
            turn: true,
            ..LiveKit::default()
        }),
        ..options()
    }
}

/// The ports that a page is told of for these servers.
async fn ports(room: &Room, urls: &[&str], options: &RelayOptions) -> (Vec<u16>, Minted, Socket) {
    let join = put(1, &[&put(5, &[&ice_server(urls, "n", "p")])]);
    let minted = room.open(&saying_messages(vec![Message::binary(join)]).await, options);
    let mut socket = connect(room, &minted, "/rtc").await;
    let told = timeout(SLACK, socket.next())
        .await
        .unwrap()
        .unwrap()
        .unwrap();
    let told = told.into_data();
    let ports = String::from_utf8_lossy(&told)
        .split("turn:127.0.0.1:")
        .skip(1)
        .map(|rest| rest.split('?').next().unwrap().parse().unwrap())
        .collect();
    (ports, minted, socket)
}

/// Waits until nothing listens there.
async fn freed(port: u16) {
    for _ in 0..600 {
        if TcpListener::bind(("127.0.0.1", port)).await.is_ok() {
            return;
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    panic!("port {port} is still taken");
}

/// Nothing more comes, and it has ended.
async fn ended(stream: &mut TcpStream) -> bool {
    let mut rest = Vec::new();
    match timeout(SLACK, stream.read_to_end(&mut rest)).await {
        Ok(Ok(_)) => rest.is_empty(),
        Ok(Err(_)) => true,
        Err(_) => false,
    }
}

async fn a_place_and_a_datagram_both_ways(port: u16) {
    let (name, password) = credentials(LATER);
    let mut place = Place::make(port, &name, &password).await.unwrap();
    let far = UdpSocket::bind("127.0.0.1:0").await.unwrap();
    let at = far.local_addr().unwrap();
    place.permit(at).await;
    for size in [1_usize, 100, 1_200] {
        let sent: Vec<u8> = (0..size).map(|at| (at % 251) as u8).collect();
        place.send(at, &sent).await;
        let mut got = vec![0; 2_000];
        let (count, from) = timeout(SLACK, far.recv_from(&mut got))
            .await
            .unwrap()
            .unwrap();
        assert_eq!((&got[..count], from), (&sent[..], place.relayed));
        far.send_to(&sent, place.relayed).await.unwrap();
        let back = Stun::read(&mut place.stream).await.unwrap();
        assert_eq!((back.kind, back.get(PAYLOAD)), (DATA, &sent[..]));
    }
}

#[tokio::test]
async fn r26_a_place_on_a_real_server_over_tcp_and_over_tls_with_a_root_of_ones_own() {
    let Some(coturn) = Coturn::start(&[]).await else {
        return;
    };
    let trust = Trust::with_extra_pem([coturn.root.as_bytes()]).unwrap();
    let mut room = room_dialling(Dialer::new(AddressPolicy::public(), trust)).await;
    let urls = [
        &*format!("turn:127.0.0.1:{}?transport=tcp", coturn.tcp),
        &*format!("turns:localhost:{}?transport=tcp", coturn.tls),
    ];
    let (ports, minted, _socket) = ports(&room, &urls, &with_turn()).await;
    for (port, tls) in ports.into_iter().zip([false, true]) {
        a_place_and_a_datagram_both_ways(port).await;
        let opened = room.heard("relay.turnOpened").await;
        assert_eq!(opened["tls"], tls);
        assert_eq!(opened["id"], minted.id);
        let closed = room.heard("relay.turnClosed").await;
        assert_eq!(closed["allocated"], true, "{closed}");
        assert_eq!(closed["refused"], serde_json::Value::Null);
        assert!(closed["bytesUp"].as_u64().unwrap() > 1_500, "{closed}");
    }
}

#[tokio::test]
async fn r26_credentials_that_are_over_or_wrong_are_told_apart_and_never_named() {
    let Some(coturn) = Coturn::start(&[]).await else {
        return;
    };
    let mut room = room().await;
    let url = format!("turn:127.0.0.1:{}?transport=tcp", coturn.tcp);
    let (ports, _, _socket) = ports(&room, &[&url], &with_turn()).await;
    let (old, old_password) = credentials(BEFORE);
    let (good, _) = credentials(LATER);
    for (name, password, refused) in [
        (&old, &*old_password, "credentialsExpired"),
        (&good, "wrong", "credentialsRejected"),
    ] {
        let error = Place::make(ports[0], name, password).await.unwrap_err();
        assert_eq!(error, Some(401));
        let closed = room.heard("relay.turnClosed").await;
        assert_eq!(closed["refused"], refused, "{closed}");
        assert_eq!(closed["allocated"], false);
        assert!(!closed.to_string().contains("participant"), "{closed}");
    }
}

#[tokio::test]
async fn r26_a_server_that_sends_elsewhere_is_not_followed() {
    let Some(coturn) = Coturn::start(&["--alternate-server=127.0.0.1:9"]).await else {
        return;
    };
    let mut room = room().await;
    let url = format!("turn:127.0.0.1:{}?transport=tcp", coturn.tcp);
    let (ports, _, _socket) = ports(&room, &[&url], &with_turn()).await;
    let (name, password) = credentials(LATER);
    // Directly it says 300, through us it says nothing.
    let direct = Place::make(coturn.tcp, &name, &password).await.unwrap_err();
    assert_eq!(direct, Some(300));
    let through = Place::make(ports[0], &name, &password).await.unwrap_err();
    assert_eq!(through, None);
    let closed = room.heard("relay.turnClosed").await;
    assert_eq!(closed["reason"], "redirected", "{closed}");
}

#[tokio::test]
async fn r26_r27_places_and_ports_end_with_the_grant_with_a_new_network_and_with_doorward() {
    let Some(coturn) = Coturn::start(&[]).await else {
        return;
    };
    let mut room = room().await;
    let url = format!("turn:127.0.0.1:{}?transport=tcp", coturn.tcp);
    let (name, password) = credentials(LATER);

    let (told, minted, _socket) = ports(&room, &[&url], &with_turn()).await;
    let mut place = Place::make(told[0], &name, &password).await.unwrap();
    room.relay.network_changed();
    assert!(ended(&mut place.stream).await);
    assert_eq!(
        room.heard("relay.turnClosed").await["reason"],
        "networkChanged"
    );
    // The port stays.
    let mut place = Place::make(told[0], &name, &password).await.unwrap();
    assert_eq!(room.relay.totals().turn_connections, 1);
    assert!(room.relay.revoke(&minted.id));
    assert!(ended(&mut place.stream).await);
    assert_eq!(room.heard("relay.turnClosed").await["reason"], "revoked");
    freed(told[0]).await;

    let (told, _, _socket) = ports(&room, &[&url], &with_turn()).await;
    let mut place = Place::make(told[0], &name, &password).await.unwrap();
    let (_, over) = tokio::join!(room.relay.shutdown(), ended(&mut place.stream));
    assert!(over);
    assert_eq!(room.heard("relay.turnClosed").await["reason"], "stopping");
    freed(told[0]).await;
    assert_eq!(room.relay.totals().turn_connections, 0);
}

#[tokio::test]
async fn r26_nothing_is_dialled_before_stun_is_spoken() {
    let mut room = room().await;
    let (listener, url) = listen().await;
    let url = format!("{}?transport=tcp", url.replace("ws://", "turn:"));
    let (ports, _, _socket) = ports(&room, &[&url], &with_turn()).await;
    for said in [
        &b"GET / HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n"[..],
        &[
            0x16, 3, 1, 2, 0, 1, 0, 1, 0xfc, 3, 3, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0,
        ],
        &[0; 20],
        &Stun::new(coturn::SEND, &[]).bytes(),
    ] {
        let mut stream = TcpStream::connect(("127.0.0.1", ports[0])).await.unwrap();
        let _ = stream.write_all(said).await;
        assert!(ended(&mut stream).await, "{said:?}");
        let closed = room.heard("relay.turnClosed").await;
        let reason = closed["reason"].as_str().unwrap();
        assert!(["notStun", "notAllocated"].contains(&reason), "{closed}");
    }
    let dialled = timeout(Duration::from_millis(200), listener.accept()).await;
    assert!(dialled.is_err(), "it was dialled");

    // And what then is no TURN server gets no further either.
    let mut stream = TcpStream::connect(("127.0.0.1", ports[0])).await.unwrap();
    stream
        .write_all(&Stun::new(ALLOCATE, &[]).bytes())
        .await
        .unwrap();
    let (mut server, _) = timeout(SLACK, listener.accept()).await.unwrap().unwrap();
    server
        .write_all(b"SSH-2.0-OpenSSH_9.2p1\r\n")
        .await
        .unwrap();
    assert!(ended(&mut stream).await);
}

#[tokio::test]
async fn r26_another_users_process_is_turned_away_before_a_byte_is_read() {
    let room = room().await;
    let (listener, url) = listen().await;
    let url = format!("{}?transport=tcp", url.replace("ws://", "turn:"));
    let (ports, _, _socket) = ports(&room, &[&url], &with_turn()).await;
    // The head of a request for a place, and then whatever is answered.
    let script = format!(
        "exec 3<>/dev/tcp/127.0.0.1/{}; \
         printf '\\0\\3\\0\\0\\41\\22\\244\\102twelve bytes' >&3; cat <&3 >/dev/null; echo over",
        ports[0]
    );
    let run = async |user: &str| {
        let child = tokio::process::Command::new("setpriv")
            .args([user, "--clear-groups", "bash", "-c", &script])
            .kill_on_drop(true)
            .output();
        timeout(SLACK, child).await
    };
    match run("--reuid=65534").await.unwrap() {
        Ok(done) if String::from_utf8_lossy(&done.stdout).contains("over") => {}
        _ => {
            eprintln!("skipped: only root can connect as another user");
            return;
        }
    }
    let dialled = timeout(Duration::from_millis(200), listener.accept()).await;
    assert!(dialled.is_err(), "another user's process came through");
    // The same from this user does come through.
    let (_, dialled) = tokio::join!(
        timeout(Duration::from_secs(1), run("--reuid=0")),
        timeout(SLACK, listener.accept())
    );
    assert!(dialled.is_ok(), "this user's process was turned away");
}

#[tokio::test]
async fn r6_r26_a_server_in_a_local_network_is_dialled_only_where_the_grant_says_so() {
    // The upstream itself has to be reached, so the grant is changed by name only:
    // a metadata address is refused whatever the grant says.
    let mut room = room().await;
    let url = "turn:169.254.169.254:80?transport=tcp";
    let (ports, _, _socket) = ports(&room, &[url], &with_turn()).await;
    let mut stream = TcpStream::connect(("127.0.0.1", ports[0])).await.unwrap();
    stream
        .write_all(&Stun::new(ALLOCATE, &[]).bytes())
        .await
        .unwrap();
    assert!(ended(&mut stream).await);
    let closed = room.heard("relay.turnClosed").await;
    assert_eq!(closed["reason"], "upstreamNotAllowed", "{closed}");
}

#[tokio::test]
async fn r18_r26_ports_and_connections_are_few_and_places_come_back() {
    let mut room = room().await;
    let (listener, url) = listen().await;
    let first = format!("{}?transport=tcp", url.replace("ws://", "turn:"));
    let mut urls = vec![first];
    urls.extend((1..20).map(|port| format!("turns:t{port}.example:443")));
    let names: Vec<&str> = urls.iter().map(String::as_str).collect();
    let (told, _, socket) = ports(&room, &names, &with_turn()).await;
    // None of them is in use, so the older ones made way.
    assert_eq!(told.len(), urls.len());
    assert_eq!(
        room.relay.live()[0].data.turn_servers(),
        defaults::TURN_SERVERS
    );
    freed(told[0]).await;
    drop(socket);

    let (told, minted, _socket) = ports(&room, &names[..1], &with_turn()).await;
    let ask = Stun::new(ALLOCATE, &[]).bytes();
    let mut held = Vec::new();
    for _ in 0..defaults::TURN_CONNECTIONS {
        let mut stream = TcpStream::connect(("127.0.0.1", told[0])).await.unwrap();
        stream.write_all(&ask).await.unwrap();
        let server = timeout(SLACK, listener.accept()).await.unwrap().unwrap().0;
        held.push((stream, server));
    }
    let mut one_more = TcpStream::connect(("127.0.0.1", told[0])).await.unwrap();
    let _ = one_more.write_all(&ask).await;
    assert!(ended(&mut one_more).await);
    let heard = room.heard("relay.warning").await;
    assert_eq!(heard["warning"], "tooManyTurnConnections");
    drop(held);
    let grant = room
        .relay
        .live()
        .into_iter()
        .find(|grant| grant.id().as_str() == minted.id)
        .unwrap();
    for _ in 0..600 {
        if grant.data.turn_connections() == 0 {
            break;
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    assert_eq!(grant.data.turn_connections(), 0);
}
