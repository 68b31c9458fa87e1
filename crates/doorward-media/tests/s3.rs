//! Grants on a bucket, against a real S3 implementation in-process.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test that cannot go on must fail"
)]

mod common;

use common::{Room, pattern};
use doorward_media::{Credentials, Location, MediaOptions, StoreConfig};
use doorward_testkit::s3::{ACCESS_KEY, S3Server, SECRET_KEY};
use http::StatusCode;

const SIZE: usize = 300_000;

async fn room() -> (tempfile::TempDir, S3Server, Room) {
    let root = tempfile::tempdir().unwrap();
    let server = S3Server::start(root.path()).await.unwrap();
    server.put("bucket", "film.mp4", &pattern(SIZE)).unwrap();
    let room = Room::in_real_time();
    let credentials = Credentials::keys(ACCESS_KEY, SECRET_KEY, None);
    add(
        &room,
        "store",
        StoreConfig::new("bucket", Some(&server.endpoint()), credentials),
    )
    .await;
    (root, server, room)
}

async fn add(room: &Room, id: &str, config: StoreConfig) {
    room.media
        .add_source(id, id, Location::Store(Box::new(config)))
        .await
        .unwrap();
}

#[tokio::test]
async fn m14_ranges_of_a_stored_object_are_exact() {
    let (_root, server, room) = room().await;
    let all = pattern(SIZE);
    for fresh in [true, false] {
        let shared = room.mint("store:film.mp4").await.url;
        for (range, first, last) in [
            ("bytes=0-1", 0, 1),
            ("bytes=0-", 0, SIZE - 1),
            ("bytes=70000-", 70_000, SIZE - 1),
            ("bytes=-1", SIZE - 1, SIZE - 1),
            ("bytes=10-99999999", 10, SIZE - 1),
        ] {
            let url = if fresh {
                room.mint("store:film.mp4").await.url
            } else {
                shared.clone()
            };
            let before = server.requests();
            let reply = room.get(&url, &[("range", range)]).await;
            assert_eq!(reply.status, StatusCode::PARTIAL_CONTENT, "{range}");
            assert!(
                server.requests() - before <= 1,
                "one round trip to the first byte, or none if it is kept"
            );
            assert_eq!(
                reply.header("content-range"),
                format!("bytes {first}-{last}/{SIZE}")
            );
            assert_eq!(reply.body, all[first..=last], "{range}");
        }
        for range in ["bytes=300000-", "bytes=-0"] {
            let url = if fresh {
                room.mint("store:film.mp4").await.url
            } else {
                shared.clone()
            };
            let reply = room.get(&url, &[("range", range)]).await;
            assert_eq!(reply.status, StatusCode::RANGE_NOT_SATISFIABLE, "{range}");
            assert_eq!(reply.header("content-range"), format!("bytes */{SIZE}"));
        }
        let reply = room.get(&shared, &[]).await;
        assert_eq!((reply.status, &reply.body[..]), (StatusCode::OK, &all[..]));
        assert_eq!(reply.header("accept-ranges"), "bytes");
    }
}

#[tokio::test]
async fn m12_m17_head_and_304_move_no_body() {
    let (_root, server, room) = room().await;
    let url = room.mint("store:film.mp4").await.url;
    let head = room.head(&url, &[]).await;
    assert_eq!(
        (head.status, head.header("content-length")),
        (StatusCode::OK, "300000")
    );
    assert_eq!(head.header("content-type"), "video/mp4");
    let etag = head.header("etag").to_owned();
    assert!(!etag.is_empty());
    assert_eq!(server.requests(), 1);
    // The version is known by now: no request at all.
    let reply = room.get(&url, &[("if-none-match", &etag)]).await;
    assert_eq!(
        (reply.status, server.requests()),
        (StatusCode::NOT_MODIFIED, 1)
    );
    let reply = room.get(&url, &[("if-match", "\"other\"")]).await;
    assert_eq!(
        (reply.status, server.requests()),
        (StatusCode::PRECONDITION_FAILED, 1)
    );
    let reply = room
        .get(&url, &[("if-range", &etag), ("range", "bytes=0-0")])
        .await;
    assert_eq!(reply.status, StatusCode::PARTIAL_CONTENT);
    assert_eq!(room.get(&url, &[]).await.headers, head.headers);
}

#[tokio::test]
async fn m21_an_object_replaced_between_two_ranges_is_refused() {
    let (_root, server, room) = room().await;
    let url = room.mint("store:film.mp4").await.url;
    assert_eq!(
        room.get(&url, &[("range", "bytes=0-9")]).await.status,
        StatusCode::PARTIAL_CONTENT
    );
    // Same length; s3s-fs ignores If-Match, so this is found in the answer.
    server
        .put("bucket", "film.mp4", &vec![7; SIZE + 1])
        .unwrap();
    let reply = room.get(&url, &[("range", "bytes=10-19")]).await;
    assert_eq!(
        (reply.status, reply.denial().as_str()),
        (StatusCode::PRECONDITION_FAILED, "changed")
    );
}

#[tokio::test]
async fn m33_odd_keys_are_found() {
    let (_root, server, room) = room().await;
    let long = format!("{}/{}", "d".repeat(200), "k".repeat(200));
    for key in [
        "a b",
        "a+b",
        "100%",
        "%2e%2e",
        "ü/ß €.txt",
        "a&b=c?d#e",
        "x;y,z'\"*",
        long.as_str(),
    ] {
        server.put("bucket", key, key.as_bytes()).unwrap();
        let url = room.mint(&format!("store:{key}")).await.url;
        let reply = room.get(&url, &[]).await;
        assert_eq!(
            (reply.status, &reply.body[..]),
            (StatusCode::OK, key.as_bytes()),
            "{key}"
        );
    }
}

#[tokio::test]
async fn m34_what_is_wrong_is_told_apart() {
    let (_root, server, room) = room().await;
    let endpoint = server.endpoint();
    let good = || Credentials::keys(ACCESS_KEY, SECRET_KEY, None);
    let config = |bucket: &str, credentials| StoreConfig::new(bucket, Some(&endpoint), credentials);
    add(&room, "nobody", config("bucket", Credentials::Anonymous)).await;
    add(
        &room,
        "badkey",
        config("bucket", Credentials::keys("AKWRONG", "x", None)),
    )
    .await;
    add(
        &room,
        "badsecret",
        config("bucket", Credentials::keys(ACCESS_KEY, "wrong", None)),
    )
    .await;
    add(&room, "nobucket", config("missing", good())).await;
    let closed = StoreConfig::new("bucket", Some("http://127.0.0.1:9"), good());
    add(&room, "closed", closed).await;
    let metadata = StoreConfig::new("bucket", Some("http://169.254.169.254"), good());
    add(&room, "metadata", metadata).await;
    for (source, status, denial) in [
        ("store:missing", 404, "notFound"),
        ("nobody:film.mp4", 403, "accessDenied"),
        ("badkey:film.mp4", 403, "credentialsRejected"),
        ("badsecret:film.mp4", 403, "credentialsRejected"),
        // s3s-fs says NoSuchKey here; listing it says more (tests/listing.rs).
        ("nobucket:film.mp4", 404, "notFound"),
        ("closed:film.mp4", 502, "upstreamUnavailable"),
        ("metadata:film.mp4", 403, "endpointNotAllowed"),
    ] {
        let url = room.mint(source).await.url;
        let reply = room.get(&url, &[("origin", "https://app.example")]).await;
        assert_eq!(
            (reply.status.as_u16(), reply.denial().as_str()),
            (status, denial),
            "{source}"
        );
        assert_eq!(reply.header("access-control-allow-origin"), "*");
        assert!(
            !String::from_utf8_lossy(&reply.body).contains("AK"),
            "{source}"
        );
    }
}

#[tokio::test]
async fn an_s3_url_can_be_granted_without_a_listed_source() {
    let room = Room::in_real_time();
    let minted = room
        .media
        .grant("s3://bucket/a/b.png", MediaOptions::default())
        .await
        .unwrap();
    assert_eq!(minted.source, "s3://bucket/a/b.png");
    for not in [
        "s3://",
        "s3:///key",
        "s3://b?ad/key",
        "https://files.example/key",
        "s3://bucket/",
    ] {
        assert!(
            room.media
                .grant(not, MediaOptions::default())
                .await
                .is_err(),
            "{not}"
        );
    }
}
