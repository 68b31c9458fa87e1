//! Rows B, H, O, T, M3, N and X: what the door does before the room hears of it.

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use doorward::config::{Config, Places, Written};
use doorward_testkit::corpus::Listener;
use serde_json::json;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

use crate::both::{
    Both, LOGIN, RIGHT, Raw, Silent, alias, call, is_sealed, open_with, routes, settings, sign_in,
};

const STATE: &str = "/api/operator/state";
const CALL: &str = "/api/operator/call";

fn config(text: &str) -> Result<Config, String> {
    let places = Places::of_user().unwrap();
    let written = Written::parse(text, Path::new("doorward.toml"));
    let config = written.and_then(|written| written.build(&places));
    config.map_err(|error| error.to_string())
}

// === bounds ===

#[tokio::test]
async fn op_b1_only_loopback_is_bound() {
    for bind in ["0.0.0.0", "::", "192.168.1.7", "localhost", "10.0.0.1"] {
        let refused = config(&format!("[control]\nbind = [\"{bind}\"]")).unwrap_err();
        assert!(refused.contains("bind"), "{refused}");
    }
    let silent = Silent::open().await;
    let host = silent.house.host(Listener::Control);
    assert!(host.starts_with("127.0.0.1:"), "{host}");
}

#[tokio::test]
async fn op_b2_a_request_line_has_8_kib() {
    let silent = Silent::open().await;
    let long = format!("{STATE}?{}", "x".repeat(8_192));
    let raw = Raw::get(&silent.house, &long);
    silent.refuses(&raw, 414, "requestLineTooLong").await;
}

#[tokio::test]
async fn op_b3_a_header_line_has_8_kib() {
    let silent = Silent::open().await;
    let raw = Raw::post(&silent.house, LOGIN, RIGHT).also("X-Long", &"x".repeat(8_192));
    silent.refuses(&raw, 431, "headersTooLarge").await;
}

#[tokio::test]
async fn op_b4_there_are_at_most_64_header_lines() {
    let silent = Silent::open().await;
    let mut raw = Raw::post(&silent.house, LOGIN, RIGHT);
    for number in 0..64 {
        raw = raw.also(&format!("X-{number}"), "1");
    }
    silent.refuses(&raw, 431, "headersTooLarge").await;
}

#[tokio::test]
async fn op_b5_all_header_lines_have_64_kib() {
    let silent = Silent::open().await;
    let mut raw = Raw::post(&silent.house, LOGIN, RIGHT);
    for number in 0..9 {
        raw = raw.also(&format!("X-{number}"), &"x".repeat(8_000));
    }
    silent.refuses(&raw, 431, "headersTooLarge").await;
}

#[tokio::test]
async fn op_b6_a_body_is_judged_by_its_length_before_it_comes() {
    let silent = Silent::open().await;
    for (path, most) in [(LOGIN, 4 * 1024), (CALL, 64 * 1024)] {
        let mut raw = Raw::post(&silent.house, path, "{");
        raw = raw.set("Content-Length", &(most + 1).to_string());
        silent.refuses(&raw, 413, "bodyTooLarge").await;
    }
}

#[tokio::test]
async fn op_b7_what_trickles_is_cut() {
    let config = config("[control]\nhead_within = \"1s\"\nbody_within = \"1s\"").unwrap();
    let silent = Silent::open_with(|builder| builder.config(&config)).await;
    let whole = Raw::post(&silent.house, LOGIN, RIGHT);
    let body = Raw {
        body: b"{\"account\"".to_vec(),
        ..whole.clone()
    };
    let whole = whole.bytes();
    let head = silent.house.send(Listener::Control, &whole[..80], 1);
    let body = body.bytes();
    let body = silent.house.send(Listener::Control, &body, 1);
    let (head, body) = tokio::join!(head, body);
    for reply in [&head[0], &body[0]] {
        assert_eq!(reply.denial().as_deref(), Some("requestTimeout"));
        assert_eq!(reply.status, 408);
        is_sealed(reply);
    }
    silent.heard_nothing();
}

/// Sends the start at once and the rest byte by byte, ten a second, until an answer
/// comes. Whatever counted anew with each byte would wait for all of it.
async fn drip(silent: &Silent, raw: &Raw, start: usize) -> String {
    let host = silent.house.host(Listener::Control);
    let stream = tokio::net::TcpStream::connect(host).await.unwrap();
    let (mut reader, mut writer) = stream.into_split();
    let bytes = raw.bytes();
    let (at_once, slowly) = bytes.split_at(start);
    assert!(slowly.len() > 100, "ten times as long as it may");
    writer.write_all(at_once).await.unwrap();
    let dripping = async {
        for byte in slowly {
            writer.write_all(&[*byte]).await?;
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
        std::io::Result::Ok(())
    };
    let answer = async {
        let mut text = vec![0; 512];
        let read = reader.read(&mut text).await.unwrap();
        String::from_utf8_lossy(&text[..read]).into_owned()
    };
    tokio::select! {
        answer = answer => answer,
        // It was cut before the answer was read, or all of it was taken.
        dripped = dripping => format!("dripped: {dripped:?}"),
    }
}

#[tokio::test]
async fn op_b7_a_drip_is_cut_when_its_time_is_over_and_not_later() {
    let usual = config("").unwrap().control;
    assert_eq!(usual.listener.head_within, Duration::from_secs(5));
    assert_eq!(usual.body_within, Duration::from_secs(10));
    let config = config("[control]\nhead_within = \"1s\"\nbody_within = \"1s\"").unwrap();
    let silent = Silent::open_with(|builder| builder.config(&config)).await;
    let password = "x".repeat(200);
    let body = json!({ "account": "ada", "password": password }).to_string();
    let raw = Raw::post(&silent.house, LOGIN, &body);
    let head = raw.bytes().len() - body.len();
    for start in [20, head + 5] {
        let answer = drip(&silent, &raw, start).await;
        assert!(answer.starts_with("HTTP/1.1 408 "), "{start}: {answer}");
    }
    silent.heard_nothing();
}

#[tokio::test]
async fn op_b8_an_answer_that_is_not_taken_is_cut() {
    let config = config("[control]\napi_drain = \"1s\"").unwrap();
    let mut settings = settings();
    settings.motd = "x".repeat(200 * 1024);
    let mut both = open_with(settings, |builder| builder.config(&config)).await;
    let state = sign_in(&mut both.house).await.json();
    let system = alias(&state["state"], "system");
    let one = Raw::post(&both.house, CALL, &call(&system, "motd", &json!({})));
    // More than every buffer on the way holds.
    let (count, one) = (60, one.bytes());
    let socket = tokio::net::TcpSocket::new_v4().unwrap();
    socket.set_recv_buffer_size(4 * 1024).unwrap();
    let host = both.house.host(Listener::Control).parse().unwrap();
    let mut stream = socket.connect(host).await.unwrap();
    stream.write_all(&one.repeat(count)).await.unwrap();
    // Whoever writes hears of the end without reading.
    while stream.write_all(b"GET").await.is_ok() {
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    let mut read = Vec::new();
    let _ = stream.read_to_end(&mut read).await;
    assert!(read.len() < count * 200 * 1024, "all of it came");
}

/// Two requests may be answered at once, and somebody is signed in: with the alias of
/// what they call.
async fn with_two_places() -> (Both, String) {
    let config = config("[control]\nin_flight = 2").unwrap();
    let mut both = open_with(settings(), |builder| builder.config(&config)).await;
    let state = sign_in(&mut both.house).await.json();
    let system = alias(&state["state"], "system");
    (both, system)
}

#[tokio::test]
async fn op_b9_more_at_once_than_may_are_turned_away_and_places_come_back() {
    let (both, system) = with_two_places().await;
    let motd = call(&system, "motd", &json!({}));
    both.faults.hang.store(true, Ordering::SeqCst);
    let house = Arc::new(both.house);
    let mut calls = tokio::task::JoinSet::new();
    for _ in 0..3 {
        let (house, motd) = (Arc::clone(&house), motd.clone());
        calls.spawn(async move { house.post(CALL, &motd).await });
    }
    // Two of them wait for the gateway, whichever.
    let turned_away = calls.join_next().await.unwrap().unwrap();
    assert_eq!(
        (turned_away.status, turned_away.denial().as_deref()),
        (503, Some("busy"))
    );
    assert!(turned_away.header("retry-after").is_some());
    is_sealed(&turned_away);
    both.faults.hang.store(false, Ordering::SeqCst);
    while let Some(reply) = calls.join_next().await {
        assert_eq!(reply.unwrap().status, 200);
    }
    assert_eq!(house.post(CALL, &motd).await.status, 200);
}

#[tokio::test]
async fn op_b9_whoever_hangs_up_leaves_its_place() {
    assert_eq!(config("").unwrap().control.in_flight, 32);
    let (both, system) = with_two_places().await;
    let motd = call(&system, "motd", &json!({}));
    let raw = Raw::post(&both.house, CALL, &motd);
    let status = call(&system, "status", &json!({}));
    let full = || async {
        // Slower than a session may ask.
        both.house.hand.advance(Duration::from_millis(50));
        both.house.post(CALL, &status).await.status == 503
    };
    // Time stands still, for a thread is busy: no deadline frees anything.
    tokio::time::pause();
    let (still, held) = std::sync::mpsc::sync_channel::<()>(1);
    tokio::task::spawn_blocking(move || held.recv());
    both.faults.hang.store(true, Ordering::SeqCst);
    let mut callers = Vec::new();
    for _ in 0..2 {
        let host = both.house.host(Listener::Control);
        let mut caller = tokio::net::TcpStream::connect(host).await.unwrap();
        caller.write_all(&raw.bytes()).await.unwrap();
        callers.push(caller);
    }
    while !full().await {}
    drop(callers);
    // The gateway still hangs: only hanging up can have freed the places.
    while full().await {}
    both.faults.hang.store(false, Ordering::SeqCst);
    assert_eq!(both.house.post(CALL, &motd).await.status, 200);
    drop(still);
}

#[tokio::test]
async fn op_b9_a_call_that_runs_out_of_time_gives_its_place_back() {
    let (both, system) = with_two_places().await;
    let motd = call(&system, "motd", &json!({}));
    both.faults.hang.store(true, Ordering::SeqCst);
    let house = Arc::new(both.house);
    let asked = || {
        let (house, motd) = (Arc::clone(&house), motd.clone());
        tokio::spawn(async move { house.post(CALL, &motd).await })
    };
    let hanging = async |calls| {
        while both.faults.hanging.load(Ordering::SeqCst) < calls {
            tokio::task::yield_now().await;
        }
    };
    // Paused time goes on by itself, unless work of this kind goes on.
    tokio::time::pause();
    let (still, held) = std::sync::mpsc::sync_channel::<()>(1);
    tokio::task::spawn_blocking(move || held.recv());
    let first = asked();
    hanging(1).await;
    tokio::time::advance(Duration::from_secs(10)).await;
    let second = asked();
    hanging(2).await;
    let full = async || {
        let reply = house.post(CALL, &motd).await;
        assert_eq!(
            (reply.status, reply.denial().as_deref()),
            (503, Some("busy"))
        );
    };
    full().await;
    // Timers tick in milliseconds.
    tokio::time::advance(Duration::from_millis(5_001)).await;
    let late = first.await.unwrap();
    assert_eq!(
        (late.status, late.denial().as_deref()),
        (504, Some("upstreamTimeout"))
    );
    is_sealed(&late);
    // The second one still has its place, and there is one more.
    let third = asked();
    hanging(3).await;
    full().await;
    both.faults.hang.store(false, Ordering::SeqCst);
    for call in [second, third] {
        assert_eq!(call.await.unwrap().status, 200);
    }
    drop(still);
}

#[tokio::test]
async fn op_b10_what_two_parsers_would_read_differently_is_refused() {
    let silent = Silent::open().await;
    let house = &silent.house;
    let host = house.host(Listener::Control);
    let post = || Raw::post(house, LOGIN, RIGHT);
    let line = |line: &str| Raw::new(house, line, RIGHT);
    for raw in [
        post().also("Content-Length", "1"),
        post().also("Host", &host),
        post().also("Transfer-Encoding", "chunked"),
        post().set("Content-Length", "+10"),
        post().also("X", "a\r\n folded"),
        post().also("X", "a\u{0}b"),
        post().also("X", "a\nY: b"),
        line("POST http://evil.example/api/operator/login/password HTTP/1.1"),
        line("POST /api/operator/login/password\u{0} HTTP/1.1"),
    ] {
        silent.refuses(&raw, 400, "malformedRequest").await;
    }
    // Dots are resolved by nobody here, written either way: no route has them.
    for path in [
        "/api/operator/%2e%2e/operator/login/password",
        "/api/operator/../operator/login/password",
        "/api/operator/./login/password",
        "/api//operator/login/password",
    ] {
        let raw = line(&format!("POST {path} HTTP/1.1"));
        silent.refuses(&raw, 404, "unknownRoute").await;
    }
    let chunked = post()
        .without("Content-Length")
        .also("Transfer-Encoding", "chunked");
    silent.refuses(&chunked, 411, "lengthRequired").await;
    let expects = post().also("Expect", "200-ok");
    silent.refuses(&expects, 417, "expectationFailed").await;
}

#[tokio::test]
async fn op_b11_bounds_come_before_everything_that_costs() {
    let silent = Silent::open().await;
    let stranger = |raw: Raw| {
        raw.set("Host", "evil.example")
            .set("Origin", "https://evil.example")
            .without("Cookie")
            .without("X-Doorward-Proof")
            .set("Content-Type", "text/plain")
    };
    let long = format!("/nowhere?{}", "x".repeat(8_192));
    let raw = stranger(Raw::post(&silent.house, &long, "{"));
    silent.refuses(&raw, 414, "requestLineTooLong").await;
    let raw = stranger(Raw::post(&silent.house, LOGIN, "{")).also("X", &"x".repeat(9_000));
    silent.refuses(&raw, 431, "headersTooLarge").await;
    // Then whose door it is, then who calls, then what was sent.
    let raw = stranger(Raw::post(&silent.house, LOGIN, "{"));
    silent.refuses(&raw, 403, "hostNotAllowed").await;
    let raw = Raw::post(&silent.house, LOGIN, "{").without("Cookie");
    silent.refuses(&raw, 401, "browserSessionRequired").await;
    let raw = Raw::post(&silent.house, LOGIN, "{").set("Content-Length", "5000");
    silent.refuses(&raw, 413, "bodyTooLarge").await;
}

// === Host ===

#[tokio::test]
async fn op_h1_one_host_of_ours() {
    let silent = Silent::open().await;
    let raw = Raw::get(&silent.house, STATE).without("Host");
    silent.refuses(&raw, 400, "malformedRequest").await;
    let raw = Raw::get(&silent.house, STATE);
    assert_eq!(raw.send(&silent.house).await.status, 200);
}

#[tokio::test]
async fn op_h2_a_name_that_leads_here_is_no_name_of_ours() {
    let silent = Silent::open().await;
    let host = silent.house.host(Listener::Control);
    let port: u16 = host.rsplit(':').next().unwrap().parse().unwrap();
    for name in [
        format!("evil.example:{port}"),
        "127.0.0.1".to_owned(),
        format!("127.0.0.1:{}", port.wrapping_add(1)),
        format!("[::1]:{port}"),
        format!("localhost.evil.example:{port}"),
    ] {
        let raw = Raw::post(&silent.house, LOGIN, RIGHT)
            .set("Host", &name)
            .set("Origin", &format!("http://{name}"));
        silent.refuses(&raw, 403, "hostNotAllowed").await;
    }
    // What no browser sends is no host at all.
    let dot = Raw::post(&silent.house, LOGIN, RIGHT).set("Host", &format!("127.0.0.1.:{port}"));
    silent.refuses(&dot, 400, "malformedRequest").await;
}

#[tokio::test]
async fn op_h3_host_and_origin_come_before_the_content_type() {
    let silent = Silent::open().await;
    let plain = || Raw::post(&silent.house, LOGIN, RIGHT).set("Content-Type", "text/plain");
    let raw = plain().set("Host", "evil.example:80");
    silent.refuses(&raw, 403, "hostNotAllowed").await;
    let raw = plain().set("Origin", "https://evil.example");
    silent.refuses(&raw, 403, "originNotAllowed").await;
    silent
        .refuses(&plain(), 415, "unsupportedContentType")
        .await;
}

// === Origin and Fetch Metadata ===

#[tokio::test]
async fn op_o1_a_change_names_its_origin() {
    let silent = Silent::open().await;
    for (path, body) in changes() {
        let raw = Raw::post(&silent.house, path, body).without("Origin");
        silent.refuses(&raw, 403, "originMissing").await;
    }
}

#[tokio::test]
async fn op_o2_the_origin_is_the_one_that_was_asked() {
    let silent = Silent::open().await;
    let host = silent.house.host(Listener::Control);
    let port: u16 = host.rsplit(':').next().unwrap().parse().unwrap();
    for origin in [
        "null".to_owned(),
        format!("https://{host}"),
        format!("http://127.0.0.1:{}", port.wrapping_add(1)),
        format!("http://localhost:{port}"),
        "https://evil.example".to_owned(),
        format!("http://{host}.evil.example"),
        format!("http://{host}/"),
    ] {
        let raw = Raw::post(&silent.house, LOGIN, RIGHT).set("Origin", &origin);
        silent.refuses(&raw, 403, "originNotAllowed").await;
        let raw = Raw::get(&silent.house, STATE).set("Origin", &origin);
        silent.refuses(&raw, 403, "originNotAllowed").await;
    }
}

#[tokio::test]
async fn op_o3_a_referer_stands_in_for_nothing() {
    let silent = Silent::open().await;
    let own = format!("http://{}/", silent.house.host(Listener::Control));
    let raw = Raw::post(&silent.house, LOGIN, RIGHT)
        .without("Origin")
        .also("Referer", &own);
    silent.refuses(&raw, 403, "originMissing").await;
    let raw = Raw::get(&silent.house, STATE).also("Referer", "https://evil.example/");
    assert_eq!(raw.send(&silent.house).await.status, 200);
}

#[tokio::test]
async fn op_o4_only_fetches_of_our_own_page_come_in() {
    let silent = Silent::open().await;
    let get = || Raw::get(&silent.house, STATE);
    for site in ["cross-site", "same-site", "none"] {
        let raw = get().set("Sec-Fetch-Site", site);
        silent.refuses(&raw, 403, "fetchMetadataRejected").await;
        let raw = Raw::post(&silent.house, LOGIN, RIGHT).set("Sec-Fetch-Site", site);
        silent.refuses(&raw, 403, "fetchMetadataRejected").await;
    }
    for (name, value) in [
        ("Sec-Fetch-Mode", "navigate"),
        ("Sec-Fetch-Mode", "no-cors"),
        ("Sec-Fetch-Dest", "document"),
        ("Sec-Fetch-Dest", "iframe"),
        ("Sec-Fetch-Dest", "script"),
    ] {
        let raw = get().also(name, value);
        silent.refuses(&raw, 403, "fetchMetadataRejected").await;
    }
}

#[tokio::test]
async fn op_o5_the_page_opens_by_itself_and_in_no_frame() {
    let silent = Silent::open().await;
    let page = |site: &str| {
        Raw::get(&silent.house, "/")
            .without("Origin")
            .set("Sec-Fetch-Site", site)
            .also("Sec-Fetch-Mode", "navigate")
    };
    for site in ["none", "same-origin"] {
        let raw = page(site).also("Sec-Fetch-Dest", "document");
        assert_eq!(raw.send(&silent.house).await.status, 200, "{site}");
    }
    for dest in ["iframe", "frame", "embed", "object", "fencedframe"] {
        for site in ["none", "same-origin", "same-site", "cross-site"] {
            let raw = page(site).also("Sec-Fetch-Dest", dest);
            let reply = silent.refuses(&raw, 403, "fetchMetadataRejected").await;
            assert_eq!(reply.header("x-frame-options"), Some("DENY"));
        }
    }
    for site in ["cross-site", "same-site"] {
        let raw = page(site).also("Sec-Fetch-Dest", "document");
        silent.refuses(&raw, 403, "fetchMetadataRejected").await;
    }
}

// === content ===

/// Every change, with a body that is in order.
fn changes() -> [(&'static str, &'static str); 15] {
    [
        (LOGIN, RIGHT),
        ("/api/operator/login/anonymous", "{}"),
        ("/api/operator/login/guest", "{}"),
        ("/api/operator/login/publickey", r#"{"account":"kay"}"#),
        ("/api/operator/login/step", r#"{"answer":"x"}"#),
        ("/api/operator/login/cancel", "{}"),
        (CALL, r#"{"ref":"c_AAAAAAAAAAA","operation":"motd"}"#),
        ("/api/operator/launch/probe", r#"{"profile":"x"}"#),
        ("/api/operator/launch/start", r#"{"profile":"x"}"#),
        ("/api/operator/config", r#"{"gateway":"lab"}"#),
        ("/api/operator/session/renew", r#"{"seconds":60}"#),
        ("/api/operator/session/renew/step", r#"{"answer":"x"}"#),
        ("/api/operator/session/renew/cancel", "{}"),
        ("/api/operator/logout", "{}"),
        ("/api/session/revoke", "{}"),
    ]
}

#[tokio::test]
async fn op_t1_a_body_says_what_it_is() {
    let silent = Silent::open().await;
    for (path, body) in changes() {
        let raw = Raw::post(&silent.house, path, body).without("Content-Type");
        silent.refuses(&raw, 415, "missingContentType").await;
    }
}

#[tokio::test]
async fn op_t2_nothing_but_json_is_taken() {
    let silent = Silent::open().await;
    for kind in [
        "text/plain",
        "application/x-www-form-urlencoded",
        "multipart/form-data; boundary=x",
        "Text/Plain; charset=utf-8",
        "application/jsonp",
        "application/json, text/plain",
        "application",
    ] {
        let raw = Raw::post(&silent.house, LOGIN, RIGHT).set("Content-Type", kind);
        silent.refuses(&raw, 415, "unsupportedContentType").await;
    }
    let twice = Raw::post(&silent.house, LOGIN, RIGHT).also("Content-Type", "application/json");
    silent.refuses(&twice, 415, "unsupportedContentType").await;
    let packed = Raw::post(&silent.house, LOGIN, RIGHT).also("Content-Encoding", "gzip");
    silent.refuses(&packed, 415, "unsupportedContentType").await;
}

#[tokio::test]
async fn op_t3_json_in_any_case_and_with_parameters_is_taken() {
    let silent = Silent::open().await;
    for kind in ["Application/JSON; charset=utf-8", "application/json"] {
        let raw = Raw::post(&silent.house, "/api/operator/logout", "{}").set("Content-Type", kind);
        let reply = raw.send(&silent.house).await;
        assert_eq!(reply.status, 200, "{kind}: {}", reply.text());
    }
}

#[tokio::test]
async fn op_t4_what_has_no_body_needs_no_type() {
    let silent = Silent::open().await;
    for path in [STATE, "/healthz", "/", "/api/operator/health"] {
        let raw = Raw::get(&silent.house, path).set("Sec-Fetch-Site", "same-origin");
        let reply = raw
            .also("Content-Type", "text/plain")
            .send(&silent.house)
            .await;
        assert_eq!(reply.status, 200, "{path}: {}", reply.text());
    }
}

#[tokio::test]
async fn op_t5_json_that_is_none_or_says_more_is_refused() {
    let silent = Silent::open().await;
    let deep = format!("{{\"fields\":{}{}}}", "[".repeat(17), "]".repeat(17));
    for (body, denial) in [
        ("{", "invalidJson"),
        (
            "{\"account\":\"a\",\"account\":\"b\",\"password\":\"c\"}",
            "invalidJson",
        ),
        ("[]", "invalidJson"),
        ("{\"account\":1,\"password\":\"c\"}", "invalidJson"),
        ("{\"account\":\"a\",\"password\":\"\u{1}\"}", "invalidJson"),
        (
            "{\"account\":\"a\",\"password\":\"c\",\"more\":1}",
            "unknownField",
        ),
    ] {
        let raw = Raw::post(&silent.house, LOGIN, body);
        silent.refuses(&raw, 400, denial).await;
    }
    let raw = Raw::post(&silent.house, CALL, &deep);
    silent.refuses(&raw, 400, "invalidJson").await;
}

// === routes ===

#[tokio::test]
async fn op_m3_what_is_not_there_is_told_to_who_may_know() {
    let silent = Silent::open().await;
    let nothing = "/api/operator/nothing";
    let raw = Raw::get(&silent.house, nothing).set("Host", "evil.example:1");
    silent.refuses(&raw, 403, "hostNotAllowed").await;
    let raw = Raw::get(&silent.house, nothing).without("Cookie");
    silent.refuses(&raw, 401, "browserSessionRequired").await;
    let raw = Raw::get(&silent.house, nothing);
    silent.refuses(&raw, 404, "unknownRoute").await;
    let raw = Raw::get(&silent.house, LOGIN);
    let reply = silent.refuses(&raw, 405, "methodNotAllowed").await;
    assert_eq!(reply.header("allow"), Some("POST"));
    let raw = Raw::new(&silent.house, &format!("DELETE {STATE} HTTP/1.1"), "");
    let reply = silent.refuses(&raw, 405, "methodNotAllowed").await;
    assert_eq!(reply.header("allow"), Some("GET, HEAD"));
}

#[tokio::test]
async fn op_n1_no_route_ever_speaks_cors() {
    let silent = Silent::open().await;
    let known = routes("/api/operator");
    let paths = known.iter().map(|(_, path)| path.as_str());
    let others = [
        "/",
        "/healthz",
        "/assets/console.js",
        "/api/session/claim",
        "/api/state",
    ];
    let automation = "/api/operator/automation/report";
    for path in paths.chain(others).filter(|path| *path != automation) {
        let raw = Raw::new(&silent.house, &format!("OPTIONS {path} HTTP/1.1"), "")
            .also("Access-Control-Request-Method", "POST")
            .also("Access-Control-Request-Headers", "x-csrf-token");
        silent.refuses(&raw, 405, "methodNotAllowed").await;
    }
}

#[tokio::test]
async fn op_x1_op_x2_op_x4_every_answer_carries_the_same_seal() {
    let silent = Silent::open().await;
    let replies = [
        Raw::get(&silent.house, STATE),
        Raw::get(&silent.house, "/"),
        Raw::get(&silent.house, "/api/operator/nothing"),
        Raw::get(&silent.house, STATE).without("Cookie"),
        Raw::get(&silent.house, STATE).without("Host"),
        Raw::post(&silent.house, LOGIN, "{"),
    ];
    let house = silent.house.serving.house();
    let (origin, lanes) = (house.content_origin(), house.content_lanes().join(" "));
    let content = format!("{origin} {lanes}");
    let socket = origin.replacen("http", "ws", 1);
    let whole = format!(
        "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' {content}; \
         media-src {content}; connect-src 'self' {content} {socket}; font-src 'self'; \
         worker-src 'self'; frame-src {content}; base-uri 'none'; form-action 'none'; \
         frame-ancestors 'none'"
    );
    for raw in replies {
        let reply = raw.send(&silent.house).await;
        is_sealed(&reply);
        assert_eq!(reply.header("content-security-policy"), Some(&*whole));
        let features = reply.header("permissions-policy").unwrap();
        let mut open = Vec::new();
        for feature in features.split(", ") {
            let (name, to) = feature.split_once('=').unwrap();
            match to {
                "()" => {}
                "(self)" => open.push(name),
                other => panic!("{name} is for {other}"),
            }
        }
        let own = [
            "fullscreen",
            "picture-in-picture",
            "autoplay",
            "clipboard-write",
        ];
        assert_eq!(open, own, "{features}");
        assert!(features.split(", ").count() > 30, "{features}");
    }
}
