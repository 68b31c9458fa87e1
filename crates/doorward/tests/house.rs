//! The house over real sockets: sessions, routes, events and the native socket.

use std::time::Duration;

use doorward_testkit::corpus::Listener;
use doorward_testkit::house::TestHouse;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

const FILE: (&str, &[u8]) = ("a.txt", b"0123456789");

#[tokio::test]
async fn a_claimed_tab_may_call_and_signing_out_ends_it() {
    let house = TestHouse::open(&[FILE]).await;
    let state = house.get("/api/state").await;
    assert_eq!(state.status, 200, "{}", state.text());
    assert_eq!(state.json()["session"]["tabs"], 1);
    let revoked = house.post("/api/session/revoke", "{}").await;
    assert_eq!(revoked.json()["revoked"], true, "{}", revoked.text());
    let after = house.get("/api/state").await;
    assert_eq!(after.denial().as_deref(), Some("browserSessionExpired"));
}

#[tokio::test]
async fn t8_every_route_refuses_without_its_credential() {
    let mut house = TestHouse::open(&[FILE]).await;
    house.cookie.clear();
    for listener in house.serving.table() {
        for surface in listener.surfaces {
            let caller = serde_json::to_value(surface.caller).unwrap();
            // Native callers are proven by their socket, so none of ours is a stranger.
            if caller == "open" || listener.name == "native" {
                continue;
            }
            for route in surface.routes {
                let kind = if listener.name == "control" {
                    Listener::Control
                } else {
                    Listener::Content
                };
                let host = house.host(kind);
                let path = route
                    .path
                    .replace("{token}", &"x".repeat(43))
                    .replace("{id}", "x");
                let bytes = format!(
                    "{} {path} HTTP/1.1\r\nHost: {host}\r\nOrigin: http://{host}\r\nConnection: close\r\n\r\n",
                    route.method
                );
                let replies = house.send(kind, bytes.as_bytes(), usize::MAX).await;
                let status = replies[0].status;
                assert!(
                    matches!(status, 400 | 401 | 403 | 404 | 429),
                    "{} {path} answered {status}",
                    route.method
                );
                // Tests of many routes fail many proofs: let the bucket fill.
                house.hand.advance(Duration::from_secs(1));
            }
        }
    }
}

#[tokio::test]
async fn t9_a_rebound_name_gets_nothing_anywhere() {
    let house = TestHouse::open(&[FILE]).await;
    for (listener, path) in [
        (Listener::Control, "/"),
        (Listener::Control, "/healthz"),
        (Listener::Control, "/api/state"),
        (Listener::Control, "/nothing"),
        (Listener::Content, "/healthz"),
        (Listener::Content, "/m/x"),
        (Listener::Native, "/native/state"),
    ] {
        let bytes = format!("GET {path} HTTP/1.1\r\nHost: evil.test\r\nConnection: close\r\n\r\n");
        let replies = house.send(listener, bytes.as_bytes(), usize::MAX).await;
        assert_eq!(
            replies[0].denial().as_deref(),
            Some("hostNotAllowed"),
            "{path}"
        );
    }
}

#[tokio::test]
async fn t7_reading_changes_nothing() {
    let house = TestHouse::open(&[FILE]).await;
    let before = house.serving.media().totals().grants;
    for path in [
        "/api/state",
        "/api/routes",
        "/api/audit",
        "/api/sources",
        "/api/grants",
    ] {
        for method in ["GET", "HEAD"] {
            assert_eq!(
                house.call(method, path, "").await.status,
                200,
                "{method} {path}"
            );
        }
    }
    assert_eq!(house.serving.media().totals().grants, before);
}

#[tokio::test]
async fn an_alias_is_sent_to_the_one_name() {
    let house = TestHouse::open(&[FILE]).await;
    let host = house.host(Listener::Control);
    let alias = host.replace("127.0.0.1", "localhost");
    let bytes = format!("GET / HTTP/1.1\r\nHost: {alias}\r\nConnection: close\r\n\r\n");
    let replies = house
        .send(Listener::Control, bytes.as_bytes(), usize::MAX)
        .await;
    assert_eq!(replies[0].status, 308);
    assert_eq!(
        replies[0].header("location"),
        Some(&*format!("http://{host}/"))
    );
}

#[tokio::test]
async fn t45_the_event_stream_ends_with_its_session() {
    let house = TestHouse::open(&[FILE]).await;
    let host = house.host(Listener::Control);
    let port = host.rsplit(':').next().unwrap();
    let mut stream = TcpStream::connect(&host).await.unwrap();
    let head = format!(
        "GET /api/events HTTP/1.1\r\nHost: {host}\r\nCookie: doorward_{port}={}\r\nX-Doorward-Proof: {}\r\nConnection: close\r\n\r\n",
        house.cookie, house.proof
    );
    stream.write_all(head.as_bytes()).await.unwrap();
    let mut first = [0; 4096];
    let read = stream.read(&mut first).await.unwrap();
    assert!(String::from_utf8_lossy(&first[..read]).contains("text/event-stream"));
    house
        .serving
        .sessions()
        .revoke_all(doorward::guard::table::sessions::EndReason::Revoked);
    let mut rest = Vec::new();
    tokio::time::timeout(Duration::from_secs(10), stream.read_to_end(&mut rest))
        .await
        .unwrap()
        .unwrap();
    let rest = String::from_utf8_lossy(&rest);
    assert!(rest.contains("event: session.ended"), "{rest}");
}

#[tokio::test]
async fn the_native_socket_makes_tickets_and_ends_sessions() {
    let house = TestHouse::open(&[FILE]).await;
    let ask = |method: &str, path: &str, body: &str| {
        format!(
            "{method} {path} HTTP/1.1\r\nHost: doorward\r\nContent-Type: application/json\r\nContent-Length: {}\r\nConnection: close\r\n\r\n{body}",
            body.len()
        )
    };
    let bytes = ask("POST", "/native/ticket", "{}");
    let made = house
        .send(Listener::Native, bytes.as_bytes(), usize::MAX)
        .await;
    assert!(
        made[0].json()["launchUrl"]
            .as_str()
            .unwrap()
            .contains("/#ticket=")
    );
    let bytes =
        "DELETE /native/sessions/all HTTP/1.1\r\nHost: doorward\r\nConnection: close\r\n\r\n";
    let ended = house
        .send(Listener::Native, bytes.as_bytes(), usize::MAX)
        .await;
    assert_eq!(ended[0].json()["revoked"], 1);
    assert_eq!(house.get("/api/state").await.status, 401);
}

#[tokio::test]
async fn m39_after_shutdown_the_ports_are_free() {
    let house = TestHouse::open(&[FILE]).await;
    let hosts = [house.host(Listener::Control), house.host(Listener::Content)];
    house.serving.shutdown().await;
    for host in hosts {
        assert!(
            TcpStream::connect(&host).await.is_err(),
            "{host} still answers"
        );
        tokio::net::TcpListener::bind(&host).await.unwrap();
    }
}

#[tokio::test]
async fn t3_a_taken_port_fails_and_is_named() {
    let house = TestHouse::open(&[FILE]).await;
    let host = house.host(Listener::Control);
    let port: u16 = host.rsplit(':').next().unwrap().parse().unwrap();
    let error = doorward::Bridge::builder()
        .control_port(port)
        .bind()
        .await
        .unwrap_err();
    assert!(error.to_string().contains(&host), "{error}");
    assert_eq!(
        house.get("/api/state").await.status,
        200,
        "the first is not disturbed"
    );
}

#[tokio::test]
async fn the_console_page_and_all_that_it_names_are_served() {
    let house = TestHouse::open(&[FILE]).await;
    let page = house.get("/").await;
    assert_eq!(
        page.header("content-type"),
        Some("text/html; charset=utf-8")
    );
    let text = page.text();
    let named: Vec<_> = text
        .split(['"', '\''])
        .filter(|part| part.starts_with('/') && part.contains('.'))
        .collect();
    assert!(named.len() >= 2, "script and style: {text}");
    for path in named {
        assert_eq!(house.get(path).await.status, 200, "{path}");
    }
    assert_eq!(
        house.get("/nothing.js").await.denial().as_deref(),
        Some("unknownRoute")
    );
}

#[tokio::test]
async fn m5_a_revoke_cuts_even_a_stream_that_nobody_reads() {
    // More than the socket and every buffer behind it hold.
    let film = vec![7; 64 * 1024 * 1024];
    let house = TestHouse::open(&[("film.mp4", &film)]).await;
    let token = house
        .token("film.mp4", doorward::media::MediaOptions::default())
        .await;
    let host = house.host(Listener::Content);
    let mut stream = TcpStream::connect(&host).await.unwrap();
    let head = format!("GET /m/{token} HTTP/1.1\r\nHost: {host}\r\n\r\n");
    stream.write_all(head.as_bytes()).await.unwrap();
    tokio::time::timeout(Duration::from_secs(10), async {
        while house.serving.media().totals().bytes == 0 {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        // Until every buffer is full.
        let mut before = 0;
        while before != house.serving.media().totals().bytes {
            before = house.serving.media().totals().bytes;
            tokio::time::sleep(Duration::from_millis(200)).await;
        }
        assert!(house.serving.media().revoke_url(&token));
        while house.serving.media().totals().streams > 0 {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    })
    .await
    .expect("the stream ends soon");
    let mut rest = Vec::new();
    let end = stream.read_to_end(&mut rest).await;
    assert!(
        end.is_err() || rest.len() < film.len(),
        "never a clean, whole end"
    );
}

#[tokio::test]
async fn m15_the_pages_of_a_grant_may_read_that_it_has_ended() {
    let house = TestHouse::open(&[FILE]).await;
    let token = house
        .token("a.txt", doorward::media::MediaOptions::default())
        .await;
    house.serving.media().revoke_url(&token);
    let host = house.host(Listener::Content);
    let head = format!(
        "GET /m/{token} HTTP/1.1\r\nHost: {host}\r\nOrigin: https://app.example\r\nConnection: close\r\n\r\n"
    );
    let replies = house
        .send(Listener::Content, head.as_bytes(), usize::MAX)
        .await;
    assert_eq!(replies[0].denial().as_deref(), Some("grantRevoked"));
    assert_eq!(replies[0].header("access-control-allow-origin"), Some("*"));
}

#[tokio::test]
async fn a_call_that_was_under_way_does_nothing_for_a_session_that_ended() {
    let house = TestHouse::open(&[FILE]).await;
    let host = house.host(Listener::Control);
    let port = host.rsplit(':').next().unwrap();
    let body = r#"{"sources":["files:a.txt"]}"#;
    let mut stream = TcpStream::connect(&host).await.unwrap();
    let head = format!(
        "POST /api/grants HTTP/1.1\r\nHost: {host}\r\nOrigin: http://{host}\r\nCookie: doorward_{port}={}\r\n\
         X-Doorward-Proof: {}\r\nX-Csrf-Token: {}\r\nContent-Type: application/json\r\n\
         Content-Length: {}\r\nConnection: close\r\n\r\n",
        house.cookie,
        house.proof,
        house.csrf,
        body.len()
    );
    stream.write_all(head.as_bytes()).await.unwrap();
    // Admitted: its session counts as used. Then it ends, and only then comes the body.
    tokio::time::sleep(Duration::from_millis(200)).await;
    house
        .serving
        .sessions()
        .revoke_all(doorward::guard::table::sessions::EndReason::Revoked);
    stream.write_all(body.as_bytes()).await.unwrap();
    let mut text = String::new();
    stream.read_to_string(&mut text).await.unwrap();
    assert!(text.contains("browserSessionExpired"), "{text}");
    assert_eq!(house.serving.media().totals().grants, 0);
}

#[tokio::test]
async fn bodies_that_never_come_keep_nobody_out() {
    let house = TestHouse::open(&[FILE]).await;
    let host = house.host(Listener::Control);
    let mut held = Vec::new();
    for _ in 0..40 {
        let mut stream = TcpStream::connect(&host).await.unwrap();
        let head = format!(
            "POST /api/session/claim HTTP/1.1\r\nHost: {host}\r\nOrigin: http://{host}\r\n\
             Content-Type: application/json\r\nContent-Length: 100\r\n\r\n"
        );
        stream.write_all(head.as_bytes()).await.unwrap();
        held.push(stream);
    }
    tokio::time::sleep(Duration::from_millis(200)).await;
    let claim = house
        .post(
            "/api/session/claim",
            &format!("{{\"ticket\":\"{}\"}}", house.ticket()),
        )
        .await;
    assert_eq!(claim.status, 200, "{}", claim.text());
    drop(held);
}
