//! The relay behind a real listener, against scripted and real upstreams.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test that cannot go on must fail"
)]

mod room;

use std::time::Duration;

use doorward_relay::{LiveKit, Messages, Paths, RelayOptions, Upstream};
use futures_util::{SinkExt as _, StreamExt as _};
use room::{
    PAGE, Room, SLACK, SWITCH, answer, connect, echo, listen, options, put, read_head, room, saying,
};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpSocket, TcpStream};
use tokio::time::timeout;
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::tungstenite::protocol::CloseFrame;

#[tokio::test]
async fn r1_no_grant_answers_403_that_its_page_can_read_and_never_404() {
    let room = room().await;
    let brief = RelayOptions {
        life: Duration::from_secs(1),
        ..options()
    };
    let expired = room.path(&room.open("ws://127.0.0.1:9", &brief));
    room.hand.advance(Duration::from_secs(2));
    let minted = room.open("ws://127.0.0.1:9", &options());
    assert!(room.relay.revoke(&minted.id));
    let revoked = room.path(&minted);
    let unknown = format!("/r/{}", "A".repeat(43));
    for (path, denial) in [
        (unknown.as_str(), "grantUnknown"),
        ("/r/nonsense", "grantUnknown"),
        ("/r", "grantUnknown"),
        (&expired, "grantExpired"),
        (&revoked, "grantRevoked"),
    ] {
        for tail in [
            "/rtc/v1?access_token=x",
            "/rtc/v1/validate?access_token=x",
            "",
        ] {
            for upgrade in [true, false] {
                let (head, body) = room.get(&format!("{path}{tail}"), upgrade, "").await;
                // Ten failed proofs in a second, then there are enough.
                let status = head.split(' ').nth(1).unwrap();
                assert!(status == "403" || status == "429", "{path}{tail} {head}");
                assert!(
                    status == "429" || body.contains(denial),
                    "{path}{tail} {body}"
                );
                assert!(
                    head.contains("access-control-allow-origin: tauri://localhost"),
                    "{head}"
                );
            }
        }
    }
}

#[tokio::test]
async fn r1_a_path_that_is_not_open_is_403_too() {
    let room = room().await;
    let path = room.path(&room.open("ws://127.0.0.1:9", &options()));
    for tail in ["", "/", "/twirp/livekit.RoomService/ListRooms", "/rtcx"] {
        let (head, body) = room.get(&format!("{path}{tail}"), false, "").await;
        assert!(head.starts_with("http/1.1 403"), "{tail} {head}");
        assert!(body.contains("pathNotAllowed"), "{tail} {body}");
    }
}

#[tokio::test]
async fn r2_r7_what_the_upstream_says_is_mirrored_and_runs_nothing() {
    let room = room().await;
    for status in [400, 401, 403, 404, 500, 503, 301, 307, 308] {
        let (other, mut reached) = saying(String::new()).await;
        let other = other.replacen("ws", "http", 1);
        let text = format!(
            "HTTP/1.1 {status} X\r\nContent-Type: text/html\r\nLocation: {other}\r\n\
             Set-Cookie: a=b\r\nAccess-Control-Allow-Origin: *\r\nContent-Length: 5\r\n\r\n<b>no"
        );
        let (url, _seen) = saying(text).await;
        let path = room.path(&room.open(&url, &options()));
        for upgrade in [true, false] {
            let (head, body) = room.get(&format!("{path}/rtc"), upgrade, "").await;
            assert!(head.starts_with(&format!("http/1.1 {status}")), "{head}");
            assert_eq!(body, "<b>no");
            assert!(head.contains("content-type: text/plain"), "{head}");
            assert!(head.contains("content-security-policy: sandbox;"), "{head}");
            assert!(
                head.contains("access-control-allow-origin: tauri://localhost\r\n"),
                "{head}"
            );
            assert!(
                !head.contains("location") && !head.contains("set-cookie"),
                "{head}"
            );
        }
        assert!(reached.try_recv().is_err(), "a redirect was followed");
    }
}

#[tokio::test]
async fn r3_a_404_of_v1_is_the_upstreams_own_and_v0_connects() {
    let room = room().await;
    let (listener, url) = listen().await;
    tokio::spawn(async move {
        loop {
            let (mut stream, _) = listener.accept().await.unwrap();
            let head = read_head(&mut stream).await;
            let text = if head.starts_with("GET /rtc/v1") {
                "HTTP/1.1 404 Not Found\r\nContent-Length: 9\r\n\r\nnot found".to_owned()
            } else {
                format!("{SWITCH}\r\n")
            };
            stream.write_all(text.as_bytes()).await.unwrap();
            tokio::spawn(async move {
                let _ = stream.read_to_end(&mut Vec::new()).await;
            });
        }
    });
    let path = room.path(&room.open(&url, &options()));
    let (head, body) = room.get(&format!("{path}/rtc/v1"), true, "").await;
    assert!(
        head.starts_with("http/1.1 404") && body == "not found",
        "{head}"
    );
    let (head, _) = room.get(&format!("{path}/rtc"), true, "").await;
    assert!(head.starts_with("http/1.1 101"), "{head}");
}

#[tokio::test]
async fn r4_an_upstream_that_cannot_be_reached_says_why() {
    let room = room().await;
    let (gone, url) = listen().await;
    drop(gone);
    let (garbage, _seen) = saying("SSH-2.0\r\n\r\n".to_owned()).await;
    for (upstream, status, denial) in [
        (url.as_str(), 502, "upstreamUnavailable"),
        ("ws://does-not-exist.invalid", 502, "upstreamUnresolved"),
        (&garbage, 502, "upstreamBroken"),
    ] {
        let path = room.path(&room.open(upstream, &options()));
        let (head, body) = room.get(&format!("{path}/rtc"), true, "").await;
        assert!(
            head.starts_with(&format!("http/1.1 {status}")),
            "{upstream} {head}"
        );
        assert!(body.contains(denial), "{upstream} {body}");
    }
}

#[tokio::test(start_paused = true)]
async fn r4_a_silent_upstream_is_given_up_before_the_client_gives_up() {
    let room = room().await;
    let (_listener, url) = listen().await;
    let path = room.path(&room.open(&url, &options()));
    let begun = tokio::time::Instant::now();
    let (head, body) = room.get(&format!("{path}/rtc"), true, "").await;
    assert!(head.starts_with("http/1.1 504"), "{head}");
    assert!(body.contains("upstreamTimeout"), "{body}");
    assert!(begun.elapsed() < Duration::from_secs(15));
}

#[tokio::test]
async fn r5_the_upstream_sees_the_grants_host_and_the_clients_path() {
    let room = room().await;
    let (url, mut seen) = saying("HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n".to_owned()).await;
    let path = room.path(&room.open(&format!("{url}/base/"), &options()));
    let more = "Cookie: a=b\r\nAuthorization: Bearer t\r\nX-Forwarded-For: 1.2.3.4\r\n";
    room.get(
        &format!("{path}/rtc/validate?access_token=a@b//c"),
        false,
        more,
    )
    .await;
    let head = timeout(SLACK, seen.recv())
        .await
        .unwrap()
        .unwrap()
        .to_ascii_lowercase();
    assert!(
        head.starts_with("get /base/rtc/validate?access_token=a@b//c http/1.1\r\n"),
        "{head}"
    );
    let host = url.strip_prefix("ws://").unwrap();
    assert!(head.contains(&format!("host: {host}\r\n")), "{head}");
    assert!(head.contains("authorization: bearer t\r\n"), "{head}");
    assert!(head.contains("origin: tauri://localhost\r\n"), "{head}");
    assert!(
        !head.contains("cookie") && !head.contains("forwarded"),
        "{head}"
    );
    for tail in [
        "//rtc",
        "/rtc/../x",
        "/rtc%2f",
        "/@evil.com",
        "@evil.com",
        ":81",
        "/rtc;a",
    ] {
        let (head, _) = room.get(&format!("{path}{tail}"), true, "").await;
        let status = head.split(' ').nth(1).unwrap();
        assert!(status == "400" || status == "403", "{tail} {head}");
    }
    assert!(seen.try_recv().is_err());
}

#[tokio::test]
async fn r6_local_networks_are_open_only_where_the_grant_says_so() {
    let room = room().await;
    let (url, mut seen) = saying(String::new()).await;
    let public = RelayOptions {
        local_networks: false,
        ..options()
    };
    for upstream in [
        url.as_str(),
        "ws://10.0.0.1",
        "ws://[::ffff:127.0.0.1]:1",
        "ws://169.254.169.254",
    ] {
        let path = room.path(&room.open(upstream, &public));
        let (head, body) = room.get(&format!("{path}/rtc"), true, "").await;
        assert!(head.starts_with("http/1.1 502"), "{head}");
        assert!(body.contains("upstreamNotAllowed"), "{body}");
    }
    assert!(seen.try_recv().is_err());
    let refused = room.relay.grant(
        Upstream::parse("ws://lk.example.com").unwrap(),
        &RelayOptions {
            plain: false,
            ..options()
        },
    );
    assert!(refused.is_err());
}

#[tokio::test]
async fn r8_only_the_grants_pages_may_connect() {
    let room = room().await;
    let (url, _seen) = saying(format!("{SWITCH}\r\n")).await;
    let path = room.path(&room.open(&url, &options()));
    for (origin, status) in [
        ("Origin: tauri://localhost\r\n", 101),
        ("X-No-Origin: \r\n", 101),
        ("Origin: null\r\n", 403),
        ("Origin: http://tauri.localhost\r\n", 403),
        ("Origin: https://tauri.localhost\r\n", 403),
        ("Origin: http://evil.example\r\n", 403),
        ("Origin: http://127.0.0.1:1\r\n", 403),
        (
            "Origin: tauri://localhost\r\nSec-Fetch-Dest: websocket\r\n",
            101,
        ),
        (
            "Origin: tauri://localhost\r\nSec-Fetch-Dest: document\r\n",
            403,
        ),
        ("Origin: tauri://localhost\r\nHost: evil.example\r\n", 400),
    ] {
        let origin = origin.replace("X-No-Origin", "X-Origin:no");
        let (head, _) = room.get(&format!("{path}/rtc"), true, &origin).await;
        assert!(
            head.starts_with(&format!("http/1.1 {status}")),
            "{origin} {head}"
        );
    }
    let (head, _) = {
        let more = "Access-Control-Request-Method: GET\r\n";
        let mut stream = room
            .send("OPTIONS", &format!("{path}/rtc"), false, more)
            .await;
        answer(&mut stream).await
    };
    assert!(
        head.contains("access-control-allow-headers: authorization, content-type"),
        "{head}"
    );
}

#[tokio::test]
async fn r9_a_request_line_of_64_kib_passes_and_one_byte_more_does_not() {
    let room = room().await;
    let (url, mut seen) = saying("HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n".to_owned()).await;
    let path = room.path(&room.open(&url, &options()));
    let around = "GET  HTTP/1.1".len() + path.len() + "/rtc?join_request=".len();
    for more in [0, 1, 1 << 20] {
        let long = "a".repeat(64 * 1024 - around + more);
        let target = format!("{path}/rtc?join_request={long}");
        let mut stream = TcpStream::connect(&room.host).await.unwrap();
        let head = format!(
            "GET {target} HTTP/1.1\r\nHost: {}\r\nOrigin: {PAGE}\r\n\r\n",
            room.host
        );
        assert_eq!(head.find("\r\n"), Some(64 * 1024 + more));
        // It may be refused before all of it was sent.
        let _ = stream.write_all(head.as_bytes()).await;
        let (head, _) = answer(&mut stream).await;
        if more > 0 {
            assert!(head.starts_with("http/1.1 414"), "{head}");
            continue;
        }
        assert!(head.starts_with("http/1.1 200"), "{head}");
        let asked = timeout(SLACK, seen.recv()).await.unwrap().unwrap();
        assert!(asked.starts_with(&format!("GET /rtc?join_request={long} HTTP/1.1\r\n")));
    }
    assert!(seen.try_recv().is_err());
}

#[tokio::test]
async fn r9_a_flood_of_headers_is_431_and_nothing_is_dialled() {
    let room = room().await;
    let (url, mut seen) = saying(String::new()).await;
    let path = room.path(&room.open(&url, &options()));
    for flood in [
        "X-A: b\r\n".repeat(100),
        format!("X-A: {}\r\n", "b".repeat(9_000)),
        format!("X-A: {}\r\n", "b".repeat(8_000)).repeat(9),
    ] {
        let (head, _) = room.get(&format!("{path}/rtc"), true, &flood).await;
        assert!(head.starts_with("http/1.1 431"), "{head}");
    }
    assert!(seen.try_recv().is_err());
}

#[tokio::test(start_paused = true)]
async fn r9_a_head_that_never_ends_is_408_and_the_connection_is_closed() {
    let room = room().await;
    let (url, mut seen) = saying(String::new()).await;
    let path = room.path(&room.open(&url, &options()));
    let mut stream = TcpStream::connect(&room.host).await.unwrap();
    let start = format!("GET {path}/rtc HTTP/1.1\r\nHost: {}\r\n", room.host);
    stream.write_all(start.as_bytes()).await.unwrap();
    // A byte now and then does not help: the head as a whole has its time.
    let begun = tokio::time::Instant::now();
    let dripping = async {
        loop {
            tokio::time::sleep(Duration::from_millis(900)).await;
            if stream.write_all(b"X").await.is_err() {
                return;
            }
            let mut got = [0; 1];
            match timeout(Duration::from_millis(50), stream.peek(&mut got)).await {
                Ok(Ok(_)) => return,
                Ok(Err(_)) => return,
                Err(_) => {}
            }
        }
    };
    timeout(SLACK, dripping).await.unwrap();
    assert!(
        begun.elapsed() < Duration::from_secs(10),
        "{:?}",
        begun.elapsed()
    );
    let head = read_head(&mut stream).await;
    assert!(head.starts_with("HTTP/1.1 408"), "{head}");
    assert!(seen.try_recv().is_err());
}

#[tokio::test]
async fn r10_r11_the_handshake_is_the_clients_and_the_answer_the_upstreams() {
    let room = room().await;
    let text = format!(
        "{SWITCH}Sec-WebSocket-Protocol: b\r\nSec-WebSocket-Extensions: permessage-deflate\r\n\
         X-Secret: s\r\n\r\n"
    );
    let (url, mut seen) = saying(text).await;
    let path = room.path(&room.open(&url, &options()));
    let more = "Sec-WebSocket-Protocol: a, b\r\n\
        Sec-WebSocket-Extensions: permessage-deflate; client_max_window_bits\r\n";
    let (head, _) = room.get(&format!("{path}/rtc"), true, more).await;
    assert!(head.starts_with("http/1.1 101"), "{head}");
    assert!(head.contains("sec-websocket-protocol: b\r\n"), "{head}");
    assert!(
        head.contains("sec-websocket-extensions: permessage-deflate\r\n"),
        "{head}"
    );
    assert!(
        head.contains("sec-websocket-accept: s3pplmbitxaq9kygzzhzrbk+xoo=\r\n"),
        "{head}"
    );
    assert!(!head.contains("x-secret"), "{head}");
    let asked = timeout(SLACK, seen.recv()).await.unwrap().unwrap();
    let lower = asked.to_ascii_lowercase();
    assert!(asked.contains("dGhlIHNhbXBsZSBub25jZQ=="), "{asked}");
    assert!(
        lower.contains("sec-websocket-protocol: a, b\r\n"),
        "{asked}"
    );
    assert!(
        lower.contains("permessage-deflate; client_max_window_bits\r\n"),
        "{asked}"
    );
    let (url, _seen) = saying(format!("{SWITCH}\r\n")).await;
    let path = room.path(&room.open(&url, &options()));
    let (head, _) = room.get(&format!("{path}/rtc"), true, "").await;
    assert!(!head.contains("sec-websocket-protocol"), "{head}");
    assert!(!head.contains("sec-websocket-extensions"), "{head}");
}

#[tokio::test]
async fn a_handshake_that_is_none_is_not_passed_on() {
    let room = room().await;
    let (url, mut seen) = saying(format!("{SWITCH}\r\n")).await;
    let path = room.path(&room.open(&url, &options()));
    let key = "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n";
    for (more, status) in [
        (
            format!(
                "Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 12\r\n{key}"
            ),
            426,
        ),
        (
            "Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\n\
          Sec-WebSocket-Key: short\r\n"
                .to_owned(),
            400,
        ),
        (
            format!("Connection: Upgrade\r\nUpgrade: other\r\nSec-WebSocket-Version: 13\r\n{key}"),
            400,
        ),
        (
            format!("Upgrade: websocket\r\nSec-WebSocket-Version: 13\r\n{key}"),
            400,
        ),
    ] {
        let (head, _) = room.get(&format!("{path}/rtc"), false, &more).await;
        assert!(
            head.starts_with(&format!("http/1.1 {status}")),
            "{more} {head}"
        );
    }
    assert!(seen.try_recv().is_err());
}

#[tokio::test]
async fn r12_payloads_of_every_size_come_back_as_they_were() {
    let room = room().await;
    let minted = room.open(&echo().await, &options());
    let mut socket = connect(&room, &minted, "/rtc").await;
    for size in [0, 1, 125, 126, 127, 65_535, 65_536, (1 << 20) + 7, 8 << 20] {
        let sent: Vec<u8> = (0..size).map(|at: usize| (at * 31 % 251) as u8).collect();
        socket
            .send(Message::Binary(sent.clone().into()))
            .await
            .unwrap();
        let back = timeout(SLACK, socket.next())
            .await
            .unwrap()
            .unwrap()
            .unwrap();
        assert!(back.into_data() == sent, "{size}");
    }
}

#[tokio::test]
async fn r13_close_codes_and_reasons_pass_both_ways() {
    let room = room().await;
    let (listener, url) = listen().await;
    let minted = room.open(&url, &options());
    for code in [1000_u16, 1001, 1003, 1008, 1011, 1012, 3000, 4999] {
        let frame = CloseFrame {
            code: code.into(),
            reason: "r".repeat(123).into(),
        };
        let upstream = async {
            let (stream, _) = listener.accept().await.unwrap();
            tokio_tungstenite::accept_async(stream).await.unwrap()
        };
        let (mut upstream, mut socket) = tokio::join!(upstream, connect(&room, &minted, "/rtc"));
        let (from, to) = if code % 2 == 0 {
            (&mut upstream, &mut socket)
        } else {
            (&mut socket, &mut upstream)
        };
        from.send(Message::Close(Some(frame.clone())))
            .await
            .unwrap();
        let got = timeout(SLACK, to.next()).await.unwrap().unwrap().unwrap();
        assert_eq!(got, Message::Close(Some(frame)), "{code}");
    }
}

#[tokio::test]
async fn r13_an_upstream_that_breaks_off_is_no_clean_close() {
    let room = room().await;
    let (listener, url) = listen().await;
    let minted = room.open(&url, &options());
    let upstream = async {
        let (stream, _) = listener.accept().await.unwrap();
        tokio_tungstenite::accept_async(stream).await.unwrap()
    };
    let (upstream, mut socket) = tokio::join!(upstream, connect(&room, &minted, "/rtc"));
    drop(upstream);
    let got = timeout(SLACK, socket.next()).await.unwrap();
    assert!(!matches!(got, Some(Ok(_))), "{got:?}");
}

#[tokio::test]
async fn r14_the_last_frames_before_a_close_are_never_lost() {
    // More in `cargo xtask soak`.
    let runs = match std::env::var_os("DOORWARD_SOAK") {
        Some(_) => 10_000,
        None => 300,
    };
    let room = room().await;
    let (listener, url) = listen().await;
    // LiveKit's Leave.
    let leave = put(8, &[&[0x10, 3]]);
    let said = leave.clone();
    tokio::spawn(async move {
        loop {
            let (stream, _) = listener.accept().await.unwrap();
            let mut socket = tokio_tungstenite::accept_async(stream).await.unwrap();
            socket.send(Message::binary(said.clone())).await.unwrap();
            socket.close(None).await.unwrap();
        }
    });
    for messages in [Messages::Untouched, Messages::LiveKit(LiveKit::default())] {
        let how = RelayOptions {
            messages,
            ..options()
        };
        let minted = room.open(&url, &how);
        for run in 0..runs / 2 {
            let mut socket = connect(&room, &minted, "/rtc").await;
            let first = timeout(SLACK, socket.next()).await.unwrap();
            assert_eq!(first.unwrap().unwrap().into_data()[..], leave, "{run}");
            let second = timeout(SLACK, socket.next()).await.unwrap();
            assert!(second.unwrap().unwrap().is_close(), "{run}");
        }
    }
}

#[tokio::test]
async fn r15_each_ping_arrives_once_and_only_the_upstream_answers_it() {
    let room = room().await;
    let (listener, url) = listen().await;
    let target = format!("{}/rtc", room.path(&room.open(&url, &options())));
    let (mut upstream, mut client) = raw_pair(&room, &listener, &target).await;
    let pings: Vec<u8> = (0..100)
        .flat_map(|at| [0x89, 0x81, 0, 0, 0, 0, at])
        .collect();
    let pongs: Vec<u8> = (0..100).flat_map(|at| [0x8a, 1, at]).collect();
    client.write_all(&pings).await.unwrap();
    let mut got = vec![0; pings.len()];
    timeout(SLACK, upstream.read_exact(&mut got))
        .await
        .unwrap()
        .unwrap();
    assert_eq!(got, pings);
    // Nobody else has answered until now, and nothing comes besides.
    upstream.write_all(&pongs).await.unwrap();
    upstream.write_all(b"\x88\x02\x03\xe8").await.unwrap();
    upstream.shutdown().await.unwrap();
    let mut got = Vec::new();
    timeout(SLACK, client.read_to_end(&mut got))
        .await
        .unwrap()
        .unwrap();
    assert_eq!(got, [&pongs[..], b"\x88\x02\x03\xe8"].concat());
}

/// Both ends of a tunnel, without any WebSocket code at either.
async fn raw_pair(room: &Room, listener: &TcpListener, target: &str) -> (TcpStream, TcpStream) {
    let upstream = async {
        let (mut stream, _) = listener.accept().await.unwrap();
        read_head(&mut stream).await;
        stream
            .write_all(format!("{SWITCH}\r\n").as_bytes())
            .await
            .unwrap();
        stream
    };
    tokio::join!(upstream, async {
        let mut client = room.send("GET", target, true, "").await;
        read_head(&mut client).await;
        client
    })
}

#[tokio::test]
async fn r16_a_page_that_reads_nothing_stalls_the_upstream_within_a_fixed_bound() {
    /// What the test's own ends may hold; the kernel doubles it.
    const SMALL: u32 = 32 * 1024;
    /// Both ends of the test, both sockets of the relay (256 KiB, doubled), and what
    /// is in the relay's hands: 64 KiB. And as much again, for the kernel's ways.
    const MOST: usize = 2 * (4 * 32 + 2 * 512 + 64) * 1024;

    let room = room().await;
    let socket = TcpSocket::new_v4().unwrap();
    socket.set_send_buffer_size(SMALL).unwrap();
    socket.bind("127.0.0.1:0".parse().unwrap()).unwrap();
    let listener = socket.listen(8).unwrap();
    let url = format!("ws://{}", listener.local_addr().unwrap());
    for messages in [Messages::Untouched, Messages::LiveKit(LiveKit::default())] {
        let how = RelayOptions {
            messages,
            ..options()
        };
        let target = format!("{}/rtc", room.path(&room.open(&url, &how)));
        let socket = TcpSocket::new_v4().unwrap();
        socket.set_recv_buffer_size(SMALL).unwrap();
        let mut client = socket.connect(room.host.parse().unwrap()).await.unwrap();
        let head = room.head("GET", &target, true, "");
        client.write_all(head.as_bytes()).await.unwrap();
        let (mut upstream, _) = listener.accept().await.unwrap();
        read_head(&mut upstream).await;
        upstream
            .write_all(format!("{SWITCH}\r\n").as_bytes())
            .await
            .unwrap();
        read_head(&mut client).await;
        // Frames of 60 KiB that are whole messages: field 3, with 61,436 bytes.
        let mut frame = vec![0x82, 126, 0xf0, 0x00, 0x1a, 0xfc, 0xdf, 0x03];
        frame.resize(4 + 0xf000, 7);
        let mut sent = 0;
        let mut at = 0;
        while let Ok(written) = timeout(Duration::from_secs(2), upstream.write(&frame[at..])).await
        {
            let written = written.unwrap();
            sent += written;
            at = (at + written) % frame.len();
            assert!(sent < MOST, "nothing holds the upstream back: {sent}");
        }
        // All of it is still there, once it is asked for; of what is looked at, all
        // whole messages are.
        let whole = sent / frame.len() * frame.len();
        let mut got = vec![0; whole];
        timeout(SLACK, client.read_exact(&mut got))
            .await
            .unwrap()
            .unwrap();
        assert!(got.chunks(frame.len()).all(|part| part == frame));
    }
}

#[tokio::test]
async fn r18_over_the_cap_nothing_is_dialled_and_places_come_back() {
    let room = room().await;
    let (url, mut seen) = saying(format!("{SWITCH}\r\n")).await;
    let one = RelayOptions {
        connections: 1,
        ..options()
    };
    let path = format!("{}/rtc", room.path(&room.open(&url, &one)));
    for _ in 0..3 {
        let mut stream = room.send("GET", &path, true, "").await;
        assert!(read_head(&mut stream).await.contains("101"));
        assert!(seen.recv().await.is_some());
        let (head, body) = room.get(&path, true, "").await;
        assert!(head.starts_with("http/1.1 503"), "{head}");
        assert!(head.contains("retry-after: 1\r\n"), "{head}");
        assert!(body.contains("tooManyConnections"), "{body}");
        assert!(seen.try_recv().is_err(), "it was dialled");
        assert_eq!(room.relay.totals().connections, 1);
        drop(stream);
        room.emptied().await;
    }
}

#[tokio::test]
async fn r23_a_region_that_is_down_makes_way_for_the_next() {
    let room = room().await;
    let (gone, dead) = listen().await;
    drop(gone);
    let more = RelayOptions {
        fallbacks: vec![Upstream::parse(&echo().await).unwrap()],
        ..options()
    };
    let minted = room.open(&dead, &more);
    let mut socket = connect(&room, &minted, "/rtc").await;
    socket.send(Message::text("hello")).await.unwrap();
    let back = timeout(SLACK, socket.next())
        .await
        .unwrap()
        .unwrap()
        .unwrap();
    assert_eq!(back, Message::text("hello"));
}

#[tokio::test]
async fn r27_a_revoke_closes_both_sides_with_1008() {
    let room = room().await;
    let (listener, url) = listen().await;
    let minted = room.open(&url, &options());
    let upstream = async {
        let (stream, _) = listener.accept().await.unwrap();
        tokio_tungstenite::accept_async(stream).await.unwrap()
    };
    let (mut upstream, mut socket) = tokio::join!(upstream, connect(&room, &minted, "/rtc"));
    assert!(room.relay.revoke(&minted.id));
    for socket in [&mut upstream, &mut socket] {
        let got = timeout(SLACK, socket.next())
            .await
            .unwrap()
            .unwrap()
            .unwrap();
        let Message::Close(Some(frame)) = got else {
            panic!("{got:?}");
        };
        assert_eq!((u16::from(frame.code), &*frame.reason), (1008, "revoked"));
    }
}

#[tokio::test]
async fn r27_stopping_closes_with_1001_and_twice_is_harmless() {
    let room = room().await;
    let minted = room.open(&echo().await, &options());
    let mut socket = connect(&room, &minted, "/rtc").await;
    socket.send(Message::text("a")).await.unwrap();
    timeout(SLACK, socket.next()).await.unwrap();
    let (_, got) = tokio::join!(room.relay.shutdown(), timeout(SLACK, socket.next()));
    let got = got.unwrap().unwrap().unwrap();
    assert!(
        matches!(&got, Message::Close(Some(frame)) if u16::from(frame.code) == 1001),
        "{got:?}"
    );
    room.relay.shutdown().await;
    assert_eq!(room.relay.totals().connections, 0);
    room.serving.shutdown().await;
    TcpListener::bind(&room.host).await.unwrap();
}

#[tokio::test]
async fn r32_the_page_hears_101_only_after_the_upstream_said_it() {
    let room = room().await;
    let (listener, url) = listen().await;
    let path = room.path(&room.open(&url, &options()));
    let mut client = room.send("GET", &format!("{path}/rtc"), true, "").await;
    let (mut upstream, _) = timeout(SLACK, listener.accept()).await.unwrap().unwrap();
    read_head(&mut upstream).await;
    let early = timeout(Duration::from_millis(200), client.read_u8()).await;
    assert!(
        early.is_err(),
        "something was said before the upstream spoke"
    );
    // What comes with the 101 in one piece is not lost.
    upstream
        .write_all(format!("{SWITCH}\r\n\u{2}\u{1}x").as_bytes())
        .await
        .unwrap();
    assert!(read_head(&mut client).await.starts_with("HTTP/1.1 101"));
    let mut frame = [0; 3];
    timeout(SLACK, client.read_exact(&mut frame))
        .await
        .unwrap()
        .unwrap();
    assert_eq!(&frame, b"\x02\x01x");
}

#[tokio::test]
async fn other_paths_can_be_opened() {
    let room = room().await;
    let (url, _seen) = saying("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok".to_owned()).await;
    let all = RelayOptions {
        paths: Paths::beneath(["/socket"]),
        ..options()
    };
    let path = room.path(&room.open(&url, &all));
    let (head, body) = room.get(&format!("{path}/socket/1"), false, "").await;
    assert!(head.starts_with("http/1.1 200") && body == "ok", "{head}");
}

#[tokio::test]
async fn head_of_the_root_warms_the_upstream() {
    let room = room().await;
    let (url, mut seen) = saying("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n".to_owned()).await;
    let path = room.path(&room.open(&url, &options()));
    for tail in ["", "/"] {
        let target = format!("{path}{tail}");
        let mut stream = room.send("HEAD", &target, false, "").await;
        let head = read_head(&mut stream).await;
        assert!(head.starts_with("HTTP/1.1 200"), "{head}");
        let asked = timeout(SLACK, seen.recv()).await.unwrap().unwrap();
        assert!(asked.starts_with("HEAD / HTTP/1.1\r\n"), "{asked}");
    }
}

#[tokio::test]
async fn r27_a_close_waits_for_the_frame_that_has_begun() {
    let room = room().await;
    let (listener, url) = listen().await;
    let minted = room.open(&url, &options());
    let target = format!("{}/rtc", room.path(&minted));
    let upstream = async {
        let (mut stream, _) = listener.accept().await.unwrap();
        read_head(&mut stream).await;
        // A frame of four bytes, two of which are still to come.
        let text = format!("{SWITCH}\r\n\u{2}\u{4}ab");
        stream.write_all(text.as_bytes()).await.unwrap();
        stream
    };
    let client = async {
        let mut client = room.send("GET", &target, true, "").await;
        read_head(&mut client).await;
        let mut begun = [0; 4];
        client.read_exact(&mut begun).await.unwrap();
        client
    };
    let (mut upstream, mut client) = tokio::join!(upstream, client);
    // Both are here before the tunnel is told to end, or the end would have to
    // come within its 100 ms.
    upstream.write_all(b"cd\x82\x01x").await.unwrap();
    room.relay.revoke(&minted.id);
    let mut got = Vec::new();
    timeout(SLACK, client.read_to_end(&mut got))
        .await
        .unwrap()
        .unwrap();
    let close = b"\x88\x09\x03\xf0revoked";
    let whole = [&b"cd"[..], close].concat();
    let one_more = [&b"cd\x82\x01x"[..], close].concat();
    assert!(got == whole || got == one_more, "{got:?}");
}
