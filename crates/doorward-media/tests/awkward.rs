//! Stores that do not do what they should. Whatever they answer, a client never
//! gets a wrong 206, mixed versions, or a clean end of a body that is not whole.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test that cannot go on must fail"
)]

mod common;

use std::time::Duration;

use common::scripted::Scripted;
use common::{Reply, Room, read};
use doorward_media::{Credentials, Location, MediaOptions, StoreConfig};
use http::{Method, StatusCode};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpListener;

/// What a client gets for one range when the store answers so.
async fn ranged(answer: &str, range: &str) -> Reply {
    let store = Scripted::in_turn(&[answer, answer]).await;
    let (room, url) = store.playing().await;
    room.get(&url, &[("range", range)]).await
}

#[tokio::test]
async fn m18_a_store_that_ignores_ranges_makes_a_200() {
    let reply = ranged(
        "HTTP/1.1 200 OK\nContent-Length: 10\nETag: \"a\"\n\n0123456789",
        "bytes=2-3",
    )
    .await;
    assert_eq!(
        (reply.status, &reply.body[..]),
        (StatusCode::OK, &b"0123456789"[..])
    );
    assert_eq!(reply.header("content-range"), "");
}

#[tokio::test]
async fn m18_a_range_under_a_200_is_believed_only_if_it_is_the_one() {
    let head = "HTTP/1.1 200 OK\nETag: \"a\"\nContent-Length: 2\n";
    let reply = ranged(
        &format!("{head}Content-Range: bytes 2-3/10\n\n23"),
        "bytes=2-3",
    )
    .await;
    assert_eq!(
        (reply.status, &reply.body[..]),
        (StatusCode::PARTIAL_CONTENT, &b"23"[..])
    );
    let reply = ranged(
        &format!("{head}Content-Range: bytes 3-4/10\n\n34"),
        "bytes=2-3",
    )
    .await;
    assert_eq!(reply.denial(), "upstreamWrong");
}

#[tokio::test]
async fn m18_t59_a_part_that_does_not_fit_is_refused() {
    for (told, length) in [
        ("", "2"),
        ("Content-Range: bytes 0-1/10\n", "2"),
        ("Content-Range: bytes 2-4/10\n", "3"),
        ("Content-Range: bytes 2-3/10\n", "3"),
        ("Content-Range: bytes 2-3/*\n", "2"),
        ("Content-Range: bytes 2-3/3\n", "2"),
        ("Content-Range: items 2-3/10\n", "2"),
        ("Content-Range: bytes 3-2/10\n", "2"),
        ("Content-Type: multipart/byteranges; boundary=x\n", "2"),
    ] {
        let answer = format!(
            "HTTP/1.1 206 Partial Content\nETag: \"a\"\n{told}Content-Length: {length}\n\n234"
        );
        let reply = ranged(&answer, "bytes=2-3").await;
        assert_eq!(
            (reply.status, reply.denial().as_str()),
            (StatusCode::BAD_GATEWAY, "upstreamWrong"),
            "{told}"
        );
    }
    // A part that nobody asked for.
    let part = "HTTP/1.1 206 Partial Content\nContent-Range: bytes 0-1/10\nContent-Length: 2\n\n01";
    let store = Scripted::in_turn(&[part]).await;
    let (room, url) = store.playing().await;
    assert_eq!(room.get(&url, &[]).await.denial(), "upstreamWrong");
}

#[tokio::test]
async fn m19_t59_a_short_body_never_ends_cleanly() {
    for answer in [
        "HTTP/1.1 200 OK\nETag: \"a\"\nContent-Length: 10\n\n01234",
        "HTTP/1.1 206 Partial Content\nETag: \"a\"\nContent-Range: bytes 0-9/10\n\n01234",
        "HTTP/1.1 206 Partial Content\nETag: \"a\"\nContent-Range: bytes 0-9/10\nTransfer-Encoding: chunked\n\n5\n01234\n0\n\n",
    ] {
        let store = Scripted::in_turn(&[answer]).await;
        let (room, url) = store.playing().await;
        let range: &[_] = if answer.contains("206") {
            &[("range", "bytes=0-")]
        } else {
            &[]
        };
        let streamed = room.send(Method::GET, &url, range).await;
        assert!(streamed.status().is_success());
        assert!(read(streamed).await.is_err(), "{answer}");
    }
    // More than promised is as wrong as less.
    let long = "HTTP/1.1 206 Partial Content\nETag: \"a\"\nContent-Range: bytes 0-1/10\nTransfer-Encoding: chunked\n\n5\n01234\n0\n\n";
    let store = Scripted::in_turn(&[long]).await;
    let (room, url) = store.playing().await;
    assert!(
        read(
            room.send(Method::GET, &url, &[("range", "bytes=0-1")])
                .await
        )
        .await
        .is_err()
    );
}

#[tokio::test]
async fn m21_another_version_is_refused_however_it_is_told() {
    let first = "HTTP/1.1 200 OK\nContent-Length: 4\nETag: \"a\"\n\naaaa";
    for second in [
        "HTTP/1.1 200 OK\nContent-Length: 4\nETag: \"b\"\n\nbbbb",
        "HTTP/1.1 200 OK\nContent-Length: 4\n\nbbbb",
        "HTTP/1.1 200 OK\nContent-Length: 5\nETag: \"a\"\n\nbbbbb",
        "HTTP/1.1 412 Precondition Failed\nContent-Length: 0\n\n",
    ] {
        let store = Scripted::in_turn(&[first, second]).await;
        let (room, url) = store.playing().await;
        let mut subscription = room.events.subscribe(None);
        assert_eq!(&room.get(&url, &[]).await.body[..], b"aaaa");
        let reply = room.get(&url, &[]).await;
        assert_eq!(
            (reply.status, reply.denial().as_str()),
            (StatusCode::PRECONDITION_FAILED, "changed")
        );
        assert_eq!(subscription.live.try_recv().unwrap().kind, "grant.changed");
        let heads = store.heads();
        assert!(
            !heads[0].contains("if-match") && heads[1].contains("if-match: \"a\""),
            "{heads:?}"
        );
    }
}

#[tokio::test]
async fn m21_without_a_tag_the_date_is_held_against() {
    let dated = |day| {
        format!(
            "HTTP/1.1 200 OK\nContent-Length: 1\nLast-Modified: Sat, 0{day} Jan 2000 00:00:00 GMT\n\nx"
        )
    };
    let store = Scripted::in_turn(&[&dated(1), &dated(1), &dated(2)]).await;
    let (room, url) = store.playing().await;
    let status = async || room.get(&url, &[]).await.status.as_u16();
    assert_eq!(
        [status().await, status().await, status().await],
        [200, 200, 412]
    );
}

#[tokio::test]
async fn m31_an_encoded_object_is_sent_whole() {
    let whole = "HTTP/1.1 200 OK\nContent-Length: 4\nETag: \"a\"\nContent-Encoding: gzip\nContent-Type: text/csv\n\nzzzz";
    let part = "HTTP/1.1 206 Partial Content\nContent-Length: 2\nContent-Range: bytes 0-1/4\nETag: \"a\"\nContent-Encoding: gzip\nContent-Type: text/csv\n\nzz";
    for answers in [[whole, whole], [part, whole]] {
        let store = Scripted::in_turn(&answers).await;
        let (room, url) = store.playing().await;
        let reply = room.get(&url, &[("range", "bytes=0-1")]).await;
        assert_eq!(
            (reply.status, &reply.body[..]),
            (StatusCode::OK, &b"zzzz"[..])
        );
        assert_eq!(reply.header("content-encoding"), "gzip");
        assert_eq!(reply.header("accept-ranges"), "none");
    }
}

#[tokio::test]
async fn m33_keys_reach_the_store_as_they_are() {
    for (key, path) in [
        ("/lead", "/b//lead"),
        ("a//b", "/b/a//b"),
        ("a/../b", "/b/a/../b"),
        (".", "/b/."),
        ("sp ace+%ü", "/b/sp%20ace%2B%25%C3%BC"),
        ("q?x#y&z", "/b/q%3Fx%23y%26z"),
        ("line\nbreak", "/b/line%0Abreak"),
    ] {
        let store = Scripted::in_turn(&["HTTP/1.1 404 Not Found\nContent-Length: 0\n\n"]).await;
        let (room, _) = store.playing().await;
        let url = room.mint(&format!("s:{key}")).await.url;
        assert_eq!(room.get(&url, &[]).await.status, StatusCode::NOT_FOUND);
        let heads = store.heads();
        assert!(
            heads[0].starts_with(&format!("GET {path} HTTP/1.1\r\n")),
            "{heads:?}"
        );
    }
}

#[tokio::test]
async fn m34_errors_of_stores_are_told_apart() {
    let error = |status: &str, code: &str| {
        let body = format!("<Error><Code>{code}</Code><Resource>/b/secret-name</Resource></Error>");
        format!(
            "HTTP/1.1 {status}\nContent-Length: {}\nRetry-After: 7\n\n{body}",
            body.len()
        )
    };
    for (status, code, expected, name) in [
        ("404 Not Found", "NoSuchKey", 404, "notFound"),
        ("404 Not Found", "NoSuchBucket", 404, "bucketMissing"),
        ("403 Forbidden", "AccessDenied", 403, "accessDenied"),
        (
            "403 Forbidden",
            "InvalidAccessKeyId",
            403,
            "credentialsRejected",
        ),
        (
            "403 Forbidden",
            "SignatureDoesNotMatch",
            403,
            "credentialsRejected",
        ),
        ("403 Forbidden", "RequestTimeTooSkewed", 502, "clockSkew"),
        ("403 Forbidden", "InvalidObjectState", 410, "archived"),
        ("400 Bad Request", "ExpiredToken", 410, "credentialsExpired"),
        ("400 Bad Request", "Whatever", 502, "upstreamWrong"),
        (
            "500 Internal Server Error",
            "InternalError",
            502,
            "upstreamUnavailable",
        ),
        ("503 Slow Down", "SlowDown", 503, "throttled"),
        ("429 Too Many Requests", "", 503, "throttled"),
        ("504 Gateway Timeout", "", 504, "upstreamTimeout"),
        ("302 Found", "", 502, "upstreamWrong"),
    ] {
        let reply = ranged(&error(status, code), "bytes=0-1").await;
        assert_eq!(
            (reply.status.as_u16(), reply.denial().as_str()),
            (expected, name),
            "{code}"
        );
        let retry = if name == "throttled" { "7" } else { "" };
        assert_eq!(reply.header("retry-after"), retry);
        assert!(!String::from_utf8_lossy(&reply.body).contains("secret-name"));
    }
}

#[tokio::test]
async fn m35_a_bucket_in_another_region_is_followed_once() {
    let moved = "HTTP/1.1 301 Moved Permanently\nx-amz-bucket-region: eu-west-3\nLocation: http://127.0.0.1:1/\nContent-Length: 0\n\n";
    let found = "HTTP/1.1 200 OK\nContent-Length: 1\nETag: \"a\"\n\nx";
    let store = Scripted::in_turn(&[moved, found, found]).await;
    let room = Room::new();
    let endpoint = format!("http://{}", store.address());
    let credentials = Credentials::keys("AK", "SK", Some("session-token"));
    let config = StoreConfig::new("b", Some(&endpoint), credentials);
    room.media
        .add_source("s", "S", Location::Store(Box::new(config)))
        .await
        .unwrap();
    for _ in 0..2 {
        let url = room
            .media
            .grant("s:k", MediaOptions::default())
            .await
            .unwrap()
            .url;
        let reply = room.get(&url, &[]).await;
        // The one byte settles the type, which takes a request of its own.
        assert!(
            matches!(reply.status.as_u16(), 200 | 502),
            "{}",
            reply.denial()
        );
        if store.heads().len() >= 3 {
            break;
        }
    }
    let heads = store.heads();
    assert!(heads[0].contains("/us-east-1/s3/") && heads[1].contains("/eu-west-3/s3/"));
    assert!(heads[2].contains("/eu-west-3/s3/"), "remembered");
    assert!(
        heads
            .iter()
            .all(|head| head.contains("x-amz-security-token: session-token"))
    );

    let store = Scripted::in_turn(&[moved, moved]).await;
    let (room, url) = store.playing().await;
    assert_eq!(room.get(&url, &[]).await.denial(), "upstreamWrong");
}

#[tokio::test]
async fn t53_headers_of_the_store_stay_there() {
    let evil = "HTTP/1.1 200 OK\nContent-Length: 1\nETag: \"a\"\nSet-Cookie: a=b\nLocation: http://evil\nLink: <x>\nRefresh: 0\nX-Amz-Meta-Secret: s\nContent-Security-Policy: default-src *\nAccess-Control-Allow-Credentials: true\nContent-Disposition: attachment; filename=evil.exe\n\nx";
    let store = Scripted::in_turn(&[evil]).await;
    let (room, url) = store.playing().await;
    let reply = room.get(&url, &[]).await;
    for name in [
        "set-cookie",
        "location",
        "link",
        "refresh",
        "x-amz-meta-secret",
        "access-control-allow-credentials",
    ] {
        assert_eq!(reply.header(name), "", "{name}");
    }
    assert_eq!(
        reply.header("content-disposition"),
        "inline; filename=\"k.mp4\""
    );
}

#[tokio::test]
async fn m5_revoke_wakes_a_stream_that_waits_for_the_store() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let (gone, was_closed) = tokio::sync::oneshot::channel();
    tokio::spawn(async move {
        let (mut stream, _) = listener.accept().await.unwrap();
        let mut head = [0; 4096];
        let _ = stream.read(&mut head).await.unwrap();
        stream
            .write_all(b"HTTP/1.1 200 OK\r\nETag: \"a\"\r\nContent-Length: 10\r\n\r\n0")
            .await
            .unwrap();
        let closed = stream.read(&mut head).await;
        let _ = gone.send(closed.unwrap_or(0));
    });
    let store = Scripted::at(address);
    let (room, _) = store.playing().await;
    let minted = room.mint("s:k.mp4").await;
    let streamed = room.send(Method::GET, &minted.url, &[]).await;
    let reading = tokio::spawn(read(streamed));
    tokio::time::sleep(Duration::from_millis(30)).await;
    assert!(room.media.revoke(&minted.id));
    let cut = tokio::time::timeout(Duration::from_millis(100), reading)
        .await
        .unwrap();
    assert!(cut.unwrap().is_err());
    let closed = tokio::time::timeout(Duration::from_secs(1), was_closed)
        .await
        .unwrap();
    assert_eq!(closed.unwrap(), 0, "the upstream connection is closed");
    assert_eq!(room.media.totals().streams, 0);
}

#[tokio::test]
async fn t59_first_bytes_that_go_on_for_ever_are_not_kept() {
    // No type and no extension: the first 512 bytes are asked for, and far more come.
    let known = "HTTP/1.1 200 OK\nContent-Length: 1000\nETag: \"a\"\nConnection: close\n\n";
    let flood = format!(
        "HTTP/1.1 206 Partial Content\nContent-Range: bytes 0-511/1000\nETag: \"a\"\nConnection: close\n\n{}",
        "x".repeat(100_000)
    );
    let store = Scripted::in_turn(&[known, &flood]).await;
    let (room, _url) = store.playing().await;
    let url = room.mint("s:untold").await.url;
    let reply = room.head(&url, &[]).await;
    assert_eq!(reply.status, StatusCode::BAD_GATEWAY);
}
