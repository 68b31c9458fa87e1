//! Stores that drop: whatever they do, a client gets every byte once, or no
//! clean end.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test that cannot go on must fail"
)]

mod common;

use std::time::Duration;

use common::ranged::{Act, Ranged};
use common::{pattern, read};
use http::{Method, StatusCode};
use http_body_util::BodyExt as _;
use sha2::{Digest as _, Sha256};

const MIB: usize = 1024 * 1024;

fn dropping(after: u64) -> Act {
    Act {
        drop_after: Some(after),
        ..Act::default()
    }
}

/// Numbers that look random and are the same each time.
fn scattered(seed: u64) -> u64 {
    let mut x = seed.wrapping_add(1).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    x ^= x >> 31;
    x.wrapping_mul(0xbf58_476d_1ce4_e5b9) >> 16
}

#[tokio::test]
async fn m19_fifty_drops_in_100_mib_leave_every_byte_in_place() {
    let all = pattern(100 * MIB);
    let expected = Sha256::digest(&all);
    let size = all.len() as u64;
    let store = Ranged::start(all, |_, before| match before {
        0..50 => dropping(scattered(before as u64) % (3 * MIB as u64)),
        _ => Act::default(),
    })
    .await;
    let (room, url) = store.room().await;
    let answer = room.send(Method::GET, &url, &[("range", "bytes=0-")]).await;
    assert_eq!(answer.status(), StatusCode::PARTIAL_CONTENT);
    let mut body = answer.into_body();
    let (mut hash, mut got) = (Sha256::new(), 0);
    while let Some(frame) = body.frame().await {
        let data = frame.unwrap().into_data().unwrap();
        got += data.len() as u64;
        hash.update(&data);
    }
    assert_eq!(got, size);
    assert_eq!(hash.finalize(), expected);
    let asked = store.asked();
    let stats = room.media.fetch_stats("s").unwrap();
    // Unless the machine was so busy that its loopback passed for a far store.
    if stats.ahead == 0 {
        assert_eq!(asked.len(), 51, "once more for each drop");
        assert_eq!((stats.drops, stats.resumes, stats.received), (50, 50, size));
    }
    assert!(
        asked[1..]
            .iter()
            .all(|asked| asked.if_match.as_deref() == Some("\"1\"")),
        "the rest is asked for at its version"
    );
    // What a drop loses is what the kernel held.
    assert!(
        store.sent() <= size + 50 * MIB as u64 / 2,
        "{}",
        store.sent()
    );
}

#[tokio::test]
async fn m20_an_object_replaced_after_a_drop_cuts_the_body() {
    for ignores in [false, true] {
        let store = std::sync::Arc::new(
            Ranged::start(pattern(MIB), move |_, before| match before {
                0 => dropping(1000),
                _ if ignores => Act {
                    // Whatever the tag: a store that has no conditions.
                    instead: Some(
                        "HTTP/1.1 206 Partial Content\r\nContent-Range: bytes 1000-1048575/1048576\r\n\
                         Content-Length: 1047576\r\nETag: \"2\"\r\nConnection: close\r\n\r\nnew"
                            .to_owned(),
                    ),
                    ..Act::default()
                },
                _ => Act::default(),
            })
            .await,
        );
        let (room, url) = store.room().await;
        let mut events = room.events.subscribe(None);
        let answer = room.send(Method::GET, &url, &[]).await;
        assert_eq!(answer.status(), StatusCode::OK);
        store.replace(vec![7; MIB], "\"2\"");
        let mut body = answer.into_body();
        let mut got = Vec::new();
        let cut = loop {
            match body.frame().await {
                Some(Ok(frame)) => got.extend_from_slice(&frame.into_data().unwrap()),
                Some(Err(cut)) => break Some(cut),
                None => break None,
            }
        };
        assert!(cut.unwrap().to_string().contains("changed"));
        assert!(got.len() <= 1000 && pattern(MIB).starts_with(&got));
        assert_eq!(store.asked().len(), 2, "no second try");
        assert_eq!(events.live.try_recv().unwrap().kind, "grant.changed");
    }
}

#[tokio::test]
async fn m19_a_range_is_resumed_within_its_bounds() {
    let store = Ranged::start(pattern(MIB), |_, before| match before {
        0 => dropping(100_000),
        1 => dropping(0),
        _ => Act::default(),
    })
    .await;
    let (room, url) = store.room().await;
    let reply = room.get(&url, &[("range", "bytes=1000-600000")]).await;
    assert_eq!(reply.status, StatusCode::PARTIAL_CONTENT);
    assert_eq!(reply.body, pattern(MIB)[1000..=600_000]);
    let ranges: Vec<_> = store
        .asked()
        .iter()
        .map(|asked| asked.range.unwrap())
        .collect();
    assert_eq!(ranges[0], (1000, 600_000));
    assert!(
        ranges[1..]
            .iter()
            .all(|range| range.1 == 600_000 && range.0 > 1000)
    );
}

#[tokio::test]
async fn m36_credentials_that_expire_inside_of_a_body_are_asked_for_once_more() {
    let expired = "<Error><Code>ExpiredToken</Code></Error>";
    let expired = format!(
        "HTTP/1.1 403 Forbidden\r\nContent-Length: {}\r\nConnection: close\r\n\r\n{expired}",
        expired.len()
    );
    for (times, whole) in [(1, true), (2, false)] {
        let expired = expired.clone();
        let store = Ranged::start(pattern(MIB), move |_, before| match before {
            0 => dropping(500_000),
            n if n <= times => Act {
                instead: Some(expired.clone()),
                ..Act::default()
            },
            _ => Act::default(),
        })
        .await;
        let (room, url) = store.room().await;
        let reply = read(room.send(Method::GET, &url, &[]).await).await;
        match reply {
            Ok(reply) => assert!(whole && reply.body == pattern(MIB)),
            Err(_) => assert!(!whole),
        }
    }
}

#[tokio::test]
async fn m18_a_store_that_ignores_the_range_of_the_rest_is_read_up_to_it() {
    let store = Ranged::start(pattern(MIB), |_, before| Act {
        drop_after: (before == 0).then_some(100_000),
        whole: true,
        ..Act::default()
    })
    .await;
    let (room, url) = store.room().await;
    let reply = room.get(&url, &[]).await;
    assert_eq!(
        (reply.status, reply.body),
        (StatusCode::OK, pattern(MIB).into())
    );
    assert_eq!(store.asked().len(), 2);
}

#[tokio::test]
async fn m19_a_weak_tag_proves_nothing_so_the_body_ends_where_it_broke_off() {
    let store = Ranged::start(pattern(MIB), |_, _| dropping(1000)).await;
    store.replace(pattern(MIB), "W/\"1\"");
    let (room, url) = store.room().await;
    assert!(read(room.send(Method::GET, &url, &[]).await).await.is_err());
    assert_eq!(store.asked().len(), 1);
}

#[tokio::test]
async fn m31_an_encoded_object_is_resumed_only_as_it_is_encoded() {
    let store =
        Ranged::with_headers(
            pattern(MIB),
            "Content-Encoding: gzip\r\n",
            |_, before| match before {
                0 => dropping(300_000),
                _ => Act::default(),
            },
        )
        .await;
    let (room, url) = store.room().await;
    let reply = room.get(&url, &[]).await;
    assert_eq!(
        (reply.status, reply.header("content-encoding")),
        (StatusCode::OK, "gzip")
    );
    assert_eq!(reply.body, pattern(MIB));
}

#[tokio::test]
async fn m32_a_zero_byte_object_is_whole_at_once() {
    let store = Ranged::start(Vec::new(), |_, _| Act::default()).await;
    let (room, url) = store.room().await;
    let within = tokio::time::timeout(Duration::from_secs(10), room.get(&url, &[])).await;
    let reply = within.unwrap();
    assert_eq!((reply.status, reply.body.len()), (StatusCode::OK, 0));
    let reply = room.get(&url, &[("range", "bytes=0-")]).await;
    assert_eq!(reply.status, StatusCode::RANGE_NOT_SATISFIABLE);
}
