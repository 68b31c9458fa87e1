//! Long streams: straight from a store that is near, by several connections from
//! one that is far. Always the same bytes under the same status.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test that cannot go on must fail"
)]

mod common;

use std::time::Duration;

use common::ranged::{Act, Asked, Ranged};
use common::{Room, pattern, read};
use http::{Method, StatusCode};
use http_body_util::BodyExt as _;

const MIB: usize = 1024 * 1024;

fn far(_: &Asked, _: usize) -> Act {
    Act {
        after: Duration::from_millis(40),
        ..Act::default()
    }
}

/// A room with a grant whose version is known, of a store that was measured.
async fn measured(store: &Ranged) -> (Room, String) {
    let (room, url) = store.room().await;
    assert_eq!(room.head(&url, &[]).await.status, StatusCode::OK);
    for range in ["bytes=0-1", "bytes=1000000-1000001"] {
        let probe = room.get(&url, &[("range", range)]).await;
        assert_eq!(probe.status, StatusCode::PARTIAL_CONTENT);
    }
    (room, url)
}

/// The ranges that were asked for after `before` requests, by their place.
fn parts(store: &Ranged, before: usize) -> Vec<(u64, u64)> {
    let asked = store.asked();
    let mut parts: Vec<_> = asked[before..]
        .iter()
        .map(|asked| asked.range.unwrap())
        .collect();
    parts.sort_unstable();
    parts
}

fn assert_seamless(parts: &[(u64, u64)], first: usize, last: usize) {
    assert_eq!(parts[0].0, first as u64);
    assert_eq!(parts.last().unwrap().1, last as u64);
    assert!(
        parts.windows(2).all(|two| two[0].1 + 1 == two[1].0),
        "{parts:?}"
    );
}

#[tokio::test]
async fn m24_a_seek_in_a_far_store_comes_by_several_connections() {
    let all = pattern(24 * MIB);
    let store = Ranged::start(all.clone(), far).await;
    let (room, url) = measured(&store).await;
    assert!(room.media.fetch_stats("s").unwrap().far);
    let (first, last) = (10 * MIB + 17, 14 * MIB + 16);
    let before = store.asked().len();
    let range = format!("bytes={first}-{last}");
    let reply = room.get(&url, &[("range", &range)]).await;
    assert_eq!(reply.status, StatusCode::PARTIAL_CONTENT);
    assert_eq!(
        reply.header("content-range"),
        format!("bytes {first}-{last}/{}", 24 * MIB)
    );
    assert_eq!(reply.body, all[first..=last]);
    let parts = parts(&store, before);
    assert_eq!(parts.len(), 7);
    assert_seamless(&parts, first, last);
    assert!((2..=7).contains(&store.most_at_once()));
    assert!(
        store.asked()[before..]
            .iter()
            .all(|asked| asked.if_match.is_some())
    );
}

#[tokio::test]
async fn m24_everything_of_a_far_store_is_a_200_of_the_same_bytes() {
    let all = pattern(24 * MIB);
    let store = Ranged::start(all.clone(), far).await;
    let (room, url) = measured(&store).await;
    let before = store.asked().len();
    let reply = room.get(&url, &[]).await;
    assert_eq!(
        (reply.status, reply.header("content-range")),
        (StatusCode::OK, "")
    );
    assert_eq!(reply.header("content-length"), (24 * MIB).to_string());
    assert!(reply.body == all);
    assert_seamless(&parts(&store, before), 0, 24 * MIB - 1);
    let stats = room.media.fetch_stats("s").unwrap();
    assert_eq!((stats.ahead, stats.resumes), (1, 0));
    assert_eq!(stats.received, 24 * MIB as u64 + 4, "each byte once");
}

#[tokio::test]
async fn m24_a_near_store_is_asked_once() {
    let all = pattern(24 * MIB);
    let store = Ranged::start(all.clone(), |_, _| Act::default()).await;
    let (room, url) = measured(&store).await;
    let before = store.asked().len();
    assert!(room.get(&url, &[("range", "bytes=0-")]).await.body == all);
    let stats = room.media.fetch_stats("s").unwrap();
    // On a machine so busy that its own loopback is slow, it may be widened: what
    // is near is told by the tests of `link`.
    if stats.ahead == 0 {
        assert_eq!(store.asked().len() - before, 1);
    }
}

#[tokio::test]
async fn m23_a_client_that_reads_little_makes_little_be_asked_for() {
    let store = Ranged::start(pattern(64 * MIB), far).await;
    let (room, url) = measured(&store).await;
    let before = store.asked().len();
    let mut body = room
        .send(Method::GET, &url, &[("range", "bytes=0-")])
        .await
        .into_body();
    let frame = body.frame().await.unwrap().unwrap();
    assert!(!frame.into_data().unwrap().is_empty());
    let asked = parts(&store, before);
    assert!(asked.len() <= 8, "{asked:?}");
    drop(body);
    assert_eq!(room.media.totals().streams, 0);
}

#[tokio::test]
async fn m20_a_far_object_replaced_inside_of_a_stream_cuts_it() {
    let store = Ranged::start(pattern(24 * MIB), far).await;
    let (room, url) = measured(&store).await;
    let answer = room.send(Method::GET, &url, &[]).await;
    assert_eq!(answer.status(), StatusCode::OK);
    store.replace(vec![7; 24 * MIB], "\"2\"");
    assert!(read(answer).await.is_err());
    let reply = room.get(&url, &[("range", "bytes=9000000-")]).await;
    assert_eq!(
        (reply.status, reply.denial().as_str()),
        (StatusCode::PRECONDITION_FAILED, "changed")
    );
}

#[tokio::test]
async fn m18_a_far_store_that_ignores_ranges_makes_a_200() {
    let all = pattern(2 * MIB);
    let store = Ranged::start(all.clone(), |asked, before| Act {
        whole: true,
        ..far(asked, before)
    })
    .await;
    let (room, url) = store.room().await;
    for _ in 0..3 {
        room.head(&room.mint("s:film.mp4").await.url, &[]).await;
    }
    room.head(&url, &[]).await;
    for range in ["bytes=0-", "bytes=1000000-"] {
        let reply = room.get(&url, &[("range", range)]).await;
        assert_eq!(
            (reply.status, reply.header("content-range")),
            (StatusCode::OK, "")
        );
        assert!(reply.body == all);
    }
}
