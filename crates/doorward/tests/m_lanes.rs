//! The content listener's lanes: one set of doors on several ports, each of which
//! answers to its own name alone.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    reason = "a test that cannot go on must fail"
)]

use std::time::Duration;

use doorward::Bridge;
use doorward::guard::{Connection, Peer, defaults};
use doorward::media::MediaOptions;
use doorward_testkit::corpus::Listener;
use doorward_testkit::house::TestHouse;
use http_body_util::Full;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

/// More than the socket and every buffer behind it hold.
const FILM: usize = 64 * 1024 * 1024;

/// `127.0.0.1:P` of every lane, the listener's own first.
fn hosts(house: &TestHouse) -> Vec<String> {
    let serving = &house.serving;
    std::iter::once(serving.content_origin())
        .chain(serving.content_lanes().iter().map(String::as_str))
        .map(|origin| origin.trim_start_matches("http://").to_owned())
        .collect()
}

async fn ask(at: &str, host: &str, path: &str) -> TcpStream {
    let mut stream = TcpStream::connect(at).await.unwrap();
    let head =
        format!("GET {path} HTTP/1.1\r\nHost: {host}\r\nRange: bytes=0-\r\nConnection: close\r\n");
    stream
        .write_all(format!("{head}\r\n").as_bytes())
        .await
        .unwrap();
    stream
}

async fn get(at: &str, host: &str, path: &str) -> String {
    let mut answer = String::new();
    let mut stream = ask(at, host, path).await;
    stream.read_to_string(&mut answer).await.unwrap();
    answer
}

#[tokio::test]
async fn m25_a_url_works_on_every_lane() {
    let house = TestHouse::open(&[("note.txt", b"note")]).await;
    let hosts = hosts(&house);
    assert_eq!(hosts.len(), defaults::CONTENT_LANES);
    let token = house.token("note.txt", MediaOptions::default()).await;
    for host in &hosts {
        let answer = get(host, host, &format!("/m/{token}")).await;
        assert!(answer.starts_with("HTTP/1.1 206 "), "{answer}");
        assert!(answer.ends_with("\r\n\r\nnote"), "{answer}");
        // What the console feels for a connection with may be had by a page that
        // embeds nothing unasked.
        let health = get(host, host, "/healthz").await;
        assert!(health.starts_with("HTTP/1.1 200 "), "{health}");
        assert!(health.contains("\r\ncross-origin-resource-policy: cross-origin\r\n"));
    }
}

#[tokio::test]
async fn t10_a_lane_answers_to_its_own_name_alone() {
    let house = TestHouse::open(&[("note.txt", b"note")]).await;
    let lanes = hosts(&house);
    let token = house.token("note.txt", MediaOptions::default()).await;
    let path = format!("/m/{token}");
    for at in &lanes {
        let port = at.rsplit(':').next().unwrap();
        let named = get(at, &format!("localhost:{port}"), &path).await;
        assert!(named.starts_with("HTTP/1.1 206 "), "{named}");
        let strangers = lanes.iter().filter(|other| *other != at);
        for other in strangers.chain([&house.host(Listener::Control)]) {
            let refused = get(at, other, &path).await;
            assert!(
                refused.starts_with("HTTP/1.1 403 ") && refused.contains("hostNotAllowed"),
                "{at} as {other}: {refused}"
            );
        }
    }
    // Nor is there one lane more.
    let connection = |lane| Connection {
        peer: Peer::NotChecked,
        reserve: false,
        lane,
    };
    for (lane, status) in [(0, 206), (1, 403), (lanes.len(), 403)] {
        let request = http::Request::builder()
            .uri(&path)
            .header("host", &lanes[0])
            .header("range", "bytes=0-");
        let answer = house.serving.answer(
            doorward::bridge::Listener::Content,
            connection(lane),
            request.body(Full::default()).unwrap(),
        );
        assert_eq!(
            answer.await.unwrap().into_response().status().as_u16(),
            status
        );
    }
}

#[tokio::test]
async fn m25_revoking_ends_the_streams_of_every_lane() {
    let film = vec![7; FILM];
    let house = TestHouse::open(&[("film.mp4", &film)]).await;
    let lanes = hosts(&house);
    let token = house.token("film.mp4", MediaOptions::default()).await;
    let path = format!("/m/{token}");
    let mut streams = Vec::new();
    for host in &lanes {
        let mut stream = ask(host, host, &path).await;
        let mut status = [0; 12];
        stream.read_exact(&mut status).await.unwrap();
        assert_eq!(&status, b"HTTP/1.1 206");
        streams.push(stream);
    }
    let running = || house.serving.media().totals().streams;
    assert_eq!(running(), 3);
    assert!(house.serving.media().revoke_url(&token));
    let gone = async {
        while running() > 0 {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    };
    tokio::time::timeout(Duration::from_secs(10), gone)
        .await
        .expect("they end though nobody reads");
    for mut stream in streams {
        let mut rest = Vec::new();
        let end = stream.read_to_end(&mut rest).await;
        assert!(end.is_err() || rest.len() < FILM);
    }
    for host in &lanes {
        let answer = get(host, host, &path).await;
        assert!(answer.starts_with("HTTP/1.1 403 ") && answer.contains("grantRevoked"));
    }
}

#[tokio::test]
async fn m25_the_console_is_told_of_the_lanes_and_may_load_from_them() {
    let house = TestHouse::open(&[("note.txt", b"note")]).await;
    let (own, lanes) = (
        house.serving.content_origin(),
        house.serving.content_lanes(),
    );
    let state = house.get("/api/state").await;
    assert_eq!(state.json()["content"], own);
    assert_eq!(state.json()["lanes"], serde_json::json!(lanes));
    let routes = house.get("/api/routes").await.json();
    let content = routes["listeners"]
        .as_array()
        .unwrap()
        .iter()
        .find(|listener| listener["name"] == "content")
        .unwrap();
    assert_eq!(
        (&content["origin"], &content["lanes"]),
        (&serde_json::json!(own), &serde_json::json!(lanes))
    );
    let all = format!("{own} {}", lanes.join(" "));
    let policy = state.header("content-security-policy").unwrap();
    for rule in [
        format!("img-src 'self' {all};"),
        format!("media-src {all};"),
        format!("connect-src 'self' {all} "),
        format!("frame-src {all};"),
    ] {
        assert!(policy.contains(&rule), "{policy}");
    }
}

#[tokio::test]
async fn whoever_forwards_ports_has_one_lane() {
    let bridge = Bridge::builder()
        .dangerous()
        .without_peer_check()
        .bind()
        .await
        .unwrap();
    assert!(bridge.content_lanes().is_empty());
}
