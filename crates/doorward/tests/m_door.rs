//! The media room's door: what is refused before anybody looks at the URL.
#![expect(clippy::unwrap_used, reason = "in a test, what fails must stop it")]

use std::num::NonZeroU64;

use doorward::media::{Caps, MediaOptions};
use doorward_testkit::corpus::Listener;
use doorward_testkit::house::TestHouse;

/// A URL that is good for one request: whoever gets past the door uses it up.
async fn once(house: &TestHouse) -> String {
    let options = MediaOptions {
        caps: Caps {
            uses: NonZeroU64::new(1),
            ..Caps::default()
        },
        ..MediaOptions::default()
    };
    format!("/m/{}", house.token("a.mp4", options).await)
}

/// Sends each request on a connection of its own, and each must be refused with
/// one of `statuses`. Afterwards the URL still gives the one answer it was made for.
async fn refused(house: &TestHouse, path: &str, requests: &[(String, &[u16])]) {
    for (request, statuses) in requests {
        let replies = house.send(Listener::Content, request.as_bytes(), 1).await;
        let got: Vec<_> = replies.iter().map(|reply| reply.status).collect();
        let told = request.get(..request.len().min(200));
        assert!(
            matches!(*got, [status] if statuses.contains(&status)),
            "{got:?} for {told:?}"
        );
        let text = replies.first().unwrap().text();
        assert!(!text.contains("film"), "bytes for {told:?}");
    }
    let host = house.host(Listener::Content);
    let good = format!("GET {path} HTTP/1.1\r\nHost: {host}\r\n\r\n");
    let statuses = [200, 429];
    for status in statuses {
        let replies = house.send(Listener::Content, good.as_bytes(), 1).await;
        assert_eq!(replies.first().unwrap().status, status, "one use");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn m8_a_host_that_is_not_ours_is_refused_before_the_url_is_looked_up() {
    let house = TestHouse::open(&[("a.mp4", b"film")]).await;
    let path = once(&house).await;
    let host = house.host(Listener::Content);
    let (name, port) = host.split_once(':').unwrap();
    let next = port.parse::<u16>().unwrap() ^ 1;
    let one = |line: &str| format!("GET {path} HTTP/1.1\r\n{line}\r\n");
    let requests = [
        (
            one(&format!("Host: rebound.example:{port}\r\n")),
            &[403][..],
        ),
        (one(&format!("Host: {name}:{next}\r\n")), &[403]),
        (one(&format!("Host: {name}\r\n")), &[403]),
        (one(&format!("Host: [::1]:{port}\r\n")), &[403]),
        (one(&format!("Host: 127.1:{port}\r\n")), &[403]),
        (one(&format!("Host: 0.0.0.0:{port}\r\n")), &[403]),
        (one(&format!("Host: {name}.:{port}\r\n")), &[400]),
        (one(&format!("Host: localhost.:{port}\r\n")), &[400]),
        (one(&format!("Host: me@{host}\r\n")), &[400]),
        (one(&format!("Host: {host}, {host}\r\n")), &[400]),
        (one(&format!("Host: {host}\r\nHost: {host}\r\n")), &[400]),
        (one("Host:\r\n"), &[400, 403]),
        (one(""), &[400]),
        (
            format!("GET http://rebound.example{path} HTTP/1.1\r\nHost: {host}\r\n\r\n"),
            &[400],
        ),
    ];
    refused(&house, &path, &requests).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn m43_smuggled_and_oversized_requests_never_reach_the_url() {
    let house = TestHouse::open(&[("a.mp4", b"film")]).await;
    let path = once(&house).await;
    let host = house.host(Listener::Content);
    // Each carries a good request where a reader who frames it otherwise finds it.
    let canary = format!("GET {path} HTTP/1.1\r\nHost: {host}\r\n\r\n");
    let length = canary.len();
    let with = |headers: &str, body: &str| {
        format!("GET /m/x HTTP/1.1\r\nHost: {host}\r\n{headers}\r\n{body}{canary}")
    };
    let chunked = format!("{length:x}\r\n");
    let requests = [
        (
            with(
                "Content-Length: 0\r\nTransfer-Encoding: chunked\r\n",
                "0\r\n\r\n",
            ),
            &[400][..],
        ),
        (
            with("Transfer-Encoding: chunked\r\n", &chunked),
            &[400, 411],
        ),
        (with("Transfer-Encoding: identity\r\n", ""), &[400, 411]),
        (with("Transfer-Encoding : chunked\r\n", &chunked), &[400]),
        (
            with("Content-Length: 0\r\nContent-Length: 5\r\n", ""),
            &[400],
        ),
        (with("Content-Length: 0, 5\r\n", ""), &[400]),
        (with("Content-Length: +5\r\n", ""), &[400]),
        (with(&format!("Content-Length: {length}\r\n"), ""), &[400]),
        (with("X-A: 1\nX-B: 2\r\n", ""), &[400]),
        (with("X-A: 1\r\n folded\r\n", ""), &[400]),
        (with("X-A: 1\0\r\n", ""), &[400]),
        (with(&format!("X-A: {}\r\n", "a".repeat(9_000)), ""), &[431]),
        (with(&"X-A: 1\r\n".repeat(65), ""), &[431]),
        (
            format!(
                "GET /m/{} HTTP/1.1\r\nHost: {host}\r\n\r\n{canary}",
                "a".repeat(9_000)
            ),
            &[414],
        ),
    ];
    refused(&house, &path, &requests).await;
}
