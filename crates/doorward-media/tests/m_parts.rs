//! Several ranges in one answer, and what preconditions make of them.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test that cannot go on must fail"
)]

mod common;

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use common::scripted::{Scripted, field, object};
use common::{Reply, Room, pattern, read};
use http::{Method, StatusCode};
use proptest::prelude::*;

/// One part: its type, its `Content-Range`, its bytes.
type Part = (String, String, Vec<u8>);

/// Takes a `multipart/byteranges` apart, and insists on every byte of its frame.
fn parts(reply: &Reply) -> Vec<Part> {
    assert_eq!(reply.status, StatusCode::PARTIAL_CONTENT);
    assert_eq!(reply.header("content-length"), reply.body.len().to_string());
    assert_eq!(reply.header("content-range"), "", "only parts have one");
    let boundary = reply
        .header("content-type")
        .strip_prefix("multipart/byteranges; boundary=")
        .unwrap();
    let mut rest = &reply.body[..];
    let mut found = Vec::new();
    let mut delimiter = format!("--{boundary}");
    loop {
        rest = rest.strip_prefix(delimiter.as_bytes()).unwrap();
        if rest == b"--\r\n" {
            return found;
        }
        rest = rest.strip_prefix(b"\r\n").unwrap();
        let end = rest
            .windows(4)
            .position(|four| four == b"\r\n\r\n")
            .unwrap();
        let head = String::from_utf8(rest[..end].to_vec()).unwrap();
        rest = &rest[end + 4..];
        let value = |name: &str| field(&head, name).unwrap().to_owned();
        let range = value("content-range");
        let (first, last) = range["bytes ".len()..].split_once('-').unwrap();
        let last = last.split_once('/').unwrap().0;
        let length = last.parse::<usize>().unwrap() + 1 - first.parse::<usize>().unwrap();
        found.push((value("content-type"), range, rest[..length].to_vec()));
        rest = &rest[length..];
        delimiter = format!("\r\n--{boundary}");
    }
}

async fn folder(bytes: &[u8]) -> (Room, tempfile::TempDir, String) {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("film.mp4"), bytes).unwrap();
    let room = Room::with_folder(folder.path()).await;
    let url = room.mint("files:film.mp4").await.url;
    (room, folder, url)
}

#[tokio::test]
async fn m14_several_ranges_come_as_parts() {
    let bytes = pattern(300_000);
    let (room, _folder, url) = folder(&bytes).await;
    let asked = "bytes=200000-299000, 0-9,-5,1000-1999";
    let reply = room.get(&url, &[("range", asked)]).await;
    let mp4 = || "video/mp4".to_owned();
    let part = |first: usize, last: usize| {
        let told = format!("bytes {first}-{last}/300000");
        (mp4(), told, bytes[first..=last].to_vec())
    };
    assert_eq!(
        parts(&reply),
        [
            part(200_000, 299_000),
            part(0, 9),
            part(299_995, 299_999),
            part(1000, 1999)
        ]
    );
    assert_eq!(reply.header("accept-ranges"), "bytes");
    assert!(!reply.header("etag").is_empty());
    let other = room.get(&url, &[("range", asked)]).await;
    assert_ne!(reply.header("content-type"), other.header("content-type"));
}

#[tokio::test]
async fn m14_several_ranges_that_are_one_are_plain() {
    let bytes = pattern(10_000);
    let (room, _folder, url) = folder(&bytes).await;
    for (asked, first, last) in [
        ("bytes=0-9,10-19", 0, 19),
        ("bytes=100-199,0-99", 0, 199),
        ("bytes=5-6,20000-", 5, 6),
    ] {
        let reply = room.get(&url, &[("range", asked)]).await;
        assert_eq!(reply.status, StatusCode::PARTIAL_CONTENT, "{asked}");
        assert_eq!(
            reply.header("content-range"),
            format!("bytes {first}-{last}/10000")
        );
        assert_eq!(reply.header("content-type"), "video/mp4");
        assert_eq!(reply.body, bytes[first..=last]);
    }
}

#[tokio::test]
async fn m14_too_many_ranges_get_the_whole_object_and_none_get_416() {
    let bytes = pattern(100_000);
    let (room, _folder, url) = folder(&bytes).await;
    let apart: Vec<_> = (0..17).map(|at| format!("{0}-{0}", at * 1000)).collect();
    for asked in [
        format!("bytes={}", apart.join(",")),
        "bytes=0-,0-".to_owned(),
        "bytes=0-99999,5-5".to_owned(),
        "bytes=0-1,nonsense".to_owned(),
    ] {
        let reply = room.get(&url, &[("range", &asked)]).await;
        assert_eq!(reply.status, StatusCode::OK, "{asked}");
        assert_eq!(reply.body, bytes);
    }
    let page = ("origin", "https://app.example");
    let reply = room.get(&url, &[("range", "bytes=100000-,-0"), page]).await;
    assert_eq!(reply.status, StatusCode::RANGE_NOT_SATISFIABLE);
    assert_eq!(reply.header("content-range"), "bytes */100000");
    assert_eq!(reply.header("access-control-allow-origin"), "*", "m15");
}

#[tokio::test]
async fn m16_if_range_counts_for_several_ranges_too() {
    let bytes = pattern(10_000);
    let (room, _folder, url) = folder(&bytes).await;
    let several = ("range", "bytes=0-9,5000-5009");
    let reply = room.get(&url, &[several]).await;
    let etag = reply.header("etag").to_owned();
    let modified = reply.header("last-modified").to_owned();
    assert_eq!(
        parts(&room.get(&url, &[several, ("if-range", &etag)]).await).len(),
        2
    );
    for other in ["\"other\"", &format!("W/{etag}"), &modified] {
        let reply = room.get(&url, &[several, ("if-range", other)]).await;
        assert_eq!(
            (reply.status, reply.body.len()),
            (StatusCode::OK, 10_000),
            "{other}"
        );
    }
    let reply = room.get(&url, &[several, ("if-none-match", &etag)]).await;
    assert_eq!(reply.status, StatusCode::NOT_MODIFIED);
    let reply = room.get(&url, &[several, ("if-match", "\"other\"")]).await;
    assert_eq!(reply.status, StatusCode::PRECONDITION_FAILED);
}

#[tokio::test]
async fn m12_head_has_no_ranges() {
    let (room, _folder, url) = folder(&pattern(10_000)).await;
    let reply = room.head(&url, &[("range", "bytes=0-9,5000-5009")]).await;
    assert_eq!(reply.status, StatusCode::OK);
    assert_eq!(reply.header("content-length"), "10000");
    assert!(reply.body.is_empty());
}

#[tokio::test]
async fn m14_parts_of_a_stored_object_are_asked_for_one_by_one() {
    let text: String = ('a'..='z').cycle().take(400_000).collect();
    let own = text.clone();
    let store = Scripted::start(move |head, _| object(head, &own, "1")).await;
    let room = store.room().await;
    let url = room.mint("s:k.mp4").await.url;
    let reply = room
        .get(&url, &[("range", "bytes=200000-200009,0-4")])
        .await;
    let bytes: Vec<_> = parts(&reply).into_iter().map(|part| part.2).collect();
    assert_eq!(
        bytes,
        [
            text.as_bytes()[200_000..200_010].to_vec(),
            text.as_bytes()[..5].to_vec()
        ]
    );
    assert_eq!(
        store.asked(),
        ["HEAD", "GET bytes=200000-200009", "GET bytes=0-4"]
    );
    // Other parts: those are kept. Pinned by now: no HEAD. Dropped after its head: the second part is not
    // asked for.
    let answer = room
        .send(
            Method::GET,
            &url,
            &[("range", "bytes=100000-100004,300000-300009")],
        )
        .await;
    drop(answer);
    assert_eq!(store.asked()[3..], ["GET bytes=100000-100004"]);
}

#[tokio::test]
async fn m17_a_pinned_object_is_judged_without_the_store() {
    let store = Scripted::start(|head, _| object(head, "0123456789", "1")).await;
    let room = store.room().await;
    let url = room.mint("s:k.mp4").await.url;
    assert_eq!(room.get(&url, &[]).await.status, StatusCode::OK);
    for (name, value, status) in [
        ("if-none-match", "\"1\"", 304),
        ("if-none-match", "*", 304),
        ("if-match", "\"2\"", 412),
        ("if-match", "W/\"1\"", 412),
    ] {
        let reply = room
            .get(&url, &[(name, value), ("range", "bytes=0-1")])
            .await;
        assert_eq!(reply.status.as_u16(), status, "{name}: {value}");
        assert_eq!(reply.header("etag"), "\"1\"");
    }
    let head = room.head(&url, &[]).await;
    assert_eq!(head.header("content-length"), "10");
    assert_eq!(store.asked(), ["GET"], "once, for the bytes");
}

#[tokio::test]
async fn m18_a_store_that_ignores_ranges_makes_a_200_of_several() {
    let text = "x".repeat(2000);
    let own = text.clone();
    let store = Scripted::start(move |head, _| {
        if head.starts_with("HEAD ") {
            return object(head, &own, "1");
        }
        format!(
            "HTTP/1.1 200 OK\nContent-Length: 2000\nETag: \"1\"\nContent-Type: video/mp4\n\n{own}"
        )
    })
    .await;
    let room = store.room().await;
    let url = room.mint("s:k.mp4").await.url;
    let reply = room.get(&url, &[("range", "bytes=0-1,1000-1001")]).await;
    assert_eq!(reply.status, StatusCode::OK);
    assert_eq!(reply.header("content-type"), "video/mp4");
    assert_eq!(reply.body, text);
}

#[tokio::test]
async fn m20_an_object_replaced_between_two_parts_cuts_the_answer() {
    let replaced = Arc::new(AtomicBool::new(false));
    let seen = Arc::clone(&replaced);
    let text = "x".repeat(2000);
    let store = Scripted::start(move |head, _| {
        let tag = if seen.load(Ordering::Relaxed) {
            "2"
        } else {
            "1"
        };
        object(head, &text, tag)
    })
    .await;
    let room = store.room().await;
    let url = room.mint("s:k.mp4").await.url;
    let answer = room
        .send(Method::GET, &url, &[("range", "bytes=0-1,1000-1001")])
        .await;
    assert_eq!(answer.status(), StatusCode::PARTIAL_CONTENT);
    replaced.store(true, Ordering::Relaxed);
    assert!(read(answer).await.is_err(), "never mixed versions");
}

#[tokio::test]
async fn m31_several_ranges_of_an_encoded_object_are_all_of_it() {
    let store = Scripted::start(|head, _| {
        object(head, &"z".repeat(2000), "1").replacen("\nETag", "\nContent-Encoding: gzip\nETag", 1)
    })
    .await;
    let room = store.room().await;
    let url = room.mint("s:k.mp4").await.url;
    let reply = room.get(&url, &[("range", "bytes=0-1,1000-1001")]).await;
    assert_eq!((reply.status, reply.body.len()), (StatusCode::OK, 2000));
    assert_eq!(reply.header("accept-ranges"), "none");
}

#[tokio::test]
async fn m32_several_ranges_of_an_empty_object() {
    let (room, _folder, url) = folder(b"").await;
    let reply = room.get(&url, &[("range", "bytes=0-,1-2")]).await;
    assert_eq!(reply.status, StatusCode::RANGE_NOT_SATISFIABLE);
    assert_eq!(reply.header("content-range"), "bytes */0");
    let reply = room.get(&url, &[("range", "bytes=0-,-1")]).await;
    assert_eq!((reply.status, reply.body.len()), (StatusCode::OK, 0));
}

#[tokio::test]
async fn m11_preflights_name_every_header_of_ranges_and_nothing_of_networks() {
    let (room, _folder, url) = folder(b"x").await;
    let headers = [
        ("origin", "https://app.example"),
        ("access-control-request-method", "GET"),
        (
            "access-control-request-headers",
            "if-match,if-none-match,if-range,range",
        ),
        ("access-control-request-private-network", "true"),
    ];
    let reply = read(room.send(Method::OPTIONS, &url, &headers).await)
        .await
        .unwrap();
    assert!(reply.status.is_success());
    let allowed = reply.header("access-control-allow-headers").to_lowercase();
    for name in ["range", "if-range", "if-match", "if-none-match"] {
        assert!(allowed.split(", ").any(|known| known == name), "{allowed}");
    }
    assert!(
        reply
            .headers
            .keys()
            .all(|name| !name.as_str().contains("network"))
    );
    assert_eq!(reply.header("access-control-allow-credentials"), "");
    assert!(reply.body.is_empty());
    assert_eq!(room.grants(false)[0].requests, 0, "not a use");
}

#[tokio::test]
async fn m12_head_of_a_stored_object_moves_no_body_and_asks_once() {
    let store = Scripted::start(|head, _| object(head, "0123456789", "1")).await;
    let room = store.room().await;
    let url = room.mint("s:k.mp4").await.url;
    for _ in 0..3 {
        let head = room.head(&url, &[("range", "bytes=0-1")]).await;
        assert_eq!(head.status, StatusCode::OK);
        assert_eq!(head.header("content-length"), "10");
        assert_eq!(head.header("accept-ranges"), "bytes");
        assert_eq!(head.header("content-type"), "video/mp4");
    }
    assert_eq!(store.asked(), ["HEAD"]);
    assert_eq!(room.media.totals().bytes, 0);
}

#[tokio::test]
async fn m5_m20_revoking_cuts_an_answer_of_several_parts() {
    let (room, _folder, url) = folder(&pattern(1_000_000)).await;
    let several = [("range", "bytes=0-399999,500000-899999")];
    let answer = room.send(Method::GET, &url, &several).await;
    assert_eq!(answer.status(), StatusCode::PARTIAL_CONTENT);
    assert!(room.media.revoke_url(&url));
    assert!(read(answer).await.is_err());
    assert_eq!(room.media.totals().streams, 0);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    /// Whatever is asked for, what comes is what the answer says it is, and
    /// every byte that was asked for is in it.
    #[test]
    fn m14_every_answer_is_made_of_the_objects_bytes(
        asked in proptest::collection::vec((0_usize..70_000, 0_usize..3000), 1..20),
    ) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(async {
            let bytes = pattern(65_537);
            let (room, _folder, url) = folder(&bytes).await;
            let members: Vec<_> = asked
                .iter()
                .map(|(first, more)| format!("{first}-{}", first + more))
                .collect();
            let range = format!("bytes={}", members.join(", "));
            let reply = room.get(&url, &[("range", &range)]).await;
            let mut sent = vec![false; bytes.len()];
            let mut check = |told: &str, part: &[u8]| {
                let told = told.strip_prefix("bytes ").unwrap().strip_suffix("/65537").unwrap();
                let (first, last) = told.split_once('-').unwrap();
                let (first, last): (usize, usize) = (first.parse().unwrap(), last.parse().unwrap());
                assert_eq!(part, &bytes[first..=last]);
                sent[first..=last].fill(true);
            };
            match reply.status {
                StatusCode::OK => assert_eq!(reply.body, bytes),
                StatusCode::PARTIAL_CONTENT if reply.header("content-range").is_empty() => {
                    for (_, told, part) in parts(&reply) {
                        check(&told, &part);
                    }
                }
                StatusCode::PARTIAL_CONTENT => check(reply.header("content-range"), &reply.body),
                status => {
                    assert_eq!(status, StatusCode::RANGE_NOT_SATISFIABLE);
                    assert!(asked.iter().all(|(first, _)| *first >= bytes.len()));
                }
            }
            if reply.status == StatusCode::PARTIAL_CONTENT {
                for (first, more) in &asked {
                    let end = (first + more + 1).min(bytes.len());
                    assert!(sent.get(*first..end).is_none_or(|sent| sent.iter().all(|sent| *sent)));
                }
            }
        });
    }
}
