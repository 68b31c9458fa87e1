//! Grants whose messages are mapped, behind a real listener.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test that cannot go on must fail"
)]

mod room;

use doorward_relay::{LiveKit, Messages, Minted, RelayOptions, Stun, Upstream, defaults};
use futures_util::{SinkExt as _, StreamExt as _};
use room::{
    Room, SLACK, SWITCH, Socket, connect, ice_server, listen, options, put, read_head, room,
    saying, saying_messages,
};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::time::timeout;
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::tungstenite::protocol::CloseFrame;

fn mapped() -> RelayOptions {
    RelayOptions {
        messages: Messages::LiveKit(LiveKit::default()),
        ..options()
    }
}

fn with_turn() -> RelayOptions {
    RelayOptions {
        messages: Messages::LiveKit(LiveKit {
            turn: true,
            stun: Stun::Dropped,
        }),
        ..options()
    }
}

async fn next(socket: &mut Socket) -> Message {
    timeout(SLACK, socket.next())
        .await
        .unwrap()
        .unwrap()
        .unwrap()
}

async fn close_of(socket: &mut Socket) -> (u16, String) {
    loop {
        if let Message::Close(Some(frame)) = next(socket).await {
            return (frame.code.into(), frame.reason.to_string());
        }
    }
}

/// The socket, and the server's end of it.
async fn both(room: &Room, options: &RelayOptions) -> (Socket, Socket, Minted) {
    let (listener, url) = listen().await;
    let minted = room.open(&url, options);
    let upstream = async {
        let (stream, _) = listener.accept().await.unwrap();
        tokio_tungstenite::accept_async(stream).await.unwrap()
    };
    let (upstream, socket) = tokio::join!(upstream, connect(room, &minted, "/rtc"));
    (socket, upstream, minted)
}

#[tokio::test]
async fn r26_ice_servers_of_join_and_reconnect_become_ports_of_ours_and_nothing_else_changes() {
    let room = room().await;
    let turns = "turns:t.example:443?transport=tcp";
    let names = [
        turns,
        "turn:t.example:3478?transport=udp",
        "turn:t.example:3478?transport=tcp",
    ];
    let mut seen: Vec<u16> = Vec::new();
    for (outer, list, text) in [(1, 5, false), (19, 1, false), (1, 5, true)] {
        let other = put(12, &[b"unknown \xff bytes"]);
        let message = put(
            outer,
            &[
                &other,
                &put(list, &[&ice_server(&["stun:s.example"], "", "")]),
                &put(list, &[&ice_server(&names, "1790000000:p", "pass")]),
                &put(900, &[b"end"]),
            ],
        );
        let json = format!(
            r#"{{"join": {{"iceServers":[{{"urls":["{}","{}"],"username":"u"}}], "x" : 1}}}}"#,
            names[0], names[2]
        );
        let sent = if text {
            Message::text(json.clone())
        } else {
            Message::binary(message)
        };
        let minted = room.open(&saying_messages(vec![sent]).await, &with_turn());
        let mut socket = connect(&room, &minted, "/rtc").await;
        let got = next(&mut socket).await;
        assert_eq!(got.is_text(), text);
        let got = got.into_data();
        let ports: Vec<u16> = String::from_utf8_lossy(&got)
            .split("turn:127.0.0.1:")
            .skip(1)
            .map(|rest| rest.split('?').next().unwrap().parse().unwrap())
            .collect();
        assert_eq!(ports.len(), 2, "{got:?}");
        assert_ne!(ports[0], ports[1], "two servers have two ports");
        let urls: Vec<String> = ports
            .iter()
            .map(|port| format!("turn:127.0.0.1:{port}?transport=tcp"))
            .collect();
        let expected = if text {
            json.replace(names[0], &urls[0])
                .replace(names[2], &urls[1])
                .into_bytes()
        } else {
            put(
                outer,
                &[
                    &other,
                    &put(
                        list,
                        &[&ice_server(&[&urls[0], &urls[1]], "1790000000:p", "pass")],
                    ),
                    &put(900, &[b"end"]),
                ],
            )
        };
        assert_eq!(&got[..], expected);
        // Another socket of the grant gets the same ports.
        let again = next(&mut connect(&room, &minted, "/rtc").await).await;
        assert_eq!(again.into_data()[..], expected);
        assert_eq!(room.relay.live().len(), seen.len() / 2 + 1);
        seen.extend(ports);
    }
}

#[tokio::test]
async fn r26_without_turn_the_list_stays_as_it_is() {
    let room = room().await;
    let names = ["turn:t.example:3478?transport=udp", "stun:s.example"];
    let message = put(1, &[&put(5, &[&ice_server(&names, "u", "c")])]);
    let server = saying_messages(vec![Message::binary(message.clone())]).await;
    let minted = room.open(&server, &mapped());
    let got = next(&mut connect(&room, &minted, "/rtc").await).await;
    assert_eq!(got.into_data()[..], message);
}

#[tokio::test]
async fn r23_regions_in_a_leave_lead_to_the_grant_or_nowhere() {
    let room = room().await;
    let known = "wss://known.example:8443";
    let region = |url: &str| {
        put(
            1,
            &[&put(1, &[b"osaka"]), &put(2, &[url.as_bytes()]), &[0x18, 7]],
        )
    };
    let leave = |regions: &[u8]| put(8, &[&[0x18, 2], &put(4, &[regions])]);
    let sent = leave(&[region(known), region("wss://else.example")].concat());
    let more = RelayOptions {
        fallbacks: vec![Upstream::parse(known).unwrap()],
        ..mapped()
    };
    let minted = room.open(&saying_messages(vec![Message::binary(sent)]).await, &more);
    let got = next(&mut connect(&room, &minted, "/rtc").await).await;
    assert_eq!(got.into_data()[..], leave(&region(&minted.url)));
}

#[tokio::test]
async fn r26_a_list_without_turn_is_warned_of() {
    let mut room = room().await;
    for (urls, warning) in [
        (vec!["stun:s.example"], "noTurn"),
        (vec![], "noTurn"),
        (vec!["turn:t.example?transport=udp"], "turnOverUdpOnly"),
    ] {
        let list = if urls.is_empty() {
            Vec::new()
        } else {
            put(5, &[&ice_server(&urls, "u", "c")])
        };
        let message = Message::binary(put(1, &[&list, &put(4, &[b"1.13"])]));
        let minted = room.open(&saying_messages(vec![message]).await, &with_turn());
        let got = next(&mut connect(&room, &minted, "/rtc").await).await;
        assert_eq!(got.into_data()[..], put(1, &[&put(4, &[b"1.13"])]));
        let heard = room.heard("relay.warning").await;
        assert_eq!(heard["warning"], warning);
        assert_eq!(heard["id"], minted.id);
    }
}

#[tokio::test]
async fn r10_no_extension_is_offered_for_a_grant_that_asks_and_none_is_taken() {
    let room = room().await;
    let (url, mut seen) = saying(format!("{SWITCH}\r\n")).await;
    let more = "Sec-WebSocket-Extensions: permessage-deflate; client_max_window_bits\r\n";
    for (options, offered) in [(mapped(), false), (options(), true)] {
        let path = room.path(&room.open(&url, &options));
        let (head, _) = room.get(&format!("{path}/rtc"), true, more).await;
        assert!(head.starts_with("http/1.1 101"), "{head}");
        let asked = timeout(SLACK, seen.recv()).await.unwrap().unwrap();
        let asked = asked.to_ascii_lowercase();
        assert_eq!(
            asked.contains("sec-websocket-extensions"),
            offered,
            "{asked}"
        );
    }
    let odd = format!("{SWITCH}Sec-WebSocket-Extensions: permessage-deflate\r\n\r\n");
    let (url, _seen) = saying(odd).await;
    let path = room.path(&room.open(&url, &mapped()));
    let (head, body) = room.get(&format!("{path}/rtc"), true, more).await;
    assert!(head.starts_with("http/1.1 502"), "{head}");
    assert!(body.contains("upstreamBroken"), "{body}");
}

#[tokio::test]
async fn r12_messages_of_every_size_come_back_as_they_were_where_they_are_looked_at() {
    let room = room().await;
    let minted = room.open(&saying_messages(Vec::new()).await, &with_turn());
    let mut socket = connect(&room, &minted, "/rtc").await;
    for size in [
        0,
        1,
        120,
        126,
        65_530,
        65_536,
        (1 << 20) + 7,
        defaults::MESSAGE - 10,
    ] {
        let inside: Vec<u8> = (0..size).map(|at: usize| (at * 31 % 251) as u8).collect();
        let sent = put(3, &[&inside]);
        socket.send(Message::binary(sent.clone())).await.unwrap();
        assert!(next(&mut socket).await.into_data() == sent, "{size}");
    }
}

#[tokio::test]
async fn r13_close_codes_and_reasons_pass_both_ways_where_messages_are_looked_at() {
    let room = room().await;
    for code in [1000_u16, 1001, 1003, 1008, 1011, 1012, 3000, 4999] {
        let frame = CloseFrame {
            code: code.into(),
            reason: "r".repeat(123).into(),
        };
        let (mut socket, mut upstream, _) = both(&room, &with_turn()).await;
        let (from, to) = if code % 2 == 0 {
            (&mut upstream, &mut socket)
        } else {
            (&mut socket, &mut upstream)
        };
        from.send(Message::Close(Some(frame.clone())))
            .await
            .unwrap();
        assert_eq!(next(to).await, Message::Close(Some(frame)), "{code}");
    }
    let (mut socket, upstream, _) = both(&room, &with_turn()).await;
    drop(upstream);
    let got = timeout(SLACK, socket.next()).await.unwrap();
    assert!(!matches!(got, Some(Ok(_))), "{got:?}");
}

#[tokio::test]
async fn r26_a_message_that_cannot_be_looked_at_ends_the_connection_and_says_why() {
    let mut room = room().await;
    let long = put(3, &[&vec![0; defaults::MESSAGE]]);
    for (sent, code, reason) in [
        (Message::binary(long), 1009, "messageTooBig"),
        (Message::binary(vec![0x0a, 200]), 1007, "messageUnreadable"),
        (Message::text("no object"), 1007, "messageUnreadable"),
    ] {
        let minted = room.open(&saying_messages(vec![sent]).await, &with_turn());
        let mut socket = connect(&room, &minted, "/rtc").await;
        assert_eq!(close_of(&mut socket).await.0, code);
        drop(socket);
        assert_eq!(room.heard("relay.closed").await["reason"], reason);
    }
}

#[tokio::test]
async fn r27_a_revoke_closes_between_messages_where_they_are_looked_at() {
    let room = room().await;
    let (mut socket, mut upstream, minted) = both(&room, &with_turn()).await;
    assert!(room.relay.revoke(&minted.id));
    let expected = (1008, "revoked".to_owned());
    assert_eq!(close_of(&mut upstream).await, expected);
    assert_eq!(close_of(&mut socket).await, expected);

    // Half a message is not begun: it is not on its way before it is whole.
    let (listener, url) = listen().await;
    let minted = room.open(&url, &with_turn());
    let target = format!("{}/rtc", room.path(&minted));
    let server = async {
        let (mut stream, _) = listener.accept().await.unwrap();
        read_head(&mut stream).await;
        // A fragment, and another of four bytes, two of which never come.
        let text = format!("{SWITCH}\r\n\u{2}\u{1}\u{1a}\0\u{4}ab");
        stream.write_all(text.as_bytes()).await.unwrap();
        stream
    };
    let client = async {
        let mut client = room.send("GET", &target, true, "").await;
        read_head(&mut client).await;
        client
    };
    let (_server, mut client) = tokio::join!(server, client);
    room.relay.revoke(&minted.id);
    let mut got = Vec::new();
    timeout(SLACK, client.read_to_end(&mut got))
        .await
        .unwrap()
        .unwrap();
    assert_eq!(got, b"\x88\x09\x03\xf0revoked");
}

#[tokio::test]
async fn a_change_of_the_network_closes_with_1012_and_the_grant_stays() {
    let mut room = room().await;
    for options in [options(), with_turn()] {
        let (mut socket, mut upstream, minted) = both(&room, &options).await;
        room.relay.network_changed();
        assert_eq!(close_of(&mut socket).await.0, 1012);
        assert_eq!(close_of(&mut upstream).await.0, 1012);
        drop((socket, upstream));
        assert_eq!(room.heard("relay.closed").await["reason"], "networkChanged");
        assert!(
            room.relay
                .live()
                .iter()
                .any(|grant| grant.id().as_str() == minted.id)
        );
    }
    // The next one is not closed by the last change.
    let minted = room.open(&saying_messages(Vec::new()).await, &options());
    let mut socket = connect(&room, &minted, "/rtc").await;
    socket.send(Message::text("still here")).await.unwrap();
    assert_eq!(next(&mut socket).await, Message::text("still here"));
}

#[tokio::test]
async fn r15_how_long_a_ping_took_is_told_at_the_end() {
    let mut room = room().await;
    let (mut socket, mut upstream, _) = both(&room, &options()).await;
    upstream.send(Message::Ping("a".into())).await.unwrap();
    // Reading answers it.
    assert_eq!(next(&mut socket).await, Message::Ping("a".into()));
    socket.flush().await.unwrap();
    assert_eq!(next(&mut upstream).await, Message::Pong("a".into()));
    socket.send(Message::Ping("b".into())).await.unwrap();
    assert_eq!(next(&mut upstream).await, Message::Ping("b".into()));
    upstream.flush().await.unwrap();
    assert_eq!(next(&mut socket).await, Message::Pong("b".into()));
    drop((socket, upstream));
    let closed = room.heard("relay.closed").await;
    for side in ["rttPageMs", "rttUpstreamMs"] {
        let took = closed[side].as_f64().unwrap();
        assert!((0.0..30_000.0).contains(&took), "{closed}");
    }
}
