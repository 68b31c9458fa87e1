//! Every way in which a store says no, as a browser's page gets to read it.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test that cannot go on must fail"
)]

mod common;

use common::scripted::{Scripted, object};
use common::{Reply, Room};
use http::StatusCode;

const PAGE: (&str, &str) = ("origin", "https://app.example");

/// The store's status and code, and what they become.
type Row = (&'static str, &'static str, u16, &'static str);

const TABLE: &[Row] = &[
    // It is not there.
    ("404 Not Found", "NoSuchKey", 404, "notFound"),
    ("404 Not Found", "NoSuchVersion", 404, "notFound"),
    ("404 Not Found", "", 404, "notFound"),
    ("404 Not Found", "NoSuchBucket", 404, "bucketMissing"),
    // It may not be read.
    ("403 Forbidden", "AccessDenied", 403, "accessDenied"),
    ("403 Forbidden", "AllAccessDisabled", 403, "accessDenied"),
    ("403 Forbidden", "", 403, "accessDenied"),
    ("401 Unauthorized", "", 403, "accessDenied"),
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
    (
        "400 Bad Request",
        "InvalidToken",
        403,
        "credentialsRejected",
    ),
    ("403 Forbidden", "NotSignedUp", 403, "credentialsRejected"),
    // It is gone until somebody does something about it.
    ("403 Forbidden", "InvalidObjectState", 410, "archived"),
    ("400 Bad Request", "ExpiredToken", 410, "credentialsExpired"),
    ("403 Forbidden", "ExpiredToken", 410, "credentialsExpired"),
    (
        "400 Bad Request",
        "TokenRefreshRequired",
        410,
        "credentialsExpired",
    ),
    // The clocks.
    ("403 Forbidden", "RequestTimeTooSkewed", 502, "clockSkew"),
    ("400 Bad Request", "RequestTimeTooSkewed", 502, "clockSkew"),
    // Later, perhaps.
    ("503 Slow Down", "SlowDown", 503, "throttled"),
    (
        "503 Service Unavailable",
        "ServiceUnavailable",
        503,
        "throttled",
    ),
    ("503 Service Unavailable", "", 503, "throttled"),
    ("429 Too Many Requests", "", 503, "throttled"),
    ("400 Bad Request", "ThrottlingException", 503, "throttled"),
    ("408 Request Timeout", "", 504, "upstreamTimeout"),
    ("504 Gateway Timeout", "", 504, "upstreamTimeout"),
    (
        "500 Internal Server Error",
        "InternalError",
        502,
        "upstreamUnavailable",
    ),
    ("502 Bad Gateway", "", 502, "upstreamUnavailable"),
    (
        "501 Not Implemented",
        "NotImplemented",
        502,
        "upstreamUnavailable",
    ),
    // Nothing that a store says to such a request.
    ("400 Bad Request", "InvalidRequest", 502, "upstreamWrong"),
    ("400 Bad Request", "", 502, "upstreamWrong"),
    ("302 Found", "", 502, "upstreamWrong"),
    ("304 Not Modified", "", 502, "upstreamWrong"),
    ("204 No Content", "", 502, "upstreamWrong"),
    (
        "405 Method Not Allowed",
        "MethodNotAllowed",
        502,
        "upstreamWrong",
    ),
];

fn failure(status: &str, code: &str) -> String {
    let body = if code.is_empty() || status.starts_with("304") || status.starts_with("204") {
        String::new()
    } else {
        format!("<Error><Code>{code}</Code><Key>secret-name</Key></Error>")
    };
    let length = body.len();
    format!(
        "HTTP/1.1 {status}\nContent-Length: {length}\nRetry-After: 7\nX-Amz-Id-2: secret-name\n\n{body}"
    )
}

fn is_told(reply: &Reply, row: &Row) {
    let (status, code, expected, name) = row;
    let what = format!("{status} {code}");
    assert_eq!(reply.status.as_u16(), *expected, "{what}");
    assert_eq!(reply.denial(), *name, "{what}");
    assert_eq!(reply.header("access-control-allow-origin"), "*", "{what}");
    assert!(!reply.header("access-control-expose-headers").is_empty());
    assert_eq!(reply.header("content-type"), "application/json");
    assert_eq!(reply.header("x-content-type-options"), "nosniff");
    let retry = if *name == "throttled" { "7" } else { "" };
    assert_eq!(reply.header("retry-after"), retry, "{what}");
    let text = format!("{:?} {:?}", reply.headers, reply.body);
    assert!(!text.contains("secret-name"), "{text}");
}

async fn room_of(row: &'static Row) -> (Room, String) {
    let store = Scripted::start(|_, _| failure(row.0, row.1)).await;
    let room = store.room().await;
    let url = room.mint("s:secret-name.mp4").await.url;
    (room, url)
}

#[tokio::test]
async fn m34_m15_every_error_of_a_store_has_a_name_a_status_and_cors() {
    for row in TABLE {
        let (room, url) = room_of(row).await;
        is_told(&room.get(&url, &[PAGE]).await, row);
        is_told(&room.get(&url, &[PAGE, ("range", "bytes=0-1")]).await, row);
    }
}

#[tokio::test]
async fn m34_m12_errors_of_head_and_of_several_ranges_are_told_too() {
    // To a HEAD the store sends no code, so only its status speaks.
    for row in TABLE.iter().filter(|row| row.1.is_empty()) {
        let (room, url) = room_of(row).await;
        let head = room.head(&url, &[PAGE]).await;
        assert_eq!(head.status.as_u16(), row.2, "{}", row.0);
        assert_eq!(head.header("access-control-allow-origin"), "*");
        let several = [PAGE, ("range", "bytes=0-1,1000-1001")];
        is_told(&room.get(&url, &several).await, row);
    }
}

#[tokio::test]
async fn m34_a_later_part_that_fails_cuts_the_answer_and_the_next_is_told() {
    let text = "x".repeat(2000);
    let store = Scripted::start(move |head, before| match before {
        0 | 1 => object(head, &text, "1"),
        _ => failure("503 Slow Down", "SlowDown"),
    })
    .await;
    let room = store.room().await;
    let url = room.mint("s:k.mp4").await.url;
    let several = [("range", "bytes=0-1,1000-1001")];
    let answer = room.send(http::Method::GET, &url, &several).await;
    assert_eq!(answer.status(), StatusCode::PARTIAL_CONTENT);
    assert!(common::read(answer).await.is_err());
    // The first of them was kept; of others the store is asked.
    let several = [("range", "bytes=300-301,1300-1301")];
    assert_eq!(room.get(&url, &several).await.denial(), "throttled");
}

#[tokio::test]
async fn m15_the_stores_416_keeps_its_size() {
    let store = Scripted::start(|head, _| {
        if head.starts_with("HEAD ") {
            return object(head, "0123456789", "1");
        }
        "HTTP/1.1 416 Range Not Satisfiable\nContent-Range: bytes */10\nContent-Length: 0\n\n"
            .to_owned()
    })
    .await;
    let room = store.room().await;
    let url = room.mint("s:k.mp4").await.url;
    let reply = room.get(&url, &[PAGE, ("range", "bytes=10-")]).await;
    assert_eq!(reply.status, StatusCode::RANGE_NOT_SATISFIABLE);
    assert_eq!(reply.header("content-range"), "bytes */10");
    assert_eq!(reply.header("access-control-allow-origin"), "*");
}

#[tokio::test]
async fn m13_other_methods_are_told_what_is_allowed() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("a.mp4"), "x").unwrap();
    let room = Room::with_folder(folder.path()).await;
    let url = room.mint("files:a.mp4").await.url;
    for method in ["POST", "PUT", "PATCH", "DELETE"] {
        let method = http::Method::from_bytes(method.as_bytes()).unwrap();
        let reply = common::read(room.send(method.clone(), &url, &[PAGE]).await)
            .await
            .unwrap();
        assert_eq!(reply.status, StatusCode::METHOD_NOT_ALLOWED, "{method}");
        assert_eq!(reply.header("allow"), "GET, HEAD");
        assert_eq!(reply.header("access-control-allow-origin"), "*");
    }
    assert_eq!(room.grants(false)[0].requests, 0);
}
